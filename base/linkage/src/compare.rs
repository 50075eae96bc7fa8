//! How two records agree: one level for each comparison, from best to worst.

use serde::{Deserialize, Serialize};

use crate::{
    Records,
    record::{NONE, Row},
};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    Number,
    Name,
    Sex,
    Birth,
    /// Telephone and address together: who lives together shares both, so that counting them as
    /// two independent agreements would make one person of every household.
    Contact,
}

/// How well one thing agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Unknown on one side at least; says nothing.
    Missing,
    Same,
    /// Written otherwise, sounds the same.
    Sound,
    /// One character or part differs, or two neighbours are swapped; of addresses: 85 % of the
    /// pairs of neighbouring characters are the same.
    Near,
    /// Telephone and address are the same.
    Both,
    /// The telephone is the same, the address is not or is unknown.
    Phone,
    /// The address is the same, the telephone is not or is unknown.
    Place,
    /// 60 % of the address's pairs of neighbouring characters are the same.
    Alike,
    Different,
}

impl Comparison {
    pub const ALL: [Self; 5] = [
        Self::Number,
        Self::Name,
        Self::Sex,
        Self::Birth,
        Self::Contact,
    ];

    /// The levels, best first, without [`Level::Missing`].
    pub fn levels(self) -> &'static [Level] {
        use Level::{Alike, Both, Different, Near, Phone, Place, Same, Sound};
        match self {
            Self::Number | Self::Birth => &[Same, Near, Different],
            Self::Name => &[Same, Sound, Near, Different],
            Self::Sex => &[Same, Different],
            Self::Contact => &[Both, Phone, Place, Near, Alike, Different],
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Name => "name",
            Self::Sex => "sex",
            Self::Birth => "birth",
            Self::Contact => "contact",
        }
    }

    fn radix(self) -> usize {
        self.levels().len() + 1
    }

    fn position(self) -> usize {
        Self::ALL.iter().position(|c| *c == self).unwrap_or(0)
    }
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Same => "same",
            Self::Sound => "sound",
            Self::Near => "near",
            Self::Both => "both",
            Self::Phone => "phone",
            Self::Place => "place",
            Self::Alike => "alike",
            Self::Different => "different",
        }
    }
}

/// The levels of all comparisons of one pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pattern([Level; 5]);

impl Pattern {
    pub fn new(levels: [Level; 5]) -> Self {
        Self(levels)
    }

    pub fn level(self, comparison: Comparison) -> Level {
        let Self([number, name, sex, birth, contact]) = self;
        match comparison {
            Comparison::Number => number,
            Comparison::Name => name,
            Comparison::Sex => sex,
            Comparison::Birth => birth,
            Comparison::Contact => contact,
        }
    }

    /// How many patterns there are.
    pub fn kinds() -> usize {
        Comparison::ALL.iter().map(|c| c.radix()).product()
    }

    /// A number below [`Pattern::kinds`], the same for the same levels only.
    pub fn code(self) -> usize {
        Comparison::ALL.iter().fold(0, |code, comparison| {
            let level = self.level(*comparison);
            let known = comparison.levels().iter().position(|l| *l == level);
            code * comparison.radix() + known.map_or(0, |at| at + 1)
        })
    }

    pub fn of_code(mut code: usize) -> Self {
        let mut levels = [Level::Missing; 5];
        for comparison in Comparison::ALL.iter().rev() {
            let digit = code % comparison.radix();
            code /= comparison.radix();
            let level = digit
                .checked_sub(1)
                .and_then(|at| comparison.levels().get(at));
            if let (Some(slot), Some(level)) = (levels.get_mut(comparison.position()), level) {
                *slot = *level;
            }
        }
        Self(levels)
    }
}

/// How two records agree.
pub(crate) fn compare(records: &Records, left: &Row, right: &Row) -> Pattern {
    Pattern([
        number(left, right),
        name(records, left.name, right.name),
        sex(left.sex, right.sex),
        birth(left.birth, right.birth),
        contact(records, left, right),
    ])
}

fn number(left: &Row, right: &Row) -> Level {
    if !left.has_number() || !right.has_number() {
        Level::Missing
    } else if left.number == right.number {
        Level::Same
    } else if is_near(&left.number, &right.number) {
        Level::Near
    } else {
        Level::Different
    }
}

fn name(records: &Records, left: u32, right: u32) -> Level {
    if left == NONE || right == NONE {
        return Level::Missing;
    }
    if left == right {
        return Level::Same;
    }
    let (Some(left), Some(right)) = (records.name_at(left), records.name_at(right)) else {
        return Level::Missing;
    };
    if left.sound == right.sound {
        return Level::Sound;
    }
    // Of two characters one is the family's: sharing it is no resemblance of persons.
    let is_long = left.letters.len().max(right.letters.len()) > 2;
    if is_long && is_near(&left.letters, &right.letters) {
        return Level::Near;
    }
    Level::Different
}

fn sex(left: u8, right: u8) -> Level {
    match (left, right) {
        (0, _) | (_, 0) => Level::Missing,
        _ if left == right => Level::Same,
        _ => Level::Different,
    }
}

fn birth(left: u32, right: u32) -> Level {
    if left == 0 || right == 0 {
        return Level::Missing;
    }
    if left == right {
        return Level::Same;
    }
    let parts = |day: u32| (day / 10_000, day / 100 % 100, day % 100);
    let (a, b) = (parts(left), parts(right));
    let same = u8::from(a.0 == b.0) + u8::from(a.1 == b.1) + u8::from(a.2 == b.2);
    let is_swapped = a.0 == b.0 && a.1 == b.2 && a.2 == b.1;
    if same == 2 || is_swapped {
        Level::Near
    } else {
        Level::Different
    }
}

