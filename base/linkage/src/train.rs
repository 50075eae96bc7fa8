//! Learning m, u and the prior.
//!
//! u is counted: equal values exactly, over all records; lesser agreement on random pairs. m comes
//! from expectation maximisation over the pairs of each blocking rule, with u held fixed, for the
//! comparisons that the rule leaves open. The prior is the share of all pairs that the candidates'
//! probabilities add up to, found by repeating.

use crate::{
    Comparison, Level, Model, Options, Pattern, Progress, Records, Rule, Trained,
    block::visit,
    compare::compare,
    number::{count, mix, real},
    record::{NONE, Row},
};

/// How many pairs there are of each pattern.
#[derive(Clone, Debug)]
pub struct Histogram(Vec<u64>);

impl Default for Histogram {
    fn default() -> Self {
        Self(vec![0; Pattern::kinds()])
    }
}

impl Histogram {
    pub fn add(&mut self, pattern: Pattern, pairs: u64) {
        if let Some(slot) = self.0.get_mut(pattern.code()) {
            *slot += pairs;
        }
    }

    fn merge(&mut self, other: &Self) {
        for (slot, more) in self.0.iter_mut().zip(&other.0) {
            *slot += more;
        }
    }

    pub fn pairs(&self) -> u64 {
        self.0.iter().sum()
    }

    fn iter(&self) -> impl Iterator<Item = (Pattern, f64)> {
        let seen = self.0.iter().enumerate().filter(|(_, n)| **n > 0);
        seen.map(|(code, n)| (Pattern::of_code(code), real(*n)))
    }
}

type Frequency = (Comparison, Level, f64);

/// In the order of [`Comparison::ALL`] and their levels.
type Frequencies = Vec<Frequency>;

fn blank() -> Frequencies {
    let all = Comparison::ALL.iter();
    all.flat_map(|c| c.levels().iter().map(|l| (*c, *l, 0.0)))
        .collect()
}

fn get(frequencies: &[Frequency], comparison: Comparison, level: Level) -> f64 {
    let found = frequencies
        .iter()
        .find(|(c, l, _)| (*c, *l) == (comparison, level));
    found.map_or(0.0, |(.., f)| *f)
}

fn put(frequencies: &mut [Frequency], comparison: Comparison, level: Level, value: f64) {
    let found = frequencies
        .iter_mut()
        .find(|(c, l, _)| (*c, *l) == (comparison, level));
    if let Some((.., slot)) = found {
        *slot = value;
    }
}

fn add(frequencies: &mut [Frequency], comparison: Comparison, level: Level, more: f64) {
    let before = get(frequencies, comparison, level);
    put(frequencies, comparison, level, before + more);
}

fn total(frequencies: &[Frequency], comparison: Comparison) -> f64 {
    let own = frequencies.iter().filter(|(c, ..)| *c == comparison);
    own.map(|(.., f)| f).sum()
}

/// Random pairs by which lesser agreement is measured.
const SAMPLE: u64 = 2_000_000;
/// Rounds of learning; m and u hardly change after the second.
const ROUNDS: usize = 3;
/// Part of an agreement's frequency that is chance at the least: not even of citizen numbers do
/// all equal ones belong to one person.
const CHANCE: f64 = 0.02;

/// Learns from the records.
pub fn train(records: &Records, options: &Options, progress: Progress<'_>) -> Model {
    let all_pairs = all_pairs(records, options);
    let chance = chance(records, options, all_pairs);
    let (by_rule, candidates) = histograms(records, options, progress);
    let mut prior = (1.0 / real(count(records.len()).max(2))).min(0.1);
    let mut m = guess();
    let mut u = chance.clone();
    for _ in 0..ROUNDS {
        m = learn(&by_rule, &u, &m);
        u = without_matches(&chance, &m, prior);
        prior = find_prior(&candidates, &m, &u, prior, all_pairs);
    }
    u = without_matches(&chance, &m, prior);
    let levels = m
        .iter()
        .zip(&u)
        .map(|((comparison, level, m), (.., u))| Trained {
            comparison: *comparison,
            level: *level,
            m: *m,
            u: *u,
            weight: 0.0,
        });
    let named = records.rows.iter().filter(|r| r.name != NONE).count();
    let reachable = records
        .rows
        .iter()
        .filter(|r| r.phone != NONE || r.address != NONE);
    let reachable = count(reachable.count());
    Model::new(prior, count(named), reachable, levels.collect())
}

