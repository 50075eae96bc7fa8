//! Batches on their way out: what waits for a node, the rows it may have, and its receipt.

use ::store::Tx;
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use bytes::Bytes;
use identity::Actor;
use kernel::{Error, Fault, Result, clock::micros};
use serde::Serialize;
use tokio::sync::mpsc;
use web::App;

use super::{
    Hub, Peer, batch, may, may_at, publication, store,
    subscription::{self, Scope},
};
use crate::{
    data::{
        Shape,
        checksum::Checksum,
        chunk::{self, Kind, Mark, Rows},
        filter,
    },
    event,
    schema::{
        batch as batch_table, chunk as chunk_table, delivery, publication as publication_table,
        subscription as subscription_table,
    },
    wire::{
        Applied, BatchKind, Delivery, Failed, Note, PublicationState, Pull, Pulled, Signed, Work,
    },
};

/// What a node has to do: its publications' state, and the next delivery of each subscription.
pub async fn work(hub: &Hub, peer: &Peer) -> Result<Work> {
    let db = hub.db.read();
    let mut publications = Vec::new();
    for row in store::publications(db, Some(peer.code())).await? {
        publications.push(publication::announced(&row)?);
    }
    let mut deliveries: Vec<Delivery> = Vec::new();
    let mut blocked: Option<String> = None;
    for row in store::open_deliveries(db, Some(peer.code())).await? {
        if blocked.as_deref() == Some(&row.subscription) {
            continue;
        }
        // One after another: the next is told when this one is applied.
        blocked = Some(row.subscription.clone());
        if row.state == "failed" {
            continue;
        }
        if let Ok((scope, batch, publication)) = entitled(hub, &row).await {
            deliveries.push(Delivery {
                id: row.id,
                kind: BatchKind::of_name(&batch.kind),
                batch: row.batch,
                publication: row.publication,
                subscription: row.subscription,
                sequence: row.sequence,
                shape: scope.shape,
                title: publication.title,
                resource: publication.resource,
            });
        }
    }
    Ok(Work {
        publications,
        deliveries,
    })
}

/// What of a batch the delivery's subscription may have now.
async fn entitled(
    hub: &Hub,
    row: &delivery::Model,
) -> Result<(Scope, batch_table::Model, publication_table::Model)> {
    let db = hub.db.read();
    let id = row.subscription.clone();
    let subscription = store::get::<subscription_table::Entity>(db, "subscription", id).await?;
    let code = row.publication.clone();
    let publication = store::get::<publication_table::Entity>(db, "publication", code).await?;
    let is_open = publication::state(&publication)? != PublicationState::Suspended;
    if !is_open || !subscription::is_live(&subscription, hub.db.clock().today()) {
        return Err(Error::refused("exchange-subscription-closed"));
    }
    let grant = &subscription.granted_by;
    if let (false, Some(terms)) = (grant.is_empty(), hub.terms.get())
        && !terms.holds(&hub.db, grant).await?
    {
        return Err(Error::refused("exchange-subscription-closed"));
    }
    let batch = store::get::<batch_table::Entity>(db, "batch", row.batch.clone()).await?;
    if batch.pruned_at.is_some() {
        return Err(Error::refused("exchange-batch-pruned"));
    }
    let scope = subscription::scope(&subscription, &publication)?;
    Ok((scope, batch, publication))
}

async fn own(db: &impl sea_orm::ConnectionTrait, peer: &Peer, id: &str) -> Result<delivery::Model> {
    let row = store::get::<delivery::Entity>(db, "delivery", id.to_owned()).await?;
    if row.node == peer.code() {
        Ok(row)
    } else {
        Err(Error::NotFound { what: "delivery" })
    }
}

/// A message of a pull.
pub(crate) type Message = (Pulled, Bytes);

