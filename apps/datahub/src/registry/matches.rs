//! Comparing records with each other: starting it, how far it is, what was learnt, pairs by state.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, Query, State as From},
    response::{IntoResponse as _, Redirect, Response},
};
use identity::{Actor, Gate, Resource};
use kernel::{Error, clock::from_micros};
use registry::{
    Declaration, MatchRun, Registries,
    matching::{
        Model, PairState, Thresholds,
        act::{self, Starting},
        bits, probability,
    },
};
use serde::Deserialize;
use store::page::PageRequest;
use web::{
    App, Html, Page, WebError,
    component::{Choice, Crumb, Fact, Fields, Pager, Tab, Tone},
};

use super::words::title;

const RUNS: &str = "/work/data-matching";

#[derive(Debug, Default, Deserialize)]
pub(super) struct AfterQuery {
    after: Option<String>,
}

struct RunLine {
    href: String,
    registry: String,
    purpose: String,
    started: String,
    state: (Tone, String),
    linked: i64,
    to_review: i64,
}

#[derive(Template)]
#[template(path = "datahub/matching.html")]
struct RunsPage<'a> {
    p: &'a Page,
    f: Fields,
    registries: Vec<Choice>,
    /// The pairs that wait for a person, of each registry.
    waiting: Vec<Fact>,
    runs: Vec<RunLine>,
    pager: Pager,
}

fn state(p: &Page, run: &MatchRun) -> (Tone, String) {
    let tone = match run.state.as_str() {
        "done" => Tone::Good,
        "failed" => Tone::Danger,
        _ => Tone::Accent,
    };
    (tone, p.t(format!("datahub-match-run-{}", run.state)))
}

/// A share of one in percent, with as many places as it needs to differ from 0 and 100.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 0.000_05 {
        return "<0.0001%".to_owned();
    }
    let text = if (0.1..=99.9).contains(&percent) {
        format!("{percent:.1}")
    } else {
        format!("{percent:.4}")
    };
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}%")
}

/// A weight with its sign; what rounds to nothing has none.
pub(super) fn signed(weight: f64) -> String {
    if weight.abs() < 0.05 {
        return "0.0".to_owned();
    }
    format!("{weight:+.1}")
}

async fn declared(app: &App, id: &str) -> Result<Arc<Declaration>, WebError> {
    let registries = app.part::<Registries>()?;
    Ok(registries.declaration(app.db().read(), id).await?)
}

/// What is compared, in words.
async fn compared(app: &App, p: &Page, run: &MatchRun) -> Result<String, WebError> {
    let left = title(p, &declared(app, &run.registry).await?.title);
    if run.registry == run.other {
        return Ok(left);
    }
    let right = title(p, &declared(app, &run.other).await?.title);
    Ok(format!("{left} × {right}"))
}

pub(super) async fn list(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<AfterQuery>,
) -> Result<Html, WebError> {
    let usual = Thresholds::default();
    let f = Fields::new()
        .with("link_from", usual.link_from)
        .with("review_from", usual.review_from);
    Html::page(&page(&app, &p, &actor, query.after, f).await?)
}

async fn page<'a>(
    app: &App,
    p: &'a Page,
    actor: &Actor,
    after: Option<String>,
    f: Fields,
) -> Result<RunsPage<'a>, WebError> {
    let request = PageRequest::new(after.clone(), None);
    let found = act::list_runs(app, actor, &request).await?;
    let mut runs = Vec::new();
    for run in &found.items {
        runs.push(RunLine {
            href: format!("{RUNS}/runs/{}", run.id),
            registry: compared(app, p, run).await?,
            purpose: run.purpose.clone(),
            started: p.stamp(from_micros(run.started_at)),
            state: state(p, run),
            linked: run.linked,
            to_review: run.to_review,
        });
    }
    let all = registry::list(app, actor).await?;
    let fit: Vec<_> = all.iter().filter(|d| d.can_be_matched()).collect();
    let mut waiting = Vec::new();
    for declaration in &fit {
        let counts = act::count_pairs(app, actor, &declaration.id).await?;
        let open = counts.iter().find(|(state, _)| *state == PairState::Open);
        let count = open.map_or(0, |(_, count)| *count);
        let href = format!("{RUNS}/pairs?registry={}", declaration.id);
        let text = p.t1("datahub-pairs-waiting", "count", count);
        waiting.push(Fact::new(title(p, &declaration.title), text).link(href));
    }
    let registries = fit.iter().map(|d| Choice::new(&d.id, title(p, &d.title)));
    Ok(RunsPage {
        registries: registries.collect(),
        waiting,
        runs,
        pager: Pager::new(RUNS, "", after.as_deref(), found.next.as_deref()),
        f,
        p,
    })
}

