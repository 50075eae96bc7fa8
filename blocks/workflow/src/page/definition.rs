//! One process: its picture with the heat of what stands where, its steps in figures, its versions.

use std::borrow::Borrow;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Redirect, Response},
};
use identity::Actor;
use kernel::{Error, Result, Text};
use serde::Deserialize;
use serde_json::Value;
use web::{
    App, Html, Page, WebError,
    component::{Crumb, Fact, Fields},
};

use super::{
    Names,
    api::{Checked, checked},
    can, escaped, kind_words, list, may, rule, span,
    store::{VersionRow, get_file, list_definitions},
};
use crate::{
    InstanceId,
    act::start_version,
    engine::Engine,
    stats::{self, Figures, Step},
};

#[derive(Debug, Deserialize)]
pub(super) struct VersionQuery {
    pub version: Option<i64>,
}

/// What the pages of a process and of a decision have in common.
pub(super) struct Head {
    pub key: String,
    pub name: String,
    pub deployed: VersionRow,
    /// All versions, the newest first.
    pub versions: Vec<VersionRow>,
    pub names: Names,
    pub may_draw: bool,
}

impl Head {
    pub async fn of(
        app: &App,
        p: &Page,
        actor: &Actor,
        key: &str,
        version: Option<i64>,
    ) -> Result<Self> {
        let mut versions = list_definitions(app.db(), Some(key)).await?;
        versions.reverse();
        let deployed = match version {
            Some(version) => versions.iter().find(|one| one.version == version),
            None => versions.first(),
        };
        let deployed = deployed
            .cloned()
            .ok_or(Error::NotFound { what: "definition" })?;
        let traces = versions.iter().map(|one| one.deployed_by.as_str());
        let names = Names::of(app, p, traces).await;
        let name = list::name_of(app, &deployed).await?;
        Ok(Self {
            key: key.to_owned(),
            name: if name.is_empty() {
                key.to_owned()
            } else {
                name
            },
            deployed,
            versions,
            names,
            may_draw: can(app, actor, "workflow.process.draw"),
        })
    }

    pub fn href(&self) -> String {
        format!("/processes/definitions/{}", escaped(&self.key))
    }

    pub fn href_of(&self, version: impl Borrow<i64>) -> String {
        let version = version.borrow();
        format!("{}?version={version}", self.href())
    }

    pub fn edit_href(&self, version: impl Borrow<i64>) -> String {
        let version = version.borrow();
        format!("{}/edit?version={version}", self.href())
    }

    pub fn file_href(&self, version: impl Borrow<i64>) -> String {
        let version = version.borrow();
        format!("{}/versions/{version}/file", self.href())
    }

    pub fn is_latest(&self) -> bool {
        self.versions.first().map(|one| one.version) == Some(self.deployed.version)
    }

    pub fn who(&self, version: &VersionRow) -> String {
        self.names.get(&version.deployed_by)
    }

    pub fn crumbs(&self, p: &Page) -> Vec<Crumb> {
        vec![
            Crumb::new(p.t("workflow-menu-processes"), "/processes"),
            Crumb::new(p.zh(&self.name), ""),
        ]
    }
}

#[derive(Template)]
#[template(path = "processes/definition.html")]
struct DefinitionPage {
    p: Page,
    head: Head,
    figures: Figures,
    checked: Checked,
    facts: Vec<Fact>,
    may_start: bool,
    f: Fields,
}

