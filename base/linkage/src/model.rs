//! What a run has learnt, and what a pattern weighs by it.

use serde::{Deserialize, Serialize};

use crate::{Comparison, Level, Pattern};

/// How often a level occurs among matches and among others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trained {
    pub comparison: Comparison,
    pub level: Level,
    /// Among pairs of the same person.
    pub m: f64,
    /// Among pairs of two persons.
    pub u: f64,
    /// log2(m / u), held below the weight of better agreement.
    pub weight: f64,
}

/// What a run has learnt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Probability that two records picked at random are of the same person.
    pub prior: f64,
    /// Records that have a name; a telephone or address.
    pub named: u64,
    pub reachable: u64,
    pub levels: Vec<Trained>,
}

/// One part of a weight.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    pub comparison: Comparison,
    pub level: Level,
    /// log2 of how much likelier this agreement is for the same person.
    pub weight: f64,
    /// More for a rare value, less for a common one.
    pub rarity: f64,
}

/// Where a pair's weight comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// log2 of the odds before anything is compared.
    pub prior: f64,
    pub parts: Vec<Part>,
    /// The sum of all.
    pub weight: f64,
    /// Both have the same right number, and nothing else contradicts it.
    pub is_key: bool,
}

impl Explanation {
    pub fn probability(&self) -> f64 {
        probability(self.weight)
    }
}

/// The probability of a weight.
pub fn probability(weight: f64) -> f64 {
    1.0 / (1.0 + (-weight).exp2())
}

/// No level is so rare that more than this many bits could be learnt from it.
const SMALLEST: f64 = 1e-10;

impl Model {
    /// A model of these frequencies; levels of each comparison best first.
    pub fn new(prior: f64, named: u64, reachable: u64, levels: Vec<Trained>) -> Self {
        let mut model = Self {
            prior,
            named,
            reachable,
            levels,
        };
        model.weigh();
        model
    }

    fn weigh(&mut self) {
        let mut above: Option<(Comparison, Level, f64)> = None;
        for trained in &mut self.levels {
            let weight = (trained.m.max(SMALLEST) / trained.u.max(SMALLEST)).log2();
            // Worse agreement must not count for more; only whether the telephone or the address
            // is the better one is for the data to say.
            trained.weight = match above {
                Some((comparison, level, best))
                    if comparison == trained.comparison
                        && (level, trained.level) != (Level::Phone, Level::Place) =>
                {
                    weight.min(best)
                }
                _ => weight,
            };
            above = Some((trained.comparison, trained.level, trained.weight));
        }
    }

    pub fn trained(&self, comparison: Comparison, level: Level) -> Option<&Trained> {
        let mut levels = self.levels.iter();
        levels.find(|t| t.comparison == comparison && t.level == level)
    }

    /// log2 of the odds before anything is compared.
    pub fn prior_weight(&self) -> f64 {
        (self.prior / (1.0 - self.prior)).log2()
    }

    pub(crate) fn weight_of(&self, comparison: Comparison, level: Level) -> f64 {
        self.trained(comparison, level).map_or(0.0, |t| t.weight)
    }

    /// The weight of a pattern, rarity of values aside.
    pub fn weight(&self, pattern: Pattern) -> f64 {
        let parts = Comparison::ALL.iter();
        let parts = parts.map(|c| self.weight_of(*c, pattern.level(*c)));
        self.prior_weight() + parts.sum::<f64>()
    }

    /// What a value that `count` records have adds to the weight of agreeing on it.
    pub(crate) fn rarity(&self, comparison: Comparison, level: Level, count: u32) -> f64 {
        let Some(trained) = self.trained(comparison, level) else {
            return 0.0;
        };
        let others = f64::from(count.saturating_sub(1).max(1));
        let of = match comparison {
            Comparison::Name => self.named,
            _ => self.reachable,
        };
        let chance = others / crate::number::real(of.max(1));
        let rarity = (trained.u.max(SMALLEST) / chance).log2();
        match comparison {
            Comparison::Name => rarity,
            // A telephone of hundreds is an office's; one of two is no better than one of three.
            _ => rarity.min(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trained(level: Level, m: f64, u: f64) -> Trained {
        Trained {
            comparison: Comparison::Name,
            level,
            m,
            u,
            weight: 0.0,
        }
    }

    #[test]
    fn worse_agreement_never_weighs_more() {
        let levels = vec![
            trained(Level::Same, 0.8, 0.01),
            trained(Level::Sound, 0.1, 0.000_1),
            trained(Level::Near, 0.05, 0.01),
            trained(Level::Different, 0.05, 0.98),
        ];
        let model = Model::new(1e-6, 10, 10, levels);
        let weights: Vec<f64> = model.levels.iter().map(|t| t.weight).collect();
        assert!(weights.windows(2).all(|w| w[0] >= w[1]), "{weights:?}");
        assert!((weights[0] - 80_f64.log2()).abs() < 1e-9);
    }

    #[test]
    fn probabilities_follow_weights() {
        assert!((probability(0.0) - 0.5).abs() < 1e-12);
        assert!(probability(20.0) > 0.999_999);
        assert!(probability(-2000.0) >= 0.0 && probability(2000.0) <= 1.0);
    }
}
