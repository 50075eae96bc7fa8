//! The two doors to a database: [`Db::read`] and [`Db::write`].
//!
//! A write means the same on both engines, and goes on when its caller has gone away. On
//! `PostgreSQL` it is one serializable transaction, repeated when the server says so. On SQLite one task owns the only writing connection and runs
//! waiting writes one after another in one transaction (`writer.rs`).

use std::{
    collections::BTreeMap,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use kernel::{Clock, Fault};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr, TransactionTrait};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tracing::Instrument;

use crate::{
    Tx,
    fault::{fault, is_conflict, is_key_taken},
    recent::Recent,
    tx::{Left, Then},
    writer::{self, Writer},
};

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
    /// Connections kept for reading (SQLite), or for everything: half of them write (`PostgreSQL`).
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
    /// Where serializable writes run; `None` on SQLite.
    serial: Option<DatabaseConnection>,
    settings: Settings,
    engine: Engine,
    clock: Arc<dyn Clock>,
    /// `None` on `PostgreSQL`, where every write has its connection.
    writer: Option<Writer>,
    /// Turns of serializable writes on `PostgreSQL`: one for each that runs beside others, all of
    /// them for one that conflicted twice.
    turns: Semaphore,
    /// Rung after every write that left events or jobs which are due.
    changes: watch::Sender<u64>,
    /// Rung after every write that left jobs which are due.
    jobs: watch::Sender<Rung>,
    /// Rung after events got their positions.
    sealed: watch::Sender<u64>,
    /// What this process sealed last.
    recent: Recent,
}

/// How often jobs were left that are due, by kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rung {
    kinds: BTreeMap<&'static str, u64>,
    any: u64,
}

impl Rung {
    fn ring(&mut self, left: &Left) {
        for kind in &left.jobs {
            *self.kinds.entry(kind).or_default() += 1;
        }
        self.any += u64::from(left.any_job);
    }

    /// How often for these kinds; jobs of unknown kinds concern everybody.
    pub(crate) fn times<'a>(&self, kinds: impl Iterator<Item = &'a &'static str>) -> u64 {
        let times = kinds.filter_map(|kind| self.kinds.get(kind));
        times.sum::<u64>() + self.any
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

/// How long a `PostgreSQL` write is repeated before its caller is told to come back.
const CONFLICT_PATIENCE: Duration = Duration::from_secs(10);
/// How often a write goes looking for another connection after one broke; a server that is down
/// must not keep its callers waiting long.
const CONNECTION_ATTEMPTS: u32 = 3;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

tokio::task_local! {
    static WRITING: ();
}

impl Db {
    /// Opens the database, creating a SQLite file (and its folder) that is not there yet.
    pub async fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, Fault> {
        let engine = engine_of(&settings.url)?;
        let (writer, serial, reader) = match engine {
            Engine::Sqlite => {
                // The writer comes first: it creates the file and its journal.
                let writer = Writer::start(&settings.url, clock.clone()).await?;
                let reader = connect(writer::reading(&settings.url, settings.connections)).await?;
                (Some(writer), None, reader)
            }
            Engine::Postgres => {
                let readers = (settings.connections - turns(settings)).max(1);
                let reader = connect(postgres_options(settings, readers, &[])).await?;
                let serial = postgres_options(settings, turns(settings), &SERIAL);
                (None, Some(connect(serial).await?), reader)
            }
        };
        let (changes, _) = watch::channel(0);
        let (jobs, _) = watch::channel(Rung::default());
        let (sealed, _) = watch::channel(0);
        Ok(Self(Arc::new(Inner {
            reader,
            serial,
            settings: settings.clone(),
            engine,
            clock,
            writer,
            turns: Semaphore::new(turns(settings) as usize),
            changes,
            jobs,
            sealed,
            recent: Recent::default(),
        })))
    }

    pub fn engine(&self) -> Engine {
        self.0.engine
    }

    /// What it was opened with, password included.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    pub fn shared_clock(&self) -> Arc<dyn Clock> {
        self.0.clock.clone()
    }

    /// The connections for queries that change nothing; on SQLite they cannot.
    pub fn read(&self) -> &DatabaseConnection {
        &self.0.reader
    }

    /// A number that rises whenever a write left events or jobs which are due; workers wait on it
    /// instead of polling fast. Says nothing of other processes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// What rises whenever a write left jobs that are due.
    pub(crate) fn jobs(&self) -> watch::Receiver<Rung> {
        self.0.jobs.subscribe()
    }

    /// A number that rises whenever events got their positions.
    pub(crate) fn sealed(&self) -> watch::Receiver<u64> {
        self.0.sealed.subscribe()
    }