pub(super) async fn start(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    fields: Fields,
) -> Result<Response, WebError> {
    let number = |name: &str| fields.value(name).trim().parse().unwrap_or(f64::NAN);
    let starting = Starting {
        registry: fields.value("registry").to_owned(),
        other: Some(fields.value("other").to_owned()),
        purpose: fields.value("purpose").to_owned(),
        thresholds: Thresholds {
            link_from: number("link_from"),
            review_from: number("review_from"),
        },
        links_itself: fields.has("links_itself", "true"),
    };
    match act::start(&app, &actor, &starting).await {
        Ok(id) => Ok(Redirect::to(&format!("{RUNS}/runs/{id}")).into_response()),
        Err(Error::Invalid(findings)) => {
            let page = page(&app, &p, &actor, None, fields.rejected(findings)).await?;
            Ok(Html::again(&page)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}

struct LevelLine {
    comparison: String,
    level: String,
    m: String,
    u: String,
    weight: String,
}

#[derive(Template)]
#[template(path = "datahub/matching_run.html")]
struct RunPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    title: String,
    state: (Tone, String),
    is_over: bool,
    problem: String,
    progress: String,
    facts: Vec<Fact>,
    pairs: String,
    levels: Vec<LevelLine>,
}

pub(super) async fn show(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Html, WebError> {
    let run = act::get_run(&app, &actor, &id).await?;
    let title = compared(&app, &p, &run).await?;
    let model: Option<Model> = serde_json::from_str(&run.model).ok();
    let is_over = run.finished_at.is_some() || run.state == "failed";
    Html::page(&RunPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-matching"), RUNS),
            Crumb::new(p.stamp(from_micros(run.started_at)), ""),
        ],
        state: state(&p, &run),
        is_over,
        problem: run.problem.clone(),
        progress: format!("{:.3}", registry::api::matching::progress(&run)),
        facts: facts(&p, &run, model.as_ref()),
        pairs: format!("{RUNS}/pairs?registry={}", run.registry),
        levels: model.map_or_else(Vec::new, |model| levels(&p, &model)),
        title,
        p: &p,
    })
}

fn facts(p: &Page, run: &MatchRun, model: Option<&Model>) -> Vec<Fact> {
    let at = |weight: i64| percent(probability(bits(weight)));
    let yes = if run.links_itself {
        "datahub-yes"
    } else {
        "datahub-no"
    };
    let mut facts = vec![
        Fact::new(p.t("datahub-purpose"), &run.purpose),
        Fact::new(p.t("datahub-match-link-from"), at(run.link_from)),
        Fact::new(p.t("datahub-match-review-from"), at(run.review_from)),
        Fact::new(p.t("datahub-match-links-itself"), p.t(yes)),
        Fact::new(p.t("datahub-match-records"), run.records.to_string()),
        Fact::new(p.t("datahub-match-candidates"), run.candidates.to_string()),
        Fact::new(p.t("datahub-match-linked"), run.linked.to_string()),
        Fact::new(p.t("datahub-match-to-review"), run.to_review.to_string()),
    ];
    if run.skipped > 0 {
        let skipped = run.skipped.to_string();
        facts.push(Fact::new(p.t("datahub-match-skipped"), skipped));
    }
    if let Some(model) = model {
        let odds = format!("1 : {:.0}", 1.0 / model.prior);
        facts.push(Fact::new(p.t("datahub-match-prior"), odds));
    }
    facts
}

fn levels(p: &Page, model: &Model) -> Vec<LevelLine> {
    let levels = model.levels.iter().map(|trained| LevelLine {
        comparison: p.t(format!("datahub-compare-{}", trained.comparison.name())),
        level: p.t(format!("datahub-level-{}", trained.level.name())),
        m: percent(trained.m),
        u: percent(trained.u),
        weight: signed(trained.weight),
    });
    levels.collect()
}

#[derive(Debug, Deserialize)]
pub(super) struct PairsQuery {
    registry: String,
    state: Option<PairState>,
    after: Option<String>,
}

struct PairLine {
    href: String,
    probability: String,
    weight: String,
    left: String,
    right: String,
    is_key: bool,
    reason: String,
}

#[derive(Template)]
#[template(path = "datahub/matching_pairs.html")]
struct PairsPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    title: String,
    tabs: Vec<Tab>,
    pairs: Vec<PairLine>,
    pager: Pager,
}

pub(super) async fn pairs(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<PairsQuery>,
) -> Result<Html, WebError> {
    let state = query.state.unwrap_or(PairState::Open);
    let request = PageRequest::new(query.after.clone(), None);
    let found = act::list_pairs(&app, &actor, &query.registry, state, &request).await?;
    let counts = act::count_pairs(&app, &actor, &query.registry).await?;
    let declaration = declared(&app, &query.registry).await?;
    let filters = |state: PairState| format!("registry={}&state={}", declaration.id, state.name());
    let tabs = counts.into_iter().map(|(each, count)| {
        let label = p.t(format!("datahub-pair-{}", each.name()));
        let href = format!("{RUNS}/pairs?{}", filters(each));
        Tab::new(label, href, each == state).count(count)
    });
    let tabs = tabs.collect();
    let names = act::names(&app, &actor, &found.items).await?;
    let name = |record: &str| names.get(record).cloned().unwrap_or_default();
    let lines = found.items.iter().map(|pair| PairLine {
        href: format!("{RUNS}/pairs/{}", pair.id),
        probability: percent(probability(bits(pair.weight))),
        weight: signed(bits(pair.weight)),
        left: name(&pair.left_record),
        right: name(&pair.right_record),
        is_key: pair.is_key,
        reason: pair.reason.clone(),
    });
    let pairs = lines.collect();
    let title = title(&p, &declaration.title);
    let pager = Pager::new(
        &format!("{RUNS}/pairs"),
        &filters(state),
        query.after.as_deref(),
        found.next.as_deref(),
    );
    Html::page(&PairsPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-matching"), RUNS),
            Crumb::new(&title, ""),
        ],
        title,
        tabs,
        pairs,
        pager,
        p: &p,
    })
}

/// Whether the reader may see whole values of a registry.
pub(super) fn may_unmask(app: &App, actor: &Actor, registry: &str) -> Result<bool, WebError> {
    let gate = app.part::<Gate>()?;
    let resource = Resource::new("Registry", registry);
    Ok(gate.check(actor, "registry.unmask", &resource).is_ok())
}
