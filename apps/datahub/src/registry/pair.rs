//! Two records that may be one: side by side, with the parts of their weight, to be decided.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse as _, Redirect, Response},
};
use identity::Actor;
use kernel::{Error, Text};
use registry::{
    Field,
    matching::{
        Explanation, Verdict,
        act::{self, Deciding, PairView},
    },
    record::act::View,
};
use serde::Deserialize;
use web::{
    App, Html, Page, WebError,
    component::{Choice, Crumb, Fields, Tone},
};

use super::{
    matches::{may_unmask, percent, signed},
    words::{Words, title},
};

#[derive(Debug, Default, Deserialize)]
pub(super) struct LookQuery {
    #[serde(default)]
    purpose: String,
}

struct Side {
    title: String,
    href: String,
}

struct Line {
    title: String,
    left: String,
    right: String,
    is_same: bool,
}

/// One step from the odds before comparing to those after.
struct Step {
    what: String,
    level: String,
    weight: String,
    /// The bar, of 200 units.
    from: String,
    width: String,
    is_for: bool,
}

#[derive(Template)]
#[template(path = "datahub/matching_pair.html")]
struct PairPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    title: String,
    path: String,
    state: (Tone, String),
    is_key: bool,
    reason: String,
    sides: [Side; 2],
    lines: Vec<Line>,
    steps: Vec<Step>,
    is_whole: bool,
    may_unmask: bool,
    verdicts: Vec<Choice>,
    version: i64,
    f: Fields,
}

pub(super) async fn show(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    Query(query): Query<LookQuery>,
) -> Result<Html, WebError> {
    let f = Fields::new().with("purpose", &query.purpose);
    let wants_whole = !query.purpose.is_empty();
    match act::open_pair(&app, &actor, &id, &query.purpose, wants_whole).await {
        Ok(view) => Html::page(&page(&app, &p, &actor, &view, f).await?),
        Err(Error::Invalid(findings)) => again(&app, &p, &actor, &id, f.rejected(findings)).await,
        Err(error) => Err(error.into()),
    }
}

/// The page once more, masked, with what was wrong.
async fn again(app: &App, p: &Page, actor: &Actor, id: &str, f: Fields) -> Result<Html, WebError> {
    let view = act::open_pair(app, actor, id, "", false).await?;
    Html::again(&page(app, p, actor, &view, f).await?)
}

async fn page<'a>(
    app: &App,
    p: &'a Page,
    actor: &Actor,
    view: &PairView,
    f: Fields,
) -> Result<PairPage<'a>, WebError> {
    let list = format!("/work/data-matching/pairs?registry={}", view.row.registry);
    let sure = percent(view.explanation.probability());
    let title = p.t1("datahub-pair-title", "probability", sure);
    let side = |view: &View| Side {
        title: super::words::title(p, &view.declaration.title),
        href: format!("/work/data/{}/{}", view.declaration.id, view.row.id),
    };
    Ok(PairPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-matching"), "/work/data-matching"),
            Crumb::new(super::words::title(p, &view.left.declaration.title), list),
            Crumb::new(&title, ""),
        ],
        title,
        path: format!("/work/data-matching/pairs/{}", view.row.id),
        state: state(p, &view.row.state),
        is_key: view.explanation.is_key,
        reason: view.row.reason.clone(),
        sides: [side(&view.left), side(&view.right)],
        lines: lines(app, p, view).await?,
        steps: steps(p, &view.explanation),
        is_whole: view.left.is_unmasked,
        may_unmask: may_unmask(app, actor, &view.row.registry)?,
        verdicts: verdicts(p, view),
        version: view.row.version,
        f,
        p,
    })
}

fn state(p: &Page, state: &str) -> (Tone, String) {
    let tone = match state {
        "open" => Tone::Accent,
        "later" => Tone::Warning,
        "different" => Tone::Plain,
        _ => Tone::Good,
    };
    (tone, p.t(format!("datahub-pair-{state}")))
}

/// What can be decided now.
fn verdicts(p: &Page, view: &PairView) -> Vec<Choice> {
    let is_one_registry = view.row.registry == view.row.other;
    let choice = |value: &str, key: &str| Choice::new(value, p.t(key));
    let mut verdicts = Vec::new();
    match view.row.state.as_str() {
        "linked" | "same" => {}
        _ if is_one_registry => {
            verdicts.push(choice("keep_left", "datahub-verdict-keep-left"));
            verdicts.push(choice("keep_right", "datahub-verdict-keep-right"));
        }
        _ => verdicts.push(choice("keep_left", "datahub-verdict-same")),
    }
    if view.row.state != "different" {
        let key = match &view.row.merge {
            Some(_) => "datahub-verdict-part",
            None => "datahub-verdict-different",
        };
        verdicts.push(choice("different", key));
    }
    if view.row.state == "open" {
        verdicts.push(choice("later", "datahub-verdict-later"));
    }
    verdicts
}

