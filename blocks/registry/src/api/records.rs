//! Registries, records, their history and readers.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use chrono::NaiveDate;
use identity::Actor;
use kernel::Error;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::page::PageRequest;
use utoipa::{IntoParams, ToSchema};
use web::{App, WebError};

use super::view::{RecordView, RegistryView, RowList, RowView, StatementView};
use crate::{
    log,
    record::{
        self,
        act::{self, AsOf, Stating, View},
    },
};

type Answer<T> = Result<Json<T>, WebError>;

/// The registries of this installation.
#[utoipa::path(get, path = "/api/registry", tag = "registry",
    responses((status = 200, body = Vec<RegistryView>), (status = 403)))]
pub(super) async fn list(State(app): State<App>, actor: Actor) -> Answer<Vec<RegistryView>> {
    let all = crate::list(&app, &actor).await?;
    Ok(Json(all.iter().map(|d| RegistryView::of(d)).collect()))
}

/// One registry: its fields, their sources and rules.
#[utoipa::path(get, path = "/api/registry/{registry}", tag = "registry",
    params(("registry" = String, Path, example = "population")),
    responses((status = 200, body = RegistryView), (status = 403), (status = 404)))]
pub(super) async fn describe(
    State(app): State<App>,
    actor: Actor,
    Path(registry): Path<String>,
) -> Answer<RegistryView> {
    let all = crate::list(&app, &actor).await?;
    let found = all.iter().find(|d| d.id == registry);
    let found = found.ok_or(Error::NotFound { what: "registry" })?;
    Ok(Json(RegistryView::of(found)))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct FindQuery {
    /// A number, a name, its pinyin, or the initials of its pinyin. Names and numbers that are not
    /// sensitive may be typed in part.
    #[param(example = "zxm")]
    q: Option<String>,
    /// Only this field is searched.
    field: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    /// Rows at the most, up to 500.
    limit: Option<u32>,
}

/// Finds records; sensitive values are masked.
#[utoipa::path(get, path = "/api/registry/{registry}/records", tag = "registry",
    params(("registry" = String, Path, example = "population"), FindQuery),
    responses((status = 200, body = RowList), (status = 403), (status = 404), (status = 422)))]
