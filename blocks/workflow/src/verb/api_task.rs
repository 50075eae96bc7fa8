//! JSON doors of the verbs on one task, and of the batch.

use crate::rest::Body;
use std::{collections::BTreeMap, future::Future, sync::Arc};

use ::store::Tx;
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use identity::{Actor, Gate, Resource};
use kernel::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{App, Page};

use super::{
    Access, Copy, Earlier, Part, Place, Target, TaskDetail, batch,
    request::{Outcome, Request, carry_out},
    who,
    work::{Completion, Progress},
};
use crate::{
    Engine, Officer, TaskId, act,
    api::{Answer, TaskView, gate, parse},
    core::Mode,
    store as tables,
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(read))
        .routes(routes!(save))
        .routes(routes!(complete))
        .routes(routes!(complete_many))
        .routes(routes!(transfer))
        .routes(routes!(delegate))
        .routes(routes!(add_signers))
        .routes(routes!(remove_signer))
        .routes(routes!(return_task))
        .routes(routes!(withdraw))
        .routes(routes!(reject))
        .routes(routes!(circulate))
        .routes(routes!(receipts))
        .routes(routes!(urge))
        .routes(routes!(suspend))
        .routes(routes!(resume))
        .routes(routes!(extend))
}

/// Authorises, then acts in one write.
pub(crate) async fn write<T, F, Fut>(app: &App, actor: &Actor, action: &str, act: F) -> Result<T>
where
    T: Send + 'static,
    F: Fn(Tx, Arc<Engine>, Officer) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T>> + Send + 'static,
{
    gate(app, actor, action)?;
    let engine = app.part::<Engine>()?;
    let officer = Officer::from(actor);
    app.db()
        .write(move |tx| act(tx, engine.clone(), officer.clone()))
        .await
}

/// As [`write`], on a task.
async fn on_task<T, F, Fut>(app: &App, actor: &Actor, verb: &str, id: &str, act: F) -> Result<T>
where
    T: Send + 'static,
    F: Fn(Tx, Arc<Engine>, TaskId, Officer) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T>> + Send + 'static,
{
    let action = format!("workflow.task.{verb}");
    gate(app, actor, &action)?;
    let id = parse::<TaskId>(id, "task")?;
    write(app, actor, &action, move |tx, engine, officer| {
        act(tx, engine, id, officer)
    })
    .await
}

/// A verb answered as another one would.
fn unlike(verb: &str) -> Error {
    kernel::Fault::new(format!("{verb} was answered like another verb")).into()
}

pub(crate) fn may(app: &App, actor: &Actor, action: &str) -> Result<bool> {
    match actor.may(&*app.part::<Gate>()?, action, &Resource::system()) {
        Ok(()) => Ok(true),
        Err(Error::Forbidden { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Refuses whoever may not see a task.
pub(crate) async fn need_seen(app: &App, actor: &Actor, id: &str) -> Result<()> {
    on_task(app, actor, "read", id, |tx, _, id, officer| async move {
        let row = tables::get_task(&*tx, id).await?;
        let seen = who::acting(&tx, &row, &officer, "workflow.task.read").await;
        seen.map(drop)
    })
    .await
}

/// A task with everything that its page needs.
#[derive(Debug, Serialize, ToSchema)]
struct DetailView {
    #[serde(flatten)]
    task: TaskView,
    /// Whether the caller may act on it now; whoever completed it or got a copy only looks at it.
    may_act: bool,
    /// The absent officer in whose place the caller acts.
    on_behalf: Option<String>,
    /// What may be done with the variables that the step speaks of; `*` for all others.
    #[schema(example = json!({"name": "read", "amount": "write"}))]
    fields: BTreeMap<String, Access>,
    /// Variables that the step shows.
    #[schema(value_type = Object, example = json!({"name": "示例餐饮有限公司（合成）"}))]
    vars: Map<String, Value>,
    /// What was filled in before.
    #[schema(value_type = Option<Object>, example = json!({"opinion": "拟同意"}))]
    saved: Option<Map<String, Value>>,
    saved_by: Option<String>,
    signers: Vec<Part>,
    /// Steps to which it may return, the one handled last first.
    earlier: Vec<Earlier>,
    /// Officers to whom it comes back, the next one last.
    back_to: Vec<String>,
    suspended_at: Option<chrono::DateTime<chrono::Utc>>,
    extended_days: i64,
}

impl From<TaskDetail> for DetailView {
    fn from(detail: TaskDetail) -> Self {
        let (saved, saved_by) = detail.saved.unzip();
        Self {
            task: detail.task.into(),
            may_act: detail.may_act,
            on_behalf: detail.on_behalf,
            fields: detail.fields,
            vars: detail.vars,
            saved,
            saved_by,
            signers: detail.parts,
            earlier: detail.earlier,
            back_to: detail.back_to,
            suspended_at: detail.suspended_at,
            extended_days: detail.extended_days,
        }
    }
}

/// Reads a task that one has, may take, completed, or got a copy of: variables, what was saved,
/// signers, earlier steps.
#[utoipa::path(get, path = "/api/workflow/tasks/{id}", tag = "workflow",
    params(("id" = String, Path, description = "task")),
    responses((status = 200, body = DetailView), (status = 403, description = "not one's own task")))]
async fn read(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<DetailView>> {
    let detail = on_task(
        &app,
        &actor,
        "read",
        &id,
        |tx, engine, id, officer| async move { super::detail(&tx, &engine, id, &officer).await },
    );
    Ok(Json(detail.await?.into()))
}

/// What is filled in.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Filled {
    #[schema(value_type = Object, example = json!({"outcome": "approve", "opinion": "同意"}))]
    vars: Map<String, Value>,
    /// Officer who shall have the next task, where the step lets one choose.
    next: Option<String>,
    /// The version of the task that the caller saw.
    #[schema(example = 1)]
    version: Option<i64>,
}

/// Keeps what was filled in so far without completing.
#[utoipa::path(post, path = "/api/workflow/tasks/{id}/save", tag = "workflow", request_body = Filled,
    params(("id" = String, Path, description = "task")),
    responses((status = 204, description = "kept"), (status = 422, description = "a field may not be written, or has another type")))]
