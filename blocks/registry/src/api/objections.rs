//! Doubts about values.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use chrono::NaiveDate;
use identity::{Actor, Gate, Resource};
use serde::{Deserialize, Serialize};
use store::page::PageRequest;
use utoipa::{IntoParams, ToSchema};
use web::{App, WebError};

use super::view::ObjectionView;
use crate::{
    Objection, Registries,
    objection::{
        Move, State as Standing,
        act::{self, Doubt, Moving},
    },
};

type Answer<T> = Result<Json<T>, WebError>;

#[derive(Deserialize, IntoParams)]
pub(super) struct ListQuery {
    /// `raised` where nothing is said.
    #[param(inline)]
    state: Option<Standing>,
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ObjectionList {
    items: Vec<ObjectionView>,
    next: Option<String>,
}

/// Objections that concern the caller's organisations, oldest first.
#[utoipa::path(get, path = "/api/registry-objections", tag = "registry", params(ListQuery),
    responses((status = 200, body = ObjectionList), (status = 403)))]
pub(super) async fn list(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Answer<ObjectionList> {
    let page = PageRequest::new(query.after, None);
    let state = query.state.unwrap_or(Standing::Raised);
    let page = act::list(&app, &actor, state, &page).await?;
    let mut items = Vec::new();
    for row in page.items {
        items.push(view(&app, &actor, row).await?);
    }
    Ok(Json(ObjectionList {
        items,
        next: page.next,
    }))
}

/// The source sees its own values whole, because it must compare them.
pub fn is_unmasked(app: &App, actor: &Actor, row: &Objection) -> Result<bool, WebError> {
    let resource = Resource::new("Registry", &row.registry).org(&row.source_org);
    let gate = app.part::<Gate>()?;
    let answers = actor.may(&gate, "registry.objection.answer", &resource);
    let approves = actor.may(&gate, "registry.objection.approve", &resource);
    Ok(answers.is_ok() || approves.is_ok())
}

async fn view(app: &App, actor: &Actor, row: Objection) -> Result<ObjectionView, WebError> {
    let registries = app.part::<Registries>()?;
    let declaration = registries
        .declaration(app.db().read(), &row.registry)
        .await?;
    let is_unmasked = is_unmasked(app, actor, &row)?;
    Ok(ObjectionView::of(&declaration, row, is_unmasked))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewObjection {
    #[schema(example = "xm")]
    field: String,
    /// What it should be; blank where the one who doubts does not know.
    #[serde(default)]
    #[schema(example = "张晓明")]
    expected: String,
    #[schema(example = "身份证上为“晓”")]
    reason: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Raised {
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    id: String,
}

/// Doubts a value. Citizens and firms may doubt what is said of themselves.
#[utoipa::path(post, path = "/api/registry/{registry}/records/{id}/objections", tag = "registry",
    params(("registry" = String, Path, example = "population"), ("id" = String, Path)),
    request_body = NewObjection,
    responses((status = 200, body = Raised), (status = 403), (status = 404), (status = 409), (status = 422)))]
pub(super) async fn raise(
    State(app): State<App>,
    actor: Actor,
    Path((registry, record)): Path<(String, String)>,
    Json(body): Json<NewObjection>,
) -> Answer<Raised> {
    let doubt = Doubt {
        registry,
        record,
        field: body.field,
        expected: body.expected,
        reason: body.reason,
    };
    let id = act::raise(&app, &actor, &doubt).await?;
    Ok(Json(Raised { id }))
}

/// One objection.
#[utoipa::path(get, path = "/api/registry-objections/{id}", tag = "registry",
    params(("id" = String, Path)),
    responses((status = 200, body = ObjectionView), (status = 404)))]
pub(super) async fn show(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<ObjectionView> {
    let row = act::get(&app, &actor, &id).await?;
    Ok(Json(view(&app, &actor, row).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ObjectionStep {
    step: Move,
    /// Version that the caller has seen.
    #[schema(example = 1)]
    version: i64,
    /// The answer, or why.
    #[serde(default)]
    #[schema(example = "经核对户籍档案，应为“晓”")]
    text: String,
    /// The right value; with `find_wrong`.
    #[serde(default)]
    #[schema(example = "张晓明")]
    value: String,
    /// The day from which it holds; that of the wrong value where nothing is said.
    valid_from: Option<NaiveDate>,
}

/// Moves an objection on: the source answers, a second person approves.
#[utoipa::path(post, path = "/api/registry-objections/{id}/steps", tag = "registry",
    params(("id" = String, Path)), request_body = ObjectionStep,
    responses((status = 200, body = ObjectionView), (status = 403), (status = 404),
        (status = 409, description = "Moved by somebody else, or over"), (status = 422)))]
pub(super) async fn advance(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<ObjectionStep>,
) -> Answer<ObjectionView> {
    act::get(&app, &actor, &id).await?;
    let moving = Moving {
        step: body.step,
        version: body.version,
        text: body.text,
        value: body.value,
        valid_from: body.valid_from,
    };
    let row = act::advance(&app, &actor, &id, &moving).await?;
    Ok(Json(view(&app, &actor, row).await?))
}
