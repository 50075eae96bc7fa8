//! What the XML Schema of BPMN 2.0.2 (`Semantic.xsd`) demands of an element: children that must
//! stand (`minOccurs="1"`) and attributes that must be given (`use="required"`).
//!
//! What is missing refuses a file where the element would do nothing of what it was drawn for.
//! Everything else is told: no process runs otherwise for it, and modelers leave much of it out.

use super::{
    BPMN,
    rules::{Place, Walk},
};
use crate::tree::Element;

/// An element, and what it must have; of children `a|b` one. Where another rule tells of it (ends
/// of flows, hosts, conditions of events, names of links) it is not listed.
const REQUIRED: &[(&str, &str, &str)] = &[
    // Element, children, attributes.
    ("association", "", "sourceRef targetRef"),
    (
        "callChoreography",
        "participantRef",
        "initiatingParticipantRef",
    ),
    (
        "choreographyTask",
        "participantRef messageFlowRef",
        "initiatingParticipantRef",
    ),
    (
        "conversationAssociation",
        "",
        "innerConversationNodeRef outerConversationNodeRef",
    ),
    ("conversationLink", "", "sourceRef targetRef"),
    (
        "correlationProperty",
        "correlationPropertyRetrievalExpression",
        "",
    ),
    (
        "correlationPropertyBinding",
        "dataPath",
        "correlationPropertyRef",
    ),
    (
        "correlationPropertyRetrievalExpression",
        "messagePath",
        "messageRef",
    ),
    ("correlationSubscription", "", "correlationKeyRef"),
    ("definitions", "", "targetNamespace"),
    ("humanPerformer", ROLE, ""),
    ("import", "", "namespace location importType"),
    ("interface", "operation", "name"),
    ("ioBinding", "", "operationRef inputDataRef outputDataRef"),
    ("ioSpecification", "inputSet outputSet", ""),
    (
        "messageFlowAssociation",
        "",
        "innerMessageFlowRef outerMessageFlowRef",
    ),
    ("operation", "inMessageRef", "name"),
    (
        "participantAssociation",
        "innerParticipantRef outerParticipantRef",
        "",
    ),
    ("performer", ROLE, ""),
    ("potentialOwner", ROLE, ""),
    ("relationship", "source target", "type"),
    ("resource", "", "name"),
    ("resourceAssignmentExpression", EXPRESSION, ""),
    ("resourceParameterBinding", EXPRESSION, "parameterRef"),
    ("resourceRole", ROLE, ""),
    (
        "subChoreography",
        "participantRef",
        "initiatingParticipantRef",
    ),
];

const ROLE: &str = "resourceRef|resourceAssignmentExpression";
const EXPRESSION: &str = "expression|formalExpression";

impl<'a> Walk<'a> {
    pub(super) fn required(&mut self, element: &'a Element, place: Place<'a>) {
        let name = element.name.as_str();
        for (_, children, attributes) in REQUIRED.iter().filter(|(known, ..)| *known == name) {
            let absent = |choice: &&str| !choice.split('|').any(|child| has(element, child));
            for child in children.split_ascii_whitespace().filter(absent) {
                self.absent(
                    element,
                    place,
                    &format!("no `{}`", child.replace('|', "` or `")),
                );
            }
            let empty = |name: &&str| element.get(name).is_none_or(|text| text.trim().is_empty());
            for attribute in attributes.split_ascii_whitespace().filter(empty) {
                self.absent(element, place, &format!("no `{attribute}`"));
            }
        }
        match name {
            "dataInputAssociation" | "dataOutputAssociation" => self.moves(element, place),
            "complexBehaviorDefinition" if !has(element, "condition") => {
                let text = "it does not say when it throws";
                self.incomplete(element, place, text, "add its `condition`");
            }
            _ => {}
        }
    }

    fn absent(&mut self, element: &'a Element, place: Place<'a>, what: &str) {
        let at = (place.owner(element), element.line);
        let text = format!("`{}` has {what}, which the standard demands", element.name);
        let remedy = "add it; other tools may refuse the file";
        self.tell_at(false, "required-missing", at, &text, remedy);
    }

    fn incomplete(
        &mut self,
        element: &'a Element,
        place: Place<'a>,
        text: &str,
        remedy: &'static str,
    ) {
        let at = (place.owner(element), element.line);
        self.tell_at(place.is_executable, "element-incomplete", at, text, remedy);
    }

    /// A data association says where to, in whole or part by part; one into an activity also
    /// where from. Modelers draw those out of an activity without a source.
    fn moves(&mut self, element: &'a Element, place: Place<'a>) {
        let assignments = || element.children_named("assignment");
        let lands = has(element, "targetRef");
        if assignments().any(|one| !has(one, "from")) {
            let text = "an assignment does not say what it assigns";
            self.incomplete(element, place, text, "add its `from`");
        }
        if assignments().any(|one| !has(one, "to")) && !lands {
            let text = "an assignment does not say what it assigns to";
            self.incomplete(element, place, text, "add its `to`, or the `targetRef`");
        } else if !lands && assignments().next().is_none() {
            let text = "it does not say where the data goes";
            self.incomplete(element, place, text, "add its `targetRef`");
        } else if !lands {
            self.absent(element, place, "no `targetRef`");
        }
        let comes = has(element, "sourceRef") || has(element, "transformation");
        if element.name == "dataInputAssociation" && !comes && assignments().next().is_none() {
            let text = "it does not say where the data comes from";
            self.incomplete(element, place, text, "add its `sourceRef`");
        }
    }
}

/// Whether a child stands there and says something.
fn has(element: &Element, name: &str) -> bool {
    let mut children = element.children_named(name);
    children.any(|child| {
        let is_empty = child.text.trim().is_empty() && child.children.is_empty();
        child.namespace == BPMN && !(is_empty && SAID_BY_TEXT.contains(&name))
    })
}

/// Children that are nothing without text.
const SAID_BY_TEXT: &[&str] = &[
    "condition",
    "from",
    "inMessageRef",
    "innerParticipantRef",
    "messageFlowRef",
    "outerParticipantRef",
    "participantRef",
    "resourceRef",
    "sourceRef",
    "targetRef",
    "to",
    "transformation",
];
