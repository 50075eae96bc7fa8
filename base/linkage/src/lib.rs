//! Which records are about the same person or body: probabilistic record linkage after Fellegi and
//! Sunter.
//!
//! Owns no table, file or word. Promises: the same records, options and seed give the same pairs
//! and weights, whatever the number of threads; every weight is the sum of parts that can be shown;
//! memory grows with the records and the pairs kept, never with the pairs compared. Never knows
//! where records come from, or what is done with a pair.
//!
//! The order of a run: [`Records`] are read and brought to comparable form; [`train`] learns how
//! often each level of agreement occurs among matches (m, by expectation maximisation) and among
//! others (u, by counting); [`score`] weighs all candidate pairs that [`Rule`]s bring together;
//! [`clusters`] joins what is linked.

mod block;
mod cluster;
mod compare;
mod model;
mod number;
mod record;
mod score;
mod train;

pub use block::Rule;
pub use cluster::clusters;
pub use compare::{Comparison, Level, Pattern};
pub use model::{Explanation, Model, Part, Trained, probability};
pub use record::{Input, Records};
pub use score::{Pair, Scored, explain, score};
pub use train::{Histogram, estimate, train};

/// How a run is made.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub threads: usize,
    /// Of the random pairs by which chance agreement is measured.
    pub seed: u64,
    /// Pairs below this weight (log2 of the odds) are not kept.
    pub least_weight: f64,
    /// Only pairs of records of different sides: two lists that are each free of duplicates.
    pub is_between_sides: bool,
    /// Records that one blocking key may bring together; a key with more says nothing about
    /// persons, and its pairs would be too many.
    pub largest_block: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: 2,
            seed: 1,
            least_weight: -5.0,
            is_between_sides: false,
            largest_block: 1_000,
        }
    }
}

/// Told now and then how many records were looked at of how many in all; each rule looks at all.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);
