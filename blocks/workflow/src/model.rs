//! The types of a BPMN model: what was drawn, resolved and ready to be walked.
//!
//! Nodes, flows and scopes of all processes of a file lie in flat lists and name each other by
//! index, so that the core follows a flow without looking anything up. Expressions are compiled
//! when the file is read; one that does not compile is kept with its reason for [`crate::check`].

use std::{
    collections::{BTreeMap, HashMap},
    ops::Index,
    sync::Arc,
};

use crate::{correlation::Correlations, decision::Decisions, expr::Expr};

/// Namespace of our own attributes and elements.
pub const TONGBAN: &str = "https://tongban.dev/bpmn";

/// Identifier of an element in the file; cheap to clone.
pub type Id = Arc<str>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIx(pub usize);
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowIx(pub usize);
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeIx(pub usize);

/// An expression as written, with what became of it.
#[derive(Clone, Debug)]
pub struct Source {
    pub text: String,
    pub line: u32,
    /// The compiled form, or why there is none.
    pub compiled: Result<Arc<Expr>, String>,
}

impl Source {
    pub fn new(text: &str, line: u32) -> Self {
        let compiled = Expr::parse(text).map(Arc::new);
        Self {
            text: text.trim().to_owned(),
            line,
            compiled,
        }
    }

    /// The value of a variable, whatever characters its name has.
    pub fn variable(name: &str, line: u32) -> Self {
        Self {
            text: name.to_owned(),
            line,
            compiled: Expr::variable(name).map(Arc::new),
        }
    }

    /// Whether it is the name of a variable and nothing else.
    pub fn is_name(&self) -> bool {
        let compiled = self.compiled.as_ref();
        compiled.is_ok_and(|expr| expr.is_variable() && expr.as_feel() == self.text)
    }

    /// The text itself.
    pub fn literal(text: &str, line: u32) -> Self {
        Self {
            text: text.to_owned(),
            line,
            compiled: Expr::parse(&crate::expr::quoted(text)).map(Arc::new),
        }
    }
}

/// A file: all its processes and what they share.
#[derive(Debug, Default)]
pub struct Model {
    pub processes: Vec<ProcessHead>,
    pub nodes: Vec<Node>,
    pub flows: Vec<Flow>,
    pub scopes: Vec<Scope>,
    pub by_id: HashMap<Id, NodeIx>,
    pub messages: BTreeMap<String, Named>,
    pub signals: BTreeMap<String, Named>,
    pub errors: BTreeMap<String, Named>,
    pub escalations: BTreeMap<String, Named>,
    pub participants: Vec<Participant>,
    pub message_flows: Vec<MessageFlow>,
    /// What was wrong already while reading: duplicated ids, dangling references.
    pub problems: Vec<Problem>,
    /// What was understood to be meaningful in other engines and is not used here.
    pub ignored: Vec<Ignored>,
    /// Files that this one imports and that were not at hand.
    pub missing_imports: Vec<Import>,
    /// Whether the file draws something besides processes: pools, choreographies, conversations.
    pub draws_other: bool,
    /// Decisions that business rule tasks may name.
    pub decisions: Decisions,
    /// Keys by which messages are told apart.
    pub correlations: Correlations,
}

/// Something found while reading that the standard forbids.
#[derive(Clone, Debug)]
pub struct Problem {
    pub rule: &'static str,
    pub element: String,
    pub line: u32,
    pub text: String,
    pub remedy: &'static str,
    /// Whether it refuses the file; otherwise it is told.
    pub is_error: bool,
}

/// A file named by `<import>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    pub location: String,
    pub line: u32,
}

/// A foreign attribute or element that has no effect here.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Ignored {
    pub element: String,
    pub line: u32,
    pub what: String,
}

/// A message, signal, error or escalation declared at the top of a file. `code` is the error or
/// escalation code; for messages and signals it is empty.
#[derive(Clone, Debug, Default)]
pub struct Named {
    pub name: String,
    pub code: String,
    /// Whether the file gives the code; the id stands for one that is missing.
    pub has_code: bool,
    pub line: u32,
}

#[derive(Clone, Debug)]
pub struct Participant {
    pub id: String,
    pub name: String,
    pub process: Option<String>,
    pub line: u32,
}

#[derive(Clone, Debug)]
pub struct MessageFlow {
    pub id: String,
    pub from: String,
    pub to: String,
    /// The name of the message that flows, where the file names one.
    pub message: Option<String>,
    pub line: u32,
}

