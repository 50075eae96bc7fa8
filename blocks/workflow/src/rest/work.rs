//! What the doors let workers do with external tasks: at the gate, and in a write of its own.

use std::time;

use chrono::Duration;
use identity::Actor;
use kernel::Result;
use store::page::{PageOf, PageRequest};
use tokio::sync::Semaphore;

use super::Desk;
use crate::external::{
    self, Completion, ExternalTask, ExternalTaskId, Failure, Fetch, Filter, Thrown,
};

pub(crate) const WORK: &str = "workflow.external.work";
const LONGEST_WAIT: time::Duration = time::Duration::from_secs(20);
/// Waiting requests take places of others; when so many wait already, the answer is not waited for.
static PLACES: Semaphore = Semaphore::const_new(256);

/// A span of milliseconds; what is out of all bounds is told by the act.
pub(crate) fn span(milliseconds: i64) -> Duration {
    Duration::try_milliseconds(milliseconds).unwrap_or(Duration::MAX)
}

/// Waits for tasks, `wait` milliseconds at the most.
pub(crate) async fn fetch(
    desk: &Desk,
    actor: &Actor,
    wanted: &Fetch,
    wait: u64,
) -> Result<Vec<ExternalTask>> {
    desk.check(actor, WORK)?;
    let place = PLACES.try_acquire();
    let patience = match place {
        Ok(_) => time::Duration::from_millis(wait)
            .min(LONGEST_WAIT)
            .min(desk.patience),
        Err(_) => time::Duration::ZERO,
    };
    external::wait_and_fetch(&desk.db, &desk.engine, wanted, patience, &actor.trace()).await
}

pub(crate) async fn list(
    desk: &Desk,
    actor: &Actor,
    filter: &Filter,
    page: &PageRequest,
) -> Result<PageOf<ExternalTask>> {
    desk.check(actor, WORK)?;
    external::list(&desk.db, filter, page).await
}

pub(crate) async fn complete(
    desk: &Desk,
    actor: &Actor,
    id: ExternalTaskId,
    done: Completion,
) -> Result<()> {
    desk.check(actor, WORK)?;
    let (engine, by) = (desk.engine.clone(), actor.trace());
    desk.db
        .write(move |tx| {
            let (engine, by, done) = (engine.clone(), by.clone(), done.clone());
            async move { external::complete(&tx, &engine, id, done, &by).await }
        })
        .await
}

pub(crate) async fn fail(
    desk: &Desk,
    actor: &Actor,
    id: ExternalTaskId,
    failure: Failure,
) -> Result<()> {
    desk.check(actor, WORK)?;
    let (engine, by) = (desk.engine.clone(), actor.trace());
    desk.db
        .write(move |tx| {
            let (engine, by, failure) = (engine.clone(), by.clone(), failure.clone());
            async move { external::fail(&tx, &engine, id, &failure, &by).await }
        })
        .await
}

pub(crate) async fn throw(
    desk: &Desk,
    actor: &Actor,
    id: ExternalTaskId,
    thrown: Thrown,
) -> Result<()> {
    desk.check(actor, WORK)?;
    let (engine, by) = (desk.engine.clone(), actor.trace());
    desk.db
        .write(move |tx| {
            let (engine, by, thrown) = (engine.clone(), by.clone(), thrown.clone());
            async move { external::throw(&tx, &engine, id, thrown, &by).await }
        })
        .await
}

pub(crate) async fn extend(
    desk: &Desk,
    actor: &Actor,
    id: ExternalTaskId,
    worker: String,
    lock: Duration,
) -> Result<()> {
    desk.check(actor, WORK)?;
    let by = actor.trace();
    desk.db
        .write(move |tx| {
            let (worker, by) = (worker.clone(), by.clone());
            async move { external::extend(&tx, id, &worker, lock, &by).await }
        })
        .await
}

pub(crate) async fn lock(
    desk: &Desk,
    actor: &Actor,
    id: ExternalTaskId,
    worker: String,
    lock: Duration,
) -> Result<()> {
    desk.check(actor, WORK)?;
    let by = actor.trace();
    desk.db
        .write(move |tx| {
            let (worker, by) = (worker.clone(), by.clone());
            async move { external::lock(&tx, id, &worker, lock, &by).await }
        })
        .await
}

pub(crate) async fn unlock(desk: &Desk, actor: &Actor, id: ExternalTaskId) -> Result<()> {
    desk.check(actor, WORK)?;
    let by = actor.trace();
    desk.db
        .write(move |tx| {
            let by = by.clone();
            async move { external::unlock(&tx, id, &by).await }
        })
        .await
}

pub(crate) async fn set_retries(
    desk: &Desk,
    actor: &Actor,
    id: ExternalTaskId,
    retries: i64,
) -> Result<()> {
    desk.check(actor, WORK)?;
    let (engine, by) = (desk.engine.clone(), actor.trace());
    desk.db
        .write(move |tx| {
            let (engine, by) = (engine.clone(), by.clone());
            async move { external::set_retries(&tx, &engine, id, retries, &by).await }
        })
        .await
}
