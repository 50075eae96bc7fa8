//! The light of a deadline (service standards §2.8).

use serde::{Deserialize, Serialize};

use crate::Settings;

/// How a deadline stands.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = SupervisionLight)]
pub enum Light {
    /// No limit runs: not yet accepted, or done.
    #[default]
    Off,
    Green,
    Yellow,
    Red,
}

impl Light {
    pub const SHOWN: [Self; 3] = [Self::Green, Self::Yellow, Self::Red];

    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
        }
    }

    pub fn named(name: &str) -> Self {
        match name {
            "green" => Self::Green,
            "yellow" => Self::Yellow,
            "red" => Self::Red,
            _ => Self::Off,
        }
    }
}

/// Days left at which the light turns yellow: a share of the limit, rounded up, at least
/// `warn_days`.
pub fn warn_at(limit_days: u32, settings: &Settings) -> i64 {
    let share = (u64::from(limit_days) * u64::from(settings.warn_percent)).div_ceil(100);
    i64::try_from(share)
        .unwrap_or(i64::MAX)
        .max(i64::from(settings.warn_days))
}

/// The light for the days left; negative days are days over.
pub fn light(remaining_days: i64, limit_days: u32, settings: &Settings) -> Light {
    if remaining_days < 0 {
        Light::Red
    } else if remaining_days <= warn_at(limit_days, settings) {
        Light::Yellow
    } else {
        Light::Green
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_ten_days_warns_with_two_left() {
        let settings = Settings::default();
        let lights: Vec<_> = [10, 3, 2, 0, -1]
            .iter()
            .map(|d| light(*d, 10, &settings))
            .collect();
        assert_eq!(
            lights,
            [
                Light::Green,
                Light::Green,
                Light::Yellow,
                Light::Yellow,
                Light::Red
            ]
        );
    }

    #[test]
    fn a_short_limit_warns_with_one_day_left() {
        assert_eq!(warn_at(3, &Settings::default()), 1);
        assert_eq!(light(1, 3, &Settings::default()), Light::Yellow);
    }

    #[test]
    fn the_share_is_rounded_up() {
        assert_eq!(warn_at(11, &Settings::default()), 3);
    }
}
