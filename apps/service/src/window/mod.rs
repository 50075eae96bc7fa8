//! The window: a clerk takes in the application of somebody who came with papers.

use askama::Template;
use axum::{
    extract::{Query, State as AppState},
    response::{IntoResponse, Response},
};
use identity::{Actor, Resource};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use web::{
    App, Html, Page, WebError,
    component::{Choice, Fields},
};

use crate::{
    apply,
    case::{act::Desk, page::findings, store::Applicant},
    matter,
    theme::{self, Answers, Theme},
};

/// Routes of the window.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().route("/work/window", axum::routing::get(form).post(take_in))
}

#[derive(Template)]
#[template(path = "work/window.html")]
struct WindowPage {
    p: Page,
    f: Fields,
    subjects: Vec<Choice>,
    subject: String,
    name: String,
    key: String,
    questions: Vec<Asked>,
    kinds: Vec<Choice>,
    receipt: Option<Done>,
}

struct Asked {
    name: String,
    label: String,
    choices: Vec<Choice>,
}

struct Done {
    number: String,
    password: String,
    href: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FormQuery {
    subject: String,
}

async fn form(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<FormQuery>,
) -> Result<Html, WebError> {
    let desk = Desk::of(&app)?;
    desk.gate
        .check(&actor, "service.case.window", &Resource::system())?;
    Html::page(&page(&app, p, query.subject, Fields::new()).await?)
}

async fn page(app: &App, p: Page, subject: String, f: Fields) -> Result<WindowPage, WebError> {
    let theme = match subject.strip_prefix("theme:") {
        Some(id) => Some(theme::store::get(app.db().read(), id).await?),
        None => None,
    };
    let name = match (&theme, subject.strip_prefix("matter:")) {
        (Some(theme), _) => theme.name.clone(),
        (None, Some(code)) => matter::get_in_force(app.db().read(), code).await?.name,
        (None, None) => String::new(),
    };
    let kinds = vec![
        Choice::new("natural", p.t("service-window-natural")),
        Choice::new("legal", p.t("service-window-legal")),
    ];
    Ok(WindowPage {
        subjects: if subject.is_empty() {
            subjects(app, &p).await?
        } else {
            Vec::new()
        },
        questions: theme
            .as_ref()
            .map(|theme| asked(&p, theme))
            .unwrap_or_default(),
        name: p.zh(name),
        key: kernel::id::new_v7(app.clock().now()).to_string(),
        subject,
        kinds,
        receipt: None,
        f,
        p,
    })
}

/// Themes, then the matters that one can apply for.
async fn subjects(app: &App, p: &Page) -> Result<Vec<Choice>, WebError> {
    const MOST: u64 = 100;
    let themes = theme::store::list(app.db().read()).await?;
    let mut all: Vec<_> = themes
        .into_iter()
        .map(|theme| Choice::new(format!("theme:{}", theme.id), p.zh(&theme.name)))
        .collect();
    let search = matter::store::Search {
        state: Some(matter::State::Published),
        limit: MOST,
        ..matter::store::Search::default()
    };
    let (rows, _) = matter::store::list(app.db().read(), &search).await?;
    all.extend(rows.into_iter().map(|row| {
        let label = p.zh(format!("{}（{}）", row.name, row.dept_name));
        Choice::new(format!("matter:{}", row.task_code), label)
    }));
    Ok(all)
}

fn asked(p: &Page, theme: &Theme) -> Vec<Asked> {
    let one = |question: &theme::Question| Asked {
        name: question.key.clone(),
        label: p.zh(&question.text),
        choices: if question.options.is_empty() {
            vec![
                Choice::new("yes", p.t("service-theme-yes")),
                Choice::new("no", p.t("service-theme-no")),
            ]
        } else {
            let options = question.options.iter();
            options
                .map(|o| Choice::new(o.value.clone(), p.zh(&o.text)))
                .collect()
        },
    };
    theme.questions.iter().map(one).collect()
}

async fn take_in(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    f: Fields,
) -> Result<Response, WebError> {
    let subject = f.value("subject").to_owned();
    let mut answers = Answers::new();
    if let Some(id) = subject.strip_prefix("theme:") {
        let theme = theme::store::get(app.db().read(), id).await?;
        for question in &theme.questions {
            let value = f.value(&question.key);
            if !value.is_empty() {
                answers.insert(question.key.clone(), value.to_owned());
            }
        }
        answers = theme.kept(&answers);
    }
    let applicant = Applicant {
        party: None,
        kind: if f.value("kind") == "legal" {
            "legal"
        } else {
            "natural"
        }
        .to_owned(),
        name: f.value("name").trim().to_owned(),
        code: kernel::code::normalise(f.value("code")),
        phone: f.value("phone").trim().to_owned(),
        address: f.value("address").trim().to_owned(),
    };
    let key = format!("{} {}", actor.user, f.value("key"));
    match apply::submit_walk_in(&app, &actor, &subject, &answers, applicant, &key).await {
        Ok(receipt) => {
            let mut page = page(&app, p, String::new(), Fields::new()).await?;
            page.receipt = Some(Done {
                number: receipt.number,
                password: receipt.password,
                href: format!("/work/cases/{}", receipt.case),
            });
            Ok(Html::page(&page)?.into_response())
        }
        Err(error) => {
            let f = f.rejected(findings(error)?);
            Ok(Html::again(&page(&app, p, subject, f).await?)?.into_response())
        }
    }
}
