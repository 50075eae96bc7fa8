//! What an officer may start, and the form that the start of a process asks for.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use identity::Actor;
use kernel::{Error, Finding, Result};
use serde_json::Map;
use store::page::PageRequest;
use web::{
    App, Html, Page, WebError,
    component::{Choice, Crumb, Fields},
};

use super::{
    super::may,
    field::{self, Field, VARIABLE},
};
use crate::{
    Filter, InstanceId, Officer, act,
    engine::Engine,
    verb::{self, STARTING as ACTION, StartForm, Startable, api_task::write},
};

#[derive(Template)]
#[template(path = "processes/startable.html")]
struct StartablesPage {
    p: Page,
    crumbs: Vec<Crumb>,
    all: Vec<Startable>,
}

pub(super) async fn list(State(app): State<App>, p: Page, actor: Actor) -> Result<Html, WebError> {
    may(&app, &actor, ACTION)?;
    let engine = app.part::<Engine>()?;
    Html::page(&StartablesPage {
        all: verb::startables(app.db(), &engine, &Officer::from(&actor)).await?,
        crumbs: crumbs(&p, None),
        p,
    })
}

fn crumbs(p: &Page, name: Option<&str>) -> Vec<Crumb> {
    let mut crumbs = vec![Crumb::new(p.t("workflow-menu-tasks"), "/tasks")];
    match name {
        None => crumbs.push(Crumb::new(p.t("workflow-startable"), "")),
        Some(name) => {
            crumbs.push(Crumb::new(p.t("workflow-startable"), "/tasks/start"));
            crumbs.push(Crumb::new(name, ""));
        }
    }
    crumbs
}

#[derive(Template)]
#[template(path = "processes/start.html")]
struct StartPage {
    p: Page,
    f: Fields,
    title: String,
    crumbs: Vec<Crumb>,
    key: String,
    fields: Vec<Field>,
}

impl StartPage {
    fn yes_no(&self) -> [Choice; 2] {
        field::yes_no(&self.p)
    }
}

/// What is asked for: the variables that may be written.
fn asked(form: &StartForm) -> Vec<Field> {
    let all = field::fields(&form.fields, &form.labels, &Map::new(), false);
    all.into_iter().filter(|field| field.is_writable).collect()
}

async fn view(app: &App, p: Page, actor: &Actor, key: &str, f: Fields) -> Result<StartPage> {
    may(app, actor, ACTION)?;
    let engine = app.part::<Engine>()?;
    let found = verb::startable(app.db().read(), &engine, &Officer::from(actor), key).await?;
    let title = p.zh(&found.name);
    Ok(StartPage {
        f,
        crumbs: crumbs(&p, Some(&title)),
        title,
        fields: asked(&found.form),
        key: found.key,
        p,
    })
}

pub(super) async fn page(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(key): Path<String>,
) -> Result<Html, WebError> {
    Html::page(&view(&app, p, &actor, &key, Fields::new()).await?)
}

pub(super) async fn started(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(key): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    let page = view(&app, p, &actor, &key, Fields::new()).await?;
    match start(&app, &actor, &page, &f).await {
        Ok(id) => Ok(Redirect::to(&next(&app, &actor, id).await?).into_response()),
        Err(Error::Invalid(findings)) => {
            let at = |finding: Finding| match finding.field.as_str() {
                "title" => finding,
                name => Finding {
                    field: format!("{VARIABLE}{name}"),
                    ..finding
                },
            };
            let findings = findings.into_iter().map(at).collect();
            let f = f.rejected(findings);
            Ok(Html::again(&StartPage { f, ..page })?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}

async fn start(app: &App, actor: &Actor, page: &StartPage, f: &Fields) -> Result<InstanceId> {
    let all = |findings: Vec<Finding>| {
        let title = verb::title_finding(f.value("title"));
        Error::Invalid(title.into_iter().chain(findings).collect())
    };
    let vars = field::changed(&page.fields, f).map_err(all)?;
    let (key, title) = (page.key.clone(), f.value("title").to_owned());
    write(app, actor, ACTION, move |tx, engine, officer| {
        let (key, title, vars) = (key.clone(), title.clone(), vars.clone());
        async move { verb::start_by_officer(&tx, &engine, &officer, &key, &title, vars).await }
    })
    .await
}

/// The first task, where the process comes back to whoever started it; else how it stands.
async fn next(app: &App, actor: &Actor, id: InstanceId) -> Result<String> {
    let officer = Officer::from(actor);
    let filter = Filter {
        groups: officer.groups,
        assignee: Some(officer.id),
        instance: Some(id),
        ..Filter::default()
    };
    let own = act::tasks(app.db(), &filter, &PageRequest::new(None, Some(1))).await?;
    Ok(match own.items.first() {
        Some(task) => format!("/tasks/{}", task.facts.task),
        None => format!("/tasks/started/{id}"),
    })
}
