//! The JSON doors of the cascade.

use axum::{Json, extract::State};
use identity::Actor;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{App, WebError};

use crate::{
    inferior::{self, Inferior},
    join::{self, Joining, Superior},
};

type Answer<T> = Result<Json<T>, WebError>;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(show, join))
        .routes(routes!(leave))
        .routes(routes!(inferiors))
}

#[derive(Serialize, ToSchema)]
struct CascadeStanding {
    /// None where this hub never had a superior.
    superior: Option<Superior>,
}

/// How this hub stands to its superior.
#[utoipa::path(get, path = "/api/cascade/superior", tag = "exchange",
    responses((status = 200, body = CascadeStanding), (status = 403)))]
async fn show(State(app): State<App>, actor: Actor) -> Answer<CascadeStanding> {
    let superior = join::standing(&app, &actor).await?;
    Ok(Json(CascadeStanding { superior }))
}

/// Joins a superior hub with the code of its invitation.
#[utoipa::path(post, path = "/api/cascade/superior", tag = "exchange", request_body = Joining,
    responses((status = 200, body = Superior), (status = 403), (status = 409), (status = 422)))]
async fn join(State(app): State<App>, actor: Actor, Json(body): Json<Joining>) -> Answer<Superior> {
    Ok(Json(join::join(&app, &actor, &body).await?))
}

/// Leaves the superior: nothing goes up or comes down from now on, and its certificate is revoked
/// there as soon as the superior hears of it.
#[utoipa::path(post, path = "/api/cascade/superior/leave", tag = "exchange",
    responses((status = 200), (status = 403), (status = 409)))]
async fn leave(State(app): State<App>, actor: Actor) -> Answer<()> {
    Ok(Json(join::leave(&app, &actor).await?))
}

/// Hubs that came as inferior ones, and how they stand. One is struck off by revoking its node.
#[utoipa::path(get, path = "/api/cascade/inferiors", tag = "exchange",
    responses((status = 200, body = Vec<Inferior>), (status = 403)))]
async fn inferiors(State(app): State<App>, actor: Actor) -> Answer<Vec<Inferior>> {
    Ok(Json(inferior::list(&app, &actor).await?))
}
