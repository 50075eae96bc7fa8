//! Attributes and extension elements of our own and of other engines: what of them we take over,
//! and a list of what has no effect here.

use std::collections::BTreeMap;

use super::{ZEEBE, text_of, zeebe};
use crate::{
    expr::{Expr, inside, is_expression, is_template, quoted},
    model::{ALL, Ignored, Mapping, Source, TONGBAN},
    tree::Element,
    verb::who::own_group,
};

/// Extension namespaces of engines whose attributes we understand in part.
pub(crate) const FOREIGN: &[(&str, &str)] = &[
    ("http://camunda.org/schema/1.0/bpmn", "camunda"),
    ("http://activiti.org/bpmn", "activiti"),
    ("http://flowable.org/bpmn", "flowable"),
    (ZEEBE, "zeebe"),
];

/// An attribute under our namespace or that of an engine we know.
pub(super) fn own<'a>(element: &'a Element, name: &str) -> Option<&'a str> {
    let mut spaces = std::iter::once(TONGBAN).chain(FOREIGN.iter().map(|(space, _)| *space));
    let attribute = spaces.find_map(|namespace| element.get_in(namespace, name));
    attribute.or_else(|| {
        let zeebe_name = match name {
            "collection" => "inputCollection",
            "elementVariable" => "inputElement",
            name => name,
        };
        zeebe::find(element, "loopCharacteristics")?.get(zeebe_name)
    })
}

/// Whether a message event says in another engine's words how it is sent.
pub(super) fn is_sent_outside(element: &Element) -> bool {
    element.attributes.iter().any(|attribute| {
        FOREIGN
            .iter()
            .any(|(space, _)| *space == attribute.namespace)
    }) || element.child("extensionElements").is_some()
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    In,
    Out,
}

/// Mappings of an activity: our own, `in` and `out` of a call, `inputOutput`, `ioMapping`.
pub(super) fn mappings(element: &Element, side: Side) -> Vec<Mapping> {
    let mut found = Vec::new();
    let (own, short, parameter) = match side {
        Side::In => ("input", "in", "inputParameter"),
        Side::Out => ("output", "out", "outputParameter"),
    };
    let mut add = |target: &str, source: Source| {
        found.push(Mapping {
            target: target.to_owned(),
            source,
        });
    };
    let extensions = element.child("extensionElements");
    for child in extensions.iter().flat_map(|e| &e.children) {
        if child.name == own || child.name == short {
            let source = child.get("source");
            // Other engines name a variable there, whatever characters it has.
            let source = if engine(&child.namespace).is_some() {
                source.map(|name| Source::variable(name, child.line))
            } else {
                source.map(|text| Source::new(text, child.line))
            };
            let calculated = child.get("sourceExpression");
            let source = source.or(calculated.map(|text| Source::new(text, child.line)));
            if let (Some(target), Some(source)) = (child.get("target"), source) {
                add(target, source);
            } else if child.get("variables") == Some("all") {
                add(ALL, Source::literal("", child.line));
            }
        } else if child.name == "inputOutput" {
            for inner in child.children_named(parameter) {
                if let Some(name) = inner.get("name").filter(|_| script_in(inner).is_none()) {
                    add(name, Source::new(&parameter_value(inner), inner.line));
                }
            }
        } else if child.name == "ioMapping" && child.namespace == ZEEBE {
            for inner in child.children_named(own) {
                if let (Some(target), Some(source)) = (inner.get("target"), inner.get("source")) {
                    let source = match source.strip_prefix('=') {
                        Some(expression) => Source::new(expression, inner.line),
                        None => Source::literal(source, inner.line),
                    };
                    add(target, source);
                }
            }
        }
    }
    found
}

/// The script of a parameter, itself or in a list or map, that is in another language than FEEL and
/// runs nowhere: such a parameter is not set.
fn script_in(parameter: &Element) -> Option<&Element> {
    let inside = parameter.children.iter();
    let mut found = inside.filter_map(|child| match child.name.as_str() {
        "script" if is_feel(child) => None,
        "script" => Some(child),
        _ => script_in(child),
    });
    found.next()
}

fn is_feel(script: &Element) -> bool {
    script
        .get("scriptFormat")
        .is_some_and(|format| format.eq_ignore_ascii_case("feel"))
}

/// Lists the parameters that a script was to set.
fn note_scripts(parameters: &Element, engine: &str, id: &str, ignored: &mut Vec<Ignored>) {
    for parameter in &parameters.children {
        if let Some(script) = script_in(parameter) {
            let given = |name: &str, from: &Element| from.get(name).unwrap_or_default().to_owned();
            let what = format!(
                "<{engine}:{} name=\"{}\"><{engine}:script scriptFormat=\"{}\">",
                parameter.name,
                given("name", parameter),
                given("scriptFormat", script)
            );
            ignored.push(Ignored {
                element: id.to_owned(),
                line: script.line,
                what,
            });
        }
    }
}

