//! One decision model: its tables, and a place to try inputs and see which rules matched.

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
use crate::decision::{Answer, Decisions};

#[derive(Template)]
#[template(path = "processes/decision.html")]
struct DecisionPage {
    p: Page,
    head: Head,
    checked: Checked,
    decisions: Vec<Decision>,
    inputs: Vec<Input>,
    /// One answer for each decision that was asked, in the order of the file.
    answers: Vec<Answer>,
    f: Fields,
}

impl DecisionPage {
    fn answer(&self, decision: &Decision) -> Option<&Answer> {
        self.answers
            .iter()
            .find(|answer| answer.decision == decision.name)
    }

    fn matched(&self, decision: &Decision, rule: &usize) -> bool {
        self.answer(decision)
            .and_then(|answer| answer.rules.as_ref())
            .is_some_and(|rules| rules.contains(rule))
    }

    fn value(&self, answer: &Answer) -> String {
        shown(&answer.value)
    }

    fn fired(&self, answer: &Answer) -> String {
        let rules = answer.rules.iter().flatten();
        rules
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn help(&self, input: &Input) -> String {
        format!("{} {}", input.path, input.kind).trim().to_owned()
    }

    fn field(&self, at: &usize) -> String {
        format!("input-{at}")
    }
}

async fn view(app: &App, p: Page, head: Head) -> Result<(DecisionPage, String)> {
    let file = get_file(app.db(), &head.key, head.deployed.version).await?;
    let (decisions, inputs) = table::read(&file.xml);
    let page = DecisionPage {
        checked: checked(&file.xml),
        p,
        head,
        decisions,
        inputs,
        answers: Vec::new(),
        f: Fields::new(),
    };
    Ok((page, file.xml))
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
    let (page, xml) = view(&app, p, head).await?;
    match typed(&page.inputs, &f) {
        Ok(input) => {
            let decisions = Decisions::read(&xml).map_err(kernel::Fault::new)?;
            let answers = page
                .decisions
                .iter()
                .filter_map(|decision| decisions.evaluate(&decision.name, &input))
                .collect();
            Ok(Html::page(&DecisionPage { answers, f, ..page })?.into_response())
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
    for (at, input) in inputs.iter().enumerate() {
        let field = format!("input-{at}");
        let text = f.value(&field).trim();
        if text.is_empty() {
            continue;
        }
        match value_of(&input.kind, text) {
            Some(value) => {
                put(&mut vars, &input.path, value);
            }
            None => {
                let text = Text::new("workflow-input-unreadable").with("type", &input.kind);
                findings.push(Finding::new(field, text));
            }
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
