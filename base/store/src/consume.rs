//! Consumers: how sealed events take effect once.
//!
//! A consumer's effect and its position are written in one transaction, which first checks that
//! the position is still where reading began; so a crash repeats a batch whole or not at all, and
//! of two processes only one gets through.
//!
//! **An event on which a consumer keeps failing** is tried [`PARK_AFTER`] times with growing
//! pauses, alone, and then parked: noted in `store_parked` with the reason, and passed over, so
//! that the consumer's other events and all other consumers go on. Later events of the same
//! subject are not held back; consumers whose events depend on one another must cope with a gap.
//! A parked event stays until [`retry_parked`] succeeds.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use chrono::{DateTime, Duration, Utc};
use futures::FutureExt;
use kernel::Fault;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, ModelTrait, QueryFilter,
    QueryOrder, QuerySelect, sea_query::OnConflict,
};
use serde::Serialize;

use crate::{
    Consumer, Db, Event, Tx, fault,
    fault::chain_of,
    schema::{consumer as table, event, parked},
    seal,
};

/// Failures after which an event is parked.
pub const PARK_AFTER: i32 = 5;
/// Events of one transaction at the most. Small, because on SQLite everybody waits behind it.
const BATCH: usize = 64;
/// Events looked through for some that concern the consumer.
const PAGE: usize = 256;
/// Doubles with every failure. Faults of the database itself are not the event's and not counted.
const FIRST_PAUSE: Duration = Duration::seconds(1);

/// What one step of a consumer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It moved on; there may be more.
    Moved,
    /// Nothing to read.
    Idle,
    /// An event failed; not before this moment again.
    Waits(DateTime<Utc>),
}

/// Takes the next events, in one write. Failures are noted in the consumer's row and are not
/// errors of this function, unless the database itself fails.
pub async fn step(db: &Db, consumer: &Arc<dyn Consumer>) -> kernel::Result<Step> {
    step_from(db, consumer, &mut Place::default()).await
}

/// Where a consumer stood after its last step, if that went well; otherwise its row says it.
#[derive(Default)]
pub(crate) struct Place(Option<table::Model>);

/// As [`step`], from a place that is remembered. Another process may have moved on since: then
/// nothing is taken, and the next step reads the row.
pub(crate) async fn step_from(
    db: &Db,
    consumer: &Arc<dyn Consumer>,
    place: &mut Place,
) -> kernel::Result<Step> {
    let state = match place.0.take() {
        Some(state) => state,
        None => state_of(db, consumer.name()).await?,
    };
    let retry_at = kernel::clock::from_micros(state.retry_at);
    if retry_at > db.clock().now() {
        return Ok(Step::Waits(retry_at));
    }
    // After a failure the first event is the one to blame, and is tried alone.
    let batch = if state.failures == 0 { BATCH } else { 1 };
    let Some(mut reading) = read_on(db, consumer, state.position, batch).await? else {
        place.0 = Some(state);
        return Ok(Step::Idle);
    };
    loop {
        let outcome = take_all(db, consumer, state.position, reading.clone()).await;
        match outcome {
            Ok(is_taken) => {
                place.0 = is_taken.then(|| standing_at(consumer.name(), reading.up_to));
                return Ok(Step::Moved);
            }
            Err(Failure {
                error: kernel::Error::Fault(fault),
                ..
            }) if fault.is_transient => {
                return Err(fault.into());
            }
            // What they gathered could not be written, and nobody knows whose it was.
            Err(Failure { at, .. }) if at > 1 && at == reading.events.len() => {
                reading.keep(at / 2);
            }
            // Those before the one that failed are not to wait for it.
            Err(Failure { at, .. }) if at > 0 && at < reading.events.len() => reading.keep(at),
            Err(Failure { error, .. }) => {
                let Some(event) = reading.events.into_iter().next() else {
                    return Err(error);
                };
                return note_failure(db, consumer.name(), &state, event, &error).await;
            }
        }
    }
}

/// Steps until nothing is left to read or an event waits; answers whether it moved.
pub async fn drain(db: &Db, consumer: &Arc<dyn Consumer>) -> kernel::Result<bool> {
    let mut has_moved = false;
    while step(db, consumer).await? == Step::Moved {
        has_moved = true;
    }
    Ok(has_moved)
}

/// Some events that concern the consumer, and the position up to which there are no others.
#[derive(Clone)]
struct Reading {
    events: Vec<Arc<Event>>,
    up_to: i64,
}

impl Reading {
    /// Keeps the first few events.
    fn keep(&mut self, count: usize) {
        self.events.truncate(count);
        if let Some(last) = self.events.last() {
            self.up_to = last.position;
        }
    }
}

