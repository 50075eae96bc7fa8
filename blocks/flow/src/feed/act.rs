//! Bringing what changed in the lake into registries, by their own act of loading.

use std::sync::Arc;

use ::store::{
    Tx,
    page::{PageOf, PageRequest},
};
use exchange::hub::above;
use identity::Actor;
use kernel::{
    Error, Fault, Result,
    clock::{local_date, micros},
};
use registry::{
    Declaration, Registries,
    batch::{
        Mode, Refusal,
        act::{self as loads, Loading},
    },
};
use web::App;

use super::{
    Feed, Feeding,
    file::{self, Delivered},
    store,
};
use crate::{
    batch::{self, Batch, State, act::may},
    event,
    react::Pump,
    said,
    schema::refusal,
};

/// Declares a feed as part of a larger write, for packs; answers whether anything is new. What is
/// in the lake already goes into the registry, too.
pub async fn install(tx: &Tx, said: &Feed) -> Result<bool> {
    let findings = said.findings();
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    if !store::keep(tx, said).await? {
        return Ok(false);
    }
    let page = PageRequest::new(None, Some(20));
    let newest = batch::store::list(&**tx, &said.publication, &page).await?;
    let loaded = newest
        .items
        .into_iter()
        .find(|b| b.standing() == State::Loaded);
    if let Some(batch) = loaded {
        store::insert(tx, waiting(&said.registry, &batch)).await?;
        Pump::order(tx, &said.publication)?;
    }
    Ok(true)
}

fn waiting(registry: &str, batch: &Batch) -> Feeding {
    Feeding {
        registry: registry.to_owned(),
        batch: batch.id.clone(),
        publication: batch.publication.clone(),
        sequence: batch.sequence,
        state: State::Waiting.name().into(),
        problem: String::new(),
        version: batch.version,
        finished_at: None,
    }
}

/// A batch is in the lake: the registries that it feeds take it next.
pub(crate) async fn order(tx: &Tx, batch: &Batch) -> Result<()> {
    for feed in store::of_publication(&**tx, &batch.publication).await? {
        store::insert(tx, waiting(&feed.registry, batch)).await?;
    }
    Ok(())
}

/// Brings every registry as far as the lake is, each until it cannot take a batch.
pub(crate) async fn feed_all(app: &App, publication: &str) -> Result<()> {
    for feed in store::of_publication(app.db().read(), publication).await? {
        feed_one(app, &feed).await?;
    }
    Ok(())
}

async fn feed_one(app: &App, feed: &Feed) -> Result<()> {
    let db = app.db();
    while let Some(next) = store::next(db.read(), &feed.registry, &feed.publication).await? {
        if State::of_name(&next.state) == State::Failed {
            return Ok(());
        }
        match take(app, feed, &next).await {
            Ok(()) => {}
            Err(error @ (Error::Fault(_) | Error::Unavailable(_))) => {
                note(app, &next, &error, State::Waiting).await?;
                return Err(error);
            }
            Err(error) => return note(app, &next, &error, State::Failed).await,
        }
    }
    Ok(())
}

async fn take(app: &App, feed: &Feed, next: &Feeding) -> Result<()> {
    let db = app.db();
    let registries = app.part::<Registries>()?;
    let declaration = registries.declaration(db.read(), &feed.registry).await?;
    let batch = batch::store::get(db.read(), &next.batch).await?;
    let sent = above::batch(db.read(), &next.batch).await?;
    let sent = sent.ok_or(Error::NotFound { what: "batch" })?;
    let source = registry::source::lookup(db.read(), &feed.source).await?;
    // Nobody speaks in another department's name.
    if source.is_none_or(|source| source.org != sent.org) {
        return Err(Error::refused("flow-feed-foreign"));
    }
    let Ok(to) = u64::try_from(batch.version) else {
        return finish(app, next, None, Vec::new()).await;
    };
    let from = store::version(db.read(), &feed.registry, &feed.publication).await?;
    let from = from.and_then(|version| u64::try_from(version).ok());
    let columns = feed.columns();
    let (span, system) = ((from, to), Actor::system());
    let changes = lake::change::changes(app, &system, &batch.lake, &columns, span).await?;
    let delivered = file::write(feed, &declaration, changes).await?;
    if delivered.rows == 0 {
        return finish(app, next, None, Vec::new()).await;
    }
    let loading = Loading {
        registry: feed.registry.clone(),
        source: feed.source.clone(),
        batch: next.batch.clone(),
        mode: Mode::KeepGood,
        valid_from: Some(local_date(sent.read_at).min(app.clock().today())),
    };
    let loaded = loads::load(app, &system, &loading, delivered.file.path()).await?;
    let refused = refused(app, feed, &declaration, next, delivered).await?;
    finish(app, next, Some(loaded), refused).await
}

