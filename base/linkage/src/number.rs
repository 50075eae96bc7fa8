//! Conversions between counts and reals, in one place because none of them can be exact for every
//! value.

/// A count as a real number; exact below 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of pairs stay far below 2^53"
)]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

pub(crate) fn count(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

/// The index of a record or of something kept once; there are never 2^32 of them.
pub(crate) fn index(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

pub(crate) fn place(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// A well-mixed hash of two numbers (the finaliser of `SplitMix64`).
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(b)
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
