//! What was, of running and ended instances.

mod activity;
pub(super) mod task;
mod variable;

use axum::{
    Json,
    extract::{Path, State},
};
use chrono::{DateTime, Utc};
use identity::Actor;
use kernel::{Error, Result, Text, clock::from_micros};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{
    Answer,
    search::{self, Asked, Count, Paging, Sorting, moment, words},
    store::instance as store,
    value::written,
};
use crate::{
    InstanceId,
    rest::{Body, Desk, act, business_key, store::InstanceRow},
    schema::instance,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, query))
        .routes(routes!(count, count_query))
        .routes(routes!(get))
        .merge(activity::routes())
        .merge(task::routes())
        .merge(variable::routes())
}

/// Which instances are wanted; each parameter narrows further, but for the states, of which one
/// is enough.
#[derive(Debug, Default, Deserialize, ToSchema, IntoParams)]
#[schema(as = CamundaHistoryQuery, example = json!({"processDefinitionKey": "leave", "finished": true}))]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the parameters of the interface"
)]
pub(super) struct HistoryQuery {
    pub process_instance_id: Option<String>,
    #[serde(deserialize_with = "words")]
    pub process_instance_ids: Option<Vec<String>>,
    pub process_instance_business_key: Option<String>,
    #[serde(deserialize_with = "words")]
    pub process_instance_business_key_in: Option<Vec<String>>,
    /// `%` stands for any text, `_` for any character.
    pub process_instance_business_key_like: Option<String>,
    pub process_definition_id: Option<String>,
    #[schema(example = "order")]
    pub process_definition_key: Option<String>,
    #[serde(deserialize_with = "words")]
    pub process_definition_key_in: Option<Vec<String>>,
    #[serde(deserialize_with = "words")]
    pub process_definition_key_not_in: Option<Vec<String>>,
    #[serde(deserialize_with = "moment")]
    pub started_before: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "moment")]
    pub started_after: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "moment")]
    pub finished_before: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "moment")]
    pub finished_after: Option<DateTime<Utc>>,
    pub finished: bool,
    pub unfinished: bool,
    active: bool,
    completed: bool,
    externally_terminated: bool,
    internally_terminated: bool,
    /// None is ever suspended as a whole.
    pub suspended: bool,
    /// Only those that stopped somewhere.
    pub with_incidents: bool,
    /// Called processes run within their instance, so each is a root.
    #[serde(rename = "rootProcessInstances")]
    _root: bool,
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

/// The names of this interface for how an instance stands, and ours.
const STATES: [(&str, &[&str]); 4] = [
    ("ACTIVE", &["running"]),
    ("COMPLETED", &["completed", "terminated"]),
    ("EXTERNALLY_TERMINATED", &["cancelled"]),
    ("INTERNALLY_TERMINATED", &["failed"]),
];

impl HistoryQuery {
    /// Our words for the states that are asked for; none if any will do.
    pub fn states(&self) -> Option<Vec<&'static str>> {
        let asked = [
            self.active,
            self.completed,
            self.externally_terminated,
            self.internally_terminated,
        ];
        let states = STATES.iter().zip(asked).filter(|(_, is_asked)| *is_asked);
        let words: Vec<_> = states.flat_map(|((_, words), _)| *words).copied().collect();
        Some(words).filter(|words| !words.is_empty())
    }
}

/// By what instances are ordered.
const ORDERS: &[(&str, instance::Column)] = &[
    ("instanceId", instance::Column::Id),
    ("businessKey", instance::Column::Subject),
    ("definitionId", instance::Column::Definition),
    ("definitionKey", instance::Column::Definition),
    ("startTime", instance::Column::StartedAt),
    ("endTime", instance::Column::EndedAt),
];

async fn find(
    app: &App,
    actor: &Actor,
    query: &HistoryQuery,
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
    let rows = store::history(&desk.db, query, &order, page).await?;
    Ok(rows.iter().map(past).collect())
}

