//! The log of calls, and one call with its proofs.

use askama::Template;
use axum::extract::{Path, Query, State};
use gateway::{
    overview::{self, Call, Check, Evidence, Filter, Standing},
    record::Outcome,
};
use identity::Actor;
use serde::Deserialize;
use store::page::PageRequest;
use web::{
    App, Html, Page, WebError,
    component::{Choice, Crumb, Fact, Fields, Pager, Tone},
};

use super::resource::milliseconds;

const LIST: &str = "/work/api-calls";

#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    resource: Option<String>,
    outcome: Option<String>,
    after: Option<String>,
}

fn outcome(p: &Page, call: &Call) -> (Tone, String) {
    let tone = match call.outcome {
        Outcome::Answered if call.status < 400 => Tone::Good,
        Outcome::Answered => Tone::Plain,
        Outcome::Tampered => Tone::Danger,
        _ => Tone::Warning,
    };
    let words = p.t(format!("datahub-api-outcome-{}", call.outcome.name()));
    (tone, words)
}

#[derive(Template)]
#[template(path = "datahub/api_calls.html")]
struct CallsPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    f: Fields,
    outcomes: Vec<Choice>,
    calls: Vec<Call>,
    pager: Pager,
}

impl CallsPage<'_> {
    fn outcome(&self, call: &Call) -> (Tone, String) {
        outcome(self.p, call)
    }
}

pub(super) async fn list(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Result<Html, WebError> {
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let filter = Filter {
        resource: filled(&query.resource),
        outcome: filled(&query.outcome),
    };
    let request = PageRequest::new(query.after.clone(), None);
    let found = overview::calls(&app, &actor, &filter, &request).await?;
    let (resource, wanted) = (
        filter.resource.unwrap_or_default(),
        filter.outcome.unwrap_or_default(),
    );
    let filters = format!(
        "resource={}&outcome={}",
        encoded(&resource),
        encoded(&wanted)
    );
    let outcomes = Outcome::ALL.into_iter().map(|one| {
        let words = p.t(format!("datahub-api-outcome-{}", one.name()));
        Choice::new(one.name(), words)
    });
    Html::page(&CallsPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-apis"), "/work/apis"),
            Crumb::new(p.t("datahub-api-calls"), ""),
        ],
        f: Fields::new()
            .with("resource", &resource)
            .with("outcome", &wanted),
        outcomes: outcomes.collect(),
        calls: found.items,
        pager: Pager::new(
            LIST,
            &filters,
            query.after.as_deref(),
            found.next.as_deref(),
        ),
        p: &p,
    })
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[derive(Template)]
#[template(path = "datahub/api_call.html")]
struct CallPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    badge: (Tone, String),
    facts: Vec<Fact>,
    hops: Vec<(String, String)>,
    evidence: Evidence,
}

impl CallPage<'_> {
    fn check(&self, check: &Check) -> (Tone, String) {
        let tone = match check.standing {
            Standing::Genuine => Tone::Good,
            Standing::False => Tone::Danger,
            Standing::None | Standing::Unsealed => Tone::Plain,
        };
        let words = self
            .p
            .t(format!("datahub-api-check-{}", check.standing.name()));
        (tone, words)
    }

    fn name(&self, check: &Check) -> String {
        self.p.t(format!("datahub-api-proof-{}", check.name))
    }
}

pub(super) async fn show(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Html, WebError> {
    let evidence = overview::verify(&app, &actor, &id).await?;
    let call = &evidence.call;
    let facts = vec![
        Fact::new(p.t("datahub-moment"), p.stamp(call.at)),
        Fact::new(p.t("datahub-api-resource"), &call.resource)
            .link(format!("/work/apis/{}", call.resource)),
        Fact::new(p.t("datahub-api-operation"), &call.operation),
        Fact::new(p.t("datahub-api-consumer"), &call.consumer),
        Fact::new(p.t("datahub-api-provider"), &call.provider),
        Fact::new(p.t("datahub-node"), &call.node),
        Fact::new(p.t("datahub-api-status"), call.status.to_string()),
        Fact::new(
            p.t("datahub-api-request-bytes"),
            call.request_bytes.to_string(),
        ),
        Fact::new(
            p.t("datahub-api-answer-bytes"),
            call.answer_bytes.to_string(),
        ),
    ];
    let hop = |name: &str, micros: i64| {
        (
            p.t(format!("datahub-api-hop-{name}")),
            milliseconds(&micros),
        )
    };
    let hops = vec![
        hop("hub", call.hub_us),
        hop("line", call.line_us),
        hop("node", call.node_us),
        hop("api", call.api_us),
        hop("total", call.total_us),
    ];
    Html::page(&CallPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-apis"), "/work/apis"),
            Crumb::new(p.t("datahub-api-calls"), LIST),
            Crumb::new(&call.id, ""),
        ],
        badge: outcome(&p, call),
        facts,
        hops,
        evidence,
        p: &p,
    })
}
