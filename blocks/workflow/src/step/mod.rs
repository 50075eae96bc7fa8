//! One step of a stored instance: the core decides, and everything that follows from it is
//! written in the caller's transaction.

mod rounds;
mod save;
mod service;
mod task;

use std::{
    collections::{BTreeSet, HashSet, VecDeque},
    sync::Arc,
};

use kernel::{Error, Result, Text, clock::micros};
use sea_orm::ActiveValue::Set;
use serde_json::{Map, Value};
use store::Tx;

pub(crate) use task::filled;

use rounds::Rounds;

use crate::{
    InstanceId,
    aside::Budget,
    core::{
        Due, Effect, FrameKind, Input, Instance, Process, Rejection, State, Status, Wait, advance,
        waits_in,
    },
    deadline::{self, Limit, Terms},
    engine::Engine,
    event, external,
    post::{self, Sent},
    react::FireTimer,
    schema::{clock, external as external_task, instance, part, task as task_row, trail},
    state, store as tables,
    verb::{self, Cause},
};

/// Lines of the trail that one step leaves at the most.
const MAX_TRAIL: usize = 2_000;

pub(crate) struct Step<'a> {
    tx: &'a Tx,
    engine: &'a Engine,
    row: instance::Model,
    id: InstanceId,
    process: Arc<Process>,
    instance: Instance,
    by: String,
    cause: Cause,
    trail: Vec<trail::ActiveModel>,
    tasks: Vec<task_row::Model>,
    /// Shares of signers in the new tasks.
    parts: Vec<part::Model>,
    external: Vec<external_task::Model>,
    gone: Vec<i64>,
    follow_ups: VecDeque<Input>,
    is_new: bool,
    /// How the instance was kept before the step: see [`crate::state`].
    is_in_parts: bool,
    /// What the instance waited for before the step.
    waited: BTreeSet<Wait>,
    /// Messages thrown by the step.
    sent: Vec<Sent>,
    clocks: Vec<clock::Model>,
    /// Tasks and timers before the step, where some of them may have clocks.
    before: Vec<u32>,
    /// The time of all its expressions.
    budget: Budget,
    /// What it carried out so far.
    rounds: Rounds,
}

/// Expressions of all steps in one write share their time: others wait for the write.
fn budget_of(tx: &Tx) -> Budget {
    tx.recall("").unwrap_or_else(|| {
        let budget = Budget::new();
        tx.remember("", budget.clone());
        budget
    })
}

/// Takes a stored instance one step further.
pub(crate) async fn step(
    tx: &Tx,
    engine: &Engine,
    id: InstanceId,
    input: Input,
    by: &str,
) -> Result<()> {
    step_for(tx, engine, id, input, Cause::by(by)).await
}

/// As [`step`], knowing who gets the tasks that follow.
pub(crate) async fn step_for(
    tx: &Tx,
    engine: &Engine,
    id: InstanceId,
    input: Input,
    cause: Cause,
) -> Result<()> {
    let row = tables::get_instance(&**tx, id).await?;
    let process = engine
        .process_of(&**tx, &row.definition, &row.process)
        .await?;
    let (instance, is_in_parts) = match engine.memory().take(&row) {
        Some(instance) => (instance, true),
        None => state::read_from(&**tx, &row).await?,
    };
    let retried = match &input {
        Input::Retry { token } | Input::Move { token, .. } => Some(*token),
        _ => None,
    };
    let mut step = Step::new(tx, engine, row, id, process, instance, cause, false);
    step.is_in_parts = is_in_parts;
    step.run(input).await?;
    match retried {
        Some(token) => external::store::close_failed(tx, &id.to_string(), Some(token)).await,
        None => Ok(()),
    }
}

/// Start events may name the variable that gets whoever started the process (`initiator` of the
/// engines that came of Activiti).
fn tell_initiator(process: &Process, input: &mut Input, by: &str) {
    let (Input::Start { vars, .. }, Some(user)) = (input, by.strip_prefix("user:")) else {
        return;
    };
    let model = &process.model;
    let Some(head) = model.process(&process.id) else {
        return;
    };
    let nodes = model[head.root].nodes.iter().map(|&ix| &model[ix]);
    for name in nodes.filter_map(|node| node.attribute("initiator")) {
        vars.insert(name.to_owned(), Value::from(user));
    }
}

