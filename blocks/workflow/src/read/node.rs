//! Flow nodes: what kind an element is, and what is said of it.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Reader, count,
    event::{expression, script},
    foreign::{Side, foreign, mappings},
    local, roles, text_of, zeebe,
};
use crate::{
    expr::is_expression,
    model::{Gateway, Id, Kind, Node, NodeIx, Place, ScopeIx, Sub, TONGBAN, Task},
    tree::Element,
};

impl<'a> Reader<'a> {
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

    pub(super) fn node(&mut self, element: &'a Element, scope: ScopeIx, kind: Kind) {
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
        let mut definitions = element.children.iter();
        if let Some(key) = definitions.find_map(|child| child.get_in(TONGBAN, "correlation")) {
            found
                .entry("correlation".to_owned())
                .or_insert(key.to_owned());
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

    pub(super) fn kind(&mut self, element: &Element) -> Option<Kind> {
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
                    .or_else(|| zeebe::find(element, "calledElement")?.get("processId"))
                    .map(|called| {
                        if is_expression(called) {
                            called
                        } else {
                            local(called)
                        }
                    })
                    .map(str::to_owned)
                    .filter(|called| !called.is_empty()),
            },
            _ => return None,
        })
    }
}
