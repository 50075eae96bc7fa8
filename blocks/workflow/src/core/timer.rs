//! ISO 8601 dates, durations and repetitions, and cron, as timers use them.

use chrono::{
    DateTime, Days, Duration, FixedOffset, Months, NaiveDate, NaiveDateTime, SecondsFormat,
    TimeZone, Utc,
};
use croner::{
    Cron,
    parser::{CronParser, Seconds},
};

/// A duration of calendar and clock parts, kept apart because a month has no fixed length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub months: u32,
    pub days: u64,
    pub seconds: i64,
}

/// `R3/PT1H`, `R/2026-01-01T00:00:00Z/P1D`, `R2/P1D/2026-01-01`, `R/2026-01-01/2026-01-08`,
/// `0 0 9 ? * MON-FRI`.
#[derive(Clone, Debug, PartialEq)]
pub struct Cycle {
    /// `None` repeats without end.
    pub times: Option<u32>,
    pub start: Option<DateTime<Utc>>,
    /// No stroke comes after it.
    pub end: Option<DateTime<Utc>>,
    pub every: Every,
}

/// What lies between two firings of a cycle.
#[derive(Clone, Debug, PartialEq)]
pub enum Every {
    Span(Span),
    /// As other engines write it, Quartz: seconds first, Sunday is day 1, a year may follow.
    Cron(Box<Cron>),
}

const DAY: i64 = 24 * 3600;

/// Whether the text is meant as ISO 8601 rather than as an expression.
pub fn is_literal(text: &str) -> bool {
    span(text).is_some() || date(text).is_some() || cycle(text).is_some()
}

/// `P1Y2M3DT4H5M6S`, `P2W`, `P0.5D`.
pub fn span(text: &str) -> Option<Span> {
    let rest = text.trim().strip_prefix('P')?;
    let (date, time) = rest.split_once('T').unwrap_or((rest, ""));
    if (date.is_empty() && time.is_empty()) || rest.ends_with('T') {
        return None;
    }
    let mut span = Span::default();
    for (amount, unit) in parts(date)? {
        // A part of a day is a time; one of a month or a year is nobody's to know.
        let part = match unit {
            'W' if amount.contains(['.', ',']) => Some(7 * DAY),
            'D' if amount.contains(['.', ',']) => Some(DAY),
            _ => None,
        };
        if let Some(unit) = part {
            span.seconds = span.seconds.checked_add(seconds(amount, unit)?)?;
            continue;
        }
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
        let unit = match unit {
            'H' => 3600,
            'M' => 60,
            'S' => 1,
            _ => return None,
        };
        span.seconds = span.seconds.checked_add(seconds(amount, unit)?)?;
    }
    Some(span)
}

/// `1.5` or `1,5` of a unit, in whole seconds.
fn seconds(amount: &str, unit: i64) -> Option<i64> {
    let (whole, part) = amount.split_once(['.', ',']).unwrap_or((amount, "0"));
    let part = part.get(..part.len().min(9))?;
    let places = u32::try_from(part.len())
        .ok()
        .filter(|places| *places > 0)?;
    if !part.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let part = part.parse::<i64>().ok()?.checked_mul(unit)? / 10_i64.pow(places);
    whole
        .parse::<i64>()
        .ok()?
        .checked_mul(unit)?
        .checked_add(part)
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

/// A moment, in the extended or the basic form of ISO 8601, by the day of the month or of the week;
/// without an offset it is China's time, as everywhere in this product.
pub fn date(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let text = extended(text).unwrap_or_else(|| text.to_owned());
    let text = text.as_str();
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.with_timezone(&Utc));
    }
    // ISO 8601's basic offset, as `+0800` or `+08`, which RFC 3339 left out.
    let offset = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z"];
    let moment = offset
        .iter()
        .find_map(|format| DateTime::parse_from_str(text, format).ok());
    if let Some(moment) = moment {
        return Some(moment.with_timezone(&Utc));
    }
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
    china()?
        .from_local_datetime(&local)
        .single()
        .map(|moment| moment.with_timezone(&Utc))
}

