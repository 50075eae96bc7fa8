//! The JSON doors to drafts and files.

use axum::{
    Json,
    body::Body,
    extract::{Multipart, Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use identity::Actor;
use kernel::{Error, Finding, Text};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{App, WebError};

use crate::{
    Draft, DraftId, File, FileId,
    draft::{self, DraftLine},
    file,
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get_draft, save, discard))
        .routes(routes!(check))
        .routes(routes!(upload))
        .routes(routes!(download, remove))
}

type Answer<T> = Result<Json<T>, WebError>;

/// A draft, its form as JSON Schema and its answers.
#[derive(Serialize, ToSchema)]
#[schema(as = FormDraftView)]
struct DraftView {
    id: String,
    /// What it is a draft of.
    #[schema(example = "theme:open-restaurant")]
    subject: String,
    /// JSON Schema 2020-12.
    form: Value,
    /// Names of the questions that are asked now, in order.
    visible: Vec<String>,
    answers: Value,
    values: Value,
    /// Where prefilled values are from, by field.
    provenances: Value,
    step: String,
    /// Give it back when saving.
    #[schema(example = 3)]
    version: i64,
    /// What it became, when it was submitted.
    submitted_as: Option<String>,
    updated_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl DraftView {
    fn of(draft: &Draft) -> Self {
        let visible = draft.form.visible(&draft.values, &draft.answers);
        Self {
            id: draft.id.to_string(),
            subject: draft.subject.clone(),
            form: draft.form.json_schema(),
            visible: visible
                .into_iter()
                .map(|field| field.name.clone())
                .collect(),
            answers: draft.answers.clone(),
            values: draft.values.clone(),
            provenances: serde_json::to_value(&draft.provenances).unwrap_or_default(),
            step: draft.step.clone(),
            version: draft.version,
            submitted_as: draft.submitted_as.clone(),
            updated_at: draft.updated_at,
            expires_at: draft.expires_at,
        }
    }
}

#[derive(Deserialize, IntoParams)]
struct AfterQuery {
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct DraftList {
    items: Vec<DraftLine>,
    next: Option<String>,
}

/// The caller's open drafts, newest first.
#[utoipa::path(get, path = "/api/forms/drafts", tag = "forms", params(AfterQuery),
    responses((status = 200, body = DraftList), (status = 401)))]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<AfterQuery>,
) -> Answer<DraftList> {
    let (items, next) = draft::list(&app, &actor, query.after.as_deref()).await?;
    Ok(Json(DraftList { items, next }))
}

/// One draft.
#[utoipa::path(get, path = "/api/forms/drafts/{id}", tag = "forms", params(("id" = String, Path)),
    responses((status = 200, body = DraftView), (status = 404)))]
async fn get_draft(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<DraftView> {
    Ok(Json(DraftView::of(
        &draft::get(&app, &actor, draft_id(&id)?).await?,
    )))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SaveBody {
    /// All answers by field; those left out are emptied.
    #[schema(example = json!({"business_name": "示例餐饮有限公司（合成）", "area": 120}))]
    values: Value,
    /// Version that the caller has seen.
    #[schema(example = 3)]
    version: i64,
    /// Group to go on with.
    step: Option<String>,
}

/// Saves answers; they need not be right yet. 409 when another device saved meanwhile.
#[utoipa::path(put, path = "/api/forms/drafts/{id}", tag = "forms", params(("id" = String, Path)),
    request_body = SaveBody,
    responses((status = 200, body = DraftView), (status = 404), (status = 409), (status = 422)))]
async fn save(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<SaveBody>,
) -> Answer<DraftView> {
    let saved = draft::save(
        &app,
        &actor,
        draft_id(&id)?,
        body.version,
        body.values,
        body.step,
    )
    .await?;
    Ok(Json(DraftView::of(&saved)))
}

