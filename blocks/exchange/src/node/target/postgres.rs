//! Targets in `PostgreSQL` by its own protocol: rows go in by `COPY`, which is many times as fast as
//! statements.

use std::sync::Arc;

use arrow::array::RecordBatch;
use kernel::Fault;
use sea_orm::sqlx::{
    self, AssertSqlSafe, Connection, Executor, PgConnection, postgres::PgConnectOptions,
};
use tokio::task::JoinHandle;

use super::{Dialect, MARKS, Order, PASSING, text::Column};
use crate::{
    data::chunk::{Kind, Mark},
    node::config::with_environment,
};

/// Bytes handed to the server at once.
const SEND_BYTES: usize = 1 << 18;
/// Rows on their way into the table.
const STAGED: &str = "tongban_staged";
/// Keys whose rows are to go.
const GONE: &str = "tongban_gone";

/// As [`super::apply`].
pub(super) async fn apply(order: &Arc<Order>, chunks: &[Mark]) -> Result<(), Fault> {
    let Some(mut load) = Load::begin(order.clone()).await? else {
        return Ok(());
    };
    let soon = |place: usize| {
        let order = order.clone();
        let mark = chunks.get(place)?.clone();
        // Made beside the writing of the one before.
        let make = move || Ready::make(&order, mark.kind, &order.read(place, &mark)?);
        Some(tokio::task::spawn_blocking(make))
    };
    let mut next = soon(0);
    let mut place = 0;
    while let Some(made) = next {
        let ready = done(made).await?;
        place += 1;
        next = soon(place);
        load.take(ready).await?;
    }
    load.finish().await
}

async fn done(made: JoinHandle<Result<Ready, Fault>>) -> Result<Ready, Fault> {
    made.await
        .map_err(|e| Fault::caused_by("read a chunk", e).transient())?
}

/// Two nodes may create one table at the same moment, and the server then refuses one of them,
/// whatever `IF NOT EXISTS` says. The second time the table is there.
async fn create(connection: &mut PgConnection, sql: &str) -> Result<(), Fault> {
    if run(connection, sql).await.is_ok() {
        return Ok(());
    }
    run(connection, sql).await
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<(), Fault> {
    let done = connection.execute(AssertSqlSafe(sql.to_owned())).await;
    done.map(drop)
        .map_err(|e| refused("write to the target", e))
}

/// Rows of a chunk in the format of `COPY`.
pub struct Ready {
    kind: Kind,
    names: String,
    text: Vec<u8>,
}

impl Ready {
    pub fn make(order: &Order, kind: Kind, batches: &[RecordBatch]) -> Result<Self, Fault> {
        let mut text = Vec::new();
        for batch in batches {
            let batch = order.translate(batch)?;
            text.reserve(batch.get_array_memory_size());
            let columns: Vec<Column<'_>> = batch
                .columns()
                .iter()
                .map(Column::of)
                .collect::<Result<_, _>>()?;
            for row in 0..batch.num_rows() {
                for (place, column) in columns.iter().enumerate() {
                    if place > 0 {
                        text.push(b'\t');
                    }
                    column.write(row, &mut text);
                }
                text.push(b'\n');
            }
        }
        Ok(Self {
            kind,
            names: order.names(kind),
            text,
        })
    }
}

/// Where rows of a full delivery go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Each chunk changes the rows with its keys.
    Change,
    /// The table was empty.
    Fill,
    /// All rows beside the table, and at the end what differs into it: rows that stay as they are
    /// are not written again, nobody sees the table empty, and no lock is held before.
    Replace,
}

/// A delivery on its way into the table, in a transaction. Dropped before its end, it never was.
pub struct Load {
    connection: PgConnection,
    order: Arc<Order>,
    way: Way,
}

impl Load {
    /// Opens the target; none where it has the delivery.
    pub async fn begin(order: Arc<Order>) -> Result<Option<Self>, Fault> {
        let url = with_environment(&order.target.connection)?;
        let options: PgConnectOptions = url
            .parse()
            .map_err(|e| Fault::caused_by("read the address of the target", e))?;
        let connection = PgConnection::connect_with(&options).await;
        let mut connection = connection.map_err(|e| refused("open the target", e))?;
        for sql in order.tables(Dialect::Standard) {
            create(&mut connection, &sql).await?;
        }
        run(&mut connection, "BEGIN").await?;
        let mut load = Self {
            connection,
            order,
            way: Way::Change,
        };
        if load.has_it().await? {
            return Ok(None);
        }
        load.prepare().await?;
        Ok(Some(load))
    }

    async fn prepare(&mut self) -> Result<(), Fault> {
        if self.order.is_full() {
            let is_filled = self.is_filled().await?;
            self.way = if is_filled { Way::Replace } else { Way::Fill };
        }
        if self.way != Way::Fill {
            self.stage(STAGED, Kind::Rows).await?;
        }
        self.stage(GONE, Kind::Deletes).await
    }

    /// An empty table with columns of the target, gone at the end of the transaction.
    async fn stage(&mut self, name: &str, kind: Kind) -> Result<(), Fault> {
        let (table, columns) = (&self.order.target.table, self.order.names(kind));
        let sql = format!(
            "CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA"
        );
        run(&mut self.connection, &sql).await
    }

    /// Takes the next chunk.
    pub async fn take(&mut self, ready: Ready) -> Result<(), Fault> {
        let order = self.order.clone();
        let table = &order.target.table;
        match (ready.kind, self.way) {
            (Kind::Rows, Way::Fill) => self.copy(table, &ready).await,
            (Kind::Rows, Way::Replace) => self.copy(STAGED, &ready).await,
            (Kind::Rows, Way::Change) => self.change(&ready).await,
            (Kind::Deletes, Way::Replace) => self.remove(STAGED, &ready).await,
            (Kind::Deletes, _) => self.remove(table, &ready).await,
        }
    }

