//! Variables of instances and of tasks, together and one by one. What changes them intervenes in
//! the process, which leaves an event and a deed with this reason.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use identity::Actor;
use kernel::{Error, Result, Text};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{
    Answer,
    search::{Asked, words},
    task::open_task,
    value::{Typed, plain, typed, typed_one},
};
use crate::{
    Intervention,
    rest::{Body, Desk, act, parse, store::seen_by},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(of_instance, change_of_instance))
        .routes(routes!(
            one_of_instance,
            set_of_instance,
            remove_of_instance
        ))
        .routes(routes!(of_task, change_of_task))
        .routes(routes!(one_of_task, set_of_task, remove_of_task))
        .routes(routes!(form_variables))
}

/// The interface has no place for a reason of the caller's own.
const REASON: &str = "set by a program";

/// Values come as they are, so these change nothing.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Reading {
    #[serde(rename = "deserializeValues")]
    _deserialize_values: bool,
    #[serde(rename = "deserializeValue")]
    _deserialize_value: bool,
}

/// What is changed in one go: all of it or nothing.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = CamundaVariables, example = json!({"modifications": {"amount": {"value": 900, "type": "Integer"}}}))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Change {
    #[schema(value_type = Object)]
    modifications: Option<Map<String, Value>>,
    /// Nothing is removed here; with a name in it nothing is changed either.
    deletions: Vec<String>,
}

impl Change {
    fn vars(&self) -> Result<Map<String, Value>> {
        match self.deletions.as_slice() {
            [] => plain(self.modifications.as_ref()),
            names => Err(removal(&names.join(", "))),
        }
    }
}

/// The core sets variables and has no input that takes one away.
fn removal(names: &str) -> Error {
    Error::Refused(Text::new("workflow-variable-removal").with("names", names))
}

fn one(vars: &Map<String, Value>, name: &str) -> Result<Json<Value>> {
    let value = vars.get(name).ok_or(Error::NotFound { what: "variable" })?;
    Ok(Json(typed_one(value)))
}

// Of instances

/// Variables of an instance, with their types.
#[utoipa::path(get, path = "/process-instance/{id}/variables", tag = "camunda",
    params(("id" = String, Path, description = "process instance"), Reading),
    responses((status = 200, body = Object, example = json!({"amount": {"value": 1200, "type": "Integer", "valueInfo": {}}}))))]
async fn of_instance(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Asked(_reading): Asked<Reading>,
) -> Answer<Json<Map<String, Value>>> {
    let desk = Desk::of(&app)?;
    let id = parse(&id, "process instance")?;
    Ok(Json(typed(&act::variables(&desk, &actor, id).await?)))
}

/// One variable of an instance.
#[utoipa::path(get, path = "/process-instance/{id}/variables/{name}", tag = "camunda",
    params(("id" = String, Path, description = "process instance"), ("name" = String, Path, description = "variable"), Reading),
    responses((status = 200, body = Object, example = json!({"value": 1200, "type": "Integer", "valueInfo": {}})), (status = 404, description = "no such instance or variable")))]
async fn one_of_instance(
    State(app): State<App>,
    actor: Actor,
    Path((id, name)): Path<(String, String)>,
    Asked(_reading): Asked<Reading>,
) -> Answer<Json<Value>> {
    let desk = Desk::of(&app)?;
    let id = parse(&id, "process instance")?;
    Ok(one(&act::variables(&desk, &actor, id).await?, &name)?)
}

async fn set(desk: &Desk, actor: &Actor, id: &str, vars: Map<String, Value>) -> Result<StatusCode> {
    let id = parse(id, "process instance")?;
    act::change(desk, actor, id, Intervention::Set(vars), REASON).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes several variables of an instance; those not named stay.
#[utoipa::path(post, path = "/process-instance/{id}/variables", tag = "camunda", request_body = Change,
    params(("id" = String, Path, description = "process instance")),
    responses((status = 204, description = "changed"), (status = 400, description = "a value that is not of its type, a removal, or the instance has ended")))]
async fn change_of_instance(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<Change>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::INTERVENE)?;
    Ok(set(&desk, &actor, &id, body.vars()?).await?)
}

/// Sets one variable of an instance.
#[utoipa::path(put, path = "/process-instance/{id}/variables/{name}", tag = "camunda", request_body = Typed,
    params(("id" = String, Path, description = "process instance"), ("name" = String, Path, description = "variable")),
    responses((status = 204, description = "set"), (status = 400, description = "the value is not of its type, or the instance has ended")))]
async fn set_of_instance(
    State(app): State<App>,
    actor: Actor,
    Path((id, name)): Path<(String, String)>,
    Body(body): Body<Typed>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::INTERVENE)?;
    Ok(set(&desk, &actor, &id, body.named(&name)?).await?)
}

