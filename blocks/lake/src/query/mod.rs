//! Questions in SQL: who may read what is decided before a row is read, and nothing that is written
//! in the question can get round it.

pub(crate) mod act;
pub(crate) mod guard;
pub(crate) mod mask;
mod measured;
mod plan;
mod size;
pub(crate) mod store;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use chrono::{DateTime, Utc};
use datafusion::arrow::{array::RecordBatch, datatypes::SchemaRef};
use futures::stream::BoxStream;
use kernel::Result;

pub(crate) use act::end_lost;
pub use act::{ask, ask_about, describe};

/// A question as somebody puts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub sql: String,
    /// What it is asked for; kept with the question.
    pub purpose: String,
    /// The tables as they were then; as they are now where nothing is said.
    pub as_of: Option<DateTime<Utc>>,
    pub door: Door,
    /// Rows of the answer; the settings bound it.
    pub most: u64,
}

/// Through which door it came, and with it what becomes of an answer with too many rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Page,
    Api,
    /// A program reads to the end: a cut answer would pass for a whole one, so it fails instead.
    Stream,
    Flight,
}

impl Door {
    pub fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Api => "api",
            Self::Stream => "stream",
            Self::Flight => "flight",
        }
    }

    fn cuts(self) -> bool {
        matches!(self, Self::Page | Self::Api)
    }
}

/// An answer on its way.
pub struct Answer {
    /// Number of the question.
    pub id: String,
    pub schema: SchemaRef,
    /// Columns that were hidden from this reader, as `table.column`.
    pub hidden: Vec<String>,
    pub rows: BoxStream<'static, Result<RecordBatch>>,
    /// Set before the stream ends.
    is_cut: Arc<AtomicBool>,
}

impl Answer {
    /// Whether there are more rows than were given; known at the end of [`Answer::rows`].
    pub fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Acquire)
    }
}

/// A question that was looked at, and not asked yet.
pub struct Described {
    pub schema: SchemaRef,
    pub hidden: Vec<String>,
}

/// Characters of a question.
pub const LONGEST: usize = 20_000;
/// Rows of an answer on a page.
pub const PAGE_ROWS: u64 = 500;
/// Rows of an answer in JSON.
pub const JSON_ROWS: u64 = 10_000;
