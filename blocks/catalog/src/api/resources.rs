//! Entries of the catalog.

use axum::{
    Json,
    extract::{Path, Query, State as From},
};
use chrono::{DateTime, Utc};
use identity::{Actor, Gate, Resource};
use kernel::clock::from_micros;
use serde::{Deserialize, Serialize};
use store::page::PageRequest;
use utoipa::{IntoParams, ToSchema};
use web::{App, Page, WebError};

use crate::{
    check::{Report, Weight},
    class::{self, Class},
    difference::Change,
    metadata::Metadata,
    resource::{
        Entry, State,
        act::{self, Quality, Submissions},
        store::{Facets, Filter},
    },
};

type Answer<T> = Result<Json<T>, WebError>;

/// What a search asks for; also the query of the pages and of the export.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct Search {
    /// Words of name, abstract, code, provider and items.
    pub q: String,
    #[param(inline)]
    pub state: Option<State>,
    /// Social credit code.
    pub provider: String,
    /// Beginning of the class.
    pub class: String,
    /// 1, 2 or 3.
    pub share_type: String,
    pub format_class: String,
    pub cycle: String,
    pub is_open: Option<bool>,
    /// Only data that was not renewed in time.
    pub overdue: bool,
    /// Only entries that break rules.
    pub faulty: bool,
}

impl Search {
    pub fn filter(&self) -> Filter {
        Filter {
            q: self.q.clone(),
            state: self.state,
            provider: self.provider.clone(),
            class: self.class.clone(),
            share_type: self.share_type.clone(),
            format_class: self.format_class.clone(),
            cycle: self.cycle.clone(),
            is_open: self.is_open,
            only_overdue: self.overdue,
            only_faulty: self.faulty,
            ..Filter::default()
        }
    }
}

#[derive(Deserialize, IntoParams)]
pub(super) struct AfterQuery {
    /// `next` of the page before.
    after: Option<String>,
    /// At most 500.
    limit: Option<u32>,
}

/// An entry in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = CatalogEntry)]
pub(super) struct EntryView {
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    id: String,
    #[schema(example = "101001/000001")]
    code: Option<String>,
    #[schema(example = "人口基本信息（合成）")]
    name: String,
    #[schema(example = "11321000990000033R")]
    provider: String,
    provider_name: String,
    state: State,
    /// Versions published.
    number: i64,
    share_type: String,
    is_open: bool,
    is_overdue: bool,
    data_at: Option<DateTime<Utc>>,
    /// Rules that the working copy breaks.
    errors: i64,
    /// The catalog it came from; empty for our own.
    origin: String,
    /// Give it with each change.
    version: i64,
}

impl std::convert::From<&Entry> for EntryView {
    fn from(row: &Entry) -> Self {
        Self {
            id: row.id.clone(),
            code: row.code.clone(),
            name: row.name.clone(),
            provider: row.provider.clone(),
            provider_name: row.provider_name.clone(),
            state: row.standing(),
            number: row.number,
            share_type: row.share_type.clone(),
            is_open: row.is_open,
            is_overdue: row.is_overdue,
            data_at: row.data_at.map(from_micros),
            errors: row.errors,
            origin: row.origin.clone(),
            version: row.version,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = CatalogList)]
pub(super) struct EntryList {
    items: Vec<EntryView>,
    next: Option<String>,
}

/// Searches the catalog; the newest entries first.
#[utoipa::path(get, path = "/api/catalog/resources", tag = "catalog", params(Search, AfterQuery),
    responses((status = 200, body = EntryList), (status = 403)))]
pub(super) async fn list(
    From(app): From<App>,
    actor: Actor,
    Query(search): Query<Search>,
    Query(page): Query<AfterQuery>,
) -> Answer<EntryList> {
    let page = PageRequest::new(page.after, page.limit);
    let page = act::list(&app, &actor, &search.filter(), &page).await?;
    Ok(Json(EntryList {
        items: page.items.iter().map(EntryView::from).collect(),
        next: page.next,
    }))
}

#[derive(Serialize, ToSchema)]
#[schema(as = CatalogEntryCreated)]
pub(super) struct Created {
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    id: String,
}

/// Drafts an entry for one of the caller's organisations.
#[utoipa::path(post, path = "/api/catalog/resources", tag = "catalog", request_body = Metadata,
    responses((status = 200, body = Created), (status = 403), (status = 422)))]
