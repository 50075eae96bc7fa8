//! `/api/process/external-tasks`: service tasks for workers outside of the server.

use super::Body;
use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use chrono::{DateTime, Utc};
use identity::Actor;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{
    Answer, Desk, one_of, page, parse,
    work::{self, span},
};
use crate::external::{
    self, Completion, ExternalTask, ExternalTaskId, Failure, Fetch, Filter, Topic,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(fetch))
        .routes(routes!(complete))
        .routes(routes!(failure))
        .routes(routes!(error))
        .routes(routes!(extend))
        .routes(routes!(unlock))
        .routes(routes!(retries))
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProcessExternalView)]
struct ExternalView {
    #[schema(value_type = String, example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    id: ExternalTaskId,
    #[schema(value_type = String)]
    instance: crate::InstanceId,
    #[schema(example = "order:3:5f2a91c0")]
    definition: String,
    subject: String,
    #[schema(example = "pay")]
    element: String,
    #[schema(example = "payment")]
    topic: String,
    priority: i64,
    /// `open`, `failed` (an incident), `done` or `gone`.
    state: String,
    worker: Option<String>,
    locked_until: Option<DateTime<Utc>>,
    /// Tries that are left, where that is known.
    retries: Option<i64>,
    error_message: String,
    error_details: String,
    created_at: DateTime<Utc>,
    #[schema(value_type = Object)]
    variables: Map<String, Value>,
}

impl From<ExternalTask> for ExternalView {
    fn from(task: ExternalTask) -> Self {
        let is_held = task.state == "open" && task.worker.is_some();
        Self {
            locked_until: is_held.then_some(task.available_at),
            id: task.id,
            instance: task.instance,
            definition: task.definition,
            subject: task.subject,
            element: task.element,
            topic: task.topic,
            priority: task.priority,
            state: task.state,
            worker: task.worker,
            retries: task.retries,
            error_message: task.error_message,
            error_details: task.error_details,
            created_at: task.created_at,
            variables: task.variables,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
struct ListQuery {
    topic: Option<String>,
    worker: Option<String>,
    instance: Option<String>,
    /// `open`, `failed`, `done` or `gone`; open and failed when left out.
    state: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProcessExternalTasks)]
struct ExternalTasks {
    items: Vec<ExternalView>,
    /// Value of `after` for the next page; none at the end.
    next: Option<String>,
}

/// External tasks, the oldest first; without their variables.
#[utoipa::path(get, path = "/api/process/external-tasks", tag = "process", params(ListQuery),
    responses((status = 200, body = ExternalTasks), (status = 403, description = "not allowed")))]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Answer<Json<ExternalTasks>> {
    let desk = Desk::of(&app)?;
    let instance = query
        .instance
        .as_deref()
        .map(|id| parse(id, "process instance"));
    let filter = Filter {
        topic: query.topic,
        worker: query.worker,
        instance: instance.transpose()?,
        state: one_of("state", query.state, &["open", "failed", "done", "gone"])?,
        ..Filter::default()
    };
    let page = page(query.after, query.limit)?;
    let page = work::list(&desk, &actor, &filter, &page).await?;
    Ok(Json(ExternalTasks {
        next: page.next,
        items: page.items.into_iter().map(Into::into).collect(),
    }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ProcessWantedTopic)]
struct WantedTopic {
    #[schema(example = "payment")]
    name: String,
    /// Milliseconds for which a task is locked.
    #[schema(example = 60000)]
    lock: i64,
    /// Variables wanted; all when left out.
    variables: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProcessWanted)]
struct Wanted {
    /// Name of the worker; its locks are held under it.
    #[serde(default)]
    #[schema(example = "payments-1")]
    worker: String,
    #[serde(default)]
    #[schema(example = 10)]
    max_tasks: u32,
    /// Milliseconds to wait for a task when there is none; 20,000 at the most.
    #[serde(default)]
    #[schema(example = 10000)]
    wait: u64,
    #[serde(default)]
    topics: Vec<WantedTopic>,
}

/// Locks free tasks for the worker, those of higher priority first, and answers them with their
/// variables. Of two workers no two get the same task.
#[utoipa::path(post, path = "/api/process/external-tasks/fetch", tag = "process", request_body = Wanted,
    responses((status = 200, body = Vec<ExternalView>), (status = 422, description = "what is wrong with the request")))]
async fn fetch(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<Wanted>,
) -> Answer<Json<Vec<ExternalView>>> {
    let desk = Desk::of(&app)?;
    let topics = body.topics.into_iter().map(|topic| Topic {
        name: topic.name,
        lock: span(topic.lock),
        variables: topic.variables,
        ..Topic::default()
    });
    let wanted = Fetch {
        worker: body.worker,
        most: body.max_tasks,
        topics: topics.collect(),
    };
    let tasks = work::fetch(&desk, &actor, &wanted, body.wait).await?;
    Ok(Json(tasks.into_iter().map(Into::into).collect()))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProcessCompleted)]
