//! Events: what happened, appended in the transaction of the change.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Tx, fault};

/// Rows of one statement at the most; engines bound the number of its parameters.
const ROWS: usize = 500;

/// Identifiers of one moment and process rise, so that lists by id tell the order of a write.
pub fn new_id(now: DateTime<Utc>) -> String {
    static CONTEXT: Mutex<Option<uuid::ContextV7>> = Mutex::new(None);
    let mut context = CONTEXT.lock().unwrap_or_else(PoisonError::into_inner);
    let context = context.get_or_insert_with(uuid::ContextV7::new);
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let moment = uuid::Timestamp::from_unix(&*context, seconds, now.timestamp_subsec_nanos());
    uuid::Uuid::new_v7(moment).to_string()
}

/// An event that waits for the end of its transaction.
pub(crate) struct NewEvent {
    id: String,
    at: i64,
    kind: &'static str,
    subject: String,
    actor: String,
    data: String,
}

impl NewEvent {
    pub(crate) fn of<B: EventBody>(
        now: DateTime<Utc>,
        subject: String,
        actor: String,
        body: &B,
    ) -> kernel::Result<Self> {
        let data = serde_json::to_string(body)
            .map_err(|e| kernel::Fault::caused_by("write event body", e))?;
        let id = new_id(now);
        Ok(Self {
            id,
            at: kernel::clock::micros(now),
            kind: B::KIND,
            subject,
            actor,
            data,
        })
    }
}

pub(crate) async fn insert(tx: &Tx, events: Vec<NewEvent>) -> kernel::Result<()> {
    use crate::schema::event as table;
    use sea_orm::{
        ActiveValue::{NotSet, Set},
        EntityTrait,
    };
    let mut rows = events.into_iter().map(|e| table::ActiveModel {
        seq: NotSet,
        id: Set(e.id),
        at: Set(e.at),
        kind: Set(e.kind.to_owned()),
        subject: Set(e.subject),
        actor: Set(e.actor),
        data: Set(e.data),
        position: Set(None),
    });
    loop {
        let some: Vec<_> = rows.by_ref().take(ROWS).collect();
        if some.is_empty() {
            return Ok(());
        }
        table::Entity::insert_many(some)
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("append events", e))?;
    }
}

/// The body of one kind of event. Kinds are past tense and versioned: `service.case_accepted.v1`.
/// A body carries all that a reader in another crate needs, because readers join nothing.
pub trait EventBody: Serialize + DeserializeOwned + Send + Sync {
    const KIND: &'static str;
}

/// An event as readers see it.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Gap-free from 1, given by the sealer; the order in which consumers read.
    pub position: i64,
    pub id: String,
    pub at: DateTime<Utc>,
    pub kind: String,
    /// What it happened to, as `case:0192…`.
    pub subject: String,
    /// Who did it, as `user:0192…`, `system`, or `user:… for party:…`.
    pub actor: String,
    pub data: serde_json::Value,
}

impl Event {
    /// A sealed row as readers see it.
    pub(crate) fn of(row: crate::schema::event::Model) -> Self {
        // What is not JSON fails in the consumer, where it is counted and parked like any failure.
        let data = serde_json::from_str(&row.data).unwrap_or_else(|_| row.data.into());
        Self {
            position: row.position.unwrap_or(0),
            id: row.id,
            at: kernel::clock::from_micros(row.at),
            kind: row.kind,
            subject: row.subject,
            actor: row.actor,
            data,
        }
    }

    /// The typed body if the event is of that kind.
    pub fn body<B: EventBody>(&self) -> Option<Result<B, serde_json::Error>> {
        (self.kind == B::KIND).then(|| B::deserialize(&self.data))
    }
}

/// A reader of sealed events whose effect and position are written in one transaction, so that
/// each event takes effect once.
#[async_trait]
pub trait Consumer: Send + Sync + 'static {
    /// Stable name under which the position is kept.
    fn name(&self) -> &'static str;

    /// Whether events of this kind concern the consumer; others are passed over.
    fn reads(&self, kind: &str) -> bool;

    /// Called with the events of one write before they are taken one by one, so that what all of
    /// them need is read at once ([`Tx::remember`]).
    async fn prepare(&self, _tx: &Tx, _events: &[Arc<Event>]) -> kernel::Result<()> {
        Ok(())
    }

    /// Takes the effect of one event, with database work only.
    async fn take(&self, tx: &Tx, event: &Event) -> kernel::Result<()>;
}

/// Which events; empty words narrow nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Beginning of the kind, as `identity.`.
    pub kind: String,
    /// The subject, as `case:0192…`.
    pub subject: String,
    /// Beginning of the actor, as `user:0192…`.
    pub actor: String,
}

/// Sealed events, the latest first; keys of pages are positions.
pub async fn list_sealed(
    db: &crate::Db,
    filter: &EventFilter,
    page: &crate::page::PageRequest,
) -> kernel::Result<crate::page::PageOf<Event>> {
    use crate::schema::event as table;
    use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
    let mut query = table::Entity::find()
        .filter(table::Column::Position.is_not_null())
        .order_by_desc(table::Column::Position)
        .limit(page.fetch());
    if let Some(before) = page
        .after
        .as_deref()
        .and_then(|key| key.parse::<i64>().ok())
    {
        query = query.filter(table::Column::Position.lt(before));
    }
    if !filter.kind.is_empty() {
        query = query.filter(table::Column::Kind.starts_with(&filter.kind));
    }
    if !filter.subject.is_empty() {
        query = query.filter(table::Column::Subject.eq(&filter.subject));
    }
    if !filter.actor.is_empty() {
        query = query.filter(table::Column::Actor.starts_with(&filter.actor));
    }
    let rows = query
        .all(db.read())
        .await
        .map_err(|e| fault("list events", e))?;
    let events = rows.into_iter().map(|row| Event {
        position: row.position.unwrap_or_default(),
        id: row.id,
        at: kernel::clock::from_micros(row.at),
        kind: row.kind,
        subject: row.subject,
        actor: row.actor,
        data: serde_json::from_str(&row.data).unwrap_or_default(),
    });
    Ok(page.cut(events, |event| event.position.to_string()))
}
