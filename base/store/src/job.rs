//! Jobs: what has to happen later, enqueued in the transaction of the change.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kernel::Fault;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::OnConflict,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Db, Tx, fault,
    page::{PageOf, PageRequest},
    schema::job as table,
};

/// Rows of one statement at the most; engines bound the number of its parameters.
const ROWS: usize = 500;

/// A job that waits for the end of its transaction.
pub(crate) struct NewJob {
    id: String,
    kind: &'static str,
    due: i64,
    payload: String,
    unique_key: Option<String>,
}

impl NewJob {
    pub(crate) fn of<B: JobBody>(
        due: DateTime<Utc>,
        body: &B,
        unique_key: Option<String>,
    ) -> kernel::Result<Self> {
        let payload =
            serde_json::to_string(body).map_err(|e| Fault::caused_by("write job payload", e))?;
        let id = crate::event::new_id(due);
        Ok(Self {
            id,
            kind: B::KIND,
            due: kernel::clock::micros(due),
            unique_key,
            payload,
        })
    }

    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    /// Whether it can run at this moment, in microseconds.
    pub(crate) fn is_due(&self, now: i64) -> bool {
        self.due <= now
    }
}

pub(crate) async fn insert(tx: &Tx, jobs: Vec<NewJob>) -> kernel::Result<()> {
    let mut rows = jobs.into_iter().map(|j| table::ActiveModel {
        id: Set(j.id),
        kind: Set(j.kind.to_owned()),
        payload: Set(j.payload),
        due_at: Set(j.due),
        state: Set("waiting".to_owned()),
        attempts: Set(0),
        epoch: Set(0),
        lease_until: Set(None),
        last_error: Set(None),
        unique_key: Set(j.unique_key),
        created_at: Set(kernel::clock::micros(tx.now())),
    });
    let same_key = OnConflict::columns([table::Column::Kind, table::Column::UniqueKey])
        .do_nothing()
        .to_owned();
    loop {
        let some: Vec<_> = rows.by_ref().take(ROWS).collect();
        if some.is_empty() {
            return Ok(());
        }
        table::Entity::insert_many(some)
            .on_conflict(same_key.clone())
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("enqueue jobs", e))?;
    }
}

/// The payload of one kind of job; kinds are orders and versioned: `credential.render.v1`.
/// Payloads carry ids rather than copies.
pub trait JobBody: Serialize + DeserializeOwned + Send + Sync {
    const KIND: &'static str;
}

/// A claimed job.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: String,
    pub kind: String,
    pub payload: serde_json::Value,
    /// How often it was tried before.
    pub attempts: i32,
    /// Rises with every claim; completing checks it, so that a worker that lost its lease cannot
    /// complete the job.
    pub epoch: i64,
}

impl Job {
    pub fn body<B: JobBody>(&self) -> Result<B, JobFailure> {
        B::deserialize(&self.payload)
            .map_err(|e| JobFailure::Fail(Fault::caused_by("read job payload", e)))
    }
}

/// What becomes of a job that did not succeed.
#[derive(Debug)]
pub enum JobFailure {
    /// Try again later, with back-off.
    Retry(Fault),
    /// Trying again cannot help; kept for an operator to look at.
    Fail(Fault),
}

impl From<kernel::Error> for JobFailure {
    fn from(error: kernel::Error) -> Self {
        match error {
            kernel::Error::Fault(fault) | kernel::Error::Unavailable(fault) => Self::Retry(fault),
            other => Self::Fail(Fault::caused_by("job refused", other)),
        }
    }
}

/// Runs the jobs of one kind. Must be idempotent: after a crash a job runs again.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    fn kind(&self) -> &'static str;

    /// How many jobs of this kind run side by side, apart from all others; `None` shares places
    /// with the rest. For work of many seconds together, whose queue must keep nobody waiting.
    fn lane(&self) -> Option<usize> {
        None
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure>;

    /// Hears that a job is given up: it failed, or was tried too often, be it that its worker died
    /// each time. Whatever waits for the job ends here. Comes again until it succeeds.
    async fn given_up(&self, job: &Job, reason: &Fault) -> kernel::Result<()> {
        let _ = (job, reason);
        Ok(())
    }
}