/// The extended form: `20261126T101500Z` as `2026-11-26T10:15:00Z`, `2026-W48-4` as its day.
fn extended(text: &str) -> Option<String> {
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, Some(time)),
        None => (text, None),
    };
    // What chrono reads it reads loosely: only the digits tell the forms apart.
    let shape: String = day
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let (format, is_basic) = match shape.as_str() {
        "0000-00-00" => ("%Y-%m-%d", false),
        "00000000" => ("%Y%m%d", true),
        "0000-W00-0" => ("%G-W%V-%u", false),
        "0000W000" => ("%GW%V%u", true),
        _ => return None,
    };
    let day = NaiveDate::parse_from_str(day, format).ok()?;
    let Some(time) = time else {
        return Some(day.to_string());
    };
    let end = time
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(time.len());
    let (digits, rest) = time.split_at(end);
    let rest = rest.replacen(',', ".", 1);
    match digits.len() {
        2 if !is_basic => Some(format!("{day}T{digits}{rest}")),
        4 | 6 if is_basic => {
            let pairs: Vec<&str> = (0..digits.len())
                .step_by(2)
                .filter_map(|at| digits.get(at..at + 2))
                .collect();
            Some(format!("{day}T{}{rest}", pairs.join(":")))
        }
        _ => None,
    }
}

/// A moment as text, in China's time.
pub(crate) fn in_china(at: DateTime<Utc>) -> String {
    let text = |at: DateTime<FixedOffset>| at.to_rfc3339_opts(SecondsFormat::Secs, false);
    china().map_or_else(|| at.to_rfc3339(), |china| text(at.with_timezone(&china)))
}

fn china() -> Option<FixedOffset> {
    FixedOffset::east_opt(8 * 3600)
}

/// A repetition of ISO 8601 or a cron line. One that would never move on is none.
pub fn cycle(text: &str) -> Option<Cycle> {
    let cycle = match text.trim().strip_prefix('R') {
        Some(rest) => repetition(rest)?,
        None => Cycle {
            times: None,
            start: None,
            end: None,
            every: every(text)?,
        },
    };
    (cycle.every != Every::Span(Span::default())).then_some(cycle)
}

/// A span or a cron line.
pub fn every(text: &str) -> Option<Every> {
    if let Some(span) = span(text) {
        return Some(Every::Span(span));
    }
    let parser = CronParser::builder()
        .seconds(Seconds::Required)
        .alternative_weekdays(true)
        .sloppy_ranges(true)
        .build();
    // `@daily` and its like are no Quartz.
    let text = Some(text.trim()).filter(|text| !text.contains('@'))?;
    Some(Every::Cron(Box::new(parser.parse(text).ok()?)))
}

fn repetition(rest: &str) -> Option<Cycle> {
    let mut pieces = rest.split('/');
    let times = match pieces.next()? {
        "" => None,
        number => Some(number.parse().ok()?),
    };
    let rest: Vec<_> = pieces.collect();
    let (start, every, end) = match rest.as_slice() {
        [one] => (None, span(one)?, None),
        [first, second] => match (date(first), date(second)) {
            (Some(start), Some(end)) => (Some(start), between(start, end)?, None),
            (Some(start), None) => (Some(start), span(second)?, None),
            (None, end) => (None, span(first)?, Some(end?)),
        },
        _ => return None,
    };
    Some(Cycle {
        times,
        start,
        end,
        every: Every::Span(every),
    })
}

/// The time from one moment to a later one, as the interval between them is written.
fn between(start: DateTime<Utc>, end: DateTime<Utc>) -> Option<Span> {
    let seconds = (end - start).num_seconds();
    (seconds > 0).then_some(Span {
        seconds,
        ..Span::default()
    })
}

/// What [`Cycle::strokes`] gave.
pub fn strokes(text: &str) -> Option<(Every, Option<DateTime<Utc>>)> {
    // A cron line may hold a stroke itself, as `0/15`.
    match text.split_once('/') {
        Some((every, end)) if span(every).is_some() => {
            Some((Every::Span(span(every)?), Some(date(end)?)))
        }
        _ => Some((every(text)?, None)),
    }
}

