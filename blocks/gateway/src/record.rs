//! The log of calls. No answer goes out before its record is durable; records that wait are written
//! together, as the store's own writes are.

use std::{collections::BTreeMap, time::Instant};

use ::store::Db;
use chrono::NaiveDate;
use kernel::{
    Error, Fault, Result,
    clock::{from_micros, local_date},
    crypto::Sm3,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use utoipa::ToSchema;

use crate::{event, proof::Proof, schema::call, store};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = GatewayOutcome)]
pub enum Outcome {
    /// The department's API answered, with whatever status.
    Answered,
    /// The provider's node or its API could not be reached.
    Away,
    Late,
    /// The answer was not what the node stands for.
    Tampered,
    /// The request or the answer was too large.
    TooLarge,
    /// The answer could not be masked.
    Unmaskable,
    /// One side went away in the middle.
    Aborted,
    /// Something failed at the hub.
    Failed,
}

impl Outcome {
    pub const ALL: [Self; 8] = [
        Self::Answered,
        Self::Away,
        Self::Late,
        Self::Tampered,
        Self::TooLarge,
        Self::Unmaskable,
        Self::Aborted,
        Self::Failed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Away => "away",
            Self::Late => "late",
            Self::Tampered => "tampered",
            Self::TooLarge => "too_large",
            Self::Unmaskable => "unmaskable",
            Self::Aborted => "aborted",
            Self::Failed => "failed",
        }
    }

    pub fn of_name(name: &str) -> Self {
        let found = Self::ALL.into_iter().find(|one| one.name() == name);
        found.unwrap_or(Self::Failed)
    }
}

/// Records under way at the most; more calls wait.
const WAITING: usize = 4096;
/// Records of one write; together they stay below what SQLite takes as parameters.
const TOGETHER: usize = 500;

struct Entry {
    row: call::Model,
    kept: Option<oneshot::Sender<bool>>,
}

/// Where records are left. Cheap to clone; the writing ends with the last clone.
#[derive(Clone)]
pub struct Log(mpsc::Sender<Entry>);

impl Log {
    /// Begins to write; within a runtime.
    pub fn start(db: Db) -> Self {
        let (sender, mut entries) = mpsc::channel::<Entry>(WAITING);
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while entries.recv_many(&mut batch, TOGETHER).await > 0 {
                let rows = batch.iter().map(|entry| entry.row.clone()).collect();
                let outcome = write(&db, rows).await;
                if let Err(error) = &outcome {
                    tracing::error!(?error, calls = batch.len(), "calls could not be kept");
                }
                for entry in batch.drain(..) {
                    if let Some(kept) = entry.kept {
                        let _ = kept.send(outcome.is_ok());
                    }
                }
            }
        });
        Self(sender)
    }

    /// Keeps a record and waits until it is durable.
    async fn keep(&self, row: call::Model) -> Result<()> {
        let (kept, heard) = oneshot::channel();
        let unkept = || Error::Unavailable(Fault::new("the log of calls cannot be written"));
        let entry = Entry {
            row,
            kept: Some(kept),
        };
        self.0.send(entry).await.map_err(|_| unkept())?;
        match heard.await {
            Ok(true) => Ok(()),
            _ => Err(unkept()),
        }
    }

    /// Leaves a record for whoever cannot wait.
    fn leave(&self, row: call::Model) {
        if self.0.try_send(Entry { row, kept: None }).is_err() {
            tracing::error!("the record of a broken call found no place");
        }
    }
}

async fn write(db: &Db, mut rows: Vec<call::Model>) -> Result<()> {
    let batch = kernel::id::new_v7(db.clock().now()).to_string();
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    let mut used = BTreeMap::<(String, NaiveDate), i64>::new();
    for row in &mut rows {
        row.batch.clone_from(&batch);
        let day = local_date(from_micros(row.at));
        *used.entry((row.grant_id.clone(), day)).or_default() += 1;
    }
    let told = event::CallsKept {
        batch,
        calls: rows.len(),
        digest: digest(&rows),
    };
    db.write(move |tx| {
        let (rows, used, told) = (rows.clone(), used.clone(), told.clone());
        async move {
            store::insert_calls(&tx, rows).await?;
            for ((grant, day), calls) in used {
                store::add_used(&tx, &grant, day, calls).await?;
            }
            tx.emit(format!("gateway-calls:{}", told.batch), "system", &told)
        }
    })
    .await
}

