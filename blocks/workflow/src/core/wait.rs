//! What an instance waits for: how it begins to wait, and who is found by what comes.

use std::collections::BTreeSet;

use chrono::DateTime;
use serde_json::Value;

use super::{
    Due, Frame, FrameKind, Instance, Kept, Owner, Process, State, Timer, Token,
    correlation::Expected, run::Run, timer,
};
use crate::model::{
    Definition, Event, Id, Kind, Model, Node, NodeIx, Place, ScopeIx, Source, Task, TimerSource,
};

/// What is looked for among everything that waits.
pub(super) enum Wanted<'a> {
    Message(&'a str),
    Signal(&'a str),
    Condition,
    /// Whatever waits at this element.
    At(&'a str),
}

impl Wanted<'_> {
    /// Which definitions of the node it may be. Each condition is looked at by itself; of what
    /// comes from outside one is enough.
    fn all(&self, node: &Node, came: &[Id]) -> impl Iterator<Item = usize> {
        let first = self.fits(node, came);
        let rest = match (self, first) {
            (Wanted::Condition, Some(first)) => first + 1..node.definitions().len(),
            _ => 0..0,
        };
        let is_parallel = node.event().is_some_and(|event| event.is_parallel_multiple);
        let others: Vec<usize> = rest
            .filter(|&nth| {
                let definition = node.definitions().get(nth);
                matches!(definition, Some(Definition::Conditional { .. }))
                    && !(is_parallel && came.contains(&mark(node, nth)))
            })
            .collect();
        first.into_iter().chain(others)
    }

    /// Which definition of the node it is, of those that have not come already.
    fn fits(&self, node: &Node, came: &[Id]) -> Option<usize> {
        if let (Wanted::Message(wanted), Kind::Task(Task::Receive { message, .. })) =
            (self, &node.kind)
        {
            let is_it = message.as_deref() == Some(*wanted) || *node.id == **wanted;
            return is_it.then_some(0);
        }
        let is_parallel = node.event().is_some_and(|event| event.is_parallel_multiple);
        if let Wanted::At(id) = self {
            let count = node.definitions().len().max(1);
            let mut open =
                (0..count).filter(|&nth| !is_parallel || !came.contains(&mark(node, nth)));
            return open.next().filter(|_| *node.id == **id);
        }
        let is_it = |(nth, definition): &(usize, &Definition)| {
            let is_open = !is_parallel || !came.contains(&mark(node, *nth));
            is_open
                && match (self, definition) {
                    (Wanted::Message(wanted), Definition::Message { name, .. })
                    | (Wanted::Signal(wanted), Definition::Signal { name }) => name == wanted,
                    (Wanted::Condition, Definition::Conditional { .. }) => true,
                    _ => false,
                }
        };
        let found = node.definitions().iter().enumerate().find(is_it);
        found.map(|(nth, _)| nth)
    }
}

/// What is heard from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heard {
    Message,
    Signal,
}

/// A place of an instance that waits for a message or a signal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wait {
    pub heard: Heard,
    pub name: String,
    pub element: Id,
    /// Value of `tongban:correlation` where the event has one, or of a key of its conversation.
    pub key: Option<String>,
    /// How messages carry the key of a conversation; empty for another or none.
    pub recipe: String,
}

/// Names that the elements of a model can wait for.
pub(super) fn heard(model: &Model) -> Vec<(Heard, String)> {
    let mut names: Vec<_> = model.nodes.iter().flat_map(names_of).collect();
    names.sort();
    names.dedup();
    names
}

fn names_of(node: &Node) -> Vec<(Heard, String)> {
    if let Kind::Task(Task::Receive { message, .. }) = &node.kind {
        let name = message.clone().unwrap_or_else(|| node.id.to_string());
        return vec![(Heard::Message, name)];
    }
    let throws = |event: &Event| matches!(event.place, Place::Throw | Place::End);
    if node.event().is_some_and(throws) {
        return Vec::new();
    }
    let names = node
        .definitions()
        .iter()
        .filter_map(|definition| match definition {
            Definition::Message { name, .. } => Some((Heard::Message, name.clone())),
            Definition::Signal { name } => Some((Heard::Signal, name.clone())),
            _ => None,
        });
    names.collect()
}

/// Every place of an instance that waits for a message or a signal, without what waits twice alike.
pub fn waits(process: &Process, instance: &Instance) -> BTreeSet<Wait> {
    if process.heard.is_empty() || instance.is_over() {
        return BTreeSet::new();
    }
    waits_in(process, &mut instance.clone())
}