/// A parameter as an expression: text, `${…}` or `#{…}`, a list, a map, or a script in FEEL.
fn parameter_value(element: &Element) -> String {
    if element.name == "script" {
        return text_of(element);
    }
    let join = |parts: Vec<String>| parts.join(", ");
    if let Some(list) = element.children.iter().find(|child| child.name == "list") {
        return format!(
            "[{}]",
            join(list.children.iter().map(parameter_value).collect())
        );
    }
    if let Some(map) = element.children.iter().find(|child| child.name == "map") {
        let entry = |entry: &Element| {
            let key = entry.get("key").unwrap_or_default();
            format!("{}: {}", quoted(key), parameter_value(entry))
        };
        return format!(
            "{{{}}}",
            join(map.children_named("entry").map(entry).collect())
        );
    }
    if let Some(script) = element.child("script") {
        return text_of(script);
    }
    let text = text_of(element);
    match inside(&text) {
        Some(inner) => crate::juel::to_feel(inner).unwrap_or_else(|_| text.clone()),
        None if is_template(&text) => text,
        None => quoted(&text),
    }
}

/// Attributes that mean something here. A property of another engine that happens to have such a
/// name is a remark to its author and shall not direct anything.
pub(crate) const OURS: &[&str] = &[
    "assignee",
    "async",
    "call",
    "candidates",
    "choose",
    "correlation",
    "days",
    "decision",
    "due",
    "escalate",
    "extend",
    "fields",
    "form",
    "grounds",
    "hours",
    "initiator",
    "labels",
    "lane",
    "officers",
    "org",
    "outcome",
    "outcomes",
    "priority",
    "reject",
    "remind",
    "result",
    "retries",
    "sign",
    "signers",
    "skip",
    "starters",
    "suspends",
    "topic",
    "urge",
    "users",
    "veto",
    "workingDays",
    "worksWhileSuspended",
];

/// Attributes of an extension element that have no effect, where the element itself has one.
fn without_effect_in(child: &Element) -> impl Iterator<Item = (&'static str, &str)> {
    let names: &[&str] = match child.name.as_str() {
        // A call has the subject, and with it the key, of its caller.
        "in" => &["businessKey", "local"],
        "out" => &["local"],
        _ => &[],
    };
    let given = names.iter().copied();
    given.filter_map(|name| Some((name, child.get(name)?)))
}

/// Who may start a process, in the words of other engines (`candidateStarterGroups` and
/// `candidateStarterUsers`), as `tongban:starters` says it.
pub(super) fn starters(process: &Element) -> Option<String> {
    let given = |name: &str| {
        let mut engines = FOREIGN.iter();
        engines.find_map(|(space, _)| process.get_in(space, name))
    };
    let words = |text: Option<&str>| -> Vec<String> {
        let words = text.unwrap_or_default().split(',').map(str::trim);
        words
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let groups = words(given("candidateStarterGroups"));
    let users = words(given("candidateStarterUsers"));
    let users = users.iter().map(|user| own_group(user));
    let all: Vec<String> = groups.into_iter().chain(users).collect();
    (!all.is_empty()).then(|| all.join(","))
}

/// Takes over what other engines' attributes mean, and lists what has no effect here.
pub(super) fn foreign(
    element: &Element,
    id: &str,
    found: &mut BTreeMap<String, String>,
    ignored: &mut Vec<Ignored>,
) {
    attributes(element, id, found, ignored);
    extensions(element, id, found, ignored);
}

/// The engine whose namespace it is.
fn engine(namespace: &str) -> Option<&'static str> {
    let mut known = FOREIGN.iter();
    known
        .find(|(known, _)| *known == namespace)
        .map(|(_, name)| *name)
}

/// Whether a service, a worker or a decision carries the task out.
fn is_called(element: &Element) -> bool {
    matches!(
        element.name.as_str(),
        "serviceTask" | "sendTask" | "businessRuleTask"
    )
}

/// Whether tries mean something at the element and are not an expression that nobody understands:
/// without it the usual tries are made, so the file is not refused for it.
fn are_tries(element: &Element, text: &str) -> bool {
    is_called(element) && (!is_expression(text) || Expr::parse(text).is_ok())
}

