//! Which elements may stand in which, by the XML Schema of BPMN 2.0.2 (`Semantic.xsd`). What stands
//! elsewhere is read by nobody: a task in a lane would vanish without a word.

use super::{
    BPMN,
    rules::{Place, Walk},
};
use crate::tree::Element;

/// Groups of names, used below by `@group`.
const GROUPS: &[(&str, &str)] = &[
    (
        "flow-element",
        "adHocSubProcess boundaryEvent businessRuleTask callActivity callChoreography \
        choreographyTask complexGateway dataObject dataObjectReference dataStoreReference endEvent \
        event eventBasedGateway exclusiveGateway flowElement flowNode implicitThrowEvent \
        inclusiveGateway intermediateCatchEvent intermediateThrowEvent manualTask parallelGateway \
        receiveTask scriptTask sendTask sequenceFlow serviceTask startEvent subChoreography \
        subProcess task transaction userTask",
    ),
    ("artifact", "artifact association group textAnnotation"),
    (
        "role",
        "humanPerformer performer potentialOwner resourceRole",
    ),
    (
        "event-definition",
        "cancelEventDefinition compensateEventDefinition conditionalEventDefinition \
        errorEventDefinition escalationEventDefinition eventDefinition linkEventDefinition \
        messageEventDefinition signalEventDefinition terminateEventDefinition timerEventDefinition",
    ),
    ("of-flow-element", "auditing categoryValueRef monitoring"),
    ("of-flow-node", "@of-flow-element incoming outgoing"),
    (
        "of-callable",
        "@role ioBinding ioSpecification supportedInterfaceRef",
    ),
    (
        "of-activity",
        "@of-flow-node @role dataInputAssociation dataOutputAssociation ioSpecification \
        loopCharacteristics multiInstanceLoopCharacteristics property standardLoopCharacteristics",
    ),
    (
        "of-sub-process",
        "@of-activity @flow-element @artifact laneSet",
    ),
    (
        "of-catch",
        "@of-flow-node @event-definition dataOutput dataOutputAssociation eventDefinitionRef \
        outputSet property",
    ),
    (
        "of-throw",
        "@of-flow-node @event-definition dataInput dataInputAssociation eventDefinitionRef inputSet \
        property",
    ),
    (
        "of-role",
        "resourceAssignmentExpression resourceParameterBinding resourceRef",
    ),
    (
        "of-association",
        "assignment sourceRef targetRef transformation",
    ),
    (
        "of-choreography-activity",
        "@of-flow-node correlationKey participantRef",
    ),
    (
        "of-conversation",
        "correlationKey messageFlowRef participantRef",
    ),
    (
        "of-collaboration",
        "@artifact callConversation choreographyRef conversation conversationAssociation \
        conversationLink conversationNode correlationKey messageFlow messageFlowAssociation \
        participant participantAssociation subConversation",
    ),
    ("an-expression", "expression formalExpression"),
];

