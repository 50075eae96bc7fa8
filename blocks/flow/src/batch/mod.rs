//! Batches of the exchange on their way into the lake, publication by publication in the order of
//! their numbers.

pub mod act;
pub(crate) mod rows;
pub(crate) mod store;

use serde::{Deserialize, Serialize};

pub use crate::schema::batch::Model as Batch;

/// How far a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FlowState)]
pub enum State {
    Waiting,
    Loaded,
    /// It does not go on by itself, and what comes after it waits.
    Failed,
    /// A full batch came after it, so that it is needed no more.
    Superseded,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Loaded => "loaded",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }

    pub fn of_name(name: &str) -> Self {
        match name {
            "loaded" => Self::Loaded,
            "failed" => Self::Failed,
            "superseded" => Self::Superseded,
            _ => Self::Waiting,
        }
    }
}

impl Batch {
    pub fn standing(&self) -> State {
        State::of_name(&self.state)
    }
}
