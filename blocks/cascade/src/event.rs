//! Events of the cascade.

use serde::{Deserialize, Serialize};
use store::EventBody;

/// This hub joined a superior one, left it, or was struck off there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SuperiorMoved {
    pub hub: String,
    pub node: String,
    pub state: String,
}

impl EventBody for SuperiorMoved {
    const KIND: &'static str = "cascade.superior_moved.v1";
}

/// A hub below this one joined, left, or was struck off.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InferiorMoved {
    pub node: String,
    pub org: String,
    pub state: String,
    pub reason: String,
}

impl EventBody for InferiorMoved {
    const KIND: &'static str = "cascade.inferior_moved.v1";
}
