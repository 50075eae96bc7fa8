//! Working days by the official calendar, and the periods that law counts in them.
//!
//! A working day is Monday to Friday without the days off of the State Council's yearly notice,
//! and the days that the notice makes up for. A year whose notice is not loaded is an error and
//! never a guess. Until the notice of a year appears an operator may declare a *provisional* one:
//! dates are counted by it, told apart from certain ones, and counted anew when the notice is
//! loaded. The first day is not counted; a period ends with its last day.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, Days, NaiveDate, Weekday};

use crate::{Error, Text};

/// One year's notice as packs carry it (`calendars/2026.toml`). Days are `MM-DD`, or `YYYY-MM-DD`
/// where the notice of one year names days of its neighbour.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Year {
    pub year: i32,
    /// Days off, weekends among them included.
    pub off: Vec<String>,
    /// Saturdays and Sundays that are worked.
    pub work: Vec<String>,
    /// Declared by an operator before the official notice; never stands in the way of that one.
    #[serde(default, skip_serializing_if = "is_official")]
    pub provisional: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_official(provisional: &bool) -> bool {
    !provisional
}

/// The notices of all loaded years.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// What the notice of each loaded year says about single days: true where the day is worked.
    notices: BTreeMap<i32, BTreeMap<NaiveDate, bool>>,
    /// Loaded years that no official notice stands behind.
    provisional: BTreeSet<i32>,
}

/// Why a date cannot be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// The count reached a year whose notice is not loaded.
    #[error("the calendar of {0} is not loaded")]
    YearMissing(i32),
    /// A notice names a day that does not exist, or one outside the year and its neighbours.
    #[error("the calendar of {year} names \"{day}\", which is no day of it")]
    NoSuchDay { year: i32, day: String },
    /// A notice calls one day both off and worked.
    #[error("the calendar of {0} calls {1} both off and worked")]
    Contradiction(i32, NaiveDate),
    /// The count left the dates that can be written.
    #[error("date out of range")]
    OutOfRange,
}

impl CalendarError {
    pub fn text(&self) -> Text {
        match self {
            Self::YearMissing(year) => Text::new("kernel-calendar-year-missing").with("year", year),
            Self::NoSuchDay { year, day } => Text::new("kernel-calendar-no-such-day")
                .with("year", year)
                .with("day", day),
            Self::Contradiction(year, day) => Text::new("kernel-calendar-contradiction")
                .with("year", year)
                .with("day", day),
            Self::OutOfRange => Text::new("kernel-calendar-out-of-range"),
        }
    }
}

impl From<CalendarError> for Error {
    fn from(error: CalendarError) -> Self {
        Self::Refused(error.text())
    }
}

/// Days that do not count, both ends included. A suspension that still lasts has no due date yet:
/// give the present day as its last to see what would be due if it ended today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Suspension {
    pub first: NaiveDate,
    pub last: NaiveDate,
}

impl Suspension {
    fn covers(self, day: NaiveDate) -> bool {
        self.first <= day && day <= self.last
    }
}

/// What a day is to a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayKind {
    /// The day from which is counted; it does not count itself.
    Start,
    Working,
    /// A Saturday or Sunday that is worked.
    MakeUp,
    Weekend,
    /// A day off by the notice that is no Saturday or Sunday.
    Holiday,
    /// The clock of the case stands still.
    Suspended,
}

impl DayKind {
    /// What to call the day on a page.
    pub fn text(self) -> Text {
        Text::new(match self {
            Self::Start => "kernel-day-start",
            Self::Working => "kernel-day-working",
            Self::MakeUp => "kernel-day-make-up",
            Self::Weekend => "kernel-day-weekend",
            Self::Holiday => "kernel-day-holiday",
            Self::Suspended => "kernel-day-suspended",
        })
    }
}

/// One day of an explained period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DayNote {
    pub date: NaiveDate,
    pub kind: DayKind,
    /// How many days have counted up to the end of this one.
    pub count: u32,
}

impl Calendar {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a year's notice, or replaces what an earlier version of it said. All or nothing. A
    /// provisional year never replaces an official one.
    pub fn insert(&mut self, notice: &Year) -> Result<(), CalendarError> {
        let mut named = BTreeMap::new();
        for (days, is_worked) in [(&notice.off, false), (&notice.work, true)] {
            for day in days {
                let date = read_day(notice.year, day)?;
                if named
                    .insert(date, is_worked)
                    .is_some_and(|before| before != is_worked)
                {
                    return Err(CalendarError::Contradiction(notice.year, date));
                }
            }
        }
        let is_known = self.notices.contains_key(&notice.year);
        if notice.provisional && is_known && !self.provisional.contains(&notice.year) {
            return Ok(());
        }
        self.notices.insert(notice.year, named);
        if notice.provisional {
            self.provisional.insert(notice.year);
        } else {
            self.provisional.remove(&notice.year);
        }
        Ok(())
    }

    /// Whether a date counted to this day may move when the official notice is loaded.
    pub fn is_provisional(&self, day: NaiveDate) -> bool {
        self.provisional.contains(&day.year())
    }