async fn save(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(filled): Body<Filled>,
) -> Answer<StatusCode> {
    let Filled { vars, version, .. } = filled;
    carry_out(&app, &actor, &id, Request::Save { vars, version }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Serialize, ToSchema)]
struct Completed {
    progress: Progress,
}

/// Completes a task. `waits` says that others have to answer before the process goes on.
#[utoipa::path(post, path = "/api/workflow/tasks/{id}/complete", tag = "workflow", request_body = Filled,
    params(("id" = String, Path, description = "task")),
    responses((status = 200, body = Completed), (status = 409, description = "done, changed, suspended, or to be done in its application"),
        (status = 422, description = "an unknown outcome, or a field that may not be written")))]
async fn complete(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(filled): Body<Filled>,
) -> Answer<Json<Completed>> {
    let Filled {
        vars,
        next,
        version,
    } = filled;
    let done = Completion { vars, next };
    match carry_out(&app, &actor, &id, Request::Complete { done, version }).await? {
        Outcome::Answered(progress) => Ok(Json(Completed { progress })),
        _ => Err(unlike("complete").into()),
    }
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Batch {
    tasks: Vec<BatchTask>,
    #[schema(value_type = Object, example = json!({"outcome": "approve", "opinion": "同意"}))]
    vars: Map<String, Value>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BatchTask {
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    id: String,
    version: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct BatchAnswer {
    id: String,
    /// None where it was refused.
    progress: Option<Progress>,
    /// Key of the rule that refused it.
    #[schema(example = "workflow-task-already-done")]
    rule: Option<String>,
    /// Why, and what to do.
    message: Option<String>,
}

/// Completes many tasks with one answer, each in a write of its own: what one is refused does
/// not hold up the others.
#[utoipa::path(post, path = "/api/workflow/tasks/complete", tag = "workflow", request_body = Batch,
    responses((status = 200, body = Vec<BatchAnswer>), (status = 422, description = "none, or too many tasks")))]
async fn complete_many(
    State(app): State<App>,
    actor: Actor,
    page: Page,
    Body(batch): Body<Batch>,
) -> Answer<Json<Vec<BatchAnswer>>> {
    gate(&app, &actor, "workflow.task.complete")?;
    batch::need_number(batch.tasks.len())?;
    // What is no id names no task, and holds the others no more up than a task that has gone.
    let known: Vec<_> = batch
        .tasks
        .iter()
        .map(|task| Some((task.id.parse::<TaskId>().ok()?, task.version)))
        .collect();
    let tasks: Vec<_> = known.iter().copied().flatten().collect();
    let engine = app.part::<Engine>()?;
    let done = Completion {
        vars: batch.vars,
        next: None,
    };
    let officer = Officer::from(&actor);
    let answers = if tasks.is_empty() {
        Vec::new()
    } else {
        batch::complete_many(app.db(), &engine, &tasks, &officer, &done).await?
    };
    let mut results = answers.into_iter().map(|answer| answer.result);
    let told = batch.tasks.into_iter().zip(known).map(|(task, known)| {
        let result = known.and_then(|_| results.next());
        let missing = || Err(Error::NotFound { what: "task" });
        told(&page, task.id, result.unwrap_or_else(missing))
    });
    Ok(Json(told.collect()))
}

fn told(page: &Page, id: String, result: Result<Progress>) -> BatchAnswer {
    let text = match result {
        Ok(progress) => {
            return BatchAnswer {
                id,
                progress: Some(progress),
                rule: None,
                message: None,
            };
        }
        Err(error) => batch::why(error),
    };
    BatchAnswer {
        id,
        progress: None,
        rule: Some(text.key.to_owned()),
        message: Some(page.say(&text)),
    }
}

/// To whom, and why.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct Hand {
    /// User id of an officer.
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    to: String,
    #[schema(example = "需现场核实")]
    reason: String,
}