/// SM3 over what was said in these calls, in the order of their numbers.
pub fn digest(rows: &[call::Model]) -> String {
    let mut hasher = Sm3::new();
    for row in rows {
        let parts = [
            Some(&row.id),
            Some(&row.outcome),
            Some(&row.request_head),
            row.request.as_ref(),
            row.answer_head.as_ref(),
            row.answer.as_ref(),
            row.delivery.as_ref(),
        ];
        for part in parts {
            hasher.update(part.map_or("", String::as_str).as_bytes());
            hasher.update(b"\n");
        }
    }
    hex::encode(hasher.finish())
}

/// A call under way. Whatever becomes of it, it is recorded: dropped, it was aborted.
pub struct Recording {
    log: Log,
    row: Option<call::Model>,
    begun: Instant,
    /// Hears the proof of the request, which may be made after the answer began.
    request: Option<oneshot::Receiver<Proof>>,
}

/// What is said of a call's time, microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hops {
    /// From asking the node to the end of its answer.
    pub round_trip: u64,
    /// At the node, its API included.
    pub node: u64,
    pub api: u64,
}

impl Recording {
    pub fn begin(log: Log, row: call::Model, begun: Instant) -> Self {
        Self {
            log,
            row: Some(row),
            begun,
            request: None,
        }
    }

    pub fn expect_request(&mut self, proof: oneshot::Receiver<Proof>) {
        self.request = Some(proof);
    }

    pub fn change(&mut self, change: impl FnOnce(&mut call::Model)) {
        if let Some(row) = &mut self.row {
            change(row);
        }
    }

    /// Notes how long each hop took; what is left of the whole is the hub's.
    pub fn spent(&mut self, hops: Hops) -> Option<call::Model> {
        let total = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let number = |micros: u64| i64::try_from(micros).unwrap_or(i64::MAX);
        self.change(|row| {
            row.total_us = number(total);
            row.api_us = number(hops.api.min(hops.node));
            row.node_us = number(hops.node.saturating_sub(hops.api));
            row.line_us = number(hops.round_trip.saturating_sub(hops.node));
            row.hub_us = number(total.saturating_sub(hops.round_trip));
        });
        self.row.clone()
    }

    /// Keeps the record; durable when this returns.
    pub async fn finish(mut self, outcome: Outcome) -> Result<()> {
        let Some(mut row) = self.row.take() else {
            return Ok(());
        };
        outcome.name().clone_into(&mut row.outcome);
        if row.total_us == 0 {
            row.total_us = i64::try_from(self.begun.elapsed().as_micros()).unwrap_or(i64::MAX);
        }
        if let Some(mut request) = self.request.take()
            && let Ok(proof) = request.try_recv()
        {
            row.request = Some(text(&proof)?);
            row.request_bytes = bytes_of(&proof);
        }
        self.log.keep(row).await
    }
}

/// A proof as the log keeps it.
pub fn text(proof: &Proof) -> Result<String> {
    serde_json::to_string(proof).map_err(|e| Fault::caused_by("write a proof", e).into())
}

fn bytes_of(proof: &Proof) -> i64 {
    let said = serde_json::from_str::<crate::proof::Statement>(&proof.text);
    said.map_or(0, |said| i64::try_from(said.bytes).unwrap_or(i64::MAX))
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Some(mut row) = self.row.take() {
            Outcome::Aborted.name().clone_into(&mut row.outcome);
            row.total_us = i64::try_from(self.begun.elapsed().as_micros()).unwrap_or(i64::MAX);
            self.log.leave(row);
        }
    }
}
