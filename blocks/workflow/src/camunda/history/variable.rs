//! The last values of an instance's variables, also after its end.

use axum::{Json, extract::State};
use identity::Actor;
use kernel::Result;
use sea_orm::Order;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{found, named};
use crate::{
    camunda::{
        Answer,
        search::{self, Asked, Count, Off, Paging, Sorting, is_like, words},
        value::typed_one,
    },
    rest::{Body, Desk, act},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, query))
        .routes(routes!(count, count_query))
}

/// Which variables of an instance are wanted; each parameter narrows further.
#[derive(Debug, Default, Deserialize, ToSchema, IntoParams)]
#[schema(as = CamundaPastVariableQuery, example = json!({"processInstanceId": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "variableName": "amount"}))]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct VariableQuery {
    /// Which instance; must be given.
    process_instance_id: Option<String>,
    variable_name: Option<String>,
    #[serde(deserialize_with = "words")]
    variable_name_in: Option<Vec<String>>,
    /// `%` stands for any text, `_` for any character.
    variable_name_like: Option<String>,
    /// Nothing is ever deleted.
    #[param(value_type = bool)]
    #[schema(value_type = bool)]
    #[serde(rename = "includeDeleted")]
    _include_deleted: Off,
    /// Values come as they are, so this changes nothing.
    #[serde(rename = "deserializeValues")]
    _deserialize_values: bool,
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

impl VariableQuery {
    fn wants(&self, name: &str) -> bool {
        let one = self.variable_name.as_deref();
        let several = self.variable_name_in.as_ref();
        let like = self.variable_name_like.as_deref();
        one.is_none_or(|one| one == name)
            && several.is_none_or(|names| names.iter().any(|one| one == name))
            && like.is_none_or(|like| is_like(name, like))
    }
}

/// Which part of the list is wanted, where the rest stands in a body.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Address {
    first_result: Option<u32>,
    max_results: Option<u32>,
    /// Values come as they are, so this changes nothing.
    #[serde(rename = "deserializeValues")]
    _deserialize_values: bool,
}

/// By what variables are ordered.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Name,
    /// The same for all variables of an instance.
    Instance,
}

const ORDERS: &[(&str, By)] = &[("variableName", By::Name), ("instanceId", By::Instance)];

/// The wanted variables by their names.
async fn wanted(desk: &Desk, actor: &Actor, query: &VariableQuery) -> Result<Vec<Value>> {
    desk.check(actor, act::READ)?;
    let Some(id) = named(query.process_instance_id.as_ref())? else {
        return Ok(Vec::new());
    };
    let vars = found(act::variables(desk, actor, id).await)?;
    let names = vars.keys().filter(|name| query.wants(name));
    let mut names: Vec<_> = names.cloned().collect();
    names.sort();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let row = crate::store::get_instance(desk.db.read(), id).await?;
    let bodies = names.iter().map(|name| {
        let typed = vars.get(name).map(typed_one).unwrap_or_default();
        json!({
            "id": format!("{id}:{name}"),
            "name": name,
            "type": typed.get("type"),
            "value": typed.get("value"),
            "valueInfo": typed.get("valueInfo"),
            "processInstanceId": id,
            "rootProcessInstanceId": id,
            "executionId": id,
            "activityInstanceId": id,
            "processDefinitionId": row.definition,
            "processDefinitionKey": row.definition.split(':').next(),
            "taskId": null,
            "errorMessage": null,
            // When each got its value nobody wrote down.
            "createTime": null,
            "state": "CREATED",
            "tenantId": null,
        })
    });
    Ok(bodies.collect())
}

async fn find(
    app: &App,
    actor: &Actor,
    query: &VariableQuery,
    address: Paging,
) -> Result<Vec<Value>> {
    let desk = Desk::of(app)?;
    let sorting = Sorting {
        sort_by: query.sort_by.clone(),
        sort_order: query.sort_order.clone(),
    };
    let mut bodies = wanted(&desk, actor, query).await?;
    let order = search::order(&sorting, &query.sorting, ORDERS)?;
    let by_name = order.iter().find(|(by, _)| *by == By::Name);
    if matches!(by_name, Some((_, Order::Desc))) {
        bodies.reverse();
    }
    let page = address.or(Paging {
        first_result: query.first_result,
        max_results: query.max_results,
    });
    Ok(page.of(bodies.into_iter()).collect())
}

/// Variables of an instance that no application owns, by name unless `sortBy` says otherwise.
#[utoipa::path(get, path = "/history/variable-instance", tag = "camunda", params(VariableQuery),
    responses((status = 400, description = "no instance, one that an application owns, or a parameter that is not known; the message names it"), (status = 200, body = Vec<Object>, example = json!([{"name": "amount", "type": "Integer", "value": 1200, "valueInfo": {}}]))))]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Asked(query): Asked<VariableQuery>,
) -> Answer<Json<Vec<Value>>> {
    Ok(Json(find(&app, &actor, &query, Paging::default()).await?))
}

/// The same, asked for by a body.
#[utoipa::path(post, path = "/history/variable-instance", tag = "camunda", params(Address), request_body = VariableQuery,
    responses((status = 400, description = "no instance, one that an application owns, or a field that is not known; the message names it"), (status = 200, body = Vec<Object>, example = json!([{"name": "amount", "type": "Integer", "value": 1200, "valueInfo": {}}]))))]
async fn query(
    State(app): State<App>,
    actor: Actor,
    Asked(address): Asked<Address>,
    Body(query): Body<VariableQuery>,
) -> Answer<Json<Vec<Value>>> {
    let page = Paging {
        first_result: address.first_result,
        max_results: address.max_results,
    };
    Ok(Json(find(&app, &actor, &query, page).await?))
}

/// Variables stand in the state of their instance, so they are counted there.
async fn number(app: &App, actor: &Actor, query: &VariableQuery) -> Result<Json<Count>> {
    let desk = Desk::of(app)?;
    let number = wanted(&desk, actor, query).await?.len() as u64;
    Ok(Json(number.into()))
}

/// How many variables an instance has; order and part of a list change nothing.
#[utoipa::path(get, path = "/history/variable-instance/count", tag = "camunda", params(VariableQuery),
    responses((status = 400, description = "no instance, one that an application owns, or a parameter that is not known; the message names it"), (status = 200, body = Count)))]
async fn count(
    State(app): State<App>,
    actor: Actor,
    Asked(query): Asked<VariableQuery>,
) -> Answer<Json<Count>> {
    Ok(number(&app, &actor, &query).await?)
}

/// The same, asked for by a body.
#[utoipa::path(post, path = "/history/variable-instance/count", tag = "camunda", request_body = VariableQuery,
    responses((status = 400, description = "no instance, one that an application owns, or a field that is not known; the message names it"), (status = 200, body = Count)))]
async fn count_query(
    State(app): State<App>,
    actor: Actor,
    Body(query): Body<VariableQuery>,
) -> Answer<Json<Count>> {
    Ok(number(&app, &actor, &query).await?)
}
