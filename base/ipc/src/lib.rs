//! Arrow streams of strangers, looked at before they are decoded.
//!
//! A decoder reserves the memory that a message says it needs: the length of its metadata, of its
//! body, and of each compressed buffer when it is unpacked. A few bytes can say 64 TiB, which ends
//! the process, and honest zstd unpacks to a thousand times its size. A [`Guard`] reads the same
//! bytes first, in pieces of any size, adds up what they say, and refuses what is beyond a bound.
//! It decodes nothing and holds one message's metadata at the most. Of the two ways to pack buffers
//! zstd keeps to what was claimed; LZ4 writes whatever its blocks hold, so these are counted.

mod lz4;

use std::{collections::VecDeque, ops::Range};

use arrow_ipc::{CompressionType, Message, MessageHeader, RecordBatch, root_as_message};

/// Bytes of a message's metadata at the most; that of a thousand columns takes some hundred
/// thousand.
const LONGEST_METADATA: u64 = 16 << 20;
/// What stands before the metadata's length since version 0.15 of the format.
const MARK: [u8; 4] = [0xff; 4];
/// Before each compressed buffer, its unpacked length.
const PREFIX: usize = 8;
/// In place of that length: the buffer was not worth compressing.
const NOT_PACKED: i64 = -1;

/// Why a stream must not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is no Arrow stream, or contradicts itself.
    #[error("this is no sound Arrow stream")]
    Malformed,
    /// Unpacked it would be larger than it may.
    #[error("the Arrow stream unpacks to more than it may")]
    TooLarge,
}

/// Watches one stream. After a refusal it is of no use any more.
#[derive(Debug)]
pub struct Guard {
    most: u64,
    /// Whether the bound is each message's, and not that of all together.
    is_of_each: bool,
    unpacked: u64,
    state: State,
    /// The beginning of a length, metadata or prefix whose end has not come yet.
    held: Vec<u8>,
}

#[derive(Debug, Default)]
enum State {
    /// A message's metadata length, or the mark before it.
    #[default]
    Length,
    LengthAfterMark,
    Metadata(usize),
    Body(Body),
    /// The stream said that it is over; what follows is nobody's.
    End,
}

#[derive(Debug)]
struct Body {
    length: u64,
    /// How far it came.
    at: u64,
    /// Compressed buffers that are still to come.
    packed: VecDeque<Range<u64>>,
    is_lz4: bool,
    /// The one that is coming.
    frames: Option<Open>,
}

/// A buffer of LZ4 frames on its way.
#[derive(Debug)]
struct Open {
    frames: lz4::Frames,
    /// Bytes that are counted of it: what it claimed, or what its blocks come to.
    counted: u64,
    end: u64,
}

/// Refuses a whole stream that is broken off, or unpacks to more than `most` bytes.
pub fn check(bytes: &[u8], most: u64) -> Result<(), Unfit> {
    let mut guard = Guard::new(most);
    guard.feed(bytes)?;
    guard.finish()
}

impl Guard {
    /// `most` bytes, unpacked, of all messages together. Each value counts as a byte at least, so
    /// that columns of nothing are bounded, too.
    pub fn new(most: u64) -> Self {
        Self {
            most,
            is_of_each: false,
            unpacked: 0,
            state: State::default(),
            held: Vec::new(),
        }
    }

    /// `most` bytes, unpacked, of each message: for streams that are taken message by message, and
    /// may be as long as they like.
    pub fn of_each(most: u64) -> Self {
        Self {
            is_of_each: true,
            ..Self::new(most)
        }
    }

