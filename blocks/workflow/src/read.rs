//! BPMN 2.0 XML to [`Model`], under any prefix.
//!
//! The stored file stays what the author sent, diagram and foreign extensions included; the model
//! is only what runs. What other engines' attributes mean is taken over where we have the same
//! idea ([`foreign`]); what has no effect is listed in [`Model::ignored`].

use std::{collections::HashMap, sync::Arc};

use crate::{
    model::{
        Definition, Event, Flow, FlowIx, Gateway, Id, Ignored, Kind, Mapping, MessageFlow, Model,
        MultiInstance, Named, Node, NodeIx, Participant, Place, Problem, ProcessHead, Repeat,
        Scope, ScopeIx, Source, Sub, TONGBAN, Task, Thrown, TimerSource,
    },
    tree::{self, Element, Unreadable},
};

const BPMN: &str = "http://www.omg.org/spec/BPMN/20100524/MODEL";
/// Extension namespaces of engines whose attributes we understand in part.
pub(crate) const FOREIGN: &[(&str, &str)] = &[
    ("http://camunda.org/schema/1.0/bpmn", "camunda"),
    ("http://flowable.org/bpmn", "flowable"),
    ("http://activiti.org/bpmn", "activiti"),
];

/// Reads a file. Mistakes that still leave a model are in [`Model::problems`].
pub fn read(bytes: &[u8]) -> Result<Model, Unreadable> {
    let root = tree::parse(bytes)?;
    if root.namespace != BPMN || root.name != "definitions" {
        let text = "the root element is not `definitions` of BPMN 2.0".to_owned();
        return Err(Unreadable {
            rule: "xml-not-bpmn",
            line: root.line,
            text,
        });
    }
    let mut reader = Reader::default();
    reader.ids(&root);
    reader.globals(&root);
    for process in root.children_named("process") {
        reader.process(process);
    }
    reader.global_tasks(&root);
    for collaboration in root.children_named("collaboration") {
        reader.collaboration(collaboration);
    }
    crate::ignored::list_rest(&root, &mut reader.model.ignored);
    reader.connect();
    Ok(reader.model)
}

#[derive(Default)]
struct Reader<'a> {
    model: Model,
    flows: Vec<(&'a Element, ScopeIx)>,
    flow_ids: HashMap<String, u32>,
    hosts: Vec<(NodeIx, String, u32)>,
    defaults: Vec<(NodeIx, String)>,
    associations: Vec<(String, String)>,
    /// `incoming` and `outgoing` as written: node, flow, line.
    written: Vec<(NodeIx, String, u32)>,
    /// Names of data elements by id: multi-instance collections refer to them.
    data: HashMap<String, String>,
    lanes: HashMap<String, String>,
    /// Event definitions at the top of the file, by id.
    definitions: HashMap<String, &'a Element>,
    /// Id of the event or task being read, to which its definitions belong.
    current: String,
}

fn text_of(element: &Element) -> String {
    element.text.trim().to_owned()
}

/// A number of tokens; one where nothing or nonsense is written.
fn count(element: &Element, name: &str) -> u32 {
    element
        .get(name)
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(1)
        .clamp(1, 1_000)
}

/// The local part of a reference, which may be a qualified name.
fn local(reference: &str) -> &str {
    reference.trim().rsplit(':').next().unwrap_or_default()
}

impl<'a> Reader<'a> {
    fn problem(&mut self, rule: &'static str, element: &str, line: u32, text: String) {
        self.model.problems.push(Problem {
            rule,
            element: element.to_owned(),
            line,
            text,
        });
    }

    fn ids(&mut self, root: &Element) {
        let mut seen: HashMap<&str, u32> = HashMap::new();
        let mut waiting = vec![root];
        while let Some(element) = waiting.pop() {
            if element.namespace == BPMN
                && let Some(id) = element.get("id")
                && let Some(first) = seen.insert(id, element.line)
            {
                let line = element.line.max(first);
                let text = format!(
                    "the id `{id}` is used on line {} already",
                    element.line.min(first)
                );
                self.problem("duplicate-id", id, line, text);
            }
            waiting.extend(element.children.iter());
        }
    }

