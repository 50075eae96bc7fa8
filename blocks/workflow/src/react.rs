//! The job that fires timers, and what other jobs are told.

use std::{future::Future, sync::Arc};

use async_trait::async_trait;
use kernel::Error;
use serde::{Deserialize, Serialize};
use store::{Db, Handler, Job, JobBody, JobFailure, Tx};

use crate::{CallId, InstanceId, core::Input, engine::Engine, step, store as tables};

/// A timer of an instance is due.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FireTimer {
    pub instance: InstanceId,
    pub timer: u32,
}

impl JobBody for FireTimer {
    const KIND: &'static str = "workflow.fire_timer.v1";
}

/// A service call is to be carried out in the background.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct RunCall {
    pub call: CallId,
    /// Tries that failed before.
    pub tries: u32,
}

impl JobBody for RunCall {
    const KIND: &'static str = "workflow.run_call.v1";
}

/// Fires timers. Runs again after a crash: a timer that fired or is needed no longer is gone from
/// the instance, and the job then does nothing.
pub(crate) struct Timers {
    pub db: Db,
    pub engine: Arc<Engine>,
}

#[async_trait]
impl Handler for Timers {
    fn kind(&self) -> &'static str {
        FireTimer::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let FireTimer { instance, timer } = job.body::<FireTimer>()?;
        let engine = self.engine.clone();
        write_again(&self.db, move |tx| {
            let engine = engine.clone();
            async move { fire(&tx, &engine, instance, timer).await }
        })
        .await
    }
}

/// Times that a step of the system is taken again when another step came between.
const COLLISIONS: u32 = 5;

/// A step that nobody waits for: when another step of the instance came first it is taken again,
/// on what that one left, and after some times by a later try of its job.
pub(crate) async fn write_again<F, Fut>(db: &Db, body: F) -> Result<(), JobFailure>
where
    F: Fn(Tx) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = kernel::Result<()>> + Send + 'static,
{
    for _ in 0..COLLISIONS {
        match db.write(body.clone()).await {
            Err(Error::Refused(text)) if text.key == step::COLLISION => {}
            ended => return Ok(ended?),
        }
    }
    let reason = "other steps of the instance came first again and again";
    Err(JobFailure::Retry(kernel::Fault::new(reason)))
}

/// The timer of an instance fires, unless it is needed no longer.
pub(crate) async fn fire(
    tx: &Tx,
    engine: &Engine,
    id: InstanceId,
    timer: u32,
) -> kernel::Result<()> {
    let row = match tables::get_instance(&**tx, id).await {
        Err(Error::NotFound { .. }) => return Ok(()),
        row => row?,
    };
    let instance = engine.state(&**tx, &row).await?;
    if instance.is_over() || !instance.timers.contains_key(&timer) {
        return Ok(());
    }
    step::step_unattended(tx, engine, id, Input::Timer { timer }, "system").await
}
