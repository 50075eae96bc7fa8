//! Cards for programs.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use identity::{Actor, Gate};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use web::{App, WebError};

use super::{Card, State as CardState, Verdict, act, page::scope, store};
use crate::judge::Level;

#[derive(Debug, Deserialize, IntoParams)]
pub struct CardsQuery {
    /// `notice`, `open`, `replied`, `upheld` or `withdrawn`.
    #[param(example = "open")]
    state: Option<String>,
    /// `notice`, `yellow` or `red`.
    #[param(example = "red")]
    level: Option<String>,
    /// Identifier of a case.
    case: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    #[param(example = 50)]
    limit: Option<u64>,
}

/// A page of cards.
#[derive(Serialize, ToSchema)]
pub struct Cards {
    items: Vec<Card>,
    /// Give it as `after` for the next page; empty on the last.
    next: Option<String>,
}

/// Cards that the caller may see, newest first.
#[utoipa::path(get, path = "/api/supervise/cards", tag = "supervise", params(CardsQuery),
    responses((status = 200, description = "A page of cards", body = Cards)))]
pub async fn list(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<CardsQuery>,
) -> Result<Json<Cards>, WebError> {
    let gate = app.part::<Gate>()?;
    let limit = query.limit.unwrap_or(50).clamp(1, 200);
    let filter = store::Filter {
        state: query.state.as_deref().and_then(CardState::named),
        level: query.level.as_deref().and_then(Level::named),
        case_id: query.case,
        ..scope(&gate, &actor)?
    };
    let items = store::list(app.db().read(), &filter, query.after.as_deref(), limit).await?;
    let is_full = u64::try_from(items.len()) == Ok(limit);
    let next = items.last().filter(|_| is_full).map(|c| c.id.to_string());
    Ok(Json(Cards { items, next }))
}

/// One card with its evidence.
#[utoipa::path(get, path = "/api/supervise/cards/{id}", tag = "supervise",
    params(("id" = String, Path, description = "Identifier of the card")),
    responses((status = 200, description = "The card", body = Card), (status = 404, description = "No such card")))]
pub async fn show(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<Card>, WebError> {
    let gate = app.part::<Gate>()?;
    Ok(Json(act::get(app.db(), &gate, &actor, &id).await?))
}

#[derive(Deserialize, ToSchema)]
pub struct Reply {
    /// Why it happened and what was done about it.
    #[schema(example = "材料已补齐，已向申请人说明并提前办理后续环节。")]
    text: String,
}

/// Answers an open card for the handling organisation.
#[utoipa::path(post, path = "/api/supervise/cards/{id}/reply", tag = "supervise", request_body = Reply,
    params(("id" = String, Path, description = "Identifier of the card")),
    responses((status = 204, description = "Replied"), (status = 409, description = "The card is not open")))]
pub async fn reply(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(reply): Json<Reply>,
) -> Result<StatusCode, WebError> {
    let gate = app.part::<Gate>()?;
    act::reply(app.db(), &gate, &actor, &id, &reply.text).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
pub struct Verification {
    verdict: Verdict,
    /// Why.
    #[schema(example = "情况属实，予以认定。")]
    text: String,
}

/// Decides whether the breach stands.
#[utoipa::path(post, path = "/api/supervise/cards/{id}/verify", tag = "supervise", request_body = Verification,
    params(("id" = String, Path, description = "Identifier of the card")),
    responses((status = 204, description = "Decided"), (status = 409, description = "Not replied to yet")))]
pub async fn verify(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(verification): Json<Verification>,
) -> Result<StatusCode, WebError> {
    let gate = app.part::<Gate>()?;
    act::verify(
        app.db(),
        &gate,
        &actor,
        &id,
        verification.verdict,
        &verification.text,
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
