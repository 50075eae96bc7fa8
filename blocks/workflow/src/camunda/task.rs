//! User tasks. Those of cases and the like are listed, but are completed through their
//! application.

use std::collections::HashMap;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use identity::{Actor, UserId, directory};
use kernel::{Error, Result, Text};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{
    Answer,
    search::{self, Asked, Count, Paging, Sorting, moment, words},
    store::task::{self as store, Who},
    value::{plain, typed, written},
};
use crate::{
    Task, TaskId, act as engine_act,
    rest::{Body, Desk, act, parse},
    schema::task,
    store as tables, verb,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, query))
        .routes(routes!(count, count_query))
        .routes(routes!(get))
        .routes(routes!(claim))
        .routes(routes!(unclaim))
        .routes(routes!(complete))
}

/// Which tasks are wanted; each parameter narrows further.
#[derive(Debug, Default, Deserialize, ToSchema, IntoParams)]
#[schema(as = CamundaTaskQuery, example = json!({"processDefinitionKey": "leave"}))]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the parameters of the interface"
)]
pub(super) struct TaskQuery {
    pub task_id: Option<String>,
    #[serde(deserialize_with = "words")]
    pub task_id_in: Option<Vec<String>>,
    pub process_instance_id: Option<String>,
    #[serde(deserialize_with = "words")]
    pub process_instance_id_in: Option<Vec<String>>,
    pub process_instance_business_key: Option<String>,
    #[serde(deserialize_with = "words")]
    pub process_instance_business_key_in: Option<Vec<String>>,
    pub process_instance_business_key_like: Option<String>,
    pub process_definition_id: Option<String>,
    #[schema(example = "order")]
    pub process_definition_key: Option<String>,
    #[serde(deserialize_with = "words")]
    pub process_definition_key_in: Option<Vec<String>>,
    pub task_definition_key: Option<String>,
    #[serde(deserialize_with = "words")]
    pub task_definition_key_in: Option<Vec<String>>,
    pub task_definition_key_like: Option<String>,
    pub name: Option<String>,
    /// `%` stands for any text, `_` for any character.
    pub name_like: Option<String>,
    /// Login name or identifier of an officer.
    assignee: Option<String>,
    #[serde(deserialize_with = "words")]
    assignee_in: Option<Vec<String>>,
    pub assigned: bool,
    pub unassigned: bool,
    /// `post@organisation`.
    candidate_group: Option<String>,
    #[serde(deserialize_with = "words")]
    candidate_groups: Option<Vec<String>>,
    /// Login name or identifier of an officer who may take the task.
    candidate_user: Option<String>,
    /// Those with an assignee too, where candidates are asked for.
    pub include_assigned_tasks: bool,
    pub with_candidate_groups: bool,
    pub without_candidate_groups: bool,
    #[serde(deserialize_with = "moment")]
    pub due_date: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "moment")]
    pub due_before: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "moment")]
    pub due_after: Option<DateTime<Utc>>,
    pub without_due_date: bool,
    #[serde(deserialize_with = "moment")]
    pub created_on: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "moment")]
    pub created_before: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "moment")]
    pub created_after: Option<DateTime<Utc>>,
    /// Those whose clock stands still.
    pub suspended: bool,
    pub active: bool,
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

/// By what tasks are ordered.
const ORDERS: &[(&str, task::Column)] = &[
    ("id", task::Column::Id),
    ("created", task::Column::CreatedAt),
    ("dueDate", task::Column::DueAt),
    ("name", task::Column::Name),
    ("instanceId", task::Column::Instance),
];

async fn find(app: &App, actor: &Actor, query: &TaskQuery, address: Paging) -> Result<Vec<Value>> {
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
    let who = who(&desk, query).await?;
    let rows = store::list(&desk.db, query, &who, &order, page).await?;
    bodies(&desk, &rows).await
}

/// The officers whom a query names.
async fn who(desk: &Desk, query: &TaskQuery) -> Result<Who> {
    let mut who = Who::default();
    let named = query
        .assignee
        .iter()
        .chain(query.assignee_in.iter().flatten());
    let mut ids = Vec::new();
    for user in named {
        ids.push(user_id(desk, user).await?);
    }
    if query.assignee.is_some() && query.assignee_in.is_some() {
        let one = ids.remove(0);
        ids.retain(|id| *id == one);
    }
    if query.assignee.is_some() || query.assignee_in.is_some() {
        who.assignees = Some(ids);
    }
    who.groups.extend(
        query
            .candidate_group
            .iter()
            .map(|group| vec![group.clone()]),
    );
    who.groups.extend(query.candidate_groups.clone());
    if let Some(user) = &query.candidate_user {
        let id = user_id(desk, user).await?;
        let groups = verb::who::groups_of(desk.db.read(), &id).await?;
        who.groups.push(groups);
    }
    Ok(who)
}

