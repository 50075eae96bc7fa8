//! What a step throws, and whom its new waits may serve.

use std::collections::BTreeSet;

use ::store::Tx;
use kernel::{Fault, Result, clock::micros};
use serde_json::{Map, Value};

use super::{Broadcast, DeliverMail, KEPT, store as tables};
use crate::{
    InstanceId,
    core::{Heard, Process, Wait},
    expr::Expr,
    schema::{instance, mail},
};

/// A message that a step threw.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub element: String,
    pub name: String,
    pub vars: Map<String, Value>,
}

/// Keeps what was thrown and has it delivered; has old mail tried again for whoever begins to wait.
pub(crate) async fn send(
    tx: &Tx,
    process: &Process,
    row: &instance::Model,
    sent: Vec<Sent>,
    begun: &[&Wait],
) -> Result<()> {
    let mut letters = Vec::new();
    for one in sent {
        letters.extend(letters_of(tx, process, row, &one)?);
    }
    for letter in letters {
        let id = letter.id.clone();
        tables::insert_mail(tx, letter).await?;
        tx.enqueue(&DeliverMail {
            mail: id.clone(),
            is_last: false,
        })?;
        tx.enqueue_at(
            tx.now() + KEPT,
            &DeliverMail {
                mail: id,
                is_last: true,
            },
        )?;
    }
    wake(tx, begun).await
}

/// Has a signal that an instance threw reach all others, once.
pub(crate) async fn cry(tx: &Tx, name: String, thrown_by: InstanceId) -> Result<()> {
    let signal = kernel::id::new_v7(tx.now()).to_string();
    tables::insert_signal(tx, &signal).await?;
    tx.enqueue(&Broadcast {
        signal: Some(signal),
        name,
        thrown_by,
    })?;
    Ok(())
}

/// A letter for each message flow that leaves the element (BPMN 2.0.2, 10.5.3).
fn letters_of(
    tx: &Tx,
    process: &Process,
    row: &instance::Model,
    sent: &Sent,
) -> Result<Vec<mail::Model>> {
    let model = &process.model;
    let node = model.lookup(&sent.element).map(|ix| &model[ix]);
    let key = node
        .and_then(|node| node.attribute("correlation"))
        .and_then(|text| Expr::shared(text).ok()?.evaluate(&sent.vars).ok())
        .map(|value| value.to_string());
    let vars =
        serde_json::to_string(&sent.vars).map_err(|e| Fault::caused_by("write a message", e))?;
    let targets = model.message_targets(&sent.element);
    let letters = targets.into_iter().map(|target| mail::Model {
        id: kernel::id::new_v7(tx.now()).to_string(),
        name: sent.name.clone(),
        target,
        key: key.clone().unwrap_or_default(),
        vars: vars.clone(),
        instance: row.id.clone(),
        definition: row.definition.clone(),
        element: sent.element.clone(),
        subject: row.subject.clone(),
        problem: String::new(),
        sent_at: micros(tx.now()),
    });
    Ok(letters.collect())
}

/// Messages tried again for one who begins to wait; each that is taken ends a wait, and more are
/// tried for the next.
const TRIED: u64 = 20;

async fn wake(tx: &Tx, begun: &[&Wait]) -> Result<()> {
    let messages = || begun.iter().filter(|wait| wait.heard == Heard::Message);
    let names: BTreeSet<&str> = messages().map(|wait| wait.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let elements: Vec<&str> = messages().map(|wait| &*wait.element).collect();
    let names: Vec<&str> = names.into_iter().collect();
    for mail in tables::mail_for(&**tx, &names, &elements, TRIED).await? {
        let is_last = false;
        tx.enqueue_unique(mail.clone(), tx.now(), &DeliverMail { mail, is_last })?;
    }
    Ok(())
}
