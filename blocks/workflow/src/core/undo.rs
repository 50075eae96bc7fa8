//! Compensation: what was completed is remembered, and undone in reverse order.

use serde_json::{Map, Value};

use super::{Effect, FrameKind, Owner, State, Token, Undo, run::Run};
use crate::model::{Definition, Id, Kind, Node, NodeIx, Place, Sub};

impl Run<'_> {
    /// Remembers a completed activity that can be undone; of several instances, each.
    pub(super) fn remember(&mut self, frame: u32, node: NodeIx) {
        let item = &self.model[node];
        let Some(by) = item.undone_by else { return };
        let entry = Undo {
            of: item.id.clone(),
            by: Some(self.model[by].id.clone()),
            inner: Vec::new(),
            vars: Map::new(),
        };
        if let Some(inner) = self.instance.frames.get_mut(&frame) {
            inner.undo.push(entry);
        }
    }

    /// Remembers what a completed sub-process did, unless its own handler undoes it as a whole.
    pub(super) fn remember_inner(
        &mut self,
        frame: u32,
        node: NodeIx,
        inner: Vec<Undo>,
        vars: Map<String, Value>,
    ) {
        let item = &self.model[node];
        let by = self.undoing_event_sub(node);
        if item.undone_by.is_some() || (inner.is_empty() && by.is_none()) {
            return;
        }
        let entry = Undo {
            of: item.id.clone(),
            by: by.map(|by| self.model[by].id.clone()),
            inner,
            vars,
        };
        if let Some(outer) = self.instance.frames.get_mut(&frame) {
            outer.undo.push(entry);
        }
    }

    /// The event sub-process inside of a sub-process or called process that undoes it.
    fn undoing_event_sub(&self, node: NodeIx) -> Option<NodeIx> {
        let body = match &self.model[node].kind {
            Kind::Call {
                called: Some(called),
            } => self.model.process(called)?.root,
            _ => self.model[node].body?,
        };
        let mut subs = self.model[body].event_subs.iter().copied();
        subs.find(|&sub| self.starts_by_compensation(sub))
    }

    fn starts_by_compensation(&self, sub: NodeIx) -> bool {
        self.start_of(sub)
            .is_some_and(|start| compensates(self.model[start].definitions()))
    }

    fn start_of(&self, sub: NodeIx) -> Option<NodeIx> {
        let body = self.model[sub].body?;
        let mut nodes = self.model[body].nodes.iter().copied();
        nodes.find(|&ix| self.model[ix].is_start())
    }

    /// The frames in which a throwing event looks for things to undo, the oldest first: an event
    /// sub-process acts on itself and on the scope around it, one that undoes on what that scope
    /// did.
    fn undo_frames(&self, frame: u32) -> Vec<u32> {
        let mut frames = vec![frame];
        let mut next = self.instance.frames.get(&frame);
        while let Some(inner) = next.filter(|inner| inner.kind == FrameKind::EventSub) {
            let sub = self.model.lookup(&inner.of);
            if sub.is_some_and(|sub| self.starts_by_compensation(sub)) {
                break;
            }
            frames.extend(inner.parent);
            next = inner
                .parent
                .and_then(|parent| self.instance.frames.get(&parent));
        }
        frames.reverse();
        frames
    }

    /// The token at `node` waits while handlers run one after another; where it need not wait,
    /// a second one goes on at once.
    pub(super) fn compensate(&mut self, frame: u32, node: NodeIx) {
        let item = &self.model[node];
        let is_meant = |undo: &Undo| item.throws(|definition| undoes(definition, &undo.of));
        let mut held = Vec::new();
        for source in self.undo_frames(frame) {
            if let Some(inner) = self.instance.frames.get_mut(&source) {
                let all = std::mem::take(&mut inner.undo);
                let (chosen, kept): (Vec<_>, _) = all.into_iter().partition(is_meant);
                held.extend(chosen);
                inner.undo = kept;
            }
        }
        let mut steps = Vec::new();
        flatten(held, &Map::new(), &mut steps);
        if !waits_for_undoing(item) {
            self.add_live(frame);
            self.leave(frame, node);
        }
        let token = self.rest(frame, node, State::Undoing(steps));
        self.undo_next(token);
    }

    /// The token that waits for a handler which runs in a frame of its own, and the handler.
    fn undoing(&self, frame: u32) -> Option<(u32, Id)> {
        let inner = self.instance.frames.get(&frame)?;
        let owner = inner.owner.filter(|_| inner.kind == FrameKind::Iteration)?;
        match &self.instance.tokens.get(&owner)?.state {
            State::Undoing(steps) => Some((owner, steps.last()?.by.clone()?)),
            _ => None,
        }
    }

    /// A handler has come to its end; one in a frame of its own waits for what goes out from it.
    pub(super) fn handled(&mut self, frame: u32, handler: &Id) {
        if self.undoing(frame).is_none() {
            self.undone(frame, handler);
        }
    }

    /// A frame in which a handler ran alone is empty.
    pub(super) fn undone_alone(&mut self, frame: u32) {
        if let Some((_, handler)) = self.undoing(frame) {
            self.undone(frame, &handler);
        }
    }

    /// A handler in the frame is done.
    pub(super) fn undone(&mut self, frame: u32, handler: &Id) {
        let around = self.instance.frames.get(&frame);
        let owner = around
            .filter(|inner| inner.kind == FrameKind::Iteration)
            .and_then(|inner| inner.owner);
        let waits = |id: u32, t: &Token| {
            (t.frame == frame || owner == Some(id))
                && matches!(&t.state, State::Undoing(steps)
                    if steps.last().is_some_and(|step| step.by.as_ref() == Some(handler)))
        };
        let mut tokens = self.instance.tokens.iter();
        let Some(token) = tokens.find(|(id, t)| waits(**id, t)).map(|(id, _)| *id) else {
            return;
        };
        if owner == Some(token) {
            self.drop_frame(frame);
        }
        if let Some(State::Undoing(steps)) =
            self.instance.tokens.get_mut(&token).map(|t| &mut t.state)
        {
            steps.pop();
        }
        self.undo_next(token);
    }

    /// Begins the handler of the last step; the step stays until the handler is done.
    fn undo_next(&mut self, token: u32) {
        let Some(held) = self.instance.tokens.get(&token) else {
            return;
        };
        let (frame, at) = (held.frame, held.at.clone());
        let State::Undoing(steps) = &held.state else {
            return;
        };
        let Some(step) = steps.last().cloned() else {
            return self.all_undone(token, frame, &at);
        };
        let handler = step.by.as_ref().and_then(|by| self.model.lookup(by));
        self.effects.push(Effect::Compensate {
            element: step.of.clone(),
            by: step.by,
        });
        match handler {
            Some(handler) if self.model[handler].is_event_sub() => {
                self.undo_by_event_sub(frame, handler, step.inner, step.vars);
            }
            Some(handler) if step.vars.is_empty() && self.model[handler].boundary.is_empty() => {
                self.send(frame, handler, None);
            }
            Some(handler) => {
                // As one instance of several has variables of its own; and with the ways that go
                // out from its border, at the end of which it is over.
                let own = self.open_frame(FrameKind::Iteration, step.of, Some(frame), Some(token));
                if let Some(opened) = self.instance.frames.get_mut(&own) {
                    opened.vars = step.vars;
                }
                self.send(own, handler, None);
            }
            None => {
                let state = self
                    .instance
                    .tokens
                    .get_mut(&token)
                    .map(|held| &mut held.state);
                if let Some(State::Undoing(steps)) = state {
                    steps.pop();
                }
                self.undo_next(token);
            }
        }
    }

    /// A completed sub-process is undone by its own event sub-process, which may in turn undo
    /// what was done inside.
    fn undo_by_event_sub(
        &mut self,
        frame: u32,
        sub: NodeIx,
        inner: Vec<Undo>,
        vars: Map<String, Value>,
    ) {
        let model = self.model;
        let opened = self.open_event_sub(frame, sub);
        if let Some(opened) = self.instance.frames.get_mut(&opened) {
            opened.undo = inner;
            opened.vars = vars;
        }
        self.entered(&model[sub], frame);
        if let Some(body) = model[sub].body {
            self.arm_frame(opened, body);
        }
        match self.start_of(sub) {
            Some(start) => self.send(opened, start, None),
            None => self.release(opened),
        }
    }

    fn all_undone(&mut self, token: u32, frame: u32, at: &Id) {
        self.instance.tokens.remove(&token);
        let Some(node) = self.model.lookup(at) else {
            return;
        };
        let item = &self.model[node];
        let cancel = |d: &Definition| matches!(d, Definition::Cancel);
        if item.place() == Some(Place::End) && item.definitions().iter().any(cancel) {
            self.cancelled(frame, node);
        } else if waits_for_undoing(item) {
            self.end_throw(frame, node);
        } else {
            self.release(frame);
        }
    }

    /// A cancel end event undoes the transaction around it, then leaves it by its cancel event. Of a
    /// transaction with several instances that event ends all, so what those still open had
    /// completed is undone too; it could not be later, for nobody would know of it any more.
    pub(super) fn cancel_transaction(&mut self, frame: u32, node: NodeIx) {
        let frame = self.transaction_frame(frame);
        let mut undo = Vec::new();
        for (sibling, around) in self.open_siblings(frame) {
            undo.append(&mut self.completed_in(sibling, around));
            self.empty(sibling, None);
            self.drop_frame(sibling);
        }
        undo.append(&mut self.completed_in(frame, frame));
        self.empty(frame, None);
        self.drop_timers(Owner::Frame(frame));
        if let Some(host) = self.host_of(frame) {
            self.drop_timers(Owner::Token(host));
        }
        if let Some(inner) = self.instance.frames.get_mut(&frame) {
            inner.undo = undo;
            inner.live = 1;
        }
        self.compensate(frame, node);
    }

    /// Frames of transactions that are being cancelled: nothing interrupts them any more.
    pub(super) fn cancelling(&self) -> Vec<u32> {
        let tokens = self.instance.tokens.values();
        let undoing = tokens.filter(|held| matches!(held.state, State::Undoing(_)));
        let cancels = undoing.filter(|held| {
            let node = self.node_of(held);
            node.is_some_and(|node| self.model[node].throws(|d| matches!(d, Definition::Cancel)))
        });
        cancels.map(|held| held.frame).collect()
    }

    /// The token of the activity that runs in a frame, as a whole.
    pub(super) fn host_of(&self, frame: u32) -> Option<u32> {
        let token = self.instance.frames.get(&frame)?.owner?;
        let held = self.instance.tokens.get(&token)?;
        Some(self.outermost(token, held.frame).0)
    }

    /// The other instances that are open of an activity of which the frame is one instance's, each
    /// with the frame around the activity.
    fn open_siblings(&self, frame: u32) -> Vec<(u32, u32)> {
        let frames = &self.instance.frames;
        let own = frames.get(&frame).and_then(|inner| inner.parent);
        let Some((own, iteration)) = own.and_then(|id| Some((id, frames.get(&id)?))) else {
            return Vec::new();
        };
        let Some(around) = iteration
            .parent
            .filter(|_| iteration.kind == FrameKind::Iteration)
        else {
            return Vec::new();
        };
        let beside = frames.iter().filter(|(id, other)| {
            **id != own && other.kind == FrameKind::Iteration && other.owner == iteration.owner
        });
        beside.map(|(id, _)| (*id, around)).collect()
    }

    /// Takes what was completed in a frame and in those that run inside of it. Each knows the
    /// variables that it saw inside of `around`.
    fn completed_in(&mut self, frame: u32, around: u32) -> Vec<Undo> {
        let mut all = Vec::new();
        for one in self.frames_below(frame) {
            let known = self.known_inside(one, around);
            if let Some(inner) = self.instance.frames.get_mut(&one) {
                let taken = inner.undo.drain(..);
                all.extend(taken.map(|mut undo| {
                    undo.know(&known);
                    undo
                }));
            }
        }
        all
    }

    /// The variables of a frame and of those around it, as far as `around`.
    fn known_inside(&self, frame: u32, around: u32) -> Map<String, Value> {
        let mut known = Map::new();
        let mut next = Some(frame).filter(|id| *id != around);
        while let Some(inner) = next.and_then(|id| self.instance.frames.get(&id)) {
            for (name, value) in &inner.vars {
                known.entry(name.clone()).or_insert_with(|| value.clone());
            }
            // A called process does not see its caller's.
            let is_seen = inner.kind != FrameKind::Call;
            next = inner.parent.filter(|id| is_seen && *id != around);
        }
        known
    }

    /// The frame, and those that run inside of it, the outer ones first.
    fn frames_below(&self, frame: u32) -> Vec<u32> {
        let mut found = vec![frame];
        // An inner frame is made after the one around it.
        for (id, inner) in &self.instance.frames {
            if inner.parent.is_some_and(|parent| found.contains(&parent)) {
                found.push(*id);
            }
        }
        found
    }

    /// The nearest frame around that runs a transaction; the frame itself where there is none.
    fn transaction_frame(&self, frame: u32) -> u32 {
        let mut next = Some(frame);
        while let Some((id, inner)) = next.and_then(|id| Some((id, self.instance.frames.get(&id)?)))
        {
            let node = self.model.lookup(&inner.of).map(|ix| &self.model[ix].kind);
            if inner.kind == FrameKind::Sub && matches!(node, Some(Kind::Sub(Sub::Transaction))) {
                return id;
            }
            next = inner.parent;
        }
        frame
    }

    fn cancelled(&mut self, frame: u32, node: NodeIx) {
        let id = self.model[node].id.clone();
        self.left(&id, frame);
        let owner = self.host_of(frame);
        let host = owner.and_then(|token| self.node_of(self.instance.tokens.get(&token)?));
        let event = host.and_then(|host| {
            let is_cancel = |&ix: &NodeIx| {
                let definitions = self.model[ix].definitions();
                definitions.iter().any(|d| matches!(d, Definition::Cancel))
            };
            self.model[host].boundary.iter().copied().find(is_cancel)
        });
        match (owner, event) {
            (Some(token), Some(event)) => self.interrupt(token, event),
            // Nobody says how a cancelled transaction goes on; the normal way is for success.
            (Some(token), None) => {
                if let Some(held) = self.cancel(token) {
                    self.release(held.frame);
                    if let Some(host) = host {
                        self.after_last(held.frame, host);
                    }
                }
            }
            _ => self.release(frame),
        }
    }
}

