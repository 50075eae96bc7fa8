//! Files.
//!
//! A file's content is stored under its SM3 digest in an object store, and belongs to whoever
//! [`keep`]s it, in the same write as the rows that speak of it. Content that nobody keeps within
//! a day of its upload is garbage, whatever crashed, and [`Blobs::reconcile`] removes it.

mod hashed;
mod kind;
mod name;
mod reconcile;

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use kernel::{Fault, Finding, Text, crypto::Sm3};
use object_store::{
    GetResult, MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, local::LocalFileSystem,
    memory::InMemory, path::Path,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, sea_query::OnConflict,
};
use serde::{Deserialize, Serialize};

pub use hashed::Hashed;
pub use kind::Kind;
pub use name::clean_name;
pub use reconcile::{Reconciled, reconcile_until};

use crate::{
    Db, Tx, fault,
    schema::{blob as table, blob_holder as holder_table},
};

/// Where files are. Cheap to clone.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    /// Root of a local store, whose files have to be synced by hand.
    folder: Option<PathBuf>,
}

/// What may be uploaded at some place.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Bytes.
    pub largest: u64,
    pub kinds: Vec<Kind>,
}

impl Default for Rules {
    /// What citizens hand in: documents and pictures up to 20 MB.
    fn default() -> Self {
        let kinds = vec![
            Kind::Pdf,
            Kind::Ofd,
            Kind::Jpeg,
            Kind::Png,
            Kind::Docx,
            Kind::Xlsx,
            Kind::OldOffice,
        ];
        Self {
            largest: 20 << 20,
            kinds,
        }
    }
}

/// Content that has arrived whole and is on disk; it stays if somebody [`keep`]s it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Hexadecimal SM3 of the content.
    pub digest: String,
    pub size: i64,
    pub media_type: String,
    /// Cleaned; without folders.
    pub name: String,
}

/// Content that is kept.
pub struct Blob {
    pub size: i64,
    pub media_type: String,
    pub content: BoxStream<'static, Result<Bytes, Fault>>,
}

/// Parts in which content goes to the store; S3 wants no smaller ones.
const PART: usize = 5 << 20;
const INCOMING: &str = "incoming";
const KEPT: &str = "blob";

impl Blobs {
    /// Files in a local folder, which is created.
    pub fn folder(folder: impl Into<PathBuf>) -> Result<Self, Fault> {
        let folder = folder.into();
        let unusable =
            |e: std::io::Error| Fault::caused_by(format!("create {}", folder.display()), e);
        std::fs::create_dir_all(&folder).map_err(unusable)?;
        let store = LocalFileSystem::new_with_prefix(&folder)
            .map_err(|e| Fault::caused_by("open the folder of files", e))?;
        Ok(Self {
            store: Arc::new(store),
            folder: Some(folder),
        })
    }

    /// Files in memory, for tests.
    pub fn in_memory() -> Self {
        Self {
            store: Arc::new(InMemory::new()),
            folder: None,
        }
    }

    /// Takes in a file as it arrives. `field` names the form field in findings; `name` is what
    /// the sender calls the file. Refuses what is empty, too large, of a kind that the rules do
    /// not list, or of another kind than its name says; nothing is left of it then.
    pub async fn put<E>(
        &self,
        field: &str,
        name: &str,
        rules: &Rules,
        content: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> kernel::Result<Upload>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let name = named(field, name)?;
        let place = incoming();
        let arrived = self.receive(&place, rules.largest, content).await?;
        self.settle(field, name, rules, &place, arrived).await
    }

    /// Takes in bytes that this program made itself, as a certificate.
    pub async fn put_bytes(&self, name: &str, kind: Kind, bytes: Bytes) -> kernel::Result<Upload> {
        self.put_hashed(name, kind, Hashed::of(bytes)).await
    }

    /// Takes in bytes whose digest the program has computed already.
    pub async fn put_hashed(
        &self,
        name: &str,
        kind: Kind,
        content: Hashed,
    ) -> kernel::Result<Upload> {
        let field = "file";
        let name = named(field, name)?;
        let bytes = content.bytes();
        let rules = Rules {
            largest: bytes.len() as u64,
            kinds: vec![kind],
        };
        if bytes.is_empty() {
            return Err(refused(field, Text::new("store-upload-empty")));
        }
        let place = incoming();
        let stored = self.store.put(&place, bytes.clone().into()).await;
        stored.map_err(storing)?;
        let arrived = Arrived {
            digest: content.digest().to_owned(),
            size: bytes.len() as u64,
            start: bytes.iter().take(START).copied().collect(),
        };
        self.settle(field, name, &rules, &place, Ok(arrived)).await
    }

