//! Runs jobs.
//!
//! A job is claimed with a lease and an epoch in one short write, runs outside of any
//! transaction, and is completed only if the epoch still matches. Claims take turns by
//! `SKIP LOCKED` on `PostgreSQL` and by the single writer on SQLite. A worker is woken by writes
//! of its own process and by the next job that comes due, and looks once a second for those of other
//! processes.

use std::{collections::HashMap, convert::Infallible, panic::AssertUnwindSafe, sync::Arc, time};

use chrono::Duration;
use futures::FutureExt;
use kernel::Fault;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter,
    sea_query::{Expr, LockBehavior, LockType, Order, Query, SelectStatement, UnionType},
};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Db, Handler, Job, JobFailure, Tx,
    db::{Isolation, Rung},
    fault,
    schema::job as table,
};

/// How long a claim holds; renewed while the job runs.
const LEASE: Duration = Duration::seconds(60);
/// Tries after which a job is given up; with the pauses below, after about three hours.
pub const GIVE_UP_AFTER: i32 = 12;
const FIRST_PAUSE: Duration = Duration::seconds(5);
const LONGEST_PAUSE: Duration = Duration::hours(1);
const POLL: time::Duration = time::Duration::from_secs(1);
/// Jobs that are enqueued, or end, within this time make room for one look together.
const GATHER: time::Duration = time::Duration::from_millis(5);
/// How long running jobs may go on after the stop signal; then their lease runs out by itself.
const GRACE: time::Duration = time::Duration::from_secs(20);
/// Jobs that run side by side where kinds have no lane of their own.
const PARALLEL: usize = 8;

/// Runs jobs of the kinds that it has handlers for. Jobs of other kinds stay, and are seen in
/// [`crate::job::count`].
#[derive(Clone)]
pub struct Worker {
    handlers: Arc<HashMap<&'static str, Arc<dyn Handler>>>,
    /// Jobs that run side by side.
    places: usize,
}

impl Worker {
    pub fn new(handlers: &[Arc<dyn Handler>]) -> Self {
        let handlers = handlers.iter().map(|h| (h.kind(), h.clone())).collect();
        Self {
            handlers: Arc::new(handlers),
            places: PARALLEL,
        }
    }

    /// Workers that together run jobs of all these kinds: one for every kind with a lane of its
    /// own, and one for the rest.
    pub fn lanes(handlers: &[Arc<dyn Handler>]) -> Vec<Self> {
        let (own, shared): (Vec<_>, Vec<_>) =
            handlers.iter().cloned().partition(|h| h.lane().is_some());
        let own = own.into_iter().map(|handler| Self {
            places: handler.lane().unwrap_or(PARALLEL).max(1),
            ..Self::new(&[handler])
        });
        own.chain([Self::new(&shared)]).collect()
    }

    /// Runs what is due now, one job after another, until nothing is; answers how many ran. For
    /// tests and demos; the clock decides what is due.
    pub async fn run_due(&self, db: &Db) -> kernel::Result<usize> {
        let mut count = 0;
        loop {
            let jobs = self.claim(db, 1).await?;
            if jobs.is_empty() {
                return Ok(count);
            }
            for job in jobs {
                count += 1;
                self.run_one(db, job).await?;
            }
        }
    }

