//! What a table of the lake is: columns, key, rules, who sees which rows.

pub(crate) mod store;

use std::{collections::BTreeSet, sync::Arc};

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use kernel::{Finding, Text};
use serde::{Deserialize, Serialize};

use crate::quality::{Check, Rule};

/// A table as a pack or the catalog declares it; plain data, in TOML or JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Name in SQL: small letters, digits and `_`, a letter first.
    pub id: String,
    pub title: Title,
    /// Credit code of the department that answers for it; empty for the centre's own.
    #[serde(default)]
    pub org: String,
    /// Columns that tell rows apart; merging needs them.
    #[serde(default)]
    pub key: Vec<String>,
    /// Whose rows a reader sees who may not see all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowPolicy>,
    /// Who besides its own department may read it.
    #[serde(default, skip_serializing_if = "Sharing::is_free")]
    pub sharing: Sharing,
    /// Days for which earlier versions can be asked.
    #[serde(default = "thirty_days")]
    pub keep_days: u32,
    pub columns: Vec<Column>,
    #[serde(default)]
    pub rules: Vec<Rule>,
}

fn thirty_days() -> u32 {
    30
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Title {
    pub zh: String,
    pub en: String,
}

/// Who besides its own department may read a table; what is later in this list is stricter.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = LakeSharing)]
pub enum Sharing {
    /// Everybody who may ask the lake.
    #[default]
    Free,
    /// Departments that hold a grant, and of its columns only.
    Granted,
    /// No other department.
    Withheld,
}

impl Sharing {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde asks with a reference"
    )]
    fn is_free(&self) -> bool {
        *self == Self::Free
    }
}

/// Rows belong to a region or an organisation; a reader sees those of his posts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum RowPolicy {
    /// A text column with region codes; a city's post sees its districts.
    Region(String),
    /// A text column with credit codes of organisations.
    Org(String),
}

impl RowPolicy {
    pub fn column(&self) -> &str {
        match self {
            Self::Region(column) | Self::Org(column) => column,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    pub id: String,
    pub title: Title,
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Places behind the point of a decimal.
    #[serde(default)]
    pub places: i8,
    /// 1 open … 4 most sensitive; from 3 on it is masked.
    #[serde(default = "internal")]
    pub sensitivity: u8,
    /// How it is masked; whole where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<kernel::mask::Kind>,
    /// Whether it says whom a row is about: a person's number, a firm's code. Those that are
    /// checked or masked as one do without saying.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub subject: bool,
    /// Catalog resource and its column that the values come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Origin>,
}

fn internal() -> u8 {
    2
}

/// Sensitivity from which values are masked.
pub const SENSITIVE: u8 = 3;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    pub resource: String,
    pub column: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = LakeKind)]
pub enum Kind {
    Text,
    Integer,
    /// Binary floating point.
    Number,
    /// Exact, with 38 digits.
    Decimal,
    Boolean,
    Date,
    /// With microseconds, UTC.
    Moment,
}

impl Column {
    pub fn is_sensitive(&self) -> bool {
        self.sensitivity >= SENSITIVE
    }

    pub fn data_type(&self) -> DataType {
        match self.kind {
            Kind::Text => DataType::Utf8,
            Kind::Integer => DataType::Int64,
            Kind::Number => DataType::Float64,
            Kind::Decimal => DataType::Decimal128(38, self.places),
            Kind::Boolean => DataType::Boolean,
            Kind::Date => DataType::Date32,
            Kind::Moment => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }

    /// The value as a reader may see it who may not see it whole.
    pub fn masked(&self, value: &str) -> String {
        masked(self.mask, value)
    }
}

impl Table {
    pub fn column(&self, id: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.id == id)
    }

    /// Columns that say whom a row is about.
    pub fn subjects(&self) -> impl Iterator<Item = &Column> {
        use kernel::mask::Kind as Mask;
        let is_checked = |column: &Column| {
            let is_number = |rule: &Rule| matches!(rule.check, Check::Citizen | Check::Uscc);
            let mut rules = self.rules.iter();
            rules.any(|rule| rule.column == column.id && is_number(rule))
        };
        let is_masked =
            |column: &Column| matches!(column.mask, Some(Mask::Id | Mask::Passport | Mask::Uscc));
        self.columns.iter().filter(move |column| {
            column.kind == Kind::Text && (column.subject || is_masked(column) || is_checked(column))
        })
    }

    /// Its columns as Arrow has them; every one may be empty, because rules decide about that.
    pub fn schema(&self) -> SchemaRef {
        let fields = self
            .columns
            .iter()
            .map(|column| Field::new(&column.id, column.data_type(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// Everything wrong with the declaration.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !is_name(&self.id) {
            findings.push(Finding::new("id", Text::new("lake-name-unfit")));
        }
        let mut known = BTreeSet::new();
        for column in &self.columns {
            let field = format!("columns.{}", column.id);
            if !is_name(&column.id) {
                findings.push(Finding::new(&field, Text::new("lake-name-unfit")));
            }
            if !known.insert(column.id.as_str()) {
                findings.push(Finding::new(&field, Text::new("lake-column-twice")));
            }
            let can_mask = column.kind == Kind::Text || column.mask.is_none();
            if !can_mask || !(0..=18).contains(&column.places) {
                findings.push(Finding::new(&field, Text::new("lake-column-unfit")));
            }
        }
        if known.is_empty() {
            findings.push(Finding::new("columns", Text::new("lake-columns-missing")));
        }
        let policy = self.rows.iter().map(|rows| ("rows", rows.column()));
        let named = self.key.iter().map(|column| ("key", column.as_str()));
        for (field, column) in named.chain(policy).filter(|(_, c)| !known.contains(c)) {
            let text = Text::new("lake-column-unknown").with("column", column);
            findings.push(Finding::new(field, text));
        }
        for rule in &self.rules {
            findings.extend(rule.findings(self));
        }
        findings
    }
}

/// A value hidden by its kind, or whole. A whole one tells no length beyond eight.
pub(crate) fn masked(kind: Option<kernel::mask::Kind>, value: &str) -> String {
    match kind {
        Some(kind) => kernel::mask::mask(kind, kernel::mask::Profile::Internal, value),
        None => "*".repeat(value.chars().count().min(8)),
    }
}

/// What needs no quotes in SQL and no escapes in a path.
pub(crate) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_lowercase())
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && text.len() <= 63
}
