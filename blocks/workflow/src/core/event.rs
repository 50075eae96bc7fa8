//! Events that come: what was waited for happens.

use serde_json::{Map, Value};

use super::{
    Came, Due, Effect, Kept, Owner, Rejection, State, Timer,
    correlation::message_of,
    run::{Run, Work},
    throw::Thrown,
    timer,
    wait::{Waiting, Wanted, mark},
};
use crate::model::{Definition, Event, Id, NodeIx, Place};

impl Run<'_> {
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
            .and_then(timer::strokes)
            .filter(|_| fired.left != Some(0))
            .and_then(|(every, end)| {
                // Strokes that nobody heard are made up for by this one.
                let due = every.next(fired.due.unwrap_or(self.now))?;
                let due = every.not_past(due, self.now)?;
                Some(due).filter(|due| end.is_none_or(|end| *due <= end))
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
        vars: &Map<String, Value>,
    ) -> Result<(), Rejection> {
        let wanted = self.element_of(element);
        let found = self.subscriptions(&Wanted::At(&wanted)).into_iter().next();
        let found = found.ok_or_else(|| Rejection::NotWaiting(element.to_owned()))?;
        for nth in self.open_of(&found) {
            self.fire(found.owner, found.event, nth, vars.clone());
        }
        Ok(())
    }

    /// By which of its definitions an event happens that is triggered: all that have not come, where
    /// all have to come.
    fn open_of(&mut self, found: &Waiting) -> Vec<usize> {
        let item = &self.model[found.event];
        if !item.event().is_some_and(|event| event.is_parallel_multiple) {
            return vec![found.nth];
        }
        let came = self.holding(found.owner).cloned().unwrap_or_default();
        let all = found.nth..item.definitions().len().max(1);
        all.filter(|&nth| !came.contains(&mark(item, nth)))
            .collect()
    }

    /// An event sub-process may be named instead of its start event.
    pub(super) fn element_of(&self, named: &str) -> Id {
        let model = self.model;
        let sub = model.lookup(named).filter(|&ix| model[ix].is_event_sub());
        let body = sub.and_then(|sub| model[sub].body);
        let mut inside = body.iter().flat_map(|&body| &model[body].nodes);
        match inside.find(|&&ix| model[ix].is_start()) {
            Some(&start) => model[start].id.clone(),
            None => Id::from(named),
        }
    }

    pub(super) fn message(&mut self, came: &Came<'_>) -> Result<(), Rejection> {
        match (self.meant(came).as_slice(), came.to) {
            ([], Some(to)) => Err(Rejection::NotWaiting(to.to_owned())),
            ([], None) => Err(Rejection::NothingWaits(came.name.to_owned())),
            // At one element one is as good as the other.
            ([one], _) | ([one, ..], Some(_)) => {
                self.fire(one.owner, one.event, one.nth, came.vars.clone());
                Ok(())
            }
            (several, None) => Err(Rejection::Ambiguous(came.name.to_owned(), several.len())),
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
        let mut found = self.subscriptions(&Wanted::Signal(name));
        // What interrupts would take the hearing from what does not, if it came first in the file.
        found.sort_by_key(|waiting| {
            let item = &self.model[waiting.event];
            (item.is_boundary() || item.is_start()) && item.interrupts()
        });
        for waiting in found {
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
    pub(super) fn error_code(&self, called: &str) -> String {
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

    /// Fires conditional events that have become true.
    pub(super) fn conditions(&mut self) {
        if !self.process.has_conditions {
            return;
        }
        for Waiting { owner, event, nth } in self.on_conditions() {
            let frame = self.frame_of(owner);
            let model = self.model;
            let item = &model[event];
            let is_true = match item.definitions().get(nth) {
                Some(Definition::Conditional {
                    condition: Some(condition),
                }) => self.holds(condition, frame),
                _ => false,
            };
            let known = Id::from(match nth {
                0 => item.id.to_string(),
                nth => format!("{}?{nth}", item.id),
            });
            let was_true = self.holding(owner).is_some_and(|list| {
                let held = list.contains(&known);
                list.retain(|id| *id != known);
                if is_true && !item.interrupts() {
                    list.push(known);
                }
                held
            });
            // The one before may have ended everything.
            if is_true && !was_true && !self.instance.is_over() && self.still_waits(owner) {
                self.fire(owner, event, nth, Map::new());
            }
        }
    }

    /// An event that waits happens.
    pub(super) fn fire(
        &mut self,
        owner: Owner,
        event: NodeIx,
        nth: usize,
        vars: Map<String, Value>,
    ) {
        let model = self.model;
        if let Some(name) = message_of(&model[event], nth) {
            self.learn(self.frame_of(owner), &model[event], name, &vars);
        }
        if !self.all_came(owner, event, nth) {
            let frame = self.frame_of(owner);
            return self.merge(frame, vars);
        }
        match owner {
            Owner::Token(token) => self.fire_token(token, event, vars),
            Owner::Frame(frame) => self.fire_frame(frame, event, vars),
        }
    }

    pub(super) fn fire_token(&mut self, token: u32, event: NodeIx, vars: Map<String, Value>) {
        let Some(held) = self.instance.tokens.get(&token) else {
            return;
        };
        let frame = held.frame;
        let is_here = self.node_of(held) == Some(event);
        let is_task = held.state == State::Task;
        let received = self.receive(frame, event, &vars);
        let model = self.model;
        let item = &model[event];
        let kept = Kept::Given(vars);
        match received {
            Ok(()) if item.is_boundary() && item.interrupts() => self.interrupt(token, event),
            Ok(()) if item.is_boundary() => self.send_through(frame, event),
            Ok(()) if is_here && is_task => self.done(token),
            Ok(()) if is_here => {
                self.instance.tokens.remove(&token);
                self.drop_timers(Owner::Token(token));
                self.leave(frame, event);
            }
            Err(text) if is_here => self.keep(token, kept, text),
            Err(text) if item.is_boundary() && !item.interrupts() => {
                self.stop_at_event(frame, event, kept, text);
            }
            // The token of the activity or gateway becomes that of the event.
            received => {
                let Some(held) = self.remove(token) else {
                    return;
                };
                self.left_by(&held.at, frame, item.is_boundary());
                self.entered(item, frame);
                match received {
                    Ok(()) => self.leave(frame, event),
                    Err(text) => self.keep_event(frame, event, kept, text),
                }
            }
        }
    }

    /// A parallel multiple event happens when each of its definitions has come, in any order.
    pub(super) fn all_came(&mut self, owner: Owner, event: NodeIx, nth: usize) -> bool {
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
    pub(super) fn receive(
        &mut self,
        frame: u32,
        event: NodeIx,
        vars: &Map<String, Value>,
    ) -> Result<(), String> {
        let model = self.model;
        let mut moved = Map::new();
        // Of several that came together, only the names tell which is meant.
        let takes_all = |event: &Event| event.is_parallel_multiple && event.definitions.len() > 1;
        let is_alone = vars.len() == 1 && !model[event].event().is_some_and(takes_all);
        for mapping in &model[event].data_out {
            let only = vars.values().next().filter(|_| is_alone);
            let value = match vars.get(&mapping.source.text).or(only) {
                Some(value) => value.clone(),
                None => self.mapped_out(mapping, frame, &moved)?,
            };
            if !value.is_null() {
                moved.insert(mapping.target.clone(), value);
            }
        }
        if model[event].outputs.is_empty() {
            self.merge(frame, vars.clone());
        } else {
            self.output(frame, event, vars, vars)?;
        }
        self.merge(frame, moved);
        Ok(())
    }

    /// A second token goes out by a border event that does not interrupt.
    pub(super) fn send_through(&mut self, frame: u32, event: NodeIx) {
        self.send(frame, event, None);
    }

    /// A border event ends its activity and the token goes out through the event.
    pub(super) fn interrupt(&mut self, token: u32, event: NodeIx) {
        if let Some(held) = self.cancel(token) {
            self.work.push_back(Work::Enter {
                frame: held.frame,
                node: event,
                via: None,
            });
        }
    }

    pub(super) fn fire_frame(&mut self, frame: u32, start: NodeIx, vars: Map<String, Value>) {
        let model = self.model;
        let Some(sub) = model[model[start].scope].owner else {
            return;
        };
        let inner = self.open_event_sub(frame, sub);
        if model[start].interrupts() {
            self.end_ad_hoc(frame);
            self.empty(frame, Some(inner));
            self.drop_timers(Owner::Frame(frame));
        }
        self.entered(&model[sub], frame);
        let mut received = Ok(());
        if let Some(body) = model[sub].body {
            if let Some(opened) = self.instance.frames.get_mut(&inner) {
                let data = model[body].data.iter();
                opened.vars = data.map(|name| (name.clone(), Value::Null)).collect();
            }
            received = self.receive(inner, start, &vars);
            self.arm_frame(inner, body);
        }
        match received {
            Ok(()) => self.send(inner, start, None),
            Err(text) => self.stop_at_event(inner, start, Kept::Given(vars), text),
        }
    }
}

impl Event {
    /// Whether the event is of a place that waits inside a flow.
    pub fn is_catch(&self) -> bool {
        self.place == Place::Catch
    }
}
