//! Chunks: rows as one Arrow IPC stream with zstd, small enough to be sent again.

use std::io::Cursor;

use arrow::{
    array::RecordBatch,
    datatypes::SchemaRef,
    ipc::{
        CompressionType,
        reader::StreamReader,
        writer::{IpcWriteOptions, StreamWriter},
    },
};
use kernel::{Fault, crypto::sm3};
use serde::{Deserialize, Serialize};

/// Bytes of a chunk on the wire at the most.
pub const LARGEST: usize = 32 << 20;
/// Bytes of a chunk's rows in memory at the most; a node makes chunks of 8 MB.
pub const LARGEST_UNPACKED: u64 = 8 * LARGEST as u64;

/// What the rows of a chunk mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// They are so now.
    Rows,
    /// Keys of rows that are gone.
    Deletes,
}

/// A chunk as the manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    pub kind: Kind,
    pub rows: u64,
    pub bytes: u64,
    /// SM3 of the bytes, hexadecimal.
    pub digest: String,
}

impl Mark {
    pub fn of(kind: Kind, rows: usize, bytes: &[u8]) -> Self {
        Self {
            kind,
            rows: rows as u64,
            bytes: bytes.len() as u64,
            digest: digest(bytes),
        }
    }
}

pub fn digest(bytes: &[u8]) -> String {
    hex::encode(sm3(bytes))
}

pub fn write(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<u8>, Fault> {
    let failed = |e| Fault::caused_by("write a chunk", e);
    let options = IpcWriteOptions::default()
        .try_with_compression(Some(CompressionType::ZSTD))
        .map_err(failed)?;
    let mut writer =
        StreamWriter::try_new_with_options(Vec::new(), schema, options).map_err(failed)?;
    for batch in batches {
        writer.write(batch).map_err(failed)?;
    }
    writer.into_inner().map_err(failed)
}

/// Fails where the rows would not fit into memory: the decoder believes whatever length a few bytes
/// claim.
pub fn must_fit(bytes: &[u8]) -> Result<(), Fault> {
    ipc::check(bytes, LARGEST_UNPACKED).map_err(|e| Fault::caused_by("read a chunk", e))
}

/// The rows of a chunk in the columns that it has itself, whatever its publication has become.
pub fn read_own(bytes: &[u8]) -> Result<Vec<RecordBatch>, Fault> {
    must_fit(bytes)?;
    let failed = |e| Fault::caused_by("read a chunk", e);
    let reader = StreamReader::try_new(Cursor::new(bytes), None).map_err(failed)?;
    reader.collect::<Result<_, _>>().map_err(failed)
}

/// The rows of a chunk; fails unless they have that schema.
pub fn read(bytes: &[u8], schema: &SchemaRef) -> Result<Vec<RecordBatch>, Fault> {
    must_fit(bytes)?;
    let failed = |e| Fault::caused_by("read a chunk", e);
    let reader = StreamReader::try_new(Cursor::new(bytes), None).map_err(failed)?;
    if reader.schema() != *schema {
        return Err(Fault::new("a chunk has other columns than its publication"));
    }
    reader.collect::<Result<_, _>>().map_err(failed)
}
