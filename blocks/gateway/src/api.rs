//! The JSON doors: offering, granting, the log; and the door through which calls come.

use axum::{
    Json,
    body::Body,
    extract::{Path, Query, Request, State},
    http::header,
    response::{IntoResponse, Response},
    routing::any,
};
use identity::Actor;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::page::PageRequest;
use utoipa::{IntoParams, OpenApi, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{App, Page, WebError};

use crate::{
    call::{self, Asked},
    grant::{self, Grant, Granting},
    overview::{self, Call, Evidence, Filter},
    refusal::Refusal,
    refused::{self, Refused},
    resource::{self, Registering, Resource},
};

type Answer<T> = Result<Json<T>, WebError>;

/// Calls come under any method, which a route for each would hide.
#[derive(OpenApi)]
#[openapi(paths(described_get, described_post))]
struct Described;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Described::openapi())
        .routes(routes!(resources, register))
        .routes(routes!(move_resource))
        .routes(routes!(refused_calls))
        .routes(routes!(grants, add_grant))
        .routes(routes!(move_grant))
        .routes(routes!(calls))
        .routes(routes!(show_call))
        .route("/api/gateway/{resource}", any(call_root))
        .route("/api/gateway/{resource}/{*path}", any(call_path))
}

/// What can be called.
#[utoipa::path(get, path = "/api/sharing/resources", tag = "gateway",
    responses((status = 200, body = Vec<Resource>), (status = 403)))]
async fn resources(State(app): State<App>, actor: Actor) -> Answer<Vec<Resource>> {
    Ok(Json(resource::list(&app, &actor).await?))
}

/// Offers an interface by its `OpenAPI` document, or a question that the hub answers from a
/// registry. An interface that is there already is described anew.
#[utoipa::path(post, path = "/api/sharing/resources", tag = "gateway", request_body = Registering,
    responses((status = 200, body = Resource), (status = 403), (status = 409), (status = 422)))]
async fn register(
    State(app): State<App>,
    actor: Actor,
    Json(body): Json<Registering>,
) -> Answer<Resource> {
    Ok(Json(resource::register(&app, &actor, &body).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GatewayResourceStep {
    state: resource::State,
}

/// Opens, suspends or withdraws an interface, at once.
#[utoipa::path(post, path = "/api/sharing/resources/{code}/steps", tag = "gateway",
    params(("code" = String, Path, example = "hukou-api")), request_body = GatewayResourceStep,
    responses((status = 200, body = Resource), (status = 403), (status = 404), (status = 409)))]
async fn move_resource(
    State(app): State<App>,
    actor: Actor,
    Path(code): Path<String>,
    Json(body): Json<GatewayResourceStep>,
) -> Answer<Resource> {
    Ok(Json(
        resource::set_state(&app, &actor, &code, body.state).await?,
    ))
}

#[derive(Deserialize, IntoParams)]
struct RefusedQuery {
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct GatewayRefusedList {
    items: Vec<Refused>,
    /// Give it as `after` for older ones.
    next: Option<String>,
}

/// Refused calls of an interface, counted by day, caller and rule, the newest day first: all of
/// them for its provider, their own for callers.
#[utoipa::path(get, path = "/api/sharing/resources/{code}/refused", tag = "gateway",
    params(("code" = String, Path, example = "hukou-api"), RefusedQuery),
    responses((status = 200, body = GatewayRefusedList), (status = 403), (status = 404)))]
async fn refused_calls(
    State(app): State<App>,
    actor: Actor,
    Path(code): Path<String>,
    Query(query): Query<RefusedQuery>,
) -> Answer<GatewayRefusedList> {
    let page = PageRequest::new(query.after, None);
    let found = refused::list(&app, &actor, &code, &page).await?;
    Ok(Json(GatewayRefusedList {
        items: found.items,
        next: found.next,
    }))
}

#[derive(Deserialize, IntoParams)]
struct GrantQuery {
    /// Code of the resource.
    #[serde(default)]
    resource: String,
}

/// Who may call a resource.
#[utoipa::path(get, path = "/api/sharing/grants", tag = "gateway", params(GrantQuery),
    responses((status = 200, body = Vec<Grant>), (status = 403)))]
async fn grants(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<GrantQuery>,
) -> Answer<Vec<Grant>> {
    Ok(Json(grant::list(&app, &actor, &query.resource).await?))
}

/// Lets a department call.
#[utoipa::path(post, path = "/api/sharing/grants", tag = "gateway", request_body = Granting,
    responses((status = 200, body = Grant), (status = 403), (status = 422)))]
async fn add_grant(
    State(app): State<App>,
    actor: Actor,
    Json(body): Json<Granting>,
) -> Answer<Grant> {
    Ok(Json(grant::grant(&app, &actor, &body).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GatewayGrantStep {
    state: grant::State,
}

/// Suspends, resumes or withdraws a grant; the next call hears it.
#[utoipa::path(post, path = "/api/sharing/grants/{id}/steps", tag = "gateway",
    params(("id" = String, Path)), request_body = GatewayGrantStep,
    responses((status = 200, body = Grant), (status = 403), (status = 404), (status = 409)))]
async fn move_grant(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<GatewayGrantStep>,
) -> Answer<Grant> {
    Ok(Json(grant::set_state(&app, &actor, &id, body.state).await?))
}

#[derive(Deserialize, IntoParams)]
struct CallQuery {
    /// Code of a resource.
    resource: Option<String>,
    /// How calls ended, as `answered`.
    outcome: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct GatewayCallList {
    items: Vec<Call>,
    /// Give it as `after` for older ones.
    next: Option<String>,
}

/// The log of calls, the newest first.
#[utoipa::path(get, path = "/api/sharing/calls", tag = "gateway", params(CallQuery),
    responses((status = 200, body = GatewayCallList), (status = 403)))]
