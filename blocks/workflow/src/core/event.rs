//! Events: what waits for them, what throws them, and who catches.

use std::collections::BTreeSet;

use chrono::DateTime;
use serde_json::{Map, Value};

use super::{
    Due, Effect, FrameKind, Instance, Owner, Process, Rejection, State, Status, Timer,
    run::{Run, Work},
    timer::{self, Every},
};
use crate::{
    expr::Expr,
    model::{
        Definition, Event, Id, Kind, Model, Node, NodeIx, Place, ScopeIx, Source, Task, TimerSource,
    },
};

/// What is looked for among everything that waits.
enum Wanted<'a> {
    Message(&'a str),
    Signal(&'a str),
    Condition,
    /// Whatever waits at this element.
    At(&'a str),
}

impl Wanted<'_> {
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

/// How many places of an instance wait for the message, told apart by the key where one is given.
pub fn waiting_for_message(
    process: &Process,
    instance: &Instance,
    name: &str,
    key: Option<&Value>,
) -> usize {
    let run = Run::new(process, instance.clone(), DateTime::UNIX_EPOCH);
    let found = run.subscriptions(&Wanted::Message(name)).into_iter();
    found
        .filter(|one| key.is_none_or(|key| run.correlates(one.owner, one.event, key)))
        .count()
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
    /// Value of `tongban:correlation`, where the event has one.
    pub key: Option<String>,
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
    let run = Run::new(process, instance.clone(), DateTime::UNIX_EPOCH);
    let mut found = BTreeSet::new();
    for (heard, name) in &process.heard {
        let wanted = match heard {
            Heard::Message => Wanted::Message(name),
            Heard::Signal => Wanted::Signal(name),
        };
        for waiting in run.subscriptions(&wanted) {
            found.insert(Wait {
                heard: *heard,
                name: name.clone(),
                element: process.model[waiting.event].id.clone(),
                key: run.key_of(waiting.owner, waiting.event),
            });
        }
    }
    found
}

/// What is remembered of a parallel multiple event: that this definition came.
fn mark(node: &Node, nth: usize) -> Id {
    Id::from(format!("{}#{nth}", node.id))
}

/// An event that waits: by whom, which event, which of its definitions.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Waiting {
    owner: Owner,
    event: NodeIx,
    nth: usize,
}

/// What is thrown upwards until something catches it.
#[derive(Clone, Copy)]
enum Thrown<'a> {
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
    // Waiting

    /// A token comes to an intermediate catch event.
    pub(super) fn wait_at(&mut self, frame: u32, node: NodeIx) {
        if self.model[node].definitions().is_empty() {
            return self.leave(frame, node);
        }
        let token = self.rest(frame, node, State::Catch);
        if let Err(text) = self.arm(Owner::Token(token), frame, node) {
            self.stop_silently(token, text);
        }
        self.changed = true;
    }

    pub(super) fn choose_by_event(&mut self, frame: u32, node: NodeIx) {
        let token = self.rest(frame, node, State::Choice);
        let model = self.model;
        for &flow in &model[node].outgoing {
            if let Err(text) = self.arm(Owner::Token(token), frame, model[flow].to) {
                return self.stop_silently(token, text);
            }
        }
        self.changed = true;
    }

    /// Starts the timers of the event sub-processes of a scope.
    pub(super) fn arm_frame(&mut self, frame: u32, scope: ScopeIx) {
        for start in self.event_sub_starts(scope) {
            self.changed = true;
            if let Err(text) = self.arm(Owner::Frame(frame), frame, start) {
                let element = self.model[start].id.clone();
                self.effects.push(Effect::Incident {
                    token: 0,
                    element,
                    text,
                });
            }
        }
    }

    fn event_sub_starts(&self, scope: ScopeIx) -> Vec<NodeIx> {
        let bodies = self.model[scope]
            .event_subs
            .iter()
            .filter_map(|&sub| self.model[sub].body);
        let starts = bodies.flat_map(|body| self.model[body].nodes.iter().copied());
        starts.filter(|&ix| self.model[ix].is_start()).collect()
    }

    /// Starts the timers of one event.
    pub(super) fn arm(&mut self, owner: Owner, frame: u32, event: NodeIx) -> Result<(), String> {
        let model = self.model;
        for (nth, definition) in model[event].definitions().iter().enumerate() {
            match definition {
                Definition::Timer(source) => {
                    let nth = u32::try_from(nth).unwrap_or(u32::MAX);
                    self.arm_timer(owner, frame, (event, nth), source)?;
                }
                Definition::Conditional { .. } => self.conditions_armed = true,
                _ => {}
            }
        }
        Ok(())
    }

    fn arm_timer(
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
                // A cron line may hold a stroke itself, as `0/15`.
                armed.every = match cycle.every {
                    Every::Span(_) => text
                        .split('/')
                        .find(|part| timer::span(part).is_some())
                        .map(str::to_owned),
                    Every::Cron(_) => Some(text.clone()),
                };
                let first = cycle.start.or_else(|| cycle.every.next(self.now));
                first.ok_or_else(|| wrong(source, &text))?
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

    fn text(&self, source: &Source, frame: u32) -> Result<String, String> {
        match self.value(source, frame)? {
            Value::String(text) => Ok(text),
            other => Err(format!("`{}` is no text but `{other}`", source.text)),
        }
    }

    // From outside

    pub(super) fn timer(&mut self, id: u32) -> Result<(), Rejection> {
        let fired = self
            .instance
            .timers
            .remove(&id)
            .ok_or(Rejection::NoSuchTimer(id))?;
        let event = self
            .model
            .lookup(&fired.at)
            .ok_or(Rejection::NoSuchTimer(id))?;
        let next = fired
            .every
            .as_deref()
            .and_then(timer::every)
            .filter(|_| fired.left != Some(0))
            .and_then(|every| {
                // Strokes that nobody heard are made up for by this one.
                let due = every.next(fired.due.unwrap_or(self.now))?;
                if due < self.now {
                    every.next(self.now)
                } else {
                    Some(due)
                }
            });
        if let Some(due) = next.filter(|_| !self.model[event].interrupts()) {
            let left = fired.left.map(|left| left.saturating_sub(1));
            self.add_timer(
                Timer {
                    due: Some(due),
                    left,
                    ..fired.clone()
                },
                Due::At(due),
            );
        }
        self.fire(fired.owner, event, fired.nth as usize, Map::new());
        Ok(())
    }

    pub(super) fn trigger(
        &mut self,
        element: &str,
        vars: Map<String, Value>,
    ) -> Result<(), Rejection> {
        let mut wanted = element.to_owned();
        // An event sub-process may be named instead of its start event.
        if let Some(sub) = self
            .model
            .lookup(element)
            .filter(|&ix| self.model[ix].is_event_sub())
        {
            let start = self.model[sub].body.and_then(|body| {
                self.model[body]
                    .nodes
                    .iter()
                    .copied()
                    .find(|&ix| self.model[ix].is_start())
            });
            if let Some(start) = start {
                wanted = self.model[start].id.to_string();
            }
        }
        let found = self.subscriptions(&Wanted::At(&wanted)).into_iter().next();
        let found = found.ok_or_else(|| Rejection::NotWaiting(element.to_owned()))?;
        self.fire(found.owner, found.event, found.nth, vars);
        Ok(())
    }

    pub(super) fn message(
        &mut self,
        name: &str,
        key: Option<&Value>,
        vars: Map<String, Value>,
    ) -> Result<(), Rejection> {
        let mut found = self.subscriptions(&Wanted::Message(name));
        if let Some(key) = key {
            found.retain(|waiting| self.correlates(waiting.owner, waiting.event, key));
        }
        match found.as_slice() {
            [] => Err(Rejection::NothingWaits(name.to_owned())),
            [one] => {
                self.fire(one.owner, one.event, one.nth, vars);
                Ok(())
            }
            several => Err(Rejection::Ambiguous(name.to_owned(), several.len())),
        }
    }

    /// Whether the waiting event asks for this key; one that asks for none takes any.
    fn correlates(&self, owner: Owner, event: NodeIx, key: &Value) -> bool {
        self.correlation(owner, event)
            .is_none_or(|value| value.as_ref() == Ok(key))
    }

    /// What an event that waits is told apart by; none if it takes every message of its name.
    fn correlation(&self, owner: Owner, event: NodeIx) -> Option<Result<Value, String>> {
        let text = self.model[event].attribute("correlation")?;
        let frame = self.frame_of(owner);
        Some(Expr::parse(text).and_then(|expr| expr.evaluate(&self.view(frame, None))))
    }

    /// As [`Self::correlation`], as text; one that cannot be told fits no key.
    fn key_of(&self, owner: Owner, event: NodeIx) -> Option<String> {
        let value = self.correlation(owner, event)?;
        Some(value.map_or_else(|_| String::new(), |value| value.to_string()))
    }

    fn frame_of(&self, owner: Owner) -> u32 {
        match owner {
            Owner::Frame(frame) => frame,
            Owner::Token(token) => self
                .instance
                .tokens
                .get(&token)
                .map_or(0, |held| held.frame),
        }
    }

    /// Everything that catches the signal; `None` thrown from outside, else by an event inside.
    pub(super) fn signal(&mut self, name: &str, thrown_by: Option<&Id>, vars: &Map<String, Value>) {
        if let Some(element) = thrown_by {
            self.effects.push(Effect::Signal {
                element: element.clone(),
                name: name.to_owned(),
            });
        }
        for waiting in self.subscriptions(&Wanted::Signal(name)) {
            // Whoever heard it first may have ended others that waited.
            if self.still_waits(waiting.owner) {
                self.fire(waiting.owner, waiting.event, waiting.nth, vars.clone());
            }
        }
    }

    pub(super) fn task_error(
        &mut self,
        token: u32,
        code: &str,
        message: &str,
        mut vars: Map<String, Value>,
    ) -> Result<(), Rejection> {
        let (frame, node) = self.waiting_task(token)?;
        let code = self.error_code(code);
        let code = code.as_str();
        let element = self.model[node].id.clone();
        self.effects.push(Effect::Error {
            element,
            code: code.to_owned(),
        });
        vars.insert("errorCode".to_owned(), Value::from(code));
        vars.insert("errorMessage".to_owned(), Value::from(message));
        match self.catcher(frame, Some(token), Thrown::Error(code)) {
            Some((owner, event)) => self.fire(owner, event, 0, vars),
            None => self.stop(
                token,
                format!("the error `{code}` is not caught anywhere: {message}"),
            ),
        }
        Ok(())
    }

    /// The code of an error that is called by its id or name.
    fn error_code(&self, called: &str) -> String {
        let errors = &self.model.errors;
        if errors.values().any(|error| error.code == called) {
            return called.to_owned();
        }
        let named = errors
            .get(called)
            .or_else(|| errors.values().find(|e| e.name == called));
        named.map_or_else(|| called.to_owned(), |error| error.code.clone())
    }

    pub(super) fn task_escalates(&mut self, token: u32, code: &str) -> Result<(), Rejection> {
        let (frame, node) = self.waiting_task(token)?;
        let element = self.model[node].id.clone();
        self.effects.push(Effect::Escalation {
            element,
            code: code.to_owned(),
        });
        if let Some((owner, event)) = self.catcher(frame, Some(token), Thrown::Escalation(code)) {
            self.fire(owner, event, 0, Map::new());
        }
        Ok(())
    }

    /// Fires conditional events that have become true; whether any did.
    pub(super) fn conditions(&mut self) -> bool {
        if !self.process.has_conditions {
            return !self.work.is_empty();
        }
        let mut any = false;
        for Waiting { owner, event, nth } in self.subscriptions(&Wanted::Condition) {
            let frame = self.frame_of(owner);
            let model = self.model;
            let item = &model[event];
            let is_true = match item.definitions().get(nth) {
                Some(Definition::Conditional {
                    condition: Some(condition),
                }) => self.holds(condition, frame),
                _ => false,
            };
            let was_true = self.holding(owner).is_some_and(|list| {
                let held = list.contains(&item.id);
                list.retain(|id| *id != item.id);
                if is_true && !item.interrupts() {
                    list.push(item.id.clone());
                }
                held
            });
            if is_true && !was_true && self.still_waits(owner) {
                any = true;
                self.fire(owner, event, nth, Map::new());
            }
        }
        any || !self.work.is_empty()
    }

    /// Whether what waited a moment ago is there, and not interrupted.
    fn still_waits(&self, owner: Owner) -> bool {
        match owner {
            Owner::Token(token) => self.instance.tokens.contains_key(&token),
            Owner::Frame(frame) => {
                self.instance.frames.contains_key(&frame) && !self.is_interrupted(frame)
            }
        }
    }

    fn holding(&mut self, owner: Owner) -> Option<&mut Vec<Id>> {
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
    fn subscriptions(&self, wanted: &Wanted<'_>) -> Vec<Waiting> {
        let model = self.model;
        let mut found = Vec::new();
        for (id, token) in &self.instance.tokens {
            let Some(node) = self.node_of(token) else {
                continue;
            };
            let item = &model[node];
            let owner = Owner::Token(*id);
            let mut add = |event: NodeIx| {
                let nth = wanted.fits(&model[event], &token.holding);
                found.extend(nth.map(|nth| Waiting { owner, event, nth }));
            };
            match &token.state {
                State::Catch => add(node),
                State::Task if matches!(item.kind, Kind::Task(Task::Receive { .. })) => add(node),
                State::Choice => item.outgoing.iter().for_each(|&flow| add(model[flow].to)),
                _ => {}
            }
            if !item.boundary.is_empty() && !self.is_iteration(token) {
                item.boundary.iter().for_each(|&event| add(event));
            }
        }
        for (id, frame) in &self.instance.frames {
            if frame.kind == FrameKind::Iteration {
                continue;
            }
            let scope = self.scope_of(*id);
            let Some(scope) = scope.filter(|&scope| !model[scope].event_subs.is_empty()) else {
                continue;
            };
            if self.is_interrupted(*id) {
                continue;
            }
            let owner = Owner::Frame(*id);
            for event in self.event_sub_starts(scope) {
                let nth = wanted.fits(&model[event], &frame.holding);
                found.extend(nth.map(|nth| Waiting { owner, event, nth }));
            }
        }
        found
    }

    fn is_iteration(&self, token: &super::Token) -> bool {
        let frame = self.instance.frames.get(&token.frame);
        frame.is_some_and(|frame| frame.kind == FrameKind::Iteration && frame.of == token.at)
    }

    /// Whether an interrupting event sub-process has taken the frame over.
    fn is_interrupted(&self, frame: u32) -> bool {
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

    // Happening

    /// An event that waits happens.
    pub(super) fn fire(
        &mut self,
        owner: Owner,
        event: NodeIx,
        nth: usize,
        vars: Map<String, Value>,
    ) {
        if !self.all_came(owner, event, nth) {
            let frame = self.frame_of(owner);
            return self.merge(frame, vars);
        }
        match owner {
            Owner::Token(token) => self.fire_token(token, event, vars),
            Owner::Frame(frame) => self.fire_frame(frame, event, vars),
        }
    }

    fn fire_token(&mut self, token: u32, event: NodeIx, vars: Map<String, Value>) {
        let Some(held) = self.instance.tokens.get(&token) else {
            return;
        };
        let frame = held.frame;
        let is_here = self.node_of(held) == Some(event);
        let is_task = held.state == State::Task;
        self.receive(frame, event, vars);
        let model = self.model;
        let item = &model[event];
        if item.is_boundary() {
            if item.interrupts() {
                self.interrupt(token, event);
            } else {
                self.send_through(frame, event);
            }
        } else if is_here && is_task {
            self.done(token);
        } else if is_here {
            self.instance.tokens.remove(&token);
            self.drop_timers(Owner::Token(token));
            self.leave(frame, event);
        } else if let Some(gateway) = self.remove(token) {
            self.left(&gateway.at, frame);
            self.entered(item, frame);
            self.leave(frame, event);
        }
    }

    /// A parallel multiple event happens when each of its definitions has come, in any order.
    fn all_came(&mut self, owner: Owner, event: NodeIx, nth: usize) -> bool {
        let model = self.model;
        let item = &model[event];
        let count = item.definitions().len();
        let is_parallel = item.event().is_some_and(|event| event.is_parallel_multiple);
        if !is_parallel || count < 2 {
            return true;
        }
        let Some(came) = self.holding(owner) else {
            return true;
        };
        let new = mark(item, nth);
        if !came.contains(&new) {
            came.push(new);
        }
        let all = (0..count).all(|nth| came.contains(&mark(item, nth)));
        if all {
            // What does not interrupt waits for all of them anew.
            let marks: Vec<Id> = (0..count).map(|nth| mark(item, nth)).collect();
            came.retain(|came| !marks.contains(came));
        }
        all
    }

    /// What came with an event goes to the variables, and where its data associations lead.
    pub(super) fn receive(&mut self, frame: u32, event: NodeIx, vars: Map<String, Value>) {
        let model = self.model;
        let mut moved = Map::new();
        for mapping in &model[event].data_out {
            let only = vars.values().next().filter(|_| vars.len() == 1);
            let value = match vars.get(&mapping.source.text).or(only) {
                Some(value) => value.clone(),
                None => self.value(&mapping.source, frame).unwrap_or(Value::Null),
            };
            if !value.is_null() {
                moved.insert(mapping.target.clone(), value);
            }
        }
        self.merge(frame, vars);
        self.merge(frame, moved);
    }

    /// A second token goes out by a border event that does not interrupt.
    fn send_through(&mut self, frame: u32, event: NodeIx) {
        self.send(frame, event, None);
    }

    /// A border event ends its activity and the token goes out through the event.
    pub(super) fn interrupt(&mut self, token: u32, event: NodeIx) {
        if let Some(held) = self.remove(token) {
            self.left(&held.at, held.frame);
            self.work.push_back(Work::Enter {
                frame: held.frame,
                node: event,
                via: None,
            });
        }
    }

    fn fire_frame(&mut self, frame: u32, start: NodeIx, vars: Map<String, Value>) {
        let model = self.model;
        let Some(sub) = model[model[start].scope].owner else {
            return;
        };
        self.receive(frame, start, vars);
        let inner = self.open_event_sub(frame, sub);
        if model[start].interrupts() {
            self.empty(frame, Some(inner));
            self.drop_timers(Owner::Frame(frame));
        }
        self.entered(&model[sub], frame);
        if let Some(body) = model[sub].body {
            self.arm_frame(inner, body);
        }
        self.send(inner, start, None);
    }

    // Throwing

    /// A token comes to a throwing or end event.
    pub(super) fn throw(&mut self, frame: u32, node: NodeIx) {
        let model = self.model;
        let item = &model[node];
        // While it throws, the token rests: what it throws may sweep it away.
        let token = self.rest(frame, node, State::Undoing(Vec::new()));
        for definition in item.definitions() {
            match definition {
                Definition::Message { .. }
                | Definition::Signal { .. }
                | Definition::Escalation { .. } => {
                    self.throw_one(frame, item, definition);
                }
                Definition::Error { code, .. } => {
                    return self.fail_by_error(frame, token, item, code.as_deref());
                }
                Definition::Terminate => return self.terminate(frame, item),
                Definition::Cancel => {
                    self.instance.tokens.remove(&token);
                    return self.cancel_transaction(frame, node);
                }
                Definition::Compensation { activity, waits } => {
                    self.instance.tokens.remove(&token);
                    return self.compensate(frame, node, activity.as_deref(), *waits);
                }
                Definition::Link { .. } => {
                    if let Some(target) = model.link_target(node) {
                        self.instance.tokens.remove(&token);
                        self.left(&item.id, frame);
                        self.work.push_back(Work::Enter {
                            frame,
                            node: target,
                            via: None,
                        });
                        return;
                    }
                }
                Definition::Timer(_) | Definition::Conditional { .. } => {}
            }
            if !self.instance.tokens.contains_key(&token) {
                return;
            }
        }
        self.instance.tokens.remove(&token);
        self.leave(frame, node);
    }

    /// Throws what leaves its token where it is.
    pub(super) fn throw_one(&mut self, frame: u32, item: &Node, definition: &Definition) {
        match definition {
            Definition::Message { name, .. } => {
                let vars = self.sent(frame, item);
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

    fn fail_by_error(&mut self, frame: u32, token: u32, item: &Node, code: Option<&str>) {
        let code = code.unwrap_or_default();
        self.effects.push(Effect::Error {
            element: item.id.clone(),
            code: code.to_owned(),
        });
        match self.catcher(frame, None, Thrown::Error(code)) {
            Some((owner, event)) => {
                let vars = Map::from_iter([("errorCode".to_owned(), Value::from(code))]);
                self.instance.tokens.remove(&token);
                self.left(&item.id, frame);
                self.release(frame);
                self.fire(owner, event, 0, vars);
            }
            None => self.finish(
                Status::Failed,
                Some(format!("the error `{code}` is not caught anywhere")),
            ),
        }
    }

    fn terminate(&mut self, frame: u32, item: &Node) {
        self.left(&item.id, frame);
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

    /// Who catches what is thrown in a frame (by a task of it, or by an event): the border of the
    /// task, then, from the inside out, event sub-processes and the borders of activities.
    fn catcher(
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

    fn on_border(&self, token: u32, thrown: Thrown<'_>) -> Option<(Owner, NodeIx)> {
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

impl Event {
    /// Whether the event is of a place that waits inside a flow.
    pub fn is_catch(&self) -> bool {
        self.place == Place::Catch
    }
}
