//! Batches on their way in: offered by a signed manifest, brought chunk by chunk, taken once.

use ::store::{
    Tx,
    blob::Hashed,
    page::{PageOf, PageRequest},
};
use bytes::Bytes;
use identity::Actor;
use kernel::{Error, Fault, Result, Text, clock::micros};
use serde::Serialize;
use web::App;

use super::{Hub, Peer, begun, may, publication, store, subscription};
use crate::{
    data::{
        Shape,
        checksum::Checksum,
        chunk::{self, Kind, LARGEST, Mark, Rows},
        is_name,
    },
    event,
    schema::{
        batch, chunk as chunk_table, delivery, publication as publication_table, refused_row,
        subscription as subscription_table,
    },
    wire::{
        self, BatchKind, Manifest, Offered, Place, PublicationState, Receipt, Refusals, RefusedRow,
        Signed,
    },
};

/// Chunks of a batch at the most.
pub(super) const MOST_CHUNKS: usize = 100_000;
/// Reasons of a batch's refused rows that are kept, as many as a node tells; more of them are only
/// counted.
pub const REFUSALS_KEPT: usize = 10_000;
/// Bytes of a refused row's values that are kept; of a larger one only the reason is.
const LARGEST_REFUSED: usize = 64 << 10;

/// Takes a manifest. The same one again is answered by what is missing still; another one for a
/// batch, or a sequence that was there, is refused.
pub async fn offer(hub: &Hub, peer: &Peer, offered: &Signed) -> Result<Offered> {
    let manifest = read_manifest(hub, peer, offered)?;
    let (peer, offered) = (peer.clone(), offered.clone());
    hub.db
        .write(move |tx| {
            let (peer, offered, manifest) = (peer.clone(), offered.clone(), manifest.clone());
            async move { note(&tx, &peer, &offered, manifest).await }
        })
        .await?
}

/// What became of a batch. A refusal within it is kept together with what was written: the batch is
/// forgotten.
pub(super) type Outcome<T> = Result<Result<T>>;

fn read_manifest(hub: &Hub, peer: &Peer, offered: &Signed) -> Result<Manifest> {
    let unproven = || Error::refused("exchange-manifest-signature");
    let key = kernel::crypto::PublicKey::from_pem(&peer.0.signing_key).map_err(|_| unproven())?;
    let manifest: Manifest = offered.open(&key).map_err(|_| unproven())?;
    if manifest.node != peer.code() {
        return Err(Error::refused("exchange-manifest-foreign"));
    }
    hub.must_be_past(manifest.read_at, hub.now())?;
    let total = |kind| -> u64 {
        let of_kind = manifest.chunks.iter().filter(|mark| mark.kind == kind);
        of_kind.map(|mark| mark.rows).sum()
    };
    let is_sound = manifest.batch.parse::<kernel::id::Uuid>().is_ok()
        && manifest.chunks.len() <= MOST_CHUNKS
        && manifest
            .chunks
            .iter()
            .all(|mark| mark.bytes <= LARGEST as u64)
        && total(Kind::Rows) == manifest.rows
        && total(Kind::Deletes) == manifest.deletes;
    if is_sound {
        Ok(manifest)
    } else {
        Err(Error::refused("exchange-manifest-unsound"))
    }
}

async fn note(tx: &Tx, peer: &Peer, offered: &Signed, manifest: Manifest) -> Outcome<Offered> {
    let code = manifest.publication.clone();
    if let Some(known) = store::lookup::<batch::Entity>(&**tx, manifest.batch.clone()).await? {
        if known.manifest.is_empty() {
            return begun::declare(tx, peer, known, offered, &manifest).await;
        }
        if known.manifest != offered.text {
            return Err(Error::refused("exchange-batch-reused"));
        }
        if known.receipt.is_none() {
            let publication = store::get::<publication_table::Entity>(&**tx, "publication", code);
            let fits = must_fit(&publication.await?, manifest.sequence, &manifest.shape);
            if let Err(outdated) = fits {
                store::forget_batch(tx, &known.id).await?;
                return Ok(Err(outdated));
            }
        }
        return standing(tx, &known).await.map(Ok);
    }
    let publication = store::get::<publication_table::Entity>(&**tx, "publication", code).await?;
    must_be_open(peer, &publication, manifest.sequence, &manifest.shape)?;
    forget_unfinished(tx, &publication.code).await?;
    let row = begun::row(publication, micros(tx.now()), &begun::begin_of(&manifest));
    let row = described(row, offered, &manifest);
    store::insert_all(tx, chunk_rows(&manifest)).await?;
    store::insert(tx, row.clone()).await?;
    standing(tx, &row).await.map(Ok)
}

