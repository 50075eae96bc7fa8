//! Lists of needs, duties, and what is not shared.

use axum::{
    Json,
    extract::{Path, Query, State as From},
};
use identity::Actor;
use serde::{Deserialize, Serialize};
use store::page::PageRequest;
use utoipa::{IntoParams, ToSchema};
use web::{App, WebError};

use crate::list::{self, Kind, Line, NewLine};

type Answer<T> = Result<Json<T>, WebError>;

#[derive(Serialize, ToSchema)]
#[schema(as = CatalogLine)]
pub(super) struct LineView {
    id: String,
    org: String,
    org_name: String,
    #[schema(example = "企业注销信息")]
    name: String,
    basis: String,
    resource_code: String,
    note: String,
    /// `open`, `answered` or `closed`.
    state: String,
    version: i64,
}

impl std::convert::From<Line> for LineView {
    fn from(row: Line) -> Self {
        Self {
            id: row.id,
            org: row.org,
            org_name: row.org_name,
            name: row.name,
            basis: row.basis,
            resource_code: row.resource_code,
            note: row.note,
            state: row.state,
            version: row.version,
        }
    }
}

#[derive(Deserialize, IntoParams)]
pub(super) struct ListQuery {
    #[serde(default)]
    #[param(inline)]
    kind: Kind,
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CatalogLineList)]
pub(super) struct LineList {
    items: Vec<LineView>,
    next: Option<String>,
}

/// The lines of a list, the newest first.
#[utoipa::path(get, path = "/api/catalog/lists", tag = "catalog", params(ListQuery),
    responses((status = 200, body = LineList), (status = 403)))]
pub(super) async fn list(
    From(app): From<App>,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Answer<LineList> {
    let page = PageRequest::new(query.after, None);
    let page = list::list(&app, &actor, query.kind, &page).await?;
    Ok(Json(LineList {
        items: page.items.into_iter().map(LineView::from).collect(),
        next: page.next,
    }))
}

#[derive(Serialize, ToSchema)]
#[schema(as = CatalogLineCreated)]
pub(super) struct Added {
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    id: String,
}

/// Adds a line.
#[utoipa::path(post, path = "/api/catalog/lists", tag = "catalog", request_body = NewLine,
    responses((status = 200, body = Added), (status = 403), (status = 422)))]
pub(super) async fn add(
    From(app): From<App>,
    actor: Actor,
    Json(new): Json<NewLine>,
) -> Answer<Added> {
    let id = list::add(&app, &actor, &new).await?;
    Ok(Json(Added { id }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CatalogLineAnswer)]
pub(super) struct Answering {
    /// Version that the caller has seen.
    #[schema(example = 1)]
    version: i64,
    /// Blank to close the line without a resource.
    #[serde(default)]
    #[schema(example = "102001/000001")]
    resource_code: String,
    #[serde(default)]
    note: String,
}

/// Answers a line by a resource, or closes it with a note.
#[utoipa::path(post, path = "/api/catalog/lists/{id}", tag = "catalog",
    params(("id" = String, Path)), request_body = Answering,
    responses((status = 200, body = LineView), (status = 403), (status = 404), (status = 409),
        (status = 422)))]
pub(super) async fn answer(
    From(app): From<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<Answering>,
) -> Answer<LineView> {
    let row = list::answer(
        &app,
        &actor,
        &id,
        body.version,
        &body.resource_code,
        &body.note,
    )
    .await?;
    Ok(Json(LineView::from(row)))
}
