//! What stands at the top of a file beside its processes: messages, signals, errors, event
//! definitions, global tasks, pools and message flows.

use std::{collections::BTreeMap, sync::Arc};

use super::{Reader, event::script, local, zeebe};
use crate::{
    model::{Id, Kind, MessageFlow, Named, Participant, ProcessHead, Task},
    tree::Element,
};

impl<'a> Reader<'a> {
    /// `named` gives what an element without a name is called by its id.
    pub(super) fn globals(&mut self, root: &'a Element, named: fn(&str) -> &str) {
        for element in &root.children {
            let Some(id) = element.get("id") else {
                continue;
            };
            if element.name.ends_with("EventDefinition") {
                self.definitions.insert(id.to_owned(), element);
            }
            if let Some(key) = zeebe::correlation(element) {
                self.keys.insert(id.to_owned(), key);
            }
            let given = |attribute| {
                element
                    .get(attribute)
                    .filter(|text| !text.trim().is_empty())
            };
            let code = given("errorCode").or(given("escalationCode"));
            let plain = named(id);
            let named = Named {
                name: given("name").unwrap_or(plain).to_owned(),
                code: code.unwrap_or(plain).to_owned(),
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
    pub(super) fn global_tasks(&mut self, root: &'a Element) {
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
                attributes: BTreeMap::new(),
                line: element.line,
            });
            self.node(element, root, kind);
        }
    }

    pub(super) fn collaboration(&mut self, element: &Element) {
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
}
