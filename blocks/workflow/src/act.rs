//! What can be done to definitions, instances and tasks. Every act runs in the caller's write:
//! the caller authorises, and adds its own rows, events and jobs to the same transaction.

use kernel::{Error, Fault, Result, Text, clock::micros};
use sea_orm::ActiveValue::Set;
use serde_json::{Map, Value};
use store::{
    Tx,
    page::{PageOf, PageRequest},
};

use crate::{
    CallId, InstanceId, TaskId,
    core::Input,
    engine::Engine,
    event,
    schema::task,
    state, step,
    store::{self as tables, Filter, Task},
    verb::{Acting, Cause, Completion, who, work},
};

/// Who acts on tasks: identifier, and groups as `post@org`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Officer {
    pub id: String,
    pub groups: Vec<String>,
    /// How events and the trail name the actor.
    pub trace: String,
}

impl From<&identity::Actor> for Officer {
    fn from(actor: &identity::Actor) -> Self {
        Self {
            id: actor.user.to_string(),
            groups: [
                actor.groups(),
                vec![who::own_group(&actor.user.to_string())],
            ]
            .concat(),
            trace: actor.trace(),
        }
    }
}

/// Starts the newest version of a process; `subject` is what it is about, as `case:0192…`.
pub async fn start(
    tx: &Tx,
    engine: &Engine,
    key: &str,
    subject: &str,
    vars: Map<String, Value>,
) -> Result<InstanceId> {
    start_by(tx, engine, key, subject, vars, "system").await
}

/// As [`start`], naming who started it.
pub async fn start_by(
    tx: &Tx,
    engine: &Engine,
    key: &str,
    subject: &str,
    vars: Map<String, Value>,
    by: &str,
) -> Result<InstanceId> {
    let latest = tables::latest_process(&**tx, key).await?;
    let latest = latest
        .ok_or_else(|| Error::Refused(Text::new("workflow-unknown-process").with("key", key)))?;
    let input = Input::Start { at: None, vars };
    step::begin(tx, engine, &latest, subject, input, by).await
}

/// Starts a certain version, as cases do that keep the version they began with.
pub async fn start_version(
    tx: &Tx,
    engine: &Engine,
    definition: &str,
    subject: &str,
    vars: Map<String, Value>,
    by: &str,
) -> Result<InstanceId> {
    let input = Input::Start { at: None, vars };
    step::begin(tx, engine, definition, subject, input, by).await
}

/// Goes on with an instance that another engine began: at the activities and waiting events where
/// it stood, with its variables. They begin anew here, timers and deadlines too.
pub async fn start_at(
    tx: &Tx,
    engine: &Engine,
    definition: &str,
    subject: &str,
    at: Vec<String>,
    vars: Map<String, Value>,
    by: &str,
) -> Result<InstanceId> {
    if tables::get_definition(&**tx, definition).await?.kind != "bpmn" {
        return Err(Error::NotFound { what: "definition" });
    }
    let input = Input::Import { at, vars };
    step::begin(tx, engine, definition, subject, input, by).await
}

// Tasks

/// The task if it can still be acted on.
pub(crate) async fn open_task(tx: &Tx, id: TaskId, expected: Option<i64>) -> Result<task::Model> {
    need_open(tables::get_task(&**tx, id).await?, expected)
}

/// The task, unless it can no longer be acted on.
pub(crate) fn need_open(row: task::Model, expected: Option<i64>) -> Result<task::Model> {
    match row.state.as_str() {
        "done" | "withdrawn" => Err(Error::refused("workflow-task-already-done")),
        "gone" => Err(Error::refused("workflow-task-gone")),
        "pending" | "signing" | "following" => Err(Error::refused("workflow-task-waits")),
        _ if expected.is_some_and(|expected| expected != row.version) => {
            Err(Error::refused("workflow-task-changed"))
        }
        _ => Ok(row),
    }
}

pub(crate) fn forbidden(action: &str) -> Error {
    Error::Forbidden {
        action: action.to_owned(),
    }
}

