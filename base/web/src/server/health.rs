//! What a supervisor of processes asks.

use axum::{extract::State, http::StatusCode};
use sea_orm::ConnectionTrait;

use crate::App;

/// `GET /healthz`: the process answers.
pub async fn alive() -> &'static str {
    "ok"
}

/// `GET /readyz`: the database answers too. Tables are current by then: the executable migrates
/// before it listens.
pub async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    match app.db().read().execute_unprepared("SELECT 1").await {
        Ok(_) => (StatusCode::OK, "ready"),
        Err(error) => {
            tracing::warn!(%error, "not ready: the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "database out of reach")
        }
    }
}
