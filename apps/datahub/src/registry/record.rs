//! One record: of every field the value, who said it when, what others say; as of any day.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse as _, Redirect, Response},
};
use chrono::NaiveDate;
use identity::{Actor, Gate};
use kernel::{Error, Finding, Text, clock::from_micros};
use registry::{
    log::{self, Look},
    objection::{self, act::Doubt},
    record::{
        Act, Told,
        act::{self, AsOf, View},
    },
};
use serde::Deserialize;
use store::page::PageRequest;
use web::{
    App, Html, Page, WebError,
    component::{Choice, Crumb, Fields, Happening, Tone},
};

use super::words::{Words, state, title};

#[derive(Debug, Default, Deserialize)]
pub(super) struct ViewQuery {
    #[serde(default)]
    known_on: String,
    #[serde(default)]
    valid_on: String,
    #[serde(default)]
    purpose: String,
}

struct Line {
    title: String,
    value: String,
    is_masked: bool,
    origin: String,
    others: Vec<String>,
}

struct MergeLine {
    id: String,
    href: String,
    from: String,
    reason: String,
    at: String,
}

#[derive(Template)]
#[template(path = "datahub/record.html")]
struct RecordPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    title: String,
    path: String,
    state: (Tone, String),
    merged_into: String,
    lines: Vec<Line>,
    happenings: Vec<Happening>,
    merges: Vec<MergeLine>,
    looks: Vec<Look>,
    fields: Vec<Choice>,
    is_whole: bool,
    may_unmask: bool,
    may_merge: bool,
    f: Fields,
}

pub(super) async fn show(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(at): Path<(String, String)>,
    Query(query): Query<ViewQuery>,
) -> Result<Html, WebError> {
    let f = Fields::new()
        .with("known_on", &query.known_on)
        .with("valid_on", &query.valid_on)
        .with("purpose", &query.purpose);
    let (as_of, mut findings) = as_of(&query);
    let wants_whole = !query.purpose.is_empty();
    let seen = if findings.is_empty() {
        let purpose = query.purpose.as_str();
        act::view(&app, &actor, &at.0, &at.1, as_of, purpose, wants_whole).await
    } else {
        Err(Error::Invalid(std::mem::take(&mut findings)))
    };
    match seen {
        Ok(view) => Html::page(&page(&app, &p, &actor, &view, f).await?),
        Err(Error::Invalid(findings)) => again(&app, &p, &actor, &at, f.rejected(findings)).await,
        Err(error) => Err(error.into()),
    }
}

/// The page once more, masked and as of today, with what was wrong.
async fn again(
    app: &App,
    p: &Page,
    actor: &Actor,
    at: &(String, String),
    f: Fields,
) -> Result<Html, WebError> {
    let view = act::view(app, actor, &at.0, &at.1, AsOf::default(), "", false).await?;
    Html::again(&page(app, p, actor, &view, f).await?)
}

fn as_of(query: &ViewQuery) -> (AsOf, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut day = |name: &str, text: &str| -> Option<NaiveDate> {
        if text.is_empty() {
            return None;
        }
        let day = text.parse().ok();
        if day.is_none() {
            findings.push(Finding::new(name, Text::new("registry-value-date")));
        }
        day
    };
    let as_of = AsOf {
        known_on: day("known_on", &query.known_on),
        valid_on: day("valid_on", &query.valid_on),
    };
    (as_of, findings)
}

async fn page<'a>(
    app: &App,
    p: &'a Page,
    actor: &Actor,
    view: &View,
    f: Fields,
) -> Result<RecordPage<'a>, WebError> {
    let declaration = &view.declaration;
    let words = Words::of(app, declaration).await?;
    let gate = app.part::<Gate>()?;
    let resource = registry::oversight::registry(app, declaration).await?;
    let may = |action| gate.check(actor, action, &resource).is_ok();
    let list = format!("/work/data/{}", declaration.id);
    let name = declaration.name.as_ref().or(declaration.key.first());
    let name = name.and_then(|id| {
        let field = declaration.field(id)?;
        let value = &view.folded.fields.get(id)?.told.value;
        Some(words.value(p, field, value, view.is_unmasked))
    });
    let name = name.unwrap_or_else(|| p.t("datahub-record"));
    let page = PageRequest::new(None, Some(20));
    let looks = if may("registry.reads") {
        let looks = log::of_record(app, actor, &declaration.id, &view.row.id, &page).await?;
        looks.items
    } else {
        Vec::new()
    };
    let fields = declaration.fields.iter();
    let fields = fields.filter(|f| !declaration.key.contains(&f.id));
    let fields = fields.map(|f| Choice::new(&f.id, title(p, &f.title)));
    Ok(RecordPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-registries"), "/work/data"),
            Crumb::new(title(p, &declaration.title), &list),
            Crumb::new(&name, ""),
        ],
        title: name,
        path: format!("{list}/{}", view.row.id),
        state: state(p, view.state),
        merged_into: view
            .merged_into
            .as_ref()
            .map_or_else(String::new, |into| format!("{list}/{into}")),
        lines: lines(p, &words, view),
        happenings: happenings(p, &words, view),
        merges: view
            .merged
            .iter()
            .map(|m| MergeLine {
                id: m.id.clone(),
                href: format!("{list}/{}", m.from_record),
                from: m.from_record.clone(),
                reason: m.reason.clone(),
                at: p.stamp(from_micros(m.merged_at)),
            })
            .collect(),
        looks,
        fields: fields.collect(),
        is_whole: view.is_unmasked,
        may_unmask: may("registry.unmask"),
        may_merge: may("registry.merge"),
        f,
        p,
    })
}

