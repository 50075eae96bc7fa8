//! Variables: looked up from the inside out, written where they are known, else at the process.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{Frame, FrameKind, Instance, State};
use crate::expr::Lookup;

/// The variables that a frame sees.
pub(super) struct View<'a> {
    pub instance: &'a Instance,
    pub frame: u32,
    pub now: DateTime<Utc>,
    /// Names that hold for one evaluation only, before all others.
    pub extra: Option<&'a Map<String, Value>>,
}

impl Lookup for View<'_> {
    fn now(&self) -> Option<DateTime<Utc>> {
        Some(self.now)
    }

    fn lookup(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.extra.and_then(|extra| extra.get(name)) {
            return Some(value.clone());
        }
        let mut next = Some(self.frame);
        while let Some(frame) = next.and_then(|id| self.instance.frames.get(&id)) {
            if let Some(value) = frame.vars.get(name) {
                return Some(value.clone());
            }
            if let Some(count) = self.instance.counter(frame, name) {
                return Some(Value::from(count));
            }
            next = outer(frame.kind, frame.parent);
        }
        None
    }
}

impl Instance {
    /// How many instances an activity with several has, asked inside of one (BPMN 2.0.2, 10.3.8).
    fn counter(&self, frame: &Frame, name: &str) -> Option<u32> {
        if frame.kind != FrameKind::Iteration || !name.starts_with("nrOf") {
            return None;
        }
        let State::Multi(multi) = &self.tokens.get(&frame.owner?)?.state else {
            return None;
        };
        match name {
            "nrOfInstances" => Some(multi.total.unwrap_or(multi.started)),
            "nrOfActiveInstances" => Some(multi.started.saturating_sub(multi.done)),
            "nrOfCompletedInstances" => Some(multi.done),
            _ => None,
        }
    }
}

/// A called process does not see its caller's variables.
fn outer(kind: FrameKind, parent: Option<u32>) -> Option<u32> {
    parent.filter(|_| !matches!(kind, FrameKind::Call | FrameKind::Root))
}

impl Instance {
    /// All that a frame sees, inner names hiding outer ones.
    pub fn visible(&self, frame: u32) -> Map<String, Value> {
        let mut seen = Map::new();
        let mut next = Some(frame);
        while let Some(inner) = next.and_then(|id| self.frames.get(&id)) {
            for (name, value) in &inner.vars {
                if !seen.contains_key(name) {
                    seen.insert(name.clone(), value.clone());
                }
            }
            next = outer(inner.kind, inner.parent);
        }
        seen
    }

    pub(super) fn set(&mut self, frame: u32, name: String, value: Value) {
        let mut next = Some(frame);
        let mut target = frame;
        while let Some((id, inner)) = next.and_then(|id| Some((id, self.frames.get(&id)?))) {
            target = id;
            if inner.vars.contains_key(&name) {
                break;
            }
            next = outer(inner.kind, inner.parent);
        }
        if let Some(frame) = self.frames.get_mut(&target) {
            frame.vars.insert(name, value);
        }
    }
}