/// Sends a delivery's chunks and then its signed note. The channel holds little, so a slow node
/// slows the reading, and one that goes away ends it.
pub(crate) async fn pull(
    hub: std::sync::Arc<Hub>,
    peer: &Peer,
    asked: &Pull,
) -> Result<mpsc::Receiver<Result<Message>>> {
    let row = own(hub.db.read(), peer, &asked.delivery).await?;
    let (scope, batch, _) = entitled(&hub, &row).await?;
    let chunks = store::chunks(hub.db.read(), &row.batch).await?;
    let (sender, receiver) = mpsc::channel(2);
    let from = asked.from;
    let sending = Sending {
        hub,
        row,
        batch,
        scope,
        chunks,
    };
    tokio::spawn(async move {
        if let Err(error) = sending.run(from, &sender).await {
            // Whoever went away does not hear why.
            drop(sender.send(Err(error)).await);
        }
    });
    Ok(receiver)
}

struct Sending {
    hub: std::sync::Arc<Hub>,
    row: delivery::Model,
    batch: batch_table::Model,
    scope: Scope,
    chunks: Vec<chunk_table::Model>,
}

impl Sending {
    async fn run(&self, from: u32, sender: &mpsc::Sender<Result<Message>>) -> Result<()> {
        let (mut marks, mut sum) = (Vec::new(), Checksum::default());
        for (place, chunk) in (0_u32..).zip(&self.chunks) {
            // Whoever suspends a grant in the middle of a delivery stops it there.
            entitled(&self.hub, &self.row).await?;
            let (mark, bytes) = if self.scope.is_whole {
                let checksum = chunk.checksum.as_deref().unwrap_or_default();
                sum = sum.and(
                    checksum
                        .parse()
                        .map_err(|e| Fault::caused_by("read a checksum", e))?,
                );
                let skipped = place < from;
                let bytes = if skipped {
                    Bytes::new()
                } else {
                    self.read(chunk).await?
                };
                (batch::mark(chunk), bytes)
            } else {
                let (mark, bytes, own) = self.cut(chunk).await?;
                sum = sum.and(own);
                (mark, bytes)
            };
            marks.push(mark.clone());
            let message = (Pulled::Chunk { place, mark }, bytes);
            if place >= from && sender.send(Ok(message)).await.is_err() {
                return Ok(());
            }
        }
        let note = self.note(marks, sum).await?;
        drop(sender.send(Ok((Pulled::Note(note), Bytes::new()))).await);
        Ok(())
    }

    async fn read(&self, chunk: &chunk_table::Model) -> Result<Bytes> {
        self.hub.landing.get(&self.hub.db, &chunk.digest).await
    }

    /// The columns and rows of a chunk that the subscription may have.
    async fn cut(&self, chunk: &chunk_table::Model) -> Result<(Mark, Bytes, Checksum)> {
        let bytes = self.read(chunk).await?;
        let whole = batch::shape_of(self.hub.db.read(), &self.row.publication).await?;
        let (kind, shape) = (batch::kind(chunk), self.scope.shape.clone());
        let filter = self.scope.filter.clone();
        let cutting = move || cut(kind, &whole, &shape, &filter, bytes);
        tokio::task::spawn_blocking(cutting)
            .await
            .map_err(|e| Fault::caused_by("cut a chunk", e))?
    }

    /// Signs what was sent; the first note of a delivery is its note.
    async fn note(&self, marks: Vec<Mark>, sum: Checksum) -> Result<Signed> {
        let total = |kind| -> u64 {
            let of_kind = marks.iter().filter(|mark| mark.kind == kind);
            of_kind.map(|mark| mark.rows).sum()
        };
        let note = Note {
            delivery: self.row.id.clone(),
            batch: self.row.batch.clone(),
            subscription: self.row.subscription.clone(),
            sequence: self.row.sequence,
            kind: BatchKind::of_name(&self.batch.kind),
            rows: total(Kind::Rows),
            deletes: total(Kind::Deletes),
            checksum: sum,
            chunks: marks,
        };
        let signed = self.hub.authority.sign(&note)?;
        let (id, kept) = (self.row.id.clone(), signed.clone());
        let counts = (batch::number(note.rows), batch::number(note.deletes));
        let checksum = note.checksum.to_string();
        self.hub
            .db
            .write(move |tx| {
                let (id, kept, checksum) = (id.clone(), kept.clone(), checksum.clone());
                async move {
                    let row = store::get::<delivery::Entity>(&*tx, "delivery", id).await?;
                    if row.state == "applied" {
                        return Ok(());
                    }
                    let state = if row.state == "superseded" {
                        row.state
                    } else {
                        "sent".into()
                    };
                    let sent = delivery::Model {
                        state,
                        note: Some(kept.text),
                        note_signature: Some(kept.signature),
                        row_count: Some(counts.0),
                        delete_count: Some(counts.1),
                        checksum: Some(checksum),
                        pulled_at: Some(micros(tx.now())),
                        ..row
                    };
                    store::update(&tx, sent).await
                }
            })
            .await?;
        Ok(signed)
    }
}

