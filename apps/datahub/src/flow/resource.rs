//! All resources with how far they are; one resource hop by hop.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Redirect,
};
use exchange::wire::{BatchKind, PublicationState};
use flow::{
    batch, feed,
    trace::{self, Journey, Line, Reader, Resource},
};
use identity::Actor;
use kernel::{Result, clock::from_micros};
use serde::Deserialize;
use store::page::PageRequest;
use web::{
    App, Html, Page, WebError,
    component::{Crumb, Fact, Pager, Tone},
};

use super::{HOME, all_said, said, state};

struct Row {
    href: String,
    title: String,
    code: String,
    state: (Tone, String),
    differences: Vec<String>,
    line: Line,
}

#[derive(Template)]
#[template(path = "datahub/flow.html")]
struct ListPage<'a> {
    p: &'a Page,
    rows: Vec<Row>,
}

fn standing(p: &Page, state: PublicationState) -> (Tone, String) {
    let tone = match state {
        PublicationState::Open => Tone::Good,
        PublicationState::Announced => Tone::Warning,
        PublicationState::Suspended => Tone::Danger,
    };
    (tone, p.t(format!("datahub-publication-{}", state.name())))
}

pub(super) async fn list(State(app): State<App>, p: Page, actor: Actor) -> Result<Html, WebError> {
    let lines = trace::resources(&app, &actor).await?;
    let rows = lines.into_iter().map(|line| Row {
        href: format!("{HOME}/{}", line.publication.code),
        title: p.zh(&line.publication.title),
        code: line.publication.code.clone(),
        state: standing(&p, line.publication.state),
        differences: line.differences.iter().map(|one| said(&p, one)).collect(),
        line,
    });
    Html::page(&ListPage {
        rows: rows.collect(),
        p: &p,
    })
}

/// A batch at one registry.
struct RegistryHop {
    registry: String,
    title: String,
    state: (Tone, String),
    counts: String,
    refused: i64,
    problems: Vec<String>,
    is_stuck: bool,
}

struct BatchRow {
    id: String,
    sequence: i64,
    kind: String,
    at: String,
    rows: i64,
    deletes: i64,
    refused: i64,
    /// Absent where the publication is bound to no entry.
    lake: Option<LakeHop>,
    registries: Vec<RegistryHop>,
}

struct LakeHop {
    href: String,
    state: (Tone, String),
    good: i64,
    bad: i64,
    problems: Vec<String>,
    is_stuck: bool,
}

struct ReaderRow {
    org: String,
    node: String,
    purpose: String,
    basis: String,
    columns: String,
    grant: String,
    state: (Tone, String),
    until: String,
    applied: i64,
    waiting: i64,
    failed: i64,
}

struct WaitingRow {
    org: String,
    purpose: String,
    href: String,
    why: String,
}

#[derive(Template)]
#[template(path = "datahub/flow_resource.html")]
struct ResourcePage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    title: String,
    facts: Vec<Fact>,
    differences: Vec<String>,
    batches: Vec<BatchRow>,
    feeds: Vec<String>,
    readers: Vec<ReaderRow>,
    waiting: Vec<WaitingRow>,
    pager: Pager,
}

#[derive(Debug, Deserialize)]
pub(super) struct After {
    after: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(code): Path<String>,
    Query(query): Query<After>,
) -> Result<Html, WebError> {
    let request = PageRequest::new(query.after.clone(), Some(20));
    let found = trace::resource(&app, &actor, &code, &request).await?;
    let titles = registry::titles(&app).await?;
    let registry = |id: &String| {
        let title = titles
            .get(id)
            .map(|t| p.zh(t.in_language(p.language.is_chinese())));
        title.unwrap_or_else(|| id.clone())
    };
    let mut batches = Vec::new();
    for journey in &found.journeys {
        batches.push(batch_row(&p, journey, &registry)?);
    }
    let feeds = found.feeds.iter().map(|feed| {
        let fields = feed.fields.iter();
        let fields = fields.map(|(field, column)| {
            if field == column {
                field.clone()
            } else {
                format!("{column} → {field}")
            }
        });
        let fields = fields.collect::<Vec<_>>().join(", ");
        format!("{} ({}): {fields}", registry(&feed.registry), feed.source)
    });
    let waiting = found.waiting.iter().map(|waiting| WaitingRow {
        org: p.zh(&waiting.grant.applicant_name),
        purpose: waiting
            .grant
            .ask()
            .map(|ask| ask.purpose)
            .unwrap_or_default(),
        href: format!("/work/catalog-requests/{}", waiting.grant.id),
        why: p.t(format!("datahub-flow-missing-{}", waiting.missing.name())),
    });
    let own = format!("{HOME}/{code}");
    Html::page(&ResourcePage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-flow"), HOME),
            Crumb::new(p.zh(&found.publication.title), ""),
        ],
        title: p.zh(&found.publication.title),
        facts: facts(&p, &found),
        differences: found.differences.iter().map(|one| said(&p, one)).collect(),
        feeds: feeds.collect(),
        readers: found.readers.iter().map(|one| reader(&p, one)).collect(),
        waiting: waiting.collect(),
        pager: Pager::new(&own, "", query.after.as_deref(), found.next.as_deref()),
        batches,
        p: &p,
    })
}

