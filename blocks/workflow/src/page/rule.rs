//! One decision model: its tables, and a place to try inputs and see which rules matched.

use std::borrow::Borrow;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use identity::Actor;
use kernel::{Error, Finding, Result, Text};
use serde_json::{Map, Value};
use web::{App, Html, Page, WebError, component::Fields};

use super::{
    api::{Checked, checked},
    definition::{Head, VersionQuery},
    may, shown,
    store::get_file,
    table::{self, Decision, Input},
};
use crate::{
    decision::{Answer, Decisions},
    deploy::imports_of,
    schema::definition,
};

/// What one decision answered, and why.
struct Verdict {
    decision: String,
    value: String,
    is_null: bool,
    /// Numbers of the rules that matched; none where the decision is no table.
    rules: Option<Vec<usize>>,
    /// Why there is no value, in the library's words.
    reason: String,
}

impl From<Answer> for Verdict {
    fn from(answer: Answer) -> Self {
        Self {
            value: shown(&answer.value),
            is_null: answer.value.is_null(),
            decision: answer.decision,
            rules: answer.rules,
            reason: answer.reason.unwrap_or_default(),
        }
    }
}

impl Verdict {
    fn fired(&self) -> String {
        let rules = self.rules.iter().flatten();
        rules
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

#[derive(Template)]
#[template(path = "processes/decision.html")]
struct DecisionPage {
    p: Page,
    head: Head,
    checked: Checked,
    decisions: Vec<Decision>,
    inputs: Vec<Input>,
    /// One for each decision that was asked, in the order of the file.
    verdicts: Vec<Verdict>,
    f: Fields,
}

impl DecisionPage {
    fn verdict(&self, decision: &Decision) -> Option<&Verdict> {
        self.verdicts
            .iter()
            .find(|verdict| verdict.decision == decision.name)
    }

    fn matched(&self, decision: &Decision, rule: impl Borrow<usize>) -> bool {
        self.verdict(decision)
            .and_then(|verdict| verdict.rules.as_ref())
            .is_some_and(|rules| rules.contains(rule.borrow()))
    }
}

async fn view(app: &App, p: Page, head: Head) -> Result<(DecisionPage, definition::Model)> {
    let file = get_file(app.db(), &head.key, head.deployed.version).await?;
    let (decisions, inputs) = table::read(&file.xml);
    let page = DecisionPage {
        checked: checked(&p, file.xml.as_bytes()),
        p,
        head,
        decisions,
        inputs,
        verdicts: Vec::new(),
        f: Fields::new(),
    };
    Ok((page, file))
}

pub(super) async fn page(app: &App, p: Page, head: Head) -> Result<Html, WebError> {
    Html::page(&view(app, p, head).await?.0)
}

/// Evaluates every decision of the model with the typed inputs; changes nothing.
pub(super) async fn tried(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(key): Path<String>,
    Query(query): Query<VersionQuery>,
    f: Fields,
) -> Result<Response, WebError> {
    may(&app, &actor, "workflow.process.view")?;
    let head = Head::of(&app, &p, &actor, &key, query.version).await?;
    if head.deployed.kind != "dmn" {
        return Err(Error::NotFound { what: "decision" }.into());
    }
    let (page, file) = view(&app, p, head).await?;
    match typed(&page.inputs, &f) {
        Ok(input) => {
            let imports = imports_of(&file.imports);
            let decisions = Decisions::read_with(&file.xml, &imports);
            let decisions = decisions.map_err(kernel::Fault::new)?;
            let verdicts = page
                .decisions
                .iter()
                .filter_map(|decision| decisions.evaluate(&decision.name, &input))
                .map(Verdict::from)
                .collect();
            Ok(Html::page(&DecisionPage {
                verdicts,
                f,
                ..page
            })?
            .into_response())
        }
        Err(findings) => {
            let f = f.rejected(findings);
            Ok(Html::again(&DecisionPage { f, ..page })?.into_response())
        }
    }
}

/// The typed inputs by the types of the model; an empty field leaves its input out.
fn typed(inputs: &[Input], f: &Fields) -> Result<Map<String, Value>, Vec<Finding>> {
    let mut vars = Map::new();
    let mut findings = Vec::new();
    for input in inputs {
        let field = input.field();
        let text = f.value(&field).trim();
        if text.is_empty() {
            continue;
        }
        if let Some(value) = value_of(&input.kind, text) {
            put(&mut vars, &input.path, value);
        } else {
            let text = Text::new("workflow-input-unreadable").with("type", &input.kind);
            findings.push(Finding::new(field, text));
        }
    }
    if findings.is_empty() {
        Ok(vars)
    } else {
        Err(findings)
    }
}

/// Puts a value where a path points, making the records on the way.
fn put(vars: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        Some((first, rest)) => {
            let inner = vars
                .entry(first.trim())
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
        None => {
            vars.insert(path.trim().to_owned(), value);
        }
    }
}

/// Without a type, what reads as JSON is JSON and everything else is text.
fn value_of(kind: &str, text: &str) -> Option<Value> {
    let local = kind.rsplit(':').next().unwrap_or_default();
    match local {
        "number" | "integer" | "long" | "double" => {
            serde_json::from_str(text).ok().filter(Value::is_number)
        }
        "boolean" => match text {
            "true" | "是" => Some(Value::Bool(true)),
            "false" | "否" => Some(Value::Bool(false)),
            _ => None,
        },
        "string" | "date" | "time" | "dateTime" => Some(Value::from(text)),
        _ => Some(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))),
    }
}