#[derive(Clone, Debug)]
pub struct ProcessHead {
    pub id: Id,
    pub name: String,
    /// `None` where the file does not say.
    pub is_executable: Option<bool>,
    pub root: ScopeIx,
    /// Attributes of our namespace, by local name.
    pub attributes: BTreeMap<String, String>,
    pub line: u32,
}

/// A process or the inside of a sub-process.
#[derive(Debug, Default)]
pub struct Scope {
    pub parent: Option<ScopeIx>,
    /// The sub-process node of which this is the inside; `None` for a process.
    pub owner: Option<NodeIx>,
    pub process: usize,
    pub nodes: Vec<NodeIx>,
    pub flows: Vec<FlowIx>,
    /// Event sub-processes that lie in this scope.
    pub event_subs: Vec<NodeIx>,
    /// Variables that a sub-process declares as its own: data objects and properties.
    pub data: Vec<String>,
    pub line: u32,
}

#[derive(Debug)]
pub struct Node {
    pub id: Id,
    pub name: String,
    pub line: u32,
    pub scope: ScopeIx,
    pub kind: Kind,
    pub incoming: Vec<FlowIx>,
    pub outgoing: Vec<FlowIx>,
    pub default: Option<FlowIx>,
    /// `default` as written, when it names no outgoing flow of this node.
    pub bad_default: Option<String>,
    /// Events on the border of this activity.
    pub boundary: Vec<NodeIx>,
    /// The inside of a sub-process.
    pub body: Option<ScopeIx>,
    pub repeat: Option<Repeat>,
    pub is_for_compensation: bool,
    /// The activity that undoes this one (through its compensation boundary event).
    pub undone_by: Option<NodeIx>,
    /// Attributes of our namespace (and what other engines mean by the same), by local name.
    pub attributes: BTreeMap<String, String>,
    pub inputs: Vec<Mapping>,
    pub outputs: Vec<Mapping>,
    /// Data associations: into the element's own data inputs, and from its data outputs.
    pub data_in: Vec<Mapping>,
    pub data_out: Vec<Mapping>,
    /// Name of the message that a task sends when it is done.
    pub sends: Option<String>,
    /// Tokens that must come before the activity begins, and that leave it on each flow.
    pub quantity: (u32, u32),
    /// `gatewayDirection` as written.
    pub direction: Option<String>,
}

/// `target` gets the value of `source` when an activity begins (inputs) or ends (outputs);
/// the target [`ALL`] stands for all variables.
#[derive(Debug, Clone)]
pub struct Mapping {
    pub target: String,
    pub source: Source,
}

/// Target of a mapping that hands over every variable.
pub const ALL: &str = "*";

#[derive(Debug, Clone)]
pub enum Kind {
    Task(Task),
    Event(Event),
    Gateway(Gateway),
    Sub(Sub),
    /// A call activity; `None` when nothing is named.
    Call {
        called: Option<String>,
    },
}

#[derive(Debug, Clone)]
pub enum Task {
    None,
    Manual,
    User,
    Service,
    Send {
        message: Option<String>,
    },
    Receive {
        message: Option<String>,
        instantiate: bool,
    },
    Script {
        format: String,
        text: String,
        value: Option<Source>,
    },
    Rule,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Start { is_interrupting: bool },
    Catch,
    Throw,
    Boundary { is_interrupting: bool },
    End,
}

#[derive(Debug, Clone)]
pub struct Event {
    pub place: Place,
    pub definitions: Vec<Definition>,
    pub is_parallel_multiple: bool,
    /// The activity on whose border the event sits.
    pub host: Option<NodeIx>,
}

#[derive(Debug, Clone)]
pub enum Definition {
    /// A name that begins with `#` stands for one that the file does not give.
    Message {
        name: String,
        /// Whether another engine's attribute says how it is sent.
        is_outside: bool,
    },
    Signal {
        name: String,
    },
    Timer(TimerSource),
    /// `has_code` tells whether the file gives a code; the id of the error stands for one that
    /// is missing, and `None` for one that is not named at all.
    Error {
        code: Option<String>,
        has_code: bool,
    },
    Escalation {
        code: Option<String>,
        has_code: bool,
    },
    Conditional {
        condition: Option<Source>,
    },
    /// Partners have the same name, or name one another by the ids of their definitions.
    Link {
        name: String,
        id: String,
        target: Option<String>,
        sources: Vec<String>,
    },
    Compensation {
        activity: Option<String>,
        waits: bool,
    },
    Terminate,
    Cancel,
}

#[derive(Debug, Clone)]
pub enum TimerSource {
    Date(Source),
    Duration(Source),
    Cycle(Source),
    /// Counted by the official calendar.
    WorkingDays(Source),
    Missing,
}

