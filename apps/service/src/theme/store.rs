//! Queries on the table of themes.

use kernel::{Error, Fault, Result, clock::micros};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use store::{Tx, fault};

use super::{Theme, schema::theme as table};

/// More themes than any city has; a list of them is one page.
const MOST: u64 = 500;

/// The theme that people apply under.
pub async fn get(db: &impl ConnectionTrait, id: &str) -> Result<Theme> {
    lookup(db, id)
        .await?
        .ok_or(Error::NotFound { what: "theme" })
}

pub async fn lookup(db: &impl ConnectionTrait, id: &str) -> Result<Option<Theme>> {
    let row = table::Entity::find()
        .filter(table::Column::Id.eq(id))
        .filter(table::Column::IsCurrent.eq(true))
        .one(db)
        .await
        .map_err(|e| fault("read a theme", e))?;
    row.as_ref().map(theme_of).transpose()
}

pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<Theme>> {
    let rows = table::Entity::find()
        .filter(table::Column::IsCurrent.eq(true))
        .order_by_asc(table::Column::Id)
        .limit(MOST)
        .all(db)
        .await
        .map_err(|e| fault("list themes", e))?;
    rows.iter().map(theme_of).collect()
}

/// Puts a pack's theme into force; the same content again changes nothing. Answers whether
/// anything changed. Drafts begun under an earlier version go on under the new one.
pub async fn install(tx: &Tx, theme: &Theme) -> Result<bool> {
    let before = lookup(&**tx, &theme.id).await?;
    let mut next = theme.clone();
    next.version = before.as_ref().map_or(1, |b| b.version);
    if before.as_ref() == Some(&next) {
        return Ok(false);
    }
    if before.is_some() {
        next.version += 1;
        table::Entity::update_many()
            .set(table::ActiveModel {
                is_current: Set(false),
                ..table::ActiveModel::default()
            })
            .filter(table::Column::Id.eq(&theme.id))
            .exec(&**tx)
            .await
            .map_err(|e| fault("replace a theme", e))?;
    }
    let document = serde_json::to_string(&next).map_err(|e| Fault::caused_by("write JSON", e))?;
    let row = table::ActiveModel {
        id: Set(next.id.clone()),
        version: Set(next.version),
        name: Set(next.name.clone()),
        region: Set(next.region.clone()),
        is_current: Set(true),
        document: Set(document),
        updated_at: Set(micros(tx.now())),
    };
    table::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("write a theme", e))?;
    Ok(true)
}

fn theme_of(row: &table::Model) -> Result<Theme> {
    let theme: Theme = serde_json::from_str(&row.document)
        .map_err(|e| Fault::caused_by("read JSON of a row", e))?;
    Ok(Theme {
        version: row.version,
        ..theme
    })
}
