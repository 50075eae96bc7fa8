//! Weighing all candidate pairs.

use crate::{
    Comparison, Explanation, Level, Model, Options, Part, Pattern, Progress, Records, Rule,
    block::visit,
    compare::{compare, frequency},
    number::count,
    record::Row,
};

/// Two records and what speaks for their being one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The record that was added first.
    pub left: u32,
    pub right: u32,
    /// log2 of the odds.
    pub weight: f64,
    /// Both have the same right number, and the name does not contradict it.
    pub is_key: bool,
}

/// What a run found.
#[derive(Clone, Debug)]
pub struct Scored {
    /// In the order of their records.
    pub pairs: Vec<Pair>,
    /// Pairs that were weighed.
    pub candidates: u64,
    /// Pairs that one key too common would have brought together.
    pub skipped: u64,
}

/// Weighs all candidates; keeps those that are linked by a key or reach the least weight.
pub fn score(
    records: &Records,
    model: &Model,
    options: &Options,
    progress: Progress<'_>,
) -> Scored {
    let weights: Vec<f64> = (0..Pattern::kinds())
        .map(|code| model.weight(Pattern::of_code(code)))
        .collect();
    let mut scored = Scored {
        pairs: Vec::new(),
        candidates: 0,
        skipped: 0,
    };
    for place in 0..Rule::ALL.len() {
        let new = || (Vec::new(), 0_u64);
        let seen = visit(records, place, options, progress, new, |(kept, seen), c| {
            if !c.is_fresh {
                return;
            }
            *seen += 1;
            let pattern = compare(records, c.left_row, c.right_row);
            let plain = weights.get(pattern.code()).copied().unwrap_or_default();
            let weight = plain + rarity(records, model, c.left_row, pattern);
            let is_key = is_key(c.left_row, pattern);
            if is_key || weight >= options.least_weight {
                kept.push(Pair {
                    left: c.left,
                    right: c.right,
                    weight,
                    is_key,
                });
            }
        });
        scored.skipped += seen.skipped;
        for (kept, seen) in seen.parts {
            scored.candidates += seen;
            scored.pairs.extend(kept);
        }
    }
    scored
        .pairs
        .sort_unstable_by_key(|pair| (pair.left, pair.right));
    scored
}

/// The same number, its check digit right, is the same person unless the name says otherwise.
fn is_key(left: &Row, pattern: Pattern) -> bool {
    left.is_valid
        && pattern.level(Comparison::Number) == Level::Same
        && pattern.level(Comparison::Name) != Level::Different
}

fn rarity(records: &Records, model: &Model, left: &Row, pattern: Pattern) -> f64 {
    [Comparison::Name, Comparison::Contact]
        .into_iter()
        .map(|comparison| part_rarity(records, model, left, comparison, pattern))
        .sum()
}

fn part_rarity(
    records: &Records,
    model: &Model,
    left: &Row,
    comparison: Comparison,
    pattern: Pattern,
) -> f64 {
    let level = pattern.level(comparison);
    let held = frequency(records, left, (comparison, level));
    held.map_or(0.0, |held| model.rarity(comparison, level, held))
}

/// Where the weight of a pair comes from; its parts add up to what [`score`] gives.
pub fn explain(records: &Records, model: &Model, left: u32, right: u32) -> Option<Explanation> {
    let (left, right) = (records.row(left)?, records.row(right)?);
    let pattern = compare(records, left, right);
    let parts: Vec<Part> = Comparison::ALL
        .into_iter()
        .map(|comparison| Part {
            comparison,
            level: pattern.level(comparison),
            weight: model.weight_of(comparison, pattern.level(comparison)),
            rarity: part_rarity(records, model, left, comparison, pattern),
        })
        .collect();
    let prior = model.prior_weight();
    Some(Explanation {
        prior,
        weight: prior + parts.iter().map(|p| p.weight + p.rarity).sum::<f64>(),
        parts,
        is_key: is_key(left, pattern),
    })
}

impl Scored {
    /// How many pairs are linked at a threshold.
    pub fn linked(&self, threshold: f64) -> u64 {
        let pairs = self.pairs.iter();
        count(pairs.filter(|p| p.is_linked(threshold)).count())
    }
}

impl Pair {
    /// By the key, or by reaching the weight.
    pub fn is_linked(&self, threshold: f64) -> bool {
        self.is_key || self.weight >= threshold
    }
}
