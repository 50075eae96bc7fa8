//! What is local: no national threshold exists, so every number here is a setting.

use serde::{Deserialize, Serialize};

/// Thresholds of lights and rules (service standards §2.8, §2.9: project defaults).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// A light turns yellow when this share of the limit is left, in per cent.
    pub warn_percent: u32,
    /// … but never later than with this many working days left.
    pub warn_days: u32,
    /// Working days over the promise after which a yellow card becomes red.
    pub yellow_days: u32,
    /// Working days for looking through an application before receipt (T01).
    pub pre_review_days: u32,
    /// Working days in which a card must be replied to.
    pub reply_days: u32,
    /// Closings by one person within a minute beyond which F03 asks why.
    pub closings_a_minute: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            warn_percent: 20,
            warn_days: 1,
            yellow_days: 3,
            pre_review_days: 1,
            reply_days: 5,
            closings_a_minute: 20,
        }
    }
}

impl Settings {
    /// Every value that makes no sense, as `key: what to write`.
    pub fn problems(&self) -> Vec<String> {
        let ranges = [
            ("warn_percent", self.warn_percent, 1, 99),
            ("warn_days", self.warn_days, 0, 30),
            ("yellow_days", self.yellow_days, 0, 60),
            ("pre_review_days", self.pre_review_days, 1, 30),
            ("reply_days", self.reply_days, 1, 60),
            ("closings_a_minute", self.closings_a_minute, 1, 10_000),
        ];
        let wrong = ranges
            .into_iter()
            .filter(|(_, value, least, most)| !(least..=most).contains(&value));
        wrong
            .map(|(key, value, least, most)| format!("{key}: {value} is not in {least} to {most}"))
            .collect()
    }
}
