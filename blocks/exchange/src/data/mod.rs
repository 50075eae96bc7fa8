//! What travels: the columns of a publication, rows as Arrow, chunks, checksums. No database, no
//! network.

pub mod checksum;
pub mod chunk;
pub mod filter;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use kernel::{Finding, Text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The type of a column's values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ExchangeColumnType)]
pub enum Type {
    #[default]
    Text,
    /// 64 bits.
    Integer,
    /// `digits` in all, `scale` of them after the point.
    Decimal {
        digits: u8,
        scale: i8,
    },
    /// 64 bits, never infinite and always a number.
    Float,
    Boolean,
    Date,
    /// Microseconds on the wall clock of the source.
    Timestamp,
}

impl Type {
    pub fn arrow(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Integer => DataType::Int64,
            Self::Decimal { digits, scale } => DataType::Decimal128(digits, scale),
            Self::Float => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }
}

/// A column of a publication.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ExchangeColumn)]
pub struct Column {
    /// As it is called in the exchange; lower-case letters, digits and `_`.
    #[schema(example = "gmsfhm")]
    pub name: String,
    /// In words.
    #[serde(default)]
    #[schema(example = "公民身份号码")]
    pub title: String,
    #[serde(default, rename = "type")]
    pub kind: Type,
    /// Whether every row has a value.
    #[serde(default)]
    pub required: bool,
    /// Longest text in characters; 0 where nothing is said.
    #[serde(default)]
    #[schema(example = 18)]
    pub length: u32,
}

/// Columns and which of them tell rows apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    pub columns: Vec<Column>,
    pub key: Vec<String>,
}

/// Columns of a publication at the most.
pub const MOST_COLUMNS: usize = 1000;
/// Digits of a decimal at the most.
const MOST_DIGITS: u8 = 38;

impl Shape {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub fn schema(&self) -> SchemaRef {
        let fields: Vec<Field> = self.columns.iter().map(|c| field(c, !c.required)).collect();
        Arc::new(Schema::new(fields))
    }

    /// Of rows that are gone, only the key is told.
    pub fn key_schema(&self) -> SchemaRef {
        let fields: Vec<Field> = self.key_columns().map(|c| field(c, false)).collect();
        Arc::new(Schema::new(fields))
    }

    pub fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().filter_map(|name| self.column(name))
    }

    /// The same with some of the columns, in this shape's order.
    #[must_use]
    pub fn project(&self, columns: &[String]) -> Self {
        let kept = self.columns.iter().filter(|c| columns.contains(&c.name));
        Self {
            columns: kept.cloned().collect(),
            key: self.key.clone(),
        }
    }

    /// What is wrong with it; `place` is put before the names of fields.
    pub fn findings(&self, place: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut found =
            |field: &str, text: Text| findings.push(Finding::new(format!("{place}{field}"), text));
        if self.columns.is_empty() || self.columns.len() > MOST_COLUMNS {
            found(
                "columns",
                Text::new("exchange-columns-count").with("most", MOST_COLUMNS),
            );
        }
        let mut seen = std::collections::HashSet::new();
        for column in &self.columns {
            let name = &column.name;
            if !is_name(name) {
                found("columns", Text::new("exchange-name").with("name", name));
            } else if !seen.insert(name) {
                found(
                    "columns",
                    Text::new("exchange-column-twice").with("name", name),
                );
            }
            if let Type::Decimal { digits, scale } = column.kind
                && (!(1..=MOST_DIGITS).contains(&digits)
                    || scale < 0
                    || scale.unsigned_abs() > digits)
            {
                found(
                    "columns",
                    Text::new("exchange-column-digits").with("name", name),
                );
            }
        }
        if self.key.is_empty() {
            found("key", Text::new("exchange-key-missing"));
        }
        for name in &self.key {
            match self.column(name) {
                None => found(
                    "key",
                    Text::new("exchange-column-unknown").with("name", name),
                ),
                Some(column) if !column.required => {
                    found("key", Text::new("exchange-key-required").with("name", name));
                }
                Some(_) => {}
            }
        }
        findings
    }
}

fn field(column: &Column, is_nullable: bool) -> Field {
    Field::new(&column.name, column.kind.arrow(), is_nullable)
}

/// Names of columns, tables, publications and nodes: what every database takes without quotes.
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_lowercase() || b == b'_')
        && name.len() <= 63
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Codes of publications and nodes: as names, with `-` and `.`.
pub fn is_code(code: &str) -> bool {
    let mut bytes = code.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && code.len() <= 63
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_tells_everything_that_is_wrong_with_it() {
        let column = |name: &str, kind| Column {
            name: name.into(),
            kind,
            ..Column::default()
        };
        let shape = Shape {
            columns: vec![
                column("id", Type::Text),
                column("id", Type::Text),
                column("Name", Type::Text),
                column(
                    "sum",
                    Type::Decimal {
                        digits: 3,
                        scale: 4,
                    },
                ),
            ],
            key: vec!["id".into(), "gone".into()],
        };
        let keys: Vec<_> = shape.findings("").iter().map(|f| f.text.key).collect();
        assert_eq!(
            keys,
            [
                "exchange-column-twice",
                "exchange-name",
                "exchange-column-digits",
                "exchange-key-required",
                "exchange-column-unknown"
            ]
        );
    }
}
