//! One entry: what it says, its items, versions with differences, findings, process, acts.

use ::catalog::{
    Item, Metadata,
    api::resources::{Move, carry_out},
    check::Weight,
    difference::Change,
    resource::{
        Entry, State,
        act::{self, View},
    },
};
use askama::Template;
use axum::{
    extract::{Path, Query, State as From},
    response::{IntoResponse as _, Redirect, Response},
};
use identity::Actor;
use kernel::{Error, Text, clock::from_micros};
use serde::Deserialize;
use web::{
    App, Html, Page, WebError,
    component::{Choice, Crumb, Fact, Fields, Happening, Tone},
};
use workflow::deadline::DeadlineFold;

use super::{
    task,
    words::{self, Words, share_types},
};

#[derive(Debug, Default, Deserialize)]
pub(super) struct CompareQuery {
    from: Option<i64>,
    to: Option<i64>,
}

struct ItemLine {
    item: Item,
    kind: String,
    level: String,
}

struct VersionLine {
    number: i64,
    at: String,
    compare: String,
}

#[derive(Template)]
#[template(path = "datahub/entry.html")]
struct EntryPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    path: String,
    edit: String,
    request: String,
    row: Entry,
    state: (Tone, String),
    facts: Vec<Fact>,
    items: Vec<ItemLine>,
    versions: Vec<VersionLine>,
    changes: Vec<Change>,
    compared: String,
    findings: Vec<(Tone, String, String)>,
    rate: String,
    happenings: Vec<Happening>,
    picture: Option<(String, String)>,
    /// Answers of the task that waits for the reader.
    outcomes: Vec<Choice>,
    task: String,
    deadline: Option<DeadlineFold>,
    can_edit: bool,
    can_ask: bool,
    steps: Vec<Choice>,
    f: Fields,
}

pub(super) async fn show(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    Query(query): Query<CompareQuery>,
) -> Result<Html, WebError> {
    let view = act::get(&app, &actor, &id).await?;
    Html::page(&page(&app, &p, &actor, view, &query, Fields::new()).await?)
}

async fn page<'a>(
    app: &App,
    p: &'a Page,
    actor: &Actor,
    view: View,
    query: &CompareQuery,
    f: Fields,
) -> Result<EntryPage<'a>, WebError> {
    let words = Words::of(app).await?;
    let shown = view.working.as_ref().unwrap_or(&view.metadata);
    let (changes, compared) = changes(p, &view, query)?;
    let sees_work = view.working.is_some() || view.row.number == 0;
    let task = task::open(app, actor, &format!("catalog:{}", view.row.id)).await?;
    let own = (view.row.id.as_str(), view.row.provider.as_str());
    let may_edit = act::may(app, actor, "catalog.edit", own).await.is_ok();
    let can_edit = view.row.origin.is_empty() && may_edit;
    let title = p.zh(&shown.name);
    Ok(EntryPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-catalog"), "/work/catalog"),
            Crumb::new(&title, ""),
        ],
        path: format!("/work/catalog/{}", view.row.id),
        edit: format!("/work/catalog/{}/edit", view.row.id),
        request: format!("/work/catalog/{}/request", view.row.id),
        state: words::state(p, view.row.standing()),
        facts: facts(p, &words, shown, &view.row),
        items: items(p, &words, &shown.items),
        versions: versions(p, &view),
        changes,
        compared,
        findings: if sees_work {
            findings(app, p, &view.row).await?
        } else {
            Vec::new()
        },
        rate: format!("{}.{}", view.row.rate / 10, view.row.rate % 10),
        happenings: words::happenings(app, p, &view.happenings).await?,
        picture: picture(&view.row).filter(|_| !view.happenings.is_empty()),
        deadline: task::deadline(p, task.as_ref()).await?,
        outcomes: task
            .as_ref()
            .map(|task| task::outcomes(p, task))
            .unwrap_or_default(),
        task: task.map(|task| task.facts.name).unwrap_or_default(),
        steps: if can_edit {
            steps(p, &view.row)
        } else {
            Vec::new()
        },
        can_edit: can_edit && view.row.standing().is_writable(),
        can_ask: view.row.is_public()
            && actor.posts.iter().any(|post| post.org != view.row.provider),
        row: view.row,
        f,
        p,
    })
}

