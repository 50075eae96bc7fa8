//! Constraints of the standard on elements that the model does not keep: references, data,
//! multiplicities, choreographies. Found on the element tree, told as [`Problem`]s.

use std::collections::{HashMap, HashSet};

use super::{BPMN, MAX_QUANTITY, Reader, import::Imported, local, text_of};
use crate::{expr::is_expression, ignored::is_flow_node, model::Problem, tree::Element};

/// Elements that hold data.
const ITEM_AWARE: &[&str] = &[
    "dataInput",
    "dataObject",
    "dataObjectReference",
    "dataOutput",
    "dataStore",
    "dataStoreReference",
    "inputDataItem",
    "outputDataItem",
    "property",
];

/// References by attribute: element, attribute, elements that it may name (any if empty), and
/// whether types of other languages are usual there.
const ATTRIBUTES: &[(&str, &str, &[&str])] = &[
    ("association", "sourceRef", &[]),
    ("association", "targetRef", &[]),
    ("group", "categoryValueRef", &["categoryValue"]),
    ("lane", "partitionElementRef", &[]),
    ("dataObjectReference", "dataObjectRef", &["dataObject"]),
    ("dataStoreReference", "dataStoreRef", &["dataStore"]),
    ("sendTask", "operationRef", &["operation"]),
    ("receiveTask", "operationRef", &["operation"]),
    ("serviceTask", "operationRef", &["operation"]),
    (
        "correlationPropertyRetrievalExpression",
        "messageRef",
        &["message"],
    ),
    (
        "correlationSubscription",
        "correlationKeyRef",
        &["correlationKey"],
    ),
    (
        "callConversation",
        "calledCollaborationRef",
        &["choreography", "collaboration", "globalConversation"],
    ),
    ("ioBinding", "operationRef", &["operation"]),
    ("ioBinding", "inputDataRef", &["dataInput", "inputSet"]),
    ("ioBinding", "outputDataRef", &["dataOutput", "outputSet"]),
    (
        "resourceParameterBinding",
        "parameterRef",
        &["resourceParameter"],
    ),
    ("message", "itemRef", &["itemDefinition"]),
    ("signal", "structureRef", &["itemDefinition"]),
    ("error", "structureRef", &["itemDefinition"]),
    ("escalation", "structureRef", &["itemDefinition"]),
    ("dataObject", "itemSubjectRef", &["itemDefinition"]),
    ("dataObjectReference", "itemSubjectRef", &["itemDefinition"]),
    ("dataStore", "itemSubjectRef", &["itemDefinition"]),
    ("dataStoreReference", "itemSubjectRef", &["itemDefinition"]),
    ("property", "itemSubjectRef", &["itemDefinition"]),
    ("dataInput", "itemSubjectRef", &["itemDefinition"]),
    ("dataOutput", "itemSubjectRef", &["itemDefinition"]),
];

