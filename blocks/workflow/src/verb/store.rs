//! Queries on the tables of the verbs.

use chrono::{DateTime, NaiveDate, Utc};
use kernel::{
    Error, Fault, Result,
    clock::{from_micros, micros},
    id::new_v7,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};
use serde::Serialize;
use serde_json::{Map, Value};
use store::{
    Db, Tx, fault,
    page::{PageOf, PageRequest},
};
use utoipa::ToSchema;

use super::who::Acting;
use crate::{
    event,
    schema::{call, copy, deed, external, part, saved, substitute, suspension, task, trail},
    store as tables,
};

// Parts

pub(crate) async fn insert_parts(tx: &Tx, rows: Vec<part::Model>) -> Result<()> {
    for some in rows.chunks(200) {
        let rows: Vec<part::ActiveModel> = some.iter().cloned().map(Into::into).collect();
        part::Entity::insert_many(rows)
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("insert signers", e))?;
    }
    Ok(())
}

pub(super) async fn get_part<C: ConnectionTrait>(db: &C, task: &str) -> Result<part::Model> {
    let found = part::Entity::find_by_id(task)
        .one(db)
        .await
        .map_err(|e| fault("get a signer", e))?;
    found.ok_or(Error::NotFound { what: "signer" })
}

/// Parts of a task with their own tasks, oldest first.
pub(super) async fn parts_of<C: ConnectionTrait>(
    db: &C,
    parent: &str,
) -> Result<Vec<(part::Model, task::Model)>> {
    let parts = part::Entity::find()
        .filter(part::Column::Parent.eq(parent))
        .order_by_asc(part::Column::Task)
        .all(db)
        .await
        .map_err(|e| fault("list signers", e))?;
    let mut tasks = std::collections::HashMap::new();
    let ids: Vec<&str> = parts.iter().map(|part| part.task.as_str()).collect();
    for some in ids.chunks(200) {
        let rows = task::Entity::find()
            .filter(task::Column::Id.is_in(some.iter().copied()))
            .all(db)
            .await
            .map_err(|e| fault("list signers' tasks", e))?;
        tasks.extend(rows.into_iter().map(|row| (row.id.clone(), row)));
    }
    let pair = |part: part::Model| tasks.remove(&part.task).map(|row| (part, row));
    Ok(parts.into_iter().filter_map(pair).collect())
}

/// Writes a signer's answer; none takes it back.
pub(super) async fn answer_part(
    tx: &Tx,
    task: &str,
    answer: Option<(&str, &Map<String, Value>, &str)>,
) -> Result<()> {
    let (vote, vars, by) = answer.map_or((None, None, None), |(vote, vars, by)| {
        (Some(vote.to_owned()), Some(vars), Some(by.to_owned()))
    });
    let change = part::ActiveModel {
        answered_at: Set(vote.is_some().then(|| micros(tx.now()))),
        vote: Set(vote),
        vars: Set(vars.map(json).transpose()?.unwrap_or_default()),
        answered_by: Set(by),
        ..Default::default()
    };
    part::Entity::update_many()
        .set(change)
        .filter(part::Column::Task.eq(task))
        .exec(&**tx)
        .await
        .map_err(|e| fault("write a signature", e))?;
    Ok(())
}

// Saved answers

pub(super) fn json(vars: &Map<String, Value>) -> Result<String> {
    Ok(serde_json::to_string(vars).map_err(|e| Fault::caused_by("write variables", e))?)
}

pub(super) fn read_json(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

pub(super) async fn save(
    tx: &Tx,
    task: &str,
    vars: &Map<String, Value>,
    next: Option<&str>,
    by: &str,
) -> Result<()> {
    remove_saved(tx, task).await?;
    let row = saved::ActiveModel {
        task: Set(task.to_owned()),
        vars: Set(json(vars)?),
        next: Set(next.map(str::to_owned)),
        by: Set(by.to_owned()),
        at: Set(micros(tx.now())),
    };
    saved::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("save an answer", e))?;
    Ok(())
}

