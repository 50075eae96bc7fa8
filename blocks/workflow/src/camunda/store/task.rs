//! Tasks, open ones and those of the history.

use std::collections::HashSet;

use kernel::Result;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, Order, QueryFilter, QuerySelect, QueryTrait, Select,
    sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement},
};
use store::{Db, dialect, fault};

use super::{Orders, is_at, is_between, is_of_keys, is_one, literal, part, subject, subjects};
use crate::{
    camunda::{history::task::PastQuery, search::Paging, task::TaskQuery},
    schema::{
        candidate, instance,
        task::{Column, Entity, Model},
    },
    store::LIVE,
};

/// Officers that a query names, as the directory knows them.
#[derive(Default)]
pub(in crate::camunda) struct Who {
    pub assignees: Option<Vec<String>>,
    /// Each of them lists groups, one of which may take the task.
    pub groups: Vec<Vec<String>>,
}

/// Open tasks, the oldest first unless another order is asked for.
pub(in crate::camunda) async fn list(
    db: &Db,
    query: &TaskQuery,
    who: &Who,
    order: &Orders<Column>,
    page: Paging,
) -> Result<Vec<Model>> {
    let rows = part(
        wanted(db, query, who),
        order,
        (Column::Id, Order::Asc),
        page,
    );
    Ok(rows
        .all(db.read())
        .await
        .map_err(|e| fault("list tasks", e))?)
}

/// How many open tasks there are.
pub(in crate::camunda) async fn count(db: &Db, query: &TaskQuery, who: &Who) -> Result<u64> {
    super::count(db, wanted(db, query, who), Column::Id).await
}

fn wanted(db: &Db, query: &TaskQuery, who: &Who) -> Select<Entity> {
    Entity::find()
        .filter(crate::store::is_open())
        .filter(of_process(db, query))
        .filter(of_task(db, query))
        .filter(of_people(query, who))
}

fn of_process(db: &Db, query: &TaskQuery) -> Condition {
    let key = query.process_instance_business_key.as_deref().map(subject);
    let keys = subjects(query.process_instance_business_key_in.as_ref());
    let like = query.process_instance_business_key_like.as_deref();
    Condition::all()
        .add(is_one(
            Column::Instance,
            query.process_instance_id.as_ref(),
            query.process_instance_id_in.as_ref(),
        ))
        .add(is_one(Column::Subject, key.as_ref(), keys.as_ref()))
        .add_option(like.map(|like| dialect::like(db.engine(), Column::Subject, &subject(like))))
        .add(is_one(
            Column::Definition,
            query.process_definition_id.as_ref(),
            None,
        ))
        .add(is_of_keys(
            Column::Definition,
            query.process_definition_key.as_ref(),
            query.process_definition_key_in.as_ref(),
        ))
}

fn of_task(db: &Db, query: &TaskQuery) -> Condition {
    let like = |column, pattern: &Option<String>| {
        let pattern = pattern.as_deref();
        pattern.map(|pattern| dialect::like(db.engine(), column, pattern))
    };
    // Names are compared whatever the case, as there.
    let name = query.name.as_ref().map(|name| literal(name));
    let is_still = is_suspended();
    Condition::all()
        .add(is_one(
            Column::Id,
            query.task_id.as_ref(),
            query.task_id_in.as_ref(),
        ))
        .add(is_one(
            Column::Element,
            query.task_definition_key.as_ref(),
            query.task_definition_key_in.as_ref(),
        ))
        .add_option(like(Column::Element, &query.task_definition_key_like))
        .add_option(like(Column::Name, &name))
        .add_option(like(Column::Name, &query.name_like))
        .add(is_at(Column::DueAt, query.due_date))
        .add(is_between(Column::DueAt, query.due_after, query.due_before))
        .add_option(query.without_due_date.then(|| Column::DueAt.is_null()))
        .add(is_at(Column::CreatedAt, query.created_on))
        .add(is_between(
            Column::CreatedAt,
            query.created_after,
            query.created_before,
        ))
        .add_option(query.suspended.then(|| is_still.clone()))
        .add_option(query.active.then(|| is_still.not()))
}

