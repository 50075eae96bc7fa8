//! One step of a stored instance: the core decides, and everything that follows from it is
//! written in the caller's transaction.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    sync::Arc,
};

use kernel::{Error, Fault, Result, Text, clock::micros};
use sea_orm::ActiveValue::Set;
use serde_json::{Map, Value};
use store::Tx;

use crate::{
    CallId, InstanceId, TaskId,
    core::{
        Due, Effect, FrameKind, Input, Instance, Process, Rejection, State, Status, Wait, advance,
        timer, waits,
    },
    deadline::{self, Limit, Terms},
    engine::{Call, Engine, Outcome},
    event,
    expr::Expr,
    external::{self, ExternalTaskId},
    model::{Kind, Node, Task},
    post::{self, Sent},
    react::{FireTimer, RunCall},
    retry::Retries,
    schema::{call, clock, external as external_task, instance, part, task, trail},
    store as tables,
    verb::{self, Cause},
};

/// Service tasks carried out one after another in one step; more is a circle.
const MAX_CALLS: usize = 1_000;

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
    tasks: Vec<task::Model>,
    /// Shares of signers in the new tasks.
    parts: Vec<part::Model>,
    external: Vec<external_task::Model>,
    gone: Vec<i64>,
    follow_ups: VecDeque<Input>,
    is_new: bool,
    /// What the instance waited for before the step.
    waited: BTreeSet<Wait>,
    /// Messages thrown by the step.
    sent: Vec<Sent>,
    clocks: Vec<clock::Model>,
    /// Tasks and timers before the step, where some of them may have clocks.
    before: Vec<u32>,
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
    let instance = read_state(&row)?;
    let retried = match &input {
        Input::Retry { token } | Input::Move { token, .. } => Some(*token),
        _ => None,
    };
    let step = Step::new(tx, engine, row, id, process, instance, cause, false);
    step.run(input).await?;
    match retried {
        Some(token) => external::store::close_failed(tx, &id.to_string(), Some(token)).await,
        None => Ok(()),
    }
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
    } = *new;
    let process = match process {
        Some(process) => engine.process_of(&**tx, definition, process).await?,
        None => engine.process(&**tx, definition).await?,
    };
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
    let cause = Cause::by(by);
    let step = Step::new(tx, engine, row, id, process, instance, cause, true);
    step.run(input).await?;
    Ok(id)
}

pub(crate) fn read_state(row: &instance::Model) -> Result<Instance> {
    let read = serde_json::from_str(&row.state);
    Ok(read.map_err(|e| Fault::caused_by(format!("read the state of instance {}", row.id), e))?)
}

/// Several places of one instance wait for a message alike.
pub(crate) const AMBIGUOUS: &str = "workflow-rejected-several-wait";

