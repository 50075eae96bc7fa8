//! What runs behind the pages: the sealer, the consumers, the jobs.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Consumer, Db, Handler, HeadSigner, Sealer, Worker, consume, fault, fault::chain_of, job,
    schema::event,
};

/// How long one waits for a bell of its own process before looking for what others did.
const POLL: Duration = Duration::from_secs(1);
/// Events that come within this time are sealed together.
const GATHER: Duration = Duration::from_millis(20);
/// A head is signed at most this often.
const SIGN_EVERY: Duration = Duration::from_secs(1);
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(1);
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// Starts everything; the handle ends after the token has fired and what was under way is done.
/// May run in any number of processes on one database.
pub fn start(
    db: &Db,
    signer: Arc<dyn HeadSigner>,
    consumers: &[Arc<dyn Consumer>],
    handlers: &[Arc<dyn Handler>],
    token: CancellationToken,
) -> JoinHandle<()> {
    let mut tasks = JoinSet::new();
    let sealer = Sealer::new(signer);
    tasks.spawn(keep_going(
        "sealer",
        token.clone(),
        db.clone(),
        move |db, token| {
            let sealer = sealer.clone();
            async move { seal(&db, &sealer, &token).await }
        },
    ));
    for consumer in consumers {
        let consumer = consumer.clone();
        tasks.spawn(keep_going(
            consumer.name(),
            token.clone(),
            db.clone(),
            move |db, token| {
                let consumer = consumer.clone();
                async move { consume(&db, &consumer, &token).await }
            },
        ));
    }
    for worker in Worker::lanes(handlers) {
        tasks.spawn(keep_going(
            "jobs",
            token.clone(),
            db.clone(),
            move |db, token| {
                let worker = worker.clone();
                async move {
                    worker.run(&db, &token).await;
                    Ok(())
                }
            },
        ));
    }
    tasks.spawn(keep_going(
        "measures",
        token,
        db.clone(),
        |db, token| async move { measure(&db, &token).await },
    ));
    tokio::spawn(async move { while tasks.join_next().await.is_some() {} })
}

/// Seals, consumes and runs due jobs until nothing is left to do at the clock's present; for
/// tests and demos. Heads are not signed.
pub async fn settle(
    db: &Db,
    consumers: &[Arc<dyn Consumer>],
    handlers: &[Arc<dyn Handler>],
) -> kernel::Result<()> {
    let sealer = Sealer::without_key();
    let worker = Worker::new(handlers);
    loop {
        let mut has_moved = sealer.seal_all(db).await? > 0;
        for consumer in consumers {
            has_moved |= consume::drain(db, consumer).await?;
        }
        has_moved |= worker.run_due(db).await? > 0;
        if !has_moved {
            return Ok(());
        }
    }
}

/// Runs a task again after a fault or a panic, until the token fires.
async fn keep_going<F, Fut>(name: &'static str, token: CancellationToken, db: Db, task: F)
where
    F: Fn(Db, CancellationToken) -> Fut,
    Fut: Future<Output = kernel::Result<()>>,
{
    while !token.is_cancelled() {
        let run = AssertUnwindSafe(task(db.clone(), token.clone())).catch_unwind();
        match run.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(task = name, error = %chain_of(&error), "background task failed");
            }
            Err(_) => tracing::error!(task = name, "background task panicked"),
        }
        tokio::select! {
            () = token.cancelled() => {}
            () = tokio::time::sleep(PAUSE_AFTER_FAULT) => {}
        }
    }
}

async fn seal(db: &Db, sealer: &Sealer, token: &CancellationToken) -> kernel::Result<()> {
    let mut changes = db.changes();
    let mut signed_at: Option<Instant> = None;
    // A process before this one may have ended between sealing and signing.
    let mut is_unsigned = true;
    while !token.is_cancelled() {
        changes.mark_unchanged();
        let may_sign = signed_at.is_none_or(|at| at.elapsed() >= SIGN_EVERY);
        let sign = is_unsigned && may_sign;
        if sign || has_unsealed(db).await? {
            let batch = sealer.seal(db, sign).await?;
            is_unsigned = batch.events > 0 || (is_unsigned && !sign);
            if sign {
                // What came with this batch is under the head, too.
                is_unsigned = batch.is_full;
                signed_at = Some(Instant::now());
            }
            if batch.is_full {
                continue;
            }
        }
        tokio::select! {
            () = token.cancelled() => {}
            _ = changes.changed() => tokio::time::sleep(GATHER).await,
            () = tokio::time::sleep(POLL) => {}
        }
    }
    sealer.seal_all(db).await?;
    Ok(())
}

/// Whether events wait for their positions.
pub async fn has_unsealed(db: &Db) -> kernel::Result<bool> {
    let unsealed: Option<i64> = event::Entity::find()
        .select_only()
        .column(event::Column::Seq)
        .filter(event::Column::Position.is_null())
        .limit(1)
        .into_tuple()
        .one(db.read())
        .await
        .map_err(|e| fault("look for unsealed events", e))?;
    Ok(unsealed.is_some())
}

async fn consume(
    db: &Db,
    consumer: &Arc<dyn Consumer>,
    token: &CancellationToken,
) -> kernel::Result<()> {
    let mut sealed = db.sealed();
    let mut place = consume::Place::default();
    while !token.is_cancelled() {
        sealed.mark_unchanged();
        if consume::step_from(db, consumer, &mut place).await? == consume::Step::Moved {
            continue;
        }
        tokio::select! {
            () = token.cancelled() => {}
            _ = sealed.changed() => {}
            // Time to look at what other processes and operators did.
            () = tokio::time::sleep(POLL) => place = consume::Place::default(),
        }
    }
    Ok(())
}

/// Publishes how far behind everything is.
#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a floating-point number"
)]
async fn measure(db: &Db, token: &CancellationToken) -> kernel::Result<()> {
    while !token.is_cancelled() {
        for standing in consume::list_standings(db).await? {
            let name = standing.consumer;
            metrics::gauge!("store_consumer_behind", "consumer" => name.clone())
                .set(standing.behind as f64);
            metrics::gauge!("store_consumer_parked", "consumer" => name)
                .set(standing.parked.len() as f64);
        }
        let jobs = job::count(db).await?;
        for (state, number) in [
            ("due", jobs.due),
            ("running", jobs.running),
            ("failed", jobs.failed),
        ] {
            metrics::gauge!("store_jobs", "state" => state).set(number as f64);
        }
        tokio::select! {
            () = token.cancelled() => {}
            () = tokio::time::sleep(MEASURE_EVERY) => {}
        }
    }
    Ok(())
}
