//! One write under way.

use std::{
    any::{Any, TypeId},
    collections::{BTreeSet, HashMap},
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use crate::{Engine, EventBody, JobBody, event, job};

/// One write under way. Dereferences to the connection; remembers events and jobs until the end.
#[derive(Clone)]
pub struct Tx(Arc<Inner>);

struct Inner {
    transaction: DatabaseTransaction,
    engine: Engine,
    now: DateTime<Utc>,
    pending: Mutex<Pending>,
    known: Mutex<Known>,
    late: Mutex<Vec<(TypeId, Box<dyn AnyLate>)>>,
    then: Mutex<Then>,
}

/// What is done when a write is durable.
pub(crate) type Then = Vec<Box<dyn FnOnce() + Send>>;

/// Rows that a write gathers while it runs and writes together at its end: many lines of one table
/// by one statement, and a row that changed several times once.
///
/// Queries of the same write do not see them: a crate gathers rows that it does not query in a
/// write, that it finds by [`Tx::recall`], or before whose query it calls [`Tx::write_gathered`].
#[async_trait]
pub trait Late: Default + Send + 'static {
    /// Writes everything that was gathered.
    async fn write(self, tx: &Tx) -> kernel::Result<()>;
}

/// [`Late`] rows of any crate.
#[async_trait]
trait AnyLate: Send {
    fn as_any(&mut self) -> &mut dyn Any;
    async fn write_boxed(self: Box<Self>, tx: &Tx) -> kernel::Result<()>;
}

#[async_trait]
impl<L: Late> AnyLate for L {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    async fn write_boxed(self: Box<Self>, tx: &Tx) -> kernel::Result<()> {
        self.write(tx).await
    }
}

/// What the write has read or written already, by type and key.
type Known = HashMap<(TypeId, String), Box<dyn Any + Send>>;

#[derive(Default)]
struct Pending {
    events: Vec<event::NewEvent>,
    jobs: Vec<job::NewJob>,
    left: Left,
}

/// What a write left for the background.
#[derive(Clone, Debug, Default)]
pub(crate) struct Left {
    pub(crate) events: bool,
    /// Kinds of jobs that are due at once.
    pub(crate) jobs: BTreeSet<&'static str>,
    /// Whether a job of an unknown kind is due.
    pub(crate) any_job: bool,
}

impl Deref for Tx {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.0.transaction
    }
}

impl Tx {
    pub(crate) fn new(
        transaction: DatabaseTransaction,
        engine: Engine,
        now: DateTime<Utc>,
    ) -> Self {
        Self(Arc::new(Inner {
            transaction,
            engine,
            now,
            pending: Mutex::default(),
            known: Mutex::default(),
            late: Mutex::default(),
            then: Mutex::default(),
        }))
    }

    /// The moment of this write; the same for everything in it.
    pub fn now(&self) -> DateTime<Utc> {
        self.0.now
    }

    pub fn engine(&self) -> Engine {
        self.0.engine
    }

