//! JSON doors under `/api/workflow`. Tasks are completed through the application that they belong
//! to, whose own rows change with them.

use crate::rest::Body;
use axum::{
    Json,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use identity::{Actor, Gate, Resource};
use kernel::{Error, Result};
use serde::{Deserialize, Serialize};
use store::page::PageRequest;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{App, WebError};

use crate::{
    InstanceId, TaskId,
    act::{self, Officer},
    engine::Engine,
    store::{Filter, Task},
    trail::{Trail, picture, trail_of},
    verb::request::{Request, carry_out},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_tasks))
        .routes(routes!(claim))
        .routes(routes!(release))
        .routes(routes!(instance))
        .routes(routes!(instance_trail))
        .routes(routes!(instance_xml))
        .merge(crate::verb::api_task::routes())
        .merge(crate::verb::api::routes())
        .merge(crate::verb::api_start::routes())
}

pub(crate) type Answer<T> = Result<T, WebError>;

pub(crate) fn gate(app: &App, actor: &Actor, action: &str) -> Result<()> {
    actor.may(&*app.part::<Gate>()?, action, &Resource::system())
}

#[derive(Debug, Deserialize, IntoParams)]
struct TaskQuery {
    /// `mine` (claimed by me), `free` (open for my posts), or both when left out, with the tasks
    /// of those for whom I stand in.
    of: Option<String>,
    /// What the tasks are about, as `case:0192…`.
    subject: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskView {
    #[schema(value_type = String, example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    id: TaskId,
    #[schema(value_type = String)]
    instance: InstanceId,
    #[schema(example = "case:01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    subject: String,
    element: String,
    name: String,
    state: String,
    candidates: Vec<String>,
    assignee: Option<String>,
    form: String,
    outcomes: Vec<String>,
    due_at: Option<chrono::DateTime<chrono::Utc>>,
    created_at: chrono::DateTime<chrono::Utc>,
    /// To be sent back with what is done to the task.
    version: i64,
}

impl From<Task> for TaskView {
    fn from(task: Task) -> Self {
        let facts = task.facts;
        Self {
            id: facts.task,
            instance: facts.instance,
            subject: facts.subject,
            element: facts.element,
            name: facts.name,
            state: task.state,
            candidates: facts.candidates,
            assignee: facts.assignee,
            form: facts.form,
            outcomes: facts.outcomes,
            due_at: facts.due_at,
            created_at: task.created_at,
            version: task.version,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Tasks {
    items: Vec<TaskView>,
    /// Value of `after` for the next page; none at the end.
    next: Option<String>,
}

/// Tasks that the caller has or may take, the oldest first.
#[utoipa::path(get, path = "/api/workflow/tasks", tag = "workflow", params(TaskQuery),
    responses((status = 200, body = Tasks), (status = 401, description = "not signed in")))]
async fn list_tasks(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<TaskQuery>,
) -> Answer<Json<Tasks>> {
    gate(&app, &actor, "workflow.task.list")?;
    let of = query.of.as_deref().unwrap_or_default();
    let filter = Filter {
        groups: if of == "mine" {
            Vec::new()
        } else {
            Officer::from(&actor).groups
        },
        assignee: (of != "free" || actor.groups().is_empty()).then(|| actor.user.to_string()),
        subject: query.subject,
        ..Filter::default()
    };
    let filter = match of {
        "" => crate::with_absent(app.db(), &actor.user.to_string(), filter).await?,
        _ => filter,
    };
    let page = act::tasks(
        app.db(),
        &filter,
        &PageRequest::new(query.after, query.limit),
    )
    .await?;
    let page = page.map(TaskView::from);
    Ok(Json(Tasks {
        items: page.items,
        next: page.next,
    }))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
struct Expected {
    /// The version of the task that the caller saw.
    #[schema(example = 1)]
    version: Option<i64>,
}

/// Takes an open task. Taking one's own task again changes nothing.
#[utoipa::path(post, path = "/api/workflow/tasks/{id}/claim", tag = "workflow", request_body = Expected,
    params(("id" = String, Path, description = "task")),
    responses((status = 204, description = "taken"), (status = 409, description = "somebody else has it")))]
async fn claim(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(expected): Body<Expected>,
) -> Answer<StatusCode> {
    let version = expected.version;
    carry_out(&app, &actor, &id, Request::Claim { version }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a task back to its candidates.
#[utoipa::path(post, path = "/api/workflow/tasks/{id}/release", tag = "workflow",
    params(("id" = String, Path, description = "task")),
    responses((status = 204, description = "given back"), (status = 403, description = "not one's own task")))]
async fn release(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    carry_out(&app, &actor, &id, Request::Release).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An instance with its trail, its waiting steps, and the file that it runs by.
#[derive(Debug, Serialize, ToSchema)]
struct InstanceView {
    #[serde(flatten)]
    trail: Trail,
    /// BPMN 2.0 XML with the diagram.
    xml: String,
}

/// Everything that a process picture needs.
#[utoipa::path(get, path = "/api/workflow/instances/{id}", tag = "workflow",
    params(("id" = String, Path, description = "process instance")),
    responses((status = 200, body = InstanceView), (status = 404, description = "no such instance")))]
async fn instance(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<InstanceView>> {
    let (trail, xml) = read(&app, &actor, &id).await?;
    Ok(Json(InstanceView { trail, xml }))
}

/// The trail alone: `trail` lists elements passed, `live` those that wait.
#[utoipa::path(get, path = "/api/workflow/instances/{id}/trail", tag = "workflow",
    params(("id" = String, Path, description = "process instance")),
    responses((status = 200, body = Trail), (status = 404, description = "no such instance")))]
async fn instance_trail(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<Trail>> {
    Ok(Json(read(&app, &actor, &id).await?.0))
}

/// The BPMN file that the instance runs by.
#[utoipa::path(get, path = "/api/workflow/instances/{id}/xml", tag = "workflow",
    params(("id" = String, Path, description = "process instance")),
    responses((status = 200, description = "BPMN 2.0 XML", content_type = "application/xml")))]
async fn instance_xml(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Response> {
    let (_, xml) = read(&app, &actor, &id).await?;
    Ok((
        [(header::CONTENT_TYPE, "application/xml; charset=utf-8")],
        xml,
    )
        .into_response())
}

async fn read(app: &App, actor: &Actor, id: &str) -> Result<(Trail, String)> {
    gate(app, actor, "workflow.instance.read")?;
    let id = parse::<InstanceId>(id, "process instance")?;
    let engine = app.part::<Engine>()?;
    Ok((
        trail_of(app.db(), &engine, id).await?,
        picture(app.db(), id).await?,
    ))
}

pub(crate) fn parse<T: std::str::FromStr>(id: &str, what: &'static str) -> Result<T> {
    id.parse().map_err(|_| Error::NotFound { what })
}