    /// The next piece; what was fed without an error may be decoded.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Unfit> {
        while !bytes.is_empty() {
            bytes = match std::mem::take(&mut self.state) {
                State::Length => self.length(bytes, false)?,
                State::LengthAfterMark => self.length(bytes, true)?,
                State::Metadata(length) => self.metadata(bytes, length)?,
                State::Body(body) => self.body(bytes, body)?,
                State::End => {
                    self.state = State::End;
                    &[]
                }
            };
        }
        Ok(())
    }

    /// Fails where the stream ends within a message.
    pub fn finish(&self) -> Result<(), Unfit> {
        match self.state {
            State::Length if self.held.is_empty() => Ok(()),
            State::End => Ok(()),
            _ => Err(Unfit::Malformed),
        }
    }

    /// Holds bytes until there are so many; answers the rest, and the whole when it is there.
    fn hold<'a>(&mut self, bytes: &'a [u8], wanted: usize) -> (&'a [u8], Option<Vec<u8>>) {
        let missing = wanted.saturating_sub(self.held.len());
        let (own, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
        self.held.extend_from_slice(own);
        let is_whole = self.held.len() >= wanted;
        (rest, is_whole.then(|| std::mem::take(&mut self.held)))
    }

    fn length<'a>(&mut self, bytes: &'a [u8], is_marked: bool) -> Result<&'a [u8], Unfit> {
        let (rest, whole) = self.hold(bytes, MARK.len());
        let whole = whole.and_then(|whole| <[u8; 4]>::try_from(whole).ok());
        self.state = match whole {
            None if is_marked => State::LengthAfterMark,
            None => State::Length,
            Some(MARK) if !is_marked => State::LengthAfterMark,
            Some(length) => match u32::from_le_bytes(length) {
                0 => State::End,
                length if u64::from(length) > LONGEST_METADATA => return Err(Unfit::TooLarge),
                length => State::Metadata(length as usize),
            },
        };
        Ok(rest)
    }

    fn metadata<'a>(&mut self, bytes: &'a [u8], length: usize) -> Result<&'a [u8], Unfit> {
        let (rest, whole) = self.hold(bytes, length);
        let Some(whole) = whole else {
            self.state = State::Metadata(length);
            return Ok(rest);
        };
        let message = root_as_message(&whole).map_err(|_| Unfit::Malformed)?;
        let body = Body {
            length: u64::try_from(message.bodyLength()).map_err(|_| Unfit::Malformed)?,
            at: 0,
            packed: VecDeque::new(),
            is_lz4: false,
            frames: None,
        };
        if self.is_of_each {
            self.unpacked = 0;
        }
        if body.length > self.most {
            return Err(Unfit::TooLarge);
        }
        let body = if let Some(rows) = rows_of(&message)? {
            self.rows(&rows, body)?
        } else {
            self.add(body.length)?;
            body
        };
        if body.length > 0 {
            self.state = State::Body(body);
        }
        Ok(rest)
    }

    /// Counts what a batch of rows says of itself; its compressed buffers say the rest.
    fn rows(&mut self, rows: &RecordBatch<'_>, mut body: Body) -> Result<Body, Unfit> {
        let not_negative = |number: i64| u64::try_from(number).map_err(|_| Unfit::Malformed);
        self.add(not_negative(rows.length())?)?;
        for node in rows.nodes().into_iter().flatten() {
            self.add(not_negative(node.length())?)?;
        }
        let packing = rows.compression().map(|packing| packing.codec());
        body.is_lz4 = packing == Some(CompressionType::LZ4_FRAME);
        let is_packed = packing.is_some();
        let mut end = 0;
        for buffer in rows.buffers().into_iter().flatten() {
            let (from, length) = (
                not_negative(buffer.offset())?,
                not_negative(buffer.length())?,
            );
            let until = from.checked_add(length).ok_or(Unfit::Malformed)?;
            if until > body.length {
                return Err(Unfit::Malformed);
            }
            if !is_packed {
                self.add(length)?;
            } else if length > 0 {
                // Writers put them one after another; in any other order bytes could say one thing
                // here and another to the decoder.
                if from < end || length < PREFIX as u64 {
                    return Err(Unfit::Malformed);
                }
                // What the buffer has packed counts, too: not compressed, it is what is kept.
                self.add(length)?;
                body.packed.push_back(from..until);
                end = until;
            }
        }
        Ok(body)
    }

    fn body<'a>(&mut self, bytes: &'a [u8], mut body: Body) -> Result<&'a [u8], Unfit> {
        let next = body
            .packed
            .front()
            .map_or(body.length, |buffer| buffer.start);
        let rest = if body.frames.is_some() {
            self.frames(bytes, &mut body)?
        } else if body.at < next {
            split(bytes, next - body.at).1
        } else {
            let (rest, prefix) = self.hold(bytes, PREFIX);
            if let Some(prefix) = prefix.and_then(|prefix| <[u8; PREFIX]>::try_from(prefix).ok()) {
                self.claim(i64::from_le_bytes(prefix), &mut body)?;
            }
            rest
        };
        body.at += (bytes.len() - rest.len()) as u64;
        if body.at < body.length || !body.packed.is_empty() {
            self.state = State::Body(body);
        }
        Ok(rest)
    }

    /// What stands before a compressed buffer.
    fn claim(&mut self, length: i64, body: &mut Body) -> Result<(), Unfit> {
        let Some(buffer) = body.packed.pop_front() else {
            return Err(Unfit::Malformed);
        };
        if length == NOT_PACKED {
            return Ok(());
        }
        let length = u64::try_from(length).map_err(|_| Unfit::Malformed)?;
        self.add(length)?;
        // Of what claims to be nothing nothing is unpacked.
        if body.is_lz4 && length > 0 && buffer.start + (PREFIX as u64) < buffer.end {
            body.frames = Some(Open {
                frames: lz4::Frames::default(),
                counted: length,
                end: buffer.end,
            });
        }
        Ok(())
    }

    /// The next of a buffer of LZ4 frames.
    fn frames<'a>(&mut self, bytes: &'a [u8], body: &mut Body) -> Result<&'a [u8], Unfit> {
        let Some(mut open) = body.frames.take() else {
            return Ok(bytes);
        };
        let left = open.end - body.at;
        let (own, rest) = split(bytes, left);
        let unpacked = open.frames.feed(own)?.max(open.counted);
        self.add(unpacked - open.counted)?;
        open.counted = unpacked;
        if own.len() as u64 == left {
            open.frames.finish()?;
        } else {
            body.frames = Some(open);
        }
        Ok(rest)
    }

    fn add(&mut self, bytes: u64) -> Result<(), Unfit> {
        self.unpacked = self.unpacked.saturating_add(bytes);
        if self.unpacked > self.most {
            Err(Unfit::TooLarge)
        } else {
            Ok(())
        }
    }
}

