//! Who waits for a message or signal, and what it begins.

use ::store::{Db, Tx};
use kernel::{Error, Result, Text};
use sea_orm::ConnectionTrait;
use serde_json::{Map, Value};

use super::store::{self as tables, Places, heard_name};
use crate::{
    InstanceId,
    aside::Budget,
    core::{
        Came, Fits, Heard, Input, Process, begins_by, start_by, waiting_for_message, waits,
        waits_for_all,
    },
    engine::Engine,
    expr::At,
    model::{Definition, Kind, Node, ProcessHead, Source, Task},
    rest,
    schema::instance,
    step,
};

/// Instances looked at together.
const BATCH: u64 = 200;

/// Whom a message is looking for.
#[derive(Clone, Debug)]
pub(crate) struct Waiting<'a> {
    pub name: &'a str,
    pub key: Option<&'a Value>,
    pub instance: Option<InstanceId>,
    pub subject: &'a str,
    /// Variables that the instance must have, with these values.
    pub having: Option<&'a Map<String, Value>>,
    /// What it carries.
    pub vars: &'a Map<String, Value>,
}

/// Running instances that wait for the message, once for each place; the search ends at two. Those
/// in whose conversation it is come before all others.
pub(crate) async fn waiting(
    db: &Db,
    engine: &Engine,
    wanted: &Waiting<'_>,
) -> Result<Vec<InstanceId>> {
    settle(db, engine).await?;
    let mut places = Places {
        heard: heard_name(Heard::Message),
        name: wanted.name.to_owned(),
        instance: wanted.instance.map(|id| id.to_string()).unwrap_or_default(),
        subject: wanted.subject.to_owned(),
        ..Places::default()
    };
    let keys = tables::keys_of(db.read(), &places, wanted.vars).await?;
    if !keys.is_empty() {
        let places = Places {
            conversations: Some(keys),
            ..places.clone()
        };
        let found = search(db, engine, wanted, &places, |fits| fits.exact).await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    places.conversations = Some(Vec::new());
    places.key = wanted.key.map(Value::to_string).unwrap_or_default();
    search(db, engine, wanted, &places, |fits| fits.exact + fits.open).await
}

async fn search(
    db: &Db,
    engine: &Engine,
    wanted: &Waiting<'_>,
    places: &Places,
    count: fn(Fits) -> usize,
) -> Result<Vec<InstanceId>> {
    let came = Came {
        name: wanted.name,
        to: None,
        key: wanted.key,
        vars: wanted.vars,
    };
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let rows = tables::hearers(db.read(), places, &after, BATCH).await?;
        let Some(last) = rows.last() else {
            return Ok(found);
        };
        after.clone_from(&last.id);
        for row in &rows {
            let state = engine.state(db.read(), row).await?;
            let vars = state.variables();
            let fits =
                |having: &Map<String, Value>| having.iter().all(|(k, v)| vars.get(k) == Some(v));
            if !wanted.having.is_none_or(fits) {
                continue;
            }
            let process = process_of(db.read(), engine, row).await?;
            let count = count(waiting_for_message(&process, &state, &came));
            let id: InstanceId = rest::parse(&row.id, "process instance")?;
            found.extend(std::iter::repeat_n(id, count));
            if found.len() > 1 {
                return Ok(found);
            }
        }
    }
}

pub(super) async fn process_of<C: ConnectionTrait>(
    db: &C,
    engine: &Engine,
    row: &instance::Model,
) -> Result<std::sync::Arc<Process>> {
    engine.process_of(db, &row.definition, &row.process).await
}

/// Finds out for what instances wait that were running before there was a table of it.
pub(crate) async fn settle(db: &Db, engine: &Engine) -> Result<()> {
    loop {
        let unknown = tables::unknown(db.read(), BATCH).await?;
        if unknown.is_empty() {
            return Ok(());
        }
        let mut known = Vec::with_capacity(unknown.len());
        for id in unknown {
            let found =
                crate::store::get_instance(db.read(), rest::parse(&id, "process instance")?);
            let row = found.await?;
            let process = process_of(db.read(), engine, &row).await?;
            let state = engine.state(db.read(), &row).await?;
            known.push((row.clone(), waits(&process, &state)));
        }
        db.write(move |tx| {
            let known = known.clone();
            async move {
                for (row, waits) in &known {
                    let now =
                        crate::store::get_instance(&*tx, rest::parse(&row.id, "process instance")?);
                    // One that went on meanwhile wrote down its waits itself, or will next time.
                    if now.await?.version == row.version {
                        tables::keep_waits(&tx, &row.id, waits).await?;
                    }
                }
                Ok(())
            }
        })
        .await?;
    }
}

/// A place at which something heard begins a process.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub definition: String,
    pub process: String,
    pub element: String,
    /// The element as [`Input::Start`] names it.
    pub at: String,
    /// Whether it waits for other things besides.
    pub waits_for_all: bool,
}

impl Start {
    pub fn new(definition: &str, head: &ProcessHead, node: &Node, nth: usize) -> Self {
        Self {
            definition: definition.to_owned(),
            process: head.id.to_string(),
            element: node.id.to_string(),
            at: start_by(node, nth),
            waits_for_all: waits_for_all(node),
        }
    }

