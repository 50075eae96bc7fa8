//! Objections: which are waiting for whom, and one with what can be done.

use askama::Template;
use axum::{
    extract::{Path, Query, State as From},
    response::{IntoResponse as _, Redirect, Response},
};
use identity::{Actor, Gate, Resource};
use kernel::{Error, Finding, Text, clock::from_micros};
use registry::{
    Objection, Registries,
    api::objections::is_unmasked,
    objection::{
        Move, State,
        act::{self, Moving},
    },
    value::Value,
};
use serde::Deserialize;
use store::page::PageRequest;
use web::{
    App, Html, Page, WebError,
    component::{Choice, Crumb, Fact, Fields, Pager, Tab},
};

use super::words::{Words, title};

#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    state: Option<State>,
    after: Option<String>,
}

struct Line {
    href: String,
    field: String,
    registry: String,
    source: String,
    raised: String,
    due: String,
    is_overdue: bool,
}

#[derive(Template)]
#[template(path = "datahub/objections.html")]
struct ObjectionsPage<'a> {
    p: &'a Page,
    tabs: Vec<Tab>,
    lines: Vec<Line>,
    pager: Pager,
}

fn state_key(state: State) -> String {
    format!("datahub-objection-{}", state.name())
}

pub(super) async fn list(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Result<Html, WebError> {
    let state = query.state.unwrap_or(State::Raised);
    let request = PageRequest::new(query.after.clone(), None);
    let page = act::list(&app, &actor, state, &request).await?;
    let registries = app.part::<Registries>()?;
    let mut lines = Vec::new();
    for row in page.items {
        let declaration = registries
            .declaration(app.db().read(), &row.registry)
            .await?;
        let words = Words::of(&app, &declaration).await?;
        let field = declaration.field(&row.field);
        lines.push(Line {
            href: format!("/work/data-objections/{}", row.id),
            field: field.map_or_else(|| row.field.clone(), |f| title(&p, &f.title)),
            registry: title(&p, &declaration.title),
            source: words.source(&p, &row.source),
            raised: p.stamp(from_micros(row.raised_at)),
            due: p.date(row.due_on),
            is_overdue: row.is_overdue,
        });
    }
    let tabs = State::ALL.into_iter().map(|each| {
        let href = format!("/work/data-objections?state={}", each.name());
        Tab::new(p.t(state_key(each)), href, each == state)
    });
    let tabs = tabs.collect();
    let filters = format!("state={}", state.name());
    let pager = Pager::new(
        "/work/data-objections",
        &filters,
        query.after.as_deref(),
        page.next.as_deref(),
    );
    Html::page(&ObjectionsPage {
        p: &p,
        tabs,
        lines,
        pager,
    })
}

#[derive(Template)]
#[template(path = "datahub/objection.html")]
struct ObjectionPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    title: String,
    state: String,
    is_overdue: bool,
    record: String,
    facts: Vec<Fact>,
    /// What this actor can do now.
    steps: Vec<Choice>,
    needs_value: bool,
    version: i64,
    f: Fields,
}

const MOVES: [(&str, Move); 9] = [
    ("accept", Move::Accept),
    ("find_wrong", Move::FindWrong),
    ("find_right", Move::FindRight),
    ("cannot_tell", Move::CannotTell),
    ("approve", Move::Approve),
    ("send_back", Move::SendBack),
    ("dispute", Move::Dispute),
    ("settle", Move::Settle),
    ("withdraw", Move::Withdraw),
];

