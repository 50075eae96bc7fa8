//! Which pairs are looked at: those that agree on something that few share.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use crate::{
    Comparison, Options, Progress, Records,
    number::{count, index, mix},
    record::{NONE, Row},
};

/// What two records must share to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Number,
    Phone,
    /// The name's sound and the birth.
    NameBirth,
    /// The name's sound and the year of birth.
    NameYear,
    /// The name's sound, month and day of birth.
    NameDay,
    /// The first character of the name and the birth.
    FamilyBirth,
    /// The address and the year of birth.
    PlaceYear,
}

impl Rule {
    /// The surest first: a pair counts for the first rule that brings it together.
    pub const ALL: [Self; 7] = [
        Self::Number,
        Self::Phone,
        Self::NameBirth,
        Self::NameYear,
        Self::NameDay,
        Self::FamilyBirth,
        Self::PlaceYear,
    ];

    /// Comparisons that every pair of the rule agrees on in part, so that nothing can be learnt of
    /// them from its pairs.
    pub(crate) fn fixes(self, comparison: Comparison) -> bool {
        match self {
            Self::Number => comparison == Comparison::Number,
            Self::Phone => comparison == Comparison::Contact,
            Self::NameBirth | Self::NameYear | Self::NameDay | Self::FamilyBirth => {
                matches!(comparison, Comparison::Name | Comparison::Birth)
            }
            Self::PlaceYear => matches!(comparison, Comparison::Contact | Comparison::Birth),
        }
    }

    /// What must be equal; nothing where a part of it is unknown.
    pub(crate) fn key(self, records: &Records, row: &Row) -> Option<u64> {
        let of_name = |part: fn(&crate::record::Name) -> u32| {
            let name = records.name_at(row.name)?;
            Some(u64::from(part(name)))
        };
        let sound = || of_name(|name| name.sound);
        let family = || of_name(|name| name.letters.first().map_or(0, |c| u32::from(*c)));
        let known = |value: u32, unknown: u32| (value != unknown).then_some(u64::from(value));
        let birth = known(row.birth, 0);
        match self {
            Self::Number if row.has_number() => {
                let (head, tail) = row.number.split_at(9);
                let pack = |bytes: &[u8]| bytes.iter().fold(0, |n, b| mix(n, u64::from(*b)));
                Some(mix(pack(head), pack(tail)))
            }
            Self::Number => None,
            Self::Phone => known(row.phone, NONE),
            Self::NameBirth => Some(mix(sound()?, birth?)),
            Self::NameYear => Some(mix(sound()?, birth? / 10_000)),
            Self::NameDay => Some(mix(sound()?, birth? % 10_000)),
            Self::FamilyBirth => Some(mix(family()?, birth?)),
            Self::PlaceYear => Some(mix(known(row.address, NONE)?, birth? / 10_000)),
        }
    }

    fn joins(self, records: &Records, left: &Row, right: &Row) -> bool {
        let key = self.key(records, left);
        key.is_some() && key == self.key(records, right)
    }
}

/// What was seen of the pairs of one rule.
pub(crate) struct Visit<T> {
    /// In the order of records' keys, whatever thread saw them.
    pub parts: Vec<T>,
    /// Pairs of keys that bring too many together.
    pub skipped: u64,
}

/// Records of one piece of work.
const CHUNK: usize = 1 << 15;

/// A pair, and whether no surer rule brings it together.
pub(crate) struct Candidate<'a> {
    pub left: u32,
    pub right: u32,
    pub left_row: &'a Row,
    pub right_row: &'a Row,
    pub is_fresh: bool,
}

/// Shows `see` every pair that the rule at `place` brings together. Work is cut into pieces that do
/// not depend on the number of threads, each with a state of its own.
pub(crate) fn visit<T: Send>(
    records: &Records,
    place: usize,
    options: &Options,
    progress: Progress<'_>,
    new: impl Fn() -> T + Sync,
    see: impl Fn(&mut T, &Candidate<'_>) + Sync,
) -> Visit<T> {
    let Some(rule) = Rule::ALL.get(place).copied() else {
        return Visit {
            parts: Vec::new(),
            skipped: 0,
        };
    };
    let surer = Rule::ALL.get(..place).unwrap_or_default();
    let keyed = keyed(records, rule);
    let pieces = pieces(&keyed);
    let (next, seen) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let done = Mutex::new(Vec::with_capacity(pieces.len()));
    let before = count(place) * count(records.len());
    let all = count(Rule::ALL.len()) * count(records.len());
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = pieces.get(at).and_then(|range| keyed.get(range.clone())) else {
                return;
            };
            let mut state = new();
            let mut skipped = 0;
            for block in piece.chunk_by(|a, b| a.0 == b.0) {
                if block.len() > options.largest_block {
                    skipped += count(block.len()) * count(block.len() - 1) / 2;
                    continue;
                }
                pairs(
                    records,
                    surer,
                    options,
                    block,
                    &mut |candidate: &Candidate<'_>| {
                        see(&mut state, candidate);
                    },
                );
            }
            let now = seen.fetch_add(piece.len(), Ordering::Relaxed) + piece.len();
            progress(before + count(now), all);
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.push((at, state, skipped));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..options.threads {
            scope.spawn(work);
        }
        work();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, ..)| *at);
    Visit {
        skipped: done.iter().map(|(.., skipped)| skipped).sum(),
        parts: done.into_iter().map(|(_, state, _)| state).collect(),
    }
}

/// Records with their keys, in the order of keys, then of records.
fn keyed(records: &Records, rule: Rule) -> Vec<(u64, u32)> {
    let rows = records.rows.iter().enumerate();
    let mut keyed: Vec<_> = rows
        .filter_map(|(at, row)| Some((rule.key(records, row)?, index(at))))
        .collect();
    keyed.sort_unstable();
    keyed
}

/// Ranges of about [`CHUNK`] records that cut no block in two.
fn pieces(keyed: &[(u64, u32)]) -> Vec<std::ops::Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < keyed.len() {
        let mut end = (start + CHUNK).min(keyed.len());
        let last = keyed.get(end - 1).map(|(key, _)| *key);
        while last.is_some() && keyed.get(end).map(|(key, _)| *key) == last {
            end += 1;
        }
        pieces.push(start..end);
        start = end;
    }
    pieces
}

fn pairs(
    records: &Records,
    surer: &[Rule],
    options: &Options,
    block: &[(u64, u32)],
    see: &mut impl FnMut(&Candidate<'_>),
) {
    let mut rest = block;
    while let Some(((_, left), others)) = rest.split_first() {
        rest = others;
        let Some(left_row) = records.row(*left) else {
            continue;
        };
        for (_, right) in others {
            let Some(right_row) = records.row(*right) else {
                continue;
            };
            if options.is_between_sides && left_row.side == right_row.side {
                continue;
            }
            let is_known = surer.iter().any(|r| r.joins(records, left_row, right_row));
            see(&Candidate {
                left: *left,
                right: *right,
                left_row,
                right_row,
                is_fresh: !is_known,
            });
        }
    }
}
