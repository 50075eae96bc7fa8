//! When data is late: by the cycle that its provider promised.

use chrono::{DateTime, Days, Months, TimeDelta, Utc};

/// An ISO 8601 duration of one unit: `PT5M`, `PT1H`, `P1D`, `P3M`, `P1Y`.
pub fn is_interval(text: &str) -> bool {
    after(DateTime::UNIX_EPOCH, text).is_some()
}

/// The moment at which data of that moment is late; none where there is no fixed cycle.
pub fn after(at: DateTime<Utc>, interval: &str) -> Option<DateTime<Utc>> {
    let is_time = interval.starts_with("PT");
    let body = interval
        .strip_prefix("PT")
        .or_else(|| interval.strip_prefix('P'))?;
    let unit = body.chars().last()?;
    let number: u32 = body.strip_suffix(unit)?.parse().ok()?;
    match (is_time, unit) {
        (true, 'M') => at.checked_add_signed(TimeDelta::minutes(number.into())),
        (true, 'H') => at.checked_add_signed(TimeDelta::hours(number.into())),
        (false, 'D') => at.checked_add_days(Days::new(number.into())),
        (false, 'W') => at.checked_add_days(Days::new(u64::from(number) * 7)),
        (false, 'M') => at.checked_add_months(Months::new(number)),
        (false, 'Y') => at.checked_add_months(Months::new(number.checked_mul(12)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_end_when_they_should() {
        let at: DateTime<Utc> = "2026-01-31T08:00:00Z".parse().unwrap();
        let late = |interval: &str| after(at, interval).map(|at| at.to_rfc3339());
        assert_eq!(late("PT5M").unwrap(), "2026-01-31T08:05:00+00:00");
        assert_eq!(late("P1M").unwrap(), "2026-02-28T08:00:00+00:00");
        assert_eq!(late("P1Y").unwrap(), "2027-01-31T08:00:00+00:00");
        for wrong in ["", "P", "1D", "P1X", "PT1Y", "P-1D", "P1D2"] {
            assert_eq!(late(wrong), None, "{wrong}");
        }
    }
}
