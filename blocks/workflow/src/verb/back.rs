//! Return (退回), withdraw (撤回) and reject (否决): the verbs that move a token.

use std::collections::HashSet;

use ::store::Tx;
use kernel::{Error, Fault, Result, Text};
use sea_orm::ActiveValue::Set;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    Cause, need_reason, signed_outcome,
    store::{self, record},
    who::{self, Acting},
    work::{Completion, answer, need_running_clock, touched},
};
use crate::{
    Engine, Officer, TaskId,
    act::{self, attribute, instance_of, open_task},
    core::{self, Followed, Input, Mode},
    model::{Definition, Kind, Model, Place, Task},
    schema::{part, task},
    step, store as tables,
};

/// A step to which a task may return.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Earlier {
    #[schema(example = "review")]
    pub element: String,
    #[schema(example = "审查")]
    pub name: String,
    /// Who completed it last.
    pub handler: Option<String>,
}

/// Where a task returns to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The step handled last before this one.
    Previous,
    /// The first step of all, that of the one who began.
    Initiator,
    /// A certain earlier step.
    Step(String),
}

impl Target {
    /// `previous` (also for nothing), `initiator`, or an element.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "" | "previous" => Self::Previous,
            "initiator" => Self::Initiator,
            step => Self::Step(step.to_owned()),
        }
    }
}

/// User tasks to which a task may return, the one handled last first: they were really visited,
/// and they lead to this one.
pub async fn earlier_steps(tx: &Tx, engine: &Engine, id: TaskId) -> Result<Vec<Earlier>> {
    let row = tables::get_task(&**tx, id).await?;
    earlier_of(tx, engine, &row).await
}

async fn earlier_of(tx: &Tx, engine: &Engine, row: &task::Model) -> Result<Vec<Earlier>> {
    let instance = tables::get_instance(&**tx, instance_of(row)?).await?;
    let process = engine.process(&**tx, &instance.definition).await?;
    let state = engine.state(&**tx, &instance).await?;
    let model = &process.model;
    let token = token_of(row);
    let allowed: HashSet<String> = core::earlier(&process, &state, token)
        .into_iter()
        .filter(|id| {
            let node = model.lookup(id).map(|ix| &model[ix]);
            node.is_some_and(|node| matches!(node.kind, Kind::Task(Task::User)))
        })
        .map(|id| id.to_string())
        .collect();
    let mut steps: Vec<Earlier> = Vec::new();
    for line in store::trail(tx, &row.instance).await?.into_iter().rev() {
        let is_known = steps.iter().any(|step| step.element == line.element);
        if line.what != "left" || is_known || !allowed.contains(&line.element) {
            continue;
        }
        let node = model.lookup(&line.element).map(|ix| &model[ix]);
        let done = store::last_at(&**tx, &row.instance, &line.element, "done").await?;
        steps.push(Earlier {
            name: node.map_or_else(|| line.element.clone(), |node| node.title().to_owned()),
            // Who sat there, even if a substitute completed it.
            handler: done
                .and_then(|row| row.assignee)
                .filter(|by| by != "system"),
            element: line.element,
        });
    }
    Ok(steps)
}

fn token_of(row: &task::Model) -> u32 {
    u32::try_from(row.token).unwrap_or_default()
}

/// Sends a task back to an earlier step, whose last handler gets it.
pub async fn return_task(
    tx: &Tx,
    engine: &Engine,
    id: TaskId,
    officer: &Officer,
    target: &Target,
    mode: Mode,
    reason: &str,
) -> Result<Earlier> {
    let row = open_task(tx, id, None).await?;
    let acting = who::acting(tx, &row, officer, "workflow.task.return").await?;
    need_undelegated(&row)?;
    need_running_clock(tx, &row).await?;
    need_reason(reason)?;
    let steps = earlier_of(tx, engine, &row).await?;
    let found = match target {
        Target::Previous => steps.into_iter().next(),
        Target::Initiator => first_of_all(tx, &row, steps).await?,
        Target::Step(step) => steps.into_iter().find(|earlier| earlier.element == *step),
    };
    let Some(step) = found else {
        return Err(not_visited(target));
    };
    // The one who returns has it again when the token jumps back.
    if row.assignee.is_none() {
        hold(tx, &row, &acting).await?;
    }
    record(tx, &row, "return", &acting, &step.element, reason).await?;
    let vars = Map::from_iter([("returned".to_owned(), Value::from(reason))]);
    let input = Input::Return {
        token: token_of(&row),
        to: step.element.clone(),
        mode,
        vars,
    };
    let cause = Cause::by(&acting.trace).assigning(&step.element, step.handler.clone());
    step::step_for(tx, engine, instance_of(&row)?, input, cause).await?;
    Ok(step)
}

