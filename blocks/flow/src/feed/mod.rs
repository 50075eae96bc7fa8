//! Feeds: which publication brings which source's facts into which registry, as a pack says it.
//! Which source is right about a field is the registry's own matter.

pub mod act;
pub(crate) mod file;
pub(crate) mod store;

use std::collections::BTreeMap;

use kernel::{Finding, Text};
use serde::{Deserialize, Serialize};

pub use crate::schema::feeding::Model as Feeding;

/// A feed as a pack declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    pub registry: String,
    /// Code of the publication in the exchange.
    pub publication: String,
    /// Who speaks, as the registry's authorities name it.
    pub source: String,
    /// Field of the registry → column of the publication.
    pub fields: BTreeMap<String, String>,
    #[serde(default)]
    pub gone: Gone,
}

/// What becomes of facts whose row is gone at the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gone {
    /// The source takes back what it said, except what a record cannot be without.
    #[default]
    Retract,
    /// What it said stays.
    Keep,
}

impl Feed {
    /// Everything wrong with it that can be seen without the registry.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let named = [
            ("registry", &self.registry),
            ("publication", &self.publication),
            ("source", &self.source),
        ];
        for (field, _) in named.into_iter().filter(|(_, text)| text.is_empty()) {
            findings.push(Finding::new(field, Text::new("flow-feed-blank")));
        }
        if self.fields.is_empty() {
            findings.push(Finding::new("fields", Text::new("flow-feed-fields")));
        }
        findings
    }

    /// The columns of the publication that it carries, each once.
    pub(crate) fn columns(&self) -> Vec<String> {
        let all: std::collections::BTreeSet<_> = self.fields.values().cloned().collect();
        all.into_iter().collect()
    }
}
