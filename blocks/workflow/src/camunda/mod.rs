//! A subset of the REST interface of Camunda 7 under `/engine-rest`, so that workers and scripts
//! written for it go on working. Which part is supported stands in `docs/guide/integrators.md`.
//!
//! Only translates: the acts are those of `/api/process`. Errors are `{"type", "message"}`.

mod definition;
mod external;
mod history;
mod incident;
mod instance;
mod message;
mod search;
mod store;
mod task;
mod value;
mod variable;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::any,
};
use kernel::{Error, Text};
use serde_json::{Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{App, Language, WebError};

/// Where the interface stands, and again under the name of the one engine.
const ROOT: &str = "/engine-rest";
const OF_ENGINE: &str = "/engine-rest/engine/default";

pub(crate) fn routes(app: &App) -> OpenApiRouter<App> {
    let all = all();
    // The same doors, so they are described once.
    let of_engine = OpenApiRouter::from(Router::from(all.clone()));
    let all = all.route("/engine/{name}/{*rest}", any(no_engine));
    OpenApiRouter::new()
        .nest(ROOT, all)
        .nest(OF_ENGINE, of_engine)
        .layer(from_fn_with_state(app.clone(), errors))
}

fn all() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(engines))
        .routes(routes!(version))
        .merge(definition::routes())
        .merge(instance::routes())
        .merge(variable::routes())
        .merge(message::routes())
        .merge(incident::routes())
        .merge(history::routes())
        .merge(task::routes())
        .merge(external::routes())
}

type Answer<T> = Result<T, WebError>;

/// The engines there are: one, called `default`.
#[utoipa::path(get, path = "/engine", tag = "camunda",
    responses((status = 200, body = Vec<Object>, example = json!([{"name": "default"}]))))]
async fn engines() -> Json<Value> {
    Json(json!([{"name": "default"}]))
}

/// What names another engine was written for another place.
async fn no_engine(Path((name, _)): Path<(String, String)>) -> WebError {
    WebError(Error::Refused(
        Text::new("workflow-engine-unknown").with("name", name),
    ))
}

/// The version of the interface that is followed.
#[utoipa::path(get, path = "/version", tag = "camunda",
    responses((status = 200, body = Object, example = json!({"version": "7.23.0"}))))]
async fn version() -> Json<Value> {
    Json(json!({"version": "7.23.0"}))
}

/// Gives errors the form that clients of this interface read.
async fn errors(State(app): State<App>, request: Request, next: Next) -> Response {
    let language = request.extensions().get::<Language>().copied();
    let response = next.run(request).await;
    let Some(error) = response.extensions().get::<Arc<Error>>().cloned() else {
        return plain(response).await;
    };
    // Faults are logged and numbered by the house, in its own form.
    let (status, kind) = match &*error {
        Error::Fault(_) | Error::Unavailable(_) => return response,
        Error::NotSignedIn => (StatusCode::UNAUTHORIZED, "AuthenticationException"),
        Error::Forbidden { .. } => (StatusCode::FORBIDDEN, "AuthorizationException"),
        Error::NotFound { .. } => (StatusCode::NOT_FOUND, "InvalidRequestException"),
        Error::Invalid(_) => (StatusCode::BAD_REQUEST, "InvalidRequestException"),
        Error::Refused(text) => (StatusCode::BAD_REQUEST, refusal(text.key)),
    };
    let say = |text: &Text| {
        app.texts()
            .text(language.unwrap_or_default(), text.key, &text.args)
    };
    let message = match &*error {
        Error::Refused(text) => say(text),
        Error::Invalid(findings) => {
            let said = findings
                .iter()
                .map(|finding| format!("{}: {}", finding.field, say(&finding.text)));
            said.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    };
    (status, Json(json!({"type": kind, "message": message}))).into_response()
}

/// The name of the exception that clients expect for a refusal.
fn refusal(key: &str) -> &'static str {
    match key {
        "workflow-message-nobody" | "workflow-message-many" => {
            "MismatchingMessageCorrelationException"
        }
        "workflow-engine-unknown" => "InvalidRequestException",
        "workflow-task-taken" => "TaskAlreadyClaimedException",
        "workflow-external-lock-lost" | "workflow-external-foreign" => "BadUserRequestException",
        "workflow-changed-meanwhile" | "workflow-task-changed" | "workflow-external-changed" => {
            "OptimisticLockingException"
        }
        _ => "RestException",
    }
}

/// What axum says about a body that it could not read, or a method that a path does not have.
async fn plain(response: Response) -> Response {
    const LONGEST: usize = 4096;
    let status = response.status();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let body = json!({"type": "RestException", "message": "HTTP 405 Method Not Allowed"});
        return (status, response.headers().clone(), Json(body)).into_response();
    }
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_text = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !status.is_client_error() || !is_text {
        return response;
    }
    let body = axum::body::to_bytes(response.into_body(), LONGEST).await;
    let words = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
    let body = json!({"type": "InvalidRequestException", "message": words});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}
