//! The simulated world: instances, the clock, messages on their way.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, Write},
    sync::Arc,
};

use chrono::{DateTime, Datelike, Days, TimeZone, Utc, Weekday};
use serde_json::{Map, Value, json};

use super::{DONE, FAILED, Options, Step};
use crate::{
    aside::Budget,
    core::{
        self, Came, Due, Effect, Heard, Input, Instance, Process, Rejection, State, Status, Wait,
        timer,
    },
    model::{FlowIx, Kind, Model, Named, Node, NodeIx, Task},
};

/// Inputs to take at the most when nothing else is said.
const MAX_STEPS: usize = 100_000;

/// A message on its way: to which element (none where its name decides), its name, its content.
struct Mail {
    to: String,
    name: String,
    vars: Map<String, Value>,
}

struct Playing {
    process: usize,
    instance: Instance,
}

pub(super) struct World<'a> {
    model: Arc<Model>,
    processes: Vec<Process>,
    runs: Vec<Playing>,
    now: DateTime<Utc>,
    /// Due times of timers counted in working days.
    days: BTreeMap<(usize, u32), DateTime<Utc>>,
    mail: VecDeque<Mail>,
    options: &'a Options,
    steps: usize,
    /// An input was left out because there were as many steps as there may be.
    is_cut: bool,
    next_step: usize,
    out: &'a mut dyn Write,
}

/// What ends a simulation early.
type Failure = Option<String>;

impl<'a> World<'a> {
    pub(super) fn new(
        model: Arc<Model>,
        processes: Vec<Process>,
        options: &'a Options,
        out: &'a mut dyn Write,
    ) -> Self {
        let begin = Utc.with_ymd_and_hms(2026, 1, 5, 0, 0, 0);
        Self {
            model,
            processes,
            runs: Vec::new(),
            now: begin.single().unwrap_or_default(),
            days: BTreeMap::new(),
            mail: VecDeque::new(),
            options,
            steps: 0,
            is_cut: false,
            next_step: 0,
            out,
        }
    }
}