    /// Runs jobs until the token fires, then waits a little for those under way.
    pub async fn run(&self, db: &Db, token: &CancellationToken) {
        let places = Arc::new(Semaphore::new(self.places));
        let mut running = JoinSet::new();
        // Subscribed before looking, so that nothing slips between.
        let mut enqueued = db.jobs();
        while !token.is_cancelled() {
            let seen = self.rung(&mut enqueued);
            let free = places.available_permits();
            let mut pause = POLL;
            let started = match self.claim_due(db, free).await {
                Ok((jobs, next)) => {
                    pause = pause_until(next, kernel::clock::micros(db.clock().now()));
                    self.start(db, &places, &mut running, jobs)
                }
                Err(error) => {
                    tracing::error!(error = %crate::fault::chain_of(&error), "cannot claim jobs");
                    0
                }
            };
            if started > 0 && places.available_permits() > 0 {
                continue;
            }
            tokio::select! {
                () = token.cancelled() => {}
                () = self.wait_for_jobs(&mut enqueued, seen) => tokio::time::sleep(GATHER).await,
                Some(_) = running.join_next() => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(pause) => {}
            }
        }
        let ending = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, ending).await.is_err() {
            tracing::warn!("jobs still running were left to their lease");
        }
    }

    /// How often jobs of the worker's kinds were left so far.
    fn rung(&self, enqueued: &mut watch::Receiver<Rung>) -> u64 {
        enqueued.borrow_and_update().times(self.handlers.keys())
    }

    async fn wait_for_jobs(&self, enqueued: &mut watch::Receiver<Rung>, seen: u64) {
        let is_ours = |rung: &Rung| rung.times(self.handlers.keys()) > seen;
        // It errs when the database is gone, which the poll after it finds.
        drop(enqueued.wait_for(is_ours).await);
    }

    fn start(
        &self,
        db: &Db,
        places: &Arc<Semaphore>,
        running: &mut JoinSet<()>,
        jobs: Vec<Job>,
    ) -> usize {
        let count = jobs.len();
        for job in jobs {
            let (worker, db, places) = (self.clone(), db.clone(), places.clone());
            // Claimed no more than there are places, so this does not fail.
            let place = places.try_acquire_owned();
            running.spawn(async move {
                if let Err(error) = worker.run_one(&db, job).await {
                    let error = crate::fault::chain_of(&error);
                    tracing::error!(error, "cannot note the end of a job; it will run again");
                }
                drop(place);
            });
        }
        count
    }

    /// Claims due jobs, the longest due first, and those whose lease has run out.
    pub async fn claim(&self, db: &Db, limit: usize) -> kernel::Result<Vec<Job>> {
        Ok(self.claim_due(db, limit).await?.0)
    }

    /// As [`Self::claim`]; and when the next job comes due, or came.
    async fn claim_due(&self, db: &Db, limit: usize) -> kernel::Result<(Vec<Job>, Option<i64>)> {
        if limit == 0 {
            return Ok((Vec::new(), None));
        }
        let next = self.next_due(db).await?;
        let now = kernel::clock::micros(db.clock().now());
        if next.is_none_or(|next| next > now) {
            return Ok((Vec::new(), next));
        }
        let kinds = self.kinds();
        let rows = db
            .claim(move |tx| {
                let kinds = kinds.clone();
                async move { claim_in(&tx, kinds, limit).await }
            })
            .await?;
        Ok((rows.into_iter().map(job_of).collect(), next))
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.handlers.keys().copied().collect()
    }

    /// When the first job of the worker's kinds comes due, or came.
    async fn next_due(&self, db: &Db) -> kernel::Result<Option<i64>> {
        let first = first_of(&self.kinds(), table::Column::DueAt, None, 1);
        let rows = db.read().query_all(&first).await;
        let rows = rows.map_err(|e| fault("look for jobs", e))?;
        let due = rows.iter().map(|row| row.try_get_by_index::<i64>(0));
        let due: Result<Vec<_>, _> = due.collect();
        let due = due.map_err(|e| fault("read when a job is due", e))?;
        Ok(due.into_iter().min())
    }

    /// Runs one claimed job and notes how it ended.
    pub async fn run_one(&self, db: &Db, job: Job) -> kernel::Result<()> {
        let started = time::Instant::now();
        let outcome = match self.handlers.get(job.kind.as_str()) {
            Some(_) if job.attempts >= GIVE_UP_AFTER => Err(JobFailure::Fail(Fault::new(
                "given up: the lease ran out too often",
            ))),
            Some(handler) => run_renewing(db, handler, &job).await,
            None => Err(JobFailure::Fail(Fault::new("no handler"))),
        };
        metrics::histogram!("store_job_seconds", "kind" => job.kind.clone())
            .record(started.elapsed());
        if let (Some(reason), Some(handler)) = (
            given_up(&job, &outcome),
            self.handlers.get(job.kind.as_str()),
        ) {
            // Before the job is over: who dies here says it with the next claim.
            handler.given_up(&job, reason).await?;
        }
        end(db, job, outcome).await
    }
}

/// Why a job is not tried again; nothing where it is, or succeeded.
fn given_up<'a>(job: &Job, outcome: &'a Result<(), JobFailure>) -> Option<&'a Fault> {
    match outcome {
        Err(JobFailure::Fail(reason)) => Some(reason),
        Err(JobFailure::Retry(reason)) if job.attempts + 1 >= GIVE_UP_AFTER => Some(reason),
        _ => None,
    }
}

