//! Messages that nobody has taken: an operator gives them to who waits, or throws them away.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect, Response},
};
use identity::Actor;
use kernel::{Error, Result, Text};
use serde::Deserialize;
use store::page::PageRequest;
use web::{
    App, Html, Page, WebError,
    component::{Fields, Pager},
};

use super::{can, may};
use crate::{
    post::{self, Choice, Decision, Undelivered},
    rest::{Desk, send},
};

const PAGE_SIZE: u32 = 20;

#[derive(Debug, Default, Deserialize)]
pub(super) struct ListQuery {
    after: Option<String>,
}

/// A message with the places that could take it.
struct Line {
    mail: Undelivered,
    places: Vec<Choice>,
}

#[derive(Template)]
#[template(path = "processes/messages.html")]
struct MessagesPage {
    p: Page,
    lines: Vec<Line>,
    pager: Pager,
    may_intervene: bool,
    f: Fields,
    /// Which message's form came back with findings.
    form: String,
}

impl MessagesPage {
    fn typed(&self, line: &Line) -> Fields {
        if line.mail.id == self.form {
            self.f.clone()
        } else {
            Fields::new()
        }
    }

    fn why(&self, line: &Line) -> String {
        match line.mail.problem.as_str() {
            "several" => self.p.t("workflow-mail-several"),
            "nobody" => self.p.t("workflow-mail-nobody"),
            _ => self.p.t("workflow-mail-underway"),
        }
    }
}

pub(super) async fn page(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Result<Html, WebError> {
    may(&app, &actor, "workflow.process.view")?;
    Html::page(&view(&app, p, &actor, query.after).await?)
}

async fn view(app: &App, p: Page, actor: &Actor, after: Option<String>) -> Result<MessagesPage> {
    let desk = Desk::of(app)?;
    let found =
        post::undelivered(app.db(), &PageRequest::new(after.clone(), Some(PAGE_SIZE))).await?;
    let mut lines = Vec::new();
    for mail in found.items {
        match post::choices(&desk.db, &desk.engine, &mail.id).await {
            Ok(places) => lines.push(Line { mail, places }),
            // Somebody took it since the list was read.
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(MessagesPage {
        may_intervene: can(app, actor, "workflow.instance.intervene"),
        pager: Pager::new(
            "/processes/messages",
            "",
            after.as_deref(),
            found.next.as_deref(),
        ),
        p,
        lines,
        f: Fields::new(),
        form: String::new(),
    })
}

/// The place stands in one field: `instance/element`.
fn chosen(f: &Fields) -> Result<Decision> {
    if f.value("act") == "discard" {
        return Ok(Decision::Discard);
    }
    let missing = || Error::invalid("place", Text::new("workflow-mail-choose"));
    let (instance, element) = f.value("place").split_once('/').ok_or_else(missing)?;
    Ok(Decision::Deliver {
        instance: instance.parse().map_err(|_| missing())?,
        element: element.to_owned(),
    })
}

pub(super) async fn decide(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    let desk = Desk::of(&app)?;
    may(&app, &actor, "workflow.instance.intervene")?;
    let outcome = match chosen(&f) {
        Ok(decision) => send::decide(&desk, &actor, &id, decision, f.value("reason")).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => Ok(Redirect::to("/processes/messages").into_response()),
        Err(Error::Invalid(findings)) => {
            let page = MessagesPage {
                form: id,
                f: f.rejected(findings),
                ..view(&app, p, &actor, None).await?
            };
            Ok(Html::again(&page)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}