impl World<'_> {
    pub(super) fn play(&mut self) -> io::Result<Failure> {
        self.begin()?;
        loop {
            self.settle()?;
            let failure = self.go_on()?;
            if self.is_cut {
                return Ok(Some(format!("stopped after {} steps", self.steps)));
            }
            if let Some(failure) = failure {
                return Ok(failure);
            }
        }
    }

    /// The next step of the script or the next timer; an answer when there is nothing more to do.
    fn go_on(&mut self) -> io::Result<Option<Failure>> {
        let Some(step) = self.options.script.get(self.next_step) else {
            let went_on = self.options.jump_timers && self.jump(None)?;
            return Ok((!went_on).then_some(None));
        };
        Ok(match self.step(step)? {
            Ok(()) => {
                self.next_step += 1;
                None
            }
            Err(_) if self.options.jump_timers && self.jump(None)? => None,
            Err(reason) => Some(Some(format!("step {}: {reason}", self.next_step + 1))),
        })
    }

    /// Starts every process that begins by itself, unless the script's first step starts it.
    fn begin(&mut self) -> io::Result<()> {
        let first = self.options.script.first().cloned().unwrap_or_default();
        let named = first.start.as_deref();
        let mut all = 0..self.processes.len();
        let meant = named.and_then(|id| all.find(|&process| self.is_start_of(process, id)));
        for at in 0..self.processes.len() {
            let Some(process) = self.processes.get(at) else {
                continue;
            };
            let Some(head) = self.model.process(&process.id) else {
                continue;
            };
            let starts = self.model.starts(head.root);
            let begins = starts.iter().any(|&ix| !self.model[ix].instantiates());
            let is_main = at == 0;
            let by_script = match named {
                Some(_) => meant.map_or(is_main, |meant| meant == at) || !begins,
                None => is_main && !begins && self.step_starts(&first, at),
            };
            if !by_script && (begins || is_main) {
                let vars = if is_main {
                    self.options.vars.clone()
                } else {
                    Map::new()
                };
                let started = self.begin_at(at, !begins, vars)?;
                if let Err(reason) = started
                    && !self.is_cut
                {
                    note_failure(self.out, &reason)?;
                }
            }
        }
        Ok(())
    }

    /// At its own start; of several that are triggered at the first one, as if that had come.
    fn begin_at(
        &mut self,
        process: usize,
        is_triggered: bool,
        vars: Map<String, Value>,
    ) -> io::Result<Result<(), String>> {
        let head = self.processes.get(process);
        let head = head.and_then(|process| self.model.process(&process.id));
        let mut starts = Vec::new();
        if let Some(head) = head.filter(|_| is_triggered) {
            let nodes = self.model[head.root]
                .nodes
                .iter()
                .map(|&ix| &self.model[ix]);
            starts.extend(nodes.filter(|node| node.is_start() || node.instantiates()));
        }
        let at = match starts.as_slice() {
            [first, _, ..] => Some(first.id.to_string()),
            _ => None,
        };
        self.start(process, at, vars)
    }

    fn step_starts(&self, step: &Step, process: usize) -> bool {
        let message = step
            .message
            .as_deref()
            .map(|name| called(&self.model.messages, name));
        let signal = step
            .signal
            .as_deref()
            .map(|name| called(&self.model.signals, name));
        let by_message =
            message.is_some_and(|name| self.start_for(process, Heard::Message, &name).is_some());
        let by_signal =
            signal.is_some_and(|name| self.start_for(process, Heard::Signal, &name).is_some());
        let by_trigger = step
            .trigger
            .as_deref()
            .is_some_and(|id| self.is_start_of(process, id));
        by_message || by_signal || by_trigger
    }

    fn is_start_of(&self, process: usize, id: &str) -> bool {
        let head = self
            .processes
            .get(process)
            .and_then(|process| self.model.process(&process.id));
        let node = self.model.lookup(id).map(|ix| &self.model[ix]);
        matches!((head, node), (Some(head), Some(node)) if node.scope == head.root
            && (node.is_start() || self.is_instantiating(node)))
    }

    /// A receive task, or an event after a gateway, that begins a process.
    fn is_instantiating(&self, node: &Node) -> bool {
        let after = |&flow: &FlowIx| self.model[self.model[flow].from].instantiates();
        matches!(
            node.kind,
            Kind::Task(Task::Receive {
                instantiate: true,
                ..
            })
        ) || node.incoming.iter().any(after)
    }

    /// Where a message or signal begins a process, as [`Input::Start`] names it.
    fn start_for(&self, process: usize, heard: Heard, name: &str) -> Option<String> {
        let id = &self.processes.get(process)?.id;
        let root = self.model.process(id)?.root;
        let begins = |ix: &NodeIx| {
            let node = &self.model[*ix];
            let nth = core::begins_by(node, heard, name)?;
            let is_start = node.is_start() || self.is_instantiating(node);
            let is_awaited = core::waits_for_all(node) && self.is_awaited(node, heard, name);
            (is_start && !is_awaited).then(|| core::start_by(node, nth))
        };
        self.model[root].nodes.iter().find_map(begins)
    }

    /// Whether an instance waits for it at its start, having begun by something else.
    fn is_awaited(&self, start: &Node, heard: Heard, name: &str) -> bool {
        self.runs.iter().any(|run| {
            let process = self.processes.get(run.process);
            let waits = process.map(|process| core::waits(process, &run.instance));
            let is_it =
                |wait: &Wait| wait.element == start.id && wait.heard == heard && wait.name == name;
            waits.is_some_and(|waits| waits.iter().any(is_it))
        })
    }

    fn start(
        &mut self,
        process: usize,
        at: Option<String>,
        vars: Map<String, Value>,
    ) -> io::Result<Result<(), String>> {
        let Some(instance) = self.processes.get(process).map(Process::instance) else {
            return Ok(Ok(()));
        };
        self.runs.push(Playing { process, instance });
        let run = self.runs.len() - 1;
        let started = self.input(run, Input::Start { at, vars })?;
        if started.is_err() {
            self.runs.pop();
        }
        Ok(started.map_err(|rejection| rejection.to_string()))
    }

    /// Gives an instance an input and prints what follows.
    fn input(&mut self, run: usize, input: Input) -> io::Result<Result<(), Rejection>> {
        let Some(playing) = self.runs.get_mut(run) else {
            return Ok(Ok(()));
        };
        let Some(process) = self.processes.get(playing.process) else {
            return Ok(Ok(()));
        };
        if self.steps >= self.options.max_steps.unwrap_or(MAX_STEPS) {
            let mut copy = playing.instance.clone();
            let fits = Budget::new().within(|| core::step(process, &mut copy, input, self.now));
            let fits = fits.is_ok();
            self.is_cut |= fits;
            return Ok(Err(Rejection::NotRunning));
        }
        let instance = &mut playing.instance;
        match Budget::new().within(|| core::step(process, instance, input, self.now)) {
            Err(rejection) => Ok(Err(rejection)),
            Ok(effects) => {
                self.steps += 1;
                for effect in effects {
                    self.take(run, effect)?;
                }
                Ok(Ok(()))
            }
        }
    }

    fn take(&mut self, run: usize, effect: Effect) -> io::Result<()> {
        match effect {
            Effect::Entered { element, scope } => {
                self.line(run, "enter", &element, "", Some(&scope))
            }
            Effect::Left { element, scope, .. } => {
                self.line(run, "leave", &element, "", Some(&scope))
            }
            Effect::Task { element, kind, .. } => self.line(run, "task", &element, kind, None),
            Effect::Script { element, text } => self.line(run, "script", &element, &text, None),
            Effect::Message {
                element,
                name,
                vars,
            } => {
                self.line(run, "message", &element, &name, None)?;
                self.post(&element, &name, &vars);
                Ok(())
            }
            Effect::Signal { element, name } => {
                self.line(run, "signal", &element, &name, None)?;
                self.broadcast(&name, Some(run), &Map::new())
            }
            Effect::Error { element, code } => self.line(run, "error", &element, &code, None),
            Effect::Escalation { element, code } => {
                self.line(run, "escalation", &element, &code, None)
            }
            Effect::Compensate { element, by } => self.line(
                run,
                "compensate",
                &element,
                by.as_deref().unwrap_or_default(),
                None,
            ),
            Effect::Incident { element, text, .. } => {
                self.line(run, "incident", &element, &text, None)
            }
            Effect::Ended { reason, .. } => {
                let id = self
                    .runs
                    .get(run)
                    .map(|playing| playing.instance.process.clone())
                    .unwrap_or_default();
                self.line(run, "end", &id, reason.as_deref().unwrap_or_default(), None)
            }
            Effect::Timer {
                timer,
                due: Due::WorkingDays(days),
                ..
            } => {
                let due = after_weekdays(self.now, days);
                self.days.insert((run, timer), due);
                Ok(())
            }
            Effect::Timer { .. }
            | Effect::TimerGone { .. }
            | Effect::TaskGone { .. }
            | Effect::Decision { .. } => Ok(()),
        }
    }

    fn post(&mut self, element: &str, name: &str, vars: &Map<String, Value>) {
        let mail = self.model.message_targets(element).into_iter();
        self.mail.extend(mail.map(|to| Mail {
            to,
            name: name.to_owned(),
            vars: vars.clone(),
        }));
    }

    fn line(
        &mut self,
        run: usize,
        event: &str,
        element: &str,
        text: &str,
        scope: Option<&str>,
    ) -> io::Result<()> {
        let process = self
            .runs
            .get(run)
            .map(|playing| playing.instance.process.to_string())
            .unwrap_or_default();
        let node = self.model.lookup(element);
        let name = node
            .map(|ix| self.model[ix].name.clone())
            .or_else(|| Some(self.model.process(element)?.name.clone()));
        let inner = node
            .and_then(|ix| self.model[self.model[ix].scope].owner)
            .map(|ix| self.model[ix].id.to_string());
        let scope = scope
            .map(str::to_owned)
            .or(inner)
            .unwrap_or_else(|| process.clone());
        let line = json!({
            "event": event, "element": element, "name": name.unwrap_or_default(), "text": text,
            "process": process, "scope": scope,
        });
        writeln!(self.out, "{line}")
    }

    fn broadcast(
        &mut self,
        name: &str,
        but: Option<usize>,
        vars: &Map<String, Value>,
    ) -> io::Result<()> {
        for process in 0..self.processes.len() {
            if let Some(at) = self.start_for(process, Heard::Signal, name)
                && let Err(reason) = self.start(process, Some(at), vars.clone())?
            {
                note_failure(self.out, &reason)?;
            }
        }
        for other in 0..self.runs.len() {
            if Some(other) != but {
                let input = Input::Signal {
                    name: name.to_owned(),
                    vars: vars.clone(),
                };
                // An instance that is over hears nothing.
                drop(self.input(other, input)?);
            }
        }
        Ok(())
    }

    // What happens by itself

    fn settle(&mut self) -> io::Result<()> {
        while !self.is_cut {
            if !(self.deliver()? || self.options.auto_complete && self.complete_one()?) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Delivers the first message that somebody takes; others stay on their way.
    fn deliver(&mut self) -> io::Result<bool> {
        for at in 0..self.mail.len() {
            let Some(mail) = self.mail.remove(at) else {
                continue;
            };
            if self.hand_over(&mail)? {
                return Ok(true);
            }
            self.mail.insert(at, mail);
        }
        Ok(false)
    }

    fn hand_over(&mut self, mail: &Mail) -> io::Result<bool> {
        let to = Some(mail.to.as_str()).filter(|to| !to.is_empty());
        let came = Came {
            name: &mail.name,
            to,
            key: None,
            vars: &mail.vars,
        };
        if to.is_none() {
            return self.message(&came).map(|taken| taken.is_ok());
        }
        if self.taken(&came)?.is_ok() {
            return Ok(true);
        }
        for process in 0..self.processes.len() {
            if self.is_start_of(process, &mail.to) {
                let at = Some(mail.to.clone());
                return Ok(self.start(process, at, mail.vars.clone())?.is_ok());
            }
        }
        Ok(false)
    }

    fn message(&mut self, came: &Came<'_>) -> io::Result<Result<(), String>> {
        let Err(reason) = self.taken(came)? else {
            return Ok(Ok(()));
        };
        for process in 0..self.processes.len() {
            if let Some(at) = self.start_for(process, Heard::Message, came.name) {
                return self.start(process, Some(at), came.vars.clone());
            }
        }
        Ok(Err(reason))
    }

    /// Gives the message to the first instance that takes it, one in its conversation before all
    /// others.
    fn taken(&mut self, came: &Came<'_>) -> io::Result<Result<(), String>> {
        let mut reason = format!("nothing waits for the message `{}`", came.name);
        let (own, others): (Vec<usize>, Vec<usize>) =
            (0..self.runs.len()).partition(|&run| self.is_its_conversation(run, came));
        for run in own.into_iter().chain(others) {
            let input = Input::Message {
                name: came.name.to_owned(),
                to: came.to.map(str::to_owned),
                key: came.key.cloned(),
                vars: came.vars.clone(),
            };
            match self.input(run, input)? {
                Ok(()) => return Ok(Ok(())),
                Err(rejection @ Rejection::Ambiguous(..)) => reason = rejection.to_string(),
                Err(_) => {}
            }
        }
        Ok(Err(reason))
    }

    fn is_its_conversation(&self, run: usize, came: &Came<'_>) -> bool {
        let playing = self.runs.get(run);
        let process = playing.and_then(|playing| self.processes.get(playing.process));
        playing.zip(process).is_some_and(|(playing, process)| {
            core::waiting_for_message(process, &playing.instance, came).exact > 0
        })
    }

    /// Completes the first task that can be and of which the rest of the script does not speak.
    fn complete_one(&mut self) -> io::Result<bool> {
        let mut refused = None;
        // One may have to wait for another.
        while !self.is_cut
            && let Some((run, token)) = self.open_task(refused)
        {
            let vars = Map::new();
            if self.input(run, Input::Complete { token, vars })?.is_ok() {
                return Ok(true);
            }
            refused = Some((run, token));
        }
        Ok(false)
    }

    /// The first task after another of which the rest of the script does not speak.
    fn open_task(&self, after: Option<(usize, u32)>) -> Option<(usize, u32)> {
        let rest = self
            .options
            .script
            .get(self.next_step..)
            .unwrap_or_default();
        let messages: Vec<String> = rest
            .iter()
            .filter_map(|step| step.message.as_deref())
            .map(|name| called(&self.model.messages, name))
            .collect();
        let waits_for_script = |id: &str| {
            let node = self.model.lookup(id).map(|ix| &self.model[ix].kind);
            matches!(node, Some(Kind::Task(Task::Receive { message: Some(name), .. })) if messages.contains(name))
        };
        let is_scripted = |id: &str| {
            let names = |step: &Step| {
                [&step.complete, &step.at, &step.trigger]
                    .into_iter()
                    .any(|named| named.as_deref() == Some(id))
            };
            rest.iter().any(names) || waits_for_script(id)
        };
        let runs = self.runs.iter().enumerate();
        runs.skip(after.map_or(0, |(run, _)| run))
            .find_map(|(run, playing)| {
                let mut waiting = playing.instance.waiting();
                let open = waiting.find(|(id, token)| {
                    token.state == State::Task
                        && after.is_none_or(|after| (run, *id) > after)
                        && !is_scripted(&token.at)
                });
                Some((run, open?.0))
            })
    }

    /// Moves the clock to the next timer (not beyond `until`) and fires it.
    fn jump(&mut self, until: Option<DateTime<Utc>>) -> io::Result<bool> {
        let mut next: Option<(DateTime<Utc>, usize, u32)> = None;
        for (run, playing) in self.runs.iter().enumerate() {
            for (id, timer) in &playing.instance.timers {
                let due = timer
                    .due
                    .or_else(|| self.days.get(&(run, *id)).copied())
                    .unwrap_or(self.now);
                let candidate = (due, run, *id);
                if next.is_none_or(|best| candidate < best) {
                    next = Some(candidate);
                }
            }
        }
        let Some((due, run, timer)) =
            next.filter(|(due, ..)| until.is_none_or(|until| *due <= until))
        else {
            return Ok(false);
        };
        self.now = self.now.max(due);
        Ok(self.input(run, Input::Timer { timer })?.is_ok())
    }

    // Script

    fn step(&mut self, step: &Step) -> io::Result<Result<(), String>> {
        if let Some(at) = &step.start {
            return self.step_start(at, step);
        }
        if let Some(name) = &step.message {
            let name = called(&self.model.messages, name);
            return self.message(&Came {
                name: &name,
                to: None,
                key: step.key.as_ref(),
                vars: &step.vars,
            });
        }
        if let Some(name) = &step.signal {
            let name = called(&self.model.signals, name);
            self.broadcast(&name, None, &step.vars)?;
            return Ok(Ok(()));
        }
        if let Some(span) = &step.advance {
            return self.step_advance(span);
        }
        if let Some(id) = &step.trigger {
            for process in 0..self.processes.len() {
                if self.runs.is_empty() && self.is_start_of(process, id) {
                    return self.start(process, Some(id.clone()), step.vars.clone());
                }
            }
            return self.first_that_takes(id, |_, _| Input::Trigger {
                element: id.clone(),
                vars: step.vars.clone(),
            });
        }
        let id = step
            .complete
            .as_ref()
            .or(step.at.as_ref())
            .cloned()
            .unwrap_or_default();
        self.first_that_takes(&id, |token, _| match &step.error {
            Some(code) => Input::Error {
                token,
                code: code.clone(),
                message: String::new(),
                vars: step.vars.clone(),
            },
            None => Input::Complete {
                token,
                vars: step.vars.clone(),
            },
        })
    }

    fn step_start(&mut self, at: &str, step: &Step) -> io::Result<Result<(), String>> {
        let mut vars = self.options.vars.clone();
        vars.extend(step.vars.clone());
        let mut reason = format!("`{at}` is no start event");
        for process in 0..self.processes.len() {
            let is_process = self
                .processes
                .get(process)
                .is_some_and(|process| *process.id == *at);
            let at = (!is_process).then(|| at.to_owned());
            match self.start(process, at, vars.clone())? {
                Ok(()) => return Ok(Ok(())),
                Err(why) => reason = why,
            }
        }
        Ok(Err(reason))
    }

    fn step_advance(&mut self, span: &str) -> io::Result<Result<(), String>> {
        let Some(until) = timer::span(span)
            .map(|span| span.after(self.now))
            .or_else(|| timer::date(span))
        else {
            let text = format!("`{span}` is neither a duration nor a moment of ISO 8601");
            return Ok(Err(text));
        };
        while !self.is_cut && self.jump(Some(until))? {
            self.settle()?;
        }
        self.now = self.now.max(until);
        Ok(Ok(()))
    }

    /// Gives the input to the first instance with a waiting token at the element that takes it.
    fn first_that_takes(
        &mut self,
        id: &str,
        input: impl Fn(u32, usize) -> Input,
    ) -> io::Result<Result<(), String>> {
        let mut reason = format!("nothing waits at `{id}`");
        for run in 0..self.runs.len() {
            let Some(playing) = self.runs.get(run) else {
                continue;
            };
            let token = playing
                .instance
                .waiting()
                .find(|(_, token)| *token.at == *id)
                .map(|(token, _)| token);
            let input = input(token.unwrap_or_default(), run);
            if token.is_none() && !matches!(input, Input::Trigger { .. }) {
                continue;
            }
            match self.input(run, input)? {
                Ok(()) => return Ok(Ok(())),
                Err(rejection) => reason = rejection.to_string(),
            }
        }
        Ok(Err(reason))
    }

    pub(super) fn outcome(&mut self, failure: Failure) -> io::Result<u8> {
        let mut waiting: Vec<String> = Vec::new();
        let mut reason = failure;
        let mut is_running = false;
        let mut stuck = None;
        for playing in &self.runs {
            let instance = &playing.instance;
            if instance.status == Status::Failed && reason.is_none() {
                reason.clone_from(&instance.reason);
            }
            if let Some((_, token, text)) = instance.incidents().next() {
                reason.get_or_insert_with(|| format!("`{}`: {text}", token.at));
            }
            if instance.status != Status::Running {
                continue;
            }
            is_running = true;
            let joins = instance
                .tokens
                .values()
                .filter(|token| matches!(token.state, State::Join(_)));
            let joins: Vec<_> = joins.collect();
            if instance.waiting().next().is_none() && instance.timers.is_empty() {
                stuck = Some(if joins.is_empty() {
                    "nothing is under way that could go on"
                } else {
                    "a join waits for tokens that cannot come"
                });
            }
            let tokens = instance.waiting().map(|(_, token)| token).chain(joins);
            for token in tokens {
                if !waiting.contains(&token.at.to_string()) {
                    waiting.push(token.at.to_string());
                }
            }
        }
        if self.runs.is_empty() && reason.is_none() {
            reason = Some("nothing was started".to_owned());
        }
        let outcome = match (&reason, is_running) {
            (Some(_), _) => "failed",
            (None, true) => "waiting",
            (None, false) => "completed",
        };
        reason = reason.or(stuck.map(str::to_owned));
        let variables = self
            .runs
            .iter()
            .find(|playing| playing.process == 0)
            .map(|playing| playing.instance.variables());
        let line = json!({
            "outcome": outcome,
            "reason": reason.unwrap_or_default(),
            "waiting": waiting,
            "variables": variables.unwrap_or_default(),
        });
        writeln!(self.out, "{line}")?;
        Ok(if outcome == "failed" { FAILED } else { DONE })
    }
}

/// The name of a message or signal that is called by its name or its id.
fn called(known: &BTreeMap<String, Named>, name: &str) -> String {
    if known.values().any(|named| named.name == name) {
        return name.to_owned();
    }
    known
        .get(name)
        .map_or_else(|| name.to_owned(), |named| named.name.clone())
}

/// A process that could not begin is told as an incident without an element.
fn note_failure(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let line = json!({ "event": "incident", "element": "", "name": "", "text": text, "process": "", "scope": "" });
    writeln!(out, "{line}")
}

fn after_weekdays(from: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    let mut at = from;
    let mut left = days;
    while left > 0 {
        at = at.checked_add_days(Days::new(1)).unwrap_or(at);
        if !matches!(weekday_in_china(at), Weekday::Sat | Weekday::Sun) {
            left -= 1;
        }
    }
    at
}

fn weekday_in_china(at: DateTime<Utc>) -> Weekday {
    // China has one zone without summer time, eight hours east.
    (at + chrono::Duration::hours(8)).weekday()
}
