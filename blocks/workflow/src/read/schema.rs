//! What the XML Schema of BPMN 2.0.2 (`Semantic.xsd`) demands and the reader would pass over: the
//! names of elements, how often one may stand, and the values of attributes. A misspelt word must
//! not silently change what a process does.

use super::{
    BPMN,
    rules::{Place, Walk},
};
use crate::{core::timer, expr::is_expression, tree::Element};

/// All elements of the standard's namespace.
const ELEMENTS: &str = "activationCondition adHocSubProcess artifact assignment association auditing \
boundaryEvent businessRuleTask callActivity callChoreography callConversation callableElement \
cancelEventDefinition category categoryValue categoryValueRef childLaneSet choreography \
choreographyRef choreographyTask \
collaboration compensateEventDefinition completionCondition complexBehaviorDefinition complexGateway \
condition conditionExpression conditionalEventDefinition conversation conversationAssociation \
conversationLink conversationNode correlationKey correlationProperty correlationPropertyBinding \
correlationPropertyRef correlationPropertyRetrievalExpression correlationSubscription dataAssociation \
dataInput dataInputAssociation dataInputRefs dataObject dataObjectReference dataOutput \
dataOutputAssociation dataOutputRefs dataPath dataState dataStore dataStoreReference definitions \
documentation endEvent endPoint endPointRef error errorEventDefinition errorRef escalation \
escalationEventDefinition event eventBasedGateway eventDefinition eventDefinitionRef exclusiveGateway \
expression extension extensionElements flowElement flowNode flowNodeRef formalExpression from \
globalBusinessRuleTask globalChoreographyTask globalCommunicationTask globalConversation globalManualTask globalScriptTask \
globalTask globalUserTask group humanPerformer implicitThrowEvent import inMessageRef incoming \
inclusiveGateway innerParticipantRef inputDataItem inputSet inputSetRefs interface interfaceRef \
intermediateCatchEvent intermediateThrowEvent ioBinding ioSpecification itemDefinition lane laneSet \
linkEventDefinition loopCardinality loopCharacteristics loopCondition loopDataInputRef \
loopDataOutputRef manualTask message messageEventDefinition messageFlow messageFlowAssociation \
messageFlowRef messagePath monitoring multiInstanceLoopCharacteristics operation operationRef \
optionalInputRefs optionalOutputRefs outMessageRef outerParticipantRef outgoing outputDataItem \
outputSet outputSetRefs parallelGateway participant participantAssociation participantMultiplicity \
participantRef partitionElement partnerEntity partnerRole performer potentialOwner process property \
receiveTask relationship rendering resource resourceAssignmentExpression resourceParameter \
resourceParameterBinding resourceRef resourceRole rootElement script scriptTask sendTask sequenceFlow \
serviceTask signal signalEventDefinition source sourceRef standardLoopCharacteristics startEvent \
subChoreography subConversation subProcess supportedInterfaceRef supports target targetRef task \
terminateEventDefinition text textAnnotation timeCycle timeDate timeDuration timerEventDefinition to \
transaction transformation userTask whileExecutingInputRefs whileExecutingOutputRefs";

const BOOLEANS: &[&str] = &[
    "cancelActivity",
    "cancelRemainingInstances",
    "instantiate",
    "isClosed",
    "isCollection",
    "isExecutable",
    "isForCompensation",
    "isImmediate",
    "isInterrupting",
    "isSequential",
    "isUnlimited",
    "parallelMultiple",
    "testBefore",
    "triggeredByEvent",
    "waitForCompletion",
];

const CHOICES: &[(&str, &[&str])] = &[
    ("associationDirection", &["None", "One", "Both"]),
    ("behavior", &["None", "One", "All", "Complex"]),
    ("eventGatewayType", &["Exclusive", "Parallel"]),
    (
        "gatewayDirection",
        &["Unspecified", "Converging", "Diverging", "Mixed"],
    ),
    ("itemKind", &["Information", "Physical"]),
    ("ordering", &["Parallel", "Sequential"]),
    ("processType", &["None", "Public", "Private"]),
];

