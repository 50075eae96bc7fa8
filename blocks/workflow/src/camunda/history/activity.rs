//! What one instance went through, step by step.

use std::cmp::Ordering;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
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
    InstanceId, Stay,
    camunda::{
        Answer,
        search::{self, Asked, Count, Paging, Sorting, moment},
        value::written,
    },
    rest::{Body, Desk, act},
    trail::trail_of,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, query))
        .routes(routes!(count, count_query))
}

/// Which steps of an instance are wanted; each parameter narrows further.
#[derive(Debug, Default, Deserialize, ToSchema, IntoParams)]
#[schema(as = CamundaActivityQuery, example = json!({"processInstanceId": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "finished": true}))]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ActivityQuery {
    /// Which instance; must be given.
    process_instance_id: Option<String>,
    activity_id: Option<String>,
    activity_name: Option<String>,
    /// As `userTask`.
    activity_type: Option<String>,
    finished: bool,
    unfinished: bool,
    #[serde(deserialize_with = "moment")]
    started_before: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "moment")]
    started_after: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "moment")]
    finished_before: Option<DateTime<Utc>>,
    #[serde(deserialize_with = "moment")]
    finished_after: Option<DateTime<Utc>>,
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

impl ActivityQuery {
    fn wants(&self, stay: &Stay) -> bool {
        let is = |wanted: &Option<String>, word: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == word)
        };
        let is_over = stay.left_at.is_some();
        let (started, ended) = (
            (self.started_after, self.started_before),
            (self.finished_after, self.finished_before),
        );
        is(&self.activity_id, &stay.element)
            && is(&self.activity_name, &stay.name)
            && is(&self.activity_type, &stay.kind)
            && (!self.finished || is_over)
            && (!self.unfinished || !is_over)
            && is_between(Some(stay.entered_at), started)
            && is_between(stay.left_at, ended)
    }
}

type Moment = Option<DateTime<Utc>>;

/// After one moment and before another, to the millisecond; what has none is in no such time.
fn is_between(at: Moment, (after, before): (Moment, Moment)) -> bool {
    let millis = |at: DateTime<Utc>| at.timestamp_millis();
    let holds = |bound: Moment, wanted: Ordering| {
        bound.is_none_or(|bound| at.is_some_and(|at| millis(at).cmp(&millis(bound)) == wanted))
    };
    holds(after, Ordering::Greater) && holds(before, Ordering::Less)
}

/// By what steps are ordered.
#[derive(Clone, Copy)]
enum By {
    /// As they came.
    Occurrence,
    Element,
    Name,
    Kind,
    Start,
    End,
    Span,
    /// The same for all steps of an instance.
    Instance,
}

const ORDERS: &[(&str, By)] = &[
    ("activityInstanceId", By::Occurrence),
    ("occurrence", By::Occurrence),
    ("activityId", By::Element),
    ("activityName", By::Name),
    ("activityType", By::Kind),
    ("startTime", By::Start),
    ("endTime", By::End),
    ("duration", By::Span),
    ("instanceId", By::Instance),
    ("executionId", By::Instance),
    ("definitionId", By::Instance),
];

/// A step and its place among those of its instance.
type Nth = (usize, Stay);

impl By {
    fn compare(self, (m, a): &Nth, (n, b): &Nth) -> Ordering {
        match self {
            Self::Occurrence => m.cmp(n),
            Self::Element => a.element.cmp(&b.element),
            Self::Name => a.name.cmp(&b.name),
            Self::Kind => a.kind.cmp(&b.kind),
            Self::Start => a.entered_at.cmp(&b.entered_at),
            Self::End => a.left_at.cmp(&b.left_at),
            Self::Span => span(a).cmp(&span(b)),
            Self::Instance => Ordering::Equal,
        }
    }

    /// What is not over has no value here and comes last, whatever the direction.
    fn is_missing(self, (_, stay): &Nth) -> bool {
        matches!(self, Self::End | Self::Span) && stay.left_at.is_none()
    }
}

fn sort(steps: &mut [Nth], order: &[(By, Order)]) {
    for (by, direction) in order.iter().rev() {
        steps.sort_by(|a, b| {
            let missing = by.is_missing(a).cmp(&by.is_missing(b));
            let compared = by.compare(a, b);
            missing.then(match direction {
                Order::Desc => compared.reverse(),
                _ => compared,
            })
        });
    }
}

/// Milliseconds of a step that is over.
fn span(stay: &Stay) -> Option<i64> {
    let left_at = stay.left_at?;
    Some((left_at - stay.entered_at).num_milliseconds())
}

