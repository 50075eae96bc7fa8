//! Batches: rows that come together under the deliverer's number, and are taken once.

mod act;
pub(crate) mod aside;
pub(crate) mod store;
pub(crate) mod text;

use serde::{Deserialize, Serialize};

pub use act::{list, report, take};

/// What rows do to those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = LakeMode)]
pub enum Mode {
    /// They are added.
    Append,
    /// They replace those with the same key. A Boolean column `_gone` may mark rows that the
    /// source has no more.
    Merge,
    /// They stand in place of all.
    Overwrite,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Merge => "merge",
            Self::Overwrite => "overwrite",
        }
    }
}

/// What becomes of a batch with rows that break rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnBad {
    /// The good rows are taken, the others set aside.
    #[default]
    SetAside,
    /// One bad row is enough to refuse all; the bad ones are told.
    RefuseAll,
}

impl OnBad {
    pub fn name(self) -> &'static str {
        match self {
            Self::SetAside => "set_aside",
            Self::RefuseAll => "refuse_all",
        }
    }
}

/// A batch as it is announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub table: String,
    /// The deliverer's number for it, unique in the table: letters, digits, `.`, `-`, `_`.
    pub id: String,
    pub mode: Mode,
    pub on_bad: OnBad,
    /// What delivered it, for people: a task of the exchange, a file.
    pub source: String,
}

/// What came of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BatchOutcome {
    #[schema(example = "social_insurance")]
    pub table: String,
    #[schema(example = "2026-03-02-001")]
    pub batch: String,
    /// `loaded` or `refused`; `loading` while it runs, or after it broke off.
    #[schema(example = "loaded")]
    pub state: String,
    /// Whether it had come before, and nothing was done now.
    pub is_repeat: bool,
    pub rows: i64,
    pub good: i64,
    pub bad: i64,
    /// Rows that were taken though a rule warns of them.
    pub warned: i64,
    /// Version of the table after it; -1 where nothing was written.
    pub version: i64,
    /// How many rows broke each rule.
    pub findings: Vec<BrokenRule>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BrokenRule {
    #[schema(example = "number")]
    pub rule: String,
    #[schema(example = "gmsfhm")]
    pub column: String,
    pub rows: i64,
}
