//! Pages of applying: a theme's guide, one question per screen, one group per step, review,
//! receipt.

use askama::Template;
use axum::{
    extract::{Multipart, Path, Query, State as AppState},
    response::{IntoResponse, Redirect, Response},
};
use forms::receive::Pressed;
use identity::Actor;
use kernel::{Error, Finding};
use utoipa_axum::router::OpenApiRouter;
use web::{
    App, Html, Language, Page, WebError,
    component::{Choice, Fields, Step, StepState},
};

use super::{answers_of, offers, plan};
use crate::theme::{self, Answers, Question, Theme};

/// Routes of applying.
pub fn routes() -> OpenApiRouter<App> {
    use axum::routing::{get, post};
    OpenApiRouter::new()
        .route("/themes/{id}", get(theme_guide))
        .route("/themes/{id}/start", get(question).post(answer))
        .route(
            "/guide/{task_code}/start",
            get(matter_intro).post(matter_start),
        )
        .route("/apply/{draft}/", get(resume))
        .route("/apply/{draft}", get(resume))
        .route("/apply/{draft}/review", get(review).post(hand_in))
        .route("/apply/{draft}/discard", post(discard))
        .route("/apply/{draft}/{step}", get(step).post(save))
}

fn words(p: &Page, zh: &str, en: &str) -> String {
    match p.language {
        Language::En if !en.is_empty() => en.to_owned(),
        _ => p.zh(zh),
    }
}

#[derive(Template)]
#[template(path = "theme/show.html")]
struct GuidePage {
    p: Page,
    start: String,
    name: String,
    summary: String,
    org_name: String,
    parts: Vec<(String, String, String)>,
    materials: Vec<(String, String)>,
    questions: usize,
}

async fn theme_guide(
    AppState(app): AppState<App>,
    p: Page,
    Path(id): Path<String>,
) -> Result<Html, WebError> {
    let theme = theme::store::get(app.db().read(), &id).await?;
    let mut parts = Vec::new();
    let mut matters = Vec::new();
    for part in &theme.parts {
        if let Some(matter) = crate::matter::lookup_shown(app.db().read(), &part.matter).await? {
            let need = if part.when.is_empty() {
                "service-theme-always"
            } else {
                "service-theme-if"
            };
            parts.push((p.zh(&matter.name), p.zh(&matter.dept_name), p.t(need)));
            matters.push(matter);
        }
    }
    let (wanted, _) = theme::merged_materials(&matters);
    let materials = wanted
        .iter()
        .map(|w| (p.zh(&w.name), p.zh(w.used_by.join("、"))));
    Html::page(&GuidePage {
        name: words(&p, &theme.name, &theme.name_en),
        summary: words(&p, &theme.summary, &theme.summary_en),
        org_name: p.zh(&theme.org_name),
        questions: theme.questions.len(),
        parts,
        materials: materials.collect(),
        start: format!("/themes/{id}/start"),
        p,
    })
}

#[derive(Template)]
#[template(path = "theme/question.html")]
struct QuestionPage {
    p: Page,
    f: Fields,
    id: String,
    name: String,
    number: usize,
    total: usize,
    text: String,
    help: String,
    choices: Vec<Choice>,
    /// Answers given so far, carried along.
    given: Vec<(String, String)>,
    back: String,
}

fn given(pairs: &[(String, String)], theme: &Theme) -> Answers {
    let known = |key: &str| theme.questions.iter().any(|q| q.key == key);
    let all: Answers = pairs.iter().filter(|(k, _)| known(k)).cloned().collect();
    theme.kept(&all)
}

fn choices(p: &Page, question: &Question) -> Vec<Choice> {
    if question.options.is_empty() {
        return vec![
            Choice::new("yes", p.t("service-theme-yes")),
            Choice::new("no", p.t("service-theme-no")),
        ];
    }
    let options = question.options.iter();
    options
        .map(|o| Choice::new(o.value.clone(), words(p, &o.text, &o.text_en)))
        .collect()
}

