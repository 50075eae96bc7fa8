//! Queries on the table `workflow_external`.

use std::collections::HashMap;

use kernel::{Error, Result, clock::micros};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, LockBehavior, LockType, Order, Query},
};
use store::{
    Tx, fault,
    page::{PageOf, PageRequest},
};

use super::{ExternalTask, ExternalTaskId, Filter, Topic};
use crate::schema::external::{ActiveModel, Column, Entity, Model};

/// Rows of one statement at the most; engines bound the number of its parameters.
const ROWS: usize = 200;

pub(crate) async fn insert(tx: &Tx, rows: Vec<Model>) -> Result<()> {
    let rows: Vec<ActiveModel> = rows.into_iter().map(Into::into).collect();
    for some in rows.chunks(ROWS) {
        let inserted = Entity::insert_many(some.to_vec())
            .exec_without_returning(&**tx)
            .await;
        inserted.map_err(|e| fault("insert external tasks", e))?;
    }
    Ok(())
}

pub(crate) async fn get<C: ConnectionTrait>(db: &C, id: ExternalTaskId) -> Result<Model> {
    let found = Entity::find_by_id(id.to_string())
        .one(db)
        .await
        .map_err(|e| fault("get an external task", e))?;
    found.ok_or(Error::NotFound {
        what: "external task",
    })
}

