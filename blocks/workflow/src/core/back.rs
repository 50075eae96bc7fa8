//! Going back: a token returns to an earlier step, is withdrawn from the next, or ends by a refusal.
//!
//! One rule keeps joins right. A path is *forward* if it does not close a circle (seen from the
//! scope's beginning). A step may be returned to if it leads forward to where the token stands.
//! What lies on the forward paths between both happens again: tokens there are taken away, and a
//! parallel join on the way gets back the tokens that it had from branches which do not happen
//! again, because their work stands.

use std::collections::{BTreeSet, HashMap, HashSet, hash_map::Entry};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    FrameKind, Instance, Process, Rejection, State, Status,
    run::{Run, Work},
};
use crate::model::{FlowIx, Gateway, Id, Kind, Model, NodeIx, Place, ScopeIx};

/// How it goes on from the step returned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Through all steps again.
    Again,
    /// Straight back to the step that returned.
    Back,
}

/// What the completion of a task led to, to be able to take it back: tokens numbered from `from`
/// and before `until` came of it, and `count` of them rested when the step was over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Followed {
    pub frame: u32,
    pub from: u32,
    pub until: u32,
    pub count: usize,
    /// Where the completed token would have jumped back to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub back: Vec<Id>,
}

impl Instance {
    /// The number that the next token or frame gets.
    pub fn next_number(&self) -> u32 {
        self.next
    }

    /// Tokens that came of a step and still stand where the step left them.
    pub fn followers(&self, followed: &Followed) -> impl Iterator<Item = u32> {
        let range = followed.from..followed.until;
        self.tokens
            .keys()
            .copied()
            .filter(move |token| range.contains(token))
    }
}

/// Steps to which the token may return: its own scope first, then those around it.
pub fn earlier(process: &Process, instance: &Instance, token: u32) -> Vec<Id> {
    let run = Run::new(process, instance.clone(), chrono::DateTime::UNIX_EPOCH);
    let mut found = Vec::new();
    let mut place = run.place_of(token);
    while let Some((token, frame)) = place {
        if let Some((node, scope)) = run.stands(token, frame) {
            let forward = Forward::of(run.model, scope);
            let is_activity = |ix: &NodeIx| {
                let kind = &run.model[*ix].kind;
                matches!(kind, Kind::Task(_) | Kind::Sub(_) | Kind::Call { .. })
            };
            let leads = |ix: &NodeIx| *ix != node && forward.leads(*ix, node);
            let inside = &run.model[scope].nodes;
            let ids = inside
                .iter()
                .filter(|ix| is_activity(ix) && leads(ix))
                .map(|ix| run.model[*ix].id.clone());
            found.extend(ids);
        }
        place = run.around(frame);
    }
    found
}

