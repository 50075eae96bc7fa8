//! The two doors to a database: [`Db::read`] and [`Db::write`].
//!
//! A write means the same on both engines. On `PostgreSQL` it is one serializable transaction,
//! repeated when the server says so. On SQLite one task owns the only writing connection and runs
//! waiting writes one after another, each in a savepoint, inside one `BEGIN IMMEDIATE`
//! transaction whose commit syncs once for all of them (group commit); callers are answered after
//! that commit.

use std::{future::Future, ops::Deref, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures::{FutureExt, future::BoxFuture};
use kernel::{Clock, Fault};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DatabaseTransaction, DbErr, IsolationLevel,
    RuntimeErr, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use tokio::sync::{mpsc, oneshot};

use crate::{EventBody, JobBody, event, job};

/// Which database answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// Where the data is and how many connections may be open.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `sqlite://path/to/file.db` or `postgres://user:password@host/name`.
    pub url: String,
    /// Connections kept for reading (SQLite) or for everything (`PostgreSQL`).
    pub connections: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: "sqlite://data/tongban.db".into(),
            connections: 8,
        }
    }
}

/// A database. Cheap to clone.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    reader: DatabaseConnection,
    engine: Engine,
    clock: Arc<dyn Clock>,
    /// The SQLite writer's queue; `None` on `PostgreSQL`, where every write has its connection.
    writer: Option<mpsc::Sender<Box<dyn Request>>>,
    /// Rung after every write that left events or jobs.
    wake: tokio::sync::watch::Sender<u64>,
}

/// One write under way. Dereferences to the connection; remembers events and jobs until the end.
#[derive(Clone)]
pub struct Tx(Arc<TxInner>);

struct TxInner {
    transaction: DatabaseTransaction,
    engine: Engine,
    now: DateTime<Utc>,
    pending: std::sync::Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    events: Vec<event::NewEvent>,
    jobs: Vec<job::NewJob>,
}

impl Deref for Tx {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.0.transaction
    }
}

/// What a `PostgreSQL` write may see of others that run beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Isolation {
    /// Nothing: as if they had run one after another.
    Serializable,
    /// What they commit; for writes that take their own lock first.
    ReadCommitted,
}

impl Isolation {
    fn level(self) -> IsolationLevel {
        match self {
            Self::Serializable => IsolationLevel::Serializable,
            Self::ReadCommitted => IsolationLevel::ReadCommitted,
        }
    }
}

/// How often a `PostgreSQL` write is repeated before its caller is told to come back.
const SERIALIZABLE_ATTEMPTS: u32 = 12;
/// Writes that share one SQLite commit at the most; bounds how long the first one waits.
const GROUP_SIZE: usize = 128;
const QUEUE_LENGTH: usize = 1024;

impl Db {
    /// Opens the database, creating a SQLite file (and its folder) that is not there yet.
    pub async fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, Fault> {
        let (wake, _) = tokio::sync::watch::channel(0);
        if settings.url.starts_with("sqlite:") {
            let reader = connect(sqlite_options(&settings.url, settings.connections)).await?;
            let writing = connect(sqlite_options(&settings.url, 1)).await?;
            let (queue, requests) = mpsc::channel(QUEUE_LENGTH);
            tokio::spawn(run_writer(writing, requests, clock.clone()));
            return Ok(Self(Arc::new(Inner {
                reader,
                engine: Engine::Sqlite,
                clock,
                writer: Some(queue),
                wake,
            })));
        }
        let mut options = ConnectOptions::new(settings.url.clone());
        options
            .max_connections(settings.connections)
            .acquire_timeout(Duration::from_secs(5))
            .sqlx_logging(false);
        let reader = connect(options).await?;
        Ok(Self(Arc::new(Inner {
            reader,
            engine: Engine::Postgres,
            clock,
            writer: None,
            wake,
        })))
    }

    pub fn engine(&self) -> Engine {
        self.0.engine
    }

    pub fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    pub fn shared_clock(&self) -> Arc<dyn Clock> {
        self.0.clock.clone()
    }

    /// The connection pool for queries that change nothing.
    pub fn read(&self) -> &DatabaseConnection {
        &self.0.reader
    }

