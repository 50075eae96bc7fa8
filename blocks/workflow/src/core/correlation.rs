//! Which of several places a message is meant for: by its own key (`tongban:correlation`), and by
//! the keys of its conversation as [`crate::correlation`] reads them.

use serde_json::{Map, Value};

use super::{
    Frame, FrameKind, Instance, Owner, Process,
    run::Run,
    wait::{Waiting, Wanted},
};
use crate::{
    correlation::Applying,
    expr::Expr,
    model::{Definition, Id, Kind, Model, Node, NodeIx, Task},
};

/// A message that looks for the place that waits for it.
#[derive(Clone, Copy, Debug)]
pub struct Came<'a> {
    pub name: &'a str,
    /// The element at the end of its message flow, where it has one: whatever is waited for there.
    pub to: Option<&'a str>,
    /// Compared with `tongban:correlation`.
    pub key: Option<&'a Value>,
    pub vars: &'a Map<String, Value>,
}

/// How many places of an instance a message could go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fits {
    /// They are in the conversation to which the message belongs.
    pub exact: usize,
    /// No conversation has begun there that could tell.
    pub open: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    Exact,
    Open,
}

/// How many places of an instance wait for the message.
pub fn waiting_for_message(process: &Process, instance: &Instance, came: &Came<'_>) -> Fits {
    let run = Run::new(process, instance.clone(), chrono::DateTime::UNIX_EPOCH);
    let fits = run.fits(came);
    let count = |wanted: Fit| fits.iter().filter(|(fit, _)| *fit == wanted).count();
    Fits {
        exact: count(Fit::Exact),
        open: count(Fit::Open),
    }
}

/// The name of the message that one of an element's definitions waits for or throws.
pub(super) fn message_of(node: &Node, nth: usize) -> Option<&str> {
    match (&node.kind, node.definitions().get(nth)) {
        (Kind::Task(Task::Receive { message, .. }), _) => message.as_deref(),
        (_, Some(Definition::Message { name, .. })) => Some(name),
        _ => None,
    }
}

/// What a key must be at a place that waits, and how messages carry it.
pub(super) struct Expected<'m> {
    applying: Applying<'m>,
    /// None where the process subscribes to what its data do not say: no message is meant.
    values: Option<Vec<Value>>,
}

impl Expected<'_> {
    /// For the table of waits: how the key is read, and what it must be.
    pub fn told(&self) -> (String, String) {
        let unknown = || vec![Value::Null; self.applying.key.properties.len()];
        let values = self.values.clone().unwrap_or_else(unknown);
        (self.applying.recipe(), self.applying.told(&values))
    }

    fn is_met(&self, carried: &[Value]) -> bool {
        self.values.as_deref() == Some(carried)
    }
}

impl<'a> Run<'a> {
    /// The places that a message is meant for: those of its conversation, or where there are none,
    /// those of no conversation.
    pub(super) fn meant(&self, came: &Came<'_>) -> Vec<Waiting> {
        let fits = self.fits(came);
        let is_exact = fits.iter().any(|(fit, _)| *fit == Fit::Exact);
        let best = |(fit, _): &(Fit, Waiting)| !is_exact || *fit == Fit::Exact;
        fits.into_iter().filter(best).map(|(_, one)| one).collect()
    }

    fn fits(&self, came: &Came<'_>) -> Vec<(Fit, Waiting)> {
        let element = came.to.map(|to| self.element_of(to));
        let wanted = match &element {
            Some(element) => Wanted::At(element),
            None => Wanted::Message(came.name),
        };
        let mut found = self.subscriptions(&wanted);
        if let Some(key) = came.key {
            found.retain(|one| self.correlates(one.owner, one.event, key));
        }
        let fit = |one: Waiting| Some((self.fit(&one, came.vars)?, one));
        found.into_iter().filter_map(fit).collect()
    }

    /// None where the message belongs to another conversation.
    fn fit(&self, waiting: &Waiting, vars: &Map<String, Value>) -> Option<Fit> {
        let expected = self.expected(waiting);
        if expected.is_empty() {
            return Some(Fit::Open);
        }
        let mut fit = None;
        for one in &expected {
            if let Some(carried) = one.applying.read(vars) {
                if !one.is_met(&carried) {
                    return None;
                }
                fit = Some(Fit::Exact);
            }
        }
        fit
    }