fn attributes(
    element: &Element,
    id: &str,
    found: &mut BTreeMap<String, String>,
    ignored: &mut Vec<Ignored>,
) {
    for attribute in &element.attributes {
        let Some(engine) = engine(&attribute.namespace) else {
            continue;
        };
        let ours = match attribute.name.as_str() {
            "assignee" => "assignee",
            "candidateGroups" => "candidates",
            "candidateUsers" => "users",
            "formKey" => "form",
            "dueDate" => "due",
            "decisionRef" | "decisionTableReferenceKey" => "decision",
            "resultVariable" => "result",
            "topic" => "topic",
            "delegateExpression" => "call",
            "priority" | "taskPriority" => "priority",
            "asyncBefore" | "async" if is_called(element) => "async",
            "initiator" if element.name == "startEvent" => "initiator",
            // Says no more than the topic does.
            "type" if attribute.value.starts_with("external") => continue,
            // Jobs of one instance never run beside one another here; the others are taken over
            // where instances are read.
            "exclusive" | "collection" | "elementVariable" => continue,
            _ => {
                let what = format!("{engine}:{}=\"{}\"", attribute.name, attribute.value);
                ignored.push(Ignored {
                    element: id.to_owned(),
                    line: element.line,
                    what,
                });
                continue;
            }
        };
        let value = attribute.value.trim();
        let bean = inside(value).filter(|_| ours == "call").map(str::trim);
        found.insert(ours.to_owned(), bean.unwrap_or(value).to_owned());
    }
}

fn extensions(
    element: &Element,
    id: &str,
    found: &mut BTreeMap<String, String>,
    ignored: &mut Vec<Ignored>,
) {
    let extensions = element.child("extensionElements");
    for child in extensions.iter().flat_map(|e| &e.children) {
        let Some(engine) = engine(&child.namespace) else {
            continue;
        };
        let without_effect = |line: u32, what: String| Ignored {
            element: id.to_owned(),
            line,
            what,
        };
        for (name, value) in without_effect_in(child) {
            let what = format!("<{engine}:{} {name}=\"{value}\">", child.name);
            ignored.push(without_effect(child.line, what));
        }
        if child.namespace == ZEEBE && zeebe::take(element, id, child, found, ignored) {
            continue;
        }
        if child.name == "properties" {
            for property in child.children_named("property") {
                let given = (property.get("name"), property.get("value"));
                let (Some(name), Some(value)) = given else {
                    continue;
                };
                if OURS.contains(&name) {
                    let what = format!("<{engine}:property name=\"{name}\">");
                    ignored.push(without_effect(property.line, what));
                } else {
                    found.insert(name.to_owned(), value.to_owned());
                }
            }
        } else if child.name == "failedJobRetryTimeCycle" {
            let text = text_of(child);
            if are_tries(element, &text) {
                found.insert("retries".to_owned(), text);
            } else {
                let what = format!("<{engine}:{}>{text}", child.name);
                ignored.push(without_effect(child.line, what));
            }
        } else if child.name == "inputOutput" {
            note_scripts(child, engine, id, ignored);
        } else if !matches!(child.name.as_str(), "in" | "out") {
            let what = format!("<{engine}:{}>", child.name);
            ignored.push(without_effect(child.line, what));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::OURS;

    /// Attributes of a multiple activity, which stand at an element of their own.
    const LOOP: &[&str] = &[
        "collection",
        "elementVariable",
        "outputCollection",
        "outputElement",
    ];

    /// Those that the modeler shows among “other attributes”, as authors write them.
    const WITHOUT_FIELD: &[&str] = &[
        "async",
        "due",
        "extend",
        "grounds",
        "lane",
        "outcome",
        "priority",
        "reject",
        "urge",
        "users",
        "worksWhileSuspended",
    ];

    /// An attribute that only one of the two knows would be lost in the modeler, or a property of
    /// another engine that has its name would direct something here.
    #[test]
    fn the_modeler_knows_the_same_attributes() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../web/src/modeler-moddle.js"
        );
        let script = std::fs::read_to_string(path).unwrap();
        let (_, list) = script.split_once("NAMES = [").unwrap();
        let (list, _) = list.split_once(']').unwrap();
        let modeler: BTreeSet<&str> = list.split('"').skip(1).step_by(2).collect();
        let ours: BTreeSet<&str> = OURS.iter().chain(LOOP).copied().collect();
        let without: BTreeSet<&str> = WITHOUT_FIELD.iter().copied().collect();
        let expected: BTreeSet<&str> = ours.difference(&without).copied().collect();
        assert_eq!(modeler, expected);
        assert!(without.is_subset(&ours), "{without:?}");
        assert!(OURS.is_sorted());
    }
}
