//! What an officer started: the list, and how one of them stands.

use std::collections::HashMap;

use ::store::page::PageRequest;
use askama::Template;
use axum::extract::{Path, Query, State};
use identity::Actor;
use kernel::{Error, Result, clock::from_micros};
use web::{
    App, Html, Page, WebError,
    component::{Crumb, Fact, Happening, Tone},
};

use super::{
    super::{Names, may, status_tone, store},
    field,
    list::process_name,
    officer::Groups,
    show::{Other, ShowQuery, happenings},
};
use crate::{
    InstanceId,
    api::parse,
    engine::Engine,
    rest::business_key,
    schema::{instance, task},
    store as tables,
    verb::{self, StartForm},
};

/// Tasks named where one reads how a process stands.
const MOST_WAITING: u64 = 50;

/// A process in the list of those that one started.
pub(super) struct Line {
    pub id: String,
    pub title: String,
    pub process: String,
    pub started_at: chrono::DateTime<chrono::Utc>,
    pub status: String,
    pub tone: Tone,
    /// Names of the steps that wait.
    pub waits: String,
}

/// What an officer started, the last first, and where the list goes on.
pub(super) async fn lines(
    app: &App,
    p: &Page,
    actor: &Actor,
    request: &PageRequest,
) -> Result<(Vec<Line>, Option<String>)> {
    let found = store::started_by(app.db(), &actor.trace(), request).await?;
    let ids: Vec<&str> = found.items.iter().map(|row| row.id.as_str()).collect();
    let mut waiting: HashMap<String, Vec<String>> = HashMap::new();
    for (instance, name) in store::waiting_in(app.db(), &ids).await? {
        let (names, name) = (waiting.entry(instance).or_default(), p.zh(name));
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut lines = Vec::new();
    for row in found.items {
        let (status, tone) = standing(p, &row.status, row.incidents);
        lines.push(Line {
            title: title_of(&row.subject),
            process: p.zh(process_name(app, &row.definition).await?),
            started_at: from_micros(row.started_at),
            status,
            tone,
            waits: p.list(waiting.remove(&row.id).unwrap_or_default()),
            id: row.id,
        });
    }
    Ok((lines, found.next))
}

/// In words, and how loud: whoever started it should know that nobody can go on with it.
fn standing(p: &Page, status: &str, incidents: i64) -> (String, Tone) {
    if status == "running" && incidents > 0 {
        return (p.t("workflow-stopped"), Tone::Danger);
    }
    (
        p.t(format!("workflow-status-{status}")),
        status_tone(status),
    )
}

fn title_of(subject: &str) -> String {
    business_key(subject).unwrap_or(subject).to_owned()
}

#[derive(Template)]
#[template(path = "processes/started.html")]
struct StartedPage {
    p: Page,
    id: InstanceId,
    title: String,
    crumbs: Vec<Crumb>,
    status: String,
    tone: Tone,
    /// What was just done, in words.
    done: String,
    facts: Vec<Fact>,
    /// What was filled in at the start, as it stands now.
    given: Vec<Fact>,
    waiting: Vec<Other>,
    happenings: Vec<Happening>,
}

pub(super) async fn page(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    Query(query): Query<ShowQuery>,
) -> Result<Html, WebError> {
    may(&app, &actor, "workflow.instance.read")?;
    let id = parse::<InstanceId>(&id, "process instance")?;
    let row = tables::get_instance(app.db().read(), id).await?;
    // To anybody else it is no less unknown than one that is not there.
    if row.started_by != actor.trace() || business_key(&row.subject).is_none() {
        return Err(Error::NotFound {
            what: "process instance",
        }
        .into());
    }
    Html::page(&view(&app, p, id, &row, &query.done).await?)
}

async fn view(
    app: &App,
    p: Page,
    id: InstanceId,
    row: &instance::Model,
    done: &str,
) -> Result<StartedPage> {
    let deeds = verb::deeds(app.db(), id).await?;
    let waiting = store::open_tasks(app.db(), &row.id, MOST_WAITING).await?;
    let mut all: Vec<&str> = Vec::new();
    for deed in &deeds {
        all.push(&deed.by);
        all.extend(deed.on_behalf.as_deref());
    }
    all.extend(waiting.iter().filter_map(|row| row.assignee.as_deref()));
    let names = Names::of(app, &p, all.into_iter()).await;
    let process = p.zh(process_name(app, &row.definition).await?);
    let title = title_of(&row.subject);
    let (status, tone) = standing(&p, &row.status, row.incidents);
    Ok(StartedPage {
        id,
        crumbs: vec![
            Crumb::new(p.t("workflow-menu-tasks"), "/tasks"),
            Crumb::new(p.t("workflow-tasks-started"), "/tasks?of=started"),
            Crumb::new(&title, ""),
        ],
        title,
        status,
        tone,
        done: super::show::done_words(&p, done),
        facts: vec![
            Fact::new(p.t("workflow-process"), process),
            Fact::new(
                p.t("workflow-started"),
                p.stamp(from_micros(row.started_at)),
            ),
            Fact::new(
                p.t("workflow-ended"),
                p.stamp(row.ended_at.map(from_micros)),
            ),
        ],
        given: given(app, &p, row).await?,
        waiting: told(app, &p, &names, waiting).await?,
        happenings: happenings(&p, &deeds, &names),
        p,
    })
}

/// The variables that the start asked for.
async fn given(app: &App, p: &Page, row: &instance::Model) -> Result<Vec<Fact>> {
    let engine = app.part::<Engine>()?;
    let db = app.db().read();
    let process = engine.process_of(db, &row.definition, &row.process).await?;
    let start = StartForm::of(&process);
    let vars = engine.state(db, row).await?.variables();
    let fields = field::fields(&start.fields, &start.labels, &vars, false);
    let told = fields.iter().filter(|field| field.is_named);
    Ok(told
        .map(|field| Fact::new(p.zh(&field.label), &field.value))
        .collect())
}

async fn told(app: &App, p: &Page, names: &Names, rows: Vec<task::Model>) -> Result<Vec<Other>> {
    let mut told = Vec::new();
    for row in rows {
        let who = if let Some(assignee) = &row.assignee {
            names.get(assignee)
        } else {
            let groups = tables::list(&row.candidates);
            let words = Groups::of(app, p, groups.iter().map(String::as_str)).await?;
            words.list(p, groups.iter().map(String::as_str))
        };
        told.push(Other {
            id: row.id,
            name: p.zh(&row.name),
            who,
        });
    }
    Ok(told)
}