fn compensates(definitions: &[Definition]) -> bool {
    definitions
        .iter()
        .any(|definition| matches!(definition, Definition::Compensation { .. }))
}

/// Whether a definition undoes an activity: the one that it names, or each.
fn undoes(definition: &Definition, activity: &Id) -> bool {
    match definition {
        Definition::Compensation {
            activity: named, ..
        } => named.as_deref().is_none_or(|named| **activity == *named),
        Definition::Cancel => true,
        _ => false,
    }
}

/// Whether a throwing event goes on only when all is undone: by its own word, or because what it
/// throws then ends the scope in which handlers run.
pub(super) fn waits_for_undoing(item: &Node) -> bool {
    item.throws(|definition| {
        matches!(
            definition,
            Definition::Compensation { waits: true, .. }
                | Definition::Error { .. }
                | Definition::Terminate
                | Definition::Cancel
        )
    })
}

/// Newest last, so that taking from the end undoes in reverse order. What was known around a step
/// is known to it.
fn flatten(undo: Vec<Undo>, around: &Map<String, Value>, steps: &mut Vec<Undo>) {
    for mut entry in undo {
        entry.know(around);
        if entry.by.is_some() {
            steps.push(entry);
        } else {
            flatten(entry.inner, &entry.vars, steps);
        }
    }
}

impl Undo {
    /// Adds what was known around it; its own variables hide others.
    pub(super) fn know(&mut self, around: &Map<String, Value>) {
        for (name, value) in around {
            if !self.vars.contains_key(name) {
                self.vars.insert(name.clone(), value.clone());
            }
        }
    }
}