    fn globals(&mut self, root: &'a Element) {
        for element in &root.children {
            let Some(id) = element.get("id") else {
                continue;
            };
            if element.name.ends_with("EventDefinition") {
                self.definitions.insert(id.to_owned(), element);
            }
            let name = element.get("name").unwrap_or(id).to_owned();
            let code = element
                .get("errorCode")
                .or(element.get("escalationCode"))
                .unwrap_or(id)
                .to_owned();
            let named = Named {
                name,
                code,
                line: element.line,
            };
            match element.name.as_str() {
                "message" => self.model.messages.insert(id.to_owned(), named),
                "signal" => self.model.signals.insert(id.to_owned(), named),
                "error" => self.model.errors.insert(id.to_owned(), named),
                "escalation" => self.model.escalations.insert(id.to_owned(), named),
                _ => None,
            };
        }
    }

    /// A global task is a process of that one task.
    fn global_tasks(&mut self, root: &'a Element) {
        for element in &root.children {
            let kind = match element.name.as_str() {
                "globalTask" => Kind::Task(Task::None),
                "globalUserTask" => Kind::Task(Task::User),
                "globalManualTask" => Kind::Task(Task::Manual),
                "globalBusinessRuleTask" => Kind::Task(Task::Rule),
                "globalScriptTask" => Kind::Task(script(element)),
                _ => continue,
            };
            let id: Id = Arc::from(element.get("id").unwrap_or_default());
            let root = self.open_scope(None, None, element.line);
            let name = element.get("name").unwrap_or_default().to_owned();
            self.model.processes.push(ProcessHead {
                id,
                name,
                is_executable: None,
                root,
                line: element.line,
            });
            self.node(element, root, kind);
        }
    }

    fn collaboration(&mut self, element: &Element) {
        for participant in element.children_named("participant") {
            self.model.participants.push(Participant {
                id: participant.get("id").unwrap_or_default().to_owned(),
                name: participant.get("name").unwrap_or_default().to_owned(),
                process: participant
                    .get("processRef")
                    .map(|reference| local(reference).to_owned()),
                line: participant.line,
            });
        }
        for flow in element.children_named("messageFlow") {
            self.model.message_flows.push(MessageFlow {
                id: flow.get("id").unwrap_or_default().to_owned(),
                from: local(flow.get("sourceRef").unwrap_or_default()).to_owned(),
                to: local(flow.get("targetRef").unwrap_or_default()).to_owned(),
                line: flow.line,
            });
        }
    }

    fn process(&mut self, element: &'a Element) {
        let id: Id = Arc::from(element.get("id").unwrap_or("process"));
        let root = self.open_scope(None, None, element.line);
        self.model.processes.push(ProcessHead {
            id,
            name: element.get("name").unwrap_or_default().to_owned(),
            is_executable: element.flag("isExecutable"),
            root,
            line: element.line,
        });
        self.fill(element, root);
    }

    fn open_scope(&mut self, parent: Option<ScopeIx>, owner: Option<NodeIx>, line: u32) -> ScopeIx {
        let process = match parent {
            Some(parent) => self.model[parent].process,
            None => self.model.processes.len(),
        };
        self.model.scopes.push(Scope {
            parent,
            owner,
            process,
            line,
            ..Scope::default()
        });
        ScopeIx(self.model.scopes.len() - 1)
    }

    fn fill(&mut self, element: &'a Element, scope: ScopeIx) {
        for lane in element.children_named("laneSet") {
            self.lanes(lane);
        }
        for child in &element.children {
            let id = child.get("id").unwrap_or_default();
            match child.name.as_str() {
                "sequenceFlow" => {
                    self.flow_ids.insert(id.to_owned(), child.line);
                    self.flows.push((child, scope));
                }
                "association" => {
                    let (from, to) = (child.get("sourceRef"), child.get("targetRef"));
                    let pair = (
                        local(from.unwrap_or_default()).to_owned(),
                        local(to.unwrap_or_default()).to_owned(),
                    );
                    self.associations.push(pair);
                }
                "dataObject" | "dataObjectReference" | "property" | "dataStoreReference" => {
                    self.data
                        .insert(id.to_owned(), child.get("name").unwrap_or(id).to_owned());
                }
                _ => {
                    if let Some(kind) = self.kind(child) {
                        self.node(child, scope, kind);
                    }
                }
            }
        }
    }

    fn lanes(&mut self, set: &Element) {
        for lane in set.children_named("lane") {
            for reference in lane.children_named("flowNodeRef") {
                self.lanes.insert(
                    text_of(reference),
                    lane.get("name").unwrap_or_default().to_owned(),
                );
            }
            for inner in lane.children_named("childLaneSet") {
                self.lanes(inner);
            }
        }
    }

