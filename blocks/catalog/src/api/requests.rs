//! Requests for resources.

use axum::{
    Json,
    extract::{Path, Query, State as From},
};
use chrono::{DateTime, NaiveDate, Utc};
use identity::Actor;
use kernel::clock::from_micros;
use serde::{Deserialize, Serialize};
use store::page::PageRequest;
use utoipa::{IntoParams, ToSchema};
use web::{App, WebError};

use crate::request::{
    Ask, Request, State,
    act::{self, Move},
};

type Answer<T> = Result<Json<T>, WebError>;

/// A request in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = ShareRequest)]
pub(super) struct RequestView {
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    id: String,
    #[schema(example = "101001/000001")]
    resource_code: String,
    resource_name: String,
    provider: String,
    provider_name: String,
    applicant: String,
    applicant_name: String,
    state: State,
    starts_on: NaiveDate,
    ends_on: NaiveDate,
    reason: String,
    created_at: DateTime<Utc>,
    decided_at: Option<DateTime<Utc>>,
    version: i64,
}

impl std::convert::From<&Request> for RequestView {
    fn from(row: &Request) -> Self {
        Self {
            id: row.id.clone(),
            resource_code: row.resource_code.clone(),
            resource_name: row.resource_name.clone(),
            provider: row.provider.clone(),
            provider_name: row.provider_name.clone(),
            applicant: row.applicant.clone(),
            applicant_name: row.applicant_name.clone(),
            state: row.standing(),
            starts_on: row.starts_on,
            ends_on: row.ends_on,
            reason: row.reason.clone(),
            created_at: from_micros(row.created_at),
            decided_at: row.decided_at.map(from_micros),
            version: row.version,
        }
    }
}

#[derive(Deserialize, IntoParams)]
pub(super) struct ListQuery {
    #[param(inline)]
    state: Option<State>,
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ShareRequestList)]
pub(super) struct RequestList {
    items: Vec<RequestView>,
    next: Option<String>,
}

/// Requests of and to the caller's organisations, the newest first.
#[utoipa::path(get, path = "/api/catalog/requests", tag = "catalog", params(ListQuery),
    responses((status = 200, body = RequestList), (status = 403)))]
pub(super) async fn list(
    From(app): From<App>,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Answer<RequestList> {
    let page = PageRequest::new(query.after, None);
    let page = act::list(&app, &actor, query.state, &page).await?;
    Ok(Json(RequestList {
        items: page.items.iter().map(RequestView::from).collect(),
        next: page.next,
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewShareRequest)]
pub(super) struct NewRequest {
    /// Code or id of the resource.
    #[schema(example = "101001/000001")]
    resource: String,
    /// Social credit code of the organisation that asks.
    #[schema(example = "11321000990000041L")]
    applicant: String,
    scope: Ask,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ShareRequestCreated)]
pub(super) struct Asked {
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    id: String,
}

/// Asks for a resource: purpose, basis, items, period.
#[utoipa::path(post, path = "/api/catalog/requests", tag = "catalog", request_body = NewRequest,
    responses((status = 200, body = Asked), (status = 403), (status = 404),
        (status = 409, description = "Not shared; the basis is told"), (status = 422)))]
pub(super) async fn ask(
    From(app): From<App>,
    actor: Actor,
    Json(body): Json<NewRequest>,
) -> Answer<Asked> {
    let id = act::ask(&app, &actor, &body.resource, &body.applicant, &body.scope).await?;
    Ok(Json(Asked { id }))
}

#[derive(Serialize, ToSchema)]
#[schema(as = ShareRequestDetail)]
pub(super) struct Detail {
    #[serde(flatten)]
    request: RequestView,
    scope: Ask,
}

/// One request.
#[utoipa::path(get, path = "/api/catalog/requests/{id}", tag = "catalog",
    params(("id" = String, Path)),
    responses((status = 200, body = Detail), (status = 404)))]
pub(super) async fn show(
    From(app): From<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Detail> {
    let view = act::get(&app, &actor, &id).await?;
    Ok(Json(Detail {
        request: RequestView::from(&view.row),
        scope: view.ask,
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShareRequestSupplement)]
pub(super) struct Supplementing {
    /// Version that the caller has seen.
    #[schema(example = 5)]
    version: i64,
    scope: Ask,
}

/// Writes the scope anew where the provider asked for more; then complete the task.
#[utoipa::path(put, path = "/api/catalog/requests/{id}", tag = "catalog",
    params(("id" = String, Path)), request_body = Supplementing,
    responses((status = 200, body = RequestView), (status = 403), (status = 404), (status = 409),
        (status = 422)))]
pub(super) async fn supplement(
    From(app): From<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<Supplementing>,
) -> Answer<RequestView> {
    let row = act::supplement(&app, &actor, &id, body.version, &body.scope).await?;
    Ok(Json(RequestView::from(&row)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ShareRequestStep)]
pub(super) struct Moving {
    step: Move,
    /// Version that the caller has seen.
    #[schema(example = 5)]
    version: i64,
    #[schema(example = "发现超范围使用")]
    reason: String,
}

/// Suspends, resumes, revokes or cancels; it takes effect at once. Decisions are tasks of the
/// process: complete them at `/api/workflow/tasks`.
#[utoipa::path(post, path = "/api/catalog/requests/{id}/steps", tag = "catalog",
    params(("id" = String, Path)), request_body = Moving,
    responses((status = 200, body = RequestView), (status = 403), (status = 404),
        (status = 409, description = "Changed by somebody else, or in another state"), (status = 422)))]
pub(super) async fn advance(
    From(app): From<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<Moving>,
) -> Answer<RequestView> {
    let row = act::advance(&app, &actor, &id, body.version, body.step, &body.reason).await?;
    Ok(Json(RequestView::from(&row)))
}
