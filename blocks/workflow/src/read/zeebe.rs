//! Camunda 8 says everything in extension elements, and marks FEEL with an equals sign: which of
//! them we take over and where, and a list of the rest.

use std::collections::BTreeMap;

use crate::{expr::quoted, model::Ignored, tree::Element};

pub(crate) const NAMESPACE: &str = "http://camunda.org/schema/zeebe/1.0";

/// An extension element: its name, the elements at which it is taken over, and of its attributes
/// theirs and ours. What has no name of ours is read where the element itself is.
type Taken = (
    &'static str,
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
);

const TAKEN: &[Taken] = &[
    (
        "taskDefinition",
        &["serviceTask", "sendTask", "businessRuleTask"],
        &[("type", "topic"), ("retries", "retries")],
    ),
    (
        "formDefinition",
        &["userTask", "startEvent"],
        &[("formKey", "form"), ("formId", "form")],
    ),
    (
        "assignmentDefinition",
        &["userTask"],
        &[
            ("assignee", "assignee"),
            ("candidateGroups", "candidates"),
            ("candidateUsers", "users"),
        ],
    ),
    ("taskSchedule", &["userTask"], &[("dueDate", "due")]),
    (
        "priorityDefinition",
        &["userTask"],
        &[("priority", "priority")],
    ),
    (
        "calledDecision",
        &["businessRuleTask"],
        &[("decisionId", "decision"), ("resultVariable", "result")],
    ),
    (
        "script",
        &["scriptTask"],
        &[("expression", ""), ("resultVariable", "result")],
    ),
    ("calledElement", &["callActivity"], &[("processId", "")]),
    ("userTask", &["userTask"], &[]),
];

/// An extension element of Camunda 8.
pub(super) fn find<'a>(element: &'a Element, name: &str) -> Option<&'a Element> {
    let extensions = element.child("extensionElements")?;
    let mut children = extensions.children.iter();
    children.find(|child| child.namespace == NAMESPACE && child.name == name)
}

/// Takes over what an extension element means for the element that it is in, and lists what else
/// it says; false where nothing of it has an effect there.
pub(super) fn take(
    element: &Element,
    id: &str,
    extension: &Element,
    found: &mut BTreeMap<String, String>,
    ignored: &mut Vec<Ignored>,
) -> bool {
    // Mappings are read apart.
    if extension.name == "ioMapping" {
        return true;
    }
    let mut known = TAKEN.iter();
    let known =
        known.find(|(name, at, _)| *name == extension.name && at.contains(&element.name.as_str()));
    let Some((_, _, attributes)) = known else {
        return false;
    };
    for attribute in &extension.attributes {
        let value = attribute.value.trim();
        match attributes
            .iter()
            .find(|(theirs, _)| *theirs == attribute.name)
        {
            Some((_, "")) => {}
            Some((_, ours)) => drop(found.insert((*ours).to_owned(), value.to_owned())),
            None => ignored.push(Ignored {
                element: id.to_owned(),
                line: extension.line,
                what: format!("<zeebe:{} {}=\"{value}\">", extension.name, attribute.name),
            }),
        }
    }
    true
}

/// The key by which a message is told apart, as an expression of ours.
pub(super) fn correlation(message: &Element) -> Option<String> {
    let key = find(message, "subscription")?.get("correlationKey")?;
    Some(match key.trim().strip_prefix('=') {
        Some(expression) => expression.trim().to_owned(),
        None => quoted(key.trim()),
    })
}