/// Children that an element has once at the most.
const ONCE: &[&str] = &[
    "activationCondition",
    "completionCondition",
    "condition",
    "conditionExpression",
    "extensionElements",
    "inputDataItem",
    "ioSpecification",
    "loopCardinality",
    "loopCondition",
    "loopDataInputRef",
    "loopDataOutputRef",
    "outputDataItem",
    "script",
];

/// Attributes that are whole numbers, and the smallest where no other rule knows it.
const INTEGERS: &[(&str, i64)] = &[
    ("completionQuantity", i64::MIN),
    ("loopMaximum", 0),
    ("maximum", i64::MIN),
    ("minimum", i64::MIN),
    ("startQuantity", i64::MIN),
];

/// Whether the standard knows an element of that name.
pub(super) fn is_known(name: &str) -> bool {
    ELEMENTS.split_ascii_whitespace().any(|known| known == name)
}

impl<'a> Walk<'a> {
    pub(super) fn schema(&mut self, element: &'a Element, place: Place<'a>) {
        self.name(element, place);
        self.place(element, place);
        self.id(element, place);
        self.values(element, place);
        self.multiplicity(element, place);
        self.time(element, place);
    }

    fn name(&mut self, element: &Element, place: Place<'_>) {
        if is_known(&element.name) {
            return;
        }
        let text = format!("the standard has no element `{}`", element.name);
        let remedy = "correct its name, or give what is your own a namespace of its own";
        self.tell(
            place.is_executable,
            "element-unknown",
            element,
            &text,
            remedy,
        );
    }

    fn values(&mut self, element: &Element, place: Place<'_>) {
        let own = element.attributes.iter().filter(|a| a.namespace.is_empty());
        for attribute in own {
            let name = attribute.name.as_str();
            let value = attribute.value.trim();
            let known: &[&str] = match CHOICES.iter().find(|(known, _)| *known == name) {
                Some((_, choices)) => choices,
                None if BOOLEANS.contains(&name) => &["true", "false", "1", "0"],
                None => {
                    self.integer(element, name, value, place);
                    continue;
                }
            };
            if known.contains(&value) {
                continue;
            }
            let text = format!("`{name}` is `{value}` and not one of {}", known.join(", "));
            let is_error = place.is_executable || name == "isExecutable";
            self.tell(
                is_error,
                "value-unknown",
                element,
                &text,
                "write one of them",
            );
        }
    }

