//! `/api/process/tasks`: tasks of instances that no application owns. Others are listed too, but
//! are completed through their application, whose own rows change with them.

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

use super::{Answer, Desk, act, is_free, one_of, page, parse};
use crate::{
    act as engine_act,
    store::{Filter, Task},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(complete))
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProcessTaskView)]
struct TaskView {
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    id: String,
    instance: String,
    #[schema(example = "order:3:5f2a91c0")]
    definition: String,
    subject: String,
    #[schema(example = "review")]
    element: String,
    #[schema(example = "审查")]
    name: String,
    /// By this an intervention names it.
    #[schema(example = 3)]
    token: i64,
    state: String,
    candidates: Vec<String>,
    assignee: Option<String>,
    form: String,
    outcomes: Vec<String>,
    due_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    version: i64,
    /// Whether it can be completed here.
    is_free: bool,
}

impl From<Task> for TaskView {
    fn from(task: Task) -> Self {
        let facts = task.facts;
        Self {
            id: facts.task.to_string(),
            instance: facts.instance.to_string(),
            definition: facts.definition,
            is_free: is_free(&facts.subject),
            subject: facts.subject,
            element: facts.element,
            name: facts.name,
            token: task.token,
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

#[derive(Debug, Deserialize, IntoParams)]
struct ListQuery {
    instance: Option<String>,
    subject: Option<String>,
    assignee: Option<String>,
    /// `open`, `claimed`, `done` or `gone`; open and claimed when left out.
    state: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProcessTasks)]
struct Tasks {
    items: Vec<TaskView>,
    /// Value of `after` for the next page; none at the end.
    next: Option<String>,
}

/// Tasks of all processes, the oldest first.
#[utoipa::path(get, path = "/api/process/tasks", tag = "process", params(ListQuery),
    responses((status = 200, body = Tasks), (status = 403, description = "not allowed")))]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Answer<Json<Tasks>> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::READ)?;
    let instance = query
        .instance
        .as_deref()
        .map(|id| parse(id, "process instance"));
    let filter = Filter {
        instance: instance.transpose()?,
        subject: query.subject,
        assignee: query.assignee,
        state: one_of("state", query.state, &["open", "claimed", "done", "gone"])?,
        ..Filter::default()
    };
    let page = page(query.after, query.limit)?;
    let page = engine_act::tasks(&desk.db, &filter, &page).await?;
    Ok(Json(Tasks {
        next: page.next,
        items: page.items.into_iter().map(Into::into).collect(),
    }))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProcessComplete)]
struct Complete {
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"outcome": "approve"}))]
    variables: Map<String, Value>,
    /// The version of the task that the caller saw.
    #[schema(example = 1)]
    version: Option<i64>,
}

/// Completes a task that no application owns: one's own or, as an operator, any.
#[utoipa::path(post, path = "/api/process/tasks/{id}/complete", tag = "process", request_body = Complete,
    params(("id" = String, Path, description = "task")),
    responses((status = 204, description = "completed"), (status = 409, description = "done already, changed, or owned by an application")))]
async fn complete(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<Complete>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    let id = parse(&id, "task")?;
    act::complete_task(&desk, &actor, id, body.version, body.variables).await?;
    Ok(StatusCode::NO_CONTENT)
}