pub(super) async fn lookup_saved<C: ConnectionTrait>(
    db: &C,
    task: &str,
) -> Result<Option<saved::Model>> {
    let found = saved::Entity::find_by_id(task).one(db).await;
    Ok(found.map_err(|e| fault("read a saved answer", e))?)
}

pub(super) async fn remove_saved(tx: &Tx, task: &str) -> Result<()> {
    saved::Entity::delete_by_id(task)
        .exec(&**tx)
        .await
        .map_err(|e| fault("remove a saved answer", e))?;
    Ok(())
}

// Deeds

/// One verb that was done.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Deed {
    #[schema(example = "delegate")]
    pub verb: String,
    /// Empty where it concerned the process as a whole.
    pub task: String,
    pub by: String,
    pub on_behalf: Option<String>,
    pub other: String,
    pub reason: String,
    pub at: DateTime<Utc>,
}

/// Writes down that a verb was done to a task, and tells it.
pub(super) async fn record(
    tx: &Tx,
    row: &task::Model,
    verb: &str,
    acting: &Acting,
    other: &str,
    reason: &str,
) -> Result<()> {
    let done = event::TaskActed {
        task: tables::facts(row)?,
        verb: verb.to_owned(),
        by: acting.id.clone(),
        on_behalf: acting.on_behalf.clone(),
        other: other.to_owned(),
        reason: reason.to_owned(),
    };
    tx.emit(&row.subject, &acting.trace, &done)?;
    insert_deed(tx, (&row.instance, &row.id), verb, acting, other, reason).await
}

/// `of` names instance and task.
pub(super) async fn insert_deed(
    tx: &Tx,
    of: (&str, &str),
    verb: &str,
    acting: &Acting,
    other: &str,
    reason: &str,
) -> Result<()> {
    let row = deed::ActiveModel {
        id: Set(new_v7(tx.now()).to_string()),
        instance: Set(of.0.to_owned()),
        task: Set(of.1.to_owned()),
        verb: Set(verb.to_owned()),
        by: Set(acting.id.clone()),
        on_behalf: Set(acting.on_behalf.clone()),
        other: Set(other.to_owned()),
        reason: Set(reason.to_owned()),
        at: Set(micros(tx.now())),
    };
    deed::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("write down a deed", e))?;
    Ok(())
}

/// What was done in an instance besides completing, oldest first.
pub async fn deeds(db: &Db, instance: crate::InstanceId) -> Result<Vec<Deed>> {
    let rows = deed::Entity::find()
        .filter(deed::Column::Instance.eq(instance.to_string()))
        .order_by_asc(deed::Column::Id)
        .all(db.read())
        .await
        .map_err(|e| fault("list deeds", e))?;
    let deed = |row: deed::Model| Deed {
        verb: row.verb,
        task: row.task,
        by: row.by,
        on_behalf: row.on_behalf,
        other: row.other,
        reason: row.reason,
        at: from_micros(row.at),
    };
    Ok(rows.into_iter().map(deed).collect())
}

// Tasks and the trail

/// Tasks of an instance whose tokens came of one step.
pub(super) async fn tasks_between(
    tx: &Tx,
    instance: &str,
    tokens: std::ops::Range<u32>,
) -> Result<Vec<task::Model>> {
    let rows = task::Entity::find()
        .filter(task::Column::Instance.eq(instance))
        .filter(task::Column::Token.gte(i64::from(tokens.start)))
        .filter(task::Column::Token.lt(i64::from(tokens.end)))
        .all(&**tx)
        .await;
    Ok(rows.map_err(|e| fault("list tasks that followed", e))?)
}