    fn integer<'b>(&mut self, element: &'b Element, name: &str, value: &str, place: Place<'b>) {
        let Some((_, least)) = INTEGERS.iter().find(|(known, _)| *known == name) else {
            return;
        };
        let is_limit = name == "loopMaximum";
        // Some engines let the limit be an expression, or leave it empty.
        let is_given = is_limit && (value.is_empty() || is_expression(value));
        if is_given || value.parse::<i64>().is_ok_and(|number| number >= *least) {
            return;
        }
        let from = if is_limit { " from 0 on" } else { "" };
        let text = format!("`{name}` is `{value}` and no whole number{from}");
        self.tell_at(
            place.is_executable || !is_limit,
            "value-unknown",
            (place.owner(element), element.line),
            &text,
            "write a whole number, or leave the attribute out",
        );
    }

    /// An id is a name without colons (`xs:ID`): no spaces, no digit first.
    fn id(&mut self, element: &Element, place: Place<'_>) {
        let Some(id) = element.get("id").map(str::trim) else {
            return;
        };
        if id.is_empty() || is_name(id) {
            return;
        }
        let text = format!("`{id}` is no id as XML has them");
        let remedy = "begin with a letter or `_`, and go on with letters, digits, `.`, `-` and `_`";
        self.tell(place.is_executable, "id-malformed", element, &text, remedy);
    }

    fn multiplicity(&mut self, element: &'a Element, place: Place<'a>) {
        let count = |names: &[&str]| {
            let children = element.children.iter();
            let is_named =
                |child: &&Element| child.namespace == BPMN && names.contains(&child.name.as_str());
            children.filter(is_named).count()
        };
        let mut twice: Vec<&str> = ONCE
            .iter()
            .copied()
            .filter(|name| count(&[name]) > 1)
            .collect();
        if count(&[
            "standardLoopCharacteristics",
            "multiInstanceLoopCharacteristics",
        ]) > 1
        {
            twice.push("loopCharacteristics");
        }
        for name in twice {
            let text = format!("there is more than one `{name}`, and only one counts");
            self.tell(
                place.is_executable,
                "element-twice",
                element,
                &text,
                "leave one of them",
            );
        }
        self.compensation_twice(element, place);
    }

    /// An activity is undone by one handler (BPMN 2.0.2, 10.7.1).
    fn compensation_twice(&mut self, element: &'a Element, place: Place<'a>) {
        let mut hosts: Vec<&str> = Vec::new();
        for event in element.children_named("boundaryEvent") {
            let undoes = event.child("compensateEventDefinition").is_some();
            let Some(host) = event.get("attachedToRef").filter(|_| undoes) else {
                continue;
            };
            if hosts.contains(&host) {
                let text = format!("`{host}` has another compensation event already");
                let remedy = "let one handler undo it; a sub-process may do so in several steps";
                self.tell(
                    place.is_executable,
                    "compensation-twice",
                    event,
                    &text,
                    remedy,
                );
            }
            hosts.push(host);
        }
    }

    /// A time that is meant as ISO 8601 and is none would be read as the name of a variable.
    fn time(&mut self, element: &Element, place: Place<'_>) {
        if !matches!(
            element.name.as_str(),
            "timeDate" | "timeDuration" | "timeCycle"
        ) {
            return;
        }
        let text = element.text.trim();
        if looks_like_time(text) && !timer::is_literal(text) {
            let owner = place.parent.unwrap_or(element);
            let words = format!("`{text}` is no time by ISO 8601");
            let remedy = "write it as `PT2H`, `R3/PT10M` or `2026-10-01T09:00:00+08:00`";
            self.tell(
                place.is_executable,
                "timer-unreadable",
                owner,
                &words,
                remedy,
            );
        }
    }
}

/// `PT5X`, `-PT5M`, `R3/PT`, `R-1/PT10S`, `2026-13-01`, `2026-W54-1`, `20261301T1015`.
fn looks_like_time(text: &str) -> bool {
    let digit = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    let span = |text: &str| {
        text.trim_start_matches(['+', '-'])
            .strip_prefix('P')
            .is_some_and(|rest| digit(rest) || rest.strip_prefix('T').is_some_and(digit))
    };
    let is_cycle = text
        .strip_prefix('R')
        .map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-'))
        .is_some_and(|rest| rest.starts_with('/'));
    let shape = text.chars().take(10).map(|c| match c {
        '0'..='9' => '0',
        other => other,
    });
    let is_date = |pattern: &str| shape.clone().take(pattern.len()).eq(pattern.chars());
    span(text) || is_cycle || is_date("0000-00-00") || is_date("0000-W00") || is_date("00000000T0")
}

/// An `NCName` (Namespaces in XML 1.0).
fn is_name(text: &str) -> bool {
    let begins = |c: char| {
        matches!(c, 'A'..='Z' | 'a'..='z' | '_' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}'
            | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}'
            | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}'
            | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
            | '\u{10000}'..='\u{EFFFF}')
    };
    let goes_on = |c: char| {
        begins(c)
            || matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}'
                | '\u{203F}'..='\u{2040}')
    };
    text.starts_with(begins) && text.chars().all(goes_on)
}