    /// Changes number that rises whenever a write left events or jobs; workers wait on it instead
    /// of polling fast.
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.0.wake.subscribe()
    }

    /// Runs `body` as one transaction and answers when its effect is durable.
    ///
    /// The body may run more than once and so contains database work only; it must not call
    /// `write` or `read` of the same database. Everything it queries goes through the [`Tx`].
    pub async fn write<T, F, Fut>(&self, body: F) -> kernel::Result<T>
    where
        F: Fn(Tx) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = kernel::Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        self.write_at(Isolation::Serializable, body).await
    }

    /// As [`Db::write`], at a level that matters on `PostgreSQL` only: SQLite has one writer.
    pub(crate) async fn write_at<T, F, Fut>(
        &self,
        isolation: Isolation,
        body: F,
    ) -> kernel::Result<T>
    where
        F: Fn(Tx) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = kernel::Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        let result = match &self.0.writer {
            Some(queue) => write_in_group(queue, body).await,
            None => self.write_repeating(isolation, body).await,
        };
        if result.is_ok() {
            self.0.wake.send_modify(|n| *n = n.wrapping_add(1));
        }
        result
    }

    async fn write_repeating<T, F, Fut>(&self, isolation: Isolation, body: F) -> kernel::Result<T>
    where
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = kernel::Result<T>>,
    {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let outcome = self.write_once(isolation, &body).await;
            match outcome {
                Err(kernel::Error::Fault(fault))
                    if is_conflict(&fault) && attempt < SERIALIZABLE_ATTEMPTS =>
                {
                    let pause = rand::random_range(0..(2_u64 << attempt.min(7)));
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
                other => return other,
            }
        }
    }

    async fn write_once<T, F, Fut>(&self, isolation: Isolation, body: &F) -> kernel::Result<T>
    where
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = kernel::Result<T>>,
    {
        let transaction = self
            .0
            .reader
            .begin_with_config(Some(isolation.level()), None)
            .await
            .map_err(|e| fault("begin", e))?;
        let tx = Tx::new(transaction, Engine::Postgres, self.0.clock.now());
        let outcome = body(tx.clone()).await;
        tx.end(outcome).await
    }
}

impl Tx {
    fn new(transaction: DatabaseTransaction, engine: Engine, now: DateTime<Utc>) -> Self {
        Self(Arc::new(TxInner {
            transaction,
            engine,
            now,
            pending: std::sync::Mutex::default(),
        }))
    }

    /// The moment of this write; the same for everything in it.
    pub fn now(&self) -> DateTime<Utc> {
        self.0.now
    }

    pub fn engine(&self) -> Engine {
        self.0.engine
    }

    /// Appends an event in this transaction. `subject` is what it happened to (`case:0192…`),
    /// `actor` who did it (`user:0192…`, `system`).
    pub fn emit<B: EventBody>(
        &self,
        subject: impl ToString,
        actor: impl ToString,
        body: &B,
    ) -> kernel::Result<()> {
        let event = event::NewEvent::of(self.0.now, subject.to_string(), actor.to_string(), body)?;
        self.pending().events.push(event);
        Ok(())
    }

    /// Enqueues a job in this transaction, due now.
    pub fn enqueue<B: JobBody>(&self, body: &B) -> kernel::Result<()> {
        self.enqueue_at(self.0.now, body)
    }

    /// Enqueues a job in this transaction, due at the given time.
    pub fn enqueue_at<B: JobBody>(&self, due: DateTime<Utc>, body: &B) -> kernel::Result<()> {
        let job = job::NewJob::of(due, body)?;
        self.pending().jobs.push(job);
        Ok(())
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.0
            .pending
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Writes the remembered events and jobs, then commits; rolls back if the body refused.
    async fn end<T>(self, outcome: kernel::Result<T>) -> kernel::Result<T> {
        let flushed = match &outcome {
            Ok(_) => self.flush().await,
            Err(_) => Ok(()),
        };
        let inner = Arc::try_unwrap(self.0)
            .map_err(|_| Fault::new("a transaction handle outlived its write"))?;
        match (outcome, flushed) {
            (Ok(value), Ok(())) => {
                inner
                    .transaction
                    .commit()
                    .await
                    .map_err(|e| fault("commit", e))?;
                Ok(value)
            }
            (Ok(_), Err(error)) | (Err(error), _) => {
                // A rollback that fails leaves nothing behind either: the connection is closed.
                if let Err(e) = inner.transaction.rollback().await {
                    tracing::warn!(error = %e, "rollback failed");
                }
                Err(error)
            }
        }
    }

    async fn flush(&self) -> kernel::Result<()> {
        let pending = std::mem::take(&mut *self.pending());
        event::insert(self, pending.events).await?;
        job::insert(self, pending.jobs).await?;
        Ok(())
    }
}

/// One waiting write of any type.
trait Request: Send {
    /// Runs the body in a savepoint of `outer`.
    fn run<'a>(
        &'a mut self,
        outer: &'a DatabaseTransaction,
        now: DateTime<Utc>,
    ) -> BoxFuture<'a, ()>;
    /// Answers the caller, after the group's commit.
    fn answer(self: Box<Self>, committed: Result<(), Arc<DbErr>>);
}

struct Pended<T, F> {
    body: F,
    outcome: Option<kernel::Result<T>>,
    reply: oneshot::Sender<kernel::Result<T>>,
}

