//! Outgoing: what is to be read now, and sending what was read until the hub's receipt is here.

use std::{path::PathBuf, time::Duration};

use futures::{Stream, StreamExt};
use kernel::{Fault, clock::micros};

use super::{
    Folder, Membership,
    ahead::Ahead,
    chunk_file,
    client::{Client, Trouble},
    config::{Config, Publication, Source},
    read::{self, Reading},
    source::{self, Plan},
    state::{State, batch, file, reading},
};
use crate::{
    data::chunk::{self, Mark},
    wire::{
        Announce, Announced, BatchKind, Begin, Commit, Manifest, Offered, Place, PublicationState,
        Receipt, Refusals, RefusedRow, Signed, action, shape_digest,
    },
};

/// Refused rows told in one message.
const REFUSALS_AT_ONCE: usize = 500;

/// All that a step needs.
pub struct Sender<'a> {
    pub folder: &'a Folder,
    pub membership: &'a Membership,
    pub config: &'a Config,
    pub state: &'a State,
}

impl Sender<'_> {
    /// Tells the hub what a publication is; answers how it stands.
    pub async fn announce(
        &self,
        client: &mut Client,
        publication: &Publication,
    ) -> Result<Announced, Trouble> {
        let asked = Announce {
            code: publication.code.clone(),
            resource: publication.resource.clone(),
            title: publication.title.clone(),
            shape: publication.shape(),
        };
        client.act(action::ANNOUNCE, &asked).await
    }

    /// Reads a publication if that is due, sends chunks meanwhile, and remembers the batch. Answers
    /// whether one was made.
    pub async fn read(
        &self,
        client: &mut Client,
        publication: &Publication,
        standing: &Announced,
        is_forced: bool,
    ) -> Result<bool, Trouble> {
        if standing.state != PublicationState::Open {
            return Ok(false);
        }
        let last = self.state.reading(&publication.code).await?;
        let now = micros(kernel::Clock::now(&kernel::SystemClock));
        let interval = i64::try_from(publication.every_seconds).unwrap_or(i64::MAX);
        let is_due = last.as_ref().is_none_or(|last| {
            now.saturating_sub(last.read_at) >= interval.saturating_mul(1_000_000)
        });
        if !is_due && !standing.wants_full && !is_forced {
            return Ok(false);
        }
        let Some(reading) = self.plan(publication, standing, last.as_ref()).await? else {
            return Ok(false);
        };
        let mut ahead = self
            .ahead(client, &reading, standing, last.is_some())
            .await?;
        let (tell, told) = tokio::sync::mpsc::unbounded_channel();
        let work = reading.clone();
        let reading_and_keeping = async {
            let ready = tokio::task::spawn_blocking(move || read::read(&work, Some(tell)));
            let ready = ready
                .await
                .map_err(|e| Fault::caused_by("read a source", e))??;
            self.keep(&reading, ready, standing, last).await
        };
        let (kept, is_begun) = tokio::join!(reading_and_keeping, ahead.run(told));
        if !matches!(kept, Ok(true)) {
            remove(&reading.folder);
            if is_begun {
                ahead.give_up().await;
            }
        }
        kept
    }

    /// What sends chunks while they are made.
    async fn ahead<'a>(
        &self,
        client: &'a mut Client,
        reading: &Reading,
        standing: &Announced,
        is_known: bool,
    ) -> Result<Ahead<'a>, Trouble> {
        let may_be_same = is_known && reading.files.is_empty() && !standing.wants_full;
        let before = if may_be_same {
            let last = self.state.last_batch(&reading.publication.code).await?;
            let manifest = last.and_then(|row| serde_json::from_str(&row.manifest).ok());
            Some(manifest.map_or_else(Vec::new, |manifest: Manifest| manifest.chunks))
        } else {
            None
        };
        Ok(Ahead {
            client,
            begin: Begin {
                batch: reading.batch.clone(),
                publication: reading.publication.code.clone(),
                sequence: reading.sequence,
                kind: reading.plan.kind,
                shape: shape_digest(&reading.publication.shape())?,
                read_at: micros(kernel::Clock::now(&kernel::SystemClock)),
            },
            folder: reading.folder.clone(),
            bytes_per_second: self.config.limits.bytes_per_second,
            before,
        })
    }

    /// Reads one file as an increment, and remembers the batch.
    pub async fn read_file(
        &self,
        publication: &Publication,
        standing: &Announced,
        file: &std::path::Path,
    ) -> Result<bool, Trouble> {
        if standing.state != PublicationState::Open {
            return Err(Trouble::Refused("the publication is not open".into()));
        }
        let last = self.state.reading(&publication.code).await?;
        let batch = kernel::id::new_v7(kernel::Clock::now(&kernel::SystemClock)).to_string();
        let reading = Reading {
            publication: publication.clone(),
            plan: Plan {
                kind: BatchKind::Increment,
                since: None,
            },
            files: vec![source::folder::found(file)?],
            node: self.membership.node.clone(),
            folder: self.folder.outgoing(&batch),
            batch,
            sequence: standing.next_sequence,
            chunk_bytes: self.config.limits.chunk_bytes,
        };
        let work = reading.clone();
        let ready = tokio::task::spawn_blocking(move || read::read(&work, None));
        let ready = ready
            .await
            .map_err(|e| Fault::caused_by("read a file", e))??;
        self.keep(&reading, ready, standing, last).await
    }

    /// What is to be read; none where nothing can be new.
    async fn plan(
        &self,
        publication: &Publication,
        standing: &Announced,
        last: Option<&reading::Model>,
    ) -> Result<Option<Reading>, Trouble> {
        let batch = kernel::id::new_v7(kernel::Clock::now(&kernel::SystemClock)).to_string();
        let since = last.and_then(|last| last.watermark.clone());
        let mut plan = Plan {
            kind: if standing.wants_full {
                BatchKind::Full
            } else {
                BatchKind::Increment
            },
            since,
        };
        let mut files = Vec::new();
        match &publication.source {
            Source::Odbc(source) => {
                let is_whole = source.changes.is_none()
                    && source.watermark.is_none()
                    && source.replication.is_none();
                if is_whole || plan.since.is_none() {
                    plan.kind = BatchKind::Full;
                }
            }
            Source::Http(source) => {
                if source.watermark.is_none() || plan.since.is_none() {
                    plan.kind = BatchKind::Full;
                }
            }
            Source::Folder(source) => {
                let mut found = source::folder::list(source)?;
                if source.full {
                    plan.kind = BatchKind::Full;
                    found = found.pop().into_iter().collect();
                }
                if plan.kind == BatchKind::Full {
                    let newest = found.last().cloned();
                    let is_new = match newest {
                        Some(newest) => self.is_new(publication, &newest).await?,
                        None => false,
                    };
                    if found.is_empty() || !(standing.wants_full || is_new) {
                        return Ok(None);
                    }
                    found.reverse();
                    files = found;
                } else {
                    for one in found {
                        if self.is_new(publication, &one).await? {
                            files.push(one);
                            break;
                        }
                    }
                    if files.is_empty() {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(Some(Reading {
            publication: publication.clone(),
            plan,
            files,
            node: self.membership.node.clone(),
            folder: self.folder.outgoing(&batch),
            batch,
            sequence: standing.next_sequence,
            chunk_bytes: self.config.limits.chunk_bytes,
        }))
    }

    async fn is_new(
        &self,
        publication: &Publication,
        found: &source::folder::Found,
    ) -> Result<bool, Trouble> {
        let taken = self.state.file(&publication.code, &found.name).await?;
        Ok(taken.is_none_or(|taken| taken.digest != found.digest))
    }

    /// Signs and remembers a batch, unless there is nothing in it.
    async fn keep(
        &self,
        reading: &Reading,
        ready: read::Ready,
        standing: &Announced,
        last: Option<reading::Model>,
    ) -> Result<bool, Trouble> {
        let manifest = &ready.manifest;
        let code = reading.publication.code.clone();
        let content = format!(
            "{} {} {} {}",
            manifest.kind.name(),
            manifest.rows,
            manifest.deletes,
            manifest.checksum
        );
        let before = last.as_ref().and_then(|last| last.watermark.clone());
        let read = reading::Model {
            publication: code.clone(),
            watermark: ready.end.watermark.or_else(|| before.clone()),
            content,
            read_at: manifest.read_at,
        };
        // What lies within the overlap is read again and again, and sent once.
        let is_same = last
            .is_some_and(|last| last.content == read.content && last.watermark == read.watermark);
        let is_empty = manifest.rows + manifest.deletes + manifest.refused == 0
            && manifest.kind == BatchKind::Increment;
        if reading.files.is_empty() && !standing.wants_full && (is_same || is_empty) {
            self.state.note_reading(read).await?;
            return Ok(false);
        }
        let signed = Signed::sign(&self.folder.signing_key()?, manifest)?;
        let row = batch::Model {
            id: manifest.batch.clone(),
            publication: code.clone(),
            sequence: manifest.sequence,
            manifest: signed.text,
            manifest_signature: signed.signature,
            refused: serde_json::to_string(&ready.refused)
                .map_err(|e| Fault::caused_by("write refused rows", e))?,
            receipt: None,
            receipt_signature: None,
            created_at: micros(kernel::Clock::now(&kernel::SystemClock)),
            receipted_at: None,
        };
        let files = reading.files.iter().map(|found| file::Model {
            publication: code.clone(),
            name: found.name.clone(),
            digest: found.digest.clone(),
            batch: row.id.clone(),
            taken_at: manifest.read_at,
        });
        let files = files.collect();
        self.state.add_batch(row, read, files).await?;
        Ok(true)
    }

    /// Sends a remembered batch until its receipt is here. The hub says what is missing, so what
    /// was sent before is not sent again.
    pub async fn send(&self, client: &mut Client, row: &batch::Model) -> Result<(), Trouble> {
        let offered = Signed {
            text: row.manifest.clone(),
            signature: row.manifest_signature.clone(),
        };
        let answer: Offered = match client.act(action::OFFER, &offered).await {
            Err(Trouble::Refused(why)) => {
                // The hub wants another one in its place: the source is read again.
                tracing::warn!(batch = %row.id, %why, "the hub does not take a batch");
                self.state.forget_batch(row).await?;
                remove(&self.folder.outgoing(&row.id));
                return Err(Trouble::Refused(why));
            }
            other => other?,
        };
        let receipt = if let Some(receipt) = answer.receipt {
            receipt
        } else {
            self.refusals(client, row).await?;
            self.chunks(client, row, answer.missing).await?;
            let commit = Commit {
                batch: row.id.clone(),
            };
            client.act(action::COMMIT, &commit).await?
        };
        let said: Receipt = receipt
            .open(&self.membership.hub_key()?)
            .map_err(|_| Fault::new("the hub's receipt is not signed by the hub"))?;
        if said.batch != row.id || said.manifest != chunk::digest(row.manifest.as_bytes()) {
            return Err(Fault::new("the hub's receipt is for another batch").into());
        }
        self.state.note_receipt(&row.id, &receipt).await?;
        remove(&self.folder.outgoing(&row.id));
        Ok(())
    }

    async fn refusals(&self, client: &mut Client, row: &batch::Model) -> Result<(), Trouble> {
        let rows: Vec<RefusedRow> = serde_json::from_str(&row.refused)
            .map_err(|e| Fault::caused_by("read refused rows", e))?;
        for some in rows.chunks(REFUSALS_AT_ONCE) {
            let told = Refusals {
                batch: row.id.clone(),
                rows: some.to_vec(),
            };
            let () = client.act(action::REFUSALS, &told).await?;
        }
        Ok(())
    }

    async fn chunks(
        &self,
        client: &mut Client,
        row: &batch::Model,
        missing: Vec<u32>,
    ) -> Result<(), Trouble> {
        if missing.is_empty() {
            return Ok(());
        }
        let manifest: Manifest = serde_json::from_str(&row.manifest)
            .map_err(|e| Fault::caused_by("read a manifest", e))?;
        let folder = self.folder.outgoing(&row.id);
        let wanted = missing.len();
        let rate = self.config.limits.bytes_per_second;
        let missing = missing.into_iter().map(|place| (place, None)).collect();
        let chunks = stream(row.id.clone(), folder, rate, missing);
        let kept = client.put(chunks).await?;
        if kept == wanted {
            return Ok(());
        }
        let folder = self.folder.outgoing(&row.id);
        let is_lost = (0..manifest.chunks.len()).any(|place| !chunk_file(&folder, place).exists());
        if is_lost {
            self.state.forget_batch(row).await?;
            return Err(Fault::new("chunks of a batch are gone from the node's folder").into());
        }
        Err(Fault::new("the hub did not keep all chunks")
            .transient()
            .into())
    }
}

/// Chunks of a batch as they go to the hub. One that cannot be read ends the stream; the batch is
/// tried again later.
pub(super) fn stream(
    batch: String,
    folder: PathBuf,
    bytes_per_second: u64,
    places: Vec<(u32, Option<Mark>)>,
) -> impl Stream<Item = (Place, Vec<u8>)> + Send + 'static {
    let chunks = futures::stream::iter(places).then(move |(place, mark)| {
        let (path, batch) = (chunk_file(&folder, place as usize), batch.clone());
        async move {
            let bytes = tokio::fs::read(path).await.ok()?;
            throttle(bytes_per_second, bytes.len()).await;
            Some((Place { batch, place, mark }, bytes))
        }
    });
    chunks
        .take_while(|c| std::future::ready(c.is_some()))
        .filter_map(std::future::ready)
}

/// Waits as long as those bytes may take; 0 bytes a second is no limit.
pub(super) async fn throttle(bytes_per_second: u64, bytes: usize) {
    let millis = (bytes as u64)
        .saturating_mul(1000)
        .checked_div(bytes_per_second);
    tokio::time::sleep(Duration::from_millis(millis.unwrap_or_default())).await;
}

/// Removes a folder of chunks; one that stays is in nobody's way.
pub(super) fn remove(folder: &std::path::Path) {
    if let Err(error) = std::fs::remove_dir_all(folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(folder = %folder.display(), %error, "cannot remove chunks");
    }
}