pub(super) async fn create(
    From(app): From<App>,
    actor: Actor,
    Json(entry): Json<Metadata>,
) -> Answer<Created> {
    let id = act::create(&app, &actor, entry).await?;
    Ok(Json(Created { id }))
}

#[derive(Serialize, ToSchema)]
#[schema(as = CatalogEntryDetail)]
pub(super) struct Detail {
    #[serde(flatten)]
    entry: EntryView,
    metadata: Metadata,
    /// The next version, for those who may see drafts.
    working: Option<Metadata>,
    versions: Vec<VersionView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CatalogVersion)]
struct VersionView {
    number: i64,
    published_at: DateTime<Utc>,
    reason: String,
}

async fn detail(app: &App, actor: &Actor, id: &str) -> Answer<Detail> {
    let view = act::get(app, actor, id).await?;
    let versions = view.versions.iter().map(|version| VersionView {
        number: version.number,
        published_at: from_micros(version.published_at),
        reason: version.reason.clone(),
    });
    Ok(Json(Detail {
        entry: EntryView::from(&view.row),
        versions: versions.collect(),
        metadata: view.metadata,
        working: view.working,
    }))
}

/// One entry, by its id or its code (with `%2F` for the stroke).
#[utoipa::path(get, path = "/api/catalog/resources/{id}", tag = "catalog",
    params(("id" = String, Path, example = "101001%2F000001")),
    responses((status = 200, body = Detail), (status = 403), (status = 404)))]
pub(super) async fn show(
    From(app): From<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Detail> {
    detail(&app, &actor, &id).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CatalogEntryChange)]
pub(super) struct Saving {
    /// Version that the caller has seen.
    #[schema(example = 1)]
    version: i64,
    metadata: Metadata,
}

/// Writes the working copy of a draft or a revision.
#[utoipa::path(put, path = "/api/catalog/resources/{id}", tag = "catalog",
    params(("id" = String, Path)), request_body = Saving,
    responses((status = 200, body = Detail), (status = 403), (status = 404),
        (status = 409, description = "Changed by somebody else, or under review"), (status = 422)))]
pub(super) async fn save(
    From(app): From<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<Saving>,
) -> Answer<Detail> {
    act::save(&app, &actor, &id, body.version, body.metadata).await?;
    detail(&app, &actor, &id).await
}

/// What the quality check says of an entry.
#[derive(Serialize, ToSchema)]
#[schema(as = CatalogCheck)]
pub(super) struct Checked {
    passes: bool,
    /// Rules that spoke of the entry.
    #[schema(example = 42)]
    rules: u32,
    /// Rules kept, in thousandths.
    #[schema(example = 976)]
    rate: i64,
    findings: Vec<CheckedFinding>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CatalogFinding)]
struct CheckedFinding {
    #[schema(example = "items/3/length")]
    place: String,
    weight: Weight,
    /// The rule and the remedy.
    text: String,
}

impl Checked {
    fn of(p: &Page, report: &Report) -> Self {
        let findings = report.defects.iter().map(|defect| CheckedFinding {
            place: defect.place.clone(),
            weight: defect.weight,
            text: p.say(&defect.text),
        });
        Self {
            passes: report.passes(),
            rules: report.rules,
            rate: report.rate(),
            findings: findings.collect(),
        }
    }
}

/// Checks the working copy.
#[utoipa::path(get, path = "/api/catalog/resources/{id}/check", tag = "catalog",
    params(("id" = String, Path)),
    responses((status = 200, body = Checked), (status = 403), (status = 404)))]
pub(super) async fn findings(
    From(app): From<App>,
    actor: Actor,
    p: Page,
    Path(id): Path<String>,
) -> Answer<Checked> {
    let view = act::get(&app, &actor, &id).await?;
    let report = act::report(&app, &view.row).await?;
    Ok(Json(Checked::of(&p, &report)))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct Between {
    /// 0 for nothing.
    #[param(example = 1)]
    from: i64,
    /// 0 for the working copy.
    #[param(example = 2)]
    to: i64,
}

/// What changed from one version to another.
#[utoipa::path(get, path = "/api/catalog/resources/{id}/differences", tag = "catalog",
    params(("id" = String, Path), Between),
    responses((status = 200, body = Vec<Change>), (status = 403), (status = 404)))]
