//! Expressions in attributes, which are filled in when a step begins: one that can never be
//! evaluated would stop every instance there.

use super::{Check, Severity};
use crate::{
    expr::{Expr, is_template},
    model::{Kind, Node, NodeIx, ProcessHead, Task},
};

const REMEDY: &str = "write the subset of `${…}`, or let a step before set a variable and name it";

impl Check<'_> {
    pub(super) fn expressions(&mut self, ix: NodeIx, node: &Node) {
        let head = self.model.process_of(ix);
        for (name, text) in &node.attributes {
            if is_evaluated(node, name, text) {
                self.attribute(head, &node.id, node.line, name, text);
            }
        }
        let decision = node.attribute("decision").unwrap_or_default();
        if is_asked(node) && is_template(decision) {
            let text = format!("`{decision}` names no decision, which is looked up beforehand");
            let remedy = "name the decision";
            self.unless_drawn(
                head,
                "expression-syntax",
                &node.id,
                node.line,
                &text,
                remedy,
            );
        }
    }

    pub(super) fn expressions_of(&mut self, head: &ProcessHead) {
        for (name, text) in &head.attributes {
            if is_template(text) {
                self.attribute(Some(head), &head.id, head.line, name, text);
            }
        }
    }

    fn attribute(
        &mut self,
        head: Option<&ProcessHead>,
        id: &str,
        line: u32,
        name: &str,
        text: &str,
    ) {
        if let Err(reason) = Expr::parse(text) {
            let text = format!("`{name}` is `{text}`, which is not understood: {reason}");
            self.unless_drawn(head, "expression-syntax", id, line, &text, REMEDY);
        }
    }

    /// Forbidden unless the process is said to be a drawing, where people write in words.
    pub(super) fn unless_drawn(
        &mut self,
        head: Option<&ProcessHead>,
        rule: &'static str,
        id: &str,
        line: u32,
        text: &str,
        remedy: &'static str,
    ) {
        let severity = match head.and_then(|head| head.is_executable) {
            Some(false) => Severity::Warning,
            _ => Severity::Error,
        };
        self.push(severity, rule, id, line, text, remedy);
    }
}

/// Whether an instance evaluates the attribute when it comes to the node.
fn is_evaluated(node: &Node, name: &str, text: &str) -> bool {
    match &node.kind {
        Kind::Task(Task::User | Task::Service) => is_template(text),
        Kind::Task(Task::Rule) => is_template(text) && !is_asked(node),
        Kind::Task(Task::Send { .. }) => is_template(text) || name == "correlation",
        Kind::Task(Task::Receive { .. }) | Kind::Event(_) => name == "correlation",
        _ => false,
    }
}

/// Whether a decision answers the task, and neither a service nor a worker.
fn is_asked(node: &Node) -> bool {
    let has = |name: &str| node.attribute(name).is_some();
    matches!(node.kind, Kind::Task(Task::Rule)) && has("decision") && !has("call") && !has("topic")
}
