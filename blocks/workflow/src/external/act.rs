//! What workers do with external tasks. The caller authorises.

use std::time;

use chrono::Duration;
use kernel::{Error, Finding, Result, Text, clock::micros};
use sea_orm::ActiveValue::Set;
use serde_json::{Map, Value};
use store::{
    Db, Tx,
    page::{PageOf, PageRequest},
};

use super::{
    Completion, ExternalTask, ExternalTaskId, Failure, Fetch, Filter, Thrown, Topic, check_lock,
    check_worker, holds, store as tables,
};
use crate::{
    InstanceId,
    core::Input,
    engine::Engine,
    event::{self, ExternalFacts},
    schema::external::{ActiveModel, Model},
    step,
};

/// Locks free tasks of the topics for the worker and answers them with the variables wanted.
/// Works on its own write: a claim that skips what others hold must not be part of a larger one.
pub async fn fetch(db: &Db, engine: &Engine, fetch: &Fetch, by: &str) -> Result<Vec<ExternalTask>> {
    fetch.check()?;
    let now = micros(db.clock().now());
    if !tables::is_any(db.read(), &fetch.topics, now).await? {
        return Ok(Vec::new());
    }
    let (wanted, by) = (fetch.clone(), by.to_owned());
    let claimed = db
        .claim(move |tx| {
            let (wanted, by) = (wanted.clone(), by.clone());
            async move { claim(&tx, &wanted, &by).await }
        })
        .await?;
    let mut tasks = Vec::with_capacity(claimed.len());
    for (row, topic) in claimed {
        tasks.push(with_variables(db, engine, &row, fetch.topics.get(topic)).await?);
    }
    Ok(tasks)
}

/// Takes from the topic whose next task has the highest priority, down to where another's comes
/// before it.
async fn claim(tx: &Tx, fetch: &Fetch, by: &str) -> Result<Vec<(Model, usize)>> {
    let mut claimed = Vec::new();
    let mut free = u64::from(fetch.most);
    let mut next = next_of(tx, fetch).await?;
    while free > 0 {
        let best = next.iter().map(|(_, priority)| *priority).max();
        let Some(at) = next
            .iter()
            .position(|(_, priority)| Some(*priority) == best)
        else {
            break;
        };
        let (n, _) = next.remove(at);
        let Some(topic) = fetch.topics.get(n) else {
            continue;
        };
        let down_to = next.iter().map(|(_, priority)| *priority).max();
        let rows = tables::claim(tx, topic, &fetch.worker, free, down_to).await?;
        free = free.saturating_sub(rows.len() as u64);
        if let Some(below) = down_to.filter(|_| free > 0) {
            let left = tables::next_priority(tx, topic, Some(below)).await?;
            next.extend(left.map(|priority| (n, priority)));
        }
        for row in rows {
            let until = kernel::clock::from_micros(row.available_at);
            let locked = event::ExternalTaskLocked {
                task: facts(&row)?,
                worker: fetch.worker.clone(),
                until,
            };
            tx.emit(&row.subject, by, &locked)?;
            claimed.push((row, n));
        }
    }
    Ok(claimed)
}

/// The priority of the next task of each topic that has any. Not always the same topic first: of
/// equal ones a busy one would starve the others.
async fn next_of(tx: &Tx, fetch: &Fetch) -> Result<Vec<(usize, i64)>> {
    let count = fetch.topics.len().max(1);
    let first = usize::try_from(micros(tx.now()).unsigned_abs() % count as u64).unwrap_or(0);
    let mut next = Vec::with_capacity(count);
    for (n, topic) in fetch.topics.iter().enumerate() {
        let priority = match fetch.topics.as_slice() {
            // There is nothing to compare with.
            [_] => Some(0),
            _ => tables::next_priority(tx, topic, None).await?,
        };
        next.extend(priority.map(|priority| (n, priority)));
    }
    next.sort_by_key(|(n, _)| (n + count - first) % count);
    Ok(next)
}

/// Reads the task's variables as they are now.
async fn with_variables(
    db: &Db,
    engine: &Engine,
    row: &Model,
    topic: Option<&Topic>,
) -> Result<ExternalTask> {
    let mut task = ExternalTask::of(row)?;
    let instance = crate::store::get_instance(db.read(), task.instance).await?;
    let inputs: Map<String, Value> = serde_json::from_str(&row.inputs).unwrap_or_default();
    let mut variables = inputs;
    if topic.is_none_or(|topic| !topic.is_local_only) {
        let state = engine.state(db.read(), &instance).await?;
        let token = u32::try_from(row.token).unwrap_or_default();
        let frame = state.tokens.get(&token).map_or(0, |held| held.frame);
        for (name, value) in state.visible(frame) {
            variables.entry(name).or_insert(value);
        }
    }
    if let Some(names) = topic.and_then(|topic| topic.variables.as_ref()) {
        variables.retain(|name, _| names.contains(name));
    }
    task.variables = variables;
    let process = engine.process(db.read(), &row.definition).await?;
    if let Some(ix) = process.model.lookup(&row.element) {
        task.attributes.clone_from(&process.model[ix].attributes);
    }
    Ok(task)
}

