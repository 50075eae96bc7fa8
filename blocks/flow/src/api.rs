//! The JSON doors.

use ::store::page::PageRequest;
use axum::{
    Json,
    extract::{Path, Query, State},
};
use identity::Actor;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{App, WebError};

use crate::{
    batch,
    feed::{self, act::RefusedRow},
    grant::Missing,
    said::Said,
    trace,
};

type Answer<T> = Result<Json<T>, WebError>;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(retry))
        .routes(routes!(retry_registry))
        .routes(routes!(refused))
}

/// A resource and how far its batches are.
#[derive(Serialize, ToSchema)]
struct FlowLine {
    #[schema(example = "hukou-person")]
    publication: String,
    #[schema(example = "户籍人口")]
    title: String,
    /// Code of its entry in the catalog.
    #[schema(example = "101001/000001")]
    resource: String,
    org: String,
    state: exchange::wire::PublicationState,
    /// What its entry says otherwise.
    differences: Vec<Said>,
    /// Batches that wait for the lake, and those that do not get there.
    waiting: i64,
    failed: i64,
    loaded: i64,
    /// Rows in the lake, and rows that were set aside there.
    good: i64,
    bad: i64,
}

/// Every publication from its entry to the lake, the stuck ones first.
#[utoipa::path(get, path = "/api/flow/resources", tag = "flow",
    responses((status = 200, body = Vec<FlowLine>), (status = 403)))]
async fn list(State(app): State<App>, actor: Actor) -> Answer<Vec<FlowLine>> {
    let lines = trace::resources(&app, &actor).await?.into_iter();
    let lines = lines.map(|line| FlowLine {
        publication: line.publication.code,
        title: line.publication.title,
        resource: line.publication.resource,
        org: line.publication.org,
        state: line.publication.state,
        differences: line.differences,
        waiting: line.waiting,
        failed: line.failed,
        loaded: line.loaded,
        good: line.good,
        bad: line.bad,
    });
    Ok(Json(lines.collect()))
}

#[derive(Deserialize, IntoParams)]
struct After {
    /// `next` of the page before.
    after: Option<String>,
}

/// A batch at the lake and at one registry after another.
#[derive(Serialize, ToSchema)]
struct FlowBatch {
    #[schema(example = "019c8f2e-0000-7000-8000-000000000002")]
    batch: String,
    sequence: i64,
    rows: i64,
    deletes: i64,
    /// Rows that the node set aside.
    refused: i64,
    /// Absent where the publication is bound to no entry.
    lake: Option<FlowHop>,
    registries: Vec<FlowHop>,
}

/// What became of a batch at one place.
#[derive(Serialize, ToSchema)]
struct FlowHop {
    /// Table of the lake, or registry.
    #[schema(example = "population")]
    place: String,
    state: batch::State,
    /// Rows that were taken, and those that were not.
    #[schema(example = 128)]
    taken: i64,
    #[schema(example = 1)]
    refused: i64,
    /// Why it does not go on.
    problems: Vec<Said>,
}

/// Who gets rows, or may have them and does not yet.
#[derive(Serialize, ToSchema)]
struct FlowReader {
    #[schema(example = "11321000990000041L")]
    org: String,
    #[schema(example = "核对低保对象户籍")]
    purpose: String,
    columns: Vec<String>,
    /// Number of the granted request.
    grant: String,
    /// Empty while something is missing.
    subscription: String,
    missing: Option<Missing>,
    /// Rows that its database has.
    applied: i64,
}

/// A resource from its entry to its readers.
#[derive(Serialize, ToSchema)]
struct FlowResource {
    publication: String,
    /// Version of its entry that holds; 0 where it is bound to none.
    entry_version: i64,
    /// Table of the lake.
    #[schema(example = "ods_hukou_person")]
    table: String,
    differences: Vec<Said>,
    batches: Vec<FlowBatch>,
    readers: Vec<FlowReader>,
    /// Give it as `after` for older batches.
    next: Option<String>,
}

/// One publication: its entry, batches at every hop, and readers.
#[utoipa::path(get, path = "/api/flow/resources/{publication}", tag = "flow",
    params(("publication" = String, Path, example = "hukou-person"), After),
    responses((status = 200, body = FlowResource), (status = 403), (status = 404)))]
