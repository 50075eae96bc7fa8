//! Loading a file.

use std::{io::Read, path::Path, sync::Arc};

use ::store::{
    Tx,
    page::{PageOf, PageRequest},
};
use chrono::NaiveDate;
use identity::{Actor, Gate};
use kernel::{Error, Fault, Result, Text};
use tokio::sync::mpsc;
use web::App;

use super::{
    Batch, Mode, REFUSALS_KEPT, Refusal, State,
    read::{self, Step},
    store,
};
use crate::{
    Declaration, Registries, event,
    record::{
        Act,
        act::{may_as_source, must_not_be_later, registry},
        apply::{self, Delivery, Outcome},
    },
    schema::batch::Model,
};

/// What a file is.
#[derive(Clone, Debug)]
pub struct Loading {
    pub registry: String,
    pub source: String,
    /// The deliverer's number; the same file under the same number is taken once.
    pub batch: String,
    pub mode: Mode,
    /// The day from which what it says holds.
    pub valid_from: Option<NaiveDate>,
}

/// Loads a CSV file, going on where an earlier attempt at the same file stopped.
pub async fn load(app: &App, actor: &Actor, loading: &Loading, file: &Path) -> Result<Batch> {
    let registries = app.part::<Registries>()?;
    let db = app.db();
    let declaration = may(app, actor, loading).await?;
    must_be_a_number(&loading.batch)?;
    let today = app.clock().today();
    let valid_from = must_not_be_later(loading.valid_from.unwrap_or(today), today)?;
    let path = file.to_owned();
    let digest = blocking(move || digest(&path)).await?;
    let mut load = Load {
        app: app.clone(),
        registries: registries.clone(),
        codes: Arc::new(registries.codes_of(db, &declaration).await?),
        declaration,
        delivery: Delivery {
            source: loading.source.clone(),
            act: Act::State,
            valid_from,
            batch: Some(loading.batch.clone()),
            actor: actor.trace(),
            reason: String::new(),
        },
        path: Arc::new(file.to_owned()),
        today,
    };
    // The header is looked at before anything is noted.
    load.open().await?;
    let begun = load.begin(loading, &digest).await?;
    if State::of_name(&begun.state) != State::Loading {
        return Ok(store::read(begun));
    }
    // A load that goes on another day says what it began to say.
    load.delivery.valid_from = begun.valid_from;
    let is_whole = loading.mode == Mode::AllOrNothing;
    if is_whole && begun.rows_done == 0 && load.try_all(&begun).await? {
        return Ok(store::read(load.refused(&begun).await?));
    }
    load.write_all(&begun).await?;
    Ok(store::read(load.finish(&begun).await?))
}

/// Whether the actor may load files of that source; answers the registry.
pub async fn may(app: &App, actor: &Actor, loading: &Loading) -> Result<Arc<Declaration>> {
    let registries = app.part::<Registries>()?;
    let declaration = registries
        .declaration(app.db().read(), &loading.registry)
        .await?;
    may_as_source(app, actor, "registry.load", &declaration, &loading.source).await?;
    Ok(declaration)
}

fn must_be_a_number(batch: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if batch.is_empty() || batch.len() > 100 || !batch.chars().all(is_plain) {
        return Err(Error::invalid("batch", Text::new("registry-batch-number")));
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Fault::caused_by("read a delivered file", e))?
}

fn digest(path: &Path) -> Result<String> {
    let unreadable = |e| Fault::caused_by("read a delivered file", e);
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let mut hash = kernel::crypto::Sm3::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer).map_err(unreadable)?;
        match buffer.get(..read) {
            Some(bytes) if !bytes.is_empty() => hash.update(bytes),
            _ => return Ok(crate::table::hex(&hash.finish())),
        }
    }
}

/// Everything that the steps of a load share.
#[derive(Clone)]
struct Load {
    app: App,
    registries: Arc<Registries>,
    codes: Arc<std::collections::HashMap<String, Arc<crate::part::Codes>>>,
    declaration: Arc<Declaration>,
    delivery: Delivery,
    path: Arc<std::path::PathBuf>,
    today: NaiveDate,
}