    /// Content that has arrived goes where its digest says, if it is of a kind that may be there;
    /// nothing is left of it otherwise.
    async fn settle(
        &self,
        field: &str,
        name: String,
        rules: &Rules,
        place: &Path,
        arrived: Result<Arrived, Text>,
    ) -> kernel::Result<Upload> {
        let checked = match arrived {
            Ok(arrived) => {
                let kind = kind::check(&*self.store, place, &arrived, &name, rules).await?;
                kind.map(|kind| (arrived, kind))
            }
            Err(text) => Err(text),
        };
        match checked {
            Ok((arrived, kind)) => {
                let kept = place_of(&arrived.digest);
                self.store.rename(place, &kept).await.map_err(storing)?;
                self.sync(&kept).await?;
                let media_type = kind.media_type().to_owned();
                let size = i64::try_from(arrived.size).unwrap_or(i64::MAX);
                Ok(Upload {
                    digest: arrived.digest,
                    size,
                    media_type,
                    name,
                })
            }
            Err(text) => {
                // There is nothing to delete if the upload was given up early.
                drop(self.store.delete(place).await);
                Err(refused(field, text))
            }
        }
    }

    /// Streams content to the store; the inner error is the sender's.
    async fn receive<E>(
        &self,
        place: &Path,
        largest: u64,
        content: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> kernel::Result<Result<Arrived, Text>>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut upload = self.store.put_multipart(place).await.map_err(storing)?;
        let outcome = stream_to(&mut *upload, largest, content).await;
        match outcome {
            Ok(Ok(arrived)) => {
                upload.complete().await.map_err(storing)?;
                Ok(Ok(arrived))
            }
            other => {
                if let Err(e) = upload.abort().await {
                    tracing::warn!(error = %e, "could not give up an upload");
                }
                other
            }
        }
    }

    /// A rename is only as durable as the folder it happened in.
    async fn sync(&self, place: &Path) -> Result<(), Fault> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let file = place
            .parts()
            .fold(folder.clone(), |path, part| path.join(part.as_ref()));
        let sync = move || -> std::io::Result<()> {
            std::fs::File::open(&file)?.sync_all()?;
            match file.parent() {
                Some(folder) => std::fs::File::open(folder)?.sync_all(),
                None => Ok(()),
            }
        };
        let synced = tokio::task::spawn_blocking(sync).await;
        synced
            .map_err(|e| Fault::caused_by("sync a file", e))?
            .map_err(|e| Fault::caused_by("sync a file", e).transient())
    }

    /// Kept content, as a stream. Who may see it is the caller's question.
    pub async fn get(&self, db: &Db, digest: &str) -> kernel::Result<Blob> {
        let (row, found) = self.find(db, digest).await?;
        let content = found
            .into_stream()
            .map(|part| part.map_err(storing))
            .boxed();
        Ok(Blob {
            size: row.size,
            media_type: row.media_type,
            content,
        })
    }

    /// Kept content in memory, for what is known to be small. It is read at once: a stream brings
    /// 8 KB at a time, each from another thread.
    pub async fn get_bytes(&self, db: &Db, digest: &str) -> kernel::Result<Bytes> {
        let (_, found) = self.find(db, digest).await?;
        Ok(found.bytes().await.map_err(storing)?)
    }

    async fn find(&self, db: &Db, digest: &str) -> kernel::Result<(table::Model, GetResult)> {
        let row = table::Entity::find_by_id(digest)
            .one(db.read())
            .await
            .map_err(|e| fault("read a file's row", e))?
            .ok_or(kernel::Error::NotFound { what: "file" })?;
        let found = self.store.get(&place_of(digest)).await.map_err(storing)?;
        Ok((row, found))
    }
}

