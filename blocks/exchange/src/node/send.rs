//! Outgoing: what is to be read now, and sending what was read until the hub's receipt is here.

use std::{collections::HashSet, path::PathBuf, time::Duration};

use futures::{Stream, StreamExt};
use kernel::{Fault, clock::micros};

use super::{
    Folder, Membership,
    ahead::Ahead,
    chunk_file,
    client::{Client, Trouble},
    config::{Config, FolderSource, Publication, Source},
    read::{self, Reading, Unread},
    source::{
        Plan,
        folder::{self, Found},
    },
    state::{State, Taken, batch, dropped, file, kept, reading},
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
        let (mut unread, mut trouble) = (Vec::new(), None);
        loop {
            let planned = self.plan(publication, standing, last.as_ref(), &unread);
            let Some(reading) = planned.await? else {
                // What was set aside is told when nothing else is left to do.
                return trouble.map_or(Ok(false), |fault| Err(Trouble::Fault(fault)));
            };
            match self
                .read_planned(client, &reading, standing, last.clone())
                .await
            {
                // One file that cannot be read does not hold the others up.
                Err(Unreadable::File(file, fault)) => {
                    tracing::warn!(file = %file.name, cause = %fault.chain(), "a file is set aside");
                    let text = format!("{}: {}", file.name, fault.chain());
                    trouble = Some(Fault::new(text));
                    unread.push(file);
                }
                Err(Unreadable::Other(trouble)) => return Err(trouble),
                Ok(is_made) => return Ok(is_made),
            }
        }
    }

    /// Reads, sends chunks meanwhile, and remembers the batch.
    async fn read_planned(
        &self,
        client: &mut Client,
        reading: &Reading,
        standing: &Announced,
        last: Option<reading::Model>,
    ) -> Result<bool, Unreadable> {
        let mut ahead = self
            .ahead(client, reading, standing, last.is_some())
            .await?;
        let (tell, told) = tokio::sync::mpsc::unbounded_channel();
        let work = reading.clone();
        let reading_and_keeping = async {
            let ready = tokio::task::spawn_blocking(move || read::read(&work, Some(tell)));
            let ready = ready
                .await
                .map_err(|e| Fault::caused_by("read a source", e))??;
            Ok(self.keep(reading, ready, standing, last).await?)
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
        // It stands beside the newest file, whose rows it may mend; those that come later count more.
        let known = self.state.kept(Some(&publication.code)).await?;
        let newest = known.into_iter().map(|row| row.place).max();
        let found = Found {
            place: newest.unwrap_or_default(),
            is_resent: true,
            is_there: false,
            ..folder::found(file)?
        };
        let reading = Reading {
            publication: publication.clone(),
            plan: Plan {
                kind: BatchKind::Increment,
                since: None,
            },
            files: vec![folder::keep(&found, &self.folder.kept())?],
            resent: Vec::new(),
            met: HashSet::new(),
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
            .map_err(|e| Fault::caused_by("read a file", e))?
            .map_err(|unread| unread.fault)?;
        self.keep(&reading, ready, standing, last).await
    }

    /// What is to be read; none where nothing can be new.
    async fn plan(
        &self,
        publication: &Publication,
        standing: &Announced,
        last: Option<&reading::Model>,
        unread: &[Found],
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
                if source.full {
                    plan.kind = BatchKind::Full;
                }
                let choice = self.choose(publication, source, plan.kind, standing, unread);
                files = choice.await?;
                if files.is_empty() {
                    return Ok(None);
                }
            }
        }
        let (resent, met) = self.resent(publication).await?;
        Ok(Some(Reading {
            publication: publication.clone(),
            plan,
            files,
            resent,
            met,
            node: self.membership.node.clone(),
            folder: self.folder.outgoing(&batch),
            batch,
            sequence: standing.next_sequence,
            chunk_bytes: self.config.limits.chunk_bytes,
        }))
    }

    /// Files that are to be read now, the newest first: all that were ever taken, or one that is
    /// new, with those whose rows count more.
    async fn choose(
        &self,
        publication: &Publication,
        source: &FolderSource,
        kind: BatchKind,
        standing: &Announced,
        unread: &[Found],
    ) -> Result<Vec<Found>, Trouble> {
        let mut known = self.kept(publication).await?;
        let mut found = folder::list(source)?;
        found.retain(|file| !unread.iter().any(|unread| unread.is_same(file)));
        let taken = self.state.files(&publication.code).await?;
        let dropped = self.state.dropped(&publication.code).await?;
        let mut new = Vec::new();
        for file in found {
            let is_taken = taken
                .iter()
                .any(|row| row.name == file.name && row.digest == file.digest);
            let before = dropped
                .iter()
                .find(|row| row.name == file.name && row.digest == file.digest);
            // Where all rows are needed, an older one that is here again was put back for them.
            let is_back = kind == BatchKind::Full && !source.full && before.is_some();
            if !is_taken && !is_back {
                new.push(file);
            } else if let Some(kept) = known.iter_mut().find(|kept| kept.is_same(&file)) {
                kept.is_there = true;
            } else {
                // Its copy was let go, or it was taken by a version that kept none.
                known.push(Found {
                    taken_at: Some(before.map_or(0, |row| row.taken_at)),
                    place: before.map_or(file.place.clone(), |row| row.place.clone()),
                    ..file
                });
            }
        }
        if source.full {
            return self.newest(known, new, standing);
        }
        if kind == BatchKind::Full {
            need_all(source, &known, &taken, &dropped)?;
            known.extend(new);
            return self.keep_all(known);
        }
        let Some(first) = new.into_iter().next() else {
            return Ok(Vec::new());
        };
        known.retain(|kept| kept.place > first.place);
        for kept in &mut known {
            kept.is_told = true;
        }
        known.push(first);
        self.keep_all(known)
    }

    /// The newest of files that hold all rows, and what was mended of it.
    fn newest(
        &self,
        known: Vec<Found>,
        mut new: Vec<Found>,
        standing: &Announced,
    ) -> Result<Vec<Found>, Trouble> {
        let (mended, mut whole): (Vec<Found>, Vec<Found>) =
            known.into_iter().partition(|file| file.is_resent);
        whole.append(&mut new);
        whole.sort_by(|a, b| a.order().cmp(&b.order()));
        let newest = whole.pop();
        let is_new = newest.as_ref().is_some_and(|file| file.taken_at.is_none());
        if !(standing.wants_full || is_new) {
            return Ok(Vec::new());
        }
        let Some(newest) = newest else {
            return Ok(Vec::new());
        };
        let all = mended.into_iter().chain([newest]);
        self.keep_all(all.collect())
    }

    /// The files with their copies in the node's folder, the newest first.
    fn keep_all(&self, mut files: Vec<Found>) -> Result<Vec<Found>, Trouble> {
        files.sort_by(|a, b| b.order().cmp(&a.order()));
        let kept = self.folder.kept();
        let files = files.iter().map(|file| folder::keep(file, &kept));
        Ok(files.collect::<Result<_, _>>()?)
    }

    /// The files that the node keeps of a publication.
    async fn kept(&self, publication: &Publication) -> Result<Vec<Found>, Trouble> {
        let rows = self.state.kept(Some(&publication.code)).await?;
        let folder = self.folder.kept();
        let found = rows.into_iter().map(|row| Found {
            path: folder::kept_path(&folder, &row.digest, &row.name),
            name: row.name,
            digest: row.digest,
            place: row.place,
            taken_at: Some(row.taken_at),
            is_resent: row.is_resent,
            is_told: false,
            is_there: false,
        });
        Ok(found.collect())
    }

    /// Mended rows of a source that is no folder, and keys which the source told since.
    async fn resent(
        &self,
        publication: &Publication,
    ) -> Result<(Vec<Found>, HashSet<u128>), Trouble> {
        if matches!(publication.source, Source::Folder(_)) {
            return Ok((Vec::new(), HashSet::new()));
        }
        let mut resent = self.kept(publication).await?;
        resent.sort_by(|a, b| b.order().cmp(&a.order()));
        let met = self.state.met(&publication.code).await?;
        let met = met
            .iter()
            .filter_map(|hash| u128::from_str_radix(hash, 16).ok());
        Ok((resent, met.collect()))
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
            watermark: ready.end.watermark.clone().or_else(|| before.clone()),
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
        let taken = taken(reading, &ready, &row.id, manifest.read_at);
        self.state.add_batch(row, read, taken).await?;
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

/// Why a batch was not read.
enum Unreadable {
    /// It is one file's trouble.
    File(Found, Fault),
    Other(Trouble),
}

impl<T: Into<Trouble>> From<T> for Unreadable {
    fn from(trouble: T) -> Self {
        Self::Other(trouble.into())
    }
}

impl From<Unread> for Unreadable {
    fn from(unread: Unread) -> Self {
        match unread.file {
            // What was taken before belongs to what is sent; without it nothing goes.
            Some(file) if file.taken_at.is_none() => Self::File(*file, unread.fault),
            _ => Self::Other(unread.fault.into()),
        }
    }
}

/// Fails unless all files that were taken are known still, in all their versions.
fn need_all(
    source: &FolderSource,
    known: &[Found],
    taken: &[file::Model],
    dropped: &[dropped::Model],
) -> Result<(), Fault> {
    let is_gone = |row: &&dropped::Model| {
        let mut known = known.iter();
        !known.any(|kept| kept.name == row.name && kept.digest == row.digest)
    };
    let is_unkept = |row: &&file::Model| {
        let is_dropped = dropped.iter().any(|gone| gone.name == row.name);
        !is_dropped && !known.iter().any(|kept| kept.name == row.name)
    };
    let gone = dropped.iter().filter(is_gone).map(|row| {
        let at = kernel::clock::from_micros(row.taken_at);
        format!("{} (of {})", row.name, kernel::clock::local_date(at))
    });
    let unkept = taken.iter().filter(is_unkept).map(|row| row.name.clone());
    let lost: Vec<String> = gone.chain(unkept).collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(Fault::new(format!(
        "a new subscriber needs all rows, and files that were taken before are neither in {} nor in the node's folder; put them back: {}",
        source.path.display(),
        lost.join(", ")
    )))
}

/// What is remembered of the files that a batch is from, and of mended rows.
fn taken(reading: &Reading, ready: &read::Ready, batch: &str, taken_at: i64) -> Taken {
    let code = &reading.publication.code;
    let new: Vec<&Found> = reading.files.iter().filter(|file| !file.is_told).collect();
    let files = new.iter().filter(|found| !found.is_resent);
    // Of versions of one name that which lies in the folder is written last, so that it is not taken
    // again, or else the newest.
    let mut files: Vec<&&Found> = files.collect();
    files.sort_by(|a, b| (a.is_there, a.order()).cmp(&(b.is_there, b.order())));
    let files = files.into_iter().map(|found| file::Model {
        publication: code.clone(),
        name: found.name.clone(),
        digest: found.digest.clone(),
        batch: batch.to_owned(),
        taken_at,
    });
    let kept = new.iter().map(|found| kept::Model {
        publication: code.clone(),
        name: found.name.clone(),
        digest: found.digest.clone(),
        place: found.place.clone(),
        is_resent: found.is_resent,
        batch: batch.to_owned(),
        taken_at: found.taken_at.unwrap_or(taken_at),
    });
    let hashes = |keys: &[u128]| keys.iter().map(|hash| format!("{hash:032x}")).collect();
    Taken {
        files: files.collect(),
        kept: kept.collect(),
        is_all: matches!(&reading.publication.source, Source::Folder(source) if source.full),
        met: hashes(&ready.met),
        mended: hashes(&ready.mended),
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
