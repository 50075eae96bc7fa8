//! SQLite's one writer: group commit.
//!
//! One thread owns the only writing connection. Writes that wait together share one
//! `BEGIN IMMEDIATE` transaction whose commit syncs once for all of them; callers are answered
//! after that commit. Writes hardly ever refuse, so a group first runs without savepoints, which
//! would be a fifth of its statements. If one refuses, the transaction is rolled back and the
//! group runs again, each write in a savepoint, so that a refusal undoes only its own rows.
//!
//! SQLite may end a whole transaction by itself when the disk is full or fails. The savepoint is
//! then gone too, so releasing it or rolling back fails: that is how the group notices. Then
//! nothing of it is kept, and every write runs again on a new connection, alone.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, future::BoxFuture};
use kernel::{Clock, Fault};
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Engine, Tx,
    db::{Written, connect, outlived, while_writing},
};

/// Writes that share one commit at the most.
const GROUP_SIZE: usize = 128;
/// No write joins a group that is older, so that the first is not kept waiting by slow ones.
const GROUP_AGE: Duration = Duration::from_millis(25);
const QUEUE_LENGTH: usize = 1024;
/// Groups that run with savepoints from the beginning after one with a refusal.
const CAREFUL_GROUPS: u32 = 16;

/// The queue in front of the writing connection.
pub(crate) struct Writer {
    queue: mpsc::Sender<Box<dyn Request>>,
}

impl Writer {
    pub(crate) async fn start(url: &str, clock: Arc<dyn Clock>) -> Result<Self, Fault> {
        create_folder(url)?;
        let (queue, requests) = mpsc::channel(QUEUE_LENGTH);
        let (reply, opened) = oneshot::channel();
        let url = url.to_owned();
        on_own_thread(async move {
            let connection = match connect(writing(&url)).await {
                Ok(connection) => connection,
                Err(fault) => return drop(reply.send(Err(fault))),
            };
            let task = Task {
                url,
                connection,
                requests,
                clock,
                careful: 0,
            };
            if reply.send(Ok(())).is_ok() {
                task.run().await;
            }
        })?;
        let stopped = |e| Fault::caused_by("open the database for writing", e);
        opened.await.map_err(stopped)??;
        Ok(Self { queue })
    }

    pub(crate) async fn write<T, F, Fut>(&self, body: F) -> kernel::Result<Written<T>>
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
        let stopped = || Fault::new("the database writer has stopped").transient();
        self.queue
            .send(Box::new(request))
            .await
            .map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

/// Runs the writer on a thread of its own that stays on one processor.
///
/// The library runs every statement on a second thread, which inherits the processor of the thread
/// that opens the connection. Between two processors each statement would cost two wake-ups of
/// another processor, which on small virtual machines take longer than the statement; on one they
/// are two switches.
fn on_own_thread(future: impl Future<Output = ()> + Send + 'static) -> Result<(), Fault> {
    let runtime = tokio::runtime::Handle::current();
    let run = move || {
        if let Err(error) = stay_here() {
            tracing::warn!(%error, "the database writer may move between processors");
        }
        // The runtime's own waiting takes a lock besides; here every statement waits once.
        let _entered = runtime.enter();
        futures::executor::block_on(future);
    };
    std::thread::Builder::new()
        .name("database-writer".into())
        .spawn(run)
        .map_err(|e| Fault::caused_by("start the database writer", e))?;
    Ok(())
}

#[cfg(target_os = "linux")]
fn stay_here() -> std::io::Result<()> {
    use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};
    let mut here = CpuSet::new();
    here.set(sched_getcpu());
    Ok(sched_setaffinity(None, &here)?)
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "the other systems' may fail")]
fn stay_here() -> std::io::Result<()> {
    Ok(())
}

/// One waiting write of any type.
trait Request: Send {
    /// Runs the body and keeps its outcome. Gives the transaction back, unless the body left a
    /// handle to it behind.
    fn run(
        &mut self,
        transaction: DatabaseTransaction,
        clock: &dyn Clock,
    ) -> BoxFuture<'_, Option<DatabaseTransaction>>;
    /// Whether the body succeeded when it last ran.
    fn is_done(&self) -> bool;
    /// Answers the caller; `committed` says what became of the transaction.
    fn answer(self: Box<Self>, committed: Result<(), Arc<DbErr>>);
}

struct Pended<T, F> {
    body: F,
    outcome: Option<kernel::Result<Written<T>>>,
    reply: oneshot::Sender<kernel::Result<Written<T>>>,
}