pub(super) async fn find(
    State(app): State<App>,
    actor: Actor,
    Path(registry): Path<String>,
    Query(query): Query<FindQuery>,
) -> Answer<RowList> {
    let page = PageRequest::new(query.after, query.limit);
    let q = query.q.unwrap_or_default();
    let found = act::find(&app, &actor, &registry, &q, query.field.as_deref(), &page).await?;
    let declaration = found.declaration;
    let rows = found.page.items.iter();
    Ok(Json(RowList {
        items: rows.map(|row| RowView::of(&declaration, row)).collect(),
        next: found.page.next,
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewStatement {
    #[schema(example = "police")]
    source: String,
    /// The day from which it holds; today where nothing is said.
    #[schema(example = "2026-03-01")]
    valid_from: Option<NaiveDate>,
    #[serde(default)]
    #[schema(example = "窗口登记")]
    reason: String,
    /// By field; null takes back what the source said before.
    #[schema(value_type = Object, example = json!({"gmsfhm": "320000199001010039", "xm": "张小明"}))]
    fields: Map<String, Value>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct StatedView {
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    record: String,
    /// Absent where the source had said all of it before.
    statement: Option<String>,
    is_new: bool,
    /// Raised because a source with more authority says otherwise.
    objections: Vec<String>,
}

/// States facts of one record as a source; makes it where its key is new.
#[utoipa::path(post, path = "/api/registry/{registry}/records", tag = "registry",
    params(("registry" = String, Path, example = "population")), request_body = NewStatement,
    responses((status = 200, body = StatedView), (status = 403), (status = 404), (status = 422)))]
pub(super) async fn state(
    State(app): State<App>,
    actor: Actor,
    Path(registry): Path<String>,
    Json(body): Json<NewStatement>,
) -> Answer<StatedView> {
    let stating = Stating {
        registry,
        source: body.source,
        valid_from: body.valid_from,
        reason: body.reason,
        fields: body.fields,
    };
    let stated = act::state(&app, &actor, &stating).await?;
    Ok(Json(StatedView {
        record: stated.record,
        statement: stated.statement,
        is_new: stated.is_new,
        objections: stated.objections,
    }))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct KeyQuery {
    /// The whole key; the parts of one with several joined by `|`.
    #[param(example = "320000199001010039")]
    key: String,
    /// Kept with the look; needed for whole values.
    #[param(example = "食品经营许可核验")]
    #[serde(default)]
    purpose: String,
    /// Whether sensitive values are wanted whole.
    #[serde(default)]
    unmask: bool,
}

/// The record of a key.
#[utoipa::path(get, path = "/api/registry/{registry}/lookup", tag = "registry",
    params(("registry" = String, Path, example = "population"), KeyQuery),
    responses((status = 200, body = RecordView), (status = 403), (status = 404), (status = 422)))]
pub(super) async fn lookup(
    State(app): State<App>,
    actor: Actor,
    Path(registry): Path<String>,
    Query(query): Query<KeyQuery>,
) -> Answer<RecordView> {
    let view = act::view_by_key(
        &app,
        &actor,
        &registry,
        &query.key,
        &query.purpose,
        query.unmask,
    )
    .await?;
    Ok(Json(RecordView::of(&view)))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct ViewQuery {
    /// As known at the end of that day.
    #[param(example = "2026-03-02")]
    known_on: Option<NaiveDate>,
    /// As valid on that day.
    valid_on: Option<NaiveDate>,
    /// Kept with the look; needed for whole values.
    #[serde(default)]
    #[param(example = "食品经营许可核验")]
    purpose: String,
    /// Whether sensitive values are wanted whole.
    #[serde(default)]
    unmask: bool,
}

async fn view(
    app: &App,
    actor: &Actor,
    at: &(String, String),
    query: &ViewQuery,
) -> Result<View, WebError> {
    let as_of = AsOf {
        known_on: query.known_on,
        valid_on: query.valid_on,
    };
    let view = act::view(
        app,
        actor,
        &at.0,
        &at.1,
        as_of,
        &query.purpose,
        query.unmask,
    )
    .await?;
    Ok(view)
}

/// One record: of each field the value, its source, and what other sources say.
#[utoipa::path(get, path = "/api/registry/{registry}/records/{id}", tag = "registry",
    params(("registry" = String, Path, example = "population"), ("id" = String, Path), ViewQuery),
    responses((status = 200, body = RecordView), (status = 403), (status = 404), (status = 422)))]
pub(super) async fn show(
    State(app): State<App>,
    actor: Actor,
    Path(at): Path<(String, String)>,
    Query(query): Query<ViewQuery>,
) -> Answer<RecordView> {
    Ok(Json(RecordView::of(
        &view(&app, &actor, &at, &query).await?,
    )))
}

/// Every statement about a record, in the order in which they were recorded.
#[utoipa::path(get, path = "/api/registry/{registry}/records/{id}/history", tag = "registry",
    params(("registry" = String, Path, example = "population"), ("id" = String, Path), ViewQuery),
    responses((status = 200, body = Vec<StatementView>), (status = 403), (status = 404)))]
pub(super) async fn history(
    State(app): State<App>,
    actor: Actor,
    Path(at): Path<(String, String)>,
    Query(query): Query<ViewQuery>,
) -> Answer<Vec<StatementView>> {
    let view = view(&app, &actor, &at, &query).await?;
    let statements = view.statements.iter();
    let statements = statements.map(|s| StatementView::of(&view.declaration, s, view.is_unmasked));
    Ok(Json(statements.collect()))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct AfterQuery {
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LookList {
    items: Vec<log::Look>,
    next: Option<String>,
}

/// Who looked at a record, newest first.
#[utoipa::path(get, path = "/api/registry/{registry}/records/{id}/reads", tag = "registry",
    params(("registry" = String, Path, example = "population"), ("id" = String, Path), AfterQuery),
    responses((status = 200, body = LookList), (status = 403), (status = 404)))]
