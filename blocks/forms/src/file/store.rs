//! Queries on `forms_file`.

use ::store::{Tx, fault};
use kernel::{
    Error, Fault, Result,
    clock::{from_micros, micros},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    sea_query::Expr,
};

use super::File;
use crate::{DraftId, FileId, schema::file as table};

pub async fn insert(tx: &Tx, file: &File) -> Result<()> {
    let row = table::ActiveModel {
        id: Set(file.id.to_string()),
        draft_id: Set(file.draft.map(String::from)),
        owner_user: Set(file.owner_user.clone()),
        owner_party: Set(file.owner_party.clone()),
        subject: Set(file.subject.clone()),
        readers: Set(file.readers.join(" ")),
        field: Set(file.field.clone()),
        name: Set(file.name.clone()),
        media_type: Set(file.media_type.clone()),
        size: Set(i64::try_from(file.size).unwrap_or(i64::MAX)),
        digest: Set(file.digest.clone()),
        blob: Set(file.blob.clone()),
        created_at: Set(micros(file.created_at)),
    };
    table::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("insert a file", e))?;
    Ok(())
}

pub async fn get(connection: &impl ConnectionTrait, id: FileId) -> Result<File> {
    let row = table::Entity::find_by_id(id.to_string())
        .one(connection)
        .await
        .map_err(|e| fault("read a file's row", e))?
        .ok_or(Error::NotFound { what: "file" })?;
    read(row)
}

pub async fn list_of_draft(connection: &impl ConnectionTrait, draft: DraftId) -> Result<Vec<File>> {
    let rows = table::Entity::find()
        .filter(table::Column::DraftId.eq(draft.to_string()))
        .order_by_asc(table::Column::Id)
        .all(connection)
        .await
        .map_err(|e| fault("list files", e))?;
    rows.into_iter().map(read).collect()
}

fn read(row: table::Model) -> Result<File> {
    let id = |text: String| {
        text.parse()
            .map_err(|e| Fault::caused_by("read a file's row", e))
    };
    Ok(File {
        id: row
            .id
            .parse()
            .map_err(|e| Fault::caused_by("read a file's row", e))?,
        draft: row.draft_id.map(id).transpose()?,
        owner_user: row.owner_user,
        owner_party: row.owner_party,
        subject: row.subject,
        readers: row.readers.split_whitespace().map(str::to_owned).collect(),
        field: row.field,
        name: row.name,
        media_type: row.media_type,
        size: u64::try_from(row.size).unwrap_or_default(),
        digest: row.digest,
        blob: row.blob,
        created_at: from_micros(row.created_at),
    })
}

/// Files of a draft now belong to what it became.
pub async fn claim(tx: &Tx, draft: DraftId, subject: &str) -> Result<()> {
    table::Entity::update_many()
        .col_expr(table::Column::Subject, Expr::value(subject))
        .filter(table::Column::DraftId.eq(draft.to_string()))
        .exec(&**tx)
        .await
        .map_err(|e| fault("claim files", e))?;
    Ok(())
}

/// Lets officers of these organisations (credit codes) read the files of a subject.
pub async fn set_readers(tx: &Tx, subject: &str, orgs: &[String]) -> Result<()> {
    table::Entity::update_many()
        .col_expr(table::Column::Readers, Expr::value(orgs.join(" ")))
        .filter(table::Column::Subject.eq(subject))
        .exec(&**tx)
        .await
        .map_err(|e| fault("set readers of files", e))?;
    Ok(())
}

pub async fn remove(tx: &Tx, id: FileId) -> Result<()> {
    table::Entity::delete_by_id(id.to_string())
        .exec(&**tx)
        .await
        .map_err(|e| fault("remove a file's row", e))?;
    Ok(())
}

/// Forgets the files of a draft that was not submitted; what is left is who kept which content.
pub async fn remove_of_draft(tx: &Tx, draft: DraftId) -> Result<()> {
    for file in list_of_draft(&**tx, draft).await? {
        if file.subject.is_none() {
            ::store::blob::release(tx, &file.blob, &holder(file.id)).await?;
            remove(tx, file.id).await?;
        }
    }
    Ok(())
}

/// How the store of files knows us.
pub fn holder(id: FileId) -> String {
    format!("forms_file:{id}")
}
