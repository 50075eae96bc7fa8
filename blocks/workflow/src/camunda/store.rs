//! Queries for what this interface asks: a part of a list by place, in an order of one's own.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use kernel::{Result, clock::micros};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Select,
    sea_query::{Alias, Expr, ExprTrait, NullOrdering, Query, SelectStatement},
};
use store::{Db, dialect, fault};

use super::{
    external::ExternalQuery, history::HistoryQuery, instance::InstanceQuery, search::Paging,
    task::TaskQuery,
};
use crate::{
    external::ExternalTask,
    rest::{
        BUSINESS,
        store::{InstanceRow, short},
    },
    schema::{candidate, definition, external, instance, task},
    step::read_state,
    store::LIVE,
};

/// Columns, each with its direction.
type Orders<C> = Vec<(C, Order)>;

/// The wanted part of a query's rows. What has no value in a column of the order comes last, as on
/// the one engine of two.
fn part<E: EntityTrait>(
    mut query: Select<E>,
    order: &[(E::Column, Order)],
    last: (E::Column, Order),
    page: Paging,
) -> Select<E> {
    for (column, direction) in order {
        query = query.order_by_with_nulls(*column, direction.clone(), NullOrdering::Last);
    }
    query
        .order_by(last.0, last.1)
        .limit(page.most())
        .offset(page.first())
}

/// One word, or one of several; nothing where neither is given.
fn is_one<C: ColumnTrait>(
    column: C,
    word: Option<&String>,
    words: Option<&Vec<String>>,
) -> Condition {
    Condition::all()
        .add_option(word.map(|word| column.eq(word)))
        .add_option(words.map(|words| column.is_in(words)))
}

/// Moments of this interface are whole milliseconds; those of the tables are not.
const MILLISECOND: i64 = 1_000;

/// In that millisecond.
fn is_at<C: ColumnTrait>(column: C, at: Option<DateTime<Utc>>) -> Condition {
    Condition::all()
        .add_option(at.map(|at| column.gte(micros(at))))
        .add_option(at.map(|at| column.lt(micros(at) + MILLISECOND)))
}

/// Before one moment and after another; both are left out.
fn is_between<C: ColumnTrait>(
    column: C,
    after: Option<DateTime<Utc>>,
    before: Option<DateTime<Utc>>,
) -> Condition {
    Condition::all()
        .add_option(after.map(|at| column.gte(micros(at) + MILLISECOND)))
        .add_option(before.map(|at| column.lt(micros(at))))
}

/// Ids of the versions of definitions with these keys.
fn versions(keys: &[String]) -> SelectStatement {
    definition::Entity::find()
        .select_only()
        .column(definition::Column::Id)
        .filter(definition::Column::Key.is_in(keys))
        .into_query()
}

fn is_of_keys<C: ColumnTrait>(
    column: C,
    key: Option<&String>,
    keys: Option<&Vec<String>>,
) -> Condition {
    Condition::all()
        .add_option(key.map(|key| column.in_subquery(versions(std::slice::from_ref(key)))))
        .add_option(keys.map(|keys| column.in_subquery(versions(keys))))
}

/// The subject that stands for a business key.
fn subject(key: &str) -> String {
    format!("{BUSINESS}{}", key.trim())
}

fn subjects(keys: Option<&Vec<String>>) -> Option<Vec<String>> {
    keys.map(|keys| keys.iter().map(|key| subject(key)).collect())
}

// Tasks

/// Officers that a query names, as the directory knows them.
#[derive(Default)]
pub(super) struct Who {
    pub assignees: Option<Vec<String>>,
    /// Each of them lists groups, one of which may take the task.
    pub groups: Vec<Vec<String>>,
}

/// Open tasks, the oldest first unless another order is asked for.
pub(super) async fn tasks(
    db: &Db,
    query: &TaskQuery,
    who: &Who,
    order: &Orders<task::Column>,
    page: Paging,
) -> Result<Vec<task::Model>> {
    let select = task::Entity::find()
        .filter(crate::store::is_open())
        .filter(of_process(db, query))
        .filter(of_task(db, query))
        .filter(of_people(query, who));
    let rows = part(select, order, (task::Column::Id, Order::Asc), page);
    Ok(rows
        .all(db.read())
        .await
        .map_err(|e| fault("list tasks", e))?)
}

