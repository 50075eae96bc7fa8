//! An instance that ran elsewhere begins here, at the places where it stood.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::{FrameKind, Owner, Rejection, State, Status, run::Run};
use crate::model::{FlowIx, Gateway, Kind, Node, NodeIx, Place, ScopeIx};

impl Run<'_> {
    /// Puts a token before each of the named activities and waiting events, and on each of the
    /// named sequence flows, inside the sub-processes that they lie in. Several in one sub-process
    /// share it. A flow tells what has arrived at a join already; one that is forgotten refuses the
    /// import, for the join would wait for ever.
    pub(super) fn import(
        &mut self,
        at: &[String],
        vars: Map<String, Value>,
    ) -> Result<(), Rejection> {
        if self.instance.status != Status::Created {
            return Err(Rejection::AlreadyStarted);
        }
        let id = &self.process.id;
        let head = self
            .model
            .process(id)
            .ok_or_else(|| Rejection::UnknownProcess(id.to_string()))?;
        if let Some(twice) = twice(at) {
            return Err(Rejection::PlaceTwice(twice.clone()));
        }
        let places: Vec<(NodeIx, Option<FlowIx>)> = at
            .iter()
            .map(|id| {
                self.importable(id, head.root)
                    .ok_or_else(|| Rejection::NoPlaceToWait(id.clone()))
            })
            .collect::<Result<_, _>>()?;
        if places.is_empty() {
            return Err(Rejection::NoStart);
        }
        // Begun by itself, it would do what is said to be done or under way.
        let around = |outer: NodeIx| places.iter().any(|(node, _)| self.is_around(outer, *node));
        if let Some((node, _)) = places.iter().find(|(node, _)| around(*node)) {
            return Err(Rejection::NoPlaceToWait(self.model[*node].id.to_string()));
        }
        self.instance.status = Status::Running;
        self.changed = true;
        let root = self.open_frame(FrameKind::Root, head.id.clone(), None, None);
        if let Some(frame) = self.instance.frames.get_mut(&root) {
            frame.vars = vars;
        }
        self.arm_frame(root, head.root);
        let mut open = HashMap::from([(head.root, root)]);
        for (node, via) in places {
            if let Some(frame) = self.frame_around(self.model[node].scope, &mut open) {
                self.send(frame, node, via);
            }
        }
        let Some(starved) = self.starved().into_iter().next() else {
            return Ok(());
        };
        // Nothing was before.
        (self.instance, self.changed) = (self.process.instance(), false);
        let id = |flow: &FlowIx| self.model[*flow].id.to_string();
        Err(Rejection::JoinWaits(
            self.model[starved.join].id.to_string(),
            starved
                .missing
                .iter()
                .map(id)
                .collect::<Vec<_>>()
                .join("`, `"),
        ))
    }

    /// Whether the one lies inside of the other.
    fn is_around(&self, outer: NodeIx, inner: NodeIx) -> bool {
        let mut owner = self.model[self.model[inner].scope].owner;
        while let Some(node) = owner {
            if node == outer {
                return true;
            }
            owner = self.model[self.model[node].scope].owner;
        }
        false
    }

    /// The node if a token can be put there, or the flow and where it leads: the sub-processes
    /// around it must not repeat, for nobody says in which of their runs it was.
    fn importable(&self, id: &str, root: ScopeIx) -> Option<(NodeIx, Option<FlowIx>)> {
        let (node, via) = match self.model.lookup(id) {
            Some(node) if waits(&self.model[node]) => (node, None),
            Some(_) => return None,
            None => {
                let flow = self.model.flow(id)?;
                (self.model[flow].to, Some(flow))
            }
        };
        let mut scope = self.model[node].scope;
        while scope != root {
            let owner = self.model[scope].owner?;
            if self.model[owner].repeat.is_some() {
                return None;
            }
            scope = self.model[scope].parent?;
        }
        Some((node, via))
    }

    /// The frame of a scope; opens it, and those around it, when it is the first of it.
    fn frame_around(&mut self, scope: ScopeIx, open: &mut HashMap<ScopeIx, u32>) -> Option<u32> {
        if let Some(frame) = open.get(&scope) {
            return Some(*frame);
        }
        let model = self.model;
        let owner = model[scope].owner?;
        let parent = self.frame_around(model[scope].parent?, open)?;
        let item = &model[owner];
        let frame = if item.is_event_sub() {
            let frame = self.open_event_sub(parent, owner);
            self.entered(item, parent);
            frame
        } else {
            self.add_live(parent);
            let token = self.rest(parent, owner, State::Body);
            self.entered(item, parent);
            for &event in &item.boundary {
                if let Err(text) = self.arm(Owner::Token(token), parent, event) {
                    self.stop_before(token, text);
                    return None;
                }
            }
            self.open_frame(FrameKind::Sub, item.id.clone(), Some(parent), Some(token))
        };
        self.arm_frame(frame, scope);
        open.insert(scope, frame);
        Some(frame)
    }
}

/// A place that is named again. Two tokens that say nothing of their ways would leave by the same
/// flow, and a join behind it would count one.
fn twice(at: &[String]) -> Option<&String> {
    let mut seen = HashSet::new();
    at.iter().find(|id| !seen.insert(*id))
}

/// Activities, catching events, and gateways that wait for events.
fn waits(node: &Node) -> bool {
    match &node.kind {
        Kind::Event(event) => event.place == Place::Catch && node.link().is_none(),
        Kind::Gateway(gateway) => matches!(gateway, Gateway::Event { .. }),
        _ => !node.is_event_sub() && !node.is_for_compensation,
    }
}