    fn node(&mut self, element: &'a Element, scope: ScopeIx, kind: Kind) {
        let ix = NodeIx(self.model.nodes.len());
        let given = element.get("id").unwrap_or_default();
        let id: Id = if given.is_empty() {
            Arc::from(format!("{}@{}", element.name, element.line))
        } else {
            Arc::from(given)
        };
        if given.is_empty() {
            self.problem(
                "missing-id",
                &id,
                element.line,
                format!("`{}` has no id", element.name),
            );
        }
        let is_event_sub = matches!(kind, Kind::Sub(Sub::Event));
        let has_body = matches!(kind, Kind::Sub(_));
        if let Some(host) = element.get("attachedToRef") {
            self.hosts.push((ix, local(host).to_owned(), element.line));
        }
        if let Some(default) = element.get("default") {
            self.defaults.push((ix, local(default).to_owned()));
        }
        for written in element
            .children
            .iter()
            .filter(|c| matches!(c.name.as_str(), "incoming" | "outgoing"))
        {
            self.written
                .push((ix, local(&written.text).to_owned(), written.line));
        }
        let node = Node {
            id: id.clone(),
            name: element.get("name").unwrap_or_default().trim().to_owned(),
            line: element.line,
            scope,
            kind,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            default: None,
            bad_default: None,
            boundary: Vec::new(),
            body: None,
            repeat: self.repeat(element),
            is_for_compensation: element.flag("isForCompensation").unwrap_or(false),
            undone_by: None,
            attributes: self.attributes(element, &id),
            inputs: mappings(element, Side::In),
            outputs: mappings(element, Side::Out),
            quantity: (
                count(element, "startQuantity"),
                count(element, "completionQuantity"),
            ),
            direction: element.get("gatewayDirection").map(str::to_owned),
        };
        self.model.nodes.push(node);
        self.model.by_id.entry(id).or_insert(ix);
        self.model.scopes_mut(scope, |inner| {
            inner.nodes.push(ix);
            if is_event_sub {
                inner.event_subs.push(ix);
            }
        });
        if has_body {
            let body = self.open_scope(Some(scope), Some(ix), element.line);
            self.model.node_mut(ix, |node| node.body = Some(body));
            self.fill(element, body);
        }
    }

    fn attributes(
        &mut self,
        element: &Element,
        id: &str,
    ) -> std::collections::BTreeMap<String, String> {
        let mut found = std::collections::BTreeMap::new();
        let ignored = &mut self.model.ignored;
        foreign(element, id, &mut found, ignored);
        for attribute in element.attributes.iter().filter(|a| a.namespace == TONGBAN) {
            found.insert(attribute.name.clone(), attribute.value.clone());
        }
        let extensions = element.child("extensionElements");
        for child in extensions
            .iter()
            .flat_map(|e| &e.children)
            .filter(|c| c.namespace == TONGBAN)
        {
            if child.name == "property" {
                let (name, value) = (child.get("name"), child.get("value"));
                found.insert(
                    name.unwrap_or_default().to_owned(),
                    value.unwrap_or_default().to_owned(),
                );
            } else if !matches!(child.name.as_str(), "input" | "output") {
                found.insert(child.name.clone(), text_of(child));
            }
        }
        if let Some(lane) = self.lanes.get(id) {
            found.entry("lane".to_owned()).or_insert(lane.clone());
        }
        found
    }

    fn named(&mut self, table: &str, element: &Element, attribute: &str) -> Option<Named> {
        let reference = element.get(attribute)?;
        let known = match table {
            "message" => &self.model.messages,
            "signal" => &self.model.signals,
            "error" => &self.model.errors,
            _ => &self.model.escalations,
        };
        let found = known
            .get(reference)
            .or_else(|| known.get(local(reference)))
            .cloned();
        if found.is_none() && !reference.trim().is_empty() {
            let text =
                format!("`{attribute}` names `{reference}`, which the file does not declare");
            let owner = self.current.clone();
            self.problem("dangling-reference", &owner, element.line, text);
        }
        found
    }

    fn message(&mut self, element: &Element) -> Option<String> {
        self.named("message", element, "messageRef")
            .map(|named| named.name)
    }

