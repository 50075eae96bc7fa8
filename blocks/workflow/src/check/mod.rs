//! What the standard forbids, found before anything runs.
//!
//! Each finding names its rule, the element, the line, and what to do. Errors refuse deployment;
//! warnings are told.

mod events;
mod structure;
mod verbs;

use serde::Serialize;

use crate::{
    model::{Flow, Model, Node, NodeIx, Place},
    read,
    tree::Unreadable,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub rule: &'static str,
    pub severity: Severity,
    pub element: String,
    pub line: u32,
    pub text: String,
    pub remedy: &'static str,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.severity == Severity::Error {
            "error"
        } else {
            "warning"
        };
        write!(
            f,
            "line {}: {kind} [{}] {}: {}; {}",
            self.line, self.rule, self.element, self.text, self.remedy
        )
    }
}

impl From<Unreadable> for Finding {
    fn from(unreadable: Unreadable) -> Self {
        Self {
            rule: unreadable.rule,
            severity: Severity::Error,
            element: String::new(),
            line: unreadable.line,
            text: unreadable.text,
            remedy: "export the diagram again as BPMN 2.0 XML in UTF-8",
        }
    }
}

/// Reads and checks a file: the model when nothing forbids it, and everything found.
pub fn read_and_check(xml: &[u8]) -> (Option<Model>, Vec<Finding>) {
    match read::read(xml) {
        Ok(model) => {
            let findings = check(&model);
            let is_refused = findings
                .iter()
                .any(|finding| finding.severity == Severity::Error);
            ((!is_refused).then_some(model), findings)
        }
        Err(unreadable) => (None, vec![unreadable.into()]),
    }
}

/// Everything found in a model, in the order of lines.
pub fn check(model: &Model) -> Vec<Finding> {
    let mut check = Check {
        model,
        findings: Vec::new(),
    };
    for problem in &model.problems {
        check.push(
            Severity::Error,
            problem.rule,
            &problem.element,
            problem.line,
            &problem.text,
            match problem.rule {
                "duplicate-id" => "give every element an id of its own",
                "missing-id" => "give the element an id",
                _ => "correct the reference or add what it names",
            },
        );
    }
    if model.processes.is_empty() {
        check.push(
            Severity::Error,
            "no-process",
            "",
            1,
            "the file has no process",
            "draw a process",
        );
    }
    check.scopes();
    check.pools();
    for at in 0..model.nodes.len() {
        check.node(NodeIx(at));
        check.verbs(&model[NodeIx(at)]);
    }
    for flow in &model.flows {
        check.flow(flow);
    }
    let mut findings = check.findings;
    findings.sort_by(|a, b| (a.line, &a.element, a.rule).cmp(&(b.line, &b.element, b.rule)));
    findings
}

