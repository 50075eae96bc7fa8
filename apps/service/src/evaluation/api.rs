//! JSON doors of reviews.

use axum::{
    Json,
    extract::{Path, Query, State as AppState},
};
use chrono::{DateTime, NaiveDate, Utc};
use identity::Actor;
use kernel::Error;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{App, WebError};

use super::{
    Answer, Figures, Repair, Review, act,
    store::{self as rows, Evaluation, Search},
};
use crate::case::act::Desk;

/// Doors under `/api/service`.
pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(rate))
        .routes(routes!(list))
        .routes(routes!(answer))
        .routes(routes!(figures))
}

/// A review.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ReviewView {
    id: String,
    case_number: String,
    matter_name: String,
    org_name: String,
    #[schema(example = 2)]
    service: u32,
    assess: u32,
    satisfaction: u8,
    details: Vec<u16>,
    text: String,
    at: DateTime<Utc>,
    is_valid: bool,
    repair: Repair,
    #[schema(value_type = Option<String>)]
    contact_due: Option<NaiveDate>,
    #[schema(value_type = Option<String>)]
    finish_due: Option<NaiveDate>,
    reply: String,
}

fn view(one: Evaluation) -> ReviewView {
    ReviewView {
        id: one.id.to_string(),
        case_number: one.case_number,
        matter_name: one.matter_name,
        org_name: one.org_name,
        service: one.service,
        assess: one.assess,
        satisfaction: one.satisfaction,
        details: one.details,
        text: one.words,
        at: one.at,
        is_valid: one.is_valid,
        repair: one.repair,
        contact_due: one.contact_due,
        finish_due: one.finish_due,
        reply: one.reply,
    }
}

/// Reviews a service of a case; each service once, and once more after a bad review was answered.
#[utoipa::path(post, path = "/api/service/cases/{id}/reviews", tag = "service",
    params(("id" = String, Path)),
    request_body(content = Review, example = json!({"satisfaction": 5, "details": [513], "text": "很快", "service": 2})),
    responses((status = 200, body = ReviewView), (status = 422, description = "Level and details do not fit")))]
async fn rate(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(review): Json<Review>,
) -> Result<Json<ReviewView>, WebError> {
    let desk = Desk::of(&app)?;
    let case = id.parse().map_err(|_| Error::NotFound { what: "case" })?;
    Ok(Json(view(act::rate(&desk, &actor, case, review).await?)))
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
pub(crate) struct ListQuery {
    /// Only those that wait for somebody.
    open: bool,
    after: String,
    limit: Option<u64>,
}

/// A page of reviews.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Reviews {
    items: Vec<ReviewView>,
    next: Option<String>,
}

/// Reviews of the officer's bodies.
#[utoipa::path(get, path = "/api/service/evaluations", tag = "service", params(ListQuery),
    responses((status = 200, body = Reviews)))]
async fn list(
    AppState(app): AppState<App>,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Result<Json<Reviews>, WebError> {
    let desk = Desk::of(&app)?;
    let search = Search {
        repairs: if query.open {
            vec![Repair::Open, Repair::Contacted, Repair::Appealed]
        } else {
            Vec::new()
        },
        after: query.after,
        limit: query.limit.unwrap_or(20).clamp(1, 100),
        ..Search::default()
    };
    let (all, has_more) = act::list(&desk, &actor, search).await?;
    let next = all
        .last()
        .filter(|_| has_more)
        .map(|one| one.id.to_string());
    Ok(Json(Reviews {
        items: all.into_iter().map(view).collect(),
        next,
    }))
}

/// Answers a bad review: `contact`, `finish`, `appeal`; supervisors `judge`.
#[utoipa::path(post, path = "/api/service/evaluations/{id}/answers", tag = "service",
    params(("id" = String, Path)),
    request_body(content = Answer, example = json!({"step": "finish", "reply": "已整改并致歉"})),
    responses((status = 200, body = ReviewView)))]
async fn answer(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(answer): Json<Answer>,
) -> Result<Json<ReviewView>, WebError> {
    let desk = Desk::of(&app)?;
    let id = id.parse().map_err(|_| Error::NotFound { what: "review" })?;
    Ok(Json(view(act::answer(&desk, &actor, id, answer).await?)))
}

/// Published figures by body.
#[utoipa::path(get, path = "/api/service/figures", tag = "service",
    responses((status = 200, body = Vec<Figures>)))]
async fn figures(AppState(app): AppState<App>) -> Result<Json<Vec<Figures>>, WebError> {
    Ok(Json(rows::list_figures(app.db().read()).await?))
}
