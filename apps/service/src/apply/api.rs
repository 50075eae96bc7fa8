//! JSON doors of applying: begin, fill, hand in; and themes.

use axum::{
    Json,
    extract::{Path, State as AppState},
    http::StatusCode,
};
use identity::Actor;
use kernel::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{App, WebError};

use crate::{
    case::{store::Applicant, submit::Receipt},
    theme::{self, Answers, Wanted},
};

/// Doors under `/api/service`.
pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(themes))
        .routes(routes!(begin))
        .routes(routes!(show))
        .routes(routes!(save))
        .routes(routes!(use_certificate, leave_certificate))
        .routes(routes!(submit))
        .routes(routes!(walk_in))
}

/// A theme with its questions.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ThemeView {
    #[schema(example = "open-restaurant")]
    id: String,
    name: String,
    summary: String,
    org_name: String,
    questions: Vec<QuestionView>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct QuestionView {
    key: String,
    text: String,
    values: Vec<String>,
}

/// Themes that one can apply for.
#[utoipa::path(get, path = "/api/service/themes", tag = "service",
    responses((status = 200, body = Vec<ThemeView>)))]
async fn themes(AppState(app): AppState<App>) -> Result<Json<Vec<ThemeView>>, WebError> {
    let all = theme::store::list(app.db().read()).await?;
    let views = all.into_iter().map(|theme| ThemeView {
        questions: theme
            .questions
            .iter()
            .map(|q| QuestionView {
                key: q.key.clone(),
                text: q.text.clone(),
                values: q.values().into_iter().map(str::to_owned).collect(),
            })
            .collect(),
        id: theme.id,
        name: theme.name,
        summary: theme.summary,
        org_name: theme.org_name,
    });
    Ok(Json(views.collect()))
}

/// What to apply for.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Begin {
    /// `theme:…` or `matter:…`.
    #[schema(example = "theme:open-restaurant")]
    subject: String,
    /// Answers of the theme's questions.
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"business_licence": "yes", "area": "small", "signboard": "yes", "tobacco": "no", "high_risk": "no"}))]
    answers: Answers,
}

/// A draft with its form, values and materials.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct DraftView {
    id: String,
    version: i64,
    subject: String,
    /// JSON Schema of all questions.
    #[schema(value_type = Object)]
    form: Value,
    #[schema(value_type = Object)]
    values: Value,
    #[schema(value_type = Object)]
    answers: Value,
    /// Where prefilled values came from.
    #[schema(value_type = Object)]
    provenances: Value,
    #[schema(value_type = Vec<Object>)]
    materials: Vec<Wanted>,
    /// Materials that merging saves.
    #[schema(example = 3)]
    saved: usize,
    /// Case that it became, as `case:…`.
    submitted_as: Option<String>,
}

async fn view(app: &App, draft: forms::Draft) -> Result<DraftView, WebError> {
    let plan = super::plan(app, &draft.subject, &super::answers_of(&draft)).await?;
    Ok(DraftView {
        id: draft.id.to_string(),
        version: draft.version,
        form: draft.form.json_schema(),
        provenances: serde_json::json!(draft.provenances),
        subject: draft.subject,
        values: draft.values,
        answers: draft.answers,
        materials: plan.wanted,
        saved: plan.saved,
        submitted_as: draft.submitted_as,
    })
}

fn draft_id(text: &str) -> Result<forms::DraftId, Error> {
    text.parse().map_err(|_| Error::NotFound { what: "draft" })
}

/// Begins an application.
#[utoipa::path(post, path = "/api/service/drafts", tag = "service", request_body = Begin,
    responses((status = 201, body = DraftView), (status = 422, description = "An answer is missing")))]
async fn begin(
    AppState(app): AppState<App>,
    actor: Actor,
    Json(body): Json<Begin>,
) -> Result<(StatusCode, Json<DraftView>), WebError> {
    let draft = super::start(&app, &actor, &body.subject, &body.answers).await?;
    Ok((StatusCode::CREATED, Json(view(&app, draft).await?)))
}

/// A draft.
#[utoipa::path(get, path = "/api/service/drafts/{id}", tag = "service",
    params(("id" = String, Path)), responses((status = 200, body = DraftView)))]