fn lines(p: &Page, words: &Words, view: &View) -> Vec<Line> {
    let fields = view.declaration.fields.iter();
    let lines = fields.filter_map(|field| {
        let decided = view.folded.fields.get(&field.id)?;
        let value = |told: &Told| words.value(p, field, &told.value, view.is_unmasked);
        let others = decided.others.iter();
        Some(Line {
            title: title(p, &field.title),
            value: value(&decided.told),
            is_masked: field.is_sensitive() && !view.is_unmasked,
            origin: origin(p, words, &decided.told),
            others: others
                .map(|told| format!("{} · {}", value(told), origin(p, words, told)))
                .collect(),
        })
    });
    lines.collect()
}

/// Who said it, from when on, when it came and with which delivery.
fn origin(p: &Page, words: &Words, told: &Told) -> String {
    let mut parts = vec![
        words.source(p, &told.source),
        p.t1("datahub-since", "day", p.date(told.valid_from)),
        p.t1(
            "datahub-recorded",
            "at",
            p.stamp(from_micros(told.recorded_at)),
        ),
    ];
    parts.extend(told.batch.iter().cloned());
    parts.join(" · ")
}

fn happenings(p: &Page, words: &Words, view: &View) -> Vec<Happening> {
    let statements = view.statements.iter().rev().take(50);
    let happenings = statements.map(|s| {
        let fields = view.declaration.fields.iter();
        let spoken = fields.filter(|f| s.fields.contains_key(&f.id));
        let spoken: Vec<_> = spoken.map(|f| title(p, &f.title)).collect();
        let (title, tone) = match s.act {
            Act::State => ("datahub-act-state", Tone::Accent),
            Act::Correct => ("datahub-act-correct", Tone::Warning),
            Act::Close => ("datahub-act-close", Tone::Danger),
            Act::Reopen => ("datahub-act-reopen", Tone::Good),
        };
        let since = p.t1("datahub-since", "day", p.date(s.valid_from));
        let parts = [since, spoken.join("、"), s.reason.clone()];
        let parts = parts
            .iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty());
        Happening {
            at: from_micros(s.recorded_at),
            title: p.t(title),
            who: words.source(p, &s.source),
            text: parts.collect::<Vec<_>>().join(" · "),
            tone,
        }
    });
    happenings.collect()
}

pub(super) async fn object(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(at): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, WebError> {
    let done = objection::act::raise(&app, &actor, &doubt(&at, &fields)).await;
    match done {
        Ok(id) => Ok(Redirect::to(&format!("/work/data-objections/{id}")).into_response()),
        Err(error) => refused(&app, &p, &actor, &at, fields, error).await,
    }
}

/// What a form doubts.
pub(super) fn doubt(at: &(String, String), fields: &Fields) -> Doubt {
    Doubt {
        registry: at.0.clone(),
        record: at.1.clone(),
        field: fields.value("field").to_owned(),
        expected: fields.value("expected").to_owned(),
        reason: fields.value("reason").to_owned(),
    }
}

async fn refused(
    app: &App,
    p: &Page,
    actor: &Actor,
    at: &(String, String),
    fields: Fields,
    error: Error,
) -> Result<Response, WebError> {
    match error {
        Error::Invalid(findings) => {
            let page = again(app, p, actor, at, fields.rejected(findings)).await?;
            Ok(page.into_response())
        }
        error => Err(error.into()),
    }
}

pub(super) async fn merge(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(at): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, WebError> {
    let (into, reason) = (fields.value("into").trim(), fields.value("merge_reason"));
    // People know the number of a record, not its id.
    let into = act::id_of_key(&app, &actor, &at.0, into).await;
    let done = match into {
        Ok(into) => act::merge(&app, &actor, &at.0, &at.1, &into, reason)
            .await
            .map(|_| into),
        Err(error) => Err(error),
    };
    match done {
        Ok(into) => Ok(Redirect::to(&format!("/work/data/{}/{into}", at.0)).into_response()),
        Err(error) => refused(&app, &p, &actor, &at, fields, renamed(error)).await,
    }
}

/// The form has two reasons.
fn renamed(error: Error) -> Error {
    match error {
        Error::Invalid(mut findings) => {
            for finding in &mut findings {
                if finding.field == "reason" {
                    "merge_reason".clone_into(&mut finding.field);
                }
            }
            Error::Invalid(findings)
        }
        other => other,
    }
}

pub(super) async fn unmerge(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(at): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, WebError> {
    let (merge, reason) = (fields.value("merge"), fields.value("merge_reason"));
    match act::unmerge(&app, &actor, &at.0, merge, reason).await {
        Ok(()) => Ok(Redirect::to(&format!("/work/data/{}/{}", at.0, at.1)).into_response()),
        Err(error) => refused(&app, &p, &actor, &at, fields, renamed(error)).await,
    }
}