fn all_pairs(records: &Records, options: &Options) -> f64 {
    let all = count(records.len());
    let first = count(records.rows.iter().filter(|r| r.side == 0).count());
    let pairs = if options.is_between_sides {
        real(first) * real(all - first)
    } else {
        real(all) * (real(all) - 1.0) / 2.0
    };
    pairs.max(1.0)
}

/// The pairs of each rule by pattern, and all candidates, each once.
fn histograms(
    records: &Records,
    options: &Options,
    progress: Progress<'_>,
) -> (Vec<(Rule, Histogram)>, Histogram) {
    let mut candidates = Histogram::default();
    let mut by_rule = Vec::new();
    for (place, rule) in Rule::ALL.into_iter().enumerate() {
        let new = || (Histogram::default(), Histogram::default());
        let seen = visit(records, place, options, progress, new, |(all, fresh), c| {
            let pattern = compare(records, c.left_row, c.right_row);
            all.add(pattern, 1);
            if c.is_fresh {
                fresh.add(pattern, 1);
            }
        });
        let mut all = Histogram::default();
        for (some, fresh) in &seen.parts {
            all.merge(some);
            candidates.merge(fresh);
        }
        by_rule.push((rule, all));
    }
    (by_rule, candidates)
}

/// How often each level occurs among all pairs.
fn chance(records: &Records, options: &Options, all_pairs: f64) -> Frequencies {
    let (sampled, drawn) = sample(records, options, all_pairs);
    let mut u = blank();
    for comparison in Comparison::ALL {
        let known = total(&sampled, comparison);
        let levels = comparison.levels();
        // Half a pair more for each level, so that what was never seen is rare, not impossible.
        let of = known + 0.5 * real(count(levels.len()));
        for level in levels {
            let seen = get(&sampled, comparison, *level) + 0.5;
            put(&mut u, comparison, *level, seen / of);
        }
        // Pairs in which both know it, of all pairs.
        let pairs = all_pairs * (known / drawn.max(1.0)).max(1.0 / drawn.max(1.0));
        for (level, equal) in equal(records, options, comparison) {
            put(&mut u, comparison, level, (equal / pairs).min(0.99));
        }
        rest(&mut u, comparison);
    }
    u
}

/// What the other levels leave is different.
fn rest(u: &mut [Frequency], comparison: Comparison) {
    let others = total(u, comparison) - get(u, comparison, Level::Different);
    put(u, comparison, Level::Different, (1.0 - others).max(0.01));
}

/// Levels of random pairs, and how many pairs were drawn.
fn sample(records: &Records, options: &Options, all_pairs: f64) -> (Frequencies, f64) {
    let mut drawn = Histogram::default();
    let mut draw = |left: &Row, right: &Row| {
        if !options.is_between_sides || left.side != right.side {
            drawn.add(compare(records, left, right), 1);
        }
    };
    if all_pairs <= real(SAMPLE) {
        let mut rest = records.rows.as_slice();
        while let Some((left, others)) = rest.split_first() {
            rest = others;
            for right in others {
                draw(left, right);
            }
        }
    } else {
        let size = count(records.len());
        for round in 0..SAMPLE {
            let at = |salt: u64| {
                let hash = mix(options.seed, round * 2 + salt);
                records.row(u32::try_from(hash % size).unwrap_or_default())
            };
            if let (Some(left), Some(right)) = (at(0), at(1))
                && !std::ptr::eq(left, right)
            {
                draw(left, right);
            }
        }
    }
    let mut levels = blank();
    for (pattern, pairs) in drawn.iter() {
        for comparison in Comparison::ALL {
            add(&mut levels, comparison, pattern.level(comparison), pairs);
        }
    }
    (levels, real(drawn.pairs()))
}