impl<T, F, Fut> Request for Pended<T, F>
where
    F: Fn(Tx) -> Fut + Send + Sync,
    Fut: Future<Output = kernel::Result<T>> + Send,
    T: Send,
{
    fn run(
        &mut self,
        transaction: DatabaseTransaction,
        clock: &dyn Clock,
    ) -> BoxFuture<'_, Option<DatabaseTransaction>> {
        let tx = Tx::new(transaction, Engine::Sqlite, clock.now());
        async move {
            let body = while_writing(async { (self.body)(tx.clone()).await });
            let outcome = AssertUnwindSafe(body).catch_unwind().await;
            let outcome = outcome.unwrap_or_else(|_| Err(Fault::new("a write panicked").into()));
            let outcome = tx.flush_after(outcome).await;
            let (left, then) = (tx.left(), tx.then());
            self.outcome = Some(outcome.map(|value| Written { value, left, then }));
            match tx.into_transaction() {
                Ok(transaction) => Some(transaction),
                Err(tx) => {
                    self.outcome = Some(Err(outlived().into()));
                    shut(&tx).await;
                    None
                }
            }
        }
        .boxed()
    }

    fn is_done(&self) -> bool {
        matches!(self.outcome, Some(Ok(_)))
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

/// Makes a connection that a left-behind handle still reaches harmless.
async fn shut(tx: &Tx) {
    tracing::error!("a transaction handle outlived its write");
    for sql in ["ROLLBACK", "PRAGMA query_only = 1"] {
        if let Err(e) = tx.execute_unprepared(sql).await {
            tracing::warn!(error = %e, "could not shut a left-behind transaction");
        }
    }
}

struct Task {
    url: String,
    connection: DatabaseConnection,
    requests: mpsc::Receiver<Box<dyn Request>>,
    clock: Arc<dyn Clock>,
    /// Groups left to run with savepoints from the beginning.
    careful: u32,
}

/// How a group ended.
enum Ending {
    /// What succeeded is durable, what did not is undone.
    Committed,
    /// Nothing of it took effect.
    Failed(DbErr),
    /// Nothing of it took effect; the last write left a handle behind and must not run again.
    Leaked,
    /// Nothing of it took effect, because SQLite ended the transaction.
    Broken,
}

impl Task {
    async fn run(mut self) {
        while let Some(first) = self.requests.recv().await {
            let again = self.serve(vec![first], GROUP_SIZE).await;
            for request in again {
                self.serve(vec![request], 1).await;
            }
        }
    }

    /// Runs and answers a group; gives back the writes that have to run again alone.
    async fn serve(
        &mut self,
        mut group: Vec<Box<dyn Request>>,
        limit: usize,
    ) -> Vec<Box<dyn Request>> {
        let ending = self.run_group(&mut group, limit).await;
        if !matches!(ending, Ending::Committed) {
            self.reconnect().await;
        }
        metrics::counter!("store_writes_total").increment(group.len() as u64);
        metrics::counter!("store_commits_total").increment(1);
        let committed = match ending {
            Ending::Committed => Ok(()),
            Ending::Failed(e) => Err(Arc::new(e)),
            Ending::Broken => return group,
            Ending::Leaked => {
                if let Some(culprit) = group.pop() {
                    culprit.answer(Ok(()));
                }
                return group;
            }
        };
        for request in group {
            request.answer(committed.clone());
        }
        Vec::new()
    }

    /// Runs the group's first write, and whatever else is waiting, in one transaction.
    async fn run_group(&mut self, group: &mut Vec<Box<dyn Request>>, limit: usize) -> Ending {
        if self.careful > 0 && limit > 1 {
            self.careful -= 1;
            return self.run_carefully(group, limit).await;
        }
        let started = Instant::now();
        let mut transaction = match self.begin().await {
            Ok(transaction) => transaction,
            Err(e) => return Ending::Failed(e),
        };
        let mut ran = 0;
        while let Some(next) = self.next_of(group, ran, limit, started) {
            transaction = match next.run(transaction, &*self.clock).await {
                Some(transaction) => transaction,
                None => return Ending::Leaked,
            };
            if !next.is_done() {
                return self.after_refusal(transaction, group, limit).await;
            }
            ran += 1;
        }
        transaction
            .commit()
            .await
            .map_or_else(Ending::Failed, |()| Ending::Committed)
    }

    /// Undoes a group whose last write refused; what succeeded before it runs again.
    async fn after_refusal(
        &mut self,
        transaction: DatabaseTransaction,
        group: &mut Vec<Box<dyn Request>>,
        limit: usize,
    ) -> Ending {
        let undone = transaction.rollback().await;
        if group.len() == 1 {
            return undone.map_or_else(Ending::Failed, |()| Ending::Committed);
        }
        self.careful = CAREFUL_GROUPS;
        match undone {
            Ok(()) => self.run_carefully(group, limit).await,
            Err(_) => Ending::Broken,
        }
    }

    /// Runs the group, and whatever else is waiting, each write in a savepoint.
    async fn run_carefully(&mut self, group: &mut Vec<Box<dyn Request>>, limit: usize) -> Ending {
        let started = Instant::now();
        let outer = match self.begin().await {
            Ok(transaction) => transaction,
            Err(e) => return Ending::Failed(e),
        };
        let mut ran = 0;
        while let Some(next) = self.next_of(group, ran, limit, started) {
            if let Some(trouble) = run_in_savepoint(&outer, &mut **next, &*self.clock).await {
                // `serve` looks for a write that left a handle behind at the end.
                let last = group.len().saturating_sub(1);
                group.swap(ran, last);
                return trouble;
            }
            ran += 1;
        }
        outer
            .commit()
            .await
            .map_or_else(Ending::Failed, |()| Ending::Committed)
    }

    /// The group's write number `ran`, taken from the queue if the group has no more and is
    /// neither full nor old.
    fn next_of<'a>(
        &mut self,
        group: &'a mut Vec<Box<dyn Request>>,
        ran: usize,
        limit: usize,
        started: Instant,
    ) -> Option<&'a mut Box<dyn Request>> {
        if ran == group.len() && ran < limit && started.elapsed() < GROUP_AGE {
            group.push(self.requests.try_recv().ok()?);
        }
        group.get_mut(ran)
    }

    async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        self.connection.begin_with_options(options).await
    }

    /// A connection on which something failed is not trusted again: the library's count of open
    /// savepoints may be wrong.
    async fn reconnect(&mut self) {
        match connect(writing(&self.url)).await {
            Ok(connection) => self.connection = connection,
            Err(e) => tracing::error!(error = %e.chain(), "cannot open the database for writing"),
        }
    }
}

