//! Everything that is deployed.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Query, State};
use identity::Actor;
use kernel::Result;
use serde::Deserialize;
use web::{
    App, Html, Page, WebError,
    component::{Pager, Tab},
};

use super::{
    can, escaped, key_of, may,
    store::{VersionRow, get_file, list_definitions},
};
use crate::{engine::Engine, stats, tree};

const PAGE_SIZE: usize = 50;

#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    q: Option<String>,
    kind: Option<String>,
    after: Option<String>,
}

/// The newest version of one key, with what runs by any of its versions.
struct Line {
    latest: VersionRow,
    name: String,
    running: u64,
    waiting: u64,
    stopped: u64,
}

impl Line {
    fn href(&self) -> String {
        format!("/processes/definitions/{}", escaped(&self.latest.key))
    }
}

#[derive(Template)]
#[template(path = "processes/list.html")]
struct ListPage {
    p: Page,
    q: String,
    lines: Vec<Line>,
    tabs: Vec<Tab>,
    pager: Pager,
    may_draw: bool,
    is_filtered: bool,
}

pub(super) async fn page(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Result<Html, WebError> {
    may(&app, &actor, "workflow.process.view")?;
    let q = query.q.unwrap_or_default().trim().to_owned();
    let kind = query
        .kind
        .as_deref()
        .filter(|kind| ["bpmn", "dmn"].contains(kind));
    let after = query.after.as_deref();
    let latest = latest(&app).await?;
    let tabs = tabs(&p, &latest, kind);
    let mut lines = Vec::new();
    for one in latest {
        if kind.is_some_and(|kind| kind != one.kind)
            || after.is_some_and(|after| *one.key <= *after)
        {
            continue;
        }
        let name = name_of(&app, &one).await?;
        let is_wanted = [&one.key, &name, &one.names]
            .iter()
            .any(|text| text.to_lowercase().contains(&q.to_lowercase()));
        if is_wanted {
            lines.push(Line::of(one, name));
        }
        if lines.len() > PAGE_SIZE {
            break;
        }
    }
    let has_more = lines.len() > PAGE_SIZE;
    lines.truncate(PAGE_SIZE);
    count(&app, &mut lines).await?;
    let next = lines
        .last()
        .filter(|_| has_more)
        .map(|line| line.latest.key.clone());
    let filters = [("q", q.as_str()), ("kind", kind.unwrap_or_default())]
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", escaped(value)))
        .collect::<Vec<_>>()
        .join("&");
    let pager = Pager::new("/processes", &filters, after, next.as_deref());
    Html::page(&ListPage {
        is_filtered: !q.is_empty() || kind.is_some(),
        may_draw: can(&app, &actor, "workflow.process.draw"),
        p,
        q,
        lines,
        tabs,
        pager,
    })
}

impl Line {
    fn of(latest: VersionRow, name: String) -> Self {
        Self {
            latest,
            name,
            running: 0,
            waiting: 0,
            stopped: 0,
        }
    }
}

async fn latest(app: &App) -> Result<Vec<VersionRow>> {
    let mut latest = BTreeMap::new();
    for row in list_definitions(app.db(), None).await? {
        latest.insert(row.key.clone(), row);
    }
    Ok(latest.into_values().collect())
}

async fn count(app: &App, lines: &mut [Line]) -> Result<()> {
    let mut by_key: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
    for (definition, (running, waiting, stopped)) in stats::standing(app.db()).await? {
        let all = by_key.entry(key_of(&definition).to_owned()).or_default();
        all.0 += running;
        all.1 += waiting;
        all.2 += stopped;
    }
    for line in lines {
        if let Some(counts) = by_key.get(&line.latest.key) {
            (line.running, line.waiting, line.stopped) = *counts;
        }
    }
    Ok(())
}

/// The name that its author gave the process or the decisions.
pub(super) async fn name_of(app: &App, deployed: &VersionRow) -> Result<String> {
    if deployed.kind == "bpmn" {
        let engine = app.part::<Engine>()?;
        let process = engine.process(app.db().read(), &deployed.id).await?;
        let head = process.model.process(&process.id);
        return Ok(head.map(|head| head.name.clone()).unwrap_or_default());
    }
    let file = get_file(app.db(), &deployed.key, deployed.version).await?;
    let root = tree::parse(file.xml.as_bytes()).ok();
    Ok(root
        .and_then(|root| root.get("name").map(str::to_owned))
        .unwrap_or_default())
}

fn tabs(p: &Page, latest: &[VersionRow], kind: Option<&str>) -> Vec<Tab> {
    let of = |kind: &str| latest.iter().filter(|one| one.kind == kind).count() as u64;
    vec![
        Tab::new(p.t("workflow-all"), "/processes", kind.is_none()).count(latest.len() as u64),
        Tab::new(
            p.t("workflow-processes"),
            "/processes?kind=bpmn",
            kind == Some("bpmn"),
        )
        .count(of("bpmn")),
        Tab::new(
            p.t("workflow-decisions"),
            "/processes?kind=dmn",
            kind == Some("dmn"),
        )
        .count(of("dmn")),
    ]
}