/// Gives a task to another officer of its posts for good.
#[utoipa::path(post, path = "/api/workflow/tasks/{id}/transfer", tag = "workflow", request_body = Hand,
    params(("id" = String, Path, description = "task")),
    responses((status = 204, description = "given"), (status = 422, description = "no officer of its posts, or no reason")))]
async fn transfer(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(hand): Body<Hand>,
) -> Answer<StatusCode> {
    let Hand { to, reason } = hand;
    carry_out(&app, &actor, &id, Request::Transfer { to, reason }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets another officer do the work; it comes back to the caller, who completes.
#[utoipa::path(post, path = "/api/workflow/tasks/{id}/delegate", tag = "workflow", request_body = Hand,
    params(("id" = String, Path, description = "task")),
    responses((status = 204, description = "delegated"), (status = 422, description = "to oneself, in a circle, or to nobody known")))]
async fn delegate(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(hand): Body<Hand>,
) -> Answer<StatusCode> {
    let Hand { to, reason } = hand;
    carry_out(&app, &actor, &id, Request::Delegate { to, reason }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct AddSigners {
    /// Before the task, after it, or beside it; beside when left out.
    place: Option<Place>,
    /// User ids of officers, or groups as `post@org`.
    #[schema(example = json!(["01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11"]))]
    signers: Vec<String>,
    #[schema(example = "需要会商")]
    reason: String,
}

/// Adds signers to a task that one has.
#[utoipa::path(post, path = "/api/workflow/tasks/{id}/signers", tag = "workflow", request_body = AddSigners,
    params(("id" = String, Path, description = "task")),
    responses((status = 204, description = "added"), (status = 422, description = "a signer twice, or nobody known")))]
async fn add_signers(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(asked): Body<AddSigners>,
) -> Answer<StatusCode> {
    let request = Request::AddSigners {
        place: asked.place.unwrap_or(Place::Beside),
        signers: asked.signers,
        reason: asked.reason,
    };
    carry_out(&app, &actor, &id, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Why.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct Because {
    #[schema(example = "数据有误")]
    reason: String,
}

/// Removes a signer, named by his own task, who has not answered.
#[utoipa::path(post, path = "/api/workflow/tasks/{id}/remove-signer", tag = "workflow", request_body = Because,
    params(("id" = String, Path, description = "the signer's task")),
    responses((status = 204, description = "removed"), (status = 409, description = "he has signed, or is the last")))]
async fn remove_signer(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(because): Body<Because>,
) -> Answer<StatusCode> {
    let Because { reason } = because;
    carry_out(&app, &actor, &id, Request::RemoveSigner { reason }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct Back {
    /// `previous`, `initiator`, or the element of an earlier step; `previous` when left out.
    #[schema(example = "previous")]
    to: String,
    /// `again` (through all steps again) or `back` (straight back to this step).
    #[schema(value_type = Option<String>, example = "again")]
    mode: Option<Mode>,
    #[schema(example = "数据有误")]
    reason: String,
}

/// Sends a task back to an earlier step that was really visited.
#[utoipa::path(post, path = "/api/workflow/tasks/{id}/return", tag = "workflow", request_body = Back,
    params(("id" = String, Path, description = "task")),
    responses((status = 200, body = Earlier), (status = 409, description = "suspended, or to be done in its application"),
        (status = 422, description = "a step that was never visited, or no reason")))]
async fn return_task(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(back): Body<Back>,
) -> Answer<Json<Earlier>> {
    let request = Request::Return {
        target: Target::named(&back.to),
        mode: back.mode.unwrap_or(Mode::Again),
        reason: back.reason,
    };
    match carry_out(&app, &actor, &id, request).await? {
        Outcome::Returned(step) => Ok(Json(step)),
        _ => Err(unlike("return").into()),
    }
}

/// Takes one's own completion back before anybody acts on what followed.
#[utoipa::path(post, path = "/api/workflow/tasks/{id}/withdraw", tag = "workflow", request_body = Because,
    params(("id" = String, Path, description = "the task that one completed")),
    responses((status = 204, description = "taken back"), (status = 409, description = "too late, or something went out")))]