/// What may stand in an element besides documentation and extensions. Elements that are not listed
/// hold texts, or what they like.
const CHILDREN: &[(&str, &str)] = &[
    (
        "definitions",
        "@event-definition callableElement category choreography collaboration correlationProperty \
        dataStore endPoint error escalation extension globalBusinessRuleTask \
        globalChoreographyTask globalCommunicationTask globalConversation globalManualTask \
        globalScriptTask globalTask globalUserTask import interface itemDefinition message \
        partnerEntity partnerRole process relationship resource rootElement signal",
    ),
    (
        "process",
        "@of-callable @flow-element @artifact auditing correlationSubscription laneSet monitoring \
        property supports",
    ),
    ("subProcess", "@of-sub-process"),
    ("transaction", "@of-sub-process"),
    ("adHocSubProcess", "@of-sub-process completionCondition"),
    ("task", "@of-activity"),
    ("businessRuleTask", "@of-activity"),
    ("callActivity", "@of-activity"),
    ("manualTask", "@of-activity"),
    ("receiveTask", "@of-activity"),
    ("scriptTask", "@of-activity script"),
    ("sendTask", "@of-activity"),
    ("serviceTask", "@of-activity"),
    ("userTask", "@of-activity rendering"),
    ("globalTask", "@of-callable"),
    ("globalBusinessRuleTask", "@of-callable"),
    ("globalManualTask", "@of-callable"),
    ("globalScriptTask", "@of-callable script"),
    ("globalUserTask", "@of-callable rendering"),
    ("startEvent", "@of-catch"),
    ("intermediateCatchEvent", "@of-catch"),
    ("boundaryEvent", "@of-catch"),
    ("endEvent", "@of-throw"),
    ("intermediateThrowEvent", "@of-throw"),
    ("implicitThrowEvent", "@of-throw"),
    ("exclusiveGateway", "@of-flow-node"),
    ("inclusiveGateway", "@of-flow-node"),
    ("parallelGateway", "@of-flow-node"),
    ("eventBasedGateway", "@of-flow-node"),
    ("complexGateway", "@of-flow-node activationCondition"),
    ("sequenceFlow", "@of-flow-element conditionExpression"),
    ("dataObject", "@of-flow-element dataState"),
    ("dataObjectReference", "@of-flow-element dataState"),
    ("dataStoreReference", "@of-flow-element dataState"),
    ("dataStore", "dataState"),
    ("dataInput", "dataState"),
    ("dataOutput", "dataState"),
    ("inputDataItem", "dataState"),
    ("outputDataItem", "dataState"),
    ("property", "dataState"),
    ("laneSet", "lane"),
    ("childLaneSet", "lane"),
    ("lane", "childLaneSet flowNodeRef partitionElement"),
    ("ioSpecification", "dataInput dataOutput inputSet outputSet"),
    (
        "inputSet",
        "dataInputRefs optionalInputRefs outputSetRefs whileExecutingInputRefs",
    ),
    (
        "outputSet",
        "dataOutputRefs inputSetRefs optionalOutputRefs whileExecutingOutputRefs",
    ),
    ("dataInputAssociation", "@of-association"),
    ("dataOutputAssociation", "@of-association"),
    ("assignment", "from to"),
    ("standardLoopCharacteristics", "loopCondition"),
    (
        "multiInstanceLoopCharacteristics",
        "completionCondition complexBehaviorDefinition inputDataItem loopCardinality \
        loopDataInputRef loopDataOutputRef outputDataItem",
    ),
    ("complexBehaviorDefinition", "condition event"),
    ("event", "@of-throw"),
    ("cancelEventDefinition", ""),
    ("compensateEventDefinition", ""),
    ("conditionalEventDefinition", "condition"),
    ("errorEventDefinition", ""),
    ("escalationEventDefinition", ""),
    ("linkEventDefinition", "source target"),
    ("messageEventDefinition", "operationRef"),
    ("signalEventDefinition", ""),
    ("terminateEventDefinition", ""),
    ("timerEventDefinition", "timeCycle timeDate timeDuration"),
    ("performer", "@of-role"),
    ("humanPerformer", "@of-role"),
    ("potentialOwner", "@of-role"),
    ("resourceRole", "@of-role"),
    ("resourceAssignmentExpression", "@an-expression"),
    ("resourceParameterBinding", "@an-expression"),
    ("resource", "resourceParameter"),
    ("interface", "operation"),
    ("operation", "errorRef inMessageRef outMessageRef"),
    ("category", "categoryValue"),
    (
        "correlationProperty",
        "correlationPropertyRetrievalExpression",
    ),
    ("correlationPropertyRetrievalExpression", "messagePath"),
    ("correlationKey", "correlationPropertyRef"),
    ("correlationSubscription", "correlationPropertyBinding"),
    ("correlationPropertyBinding", "dataPath"),
    ("collaboration", "@of-collaboration"),
    ("globalConversation", "@of-collaboration"),
    ("choreography", "@of-collaboration @flow-element"),
    ("globalChoreographyTask", "@of-collaboration @flow-element"),
    (
        "choreographyTask",
        "@of-choreography-activity messageFlowRef",
    ),
    (
        "callChoreography",
        "@of-choreography-activity participantAssociation",
    ),
    (
        "subChoreography",
        "@of-choreography-activity @flow-element @artifact",
    ),
    (
        "participant",
        "endPointRef interfaceRef participantMultiplicity",
    ),
    (
        "participantAssociation",
        "innerParticipantRef outerParticipantRef",
    ),
    ("messageFlow", ""),
    ("conversation", "@of-conversation"),
    (
        "callConversation",
        "@of-conversation participantAssociation",
    ),
    (
        "subConversation",
        "@of-conversation callConversation conversation conversationNode subConversation",
    ),
    ("association", ""),
    ("group", ""),
    ("textAnnotation", "text"),
    ("message", ""),
    ("signal", ""),
    ("error", ""),
    ("escalation", ""),
    ("itemDefinition", ""),
    ("categoryValue", ""),
    ("incoming", ""),
    ("outgoing", ""),
    ("flowNodeRef", ""),
];

/// Whether one of `names`, or of the groups that it names, is `name`.
fn holds(names: &str, name: &str) -> bool {
    names
        .split_ascii_whitespace()
        .any(|known| match known.strip_prefix('@') {
            Some(group) => GROUPS
                .iter()
                .any(|(known, names)| *known == group && holds(names, name)),
            None => known == name,
        })
}

/// Misplaced things of which other rules tell.
fn is_told_elsewhere(parent: &str, name: &str) -> bool {
    name == "property"
        || matches!(
            name,
            "choreographyTask" | "subChoreography" | "callChoreography"
        ) && matches!(
            parent,
            "process" | "subProcess" | "transaction" | "adHocSubProcess"
        )
}

impl<'a> Walk<'a> {
    /// Whether the element may stand where it stands.
    pub(super) fn place(&mut self, element: &'a Element, place: Place<'a>) {
        let Some(parent) = place.parent.filter(|parent| parent.namespace == BPMN) else {
            return;
        };
        let name = element.name.as_str();
        let is_common = matches!(name, "documentation" | "extensionElements");
        let known = CHILDREN.iter().find(|(known, _)| *known == parent.name);
        let Some((_, children)) = known.filter(|_| !is_common) else {
            return;
        };
        if holds(children, name)
            || is_told_elsewhere(&parent.name, name)
            || !super::schema::is_known(name)
        {
            return;
        }
        let text = format!(
            "`{name}` has no place in `{}` and would not be read",
            parent.name
        );
        let remedy = "move it to where it belongs, or remove it";
        let is_error = place.is_executable || place.process.is_none();
        self.tell_at(
            is_error,
            "element-misplaced",
            (place.owner(element), element.line),
            &text,
            remedy,
        );
    }
}