/// Running and ended instances, the newest first unless `sortBy` says otherwise; 500 at the most.
#[utoipa::path(get, path = "/history/process-instance", tag = "camunda", params(HistoryQuery),
    responses((status = 400, description = "a parameter that is not known; the message names it"), (status = 200, body = Vec<Object>, example = json!([{"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "state": "COMPLETED"}]))))]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Asked(query): Asked<HistoryQuery>,
) -> Answer<Json<Vec<Value>>> {
    Ok(Json(find(&app, &actor, &query, Paging::default()).await?))
}

/// The same, asked for by a body.
#[utoipa::path(post, path = "/history/process-instance", tag = "camunda", params(Paging), request_body = HistoryQuery,
    responses((status = 400, description = "a parameter that is not known; the message names it"), (status = 200, body = Vec<Object>, example = json!([{"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "state": "COMPLETED"}]))))]
async fn query(
    State(app): State<App>,
    actor: Actor,
    Asked(page): Asked<Paging>,
    Body(query): Body<HistoryQuery>,
) -> Answer<Json<Vec<Value>>> {
    Ok(Json(find(&app, &actor, &query, page).await?))
}

async fn number(app: &App, actor: &Actor, query: &HistoryQuery) -> Result<Json<Count>> {
    let desk = Desk::of(app)?;
    desk.check(actor, act::READ)?;
    let number = store::count_history(&desk.db, query).await?;
    Ok(Json(number.into()))
}

/// How many instances there are, running and ended; order and part of a list change nothing.
#[utoipa::path(get, path = "/history/process-instance/count", tag = "camunda", params(HistoryQuery),
    responses((status = 400, description = "a parameter that is not known; the message names it"), (status = 200, body = Count)))]
async fn count(
    State(app): State<App>,
    actor: Actor,
    Asked(query): Asked<HistoryQuery>,
) -> Answer<Json<Count>> {
    Ok(number(&app, &actor, &query).await?)
}

/// The same, asked for by a body.
#[utoipa::path(post, path = "/history/process-instance/count", tag = "camunda", request_body = HistoryQuery,
    responses((status = 400, description = "a field that is not known; the message names it"), (status = 200, body = Count)))]
async fn count_query(
    State(app): State<App>,
    actor: Actor,
    Body(query): Body<HistoryQuery>,
) -> Answer<Json<Count>> {
    Ok(number(&app, &actor, &query).await?)
}

/// One instance, running or ended.
#[utoipa::path(get, path = "/history/process-instance/{id}", tag = "camunda",
    params(("id" = String, Path, description = "process instance")),
    responses((status = 200, body = Object, example = json!({"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "state": "COMPLETED"}))))]
async fn get(State(app): State<App>, actor: Actor, Path(id): Path<String>) -> Answer<Json<Value>> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::READ)?;
    let query = HistoryQuery {
        process_instance_id: Some(id),
        ..HistoryQuery::default()
    };
    let rows = store::history(&desk.db, &query, &[], Paging::default()).await?;
    let row = rows.first().ok_or(Error::NotFound {
        what: "process instance",
    })?;
    Ok(Json(past(row)))
}

fn past(row: &InstanceRow) -> Value {
    let mut parts = row.definition.split(':');
    let (key, version) = (parts.next(), parts.next());
    let version = version.and_then(|version| version.parse::<i64>().ok());
    let (started, ended) = (from_micros(row.started_at), row.ended_at.map(from_micros));
    let status = row.status.as_str();
    let state = STATES.iter().find(|(_, words)| words.contains(&status));
    json!({
        "id": row.id,
        "processDefinitionId": row.definition,
        "processDefinitionKey": key,
        "processDefinitionVersion": version,
        "businessKey": business_key(&row.subject),
        "startTime": written(started),
        "endTime": ended.map(written),
        "durationInMillis": ended.map(|ended| (ended - started).num_milliseconds()),
        "startUserId": row.started_by,
        "state": state.map(|(name, _)| name),
        "tenantId": null,
    })
}

/// The instance whose inside is asked for: what happened there stands in no table of its own.
fn named(id: Option<&String>) -> Result<Option<InstanceId>> {
    let Some(id) = id else {
        let text = Text::new("workflow-query-needs").with("name", "processInstanceId");
        return Err(Error::invalid("processInstanceId", text));
    };
    Ok(id.parse().ok())
}

/// What is not there was not found, which is no mistake in a query.
fn found<T: Default>(answer: Result<T>) -> Result<T> {
    match answer {
        Err(Error::NotFound { .. }) => Ok(T::default()),
        answer => answer,
    }
}