impl Cycle {
    /// The strokes after the first as text, for [`strokes`]; `text` is that of the cycle.
    pub fn strokes(&self, text: &str) -> Option<String> {
        let written = text.split('/').find(|part| span(part).is_some());
        let every = match (&self.every, written) {
            (Every::Cron(_), _) => text.to_owned(),
            (_, Some(written)) => written.to_owned(),
            (Every::Span(between), None) => format!("PT{}S", between.seconds),
        };
        Some(match self.end {
            Some(end) => format!("{every}/{}", end.to_rfc3339()),
            None => every,
        })
    }

    /// The first stroke for one that begins to count now: its start, or where that is past, the
    /// next of the strokes from there.
    pub fn first(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self.start {
            Some(start) => self.every.not_past(start, now),
            None => self.every.next(now),
        }
    }

    pub fn is_over(&self, at: DateTime<Utc>) -> bool {
        self.end.is_some_and(|end| at > end)
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
}

impl Every {
    /// A stroke, or where it is past, the first that comes after a moment: what nobody heard is made
    /// up for by one. The strokes keep their hour, however late somebody asks.
    pub fn not_past(&self, stroke: DateTime<Utc>, from: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if stroke >= from {
            return Some(stroke);
        }
        let Self::Span(span) = self else {
            return self.next(from);
        };
        if span.months > 0 {
            let mut strokes = std::iter::successors(Some(stroke), |at| Some(span.after(*at)));
            return strokes.find(|at| *at > from);
        }
        let length = i64::try_from(span.days).ok()?.checked_mul(DAY)?;
        let length = length.checked_add(span.seconds).filter(|it| *it > 0)?;
        let late = (from - stroke).num_milliseconds();
        let missed = late / length.checked_mul(1000)? + 1;
        stroke.checked_add_signed(Duration::try_seconds(missed.checked_mul(length)?)?)
    }

    /// The next firing after that moment; none for a cron line that never comes again. Cron counts
    /// in China's time.
    pub fn next(&self, from: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Span(span) => Some(span.after(from)),
            Self::Cron(cron) => {
                let from = from.with_timezone(&china()?);
                let next = cron.find_next_occurrence(&from, false).ok()?;
                Some(next.with_timezone(&Utc))
            }
        }
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
        for (text, seconds) in [
            ("PT0.5S", 0),
            ("PT0.5H", 1_800),
            ("PT1.5H", 5_400),
            ("PT1,25M", 75),
            ("PT1H0.5M", 3_630),
            ("P0.5D", 43_200),
            ("P1,5W", 907_200),
        ] {
            assert_eq!(span(text).unwrap().seconds, seconds, "{text}");
        }
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
            "PT1.H",
            "PT.5H",
            "PT1.-5H",
            "P0.5M",
            "P1.D",
            "-PT5M",
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
        for basic in [
            "2026-10-01T09:00:00+0800",
            "2026-10-01T09:00:00.000+08",
            "2026-10-01T09:00+0800",
        ] {
            assert_eq!(date(basic), Some(at("2026-10-01T01:00:00Z")), "{basic}");
        }
        assert_eq!(date("2026-13-01"), None);
    }

