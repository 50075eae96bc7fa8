//! Tasks, to be done and over.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use identity::Actor;
use kernel::Result;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use crate::{
    Task,
    camunda::{
        Answer,
        search::{self, Asked, Count, Paging, Sorting, moment, words},
        store::task as store,
        task::{logins, priority, user_id},
        value::written,
    },
    rest::{Body, Desk, act},
    schema::task::{Column, Model},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, query))
        .routes(routes!(count, count_query))
}

/// Which tasks are wanted; each parameter narrows further.
#[derive(Debug, Default, Deserialize, ToSchema, IntoParams)]
#[schema(as = CamundaPastTaskQuery, example = json!({"processDefinitionKey": "leave", "finished": true}))]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the parameters of the interface"
)]
pub(in crate::camunda) struct PastQuery {
    pub task_id: Option<String>,
    pub process_instance_id: Option<String>,
    pub process_instance_business_key: Option<String>,
    #[serde(deserialize_with = "words")]
    pub process_instance_business_key_in: Option<Vec<String>>,
    /// `%` stands for any text, `_` for any character.
    pub process_instance_business_key_like: Option<String>,
    pub process_definition_id: Option<String>,
    #[schema(example = "order")]
    pub process_definition_key: Option<String>,
    pub task_definition_key: Option<String>,
    #[serde(deserialize_with = "words")]
    pub task_definition_key_in: Option<Vec<String>>,
    pub task_name: Option<String>,
    pub task_name_like: Option<String>,
    /// Login name or identifier of an officer who has the task or completed it.
    task_assignee: Option<String>,
    pub assigned: bool,
    pub unassigned: bool,
    pub finished: bool,
    pub unfinished: bool,
    pub process_finished: bool,
    pub process_unfinished: bool,
    #[serde(deserialize_with = "moment")]
    pub task_due_date: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "moment")]
    pub task_due_date_before: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "moment")]
    pub task_due_date_after: Option<DateTime<Utc>>,
    pub without_task_due_date: bool,
    #[serde(deserialize_with = "moment")]
    pub started_before: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "moment")]
    pub started_after: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "moment")]
    pub finished_before: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "moment")]
    pub finished_after: Option<DateTime<Utc>>,
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
const ORDERS: &[(&str, Column)] = &[
    ("taskId", Column::Id),
    ("activityInstanceId", Column::Id),
    ("processInstanceId", Column::Instance),
    ("executionId", Column::Instance),
    ("processDefinitionId", Column::Definition),
    ("taskDefinitionKey", Column::Element),
    ("taskName", Column::Name),
    ("assignee", Column::Assignee),
    ("startTime", Column::CreatedAt),
    ("endTime", Column::DoneAt),
    ("dueDate", Column::DueAt),
];

/// The identifier of the officer whose tasks are wanted.
async fn assignee(desk: &Desk, query: &PastQuery) -> Result<Option<String>> {
    match &query.task_assignee {
        Some(user) => Ok(Some(user_id(desk, user).await?)),
        None => Ok(None),
    }
}

async fn find(app: &App, actor: &Actor, query: &PastQuery, address: Paging) -> Result<Vec<Value>> {
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
    let assignee = assignee(&desk, query).await?;
    let rows = store::history(&desk.db, query, assignee.as_ref(), &order, page).await?;
    let logins = logins(&desk, &rows).await?;
    let bodies = rows.iter().map(|row| {
        let assignee = row.assignee.as_ref().and_then(|id| logins.get(id));
        body(row, assignee)
    });
    bodies.collect()
}

fn body(row: &Model, assignee: Option<&String>) -> Result<Value> {
    let task = Task::of(row)?;
    let facts = &task.facts;
    let (started, ended) = (task.created_at, task.done_at);
    let why = ended.map(|_| match task.state.as_str() {
        "gone" => "deleted",
        _ => "completed",
    });
    Ok(json!({
        "id": facts.task,
        "name": facts.name,
        "assignee": assignee,
        "owner": null,
        "description": null,
        "startTime": written(started),
        "endTime": ended.map(written),
        "duration": ended.map(|ended| (ended - started).num_milliseconds()),
        "deleteReason": why,
        "taskDefinitionKey": facts.element,
        "priority": priority(&task),
        "due": facts.due_at.map(written),
        "followUp": null,
        "parentTaskId": row.parent,
        "activityInstanceId": facts.task,
        "executionId": facts.instance,
        "processInstanceId": facts.instance,
        "rootProcessInstanceId": facts.instance,
        "processDefinitionId": facts.definition,
        "processDefinitionKey": facts.definition.split(':').next(),
        "removalTime": null,
        "tenantId": null,
    }))
}

/// Tasks to be done and over, the newest first unless `sortBy` says otherwise; 500 at the most.
#[utoipa::path(get, path = "/history/task", tag = "camunda", params(PastQuery),
    responses((status = 400, description = "a parameter that is not known; the message names it"), (status = 200, body = Vec<Object>, example = json!([{"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "taskDefinitionKey": "review", "assignee": "food", "deleteReason": "completed"}]))))]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Asked(query): Asked<PastQuery>,
) -> Answer<Json<Vec<Value>>> {
    Ok(Json(find(&app, &actor, &query, Paging::default()).await?))
}

/// The same, asked for by a body.
#[utoipa::path(post, path = "/history/task", tag = "camunda", params(Paging), request_body = PastQuery,
    responses((status = 400, description = "a field that is not known; the message names it"), (status = 200, body = Vec<Object>, example = json!([{"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "taskDefinitionKey": "review", "assignee": "food", "deleteReason": "completed"}]))))]
async fn query(
    State(app): State<App>,
    actor: Actor,
    Asked(page): Asked<Paging>,
    Body(query): Body<PastQuery>,
) -> Answer<Json<Vec<Value>>> {
    Ok(Json(find(&app, &actor, &query, page).await?))
}

async fn number(app: &App, actor: &Actor, query: &PastQuery) -> Result<Json<Count>> {
    let desk = Desk::of(app)?;
    desk.check(actor, act::READ)?;
    let assignee = assignee(&desk, query).await?;
    let number = store::count_history(&desk.db, query, assignee.as_ref()).await?;
    Ok(Json(number.into()))
}

/// How many tasks there are, to be done and over; order and part of a list change nothing.
#[utoipa::path(get, path = "/history/task/count", tag = "camunda", params(PastQuery),
    responses((status = 400, description = "a parameter that is not known; the message names it"), (status = 200, body = Count)))]
async fn count(
    State(app): State<App>,
    actor: Actor,
    Asked(query): Asked<PastQuery>,
) -> Answer<Json<Count>> {
    Ok(number(&app, &actor, &query).await?)
}

/// The same, asked for by a body.
#[utoipa::path(post, path = "/history/task/count", tag = "camunda", request_body = PastQuery,
    responses((status = 400, description = "a field that is not known; the message names it"), (status = 200, body = Count)))]
async fn count_query(
    State(app): State<App>,
    actor: Actor,
    Body(query): Body<PastQuery>,
) -> Answer<Json<Count>> {
    Ok(number(&app, &actor, &query).await?)
}