async fn calls(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<CallQuery>,
) -> Answer<GatewayCallList> {
    let page = PageRequest::new(query.after, None);
    let filter = Filter {
        resource: query.resource,
        outcome: query.outcome,
    };
    let found = overview::calls(&app, &actor, &filter, &page).await?;
    Ok(Json(GatewayCallList {
        items: found.items,
        next: found.next,
    }))
}

/// A call with its proofs, checked anew. For both sides of it and for those who watch over calls.
#[utoipa::path(get, path = "/api/sharing/calls/{id}", tag = "gateway",
    params(("id" = String, Path)),
    responses((status = 200, body = Evidence), (status = 403), (status = 404)))]
async fn show_call(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Evidence> {
    Ok(Json(overview::verify(&app, &actor, &id).await?))
}

/// Calls an operation of a shared interface. The answer is the provider's, with the fields that the
/// grant lets through; `tongban-call` is its number in the log, `server-timing` what each hop took.
#[utoipa::path(get, path = "/api/gateway/{resource}/{path}", tag = "gateway",
    params(("resource" = String, Path, example = "hukou-api"), ("path" = String, Path, example = "persons"),
        ("tongban-grant" = Option<String>, Header, description = "one of several grants"),
        ("tongban-call" = Option<String>, Header, description = "a UUID of the caller's own; a second call under it is refused")),
    responses((status = 200, description = "the provider's answer"), (status = 403), (status = 404), (status = 405),
        (status = 429, description = "the quota or rate of the grant; `retry-after` says when to come back"),
        (status = 502), (status = 503, description = "the provider's node has no line open"), (status = 504)))]
#[expect(dead_code, reason = "describes the route of any method and path")]
fn described_get() {}

/// The same with a body, under any other method of the interface's document.
#[utoipa::path(post, path = "/api/gateway/{resource}/{path}", tag = "gateway",
    params(("resource" = String, Path, example = "hukou-api"), ("path" = String, Path, example = "persons")),
    request_body(content = Object, content_type = "application/json", example = json!({"gmsfhm": "320000199001010039", "xm": "张小明"})),
    responses((status = 200, description = "the provider's answer"), (status = 403), (status = 404), (status = 405),
        (status = 409, description = "a call of that number was made before"), (status = 413), (status = 429),
        (status = 502), (status = 503), (status = 504)))]
#[expect(dead_code, reason = "describes the route of any method and path")]
fn described_post() {}

async fn call_root(
    State(app): State<App>,
    page: Page,
    actor: Actor,
    Path(resource): Path<String>,
    request: Request,
) -> Response {
    call_by(&app, &page, &actor, resource, request).await
}

async fn call_path(
    State(app): State<App>,
    page: Page,
    actor: Actor,
    Path((resource, _)): Path<(String, String)>,
    request: Request,
) -> Response {
    call_by(&app, &page, &actor, resource, request).await
}

async fn call_by(
    app: &App,
    page: &Page,
    actor: &Actor,
    resource: String,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let asked = Asked {
        path: path_of(parts.uri.path(), &resource),
        query: parts.uri.query().map(str::to_owned),
        method: parts.method,
        headers: parts.headers,
        resource,
        body,
    };
    match call::call(app, actor, asked).await {
        Ok(answer) => answer,
        Err(refusal) => refused(page, refusal),
    }
}

/// What follows the resource, as it was written: decoded, two paths could become one.
fn path_of(whole: &str, resource: &str) -> String {
    let rest = whole
        .split_once("/api/gateway/")
        .map_or("", |(_, rest)| rest);
    match rest.split_once('/') {
        Some((_, path)) => format!("/{path}"),
        None if resource.is_empty() => String::new(),
        None => "/".into(),
    }
}

/// A problem body as all errors have it, with the statuses that only a gateway knows.
fn refused(page: &Page, refusal: Refusal) -> Response {
    let Some(status) = refusal.status() else {
        return match refusal {
            Refusal::Act(error) => WebError(error).into_response(),
            _ => status_of_nothing(),
        };
    };
    let text = refusal.text();
    let site = page.app.settings().public_url.trim_end_matches('/');
    let body = json!({
        "type": format!("{site}/api#gateway"),
        "title": page.say(&text),
        "status": status.as_u16(),
        "rule": text.key,
        "instance": page.path,
        "request_id": page.request_id,
    });
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    let mut response = (status, kind, Body::from(body.to_string())).into_response();
    if let Some(seconds) = refusal.retry_after() {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    if let Refusal::OtherMethod(methods) = refusal
        && let Ok(methods) = header::HeaderValue::try_from(methods.join(", "))
    {
        response.headers_mut().insert(header::ALLOW, methods);
    }
    response
}

fn status_of_nothing() -> Response {
    WebError(kernel::Error::NotFound { what: "resource" }).into_response()
}