impl Load {
    async fn open(&self) -> Result<read::Table> {
        let (path, declaration) = (self.path.clone(), self.declaration.clone());
        blocking(move || read::open(&path, &declaration)).await
    }

    /// The steps of the file after `skip` rows, read and checked beside the writing.
    async fn steps(&self, skip: i64) -> Result<mpsc::Receiver<Result<Step>>> {
        let table = self.open().await?;
        let (sender, receiver) = mpsc::channel(2);
        let load = self.clone();
        tokio::task::spawn_blocking(move || {
            read::read(
                table,
                &load.declaration,
                &load.codes,
                load.today,
                skip,
                &sender,
            );
        });
        Ok(receiver)
    }

    /// Notes the batch, or finds the one that was noted before.
    async fn begin(&self, loading: &Loading, digest: &str) -> Result<Model> {
        let new = Model {
            registry: loading.registry.clone(),
            id: loading.batch.clone(),
            source: loading.source.clone(),
            digest: digest.to_owned(),
            mode: loading.mode.name().to_owned(),
            state: State::Loading.name().to_owned(),
            valid_from: self.delivery.valid_from,
            rows_done: 0,
            inserted: 0,
            updated: 0,
            unchanged: 0,
            refused: 0,
            actor: self.delivery.actor.clone(),
            started_at: 0,
            finished_at: None,
        };
        self.app
            .db()
            .write(move |tx| {
                let mut new = new.clone();
                async move {
                    if let Some(known) = store::lookup(&*tx, &new.registry, &new.id).await? {
                        let is_same = known.digest == new.digest
                            && known.source == new.source
                            && known.mode == new.mode;
                        return if is_same {
                            Ok(known)
                        } else {
                            Err(Error::refused("registry-batch-other"))
                        };
                    }
                    new.started_at = store::now(&tx);
                    store::insert(&tx, new.clone()).await?;
                    Ok(new)
                }
            })
            .await
    }

    /// Looks at every row without writing records; answers whether any is bad. The refusals are
    /// kept.
    async fn try_all(&self, begun: &Model) -> Result<bool> {
        let mut steps = self.steps(0).await?;
        let mut earlier = apply::Earlier::default();
        let mut count = 0;
        while let Some(step) = steps.recv().await {
            let step = step?;
            let mut refused = step.refused;
            let db = self.app.db().read();
            let more = apply::would_refuse(
                db,
                &self.registries,
                &self.declaration,
                &mut earlier,
                step.drafts,
            )
            .await?;
            refused.extend(more);
            if refused.is_empty() {
                continue;
            }
            count += i64::try_from(refused.len()).unwrap_or(i64::MAX);
            self.keep_refusals(begun, refused, count).await?;
        }
        Ok(count > 0)
    }

    async fn keep_refusals(
        &self,
        begun: &Model,
        refused: Vec<(usize, Vec<apply::Wrong>)>,
        count: i64,
    ) -> Result<()> {
        let begun = begun.clone();
        let refused = Arc::new(refused);
        self.app
            .db()
            .write(move |tx| {
                let (begun, refused) = (begun.clone(), refused.clone());
                async move {
                    let mut row = store::get(&*tx, &begun.registry, &begun.id).await?;
                    if row.refused < REFUSALS_KEPT {
                        store::insert_refusals(&tx, &row, &refused).await?;
                    }
                    row.refused = count;
                    store::update(&tx, row).await
                }
            })
            .await
    }

    async fn refused(&self, begun: &Model) -> Result<Model> {
        let (begun, who) = (begun.clone(), self.delivery.actor.clone());
        self.app
            .db()
            .write(move |tx| {
                let (begun, who) = (begun.clone(), who.clone());
                async move {
                    let mut row = store::get(&*tx, &begun.registry, &begun.id).await?;
                    State::Refused.name().clone_into(&mut row.state);
                    row.finished_at = Some(store::now(&tx));
                    store::update(&tx, row.clone()).await?;
                    let body = event::Refused {
                        registry: row.registry.clone(),
                        batch: row.id.clone(),
                        source: row.source.clone(),
                        digest: row.digest.clone(),
                        refused: row.refused,
                    };
                    tx.emit(format!("batch:{}/{}", row.registry, row.id), who, &body)?;
                    Ok(row)
                }
            })
            .await
    }

