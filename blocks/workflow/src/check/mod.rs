//! What the standard forbids, found before anything runs.
//!
//! Each finding names its rule, the element, the line, and what to do. Errors refuse deployment;
//! warnings are told.

mod events;
mod expressions;
mod structure;
mod verbs;

use serde::Serialize;

use crate::{
    model::{Definition, Flow, Kind, Model, Node, NodeIx, Place, Source, Task},
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
    read_and_check_with(xml, &read::Imports::new())
}

/// As [`read_and_check`], with the files that the file imports.
pub fn read_and_check_with(xml: &[u8], imports: &read::Imports) -> (Option<Model>, Vec<Finding>) {
    match read::read_with(xml, imports) {
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
    check.read();
    if model.processes.is_empty() {
        // A file of pools, conversations or interfaces only is a drawing like others.
        let severity = if model.draws_other {
            Severity::Warning
        } else {
            Severity::Error
        };
        check.push(
            severity,
            "no-process",
            "",
            1,
            "the file has no process",
            "draw a process",
        );
    }
    for import in &model.missing_imports {
        let text = format!("the imported `{}` is not at hand", import.location);
        let remedy = "deploy what it imports too; only BPMN files are looked into";
        check.push(
            Severity::Warning,
            "import-unresolved",
            "",
            import.line,
            &text,
            remedy,
        );
    }
    check.scopes();
    check.pools();
    check.names();
    for head in &model.processes {
        check.expressions_of(head);
    }
    for at in 0..model.nodes.len() {
        check.node(NodeIx(at));
        check.expressions(NodeIx(at), &model[NodeIx(at)]);
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
    /// What was found while reading.
    fn read(&mut self) {
        for problem in &self.model.problems {
            let severity = if problem.is_error {
                Severity::Error
            } else {
                Severity::Warning
            };
            self.push(
                severity,
                problem.rule,
                &problem.element,
                problem.line,
                &problem.text,
                problem.remedy,
            );
        }
    }

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
        let severity = match self.is_executable(ix) {
            Some(true) => Severity::Error,
            _ => Severity::Warning,
        };
        self.push(severity, rule, &node.id, node.line, text, remedy);
    }

    fn is_executable(&self, ix: NodeIx) -> Option<bool> {
        self.model
            .process_of(ix)
            .and_then(|head| head.is_executable)
    }

    /// An expression that is not understood: in a mere drawing people write them in words.
    fn not_understood(&mut self, rule: &'static str, node: NodeIx, id: &str, source: &Source) {
        let Err(reason) = &source.compiled else {
            return;
        };
        let text = format!("`{}` is not understood: {reason}", source.text);
        let remedy = "write FEEL, ISO 8601 for times, or the subset of `${…}`";
        let head = self.model.process_of(node);
        self.unless_drawn(head, rule, id, source.line, &text, remedy);
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
            self.not_understood("condition-syntax", flow.from, &flow.id, condition);
            if from.event().is_some() && !from.is_start() {
                let severity = match self.is_executable(flow.from) {
                    Some(true) => Severity::Error,
                    _ => Severity::Warning,
                };
                let text = "a flow from an event has no condition";
                let remedy = "put a gateway between";
                self.push(
                    severity,
                    "condition-not-allowed",
                    &flow.id,
                    flow.line,
                    text,
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
                // What is imported and not at hand may be the process.
                && model.missing_imports.is_empty()
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
            None => match node.kind {
                Kind::Task(Task::Receive { .. }) => is_source,
                Kind::Task(Task::Send { .. }) => !is_source,
                _ => !node.is_activity(),
            },
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
        } else if node.event().is_some()
            && !node
                .definitions()
                .iter()
                .any(|d| matches!(d, Definition::Message { .. }))
        {
            let text = format!("the message flow `{id}` needs a message event here");
            let remedy = "give the event a message trigger, or connect a task";
            self.if_executable("message-flow-event", node, ix, &text, remedy);
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
