//! Messages, signals and conditions.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use identity::Actor;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{Answer, instance::instance_body, search::Off, value::plain};
use crate::rest::{
    Body, Desk, parse,
    send::{self, Address},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(message))
        .routes(routes!(signal))
        .routes(routes!(condition))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = CamundaMessage)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Message {
    #[serde(rename = "messageName")]
    #[schema(example = "payment received")]
    name: String,
    #[schema(example = "A-17")]
    business_key: Option<String>,
    process_instance_id: Option<String>,
    #[schema(value_type = Object, example = json!({"order": {"value": "A-17", "type": "String"}}))]
    correlation_keys: Option<Map<String, Value>>,
    #[schema(value_type = Object, example = json!({"paid": {"value": 1200, "type": "Integer"}}))]
    process_variables: Option<Map<String, Value>>,
    result_enabled: bool,
    /// Several places never get one message.
    #[schema(value_type = bool)]
    #[serde(rename = "all")]
    _all: Off,
    #[schema(value_type = bool)]
    #[serde(rename = "variablesInResultEnabled")]
    _variables_in_result_enabled: Off,
    /// There are no tenants, so this changes nothing.
    #[serde(rename = "withoutTenantId")]
    _without_tenant_id: bool,
}

/// Brings a message to the one place that waits for it, or begins the process that it begins.
#[utoipa::path(post, path = "/message", tag = "camunda", request_body = Message,
    responses((status = 200, description = "reached", body = Vec<Object>, example = json!([{"resultType": "Execution", "execution": {"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11"}}])),
        (status = 204, description = "reached"), (status = 400, description = "nothing waits for it, or several do")))]
async fn message(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<Message>,
) -> Answer<Response> {
    let desk = Desk::of(&app)?;
    let instance = body.process_instance_id.as_deref();
    let address = Address {
        instance: instance
            .map(|id| parse(id, "process instance"))
            .transpose()?,
        business_key: body.business_key,
        key: None,
        having: plain(body.correlation_keys.as_ref())?,
    };
    let vars = plain(body.process_variables.as_ref())?;
    let reached = send::correlate(&desk, &actor, &body.name, &address, vars).await?;
    if !body.result_enabled {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let row = crate::store::get_instance(desk.db.read(), reached.instance).await?;
    let result = if reached.is_start {
        let started = instance_body(&row.id, &row.definition, &row.subject, &row.status);
        json!([{"resultType": "ProcessDefinition", "processInstance": started}])
    } else {
        json!([{"resultType": "Execution", "execution": {
            "id": row.id,
            "processInstanceId": row.id,
            "ended": row.status != "running",
        }}])
    };
    Ok(Json(result).into_response())
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = CamundaSignal)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Signal {
    #[schema(example = "prices changed")]
    name: String,
    #[schema(value_type = Object, example = json!({"price": {"value": 3, "type": "Integer"}}))]
    variables: Option<Map<String, Value>>,
    /// There are no tenants, so this changes nothing.
    #[serde(rename = "withoutTenantId")]
    _without_tenant_id: bool,
}

/// A signal reaches everything that waits for it, which may be nothing, and begins the processes
/// that it begins.
#[utoipa::path(post, path = "/signal", tag = "camunda", request_body = Signal,
    responses((status = 204, description = "sent"), (status = 400, description = "it has no name, or is meant for one execution")))]
async fn signal(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<Signal>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    let vars = plain(body.variables.as_ref())?;
    send::signal(&desk, &actor, &body.name, vars).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = CamundaCondition)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Condition {
    #[schema(value_type = Object, example = json!({"level": {"value": 4, "type": "Integer"}}))]
    variables: Option<Map<String, Value>>,
    #[schema(example = "A-17")]
    business_key: Option<String>,
    /// The one version that is asked; the newest of each when not given.
    process_definition_id: Option<String>,
    /// There are no tenants, so this changes nothing.
    #[serde(rename = "withoutTenantId")]
    _without_tenant_id: bool,
}

/// Begins the processes whose start event has a condition that holds with these variables.
#[utoipa::path(post, path = "/condition", tag = "camunda", request_body = Condition,
    responses((status = 200, description = "what has begun, which may be nothing", body = Vec<Object>, example = json!([{"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "definitionId": "flood:1:0d8c2b7f", "definitionKey": "flood", "businessKey": "A-17", "ended": false}])),
        (status = 400, description = "the version named has no such start event")))]
async fn condition(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<Condition>,
) -> Answer<Json<Value>> {
    let desk = Desk::of(&app)?;
    let vars = plain(body.variables.as_ref())?;
    let version = body.process_definition_id.as_deref();
    let key = body.business_key.as_deref();
    let mut begun = Vec::new();
    for id in send::condition(&desk, &actor, version, key, vars).await? {
        let row = crate::store::get_instance(desk.db.read(), id).await?;
        begun.push(instance_body(
            &row.id,
            &row.definition,
            &row.subject,
            &row.status,
        ));
    }
    Ok(Json(Value::Array(begun)))
}