    /// The years that are loaded, in order.
    pub fn years(&self) -> impl Iterator<Item = i32> {
        self.notices.keys().copied()
    }

    pub fn is_working_day(&self, day: NaiveDate) -> Result<bool, CalendarError> {
        Ok(matches!(
            self.kind_of(day)?,
            DayKind::Working | DayKind::MakeUp
        ))
    }

    /// The n-th working day after `start`; `start` itself for none.
    pub fn add_working_days(&self, start: NaiveDate, n: u32) -> Result<NaiveDate, CalendarError> {
        self.due(start, n, &[])
    }

    /// The last day of a period of `n` working days after `start` in which suspended days do not
    /// count.
    pub fn due(
        &self,
        start: NaiveDate,
        n: u32,
        suspensions: &[Suspension],
    ) -> Result<NaiveDate, CalendarError> {
        let mut day = start;
        let mut left = n;
        while left > 0 {
            day = next(day)?;
            if self.counts(day, suspensions)? {
                left -= 1;
            }
        }
        Ok(day)
    }

    /// The working days after `start` up to and including `end`; none where `end` is earlier.
    pub fn elapsed_working_days(
        &self,
        start: NaiveDate,
        end: NaiveDate,
    ) -> Result<u32, CalendarError> {
        self.used(start, end, &[])
    }

    /// The working days of a period that are used up at the end of `end`, suspended ones not
    /// counted.
    pub fn used(
        &self,
        start: NaiveDate,
        end: NaiveDate,
        suspensions: &[Suspension],
    ) -> Result<u32, CalendarError> {
        let mut day = start;
        let mut count = 0;
        while day < end {
            day = next(day)?;
            count += u32::from(self.counts(day, suspensions)?);
        }
        Ok(count)
    }

    /// The last day of a period of `n` natural days after `start`: where it is no working day,
    /// the next one.
    pub fn add_natural_days(&self, start: NaiveDate, n: u32) -> Result<NaiveDate, CalendarError> {
        let last = start.checked_add_days(Days::new(n.into()));
        self.working_day_from(last.ok_or(CalendarError::OutOfRange)?)
    }

    /// The day itself if it is worked, otherwise the next working day.
    pub fn working_day_from(&self, day: NaiveDate) -> Result<NaiveDate, CalendarError> {
        let mut day = day;
        while !self.is_working_day(day)? {
            day = next(day)?;
        }
        Ok(day)
    }

    /// Every day from `start` to the last day of the period and why it counts or not; what
    /// [`Calendar::due`] decides, to be shown.
    pub fn explain(
        &self,
        start: NaiveDate,
        n: u32,
        suspensions: &[Suspension],
    ) -> Result<Vec<DayNote>, CalendarError> {
        let mut notes = vec![DayNote {
            date: start,
            kind: DayKind::Start,
            count: 0,
        }];
        let (mut date, mut count) = (start, 0);
        while count < n {
            date = next(date)?;
            let kind = match self.kind_of(date)? {
                _ if suspensions.iter().any(|pause| pause.covers(date)) => DayKind::Suspended,
                kind => kind,
            };
            count += u32::from(matches!(kind, DayKind::Working | DayKind::MakeUp));
            notes.push(DayNote { date, kind, count });
        }
        Ok(notes)
    }

    fn counts(&self, day: NaiveDate, suspensions: &[Suspension]) -> Result<bool, CalendarError> {
        let is_working = self.is_working_day(day)?;
        Ok(is_working && !suspensions.iter().any(|pause| pause.covers(day)))
    }

    /// What a day is by the notices; never [`DayKind::Start`] or [`DayKind::Suspended`].
    pub fn kind_of(&self, day: NaiveDate) -> Result<DayKind, CalendarError> {
        let year = day.year();
        if !self.notices.contains_key(&year) {
            return Err(CalendarError::YearMissing(year));
        }
        // The later notice knows more about the days around the turn of the year.
        let mut notices = [year + 1, year, year - 1]
            .into_iter()
            .filter_map(|y| self.notices.get(&y));
        let named = notices.find_map(|notice| notice.get(&day));
        let is_weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        Ok(match (named, is_weekend) {
            (Some(true), true) => DayKind::MakeUp,
            (Some(true) | None, false) => DayKind::Working,
            (Some(false), false) => DayKind::Holiday,
            (Some(false) | None, true) => DayKind::Weekend,
        })
    }
}

fn next(day: NaiveDate) -> Result<NaiveDate, CalendarError> {
    day.succ_opt().ok_or(CalendarError::OutOfRange)
}

fn read_day(year: i32, day: &str) -> Result<NaiveDate, CalendarError> {
    let whole = if day.len() == 5 {
        format!("{year}-{day}")
    } else {
        day.to_owned()
    };
    let date = NaiveDate::parse_from_str(&whole, "%Y-%m-%d").ok();
    date.filter(|date| (date.year() - year).abs() <= 1 && whole.len() == 10)
        .ok_or_else(|| CalendarError::NoSuchDay {
            year,
            day: day.to_owned(),
        })
}

#[cfg(test)]
mod tests;
