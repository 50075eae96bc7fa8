//! Stewards' pages: the list, one version with its checks and acts, and the editor of a draft.

use askama::Template;
use axum::{
    Form,
    extract::{Path, Query, State as AppState},
    response::{IntoResponse, Response},
};
use identity::{Actor, Gate};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use web::{
    App, Html, Page, WebError,
    component::{Crumb, Fact, Fields, Pager},
};

use super::{
    Matter, State, act,
    store::{self, Row, Search},
};
use crate::guide::{api::stewards_only, page::encode, page::see};

/// Routes of the workbench.
pub fn routes() -> OpenApiRouter<App> {
    use axum::routing::{get, post};
    OpenApiRouter::new()
        .route("/work/matters", get(list))
        .route("/work/matters/new", get(new))
        .route("/work/matters/draft", post(save))
        .route("/work/matters/{task_code}/{version}", get(show))
        .route("/work/matters/{task_code}/{version}/edit", get(edit))
        .route("/work/matters/{task_code}/{version}/{act}", post(do_act))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListQuery {
    q: String,
    state: String,
    after: String,
}

#[derive(Template)]
#[template(path = "matter/list.html")]
struct List {
    p: Page,
    q: String,
    rows: Vec<Line>,
    pager: Pager,
}

struct Line {
    row: Row,
    href: String,
    state: String,
}

async fn list(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Result<Html, WebError> {
    stewards_only(&app, &actor, "service.matter.list")?;
    let search = Search {
        words: query.q.clone(),
        state: State::of_code(&query.state),
        is_steward: true,
        after: query.after.clone(),
        limit: 50,
        ..Search::default()
    };
    let (rows, has_more) = store::list(app.db().read(), &search).await?;
    let next = has_more
        .then(|| rows.last().map(|row| row.key.clone()))
        .flatten();
    let after = Some(query.after.as_str()).filter(|after| !after.is_empty());
    let filters = format!("q={}&state={}", encode(&query.q), encode(&query.state));
    let pager = Pager::new("/work/matters", &filters, after, next.as_deref());
    let rows = rows.into_iter().map(|row| Line {
        href: href(&row.task_code, row.version),
        state: p.t(crate::guide::state_key(row.state)),
        row,
    });
    Html::page(&List {
        rows: rows.collect(),
        q: query.q,
        pager,
        p,
    })
}

fn href(task_code: &str, version: i32) -> String {
    format!("/work/matters/{}/{version}", encode(task_code))
}

#[derive(Template)]
#[template(path = "matter/show.html")]
struct Show {
    p: Page,
    m: Matter,
    crumbs: Vec<Crumb>,
    facts: Vec<Fact>,
    /// Checks not passed: element and what to do.
    findings: Vec<(String, String)>,
    acts: Vec<ActButton>,
    href: String,
}

/// An act that the state allows.
struct ActButton {
    act: &'static str,
    label: String,
    kind: &'static str,
}

async fn show(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path((task_code, version)): Path<(String, i32)>,
) -> Result<Html, WebError> {
    let gate = app.part::<Gate>()?;
    let (m, findings) = act::findings(app.db(), &gate, &actor, &task_code, version).await?;
    let findings: Vec<_> = findings
        .into_iter()
        .map(|f| (f.field, p.say(&f.text)))
        .collect();
    let offered: &[(&str, &str)] = match m.state {
        State::Draft if findings.is_empty() => &[("publish", "btn-primary")],
        State::Published => &[
            ("suspend", "btn-outline-primary"),
            ("cancel", "btn-outline-danger"),
        ],
        State::Suspended => &[("resume", "btn-primary"), ("cancel", "btn-outline-danger")],
        State::Listed => &[("cancel", "btn-outline-danger")],
        State::Draft | State::Cancelled | State::Superseded => &[],
    };
    let acts = offered
        .iter()
        .map(|(act, kind)| ActButton {
            act,
            label: p.t(format!("service-matter-{act}")),
            kind,
        })
        .collect();
    let facts = vec![
        Fact::new(p.t("service-guide-code"), &m.task_code),
        Fact::new(p.t("service-guide-department"), p.zh(&m.dept_name)),
        Fact::new(
            p.t("service-guide-state"),
            p.t(crate::guide::state_key(m.state)),
        ),
        Fact::new(p.t("service-matter-version"), m.version.to_string()),
        Fact::new(
            p.t("service-matter-form"),
            m.form.clone().unwrap_or_default(),
        ),
        Fact::new(
            p.t("service-matter-process"),
            m.process.clone().unwrap_or_default(),
        ),
        Fact::new(
            p.t("service-matter-certificate"),
            m.certificate.clone().unwrap_or_default(),
        ),
    ];
    Html::page(&Show {
        crumbs: vec![
            Crumb::new(p.t("service-matters"), "/work/matters"),
            Crumb::new(p.zh(&m.name), ""),
        ],
        facts,
        findings,
        acts,
        href: href(&m.task_code, m.version),
        m,
        p,
    })
}

async fn do_act(
    AppState(app): AppState<App>,
    actor: Actor,
    Path((task_code, version, what)): Path<(String, i32, String)>,
) -> Result<Response, WebError> {
    let gate = app.part::<Gate>()?;
    let db = app.db();
    match what.as_str() {
        "publish" => Box::pin(act::publish(db, &gate, &actor, &task_code, version)).await?,
        "suspend" => Box::pin(act::suspend(db, &gate, &actor, &task_code, version)).await?,
        "resume" => Box::pin(act::resume(db, &gate, &actor, &task_code, version)).await?,
        "cancel" => Box::pin(act::cancel(db, &gate, &actor, &task_code, version)).await?,
        _ => return Err(kernel::Error::NotFound { what: "act" }.into()),
    }
    Ok(see(&href(&task_code, version)))
}

#[derive(Template)]
#[template(path = "matter/edit.html")]
struct Edit {
    p: Page,
    f: Fields,
    row_version: String,
}

async fn new(AppState(app): AppState<App>, p: Page, actor: Actor) -> Result<Html, WebError> {
    stewards_only(&app, &actor, "service.matter.edit")?;
    editor(p, &Matter::default(), None)
}

/// A draft goes on being edited; any other version is what a new draft begins from.
async fn edit(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path((task_code, version)): Path<(String, i32)>,
) -> Result<Html, WebError> {
    let gate = app.part::<Gate>()?;
    let (matter, row_version) = store::get_for_edit(app.db().read(), &task_code, version).await?;
    gate.check(&actor, "service.matter.edit", &act::resource(&matter))?;
    let is_draft = matter.state == State::Draft;
    editor(p, &matter, is_draft.then_some(row_version))
}

fn editor(p: Page, matter: &Matter, row_version: Option<i32>) -> Result<Html, WebError> {
    let text = toml::to_string_pretty(matter)
        .map_err(|e| kernel::Fault::caused_by("write a matter as text", e))?;
    Html::page(&Edit {
        p,
        f: Fields::new().with("matter", text),
        row_version: row_version.map(|v| v.to_string()).unwrap_or_default(),
    })
}

#[derive(Deserialize)]
struct Draft {
    matter: String,
    #[serde(default)]
    row_version: String,
}

async fn save(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Form(draft): Form<Draft>,
) -> Result<Response, WebError> {
    stewards_only(&app, &actor, "service.matter.edit")?;
    let gate = app.part::<Gate>()?;
    let read: Result<Matter, _> = toml::from_str(&draft.matter);
    let saved = match read {
        Ok(matter) => {
            let task_code = matter.task_code.clone();
            let row_version = draft.row_version.parse().ok();
            let saved = Box::pin(act::save_draft(
                app.db(),
                &gate,
                &actor,
                matter,
                row_version,
            ))
            .await;
            saved.map(|version| href(&task_code, version))
        }
        Err(e) => {
            let text = kernel::Text::new("service-matter-unreadable").with("reason", e);
            Err(kernel::Error::invalid("matter", text))
        }
    };
    match saved {
        Ok(href) => Ok(see(&href)),
        Err(kernel::Error::Invalid(findings)) => {
            let f = Fields::new()
                .with("matter", &draft.matter)
                .rejected(findings);
            let page = Edit {
                p,
                f,
                row_version: draft.row_version,
            };
            Ok(Html::again(&page)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}
