//! Comparing records with each other, and deciding which are one.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use chrono::{DateTime, Utc};
use identity::Actor;
use kernel::clock::from_micros;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::page::PageRequest;
use utoipa::{IntoParams, ToSchema};
use web::{App, WebError};

use super::view::shown;
use crate::{
    matching::{
        PairState, RunState, Thresholds, Verdict,
        act::{self, Deciding, PairView, Starting},
        bits, probability,
    },
    record::act::View,
    schema::{match_pair, match_run},
};

type Answer<T> = Result<Json<T>, WebError>;

fn usual_link() -> f64 {
    Thresholds::default().link_from
}

fn usual_review() -> f64 {
    Thresholds::default().review_from
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRun {
    #[schema(example = "population")]
    registry: String,
    /// The registry on the other side; none to look for duplicates.
    other: Option<String>,
    /// Kept with the run.
    #[schema(example = "人口库查重")]
    purpose: String,
    /// Pairs of this probability and more are linked.
    #[serde(default = "usual_link")]
    #[schema(example = 0.99)]
    link_from: f64,
    /// Pairs of this probability and more are shown to a person.
    #[serde(default = "usual_review")]
    #[schema(example = 0.2)]
    review_from: f64,
    /// Merge what reaches `link_from` without a person looking at it.
    #[serde(default)]
    links_itself: bool,
}

#[derive(Serialize, ToSchema)]
pub(super) struct StartedRun {
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    id: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct RunView {
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    id: String,
    #[schema(example = "population")]
    registry: String,
    #[schema(example = "population")]
    other: String,
    purpose: String,
    state: RunState,
    /// Part of the work that is done, 0 to 1.
    #[schema(example = 0.5)]
    progress: f64,
    link_from: f64,
    review_from: f64,
    links_itself: bool,
    records: i64,
    /// Pairs that were weighed.
    candidates: i64,
    /// Pairs that were not, because too many records share what brings them together.
    skipped: i64,
    linked: i64,
    to_review: i64,
    /// What was learnt: of each level of agreement how often it occurs among matches (`m`) and
    /// others (`u`), and its weight in bits.
    #[schema(value_type = Object)]
    model: Value,
    started_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    /// Why it was given up, for operators; empty for nothing.
    #[schema(example = "")]
    problem: String,
}

impl RunView {
    fn of(row: match_run::Model) -> Self {
        Self {
            progress: progress(&row),
            state: RunState::of_name(&row.state),
            link_from: probability(bits(row.link_from)),
            review_from: probability(bits(row.review_from)),
            model: serde_json::from_str(&row.model).unwrap_or_default(),
            started_at: from_micros(row.started_at),
            finished_at: row.finished_at.map(from_micros),
            problem: row.problem,
            id: row.id,
            registry: row.registry,
            other: row.other,
            purpose: row.purpose,
            links_itself: row.links_itself,
            records: row.records,
            candidates: row.candidates,
            skipped: row.skipped,
            linked: row.linked,
            to_review: row.to_review,
        }
    }
}

/// Part of a run's work that is done, 0 to 1.
pub fn progress(row: &match_run::Model) -> f64 {
    // In thousandths, because both are far below what a real number holds exactly.
    let part = row.done.saturating_mul(1000) / row.total.max(1);
    f64::from(i32::try_from(part.clamp(0, 1000)).unwrap_or_default()) / 1000.0
}

#[derive(Serialize, ToSchema)]
pub(super) struct RunList {
    items: Vec<RunView>,
    next: Option<String>,
}

#[derive(Deserialize, IntoParams)]
pub(super) struct AfterQuery {
    /// `next` of the page before.
    after: Option<String>,
}

/// Starts a comparison of a registry's records with each other, or with those of another.
#[utoipa::path(post, path = "/api/registry-matching/runs", tag = "registry", request_body = NewRun,
    responses((status = 200, body = StartedRun), (status = 403), (status = 404),
        (status = 409, description = "One of the registry's comparisons is not over"), (status = 422)))]
pub(super) async fn start(
    State(app): State<App>,
    actor: Actor,
    Json(body): Json<NewRun>,
) -> Answer<StartedRun> {
    let starting = Starting {
        registry: body.registry,
        other: body.other,
        purpose: body.purpose,
        thresholds: Thresholds {
            link_from: body.link_from,
            review_from: body.review_from,
        },
        links_itself: body.links_itself,
    };
    let id = act::start(&app, &actor, &starting).await?;
    Ok(Json(StartedRun { id }))
}

/// Comparisons, newest first.
#[utoipa::path(get, path = "/api/registry-matching/runs", tag = "registry", params(AfterQuery),
    responses((status = 200, body = RunList), (status = 403)))]
pub(super) async fn runs(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<AfterQuery>,
) -> Answer<RunList> {
    let page = act::list_runs(&app, &actor, &PageRequest::new(query.after, None)).await?;
    Ok(Json(RunList {
        items: page.items.into_iter().map(RunView::of).collect(),
        next: page.next,
    }))
}

/// One comparison: how far it is, what it found, what it learnt.
#[utoipa::path(get, path = "/api/registry-matching/runs/{id}", tag = "registry",
    params(("id" = String, Path)),
    responses((status = 200, body = RunView), (status = 403), (status = 404)))]