/// Throws a draft and its files away.
#[utoipa::path(delete, path = "/api/forms/drafts/{id}", tag = "forms", params(("id" = String, Path)),
    responses((status = 204), (status = 404), (status = 409)))]
async fn discard(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<StatusCode, WebError> {
    draft::discard(&app, &actor, draft_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Checks a draft's answers: 204 when they can be submitted, 422 with every finding when not.
#[utoipa::path(post, path = "/api/forms/drafts/{id}/check", tag = "forms", params(("id" = String, Path)),
    responses((status = 204), (status = 404), (status = 422)))]
async fn check(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<StatusCode, WebError> {
    let draft = draft::get(&app, &actor, draft_id(&id)?).await?;
    draft::check(&draft, app.clock().today()).map_err(Error::Invalid)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, IntoParams)]
struct UploadQuery {
    /// The draft.
    draft: String,
    /// The file question.
    #[param(example = "layout_plan")]
    field: String,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the multipart body")]
struct UploadBody {
    #[schema(value_type = String, format = Binary, example = "layout-plan.pdf")]
    file: Vec<u8>,
}

#[derive(Serialize, ToSchema)]
struct Uploaded {
    file: File,
    /// Version of the draft, which now holds the file.
    #[schema(example = 4)]
    version: i64,
}

/// Hands in a file at a question of a draft (field `file` of a multipart body).
#[utoipa::path(post, path = "/api/forms/files", tag = "forms", params(UploadQuery),
    request_body(content = UploadBody, content_type = "multipart/form-data"),
    responses((status = 201, body = Uploaded), (status = 404), (status = 422)))]
async fn upload(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<UploadQuery>,
    mut form: Multipart,
) -> Result<(StatusCode, Json<Uploaded>), WebError> {
    let broken = |_| Error::invalid("file", Text::new("forms-upload-broken"));
    while let Some(part) = form.next_field().await.map_err(broken)? {
        let Some(name) = part.file_name().map(str::to_owned) else {
            continue;
        };
        let id = draft_id(&query.draft)?;
        let (file, draft) = file::upload(&app, &actor, id, &query.field, &name, part).await?;
        return Ok((
            StatusCode::CREATED,
            Json(Uploaded {
                file,
                version: draft.version,
            }),
        ));
    }
    Err(Error::Invalid(vec![Finding::new("file", Text::new("forms-upload-broken"))]).into())
}

/// The content of a file, for who handed it in and for officers who handle the case.
#[utoipa::path(get, path = "/api/forms/files/{id}", tag = "forms", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = 404)))]
async fn download(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let (file, blob) = file::open(&app, &actor, file_id(&id)?).await?;
    let name = utf8_percent_encode(&file.name, NON_ALPHANUMERIC);
    let headers = [
        (header::CONTENT_TYPE, file.media_type.clone()),
        (header::CONTENT_LENGTH, file.size.to_string()),
        // Never shown by the browser as a page of ours, whatever is in it.
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename*=UTF-8''{name}"),
        ),
        (header::CACHE_CONTROL, "private, no-store".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((headers, Body::from_stream(blob.content)).into_response())
}

/// Takes a file away from its draft.
#[utoipa::path(delete, path = "/api/forms/files/{id}", tag = "forms", params(("id" = String, Path)),
    responses((status = 204), (status = 404), (status = 409)))]
async fn remove(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<StatusCode, WebError> {
    let file = file::store::get(app.db().read(), file_id(&id)?).await?;
    let Some(draft) = file.draft else {
        return Err(Error::NotFound { what: "file" }.into());
    };
    file::remove(&app, &actor, draft, &file.field, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Identifiers that are none name nothing.
fn draft_id(id: &str) -> Result<DraftId, Error> {
    id.parse().map_err(|_| Error::NotFound { what: "draft" })
}

fn file_id(id: &str) -> Result<FileId, Error> {
    id.parse().map_err(|_| Error::NotFound { what: "file" })
}