/// As [`waits`], of an instance that need not be copied; it stays as it is.
pub(crate) fn waits_in(process: &Process, instance: &mut Instance) -> BTreeSet<Wait> {
    if process.heard.is_empty() || instance.is_over() {
        return BTreeSet::new();
    }
    let taken = std::mem::replace(instance, process.instance());
    let run = Run::new(process, taken, DateTime::UNIX_EPOCH);
    let found = run.waits();
    (*instance, _) = run.end();
    found
}

impl Run<'_> {
    fn waits(&self) -> BTreeSet<Wait> {
        let (process, run) = (self.process, self);
        let mut found = BTreeSet::new();
        for (heard, name) in &process.heard {
            let wanted = match heard {
                Heard::Message => Wanted::Message(name),
                Heard::Signal => Wanted::Signal(name),
            };
            for waiting in run.subscriptions(&wanted) {
                let wait = Wait {
                    heard: *heard,
                    name: name.clone(),
                    element: process.model[waiting.event].id.clone(),
                    key: run.key_of(waiting.owner, waiting.event),
                    recipe: String::new(),
                };
                let expected = run.expected(&waiting);
                if expected.is_empty() {
                    found.insert(wait);
                    continue;
                }
                for (recipe, key) in expected.iter().map(Expected::told) {
                    let key = Some(key);
                    let wait = wait.clone();
                    found.insert(Wait {
                        key,
                        recipe,
                        ..wait
                    });
                }
            }
        }
        found
    }
}

/// What is remembered of a parallel multiple event: that this definition came.
pub(super) fn mark(node: &Node, nth: usize) -> Id {
    Id::from(format!("{}#{nth}", node.id))
}

/// An event that waits: by whom, which event, which of its definitions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) owner: Owner,
    pub(super) event: NodeIx,
    pub(super) nth: usize,
}