/// The refused rows with the keys by which their department finds them.
async fn refused(
    app: &App,
    feed: &Feed,
    declaration: &Arc<Declaration>,
    next: &Feeding,
    delivered: Delivered,
) -> Result<Vec<refusal::Model>> {
    let mut refusals: Vec<Refusal> = Vec::new();
    let mut page = PageRequest::new(None, Some(1000));
    loop {
        let system = Actor::system();
        let (_, found) = loads::get(app, &system, &feed.registry, &next.batch, &page).await?;
        refusals.extend(found.items);
        match found.next {
            Some(after) => page.after = Some(after),
            None => break,
        }
    }
    let (feed, declaration) = (feed.clone(), declaration.clone());
    let rows: Vec<i64> = refusals.iter().map(|refusal| refusal.row).collect();
    let keys = move || file::keys(&delivered, &feed, &declaration, &rows);
    let keys = tokio::task::spawn_blocking(keys)
        .await
        .map_err(|e| Fault::caused_by("find the keys of refused rows", e))??;
    let mut kept = Vec::new();
    for (refusal, key) in refusals.into_iter().zip(keys) {
        let reason = serde_json::to_string(&(refusal.key, refusal.args));
        kept.push(refusal::Model {
            registry: next.registry.clone(),
            batch: next.batch.clone(),
            row: refusal.row,
            field: refusal.column,
            key,
            reason: reason.map_err(|e| Fault::caused_by("write a refusal", e))?,
        });
    }
    Ok(kept)
}

/// The registry has the batch.
async fn finish(
    app: &App,
    next: &Feeding,
    loaded: Option<registry::batch::Batch>,
    refused: Vec<refusal::Model>,
) -> Result<()> {
    let row = Feeding {
        state: State::Loaded.name().into(),
        problem: String::new(),
        ..next.clone()
    };
    let count = |of: fn(&registry::batch::Batch) -> i64| loaded.as_ref().map_or(0, of);
    let body = event::Fed {
        batch: next.batch.clone(),
        publication: next.publication.clone(),
        registry: next.registry.clone(),
        source: loaded
            .as_ref()
            .map(|l| l.source.clone())
            .unwrap_or_default(),
        inserted: count(|l| l.inserted),
        updated: count(|l| l.updated),
        unchanged: count(|l| l.unchanged),
        refused: count(|l| l.refused),
    };
    app.db()
        .write(move |tx| {
            let (row, body, refused) = (row.clone(), body.clone(), refused.clone());
            async move {
                let now = store::get(&*tx, &row.registry, &row.batch).await?;
                if State::of_name(&now.state) == State::Loaded {
                    return Ok(());
                }
                store::insert_refusals(&tx, refused).await?;
                let finished_at = Some(micros(tx.now()));
                store::update(&tx, Feeding { finished_at, ..row }).await?;
                tx.emit(format!("batch:{}", body.batch), "system", &body)
            }
        })
        .await
}