/// Runs the handler, renewing the lease as long as it takes. A panic fails the job.
async fn run_renewing(db: &Db, handler: &Arc<dyn Handler>, job: &Job) -> Result<(), JobFailure> {
    let running = AssertUnwindSafe(handler.run(job)).catch_unwind();
    tokio::select! {
        outcome = running => {
            outcome.unwrap_or_else(|_| Err(JobFailure::Fail(Fault::new("the job panicked"))))
        }
        never = renewing(db, job) => match never {},
    }
}

/// Beside the handler and never instead of it: what the handler holds may be what this waits for.
async fn renewing(db: &Db, job: &Job) -> Infallible {
    let third = time::Duration::from_secs(LEASE.num_seconds().unsigned_abs() / 3);
    loop {
        tokio::time::sleep(third).await;
        if let Err(error) = renew(db, job).await {
            let error = crate::fault::chain_of(&error);
            tracing::warn!(job = job.id, error, "cannot renew a lease");
        }
    }
}

/// How long a worker that found nothing to do waits for the next job: one that was due and could
/// not be claimed is another's.
fn pause_until(next: Option<i64>, now: i64) -> time::Duration {
    let ahead = next.and_then(|next| u64::try_from(next.saturating_sub(now)).ok());
    let ahead = ahead.filter(|&ahead| ahead > 0);
    ahead.map_or(POLL, |ahead| time::Duration::from_micros(ahead).min(POLL))
}

/// Jobs, the longest due first.
fn longest_due(column: table::Column) -> SelectStatement {
    Query::select()
        .column(column)
        .from(table::Entity)
        .order_by(table::Column::DueAt, Order::Asc)
        .order_by(table::Column::Id, Order::Asc)
        .to_owned()
}

/// Of every kind those that are, or will be, due first, read in the order of the index `store_job_waiting`,
/// whose words the state is asked in: however many wait, only these are looked at.
fn first_of(
    kinds: &[&str],
    column: table::Column,
    until: Option<i64>,
    each: u64,
) -> SelectStatement {
    let of_kind = |kind: &str| {
        let of_kind = longest_due(column)
            .and_where(Expr::cust("state IN ('waiting', 'running')"))
            .and_where(Expr::col(table::Column::Kind).eq(kind))
            .and_where_option(until.map(|until| Expr::col(table::Column::DueAt).lte(until)))
            .limit(each)
            .to_owned();
        // SQLite limits parts of a union only where they are tables of their own.
        Query::select()
            .column(column)
            .from_subquery(of_kind, "of_kind")
            .to_owned()
    };
    let mut all = kinds.iter().map(|kind| of_kind(kind));
    let mut union = all.next().unwrap_or_else(|| of_kind(""));
    for more in all {
        union.union(UnionType::All, more);
    }
    union
}

/// Candidates for each job that is claimed: other servers may have locked the first ones.
const CANDIDATES: u64 = 4;

async fn claim_in(
    tx: &Tx,
    kinds: Vec<&'static str>,
    limit: usize,
) -> kernel::Result<Vec<table::Model>> {
    let now = tx.now();
    let (limit, due) = (limit as u64, kernel::clock::micros(now));
    let each = limit * CANDIDATES;
    let candidates = first_of(&kinds, table::Column::Id, Some(due), each);
    // Looked at again where another server held the row; in words that no index serves, for the
    // candidates are few.
    let due = longest_due(table::Column::Id)
        .and_where(Expr::col(table::Column::Id).in_subquery(candidates))
        .and_where(Expr::col(table::Column::State).ne("failed"))
        .and_where(Expr::col(table::Column::DueAt).add(0).lte(due))
        .limit(limit)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .to_owned();
    let until = kernel::clock::micros(now + LEASE);
    let mut rows = table::Entity::update_many()
        .col_expr(table::Column::State, "running".into())
        .col_expr(table::Column::Epoch, Expr::col(table::Column::Epoch).add(1))
        .col_expr(
            table::Column::Attempts,
            Expr::col(table::Column::Attempts).add(1),
        )
        .col_expr(table::Column::LeaseUntil, until.into())
        // A running job comes due again when its lease runs out.
        .col_expr(table::Column::DueAt, until.into())
        // From now on another with the key may be enqueued: this one may have read too early.
        .col_expr(
            table::Column::UniqueKey,
            Expr::value(Option::<String>::None),
        )
        .filter(table::Column::Id.in_subquery(due))
        .exec_with_returning(&**tx)
        .await
        .map_err(|e| fault("claim jobs", e))?;
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(rows)
}