/// Entry, publication, lake: what each is and how much it holds.
fn facts(p: &Page, found: &Resource) -> Vec<Fact> {
    let publication = &found.publication;
    let none = || p.t("datahub-flow-none");
    let entry = match &found.entry {
        Some(entry) => {
            let number = p.t1("datahub-flow-version", "number", entry.number);
            let words = format!(
                "{} · {} · {number}",
                p.zh(&entry.name),
                publication.resource
            );
            Fact::new(p.t("datahub-flow-entry"), words).link(format!("/work/catalog/{}", entry.id))
        }
        None => Fact::new(p.t("datahub-flow-entry"), none()),
    };
    let state = standing(p, publication.state).1;
    let by = format!("{} · {}", p.zh(&found.org_name), publication.node);
    let sums = [
        ("batches", found.sum.batches),
        ("rows", found.sum.rows),
        ("deletes", found.sum.deletes),
        ("refused", found.sum.refused),
    ];
    let table = if found.table.is_empty() {
        Fact::new(p.t("datahub-flow-at-lake"), none())
    } else {
        let good: i64 = found.counts.iter().map(|count| count.good).sum();
        let bad: i64 = found.counts.iter().map(|count| count.bad).sum();
        let words = p.ta("datahub-flow-lake", [("good", good), ("bad", bad)]);
        let words = format!("{} · {words}", found.table);
        Fact::new(p.t("datahub-flow-at-lake"), words).link(format!("/work/lake/{}", found.table))
    };
    let last = found.sum.last_at.map(|at| p.stamp(from_micros(at)));
    vec![
        entry,
        Fact::new(
            p.t("datahub-publication"),
            format!("{} · {state}", publication.code),
        ),
        Fact::new(p.t("datahub-from"), by),
        Fact::new(p.t("datahub-batches"), p.ta("datahub-flow-sums", sums)),
        Fact::new(p.t("datahub-flow-last"), last.unwrap_or_else(none)),
        table,
    ]
}

fn batch_row(p: &Page, journey: &Journey, title: &impl Fn(&String) -> String) -> Result<BatchRow> {
    let sent = &journey.sent;
    let kind = match sent.kind {
        BatchKind::Full => "datahub-batch-full",
        BatchKind::Increment => "datahub-batch-increment",
    };
    let problems = all_said(p, journey.problems())?;
    let lake = journey.lake.as_ref().map(|batch| LakeHop {
        href: format!("/work/lake/{}/{}", batch.lake, batch.id),
        state: state(p, batch.standing()),
        good: batch.good,
        bad: batch.bad,
        problems,
        is_stuck: batch.standing() == batch::State::Failed,
    });
    let mut registries = Vec::new();
    for (feeding, loaded) in &journey.registries {
        let standing = batch::State::of_name(&feeding.state);
        let counts = loaded.as_ref().map(|loaded| {
            let counts = [
                ("inserted", loaded.inserted),
                ("updated", loaded.updated),
                ("unchanged", loaded.unchanged),
            ];
            p.ta("datahub-flow-fed", counts)
        });
        registries.push(RegistryHop {
            title: title(&feeding.registry),
            registry: feeding.registry.clone(),
            state: state(p, standing),
            counts: counts.unwrap_or_default(),
            refused: loaded.as_ref().map_or(0, |loaded| loaded.refused),
            problems: all_said(p, trace::problems(feeding))?,
            is_stuck: standing == batch::State::Failed,
        });
    }
    Ok(BatchRow {
        id: sent.id.clone(),
        sequence: sent.sequence,
        kind: p.t(kind),
        at: sent.accepted_at.map_or_else(String::new, |at| p.stamp(at)),
        rows: sent.rows,
        deletes: sent.deletes,
        refused: sent.refused,
        lake,
        registries,
    })
}

fn reader(p: &Page, reader: &Reader) -> ReaderRow {
    use exchange::hub::subscription::State;
    let subscription = &reader.subscription;
    let tone = match subscription.state {
        State::Active => Tone::Good,
        State::Suspended => Tone::Warning,
        State::Withdrawn => Tone::Plain,
    };
    let of = |states: &[&str], count: fn(&exchange::hub::above::Outcome) -> i64| -> i64 {
        let own = reader.outcomes.iter();
        let own = own.filter(|outcome| states.contains(&outcome.state.as_str()));
        own.map(count).sum()
    };
    let until = subscription.expires_on.map(|day| p.date(day));
    ReaderRow {
        org: p.zh(&reader.org_name),
        node: subscription.node.clone(),
        purpose: subscription.purpose.clone(),
        basis: subscription.basis.clone(),
        columns: subscription.columns.join(", "),
        grant: subscription.granted_by.clone(),
        state: (
            tone,
            p.t(format!(
                "datahub-subscription-{}",
                subscription.state.name()
            )),
        ),
        until: until.unwrap_or_default(),
        applied: of(&["applied"], |outcome| outcome.rows),
        waiting: of(&["waiting", "sent"], |outcome| outcome.deliveries),
        failed: of(&["failed"], |outcome| outcome.deliveries),
    }
}

async fn back(app: &App, batch: &str) -> Result<Redirect> {
    let sent = exchange::hub::above::batch(app.db().read(), batch).await?;
    let code = sent.map(|sent| sent.publication).unwrap_or_default();
    Ok(Redirect::to(&format!("{HOME}/{code}")))
}

pub(super) async fn retry(
    State(app): State<App>,
    actor: Actor,
    Path(batch): Path<String>,
) -> Result<Redirect, WebError> {
    batch::act::retry(&app, &actor, &batch).await?;
    Ok(back(&app, &batch).await?)
}

pub(super) async fn retry_registry(
    State(app): State<App>,
    actor: Actor,
    Path((batch, registry)): Path<(String, String)>,
) -> Result<Redirect, WebError> {
    feed::act::retry(&app, &actor, &registry, &batch).await?;
    Ok(back(&app, &batch).await?)
}