    fn kind(&mut self, element: &Element) -> Option<Kind> {
        element
            .get("id")
            .unwrap_or_default()
            .clone_into(&mut self.current);
        Some(match element.name.as_str() {
            "task" => Kind::Task(Task::None),
            "manualTask" => Kind::Task(Task::Manual),
            "userTask" => Kind::Task(Task::User),
            "serviceTask" => Kind::Task(Task::Service),
            "businessRuleTask" => Kind::Task(Task::Rule),
            "sendTask" => Kind::Task(Task::Send {
                message: self.message(element),
            }),
            "receiveTask" => Kind::Task(Task::Receive {
                message: self.message(element),
                instantiate: element.flag("instantiate").unwrap_or(false),
            }),
            "scriptTask" => Kind::Task(script(element)),
            "startEvent" => {
                let is_interrupting = element.flag("isInterrupting").unwrap_or(true);
                self.event(element, Place::Start { is_interrupting })
            }
            "intermediateCatchEvent" => self.event(element, Place::Catch),
            "intermediateThrowEvent" => self.event(element, Place::Throw),
            "boundaryEvent" => {
                let is_interrupting = element.flag("cancelActivity").unwrap_or(true);
                self.event(element, Place::Boundary { is_interrupting })
            }
            "endEvent" => self.event(element, Place::End),
            "exclusiveGateway" => Kind::Gateway(Gateway::Exclusive),
            "inclusiveGateway" => Kind::Gateway(Gateway::Inclusive),
            "parallelGateway" => Kind::Gateway(Gateway::Parallel),
            "eventBasedGateway" => Kind::Gateway(Gateway::Event {
                instantiate: element.flag("instantiate").unwrap_or(false),
                is_parallel: element.get("eventGatewayType") == Some("Parallel"),
            }),
            "complexGateway" => Kind::Gateway(Gateway::Complex {
                activation: element
                    .child("activationCondition")
                    .map(|c| Source::new(&c.text, c.line)),
            }),
            "subProcess" if element.flag("triggeredByEvent") == Some(true) => Kind::Sub(Sub::Event),
            "subProcess" => Kind::Sub(Sub::Embedded),
            "transaction" => Kind::Sub(Sub::Transaction),
            "adHocSubProcess" => Kind::Sub(Sub::AdHoc {
                is_sequential: element.get("ordering") == Some("Sequential"),
                until: element
                    .child("completionCondition")
                    .map(|c| Source::new(&c.text, c.line)),
                cancels_rest: element.flag("cancelRemainingInstances").unwrap_or(true),
            }),
            "callActivity" => Kind::Call {
                called: element.get("calledElement").map(|c| local(c).to_owned()),
            },
            _ => return None,
        })
    }

    fn event(&mut self, element: &Element, place: Place) -> Kind {
        let mut definitions = Vec::new();
        for child in &element.children {
            let referred = (child.name == "eventDefinitionRef").then(|| local(&child.text));
            let shared = referred.and_then(|id| self.definitions.get(id).copied());
            if let Some(id) = referred.filter(|_| shared.is_none()) {
                let text =
                    format!("`eventDefinitionRef` names `{id}`, which the file does not declare");
                let owner = self.current.clone();
                self.problem("dangling-reference", &owner, child.line, text);
            }
            if let Some(definition) = self.definition(shared.unwrap_or(child)) {
                definitions.push(definition);
            }
        }
        let is_parallel_multiple = element.flag("parallelMultiple").unwrap_or(false);
        Kind::Event(Event {
            place,
            definitions,
            is_parallel_multiple,
            host: None,
        })
    }

    fn definition(&mut self, element: &Element) -> Option<Definition> {
        let nameless = || format!("#{}", element.line);
        Some(match element.name.as_str() {
            "messageEventDefinition" => Definition::Message {
                name: self.message(element).unwrap_or_else(nameless),
            },
            "signalEventDefinition" => {
                let named = self.named("signal", element, "signalRef");
                Definition::Signal {
                    name: named.map_or_else(nameless, |named| named.name),
                }
            }
            "errorEventDefinition" => Definition::Error {
                code: self
                    .named("error", element, "errorRef")
                    .map(|named| named.code),
            },
            "escalationEventDefinition" => {
                let named = self.named("escalation", element, "escalationRef");
                Definition::Escalation {
                    code: named.map(|named| named.code),
                }
            }
            "conditionalEventDefinition" => Definition::Conditional {
                condition: element
                    .child("condition")
                    .map(|c| Source::new(&c.text, c.line)),
            },
            "linkEventDefinition" => Definition::Link {
                name: element.get("name").unwrap_or_default().to_owned(),
                id: element.get("id").unwrap_or_default().to_owned(),
                target: element
                    .child("target")
                    .map(|target| local(&target.text).to_owned()),
                sources: element
                    .children_named("source")
                    .map(|source| local(&source.text).to_owned())
                    .collect(),
            },
            "timerEventDefinition" => Definition::Timer(timer(element)),
            "terminateEventDefinition" => Definition::Terminate,
            "cancelEventDefinition" => Definition::Cancel,
            "compensateEventDefinition" => Definition::Compensation {
                activity: element
                    .get("activityRef")
                    .map(|reference| local(reference).to_owned()),
                waits: element.flag("waitForCompletion").unwrap_or(true),
            },
            _ => return None,
        })
    }

