//! What changed in the lake as the file that a registry loads: first what is gone, then what is
//! new or different, each in the order of the key, so that the same changes are the same file.

use std::io::{BufWriter, Write};

use arrow::array::RecordBatch;
use futures::{StreamExt, stream::BoxStream};
use kernel::{Fault, Result};
use registry::{Declaration, batch::NOTHING};
use serde_json::Value;

use super::{Feed, Gone};

/// A file that is removed with this value.
pub(crate) struct Delivered {
    pub file: tempfile::NamedTempFile,
    pub rows: u64,
}

type Rows = BoxStream<'static, Result<RecordBatch>>;

/// One column of the file.
struct Head {
    field: String,
    column: String,
    is_key: bool,
    is_required: bool,
}

fn unwritten(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Fault {
    Fault::caused_by("write what a registry takes", error)
}

/// Writes the changes of one batch.
pub(crate) async fn write(
    feed: &Feed,
    declaration: &Declaration,
    changes: lake::change::Changes,
) -> Result<Delivered> {
    let heads = heads(feed, declaration);
    let file = tempfile::NamedTempFile::new().map_err(unwritten)?;
    let copy = file.reopen().map_err(unwritten)?;
    let mut out = csv::Writer::from_writer(BufWriter::new(copy));
    let names = heads.iter().map(|head| head.field.as_str());
    out.write_record(names).map_err(unwritten)?;
    let mut rows = 0;
    if feed.gone == Gone::Retract {
        rows += copy_rows(&mut out, &heads, changes.gone, true).await?;
    }
    rows += copy_rows(&mut out, &heads, changes.rows, false).await?;
    out.flush().map_err(unwritten)?;
    Ok(Delivered { file, rows })
}

fn heads(feed: &Feed, declaration: &Declaration) -> Vec<Head> {
    let head = |(field, column): (&String, &String)| Head {
        is_key: declaration.key.contains(field),
        is_required: declaration.field(field).is_some_and(|f| f.is_required),
        field: field.clone(),
        column: column.clone(),
    };
    feed.fields.iter().map(head).collect()
}

async fn copy_rows<W: Write + Send>(
    out: &mut csv::Writer<W>,
    heads: &[Head],
    mut rows: Rows,
    is_gone: bool,
) -> Result<u64> {
    let mut count = 0;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        let schema = batch.schema();
        let places: Vec<Option<usize>> = heads
            .iter()
            .map(|head| schema.index_of(&head.column).ok())
            .collect();
        for row in lake::cell::rows(&batch)? {
            let value = |place: &Option<usize>| place.and_then(|place| row.get(place));
            let cells = heads
                .iter()
                .zip(&places)
                .map(|(head, place)| cell(head, value(place).unwrap_or(&Value::Null), is_gone));
            out.write_record(cells).map_err(unwritten)?;
            count += 1;
        }
        // Writing computes without waiting: the server's other work comes in between.
        tokio::task::yield_now().await;
    }
    Ok(count)
}

fn cell(head: &Head, value: &Value, is_gone: bool) -> String {
    if is_gone && !head.is_key {
        return if head.is_required {
            String::new()
        } else {
            NOTHING.to_owned()
        };
    }
    match value {
        Value::Null => NOTHING.to_owned(),
        Value::String(text) if text.trim().is_empty() => NOTHING.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The keys of some rows of the file, by row (the header is row 1); `rows` rise.
pub(crate) fn keys(
    delivered: &Delivered,
    feed: &Feed,
    declaration: &Declaration,
    rows: &[i64],
) -> Result<Vec<String>> {
    let heads = heads(feed, declaration);
    let copy = delivered.file.reopen().map_err(unwritten)?;
    let mut file = csv::Reader::from_reader(std::io::BufReader::new(copy));
    let mut records = file.records();
    let (mut at, mut keys) = (1, Vec::new());
    let mut key = String::new();
    for wanted in rows {
        while at < *wanted {
            let Some(record) = records.next() else { break };
            let record = record.map_err(unwritten)?;
            let parts = heads.iter().zip(&record).filter(|(head, _)| head.is_key);
            key = parts.map(|(_, cell)| cell).collect::<Vec<_>>().join("|");
            at += 1;
        }
        keys.push(key.clone());
    }
    Ok(keys)
}
