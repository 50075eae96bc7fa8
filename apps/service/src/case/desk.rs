//! Pages of officers: the work list, and a case with everything and the acts allowed now.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, Query, State as AppState},
    response::{IntoResponse, Redirect, Response},
};
use identity::{Actor, Resource};
use kernel::Error;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use web::{
    App, Html, Page, WebError,
    component::{Choice, Fact, Fields, Happening, Light, Pager, Tab, Tone},
};
use workflow::deadline::DeadlineFold;

use super::{
    CaseId, Delivery, Event, State,
    act::{self, Desk},
    correct,
    flow::{self, Task, Whose},
    page::findings,
    store::{self as rows, Case, Opinion},
    view,
    work::{self, Done},
};
use crate::reveal;

/// Routes of the workbench.
pub fn routes() -> OpenApiRouter<App> {
    use axum::routing::{get, post};
    OpenApiRouter::new()
        .route("/work", get(list))
        .route("/work/cases/{id}", get(show))
        .route("/work/cases/{id}/acts", post(do_act))
        .route("/work/tasks/{id}/claim", post(claim))
        .route("/work/tasks/{id}/release", post(release))
        .route("/work/tasks/{id}/transfer", post(transfer))
        .route("/work/tasks/{id}/complete", post(complete))
}

const PAGE: u64 = 30;

