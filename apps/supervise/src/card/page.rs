//! Pages of cards.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse as _, Redirect, Response},
};
use identity::{Actor, Gate};
use kernel::Error;
use serde::Deserialize;
use web::{
    App, Html, Page, WebError,
    component::{Choice, Fields, Pager, Tab, Tone},
};

use super::{Card, State as CardState, Verdict, act, store};
use crate::judge::Level;

const PAGE_SIZE: u64 = 50;

impl Card {
    /// Keys of the words for level, rule and state.
    pub fn level_key(&self) -> String {
        format!("supervise-level-{}", self.level.name())
    }

    pub fn rule_key(&self) -> String {
        format!("supervise-rule-{}", self.rule.name())
    }

    pub fn state_key(&self) -> String {
        format!("supervise-state-{}", self.state.name())
    }

    pub fn tone(&self) -> Tone {
        match self.level {
            Level::Notice => Tone::Accent,
            Level::Yellow => Tone::Warning,
            Level::Red => Tone::Danger,
        }
    }

    /// The snapshot as rows of name and value.
    pub fn facts(&self, p: &Page) -> Vec<web::component::Fact> {
        let Some(evidence) = self.evidence.as_object() else {
            return Vec::new();
        };
        evidence
            .iter()
            .map(|(name, value)| {
                let text = match value {
                    serde_json::Value::String(text) => text.clone(),
                    serde_json::Value::Array(list) => {
                        let words: Vec<_> = list
                            .iter()
                            .map(|v| v.as_str().unwrap_or_default())
                            .collect();
                        words.join("、")
                    }
                    serde_json::Value::Bool(yes) => p.t(if *yes {
                        "supervise-yes"
                    } else {
                        "supervise-no"
                    }),
                    other => other.to_string(),
                };
                web::component::Fact::new(
                    p.t(format!("supervise-evidence-{}", name.replace('_', "-"))),
                    text,
                )
            })
            .collect()
    }
}

#[derive(Debug, Deserialize)]
pub struct CardQuery {
    state: Option<String>,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "supervise_cards.html")]
struct CardsPage {
    p: Page,
    cards: Vec<Card>,
    tabs: Vec<Tab>,
    pager: Pager,
}

pub async fn list(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<CardQuery>,
) -> Result<Html, WebError> {
    let gate = app.part::<Gate>()?;
    let state = query.state.as_deref().and_then(CardState::named);
    let filter = store::Filter {
        state,
        ..scope(&gate, &actor)?
    };
    let after = query.after.as_deref();
    let cards = store::list(app.db().read(), &filter, after, PAGE_SIZE).await?;
    let is_full = u64::try_from(cards.len()) == Ok(PAGE_SIZE);
    let next = cards.last().filter(|_| is_full).map(|c| c.id.to_string());
    let filters = state
        .map(|s| format!("state={}", s.name()))
        .unwrap_or_default();
    let pager = Pager::new("/supervise/cards", &filters, after, next.as_deref());
    let tabs = tabs(&p, state);
    Html::page(&CardsPage {
        p,
        cards,
        tabs,
        pager,
    })
}

/// Supervisors see their regions' cards, other officers those of their organisations.
pub fn scope(gate: &Gate, actor: &Actor) -> kernel::Result<store::Filter> {
    if gate
        .check(actor, "supervise.board", &identity::Resource::system())
        .is_ok()
    {
        return Ok(store::Filter::default());
    }
    if !actor.is_officer() {
        return Err(Error::Forbidden {
            action: "supervise.card.see".into(),
        });
    }
    let orgs = actor.posts.iter().map(|p| p.org.clone()).collect();
    Ok(store::Filter {
        orgs: Some(orgs),
        ..Default::default()
    })
}

fn tabs(p: &Page, now: Option<CardState>) -> Vec<Tab> {
    let mut tabs = vec![Tab::new(
        p.t("supervise-all"),
        "/supervise/cards",
        now.is_none(),
    )];
    for state in [
        CardState::Open,
        CardState::Replied,
        CardState::Upheld,
        CardState::Withdrawn,
        CardState::Notice,
    ] {
        let href = format!("/supervise/cards?state={}", state.name());
        tabs.push(Tab::new(
            p.t(format!("supervise-state-{}", state.name())),
            href,
            now == Some(state),
        ));
    }
    tabs
}

#[derive(Template)]
#[template(path = "supervise_card.html")]
struct CardPage {
    p: Page,
    card: Card,
    evidence: Vec<web::component::Fact>,
    f: Fields,
    may_reply: bool,
    may_verify: bool,
    verdicts: Vec<Choice>,
}

impl CardPage {
    fn new(p: Page, gate: &Gate, actor: &Actor, card: Card, f: Fields) -> Self {
        let resource = identity::Resource::new("Card", card.id)
            .org(&card.org)
            .region(&card.region);
        let may = |action| gate.check(actor, action, &resource).is_ok();
        let may_reply = card.state == CardState::Open && may("supervise.card.reply");
        let may_verify = card.state == CardState::Replied && may("supervise.card.verify");
        let verdicts = vec![
            Choice::new("upheld", p.t("supervise-state-upheld")).help(p.t("supervise-upheld-help")),
            Choice::new("withdrawn", p.t("supervise-state-withdrawn"))
                .help(p.t("supervise-withdrawn-help")),
        ];
        let evidence = card.facts(&p);
        Self {
            p,
            card,
            evidence,
            f,
            may_reply,
            may_verify,
            verdicts,
        }
    }
}

pub async fn show(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Html, WebError> {
    let gate = app.part::<Gate>()?;
    let card = act::get(app.db(), &gate, &actor, &id).await?;
    Html::page(&CardPage::new(p, &gate, &actor, card, Fields::new()))
}

pub async fn reply(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, WebError> {
    let gate = app.part::<Gate>()?;
    let done = act::reply(app.db(), &gate, &actor, &id, fields.value("reply")).await;
    answer(&app, p, &actor, &id, fields, done).await
}

pub async fn verify(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, WebError> {
    let gate = app.part::<Gate>()?;
    let verdict = match fields.value("verdict_kind") {
        "upheld" => Ok(Verdict::Upheld),
        "withdrawn" => Ok(Verdict::Withdrawn),
        _ => Err(Error::invalid(
            "verdict_kind",
            kernel::Text::new("supervise-verdict-missing"),
        )),
    };
    let done = match verdict {
        Ok(verdict) => {
            act::verify(
                app.db(),
                &gate,
                &actor,
                &id,
                verdict,
                fields.value("verdict"),
            )
            .await
        }
        Err(error) => Err(error),
    };
    answer(&app, p, &actor, &id, fields, done).await
}

/// Back to the card; with the typed words if something is wrong with them.
async fn answer(
    app: &App,
    p: Page,
    actor: &Actor,
    id: &str,
    fields: Fields,
    done: kernel::Result<()>,
) -> Result<Response, WebError> {
    match done {
        Ok(()) => Ok(Redirect::to(&format!("/supervise/cards/{id}")).into_response()),
        Err(Error::Invalid(findings)) => {
            let gate = app.part::<Gate>()?;
            let card = act::get(app.db(), &gate, actor, id).await?;
            let page = CardPage::new(p, &gate, actor, card, fields.rejected(findings));
            Ok(Html::again(&page)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}
