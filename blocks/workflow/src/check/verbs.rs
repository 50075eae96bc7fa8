//! Attributes of the verbs on user tasks: a slip there would show only when somebody acts.

use super::Check;
use crate::{
    expr::is_expression,
    model::{Kind, Node, Place, Task},
    verb::{SignRule, pairs},
};

const KINDS: [&str; 7] = [
    "text", "number", "integer", "boolean", "date", "list", "object",
];

/// Name, what it takes, and what to write instead.
type Attribute = (&'static str, fn(&str) -> bool, &'static str);

const FIELDS: Attribute = (
    "fields",
    are_fields,
    "write name:read, name:hidden or name:write:number",
);

/// Of a user task.
const TASK: [Attribute; 6] = [
    (
        "sign",
        |text| SignRule::parse(text).is_some(),
        "write all, any, ratio:0.6 or weight:0.5, with a share above 0 and at most 1",
    ),
    FIELDS,
    (
        "choose",
        |text| matches!(text, "next" | "anyone"),
        "write next or anyone",
    ),
    ("skip", |text| text == "same-handler", "write same-handler"),
    ("extend", is_number, "write a number of working days"),
    ("urge", is_number, "write a number of hours"),
];
/// Of a start event: what whoever starts the process is asked for.
const START: [Attribute; 1] = [FIELDS];

impl Check<'_> {
    pub(super) fn verbs(&mut self, node: &Node) {
        let rules: &[Attribute] = match node.kind {
            Kind::Task(Task::User) => &TASK,
            _ if node.is_start() => &START,
            _ => return,
        };
        for &(name, holds, remedy) in rules {
            // A template is filled in when the task begins.
            let text = node.attribute(name).filter(|text| !is_expression(text));
            if let Some(text) = text.filter(|text| !holds(text)) {
                let text = format!("`tongban:{name}` does not take `{text}`");
                self.error("verb-attribute", node, &text, remedy);
            }
        }
        if let Some(end) = node.attribute("reject").filter(|end| !is_expression(end))
            && !self.is_end_around(node, end)
        {
            let text = format!("`tongban:reject` names `{end}`, which is no end event here");
            let remedy = "name an end event of the task's scope or of one around it";
            self.error("verb-attribute", node, &text, remedy);
        }
    }

    fn is_end_around(&self, node: &Node, end: &str) -> bool {
        let Some(end) = self.model.lookup(end).map(|ix| &self.model[ix]) else {
            return false;
        };
        let mut scope = Some(node.scope);
        while let Some(around) = scope {
            if end.scope == around {
                return end.place() == Some(Place::End);
            }
            scope = self.model[around].parent;
        }
        false
    }
}

fn are_fields(text: &str) -> bool {
    pairs(text, ':').all(|(_, rest)| {
        let (access, kind) = match rest {
            Some(rest) => rest.split_once(':').unwrap_or((rest, "")),
            None => return false,
        };
        let is_kind = kind.is_empty() || access == "write" && KINDS.contains(&kind);
        matches!(access, "read" | "hidden" | "write") && is_kind
    })
}

fn is_number(text: &str) -> bool {
    text.parse::<u32>().is_ok()
}
