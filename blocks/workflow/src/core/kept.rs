//! What fails after the work was done: the token stops where it is, and a retry goes on from there.

use serde_json::{Map, Value};

use super::{
    FrameKind, Kept, Owner, State, Timer,
    run::{Run, Work},
};
use crate::model::{Kind, NodeIx};

impl Run<'_> {
    /// A token whose work is done stops. It gets a new number: its task is no longer anybody's, and
    /// whoever withdraws it finds what came of it.
    pub(super) fn keep(&mut self, token: u32, kept: Kept, text: String) {
        let Some(id) = self.renumber(token) else {
            return;
        };
        if let Some(held) = self.instance.tokens.get_mut(&id) {
            held.kept = Some(kept);
        }
        self.stop_silently(id, text);
    }

    /// Gives a token a new number; what it waits for goes with it.
    fn renumber(&mut self, token: u32) -> Option<u32> {
        let held = self.instance.tokens.remove(&token)?;
        let id = self.next();
        self.instance.tokens.insert(id, held);
        let is_its = |timer: &Timer| timer.owner == Owner::Token(token);
        for timer in self.instance.timers.pick_mut(is_its) {
            timer.owner = Owner::Token(id);
        }
        Some(id)
    }

    /// A stopped activity does its work anew. Its task is a new one, its border events are not.
    fn begin_again(&mut self, token: u32, frame: u32, node: NodeIx) {
        if let Some(id) = self.renumber(token) {
            self.left_by(&self.model[node].id, frame, true);
            self.entered(&self.model[node], frame);
            self.begin_work(id, frame, node);
        }
    }

    /// As [`Self::keep_event`], with a token of which nobody has heard yet.
    pub(super) fn stop_at_event(&mut self, frame: u32, event: NodeIx, kept: Kept, text: String) {
        self.add_live(frame);
        self.entered(&self.model[event], frame);
        self.keep_event(frame, event, kept, text);
    }

    /// An event has come and cannot be left: the token, which is counted already, stops at it.
    pub(super) fn keep_event(&mut self, frame: u32, event: NodeIx, kept: Kept, text: String) {
        let token = self.rest(frame, event, State::Catch);
        if let Some(held) = self.instance.tokens.get_mut(&token) {
            held.kept = Some(kept);
        }
        self.stop_silently(token, text);
    }

    /// The inside of an activity is over, and its outputs fail. Its frame stays for the next try;
    /// nothing begins in it any more.
    pub(super) fn keep_inside(&mut self, frame: u32, token: u32, text: String) {
        self.drop_timers(Owner::Frame(frame));
        if let Some(held) = self.instance.tokens.get_mut(&token) {
            held.kept = Some(Kept::Inside);
        }
        self.stop_silently(token, text);
    }

    /// Whether the frame is over and only its outputs are not mapped yet.
    pub(super) fn is_kept(&self, owner: Option<u32>) -> bool {
        let held = owner.and_then(|owner| self.instance.tokens.get(&owner));
        held.is_some_and(|held| held.kept == Some(Kept::Inside))
    }

    /// A stopped token goes on after what was done before.
    pub(super) fn resume_kept(&mut self, token: u32, node: NodeIx, kept: Kept) {
        let is_event = matches!(self.model[node].kind, Kind::Event(_));
        let Some(held) = self.instance.tokens.get_mut(&token) else {
            return;
        };
        held.kept = None;
        held.state = State::Task;
        let frame = held.frame;
        match kept {
            Kept::Given(vars) if is_event => match self.receive(frame, node, &vars) {
                Ok(()) => {
                    self.instance.tokens.remove(&token);
                    self.leave(frame, node);
                }
                Err(text) => self.keep(token, Kept::Given(vars), text),
            },
            Kept::Given(vars) => self.give(token, frame, node, vars),
            Kept::Mapped => self.end_kept(token),
            Kept::Begun => self.begin_again(token, frame, node),
            Kept::Leaving => {
                self.instance.tokens.remove(&token);
                self.leave(frame, node);
            }
            Kept::Inside => {
                held.state = State::Body;
                let inside = self.instance.frames.iter();
                let inside = inside.filter(|(_, inner)| {
                    inner.owner == Some(token) && inner.kind != FrameKind::Iteration
                });
                let frames: Vec<u32> = inside.map(|(id, _)| *id).collect();
                self.work.extend(frames.into_iter().map(Work::Check));
            }
        }
    }

    /// What whoever did the work gave goes to the variables, and the activity ends.
    pub(super) fn give(&mut self, token: u32, frame: u32, node: NodeIx, vars: Map<String, Value>) {
        match self.given(frame, node, &vars) {
            Ok(()) => self.done(token),
            Err(text) => self.keep(token, Kept::Given(vars), text),
        }
    }

    fn given(&mut self, frame: u32, node: NodeIx, vars: &Map<String, Value>) -> Result<(), String> {
        if self.model[node].outputs.is_empty() {
            self.merge(frame, vars.clone());
            return Ok(());
        }
        let mut seen = self.inputs(frame, node)?;
        seen.extend(vars.clone());
        self.output(frame, node, vars, &seen)
    }

    /// An activity of which all is in the variables: one run of it, or the activity with all its
    /// instances.
    fn end_kept(&mut self, token: u32) {
        let Some(held) = self.instance.tokens.get(&token) else {
            return;
        };
        let is_whole = self
            .node_of(held)
            .is_some_and(|node| self.model[node].repeat.is_some() && !self.is_iteration(held));
        if is_whole {
            self.leave_activity(token);
        } else {
            self.done(token);
        }
    }
}
