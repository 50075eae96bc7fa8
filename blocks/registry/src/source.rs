//! Who states facts: names that declarations use, and the organisations that they are here.

use kernel::{Error, Result, Text};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, QueryOrder};
use serde::{Deserialize, Serialize};
use store::{Tx, fault};

use crate::schema::source as table;

/// A source as a pack tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    #[serde(skip_deserializing)]
    pub id: String,
    #[serde(default)]
    pub title_zh: String,
    #[serde(default)]
    pub title_en: String,
    /// Unified social credit code; empty where nobody here is that source.
    #[serde(default)]
    pub org: String,
}

/// Writes a source; what is empty stays as another pack told it.
pub async fn install(tx: &Tx, source: &Source) -> Result<()> {
    let known = lookup(&**tx, &source.id).await?;
    let keep = |new: &str, old: Option<&String>| {
        if new.is_empty() {
            old.cloned().unwrap_or_default()
        } else {
            new.to_owned()
        }
    };
    let row = table::ActiveModel {
        id: Set(source.id.clone()),
        title_zh: Set(keep(&source.title_zh, known.as_ref().map(|k| &k.title_zh))),
        title_en: Set(keep(&source.title_en, known.as_ref().map(|k| &k.title_en))),
        org: Set(keep(&source.org, known.as_ref().map(|k| &k.org))),
    };
    let replace = sea_orm::sea_query::OnConflict::column(table::Column::Id)
        .update_columns([
            table::Column::TitleZh,
            table::Column::TitleEn,
            table::Column::Org,
        ])
        .to_owned();
    table::Entity::insert(row)
        .on_conflict(replace)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("write a source", e))?;
    Ok(())
}

pub async fn lookup(db: &impl ConnectionTrait, id: &str) -> Result<Option<Source>> {
    let row = table::Entity::find_by_id(id)
        .one(db)
        .await
        .map_err(|e| fault("look up a source", e))?;
    Ok(row.map(read))
}

/// A source that somebody here is.
pub(crate) async fn get(db: &impl ConnectionTrait, id: &str) -> Result<Source> {
    let source = lookup(db, id)
        .await?
        .filter(|source| !source.org.is_empty());
    source.ok_or_else(|| {
        let text = Text::new("registry-source-unknown").with("source", id);
        Error::invalid("source", text)
    })
}

/// All sources, by id.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<Source>> {
    let rows = table::Entity::find()
        .order_by_asc(table::Column::Id)
        .all(db)
        .await
        .map_err(|e| fault("list sources", e))?;
    Ok(rows.into_iter().map(read).collect())
}

fn read(row: table::Model) -> Source {
    Source {
        id: row.id,
        title_zh: row.title_zh,
        title_en: row.title_en,
        org: row.org,
    }
}
