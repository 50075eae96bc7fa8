//! External tasks: what the published worker clients speak.

use std::collections::BTreeMap;

use ::store::page::PageRequest;
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use chrono::{DateTime, Utc};
use identity::Actor;
use kernel::{Error, Result, Text};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{
    Answer,
    search::{self, Asked, Count, Paging, Sorting, moment, words},
    store::external as store,
    value::{plain, typed, written},
};
use crate::{
    external::{Completion, ExternalTask, ExternalTaskId, Failure, Fetch, Filter, Thrown, Topic},
    read::OURS,
    rest::{
        Body, Desk, business_key, parse, subject_of,
        work::{self, span},
    },
    schema::external::Column,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, query))
        .routes(routes!(count, count_query))
        .routes(routes!(get))
        .routes(routes!(fetch_and_lock))
        .routes(routes!(complete))
        .routes(routes!(failure))
        .routes(routes!(bpmn_error))
        .routes(routes!(extend_lock))
        .routes(routes!(lock))
        .routes(routes!(unlock))
        .routes(routes!(retries))
}

/// Milliseconds of a lock when nobody said how long.
const USUAL_LOCK: i64 = 60_000;

/// A topic and which of its tasks; what is not known here would give out others.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[schema(as = CamundaWantedTopic)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the parameters of the interface"
)]
struct WantedTopic {
    #[schema(example = "payment")]
    topic_name: String,
    #[schema(example = 60000)]
    lock_duration: Option<i64>,
    variables: Option<Vec<String>>,
    local_variables: bool,
    business_key: Option<String>,
    process_definition_id: Option<String>,
    process_definition_id_in: Option<Vec<String>>,
    process_definition_key: Option<String>,
    process_definition_key_in: Option<Vec<String>>,
    include_extension_properties: bool,
    /// Values come as they are, so this changes nothing.
    #[serde(rename = "deserializeValues")]
    _deserialize_values: bool,
    /// There are no tenants, so this changes nothing.
    #[serde(rename = "withoutTenantId")]
    _without_tenant_id: bool,
    /// Not supported: anything but nothing is refused.
    #[schema(value_type = Option<Object>)]
    process_variables: Option<Map<String, Value>>,
    process_definition_version_tag: Option<String>,
    tenant_id_in: Option<Vec<String>>,
}

impl WantedTopic {
    /// What would choose among the tasks and cannot here.
    fn unsupported(&self) -> Option<&'static str> {
        let tag = self.process_definition_version_tag.as_ref();
        let tenants = self.tenant_id_in.as_ref();
        let variables = self.process_variables.as_ref();
        [
            (
                "processVariables",
                variables.is_some_and(|vars| !vars.is_empty()),
            ),
            ("processDefinitionVersionTag", tag.is_some()),
            ("tenantIdIn", tenants.is_some_and(|ids| !ids.is_empty())),
        ]
        .into_iter()
        .find_map(|(name, is_given)| is_given.then_some(name))
    }

    fn topic(&self) -> Result<Topic> {
        if let Some(name) = self.unsupported() {
            let text = Text::new("workflow-query-unsupported").with("name", name);
            return Err(Error::invalid("topics", text));
        }
        let given = |words: &Option<Vec<String>>| words.clone().unwrap_or_default();
        let (mut definitions, mut keys) = (
            given(&self.process_definition_id_in),
            given(&self.process_definition_key_in),
        );
        definitions.extend(self.process_definition_id.clone());
        keys.extend(self.process_definition_key.clone());
        let subject = subject_of(self.business_key.as_deref())?;
        Ok(Topic {
            name: self.topic_name.clone(),
            lock: span(self.lock_duration.unwrap_or(USUAL_LOCK)),
            variables: self.variables.clone(),
            is_local_only: self.local_variables,
            subject: Some(subject).filter(|subject| !subject.is_empty()),
            definitions,
            keys,
        })
    }
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = CamundaFetchAndLock)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct FetchAndLock {
    #[schema(example = "payments-1")]
    worker_id: String,
    #[schema(example = 10)]
    max_tasks: u32,
    /// Milliseconds to wait for a task; 20,000 at the most.
    #[schema(example = 10000)]
    async_response_timeout: Option<u64>,
    topics: Vec<WantedTopic>,
    /// Higher priority comes first in any case.
    #[serde(rename = "usePriority")]
    _use_priority: bool,
    /// Without effect.
    #[serde(rename = "sorting")]
    _sorting: Option<Vec<Sorting>>,
}