/// A node that lost its notes reads again: what it began and did not finish is forgotten.
pub(super) async fn forget_unfinished(tx: &Tx, publication: &str) -> Result<()> {
    for given_up in store::receiving(&**tx, publication).await? {
        store::forget_batch(tx, &given_up.id).await?;
    }
    Ok(())
}

/// A batch with what its manifest tells.
pub(super) fn described(row: batch::Model, offered: &Signed, manifest: &Manifest) -> batch::Model {
    batch::Model {
        kind: manifest.kind.name().into(),
        manifest: offered.text.clone(),
        manifest_signature: offered.signature.clone(),
        row_count: number(manifest.rows),
        delete_count: number(manifest.deletes),
        refused_count: number(manifest.refused),
        byte_count: number(manifest.chunks.iter().map(|mark| mark.bytes).sum()),
        chunk_count: number(manifest.chunks.len() as u64),
        checksum: manifest.checksum.to_string(),
        read_at: manifest.read_at,
        ..row
    }
}

/// The chunks of a manifest, none of them here yet.
pub(super) fn chunk_rows(manifest: &Manifest) -> Vec<chunk_table::Model> {
    let marks = (0_u32..).zip(&manifest.chunks);
    let rows = marks.map(|(place, mark)| chunk_row(&manifest.batch, place, mark));
    rows.collect()
}

fn chunk_row(batch: &str, place: u32, mark: &Mark) -> chunk_table::Model {
    let kind = match mark.kind {
        Kind::Rows => "rows",
        Kind::Deletes => "deletes",
    };
    chunk_table::Model {
        batch: batch.to_owned(),
        place: i64::from(place),
        kind: kind.into(),
        row_count: number(mark.rows),
        byte_count: number(mark.bytes),
        digest: mark.digest.clone(),
        checksum: None,
        arrived_at: None,
    }
}

pub(super) fn must_be_open(
    peer: &Peer,
    publication: &publication_table::Model,
    sequence: i64,
    shape: &str,
) -> Result<()> {
    if publication.node != peer.code() {
        return Err(Error::refused("exchange-publication-foreign"));
    }
    if publication::state(publication)? != PublicationState::Open {
        return Err(Error::refused("exchange-publication-closed"));
    }
    must_fit(publication, sequence, shape)
}

/// The batch is the next one, of the columns that the publication has now. Between its first chunk
/// and its last the publication may have been suspended and opened with other columns.
fn must_fit(publication: &publication_table::Model, sequence: i64, shape: &str) -> Result<()> {
    if sequence != publication.next_sequence {
        let text = Text::new("exchange-sequence").with("next", publication.next_sequence);
        return Err(Error::Refused(text));
    }
    if shape != wire::shape_digest(&publication::shape(publication)?)? {
        return Err(Error::refused("exchange-shape-changed"));
    }
    Ok(())
}

pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What is missing of a batch, or its receipt.
pub(super) async fn standing(tx: &Tx, row: &batch::Model) -> Result<Offered> {
    let receipt = receipt(row);
    let chunks = if receipt.is_some() {
        Vec::new()
    } else {
        store::chunks(&**tx, &row.id).await?
    };
    let missing = chunks.iter().filter(|chunk| chunk.arrived_at.is_none());
    Ok(Offered {
        missing: missing
            .filter_map(|chunk| u32::try_from(chunk.place).ok())
            .collect(),
        receipt,
    })
}

pub(super) fn receipt(row: &batch::Model) -> Option<Signed> {
    Some(Signed {
        text: row.receipt.clone()?,
        signature: row.receipt_signature.clone()?,
    })
}

