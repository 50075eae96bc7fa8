//! Rows that come as text, as of a file.

use std::sync::Arc;

use datafusion::arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use kernel::{Fault, Result};

/// Rows of texts under these heads; an empty cell, or one that a row lacks, is no value.
pub fn text_rows(heads: &[&str], rows: &[Vec<String>]) -> Result<RecordBatch> {
    let fields = heads
        .iter()
        .map(|head| Field::new(*head, DataType::Utf8, true));
    let columns = (0..heads.len()).map(|place| {
        let cells = rows
            .iter()
            .map(|row| row.get(place).filter(|cell| !cell.is_empty()));
        Arc::new(cells.collect::<StringArray>()) as ArrayRef
    });
    let schema = Schema::new(fields.collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns.collect())
        .map_err(|e| Fault::caused_by("form rows of text", e).into())
}
