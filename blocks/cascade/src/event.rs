//! Events of the cascade.

use serde::{Deserialize, Serialize};
use store::EventBody;

/// This hub joined a superior one, or left it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SuperiorMoved {
    pub hub: String,
    pub node: String,
    pub state: String,
}

impl EventBody for SuperiorMoved {
    const KIND: &'static str = "cascade.superior_moved.v1";
}
