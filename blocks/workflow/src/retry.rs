//! How often something is tried and how long it rests in between: `3`, or `R3/PT10M` as other
//! engines write it.

use chrono::{DateTime, Duration, Utc};

use crate::core::timer;

/// Tries when the model does not say.
const USUAL: u32 = 3;
const FIRST_PAUSE: Duration = Duration::minutes(1);
const MOST: u32 = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retries {
    pub times: u32,
    /// Between tries; rising from a minute when the model does not say.
    pause: Option<timer::Span>,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            times: USUAL,
            pause: None,
        }
    }
}

impl Retries {
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no number of tries such as `3` or `R3/PT10M`");
        let text = text.trim();
        let (times, pause) = match text.split_once('/') {
            None => (text, None),
            Some((times, pause)) => (
                times.strip_prefix('R').ok_or_else(wrong)?,
                Some(timer::span(pause).ok_or_else(wrong)?),
            ),
        };
        let times = times
            .parse()
            .ok()
            .filter(|times| (1..=MOST).contains(times));
        Ok(Self {
            times: times.ok_or_else(wrong)?,
            pause,
        })
    }

    /// When to try again after that many tries failed; `None` when it was the last.
    pub fn next(self, failed: u32, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if failed >= self.times {
            return None;
        }
        let rising = FIRST_PAUSE * (1 << failed.saturating_sub(1).min(10));
        Some(self.pause.map_or(now + rising, |pause| pause.after(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_are_read() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let ours = Retries::parse("2").unwrap();
        assert_eq!(ours.next(1, now), Some(now + Duration::minutes(1)));
        assert_eq!(ours.next(2, now), None);
        let theirs = Retries::parse("R3/PT10M").unwrap();
        assert_eq!(theirs.next(2, now), Some(now + Duration::minutes(10)));
        for wrong in [
            "",
            "0",
            "R",
            "R3/",
            "3/PT1M",
            "R3/soon",
            "-1",
            "99999999999",
        ] {
            assert!(Retries::parse(wrong).is_err(), "{wrong}");
        }
    }
}
