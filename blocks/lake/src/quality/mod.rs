//! Rules that rows must keep, as plain data.

pub(crate) mod check;
mod filter;
pub(crate) mod known;
pub(crate) mod seen;

use datafusion::{common::DFSchema, prelude::SessionContext};
use kernel::{Finding, Text};
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::declaration::{Kind, Table, is_name};

/// One rule of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name in reports, unique in the table.
    pub id: String,
    /// The column it speaks of; empty for rules over several.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub column: String,
    /// What becomes of a row that breaks it.
    #[serde(default)]
    pub then: Then,
    #[serde(flatten)]
    pub check: Check,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// The row is set aside.
    #[default]
    SetAside,
    /// The row is taken and counted.
    Warn,
}

/// What is checked. An empty value breaks only [`Check::Required`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "check", rename_all = "snake_case")]
pub enum Check {
    Required,
    /// Characters of a text.
    Length {
        #[serde(default)]
        least: u32,
        most: u32,
    },
    /// The value is a code of this table.
    Code {
        table: String,
    },
    /// The whole text matches this regular expression.
    Pattern {
        pattern: String,
    },
    /// A number between these, both included.
    Range {
        #[serde(default)]
        least: Option<f64>,
        #[serde(default)]
        most: Option<f64>,
    },
    /// A citizen number with its check character.
    Citizen,
    /// A unified social credit code with its check character.
    Uscc,
    /// No two rows have the same values in these columns.
    Unique {
        columns: Vec<String>,
    },
    /// A row of another table of the lake has this value in that column.
    Reference {
        table: String,
        to: String,
    },
    /// An SQL condition over the row; only what is false breaks it, as SQL's own CHECK has it.
    Condition {
        sql: String,
    },
    /// A date or moment not longer ago than so many days, and not in the future.
    Fresh {
        days: u32,
    },
}

/// The rule that every table has without saying: values are of the column's type.
pub const TYPE: &str = "type";
/// The rule that a table with a key has without saying: its columns are not empty.
pub const KEY: &str = "key";

impl Check {
    /// Message that says what a row broke and what to do.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Required => "lake-broke-required",
            Self::Length { .. } => "lake-broke-length",
            Self::Code { .. } => "lake-broke-code",
            Self::Pattern { .. } => "lake-broke-pattern",
            Self::Range { .. } => "lake-broke-range",
            Self::Citizen => "lake-broke-citizen",
            Self::Uscc => "lake-broke-uscc",
            Self::Unique { .. } => "lake-broke-unique",
            Self::Reference { .. } => "lake-broke-reference",
            Self::Condition { .. } => "lake-broke-condition",
            Self::Fresh { .. } => "lake-broke-fresh",
        }
    }

    /// Whether it speaks of the one column of its rule.
    fn is_of_column(&self) -> bool {
        !matches!(self, Self::Unique { .. } | Self::Condition { .. })
    }
}

/// The message for a reason as it is kept in the table of rows set aside.
pub fn reason_key(reason: &str) -> &'static str {
    match reason {
        "required" => "lake-broke-required",
        "length" => "lake-broke-length",
        "code" => "lake-broke-code",
        "pattern" => "lake-broke-pattern",
        "range" => "lake-broke-range",
        "citizen" => "lake-broke-citizen",
        "uscc" => "lake-broke-uscc",
        "unique" => "lake-broke-unique",
        "reference" => "lake-broke-reference",
        "condition" => "lake-broke-condition",
        "fresh" => "lake-broke-fresh",
        _ => "lake-broke-type",
    }
}

impl Rule {
    /// Everything wrong with it in its table.
    pub(crate) fn findings(&self, table: &Table) -> Vec<Finding> {
        let field = format!("rules.{}", self.id);
        let mut findings = Vec::new();
        let mut say = |text: Text| findings.push(Finding::new(&field, text));
        let same = table.rules.iter().filter(|rule| rule.id == self.id).count();
        if !is_name(&self.id) || same > 1 || [TYPE, KEY].contains(&&*self.id) {
            say(Text::new("lake-rule-name"));
        }
        let unknown = |column: &str| Text::new("lake-column-unknown").with("column", column);
        if self.check.is_of_column() {
            match table.column(&self.column) {
                None => say(unknown(&self.column)),
                Some(column) if !self.suits(column.kind) => say(Text::new("lake-rule-type")),
                Some(_) => {}
            }
        }
        match &self.check {
            Check::Unique { columns } => {
                let missing = columns.iter().filter(|c| table.column(c).is_none());
                missing.for_each(|column| say(unknown(column)));
            }
            Check::Pattern { pattern } if whole(pattern).is_err() => {
                say(Text::new("lake-rule-pattern"));
            }
            Check::Condition { sql } => {
                if let Err(reason) = condition(table, sql) {
                    say(Text::new("lake-rule-condition").with("reason", reason));
                }
            }
            _ => {}
        }
        findings
    }

    fn suits(&self, kind: Kind) -> bool {
        match &self.check {
            Check::Length { .. }
            | Check::Code { .. }
            | Check::Pattern { .. }
            | Check::Citizen
            | Check::Uscc => kind == Kind::Text,
            Check::Range { .. } => matches!(kind, Kind::Integer | Kind::Number | Kind::Decimal),
            Check::Fresh { .. } => matches!(kind, Kind::Date | Kind::Moment),
            _ => true,
        }
    }
}

/// A pattern that must match a whole text.
pub(crate) fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    regex::RegexBuilder::new(&format!("^(?:{pattern})$"))
        .size_limit(1 << 20)
        .build()
}

/// The condition ready to be evaluated over batches of the table's schema.
pub(crate) fn condition(
    table: &Table,
    sql: &str,
) -> Result<std::sync::Arc<dyn datafusion::physical_plan::PhysicalExpr>, String> {
    let words = |e: datafusion::error::DataFusionError| e.strip_backtrace();
    let context = SessionContext::new();
    let schema = DFSchema::try_from(table.schema()).map_err(words)?;
    let expr = context.parse_sql_expr(sql, &schema).map_err(words)?;
    let physical = context.create_physical_expr(expr, &schema).map_err(words)?;
    let kind = physical.data_type(schema.as_arrow()).map_err(words)?;
    if kind == datafusion::arrow::datatypes::DataType::Boolean {
        Ok(physical)
    } else {
        Err(format!("the condition is {kind}, not true or false"))
    }
}
