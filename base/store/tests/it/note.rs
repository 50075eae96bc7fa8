//! The event of these tests.

use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    pub text: String,
}

impl store::EventBody for Noted {
    const KIND: &'static str = "test.noted.v1";
}
