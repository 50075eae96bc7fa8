//! Variables: looked up from the inside out, written where they are known, else at the process.

use serde_json::{Map, Value};

use super::{FrameKind, Instance};
use crate::expr::Lookup;

/// The variables that a frame sees.
pub(super) struct View<'a> {
    pub instance: &'a Instance,
    pub frame: u32,
    /// Names that hold for one evaluation only, before all others.
    pub extra: Option<&'a Map<String, Value>>,
}

impl Lookup for View<'_> {
    fn lookup(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.extra.and_then(|extra| extra.get(name)) {
            return Some(value.clone());
        }
        let mut next = Some(self.frame);
        while let Some(frame) = next.and_then(|id| self.instance.frames.get(&id)) {
            if let Some(value) = frame.vars.get(name) {
                return Some(value.clone());
            }
            next = outer(frame.kind, frame.parent);
        }
        None
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