#[derive(Debug, Clone)]
pub enum Gateway {
    Exclusive,
    Inclusive,
    Parallel,
    Event {
        instantiate: bool,
        is_parallel: bool,
    },
    Complex {
        activation: Option<Source>,
    },
}

#[derive(Debug, Clone)]
pub enum Sub {
    Embedded,
    Event,
    Transaction,
    AdHoc {
        is_sequential: bool,
        until: Option<Source>,
        cancels_rest: bool,
    },
}

#[derive(Debug, Clone)]
pub enum Repeat {
    Standard {
        tests_before: bool,
        maximum: Option<Source>,
        condition: Option<Source>,
    },
    Multi(MultiInstance),
}

#[derive(Debug, Clone)]
pub struct MultiInstance {
    pub is_sequential: bool,
    pub cardinality: Option<Source>,
    pub collection: Option<Source>,
    /// The variable that holds one item of the collection.
    pub item: Option<String>,
    pub until: Option<Source>,
    /// The list variable that gathers `output_item` of each instance.
    pub output: Option<String>,
    pub output_item: Option<Source>,
    /// A variable of each instance, out of which its output is taken.
    pub output_variable: Option<String>,
    /// Thrown to the activity's border when the first instance, or each, is done.
    pub thrown: Option<Box<Thrown>>,
}

/// What the standard calls the behavior `One`, `None` and `Complex` of multiple instances.
#[derive(Debug, Clone)]
pub enum Thrown {
    First(Definition),
    Each(Definition),
    When(Vec<(Source, Definition)>),
}

#[derive(Debug)]
pub struct Flow {
    pub id: Id,
    pub name: String,
    pub line: u32,
    pub from: NodeIx,
    pub to: NodeIx,
    pub condition: Option<Source>,
    pub scope: ScopeIx,
}

impl Index<NodeIx> for Model {
    type Output = Node;

    #[expect(
        clippy::indexing_slicing,
        reason = "indexes are given out by the reader only"
    )]
    fn index(&self, ix: NodeIx) -> &Node {
        &self.nodes[ix.0]
    }
}

impl Index<FlowIx> for Model {
    type Output = Flow;

    #[expect(
        clippy::indexing_slicing,
        reason = "indexes are given out by the reader only"
    )]
    fn index(&self, ix: FlowIx) -> &Flow {
        &self.flows[ix.0]
    }
}

impl Index<ScopeIx> for Model {
    type Output = Scope;

    #[expect(
        clippy::indexing_slicing,
        reason = "indexes are given out by the reader only"
    )]
    fn index(&self, ix: ScopeIx) -> &Scope {
        &self.scopes[ix.0]
    }
}

impl Node {
    pub fn event(&self) -> Option<&Event> {
        match &self.kind {
            Kind::Event(event) => Some(event),
            _ => None,
        }
    }

    pub fn place(&self) -> Option<Place> {
        self.event().map(|event| event.place)
    }

    pub fn definitions(&self) -> &[Definition] {
        self.event().map_or(&[], |event| &event.definitions)
    }

    /// Whether it waits for a condition.
    pub fn is_conditional(&self) -> bool {
        let mut definitions = self.definitions().iter();
        definitions.any(|definition| matches!(definition, Definition::Conditional { .. }))
    }

    pub fn is_activity(&self) -> bool {
        matches!(self.kind, Kind::Task(_) | Kind::Sub(_) | Kind::Call { .. })
    }

    pub fn is_event_sub(&self) -> bool {
        matches!(self.kind, Kind::Sub(Sub::Event))
    }

    pub fn is_boundary(&self) -> bool {
        matches!(self.place(), Some(Place::Boundary { .. }))
    }

    pub fn is_start(&self) -> bool {
        matches!(self.place(), Some(Place::Start { .. }))
    }

    pub fn is_end(&self) -> bool {
        self.place() == Some(Place::End)
    }

    pub fn interrupts(&self) -> bool {
        match self.place() {
            Some(Place::Start { is_interrupting } | Place::Boundary { is_interrupting }) => {
                is_interrupting
            }
            _ => true,
        }
    }

    pub fn link(&self) -> Option<&str> {
        self.definitions()
            .iter()
            .find_map(|definition| match definition {
                Definition::Link { name, .. } => Some(name.as_str()),
                _ => None,
            })
    }