fn of_process(db: &Db, query: &TaskQuery) -> Condition {
    use task::Column as C;
    let key = query.process_instance_business_key.as_deref().map(subject);
    let keys = subjects(query.process_instance_business_key_in.as_ref());
    let like = query.process_instance_business_key_like.as_deref();
    Condition::all()
        .add(is_one(
            C::Instance,
            query.process_instance_id.as_ref(),
            query.process_instance_id_in.as_ref(),
        ))
        .add(is_one(C::Subject, key.as_ref(), keys.as_ref()))
        .add_option(like.map(|like| dialect::like(db.engine(), C::Subject, &subject(like))))
        .add(is_one(
            C::Definition,
            query.process_definition_id.as_ref(),
            None,
        ))
        .add(is_of_keys(
            C::Definition,
            query.process_definition_key.as_ref(),
            query.process_definition_key_in.as_ref(),
        ))
}

fn of_task(db: &Db, query: &TaskQuery) -> Condition {
    use task::Column as C;
    let like = |column, pattern: &Option<String>| {
        let pattern = pattern.as_deref();
        pattern.map(|pattern| dialect::like(db.engine(), column, pattern))
    };
    // Names are compared whatever the case, as there.
    let name = query.name.as_ref().map(|name| literal(name));
    let is_still = is_suspended();
    Condition::all()
        .add(is_one(
            C::Id,
            query.task_id.as_ref(),
            query.task_id_in.as_ref(),
        ))
        .add(is_one(
            C::Element,
            query.task_definition_key.as_ref(),
            query.task_definition_key_in.as_ref(),
        ))
        .add_option(like(C::Element, &query.task_definition_key_like))
        .add_option(like(C::Name, &name))
        .add_option(like(C::Name, &query.name_like))
        .add(is_at(C::DueAt, query.due_date))
        .add(is_between(C::DueAt, query.due_after, query.due_before))
        .add_option(query.without_due_date.then(|| C::DueAt.is_null()))
        .add(is_at(C::CreatedAt, query.created_on))
        .add(is_between(
            C::CreatedAt,
            query.created_after,
            query.created_before,
        ))
        .add_option(query.suspended.then(|| is_still.clone()))
        .add_option(query.active.then(|| is_still.not()))
}

