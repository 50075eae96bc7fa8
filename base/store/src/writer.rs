//! SQLite's one writer: group commit.
//!
//! One task owns the only writing connection. Writes that wait together share one
//! `BEGIN IMMEDIATE` transaction whose commit syncs once for all of them; callers are answered
//! after that commit. The first write of a group runs in the transaction itself, the others each
//! in a savepoint, so that a refusal undoes only its own rows.
//!
//! SQLite may end a whole transaction by itself when the disk is full or fails. The savepoint is
//! then gone too, so releasing it or rolling back to it fails: that is how the group notices. Then
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

/// The queue in front of the writing connection.
pub(crate) struct Writer {
    queue: mpsc::Sender<Box<dyn Request>>,
}

impl Writer {
    pub(crate) async fn start(url: &str, clock: Arc<dyn Clock>) -> Result<Self, Fault> {
        create_folder(url)?;
        let connection = connect(writing(url)).await?;
        let (queue, requests) = mpsc::channel(QUEUE_LENGTH);
        let task = Task {
            url: url.to_owned(),
            connection,
            requests,
            clock,
        };
        tokio::spawn(task.run());
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
            let left = tx.left();
            self.outcome = Some(outcome.map(|value| Written { value, left }));
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
        let started = Instant::now();
        let outer = match self.begin().await {
            Ok(transaction) => transaction,
            Err(e) => return Ending::Failed(e),
        };
        let Some(first) = group.first_mut() else {
            return Ending::Committed;
        };
        let Some(outer) = first.run(outer, &*self.clock).await else {
            return Ending::Leaked;
        };
        if !first.is_done() {
            return outer
                .rollback()
                .await
                .map_or_else(Ending::Failed, |()| Ending::Committed);
        }
        while group.len() < limit && started.elapsed() < GROUP_AGE {
            let Ok(mut next) = self.requests.try_recv() else {
                break;
            };
            let trouble = run_in_savepoint(&outer, &mut *next, &*self.clock).await;
            group.push(next);
            if let Some(trouble) = trouble {
                return trouble;
            }
        }
        outer
            .commit()
            .await
            .map_or_else(Ending::Failed, |()| Ending::Committed)
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
        .idle_timeout(None)
        .max_lifetime(None)
        .map_sqlx_sqlite_opts(|sqlite| tuned(sqlite).create_if_missing(true));
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
        // A mapped file would count as memory of the process, and a cache of 4 MB does as well.
        .pragma("cache_size", "-4096")
        // Copying the journal into the file is a sync of its own: every 16 MB, not every 4.
        .pragma("wal_autocheckpoint", "4000")
        .pragma("journal_size_limit", "67108864")
}
