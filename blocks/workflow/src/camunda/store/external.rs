//! External tasks.

use kernel::{Result, clock::micros};
use sea_orm::{ColumnTrait, Condition, EntityTrait, Order, QueryFilter, Select, sea_query::Expr};
use store::{Db, fault};

use super::{Orders, is_between, is_one, part};
use crate::{
    camunda::{external::ExternalQuery, search::Paging},
    external::ExternalTask,
    schema::external::{Column, Entity},
};

/// External tasks that are not over, the oldest first unless another order is asked for.
pub(in crate::camunda) async fn list(
    db: &Db,
    query: &ExternalQuery,
    order: &Orders<Column>,
    page: Paging,
) -> Result<Vec<ExternalTask>> {
    let rows = part(wanted(db, query), order, (Column::Id, Order::Asc), page);
    let rows = rows.all(db.read()).await;
    let rows = rows.map_err(|e| fault("list external tasks", e))?;
    rows.iter().map(ExternalTask::of).collect()
}

/// How many external tasks are not over.
pub(in crate::camunda) async fn count(db: &Db, query: &ExternalQuery) -> Result<u64> {
    super::count(db, wanted(db, query), Column::Id).await
}

fn wanted(db: &Db, query: &ExternalQuery) -> Select<Entity> {
    let now = micros(db.clock().now());
    let is_locked = || {
        Condition::all()
            .add(Column::Worker.is_not_null())
            .add(Column::AvailableAt.gt(now))
    };
    let locked_until = is_between(
        Column::AvailableAt,
        query.lock_expiration_after,
        query.lock_expiration_before,
    );
    let has_bounds =
        query.lock_expiration_after.is_some() || query.lock_expiration_before.is_some();
    let conditions = Condition::all()
        .add(Column::State.is_in(["open", "failed"]))
        .add(is_one(
            Column::Id,
            query.external_task_id.as_ref(),
            query.external_task_id_in.as_ref(),
        ))
        .add(is_one(Column::Topic, query.topic_name.as_ref(), None))
        .add(is_one(Column::Worker, query.worker_id.as_ref(), None))
        .add(is_one(
            Column::Element,
            query.activity_id.as_ref(),
            query.activity_id_in.as_ref(),
        ))
        .add(is_one(
            Column::Instance,
            query.process_instance_id.as_ref(),
            query.process_instance_id_in.as_ref(),
        ))
        .add(is_one(
            Column::Definition,
            query.process_definition_id.as_ref(),
            None,
        ))
        .add_option(query.locked.then(is_locked))
        .add_option(query.not_locked.then(|| is_locked().not()))
        .add(locked_until)
        .add_option(has_bounds.then(|| Column::Worker.is_not_null()))
        .add_option(query.with_retries_left.then(|| Column::State.eq("open")))
        .add_option(query.no_retries_left.then(|| Column::State.eq("failed")))
        .add_option(query.suspended.then(|| Expr::val(false)))
        .add_option(
            query
                .priority_higher_than_or_equals
                .map(|priority| Column::Priority.gte(priority)),
        )
        .add_option(
            query
                .priority_lower_than_or_equals
                .map(|priority| Column::Priority.lte(priority)),
        );
    Entity::find().filter(conditions)
}