    #[test]
    fn moments_have_a_basic_form_and_weeks() {
        let moment = Some(at("2026-11-26T10:15:00Z"));
        for text in [
            "20261126T101500Z",
            "20261126T1015Z",
            "20261126T181500+0800",
            "20261126T181500+08",
            "20261126T101500.000Z",
            "20261126T101500,0Z",
            "20261126T181500",
            "20261126T1815",
            "2026-11-26T10:15Z",
            "2026-W48-4T10:15:00Z",
            "2026W484T101500Z",
        ] {
            assert_eq!(date(text), moment, "{text}");
        }
        let day = Some(at("2026-11-25T16:00:00Z"));
        for text in ["20261126", "2026-11-26", "2026-W48-4", "2026W484"] {
            assert_eq!(date(text), day, "{text}");
        }
        for wrong in [
            "2026",
            "202611",
            "2026112",
            "20261332",
            "2026-W54-1",
            "2026-W48-8",
            "20261126T10:15:00Z",
            "2026-11-26T101500Z",
            "20261126T101",
            "20261126T",
        ] {
            assert_eq!(date(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn strokes_keep_their_hour() {
        let stroke = at("2026-01-31T09:00:00Z");
        let late = |every: &str, from: &str| every_of(every).not_past(stroke, at(from));
        assert_eq!(late("P1D", "2026-01-30T00:00:00Z"), Some(stroke));
        assert_eq!(
            late("P1D", "2026-02-03T09:00:00Z"),
            Some(at("2026-02-04T09:00:00Z"))
        );
        assert_eq!(
            late("P1D", "2026-02-03T09:00:01Z"),
            Some(at("2026-02-04T09:00:00Z"))
        );
        assert_eq!(
            late("PT1S", "2126-01-31T09:00:00Z"),
            Some(at("2126-01-31T09:00:01Z"))
        );
        assert_eq!(
            late("P1M", "2026-03-01T00:00:00Z"),
            Some(at("2026-03-28T09:00:00Z"))
        );
        let cycle = cycle("R/2026-01-31T09:00:00Z/P1W").unwrap();
        assert_eq!(
            cycle.first(at("2026-02-01T00:00:00Z")),
            Some(at("2026-02-07T09:00:00Z"))
        );
    }

    fn every_of(text: &str) -> Every {
        every(text).unwrap()
    }

    #[test]
    fn cycles_have_times_and_a_start() {
        assert_eq!(cycle("R3/PT1H").unwrap().times, Some(3));
        assert_eq!(cycle("R/P1D").unwrap().times, None);
        assert_eq!(
            cycle("R2/2026-01-01T00:00:00Z/P1D").unwrap().start,
            Some(at("2026-01-01T00:00:00Z"))
        );
        assert_eq!(
            cycle("R3/PT10H/2026-01-01T00:00:00Z").unwrap().end,
            Some(at("2026-01-01T00:00:00Z"))
        );
        let between = cycle("R2/2026-01-01T00:00:00Z/20260102T120000Z").unwrap();
        assert_eq!(between.start, Some(at("2026-01-01T00:00:00Z")));
        let (every, end) = strokes(
            &between
                .strokes("R2/2026-01-01T00:00:00Z/20260102T120000Z")
                .unwrap(),
        )
        .unwrap();
        assert_eq!(
            (every.next(at("2026-01-01T00:00:00Z")), end),
            (Some(at("2026-01-02T12:00:00Z")), None)
        );
        for wrong in [
            "R/2026-01-02/2026-01-01",
            "R/PT0S",
            "R-1/PT10S",
            "R/PT1H/soon",
            "R/2026-01-01/P1D/P1D",
        ] {
            assert_eq!(cycle(wrong), None, "{wrong}");
        }
        assert_eq!(cycle("PT1H").unwrap().times, None);
    }

    #[test]
    fn cron_lines_count_in_chinas_time() {
        // 2026-11-27 is a Friday.
        let from = at("2026-11-27T10:00:00Z");
        let next = |line: &str| cycle(line).and_then(|cycle| cycle.every.next(from));
        assert_eq!(next("0 0 9 ? * MON-FRI"), Some(at("2026-11-30T01:00:00Z")));
        assert_eq!(next("0 0 9 ? * 2"), Some(at("2026-11-30T01:00:00Z")));
        assert_eq!(next("0 0/15 * * * ?"), Some(at("2026-11-27T10:15:00Z")));
        assert_eq!(next("0 0 0 1 1 ? 2030"), Some(at("2029-12-31T16:00:00Z")));
        assert_eq!(next("0 0 0 1 1 ? 2020"), None);
        for no_cron in ["@daily", "0 9 * * *", "a + b - c * d / e", "0 0 25 * * ?"] {
            assert_eq!(cycle(no_cron), None, "{no_cron}");
        }
    }
}
