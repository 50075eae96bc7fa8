//! Processes driven in memory, for authors and tests: `tongban process check`,
//! `tongban process simulate`, `tongban decision evaluate`.
//!
//! The clock is simulated and begins at a fixed moment, so that the same input prints the same
//! lines. Working days are Monday to Friday here: no calendar is loaded.

mod world;

use std::{
    io::{self, Write},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    check::{self, Finding, Severity},
    core::Process,
    decision::{self, Decisions},
    model::Model,
    read::{self, Imports},
    tree,
};
use world::World;

/// Exit codes: completed or waiting; failed; the input was refused.
pub const DONE: u8 = 0;
pub const FAILED: u8 = 1;
pub const REFUSED: u8 = 2;

/// What the flags of `tongban process simulate` say.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The process to run; the first executable one when not named.
    pub process: Option<String>,
    /// Further processes of the file that take part (other pools).
    pub also: Vec<String>,
    pub vars: Map<String, Value>,
    pub script: Vec<Step>,
    pub auto_complete: bool,
    pub jump_timers: bool,
    /// Inputs to take at the most; 100,000 when not given.
    pub max_steps: Option<usize>,
    /// DMN files that business rule tasks may use.
    pub decisions: Vec<String>,
    /// Files that the file and its decisions import, by their location.
    pub imports: Imports,
}

/// One step of a script; exactly one of the verbs is given.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub vars: Map<String, Value>,
}

/// Reads the JSON of `--script`.
pub fn parse_script(text: &str) -> Result<Vec<Step>, String> {
    let steps: Vec<Step> = serde_json::from_str(text).map_err(|e| e.to_string())?;
    for (at, step) in steps.iter().enumerate() {
        let verbs = [
            &step.start,
            &step.complete,
            &step.trigger,
            &step.message,
            &step.signal,
            &step.error,
            &step.advance,
        ];
        if verbs.iter().filter(|verb| verb.is_some()).count() != 1 {
            let verbs = "start, complete, trigger, message, signal, error, advance";
            return Err(format!("step {} needs exactly one of {verbs}", at + 1));
        }
        if step.error.is_some() != step.at.is_some() {
            return Err(format!(
                "step {}: `error` and `at` (the task in which it happens) go together",
                at + 1
            ));
        }
    }
    Ok(steps)
}

/// Findings of a BPMN or DMN file.
pub fn check_file(xml: &[u8]) -> Vec<Finding> {
    check_file_with(xml, &Imports::new())
}

/// As [`check_file`], with the files that the file imports.
pub fn check_file_with(xml: &[u8], imports: &Imports) -> Vec<Finding> {
    let text = match tree::decode(xml) {
        Ok(text) => text,
        Err(unreadable) => return vec![unreadable.into()],
    };
    if is_dmn(&text) {
        return check_decisions(&text, imports);
    }
    check::read_and_check_with(xml, imports).1
}

/// What the checker says of a DMN file; where it refuses nothing, what the library does.
fn check_decisions(text: &str, imports: &Imports) -> Vec<Finding> {
    let mut findings = decision::check_with(text, imports);
    let is_refused = findings.iter().any(|f| f.severity == Severity::Error);
    if let (false, Err(reason)) = (is_refused, Decisions::read_with(text, imports)) {
        findings.push(Finding {
            rule: "dmn-unreadable",
            severity: Severity::Error,
            element: String::new(),
            line: 1,
            text: reason,
            remedy: "export the decision again as DMN 1.3 XML or later",
        });
    }
    findings
}

fn is_dmn(text: &str) -> bool {
    text.contains("/DMN/") && !text.contains("BPMN/20100524/MODEL\"")
}

/// The text of a file in any encoding that XML files come in.
pub fn text_of(bytes: &[u8]) -> Result<String, String> {
    let text = tree::decode(bytes).map_err(|e| e.text)?;
    Ok(text.into_owned())
}

/// Locations of the BPMN and DMN files that a file imports.
pub fn imports_of(xml: &[u8]) -> Vec<String> {
    read::import_locations(xml)
}

/// A file to check: its name, and its content with what it imports or why it cannot be read.
pub type Checked = (String, Result<(Vec<u8>, Imports), String>);

/// `tongban process check`: prints the findings of each file; 1 if one is refused or cannot be
/// read.
pub fn check_all(files: &[Checked], is_json: bool, out: &mut dyn Write) -> io::Result<u8> {
    let mut code = DONE;
    for (name, content) in files {
        let (xml, imports) = match content {
            Ok(content) => content,
            Err(reason) => {
                code = FAILED;
                if is_json {
                    writeln!(out, "{}", json!({ "file": name, "unreadable": reason }))?;
                } else {
                    writeln!(out, "{name}: {reason}")?;
                }
                continue;
            }
        };
        if check_one(name, xml, imports, is_json, out)? {
            code = FAILED;
        }
    }
    Ok(code)
}