/// Who was given a task to prepare its answer does not decide where the process goes.
fn need_undelegated(row: &task::Model) -> Result<()> {
    if row.back_to.is_empty() {
        Ok(())
    } else {
        Err(Error::refused("workflow-task-prepared"))
    }
}

async fn hold(tx: &Tx, row: &task::Model, acting: &Acting) -> Result<()> {
    let change = task::ActiveModel {
        assignee: Set(Some(acting.seat().to_owned())),
        state: Set("claimed".to_owned()),
        ..touched(tx)
    };
    act::change(tx, row, change).await
}

fn not_visited(target: &Target) -> Error {
    let step = match target {
        Target::Step(step) => step.as_str(),
        Target::Previous => "previous",
        Target::Initiator => "initiator",
    };
    let text = Text::new("workflow-return-not-visited").with("step", step);
    Error::invalid("to", text)
}

/// The user task that was entered first of all, if it is among those allowed.
async fn first_of_all(tx: &Tx, row: &task::Model, steps: Vec<Earlier>) -> Result<Option<Earlier>> {
    let trail = store::trail(tx, &row.instance).await?;
    let order = |step: &Earlier| {
        let entered = trail.iter().position(|line| line.element == step.element);
        entered.unwrap_or(usize::MAX)
    };
    Ok(steps.into_iter().min_by_key(order))
}

/// Takes one's own completion back, or that of the absent officer for whom one stands in, as long
/// as nobody has done anything to what followed. A signature is taken back as long as the signers
/// have not decided; what others signed is not one's own to take back.
pub async fn withdraw(
    tx: &Tx,
    engine: &Engine,
    id: TaskId,
    officer: &Officer,
    reason: &str,
) -> Result<()> {
    let row = tables::get_task(&**tx, id).await?;
    let seat = row.assignee.as_deref().filter(|_| row.done_by.is_some());
    let acting = match seat {
        Some(seat) => who::lookup_acting(tx, &row, Some(seat), officer).await?,
        None => None,
    };
    let acting = acting.ok_or_else(|| act::forbidden("workflow.task.withdraw"))?;
    if row.state != "done" {
        return Err(Error::refused("workflow-withdraw-late"));
    }
    need_reason(reason)?;
    if let Some(parent) = &row.parent {
        let parent = tables::get_task_row(&**tx, parent).await?;
        return withdraw_signature(tx, &row, &parent, &acting, reason).await;
    }
    let followed: Followed = serde_json::from_str(&row.followed)
        .map_err(|_| Error::refused("workflow-withdraw-late"))?;
    need_alone(tx, &row, acting.seat()).await?;
    need_untouched(tx, engine, &row, &followed).await?;
    let change = task::ActiveModel {
        state: Set("withdrawn".to_owned()),
        ..Default::default()
    };
    act::change(tx, &row, change).await?;
    record(tx, &row, "withdraw", &acting, "", reason).await?;
    let cause = Cause::by(&acting.trace).assigning(&row.element, Some(acting.seat().to_owned()));
    let input = Input::Withdraw {
        to: row.element.clone(),
        followed,
    };
    step::step_for(tx, engine, instance_of(&row)?, input, cause).await
}

async fn withdraw_signature(
    tx: &Tx,
    row: &task::Model,
    parent: &task::Model,
    acting: &Acting,
    reason: &str,
) -> Result<()> {
    if !matches!(parent.state.as_str(), "signing" | "pending" | "following") {
        return Err(Error::refused("workflow-withdraw-late"));
    }
    store::answer_part(tx, &row.id, None).await?;
    let change = task::ActiveModel {
        state: Set("claimed".to_owned()),
        done_at: Set(None),
        done_by: Set(None),
        ..touched(tx)
    };
    act::change(tx, row, change).await?;
    record(tx, row, "withdraw", acting, "", reason).await
}

/// Nobody else's signature made the task complete.
async fn need_alone(tx: &Tx, row: &task::Model, seat: &str) -> Result<()> {
    if row.parts == 0 {
        return Ok(());
    }
    let parts = store::parts_of(&**tx, &row.id).await?;
    let is_others = |(part, task): &(part::Model, task::Model)| {
        part.role != "before" && part.vote.is_some() && task.assignee.as_deref() != Some(seat)
    };
    if parts.iter().any(is_others) {
        return Err(Error::refused("workflow-withdraw-signed"));
    }
    Ok(())
}

