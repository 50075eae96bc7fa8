//! What happens to clocks: they begin with a step, stand, go on, are extended, ring and end.
//!
//! Every clock has one job at a time, due at its next mark. Setting a clock anew raises its
//! epoch, and the job of an earlier one does nothing.

use chrono::{DateTime, Utc};
use kernel::{
    Error, Fault, Result,
    clock::{from_micros, micros},
};
use store::Tx;

use super::{
    Limit, Pause, Terms,
    react::{ClockDue, RecountClocks},
    store::{self as tables, id_of},
};
use crate::{
    InstanceId, TaskId,
    core::{Input, Owner},
    engine::Engine,
    event,
    model::Definition,
    schema::{clock::Model as Clock, task},
    state, step, store as rows,
};

/// The escalation that a step throws to its border when it is late.
pub(crate) const OVERDUE: &str = "overdue";
/// Clocks counted anew in one write.
const BATCH: u64 = 100;

/// Whose clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The task and the working-day timers on its border.
    Task(TaskId),
    /// The process and all its open tasks and working-day timers.
    Instance(InstanceId),
}

/// A clock that is to begin.
pub(crate) struct New<'a> {
    pub kind: &'static str,
    pub instance: &'a str,
    pub number: Option<u32>,
    pub subject: &'a str,
    pub element: &'a str,
    pub region: &'a str,
    /// Groups as `post@org`.
    pub escalate: Vec<String>,
}

/// A clock that begins now, counted out.
pub(crate) fn begin(
    engine: &Engine,
    now: DateTime<Utc>,
    start: &New<'_>,
    terms: &Terms,
) -> Result<Clock> {
    let mut row = new(now, start, terms);
    count(engine, &mut row)?;
    Ok(row)
}

/// Finds out when a clock ends.
pub(crate) fn count(engine: &Engine, row: &mut Clock) -> Result<()> {
    row.due_at = due(engine, row)?.map(micros);
    Ok(())
}

/// A clock that begins now. Nobody knows yet when it ends.
pub(crate) fn new(now: DateTime<Utc>, new: &New<'_>, terms: &Terms) -> Clock {
    let number = new.number.map_or(0, i64::from);
    let (unit, amount) = match terms.limit {
        Limit::Days(days) => ("days", days),
        Limit::Hours(hours) => ("hours", hours),
    };
    let remind: Vec<String> = terms.remind.iter().map(Limit::to_string).collect();
    Clock {
        id: match new.number {
            Some(_) => id_of(new.instance, number),
            None => new.instance.to_owned(),
        },
        instance: new.instance.to_owned(),
        kind: new.kind.to_owned(),
        number,
        subject: new.subject.to_owned(),
        element: new.element.to_owned(),
        region: new.region.to_owned(),
        unit: unit.to_owned(),
        amount: amount.into(),
        extended: 0,
        started_at: micros(now),
        due_at: None,
        pauses: "[]".to_owned(),
        remind: remind.join(","),
        escalate: new.escalate.join(","),
        fired: String::new(),
        epoch: 1,
        state: "running".to_owned(),
    }
}

fn due(engine: &Engine, row: &Clock) -> Result<Option<DateTime<Utc>>> {
    let (pauses, calendar, hours) = (
        row.pauses()?,
        engine.calendar(&row.region)?,
        engine.office_hours(&row.region),
    );
    Ok(row.period(&pauses, &calendar, &hours).due()?)
}

/// Marks that have not fired, with their moments: reminders as they are written, and `due`.
pub(super) fn pending(engine: &Engine, row: &Clock) -> Result<Vec<(String, DateTime<Utc>)>> {
    let Some(due) = row.due_at.map(from_micros) else {
        return Ok(Vec::new());
    };
    let (pauses, calendar, hours) = (
        row.pauses()?,
        engine.calendar(&row.region)?,
        engine.office_hours(&row.region),
    );
    let period = row.period(&pauses, &calendar, &hours);
    let mut marks = Vec::new();
    for mark in row.marks() {
        if let Some(at) = period.before(due, mark)? {
            marks.push((mark.to_string(), at));
        }
    }
    marks.push(("due".to_owned(), due));
    marks.retain(|(mark, _)| !row.has_fired(mark));
    Ok(marks)
}

/// Enqueues the job of the next mark.
pub(crate) fn schedule(tx: &Tx, engine: &Engine, row: &Clock) -> Result<()> {
    let next = pending(engine, row)?.into_iter().map(|(_, at)| at).min();
    let Some(at) = next else {
        return Ok(());
    };
    let job = ClockDue {
        clock: row.id.clone(),
        epoch: row.epoch,
    };
    tx.enqueue_at(at, &job)
}

