//! Correlation by the means of the standard (BPMN 2.0.2, 8.4.2): to which conversation a message
//! belongs is read out of what it carries.
//!
//! A key has properties, and each property says for each message how its value is read. The first
//! message of a conversation that carries a key gives it its values; later ones must carry the
//! same. Where a process subscribes to a key, its own data say the values instead.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::{
    expr::Expr,
    model::{Id, Model, Node, Source},
};

/// What the standard's elements of a file say about telling messages apart.
#[derive(Debug, Default)]
pub struct Correlations {
    pub keys: Vec<Key>,
    /// How a property is read out of a message: by the id of the one and the name of the other.
    pub paths: HashMap<Id, HashMap<String, Source>>,
    /// By the id of the process.
    pub subscriptions: HashMap<Id, Vec<Subscription>>,
}

/// A correlation key of a collaboration or of a conversation in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub id: Id,
    pub properties: Vec<Id>,
    /// Message flows of its conversation; none for those of the whole collaboration.
    pub flows: Vec<String>,
}

/// A process says by its own data which messages are meant for it.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub key: Id,
    /// The value of each property.
    pub bindings: HashMap<Id, Source>,
}

/// A key that holds for the messages of an element.
pub struct Applying<'m> {
    pub key: &'m Key,
    /// How the properties are read out of the message, in their order.
    paths: Vec<&'m Source>,
    /// What they must be by the data of the process, where it subscribes to the key.
    pub bound: Option<Vec<&'m Source>>,
}

impl Correlations {
    /// Adds what another file says; what has an id that is taken is left out.
    pub(crate) fn link(&mut self, other: Self) {
        for key in other.keys {
            if self.keys.iter().all(|known| known.id != key.id) {
                self.keys.push(key);
            }
        }
        for (property, paths) in other.paths {
            self.paths.entry(property).or_insert(paths);
        }
        for (process, all) in other.subscriptions {
            self.subscriptions.entry(process).or_insert(all);
        }
    }
}

impl Model {
    /// Keys by which an element tells messages of a name apart. One that has a correlation of its
    /// own (`tongban:correlation`) is told apart by that alone.
    pub fn keys_at(&self, node: &Node, message: &str) -> Vec<Applying<'_>> {
        let all = &self.correlations;
        if all.keys.is_empty() || node.attribute("correlation").is_some() {
            return Vec::new();
        }
        let head = self.processes.get(self[node.scope].process);
        let subscriptions = head.and_then(|head| all.subscriptions.get(&head.id));
        let applying = all.keys.iter().filter_map(|key| {
            let path = |property: &Id| all.paths.get(property)?.get(message);
            let paths: Vec<_> = key.properties.iter().map(path).collect::<Option<_>>()?;
            let mut own = subscriptions.into_iter().flatten();
            let bound = own.find(|one| one.key == key.id).and_then(|one| {
                let bound = key
                    .properties
                    .iter()
                    .map(|property| one.bindings.get(property));
                bound.collect::<Option<Vec<_>>>()
            });
            let applies = bound.is_some() || self.is_flown(key, node);
            (applies && !paths.is_empty()).then_some(Applying { key, paths, bound })
        });
        applying.collect()
    }

    /// Whether the node lies in the sub-process with that id.
    fn is_inside(&self, node: &Node, id: &str) -> bool {
        let mut scope = Some(node.scope);
        while let Some(around) = scope {
            if self[around]
                .owner
                .is_some_and(|owner| *self[owner].id == *id)
            {
                return true;
            }
            scope = self[around].parent;
        }
        false
    }

    /// Whether a message flow of the key's conversation begins or ends at the element or its pool.
    fn is_flown(&self, key: &Key, node: &Node) -> bool {
        if key.flows.is_empty() {
            return true;
        }
        let head = self.processes.get(self[node.scope].process);
        let is_end = |end: &str| {
            let pools = self.participants.iter().filter(|pool| pool.id == end);
            let mut processes = pools.filter_map(|pool| pool.process.as_deref());
            *node.id == *end
                || self.is_inside(node, end)
                || head.is_some_and(|head| {
                    *head.id == *end || processes.any(|process| *head.id == *process)
                })
        };
        let mut flows = self.message_flows.iter();
        flows.any(|flow| key.flows.contains(&flow.id) && (is_end(&flow.from) || is_end(&flow.to)))
    }
}

impl Applying<'_> {
    /// The key's values in a message; none where it does not carry all of them.
    pub fn read(&self, message: &Map<String, Value>) -> Option<Vec<Value>> {
        let read = |path: &&Source| value(path.compiled.as_deref().ok()?, message);
        self.paths.iter().map(read).collect()
    }

    /// How the properties are read, for [`told_by`].
    pub fn recipe(&self) -> String {
        let paths: Vec<&str> = self.paths.iter().map(|path| path.text.as_str()).collect();
        serde_json::to_string(&paths).unwrap_or_default()
    }

    /// The values as a text by which a place that waits is found: `{"order.id":7}`.
    pub fn told(&self, values: &[Value]) -> String {
        told(self.paths.iter().map(|path| path.text.as_str()), values)
    }
}

/// The text of [`Applying::told`] that a message has by the recipe of a place that waits.
pub(crate) fn told_by(recipe: &str, message: &Map<String, Value>) -> Option<String> {
    let paths: Vec<String> = serde_json::from_str(recipe).ok()?;
    let values: Vec<Value> = paths
        .iter()
        .map(|path| value(Expr::shared(path).ok()?.as_ref(), message))
        .collect::<Option<_>>()?;
    Some(told(paths.iter().map(String::as_str), &values))
}

/// Longer ones share a text, and whoever looks at the places themselves tells them apart.
const MOST: usize = 500;

fn told<'t>(paths: impl Iterator<Item = &'t str>, values: &[Value]) -> String {
    let pair = |(path, value): (&str, &Value)| format!("{}:{value}", Value::from(path));
    let pairs: Vec<String> = paths.zip(values).map(pair).collect();
    let text = format!("{{{}}}", pairs.join(","));
    text.chars().take(MOST).collect()
}

fn value(path: &Expr, message: &Map<String, Value>) -> Option<Value> {
    path.evaluate(message).ok().filter(|value| !value.is_null())
}