    fn repeat(&mut self, element: &Element) -> Option<Repeat> {
        if let Some(standard) = element.child("standardLoopCharacteristics") {
            return Some(Repeat::Standard {
                tests_before: standard.flag("testBefore").unwrap_or(false),
                maximum: standard
                    .get("loopMaximum")
                    .map(|text| Source::new(text, standard.line)),
                condition: standard
                    .child("loopCondition")
                    .map(|c| Source::new(&c.text, c.line)),
            });
        }
        let multi = element.child("multiInstanceLoopCharacteristics")?;
        for input in element
            .child("ioSpecification")
            .iter()
            .flat_map(|io| &io.children)
        {
            if let Some(id) = input.get("id") {
                self.data
                    .insert(id.to_owned(), input.get("name").unwrap_or(id).to_owned());
            }
        }
        let thrown = self.thrown(multi).map(Box::new);
        let own = |name: &str| {
            let mut spaces =
                std::iter::once(TONGBAN).chain(FOREIGN.iter().map(|(namespace, _)| *namespace));
            spaces.find_map(|namespace| multi.get_in(namespace, name))
        };
        let referred = |name: &str| {
            let reference = multi.child(name).map(text_of)?;
            Some(self.data.get(&reference).cloned().unwrap_or(reference))
        };
        let item = |name: &str| {
            multi
                .child(name)
                .and_then(|e| e.get("name").or(e.get("id")))
                .map(str::to_owned)
        };
        let collection = own("collection")
            .map(str::to_owned)
            .or_else(|| referred("loopDataInputRef"));
        Some(Repeat::Multi(MultiInstance {
            is_sequential: multi.flag("isSequential").unwrap_or(false),
            cardinality: multi
                .child("loopCardinality")
                .map(|c| Source::new(&c.text, c.line)),
            collection: collection.map(|text| Source::new(&text, multi.line)),
            item: own("elementVariable")
                .map(str::to_owned)
                .or_else(|| item("inputDataItem")),
            until: multi
                .child("completionCondition")
                .map(|c| Source::new(&c.text, c.line)),
            output: own("outputCollection")
                .map(str::to_owned)
                .or_else(|| referred("loopDataOutputRef")),
            output_item: own("outputElement")
                .map(str::to_owned)
                .or_else(|| item("outputDataItem"))
                .map(|text| Source::new(&text, multi.line)),
            thrown,
        }))
    }

    /// What multiple instances throw while they are done one by one.
    fn thrown(&mut self, multi: &Element) -> Option<Thrown> {
        let referred =
            |attribute: &str| self.definitions.get(local(multi.get(attribute)?)).copied();
        let (one, none) = (
            referred("oneBehaviorEventRef"),
            referred("noneBehaviorEventRef"),
        );
        match multi.get("behavior") {
            Some("One") => self.definition(one?).map(Thrown::First),
            Some("None") => self.definition(none?).map(Thrown::Each),
            Some("Complex") => {
                let mut cases = Vec::new();
                for case in multi.children_named("complexBehaviorDefinition") {
                    let condition = case
                        .child("condition")
                        .map(|c| Source::new(&c.text, c.line));
                    let event = case.child("event").and_then(|event| {
                        event.children.iter().find_map(|child| {
                            let shared = self.definitions.get(local(&child.text)).copied();
                            self.definition(if child.name == "eventDefinitionRef" {
                                shared?
                            } else {
                                child
                            })
                        })
                    });
                    cases.extend(condition.zip(event));
                }
                Some(Thrown::When(cases))
            }
            _ => None,
        }
    }

