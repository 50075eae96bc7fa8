//! Incidents: where processes stopped.

use ::store::page::PageRequest;
use axum::{Json, extract::State};
use identity::Actor;
use kernel::Result;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{
    Answer,
    search::{Asked, Count, Paging},
    value::written,
};
use crate::rest::{
    Desk,
    act::{self, Incident},
    store::{InstanceFilter, count_incidents},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(count))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct IncidentQuery {
    incident_id: Option<String>,
    /// `failedExternalTask`, or `failedJob` for whatever the server could not carry out itself.
    #[param(example = "failedJob")]
    incident_type: Option<String>,
    incident_message: Option<String>,
    process_instance_id: Option<String>,
    process_definition_id: Option<String>,
    process_definition_key: Option<String>,
    activity_id: Option<String>,
    first_result: Option<u32>,
    max_results: Option<u32>,
}

impl IncidentQuery {
    fn of_instances(&self) -> InstanceFilter {
        InstanceFilter {
            id: self.process_instance_id.clone(),
            definition: self.process_definition_id.clone(),
            key: self.process_definition_key.clone(),
            has_incident: true,
            ..InstanceFilter::default()
        }
    }

    fn wants(&self, incident: &Incident) -> bool {
        let is = |wanted: &Option<String>, word: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == word)
        };
        is(&self.incident_id, &id_of(incident))
            && is(&self.incident_type, type_of(incident))
            && is(&self.incident_message, &incident.text)
            && is(&self.activity_id, &incident.element)
    }

    /// Whether only the states of instances tell what is wanted.
    fn looks_inside(&self) -> bool {
        let inside = [
            &self.incident_id,
            &self.incident_type,
            &self.incident_message,
            &self.activity_id,
        ];
        inside.iter().any(|wanted| wanted.is_some())
    }
}

/// The wanted incidents, as many as these. Instances are read page by page; each may have stopped
/// at several places.
async fn find(
    desk: &Desk,
    actor: &Actor,
    query: &IncidentQuery,
    most: usize,
) -> Result<Vec<Incident>> {
    let filter = query.of_instances();
    let mut page = PageRequest::new(None, Some(u32::MAX));
    let mut found: Vec<Incident> = Vec::new();
    loop {
        let (more, next) = act::incidents(desk, actor, &filter, &page).await?;
        found.extend(more.into_iter().filter(|incident| query.wants(incident)));
        page.after = next;
        if page.after.is_none() || found.len() >= most {
            found.truncate(most);
            return Ok(found);
        }
    }
}

/// Places where processes stopped, those of the newest instance first; 500 at the most.
#[utoipa::path(get, path = "/incident", tag = "camunda", params(IncidentQuery),
    responses((status = 400, description = "a parameter that is not known; the message names it"), (status = 200, body = Vec<Object>, example = json!([{"processInstanceId": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "activityId": "pay", "incidentType": "failedExternalTask", "incidentMessage": "the bank does not answer"}]))))]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Asked(query): Asked<IncidentQuery>,
) -> Answer<Json<Vec<Value>>> {
    let desk = Desk::of(&app)?;
    let paging = Paging {
        first_result: query.first_result,
        max_results: query.max_results,
    };
    let most = usize::try_from(paging.first() + paging.most()).unwrap_or(usize::MAX);
    let found = find(&desk, &actor, &query, most).await?;
    Ok(Json(paging.of(found.iter()).map(incident_body).collect()))
}

/// At how many places processes stopped; a part of a list changes nothing.
#[utoipa::path(get, path = "/incident/count", tag = "camunda", params(IncidentQuery),
    responses((status = 400, description = "a parameter that is not known; the message names it"), (status = 200, body = Count)))]
async fn count(
    State(app): State<App>,
    actor: Actor,
    Asked(query): Asked<IncidentQuery>,
) -> Answer<Json<Count>> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::READ)?;
    let number = if query.looks_inside() {
        find(&desk, &actor, &query, usize::MAX).await?.len() as u64
    } else {
        let number = count_incidents(desk.db.read(), &query.of_instances()).await?;
        number.unsigned_abs()
    };
    Ok(Json(number.into()))
}

fn id_of(incident: &Incident) -> String {
    format!("{}:{}", incident.instance, incident.token)
}

/// The interface knows two; what the server does itself is a job there.
fn type_of(incident: &Incident) -> &'static str {
    match incident.external_task {
        Some(_) => "failedExternalTask",
        None => "failedJob",
    }
}

fn incident_body(incident: &Incident) -> Value {
    let id = id_of(incident);
    json!({
        "processDefinitionId": incident.definition,
        "processInstanceId": incident.instance,
        "executionId": incident.instance,
        "activityId": incident.element,
        "failedActivityId": incident.element,
        "incidentTimestamp": incident.since.map(written),
        "incidentType": type_of(incident),
        "incidentMessage": incident.text,
        // What failed; jobs have no address of their own.
        "configuration": incident.external_task,
        // Called processes run within their instance, so each is its own cause.
        "causeIncidentId": id,
        "rootCauseIncidentId": id,
        "id": id,
        "jobDefinitionId": null,
        "annotation": null,
        "tenantId": null,
    })
}