/// So many of the bytes, or all that there are; and the rest.
fn split(bytes: &[u8], length: u64) -> (&[u8], &[u8]) {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    bytes.split_at_checked(length).unwrap_or((bytes, &[]))
}

/// The rows of a message that has some, be they a dictionary's.
fn rows_of<'a>(message: &Message<'a>) -> Result<Option<RecordBatch<'a>>, Unfit> {
    let rows = match message.header_type() {
        MessageHeader::RecordBatch => message.header_as_record_batch(),
        MessageHeader::DictionaryBatch => message
            .header_as_dictionary_batch()
            .and_then(|dictionary| dictionary.data()),
        _ => return Ok(None),
    };
    rows.map(Some).ok_or(Unfit::Malformed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{ArrayRef, Int64Array, NullArray, RecordBatch as Rows, StringArray},
        ipc::{
            CompressionType,
            reader::StreamReader,
            writer::{IpcWriteOptions, StreamWriter},
        },
    };

    use super::*;

    fn stream(columns: Vec<(&str, ArrayRef)>, is_packed: bool) -> Vec<u8> {
        packed(columns, is_packed.then_some(CompressionType::ZSTD))
    }

    fn packed(columns: Vec<(&str, ArrayRef)>, compression: Option<CompressionType>) -> Vec<u8> {
        let rows = Rows::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, array)| (name, array, true)),
        );
        let rows = rows.unwrap();
        let options = IpcWriteOptions::default()
            .try_with_compression(compression)
            .unwrap();
        let mut writer =
            StreamWriter::try_new_with_options(Vec::new(), &rows.schema(), options).unwrap();
        writer.write(&rows).unwrap();
        writer.write(&rows).unwrap();
        writer.into_inner().unwrap()
    }

    fn texts(count: usize) -> ArrayRef {
        Arc::new(StringArray::from(vec!["321002".repeat(50); count]))
    }

    fn sample(is_packed: bool) -> Vec<u8> {
        let numbers: Int64Array = (0..4000).map(|n| (n % 3 > 0).then_some(n)).collect();
        stream(
            vec![("text", texts(4000)), ("number", Arc::new(numbers))],
            is_packed,
        )
    }

    /// The sample with another length before its first compressed buffers.
    fn claiming(length: i64) -> Vec<u8> {
        let mut bytes = sample(true);
        let magic = [0x28, 0xb5, 0x2f, 0xfd];
        let at = bytes.windows(4).position(|window| window == magic).unwrap();
        bytes[at - 8..at].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    /// In one piece and in pieces of every small size, the answer is one.
    fn outcome(bytes: &[u8], most: u64) -> Result<(), Unfit> {
        let whole = check(bytes, most);
        for size in [1, 3, 7, 64, 1000] {
            let mut guard = Guard::new(most);
            let fed = bytes.chunks(size).try_for_each(|piece| guard.feed(piece));
            assert_eq!(fed.and_then(|()| guard.finish()), whole, "by {size}");
        }
        whole
    }

    #[test]
    fn honest_streams_pass_up_to_what_they_unpack_to() {
        for is_packed in [false, true] {
            let bytes = sample(is_packed);
            let unpacked = 2 * 4000 * 308;
            assert_eq!(outcome(&bytes, 2 * unpacked), Ok(()), "{is_packed}");
            assert_eq!(outcome(&bytes, unpacked), Err(Unfit::TooLarge));
            let read = StreamReader::try_new(&bytes[..], None).unwrap();
            assert_eq!(
                read.map(|rows| rows.unwrap().num_rows()).sum::<usize>(),
                8000
            );
        }
        assert_eq!(outcome(&[], 0), Ok(()));
    }

    #[test]
    fn lengths_that_are_only_claimed_are_refused() {
        for length in [1 << 30, 1 << 46, i64::MAX] {
            assert_eq!(outcome(&claiming(length), 1 << 28), Err(Unfit::TooLarge));
        }
        assert_eq!(outcome(&claiming(-2), 1 << 28), Err(Unfit::Malformed));
        // A body, and metadata, that nobody sends.
        assert_eq!(
            outcome(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0x7f], 1 << 28),
            Err(Unfit::TooLarge)
        );
        let nothing: ArrayRef = Arc::new(NullArray::new(1 << 40));
        let bytes = stream(vec![("nothing", nothing)], true);
        assert_eq!(outcome(&bytes, 1 << 28), Err(Unfit::TooLarge));
    }

    fn by_lz4(count: usize) -> Vec<u8> {
        packed(
            vec![("text", texts(count))],
            Some(CompressionType::LZ4_FRAME),
        )
    }

    /// Where the first LZ4 frame begins.
    fn frame(bytes: &[u8]) -> usize {
        let magic = [0x04, 0x22, 0x4d, 0x18];
        bytes.windows(4).position(|window| window == magic).unwrap()
    }

    #[test]
    fn what_blocks_hold_counts_whatever_their_buffer_claims() {
        let bytes = by_lz4(40_000);
        let unpacked = 2 * 40_000 * 304;
        assert_eq!(outcome(&bytes, 2 * unpacked), Ok(()));
        assert_eq!(outcome(&bytes, unpacked), Err(Unfit::TooLarge));
        let read = StreamReader::try_new(&bytes[..], None).unwrap();
        assert_eq!(
            read.map(|rows| rows.unwrap().num_rows()).sum::<usize>(),
            80_000
        );
        // Every buffer claims a byte, and unpacks to as much as before.
        let mut small = bytes.clone();
        let mut at = 0;
        while let Some(next) = small.get(at..).filter(|rest| rest.len() > 8) {
            let magic = [0x04, 0x22, 0x4d, 0x18];
            let Some(found) = next.windows(4).position(|window| window == magic) else {
                break;
            };
            at += found;
            small[at - 8..at].copy_from_slice(&1_i64.to_le_bytes());
            at += 4;
        }
        assert_eq!(outcome(&small, unpacked), Err(Unfit::TooLarge));
        // A frame that is none, and one whose end is missing.
        let mut other = bytes.clone();
        other[frame(&bytes)] ^= 1;
        assert_eq!(outcome(&other, 1 << 28), Err(Unfit::Malformed));
        let mut endless = bytes.clone();
        let first = frame(&bytes) + 7;
        endless[first..first + 4].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
        assert_eq!(outcome(&endless, 1 << 28), Err(Unfit::Malformed));
    }

    #[test]
    fn a_bound_of_each_message_does_not_add_up() {
        let bytes = by_lz4(40_000);
        let most = 2 * 40_000 * 304;
        let mut guard = Guard::of_each(most);
        for piece in bytes.chunks(1000) {
            guard.feed(piece).unwrap();
        }
        assert_eq!(guard.finish(), Ok(()));
        let fed = Guard::of_each(40_000 * 304).feed(&bytes);
        assert_eq!(fed, Err(Unfit::TooLarge));
    }

    #[test]
    fn what_is_broken_off_or_no_arrow_is_malformed() {
        let bytes = sample(true);
        assert_eq!(
            outcome(&bytes[..bytes.len() / 2], 1 << 28),
            Err(Unfit::Malformed)
        );
        assert_eq!(outcome(&[0xff; 3], 1 << 28), Err(Unfit::Malformed));
        assert!(outcome(&[0x20; 4096], 1 << 28).is_err());
        assert!(outcome(b"gmsfhm,xm\n1,2\n", 1 << 28).is_err());
    }
}
