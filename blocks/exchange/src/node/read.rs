//! Reading a source into a batch: chunks on disk, then the manifest. Nothing counts before the
//! manifest is remembered, so a reading that was cut off is simply done again.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, SyncSender},
    },
};

use arrow::{
    array::{Array, AsArray, BooleanArray, RecordBatch, StringArray},
    compute::filter_record_batch,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use kernel::{Fault, clock::micros};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    chunk_file,
    config::{Publication, Source, SourceColumn},
    repeated::{KeyList, Watched},
    source::{
        self, End, Plan,
        folder::{self, Found},
        odbc::is_too_long,
    },
    standardise::{self, REPEATED},
    write_whole,
};
use crate::{
    data::{
        checksum::{Checksum, row_hashes},
        chunk::{self, Kind, Mark},
    },
    wire::{BatchKind, Manifest, RefusedRow, shape_digest},
};

/// Refused rows that are told one by one; more of them are only counted.
const REFUSALS_TOLD: usize = 10_000;

/// What is to be read, and as what it is sent.
#[derive(Clone, Debug)]
pub struct Reading {
    pub publication: Publication,
    pub plan: Plan,
    /// Files of a folder, the newest first; none for databases.
    pub files: Vec<Found>,
    /// Rows of a database's or service's that were mended, the newest first. Where the source is
    /// read whole they are told after it, unless it told their keys.
    pub resent: Vec<Found>,
    /// Hashes of keys which the source told since.
    pub met: HashSet<u128>,
    pub node: String,
    pub batch: String,
    pub sequence: i64,
    /// Where chunks are written.
    pub folder: PathBuf,
    pub chunk_bytes: usize,
}

/// A batch that is ready to be signed.
#[derive(Debug)]
pub struct Ready {
    pub manifest: Manifest,
    pub refused: Vec<RefusedRow>,
    pub end: End,
    /// Keys of mended rows which the source told.
    pub met: Vec<u128>,
    /// Keys of the rows of files that hold mended ones.
    pub mended: Vec<u128>,
}

/// Why a source was not read.
#[derive(Debug)]
pub struct Unread {
    /// The file that cannot be read; none where it is something else.
    pub file: Option<Box<Found>>,
    pub fault: Fault,
}

impl From<Fault> for Unread {
    fn from(fault: Fault) -> Self {
        Self { file: None, fault }
    }
}

/// Times that a source is read because keys are told twice; new ones may come in between.
const READINGS: usize = 3;

/// Largest place for a text of a source; longer ones stop it.
const LARGEST_TEXT: usize = 4 << 20;

impl Reading {
    /// Longest text in bytes that the source may have; none where it does not matter.
    fn longest(&self) -> Option<usize> {
        match &self.publication.source {
            Source::Odbc(source) => Some(source.text_bytes),
            Source::Folder(_) | Source::Http(_) => None,
        }
    }

    /// The same with much more place for texts, in which those that are too long are found.
    fn wider(&self) -> Option<Self> {
        let mut wider = self.clone();
        let Source::Odbc(source) = &mut wider.publication.source else {
            return None;
        };
        source.text_bytes = source.text_bytes.saturating_mul(32).max(1 << 12);
        (source.text_bytes <= LARGEST_TEXT).then_some(wider)
    }
}

/// Reads, standardises, writes chunks. Blocks. One text that is too long does not stop the others:
/// the source is read once more, with place for it, and its row is set aside.
pub fn read(reading: &Reading, mut tell: Option<UnboundedSender<Mark>>) -> Result<Ready, Unread> {
    let mut wider: Option<Reading> = None;
    loop {
        let longest = reading.longest().filter(|_| wider.is_some());
        let current = wider.as_ref().unwrap_or(reading);
        match read_fitting(current, longest, tell.take()) {
            Err(unread) if is_too_long(&unread.fault) => {
                let Some(next) = current.wider() else {
                    return Err(unread);
                };
                tracing::warn!(publication = %reading.publication.code, "a text is too long; reading again");
                wider = Some(next);
            }
            done => return done,
        }
    }
}