/// References by the text of a child: element, child, elements that it may name.
const CHILDREN: &[(&str, &str, &[&str])] = &[
    ("messageEventDefinition", "operationRef", &["operation"]),
    ("lane", "flowNodeRef", &[]),
    ("dataInputAssociation", "sourceRef", ITEM_AWARE),
    ("dataInputAssociation", "targetRef", ITEM_AWARE),
    ("dataOutputAssociation", "sourceRef", ITEM_AWARE),
    ("dataOutputAssociation", "targetRef", ITEM_AWARE),
    (
        "multiInstanceLoopCharacteristics",
        "loopDataInputRef",
        ITEM_AWARE,
    ),
    (
        "multiInstanceLoopCharacteristics",
        "loopDataOutputRef",
        ITEM_AWARE,
    ),
    ("conversation", "participantRef", &["participant"]),
    ("conversation", "messageFlowRef", &["messageFlow"]),
    ("subConversation", "participantRef", &["participant"]),
    ("subConversation", "messageFlowRef", &["messageFlow"]),
    ("callConversation", "participantRef", &["participant"]),
    ("callConversation", "messageFlowRef", &["messageFlow"]),
    ("choreographyTask", "participantRef", &["participant"]),
    ("choreographyTask", "messageFlowRef", &["messageFlow"]),
    ("subChoreography", "participantRef", &["participant"]),
    ("callChoreography", "participantRef", &["participant"]),
    ("participant", "endPointRef", &["endPoint"]),
    ("participant", "interfaceRef", &["interface"]),
    ("inputSet", "dataInputRefs", &["dataInput"]),
    ("inputSet", "optionalInputRefs", &["dataInput"]),
    ("inputSet", "whileExecutingInputRefs", &["dataInput"]),
    ("inputSet", "outputSetRefs", &["outputSet"]),
    ("outputSet", "dataOutputRefs", &["dataOutput"]),
    ("outputSet", "optionalOutputRefs", &["dataOutput"]),
    ("outputSet", "whileExecutingOutputRefs", &["dataOutput"]),
    ("outputSet", "inputSetRefs", &["inputSet"]),
    ("operation", "inMessageRef", &["message"]),
    ("operation", "outMessageRef", &["message"]),
    ("operation", "errorRef", &["error"]),
    (
        "correlationKey",
        "correlationPropertyRef",
        &["correlationProperty"],
    ),
    ("performer", "resourceRef", &["resource"]),
    ("humanPerformer", "resourceRef", &["resource"]),
    ("potentialOwner", "resourceRef", &["resource"]),
    ("resourceRole", "resourceRef", &["resource"]),
];

/// Elements that hold an expression.
const EXPRESSIONS: &[&str] = &[
    "conditionExpression",
    "loopCondition",
    "loopCardinality",
    "completionCondition",
    "condition",
    "activationCondition",
    "timeDate",
    "timeDuration",
    "timeCycle",
    "transformation",
    "from",
    "to",
    "messagePath",
    "dataPath",
];

const SUB_PROCESSES: &[&str] = &["subProcess", "transaction", "adHocSubProcess"];
const CHOREOGRAPHY: &[&str] = &["choreographyTask", "subChoreography", "callChoreography"];

pub(super) struct Walk<'a> {
    ids: HashMap<&'a str, &'a Element>,
    /// Ids of what lies around the place where the walk stands, as far as pictures show it.
    drawn: Vec<&'a str>,
    /// The process in which an element is, by the id of the element.
    owners: HashMap<&'a str, &'a Element>,
    /// Data that is handed to a process from outside.
    process_inputs: HashSet<&'a str>,
    /// Whether names from elsewhere cannot be looked up.
    is_open: bool,
    /// Such names, as far as their prefixes tell.
    open: &'a HashSet<String>,
    problems: Vec<Problem>,
}

/// Where the walk stands: the element around, the process, and whether it is meant to run.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub parent: Option<&'a Element>,
    pub process: Option<&'a Element>,
    pub is_executable: bool,
}

/// The id by which people find an element in the picture: what says when an event happens is inside
/// of one.
fn drawn_id(element: &Element) -> Option<&str> {
    let is_drawn = element.name != "definitions" && !element.name.ends_with("EventDefinition");
    element.get("id").filter(|_| is_drawn)
}

impl<'a> Place<'a> {
    /// The element, or the one around it where it has no id by which people could find it.
    pub fn owner(&self, element: &'a Element) -> &'a Element {
        let around = self.parent.filter(|_| element.get("id").is_none());
        around.unwrap_or(element)
    }
}

impl Reader<'_> {
    pub(super) fn rules(&mut self, root: &Element, imported: &[Imported], is_open: bool) {
        let mut walk = Walk {
            ids: HashMap::new(),
            drawn: Vec::new(),
            owners: HashMap::new(),
            process_inputs: HashSet::new(),
            is_open,
            open: &self.open,
            problems: Vec::new(),
        };
        for tree in imported
            .iter()
            .map(|file| &file.tree)
            .chain(std::iter::once(root))
        {
            walk.collect(tree);
        }
        walk.visit(
            root,
            Place {
                parent: None,
                process: None,
                is_executable: false,
            },
        );
        self.model.problems.append(&mut walk.problems);
    }
}