/// Whether something outside works on what came of one step: a worker that holds or has tried a
/// task, or a call that waits for its answer.
pub(super) async fn is_worked_on(
    tx: &Tx,
    instance: &str,
    tokens: std::ops::Range<u32>,
) -> Result<bool> {
    let (start, end) = (i64::from(tokens.start), i64::from(tokens.end));
    let tried = Condition::any()
        .add(external::Column::Worker.is_not_null())
        .add(external::Column::ErrorMessage.ne(""));
    let held = external::Entity::find()
        .filter(external::Column::Instance.eq(instance))
        .filter(external::Column::Token.gte(start))
        .filter(external::Column::Token.lt(end))
        .filter(tried)
        .count(&**tx)
        .await
        .map_err(|e| fault("look whether a worker has it", e))?;
    let called = call::Entity::find()
        .filter(call::Column::Instance.eq(instance))
        .filter(call::Column::Token.gte(start))
        .filter(call::Column::Token.lt(end))
        .count(&**tx)
        .await
        .map_err(|e| fault("look whether a service is called", e))?;
    Ok(held + called > 0)
}

/// Who had an element last: completed it, or left it by returning. Newest first.
pub(super) async fn last_at<C: ConnectionTrait>(
    db: &C,
    instance: &str,
    element: &str,
    state: &str,
) -> Result<Option<task::Model>> {
    let row = task::Entity::find()
        .filter(task::Column::Instance.eq(instance))
        .filter(task::Column::Element.eq(element))
        .filter(task::Column::State.eq(state))
        .filter(task::Column::Parent.is_null())
        .order_by_desc(task::Column::Id)
        .limit(1)
        .one(db)
        .await;
    Ok(row.map_err(|e| fault("find who had a step", e))?)
}

/// Whether an officer ever completed a task of an instance, or somebody in his place.
pub(super) async fn has_worked<C: ConnectionTrait>(
    db: &C,
    instance: &str,
    officer: &str,
) -> Result<bool> {
    let row = task::Entity::find()
        .filter(task::Column::Instance.eq(instance))
        .filter(task::Column::DoneBy.is_not_null())
        .filter(
            Condition::any()
                .add(task::Column::DoneBy.eq(officer))
                .add(task::Column::Assignee.eq(officer)),
        )
        .limit(1)
        .one(db)
        .await;
    Ok(row
        .map_err(|e| fault("find earlier handlers", e))?
        .is_some())
}

/// Elements of an instance in the order in which they were last entered, and what was left at a
/// certain moment.
pub(super) async fn trail(tx: &Tx, instance: &str) -> Result<Vec<trail::Model>> {
    tx.write_gathered().await?;
    let rows = trail::Entity::find()
        .filter(trail::Column::Instance.eq(instance))
        .order_by_asc(trail::Column::Seq)
        .all(&**tx)
        .await;
    Ok(rows.map_err(|e| fault("read the trail", e))?)
}

// Copies

pub(super) async fn insert_copies(tx: &Tx, rows: Vec<copy::Model>) -> Result<()> {
    let rows: Vec<copy::ActiveModel> = rows.into_iter().map(Into::into).collect();
    copy::Entity::insert_many(rows)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("insert copies", e))?;
    Ok(())
}

pub(super) async fn copies_of<C: ConnectionTrait>(db: &C, task: &str) -> Result<Vec<copy::Model>> {
    let rows = copy::Entity::find()
        .filter(copy::Column::Task.eq(task))
        .order_by_asc(copy::Column::Id)
        .all(db)
        .await;
    Ok(rows.map_err(|e| fault("list receipts", e))?)
}

/// An officer's copies, newest first.
pub(super) async fn copies_for(
    db: &Db,
    reader: &str,
    only_unread: bool,
    page: &PageRequest,
) -> Result<PageOf<copy::Model>> {
    let mut query = copy::Entity::find()
        .filter(copy::Column::Reader.eq(reader))
        .order_by_desc(copy::Column::Id)
        .limit(page.fetch());
    if only_unread {
        query = query.filter(copy::Column::ReadAt.is_null());
    }
    if let Some(after) = &page.after {
        query = query.filter(copy::Column::Id.lt(after));
    }
    let rows = query
        .all(db.read())
        .await
        .map_err(|e| fault("list copies", e))?;
    Ok(page.cut(rows, |copy| copy.id.clone()))
}