/// Each chunk that is on disk while there are more to
/// come is told; those of a source that has to be read once more are not.
fn read_fitting(
    reading: &Reading,
    longest: Option<usize>,
    mut tell: Option<UnboundedSender<Mark>>,
) -> Result<Ready, Unread> {
    let resent = keys(reading)?;
    let mut watched = Watched::default();
    for _ in 0..READINGS {
        let (ready, repeated) = read_watching(reading, longest, &watched, &resent, tell.take())?;
        if repeated.is_empty() {
            return Ok(ready);
        }
        tracing::warn!(publication = %reading.publication.code, "keys are told twice; reading again");
        watched.add(repeated);
    }
    let text = "the source tells other keys twice each time that it is read";
    Err(Fault::new(text).transient().into())
}

/// Keys of the rows that were mended.
fn keys(reading: &Reading) -> Result<HashSet<u128>, Fault> {
    let publication = &reading.publication;
    let columns: Vec<&SourceColumn> = publication.columns.iter().collect();
    let (schema, mut keys) = (publication.shape().schema(), HashSet::new());
    for file in &reading.resent {
        let source = folder::mended(publication, &file.path)?;
        folder::read(publication, &source, file, &mut |_, raw| {
            let rows = standardise::standardise(&columns, &schema, &raw)?.rows;
            keys.extend(key_hashes(publication, &rows)?);
            Ok(())
        })?;
    }
    Ok(keys)
}

fn key_hashes(publication: &Publication, rows: &RecordBatch) -> Result<Vec<u128>, Fault> {
    let keys = publication
        .key_columns()
        .filter_map(|key| rows.column_by_name(&key.name).cloned());
    row_hashes(&keys.collect::<Vec<_>>(), rows.num_rows())
}

/// Of the watched keys the first row counts. Answers the others that were told twice, too.
fn read_watching(
    reading: &Reading,
    longest: Option<usize>,
    watched: &Watched,
    resent: &HashSet<u128>,
    tell: Option<UnboundedSender<Mark>>,
) -> Result<(Ready, Watched), Unread> {
    let made = |e| Fault::caused_by(format!("make {}", reading.folder.display()), e);
    if reading.folder.exists() {
        std::fs::remove_dir_all(&reading.folder).map_err(made)?;
    }
    std::fs::create_dir_all(&reading.folder).map_err(made)?;
    let read_at = micros(kernel::Clock::now(&kernel::SystemClock));
    let publication = &reading.publication;
    let mut writer = Writer::new(reading, watched, resent, tell);
    writer.longest = longest;
    let (end, mut writer) = side_by_side(reading, writer)?;
    // What is left is sent with the manifest.
    writer.tell = None;
    writer.flush(Kind::Rows)?;
    writer.flush(Kind::Deletes)?;
    let repeated = match writer.seen.take() {
        Some(Seen::Watched { list, .. }) => list.repeated()?,
        _ => Watched::default(),
    };
    let mended = match reading.files.first() {
        Some(file) if file.is_resent && !file.is_told => writer.here(),
        _ => Vec::new(),
    };
    let total = |kind| {
        writer
            .marks
            .iter()
            .filter(|m| m.kind == kind)
            .map(|m| m.rows)
            .sum()
    };
    let manifest = Manifest {
        batch: reading.batch.clone(),
        node: reading.node.clone(),
        publication: publication.code.clone(),
        sequence: reading.sequence,
        kind: if end.is_full {
            BatchKind::Full
        } else {
            reading.plan.kind
        },
        rows: total(Kind::Rows),
        deletes: total(Kind::Deletes),
        refused: writer.refused_count,
        checksum: writer.sum,
        shape: shape_digest(&publication.shape())?,
        read_at,
        chunks: writer.marks,
    };
    let ready = Ready {
        manifest,
        refused: writer.refused,
        end,
        met: writer.met.into_iter().collect(),
        mended,
    };
    Ok((ready, repeated))
}

/// What a source tells, in its order.
enum Told {
    /// The next file begins.
    File {
        is_told: bool,
    },
    /// The source told all; what comes now was mended.
    Resent,
    Rows(Kind, RecordBatch),
}

