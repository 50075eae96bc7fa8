//! The tables of a declared registry: made, and changed by a later declaration.

use kernel::{Error, Finding, Result, Text, clock::micros};
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, EntityTrait,
    sea_query::{Alias, ColumnDef, Index, IndexCreateStatement, OnConflict, Table},
};
use store::{Engine, Tx, dialect, fault};

use crate::{
    Declaration, Field, declaration,
    declaration::{Kind, Search},
    part, record, schema,
    schema::declaration as declared,
};

/// Columns that every registry has besides its fields.
pub(crate) const ID: &str = "record_id";
pub(crate) const KEY: &str = "record_key";
pub(crate) const STATE: &str = "record_state";
pub(crate) const MERGED_INTO: &str = "record_merged_into";
pub(crate) const VERSION: &str = "record_version";
pub(crate) const AT: &str = "record_at";
pub(crate) const PINYIN: &str = "record_pinyin";
pub(crate) const INITIALS: &str = "record_initials";

/// Makes or upgrades the tables of a registry; answers whether anything changed. A declaration by
/// which data would be lost is refused, with a finding for each reason.
pub async fn install(tx: &Tx, document: &str) -> Result<bool> {
    let after = part::read(document)?;
    let digest = hex(&kernel::crypto::sm3(document.as_bytes()));
    let known = schema::document(&**tx, &after.id).await?;
    match known {
        Some(known) if known == document => return Ok(false),
        Some(known) => upgrade(tx, &part::read(&known)?, &after).await?,
        None => create(tx, &after).await?,
    }
    let row = declared::ActiveModel {
        id: Set(after.id.clone()),
        title_zh: Set(after.title.zh.clone()),
        title_en: Set(after.title.en.clone()),
        digest: Set(digest),
        document: Set(document.to_owned()),
        updated_at: Set(micros(tx.now())),
    };
    let replace = OnConflict::column(declared::Column::Id)
        .update_columns([
            declared::Column::TitleZh,
            declared::Column::TitleEn,
            declared::Column::Digest,
            declared::Column::Document,
            declared::Column::UpdatedAt,
        ])
        .to_owned();
    declared::Entity::insert(row)
        .on_conflict(replace)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("write a registry's declaration", e))?;
    Ok(true)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn column(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name))
}

/// A text column that is compared byte by byte on both engines, so that an index serves prefixes.
fn ordered(engine: Engine, name: &str) -> ColumnDef {
    let mut definition = column(name);
    definition.text();
    if let Some(collation) = dialect::byte_order(engine) {
        definition.extra(collation);
    }
    definition
}

fn field_column(engine: Engine, field: &Field) -> ColumnDef {
    let mut definition = column(&field.id);
    match field.kind {
        Kind::Text => return ordered(engine, &field.id),
        Kind::Integer | Kind::Decimal { .. } => definition.big_integer(),
        Kind::Boolean => definition.boolean(),
        Kind::Date => definition.date(),
    };
    definition
}

async fn create(tx: &Tx, declaration: &Declaration) -> Result<()> {
    let engine = tx.engine();
    let mut table = Table::create();
    table
        .table(Alias::new(declaration.table()))
        .col(column(ID).text().not_null().primary_key())
        .col(ordered(engine, KEY).not_null())
        .col(column(STATE).text().not_null())
        .col(column(MERGED_INTO).text())
        .col(column(VERSION).big_integer().not_null())
        .col(column(AT).big_integer().not_null());
    if declaration.pinyin().is_some() {
        table.col(ordered(engine, PINYIN));
        table.col(ordered(engine, INITIALS));
    }
    for field in &declaration.fields {
        table.col(field_column(engine, field));
    }
    execute(tx, &table).await?;
    let mut history = Table::create();
    history
        .table(Alias::new(declaration.history()))
        .col(column("statement_id").text().not_null().primary_key())
        .col(column(ID).text().not_null())
        .col(column("source").text().not_null())
        .col(column("act").text().not_null())
        .col(column("valid_from").date().not_null())
        .col(column("recorded_at").big_integer().not_null())
        .col(column("batch").text())
        .col(column("actor").text().not_null())
        .col(column("reason").text().not_null())
        .col(column("fields").text().not_null());
    execute(tx, &history).await?;
    let mut by_record = Index::create();
    by_record
        .name(format!("{}_record", declaration.history()))
        .table(Alias::new(declaration.history()))
        .col(Alias::new(ID));
    execute(tx, &by_record).await?;
    let mut by_key = index(declaration, KEY, &[KEY]);
    execute(tx, by_key.unique()).await?;
    if declaration.pinyin().is_some() {
        pinyin_indexes(tx, declaration).await?;
    }
    for field in declaration
        .fields
        .iter()
        .filter(|f| declaration::is_indexed(f))
    {
        field_index(tx, declaration, field).await?;
    }
    Ok(())
}

fn index(declaration: &Declaration, name: &str, columns: &[&str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index
        .name(format!("{}_{name}", declaration.table()))
        .table(Alias::new(declaration.table()));
    for column in columns {
        index.col(Alias::new(*column));
    }
    index
}

async fn pinyin_indexes(tx: &Tx, declaration: &Declaration) -> Result<()> {
    execute(tx, &index(declaration, PINYIN, &[PINYIN, ID])).await?;
    execute(tx, &index(declaration, INITIALS, &[INITIALS, ID])).await
}

/// Ends in the id, so that pages by key read the index alone.
async fn field_index(tx: &Tx, declaration: &Declaration, field: &Field) -> Result<()> {
    if field.is_unique {
        let mut unique = index(declaration, &field.id, &[&field.id]);
        return execute(tx, unique.unique()).await;
    }
    execute(tx, &index(declaration, &field.id, &[&field.id, ID])).await
}

async fn upgrade(tx: &Tx, before: &Declaration, after: &Declaration) -> Result<()> {
    let change = declaration::change(before, after).map_err(|mistakes| {
        let findings = mistakes.into_iter().map(|mistake| {
            let text = Text::new("registry-declaration-incompatible")
                .with("reason", mistake.text)
                .with("remedy", mistake.remedy);
            Finding::new(mistake.path.join("/"), text)
        });
        Error::Invalid(findings.collect())
    })?;
    let engine = tx.engine();
    for field in &change.columns {
        add_column(tx, after, &mut field_column(engine, field)).await?;
    }
    if change.needs_pinyin {
        add_column(tx, after, &mut ordered(engine, PINYIN)).await?;
        add_column(tx, after, &mut ordered(engine, INITIALS)).await?;
        pinyin_indexes(tx, after).await?;
        record::store::respell_all(tx, after).await?;
    }
    for field in &change.indexes {
        field_index(tx, after, field).await?;
    }
    Ok(())
}

async fn add_column(tx: &Tx, declaration: &Declaration, column: &mut ColumnDef) -> Result<()> {
    let mut alter = Table::alter();
    alter
        .table(Alias::new(declaration.table()))
        .add_column(column.take());
    execute(tx, &alter).await
}

async fn execute<S: sea_orm::StatementBuilder>(tx: &Tx, statement: &S) -> Result<()> {
    tx.execute(statement)
        .await
        .map_err(|e| fault("change a registry's tables", e))?;
    Ok(())
}

/// Whether a field has an index that serves a search of this kind.
pub(crate) fn serves(field: &Field, wanted: Search) -> bool {
    match wanted {
        Search::Exact => declaration::is_indexed(field),
        Search::Prefix => matches!(field.search, Search::Prefix | Search::Pinyin),
        Search::Pinyin => field.search == Search::Pinyin,
        Search::No => true,
    }
}