/// How many pairs have equal values, counted over all records.
fn equal(records: &Records, options: &Options, comparison: Comparison) -> Vec<(Level, f64)> {
    let pairs = |key: &dyn Fn(&Row) -> Option<u64>| {
        let rows = records.rows.iter();
        let mut keys: Vec<(u64, u8)> = rows.filter_map(|r| Some((key(r)?, r.side))).collect();
        keys.sort_unstable();
        let blocks = keys.chunk_by(|a, b| a.0 == b.0);
        blocks.map(|block| pairs_in(block, options)).sum::<f64>()
    };
    let known = |value: u32, none: u32| (value != none).then_some(u64::from(value));
    match comparison {
        Comparison::Number => {
            let key = |row: &Row| Rule::Number.key(records, row);
            vec![(Level::Same, pairs(&key))]
        }
        Comparison::Name => vec![(Level::Same, pairs(&|row| known(row.name, NONE)))],
        Comparison::Birth => vec![(Level::Same, pairs(&|row| known(row.birth, 0)))],
        Comparison::Sex => Vec::new(),
        Comparison::Contact => {
            let phone = |row: &Row| known(row.phone, NONE);
            let place = |row: &Row| known(row.address, NONE);
            let both = pairs(&|row| Some(mix(phone(row)?, place(row)?)));
            vec![
                (Level::Both, both),
                (Level::Phone, pairs(&phone) - both),
                (Level::Place, pairs(&place) - both),
            ]
        }
    }
}

fn pairs_in(block: &[(u64, u8)], options: &Options) -> f64 {
    let size = real(count(block.len()));
    if options.is_between_sides {
        let first = block.iter().filter(|(_, side)| *side == 0).count();
        let first = real(count(first));
        return first * (size - first);
    }
    size * (size - 1.0) / 2.0
}

/// m before anything is learnt: agreement is usual, difference is rare.
fn guess() -> Frequencies {
    let mut m = blank();
    for comparison in Comparison::ALL {
        let mut left = 1.0;
        for level in comparison.levels() {
            let share = if *level == Level::Different { 1.0 } else { 0.7 };
            put(&mut m, comparison, *level, left * share);
            left *= 1.0 - share;
        }
    }
    m
}

/// m of each comparison from all rules that leave it open, by the matches they found.
fn learn(by_rule: &[(Rule, Histogram)], u: &[Frequency], before: &[Frequency]) -> Frequencies {
    let mut matched = blank();
    for (rule, histogram) in by_rule {
        let open: Vec<_> = Comparison::ALL
            .into_iter()
            .filter(|c| !rule.fixes(*c))
            .collect();
        let found = estimate(histogram, &open, before, u);
        for (comparison, level, pairs) in found {
            if open.contains(&comparison) {
                add(&mut matched, comparison, level, pairs);
            }
        }
    }
    normalised(&matched, before)
}

/// Frequencies of counts; as before where nothing was counted.
fn normalised(counts: &[Frequency], before: &[Frequency]) -> Frequencies {
    let mut m = blank();
    for comparison in Comparison::ALL {
        let all = total(counts, comparison);
        let levels = comparison.levels();
        for level in levels {
            let value = if all < 1.0 {
                get(before, comparison, *level)
            } else {
                // A level that no match had is still possible.
                let of = all + 0.5 * real(count(levels.len()));
                (get(counts, comparison, *level) + 0.5) / of
            };
            put(&mut m, comparison, *level, value);
        }
    }
    m
}

/// Expected matches by comparison and level among the pairs of a histogram, by expectation
/// maximisation over the open comparisons with u held fixed; `m` is where it begins. Frequencies
/// are by comparison and level in the order of [`Comparison::ALL`].
pub fn estimate(
    histogram: &Histogram,
    open: &[Comparison],
    m: &[Frequency],
    u: &[Frequency],
) -> Vec<Frequency> {
    let pairs = real(histogram.pairs());
    let start = m.to_vec();
    let u = u.to_vec();
    if pairs == 0.0 {
        return blank();
    }
    let mut m = start.clone();
    let mut matched = blank();
    let mut share = 0.5;
    for _ in 0..200 {
        matched = blank();
        let mut sum = 0.0;
        for (pattern, n) in histogram.iter() {
            let expected = n * posterior(pattern, open, &m, &u, share);
            sum += expected;
            for comparison in open {
                add(
                    &mut matched,
                    *comparison,
                    pattern.level(*comparison),
                    expected,
                );
            }
        }
        let next = (sum / pairs).clamp(1e-9, 1.0 - 1e-9);
        m = normalised(&matched, &start);
        if (next - share).abs() < 1e-9 {
            break;
        }
        share = next;
    }
    matched
}