/// Takes one chunk. It has to be what the manifest says, or its own mark as long as there is no
/// manifest, to the byte, and its rows have to be of the publication's columns. A chunk that is here
/// already is taken and forgotten.
pub async fn receive(hub: &Hub, peer: &Peer, place: &Place, bytes: Bytes) -> Result<()> {
    let row = own(hub.db.read(), peer, &place.batch).await?;
    let Some(wanted) = wanted(hub.db.read(), &row, place).await? else {
        return Ok(());
    };
    let shape = shape_of(hub.db.read(), &row.publication).await?;
    let mark = wanted.clone();
    let checked = tokio::task::spawn_blocking(move || check(&mark, &shape, bytes));
    let (chunk, checksum) = checked
        .await
        .map_err(|e| Fault::caused_by("check a chunk", e))??;
    let upload = hub.landing.put(chunk).await?;
    let (landing, peer, place) = (hub.landing.clone(), peer.clone(), place.clone());
    let arrived = chunk_table::Model {
        checksum: Some(checksum.to_string()),
        arrived_at: Some(micros(hub.now())),
        ..wanted
    };
    hub.db
        .write(move |tx| {
            let (landing, peer, place) = (landing.clone(), peer.clone(), place.clone());
            let (arrived, upload) = (arrived.clone(), upload.clone());
            async move {
                // Meanwhile the manifest may have come and named another chunk here, or none.
                let row = own(&*tx, &peer, &place.batch).await?;
                let Some(wanted) = self::wanted(&*tx, &row, &place).await? else {
                    return Ok(());
                };
                if wanted.digest != arrived.digest {
                    return Err(tampered(&wanted));
                }
                landing.keep(&tx, &arrived.batch, &upload).await?;
                store::put_chunk(&tx, arrived).await
            }
        })
        .await
}

/// What a chunk at that place has to be; none where it is here, or the batch is whole.
async fn wanted(
    db: &impl sea_orm::ConnectionTrait,
    row: &batch::Model,
    place: &Place,
) -> Result<Option<chunk_table::Model>> {
    if row.state != "receiving" {
        return Ok(None);
    }
    let key = (row.id.clone(), i64::from(place.place));
    if let Some(known) = store::lookup::<chunk_table::Entity>(db, key).await? {
        return Ok(known.arrived_at.is_none().then_some(known));
    }
    match &place.mark {
        Some(mark) if row.manifest.is_empty() && (place.place as usize) < MOST_CHUNKS => {
            Ok(Some(chunk_row(&row.id, place.place, mark)))
        }
        _ => Err(Error::NotFound { what: "chunk" }),
    }
}

fn tampered(wanted: &chunk_table::Model) -> Error {
    Error::Refused(Text::new("exchange-chunk-digest").with("place", wanted.place))
}

/// The chunk with the digest that it was found to have, and the checksum of its rows.
fn check(known: &chunk_table::Model, shape: &Shape, bytes: Bytes) -> Result<(Hashed, Checksum)> {
    if bytes.len() > LARGEST {
        return Err(tampered(known));
    }
    let found = Hashed::of(bytes);
    if found.digest() != known.digest {
        return Err(tampered(known));
    }
    let schema = match kind(known) {
        Kind::Rows => shape.schema(),
        Kind::Deletes => shape.key_schema(),
    };
    let unreadable =
        |_| Error::Refused(Text::new("exchange-chunk-unreadable").with("place", known.place));
    let (mut checksum, mut rows) = (Checksum::default(), 0);
    for batch in Rows::of(found.bytes().clone(), &schema).map_err(unreadable)? {
        let batch = batch.map_err(unreadable)?;
        checksum.add(&batch)?;
        rows += batch.num_rows();
    }
    if number(rows as u64) == known.row_count {
        Ok((found, checksum))
    } else {
        Err(tampered(known))
    }
}

pub(super) fn kind(chunk: &chunk_table::Model) -> Kind {
    if chunk.kind == "rows" {
        Kind::Rows
    } else {
        Kind::Deletes
    }
}

pub(super) fn mark(chunk: &chunk_table::Model) -> Mark {
    Mark {
        kind: kind(chunk),
        rows: chunk.row_count.unsigned_abs(),
        bytes: chunk.byte_count.unsigned_abs(),
        digest: chunk.digest.clone(),
    }
}

pub(super) async fn shape_of(db: &impl sea_orm::ConnectionTrait, code: &str) -> Result<Shape> {
    let row = store::get::<publication_table::Entity>(db, "publication", code.to_owned()).await?;
    publication::shape(&row)
}

