//! BPMN 2.0 XML to [`Model`], under any prefix.
//!
//! The stored file stays what the author sent, diagram and foreign extensions included; the model
//! is only what runs. What other engines' attributes mean is taken over where we have the same
//! idea ([`foreign`]); what has no effect is listed in [`Model::ignored`].

mod data;
mod event;
mod foreign;
mod place;
mod required;
mod roles;
mod rules;
mod schema;
mod services;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use crate::{
    model::{
        Definition, Flow, FlowIx, Gateway, Id, Import, Kind, MessageFlow, Model, Named, Node,
        NodeIx, Participant, Place, Problem, ProcessHead, Scope, ScopeIx, Sub, TONGBAN, Task,
    },
    tree::{self, Element, Unreadable},
};
use event::{condition_source, expression, script};
pub(crate) use foreign::FOREIGN;
use foreign::{Side, foreign, mappings};
pub(crate) use services::ROLES;

pub(crate) const BPMN: &str = "http://www.omg.org/spec/BPMN/20100524/MODEL";

/// Files that others import, by the location that the import names.
pub type Imports = BTreeMap<String, Vec<u8>>;

/// Reads a file. Mistakes that still leave a model are in [`Model::problems`].
pub fn read(bytes: &[u8]) -> Result<Model, Unreadable> {
    read_with(bytes, &Imports::new())
}

/// Reads a file together with those that it imports.
pub fn read_with(bytes: &[u8], imports: &Imports) -> Result<Model, Unreadable> {
    let root = tree::parse(bytes)?;
    if root.namespace != BPMN || root.name != "definitions" {
        let text = "the root element is not `definitions` of BPMN 2.0".to_owned();
        return Err(Unreadable {
            rule: "xml-not-bpmn",
            line: root.line,
            text,
        });
    }
    let (imported, missing) = imported(&root, imports)?;
    let mut reader = Reader::default();
    reader.ids(&root);
    for (other, _) in &imported {
        reader.globals(other);
    }
    reader.globals(&root);
    reader.data = data::names(&root);
    let is_open = root.children_named("import").count() > imported.len();
    reader.rules(&root, &imported, is_open);
    reader.is_open = is_open;
    for process in root.children_named("process") {
        reader.process(process);
    }
    reader.global_tasks(&root);
    for collaboration in root.children_named("collaboration") {
        reader.collaboration(collaboration);
    }
    crate::ignored::list_rest(&root, &mut reader.model.ignored);
    reader.connect();
    let mut model = reader.model;
    model.missing_imports = missing;
    model.draws_other = root.children.iter().any(|child| {
        [
            "collaboration",
            "choreography",
            "globalConversation",
            "interface",
            "import",
        ]
        .contains(&child.name.as_str())
    });
    for (_, other) in imported {
        model.link(other);
    }
    Ok(model)
}

/// Locations of the BPMN and DMN files that a file imports.
pub fn import_locations(bytes: &[u8]) -> Vec<String> {
    let root = tree::parse(bytes).ok();
    let imports = root.iter().flat_map(|root| root.children_named("import"));
    imports
        .filter(|import| {
            let kind = import.get("importType").unwrap_or_default();
            kind == BPMN || kind.contains("/DMN/")
        })
        .filter_map(|import| import.get("location").map(str::to_owned))
        .collect()
}

/// An imported file: its tree and its model.
type Imported = (Element, Model);

/// The imported BPMN files that are at hand, read, and those that are not.
fn imported(root: &Element, imports: &Imports) -> Result<(Vec<Imported>, Vec<Import>), Unreadable> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for import in root.children_named("import") {
        if import.get("importType") != Some(BPMN) {
            continue;
        }
        let location = import.get("location").unwrap_or_default();
        let Some(bytes) = imports.get(location) else {
            missing.push(Import {
                location: location.to_owned(),
                line: import.line,
            });
            continue;
        };
        // What the imported file imports in turn; itself left out, so that circles end.
        let mut others = imports.clone();
        others.remove(location);
        let because = |e: Unreadable| Unreadable {
            rule: "import-unreadable",
            line: import.line,
            text: format!(
                "the imported file `{location}`, line {}: {}",
                e.line, e.text
            ),
        };
        let model = read_with(bytes, &others).map_err(because)?;
        found.push((tree::parse(bytes).map_err(because)?, model));
    }
    Ok((found, missing))
}

