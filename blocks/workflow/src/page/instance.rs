//! One instance: where it stands and how it came there, and what an operator may do about it.

use std::borrow::Borrow;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect, Response},
};
use identity::Actor;
use kernel::{Error, Result, Text, clock::from_micros};
use serde::Deserialize;
use serde_json::{Map, Value};
use web::{
    App, Html, Page, WebError,
    component::{Choice, Crumb, Fact, Fields, Pager, Tab, Tone},
};

use super::{
    Names, can, escaped, key_of, kind_words, list, may, shown, span, status_tone,
    store::{self, Line},
    version_of,
};
use crate::{
    InstanceId, Intervention, Officer,
    core::{Instance, State as Standing},
    deadline::{self, DeadlineFold},
    engine::Engine,
    event, intervene, store as tables,
    trail::{Stay, Trail, trail_of},
    verb::said,
};

const PAGE_SIZE: u64 = 50;
/// Stays and tasks shown of one instance, the newest: a loop may have thousands.
const MOST_STAYS: usize = 200;

// The list

#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    definition: Option<String>,
    status: Option<String>,
    q: Option<String>,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "processes/instances.html")]
struct ListPage {
    p: Page,
    title: String,
    crumbs: Vec<Crumb>,
    q: String,
    lines: Vec<Line>,
    tabs: Vec<Tab>,
    pager: Pager,
}

impl ListPage {
    fn status(&self, line: &Line) -> String {
        self.p.t(format!("workflow-status-{}", line.status))
    }
}

const STATUSES: [&str; 5] = ["running", "completed", "terminated", "cancelled", "failed"];

