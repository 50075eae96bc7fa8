//! How an instance begins: at which start events, and with what.

use serde_json::{Map, Value};

use super::{FrameKind, Heard, Kept, Owner, Rejection, State, Status, run::Run, wait::mark};
use crate::model::{Definition, Gateway, Kind, Node, NodeIx, ScopeIx, Task};

/// How [`Input::Start`](super::Input::Start) names a start event by one of its definitions.
pub(crate) fn start_by(node: &Node, nth: usize) -> String {
    if waits_for_all(node) {
        mark(node, nth).to_string()
    } else {
        node.id.to_string()
    }
}

/// Whether a start event takes several things together, in any order.
pub(crate) fn waits_for_all(node: &Node) -> bool {
    let event = node.event().filter(|event| event.is_parallel_multiple);
    event.is_some() && node.is_start() && node.definitions().len() > 1
}

/// The number of the definition by which the element begins, if it does by what is heard.
pub(crate) fn begins_by(node: &Node, heard: Heard, name: &str) -> Option<usize> {
    if let Kind::Task(Task::Receive { message, .. }) = &node.kind {
        let is_it = heard == Heard::Message && message.as_deref() == Some(name);
        return is_it.then_some(0);
    }
    let mut definitions = node.definitions().iter();
    definitions.position(|definition| match definition {
        Definition::Message { name: own, .. } => heard == Heard::Message && own == name,
        Definition::Signal { name: own } => heard == Heard::Signal && own == name,
        _ => false,
    })
}

impl Run<'_> {
    pub(super) fn start(
        &mut self,
        at: Option<&str>,
        vars: &Map<String, Value>,
    ) -> Result<(), Rejection> {
        if self.instance.status != Status::Created {
            return Err(Rejection::AlreadyStarted);
        }
        let id = &self.process.id;
        let head = self
            .model
            .process(id)
            .ok_or_else(|| Rejection::UnknownProcess(id.to_string()))?;
        let scope = head.root;
        let (at, came) = match at.and_then(|at| at.split_once('#')) {
            Some((id, nth)) => (Some(id), nth.parse().ok()),
            None => (at, None),
        };
        let nodes = match at {
            Some(at) => vec![self.start_named(at, scope)?],
            None => self.default_starts(scope)?,
        };
        self.instance.status = Status::Running;
        let root = self.open_frame(FrameKind::Root, head.id.clone(), None, None);
        if let Some(frame) = self.instance.frames.get_mut(&root) {
            frame.vars.clone_from(vars);
        }
        self.changed = true;
        self.arm_frame(root, scope);
        for node in nodes {
            self.learn_at_start(root, node, vars);
            if let Some(came) = came {
                self.wait_for_others(root, node, came);
                continue;
            }
            let received = self.receive(root, node, vars);
            let is_triggered = at.is_some() && self.is_triggered_start(node);
            if is_triggered {
                self.begin_others(root, node);
            }
            match received {
                Ok(()) if is_triggered => {
                    self.add_live(root);
                    self.entered(&self.model[node], root);
                    self.leave(root, node);
                }
                Ok(()) => self.send(root, node, None),
                Err(text) => self.stop_at_event(root, node, Kept::Given(vars.clone()), text),
            }
        }
        Ok(())
    }

    /// One of the things that a start event takes together has come; the instance waits for the
    /// others (BPMN 2.0.2, 10.5.2). What they bring is mapped when the last is there, for a mapping
    /// may want all of it.
    fn wait_for_others(&mut self, root: u32, node: NodeIx, came: usize) {
        let item = &self.model[node];
        self.add_live(root);
        self.entered(item, root);
        let token = self.rest(root, node, State::Catch);
        if let Some(held) = self.instance.tokens.get_mut(&token) {
            held.holding.push(mark(item, came));
        }
        if let Err(text) = self.arm_but(Owner::Token(token), root, node, Some(came)) {
            self.stop_silently(token, text);
        }
    }

    /// A receive task or an event after a gateway that begins the process.
    pub(super) fn is_triggered_start(&self, node: NodeIx) -> bool {
        let item = &self.model[node];
        !item.is_start() && (item.instantiates() || self.instantiating_gateway(node).is_some())
    }

    pub(super) fn instantiating_gateway(&self, node: NodeIx) -> Option<NodeIx> {
        let sources = self.model[node]
            .incoming
            .iter()
            .map(|&flow| self.model[flow].from);
        sources
            .into_iter()
            .find(|&source| self.model[source].instantiates())
    }

    /// The instance begins by an event after a gateway: a parallel one waits for the others now.
    fn begin_others(&mut self, root: u32, node: NodeIx) {
        let model = self.model;
        if let Some(gateway) = self.instantiating_gateway(node)
            && matches!(
                model[gateway].kind,
                Kind::Gateway(Gateway::Event {
                    is_parallel: true,
                    ..
                })
            )
        {
            for &flow in &model[gateway].outgoing {
                if model[flow].to != node {
                    self.send(root, model[flow].to, Some(flow));
                }
            }
        }
    }

    pub(super) fn start_named(&self, at: &str, scope: ScopeIx) -> Result<NodeIx, Rejection> {
        let found = self
            .model
            .lookup(at)
            .filter(|&ix| self.model[ix].scope == scope);
        let can = |ix: &NodeIx| {
            let node = &self.model[*ix];
            node.is_start()
                || node.incoming.is_empty() && !node.is_boundary()
                || self.instantiating_gateway(*ix).is_some()
        };
        found
            .filter(can)
            .ok_or_else(|| Rejection::NoSuchStart(at.to_owned()))
    }

    /// The untriggered starts; where there are none, the only start there is.
    pub(super) fn default_starts(&self, scope: ScopeIx) -> Result<Vec<NodeIx>, Rejection> {
        let mut starts = self.model.starts(scope);
        // What begins by a message begins an instance for each message.
        let is_told = |ix: &NodeIx| self.model[*ix].instantiates();
        match starts.iter().filter(|ix| is_told(ix)).count() {
            0 => {}
            told if told < starts.len() => starts.retain(|ix| !is_told(ix)),
            1 => {}
            _ => return Err(Rejection::NoStart),
        }
        if !starts.is_empty() {
            return Ok(starts);
        }
        let typed = self.model[scope]
            .nodes
            .iter()
            .copied()
            .filter(|&ix| self.model[ix].is_start());
        match typed.collect::<Vec<_>>().as_slice() {
            [only] => Ok(vec![*only]),
            _ => Err(Rejection::NoStart),
        }
    }
}
