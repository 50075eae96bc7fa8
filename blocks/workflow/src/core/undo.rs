//! Compensation: what was completed is remembered, and undone in reverse order.

use super::{Effect, FrameKind, State, Undo, run::Run};
use crate::model::{Definition, NodeIx, Place};

impl Run<'_> {
    /// Remembers a completed activity that can be undone.
    pub(super) fn remember(&mut self, frame: u32, node: NodeIx) {
        let item = &self.model[node];
        let Some(by) = item.undone_by else { return };
        let entry = Undo {
            of: item.id.clone(),
            by: Some(self.model[by].id.clone()),
            inner: Vec::new(),
        };
        if let Some(inner) = self.instance.frames.get_mut(&frame) {
            inner.undo.push(entry);
        }
    }

    /// Remembers what a completed sub-process did, unless its own handler undoes it as a whole.
    pub(super) fn remember_inner(&mut self, frame: u32, node: NodeIx, inner: Vec<Undo>) {
        let item = &self.model[node];
        if inner.is_empty() || item.undone_by.is_some() {
            return;
        }
        let entry = Undo {
            of: item.id.clone(),
            by: None,
            inner,
        };
        if let Some(outer) = self.instance.frames.get_mut(&frame) {
            outer.undo.push(entry);
        }
    }

    /// The frame in which a throwing event looks for things to undo: an event sub-process acts
    /// on the scope around it.
    fn undo_frame(&self, frame: u32) -> u32 {
        match self.instance.frames.get(&frame) {
            Some(inner) if inner.kind == FrameKind::EventSub && inner.undo.is_empty() => {
                inner.parent.unwrap_or(frame)
            }
            _ => frame,
        }
    }

    /// The token at `node` waits while handlers run one after another.
    pub(super) fn compensate(&mut self, frame: u32, node: NodeIx, activity: Option<&str>) {
        let source = self.undo_frame(frame);
        let mut held = Vec::new();
        if let Some(inner) = self.instance.frames.get_mut(&source) {
            let all = std::mem::take(&mut inner.undo);
            let (chosen, kept) = all
                .into_iter()
                .partition(|undo| activity.is_none_or(|name| *undo.of == *name));
            held = chosen;
            inner.undo = kept;
        }
        let mut steps = Vec::new();
        flatten(held, &mut steps);
        let token = self.rest(frame, node, State::Undoing(steps));
        self.undo_next(token);
    }

    /// A handler in the frame is done.
    pub(super) fn undone(&mut self, frame: u32) {
        let waits = |t: &super::Token| t.frame == frame && matches!(t.state, State::Undoing(_));
        let token = self
            .instance
            .tokens
            .iter()
            .find(|(_, t)| waits(t))
            .map(|(id, _)| *id);
        if let Some(token) = token {
            self.undo_next(token);
        }
    }

    fn undo_next(&mut self, token: u32) {
        let Some(held) = self.instance.tokens.get_mut(&token) else {
            return;
        };
        let (frame, at) = (held.frame, held.at.clone());
        let State::Undoing(steps) = &mut held.state else {
            return;
        };
        if let Some(step) = steps.pop() {
            let handler = step.by.as_ref().and_then(|by| self.model.lookup(by));
            self.effects.push(Effect::Compensate {
                element: step.of,
                by: step.by,
            });
            match handler {
                Some(handler) => self.send(frame, handler, None),
                None => self.undo_next(token),
            }
            return;
        }
        self.instance.tokens.remove(&token);
        let Some(node) = self.model.lookup(&at) else {
            return;
        };
        let item = &self.model[node];
        let cancels = item.place() == Some(Place::End)
            && item
                .definitions()
                .iter()
                .any(|definition| matches!(definition, Definition::Cancel));
        if cancels {
            self.cancelled(frame, node);
        } else {
            self.leave(frame, node);
        }
    }

    /// A cancel end event undoes the transaction, then leaves it by its cancel event.
    pub(super) fn cancel_transaction(&mut self, frame: u32, node: NodeIx) {
        let undo = self
            .instance
            .frames
            .get_mut(&frame)
            .map(|inner| std::mem::take(&mut inner.undo));
        self.empty(frame, None);
        if let Some(inner) = self.instance.frames.get_mut(&frame) {
            inner.undo = undo.unwrap_or_default();
            inner.live = 1;
        }
        self.compensate(frame, node, None);
    }

    fn cancelled(&mut self, frame: u32, node: NodeIx) {
        let id = self.model[node].id.clone();
        self.left(&id, frame);
        let owner = self
            .instance
            .frames
            .get(&frame)
            .and_then(|inner| inner.owner);
        let host = owner.and_then(|token| self.node_of(self.instance.tokens.get(&token)?));
        let event = host.and_then(|host| {
            let is_cancel = |&ix: &NodeIx| {
                self.model[ix]
                    .definitions()
                    .iter()
                    .any(|d| matches!(d, Definition::Cancel))
            };
            self.model[host].boundary.iter().copied().find(is_cancel)
        });
        match (owner, event) {
            (Some(token), Some(event)) => self.interrupt(token, event),
            _ => self.release(frame),
        }
    }
}

/// Newest last, so that taking from the end undoes in reverse order.
fn flatten(undo: Vec<Undo>, steps: &mut Vec<Undo>) {
    for entry in undo {
        if entry.by.is_some() {
            steps.push(entry);
        } else {
            flatten(entry.inner, steps);
        }
    }
}