/// Nobody claimed, saved or did anything that followed, and nothing went out.
async fn need_untouched(
    tx: &Tx,
    engine: &Engine,
    row: &task::Model,
    followed: &Followed,
) -> Result<()> {
    let late = || Error::refused("workflow-withdraw-late");
    let rows = store::tasks_between(tx, &row.instance, followed.from..followed.until).await?;
    let is_touched =
        |row: &task::Model| row.acted_at.is_some() || !tables::LIVE.contains(&row.state.as_str());
    if rows.iter().any(is_touched) {
        return Err(late());
    }
    for row in rows.iter().filter(|row| row.parts > 0) {
        let parts = store::parts_of(&**tx, &row.id).await?;
        let acted = |(part, task): &(part::Model, task::Model)| {
            part.vote.is_some() || task.acted_at.is_some()
        };
        if parts.iter().any(acted) {
            return Err(late());
        }
    }
    let instance = tables::get_instance(&**tx, instance_of(row)?).await?;
    let process = engine.process(&**tx, &instance.definition).await?;
    let done_at = row.done_at.unwrap_or_default();
    let went_out = store::trail(tx, &row.instance)
        .await?
        .into_iter()
        .any(|line| {
            line.at == done_at && line.what == "left" && sends(&process.model, &line.element)
        });
    let span = followed.from..followed.until;
    if went_out || store::is_worked_on(tx, &row.instance, span).await? {
        return Err(Error::refused("workflow-withdraw-sent"));
    }
    Ok(())
}

/// Whether passing the element did something outside of the process.
fn sends(model: &Model, element: &str) -> bool {
    let Some(node) = model.lookup(element).map(|ix| &model[ix]) else {
        return false;
    };
    let throws = matches!(node.place(), Some(Place::Throw | Place::End));
    let goes_out = |definition: &Definition| {
        matches!(
            definition,
            Definition::Message { .. } | Definition::Signal { .. }
        )
    };
    // Other tasks send where a message flow leaves them.
    node.sends.is_some()
        || matches!(node.kind, Kind::Task(Task::Service | Task::Send { .. }))
        || throws && node.definitions().iter().any(goes_out)
}

/// Refuses for good: by the end event that the task names (`tongban:reject`), or by one marked
/// `tongban:outcome="rejected"` in its scope or one around it, or else everything is cancelled.
/// Of a signer it is his refusal, with the reason as his opinion: what that leads to, the rule of
/// the signers says.
pub async fn reject(
    tx: &Tx,
    engine: &Engine,
    id: TaskId,
    officer: &Officer,
    reason: &str,
) -> Result<()> {
    let row = open_task(tx, id, None).await?;
    let acting = who::acting(tx, &row, officer, "workflow.task.reject").await?;
    need_undelegated(&row)?;
    need_running_clock(tx, &row).await?;
    need_reason(reason)?;
    if row.parent.is_some() {
        record(tx, &row, "reject", &acting, "", reason).await?;
        let outcome = signed_outcome(&tables::list(&row.outcomes), false);
        let vars = json!({"outcome": outcome, "opinion": reason});
        let done = Completion {
            vars: vars.as_object().cloned().unwrap_or_default(),
            next: None,
        };
        return answer(tx, engine, row, &acting, done).await.map(drop);
    }
    let instance = tables::get_instance(&**tx, instance_of(&row)?).await?;
    let process = engine.process(&**tx, &instance.definition).await?;
    let to = attribute(&row, "reject").or_else(|| rejected_end(&process.model, &row.element));
    hold(tx, &row, &acting).await?;
    let other = to.clone().unwrap_or_default();
    record(tx, &row, "reject", &acting, &other, reason).await?;
    let vars = json!({"outcome": "rejected", "reason": reason});
    let input = Input::Reject {
        token: token_of(&row),
        to,
        reason: reason.to_owned(),
        vars: vars.as_object().cloned().unwrap_or_default(),
    };
    let id = instance
        .id
        .parse()
        .map_err(|_| Fault::new("an instance without an identifier"))?;
    step::step_for(tx, engine, id, input, Cause::by(&acting.trace)).await
}

fn rejected_end(model: &Model, element: &str) -> Option<String> {
    let mut scope = Some(model[model.lookup(element)?].scope);
    while let Some(around) = scope {
        let is_end = |ix: &&crate::model::NodeIx| {
            let node = &model[**ix];
            node.place() == Some(Place::End) && node.attribute("outcome") == Some("rejected")
        };
        if let Some(end) = model[around].nodes.iter().find(is_end) {
            return Some(model[*end].id.to_string());
        }
        scope = model[around].parent;
    }
    None
}
