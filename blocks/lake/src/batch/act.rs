//! Taking a batch: every row is checked on its way, and it is committed whole or not at all.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ::store::{
    Db,
    page::{PageOf, PageRequest},
};
use datafusion::{
    arrow::{
        array::{Array, AsArray, BooleanArray, Int64Array, RecordBatch},
        compute::{cast, filter},
        datatypes::{DataType, Field, Schema, SchemaRef},
    },
    prelude::{SessionContext, ident},
};
use futures::{Stream, StreamExt};
use identity::{Actor, Gate};
use kernel::{Error, Fault, Finding, Result, Text};
use web::App;

use super::{
    BatchOutcome, Delivery, Mode, OnBad,
    aside::{self, SetAside},
    store,
};
use crate::{
    Lake, Table,
    declaration::store as declarations,
    delta::{self, ASIDE, GONE, PLACE, Rows, TABLES, Writing},
    quality::{
        Check, Rule,
        check::{Checked, Checker, Known},
        known,
        seen::Seen,
    },
    resource,
    schema::batch as row,
};

/// Takes a batch of rows into a table of the lake.
///
/// `schema` is what the rows look like; columns that the table does not have are refused, those
/// that are not there are empty. Values may come as text: they are read as the column's type. Rows
/// are checked, written and forgotten as they come, so that memory does not grow with their
/// number. The same delivery again (table and number) changes nothing and answers what came of it
/// the first time; one that broke off, at whichever side, is sent again from its first row.
pub async fn take<S>(
    app: &App,
    actor: &Actor,
    delivery: &Delivery,
    schema: SchemaRef,
    rows: S,
) -> Result<BatchOutcome>
where
    S: Stream<Item = Result<RecordBatch>> + Send + Unpin,
{
    let lake = app.part::<Lake>()?;
    let db = &lake.0.db;
    let table = Arc::new(declarations::get(db.read(), &delivery.table).await?);
    actor.may(&*app.part::<Gate>()?, "lake.deliver", &resource(&table))?;
    check_delivery(&table, delivery, &schema)?;
    let lock = lake.lock(&table.id);
    let _alone = lock.lock().await;
    let (announced, who) = (delivery.clone(), actor.trace());
    let begun = db
        .write(move |tx| {
            let (announced, who) = (announced.clone(), who.clone());
            async move { store::begin(&tx, &announced, &who).await }
        })
        .await?;
    if begun.state != store::LOADING {
        return store::outcome(db.read(), begun, true).await;
    }
    let open = lake
        .0
        .place
        .create(TABLES, &table.id, &table.schema(), table.keep_days)
        .await?;
    let is_held = delta::holds(&open, &delivery.id).await?;
    let begun = if is_held {
        begun
    } else {
        found(db, begun, open.version()).await?
    };
    let into = Found {
        before: u64::try_from(begun.version).ok(),
        table: (!is_held).then_some(open),
    };
    let mut taking = Taking::prepare(app, &lake, table, delivery, into).await?;
    taking.flow(rows).await?;
    let (row, counts) = taking.end(begun).await?;
    let who = actor.trace();
    let (kept, of) = (row.clone(), Arc::new(counts));
    db.write(move |tx| {
        let (kept, of, who) = (kept.clone(), of.clone(), who.clone());
        async move { store::finish(&tx, &kept, &of, &who).await }
    })
    .await?;
    store::outcome(db.read(), row, false).await
}

/// The table as a batch finds it.
struct Found {
    /// Version before the batch, whatever was committed since.
    before: Option<u64>,
    /// Absent where the batch's rows are in it already.
    table: Option<deltalake::DeltaTable>,
}

/// Keeps the version that a batch finds. Should the server stop between the commit in the lake and
/// that in the database, the rows are compared with that version again, and not with themselves.
async fn found(db: &Db, begun: row::Model, version: Option<u64>) -> Result<row::Model> {
    let version = version.and_then(|v| i64::try_from(v).ok()).unwrap_or(-1);
    let begun = row::Model { version, ..begun };
    let row = begun.clone();
    db.write(move |tx| {
        let row = row.clone();
        async move { store::found(&tx, &row).await }
    })
    .await?;
    Ok(begun)
}