fn cut(
    kind: Kind,
    whole: &Shape,
    shape: &Shape,
    conditions: &[filter::Condition],
    bytes: Bytes,
) -> Result<(Mark, Bytes, Checksum)> {
    let (from, to): (SchemaRef, SchemaRef) = match kind {
        Kind::Rows => (whole.schema(), shape.schema()),
        Kind::Deletes => (whole.key_schema(), shape.key_schema()),
    };
    let (mut kept, mut rows, mut sum) = (Vec::new(), 0, Checksum::default());
    for batch in Rows::of(bytes, &from)? {
        let batch = filter::apply(conditions, &batch?)?;
        let places: std::result::Result<Vec<usize>, _> = to
            .fields()
            .iter()
            .map(|field| from.index_of(field.name()))
            .collect();
        let places = places.map_err(|e| Fault::caused_by("cut a chunk", e))?;
        let batch: RecordBatch = batch
            .project(&places)
            .map_err(|e| Fault::caused_by("cut a chunk", e))?;
        rows += batch.num_rows();
        sum.add(&batch)?;
        kept.push(batch);
    }
    let bytes = chunk::write(&to, &kept)?;
    Ok((Mark::of(kind, rows, &bytes), bytes.into(), sum))
}

/// The subscriber's receipt. It has to say the same numbers as the note; said again, it is taken
/// once.
pub async fn applied(hub: &Hub, peer: &Peer, receipt: &Signed) -> Result<()> {
    let unproven = || Error::refused("exchange-receipt-signature");
    let key = kernel::crypto::PublicKey::from_pem(&peer.0.signing_key).map_err(|_| unproven())?;
    let said: Applied = receipt.open(&key).map_err(|_| unproven())?;
    if said.node != peer.code() {
        return Err(unproven());
    }
    hub.must_be_past(said.applied_at, hub.now())?;
    let (peer, receipt) = (peer.clone(), receipt.clone());
    hub.db
        .write(move |tx| {
            let (peer, receipt, said) = (peer.clone(), receipt.clone(), said.clone());
            async move { note_applied(&tx, &peer, receipt, said).await }
        })
        .await
}

async fn note_applied(tx: &Tx, peer: &Peer, receipt: Signed, said: Applied) -> Result<()> {
    let row = own(&**tx, peer, &said.delivery).await?;
    if row.state == "applied" {
        return Ok(());
    }
    let is_same = row.row_count == Some(batch::number(said.rows))
        && row.delete_count == Some(batch::number(said.deletes))
        && row.checksum == Some(said.checksum.to_string());
    if !is_same {
        return Err(Error::refused("exchange-receipt-differs"));
    }
    let done = delivery::Model {
        state: "applied".into(),
        receipt: Some(receipt.text),
        receipt_signature: Some(receipt.signature),
        problem: String::new(),
        applied_at: Some(said.applied_at),
        ..row
    };
    let body = event::DeliveryApplied {
        delivery: done.id.clone(),
        batch: done.batch.clone(),
        subscription: done.subscription.clone(),
        node: done.node.clone(),
        rows: said.rows,
        deletes: said.deletes,
        checksum: said.checksum.to_string(),
    };
    store::update(tx, done).await?;
    tx.emit(format!("delivery:{}", body.delivery), peer.trace(), &body)
}

