//! Chunks: rows as one Arrow IPC stream with zstd, small enough to be sent again.

use arrow::{
    array::RecordBatch,
    buffer::Buffer,
    datatypes::SchemaRef,
    error::ArrowError,
    ipc::{
        CompressionType,
        reader::StreamDecoder,
        writer::{IpcWriteOptions, StreamWriter},
    },
};
use bytes::Bytes;
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

/// The rows of a chunk, a batch at a time, so that whoever looks at them once never has them all in
/// memory.
pub struct Rows {
    decoder: StreamDecoder,
    rest: Buffer,
    /// Decoded together with the schema.
    first: Option<RecordBatch>,
    schema: SchemaRef,
}

impl Rows {
    /// In the columns that the chunk has itself, whatever its publication has become.
    pub fn own(bytes: Bytes) -> Result<Self, Fault> {
        must_fit(&bytes)?;
        let (mut decoder, mut rest) = (StreamDecoder::new(), Buffer::from(bytes));
        let first = decoder.decode(&mut rest).map_err(unreadable)?;
        let schema = decoder.schema();
        Ok(Self {
            schema: schema.ok_or_else(|| Fault::new("a chunk tells no columns"))?,
            decoder,
            rest,
            first,
        })
    }

    /// Fails unless they have that schema.
    pub fn of(bytes: Bytes, schema: &SchemaRef) -> Result<Self, Fault> {
        let rows = Self::own(bytes)?;
        if rows.schema == *schema {
            Ok(rows)
        } else {
            Err(Fault::new("a chunk has other columns than its publication"))
        }
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, Fault> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let next = self.decoder.decode(&mut self.rest).map_err(unreadable)?;
        if next.is_none() {
            self.decoder.finish().map_err(unreadable)?;
        }
        Ok(next)
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}

fn unreadable(error: ArrowError) -> Fault {
    Fault::caused_by("read a chunk", error)
}

/// The rows of a chunk, all of them; fails unless they have that schema.
pub fn read(bytes: Bytes, schema: &SchemaRef) -> Result<Vec<RecordBatch>, Fault> {
    Rows::of(bytes, schema)?.collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::Int64Array,
        datatypes::{DataType, Field, Schema},
    };

    use super::*;

    fn batch(numbers: std::ops::Range<i64>) -> RecordBatch {
        let field = Field::new("n", DataType::Int64, false);
        let numbers: Int64Array = numbers.map(Some).collect();
        RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![Arc::new(numbers)]).unwrap()
    }

    #[test]
    fn rows_come_back_a_batch_at_a_time() {
        let batches = [batch(0..1000), batch(1000..1001)];
        let schema = batches[0].schema();
        for batches in [&batches[..0], &batches[..1], &batches[..]] {
            let bytes = Bytes::from(write(&schema, batches).unwrap());
            let rows = Rows::of(bytes.clone(), &schema).unwrap();
            let read: Vec<_> = rows.map(Result::unwrap).collect();
            assert_eq!(read, batches);
            assert_eq!(Rows::own(bytes).unwrap().schema, schema);
        }
    }

    #[test]
    fn a_chunk_that_is_cut_off_or_of_other_columns_is_refused() {
        let batches = [batch(0..1000), batch(1000..3000)];
        let schema = batches[0].schema();
        let bytes = Bytes::from(write(&schema, &batches).unwrap());
        for length in [0, 1, 4, 100, bytes.len() / 2, bytes.len() - 100] {
            let cut = Rows::own(bytes.slice(..length));
            let is_refused = cut.is_err() || cut.is_ok_and(|mut rows| rows.any(|b| b.is_err()));
            assert!(is_refused, "{length} of {}", bytes.len());
        }
        let longer = Bytes::from([&bytes[..], b"more"].concat());
        assert!(Rows::own(longer).unwrap().any(|batch| batch.is_err()));
        let other = Schema::new(vec![Field::new("m", DataType::Int64, false)]);
        let fault = Rows::of(bytes, &Arc::new(other)).err().unwrap();
        assert!(fault.chain().contains("other columns"), "{fault:?}");
    }
}
