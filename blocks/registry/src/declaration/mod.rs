//! What a registry is: its fields, their sources and rules, as a pack declares them.

mod change;
mod read;

use kernel::mask;

pub(crate) use change::is_indexed;
pub use change::{Change, change};
pub use read::{Mistake, read};

/// A registry as its pack declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// Part of the tables' names: `population`.
    pub id: String,
    pub title: Title,
    /// Fields that together identify a record; all are required.
    pub key: Vec<String>,
    /// Field that holds the citizen number or social credit code of whom a record is about.
    pub subject: Option<String>,
    /// Field by which people call a record.
    pub name: Option<String>,
    pub fields: Vec<Field>,
}

/// Words in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Title {
    pub zh: String,
    pub en: String,
}

impl Title {
    pub fn in_language(&self, is_chinese: bool) -> &str {
        if is_chinese || self.en.is_empty() {
            &self.zh
        } else {
            &self.en
        }
    }
}

/// One field of a registry, one column of its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub id: String,
    pub title: Title,
    pub kind: Kind,
    pub is_required: bool,
    /// Characters at the most; of texts only.
    pub max_length: usize,
    /// Smallest and largest integer.
    pub range: (i64, i64),
    /// A structure with a check digit.
    pub code: Option<Code>,
    /// The code table whose codes are allowed.
    pub code_table: Option<String>,
    /// The values allowed; empty for any.
    pub one_of: Vec<String>,
    /// The registry whose record keys are allowed.
    pub reference: Option<String>,
    /// Level 1 public … 4 highly sensitive; from 3 on values are masked.
    pub sensitivity: u8,
    pub mask: Option<mask::Kind>,
    /// Whether a citizen number stands beside it. Its mask leaves the last four characters, so a
    /// masked birth date shows the year only: with the month, a few tries would tell the number.
    pub is_beside_number: bool,
    /// Names of sources, the one with most authority first.
    pub authority: Vec<String>,
    pub conflict: Conflict,
    pub search: Search,
    pub is_unique: bool,
    /// What it tells when records are compared with each other.
    pub role: Option<Role>,
}

/// Level from which on values are masked and reads are logged.
pub const SENSITIVE: u8 = 3;

impl Field {
    pub fn is_sensitive(&self) -> bool {
        self.sensitivity >= SENSITIVE
    }
}

/// The type of a field's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    /// Kept as an integer count of the last decimal place.
    Decimal {
        /// Decimal places, at most 6.
        scale: u8,
    },
    Boolean,
    Date,
}

/// Structures with rules of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Citizen number; one of 15 digits is written as its 18 characters.
    Citizen,
    /// Unified social credit code.
    Uscc,
    /// Organisation code.
    Org,
    /// Region code of 6, 9 or 12 digits.
    Region,
}

/// What happens when sources differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conflict {
    /// The source with most authority is right, the latest of its statements.
    #[default]
    AuthorityWins,
    /// The latest statement is right, whoever made it.
    LatestWins,
    /// The first value stays until a correction was approved.
    Manual,
}

/// What a field tells of whom a record is about, when records are compared with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Citizen number or social credit code.
    Number,
    Name,
    Sex,
    /// Birth, or the day on which a body was founded.
    Birth,
    Phone,
    Address,
}

/// How a field can be searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Search {
    #[default]
    No,
    /// By the whole value.
    Exact,
    /// By the beginning of the value.
    Prefix,
    /// By the beginning of the value, its pinyin or the initials of its pinyin.
    Pinyin,
}

impl Declaration {
    pub fn field(&self, id: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.id == id)
    }

    /// The field that is searched by pinyin; one at the most.
    pub fn pinyin(&self) -> Option<&Field> {
        self.fields.iter().find(|f| f.search == Search::Pinyin)
    }

    /// Whether reads of records are logged.
    pub fn is_sensitive(&self) -> bool {
        self.fields.iter().any(Field::is_sensitive)
    }

    /// The first field of a role that has a value in a record speaks for it.
    pub fn in_role(&self, role: Role) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(move |f| f.role == Some(role))
    }

    /// Whether records can be compared with each other: by a name and something besides.
    pub fn can_be_matched(&self) -> bool {
        let mut others = self.fields.iter().filter_map(|f| f.role);
        self.in_role(Role::Name).next().is_some()
            && others.any(|r| matches!(r, Role::Birth | Role::Phone | Role::Address))
    }

    /// Table of what is true today.
    pub fn table(&self) -> String {
        format!("registry_{}", self.id)
    }

    /// Table of statements.
    pub fn history(&self) -> String {
        format!("registry_{}_history", self.id)
    }

    /// Every source that some field names.
    pub fn sources(&self) -> std::collections::BTreeSet<&str> {
        let named = self.fields.iter().flat_map(|f| &f.authority);
        named.map(String::as_str).collect()
    }
}
