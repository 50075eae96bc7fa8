//! The list of interfaces, and how many calls there were.

use std::collections::HashSet;

use askama::Template;
use axum::extract::State;
use chrono::{DateTime, Utc};
use gateway::{
    overview::{self, Hour},
    resource::{self, Resource},
};
use identity::Actor;
use web::{App, Html, Page, WebError, component::Tone};

/// A bar of the chart by hours: calls that were answered, and on top of them those that failed.
pub(super) struct Bar {
    pub x: i64,
    pub label: String,
    /// Only every sixth hour is named, or the names would lie over one another.
    pub is_named: bool,
    pub answered: i64,
    pub failed: i64,
    pub answered_y: i64,
    pub answered_height: i64,
    pub failed_y: i64,
    pub failed_height: i64,
}

/// Calls by hour as bars; the largest hour fills the height.
pub(super) struct Chart {
    pub bars: Vec<Bar>,
    pub most: i64,
    pub total: i64,
    pub failed: i64,
}

const WIDTH: i64 = 34;
const HEIGHT: i64 = 120;
const TOP: i64 = 16;

impl Chart {
    pub fn of(hours: &[Hour]) -> Self {
        let sum = |hour: &Hour| hour.answered + hour.failed;
        let most = hours.iter().map(sum).max().unwrap_or_default();
        let height = |calls: i64| (calls * HEIGHT).checked_div(most).unwrap_or_default();
        let bars = hours.iter().zip(0_i64..).map(|(hour, place)| {
            let (answered, failed) = (height(hour.answered), height(hour.failed));
            Bar {
                x: place * WIDTH,
                label: local_hour(hour.begins),
                is_named: place % 6 == 0,
                answered: hour.answered,
                failed: hour.failed,
                answered_y: TOP + HEIGHT - answered,
                answered_height: answered,
                failed_y: TOP + HEIGHT - answered - failed,
                failed_height: failed,
            }
        });
        Self {
            bars: bars.collect(),
            most,
            total: hours.iter().map(sum).sum(),
            failed: hours.iter().map(|hour| hour.failed).sum(),
        }
    }
}

fn local_hour(at: DateTime<Utc>) -> String {
    let local = at + chrono::Duration::hours(8);
    local.format("%H:00").to_string()
}

/// How an interface stands: its own state, and whether its node can be called.
pub(super) fn standing(p: &Page, resource: &Resource, lines: &HashSet<String>) -> (Tone, String) {
    let is_there = resource.query.is_some() || lines.contains(&resource.node);
    let (tone, key) = match resource.state {
        resource::State::Open if !resource.foreign.is_empty() => {
            (Tone::Danger, "datahub-api-not-own")
        }
        resource::State::Open if is_there => (Tone::Good, "datahub-api-open"),
        resource::State::Open => (Tone::Warning, "datahub-api-away"),
        resource::State::Suspended => (Tone::Warning, "datahub-api-suspended"),
        resource::State::Withdrawn => (Tone::Plain, "datahub-api-withdrawn"),
    };
    (tone, p.t(key))
}

#[derive(Template)]
#[template(path = "datahub/apis.html")]
struct ApisPage<'a> {
    p: &'a Page,
    resources: Vec<(Resource, (Tone, String))>,
    /// None where the viewer may not see the log.
    chart: Option<Chart>,
}

pub(super) async fn show(State(app): State<App>, p: Page, actor: Actor) -> Result<Html, WebError> {
    let lines: HashSet<String> = overview::lines(&app, &actor)?.into_iter().collect();
    let all = resource::list(&app, &actor).await?;
    let hours = overview::hours(&app, &actor, None).await.ok();
    let resources = all.into_iter().map(|resource| {
        let standing = standing(&p, &resource, &lines);
        (resource, standing)
    });
    Html::page(&ApisPage {
        resources: resources.collect(),
        chart: hours.map(|hours| Chart::of(&hours)),
        p: &p,
    })
}
