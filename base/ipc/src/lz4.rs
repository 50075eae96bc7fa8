//! What LZ4 frames unpack to at the most, from the lengths of their blocks (LZ4 Frame Format
//! 1.6.4). Their writer claims a length, too, and unpacking does not keep to it.

use crate::Unfit;

const MAGIC: u32 = 0x184d_2204;
/// Of a block's length: it is kept as it was.
const AS_IT_WAS: u32 = 0x8000_0000;
/// Bytes that a byte of a packed block unpacks to at the most.
const LARGEST_RATIO: u64 = 255;

/// Watches the frames of one buffer, in pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    state: State,
    /// The beginning of a header or length whose end has not come yet.
    held: Vec<u8>,
    /// Bytes of a block of this frame at the most.
    block: u64,
    has_block_sums: bool,
    has_content_sum: bool,
    sum: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// Magic number and the first two bytes of the descriptor.
    #[default]
    Header,
    /// A block's length, or the end of the frame.
    Length,
    Skip {
        left: u64,
        is_frame_over: bool,
    },
}

impl Frames {
    /// The next piece; answers what everything until here unpacks to at the most.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<u64, Unfit> {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Header => self.header(bytes)?,
                State::Length => self.length(bytes)?,
                State::Skip {
                    left,
                    is_frame_over,
                } => self.skip(bytes, left, is_frame_over),
            };
        }
        Ok(self.sum)
    }

    /// Fails where the buffer ends within a frame.
    pub fn finish(&self) -> Result<(), Unfit> {
        match self.state {
            State::Header if self.held.is_empty() => Ok(()),
            _ => Err(Unfit::Malformed),
        }
    }

    fn header<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Unfit> {
        let (rest, whole) = hold::<6>(&mut self.held, bytes);
        if let Some([a, b, c, d, flags, sizes]) = whole {
            if u32::from_le_bytes([a, b, c, d]) != MAGIC {
                return Err(Unfit::Malformed);
            }
            let has = |bit: u8| flags & bit != 0;
            // 64 KB, 256 KB, 1 MB, 4 MB.
            self.block = 1 << (8 + 2 * u32::from((sizes >> 4) & 7));
            self.has_block_sums = has(0x10);
            self.has_content_sum = has(0x04);
            // Content's size, dictionary's number, the descriptor's own sum.
            let left = 8 * u64::from(has(0x08)) + 4 * u64::from(has(0x01)) + 1;
            self.go_on(left, false);
        }
        Ok(rest)
    }

    fn length<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Unfit> {
        let (rest, whole) = hold::<4>(&mut self.held, bytes);
        let Some(length) = whole.map(u32::from_le_bytes) else {
            return Ok(rest);
        };
        if length == 0 {
            self.go_on(4 * u64::from(self.has_content_sum), true);
            return Ok(rest);
        }
        let packed = u64::from(length & !AS_IT_WAS);
        let unpacked = if length & AS_IT_WAS != 0 {
            packed
        } else {
            self.block.min(packed.saturating_mul(LARGEST_RATIO))
        };
        self.sum = self.sum.checked_add(unpacked).ok_or(Unfit::TooLarge)?;
        self.go_on(packed + 4 * u64::from(self.has_block_sums), false);
        Ok(rest)
    }

    fn skip<'a>(&mut self, bytes: &'a [u8], left: u64, is_frame_over: bool) -> &'a [u8] {
        let own = usize::try_from(left).unwrap_or(usize::MAX);
        let (own, rest) = bytes.split_at_checked(own).unwrap_or((bytes, &[]));
        self.go_on(left - own.len() as u64, is_frame_over);
        rest
    }

    fn go_on(&mut self, left: u64, is_frame_over: bool) {
        self.state = match (left, is_frame_over) {
            (0, true) => State::Header,
            (0, false) => State::Length,
            _ => State::Skip {
                left,
                is_frame_over,
            },
        };
    }
}

/// Holds bytes until there are `N`; answers the rest, and the whole when it is there.
fn hold<'a, const N: usize>(held: &mut Vec<u8>, bytes: &'a [u8]) -> (&'a [u8], Option<[u8; N]>) {
    let missing = N.saturating_sub(held.len());
    let (own, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
    held.extend_from_slice(own);
    let whole = <[u8; N]>::try_from(held.as_slice()).ok();
    if whole.is_some() {
        held.clear();
    }
    (rest, whole)
}
