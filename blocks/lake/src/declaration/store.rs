//! Declarations as they are kept.

use kernel::{Error, Fault, Finding, Result, Text, clock::micros, crypto::sm3};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    sea_query::OnConflict,
};
use store::{Tx, fault};

use super::Table;
use crate::{
    event,
    schema::{source, table},
};

/// Keeps a declaration, new or changed, with the origin of its columns. Columns may be added; what
/// is there keeps its type, because rows of it are in files. Answers whether anything is new.
pub(crate) async fn declare(tx: &Tx, declared: &Table, actor: &str) -> Result<bool> {
    use table::Column as C;
    let findings = declared.findings();
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    if let Some(old) = lookup(&**tx, &declared.id).await? {
        if old == *declared {
            return Ok(false);
        }
        check_change(&old, declared)?;
    }
    let document =
        serde_json::to_string(declared).map_err(|e| Fault::caused_by("write a declaration", e))?;
    let digest = hex::encode(sm3(document.as_bytes()));
    let row = table::ActiveModel {
        id: Set(declared.id.clone()),
        title_zh: Set(declared.title.zh.clone()),
        title_en: Set(declared.title.en.clone()),
        org: Set(declared.org.clone()),
        digest: Set(digest.clone()),
        document: Set(document),
        updated_at: Set(micros(tx.now())),
    };
    let mut replace = OnConflict::column(C::Id);
    replace.update_columns([
        C::TitleZh,
        C::TitleEn,
        C::Org,
        C::Digest,
        C::Document,
        C::UpdatedAt,
    ]);
    table::Entity::insert(row)
        .on_conflict(replace)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("keep a lake table", e))?;
    keep_sources(tx, declared).await?;
    let body = event::Declared {
        table: declared.id.clone(),
        org: declared.org.clone(),
        digest,
    };
    tx.emit(format!("lake:{}", declared.id), actor, &body)?;
    Ok(true)
}

fn check_change(old: &Table, new: &Table) -> Result<()> {
    let kept = |column: &super::Column| {
        let now = new.column(&column.id)?;
        (now.data_type() == column.data_type()).then_some(())
    };
    let changed = old.columns.iter().filter(|column| kept(column).is_none());
    let findings: Vec<_> = changed
        .map(|column| {
            let field = format!("columns.{}", column.id);
            Finding::new(field, Text::new("lake-column-changed"))
        })
        .collect();
    if findings.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(findings))
    }
}

async fn keep_sources(tx: &Tx, declared: &Table) -> Result<()> {
    source::Entity::delete_many()
        .filter(source::Column::Lake.eq(&declared.id))
        .exec(&**tx)
        .await
        .map_err(|e| fault("forget the origin of columns", e))?;
    let rows = declared.columns.iter().filter_map(|column| {
        let origin = column.source.as_ref()?;
        Some(source::ActiveModel {
            lake: Set(declared.id.clone()),
            field: Set(column.id.clone()),
            resource: Set(origin.resource.clone()),
            source_column: Set(origin.column.clone()),
        })
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    source::Entity::insert_many(rows)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("keep the origin of columns", e))?;
    Ok(())
}

fn read(row: &table::Model) -> Result<Table> {
    serde_json::from_str(&row.document)
        .map_err(|e| Fault::caused_by("read a lake table's declaration", e).into())
}

pub(crate) async fn lookup(db: &impl ConnectionTrait, id: &str) -> Result<Option<Table>> {
    let row = table::Entity::find_by_id(id)
        .one(db)
        .await
        .map_err(|e| fault("look up a lake table", e))?;
    row.as_ref().map(read).transpose()
}

pub(crate) async fn get(db: &impl ConnectionTrait, id: &str) -> Result<Table> {
    let found = lookup(db, id).await?;
    found.ok_or(Error::NotFound { what: "lake table" })
}

pub(crate) async fn list(db: &impl ConnectionTrait) -> Result<Vec<Table>> {
    let rows = table::Entity::find()
        .order_by_asc(table::Column::Id)
        .all(db)
        .await
        .map_err(|e| fault("list lake tables", e))?;
    rows.iter().map(read).collect()
}