fn refusal(rejection: &Rejection) -> Error {
    let at = |key, place: &String| Text::new(key).with("place", place);
    Error::Refused(match rejection {
        Rejection::NotRunning => Text::new("workflow-not-running"),
        Rejection::NoSuchTask(_) => Text::new("workflow-task-already-done"),
        Rejection::UnknownProcess(id) => at("workflow-rejected-unknown-part", id),
        Rejection::NewerVersion => Text::new("workflow-rejected-newer"),
        Rejection::AlreadyStarted => Text::new("workflow-rejected-started"),
        Rejection::NoSuchStart(id) => at("workflow-rejected-no-start", id),
        Rejection::NoPlaceToWait(id) => at("workflow-rejected-no-place", id),
        Rejection::NoStart => Text::new("workflow-rejected-no-begin"),
        Rejection::NoSuchTimer(_) => Text::new("workflow-rejected-timer-gone"),
        Rejection::NotWaiting(id) => at("workflow-rejected-not-waiting", id),
        Rejection::NothingWaits(name) => {
            Text::new("workflow-rejected-nobody-waits").with("name", name)
        }
        Rejection::Ambiguous(name, count) => {
            Text::new(AMBIGUOUS).with("name", name).with("count", count)
        }
        Rejection::NoSuchPlace(id) => at("workflow-rejected-other-scope", id),
        Rejection::NotStopped(_) => Text::new("workflow-rejected-not-stopped"),
        Rejection::NotBefore(id) => at("workflow-rejected-not-before", id),
        Rejection::PlaceEnded(id) => at("workflow-rejected-place-ended", id),
        Rejection::MovedOn(id) => at("workflow-rejected-moved-on", id),
    })
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
        instance: Instance,
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
            waits(&process, &instance)
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
        let mut calls = 0;
        while let Some(input) = next {
            let instance = std::mem::replace(&mut self.instance, self.process.instance());
            let (instance, effects) =
                advance(&self.process, instance, input, self.tx.now()).map_err(|r| refusal(&r))?;
            self.instance = instance;
            self.take_all(effects).await?;
            next = self.next_follow_up();
            calls += 1;
            if calls > MAX_CALLS {
                return Err(Error::refused("workflow-circle"));
            }
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

    async fn take(&mut self, effect: Effect) -> Result<()> {
        let subject = self.row.subject.clone();
        match effect {
            Effect::Entered { element, .. } => self.trace(&element, "entered", ""),
            Effect::Left { element, .. } => self.trace(&element, "left", ""),
            Effect::Task {
                token,
                element,
                vars,
                ..
            } => self.task(token, &element, vars).await?,
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
            } => {
                let sent = event::MessageSent {
                    instance: self.id,
                    subject: subject.clone(),
                    element: element.to_string(),
                    name: name.clone(),
                };
                self.tx.emit(subject, &self.by, &sent)?;
                let element = element.to_string();
                self.sent.push(Sent {
                    element,
                    name,
                    vars,
                });
            }
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
                    subject: subject.clone(),
                    element,
                    decision,
                    value,
                    rules,
                };
                self.tx.emit(subject, &self.by, &made)?;
            }
            Effect::Incident { element, text, .. } => {
                self.trace(&element, "stopped", &text);
                let raised = event::IncidentRaised {
                    instance: self.id,
                    definition: self.row.definition.clone(),
                    subject: subject.clone(),
                    element: element.to_string(),
                    text,
                };
                self.tx.emit(subject, &self.by, &raised)?;
            }
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
        let row = deadline::act::begin(self.engine, self.tx.now(), &new, terms)?;
        let due = row.due_at;
        self.clocks.push(row);
        Ok(due)
    }

    // Tasks

    async fn task(&mut self, token: u32, element: &str, inputs: Map<String, Value>) -> Result<()> {
        let process = self.process.clone();
        let Some(node) = process.model.lookup(element).map(|ix| &process.model[ix]) else {
            return Ok(());
        };
        let frame = self
            .instance
            .tokens
            .get(&token)
            .map_or(0, |held| held.frame);
        let mut vars = inputs.clone();
        for (name, value) in self.instance.visible(frame) {
            vars.entry(name).or_insert(value);
        }
        match &node.kind {
            Kind::Task(Task::User) => {
                if let Err(reason) = self.offer(token, node, &vars).await? {
                    self.follow_ups.push_back(Input::Fail { token, reason });
                }
            }
            Kind::Task(Task::Receive { .. }) => {}
            _ => self.service_task(token, node, &inputs, vars).await?,
        }
        Ok(())
    }

    /// Puts a task on the list of those who get it, or leaves it out; the inner error is one of
    /// the model's or its variables'.
    async fn offer(
        &mut self,
        token: u32,
        node: &Node,
        vars: &Map<String, Value>,
    ) -> Result<Result<(), String>> {
        if let Err(reason) = self.user_task(token, node, vars)? {
            return Ok(Err(reason));
        }
        let Some(row) = self.tasks.pop() else {
            return Ok(Ok(()));
        };
        if verb::is_skipped(&self.cause, &row) {
            self.skip(token, &row)?;
            return Ok(Ok(()));
        }
        Ok(verb::created(self.tx, &mut self.cause, row)
            .await?
            .map(|arranged| {
                self.tasks.extend(arranged.tasks);
                self.parts.extend(arranged.parts);
            }))
    }

    /// The one who would get the task has just agreed at the step before: he agrees here too.
    fn skip(&mut self, token: u32, row: &task::Model) -> Result<()> {
        self.trace(&row.element, "skipped", "");
        let skipped = event::TaskActed {
            task: tables::facts(row)?,
            verb: "skip".to_owned(),
            by: self.by.clone(),
            on_behalf: None,
            other: String::new(),
            reason: String::new(),
        };
        self.tx.emit(&row.subject, &self.by, &skipped)?;
        let agreed = tables::list(&row.outcomes).into_iter().next();
        let vars = agreed.map(|outcome| ("outcome".to_owned(), Value::from(outcome)));
        self.follow_ups.push_back(Input::Complete {
            token,
            vars: vars.into_iter().collect(),
        });
        Ok(())
    }

    /// Puts a task on the list; the inner error is one of the model's or its variables'.
    fn user_task(
        &mut self,
        token: u32,
        node: &Node,
        vars: &Map<String, Value>,
    ) -> Result<Result<(), String>> {
        let filled = match filled(&node.attributes, vars) {
            Ok(filled) => filled,
            Err(reason) => return Ok(Err(reason)),
        };
        let get = |name: &str| filled.get(name).cloned().unwrap_or_default();
        let org = match filled.get("org") {
            Some(org) => org.clone(),
            None => vars
                .get("org")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        };
        let mut groups = match groups(&get("candidates"), &org) {
            Ok(groups) => groups,
            Err(reason) => return Ok(Err(reason)),
        };
        let named = tables::list(&get("users"));
        groups.extend(named.iter().map(|officer| verb::who::own_group(officer)));
        let terms = match Terms::of(&filled) {
            Ok(terms) => terms,
            Err(reason) => return Ok(Err(reason)),
        };
        let due_at = match (&terms, filled.get("due").filter(|due| !due.is_empty())) {
            (Some(terms), _) => {
                let escalate = match self::groups(&terms.escalate, &org) {
                    Ok(groups) => groups,
                    Err(reason) => return Ok(Err(reason)),
                };
                self.clock("task", Some(token), &node.id, terms, escalate)?
            }
            (None, Some(due)) => match due_at(due, self.tx.now()) {
                Some(at) => Some(micros(at)),
                None => {
                    return Ok(Err(format!(
                        "the due date `{due}` is neither a date nor a duration"
                    )));
                }
            },
            (None, None) => None,
        };
        let assignee = Some(get("assignee")).filter(|assignee| !assignee.is_empty());
        let now = micros(self.tx.now());
        self.tasks.push(task::Model {
            id: TaskId::at(self.tx.now()).to_string(),
            instance: self.row.id.clone(),
            definition: self.row.definition.clone(),
            subject: self.row.subject.clone(),
            token: i64::from(token),
            element: node.id.to_string(),
            name: node.title().to_owned(),
            kind: node.type_name().to_owned(),
            state: if assignee.is_some() {
                "claimed"
            } else {
                "open"
            }
            .to_owned(),
            candidates: groups.join(","),
            org,
            claimed_at: assignee.as_ref().map(|_| now),
            assignee,
            form: get("form"),
            outcomes: get("outcomes"),
            suspends: get("suspends"),
            officers: get("officers").parse().unwrap_or(1),
            days: terms.and_then(|terms| match terms.limit {
                Limit::Days(days) => Some(days.into()),
                Limit::Hours(_) => None,
            }),
            due_at,
            attributes: serde_json::to_string(&filled)
                .map_err(|e| Fault::caused_by("write task attributes", e))?,
            created_at: now,
            done_at: None,
            done_by: None,
            version: 1,
            parent: None,
            parts: 0,
            back_to: String::new(),
            followed: String::new(),
            acted_at: None,
            saved_at: None,
            suspended_at: None,
            urged_at: None,
            extended: 0,
        });
        Ok(Ok(()))
    }

    async fn service_task(
        &mut self,
        token: u32,
        node: &Node,
        inputs: &Map<String, Value>,
        vars: Map<String, Value>,
    ) -> Result<()> {
        let attributes = match filled(&node.attributes, &vars) {
            Ok(attributes) => attributes,
            Err(reason) => {
                self.follow_ups.push_back(Input::Fail { token, reason });
                return Ok(());
            }
        };
        let Some(name) = attributes.get("call").cloned() else {
            if attributes.contains_key("topic") {
                return self.external_task(token, node, &attributes, inputs);
            }
            let follow_up = match node.kind {
                // Its message goes out when it completes.
                Kind::Task(Task::Send { .. }) => Input::Complete {
                    token,
                    vars: Map::new(),
                },
                _ => Input::Fail {
                    token,
                    reason: "the task names no service to call".to_owned(),
                },
            };
            self.follow_ups.push_back(follow_up);
            return Ok(());
        };
        let Some(handler) = self.engine.handler(&name) else {
            let reason = format!("no service is registered under the name `{name}`");
            self.follow_ups.push_back(Input::Fail { token, reason });
            return Ok(());
        };
        let call = Call {
            id: CallId::at(self.tx.now()),
            instance: self.id,
            subject: self.row.subject.clone(),
            element: node.id.to_string(),
            name: node.title().to_owned(),
            vars,
            attributes,
        };
        if call.attributes.get("async").is_some_and(|a| a == "true") {
            self.wait_for(&call, token, &name).await?;
            return self.tx.enqueue(&RunCall {
                call: call.id,
                tries: 0,
            });
        }
        let follow_up = match handler.call(self.tx, &call).await {
            Ok(Outcome::Done(vars)) => Input::Complete { token, vars },
            Ok(Outcome::Error { code, message }) => Input::Error {
                token,
                code,
                message,
                vars: Map::new(),
            },
            Ok(Outcome::Wait) => return self.wait_for(&call, token, &name).await,
            // After a fault the transaction cannot be trusted: nothing of the step holds.
            Err(error @ (Error::Fault(_) | Error::Unavailable(_))) => return Err(error),
            Err(refusal) => Input::Fail {
                token,
                reason: format!("`{name}`: {refusal}"),
            },
        };
        self.follow_ups.push_back(follow_up);
        Ok(())
    }

    async fn wait_for(&self, call: &Call, token: u32, name: &str) -> Result<()> {
        let row = call::Model {
            id: call.id.to_string(),
            instance: self.row.id.clone(),
            token: i64::from(token),
            element: call.element.clone(),
            name: name.to_owned(),
            state: "waiting".to_owned(),
            created_at: micros(self.tx.now()),
            done_at: None,
        };
        tables::insert_call(self.tx, row).await
    }

    /// A task for workers outside; the topic says for which.
    fn external_task(
        &mut self,
        token: u32,
        node: &Node,
        attributes: &BTreeMap<String, String>,
        inputs: &Map<String, Value>,
    ) -> Result<()> {
        let number = |name: &str| match attributes.get(name).map(|text| text.trim()) {
            None | Some("") => Ok(None),
            Some(text) => match text.parse::<i64>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(format!("`{name}` is no whole number but `{text}`")),
            },
        };
        let numbers = number("priority").and_then(|priority| {
            let retries = attributes.get("retries").map(|text| Retries::parse(text));
            Ok((priority, retries.transpose()?))
        });
        let (priority, retries) = match numbers {
            Ok(numbers) => numbers,
            Err(reason) => {
                self.follow_ups.push_back(Input::Fail { token, reason });
                return Ok(());
            }
        };
        let now = micros(self.tx.now());
        let key = self.row.definition.split(':').next().unwrap_or_default();
        self.external.push(external_task::Model {
            id: ExternalTaskId::at(self.tx.now()).to_string(),
            instance: self.row.id.clone(),
            definition: self.row.definition.clone(),
            key: key.to_owned(),
            subject: self.row.subject.clone(),
            token: i64::from(token),
            element: node.id.to_string(),
            topic: attributes.get("topic").cloned().unwrap_or_default(),
            priority: priority.unwrap_or_default(),
            state: "open".to_owned(),
            worker: None,
            available_at: now,
            retries: retries.map(|retries| i64::from(retries.times)),
            error_message: String::new(),
            error_details: String::new(),
            inputs: serde_json::to_string(inputs)
                .map_err(|e| Fault::caused_by("write inputs", e))?,
            created_at: now,
            ended_at: None,
        });
        Ok(())
    }

    // Writing

    async fn save_external(&mut self) -> Result<()> {
        let created = std::mem::take(&mut self.external);
        for row in &created {
            let task = external::facts(row)?;
            self.tx.emit(
                &self.row.subject,
                &self.by,
                &event::ExternalTaskCreated { task },
            )?;
        }
        external::store::insert(self.tx, created).await
    }

    /// The time that the process as a whole may take.
    fn start_process_clock(&mut self) -> Result<()> {
        let process = self.process.clone();
        let head = process.model.process(&process.id);
        let Some(head) = head.filter(|head| !head.attributes.is_empty()) else {
            return Ok(());
        };
        let vars = self.instance.variables();
        let wrong =
            |reason: String| Error::Refused(Text::new("workflow-rejected").with("reason", reason));
        let attributes = filled(&head.attributes, &vars).map_err(wrong)?;
        let Some(terms) = Terms::of(&attributes).map_err(wrong)? else {
            return Ok(());
        };
        let org = vars.get("org").and_then(Value::as_str).unwrap_or_default();
        let escalate = groups(&terms.escalate, org).map_err(wrong)?;
        self.clock("process", None, &head.id, &terms, escalate)?;
        Ok(())
    }

    async fn save_clocks(&mut self) -> Result<()> {
        if !self.process.has_clocks {
            return Ok(());
        }
        if self.instance.is_over() {
            return if self.is_new {
                Ok(())
            } else {
                deadline::store::end_all(self.tx, &self.row.id).await
            };
        }
        if self.is_new {
            self.start_process_clock()?;
        }
        let gone = self.before.iter().filter(|number| {
            let waits = self
                .instance
                .tokens
                .get(number)
                .is_some_and(|held| held.state == State::Task);
            !waits && !self.instance.timers.contains_key(number)
        });
        let gone: Vec<String> = gone
            .map(|&number| deadline::store::id_of(&self.row.id, number.into()))
            .collect();
        deadline::store::end(self.tx, &gone).await?;
        for clock in &self.clocks {
            deadline::act::schedule(self.tx, self.engine, clock)?;
        }
        deadline::store::insert(self.tx, std::mem::take(&mut self.clocks)).await
    }

    /// What the instance waits for is what others find it by.
    async fn save_post(&mut self) -> Result<()> {
        let waits = waits(&self.process, &self.instance);
        if waits != self.waited {
            post::keep_waits(self.tx, &self.row.id, &waits).await?;
        }
        let begun: Vec<_> = waits.difference(&self.waited).collect();
        let sent = std::mem::take(&mut self.sent);
        post::send(self.tx, &self.process, &self.row, sent, &begun).await
    }

    async fn save(mut self) -> Result<()> {
        let before = self.row.version;
        self.row.version += 1;
        status_name(self.instance.status).clone_into(&mut self.row.status);
        self.row.incidents = i64::try_from(self.instance.incidents().count()).unwrap_or(i64::MAX);
        self.row.state = serde_json::to_string(&self.instance)
            .map_err(|e| Fault::caused_by("write an instance", e))?;
        if self.is_new {
            tables::insert_instance(self.tx, self.row.clone()).await?;
        } else {
            tables::update_instance(self.tx, &self.row, before).await?;
        }
        tables::insert_trail(self.tx, std::mem::take(&mut self.trail)).await?;
        self.save_post().await?;
        self.save_gone().await?;
        self.cause.need_chosen()?;
        self.save_clocks().await?;
        let created = std::mem::take(&mut self.tasks);
        let facts = |row: &task::Model| Ok((row.parent.is_some(), tables::facts(row)?));
        let facts: Vec<_> = created.iter().map(facts).collect::<Result<_>>()?;
        let parts = std::mem::take(&mut self.parts);
        if !parts.is_empty() {
            let ids: HashSet<_> = created.iter().map(|row| row.id.as_str()).collect();
            let kept = parts
                .into_iter()
                .filter(|part| ids.contains(part.task.as_str()));
            verb::insert_parts(self.tx, kept.collect()).await?;
        }
        tables::insert_tasks(self.tx, created).await?;
        self.save_external().await?;
        let listeners = self.engine.listeners();
        for (is_part, task) in facts {
            // A signer's row is the same task to those who listen.
            for listener in listeners.iter().filter(|_| !is_part) {
                listener.created(self.tx, &task).await?;
            }
            self.tx
                .emit(&self.row.subject, &self.by, &event::TaskCreated { task })?;
        }
        Ok(())
    }

    async fn save_gone(&mut self) -> Result<()> {
        let gone = std::mem::take(&mut self.gone);
        if gone.is_empty() || self.is_new {
            return Ok(());
        }
        let rows = tables::open_tasks_at(self.tx, &self.row.id, &gone).await?;
        tables::mark_gone(self.tx, &self.row.id, &gone).await?;
        external::store::mark_gone(self.tx, &self.row.id, &gone).await?;
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        tables::remove_candidates(self.tx, &ids).await?;
        let listeners = self.engine.listeners();
        for row in &rows {
            let task = tables::facts(row)?;
            for listener in listeners.iter().filter(|_| row.parent.is_none()) {
                listener.gone(self.tx, &task).await?;
            }
            self.tx
                .emit(&self.row.subject, &self.by, &event::TaskGone { task })?;
        }
        Ok(())
    }
}