/// Whether a topic of the list has a task that may be fetched; costs readers nothing.
pub(crate) async fn is_any<C: ConnectionTrait>(db: &C, topics: &[Topic], now: i64) -> Result<bool> {
    for topic in topics {
        let found = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(wanted(topic, now))
            .limit(1)
            .into_tuple::<String>()
            .one(db)
            .await
            .map_err(|e| fault("look for external tasks", e))?;
        if found.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn wanted(topic: &Topic, now: i64) -> Condition {
    let mut wanted = Condition::all()
        .add(Column::Topic.eq(&topic.name))
        .add(Column::State.eq("open"))
        .add(Column::AvailableAt.lte(now));
    if let Some(subject) = &topic.subject {
        wanted = wanted.add(Column::Subject.eq(subject));
    }
    if !topic.definitions.is_empty() {
        wanted = wanted.add(Column::Definition.is_in(&topic.definitions));
    }
    if !topic.keys.is_empty() {
        wanted = wanted.add(Column::Key.is_in(&topic.keys));
    }
    wanted
}

/// Priority of the task of a topic that is fetched next, among those below a priority if given.
pub(crate) async fn next_priority(
    tx: &Tx,
    topic: &Topic,
    below: Option<i64>,
) -> Result<Option<i64>> {
    let mut query = Entity::find()
        .select_only()
        .column(Column::Priority)
        .filter(wanted(topic, micros(tx.now())))
        .order_by_desc(Column::Priority)
        .limit(1);
    if let Some(below) = below {
        query = query.filter(Column::Priority.lt(below));
    }
    let found = query.into_tuple().one(&**tx).await;
    Ok(found.map_err(|e| fault("look at the next external task", e))?)
}

/// The open task that took the place of a failed one.
pub(crate) async fn lookup_next(tx: &Tx, failed: &Model) -> Result<Option<Model>> {
    let found = Entity::find()
        .filter(Column::Instance.eq(&failed.instance))
        .filter(Column::Element.eq(&failed.element))
        .filter(Column::State.eq("open"))
        .filter(Column::Token.gt(failed.token))
        .order_by_desc(Column::Id)
        .limit(1)
        .one(&**tx)
        .await;
    Ok(found.map_err(|e| fault("find the task that took another's place", e))?)
}

/// Locks free tasks of a topic for a worker, none below a priority if given. Of two servers each
/// takes what the other has not.
pub(crate) async fn claim(
    tx: &Tx,
    topic: &Topic,
    worker: &str,
    most: u64,
    down_to: Option<i64>,
) -> Result<Vec<Model>> {
    let now = micros(tx.now());
    let mut free = Query::select();
    free.column(Column::Id)
        .from(Entity)
        .cond_where(wanted(topic, now));
    if let Some(down_to) = down_to {
        free.and_where(Column::Priority.gte(down_to));
    }
    free.order_by(Column::Priority, Order::Desc)
        .order_by(Column::Id, Order::Asc)
        .limit(most)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    let mut rows = Entity::update_many()
        .col_expr(Column::Worker, Expr::value(worker))
        .col_expr(
            Column::AvailableAt,
            Expr::value(micros(tx.now() + topic.lock)),
        )
        .filter(Column::Id.in_subquery(free))
        .exec_with_returning(&**tx)
        .await
        .map_err(|e| fault("lock external tasks", e))?;
    rows.sort_by(|a, b| (b.priority, &a.id).cmp(&(a.priority, &b.id)));
    Ok(rows)
}

/// Changes a task if it is as it was read; whether it did.
pub(crate) async fn update(tx: &Tx, row: &Model, change: ActiveModel) -> Result<bool> {
    let as_read = Condition::all()
        .add(Column::Id.eq(&row.id))
        .add(Column::State.eq(&row.state))
        .add(Column::AvailableAt.eq(row.available_at))
        .add(match &row.worker {
            Some(worker) => Column::Worker.eq(worker),
            None => Column::Worker.is_null(),
        });
    let updated = Entity::update_many()
        .set(change)
        .filter(as_read)
        .exec(&**tx)
        .await
        .map_err(|e| fault("update an external task", e))?;
    Ok(updated.rows_affected > 0)
}

/// Tasks at these tokens are needed no longer.
pub(crate) async fn mark_gone(tx: &Tx, instance: &str, tokens: &[i64]) -> Result<()> {
    for some in tokens.chunks(ROWS) {
        Entity::update_many()
            .set(ActiveModel {
                state: Set("gone".to_owned()),
                ended_at: Set(Some(micros(tx.now()))),
                ..Default::default()
            })
            .filter(Column::Instance.eq(instance))
            .filter(Column::Token.is_in(some.iter().copied()))
            .filter(Column::State.eq("open"))
            .exec(&**tx)
            .await
            .map_err(|e| fault("mark external tasks as gone", e))?;
    }
    Ok(())
}

/// Tasks that became incidents are settled: the incident at this token, or all of the instance.
pub(crate) async fn close_failed(tx: &Tx, instance: &str, token: Option<u32>) -> Result<()> {
    let mut failed = Condition::all()
        .add(Column::Instance.eq(instance))
        .add(Column::State.eq("failed"));
    if let Some(token) = token {
        failed = failed.add(Column::Token.eq(i64::from(token)));
    }
    Entity::update_many()
        .set(ActiveModel {
            state: Set("gone".to_owned()),
            ..Default::default()
        })
        .filter(failed)
        .exec(&**tx)
        .await
        .map_err(|e| fault("close external tasks", e))?;
    Ok(())
}

/// The tasks whose failure stopped these instances: their ids by instance and token.
pub(crate) async fn failed<C: ConnectionTrait>(
    db: &C,
    instances: &[String],
) -> Result<HashMap<(String, u32), String>> {
    let mut found = HashMap::new();
    for some in instances.chunks(ROWS) {
        let rows: Vec<(String, i64, String)> = Entity::find()
            .select_only()
            .columns([Column::Instance, Column::Token, Column::Id])
            .filter(Column::Instance.is_in(some))
            .filter(Column::State.eq("failed"))
            .into_tuple()
            .all(db)
            .await
            .map_err(|e| fault("find failed external tasks", e))?;
        let rows = rows.into_iter();
        found.extend(rows.map(|(instance, token, id)| {
            let token = u32::try_from(token).unwrap_or_default();
            ((instance, token), id)
        }));
    }
    Ok(found)
}

pub(crate) async fn list<C: ConnectionTrait>(
    db: &C,
    filter: &Filter,
    now: i64,
    page: &PageRequest,
) -> Result<PageOf<ExternalTask>> {
    let mut query = Entity::find()
        .order_by_asc(Column::Id)
        .limit(page.fetch())
        .filter(match &filter.state {
            Some(state) => Column::State.eq(state),
            None => Column::State.is_in(["open", "failed"]),
        });
    if let Some(id) = filter.id {
        query = query.filter(Column::Id.eq(id.to_string()));
    }
    if let Some(topic) = &filter.topic {
        query = query.filter(Column::Topic.eq(topic));
    }
    if let Some(worker) = &filter.worker {
        query = query.filter(Column::Worker.eq(worker));
    }
    if let Some(instance) = filter.instance {
        query = query.filter(Column::Instance.eq(instance.to_string()));
    }
    if let Some(is_locked) = filter.is_locked {
        let locked = Condition::all()
            .add(Column::Worker.is_not_null())
            .add(Column::AvailableAt.gt(now));
        query = query.filter(if is_locked { locked } else { locked.not() });
    }
    if let Some(after) = &page.after {
        query = query.filter(Column::Id.gt(after));
    }
    let rows = query
        .all(db)
        .await
        .map_err(|e| fault("list external tasks", e))?;
    let rows: Vec<_> = rows.iter().map(ExternalTask::of).collect::<Result<_>>()?;
    Ok(page.cut(rows, |task| task.id.to_string()))
}