/// Identifier of the officer with that login name or identifier.
pub(super) async fn user_id(desk: &Desk, user: &str) -> Result<String> {
    if let Ok(id) = user.parse::<UserId>() {
        return Ok(id.to_string());
    }
    let found = directory::user_by_name(desk.db.read(), user).await?;
    Ok(found.map_or_else(|| user.to_owned(), |found| found.id.to_string()))
}

/// Login name of an assignee; what is no user of ours stays as it is.
async fn login_of(desk: &Desk, assignee: &str) -> Result<String> {
    let Ok(id) = assignee.parse::<UserId>() else {
        return Ok(assignee.to_owned());
    };
    match directory::user(desk.db.read(), id).await {
        Ok(user) => Ok(user.login),
        Err(Error::NotFound { .. }) => Ok(assignee.to_owned()),
        Err(error) => Err(error),
    }
}

/// Login names of those who have or had these tasks, by their identifiers.
pub(super) async fn logins(desk: &Desk, rows: &[task::Model]) -> Result<HashMap<String, String>> {
    let mut logins = HashMap::new();
    for assignee in rows.iter().filter_map(|row| row.assignee.as_deref()) {
        if !logins.contains_key(assignee) {
            logins.insert(assignee.to_owned(), login_of(desk, assignee).await?);
        }
    }
    Ok(logins)
}

/// Tasks as this interface shows them.
async fn bodies(desk: &Desk, rows: &[task::Model]) -> Result<Vec<Value>> {
    let ids = rows.iter().map(|row| row.id.clone()).collect();
    let suspended = store::suspended(&desk.db, ids).await?;
    let logins = logins(desk, rows).await?;
    let bodies = rows.iter().map(|row| {
        let assignee = row.assignee.as_ref().and_then(|id| logins.get(id));
        let is_suspended = suspended.contains(&row.id);
        Ok(body_of(&Task::of(row)?, assignee, is_suspended))
    });
    bodies.collect()
}

/// As the model says it; 50 where it does not.
pub(super) fn priority(task: &Task) -> i64 {
    let priority = task.attributes.get("priority").and_then(Value::as_str);
    priority.and_then(|text| text.parse().ok()).unwrap_or(50)
}

fn body_of(task: &Task, assignee: Option<&String>, is_suspended: bool) -> Value {
    let facts = &task.facts;
    json!({
        "id": facts.task,
        "name": facts.name,
        "assignee": assignee,
        "owner": null,
        "created": written(task.created_at),
        "due": facts.due_at.map(written),
        "followUp": null,
        "delegationState": null,
        "description": null,
        "executionId": facts.instance,
        "processInstanceId": facts.instance,
        "processDefinitionId": facts.definition,
        "taskDefinitionKey": facts.element,
        "formKey": Some(&facts.form).filter(|form| !form.is_empty()),
        "priority": priority(task),
        "parentTaskId": null,
        "suspended": is_suspended,
        "tenantId": null,
    })
}

