//! The end of grants.

use ::store::{Db, Handler, Job, JobBody, JobFailure, Tx};
use async_trait::async_trait;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use kernel::{Result, clock::local_date};
use serde::{Deserialize, Serialize};

use super::{Request, State, act, store};

/// Look whether the grant is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EndGrant {
    pub request: String,
}

impl JobBody for EndGrant {
    const KIND: &'static str = "catalog.end_grant.v1";
}

/// The first moment after a day in China.
fn after(day: NaiveDate) -> DateTime<Utc> {
    let next = day.checked_add_days(Days::new(1)).unwrap_or(day);
    next.and_time(NaiveTime::MIN).and_utc() - chrono::TimeDelta::hours(8)
}

pub(crate) fn watch(tx: &Tx, row: &Request) -> Result<()> {
    let job = EndGrant {
        request: row.id.clone(),
    };
    tx.enqueue_at(after(row.ends_on), &job)
}

pub(crate) struct EndHandler(pub Db);

#[async_trait]
impl Handler for EndHandler {
    fn kind(&self) -> &'static str {
        EndGrant::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let end: EndGrant = job.body()?;
        self.0
            .write(move |tx| {
                let end = end.clone();
                async move {
                    let row = store::get(&*tx, &end.request).await?;
                    if row.standing().is_granted() && row.ends_on < local_date(tx.now()) {
                        act::moved(&tx, row, State::Expired, "system", "expired", "").await?;
                    }
                    Ok(())
                }
            })
            .await
            .map_err(JobFailure::from)
    }
}
