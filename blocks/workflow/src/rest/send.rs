//! Messages and signals that programs send: who waits for them, and what they begin.

use ::store::page::{PageOf, PageRequest};
use identity::Actor;
use kernel::{Error, Result, Text};
use serde_json::{Map, Value};

use super::{
    Desk,
    act::{INTERVENE, READ, take},
    subject_of,
};
use crate::{
    InstanceId,
    core::{Heard, Input},
    post::{
        self, Choice, Decision, Signal, Start, Undelivered, Waiting, broadcast, starts,
        starts_by_condition, waiting,
    },
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
    let subject = subject_of(address.business_key.as_deref())?;
    let wanted = Waiting {
        name,
        key: address.key.as_ref(),
        instance: address.instance,
        subject: &subject,
        having: Some(&address.having),
        vars: &vars,
    };
    let waiting = waiting(&desk.db, &desk.engine, &wanted).await?;
    let input = |vars| Input::Message {
        name: name.to_owned(),
        to: None,
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
    let mut found = Vec::new();
    if address.instance.is_none() {
        found = starts(desk.db.read(), &desk.engine, Heard::Message, name).await?;
    }
    match found.as_slice() {
        [start] => {
            let subject = subject_of(address.business_key.as_deref())?;
            let instance = begin_at(desk, actor, start, &subject, vars).await?;
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
    start: &Start,
    subject: &str,
    vars: Map<String, Value>,
) -> Result<InstanceId> {
    let (engine, by) = (desk.engine.clone(), actor.trace());
    let (start, subject) = (start.clone(), subject.to_owned());
    desk.db
        .write(move |tx| {
            let (engine, start, subject) = (engine.clone(), start.clone(), subject.clone());
            let (vars, by) = (vars.clone(), by.clone());
            async move { start.begin(&tx, &engine, &subject, vars, &by).await }
        })
        .await
}

/// Messages that instances sent and nobody has taken.
pub(crate) async fn undelivered(
    desk: &Desk,
    actor: &Actor,
    page: &PageRequest,
) -> Result<PageOf<Undelivered>> {
    desk.check(actor, READ)?;
    post::undelivered(&desk.db, page).await
}

/// Places that could take a message.
pub(crate) async fn choices(desk: &Desk, actor: &Actor, id: &str) -> Result<Vec<Choice>> {
    desk.check(actor, READ)?;
    post::choices(&desk.db, &desk.engine, id).await
}

/// An operator decides about a message that nobody has taken.
pub(crate) async fn decide(
    desk: &Desk,
    actor: &Actor,
    id: &str,
    decision: Decision,
    reason: &str,
) -> Result<()> {
    desk.check(actor, INTERVENE)?;
    let (engine, by) = (desk.engine.clone(), actor.trace());
    let (id, reason) = (id.to_owned(), reason.to_owned());
    desk.db
        .write(move |tx| {
            let (engine, decision, by) = (engine.clone(), decision.clone(), by.clone());
            let (id, reason) = (id.clone(), reason.clone());
            async move { post::decide(&tx, &engine, &id, &decision, &reason, &by).await }
        })
        .await
}

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
    let signal = Signal {
        name: name.to_owned(),
        vars,
        thrown_by: None,
        row: None,
        by: actor.trace(),
    };
    broadcast(&desk.db, &desk.engine, signal).await
}

/// Begins every process that has a start event whose condition holds with these variables, all in
/// one write: of the newest versions, or of the one that is named. One that has no such event is
/// refused.
pub(crate) async fn condition(
    desk: &Desk,
    actor: &Actor,
    version: Option<&str>,
    business_key: Option<&str>,
    vars: Map<String, Value>,
) -> Result<Vec<InstanceId>> {
    desk.check(actor, SEND)?;
    let subject = subject_of(business_key)?;
    let (engine, by) = (desk.engine.clone(), actor.trace());
    let version = version.map(str::to_owned);
    desk.db
        .write(move |tx| {
            let (engine, subject, by) = (engine.clone(), subject.clone(), by.clone());
            let (vars, version) = (vars.clone(), version.clone());
            async move {
                let starts = starts_by_condition(&tx, &engine, version.as_deref(), &vars).await?;
                let mut begun = Vec::new();
                for start in starts {
                    begun.push(
                        start
                            .begin(&tx, &engine, &subject, vars.clone(), &by)
                            .await?,
                    );
                }
                Ok(begun)
            }
        })
        .await
}