/// Of addresses, how many of the pairs of characters two must share.
const NEAR: f64 = 0.85;
const ALIKE: f64 = 0.6;

fn contact(records: &Records, left: &Row, right: &Row) -> Level {
    let phone = (left.phone != NONE && right.phone != NONE).then_some(left.phone == right.phone);
    let address = address(records, left.address, right.address);
    match (phone, address) {
        (None, Level::Missing) => Level::Missing,
        (Some(true), Level::Same | Level::Near) => Level::Both,
        (Some(true), _) => Level::Phone,
        (_, Level::Same) => Level::Place,
        (_, Level::Near) => Level::Near,
        (Some(false), _) if is_phone_near(records, left.phone, right.phone) => Level::Near,
        (_, Level::Alike) => Level::Alike,
        _ => Level::Different,
    }
}

fn is_phone_near(records: &Records, left: u32, right: u32) -> bool {
    match (records.phone_at(left), records.phone_at(right)) {
        (Some(left), Some(right)) => is_near(&left.digits, &right.digits),
        _ => false,
    }
}

fn address(records: &Records, left: u32, right: u32) -> Level {
    if left == NONE || right == NONE {
        return Level::Missing;
    }
    if left == right {
        return Level::Same;
    }
    let (Some(left), Some(right)) = (records.address_at(left), records.address_at(right)) else {
        return Level::Missing;
    };
    let likeness = dice(&left.grams, &right.grams);
    if likeness >= NEAR {
        Level::Near
    } else if likeness >= ALIKE {
        Level::Alike
    } else {
        Level::Different
    }
}

/// Twice the number of common members over the number of all; both sorted.
fn dice(left: &[u32], right: &[u32]) -> f64 {
    let (mut a, mut b) = (left.iter().peekable(), right.iter().peekable());
    let mut common = 0_u32;
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => drop(a.next()),
            std::cmp::Ordering::Greater => drop(b.next()),
            std::cmp::Ordering::Equal => {
                common += 1;
                a.next();
                b.next();
            }
        }
    }
    let all = u32::try_from(left.len() + right.len()).unwrap_or(u32::MAX);
    if all == 0 {
        return 0.0;
    }
    2.0 * f64::from(common) / f64::from(all)
}

/// Whether one member more, less or other, or two neighbours swapped, make one of the other. Made
/// here because it is asked for every candidate pair and must not allocate.
fn is_near<T: PartialEq>(left: &[T], right: &[T]) -> bool {
    let (short, long) = if left.len() <= right.len() {
        (left, right)
    } else {
        (right, left)
    };
    if long.len() - short.len() > 1 {
        return false;
    }
    let head = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let tail = |a: usize, b: usize| short.get(a..) == long.get(b..);
    if short.len() < long.len() {
        return tail(head, head + 1);
    }
    let is_swapped = short.get(head + 1).is_some()
        && short.get(head) == long.get(head + 1)
        && short.get(head + 1) == long.get(head);
    tail(head + 1, head + 1) || (is_swapped && tail(head + 2, head + 2))
}

/// How often the value by which a pair agrees occurs, where agreement on a rare value says more.
pub(crate) fn frequency(records: &Records, left: &Row, level: (Comparison, Level)) -> Option<u32> {
    match level {
        (Comparison::Name, Level::Same) => records.name_at(left.name).map(|n| n.count),
        (Comparison::Contact, Level::Both | Level::Phone) => {
            records.phone_at(left.phone).map(|p| p.count)
        }
        (Comparison::Contact, Level::Place) => records.address_at(left.address).map(|a| a.count),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_edit_is_near() {
        let near = |a: &str, b: &str| is_near(a.as_bytes(), b.as_bytes());
        for (a, b) in [
            ("abcd", "abxd"),
            ("abcd", "abdc"),
            ("abcd", "abc"),
            ("abcd", "xabcd"),
            ("ab", "ba"),
        ] {
            assert!(near(a, b) && near(b, a), "{a} {b}");
        }
        for (a, b) in [
            ("abcd", "abxy"),
            ("abcd", "acbx"),
            ("abcd", "ab"),
            ("abcd", "dbca"),
            ("", "ab"),
        ] {
            assert!(!near(a, b) && !near(b, a), "{a} {b}");
        }
    }

    #[test]
    fn births_with_day_and_month_swapped_are_near() {
        assert_eq!(birth(19_900_105, 19_900_105), Level::Same);
        assert_eq!(birth(19_900_105, 19_900_501), Level::Near);
        assert_eq!(birth(19_900_105, 19_910_105), Level::Near);
        assert_eq!(birth(19_900_105, 19_910_106), Level::Different);
        assert_eq!(birth(0, 19_910_106), Level::Missing);
    }

    #[test]
    fn a_code_tells_its_pattern() {
        for code in 0..Pattern::kinds() {
            assert_eq!(Pattern::of_code(code).code(), code);
        }
        assert_eq!(Pattern::kinds(), 4 * 5 * 3 * 4 * 7);
    }

    #[test]
    fn likeness_counts_common_pairs() {
        assert!((dice(&[1, 2, 3], &[2, 3, 4]) - 2.0 / 3.0).abs() < 1e-12);
        assert!((dice(&[], &[]) - 0.0).abs() < 1e-12);
        assert!((dice(&[1], &[1]) - 1.0).abs() < 1e-12);
    }
}
