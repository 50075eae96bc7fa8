//! How a user wants to be told.

use identity::{Actor, Gate, Resource, UserId};
use kernel::{Error, Fault, Result, Text, clock::micros};
use lettre::Address;
use rand::{RngExt, SeedableRng};
use sea_orm::{
    ActiveValue::{self, Set, Unchanged},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect,
};
use store::{Db, Tx, fault};
use web::Language;

use crate::{Settings, mail::SendCode, schema::preference as table};

/// Wrong codes after which a new one has to be asked for.
const MOST_TRIES: i32 = 5;

/// Messages in the house come always; mail besides, if wanted and once the address is confirmed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preference {
    pub wants_mail: bool,
    pub address: String,
    pub language: Language,
    /// Whether somebody typed the code that was mailed to the address: messages are personal and
    /// may not go to a mistyped one.
    pub is_confirmed: bool,
}

impl Preference {
    pub(crate) fn gets_mail(&self) -> bool {
        self.wants_mail && self.is_confirmed
    }
}

pub(crate) async fn lookup_row(
    db: &impl ConnectionTrait,
    user: UserId,
) -> Result<Option<table::Model>> {
    let row = table::Entity::find_by_id(user.to_string()).one(db).await;
    Ok(row.map_err(|e| fault("read a preference", e))?)
}

pub(crate) async fn lookup(db: &impl ConnectionTrait, user: UserId) -> Result<Preference> {
    let row = lookup_row(db, user).await?;
    Ok(row.map(preference_of).unwrap_or_default())
}

/// Ids of those users who get their messages by mail, too.
pub(crate) async fn who_gets_mail(
    db: &impl ConnectionTrait,
    users: &[UserId],
) -> Result<Vec<String>> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<String> = table::Entity::find()
        .select_only()
        .column(table::Column::UserId)
        .filter(table::Column::UserId.is_in(users.iter().map(ToString::to_string)))
        .filter(table::Column::WantsMail.eq(true))
        .filter(table::Column::ConfirmedAt.is_not_null())
        .into_tuple()
        .all(db)
        .await
        .map_err(|e| fault("list who gets mail", e))?;
    Ok(rows)
}

pub(crate) fn preference_of(row: table::Model) -> Preference {
    Preference {
        wants_mail: row.wants_mail,
        language: Language::from_tag(&row.language).unwrap_or_default(),
        is_confirmed: row.confirmed_at.is_some(),
        address: row.address,
    }
}

/// The actor's own preference.
pub async fn preference(db: &Db, gate: &Gate, actor: &Actor) -> Result<Preference> {
    actor.may(gate, "notify.message.read", &own(actor))?;
    lookup(db.read(), actor.user).await
}

fn own(actor: &Actor) -> Resource {
    Resource::new("User", actor.user)
}

/// Changes the actor's own preference. A new address gets a code by mail, to be given to
/// [`confirm_address`]; saving an unconfirmed address again sends a new one.
pub async fn change_preference(
    db: &Db,
    gate: &Gate,
    settings: &Settings,
    actor: &Actor,
    new: &Preference,
) -> Result<()> {
    actor.may(gate, "notify.preference.change", &own(actor))?;
    let address = new.address.trim().to_owned();
    let is_readable = address.parse::<Address>().is_ok();
    if !is_readable && (new.wants_mail || !address.is_empty()) {
        let text = Text::new("notify-address-unreadable");
        return Err(Error::invalid("address", text));
    }
    if new.wants_mail && settings.host.is_empty() {
        let text = Text::new("notify-no-mail-server");
        return Err(Error::invalid("wants_mail", text));
    }
    let (code, user) = (code()?, actor.user);
    let new = Preference {
        address,
        ..new.clone()
    };
    db.write(move |tx| {
        let (new, code) = (new.clone(), code.clone());
        async move { write(&tx, user, &new, code).await }
    })
    .await
}

/// Six digits that nobody can foresee.
fn code() -> Result<String> {
    let mut random = rand::rngs::StdRng::try_from_rng(&mut rand::rngs::SysRng)
        .map_err(|e| Fault::caused_by("draw a code", e))?;
    Ok(format!("{:06}", random.random_range(0..1_000_000)))
}

async fn write(tx: &Tx, user: UserId, new: &Preference, code: String) -> Result<()> {
    let known = lookup_row(&**tx, user).await?;
    let is_confirmed = known
        .as_ref()
        .is_some_and(|row| row.address == new.address && row.confirmed_at.is_some());
    let mut row = table::ActiveModel {
        user_id: Set(user.to_string()),
        wants_mail: Set(new.wants_mail),
        address: Set(new.address.clone()),
        language: Set(new.language.tag().to_owned()),
        code: ActiveValue::NotSet,
        tries: Set(0),
        confirmed_at: ActiveValue::NotSet,
    };
    if !is_confirmed {
        row.code = Set(new.wants_mail.then_some(code));
        row.confirmed_at = Set(None);
        if new.wants_mail {
            tx.enqueue(&SendCode { user })?;
        }
    }
    let written = if known.is_some() {
        table::Entity::update(row).exec(&**tx).await.map(drop)
    } else {
        table::Entity::insert(row)
            .exec_without_returning(&**tx)
            .await
            .map(drop)
    };
    Ok(written.map_err(|e| fault("change a preference", e))?)
}

/// Confirms the actor's address with the code that was mailed to it.
pub async fn confirm_address(db: &Db, gate: &Gate, actor: &Actor, code: &str) -> Result<()> {
    actor.may(gate, "notify.preference.change", &own(actor))?;
    let (user, code) = (actor.user, code.trim().to_owned());
    let is_right = db
        .write(move |tx| {
            let code = code.clone();
            async move { try_code(&tx, user, &code).await }
        })
        .await?;
    if is_right {
        Ok(())
    } else {
        Err(Error::invalid("code", Text::new("notify-code-wrong")))
    }
}

/// Whether the code was right. A wrong one is counted, so it is an answer and no error: an error
/// would undo the count.
async fn try_code(tx: &Tx, user: UserId, code: &str) -> Result<bool> {
    let row = lookup_row(&**tx, user).await?;
    let row = row.filter(|row| row.tries < MOST_TRIES);
    let Some((row, expected)) = row.and_then(|row| row.code.clone().map(|code| (row, code))) else {
        return Err(Error::refused("notify-code-none"));
    };
    let mut change = table::ActiveModel {
        user_id: Unchanged(row.user_id),
        ..Default::default()
    };
    let is_right = expected == code;
    if is_right {
        change.code = Set(None);
        change.confirmed_at = Set(Some(micros(tx.now())));
    } else {
        change.tries = Set(row.tries + 1);
    }
    table::Entity::update(change)
        .exec(&**tx)
        .await
        .map_err(|e| fault("confirm an address", e))?;
    Ok(is_right)
}