    /// What the keys of a waiting event must be; those to which no message gave values yet are
    /// left out.
    pub(super) fn expected(&self, waiting: &Waiting) -> Vec<Expected<'a>> {
        let model: &'a Model = self.model;
        let node = &model[waiting.event];
        let Some(name) = message_of(node, waiting.nth) else {
            return Vec::new();
        };
        let frame = self.frame_of(waiting.owner);
        let keys = model.keys_at(node, name).into_iter();
        let expected = keys.filter_map(|applying| {
            let values = match &applying.bound {
                Some(_) => self.bound(frame, &applying),
                None => Some(self.known(frame, &applying.key.id)?.clone()),
            };
            Some(Expected { applying, values })
        });
        expected.collect()
    }

    /// A key by the data of the process; none where a part of it is not there.
    fn bound(&self, frame: u32, applying: &Applying<'_>) -> Option<Vec<Value>> {
        let sources = applying.bound.iter().flatten();
        let value = |value: Value| Some(value).filter(|value| !value.is_null());
        sources
            .map(|source| self.value(source, frame).ok().and_then(value))
            .collect()
    }

    /// A key's values in the conversation of a frame.
    fn known(&self, frame: u32, key: &Id) -> Option<&Vec<Value>> {
        let mut next = self.instance.frames.get(&frame);
        while let Some(inner) = next {
            if let Some(values) = inner.keys.get(key) {
                return Some(values);
            }
            next = inner
                .parent
                .and_then(|parent| self.instance.frames.get(&parent));
        }
        None
    }

    /// The frame whose conversation it is: of several instances of an activity each has its own.
    fn conversation(&self, frame: u32) -> u32 {
        let mut at = frame;
        while let Some(Frame {
            kind,
            parent: Some(parent),
            ..
        }) = self.instance.frames.get(&at)
            && *kind != FrameKind::Iteration
        {
            at = *parent;
        }
        at
    }

    /// A message came or went: keys that it is the first to carry have their values now.
    pub(super) fn learn(&mut self, frame: u32, node: &Node, name: &str, vars: &Map<String, Value>) {
        let keys = self.model.keys_at(node, name).into_iter();
        for applying in keys.filter(|applying| applying.bound.is_none()) {
            let key = &applying.key.id;
            if let Some(values) = applying.read(vars)
                && self.known(frame, key).is_none()
            {
                let at = self.conversation(frame);
                if let Some(inner) = self.instance.frames.get_mut(&at) {
                    inner.keys.insert(key.clone(), values);
                }
            }
        }
    }

    /// As [`Self::learn`], of a process that begins by a message.
    pub(super) fn learn_at_start(&mut self, frame: u32, node: NodeIx, vars: &Map<String, Value>) {
        let model = self.model;
        let node = &model[node];
        for nth in 0..node.definitions().len().max(1) {
            if let Some(name) = message_of(node, nth) {
                self.learn(frame, node, name, vars);
            }
        }
    }

    /// Refuses to send what belongs to another conversation.
    pub(super) fn may_send(&self, frame: u32, node: &Node, name: &str) -> Result<(), String> {
        let keys = self.model.keys_at(node, name);
        if keys.is_empty() {
            return Ok(());
        }
        let vars = self.sent(frame, node);
        for applying in keys {
            let own = match &applying.bound {
                Some(_) => self.bound(frame, &applying),
                None => self.known(frame, &applying.key.id).cloned(),
            };
            if let (Some(own), Some(carried)) = (own, applying.read(&vars))
                && own != carried
            {
                return Err(format!(
                    "the message `{name}` carries {}, and its conversation is that of {}",
                    applying.told(&carried),
                    applying.told(&own)
                ));
            }
        }
        Ok(())
    }

    /// Whether the waiting event asks for this key; one that asks for none takes any.
    fn correlates(&self, owner: Owner, event: NodeIx, key: &Value) -> bool {
        self.own_key(owner, event)
            .is_none_or(|value| value.as_ref() == Ok(key))
    }

    /// What an event that waits is told apart by; none if it takes every message of its name.
    fn own_key(&self, owner: Owner, event: NodeIx) -> Option<Result<Value, String>> {
        let text = self.model[event].attribute("correlation")?;
        let frame = self.frame_of(owner);
        Some(Expr::shared(text).and_then(|expr| expr.evaluate(&self.view(frame, None))))
    }

    /// As text; one that cannot be told fits no key.
    pub(super) fn key_of(&self, owner: Owner, event: NodeIx) -> Option<String> {
        let value = self.own_key(owner, event)?;
        Some(value.map_or_else(|_| String::new(), |value| value.to_string()))
    }
}
