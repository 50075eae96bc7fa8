//! User tasks. Those of cases and the like are listed, but are completed through their
//! application.

use crate::rest::Body;
use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use identity::{Actor, UserId, directory};
use kernel::{Error, Result, Text};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use store::page::PageRequest;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{
    Answer,
    value::{plain, typed, written},
};
use crate::{
    Task, TaskId, act as engine_act,
    rest::{Desk, act, parse, store as tables, subject_of},
    store::Filter,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, query))
        .routes(routes!(get))
        .routes(routes!(claim))
        .routes(routes!(unclaim))
        .routes(routes!(complete))
        .routes(routes!(variables))
        .routes(routes!(form_variables))
}

#[derive(Debug, Default, Deserialize, ToSchema, IntoParams)]
#[schema(as = CamundaTaskQuery)]
#[into_params(parameter_in = Query)]
#[serde(default, rename_all = "camelCase")]
struct TaskQuery {
    process_instance_id: Option<String>,
    process_instance_business_key: Option<String>,
    #[schema(example = "order")]
    process_definition_key: Option<String>,
    /// Login name or identifier of an officer.
    assignee: Option<String>,
    /// `post@organisation`.
    candidate_group: Option<String>,
    task_definition_key: Option<String>,
    unassigned: bool,
    max_results: Option<usize>,
}

/// Tasks looked at for one answer; the interface knows no keys for pages.
const MOST: u32 = 500;

async fn find(app: &App, actor: &Actor, query: &TaskQuery) -> Result<Vec<Value>> {
    let desk = Desk::of(app)?;
    desk.check(actor, act::READ)?;
    let instance = query.process_instance_id.as_deref();
    let subject = subject_of(query.process_instance_business_key.as_deref())?;
    let assignee = match &query.assignee {
        Some(user) => Some(user_id(&desk, user).await?),
        None => None,
    };
    let filter = Filter {
        instance: instance
            .map(|id| parse(id, "process instance"))
            .transpose()?,
        subject: Some(subject).filter(|subject| !subject.is_empty()),
        assignee,
        groups: query.candidate_group.iter().cloned().collect(),
        ..Filter::default()
    };
    let mut bodies = Vec::new();
    let mut page = PageRequest::new(None, Some(MOST));
    let most = query.max_results.unwrap_or(usize::MAX).min(MOST as usize);
    loop {
        let tasks = engine_act::tasks(&desk.db, &filter, &page).await?;
        for task in &tasks.items {
            let key = task.facts.definition.split(':').next();
            let is_wanted = query
                .process_definition_key
                .as_deref()
                .is_none_or(|wanted| key == Some(wanted))
                && query
                    .task_definition_key
                    .as_ref()
                    .is_none_or(|wanted| task.facts.element == *wanted)
                && (!query.unassigned || task.facts.assignee.is_none());
            if is_wanted && bodies.len() < most {
                bodies.push(body_of(&desk, task).await?);
            }
        }
        page.after = tasks.next;
        if page.after.is_none() || bodies.len() >= most {
            return Ok(bodies);
        }
    }
}

/// Identifier of the officer with that login name or identifier.
async fn user_id(desk: &Desk, user: &str) -> Result<String> {
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

async fn body_of(desk: &Desk, task: &Task) -> Result<Value> {
    let facts = &task.facts;
    let assignee = match &facts.assignee {
        Some(assignee) => Some(login_of(desk, assignee).await?),
        None => None,
    };
    let priority = task.attributes.get("priority").and_then(Value::as_str);
    Ok(json!({
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
        "priority": priority.and_then(|text| text.parse::<i64>().ok()).unwrap_or(50),
        "parentTaskId": null,
        "suspended": false,
        "tenantId": null,
    }))
}

/// Open tasks, the oldest first; 500 at the most.
#[utoipa::path(get, path = "/engine-rest/task", tag = "camunda", params(TaskQuery),
    responses((status = 200, body = Vec<Object>, example = json!([{"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "taskDefinitionKey": "review", "assignee": null}]))))]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<TaskQuery>,
) -> Answer<Json<Vec<Value>>> {
    Ok(Json(find(&app, &actor, &query).await?))
}

/// The same, asked for by a body.
#[utoipa::path(post, path = "/engine-rest/task", tag = "camunda", request_body = TaskQuery,
    responses((status = 200, body = Vec<Object>, example = json!([{"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "taskDefinitionKey": "review", "assignee": null}]))))]
async fn query(
    State(app): State<App>,
    actor: Actor,
    Body(query): Body<TaskQuery>,
) -> Answer<Json<Vec<Value>>> {
    Ok(Json(find(&app, &actor, &query).await?))
}

async fn open_task(desk: &Desk, actor: &Actor, id: &str) -> Result<Task> {
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
#[utoipa::path(get, path = "/engine-rest/task/{id}", tag = "camunda",
    params(("id" = String, Path, description = "task")),
    responses((status = 200, body = Object, example = json!({"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "taskDefinitionKey": "review"}))))]
async fn get(State(app): State<App>, actor: Actor, Path(id): Path<String>) -> Answer<Json<Value>> {
    let desk = Desk::of(&app)?;
    let task = open_task(&desk, &actor, &id).await?;
    Ok(Json(body_of(&desk, &task).await?))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = CamundaClaim)]
#[serde(default, rename_all = "camelCase")]
struct Claim {
    /// Login name or identifier; the caller when left out.
    #[schema(example = "food")]
    user_id: Option<String>,
}

/// Takes an open task: for oneself or, as an operator, for another.
#[utoipa::path(post, path = "/engine-rest/task/{id}/claim", tag = "camunda", request_body = Claim,
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
#[utoipa::path(post, path = "/engine-rest/task/{id}/unclaim", tag = "camunda",
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
#[serde(default, rename_all = "camelCase")]
struct Complete {
    #[schema(value_type = Object, example = json!({"outcome": {"value": "approve", "type": "String"}}))]
    variables: Option<Map<String, Value>>,
    with_variables_in_return: bool,
}

/// Completes a task.
#[utoipa::path(post, path = "/engine-rest/task/{id}/complete", tag = "camunda", request_body(content = Complete, example = json!({"variables": {"outcome": {"value": "approve", "type": "String"}}})),
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
    let row = crate::store::get_instance(desk.db.read(), task.facts.instance).await?;
    let vars = crate::step::read_state(&row)?.variables();
    Ok(Json(typed(&vars)).into_response())
}

async fn seen(app: &App, actor: &Actor, id: &str) -> Result<Json<Map<String, Value>>> {
    let desk = Desk::of(app)?;
    let task = open_task(&desk, actor, id).await?;
    Ok(Json(typed(&tables::seen_by(&desk.db, &task).await?)))
}

/// Variables that a task sees, with their types.
#[utoipa::path(get, path = "/engine-rest/task/{id}/variables", tag = "camunda",
    params(("id" = String, Path, description = "task")),
    responses((status = 200, body = Object, example = json!({"amount": {"value": 1200, "type": "Integer", "valueInfo": {}}}))))]
async fn variables(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<Map<String, Value>>> {
    Ok(seen(&app, &actor, &id).await?)
}

/// The same: forms here take their values from the variables.
#[utoipa::path(get, path = "/engine-rest/task/{id}/form-variables", tag = "camunda",
    params(("id" = String, Path, description = "task")),
    responses((status = 200, body = Object, example = json!({"amount": {"value": 1200, "type": "Integer", "valueInfo": {}}}))))]
async fn form_variables(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<Map<String, Value>>> {
    Ok(seen(&app, &actor, &id).await?)
}