fn picture(row: &Entry) -> Option<(String, String)> {
    let instance = row.instance.as_ref()?;
    Some((
        format!("/api/workflow/instances/{instance}/xml"),
        format!("/api/workflow/instances/{instance}/trail"),
    ))
}

fn facts(p: &Page, words: &Words, entry: &Metadata, row: &Entry) -> Vec<Fact> {
    let profile = &words.profile;
    let label = |name: &str| p.t(format!("datahub-md-{name}"));
    let yes = |yes: bool| p.t(if yes { "datahub-yes" } else { "datahub-no" });
    let mut facts = vec![
        Fact::new(label("code"), row.code.clone().unwrap_or_default()),
        Fact::new(label("class"), words.class(p, &entry.class)),
        Fact::new(label("provider"), p.zh(&entry.provider_name)).source(&entry.provider),
        Fact::new(label("inner_department"), p.zh(&entry.inner_department)),
        Fact::new(label("abstract"), p.zh(&entry.summary)),
        Fact::new(
            label("format_class"),
            Words::name(p, &profile.formats, &entry.format_class),
        ),
        Fact::new(label("format_type"), &entry.format_type),
        Fact::new(label("format_description"), &entry.format_description),
        Fact::new(
            label("share_type"),
            Words::name(p, &share_types(p), &entry.share_type),
        ),
        Fact::new(label("share_condition"), p.zh(&entry.share_condition)),
        Fact::new(label("share_scope"), p.zh(&entry.share_scope)),
        Fact::new(
            label("share_mode"),
            Words::name(p, &profile.share_modes, &entry.share_mode),
        ),
        Fact::new(
            label("share_mode_type"),
            Words::name(p, &profile.share_mode_types, &entry.share_mode_type),
        ),
        Fact::new(label("share_mode_reason"), p.zh(&entry.share_mode_reason)),
        Fact::new(label("is_open"), yes(entry.is_open)),
        Fact::new(label("open_condition"), p.zh(&entry.open_condition)),
        Fact::new(
            label("cycle"),
            Words::name(p, &profile.cycles, &entry.cycle),
        ),
        Fact::new(label("published_on"), p.date(entry.published_on)),
        Fact::new(label("related"), entry.related.join("、")),
        Fact::new(label("related_matter"), p.zh(&entry.related_matter)),
        Fact::new(label("theme"), p.zh(&entry.theme)),
        Fact::new(label("name_en"), &entry.name_en),
        Fact::new(label("alt_identifier"), &entry.alt_identifier),
        Fact::new(p.t("datahub-catalog-origin"), &row.origin),
    ];
    if let Some(at) = row.data_at {
        facts.push(Fact::new(
            p.t("datahub-catalog-data-at"),
            p.moment(from_micros(at)),
        ));
    }
    facts.retain(|fact| !fact.value.is_empty());
    facts
}

fn items(p: &Page, words: &Words, items: &[Item]) -> Vec<ItemLine> {
    let line = |item: &Item| ItemLine {
        kind: Words::name(p, &words.profile.item_types, &item.kind),
        level: Words::name(p, &words.profile.levels, &item.level),
        item: item.clone(),
    };
    items.iter().map(line).collect()
}

fn versions(p: &Page, view: &View) -> Vec<VersionLine> {
    let line = |version: &::catalog::resource::Version| VersionLine {
        number: version.number,
        at: p.stamp(from_micros(version.published_at)),
        compare: format!(
            "/work/catalog/{}?from={}&to={}#changes",
            view.row.id,
            version.number - 1,
            version.number
        ),
    };
    view.versions.iter().map(line).collect()
}

