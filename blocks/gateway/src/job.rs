//! The daily job that lets old calls go.

use async_trait::async_trait;
use chrono::Duration;
use serde::{Deserialize, Serialize};
use store::{Handler, Job, JobBody, JobFailure};
use web::App;

use crate::{Gateway, overview};

#[derive(Debug, Serialize, Deserialize)]
pub struct Prune;

impl JobBody for Prune {
    const KIND: &'static str = "gateway.prune.v1";
}

/// Begins the daily pruning, unless it was begun before, and remembers the hub's key.
pub async fn begin(app: &App) -> kernel::Result<()> {
    app.part::<Gateway>()?.note_own_key().await?;
    app.db().write(|tx| async move { enqueue(&tx) }).await
}

fn enqueue(tx: &store::Tx) -> kernel::Result<()> {
    tx.enqueue_unique("daily", tx.now() + Duration::days(1), &Prune)
}

pub struct PruneHandler(pub App);

#[async_trait]
impl Handler for PruneHandler {
    fn kind(&self) -> &'static str {
        Prune::KIND
    }

    async fn run(&self, _: &Job) -> Result<(), JobFailure> {
        let gateway = self.0.part::<Gateway>().map_err(JobFailure::Retry)?;
        while overview::prune(&gateway).await? {}
        self.0.db().write(|tx| async move { enqueue(&tx) }).await?;
        Ok(())
    }
}
