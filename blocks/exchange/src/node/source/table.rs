//! Tables and views: which statements tell what changed, whatever way they reach the database.

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::cast,
    datatypes::DataType,
};
use kernel::Fault;

use super::{
    End, Plan, Take, odbc, postgres,
    renamed::{self, Family},
    replication,
};
use crate::{
    data::chunk::Kind,
    node::config::{OdbcSource, Publication, SourceColumn, is_postgres},
    wire::BatchKind,
};

/// An open database.
enum Database {
    Odbc(odbc::Session),
    Postgres(postgres::Session),
}

impl Database {
    fn open(source: &OdbcSource) -> Result<Self, Fault> {
        let connection = &source.connection;
        Ok(if is_postgres(connection) {
            Self::Postgres(postgres::Session::open(
                connection,
                source.time_zone.as_deref(),
            )?)
        } else {
            Self::Odbc(odbc::Session::open(connection, source.utf16)?)
        })
    }
}

/// Opens a database and lets it go. Blocks.
pub fn reach(connection: &str) -> Result<(), Fault> {
    if is_postgres(connection) {
        postgres::Session::open(connection, None).map(drop)
    } else {
        odbc::connect(connection).map(drop)
    }
}

/// Reads what the plan asks for.
pub fn read(
    publication: &Publication,
    source: &OdbcSource,
    plan: &Plan,
    take: &mut Take<'_>,
) -> Result<End, Fault> {
    let reader = Reader {
        database: Database::open(source)?,
        publication,
        source,
    };
    let read = match (&source.replication, &source.changes, &source.watermark) {
        (Some(replication), _, _) => replication::read(&reader, replication, plan, take),
        (None, Some(_), _) => reader.by_changes(plan, take),
        (None, None, Some(_)) => reader.by_watermark(plan, take),
        (None, None, None) => reader.all(None, take).map(|()| End::default()),
    };
    read.map_err(|fault| reader.explained(fault))
}

pub(super) struct Reader<'a> {
    database: Database,
    publication: &'a Publication,
    source: &'a OdbcSource,
}

