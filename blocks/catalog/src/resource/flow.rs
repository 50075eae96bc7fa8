//! Entries and the process that publishes or withdraws them: a pack draws it, officers complete
//! its tasks by the ordinary verbs, and it calls back here.
//!
//! Subject `catalog:<id>`; variables `aim` (`publish`, `withdraw`), `org` (the provider),
//! `centre`, `days`, `region`. Tasks whose element is `department` or `centre` set the state.

use std::sync::Arc;

use ::store::Tx;
use async_trait::async_trait;
use identity::{Actor, directory};
use kernel::{Error, Fault, Result, Text, clock::local_date};
use serde_json::{Map, Value, json};
use web::{App, WeakApp};
use workflow::{Call, Engine, InstanceId, Outcome, ServiceHandler, TaskListener, event::TaskFacts};

use super::{Entry, State, act, react, store};
use crate::{code::ResourceCode, event, list::Exclusions, metadata::Metadata, profile};

/// Key of the process.
pub const PROCESS: &str = "catalog-entry";

/// What a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    Publish,
    Withdraw,
}

impl Aim {
    fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Withdraw => "withdraw",
        }
    }
}

pub(crate) fn subject(id: &str) -> String {
    format!("catalog:{id}")
}

fn id_of(subject: &str) -> Option<&str> {
    subject.strip_prefix("catalog:")
}

/// Registers what the process calls, and who hears of its tasks.
pub(crate) fn register(app: &App) -> Result<()> {
    let engine = app.part::<Engine>()?;
    let services = Arc::new(Services(app.downgrade()));
    for name in [
        "catalog.check",
        "catalog.publish",
        "catalog.withdraw",
        "catalog.return",
    ] {
        engine.register(name, services.clone());
    }
    engine.listen(Arc::new(Reviews));
    Ok(())
}

/// The variables that every process of the catalog begins with.
pub(crate) async fn variables(tx: &Tx, org: &str) -> Result<Map<String, Value>> {
    let profile = profile::get(&**tx).await?;
    if profile.centre.is_empty() {
        return Err(Error::refused("catalog-no-centre"));
    }
    let organisation = directory::organisation(&**tx, org).await?;
    let region = organisation.map(|o| o.region).unwrap_or_default();
    let vars =
        json!({"org": org, "centre": profile.centre, "region": region, "days": profile.days});
    match vars {
        Value::Object(vars) => Ok(vars),
        _ => Ok(Map::new()),
    }
}

/// Starts the process on an entry.
pub(crate) async fn begin(
    app: &App,
    actor: &Actor,
    id: &str,
    version: i64,
    aim: Aim,
    words: &str,
) -> Result<Entry> {
    let engine = app.part::<Engine>()?;
    let (id, who, words) = (id.to_owned(), actor.trace(), words.to_owned());
    app.db()
        .write(move |tx| {
            let (id, who, words) = (id.clone(), who.clone(), words.clone());
            let engine = engine.clone();
            async move {
                let row = store::get(&*tx, &id).await?;
                if row.version != version {
                    return Err(Error::refused("catalog-changed"));
                }
                let mut vars = variables(&tx, &row.provider).await?;
                vars.insert("aim".to_owned(), aim.name().into());
                vars.insert("reason".to_owned(), words.clone().into());
                let act = match aim {
                    Aim::Publish => "submitted",
                    Aim::Withdraw => "withdrawal",
                };
                store::note(&tx, &id, &who, act, &words).await?;
                let instance =
                    workflow::start_by(&tx, &engine, PROCESS, &subject(&id), vars, &who).await?;
                // What ran at once may have moved the entry.
                let mut row = store::get(&*tx, &id).await?;
                row.instance = Some(instance.to_string());
                row.updated_by.clone_from(&who);
                let row = store::update(&tx, row).await?;
                act::tell(&tx, &row, &who, act)?;
                Ok(row)
            }
        })
        .await
}

struct Services(WeakApp);

#[async_trait]
impl ServiceHandler for Services {
    async fn call(&self, tx: &Tx, call: &Call) -> Result<Outcome> {
        let id = id_of(&call.subject).ok_or_else(|| Fault::new("a process without an entry"))?;
        let row = store::get(&**tx, id).await?;
        let mut vars = Map::new();
        match call.attributes.get("call").map(String::as_str) {
            Some("catalog.check") => {
                let passed = self.check(tx, row).await?;
                vars.insert("passed".to_owned(), passed.into());
            }
            Some("catalog.publish") => {
                publish(tx, row, &last_actor(tx, id), "").await?;
            }
            Some("catalog.withdraw") => {
                let reason = call.vars.get("reason").and_then(Value::as_str);
                let reason = reason.unwrap_or_default();
                withdraw(tx, row, &last_actor(tx, id), reason).await?;
            }
            _ => give_back(tx, row).await?,
        }
        Ok(Outcome::Done(vars))
    }
}

impl Services {
    /// An entry that is to be withdrawn needs not pass.
    async fn check(&self, tx: &Tx, mut row: Entry) -> Result<bool> {
        if row.standing() == State::Published {
            return Ok(true);
        }
        let profile = profile::get(&**tx).await?;
        let working = row.working()?;
        let reports = act::checked(&self.0.get()?, &**tx, &profile, &[(&row.id, &working)]).await?;
        let report = reports.into_iter().next().unwrap_or_default();
        row.work_on(&working, &report)?;
        store::update(tx, row).await?;
        Ok(report.passes())
    }
}

/// Who completed the task before this call, in the same write.
#[derive(Clone)]
struct By(String);

fn last_actor(tx: &Tx, id: &str) -> String {
    tx.recall::<By>(id)
        .map_or_else(|| "system".to_owned(), |by| by.0)
}

