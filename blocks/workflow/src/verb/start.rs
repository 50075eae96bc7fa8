//! Officers start the processes whose model names them as starters (`tongban:starters`), with what
//! the form of the start event asks for.

use ::store::{Db, Tx};
use identity::directory;
use kernel::{Error, Finding, Result, Text};
use sea_orm::ConnectionTrait;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Fields, who};
use crate::{
    InstanceId, Officer,
    act::forbidden,
    core::{Input, Process},
    engine::Engine,
    model::Node,
    rest::subject_of,
    step, store as tables,
};

/// The attribute of a process that says who may start it.
pub(crate) const STARTERS: &str = "starters";
/// Everybody who is an officer.
const EVERYBODY: &str = "*";
/// What the gate is asked for all of it.
pub(crate) const ACTION: &str = "workflow.startable.start";
/// Characters of a title: enough to tell one from another, and to fit a line.
const TITLE: std::ops::RangeInclusive<usize> = 2..=100;

/// A process that an officer may start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = StartableProcess)]
pub struct Startable {
    #[schema(example = "purchase")]
    pub key: String,
    /// The version that starts.
    #[schema(example = "purchase:3:5f2a91c0")]
    pub definition: String,
    #[schema(example = "采购审批")]
    pub name: String,
    #[serde(flatten)]
    pub form: StartForm,
}

/// What the start of a process asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StartForm {
    /// `tongban:fields` of the start event.
    #[schema(example = "what:write:text,amount:write:number")]
    pub fields: String,
    /// `tongban:labels` of the start event.
    #[schema(example = "what=采购内容,amount=金额")]
    pub labels: String,
}

impl StartForm {
    pub(crate) fn of(process: &Process) -> Self {
        let start = start_of(process);
        let attribute = |name| {
            let value = start.and_then(|node| node.attribute(name));
            value.unwrap_or_default().to_owned()
        };
        Self {
            fields: attribute("fields"),
            labels: attribute("labels"),
        }
    }

    /// What is asked for may be given, nothing else: other variables are the process's own, and at
    /// a start there is no `outcome` or `opinion` that every task takes.
    fn findings(&self, vars: &Map<String, Value>) -> Vec<Finding> {
        let rest = "*:hidden,outcome:hidden,opinion:hidden";
        Fields::parse(&format!("{rest},{}", self.fields)).findings(vars)
    }
}

impl Startable {
    fn of(key: &str, definition: &str, process: &Process) -> Self {
        let head = process.model.process(&process.id);
        let name = head.map(|head| head.name.as_str()).unwrap_or_default();
        Self {
            key: key.to_owned(),
            definition: definition.to_owned(),
            name: if name.is_empty() { key } else { name }.to_owned(),
            form: StartForm::of(process),
        }
    }
}

/// Where the process begins when nothing but a person starts it.
fn start_of(process: &Process) -> Option<&Node> {
    let head = process.model.process(&process.id)?;
    let starts = process.model.starts(head.root);
    starts.first().map(|&ix| &process.model[ix])
}

/// Whether the model lets the officer start the process: his post (`examiner`, or
/// `examiner@organisation`), himself (`user:login`), or everybody (`*`).
async fn is_starter<C: ConnectionTrait>(
    db: &C,
    process: &Process,
    officer: &Officer,
) -> Result<bool> {
    let head = process.model.process(&process.id);
    let head = head.filter(|head| head.is_executable != Some(false));
    let named = head.and_then(|head| head.attributes.get(STARTERS));
    for word in tables::list(named.map(String::as_str).unwrap_or_default()) {
        let holds = |group: &String| match group.split_once('@') {
            Some((post, _)) if !word.contains('@') => post == word,
            _ => *group == word,
        };
        if word == EVERYBODY || officer.groups.iter().any(holds) {
            return Ok(true);
        }
        let login = word.strip_prefix(who::OWN).filter(|_| !word.contains('@'));
        if let Some(login) = login
            && let Some(user) = directory::user_by_name(db, login).await?
            && user.id.to_string() == officer.id
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The processes that an officer may start, by name.
pub async fn startables(db: &Db, engine: &Engine, officer: &Officer) -> Result<Vec<Startable>> {
    let mut found = Vec::new();
    for (key, definition) in tables::with_starters(db.read()).await? {
        let process = engine.process(db.read(), &definition).await?;
        if is_starter(db.read(), &process, officer).await? {
            found.push(Startable::of(&key, &definition, &process));
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// The newest version of a process, if the officer may start it.
pub async fn startable<C: ConnectionTrait>(
    db: &C,
    engine: &Engine,
    officer: &Officer,
    key: &str,
) -> Result<Startable> {
    let definition = tables::latest_process(db, key).await?;
    let definition = definition.ok_or(Error::NotFound { what: "process" })?;
    let process = engine.process(db, &definition).await?;
    if !is_starter(db, &process, officer).await? {
        return Err(forbidden(ACTION));
    }
    Ok(Startable::of(key, &definition, &process))
}

/// What is wrong with a title.
pub(crate) fn title_finding(title: &str) -> Option<Finding> {
    let is_wrong = !TITLE.contains(&title.trim().chars().count());
    is_wrong.then(|| Finding::new("title", Text::new("workflow-startable-title-wrong")))
}

/// Starts the newest version of a process. The title is what lists call it, and its business key.
pub async fn start_by_officer(
    tx: &Tx,
    engine: &Engine,
    officer: &Officer,
    key: &str,
    title: &str,
    vars: Map<String, Value>,
) -> Result<InstanceId> {
    let found = startable(&**tx, engine, officer, key).await?;
    let title = title.trim();
    let mut findings = found.form.findings(&vars);
    findings.extend(title_finding(title));
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    let subject = subject_of(Some(title))?;
    let input = Input::Start { at: None, vars };
    step::begin(
        tx,
        engine,
        &found.definition,
        &subject,
        input,
        &officer.trace,
    )
    .await
}
