//! JSON doors under `/api/notify`.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use identity::{Actor, Gate};
use kernel::{Error, Finding, Text};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{App, Language, WebError};

use crate::{MessageId, Preference, Settings, message, preference};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(mark))
        .routes(routes!(mark_all))
        .routes(routes!(get_preference, change_preference))
        .routes(routes!(confirm_address))
}

#[derive(Deserialize, IntoParams)]
struct Filter {
    /// Only messages that were not read yet.
    #[param(example = true)]
    unread: Option<bool>,
    /// The `next` of the page before.
    after: Option<String>,
    #[param(example = 20)]
    limit: Option<u64>,
}

#[derive(Serialize, ToSchema)]
struct MessageView {
    #[schema(example = "019a0b1c-2d3e-7f00-8000-000000000000")]
    id: String,
    #[schema(example = "notify-password-changed")]
    key: String,
    #[schema(example = "密码已修改")]
    title: String,
    body: String,
    #[schema(example = "/account/security")]
    link: String,
    #[schema(example = "2026-03-02T01:00:00Z")]
    created_at: String,
    is_read: bool,
}

#[derive(Serialize, ToSchema)]
struct InboxView {
    items: Vec<MessageView>,
    #[schema(example = 1)]
    unread: u64,
    /// The `after` of the next page.
    next: Option<String>,
}

/// The caller's messages, newest first, in the language of `Accept-Language`.
#[utoipa::path(get, path = "/api/notify/messages", tag = "notify", params(Filter),
    responses((status = 200, body = InboxView), (status = 401)))]
async fn list(
    State(app): State<App>,
    language: Option<axum::Extension<Language>>,
    actor: Actor,
    Query(filter): Query<Filter>,
) -> Result<Json<InboxView>, WebError> {
    let gate = app.part::<Gate>()?;
    let limit = filter.limit.unwrap_or(20).clamp(1, 100);
    let only_unread = filter.unread.unwrap_or_default();
    let after = filter.after.as_deref();
    let inbox = message::list(app.db(), &gate, &actor, only_unread, after, limit).await?;
    let language = language
        .map(|axum::Extension(language)| language)
        .unwrap_or_default();
    let items = inbox.messages.into_iter().map(|message| MessageView {
        id: message.id.to_string(),
        title: message.title(app.texts(), language),
        body: message.body(app.texts(), language),
        key: message.key,
        link: message.link,
        created_at: message.created_at.to_rfc3339(),
        is_read: message.is_read,
    });
    Ok(Json(InboxView {
        items: items.collect(),
        unread: inbox.unread,
        next: inbox.next,
    }))
}

/// Marks one message as read.
#[utoipa::path(post, path = "/api/notify/messages/{id}/read", tag = "notify",
    params(("id" = String, Path)), responses((status = 204), (status = 404)))]
async fn mark(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<StatusCode, WebError> {
    let id: MessageId = id
        .parse()
        .map_err(|_| Error::NotFound { what: "message" })?;
    message::mark_read(app.db(), &*app.part::<Gate>()?, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Marks all messages as read.
#[utoipa::path(post, path = "/api/notify/messages/read", tag = "notify",
    responses((status = 204), (status = 401)))]
async fn mark_all(State(app): State<App>, actor: Actor) -> Result<StatusCode, WebError> {
    message::mark_all_read(app.db(), &*app.part::<Gate>()?, &actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize, Deserialize, ToSchema)]
struct PreferenceView {
    #[schema(example = true)]
    wants_mail: bool,
    #[schema(example = "zhang.jing@example.com")]
    address: String,
    /// Language of mails: `zh-CN`, `zh-TW` or `en`.
    #[schema(example = "zh-CN")]
    language: String,
    /// Whether the code mailed to the address was given back; not for changing.
    #[serde(default)]
    is_confirmed: bool,
}

/// How the caller wants to be told.
#[utoipa::path(get, path = "/api/notify/preferences", tag = "notify",
    responses((status = 200, body = PreferenceView)))]
async fn get_preference(
    State(app): State<App>,
    actor: Actor,
) -> Result<Json<PreferenceView>, WebError> {
    let known = preference::preference(app.db(), &*app.part::<Gate>()?, &actor).await?;
    Ok(Json(PreferenceView {
        wants_mail: known.wants_mail,
        address: known.address,
        language: known.language.tag().to_owned(),
        is_confirmed: known.is_confirmed,
    }))
}

/// Changes how the caller wants to be told.
#[utoipa::path(put, path = "/api/notify/preferences", tag = "notify", request_body = PreferenceView,
    responses((status = 204), (status = 422)))]
async fn change_preference(
    State(app): State<App>,
    actor: Actor,
    Json(body): Json<PreferenceView>,
) -> Result<StatusCode, WebError> {
    let unknown = || Finding::new("language", Text::new("notify-language-unknown"));
    let language =
        Language::from_tag(&body.language).ok_or_else(|| Error::Invalid(vec![unknown()]))?;
    let new = Preference {
        wants_mail: body.wants_mail,
        address: body.address,
        language,
        is_confirmed: false,
    };
    let (gate, settings) = (app.part::<Gate>()?, app.part::<Settings>()?);
    preference::change_preference(app.db(), &gate, &settings, &actor, &new).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[schema(as = MailCode)]
struct Code {
    /// The six digits that were mailed to the address.
    #[schema(example = "123456")]
    code: String,
}

/// Confirms the caller's mail address.
#[utoipa::path(post, path = "/api/notify/preferences/confirm", tag = "notify", request_body = Code,
    responses((status = 204), (status = 409), (status = 422)))]
async fn confirm_address(
    State(app): State<App>,
    actor: Actor,
    Json(body): Json<Code>,
) -> Result<StatusCode, WebError> {
    preference::confirm_address(app.db(), &*app.part::<Gate>()?, &actor, &body.code).await?;
    Ok(StatusCode::NO_CONTENT)
}