/// The working copy holds from now on, under its next number and its code.
pub(crate) async fn publish(tx: &Tx, mut row: Entry, who: &str, reason: &str) -> Result<Entry> {
    let profile = profile::get(&**tx).await?;
    let mut entry = row.working()?;
    assign_code(tx, &mut entry, &row.id).await?;
    entry
        .published_on
        .get_or_insert_with(|| local_date(tx.now()));
    row.show(&entry)?;
    row.draft = None;
    row.number += 1;
    State::Published.name().clone_into(&mut row.state);
    // A first version says that the data is there; later ones do not renew it.
    let at = row
        .data_at
        .map_or_else(|| tx.now(), kernel::clock::from_micros);
    act::clock(&mut row, &profile, at);
    row.is_overdue = row
        .due_at
        .is_some_and(|due| due <= kernel::clock::micros(tx.now()));
    let row = store::update(tx, row).await?;
    store::insert_version(tx, &row, who, reason).await?;
    store::note(tx, &row.id, who, "published", reason).await?;
    react::watch(tx, &row)?;
    let body = event::Published {
        resource: row.id.clone(),
        code: entry.code,
        name: entry.name,
        provider: entry.provider,
        provider_name: entry.provider_name,
        number: row.number,
        share_type: entry.share_type,
        is_open: entry.is_open,
    };
    tx.emit(subject(&row.id), who, &body)?;
    Ok(row)
}

/// Codes that came with a list are kept; others get the next number of the class that is free.
async fn assign_code(tx: &Tx, entry: &mut Metadata, own: &str) -> Result<()> {
    while entry.code.is_empty() {
        let number = store::next_number(tx, &entry.class).await?;
        let code = ResourceCode::nth(&entry.class, number).to_string();
        let taken = store::of_code(&**tx, &code).await?;
        if taken.is_none_or(|row| row.id == own) {
            entry.code = code;
        }
    }
    Ok(())
}

async fn withdraw(tx: &Tx, mut row: Entry, who: &str, reason: &str) -> Result<()> {
    State::Withdrawn.name().clone_into(&mut row.state);
    (row.due_at, row.is_overdue) = (None, false);
    let row = store::update(tx, row).await?;
    store::note(tx, &row.id, who, "withdrawn", reason).await?;
    crate::request::act::resource_withdrawn(tx, &row, who, reason).await?;
    let body = event::Withdrawn {
        resource: row.id.clone(),
        code: row.code.clone().unwrap_or_default(),
        name: row.name.clone(),
        provider: row.provider.clone(),
        reason: reason.to_owned(),
    };
    tx.emit(subject(&row.id), who, &body)
}

/// Back to its provider, as it was before the review.
async fn give_back(tx: &Tx, mut row: Entry) -> Result<()> {
    let state = match (row.number, &row.draft) {
        (0, _) => State::Draft,
        (_, Some(_)) => State::Changing,
        (_, None) => State::Published,
    };
    if row.standing() == state {
        return Ok(());
    }
    state.name().clone_into(&mut row.state);
    let row = store::update(tx, row).await?;
    act::tell(tx, &row, &last_actor(tx, &row.id), "returned")
}

/// What the list of exclusions names is published as not shared only. One that is to be withdrawn
/// has no working copy.
async fn need_included(tx: &Tx, row: &Entry) -> Result<()> {
    if row.number > 0 && row.draft.is_none() {
        return Ok(());
    }
    let entry = row.working()?;
    let all = Exclusions::get(&**tx).await?;
    match all.basis(&entry.code, &entry.provider, &entry.name) {
        Some(basis) if entry.share_type != "3" => Err(Error::Refused(
            Text::new("catalog-rule-excluded").with("basis", basis),
        )),
        _ => Ok(()),
    }
}

/// Listeners hear an officer's id; events and notes name actors.
pub(crate) fn traced(by: &str) -> String {
    if by == "system" {
        return by.to_owned();
    }
    format!("user:{by}")
}

struct Reviews;

#[async_trait]
impl TaskListener for Reviews {
    async fn created(&self, tx: &Tx, task: &TaskFacts) -> Result<()> {
        let Some(id) = id_of(&task.subject) else {
            return Ok(());
        };
        let state = match task.element.as_str() {
            "department" => State::DepartmentReview,
            "centre" => State::CentreReview,
            _ => return Ok(()),
        };
        let mut row = store::get(&**tx, id).await?;
        state.name().clone_into(&mut row.state);
        store::update(tx, row).await.map(drop)
    }

    async fn completed(
        &self,
        tx: &Tx,
        task: &TaskFacts,
        by: &str,
        vars: &Map<String, Value>,
    ) -> Result<()> {
        let Some(id) = id_of(&task.subject) else {
            return Ok(());
        };
        let by = traced(by);
        tx.remember(id, By(by.clone()));
        let text = |name: &str| vars.get(name).and_then(Value::as_str).unwrap_or_default();
        let act = if text("outcome") == "agree" {
            need_included(tx, &store::get(&**tx, id).await?).await?;
            "agreed"
        } else {
            "returned"
        };
        store::note(tx, id, &by, act, text("opinion")).await
    }

    /// A process that an operator stopped or somebody rejected gives the entry back.
    async fn ended(&self, tx: &Tx, _: InstanceId, subject: &str, _: &str) -> Result<()> {
        let Some(id) = id_of(subject) else {
            return Ok(());
        };
        match store::lookup(&**tx, id).await? {
            Some(row) if row.standing().is_in_review() => give_back(tx, row).await,
            _ => Ok(()),
        }
    }
}