pub(super) async fn differences(
    From(app): From<App>,
    actor: Actor,
    Path(id): Path<String>,
    Query(between): Query<Between>,
) -> Answer<Vec<Change>> {
    let view = act::get(&app, &actor, &id).await?;
    Ok(Json(act::compare(&view, between.from, between.to)?))
}

/// What is done to an entry besides writing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CatalogEntryMove)]
pub enum Move {
    /// Check it, and have it approved.
    Submit,
    /// Begin the next version.
    Revise,
    /// Give the working copy up.
    Discard,
    /// Ask that it shall hold no longer.
    Withdraw,
    /// The data was renewed.
    Renew,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CatalogEntryStep)]
pub(super) struct Moving {
    step: Move,
    /// Version that the caller has seen.
    #[schema(example = 1)]
    version: i64,
    /// Why; with `withdraw`.
    #[serde(default)]
    #[schema(example = "职能调整，不再采集")]
    reason: String,
    /// When the data was renewed; now where nothing is said.
    at: Option<DateTime<Utc>>,
}

/// Carries a step out; the answer is empty where nothing is left.
pub async fn carry_out(
    app: &App,
    actor: &Actor,
    id: &str,
    step: Move,
    version: i64,
    reason: &str,
    at: Option<DateTime<Utc>>,
) -> kernel::Result<Option<Entry>> {
    match step {
        Move::Submit => act::submit(app, actor, id, version).await.map(Some),
        Move::Revise => act::revise(app, actor, id, version).await.map(Some),
        Move::Discard => act::discard(app, actor, id, version).await,
        Move::Withdraw => act::withdraw(app, actor, id, version, reason)
            .await
            .map(Some),
        Move::Renew => act::renew(app, actor, id, at).await.map(Some),
    }
}

/// Moves an entry on. Reviews are tasks of its process: complete them at `/api/workflow/tasks`.
#[utoipa::path(post, path = "/api/catalog/resources/{id}/steps", tag = "catalog",
    params(("id" = String, Path)), request_body = Moving,
    responses((status = 200, body = Option<EntryView>), (status = 403), (status = 404),
        (status = 409, description = "Changed by somebody else, or in another state"),
        (status = 422, description = "The entry breaks rules; each is named")))]
pub(super) async fn advance(
    From(app): From<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<Moving>,
) -> Answer<Option<EntryView>> {
    act::get(&app, &actor, &id).await?;
    let row = carry_out(
        &app,
        &actor,
        &id,
        body.step,
        body.version,
        &body.reason,
        body.at,
    )
    .await?;
    Ok(Json(row.as_ref().map(EntryView::from)))
}

/// How many entries have each value, for narrowing a search.
#[utoipa::path(get, path = "/api/catalog/facets", tag = "catalog", params(Search),
    responses((status = 200, body = Facets), (status = 403)))]
pub(super) async fn facets(
    From(app): From<App>,
    actor: Actor,
    Query(search): Query<Search>,
) -> Answer<Facets> {
    Ok(Json(act::facets(&app, &actor, &search.filter()).await?))
}

/// How many entries pass the check.
#[utoipa::path(get, path = "/api/catalog/quality", tag = "catalog",
    responses((status = 200, body = Quality), (status = 403)))]
pub(super) async fn quality(From(app): From<App>, actor: Actor) -> Answer<Quality> {
    Ok(Json(act::quality(&app, &actor).await?))
}

/// The tree of classes, each below the one it belongs to.
#[utoipa::path(get, path = "/api/catalog/classes", tag = "catalog",
    responses((status = 200, body = Vec<Class>), (status = 403)))]
pub(super) async fn classes(From(app): From<App>, actor: Actor) -> Answer<Vec<Class>> {
    let gate = app.part::<Gate>()?;
    actor.may(&gate, "catalog.read", &Resource::system())?;
    Ok(Json(class::list(app.db().read()).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CatalogSubmission)]
pub(super) struct Submitting {
    /// Whose drafts; social credit code.
    #[schema(example = "11321000990000033R")]
    provider: String,
}

/// Submits the drafts and revisions of a provider that pass the check, 200 at a time.
#[utoipa::path(post, path = "/api/catalog/submissions", tag = "catalog", request_body = Submitting,
    responses((status = 200, body = Submissions), (status = 403)))]
pub(super) async fn submit_all(
    From(app): From<App>,
    actor: Actor,
    Json(body): Json<Submitting>,
) -> Answer<Submissions> {
    Ok(Json(act::submit_all(&app, &actor, &body.provider).await?))
}
