//! Correlation keys, how messages carry them, and what processes subscribe to (BPMN 2.0.2, 8.4.2).

use std::{collections::HashMap, sync::Arc};

use super::{Reader, local, text_of};
use crate::{
    correlation::{Key, Subscription},
    model::{Id, Problem, Source},
    tree::Element,
};

impl<'a> Reader<'a> {
    /// A property, and how it is read out of each message; messages have been read before.
    pub(super) fn correlation_properties(&mut self, root: &'a Element) {
        for property in root.children_named("correlationProperty") {
            let id: Id = Arc::from(property.get("id").unwrap_or_default());
            let expressions = property.children_named("correlationPropertyRetrievalExpression");
            for expression in expressions {
                let named = expression.get("messageRef").map(local);
                let message = named.and_then(|id| self.model.messages.get(id));
                let name = message.map(|message| message.name.clone());
                let path = expression
                    .child("messagePath")
                    .and_then(|path| self.path(&id, path));
                if let (Some(name), Some(path)) = (name, path) {
                    let paths = self.model.correlations.paths.entry(id.clone());
                    paths.or_default().entry(name).or_insert(path);
                }
            }
        }
    }

    /// Keys of collaborations, choreographies, and the conversations in them.
    pub(super) fn correlation_keys(&mut self, root: &'a Element) {
        let calls = calls_in(root);
        let mut waiting = vec![root];
        while let Some(around) = waiting.pop() {
            waiting.extend(
                around
                    .children
                    .iter()
                    .filter(|child| child.name != "process"),
            );
            for key in around.children_named("correlationKey") {
                let properties = key.children_named("correlationPropertyRef");
                self.model.correlations.keys.push(Key {
                    id: Arc::from(key.get("id").unwrap_or_default()),
                    properties: properties
                        .map(|property| Arc::from(local(&property.text)))
                        .collect(),
                    flows: flows_of(around, &calls),
                });
            }
        }
    }

    /// What a process says of itself by its own data.
    pub(super) fn subscriptions(&mut self, process: &'a Element, id: &Id) {
        for subscription in process.children_named("correlationSubscription") {
            let key = Arc::from(local(
                subscription.get("correlationKeyRef").unwrap_or_default(),
            ));
            let mut bindings = HashMap::new();
            for binding in subscription.children_named("correlationPropertyBinding") {
                let property = local(binding.get("correlationPropertyRef").unwrap_or_default());
                let path = binding
                    .child("dataPath")
                    .and_then(|path| self.path(property, path));
                bindings.extend(path.map(|path| (Arc::from(property), path)));
            }
            let own = self.model.correlations.subscriptions.entry(id.clone());
            own.or_default().push(Subscription { key, bindings });
        }
    }

    /// An expression of a property; one without text is told of elsewhere.
    fn path(&mut self, property: &str, element: &Element) -> Option<Source> {
        let text = text_of(element);
        if text.is_empty() {
            return None;
        }
        let mut source = Source::new(&text, element.line);
        if is_xpath(&text) {
            // FEEL would read it as a division, and no message would ever carry a value.
            source.compiled = Err("paths of XPath are not read".to_owned());
        }
        if let Err(reason) = &source.compiled {
            self.model.problems.push(Problem {
                rule: "expression-syntax",
                element: property.to_owned(),
                line: element.line,
                text: format!("`{text}` is not understood: {reason}"),
                remedy: "write it in FEEL, as `payment.order`: a `messagePath` over what the message carries, a `dataPath` over the variables",
                is_error: self.is_executable,
            });
        }
        Some(source)
    }
}

/// Whether it is a path of `XPath`: steps without spaces between slashes.
fn is_xpath(text: &str) -> bool {
    let is_step = |c: char| c.is_alphanumeric() || "_-.:@$*()[]'=".contains(c);
    text.contains('/') && text.chars().all(|c| c == '/' || is_step(c))
}

/// Conversations and collaborations that others call, with the message flows that the calls list.
fn calls_in(root: &Element) -> HashMap<&str, Vec<String>> {
    let mut calls: HashMap<&str, Vec<String>> = HashMap::new();
    let mut waiting = vec![root];
    while let Some(element) = waiting.pop() {
        waiting.extend(
            element
                .children
                .iter()
                .filter(|child| child.name != "process"),
        );
        let called = element.get("calledCollaborationRef").map(local);
        if let Some(called) = called.filter(|_| element.name == "callConversation") {
            calls.entry(called).or_default().extend(listed(element));
        }
    }
    calls
}

/// Message flows that an element lists.
fn listed(element: &Element) -> impl Iterator<Item = String> {
    let named = element.children_named("messageFlowRef");
    named.map(|flow| local(&flow.text).to_owned())
}

/// Message flows that a conversation groups, with those of the conversations in it; one that is
/// called groups those that its callers list, and its own.
fn flows_of(conversation: &Element, calls: &HashMap<&str, Vec<String>>) -> Vec<String> {
    let called = conversation.get("id").and_then(|id| calls.get(id));
    if let Some(called) = called.filter(|flows| !flows.is_empty()) {
        let own = conversation.children_named("messageFlow");
        let own = own.filter_map(|flow| flow.get("id").map(str::to_owned));
        return called.iter().cloned().chain(own).collect();
    }
    if conversation.name == "collaboration" || conversation.name.starts_with("global") {
        return Vec::new();
    }
    let mut flows = Vec::new();
    let mut waiting = vec![conversation];
    while let Some(element) = waiting.pop() {
        waiting.extend(&element.children);
        flows.extend(listed(element));
    }
    flows
}