    /// All chunks are taken: the delivery counts.
    pub async fn finish(mut self) -> Result<(), Fault> {
        if self.way == Way::Replace {
            self.replace().await?;
        }
        self.mark().await?;
        let done = self.connection.execute("COMMIT").await;
        done.map(drop)
            .map_err(|e| refused("commit at the target", e))
    }

    async fn change(&mut self, ready: &Ready) -> Result<(), Fault> {
        self.copy(STAGED, ready).await?;
        run(&mut self.connection, &format!("ANALYZE {STAGED}")).await?;
        self.put().await?;
        run(&mut self.connection, &format!("TRUNCATE {STAGED}")).await
    }

    async fn remove(&mut self, from: &str, ready: &Ready) -> Result<(), Fault> {
        self.copy(GONE, ready).await?;
        self.delete_same(from, GONE).await?;
        run(&mut self.connection, &format!("TRUNCATE {GONE}")).await
    }

    async fn delete_same(&mut self, from: &str, keys: &str) -> Result<(), Fault> {
        // How many there are decides whether the whole table is read for them.
        run(&mut self.connection, &format!("ANALYZE {keys}")).await?;
        let same = self.order.same_key();
        let sql = format!("DELETE FROM {from} t USING {keys} s WHERE {same}");
        run(&mut self.connection, &sql).await
    }

    /// What is not staged goes, then the rest is put.
    async fn replace(&mut self) -> Result<(), Fault> {
        run(&mut self.connection, &format!("ANALYZE {STAGED}")).await?;
        let (table, same) = (&self.order.target.table, self.order.same_key());
        let gone = format!(
            "DELETE FROM {table} t WHERE NOT EXISTS (SELECT 1 FROM {STAGED} s WHERE {same})"
        );
        run(&mut self.connection, &gone).await?;
        self.put().await
    }

    /// Staged rows into the table. Of those that are there only the named columns change, and only
    /// where they differ: the table may have more, and other tables may point to it. Values are
    /// compared byte by byte, which every type bears.
    async fn put(&mut self) -> Result<(), Fault> {
        let (table, names) = (&self.order.target.table, self.order.names(Kind::Rows));
        let same = self.order.same_key();
        let others = self.order.others();
        if !others.is_empty() {
            let all = |one: &dyn Fn(&str) -> String| {
                let all = others.iter().map(|name| one(self.order.name(name)));
                all.collect::<Vec<_>>().join(", ")
            };
            let changes = all(&|name| format!("{name} = s.{name}"));
            let (old, new) = (
                all(&|name| format!("t.{name}")),
                all(&|name| format!("s.{name}")),
            );
            let change = format!(
                "UPDATE {table} t SET {changes} FROM {STAGED} s \
                 WHERE {same} AND NOT (ROW({new})::record *= ROW({old})::record)"
            );
            run(&mut self.connection, &change).await?;
        }
        let come = format!(
            "INSERT INTO {table} ({names}) SELECT {names} FROM {STAGED} s WHERE NOT EXISTS \
             (SELECT 1 FROM {table} t WHERE {same})"
        );
        run(&mut self.connection, &come).await
    }

    async fn copy(&mut self, table: &str, ready: &Ready) -> Result<(), Fault> {
        let failed = |e| refused("copy into the target", e);
        let sql = format!("COPY {table} ({}) FROM STDIN", ready.names);
        let mut copy = self.connection.copy_in_raw(&sql).await.map_err(failed)?;
        for some in ready.text.chunks(SEND_BYTES) {
            copy.send(some).await.map_err(failed)?;
        }
        copy.finish().await.map(drop).map_err(failed)
    }

    async fn is_filled(&mut self) -> Result<bool, Fault> {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {})", self.order.target.table);
        sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut self.connection)
            .await
            .map_err(|e| refused("ask the target", e))
    }

    async fn has_it(&mut self) -> Result<bool, Fault> {
        let sql = format!("SELECT applied_sequence FROM {MARKS} WHERE subscription = $1");
        let found: Option<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(&self.order.subscription)
            .fetch_optional(&mut self.connection)
            .await
            .map_err(|e| refused("ask the target", e))?;
        Ok(found.is_some_and(|sequence| sequence >= self.order.sequence))
    }

    async fn mark(&mut self) -> Result<(), Fault> {
        let order = &self.order;
        let sql = format!(
            "INSERT INTO {MARKS} (subscription, batch, applied_sequence) VALUES ($1, $2, $3) \
             ON CONFLICT (subscription) DO UPDATE SET batch = excluded.batch, \
             applied_sequence = excluded.applied_sequence"
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(&order.subscription)
            .bind(&order.batch)
            .bind(order.sequence)
            .execute(&mut self.connection)
            .await
            .map(drop)
            .map_err(|e| refused("mark the target", e))
    }
}

/// What the server said no to. Connections that broke, locks and full disks may go by themselves.
fn refused(what: &str, error: sqlx::Error) -> Fault {
    let is_passing = match &error {
        sqlx::Error::Database(said) => said
            .code()
            .is_some_and(|code| PASSING.iter().any(|class| code.starts_with(class))),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
        _ => false,
    };
    let fault = Fault::caused_by(what.to_owned(), error);
    if is_passing { fault.transient() } else { fault }
}
