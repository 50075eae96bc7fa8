//! Targets in `PostgreSQL` by its own protocol: rows go in by `COPY`, which is many times as fast as
//! statements. `PostgreSQL` documentation, *SQL Commands: COPY*, text format.

use std::{io::Write, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
    },
};
use kernel::Fault;
use sea_orm::sqlx::{
    self, AssertSqlSafe, Connection, Executor, PgConnection, postgres::PgConnectOptions,
};

use tokio::task::JoinHandle;

use super::{Dialect, MARKS, Order, PASSING};
use crate::{data::chunk::Kind, node::config::with_environment};

/// Bytes handed to the server at once.
const SEND_BYTES: usize = 1 << 18;
/// Rows of a change on their way into the table.
const STAGED: &str = "tongban_staged";
/// Keys whose rows are to go.
const GONE: &str = "tongban_gone";

/// As [`super::apply`].
pub(super) async fn apply(order: &Arc<Order>) -> Result<(), Fault> {
    let url = with_environment(&order.target.connection)?;
    let options: PgConnectOptions = url
        .parse()
        .map_err(|e| Fault::caused_by("read the address of the target", e))?;
    let connection = PgConnection::connect_with(&options).await;
    let mut connection = connection.map_err(|e| refused("open the target", e))?;
    for sql in order.tables(Dialect::Standard) {
        create(&mut connection, &sql).await?;
    }
    let begun = connection.begin().await;
    let mut transaction = begun.map_err(|e| refused("begin at the target", e))?;
    // Dropped without a commit, it is rolled back.
    let mut table = Table {
        connection: &mut transaction,
        order,
    };
    table.apply().await?;
    let done = transaction.commit().await;
    done.map_err(|e| refused("commit at the target", e))
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

/// A chunk in the format of `COPY`.
struct Ready {
    kind: Kind,
    is_change: bool,
    names: String,
    text: Vec<u8>,
}

impl Ready {
    /// Makes it beside the writing of the one before.
    fn soon(order: &Arc<Order>, place: usize) -> JoinHandle<Result<Self, Fault>> {
        let order = order.clone();
        tokio::task::spawn_blocking(move || Self::make(&order, place))
    }

    async fn of(made: JoinHandle<Result<Self, Fault>>) -> Result<Self, Fault> {
        made.await
            .map_err(|e| Fault::caused_by("read a chunk", e).transient())?
    }

    fn make(order: &Order, place: usize) -> Result<Self, Fault> {
        let piece = order.piece(place)?;
        let mut text = Vec::new();
        for batch in &piece.batches {
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
            kind: piece.kind,
            is_change: piece.is_change,
            names: names(order, &piece.schema),
            text,
        })
    }
}

/// The columns as the table calls them.
fn names(order: &Order, schema: &arrow::datatypes::Schema) -> String {
    let names = schema.fields().iter().map(|f| order.name(f.name()));
    names.collect::<Vec<_>>().join(", ")
}

struct Table<'a> {
    connection: &'a mut PgConnection,
    order: &'a Arc<Order>,
}

impl Table<'_> {
    async fn apply(&mut self) -> Result<(), Fault> {
        if self.has_it().await? {
            return Ok(());
        }
        let order = self.order;
        if order.is_full() {
            run(
                self.connection,
                &format!("DELETE FROM {}", order.target.table),
            )
            .await?;
        } else {
            self.stage(STAGED, &names(order, &order.shape.schema()))
                .await?;
            self.stage(GONE, &names(order, &order.shape.key_schema()))
                .await?;
        }
        let count = order.note.chunks.len();
        let mut next = (count > 0).then(|| Ready::soon(order, 0));
        for place in 1..=count {
            let Some(piece) = next else { break };
            let piece = Ready::of(piece).await?;
            next = (place < count).then(|| Ready::soon(order, place));
            match piece.kind {
                Kind::Rows if piece.is_change => self.change(&piece).await?,
                Kind::Rows => self.copy(&order.target.table, &piece).await?,
                Kind::Deletes => self.remove(&piece).await?,
            }
        }
        self.mark().await
    }

    /// An empty table with these columns of the target, gone at the end of the transaction.
    async fn stage(&mut self, name: &str, columns: &str) -> Result<(), Fault> {
        let table = &self.order.target.table;
        let sql = format!(
            "CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA"
        );
        run(self.connection, &sql).await
    }

    /// Rows take the place of those with their keys.
    async fn change(&mut self, piece: &Ready) -> Result<(), Fault> {
        self.copy(STAGED, piece).await?;
        self.delete_staged(STAGED).await?;
        let (table, names) = (&self.order.target.table, &piece.names);
        let sql = format!("INSERT INTO {table} ({names}) SELECT {names} FROM {STAGED}");
        run(self.connection, &sql).await?;
        run(self.connection, &format!("TRUNCATE {STAGED}")).await
    }

    async fn remove(&mut self, piece: &Ready) -> Result<(), Fault> {
        self.copy(GONE, piece).await?;
        self.delete_staged(GONE).await?;
        run(self.connection, &format!("TRUNCATE {GONE}")).await
    }

    async fn delete_staged(&mut self, staged: &str) -> Result<(), Fault> {
        let order = self.order;
        let same = order.shape.key.iter().map(|name| {
            let name = order.name(name);
            format!("t.{name} = s.{name}")
        });
        let same = same.collect::<Vec<_>>().join(" AND ");
        let table = &order.target.table;
        // How many there are decides whether the whole table is read for them.
        run(self.connection, &format!("ANALYZE {staged}")).await?;
        let sql = format!("DELETE FROM {table} t USING {staged} s WHERE {same}");
        run(self.connection, &sql).await
    }

    async fn copy(&mut self, table: &str, piece: &Ready) -> Result<(), Fault> {
        let failed = |e| refused("copy into the target", e);
        let sql = format!("COPY {table} ({}) FROM STDIN", piece.names);
        let mut copy = self.connection.copy_in_raw(&sql).await.map_err(failed)?;
        for some in piece.text.chunks(SEND_BYTES) {
            copy.send(some).await.map_err(failed)?;
        }
        copy.finish().await.map(drop).map_err(failed)
    }

    async fn has_it(&mut self) -> Result<bool, Fault> {
        let sql = format!("SELECT applied_sequence FROM {MARKS} WHERE subscription = $1");
        let found: Option<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(&self.order.note.subscription)
            .fetch_optional(&mut *self.connection)
            .await
            .map_err(|e| refused("ask the target", e))?;
        Ok(found.is_some_and(|sequence| sequence >= self.order.note.sequence))
    }

    async fn mark(&mut self) -> Result<(), Fault> {
        let note = &self.order.note;
        let sql = format!(
            "INSERT INTO {MARKS} (subscription, batch, applied_sequence) VALUES ($1, $2, $3) \
             ON CONFLICT (subscription) DO UPDATE SET batch = excluded.batch, \
             applied_sequence = excluded.applied_sequence"
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(&note.subscription)
            .bind(&note.batch)
            .bind(note.sequence)
            .execute(&mut *self.connection)
            .await
            .map(drop)
            .map_err(|e| refused("mark the target", e))
    }
}

