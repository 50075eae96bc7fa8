//! A Bloom filter: whether a hash may be in a set, in some bits of memory for each.
//!
//! The bits of one hash lie in one line of the processor's cache, so that a question costs one
//! access to memory. The line is told by the upper bits of the hash, so that hashes in their order
//! fill the filter from its beginning to its end.

/// Bits for each hash, as long as they are not too many: of two hundred hashes that are not in the
/// set, one may be.
const BITS: usize = 12;
/// Bits of a filter at the most, 32 MB: beyond some twenty million hashes there are fewer for each,
/// and more questions that the filter cannot answer.
const MOST_BITS: usize = 1 << 28;
const LINE_BITS: usize = 512;
/// Bits of a word that say a place in a line.
const PLACE_BITS: usize = 9;

pub(super) struct Filter {
    lines: Vec<[u64; LINE_BITS / 64]>,
    /// Bits that each hash sets.
    places: usize,
}

impl Filter {
    /// For that many hashes.
    pub(super) fn of(count: usize) -> Self {
        let bits = count.saturating_mul(BITS).clamp(LINE_BITS, MOST_BITS);
        // So that about half of all bits are set, which tells the most.
        let places = bits * 7 / 10 / count.max(1);
        Self {
            lines: vec![[0; LINE_BITS / 64]; bits.div_ceil(LINE_BITS)],
            places: places.clamp(1, 64 / PLACE_BITS),
        }
    }

    fn line(&self, hash: u64) -> usize {
        let line = (u128::from(hash) * self.lines.len() as u128) >> 64;
        usize::try_from(line).unwrap_or_default()
    }

    pub(super) fn add(&mut self, hash: u64) {
        let (line, marks) = (self.line(hash), marks(hash, self.places));
        if let Some(line) = self.lines.get_mut(line) {
            for (word, mark) in marks {
                if let Some(word) = line.get_mut(word) {
                    *word |= mark;
                }
            }
        }
    }

    /// False only where the hash was not added.
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        let line = self.lines.get(self.line(hash));
        let is_set = |(word, mark): (usize, u64)| {
            let word = line.and_then(|line| line.get(word));
            word.is_some_and(|word| word & mark != 0)
        };
        marks(hash, self.places).all(is_set)
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.lines.capacity() * LINE_BITS / 8
    }
}

/// Words of a line and the bit that is set in each.
fn marks(hash: u64, places: usize) -> impl Iterator<Item = (usize, u64)> {
    // The lower bits of a hash have no part in its line.
    let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..places).map(move |place| {
        let bit = (mixed >> (place * PLACE_BITS)) % LINE_BITS as u64;
        (
            usize::try_from(bit / 64).unwrap_or_default(),
            1 << (bit % 64),
        )
    })
}
