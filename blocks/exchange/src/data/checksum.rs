//! A checksum of rows that does not depend on their order, so that both ends of a delivery can be
//! compared whatever order their databases tell rows in.
//!
//! Each row's values are written one after another (a byte that says whether there is one, then
//! the value; texts with their length before them), `SipHash-1-3` makes 128 bits of that, and the sum
//! of all rows' hashes is the checksum. It finds accidents; forgery is found by the signatures.

use std::{fmt, str::FromStr};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
    },
};
use kernel::Fault;
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};

/// Rows and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum(u128);

impl Checksum {
    /// Adds the rows of a batch.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), Fault> {
        let columns: Vec<Values<'_>> = batch
            .columns()
            .iter()
            .map(Values::of)
            .collect::<Result<_, _>>()?;
        let mut bytes = Vec::with_capacity(256);
        for row in 0..batch.num_rows() {
            bytes.clear();
            for column in &columns {
                column.write(row, &mut bytes);
            }
            self.0 = self.0.wrapping_add(hash(&bytes));
        }
        Ok(())
    }

    /// Both parts' rows together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }
}

/// 128 bits that tell some columns of a row from others.
pub fn hash(bytes: &[u8]) -> u128 {
    use std::hash::Hasher;
    let mut hasher = SipHasher13::new_with_keys(0x746f_6e67_6261_6e31, 0);
    hasher.write(bytes);
    hasher.finish128().as_u128()
}

/// The hash of each row of some columns.
pub fn row_hashes(columns: &[ArrayRef], rows: usize) -> Result<Vec<u128>, Fault> {
    let columns: Vec<Values<'_>> = columns.iter().map(Values::of).collect::<Result<_, _>>()?;
    let mut bytes = Vec::with_capacity(64);
    let hashes = (0..rows).map(|row| {
        bytes.clear();
        for column in &columns {
            column.write(row, &mut bytes);
        }
        hash(&bytes)
    });
    Ok(hashes.collect())
}

/// A column's values, of one of the types that travel.
enum Values<'a> {
    Text(&'a arrow::array::StringArray),
    Integer(&'a arrow::array::Int64Array),
    Decimal(&'a arrow::array::Decimal128Array),
    Float(&'a arrow::array::Float64Array),
    Boolean(&'a arrow::array::BooleanArray),
    Date(&'a arrow::array::Date32Array),
    Timestamp(&'a arrow::array::TimestampMicrosecondArray),
}

impl<'a> Values<'a> {
    fn of(array: &'a ArrayRef) -> Result<Self, Fault> {
        let missing = || {
            Fault::new(format!(
                "no checksum of a column of type {}",
                array.data_type()
            ))
        };
        let found = match array.data_type() {
            DataType::Utf8 => array.as_string_opt().map(Self::Text),
            DataType::Int64 => array.as_primitive_opt::<Int64Type>().map(Self::Integer),
            DataType::Decimal128(..) => array
                .as_primitive_opt::<Decimal128Type>()
                .map(Self::Decimal),
            DataType::Float64 => array.as_primitive_opt::<Float64Type>().map(Self::Float),
            DataType::Boolean => array.as_boolean_opt().map(Self::Boolean),
            DataType::Date32 => array.as_primitive_opt::<Date32Type>().map(Self::Date),
            DataType::Timestamp(..) => array
                .as_primitive_opt::<TimestampMicrosecondType>()
                .map(Self::Timestamp),
            _ => None,
        };
        found.ok_or_else(missing)
    }

    fn write(&self, row: usize, bytes: &mut Vec<u8>) {
        macro_rules! put {
            ($array:expr, $value:expr) => {
                if $array.is_null(row) {
                    bytes.push(0);
                } else {
                    bytes.push(1);
                    let value = $value;
                    bytes.extend_from_slice(&value);
                }
            };
        }
        match self {
            Self::Text(array) if array.is_null(row) => bytes.push(0),
            Self::Text(array) => {
                let text = array.value(row).as_bytes();
                bytes.push(1);
                bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
                bytes.extend_from_slice(text);
            }
            Self::Integer(array) => put!(array, array.value(row).to_le_bytes()),
            Self::Decimal(array) => put!(array, array.value(row).to_le_bytes()),
            // Of the two zeros databases keep one.
            Self::Float(array) => put!(array, (array.value(row) + 0.0).to_le_bytes()),
            Self::Boolean(array) => put!(array, [u8::from(array.value(row))]),
            Self::Date(array) => put!(array, array.value(row).to_le_bytes()),
            Self::Timestamp(array) => put!(array, array.value(row).to_le_bytes()),
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Checksum {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

impl Serialize for Checksum {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Checksum {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
