//! Joins that would wait for ever: something waits there or comes there, and by one of their flows
//! nothing can come any more. Steps do not lead there by themselves, but what is put into a
//! process from outside may: an import, or a new version of the process.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{
    FrameKind, Instance, Process, State,
    run::{Run, Work},
};
use crate::model::{FlowIx, Gateway, Kind, NodeIx, Place};

/// A join that would wait for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Starved {
    pub frame: u32,
    pub join: NodeIx,
    /// Flows by which nothing has come and nothing can.
    pub missing: Vec<FlowIx>,
}

/// The joins of an instance that would wait for ever.
pub(crate) fn starved(process: &Process, instance: &Instance, now: DateTime<Utc>) -> Vec<Starved> {
    Run::new(process, instance.clone(), now).starved()
}

/// Lets something arrive by flows that lead to joins; [`super::Input::Resume`] then goes on there.
pub(crate) fn arrive(
    process: &Process,
    instance: Instance,
    flows: &[(u32, FlowIx)],
    now: DateTime<Utc>,
) -> Instance {
    let mut run = Run::new(process, instance, now);
    for &(frame, flow) in flows {
        run.supply(frame, process.model[flow].to, flow);
    }
    run.end().0
}

/// What is under way in one scope.
#[derive(Default)]
struct Marking {
    /// Nodes from which tokens will go on.
    at: BTreeSet<NodeIx>,
    /// Flows by which tokens have come to joins, each as often as it happened.
    arrived: BTreeMap<NodeIx, Vec<FlowIx>>,
}

impl Run<'_> {
    pub(super) fn starved(&self) -> Vec<Starved> {
        let mut found = Vec::new();
        for (frame, marking) in self.markings() {
            let Some(scope) = self.scope_of(frame) else {
                continue;
            };
            let joins = self.model[scope].nodes.iter().copied();
            for join in joins.filter(|&node| self.model[node].incoming.len() > 1) {
                let missing = self.in_vain(frame, join, &marking);
                if !missing.is_empty() {
                    found.push(Starved {
                        frame,
                        join,
                        missing,
                    });
                }
            }
        }
        found
    }

    /// Looks again at every join at which something waits.
    pub(super) fn resume(&mut self) {
        let tokens = self.instance.tokens.values();
        let waiting = tokens.filter(|token| matches!(token.state, State::Join(_)));
        let joins = waiting.filter_map(|token| Some((token.frame, self.node_of(token)?)));
        for (frame, node) in joins.collect::<BTreeSet<_>>() {
            if let Kind::Gateway(gateway) = &self.model[node].kind {
                self.arrived(frame, node, gateway);
            }
        }
    }

    /// What rests in each frame, and what is on its way there.
    fn markings(&self) -> BTreeMap<u32, Marking> {
        let mut markings: BTreeMap<u32, Marking> = BTreeMap::new();
        // One of several instances leaves by no flow; the activity as a whole does.
        let goes_on = |frame: &u32| {
            let inner = self.instance.frames.get(frame);
            inner.is_some_and(|inner| inner.kind != FrameKind::Iteration)
        };
        let tokens = self.instance.tokens.values();
        for token in tokens.filter(|token| goes_on(&token.frame)) {
            let Some(node) = self.node_of(token) else {
                continue;
            };
            let marking = markings.entry(token.frame).or_default();
            match (&token.state, &self.model[node].kind) {
                (State::Join(via), Kind::Gateway(_)) => {
                    let arrived = marking.arrived.entry(node).or_default();
                    arrived.extend(self.model.flow(via));
                }
                _ => marking.at.extend(self.leaves_from(token)),
            }
        }
        for (frame, inner) in self.instance.frames.iter().filter(|(id, _)| goes_on(id)) {
            let queued = inner.queue.iter().filter_map(|id| self.model.lookup(id));
            markings.entry(*frame).or_default().at.extend(queued);
        }
        for work in &self.work {
            let Work::Enter { frame, node, via } = work else {
                continue;
            };
            let marking = markings.entry(*frame).or_default();
            match via.filter(|_| matches!(self.model[*node].kind, Kind::Gateway(_))) {
                Some(via) => marking.arrived.entry(*node).or_default().push(via),
                None => marking.at.extend([*node]),
            }
        }
        markings
    }

    /// Flows of a join for which it would wait in vain; none when it does not wait for all of them,
    /// or nothing comes to it.
    fn in_vain(&self, frame: u32, join: NodeIx, marking: &Marking) -> Vec<FlowIx> {
        let Kind::Gateway(gateway) = &self.model[join].kind else {
            return Vec::new();
        };
        let arrived = marking.arrived.get(&join);
        let arrived = arrived.map_or(&[][..], Vec::as_slice);
        let coming = self.coming(join, marking);
        let incoming = &self.model[join].incoming;
        if arrived.is_empty() && !incoming.iter().any(|flow| coming.contains(flow)) {
            return Vec::new();
        }
        let waits_for_all = match gateway {
            Gateway::Parallel => true,
            Gateway::Complex {
                activation: Some(activation),
            } => {
                let is_coming = |flow: &&FlowIx| coming.contains(*flow);
                let most = arrived.len() + incoming.iter().filter(is_coming).count();
                let fires = |count: usize| {
                    let count = Value::from(count);
                    let names = ["activationCount", "activatedCount"];
                    let known = names.map(|name| (name.to_owned(), count.clone()));
                    let known: Map<String, Value> = known.into_iter().collect();
                    self.holds_with(activation, frame, Some(&known))
                };
                // What the condition says of variables is not for us to judge: they may change.
                !self.has_fired(frame, join) && !fires(most) && fires(incoming.len())
            }
            _ => false,
        };
        let is_missing = |flow: &&FlowIx| !arrived.contains(flow) && !coming.contains(*flow);
        let missing = incoming.iter().filter(|_| waits_for_all);
        missing.filter(is_missing).copied().collect()
    }

    fn has_fired(&self, frame: u32, join: NodeIx) -> bool {
        let inner = self.instance.frames.get(&frame);
        inner.is_some_and(|inner| inner.holding.contains(&self.model[join].id))
    }

    /// Flows that may yet be taken before the join goes on.
    fn coming(&self, join: NodeIx, marking: &Marking) -> HashSet<FlowIx> {
        let elsewhere = marking.arrived.keys().filter(|&&node| node != join);
        let mut next: Vec<NodeIx> = marking.at.iter().chain(elsewhere).copied().collect();
        let mut seen = HashSet::new();
        let mut flows = HashSet::new();
        while let Some(node) = next.pop() {
            if !seen.insert(node) {
                continue;
            }
            let item = &self.model[node];
            next.extend(&item.boundary);
            if item.place() == Some(Place::Throw) {
                next.extend(self.model.link_target(node));
            }
            for &flow in &item.outgoing {
                flows.insert(flow);
                next.extend(Some(self.model[flow].to).filter(|&to| to != join));
            }
        }
        flows
    }
}