async fn lines(app: &App, p: &Page, view: &PairView) -> Result<Vec<Line>, WebError> {
    let is_one_registry = view.row.registry == view.row.other;
    let left_words = Words::of(app, &view.left.declaration).await?;
    let right_words = Words::of(app, &view.right.declaration).await?;
    let told = |words: &Words, of: &View, field: &Field| {
        let decided = of.folded.fields.get(&field.id);
        decided.map(|d| words.value(p, field, &d.told.value, of.is_unmasked))
    };
    let mut lines = Vec::new();
    for field in &view.left.declaration.fields {
        let right_field = if is_one_registry {
            view.right.declaration.field(&field.id)
        } else {
            let role = field.role;
            let mut fit = view.right.declaration.fields.iter();
            fit.find(|other| role.is_some() && other.role == role)
        };
        let left = told(&left_words, &view.left, field);
        let right = right_field.and_then(|other| told(&right_words, &view.right, other));
        if (left.is_none() && right.is_none()) || (right_field.is_none() && !is_one_registry) {
            continue;
        }
        // Masked values may look the same and be different.
        let values = (
            view.left.folded.fields.get(&field.id),
            right_field.and_then(|other| view.right.folded.fields.get(&other.id)),
        );
        let is_same = match values {
            (Some(left), Some(right)) => left.told.value == right.told.value,
            _ => false,
        };
        lines.push(Line {
            title: title(p, &field.title),
            left: left.unwrap_or_default(),
            right: right.unwrap_or_default(),
            is_same,
        });
    }
    Ok(lines)
}

/// Units of the picture's width.
const WIDTH: f64 = 200.0;

/// The parts of a weight one after another, each beginning where the one before ended.
fn steps(p: &Page, explanation: &Explanation) -> Vec<Step> {
    let mut parts = vec![(p.t("datahub-pair-prior"), String::new(), explanation.prior)];
    for part in &explanation.parts {
        let what = p.t(format!("datahub-compare-{}", part.comparison.name()));
        let level = p.t(format!("datahub-level-{}", part.level.name()));
        parts.push((what, level, part.weight));
        if part.rarity.abs() >= 0.05 {
            let key = if part.rarity > 0.0 {
                "datahub-pair-rare"
            } else {
                "datahub-pair-common"
            };
            parts.push((String::new(), p.t(key), part.rarity));
        }
    }
    let ends: Vec<f64> = parts
        .iter()
        .scan(0.0, |sum, (.., weight)| {
            *sum += weight;
            Some(*sum)
        })
        .collect();
    let least = ends.iter().copied().fold(0.0, f64::min);
    let most = ends.iter().copied().fold(0.0, f64::max);
    let scale = WIDTH / (most - least).max(1.0);
    let mut begin: f64 = 0.0;
    let mut steps = Vec::new();
    for ((what, level, weight), end) in parts.into_iter().zip(ends) {
        steps.push(Step {
            what,
            level,
            weight: signed(weight),
            from: format!("{:.1}", (begin.min(end) - least) * scale),
            width: format!("{:.1}", (weight.abs() * scale).max(1.0)),
            is_for: weight >= 0.0,
        });
        begin = end;
    }
    steps.push(Step {
        what: p.t("datahub-pair-total"),
        level: String::new(),
        weight: signed(explanation.weight),
        from: format!("{:.1}", (explanation.weight.min(0.0) - least) * scale),
        width: format!("{:.1}", (explanation.weight.abs() * scale).max(1.0)),
        is_for: explanation.weight >= 0.0,
    });
    steps
}

pub(super) async fn decide(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, WebError> {
    let verdict = match fields.value("verdict") {
        "keep_left" => Some(Verdict::KeepLeft),
        "keep_right" => Some(Verdict::KeepRight),
        "different" => Some(Verdict::Different),
        "later" => Some(Verdict::Later),
        _ => None,
    };
    let done = match verdict {
        Some(verdict) => {
            let deciding = Deciding {
                verdict,
                version: fields.value("version").parse().unwrap_or_default(),
                reason: fields.value("reason").to_owned(),
            };
            act::decide(&app, &actor, &id, &deciding).await
        }
        None => Err(Error::invalid("verdict", Text::new("datahub-step-missing"))),
    };
    match done {
        Ok(row) => {
            let list = format!("/work/data-matching/pairs?registry={}", row.registry);
            Ok(Redirect::to(&list).into_response())
        }
        Err(Error::Invalid(findings)) => {
            let page = again(&app, &p, &actor, &id, fields.rejected(findings)).await?;
            Ok(page.into_response())
        }
        Err(error) => Err(error.into()),
    }
}