/// Reads on this thread and writes on another: while rows are brought into shape and compressed the
/// source makes the next.
fn side_by_side<'a>(reading: &'a Reading, writer: Writer<'a>) -> Result<(End, Writer<'a>), Unread> {
    /// Batches that wait to be written.
    const WAITING: usize = 2;
    let (tell, told) = mpsc::sync_channel(WAITING);
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || {
            let mut writer = writer;
            for told in told {
                match told {
                    Told::File { is_told } => writer.begin_file(is_told),
                    Told::Resent => writer.begin_resent(),
                    Told::Rows(kind, rows) => writer.take(kind, &rows)?,
                }
            }
            Ok::<_, Fault>(writer)
        });
        let read = read_source(reading, &tell);
        drop(tell);
        let stopped = |_| Fault::new("the thread that writes chunks has stopped");
        // Where writing failed, reading failed because of it.
        let writer = writing.join().map_err(stopped)??;
        Ok((read?, writer))
    })
}

fn read_source(reading: &Reading, tell: &SyncSender<Told>) -> Result<End, Unread> {
    let publication = &reading.publication;
    let stopped = |_| Fault::new("chunks are not written any more");
    let mut take = |kind, rows| tell.send(Told::Rows(kind, rows)).map_err(stopped);
    let end = match &publication.source {
        Source::Odbc(source) => source::table::read(publication, source, &reading.plan, &mut take),
        Source::Http(source) => source::http::read(publication, source, &reading.plan, &mut take),
        Source::Folder(source) => {
            for file in &reading.files {
                let is_told = file.is_told;
                tell.send(Told::File { is_told }).map_err(stopped)?;
                let unread = |fault| Unread {
                    file: Some(Box::new(file.clone())),
                    fault,
                };
                if file.is_resent {
                    let source = folder::mended(publication, &file.path)?;
                    folder::read(publication, &source, file, &mut take).map_err(unread)?;
                } else {
                    folder::read(publication, source, file, &mut take).map_err(unread)?;
                }
            }
            Ok(End::default())
        }
    }?;
    if end.is_full || reading.plan.kind == BatchKind::Full {
        for file in &reading.resent {
            tell.send(Told::Resent).map_err(stopped)?;
            let source = folder::mended(publication, &file.path)?;
            folder::read(publication, &source, file, &mut take)?;
        }
    }
    Ok(end)
}

/// Keys that rows had before.
enum Seen<'a> {
    /// In this and in other files; all of them.
    Files {
        here: HashSet<u128>,
        others: HashSet<u128>,
    },
    /// Those of the watched that were met, and the hashes of all.
    Watched {
        watched: &'a Watched,
        met: HashSet<u128>,
        list: KeyList,
    },
}

struct Writer<'a> {
    columns: Vec<&'a SourceColumn>,
    keys: Vec<&'a SourceColumn>,
    rows_schema: SchemaRef,
    keys_schema: SchemaRef,
    folder: &'a Path,
    chunk_bytes: usize,
    rows: Pending,
    deletes: Pending,
    marks: Vec<Mark>,
    tell: Option<UnboundedSender<Mark>>,
    sum: Checksum,
    seen: Option<Seen<'a>>,
    /// Bytes of a text beyond which its row is set aside.
    longest: Option<usize>,
    /// Whether only the keys of what is read matter.
    is_told: bool,
    /// Keys of rows that were mended, and those of them which the source told.
    resent: &'a HashSet<u128>,
    met: HashSet<u128>,
    /// Those of them that are told, by the source or after it.
    given: HashSet<u128>,
    /// Whether it is the mended rows that are read.
    is_resent: bool,
    publication: &'a Publication,
    raw_rows: u64,
    refused: Vec<RefusedRow>,
    refused_count: u64,
}

/// Rows with what is wrong where a text is longer than so many bytes.
fn without_long(raw: &RecordBatch, longest: usize) -> Result<RecordBatch, Fault> {
    let texts: Vec<&StringArray> = raw
        .columns()
        .iter()
        .filter_map(|c| c.as_string_opt())
        .collect();
    let is_long = |row: usize| {
        let mut texts = texts.iter();
        texts.any(|text| !text.is_null(row) && text.value(row).len() > longest)
    };
    let wrong = (0..raw.num_rows()).map(|row| is_long(row).then_some(standardise::LENGTH));
    let wrong: StringArray = wrong.collect();
    let mut fields = raw.schema().fields().to_vec();
    fields.push(Arc::new(Field::new(
        standardise::WRONG,
        DataType::Utf8,
        true,
    )));
    let mut columns = raw.columns().to_vec();
    columns.push(Arc::new(wrong));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|e| Fault::caused_by("look at texts", e))
}

