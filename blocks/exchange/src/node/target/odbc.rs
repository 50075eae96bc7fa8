//! Targets by the ODBC driver of any database.
//!
//! Changed rows go straight into the table, many at once, by statements that insert or update; where
//! the table or the database bears none, by way of a table beside it; and where that fails as well,
//! by statements that all databases know. If that is refused, too, the first row at fault is looked
//! for. What was begun in one way is rolled back before the next.

use std::{cell::Cell, collections::BTreeSet};

use arrow::{
    array::{RecordBatch, UInt32Array},
    compute::{concat_batches, take},
    datatypes::{Field, Schema, SchemaRef},
};
use arrow_odbc::{
    OdbcWriter,
    odbc_api::{Connection, Cursor, IntoParameter, handles::StatementImpl},
};
use kernel::Fault;

use super::{Dialect, MARKS, Order, PASSING, project};
use crate::{
    data::chunk::{Kind, Mark},
    node::source::{failed, odbc},
};

/// Rows on their way into the table.
const STAGED: &str = "tongban_staged";
/// Values in one statement; SQL Server takes 2100 at the most.
const VALUES: usize = 2000;

/// How changed rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Inserted, or updated where their key is there.
    Upsert,
    /// Beside the table, and from there into it by one statement.
    Staged,
    /// One statement for each row; the driver may send many of them at once.
    Each,
}

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
        chunk: Cell::new(None),
    };
    table.prepare()?;
    connection
        .set_autocommit(false)
        .map_err(|e| failed("begin at the target", e))?;
    // Who may not look at the indexes goes the other way.
    if table.can_upsert().unwrap_or(false) && table.is_done(chunks, Way::Upsert)? {
        return Ok(());
    }
    if table.is_done(chunks, Way::Staged)? {
        return Ok(());
    }
    let each = table.tried(chunks, Way::Each);
    each.map_err(|fault| table.located(fault, chunks))
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
    /// The chunk that is written now; none before the first and after the last.
    chunk: Cell<Option<usize>>,
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

    /// The same; false where this way is refused, and another one may do.
    fn is_done(&self, chunks: &[Mark], way: Way) -> Result<bool, Fault> {
        match self.tried(chunks, way) {
            Err(fault) if !fault.is_transient => {
                tracing::info!(cause = %fault.chain(), ?way, "rows are not taken at once");
                Ok(false)
            }
            done => done.map(|()| true),
        }
    }

    /// Whether a statement that inserts or updates goes by the key. `MariaDB`'s goes by any unique
    /// index; others name the key, and refuse where it is none. All rows are compared with those that
    /// are there, beside the table.
    fn can_upsert(&self) -> Result<bool, Fault> {
        if self.order.is_full() || !self.is_mariadb() {
            return Ok(!self.order.is_full());
        }
        let table = self.order.target.table.as_str();
        let (schema, name) = table.rsplit_once('.').unwrap_or(("", table));
        let sql = "SELECT index_name, column_name FROM information_schema.statistics WHERE \
                   non_unique = 0 AND table_name = ? AND table_schema = \
                   COALESCE(NULLIF(?, ''), DATABASE())";
        let asked = (&name.into_parameter(), &schema.into_parameter());
        let cursor = self.connection.execute(sql, asked, None);
        let cursor = cursor.map_err(|e| failed("ask the target", e))?;
        let Some(mut cursor) = cursor else {
            return Ok(false);
        };
        let (mut indexes, mut columns) = (BTreeSet::new(), BTreeSet::new());
        while let Some(mut row) = cursor.next_row().map_err(|e| failed("ask the target", e))? {
            let mut text = |column| {
                let mut text = Vec::new();
                let read = row.get_text(column, &mut text);
                read.map_err(|e| failed("ask the target", e))?;
                Ok::<_, Fault>(String::from_utf8_lossy(&text).to_lowercase())
            };
            indexes.insert(text(1)?);
            columns.insert(text(2)?);
        }
        let key = self.order.shape.key.iter();
        let key: BTreeSet<String> = key
            .map(|name| self.order.name(name).to_lowercase())
            .collect();
        Ok(indexes.len() == 1 && columns == key)
    }

    /// Applies all or nothing.
    fn tried(&self, chunks: &[Mark], way: Way) -> Result<(), Fault> {
        let outcome = self.apply(chunks, way);
        if outcome.is_err() {
            roll_back(self.connection);
        }
        outcome
    }

    fn apply(&self, chunks: &[Mark], way: Way) -> Result<(), Fault> {
        if self.has_it()? {
            return Ok(());
        }
        let is_fill = self.begin()?;
        for (place, mark) in chunks.iter().enumerate() {
            self.chunk.set(Some(place));
            let batches = self.rows(place, mark)?;
            self.put(mark.kind, &batches, is_fill, way)?;
        }
        self.chunk.set(None);
        if self.order.is_full() && !is_fill {
            self.delete_others()?;
            if way != Way::Each {
                self.update_staged()?;
            }
            self.insert_new()?;
        }
        self.mark()?;
        self.connection
            .commit()
            .map_err(|e| refused("commit at the target", e))
    }

    /// Answers whether all rows come into an empty table.
    fn begin(&self) -> Result<bool, Fault> {
        self.chunk.set(None);
        // Not every database rolls back what is beside the tables.
        self.change(&format!("DELETE FROM {STAGED}"))?;
        Ok(self.order.is_full() && self.is_empty()?)
    }

    /// The rows of a chunk as the table has them.
    fn rows(&self, place: usize, mark: &Mark) -> Result<Vec<RecordBatch>, Fault> {
        let batches = self.order.read(place, mark)?;
        let batches = batches.iter().map(|batch| self.order.translate(batch));
        batches.collect()
    }

    fn put(
        &self,
        kind: Kind,
        batches: &[RecordBatch],
        is_fill: bool,
        way: Way,
    ) -> Result<(), Fault> {
        let order = self.order;
        let schema = order.schema(kind);
        match (kind, order.is_full(), way) {
            (Kind::Rows, _, _) if is_fill => {
                self.insert(&order.target.table, &schema, batches, way)
            }
            (Kind::Rows, false, Way::Upsert) => self.upsert(&schema, batches),
            (Kind::Rows, false, Way::Staged) => {
                self.insert(STAGED, &schema, batches, way)?;
                self.update_staged()?;
                self.insert_new()
            }
            (Kind::Rows, false, Way::Each) => {
                self.insert(STAGED, &schema, batches, way)?;
                self.update(batches)?;
                self.insert_new()
            }
            (Kind::Rows, true, Way::Each) => {
                self.insert(STAGED, &schema, batches, way)?;
                self.update(batches)
            }
            (Kind::Rows, true, _) => self.insert(STAGED, &schema, batches, way),
            (Kind::Deletes, true, _) if !is_fill => self.delete(STAGED, batches, way),
            (Kind::Deletes, _, _) => self.delete(&order.target.table, batches, way),
        }
    }

    /// The fault with the number of the first row that is refused, where it is one of a chunk's. Writes
    /// nothing.
    fn located(&self, fault: Fault, chunks: &[Mark]) -> Fault {
        let Some(place) = self.chunk.get().filter(|_| !fault.is_transient) else {
            return fault;
        };
        let found = self.first_refused(chunks, place);
        roll_back(self.connection);
        match found {
            Ok(Some(row)) => Fault::new(format!(
                "{}; the first row that is refused is number {row} of the delivery",
                fault.chain()
            )),
            Ok(None) | Err(_) => fault,
        }
    }

    /// The number, from 1, of the row of this chunk that cannot be written by itself. Those of earlier
    /// chunks can, and it may depend on them.
    fn first_refused(&self, chunks: &[Mark], refused: usize) -> Result<Option<u64>, Fault> {
        let is_fill = self.begin()?;
        let mut number = 0;
        for (place, mark) in chunks.iter().enumerate().take(refused + 1) {
            let batches = self.rows(place, mark)?;
            if place < refused {
                self.put(mark.kind, &batches, is_fill, Way::Each)?;
                number += mark.rows;
                continue;
            }
            for batch in &batches {
                for row in 0..batch.num_rows() {
                    number += 1;
                    let one = [batch.slice(row, 1)];
                    if self.put(mark.kind, &one, is_fill, Way::Each).is_err() {
                        return Ok(Some(number));
                    }
                }
            }
        }
        Ok(None)
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
    fn update_staged(&self) -> Result<(), Fault> {
        let order = self.order;
        let table = &order.target.table;
        let others = order.others();
        if others.is_empty() {
            return Ok(());
        }
        let same = order.shape.key.iter().map(|name| {
            let name = order.name(name);
            format!("s.{name} = {table}.{name}")
        });
        let same = same.collect::<Vec<_>>().join(" AND ");
        let set = |before: &str| {
            let set = others.iter().map(|name| {
                let name = order.name(name);
                format!("{before}{name} = s.{name}")
            });
            set.collect::<Vec<_>>().join(", ")
        };
        self.change(&if self.is_mariadb() {
            let set = set(&format!("{table}."));
            format!("UPDATE {table} JOIN {STAGED} s ON {same} SET {set}")
        } else {
            let set = set("");
            format!("UPDATE {table} SET {set} FROM {STAGED} s WHERE {same}")
        })
    }

    /// The same, row by row.
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

    fn insert(
        &self,
        into: &str,
        schema: &SchemaRef,
        batches: &[RecordBatch],
        way: Way,
    ) -> Result<(), Fault> {
        let (begin, marks) = self.insertion(into, schema);
        // MariaDB's driver sends rows of one statement in bulk, which is faster.
        if way == Way::Each || self.is_mariadb() {
            return self.write(&format!("{begin}{marks}"), schema, batches);
        }
        self.write_many(schema, batches, |rows| {
            begin.clone() + &vec![marks.as_str(); rows].join(", ")
        })
    }

    /// The begin of an insertion, and the places of one row's values.
    fn insertion(&self, into: &str, schema: &SchemaRef) -> (String, String) {
        let names = schema.fields().iter();
        let names: Vec<&str> = names.map(|f| self.order.name(f.name())).collect();
        let marks = vec!["?"; names.len()].join(", ");
        let begin = format!("INSERT INTO {into} ({}) VALUES ", names.join(", "));
        (begin, format!("({marks})"))
    }

    fn upsert(&self, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<(), Fault> {
        let order = self.order;
        let (begin, marks) = self.insertion(&order.target.table, schema);
        let others = order.others();
        let names = others.iter().map(|name| order.name(name));
        if self.is_mariadb() {
            let mut set: Vec<String> = names
                .map(|name| format!("{name} = VALUES({name})"))
                .collect();
            if let (true, Some(key)) = (set.is_empty(), order.shape.key.first()) {
                let key = order.name(key);
                set.push(format!("{key} = VALUES({key})"));
            }
            let set = set.join(", ");
            let sql = format!("{begin}{marks} ON DUPLICATE KEY UPDATE {set}");
            return self.write(&sql, schema, batches);
        }
        let set: Vec<String> = names
            .map(|name| format!("{name} = excluded.{name}"))
            .collect();
        let then = match set.join(", ") {
            set if set.is_empty() => "NOTHING".to_owned(),
            set => format!("UPDATE SET {set}"),
        };
        let key = order.names(Kind::Deletes);
        self.write_many(schema, batches, |rows| {
            let values = vec![marks.as_str(); rows].join(", ");
            format!("{begin}{values} ON CONFLICT ({key}) DO {then}")
        })
    }

    fn delete(&self, from: &str, batches: &[RecordBatch], way: Way) -> Result<(), Fault> {
        let key = &self.order.shape.key;
        let names: Vec<&str> = key.iter().map(|name| self.order.name(name)).collect();
        let same: Vec<String> = names.iter().map(|name| format!("{name} = ?")).collect();
        let same = same.join(" AND ");
        let keys = self.order.keys(batches)?;
        let Some(first) = keys.first() else {
            return Ok(());
        };
        let schema = first.schema();
        let begin = format!("DELETE FROM {from} WHERE ");
        match (way, names.as_slice()) {
            (Way::Each, _) => self.write(&(begin + &same), &schema, &keys),
            (_, [name]) => self.write_many(&schema, &keys, |rows| {
                format!("{begin}{name} IN ({})", vec!["?"; rows].join(", "))
            }),
            _ => self.write_many(&schema, &keys, |rows| {
                begin.clone() + &vec![format!("({same})"); rows].join(" OR ")
            }),
        }
    }

    /// Many rows in one statement, which is made for their number.
    fn write_many(
        &self,
        schema: &SchemaRef,
        batches: &[RecordBatch],
        sql: impl Fn(usize) -> String,
    ) -> Result<(), Fault> {
        let all = concat_batches(schema, batches)
            .map_err(|e| Fault::caused_by("put rows together", e))?;
        let most = (VALUES / schema.fields().len().max(1)).min(self.order.target.rows);
        let most = most.max(1);
        let whole = all.num_rows() / most * most;
        let parts = [
            (all.slice(0, whole), most),
            (
                all.slice(whole, all.num_rows() - whole),
                all.num_rows() - whole,
            ),
        ];
        for (rows, at_once) in parts.iter().filter(|(rows, _)| rows.num_rows() > 0) {
            let wide = side_by_side(rows, *at_once)?;
            let mut writer = self.writer(&sql(*at_once), &wide.schema(), 1)?;
            writer
                .write_batch(&wide)
                .map_err(|e| refused("write to the target", e))?;
        }
        Ok(())
    }

    fn writer(
        &self,
        sql: &str,
        schema: &Schema,
        capacity: usize,
    ) -> Result<OdbcWriter<StatementImpl<'_>>, Fault> {
        // Every column may hold nothing: what must be filled, the table knows.
        let fields: Vec<Field> = schema
            .fields()
            .iter()
            .map(|f| f.as_ref().clone().with_nullable(true))
            .collect();
        let statement = self
            .connection
            .prepare(sql)
            .map_err(|e| refused("prepare the target", e))?;
        OdbcWriter::new(capacity, &Schema::new(fields), statement)
            .map_err(|e| refused("write to the target", e))
    }

    fn write(&self, sql: &str, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<(), Fault> {
        let most = batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        if most == 0 {
            return Ok(());
        }
        let rows = self.order.target.rows.min(most);
        let mut writer = self.writer(sql, schema, rows)?;
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

/// So many rows beside each other as one row, and so on with the next ones.
fn side_by_side(rows: &RecordBatch, at_once: usize) -> Result<RecordBatch, Fault> {
    let failed = |e| Fault::caused_by("put rows beside each other", e);
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for place in 0..at_once {
        let places = (place..rows.num_rows()).step_by(at_once);
        let places: UInt32Array = places.map(|row| u32::try_from(row).ok()).collect();
        for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
            let name = format!("{}_{place}", field.name());
            fields.push(Field::new(name, field.data_type().clone(), true));
            columns.push(take(column, &places, None).map_err(failed)?);
        }
    }
    RecordBatch::try_new(Schema::new(fields).into(), columns).map_err(failed)
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
