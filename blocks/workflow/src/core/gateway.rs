//! Splits and joins.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use super::{State, Token, run::Run, token::NO_WAY};
use crate::model::{FlowIx, Gateway, Id, Kind, NodeIx, Place, Source};

/// What conditions at a complex gateway may ask: true when it fires, false when it is reset.
const WAITING: &str = "waitingForStart";
/// Tokens that wait, by the flow that brought them: 13.4.5 adds them up as `x1 + x2 + … >= 3`.
const COUNTS: &str = "activationCounts";

impl Run<'_> {
    /// A token leaves a gateway.
    pub(super) fn split(&mut self, frame: u32, node: NodeIx) {
        let model = self.model;
        let item = &model[node];
        let is_exclusive = matches!(item.kind, Kind::Gateway(Gateway::Exclusive));
        let takes_all = matches!(item.kind, Kind::Gateway(Gateway::Parallel));
        let start = matches!(item.kind, Kind::Gateway(Gateway::Complex { .. }))
            .then(|| Map::from_iter([(WAITING.to_owned(), Value::from(true))]));
        let mut ways = Vec::new();
        for &flow in &item.outgoing {
            if Some(flow) == item.default && !takes_all {
                continue;
            }
            let condition = model[flow].condition.as_ref().filter(|_| !takes_all);
            let goes = condition.map_or(Ok(true), |condition| {
                self.asked(condition, frame, start.as_ref())
            });
            match goes {
                Ok(true) => ways.push(flow),
                Ok(false) => {}
                // Which way is right is not known: neither the next nor the default is taken.
                Err(reason) => return self.stop_at_gateway(frame, node, reason),
            }
            if is_exclusive && !ways.is_empty() {
                break;
            }
        }
        if ways.is_empty() {
            ways.extend(item.default);
        }
        if ways.is_empty() && !item.outgoing.is_empty() {
            return self.stop_at_gateway(frame, node, NO_WAY.to_owned());
        }
        self.left(&item.id, frame);
        for &way in &ways {
            self.send(frame, model[way].to, Some(way));
        }
        self.release(frame);
        if ways.is_empty() {
            self.after_last(frame, node);
        }
    }

    fn stop_at_gateway(&mut self, frame: u32, node: NodeIx, reason: String) {
        let token = self.rest(frame, node, State::Task);
        self.stop_silently(token, reason);
    }

    /// A token came to a joining gateway and rests there now.
    pub(super) fn arrived(&mut self, frame: u32, node: NodeIx, gateway: &Gateway) {
        match gateway {
            Gateway::Parallel => {
                let incoming = self.model[node].incoming.len();
                let first = self.at_join(frame, node);
                if first.len() >= incoming {
                    self.pass(frame, node, &first);
                }
            }
            Gateway::Complex {
                activation: Some(activation),
            } => self.arrived_complex(frame, node, activation),
            // Whether others can still come is known when all moves of the step are made.
            _ => {}
        }
    }

    /// A complex gateway fires when its condition holds. Then it takes one token more of each flow
    /// that gave none, and leaves others to the next round (BPMN 2.0.2, 13.4.5).
    fn arrived_complex(&mut self, frame: u32, node: NodeIx, activation: &Source) {
        let first = self.at_join(frame, node);
        if first.is_empty() {
            return;
        }
        if self.taken(frame).contains(&self.model[node].id) {
            return self.take_late(frame, node, &first);
        }
        let mut extra = Map::from_iter([(WAITING.to_owned(), Value::from(true))]);
        for name in ["activationCount", "activatedCount"] {
            extra.insert(name.to_owned(), Value::from(first.len()));
        }
        extra.insert(COUNTS.to_owned(), self.counts(frame, node));
        if self.holds_with(activation, frame, Some(&extra)) {
            let flows: Vec<Id> = first.iter().filter_map(|one| self.came_by(*one)).collect();
            if let Some(inner) = self.instance.frames.get_mut(&frame) {
                inner.holding.push(self.model[node].id.clone());
                inner.holding.extend(flows);
            }
            self.pass(frame, node, &first);
        }
    }

    /// How many tokens rest at a join, by the flow that brought them.
    fn counts(&mut self, frame: u32, node: NodeIx) -> Value {
        let model = self.model;
        let item = &model[node];
        let flows = item.incoming.iter().map(|&flow| &model[flow].id);
        let mut counts: BTreeMap<&Id, u32> = flows.map(|id| (id, 0)).collect();
        for token in self.joining(frame) {
            let held = self.instance.tokens.get(&token);
            if let Some((State::Join(via), at)) = held.map(|held| (&held.state, &held.at))
                && *at == item.id
                && let Some(count) = counts.get_mut(via)
            {
                *count += 1;
            }
        }
        let counts = counts.into_iter();
        Value::Object(
            counts
                .map(|(id, count)| (id.to_string(), count.into()))
                .collect(),
        )
    }

    /// What a frame remembers: of complex gateways that fired, them and the flows that gave a token.
    fn taken(&self, frame: u32) -> &[Id] {
        let inner = self.instance.frames.get(&frame);
        inner.map_or(&[], |inner| &inner.holding)
    }

    /// The flow by which a token came to the join where it rests.
    fn came_by(&self, token: u32) -> Option<Id> {
        match &self.instance.tokens.get(&token)?.state {
            State::Join(via) => Some(via.clone()),
            _ => None,
        }
    }

    /// Swallows late tokens, one of each flow; with the last of them the gateway waits anew.
    fn take_late(&mut self, frame: u32, node: NodeIx, first: &[u32]) {
        let model = self.model;
        for &token in first {
            let Some(via) = self.came_by(token) else {
                continue;
            };
            if self.taken(frame).contains(&via) {
                continue;
            }
            self.instance.tokens.remove(&token);
            if let Some(inner) = self.instance.frames.get_mut(&frame) {
                inner.holding.push(via);
            }
            let taken = self.taken(frame);
            let mut incoming = model[node].incoming.iter();
            if incoming.all(|&flow| taken.contains(&model[flow].id)) {
                self.reset(frame, node);
                return self.release(frame);
            }
            self.release(frame);
        }
    }

    /// The gateway waits anew. Flows that ask whether it does are asked again; a token that came
    /// too early counts now.
    fn reset(&mut self, frame: u32, node: NodeIx) {
        let model = self.model;
        let item = &model[node];
        if let Some(inner) = self.instance.frames.get_mut(&frame) {
            let is_of_this = |held: &Id| {
                let mut incoming = item.incoming.iter();
                *held == item.id || incoming.any(|&flow| model[flow].id == *held)
            };
            inner.holding.retain(|held| !is_of_this(held));
        }
        let extra = Map::from_iter([(WAITING.to_owned(), Value::from(false))]);
        for &flow in &item.outgoing {
            let asks = |condition: &&Source| condition.text.contains(WAITING);
            let condition = model[flow].condition.as_ref().filter(asks);
            if condition.is_some_and(|one| self.holds_with(one, frame, Some(&extra))) {
                self.send(frame, model[flow].to, Some(flow));
            }
        }
        if let Kind::Gateway(Gateway::Complex {
            activation: Some(activation),
        }) = &item.kind
        {
            self.arrived_complex(frame, node, activation);
        }
    }

    /// Tokens resting at a join: the first of each incoming flow.
    fn at_join(&mut self, frame: u32, node: NodeIx) -> Vec<u32> {
        let model = self.model;
        let id = &model[node].id;
        let mut flows: HashSet<&Id> = HashSet::new();
        let mut first = Vec::new();
        let waiting = self.joining(frame);
        for token in waiting {
            let Some(item) = self
                .instance
                .tokens
                .get(&token)
                .filter(|item| item.at == *id)
            else {
                continue;
            };
            if let State::Join(via) = &item.state
                && flows.insert(via)
            {
                first.push(token);
            }
        }
        first
    }

    /// The tokens become one, which goes on.
    fn pass(&mut self, frame: u32, node: NodeIx, tokens: &[u32]) {
        for token in tokens.iter().skip(1) {
            self.instance.tokens.remove(token);
            self.release(frame);
        }
        if let Some(last) = tokens.first() {
            self.instance.tokens.remove(last);
        }
        let model = self.model;
        self.entered(&model[node], frame);
        self.split(frame, node);
    }

    /// Lets inclusive joins pass for which no other token can come any more; true if one did.
    pub(super) fn joins(&mut self) -> bool {
        if !self.process.has_joins {
            return false;
        }
        let mut any = self.reset_complex();
        let scopes = self.scopes_with_joins();
        for but_joins in [false, true] {
            for (&frame, tokens) in &scopes {
                // One for each scope: where it passed, the others are looked at again.
                let passing = self
                    .joins_among(tokens)
                    .into_iter()
                    .find(|&join| !self.can_come(tokens, join, but_joins, &[]));
                if let Some(join) = passing {
                    self.pass_inclusive(frame, join);
                    any = true;
                }
            }
            if any {
                break;
            }
            // Joins that wait for one another would wait for ever: the first of them goes.
        }
        any
    }

    /// Tokens of every scope in which some wait at an inclusive join (or at a complex one without
    /// a condition of its own).
    fn scopes_with_joins(&self) -> BTreeMap<u32, Vec<u32>> {
        let mut scopes: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for token in self.instance.tokens.values() {
            if self.waits_inclusively(token).is_some() {
                scopes.entry(token.frame).or_default();
            }
        }
        if !scopes.is_empty() {
            for (id, token) in &self.instance.tokens {
                if let Some(tokens) = scopes.get_mut(&token.frame) {
                    tokens.push(*id);
                }
            }
        }
        scopes
    }

    fn waits_inclusively(&self, token: &Token) -> Option<NodeIx> {
        let State::Join(_) = token.state else {
            return None;
        };
        let node = self.node_of(token)?;
        let kind = &self.model[node].kind;
        let waits = matches!(
            kind,
            Kind::Gateway(Gateway::Inclusive | Gateway::Complex { activation: None })
        );
        waits.then_some(node)
    }

    /// The inclusive joins at which these tokens wait, each once, in the order of tokens.
    fn joins_among(&self, tokens: &[u32]) -> Vec<NodeIx> {
        let mut joins = Vec::new();
        for token in tokens
            .iter()
            .filter_map(|token| self.instance.tokens.get(token))
        {
            if let Some(node) = self
                .waits_inclusively(token)
                .filter(|node| !joins.contains(node))
            {
                joins.push(node);
            }
        }
        joins
    }

    /// A complex gateway that has fired waits anew when no late token can come any more; whether
    /// any did.
    fn reset_complex(&mut self) -> bool {
        let mut over = Vec::new();
        for (frame, inner) in &self.instance.frames {
            for id in &inner.holding {
                let node = self
                    .model
                    .lookup(id)
                    .filter(|&ix| matches!(self.model[ix].kind, Kind::Gateway(_)));
                if let Some(node) = node.filter(|&node| {
                    !self.can_come(&self.tokens_in(*frame), node, false, &inner.holding)
                }) {
                    over.push((*frame, node));
                }
            }
        }
        for &(frame, node) in &over {
            self.reset(frame, node);
        }
        !over.is_empty()
    }

    fn tokens_in(&self, frame: u32) -> Vec<u32> {
        self.instance
            .tokens
            .iter()
            .filter(|(_, token)| token.frame == frame)
            .map(|(id, _)| *id)
            .collect()
    }

    fn pass_inclusive(&mut self, frame: u32, node: NodeIx) {
        let first = self.at_join(frame, node);
        self.pass(frame, node, &first);
    }

    /// The standard's rule: a token elsewhere in the scope from which a path leads to a flow of
    /// the join that has no token yet, unless it also leads to one that has. Flows that are `taken`
    /// gave theirs.
    fn can_come(&self, tokens: &[u32], join: NodeIx, but_joins: bool, taken: &[Id]) -> bool {
        let model = self.model;
        let mut gave: HashSet<&Id> = taken.iter().collect();
        let mut others = HashSet::new();
        for token in tokens
            .iter()
            .filter_map(|token| self.instance.tokens.get(token))
        {
            let Some(node) = self.leaves_from(token) else {
                continue;
            };
            match &token.state {
                State::Join(via) if node == join => {
                    gave.insert(via);
                }
                State::Join(_) if but_joins => {}
                _ => {
                    others.insert(node);
                }
            }
        }
        if others.is_empty() {
            return false;
        }
        let incoming = model[join].incoming.iter().copied();
        let (filled, open) = incoming.partition(|&flow| gave.contains(&model[flow].id));
        let (to_filled, to_open) = (self.sources(filled, join), self.sources(open, join));
        let leads_there = |node: &NodeIx| to_open.contains(node) && !to_filled.contains(node);
        others.iter().any(leads_there)
    }

    /// Nodes from which a token may come by one of the flows, on paths that do not go through
    /// `join`. Each node is looked at once, however many tokens ask.
    fn sources(&self, flows: Vec<FlowIx>, join: NodeIx) -> HashSet<NodeIx> {
        let model = self.model;
        let mut seen = HashSet::new();
        let mut next: Vec<NodeIx> = flows.into_iter().map(|flow| model[flow].from).collect();
        while let Some(node) = next.pop() {
            if !seen.insert(node) || node == join {
                continue;
            }
            let item = &model[node];
            next.extend(item.incoming.iter().map(|&flow| model[flow].from));
            next.extend(item.event().and_then(|event| event.host));
            if item.place() == Some(Place::Catch) && item.link().is_some() {
                let others = model[item.scope].nodes.iter().copied();
                let throws = |&other: &NodeIx| {
                    model[other].place() == Some(Place::Throw)
                        && model.link_target(other) == Some(node)
                };
                next.extend(others.filter(throws));
            }
        }
        self.looked.set(self.looked.get() + seen.len());
        seen
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use chrono::DateTime;

    use super::*;
    use crate::core::{Input, Instance, Process};

    /// As many branches as are wished between two inclusive gateways.
    fn branches(count: usize) -> Process {
        let mut body = String::from(
            r#"<startEvent id="s"/><inclusiveGateway id="g"/><inclusiveGateway id="j"/><endEvent id="e"/>
            <sequenceFlow id="sg" sourceRef="s" targetRef="g"/><sequenceFlow id="je" sourceRef="j" targetRef="e"/>"#,
        );
        for at in 0..count {
            write!(
                body,
                r#"<userTask id="t{at}"/><sequenceFlow id="a{at}" sourceRef="g" targetRef="t{at}"/><sequenceFlow id="b{at}" sourceRef="t{at}" targetRef="j"/>"#
            )
            .unwrap();
        }
        let xml = format!(
            r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="t"><process id="p">{body}</process></definitions>"#
        );
        let model = crate::read::read(xml.as_bytes()).unwrap();
        Process::new(model.into(), None).unwrap()
    }

    /// Takes one step; how many nodes its joins looked at.
    fn looked(process: &Process, instance: &mut Instance, input: Input) -> usize {
        let taken = std::mem::replace(instance, process.instance());
        let mut run = Run::new(process, taken, DateTime::UNIX_EPOCH);
        run.take(input).unwrap();
        run.settle();
        let looked = run.looked.get();
        (*instance, _) = run.end();
        looked
    }

    /// The work of one step grows with the process, and not with its branches times its tokens.
    #[test]
    fn an_inclusive_join_looks_at_each_node_twice_at_the_most() {
        for count in [50, 400] {
            let process = branches(count);
            let mut instance = process.instance();
            let (at, vars) = (None, Map::new());
            looked(&process, &mut instance, Input::Start { at, vars });
            for left in (0..count).rev() {
                let token = instance.waiting().next().unwrap().0;
                let vars = Map::new();
                let looked = looked(&process, &mut instance, Input::Complete { token, vars });
                assert!(
                    looked <= 2 * process.model.nodes.len(),
                    "{looked} of {count}"
                );
                assert_eq!(instance.is_over(), left == 0);
            }
        }
    }
}