async fn run_in_savepoint(
    outer: &DatabaseTransaction,
    request: &mut dyn Request,
    clock: &dyn Clock,
) -> Option<Ending> {
    let Ok(savepoint) = outer.begin().await else {
        return Some(Ending::Broken);
    };
    let Some(savepoint) = request.run(savepoint, clock).await else {
        return Some(Ending::Leaked);
    };
    let ended = if request.is_done() {
        savepoint.commit().await
    } else {
        savepoint.rollback().await
    };
    ended.err().map(|_| Ending::Broken)
}

/// The folder of a SQLite file, if the url names one.
fn create_folder(url: &str) -> Result<(), Fault> {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let path = path.split('?').next().unwrap_or_default();
    match Path::new(path).parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::create_dir_all(folder)
            .map_err(|e| Fault::caused_by(format!("create {}", folder.display()), e)),
        _ => Ok(()),
    }
}

fn writing(url: &str) -> ConnectOptions {
    let mut options = common(url, 1);
    options
        // A pool that keeps connections open opens them on whatever thread is free.
        .min_connections(0)
        .idle_timeout(None)
        .max_lifetime(None)
        // All writes go through this one, and it reads what it changes: a page that it throws away
        // it soon fetches again.
        .map_sqlx_sqlite_opts(|sqlite| {
            tuned(sqlite)
                .create_if_missing(true)
                .pragma("cache_size", "-16384")
        });
    options
}

/// Options of the connections that read; the engine itself refuses their writes.
pub(crate) fn reading(url: &str, connections: u32) -> ConnectOptions {
    let mut options = common(url, connections);
    options.map_sqlx_sqlite_opts(|sqlite| tuned(sqlite).pragma("query_only", "1"));
    options
}

fn common(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url.to_owned());
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(false)
        .sqlx_logging(false);
    options
}

fn tuned(
    options: sea_orm::sqlx::sqlite::SqliteConnectOptions,
) -> sea_orm::sqlx::sqlite::SqliteConnectOptions {
    use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
    options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        .statement_cache_capacity(512)
        // A mapped file would count as memory of the process, and for reading a cache of 4 MB does
        // as well.
        .pragma("cache_size", "-4096")
        // Copying the journal into the file is a sync of its own: every 16 MB, not every 4.
        .pragma("wal_autocheckpoint", "4000")
        .pragma("journal_size_limit", "67108864")
}