pub(super) async fn reads(
    State(app): State<App>,
    actor: Actor,
    Path((registry, id)): Path<(String, String)>,
    Query(query): Query<AfterQuery>,
) -> Answer<LookList> {
    let page = PageRequest::new(query.after, None);
    let page = log::of_record(&app, &actor, &registry, &id, &page).await?;
    Ok(Json(LookList {
        items: page.items,
        next: page.next,
    }))
}

/// Who looked at the records about the caller, newest first.
#[utoipa::path(get, path = "/api/registry-reads/mine", tag = "registry", params(AfterQuery),
    responses((status = 200, body = LookList), (status = 403)))]
pub(super) async fn own_reads(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<AfterQuery>,
) -> Answer<LookList> {
    let page = PageRequest::new(query.after, None);
    let page = log::of_own(&app, &actor, &page).await?;
    Ok(Json(LookList {
        items: page.items,
        next: page.next,
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Closing {
    #[schema(example = "police")]
    source: String,
    /// Open it again instead.
    #[serde(default)]
    reopen: bool,
    valid_from: Option<NaiveDate>,
    #[schema(example = "死亡")]
    reason: String,
}

/// Closes a record, or opens it again.
#[utoipa::path(post, path = "/api/registry/{registry}/records/{id}/close", tag = "registry",
    params(("registry" = String, Path, example = "population"), ("id" = String, Path)),
    request_body = Closing,
    responses((status = 204), (status = 403), (status = 404), (status = 409), (status = 422)))]
pub(super) async fn close(
    State(app): State<App>,
    actor: Actor,
    Path((registry, id)): Path<(String, String)>,
    Json(body): Json<Closing>,
) -> Result<axum::http::StatusCode, WebError> {
    let closing = record::act::Closing {
        source: body.source,
        reopen: body.reopen,
        valid_from: body.valid_from,
        reason: body.reason,
    };
    act::close(&app, &actor, &registry, &id, &closing).await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Merging {
    /// The record that shall count for the other.
    from: String,
    /// The record that stays.
    into: String,
    #[schema(example = "同一人的旧号码")]
    reason: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct MergedView {
    /// Undo it by this id.
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    id: String,
}

/// Makes one record count for another; it can be undone.
#[utoipa::path(post, path = "/api/registry/{registry}/merges", tag = "registry",
    params(("registry" = String, Path, example = "population")), request_body = Merging,
    responses((status = 200, body = MergedView), (status = 403), (status = 404), (status = 409), (status = 422)))]
pub(super) async fn merge(
    State(app): State<App>,
    actor: Actor,
    Path(registry): Path<String>,
    Json(body): Json<Merging>,
) -> Answer<MergedView> {
    let id = act::merge(
        &app,
        &actor,
        &registry,
        &body.from,
        &body.into,
        &body.reason,
    )
    .await?;
    Ok(Json(MergedView { id }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Undoing {
    #[schema(example = "经核实不是同一人")]
    reason: String,
}

/// Undoes a merge.
#[utoipa::path(post, path = "/api/registry/{registry}/merges/{id}/undo", tag = "registry",
    params(("registry" = String, Path, example = "population"), ("id" = String, Path)),
    request_body = Undoing,
    responses((status = 204), (status = 403), (status = 404), (status = 409), (status = 422)))]
pub(super) async fn unmerge(
    State(app): State<App>,
    actor: Actor,
    Path((registry, id)): Path<(String, String)>,
    Json(body): Json<Undoing>,
) -> Result<axum::http::StatusCode, WebError> {
    act::unmerge(&app, &actor, &registry, &id, &body.reason).await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}
