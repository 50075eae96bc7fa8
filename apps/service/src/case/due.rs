//! Due dates and lights: counting days by the official calendar, with periods that do not count.

use chrono::NaiveDate;
use kernel::calendar::{Calendar, CalendarError};
use serde::{Deserialize, Serialize};

use super::{Days, Facts, Refusal, State, Suspension, Unit};

/// When a case must be decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dues {
    pub promise: Option<NaiveDate>,
    pub legal: Option<NaiveDate>,
}

/// Both due dates of an accepted case; none while a special procedure lasts.
pub fn of(facts: &Facts, calendar: &Calendar) -> Result<Dues, Refusal> {
    let Some(d0) = facts.d0 else {
        return Ok(Dues::default());
    };
    if facts.open_suspension().is_some() {
        return Ok(Dues::default());
    }
    let extra = facts.extension.as_ref().map_or(0, |e| e.days);
    let add = |limit: Days| -> Result<NaiveDate, Refusal> {
        let end = after(calendar, d0, limit, &facts.suspensions)?;
        // An extension counts working days whatever the limit counts.
        if extra == 0 || limit.unit == Unit::Working {
            let all = Days::working(limit.count + extra);
            return if extra == 0 {
                Ok(end)
            } else {
                after(calendar, d0, all, &facts.suspensions)
            };
        }
        after(calendar, end, Days::working(extra), &[])
    };
    Ok(Dues {
        promise: Some(add(facts.terms.promise)?),
        legal: facts.terms.legal.map(add).transpose()?,
    })
}

/// The case with every running date counted anew, as when the official calendar of a year takes
/// the place of a provisional one; `None` where no date moves.
pub fn recount(facts: &Facts, calendar: &Calendar) -> Result<Option<Facts>, Refusal> {
    use kernel::clock::local_date;
    let limits = &facts.terms.limits;
    let from = |start: Option<chrono::DateTime<chrono::Utc>>, days| {
        let end = start.map(|at| after(calendar, local_date(at), Days::working(days), &[]));
        end.transpose()
    };
    let mut next = facts.clone();
    match facts.state {
        State::Received => next.answer_due = from(facts.received_at, limits.answer_days)?,
        // The notice was the last thing that happened to it.
        State::Correcting => next.correction_due = from(facts.last_at, limits.correction_days)?,
        State::Accepted | State::AcceptedCorrecting => {
            let dues = of(facts, calendar)?;
            next.promise_due = dues.promise;
            next.legal_due = dues.legal;
        }
        State::Approved | State::Refused | State::Closed if facts.delivered_at.is_none() => {
            next.delivery_due = from(facts.decided_at, limits.delivery_days)?;
        }
        _ => {}
    }
    Ok((next != *facts).then_some(next))
}

/// The last day of a limit that begins after `d0`; days of finished suspensions do not count.
///
/// A limit of no days ends on the same working day. A natural-day limit that ends on a day off
/// ends on the next working day.
pub fn after(
    calendar: &Calendar,
    d0: NaiveDate,
    limit: Days,
    suspensions: &[Suspension],
) -> Result<NaiveDate, Refusal> {
    let pauses: Vec<_> = suspensions.iter().map(pause).collect();
    if limit.unit == Unit::Working {
        let day = calendar.due(d0, limit.count, &pauses)?;
        return Ok(calendar.working_day_from(day)?);
    }
    let mut day = d0;
    let mut left = limit.count;
    while left > 0 {
        day = day.succ_opt().ok_or(CalendarError::OutOfRange)?;
        if !pauses.iter().any(|p| p.first <= day && day <= p.last) {
            left -= 1;
        }
    }
    Ok(calendar.working_day_from(day)?)
}

fn pause(suspension: &Suspension) -> kernel::calendar::Suspension {
    kernel::calendar::Suspension {
        first: suspension.from,
        last: suspension.until.unwrap_or(NaiveDate::MAX),
    }
}

/// Working days in `(from, to]`, negative when `to` lies before.
pub fn between(calendar: &Calendar, from: NaiveDate, to: NaiveDate) -> Result<i64, Refusal> {
    if to < from {
        return between(calendar, to, from).map(|days| -days);
    }
    Ok(i64::from(calendar.elapsed_working_days(from, to)?))
}

/// How near a case is to its limit.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// Nothing runs any more.
    #[default]
    Off,
    /// Nothing runs yet.
    Waiting,
    Green,
    Yellow,
    Red,
    /// A special procedure: the clock stands.
    Paused,
}

impl Light {
    pub fn code(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Waiting => "waiting",
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
            Self::Paused => "paused",
        }
    }

    /// The worse of two, for a parent over its sub-cases.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if other.weight() > self.weight() {
            other
        } else {
            self
        }
    }

    fn weight(self) -> u8 {
        match self {
            Self::Off | Self::Waiting => 0,
            Self::Paused => 1,
            Self::Green => 2,
            Self::Yellow => 3,
            Self::Red => 4,
        }
    }
}

/// A light and the working days left until the date that matters now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Signal {
    pub light: Light,
    pub days_left: Option<i64>,
}

/// The signal of a case on a day.
pub fn signal(facts: &Facts, today: NaiveDate, calendar: &Calendar) -> Result<Signal, Refusal> {
    if facts.state == State::Suspended {
        return Ok(Signal {
            light: Light::Paused,
            days_left: None,
        });
    }
    let Some(due) = facts.due() else {
        let light = if facts.state.is_before_decision() {
            Light::Waiting
        } else {
            Light::Off
        };
        return Ok(Signal {
            light,
            days_left: None,
        });
    };
    let days_left = between(calendar, today, due)?;
    let limit = running_limit(facts);
    let warn = warn_days(limit, facts.terms.limits.warn_percent);
    let is_instant = limit == 0;
    let light = if days_left < 0 {
        Light::Red
    } else if days_left <= i64::from(warn) && !is_instant {
        Light::Yellow
    } else {
        Light::Green
    };
    Ok(Signal {
        light,
        days_left: Some(days_left),
    })
}

fn running_limit(facts: &Facts) -> u32 {
    let limits = &facts.terms.limits;
    match facts.state {
        State::Received => limits.answer_days,
        State::Correcting => limits.correction_days,
        State::Approved | State::Refused | State::Closed => limits.delivery_days,
        _ => facts.terms.promise.count + facts.extension.as_ref().map_or(0, |e| e.days),
    }
}

/// Days left at which a light turns yellow: at least one, else the given part rounded up.
pub fn warn_days(limit: u32, percent: u32) -> u32 {
    (limit * percent).div_ceil(100).max(1)
}