/// Removes nothing: says so, and what to do.
#[utoipa::path(delete, path = "/process-instance/{id}/variables/{name}", tag = "camunda",
    params(("id" = String, Path, description = "process instance"), ("name" = String, Path, description = "variable")),
    responses((status = 400, description = "variables are not removed; set it to null"), (status = 404, description = "no such instance")))]
async fn remove_of_instance(
    State(app): State<App>,
    actor: Actor,
    Path((id, name)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::INTERVENE)?;
    let id = parse(&id, "process instance")?;
    crate::store::get_instance(desk.db.read(), id).await?;
    Err(removal(&name).into())
}

// Of tasks

async fn seen(desk: &Desk, actor: &Actor, id: &str) -> Result<Map<String, Value>> {
    let task = open_task(desk, actor, id).await?;
    seen_by(&desk.db, &task).await
}

/// Variables that a task sees, with their types.
#[utoipa::path(get, path = "/task/{id}/variables", tag = "camunda",
    params(("id" = String, Path, description = "task"), Reading),
    responses((status = 200, body = Object, example = json!({"amount": {"value": 1200, "type": "Integer", "valueInfo": {}}}))))]
async fn of_task(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Asked(_reading): Asked<Reading>,
) -> Answer<Json<Map<String, Value>>> {
    let desk = Desk::of(&app)?;
    Ok(Json(typed(&seen(&desk, &actor, &id).await?)))
}

/// One variable that a task sees.
#[utoipa::path(get, path = "/task/{id}/variables/{name}", tag = "camunda",
    params(("id" = String, Path, description = "task"), ("name" = String, Path, description = "variable"), Reading),
    responses((status = 200, body = Object, example = json!({"value": 1200, "type": "Integer", "valueInfo": {}})), (status = 404, description = "no such open task or variable")))]
async fn one_of_task(
    State(app): State<App>,
    actor: Actor,
    Path((id, name)): Path<(String, String)>,
    Asked(_reading): Asked<Reading>,
) -> Answer<Json<Value>> {
    let desk = Desk::of(&app)?;
    Ok(one(&seen(&desk, &actor, &id).await?, &name)?)
}

/// Changes several variables that a task sees, where they are the process's; those not named stay.
#[utoipa::path(post, path = "/task/{id}/variables", tag = "camunda", request_body = Change,
    params(("id" = String, Path, description = "task")),
    responses((status = 204, description = "changed"), (status = 400, description = "a value that is not of its type, a removal, or a variable of an inner part of the process")))]
async fn change_of_task(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<Change>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::INTERVENE)?;
    let vars = body.vars()?;
    act::set_for_task(&desk, &actor, parse(&id, "task")?, vars, REASON).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sets one variable that a task sees, where it is the process's.
#[utoipa::path(put, path = "/task/{id}/variables/{name}", tag = "camunda", request_body = Typed,
    params(("id" = String, Path, description = "task"), ("name" = String, Path, description = "variable")),
    responses((status = 204, description = "set"), (status = 400, description = "the value is not of its type, or the variable is one of an inner part of the process")))]
async fn set_of_task(
    State(app): State<App>,
    actor: Actor,
    Path((id, name)): Path<(String, String)>,
    Body(body): Body<Typed>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::INTERVENE)?;
    let vars = body.named(&name)?;
    act::set_for_task(&desk, &actor, parse(&id, "task")?, vars, REASON).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes nothing: says so, and what to do.
#[utoipa::path(delete, path = "/task/{id}/variables/{name}", tag = "camunda",
    params(("id" = String, Path, description = "task"), ("name" = String, Path, description = "variable")),
    responses((status = 400, description = "variables are not removed; set it to null"), (status = 404, description = "no such open task")))]
async fn remove_of_task(
    State(app): State<App>,
    actor: Actor,
    Path((id, name)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::INTERVENE)?;
    open_task(&desk, &actor, &id).await?;
    Err(removal(&name).into())
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct FormReading {
    /// Those wanted; all when left out.
    #[serde(deserialize_with = "words")]
    variable_names: Option<Vec<String>>,
    /// Values come as they are, so this changes nothing.
    #[serde(rename = "deserializeValues")]
    _deserialize_values: bool,
}

/// The same variables: forms here take their values from them.
#[utoipa::path(get, path = "/task/{id}/form-variables", tag = "camunda",
    params(("id" = String, Path, description = "task"), FormReading),
    responses((status = 200, body = Object, example = json!({"amount": {"value": 1200, "type": "Integer", "valueInfo": {}}}))))]
async fn form_variables(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Asked(asked): Asked<FormReading>,
) -> Answer<Json<Map<String, Value>>> {
    let desk = Desk::of(&app)?;
    let mut vars = seen(&desk, &actor, &id).await?;
    if let Some(names) = &asked.variable_names {
        vars.retain(|name, _| names.contains(name));
    }
    Ok(Json(typed(&vars)))
}