/// Keeps uploaded content, in the write that speaks of it. `holder` names who needs it, as
/// `forms_file:0192…`; doing it again changes nothing. Has to happen within a day of the upload.
pub async fn keep(tx: &Tx, upload: &Upload, holder: &str) -> kernel::Result<()> {
    let row = table::ActiveModel {
        digest: Set(upload.digest.clone()),
        size: Set(upload.size),
        media_type: Set(upload.media_type.clone()),
        created_at: Set(kernel::clock::micros(tx.now())),
    };
    table::Entity::insert(row)
        .on_conflict(
            OnConflict::column(table::Column::Digest)
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("keep a file", e))?;
    let row = holder_table::ActiveModel {
        digest: Set(upload.digest.clone()),
        holder: Set(holder.to_owned()),
    };
    let key = [holder_table::Column::Digest, holder_table::Column::Holder];
    holder_table::Entity::insert(row)
        .on_conflict(OnConflict::columns(key).do_nothing().to_owned())
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("keep a file", e))?;
    Ok(())
}

/// The holder needs the content no more; when nobody does, it goes.
pub async fn release(tx: &Tx, digest: &str, holder: &str) -> kernel::Result<()> {
    holder_table::Entity::delete_by_id((digest.to_owned(), holder.to_owned()))
        .exec(&**tx)
        .await
        .map_err(|e| fault("release a file", e))?;
    let others = holder_table::Entity::find()
        .filter(holder_table::Column::Digest.eq(digest))
        .count(&**tx)
        .await
        .map_err(|e| fault("release a file", e))?;
    if others == 0 {
        table::Entity::delete_by_id(digest)
            .exec(&**tx)
            .await
            .map_err(|e| fault("release a file", e))?;
    }
    Ok(())
}

/// What is known of content after it has arrived.
pub(crate) struct Arrived {
    digest: String,
    size: u64,
    /// The first bytes.
    start: Vec<u8>,
}

const START: usize = 4096;

fn refused(field: &str, text: Text) -> kernel::Error {
    kernel::Error::Invalid(vec![Finding::new(field, text)])
}

/// What the content is to be called.
fn named(field: &str, name: &str) -> kernel::Result<String> {
    clean_name(name).ok_or_else(|| refused(field, Text::new("store-upload-name-empty")))
}

/// Where content is until it has arrived whole.
fn incoming() -> Path {
    Path::from(format!("{INCOMING}/{}", uuid::Uuid::new_v4().simple()))
}

async fn stream_to<E>(
    upload: &mut dyn MultipartUpload,
    largest: u64,
    content: impl Stream<Item = Result<Bytes, E>> + Send,
) -> kernel::Result<Result<Arrived, Text>>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut content = std::pin::pin!(content);
    let (mut hasher, mut size, mut start) = (Sm3::new(), 0_u64, Vec::new());
    let mut part: Vec<u8> = Vec::new();
    while let Some(bytes) = content.next().await {
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(e) => {
                tracing::debug!(error = %e.into(), "an upload broke off");
                return Ok(Err(Text::new("store-upload-broken-off")));
            }
        };
        size += bytes.len() as u64;
        if size > largest {
            return Ok(Err(
                Text::new("store-upload-too-large").with("limit", readable(largest))
            ));
        }
        hasher.update(&bytes);
        if start.len() < START {
            start.extend(bytes.iter().take(START - start.len()));
        }
        part.extend_from_slice(&bytes);
        if part.len() >= PART {
            upload
                .put_part(PutPayload::from(std::mem::take(&mut part)))
                .await
                .map_err(storing)?;
        }
    }
    if size == 0 {
        return Ok(Err(Text::new("store-upload-empty")));
    }
    if !part.is_empty() {
        upload
            .put_part(PutPayload::from(part))
            .await
            .map_err(storing)?;
    }
    Ok(Ok(Arrived {
        digest: hex::encode(hasher.finish()),
        size,
        start,
    }))
}

/// A number of bytes for people: `20 MB`.
fn readable(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KB", bytes / 1024),
        _ => format!("{} MB", bytes / 1_048_576),
    }
}

fn place_of(digest: &str) -> Path {
    let shelf = digest.get(..2).unwrap_or("xx");
    Path::from(format!("{KEPT}/{shelf}/{digest}"))
}

/// A store that fails is out of reach or full: trying again may help.
fn storing(error: object_store::Error) -> Fault {
    Fault::caused_by("store a file", error).transient()
}
