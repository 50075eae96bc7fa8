//! Hiding values while they are read: a function of the engine over text columns.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{AsArray, StringArray},
        compute::cast,
        datatypes::DataType,
    },
    error::Result,
    logical_expr::{
        ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};

use crate::Column;

/// The column as a reader sees it who may not see it whole.
pub(crate) fn masked(column: &Column, value: Expr) -> Expr {
    ScalarUDF::from(Mask::new(column.mask)).call(vec![value])
}

/// Name of the function in plans; no question can call it.
pub(crate) const NAME: &str = "masked";

#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mask {
    pub(crate) kind: Option<kernel::mask::Kind>,
    signature: Signature,
}

impl Mask {
    pub(crate) fn new(kind: Option<kernel::mask::Kind>) -> Self {
        Self {
            kind,
            signature: Signature::any(1, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Mask {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let value = args.args.into_iter().next();
        let value = value.map_or_else(
            || Ok(Arc::new(StringArray::new_null(rows)) as _),
            |v| v.into_array(rows),
        )?;
        let texts = cast(&value, &DataType::Utf8)?;
        let hidden: StringArray = texts
            .as_string::<i32>()
            .iter()
            .map(|text| text.map(|text| crate::declaration::masked(self.kind, text)))
            .collect();
        Ok(ColumnarValue::Array(Arc::new(hidden)))
    }
}