async fn withdraw(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(because): Body<Because>,
) -> Answer<StatusCode> {
    let Because { reason } = because;
    carry_out(&app, &actor, &id, Request::Withdraw { reason }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses for good; the process ends by the end event that is drawn for it, or is cancelled.
#[utoipa::path(post, path = "/api/workflow/tasks/{id}/reject", tag = "workflow", request_body = Because,
    params(("id" = String, Path, description = "task")),
    responses((status = 204, description = "rejected"), (status = 422, description = "no reason")))]
async fn reject(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(because): Body<Because>,
) -> Answer<StatusCode> {
    let Because { reason } = because;
    carry_out(&app, &actor, &id, Request::Reject { reason }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct Readers {
    /// User ids of officers.
    #[schema(example = json!(["01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11"]))]
    readers: Vec<String>,
    #[schema(example = "请阅")]
    note: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct Circulated {
    /// Copies sent; who had one already got none.
    #[schema(example = 1)]
    sent: usize,
}

/// Sends copies for reading; the task is not held up.
#[utoipa::path(post, path = "/api/workflow/tasks/{id}/circulate", tag = "workflow", request_body = Readers,
    params(("id" = String, Path, description = "task that one has or had")),
    responses((status = 200, body = Circulated), (status = 422, description = "nobody known, or too many")))]
async fn circulate(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(readers): Body<Readers>,
) -> Answer<Json<Circulated>> {
    let Readers { readers, note } = readers;
    match carry_out(&app, &actor, &id, Request::Circulate { readers, note }).await? {
        Outcome::Sent(sent) => Ok(Json(Circulated { sent })),
        _ => Err(unlike("circulate").into()),
    }
}

/// Who got copies of a task, and when they read them.
#[utoipa::path(get, path = "/api/workflow/tasks/{id}/receipts", tag = "workflow",
    params(("id" = String, Path, description = "task")),
    responses((status = 200, body = Vec<Copy>)))]
async fn receipts(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<Vec<Copy>>> {
    gate(&app, &actor, "workflow.task.circulate")?;
    let id = parse::<TaskId>(&id, "task")?;
    act::task(app.db(), id).await?;
    Ok(Json(super::receipts(app.db(), id).await?))
}

#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct Note {
    #[schema(example = "请尽快办理")]
    note: String,
}

/// Reminds whoever has a task, once in some hours.
#[utoipa::path(post, path = "/api/workflow/tasks/{id}/urge", tag = "workflow", request_body = Note,
    params(("id" = String, Path, description = "task")),
    responses((status = 204, description = "urged"), (status = 409, description = "urged a short time ago")))]
async fn urge(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(note): Body<Note>,
) -> Answer<StatusCode> {
    let Note { note } = note;
    carry_out(&app, &actor, &id, Request::Urge { note }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct Ground {
    /// The legal ground; one of those that the step lists.
    #[schema(example = "听证")]
    ground: String,
    #[schema(example = "当事人申请听证")]
    reason: String,
}

/// Stops the clock of a task on a legal ground.
#[utoipa::path(post, path = "/api/workflow/tasks/{id}/suspend", tag = "workflow", request_body = Ground,
    params(("id" = String, Path, description = "task")),
    responses((status = 204, description = "stopped"), (status = 409, description = "stands still already"),
        (status = 422, description = "no such ground, or no reason")))]
async fn suspend(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(ground): Body<Ground>,
) -> Answer<StatusCode> {
    let Ground { ground, reason } = ground;
    carry_out(&app, &actor, &id, Request::Suspend { ground, reason }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Starts the clock again; the due date moves by the working days that did not count.
#[utoipa::path(post, path = "/api/workflow/tasks/{id}/resume", tag = "workflow",
    params(("id" = String, Path, description = "task")),
    responses((status = 204, description = "runs again"), (status = 409, description = "it runs already")))]
async fn resume(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    carry_out(&app, &actor, &id, Request::Resume).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct Extension {
    /// Working days.
    #[schema(example = 5)]
    days: u32,
    #[schema(example = "案情复杂")]
    reason: String,
}

/// Gives a task more working days, once.
#[utoipa::path(post, path = "/api/workflow/tasks/{id}/extend", tag = "workflow", request_body = Extension,
    params(("id" = String, Path, description = "task")),
    responses((status = 204, description = "extended"), (status = 409, description = "extended already"),
        (status = 422, description = "too many days, or no reason")))]
async fn extend(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(extension): Body<Extension>,
) -> Answer<StatusCode> {
    let Extension { days, reason } = extension;
    carry_out(&app, &actor, &id, Request::Extend { days, reason }).await?;
    Ok(StatusCode::NO_CONTENT)
}
