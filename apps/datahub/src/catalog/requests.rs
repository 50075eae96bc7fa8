//! Requests for resources: asking, the list, one with what can be done.

use ::catalog::{
    oversight,
    request::{
        Ask, Request, State,
        act::{self, Move, View},
    },
    resource,
};
use askama::Template;
use axum::{
    extract::{Path, Query, State as From},
    response::{IntoResponse as _, Redirect, Response},
};
use identity::{Actor, Gate, Resource};
use kernel::{Error, Text};
use serde::Deserialize;
use store::page::PageRequest;
use web::{
    App, Html, Page, WebError,
    component::{Choice, Crumb, Fact, Fields, Happening, Pager, Tone},
};
use workflow::deadline::DeadlineFold;

use super::{
    task,
    words::{self, Words},
};

#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    state: Option<State>,
    after: Option<String>,
}

struct Line {
    href: String,
    name: String,
    applicant: String,
    provider: String,
    period: String,
    state: (Tone, String),
}

#[derive(Template)]
#[template(path = "datahub/requests.html")]
struct RequestsPage<'a> {
    p: &'a Page,
    states: Vec<(String, String, bool)>,
    lines: Vec<Line>,
    pager: Pager,
}

pub(super) async fn list(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Result<Html, WebError> {
    let request = PageRequest::new(query.after.clone(), None);
    let page = act::list(&app, &actor, query.state, &request).await?;
    let lines = page.items.iter().map(|row| Line {
        href: format!("/work/catalog-requests/{}", row.id),
        name: p.zh(&row.resource_name),
        applicant: p.zh(&row.applicant_name),
        provider: p.zh(&row.provider_name),
        period: period(&p, row),
        state: words::request_state(&p, row.standing()),
    });
    let states = State::ALL.into_iter().map(|state| {
        let words = p.t(format!("datahub-request-{}", state.name()));
        (state.name().to_owned(), words, query.state == Some(state))
    });
    let filters = query
        .state
        .map(|s| format!("state={}", s.name()))
        .unwrap_or_default();
    let pager = Pager::new(
        "/work/catalog-requests",
        &filters,
        query.after.as_deref(),
        page.next.as_deref(),
    );
    Html::page(&RequestsPage {
        states: states.collect(),
        lines: lines.collect(),
        pager,
        p: &p,
    })
}

fn period(p: &Page, row: &Request) -> String {
    format!("{} – {}", p.date(row.starts_on), p.date(row.ends_on))
}

#[derive(Template)]
#[template(path = "datahub/request_new.html")]
struct AskPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    name: String,
    condition: String,
    orgs: Vec<Choice>,
    items: Vec<Choice>,
    modes: Vec<Choice>,
    f: Fields,
}

async fn ask_page<'a>(
    app: &App,
    p: &'a Page,
    actor: &Actor,
    id: &str,
    f: Fields,
) -> Result<AskPage<'a>, WebError> {
    let view = resource::act::get(app, actor, id).await?;
    let words = Words::of(app).await?;
    let gate = app.part::<Gate>()?;
    let mut orgs: Vec<Choice> = Vec::new();
    for post in &actor.posts {
        let own = Resource::new("CatalogRequest", "").org(&post.org);
        let may = gate.check(actor, "catalog.request", &own).is_ok();
        if may && post.org != view.row.provider && orgs.iter().all(|o| o.value != post.org) {
            orgs.push(Choice::new(&post.org, p.zh(&post.org_name)));
        }
    }
    if orgs.is_empty() {
        return Err(Error::Forbidden {
            action: "catalog.request".to_owned(),
        }
        .into());
    }
    let f = match orgs.as_slice() {
        [only] if f.value("applicant").is_empty() => f.with("applicant", &only.value),
        _ => f,
    };
    let name = p.zh(&view.row.name);
    let items = view.metadata.items.iter();
    Ok(AskPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-catalog"), "/work/catalog"),
            Crumb::new(&name, format!("/work/catalog/{}", view.row.id)),
            Crumb::new(p.t("datahub-request-new"), ""),
        ],
        name,
        condition: p.zh(&view.metadata.share_condition),
        orgs,
        items: items
            .map(|item| Choice::new(&item.name, p.zh(&item.name)))
            .collect(),
        modes: Words::choices(p, &words.profile.share_mode_types),
        f,
        p,
    })
}

