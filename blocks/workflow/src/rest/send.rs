//! Messages and signals that programs send: who waits for them, and what they begin.

use identity::Actor;
use kernel::{Error, Result, Text};
use serde_json::{Map, Value};

use super::{
    Desk,
    act::{BATCH, take},
    store as tables, subject_of,
};
use crate::{
    InstanceId,
    core::{Input, Process, hears_signal, waiting_for_message},
    model::{Definition, Kind, Node, Task},
    step::{self, read_state},
};

const SEND: &str = "workflow.message.send";

/// For whom a message is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Address {
    pub instance: Option<InstanceId>,
    pub business_key: Option<String>,
    /// Compared with `tongban:correlation` of the waiting event.
    pub key: Option<Value>,
    /// Variables that the instance must have, with these values.
    pub having: Map<String, Value>,
}

/// What a message reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reached {
    pub instance: InstanceId,
    /// It began a process.
    pub is_start: bool,
}

/// Brings a message to the one place that waits for it, or begins the one process that it
/// begins. Refused when there is none, or more than one.
pub(crate) async fn correlate(
    desk: &Desk,
    actor: &Actor,
    name: &str,
    address: &Address,
    vars: Map<String, Value>,
) -> Result<Reached> {
    desk.check(actor, SEND)?;
    if name.trim().is_empty() {
        return Err(Error::invalid("name", Text::new("workflow-name-missing")));
    }
    let waiting = find_waiting(desk, name, address).await?;
    let input = |vars| Input::Message {
        name: name.to_owned(),
        key: address.key.clone(),
        vars,
    };
    match waiting.as_slice() {
        [one] => {
            take(desk, *one, input(vars), actor.trace()).await?;
            Ok(Reached {
                instance: *one,
                is_start: false,
            })
        }
        [] => begin_by_message(desk, actor, name, address, vars).await,
        several => Err(many(name, several.len())),
    }
}

fn many(name: &str, count: usize) -> Error {
    let text = Text::new("workflow-message-many");
    Error::Refused(text.with("name", name).with("count", count))
}

async fn begin_by_message(
    desk: &Desk,
    actor: &Actor,
    name: &str,
    address: &Address,
    vars: Map<String, Value>,
) -> Result<Reached> {
    let mut starts = Vec::new();
    if address.instance.is_none() {
        starts = find_starts(
            desk,
            |definition| matches!(definition, Definition::Message { name: own, .. } if own == name),
        )
        .await?;
    }
    match starts.as_slice() {
        [(definition, at)] => {
            let subject = subject_of(address.business_key.as_deref())?;
            let instance = begin_at(desk, actor, definition, at, &subject, vars).await?;
            Ok(Reached {
                instance,
                is_start: true,
            })
        }
        [] => {
            let text = Text::new("workflow-message-nobody").with("name", name);
            Err(Error::Refused(text))
        }
        several => Err(many(name, several.len())),
    }
}

async fn begin_at(
    desk: &Desk,
    actor: &Actor,
    definition: &str,
    at: &str,
    subject: &str,
    vars: Map<String, Value>,
) -> Result<InstanceId> {
    let (engine, by) = (desk.engine.clone(), actor.trace());
    let place = [definition, at, subject].map(str::to_owned);
    desk.db
        .write(move |tx| {
            let (engine, place) = (engine.clone(), place.clone());
            let (vars, by) = (vars.clone(), by.clone());
            async move {
                let [definition, at, subject] = place;
                let input = Input::Start { at: Some(at), vars };
                step::begin(&tx, &engine, &definition, &subject, input, &by).await
            }
        })
        .await
}

/// Start events of the newest versions that have such a definition: definition and element.
async fn find_starts(
    desk: &Desk,
    is_wanted: impl Fn(&Definition) -> bool,
) -> Result<Vec<(String, String)>> {
    let db = desk.db.read();
    let mut found = Vec::new();
    for row in tables::latest(db).await? {
        if row.kind != "bpmn" {
            continue;
        }
        let process = desk.engine.process(db, &row.id).await?;
        let Some(head) = process.model.process(&process.id) else {
            continue;
        };
        for &ix in &process.model[head.root].nodes {
            let node = &process.model[ix];
            if node.is_start() && node.definitions().iter().any(&is_wanted) {
                found.push((row.id.clone(), node.id.to_string()));
            }
        }
    }
    Ok(found)
}

