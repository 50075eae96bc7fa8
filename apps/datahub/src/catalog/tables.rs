//! Lists of resources that departments fill in: upload and report.

use ::catalog::{
    api::files::receive,
    resource::act::{self, Submissions},
    table::import::Report,
};
use askama::Template;
use axum::{
    extract::{Multipart, State as From},
    response::{IntoResponse as _, Response},
};
use identity::{Actor, Gate, Resource};
use kernel::Error;
use web::{
    App, Html, Page, WebError,
    component::{Choice, Fields},
};

#[derive(Template)]
#[template(path = "datahub/catalog_import.html")]
struct ImportPage<'a> {
    p: &'a Page,
    providers: Vec<Choice>,
    report: Option<Report>,
    submitted: Option<Submissions>,
    f: Fields,
}

fn page<'a>(p: &'a Page, actor: &Actor, report: Option<Report>, f: Fields) -> ImportPage<'a> {
    let mut providers: Vec<Choice> = Vec::new();
    for post in &actor.posts {
        if providers.iter().all(|known| known.value != post.org) {
            providers.push(Choice::new(&post.org, p.zh(&post.org_name)));
        }
    }
    ImportPage {
        p,
        providers,
        report,
        submitted: None,
        f,
    }
}

fn may(app: &App, actor: &Actor) -> kernel::Result<()> {
    actor.may(&*app.part::<Gate>()?, "catalog.edit", &Resource::system())
}

pub(super) async fn form(From(app): From<App>, p: Page, actor: Actor) -> Result<Html, WebError> {
    may(&app, &actor)?;
    let first = actor.posts.first().map(|post| post.org.clone());
    let f = Fields::new().with("provider", first.unwrap_or_default());
    Html::page(&page(&p, &actor, None, f))
}

/// Submits what passes, as after an import.
pub(super) async fn submit(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    f: Fields,
) -> Result<Html, WebError> {
    let submitted = act::submit_all(&app, &actor, f.value("provider")).await?;
    let page = ImportPage {
        submitted: Some(submitted),
        ..page(&p, &actor, None, f)
    };
    Html::page(&page)
}

pub(super) async fn upload(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    body: Multipart,
) -> Result<Response, WebError> {
    may(&app, &actor)?;
    match receive(&app, &actor, body).await {
        Ok(report) => {
            let page = page(&p, &actor, Some(report), Fields::new());
            Ok(Html::page(&page)?.into_response())
        }
        Err(Error::Invalid(findings)) => {
            let page = page(&p, &actor, None, Fields::new().rejected(findings));
            Ok(Html::again(&page)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}