fn job_of(row: table::Model) -> Job {
    // What is not JSON fails in the handler, where it is counted and kept like any failure.
    let payload = serde_json::from_str(&row.payload).unwrap_or_else(|_| row.payload.into());
    Job {
        id: row.id,
        kind: row.kind,
        payload,
        attempts: row.attempts - 1,
        epoch: row.epoch,
    }
}

async fn renew(db: &Db, job: &Job) -> kernel::Result<()> {
    let (id, epoch) = (job.id.clone(), job.epoch);
    db.write(move |tx| {
        let id = id.clone();
        async move {
            let until = kernel::clock::micros(tx.now() + LEASE);
            let change = table::ActiveModel {
                lease_until: Set(Some(until)),
                due_at: Set(until),
                ..Default::default()
            };
            update_if_held(&tx, id, epoch, change).await
        }
    })
    .await
}

/// Notes the end of a job, if its lease still stands.
async fn end(db: &Db, job: Job, outcome: Result<(), JobFailure>) -> kernel::Result<()> {
    let (word, reason) = match &outcome {
        Ok(()) => ("done", None),
        Err(JobFailure::Retry(fault)) => ("retry", Some(fault.chain())),
        Err(JobFailure::Fail(fault)) => ("failed", Some(fault.chain())),
    };
    metrics::counter!("store_jobs_total", "kind" => job.kind.clone(), "end" => word).increment(1);
    if let Some(reason) = &reason {
        tracing::warn!(
            job = job.id,
            kind = job.kind,
            attempts = job.attempts,
            error = reason,
            "a job failed"
        );
    }
    let is_over = given_up(&job, &outcome).is_some();
    let pause = pause_after(job.attempts);
    db.write_at(Isolation::ReadCommitted, move |tx| {
        let (id, epoch, reason) = (job.id.clone(), job.epoch, reason.clone());
        async move {
            let Some(reason) = reason else {
                return remove_if_held(&tx, id, epoch).await;
            };
            let state = if is_over { "failed" } else { "waiting" };
            let change = table::ActiveModel {
                state: Set(state.to_owned()),
                due_at: Set(kernel::clock::micros(tx.now() + pause)),
                lease_until: Set(None),
                last_error: Set(Some(reason)),
                ..Default::default()
            };
            update_if_held(&tx, id, epoch, change).await
        }
    })
    .await
}

/// Doubles with every try, and differs by up to a half so that jobs that failed together do not
/// come back together.
fn pause_after(attempts: i32) -> Duration {
    let pause = FIRST_PAUSE * (1 << attempts.clamp(0, 12));
    let pause = pause.min(LONGEST_PAUSE);
    let jitter = rand::random_range(0..=pause.num_milliseconds() / 2);
    pause + Duration::milliseconds(jitter)
}

async fn update_if_held(
    tx: &Tx,
    id: String,
    epoch: i64,
    change: table::ActiveModel,
) -> kernel::Result<()> {
    let updated = table::Entity::update_many()
        .set(change)
        .filter(table::Column::Id.eq(&id))
        .filter(table::Column::Epoch.eq(epoch))
        .exec(&**tx)
        .await
        .map_err(|e| fault("update a job", e))?;
    warn_if_lost(&id, updated.rows_affected);
    Ok(())
}

async fn remove_if_held(tx: &Tx, id: String, epoch: i64) -> kernel::Result<()> {
    let removed = table::Entity::delete_many()
        .filter(table::Column::Id.eq(&id))
        .filter(table::Column::Epoch.eq(epoch))
        .exec(&**tx)
        .await
        .map_err(|e| fault("complete a job", e))?;
    warn_if_lost(&id, removed.rows_affected);
    Ok(())
}

fn warn_if_lost(id: &str, rows: u64) {
    if rows == 0 {
        tracing::warn!(
            job = id,
            "a job ended after its lease; another worker has it"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_sleeps_until_the_next_job_comes_due_but_never_long() {
        let sleeps = |next| pause_until(next, 1_000_000);
        assert_eq!(sleeps(Some(1_250_000)), time::Duration::from_millis(250));
        assert_eq!(sleeps(Some(9_000_000)), POLL);
        assert_eq!(sleeps(None), POLL);
        // Due, and another worker's: asking again at once would find the same.
        assert_eq!(sleeps(Some(1_000_000)), POLL);
        assert_eq!(sleeps(Some(3)), POLL);
    }
}
