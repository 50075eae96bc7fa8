//! Numbers that look random and are the same every time.

/// A generator after `SplitMix64`. Made here because those of libraries may change their sequences
/// with a version, and a city must stay the same.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice of a purpose: other purposes of the same seed are independent.
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut dice = Self(seed ^ purpose.wrapping_mul(0xd6e8_feb8_6659_fd93));
        dice.roll();
        dice
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`; 0 for 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.roll().checked_rem(limit).unwrap_or_default()
    }

    /// True so many times in a thousand.
    pub fn happens(&mut self, of_thousand: u32) -> bool {
        self.below(1000) < u64::from(of_thousand)
    }

    pub fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> Option<&'a T> {
        let at = usize::try_from(self.below(len(all))).ok()?;
        all.get(at).copied()
    }

    /// One of the characters of a text.
    pub fn letter(&mut self, text: &str) -> Option<char> {
        let size = u64::try_from(text.chars().count()).unwrap_or_default();
        let at = usize::try_from(self.below(size)).ok()?;
        text.chars().nth(at)
    }

    /// A place in something of that size.
    pub fn place(&mut self, size: usize) -> usize {
        let limit = u64::try_from(size).unwrap_or_default();
        usize::try_from(self.below(limit)).unwrap_or_default()
    }
}

fn len<T>(all: &[T]) -> u64 {
    u64::try_from(all.len()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_never_changes() {
        let mut dice = Dice::new(1, 2);
        let first: Vec<u64> = (0..3).map(|_| dice.below(1000)).collect();
        let mut again = Dice::new(1, 2);
        assert_eq!(first, (0..3).map(|_| again.below(1000)).collect::<Vec<_>>());
        assert_ne!(Dice::new(1, 3).roll(), Dice::new(1, 2).roll());
        assert_eq!(dice.below(0), 0);
    }

    #[test]
    fn things_happen_as_often_as_told() {
        let mut dice = Dice::new(7, 7);
        let times = (0..100_000).filter(|_| dice.happens(250)).count();
        assert!((24_000..26_000).contains(&times), "{times}");
    }
}