/// Differences that were asked for; of a revision, those to the published version.
fn changes(p: &Page, view: &View, query: &CompareQuery) -> kernel::Result<(Vec<Change>, String)> {
    let (from, to) = match (query.from, query.to) {
        (Some(from), Some(to)) => (from, to),
        _ if view.working.is_some() => (view.row.number, 0),
        _ => return Ok((Vec::new(), String::new())),
    };
    let mut changes = act::compare(view, from, to)?;
    for change in &mut changes {
        change.place = place(p, &change.place);
    }
    let to = if to == 0 {
        p.t("datahub-catalog-working")
    } else {
        to.to_string()
    };
    Ok((changes, format!("{from} → {to}")))
}

/// An element of the metadata in words: `items/姓名/length` → Items › 姓名 › Length.
fn place(p: &Page, place: &str) -> String {
    let mut parts = place.split('/');
    let first = parts.next().unwrap_or_default();
    let mut words = vec![p.t(format!("datahub-md-{first}"))];
    if let Some(item) = parts.next() {
        // Findings count items from 0, people from 1.
        words.push(
            item.parse::<usize>()
                .map_or_else(|_| p.zh(item), |at| (at + 1).to_string()),
        );
    }
    if let Some(member) = parts.next() {
        words.push(p.t(format!("datahub-item-{member}")));
    }
    words.join(" › ")
}

async fn findings(app: &App, p: &Page, row: &Entry) -> kernel::Result<Vec<(Tone, String, String)>> {
    let report = act::report(app, row).await?;
    let told = report.defects.iter().map(|defect| {
        let tone = match defect.weight {
            Weight::Error => Tone::Danger,
            Weight::Warning => Tone::Warning,
        };
        (tone, place(p, &defect.place), p.say(&defect.text))
    });
    Ok(told.collect())
}

const MOVES: [(&str, Move); 5] = [
    ("submit", Move::Submit),
    ("revise", Move::Revise),
    ("discard", Move::Discard),
    ("withdraw", Move::Withdraw),
    ("renew", Move::Renew),
];

fn steps(p: &Page, row: &Entry) -> Vec<Choice> {
    let fit = MOVES.into_iter().filter(|(_, step)| match step {
        Move::Submit | Move::Discard => row.standing().is_writable(),
        Move::Revise | Move::Withdraw => row.standing() == State::Published,
        Move::Renew => row.is_public(),
    });
    fit.map(|(name, _)| Choice::new(name, p.t(format!("datahub-catalog-step-{name}"))))
        .collect()
}

pub(super) async fn step(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, WebError> {
    let view = act::get(&app, &actor, &id).await?;
    let step = MOVES
        .into_iter()
        .find(|(name, _)| *name == fields.value("step"));
    let version = fields.value("version").parse().unwrap_or_default();
    let done = match step {
        Some((_, step)) => {
            let reason = fields.value("reason");
            carry_out(&app, &actor, &id, step, version, reason, None).await
        }
        None => Err(Error::invalid("step", Text::new("datahub-step-missing"))),
    };
    match done {
        Ok(Some(_)) => Ok(Redirect::to(&format!("/work/catalog/{id}")).into_response()),
        Ok(None) => Ok(Redirect::to("/work/catalog").into_response()),
        Err(error) => again(&app, &p, &actor, view, fields, error).await,
    }
}

async fn again(
    app: &App,
    p: &Page,
    actor: &Actor,
    view: View,
    fields: Fields,
    error: Error,
) -> Result<Response, WebError> {
    let Error::Invalid(findings) = error else {
        return Err(error.into());
    };
    let f = fields.rejected(findings);
    let page = page(app, p, actor, view, &CompareQuery::default(), f).await?;
    Ok(Html::again(&page)?.into_response())
}

pub(super) async fn decide(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, WebError> {
    let view = act::get(&app, &actor, &id).await?;
    match task::complete(&app, &actor, &format!("catalog:{}", view.row.id), &fields).await {
        Ok(()) => Ok(Redirect::to(&format!("/work/catalog/{id}")).into_response()),
        Err(error) => again(&app, &p, &actor, view, fields, error).await,
    }
}
