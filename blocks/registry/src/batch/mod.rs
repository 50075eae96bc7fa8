//! Files that a source delivers: read in one stream, checked row by row, written in steps that
//! survive a crash, and taken once however often they are sent.

pub mod act;
mod read;
pub(crate) mod store;

pub use read::NOTHING;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// What happens to good rows when others are bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Good rows are taken, bad ones told.
    KeepGood,
    /// One bad row, and nothing is taken.
    #[default]
    AllOrNothing,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::KeepGood => "keep_good",
            Self::AllOrNothing => "all_or_nothing",
        }
    }
}

/// How far a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BatchState)]
pub enum State {
    /// Begun; sending the file again goes on where it stopped.
    Loading,
    Loaded,
    /// Nothing of it was taken.
    Refused,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Loaded => "loaded",
            Self::Refused => "refused",
        }
    }

    pub(crate) fn of_name(name: &str) -> Self {
        match name {
            "loaded" => Self::Loaded,
            "refused" => Self::Refused,
            _ => Self::Loading,
        }
    }
}

/// A file and what became of it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RegistryBatch)]
pub struct Batch {
    #[schema(example = "population")]
    pub registry: String,
    #[schema(example = "police-2026-03-02")]
    pub id: String,
    #[schema(example = "police")]
    pub source: String,
    /// SM3 of the file, hexadecimal.
    pub digest: String,
    pub state: State,
    pub valid_from: NaiveDate,
    /// Data rows read to the end of a durable step.
    pub rows: i64,
    pub inserted: i64,
    pub updated: i64,
    pub unchanged: i64,
    pub refused: i64,
    pub started_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// Why a cell, or a whole row, was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Row of the file; the header is row 1.
    pub row: i64,
    /// Empty where the row as a whole is wrong.
    pub column: String,
    /// Key and arguments of the message.
    pub key: String,
    pub args: Vec<(String, String)>,
}

/// Refusals kept of a file at the most; more of them are only counted.
pub const REFUSALS_KEPT: i64 = 10_000;
