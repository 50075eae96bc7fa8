//! Batches with their hops, refused rows, what a day adds up to.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Redirect,
};
use chrono::{DateTime, NaiveDate, Utc};
use exchange::{
    hub::{
        batch::{self, Batch},
        delivery::{self, State as Standing, View},
        overview::{self, Day, Detail},
    },
    wire::{BatchKind, RefusedRow},
};
use identity::Actor;
use serde::Deserialize;
use store::page::PageRequest;
use web::{
    App, Html, Page, WebError,
    component::{Crumb, Fact, Pager, Tone},
};

const LIST: &str = "/work/exchange/batches";

#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    after: Option<String>,
}

fn kind(p: &Page, batch: &Batch) -> String {
    p.t(match batch.kind {
        BatchKind::Full => "datahub-batch-full",
        BatchKind::Increment => "datahub-batch-increment",
    })
}

fn standing(p: &Page, delivery: &View) -> (Tone, String) {
    let tone = match delivery.state {
        Standing::Applied => Tone::Good,
        Standing::Failed => Tone::Danger,
        Standing::Waiting | Standing::Sent => Tone::Accent,
        Standing::Superseded => Tone::Plain,
    };
    (
        tone,
        p.t(format!("datahub-delivery-{}", delivery.state.name())),
    )
}

#[derive(Template)]
#[template(path = "datahub/batches.html")]
struct BatchesPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    batches: Vec<(Batch, Vec<View>)>,
    pager: Pager,
}

impl BatchesPage<'_> {
    fn kind(&self, batch: &Batch) -> String {
        kind(self.p, batch)
    }

    fn standing(&self, delivery: &View) -> (Tone, String) {
        standing(self.p, delivery)
    }
}

pub(super) async fn list(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Result<Html, WebError> {
    let request = PageRequest::new(query.after.clone(), None);
    let found = overview::batches(&app, &actor, None, &request).await?;
    Html::page(&BatchesPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-exchange"), "/work/exchange"),
            Crumb::new(p.t("datahub-batches"), ""),
        ],
        batches: found.items,
        pager: Pager::new(LIST, "", query.after.as_deref(), found.next.as_deref()),
        p: &p,
    })
}

/// One hop of a batch.
struct Hop {
    name: String,
    at: String,
    /// Since the hop before.
    took: String,
}

#[derive(Template)]
#[template(path = "datahub/batch.html")]
struct BatchPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    title: String,
    batch: Batch,
    facts: Vec<Fact>,
    hops: Vec<Hop>,
    deliveries: Vec<View>,
}

impl BatchPage<'_> {
    fn standing(&self, delivery: &View) -> (Tone, String) {
        standing(self.p, delivery)
    }

    /// Whether the subscriber says the same numbers.
    fn is_equal(&self, delivery: &View) -> bool {
        delivery.checksum.as_deref() == Some(&self.batch.checksum)
    }
}

fn hops(p: &Page, found: &Detail) -> Vec<Hop> {
    let batch = &found.batch;
    let mut steps: Vec<(String, Option<DateTime<Utc>>)> = vec![
        (p.t("datahub-hop-read"), Some(batch.read_at)),
        (p.t("datahub-hop-offered"), Some(batch.offered_at)),
        (p.t("datahub-hop-accepted"), batch.accepted_at),
    ];
    for delivery in &found.deliveries {
        let node = &delivery.node;
        steps.push((
            format!("{} · {node}", p.t("datahub-hop-pulled")),
            delivery.pulled_at,
        ));
        steps.push((
            format!("{} · {node}", p.t("datahub-hop-applied")),
            delivery.applied_at,
        ));
    }
    let mut before: Option<DateTime<Utc>> = None;
    let hop = |(name, at): (String, Option<DateTime<Utc>>)| {
        let took = before
            .zip(at)
            .map(|(before, at)| (at - before).as_seconds_f64());
        before = at.or(before);
        Hop {
            name,
            at: at.map_or_else(|| "—".into(), |at| p.stamp(at)),
            took: took.map_or_else(String::new, |s| {
                p.t1("datahub-seconds", "seconds", format!("{s:.1}"))
            }),
        }
    };
    steps.into_iter().map(hop).collect()
}

pub(super) async fn show(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Html, WebError> {
    let found = overview::batch(&app, &actor, &id).await?;
    let hops = hops(&p, &found);
    let batch = found.batch;
    let title = format!("{} · {}", batch.publication, batch.sequence);
    let facts = vec![
        Fact::new(p.t("datahub-node"), &batch.node)
            .link(format!("/work/exchange/nodes/{}", batch.node)),
        Fact::new(p.t("datahub-kind"), kind(&p, &batch)),
        Fact::new(p.t("datahub-rows"), batch.rows.to_string()),
        Fact::new(p.t("datahub-deletes"), batch.deletes.to_string()),
        Fact::new(
            p.t("datahub-chunks"),
            format!("{} / {}", found.arrived, batch.chunks),
        ),
        Fact::new(p.t("datahub-bytes"), batch.bytes.to_string()),
        Fact::new(p.t("datahub-checksum"), &batch.checksum),
        Fact::new(
            p.t("datahub-receipt"),
            p.t(if found.receipt.is_some() {
                "datahub-yes"
            } else {
                "datahub-no"
            }),
        ),
    ];
    Html::page(&BatchPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-exchange"), "/work/exchange"),
            Crumb::new(p.t("datahub-batches"), LIST),
            Crumb::new(&title, ""),
        ],
        title,
        facts,
        hops,
        deliveries: found.deliveries,
        batch,
        p: &p,
    })
}

#[derive(Template)]
#[template(path = "datahub/refused.html")]
struct RefusedPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    file: String,
    rows: Vec<RefusedRow>,
    pager: Pager,
}

impl RefusedPage<'_> {
    fn values(row: &RefusedRow) -> String {
        let values = row
            .values
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.as_deref().unwrap_or("—")));
        values.collect::<Vec<_>>().join("; ")
    }
}

pub(super) async fn refused(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Html, WebError> {
    let request = PageRequest::new(query.after.clone(), None);
    let found = batch::refused(&app, &actor, &id, &request).await?;
    let own = format!("{LIST}/{id}");
    Html::page(&RefusedPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-exchange"), "/work/exchange"),
            Crumb::new(p.t("datahub-batch"), &own),
            Crumb::new(p.t("datahub-refused"), ""),
        ],
        file: format!("/api/exchange/batches/{id}/refused.csv"),
        rows: found.items,
        pager: Pager::new(
            &format!("{own}/refused"),
            "",
            query.after.as_deref(),
            found.next.as_deref(),
        ),
        p: &p,
    })
}

pub(super) async fn retry(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Redirect, WebError> {
    delivery::retry(&app, &actor, &id).await?;
    Ok(Redirect::to(LIST))
}

#[derive(Debug, Deserialize)]
pub(super) struct DayQuery {
    date: Option<NaiveDate>,
}

#[derive(Template)]
#[template(path = "datahub/exchange_day.html")]
struct DayPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    date: NaiveDate,
    days: Vec<Day>,
}

pub(super) async fn day(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<DayQuery>,
) -> Result<Html, WebError> {
    let date = query.date.unwrap_or_else(|| app.clock().today());
    Html::page(&DayPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-exchange"), "/work/exchange"),
            Crumb::new(p.t("datahub-days"), ""),
        ],
        days: overview::day(&app, &actor, date).await?,
        date,
        p: &p,
    })
}
