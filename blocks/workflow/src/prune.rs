//! How long instances that are over are kept. Their rows go in small batches; what happened stays
//! told by the events, which are sealed and never go.

use async_trait::async_trait;
use chrono::{Days, NaiveTime, TimeDelta};
use kernel::{
    Result,
    clock::{local, micros},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, Query},
};
use serde::{Deserialize, Serialize};
use store::{Db, Handler, Job, JobBody, JobFailure, Tx, fault};

use crate::schema::{definition, instance};

/// Instances removed in one write.
const BATCH: u64 = 100;
/// Tables whose rows belong to an instance, the column that says so in each.
const OF_INSTANCE: &[&str] = &[
    "workflow_trail",
    "workflow_clock",
    "workflow_call",
    "workflow_external",
    "workflow_deed",
    "workflow_copy",
    "workflow_suspension",
    "workflow_wait",
    "workflow_state",
    "workflow_task",
];
/// Tables whose rows belong to a task.
const OF_TASK: &[&str] = &["workflow_candidate", "workflow_part", "workflow_saved"];

/// How many days instances are kept after their end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Of processes that are not named; none keeps them for ever.
    pub others: Option<u32>,
    /// By process key.
    pub keys: Vec<(String, u32)>,
}

impl Keep {
    /// `365; restaurant=90`: days for all, then days for certain processes. Empty keeps all.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keep = Self::default();
        for entry in text.split(';').map(str::trim).filter(|e| !e.is_empty()) {
            let days = |text: &str| {
                let days = text.trim().parse::<u32>().ok().filter(|days| *days > 0);
                days.ok_or_else(|| {
                    format!("{text:?} is no number of days; write \"365; restaurant=90\"")
                })
            };
            match entry.split_once('=') {
                Some((key, number)) => keep.keys.push((key.trim().to_owned(), days(number)?)),
                None => keep.others = Some(days(entry)?),
            }
        }
        Ok(keep)
    }

    fn is_forever(&self) -> bool {
        self.others.is_none() && self.keys.is_empty()
    }
}

/// Removes what is kept long enough, and comes again the next night.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct PruneInstances {}

impl JobBody for PruneInstances {
    const KIND: &'static str = "workflow.prune_instances.v1";
}

/// Enqueues the first removal, at the next three o'clock of the night.
pub async fn begin(db: &Db) -> Result<()> {
    db.write(|tx| async move { enqueue(&tx) }).await
}

fn enqueue(tx: &Tx) -> Result<()> {
    let night = NaiveTime::from_hms_opt(3, 0, 0).unwrap_or_default();
    let next = local(tx.now())
        .checked_add_days(Days::new(1))
        .and_then(|day| day.with_time(night).single());
    let next = next.map_or(tx.now() + TimeDelta::days(1), |next| next.to_utc());
    tx.enqueue_unique("nightly", next, &PruneInstances {})
}

pub(crate) struct Prune {
    pub db: Db,
    pub keep: Keep,
}

#[async_trait]
impl Handler for Prune {
    fn kind(&self) -> &'static str {
        PruneInstances::KIND
    }

    async fn run(&self, _: &Job) -> Result<(), JobFailure> {
        if self.keep.is_forever() {
            return Ok(());
        }
        let removed = prune(&self.db, &self.keep).await?;
        if removed > 0 {
            tracing::info!(
                removed,
                "process instances were kept long enough and removed"
            );
        }
        begin(&self.db).await?;
        Ok(())
    }
}

/// Removes instances that are over for longer than they are kept; answers how many.
pub async fn prune(db: &Db, keep: &Keep) -> Result<u64> {
    let mut removed = 0;
    for (key, days) in &keep.keys {
        removed += prune_some(db, vec![key.clone()], true, *days).await?;
    }
    if let Some(days) = keep.others {
        let named = keep.keys.iter().map(|(key, _)| key.clone()).collect();
        removed += prune_some(db, named, false, days).await?;
    }
    Ok(removed)
}

/// Removes instances of these processes, or of all but these.
async fn prune_some(db: &Db, keys: Vec<String>, is_of: bool, days: u32) -> Result<u64> {
    let until = micros(db.clock().now() - TimeDelta::days(days.into()));
    let mut removed = 0;
    loop {
        let keys = keys.clone();
        let some = db
            .write(move |tx| {
                let keys = keys.clone();
                async move {
                    let ids = over(&tx, &keys, is_of, until).await?;
                    remove(&tx, &ids).await?;
                    Ok(ids.len() as u64)
                }
            })
            .await?;
        removed += some;
        if some < BATCH {
            return Ok(removed);
        }
    }
}

async fn over(tx: &Tx, keys: &[String], is_of: bool, until: i64) -> Result<Vec<String>> {
    let named = definition::Entity::find()
        .select_only()
        .column(definition::Column::Id)
        .filter(definition::Column::Key.is_in(keys))
        .into_query();
    let definition = Expr::col(instance::Column::Definition);
    let query = instance::Entity::find()
        .select_only()
        .column(instance::Column::Id)
        .filter(instance::Column::EndedAt.lt(until))
        .filter(if is_of {
            definition.in_subquery(named)
        } else {
            definition.not_in_subquery(named)
        })
        .order_by_asc(instance::Column::EndedAt)
        .limit(BATCH);
    let ids = query.into_tuple().all(&**tx).await;
    Ok(ids.map_err(|e| fault("find instances to remove", e))?)
}

async fn remove(tx: &Tx, ids: &[String]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let of_these = || Expr::col("instance").is_in(ids.iter().cloned());
    let mut deletes = Vec::new();
    for table in OF_TASK {
        let tasks = Query::select()
            .column("id")
            .from("workflow_task")
            .and_where(of_these())
            .to_owned();
        let of_tasks = Expr::col("task").in_subquery(tasks);
        deletes.push(
            Query::delete()
                .from_table(*table)
                .and_where(of_tasks)
                .to_owned(),
        );
    }
    for table in OF_INSTANCE {
        deletes.push(
            Query::delete()
                .from_table(*table)
                .and_where(of_these())
                .to_owned(),
        );
    }
    let own = Expr::col("id").is_in(ids.iter().cloned());
    deletes.push(
        Query::delete()
            .from_table("workflow_instance")
            .and_where(own)
            .to_owned(),
    );
    for delete in deletes {
        tx.execute(&delete)
            .await
            .map_err(|e| fault("remove instances", e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_by_key() {
        let keep = Keep::parse("365; restaurant=90").unwrap();
        assert_eq!(keep.others, Some(365));
        assert_eq!(keep.keys, [("restaurant".to_owned(), 90)]);
        assert!(Keep::parse(" ").unwrap().is_forever());
        for wrong in ["soon", "0", "restaurant=", "-1"] {
            assert!(Keep::parse(wrong).is_err(), "{wrong}");
        }
    }
}
