//! Where accepted chunks lie until everybody has them.

use async_trait::async_trait;
use bytes::Bytes;
use kernel::Result;
use store::{
    Blobs, Db, Tx,
    blob::{self, Hashed, Kind, Upload},
};

/// Keeps chunks under their digest. A lake may stand beside it: it hears
/// [`BatchAccepted`](crate::event::BatchAccepted) and reads the same chunks.
#[async_trait]
pub trait Landing: Send + Sync + 'static {
    /// Stores a chunk; it stays if it is kept.
    async fn put(&self, chunk: Hashed) -> Result<Upload>;
    /// Keeps a stored chunk, in the write that speaks of it.
    async fn keep(&self, tx: &Tx, batch: &str, chunk: &Upload) -> Result<()>;
    async fn get(&self, db: &Db, digest: &str) -> Result<Bytes>;
    /// The batch needs the chunk no more.
    async fn release(&self, tx: &Tx, batch: &str, digest: &str) -> Result<()>;
}

/// Chunks as files of the blob store.
pub struct Spool(pub Blobs);

pub(super) fn holder(batch: &str) -> String {
    format!("exchange_batch:{batch}")
}

#[async_trait]
impl Landing for Spool {
    async fn put(&self, chunk: Hashed) -> Result<Upload> {
        self.0.put_hashed("chunk.arrows", Kind::Arrow, chunk).await
    }

    async fn keep(&self, tx: &Tx, batch: &str, chunk: &Upload) -> Result<()> {
        blob::keep(tx, chunk, &holder(batch)).await
    }

    async fn get(&self, db: &Db, digest: &str) -> Result<Bytes> {
        self.0.get_bytes(db, digest).await
    }

    async fn release(&self, tx: &Tx, batch: &str, digest: &str) -> Result<()> {
        blob::release(tx, digest, &holder(batch)).await
    }
}