impl<'a> Walk<'a> {
    fn collect(&mut self, root: &'a Element) {
        let mut waiting = vec![(root, None)];
        while let Some((element, process)) = waiting.pop() {
            let id = element.get("id");
            self.ids.extend(id.map(|id| (id, element)));
            self.owners.extend(id.zip(process));
            let process = if element.name == "process" {
                Some(element)
            } else {
                process
            };
            if element.name == "process"
                && let Some(data) = element.child("ioSpecification")
            {
                let inputs = data.children_named("dataInput");
                self.process_inputs
                    .extend(inputs.filter_map(|input| input.get("id")));
            }
            waiting.extend(element.children.iter().map(|child| (child, process)));
        }
    }

    pub(super) fn tell(
        &mut self,
        is_error: bool,
        rule: &'static str,
        element: &Element,
        text: &str,
        remedy: &'static str,
    ) {
        self.tell_at(is_error, rule, (element, element.line), text, remedy);
    }

    /// As [`Self::tell`], of something on another line that has no id of its own.
    pub(super) fn tell_at(
        &mut self,
        is_error: bool,
        rule: &'static str,
        (element, line): (&Element, u32),
        text: &str,
        remedy: &'static str,
    ) {
        let around = || self.drawn.last().copied().or(element.get("id"));
        let shown = drawn_id(element).or_else(around);
        self.problems.push(Problem {
            rule,
            element: shown.unwrap_or_default().to_owned(),
            line,
            text: text.to_owned(),
            remedy,
            is_error,
        });
    }

    fn visit(&mut self, element: &'a Element, place: Place<'a>) {
        if element.namespace != BPMN || element.name == "extensionElements" {
            return;
        }
        let place = match element.name.as_str() {
            "process" => Place {
                process: Some(element),
                is_executable: element.flag("isExecutable") == Some(true),
                ..place
            },
            _ => place,
        };
        let depth = self.drawn.len();
        self.drawn.extend(drawn_id(element));
        self.schema(element, place);
        self.required(element, place);
        self.references(element, place);
        self.lane(element, place);
        self.numbers(element);
        self.processes(element, place);
        self.parts(element, place);
        self.expressions(element, place);
        self.data(element, place);
        self.services(element, place);
        self.call(element, place);
        self.repeats(element, place);
        self.roles(element);
        self.text_format(element);
        let inside = Place {
            parent: Some(element),
            ..place
        };
        for child in &element.children {
            self.visit(child, inside);
        }
        self.drawn.truncate(depth);
    }