impl Run<'_> {
    /// The token, or the activity as a whole if the token is one of its iterations.
    fn place_of(&self, token: u32) -> Option<(u32, u32)> {
        let held = self.instance.tokens.get(&token)?;
        let (mut token, mut frame) = (token, held.frame);
        while let Some(inner) = self.instance.frames.get(&frame)
            && inner.kind == FrameKind::Iteration
        {
            (token, frame) = (inner.owner?, inner.parent?);
        }
        Some((token, frame))
    }

    /// The token in whose activity the frame runs; none at the top and in an event sub-process,
    /// which begins by an event and not by a flow.
    fn around(&self, frame: u32) -> Option<(u32, u32)> {
        let owner = self.instance.frames.get(&frame)?.owner?;
        self.place_of(owner)
    }

    fn stands(&self, token: u32, frame: u32) -> Option<(NodeIx, ScopeIx)> {
        let held = self.instance.tokens.get(&token)?;
        Some((self.node_of(held)?, self.scope_of(frame)?))
    }

    /// A task's token goes back to an earlier step of its scope or of one around it; scopes in
    /// between end.
    pub(super) fn return_to(
        &mut self,
        token: u32,
        to: &str,
        mode: Mode,
        vars: Map<String, Value>,
    ) -> Result<(), Rejection> {
        self.waiting_task(token)?;
        let Some(target) = self.model.lookup(to) else {
            return Err(Rejection::NoSuchPlace(to.to_owned()));
        };
        let mut place = self.place_of(token);
        while let Some((token, frame)) = place {
            match self.stands(token, frame) {
                Some((node, scope)) if scope == self.model[target].scope => {
                    self.merge(frame, vars);
                    return self.go_back(token, frame, node, target, mode);
                }
                _ => place = self.around(frame),
            }
        }
        Err(Rejection::PlaceEnded(to.to_owned()))
    }

    fn go_back(
        &mut self,
        token: u32,
        frame: u32,
        node: NodeIx,
        target: NodeIx,
        mode: Mode,
    ) -> Result<(), Rejection> {
        let model = self.model;
        let forward = Forward::of(model, model[target].scope);
        let held = self.instance.tokens.get(&token);
        let mut back = held.map(|held| held.back.clone()).unwrap_or_default();
        // Who returned here waits further on: through all steps again means up to there.
        let last = back.first().and_then(|id| model.lookup(id)).unwrap_or(node);
        if target == node || !forward.leads(target, node) && !forward.leads(target, last) {
            return Err(Rejection::NotBefore(model[target].id.to_string()));
        }
        if let Some(held) = self.remove(token) {
            self.left(&held.at, frame);
        }
        match mode {
            Mode::Again => {
                back.clear();
                self.clear_way(frame, &forward, target, &[last]);
            }
            Mode::Back => back.push(model[node].id.clone()),
        }
        self.jump(frame, target, back);
        Ok(())
    }

    /// A token that is counted already goes to a node and remembers where to jump from there.
    pub(super) fn jump(&mut self, frame: u32, node: NodeIx, back: Vec<Id>) {
        self.work.push_back(Work::Jump { frame, node, back });
    }

    /// What the target leads to again is taken away, as far as `ends`; joins passed on the way
    /// get back what they had from branches that do not happen again.
    fn clear_way(&mut self, frame: u32, forward: &Forward<'_>, target: NodeIx, ends: &[NodeIx]) {
        let way = forward.reach(target, ends);
        let inside: Vec<u32> = self
            .instance
            .tokens
            .iter()
            .filter(|(_, held)| held.frame == frame)
            .filter(|(_, held)| match (&held.state, self.leaves_from(held)) {
                (State::Join(via), _) => way.flows.iter().any(|&flow| self.model[flow].id == *via),
                (_, Some(node)) => way.nodes.contains(&node),
                _ => false,
            })
            .map(|(id, _)| *id)
            .collect();
        for token in inside {
            self.cancel(token);
            self.release(frame);
        }
        for (join, flow) in self.missing(frame, forward, &way, ends) {
            self.supply(frame, join, flow);
        }
    }

    /// Incoming flows of passed joins on which no token will come by itself.
    fn missing(
        &self,
        frame: u32,
        forward: &Forward<'_>,
        way: &Way,
        ends: &[NodeIx],
    ) -> Vec<(NodeIx, FlowIx)> {
        let model = self.model;
        let others: Vec<_> = self
            .instance
            .tokens
            .values()
            .filter(|held| held.frame == frame)
            .collect();
        let has = |flow: FlowIx| {
            others.iter().any(|held| match &held.state {
                State::Join(via) => *via == model[flow].id,
                _ => self
                    .leaves_from(held)
                    .is_some_and(|node| forward.reach(node, &[]).flows.contains(&flow)),
            })
        };
        let mut missing = Vec::new();
        for &join in &way.nodes {
            let item = &model[join];
            let waits_for_all = matches!(
                item.kind,
                Kind::Gateway(Gateway::Parallel | Gateway::Complex { .. })
            );
            let was_passed = ends
                .iter()
                .any(|end| *end != join && forward.leads(join, *end));
            if !waits_for_all || item.incoming.len() < 2 || !was_passed {
                continue;
            }
            let absent = item
                .incoming
                .iter()
                .filter(|flow| !way.flows.contains(flow) && !has(**flow));
            missing.extend(absent.map(|flow| (join, *flow)));
        }
        missing
    }

    pub(super) fn supply(&mut self, frame: u32, join: NodeIx, flow: FlowIx) {
        self.add_live(frame);
        self.rest(frame, join, State::Join(self.model[flow].id.clone()));
    }

    /// A completion is taken back: what followed from it goes, and its step begins again.
    pub(super) fn withdraw(&mut self, to: &str, followed: &Followed) -> Result<(), Rejection> {
        let no_place = || Rejection::NoSuchPlace(to.to_owned());
        let target = self.model.lookup(to).ok_or_else(no_place)?;
        let frame = followed.frame;
        let scope = self.scope_of(frame);
        let kind = self.instance.frames.get(&frame).map(|inner| inner.kind);
        if scope != Some(self.model[target].scope) || kind == Some(FrameKind::Iteration) {
            return Err(Rejection::PlaceEnded(to.to_owned()));
        }
        let tokens: Vec<u32> = self.instance.followers(followed).collect();
        if tokens.len() != followed.count {
            return Err(Rejection::MovedOn(to.to_owned()));
        }
        let own: Vec<u32> = tokens
            .into_iter()
            .filter(|token| {
                let held = self.instance.tokens.get(token);
                held.is_some_and(|held| held.frame == frame)
            })
            .collect();
        let mut ends: Vec<NodeIx> = own
            .iter()
            .filter_map(|token| self.node_of(self.instance.tokens.get(token)?))
            .collect();
        ends.extend(followed.back.last().and_then(|id| self.model.lookup(id)));
        self.add_live(frame);
        for token in own {
            self.cancel(token);
            self.release(frame);
        }
        if followed.back.is_empty() {
            let forward = Forward::of(self.model, self.model[target].scope);
            let way = forward.reach(target, &ends);
            for (join, flow) in self.missing(frame, &forward, &way, &ends) {
                self.supply(frame, join, flow);
            }
        }
        self.jump(frame, target, followed.back.clone());
        Ok(())
    }

    /// A task is refused for good: the scope of the named end event ends by it, or without one
    /// the whole instance.
    pub(super) fn reject(
        &mut self,
        token: u32,
        to: Option<&str>,
        reason: String,
        vars: Map<String, Value>,
    ) -> Result<(), Rejection> {
        let (inner, _) = self.waiting_task(token)?;
        let Some(to) = to else {
            self.merge(inner, vars);
            self.finish(Status::Cancelled, Some(reason));
            return Ok(());
        };
        let no_place = || Rejection::NoSuchPlace(to.to_owned());
        let end = self.model.lookup(to).ok_or_else(no_place)?;
        if self.model[end].place() != Some(Place::End) {
            return Err(no_place());
        }
        let mut next = Some(inner);
        while let Some(frame) = next {
            let held = self.instance.frames.get(&frame);
            let is_iteration = held.is_some_and(|held| held.kind == FrameKind::Iteration);
            if !is_iteration && self.scope_of(frame) == Some(self.model[end].scope) {
                self.merge(frame, vars);
                self.empty(frame, None);
                self.send(frame, end, None);
                return Ok(());
            }
            next = held.and_then(|held| held.parent);
        }
        Err(Rejection::PlaceEnded(to.to_owned()))
    }
}