pub(super) async fn blank(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Html, WebError> {
    let today = app.clock().today();
    let f = Fields::new().with("starts_on", today);
    Html::page(&ask_page(&app, &p, &actor, &id, f).await?)
}

/// The scope of a form; days that are none count as missing.
fn scope(f: &Fields) -> Ask {
    let text = |name: &str| f.value(name).to_owned();
    Ask {
        items: f.values("items").to_vec(),
        rows: text("rows"),
        basis: text("basis"),
        purpose: text("purpose"),
        users: text("users"),
        mode: text("mode"),
        per_day: f.value("per_day").trim().parse().unwrap_or_default(),
        starts_on: f.value("starts_on").parse().ok(),
        ends_on: f.value("ends_on").parse().ok(),
        responsible: text("responsible"),
        contact: text("contact"),
    }
}

pub(super) async fn ask(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    match act::ask(&app, &actor, &id, f.value("applicant"), &scope(&f)).await {
        Ok(id) => Ok(Redirect::to(&format!("/work/catalog-requests/{id}")).into_response()),
        Err(Error::Invalid(findings)) => {
            let page = ask_page(&app, &p, &actor, &id, f.rejected(findings)).await?;
            Ok(Html::again(&page)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Template)]
#[template(path = "datahub/request.html")]
struct RequestPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    row: Request,
    title: String,
    path: String,
    state: (Tone, String),
    facts: Vec<Fact>,
    happenings: Vec<Happening>,
    picture: Option<(String, String)>,
    outcomes: Vec<Choice>,
    task: String,
    deadline: Option<DeadlineFold>,
    /// The scope may be written anew.
    can_supplement: bool,
    items: Vec<Choice>,
    steps: Vec<Choice>,
    f: Fields,
}

pub(super) async fn show(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Html, WebError> {
    let view = act::get(&app, &actor, &id).await?;
    let f = filled(&view.ask);
    Html::page(&page(&app, &p, &actor, view, f).await?)
}

fn filled(ask: &Ask) -> Fields {
    let day = |day: Option<chrono::NaiveDate>| day.map(|d| d.to_string()).unwrap_or_default();
    let f = Fields::new()
        .with("rows", &ask.rows)
        .with("basis", &ask.basis)
        .with("purpose", &ask.purpose)
        .with("users", &ask.users)
        .with("mode", &ask.mode)
        .with("per_day", ask.per_day)
        .with("starts_on", day(ask.starts_on))
        .with("ends_on", day(ask.ends_on))
        .with("responsible", &ask.responsible)
        .with("contact", &ask.contact);
    ask.items.iter().fold(f, |f, item| f.with("items", item))
}

async fn page<'a>(
    app: &App,
    p: &'a Page,
    actor: &Actor,
    view: View,
    f: Fields,
) -> Result<RequestPage<'a>, WebError> {
    let row = view.row;
    let task = task::open(app, actor, &format!("catalog-request:{}", row.id)).await?;
    let entry = resource::act::get(app, actor, &row.resource).await?;
    let items = entry.metadata.items.iter();
    let items = items
        .map(|item| Choice::new(&item.name, p.zh(&item.name)))
        .collect();
    let words = Words::of(app).await?;
    let was_asked_more = view.happenings.iter().any(|one| one.act == "asked_more");
    let mut outcomes = task
        .as_ref()
        .map(|task| task::outcomes(p, task))
        .unwrap_or_default();
    outcomes.retain(|choice| choice.value != "supplement" || !was_asked_more);
    let happenings = words::happenings(app, p, &view.happenings).await?;
    let title = p.zh(&row.resource_name);
    Ok(RequestPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-requests"), "/work/catalog-requests"),
            Crumb::new(&title, ""),
        ],
        title,
        path: format!("/work/catalog-requests/{}", row.id),
        state: words::request_state(p, row.standing()),
        facts: facts(p, &words, &row, &view.ask),
        happenings,
        picture: row.instance.as_ref().map(|instance| {
            (
                format!("/api/workflow/instances/{instance}/xml"),
                format!("/api/workflow/instances/{instance}/trail"),
            )
        }),
        can_supplement: task.is_some() && row.standing() == State::Supplement,
        deadline: task::deadline(p, task.as_ref()).await?,
        outcomes,
        task: task.map(|task| task.facts.name).unwrap_or_default(),
        items,
        steps: steps(app, p, actor, &row).await?,
        row,
        f,
        p,
    })
}

