//! Queries on `workflow_clock`, and what of it the other tables repeat.

use kernel::{Fault, Result, clock::from_micros};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::OnConflict,
};
use store::{Tx, fault};

use super::{Limit, OfficeHours, Pause, Period};
use crate::schema::{
    candidate,
    clock::{self, Model as Clock},
    task,
};

/// Rows of one statement at the most; engines bound the number of its parameters.
const ROWS: usize = 200;

/// What a clock is called: by the token or timer that it belongs to.
pub(crate) fn id_of(instance: &str, number: i64) -> String {
    format!("{instance}:{number}")
}

impl Clock {
    pub(super) fn limit(&self) -> Limit {
        let amount = u32::try_from(self.amount + self.extended).unwrap_or(u32::MAX);
        if self.unit == "hours" {
            Limit::Hours(amount)
        } else {
            Limit::Days(amount)
        }
    }

    pub(super) fn pauses(&self) -> Result<Vec<Pause>> {
        let read = serde_json::from_str(&self.pauses);
        Ok(read.map_err(|e| Fault::caused_by(format!("read the pauses of {}", self.id), e))?)
    }

    pub(super) fn period<'a>(
        &self,
        pauses: &'a [Pause],
        calendar: &'a kernel::calendar::Calendar,
        hours: &'a OfficeHours,
    ) -> Period<'a> {
        Period {
            start: from_micros(self.started_at),
            limit: self.limit(),
            pauses,
            calendar,
            hours,
        }
    }

    pub(super) fn marks(&self) -> Vec<Limit> {
        self.remind.split(',').filter_map(Limit::parse).collect()
    }

    pub(super) fn has_fired(&self, mark: &str) -> bool {
        self.fired.split(',').any(|fired| fired == mark)
    }

    pub(super) fn fire(&mut self, mark: &str) {
        if !self.fired.is_empty() {
            self.fired.push(',');
        }
        self.fired.push_str(mark);
    }
}

pub(crate) async fn insert(tx: &Tx, rows: Vec<Clock>) -> Result<()> {
    let rows: Vec<clock::ActiveModel> = rows.into_iter().map(Into::into).collect();
    for some in rows.chunks(ROWS) {
        clock::Entity::insert_many(some.to_vec())
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("start clocks", e))?;
    }
    Ok(())
}

pub(crate) async fn find<C: ConnectionTrait>(db: &C, id: &str) -> Result<Option<Clock>> {
    let found = clock::Entity::find_by_id(id).one(db).await;
    Ok(found.map_err(|e| fault("find a clock", e))?)
}

/// Those of the named clocks that are not over.
pub(super) async fn find_open<C: ConnectionTrait>(db: &C, ids: &[String]) -> Result<Vec<Clock>> {
    let query = clock::Entity::find()
        .filter(clock::Column::Id.is_in(ids))
        .filter(clock::Column::State.ne("over"))
        .order_by_asc(clock::Column::Id);
    Ok(query
        .all(db)
        .await
        .map_err(|e| fault("list the clocks of a task", e))?)
}

/// Clocks of an instance that are not over.
pub(super) async fn of_instance<C: ConnectionTrait>(db: &C, instance: &str) -> Result<Vec<Clock>> {
    let query = clock::Entity::find()
        .filter(clock::Column::Instance.eq(instance))
        .filter(clock::Column::State.ne("over"))
        .order_by_asc(clock::Column::Id);
    Ok(query
        .all(db)
        .await
        .map_err(|e| fault("list the clocks of an instance", e))?)
}

/// Running clocks after an id, in their order.
pub(super) async fn running_after(tx: &Tx, after: &str, limit: u64) -> Result<Vec<Clock>> {
    let query = clock::Entity::find()
        .filter(clock::Column::State.eq("running"))
        .filter(clock::Column::Id.gt(after))
        .order_by_asc(clock::Column::Id)
        .limit(limit);
    Ok(query
        .all(&**tx)
        .await
        .map_err(|e| fault("list running clocks", e))?)
}

/// Writes what may change of a clock.
pub(super) async fn update(tx: &Tx, row: &Clock) -> Result<()> {
    clock::Entity::update_many()
        .set(clock::ActiveModel {
            extended: Set(row.extended),
            due_at: Set(row.due_at),
            pauses: Set(row.pauses.clone()),
            fired: Set(row.fired.clone()),
            epoch: Set(row.epoch),
            state: Set(row.state.clone()),
            ..Default::default()
        })
        .filter(clock::Column::Id.eq(&row.id))
        .exec(&**tx)
        .await
        .map_err(|e| fault("set a clock", e))?;
    Ok(())
}

/// Nothing waits for these any more.
pub(crate) async fn end(tx: &Tx, ids: &[String]) -> Result<()> {
    for some in ids.chunks(ROWS) {
        let query = clock::Entity::update_many()
            .set(over())
            .filter(clock::Column::Id.is_in(some));
        query
            .exec(&**tx)
            .await
            .map_err(|e| fault("end clocks", e))?;
    }
    Ok(())
}

/// The instance is over, and all its clocks with it.
pub(crate) async fn end_all(tx: &Tx, instance: &str) -> Result<()> {
    clock::Entity::update_many()
        .set(over())
        .filter(clock::Column::Instance.eq(instance))
        .filter(clock::Column::State.ne("over"))
        .exec(&**tx)
        .await
        .map_err(|e| fault("end the clocks of an instance", e))?;
    Ok(())
}

fn over() -> clock::ActiveModel {
    clock::ActiveModel {
        state: Set("over".to_owned()),
        ..Default::default()
    }
}

/// The open task at a token; the first of several signers'.
pub(super) async fn task_at(tx: &Tx, row: &Clock) -> Result<Option<task::Model>> {
    let query = task::Entity::find()
        .filter(task::Column::Instance.eq(&row.instance))
        .filter(task::Column::Token.eq(row.number))
        .filter(task::Column::State.is_in(["open", "claimed"]))
        .order_by_asc(task::Column::Id);
    Ok(query
        .one(&**tx)
        .await
        .map_err(|e| fault("find the task of a clock", e))?)
}

/// Lists show the new date for everybody who works at the token. Not a change of the task itself:
/// who has it open may go on.
pub(super) async fn show_due(tx: &Tx, row: &Clock) -> Result<()> {
    task::Entity::update_many()
        .set(task::ActiveModel {
            due_at: Set(row.due_at),
            ..Default::default()
        })
        .filter(task::Column::Instance.eq(&row.instance))
        .filter(task::Column::Token.eq(row.number))
        .filter(task::Column::State.is_in(["open", "claimed"]))
        .exec(&**tx)
        .await
        .map_err(|e| fault("show a new due date", e))?;
    Ok(())
}

/// More groups may take the task.
pub(super) async fn add_candidates(tx: &Tx, task: &task::Model, groups: &[String]) -> Result<()> {
    let mut all = crate::store::list(&task.candidates);
    all.extend(groups.iter().cloned());
    task::Entity::update_many()
        .set(task::ActiveModel {
            candidates: Set(all.join(",")),
            ..Default::default()
        })
        .filter(task::Column::Id.eq(&task.id))
        .exec(&**tx)
        .await
        .map_err(|e| fault("name more candidates", e))?;
    let rows = groups.iter().map(|group| candidate::ActiveModel {
        group_key: Set(group.clone()),
        task: Set(task.id.clone()),
    });
    let known = OnConflict::columns([candidate::Column::GroupKey, candidate::Column::Task])
        .do_nothing()
        .to_owned();
    candidate::Entity::insert_many(rows)
        .on_conflict(known)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("add candidates", e))?;
    Ok(())
}