    /// Whether the element begins a process when its message comes.
    pub fn instantiates(&self) -> bool {
        matches!(
            self.kind,
            Kind::Task(Task::Receive {
                instantiate: true,
                ..
            }) | Kind::Gateway(Gateway::Event {
                instantiate: true,
                ..
            })
        )
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// The name a person knows the element by; its id where it has no name.
    pub fn title(&self) -> &str {
        if self.name.is_empty() {
            &self.id
        } else {
            &self.name
        }
    }

    /// What the element is called in the standard, for lists and messages.
    pub fn type_name(&self) -> &'static str {
        match &self.kind {
            Kind::Task(task) => match task {
                Task::None => "task",
                Task::Manual => "manualTask",
                Task::User => "userTask",
                Task::Service => "serviceTask",
                Task::Send { .. } => "sendTask",
                Task::Receive { .. } => "receiveTask",
                Task::Script { .. } => "scriptTask",
                Task::Rule => "businessRuleTask",
            },
            Kind::Event(event) => match event.place {
                Place::Start { .. } => "startEvent",
                Place::Catch => "intermediateCatchEvent",
                Place::Throw => "intermediateThrowEvent",
                Place::Boundary { .. } => "boundaryEvent",
                Place::End => "endEvent",
            },
            Kind::Gateway(gateway) => match gateway {
                Gateway::Exclusive => "exclusiveGateway",
                Gateway::Inclusive => "inclusiveGateway",
                Gateway::Parallel => "parallelGateway",
                Gateway::Event { .. } => "eventBasedGateway",
                Gateway::Complex { .. } => "complexGateway",
            },
            Kind::Sub(Sub::Transaction) => "transaction",
            Kind::Sub(Sub::AdHoc { .. }) => "adHocSubProcess",
            Kind::Sub(_) => "subProcess",
            Kind::Call { .. } => "callActivity",
        }
    }
}

impl Model {
    /// Where a message that the element throws goes: the elements at which its message flows end;
    /// empty for one that is delivered by its name, as to a pool as a whole, or to what is inside
    /// of a sub-process or a call.
    pub fn message_targets(&self, element: &str) -> Vec<String> {
        let flows = self.message_flows.iter();
        let is_one = |ix: NodeIx| {
            let node = &self[ix];
            let has_inside = matches!(node.kind, Kind::Sub(_) | Kind::Call { .. });
            node.is_event_sub() || !has_inside
        };
        let mut targets: Vec<String> = flows
            .filter(|flow| flow.from == element)
            .map(|flow| match self.lookup(&flow.to) {
                Some(ix) if is_one(ix) => flow.to.clone(),
                _ => String::new(),
            })
            .collect();
        targets.sort();
        targets.dedup();
        if targets.is_empty() {
            targets.push(String::new());
        }
        targets
    }

    /// The sequence flow with that id.
    pub fn flow(&self, id: &str) -> Option<FlowIx> {
        self.flows
            .iter()
            .position(|flow| *flow.id == *id)
            .map(FlowIx)
    }

    pub fn lookup(&self, id: &str) -> Option<NodeIx> {
        self.by_id.get(id).copied()
    }

    pub fn process(&self, id: &str) -> Option<&ProcessHead> {
        self.processes.iter().find(|head| &*head.id == id)
    }

    /// The process meant when none is named: the first executable one, else the first.
    pub fn main(&self) -> Option<&ProcessHead> {
        self.processes
            .iter()
            .find(|head| head.is_executable == Some(true))
            .or(self.processes.first())
    }

    /// The process in which a node lies.
    pub fn process_of(&self, ix: NodeIx) -> Option<&ProcessHead> {
        self.processes.get(self[self[ix].scope].process)
    }

    /// The nearest transaction in which a scope lies.
    pub fn transaction_around(&self, scope: ScopeIx) -> Option<NodeIx> {
        let mut next = Some(scope);
        while let Some(inner) = next {
            let owner = self[inner].owner?;
            if matches!(self[owner].kind, Kind::Sub(Sub::Transaction)) {
                return Some(owner);
            }
            next = self[inner].parent;
        }
        None
    }

    /// Where the token goes that reaches a link throw event.
    pub fn link_target(&self, ix: NodeIx) -> Option<NodeIx> {
        let thrown = self[ix]
            .definitions()
            .iter()
            .find(|d| matches!(d, Definition::Link { .. }))?;
        let Definition::Link {
            name, id, target, ..
        } = thrown
        else {
            return None;
        };
        let mut catches = self[self[ix].scope]
            .nodes
            .iter()
            .copied()
            .filter(|&other| self[other].place() == Some(Place::Catch));
        catches.find(|&other| {
            self[other]
                .definitions()
                .iter()
                .any(|definition| match definition {
                    Definition::Link {
                        name: caught,
                        id: other,
                        sources,
                        ..
                    } => match target {
                        Some(target) => target == other,
                        None => caught == name || (!id.is_empty() && sources.contains(id)),
                    },
                    _ => false,
                })
        })
    }

