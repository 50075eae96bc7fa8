//! JSON doors of deadlines.

use axum::{
    Json,
    extract::{Path, State},
};
use identity::Actor;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{Deadline, Of, view};
use crate::{
    InstanceId, TaskId,
    api::{Answer, gate, parse},
    engine::Engine,
    verb::api_task,
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(task_deadline))
        .routes(routes!(instance_deadline))
}

/// When a task is due, and how that was counted day by day: for whoever may see the task, or the
/// course of processes.
#[utoipa::path(get, path = "/api/workflow/tasks/{id}/deadline", tag = "workflow",
    params(("id" = String, Path, description = "task")),
    responses((status = 200, body = Deadline), (status = 403, description = "neither one's own task nor a reader of processes"),
        (status = 404, description = "no such task, or it has no deadline")))]
async fn task_deadline(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<Deadline>> {
    if !api_task::may(&app, &actor, "workflow.instance.read")? {
        api_task::need_seen(&app, &actor, &id).await?;
    }
    let id = parse::<TaskId>(&id, "task")?;
    let engine = app.part::<Engine>()?;
    Ok(Json(view::read(app.db(), &engine, Of::Task(id)).await?))
}

/// When a process as a whole is due, and how that was counted day by day.
#[utoipa::path(get, path = "/api/workflow/instances/{id}/deadline", tag = "workflow",
    params(("id" = String, Path, description = "process instance")),
    responses((status = 200, body = Deadline), (status = 404, description = "no such instance, or it has no deadline")))]
async fn instance_deadline(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<Deadline>> {
    gate(&app, &actor, "workflow.instance.read")?;
    let id = parse::<InstanceId>(&id, "process instance")?;
    let engine = app.part::<Engine>()?;
    Ok(Json(view::read(app.db(), &engine, Of::Instance(id)).await?))
}
