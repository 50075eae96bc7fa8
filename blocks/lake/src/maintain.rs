//! Keeping tables small: every night, files are put together and old ones removed.

use async_trait::async_trait;
use chrono::{Days, NaiveTime, TimeDelta};
use identity::{Actor, Gate};
use kernel::{Result, clock::local};
use serde::{Deserialize, Serialize};
use store::{Db, Handler, Job, JobBody, JobFailure, Tx};
use web::App;

use crate::{
    Lake, Table,
    declaration::store as declarations,
    delta::{self, ASIDE, TABLES},
    event, query, resource,
};

/// Maintains every table, and comes again the next night.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct MaintainTables {}

impl JobBody for MaintainTables {
    const KIND: &'static str = "lake.maintain_tables.v1";
}

/// Enqueues the first maintenance, at the next four o'clock of the night.
pub async fn begin(db: &Db) -> Result<()> {
    db.write(|tx| async move { enqueue(&tx) }).await
}

fn enqueue(tx: &Tx) -> Result<()> {
    let night = NaiveTime::from_hms_opt(4, 0, 0).unwrap_or_default();
    let next = local(tx.now())
        .checked_add_days(Days::new(1))
        .and_then(|day| day.with_time(night).single());
    let next = next.map_or(tx.now() + TimeDelta::days(1), |next| next.to_utc());
    tx.enqueue_unique("nightly", next, &MaintainTables {})
}

pub(crate) struct Maintain(pub App);

#[async_trait]
impl Handler for Maintain {
    fn kind(&self) -> &'static str {
        MaintainTables::KIND
    }

    /// Putting files together takes long; nobody shall wait behind it.
    fn lane(&self) -> Option<usize> {
        Some(1)
    }

    async fn run(&self, _: &Job) -> Result<(), JobFailure> {
        for table in declarations::list(self.0.db().read()).await? {
            maintain(&self.0, &Actor::system(), &table.id).await?;
        }
        query::end_lost(&self.0).await?;
        begin(self.0.db()).await?;
        Ok(())
    }
}

/// Puts a table's small files together and removes those that no kept version needs. Answers how
/// many files of each.
pub async fn maintain(app: &App, actor: &Actor, table: &str) -> Result<(u64, u64)> {
    let lake = app.part::<Lake>()?;
    let declared = declarations::get(app.db().read(), table).await?;
    actor.may(&*app.part::<Gate>()?, "lake.declare", &resource(&declared))?;
    let lock = lake.lock(&declared.id);
    let _alone = lock.lock().await;
    let (mut compacted, mut removed) = (0, 0);
    for kind in [TABLES, ASIDE] {
        if let Some(open) = lake.0.place.open(kind, &declared.id, None).await? {
            let (some, gone) = delta::maintain(open, declared.keep_days).await?;
            compacted += some;
            removed += gone;
        }
    }
    if compacted + removed > 0 {
        note(app, actor, &declared, compacted, removed).await?;
    }
    Ok((compacted, removed))
}

async fn note(app: &App, actor: &Actor, table: &Table, compacted: u64, removed: u64) -> Result<()> {
    let body = event::Maintained {
        table: table.id.clone(),
        compacted,
        removed,
    };
    let who = actor.trace();
    app.db()
        .write(move |tx| {
            let (body, who) = (body.clone(), who.clone());
            async move { tx.emit(format!("lake:{}", body.table), who, &body) }
        })
        .await
}
