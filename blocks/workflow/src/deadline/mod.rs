//! Deadlines in working days and working hours: the arithmetic, on plain values.
//!
//! A limit of days begins the day after its start and ends with its last day, as cases are
//! counted; a day on which the clock stood, even for an hour, does not count. A limit of hours
//! counts minutes of office time from the start on; only the minutes in which the clock stood
//! are left out.

pub(crate) mod act;
pub(crate) mod api;
pub(crate) mod hours;
pub(crate) mod page;
pub(crate) mod react;
pub(crate) mod store;
mod view;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, Timelike, Utc};
use kernel::{
    calendar::{Calendar, CalendarError, DayKind},
    clock::{local, local_date},
};
use serde::{Deserialize, Serialize};

pub use act::{Of, calendar_changed, extend, pause, resume};
pub use hours::OfficeHours;
pub use page::{DeadlineFold, DeadlineTable};
pub use view::{Deadline, Mark, read};

/// Working time that something may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TimeLimit)]
pub enum Limit {
    Days(u32),
    Hours(u32),
}

impl Limit {
    /// `2d`, `4h`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let number = |unit| text.strip_suffix(unit)?.trim().parse().ok();
        number('d')
            .map(Self::Days)
            .or_else(|| number('h').map(Self::Hours))
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Days(days) => write!(f, "{days}d"),
            Self::Hours(hours) => write!(f, "{hours}h"),
        }
    }
}

/// A time in which the clock stood; without an end it stands still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = TimePause)]
pub struct Pause {
    pub from: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// The legal ground.
    pub ground: String,
}

/// What the attributes of a step or process say about its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub limit: Limit,
    /// How much working time before the end a reminder is due.
    pub remind: Vec<Limit>,
    /// Groups that hear of it when it is late, as written.
    pub escalate: String,
}

impl Terms {
    /// `days`, `hours`, `remind`, `escalate`; an error says what is wrong with them.
    pub fn of(attributes: &BTreeMap<String, String>) -> Result<Option<Self>, String> {
        let get = |name: &str| {
            let value = attributes.get(name).map(|value| value.trim());
            value.filter(|value| !value.is_empty())
        };
        let number = |name: &str| {
            get(name)
                .map(|text| {
                    text.parse::<u32>()
                        .map_err(|_| format!("`tongban:{name}` is no number but `{text}`"))
                })
                .transpose()
        };
        let limit = match (number("days")?, number("hours")?) {
            (Some(_), Some(_)) => {
                return Err("give either `tongban:days` or `tongban:hours`".to_owned());
            }
            (Some(days), None) => Limit::Days(days),
            (None, Some(hours)) => Limit::Hours(hours),
            (None, None) => return Ok(None),
        };
        let mut remind = Vec::new();
        for word in get("remind").unwrap_or_default().split(',') {
            match Limit::parse(word) {
                Some(mark) => remind.push(mark),
                None if word.trim().is_empty() => {}
                None => {
                    return Err(format!(
                        "`tongban:remind` has `{word}`; write days as 2d and hours as 4h"
                    ));
                }
            }
        }
        let escalate = get("escalate").unwrap_or_default().to_owned();
        Ok(Some(Self {
            limit,
            remind,
            escalate,
        }))
    }
}

/// One day of a period and why it counts as much as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = CountedDay)]
pub struct Day {
    pub date: NaiveDate,
    /// Days for a limit of days (0 or 1), minutes for one of hours.
    pub counted: u32,
    /// The same up to the end of this day.
    pub total: u32,
    #[schema(value_type = String, example = "working")]
    pub why: DayKind,
}

/// A period counted out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// `None` while the clock stands.
    pub due: Option<DateTime<Utc>>,
    pub days: Vec<Day>,
}

/// A clock that began, with all that decides when it ends.
#[derive(Clone, Copy, Debug)]
pub struct Period<'a> {
    pub start: DateTime<Utc>,
    pub limit: Limit,
    pub pauses: &'a [Pause],
    pub calendar: &'a Calendar,
    pub hours: &'a OfficeHours,
}

/// Minutes of a day, from the first up to but without the second.
type Span = (u32, u32);