/// A pattern that fits this text alone.
fn literal(text: &str) -> String {
    let mut pattern = String::new();
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

fn of_people(query: &TaskQuery, who: &Who) -> Condition {
    use task::Column as C;
    let mut all = Condition::all()
        .add_option(who.assignees.as_ref().map(|ids| C::Assignee.is_in(ids)))
        .add_option(query.assigned.then(|| C::Assignee.is_not_null()))
        .add_option(query.unassigned.then(|| C::Assignee.is_null()));
    for groups in &who.groups {
        all = all.add(C::Id.in_subquery(crate::store::of_groups(groups)));
        if !query.include_assigned_tasks {
            all = all.add(C::Assignee.is_null());
        }
    }
    let with_groups = || {
        candidate::Entity::find()
            .select_only()
            .column(candidate::Column::Task)
            .into_query()
    };
    all.add_option(
        query
            .with_candidate_groups
            .then(|| C::Id.in_subquery(with_groups())),
    )
    .add_option(
        query
            .without_candidate_groups
            .then(|| C::Id.not_in_subquery(with_groups())),
    )
}

/// The clock of a task stands still for all who sign it, whose parts wait at the same token.
fn is_suspended() -> Expr {
    use task::Column as C;
    let whole = Alias::new("whole");
    let same = |column: C| Expr::col((whole.clone(), column)).equals((task::Entity, column));
    let still = Query::select()
        .expr(Expr::val(1))
        .from_as(task::Entity, whole.clone())
        .and_where(same(C::Instance))
        .and_where(same(C::Token))
        .and_where(Expr::col((whole.clone(), C::State)).is_in(LIVE))
        .and_where(Expr::col((whole.clone(), C::SuspendedAt)).is_not_null())
        .take();
    Expr::exists(still)
}

/// Which of these tasks are suspended.
pub(super) async fn suspended(db: &Db, ids: Vec<String>) -> Result<HashSet<String>> {
    let found: Vec<String> = task::Entity::find()
        .select_only()
        .column(task::Column::Id)
        .filter(task::Column::Id.is_in(ids))
        .filter(is_suspended())
        .into_tuple()
        .all(db.read())
        .await
        .map_err(|e| fault("look for suspended tasks", e))?;
    Ok(found.into_iter().collect())
}

// Instances

/// Running instances, the newest first unless another order is asked for.
pub(super) async fn instances(
    db: &Db,
    query: &InstanceQuery,
    order: &Orders<instance::Column>,
    page: Paging,
) -> Result<Vec<InstanceRow>> {
    use instance::Column as C;
    let key = query.business_key.as_deref().map(subject);
    let like = query.business_key_like.as_deref();
    let select =
        instance::Entity::find()
            .filter(C::Status.eq("running"))
            .filter(is_one(C::Id, None, query.process_instance_ids.as_ref()))
            .filter(is_one(C::Subject, key.as_ref(), None))
            .filter(Condition::all().add_option(
                like.map(|like| dialect::like(db.engine(), C::Subject, &subject(like))),
            ))
            .filter(of_definition(
                query.process_definition_id.as_ref(),
                query.process_definition_key.as_ref(),
                query.process_definition_key_in.as_ref(),
                query.process_definition_key_not_in.as_ref(),
            ))
            .filter(Condition::all().add_option(query.with_incident.then(|| C::Incidents.gt(0))))
            // None is ever suspended as a whole.
            .filter(Condition::all().add_option(query.suspended.then(|| Expr::val(false))));
    match &query.activity_id_in {
        Some(elements) => standing(db, select, elements, order, page).await,
        None => rows(db, select, order, page).await,
    }
}

fn of_definition(
    id: Option<&String>,
    key: Option<&String>,
    keys: Option<&Vec<String>>,
    others: Option<&Vec<String>>,
) -> Condition {
    use instance::Column as C;
    Condition::all()
        .add(is_one(C::Definition, id, None))
        .add(is_of_keys(C::Definition, key, keys))
        .add_option(others.map(|others| C::Definition.not_in_subquery(versions(others))))
}

async fn rows(
    db: &Db,
    select: Select<instance::Entity>,
    order: &Orders<instance::Column>,
    page: Paging,
) -> Result<Vec<InstanceRow>> {
    let last = (instance::Column::Id, Order::Desc);
    Ok(short(part(select, order, last, page))
        .into_model::<InstanceRow>()
        .all(db.read())
        .await
        .map_err(|e| fault("list instances", e))?)
}

/// Whole instances looked at in one go.
const BATCH: u32 = 100;

/// Of the instances those that stand at one of these elements now, which their states tell.
async fn standing(
    db: &Db,
    select: Select<instance::Entity>,
    elements: &[String],
    order: &Orders<instance::Column>,
    page: Paging,
) -> Result<Vec<InstanceRow>> {
    let mut places = Condition::any();
    for element in elements {
        // A first sieve: where the state names the element at all.
        let words = serde_json::Value::from(element.as_str()).to_string();
        places = places.add(dialect::contains(
            db.engine(),
            instance::Column::State,
            &words,
        ));
    }
    let select = select.filter(places);
    let last = || (instance::Column::Id, Order::Desc);
    let (mut found, mut seen, mut before) = (Vec::new(), 0, page.first());
    loop {
        let batch = Paging {
            first_result: Some(seen),
            max_results: Some(BATCH),
        };
        let rows = part(select.clone(), order, last(), batch);
        let rows = rows.all(db.read()).await;
        let rows = rows.map_err(|e| fault("read instances", e))?;
        let is_end = rows.len() < BATCH as usize;
        seen = seen.saturating_add(BATCH);
        for row in rows {
            let state = read_state(&row)?;
            let stands = |at: &str| elements.iter().any(|element| element == at);
            if !state.tokens.values().any(|token| stands(&token.at)) {
                continue;
            }
            if before > 0 {
                before -= 1;
            } else if found.len() as u64 == page.most() {
                return Ok(found);
            } else {
                found.push(InstanceRow::from(row));
            }
        }
        if is_end {
            return Ok(found);
        }
    }
}

/// Running and ended instances, the newest first unless another order is asked for.
pub(super) async fn history(
    db: &Db,
    query: &HistoryQuery,
    order: &Orders<instance::Column>,
    page: Paging,
) -> Result<Vec<InstanceRow>> {
    use instance::Column as C;
    let key = query.process_instance_business_key.as_deref().map(subject);
    let keys = subjects(query.process_instance_business_key_in.as_ref());
    let like = query.process_instance_business_key_like.as_deref();
    let conditions = Condition::all()
        .add(is_one(
            C::Id,
            query.process_instance_id.as_ref(),
            query.process_instance_ids.as_ref(),
        ))
        .add(is_one(C::Subject, key.as_ref(), keys.as_ref()))
        .add_option(like.map(|like| dialect::like(db.engine(), C::Subject, &subject(like))))
        .add(of_definition(
            query.process_definition_id.as_ref(),
            query.process_definition_key.as_ref(),
            query.process_definition_key_in.as_ref(),
            query.process_definition_key_not_in.as_ref(),
        ))
        .add(is_between(
            C::StartedAt,
            query.started_after,
            query.started_before,
        ))
        .add(is_between(
            C::EndedAt,
            query.finished_after,
            query.finished_before,
        ))
        .add_option(query.finished.then(|| C::EndedAt.is_not_null()))
        .add_option(query.unfinished.then(|| C::EndedAt.is_null()))
        .add_option(query.with_incidents.then(|| C::Incidents.gt(0)))
        .add_option(query.suspended.then(|| Expr::val(false)))
        .add_option(query.states().map(|states| C::Status.is_in(states)));
    rows(db, instance::Entity::find().filter(conditions), order, page).await
}

// External tasks

/// External tasks that are not over, the oldest first unless another order is asked for.
pub(super) async fn external(
    db: &Db,
    query: &ExternalQuery,
    order: &Orders<external::Column>,
    page: Paging,
) -> Result<Vec<ExternalTask>> {
    use external::Column as C;
    let now = micros(db.clock().now());
    let is_locked = || {
        Condition::all()
            .add(C::Worker.is_not_null())
            .add(C::AvailableAt.gt(now))
    };
    let locked_until = is_between(
        C::AvailableAt,
        query.lock_expiration_after,
        query.lock_expiration_before,
    );
    let has_bounds =
        query.lock_expiration_after.is_some() || query.lock_expiration_before.is_some();
    let conditions = Condition::all()
        .add(C::State.is_in(["open", "failed"]))
        .add(is_one(
            C::Id,
            query.external_task_id.as_ref(),
            query.external_task_id_in.as_ref(),
        ))
        .add(is_one(C::Topic, query.topic_name.as_ref(), None))
        .add(is_one(C::Worker, query.worker_id.as_ref(), None))
        .add(is_one(
            C::Element,
            query.activity_id.as_ref(),
            query.activity_id_in.as_ref(),
        ))
        .add(is_one(
            C::Instance,
            query.process_instance_id.as_ref(),
            query.process_instance_id_in.as_ref(),
        ))
        .add(is_one(
            C::Definition,
            query.process_definition_id.as_ref(),
            None,
        ))
        .add_option(query.locked.then(is_locked))
        .add_option(query.not_locked.then(|| is_locked().not()))
        .add(locked_until)
        .add_option(has_bounds.then(|| C::Worker.is_not_null()))
        .add_option(query.with_retries_left.then(|| C::State.eq("open")))
        .add_option(query.no_retries_left.then(|| C::State.eq("failed")))
        .add_option(query.suspended.then(|| Expr::val(false)))
        .add_option(
            query
                .priority_higher_than_or_equals
                .map(|priority| C::Priority.gte(priority)),
        )
        .add_option(
            query
                .priority_lower_than_or_equals
                .map(|priority| C::Priority.lte(priority)),
        );
    let select = external::Entity::find().filter(conditions);
    let rows = part(select, order, (C::Id, Order::Asc), page);
    let rows = rows.all(db.read()).await;
    let rows = rows.map_err(|e| fault("list external tasks", e))?;
    rows.iter().map(ExternalTask::of).collect()
}