#[derive(Template)]
#[template(path = "work/list.html")]
struct ListPage {
    p: Page,
    tabs: Vec<Tab>,
    rows: Vec<view::Row>,
    pager: Pager,
    number: String,
    tab: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListQuery {
    tab: String,
    number: String,
    after: Option<String>,
}

async fn list(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Result<Html, WebError> {
    let desk = Desk::of(&app)?;
    desk.gate
        .check(&actor, "service.work.view", &Resource::system())?;
    let tab = match query.tab.as_str() {
        "mine" | "all" | "closed" => query.tab.clone(),
        _ => "groups".to_owned(),
    };
    let after = query.after.clone().unwrap_or_default();
    let (rows, next) = match tab.as_str() {
        "mine" => task_rows(&p, &desk, &actor, Whose::Mine, &after).await?,
        "groups" => task_rows(&p, &desk, &actor, Whose::Groups, &after).await?,
        _ => case_rows(&p, &desk, &actor, &tab, &query.number, &after).await?,
    };
    let names = [
        ("groups", "service-work-groups"),
        ("mine", "service-work-mine"),
        ("all", "service-work-all"),
        ("closed", "service-work-closed"),
    ];
    let tabs = names
        .iter()
        .map(|(name, key)| Tab::new(p.t(key), format!("/work?tab={name}"), *name == tab));
    let filters = format!("tab={tab}&number={}", query.number);
    let pager = Pager::new("/work", &filters, query.after.as_deref(), next.as_deref());
    Html::page(&ListPage {
        tabs: tabs.collect(),
        rows,
        pager,
        number: query.number,
        tab,
        p,
    })
}

type Rows = (Vec<view::Row>, Option<String>);

async fn task_rows(
    p: &Page,
    desk: &Desk,
    actor: &Actor,
    whose: Whose,
    after: &str,
) -> Result<Rows, WebError> {
    let (tasks, next) = flow::list_tasks(desk, actor, whose, after, PAGE).await?;
    let ids: Vec<_> = tasks.iter().map(|task| task.case.clone()).collect();
    let cases = rows::list_by_ids(desk.db.read(), &ids).await?;
    let mut all = Vec::new();
    for task in &tasks {
        let Some(case) = cases.iter().find(|case| case.id.to_string() == task.case) else {
            continue;
        };
        let mut row = view::row(p, desk, case, "/work/cases")?;
        row.task = p.zh(&task.name);
        all.push(row);
    }
    Ok((all, next))
}

async fn case_rows(
    p: &Page,
    desk: &Desk,
    actor: &Actor,
    tab: &str,
    number: &str,
    after: &str,
) -> Result<Rows, WebError> {
    let state = if tab == "closed" { "closed" } else { "open" };
    let search = super::desk_search(actor, state, number, after, PAGE);
    let (cases, has_more) = rows::list(desk.db.read(), &search).await?;
    let next = cases.last().filter(|_| has_more).map(rows::list_key);
    let all = cases
        .iter()
        .map(|case| view::row(p, desk, case, "/work/cases"));
    Ok((all.collect::<kernel::Result<_>>()?, next))
}

#[derive(Template)]
#[template(path = "work/case.html")]
struct CasePage {
    p: Page,
    f: Fields,
    id: CaseId,
    number: String,
    title: String,
    state: String,
    tone: Tone,
    light: Light,
    left: String,
    facts: Vec<Fact>,
    values: Vec<Fact>,
    materials: Vec<view::MaterialRow>,
    happenings: Vec<Happening>,
    opinions: Vec<OpinionRow>,
    family: Vec<view::Row>,
    tasks: Vec<TaskView>,
    acts: Vec<ActForm>,
    /// Where to take in a correction, while that is waited for.
    correct: Option<String>,
    notices: Vec<(String, String)>,
    picture: Option<(String, String)>,
    /// How the time of the process as a whole was counted.
    deadline: Option<DeadlineFold>,
    /// Until when personal values stand in full.
    open_until: Option<String>,
    can_reveal: bool,
}

struct OpinionRow {
    who: String,
    step: String,
    words: String,
    at: String,
}

/// A task as the case page offers it.
struct TaskView {
    id: String,
    name: String,
    act: String,
    assignee: String,
    is_mine: bool,
    is_free: bool,
    outcomes: Vec<Choice>,
    remedy: String,
    /// Who else may take it.
    colleagues: Vec<Choice>,
    /// What the applicant has yet to supply keeps the task waiting.
    waits: bool,
    deadline: Option<DeadlineFold>,
}

/// An act outside of the process that the officer may do now.
struct ActForm {
    event: &'static str,
    label: String,
    /// Fields to show: `reason`, `days`, `note`, `receiver`.
    fields: &'static [&'static str],
}

async fn show(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Html, WebError> {
    Html::page(&case_page(&app, p, &actor, &id, Fields::new()).await?)
}

async fn case_page(
    app: &App,
    p: Page,
    actor: &Actor,
    id: &str,
    f: Fields,
) -> Result<CasePage, WebError> {
    let desk = Desk::of(app)?;
    desk.gate
        .check(actor, "service.work.view", &Resource::system())?;
    let case = act::view(&desk, actor, parse(id)?).await?;
    let db = app.db().read();
    let signal = case.signal(app.clock().today(), &desk.calendar)?;
    let entries = rows::list_entries(db, case.id, false).await?;
    let tasks = flow::tasks_of(&desk, &case).await?;
    let user = actor.user.to_string();
    let look = reveal::store::lookup_lasting(db, case.id, &user, app.clock().now()).await?;
    let is_full = reveal::act::is_open(&desk, actor, &case).await?;
    let notices = rows::list_notices(db, case.id)
        .await?
        .into_iter()
        .map(|notice| {
            let label = p.t(format!("service-notice-{}", notice.kind));
            (format!("/notices/{}", notice.id), label)
        });
    Ok(CasePage {
        f,
        id: case.id,
        number: case.number.clone(),
        title: p.zh(&case.matter_name),
        state: view::state(&p, &case),
        tone: view::tone(&case),
        light: view::light(signal),
        left: view::left(&p, signal),
        facts: view::facts(&p, &case, is_full),
        values: values(&p, &desk, &case, is_full).await?,
        materials: view::materials(&p, &materials(&desk, &case).await?),
        happenings: view::happenings(&p, &entries, true),
        opinions: opinions(&p, &rows::list_opinions(db, case.id).await?),
        family: family(&p, &desk, &case).await?,
        tasks: task_views(&p, &desk, actor, &tasks, &case).await?,
        acts: acts(&p, &desk, actor, &case, tasks.is_empty()),
        correct: correction(&desk, actor, &case),
        notices: notices.collect(),
        picture: flow::picture(&case),
        deadline: flow::whole_deadline(&p, &case).await?,
        open_until: look.map(|look| p.moment(look.until)),
        can_reveal: desk
            .gate
            .check(actor, "service.case.reveal", &act::resource(&case))
            .is_ok(),
        p,
    })
}

/// The form's values under their questions' titles, masked where the form says so unless they are
/// open to the reader. A value whose question is not known any more is left out: nobody can say
/// whether it is personal.
async fn values(p: &Page, desk: &Desk, case: &Case, is_full: bool) -> Result<Vec<Fact>, WebError> {
    let Some(values) = case.data.as_object() else {
        return Ok(Vec::new());
    };
    let known = forms_of(desk, case).await?;
    let field = |name: &str| known.iter().find_map(|form| form.field(name));
    let shown = values.iter().filter_map(|(name, value)| {
        let field = field(name)?;
        let words = if is_full {
            field.words(p, value)
        } else {
            field.shown(p, value)
        };
        (!words.is_empty()).then(|| Fact::new(field.title.on(p), words))
    });
    Ok(shown.collect())
}

/// The forms that a case was made of: its own, its parts', its theme's.
pub(crate) async fn forms_of(desk: &Desk, case: &Case) -> Result<Vec<Arc<forms::Form>>, WebError> {
    let db = desk.db.read();
    let mut ids: Vec<String> = case.form.iter().cloned().collect();
    ids.extend(case.plan.iter().filter_map(|part| part.form.clone()));
    if case.is_theme {
        let theme = crate::theme::store::lookup(db, &case.matter_code).await?;
        ids.extend(theme.and_then(|theme| theme.form));
    } else if case.parent.is_none() {
        let matter = crate::matter::lookup_shown(db, &case.matter_code).await?;
        ids.extend(matter.and_then(|matter| matter.form));
    }
    let mut known = Vec::new();
    for id in ids {
        match pack::form(db, &id).await {
            Ok(form) => known.push(form),
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(known)
}

/// A sub-case uses its parent's materials, as far as its matter asks for them.
async fn materials(desk: &Desk, case: &Case) -> kernel::Result<Vec<rows::Material>> {
    let Some(parent) = case.parent else {
        return rows::list_materials(desk.db.read(), case.id).await;
    };
    let whole = rows::get(desk.db.read(), parent).await?;
    let planned = whole
        .plan
        .iter()
        .find(|part| part.matter_code == case.matter_code);
    let keys = planned
        .map(|part| part.materials.clone())
        .unwrap_or_default();
    let mut all = rows::list_materials(desk.db.read(), parent).await?;
    all.retain(|material| keys.contains(&material.key) || material.key == "correction");
    all.extend(rows::list_materials(desk.db.read(), case.id).await?);
    Ok(all)
}

fn opinions(p: &Page, opinions: &[Opinion]) -> Vec<OpinionRow> {
    let one = |opinion: &Opinion| OpinionRow {
        who: p.zh(format!("{} {}", opinion.officer_name, opinion.org_name)),
        step: p.zh(&opinion.step),
        words: p.zh(&opinion.opinion),
        at: p.moment(opinion.at),
    };
    opinions.iter().map(one).collect()
}

/// The parent and all its sub-cases, without the case itself.
async fn family(p: &Page, desk: &Desk, case: &Case) -> Result<Vec<view::Row>, WebError> {
    let head = case.parent.unwrap_or(case.id);
    let mut all = rows::list_parts(desk.db.read(), head).await?;
    if case.parent.is_some() {
        all.insert(0, rows::get(desk.db.read(), head).await?);
    }
    all.retain(|other| other.id != case.id);
    let shown = all
        .iter()
        .map(|other| view::row(p, desk, other, "/work/cases"));
    Ok(shown.collect::<kernel::Result<_>>()?)
}

fn correction(desk: &Desk, actor: &Actor, case: &Case) -> Option<String> {
    let resource = act::resource(case);
    let may = desk.gate.check(actor, "service.case.correct", &resource);
    (may.is_ok() && correct::is_awaited(case.state()))
        .then(|| format!("/mine/cases/{}/correct", case.id))
}

async fn task_views(
    p: &Page,
    desk: &Desk,
    actor: &Actor,
    tasks: &[Task],
    case: &Case,
) -> kernel::Result<Vec<TaskView>> {
    let mut views = Vec::new();
    for task in tasks {
        let mut view = task_view(p, actor, task, case);
        view.deadline = flow::deadline(p, task).await?;
        if view.is_mine || view.is_free {
            let others = flow::colleagues(desk, actor, task).await?;
            let choice = |user: identity::directory::User| {
                let label = format!("{} ({})", user.name, user.login);
                Choice::new(user.id.to_string(), p.zh(label))
            };
            view.colleagues = others.into_iter().map(choice).collect();
        }
        views.push(view);
    }
    Ok(views)
}

fn task_view(p: &Page, actor: &Actor, task: &Task, case: &Case) -> TaskView {
    let is_of_group = task.is_for(actor);
    let has = |user: identity::UserId| task.assignee.as_deref() == Some(&user.to_string());
    let mut absent = actor.posts.iter().filter_map(|post| post.held_for.as_ref());
    let is_mine = has(actor.user) || is_of_group && absent.any(|colleague| has(colleague.user));
    let outcomes = work::outcomes(task, case);
    TaskView {
        id: task.id.clone(),
        name: p.zh(&task.name),
        act: task.act.clone(),
        assignee: p.zh(&task.assignee_name),
        is_mine,
        is_free: task.assignee.is_none() && is_of_group,
        outcomes: outcomes
            .iter()
            .map(|outcome| Choice::new(outcome, p.t(format!("service-outcome-of-{outcome}"))))
            .collect(),
        remedy: work::default_remedy(case),
        colleagues: Vec::new(),
        waits: correct::is_awaited(case.state()),
        deadline: None,
    }
}

/// What can be done without a task: only what policy allows, and only what the state does.
fn acts(p: &Page, desk: &Desk, actor: &Actor, case: &Case, has_no_task: bool) -> Vec<ActForm> {
    let state = case.state();
    let mut all: Vec<(&'static str, &'static [&'static str], bool)> = vec![
        (
            "extend",
            &["days", "reason"],
            state == State::Accepted && case.facts.extension.is_none(),
        ),
        (
            "abort",
            &["reason"],
            matches!(state, State::Accepted | State::Suspended),
        ),
        (
            "deliver",
            &["receiver"],
            state == State::Closed && case.facts.delivered_at.is_none(),
        ),
    ];
    if has_no_task && case.instance.is_none() {
        let is_new = matches!(state, State::Submitted | State::PrePassed | State::Received);
        all.extend([
            ("accept", &[][..], is_new),
            (
                "notify_correction",
                &["reason"][..],
                is_new && case.facts.corrections == 0,
            ),
            ("refuse_acceptance", &["reason"][..], is_new),
            ("review", &["reason"][..], state == State::Accepted),
            ("approve", &["reason"][..], state == State::Accepted),
            ("refuse", &["reason"][..], state == State::Accepted),
        ]);
    }
    let resource = act::resource(case);
    let allowed = all.into_iter().filter(|(event, _, is_possible)| {
        let action = act::action(&event_of(event, &Fields::new(), case));
        *is_possible && desk.gate.check(actor, action, &resource).is_ok()
    });
    let form = |(event, fields, _)| ActForm {
        event,
        label: p.t(format!("service-act-{}", str::replace(event, "_", "-"))),
        fields,
    };
    allowed.map(form).collect()
}

fn event_of(name: &str, f: &Fields, case: &Case) -> Event {
    let reason = f.value("reason").trim().to_owned();
    match name {
        "extend" => Event::Extend {
            days: f.value("days").trim().parse().unwrap_or_default(),
            reason,
        },
        "abort" => Event::Abort { ground: reason },
        "deliver" => Event::Deliver {
            how: Delivery::Window,
            receiver: f.value("receiver").trim().to_owned(),
        },
        "notify_correction" => Event::NotifyCorrection {
            missing: lines(&reason),
        },
        "refuse_acceptance" => Event::RefuseAcceptance {
            reason,
            competent: String::new(),
            remedy: work::default_remedy(case),
        },
        "review" => Event::Review {
            step: "审查".to_owned(),
            opinion: reason,
            on_site: None,
        },
        "approve" => Event::Approve { opinion: reason },
        "refuse" => Event::Refuse {
            reason,
            remedy: work::default_remedy(case),
        },
        _ => Event::Accept,
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .map(str::to_owned)
        .collect()
}

fn parse(id: &str) -> Result<CaseId, Error> {
    id.parse().map_err(|_| Error::NotFound { what: "case" })
}

async fn do_act(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    let desk = Desk::of(&app)?;
    let case = act::view(&desk, &actor, parse(&id)?).await?;
    let event = event_of(f.value("event"), &f, &case);
    let done = act::act(&desk, &actor, case.id, event).await;
    back(&app, p, &actor, &id, f, done.err()).await
}

/// To the case, or the case's page again with what was wrong.
pub(crate) async fn back(
    app: &App,
    p: Page,
    actor: &Actor,
    id: &str,
    f: Fields,
    error: Option<Error>,
) -> Result<Response, WebError> {
    match error {
        None => Ok(Redirect::to(&format!("/work/cases/{id}")).into_response()),
        Some(error) => {
            let f = f.rejected(findings(error)?);
            let page = case_page(app, p, actor, id, f).await?;
            Ok(Html::again(&page)?.into_response())
        }
    }
}

async fn claim(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    let desk = Desk::of(&app)?;
    let (task, _) = work::open(&desk, &actor, &id).await?;
    let done = work::claim(&desk, &actor, &id).await;
    back(&app, p, &actor, &task.case, f, done.err()).await
}

async fn release(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    let desk = Desk::of(&app)?;
    let (task, _) = work::open(&desk, &actor, &id).await?;
    let done = work::release(&desk, &actor, &id).await;
    back(&app, p, &actor, &task.case, f, done.err()).await
}

async fn transfer(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    let desk = Desk::of(&app)?;
    let (task, _) = work::open(&desk, &actor, &id).await?;
    let (to, reason) = (f.value("user"), f.value("transfer_reason"));
    let mut done = work::transfer(&desk, &actor, &id, to, reason).await;
    // The page has other fields called `reason`.
    if let Err(Error::Invalid(findings)) = &mut done {
        for finding in findings.iter_mut().filter(|one| one.field == "reason") {
            finding.field = "transfer_reason".into();
        }
    }
    back(&app, p, &actor, &task.case, f, done.err()).await
}

async fn complete(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    let desk = Desk::of(&app)?;
    let case = f.value("case").to_owned();
    let answer = work::complete(&desk, &actor, &id, done(&f)).await;
    back(&app, p, &actor, &case, f, answer.err()).await
}

fn done(f: &Fields) -> Done {
    Done {
        outcome: f.value("outcome").to_owned(),
        opinion: f.value("opinion").trim().to_owned(),
        missing: lines(f.value("missing")),
        reason: f.value("reason").trim().to_owned(),
        competent: f.value("competent").trim().to_owned(),
        remedy: f.value("remedy").trim().to_owned(),
        days: f.value("days").trim().parse().unwrap_or_default(),
        officers: lines(&f.value("officers").replace(['、', ',', '，'], "\n")),
        receiver: f.value("receiver").trim().to_owned(),
        how: match f.value("how") {
            "post" => Delivery::Post,
            "online" => Delivery::Online,
            _ => Delivery::Window,
        },
        ..Done::default()
    }
}