impl<T, F, Fut> Request for Pended<T, F>
where
    F: Fn(Tx) -> Fut + Send + Sync,
    Fut: Future<Output = kernel::Result<T>> + Send,
    T: Send,
{
    fn run<'a>(
        &'a mut self,
        outer: &'a DatabaseTransaction,
        now: DateTime<Utc>,
    ) -> BoxFuture<'a, ()> {
        async move {
            let run = async {
                let savepoint = outer.begin().await.map_err(|e| fault("savepoint", e))?;
                let tx = Tx::new(savepoint, Engine::Sqlite, now);
                let outcome = (self.body)(tx.clone()).await;
                tx.end(outcome).await
            };
            let outcome = AssertUnwindSafe(run).catch_unwind().await;
            self.outcome =
                Some(outcome.unwrap_or_else(|_| Err(Fault::new("a write panicked").into())));
        }
        .boxed()
    }

    fn answer(self: Box<Self>, committed: Result<(), Arc<DbErr>>) {
        let outcome = match (committed, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            // What a body refused is an answer even if the others' commit failed.
            (Err(_), Some(Err(refusal))) => Err(refusal),
            (Err(e), _) => Err(Fault::caused_by("commit", e).transient().into()),
            (Ok(()), None) => Err(Fault::new("a write did not run").into()),
        };
        // The caller may have gone away; the write stands all the same.
        drop(self.reply.send(outcome));
    }
}

async fn write_in_group<T, F, Fut>(
    queue: &mpsc::Sender<Box<dyn Request>>,
    body: F,
) -> kernel::Result<T>
where
    F: Fn(Tx) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = kernel::Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let request = Pended {
        body,
        outcome: None,
        reply,
    };
    queue
        .send(Box::new(request))
        .await
        .map_err(|_| Fault::new("the database writer has stopped"))?;
    answer
        .await
        .map_err(|_| Fault::new("the database writer has stopped"))?
}

async fn run_writer(
    connection: DatabaseConnection,
    mut requests: mpsc::Receiver<Box<dyn Request>>,
    clock: Arc<dyn Clock>,
) {
    while let Some(first) = requests.recv().await {
        let mut group = vec![first];
        let committed = run_group(&connection, &mut group, &mut requests, &*clock).await;
        let committed = committed.map_err(Arc::new);
        for request in group {
            request.answer(committed.clone());
        }
    }
}

/// Runs the group and whatever else is waiting in one transaction.
async fn run_group(
    connection: &DatabaseConnection,
    group: &mut Vec<Box<dyn Request>>,
    requests: &mut mpsc::Receiver<Box<dyn Request>>,
    clock: &dyn Clock,
) -> Result<(), DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let outer = connection.begin_with_options(options).await?;
    let mut done = 0;
    loop {
        while let Some(request) = group.get_mut(done) {
            request.run(&outer, clock.now()).await;
            done += 1;
        }
        match requests.try_recv() {
            Ok(next) if group.len() < GROUP_SIZE => group.push(next),
            Ok(next) => {
                group.push(next);
                if let Some(last) = group.last_mut() {
                    last.run(&outer, clock.now()).await;
                }
                break;
            }
            Err(_) => break,
        }
    }
    outer.commit().await
}

fn sqlite_options(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url.to_owned());
    options
        .max_connections(connections)
        .min_connections(1)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| {
            use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
            sqlite
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(Duration::from_secs(10))
                .pragma("mmap_size", "268435456")
        });
    options
}

async fn connect(options: ConnectOptions) -> Result<DatabaseConnection, Fault> {
    Database::connect(options)
        .await
        .map_err(|e| fault("open the database", e))
}

/// Wraps a database error; one that means "out of reach" is marked transient, and becomes a 503.
pub fn fault(what: &str, error: DbErr) -> Fault {
    let is_transient = matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_))
        || matches!(&error, DbErr::Exec(RuntimeErr::SqlxError(e)) | DbErr::Query(RuntimeErr::SqlxError(e)) if is_lost(e));
    let fault = Fault::caused_by(what, error);
    if is_transient {
        fault.transient()
    } else {
        fault
    }
}

fn is_lost(error: &sea_orm::SqlxError) -> bool {
    use sea_orm::SqlxError;
    matches!(
        error,
        SqlxError::Io(_)
            | SqlxError::PoolTimedOut
            | SqlxError::PoolClosed
            | SqlxError::WorkerCrashed
    )
}

/// `PostgreSQL` asks to run the transaction again: serialization failure or deadlock.
fn is_conflict(fault: &Fault) -> bool {
    let mut source = std::error::Error::source(fault);
    while let Some(error) = source {
        if let Some(
            DbErr::Exec(RuntimeErr::SqlxError(e)) | DbErr::Query(RuntimeErr::SqlxError(e)),
        ) = error.downcast_ref::<DbErr>()
        {
            let code = e.as_database_error().and_then(|e| e.code());
            return matches!(code.as_deref(), Some("40001" | "40P01"));
        }
        source = error.source();
    }
    false
}