impl Run<'_> {
    /// A token comes to an intermediate catch event.
    pub(super) fn wait_at(&mut self, frame: u32, node: NodeIx) {
        if self.model[node].definitions().is_empty() {
            return self.leave(frame, node);
        }
        let token = self.rest(frame, node, State::Catch);
        if let Err(text) = self.arm(Owner::Token(token), frame, node) {
            self.stop_silently(token, text);
        }
    }

    pub(super) fn choose_by_event(&mut self, frame: u32, node: NodeIx) {
        let token = self.rest(frame, node, State::Choice);
        let model = self.model;
        for &flow in &model[node].outgoing {
            if let Err(text) = self.arm(Owner::Token(token), frame, model[flow].to) {
                return self.stop_silently(token, text);
            }
        }
    }

    /// Starts the timers of the event sub-processes of a scope.
    pub(super) fn arm_frame(&mut self, frame: u32, scope: ScopeIx) {
        for start in self.event_sub_starts(scope) {
            if let Err(text) = self.arm_start(frame, start) {
                // A token of its own keeps what failed in sight, and the scope open for a retry.
                self.add_live(frame);
                self.entered(&self.model[start], frame);
                let token = self.rest(frame, start, State::Catch);
                self.stop_silently(token, text);
            }
        }
    }

    /// Starts the timers of an event sub-process; all of them or none.
    fn arm_start(&mut self, frame: u32, start: NodeIx) -> Result<(), String> {
        let armed = self.arm(Owner::Frame(frame), frame, start);
        if armed.is_err() {
            let id = &self.model[start].id;
            self.drop_timers_unless(Owner::Frame(frame), |event| event.id != *id);
        }
        armed
    }

    /// Tries again to start the timers of an event sub-process, for which a token stopped.
    pub(super) fn arm_again(&mut self, token: u32, frame: u32, start: NodeIx) {
        match self.arm_start(frame, start) {
            Ok(()) => {
                self.instance.tokens.remove(&token);
                self.left(&self.model[start].id, frame);
                self.release(frame);
            }
            Err(text) => self.stop_silently(token, text),
        }
    }

    pub(super) fn event_sub_starts(&self, scope: ScopeIx) -> Vec<NodeIx> {
        let bodies = self.model[scope]
            .event_subs
            .iter()
            .filter_map(|&sub| self.model[sub].body);
        let starts = bodies.flat_map(|body| self.model[body].nodes.iter().copied());
        starts.filter(|&ix| self.model[ix].is_start()).collect()
    }

    /// Starts the timers of one event.
    pub(super) fn arm(&mut self, owner: Owner, frame: u32, event: NodeIx) -> Result<(), String> {
        self.arm_but(owner, frame, event, None)
    }

    /// As [`Self::arm`], of which one definition has come already.
    pub(super) fn arm_but(
        &mut self,
        owner: Owner,
        frame: u32,
        event: NodeIx,
        came: Option<usize>,
    ) -> Result<(), String> {
        let model = self.model;
        let definitions = model[event].definitions().iter().enumerate();
        for (nth, definition) in definitions.filter(|(nth, _)| Some(*nth) != came) {
            match definition {
                Definition::Timer(source) => {
                    let nth = u32::try_from(nth).unwrap_or(u32::MAX);
                    self.arm_timer(owner, frame, (event, nth), source)?;
                }
                Definition::Conditional { .. } => self.arm_condition(owner),
                _ => {}
            }
        }
        Ok(())
    }

    fn arm_condition(&mut self, owner: Owner) {
        self.conditions_armed = true;
        if let Some(owners) = &mut self.on_conditions {
            owners.insert(owner);
        }
    }

    pub(super) fn arm_timer(
        &mut self,
        owner: Owner,
        frame: u32,
        (event, nth): (NodeIx, u32),
        source: &TimerSource,
    ) -> Result<(), String> {
        let at = self.model[event].id.clone();
        let mut armed = Timer {
            owner,
            at,
            nth,
            due: None,
            left: Some(0),
            every: None,
        };
        let wrong = |source: &Source, text: &str| {
            format!("`{}` gives `{text}`, which no timer can use", source.text)
        };
        let due = match source {
            TimerSource::Date(source) => {
                let text = self.text(source, frame)?;
                timer::date(&text).ok_or_else(|| wrong(source, &text))?
            }
            TimerSource::Duration(source) => {
                let text = self.text(source, frame)?;
                timer::span(&text)
                    .ok_or_else(|| wrong(source, &text))?
                    .after(self.now)
            }
            TimerSource::Cycle(source) => {
                let text = self.text(source, frame)?;
                let cycle = timer::cycle(&text).ok_or_else(|| wrong(source, &text))?;
                armed.left = cycle.times.map(|times| times.saturating_sub(1));
                armed.every = cycle.strokes(&text);
                let first = cycle.start.or_else(|| cycle.every.next(self.now));
                let first = first.ok_or_else(|| wrong(source, &text))?;
                if cycle.is_over(first) {
                    return Ok(());
                }
                first
            }
            TimerSource::WorkingDays(source) => {
                let value = self.value(source, frame)?;
                let days = value
                    .as_u64()
                    .or_else(|| value.as_str()?.parse().ok())
                    .and_then(|d| u32::try_from(d).ok());
                let days = days.ok_or_else(|| wrong(source, &value.to_string()))?;
                self.add_timer(armed, Due::WorkingDays(days));
                return Ok(());
            }
            TimerSource::Missing => return Err("the timer has no time".to_owned()),
        };
        armed.due = Some(due);
        self.add_timer(armed, Due::At(due));
        Ok(())
    }

    pub(super) fn text(&self, source: &Source, frame: u32) -> Result<String, String> {
        match self.value(source, frame)? {
            Value::String(text) => Ok(text),
            other => Err(format!("`{}` is no text but `{other}`", source.text)),
        }
    }

    pub(super) fn frame_of(&self, owner: Owner) -> u32 {
        match owner {
            Owner::Frame(frame) => frame,
            Owner::Token(token) => self
                .instance
                .tokens
                .get(&token)
                .map_or(0, |held| held.frame),
        }
    }

    /// Whether what waited a moment ago is there, and not interrupted.
    pub(super) fn still_waits(&self, owner: Owner) -> bool {
        match owner {
            Owner::Token(token) => self.instance.tokens.contains_key(&token),
            Owner::Frame(frame) => {
                self.instance.frames.contains_key(&frame) && !self.is_interrupted(frame)
            }
        }
    }

    pub(super) fn holding(&mut self, owner: Owner) -> Option<&mut Vec<Id>> {
        match owner {
            Owner::Token(token) => self
                .instance
                .tokens
                .get_mut(&token)
                .map(|held| &mut held.holding),
            Owner::Frame(frame) => self
                .instance
                .frames
                .get_mut(&frame)
                .map(|inner| &mut inner.holding),
        }
    }

    /// Everything that waits for what is wanted, in the order of tokens, then frames.
    pub(super) fn subscriptions(&self, wanted: &Wanted<'_>) -> Vec<Waiting> {
        self.subscriptions_of(self.owners(), wanted)
    }

    /// Everything that waits for a condition. A step that changes variables thousands of times has
    /// thousands of tokens perhaps: they are asked once which of them may.
    pub(super) fn on_conditions(&mut self) -> Vec<Waiting> {
        let mut owners = match self.on_conditions.take() {
            Some(owners) => owners,
            None => self.owners().filter(|o| self.may_await(*o)).collect(),
        };
        owners.retain(|owner| match owner {
            Owner::Token(token) => self.instance.tokens.contains_key(token),
            Owner::Frame(frame) => self.instance.frames.contains_key(frame),
        });
        let found = self.subscriptions_of(owners.iter().copied(), &Wanted::Condition);
        debug_assert!(found == self.subscriptions(&Wanted::Condition));
        self.on_conditions = Some(owners);
        found
    }

    fn owners(&self) -> impl Iterator<Item = Owner> {
        let tokens = self.instance.tokens.keys().map(|id| Owner::Token(*id));
        let frames = self.instance.frames.keys().map(|id| Owner::Frame(*id));
        tokens.chain(frames)
    }

    /// Whether a token or frame is at a place where one can wait for a condition.
    fn may_await(&self, owner: Owner) -> bool {
        let model = self.model;
        let is_conditional = |event: &NodeIx| model[*event].is_conditional();
        match owner {
            Owner::Token(token) => {
                let held = self.instance.tokens.get(&token);
                held.and_then(|held| self.node_of(held))
                    .is_some_and(|node| {
                        let item = &model[node];
                        item.is_conditional()
                            || item.boundary.iter().any(is_conditional)
                            || item.outgoing.iter().any(|&f| is_conditional(&model[f].to))
                    })
            }
            Owner::Frame(frame) => {
                let starts = self
                    .scope_of(frame)
                    .map(|scope| self.event_sub_starts(scope));
                starts.is_some_and(|starts| starts.iter().any(is_conditional))
            }
        }
    }

    fn subscriptions_of(
        &self,
        owners: impl Iterator<Item = Owner>,
        wanted: &Wanted<'_>,
    ) -> Vec<Waiting> {
        let mut found = Vec::new();
        let cancelling = self.cancelling();
        let hosts: Vec<u32> = cancelling
            .iter()
            .filter_map(|&frame| self.host_of(frame))
            .collect();
        for owner in owners {
            let (events, came) = match owner {
                Owner::Token(id) => match self.instance.tokens.get(&id) {
                    Some(token) => (self.events_of(token, hosts.contains(&id)), &token.holding),
                    None => continue,
                },
                Owner::Frame(id) if cancelling.contains(&id) => continue,
                Owner::Frame(id) => match self.instance.frames.get(&id) {
                    Some(frame) => (self.starts_of(id, frame), &frame.holding),
                    None => continue,
                },
            };
            for event in events {
                let all = wanted.all(&self.model[event], came);
                found.extend(all.map(|nth| Waiting { owner, event, nth }));
            }
        }
        found
    }

    /// The events at which a token waits.
    fn events_of(&self, token: &Token, is_cancelled: bool) -> Vec<NodeIx> {
        let Some(node) = self.node_of(token) else {
            return Vec::new();
        };
        let item = &self.model[node];
        let mut events = match &token.state {
            State::Catch => vec![node],
            State::Task if matches!(item.kind, Kind::Task(Task::Receive { .. })) => vec![node],
            State::Choice => {
                let flows = item.outgoing.iter();
                flows.map(|&flow| self.model[flow].to).collect()
            }
            _ => Vec::new(),
        };
        if !item.boundary.is_empty() && !is_cancelled && self.is_begun(token) {
            events.extend(&item.boundary);
        }
        events
    }

    /// The events by which event sub-processes of a frame begin.
    fn starts_of(&self, id: u32, frame: &Frame) -> Vec<NodeIx> {
        if frame.kind == FrameKind::Iteration || self.is_kept(frame.owner) {
            return Vec::new();
        }
        let scope = self.scope_of(id);
        let scope = scope.filter(|&scope| !self.model[scope].event_subs.is_empty());
        match scope {
            Some(scope) if !self.is_interrupted(id) => self.event_sub_starts(scope),
            _ => Vec::new(),
        }
    }

    /// Whether the border events of a token's activity wait: not while it collects the tokens that it
    /// takes to begin, nor when it is done.
    fn is_begun(&self, token: &Token) -> bool {
        let is_collecting = matches!(token.state, State::Join(_));
        !is_collecting && token.kept != Some(Kept::Leaving) && !self.is_iteration(token)
    }

    pub(super) fn is_iteration(&self, token: &Token) -> bool {
        self.instance.is_run_of(token.frame, &token.at)
    }

    /// Whether an interrupting event sub-process has taken the frame over.
    pub(super) fn is_interrupted(&self, frame: u32) -> bool {
        let scope = self.scope_of(frame);
        self.instance.frames.values().any(|inner| {
            inner.parent == Some(frame)
                && inner.kind == FrameKind::EventSub
                && self
                    .model
                    .lookup(&inner.of)
                    .filter(|&sub| Some(self.model[sub].scope) == scope)
                    .and_then(|sub| self.model[sub].body)
                    .is_some_and(|body| {
                        let starts = self.model[body]
                            .nodes
                            .iter()
                            .filter(|&&ix| self.model[ix].is_start());
                        starts.into_iter().any(|&ix| self.model[ix].interrupts())
                    })
        })
    }
}