fn check_delivery(table: &Table, delivery: &Delivery, schema: &SchemaRef) -> Result<()> {
    let mut findings = Vec::new();
    let is_fit = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if !(1..=100).contains(&delivery.id.len()) || !delivery.id.chars().all(is_fit) {
        findings.push(Finding::new("batch", Text::new("lake-batch-number")));
    }
    let is_merge = delivery.mode == Mode::Merge;
    if is_merge && table.key.is_empty() {
        findings.push(Finding::new("mode", Text::new("lake-batch-no-key")));
    }
    for field in schema.fields() {
        let is_known = table.column(field.name()).is_some();
        let is_mark = is_merge && field.name() == GONE;
        if !is_known && !is_mark {
            findings.push(Finding::new(field.name(), Text::new("lake-batch-column")));
        }
    }
    let missing = table
        .key
        .iter()
        .filter(|id| schema.field_with_name(id).is_err());
    findings.extend(missing.map(|id| Finding::new(id, Text::new("lake-batch-key-missing"))));
    if findings.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(findings))
    }
}

/// Rows that are checked at once.
const STEP: usize = 8_192;

/// A batch on its way.
struct Taking<'a> {
    lake: &'a Lake,
    table: Arc<Table>,
    delivery: &'a Delivery,
    checker: Arc<Mutex<Checker>>,
    /// Form of the rows as they are written.
    form: SchemaRef,
    into: Into,
    aside: Into,
    good: i64,
    bad: i64,
    warned: i64,
}

/// Where rows go.
enum Into {
    /// Nothing is to be written, or not any more.
    Nowhere,
    /// Once there is a row.
    Later,
    Open(Rows, Writing),
}

impl<'a> Taking<'a> {
    async fn prepare(
        app: &App,
        lake: &'a Lake,
        table: Arc<Table>,
        delivery: &'a Delivery,
        found: Found,
    ) -> Result<Self> {
        let now = lake.0.db.clock().now();
        let is_merge = delivery.mode == Mode::Merge;
        let known = gather(app, lake, &table, delivery, found.before).await?;
        let key = table.key.clone();
        // A merge keeps the key unique itself: the last row of a key counts.
        let skips = |rule: &Rule| match &rule.check {
            Check::Unique { columns } => is_merge && *columns == key,
            _ => false,
        };
        let checker = Checker::new(table.clone(), known, now, skips)?;
        let mut fields: Vec<_> = table.schema().fields().iter().cloned().collect();
        if is_merge {
            fields.push(Arc::new(Field::new(GONE, DataType::Boolean, false)));
            fields.push(Arc::new(Field::new(PLACE, DataType::Int64, false)));
        }
        let form = Arc::new(Schema::new(fields));
        let into = match found.table {
            None => Into::Nowhere,
            Some(open) => {
                let (rows, writing) = if is_merge {
                    delta::merge(open, &table, &form, &delivery.id)?
                } else {
                    let is_overwrite = delivery.mode == Mode::Overwrite;
                    delta::write(open, &form, &delivery.id, is_overwrite)?
                };
                Into::Open(rows, writing)
            }
        };
        Ok(Self {
            lake,
            table,
            delivery,
            checker: Arc::new(Mutex::new(checker)),
            form,
            into,
            aside: Into::Later,
            good: 0,
            bad: 0,
            warned: 0,
        })
    }

    async fn flow<S>(&mut self, mut rows: S) -> Result<()>
    where
        S: Stream<Item = Result<RecordBatch>> + Send + Unpin,
    {
        while let Some(raw) = rows.next().await {
            let raw = raw?;
            for start in (0..raw.num_rows()).step_by(STEP) {
                self.piece(raw.slice(start, STEP.min(raw.num_rows() - start)))
                    .await?;
            }
        }
        Ok(())
    }

