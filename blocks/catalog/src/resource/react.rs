//! The clock of update cycles.

use ::store::{Db, Handler, Job, JobBody, JobFailure, Tx};
use async_trait::async_trait;
use kernel::{
    Result,
    clock::{from_micros, micros},
};
use serde::{Deserialize, Serialize};

use super::{Entry, store};
use crate::event::Overdue;

/// Look whether the data was renewed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WatchCycle {
    pub resource: String,
    /// Every renewal has a clock of its own.
    pub due_at: i64,
}

impl JobBody for WatchCycle {
    const KIND: &'static str = "catalog.watch_cycle.v1";
}

/// Begins the watch over an entry's clock, if it has one.
pub(crate) fn watch(tx: &Tx, row: &Entry) -> Result<()> {
    let Some(due_at) = row.due_at else {
        return Ok(());
    };
    let job = WatchCycle {
        resource: row.id.clone(),
        due_at,
    };
    tx.enqueue_at(from_micros(due_at), &job)
}

pub(crate) struct WatchHandler(pub Db);

#[async_trait]
impl Handler for WatchHandler {
    fn kind(&self) -> &'static str {
        WatchCycle::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let watch: WatchCycle = job.body()?;
        self.0
            .write(move |tx| {
                let watch = watch.clone();
                async move {
                    let Some(mut row) = store::lookup(&*tx, &watch.resource).await? else {
                        return Ok(());
                    };
                    let is_same = row.due_at == Some(watch.due_at) && row.is_public();
                    if !is_same || row.is_overdue || watch.due_at > micros(tx.now()) {
                        return Ok(());
                    }
                    row.is_overdue = true;
                    let row = store::update(&tx, row).await?;
                    let body = Overdue {
                        resource: row.id.clone(),
                        code: row.code.clone().unwrap_or_default(),
                        name: row.name.clone(),
                        provider: row.provider.clone(),
                        cycle: row.cycle.clone(),
                        due_at: watch.due_at,
                    };
                    tx.emit(super::flow::subject(&row.id), "system", &body)
                }
            })
            .await
            .map_err(JobFailure::from)
    }
}