async fn show(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<DraftView>, WebError> {
    let draft = forms::draft::get(&app, &actor, draft_id(&id)?).await?;
    Ok(Json(view(&app, draft).await?))
}

/// Values of a draft.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Save {
    /// Version that the values were made from.
    #[schema(example = 1)]
    version: i64,
    /// All values; what is left out is emptied.
    #[schema(value_type = Object, example = json!({"shop_name": "示例餐馆（合成）", "business_area": 120}))]
    values: Value,
}

/// Saves values; they are checked when the draft is handed in.
#[utoipa::path(put, path = "/api/service/drafts/{id}", tag = "service",
    params(("id" = String, Path)), request_body = Save,
    responses((status = 200, body = DraftView), (status = 409, description = "Changed elsewhere meanwhile")))]
async fn save(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<Save>,
) -> Result<Json<DraftView>, WebError> {
    let id = draft_id(&id)?;
    let draft = forms::draft::save(&app, &actor, id, body.version, body.values, None).await?;
    Ok(Json(view(&app, draft).await?))
}

/// Puts a certificate of the applicant in the place of files (免提交).
#[utoipa::path(put, path = "/api/service/drafts/{id}/questions/{field}/certificates/{zzbs}", tag = "service",
    params(("id" = String, Path), ("field" = String, Path, description = "Name of the question"),
        ("zzbs" = String, Path, description = "Identifier of the certificate")),
    responses((status = 200, body = DraftView),
        (status = 422, description = "The question takes no certificate of that kind, or the applicant does not hold it")))]
async fn use_certificate(
    AppState(app): AppState<App>,
    actor: Actor,
    Path((id, field, zzbs)): Path<(String, String, String)>,
) -> Result<Json<DraftView>, WebError> {
    let draft = super::use_certificate(&app, &actor, draft_id(&id)?, &field, &zzbs).await?;
    Ok(Json(view(&app, draft).await?))
}

/// Takes a certificate away from a question; files can be handed in instead.
#[utoipa::path(delete, path = "/api/service/drafts/{id}/questions/{field}/certificates/{zzbs}", tag = "service",
    params(("id" = String, Path), ("field" = String, Path, description = "Name of the question"),
        ("zzbs" = String, Path, description = "Identifier of the certificate")),
    responses((status = 200, body = DraftView)))]
async fn leave_certificate(
    AppState(app): AppState<App>,
    actor: Actor,
    Path((id, field, zzbs)): Path<(String, String, String)>,
) -> Result<Json<DraftView>, WebError> {
    let id = draft_id(&id)?;
    let draft = forms::file::remove(&app, &actor, id, &field, &zzbs).await?;
    Ok(Json(view(&app, draft).await?))
}

/// Hands a draft in. Handing it in again answers the same receipt.
#[utoipa::path(post, path = "/api/service/drafts/{id}/submit", tag = "service",
    params(("id" = String, Path)),
    responses((status = 200, body = Receipt), (status = 422, description = "Something is missing")))]
async fn submit(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<Receipt>, WebError> {
    Ok(Json(super::submit(&app, &actor, draft_id(&id)?).await?))
}

/// What a clerk enters for a walk-in.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WalkIn {
    /// `theme:…` or `matter:…`.
    subject: String,
    #[serde(default)]
    #[schema(value_type = Object)]
    answers: Answers,
    applicant: Applicant,
    /// Chosen by the caller; the same key makes one case.
    #[schema(example = "window-3-20260302-0001")]
    key: String,
}

/// Takes in the application of a walk-in, with its papers.
#[utoipa::path(post, path = "/api/service/walk-ins", tag = "service", request_body = WalkIn,
    responses((status = 200, body = Receipt)))]
async fn walk_in(
    AppState(app): AppState<App>,
    actor: Actor,
    Json(body): Json<WalkIn>,
) -> Result<Json<Receipt>, WebError> {
    // A key of somebody else's choice must not name the case of another.
    let key = format!("{} {}", actor.user, body.key);
    let receipt = super::submit_walk_in(
        &app,
        &actor,
        &body.subject,
        &body.answers,
        body.applicant,
        &key,
    )
    .await?;
    Ok(Json(receipt))
}
