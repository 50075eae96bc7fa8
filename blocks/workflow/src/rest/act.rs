//! What programs can do to definitions, instances and tasks. Every act begins at the gate.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use identity::Actor;
use kernel::{Error, Result, Text, clock::from_micros};
use serde::Serialize;
use serde_json::{Map, Value};
use store::Tx;
use utoipa::ToSchema;

use super::{Desk, check_free, store as tables, subject_of};
use crate::{
    InstanceId, Intervention, TaskId,
    act::{self, Officer},
    core::{FrameKind, Input, Instance, Process, State},
    external::store as external,
    intervene,
    model::Node,
    step,
};

pub(crate) const READ_DEFINITIONS: &str = "workflow.process.view";
pub(super) const START: &str = "workflow.instance.start";
pub(crate) const READ: &str = "workflow.process.read";
pub(crate) const INTERVENE: &str = "workflow.instance.intervene";

// Definitions

/// What stands at one element of a definition.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[schema(as = ProcessStanding)]
pub(crate) struct Standing {
    #[schema(example = "review")]
    pub element: String,
    #[schema(example = "审查")]
    pub name: String,
    /// Tokens that wait or run there now.
    #[schema(example = 12)]
    pub live: i64,
    /// Of them, those that stopped.
    #[schema(example = 1)]
    pub incidents: i64,
    /// How often it was passed.
    #[schema(example = 340)]
    pub passed: i64,
}

/// Rows read at one time.
pub(super) const BATCH: u64 = 500;

/// Where the instances of a definition stand, element by element.
pub(crate) async fn statistics(
    desk: &Desk,
    actor: &Actor,
    definition: &str,
) -> Result<Vec<Standing>> {
    desk.check(actor, READ_DEFINITIONS)?;
    let db = desk.db.read();
    crate::store::get_definition(db, definition).await?;
    let process = desk.engine.process(db, definition).await?;
    let mut found: BTreeMap<String, Standing> = BTreeMap::new();
    for (element, passed) in tables::passed(db, definition).await? {
        found.entry(element).or_default().passed = passed;
    }
    let filter = tables::InstanceFilter {
        definition: Some(definition.to_owned()),
        status: Some("running".to_owned()),
        ..tables::InstanceFilter::default()
    };
    let mut after = String::new();
    loop {
        let rows = tables::whole(db, &filter, &after, BATCH).await?;
        let Some(last) = rows.last() else { break };
        after.clone_from(&last.id);
        for row in &rows {
            for token in desk.engine.state(db, row).await?.tokens.values() {
                let standing = found.entry(token.at.to_string()).or_default();
                standing.live += 1;
                standing.incidents += i64::from(matches!(token.state, State::Incident(_)));
            }
        }
    }
    Ok(found
        .into_iter()
        .map(|(element, standing)| Standing {
            name: name_of(&process, &element),
            element,
            ..standing
        })
        .collect())
}

pub(crate) fn name_of(process: &Process, element: &str) -> String {
    let node = process.model.lookup(element).map(|ix| &process.model[ix]);
    node.map_or(element, Node::title).to_owned()
}

// Instances

/// Which process is started: the newest of a key, or a certain version.
#[derive(Clone, Debug)]
pub(crate) enum Which {
    Key(String),
    Version(String),
}

pub(crate) async fn start(
    desk: &Desk,
    actor: &Actor,
    which: Which,
    business_key: Option<&str>,
    vars: Map<String, Value>,
) -> Result<InstanceId> {
    desk.check(actor, START)?;
    let subject = subject_of(business_key)?;
    let (engine, by) = (desk.engine.clone(), actor.trace());
    desk.db
        .write(move |tx| {
            let (engine, which, subject) = (engine.clone(), which.clone(), subject.clone());
            let (vars, by) = (vars.clone(), by.clone());
            async move {
                match which {
                    Which::Key(key) => act::start_by(&tx, &engine, &key, &subject, vars, &by).await,
                    Which::Version(id) => {
                        act::start_version(&tx, &engine, &id, &subject, vars, &by).await
                    }
                }
            }
        })
        .await
}

/// Takes an input in a write of its own.
pub(super) async fn take(desk: &Desk, id: InstanceId, input: Input, by: String) -> Result<()> {
    let engine = desk.engine.clone();
    desk.db
        .write(move |tx| {
            let (engine, input, by) = (engine.clone(), input.clone(), by.clone());
            async move { step::step(&tx, &engine, id, input, &by).await }
        })
        .await
}

