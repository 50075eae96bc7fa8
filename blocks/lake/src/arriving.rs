//! Arrow streams from outside: each message looked at before it is decoded.

use datafusion::arrow::{
    array::RecordBatch, buffer::Buffer, datatypes::SchemaRef, ipc::reader::StreamDecoder,
};
use ipc::{Guard, Unfit};
use kernel::{Error, Result, Text};

use crate::content::content;

/// Bytes that one message may come to, unpacked: larger than what senders cut their rows into, and
/// small beside the memory of a server.
const UNPACKED: u64 = 256 << 20;

/// A stream on its way in.
pub(crate) struct Arriving {
    guard: Guard,
    /// What the guard let pass, and is not decoded yet.
    waiting: Buffer,
    decoder: StreamDecoder,
}

impl Default for Arriving {
    fn default() -> Self {
        Self {
            guard: Guard::of_each(UNPACKED),
            waiting: Buffer::from([]),
            decoder: StreamDecoder::default(),
        }
    }
}

pub(crate) fn unreadable() -> Error {
    Error::invalid("body", Text::new("lake-body-unreadable"))
}

fn large() -> Error {
    let text = Text::new("lake-body-large").with("most", UNPACKED >> 20);
    Error::invalid("body", text)
}

fn unfit(unfit: Unfit) -> Error {
    match unfit {
        Unfit::Malformed => unreadable(),
        Unfit::TooLarge => large(),
    }
}

impl Arriving {
    /// The next bytes of the stream, after [`Arriving::next`] gave nothing more.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<()> {
        self.guard.feed(piece).map_err(unfit)?;
        self.waiting = Buffer::from(piece);
        Ok(())
    }

    /// What the rows look like, once that came.
    pub(crate) fn schema(&self) -> Option<SchemaRef> {
        self.decoder.schema()
    }

    /// The next rows; nothing where more bytes are needed.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>> {
        let batch = self.decoder.decode(&mut self.waiting);
        match batch.map_err(|_| unreadable())? {
            Some(batch) if content(&batch) as u64 > UNPACKED => Err(large()),
            batch => Ok(batch),
        }
    }

    /// Whether the stream ended where it should.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.guard.finish().map_err(unfit)?;
        self.decoder.finish().map_err(|_| unreadable())
    }
}