/// A batch of that node's.
pub(super) async fn own(
    db: &impl sea_orm::ConnectionTrait,
    peer: &Peer,
    id: &str,
) -> Result<batch::Model> {
    let row = store::get::<batch::Entity>(db, "batch", id.to_owned()).await?;
    if row.node == peer.code() {
        Ok(row)
    } else {
        Err(Error::NotFound { what: "batch" })
    }
}

/// Keeps refused rows of a batch that is on its way; sent again they are there once.
pub async fn refusals(hub: &Hub, peer: &Peer, asked: Refusals) -> Result<()> {
    let batch = own(hub.db.read(), peer, &asked.batch).await?;
    if batch.state != "receiving" {
        return Ok(());
    }
    let rows = asked
        .rows
        .into_iter()
        .map(|row| refused_row(&batch.id, row));
    let rows: Vec<_> = rows.collect::<Result<_>>()?;
    let most = batch.refused_count.unsigned_abs();
    hub.db
        .write(move |tx| {
            let (id, rows) = (batch.id.clone(), rows.clone());
            async move {
                let before = store::refused_count(&*tx, &id).await?;
                let room = REFUSALS_KEPT.saturating_sub(before.reasons);
                store::insert_all(&tx, rows.into_iter().take(room).collect()).await?;
                let after = store::refused_count(&*tx, &id).await?;
                if after.rows > most {
                    return Err(Error::refused("exchange-refusals-unsound"));
                }
                Ok(())
            }
        })
        .await
}

/// A refused row as it is kept, if a node of ours can have told it.
fn refused_row(batch: &str, told: RefusedRow) -> Result<refused_row::Model> {
    let is_sound = told.row > 0
        && is_name(&told.column)
        && crate::node::standardise::REASONS.contains(&told.reason.as_str());
    if !is_sound {
        return Err(Error::refused("exchange-refusals-unsound"));
    }
    let failed = |e| Fault::caused_by("write a refused row", e);
    let content = serde_json::to_string(&told.values).map_err(failed)?;
    Ok(refused_row::Model {
        batch: batch.to_owned(),
        row_number: told.row,
        field: told.column,
        reason: told.reason,
        content: if content.len() > LARGEST_REFUSED {
            "[]".into()
        } else {
            content
        },
    })
}

/// Takes a batch whose chunks are all here: one write makes it count, asks for its deliveries and
/// keeps the receipt, which is answered however often it is asked for.
pub async fn commit(hub: &Hub, peer: &Peer, id: &str) -> Result<Signed> {
    let row = own(hub.db.read(), peer, id).await?;
    if let Some(receipt) = receipt(&row) {
        return Ok(receipt);
    }
    if row.manifest.is_empty() {
        return Err(Error::refused("exchange-manifest-missing"));
    }
    let now = micros(hub.now());
    let said = Receipt {
        batch: row.id.clone(),
        node: row.node.clone(),
        publication: row.publication.clone(),
        sequence: row.sequence,
        manifest: chunk::digest(row.manifest.as_bytes()),
        rows: row.row_count.unsigned_abs(),
        deletes: row.delete_count.unsigned_abs(),
        checksum: row
            .checksum
            .parse()
            .map_err(|e| Fault::caused_by("read a checksum", e))?,
        accepted_at: now,
    };
    let signed = hub.authority.sign(&said)?;
    let (peer, today) = (peer.clone(), hub.db.clock().today());
    hub.db
        .write(move |tx| {
            let (peer, signed, said) = (peer.clone(), signed.clone(), said.clone());
            async move { accept(&tx, &peer, signed, said, today).await }
        })
        .await?
}

