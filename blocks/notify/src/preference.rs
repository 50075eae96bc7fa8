//! How a user wants to be told.

use identity::{Actor, Gate, Resource, UserId};
use kernel::{Error, Result, Text};
use lettre::Address;
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, sea_query::OnConflict};
use store::{Db, fault};
use web::Language;

use crate::schema::preference as table;

/// Messages in the house come always; mail besides, if wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preference {
    pub wants_mail: bool,
    pub address: String,
    pub language: Language,
}

pub(crate) async fn lookup(db: &impl ConnectionTrait, user: UserId) -> Result<Preference> {
    let row = table::Entity::find_by_id(user.to_string())
        .one(db)
        .await
        .map_err(|e| fault("read a preference", e))?;
    Ok(row.map_or_else(Preference::default, |row| Preference {
        wants_mail: row.wants_mail,
        address: row.address,
        language: Language::from_tag(&row.language).unwrap_or_default(),
    }))
}

/// The actor's own preference.
pub async fn preference(db: &Db, gate: &Gate, actor: &Actor) -> Result<Preference> {
    let own = Resource::new("User", actor.user);
    actor.may(gate, "notify.message.read", &own)?;
    lookup(db.read(), actor.user).await
}

/// Changes the actor's own preference; mail needs an address.
pub async fn change_preference(
    db: &Db,
    gate: &Gate,
    actor: &Actor,
    new: &Preference,
) -> Result<()> {
    let own = Resource::new("User", actor.user);
    actor.may(gate, "notify.preference.change", &own)?;
    let address = new.address.trim().to_owned();
    let is_readable = address.parse::<Address>().is_ok();
    if !is_readable && (new.wants_mail || !address.is_empty()) {
        let text = Text::new("notify-address-unreadable");
        return Err(Error::invalid("address", text));
    }
    let row = table::ActiveModel {
        user_id: Set(actor.user.to_string()),
        wants_mail: Set(new.wants_mail),
        address: Set(address),
        language: Set(new.language.tag().to_owned()),
    };
    db.write(move |tx| {
        let row = row.clone();
        async move {
            let columns = [
                table::Column::WantsMail,
                table::Column::Address,
                table::Column::Language,
            ];
            let replace = OnConflict::column(table::Column::UserId)
                .update_columns(columns)
                .to_owned();
            table::Entity::insert(row)
                .on_conflict(replace)
                .exec_without_returning(&*tx)
                .await
                .map_err(|e| fault("change a preference", e))?;
            Ok(())
        }
    })
    .await
}