    /// Ties flows, hosts, defaults and associations to the nodes that they name.
    fn connect(&mut self) {
        for (element, scope) in std::mem::take(&mut self.flows) {
            self.flow(element, scope);
        }
        for (ix, host, line) in std::mem::take(&mut self.hosts) {
            let Some(at) = self.model.lookup(&host) else {
                let id = self.model[ix].id.clone();
                let text = format!("`attachedToRef` names `{host}`, which is not there");
                self.problem("dangling-reference", &id, line, text);
                continue;
            };
            self.model.node_mut(at, |node| node.boundary.push(ix));
            self.model.node_mut(ix, |node| {
                if let Kind::Event(event) = &mut node.kind {
                    event.host = Some(at);
                }
            });
        }
        for (ix, default) in std::mem::take(&mut self.defaults) {
            let found = self.model[ix]
                .outgoing
                .iter()
                .copied()
                .find(|&flow| *self.model[flow].id == *default);
            self.model.node_mut(ix, |node| {
                node.default = found;
                node.bad_default = found.is_none().then_some(default);
            });
        }
        for (ix, flow, line) in std::mem::take(&mut self.written) {
            if !self.flow_ids.contains_key(&flow) {
                let id = self.model[ix].id.clone();
                self.problem(
                    "dangling-reference",
                    &id,
                    line,
                    format!("it names the flow `{flow}`, which is not there"),
                );
            }
        }
        for (from, to) in std::mem::take(&mut self.associations) {
            let (Some(from), Some(to)) = (self.model.lookup(&from), self.model.lookup(&to)) else {
                continue;
            };
            let event = self.model[from].event();
            let compensates = event.is_some_and(|e| {
                e.definitions
                    .iter()
                    .any(|d| matches!(d, Definition::Compensation { .. }))
            });
            if let Some(host) = event.and_then(|event| event.host).filter(|_| compensates) {
                self.model.node_mut(host, |node| node.undone_by = Some(to));
            }
        }
    }

    fn flow(&mut self, element: &Element, scope: ScopeIx) {
        let id = element.get("id").unwrap_or_default();
        let ends =
            ["sourceRef", "targetRef"].map(|end| local(element.get(end).unwrap_or_default()));
        let [from, to] = ends.map(|end| self.model.lookup(end));
        for (end, found) in ends.iter().zip([from, to]) {
            if found.is_none() {
                let text = format!(
                    "the flow names `{end}`, which is no event, activity or gateway of the file"
                );
                self.problem("dangling-reference", id, element.line, text);
            }
        }
        let (Some(from), Some(to)) = (from, to) else {
            return;
        };
        let condition = element
            .child("conditionExpression")
            .filter(|c| !c.text.trim().is_empty());
        let ix = FlowIx(self.model.flows.len());
        self.model.flows.push(Flow {
            id: Arc::from(id),
            name: element.get("name").unwrap_or_default().to_owned(),
            line: element.line,
            from,
            to,
            condition: condition.map(condition_source),
            scope,
        });
        self.model.scopes_mut(scope, |inner| inner.flows.push(ix));
        self.model.node_mut(from, |node| node.outgoing.push(ix));
        self.model.node_mut(to, |node| node.incoming.push(ix));
    }
}

impl Model {
    fn node_mut(&mut self, ix: NodeIx, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(ix.0) {
            change(node);
        }
    }

    fn scopes_mut(&mut self, ix: ScopeIx, change: impl FnOnce(&mut Scope)) {
        if let Some(scope) = self.scopes.get_mut(ix.0) {
            change(scope);
        }
    }
}

fn condition_source(element: &Element) -> Source {
    let mut source = Source::new(&element.text, element.line);
    let language = element
        .get("language")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_known = language.is_empty()
        || ["feel", "juel", "xpath"]
            .iter()
            .any(|known| language.contains(known));
    if !is_known && source.compiled.is_ok() && !source.text.contains("${") {
        source.compiled = Err(format!("expressions in `{language}` are not supported"));
    }
    source
}

fn script(element: &Element) -> Task {
    let format = element.get("scriptFormat").unwrap_or_default().to_owned();
    let script = element.child("script");
    let text = script.map(text_of).unwrap_or_default();
    let is_feel = format.to_ascii_lowercase().contains("feel");
    let value = is_feel.then(|| Source::new(&text, script.map_or(element.line, |s| s.line)));
    Task::Script {
        format,
        text,
        value,
    }
}

