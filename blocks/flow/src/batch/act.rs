//! Taking batches into the lake, and letting a stuck one try again.

use ::store::{
    Tx,
    page::{PageOf, PageRequest},
};
use exchange::{Hub, event::BatchAccepted, hub::above};
use identity::{Actor, Gate, Resource};
use kernel::{Error, Result, clock::micros};
use lake::{Delivery, Mode, OnBad};
use web::App;

use super::{Batch, State, rows, store};
use crate::{bind, event, feed, react::Pump, said};

/// Whether the actor may; `org` is the department whose data it is.
pub(crate) fn may(app: &App, actor: &Actor, action: &str, org: Option<&str>) -> Result<()> {
    let gate = app.part::<Gate>()?;
    let resource = match org {
        Some(org) => Resource::new("Flow", "flow").org(org),
        None => Resource::system(),
    };
    actor.may(&gate, action, &resource)
}

/// The exchange has a batch: it waits for the lake from now on, and its chunks wait with it. A
/// full one makes those before it unnecessary.
pub(crate) async fn accepted(tx: &Tx, said: &BatchAccepted) -> Result<()> {
    let Some(binding) = bind::lookup(&**tx, &said.publication).await? else {
        return Ok(());
    };
    if store::lookup(&**tx, &said.batch).await?.is_some() {
        return Ok(());
    }
    if said.kind == "full" {
        for earlier in store::open(&**tx, &said.publication).await? {
            above::hold(tx, &earlier.id, false).await?;
            let state = State::Superseded.name().into();
            store::update(tx, Batch { state, ..earlier }).await?;
        }
    }
    catalog::resource::act::delivered(tx, &binding.entry).await?;
    above::hold(tx, &said.batch, true).await?;
    let row = Batch {
        id: said.batch.clone(),
        publication: said.publication.clone(),
        sequence: said.sequence,
        kind: said.kind.clone(),
        lake: binding.lake,
        state: State::Waiting.name().into(),
        problem: String::new(),
        rows: 0,
        good: 0,
        bad: 0,
        version: -1,
        accepted_at: micros(tx.now()),
        finished_at: None,
    };
    store::insert(tx, row).await?;
    Pump::order(tx, &said.publication)
}

/// Takes what waits of a publication, in order, until nothing waits or something does not go on.
/// Answers whether the lake has everything.
pub(crate) async fn take_all(app: &App, publication: &str) -> Result<bool> {
    loop {
        let open = store::open(app.db().read(), publication).await?;
        let Some(next) = open.into_iter().next() else {
            return Ok(true);
        };
        if next.standing() == State::Failed {
            return Ok(false);
        }
        match take(app, &next).await {
            Ok(outcome) => finish(app, &next, &outcome).await?,
            // It may pass, and the job comes again.
            Err(error @ (Error::Fault(_) | Error::Unavailable(_))) => {
                note(app, &next, &error, State::Waiting).await?;
                return Err(error);
            }
            Err(error) => {
                note(app, &next, &error, State::Failed).await?;
                return Ok(false);
            }
        }
    }
}

async fn take(app: &App, batch: &Batch) -> Result<lake::BatchOutcome> {
    let hub = app.part::<Hub>()?;
    let table = lake::change::declared(app.db().read(), &batch.lake).await?;
    let table = table.ok_or(Error::NotFound { what: "lake table" })?;
    let is_merge = batch.kind != "full";
    let parts = above::parts(app.db().read(), &batch.id).await?;
    let delivery = Delivery {
        table: batch.lake.clone(),
        id: batch.id.clone(),
        mode: if is_merge {
            Mode::Merge
        } else {
            Mode::Overwrite
        },
        on_bad: OnBad::SetAside,
        source: batch.publication.clone(),
    };
    let rows = rows::stream(hub, parts, is_merge);
    let schema = rows::schema(&table, is_merge);
    lake::take(app, &Actor::system(), &delivery, schema, rows).await
}

/// The lake has it: the chunks may go, and the registries come next.
async fn finish(app: &App, batch: &Batch, outcome: &lake::BatchOutcome) -> Result<()> {
    let row = Batch {
        state: State::Loaded.name().into(),
        problem: String::new(),
        rows: outcome.rows,
        good: outcome.good,
        bad: outcome.bad,
        version: outcome.version,
        ..batch.clone()
    };
    app.db()
        .write(move |tx| {
            let row = row.clone();
            async move {
                let now = store::get(&*tx, &row.id).await?;
                if now.standing() == State::Loaded {
                    return Ok(());
                }
                let finished_at = Some(micros(tx.now()));
                above::hold(&tx, &row.id, false).await?;
                feed::act::order(&tx, &row).await?;
                store::update(&tx, Batch { finished_at, ..row }).await
            }
        })
        .await
}

/// Keeps why a batch is not in the lake.
async fn note(app: &App, batch: &Batch, error: &Error, state: State) -> Result<()> {
    let said = said::of_error(error);
    let problem = said::write(&said)?;
    let body = event::Stuck {
        batch: batch.id.clone(),
        publication: batch.publication.clone(),
        hop: "lake".into(),
        problems: said.into_iter().map(|said| said.key).collect(),
    };
    let row = Batch {
        state: state.name().into(),
        problem,
        ..batch.clone()
    };
    tracing::warn!(batch = row.id, %error, "a batch is not in the lake");
    app.db()
        .write(move |tx| {
            let (row, body) = (row.clone(), body.clone());
            async move {
                store::update(&tx, row).await?;
                match state {
                    State::Failed => tx.emit(format!("batch:{}", body.batch), "system", &body),
                    _ => Ok(()),
                }
            }
        })
        .await
}

/// Marks what waits first as stuck, after the job came again in vain.
pub(crate) async fn give_up(app: &App, publication: &str, error: &Error) -> Result<()> {
    let open = store::open(app.db().read(), publication).await?;
    match open.into_iter().next() {
        Some(next) if next.standing() == State::Waiting => {
            note(app, &next, error, State::Failed).await
        }
        _ => Ok(()),
    }
}

/// Batches of a publication on their way into the lake, the newest first.
pub async fn list(
    app: &App,
    actor: &Actor,
    publication: &str,
    page: &PageRequest,
) -> Result<PageOf<Batch>> {
    may(app, actor, "flow.read", None)?;
    store::list(app.db().read(), publication, page).await
}

/// Lets a stuck batch try again, and with it what waits behind it.
pub async fn retry(app: &App, actor: &Actor, id: &str) -> Result<()> {
    may(app, actor, "flow.retry", None)?;
    let (id, who) = (id.to_owned(), actor.trace());
    app.db()
        .write(move |tx| {
            let (id, who) = (id.clone(), who.clone());
            async move {
                let row = store::get(&*tx, &id).await?;
                if row.standing() != State::Failed {
                    return Err(Error::refused("flow-not-stuck"));
                }
                let body = event::Retried {
                    batch: row.id.clone(),
                    publication: row.publication.clone(),
                    hop: "lake".into(),
                };
                tx.emit(format!("batch:{id}"), &who, &body)?;
                Pump::order(&tx, &row.publication)?;
                let state = State::Waiting.name().into();
                store::update(&tx, Batch { state, ..row }).await
            }
        })
        .await
}
