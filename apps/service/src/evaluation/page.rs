//! Pages of reviews: the officers' list, and the published figures.

use askama::Template;
use axum::{
    extract::{Path, Query, State as AppState},
    response::{IntoResponse, Redirect, Response},
};
use identity::Actor;
use kernel::Error;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use web::{
    App, Html, Page, WebError,
    component::{Fields, Pager, Tab, Tone},
};

use super::{
    Answer, Repair, act,
    store::{self as rows, Evaluation, Search},
};
use crate::case::{act::Desk, page::findings};

/// Routes of reviews.
pub fn routes() -> OpenApiRouter<App> {
    use axum::routing::{get, post};
    OpenApiRouter::new()
        .route("/work/evaluations", get(list))
        .route("/work/evaluations/{id}", post(answer))
        .route("/evaluations", get(figures))
}

#[derive(Template)]
#[template(path = "evaluation/list.html")]
struct ListPage {
    p: Page,
    f: Fields,
    tabs: Vec<Tab>,
    rows: Vec<Row>,
    pager: Pager,
}

struct Row {
    id: String,
    href: String,
    number: String,
    matter: String,
    level: String,
    tone: Tone,
    who: String,
    at: String,
    words: String,
    due: String,
    reply: String,
    appeal: String,
    is_open: bool,
    is_appealed: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListQuery {
    tab: String,
    after: Option<String>,
}

async fn list(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Result<Html, WebError> {
    Html::page(&list_page(&app, p, &actor, query, Fields::new()).await?)
}

async fn list_page(
    app: &App,
    p: Page,
    actor: &Actor,
    query: ListQuery,
    f: Fields,
) -> Result<ListPage, WebError> {
    let desk = Desk::of(app)?;
    let is_all = query.tab == "all";
    let search = Search {
        repairs: if is_all {
            Vec::new()
        } else {
            vec![Repair::Open, Repair::Contacted, Repair::Appealed]
        },
        after: query.after.clone().unwrap_or_default(),
        limit: 20,
        ..Search::default()
    };
    let (all, has_more) = act::list(&desk, actor, search).await?;
    let next = all
        .last()
        .filter(|_| has_more)
        .map(|one| one.id.to_string());
    let filters = if is_all { "tab=all" } else { "" };
    Ok(ListPage {
        f,
        tabs: vec![
            Tab::new(
                p.t("service-evaluations-open"),
                "/work/evaluations",
                !is_all,
            ),
            Tab::new(
                p.t("service-evaluations-all"),
                "/work/evaluations?tab=all",
                is_all,
            ),
        ],
        rows: all.iter().map(|one| row(&p, one)).collect(),
        pager: Pager::new(
            "/work/evaluations",
            filters,
            query.after.as_deref(),
            next.as_deref(),
        ),
        p,
    })
}

fn row(p: &Page, one: &Evaluation) -> Row {
    let details = one.details.iter();
    let details = details.map(|code| p.t(format!("service-evaluation-detail-{code}")));
    let mut words: Vec<_> = details.collect();
    words.push(p.zh(&one.words));
    words.retain(|text| !text.is_empty());
    let due = match one.repair {
        Repair::Open => one.contact_due,
        Repair::Contacted => one.finish_due,
        _ => None,
    };
    Row {
        id: one.id.to_string(),
        href: format!("/work/cases/{}", one.case_id),
        number: one.case_number.clone(),
        matter: p.zh(&one.matter_name),
        level: p.t(format!("service-evaluation-level-{}", one.satisfaction)),
        tone: if one.satisfaction < 3 {
            Tone::Danger
        } else {
            Tone::Good
        },
        who: if one.is_anonymous {
            p.t("service-evaluation-unnamed")
        } else {
            let kind = kernel::mask::Kind::Name;
            p.zh(kernel::mask::mask(
                kind,
                kernel::mask::Profile::Internal,
                &one.user_name,
            ))
        },
        at: p.moment(one.at),
        words: words.join("；"),
        due: crate::case::view::due_date(p, due),
        reply: p.zh(&one.reply),
        appeal: p.zh(&one.appeal),
        is_open: one.repair.is_open(),
        is_appealed: one.repair == Repair::Appealed,
    }
}

async fn answer(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    let desk = Desk::of(&app)?;
    let id = id.parse().map_err(|_| Error::NotFound { what: "review" })?;
    let words = f.value("words").trim().to_owned();
    let answer = match f.value("step") {
        "finish" => Answer::Finish { reply: words },
        "appeal" => Answer::Appeal { evidence: words },
        "valid" => Answer::Judge {
            is_valid: true,
            reason: words,
        },
        "invalid" => Answer::Judge {
            is_valid: false,
            reason: words,
        },
        _ => Answer::Contact { note: words },
    };
    match act::answer(&desk, &actor, id, answer).await {
        Ok(_) => Ok(Redirect::to("/work/evaluations").into_response()),
        Err(error) => {
            let f = f.rejected(findings(error)?);
            let page = list_page(&app, p, &actor, ListQuery::default(), f).await?;
            Ok(Html::again(&page)?.into_response())
        }
    }
}

#[derive(Template)]
#[template(path = "evaluation/figures.html")]
struct FiguresPage {
    p: Page,
    heads: Vec<String>,
    rows: Vec<FigureRow>,
}

struct FigureRow {
    name: String,
    counts: Vec<i64>,
    good: String,
}

async fn figures(AppState(app): AppState<App>, p: Page) -> Result<Html, WebError> {
    let all = rows::list_figures(app.db().read()).await?;
    let mut heads = vec![p.t("service-case-org")];
    for level in [5, 4, 3, 2, 1] {
        heads.push(p.t(format!("service-evaluation-level-{level}")));
    }
    heads.push(p.t("service-figures-good"));
    let row = |one: &super::Figures| FigureRow {
        name: p.zh(&one.org_name),
        counts: [5, 4, 3, 2, 1]
            .iter()
            .map(|level| one.by_level.get(level).copied().unwrap_or_default())
            .collect(),
        good: one
            .good_permille()
            .map(|n| format!("{}.{} %", n / 10, n % 10))
            .unwrap_or_default(),
    };
    let rows = all.iter().map(row).collect();
    Html::page(&FiguresPage { p, heads, rows })
}
