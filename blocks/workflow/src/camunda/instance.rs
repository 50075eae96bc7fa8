//! Instances, their variables, messages, incidents and history.

use crate::rest::Body;
use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use identity::Actor;
use kernel::{Error, Result, clock::from_micros};
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
    InstanceId, Intervention,
    rest::{
        Desk, act, business_key, parse,
        send::{self, Address},
        store::{self as tables, InstanceFilter, InstanceRow},
        subject_of,
    },
    trail::trail_of,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, delete))
        .routes(routes!(variables))
        .routes(routes!(message))
        .routes(routes!(incidents))
        .routes(routes!(history))
        .routes(routes!(history_of))
        .routes(routes!(activities))
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

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, rename_all = "camelCase")]
struct ListQuery {
    process_definition_key: Option<String>,
    process_definition_id: Option<String>,
    business_key: Option<String>,
    /// History: the program's own key, under its other name.
    process_instance_business_key: Option<String>,
    process_instance_id: Option<String>,
    /// Only those that stopped somewhere.
    with_incident: bool,
    /// History: only those that have ended, or that have not.
    finished: bool,
    unfinished: bool,
    max_results: Option<u32>,
}

impl ListQuery {
    fn filter(&self, status: Option<&str>) -> Result<InstanceFilter> {
        let key = self.business_key.as_ref();
        let key = key.or(self.process_instance_business_key.as_ref());
        let subject = subject_of(key.map(String::as_str))?;
        Ok(InstanceFilter {
            id: self.process_instance_id.clone(),
            definition: self.process_definition_id.clone(),
            key: self.process_definition_key.clone(),
            subject: Some(subject).filter(|subject| !subject.is_empty()),
            status: status.map(str::to_owned),
            has_incident: self.with_incident,
        })
    }
}

async fn rows(
    desk: &Desk,
    actor: &Actor,
    filter: &InstanceFilter,
    most: Option<u32>,
) -> Result<Vec<InstanceRow>> {
    desk.check(actor, act::READ)?;
    let page = PageRequest::new(None, Some(most.unwrap_or(u32::MAX)));
    Ok(tables::instances(desk.db.read(), filter, &page)
        .await?
        .items)
}

/// Running instances, the newest first; 500 at the most.
#[utoipa::path(get, path = "/engine-rest/process-instance", tag = "camunda", params(ListQuery),
    responses((status = 200, body = Vec<Object>, example = json!([{"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "businessKey": "A-17", "ended": false}]))))]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Answer<Json<Vec<Value>>> {
    let desk = Desk::of(&app)?;
    let filter = query.filter(Some("running"))?;
    let rows = rows(&desk, &actor, &filter, query.max_results).await?;
    let bodies = rows
        .iter()
        .map(|row| instance_body(&row.id, &row.definition, &row.subject, &row.status));
    Ok(Json(bodies.collect()))
}

/// One running instance.
#[utoipa::path(get, path = "/engine-rest/process-instance/{id}", tag = "camunda",
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
#[utoipa::path(delete, path = "/engine-rest/process-instance/{id}", tag = "camunda",
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

/// Variables of an instance, with their types.
#[utoipa::path(get, path = "/engine-rest/process-instance/{id}/variables", tag = "camunda",
    params(("id" = String, Path, description = "process instance")),
    responses((status = 200, body = Object, example = json!({"amount": {"value": 1200, "type": "Integer", "valueInfo": {}}}))))]
async fn variables(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<Map<String, Value>>> {
    let desk = Desk::of(&app)?;
    let id = parse(&id, "process instance")?;
    Ok(Json(typed(&act::variables(&desk, &actor, id).await?)))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = CamundaMessage)]
#[serde(default, rename_all = "camelCase")]
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
}

/// Brings a message to the one place that waits for it, or begins the process that it begins.
#[utoipa::path(post, path = "/engine-rest/message", tag = "camunda", request_body = Message,
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

/// Places where processes stopped.
#[utoipa::path(get, path = "/engine-rest/incident", tag = "camunda", params(ListQuery),
    responses((status = 200, body = Vec<Object>, example = json!([{"processInstanceId": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "activityId": "pay", "incidentMessage": "the bank does not answer"}]))))]