    pub(super) fn find(&self, reference: &str) -> Option<&'a Element> {
        let found = self.ids.get(reference.trim());
        found.or_else(|| self.ids.get(local(reference))).copied()
    }

    fn references(&mut self, element: &'a Element, place: Place<'a>) {
        for (_, attribute, kinds) in ATTRIBUTES.iter().filter(|(name, ..)| *name == element.name) {
            if let Some(reference) = element.get(attribute) {
                self.reference(element, place, (attribute, reference), kinds);
            }
        }
        for (_, child, kinds) in CHILDREN.iter().filter(|(name, ..)| *name == element.name) {
            for reference in element.children_named(child) {
                self.reference(element, place, (child, &reference.text), kinds);
            }
        }
        let target = element.child("targetRef").map(|target| target.text.trim());
        if element.name.ends_with("Association")
            && let Some(input) = target.filter(|target| self.process_inputs.contains(target))
        {
            let text = format!("`{input}` is what the process was given, and is written to");
            let remedy = "write into a data object or a property";
            self.tell(true, "process-input-written", element, &text, remedy);
        }
    }

    fn reference(
        &mut self,
        element: &'a Element,
        place: Place<'a>,
        (name, reference): (&str, &str),
        kinds: &[&str],
    ) {
        let reference = reference.trim();
        let at = (place.owner(element), element.line);
        // A qualified name may lead to another language or to a file that is not at hand.
        let is_elsewhere = self.open.contains(reference)
            || reference.contains(':') && (self.is_open || kinds == ["itemDefinition"]);
        let remedy = "correct the reference or add what it names";
        match self.find(reference) {
            None if reference.is_empty() || is_elsewhere => {}
            None => {
                let text = format!("`{name}` names `{reference}`, which is not there");
                // Other engines write types of programming languages, by which nothing runs, and
                // lists by the names of their variables.
                let is_variable = matches!(name, "loopDataInputRef" | "loopDataOutputRef");
                if is_variable && is_expression(reference) {
                    return;
                }
                let is_error = name != "structureRef" && !is_variable;
                self.tell_at(is_error, "dangling-reference", at, &text, remedy);
            }
            Some(found) if !kinds.is_empty() && !kinds.contains(&found.name.as_str()) => {
                let text = format!(
                    "`{name}` names `{reference}`, which is a {} and no {}",
                    found.name,
                    kinds.join(" or ")
                );
                // Drawings let data flow from and to a task as a whole.
                let is_error = place.is_executable || kinds != ITEM_AWARE;
                self.tell_at(is_error, "reference-type", at, &text, remedy);
            }
            Some(_) => {}
        }
    }

    /// A lane lists nodes of its own process.
    fn lane(&mut self, element: &'a Element, place: Place<'a>) {
        if element.name != "lane" {
            return;
        }
        for reference in element.children_named("flowNodeRef") {
            let Some(found) = self.find(&reference.text) else {
                continue;
            };
            let owner = found.get("id").and_then(|id| self.owners.get(id));
            let name = reference.text.trim();
            let (rule, text) = if !is_flow_node(found) {
                let text = format!("it lists `{name}`, which is a {} and no node", found.name);
                ("reference-type", text)
            } else if place
                .process
                .is_some_and(|own| owner.is_some_and(|owner| !std::ptr::eq(own, *owner)))
            {
                let text = format!("it lists `{name}`, which is in another process");
                ("lane-foreign-node", text)
            } else {
                continue;
            };
            let remedy = "list events, activities and gateways of the lane's own process only";
            // Data and notes are listed by some modelers, and nothing goes by it.
            let is_flow = found.name.ends_with("Flow") || rule == "lane-foreign-node";
            self.tell_at(
                place.is_executable && is_flow,
                rule,
                (element, reference.line),
                &text,
                remedy,
            );
        }
    }

    fn numbers(&mut self, element: &'a Element) {
        // What is no number is told elsewhere.
        let number = |attribute: &str| {
            element
                .get(attribute)
                .and_then(|text| text.trim().parse::<i64>().ok())
        };
        for attribute in ["startQuantity", "completionQuantity"] {
            if number(attribute).is_some_and(|count| count < 1) {
                let text = format!("`{attribute}` is less than one");
                self.tell(
                    true,
                    "quantity-too-small",
                    element,
                    &text,
                    "give a whole number from one on",
                );
            }
            if number(attribute).is_some_and(|count| count > i64::from(MAX_QUANTITY)) {
                let text = format!("`{attribute}` is more than {MAX_QUANTITY}");
                let remedy = "give a whole number up to 1000, or let the activity repeat instead";
                self.tell(true, "quantity-too-large", element, &text, remedy);
            }
        }
        if element.name == "participantMultiplicity" {
            let (minimum, maximum) = (
                number("minimum").unwrap_or(0),
                number("maximum").unwrap_or(1),
            );
            if minimum < 0 || maximum < 1 || maximum < minimum {
                let text = format!("from {minimum} to {maximum} participants is no range");
                self.tell(
                    true,
                    "participant-multiplicity",
                    element,
                    &text,
                    "the maximum is at least one and not below the minimum",
                );
            }
        }
    }

    fn processes(&mut self, element: &'a Element, place: Place<'a>) {
        let is_sub = SUB_PROCESSES.contains(&element.name.as_str());
        if element.name == "process" || is_sub {
            let children = element.children.iter();
            for child in children.filter(|child| CHOREOGRAPHY.contains(&child.name.as_str())) {
                self.tell(
                    true,
                    "choreography-in-process",
                    child,
                    "a process has no choreography activities",
                    "move it to a choreography",
                );
            }
        }
        if element.name == "process"
            && element.get("processType") == Some("Public")
            && place.is_executable
        {
            self.tell(
                true,
                "public-executable",
                element,
                "a public process is not executable",
                "make it private, or not executable",
            );
        }
        if matches!(element.name.as_str(), "choreography" | "globalConversation")
            && element.child("choreographyRef").is_some()
        {
            self.tell(
                true,
                "choreography-reference",
                element,
                "it names a choreography, which only a collaboration does",
                "remove `choreographyRef`",
            );
        }
    }

    /// Flows and properties of what runs.
    fn parts(&mut self, element: &'a Element, place: Place<'a>) {
        if element.name == "sequenceFlow"
            && element.flag("isImmediate") == Some(false)
            && place.is_executable
        {
            self.tell(
                true,
                "flow-not-immediate",
                element,
                "in an executable process every flow is immediate",
                "remove `isImmediate`",
            );
        }
        if element.name == "property" {
            let parent = place
                .parent
                .map(|parent| parent.name.as_str())
                .unwrap_or_default();
            let has_properties = parent == "process"
                || parent.ends_with("Event")
                || parent.ends_with("ask")
                || parent == "callActivity"
                || SUB_PROCESSES.contains(&parent);
            if !has_properties {
                self.tell(
                    true,
                    "property-misplaced",
                    element,
                    "only processes, activities and events have properties",
                    "move the property",
                );
            }
        }
    }

    fn expressions(&mut self, element: &'a Element, place: Place<'a>) {
        if element.name == "timerEventDefinition" {
            let times = element
                .children
                .iter()
                .filter(|child| child.name.starts_with("time"));
            if times.count() > 1 {
                self.tell(
                    true,
                    "timer-with-two-times",
                    element,
                    "the timer has more than one of date, duration and cycle",
                    "leave one of them",
                );
            }
        }
        let has_extension = element
            .attributes
            .iter()
            .any(|a| !a.namespace.is_empty() && a.name != "type");
        let is_empty = element.text.trim().is_empty() && element.children.is_empty();
        if EXPRESSIONS.contains(&element.name.as_str()) && is_empty && !has_extension {
            let owner = place.parent.unwrap_or(element);
            let text = format!("`{}` is empty", element.name);
            self.tell(
                place.is_executable,
                "expression-empty",
                owner,
                &text,
                "write the expression, or remove the element",
            );
        }
    }

    fn data(&mut self, element: &'a Element, place: Place<'a>) {
        match element.name.as_str() {
            "ioSpecification" => self.specification(element, place),
            "inputSet" => self.set(
                element,
                place,
                "dataInputRefs",
                &["optionalInputRefs", "whileExecutingInputRefs"],
                ("outputSetRefs", "inputSetRefs"),
            ),
            "outputSet" => self.set(
                element,
                place,
                "dataOutputRefs",
                &["optionalOutputRefs", "whileExecutingOutputRefs"],
                ("inputSetRefs", "outputSetRefs"),
            ),
            "dataInputAssociation" | "dataOutputAssociation" => self.association(element, place),
            "dataObject" | "dataInput" | "dataOutput" => {
                let item = element
                    .get("itemSubjectRef")
                    .and_then(|item| self.find(item));
                let is_list = |e: &Element| e.flag("isCollection").unwrap_or(false);
                if item.is_some_and(|item| {
                    item.name == "itemDefinition" && is_list(item) != is_list(element)
                }) {
                    let text = "`isCollection` differs from that of its item definition";
                    self.tell(
                        place.is_executable,
                        "collection-mismatch",
                        element,
                        text,
                        "say the same in both places",
                    );
                }
            }
            _ => {}
        }
    }

    fn specification(&mut self, element: &'a Element, place: Place<'a>) {
        for (data, set, references) in [
            ("dataInput", "inputSet", "dataInputRefs"),
            ("dataOutput", "outputSet", "dataOutputRefs"),
        ] {
            let sets = element.children_named(set);
            let listed: HashSet<&str> = sets
                .flat_map(|set| set.children_named(references))
                .map(|r| local(&r.text))
                .collect();
            // Modelers leave the sets out, and nothing runs otherwise for it: told elsewhere.
            let has_sets = element.child(set).is_some();
            for item in element.children_named(data).filter(|_| has_sets) {
                if !item.get("id").is_some_and(|id| listed.contains(id)) {
                    let text = format!("no `{set}` lists it");
                    self.tell(
                        place.is_executable,
                        "data-not-in-set",
                        item,
                        &text,
                        "add it to a set",
                    );
                }
            }
        }
        let owner = place
            .parent
            .filter(|parent| SUB_PROCESSES.contains(&parent.name.as_str()));
        if owner.is_some_and(|owner| owner.child("multiInstanceLoopCharacteristics").is_none()) {
            let text = "a sub-process has no inputs and outputs of its own";
            self.tell(
                place.is_executable,
                "sub-process-data",
                element,
                text,
                "use data objects of the process",
            );
        }
    }

    /// A set lists what it calls optional, and sets name one another in both directions.
    fn set(
        &mut self,
        element: &'a Element,
        place: Place<'a>,
        references: &str,
        parts: &[&str],
        pair: (&str, &str),
    ) {
        let texts = |element: &'a Element, name: &str| -> Vec<String> {
            element.children_named(name).map(text_of).collect()
        };
        let listed = texts(element, references);
        for part in parts {
            for reference in texts(element, part)
                .iter()
                .filter(|part| !listed.contains(part))
            {
                let text =
                    format!("`{part}` names `{reference}`, which `{references}` does not list");
                self.tell(true, "data-set", element, &text, "list it in the set");
            }
        }
        let id = element.get("id").unwrap_or_default();
        let siblings = place
            .parent
            .map(|parent| parent.children.as_slice())
            .unwrap_or_default();
        for other in texts(element, pair.0) {
            let answers = siblings.iter().any(|sibling| {
                sibling.get("id") == Some(local(&other))
                    && sibling.children_named(pair.1).any(|r| local(&r.text) == id)
            });
            if !answers {
                let text = format!("it names the set `{other}`, which does not name it");
                self.tell(
                    true,
                    "data-set",
                    element,
                    &text,
                    "let the two sets name one another",
                );
            }
        }
    }

    fn association(&mut self, element: &'a Element, place: Place<'a>) {
        let has_transformation = element.child("transformation").is_some();
        let sources: Vec<_> = element.children_named("sourceRef").collect();
        if sources.len() > 1 && !has_transformation {
            self.tell(
                true,
                "data-association-sources",
                element,
                "several sources need a transformation",
                "leave one source, or add the transformation",
            );
        }
        let structure = |reference: Option<&&Element>| {
            let found = self.find(&reference?.text)?;
            let object = found.get("dataObjectRef").or(found.get("dataStoreRef"));
            let found = object.and_then(|object| self.find(object)).unwrap_or(found);
            let item = self.find(found.get("itemSubjectRef")?)?;
            item.get("structureRef")
                .map(|structure| local(structure).to_owned())
        };
        let target: Vec<_> = element.children_named("targetRef").collect();
        if let (Some(from), Some(to)) = (structure(sources.first()), structure(target.first())) {
            let is_any = |name: &str| {
                name.is_empty() || ["Object", "java.lang.Object", "anyType"].contains(&name)
            };
            let has_assignment = element.child("assignment").is_some();
            if from != to
                && !is_any(&from)
                && !is_any(&to)
                && !has_transformation
                && !has_assignment
            {
                let text = format!("it moves `{from}` to `{to}`");
                self.tell(
                    place.is_executable,
                    "item-mismatch",
                    element,
                    &text,
                    "let both have the same item definition, or add a transformation",
                );
            }
        }
    }
}