pub(super) async fn run(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<RunView> {
    Ok(Json(RunView::of(act::get_run(&app, &actor, &id).await?)))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct PairQuery {
    #[param(example = "population")]
    registry: String,
    /// `open` where nothing is said.
    #[param(inline)]
    state: Option<PairState>,
    /// `next` of the page before.
    after: Option<String>,
}

/// One part of a pair's weight.
#[derive(Serialize, ToSchema)]
struct PartView {
    #[schema(example = "name")]
    comparison: &'static str,
    #[schema(example = "same")]
    level: &'static str,
    /// log2 of how much likelier this agreement is for the same person.
    #[schema(example = 7.2)]
    weight: f64,
    /// More for a rare value, less for a common one.
    #[schema(example = -1.3)]
    rarity: f64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct PairSummary {
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a12")]
    id: String,
    registry: String,
    left: String,
    other: String,
    right: String,
    /// log2 of the odds that the two are one.
    #[schema(example = 3.4)]
    weight: f64,
    #[schema(example = 0.913)]
    probability: f64,
    /// Both have the same right number.
    is_key: bool,
    state: PairState,
    reason: String,
    decided_at: Option<DateTime<Utc>>,
    /// Undo it by this id, or by deciding `different`.
    merge: Option<String>,
    version: i64,
}

impl PairSummary {
    fn of(row: match_pair::Model) -> Self {
        Self {
            weight: bits(row.weight),
            probability: probability(bits(row.weight)),
            is_key: row.is_key,
            state: PairState::of_name(&row.state),
            decided_at: row.decided_at.map(from_micros),
            id: row.id,
            registry: row.registry,
            left: row.left_record,
            other: row.other,
            right: row.right_record,
            reason: row.reason,
            merge: row.merge,
            version: row.version,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct PairList {
    items: Vec<PairSummary>,
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct PairDetail {
    #[serde(flatten)]
    pair: PairSummary,
    /// log2 of the odds before anything is compared.
    #[schema(example = -17.9)]
    prior: f64,
    parts: Vec<PartView>,
    /// By field, masked unless a purpose was told.
    #[schema(value_type = Object, example = json!({"gmsfhm": "320000********0039", "xm": "张*明"}))]
    left_values: Map<String, Value>,
    #[schema(value_type = Object, example = json!({"gmsfhm": "320000********0047", "xm": "张*明"}))]
    right_values: Map<String, Value>,
}

impl PairDetail {
    fn of(view: PairView) -> Self {
        let parts = view.explanation.parts.iter().map(|part| PartView {
            comparison: part.comparison.name(),
            level: part.level.name(),
            weight: part.weight,
            rarity: part.rarity,
        });
        Self {
            prior: view.explanation.prior,
            parts: parts.collect(),
            left_values: values(&view.left),
            right_values: values(&view.right),
            pair: PairSummary::of(view.row),
        }
    }
}

fn values(view: &View) -> Map<String, Value> {
    let fields = view.declaration.fields.iter();
    let values = fields.filter_map(|field| {
        let told = &view.folded.fields.get(&field.id)?.told;
        Some((
            field.id.clone(),
            shown(field, &told.value, view.is_unmasked),
        ))
    });
    values.collect()
}

/// Pairs of a registry in a state, the likeliest first.
#[utoipa::path(get, path = "/api/registry-matching/pairs", tag = "registry", params(PairQuery),
    responses((status = 200, body = PairList), (status = 403), (status = 404)))]
pub(super) async fn pairs(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<PairQuery>,
) -> Answer<PairList> {
    let page = PageRequest::new(query.after, None);
    let state = query.state.unwrap_or(PairState::Open);
    let page = act::list_pairs(&app, &actor, &query.registry, state, &page).await?;
    Ok(Json(PairList {
        items: page.items.into_iter().map(PairSummary::of).collect(),
        next: page.next,
    }))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct LookQuery {
    /// Kept with the looks at both records; needed for whole values.
    #[serde(default)]
    #[param(example = "人口库查重")]
    purpose: String,
    /// Whether sensitive values are wanted whole.
    #[serde(default)]
    unmask: bool,
}

/// One pair: both records, and where its weight comes from.
#[utoipa::path(get, path = "/api/registry-matching/pairs/{id}", tag = "registry",
    params(("id" = String, Path), LookQuery),
    responses((status = 200, body = PairDetail), (status = 403), (status = 404), (status = 422)))]
pub(super) async fn pair(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Query(query): Query<LookQuery>,
) -> Answer<PairDetail> {
    let view = act::open_pair(&app, &actor, &id, &query.purpose, query.unmask).await?;
    Ok(Json(PairDetail::of(view)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PairDecision {
    verdict: Verdict,
    /// Version that the caller has seen.
    #[schema(example = 1)]
    version: i64,
    /// Needed unless it is put off.
    #[serde(default)]
    #[schema(example = "电话核实为同一人")]
    reason: String,
}

/// Decides whether two records are one; records of one registry are merged, or parted again.
#[utoipa::path(post, path = "/api/registry-matching/pairs/{id}/decision", tag = "registry",
    params(("id" = String, Path)), request_body = PairDecision,
    responses((status = 200, body = PairSummary), (status = 403), (status = 404),
        (status = 409, description = "Decided by somebody else meanwhile, or so already"), (status = 422)))]
pub(super) async fn decide(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<PairDecision>,
) -> Answer<PairSummary> {
    let deciding = Deciding {
        verdict: body.verdict,
        version: body.version,
        reason: body.reason,
    };
    let row = act::decide(&app, &actor, &id, &deciding).await?;
    Ok(Json(PairSummary::of(row)))
}