async fn accept(
    tx: &Tx,
    peer: &Peer,
    signed: Signed,
    said: Receipt,
    today: chrono::NaiveDate,
) -> Outcome<Signed> {
    let row = own(&**tx, peer, &said.batch).await?;
    // Two commits at one time: the first one's receipt is the receipt.
    if let Some(receipt) = receipt(&row) {
        return Ok(Ok(receipt));
    }
    let code = row.publication.clone();
    let publication = store::get::<publication_table::Entity>(&**tx, "publication", code).await?;
    if publication::state(&publication)? != PublicationState::Open {
        return Err(Error::refused("exchange-publication-closed"));
    }
    let manifest = manifest_of(&row)?;
    if let Err(outdated) = must_fit(&publication, manifest.sequence, &manifest.shape) {
        store::forget_batch(tx, &row.id).await?;
        return Ok(Err(outdated));
    }
    must_be_whole(tx, &row, &said).await?;
    must_be_told(tx, &manifest, &publication::shape(&publication)?).await?;
    let is_full = BatchKind::of_name(&row.kind) == BatchKind::Full;
    let accepted = batch::Model {
        state: "accepted".into(),
        receipt: Some(signed.text.clone()),
        receipt_signature: Some(signed.signature.clone()),
        accepted_at: Some(said.accepted_at),
        ..row
    };
    store::update(tx, accepted.clone()).await?;
    let body = event::BatchAccepted {
        batch: said.batch.clone(),
        publication: publication.code.clone(),
        resource: publication.resource.clone(),
        node: publication.node.clone(),
        sequence: said.sequence,
        kind: accepted.kind.clone(),
        rows: said.rows,
        deletes: said.deletes,
        refused: accepted.refused_count.unsigned_abs(),
        checksum: said.checksum.to_string(),
        manifest: said.manifest,
    };
    tx.emit(format!("batch:{}", said.batch), peer.trace(), &body)?;
    deliver(tx, &accepted, is_full, today).await?;
    let next = publication_table::Model {
        next_sequence: said.sequence + 1,
        wants_full: publication.wants_full && !is_full,
        ..publication
    };
    store::update(tx, next).await?;
    Ok(Ok(signed))
}

fn manifest_of(row: &batch::Model) -> Result<Manifest> {
    let read = serde_json::from_str(&row.manifest);
    read.map_err(|e| Fault::caused_by("read a manifest", e).into())
}

/// Each refused row was told; or, where there are too many, as many as so many reasons make, of
/// which a column may give two.
async fn must_be_told(tx: &Tx, manifest: &Manifest, shape: &Shape) -> Result<()> {
    let kept = store::refused_count(&**tx, &manifest.batch).await?.rows;
    let enough = REFUSALS_KEPT / (2 * shape.columns.len()).max(1);
    if kept == manifest.refused || kept >= enough as u64 {
        Ok(())
    } else {
        Err(Error::refused("exchange-refusals-missing"))
    }
}

/// The chunks are all here, and their rows add up to what the manifest says.
async fn must_be_whole(tx: &Tx, row: &batch::Model, said: &Receipt) -> Result<()> {
    let mut sum = Checksum::default();
    for chunk in store::chunks(&**tx, &row.id).await? {
        let Some(checksum) = &chunk.checksum else {
            let text = Text::new("exchange-chunk-missing").with("place", chunk.place);
            return Err(Error::Refused(text));
        };
        let checksum = checksum
            .parse()
            .map_err(|e| Fault::caused_by("read a checksum", e))?;
        sum = sum.and(checksum);
    }
    if sum == said.checksum {
        Ok(())
    } else {
        Err(Error::refused("exchange-checksum"))
    }
}

/// A delivery for each subscription that is live; a full batch begins those that wait for one.
async fn deliver(
    tx: &Tx,
    batch: &batch::Model,
    is_full: bool,
    today: chrono::NaiveDate,
) -> Result<()> {
    for row in store::subscriptions(&**tx, Some(&batch.publication)).await? {
        let is_wanted = subscription::is_live(&row, today) || row.state == "suspended";
        if !is_wanted || !(is_full || row.is_started) {
            continue;
        }
        if is_full {
            store::supersede(tx, &row.id).await?;
        }
        let made = delivery::Model {
            id: ::store::event::new_id(tx.now()),
            batch: batch.id.clone(),
            publication: batch.publication.clone(),
            subscription: row.id.clone(),
            node: row.node.clone(),
            org: row.org.clone(),
            sequence: batch.sequence,
            state: "waiting".into(),
            note: None,
            note_signature: None,
            receipt: None,
            receipt_signature: None,
            row_count: None,
            delete_count: None,
            checksum: None,
            problem: String::new(),
            created_at: micros(tx.now()),
            pulled_at: None,
            applied_at: None,
        };
        store::insert(tx, made).await?;
        if !row.is_started {
            let started = subscription_table::Model {
                is_started: true,
                ..row
            };
            store::update(tx, started).await?;
        }
    }
    Ok(())
}

