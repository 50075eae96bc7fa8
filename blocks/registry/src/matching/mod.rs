//! Which records are about the same person or body: compared by weights that were learnt from the
//! records themselves, linked above a threshold where policy allows it, shown to a person below it,
//! merged by the ordinary merge and undone by the ordinary unmerge.

pub mod act;
pub(crate) mod react;
pub(crate) mod read;
pub(crate) mod store;

use serde::{Deserialize, Serialize};

pub use linkage::{Comparison, Explanation, Level, Model, Part, probability};

/// How far a comparison is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MatchRunState)]
pub enum RunState {
    Waiting,
    Running,
    Done,
    Failed,
}

impl RunState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    pub(crate) fn of_name(name: &str) -> Self {
        match name {
            "running" => Self::Running,
            "done" => Self::Done,
            "failed" => Self::Failed,
            _ => Self::Waiting,
        }
    }

    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

/// What is held of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PairState)]
pub enum PairState {
    /// Somebody must look at it.
    Open,
    /// Somebody looked at it and put it off.
    Later,
    /// The weight said that the two are one.
    Linked,
    /// A person said so.
    Same,
    Different,
}

impl PairState {
    pub const ALL: [Self; 5] = [
        Self::Open,
        Self::Later,
        Self::Linked,
        Self::Same,
        Self::Different,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Later => "later",
            Self::Linked => "linked",
            Self::Same => "same",
            Self::Different => "different",
        }
    }

    pub(crate) fn of_name(name: &str) -> Self {
        let known = Self::ALL.into_iter().find(|state| state.name() == name);
        known.unwrap_or(Self::Open)
    }

    /// Whether a later comparison may change it: what was decided stays.
    pub(crate) fn is_undecided(self) -> bool {
        matches!(self, Self::Open | Self::Later)
    }
}

/// What a person says of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PairVerdict)]
pub enum Verdict {
    /// They are one; the left record stays.
    KeepLeft,
    /// They are one; the right record stays.
    KeepRight,
    /// They are two; a merge that was made of the pair is undone.
    Different,
    Later,
}

/// From which probability on pairs are linked, and looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    pub link_from: f64,
    pub review_from: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            link_from: 0.99,
            review_from: 0.2,
        }
    }
}

/// Probabilities that a threshold can be: below, nearly every pair that was looked at would be kept.
const THRESHOLDS: std::ops::RangeInclusive<f64> = 0.01..=0.999_999;

/// The weight of a threshold, in thousandths of a bit; `None` where it cannot be one.
pub(crate) fn weight_of(probability: f64) -> Option<i64> {
    let is_fit = THRESHOLDS.contains(&probability);
    is_fit.then(|| thousandths((probability / (1.0 - probability)).log2()))
}

/// A weight as it is kept: databases compare whole numbers alike.
#[expect(
    clippy::cast_possible_truncation,
    reason = "weights are below a thousand bits, and clamped"
)]
pub(crate) fn thousandths(weight: f64) -> i64 {
    (weight * 1000.0).round().clamp(-1e9, 1e9) as i64
}

/// A kept weight in bits.
pub fn bits(thousandths: i64) -> f64 {
    let kept = i32::try_from(thousandths.clamp(-1_000_000_000, 1_000_000_000));
    f64::from(kept.unwrap_or_default()) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_kept_as_weights() {
        assert_eq!(weight_of(0.5), Some(0));
        assert_eq!(weight_of(0.8), Some(2000));
        assert_eq!(weight_of(0.001), None);
        assert_eq!(weight_of(1.0), None);
        assert_eq!(weight_of(f64::NAN), None);
        assert!((probability(bits(2000)) - 0.8).abs() < 1e-9);
    }

    #[test]
    fn what_was_decided_is_not_changed_by_a_later_comparison() {
        let undecided = PairState::ALL.into_iter().filter(|s| s.is_undecided());
        assert_eq!(
            undecided.collect::<Vec<_>>(),
            [PairState::Open, PairState::Later]
        );
    }
}