/// Probability that a pair of this pattern is a match, by the open comparisons.
fn posterior(
    pattern: Pattern,
    open: &[Comparison],
    m: &[Frequency],
    u: &[Frequency],
    share: f64,
) -> f64 {
    let mut odds = share / (1.0 - share);
    for comparison in open {
        let level = pattern.level(*comparison);
        if level != Level::Missing {
            odds *= get(m, *comparison, level).max(1e-12) / get(u, *comparison, level).max(1e-12);
        }
    }
    if odds.is_finite() {
        odds / (1.0 + odds)
    } else {
        1.0
    }
}

/// u is about pairs of two persons, chance was counted over all pairs.
fn without_matches(chance: &[Frequency], m: &[Frequency], prior: f64) -> Frequencies {
    let mut u: Frequencies = chance
        .iter()
        .zip(m)
        .map(|((comparison, level, all), (.., m))| {
            (*comparison, *level, (all - prior * m).max(all * CHANCE))
        })
        .collect();
    for comparison in Comparison::ALL {
        rest(&mut u, comparison);
    }
    u
}

/// The share of matches among all pairs: what the candidates' probabilities add up to.
fn find_prior(
    candidates: &Histogram,
    m: &[Frequency],
    u: &[Frequency],
    start: f64,
    all_pairs: f64,
) -> f64 {
    let mut prior = start;
    for _ in 0..500 {
        let patterns = candidates.iter();
        let matches: f64 = patterns
            .map(|(pattern, n)| n * posterior(pattern, &Comparison::ALL, m, u, prior))
            .sum();
        let next = (matches / all_pairs).clamp(0.1 / all_pairs, 0.5);
        if (next - prior).abs() <= prior * 1e-4 {
            return next;
        }
        prior = next;
    }
    prior
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    /// Draws a level by its frequencies.
    fn draw(rng: &mut StdRng, frequencies: &[Frequency], comparison: Comparison) -> Level {
        let mut left: f64 = rng.random();
        for level in comparison.levels() {
            left -= get(frequencies, comparison, *level);
            if left <= 0.0 {
                return *level;
            }
        }
        Level::Different
    }

    fn known(shares: [&[f64]; 5]) -> Frequencies {
        let mut all = blank();
        for (comparison, shares) in Comparison::ALL.into_iter().zip(shares) {
            for (level, share) in comparison.levels().iter().zip(shares) {
                put(&mut all, comparison, *level, *share);
            }
        }
        all
    }

    #[test]
    fn expectation_maximisation_finds_the_frequencies_that_made_the_pairs() {
        let m = known([
            &[0.9, 0.07, 0.03],
            &[0.85, 0.05, 0.06, 0.04],
            &[0.97, 0.03],
            &[0.9, 0.07, 0.03],
            &[0.5, 0.2, 0.1, 0.1, 0.05, 0.05],
        ]);
        let u = known([
            &[0.001, 0.004, 0.995],
            &[0.01, 0.01, 0.03, 0.95],
            &[0.5, 0.5],
            &[0.002, 0.03, 0.968],
            &[0.01, 0.01, 0.02, 0.05, 0.2, 0.71],
        ]);
        let mut rng = StdRng::seed_from_u64(4);
        let mut histogram = Histogram::default();
        for _ in 0..200_000 {
            let of = if rng.random::<f64>() < 0.1 { &m } else { &u };
            let pattern = Pattern::new(Comparison::ALL.map(|c| draw(&mut rng, of, c)));
            histogram.add(pattern, 1);
        }
        let matched = estimate(&histogram, &Comparison::ALL, &guess(), &u);
        let found = normalised(&matched, &guess());
        for (comparison, level, value) in &m {
            let off = (get(&found, *comparison, *level) - value).abs();
            assert!(off < 0.015, "{comparison:?} {level:?}: off by {off}");
        }
        let pairs = total(&matched, Comparison::Sex);
        assert!((pairs - 20_000.0).abs() < 600.0, "{pairs}");
    }

    #[test]
    fn a_guess_adds_up() {
        for comparison in Comparison::ALL {
            assert!((total(&guess(), comparison) - 1.0).abs() < 1e-12);
        }
    }
}