/// Why a batch was not taken, and at which of its events.
struct Failure {
    at: usize,
    error: kernel::Error,
}

async fn read_on(
    db: &Db,
    consumer: &Arc<dyn Consumer>,
    after: i64,
    batch: usize,
) -> kernel::Result<Option<Reading>> {
    let mut reading = Reading {
        events: Vec::new(),
        up_to: after,
    };
    for event in list_sealed(db, after).await? {
        if consumer.reads(&event.kind) {
            if reading.events.len() == batch {
                break;
            }
            reading.events.push(event.clone());
        }
        reading.up_to = event.position;
    }
    Ok((reading.up_to > after).then_some(reading))
}

/// The next page of sealed events: from memory if this process sealed them a moment ago.
async fn list_sealed(db: &Db, after: i64) -> kernel::Result<Vec<Arc<Event>>> {
    let recent = db.recent().after(after, PAGE);
    if !recent.is_empty() {
        return Ok(recent);
    }
    let rows = list_after(db.read(), after, PAGE as u64).await?;
    Ok(rows.into_iter().map(Event::of).map(Arc::new).collect())
}

async fn list_after(
    connection: &impl ConnectionTrait,
    after: i64,
    limit: u64,
) -> kernel::Result<Vec<event::Model>> {
    let rows = event::Entity::find()
        .filter(event::Column::Position.gt(after))
        .order_by_asc(event::Column::Position)
        .limit(limit)
        .all(connection)
        .await
        .map_err(|e| fault("read events", e))?;
    Ok(rows)
}

async fn take_all(
    db: &Db,
    consumer: &Arc<dyn Consumer>,
    from: i64,
    reading: Reading,
) -> Result<bool, Failure> {
    let consumer = consumer.clone();
    let reading = Arc::new(reading);
    let taken = Arc::new(AtomicUsize::new(0));
    let at = taken.clone();
    let outcome = db.write(move |tx| {
        let (consumer, reading, taken) = (consumer.clone(), reading.clone(), taken.clone());
        async move {
            taken.store(0, Ordering::Relaxed);
            if !move_on(&tx, consumer.name(), from, reading.up_to).await? {
                // Another process has taken these events.
                return Ok(false);
            }
            consumer.prepare(&tx, &reading.events).await?;
            for event in &reading.events {
                take_one(&tx, &consumer, event).await?;
                taken.fetch_add(1, Ordering::Relaxed);
            }
            Ok(true)
        }
    });
    outcome.await.map_err(|error| Failure {
        at: at.load(Ordering::Relaxed),
        error,
    })
}

/// A panic in a consumer is a failure of its event, not of the program.
async fn take_one(tx: &Tx, consumer: &Arc<dyn Consumer>, event: &Event) -> kernel::Result<()> {
    let taking = AssertUnwindSafe(consumer.take(tx, event)).catch_unwind();
    taking
        .await
        .unwrap_or_else(|_| Err(Fault::new("the consumer panicked").into()))
}

/// Moves the position on if it is still where reading began.
async fn move_on(tx: &Tx, name: &str, from: i64, to: i64) -> kernel::Result<bool> {
    let moved = table::Entity::update_many()
        .set(table::ActiveModel {
            position: Set(to),
            failures: Set(0),
            retry_at: Set(0),
            last_error: Set(None),
            ..Default::default()
        })
        .filter(table::Column::Name.eq(name))
        .filter(table::Column::Position.eq(from))
        .exec(&**tx)
        .await
        .map_err(|e| fault("move a consumer on", e))?;
    Ok(moved.rows_affected == 1)
}

fn standing_at(name: &str, position: i64) -> table::Model {
    table::Model {
        name: name.to_owned(),
        position,
        failures: 0,
        retry_at: 0,
        last_error: None,
    }
}

async fn state_of(db: &Db, name: &'static str) -> kernel::Result<table::Model> {
    let found = table::Entity::find_by_id(name)
        .one(db.read())
        .await
        .map_err(|e| fault("read a consumer's position", e))?;
    if let Some(state) = found {
        return Ok(state);
    }
    let new = standing_at(name, 0);
    let row: table::ActiveModel = new.clone().into();
    db.write(move |tx| {
        let row = row.clone();
        async move {
            let key = OnConflict::column(table::Column::Name)
                .do_nothing()
                .to_owned();
            table::Entity::insert(row)
                .on_conflict(key)
                .exec_without_returning(&*tx)
                .await
                .map_err(|e| fault("insert a consumer", e))?;
            Ok(())
        }
    })
    .await?;
    Ok(new)
}

