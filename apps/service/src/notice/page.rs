//! Notices as signed documents, for those who may see the case.

use axum::{
    extract::{Path, State as AppState},
    http::header,
    response::{IntoResponse, Response},
};
use identity::Actor;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use web::{App, WebError};

use crate::case::{
    act::{self, Desk},
    store as rows,
};

/// All notices share one template; it knows each kind's title and text.
const TEMPLATE: &str = include_str!("../../notices/statutory.typ");

/// Routes of notices.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().route("/notices/{id}", axum::routing::get(download))
}

/// Typesets and seals the notice. What it says was fixed when its event happened, so that every
/// copy reads alike; nothing is stored by looking.
async fn download(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let desk = Desk::of(&app)?;
    let notice = rows::get_notice(app.db().read(), &id).await?;
    act::view(&desk, &actor, notice.case).await?;
    let credentials = app.part::<credential::Credentials>()?;
    let organ = notice
        .data
        .get("org")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let reason = format!("{} {}", notice.number, notice.kind);
    let pdf = credentials
        .document(TEMPLATE, notice.data, &organ, &reason, notice.at)
        .await?;
    let name = format!(
        "attachment; filename=\"{}-{}.pdf\"",
        notice.number, notice.kind
    );
    let headers = [
        (header::CONTENT_TYPE, "application/pdf".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, pdf).into_response())
}