fn of_people(query: &TaskQuery, who: &Who) -> Condition {
    let mut all = Condition::all()
        .add_option(
            who.assignees
                .as_ref()
                .map(|ids| Column::Assignee.is_in(ids)),
        )
        .add_option(query.assigned.then(|| Column::Assignee.is_not_null()))
        .add_option(query.unassigned.then(|| Column::Assignee.is_null()));
    for groups in &who.groups {
        all = all.add(Column::Id.in_subquery(crate::store::of_groups(groups)));
        if !query.include_assigned_tasks {
            all = all.add(Column::Assignee.is_null());
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
            .then(|| Column::Id.in_subquery(with_groups())),
    )
    .add_option(
        query
            .without_candidate_groups
            .then(|| Column::Id.not_in_subquery(with_groups())),
    )
}

/// The clock of a task stands still for all who sign it, whose parts wait at the same token.
fn is_suspended() -> Expr {
    let whole = Alias::new("whole");
    let same = |column: Column| Expr::col((whole.clone(), column)).equals((Entity, column));
    let still = Query::select()
        .expr(Expr::val(1))
        .from_as(Entity, whole.clone())
        .and_where(same(Column::Instance))
        .and_where(same(Column::Token))
        .and_where(Expr::col((whole.clone(), Column::State)).is_in(LIVE))
        .and_where(Expr::col((whole.clone(), Column::SuspendedAt)).is_not_null())
        .take();
    Expr::exists(still)
}

/// Which of these tasks are suspended.
pub(in crate::camunda) async fn suspended(db: &Db, ids: Vec<String>) -> Result<HashSet<String>> {
    let found: Vec<String> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Id.is_in(ids))
        .filter(is_suspended())
        .into_tuple()
        .all(db.read())
        .await
        .map_err(|e| fault("look for suspended tasks", e))?;
    Ok(found.into_iter().collect())
}

// History

/// Tasks that are to be done or are over, the newest first unless another order is asked for.
pub(in crate::camunda) async fn history(
    db: &Db,
    query: &PastQuery,
    assignee: Option<&String>,
    order: &Orders<Column>,
    page: Paging,
) -> Result<Vec<Model>> {
    let last = (Column::Id, Order::Desc);
    let rows = part(past(db, query, assignee), order, last, page);
    Ok(rows
        .all(db.read())
        .await
        .map_err(|e| fault("list tasks of the history", e))?)
}

/// How many tasks there are, to be done and over.
pub(in crate::camunda) async fn count_history(
    db: &Db,
    query: &PastQuery,
    assignee: Option<&String>,
) -> Result<u64> {
    super::count(db, past(db, query, assignee), Column::Id).await
}

fn past(db: &Db, query: &PastQuery, assignee: Option<&String>) -> Select<Entity> {
    let key = query.process_instance_business_key.as_deref().map(subject);
    let keys = subjects(query.process_instance_business_key_in.as_ref());
    let like = query.process_instance_business_key_like.as_deref();
    let of_process = Condition::all()
        .add(is_one(
            Column::Instance,
            query.process_instance_id.as_ref(),
            None,
        ))
        .add(is_one(Column::Subject, key.as_ref(), keys.as_ref()))
        .add_option(like.map(|like| dialect::like(db.engine(), Column::Subject, &subject(like))))
        .add(is_one(
            Column::Definition,
            query.process_definition_id.as_ref(),
            None,
        ))
        .add(is_of_keys(
            Column::Definition,
            query.process_definition_key.as_ref(),
            None,
        ))
        .add_option(
            query
                .process_finished
                .then(|| Column::Instance.in_subquery(over())),
        )
        .add_option(
            query
                .process_unfinished
                .then(|| Column::Instance.not_in_subquery(over())),
        );
    Entity::find()
        .filter(of_process)
        .filter(of_past_task(db, query, assignee))
}

fn of_past_task(db: &Db, query: &PastQuery, assignee: Option<&String>) -> Condition {
    let name = query.task_name.as_ref().map(|name| literal(name));
    let like = |pattern: &Option<String>| {
        let pattern = pattern.as_deref();
        pattern.map(|pattern| dialect::like(db.engine(), Column::Name, pattern))
    };
    Condition::all()
        .add(is_one(Column::Id, query.task_id.as_ref(), None))
        .add(is_one(
            Column::Element,
            query.task_definition_key.as_ref(),
            query.task_definition_key_in.as_ref(),
        ))
        .add_option(like(&name))
        .add_option(like(&query.task_name_like))
        .add_option(assignee.map(|id| Column::Assignee.eq(id)))
        .add_option(query.assigned.then(|| Column::Assignee.is_not_null()))
        .add_option(query.unassigned.then(|| Column::Assignee.is_null()))
        .add_option(query.finished.then(|| Column::DoneAt.is_not_null()))
        .add_option(query.unfinished.then(|| Column::DoneAt.is_null()))
        .add(is_at(Column::DueAt, query.task_due_date))
        .add(is_between(
            Column::DueAt,
            query.task_due_date_after,
            query.task_due_date_before,
        ))
        .add_option(query.without_task_due_date.then(|| Column::DueAt.is_null()))
        .add(is_between(
            Column::CreatedAt,
            query.started_after,
            query.started_before,
        ))
        .add(is_between(
            Column::DoneAt,
            query.finished_after,
            query.finished_before,
        ))
}

/// Ids of the instances that have ended.
fn over() -> SelectStatement {
    instance::Entity::find()
        .select_only()
        .column(instance::Column::Id)
        .filter(instance::Column::EndedAt.is_not_null())
        .into_query()
}