impl Period<'_> {
    /// When the period ends; `None` while its clock stands.
    pub fn due(&self) -> Result<Option<DateTime<Utc>>, CalendarError> {
        if self.pauses.iter().any(|pause| pause.until.is_none()) {
            return Ok(None);
        }
        Ok(self.explain(self.start)?.due)
    }

    /// Every day from the start to the end of the period, or to `now` while its clock stands, and
    /// why it counts or not.
    pub fn explain(&self, now: DateTime<Utc>) -> Result<Explained, CalendarError> {
        let first = local_date(self.start);
        let target = match self.limit {
            Limit::Days(days) => days,
            Limit::Hours(hours) => hours.saturating_mul(60),
        };
        let stands = self.pauses.iter().any(|pause| pause.until.is_none());
        let last = stands.then(|| local_date(now));
        let (mut date, mut total) = (first, 0);
        let mut days = Vec::new();
        loop {
            let (spans, why) = self.office(date)?;
            let most = match self.limit {
                Limit::Days(_) => u32::from(date > first && !spans.is_empty()),
                Limit::Hours(_) => minutes(&spans),
            };
            let counted = most.min(target - total);
            total += counted;
            let why = match self.limit {
                Limit::Days(_) if date == first => DayKind::Start,
                _ => why,
            };
            days.push(Day {
                date,
                counted,
                total,
                why,
            });
            if total == target && !stands {
                let due = match self.limit {
                    Limit::Days(_) => end_of(date)?,
                    Limit::Hours(0) => self.start,
                    Limit::Hours(_) => moment(date, minute_after(&spans, counted))?,
                };
                return Ok(Explained {
                    due: Some(due),
                    days,
                });
            }
            if last.is_some_and(|last| date >= last) {
                return Ok(Explained { due: None, days });
            }
            date = date.succ_opt().ok_or(CalendarError::OutOfRange)?;
        }
    }

    /// The moment at which this much working time is left until `due`; `None` for none, and
    /// if the period is no longer than that. A day is as long as the office is open on one.
    pub fn before(
        &self,
        due: DateTime<Utc>,
        mark: Limit,
    ) -> Result<Option<DateTime<Utc>>, CalendarError> {
        let mut left = match mark {
            Limit::Days(days) => days.saturating_mul(self.hours.minutes()),
            Limit::Hours(hours) => hours.saturating_mul(60),
        };
        if left == 0 {
            return Ok(None);
        }
        let mut date = local_date(due);
        let first = local_date(self.start);
        let mut end = minute_of(due);
        // Midnight is the end of a day, and the next one's calendar need not be there.
        if end == 0 {
            end = DAY;
            date = date.pred_opt().ok_or(CalendarError::OutOfRange)?;
        }
        while date >= first {
            let (spans, _) = self.office(date)?;
            let spans = cut(&spans, (0, end));
            let open = minutes(&spans);
            if left <= open {
                let at = moment(date, minute_before(&spans, left))?;
                return Ok(Some(at).filter(|at| *at > self.start));
            }
            left -= open;
            end = DAY;
            date = date.pred_opt().ok_or(CalendarError::OutOfRange)?;
        }
        Ok(None)
    }

    /// The office time of a day that can count, and what kind of day it is to this period.
    fn office(&self, date: NaiveDate) -> Result<(Vec<Span>, DayKind), CalendarError> {
        let kind = self.calendar.kind_of(date)?;
        if !matches!(kind, DayKind::Working | DayKind::MakeUp) {
            return Ok((Vec::new(), kind));
        }
        let mut spans = self.hours.spans().to_vec();
        let is_days = matches!(self.limit, Limit::Days(_));
        if !is_days && date == local_date(self.start) {
            spans = cut(&spans, (minute_from(self.start), DAY));
        }
        let open = minutes(&spans);
        for pause in self.pauses {
            let Some(gone) = on_day(pause, date) else {
                continue;
            };
            if is_days {
                return Ok((Vec::new(), DayKind::Suspended));
            }
            let before = cut(&spans, (0, gone.0));
            let after = cut(&spans, (gone.1, DAY));
            spans = before.into_iter().chain(after).collect();
        }
        if open > 0 && minutes(&spans) == 0 {
            return Ok((spans, DayKind::Suspended));
        }
        Ok((spans, kind))
    }
}

const DAY: u32 = 24 * 60;

/// The part of a day that a pause covers; whole minutes, in favour of who has to keep the limit.
fn on_day(pause: &Pause, date: NaiveDate) -> Option<Span> {
    let (first, last) = (local_date(pause.from), pause.until.map(local_date));
    if date < first || last.is_some_and(|last| date > last) {
        return None;
    }
    let from = if date == first {
        minute_of(pause.from)
    } else {
        0
    };
    let until = match pause.until {
        Some(until) if local_date(until) == date => minute_from(until),
        _ => DAY,
    };
    Some((from, until))
}

fn minutes(spans: &[Span]) -> u32 {
    spans.iter().map(|(from, to)| to - from).sum()
}

/// What of the spans lies within another.
fn cut(spans: &[Span], within: Span) -> Vec<Span> {
    let cut = spans
        .iter()
        .map(|(from, to)| (*from.max(&within.0), *to.min(&within.1)));
    cut.filter(|(from, to)| from < to).collect()
}

/// The minute of the day at which that many minutes of the spans have passed.
fn minute_after(spans: &[Span], mut passed: u32) -> u32 {
    for (from, to) in spans {
        if passed <= to - from {
            return from + passed;
        }
        passed -= to - from;
    }
    DAY
}

/// The minute of the day at which that many minutes of the spans are left.
fn minute_before(spans: &[Span], mut left: u32) -> u32 {
    for (from, to) in spans.iter().rev() {
        if left <= to - from {
            return to - left;
        }
        left -= to - from;
    }
    0
}

/// The minute of the day in China in which a moment lies.
fn minute_of(at: DateTime<Utc>) -> u32 {
    let at = local(at);
    at.hour() * 60 + at.minute()
}

/// The first whole minute from a moment on.
fn minute_from(at: DateTime<Utc>) -> u32 {
    let local = local(at);
    minute_of(at) + u32::from(local.second() > 0 || local.nanosecond() > 0)
}

fn moment(date: NaiveDate, minute: u32) -> Result<DateTime<Utc>, CalendarError> {
    let china = chrono::FixedOffset::east_opt(8 * 3600);
    let midnight = date
        .and_hms_opt(0, 0, 0)
        .zip(china)
        .and_then(|(day, china)| day.and_local_timezone(china).single());
    midnight
        .and_then(|midnight| midnight.checked_add_signed(Duration::minutes(minute.into())))
        .map(|at| at.to_utc())
        .ok_or(CalendarError::OutOfRange)
}

/// Midnight after a day in China: until then the day is not over.
fn end_of(date: NaiveDate) -> Result<DateTime<Utc>, CalendarError> {
    moment(date, DAY)
}