    async fn piece(&mut self, raw: RecordBatch) -> Result<()> {
        let gone = gone(&raw)?;
        let (rules, deleted) = (self.checker.clone(), gone.clone());
        // Checking computes, and looks for values in files.
        let checking = tokio::task::spawn_blocking(move || {
            let mut rules = locked(&rules);
            let first = rules.rows();
            Ok::<_, Fault>((first, rules.check(&raw, deleted.as_ref())?))
        });
        let done = checking.await;
        let (first, checked) = done.map_err(|e| Fault::caused_by("check rows", e))??;
        self.bad += checked.bad_rows;
        self.warned += checked.warned_rows;
        self.set_aside(&checked).await?;
        if self.bad > 0 && self.delivery.on_bad == OnBad::RefuseAll {
            // Dropped without its end, the write commits nothing. The other rows are still
            // looked at, so that the deliverer learns of all at once.
            self.into = Into::Nowhere;
            return Ok(());
        }
        self.good += i64::try_from(checked.good.num_rows()).unwrap_or_default();
        let ready = match self.delivery.mode {
            Mode::Merge => arriving(&self.form, &checked, gone.as_ref(), first)?,
            Mode::Append | Mode::Overwrite => checked.good,
        };
        Ok(self.into.send(ready).await?)
    }

    async fn set_aside(&mut self, checked: &Checked) -> Result<()> {
        if checked.bad.is_empty() {
            return Ok(());
        }
        if matches!(self.aside, Into::Later) {
            let (form, days) = (aside::schema(), self.table.keep_days);
            let place = &self.lake.0.place;
            let open = place.create(ASIDE, &self.table.id, &form, days).await?;
            self.aside = if delta::holds(&open, &self.delivery.id).await? {
                Into::Nowhere
            } else {
                let id = &self.delivery.id;
                let (rows, writing) = delta::write(open, &form, id, false)?;
                Into::Open(rows, writing)
            };
        }
        let rows = aside::rows(&self.delivery.id, &checked.bad)?;
        Ok(self.aside.send(rows).await?)
    }

    /// Commits, and says what is to be kept of it.
    async fn end(self, begun: row::Model) -> Result<(row::Model, BTreeMap<(String, String), i64>)> {
        let is_refused = self.bad > 0 && self.delivery.on_bad == OnBad::RefuseAll;
        let mut version = self.into.end().await?;
        if version.is_none() && !is_refused {
            // Committed by an earlier run that could not tell the database.
            let open = self.lake.0.place.open(TABLES, &self.table.id, None).await?;
            version = open.and_then(|open| open.version());
        }
        self.aside.end().await?;
        let mut checker = locked(&self.checker);
        let row = row::Model {
            state: if is_refused {
                store::REFUSED
            } else {
                store::LOADED
            }
            .into(),
            rows: checker.rows(),
            good: if is_refused { 0 } else { self.good },
            bad: self.bad,
            warned: self.warned,
            version: version.and_then(|v| i64::try_from(v).ok()).unwrap_or(-1),
            ..begun
        };
        Ok((row, std::mem::take(&mut checker.counts)))
    }
}

fn locked(checker: &Mutex<Checker>) -> MutexGuard<'_, Checker> {
    checker.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Into {
    async fn send(&mut self, batch: RecordBatch) -> Result<(), Fault> {
        let Self::Open(rows, _) = self else {
            return Ok(());
        };
        if batch.num_rows() == 0 || rows.send(batch).await {
            return Ok(());
        }
        match std::mem::replace(self, Self::Nowhere) {
            Self::Open(_, writing) => Err(give_up(writing).await),
            _ => Ok(()),
        }
    }

    /// The version after the commit; `None` where nothing was to be written.
    async fn end(self) -> Result<Option<u64>, Fault> {
        let Self::Open(rows, writing) = self else {
            return Ok(None);
        };
        rows.end().await;
        let version = writing
            .await
            .map_err(|e| Fault::caused_by("write into a lake table", e))??;
        Ok(Some(version))
    }
}

async fn give_up(writing: Writing) -> Fault {
    match writing.await {
        Ok(Err(fault)) => fault,
        Ok(Ok(_)) => Fault::new("a lake write ended before its rows"),
        Err(error) => Fault::caused_by("write into a lake table", error),
    }
}

/// Which rows the source has no more.
fn gone(raw: &RecordBatch) -> Result<Option<BooleanArray>, Fault> {
    let Some(array) = raw.column_by_name(GONE) else {
        return Ok(None);
    };
    let flags = cast(array, &DataType::Boolean)
        .map_err(|e| Fault::caused_by("read which rows are gone", e))?;
    let flags = flags.as_boolean();
    Ok(Some(
        (0..flags.len())
            .map(|r| Some(flags.is_valid(r) && flags.value(r)))
            .collect(),
    ))
}