/// Variables of an instance that no application owns; those of others may be personal, and
/// their application knows to whom they may be shown.
pub(crate) async fn variables(
    desk: &Desk,
    actor: &Actor,
    id: InstanceId,
) -> Result<Map<String, Value>> {
    desk.check(actor, READ)?;
    let row = crate::store::get_instance(desk.db.read(), id).await?;
    check_free(&row.subject)?;
    let state = desk.engine.state(desk.db.read(), &row).await?;
    Ok(state.variables())
}

/// Changes the course of an instance by hand, saying why.
pub(crate) async fn change(
    desk: &Desk,
    actor: &Actor,
    id: InstanceId,
    intervention: Intervention,
    reason: &str,
) -> Result<()> {
    desk.check(actor, INTERVENE)?;
    if intervention == Intervention::Cancel {
        check_free(
            &crate::store::get_instance(desk.db.read(), id)
                .await?
                .subject,
        )?;
    }
    let (engine, officer, reason) = (desk.engine.clone(), Officer::from(actor), reason.to_owned());
    desk.db
        .write(move |tx| {
            let (engine, officer, reason) = (engine.clone(), officer.clone(), reason.clone());
            let intervention = intervention.clone();
            async move { intervene(&tx, &engine, id, intervention, &officer, &reason).await }
        })
        .await
}

/// Changes variables that a task sees, as [`change`] does. Those of an inner part of the process
/// are not the process's: nothing but the task itself sets them.
pub(crate) async fn set_for_task(
    desk: &Desk,
    actor: &Actor,
    id: TaskId,
    vars: Map<String, Value>,
    reason: &str,
) -> Result<()> {
    desk.check(actor, INTERVENE)?;
    let (engine, officer, reason) = (desk.engine.clone(), Officer::from(actor), reason.to_owned());
    desk.db
        .write(move |tx| {
            let (engine, officer, reason) = (engine.clone(), officer.clone(), reason.clone());
            let vars = vars.clone();
            async move {
                let instance = free_task(&tx, id).await?.facts.instance;
                check_outer(&tx, &engine, id, instance, &vars).await?;
                let set = Intervention::Set(vars);
                intervene(&tx, &engine, instance, set, &officer, &reason).await
            }
        })
        .await
}

/// Whether what an open task sees under these names is the process's, or would be.
async fn check_outer(
    tx: &Tx,
    engine: &crate::Engine,
    id: TaskId,
    instance: InstanceId,
    vars: &Map<String, Value>,
) -> Result<()> {
    let task = crate::store::get_task(&**tx, id).await?;
    let row = crate::store::get_instance(&**tx, instance).await?;
    let state = engine.state(&**tx, &row).await?;
    let token = u32::try_from(task.token).unwrap_or_default();
    let held = state.tokens.get(&token);
    let held = held.filter(|held| *held.at == *task.element);
    let Some(held) = held.filter(|_| matches!(task.state.as_str(), "open" | "claimed")) else {
        return Err(Error::NotFound { what: "task" });
    };
    match vars.keys().find(|name| is_inner(&state, held.frame, name)) {
        Some(name) => {
            let text = Text::new("workflow-variable-inner").with("name", name.as_str());
            Err(Error::Refused(text))
        }
        None => Ok(()),
    }
}

/// Whether a frame sees another variable of that name than the process has, or sees none of the
/// process's.
fn is_inner(state: &Instance, frame: u32, name: &str) -> bool {
    let mut next = Some(frame);
    while let Some(inner) = next.and_then(|id| state.frames.get(&id)) {
        match inner.kind {
            FrameKind::Root => return false,
            FrameKind::Call => return true,
            _ if inner.vars.contains_key(name) => return true,
            _ => next = inner.parent,
        }
    }
    true
}

// Incidents

/// A place where an instance stopped.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ProcessIncident)]
pub(crate) struct Incident {
    /// Number of the stopped token within the instance.
    pub token: u32,
    #[schema(value_type = String)]
    pub instance: InstanceId,
    #[schema(example = "order:3:5f2a91c0")]
    pub definition: String,
    #[schema(example = "business:A-17")]
    pub subject: String,
    #[schema(example = "pay")]
    pub element: String,
    #[schema(example = "付款")]
    pub name: String,
    /// What failed.
    #[schema(example = "`payment`: the bank does not answer")]
    pub text: String,
    pub since: Option<DateTime<Utc>>,
    /// The external task that its worker could not carry out; none where the server itself failed.
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a12")]
    pub external_task: Option<String>,
}