/// An instance's definition and those of its steps that are wanted.
async fn wanted(
    desk: &Desk,
    actor: &Actor,
    query: &ActivityQuery,
) -> Result<Option<(InstanceId, String, Vec<Nth>)>> {
    desk.check(actor, act::READ)?;
    let Some(id) = named(query.process_instance_id.as_ref())? else {
        return Ok(None);
    };
    let trail = found(trail_of(&desk.db, &desk.engine, id).await.map(Some))?;
    Ok(trail.map(|trail| {
        let steps = trail.steps.into_iter().enumerate();
        let steps = steps.filter(|(_, stay)| query.wants(stay)).collect();
        (id, trail.definition, steps)
    }))
}

async fn find(
    app: &App,
    actor: &Actor,
    query: &ActivityQuery,
    address: Paging,
) -> Result<Vec<Value>> {
    let desk = Desk::of(app)?;
    let sorting = Sorting {
        sort_by: query.sort_by.clone(),
        sort_order: query.sort_order.clone(),
    };
    let wanted = wanted(&desk, actor, query).await?;
    let order = search::order(&sorting, &query.sorting, ORDERS)?;
    let Some((id, definition, mut steps)) = wanted else {
        return Ok(Vec::new());
    };
    sort(&mut steps, &order);
    let page = address.or(Paging {
        first_result: query.first_result,
        max_results: query.max_results,
    });
    let wanted = page.of(steps.iter());
    Ok(wanted.map(|step| body(id, &definition, step)).collect())
}

fn body(id: InstanceId, definition: &str, (n, stay): &Nth) -> Value {
    json!({
        "id": format!("{id}:{n}"),
        "parentActivityInstanceId": id,
        "processInstanceId": id,
        "rootProcessInstanceId": id,
        "executionId": id,
        "processDefinitionId": definition,
        "processDefinitionKey": definition.split(':').next(),
        "activityId": stay.element,
        "activityName": stay.name,
        "activityType": stay.kind,
        "startTime": written(stay.entered_at),
        "endTime": stay.left_at.map(written),
        "durationInMillis": span(stay),
        "canceled": stay.is_cancelled,
        "tenantId": null,
    })
}

/// What an instance went through, as it came unless `sortBy` says otherwise.
#[utoipa::path(get, path = "/history/activity-instance", tag = "camunda", params(ActivityQuery),
    responses((status = 400, description = "no instance, or a parameter that is not known; the message names it"), (status = 200, body = Vec<Object>, example = json!([{"activityId": "pay", "activityType": "serviceTask", "startTime": "2026-03-02T09:00:00.000+0000"}]))))]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Asked(query): Asked<ActivityQuery>,
) -> Answer<Json<Vec<Value>>> {
    Ok(Json(find(&app, &actor, &query, Paging::default()).await?))
}

/// The same, asked for by a body.
#[utoipa::path(post, path = "/history/activity-instance", tag = "camunda", params(Paging), request_body = ActivityQuery,
    responses((status = 400, description = "no instance, or a field that is not known; the message names it"), (status = 200, body = Vec<Object>, example = json!([{"activityId": "pay", "activityType": "serviceTask", "startTime": "2026-03-02T09:00:00.000+0000"}]))))]
async fn query(
    State(app): State<App>,
    actor: Actor,
    Asked(page): Asked<Paging>,
    Body(query): Body<ActivityQuery>,
) -> Answer<Json<Vec<Value>>> {
    Ok(Json(find(&app, &actor, &query, page).await?))
}

/// The steps of one instance are put together from its trail, so they are counted there.
async fn number(app: &App, actor: &Actor, query: &ActivityQuery) -> Result<Json<Count>> {
    let desk = Desk::of(app)?;
    let wanted = wanted(&desk, actor, query).await?;
    let number = wanted.map_or(0, |(_, _, steps)| steps.len() as u64);
    Ok(Json(number.into()))
}

/// How many steps an instance went through; order and part of a list change nothing.
#[utoipa::path(get, path = "/history/activity-instance/count", tag = "camunda", params(ActivityQuery),
    responses((status = 400, description = "no instance, or a parameter that is not known; the message names it"), (status = 200, body = Count)))]
async fn count(
    State(app): State<App>,
    actor: Actor,
    Asked(query): Asked<ActivityQuery>,
) -> Answer<Json<Count>> {
    Ok(number(&app, &actor, &query).await?)
}

/// The same, asked for by a body.
#[utoipa::path(post, path = "/history/activity-instance/count", tag = "camunda", request_body = ActivityQuery,
    responses((status = 400, description = "no instance, or a field that is not known; the message names it"), (status = 200, body = Count)))]
async fn count_query(
    State(app): State<App>,
    actor: Actor,
    Body(query): Body<ActivityQuery>,
) -> Answer<Json<Count>> {
    Ok(number(&app, &actor, &query).await?)
}
