//! Needs, duties, and what is not shared.

use ::catalog::list::{self, Kind, Line, NewLine};
use askama::Template;
use axum::{
    extract::{Path, Query, State as From},
    response::{IntoResponse as _, Redirect, Response},
};
use identity::{Actor, Gate, Resource};
use kernel::Error;
use serde::Deserialize;
use store::page::PageRequest;
use web::{
    App, Html, Page, WebError,
    component::{Choice, Fields, Pager, Tab},
};

#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    #[serde(default)]
    kind: Kind,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "datahub/catalog_lists.html")]
struct ListsPage<'a> {
    p: &'a Page,
    kind: Kind,
    tabs: Vec<Tab>,
    lines: Vec<Line>,
    pager: Pager,
    orgs: Vec<Choice>,
    can_add: bool,
    f: Fields,
}

async fn page<'a>(
    app: &App,
    p: &'a Page,
    actor: &Actor,
    query: &ListQuery,
    f: Fields,
) -> Result<ListsPage<'a>, WebError> {
    let request = PageRequest::new(query.after.clone(), None);
    let page = list::list(app, actor, query.kind, &request).await?;
    let tabs = Kind::ALL.into_iter().map(|kind| {
        let href = format!("/work/catalog-lists?kind={}", kind.name());
        Tab::new(
            p.t(format!("datahub-list-{}", kind.name())),
            href,
            kind == query.kind,
        )
    });
    let action = match query.kind {
        Kind::Negative => "catalog.list.negative",
        _ => "catalog.list.edit",
    };
    let mut orgs: Vec<Choice> = Vec::new();
    for post in &actor.posts {
        if orgs.iter().all(|known| known.value != post.org) {
            orgs.push(Choice::new(&post.org, p.zh(&post.org_name)));
        }
    }
    let filters = format!("kind={}", query.kind.name());
    Ok(ListsPage {
        kind: query.kind,
        tabs: tabs.collect(),
        lines: page.items,
        pager: Pager::new(
            "/work/catalog-lists",
            &filters,
            query.after.as_deref(),
            page.next.as_deref(),
        ),
        orgs,
        can_add: actor
            .may(&*app.part::<Gate>()?, action, &Resource::system())
            .is_ok(),
        f,
        p,
    })
}

pub(super) async fn show(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Result<Html, WebError> {
    Html::page(&page(&app, &p, &actor, &query, Fields::new()).await?)
}

fn kind(f: &Fields) -> Kind {
    let found = Kind::ALL
        .into_iter()
        .find(|kind| kind.name() == f.value("kind"));
    found.unwrap_or_default()
}

pub(super) async fn add(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    f: Fields,
) -> Result<Response, WebError> {
    let text = |name: &str| f.value(name).to_owned();
    let new = NewLine {
        kind: kind(&f),
        org: text("org"),
        name: text("name"),
        basis: text("basis"),
        note: text("note"),
        resource_code: text("resource_code"),
    };
    let done = list::add(&app, &actor, &new).await.map(drop);
    answered(&app, &p, &actor, f, done).await
}

pub(super) async fn answer(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    let version = f.value("version").parse().unwrap_or_default();
    let (code, note) = (f.value("resource_code"), f.value("note"));
    let done = list::answer(&app, &actor, &id, version, code, note).await;
    answered(&app, &p, &actor, f, done.map(drop)).await
}

async fn answered(
    app: &App,
    p: &Page,
    actor: &Actor,
    f: Fields,
    done: kernel::Result<()>,
) -> Result<Response, WebError> {
    let kind = kind(&f);
    match done {
        Ok(()) => {
            let href = format!("/work/catalog-lists?kind={}", kind.name());
            Ok(Redirect::to(&href).into_response())
        }
        Err(Error::Invalid(findings)) => {
            let query = ListQuery { kind, after: None };
            let page = page(app, p, actor, &query, f.rejected(findings)).await?;
            Ok(Html::again(&page)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}