    /// Gives elements of another file names of their own where this one has the same.
    fn tell_apart(&self, other: &mut Model) {
        let mut names: HashMap<Id, Id> = HashMap::new();
        for node in &other.nodes {
            let mut name = node.id.clone();
            while self.by_id.contains_key(&name) {
                let process = other.scopes.get(node.scope.0).map(|scope| scope.process);
                let head = process.and_then(|process| other.processes.get(process));
                name = format!("{}/{name}", head.map_or("", |head| &head.id)).into();
            }
            if name != node.id {
                names.insert(node.id.clone(), name);
            }
        }
        let rename = |written: &mut String| {
            if let Some(name) = names.get(written.as_str()) {
                *written = name.to_string();
            }
        };
        for node in &mut other.nodes {
            if let Some(name) = names.get(&node.id) {
                node.id = name.clone();
            }
            node.attributes.get_mut("reject").map(rename);
            let Kind::Event(event) = &mut node.kind else {
                continue;
            };
            for definition in &mut event.definitions {
                if let Definition::Compensation { activity, .. } = definition {
                    activity.as_mut().map(rename);
                }
            }
        }
    }

    /// Nodes at which a scope begins when nothing names one: its untyped start events, or, when
    /// it has no start events, everything that no flow leads to.
    pub fn starts(&self, scope: ScopeIx) -> Vec<NodeIx> {
        let nodes = &self[scope].nodes;
        let starts: Vec<_> = nodes
            .iter()
            .copied()
            .filter(|&ix| self[ix].is_start())
            .collect();
        if starts.is_empty() {
            return nodes
                .iter()
                .copied()
                .filter(|&ix| self.begins_implicitly(ix))
                .collect();
        }
        starts
            .into_iter()
            .filter(|&ix| self[ix].definitions().is_empty())
            .collect()
    }

    fn begins_implicitly(&self, ix: NodeIx) -> bool {
        let node = &self[ix];
        let is_link = node.place() == Some(Place::Catch) && node.link().is_some();
        let is_apart =
            node.is_boundary() || node.is_event_sub() || node.is_for_compensation || is_link;
        node.incoming.is_empty() && !is_apart
    }

    /// Adds the processes and decisions of another file, so that call activities find them.
    /// Elements whose id is taken, as every modeler calls the first start alike, are known by that
    /// of their process besides: `order/start`.
    pub fn link(&mut self, mut other: Model) {
        self.tell_apart(&mut other);
        let (nodes, flows, scopes) = (self.nodes.len(), self.flows.len(), self.scopes.len());
        let processes = self.processes.len();
        let node = |ix: NodeIx| NodeIx(ix.0 + nodes);
        let flow = |ix: FlowIx| FlowIx(ix.0 + flows);
        let scope = |ix: ScopeIx| ScopeIx(ix.0 + scopes);
        for head in other.processes {
            self.processes.push(ProcessHead {
                root: scope(head.root),
                ..head
            });
        }
        for inner in other.scopes {
            self.scopes.push(Scope {
                parent: inner.parent.map(scope),
                owner: inner.owner.map(node),
                process: inner.process + processes,
                nodes: inner.nodes.into_iter().map(node).collect(),
                flows: inner.flows.into_iter().map(flow).collect(),
                event_subs: inner.event_subs.into_iter().map(node).collect(),
                data: inner.data,
                line: inner.line,
            });
        }
        for edge in other.flows {
            self.flows.push(Flow {
                from: node(edge.from),
                to: node(edge.to),
                scope: scope(edge.scope),
                ..edge
            });
        }
        for (at, mut item) in other.nodes.into_iter().enumerate() {
            item.scope = scope(item.scope);
            item.incoming = item.incoming.into_iter().map(flow).collect();
            item.outgoing = item.outgoing.into_iter().map(flow).collect();
            item.default = item.default.map(flow);
            item.boundary = item.boundary.into_iter().map(node).collect();
            item.body = item.body.map(scope);
            item.undone_by = item.undone_by.map(node);
            if let Kind::Event(event) = &mut item.kind {
                event.host = event.host.map(node);
            }
            self.by_id.insert(item.id.clone(), NodeIx(at + nodes));
            self.nodes.push(item);
        }
        self.decisions.link(other.decisions);
        self.correlations.link(other.correlations);
        self.ignored.extend(other.ignored);
        self.missing_imports.extend(other.missing_imports);
    }
}