/// Open tasks, the oldest first unless `sortBy` says otherwise; 500 at the most.
#[utoipa::path(get, path = "/task", tag = "camunda", params(TaskQuery),
    responses((status = 400, description = "a parameter that is not known; the message names it"), (status = 200, body = Vec<Object>, example = json!([{"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "taskDefinitionKey": "review", "assignee": null}]))))]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Asked(query): Asked<TaskQuery>,
) -> Answer<Json<Vec<Value>>> {
    Ok(Json(find(&app, &actor, &query, Paging::default()).await?))
}

/// The same, asked for by a body.
#[utoipa::path(post, path = "/task", tag = "camunda", params(Paging), request_body = TaskQuery,
    responses((status = 400, description = "a parameter that is not known; the message names it"), (status = 200, body = Vec<Object>, example = json!([{"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "taskDefinitionKey": "review", "assignee": null}]))))]
async fn query(
    State(app): State<App>,
    actor: Actor,
    Asked(page): Asked<Paging>,
    Body(query): Body<TaskQuery>,
) -> Answer<Json<Vec<Value>>> {
    Ok(Json(find(&app, &actor, &query, page).await?))
}

async fn number(app: &App, actor: &Actor, query: &TaskQuery) -> Result<Json<Count>> {
    let desk = Desk::of(app)?;
    desk.check(actor, act::READ)?;
    let who = who(&desk, query).await?;
    let number = store::count(&desk.db, query, &who).await?;
    Ok(Json(number.into()))
}

/// How many open tasks there are; order and part of a list change nothing.
#[utoipa::path(get, path = "/task/count", tag = "camunda", params(TaskQuery),
    responses((status = 400, description = "a parameter that is not known; the message names it"), (status = 200, body = Count)))]
async fn count(
    State(app): State<App>,
    actor: Actor,
    Asked(query): Asked<TaskQuery>,
) -> Answer<Json<Count>> {
    Ok(number(&app, &actor, &query).await?)
}

/// The same, asked for by a body.
#[utoipa::path(post, path = "/task/count", tag = "camunda", request_body = TaskQuery,
    responses((status = 400, description = "a field that is not known; the message names it"), (status = 200, body = Count)))]
async fn count_query(
    State(app): State<App>,
    actor: Actor,
    Body(query): Body<TaskQuery>,
) -> Answer<Json<Count>> {
    Ok(number(&app, &actor, &query).await?)
}

/// The task, as long as it is to be done.
pub(super) async fn open_task(desk: &Desk, actor: &Actor, id: &str) -> Result<Task> {
    desk.check(actor, act::READ)?;
    let id: TaskId = parse(id, "task")?;
    let task = engine_act::task(&desk.db, id).await?;
    if matches!(task.state.as_str(), "open" | "claimed") {
        Ok(task)
    } else {
        Err(Error::NotFound { what: "task" })
    }
}

/// One open task.
#[utoipa::path(get, path = "/task/{id}", tag = "camunda",
    params(("id" = String, Path, description = "task")),
    responses((status = 200, body = Object, example = json!({"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "taskDefinitionKey": "review"}))))]
async fn get(State(app): State<App>, actor: Actor, Path(id): Path<String>) -> Answer<Json<Value>> {
    let desk = Desk::of(&app)?;
    let task = open_task(&desk, &actor, &id).await?;
    let row = tables::get_task(desk.db.read(), task.facts.task).await?;
    let found = bodies(&desk, &[row]).await?;
    Ok(Json(found.into_iter().next().unwrap_or_default()))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = CamundaClaim)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Claim {
    /// Login name or identifier; the caller when left out.
    #[schema(example = "food")]
    user_id: Option<String>,
}

/// Takes an open task: for oneself or, as an operator, for another.
#[utoipa::path(post, path = "/task/{id}/claim", tag = "camunda", request_body = Claim,
    params(("id" = String, Path, description = "task")),
    responses((status = 204, description = "taken"), (status = 400, description = "somebody has it")))]
async fn claim(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<Claim>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    let user = match &body.user_id {
        Some(user) => {
            let user = user_id(&desk, user).await?;
            if user.parse::<UserId>().is_err() {
                let text = Text::new("workflow-user-unknown").with("user", user);
                return Err(Error::invalid("userId", text).into());
            }
            Some(user)
        }
        None => None,
    };
    act::claim_task(&desk, &actor, parse(&id, "task")?, user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a task back to its candidates.
#[utoipa::path(post, path = "/task/{id}/unclaim", tag = "camunda",
    params(("id" = String, Path, description = "task")),
    responses((status = 204, description = "given back")))]
async fn unclaim(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    act::release_task(&desk, &actor, parse(&id, "task")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = CamundaTaskComplete)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Complete {
    #[schema(value_type = Object, example = json!({"outcome": {"value": "approve", "type": "String"}}))]
    variables: Option<Map<String, Value>>,
    with_variables_in_return: bool,
}

/// Completes a task.
#[utoipa::path(post, path = "/task/{id}/complete", tag = "camunda", request_body(content = Complete, example = json!({"variables": {"outcome": {"value": "approve", "type": "String"}}})),
    params(("id" = String, Path, description = "task")),
    responses((status = 204, description = "completed"), (status = 200, description = "completed; the variables", body = Object, example = json!({"amount": {"value": 1200, "type": "Integer", "valueInfo": {}}})),
        (status = 400, description = "done already, or owned by an application")))]
async fn complete(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<Complete>,
) -> Answer<Response> {
    let desk = Desk::of(&app)?;
    let id: TaskId = parse(&id, "task")?;
    let vars = plain(body.variables.as_ref())?;
    act::complete_task(&desk, &actor, id, None, vars).await?;
    if !body.with_variables_in_return {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let task = engine_act::task(&desk.db, id).await?;
    let row = tables::get_instance(desk.db.read(), task.facts.instance).await?;
    let state = desk.engine.state(desk.db.read(), &row).await?;
    let vars = state.variables();
    Ok(Json(typed(&vars)).into_response())
}