    pub(crate) fn ring_sealed(&self) {
        ring(&self.0.sealed);
    }

    pub(crate) fn recent(&self) -> &Recent {
        &self.0.recent
    }

    /// Runs `body` as one transaction and answers when its effect is durable.
    ///
    /// The body may run more than once and so contains database work only; it must not call
    /// `write` or `read` of the same database. Everything it queries goes through the [`Tx`].
    /// A statement that fails ends the transaction on `PostgreSQL`: a body that expects a row to
    /// be there already says so in the statement (`on_conflict`), not by looking at the error.
    pub async fn write<T, F, Fut>(&self, body: F) -> kernel::Result<T>
    where
        F: Fn(Tx) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = kernel::Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        self.write_at(Isolation::Serializable, body).await
    }

    /// As [`Db::write`], for a body that does nothing but take rows which nobody else holds
    /// (`SKIP LOCKED`): its row locks are enough, and a row that it skips must not be a conflict.
    pub async fn claim<T, F, Fut>(&self, body: F) -> kernel::Result<T>
    where
        F: Fn(Tx) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = kernel::Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        self.write_at(Isolation::ReadCommitted, body).await
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
        if is_writing() {
            // On SQLite it would wait for itself for ever.
            return Err(Fault::new("a write was begun inside a write").into());
        }
        let outcome = match &self.0.writer {
            Some(writer) => writer.write(body).await,
            None => self.write_apart(isolation, body).await,
        };
        outcome.map(|written| {
            written.then.into_iter().for_each(|then| then());
            let left = &written.left;
            let is_any_due = left.any_job || !left.jobs.is_empty();
            if left.events || is_any_due {
                ring(&self.0.changes);
            }
            if is_any_due {
                self.0.jobs.send_modify(|rung| rung.ring(left));
            }
            written.value
        })
    }

    /// Runs the write as a task of its own, so that it goes on whatever its caller does. One that
    /// is looked after only now and then would keep its turn meanwhile, and one that waits for its
    /// turn would keep all that come after it waiting.
    async fn write_apart<T, F, Fut>(
        &self,
        isolation: Isolation,
        body: F,
    ) -> kernel::Result<Written<T>>
    where
        F: Fn(Tx) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = kernel::Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        let db = self.clone();
        let writing = async move { db.write_repeating(isolation, body).await };
        let outcome = tokio::spawn(writing.in_current_span()).await;
        outcome.map_err(|e| Fault::caused_by("a write panicked", e))?
    }

    async fn write_repeating<T, F, Fut>(
        &self,
        isolation: Isolation,
        body: F,
    ) -> kernel::Result<Written<T>>
    where
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = kernel::Result<T>>,
    {
        let started = Instant::now();
        let (mut conflicts, mut breaks, mut unbegun) = (0_u32, 0, 0);
        loop {
            let turn = self.turn(isolation, conflicts > 1).await?;
            let fault = match self.write_once(isolation, &body).await {
                Ok(written) => return Ok(written),
                Err(End::Before(kernel::Error::Fault(fault))) => {
                    breaks += u32::from(fault.is_transient);
                    if fault.is_transient && breaks < CONNECTION_ATTEMPTS {
                        continue;
                    }
                    fault
                }
                // Each try takes a broken connection out of the pool, until a new one is made or
                // the server does not answer.
                Err(End::NotBegun(fault)) if fault.is_transient => {
                    unbegun += 1;
                    let is_over = unbegun > self.0.settings.connections
                        || started.elapsed() >= ACQUIRE_TIMEOUT;
                    if is_over {
                        return Err(fault.into());
                    }
                    continue;
                }
                Err(End::NotBegun(fault)) => return Err(fault.into()),
                Err(End::Before(error)) => return Err(error),
                // Unless it was a conflict, nobody knows whether it took effect, so it must not
                // run again.
                Err(End::AtCommit(fault)) => fault,
            };
            let may_see_now = conflicts == 0 && is_key_taken(&fault);
            if !is_conflict(&fault) && !may_see_now {
                return Err(fault.into());
            }
            if started.elapsed() > CONFLICT_PATIENCE {
                return Err(fault.transient().into());
            }
            drop(turn);
            conflicts += 1;
            if conflicts > 1 {
                // Alone it can only meet writes of other processes.
                let pause = rand::random_range(0..(2_u64 << conflicts.min(6)));
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
        }
    }

    /// Waits for the turn of a write.
    ///
    /// Conflicts grow with the square of what runs at once, and the server sees many that are
    /// none: it watches pages of indexes, and new identifiers all go to the last one. So only half
    /// of the connections write at once, and a write that conflicted twice runs again with no other
    /// of this process beside it, instead of losing again and again.
    async fn turn(
        &self,
        isolation: Isolation,
        is_alone: bool,
    ) -> kernel::Result<Option<SemaphorePermit<'_>>> {
        let number = match isolation {
            // Its row locks are enough.
            Isolation::ReadCommitted => return Ok(None),
            Isolation::Serializable if is_alone => turns(&self.0.settings),
            Isolation::Serializable => 1,
        };
        let turn = self.0.turns.acquire_many(number).await;
        Ok(Some(
            turn.map_err(|e| Fault::caused_by("wait to write", e))?,
        ))
    }

    async fn write_once<T, F, Fut>(&self, isolation: Isolation, body: &F) -> Result<Written<T>, End>
    where
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = kernel::Result<T>>,
    {
        let pool = match isolation {
            Isolation::Serializable => self.0.serial.as_ref().unwrap_or(&self.0.reader),
            Isolation::ReadCommitted => &self.0.reader,
        };
        let begun = pool.begin().await;
        let transaction = begun.map_err(|e| End::NotBegun(fault("begin", e)))?;
        let tx = Tx::new(transaction, Engine::Postgres, self.0.clock.now());
        let outcome = while_writing(body(tx.clone())).await;
        let outcome = tx.flush_after(outcome).await;
        let (left, then) = (tx.left(), tx.then());
        let transaction = tx
            .into_transaction()
            .map_err(|_| End::Before(outlived().into()))?;
        match outcome {
            Ok(value) => match transaction.commit().await {
                Ok(()) => Ok(Written { value, left, then }),
                Err(e) => Err(End::AtCommit(fault("commit", e))),
            },
            Err(error) => {
                // If it fails the connection is gone, and the server rolls back by itself.
                if let Err(e) = transaction.rollback().await {
                    tracing::warn!(error = %e, "rollback failed");
                }
                Err(End::Before(error))
            }
        }
    }
}