/// Good rows with what a merge wants to know of them.
fn arriving(
    form: &SchemaRef,
    checked: &Checked,
    gone: Option<&BooleanArray>,
    first: i64,
) -> Result<RecordBatch, Fault> {
    let broken = |e| Fault::caused_by("form rows for a merge", e);
    let good = &checked.good;
    let gone = match gone {
        Some(gone) => filter(gone, &checked.kept).map_err(broken)?,
        None => Arc::new(BooleanArray::from(vec![false; good.num_rows()])),
    };
    let places: Int64Array = (first..).take(good.num_rows()).map(Some).collect();
    let mut columns = good.columns().to_vec();
    columns.extend([gone, Arc::new(places)]);
    RecordBatch::try_new(form.clone(), columns).map_err(broken)
}

/// The codes and values that the table's rules ask for.
async fn gather(
    app: &App,
    lake: &Lake,
    table: &Table,
    delivery: &Delivery,
    before: Option<u64>,
) -> Result<Known> {
    let mut known = Known::default();
    for rule in &table.rules {
        match &rule.check {
            Check::Code { table } => {
                let registries = app.part::<registry::Registries>()?;
                let codes = registries.codes(app.db(), table).await?;
                known
                    .codes
                    .insert(rule.id.clone(), codes.keys().cloned().collect());
            }
            Check::Reference { table: other, to } => {
                let other = declarations::get(lake.0.db.read(), other).await?;
                let values = values(lake, &other, std::slice::from_ref(to), None).await?;
                known.values.insert(rule.id.clone(), values);
            }
            // Rows of a merge replace others, and an overwrite all: what is there is no rival.
            Check::Unique { columns } if delivery.mode == Mode::Append => {
                let values = values(lake, table, columns, before).await?;
                known.values.insert(rule.id.clone(), values);
            }
            Check::Unique { .. } => {
                known.values.insert(rule.id.clone(), lake.seen());
            }
            _ => {}
        }
    }
    Ok(known)
}

async fn values(
    lake: &Lake,
    table: &Table,
    columns: &[String],
    version: Option<u64>,
) -> Result<Seen, Fault> {
    let none = lake.seen();
    let Some(open) = lake.0.place.open(TABLES, &table.id, version).await? else {
        return Ok(none);
    };
    let broken = |e| Fault::caused_by("read known values", e);
    let context = SessionContext::new();
    open.update_datafusion_session(&context.state())
        .map_err(delta::failed("read known values"))?;
    let kinds = columns
        .iter()
        .filter_map(|id| Some(table.column(id)?.data_type()))
        .collect();
    let stream = context
        .read_table(delta::provider(&open, None).await?)
        .and_then(|frame| frame.select(columns.iter().map(ident).collect::<Vec<_>>()))
        .map_err(broken)?
        .execute_stream()
        .await
        .map_err(broken)?;
    known::add_stream(none, stream, &kinds).await
}

/// A table's batches, the latest first.
pub async fn list(
    app: &App,
    actor: &Actor,
    table: &str,
    page: &PageRequest,
) -> Result<PageOf<BatchOutcome>> {
    let lake = app.part::<Lake>()?;
    let db = lake.0.db.read();
    let declared = declarations::get(db, table).await?;
    actor.may(&*app.part::<Gate>()?, "lake.report", &resource(&declared))?;
    let found = store::list(db, table, page).await?;
    let mut items = Vec::new();
    for row in found.items {
        items.push(store::outcome(db, row, false).await?);
    }
    Ok(PageOf {
        items,
        next: found.next,
    })
}

/// Rows of a report on one page.
const REPORT: usize = 200;

/// What came of one batch, and its first rows that were set aside after the given one.
pub async fn report(
    app: &App,
    actor: &Actor,
    table: &str,
    batch: &str,
    after: i64,
) -> Result<(BatchOutcome, Vec<SetAside>)> {
    let lake = app.part::<Lake>()?;
    let db = lake.0.db.read();
    let declared = declarations::get(db, table).await?;
    actor.may(&*app.part::<Gate>()?, "lake.report", &resource(&declared))?;
    let row = store::lookup(db, table, batch).await?;
    let row = row.ok_or(Error::NotFound { what: "batch" })?;
    let outcome = store::outcome(db, row, false).await?;
    let rows = aside::list(&lake, table, batch, after, REPORT).await?;
    Ok((outcome, rows))
}