/// Incidents of the instances on a page, the newest instance first.
pub(crate) async fn incidents(
    desk: &Desk,
    actor: &Actor,
    filter: &tables::InstanceFilter,
    page: &store::page::PageRequest,
) -> Result<(Vec<Incident>, Option<String>)> {
    desk.check(actor, READ)?;
    let db = desk.db.read();
    let filter = tables::InstanceFilter {
        has_incident: true,
        ..filter.clone()
    };
    let rows = tables::instances(db, &filter, page).await?;
    let ids: Vec<_> = rows.items.iter().map(|row| row.id.clone()).collect();
    let mut failed = external::failed(db, &ids).await?;
    let mut found = Vec::new();
    for row in &rows.items {
        let id: InstanceId = super::parse(&row.id, "process instance")?;
        let whole = crate::store::get_instance(db, id).await?;
        let state = desk.engine.state(db, &whole).await?;
        let process = desk.engine.process(db, &row.definition).await?;
        let since = tables::stopped_at(db, &row.id).await?;
        for (token, held, text) in state.incidents() {
            found.push(Incident {
                token,
                instance: id,
                definition: row.definition.clone(),
                subject: row.subject.clone(),
                element: held.at.to_string(),
                name: name_of(&process, &held.at),
                text: text.to_owned(),
                since: since.get(&*held.at).copied().map(from_micros),
                external_task: failed.remove(&(row.id.clone(), token)),
            });
        }
    }
    Ok((found, rows.next))
}

/// Everything that stopped in an instance tries again, or one place alone.
pub(crate) async fn retry(
    desk: &Desk,
    actor: &Actor,
    id: InstanceId,
    token: Option<u32>,
) -> Result<()> {
    desk.check(actor, INTERVENE)?;
    if let Some(token) = token {
        return take(desk, id, Input::Retry { token }, actor.trace()).await;
    }
    let (engine, by) = (desk.engine.clone(), actor.trace());
    desk.db
        .write(move |tx| {
            let (engine, by) = (engine.clone(), by.clone());
            async move { act::retry(&tx, &engine, id, &by).await }
        })
        .await
}

// Tasks

/// A task of no application, in a write.
async fn free_task(tx: &Tx, id: TaskId) -> Result<crate::Task> {
    let task = act::task_in(tx, id).await?;
    check_free(&task.facts.subject)?;
    Ok(task)
}

/// Whether the actor may act on tasks that are not hers.
pub(crate) fn administers(desk: &Desk, actor: &Actor) -> bool {
    desk.check(actor, INTERVENE).is_ok()
}

/// Completes a task that no application owns: one's own, or any as an operator.
pub(crate) async fn complete_task(
    desk: &Desk,
    actor: &Actor,
    id: TaskId,
    expected: Option<i64>,
    vars: Map<String, Value>,
) -> Result<()> {
    desk.check(actor, "workflow.task.claim")?;
    let (engine, officer) = (desk.engine.clone(), Officer::from(actor));
    let is_administrator = administers(desk, actor);
    desk.db
        .write(move |tx| {
            let (engine, officer, vars) = (engine.clone(), officer.clone(), vars.clone());
            async move {
                free_task(&tx, id).await?;
                if is_administrator {
                    act::complete_for(&tx, &engine, id, &officer, expected, vars).await
                } else {
                    act::complete(&tx, &engine, id, &officer, expected, vars).await
                }
            }
        })
        .await
}

/// Takes an open task that no application owns; an operator for another, too.
pub(crate) async fn claim_task(
    desk: &Desk,
    actor: &Actor,
    id: TaskId,
    user: Option<String>,
) -> Result<()> {
    desk.check(actor, "workflow.task.claim")?;
    let officer = Officer::from(actor);
    let user = user.unwrap_or_else(|| officer.id.clone());
    let is_administrator = administers(desk, actor);
    if user != officer.id && !is_administrator {
        return Err(Error::Forbidden {
            action: INTERVENE.to_owned(),
        });
    }
    desk.db
        .write(move |tx| {
            let (officer, user) = (officer.clone(), user.clone());
            async move {
                free_task(&tx, id).await?;
                if is_administrator {
                    act::claim_for(&tx, id, &user, &officer.trace).await
                } else {
                    act::claim(&tx, id, &officer, None).await
                }
            }
        })
        .await
}

/// Gives a task back; an operator gives back anybody's.
pub(crate) async fn release_task(desk: &Desk, actor: &Actor, id: TaskId) -> Result<()> {
    desk.check(actor, "workflow.task.claim")?;
    let officer = Officer::from(actor);
    let is_administrator = administers(desk, actor);
    desk.db
        .write(move |tx| {
            let officer = officer.clone();
            async move {
                free_task(&tx, id).await?;
                if is_administrator {
                    act::release_for(&tx, id, &officer.trace).await
                } else {
                    act::release(&tx, id, &officer).await
                }
            }
        })
        .await
}