async fn incidents(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Answer<Json<Vec<Value>>> {
    let desk = Desk::of(&app)?;
    let page = PageRequest::new(None, Some(query.max_results.unwrap_or(u32::MAX)));
    let filter = query.filter(None)?;
    let (found, _) = act::incidents(&desk, &actor, &filter, &page).await?;
    let bodies = found.iter().map(|incident| {
        json!({
            "id": format!("{}:{}", incident.instance, incident.token),
            "processDefinitionId": incident.definition,
            "processInstanceId": incident.instance,
            "executionId": incident.instance,
            "activityId": incident.element,
            "failedActivityId": incident.element,
            "incidentTimestamp": incident.since.map(written),
            "incidentType": "failedExternalTask",
            "incidentMessage": incident.text,
            "configuration": null,
            "tenantId": null,
        })
    });
    Ok(Json(bodies.collect()))
}

/// Running and ended instances, the newest first; 500 at the most.
#[utoipa::path(get, path = "/engine-rest/history/process-instance", tag = "camunda", params(ListQuery),
    responses((status = 200, body = Vec<Object>, example = json!([{"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "state": "COMPLETED"}]))))]
async fn history(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Answer<Json<Vec<Value>>> {
    let desk = Desk::of(&app)?;
    let status = query.unfinished.then_some("running");
    let rows = rows(&desk, &actor, &query.filter(status)?, query.max_results).await?;
    let is_wanted = |row: &&InstanceRow| !query.finished || row.ended_at.is_some();
    Ok(Json(rows.iter().filter(is_wanted).map(past).collect()))
}

/// One instance, running or ended.
#[utoipa::path(get, path = "/engine-rest/history/process-instance/{id}", tag = "camunda",
    params(("id" = String, Path, description = "process instance")),
    responses((status = 200, body = Object, example = json!({"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "state": "COMPLETED"}))))]
async fn history_of(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<Value>> {
    let desk = Desk::of(&app)?;
    let filter = InstanceFilter {
        id: Some(id),
        ..InstanceFilter::default()
    };
    let rows = rows(&desk, &actor, &filter, Some(1)).await?;
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
        "state": match row.status.as_str() {
            "running" => "ACTIVE",
            "completed" | "terminated" => "COMPLETED",
            "cancelled" => "EXTERNALLY_TERMINATED",
            _ => "INTERNALLY_TERMINATED",
        },
        "tenantId": null,
    })
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, rename_all = "camelCase")]
struct ActivityQuery {
    /// Which instance; must be given.
    process_instance_id: String,
    activity_id: Option<String>,
    finished: bool,
    unfinished: bool,
}

/// What an instance went through.
#[utoipa::path(get, path = "/engine-rest/history/activity-instance", tag = "camunda", params(ActivityQuery),
    responses((status = 200, body = Vec<Object>, example = json!([{"activityId": "pay", "activityType": "serviceTask", "startTime": "2026-03-02T09:00:00.000+0000"}]))))]
async fn activities(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<ActivityQuery>,
) -> Answer<Json<Vec<Value>>> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::READ)?;
    let id: InstanceId = parse(&query.process_instance_id, "process instance")?;
    let trail = trail_of(&desk.db, &desk.engine, id).await?;
    let span = |from: DateTime<Utc>, to: Option<DateTime<Utc>>| {
        to.map(|to| (to - from).num_milliseconds())
    };
    let bodies = trail.steps.iter().enumerate().filter_map(|(n, stay)| {
        let is_over = stay.left_at.is_some();
        let is_wanted = query
            .activity_id
            .as_ref()
            .is_none_or(|a| *a == stay.element)
            && (!query.finished || is_over)
            && (!query.unfinished || !is_over);
        is_wanted.then(|| {
            json!({
                "id": format!("{id}:{n}"),
                "processInstanceId": id,
                "executionId": id,
                "processDefinitionId": trail.definition,
                "activityId": stay.element,
                "activityName": stay.name,
                "activityType": stay.kind,
                "startTime": written(stay.entered_at),
                "endTime": stay.left_at.map(written),
                "durationInMillis": span(stay.entered_at, stay.left_at),
                "canceled": false,
                "tenantId": null,
            })
        })
    });
    Ok(Json(bodies.collect()))
}
