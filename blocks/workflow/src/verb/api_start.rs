//! JSON doors of what officers may start.

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use identity::Actor;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{
    api_task::write,
    start::{self, ACTION, Startable},
};
use crate::{
    Engine, InstanceId, Officer,
    api::{Answer, gate},
    rest::Body,
    store as tables,
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(begin))
        .routes(routes!(xml))
}

/// Processes that the caller may start (`tongban:starters`), by name.
#[utoipa::path(get, path = "/api/workflow/startable", tag = "workflow",
    responses((status = 200, body = Vec<Startable>)))]
async fn list(State(app): State<App>, actor: Actor) -> Answer<Json<Vec<Startable>>> {
    gate(&app, &actor, ACTION)?;
    let engine = app.part::<Engine>()?;
    let all = start::startables(app.db(), &engine, &Officer::from(&actor)).await?;
    Ok(Json(all))
}

#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = ProcessBeginning)]
struct Asked {
    /// What lists call it; its business key.
    #[schema(example = "采购打印机")]
    title: String,
    /// What the start asks for (`fields`), nothing else.
    #[schema(value_type = Object, example = json!({"what": "打印机", "amount": 1200}))]
    vars: Map<String, Value>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProcessBegun)]
struct Begun {
    #[schema(value_type = String, example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    instance: InstanceId,
}

/// Starts the newest version of a process that the caller may start.
#[utoipa::path(post, path = "/api/workflow/startable/{key}", tag = "workflow", request_body = Asked,
    params(("key" = String, Path, description = "key of the process")),
    responses((status = 201, body = Begun), (status = 403, description = "no starter of it"),
        (status = 404, description = "no such process"), (status = 422, description = "what is wrong with the fields")))]
async fn begin(
    State(app): State<App>,
    actor: Actor,
    Path(key): Path<String>,
    Body(asked): Body<Asked>,
) -> Answer<(StatusCode, Json<Begun>)> {
    let instance = write(&app, &actor, ACTION, move |tx, engine, officer| {
        let (key, asked) = (key.clone(), asked.clone());
        async move {
            start::start_by_officer(&tx, &engine, &officer, &key, &asked.title, asked.vars).await
        }
    })
    .await?;
    Ok((StatusCode::CREATED, Json(Begun { instance })))
}

/// The BPMN file of a process that the caller may start.
#[utoipa::path(get, path = "/api/workflow/startable/{key}/xml", tag = "workflow",
    params(("key" = String, Path, description = "key of the process")),
    responses((status = 200, description = "BPMN 2.0 XML", content_type = "application/xml"),
        (status = 403, description = "no starter of it")))]
async fn xml(State(app): State<App>, actor: Actor, Path(key): Path<String>) -> Answer<Response> {
    gate(&app, &actor, ACTION)?;
    let engine = app.part::<Engine>()?;
    let db = app.db().read();
    let found = start::startable(db, &engine, &Officer::from(&actor), &key).await?;
    let xml = tables::get_definition(db, &found.definition).await?.xml;
    let kind = [(header::CONTENT_TYPE, "application/xml; charset=utf-8")];
    Ok((kind, xml).into_response())
}