/// Everything that stopped in an instance tries again.
pub(crate) async fn retry_all(
    tx: &Tx,
    engine: &Engine,
    id: InstanceId,
    cause: impl Fn() -> Cause,
) -> Result<()> {
    let row = tables::get_instance(&**tx, id).await?;
    let state = engine.state(&**tx, &row).await?;
    let stopped: Vec<u32> = state.incidents().map(|(token, ..)| token).collect();
    if stopped.is_empty() {
        return Err(Error::refused("workflow-no-incident"));
    }
    for token in stopped {
        match step_for(tx, engine, id, Input::Retry { token }, cause()).await {
            // What went on before it has ended it.
            Err(Error::Refused(text)) if GONE.contains(&text.key) => {}
            done => done?,
        }
    }
    Ok(())
}

/// As [`step`], where nobody waits for the answer.
pub(crate) async fn step_unattended(
    tx: &Tx,
    engine: &Engine,
    id: InstanceId,
    input: Input,
    by: &str,
) -> Result<()> {
    step_for(tx, engine, id, input, Cause::unattended(by)).await
}

/// Begins an instance and takes its first step, which is a start or an import. With an empty
/// subject it is about itself.
pub(crate) async fn begin(
    tx: &Tx,
    engine: &Engine,
    definition: &str,
    subject: &str,
    input: Input,
    by: &str,
) -> Result<InstanceId> {
    let new = New {
        id: InstanceId::at(tx.now()),
        definition,
        process: None,
        subject,
        by,
        is_unattended: false,
    };
    begin_as(tx, engine, &new, input).await
}

/// What an instance begins as.
pub(crate) struct New<'a> {
    pub id: InstanceId,
    pub definition: &'a str,
    /// Of the processes in the file; none is its main one.
    pub process: Option<&'a str>,
    pub subject: &'a str,
    pub by: &'a str,
    /// See [`Cause::is_unattended`].
    pub is_unattended: bool,
}

/// As [`begin`], in every particular.
pub(crate) async fn begin_as(
    tx: &Tx,
    engine: &Engine,
    new: &New<'_>,
    input: Input,
) -> Result<InstanceId> {
    let New {
        id,
        definition,
        process,
        subject,
        by,
        is_unattended,
    } = *new;
    let process = match process {
        Some(process) => engine.process_of(&**tx, definition, process).await?,
        None => engine.process(&**tx, definition).await?,
    };
    let head = process.model.process(&process.id);
    if head.is_some_and(|head| head.is_executable == Some(false)) {
        return Err(Error::refused("workflow-only-drawn"));
    }
    let mut input = input;
    tell_initiator(&process, &mut input, by);
    let own = format!("instance:{id}");
    let subject = if subject.is_empty() {
        own.as_str()
    } else {
        subject
    };
    let row = instance::Model {
        id: id.to_string(),
        definition: definition.to_owned(),
        process: process.id.to_string(),
        subject: subject.to_owned(),
        status: String::new(),
        state: String::new(),
        version: 0,
        trail_length: 0,
        incidents: 0,
        started_by: by.to_owned(),
        started_at: micros(tx.now()),
        ended_at: None,
    };
    tx.emit(
        subject,
        by,
        &event::InstanceStarted {
            instance: id,
            definition: definition.to_owned(),
            process: process.id.to_string(),
            subject: subject.to_owned(),
        },
    )?;
    let instance = process.instance();
    let mut cause = Cause::by(by);
    cause.is_unattended = is_unattended;
    let step = Step::new(tx, engine, row, id, process, instance, cause, true);
    step.run(input).await?;
    Ok(id)
}

/// Another step of the instance came first.
pub(crate) const COLLISION: &str = "workflow-changed-meanwhile";
/// Several places of one instance wait for a message alike.
pub(crate) const AMBIGUOUS: &str = "workflow-rejected-several-wait";
/// Nothing in an instance waits for a message.
pub(crate) const NOBODY_WAITS: &str = "workflow-rejected-nobody-waits";
/// Nothing in an instance waits at an element.
pub(crate) const NOT_WAITING: &str = "workflow-rejected-not-waiting";

const NOT_RUNNING: &str = "workflow-not-running";
const NOT_STOPPED: &str = "workflow-rejected-not-stopped";
/// Why what stopped a moment ago cannot try again.
const GONE: [&str; 2] = [NOT_RUNNING, NOT_STOPPED];

