//! JSON doors of looks at personal values.

use axum::{
    Json,
    extract::{Path, State as AppState},
};
use chrono::{DateTime, Utc};
use identity::Actor;
use kernel::Error;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{App, WebError};

use super::{Reveal, act};
use crate::case::{CaseId, act::Desk};

/// Doors under `/api/service`.
pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(reveal, list))
}

/// For what personal values are needed.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevealFor {
    #[schema(example = "电话通知申请人补交平面布局图")]
    purpose: String,
}

/// One look at a case's personal values.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RevealView {
    #[schema(example = "云港市市场监督管理局（合成）")]
    org_name: String,
    user_name: String,
    purpose: String,
    at: DateTime<Utc>,
    /// Until then `GET /api/service/cases/{id}` answers personal values in full to who looked.
    until: DateTime<Utc>,
}

impl From<Reveal> for RevealView {
    fn from(look: Reveal) -> Self {
        Self {
            org_name: look.org_name,
            user_name: look.user_name,
            purpose: look.purpose,
            at: look.at,
            until: look.until,
        }
    }
}

fn case_id(text: &str) -> Result<CaseId, Error> {
    text.parse().map_err(|_| Error::NotFound { what: "case" })
}

/// Opens a case's personal values to the caller for a quarter of an hour; the applicant is shown
/// who looked and why.
#[utoipa::path(post, path = "/api/service/cases/{id}/reveals", tag = "service",
    params(("id" = String, Path)), request_body = RevealFor,
    responses((status = 200, body = RevealView), (status = 403, description = "Not of the bodies that handle the case"),
        (status = 422, description = "No purpose")))]
async fn reveal(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<RevealFor>,
) -> Result<Json<RevealView>, WebError> {
    let desk = Desk::of(&app)?;
    let look = act::reveal(&desk, &actor, case_id(&id)?, &body.purpose).await?;
    Ok(Json(look.into()))
}

/// Who looked at a case's personal values, the newest first.
#[utoipa::path(get, path = "/api/service/cases/{id}/reveals", tag = "service",
    params(("id" = String, Path)),
    responses((status = 200, body = Vec<RevealView>), (status = 404)))]
async fn list(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<Vec<RevealView>>, WebError> {
    let desk = Desk::of(&app)?;
    let looks = act::list(&desk, &actor, case_id(&id)?).await?;
    Ok(Json(looks.into_iter().map(RevealView::from).collect()))
}