#[derive(Default)]
struct Pending {
    batches: Vec<RecordBatch>,
    bytes: usize,
}

impl<'a> Writer<'a> {
    fn new(
        reading: &'a Reading,
        watched: &'a Watched,
        resent: &'a HashSet<u128>,
        tell: Option<UnboundedSender<Mark>>,
    ) -> Self {
        let publication = &reading.publication;
        let seen = match publication.source {
            Source::Folder(_) => Seen::Files {
                here: HashSet::new(),
                others: HashSet::new(),
            },
            Source::Odbc(_) | Source::Http(_) => Seen::Watched {
                watched,
                met: HashSet::new(),
                list: KeyList::new(&reading.folder),
            },
        };
        let shape = publication.shape();
        Self {
            columns: publication.columns.iter().collect(),
            keys: publication.key_columns().collect(),
            rows_schema: shape.schema(),
            keys_schema: shape.key_schema(),
            folder: &reading.folder,
            chunk_bytes: reading.chunk_bytes.max(1024),
            rows: Pending::default(),
            deletes: Pending::default(),
            marks: Vec::new(),
            tell,
            sum: Checksum::default(),
            seen: Some(seen),
            longest: None,
            is_told: false,
            resent,
            met: reading.met.clone(),
            given: HashSet::new(),
            is_resent: false,
            publication,
            raw_rows: 0,
            refused: Vec::new(),
            refused_count: 0,
        }
    }

    /// Keys of the file that was read last.
    fn here(&self) -> Vec<u128> {
        match &self.seen {
            Some(Seen::Files { here, .. }) => here.iter().copied().collect(),
            _ => Vec::new(),
        }
    }

    fn begin_file(&mut self, is_told: bool) {
        self.is_told = is_told;
        if let Some(Seen::Files { here, others }) = &mut self.seen {
            others.extend(here.drain());
        }
    }

    fn take(&mut self, kind: Kind, raw: &RecordBatch) -> Result<(), Fault> {
        let (columns, schema) = match kind {
            Kind::Rows => (&self.columns, &self.rows_schema),
            Kind::Deletes => (&self.keys, &self.keys_schema),
        };
        let marked = self.longest.map(|longest| without_long(raw, longest));
        let marked = marked.transpose()?;
        let raw = marked.as_ref().unwrap_or(raw);
        let standard = standardise::standardise(columns, schema, raw)?;
        if self.is_told {
            let hashes = key_hashes(self.publication, &standard.rows)?;
            if let Some(Seen::Files { here, .. }) = &mut self.seen {
                here.extend(hashes);
            }
            return Ok(());
        }
        let mut told = HashSet::new();
        for refused in &standard.refused {
            self.refused_count += u64::from(told.insert(refused.0));
            if self.refused.len() < REFUSALS_TOLD {
                self.refused.push(standardise::refused_row(
                    columns,
                    raw,
                    self.raw_rows,
                    *refused,
                ));
            }
        }
        let mut rows = standard.rows;
        let is_told_once = kind == Kind::Deletes && !self.reads_files();
        if self.is_resent {
            rows = self.without_met(&rows)?;
        } else if !self.resent.is_empty() {
            let hashes = key_hashes(self.publication, &rows)?;
            let met = hashes.into_iter().filter(|hash| self.resent.contains(hash));
            self.met.extend(met);
        }
        if !is_told_once && !self.is_resent {
            let kept: Vec<usize> = (0..raw.num_rows())
                .filter(|row| !told.contains(row))
                .collect();
            rows = self.without_repeated(raw, rows, &kept)?;
        }
        self.raw_rows += raw.num_rows() as u64;
        if rows.num_rows() == 0 {
            return Ok(());
        }
        self.sum.add(&rows)?;
        let pending = match kind {
            Kind::Rows => &mut self.rows,
            Kind::Deletes => &mut self.deletes,
        };
        pending.bytes += rows.get_array_memory_size();
        pending.batches.push(rows);
        if pending.bytes >= self.chunk_bytes {
            self.flush(kind)
        } else {
            Ok(())
        }
    }

