//! Targets by the ODBC driver of any database.

use arrow::{
    array::RecordBatch,
    datatypes::{Field, Schema, SchemaRef},
};
use arrow_odbc::{
    OdbcWriter,
    odbc_api::{Connection, Cursor, IntoParameter},
};
use kernel::Fault;

use super::{Dialect, MARKS, Order, PASSING, project};
use crate::{
    data::chunk::{Kind, Mark},
    node::source::{failed, odbc},
};

/// Rows on their way into the table.
const STAGED: &str = "tongban_staged";

/// Applies a delivery, unless the table has it. A fault that is transient may go by itself; any other
/// needs a person.
pub(super) fn apply(order: &Order, chunks: &[Mark]) -> Result<(), Fault> {
    let connection = odbc::connect(&order.target.connection)?;
    let table = Table {
        connection: &connection,
        order,
        product: connection
            .database_management_system_name()
            .map_err(|e| failed("open the target", e))?,
    };
    table.prepare()?;
    connection
        .set_autocommit(false)
        .map_err(|e| failed("begin at the target", e))?;
    let outcome = table.apply(chunks);
    if outcome.is_err() {
        roll_back(&connection);
    }
    outcome
}

/// A database that rolled back by itself, as SQLite does on a full disk, has no transaction to end,
/// and its driver does not disconnect before one ended: it gets an empty one.
fn roll_back(connection: &Connection<'_>) {
    if connection.rollback().is_err() && connection.execute("BEGIN", (), None).is_ok() {
        // If it fails the connection is gone, and the transaction with it.
        drop(connection.rollback());
    }
}

struct Table<'a> {
    connection: &'a Connection<'static>,
    order: &'a Order,
    product: String,
}

