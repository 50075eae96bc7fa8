//! What other engines (Camunda, Flowable, Activiti) would do and this one does not, outside of flow
//! nodes: on processes, flows and event definitions. Nothing is refused for it, but nobody shall
//! believe otherwise.

use crate::{
    model::Ignored,
    read::{BPMN, FOREIGN, ROLES, ZEEBE},
    tree::Element,
};

fn engine(namespace: &str) -> Option<&'static str> {
    let mut known = FOREIGN.iter();
    known
        .find(|(known, _)| *known == namespace)
        .map(|(_, name)| *name)
}

/// Elements of the standard that are flow nodes, whose attributes the reader itself takes over
/// or lists.
pub(crate) fn is_flow_node(element: &Element) -> bool {
    let name = element.name.as_str();
    name.ends_with("ask")
        || name.ends_with("Gateway")
        || matches!(
            name,
            "startEvent"
                | "endEvent"
                | "intermediateCatchEvent"
                | "intermediateThrowEvent"
                | "boundaryEvent"
                | "subProcess"
                | "transaction"
                | "adHocSubProcess"
                | "callActivity"
        )
}

/// Attributes of a multiple activity that the reader takes over.
const MULTIPLE: &[&str] = &["collection", "elementVariable"];

/// Attributes of a process that the reader takes over.
const PROCESS: &[&str] = &["candidateStarterGroups", "candidateStarterUsers"];

/// Extension elements of Camunda 8 that the reader takes over, and where.
const READ: &[(&str, &str)] = &[
    ("message", "subscription"),
    ("multiInstanceLoopCharacteristics", "loopCharacteristics"),
];

/// Lists foreign attributes and elements of what is no flow node: processes, flows, event
/// definitions.
pub(crate) fn list_rest(root: &Element, ignored: &mut Vec<Ignored>) {
    let mut waiting = vec![(root, "")];
    while let Some((element, around)) = waiting.pop() {
        if engine(&element.namespace).is_some() {
            continue;
        }
        let id = element.get("id").unwrap_or(around);
        if !is_flow_node(element) {
            list(element, id, ignored);
        }
        waiting.extend(element.children.iter().rev().map(|child| (child, id)));
    }
    ignored.sort_by_key(|one| one.line);
}

fn list(element: &Element, id: &str, ignored: &mut Vec<Ignored>) {
    let read = match element.name.as_str() {
        "multiInstanceLoopCharacteristics" => MULTIPLE,
        "process" => PROCESS,
        _ => &[],
    };
    for attribute in &element.attributes {
        let Some(engine) = engine(&attribute.namespace) else {
            continue;
        };
        if read.contains(&attribute.name.as_str()) {
            continue;
        }
        let what = format!("{engine}:{}=\"{}\"", attribute.name, attribute.value.trim());
        ignored.push(Ignored {
            element: id.to_owned(),
            line: element.line,
            what,
        });
    }
    // Of user tasks the reader takes them over.
    let is_role =
        |child: &&Element| child.namespace == BPMN && ROLES.contains(&child.name.as_str());
    for role in element.children.iter().filter(is_role) {
        ignored.push(Ignored {
            element: id.to_owned(),
            line: role.line,
            what: format!("<{}>", role.name),
        });
    }
    let extensions = element.child("extensionElements");
    for child in extensions.iter().flat_map(|e| &e.children) {
        let is_read = child.namespace == ZEEBE
            && READ.contains(&(element.name.as_str(), child.name.as_str()));
        if let Some(engine) = engine(&child.namespace).filter(|_| !is_read) {
            ignored.push(Ignored {
                element: id.to_owned(),
                line: child.line,
                what: format!("<{engine}:{}>", child.name),
            });
        }
    }
}
