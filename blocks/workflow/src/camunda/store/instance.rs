//! Instances, running ones and those of the history.

use std::ops::ControlFlow;

use kernel::Result;
use sea_orm::{ColumnTrait, Condition, EntityTrait, Order, QueryFilter, Select, sea_query::Expr};
use store::{Db, dialect, fault};

use super::{Orders, is_between, is_of_keys, is_one, part, subject, subjects, versions};
use crate::{
    camunda::{history::HistoryQuery, instance::InstanceQuery, search::Paging},
    rest::store::{InstanceRow, short},
    schema::instance::{Column, Entity, Model},
};

/// Running instances, the newest first unless another order is asked for.
pub(in crate::camunda) async fn list(
    db: &Db,
    query: &InstanceQuery,
    order: &Orders<Column>,
    page: Paging,
) -> Result<Vec<InstanceRow>> {
    let select = wanted(db, query);
    let Some(elements) = &query.activity_id_in else {
        return rows(db, select, order, page).await;
    };
    let (mut found, mut before) = (Vec::new(), page.first());
    standing(db, select, elements, order, |row| {
        if before > 0 {
            before -= 1;
        } else if found.len() as u64 == page.most() {
            return ControlFlow::Break(());
        } else {
            found.push(InstanceRow::from(row));
        }
        ControlFlow::Continue(())
    })
    .await?;
    Ok(found)
}

/// How many running instances there are. Where they stand only their states tell, so these are
/// read when activities are asked for.
pub(in crate::camunda) async fn count(db: &Db, query: &InstanceQuery) -> Result<u64> {
    let select = wanted(db, query);
    let Some(elements) = &query.activity_id_in else {
        return super::count(db, select, Column::Id).await;
    };
    let mut number = 0;
    standing(db, select, elements, &[], |_| {
        number += 1;
        ControlFlow::Continue(())
    })
    .await?;
    Ok(number)
}

fn wanted(db: &Db, query: &InstanceQuery) -> Select<Entity> {
    let key = query.business_key.as_deref().map(subject);
    let like = query.business_key_like.as_deref();
    let conditions = Condition::all()
        .add(Column::Status.eq("running"))
        .add(is_one(
            Column::Id,
            None,
            query.process_instance_ids.as_ref(),
        ))
        .add(is_one(Column::Subject, key.as_ref(), None))
        .add_option(like.map(|like| dialect::like(db.engine(), Column::Subject, &subject(like))))
        .add(of_definition(
            query.process_definition_id.as_ref(),
            query.process_definition_key.as_ref(),
            query.process_definition_key_in.as_ref(),
            query.process_definition_key_not_in.as_ref(),
        ))
        .add_option(query.with_incident.then(|| Column::Incidents.gt(0)))
        // None is ever suspended as a whole.
        .add_option(query.suspended.then(|| Expr::val(false)));
    Entity::find().filter(conditions)
}

fn of_definition(
    id: Option<&String>,
    key: Option<&String>,
    keys: Option<&Vec<String>>,
    others: Option<&Vec<String>>,
) -> Condition {
    Condition::all()
        .add(is_one(Column::Definition, id, None))
        .add(is_of_keys(Column::Definition, key, keys))
        .add_option(others.map(|others| Column::Definition.not_in_subquery(versions(others))))
}

async fn rows(
    db: &Db,
    select: Select<Entity>,
    order: &Orders<Column>,
    page: Paging,
) -> Result<Vec<InstanceRow>> {
    let last = (Column::Id, Order::Desc);
    Ok(short(part(select, order, last, page))
        .into_model::<InstanceRow>()
        .all(db.read())
        .await
        .map_err(|e| fault("list instances", e))?)
}

/// Whole instances looked at in one go.
const BATCH: u32 = 100;

/// Goes through those of the instances that stand at one of these elements now, which their states
/// tell, until enough was seen.
async fn standing(
    db: &Db,
    select: Select<Entity>,
    elements: &[String],
    order: &Orders<Column>,
    mut see: impl FnMut(Model) -> ControlFlow<()>,
) -> Result<()> {
    // What holds much tells it elsewhere, and has no frames in its row.
    let elsewhere = dialect::contains(db.engine(), Column::State, "\"frames\":{}");
    let mut places = Condition::any().add(elsewhere);
    for element in elements {
        // A first sieve: where the state names the element at all.
        let words = serde_json::Value::from(element.as_str()).to_string();
        places = places.add(dialect::contains(db.engine(), Column::State, &words));
    }
    let select = select.filter(places);
    let stands = |at: &str| elements.iter().any(|element| element == at);
    let mut seen = 0;
    loop {
        let batch = Paging {
            first_result: Some(seen),
            max_results: Some(BATCH),
        };
        let rows = part(select.clone(), order, (Column::Id, Order::Desc), batch);
        let rows = rows.all(db.read()).await;
        let rows = rows.map_err(|e| fault("read instances", e))?;
        let is_end = rows.len() < BATCH as usize;
        seen = seen.saturating_add(BATCH);
        for row in rows {
            let state = crate::state::read(db.read(), &row).await?;
            let is_there = state.tokens.values().any(|token| stands(&token.at));
            if is_there && see(row).is_break() {
                return Ok(());
            }
        }
        if is_end {
            return Ok(());
        }
    }
}

/// Running and ended instances, the newest first unless another order is asked for.
pub(in crate::camunda) async fn history(
    db: &Db,
    query: &HistoryQuery,
    order: &Orders<Column>,
    page: Paging,
) -> Result<Vec<InstanceRow>> {
    rows(db, past(db, query), order, page).await
}

/// How many running and ended instances there are.
pub(in crate::camunda) async fn count_history(db: &Db, query: &HistoryQuery) -> Result<u64> {
    super::count(db, past(db, query), Column::Id).await
}

fn past(db: &Db, query: &HistoryQuery) -> Select<Entity> {
    let key = query.process_instance_business_key.as_deref().map(subject);
    let keys = subjects(query.process_instance_business_key_in.as_ref());
    let like = query.process_instance_business_key_like.as_deref();
    let conditions = Condition::all()
        .add(is_one(
            Column::Id,
            query.process_instance_id.as_ref(),
            query.process_instance_ids.as_ref(),
        ))
        .add(is_one(Column::Subject, key.as_ref(), keys.as_ref()))
        .add_option(like.map(|like| dialect::like(db.engine(), Column::Subject, &subject(like))))
        .add(of_definition(
            query.process_definition_id.as_ref(),
            query.process_definition_key.as_ref(),
            query.process_definition_key_in.as_ref(),
            query.process_definition_key_not_in.as_ref(),
        ))
        .add(is_between(
            Column::StartedAt,
            query.started_after,
            query.started_before,
        ))
        .add(is_between(
            Column::EndedAt,
            query.finished_after,
            query.finished_before,
        ))
        .add_option(query.finished.then(|| Column::EndedAt.is_not_null()))
        .add_option(query.unfinished.then(|| Column::EndedAt.is_null()))
        .add_option(query.with_incidents.then(|| Column::Incidents.gt(0)))
        .add_option(query.suspended.then(|| Expr::val(false)))
        .add_option(query.states().map(|states| Column::Status.is_in(states)));
    Entity::find().filter(conditions)
}
