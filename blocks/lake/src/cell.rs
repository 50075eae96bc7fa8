//! Values of an answer as pages and JSON show them.

use datafusion::arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{DataType, Float64Type, Int64Type},
    util::display::{ArrayFormatter, FormatOptions},
};
use kernel::Fault;
use serde_json::Value;

/// The rows of a batch: numbers and flags as such, everything else as text, nothing as null.
/// Decimals are text, because JSON's numbers would round them.
pub fn rows(batch: &RecordBatch) -> Result<Vec<Vec<Value>>, Fault> {
    let columns = batch.columns().iter().map(values);
    let columns: Vec<_> = columns.collect::<Result<_, _>>()?;
    let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
    let row = |_| columns.iter_mut().filter_map(Iterator::next).collect();
    Ok((0..batch.num_rows()).map(row).collect())
}

fn values(array: &ArrayRef) -> Result<Vec<Value>, Fault> {
    let broken = |e| Fault::caused_by("show an answer", e);
    let kind = array.data_type();
    if kind.is_integer() && *kind != DataType::UInt64 {
        let numbers = datafusion::arrow::compute::cast(array, &DataType::Int64).map_err(broken)?;
        let numbers = numbers.as_primitive::<Int64Type>();
        return Ok(numbers.iter().map(Value::from).collect());
    }
    if kind.is_floating() {
        let numbers =
            datafusion::arrow::compute::cast(array, &DataType::Float64).map_err(broken)?;
        let numbers = numbers.as_primitive::<Float64Type>();
        return Ok(numbers.iter().map(Value::from).collect());
    }
    if let Some(flags) = array.as_boolean_opt() {
        return Ok(flags.iter().map(Value::from).collect());
    }
    let options = FormatOptions::new();
    let formatter = ArrayFormatter::try_new(array, &options).map_err(broken)?;
    let text = |row| {
        let is_there = array.is_valid(row);
        is_there
            .then(|| formatter.value(row).to_string())
            .map_or(Value::Null, Value::from)
    };
    Ok((0..array.len()).map(text).collect())
}
