//! Resources that the hub answers itself, from a registry or a table of the lake: whether values
//! are those on record, or the fields that a grant's purpose needs.

mod record;
mod table;

use std::collections::BTreeMap;

use identity::{Actor, Post};
use kernel::{Error, Finding, Result, Text};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use web::App;

use crate::operation::Operation;

/// Bytes of a question at the most.
pub const LARGEST: u64 = 64 << 10;
/// Held for the time of one call; the policy file says what it may read.
const POST: &str = "gateway.query";

/// What is asked of which registry, or of which table of the lake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GatewayQuery)]
pub struct Query {
    #[serde(default)]
    #[schema(example = "population")]
    pub registry: String,
    /// A table of the lake, instead of a registry.
    #[serde(default)]
    #[schema(example = "")]
    pub lake: String,
    /// Columns of that table by which a question finds its rows; a registry has its key.
    #[serde(default)]
    #[schema(example = json!([]))]
    pub key: Vec<String>,
    /// Fields that the question gives and the answer compares: yes or no, and nothing else.
    #[serde(default)]
    #[schema(example = json!(["xm"]))]
    pub compare: Vec<String>,
    /// Fields that the answer gives.
    #[serde(default)]
    pub fields: Vec<String>,
}

impl Query {
    /// The one thing that can be called.
    pub fn operation(&self) -> Operation {
        Operation {
            method: "POST".into(),
            path: "/".into(),
            summary: if self.fields.is_empty() {
                "verify".into()
            } else {
                "look up".into()
            },
        }
    }

    /// What of it does not fit the registry, or the table of this department; whose fields it may
    /// not offer.
    pub async fn findings(&self, app: &App, org: &str) -> Result<Vec<Finding>> {
        let finding = |text| Finding::new("query", text);
        let mut findings = match (self.registry.is_empty(), self.lake.is_empty()) {
            (false, true) => record::findings(app, self, org).await?,
            (true, false) => table::findings(app, self, org).await?,
            _ => vec![Text::new("gateway-query-where")],
        };
        if self.compare.is_empty() == self.fields.is_empty() {
            findings.push(Text::new("gateway-query-kind"));
        }
        Ok(findings.into_iter().map(finding).collect())
    }

    /// What it compares or gives, as far as that organisation does not answer for it now.
    pub(crate) async fn foreign(&self, app: &App, org: &str) -> Result<Vec<String>> {
        if self.lake.is_empty() {
            record::foreign(app, self, org).await
        } else {
            table::foreign(app, self, org).await
        }
    }

    /// Names that it does not know.
    fn unknown(&self, is_known: impl Fn(&str) -> bool) -> Vec<Text> {
        let names = self.key.iter().chain(&self.compare).chain(&self.fields);
        names
            .filter(|name| !is_known(name))
            .map(|name| Text::new("gateway-query-field").with("name", name))
            .collect()
    }
}

/// Who asks, with the rights of a query and no others. The trace names the same user and his
/// department, so that the citizen sees who used her data.
fn asking(actor: &Actor, org: &str) -> Actor {
    let name = actor.posts.iter().find(|post| post.org == org);
    let post = Post {
        post: POST.into(),
        org: org.into(),
        org_name: name.map(|post| post.org_name.clone()).unwrap_or_default(),
        region: name.map(|post| post.region.clone()).unwrap_or_default(),
        held_for: None,
    };
    Actor {
        posts: vec![post],
        ..actor.clone()
    }
}

/// Answers a question.
pub async fn answer(
    app: &App,
    actor: &Actor,
    org: &str,
    purpose: &str,
    query: &Query,
    question: &[u8],
) -> Result<Value> {
    let actor = asking(actor, org);
    if query.lake.is_empty() {
        record::answer(app, &actor, purpose, query, question).await
    } else {
        table::answer(app, &actor, purpose, query, question).await
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The question's values as texts; those of the key and those to compare must be there, and no
/// others.
fn read(key: &[String], query: &Query, question: &[u8]) -> Result<BTreeMap<String, String>> {
    let wrong = |_| Error::invalid("", Text::new("gateway-question-json"));
    let object: Map<String, Value> = serde_json::from_slice(question).map_err(wrong)?;
    let wanted: Vec<&String> = key.iter().chain(&query.compare).collect();
    let mut findings = Vec::new();
    for name in object.keys() {
        if !wanted.contains(&name) {
            let text = Text::new("gateway-question-unknown").with("name", name);
            findings.push(Finding::new(name, text));
        }
    }
    for name in &wanted {
        if object
            .get(*name)
            .is_none_or(|value| plain(value).is_empty())
        {
            let text = Text::new("gateway-question-missing").with("name", name);
            findings.push(Finding::new(*name, text));
        }
    }
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    let cells = object.into_iter();
    Ok(cells.map(|(name, value)| (name, plain(&value))).collect())
}