pub(super) async fn show(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Html, WebError> {
    let row = act::get(&app, &actor, &id).await?;
    Html::page(&page(&app, &p, &actor, row, Fields::new()).await?)
}

async fn page<'a>(
    app: &App,
    p: &'a Page,
    actor: &Actor,
    row: Objection,
    f: Fields,
) -> Result<ObjectionPage<'a>, WebError> {
    let registries = app.part::<Registries>()?;
    let declaration = registries
        .declaration(app.db().read(), &row.registry)
        .await?;
    let words = Words::of(app, &declaration).await?;
    let whole = is_unmasked(app, actor, &row)?;
    let field = declaration.field(&row.field);
    let value = |json: &str| {
        let json = serde_json::from_str(json).unwrap_or_default();
        let value = field.and_then(|f| Some((f, Value::of_json(f, &json)?)));
        value.map_or_else(String::new, |(f, v)| words.value(p, f, &v, whole))
    };
    let name = field.map_or_else(|| row.field.clone(), |f| title(p, &f.title));
    let mut facts = vec![
        Fact::new(p.t("datahub-registry"), title(p, &declaration.title)),
        Fact::new(p.t("datahub-source"), words.source(p, &row.source)),
        Fact::new(p.t("datahub-current"), value(&row.current_value)),
        Fact::new(p.t("datahub-expected"), value(&row.expected_value)),
        Fact::new(p.t("datahub-reason"), &row.reason),
        Fact::new(p.t("datahub-raised"), p.moment(from_micros(row.raised_at))),
        Fact::new(p.t("datahub-due"), p.date(row.due_on)),
    ];
    if let Some(proposed) = &row.proposed_value {
        facts.push(Fact::new(p.t("datahub-proposed"), value(proposed)));
    }
    if !row.answer.is_empty() {
        facts.push(Fact::new(p.t("datahub-answer"), &row.answer));
    }
    let steps = steps(app, p, actor, &row).await?;
    Ok(ObjectionPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-objections"), "/work/data-objections"),
            Crumb::new(&name, ""),
        ],
        title: name,
        state: p.t(format!("datahub-objection-{}", row.state)),
        is_overdue: row.is_overdue,
        record: format!("/work/data/{}/{}", row.registry, row.record),
        facts,
        needs_value: steps.iter().any(|choice| choice.value == "find_wrong"),
        steps,
        version: row.version,
        f,
        p,
    })
}

async fn steps(
    app: &App,
    p: &Page,
    actor: &Actor,
    row: &Objection,
) -> Result<Vec<Choice>, WebError> {
    let Some(state) = State::ALL.into_iter().find(|s| s.name() == row.state) else {
        return Ok(Vec::new());
    };
    let gate = app.part::<Gate>()?;
    let resource = Resource::new("Registry", &row.registry).org(&row.source_org);
    let may = |action| gate.check(actor, action, &resource).is_ok();
    let mediates = act::mediates(app, actor, row).await?;
    let is_raiser = actor.posts.iter().any(|post| post.org == row.raised_org);
    let fit = MOVES.into_iter().filter(|(_, step)| {
        let allowed = match step {
            Move::Accept | Move::FindWrong | Move::FindRight | Move::CannotTell => {
                may("registry.objection.answer")
            }
            Move::Approve => may("registry.objection.approve"),
            Move::SendBack if state == State::Proposed => may("registry.objection.approve"),
            Move::SendBack | Move::Settle => mediates,
            Move::Dispute | Move::Withdraw => is_raiser,
        };
        allowed && state.after(*step).is_some()
    });
    let choices = fit.map(|(name, _)| {
        let key = format!("datahub-step-{}", name.replace('_', "-"));
        Choice::new(name, p.t(key))
    });
    Ok(choices.collect())
}

pub(super) async fn advance(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, WebError> {
    let row = act::get(&app, &actor, &id).await?;
    let done = match moving(&fields) {
        Ok(moving) => act::advance(&app, &actor, &id, &moving).await.map(|_| ()),
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => Ok(Redirect::to(&format!("/work/data-objections/{id}")).into_response()),
        Err(Error::Invalid(findings)) => {
            // The form calls the answer what the act calls the reason.
            let findings = findings.into_iter().map(|mut finding: Finding| {
                if finding.field == "reason" {
                    "text".clone_into(&mut finding.field);
                }
                finding
            });
            let f = fields.rejected(findings.collect());
            Ok(Html::again(&page(&app, &p, &actor, row, f).await?)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}

fn moving(fields: &Fields) -> kernel::Result<Moving> {
    let step = MOVES
        .into_iter()
        .find(|(name, _)| *name == fields.value("step"));
    let (_, step) =
        step.ok_or_else(|| Error::invalid("step", Text::new("datahub-step-missing")))?;
    let valid_from = match fields.value("valid_from") {
        "" => None,
        day => Some(
            day.parse()
                .map_err(|_| Error::invalid("valid_from", Text::new("registry-value-date")))?,
        ),
    };
    Ok(Moving {
        step,
        version: fields.value("version").parse().unwrap_or_default(),
        text: fields.value("text").to_owned(),
        value: fields.value("value").to_owned(),
        valid_from,
    })
}
