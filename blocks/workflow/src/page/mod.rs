//! Pages under `/processes`: what is deployed, where it stands, what stopped, and how it is drawn;
//! and under `/tasks` what officers do in them.

mod api;
mod definition;
mod incident;
mod instance;
mod list;
mod message;
mod modeler;
mod rule;
mod store;
mod table;
mod task;

pub(crate) use api::is_key;

use std::collections::HashMap;

use axum::routing::{get, post};
use identity::{Actor, Gate, Resource, UserId};
use kernel::Result;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{
    App, Page,
    component::Tone,
    module::{MenuItem, MenuPlace, Section},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(api::check))
        .routes(routes!(api::deploy))
        .routes(routes!(api::figures))
        .merge(task::routes())
        .route("/processes", get(list::page))
        .route("/processes/new", get(modeler::blank))
        .route("/processes/upload", get(modeler::upload))
        .route("/processes/upload", post(modeler::uploaded))
        .route("/processes/incidents", get(incident::page))
        .route("/processes/incidents/retry", post(incident::retry))
        .route("/processes/messages", get(message::page))
        .route("/processes/messages/{id}", post(message::decide))
        .route("/processes/instances", get(instance::list))
        .route("/processes/instances/{id}", get(instance::page))
        .route("/processes/instances/{id}/move", post(instance::moved))
        .route(
            "/processes/instances/{id}/cancel",
            post(instance::cancelled),
        )
        .route("/processes/instances/{id}/set", post(instance::set))
        .route("/processes/instances/{id}/retry", post(instance::retried))
        .route(
            "/processes/instances/{id}/variables",
            post(instance::unmasked),
        )
        .route("/processes/definitions/{key}", get(definition::page))
        .route("/processes/definitions/{key}/edit", get(modeler::edit))
        .route(
            "/processes/definitions/{key}/start",
            post(definition::started),
        )
        .route("/processes/definitions/{key}/try", post(rule::tried))
        .route(
            "/processes/definitions/{key}/versions/{version}/file",
            get(definition::file),
        )
}

pub(crate) fn menu() -> Vec<MenuItem> {
    const VIEW: &str = "workflow.process.view";
    [
        ("workflow-menu-tasks", "/tasks", 5, "workflow.task.list"),
        ("workflow-menu-processes", "/processes", 10, VIEW),
        ("workflow-menu-incidents", "/processes/incidents", 20, VIEW),
        ("workflow-menu-messages", "/processes/messages", 30, VIEW),
    ]
    .map(|(key, href, order, action)| MenuItem {
        key,
        href,
        place: MenuPlace::Workbench(Section::Processes),
        order,
        action,
    })
    .to_vec()
}

/// Asks the gate about the installation as a whole.
fn may(app: &App, actor: &Actor, action: &str) -> Result<()> {
    actor.may(&*app.part::<Gate>()?, action, &Resource::system())
}

/// Whether the gate would allow it, for what a page offers.
fn can(app: &App, actor: &Actor, action: &str) -> bool {
    may(app, actor, action).is_ok()
}

/// A span of time in the two largest units that it fills: `2 天 3 小时`, `2 天`.
fn span(p: &Page, seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => p.t1("workflow-span-seconds", "seconds", seconds),
        (0, 0, minutes) => p.t1("workflow-span-minutes", "minutes", minutes),
        (0, hours, 0) => p.t1("workflow-span-hours", "hours", hours),
        (0, hours, minutes) => p.ta(
            "workflow-span-hours-minutes",
            [("hours", hours), ("minutes", minutes)],
        ),
        (days, 0, _) => p.t1("workflow-span-days", "days", days),
        (days, hours, _) => p.ta(
            "workflow-span-days-hours",
            [("days", days), ("hours", hours)],
        ),
    }
}

/// The words for a kind of element; its name in the standard where there are none.
fn kind_words(p: &Page, kind: &str) -> String {
    const KNOWN: [&str; 22] = [
        "task",
        "manualTask",
        "userTask",
        "serviceTask",
        "sendTask",
        "receiveTask",
        "scriptTask",
        "businessRuleTask",
        "subProcess",
        "transaction",
        "adHocSubProcess",
        "callActivity",
        "startEvent",
        "endEvent",
        "intermediateCatchEvent",
        "intermediateThrowEvent",
        "boundaryEvent",
        "exclusiveGateway",
        "inclusiveGateway",
        "parallelGateway",
        "eventBasedGateway",
        "complexGateway",
    ];
    if KNOWN.contains(&kind) {
        p.t(format!("workflow-kind-{kind}"))
    } else {
        kind.to_owned()
    }
}

fn status_tone(status: &str) -> Tone {
    match status {
        "running" => Tone::Accent,
        "completed" | "terminated" => Tone::Good,
        "failed" => Tone::Danger,
        _ => Tone::Plain,
    }
}

/// Who acted, in words, for traces as `user:0192… for party:…`.
struct Names(HashMap<String, String>);

impl Names {
    async fn of<'a>(app: &App, p: &Page, traces: impl Iterator<Item = &'a str>) -> Self {
        let mut names = HashMap::new();
        for trace in traces {
            if names.contains_key(trace) {
                continue;
            }
            names.insert(trace.to_owned(), name_of(app, p, trace).await);
        }
        Self(names)
    }

    fn get(&self, trace: &str) -> String {
        self.0.get(trace).cloned().unwrap_or_default()
    }
}

/// Citizens are not named here: who applied is the application's to show.
async fn name_of(app: &App, p: &Page, trace: &str) -> String {
    let user = trace.strip_prefix("user:").unwrap_or(trace);
    let id = user.split(' ').next().unwrap_or_default().parse::<UserId>();
    match id {
        Ok(id) => match identity::directory::user(app.db().read(), id).await {
            Ok(user) if user.party.is_none() => user.name,
            Ok(_) => p.t("workflow-by-applicant"),
            Err(_) => p.t("workflow-by-unknown"),
        },
        Err(_) if trace.is_empty() => String::new(),
        Err(_) => p.t("workflow-by-system"),
    }
}

/// A value as one reads it in a table.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `key` of a definition `key:version:tail`; a key may have colons itself.
fn key_of(definition: &str) -> &str {
    definition.rsplitn(3, ':').nth(2).unwrap_or(definition)
}

fn version_of(definition: &str) -> i64 {
    definition
        .rsplit(':')
        .nth(1)
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}

/// A part of an address.
fn escaped(part: &str) -> String {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    utf8_percent_encode(part, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::{escaped, key_of, version_of};

    #[test]
    fn a_definition_tells_its_key_and_version() {
        assert_eq!(key_of("a:b:3:0f"), "a:b");
        assert_eq!(version_of("a:b:3:0f"), 3);
        assert_eq!(escaped("流程 1/2"), "%E6%B5%81%E7%A8%8B%201%2F2");
    }
}
