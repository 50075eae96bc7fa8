//! Rules of flows, gateways, activities and scopes.

use std::collections::HashSet;

use super::{Check, Severity};
use crate::{
    expr::is_expression,
    model::{Definition, Gateway, Kind, Node, NodeIx, Place, Repeat, ScopeIx, Source, Sub, Task},
};

impl Check<'_> {
    pub(super) fn scopes(&mut self) {
        let model = self.model;
        for (at, scope) in model.scopes.iter().enumerate() {
            let is_ad_hoc = scope
                .owner
                .is_some_and(|owner| matches!(model[owner].kind, Kind::Sub(Sub::AdHoc { .. })));
            let has_activity = scope.nodes.iter().any(|&ix| model[ix].is_activity());
            if let Some(owner) = scope.owner.filter(|_| is_ad_hoc && !has_activity) {
                self.error(
                    "ad-hoc-empty",
                    &model[owner],
                    "the ad-hoc sub-process has no activity",
                    "draw its activities",
                );
            }
            if scope.nodes.is_empty() {
                if scope.owner.is_none() {
                    let id = model
                        .processes
                        .get(scope.process)
                        .map(|head| head.id.to_string())
                        .unwrap_or_default();
                    self.push(
                        Severity::Warning,
                        "empty-process",
                        &id,
                        scope.line,
                        "the process is empty",
                        "draw its steps",
                    );
                }
                continue;
            }
            if is_ad_hoc {
                self.ad_hoc(ScopeIx(at));
            } else {
                self.reachable(ScopeIx(at));
                self.begins_and_ends(ScopeIx(at));
            }
        }
    }

    /// Start and end events come together, and then every path leads to an end event.
    fn begins_and_ends(&mut self, scope: ScopeIx) {
        let model = self.model;
        let nodes = &model[scope].nodes;
        let first =
            |wanted: fn(&Node) -> bool| nodes.iter().copied().find(|&ix| wanted(&model[ix]));
        let (start, end) = (first(Node::is_start), first(Node::is_end));
        let instantiates = nodes.iter().any(|&ix| model[ix].instantiates());
        if let (None, Some(end)) = (start, end.filter(|_| !instantiates)) {
            let text = "there is an end event but no start event";
            self.if_executable(
                "end-without-start",
                &model[end],
                end,
                text,
                "draw where it begins",
            );
        }
        let Some(_) = end else {
            if let Some(start) = start {
                let text = "there is a start event but no end event";
                self.if_executable(
                    "start-without-end",
                    &model[start],
                    start,
                    text,
                    "draw where it ends",
                );
            }
            return;
        };
        for &ix in nodes {
            let node = &model[ix];
            let is_apart = node.is_for_compensation || node.is_event_sub();
            if node.outgoing.is_empty()
                && !is_apart
                && (node.is_activity() || matches!(node.kind, Kind::Gateway(_)))
            {
                let text = "nothing follows it, though there are end events";
                self.if_executable(
                    "path-without-end",
                    node,
                    ix,
                    text,
                    "connect it to an end event",
                );
            }
        }
    }

    fn ad_hoc(&mut self, scope: ScopeIx) {
        let model = self.model;
        for &ix in &model[scope].nodes {
            if matches!(model[ix].place(), Some(Place::Start { .. } | Place::End)) {
                self.error(
                    "ad-hoc-events",
                    &model[ix],
                    "an ad-hoc sub-process has neither start nor end events",
                    "remove the event; its activities begin by themselves",
                );
            }
        }
    }

    /// Everything must be reachable from a start, and something must end.
    fn reachable(&mut self, scope: ScopeIx) {
        let model = self.model;
        let nodes = &model[scope].nodes;
        let has_start = nodes.iter().any(|&ix| model[ix].is_start());
        let begins = |ix: NodeIx| {
            let node = &model[ix];
            match &node.kind {
                _ if node.is_event_sub() || node.is_for_compensation || node.is_boundary() => true,
                Kind::Task(Task::Receive {
                    instantiate: true, ..
                })
                | Kind::Gateway(Gateway::Event {
                    instantiate: true, ..
                }) => true,
                _ if node.is_start() => true,
                Kind::Event(event) if event.is_catch() && node.link().is_some() => true,
                _ => !has_start && node.incoming.is_empty(),
            }
        };
        let mut seen: HashSet<NodeIx> = HashSet::new();
        let mut next: Vec<NodeIx> = nodes.iter().copied().filter(|&ix| begins(ix)).collect();
        while let Some(ix) = next.pop() {
            if seen.insert(ix) {
                next.extend(model[ix].outgoing.iter().map(|&flow| model[flow].to));
            }
        }
        for &ix in nodes.iter().filter(|ix| !seen.contains(ix)) {
            let node = &model[ix];
            let (rule, text) = match (node.is_end(), node.incoming.is_empty()) {
                (true, _) => (
                    "unreachable-end",
                    "nothing leads from a start event to this end event",
                ),
                (false, true) => (
                    "unreachable",
                    "no flow leads here, though the process has a start event",
                ),
                (false, false) => ("unreachable", "nothing leads here from a start event"),
            };
            self.error(rule, node, text, "connect it, or delete it");
        }
        let may_end = |ix: &NodeIx| model[*ix].outgoing.is_empty() && !model[*ix].is_event_sub();
        if !nodes.iter().any(may_end)
            && let Some(&first) = nodes.first()
        {
            self.error(
                "no-end",
                &model[first],
                "the flow runs in a circle and never ends",
                "add an end event",
            );
        }
    }

    pub(super) fn node(&mut self, ix: NodeIx) {
        let model = self.model;
        let node = &model[ix];
        if let Some(default) = &node.bad_default {
            let text = format!("the default `{default}` is no flow that leaves this element");
            self.error(
                "default-not-outgoing",
                node,
                &text,
                "choose one of its outgoing flows",
            );
        }
        match &node.kind {
            Kind::Event(event) => self.event(ix, node, event),
            Kind::Gateway(gateway) => self.gateway(ix, node, gateway),
            _ => self.activity(ix, node),
        }
    }

    fn gateway(&mut self, ix: NodeIx, node: &Node, gateway: &Gateway) {
        if node.outgoing.is_empty() && node.incoming.is_empty() {
            self.error(
                "gateway-unconnected",
                node,
                "the gateway has no flows",
                "connect it, or delete it",
            );
        }
        self.direction(ix, node);
        match gateway {
            Gateway::Parallel => self.no_conditions(
                node,
                "a parallel gateway takes every flow; a condition has no effect",
            ),
            Gateway::Event {
                instantiate,
                is_parallel,
            } => self.event_gateway(ix, node, *instantiate, *is_parallel),
            Gateway::Exclusive | Gateway::Inclusive => {
                if node.outgoing.len() > 1 {
                    self.branches(ix, node);
                }
            }
            Gateway::Complex { activation } => {
                if let Some(activation) = activation {
                    self.not_understood("expression-syntax", ix, &node.id, activation);
                }
            }
        }
        if node.incoming.len() > 1 && node.outgoing.len() > 1 {
            let text = "the gateway joins and splits at once";
            self.push(
                Severity::Warning,
                "gateway-mixed",
                &node.id,
                node.line,
                text,
                "draw a joining and a splitting gateway",
            );
        }
        if node.default.is_some() && matches!(gateway, Gateway::Parallel | Gateway::Event { .. }) {
            self.error(
                "default-not-allowed",
                node,
                "this kind of gateway has no default flow",
                "remove the default",
            );
        }
        self.not_to_itself(ix, node);
    }

    fn not_to_itself(&mut self, ix: NodeIx, node: &Node) {
        let model = self.model;
        for _ in node.outgoing.iter().filter(|&&flow| model[flow].to == ix) {
            self.error(
                "flow-to-itself",
                node,
                "a flow leads from the gateway to itself",
                "remove the flow",
            );
        }
    }

    /// A gateway splits or joins, and does what its direction says.
    fn direction(&mut self, ix: NodeIx, node: &Node) {
        let (ins, outs) = (node.incoming.len(), node.outgoing.len());
        let direction = node.direction.as_deref().unwrap_or_default();
        let contradicts = match direction {
            "Diverging" => ins > 1,
            "Converging" => outs > 1,
            "Mixed" => ins < 2 || outs < 2,
            _ => false,
        };
        let falls_short = matches!(
            (direction, ins, outs),
            ("Diverging", _, 0..=1) | ("Converging", 0..=1, _)
        );
        let text = format!("its direction is {direction}, but {ins} flows come and {outs} go");
        let remedy = "correct the flows or the direction";
        if contradicts {
            self.error("gateway-direction", node, &text, remedy);
        } else if falls_short {
            self.if_executable("gateway-direction", node, ix, &text, remedy);
        } else if ins <= 1 && outs <= 1 && !node.instantiates() {
            let text = "the gateway neither splits nor joins";
            let remedy = "remove it, or add the missing flows";
            self.push(
                Severity::Warning,
                "gateway-superfluous",
                &node.id,
                node.line,
                text,
                remedy,
            );
        }
    }

    /// Every branch of a choice but the default has its condition.
    fn branches(&mut self, ix: NodeIx, node: &Node) {
        let model = self.model;
        let bare: Vec<_> = node
            .outgoing
            .iter()
            .filter(|&&flow| Some(flow) != node.default && model[flow].condition.is_none())
            .collect();
        for flow in bare {
            let text = format!(
                "the flow `{}` has no condition and is not the default",
                model[*flow].id
            );
            self.if_executable(
                "branch-without-condition",
                node,
                ix,
                &text,
                "give it a condition, or make it the default",
            );
        }
        if node.default.is_none()
            && node
                .outgoing
                .iter()
                .all(|&flow| model[flow].condition.is_some())
        {
            let text = "when no condition is true the process stops here";
            self.push(
                Severity::Warning,
                "no-default",
                &node.id,
                node.line,
                text,
                "mark one flow as the default",
            );
        }
    }

    fn no_conditions(&mut self, node: &Node, text: &str) {
        for &flow in &node.outgoing {
            if self.model[flow].condition.is_some() {
                let flow = &self.model[flow];
                self.push(
                    Severity::Error,
                    "condition-not-allowed",
                    &flow.id,
                    flow.line,
                    text,
                    "remove the condition, or use an inclusive gateway",
                );
            }
        }
    }

    fn event_gateway(&mut self, ix: NodeIx, node: &Node, instantiate: bool, is_parallel: bool) {
        self.no_conditions(
            node,
            "the flows of an event-based gateway have no conditions",
        );
        if node.outgoing.len() < 2 {
            self.error(
                "event-gateway-targets",
                node,
                "an event-based gateway needs two events at least",
                "add events",
            );
        }
        if instantiate && !node.incoming.is_empty() {
            self.error(
                "instantiate-with-incoming",
                node,
                "a gateway that begins a process has no incoming flow",
                "remove the flow",
            );
        }
        if is_parallel && !instantiate {
            self.error(
                "event-gateway-parallel",
                node,
                "only a gateway that begins a process waits for all events",
                "make it exclusive",
            );
        }
        self.event_gateway_targets(ix, node, instantiate);
    }

    /// What an event-based gateway leads to waits for something, and for nobody else.
    fn event_gateway_targets(&mut self, ix: NodeIx, node: &Node, instantiate: bool) {
        let model = self.model;
        let (mut receives, mut messages) = (false, false);
        for &flow in &node.outgoing {
            let target = &model[model[flow].to];
            receives |= matches!(target.kind, Kind::Task(Task::Receive { .. }));
            messages |= target.event().is_some_and(|event| {
                let is_message = |d: &Definition| matches!(d, Definition::Message { .. });
                event.is_catch() && event.definitions.iter().any(is_message)
            });
            if !waits_after_gateway(target) {
                let text = format!(
                    "it leads to `{}`, which is no message, timer, signal or conditional event and no receive task",
                    target.id
                );
                self.error(
                    "event-gateway-targets",
                    node,
                    &text,
                    "let it lead to events only",
                );
            }
            if instantiate && target.definitions().iter().any(is_looked_for) {
                let text = format!(
                    "`{}` waits for a time or a condition, which begins no process: there is no instance yet for which it could be set",
                    target.id
                );
                let remedy = "let messages or signals begin it; a time begins it by a start event";
                self.if_executable("event-gateway-begins", node, ix, &text, remedy);
            }
            if target.incoming.len() > 1 {
                let text = format!("`{}` can be reached on another way too", target.id);
                self.error(
                    "event-gateway-target-shared",
                    node,
                    &text,
                    "give the event to this gateway alone",
                );
            }
        }
        if receives && messages {
            self.error(
                "event-gateway-mixed",
                node,
                "receive tasks and message events are mixed",
                "use one kind",
            );
        }
    }

    fn activity(&mut self, ix: NodeIx, node: &Node) {
        if let Some(repeat) = &node.repeat {
            self.repeat(ix, node, repeat);
        }
        let data = node.data_in.iter().chain(&node.data_out);
        for mapping in node.inputs.iter().chain(&node.outputs).chain(data) {
            self.not_understood("expression-syntax", ix, &node.id, &mapping.source);
        }
        if node.is_for_compensation {
            self.compensation_handler(ix, node);
        }
        match &node.kind {
            Kind::Sub(Sub::Event) => self.event_sub(node),
            Kind::Sub(sub) => self.sub(ix, node, sub),
            Kind::Task(Task::Receive {
                instantiate: true, ..
            }) if !node.incoming.is_empty() => {
                self.error(
                    "instantiate-with-incoming",
                    node,
                    "a task that begins a process has no incoming flow",
                    "remove the flow",
                );
            }
            Kind::Task(Task::Script {
                value: Some(value), ..
            }) => {
                self.not_understood("expression-syntax", ix, &node.id, value);
            }
            Kind::Call {
                called: Some(called),
            } => self.called(ix, node, called),
            Kind::Call { called: None } => {
                self.if_executable(
                    "call-without-process",
                    node,
                    ix,
                    "it calls no process",
                    "name the process to call",
                );
            }
            _ => {}
        }
        self.leaving(ix, node);
    }

    /// Conditions of the flows by which an activity is left.
    fn leaving(&mut self, ix: NodeIx, node: &Node) {
        if let [only] = node.outgoing.as_slice()
            && self.model[*only].condition.is_some()
        {
            let text = "its only outgoing flow has a condition, so the process may stop here";
            self.if_executable(
                "conditional-flow-alone",
                node,
                ix,
                text,
                "add another flow, or remove the condition",
            );
        }
        let conditional = node
            .outgoing
            .iter()
            .any(|&flow| self.model[flow].condition.is_some());
        if node.default.is_some() && !conditional {
            let text = "it has a default flow but no conditional one";
            self.push(
                Severity::Warning,
                "default-without-condition",
                &node.id,
                node.line,
                text,
                "remove the default",
            );
        }
    }

    /// A called process is known by name, and begins at a start event without a trigger.
    fn called(&mut self, ix: NodeIx, node: &Node, called: &str) {
        let model = self.model;
        if is_expression(called) {
            let text = format!("`{called}` names no process, which is looked up beforehand");
            let remedy = "name the process; a gateway may choose among several calls";
            let (head, rule) = (model.process_of(ix), "call-without-process");
            return self.unless_drawn(head, rule, &node.id, node.line, &text, remedy);
        }
        let Some(head) = model.process(called) else {
            return;
        };
        let starts = model[head.root]
            .nodes
            .iter()
            .filter(|&&ix| model[ix].is_start());
        let mut starts = starts.peekable();
        if starts.peek().is_some() && starts.all(|&ix| !model[ix].definitions().is_empty()) {
            let text = format!("every start event of `{called}` waits for a trigger");
            self.if_executable(
                "called-without-start",
                node,
                ix,
                &text,
                "add a start event without trigger",
            );
        }
    }

    fn repeat(&mut self, ix: NodeIx, node: &Node, repeat: &Repeat) {
        let mut sources: Vec<&Source> = Vec::new();
        match repeat {
            Repeat::Standard {
                maximum, condition, ..
            } => sources.extend([maximum, condition].into_iter().flatten()),
            Repeat::Multi(multi) => {
                if multi.cardinality.is_none() && multi.collection.is_none() {
                    let text = "neither a number of instances nor a collection is given";
                    self.if_executable("multi-without-number", node, ix, text, "give one of them");
                }
                sources.extend(
                    [
                        &multi.cardinality,
                        &multi.collection,
                        &multi.until,
                        &multi.output_item,
                    ]
                    .into_iter()
                    .flatten(),
                );
            }
        }
        for source in sources {
            self.not_understood("expression-syntax", ix, &node.id, source);
        }
    }

    fn compensation_handler(&mut self, ix: NodeIx, node: &Node) {
        if !node.incoming.is_empty() || !node.outgoing.is_empty() {
            self.error(
                "compensation-with-flow",
                node,
                "an activity for compensation has no flows",
                "associate it with a compensation event",
            );
        }
        let is_named = self
            .model
            .nodes
            .iter()
            .any(|other| other.undone_by == Some(ix));
        // One that undoes the sub-process around it has its event inside.
        if !is_named && !node.is_event_sub() {
            let text = "no compensation event is associated with it";
            self.push(
                Severity::Warning,
                "compensation-unused",
                &node.id,
                node.line,
                text,
                "draw the association",
            );
        }
    }

    fn event_sub(&mut self, node: &Node) {
        let model = self.model;
        if !node.incoming.is_empty() || !node.outgoing.is_empty() {
            self.error(
                "event-sub-with-flow",
                node,
                "an event sub-process has no flows",
                "remove the flows",
            );
        }
        if !node.boundary.is_empty() {
            self.error(
                "event-sub-with-border",
                node,
                "an event sub-process has no border events",
                "remove them",
            );
        }
        let Some(body) = node.body else { return };
        let starts: Vec<_> = model[body]
            .nodes
            .iter()
            .filter(|&&ix| model[ix].is_start())
            .collect();
        match starts.as_slice() {
            [one] if !model[**one].definitions().is_empty() => {}
            [_] => self.error(
                "event-sub-start",
                node,
                "its start event has no trigger",
                "give the start event a trigger",
            ),
            _ => self.error(
                "event-sub-start",
                node,
                "it needs exactly one start event",
                "leave one start event",
            ),
        }
    }

    fn sub(&mut self, ix: NodeIx, node: &Node, sub: &Sub) {
        let model = self.model;
        let Some(body) = node.body else { return };
        for &ix in &model[body].nodes {
            let inner = &model[ix];
            if inner.is_start() && !inner.definitions().is_empty() {
                self.error(
                    "sub-start-typed",
                    inner,
                    "inside a sub-process a start event has no trigger",
                    "remove the trigger, or use an event sub-process",
                );
            }
        }
        if let Sub::AdHoc {
            until: Some(until), ..
        } = sub
        {
            self.not_understood("expression-syntax", ix, &node.id, until);
        }
    }
}

/// What does not come from outside but is looked for by an instance.
fn is_looked_for(definition: &Definition) -> bool {
    matches!(
        definition,
        Definition::Timer(_) | Definition::Conditional { .. }
    )
}

/// A receive task without border events, or an event that waits for what may come from outside.
fn waits_after_gateway(target: &Node) -> bool {
    let waits = |definition: &Definition| {
        matches!(
            definition,
            Definition::Message { .. }
                | Definition::Timer(_)
                | Definition::Signal { .. }
                | Definition::Conditional { .. }
        )
    };
    match &target.kind {
        Kind::Task(Task::Receive { .. }) => target.boundary.is_empty(),
        Kind::Event(event) if event.is_catch() => {
            !event.definitions.is_empty() && event.definitions.iter().all(waits)
        }
        _ => false,
    }
}
