//! Running instances.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use identity::Actor;
use kernel::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{
    Answer,
    search::{self, Asked, Count, Paging, Sorting, words},
    store::instance as store,
};
use crate::{
    InstanceId, Intervention,
    rest::{Body, Desk, act, business_key, parse},
    schema::instance,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, query))
        .routes(routes!(count, count_query))
        .routes(routes!(get, delete))
}

/// An instance as this interface shows it.
pub(super) fn instance_body(id: &str, definition: &str, subject: &str, status: &str) -> Value {
    json!({
        "id": id,
        "definitionId": definition,
        "definitionKey": definition.split(':').next(),
        "businessKey": business_key(subject),
        "caseInstanceId": null,
        "ended": status != "running",
        "suspended": false,
        "tenantId": null,
        "links": [],
    })
}

/// Which instances are wanted; each parameter narrows further.
#[derive(Debug, Default, Deserialize, ToSchema, IntoParams)]
#[schema(as = CamundaInstanceQuery, example = json!({"processDefinitionKey": "leave"}))]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the parameters of the interface"
)]
pub(super) struct InstanceQuery {
    #[serde(deserialize_with = "words")]
    pub process_instance_ids: Option<Vec<String>>,
    #[schema(example = "A-17")]
    pub business_key: Option<String>,
    /// `%` stands for any text, `_` for any character.
    pub business_key_like: Option<String>,
    pub process_definition_id: Option<String>,
    #[schema(example = "order")]
    pub process_definition_key: Option<String>,
    #[serde(deserialize_with = "words")]
    pub process_definition_key_in: Option<Vec<String>>,
    #[serde(deserialize_with = "words")]
    pub process_definition_key_not_in: Option<Vec<String>>,
    /// Those that stand at one of these activities now.
    #[serde(deserialize_with = "words")]
    pub activity_id_in: Option<Vec<String>>,
    /// Only those that stopped somewhere.
    pub with_incident: bool,
    /// None is ever suspended as a whole.
    pub suspended: bool,
    #[serde(rename = "active")]
    _active: bool,
    /// Called processes run within their instance, so each is root and leaf.
    #[serde(rename = "rootProcessInstances")]
    _root: bool,
    #[serde(rename = "leafProcessInstances")]
    _leaf: bool,
    /// There are no tenants, so this changes nothing.
    #[serde(rename = "withoutTenantId")]
    _without_tenant_id: bool,
    sort_by: Option<String>,
    sort_order: Option<String>,
    #[param(ignore)]
    sorting: Vec<Sorting>,
    first_result: Option<u32>,
    max_results: Option<u32>,
}

/// By what running instances are ordered.
const ORDERS: &[(&str, instance::Column)] = &[
    ("instanceId", instance::Column::Id),
    ("businessKey", instance::Column::Subject),
    ("definitionId", instance::Column::Definition),
    ("definitionKey", instance::Column::Definition),
];

async fn find(
    app: &App,
    actor: &Actor,
    query: &InstanceQuery,
    address: Paging,
) -> Result<Vec<Value>> {
    let desk = Desk::of(app)?;
    desk.check(actor, act::READ)?;
    let sorting = Sorting {
        sort_by: query.sort_by.clone(),
        sort_order: query.sort_order.clone(),
    };
    let order = search::order(&sorting, &query.sorting, ORDERS)?;
    let page = address.or(Paging {
        first_result: query.first_result,
        max_results: query.max_results,
    });
    let rows = store::list(&desk.db, query, &order, page).await?;
    let bodies = rows
        .iter()
        .map(|row| instance_body(&row.id, &row.definition, &row.subject, &row.status));
    Ok(bodies.collect())
}

/// Running instances, the newest first unless `sortBy` says otherwise; 500 at the most.
#[utoipa::path(get, path = "/process-instance", tag = "camunda", params(InstanceQuery),
    responses((status = 400, description = "a parameter that is not known; the message names it"), (status = 200, body = Vec<Object>, example = json!([{"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "businessKey": "A-17", "ended": false}]))))]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Asked(query): Asked<InstanceQuery>,
) -> Answer<Json<Vec<Value>>> {
    Ok(Json(find(&app, &actor, &query, Paging::default()).await?))
}

/// The same, asked for by a body.
#[utoipa::path(post, path = "/process-instance", tag = "camunda", params(Paging), request_body = InstanceQuery,
    responses((status = 400, description = "a parameter that is not known; the message names it"), (status = 200, body = Vec<Object>, example = json!([{"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "businessKey": "A-17", "ended": false}]))))]
async fn query(
    State(app): State<App>,
    actor: Actor,
    Asked(page): Asked<Paging>,
    Body(query): Body<InstanceQuery>,
) -> Answer<Json<Vec<Value>>> {
    Ok(Json(find(&app, &actor, &query, page).await?))
}

async fn number(app: &App, actor: &Actor, query: &InstanceQuery) -> Result<Json<Count>> {
    let desk = Desk::of(app)?;
    desk.check(actor, act::READ)?;
    let number = store::count(&desk.db, query).await?;
    Ok(Json(number.into()))
}

/// How many running instances there are; order and part of a list change nothing.
#[utoipa::path(get, path = "/process-instance/count", tag = "camunda", params(InstanceQuery),
    responses((status = 400, description = "a parameter that is not known; the message names it"), (status = 200, body = Count)))]
async fn count(
    State(app): State<App>,
    actor: Actor,
    Asked(query): Asked<InstanceQuery>,
) -> Answer<Json<Count>> {
    Ok(number(&app, &actor, &query).await?)
}

/// The same, asked for by a body.
#[utoipa::path(post, path = "/process-instance/count", tag = "camunda", request_body = InstanceQuery,
    responses((status = 400, description = "a field that is not known; the message names it"), (status = 200, body = Count)))]
async fn count_query(
    State(app): State<App>,
    actor: Actor,
    Body(query): Body<InstanceQuery>,
) -> Answer<Json<Count>> {
    Ok(number(&app, &actor, &query).await?)
}

/// One running instance.
#[utoipa::path(get, path = "/process-instance/{id}", tag = "camunda",
    params(("id" = String, Path, description = "process instance")),
    responses((status = 200, body = Object, example = json!({"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "ended": false})), (status = 404, description = "it has ended, or never was")))]
async fn get(State(app): State<App>, actor: Actor, Path(id): Path<String>) -> Answer<Json<Value>> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::READ)?;
    let id: InstanceId = parse(&id, "process instance")?;
    let row = crate::store::get_instance(desk.db.read(), id).await?;
    if row.status != "running" {
        return Err(Error::NotFound {
            what: "process instance",
        }
        .into());
    }
    let body = instance_body(&row.id, &row.definition, &row.subject, &row.status);
    Ok(Json(body))
}

/// Ends an instance.
#[utoipa::path(delete, path = "/process-instance/{id}", tag = "camunda",
    params(("id" = String, Path, description = "process instance")),
    responses((status = 204, description = "ended")))]
async fn delete(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    let id = parse(&id, "process instance")?;
    act::change(
        &desk,
        &actor,
        id,
        Intervention::Cancel,
        "deleted by a program",
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