/// An attribute of our namespace at the task's step, filled in.
pub(crate) fn attribute(row: &task::Model, name: &str) -> Option<String> {
    let all: Map<String, Value> = serde_json::from_str(&row.attributes).unwrap_or_default();
    let value = all.get(name).and_then(Value::as_str);
    value.filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Changes a task, or refuses because somebody else did meanwhile.
pub(crate) async fn change(tx: &Tx, row: &task::Model, change: task::ActiveModel) -> Result<()> {
    if tables::update_task(tx, row, change).await? {
        Ok(())
    } else {
        Err(Error::refused("workflow-task-changed"))
    }
}

/// An officer of one of the candidate posts takes an open task. A substitute takes it for the
/// absent officer, whose it stays.
pub async fn claim(tx: &Tx, id: TaskId, officer: &Officer, expected: Option<i64>) -> Result<()> {
    let row = open_task(tx, id, None).await?;
    let acting = who::acting(tx, &row, officer, "workflow.task.claim").await?;
    if row.assignee.as_deref() == Some(acting.seat()) {
        return Ok(());
    }
    if expected.is_some_and(|expected| expected != row.version) {
        return Err(Error::refused("workflow-task-changed"));
    }
    assign(tx, &row, Some(acting.seat())).await?;
    let mut task = tables::facts(&row)?;
    task.assignee = Some(acting.seat().to_owned());
    tx.emit(
        &row.subject,
        &acting.trace,
        &event::TaskClaimed {
            task,
            by: officer.id.clone(),
        },
    )
}

async fn assign(tx: &Tx, row: &task::Model, to: Option<&str>) -> Result<()> {
    let new = task::ActiveModel {
        assignee: Set(to.map(str::to_owned)),
        state: Set(if to.is_some() { "claimed" } else { "open" }.to_owned()),
        claimed_at: Set(to.map(|_| micros(tx.now()))),
        // What was taken and given back is as if nobody had touched it.
        acted_at: Set(to.map(|_| micros(tx.now()))),
        ..Default::default()
    };
    change(tx, row, new).await
}

/// The one who has a task gives it back to its candidates.
pub async fn release(tx: &Tx, id: TaskId, officer: &Officer) -> Result<()> {
    let row = open_task(tx, id, None).await?;
    if row.assignee.is_none() {
        return Ok(());
    }
    let acting = who::lookup_acting(tx, &row, row.assignee.as_deref(), officer).await?;
    let acting = acting.ok_or_else(|| forbidden("workflow.task.release"))?;
    if !row.back_to.is_empty() {
        return Err(Error::refused("workflow-task-delegated"));
    }
    if row.candidates.is_empty() {
        return Err(Error::refused("workflow-task-no-candidates"));
    }
    assign(tx, &row, None).await?;
    let mut task = tables::facts(&row)?;
    task.assignee = None;
    tx.emit(
        &row.subject,
        &acting.trace,
        &event::TaskReleased {
            task,
            by: officer.id.clone(),
        },
    )
}

/// The one who has a task gives it to another officer, saying why. Whether the other may have
/// it is the caller's to decide.
pub async fn transfer(
    tx: &Tx,
    id: TaskId,
    officer: &Officer,
    to: &str,
    reason: &str,
) -> Result<()> {
    let row = open_task(tx, id, None).await?;
    let acting = who::acting(tx, &row, officer, "workflow.task.transfer").await?;
    if reason.trim().is_empty() {
        return Err(Error::invalid(
            "reason",
            Text::new("workflow-transfer-reason"),
        ));
    }
    if acting.on_behalf.is_some() && to == officer.id {
        return Err(Error::invalid("to", Text::new("workflow-transfer-self")));
    }
    assign(tx, &row, Some(to)).await?;
    let mut task = tables::facts(&row)?;
    task.assignee = Some(to.to_owned());
    let transferred = event::TaskTransferred {
        task,
        by: officer.id.clone(),
        to: to.to_owned(),
        reason: reason.to_owned(),
    };
    tx.emit(&row.subject, &acting.trace, &transferred)
}

/// The one who has a task (or, where nobody has it, one who could) completes it, and the process
/// goes on with the variables, as soon as nobody else has to answer. Of two who complete one task
/// the second is refused.
pub async fn complete(
    tx: &Tx,
    engine: &Engine,
    id: TaskId,
    officer: &Officer,
    expected: Option<i64>,
    vars: Map<String, Value>,
) -> Result<()> {
    let done = Completion { vars, next: None };
    work::complete_choosing(tx, engine, id, officer, expected, done)
        .await
        .map(drop)
}

/// The system completes a task, as an automatic rule or a consumer does.
pub async fn complete_by_system(
    tx: &Tx,
    engine: &Engine,
    id: TaskId,
    vars: Map<String, Value>,
) -> Result<()> {
    let row = open_task(tx, id, None).await?;
    let done = Completion { vars, next: None };
    work::settle(tx, engine, row, &Acting::system(), done)
        .await
        .map(drop)
}

/// An operator completes a task, whoever has it, by the rules that hold for everybody. What the
/// rules forbid is an intervention, with a reason.
pub(crate) async fn complete_for(
    tx: &Tx,
    engine: &Engine,
    id: TaskId,
    officer: &Officer,
    expected: Option<i64>,
    vars: Map<String, Value>,
) -> Result<()> {
    let row = open_task(tx, id, expected).await?;
    // Nobody signs for another.
    if row.parent.is_some() && row.assignee.as_deref() != Some(officer.id.as_str()) {
        return Err(forbidden("workflow.task.complete"));
    }
    let done = Completion { vars, next: None };
    work::check(tx, &row, &done).await?;
    work::answer(tx, engine, row, &Acting::own(officer), done)
        .await
        .map(drop)
}

/// An operator gives an open task to an officer.
pub(crate) async fn claim_for(tx: &Tx, id: TaskId, user: &str, trace: &str) -> Result<()> {
    let row = open_task(tx, id, None).await?;
    match row.assignee.as_deref() {
        Some(holder) if holder == user => return Ok(()),
        Some(_) => return Err(Error::refused("workflow-task-taken")),
        None => assign(tx, &row, Some(user)).await?,
    }
    let mut task = tables::facts(&row)?;
    task.assignee = Some(user.to_owned());
    let by = user.to_owned();
    tx.emit(&row.subject, trace, &event::TaskClaimed { task, by })
}

/// An operator takes a task away from whoever has it.
pub(crate) async fn release_for(tx: &Tx, id: TaskId, trace: &str) -> Result<()> {
    let row = open_task(tx, id, None).await?;
    let Some(by) = row.assignee.clone() else {
        return Ok(());
    };
    assign(tx, &row, None).await?;
    let mut task = tables::facts(&row)?;
    task.assignee = None;
    tx.emit(&row.subject, trace, &event::TaskReleased { task, by })
}

/// The task's row is done; nothing moves yet.
pub(crate) async fn close(
    tx: &Tx,
    engine: &Engine,
    row: &task::Model,
    acting: &Acting,
    vars: &Map<String, Value>,
) -> Result<()> {
    // Where others answered too, it stays the handler's who had it before them.
    let handler = row.assignee.as_deref().filter(|_| row.parts > 0);
    let seat = handler.unwrap_or(acting.seat()).to_owned();
    let done = task::ActiveModel {
        state: Set("done".to_owned()),
        assignee: Set(Some(seat.clone())),
        done_at: Set(Some(micros(tx.now()))),
        done_by: Set(Some(acting.id.clone())),
        saved_at: Set(None),
        ..Default::default()
    };
    change(tx, row, done).await?;
    tables::remove_candidates(tx, std::slice::from_ref(&row.id)).await?;
    if row.saved_at.is_some() {
        work::forget(tx, row).await?;
    }
    let mut task = tables::facts(row)?;
    task.assignee = Some(seat);
    if row.parent.is_none() {
        for listener in engine.listeners() {
            listener.completed(tx, &task, &acting.id, vars).await?;
        }
    }
    let done = event::TaskCompleted {
        task,
        by: acting.id.clone(),
        created_at: kernel::clock::from_micros(row.created_at),
        vars: vars.clone(),
    };
    tx.emit(&row.subject, &acting.trace, &done)
}

/// The token of a closed task leaves it.
pub(crate) async fn leave(
    tx: &Tx,
    engine: &Engine,
    row: &task::Model,
    acting: &Acting,
    done: Completion,
) -> Result<()> {
    let token = u32::try_from(row.token).unwrap_or_default();
    let cause = Cause::completion(row, acting, done.next);
    let input = Input::Complete {
        token,
        vars: done.vars,
    };
    step::step_for(tx, engine, instance_of(row)?, input, cause).await
}

pub(crate) fn instance_of(row: &task::Model) -> Result<InstanceId> {
    Ok(row
        .instance
        .parse()
        .map_err(|_| Fault::new("a task without an instance"))?)
}

// What comes from outside

/// A service call that was left waiting is done. A second answer is refused.
pub async fn call_done(
    tx: &Tx,
    engine: &Engine,
    id: CallId,
    vars: Map<String, Value>,
) -> Result<()> {
    end_call(tx, engine, id, |token| Input::Complete { token, vars }).await
}

/// A service call that was left waiting ended in a business error.
pub async fn call_failed(
    tx: &Tx,
    engine: &Engine,
    id: CallId,
    code: &str,
    message: &str,
) -> Result<()> {
    let (code, message) = (code.to_owned(), message.to_owned());
    end_call(tx, engine, id, |token| Input::Error {
        token,
        code,
        message,
        vars: Map::new(),
    })
    .await
}

async fn end_call(
    tx: &Tx,
    engine: &Engine,
    id: CallId,
    input: impl FnOnce(u32) -> Input,
) -> Result<()> {
    let row = tables::get_call(tx, &id.to_string()).await?;
    if !tables::end_call(tx, &row.id).await? {
        return Err(Error::refused("workflow-call-already-done"));
    }
    let instance = row
        .instance
        .parse()
        .map_err(|_| Fault::new("a call without an instance"))?;
    let token = u32::try_from(row.token).unwrap_or_default();
    step::step_unattended(tx, engine, instance, input(token), "system").await
}

/// A message comes to an instance; refused when nothing waits for it, or two places do.
pub async fn message(
    tx: &Tx,
    engine: &Engine,
    instance: InstanceId,
    name: &str,
    key: Option<Value>,
    vars: Map<String, Value>,
) -> Result<()> {
    let input = Input::Message {
        name: name.to_owned(),
        to: None,
        key,
        vars,
    };
    step::step(tx, engine, instance, input, "system").await
}

/// A signal reaches whatever in the instance waits for it, which may be nothing.
pub async fn signal(
    tx: &Tx,
    engine: &Engine,
    instance: InstanceId,
    name: &str,
    vars: Map<String, Value>,
) -> Result<()> {
    step::step(
        tx,
        engine,
        instance,
        Input::Signal {
            name: name.to_owned(),
            vars,
        },
        "system",
    )
    .await
}

/// Variables change from outside, and conditional events look again.
pub async fn set(
    tx: &Tx,
    engine: &Engine,
    instance: InstanceId,
    vars: Map<String, Value>,
) -> Result<()> {
    step::step(tx, engine, instance, Input::Set { vars }, "system").await
}

/// Ends an instance here, as withdrawal does; open tasks go.
pub async fn cancel(
    tx: &Tx,
    engine: &Engine,
    instance: InstanceId,
    reason: &str,
    by: &str,
) -> Result<()> {
    step::step(
        tx,
        engine,
        instance,
        Input::Cancel {
            reason: reason.to_owned(),
        },
        by,
    )
    .await
}

/// Everything that stopped in an instance tries again.
pub async fn retry(tx: &Tx, engine: &Engine, instance: InstanceId, by: &str) -> Result<()> {
    step::retry_all(tx, engine, instance, || Cause::by(by)).await
}

/// An administrator takes a waiting task away and puts the process at another step of its scope.
pub async fn relocate(tx: &Tx, engine: &Engine, id: TaskId, to: &str, by: &str) -> Result<()> {
    let row = tables::get_task(&**tx, id).await?;
    if !tables::LIVE.contains(&row.state.as_str()) {
        return Err(Error::refused("workflow-task-already-done"));
    }
    let token = u32::try_from(row.token).unwrap_or_default();
    step::step(
        tx,
        engine,
        instance_of(&row)?,
        Input::Move {
            token,
            to: to.to_owned(),
        },
        by,
    )
    .await
}

// Reading

/// Tasks as the filter says, the oldest first.
pub async fn tasks(db: &store::Db, filter: &Filter, page: &PageRequest) -> Result<PageOf<Task>> {
    tables::list_tasks(db.read(), filter, page).await
}

/// As [`tasks`], inside a write.
pub async fn tasks_in(tx: &Tx, filter: &Filter, page: &PageRequest) -> Result<PageOf<Task>> {
    tables::list_tasks(&**tx, filter, page).await
}

pub async fn task(db: &store::Db, id: TaskId) -> Result<Task> {
    Task::of(&tables::get_task(db.read(), id).await?)
}

/// As [`task`], inside a write.
pub async fn task_in(tx: &Tx, id: TaskId) -> Result<Task> {
    Task::of(&tables::get_task(&**tx, id).await?)
}

/// Variables of an instance's process.
pub async fn variables(tx: &Tx, instance: InstanceId) -> Result<Map<String, Value>> {
    let row = tables::get_instance(&**tx, instance).await?;
    Ok(state::read(&**tx, &row).await?.variables())
}