    fn begin_resent(&mut self) {
        if !self.is_resent {
            self.is_resent = true;
            self.given.clone_from(&self.met);
        }
    }

    /// Mended rows which the source does not have. Of a key that was mended twice the newest counts.
    fn without_met(&mut self, rows: &RecordBatch) -> Result<RecordBatch, Fault> {
        let hashes = key_hashes(self.publication, rows)?;
        let keep: Vec<bool> = hashes.into_iter().map(|h| self.given.insert(h)).collect();
        filter_record_batch(rows, &keep.into())
            .map_err(|e| Fault::caused_by("set told rows aside", e))
    }

    fn reads_files(&self) -> bool {
        matches!(self.seen, Some(Seen::Files { .. }))
    }

    /// Of a key that is told twice the first row counts; of a key in two files, that of the
    /// file which was read first, the newest. `kept` tells where in the raw batch rows are from.
    fn without_repeated(
        &mut self,
        raw: &RecordBatch,
        rows: RecordBatch,
        kept: &[usize],
    ) -> Result<RecordBatch, Fault> {
        let hashes = key_hashes(self.publication, &rows)?;
        let (is_repeated, is_older): (Vec<bool>, Vec<bool>) = match &mut self.seen {
            None => return Ok(rows),
            Some(Seen::Files { here, others }) => hashes
                .iter()
                .map(|hash| (!here.insert(*hash), others.contains(hash)))
                .unzip(),
            Some(Seen::Watched { watched, met, list }) => {
                let mut again = |hash: &u128| watched.contains(*hash) && !met.insert(*hash);
                let repeated: Vec<bool> = hashes.iter().map(&mut again).collect();
                let first = hashes.iter().zip(&repeated).filter(|(_, again)| !**again);
                list.add(first.map(|(hash, _)| *hash))?;
                let none = vec![false; hashes.len()];
                (repeated, none)
            }
        };
        if !is_repeated.contains(&true) && !is_older.contains(&true) {
            return Ok(rows);
        }
        let told = is_repeated.iter().zip(kept).filter(|(again, _)| **again);
        for (_, row) in told {
            self.refuse_repeated(raw, *row);
        }
        let keep = is_repeated.iter().zip(&is_older).map(|(a, b)| !a && !b);
        let keep: BooleanArray = keep.collect::<Vec<_>>().into();
        filter_record_batch(&rows, &keep)
            .map_err(|e| Fault::caused_by("set repeated rows aside", e))
    }

    fn refuse_repeated(&mut self, raw: &RecordBatch, row: usize) {
        self.refused_count += 1;
        if self.refused.len() >= REFUSALS_TOLD {
            return;
        }
        let first = self.keys.first().map(|key| &key.name);
        let place = self.columns.iter().position(|c| Some(&c.name) == first);
        let refused = (row, place.unwrap_or_default(), REPEATED);
        let told = standardise::refused_row(&self.columns, raw, self.raw_rows, refused);
        self.refused.push(told);
    }

    fn flush(&mut self, kind: Kind) -> Result<(), Fault> {
        let (pending, schema) = match kind {
            Kind::Rows => (&mut self.rows, &self.rows_schema),
            Kind::Deletes => (&mut self.deletes, &self.keys_schema),
        };
        let pending = std::mem::take(pending);
        if pending.batches.is_empty() {
            return Ok(());
        }
        let rows = pending.batches.iter().map(RecordBatch::num_rows).sum();
        let bytes = chunk::write(schema, &pending.batches)?;
        // A source whose rows are few and enormous.
        if bytes.len() > chunk::LARGEST || chunk::must_fit(&bytes).is_err() {
            return Err(Fault::new(
                "the rows of one chunk are too large; lower limits.chunk_bytes",
            ));
        }
        write_whole(&chunk_file(self.folder, self.marks.len()), &bytes)?;
        let mark = Mark::of(kind, rows, &bytes);
        if let Some(tell) = &self.tell {
            // Nobody may be listening any more.
            drop(tell.send(mark.clone()));
        }
        self.marks.push(mark);
        Ok(())
    }
}