/// Instances of one version in one status, or about one subject.
pub(super) async fn list(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Result<Html, WebError> {
    may(&app, &actor, "workflow.process.view")?;
    let q = query.q.unwrap_or_default().trim().to_owned();
    let definition = query.definition.unwrap_or_default();
    let status = query.status.unwrap_or_default();
    let status = STATUSES
        .iter()
        .find(|one| **one == status)
        .unwrap_or(&"running");
    let mut crumbs = vec![Crumb::new(p.t("workflow-menu-processes"), "/processes")];
    let (mut lines, mut tabs) = (Vec::new(), Vec::new());
    if !q.is_empty() {
        lines = store::find_instances(app.db(), &q, PAGE_SIZE).await?;
    } else if !definition.is_empty() {
        let after = query.after.as_deref();
        lines = store::list_instances(app.db(), &definition, status, after, PAGE_SIZE + 1).await?;
        let key = key_of(&definition);
        let href = format!(
            "/processes/definitions/{}?version={}",
            escaped(key),
            version_of(&definition)
        );
        crumbs.push(Crumb::new(key, href));
        tabs = tabs_of(&p, &definition, status);
    }
    crumbs.push(Crumb::new(p.t("workflow-instances"), ""));
    let has_more = lines.len() as u64 > PAGE_SIZE;
    lines.truncate(usize::try_from(PAGE_SIZE).unwrap_or(usize::MAX));
    let next = lines
        .last()
        .filter(|_| has_more)
        .map(|line| line.id.clone());
    let filters = format!("definition={}&status={status}", escaped(&definition));
    let pager = Pager::new(
        "/processes/instances",
        &filters,
        query.after.as_deref(),
        next.as_deref(),
    );
    Html::page(&ListPage {
        title: p.t("workflow-instances"),
        p,
        crumbs,
        q,
        lines,
        tabs,
        pager,
    })
}

/// One tab for each status of a definition's instances.
fn tabs_of(p: &Page, definition: &str, status: &str) -> Vec<Tab> {
    let tab = |one: &str| {
        let words = p.t(format!("workflow-status-{one}"));
        let href = format!("{}&status={one}", address(definition));
        Tab::new(words, href, one == status)
    };
    STATUSES.map(tab).to_vec()
}

fn address(definition: &str) -> String {
    format!("/processes/instances?definition={}", escaped(definition))
}

// One instance

/// A token that waits or stopped, as something that can be moved.
struct Stand {
    token: u32,
    element: String,
    name: String,
    kind: String,
    /// Why it stopped; empty if it did not.
    stopped: String,
}

struct TimerLine {
    name: String,
    /// Empty while the calendar counts the days.
    due: String,
}

struct TaskLine {
    name: String,
    state: String,
    who: String,
    created_at: i64,
    due_at: Option<i64>,
    done_at: Option<i64>,
    is_overdue: bool,
}

struct Variable {
    name: String,
    kind: &'static str,
    value: String,
    is_masked: bool,
}

#[derive(Template)]
#[template(path = "processes/instance.html")]
struct InstancePage {
    p: Page,
    id: InstanceId,
    name: String,
    crumbs: Vec<Crumb>,
    trail: Trail,
    names: Names,
    facts: Vec<Fact>,
    stands: Vec<Stand>,
    places: Vec<Choice>,
    timers: Vec<TimerLine>,
    tasks: Vec<TaskLine>,
    deadlines: Vec<DeadlineFold>,
    variables: Vec<Variable>,
    is_unmasked: bool,
    may_intervene: bool,
    may_unmask: bool,
    /// The form that came back with messages, and which one it was.
    f: Fields,
    form: &'static str,
}

impl InstancePage {
    fn is_running(&self) -> bool {
        self.trail.status == "running"
    }

    fn status(&self) -> String {
        self.p.t(format!("workflow-status-{}", self.trail.status))
    }

    fn tone(&self) -> Tone {
        status_tone(&self.trail.status)
    }

    fn told(&self, stand: &Stand) -> String {
        crate::reason::said(&self.p, &stand.stopped)
    }

    fn incidents(&self) -> Vec<&Stand> {
        self.stands
            .iter()
            .filter(|stand| !stand.stopped.is_empty())
            .collect()
    }

    /// The newest stays, oldest of them first.
    fn stays(&self) -> Vec<&Stay> {
        let told: Vec<_> = self.trail.told().collect();
        told.iter()
            .skip(told.len().saturating_sub(MOST_STAYS))
            .copied()
            .collect()
    }

    fn stay_kind(&self, stay: &Stay) -> String {
        kind_words(&self.p, &stay.kind)
    }

    fn lasted(&self, stay: &Stay) -> String {
        let end = stay.left_at.unwrap_or_else(|| self.p.app.clock().now());
        span(&self.p, (end - stay.entered_at).num_seconds().max(0))
    }

    fn fields_of(&self, form: &str) -> Fields {
        if form == self.form {
            self.f.clone()
        } else {
            Fields::new()
        }
    }
}

pub(super) async fn page(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Html, WebError> {
    may(&app, &actor, "workflow.process.view")?;
    let view = view(&app, p, &actor, parse(&id)?).await?;
    Html::page(&view)
}

fn parse(id: &str) -> Result<InstanceId> {
    id.parse().map_err(|_| Error::NotFound {
        what: "process instance",
    })
}

async fn view(app: &App, p: Page, actor: &Actor, id: InstanceId) -> Result<InstancePage> {
    let engine = app.part::<Engine>()?;
    let row = tables::get_instance(app.db().read(), id).await?;
    let state = engine.state(app.db().read(), &row).await?;
    let process = engine.process(app.db().read(), &row.definition).await?;
    let trail = trail_of(app.db(), &engine, id).await?;
    let names = Names::of(app, &p, trail.steps.iter().map(|stay| stay.by.as_str())).await;
    let model = &process.model;
    let deployed = store::list_definitions(app.db(), Some(key_of(&row.definition))).await?;
    let name = match deployed.iter().find(|one| one.id == row.definition) {
        Some(deployed) => list::name_of(app, deployed).await?,
        None => String::new(),
    };
    let name = if name.is_empty() {
        row.process.clone()
    } else {
        name
    };
    let places = model
        .nodes
        .iter()
        .filter(|node| node.is_activity())
        .map(|node| Choice::new(&*node.id, p.zh(node.title())))
        .collect();
    let href = format!(
        "/processes/definitions/{}?version={}",
        escaped(key_of(&row.definition)),
        version_of(&row.definition)
    );
    let crumbs = vec![
        Crumb::new(p.t("workflow-menu-processes"), "/processes"),
        Crumb::new(p.zh(&name), href),
        Crumb::new(p.t("workflow-instances"), address(&row.definition)),
        Crumb::new(&row.subject, ""),
    ];
    Ok(InstancePage {
        id,
        crumbs,
        facts: facts(app, &p, &row, &trail).await,
        stands: stands(&state, model),
        timers: timers(&p, &state, model),
        tasks: task_lines(app, &p, &row.id).await?,
        deadlines: deadline::page::of_instance(&p, &engine, &row.id, model).await?,
        variables: variables(&state, false),
        may_intervene: can(app, actor, "workflow.instance.intervene"),
        may_unmask: can(app, actor, "workflow.variable.unmask"),
        is_unmasked: false,
        name,
        trail,
        names,
        places,
        f: Fields::new(),
        form: "",
        p,
    })
}

async fn facts(
    app: &App,
    p: &Page,
    row: &crate::schema::instance::Model,
    trail: &Trail,
) -> Vec<Fact> {
    let end = trail.ended_at.unwrap_or_else(|| app.clock().now());
    let lasted = (end - trail.started_at).num_seconds().max(0);
    let by = super::name_of(app, p, &row.started_by).await;
    vec![
        Fact::new(p.t("workflow-subject"), &row.subject),
        Fact::new(p.t("workflow-started"), p.stamp(trail.started_at)),
        Fact::new(p.t("workflow-started-by"), by),
        Fact::new(p.t("workflow-ended"), p.stamp(trail.ended_at)),
        Fact::new(p.t("workflow-lasted"), span(p, lasted)),
    ]
}

fn stands(state: &Instance, model: &crate::model::Model) -> Vec<Stand> {
    state
        .tokens
        .iter()
        .filter(|(_, token)| !matches!(token.state, Standing::Body | Standing::Multi(_)))
        .map(|(id, token)| {
            let node = model.lookup(&token.at).map(|ix| &model[ix]);
            Stand {
                token: *id,
                element: token.at.to_string(),
                name: node.map_or_else(|| token.at.to_string(), |node| node.title().to_owned()),
                kind: node.map_or_else(String::new, |node| node.type_name().to_owned()),
                stopped: match &token.state {
                    Standing::Incident(text) => text.clone(),
                    _ => String::new(),
                },
            }
        })
        .collect()
}

fn timers(p: &Page, state: &Instance, model: &crate::model::Model) -> Vec<TimerLine> {
    state
        .timers
        .values()
        .map(|timer| TimerLine {
            name: model
                .lookup(&timer.at)
                .map_or_else(|| timer.at.to_string(), |ix| model[ix].title().to_owned()),
            due: timer.due.map(|due| p.stamp(due)).unwrap_or_default(),
        })
        .collect()
}

/// Candidates that are officers and not posts.
fn in_person(candidates: &str) -> impl Iterator<Item = &str> {
    candidates.split(',').filter(|one| one.starts_with("user:"))
}

fn candidates(candidates: &str, names: &Names) -> String {
    let shown = candidates
        .split(',')
        .map(|one| match one.strip_prefix("user:") {
            Some(_) => names.get(one),
            None => one.to_owned(),
        });
    shown.collect::<Vec<_>>().join(", ")
}

async fn task_lines(app: &App, p: &Page, instance: &str) -> Result<Vec<TaskLine>> {
    let now = kernel::clock::micros(app.clock().now());
    let rows = store::tasks_of(app.db(), instance, MOST_STAYS as u64).await?;
    let holders = rows.iter().flat_map(|row| match &row.assignee {
        Some(assignee) => vec![assignee.as_str()],
        None => in_person(&row.candidates).collect(),
    });
    let names = Names::of(app, p, holders).await;
    Ok(rows
        .into_iter()
        .map(|row| {
            let is_open = matches!(row.state.as_str(), "open" | "claimed");
            TaskLine {
                who: match &row.assignee {
                    Some(assignee) => names.get(assignee),
                    None => candidates(&row.candidates, &names),
                },
                is_overdue: is_open && row.due_at.is_some_and(|due| due < now),
                name: row.name,
                state: row.state,
                created_at: row.created_at,
                due_at: row.due_at,
                done_at: row.done_at,
            }
        })
        .collect())
}

/// Nothing tells which variables are sensitive, so every text and number is taken to be.
fn variables(state: &Instance, is_unmasked: bool) -> Vec<Variable> {
    let told = |(name, value): (String, Value)| {
        let (kind, is_plain) = match &value {
            Value::Null => ("null", true),
            Value::Bool(_) => ("bool", true),
            Value::Number(_) => ("number", false),
            Value::String(_) => ("text", false),
            Value::Array(_) => ("list", false),
            Value::Object(_) => ("record", false),
        };
        let is_masked = !is_plain && !is_unmasked;
        Variable {
            value: if is_masked {
                String::new()
            } else {
                shown(&value)
            },
            name,
            kind,
            is_masked,
        }
    };
    state.variables().into_iter().map(told).collect()
}

// What an operator does

async fn act(
    app: &App,
    p: Page,
    actor: &Actor,
    id: &str,
    form: &'static str,
    f: Fields,
    intervention: Result<Intervention>,
) -> Result<Response, WebError> {
    may(app, actor, "workflow.instance.intervene")?;
    let id = parse(id)?;
    let done = match intervention {
        Ok(intervention) => carry_out(app, actor, id, intervention, f.value("reason")).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => Ok(Redirect::to(&format!("/processes/instances/{id}")).into_response()),
        Err(Error::Invalid(findings)) => {
            let page = InstancePage {
                f: f.rejected(findings),
                form,
                ..view(app, p, actor, id).await?
            };
            Ok(Html::again(&page)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// One intervention in a write of its own.
pub(super) async fn carry_out(
    app: &App,
    actor: &Actor,
    id: InstanceId,
    intervention: Intervention,
    reason: &str,
) -> Result<()> {
    let engine = app.part::<Engine>()?;
    let (reason, officer) = (reason.to_owned(), Officer::from(actor));
    app.db()
        .write(move |tx| {
            let (engine, intervention) = (engine.clone(), intervention.clone());
            let (reason, officer) = (reason.clone(), officer.clone());
            async move { intervene(&tx, &engine, id, intervention, &officer, &reason).await }
        })
        .await
}

pub(super) async fn moved(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    let missing = |field| Error::invalid(field, Text::new("workflow-choose-place"));
    let intervention = match (f.value("token").parse(), f.value("to")) {
        (Err(_), _) => Err(missing("token")),
        (_, "") => Err(missing("to")),
        (Ok(token), to) => Ok(Intervention::Move {
            token,
            to: to.to_owned(),
        }),
    };
    act(&app, p, &actor, &id, "move", f, intervention).await
}

pub(super) async fn cancelled(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    act(&app, p, &actor, &id, "cancel", f, Ok(Intervention::Cancel)).await
}

pub(super) async fn retried(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    act(
        &app,
        p,
        &actor,
        &id,
        "retry",
        f,
        Ok(Intervention::Retry(None)),
    )
    .await
}

pub(super) async fn set(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    let intervention =
        typed(&f).map(|(name, value)| Intervention::Set(Map::from_iter([(name, value)])));
    act(&app, p, &actor, &id, "set", f, intervention).await
}

/// A variable as the form has it: its value is JSON, or text when it is typed as text.
fn typed(f: &Fields) -> Result<(String, Value)> {
    let name = f.value("name").trim();
    if name.is_empty() || name.chars().any(char::is_whitespace) {
        return Err(Error::invalid("name", Text::new("workflow-variable-name")));
    }
    let text = f.value("value");
    let value = if f.value("type") == "json" {
        serde_json::from_str(text).map_err(|e| {
            Error::invalid(
                "value",
                Text::new("workflow-variable-json").with("reason", e),
            )
        })?
    } else {
        Value::from(text)
    };
    Ok((name.to_owned(), value))
}

/// The page with the variables unmasked, for a purpose that is kept.
pub(super) async fn unmasked(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    may(&app, &actor, "workflow.variable.unmask")?;
    let id = parse(&id)?;
    let purpose = match said("purpose", f.value("purpose")) {
        Ok(purpose) => purpose.to_owned(),
        Err(Error::Invalid(findings)) => {
            let page = InstancePage {
                f: f.clone().rejected(findings),
                form: "variables",
                ..view(&app, p, &actor, id).await?
            };
            return Ok(Html::again(&page)?.into_response());
        }
        Err(error) => return Err(error.into()),
    };
    let row = tables::get_instance(app.db().read(), id).await?;
    let shown = event::VariablesShown {
        instance: id,
        subject: row.subject.clone(),
        purpose,
    };
    let (subject, by) = (row.subject.clone(), actor.trace());
    app.db()
        .write(move |tx| {
            let (subject, by, shown) = (subject.clone(), by.clone(), shown.clone());
            async move { tx.emit(subject, by, &shown) }
        })
        .await?;
    let state = app.part::<Engine>()?.state(app.db().read(), &row).await?;
    let page = InstancePage {
        variables: variables(&state, true),
        is_unmasked: true,
        ..view(&app, p, &actor, id).await?
    };
    Ok(Html::page(&page)?.into_response())
}

/// What is said of a moment that tables keep.
impl InstancePage {
    fn stamp(&self, micros: impl Borrow<i64>) -> String {
        self.p.stamp(from_micros(*micros.borrow()))
    }
}
