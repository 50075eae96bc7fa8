//! Batches as they are kept.

use std::collections::BTreeMap;

use kernel::{Error, Result, clock::micros};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter,
    QueryOrder, QuerySelect, sea_query::Expr,
};
use store::{
    Tx, fault,
    page::{PageOf, PageRequest},
};

use super::{BatchOutcome, BrokenRule, Delivery};
use crate::{
    event,
    schema::{batch as table, finding},
};

pub(crate) const LOADING: &str = "loading";
pub(crate) const LOADED: &str = "loaded";
pub(crate) const REFUSED: &str = "refused";

pub(crate) async fn lookup(
    db: &impl ConnectionTrait,
    lake: &str,
    id: &str,
) -> Result<Option<table::Model>> {
    table::Entity::find_by_id((lake.to_owned(), id.to_owned()))
        .one(db)
        .await
        .map_err(|e| fault("look up a batch", e).into())
}

/// The batch's row, begun if it is new. One number stands for one delivery: the same number in
/// another way is refused.
pub(crate) async fn begin(tx: &Tx, delivery: &Delivery, actor: &str) -> Result<table::Model> {
    if let Some(row) = lookup(&**tx, &delivery.table, &delivery.id).await? {
        let is_same = row.mode == delivery.mode.name()
            && row.on_bad == delivery.on_bad.name()
            && row.source == delivery.source;
        return if is_same {
            Ok(row)
        } else {
            Err(Error::refused("lake-batch-other"))
        };
    }
    let row = table::Model {
        lake: delivery.table.clone(),
        id: delivery.id.clone(),
        mode: delivery.mode.name().into(),
        on_bad: delivery.on_bad.name().into(),
        state: LOADING.into(),
        source: delivery.source.clone(),
        rows: 0,
        good: 0,
        bad: 0,
        warned: 0,
        version: -1,
        actor: actor.to_owned(),
        started_at: micros(tx.now()),
        finished_at: None,
    };
    table::Entity::insert(table::ActiveModel::from(row.clone()))
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("begin a batch", e))?;
    Ok(row)
}

/// Keeps the version that a batch found.
pub(crate) async fn found(tx: &Tx, row: &table::Model) -> Result<()> {
    use table::Column as C;
    table::Entity::update_many()
        .col_expr(C::Version, Expr::value(row.version))
        .filter(C::Lake.eq(&row.lake).and(C::Id.eq(&row.id)))
        .filter(C::State.eq(LOADING))
        .exec(&**tx)
        .await
        .map_err(|e| fault("keep what a batch found", e))?;
    Ok(())
}

/// Keeps what came of a batch, with its event, unless somebody else did already.
pub(crate) async fn finish(
    tx: &Tx,
    row: &table::Model,
    counts: &BTreeMap<(String, String), i64>,
    actor: &str,
) -> Result<()> {
    use table::Column as C;
    let changed = table::Entity::update_many()
        .col_expr(C::State, Expr::value(row.state.clone()))
        .col_expr(C::FinishedAt, Expr::value(micros(tx.now())))
        .col_expr(C::Rows, Expr::value(row.rows))
        .col_expr(C::Good, Expr::value(row.good))
        .col_expr(C::Bad, Expr::value(row.bad))
        .col_expr(C::Warned, Expr::value(row.warned))
        .col_expr(C::Version, Expr::value(row.version))
        .filter(C::Lake.eq(&row.lake).and(C::Id.eq(&row.id)))
        .filter(C::State.eq(LOADING))
        .exec(&**tx)
        .await
        .map_err(|e| fault("finish a batch", e))?;
    if changed.rows_affected == 0 {
        return Ok(());
    }
    insert_findings(tx, row, counts).await?;
    let body = event::Delivered {
        table: row.lake.clone(),
        batch: row.id.clone(),
        source: row.source.clone(),
        mode: row.mode.clone(),
        state: row.state.clone(),
        rows: row.rows,
        good: row.good,
        bad: row.bad,
        version: row.version,
    };
    tx.emit(format!("lake:{}", row.lake), actor, &body)
}

async fn insert_findings(
    tx: &Tx,
    row: &table::Model,
    counts: &BTreeMap<(String, String), i64>,
) -> Result<()> {
    let rows = counts
        .iter()
        .map(|((rule, column), rows)| finding::ActiveModel {
            lake: Set(row.lake.clone()),
            batch: Set(row.id.clone()),
            rule: Set(rule.clone()),
            field: Set(column.clone()),
            rows: Set(*rows),
        });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    finding::Entity::insert_many(rows)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("keep what rules a batch broke", e))?;
    Ok(())
}

/// What came of a batch, as its row and findings tell.
pub(crate) async fn outcome(
    db: &impl ConnectionTrait,
    row: table::Model,
    is_repeat: bool,
) -> Result<BatchOutcome> {
    let findings = finding::Entity::find()
        .filter(finding::Column::Lake.eq(&row.lake))
        .filter(finding::Column::Batch.eq(&row.id))
        .order_by_asc(finding::Column::Rule)
        .order_by_asc(finding::Column::Field)
        .all(db)
        .await
        .map_err(|e| fault("list what rules a batch broke", e))?;
    let findings = findings.into_iter().map(|row| BrokenRule {
        rule: row.rule,
        column: row.field,
        rows: row.rows,
    });
    Ok(BatchOutcome {
        findings: findings.collect(),
        table: row.lake,
        batch: row.id,
        state: row.state,
        is_repeat,
        rows: row.rows,
        good: row.good,
        bad: row.bad,
        warned: row.warned,
        version: row.version,
    })
}

/// A table's batches, the latest first.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    lake: &str,
    page: &PageRequest,
) -> Result<PageOf<table::Model>> {
    let mut query = table::Entity::find()
        .filter(table::Column::Lake.eq(lake))
        .order_by_desc(table::Column::StartedAt)
        .order_by_desc(table::Column::Id)
        .limit(page.fetch());
    if let Some([at, id]) = page.after_parts::<2>() {
        let at: i64 = at.parse().unwrap_or_default();
        let earlier = table::Column::StartedAt.lt(at);
        let same = table::Column::StartedAt
            .eq(at)
            .and(table::Column::Id.lt(id));
        query = query.filter(earlier.or(same));
    }
    let rows = query.all(db).await.map_err(|e| fault("list batches", e))?;
    Ok(page.cut(rows, |row| store::page::key_of([&row.started_at, &row.id])))
}

/// The version that a table had at a moment; `None` before its first batch.
pub(crate) async fn version_at(
    db: &impl ConnectionTrait,
    lake: &str,
    at: i64,
) -> Result<Option<u64>> {
    let version: Option<i64> = table::Entity::find()
        .select_only()
        .column(table::Column::Version)
        .filter(table::Column::Lake.eq(lake))
        .filter(table::Column::FinishedAt.lte(at))
        .filter(table::Column::Version.gte(0))
        .order_by_desc(table::Column::Version)
        .limit(1)
        .into_tuple()
        .one(db)
        .await
        .map_err(|e| fault("find an earlier version", e))?;
    Ok(version.and_then(|version| u64::try_from(version).ok()))
}
