//! Reading a source into a batch: chunks on disk, then the manifest. Nothing counts before the
//! manifest is remembered, so a reading that was cut off is simply done again.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use arrow::{
    array::{BooleanArray, RecordBatch},
    compute::filter_record_batch,
    datatypes::SchemaRef,
};
use kernel::{Fault, clock::micros};

use super::{
    chunk_file,
    config::{Publication, Source, SourceColumn},
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

/// Reads, standardises, writes chunks. Blocks.
pub fn read(reading: &Reading) -> Result<Ready, Fault> {
    let made = |e| Fault::caused_by(format!("make {}", reading.folder.display()), e);
    if reading.folder.exists() {
        std::fs::remove_dir_all(&reading.folder).map_err(made)?;
    }
    std::fs::create_dir_all(&reading.folder).map_err(made)?;
    let read_at = micros(kernel::Clock::now(&kernel::SystemClock));
    let publication = &reading.publication;
    let mut writer = Writer::new(reading);
    let end = match &publication.source {
        Source::Odbc(source) => {
            source::odbc::read(publication, source, &reading.plan, &mut |kind, raw| {
                writer.take(kind, &raw)
            })?
        }
        Source::Folder(source) => {
            for file in &reading.files {
                writer.begin_file();
                source::folder::read(publication, source, &file.path, &mut |kind, raw| {
                    writer.take(kind, &raw)
                })?;
            }
            End::default()
        }
        Source::Http(source) => {
            source::http::read(publication, source, &reading.plan, &mut |kind, raw| {
                writer.take(kind, &raw)
            })?
        }
    };
    writer.flush(Kind::Rows)?;
    writer.flush(Kind::Deletes)?;
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
    Ok(Ready {
        manifest,
        refused: writer.refused,
        end,
    })
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
    sum: Checksum,
    /// Keys seen in this and in other files; databases keep their keys apart themselves.
    seen: Option<(HashSet<u128>, HashSet<u128>)>,
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
    fn new(reading: &'a Reading) -> Self {
        let publication = &reading.publication;
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
            sum: Checksum::default(),
            seen: matches!(publication.source, Source::Folder(_)).then(Default::default),
            raw_rows: 0,
            refused: Vec::new(),
            refused_count: 0,
        }
    }

    fn begin_file(&mut self) {
        if let Some((here, others)) = &mut self.seen {
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
        if self.seen.is_some() {
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

    /// Of a key that a file tells twice the first row counts; of a key in two files, that of the
    /// file which was read first, the newest. `kept` tells where in the raw batch rows are from.
    fn without_repeated(
        &mut self,
        raw: &RecordBatch,
        rows: RecordBatch,
        kept: &[usize],
    ) -> Result<RecordBatch, Fault> {
        let Some((here, others)) = &mut self.seen else {
            return Ok(rows);
        };
        let keys = self
            .keys
            .iter()
            .filter_map(|key| rows.column_by_name(&key.name).cloned());
        let hashes = row_hashes(&keys.collect::<Vec<_>>(), rows.num_rows())?;
        let mut keep = Vec::with_capacity(hashes.len());
        for (hash, row) in hashes.iter().zip(kept) {
            let is_repeated = !here.insert(*hash);
            if is_repeated {
                self.refused_count += 1;
                if self.refused.len() < REFUSALS_TOLD {
                    let place = self
                        .columns
                        .iter()
                        .position(|c| Some(&c.name) == self.keys.first().map(|k| &k.name));
                    let refused = (*row, place.unwrap_or_default(), REPEATED);
                    let told = standardise::refused_row(&self.columns, raw, self.raw_rows, refused);
                    self.refused.push(told);
                }
            }
            keep.push(!is_repeated && !others.contains(hash));
        }
        filter_record_batch(&rows, &BooleanArray::from(keep))
            .map_err(|e| Fault::caused_by("set repeated rows aside", e))
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
        if bytes.len() > chunk::LARGEST {
            return Err(Fault::new(
                "the rows of one chunk are too large; lower limits.chunk_bytes",
            ));
        }
        write_whole(&chunk_file(self.folder, self.marks.len()), &bytes)?;
        self.marks.push(Mark::of(kind, rows, &bytes));
        Ok(())
    }
}
