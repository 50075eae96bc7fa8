//! ISO 8601 dates, durations and repetitions, as timers use them.

use chrono::{
    DateTime, Days, Duration, FixedOffset, Months, NaiveDate, NaiveDateTime, TimeZone, Utc,
};

/// A duration of calendar and clock parts, kept apart because a month has no fixed length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub months: u32,
    pub days: u64,
    pub seconds: i64,
}

/// `R3/PT1H`, `R/2026-01-01T00:00:00Z/P1D`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// `None` repeats without end.
    pub times: Option<u32>,
    pub start: Option<DateTime<Utc>>,
    pub span: Span,
}

/// Whether the text is meant as ISO 8601 rather than as an expression.
pub fn is_literal(text: &str) -> bool {
    span(text).is_some() || date(text).is_some() || cycle(text).is_some()
}

/// `P1Y2M3DT4H5M6S`, `P2W`.
pub fn span(text: &str) -> Option<Span> {
    let rest = text.trim().strip_prefix('P')?;
    let (date, time) = rest.split_once('T').unwrap_or((rest, ""));
    if (date.is_empty() && time.is_empty()) || rest.ends_with('T') {
        return None;
    }
    let mut span = Span::default();
    for (amount, unit) in parts(date)? {
        let amount: u32 = amount.parse().ok()?;
        match unit {
            'Y' => span.months = span.months.checked_add(amount.checked_mul(12)?)?,
            'M' => span.months = span.months.checked_add(amount)?,
            'W' => span.days = span.days.checked_add(u64::from(amount) * 7)?,
            'D' => span.days = span.days.checked_add(u64::from(amount))?,
            _ => return None,
        }
    }
    for (amount, unit) in parts(time)? {
        let whole: i64 = amount.split(['.', ',']).next()?.parse().ok()?;
        let seconds = match unit {
            'H' => whole.checked_mul(3600)?,
            'M' => whole.checked_mul(60)?,
            'S' => whole,
            _ => return None,
        };
        span.seconds = span.seconds.checked_add(seconds)?;
    }
    Some(span)
}

fn parts(text: &str) -> Option<Vec<(&str, char)>> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let unit = rest.get(at..)?.chars().next()?;
        found.push((rest.get(..at)?, unit));
        rest = rest.get(at + 1..)?;
    }
    Some(found)
}

/// A moment; without an offset it is China's time, as everywhere in this product.
pub fn date(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.with_timezone(&Utc));
    }
    let china = FixedOffset::east_opt(8 * 3600)?;
    let local = [
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
    ]
    .iter()
    .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
    .or_else(|| {
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()?
            .and_hms_opt(0, 0, 0)
    })?;
    china
        .from_local_datetime(&local)
        .single()
        .map(|moment| moment.with_timezone(&Utc))
}

pub fn cycle(text: &str) -> Option<Cycle> {
    let rest = text.trim().strip_prefix('R')?;
    let mut pieces = rest.split('/');
    let times = match pieces.next()? {
        "" => None,
        number => Some(number.parse().ok()?),
    };
    let rest: Vec<_> = pieces.collect();
    match rest.as_slice() {
        [one] => Some(Cycle {
            times,
            start: None,
            span: span(one)?,
        }),
        [first, second] => match (date(first), span(second)) {
            (Some(start), Some(span)) => Some(Cycle {
                times,
                start: Some(start),
                span,
            }),
            _ => Some(Cycle {
                times,
                start: None,
                span: span(first)?,
            }),
        },
        _ => None,
    }
}

impl Span {
    pub fn after(self, from: DateTime<Utc>) -> DateTime<Utc> {
        let moved = from
            .checked_add_months(Months::new(self.months))
            .and_then(|at| at.checked_add_days(Days::new(self.days)))
            .and_then(|at| at.checked_add_signed(Duration::try_seconds(self.seconds)?));
        moved.unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Half a second at least would pass; guards against a cycle that never moves.
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn spans_follow_the_calendar() {
        let from = at("2026-01-31T08:00:00Z");
        assert_eq!(span("P1M").unwrap().after(from), at("2026-02-28T08:00:00Z"));
        assert_eq!(
            span("P1Y2M3DT4H5M6S").unwrap().after(from),
            at("2027-04-03T12:05:06Z")
        );
        assert_eq!(span("P2W").unwrap().days, 14);
        assert_eq!(span("PT0.5S").unwrap().seconds, 0);
        for wrong in [
            "",
            "P",
            "PT",
            "P1",
            "1D",
            "P1X",
            "PT1D",
            "P99999999999Y",
            "PT99999999999999999999S",
        ] {
            assert_eq!(span(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn dates_without_offset_are_chinas() {
        assert_eq!(date("2026-10-01"), Some(at("2026-09-30T16:00:00Z")));
        assert_eq!(
            date("2026-10-01T09:00:00"),
            Some(at("2026-10-01T01:00:00Z"))
        );
        assert_eq!(
            date("2026-10-01T09:00:00+08:00"),
            Some(at("2026-10-01T01:00:00Z"))
        );
        assert_eq!(date("2026-13-01"), None);
    }

    #[test]
    fn cycles_have_times_and_a_start() {
        assert_eq!(cycle("R3/PT1H").unwrap().times, Some(3));
        assert_eq!(cycle("R/P1D").unwrap().times, None);
        assert_eq!(
            cycle("R2/2026-01-01T00:00:00Z/P1D").unwrap().start,
            Some(at("2026-01-01T00:00:00Z"))
        );
        assert_eq!(cycle("0 0 9-17 * * MON-FRI"), None);
    }
}