/// Keeps why a registry does not have a batch.
async fn note(app: &App, next: &Feeding, error: &Error, state: State) -> Result<()> {
    let said = said::of_error(error);
    let row = Feeding {
        state: state.name().into(),
        problem: said::write(&said)?,
        ..next.clone()
    };
    let body = event::Stuck {
        batch: next.batch.clone(),
        publication: next.publication.clone(),
        hop: next.registry.clone(),
        problems: said.into_iter().map(|said| said.key).collect(),
    };
    tracing::warn!(batch = row.batch, registry = row.registry, %error, "a registry lacks a batch");
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

/// Marks what registries wait for as stuck, after the job came again in vain.
pub(crate) async fn give_up(app: &App, publication: &str, error: &Error) -> Result<()> {
    let db = app.db();
    for feed in store::of_publication(db.read(), publication).await? {
        let next = store::next(db.read(), &feed.registry, publication).await?;
        if let Some(next) = next.filter(|next| !next.problem.is_empty()) {
            note(app, &next, error, State::Failed).await?;
        }
    }
    Ok(())
}

/// Lets a registry try a stuck batch again, and with it what waits behind it.
pub async fn retry(app: &App, actor: &Actor, registry: &str, batch: &str) -> Result<()> {
    may(app, actor, "flow.retry", None)?;
    let (registry, batch, who) = (registry.to_owned(), batch.to_owned(), actor.trace());
    app.db()
        .write(move |tx| {
            let (registry, batch, who) = (registry.clone(), batch.clone(), who.clone());
            async move {
                let row = store::get(&*tx, &registry, &batch).await?;
                if State::of_name(&row.state) != State::Failed {
                    return Err(Error::refused("flow-not-stuck"));
                }
                let body = event::Retried {
                    batch: row.batch.clone(),
                    publication: row.publication.clone(),
                    hop: registry,
                };
                tx.emit(format!("batch:{batch}"), &who, &body)?;
                Pump::order(&tx, &row.publication)?;
                let state = State::Waiting.name().into();
                store::update(&tx, Feeding { state, ..row }).await
            }
        })
        .await
}

/// A row that a registry refused.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = FlowRefusedRow)]
pub struct RefusedRow {
    /// Of the changes that went in, the header being 1.
    #[schema(example = 2)]
    pub row: i64,
    /// The record's key, by which the department finds the row.
    #[schema(example = "321002199001010011")]
    pub key: String,
    /// Empty where the row as a whole is wrong.
    #[schema(example = "csrq")]
    pub field: String,
    /// Key of the message with the rule and the remedy, and its arguments.
    pub reason: String,
    pub args: Vec<(String, String)>,
}

/// Rows of a batch that a registry refused, for people of the department that they came from.
pub async fn refusals(
    app: &App,
    actor: &Actor,
    registry: &str,
    batch: &str,
    page: &PageRequest,
) -> Result<PageOf<RefusedRow>> {
    let db = app.db();
    let Some(sent) = above::batch(db.read(), batch).await? else {
        // Which batches there are is no secret for those only who watch over them.
        may(app, actor, "flow.read", None)?;
        return Err(Error::NotFound { what: "batch" });
    };
    may(app, actor, "flow.refused", Some(&sent.org))?;
    store::get(db.read(), registry, batch).await?;
    let found = store::refusals(db.read(), registry, batch, page).await?;
    let (who, body) = (
        actor.trace(),
        event::RefusedRead {
            batch: batch.to_owned(),
            registry: registry.to_owned(),
            rows: found.items.len(),
        },
    );
    db.write(move |tx| {
        let (who, body) = (who.clone(), body.clone());
        async move { tx.emit(format!("batch:{}", body.batch), &who, &body) }
    })
    .await?;
    let mut items = Vec::new();
    for row in found.items {
        let (reason, args) =
            serde_json::from_str(&row.reason).map_err(|e| Fault::caused_by("read a refusal", e))?;
        items.push(RefusedRow {
            row: row.row,
            key: row.key,
            field: row.field,
            reason,
            args,
        });
    }
    Ok(PageOf {
        items,
        next: found.next,
    })
}
