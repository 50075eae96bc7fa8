//! What a new version of a process has otherwise than the old one, to be shown before anybody is
//! moved.

use serde::Serialize;

use super::Plan;
use crate::model::{Definition, Kind, Model, Node, NodeIx, Repeat, Source, Task, TimerSource};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ModelElement)]
pub struct Element {
    pub id: String,
    pub name: String,
    /// Its name in the standard, as `userTask`.
    #[schema(example = "userTask")]
    pub kind: String,
}

/// An element that both versions have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ModelChange)]
pub struct Change {
    pub from: Element,
    pub to: Element,
    /// `id`, `name`, `kind`, `content`, `attributes`, `flows`, `border`, `repetition`.
    #[schema(example = json!(["attributes"]))]
    pub what: Vec<&'static str>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ModelDifference)]
pub struct Difference {
    pub removed: Vec<Element>,
    pub added: Vec<Element>,
    pub changed: Vec<Change>,
}

/// Compares two versions, element by element, as the plan pairs them.
pub fn difference(old: &Model, new: &Model, plan: &Plan) -> Difference {
    let mut found = Difference::default();
    let mut paired = std::collections::BTreeSet::new();
    for (ix, node) in own(old) {
        let to = match plan.elements.get(&*node.id) {
            Some(to) => to.as_deref(),
            None => Some(&*node.id),
        };
        let Some(other) = to.and_then(|to| new.lookup(to)) else {
            found.removed.push(element(node));
            continue;
        };
        paired.insert(other);
        let what = changes(old, ix, new, other);
        if !what.is_empty() {
            found.changed.push(Change {
                from: element(node),
                to: element(&new[other]),
                what,
            });
        }
    }
    let added = own(new).filter(|(ix, _)| !paired.contains(ix));
    found.added = added.map(|(_, node)| element(node)).collect();
    found
}

/// Nodes that are found by their id.
fn own(model: &Model) -> impl Iterator<Item = (NodeIx, &Node)> {
    let nodes = model.nodes.iter().enumerate();
    nodes
        .map(|(at, node)| (NodeIx(at), node))
        .filter(|(ix, node)| model.lookup(&node.id) == Some(*ix))
}

fn element(node: &Node) -> Element {
    Element {
        id: node.id.to_string(),
        name: node.name.clone(),
        kind: node.type_name().to_owned(),
    }
}

fn changes(old: &Model, from: NodeIx, new: &Model, to: NodeIx) -> Vec<&'static str> {
    let (a, b) = (&old[from], &new[to]);
    let mut what = Vec::new();
    let mut note = |differs: bool, word| {
        if differs {
            what.push(word);
        }
    };
    note(a.id != b.id, "id");
    note(a.name != b.name, "name");
    note(a.type_name() != b.type_name(), "kind");
    note(content(a) != content(b), "content");
    note(a.attributes != b.attributes, "attributes");
    note(flows(old, a) != flows(new, b), "flows");
    note(border(old, a) != border(new, b), "border");
    note(repetition(a) != repetition(b), "repetition");
    what
}

fn text(source: Option<&Source>) -> String {
    source.map(|source| source.text.clone()).unwrap_or_default()
}

/// What an element does, in one line; line numbers of the file are no difference.
fn content(node: &Node) -> String {
    let mappings = node.inputs.iter().chain(&node.outputs);
    let mappings: Vec<String> = mappings
        .map(|mapping| format!("{}={}", mapping.target, mapping.source.text))
        .collect();
    let own = match &node.kind {
        Kind::Call { called } => called.clone().unwrap_or_default(),
        Kind::Task(Task::Script { format, text, .. }) => format!("{format}:{text}"),
        Kind::Task(Task::Send { message } | Task::Receive { message, .. }) => {
            message.clone().unwrap_or_default()
        }
        Kind::Event(event) => {
            let definitions: Vec<String> = event.definitions.iter().map(definition).collect();
            format!("{:?} {}", event.place, definitions.join("; "))
        }
        _ => String::new(),
    };
    format!("{own} {}", mappings.join("; "))
}

fn definition(definition: &Definition) -> String {
    match definition {
        Definition::Message { name, .. } => format!("message {name}"),
        Definition::Signal { name } => format!("signal {name}"),
        Definition::Timer(timer) => match timer {
            TimerSource::Date(source) => format!("date {}", source.text),
            TimerSource::Duration(source) => format!("duration {}", source.text),
            TimerSource::Cycle(source) => format!("cycle {}", source.text),
            TimerSource::WorkingDays(source) => format!("working days {}", source.text),
            TimerSource::Missing => "timer".to_owned(),
        },
        Definition::Error { code, .. } => format!("error {code:?}"),
        Definition::Escalation { code, .. } => format!("escalation {code:?}"),
        Definition::Conditional { condition } => format!("condition {}", text(condition.as_ref())),
        Definition::Link { name, .. } => format!("link {name}"),
        Definition::Compensation { activity, .. } => format!("compensation {activity:?}"),
        Definition::Terminate => "terminate".to_owned(),
        Definition::Cancel => "cancel".to_owned(),
    }
}

/// Where tokens go from here and on what condition, in the order of the file.
fn flows<'a>(model: &'a Model, node: &'a Node) -> Vec<(&'a str, String, bool)> {
    let flows = node.outgoing.iter().map(|&ix| {
        let flow = &model[ix];
        let condition = text(flow.condition.as_ref());
        (&*model[flow.to].id, condition, node.default == Some(ix))
    });
    flows.collect()
}

fn border<'a>(model: &'a Model, node: &Node) -> std::collections::BTreeSet<&'a str> {
    node.boundary.iter().map(|&ix| &*model[ix].id).collect()
}

fn repetition(node: &Node) -> Vec<String> {
    match &node.repeat {
        None => Vec::new(),
        Some(Repeat::Standard {
            tests_before,
            maximum,
            condition,
        }) => vec![
            "loop".to_owned(),
            tests_before.to_string(),
            text(maximum.as_ref()),
            text(condition.as_ref()),
        ],
        Some(Repeat::Multi(multi)) => vec![
            "multiple".to_owned(),
            multi.is_sequential.to_string(),
            text(multi.cardinality.as_ref()),
            text(multi.collection.as_ref()),
            text(multi.until.as_ref()),
            multi.item.clone().unwrap_or_default(),
            multi.output.clone().unwrap_or_default(),
        ],
    }
}