pub(super) async fn get_copy(tx: &Tx, id: &str) -> Result<copy::Model> {
    let found = copy::Entity::find_by_id(id)
        .one(&**tx)
        .await
        .map_err(|e| fault("get a copy", e))?;
    found.ok_or(Error::NotFound { what: "copy" })
}

pub(super) async fn mark_read(tx: &Tx, id: &str) -> Result<()> {
    let change = copy::ActiveModel {
        read_at: Set(Some(micros(tx.now()))),
        ..Default::default()
    };
    copy::Entity::update_many()
        .set(change)
        .filter(copy::Column::Id.eq(id))
        .exec(&**tx)
        .await
        .map_err(|e| fault("mark a copy as read", e))?;
    Ok(())
}

// Suspensions

pub(super) async fn insert_suspension(tx: &Tx, row: suspension::Model) -> Result<()> {
    let row: suspension::ActiveModel = row.into();
    suspension::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("suspend a clock", e))?;
    Ok(())
}

pub(super) async fn end_suspensions(tx: &Tx, task: &str) -> Result<()> {
    let change = suspension::ActiveModel {
        until_at: Set(Some(micros(tx.now()))),
        ..Default::default()
    };
    suspension::Entity::update_many()
        .set(change)
        .filter(suspension::Column::Task.eq(task))
        .filter(suspension::Column::UntilAt.is_null())
        .exec(&**tx)
        .await
        .map_err(|e| fault("resume a clock", e))?;
    Ok(())
}

// Substitutes

pub(super) async fn insert_substitute(tx: &Tx, row: substitute::Model) -> Result<()> {
    let row: substitute::ActiveModel = row.into();
    substitute::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("name a substitute", e))?;
    Ok(())
}

/// For whom an officer stands in on a day.
pub(super) async fn standing_in<C: ConnectionTrait>(
    db: &C,
    substitute: &str,
    day: NaiveDate,
) -> Result<Vec<substitute::Model>> {
    let rows = substitute::Entity::find()
        .filter(substitute::Column::Substitute.eq(substitute))
        .filter(substitute::Column::FromDay.lte(day))
        .filter(substitute::Column::UntilDay.gte(day))
        .filter(substitute::Column::EndedAt.is_null())
        .order_by_asc(substitute::Column::Id)
        .all(db)
        .await;
    Ok(rows.map_err(|e| fault("find for whom one stands in", e))?)
}

/// An officer's substitutes, newest first.
pub(super) async fn substitutes<C: ConnectionTrait>(
    db: &C,
    officer: &str,
) -> Result<Vec<substitute::Model>> {
    let rows = substitute::Entity::find()
        .filter(substitute::Column::Officer.eq(officer))
        .order_by_desc(substitute::Column::Id)
        .limit(100)
        .all(db)
        .await;
    Ok(rows.map_err(|e| fault("list substitutes", e))?)
}

/// Ends it now; whether it had not ended.
pub(super) async fn end_substitute(tx: &Tx, id: &str) -> Result<bool> {
    let change = substitute::ActiveModel {
        ended_at: Set(Some(micros(tx.now()))),
        ..Default::default()
    };
    let updated = substitute::Entity::update_many()
        .set(change)
        .filter(substitute::Column::Id.eq(id))
        .filter(substitute::Column::EndedAt.is_null())
        .exec(&**tx)
        .await
        .map_err(|e| fault("end a substitution", e))?;
    Ok(updated.rows_affected > 0)
}

pub(super) async fn get_substitute(tx: &Tx, id: &str) -> Result<substitute::Model> {
    let found = substitute::Entity::find_by_id(id)
        .one(&**tx)
        .await
        .map_err(|e| fault("get a substitution", e))?;
    found.ok_or(Error::NotFound { what: "substitute" })
}