impl Reader<'_> {
    fn by_watermark(&self, plan: &Plan, take: &mut Take<'_>) -> Result<End, Fault> {
        let column = self.source.watermark.as_deref().unwrap_or_default();
        let table = &self.source.table;
        // The end is asked for first: what changes while rows are read is read next time again.
        let end = self.one(&format!("SELECT MAX({column}) FROM {table}"))?;
        let is_number = end.as_ref().is_none_or(|end| end.parse::<i64>().is_ok());
        // A mark in the future would hide all that changes until then. Its row goes out with the
        // others.
        let end = if is_number {
            end
        } else {
            self.one(&format!(
                "SELECT MAX({column}) FROM {table} WHERE {column} <= CURRENT_TIMESTAMP"
            ))?
        };
        let since = match plan.kind {
            BatchKind::Full => None,
            BatchKind::Increment => plan.since.as_deref(),
        };
        // What was passed over because of a mark in the future is read now.
        let is_ahead = match since.map(|since| literal(since, 0)).transpose()? {
            Some(since) if !is_number => {
                let asked = format!("SELECT MIN(1) FROM {table} WHERE {since} > CURRENT_TIMESTAMP");
                self.one(&asked)?.is_some()
            }
            _ => false,
        };
        let since = since.filter(|_| !is_ahead);
        let condition = since
            .map(|since| literal(since, self.source.overlap).map(|l| format!("{column} >= {l}")))
            .transpose()?;
        self.all(condition.as_deref(), take)?;
        if let (Some(condition), Some(deleted)) = (&condition, &self.source.deleted) {
            let keys = self.keys("");
            let gone = format!("SELECT {keys} FROM {table} WHERE {condition} AND ({deleted})");
            self.query(&gone, Kind::Deletes, take)?;
        }
        Ok(End {
            watermark: end,
            is_full: is_ahead,
        })
    }

    /// Rows of the table under a condition; those that count as gone are not among them.
    pub(super) fn all(&self, condition: Option<&str>, take: &mut Take<'_>) -> Result<(), Fault> {
        let columns: Vec<&str> = self
            .publication
            .columns
            .iter()
            .map(SourceColumn::source)
            .collect();
        let mut sql = format!("SELECT {} FROM {}", columns.join(", "), self.source.table);
        sql.push_str(" WHERE ");
        sql.push_str(condition.unwrap_or("1 = 1"));
        sql.push_str(&self.live());
        self.query(&sql, Kind::Rows, take)
    }

    /// One more condition, under which a row is not gone. A condition that is neither true nor false
    /// is not met.
    pub(super) fn live(&self) -> String {
        let deleted = self.source.deleted.as_deref();
        deleted.map_or_else(String::new, |deleted| {
            format!(" AND CASE WHEN ({deleted}) THEN 1 ELSE 0 END = 0")
        })
    }

    /// Changed rows as they are now, then keys of the changes table that are no row any more. A
    /// row that changes in between is told again by its next change.
    fn by_changes(&self, plan: &Plan, take: &mut Take<'_>) -> Result<End, Fault> {
        let Some(changes) = &self.source.changes else {
            return Ok(End::default());
        };
        let (log, sequence) = (&changes.table, &changes.sequence);
        let end = self.one(&format!("SELECT MAX({sequence}) FROM {log}"))?;
        let since = plan
            .since
            .as_deref()
            .filter(|_| plan.kind == BatchKind::Increment);
        let Some(since) = since else {
            self.all(None, take)?;
            return Ok(End {
                watermark: Some(end.unwrap_or_else(|| "0".into())),
                is_full: false,
            });
        };
        let from = literal(since, self.source.overlap)?;
        let until = literal(end.as_deref().unwrap_or("0"), 0)?;
        let span = format!("c.{sequence} > {from} AND c.{sequence} <= {until}");
        let table = &self.source.table;
        let columns = self.columns("t");
        let same: Vec<String> = self
            .publication
            .key_columns()
            .map(|c| format!("c.{0} = t.{0}", c.source()))
            .collect();
        let (same, live) = (same.join(" AND "), self.live());
        let rows = format!(
            "SELECT {columns} FROM {table} t WHERE EXISTS \
             (SELECT 1 FROM {log} c WHERE {same} AND {span}){live}"
        );
        self.query(&rows, Kind::Rows, take)?;
        let gone = format!(
            "SELECT DISTINCT {} FROM {log} c WHERE {span} AND NOT EXISTS \
             (SELECT 1 FROM {table} t WHERE {same}{live})",
            self.keys("c.")
        );
        self.query(&gone, Kind::Deletes, take)?;
        Ok(End {
            watermark: end,
            is_full: false,
        })
    }

    /// A fault with what became of columns, where some are not there any more.
    fn explained(&self, fault: Fault) -> Fault {
        // A connection that broke or was refused for another reason tells nothing of columns.
        let Ok(there) = self.there() else {
            return fault;
        };
        let columns = self.publication.columns.iter();
        let columns = columns.map(|c| (c.source(), Some(Family::of(c.kind))));
        let watermark = self.source.watermark.as_deref().map(|name| (name, None));
        let wanted = columns
            .chain(watermark)
            .filter(|(name, _)| renamed::is_column(name));
        let mut all: Vec<renamed::Column> = Vec::new();
        for (name, family) in wanted {
            if !all.iter().any(|(known, _)| known == name) {
                all.push((name.to_owned(), family));
            }
        }
        let missing = renamed::missing(&all, &there, renamed::is_same);
        if missing.is_empty() {
            return fault;
        }
        let told: Vec<String> = missing.iter().map(renamed::Missing::told).collect();
        let text = format!(
            "{}; in {}, {}. Where the department confirms it, its steward has the new name put into \
             the node's settings (from = of the column, or watermark =); columns at the hub stay, and \
             reading goes on where it stopped",
            fault.chain(),
            self.source.table,
            told.join("; ")
        );
        let is_transient = fault.is_transient;
        let fault = Fault::new(text);
        if is_transient {
            fault.transient()
        } else {
            fault
        }
    }

    /// Columns that the table has.
    fn there(&self) -> Result<Vec<renamed::Column>, Fault> {
        let sql = format!("SELECT * FROM {} WHERE 1 = 0", self.source.table);
        match &self.database {
            Database::Odbc(session) => session.columns(&sql),
            Database::Postgres(session) => session.columns(&sql),
        }
    }

    pub(super) fn table(&self) -> &str {
        &self.source.table
    }

    /// Names of the key's columns at the source.
    pub(super) fn key_names(&self) -> Vec<String> {
        let keys = self.publication.key_columns();
        keys.map(|column| column.source().to_owned()).collect()
    }

    /// The publication's columns, of this name of the table.
    pub(super) fn columns(&self, table: &str) -> String {
        let columns = self.publication.columns.iter();
        let columns: Vec<String> = columns.map(|c| qualified(table, c.source())).collect();
        columns.join(", ")
    }

    pub(super) fn run(&self, sql: &str) -> Result<(), Fault> {
        match &self.database {
            Database::Odbc(session) => session.run(sql),
            Database::Postgres(session) => session.run(sql),
        }
    }

    pub(super) fn keys(&self, before: &str) -> String {
        let keys: Vec<String> = self
            .publication
            .key_columns()
            .map(|c| format!("{before}{}", c.source()))
            .collect();
        keys.join(", ")
    }

    pub(super) fn query(&self, sql: &str, kind: Kind, take: &mut Take<'_>) -> Result<(), Fault> {
        self.wide(sql, self.source.text_bytes, &mut |batch| take(kind, batch))
    }

    /// As [`Reader::query`], with texts of so many bytes where the way to the database wants to know.
    pub(super) fn wide(
        &self,
        sql: &str,
        text_bytes: usize,
        take: &mut dyn FnMut(RecordBatch) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        match &self.database {
            Database::Odbc(session) => session.rows(sql, text_bytes, take),
            Database::Postgres(session) => session.rows(sql, take),
        }
    }

    /// The one value of a query, as text.
    pub(super) fn one(&self, sql: &str) -> Result<Option<String>, Fault> {
        let mut found = None;
        self.query(sql, Kind::Rows, &mut |_, batch| {
            let Some(column) = batch.columns().first().filter(|c| c.len() == 1) else {
                return Ok(());
            };
            let text = cast(column, &DataType::Utf8)
                .map_err(|e| Fault::caused_by("read a watermark", e))?;
            let text = text.as_string::<i32>();
            if !text.is_null(0) {
                found = Some(text.value(0).replacen('T', " ", 1));
            }
            Ok(())
        })?;
        Ok(found)
    }
}

/// An expression stays as it is; a column is told whose it is.
fn qualified(table: &str, source: &str) -> String {
    let is_column = source
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if is_column {
        format!("{table}.{source}")
    } else {
        source.to_owned()
    }
}

/// A watermark, `overlap` earlier, as SQL. It was read from the database, and is made of nothing
/// but a number or a moment.
fn literal(mark: &str, overlap: i64) -> Result<String, Fault> {
    if let Ok(number) = mark.parse::<i64>() {
        return Ok(number.saturating_sub(overlap).to_string());
    }
    let read = |format| chrono::NaiveDateTime::parse_from_str(mark, format).ok();
    let at = read("%Y-%m-%d %H:%M:%S%.f").or_else(|| {
        let day = chrono::NaiveDate::parse_from_str(mark, "%Y-%m-%d").ok()?;
        day.and_hms_opt(0, 0, 0)
    });
    let at = at.ok_or_else(|| Fault::new(format!("{mark:?} is neither a number nor a moment")))?;
    let at = at - chrono::Duration::seconds(overlap);
    Ok(format!("'{}'", at.format("%Y-%m-%d %H:%M:%S%.6f")))
}
