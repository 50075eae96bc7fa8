//! Queries on the tables of batches and refusals.

use ::store::{
    Tx, fault,
    page::{PageOf, PageRequest},
};
use kernel::{
    Error, Fault, Result, Text,
    clock::{from_micros, micros},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::{Batch, Refusal, State};
use crate::{
    record::apply::Wrong,
    schema::{batch as table, refusal},
};

pub async fn lookup(
    db: &impl ConnectionTrait,
    registry: &str,
    id: &str,
) -> Result<Option<table::Model>> {
    table::Entity::find_by_id((registry.to_owned(), id.to_owned()))
        .one(db)
        .await
        .map_err(|e| fault("look up a batch", e).into())
}

pub fn read(row: table::Model) -> Batch {
    Batch {
        registry: row.registry,
        id: row.id,
        source: row.source,
        digest: row.digest,
        state: State::of_name(&row.state),
        valid_from: row.valid_from,
        rows: row.rows_done,
        inserted: row.inserted,
        updated: row.updated,
        unchanged: row.unchanged,
        refused: row.refused,
        started_at: from_micros(row.started_at),
        finished_at: row.finished_at.map(from_micros),
    }
}

pub async fn get(db: &impl ConnectionTrait, registry: &str, id: &str) -> Result<table::Model> {
    let row = lookup(db, registry, id).await?;
    row.ok_or(Error::NotFound { what: "batch" })
}

pub async fn insert(tx: &Tx, row: table::Model) -> Result<()> {
    table::Entity::insert(row.into_active_model().reset_all())
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("note a batch", e))?;
    Ok(())
}

pub async fn update(tx: &Tx, row: table::Model) -> Result<()> {
    table::Entity::update(row.into_active_model().reset_all())
        .exec(&**tx)
        .await
        .map_err(|e| fault("note the state of a batch", e))?;
    Ok(())
}

/// The newest batches of a registry, at the most 100.
pub async fn list(db: &impl ConnectionTrait, registry: &str) -> Result<Vec<Batch>> {
    let rows = table::Entity::find()
        .filter(table::Column::Registry.eq(registry))
        .order_by_desc(table::Column::StartedAt)
        .order_by_desc(table::Column::Id)
        .limit(100)
        .all(db)
        .await
        .map_err(|e| fault("list batches", e))?;
    Ok(rows.into_iter().map(read).collect())
}

/// Keeps refusals; those of a row that are there already stay.
pub async fn insert_refusals(
    tx: &Tx,
    batch: &table::Model,
    refused: &[(usize, Vec<Wrong>)],
) -> Result<()> {
    let mut rows = Vec::new();
    for (row, wrong) in refused {
        for (column, text) in wrong {
            let args: Vec<_> = text.args.iter().collect();
            let reason = serde_json::to_string(&(text.key, args))
                .map_err(|e| Fault::caused_by("write a refusal", e))?;
            let row = refusal::Model {
                registry: batch.registry.clone(),
                batch: batch.id.clone(),
                row: i64::try_from(*row).unwrap_or(i64::MAX),
                field: column.clone(),
                reason,
            };
            rows.push(row.into_active_model().reset_all());
        }
    }
    let there = sea_orm::sea_query::OnConflict::new()
        .do_nothing()
        .to_owned();
    for some in rows.chunks(1000) {
        refusal::Entity::insert_many(some.to_vec())
            .on_conflict(there.clone())
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("note refusals", e))?;
    }
    Ok(())
}

/// Refusals of a batch by row.
pub async fn refusals(
    db: &impl ConnectionTrait,
    registry: &str,
    id: &str,
    page: &PageRequest,
) -> Result<PageOf<Refusal>> {
    let mut query = refusal::Entity::find()
        .filter(refusal::Column::Registry.eq(registry))
        .filter(refusal::Column::Batch.eq(id));
    if let Some([row, column]) = page.after_parts::<2>() {
        let foreign = |_| Error::invalid("after", Text::new("registry-after-foreign"));
        let row: i64 = row.parse().map_err(foreign)?;
        let later = sea_orm::Condition::any()
            .add(refusal::Column::Row.gt(row))
            .add(
                sea_orm::Condition::all()
                    .add(refusal::Column::Row.eq(row))
                    .add(refusal::Column::Field.gt(column)),
            );
        query = query.filter(later);
    }
    let rows = query
        .order_by_asc(refusal::Column::Row)
        .order_by_asc(refusal::Column::Field)
        .limit(page.fetch())
        .all(db)
        .await
        .map_err(|e| fault("list refusals", e))?;
    let cut = page.cut(rows, |r| ::store::page::key_of([&r.row, &r.field]));
    let items: Result<Vec<Refusal>> = cut.items.into_iter().map(refused).collect();
    Ok(PageOf {
        items: items?,
        next: cut.next,
    })
}

fn refused(row: refusal::Model) -> Result<Refusal> {
    let (key, args) =
        serde_json::from_str(&row.reason).map_err(|e| Fault::caused_by("read a refusal", e))?;
    Ok(Refusal {
        row: row.row,
        column: row.field,
        key,
        args,
    })
}

/// The moment as the table keeps it.
pub fn now(tx: &Tx) -> i64 {
    micros(tx.now())
}