/// Counts a clock out anew and makes its new end known.
async fn set(tx: &Tx, engine: &Engine, mut row: Clock, why: &str, by: &str) -> Result<()> {
    let before = row.due_at;
    row.due_at = due(engine, &row)?.map(micros);
    row.epoch += 1;
    if why == "extended" {
        // There is a new end to be reminded of.
        let fired = std::mem::take(&mut row.fired);
        let ahead = pending(engine, &row)?;
        let is_ahead = |mark: &&str| ahead.iter().any(|(new, at)| new == mark && *at > tx.now());
        let kept: Vec<&str> = fired.split(',').filter(|mark| !is_ahead(mark)).collect();
        row.fired = kept.join(",");
    }
    schedule(tx, engine, &row)?;
    make_known(tx, row, before, why, by).await
}

/// Writes a clock that was set anew, and shows the end that it has now.
async fn make_known(tx: &Tx, row: Clock, before: Option<i64>, why: &str, by: &str) -> Result<()> {
    tables::update(tx, &row).await?;
    if before == row.due_at {
        return Ok(());
    }
    let task = task_of(tx, &row).await?;
    if task.is_some() {
        tables::show_due(tx, &row).await?;
    }
    let moved = event::DeadlineMoved {
        instance: parse(&row.instance)?,
        subject: row.subject.clone(),
        element: row.element.clone(),
        task: task.as_ref().map(|task| parse(&task.id)).transpose()?,
        before: before.map(from_micros),
        after: row.due_at.map(from_micros),
        why: why.to_owned(),
    };
    tx.emit(&row.subject, by, &moved)
}

async fn task_of(tx: &Tx, row: &Clock) -> Result<Option<task::Model>> {
    if row.kind == "task" {
        tables::task_at(tx, row).await
    } else {
        Ok(None)
    }
}

fn parse<T: std::str::FromStr>(id: &str) -> Result<T> {
    id.parse()
        .map_err(|_| Fault::new(format!("`{id}` is no identifier")).into())
}

async fn clocks_of(tx: &Tx, of: Of) -> Result<Vec<Clock>> {
    match of {
        Of::Task(id) => {
            let task = rows::get_task(&**tx, id).await?;
            let row = rows::get_instance(&**tx, parse(&task.instance)?).await?;
            let instance = state::read(&**tx, &row).await?;
            let owner = u32::try_from(task.token).map(Owner::Token);
            let timers = instance.timers.iter();
            let on_border = timers
                .filter(|(_, timer)| Ok(timer.owner) == owner)
                .map(|(number, _)| i64::from(*number));
            let numbers = std::iter::once(task.token).chain(on_border);
            let ids: Vec<String> = numbers
                .map(|number| id_of(&task.instance, number))
                .collect();
            tables::find_open(&**tx, &ids).await
        }
        Of::Instance(id) => tables::of_instance(&**tx, &id.to_string()).await,
    }
}

/// The clock stands still from now on, on a legal ground. One that stands already is left alone.
pub async fn pause(tx: &Tx, of: Of, ground: &str, by: &str) -> Result<()> {
    for mut row in clocks_of(tx, of).await? {
        if row.state != "running" {
            continue;
        }
        let mut pauses = row.pauses()?;
        pauses.push(Pause {
            from: tx.now(),
            until: None,
            ground: ground.to_owned(),
        });
        row.pauses = written(&pauses)?;
        "standing".clone_into(&mut row.state);
        row.epoch += 1;
        let before = row.due_at.take();
        make_known(tx, row, before, "suspended", by).await?;
    }
    Ok(())
}

/// The clock goes on.
pub async fn resume(tx: &Tx, engine: &Engine, of: Of, by: &str) -> Result<()> {
    for mut row in clocks_of(tx, of).await? {
        if row.state != "standing" {
            continue;
        }
        let mut pauses = row.pauses()?;
        for pause in pauses.iter_mut().filter(|pause| pause.until.is_none()) {
            pause.until = Some(tx.now());
        }
        row.pauses = written(&pauses)?;
        "running".clone_into(&mut row.state);
        set(tx, engine, row, "resumed", by).await?;
    }
    Ok(())
}

/// Adds days or hours, whichever the task is counted in. One without a deadline is left alone;
/// whether it may be extended is the caller's to decide.
pub async fn extend(tx: &Tx, engine: &Engine, task: TaskId, more: u32, by: &str) -> Result<()> {
    let clocks = clocks_of(tx, Of::Task(task)).await?;
    for mut row in clocks.into_iter().filter(|row| row.kind == "task") {
        row.extended += i64::from(more);
        set(tx, engine, row, "extended", by).await?;
    }
    Ok(())
}

