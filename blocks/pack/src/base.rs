//! Code tables, regions and forms that packs brought.

use std::sync::Arc;

use kernel::{Error, Memo, Result};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use store::{Db, fault};

use crate::schema::{code as code_table, form as form_table, region as region_table};

/// The values of a code table in the order of its file: `(code, Chinese, English)`.
pub async fn codes(db: &Db, table: &str) -> Result<Vec<(String, String, String)>> {
    let rows = code_table::Entity::find()
        .filter(code_table::Column::TableId.eq(table))
        .order_by_asc(code_table::Column::Place)
        .order_by_asc(code_table::Column::Code)
        .all(db.read())
        .await
        .map_err(|e| fault("read a code table", e))?;
    let values = rows
        .into_iter()
        .map(|row| (row.code, row.name_zh, row.name_en));
    Ok(values.collect())
}

/// The name of a region.
pub async fn lookup_region(db: &Db, code: &str) -> Result<Option<String>> {
    let row = region_table::Entity::find_by_id(code)
        .one(db.read())
        .await
        .map_err(|e| fault("read a region", e))?;
    Ok(row.map(|row| row.name))
}

/// Regions right below another, by code: `(code, name)`. At the most 500, more than any has.
pub async fn regions_below(db: &Db, parent: &str) -> Result<Vec<(String, String)>> {
    let rows = region_table::Entity::find()
        .filter(region_table::Column::Parent.eq(parent))
        .order_by_asc(region_table::Column::Code)
        .limit(500)
        .all(db.read())
        .await
        .map_err(|e| fault("list regions", e))?;
    Ok(rows.into_iter().map(|row| (row.code, row.name)).collect())
}

/// The form of that key as it is now; drafts keep the form that they began with.
pub async fn form(db: &impl ConnectionTrait, id: &str) -> Result<Arc<forms::Form>> {
    static READ: Memo<forms::Form> = Memo::new(256);
    let row = form_table::Entity::find_by_id(id)
        .one(db)
        .await
        .map_err(|e| fault("read a form", e))?;
    let document = row.ok_or(Error::NotFound { what: "form" })?.document;
    READ.get(&document, forms::Form::parse)
}
