//! Pages of applicants: their cases, one case, and progress for anybody with the password.

use askama::Template;
use axum::{
    extract::{Multipart, Path, Query, State as AppState},
    response::{IntoResponse, Redirect, Response},
};
use forms::receive::Pressed;
use identity::Actor;
use kernel::{Error, Finding};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use web::{
    App, Html, Page, WebError,
    component::{Fact, Fields, Happening, Light, Pager, Step, Tone},
};

use super::{
    CaseId, Event, State,
    act::{self, Desk},
    correct, progress,
    store::{self as rows, Case},
    view,
};
use crate::{
    evaluation::{self, Review},
    reveal,
};

/// Routes of citizens and firms.
pub fn routes() -> OpenApiRouter<App> {
    use axum::routing::{get, post};
    OpenApiRouter::new()
        .route("/progress", get(progress_form).post(progress_answer))
        .route("/mine", get(mine))
        .route("/mine/cases/{id}", get(case))
        .route("/mine/cases/{id}/withdraw", post(withdraw))
        .route("/mine/cases/{id}/correct", get(correction).post(correct))
        .route("/mine/cases/{id}/rate", post(rate))
}

#[derive(Template)]
#[template(path = "case/progress.html")]
struct ProgressPage {
    p: Page,
    f: Fields,
    found: Option<Found>,
}

struct Found {
    facts: Vec<Fact>,
    state: String,
    light: Light,
    left: String,
    happenings: Vec<Happening>,
    parts: Vec<PartRow>,
}

struct PartRow {
    number: String,
    matter: String,
    org_name: String,
    state: String,
    light: Light,
    left: String,
}

async fn progress_form(p: Page) -> Result<Html, WebError> {
    Html::page(&ProgressPage {
        p,
        f: Fields::new(),
        found: None,
    })
}

async fn progress_answer(
    AppState(app): AppState<App>,
    p: Page,
    f: Fields,
) -> Result<Response, WebError> {
    let desk = Desk::of(&app)?;
    let answer = progress::ask(&desk, f.value("number"), f.value("password")).await;
    let found = match answer {
        Ok(progress) => found(&p, progress),
        Err(error) => {
            let f = f.rejected(findings(error)?);
            let page = ProgressPage { p, f, found: None };
            return Ok(Html::again(&page)?.into_response());
        }
    };
    let found = Some(found);
    Ok(Html::page(&ProgressPage { p, f, found })?.into_response())
}

fn found(p: &Page, progress: progress::Progress) -> Found {
    let fact = |key: &str, value: String| Fact::new(p.t(key), value);
    let facts = vec![
        fact("service-case-number", progress.number),
        fact("service-case-matter", p.zh(&progress.matter)),
        fact("service-case-applicant", p.zh(&progress.applicant)),
        fact("service-case-org", p.zh(&progress.org_name)),
        fact("service-case-due", view::due_date(p, progress.due)),
    ];
    let state = match (progress.state, progress.outcome) {
        (State::Closed, Some(outcome)) => p.t(view::outcome_key(outcome)),
        (state, _) => p.t(state.key()),
    };
    let happenings = progress.steps.iter().rev().map(|step| Happening {
        at: step.at,
        title: p.t(view::event_key(&step.event)),
        who: p.zh(&step.org_name),
        text: String::new(),
        tone: Tone::Plain,
    });
    let parts = progress.parts.into_iter().map(|part| PartRow {
        number: part.number,
        matter: p.zh(&part.matter),
        org_name: p.zh(&part.org_name),
        state: p.t(part.state.key()),
        light: view::light(part.signal),
        left: view::left(p, part.signal),
    });
    Found {
        facts,
        state,
        light: view::light(progress.signal),
        left: view::left(p, progress.signal),
        happenings: happenings.collect(),
        parts: parts.collect(),
    }
}

