//! Reading a source into a batch: chunks on disk, then the manifest. Nothing counts before the
//! manifest is remembered, so a reading that was cut off is simply done again.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::mpsc::{self, SyncSender},
};

use arrow::{
    array::{BooleanArray, RecordBatch},
    compute::filter_record_batch,
    datatypes::SchemaRef,
};
use kernel::{Fault, clock::micros};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    chunk_file,
    config::{Publication, Source, SourceColumn},
    repeated::{KeyList, Watched},
    source::{self, End, Plan, folder::Found},
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
}

/// Times that a source is read because keys are told twice; new ones may come in between.
const READINGS: usize = 3;

/// Reads, standardises, writes chunks. Blocks. Each chunk that is on disk while there are more to
/// come is told; those of a source that has to be read once more are not.
pub fn read(reading: &Reading, mut tell: Option<UnboundedSender<Mark>>) -> Result<Ready, Fault> {
    let mut watched = Watched::default();
    for _ in 0..READINGS {
        let (ready, repeated) = read_watching(reading, &watched, tell.take())?;
        if repeated.is_empty() {
            return Ok(ready);
        }
        tracing::warn!(publication = %reading.publication.code, "keys are told twice; reading again");
        watched.add(repeated);
    }
    Err(Fault::new("the source tells other keys twice each time that it is read").transient())
}

/// Of the watched keys the first row counts. Answers the others that were told twice, too.
fn read_watching(
    reading: &Reading,
    watched: &Watched,
    tell: Option<UnboundedSender<Mark>>,
) -> Result<(Ready, Watched), Fault> {
    let made = |e| Fault::caused_by(format!("make {}", reading.folder.display()), e);
    if reading.folder.exists() {
        std::fs::remove_dir_all(&reading.folder).map_err(made)?;
    }
    std::fs::create_dir_all(&reading.folder).map_err(made)?;
    let read_at = micros(kernel::Clock::now(&kernel::SystemClock));
    let publication = &reading.publication;
    let (end, mut writer) = side_by_side(reading, Writer::new(reading, watched, tell))?;
    // What is left is sent with the manifest.
    writer.tell = None;
    writer.flush(Kind::Rows)?;
    writer.flush(Kind::Deletes)?;
    let repeated = match writer.seen.take() {
        Some(Seen::Watched { list, .. }) => list.repeated()?,
        _ => Watched::default(),
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
    };
    Ok((ready, repeated))
}

/// What a source tells, in its order.
enum Told {
    File,
    Rows(Kind, RecordBatch),
}

/// Reads on this thread and writes on another: while rows are brought into shape and compressed the
/// source makes the next.
fn side_by_side<'a>(reading: &'a Reading, writer: Writer<'a>) -> Result<(End, Writer<'a>), Fault> {
    /// Batches that wait to be written.
    const WAITING: usize = 2;
    let (tell, told) = mpsc::sync_channel(WAITING);
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || {
            let mut writer = writer;
            for told in told {
                match told {
                    Told::File => writer.begin_file(),
                    Told::Rows(kind, rows) => writer.take(kind, &rows)?,
                }
            }
            Ok(writer)
        });
        let read = read_source(reading, &tell);
        drop(tell);
        let stopped = |_| Fault::new("the thread that writes chunks has stopped");
        // Where writing failed, reading failed because of it.
        let writer = writing.join().map_err(stopped)??;
        Ok((read?, writer))
    })
}

fn read_source(reading: &Reading, tell: &SyncSender<Told>) -> Result<End, Fault> {
    let publication = &reading.publication;
    let stopped = |_| Fault::new("chunks are not written any more");
    let mut take = |kind, rows| tell.send(Told::Rows(kind, rows)).map_err(stopped);
    match &publication.source {
        Source::Odbc(source) => source::table::read(publication, source, &reading.plan, &mut take),
        Source::Http(source) => source::http::read(publication, source, &reading.plan, &mut take),
        Source::Folder(source) => {
            for file in &reading.files {
                tell.send(Told::File).map_err(stopped)?;
                source::folder::read(publication, source, &file.path, &mut take)?;
            }
            Ok(End::default())
        }
    }
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
    raw_rows: u64,
    refused: Vec<RefusedRow>,
    refused_count: u64,
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
            raw_rows: 0,
            refused: Vec::new(),
            refused_count: 0,
        }
    }

    fn begin_file(&mut self) {
        if let Some(Seen::Files { here, others }) = &mut self.seen {
            others.extend(here.drain());
        }
    }

    fn take(&mut self, kind: Kind, raw: &RecordBatch) -> Result<(), Fault> {
        let (columns, schema) = match kind {
            Kind::Rows => (&self.columns, &self.rows_schema),
            Kind::Deletes => (&self.keys, &self.keys_schema),
        };
        let standard = standardise::standardise(columns, schema, raw)?;
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
        if !is_told_once {
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
        let keys = self
            .keys
            .iter()
            .filter_map(|key| rows.column_by_name(&key.name).cloned());
        let hashes = row_hashes(&keys.collect::<Vec<_>>(), rows.num_rows())?;
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
