//! HTML doors.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use identity::{Actor, Gate};
use kernel::{Error, Finding, Result};
use utoipa_axum::router::OpenApiRouter;
use web::{
    App, Html, Language, MenuItem, Page, WebError,
    component::{Choice, Fields, Pager, Tone},
    module::{MenuPlace, Section},
};

use crate::{Message, MessageId, Preference, Settings, message, preference};

const MESSAGES: u64 = 20;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route("/messages", get(show))
        .route("/messages/read", post(mark_all))
        .route("/messages/{id}/read", post(mark))
        .route(
            "/messages/preferences",
            get(show_preferences).post(change_preferences),
        )
        .route("/messages/preferences/confirm", post(confirm))
}

pub(crate) fn menu() -> Vec<MenuItem> {
    [MenuPlace::Mine, MenuPlace::Workbench(Section::Cases)]
        .map(|place| MenuItem {
            key: "notify-messages",
            href: "/messages",
            place,
            order: 80,
            action: "",
        })
        .to_vec()
}

#[derive(Template)]
#[template(path = "notify/messages.html")]
struct MessagesPage {
    p: Page,
    lines: Vec<Line>,
    unread: u64,
    pager: Pager,
    accent: Tone,
}

struct Line {
    message: Message,
    title: String,
    body: String,
}

#[derive(serde::Deserialize)]
struct After {
    after: Option<String>,
}

async fn show(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<After>,
) -> Result<Html, WebError> {
    let gate = app.part::<Gate>()?;
    let after = query.after.as_deref();
    let inbox = message::list(app.db(), &gate, &actor, false, after, MESSAGES).await?;
    let lines = inbox.messages.into_iter().map(|message| Line {
        title: message.title(app.texts(), p.language),
        body: message.body(app.texts(), p.language),
        message,
    });
    Html::page(&MessagesPage {
        lines: lines.collect(),
        unread: inbox.unread,
        pager: Pager::new("/messages", "", after, inbox.next.as_deref()),
        accent: Tone::Accent,
        p,
    })
}

async fn mark(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Redirect, WebError> {
    let id: MessageId = id
        .parse()
        .map_err(|_| Error::NotFound { what: "message" })?;
    let link = message::mark_read(app.db(), &*app.part::<Gate>()?, &actor, id).await?;
    Ok(Redirect::to(if link.starts_with('/') {
        &link
    } else {
        "/messages"
    }))
}

async fn mark_all(State(app): State<App>, actor: Actor) -> Result<Redirect, WebError> {
    message::mark_all_read(app.db(), &*app.part::<Gate>()?, &actor).await?;
    Ok(Redirect::to("/messages"))
}

#[derive(Template)]
#[template(path = "notify/preferences.html")]
struct PreferencesPage {
    p: Page,
    f: Fields,
    languages: Vec<Choice>,
    is_saved: bool,
    good: Tone,
    warning: Tone,
    /// A code was mailed and has to be typed.
    is_waiting: bool,
    is_confirmed: bool,
}

#[derive(serde::Deserialize)]
struct Done {
    done: Option<String>,
}

fn preferences_page(p: Page, known: &Preference, f: Fields) -> PreferencesPage {
    PreferencesPage {
        p,
        f,
        languages: Language::ALL
            .map(|language| Choice::new(language.tag(), language.own_name()))
            .to_vec(),
        is_saved: false,
        good: Tone::Good,
        warning: Tone::Warning,
        is_waiting: known.wants_mail && !known.is_confirmed,
        is_confirmed: known.wants_mail && known.is_confirmed,
    }
}

fn fields_of(known: &Preference) -> Fields {
    let f = Fields::new()
        .with("address", &known.address)
        .with("language", known.language.tag());
    if known.wants_mail {
        f.with("wants_mail", "true")
    } else {
        f
    }
}

async fn show_preferences(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(done): Query<Done>,
) -> Result<Html, WebError> {
    let known = preference::preference(app.db(), &*app.part::<Gate>()?, &actor).await?;
    let page = preferences_page(p, &known, fields_of(&known));
    Html::page(&PreferencesPage {
        is_saved: done.done.is_some(),
        ..page
    })
}

async fn change_preferences(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    fields: Fields,
) -> Result<Response, WebError> {
    let new = Preference {
        wants_mail: fields.has("wants_mail", "true"),
        address: fields.value("address").to_owned(),
        language: Language::from_tag(fields.value("language")).unwrap_or_default(),
        is_confirmed: false,
    };
    let (gate, settings) = (app.part::<Gate>()?, app.part::<Settings>()?);
    let changed = preference::change_preference(app.db(), &gate, &settings, &actor, &new).await;
    answer(&app, p, &actor, fields, changed).await
}

async fn confirm(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    fields: Fields,
) -> Result<Response, WebError> {
    let gate = app.part::<Gate>()?;
    let code = fields.value("code");
    let confirmed = preference::confirm_address(app.db(), &gate, &actor, code).await;
    let known = preference::preference(app.db(), &gate, &actor).await?;
    answer(&app, p, &actor, fields_of(&known), confirmed).await
}

async fn answer(
    app: &App,
    p: Page,
    actor: &Actor,
    fields: Fields,
    outcome: Result<()>,
) -> Result<Response, WebError> {
    let findings = match outcome {
        Ok(()) => return Ok(Redirect::to("/messages/preferences?done=1").into_response()),
        Err(Error::Invalid(findings)) => findings,
        Err(Error::Refused(text)) => vec![Finding::new("", text)],
        Err(other) => return Err(other.into()),
    };
    let known = preference::preference(app.db(), &*app.part::<Gate>()?, actor).await?;
    let page = preferences_page(p, &known, fields.rejected(findings));
    Ok(Html::again(&page)?.into_response())
}