fn timer(element: &Element) -> TimerSource {
    if let Some(days) = element.get_in(TONGBAN, "workingDays") {
        return TimerSource::WorkingDays(Source::new(days, element.line));
    }
    for child in &element.children {
        let source = || literal_or_expression(&child.text, child.line);
        match child.name.as_str() {
            "timeDate" => return TimerSource::Date(source()),
            "timeDuration" => return TimerSource::Duration(source()),
            "timeCycle" => return TimerSource::Cycle(source()),
            _ => {}
        }
    }
    TimerSource::Missing
}

/// ISO 8601 text is itself; anything else is an expression.
fn literal_or_expression(text: &str, line: u32) -> Source {
    let text = text.trim();
    if crate::core::timer::is_literal(text) {
        return Source {
            compiled: crate::expr::Expr::parse(&crate::expr::quoted(text)).map(Arc::new),
            text: text.to_owned(),
            line,
        };
    }
    Source::new(text, line)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    In,
    Out,
}

fn mappings(element: &Element, side: Side) -> Vec<Mapping> {
    let mut found = Vec::new();
    let (own, short, parameter) = match side {
        Side::In => ("input", "in", "inputParameter"),
        Side::Out => ("output", "out", "outputParameter"),
    };
    for child in element
        .child("extensionElements")
        .iter()
        .flat_map(|e| &e.children)
    {
        if child.name == own || child.name == short {
            let source = child.get("source").or(child.get("sourceExpression"));
            if let (Some(target), Some(source)) = (child.get("target"), source) {
                found.push(Mapping {
                    target: target.to_owned(),
                    source: Source::new(source, child.line),
                });
            }
        } else if child.name == "inputOutput" {
            for inner in child.children_named(parameter) {
                if let Some(name) = inner.get("name") {
                    let text = text_of(inner);
                    let source = if text.contains("${") {
                        text
                    } else {
                        crate::expr::quoted(&text)
                    };
                    found.push(Mapping {
                        target: name.to_owned(),
                        source: Source::new(&source, inner.line),
                    });
                }
            }
        }
    }
    found
}

/// Takes over what other engines' attributes mean, and lists what has no effect here.
fn foreign(
    element: &Element,
    id: &str,
    found: &mut std::collections::BTreeMap<String, String>,
    ignored: &mut Vec<Ignored>,
) {
    let engine = |namespace: &str| {
        FOREIGN
            .iter()
            .find(|(known, _)| *known == namespace)
            .map(|(_, name)| *name)
    };
    let is_called = matches!(
        element.name.as_str(),
        "serviceTask" | "sendTask" | "businessRuleTask"
    );
    for attribute in &element.attributes {
        let Some(engine) = engine(&attribute.namespace) else {
            continue;
        };
        let ours = match attribute.name.as_str() {
            "assignee" => "assignee",
            "candidateGroups" => "candidates",
            "formKey" => "form",
            "dueDate" => "due",
            "decisionRef" | "decisionTableReferenceKey" => "decision",
            "resultVariable" => "result",
            "topic" => "topic",
            "delegateExpression" => "call",
            "priority" | "taskPriority" => "priority",
            "asyncBefore" | "async" if is_called => "async",
            // Says no more than the topic does.
            "type" if attribute.value.starts_with("external") => continue,
            // Jobs of one instance never run beside one another here.
            "exclusive" => continue,
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
        let bean = value
            .strip_prefix("${")
            .and_then(|v| v.strip_suffix('}'))
            .filter(|_| ours == "call");
        found.insert(ours.to_owned(), bean.unwrap_or(value).to_owned());
    }
    for child in element
        .child("extensionElements")
        .iter()
        .flat_map(|e| &e.children)
    {
        let Some(engine) = engine(&child.namespace) else {
            continue;
        };
        if child.name == "properties" {
            for property in child.children_named("property") {
                if let (Some(name), Some(value)) = (property.get("name"), property.get("value")) {
                    found.insert(name.to_owned(), value.to_owned());
                }
            }
        } else if child.name == "failedJobRetryTimeCycle" {
            found.insert("retries".to_owned(), text_of(child));
        } else if !matches!(child.name.as_str(), "in" | "out" | "inputOutput") {
            ignored.push(Ignored {
                element: id.to_owned(),
                line: child.line,
                what: format!("<{engine}:{}>", child.name),
            });
        }
    }
}
