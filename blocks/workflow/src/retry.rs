//! How often something is tried and how long it rests in between: `3`, or as other engines write
//! it, `R3/PT10M` or one pause after the other, `PT10M,PT1H`.

use chrono::{DateTime, Duration, Utc};

use crate::core::timer;

/// Tries when the model does not say.
const USUAL: u32 = 3;
const FIRST_PAUSE: Duration = Duration::minutes(1);
const MOST: u32 = 1_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retries {
    pub times: u32,
    /// Between tries, the last of them again and again; rising from a minute when the model does
    /// not say.
    pauses: Vec<timer::Span>,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            times: USUAL,
            pauses: Vec::new(),
        }
    }
}

impl Retries {
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no number of tries such as `3` or `R3/PT10M`");
        let spans = |text: &str| {
            let spans = text.split(',').map(|span| timer::span(span.trim()));
            spans.collect::<Option<Vec<_>>>().ok_or_else(wrong)
        };
        let text = text.trim();
        let (times, pauses) = match text.split_once('/') {
            Some((times, pause)) => {
                let times = times.strip_prefix('R').ok_or_else(wrong)?;
                let pause = timer::span(pause).ok_or_else(wrong)?;
                (times.parse().ok(), vec![pause])
            }
            None if text.starts_with('P') => {
                let pauses = spans(text)?;
                // The first try comes before the first pause.
                (u32::try_from(pauses.len() + 1).ok(), pauses)
            }
            None => (text.parse().ok(), Vec::new()),
        };
        let times = times.filter(|times| (1..=MOST).contains(times));
        Ok(Self {
            times: times.ok_or_else(wrong)?,
            pauses,
        })
    }

    /// When to try again after that many tries failed; `None` when it was the last.
    pub fn next(&self, failed: u32, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if failed >= self.times {
            return None;
        }
        let nth = failed.saturating_sub(1);
        let given = usize::try_from(nth)
            .ok()
            .and_then(|nth| self.pauses.get(nth));
        let rising = FIRST_PAUSE * (1 << nth.min(10));
        let pause = given.or(self.pauses.last());
        Some(pause.map_or(now + rising, |pause| pause.after(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_is_read() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let ours = Retries::parse("2").unwrap();
        assert_eq!(ours.next(1, now), Some(now + Duration::minutes(1)));
        assert_eq!(ours.next(2, now), None);
        let theirs = Retries::parse("R3/PT10M").unwrap();
        assert_eq!(theirs.next(2, now), Some(now + Duration::minutes(10)));
        let list = Retries::parse("PT10M, PT1H").unwrap();
        let after = |minutes| Some(now + Duration::minutes(minutes));
        assert_eq!(
            [1, 2, 3].map(|failed| list.next(failed, now)),
            [after(10), after(60), None]
        );
        let once = Retries::parse("PT5M").unwrap();
        assert_eq!(
            [1, 2].map(|failed| once.next(failed, now)),
            [after(5), None]
        );
        for wrong in [
            "",
            "0",
            "R",
            "R3/",
            "3/PT1M",
            "R3/soon",
            "R3/PT1M,PT2M",
            "PT10M,",
            "PT10M,soon",
            "-1",
            "99999999999",
        ] {
            assert!(Retries::parse(wrong).is_err(), "{wrong}");
        }
    }
}
