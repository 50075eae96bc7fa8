//! Everything that stopped, grouped by its cause.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Query, State},
    response::{IntoResponse, Redirect, Response},
};
use identity::Actor;
use kernel::{Error, Result};
use serde::Deserialize;
use web::{App, Html, Page, WebError, component::Fields};

use super::{can, instance::carry_out, key_of, may, store, version_of};
use crate::{InstanceId, Intervention, engine::Engine, reason, verb::said};

/// Stopped instances looked at; an operator who has more retries these first.
const MOST_STOPPED: u64 = 500;

/// Instances that stopped at one step of one version for one reason.
struct Group {
    /// Counted from 1; tells apart the forms of the page.
    number: usize,
    definition: String,
    element: String,
    name: String,
    reason: String,
    /// Each with its subject and the moment when it stopped.
    instances: Vec<(InstanceId, String, i64)>,
}

impl Group {
    fn process(&self) -> String {
        format!(
            "{} · {}",
            key_of(&self.definition),
            version_of(&self.definition)
        )
    }

    fn since(&self) -> i64 {
        let first = self.instances.iter().map(|(_, _, at)| *at).min();
        first.unwrap_or_default()
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Outcome {
    #[serde(default)]
    retried: u64,
    #[serde(default)]
    failed: u64,
}

#[derive(Template)]
#[template(path = "processes/incidents.html")]
struct IncidentsPage {
    p: Page,
    groups: Vec<Group>,
    outcome: Outcome,
    is_cut: bool,
    may_intervene: bool,
    f: Fields,
    /// Which form came back with messages; 0 is that for all.
    form: usize,
}

impl IncidentsPage {
    fn told(&self, group: &Group) -> String {
        reason::said(&self.p, &group.reason)
    }

    /// What was typed into the form of a group, when it was that one that came back.
    fn typed(&self, group: &Group) -> Fields {
        self.typed_in(group.number)
    }

    fn typed_in_all(&self) -> Fields {
        self.typed_in(0)
    }

    fn typed_in(&self, number: usize) -> Fields {
        if number == self.form {
            self.f.clone()
        } else {
            Fields::new()
        }
    }
}

pub(super) async fn page(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(outcome): Query<Outcome>,
) -> Result<Html, WebError> {
    may(&app, &actor, "workflow.process.view")?;
    Html::page(&view(&app, p, &actor, outcome).await?)
}

async fn view(app: &App, p: Page, actor: &Actor, outcome: Outcome) -> Result<IncidentsPage> {
    let (groups, is_cut) = groups(app).await?;
    Ok(IncidentsPage {
        may_intervene: can(app, actor, "workflow.instance.intervene"),
        p,
        groups,
        outcome,
        is_cut,
        f: Fields::new(),
        form: usize::MAX,
    })
}

/// The largest group first.
async fn groups(app: &App) -> Result<(Vec<Group>, bool)> {
    let rows = store::list_stopped(app.db(), MOST_STOPPED + 1).await?;
    let is_cut = rows.len() as u64 > MOST_STOPPED;
    let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let stops: BTreeMap<(String, String), i64> = store::stops_of(app.db(), &ids)
        .await?
        .into_iter()
        .map(|(instance, element, at)| ((instance, element), at))
        .collect();
    let engine = app.part::<Engine>()?;
    let mut groups: BTreeMap<(String, String, String), Group> = BTreeMap::new();
    for row in rows {
        let Ok(id) = row.id.parse::<InstanceId>() else {
            continue;
        };
        let process = engine.process(app.db().read(), &row.definition).await?;
        let state = engine.state(app.db().read(), &row).await?;
        for (_, token, reason) in state.incidents() {
            let element = token.at.to_string();
            let at = stops.get(&(row.id.clone(), element.clone()));
            let node = process.model.lookup(&element);
            let key = (row.definition.clone(), element.clone(), reason.to_owned());
            let group = groups.entry(key).or_insert_with(|| Group {
                number: 0,
                definition: row.definition.clone(),
                name: node.map_or_else(
                    || element.clone(),
                    |ix| process.model[ix].title().to_owned(),
                ),
                element,
                reason: reason.to_owned(),
                instances: Vec::new(),
            });
            let at = at.copied().unwrap_or(row.started_at);
            if !group.instances.iter().any(|(known, ..)| *known == id) {
                group.instances.push((id, row.subject.clone(), at));
            }
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.instances.len()));
    for (at, group) in groups.iter_mut().enumerate() {
        group.number = at + 1;
    }
    Ok((groups, is_cut))
}

/// Retries the instances that the form names, each in a write of its own: one that is refused
/// does not hold up the others.
pub(super) async fn retry(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    f: Fields,
) -> Result<Response, WebError> {
    may(&app, &actor, "workflow.instance.intervene")?;
    if let Err(Error::Invalid(findings)) = said("reason", f.value("reason")) {
        let page = IncidentsPage {
            form: f.value("form").parse().unwrap_or_default(),
            f: f.rejected(findings),
            ..view(&app, p, &actor, Outcome::default()).await?
        };
        return Ok(Html::again(&page)?.into_response());
    }
    let (mut retried, mut failed) = (0_u64, 0_u64);
    for id in f.values("instance") {
        let Ok(id) = id.parse::<InstanceId>() else {
            continue;
        };
        match carry_out(
            &app,
            &actor,
            id,
            Intervention::Retry(None),
            f.value("reason"),
        )
        .await
        {
            Ok(()) => retried += 1,
            Err(Error::Fault(fault)) => return Err(Error::Fault(fault).into()),
            Err(_) => failed += 1,
        }
    }
    let target = format!("/processes/incidents?retried={retried}&failed={failed}");
    Ok(Redirect::to(&target).into_response())
}