impl Table<'_> {
    /// Tables that have to be there. Some databases commit at such a statement, so it comes first.
    fn prepare(&self) -> Result<(), Fault> {
        let dialect = if self.is_mariadb() {
            Dialect::MariaDb
        } else {
            Dialect::Standard
        };
        for sql in self.order.tables(dialect) {
            self.create(&sql)?;
        }
        let (table, names) = (&self.order.target.table, self.order.names(Kind::Rows));
        self.run(&format!(
            "CREATE TEMPORARY TABLE {STAGED} AS SELECT {names} FROM {table} WHERE 1 = 0"
        ))?;
        // Without it, where the key's type bears none, it is only slower.
        let key = self.order.names(Kind::Deletes);
        drop(self.run(&format!("CREATE INDEX {STAGED}_key ON {STAGED} ({key})")));
        Ok(())
    }

    /// Two nodes may create one table at the same moment; `PostgreSQL` then refuses one of them,
    /// whatever `IF NOT EXISTS` says. The second time the table is there.
    fn create(&self, sql: &str) -> Result<(), Fault> {
        self.run(sql).or_else(|_| self.run(sql))
    }

    fn is_mariadb(&self) -> bool {
        ["mariadb", "mysql"]
            .iter()
            .any(|name| self.product.to_lowercase().contains(name))
    }

    fn run(&self, sql: &str) -> Result<(), Fault> {
        let done = self.connection.execute(sql, (), None);
        done.map(drop).map_err(|e| refused("prepare the target", e))
    }

    fn apply(&self, chunks: &[Mark]) -> Result<(), Fault> {
        if self.has_it()? {
            return Ok(());
        }
        let order = self.order;
        let is_fill = order.is_full() && self.is_empty()?;
        for (place, mark) in chunks.iter().enumerate() {
            let batches = order.read(place, mark)?;
            let batches = batches.iter().map(|batch| order.translate(batch));
            let batches: Vec<_> = batches.collect::<Result<_, _>>()?;
            let schema = order.schema(mark.kind);
            match mark.kind {
                Kind::Rows if is_fill => self.insert(&order.target.table, &schema, &batches)?,
                Kind::Rows => {
                    self.insert(STAGED, &schema, &batches)?;
                    self.update(&batches)?;
                    if !order.is_full() {
                        self.insert_new()?;
                    }
                }
                Kind::Deletes if order.is_full() && !is_fill => self.delete(STAGED, &batches)?,
                Kind::Deletes => self.delete(&order.target.table, &batches)?,
            }
        }
        if order.is_full() && !is_fill {
            self.delete_others()?;
            self.insert_new()?;
        }
        self.mark()?;
        self.connection
            .commit()
            .map_err(|e| refused("commit at the target", e))
    }

    fn has_it(&self) -> Result<bool, Fault> {
        let sql = format!("SELECT applied_sequence FROM {MARKS} WHERE subscription = ?");
        let subscription = self.order.subscription.as_str().into_parameter();
        let found = self.connection.execute(&sql, &subscription, None);
        let cursor = found.map_err(|e| failed("ask the target", e))?;
        let Some(mut cursor) = cursor else {
            return Ok(false);
        };
        let Some(mut row) = cursor.next_row().map_err(|e| failed("ask the target", e))? else {
            return Ok(false);
        };
        let mut sequence = 0_i64;
        row.get_data(1, &mut sequence)
            .map_err(|e| failed("ask the target", e))?;
        Ok(sequence >= self.order.sequence)
    }

    fn mark(&self) -> Result<(), Fault> {
        let order = self.order;
        let subscription = order.subscription.as_str().into_parameter();
        let mut sql =
            format!("INSERT INTO {MARKS} (subscription, batch, applied_sequence) VALUES (?, ?, ?)");
        if self.is_mariadb() {
            // Deleting what is not there locks the gap, in which another node wants to insert.
            sql.push_str(
                " ON DUPLICATE KEY UPDATE batch = VALUES(batch), \
                 applied_sequence = VALUES(applied_sequence)",
            );
        } else {
            let gone = format!("DELETE FROM {MARKS} WHERE subscription = ?");
            let done = self.connection.execute(&gone, &subscription, None);
            done.map(drop).map_err(|e| refused("mark the target", e))?;
        }
        let values = (
            &subscription,
            &order.batch.as_str().into_parameter(),
            &order.sequence,
        );
        let done = self.connection.execute(&sql, values, None).map(drop);
        done.map_err(|e| refused("mark the target", e))
    }

    fn is_empty(&self) -> Result<bool, Fault> {
        let sql = format!("SELECT 1 FROM {}", self.order.target.table);
        let found = self.connection.execute(&sql, (), None);
        let cursor = found.map_err(|e| failed("ask the target", e))?;
        let Some(mut cursor) = cursor else {
            return Ok(true);
        };
        let row = cursor.next_row().map_err(|e| failed("ask the target", e))?;
        Ok(row.is_none())
    }

    /// Of rows that are there the named columns change: the table may have more of them, and other
    /// tables may point to it.
    fn update(&self, batches: &[RecordBatch]) -> Result<(), Fault> {
        let order = self.order;
        let others = order.others();
        if others.is_empty() {
            return Ok(());
        }
        let set = |names: &[&str], between: &str| {
            let set = names.iter().map(|name| format!("{} = ?", order.name(name)));
            set.collect::<Vec<_>>().join(between)
        };
        let key: Vec<&str> = order.shape.key.iter().map(String::as_str).collect();
        let sql = format!(
            "UPDATE {} SET {} WHERE {}",
            order.target.table,
            set(&others, ", "),
            set(&key, " AND ")
        );
        let rows = project(batches, &[others, key].concat())?;
        let Some(first) = rows.first() else {
            return Ok(());
        };
        let schema = first.schema();
        self.write(&sql, &schema, &rows)
    }

    /// Staged rows that are not there yet come.
    fn insert_new(&self) -> Result<(), Fault> {
        let (table, names) = (&self.order.target.table, self.order.names(Kind::Rows));
        let same = self.order.same_key();
        let come = format!(
            "INSERT INTO {table} ({names}) SELECT {names} FROM {STAGED} s WHERE NOT EXISTS \
             (SELECT 1 FROM {table} t WHERE {same})"
        );
        self.change(&come)?;
        self.change(&format!("DELETE FROM {STAGED}"))
    }

    /// Rows that are not staged go.
    fn delete_others(&self) -> Result<(), Fault> {
        let table = &self.order.target.table;
        let same = self.order.shape.key.iter().map(|name| {
            let name = self.order.name(name);
            format!("s.{name} = {table}.{name}")
        });
        let same = same.collect::<Vec<_>>().join(" AND ");
        self.change(&format!(
            "DELETE FROM {table} WHERE NOT EXISTS (SELECT 1 FROM {STAGED} s WHERE {same})"
        ))
    }

    fn change(&self, sql: &str) -> Result<(), Fault> {
        let done = self.connection.execute(sql, (), None);
        done.map(drop)
            .map_err(|e| refused("write to the target", e))
    }

    fn insert(&self, into: &str, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<(), Fault> {
        let names: Vec<&str> = schema
            .fields()
            .iter()
            .map(|f| self.order.name(f.name()))
            .collect();
        let marks = vec!["?"; names.len()].join(", ");
        let names = names.join(", ");
        let sql = format!("INSERT INTO {into} ({names}) VALUES ({marks})");
        self.write(&sql, schema, batches)
    }

    fn delete(&self, from: &str, batches: &[RecordBatch]) -> Result<(), Fault> {
        let key = &self.order.shape.key;
        let conditions: Vec<String> = key
            .iter()
            .map(|name| format!("{} = ?", self.order.name(name)))
            .collect();
        let conditions = conditions.join(" AND ");
        let sql = format!("DELETE FROM {from} WHERE {conditions}");
        let keys = self.order.keys(batches)?;
        let Some(first) = keys.first() else {
            return Ok(());
        };
        let schema = first.schema();
        self.write(&sql, &schema, &keys)
    }

    fn write(&self, sql: &str, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<(), Fault> {
        let most = batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        if most == 0 {
            return Ok(());
        }
        // Every column may hold nothing: what must be filled, the table knows.
        let fields: Vec<Field> = schema
            .fields()
            .iter()
            .map(|f| f.as_ref().clone().with_nullable(true))
            .collect();
        let loose = Schema::new(fields);
        let statement = self
            .connection
            .prepare(sql)
            .map_err(|e| refused("prepare the target", e))?;
        let rows = self.order.target.rows.min(most);
        let mut writer = OdbcWriter::new(rows, &loose, statement)
            .map_err(|e| refused("write to the target", e))?;
        for batch in batches {
            writer
                .write_batch(batch)
                .map_err(|e| refused("write to the target", e))?;
        }
        writer
            .flush()
            .map_err(|e| refused("write to the target", e))
    }
}

/// Numbers of `MariaDB` for the same: disk full, table full, too many connections, lock time-out,
/// deadlock.
const PASSING_NUMBERS: [&str; 5] = ["1021", "1114", "1040", "1205", "1213"];
/// Words of SQLite, whose driver has one state for all.
const PASSING_WORDS: [&str; 3] = ["locked", "disk is full", "Lost connection"];

/// What the database said no to. Connections that broke, locks and full disks may go by themselves.
fn refused(what: &str, error: impl std::error::Error) -> Fault {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    let after = |mark: &str| text.split(mark).nth(1).unwrap_or_default();
    let (state, number) = (after("State: "), after("Native error: "));
    let number = number.split(',').next().unwrap_or_default();
    let is_passing = PASSING.iter().any(|class| state.starts_with(class))
        || PASSING_NUMBERS.contains(&number)
        || PASSING_WORDS.iter().any(|word| text.contains(word));
    let fault = Fault::new(format!("{what}: {text}"));
    if is_passing { fault.transient() } else { fault }
}
