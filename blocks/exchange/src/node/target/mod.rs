//! A subscriber's table: one delivery, one transaction, with the mark beside it that says it was
//! applied. Killed before the commit, nothing happened; after it, the mark tells.

mod odbc;
mod postgres;
mod text;

use std::{path::PathBuf, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch, StringBuilder},
    datatypes::SchemaRef,
};
use kernel::Fault;

use super::{chunk_file, config::Target};
use crate::{
    data::{
        Column, Shape, Type,
        chunk::{self, Kind, Mark},
    },
    wire::BatchKind,
};

pub use postgres::{Load, Ready};

/// Table beside the target that tells the last delivery of each subscription.
pub const MARKS: &str = "tongban_applied";

/// Beginnings of SQLSTATEs that may go by themselves: connection, rollback by the server, resources,
/// intervention, time-out, locks.
const PASSING: [&str; 7] = ["08", "40", "53", "57", "58", "HYT", "55P03"];

/// What is to be applied.
pub struct Order {
    pub target: Target,
    pub shape: Shape,
    pub kind: BatchKind,
    pub batch: String,
    pub subscription: String,
    pub sequence: i64,
    /// Where the chunks are.
    pub folder: PathBuf,
}

/// Applies a delivery of these chunks, unless the table has it. A fault that is transient may go by
/// itself; any other needs a person.
pub async fn apply(order: Arc<Order>, chunks: Vec<Mark>) -> Result<(), Fault> {
    if order.target.is_postgres() {
        return postgres::apply(&order, &chunks).await;
    }
    let applied = tokio::task::spawn_blocking(move || odbc::apply(&order, &chunks)).await;
    applied.map_err(|e| Fault::caused_by("apply a delivery", e).transient())?
}

/// Where databases differ in how tables are made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Standard,
    MariaDb,
}

impl Order {
    fn is_full(&self) -> bool {
        self.kind == BatchKind::Full
    }

    fn name<'a>(&'a self, column: &'a str) -> &'a str {
        self.target
            .columns
            .get(column)
            .map_or(column, String::as_str)
    }

    /// Statements that make the tables which have to be there.
    fn tables(&self, dialect: Dialect) -> Vec<String> {
        let mut tables = vec![format!(
            "CREATE TABLE IF NOT EXISTS {MARKS} (subscription VARCHAR(100) NOT NULL PRIMARY KEY, \
             batch VARCHAR(64) NOT NULL, applied_sequence BIGINT NOT NULL)"
        )];
        if self.target.create {
            let columns = self.shape.columns.iter();
            let mut parts: Vec<String> = columns.map(|c| self.definition(c, dialect)).collect();
            let key: Vec<&str> = self.shape.key.iter().map(|k| self.name(k)).collect();
            parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
            let suffix = match dialect {
                Dialect::MariaDb => " DEFAULT CHARSET=utf8mb4",
                Dialect::Standard => "",
            };
            tables.push(format!(
                "CREATE TABLE IF NOT EXISTS {} ({}){suffix}",
                self.target.table,
                parts.join(", ")
            ));
        }
        tables
    }

    fn definition(&self, column: &Column, dialect: Dialect) -> String {
        let is_key = self.shape.key.contains(&column.name);
        let kind = match column.kind {
            Type::Text if column.length > 0 => format!("VARCHAR({})", column.length),
            // MariaDB indexes texts of a known length only.
            Type::Text if is_key => "VARCHAR(255)".into(),
            Type::Text => "TEXT".into(),
            Type::Integer => "BIGINT".into(),
            Type::Decimal { digits, scale } => format!("DECIMAL({digits}, {scale})"),
            Type::Float => "DOUBLE PRECISION".into(),
            Type::Boolean => "BOOLEAN".into(),
            Type::Date => "DATE".into(),
            Type::Timestamp if dialect == Dialect::MariaDb => "DATETIME(6)".into(),
            Type::Timestamp => "TIMESTAMP".into(),
        };
        let filled = if column.required { " NOT NULL" } else { "" };
        format!("{} {kind}{filled}", self.name(&column.name))
    }

    /// The columns of a chunk as the table calls them.
    fn names(&self, kind: Kind) -> String {
        let schema = self.schema(kind);
        let names = schema.fields().iter().map(|f| self.name(f.name()));
        names.collect::<Vec<_>>().join(", ")
    }

    /// Columns that are no part of the key, as the exchange calls them.
    fn others(&self) -> Vec<&str> {
        let columns = self.shape.columns.iter().map(|column| column.name.as_str());
        let is_key = |name: &&str| self.shape.key.iter().any(|key| key == name);
        columns.filter(|name| !is_key(name)).collect()
    }

    fn schema(&self, kind: Kind) -> SchemaRef {
        match kind {
            Kind::Rows => self.shape.schema(),
            Kind::Deletes => self.shape.key_schema(),
        }
    }

    /// That rows `t` and `s` have one key.
    fn same_key(&self) -> String {
        let same = self.shape.key.iter().map(|name| {
            let name = self.name(name);
            format!("t.{name} = s.{name}")
        });
        same.collect::<Vec<_>>().join(" AND ")
    }

    /// The rows of a chunk on disk.
    fn read(&self, place: usize, mark: &Mark) -> Result<Vec<RecordBatch>, Fault> {
        let path = chunk_file(&self.folder, place);
        let bytes = std::fs::read(&path)
            .map_err(|e| Fault::caused_by(format!("read {}", path.display()), e).transient())?;
        chunk::read(bytes.into(), &self.schema(mark.kind))
    }

    /// The key's columns of rows.
    fn keys(&self, batches: &[RecordBatch]) -> Result<Vec<RecordBatch>, Fault> {
        let key: Vec<&str> = self.shape.key.iter().map(String::as_str).collect();
        project(batches, &key)
    }

    /// Codes of the exchange as codes of the table.
    fn translate(&self, batch: &RecordBatch) -> Result<RecordBatch, Fault> {
        let codes = &self.target.codes;
        if codes.is_empty() {
            return Ok(batch.clone());
        }
        let schema = batch.schema();
        let columns = schema
            .fields()
            .iter()
            .zip(batch.columns())
            .map(
                |(field, array)| match (codes.get(field.name()), array.as_string_opt::<i32>()) {
                    (Some(codes), Some(texts)) => {
                        let mut builder = StringBuilder::new();
                        for text in texts {
                            let code = text.map(|t| codes.get(t).map_or(t, String::as_str));
                            builder.append_option(code);
                        }
                        Arc::new(builder.finish()) as ArrayRef
                    }
                    _ => array.clone(),
                },
            );
        RecordBatch::try_new(schema.clone(), columns.collect())
            .map_err(|e| Fault::caused_by("translate codes", e))
    }
}

/// These columns of rows, in this order.
fn project(batches: &[RecordBatch], names: &[&str]) -> Result<Vec<RecordBatch>, Fault> {
    let failed = |e| Fault::caused_by("choose columns", e);
    let chosen = batches.iter().map(|batch| {
        let schema = batch.schema();
        let places = names.iter().map(|name| schema.index_of(name));
        let places: Vec<usize> = places.collect::<Result<_, _>>().map_err(failed)?;
        batch.project(&places).map_err(failed)
    });
    chosen.collect()
}
