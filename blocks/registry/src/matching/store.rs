//! Queries on comparisons and their pairs.

use std::collections::HashMap;

use ::store::{
    Tx, fault,
    page::{PageOf, PageRequest, key_of},
};
use kernel::{Error, Result};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait,
    IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};

use super::PairState;
use crate::schema::{match_pair, match_run};

pub async fn get_run(db: &impl ConnectionTrait, id: &str) -> Result<match_run::Model> {
    let row = match_run::Entity::find_by_id(id)
        .one(db)
        .await
        .map_err(|e| fault("read a comparison", e))?;
    row.ok_or(Error::NotFound { what: "match run" })
}

pub async fn insert_run(tx: &Tx, row: match_run::Model) -> Result<()> {
    match_run::Entity::insert(row.into_active_model().reset_all())
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("insert a comparison", e))?;
    Ok(())
}

pub async fn update_run(tx: &Tx, row: match_run::Model) -> Result<()> {
    match_run::Entity::update(row.into_active_model().reset_all())
        .exec(&**tx)
        .await
        .map_err(|e| fault("update a comparison", e))?;
    Ok(())
}

/// Whether a comparison of this registry is not over yet.
pub async fn is_running(db: &impl ConnectionTrait, registry: &str) -> Result<bool> {
    let open = match_run::Entity::find()
        .filter(match_run::Column::Registry.eq(registry))
        .filter(match_run::Column::State.is_in(["waiting", "running"]))
        .count(db)
        .await
        .map_err(|e| fault("look for a comparison", e))?;
    Ok(open > 0)
}

/// Comparisons, newest first.
pub async fn list_runs(
    db: &impl ConnectionTrait,
    registries: &[String],
    page: &PageRequest,
) -> Result<PageOf<match_run::Model>> {
    let mut query = match_run::Entity::find()
        .filter(match_run::Column::Registry.is_in(registries.iter().map(String::as_str)));
    if let Some(after) = &page.after {
        query = query.filter(match_run::Column::Id.lt(after));
    }
    let rows = query
        .order_by_desc(match_run::Column::Id)
        .limit(page.fetch())
        .all(db)
        .await
        .map_err(|e| fault("list comparisons", e))?;
    Ok(page.cut(rows, |row| row.id.clone()))
}

pub async fn get_pair(db: &impl ConnectionTrait, id: &str) -> Result<match_pair::Model> {
    let row = match_pair::Entity::find_by_id(id)
        .one(db)
        .await
        .map_err(|e| fault("read a pair", e))?;
    row.ok_or(Error::NotFound { what: "pair" })
}

/// The pairs that are kept of these left records, by both records.
pub async fn known_pairs(
    db: &impl ConnectionTrait,
    left: &[&str],
) -> Result<HashMap<(String, String), match_pair::Model>> {
    let rows = match_pair::Entity::find()
        .filter(match_pair::Column::LeftRecord.is_in(left.iter().copied()))
        .all(db)
        .await
        .map_err(|e| fault("look up pairs", e))?;
    let by_records = |row: match_pair::Model| {
        let records = (row.left_record.clone(), row.right_record.clone());
        (records, row)
    };
    Ok(rows.into_iter().map(by_records).collect())
}

pub async fn insert_pairs(tx: &Tx, rows: Vec<match_pair::Model>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let rows = rows.into_iter().map(|r| r.into_active_model().reset_all());
    match_pair::Entity::insert_many(rows)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("insert pairs", e))?;
    Ok(())
}

/// Writes what changed, if nobody else did meanwhile.
pub async fn update_pair(tx: &Tx, mut row: match_pair::Model) -> Result<match_pair::Model> {
    let seen = row.version;
    row.version += 1;
    let changed = match_pair::Entity::update_many()
        .set(row.clone().into_active_model().reset_all())
        .filter(match_pair::Column::Id.eq(&row.id))
        .filter(match_pair::Column::Version.eq(seen))
        .exec(&**tx)
        .await
        .map_err(|e| fault("update a pair", e))?;
    if changed.rows_affected == 0 {
        return Err(Error::refused("registry-pair-changed"));
    }
    Ok(row)
}

/// A merge was undone: whether its two records are one is open again.
pub async fn reopen(tx: &Tx, merge: &str) -> Result<()> {
    match_pair::Entity::update_many()
        .col_expr(
            match_pair::Column::State,
            Expr::value(PairState::Open.name()),
        )
        .col_expr(match_pair::Column::Merge, Expr::value(None::<String>))
        .col_expr(
            match_pair::Column::Version,
            Expr::col(match_pair::Column::Version).add(1_i64),
        )
        .filter(match_pair::Column::Merge.eq(merge))
        .exec(&**tx)
        .await
        .map_err(|e| fault("open a pair again", e))?;
    Ok(())
}

/// Pairs of a registry in a state, the likeliest first.
pub async fn list_pairs(
    db: &impl ConnectionTrait,
    registry: &str,
    state: PairState,
    page: &PageRequest,
) -> Result<PageOf<match_pair::Model>> {
    let mut query = match_pair::Entity::find()
        .filter(match_pair::Column::Registry.eq(registry))
        .filter(match_pair::Column::State.eq(state.name()));
    if let Some([weight, id]) = page.after_parts::<2>() {
        let weight: i64 = weight.parse().unwrap_or(i64::MAX);
        let after = Condition::any()
            .add(match_pair::Column::Weight.lt(weight))
            .add(
                Condition::all()
                    .add(match_pair::Column::Weight.eq(weight))
                    .add(match_pair::Column::Id.gt(id)),
            );
        query = query.filter(after);
    }
    let rows = query
        .order_by_desc(match_pair::Column::Weight)
        .order_by_asc(match_pair::Column::Id)
        .limit(page.fetch())
        .all(db)
        .await
        .map_err(|e| fault("list pairs", e))?;
    Ok(page.cut(rows, |row| key_of([&row.weight, &row.id])))
}

/// How many pairs of a registry are in a state.
pub async fn count_pairs(
    db: &impl ConnectionTrait,
    registry: &str,
    state: PairState,
) -> Result<u64> {
    match_pair::Entity::find()
        .filter(match_pair::Column::Registry.eq(registry))
        .filter(match_pair::Column::State.eq(state.name()))
        .count(db)
        .await
        .map_err(|e| fault("count pairs", e).into())
}