/// Lets chunks go that everybody has had for long; what is known of the batch stays. A batch that
/// its node has left unfinished for as long is forgotten: offered again, it is sent again.
pub async fn prune(hub: &Hub) -> Result<usize> {
    let keep = chrono::Duration::days(hub.settings.keep_days);
    let moment = micros(hub.now() - keep);
    hub.db
        .write(move |tx| async move {
            for left in store::unfinished_before(&*tx, moment).await? {
                store::forget_batch(&tx, &left.id).await?;
            }
            Ok(())
        })
        .await?;
    let old = store::done_before(hub.db.read(), moment).await?;
    let count = old.len();
    for row in old {
        let chunks = store::chunks(hub.db.read(), &row.id).await?;
        let landing = hub.landing.clone();
        hub.db
            .write(move |tx| {
                let (row, chunks, landing) = (row.clone(), chunks.clone(), landing.clone());
                async move {
                    for chunk in &chunks {
                        landing.release(&tx, &row.id, &chunk.digest).await?;
                    }
                    let pruned_at = Some(micros(tx.now()));
                    store::update(&tx, batch::Model { pruned_at, ..row }).await
                }
            })
            .await?;
    }
    Ok(count)
}

/// A batch's refused rows, which show values of the source: for people of its department.
pub async fn refused(
    app: &App,
    actor: &Actor,
    id: &str,
    page: &PageRequest,
) -> Result<PageOf<RefusedRow>> {
    let db = app.db();
    may(app, actor, "exchange.refused", None)?;
    let row = store::get::<batch::Entity>(db.read(), "batch", id.to_owned()).await?;
    may(app, actor, "exchange.refused", Some(&row.org))?;
    let found = store::refused(db.read(), id, page).await?;
    let (who, body) = (
        actor.trace(),
        event::RefusedRead {
            batch: row.id,
            rows: found.items.len(),
        },
    );
    db.write(move |tx| {
        let (who, body) = (who.clone(), body.clone());
        async move { tx.emit(format!("batch:{}", body.batch), &who, &body) }
    })
    .await?;
    let mut items = Vec::new();
    for row in found.items {
        items.push(RefusedRow {
            row: row.row_number,
            column: row.field,
            reason: row.reason,
            values: serde_json::from_str(&row.content)
                .map_err(|e| Fault::caused_by("read a refused row", e))?,
        });
    }
    Ok(PageOf {
        items,
        next: found.next,
    })
}

/// A batch as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ExchangeBatch)]
pub struct Batch {
    #[schema(example = "019c8f2e-0000-7000-8000-000000000002")]
    pub id: String,
    #[schema(example = "hukou-person")]
    pub publication: String,
    #[schema(example = "police-front-1")]
    pub node: String,
    pub org: String,
    #[schema(example = 12)]
    pub sequence: i64,
    pub kind: BatchKind,
    pub is_accepted: bool,
    pub rows: i64,
    pub deletes: i64,
    pub refused: i64,
    pub bytes: i64,
    pub chunks: i64,
    pub checksum: String,
    /// When the node read its source.
    pub read_at: chrono::DateTime<chrono::Utc>,
    /// When its manifest came.
    pub offered_at: chrono::DateTime<chrono::Utc>,
    /// When it was here, whole.
    pub accepted_at: Option<chrono::DateTime<chrono::Utc>>,
}

impl From<batch::Model> for Batch {
    fn from(row: batch::Model) -> Self {
        let moment = kernel::clock::from_micros;
        Self {
            kind: BatchKind::of_name(&row.kind),
            is_accepted: row.state == "accepted",
            rows: row.row_count,
            deletes: row.delete_count,
            refused: row.refused_count,
            bytes: row.byte_count,
            chunks: row.chunk_count,
            checksum: row.checksum,
            read_at: moment(row.read_at),
            offered_at: moment(row.offered_at),
            accepted_at: row.accepted_at.map(moment),
            id: row.id,
            publication: row.publication,
            node: row.node,
            org: row.org,
            sequence: row.sequence,
        }
    }
}
