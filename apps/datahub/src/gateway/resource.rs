//! One interface: its operations, who may call them, how many calls and how fast.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Redirect,
};
use gateway::{
    grant::{self, Grant},
    overview::{self, Hop},
    refused::{self, Refused},
    resource::{self, Resource},
};
use identity::Actor;
use serde::Deserialize;
use store::page::PageRequest;
use web::{
    App, Html, Page, WebError,
    component::{Crumb, Fact, Fields, Pager, Tone},
};

use super::resources::{Chart, standing};

#[derive(Template)]
#[template(path = "datahub/api.html")]
struct ApiPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    resource: Resource,
    badge: (Tone, String),
    facts: Vec<Fact>,
    grants: Vec<Grant>,
    chart: Option<Chart>,
    hops: Vec<Hop>,
    refused: Vec<Refused>,
    pager: Pager,
}

impl ApiPage<'_> {
    fn state(&self, grant: &Grant) -> (Tone, String) {
        let (tone, key) = match grant.state {
            grant::State::Active if grant.is_over(self.p.app.clock().today()) => {
                (Tone::Plain, "datahub-api-grant-over")
            }
            grant::State::Active => (Tone::Good, "datahub-api-grant-active"),
            grant::State::Suspended => (Tone::Warning, "datahub-api-grant-suspended"),
            grant::State::Withdrawn => (Tone::Plain, "datahub-api-grant-withdrawn"),
        };
        (tone, self.p.t(key))
    }

    fn limits(&self, grant: &Grant) -> String {
        let number = |key: &str, value: i64| match value {
            0 => None,
            value => Some(self.p.t1(key, "count", value)),
        };
        let both = [
            number("datahub-api-per-day", grant.quota_per_day),
            number("datahub-api-per-second", grant.rate_per_second),
        ];
        let both: Vec<String> = both.into_iter().flatten().collect();
        if both.is_empty() {
            self.p.t("datahub-api-unlimited")
        } else {
            both.join(", ")
        }
    }

    fn grant_href(&self) -> String {
        format!("/work/apis/{}/grant", self.resource.code)
    }

    fn masks(grant: &Grant) -> String {
        let all: Vec<_> = grant.masks.iter().map(|mask| mask.field.as_str()).collect();
        all.join(", ")
    }

    fn rule(&self, refused: &Refused) -> String {
        self.p.t(format!("datahub-api-refused-{}", refused.rule))
    }

    fn foreign(&self) -> String {
        let fields = self.resource.foreign.join(", ");
        self.p.t1("datahub-api-foreign", "fields", fields)
    }

    fn hop(&self, hop: &Hop) -> String {
        self.p.t(format!("datahub-api-hop-{}", hop.name))
    }
}

/// Microseconds as milliseconds.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "templates pass references"
)]
pub(super) fn milliseconds(micros: &i64) -> String {
    format!("{}.{:01}", micros / 1000, micros % 1000 / 100)
}

fn facts(p: &Page, resource: &Resource) -> Vec<Fact> {
    let mut facts = vec![
        Fact::new(p.t("datahub-org"), &resource.org),
        Fact::new(
            p.t("datahub-api-address"),
            format!("/api/gateway/{}/…", resource.code),
        ),
        Fact::new(p.t("datahub-api-catalog"), &resource.catalog),
        Fact::new(
            p.t("datahub-api-request-limit"),
            resource.request_limit.to_string(),
        ),
        Fact::new(
            p.t("datahub-api-answer-limit"),
            resource.answer_limit.to_string(),
        ),
        Fact::new(
            p.t("datahub-api-timeout"),
            p.t1("datahub-seconds", "seconds", resource.timeout_seconds),
        ),
    ];
    match &resource.query {
        Some(query) => facts.push(Fact::new(p.t("datahub-api-registry"), &query.registry)),
        None => facts.push(Fact::new(p.t("datahub-node"), &resource.node)),
    }
    facts
}

#[derive(Debug, Deserialize)]
pub(super) struct RefusedQuery {
    /// Where the list of refused calls goes on.
    after: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(code): Path<String>,
    Query(query): Query<RefusedQuery>,
) -> Result<Html, WebError> {
    let resource = resource::get(&app, &actor, &code).await?;
    let lines = overview::lines(&app, &actor)?.into_iter().collect();
    let hours = overview::hours(&app, &actor, Some(&code)).await.ok();
    let request = PageRequest::new(query.after.clone(), None);
    let refused = refused::list(&app, &actor, &code, &request).await?;
    let here = format!("/work/apis/{code}");
    Html::page(&ApiPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-apis"), "/work/apis"),
            Crumb::new(p.zh(&resource.title), ""),
        ],
        badge: standing(&p, &resource, &lines),
        facts: facts(&p, &resource),
        grants: grant::list(&app, &actor, &code).await?,
        chart: hours.map(|hours| Chart::of(&hours)),
        hops: overview::hops(&app, &actor, &code)
            .await
            .unwrap_or_default(),
        pager: Pager::new(&here, "", query.after.as_deref(), refused.next.as_deref()),
        refused: refused.items,
        resource,
        p: &p,
    })
}

pub(super) async fn step(
    State(app): State<App>,
    actor: Actor,
    Path(code): Path<String>,
    fields: Fields,
) -> Result<Redirect, WebError> {
    let state = match fields.value("state") {
        "open" => resource::State::Open,
        "withdrawn" => resource::State::Withdrawn,
        _ => resource::State::Suspended,
    };
    resource::set_state(&app, &actor, &code, state).await?;
    Ok(Redirect::to(&format!("/work/apis/{code}")))
}

pub(super) async fn grant_step(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Redirect, WebError> {
    let state = match fields.value("state") {
        "active" => grant::State::Active,
        "withdrawn" => grant::State::Withdrawn,
        _ => grant::State::Suspended,
    };
    let moved = grant::set_state(&app, &actor, &id, state).await?;
    Ok(Redirect::to(&format!("/work/apis/{}", moved.resource)))
}
