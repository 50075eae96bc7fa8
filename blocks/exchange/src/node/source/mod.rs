//! Where rows come from.

pub mod folder;
pub mod http;
mod numeric;
pub mod odbc;
mod postgres;
mod renamed;
mod replication;
pub mod table;

use arrow::array::RecordBatch;
use kernel::Fault;

use crate::{data::chunk::Kind, wire::BatchKind};

/// What of a source is to be read.
#[derive(Clone, Debug)]
pub struct Plan {
    pub kind: BatchKind,
    /// What the last reading ended with.
    pub since: Option<String>,
}

/// What a reading ended with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// For the next reading; none where this one saw nothing.
    pub watermark: Option<String>,
    /// Whether everything was read although changes were asked for.
    pub is_full: bool,
}

/// Takes raw columns: those of the publication in its order, or of its key for rows that are gone.
pub type Take<'a> = dyn FnMut(Kind, RecordBatch) -> Result<(), Fault> + 'a;

/// How a source's failure is told: what failed and what its driver says.
pub(crate) fn failed(what: &str, error: impl std::fmt::Display) -> Fault {
    Fault::new(format!("{what}: {error}")).transient()
}