    /// What [`Tx::remember`] kept, so that a write that passes through many hands does not read
    /// the same row again and again. The crate whose row it is keeps both in step.
    pub fn recall<T: Clone + Send + 'static>(&self, key: &str) -> Option<T> {
        let known = self.known();
        let value = known.get(&(TypeId::of::<T>(), key.to_owned()))?;
        value.downcast_ref::<T>().cloned()
    }

    /// Keeps a value until the end of this write; it replaces an earlier one.
    pub fn remember<T: Clone + Send + 'static>(&self, key: impl Into<String>, value: T) {
        let key = (TypeId::of::<T>(), key.into());
        self.known().insert(key, Box::new(value));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to the rows that this write gathers for its end.
    pub fn later<L: Late, R>(&self, add: impl FnOnce(&mut L) -> R) -> R {
        let mut late = self.0.late.lock().unwrap_or_else(PoisonError::into_inner);
        let of_type = TypeId::of::<L>();
        let known = late.iter_mut().find(|(of, _)| *of == of_type);
        if let Some(rows) = known.and_then(|(_, rows)| (**rows).as_any().downcast_mut()) {
            return add(rows);
        }
        let mut rows = L::default();
        let added = add(&mut rows);
        late.push((of_type, Box::new(rows)));
        added
    }

    /// Writes what was gathered so far, for a query that has to see it.
    pub async fn write_gathered(&self) -> kernel::Result<()> {
        loop {
            let late = {
                let mut late = self.0.late.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut *late)
            };
            if late.is_empty() {
                return Ok(());
            }
            for (_, rows) in late {
                rows.write_boxed(self).await?;
            }
        }
    }

    /// Appends an event in this transaction. `subject` is what it happened to (`case:0192…`),
    /// `actor` who did it (`user:0192…`, `system`).
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers pass ids and words as they are"
    )]
    pub fn emit<B: EventBody>(
        &self,
        subject: impl ToString,
        actor: impl ToString,
        body: &B,
    ) -> kernel::Result<()> {
        let event = event::NewEvent::of(self.0.now, subject.to_string(), actor.to_string(), body)?;
        self.pending().events.push(event);
        Ok(())
    }

    /// Enqueues a job in this transaction, due now.
    pub fn enqueue<B: JobBody>(&self, body: &B) -> kernel::Result<()> {
        self.enqueue_at(self.0.now, body)
    }

    /// Enqueues a job in this transaction, due at the given time.
    pub fn enqueue_at<B: JobBody>(&self, due: DateTime<Utc>, body: &B) -> kernel::Result<()> {
        let job = job::NewJob::of(due, body, None)?;
        self.pending().jobs.push(job);
        Ok(())
    }

    /// Enqueues a job unless one of its kind with the same key is waiting. One that is running
    /// does not count: it may have read before this change.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers pass ids and words as they are"
    )]
    pub fn enqueue_unique<B: JobBody>(
        &self,
        key: impl ToString,
        due: DateTime<Utc>,
        body: &B,
    ) -> kernel::Result<()> {
        let job = job::NewJob::of(due, body, Some(key.to_string()))?;
        self.pending().jobs.push(job);
        Ok(())
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.0
            .pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the remembered events and jobs if the body succeeded.
    pub(crate) async fn flush_after<T>(&self, outcome: kernel::Result<T>) -> kernel::Result<T> {
        let value = outcome?;
        self.flush().await?;
        Ok(value)
    }

    async fn flush(&self) -> kernel::Result<()> {
        self.write_gathered().await?;
        let (events, jobs) = {
            let mut pending = self.pending();
            let events = std::mem::take(&mut pending.events);
            let jobs = std::mem::take(&mut pending.jobs);
            pending.left.events |= !events.is_empty();
            let now = kernel::clock::micros(self.0.now);
            let due = jobs.iter().filter(|job| job.is_due(now));
            pending.left.jobs.extend(due.map(job::NewJob::kind));
            (events, jobs)
        };
        event::insert(self, events).await?;
        job::insert(self, jobs).await
    }

    /// Does something in memory when the write is durable; never where it fails or is repeated, and
    /// perhaps not where its caller has gone away.
    pub fn when_written(&self, then: impl FnOnce() + Send + 'static) {
        let mut all = self.0.then.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Box::new(then));
    }

    pub(crate) fn then(&self) -> Then {
        let mut all = self.0.then.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *all)
    }

    /// Tells the workers to look, though this write enqueued nothing.
    pub(crate) fn leave_job(&self) {
        self.pending().left.any_job = true;
    }

    pub(crate) fn left(&self) -> Left {
        self.pending().left.clone()
    }

    /// The transaction, unless another handle is still about.
    pub(crate) fn into_transaction(self) -> Result<DatabaseTransaction, Self> {
        Arc::try_unwrap(self.0)
            .map(|inner| inner.transaction)
            .map_err(Self)
    }
}
