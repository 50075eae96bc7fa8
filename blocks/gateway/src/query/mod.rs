//! Resources that the hub answers itself, from a registry: whether values are those on record, or
//! the fields that a grant's purpose needs.

use identity::{Actor, Post};
use kernel::{Error, Finding, Result, Text};
use registry::{Declaration, Registries, record::act::view_by_key};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use web::App;

use crate::operation::Operation;

/// Bytes of a question at the most.
pub const LARGEST: u64 = 64 << 10;
/// Held for the time of one call; the policy file says what it may read.
const POST: &str = "gateway.query";

/// What is asked of which registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GatewayQuery)]
pub struct Query {
    #[schema(example = "population")]
    pub registry: String,
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

    /// What of it does not fit the registry.
    pub async fn findings(&self, app: &App) -> Result<Vec<Finding>> {
        let registries = app.part::<Registries>()?;
        let mut findings = Vec::new();
        let mut found = |text| findings.push(Finding::new("query", text));
        let db = app.db().read();
        let Ok(declaration) = registries.declaration(db, &self.registry).await else {
            found(Text::new("gateway-query-registry").with("name", &self.registry));
            return Ok(findings);
        };
        if self.compare.is_empty() == self.fields.is_empty() {
            found(Text::new("gateway-query-kind"));
        }
        for name in self.compare.iter().chain(&self.fields) {
            if declaration.field(name).is_none() {
                found(Text::new("gateway-query-field").with("name", name));
            }
        }
        Ok(findings)
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

/// Answers a question. A record that is not there and one that says otherwise answer a comparison
/// the same: no.
pub async fn answer(
    app: &App,
    actor: &Actor,
    org: &str,
    purpose: &str,
    query: &Query,
    question: &[u8],
) -> Result<Value> {
    let registries = app.part::<Registries>()?;
    let declaration = registries
        .declaration(app.db().read(), &query.registry)
        .await?;
    let question = read(&declaration, query, question)?;
    let told = |name: &String| question.get(name).map(String::as_str).unwrap_or_default();
    // As the registry writes keys of several fields.
    let key: Vec<String> = declaration
        .key
        .iter()
        .map(|name| told(name).replace('|', "||"))
        .collect();
    let key = key.join("|");
    let actor = asking(actor, org);
    let view = match view_by_key(app, &actor, &query.registry, &key, purpose, true).await {
        Ok(view) => view,
        Err(Error::NotFound { .. }) if query.fields.is_empty() => {
            return Ok(json!({"matches": false}));
        }
        Err(Error::NotFound { .. }) => return Ok(json!({"found": false})),
        Err(error) => return Err(error),
    };
    let value = |name: &String| {
        let field = declaration.field(name)?;
        let decided = view.folded.fields.get(name)?;
        Some(decided.told.value.json(field))
    };
    if query.fields.is_empty() {
        let is_same = |name: &String| {
            let own = value(name).map(|value| plain(&value)).unwrap_or_default();
            !view.folded.is_closed && !own.is_empty() && own == told(name).trim()
        };
        return Ok(json!({"matches": query.compare.iter().all(is_same)}));
    }
    let fields: Map<String, Value> = query
        .fields
        .iter()
        .map(|name| (name.clone(), value(name).unwrap_or(Value::Null)))
        .collect();
    Ok(json!({"found": true, "is_closed": view.folded.is_closed, "fields": fields}))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The question's values as texts; the key's fields and those to compare must be there, and no
/// others.
fn read(
    declaration: &Declaration,
    query: &Query,
    question: &[u8],
) -> Result<std::collections::BTreeMap<String, String>> {
    let wrong = |_| Error::invalid("", Text::new("gateway-question-json"));
    let object: Map<String, Value> = serde_json::from_slice(question).map_err(wrong)?;
    let wanted: Vec<&String> = declaration.key.iter().chain(&query.compare).collect();
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