fn refusal(rejection: &Rejection) -> Error {
    let at = |key, place: &String| Text::new(key).with("place", place);
    Error::Refused(match rejection {
        Rejection::NotRunning => Text::new(NOT_RUNNING),
        Rejection::NoSuchTask(_) => Text::new("workflow-task-already-done"),
        Rejection::UnknownProcess(id) => at("workflow-rejected-unknown-part", id),
        Rejection::NewerVersion => Text::new("workflow-rejected-newer"),
        Rejection::AlreadyStarted => Text::new("workflow-rejected-started"),
        Rejection::NoSuchStart(id) => at("workflow-rejected-no-start", id),
        Rejection::NoPlaceToWait(id) => at("workflow-rejected-no-place", id),
        Rejection::PlaceTwice(id) => at("workflow-rejected-place-twice", id),
        Rejection::JoinWaits(join, flows) => {
            let flows = flows.replace('`', "");
            at("workflow-rejected-join-waits", join).with("flows", flows)
        }
        Rejection::NoStart => Text::new("workflow-rejected-no-begin"),
        Rejection::NotItsTurn(other) => at("workflow-rejected-turn", other),
        Rejection::NoSuchTimer(_) => Text::new("workflow-rejected-timer-gone"),
        Rejection::NotWaiting(id) => at(NOT_WAITING, id),
        Rejection::NothingWaits(name) => Text::new(NOBODY_WAITS).with("name", name),
        Rejection::Ambiguous(name, count) => {
            Text::new(AMBIGUOUS).with("name", name).with("count", count)
        }
        Rejection::NoSuchPlace(id) => at("workflow-rejected-other-scope", id),
        Rejection::NotStopped(_) => Text::new(NOT_STOPPED),
        Rejection::NotBefore(id) => at("workflow-rejected-not-before", id),
        Rejection::PlaceEnded(id) => at("workflow-rejected-place-ended", id),
        Rejection::MovedOn(id) => at("workflow-rejected-moved-on", id),
        Rejection::StillComes(join) => at("workflow-rejected-still-comes", join),
    })
}

/// Whether a later try of the same may go through by itself.
pub(crate) fn is_failure(error: &Error) -> bool {
    matches!(error, Error::Fault(_) | Error::Unavailable(_))
}

/// A refusal in the words in which incidents are kept; [`crate::reason`] knows the sentences.
fn in_words(refusal: &Error) -> String {
    match refusal {
        Error::Refused(text) if text.key == "kernel-calendar-year-missing" => {
            let year = text.args.first().map_or("", |(_, year)| year.as_str());
            format!("the calendar of the year {year} is not loaded")
        }
        other => other.to_string(),
    }
}

/// How a status is called in tables and events.
pub(crate) fn status_name(status: Status) -> &'static str {
    match status {
        Status::Created | Status::Running => "running",
        Status::Completed => "completed",
        Status::Terminated => "terminated",
        Status::Cancelled => "cancelled",
        Status::Failed => "failed",
    }
}

