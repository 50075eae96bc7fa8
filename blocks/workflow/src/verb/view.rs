//! One task as whoever works on it sees it.

use std::collections::BTreeMap;

use ::store::Tx;
use chrono::{DateTime, Utc};
use kernel::{Error, Result, clock::from_micros};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Access, Earlier, back, store, who, work};
use crate::{
    Engine, Officer, Task, TaskId,
    act::{self, instance_of},
    schema::task,
    store as tables,
};

/// A signer of a task.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = SignerPart)]
pub struct Part {
    /// The signer's own task.
    pub task: String,
    /// `sign`, `before` or `after`.
    #[schema(example = "sign")]
    pub role: String,
    /// Officer, or a group as `post@org`.
    pub who: String,
    pub weight: i64,
    /// `agree`, `refuse`, `abstain`; none while open.
    pub vote: Option<String>,
    pub opinion: Option<String>,
    pub answered_by: Option<String>,
    pub answered_at: Option<DateTime<Utc>>,
    pub state: String,
}

/// Everything that a task's page needs.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskDetail {
    pub task: Task,
    /// Whether the reader may act on it now; otherwise he only looks at it.
    pub may_act: bool,
    /// The absent officer in whose place the reader acts.
    pub on_behalf: Option<String>,
    /// What may be done with variables that the step speaks of; `*` for all others.
    pub fields: BTreeMap<String, Access>,
    /// Variables that the step shows.
    pub vars: Map<String, Value>,
    /// What was filled in before, by whom.
    pub saved: Option<(Map<String, Value>, String)>,
    /// Signers of this task, or of the one of which it is a part.
    pub parts: Vec<Part>,
    pub earlier: Vec<Earlier>,
    pub back_to: Vec<String>,
    pub suspended_at: Option<DateTime<Utc>>,
    pub extended_days: i64,
}

/// Reads a task for somebody who may act on it, who completed it, or who got a copy.
pub async fn detail(tx: &Tx, engine: &Engine, id: TaskId, officer: &Officer) -> Result<TaskDetail> {
    let row = tables::get_task(&**tx, id).await?;
    let acting = match who::acting(tx, &row, officer, "workflow.task.read").await {
        Ok(acting) => Some(acting),
        Err(Error::Refused(_) | Error::Forbidden { .. }) if may_look(tx, &row, officer).await? => {
            None
        }
        Err(error) => return Err(error),
    };
    let instance = tables::get_instance(&**tx, instance_of(&row)?).await?;
    let state = engine.state(&**tx, &instance).await?;
    let token = u32::try_from(row.token).unwrap_or_default();
    // Of a task that is over, its place may be gone too: the process's own variables are left.
    let vars = match state.tokens.get(&token) {
        Some(held) => state.visible(held.frame),
        None => state.variables(),
    };
    let fields = work::fields(&row);
    let saved = store::lookup_saved(&**tx, &row.id).await?;
    let whole = work::whole(tx, &row).await?;
    let family = row.parent.as_deref().unwrap_or(&row.id);
    let may_act = acting.is_some() && act::need_open(row.clone(), None).is_ok();
    // Who prepares the answer of a delegator returns nothing.
    let may_return = may_act && row.back_to.is_empty();
    let earlier = if may_return {
        back::earlier_steps(tx, engine, id).await?
    } else {
        Vec::new()
    };
    Ok(TaskDetail {
        task: Task::of(&row)?,
        may_act,
        on_behalf: acting.and_then(|acting| acting.on_behalf),
        vars: fields.visible(vars),
        fields: fields.list(),
        saved: saved.map(|saved| (store::read_json(&saved.vars), saved.by)),
        parts: parts(tx, family).await?,
        earlier,
        back_to: tables::list(&row.back_to),
        suspended_at: whole.suspended_at.map(from_micros),
        extended_days: whole.extended,
    })
}

/// Whoever completed a task or got a copy of it may look at it.
async fn may_look(tx: &Tx, row: &task::Model, officer: &Officer) -> Result<bool> {
    if row.done_by.as_deref() == Some(officer.id.as_str()) {
        return Ok(true);
    }
    let copies = store::copies_of(&**tx, &row.id).await?;
    Ok(copies.iter().any(|copy| copy.reader == officer.id))
}

async fn parts(tx: &Tx, parent: &str) -> Result<Vec<Part>> {
    let parts = store::parts_of(&**tx, parent).await?;
    let part = |(part, task): (crate::schema::part::Model, crate::schema::task::Model)| {
        let vars = store::read_json(&part.vars);
        Part {
            who: task.assignee.unwrap_or(task.candidates),
            task: part.task,
            role: part.role,
            weight: part.weight,
            vote: part.vote,
            opinion: vars
                .get("opinion")
                .and_then(Value::as_str)
                .map(str::to_owned),
            answered_by: part.answered_by,
            answered_at: part.answered_at.map(from_micros),
            state: task.state,
        }
    };
    Ok(parts.into_iter().map(part).collect())
}
