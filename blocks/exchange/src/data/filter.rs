//! Which rows a subscription sees: conditions on the key, all of which hold.
//!
//! Only on the key, because of a row that is gone nothing else is known: with any other column a
//! row could leave the subscriber's part unnoticed, or its going would tell of a row that the
//! subscriber was never to know.

use arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch, Scalar, StringArray},
    compute::{and, cast, filter_record_batch, kernels::cmp, like},
};
use kernel::{Fault, Finding, Text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Shape;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ExchangeComparison)]
pub enum Comparison {
    Equals,
    Differs,
    AtLeast,
    AtMost,
    /// Of a text.
    BeginsWith,
}

/// One condition on a column of the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ExchangeCondition)]
pub struct Condition {
    #[schema(example = "gmsfhm")]
    pub column: String,
    pub is: Comparison,
    #[schema(example = "321002")]
    pub value: String,
}

impl Condition {
    /// Whether it holds for one value, written as text; what cannot be compared does not hold.
    pub fn holds(&self, text: &str, kind: &arrow::datatypes::DataType) -> bool {
        let text = StringArray::from(vec![text]);
        let compared = cast(&text, kind)
            .ok()
            .and_then(|value| hold(self, &value).ok());
        compared.is_some_and(|compared| compared.is_valid(0) && compared.value(0))
    }
}

/// What is wrong with conditions on a shape.
pub fn findings(conditions: &[Condition], shape: &Shape) -> Vec<Finding> {
    let mut findings = Vec::new();
    for condition in conditions {
        let column = shape.key_columns().find(|c| c.name == condition.column);
        let finding = |key| Finding::new("filter", Text::new(key).with("name", &condition.column));
        match column {
            None => findings.push(finding("exchange-filter-key")),
            Some(column) if value(condition, &column.kind.arrow()).is_err() => {
                findings.push(finding("exchange-filter-value"));
            }
            Some(_) => {}
        }
    }
    findings
}

/// The rows for which all conditions hold.
pub fn apply(conditions: &[Condition], batch: &RecordBatch) -> Result<RecordBatch, Fault> {
    let failed = |e| Fault::caused_by("filter rows", e);
    let mut mask: Option<BooleanArray> = None;
    for condition in conditions {
        let column = batch
            .column_by_name(&condition.column)
            .ok_or_else(|| Fault::new("a filter names a column that rows do not have"))?;
        let one = hold(condition, column)?;
        mask = Some(match mask {
            Some(mask) => and(&mask, &one).map_err(failed)?,
            None => one,
        });
    }
    match mask {
        Some(mask) => filter_record_batch(batch, &mask).map_err(failed),
        None => Ok(batch.clone()),
    }
}

fn hold(condition: &Condition, column: &ArrayRef) -> Result<BooleanArray, Fault> {
    let failed = |e| Fault::caused_by("compare rows", e);
    if condition.is == Comparison::BeginsWith {
        let pattern = condition
            .value
            .replace('\\', r"\\")
            .replace('%', r"\%")
            .replace('_', r"\_");
        let pattern = Scalar::new(StringArray::from(vec![format!("{pattern}%")]));
        return like(column, &pattern).map_err(failed);
    }
    let value = Scalar::new(value(condition, column.data_type())?);
    match condition.is {
        Comparison::Equals | Comparison::BeginsWith => cmp::eq(column, &value),
        Comparison::Differs => cmp::neq(column, &value),
        Comparison::AtLeast => cmp::gt_eq(column, &value),
        Comparison::AtMost => cmp::lt_eq(column, &value),
    }
    .map_err(failed)
}

/// The condition's value as the column has it.
fn value(condition: &Condition, kind: &arrow::datatypes::DataType) -> Result<ArrayRef, Fault> {
    let unfit = || Fault::new("a filter's value is not of its column's type");
    if condition.is == Comparison::BeginsWith && *kind != arrow::datatypes::DataType::Utf8 {
        return Err(unfit());
    }
    let text = StringArray::from(vec![condition.value.as_str()]);
    let array = cast(&text, kind).map_err(|e| Fault::caused_by("read a filter's value", e))?;
    if array.is_null(0) {
        Err(unfit())
    } else {
        Ok(array)
    }
}