    /// Begins it.
    pub async fn begin(
        &self,
        tx: &Tx,
        engine: &Engine,
        subject: &str,
        vars: Map<String, Value>,
        by: &str,
    ) -> Result<InstanceId> {
        let new = self.described(tx, subject, by);
        step::begin_as(tx, engine, &new, self.input(vars)).await
    }

    /// As [`Self::begin`], where nobody waits for the answer.
    pub async fn begin_unattended(
        &self,
        tx: &Tx,
        engine: &Engine,
        subject: &str,
        vars: Map<String, Value>,
        by: &str,
    ) -> Result<InstanceId> {
        let new = step::New {
            is_unattended: true,
            ..self.described(tx, subject, by)
        };
        step::begin_as(tx, engine, &new, self.input(vars)).await
    }

    fn described<'a>(&'a self, tx: &Tx, subject: &'a str, by: &'a str) -> step::New<'a> {
        step::New {
            id: InstanceId::at(tx.now()),
            definition: &self.definition,
            process: Some(&self.process),
            subject,
            by,
            is_unattended: false,
        }
    }

    fn input(&self, vars: Map<String, Value>) -> Input {
        let at = Some(self.at.clone());
        Input::Start { at, vars }
    }
}

/// What a message or signal begins, in the newest versions.
pub(crate) async fn starts<C: ConnectionTrait>(
    db: &C,
    engine: &Engine,
    heard: Heard,
    name: &str,
) -> Result<Vec<Start>> {
    let latest = rest::store::latest(db).await?;
    starts_of(db, engine, latest, |node| begins_by(node, heard, name)).await
}

/// What begins because its condition holds with these variables, in the newest versions or the one
/// that is named, which must have such a start.
pub(crate) async fn starts_by_condition(
    tx: &Tx,
    engine: &Engine,
    version: Option<&str>,
    vars: &Map<String, Value>,
) -> Result<Vec<Start>> {
    let rows = match version {
        Some(version) => {
            let mut known = rest::store::definitions(&**tx, None).await?;
            known.retain(|row| row.id == version);
            known
        }
        None => rest::store::latest(&**tx).await?,
    };
    let first = |node: &Node| conditions(node).next().map(|(nth, _)| nth);
    if version.is_some()
        && starts_of(&**tx, engine, rows.clone(), first)
            .await?
            .is_empty()
    {
        let text = Text::new("workflow-condition-no-start");
        return Err(Error::invalid("processDefinitionId", text));
    }
    let at = At {
        vars,
        now: tx.now(),
    };
    let holds = |condition: &Source| {
        let expr = condition.compiled.as_ref().ok();
        expr.is_some_and(|expr| expr.is_true(&at).unwrap_or(false))
    };
    let begins = |node: &Node| {
        let mut holding = conditions(node).filter(|(_, condition)| holds(condition));
        holding.next().map(|(nth, _)| nth)
    };
    let budget = Budget::new();
    starts_of(&**tx, engine, rows, |node| budget.within(|| begins(node))).await
}

/// The conditions by which a process begins at a node, by the numbers of their definitions.
fn conditions(node: &Node) -> impl Iterator<Item = (usize, &Source)> {
    let definitions = node.definitions().iter().enumerate();
    definitions.filter_map(|(nth, definition)| match definition {
        Definition::Conditional {
            condition: Some(condition),
        } if node.is_start() => Some((nth, condition)),
        _ => None,
    })
}

/// The places at which processes of some versions begin; `begins` tells by which of the node's
/// definitions.
async fn starts_of<C: ConnectionTrait>(
    db: &C,
    engine: &Engine,
    rows: Vec<rest::store::DefinitionRow>,
    begins: impl Fn(&Node) -> Option<usize>,
) -> Result<Vec<Start>> {
    let mut found = Vec::new();
    for row in rows {
        if row.kind != "bpmn" {
            continue;
        }
        let process = engine.process(db, &row.id).await?;
        let own: Vec<String> = serde_json::from_str(&row.names).unwrap_or_default();
        let heads = process.model.processes.iter();
        // Processes of linked files begin by their own definition.
        for head in heads.filter(|head| {
            head.is_executable != Some(false) && own.iter().any(|id| *id == *head.id)
        }) {
            let starts = begins_at(&process, head)
                .filter_map(|node| Some(Start::new(&row.id, head, node, begins(node)?)));
            found.extend(starts);
        }
    }
    Ok(found)
}

/// Elements at which a process can begin by what comes from elsewhere.
pub(super) fn begins_at<'a>(
    process: &'a Process,
    head: &'a ProcessHead,
) -> impl Iterator<Item = &'a Node> {
    let model = &process.model;
    let nodes = model[head.root].nodes.iter().map(|&ix| &model[ix]);
    nodes.filter(move |node| {
        let after_gateway = || {
            let mut incoming = node.incoming.iter();
            incoming.any(|&flow| model[model[flow].from].instantiates())
        };
        let is_receive = matches!(
            node.kind,
            Kind::Task(Task::Receive {
                instantiate: true,
                ..
            })
        );
        is_receive || node.is_start() || after_gateway()
    })
}