impl DefinitionPage {
    /// What the picture can be coloured by.
    fn heats(&self) -> [(&'static str, String); 4] {
        [
            ("standing", self.p.t("workflow-standing")),
            ("median", self.p.t("workflow-median")),
            ("returned", self.p.t("workflow-returned")),
            ("overdue", self.p.t("workflow-overdue")),
        ]
    }

    fn kind(&self, step: &Step) -> String {
        kind_words(&self.p, &step.kind)
    }

    fn span(&self, seconds: impl Borrow<Option<i64>>) -> String {
        seconds
            .borrow()
            .map_or_else(|| "—".to_owned(), |seconds| span(&self.p, seconds))
    }
}

pub(super) async fn page(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(key): Path<String>,
    Query(query): Query<VersionQuery>,
) -> Result<Html, WebError> {
    may(&app, &actor, "workflow.process.view")?;
    let head = Head::of(&app, &p, &actor, &key, query.version).await?;
    if head.deployed.kind == "dmn" {
        return rule::page(&app, p, head).await;
    }
    Html::page(&view(&app, p, &actor, head).await?)
}

async fn view(app: &App, p: Page, actor: &Actor, head: Head) -> Result<DefinitionPage> {
    let engine = app.part::<Engine>()?;
    let figures = stats::figures(app.db(), &engine, &head.deployed.id).await?;
    let file = get_file(app.db(), &head.key, head.deployed.version).await?;
    Ok(DefinitionPage {
        facts: facts(&p, &head, &figures),
        checked: checked(&p, file.xml.as_bytes()),
        may_start: can(app, actor, "workflow.instance.start"),
        f: Fields::new().with("variables", "{}"),
        p,
        head,
        figures,
    })
}

/// Starts an instance by hand, as one does to try a new version. Its subject is never one of an
/// application's.
pub(super) async fn started(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(key): Path<String>,
    Query(query): Query<VersionQuery>,
    f: Fields,
) -> Result<Response, WebError> {
    may(&app, &actor, "workflow.instance.start")?;
    let head = Head::of(&app, &p, &actor, &key, query.version).await?;
    if head.deployed.kind != "bpmn" {
        return Err(Error::NotFound { what: "process" }.into());
    }
    match start(&app, &actor, &head.deployed.id, &f).await {
        Ok(id) => Ok(Redirect::to(&format!("/processes/instances/{id}")).into_response()),
        Err(Error::Invalid(findings)) => {
            let page = DefinitionPage {
                f: f.rejected(findings),
                ..view(&app, p, &actor, head).await?
            };
            Ok(Html::again(&page)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}

async fn start(app: &App, actor: &Actor, definition: &str, f: &Fields) -> Result<InstanceId> {
    let note = f.value("note").trim();
    if note.chars().count() < 2 || note.chars().count() > 100 {
        return Err(Error::invalid("note", Text::new("workflow-note-missing")));
    }
    let vars = match serde_json::from_str::<Value>(f.value("variables")) {
        Ok(Value::Object(vars)) => vars,
        Ok(_) => {
            let text = Text::new("workflow-variables-record");
            return Err(Error::invalid("variables", text));
        }
        Err(e) => {
            let text = Text::new("workflow-variable-json").with("reason", e);
            return Err(Error::invalid("variables", text));
        }
    };
    let engine = app.part::<Engine>()?;
    let (definition, subject, by) = (
        definition.to_owned(),
        format!("manual:{note}"),
        actor.trace(),
    );
    app.db()
        .write(move |tx| {
            let (engine, vars) = (engine.clone(), vars.clone());
            let (definition, subject, by) = (definition.clone(), subject.clone(), by.clone());
            async move { start_version(&tx, &engine, &definition, &subject, vars, &by).await }
        })
        .await
}

fn facts(p: &Page, head: &Head, figures: &Figures) -> Vec<Fact> {
    let total = |of: fn(&Step) -> u64| figures.steps.iter().map(of).sum::<u64>();
    let instances = format!(
        "/processes/instances?definition={}",
        escaped(&head.deployed.id)
    );
    vec![
        Fact::new(p.t("workflow-running"), figures.running.to_string()).link(instances),
        Fact::new(
            p.t("workflow-waiting"),
            total(|step| step.waiting).to_string(),
        ),
        Fact::new(
            p.t("workflow-handling"),
            total(|step| step.handling).to_string(),
        ),
        Fact::new(
            p.t("workflow-overdue"),
            total(|step| step.overdue).to_string(),
        ),
        Fact::new(p.t("workflow-stopped"), figures.stopped.to_string()),
    ]
}

/// The file as it was deployed, byte for byte.
pub(super) async fn file(
    State(app): State<App>,
    actor: Actor,
    Path((key, version)): Path<(String, i64)>,
) -> Result<Response, WebError> {
    may(&app, &actor, "workflow.process.view")?;
    let file = get_file(app.db(), &key, version).await?;
    let name = format!("{}-{version}.{}", escaped(&key), file.kind);
    Ok((
        [
            (
                header::CONTENT_TYPE,
                "application/xml; charset=utf-8".to_owned(),
            ),
            (
                header::CONTENT_DISPOSITION,
                format!("attachment; filename*=UTF-8''{name}"),
            ),
        ],
        file.xml,
    )
        .into_response())
}
