//! How often a grant may be used: so many calls a day, so many a second.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use chrono::{DateTime, Duration, NaiveDate, Utc};

/// Uses of one grant.
#[derive(Debug)]
struct Use {
    day: NaiveDate,
    /// On that day.
    calls: u64,
    /// Calls that may be made at once.
    tokens: f64,
    filled: Instant,
}

/// Why a call has to wait, and for how many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    Quota(u64),
    Rate(u64),
}

/// Uses of all grants, in memory; what was used before the start is told by [`Limits::begin`].
#[derive(Debug, Default)]
pub struct Limits(Mutex<HashMap<String, Use>>);

impl Limits {
    /// Whether uses of that grant on that day are known.
    pub fn knows(&self, grant: &str, day: NaiveDate) -> bool {
        self.all().get(grant).is_some_and(|own| own.day == day)
    }

    /// Says how often a grant was used on a day; what is known already stays.
    pub fn begin(&self, grant: &str, day: NaiveDate, calls: u64, rate: u32) {
        let mut all = self.all();
        let fresh = Use {
            day,
            calls,
            tokens: f64::from(rate.max(1)),
            filled: Instant::now(),
        };
        match all.get_mut(grant) {
            Some(own) if own.day == day => {}
            Some(own) => {
                own.day = day;
                own.calls = calls;
            }
            None => drop(all.insert(grant.to_owned(), fresh)),
        }
    }

    /// Takes one call. 0 is no limit.
    pub fn take(&self, grant: &str, quota: u64, rate: u32, now: DateTime<Utc>) -> Result<(), Over> {
        let mut all = self.all();
        let Some(own) = all.get_mut(grant) else {
            return Ok(());
        };
        if quota > 0 && own.calls >= quota {
            return Err(Over::Quota(until_tomorrow(now)));
        }
        if rate > 0 {
            let rate = f64::from(rate);
            let moment = Instant::now();
            let since = moment.duration_since(own.filled).as_secs_f64();
            own.tokens = (own.tokens + since * rate).min(rate);
            own.filled = moment;
            if own.tokens < 1.0 {
                return Err(Over::Rate(1));
            }
            own.tokens -= 1.0;
        }
        own.calls += 1;
        Ok(())
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<String, Use>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seconds until the next day begins in China.
fn until_tomorrow(now: DateTime<Utc>) -> u64 {
    const DAY: i64 = 86_400;
    let local = (now + Duration::hours(8)).timestamp();
    (DAY - local.rem_euclid(DAY)).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_ends_with_the_day_and_a_rate_with_the_second() {
        let limits = Limits::default();
        let now: DateTime<Utc> = "2026-03-02T15:59:00Z".parse().unwrap();
        let day = kernel::clock::local_date(now);
        limits.begin("g", day, 3, 2);
        assert!(limits.knows("g", day));
        assert_eq!(limits.take("g", 5, 2, now), Ok(()));
        assert_eq!(limits.take("g", 5, 2, now), Ok(()));
        // The quota is told before the rate: waiting a second would not help.
        assert_eq!(limits.take("g", 5, 2, now), Err(Over::Quota(60)));
        assert_eq!(limits.take("g", 0, 2, now), Err(Over::Rate(1)));
        let tomorrow = day.succ_opt().unwrap();
        assert!(!limits.knows("g", tomorrow));
        limits.begin("g", tomorrow, 0, 2);
        assert_eq!(limits.take("g", 1, 0, now), Ok(()));
    }
}