/// What can be reached.
struct Way {
    nodes: BTreeSet<NodeIx>,
    flows: HashSet<FlowIx>,
}

/// The paths of a scope without those that close a circle.
struct Forward<'m> {
    model: &'m Model,
    next: HashMap<NodeIx, Vec<(Option<FlowIx>, NodeIx)>>,
}

impl<'m> Forward<'m> {
    fn of(model: &'m Model, scope: ScopeIx) -> Self {
        let mut forward = Self {
            model,
            next: HashMap::new(),
        };
        let nodes = &model[scope].nodes;
        let begins = |ix: &&NodeIx| {
            let node = &model[**ix];
            node.is_start() || node.incoming.is_empty() && !node.is_boundary()
        };
        for &node in nodes.iter().filter(begins).chain(nodes) {
            forward.walk(node);
        }
        forward
    }

    /// Depth first; a step to a node that is still open closes a circle and is left out.
    fn walk(&mut self, from: NodeIx) {
        if self.next.contains_key(&from) {
            return;
        }
        let mut open = HashSet::from([from]);
        let mut stack = vec![(from, steps(self.model, from).into_iter())];
        self.next.insert(from, Vec::new());
        while let Some((node, rest)) = stack.last_mut() {
            let node = *node;
            let Some((flow, to)) = rest.next() else {
                open.remove(&node);
                stack.pop();
                continue;
            };
            if open.contains(&to) {
                continue;
            }
            self.next.entry(node).or_default().push((flow, to));
            if let Entry::Vacant(place) = self.next.entry(to) {
                place.insert(Vec::new());
                open.insert(to);
                stack.push((to, steps(self.model, to).into_iter()));
            }
        }
    }

    /// Nodes and flows on forward paths from a node, not beyond `ends`.
    fn reach(&self, from: NodeIx, ends: &[NodeIx]) -> Way {
        let mut way = Way {
            nodes: BTreeSet::from([from]),
            flows: HashSet::new(),
        };
        let mut next = vec![from];
        while let Some(node) = next.pop() {
            if node != from && ends.contains(&node) {
                continue;
            }
            for (flow, to) in self.next.get(&node).into_iter().flatten() {
                way.flows.extend(*flow);
                if way.nodes.insert(*to) {
                    next.push(*to);
                }
            }
        }
        way
    }

    fn leads(&self, from: NodeIx, to: NodeIx) -> bool {
        self.reach(from, &[]).nodes.contains(&to)
    }
}

fn steps(model: &Model, node: NodeIx) -> Vec<(Option<FlowIx>, NodeIx)> {
    let item = &model[node];
    let mut steps: Vec<_> = item
        .outgoing
        .iter()
        .map(|&flow| (Some(flow), model[flow].to))
        .collect();
    steps.extend(item.boundary.iter().map(|&event| (None, event)));
    if item.place() == Some(Place::Throw) {
        steps.extend(model.link_target(node).map(|to| (None, to)));
    }
    steps
}
