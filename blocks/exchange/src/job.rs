//! The daily job that lets old chunks go.

use async_trait::async_trait;
use chrono::Duration;
use serde::{Deserialize, Serialize};
use store::{Handler, Job, JobBody, JobFailure};
use web::App;

use crate::{Hub, hub::batch};

#[derive(Debug, Serialize, Deserialize)]
pub struct Prune;

impl JobBody for Prune {
    const KIND: &'static str = "exchange.prune.v1";
}

/// Begins the daily pruning, unless it was begun before.
pub async fn begin(db: &store::Db) -> kernel::Result<()> {
    db.write(|tx| async move { enqueue(&tx) }).await
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
        let hub = self.0.part::<Hub>().map_err(JobFailure::Retry)?;
        while batch::prune(&hub).await? > 0 {}
        self.0.db().write(|tx| async move { enqueue(&tx) }).await?;
        Ok(())
    }
}
