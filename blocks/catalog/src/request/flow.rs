//! Requests and the process that decides them.
//!
//! Subject `catalog-request:<id>`; variables `org` (the applicant), `provider`, `centre`,
//! `share_type`, `days`, `region`. Tasks whose element is `department`, `check`, `answer` or
//! `supplement` set the state.

use std::sync::Arc;

use ::store::Tx;
use async_trait::async_trait;
use kernel::{Error, Fault, Result, Text};
use serde_json::{Map, Value};
use web::App;
use workflow::{Call, Engine, InstanceId, Outcome, ServiceHandler, TaskListener, event::TaskFacts};

use super::{Request, State, act, store};
use crate::resource;

/// Key of the process.
pub const PROCESS: &str = "catalog-request";

pub(crate) fn subject(id: &str) -> String {
    format!("catalog-request:{id}")
}

fn id_of(subject: &str) -> Option<&str> {
    subject.strip_prefix("catalog-request:")
}

pub(crate) fn register(app: &App) -> Result<()> {
    let engine = app.part::<Engine>()?;
    for name in ["catalog.grant", "catalog.refuse"] {
        engine.register(name, Arc::new(Services));
    }
    engine.listen(Arc::new(Reviews));
    Ok(())
}

/// Keeps the request and starts its process.
pub(crate) async fn begin(app: &App, row: Request, share_type: &str) -> Result<String> {
    let engine = app.part::<Engine>()?;
    let share_type = share_type.to_owned();
    app.db()
        .write(move |tx| {
            let (row, engine, share_type) = (row.clone(), engine.clone(), share_type.clone());
            async move {
                let id = row.id.clone();
                let who = row.created_by.clone();
                let mut vars = resource::flow::variables(&tx, &row.applicant).await?;
                vars.insert("provider".to_owned(), row.provider.clone().into());
                vars.insert("share_type".to_owned(), share_type.into());
                store::insert(&tx, row).await?;
                resource::store::note(&tx, &id, &who, "asked", "").await?;
                let instance =
                    workflow::start_by(&tx, &engine, PROCESS, &subject(&id), vars, &who).await?;
                let mut row = store::get(&*tx, &id).await?;
                row.instance = Some(instance.to_string());
                let row = store::update(&tx, row).await?;
                act::tell(&tx, &row, &who, "asked")?;
                Ok(id)
            }
        })
        .await
}

/// Ends the process of a request that was cancelled.
pub(crate) async fn cancel(
    tx: &Tx,
    engine: &Engine,
    row: &Request,
    reason: &str,
    who: &str,
) -> Result<()> {
    let Some(instance) = &row.instance else {
        return Ok(());
    };
    let instance: InstanceId = instance
        .parse()
        .map_err(|e| Fault::caused_by("read a request's process", e))?;
    match workflow::cancel(tx, engine, instance, reason, who).await {
        Ok(()) | Err(Error::Refused(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Who decided last in this write, and what they said.
#[derive(Clone)]
struct Decision {
    by: String,
    opinion: String,
}

struct Services;

#[async_trait]
impl ServiceHandler for Services {
    async fn call(&self, tx: &Tx, call: &Call) -> Result<Outcome> {
        let id = id_of(&call.subject).ok_or_else(|| Fault::new("a process without a request"))?;
        let row = store::get(&**tx, id).await?;
        // A resource that was withdrawn meanwhile has decided the request already.
        if row.standing().is_open() {
            let said = tx.recall::<Decision>(id);
            let (by, opinion) = said.map_or_else(
                || ("system".to_owned(), String::new()),
                |said| (said.by, said.opinion),
            );
            let is_grant = call.attributes.get("call").map(String::as_str) == Some("catalog.grant");
            if is_grant {
                let entry = resource::store::get(&**tx, &row.resource).await?;
                act::need_included(&**tx, &entry).await?;
            }
            let (state, name) = if is_grant {
                (State::Active, "granted")
            } else {
                (State::Refused, "refused")
            };
            act::moved(tx, row, state, &by, name, &opinion).await?;
        }
        Ok(Outcome::Done(Map::new()))
    }
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
            "check" => State::AuthorityCheck,
            "answer" => State::ProviderReview,
            "supplement" => State::Supplement,
            _ => return Ok(()),
        };
        let mut row = store::get(&**tx, id).await?;
        if row.standing().is_open() {
            state.name().clone_into(&mut row.state);
            store::update(tx, row).await?;
        }
        Ok(())
    }

    /// Whoever refuses or asks for more says why: the law wants it.
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
        let text = |name: &str| {
            vars.get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .trim()
        };
        let (outcome, opinion) = (text("outcome"), text("opinion"));
        let by = &resource::flow::traced(by);
        if matches!(outcome, "refuse" | "supplement") && opinion.is_empty() {
            return Err(Error::invalid("opinion", Text::new("catalog-must-say")));
        }
        match outcome {
            "agree" => {
                let row = store::get(&**tx, id).await?;
                let entry = resource::store::get(&**tx, &row.resource).await?;
                act::need_included(&**tx, &entry).await?;
            }
            "supplement" if was(tx, id, "asked_more").await? => {
                return Err(Error::refused("catalog-supplement-once"));
            }
            "sent" if !was(tx, id, "supplemented").await? => {
                return Err(Error::refused("catalog-supplement-missing"));
            }
            _ => {}
        }
        let act = match outcome {
            "agree" => "agreed",
            "supplement" => "asked_more",
            "refuse" => "",
            _ => "answered",
        };
        remember(tx, id, by, opinion);
        // A refusal is noted with what it leads to.
        if act.is_empty() {
            return Ok(());
        }
        resource::store::note(tx, id, by, act, opinion).await
    }

    async fn ended(&self, tx: &Tx, _: InstanceId, subject: &str, _: &str) -> Result<()> {
        let Some(id) = id_of(subject) else {
            return Ok(());
        };
        match store::lookup(&**tx, id).await? {
            Some(row) if row.standing().is_open() => {
                let said = tx.recall::<Decision>(id);
                let (by, why) = said.map_or_else(
                    || ("system".to_owned(), String::new()),
                    |said| (said.by, said.opinion),
                );
                act::moved(tx, row, State::Refused, &by, "refused", &why)
                    .await
                    .map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// Whether that was done to a request before.
async fn was(tx: &Tx, id: &str, act: &str) -> Result<bool> {
    let done = resource::store::happenings(&**tx, id).await?;
    Ok(done.iter().any(|one| one.act == act))
}

fn remember(tx: &Tx, id: &str, by: &str, opinion: &str) {
    let decision = Decision {
        by: by.to_owned(),
        opinion: opinion.to_owned(),
    };
    tx.remember(id, decision);
}
