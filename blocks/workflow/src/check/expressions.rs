//! Expressions in attributes, which are filled in when a step begins: one that can never be
//! evaluated would stop every instance there.

use std::collections::BTreeMap;

use super::{Check, Severity};
use crate::{
    core::timer,
    expr::{Expr, is_expression},
    model::{Kind, Named, Node, NodeIx, ProcessHead, Task},
    retry::Retries,
};

const REMEDY: &str = "write the subset of `${…}`, or let a step before set a variable and name it";

/// What is named, the names in a file, and which of its texts is the one that is compared.
type Names<'m> = (
    &'static str,
    &'m BTreeMap<String, Named>,
    fn(&Named) -> &str,
);

impl Check<'_> {
    pub(super) fn expressions(&mut self, ix: NodeIx, node: &Node) {
        let head = self.model.process_of(ix);
        for (name, text) in &node.attributes {
            if is_evaluated(node, name, text) {
                self.attribute(head, &node.id, node.line, name, text);
            }
        }
        self.literals(head, node);
        let decision = node.attribute("decision").unwrap_or_default();
        if is_asked(node) && is_expression(decision) {
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

    /// Names by which messages and the like find one another are compared as they are.
    pub(super) fn names(&mut self) {
        let model = self.model;
        let all: [Names<'_>; 4] = [
            ("message", &model.messages, |named| &named.name),
            ("signal", &model.signals, |named| &named.name),
            ("error", &model.errors, |named| &named.code),
            ("escalation", &model.escalations, |named| &named.code),
        ];
        for (kind, of_kind, name) in all {
            for (id, one) in of_kind {
                let name = name(one);
                if is_expression(name) {
                    let text = format!("`{name}` names no {kind}: names are not evaluated");
                    let remedy = "write the name itself; keys tell apart messages of one name";
                    let rule = "expression-syntax";
                    self.unless_drawn(model.main(), rule, id, one.line, &text, remedy);
                }
            }
        }
    }

    /// Texts that stand for themselves, of which no step could make anything.
    fn literals(&mut self, head: Option<&ProcessHead>, node: &Node) {
        for literal in LITERALS.iter().filter(|literal| (literal.is_read)(node)) {
            let text = node.attribute(literal.name).unwrap_or_default().trim();
            if text.is_empty() || is_expression(text) || (literal.fits)(text) {
                continue;
            }
            let said = format!(
                "`{}` is `{text}`, which is {}",
                literal.written, literal.wrong
            );
            self.unless_drawn(
                head,
                "expression-syntax",
                &node.id,
                node.line,
                &said,
                literal.remedy,
            );
        }
    }

    pub(super) fn expressions_of(&mut self, head: &ProcessHead) {
        for (name, text) in &head.attributes {
            if is_expression(text) {
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

/// An attribute that is taken as it is where it is no expression.
struct Literal {
    name: &'static str,
    /// As authors write it.
    written: &'static str,
    is_read: fn(&Node) -> bool,
    fits: fn(&str) -> bool,
    wrong: &'static str,
    remedy: &'static str,
}

const LITERALS: [Literal; 3] = [
    Literal {
        name: "due",
        written: "dueDate",
        is_read: |node| matches!(node.kind, Kind::Task(Task::User)),
        fits: |text| timer::date(text).is_some() || timer::span(text).is_some(),
        wrong: "neither a date nor a duration",
        remedy: "write a date or a duration of ISO 8601 as `2026-12-31` or `P5D`, or an expression",
    },
    Literal {
        name: "retries",
        written: "retries",
        is_read: |node| is_for_workers(node) || is_in_background(node),
        fits: |text| Retries::parse(text).is_ok(),
        wrong: "no number of tries",
        remedy: "write `3`, `R3/PT10M` or `PT10M,PT1H`, or an expression",
    },
    Literal {
        name: "priority",
        written: "priority",
        is_read: is_for_workers,
        fits: |text| text.parse::<i64>().is_ok(),
        wrong: "no whole number",
        remedy: "write a whole number, or an expression",
    },
];

fn is_called(node: &Node) -> bool {
    matches!(
        node.kind,
        Kind::Task(Task::Service | Task::Send { .. } | Task::Rule)
    )
}

/// Whether workers outside carry the task out.
fn is_for_workers(node: &Node) -> bool {
    let has = |name: &str| node.attribute(name).is_some();
    is_called(node) && has("topic") && !has("call")
}

/// Whether a job of the server carries the task out.
fn is_in_background(node: &Node) -> bool {
    is_called(node) && node.attribute("call").is_some() && node.attribute("async") == Some("true")
}

/// Whether an instance evaluates the attribute when it comes to the node.
fn is_evaluated(node: &Node, name: &str, text: &str) -> bool {
    match &node.kind {
        Kind::Task(Task::User | Task::Service) => is_expression(text),
        Kind::Task(Task::Rule) => is_expression(text) && !is_asked(node),
        Kind::Task(Task::Send { .. }) => is_expression(text) || name == "correlation",
        Kind::Task(Task::Receive { .. }) | Kind::Event(_) => name == "correlation",
        _ => false,
    }
}

/// Whether a decision answers the task, and neither a service nor a worker.
fn is_asked(node: &Node) -> bool {
    let has = |name: &str| node.attribute(name).is_some();
    matches!(node.kind, Kind::Task(Task::Rule)) && has("decision") && !has("call") && !has("topic")
}