/// How many jobs there are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Not begun, or to be tried again; `due` of them now.
    pub waiting: i64,
    pub due: i64,
    pub running: i64,
    /// Given up; they wait for an operator.
    pub failed: i64,
}

/// A job as an operator sees it. The payload is left out: it may name people.
#[derive(Clone, Debug, Serialize)]
pub struct JobRow {
    pub id: String,
    pub kind: String,
    pub state: String,
    pub due: DateTime<Utc>,
    pub created: DateTime<Utc>,
    pub attempts: i32,
    pub last_error: Option<String>,
}

pub async fn count(db: &Db) -> kernel::Result<Counts> {
    let rows: Vec<(String, i64)> = table::Entity::find()
        .select_only()
        .column(table::Column::State)
        .column_as(table::Column::Id.count(), "number")
        .group_by(table::Column::State)
        .into_tuple()
        .all(db.read())
        .await
        .map_err(|e| fault("count jobs", e))?;
    let of = |state: &str| rows.iter().find(|(s, _)| s == state).map_or(0, |(_, n)| *n);
    let due = table::Entity::find()
        .filter(table::Column::State.eq("waiting"))
        .filter(table::Column::DueAt.lte(kernel::clock::micros(db.clock().now())))
        .count(db.read())
        .await
        .map_err(|e| fault("count jobs", e))?;
    Ok(Counts {
        waiting: of("waiting"),
        due: i64::try_from(due).unwrap_or(i64::MAX),
        running: of("running"),
        failed: of("failed"),
    })
}

/// Jobs in one state (`waiting`, `running`, `failed`), a page at a time, the newest first.
pub async fn list(db: &Db, state: &str, page: &PageRequest) -> kernel::Result<PageOf<JobRow>> {
    let mut query = table::Entity::find()
        .filter(table::Column::State.eq(state))
        .order_by_desc(table::Column::Id)
        .limit(page.fetch());
    if let Some(after) = &page.after {
        query = query.filter(table::Column::Id.lt(after));
    }
    let rows = query
        .all(db.read())
        .await
        .map_err(|e| fault("list jobs", e))?;
    let rows = rows.into_iter().map(|row| JobRow {
        id: row.id,
        kind: row.kind,
        state: row.state,
        due: kernel::clock::from_micros(row.due_at),
        created: kernel::clock::from_micros(row.created_at),
        attempts: row.attempts,
        last_error: row.last_error,
    });
    Ok(page.cut(rows, |row| row.id.clone()))
}

/// Lets a failed job try again from the beginning, now.
pub async fn retry(db: &Db, id: &str) -> kernel::Result<()> {
    let id = id.to_owned();
    db.write(move |tx| {
        let id = id.clone();
        async move {
            let change = table::ActiveModel {
                state: Set("waiting".to_owned()),
                due_at: Set(kernel::clock::micros(tx.now())),
                attempts: Set(0),
                ..Default::default()
            };
            let updated = table::Entity::update_many()
                .set(change)
                .filter(table::Column::Id.eq(id))
                .filter(table::Column::State.eq("failed"))
                .exec(&*tx)
                .await
                .map_err(|e| fault("retry a job", e))?;
            if updated.rows_affected == 0 {
                return Err(kernel::Error::refused("store-job-not-failed"));
            }
            tx.leave_job();
            Ok(())
        }
    })
    .await
}

/// Removes a failed job for good.
pub async fn remove(db: &Db, id: &str) -> kernel::Result<()> {
    let id = id.to_owned();
    db.write(move |tx| {
        let id = id.clone();
        async move {
            let removed = table::Entity::delete_many()
                .filter(table::Column::Id.eq(id))
                .filter(table::Column::State.eq("failed"))
                .exec(&*tx)
                .await
                .map_err(|e| fault("remove a job", e))?;
            if removed.rows_affected == 0 {
                return Err(kernel::Error::refused("store-job-not-failed"));
            }
            Ok(())
        }
    })
    .await
}
