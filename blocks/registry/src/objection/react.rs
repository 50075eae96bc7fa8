//! The clock of objections.

use ::store::{Db, Handler, Job, JobBody, JobFailure};
use async_trait::async_trait;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};

use super::store;
use crate::event::ObjectionOverdue;

/// Look whether the objection is still where it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Watch {
    pub objection: String,
    /// Every move has a clock of its own.
    pub version: i64,
}

impl JobBody for Watch {
    const KIND: &'static str = "registry.watch_objection.v1";
}

/// The first moment after a day in China.
pub(crate) fn after(day: NaiveDate) -> DateTime<Utc> {
    let next = day.checked_add_days(Days::new(1)).unwrap_or(day);
    next.and_time(NaiveTime::MIN).and_utc() - chrono::TimeDelta::hours(8)
}

pub(crate) struct WatchHandler(pub Db);

#[async_trait]
impl Handler for WatchHandler {
    fn kind(&self) -> &'static str {
        Watch::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let watch: Watch = job.body()?;
        self.0
            .write(move |tx| {
                let watch = watch.clone();
                async move {
                    let mut row = store::get(&*tx, &watch.objection).await?;
                    let due = match row.due_on {
                        Some(due) if row.version == watch.version && !row.is_overdue => due,
                        _ => return Ok(()),
                    };
                    row.is_overdue = true;
                    let row = store::update(&tx, row).await?;
                    let body = ObjectionOverdue {
                        registry: row.registry,
                        objection: row.id.clone(),
                        record: row.record,
                        field: row.field,
                        source: row.source,
                        source_org: row.source_org,
                        due_on: due.to_string(),
                    };
                    tx.emit(format!("objection:{}", row.id), "system", &body)
                }
            })
            .await
            .map_err(JobFailure::from)
    }
}
