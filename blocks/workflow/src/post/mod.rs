//! The post between instances: messages to the one place that waits for them, signals to all.
//!
//! Every step keeps `workflow_wait` in agreement with what its instance waits for, so that nobody
//! has to read instances to find a hearer. A message that an instance sends is kept in
//! `workflow_mail` by the same write, and taken from there by a job together with the step of the
//! instance that hears it: it is heard once, however often the server stops. One that nobody waits
//! for yet stays, and is tried again when somebody begins to wait for it; see [`KEPT`].

mod by_hand;
mod deliver;
mod hearing;
mod sending;
mod store;

use std::sync::Arc;

use ::store::{
    Db, Handler, Job, JobBody, JobFailure,
    page::{PageOf, PageRequest},
};
use async_trait::async_trait;
use chrono::TimeDelta;
use kernel::Result;
use serde::{Deserialize, Serialize};
pub(crate) use store::Undelivered;

use crate::{InstanceId, engine::Engine, react::write_again};

pub(crate) use by_hand::{Choice, Decision, choices, decide};
pub(crate) use deliver::{Signal, broadcast};
pub(crate) use hearing::{Start, Waiting, settle, starts, starts_by_condition, waiting};
pub(crate) use sending::{Sent, cry, send};
pub(crate) use store::keep_waits;

/// How long a message waits for somebody who wants it. It is told of as undelivered afterwards.
pub(crate) const KEPT: TimeDelta = TimeDelta::days(30);

/// A message is to be brought to whoever waits for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DeliverMail {
    pub mail: String,
    /// Its time is over: it goes whether somebody takes it or not.
    pub is_last: bool,
}

impl JobBody for DeliverMail {
    const KIND: &'static str = "workflow.deliver_mail.v1";
}

/// A signal that an instance threw is to reach all others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Broadcast {
    /// Its row in `workflow_signal`, which goes with the write that is heard; a job that is run a
    /// second time finds it gone. Jobs of before there was such a table have none.
    #[serde(default)]
    pub signal: Option<String>,
    pub name: String,
    /// It has heard its own signal already.
    pub thrown_by: InstanceId,
}

impl JobBody for Broadcast {
    const KIND: &'static str = "workflow.broadcast.v1";
}

pub(crate) struct Postman {
    pub db: Db,
    pub engine: Arc<Engine>,
}

#[async_trait]
impl Handler for Postman {
    fn kind(&self) -> &'static str {
        DeliverMail::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let DeliverMail { mail, is_last } = job.body::<DeliverMail>()?;
        settle(&self.db, &self.engine).await?;
        let engine = self.engine.clone();
        write_again(&self.db, move |tx| {
            let (engine, mail) = (engine.clone(), mail.clone());
            async move { deliver::deliver(&tx, &engine, &mail, is_last).await }
        })
        .await
    }
}

pub(crate) struct Crier {
    pub db: Db,
    pub engine: Arc<Engine>,
}

#[async_trait]
impl Handler for Crier {
    fn kind(&self) -> &'static str {
        Broadcast::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let signal = deliver::Signal::from(job.body::<Broadcast>()?);
        broadcast(&self.db, &self.engine, signal).await?;
        Ok(())
    }
}

/// Messages that nobody has taken, the oldest first.
pub(crate) async fn undelivered(db: &Db, page: &PageRequest) -> Result<PageOf<Undelivered>> {
    store::undelivered(db.read(), page).await
}