fn mentions_message(node: &Node, name: &str) -> bool {
    let waits = |definition: &Definition| matches!(definition, Definition::Message { name: own, .. } if own == name);
    match &node.kind {
        Kind::Task(Task::Receive { message, .. }) => {
            message.as_deref() == Some(name) || *node.id == *name
        }
        _ => node.definitions().iter().any(waits),
    }
}

/// Running instances that wait for the message, once for each place; the search ends at two.
async fn find_waiting(desk: &Desk, name: &str, address: &Address) -> Result<Vec<InstanceId>> {
    let mut found = Vec::new();
    each_running(
        desk,
        address,
        |node| mentions_message(node, name),
        |process, row| {
            let state = read_state(row)?;
            let vars = state.variables();
            if address.having.iter().all(|(k, v)| vars.get(k) == Some(v)) {
                let count = waiting_for_message(process, &state, name, address.key.as_ref());
                let id: InstanceId = super::parse(&row.id, "process instance")?;
                found.extend(std::iter::repeat_n(id, count));
            }
            Ok(found.len() < 2)
        },
    )
    .await?;
    Ok(found)
}

/// Shows running instances of definitions that have such a node, until `look` answers false.
async fn each_running(
    desk: &Desk,
    address: &Address,
    has: impl Fn(&Node) -> bool,
    mut look: impl FnMut(&Process, &crate::schema::instance::Model) -> Result<bool>,
) -> Result<()> {
    let db = desk.db.read();
    let subject = subject_of(address.business_key.as_deref())?;
    for definition in tables::running_definitions(db).await? {
        let process = desk.engine.process(db, &definition).await?;
        if !process.model.nodes.iter().any(&has) {
            continue;
        }
        let filter = tables::InstanceFilter {
            id: address.instance.map(|id| id.to_string()),
            definition: Some(definition),
            subject: Some(subject.clone()).filter(|subject| !subject.is_empty()),
            status: Some("running".to_owned()),
            ..tables::InstanceFilter::default()
        };
        let mut after = String::new();
        loop {
            let rows = tables::whole(db, &filter, &after, BATCH).await?;
            let Some(last) = rows.last() else { break };
            after.clone_from(&last.id);
            for row in &rows {
                if !look(&process, row)? {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// More would hold the database for too long in one write.
const MOST_HEARERS: usize = 5_000;

/// A signal reaches everything that waits for it, all in one write, and begins the processes
/// that it begins. Answers how many instances heard it and how many began.
pub(crate) async fn signal(
    desk: &Desk,
    actor: &Actor,
    name: &str,
    vars: Map<String, Value>,
) -> Result<(usize, usize)> {
    desk.check(actor, SEND)?;
    if name.trim().is_empty() {
        return Err(Error::invalid("name", Text::new("workflow-name-missing")));
    }
    let is_it = |definition: &Definition| matches!(definition, Definition::Signal { name: own } if own == name);
    let mut hearers: Vec<InstanceId> = Vec::new();
    each_running(
        desk,
        &Address::default(),
        |node| node.definitions().iter().any(is_it),
        |process, row| {
            if hears_signal(process, &read_state(row)?, name) {
                hearers.push(super::parse(&row.id, "process instance")?);
            }
            Ok(hearers.len() <= MOST_HEARERS)
        },
    )
    .await?;
    if hearers.len() > MOST_HEARERS {
        let text = Text::new("workflow-signal-many").with("most", MOST_HEARERS);
        return Err(Error::Refused(text));
    }
    let starts = find_starts(desk, is_it).await?;
    let counts = (hearers.len(), starts.len());
    let (engine, by, name) = (desk.engine.clone(), actor.trace(), name.to_owned());
    desk.db
        .write(move |tx| {
            let (engine, by, name) = (engine.clone(), by.clone(), name.clone());
            let (hearers, starts, vars) = (hearers.clone(), starts.clone(), vars.clone());
            async move {
                for id in hearers {
                    let (name, vars) = (name.clone(), vars.clone());
                    step::step(&tx, &engine, id, Input::Signal { name, vars }, &by).await?;
                }
                for (definition, at) in starts {
                    let (at, vars) = (Some(at), vars.clone());
                    let input = Input::Start { at, vars };
                    step::begin(&tx, &engine, &definition, "", input, &by).await?;
                }
                Ok(())
            }
        })
        .await?;
    Ok(counts)
}