fn facts(p: &Page, words: &Words, row: &Request, ask: &Ask) -> Vec<Fact> {
    let label = |name: &str| p.t(format!("datahub-ask-{name}"));
    let href = format!("/work/catalog/{}", row.resource);
    let per_day = if ask.per_day == 0 {
        String::new()
    } else {
        p.t1("datahub-ask-per_day-value", "count", ask.per_day)
    };
    let mut facts = vec![
        Fact::new(p.t("datahub-md-code"), &row.resource_code).link(href),
        Fact::new(p.t("datahub-md-provider"), p.zh(&row.provider_name)),
        Fact::new(label("applicant"), p.zh(&row.applicant_name)),
        Fact::new(label("items"), ask.items.join("、")),
        Fact::new(label("rows"), &ask.rows),
        Fact::new(label("basis"), &ask.basis),
        Fact::new(label("purpose"), &ask.purpose),
        Fact::new(label("users"), &ask.users),
        Fact::new(
            label("mode"),
            Words::name(p, &words.profile.share_mode_types, &ask.mode),
        ),
        Fact::new(label("per_day"), per_day),
        Fact::new(label("period"), period(p, row)),
        Fact::new(label("responsible"), &ask.responsible),
        Fact::new(label("contact"), &ask.contact),
        Fact::new(p.t("datahub-reason"), &row.reason),
    ];
    facts.retain(|fact| !fact.value.is_empty());
    facts
}

const MOVES: [(&str, Move); 4] = [
    ("suspend", Move::Suspend),
    ("resume", Move::Resume),
    ("revoke", Move::Revoke),
    ("cancel", Move::Cancel),
];

async fn steps(app: &App, p: &Page, actor: &Actor, row: &Request) -> Result<Vec<Choice>, WebError> {
    let gate = app.part::<Gate>()?;
    let db = app.db().read();
    let applicant = oversight::request(db, &row.id, &row.applicant).await?;
    let provider = oversight::request(db, &row.id, &row.provider).await?;
    let may = |action: &str, side: &Resource| gate.check(actor, action, side).is_ok();
    let state = row.standing();
    let fit = MOVES.into_iter().filter(|(_, step)| {
        let allowed = match step {
            Move::Cancel => may("catalog.request", &applicant),
            _ => may("catalog.request.stop", &provider),
        };
        allowed && step.after(state).is_some()
    });
    let choices =
        fit.map(|(name, _)| Choice::new(name, p.t(format!("datahub-request-step-{name}"))));
    Ok(choices.collect())
}

pub(super) async fn step(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    let view = act::get(&app, &actor, &id).await?;
    let step = MOVES.into_iter().find(|(name, _)| *name == f.value("step"));
    let version = f.value("version").parse().unwrap_or_default();
    let done = match step {
        Some((_, step)) => {
            let reason = f.value("reason");
            act::advance(&app, &actor, &id, version, step, reason)
                .await
                .map(drop)
        }
        None => Err(Error::invalid("step", Text::new("datahub-step-missing"))),
    };
    answered(&app, &p, &actor, view, f, done).await
}

async fn answered(
    app: &App,
    p: &Page,
    actor: &Actor,
    view: View,
    f: Fields,
    done: kernel::Result<()>,
) -> Result<Response, WebError> {
    match done {
        Ok(()) => {
            let href = format!("/work/catalog-requests/{}", view.row.id);
            Ok(Redirect::to(&href).into_response())
        }
        Err(Error::Invalid(findings)) => {
            let page = page(app, p, actor, view, f.rejected(findings)).await?;
            Ok(Html::again(&page)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// Completes the task; a supplement writes the scope first.
pub(super) async fn decide(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    let view = act::get(&app, &actor, &id).await?;
    let subject = format!("catalog-request:{}", view.row.id);
    let asked = scope(&f);
    if view.row.standing() == State::Supplement && asked != view.ask {
        let version = f.value("version").parse().unwrap_or_default();
        let written = act::supplement(&app, &actor, &id, version, &asked).await;
        if let Err(error) = written {
            return answered(&app, &p, &actor, view, f, Err(error)).await;
        }
    }
    let done = task::complete(&app, &actor, &subject, &f).await;
    answered(&app, &p, &actor, view, f, done).await
}