/// Locks free tasks of the topics for a worker.
#[utoipa::path(post, path = "/external-task/fetchAndLock", tag = "camunda", request_body = FetchAndLock,
    responses((status = 200, body = Vec<Object>, example = json!([{"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "topicName": "payment", "variables": {"amount": {"value": 1200, "type": "Integer", "valueInfo": {}}}}]))))]
async fn fetch_and_lock(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<FetchAndLock>,
) -> Answer<Json<Vec<Value>>> {
    let desk = Desk::of(&app)?;
    let topics = body.topics.iter().map(WantedTopic::topic);
    let wanted = Fetch {
        worker: body.worker_id,
        most: body.max_tasks,
        topics: topics.collect::<Result<_>>()?,
    };
    let wait = body.async_response_timeout.unwrap_or(0);
    let tasks = work::fetch(&desk, &actor, &wanted, wait).await?;
    let bodies = tasks.iter().map(|task| {
        let topic = body.topics.iter().find(|t| t.topic_name == task.topic);
        let mut locked = task_body(task);
        if let Some(object) = locked.as_object_mut() {
            let variables = Value::Object(typed(&task.variables));
            object.insert("variables".to_owned(), variables);
            if topic.is_some_and(|topic| topic.include_extension_properties) {
                let theirs = task.attributes.iter();
                let theirs = theirs.filter(|(name, _)| !OURS.contains(&name.as_str()));
                let theirs: BTreeMap<_, _> = theirs.collect();
                object.insert("extensionProperties".to_owned(), json!(theirs));
            }
        }
        locked
    });
    Ok(Json(bodies.collect()))
}

fn task_body(task: &ExternalTask) -> Value {
    let is_held = task.state == "open" && task.worker.is_some();
    let is_over = task.state == "failed";
    json!({
        "id": task.id,
        "topicName": task.topic,
        "workerId": task.worker,
        "lockExpirationTime": is_held.then(|| written(task.available_at)),
        "activityId": task.element,
        "activityInstanceId": task.id,
        "executionId": task.instance,
        "processInstanceId": task.instance,
        "processDefinitionId": task.definition,
        "processDefinitionKey": task.key,
        "processDefinitionVersionTag": null,
        "businessKey": business_key(&task.subject),
        "createTime": written(task.created_at),
        "retries": if is_over { Some(0) } else { task.retries },
        "errorMessage": Some(&task.error_message).filter(|text| !text.is_empty()),
        "errorDetails": Some(&task.error_details).filter(|text| !text.is_empty()),
        "priority": task.priority,
        "suspended": false,
        "tenantId": null,
    })
}

/// Which external tasks are wanted; each parameter narrows further.
#[derive(Debug, Default, Deserialize, ToSchema, IntoParams)]
#[schema(as = CamundaExternalQuery, example = json!({"topicName": "print", "notLocked": true}))]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the parameters of the interface"
)]
pub(super) struct ExternalQuery {
    pub external_task_id: Option<String>,
    #[serde(deserialize_with = "words")]
    pub external_task_id_in: Option<Vec<String>>,
    #[schema(example = "payment")]
    pub topic_name: Option<String>,
    pub worker_id: Option<String>,
    pub locked: bool,
    pub not_locked: bool,
    pub with_retries_left: bool,
    pub no_retries_left: bool,
    #[serde(deserialize_with = "moment")]
    pub lock_expiration_before: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "moment")]
    pub lock_expiration_after: Option<DateTime<Utc>>,
    pub activity_id: Option<String>,
    #[serde(deserialize_with = "words")]
    pub activity_id_in: Option<Vec<String>>,
    pub process_instance_id: Option<String>,
    #[serde(deserialize_with = "words")]
    pub process_instance_id_in: Option<Vec<String>>,
    pub process_definition_id: Option<String>,
    pub priority_higher_than_or_equals: Option<i64>,
    pub priority_lower_than_or_equals: Option<i64>,
    /// None is ever suspended.
    pub suspended: bool,
    #[serde(rename = "active")]
    _active: bool,
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

/// By what external tasks are ordered.
const ORDERS: &[(&str, Column)] = &[
    ("id", Column::Id),
    ("lockExpirationTime", Column::AvailableAt),
    ("processInstanceId", Column::Instance),
    ("processDefinitionId", Column::Definition),
    ("processDefinitionKey", Column::Key),
    ("taskPriority", Column::Priority),
    ("createTime", Column::CreatedAt),
];

async fn find(
    app: &App,
    actor: &Actor,
    query: &ExternalQuery,
    address: Paging,
) -> Result<Vec<Value>> {
    let desk = Desk::of(app)?;
    desk.check(actor, work::WORK)?;
    let sorting = Sorting {
        sort_by: query.sort_by.clone(),
        sort_order: query.sort_order.clone(),
    };
    let order = search::order(&sorting, &query.sorting, ORDERS)?;
    let page = address.or(Paging {
        first_result: query.first_result,
        max_results: query.max_results,
    });
    let tasks = store::list(&desk.db, query, &order, page).await?;
    Ok(tasks.iter().map(task_body).collect())
}

/// External tasks that are not over, the oldest first unless `sortBy` says otherwise; 500 at the
/// most.
#[utoipa::path(get, path = "/external-task", tag = "camunda", params(ExternalQuery),
    responses((status = 400, description = "a parameter that is not known; the message names it"), (status = 200, body = Vec<Object>, example = json!([{"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "topicName": "payment", "retries": 2}]))))]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Asked(query): Asked<ExternalQuery>,
) -> Answer<Json<Vec<Value>>> {
    Ok(Json(find(&app, &actor, &query, Paging::default()).await?))
}

/// The same, asked for by a body.
#[utoipa::path(post, path = "/external-task", tag = "camunda", params(Paging), request_body = ExternalQuery,
    responses((status = 400, description = "a parameter that is not known; the message names it"), (status = 200, body = Vec<Object>, example = json!([{"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "topicName": "payment", "retries": 2}]))))]
async fn query(
    State(app): State<App>,
    actor: Actor,
    Asked(page): Asked<Paging>,
    Body(query): Body<ExternalQuery>,
) -> Answer<Json<Vec<Value>>> {
    Ok(Json(find(&app, &actor, &query, page).await?))
}

async fn number(app: &App, actor: &Actor, query: &ExternalQuery) -> Result<Json<Count>> {
    let desk = Desk::of(app)?;
    desk.check(actor, work::WORK)?;
    let number = store::count(&desk.db, query).await?;
    Ok(Json(number.into()))
}

/// How many external tasks are not over; order and part of a list change nothing.
#[utoipa::path(get, path = "/external-task/count", tag = "camunda", params(ExternalQuery),
    responses((status = 400, description = "a parameter that is not known; the message names it"), (status = 200, body = Count)))]
async fn count(
    State(app): State<App>,
    actor: Actor,
    Asked(query): Asked<ExternalQuery>,
) -> Answer<Json<Count>> {
    Ok(number(&app, &actor, &query).await?)
}

/// The same, asked for by a body.
#[utoipa::path(post, path = "/external-task/count", tag = "camunda", request_body = ExternalQuery,
    responses((status = 400, description = "a field that is not known; the message names it"), (status = 200, body = Count)))]
async fn count_query(
    State(app): State<App>,
    actor: Actor,
    Body(query): Body<ExternalQuery>,
) -> Answer<Json<Count>> {
    Ok(number(&app, &actor, &query).await?)
}

/// One external task.
#[utoipa::path(get, path = "/external-task/{id}", tag = "camunda",
    params(("id" = String, Path, description = "external task")),
    responses((status = 200, body = Object, example = json!({"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "topicName": "payment", "retries": 2}))))]
async fn get(State(app): State<App>, actor: Actor, Path(id): Path<String>) -> Answer<Json<Value>> {
    let desk = Desk::of(&app)?;
    let id: ExternalTaskId = parse(&id, "external task")?;
    let filter = Filter {
        id: Some(id),
        ..Filter::default()
    };
    let page = work::list(&desk, &actor, &filter, &PageRequest::default()).await?;
    let task = page.items.first().ok_or(Error::NotFound {
        what: "external task",
    })?;
    Ok(Json(task_body(task)))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = CamundaExternalComplete)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Complete {
    #[schema(example = "payments-1")]
    worker_id: String,
    #[schema(value_type = Object, example = json!({"receipt": {"value": "R-9", "type": "String"}}))]
    variables: Option<Map<String, Value>>,
    #[schema(value_type = Object)]
    local_variables: Option<Map<String, Value>>,
}

/// The task is done.
#[utoipa::path(post, path = "/external-task/{id}/complete", tag = "camunda", request_body = Complete,
    params(("id" = String, Path, description = "external task")),
    responses((status = 204, description = "done"), (status = 400, description = "the worker does not hold the task")))]
async fn complete(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<Complete>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    let done = Completion {
        worker: body.worker_id,
        vars: plain(body.variables.as_ref())?,
        local: plain(body.local_variables.as_ref())?,
    };
    work::complete(&desk, &actor, parse(&id, "external task")?, done).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = CamundaFailed)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Failed {
    #[schema(example = "payments-1")]
    worker_id: String,
    #[schema(example = "the bank does not answer")]
    error_message: Option<String>,
    error_details: Option<String>,
    #[schema(example = 2)]
    retries: Option<i64>,
    #[schema(example = 60000)]
    retry_timeout: Option<i64>,
}

/// The task could not be carried out; with no tries left it becomes an incident.
#[utoipa::path(post, path = "/external-task/{id}/failure", tag = "camunda", request_body = Failed,
    params(("id" = String, Path, description = "external task")),
    responses((status = 204, description = "noted"), (status = 400, description = "the worker does not hold the task")))]
async fn failure(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<Failed>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    let failure = Failure {
        worker: body.worker_id,
        message: body.error_message.unwrap_or_default(),
        details: body.error_details.unwrap_or_default(),
        retries: body.retries,
        pause: span(body.retry_timeout.unwrap_or(0)),
    };
    work::fail(&desk, &actor, parse(&id, "external task")?, failure).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = CamundaBpmnError)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct BpmnError {
    #[schema(example = "payments-1")]
    worker_id: String,
    #[schema(example = "no-cover")]
    error_code: String,
    error_message: Option<String>,
    #[schema(value_type = Object)]
    variables: Option<Map<String, Value>>,
}

/// The task ended in a business error.
#[utoipa::path(post, path = "/external-task/{id}/bpmnError", tag = "camunda", request_body = BpmnError,
    params(("id" = String, Path, description = "external task")),
    responses((status = 204, description = "thrown"), (status = 400, description = "the worker does not hold the task")))]
async fn bpmn_error(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<BpmnError>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    let thrown = Thrown {
        worker: body.worker_id,
        code: body.error_code,
        message: body.error_message.unwrap_or_default(),
        vars: plain(body.variables.as_ref())?,
    };
    work::throw(&desk, &actor, parse(&id, "external task")?, thrown).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = CamundaExtendLock)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ExtendLock {
    #[schema(example = "payments-1")]
    worker_id: String,
    #[schema(example = 60000)]
    new_duration: i64,
}

/// The worker needs longer.
#[utoipa::path(post, path = "/external-task/{id}/extendLock", tag = "camunda", request_body = ExtendLock,
    params(("id" = String, Path, description = "external task")),
    responses((status = 204, description = "extended"), (status = 400, description = "the worker does not hold the task")))]
async fn extend_lock(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<ExtendLock>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    let id = parse(&id, "external task")?;
    work::extend(&desk, &actor, id, body.worker_id, span(body.new_duration)).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = CamundaLock)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Lock {
    #[schema(example = "payments-1")]
    worker_id: String,
    #[schema(example = 60000)]
    lock_duration: i64,
}

/// Locks one task, unless another worker holds it.
#[utoipa::path(post, path = "/external-task/{id}/lock", tag = "camunda", request_body = Lock,
    params(("id" = String, Path, description = "external task")),
    responses((status = 204, description = "locked"), (status = 400, description = "another worker holds it")))]
async fn lock(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<Lock>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    let id = parse(&id, "external task")?;
    work::lock(&desk, &actor, id, body.worker_id, span(body.lock_duration)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a task back, whoever holds it.
#[utoipa::path(post, path = "/external-task/{id}/unlock", tag = "camunda",
    params(("id" = String, Path, description = "external task")),
    responses((status = 204, description = "given back")))]
async fn unlock(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    work::unlock(&desk, &actor, parse(&id, "external task")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = CamundaRetries)]
#[serde(default)]
struct Retries {
    #[schema(example = 3)]
    retries: i64,
}

/// Gives a task new tries; one that became an incident begins anew, as another task.
#[utoipa::path(put, path = "/external-task/{id}/retries", tag = "camunda", request_body = Retries,
    params(("id" = String, Path, description = "external task")),
    responses((status = 204, description = "set")))]
async fn retries(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<Retries>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    work::set_retries(&desk, &actor, parse(&id, "external task")?, body.retries).await?;
    Ok(StatusCode::NO_CONTENT)
}
