//! The clock of a task: suspend and resume (中止、恢复), extend (延期), urge (催办).

use ::store::Tx;
use chrono::Duration;
use kernel::{
    Error, Result, Text,
    clock::{from_micros, micros},
};
use sea_orm::ActiveValue::Set;

use super::{
    need_reason,
    store::{self, record},
    who::{self, Acting},
    work::{touched, whole},
};
use crate::{
    Engine, Officer, TaskId,
    act::{self, attribute, instance_of, open_task},
    deadline::{self, Of},
    schema::{suspension, task},
    store as tables,
};

/// Working days by which a task may be extended where the model does not say
/// (Administrative Licensing Law, article 42).
const EXTENSION: u32 = 10;
/// Hours between two urgings where the model does not say.
const URGE_HOURS: i64 = 24;

/// Stops the clock of a task, naming the legal ground (one of `tongban:grounds` where the step
/// lists them). The signers of a task share one clock: it stands for all of them.
pub async fn suspend(
    tx: &Tx,
    id: TaskId,
    officer: &Officer,
    ground: &str,
    reason: &str,
) -> Result<()> {
    let row = open_task(tx, id, None).await?;
    let acting = who::acting(tx, &row, officer, "workflow.task.suspend").await?;
    let whole = whole(tx, &row).await?;
    if whole.suspended_at.is_some() {
        return Err(Error::refused("workflow-task-suspended"));
    }
    let known = tables::list(&attribute(&row, "grounds").unwrap_or_default());
    if ground.trim().is_empty() || !known.is_empty() && !known.iter().any(|one| one == ground) {
        let text = Text::new("workflow-ground-unknown").with("known", known.join(", "));
        return Err(Error::invalid("ground", text));
    }
    need_reason(reason)?;
    let suspension = suspension::Model {
        id: kernel::id::new_v7(tx.now()).to_string(),
        task: whole.id.clone(),
        instance: row.instance.clone(),
        ground: ground.to_owned(),
        reason: reason.to_owned(),
        by: acting.id.clone(),
        from_at: micros(tx.now()),
        until_at: None,
    };
    store::insert_suspension(tx, suspension).await?;
    let change = task::ActiveModel {
        suspended_at: Set(Some(micros(tx.now()))),
        ..touched(tx)
    };
    act::change(tx, &whole, change).await?;
    deadline::pause(tx, Of::Task(id), ground, &acting.trace).await?;
    record(tx, &row, "suspend", &acting, ground, reason).await
}

/// Starts the clock again; the due date moves by the working days that did not count.
pub async fn resume(tx: &Tx, engine: &Engine, id: TaskId, officer: &Officer) -> Result<()> {
    let row = open_task(tx, id, None).await?;
    let acting = who::acting(tx, &row, officer, "workflow.task.suspend").await?;
    let whole = whole(tx, &row).await?;
    if whole.suspended_at.is_none() {
        return Err(Error::refused("workflow-task-not-suspended"));
    }
    store::end_suspensions(tx, &whole.id).await?;
    let change = task::ActiveModel {
        suspended_at: Set(None),
        ..Default::default()
    };
    act::change(tx, &whole, change).await?;
    deadline::resume(tx, engine, Of::Task(id), &acting.trace).await?;
    record(tx, &row, "resume", &acting, "", "").await
}

/// Gives a task more working days, once for all its signers; at most `tongban:extend`, or ten.
pub async fn extend(
    tx: &Tx,
    engine: &Engine,
    id: TaskId,
    officer: &Officer,
    days: u32,
    reason: &str,
) -> Result<()> {
    let row = open_task(tx, id, None).await?;
    let acting = who::acting(tx, &row, officer, "workflow.task.extend").await?;
    let whole = whole(tx, &row).await?;
    if whole.extended > 0 {
        return Err(Error::refused("workflow-extended-already"));
    }
    if row.days.is_none() {
        return Err(Error::refused("workflow-extend-no-days"));
    }
    let allowed = attribute(&row, "extend").map_or(EXTENSION, |text| text.parse().unwrap_or(0));
    if days == 0 || days > allowed {
        let text = Text::new("workflow-extend-days").with("allowed", allowed);
        return Err(Error::invalid("days", text));
    }
    need_reason(reason)?;
    let change = task::ActiveModel {
        extended: Set(days.into()),
        ..touched(tx)
    };
    act::change(tx, &whole, change).await?;
    deadline::extend(tx, engine, id, days, &acting.trace).await?;
    record(tx, &row, "extend", &acting, &days.to_string(), reason).await
}

/// Reminds whoever has a task. The one who began the process may, those who handled it before,
/// and supervisors; once in `tongban:urge` hours.
pub async fn urge(
    tx: &Tx,
    id: TaskId,
    officer: &Officer,
    is_supervisor: bool,
    note: &str,
) -> Result<()> {
    let row = open_task(tx, id, None).await?;
    let instance = tables::get_instance(&**tx, instance_of(&row)?).await?;
    let may = is_supervisor
        || instance.started_by == officer.trace
        || store::has_worked(&**tx, &row.instance, &officer.id).await?;
    if !may {
        return Err(act::forbidden("workflow.task.urge"));
    }
    let hours = attribute(&row, "urge").and_then(|text| text.parse().ok());
    let wait = Duration::hours(hours.unwrap_or(URGE_HOURS));
    if let Some(next) = row.urged_at.map(|at| from_micros(at) + wait)
        && next > tx.now()
    {
        let next = kernel::clock::local(next).format("%Y-%m-%d %H:%M");
        return Err(Error::Refused(
            Text::new("workflow-urged-lately").with("next", next),
        ));
    }
    let change = task::ActiveModel {
        urged_at: Set(Some(micros(tx.now()))),
        ..Default::default()
    };
    act::change(tx, &row, change).await?;
    let to = row.assignee.as_deref().unwrap_or(&row.candidates);
    record(tx, &row, "urge", &Acting::own(officer), to, note).await
}