/// Notes that an event failed, and parks it when it has failed often enough.
async fn note_failure(
    db: &Db,
    name: &'static str,
    state: &table::Model,
    event: Arc<Event>,
    error: &kernel::Error,
) -> kernel::Result<Step> {
    let reason = chain_of(error);
    let failures = state.failures + 1;
    tracing::warn!(consumer = name, position = event.position, failures, error = %reason, "an event failed");
    let retry_at = db.clock().now() + FIRST_PAUSE * (1 << failures.clamp(0, 10)) / 2;
    let state = state.clone();
    db.write(move |tx| {
        let (state, event, reason) = (state.clone(), event.clone(), reason.clone());
        async move {
            if failures < PARK_AFTER {
                set_failure(&tx, &state, failures, retry_at, reason).await?;
                return Ok(Step::Waits(retry_at));
            }
            if move_on(&tx, name, state.position, event.position).await? {
                park(&tx, name, &event, reason).await?;
            }
            Ok(Step::Moved)
        }
    })
    .await
}

async fn set_failure(
    tx: &Tx,
    state: &table::Model,
    failures: i32,
    retry_at: DateTime<Utc>,
    reason: String,
) -> kernel::Result<()> {
    table::Entity::update_many()
        .set(table::ActiveModel {
            failures: Set(failures),
            retry_at: Set(kernel::clock::micros(retry_at)),
            last_error: Set(Some(reason)),
            ..Default::default()
        })
        .filter(table::Column::Name.eq(&state.name))
        .filter(table::Column::Position.eq(state.position))
        .exec(&**tx)
        .await
        .map_err(|e| fault("note a failure", e))?;
    Ok(())
}

async fn park(tx: &Tx, name: &str, event: &Event, reason: String) -> kernel::Result<()> {
    let row = parked::ActiveModel {
        consumer: Set(name.to_owned()),
        position: Set(event.position),
        subject: Set(event.subject.clone()),
        reason: Set(reason),
        at: Set(kernel::clock::micros(tx.now())),
    };
    parked::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("park an event", e))?;
    Ok(())
}

/// Takes a parked event after all; the parking ends in the same write.
pub async fn retry_parked(
    db: &Db,
    consumer: &Arc<dyn Consumer>,
    position: i64,
) -> kernel::Result<()> {
    let consumer = consumer.clone();
    db.write(move |tx| {
        let consumer = consumer.clone();
        async move {
            let row = parked::Entity::find_by_id((consumer.name().to_owned(), position))
                .one(&*tx)
                .await
                .map_err(|e| fault("read a parked event", e))?
                .ok_or(kernel::Error::NotFound {
                    what: "parked event",
                })?;
            let event = list_after(&*tx, position - 1, 1).await?.into_iter().next();
            let event = event.ok_or(kernel::Error::NotFound { what: "event" })?;
            row.delete(&*tx)
                .await
                .map_err(|e| fault("remove a parked event", e))?;
            take_one(&tx, &consumer, &Event::of(event)).await
        }
    })
    .await
}

/// How a consumer stands.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    pub consumer: String,
    pub position: i64,
    /// Sealed events it has not read yet.
    pub behind: i64,
    /// Failures of the next event so far, and the last reason.
    pub failures: i32,
    pub last_error: Option<String>,
    pub parked: Vec<Parked>,
}

/// An event that a consumer went past.
#[derive(Clone, Debug, Serialize)]
pub struct Parked {
    pub position: i64,
    pub subject: String,
    pub reason: String,
    pub at: DateTime<Utc>,
}

/// How every consumer that ever ran here stands, by name; up to a hundred parked events of each.
pub async fn list_standings(db: &Db) -> kernel::Result<Vec<Standing>> {
    let size = seal::size(db.read()).await?;
    let rows = table::Entity::find()
        .order_by_asc(table::Column::Name)
        .all(db.read())
        .await
        .map_err(|e| fault("list consumers", e))?;
    let mut standings = Vec::new();
    for row in rows {
        standings.push(Standing {
            behind: (size - row.position).max(0),
            parked: list_parked(db, &row.name).await?,
            consumer: row.name,
            position: row.position,
            failures: row.failures,
            last_error: row.last_error,
        });
    }
    Ok(standings)
}

async fn list_parked(db: &Db, name: &str) -> kernel::Result<Vec<Parked>> {
    let rows = parked::Entity::find()
        .filter(parked::Column::Consumer.eq(name))
        .order_by_asc(parked::Column::Position)
        .limit(100)
        .all(db.read())
        .await
        .map_err(|e| fault("list parked events", e))?;
    let parked = rows.into_iter().map(|row| Parked {
        position: row.position,
        subject: row.subject,
        reason: row.reason,
        at: kernel::clock::from_micros(row.at),
    });
    Ok(parked.collect())
}