/// How often a waiting fetch looks for what another server made, or what has come free by time.
const LOOK: time::Duration = time::Duration::from_secs(1);
/// What is written within this time is looked for together: many workers may wait at a busy server.
const GATHER: time::Duration = time::Duration::from_millis(50);

/// As [`fetch`], waiting until there is something or the patience is over.
pub(crate) async fn wait_and_fetch(
    db: &Db,
    engine: &Engine,
    wanted: &Fetch,
    patience: time::Duration,
    by: &str,
) -> Result<Vec<ExternalTask>> {
    let end = tokio::time::Instant::now() + patience;
    // Subscribed before looking, so that nothing slips between.
    let mut changes = db.changes();
    loop {
        changes.mark_unchanged();
        let tasks = fetch(db, engine, wanted, by).await?;
        let now = tokio::time::Instant::now();
        if !tasks.is_empty() || now >= end {
            return Ok(tasks);
        }
        let pause = LOOK.min(end - now);
        tokio::select! {
            _ = changes.changed() => tokio::time::sleep(GATHER.min(pause)).await,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

pub(crate) fn facts(row: &Model) -> Result<ExternalFacts> {
    let task = ExternalTask::of(row)?;
    Ok(ExternalFacts {
        task: task.id,
        instance: task.instance,
        definition: task.definition,
        subject: task.subject,
        element: task.element,
        topic: task.topic,
    })
}

/// The task that this worker holds now.
async fn held(tx: &Tx, id: ExternalTaskId, worker: &str) -> Result<Model> {
    let mut findings = Vec::new();
    check_worker(worker, &mut findings);
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    let row = tables::get(&**tx, id).await?;
    holds(&row, worker, micros(tx.now()))?;
    Ok(row)
}

async fn change(tx: &Tx, row: &Model, change: ActiveModel) -> Result<()> {
    if tables::update(tx, row, change).await? {
        Ok(())
    } else {
        Err(Error::refused("workflow-external-changed"))
    }
}

async fn end(tx: &Tx, row: &Model, state: &str) -> Result<()> {
    let over = ActiveModel {
        state: Set(state.to_owned()),
        ended_at: Set(Some(micros(tx.now()))),
        ..Default::default()
    };
    change(tx, row, over).await
}

fn place(row: &Model) -> Result<(InstanceId, u32)> {
    let instance = row.instance.parse();
    let instance =
        instance.map_err(|_| kernel::Fault::new("an external task without an instance"))?;
    Ok((instance, u32::try_from(row.token).unwrap_or_default()))
}

/// The task is done and the process goes on.
pub async fn complete(
    tx: &Tx,
    engine: &Engine,
    id: ExternalTaskId,
    done: Completion,
    by: &str,
) -> Result<()> {
    let row = held(tx, id, &done.worker).await?;
    end(tx, &row, "done").await?;
    let completed = event::ExternalTaskCompleted {
        task: facts(&row)?,
        worker: done.worker,
    };
    tx.emit(&row.subject, by, &completed)?;
    let (instance, token) = place(&row)?;
    let process = engine.process(&**tx, &row.definition).await?;
    let has_outputs = process
        .model
        .lookup(&row.element)
        .is_some_and(|ix| !process.model[ix].outputs.is_empty());
    let mut vars = done.vars;
    if has_outputs {
        // Only mapped outputs leave a task that has any, so the process's own come first.
        if !vars.is_empty() {
            let vars = vars.clone();
            step::step(tx, engine, instance, Input::Set { vars }, by).await?;
        }
        vars.extend(done.local);
    }
    step::step(tx, engine, instance, Input::Complete { token, vars }, by).await
}

/// The worker could not carry it out. With tries left it may be fetched again after the pause;
/// without, the process stops there as an incident.
pub async fn fail(
    tx: &Tx,
    engine: &Engine,
    id: ExternalTaskId,
    failure: &Failure,
    by: &str,
) -> Result<()> {
    let row = held(tx, id, &failure.worker).await?;
    let left = failure.retries.or(row.retries.map(|n| n - 1)).unwrap_or(0);
    if left < 0 || failure.pause < Duration::zero() || failure.pause > Duration::days(365) {
        let field = if left < 0 { "retries" } else { "pause" };
        return Err(Error::invalid(field, Text::new("workflow-external-number")));
    }
    let failed = event::ExternalTaskFailed {
        task: facts(&row)?,
        worker: failure.worker.clone(),
        message: failure.message.clone(),
        retries: left,
    };
    tx.emit(&row.subject, by, &failed)?;
    let now = tx.now();
    let noted = ActiveModel {
        retries: Set(Some(left)),
        error_message: Set(failure.message.clone()),
        error_details: Set(failure.details.clone()),
        worker: Set(None),
        available_at: Set(micros(now + failure.pause)),
        ..Default::default()
    };
    if left > 0 {
        return change(tx, &row, noted).await;
    }
    let over = ActiveModel {
        state: Set("failed".to_owned()),
        ended_at: Set(Some(micros(now))),
        ..noted
    };
    change(tx, &row, over).await?;
    let (instance, token) = place(&row)?;
    let reason = format!("`{}`: {}", row.topic, failure.message);
    step::step(tx, engine, instance, Input::Fail { token, reason }, by).await
}

/// The task ended in a business error, which the model may catch on its border.
pub async fn throw(
    tx: &Tx,
    engine: &Engine,
    id: ExternalTaskId,
    thrown: Thrown,
    by: &str,
) -> Result<()> {
    if thrown.code.trim().is_empty() {
        let text = Text::new("workflow-external-error-code");
        return Err(Error::invalid("code", text));
    }
    let row = held(tx, id, &thrown.worker).await?;
    end(tx, &row, "done").await?;
    let threw = event::ExternalTaskThrew {
        task: facts(&row)?,
        worker: thrown.worker,
        code: thrown.code.clone(),
        message: thrown.message.clone(),
    };
    tx.emit(&row.subject, by, &threw)?;
    let (instance, token) = place(&row)?;
    let input = Input::Error {
        token,
        code: thrown.code,
        message: thrown.message,
        vars: thrown.vars,
    };
    step::step(tx, engine, instance, input, by).await
}

fn until(tx: &Tx, lock: Duration) -> Result<i64> {
    let mut findings: Vec<Finding> = Vec::new();
    check_lock("lock", lock, &mut findings);
    if findings.is_empty() {
        Ok(micros(tx.now() + lock))
    } else {
        Err(Error::Invalid(findings))
    }
}

/// The worker needs longer: its lock ends after this time from now.
pub async fn extend(
    tx: &Tx,
    id: ExternalTaskId,
    worker: &str,
    lock: Duration,
    by: &str,
) -> Result<()> {
    let until = until(tx, lock)?;
    let row = held(tx, id, worker).await?;
    relock(tx, &row, worker, until, by).await
}

/// Locks one task by its identifier, unless another worker holds it.
pub async fn lock(
    tx: &Tx,
    id: ExternalTaskId,
    worker: &str,
    lock: Duration,
    by: &str,
) -> Result<()> {
    let until = until(tx, lock)?;
    let mut findings = Vec::new();
    check_worker(worker, &mut findings);
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    let row = tables::get(&**tx, id).await?;
    let is_held = row.worker.is_some() && row.available_at > micros(tx.now());
    if row.state != "open" || (is_held && row.worker.as_deref() != Some(worker)) {
        holds(&row, worker, micros(tx.now()))?;
    }
    relock(tx, &row, worker, until, by).await
}

async fn relock(tx: &Tx, row: &Model, worker: &str, until: i64, by: &str) -> Result<()> {
    let locked = ActiveModel {
        worker: Set(Some(worker.to_owned())),
        available_at: Set(until),
        ..Default::default()
    };
    change(tx, row, locked).await?;
    let locked = event::ExternalTaskLocked {
        task: facts(row)?,
        worker: worker.to_owned(),
        until: kernel::clock::from_micros(until),
    };
    tx.emit(&row.subject, by, &locked)
}

/// Gives a task back, whoever holds it: anybody may fetch it again.
pub async fn unlock(tx: &Tx, id: ExternalTaskId, by: &str) -> Result<()> {
    let row = tables::get(&**tx, id).await?;
    if row.state != "open" {
        return holds(&row, "", micros(tx.now()));
    }
    let free = ActiveModel {
        worker: Set(None),
        available_at: Set(micros(tx.now())),
        ..Default::default()
    };
    change(tx, &row, free).await?;
    tx.emit(
        &row.subject,
        by,
        &event::ExternalTaskUnlocked {
            task: facts(&row)?,
            worker: row.worker.clone().unwrap_or_default(),
        },
    )
}

/// Gives a task new tries. One that became an incident begins anew, as another task.
pub async fn set_retries(
    tx: &Tx,
    engine: &Engine,
    id: ExternalTaskId,
    retries: i64,
    by: &str,
) -> Result<()> {
    if retries < 1 {
        return Err(Error::invalid(
            "retries",
            Text::new("workflow-external-number"),
        ));
    }
    let row = tables::get(&**tx, id).await?;
    match row.state.as_str() {
        "open" => {
            let more = ActiveModel {
                retries: Set(Some(retries)),
                ..Default::default()
            };
            change(tx, &row, more).await
        }
        "failed" => {
            let (instance, token) = place(&row)?;
            step::step(tx, engine, instance, Input::Retry { token }, by).await?;
            let more = ActiveModel {
                retries: Set(Some(retries)),
                ..Default::default()
            };
            match tables::lookup_next(tx, &row).await? {
                Some(next) => change(tx, &next, more).await,
                None => Ok(()),
            }
        }
        _ => holds(&row, "", micros(tx.now())),
    }
}

/// Tasks as the filter says, the oldest first.
pub async fn list(db: &Db, filter: &Filter, page: &PageRequest) -> Result<PageOf<ExternalTask>> {
    tables::list(db.read(), filter, micros(db.clock().now()), page).await
}