    async fn write_all(&self, begun: &Model) -> Result<()> {
        let mut steps = self.steps(begun.rows_done).await?;
        while let Some(step) = steps.recv().await {
            self.write_step(begun, step?).await?;
        }
        Ok(())
    }

    async fn write_step(&self, begun: &Model, step: Step) -> Result<()> {
        let (load, begun, step) = (self.clone(), begun.clone(), Arc::new(step));
        self.app
            .db()
            .write(move |tx| {
                let (load, begun, step) = (load.clone(), begun.clone(), step.clone());
                async move { load.write_step_in(&tx, &begun, &step).await }
            })
            .await
    }

    async fn write_step_in(&self, tx: &Tx, begun: &Model, step: &Step) -> Result<()> {
        let mut row = store::get(&**tx, &begun.registry, &begun.id).await?;
        // Somebody else loads the same file beside us and was here before.
        if row.rows_done > step.before {
            return Ok(());
        }
        let Outcome {
            inserted,
            updated,
            unchanged,
            mut refused,
            ..
        } = apply::apply(
            tx,
            &self.registries,
            &self.declaration,
            &self.delivery,
            step.drafts.clone(),
        )
        .await?;
        refused.extend(step.refused.iter().cloned());
        if row.refused < REFUSALS_KEPT {
            store::insert_refusals(tx, &row, &refused).await?;
        }
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        row.rows_done = step.before + step.rows;
        row.inserted += count(inserted);
        row.updated += count(updated);
        row.unchanged += count(unchanged);
        row.refused += count(refused.len());
        store::update(tx, row).await
    }

    async fn finish(&self, begun: &Model) -> Result<Model> {
        let (begun, who) = (begun.clone(), self.delivery.actor.clone());
        self.app
            .db()
            .write(move |tx| {
                let (begun, who) = (begun.clone(), who.clone());
                async move {
                    let mut row = store::get(&*tx, &begun.registry, &begun.id).await?;
                    if State::of_name(&row.state) == State::Loaded {
                        return Ok(row);
                    }
                    State::Loaded.name().clone_into(&mut row.state);
                    row.finished_at = Some(store::now(&tx));
                    store::update(&tx, row.clone()).await?;
                    let body = event::Loaded {
                        registry: row.registry.clone(),
                        batch: row.id.clone(),
                        source: row.source.clone(),
                        digest: row.digest.clone(),
                        inserted: row.inserted,
                        updated: row.updated,
                        unchanged: row.unchanged,
                        refused: row.refused,
                    };
                    tx.emit(format!("batch:{}/{}", row.registry, row.id), who, &body)?;
                    Ok(row)
                }
            })
            .await
    }
}

/// A batch and a page of its refusals.
pub async fn get(
    app: &App,
    actor: &Actor,
    registry_id: &str,
    id: &str,
    page: &PageRequest,
) -> Result<(Batch, PageOf<Refusal>)> {
    let registries = app.part::<Registries>()?;
    let db = app.db().read();
    let declaration = registries.declaration(db, registry_id).await?;
    actor.may(
        &*app.part::<Gate>()?,
        "registry.read",
        &registry(&declaration),
    )?;
    let row = store::get(db, registry_id, id).await?;
    let refusals = store::refusals(db, registry_id, id, page).await?;
    Ok((store::read(row), refusals))
}

/// The newest batches of a registry.
pub async fn list(app: &App, actor: &Actor, registry_id: &str) -> Result<Vec<Batch>> {
    let registries = app.part::<Registries>()?;
    let db = app.db().read();
    let declaration = registries.declaration(db, registry_id).await?;
    actor.may(
        &*app.part::<Gate>()?,
        "registry.read",
        &registry(&declaration),
    )?;
    store::list(db, registry_id).await
}
