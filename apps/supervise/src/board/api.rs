//! The board for programs.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use identity::{Actor, Gate};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use web::{App, WebError};

use super::{Filter, Line};
use crate::{light::Light, picture::Picture};

/// Every organisation in the supervisor's regions, worst first.
#[utoipa::path(get, path = "/api/supervise/board", tag = "supervise",
    responses((status = 200, description = "Lights, cards and points by organisation", body = Vec<Line>)))]
pub async fn board(State(app): State<App>, actor: Actor) -> Result<Json<Vec<Line>>, WebError> {
    let gate = app.part::<Gate>()?;
    Ok(Json(super::lines(app.db(), &gate, &actor).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
pub struct CasesQuery {
    /// Credit code of an organisation.
    #[param(example = "11110000000000019K")]
    org: Option<String>,
    /// `green`, `yellow` or `red`.
    #[param(example = "red")]
    light: Option<String>,
    paused: Option<bool>,
    /// `next` of the page before.
    after: Option<String>,
    #[param(example = 50)]
    limit: Option<u64>,
}

/// A page of cases.
#[derive(Serialize, ToSchema)]
#[schema(as = SupervisedCases)]
pub struct Cases {
    items: Vec<Picture>,
    /// Give it as `after` for the next page; empty on the last.
    next: Option<String>,
}

/// The running cases behind a number of the board, soonest due first.
#[utoipa::path(get, path = "/api/supervise/cases", tag = "supervise", params(CasesQuery),
    responses((status = 200, description = "A page of cases", body = Cases)))]
pub async fn cases(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<CasesQuery>,
) -> Result<Json<Cases>, WebError> {
    let gate = app.part::<Gate>()?;
    let limit = query.limit.unwrap_or(50).clamp(1, 200);
    let filter = Filter {
        org: query.org,
        light: query
            .light
            .as_deref()
            .map(Light::named)
            .filter(|l| *l != Light::Off),
        is_paused: query.paused,
    };
    let items = super::cases(
        app.db(),
        &gate,
        &actor,
        &filter,
        query.after.as_deref(),
        limit,
    )
    .await?;
    let next = super::page::next_key(&items, limit);
    Ok(Json(Cases { items, next }))
}

/// One case as supervision sees it.
#[utoipa::path(get, path = "/api/supervise/cases/{id}", tag = "supervise",
    params(("id" = String, Path, description = "Identifier of the case")),
    responses((status = 200, description = "The case", body = Picture), (status = 404, description = "No such case")))]
pub async fn case(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<Picture>, WebError> {
    let gate = app.part::<Gate>()?;
    Ok(Json(super::case(app.db(), &gate, &actor, &id).await?))
}