struct Completed {
    #[serde(default)]
    #[schema(example = "payments-1")]
    worker: String,
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"receipt": "R-9"}))]
    variables: Map<String, Value>,
    /// Seen by output mappings only.
    #[serde(default)]
    #[schema(value_type = Object, example = json!({}))]
    local_variables: Map<String, Value>,
}

/// The task is done; the process goes on with the variables.
#[utoipa::path(post, path = "/api/process/external-tasks/{id}/complete", tag = "process", request_body = Completed,
    params(("id" = String, Path, description = "external task")),
    responses((status = 204, description = "done"), (status = 409, description = "the lock was lost, or is another's")))]
async fn complete(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<Completed>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    let id = parse(&id, "external task")?;
    let done = Completion {
        worker: body.worker,
        vars: body.variables,
        local: body.local_variables,
    };
    work::complete(&desk, &actor, id, done).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProcessFailed)]
struct Failed {
    #[serde(default)]
    #[schema(example = "payments-1")]
    worker: String,
    #[serde(default)]
    #[schema(example = "the bank does not answer")]
    message: String,
    #[serde(default)]
    details: String,
    /// Tries that are left; at none the task becomes an incident.
    #[schema(example = 2)]
    retries: Option<i64>,
    /// Milliseconds in which nobody may fetch it.
    #[serde(default)]
    #[schema(example = 60000)]
    pause: i64,
}

/// The task could not be carried out.
#[utoipa::path(post, path = "/api/process/external-tasks/{id}/failure", tag = "process", request_body = Failed,
    params(("id" = String, Path, description = "external task")),
    responses((status = 204, description = "noted"), (status = 409, description = "the lock was lost, or is another's")))]
async fn failure(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<Failed>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    let failure = Failure {
        worker: body.worker,
        message: body.message,
        details: body.details,
        retries: body.retries,
        pause: span(body.pause),
    };
    let id = parse(&id, "external task")?;
    work::fail(&desk, &actor, id, failure).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProcessThrown)]
struct Thrown {
    #[serde(default)]
    #[schema(example = "payments-1")]
    worker: String,
    #[serde(default)]
    #[schema(example = "no-cover")]
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    #[schema(value_type = Object, example = json!({}))]
    variables: Map<String, Value>,
}

/// The task ended in a business error, which the model may catch on its border.
#[utoipa::path(post, path = "/api/process/external-tasks/{id}/error", tag = "process", request_body = Thrown,
    params(("id" = String, Path, description = "external task")),
    responses((status = 204, description = "thrown"), (status = 409, description = "the lock was lost, or is another's")))]
async fn error(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<Thrown>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    let id = parse(&id, "external task")?;
    let thrown = external::Thrown {
        worker: body.worker,
        code: body.code,
        message: body.message,
        vars: body.variables,
    };
    work::throw(&desk, &actor, id, thrown).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProcessExtended)]
struct Extended {
    #[serde(default)]
    #[schema(example = "payments-1")]
    worker: String,
    /// Milliseconds from now.
    #[serde(default)]
    #[schema(example = 60000)]
    lock: i64,
}

/// The worker needs longer.
#[utoipa::path(post, path = "/api/process/external-tasks/{id}/extend", tag = "process", request_body = Extended,
    params(("id" = String, Path, description = "external task")),
    responses((status = 204, description = "extended"), (status = 409, description = "the lock was lost, or is another's")))]
async fn extend(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<Extended>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    let id = parse(&id, "external task")?;
    work::extend(&desk, &actor, id, body.worker, span(body.lock)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a task back, whoever holds it.
#[utoipa::path(post, path = "/api/process/external-tasks/{id}/unlock", tag = "process",
    params(("id" = String, Path, description = "external task")),
    responses((status = 204, description = "given back"), (status = 409, description = "it is over")))]
async fn unlock(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    let id = parse(&id, "external task")?;
    work::unlock(&desk, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProcessRetries)]
struct Retries {
    #[serde(default)]
    #[schema(example = 3)]
    retries: i64,
}

/// Gives a task new tries; one that became an incident begins anew, as another task.
#[utoipa::path(post, path = "/api/process/external-tasks/{id}/retries", tag = "process", request_body = Retries,
    params(("id" = String, Path, description = "external task")),
    responses((status = 204, description = "set"), (status = 409, description = "it is over")))]
async fn retries(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<Retries>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    let id = parse(&id, "external task")?;
    work::set_retries(&desk, &actor, id, body.retries).await?;
    Ok(StatusCode::NO_CONTENT)
}