fn question_page(
    p: Page,
    theme: &Theme,
    answers: &Answers,
    question: &Question,
    findings: Vec<Finding>,
) -> QuestionPage {
    let total = theme
        .questions
        .iter()
        .filter(|q| q.is_asked(answers))
        .count();
    let mut earlier = answers.clone();
    let last = theme
        .questions
        .iter()
        .rfind(|q| answers.contains_key(&q.key));
    if let Some(last) = last {
        earlier.remove(&last.key);
    }
    let back = if answers.is_empty() {
        format!("/themes/{}", theme.id)
    } else {
        format!("/themes/{}/start?{}", theme.id, query(&earlier))
    };
    QuestionPage {
        f: Fields::new().rejected(findings),
        id: theme.id.clone(),
        name: words(&p, &theme.name, &theme.name_en),
        number: answers.len() + 1,
        total,
        text: words(&p, &question.text, &question.text_en),
        help: words(&p, &question.help, &question.help_en),
        choices: choices(&p, question),
        given: answers
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
        back,
        p,
    }
}

/// Answers are of known words, which need no escaping.
fn query(answers: &Answers) -> String {
    let pairs: Vec<_> = answers.iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.join("&")
}

async fn question(
    AppState(app): AppState<App>,
    p: Page,
    _actor: Actor,
    Path(id): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, WebError> {
    let theme = theme::store::get(app.db().read(), &id).await?;
    let answers = given(&pairs, &theme);
    match theme.next_question(&answers) {
        Some(question) => {
            let page = question_page(p, &theme, &answers, question, Vec::new());
            Ok(Html::page(&page)?.into_response())
        }
        None => Ok(Redirect::to(&format!("/themes/{id}")).into_response()),
    }
}

async fn answer(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    let theme = theme::store::get(app.db().read(), &id).await?;
    let mut answers = Answers::new();
    for question in &theme.questions {
        let value = f.value(&question.key);
        if !value.is_empty() {
            answers.insert(question.key.clone(), value.to_owned());
        }
    }
    let mut answers = theme.kept(&answers);
    if let Some(question) = theme.next_question(&answers) {
        let chosen = f.value("answer");
        if !question.values().contains(&chosen) {
            let text = kernel::Text::new("service-theme-answer-missing");
            let wrong = vec![Finding::new("answer", text)];
            let page = question_page(p, &theme, &answers, question, wrong);
            return Ok(Html::again(&page)?.into_response());
        }
        answers.insert(question.key.clone(), chosen.to_owned());
    }
    if theme.next_question(&answers).is_some() {
        let next = format!("/themes/{id}/start?{}", query(&answers));
        return Ok(Redirect::to(&next).into_response());
    }
    begin(&app, &actor, &format!("theme:{id}"), &answers).await
}

async fn begin(
    app: &App,
    actor: &Actor,
    subject: &str,
    answers: &Answers,
) -> Result<Response, WebError> {
    let draft = super::start(app, actor, subject, answers).await?;
    Ok(Redirect::to(&first_step(&draft)).into_response())
}

fn first_step(draft: &forms::Draft) -> String {
    let steps = draft.form.steps(&draft.values, &draft.answers);
    let step = steps.first().map_or("review", |group| group.id.as_str());
    format!("/apply/{}/{step}", draft.id)
}

#[derive(Template)]
#[template(path = "apply/intro.html")]
struct IntroPage {
    p: Page,
    code: String,
    name: String,
    dept_name: String,
}

async fn matter_intro(
    AppState(app): AppState<App>,
    p: Page,
    _actor: Actor,
    Path(code): Path<String>,
) -> Result<Html, WebError> {
    let plan = plan(&app, &format!("matter:{code}"), &Answers::new()).await?;
    let matter = plan.matters.first().map(|(_, matter)| matter);
    Html::page(&IntroPage {
        name: p.zh(plan.name()),
        dept_name: p.zh(matter.map(|m| m.dept_name.clone()).unwrap_or_default()),
        code,
        p,
    })
}

async fn matter_start(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(code): Path<String>,
) -> Result<Response, WebError> {
    begin(&app, &actor, &format!("matter:{code}"), &Answers::new()).await
}

fn draft_id(text: &str) -> Result<forms::DraftId, Error> {
    text.parse().map_err(|_| Error::NotFound { what: "draft" })
}

/// The draft while it is open; one that was handed in leads to its case.
async fn open_draft(
    app: &App,
    actor: &Actor,
    id: &str,
) -> Result<Result<forms::Draft, String>, Error> {
    let draft = forms::draft::get(app, actor, draft_id(id)?).await?;
    let case = draft
        .submitted_as
        .as_deref()
        .and_then(|s| s.strip_prefix("case:"));
    match case {
        Some(case) => Ok(Err(format!("/mine/cases/{case}"))),
        None => Ok(Ok(draft)),
    }
}

async fn resume(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Redirect, WebError> {
    Ok(match open_draft(&app, &actor, &id).await? {
        Err(case) => Redirect::to(&case),
        Ok(draft) => Redirect::to(&first_step(&draft)),
    })
}

#[derive(Template)]
#[template(path = "apply/step.html")]
struct StepPage {
    p: Page,
    name: String,
    id: String,
    step: String,
    version: i64,
    steps: Vec<Step>,
    questions: String,
    back: String,
    saved: usize,
    materials: Vec<(String, String)>,
    is_review: bool,
    f: Fields,
}

fn steps(p: &Page, draft: &forms::Draft, now: &str) -> Vec<Step> {
    let groups = draft.form.steps(&draft.values, &draft.answers);
    let at = groups
        .iter()
        .position(|g| g.id == now)
        .unwrap_or(groups.len());
    let mut all: Vec<_> = groups
        .iter()
        .enumerate()
        .map(|(index, group)| {
            let state = match index.cmp(&at) {
                std::cmp::Ordering::Less => StepState::Done,
                std::cmp::Ordering::Equal => StepState::Now,
                std::cmp::Ordering::Greater => StepState::Ahead,
            };
            let step = Step::new(group.title.on(p), state);
            if index < at {
                step.link(format!("/apply/{}/{}", draft.id, group.id))
            } else {
                step
            }
        })
        .collect();
    let last = if now == "review" {
        StepState::Now
    } else {
        StepState::Ahead
    };
    all.push(Step::new(p.t("service-apply-review"), last));
    all
}

/// The step before and the step after a group.
fn neighbours(draft: &forms::Draft, now: &str) -> (Option<String>, String) {
    let groups = draft.form.steps(&draft.values, &draft.answers);
    let at = groups
        .iter()
        .position(|g| g.id == now)
        .unwrap_or(groups.len());
    let before = at
        .checked_sub(1)
        .and_then(|index| groups.get(index))
        .map(|g| g.id.clone());
    let after = groups
        .get(at + 1)
        .map_or_else(|| "review".to_owned(), |g| g.id.clone());
    (before, after)
}

async fn step(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path((id, step)): Path<(String, String)>,
) -> Result<Response, WebError> {
    match open_draft(&app, &actor, &id).await? {
        Err(case) => Ok(Redirect::to(&case).into_response()),
        Ok(draft) => {
            let page = step_page(&app, p, &actor, &draft, &step, Vec::new()).await?;
            Ok(Html::page(&page)?.into_response())
        }
    }
}

async fn step_page(
    app: &App,
    p: Page,
    actor: &Actor,
    draft: &forms::Draft,
    step: &str,
    findings: Vec<Finding>,
) -> Result<StepPage, WebError> {
    if draft.form.group(step).is_none() {
        return Err(Error::NotFound { what: "step" }.into());
    }
    let plan = plan(app, &draft.subject, &answers_of(draft)).await?;
    let offers = offers(app, actor, &draft.form).await?;
    let sheet = forms::Sheet {
        form: &draft.form,
        values: &draft.values,
        answers: &draft.answers,
        provenances: &draft.provenances,
        findings,
        offers: &offers,
    };
    let questions = forms::render_step(&p, &sheet, step)?;
    let (before, _) = neighbours(draft, step);
    let back = before.map(|before| format!("/apply/{}/{before}", draft.id));
    let has_files = draft
        .form
        .fields
        .iter()
        .any(|f| f.group == step && f.widget == forms::Widget::File);
    let wanted = plan.wanted.iter().filter(|_| has_files);
    let materials = wanted
        .map(|w| (p.zh(&w.name), p.zh(w.used_by.join("、"))))
        .collect();
    Ok(StepPage {
        name: p.zh(plan.name()),
        id: draft.id.to_string(),
        step: step.to_owned(),
        version: draft.version,
        steps: steps(&p, draft, step),
        questions,
        back: back.unwrap_or_else(|| "/mine".to_owned()),
        saved: if has_files { plan.saved } else { 0 },
        materials,
        is_review: false,
        f: Fields::new(),
        p,
    })
}

async fn save(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path((id, step)): Path<(String, String)>,
    form: Multipart,
) -> Result<Response, WebError> {
    let draft = match open_draft(&app, &actor, &id).await? {
        Err(case) => return Ok(Redirect::to(&case).into_response()),
        Ok(draft) => draft,
    };
    let offers = offers(&app, &actor, &draft.form).await?;
    let received =
        forms::receive::receive(&app, &actor, draft.id, Some(&step), &offers, form).await?;
    let draft = received.draft;
    let mut findings = received.findings;
    let today = app.clock().today();
    match received.pressed {
        Pressed::Save => return Ok(Redirect::to("/mine").into_response()),
        Pressed::Stay => {}
        Pressed::Next => {
            match forms::validate_group(&draft.form, &step, &draft.values, &draft.answers, today) {
                Ok(_) => {
                    let (_, next) = neighbours(&draft, &step);
                    return Ok(Redirect::to(&format!("/apply/{id}/{next}")).into_response());
                }
                Err(wrong) => findings.extend(wrong),
            }
        }
    }
    let has_findings = !findings.is_empty();
    let page = step_page(&app, p, &actor, &draft, &step, findings).await?;
    let html = if has_findings {
        Html::again(&page)?
    } else {
        Html::page(&page)?
    };
    Ok(html.into_response())
}

async fn review(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    match open_draft(&app, &actor, &id).await? {
        Err(case) => Ok(Redirect::to(&case).into_response()),
        Ok(draft) => {
            let page = review_page(&app, p, &actor, &draft, Vec::new()).await?;
            Ok(Html::page(&page)?.into_response())
        }
    }
}

async fn review_page(
    app: &App,
    p: Page,
    actor: &Actor,
    draft: &forms::Draft,
    findings: Vec<Finding>,
) -> Result<StepPage, WebError> {
    let plan = plan(app, &draft.subject, &answers_of(draft)).await?;
    let offers = offers(app, actor, &draft.form).await?;
    let sheet = forms::Sheet {
        form: &draft.form,
        values: &draft.values,
        answers: &draft.answers,
        provenances: &draft.provenances,
        findings: Vec::new(),
        offers: &offers,
    };
    let change = |group: &str| format!("/apply/{}/{group}", draft.id);
    let questions = forms::render_review(&p, &sheet, &change)?;
    let (before, _) = neighbours(draft, "review");
    let back = before.map_or_else(
        || "/mine".to_owned(),
        |b| format!("/apply/{}/{b}", draft.id),
    );
    let materials = plan
        .wanted
        .iter()
        .map(|w| (p.zh(&w.name), p.zh(w.used_by.join("、"))));
    Ok(StepPage {
        name: p.zh(plan.name()),
        id: draft.id.to_string(),
        step: "review".to_owned(),
        version: draft.version,
        steps: steps(&p, draft, "review"),
        questions,
        back,
        saved: plan.saved,
        materials: materials.collect(),
        is_review: true,
        f: Fields::new().rejected(findings),
        p,
    })
}

#[derive(Template)]
#[template(path = "apply/receipt.html")]
struct ReceiptPage {
    p: Page,
    number: String,
    password: String,
    href: String,
}

async fn hand_in(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let draft = draft_id(&id)?;
    match super::submit(&app, &actor, draft).await {
        // The password is shown in this answer only, so it is no redirect; sending the form
        // again answers the same receipt.
        Ok(receipt) => Ok(Html::page(&ReceiptPage {
            number: receipt.number,
            password: receipt.password,
            href: format!("/mine/cases/{}?new=1", receipt.case),
            p,
        })?
        .into_response()),
        Err(error) => {
            let findings = crate::case::page::findings(error)?;
            let draft = forms::draft::get(&app, &actor, draft).await?;
            let page = review_page(&app, p, &actor, &draft, findings).await?;
            Ok(Html::again(&page)?.into_response())
        }
    }
}

async fn discard(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Redirect, WebError> {
    forms::draft::discard(&app, &actor, draft_id(&id)?).await?;
    Ok(Redirect::to("/mine"))
}