/// A column's values, ready to be written as text.
enum Column<'a> {
    Text(&'a arrow::array::StringArray),
    Integer(&'a arrow::array::Int64Array),
    Float(&'a arrow::array::Float64Array),
    Decimal(&'a arrow::array::Decimal128Array, u32),
    Boolean(&'a arrow::array::BooleanArray),
    Date(&'a arrow::array::Date32Array),
    Moment(&'a arrow::array::TimestampMicrosecondArray),
}

impl<'a> Column<'a> {
    fn of(array: &'a ArrayRef) -> Result<Self, Fault> {
        Ok(match array.data_type() {
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::Int64 => Self::Integer(array.as_primitive::<Int64Type>()),
            DataType::Float64 => Self::Float(array.as_primitive::<Float64Type>()),
            DataType::Decimal128(_, scale) => {
                let scale = u32::try_from(*scale).unwrap_or_default();
                Self::Decimal(array.as_primitive::<Decimal128Type>(), scale)
            }
            DataType::Boolean => Self::Boolean(array.as_boolean()),
            DataType::Date32 => Self::Date(array.as_primitive::<Date32Type>()),
            DataType::Timestamp(..) => {
                Self::Moment(array.as_primitive::<TimestampMicrosecondType>())
            }
            other => return Err(Fault::new(format!("rows of the exchange have no {other}"))),
        })
    }

    fn write(&self, row: usize, to: &mut Vec<u8>) {
        let is_null = match self {
            Self::Text(array) => array.is_null(row),
            Self::Integer(array) => array.is_null(row),
            Self::Float(array) => array.is_null(row),
            Self::Decimal(array, _) => array.is_null(row),
            Self::Boolean(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::Moment(array) => array.is_null(row),
        };
        if is_null {
            to.extend_from_slice(b"\\N");
            return;
        }
        // Writing to memory does not fail.
        drop(match self {
            Self::Text(array) => {
                escaped(array.value(row), to);
                Ok(())
            }
            Self::Integer(array) => write!(to, "{}", array.value(row)),
            Self::Float(array) => write!(to, "{}", array.value(row)),
            Self::Decimal(array, scale) => decimal(array.value(row), *scale, to),
            Self::Boolean(array) => {
                to.push(if array.value(row) { b't' } else { b'f' });
                Ok(())
            }
            Self::Date(array) => match array.value_as_date(row) {
                Some(date) => write!(to, "{date}"),
                None => Ok(()),
            },
            Self::Moment(array) => match array.value_as_datetime(row) {
                Some(moment) => write!(to, "{}", moment.format("%Y-%m-%d %H:%M:%S%.6f")),
                None => Ok(()),
            },
        });
    }
}

fn escaped(text: &str, to: &mut Vec<u8>) {
    for byte in text.bytes() {
        let short = match byte {
            b'\\' => b'\\',
            b'\t' => b't',
            b'\n' => b'n',
            b'\r' => b'r',
            plain => {
                to.push(plain);
                continue;
            }
        };
        to.extend_from_slice(&[b'\\', short]);
    }
}

fn decimal(value: i128, scale: u32, to: &mut Vec<u8>) -> std::io::Result<()> {
    let unit = 10_u128.pow(scale);
    let whole = value.unsigned_abs();
    let sign = if value < 0 { "-" } else { "" };
    write!(to, "{sign}{}", whole / unit)?;
    match scale as usize {
        0 => Ok(()),
        width => write!(to, ".{:0width$}", whole % unit),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_copy_reads_them() {
        let text = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut to = Vec::new();
            write(&mut to);
            String::from_utf8(to).unwrap()
        };
        for (value, scale, written) in [
            (0, 2, "0.00"),
            (-1, 2, "-0.01"),
            (123_456, 3, "123.456"),
            (-500, 0, "-500"),
            (i128::MAX, 38, "1.70141183460469231731687303715884105727"),
        ] {
            assert_eq!(text(&|to| decimal(value, scale, to).unwrap()), written);
        }
        assert_eq!(
            text(&|to| escaped("a\tb\\N\r\n张", to)),
            "a\\tb\\\\N\\r\\n张"
        );
    }
}
