//! Batches whose source is still being read: chunks come before the manifest that names them, so
//! that reading and sending take the time of the slower one. Nothing of them counts until the
//! signed manifest is here, and what it does not name goes then.

use std::collections::HashSet;

use ::store::Tx;
use kernel::{Error, Result, clock::micros};

use super::{
    Hub, Peer, batch,
    batch::{Outcome, chunk_rows, described, must_be_open, own, standing},
    store,
};
use crate::{
    schema::{batch as batch_table, publication as publication_table},
    wire::{Begin, Begun, GiveUp, Manifest, Offered, Signed},
};

/// Takes note that chunks will come; said again, it is answered by those that are here.
pub async fn begin(hub: &Hub, peer: &Peer, asked: &Begin) -> Result<Begun> {
    if asked.batch.parse::<kernel::id::Uuid>().is_err() {
        return Err(Error::refused("exchange-manifest-unsound"));
    }
    hub.must_be_past(asked.read_at, hub.now())?;
    let (peer, asked) = (peer.clone(), asked.clone());
    hub.db
        .write(move |tx| {
            let (peer, asked) = (peer.clone(), asked.clone());
            async move { note(&tx, &peer, &asked).await }
        })
        .await
}

async fn note(tx: &Tx, peer: &Peer, asked: &Begin) -> Result<Begun> {
    let known = store::lookup::<batch_table::Entity>(&**tx, asked.batch.clone()).await?;
    if known.is_some() {
        let known = own(&**tx, peer, &asked.batch).await?;
        let chunks = store::chunks(&**tx, &known.id).await?;
        let held = chunks.iter().filter(|chunk| chunk.arrived_at.is_some());
        return Ok(Begun {
            held: held
                .filter_map(|chunk| u32::try_from(chunk.place).ok())
                .collect(),
        });
    }
    let code = asked.publication.clone();
    let publication = store::get::<publication_table::Entity>(&**tx, "publication", code).await?;
    must_be_open(peer, &publication, asked.sequence, &asked.shape)?;
    batch::forget_unfinished(tx, &publication.code).await?;
    store::insert(tx, row(publication, micros(tx.now()), asked)).await?;
    Ok(Begun { held: Vec::new() })
}

/// A batch of which nothing is told yet.
pub(super) fn row(
    publication: publication_table::Model,
    offered_at: i64,
    asked: &Begin,
) -> batch_table::Model {
    batch_table::Model {
        id: asked.batch.clone(),
        publication: publication.code,
        node: publication.node,
        org: publication.org,
        sequence: asked.sequence,
        kind: asked.kind.name().into(),
        state: "receiving".into(),
        manifest: String::new(),
        manifest_signature: String::new(),
        receipt: None,
        receipt_signature: None,
        row_count: 0,
        delete_count: 0,
        refused_count: 0,
        byte_count: 0,
        chunk_count: 0,
        checksum: String::new(),
        read_at: asked.read_at,
        offered_at,
        accepted_at: None,
        pruned_at: None,
        is_held: false,
    }
}

/// What would have been said at the beginning of a batch that comes with its manifest.
pub(super) fn begin_of(manifest: &Manifest) -> Begin {
    Begin {
        batch: manifest.batch.clone(),
        publication: manifest.publication.clone(),
        sequence: manifest.sequence,
        kind: manifest.kind,
        shape: manifest.shape.clone(),
        read_at: manifest.read_at,
    }
}

/// The manifest of a batch that has begun. Chunks that are here and are what it names stay; the
/// others go, and what is missing is the answer.
pub(super) async fn declare(
    tx: &Tx,
    peer: &Peer,
    known: batch_table::Model,
    offered: &Signed,
    manifest: &Manifest,
) -> Outcome<Offered> {
    if known.node != peer.code() || known.publication != manifest.publication {
        return Err(Error::refused("exchange-batch-reused"));
    }
    let code = known.publication.clone();
    let publication = store::get::<publication_table::Entity>(&**tx, "publication", code).await?;
    let is_open = must_be_open(peer, &publication, manifest.sequence, &manifest.shape);
    if let Err(refusal) = is_open {
        store::forget_batch(tx, &known.id).await?;
        return Ok(Err(refusal));
    }
    let row = described(known, offered, manifest);
    keep_named(tx, manifest).await?;
    store::insert_all(tx, chunk_rows(manifest)).await?;
    let sequence = manifest.sequence;
    let row = batch_table::Model { sequence, ..row };
    store::update(tx, row.clone()).await?;
    standing(tx, &row).await.map(Ok)
}

/// Lets chunks go that are not those of the manifest.
async fn keep_named(tx: &Tx, manifest: &Manifest) -> Result<()> {
    let here = store::chunks(&**tx, &manifest.batch).await?;
    let (named, others): (Vec<_>, Vec<_>) = here.into_iter().partition(|chunk| {
        let place = usize::try_from(chunk.place).unwrap_or(usize::MAX);
        manifest.chunks.get(place) == Some(&batch::mark(chunk))
    });
    // Equal chunks lie in one place.
    let needed: HashSet<&str> = named.iter().map(|chunk| chunk.digest.as_str()).collect();
    for chunk in others {
        let is_needed = needed.contains(chunk.digest.as_str());
        store::forget_chunk(tx, &chunk, !is_needed).await?;
    }
    Ok(())
}

/// Forgets a batch that has begun, because its reading came to nothing.
pub async fn give_up(hub: &Hub, peer: &Peer, asked: &GiveUp) -> Result<()> {
    let (peer, id) = (peer.clone(), asked.batch.clone());
    hub.db
        .write(move |tx| {
            let (peer, id) = (peer.clone(), id.clone());
            async move {
                let row = own(&*tx, &peer, &id).await?;
                if row.manifest.is_empty() {
                    store::forget_batch(&tx, &row.id).await?;
                }
                Ok(())
            }
        })
        .await
}
