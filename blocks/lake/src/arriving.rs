//! Arrow streams from outside: cut into messages, and each looked at before it is decoded.
//!
//! A decoder believes what a message says of itself, and takes memory for the lengths that its
//! packed buffers claim. Messages are therefore gathered whole, and their claims added up first.

use datafusion::arrow::{
    array::RecordBatch,
    buffer::{Buffer, MutableBuffer},
    datatypes::SchemaRef,
    ipc::{self, CompressionType, Message, MessageHeader, reader::StreamDecoder},
};
use kernel::{Error, Result, Text};

use crate::content::content;

/// Bytes that one message may come to, unpacked: larger than what senders cut their rows into, and
/// small beside the memory of a server.
const UNPACKED: u64 = 256 << 20;
/// Bytes of what a message says of itself.
const METADATA: usize = 16 << 20;
/// What messages begin with, before the length of their metadata.
const MARK: [u8; 4] = [0xff; 4];

/// A stream on its way in.
#[derive(Default)]
pub(crate) struct Arriving {
    waiting: Vec<u8>,
    /// Bytes without which nothing more can be said.
    needed: usize,
    decoder: StreamDecoder,
}

pub(crate) fn unreadable() -> Error {
    Error::invalid("body", Text::new("lake-body-unreadable"))
}

fn large() -> Error {
    let text = Text::new("lake-body-large").with("most", UNPACKED >> 20);
    Error::invalid("body", text)
}

impl Arriving {
    /// The next bytes of the stream.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.waiting.extend_from_slice(piece);
    }

    /// What the rows look like, once that came.
    pub(crate) fn schema(&self) -> Option<SchemaRef> {
        self.decoder.schema()
    }

    /// The next rows; nothing where more bytes are needed.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>> {
        while let Some(message) = self.message()? {
            let mut message = message;
            let batch = self.decoder.decode(&mut message);
            let Some(batch) = batch.map_err(|_| unreadable())? else {
                continue;
            };
            return if content(&batch) as u64 <= UNPACKED {
                Ok(Some(batch))
            } else {
                Err(large())
            };
        }
        Ok(None)
    }

    /// Whether the stream ended where it should.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let is_whole = self.waiting.is_empty() && self.decoder.finish().is_ok();
        if is_whole { Ok(()) } else { Err(unreadable()) }
    }

    /// A whole message whose claims are within bounds.
    fn message(&mut self) -> Result<Option<Buffer>> {
        if self.waiting.len() < self.needed.max(4) {
            return Ok(None);
        }
        // Streams of before 2019 have no mark.
        let head = if self.waiting.starts_with(&MARK) {
            8
        } else {
            4
        };
        let size = self.waiting.get(head - 4..head);
        let Some(size) = size.and_then(|bytes| bytes.try_into().ok()) else {
            return Ok(self.wait_for(head));
        };
        let size = usize::try_from(u32::from_le_bytes(size)).map_err(|_| unreadable())?;
        if size == 0 {
            return Ok(Some(self.take(head, head)));
        }
        if size > METADATA {
            return Err(large());
        }
        let start = head + size;
        let Some(metadata) = self.waiting.get(head..start) else {
            return Ok(self.wait_for(start));
        };
        let metadata = aligned(&[metadata]);
        let message = ipc::root_as_message(&metadata).map_err(|_| unreadable())?;
        let body = u64::try_from(message.bodyLength()).map_err(|_| unreadable())?;
        if body > UNPACKED {
            return Err(large());
        }
        let end = start + usize::try_from(body).map_err(|_| unreadable())?;
        let Some(body) = self.waiting.get(start..end) else {
            return Ok(self.wait_for(end));
        };
        if unpacked(&message, body).ok_or_else(unreadable)? > UNPACKED {
            return Err(large());
        }
        Ok(Some(self.take(head, end)))
    }

    fn wait_for(&mut self, needed: usize) -> Option<Buffer> {
        self.needed = needed;
        None
    }

    /// Takes a message off, with the mark that keeps its metadata in line.
    fn take(&mut self, head: usize, end: usize) -> Buffer {
        self.needed = 0;
        let rest = self.waiting.split_off(end);
        let message = std::mem::replace(&mut self.waiting, rest);
        let mark: &[u8] = if head == 8 { &[] } else { &MARK };
        aligned(&[mark, &message])
    }
}