/// What a form shows again; everything that is not the typing person's matter goes on as error.
pub(crate) fn findings(error: Error) -> Result<Vec<Finding>, WebError> {
    match error {
        Error::Invalid(findings) => Ok(findings),
        Error::Refused(text) => Ok(vec![Finding::new("", text)]),
        other => Err(other.into()),
    }
}

#[derive(Template)]
#[template(path = "case/mine.html")]
struct MinePage {
    p: Page,
    rows: Vec<view::Row>,
    drafts: Vec<DraftRow>,
    pager: Pager,
}

struct DraftRow {
    href: String,
    title: String,
    updated: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MineQuery {
    after: Option<String>,
}

async fn mine(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<MineQuery>,
) -> Result<Html, WebError> {
    const PAGE: u64 = 20;
    let desk = Desk::of(&app)?;
    let parties: Vec<_> = actor
        .party()
        .map(|party| party.id.to_string())
        .into_iter()
        .collect();
    let user = actor.user.to_string();
    let after = query.after.clone().unwrap_or_default();
    let (cases, has_more) = rows::list_own(app.db().read(), &parties, &user, &after, PAGE).await?;
    let next = cases
        .last()
        .filter(|_| has_more)
        .map(|case| case.id.to_string());
    let rows = cases
        .iter()
        .map(|case| view::row(&p, &desk, case, "/mine/cases"));
    let rows = rows.collect::<kernel::Result<_>>()?;
    let drafts = if after.is_empty() {
        drafts(&app, &p, &actor).await?
    } else {
        Vec::new()
    };
    let pager = Pager::new("/mine", "", query.after.as_deref(), next.as_deref());
    Html::page(&MinePage {
        p,
        rows,
        drafts,
        pager,
    })
}

async fn drafts(app: &App, p: &Page, actor: &Actor) -> Result<Vec<DraftRow>, WebError> {
    let (lines, _) = forms::draft::list(app, actor, None).await?;
    let rows = lines.into_iter().map(|line| DraftRow {
        href: match correct::case_of(&line.subject) {
            Some(case) => format!("/mine/cases/{case}/correct"),
            None => format!("/apply/{}/{}", line.id, line.step),
        },
        title: forms::Words::new(line.title, line.title_en).on(p),
        updated: p.moment(line.updated_at),
    });
    Ok(rows.collect())
}

#[derive(Template)]
#[template(path = "case/show.html")]
struct CasePage {
    p: Page,
    f: Fields,
    id: CaseId,
    title: String,
    state: String,
    tone: Tone,
    light: Light,
    left: String,
    next: String,
    steps: Vec<Step>,
    facts: Vec<Fact>,
    happenings: Vec<Happening>,
    materials: Vec<view::MaterialRow>,
    missing: Vec<String>,
    parts: Vec<view::Row>,
    notices: Vec<Link>,
    certificate: Option<String>,
    can_withdraw: bool,
    /// Where to supply what is missing, while that is waited for.
    correct: Option<String>,
    rating: Option<Rating>,
    rated: Vec<Rated>,
    /// Officers' looks at personal values.
    looks: Vec<reveal::page::Row>,
    is_new: bool,
}

struct Link {
    href: String,
    label: String,
}

/// The form of a review.
struct Rating {
    service: u32,
    levels: Vec<Level>,
}

struct Level {
    value: u8,
    label: String,
    details: Vec<(u16, String)>,
}

struct Rated {
    level: String,
    words: String,
    reply: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CaseQuery {
    new: Option<String>,
}

async fn case(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    Query(query): Query<CaseQuery>,
) -> Result<Html, WebError> {
    let page = case_page(&app, p, &actor, &id, Fields::new()).await?;
    let is_new = query.new.is_some();
    Html::page(&CasePage { is_new, ..page })
}

async fn case_page(
    app: &App,
    p: Page,
    actor: &Actor,
    id: &str,
    f: Fields,
) -> Result<CasePage, WebError> {
    let desk = Desk::of(app)?;
    let case = act::view(&desk, actor, parse(id)?).await?;
    let db = app.db().read();
    let entries = rows::list_entries(db, case.id, true).await?;
    let parts = rows::list_parts(db, case.id).await?;
    let parts = parts
        .iter()
        .map(|part| view::row(&p, &desk, part, "/mine/cases"));
    let signal = case.signal(app.clock().today(), &desk.calendar)?;
    let notices = rows::list_notices(db, case.id)
        .await?
        .into_iter()
        .map(|notice| Link {
            href: format!("/notices/{}", notice.id),
            label: p.t(format!("service-notice-{}", notice.kind)),
        });
    let rated = evaluation::store::list_of_case(db, &case.id.to_string()).await?;
    let looks = reveal::store::list(db, case.id).await?;
    let state = case.state();
    Ok(CasePage {
        f,
        id: case.id,
        title: p.zh(&case.matter_name),
        state: view::state(&p, &case),
        tone: view::tone(&case),
        light: view::light(signal),
        left: view::left(&p, signal),
        next: view::next(&p, &case),
        steps: view::steps(&p, &case),
        facts: view::facts(&p, &case, true),
        happenings: view::happenings(&p, &entries, false),
        materials: view::materials(&p, &rows::list_materials(db, case.id).await?),
        missing: case.facts.missing.clone(),
        parts: parts.collect::<kernel::Result<_>>()?,
        notices: notices.collect(),
        certificate: case.certificate.as_ref().map(|id| format!("/wallet/{id}")),
        can_withdraw: state.is_before_decision() && case.parent.is_none(),
        correct: correct::is_awaited(state).then(|| format!("/mine/cases/{}/correct", case.id)),
        rating: rating(&p, &case, &rated),
        rated: rated.iter().map(|one| rated_row(&p, one)).collect(),
        looks: reveal::page::rows(&p, &looks),
        is_new: false,
        p,
    })
}

/// The review that is due: of the whole when it has ended, else of how it was taken in.
fn rating(p: &Page, case: &Case, rated: &[evaluation::store::Evaluation]) -> Option<Rating> {
    let may_rate = |service: u32| {
        let mut of = rated.iter().filter(|one| one.service == service);
        match (of.next(), of.next()) {
            (None, _) => evaluation::is_due(case, service),
            (Some(first), None) => first.repair == evaluation::Repair::Done,
            _ => false,
        }
    };
    let service = if case.state().is_final() { 2 } else { 1 };
    may_rate(service).then(|| Rating {
        service,
        levels: evaluation::DETAILS
            .iter()
            .map(|(level, codes)| Level {
                value: *level,
                label: p.t(format!("service-evaluation-level-{level}")),
                details: codes
                    .iter()
                    .map(|code| (*code, p.t(format!("service-evaluation-detail-{code}"))))
                    .collect(),
            })
            .collect(),
    })
}

fn rated_row(p: &Page, one: &evaluation::store::Evaluation) -> Rated {
    Rated {
        level: p.t(format!("service-evaluation-level-{}", one.satisfaction)),
        words: p.zh(&one.words),
        reply: p.zh(&one.reply),
    }
}

fn parse(id: &str) -> Result<CaseId, Error> {
    id.parse().map_err(|_| Error::NotFound { what: "case" })
}

async fn withdraw(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    let desk = Desk::of(&app)?;
    let reason = f.value("reason").to_owned();
    let done = act::act(&desk, &actor, parse(&id)?, Event::Withdraw { reason }).await;
    back(&app, p, &actor, &id, f, done.err()).await
}

/// To the case, or the case's page again with what was wrong.
async fn back(
    app: &App,
    p: Page,
    actor: &Actor,
    id: &str,
    f: Fields,
    error: Option<Error>,
) -> Result<Response, WebError> {
    match error {
        None => Ok(Redirect::to(&format!("/mine/cases/{id}")).into_response()),
        Some(error) => {
            let f = f.rejected(findings(error)?);
            let page = case_page(app, p, actor, id, f).await?;
            Ok(Html::again(&page)?.into_response())
        }
    }
}

#[derive(Template)]
#[template(path = "case/correct.html")]
struct CorrectPage {
    p: Page,
    id: String,
    title: String,
    number: String,
    missing: Vec<String>,
    version: i64,
    questions: String,
}

async fn correction(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let case = act::view(&Desk::of(&app)?, &actor, parse(&id)?).await?;
    if !correct::is_awaited(case.state()) {
        return Ok(Redirect::to(&home_of(&actor, &id)).into_response());
    }
    let draft = correct::open(&app, &actor, case.id).await?;
    let page = correct_page(p, &case, &draft, Vec::new())?;
    Ok(Html::page(&page)?.into_response())
}

fn correct_page(
    p: Page,
    case: &Case,
    draft: &forms::Draft,
    findings: Vec<Finding>,
) -> Result<CorrectPage, WebError> {
    let sheet = forms::Sheet {
        form: &draft.form,
        values: &draft.values,
        answers: &draft.answers,
        provenances: &draft.provenances,
        findings,
        offers: &forms::Offers::new(),
    };
    Ok(CorrectPage {
        questions: forms::render_all(&p, &sheet)?,
        id: case.id.to_string(),
        title: p.zh(&case.matter_name),
        number: case.number.clone(),
        missing: case.facts.missing.clone(),
        version: draft.version,
        p,
    })
}

/// Keeps files and the note; hands everything in when that button was pressed.
async fn correct(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    form: Multipart,
) -> Result<Response, WebError> {
    let case = act::view(&Desk::of(&app)?, &actor, parse(&id)?).await?;
    let home = home_of(&actor, &id);
    if !correct::is_awaited(case.state()) {
        // It was handed in a moment ago: the second press of one button.
        return Ok(Redirect::to(&home).into_response());
    }
    let draft = correct::open(&app, &actor, case.id).await?;
    let offers = forms::Offers::new();
    let received = forms::receive::receive(&app, &actor, draft.id, None, &offers, form).await?;
    let mut findings = received.findings;
    match received.pressed {
        Pressed::Save => return Ok(Redirect::to(&home).into_response()),
        Pressed::Stay => {}
        Pressed::Next => match correct::hand_in(&app, &actor, case.id, draft.id).await {
            Ok(_) => return Ok(Redirect::to(&home).into_response()),
            Err(error) => findings.extend(self::findings(error)?),
        },
    }
    let has_findings = !findings.is_empty();
    let page = correct_page(p, &case, &received.draft, findings)?;
    let html = if has_findings {
        Html::again(&page)?
    } else {
        Html::page(&page)?
    };
    Ok(html.into_response())
}

/// The page on which the actor looks at a case.
fn home_of(actor: &Actor, id: &str) -> String {
    let base = if actor.is_officer() { "work" } else { "mine" };
    format!("/{base}/cases/{id}")
}

async fn rate(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    let desk = Desk::of(&app)?;
    let satisfaction = f.value("satisfaction").parse().unwrap_or_default();
    let details: Vec<u16> = f
        .values("details")
        .iter()
        .filter_map(|c| c.parse().ok())
        .collect();
    let review = Review {
        satisfaction,
        // Details of levels that were looked at and left are not meant.
        details: details
            .into_iter()
            .filter(|c| c / 100 == u16::from(satisfaction))
            .collect(),
        text: f.value("text").to_owned(),
        service: f.value("service").parse().unwrap_or(2),
        is_anonymous: f.has("anonymous", "true"),
        ..Review::default()
    };
    let done = evaluation::act::rate(&desk, &actor, parse(&id)?, review).await;
    back(&app, p, &actor, &id, f, done.err()).await
}
