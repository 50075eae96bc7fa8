//! Calls that were refused before there was anything to record of them. A row for each would let
//! whoever is refused fill the disk, so they are counted: one row for a day, a resource, a caller's
//! organisation and a rule, and no answer waits for it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ::store::{
    Db,
    page::{PageOf, PageRequest},
};
use chrono::{DateTime, NaiveDate, Utc};
use identity::Actor;
use kernel::{
    Result,
    clock::{from_micros, local_date, micros},
};
use serde::Serialize;
use tokio::sync::mpsc;
use utoipa::ToSchema;
use web::App;

use crate::{
    refusal::Refusal,
    resource::may,
    schema::{refused as table, resource},
    store,
};

/// Refused calls of a day, as people see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = GatewayRefused)]
pub struct Refused {
    #[schema(example = "2026-03-02")]
    pub day: NaiveDate,
    /// Unified social credit code of who called.
    #[schema(example = "11321000990000041L")]
    pub consumer: String,
    /// As the answers named it.
    #[schema(example = "gateway-over-quota")]
    pub rule: String,
    #[schema(example = 17)]
    pub calls: i64,
    pub first_at: DateTime<Utc>,
    pub last_at: DateTime<Utc>,
}

impl From<table::Model> for Refused {
    fn from(row: table::Model) -> Self {
        Self {
            day: row.day,
            consumer: row.consumer,
            rule: row.rule,
            calls: row.calls,
            first_at: from_micros(row.first_at),
            last_at: from_micros(row.last_at),
        }
    }
}

/// Refused calls of a resource by day, the newest first: all of them for the provider and for those
/// who watch over calls, their own for callers.
pub async fn list(
    app: &App,
    actor: &Actor,
    code: &str,
    page: &PageRequest,
) -> Result<PageOf<Refused>> {
    may(app, actor, "gateway.list", None)?;
    let db = app.db().read();
    let resource = store::get::<resource::Entity>(db, "resource", code).await?;
    let own: Option<Vec<String>> = match may(app, actor, "gateway.proof", Some(&resource.org)) {
        Ok(()) => None,
        Err(_) => Some(actor.posts.iter().map(|post| post.org.clone()).collect()),
    };
    let found = store::refused(db, code, own.as_deref(), page).await?;
    Ok(found.map(Refused::from))
}

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    resource: String,
    day: NaiveDate,
    consumer: String,
    rule: &'static str,
}

#[derive(Clone, Copy, Debug)]
struct Tally {
    calls: i64,
    first_at: i64,
    last_at: i64,
}

type Waiting = Arc<Mutex<BTreeMap<Kind, Tally>>>;

/// Between two writes: so many refusals there may be, a second has only a few writes for them.
const PAUSE: Duration = Duration::from_millis(200);

/// Where refusals are counted. Only resources and organisations that exist come here, so what waits
/// in memory is bounded as the table is. The writing ends with the counter.
pub(crate) struct Counter {
    waiting: Waiting,
    wake: mpsc::Sender<()>,
}

impl Counter {
    /// Begins to write; within a runtime.
    pub fn start(db: Db) -> Self {
        let waiting = Waiting::default();
        let (wake, mut woken) = mpsc::channel(1);
        let own = waiting.clone();
        tokio::spawn(async move {
            while woken.recv().await.is_some() {
                let taken = std::mem::take(&mut *lock(&own));
                if let Err(error) = write(&db, &taken).await {
                    tracing::error!(?error, "refused calls could not be kept yet");
                    let mut waiting = lock(&own);
                    for (kind, tally) in taken {
                        add(&mut waiting, kind, tally);
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { waiting, wake }
    }

    /// Counts a refusal, unless it is an error that every act may have.
    pub fn note(&self, resource: &str, consumer: &str, refusal: &Refusal, now: DateTime<Utc>) {
        let Some(rule) = refusal.rule() else {
            return;
        };
        let kind = Kind {
            resource: resource.to_owned(),
            day: local_date(now),
            consumer: consumer.to_owned(),
            rule,
        };
        let at = micros(now);
        let tally = Tally {
            calls: 1,
            first_at: at,
            last_at: at,
        };
        add(&mut lock(&self.waiting), kind, tally);
        // Where there is no place the writer was woken already and comes to this one as well.
        let _ = self.wake.try_send(());
    }
}

fn lock(waiting: &Waiting) -> MutexGuard<'_, BTreeMap<Kind, Tally>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

fn add(waiting: &mut BTreeMap<Kind, Tally>, kind: Kind, more: Tally) {
    let known = waiting.entry(kind).or_insert(Tally { calls: 0, ..more });
    known.calls += more.calls;
    known.first_at = known.first_at.min(more.first_at);
    known.last_at = known.last_at.max(more.last_at);
}

async fn write(db: &Db, taken: &BTreeMap<Kind, Tally>) -> Result<()> {
    let rows = taken.iter().map(|(kind, tally)| table::Model {
        resource: kind.resource.clone(),
        day: kind.day,
        consumer: kind.consumer.clone(),
        rule: kind.rule.to_owned(),
        calls: tally.calls,
        first_at: tally.first_at,
        last_at: tally.last_at,
    });
    let rows: Vec<_> = rows.collect();
    db.write(move |tx| {
        let rows = rows.clone();
        async move {
            for row in rows {
                store::add_refused(&tx, row).await?;
            }
            Ok(())
        }
    })
    .await
}