fn written(pauses: &[Pause]) -> Result<String> {
    Ok(serde_json::to_string(pauses).map_err(|e| Fault::caused_by("write pauses", e))?)
}

/// The calendar or the office hours have changed: all running clocks are counted anew, in the
/// background.
pub fn calendar_changed(tx: &Tx) -> Result<()> {
    let job = RecountClocks {
        after: String::new(),
    };
    tx.enqueue_unique("all", tx.now(), &job)
}

/// Counts some clocks anew and enqueues the rest. A clock that now reaches into a year without a
/// calendar keeps the end that it had.
pub(super) async fn recount(tx: &Tx, engine: &Engine, after: &str) -> Result<()> {
    let rows = tables::running_after(tx, after, BATCH).await?;
    let last = rows.last().map(|row| row.id.clone());
    let is_full = u64::try_from(rows.len()) == Ok(BATCH);
    for row in rows {
        match due(engine, &row) {
            Ok(found) if found.map(micros) == row.due_at && row.epoch > 0 => {}
            Ok(_) => set(tx, engine, row, "calendar", "system").await?,
            Err(Error::Refused(reason)) => {
                tracing::warn!(clock = row.id, ?reason, "a deadline cannot be counted anew");
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(after) = last.filter(|_| is_full) {
        tx.enqueue(&RecountClocks { after })?;
    }
    Ok(())
}

/// A mark of a clock has come.
pub(super) async fn ring(tx: &Tx, engine: &Engine, id: &str, epoch: i64) -> Result<()> {
    let row = tables::find(&**tx, id).await?;
    let Some(row) = row.filter(|row| row.epoch == epoch && row.state == "running") else {
        return Ok(());
    };
    if row.kind == "timer" {
        return fire_timer(tx, engine, &row).await;
    }
    let marks = pending(engine, &row)?;
    let (come, left): (Vec<_>, Vec<_>) = marks.into_iter().partition(|(_, at)| *at <= tx.now());
    let is_late = come.iter().any(|(mark, _)| mark == "due");
    let mut row = row;
    row.epoch += 1;
    for (mark, _) in &come {
        row.fire(mark);
    }
    tables::update(tx, &row).await?;
    if !left.is_empty() {
        schedule(tx, engine, &row)?;
    }
    let task = task_of(tx, &row).await?;
    if is_late {
        return missed(tx, engine, &row, task).await;
    }
    // Of reminders that come together, as after a night without a server, the last says it all.
    match come.iter().max_by_key(|(_, at)| *at) {
        Some((mark, _)) => near(tx, &row, task.as_ref(), mark),
        None => Ok(()),
    }
}

fn near(tx: &Tx, row: &Clock, task: Option<&task::Model>, left: &str) -> Result<()> {
    let near = event::DeadlineNear {
        instance: parse(&row.instance)?,
        subject: row.subject.clone(),
        element: row.element.clone(),
        task: task.map(rows::facts).transpose()?,
        due_at: row.due_at.map(from_micros),
        left: left.to_owned(),
    };
    tx.emit(&row.subject, "system", &near)
}

async fn missed(tx: &Tx, engine: &Engine, row: &Clock, task: Option<task::Model>) -> Result<()> {
    let groups = rows::list(&row.escalate);
    let missed = event::DeadlineMissed {
        instance: parse(&row.instance)?,
        subject: row.subject.clone(),
        element: row.element.clone(),
        task: task.as_ref().map(rows::facts).transpose()?,
        due_at: row.due_at.map(from_micros),
        escalated_to: groups.clone(),
    };
    tx.emit(&row.subject, "system", &missed)?;
    let Some(task) = task else {
        return Ok(());
    };
    if !groups.is_empty() {
        tables::add_candidates(tx, &task, &groups).await?;
    }
    let process = engine.process(&**tx, &task.definition).await?;
    let model = &process.model;
    let border = model.lookup(&task.element).map(|ix| &model[ix].boundary);
    let catches = border.into_iter().flatten().any(|&event| {
        model[event].definitions().iter().any(|definition| {
            matches!(definition, Definition::Escalation { code, .. }
                if code.as_deref().is_none_or(|code| code == OVERDUE))
        })
    });
    if !catches {
        return Ok(());
    }
    let input = Input::Escalate {
        token: u32::try_from(row.number).unwrap_or_default(),
        code: OVERDUE.to_owned(),
    };
    step::step_unattended(tx, engine, parse(&row.instance)?, input, "system").await
}

async fn fire_timer(tx: &Tx, engine: &Engine, row: &Clock) -> Result<()> {
    tables::end(tx, std::slice::from_ref(&row.id)).await?;
    let timer = u32::try_from(row.number).unwrap_or_default();
    crate::react::fire(tx, engine, parse(&row.instance)?, timer).await
}
