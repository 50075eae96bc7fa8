//! Jobs of clocks.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use store::{Db, Handler, Job, JobBody, JobFailure};

use super::act;
use crate::{engine::Engine, react::write_again};

/// The next mark of a clock has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClockDue {
    pub clock: String,
    pub epoch: i64,
}

impl JobBody for ClockDue {
    const KIND: &'static str = "workflow.clock_due.v1";
}

/// Clocks after an id are counted anew.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RecountClocks {
    pub after: String,
}

impl JobBody for RecountClocks {
    const KIND: &'static str = "workflow.recount_clocks.v1";
}

/// Rings clocks. A job that runs again finds a later epoch and does nothing.
pub(crate) struct Clocks {
    pub db: Db,
    pub engine: Arc<Engine>,
}

#[async_trait]
impl Handler for Clocks {
    fn kind(&self) -> &'static str {
        ClockDue::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let body = job.body::<ClockDue>()?;
        let engine = self.engine.clone();
        write_again(&self.db, move |tx| {
            let (engine, body) = (engine.clone(), body.clone());
            async move { act::ring(&tx, &engine, &body.clock, body.epoch).await }
        })
        .await
    }
}

/// Counts clocks anew after the calendar has changed.
pub(crate) struct Recount {
    pub db: Db,
    pub engine: Arc<Engine>,
}

#[async_trait]
impl Handler for Recount {
    fn kind(&self) -> &'static str {
        RecountClocks::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let body = job.body::<RecountClocks>()?;
        // The change may have been made by another server.
        self.engine.refresh_calendars().await?;
        let engine = self.engine.clone();
        self.db
            .write(move |tx| {
                let (engine, body) = (engine.clone(), body.clone());
                async move { act::recount(&tx, &engine, &body.after).await }
            })
            .await?;
        Ok(())
    }
}
