//! Rows that broke rules: a Delta table beside each table, with row, column, rule, value, reason.
//! Values of sensitive columns are masked before they come here.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{AsArray, Int64Array, RecordBatch, StringArray},
        datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
    },
    prelude::{SessionContext, col, lit},
};
use kernel::Fault;
use serde::Serialize;

use crate::{
    Lake,
    delta::{self, ASIDE},
    quality::check::Bad,
};

/// A row that broke a rule, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SetAside {
    /// Number of the row in the batch, the first being 1.
    #[schema(example = 17)]
    pub row: i64,
    #[schema(example = "gmsfhm")]
    pub column: String,
    #[schema(example = "number")]
    pub rule: String,
    /// As it came; masked where the column is sensitive.
    #[schema(example = "320000********0038")]
    pub value: String,
    #[schema(example = "citizen")]
    pub reason: String,
}

pub(crate) fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        text("batch"),
        Field::new("row", DataType::Int64, true),
        text("column"),
        text("rule"),
        text("value"),
        text("reason"),
    ]))
}

pub(crate) fn rows(batch: &str, bad: &[Bad]) -> Result<RecordBatch, Fault> {
    let text = |of: fn(&Bad) -> &str| -> Arc<StringArray> {
        Arc::new(bad.iter().map(|bad| Some(of(bad))).collect())
    };
    let batches: StringArray = bad.iter().map(|_| Some(batch)).collect();
    let numbers: Int64Array = bad.iter().map(|bad| Some(bad.row)).collect();
    RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(batches),
            Arc::new(numbers),
            text(|bad| &bad.column),
            text(|bad| &bad.rule),
            text(|bad| &bad.value),
            text(|bad| bad.reason),
        ],
    )
    .map_err(|e| Fault::caused_by("form rows that are set aside", e))
}

/// The first rows of a batch that were set aside, by row; `after` is the last one seen.
pub(crate) async fn list(
    lake: &Lake,
    table: &str,
    batch: &str,
    after: i64,
    most: usize,
) -> Result<Vec<SetAside>, Fault> {
    let Some(table) = lake.0.place.open(ASIDE, table, None).await? else {
        return Ok(Vec::new());
    };
    let broken = |e| Fault::caused_by("read rows that are set aside", e);
    let context = SessionContext::new();
    let frame = context
        .read_table(delta::provider(&table, None).await?)
        .and_then(|frame| frame.filter(col("batch").eq(lit(batch)).and(col("row").gt(lit(after)))))
        .and_then(|frame| {
            let order = ["row", "rule", "column"].map(|name| col(name).sort(true, false));
            frame.sort(order.to_vec())
        })
        .and_then(|frame| frame.limit(0, Some(most)))
        .map_err(broken)?;
    table
        .update_datafusion_session(&context.state())
        .map_err(delta::failed("read rows that are set aside"))?;
    let batches = frame.collect().await.map_err(broken)?;
    let mut all = Vec::new();
    for batch in &batches {
        all.extend(read(batch)?);
    }
    Ok(all)
}

fn read(batch: &RecordBatch) -> Result<Vec<SetAside>, Fault> {
    let column = |name: &str, kind: &DataType| {
        let array = batch.column_by_name(name);
        let array = array.ok_or_else(|| Fault::new(format!("no column {name}")))?;
        datafusion::arrow::compute::cast(array, kind)
            .map_err(|e| Fault::caused_by("read rows that are set aside", e))
    };
    let numbers = column("row", &DataType::Int64)?;
    let numbers = numbers.as_primitive::<Int64Type>();
    let texts = ["column", "rule", "value", "reason"].map(|name| column(name, &DataType::Utf8));
    let [columns, rules, values, reasons] = texts;
    let (columns, rules, values, reasons) = (columns?, rules?, values?, reasons?);
    let text = |array: &datafusion::arrow::array::ArrayRef, row: usize| {
        array.as_string::<i32>().value(row).to_owned()
    };
    let rows = (0..batch.num_rows()).map(|row| SetAside {
        row: numbers.value(row),
        column: text(&columns, row),
        rule: text(&rules, row),
        value: text(&values, row),
        reason: text(&reasons, row),
    });
    Ok(rows.collect())
}
