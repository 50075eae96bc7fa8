//! HTML doors.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use identity::{Actor, Gate};
use kernel::{Error, Result};
use utoipa_axum::router::OpenApiRouter;
use web::{
    App, Html, Language, MenuItem, Page, WebError,
    component::{Choice, Fields, Pager, Tone},
    module::MenuPlace,
};

use crate::{Message, MessageId, Preference, message, preference};

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
}

pub(crate) fn menu() -> Vec<MenuItem> {
    [MenuPlace::Mine, MenuPlace::Workbench]
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
}

#[derive(serde::Deserialize)]
struct Done {
    done: Option<String>,
}

fn languages() -> Vec<Choice> {
    Language::ALL
        .map(|language| Choice::new(language.tag(), language.own_name()))
        .to_vec()
}

async fn show_preferences(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(done): Query<Done>,
) -> Result<Html, WebError> {
    let known = preference::preference(app.db(), &*app.part::<Gate>()?, &actor).await?;
    let mut f = Fields::new()
        .with("address", &known.address)
        .with("language", known.language.tag());
    if known.wants_mail {
        f = f.with("wants_mail", "true");
    }
    Html::page(&PreferencesPage {
        p,
        f,
        languages: languages(),
        is_saved: done.done.is_some(),
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
    };
    match preference::change_preference(app.db(), &*app.part::<Gate>()?, &actor, &new).await {
        Ok(()) => Ok(Redirect::to("/messages/preferences?done=1").into_response()),
        Err(Error::Invalid(findings)) => {
            let page = PreferencesPage {
                p,
                f: fields.rejected(findings),
                languages: languages(),
                is_saved: false,
            };
            Ok(Html::again(&page)?.into_response())
        }
        Err(other) => Err(other.into()),
    }
}
