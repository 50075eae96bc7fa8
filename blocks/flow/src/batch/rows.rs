//! A batch's rows as the lake takes them, one batch of a chunk in memory at a time.

use std::{collections::VecDeque, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use exchange::{
    Hub,
    data::chunk::Kind,
    hub::above::{self, Part},
};
use futures::{StreamExt, stream::BoxStream};
use kernel::{Fault, Result};

/// Column by which a merge knows rows that the source has no more.
const GONE: &str = "_gone";

/// The columns that come: those of the table, and in a merge the mark of what is gone. The types
/// are the batch's own; the lake reads them as its columns'.
pub(super) fn schema(table: &lake::Table, is_merge: bool) -> SchemaRef {
    let mut fields: Vec<Field> = table
        .columns
        .iter()
        .map(|column| Field::new(&column.id, column.data_type(), true))
        .collect();
    if is_merge {
        fields.push(Field::new(GONE, DataType::Boolean, false));
    }
    Arc::new(Schema::new(fields))
}

struct Reading {
    hub: Arc<Hub>,
    parts: VecDeque<Part>,
    /// What is left of the part that is read, and whether its rows are gone.
    open: Option<(BoxStream<'static, Result<RecordBatch>>, bool)>,
    is_merge: bool,
}

/// The rows of a batch, chunk by chunk.
pub(super) fn stream(
    hub: Arc<Hub>,
    parts: Vec<Part>,
    is_merge: bool,
) -> BoxStream<'static, Result<RecordBatch>> {
    let reading = Reading {
        hub,
        parts: parts.into(),
        open: None,
        is_merge,
    };
    Box::pin(futures::stream::try_unfold(reading, next))
}

async fn next(mut reading: Reading) -> Result<Option<(RecordBatch, Reading)>> {
    loop {
        if let Some((rows, is_gone)) = &mut reading.open
            && let Some(batch) = rows.next().await
        {
            let mark = reading.is_merge.then_some(*is_gone);
            return Ok(Some((formed(&batch?, mark)?, reading)));
        }
        let Some(part) = reading.parts.pop_front() else {
            return Ok(None);
        };
        let rows = above::rows(&reading.hub, &part).await?;
        reading.open = Some((rows, part.kind == Kind::Deletes));
    }
}

/// Moments on a source's wall clock become moments, and a merge's rows are marked.
fn formed(batch: &RecordBatch, gone: Option<bool>) -> Result<RecordBatch, Fault> {
    let mut fields: Vec<Arc<Field>> = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let column = match column.data_type() {
            DataType::Timestamp(_, None) => of_china(column)?,
            _ => column.clone(),
        };
        let field = Field::new(field.name(), column.data_type().clone(), true);
        fields.push(Arc::new(field));
        columns.push(column);
    }
    if let Some(gone) = gone {
        fields.push(Arc::new(Field::new(GONE, DataType::Boolean, false)));
        columns.push(Arc::new(BooleanArray::from(vec![gone; batch.num_rows()])));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|e| Fault::caused_by("form rows for the lake", e))
}

/// Sources tell the time of China.
fn of_china(column: &ArrayRef) -> Result<ArrayRef, Fault> {
    let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("+08:00".into()));
    cast(column, &zoned).map_err(|e| Fault::caused_by("read moments", e))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, TimestampMicrosecondArray};

    use super::*;

    #[test]
    fn moments_are_those_of_china_and_rows_are_marked() {
        // 2026-03-02 09:00 on the wall.
        let wall = 1_772_442_000_000_000_i64;
        let moments: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![wall]));
        let schema = Schema::new(vec![Field::new("at", moments.data_type().clone(), false)]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![moments]).unwrap();
        let formed = formed(&batch, Some(true)).unwrap();
        assert_eq!(formed.num_columns(), 2);
        let at = cast(formed.column(0), &DataType::Int64).unwrap();
        let at = at.as_any().downcast_ref::<Int64Array>().unwrap().value(0);
        assert_eq!(wall - at, 8 * 3_600_000_000);
    }
}