fn aligned(parts: &[&[u8]]) -> Buffer {
    let mut buffer = MutableBuffer::new(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        buffer.extend_from_slice(part);
    }
    buffer.into()
}

/// What a message says that it comes to, unpacked; nothing where it contradicts itself. Each value
/// counts as a byte at least, because a column of nothings has no buffer.
fn unpacked(message: &Message<'_>, body: &[u8]) -> Option<u64> {
    let batch = match message.header_type() {
        MessageHeader::RecordBatch => message.header_as_record_batch()?,
        MessageHeader::DictionaryBatch => message.header_as_dictionary_batch()?.data()?,
        _ => return Some(0),
    };
    let packing = batch.compression().map(|packing| packing.codec());
    let mut sum = u64::try_from(batch.length()).ok()?;
    for node in batch.nodes().iter().flatten() {
        sum = sum.checked_add(u64::try_from(node.length()).ok()?)?;
    }
    for buffer in batch.buffers().iter().flatten() {
        let from = usize::try_from(buffer.offset()).ok()?;
        let to = from.checked_add(usize::try_from(buffer.length()).ok()?)?;
        sum = sum.checked_add(claim(body.get(from..to)?, packing)?)?;
    }
    Some(sum)
}

/// Bytes of one buffer, unpacked.
fn claim(buffer: &[u8], packing: Option<CompressionType>) -> Option<u64> {
    let plain = u64::try_from(buffer.len()).ok()?;
    let Some(packing) = packing.filter(|_| !buffer.is_empty()) else {
        return Some(plain);
    };
    let (claim, packed) = buffer.split_first_chunk::<8>()?;
    match i64::from_le_bytes(*claim) {
        // Left as it is, because packing did not help.
        -1 => Some(plain),
        claim => {
            let claim = u64::try_from(claim).ok()?;
            // Zstd keeps to what was claimed; LZ4 writes whatever its blocks hold.
            let most = match packing {
                CompressionType::LZ4_FRAME if claim > 0 => lz4(packed)?,
                _ => 0,
            };
            Some(claim.max(most))
        }
    }
}

/// What the blocks of LZ4 frames may come to at the most (LZ4 Frame Format 1.6.4).
fn lz4(mut frames: &[u8]) -> Option<u64> {
    let mut sum = 0_u64;
    while !frames.is_empty() {
        let (magic, rest) = frames.split_first_chunk::<4>()?;
        let (&[flags, sizes], mut rest) = rest.split_first_chunk::<2>()?;
        if u32::from_le_bytes(*magic) != 0x184d_2204 {
            return None;
        }
        let has = |bit: u8| flags & bit != 0;
        // 64 KB, 256 KB, 1 MB, 4 MB.
        let block = 1_u64 << (8 + 2 * u32::from((sizes >> 4) & 7));
        let descriptor = 8 * usize::from(has(0x08)) + 4 * usize::from(has(0x01)) + 1;
        rest = rest.get(descriptor..)?;
        loop {
            let (size, more) = rest.split_first_chunk::<4>()?;
            let size = u32::from_le_bytes(*size) & 0x7fff_ffff;
            rest = more;
            if size == 0 {
                break;
            }
            sum = sum.checked_add(block)?;
            let skipped = usize::try_from(size).ok()? + 4 * usize::from(has(0x10));
            rest = rest.get(skipped..)?;
        }
        frames = rest.get(4 * usize::from(has(0x04))..)?;
    }
    Some(sum)
}
