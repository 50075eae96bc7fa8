//! Pages of the board.

use askama::Template;
use axum::extract::{Path, Query, State};
use identity::{Actor, Gate};
use serde::Deserialize;
use web::{
    App, Html, Page, WebError,
    component::{self, Pager},
};

use super::{Filter, Line};
use crate::{
    card::{self, Card},
    light::Light,
    picture::Picture,
};

const PAGE_SIZE: u64 = 50;

#[derive(Template)]
#[template(path = "supervise_board.html")]
struct BoardPage {
    p: Page,
    lines: Vec<Line>,
    total: Line,
    latest: Vec<Card>,
}

impl BoardPage {
    /// Width of a part of the bar, in classes of five per cent.
    fn width(part: u32, line: &Line) -> u32 {
        (part * 20).div_ceil(line.running().max(1)) * 5
    }
}

pub async fn board(State(app): State<App>, p: Page, actor: Actor) -> Result<Html, WebError> {
    let gate = app.part::<Gate>()?;
    let lines = super::lines(app.db(), &gate, &actor).await?;
    let total = lines.iter().fold(Line::default(), |sum, line| Line {
        green: sum.green + line.green,
        yellow: sum.yellow + line.yellow,
        red: sum.red + line.red,
        paused: sum.paused + line.paused,
        yellow_cards: sum.yellow_cards + line.yellow_cards,
        red_cards: sum.red_cards + line.red_cards,
        ..sum
    });
    let latest =
        card::store::list(app.db().read(), &card::store::Filter::default(), None, 8).await?;
    Html::page(&BoardPage {
        p,
        lines,
        total,
        latest,
    })
}

#[derive(Debug, Default, Deserialize)]
pub struct CaseQuery {
    org: Option<String>,
    light: Option<String>,
    paused: Option<bool>,
    after: Option<String>,
}

impl CaseQuery {
    fn filter(&self) -> Filter {
        Filter {
            org: self.org.clone().filter(|o| !o.is_empty()),
            light: self
                .light
                .as_deref()
                .map(Light::named)
                .filter(|l| *l != Light::Off),
            is_paused: self.paused,
        }
    }

    fn query(&self) -> String {
        let mut parts = Vec::new();
        if let Some(org) = &self.org {
            parts.push(format!("org={org}"));
        }
        if let Some(light) = self.filter().light {
            parts.push(format!("light={}", light.name()));
        }
        if let Some(paused) = self.paused {
            parts.push(format!("paused={paused}"));
        }
        parts.join("&")
    }
}

#[derive(Template)]
#[template(path = "supervise_cases.html")]
struct CasesPage {
    p: Page,
    cases: Vec<Picture>,
    pager: Pager,
}

pub async fn cases(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<CaseQuery>,
) -> Result<Html, WebError> {
    let gate = app.part::<Gate>()?;
    let after = query.after.as_deref();
    let cases = super::cases(app.db(), &gate, &actor, &query.filter(), after, PAGE_SIZE).await?;
    let next = next_key(&cases, PAGE_SIZE);
    let pager = Pager::new("/supervise/cases", &query.query(), after, next.as_deref());
    Html::page(&CasesPage { p, cases, pager })
}

/// The key after which the next page begins, if this one is full.
pub fn next_key(cases: &[Picture], limit: u64) -> Option<String> {
    let is_full = u64::try_from(cases.len()) == Ok(limit);
    let last = cases.last().filter(|_| is_full)?;
    Some(format!("{},{}", last.promise_due?, last.case_id))
}

#[derive(Template)]
#[template(path = "supervise_case.html")]
struct CasePage {
    p: Page,
    case: Picture,
    cards: Vec<Card>,
}

pub async fn case(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Html, WebError> {
    let gate = app.part::<Gate>()?;
    let case = super::case(app.db(), &gate, &actor, &id).await?;
    let filter = card::store::Filter {
        case_id: Some(id),
        ..Default::default()
    };
    let cards = card::store::list(app.db().read(), &filter, None, PAGE_SIZE).await?;
    Html::page(&CasePage { p, case, cards })
}

impl Picture {
    /// The light as components draw it.
    pub fn shown_light(&self) -> component::Light {
        if self.paused_on.is_some() && !self.is_decided {
            return component::Light::Paused;
        }
        match self.light {
            Light::Off if self.is_decided || self.is_ended => component::Light::Done,
            Light::Off => component::Light::Waiting,
            Light::Green => component::Light::Green,
            Light::Yellow => component::Light::Yellow,
            Light::Red => component::Light::Red,
        }
    }
}