impl<'a> Step<'a> {
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of a step, named at two calls above"
    )]
    fn new(
        tx: &'a Tx,
        engine: &'a Engine,
        row: instance::Model,
        id: InstanceId,
        process: Arc<Process>,
        mut instance: Instance,
        cause: Cause,
        is_new: bool,
    ) -> Self {
        let before = if process.has_clocks {
            let tasks = instance
                .tokens
                .iter()
                .filter(|(_, held)| held.state == State::Task)
                .map(|(token, _)| token);
            tasks.chain(instance.timers.keys()).copied().collect()
        } else {
            Vec::new()
        };
        let waited = if is_new {
            BTreeSet::new()
        } else {
            waits_in(&process, &mut instance)
        };
        Self {
            tx,
            engine,
            row,
            id,
            process,
            instance,
            waited,
            sent: Vec::new(),
            clocks: Vec::new(),
            before,
            by: cause.trace.clone(),
            cause,
            trail: Vec::new(),
            tasks: Vec::new(),
            parts: Vec::new(),
            external: Vec::new(),
            gone: Vec::new(),
            follow_ups: VecDeque::new(),
            is_new,
            is_in_parts: false,
            budget: budget_of(tx),
            rounds: Rounds::default(),
        }
    }

    async fn run(mut self, input: Input) -> Result<()> {
        let before = self.instance.next_number();
        let place = self.place_of(&input);
        if let Some((_, back)) = &place
            && let Some(returner) = back.last()
        {
            let instance = &self.row.id;
            self.cause
                .remember_returner(self.tx, instance, returner)
                .await?;
        }
        let mut next = Some(input);
        while let Some(input) = next {
            let instance = std::mem::replace(&mut self.instance, self.process.instance());
            let (process, now) = (&self.process, self.tx.now());
            let advanced = self
                .budget
                .within(|| advance(process, instance, input, now));
            let (instance, effects) = advanced.map_err(|r| refusal(&r))?;
            self.instance = instance;
            self.take_all(effects).await?;
            next = self.next_follow_up();
        }
        if let (Some(place), Some(task)) = (place, &self.cause.task)
            && !self.instance.is_over()
        {
            let followed = verb::take_places(before, place, &self.instance);
            tables::set_followed(self.tx, task, &followed).await?;
        }
        self.save().await
    }

    /// Where the token of a completed task stood; none if it was one of several instances, whose
    /// completion cannot be taken back alone.
    fn place_of(&self, input: &Input) -> Option<(u32, Vec<crate::model::Id>)> {
        let Input::Complete { token, .. } = input else {
            return None;
        };
        let held = self.instance.tokens.get(token)?;
        let frame = self.instance.frames.get(&held.frame)?;
        (frame.kind != FrameKind::Iteration).then(|| (held.frame, held.back.clone()))
    }

    /// The next result of a service task whose token still waits for it.
    fn next_follow_up(&mut self) -> Option<Input> {
        while let Some(input) = self.follow_ups.pop_front() {
            let (Input::Complete { token, .. }
            | Input::Error { token, .. }
            | Input::Fail { token, .. }) = &input
            else {
                continue;
            };
            if self
                .instance
                .tokens
                .get(token)
                .is_some_and(|held| held.state == State::Task)
            {
                return Some(input);
            }
        }
        None
    }

    async fn take_all(&mut self, effects: Vec<Effect>) -> Result<()> {
        let mut tasks_gone = HashSet::new();
        let mut timers_gone = HashSet::new();
        for effect in &effects {
            match effect {
                Effect::TaskGone { token, .. } => drop(tasks_gone.insert(*token)),
                Effect::TimerGone { timer } => drop(timers_gone.insert(*timer)),
                _ => {}
            }
        }
        for effect in effects {
            match effect {
                // What the same step takes away again was never there.
                Effect::Task { token, .. } if tasks_gone.contains(&token) => {}
                Effect::Timer { timer, .. } if timers_gone.contains(&timer) => {}
                effect => self.take(effect).await?,
            }
        }
        Ok(())
    }

    /// A task that cannot be offered because the state of things does not allow it. Whoever waits
    /// for the answer is told and may come back; where nobody does, the task stops there.
    fn or_stop(&mut self, token: u32, offered: Result<()>) -> Result<()> {
        match offered {
            Err(refusal) if self.cause.is_unattended && !is_failure(&refusal) => {
                self.tasks.retain(|row| row.token != i64::from(token));
                let reason = in_words(&refusal);
                self.follow_ups.push_back(Input::Fail { token, reason });
                Ok(())
            }
            offered => offered,
        }
    }

    async fn take(&mut self, effect: Effect) -> Result<()> {
        match effect {
            Effect::Entered { element, .. } => self.trace(&element, "entered", ""),
            Effect::Left {
                element,
                is_cancelled,
                ..
            } => {
                let what = if is_cancelled { "cancelled" } else { "left" };
                self.trace(&element, what, "");
            }
            Effect::Task {
                token,
                element,
                vars,
                ..
            } => {
                let done = self.task(token, &element, vars).await;
                self.or_stop(token, done)?;
            }
            Effect::TaskGone { token, .. } => {
                self.tasks.retain(|row| row.token != i64::from(token));
                self.external.retain(|row| row.token != i64::from(token));
                self.clocks.retain(|row| row.number != i64::from(token));
                self.gone.push(i64::from(token));
            }
            Effect::Timer {
                timer,
                element,
                due,
            } => self.timer(timer, &element, due)?,
            Effect::Message {
                element,
                name,
                vars,
            } => self.message(&element, name, vars)?,
            Effect::Signal { name, .. } => {
                post::cry(self.tx, name, self.id).await?;
            }
            Effect::Decision {
                element,
                decision,
                value,
                rules,
            } => {
                let element = element.to_string();
                let made = event::DecisionMade {
                    instance: self.id,
                    subject: self.row.subject.clone(),
                    element,
                    decision,
                    value,
                    rules,
                };
                self.tx.emit(&self.row.subject, &self.by, &made)?;
            }
            Effect::Incident { element, text, .. } => self.stopped(&element, text)?,
            Effect::Ended { status, reason } => self.ended(status, reason).await?,
            Effect::TimerGone { timer } => {
                self.clocks.retain(|row| row.number != i64::from(timer));
            }
            Effect::Script { .. }
            | Effect::Error { .. }
            | Effect::Escalation { .. }
            | Effect::Compensate { .. } => {}
        }
        Ok(())
    }

    fn message(&mut self, element: &str, name: String, vars: Map<String, Value>) -> Result<()> {
        let sent = event::MessageSent {
            instance: self.id,
            subject: self.row.subject.clone(),
            element: element.to_owned(),
            name: name.clone(),
        };
        self.tx.emit(&self.row.subject, &self.by, &sent)?;
        let element = element.to_owned();
        self.sent.push(Sent {
            element,
            name,
            vars,
        });
        Ok(())
    }

    fn stopped(&mut self, element: &str, text: String) -> Result<()> {
        self.trace(element, "stopped", &text);
        let raised = event::IncidentRaised {
            instance: self.id,
            definition: self.row.definition.clone(),
            subject: self.row.subject.clone(),
            element: element.to_owned(),
            text,
        };
        self.tx.emit(&self.row.subject, &self.by, &raised)
    }

    fn trace(&mut self, element: &str, what: &str, note: &str) {
        // Of a circle the beginning and the end tell enough.
        if self.trail.len() >= MAX_TRAIL {
            self.trail.remove(MAX_TRAIL / 2);
        }
        self.row.trail_length += 1;
        self.trail.push(trail::ActiveModel {
            instance: Set(self.row.id.clone()),
            seq: Set(self.row.trail_length),
            subject: Set(self.row.subject.clone()),
            element: Set(element.to_owned()),
            what: Set(what.to_owned()),
            at: Set(micros(self.tx.now())),
            by: Set(self.by.clone()),
            note: Set(note.to_owned()),
        });
    }

    async fn ended(&mut self, status: Status, reason: Option<String>) -> Result<()> {
        let name = status_name(status);
        self.row.ended_at = Some(micros(self.tx.now()));
        self.tx.emit(
            &self.row.subject,
            &self.by,
            &event::InstanceEnded {
                instance: self.id,
                definition: self.row.definition.clone(),
                process: self.row.process.clone(),
                subject: self.row.subject.clone(),
                status: name.to_owned(),
                reason,
            },
        )?;
        if !self.is_new {
            external::store::close_failed(self.tx, &self.row.id, None).await?;
        }
        for listener in self.engine.listeners() {
            listener
                .ended(self.tx, self.id, &self.row.subject, name)
                .await?;
        }
        Ok(())
    }

    // Timers

    fn timer(&mut self, timer: u32, element: &str, due: Due) -> Result<()> {
        match due {
            Due::At(at) => self.tx.enqueue_at(
                at,
                &FireTimer {
                    instance: self.id,
                    timer,
                },
            ),
            Due::WorkingDays(days) => {
                let terms = Terms {
                    limit: Limit::Days(days),
                    remind: Vec::new(),
                    escalate: String::new(),
                };
                self.clock("timer", Some(timer), element, &terms, Vec::new())?;
                Ok(())
            }
        }
    }

    /// Starts a clock by the calendar of the instance's region; answers when it ends.
    fn clock(
        &mut self,
        kind: &'static str,
        number: Option<u32>,
        element: &str,
        terms: &Terms,
        escalate: Vec<String>,
    ) -> Result<Option<i64>> {
        let variables = self.instance.variables();
        let region = variables.get("region").and_then(Value::as_str);
        let new = deadline::act::New {
            kind,
            instance: &self.row.id,
            number,
            subject: &self.row.subject,
            element,
            region: region.unwrap_or_default(),
            escalate,
        };
        let mut row = deadline::act::new(self.tx.now(), &new, terms);
        if let Err(refusal) = deadline::act::count(self.engine, &mut row) {
            if kind == "task" || !self.cause.is_unattended || is_failure(&refusal) {
                return Err(refusal);
            }
            // It is counted as soon as the calendar can count it, as all clocks are then.
            self.stopped(element, in_words(&refusal))?;
        }
        let due = row.due_at;
        self.clocks.push(row);
        Ok(due)
    }
}
