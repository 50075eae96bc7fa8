//! `/api/process/instances`: start, list, look into, change, end.

use super::Body;
use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use chrono::{DateTime, Utc};
use identity::Actor;
use kernel::{Error, Result, Text, clock::from_micros};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::page::PageRequest;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{
    Answer, Desk,
    act::{self, Which},
    business_key, one_of, page, parse, store as tables, subject_of,
};
use crate::{
    InstanceId, Intervention,
    trail::{Trail, trail_of},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, start))
        .routes(routes!(get))
        .routes(routes!(trail))
        .routes(routes!(variables, set_variables))
        .routes(routes!(cancel))
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProcessInstanceView)]
pub(super) struct InstanceView {
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    id: String,
    #[schema(example = "order:3:5f2a91c0")]
    definition: String,
    #[schema(example = "order")]
    key: String,
    /// What it is about.
    #[schema(example = "business:A-17")]
    subject: String,
    /// The program's own key, where it started the instance with one.
    #[schema(example = "A-17")]
    business_key: Option<String>,
    /// `running`, `completed`, `terminated`, `cancelled` or `failed`.
    #[schema(example = "running")]
    status: String,
    /// Places where it stopped.
    incidents: i64,
    started_by: String,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

impl From<tables::InstanceRow> for InstanceView {
    fn from(row: tables::InstanceRow) -> Self {
        let key = row.definition.split(':').next().unwrap_or_default();
        Self {
            key: key.to_owned(),
            business_key: business_key(&row.subject).map(str::to_owned),
            started_at: from_micros(row.started_at),
            ended_at: row.ended_at.map(from_micros),
            id: row.id,
            definition: row.definition,
            subject: row.subject,
            status: row.status,
            incidents: row.incidents,
            started_by: row.started_by,
        }
    }
}

const STATUSES: &[&str] = &["running", "completed", "terminated", "cancelled", "failed"];

#[derive(Debug, Deserialize, IntoParams)]
struct ListQuery {
    /// Key of the definition.
    key: Option<String>,
    /// A certain version.
    definition: Option<String>,
    business_key: Option<String>,
    /// As `case:0192…`.
    subject: Option<String>,
    /// `running`, `completed`, `terminated`, `cancelled` or `failed`; all when left out.
    status: Option<String>,
    /// Only those that stopped somewhere.
    #[serde(default)]
    incident: bool,
    after: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProcessInstances)]
struct Instances {
    items: Vec<InstanceView>,
    /// Value of `after` for the next page; none at the end.
    next: Option<String>,
}

/// Instances, the newest first.
#[utoipa::path(get, path = "/api/process/instances", tag = "process", params(ListQuery),
    responses((status = 200, body = Instances), (status = 403, description = "not allowed")))]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Answer<Json<Instances>> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::READ)?;
    let by_key = subject_of(query.business_key.as_deref())?;
    let filter = tables::InstanceFilter {
        definition: query.definition,
        key: query.key,
        subject: query.subject.or(Some(by_key).filter(|s| !s.is_empty())),
        status: one_of("status", query.status, STATUSES)?,
        has_incident: query.incident,
        ..tables::InstanceFilter::default()
    };
    let page = page(query.after, query.limit)?;
    let page = tables::instances(desk.db.read(), &filter, &page).await?;
    Ok(Json(Instances {
        next: page.next,
        items: page.items.into_iter().map(Into::into).collect(),
    }))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProcessStart)]
struct Start {
    /// The newest version of this key …
    #[schema(example = "order")]
    key: Option<String>,
    /// … or this version.
    definition: Option<String>,
    #[schema(example = "A-17")]
    business_key: Option<String>,
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"amount": 1200, "region": "321000"}))]
    variables: Map<String, Value>,
}

/// Starts a process by key or by version; by message see `/api/process/messages`.
#[utoipa::path(post, path = "/api/process/instances", tag = "process", request_body = Start,
    responses((status = 201, body = InstanceView), (status = 409, description = "no such process"), (status = 422, description = "what is missing")))]
async fn start(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<Start>,
) -> Answer<(StatusCode, Json<InstanceView>)> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::START)?;
    let which = match (body.key, body.definition) {
        (Some(key), None) => Which::Key(key),
        (None, Some(id)) => Which::Version(id),
        _ => {
            let text = Text::new("workflow-start-which");
            return Err(Error::invalid("key", text).into());
        }
    };
    let key = body.business_key.as_deref();
    let id = act::start(&desk, &actor, which, key, body.variables).await?;
    Ok((StatusCode::CREATED, Json(view(&desk, id).await?)))
}

async fn view(desk: &Desk, id: InstanceId) -> Result<InstanceView> {
    let filter = tables::InstanceFilter {
        id: Some(id.to_string()),
        ..tables::InstanceFilter::default()
    };
    let page = tables::instances(desk.db.read(), &filter, &PageRequest::default()).await?;
    let row = page.items.into_iter().next().ok_or(Error::NotFound {
        what: "process instance",
    })?;
    Ok(row.into())
}

/// One instance.
#[utoipa::path(get, path = "/api/process/instances/{id}", tag = "process",
    params(("id" = String, Path, description = "process instance")),
    responses((status = 200, body = InstanceView), (status = 404, description = "no such instance")))]
async fn get(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<InstanceView>> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::READ)?;
    Ok(Json(view(&desk, parse(&id, "process instance")?).await?))
}

/// What it went through, step by step, with times; `live` lists what waits.
#[utoipa::path(get, path = "/api/process/instances/{id}/trail", tag = "process",
    params(("id" = String, Path, description = "process instance")),
    responses((status = 200, body = Trail), (status = 404, description = "no such instance")))]
async fn trail(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<Trail>> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::READ)?;
    let id = parse(&id, "process instance")?;
    Ok(Json(trail_of(&desk.db, &desk.engine, id).await?))
}

/// Variables of the process.
#[utoipa::path(get, path = "/api/process/instances/{id}/variables", tag = "process",
    params(("id" = String, Path, description = "process instance")),
    responses((status = 200, body = Object, example = json!({"amount": 1200}))))]
async fn variables(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<Map<String, Value>>> {
    let desk = Desk::of(&app)?;
    let id = parse(&id, "process instance")?;
    Ok(Json(act::variables(&desk, &actor, id).await?))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProcessSetVariables)]
struct SetVariables {
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"amount": 900}))]
    variables: Map<String, Value>,
    #[serde(default)]
    #[schema(example = "the invoice was corrected")]
    reason: String,
}

/// Changes variables, saying why; those not named stay.
#[utoipa::path(patch, path = "/api/process/instances/{id}/variables", tag = "process", request_body = SetVariables,
    params(("id" = String, Path, description = "process instance")),
    responses((status = 204, description = "changed"), (status = 409, description = "the instance has ended")))]
async fn set_variables(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<SetVariables>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    let id = parse(&id, "process instance")?;
    let set = Intervention::Set(body.variables);
    act::change(&desk, &actor, id, set, &body.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProcessCancel)]
struct Cancel {
    #[serde(default)]
    #[schema(example = "ordered twice")]
    reason: String,
}

/// Ends an instance that no application owns, saying why; its open tasks go.
#[utoipa::path(post, path = "/api/process/instances/{id}/cancel", tag = "process", request_body = Cancel,
    params(("id" = String, Path, description = "process instance")),
    responses((status = 204, description = "ended"), (status = 409, description = "it has ended, or an application owns it")))]
async fn cancel(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<Cancel>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    let id = parse(&id, "process instance")?;
    act::change(&desk, &actor, id, Intervention::Cancel, &body.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}
