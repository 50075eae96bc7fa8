//! Events that throw, and who catches.

use serde_json::{Map, Value};

use super::{
    Effect, FrameKind, Owner, State, Status,
    correlation::message_of,
    run::{Run, Work},
};
use crate::model::{Definition, Node, NodeIx, Source};

/// What is thrown upwards until something catches it.
#[derive(Clone, Copy)]
pub(super) enum Thrown<'a> {
    Error(&'a str),
    Escalation(&'a str),
}

impl Thrown<'_> {
    fn is_caught_by(self, node: &Node, by_name: bool) -> bool {
        node.definitions()
            .iter()
            .any(|definition| match (self, definition) {
                (Self::Error(thrown), Definition::Error { code, .. })
                | (Self::Escalation(thrown), Definition::Escalation { code, .. }) => {
                    if by_name {
                        code.as_deref() == Some(thrown)
                    } else {
                        code.is_none()
                    }
                }
                _ => false,
            })
    }
}

impl Run<'_> {
    /// A token comes to a throwing or end event.
    pub(super) fn throw(&mut self, frame: u32, node: NodeIx) {
        let model = self.model;
        let item = &model[node];
        // While it throws, the token rests: what it throws may sweep it away.
        let token = self.rest(frame, node, State::Undoing(Vec::new()));
        let messages = (0..item.definitions().len()).filter_map(|nth| message_of(item, nth));
        for name in messages {
            if let Err(text) = self.may_send(frame, item, name) {
                return self.stop_silently(token, text);
            }
        }
        // All results are thrown (BPMN 2.0.2, 10.5.3), so first those after which others can follow.
        for definition in item.definitions() {
            self.throw_one(frame, item, definition);
            if !self.instance.tokens.contains_key(&token) {
                return;
            }
        }
        self.instance.tokens.remove(&token);
        if let Some(target) = model.link_target(node) {
            self.left(&item.id, frame);
            self.work.push_back(Work::Enter {
                frame,
                node: target,
                via: None,
            });
        } else if item.throws(|last| matches!(last, Definition::Cancel)) {
            self.cancel_transaction(frame, node);
        } else if item.throws(|last| matches!(last, Definition::Compensation { .. })) {
            self.compensate(frame, node);
        } else {
            self.end_throw(frame, node);
        }
    }

    /// What an event throws last: what ends the scope, or else its token goes on.
    pub(super) fn end_throw(&mut self, frame: u32, node: NodeIx) {
        let model = self.model;
        let item = &model[node];
        let error = item
            .definitions()
            .iter()
            .find_map(|definition| match definition {
                Definition::Error { code, .. } => Some(code.as_deref()),
                _ => None,
            });
        if let Some(code) = error {
            self.fail_by_error(frame, item, code);
        } else if item.throws(|last| matches!(last, Definition::Terminate)) {
            self.terminate(frame, item);
        } else {
            self.leave(frame, node);
        }
    }

    /// Throws what leaves its token where it is.
    pub(super) fn throw_one(&mut self, frame: u32, item: &Node, definition: &Definition) {
        match definition {
            Definition::Message { name, .. } => {
                let vars = self.sent(frame, item);
                self.learn(frame, item, name, &vars);
                let (element, name) = (item.id.clone(), name.clone());
                self.effects.push(Effect::Message {
                    element,
                    name,
                    vars,
                });
            }
            Definition::Signal { name } => self.signal(name, Some(&item.id), &Map::new()),
            Definition::Escalation { code, .. } => {
                self.escalate(frame, None, item, code.as_deref().unwrap_or_default());
            }
            _ => {}
        }
    }

    /// What a message carries: the data inputs of what sends it, otherwise all it sees.
    pub(super) fn sent(&self, frame: u32, item: &Node) -> Map<String, Value> {
        if item.data_in.is_empty() {
            return self.instance.visible(frame);
        }
        let inputs = item.data_in.iter();
        let value = |source: &Source| self.value(source, frame).unwrap_or(Value::Null);
        inputs
            .map(|m| (m.target.clone(), value(&m.source)))
            .collect()
    }

    /// `task` is the activity that escalates by itself, if no event does.
    pub(super) fn escalate(&mut self, frame: u32, task: Option<u32>, item: &Node, code: &str) {
        self.effects.push(Effect::Escalation {
            element: item.id.clone(),
            code: code.to_owned(),
        });
        if let Some((owner, event)) = self.catcher(frame, task, Thrown::Escalation(code)) {
            self.fire(owner, event, 0, Map::new());
        }
    }

    pub(super) fn fail_by_error(&mut self, frame: u32, item: &Node, code: Option<&str>) {
        let code = code.unwrap_or_default();
        self.effects.push(Effect::Error {
            element: item.id.clone(),
            code: code.to_owned(),
        });
        self.left(&item.id, frame);
        let Some((owner, event)) = self.catcher(frame, None, Thrown::Error(code)) else {
            let reason = format!("the error `{code}` is not caught anywhere");
            return self.finish(Status::Failed, Some(reason));
        };
        let vars = Map::from_iter([("errorCode".to_owned(), Value::from(code))]);
        self.release(frame);
        self.fire(owner, event, 0, vars);
    }

    pub(super) fn terminate(&mut self, frame: u32, item: &Node) {
        self.left(&item.id, frame);
        let frame = self.scope_frame(frame);
        let is_root = self
            .instance
            .frames
            .get(&frame)
            .is_some_and(|inner| inner.kind == FrameKind::Root);
        if is_root {
            self.finish(Status::Terminated, None);
        } else {
            self.empty(frame, None);
            self.work.push_back(Work::Check(frame));
        }
    }

    /// The frame of the scope in which a frame runs: what goes out from a handler has one inside.
    fn scope_frame(&self, mut frame: u32) -> u32 {
        while let Some(inner) = self.instance.frames.get(&frame)
            && let Some(parent) = inner.parent.filter(|_| inner.kind == FrameKind::Iteration)
        {
            frame = parent;
        }
        frame
    }

    /// Who catches what is thrown in a frame (by a task of it, or by an event): the border of the
    /// task, then, from the inside out, event sub-processes and the borders of activities.
    pub(super) fn catcher(
        &self,
        frame: u32,
        task: Option<u32>,
        thrown: Thrown<'_>,
    ) -> Option<(Owner, NodeIx)> {
        if let Some(token) = task
            && let Some(found) = self.on_border(token, thrown)
        {
            return Some(found);
        }
        let mut at = frame;
        // An event sub-process does not catch what is thrown from itself; those beside it do.
        let mut thrower: Option<NodeIx> = None;
        loop {
            let inner = self.instance.frames.get(&at)?;
            if inner.kind != FrameKind::Iteration && !self.is_interrupted(at) {
                let mut starts = self
                    .scope_of(at)
                    .map(|scope| self.event_sub_starts(scope))
                    .unwrap_or_default();
                starts.retain(|&start| {
                    thrower.is_none() || self.model[self.model[start].scope].owner != thrower
                });
                for by_name in [true, false] {
                    let caught = starts
                        .iter()
                        .find(|&&start| thrown.is_caught_by(&self.model[start], by_name));
                    if let Some(&start) = caught {
                        return Some((Owner::Frame(at), start));
                    }
                }
            }
            thrower = (inner.kind == FrameKind::EventSub)
                .then(|| self.model.lookup(&inner.of))
                .flatten();
            if let Some(owner) = inner.owner
                && let Some(found) = self.on_border(owner, thrown)
            {
                return Some(found);
            }
            at = inner.parent?;
        }
    }

    pub(super) fn on_border(&self, token: u32, thrown: Thrown<'_>) -> Option<(Owner, NodeIx)> {
        let held = self.instance.tokens.get(&token)?;
        if self.is_iteration(held) {
            return None;
        }
        let border = &self.model[self.node_of(held)?].boundary;
        [true, false].into_iter().find_map(|by_name| {
            let caught = border
                .iter()
                .find(|&&event| thrown.is_caught_by(&self.model[event], by_name));
            caught.map(|&event| (Owner::Token(token), event))
        })
    }
}

impl Node {
    /// Whether a result of a throwing event is of a kind.
    pub(super) fn throws(&self, is: impl Fn(&Definition) -> bool) -> bool {
        self.definitions().iter().any(is)
    }
}