/// Posts as `post@org`; those without an organisation are of the given one.
fn groups(posts: &str, org: &str) -> Result<Vec<String>, String> {
    let posts = tables::list(posts);
    if org.is_empty() && posts.iter().any(|post| !post.contains('@')) {
        let reason =
            "neither `tongban:org` nor the variable `org` says whose posts are meant".to_owned();
        return Err(reason);
    }
    let whole = posts.into_iter().map(|post| {
        if post.contains('@') {
            post
        } else {
            format!("{post}@{org}")
        }
    });
    Ok(whole.collect())
}

/// When a due date of other engines is: an ISO 8601 date, or a duration from now.
fn due_at(text: &str, now: chrono::DateTime<chrono::Utc>) -> Option<chrono::DateTime<chrono::Utc>> {
    timer::date(text).or_else(|| timer::span(text).map(|span| span.after(now)))
}

/// The attributes with `${…}` filled in from the variables.
pub(crate) fn filled(
    attributes: &BTreeMap<String, String>,
    vars: &Map<String, Value>,
) -> Result<BTreeMap<String, String>, String> {
    let mut filled = BTreeMap::new();
    for (name, text) in attributes {
        let value = if text.contains("${") {
            match Expr::parse(text).and_then(|expr| expr.evaluate(vars)) {
                Ok(Value::String(value)) => value,
                Ok(Value::Null) => return Err(format!("`{name}=\"{text}\"` has no value")),
                Ok(Value::Array(items)) => {
                    let items: Vec<_> = items
                        .iter()
                        .map(|item| {
                            item.as_str()
                                .map_or_else(|| item.to_string(), str::to_owned)
                        })
                        .collect();
                    items.join(",")
                }
                Ok(other) => other.to_string(),
                Err(reason) => return Err(format!("`{name}=\"{text}\"`: {reason}")),
            }
        } else {
            text.clone()
        };
        filled.insert(name.clone(), value);
    }
    Ok(filled)
}