#[derive(Default)]
struct Reader<'a> {
    model: Model,
    flows: Vec<(&'a Element, ScopeIx)>,
    flow_ids: HashMap<String, u32>,
    hosts: Vec<(NodeIx, String, u32)>,
    defaults: Vec<(NodeIx, String)>,
    associations: Vec<(String, String)>,
    /// `incoming` and `outgoing` as written: node, flow, whether it comes in, line.
    written: Vec<(NodeIx, String, bool, u32)>,
    /// The variables for which data elements stand, by the id of the element.
    data: HashMap<String, String>,
    lanes: HashMap<String, String>,
    /// Whether qualified names may lead to an imported file that is not at hand.
    is_open: bool,
    /// Correlation keys that messages declare, by the id of the message.
    keys: HashMap<String, String>,
    /// Event definitions at the top of the file, by id.
    definitions: HashMap<String, &'a Element>,
    /// Id of the event or task being read, to which its definitions belong.
    current: String,
}

fn text_of(element: &Element) -> String {
    element.text.trim().to_owned()
}

/// Tokens that an activity takes or gives at the most: a scope holds some two thousand.
const MAX_QUANTITY: u32 = 1_000;

/// A number of tokens; one where nothing or nonsense is written.
fn count(element: &Element, name: &str) -> u32 {
    element
        .get(name)
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(1)
        .clamp(1, MAX_QUANTITY)
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
            remedy: match rule {
                "duplicate-id" => "give every element an id of its own",
                "missing-id" => "give the element an id",
                _ => "correct the reference or add what it names",
            },
            is_error: true,
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
            if let Some(key) =
                foreign::zeebe(element, "subscription").and_then(|s| s.get("correlationKey"))
            {
                self.keys
                    .insert(id.to_owned(), key.trim_start_matches('=').to_owned());
            }
            let given = |attribute| {
                element
                    .get(attribute)
                    .filter(|text| !text.trim().is_empty())
            };
            let code = given("errorCode").or(given("escalationCode"));
            let named = Named {
                name: given("name").unwrap_or(id).to_owned(),
                code: code.unwrap_or(id).to_owned(),
                has_code: code.is_some(),
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
                "globalTask" | "globalCommunicationTask" => Kind::Task(Task::None),
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
                attributes: std::collections::BTreeMap::new(),
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
            flow.get("id")
                .unwrap_or_default()
                .clone_into(&mut self.current);
            let message = self.message(flow);
            self.model.message_flows.push(MessageFlow {
                id: flow.get("id").unwrap_or_default().to_owned(),
                from: local(flow.get("sourceRef").unwrap_or_default()).to_owned(),
                to: local(flow.get("targetRef").unwrap_or_default()).to_owned(),
                message,
                line: flow.line,
            });
        }
    }

    fn process(&mut self, element: &'a Element) {
        let id: Id = Arc::from(element.get("id").unwrap_or("process"));
        let root = self.open_scope(None, None, element.line);
        // What other engines say of a process means nothing here, and is listed elsewhere.
        let own = element.attributes.iter().filter(|a| a.namespace == TONGBAN);
        let attributes = own.map(|a| (a.name.clone(), a.value.clone())).collect();
        self.model.processes.push(ProcessHead {
            id,
            attributes,
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
        for child in element
            .children
            .iter()
            .filter(|child| child.namespace == BPMN)
        {
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
                "dataObject" | "property" if self.model[scope].owner.is_some() => {
                    let name = self.data.get(id).cloned();
                    self.model
                        .scopes_mut(scope, |inner| inner.data.extend(name));
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

    /// The id of an element; one that is missing is a finding and made up.
    fn id_of(&mut self, element: &Element) -> Id {
        let given = element.get("id").unwrap_or_default();
        if !given.is_empty() {
            return Arc::from(given);
        }
        let id: Id = Arc::from(format!("{}@{}", element.name, element.line));
        let text = format!("`{}` has no id", element.name);
        self.problem("missing-id", &id, element.line, text);
        id
    }

    /// What a node refers to by names, resolved when all nodes are there.
    fn note_references(&mut self, ix: NodeIx, element: &'a Element) {
        if let Some(host) = element.get("attachedToRef") {
            self.hosts.push((ix, local(host).to_owned(), element.line));
        }
        if let Some(default) = element.get("default") {
            self.defaults.push((ix, local(default).to_owned()));
        }
        for written in &element.children {
            if matches!(written.name.as_str(), "incoming" | "outgoing") {
                let is_incoming = written.name == "incoming";
                let flow = local(&written.text).to_owned();
                self.written.push((ix, flow, is_incoming, written.line));
            }
        }
    }

    fn node(&mut self, element: &'a Element, scope: ScopeIx, kind: Kind) {
        let ix = NodeIx(self.model.nodes.len());
        let id = self.id_of(element);
        self.note_script(&kind, &id, element);
        let is_event_sub = matches!(kind, Kind::Sub(Sub::Event));
        let has_body = matches!(kind, Kind::Sub(_));
        self.note_references(ix, element);
        let (data_in, data_out) = self.associations_of(element);
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
            data_in,
            data_out,
            sends: None,
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

    fn attributes(&mut self, element: &Element, id: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let ignored = &mut self.model.ignored;
        foreign(element, id, &mut found, ignored);
        roles::roles(element, id, &mut found, ignored);
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
        let named = std::iter::once(element).chain(&element.children);
        let mut messages = named.filter_map(|named| self.keys.get(local(named.get("messageRef")?)));
        if let Some(key) = messages.next() {
            found.entry("correlation".to_owned()).or_insert(key.clone());
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
        let is_elsewhere = self.is_open && reference.contains(':');
        if found.is_none() && !reference.trim().is_empty() && !is_elsewhere {
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
                activation: expression(element, "activationCondition"),
            }),
            "subProcess" if element.flag("triggeredByEvent") == Some(true) => Kind::Sub(Sub::Event),
            "subProcess" => Kind::Sub(Sub::Embedded),
            "transaction" => Kind::Sub(Sub::Transaction),
            "adHocSubProcess" => Kind::Sub(Sub::AdHoc {
                is_sequential: element.get("ordering") == Some("Sequential"),
                until: expression(element, "completionCondition"),
                cancels_rest: element.flag("cancelRemainingInstances").unwrap_or(true),
            }),
            "callActivity" => Kind::Call {
                called: element
                    .get("calledElement")
                    .or_else(|| foreign::zeebe(element, "calledElement")?.get("processId"))
                    .map(|called| local(called).to_owned())
                    .filter(|called| !called.is_empty()),
            },
            _ => return None,
        })
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
        self.mislisted();
        for (from, to) in std::mem::take(&mut self.associations) {
            self.compensates(&from, &to);
            self.compensates(&to, &from);
        }
        self.senders();
    }

    /// Flows that an element lists as its own and that are not.
    fn mislisted(&mut self) {
        let flows = self.model.flows.iter();
        let connected: HashSet<Id> = flows.map(|flow| flow.id.clone()).collect();
        for (ix, flow, is_incoming, line) in std::mem::take(&mut self.written) {
            let id = self.model[ix].id.clone();
            if !self.flow_ids.contains_key(&flow) {
                let text = format!("it names the flow `{flow}`, which is not there");
                self.problem("dangling-reference", &id, line, text);
                continue;
            }
            let node = &self.model[ix];
            let flows = if is_incoming {
                &node.incoming
            } else {
                &node.outgoing
            };
            if connected.contains(flow.as_str())
                && !flows.iter().any(|&own| *self.model[own].id == *flow)
            {
                let side = if is_incoming { "incoming" } else { "outgoing" };
                let text =
                    format!("it lists the flow `{flow}` as {side}, but the flow says otherwise");
                self.problem("flow-mislisted", &id, line, text);
            }
        }
    }

    /// An association between a compensation event and what undoes its activity.
    fn compensates(&mut self, event: &str, handler: &str) {
        let (Some(event), Some(handler)) = (self.model.lookup(event), self.model.lookup(handler))
        else {
            return;
        };
        if !self.model[handler].is_activity() {
            return;
        }
        let Some(event) = self.model[event].event() else {
            return;
        };
        let compensates = |d: &Definition| matches!(d, Definition::Compensation { .. });
        if let Some(host) = event
            .host
            .filter(|_| event.definitions.iter().any(compensates))
        {
            self.model
                .node_mut(host, |node| node.undone_by = Some(handler));
        }
    }

    /// Tasks that send: by their own message, or by a message flow that leaves them.
    fn senders(&mut self) {
        let mut sends = Vec::new();
        for (at, node) in self.model.nodes.iter().enumerate() {
            if let Kind::Task(Task::Send {
                message: Some(name),
            }) = &node.kind
            {
                sends.push((NodeIx(at), name.clone()));
            }
        }
        for flow in &self.model.message_flows {
            let from = self.model.lookup(&flow.from);
            if let Some(ix) = from.filter(|&ix| matches!(self.model[ix].kind, Kind::Task(_))) {
                let name = flow
                    .message
                    .clone()
                    .unwrap_or_else(|| format!("#{}", flow.id));
                sends.push((ix, name));
            }
        }
        for (ix, name) in sends {
            self.model.node_mut(ix, |node| {
                node.sends.get_or_insert(name);
            });
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
            // One without an id is told apart from others by its place.
            id: if id.is_empty() {
                Arc::from(format!("flow#{}", ix.0))
            } else {
                Arc::from(id)
            },
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