/// Prints the findings of one file; whether it is refused.
fn check_one(
    name: &str,
    xml: &[u8],
    imports: &Imports,
    is_json: bool,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let findings = check_file_with(xml, imports);
    let is_refused = findings
        .iter()
        .any(|finding| finding.severity == Severity::Error);
    // What another engine would have done and this one does not refuses nothing.
    let ignored = read::read_with(xml, imports).map(|model| model.ignored);
    let ignored = ignored.unwrap_or_default();
    if is_json {
        let report = json!({ "file": name, "findings": findings, "ignored": ignored });
        writeln!(out, "{report}")?;
        return Ok(is_refused);
    }
    for finding in &findings {
        writeln!(out, "{name}:{finding}")?;
    }
    for one in &ignored {
        let (line, element, what) = (one.line, &one.element, &one.what);
        writeln!(
            out,
            "{name}:line {line}: no effect [ignored] {element}: {what}"
        )?;
    }
    if findings.is_empty() {
        writeln!(out, "{name}: nothing found")?;
    }
    Ok(is_refused)
}

/// `tongban decision evaluate`: prints one JSON line.
pub fn evaluate_decision(
    xml: &str,
    name: &str,
    input: &Map<String, Value>,
    out: &mut dyn Write,
) -> io::Result<u8> {
    evaluate_decision_with(xml, &Imports::new(), name, input, out)
}

/// As [`evaluate_decision`], with the models that the file imports.
pub fn evaluate_decision_with(
    xml: &str,
    imports: &Imports,
    name: &str,
    input: &Map<String, Value>,
    out: &mut dyn Write,
) -> io::Result<u8> {
    let decisions = match Decisions::read_with(xml, imports) {
        Ok(decisions) => decisions,
        Err(reason) => {
            writeln!(out, "{}", json!({ "error": reason }))?;
            return Ok(REFUSED);
        }
    };
    let Some(answer) = decisions.evaluate(name, input) else {
        let known: Vec<_> = decisions.names().collect();
        writeln!(
            out,
            "{}",
            json!({ "error": format!("there is no decision `{name}`"), "decisions": known })
        )?;
        return Ok(REFUSED);
    };
    writeln!(out, "{}", serde_json::to_string(&answer)?)?;
    Ok(if answer.value.is_null() && answer.reason.is_some() {
        FAILED
    } else {
        DONE
    })
}

/// `tongban process simulate`: one JSON line per event, and the outcome as the last line.
pub fn run(xml: &[u8], options: &Options, out: &mut dyn Write) -> io::Result<u8> {
    let (model, findings) = check::read_and_check_with(xml, &options.imports);
    let Some(mut model) = model else {
        let errors = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error);
        let reasons: Vec<_> = errors.map(ToString::to_string).collect();
        return refuse(
            out,
            &format!("the model is refused: {}", reasons.join("; ")),
        );
    };
    for dmn in &options.decisions {
        match Decisions::read_with(dmn, &options.imports) {
            Ok(decisions) => model.decisions.link(decisions),
            Err(reason) => return refuse(out, &reason),
        }
    }
    let model = Arc::new(model);
    let processes = match processes(&model, options) {
        Ok(processes) => processes,
        Err(reason) => return refuse(out, &reason),
    };
    let mut world = World::new(model, processes, options, out);
    let failure = world.play()?;
    world.outcome(failure)
}

/// The process to run and those that take part.
fn processes(model: &Arc<Model>, options: &Options) -> Result<Vec<Process>, String> {
    let wanted = std::iter::once(options.process.as_deref())
        .chain(options.also.iter().map(|id| Some(id.as_str())));
    let found = wanted.map(|id| {
        Process::new(model.clone(), id).ok_or_else(|| {
            let known: Vec<_> = model.processes.iter().map(|head| &*head.id).collect();
            match id {
                Some(id) => format!(
                    "there is no process `{id}`; the file has: {}",
                    known.join(", ")
                ),
                None => "the file has no process".to_owned(),
            }
        })
    });
    found.collect()
}

fn refuse(out: &mut dyn Write, reason: &str) -> io::Result<u8> {
    let line = json!({ "outcome": "failed", "reason": reason, "waiting": [], "variables": {} });
    writeln!(out, "{line}")?;
    Ok(REFUSED)
}
