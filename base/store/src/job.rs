//! Jobs: what has to happen later, enqueued in the transaction of the change.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kernel::Fault;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Tx, fault};

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
}

pub(crate) async fn insert(tx: &Tx, jobs: Vec<NewJob>) -> kernel::Result<()> {
    use crate::schema::job as table;
    use sea_orm::{ActiveValue::Set, EntityTrait, sea_query::OnConflict};
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

    async fn run(&self, job: &Job) -> Result<(), JobFailure>;
}