pub(crate) struct Check<'a> {
    model: &'a Model,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn push(
        &mut self,
        severity: Severity,
        rule: &'static str,
        element: &str,
        line: u32,
        text: &str,
        remedy: &'static str,
    ) {
        self.findings.push(Finding {
            rule,
            severity,
            element: element.to_owned(),
            line,
            text: text.to_owned(),
            remedy,
        });
    }

    fn error(&mut self, rule: &'static str, node: &Node, text: &str, remedy: &'static str) {
        self.push(Severity::Error, rule, &node.id, node.line, text, remedy);
    }

    /// Forbidden where the process is meant to run, doubtful in a mere drawing.
    fn if_executable(
        &mut self,
        rule: &'static str,
        node: &Node,
        ix: NodeIx,
        text: &str,
        remedy: &'static str,
    ) {
        let runs = self
            .model
            .process_of(ix)
            .and_then(|head| head.is_executable)
            == Some(true);
        let severity = if runs {
            Severity::Error
        } else {
            Severity::Warning
        };
        self.push(severity, rule, &node.id, node.line, text, remedy);
    }

    fn flow(&mut self, flow: &Flow) {
        let model = self.model;
        let (from, to) = (&model[flow.from], &model[flow.to]);
        if from.scope != to.scope || from.scope != flow.scope {
            let text = format!(
                "the flow from `{}` to `{}` crosses the border of a process or sub-process",
                from.id, to.id
            );
            let remedy = "let it end at the border; between processes use a message";
            self.push(
                Severity::Error,
                "flow-crosses-border",
                &flow.id,
                flow.line,
                &text,
                remedy,
            );
        }
        if let Some(condition) = &flow.condition {
            if let Err(reason) = &condition.compiled {
                let text = format!(
                    "the condition `{}` is not understood: {reason}",
                    condition.text
                );
                // In a mere drawing people write conditions in words.
                let is_drawing = model
                    .process_of(flow.from)
                    .and_then(|head| head.is_executable)
                    == Some(false);
                let severity = if is_drawing {
                    Severity::Warning
                } else {
                    Severity::Error
                };
                let remedy = "write it in FEEL or in the subset of `${…}`";
                self.push(
                    severity,
                    "condition-syntax",
                    &flow.id,
                    condition.line,
                    &text,
                    remedy,
                );
            }
            let is_default = from
                .default
                .is_some_and(|default| model[default].id == flow.id);
            if is_default {
                let text = "the default flow has a condition, which is never looked at";
                self.push(
                    Severity::Warning,
                    "default-with-condition",
                    &flow.id,
                    flow.line,
                    text,
                    "remove the condition",
                );
            }
        }
    }

    fn pools(&mut self) {
        let model = self.model;
        for participant in &model.participants {
            if let Some(process) = &participant.process
                && model.process(process).is_none()
            {
                let text = format!(
                    "the pool stands for the process `{process}`, which is not in the file"
                );
                self.push(
                    Severity::Error,
                    "dangling-reference",
                    &participant.id,
                    participant.line,
                    &text,
                    "correct the reference",
                );
            }
        }
        for flow in &model.message_flows {
            let ends = [&flow.from, &flow.to].map(|end| self.pool_of(end));
            if let [None, _] | [_, None] = ends {
                let text = "the message flow begins or ends at nothing that the file has";
                self.push(
                    Severity::Error,
                    "dangling-reference",
                    &flow.id,
                    flow.line,
                    text,
                    "connect it to a pool, an event or a task",
                );
            } else if ends[0] == ends[1] {
                let text = "the message flow stays inside one pool";
                self.push(
                    Severity::Error,
                    "message-flow-inside-pool",
                    &flow.id,
                    flow.line,
                    text,
                    "use a sequence flow inside a pool",
                );
            }
            self.message_end(&flow.from, true, &flow.id, flow.line);
            self.message_end(&flow.to, false, &flow.id, flow.line);
        }
    }

    fn message_end(&mut self, end: &str, is_source: bool, id: &str, line: u32) {
        let Some(ix) = self.model.lookup(end) else {
            return;
        };
        let node = &self.model[ix];
        let wrong = match node.place() {
            Some(Place::Start { .. } | Place::Catch | Place::Boundary { .. }) => is_source,
            Some(Place::Throw | Place::End) => !is_source,
            None => !node.is_activity(),
        };
        if wrong {
            let text = format!(
                "a {} cannot {} messages",
                node.type_name(),
                if is_source { "send" } else { "receive" }
            );
            self.push(
                Severity::Error,
                "message-flow-end",
                id,
                line,
                &text,
                "connect the message flow to a task or a message event",
            );
        }
    }

    /// Which pool an end of a message flow belongs to; a pool or an element inside one.
    fn pool_of(&self, end: &str) -> Option<String> {
        if let Some(pool) = self
            .model
            .participants
            .iter()
            .find(|participant| participant.id == end)
        {
            return Some(pool.process.clone().unwrap_or_else(|| pool.id.clone()));
        }
        let ix = self.model.lookup(end)?;
        self.model.process_of(ix).map(|head| head.id.to_string())
    }
}
