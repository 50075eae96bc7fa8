//! JSON doors of migration, for operators.

use crate::rest::Body;
use axum::{Json, extract::State, http::StatusCode};
use identity::Actor;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{Report, Wanted, act};
use crate::{
    InstanceId,
    act::start_at,
    api::{Answer, gate},
    engine::Engine,
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(check_migration))
        .routes(routes!(migrate_instances))
        .routes(routes!(import_instance))
}

/// What the versions differ in and which running instances fit; nothing changes.
#[utoipa::path(post, path = "/api/workflow/migrations/check", tag = "workflow", request_body = Wanted,
    responses((status = 200, body = Report), (status = 404, description = "no such version")))]
async fn check_migration(
    State(app): State<App>,
    actor: Actor,
    Body(wanted): Body<Wanted>,
) -> Answer<Json<Report>> {
    gate(&app, &actor, "workflow.process.migrate")?;
    let engine = app.part::<Engine>()?;
    Ok(Json(act::check(app.db(), &engine, &wanted).await?))
}

/// Moves running instances, at most 200 in one request; go on with `next`. Those that do not fit
/// stay as they are, with the reasons.
#[utoipa::path(post, path = "/api/workflow/migrations", tag = "workflow", request_body = Wanted,
    responses((status = 200, body = Report), (status = 404, description = "no such version")))]
async fn migrate_instances(
    State(app): State<App>,
    actor: Actor,
    Body(wanted): Body<Wanted>,
) -> Answer<Json<Report>> {
    gate(&app, &actor, "workflow.process.migrate")?;
    let engine = app.part::<Engine>()?;
    let report = act::apply(app.db(), &engine, &wanted, &actor.trace()).await?;
    Ok(Json(report))
}

/// An instance that ran elsewhere until now.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InstanceImport)]
struct Import {
    /// `key:version:tail`.
    #[schema(example = "restaurant:2:0d8c2b7f4a11")]
    definition: String,
    #[schema(example = "case:01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    subject: String,
    /// Where it stands: ids of activities and waiting events, and of the flows by which something
    /// has arrived at a join.
    #[schema(example = json!(["review"]))]
    at: Vec<String>,
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"org": "11321000MB0000019N"}))]
    variables: Map<String, Value>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportedInstance)]
struct Imported {
    #[schema(value_type = String, example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    instance: InstanceId,
}

/// Goes on here with an instance that another engine began, at the activities where it stood.
#[utoipa::path(post, path = "/api/workflow/instances/import", tag = "workflow", request_body = Import,
    responses((status = 201, body = Imported), (status = 404, description = "no such version"),
        (status = 409, description = "the process does not have such a place to wait at")))]
async fn import_instance(
    State(app): State<App>,
    actor: Actor,
    Body(import): Body<Import>,
) -> Answer<(StatusCode, Json<Imported>)> {
    gate(&app, &actor, "workflow.process.migrate")?;
    let engine = app.part::<Engine>()?;
    let by = actor.trace();
    let instance = app
        .db()
        .write(move |tx| {
            let (engine, import, by) = (engine.clone(), import.clone(), by.clone());
            async move {
                let (definition, subject) = (&import.definition, &import.subject);
                start_at(
                    &tx,
                    &engine,
                    definition,
                    subject,
                    import.at,
                    import.variables,
                    &by,
                )
                .await
            }
        })
        .await?;
    Ok((StatusCode::CREATED, Json(Imported { instance })))
}