/// How many serializable writes run at once.
fn turns(settings: &Settings) -> u32 {
    (settings.connections / 2).max(1)
}

/// A value that is durable, and what came with it.
pub(crate) struct Written<T> {
    pub(crate) value: T,
    pub(crate) left: Left,
    pub(crate) then: Then,
}

/// How a transaction ended that did not take effect, or perhaps did.
enum End {
    NotBegun(Fault),
    /// Certainly nothing happened.
    Before(kernel::Error),
    AtCommit(Fault),
}

pub(crate) fn outlived() -> Fault {
    Fault::new("a transaction handle outlived its write")
}

fn ring(bell: &watch::Sender<u64>) {
    bell.send_modify(|n| *n = n.wrapping_add(1));
}

fn is_writing() -> bool {
    WRITING.try_with(|()| ()).is_ok()
}

/// Marks everything that runs inside a body, so that a nested write is refused.
pub(crate) fn while_writing<F: Future>(body: F) -> impl Future<Output = F::Output> {
    WRITING.scope((), body)
}

fn engine_of(url: &str) -> Result<Engine, Fault> {
    if url.starts_with("sqlite:") {
        if url.contains(":memory:") || url.contains("mode=memory") {
            let what = "a SQLite database in memory has one connection; name a file instead";
            return Err(Fault::new(what));
        }
        return Ok(Engine::Sqlite);
    }
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        return Ok(Engine::Postgres);
    }
    Err(Fault::new(
        "the database url begins with neither sqlite: nor postgres:",
    ))
}

/// How connections for serializable writes are set. A table that is read as a whole is watched as a
/// whole: whatever another write puts into it conflicts, and small tables are read as a whole where
/// nothing forbids it (manual, 13.2.3).
const SERIAL: [(&str, &str); 2] = [
    ("default_transaction_isolation", "serializable"),
    ("enable_seqscan", "off"),
];

fn postgres_options(
    settings: &Settings,
    connections: u32,
    set: &'static [(&str, &str)],
) -> ConnectOptions {
    let mut options = ConnectOptions::new(settings.url.clone());
    options
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A round trip before every query would be felt; a connection that broke while it was in
        // use is noticed by the query itself, and the write is repeated on another.
        .test_before_acquire_if_idle_for(Duration::from_secs(5))
        .map_sqlx_postgres_opts(move |postgres| {
            postgres
                .statement_cache_capacity(512)
                .options(set.iter().copied())
        })
        .sqlx_logging(false);
    options
}

pub(crate) async fn connect(options: ConnectOptions) -> Result<DatabaseConnection, Fault> {
    Database::connect(options)
        .await
        .map_err(|e: DbErr| fault("open the database", e))
}
