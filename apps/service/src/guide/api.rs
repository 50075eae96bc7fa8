//! JSON doors of matters: the public list and one matter, and what stewards do.

use axum::{
    Json,
    extract::{Path, Query, State as AppState},
    http::StatusCode,
};
use identity::{Actor, Gate, Resource};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{App, WebError};

use crate::matter::{
    self, Matter, State, act,
    store::{Row, Search},
};

/// Doors of matters.
pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(checks))
        .routes(routes!(save))
        .routes(routes!(publish))
        .routes(routes!(suspend))
        .routes(routes!(resume))
        .routes(routes!(cancel))
}

/// A page of matters.
#[derive(Serialize, ToSchema)]
struct MatterPage {
    items: Vec<Row>,
    /// Pass as `after` to read on; absent at the end.
    next: Option<String>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
struct MatterQuery {
    /// Words that all must occur.
    q: String,
    /// Name of the department.
    department: String,
    /// Topic for persons.
    user_topic: String,
    /// Topic for firms.
    corp_topic: String,
    /// `next` of the page before.
    after: String,
    /// 1 to 200; 50 if absent.
    limit: Option<u64>,
}

/// Searches the matters that the guide shows.
#[utoipa::path(get, path = "/api/service/matters", tag = "matters", params(MatterQuery),
    responses((status = 200, body = MatterPage, example = json!({"items": [], "next": null}))))]
async fn list(
    AppState(app): AppState<App>,
    Query(query): Query<MatterQuery>,
) -> Result<Json<MatterPage>, WebError> {
    let search = Search {
        words: query.q,
        department: query.department,
        user_topic: query.user_topic,
        corp_topic: query.corp_topic,
        after: query.after,
        limit: query.limit.unwrap_or(50),
        ..Search::default()
    };
    let (items, has_more) = matter::store::list(app.db().read(), &search).await?;
    let next = has_more
        .then(|| items.last().map(|row| row.key.clone()))
        .flatten();
    Ok(Json(MatterPage { items, next }))
}

/// One matter with its version and state.
#[derive(Serialize, ToSchema)]
struct MatterView {
    #[schema(example = 1)]
    version: i32,
    state: State,
    /// Every element, as in `matters/*.toml` of a pack.
    #[schema(value_type = Object)]
    matter: Matter,
}

/// The version that the guide shows.
#[utoipa::path(get, path = "/api/service/matters/{task_code}", tag = "matters",
    params(("task_code" = String, Path, example = "food-licence")),
    responses((status = 200, body = MatterView), (status = 404)))]
async fn get(
    AppState(app): AppState<App>,
    Path(task_code): Path<String>,
) -> Result<Json<MatterView>, WebError> {
    let matter = matter::lookup_shown(app.db().read(), &task_code)
        .await?
        .ok_or(kernel::Error::NotFound { what: "matter" })?;
    Ok(Json(MatterView {
        version: matter.version,
        state: matter.state,
        matter,
    }))
}

/// A check not passed.
#[derive(Serialize, ToSchema)]
struct CheckFinding {
    /// Element of the matter.
    #[schema(example = "legal_days")]
    field: String,
    /// Message key of the check.
    key: &'static str,
}

/// The publication checks that a version does not pass.
#[utoipa::path(get, path = "/api/service/matters/{task_code}/versions/{version}/checks", tag = "matters",
    params(("task_code" = String, Path), ("version" = i32, Path)),
    responses((status = 200, body = Vec<CheckFinding>), (status = 403)))]
async fn checks(
    AppState(app): AppState<App>,
    actor: Actor,
    Path((task_code, version)): Path<(String, i32)>,
) -> Result<Json<Vec<CheckFinding>>, WebError> {
    let gate = app.part::<Gate>()?;
    let (_, findings) = act::findings(app.db(), &gate, &actor, &task_code, version).await?;
    let findings = findings.into_iter().map(|finding| CheckFinding {
        field: finding.field,
        key: finding.text.key,
    });
    Ok(Json(findings.collect()))
}

#[derive(Deserialize, ToSchema)]
struct SaveDraft {
    /// Every element, as in `matters/*.toml` of a pack.
    #[schema(value_type = Object)]
    matter: Matter,
    /// Of the draft being changed; absent for the first.
    #[schema(example = 1)]
    row_version: Option<i32>,
}

#[derive(Serialize, ToSchema)]
struct SavedDraft {
    #[schema(example = 1)]
    version: i32,
}

/// Keeps a draft.
#[utoipa::path(post, path = "/api/service/matters", tag = "matters", request_body = SaveDraft,
    responses((status = 201, body = SavedDraft), (status = 403), (status = 409), (status = 422)))]
async fn save(
    AppState(app): AppState<App>,
    actor: Actor,
    Json(body): Json<SaveDraft>,
) -> Result<(StatusCode, Json<SavedDraft>), WebError> {
    let gate = app.part::<Gate>()?;
    let saving = act::save_draft(app.db(), &gate, &actor, body.matter, body.row_version);
    let version = Box::pin(saving).await?;
    Ok((StatusCode::CREATED, Json(SavedDraft { version })))
}

/// Puts a draft into force.
#[utoipa::path(post, path = "/api/service/matters/{task_code}/versions/{version}/publish", tag = "matters",
    params(("task_code" = String, Path), ("version" = i32, Path)),
    responses((status = 204), (status = 403), (status = 409), (status = 422)))]
async fn publish(
    AppState(app): AppState<App>,
    actor: Actor,
    Path((task_code, version)): Path<(String, i32)>,
) -> Result<StatusCode, WebError> {
    let gate = app.part::<Gate>()?;
    act::publish(app.db(), &gate, &actor, &task_code, version).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Closes a matter for new applications.
#[utoipa::path(post, path = "/api/service/matters/{task_code}/versions/{version}/suspend", tag = "matters",
    params(("task_code" = String, Path), ("version" = i32, Path)),
    responses((status = 204), (status = 403), (status = 409)))]
async fn suspend(
    AppState(app): AppState<App>,
    actor: Actor,
    Path((task_code, version)): Path<(String, i32)>,
) -> Result<StatusCode, WebError> {
    let gate = app.part::<Gate>()?;
    act::suspend(app.db(), &gate, &actor, &task_code, version).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Opens a suspended matter again.
#[utoipa::path(post, path = "/api/service/matters/{task_code}/versions/{version}/resume", tag = "matters",
    params(("task_code" = String, Path), ("version" = i32, Path)),
    responses((status = 204), (status = 403), (status = 409)))]
async fn resume(
    AppState(app): AppState<App>,
    actor: Actor,
    Path((task_code, version)): Path<(String, i32)>,
) -> Result<StatusCode, WebError> {
    let gate = app.part::<Gate>()?;
    act::resume(app.db(), &gate, &actor, &task_code, version).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a matter.
#[utoipa::path(post, path = "/api/service/matters/{task_code}/versions/{version}/cancel", tag = "matters",
    params(("task_code" = String, Path), ("version" = i32, Path)),
    responses((status = 204), (status = 403), (status = 409)))]
async fn cancel(
    AppState(app): AppState<App>,
    actor: Actor,
    Path((task_code, version)): Path<(String, i32)>,
) -> Result<StatusCode, WebError> {
    let gate = app.part::<Gate>()?;
    act::cancel(app.db(), &gate, &actor, &task_code, version).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The right to see stewards' lists and to import.
pub(crate) fn stewards_only(app: &App, actor: &Actor, action: &str) -> kernel::Result<()> {
    app.part::<Gate>()?
        .check(actor, action, &Resource::system())
}