async fn show(
    State(app): State<App>,
    actor: Actor,
    Path(publication): Path<String>,
    Query(query): Query<After>,
) -> Answer<FlowResource> {
    let page = PageRequest::new(query.after, None);
    let found = trace::resource(&app, &actor, &publication, &page).await?;
    let mut batches = Vec::new();
    for journey in &found.journeys {
        batches.push(journey_of(journey)?);
    }
    let mut readers: Vec<_> = found.readers.into_iter().map(reader_of).collect();
    readers.extend(found.waiting.into_iter().map(waiting_of));
    Ok(Json(FlowResource {
        publication,
        entry_version: found.entry.map_or(0, |entry| entry.number),
        table: found.table,
        differences: found.differences,
        batches,
        readers,
        next: found.next,
    }))
}

fn journey_of(journey: &trace::Journey) -> kernel::Result<FlowBatch> {
    let mut registries = Vec::new();
    for (feeding, loaded) in &journey.registries {
        let taken = |b: &registry::batch::Batch| b.inserted + b.updated + b.unchanged;
        registries.push(FlowHop {
            place: feeding.registry.clone(),
            state: batch::State::of_name(&feeding.state),
            taken: loaded.as_ref().map_or(0, taken),
            refused: loaded.as_ref().map_or(0, |batch| batch.refused),
            problems: trace::problems(feeding)?,
        });
    }
    let problems = journey.problems()?;
    let lake = journey.lake.as_ref().map(|lake| FlowHop {
        place: lake.lake.clone(),
        state: lake.standing(),
        taken: lake.good,
        refused: lake.bad,
        problems,
    });
    Ok(FlowBatch {
        batch: journey.sent.id.clone(),
        sequence: journey.sent.sequence,
        rows: journey.sent.rows,
        deletes: journey.sent.deletes,
        refused: journey.sent.refused,
        lake,
        registries,
    })
}

fn reader_of(reader: trace::Reader) -> FlowReader {
    let applied = reader.outcomes.iter().filter(|o| o.state == "applied");
    FlowReader {
        applied: applied.map(|outcome| outcome.rows).sum(),
        org: reader.subscription.org,
        purpose: reader.subscription.purpose,
        columns: reader.subscription.columns,
        grant: reader.subscription.granted_by,
        subscription: reader.subscription.id,
        missing: None,
    }
}

fn waiting_of(waiting: trace::Waiting) -> FlowReader {
    FlowReader {
        org: waiting.grant.applicant.clone(),
        purpose: waiting
            .grant
            .ask()
            .map(|ask| ask.purpose)
            .unwrap_or_default(),
        columns: Vec::new(),
        grant: waiting.grant.id,
        subscription: String::new(),
        missing: Some(waiting.missing),
        applied: 0,
    }
}

/// Lets a batch that does not get into the lake try again.
#[utoipa::path(post, path = "/api/flow/batches/{batch}/retry", tag = "flow",
    params(("batch" = String, Path)),
    responses((status = 200), (status = 403), (status = 404), (status = 409)))]
async fn retry(State(app): State<App>, actor: Actor, Path(batch): Path<String>) -> Answer<()> {
    Ok(Json(batch::act::retry(&app, &actor, &batch).await?))
}

/// Lets a registry try a batch again that it does not take.
#[utoipa::path(post, path = "/api/flow/batches/{batch}/registries/{registry}/retry", tag = "flow",
    params(("batch" = String, Path), ("registry" = String, Path, example = "population")),
    responses((status = 200), (status = 403), (status = 404), (status = 409)))]
async fn retry_registry(
    State(app): State<App>,
    actor: Actor,
    Path((batch, registry)): Path<(String, String)>,
) -> Answer<()> {
    Ok(Json(
        feed::act::retry(&app, &actor, &registry, &batch).await?,
    ))
}

#[derive(Serialize, ToSchema)]
struct FlowRefused {
    items: Vec<RefusedRow>,
    /// Give it as `after` for more.
    next: Option<String>,
}

/// Rows of a batch that a registry refused, with keys and reasons.
#[utoipa::path(get, path = "/api/flow/batches/{batch}/registries/{registry}/refused", tag = "flow",
    params(("batch" = String, Path), ("registry" = String, Path, example = "population"), After),
    responses((status = 200, body = FlowRefused), (status = 403), (status = 404)))]
async fn refused(
    State(app): State<App>,
    actor: Actor,
    Path((batch, registry)): Path<(String, String)>,
    Query(query): Query<After>,
) -> Answer<FlowRefused> {
    let page = PageRequest::new(query.after, None);
    let found = feed::act::refusals(&app, &actor, &registry, &batch, &page).await?;
    Ok(Json(FlowRefused {
        items: found.items,
        next: found.next,
    }))
}
