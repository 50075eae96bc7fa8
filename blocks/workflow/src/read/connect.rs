//! What elements refer to by names: flows, hosts, defaults, associations, message flows. They are
//! noted while elements are read and tied together when all are there.

use std::{collections::HashSet, sync::Arc};

use super::{Reader, event::condition_source, local};
use crate::{
    model::{Definition, Flow, FlowIx, Id, Kind, NodeIx, ScopeIx, Task},
    tree::Element,
};

impl<'a> Reader<'a> {
    /// What a node refers to by names, resolved when all nodes are there.
    pub(super) fn note_references(&mut self, ix: NodeIx, element: &'a Element) {
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

    /// Ties flows, hosts, defaults and associations to the nodes that they name.
    pub(super) fn connect(&mut self) {
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
            let other = self.model[host].undone_by.filter(|&other| other != handler);
            if let Some(other) = other {
                let node = &self.model[handler];
                let (id, line) = (node.id.to_string(), node.line);
                let text = format!("`{}` undoes the same activity", self.model[other].id);
                return self.problem("compensation-several", &id, line, text);
            }
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