/// Characters of a database's message that are kept.
const LONGEST_PROBLEM: usize = 2000;

/// The subscriber's database refuses a delivery: it and what comes after it wait until somebody
/// has mended the table and says [`retry`], or a full batch comes.
pub async fn failed(hub: &Hub, peer: &Peer, said: &Failed) -> Result<()> {
    let problem: String = said.problem.chars().take(LONGEST_PROBLEM).collect();
    let (peer, id) = (peer.clone(), said.delivery.clone());
    hub.db
        .write(move |tx| {
            let (peer, id, problem) = (peer.clone(), id.clone(), problem.clone());
            async move {
                let row = own(&*tx, &peer, &id).await?;
                if matches!(row.state.as_str(), "applied" | "superseded") {
                    return Ok(());
                }
                let body = event::DeliveryFailed {
                    delivery: row.id.clone(),
                    batch: row.batch.clone(),
                    subscription: row.subscription.clone(),
                    node: row.node.clone(),
                };
                let failed = delivery::Model {
                    state: "failed".into(),
                    problem,
                    ..row
                };
                store::update(&tx, failed).await?;
                tx.emit(format!("delivery:{id}"), peer.trace(), &body)
            }
        })
        .await
}

/// Lets a node try a failed delivery again.
pub async fn retry(app: &App, actor: &Actor, id: &str) -> Result<()> {
    may(app, actor, "exchange.operate", None)?;
    let row = store::get::<delivery::Entity>(app.db().read(), "delivery", id.to_owned()).await?;
    may_at(app, actor, "exchange.operate", &row.org).await?;
    let id = id.to_owned();
    app.db()
        .write(move |tx| {
            let id = id.clone();
            async move {
                let row = store::get::<delivery::Entity>(&*tx, "delivery", id).await?;
                if row.state != "failed" {
                    return Err(Error::refused("exchange-delivery-not-failed"));
                }
                let state = "waiting".to_owned();
                store::update(&tx, delivery::Model { state, ..row }).await
            }
        })
        .await
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ExchangeDeliveryState)]
pub enum State {
    Waiting,
    Sent,
    Applied,
    Failed,
    /// A full batch came after it, or the subscription ended.
    Superseded,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Applied => "applied",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }

    fn of_name(name: &str) -> Self {
        match name {
            "waiting" => Self::Waiting,
            "sent" => Self::Sent,
            "applied" => Self::Applied,
            "failed" => Self::Failed,
            _ => Self::Superseded,
        }
    }
}

/// A delivery as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ExchangeDelivery)]
pub struct View {
    #[schema(example = "019c8f2e-0000-7000-8000-000000000003")]
    pub id: String,
    pub batch: String,
    pub publication: String,
    pub subscription: String,
    /// The subscriber's.
    #[schema(example = "civil-front-1")]
    pub node: String,
    pub sequence: i64,
    pub state: State,
    pub rows: Option<i64>,
    pub deletes: Option<i64>,
    pub checksum: Option<String>,
    /// What the subscriber's database says about it.
    pub problem: String,
    pub created_at: chrono::DateTime<chrono::Utc>,
    pub pulled_at: Option<chrono::DateTime<chrono::Utc>>,
    pub applied_at: Option<chrono::DateTime<chrono::Utc>>,
}

impl From<delivery::Model> for View {
    fn from(row: delivery::Model) -> Self {
        let moment = kernel::clock::from_micros;
        Self {
            state: State::of_name(&row.state),
            rows: row.row_count,
            deletes: row.delete_count,
            checksum: row.checksum,
            problem: row.problem,
            created_at: moment(row.created_at),
            pulled_at: row.pulled_at.map(moment),
            applied_at: row.applied_at.map(moment),
            id: row.id,
            batch: row.batch,
            publication: row.publication,
            subscription: row.subscription,
            node: row.node,
            sequence: row.sequence,
        }
    }
}
