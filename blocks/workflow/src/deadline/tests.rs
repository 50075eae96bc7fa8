//! Tables of dates. October 2026 as in the State Council's notice: off from the 1st to the 7th,
//! worked on Sunday 20 September and Saturday 10 October.

use chrono::{DateTime, NaiveDate, Utc};
use kernel::calendar::{Calendar, CalendarError, DayKind, Year};

use super::{Day, Explained, Limit, OfficeHours, Pause, Period, Terms};

fn calendar() -> Calendar {
    let mut calendar = Calendar::new();
    let days = |days: &[&str]| days.iter().map(|day| (*day).to_owned()).collect();
    calendar
        .insert(&Year {
            year: 2026,
            provisional: false,
            off: days(&[
                "09-25", "10-01", "10-02", "10-03", "10-04", "10-05", "10-06", "10-07",
            ]),
            work: days(&["09-20", "10-10"]),
        })
        .unwrap();
    calendar
}

/// A moment in China, `09-28 10:00` of 2026.
fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(&format!("2026-{}:00+08:00", text.replace(' ', "T")))
        .unwrap()
        .to_utc()
}

fn pause(from: &str, until: &str) -> Pause {
    Pause {
        from: at(from),
        until: (!until.is_empty()).then(|| at(until)),
        ground: "site check".into(),
    }
}

fn explain(start: &str, limit: Limit, pauses: &[Pause]) -> Result<Explained, CalendarError> {
    let (calendar, hours) = (calendar(), OfficeHours::default());
    let period = Period {
        start: at(start),
        limit,
        pauses,
        calendar: &calendar,
        hours: &hours,
    };
    let explained = period.explain(at("12-30 12:00"))?;
    assert_eq!(period.due()?, explained.due);
    Ok(explained)
}

fn due(start: &str, limit: Limit, pauses: &[Pause]) -> DateTime<Utc> {
    explain(start, limit, pauses).unwrap().due.unwrap()
}

#[test]
fn days_end_with_the_last_working_day() {
    for (start, days, end) in [
        // A Monday: the first day is not counted, the hour of the start does not matter.
        ("09-07 09:00", 1, "09-09 00:00"),
        ("09-07 23:59", 1, "09-09 00:00"),
        ("09-07 09:00", 5, "09-15 00:00"),
        ("09-07 09:00", 0, "09-08 00:00"),
        // Friday into a weekend.
        ("09-11 17:00", 1, "09-15 00:00"),
        // The Sunday that is worked counts.
        ("09-18 09:00", 1, "09-21 00:00"),
        // Golden Week: Wednesday, then seven days off, then Thursday, Friday and a worked Saturday.
        ("09-30 09:00", 1, "10-09 00:00"),
        ("09-30 09:00", 3, "10-11 00:00"),
        ("09-30 09:00", 4, "10-13 00:00"),
        // Begun on a day off.
        ("10-03 12:00", 1, "10-09 00:00"),
    ] {
        assert_eq!(
            due(start, Limit::Days(days), &[]),
            at(end),
            "{start} {days}d"
        );
    }
}

#[test]
fn hours_count_office_time_only() {
    for (start, hours, end) in [
        ("09-07 09:00", 1, "09-07 10:00"),
        // Over noon, over night, over a weekend.
        ("09-07 11:00", 2, "09-07 14:00"),
        ("09-07 17:00", 2, "09-08 10:00"),
        ("09-11 17:00", 2, "09-14 10:00"),
        // Due in the last hour, to the minute: not the next morning.
        ("09-07 09:00", 8, "09-07 18:00"),
        ("09-07 09:30", 8, "09-08 09:30"),
        // Begun at noon, in the evening, before opening, on a day off.
        ("09-07 12:30", 1, "09-07 14:00"),
        ("09-07 20:00", 1, "09-08 10:00"),
        ("09-07 06:00", 1, "09-07 10:00"),
        ("10-04 10:00", 3, "10-08 12:00"),
        // Golden Week lies between; the Saturday after it is worked.
        ("09-30 16:00", 4, "10-08 11:00"),
        ("09-30 16:00", 20, "10-10 11:00"),
        ("09-07 10:17", 0, "09-07 10:17"),
    ] {
        assert_eq!(
            due(start, Limit::Hours(hours), &[]),
            at(end),
            "{start} {hours}h"
        );
    }
}

#[test]
fn a_minute_that_has_begun_is_in_favour_of_who_has_to_keep_the_limit() {
    let (calendar, hours) = (calendar(), OfficeHours::default());
    let period = Period {
        start: at("09-07 09:00") + chrono::Duration::milliseconds(1),
        limit: Limit::Hours(1),
        pauses: &[],
        calendar: &calendar,
        hours: &hours,
    };
    assert_eq!(period.due().unwrap(), Some(at("09-07 10:01")));
}

#[test]
fn days_on_which_the_clock_stood_do_not_count() {
    for (pauses, end) in [
        (vec![pause("09-08 10:00", "09-08 10:30")], "09-11 00:00"),
        // Over a weekend: Friday and Monday do not count, Saturday and Sunday would not anyway.
        (vec![pause("09-08 10:00", "09-09 09:00")], "09-12 00:00"),
        (vec![pause("09-11 10:00", "09-14 09:00")], "09-10 00:00"),
        (vec![pause("09-09 10:00", "09-14 09:00")], "09-16 00:00"),
        // Two that overlap count once.
        (
            vec![
                pause("09-08 10:00", "09-09 09:00"),
                pause("09-09 08:00", "09-10 09:00"),
            ],
            "09-15 00:00",
        ),
        // On a day off it changes nothing.
        (vec![pause("09-05 10:00", "09-06 09:00")], "09-10 00:00"),
    ] {
        let end = at(end);
        assert_eq!(
            due("09-07 09:00", Limit::Days(2), &pauses),
            end,
            "{pauses:?}"
        );
    }
}

#[test]
fn hours_lose_only_the_minutes_in_which_the_clock_stood() {
    for (pauses, end) in [
        (vec![pause("09-07 10:00", "09-07 11:00")], "09-07 16:00"),
        // Noon and night cost nothing.
        (vec![pause("09-07 12:00", "09-07 13:00")], "09-07 15:00"),
        (vec![pause("09-07 14:00", "09-08 10:00")], "09-08 11:00"),
        (vec![pause("09-07 14:00", "09-14 09:00")], "09-14 10:00"),
        // After the end it changes nothing.
        (vec![pause("09-07 15:00", "09-09 09:00")], "09-07 15:00"),
    ] {
        let end = at(end);
        assert_eq!(
            due("09-07 09:00", Limit::Hours(5), &pauses),
            end,
            "{pauses:?}"
        );
    }
}

#[test]
fn a_clock_that_stands_has_no_end_and_is_told_up_to_now() {
    let (calendar, hours) = (calendar(), OfficeHours::default());
    for limit in [Limit::Days(5), Limit::Hours(40)] {
        let period = Period {
            start: at("09-07 09:00"),
            limit,
            pauses: &[pause("09-09 10:00", "")],
            calendar: &calendar,
            hours: &hours,
        };
        assert_eq!(period.due().unwrap(), None);
        let explained = period.explain(at("09-11 08:00")).unwrap();
        assert_eq!(explained.days.len(), 5);
        assert_eq!(explained.days[4].why, DayKind::Suspended);
        assert_eq!(explained.days[4].total, explained.days[2].total);
    }
}

#[test]
fn every_day_says_why() {
    let explained = explain(
        "09-30 09:00",
        Limit::Days(3),
        &[pause("10-09 09:00", "10-09 10:00")],
    );
    let days = explained.unwrap().days;
    let day = |text: &str, counted, total, why| Day {
        date: NaiveDate::parse_from_str(&format!("2026-{text}"), "%Y-%m-%d").unwrap(),
        counted,
        total,
        why,
    };
    assert_eq!(
        days,
        [
            day("09-30", 0, 0, DayKind::Start),
            day("10-01", 0, 0, DayKind::Holiday),
            day("10-02", 0, 0, DayKind::Holiday),
            day("10-03", 0, 0, DayKind::Weekend),
            day("10-04", 0, 0, DayKind::Weekend),
            day("10-05", 0, 0, DayKind::Holiday),
            day("10-06", 0, 0, DayKind::Holiday),
            day("10-07", 0, 0, DayKind::Holiday),
            day("10-08", 1, 1, DayKind::Working),
            day("10-09", 0, 1, DayKind::Suspended),
            day("10-10", 1, 2, DayKind::MakeUp),
            day("10-11", 0, 2, DayKind::Weekend),
            day("10-12", 1, 3, DayKind::Working),
        ]
    );
    let hours = explain("09-30 16:00", Limit::Hours(3), &[]).unwrap().days;
    assert_eq!(hours.len(), 9);
    assert_eq!((hours[0].counted, hours[0].why), (120, DayKind::Working));
    assert_eq!((hours[8].counted, hours[8].total), (60, 180));
}

#[test]
fn a_year_without_a_calendar_is_an_error() {
    for limit in [Limit::Days(3), Limit::Hours(20)] {
        let missing = explain("12-30 17:00", limit, &[]);
        assert_eq!(missing, Err(CalendarError::YearMissing(2027)));
    }
    // The last working day of a known year needs no other.
    assert_eq!(
        due("12-30 17:00", Limit::Days(1), &[]),
        DateTime::parse_from_rfc3339("2027-01-01T00:00:00+08:00").unwrap()
    );
}

#[test]
fn marks_lie_working_time_before_the_end() {
    let (calendar, hours) = (calendar(), OfficeHours::default());
    for (start, limit, mark, expected) in [
        // Two working days are left when the last but one opens.
        ("09-07 09:00", "5d", "2d", Some("09-11 09:00")),
        ("09-07 09:00", "5d", "4h", Some("09-14 14:00")),
        ("09-28 09:00", "4d", "2d", Some("10-08 09:00")),
        ("09-28 09:00", "4d", "3d", Some("09-30 09:00")),
        ("09-07 09:00", "10h", "4h", Some("09-07 16:00")),
        ("09-11 09:00", "10h", "1d", Some("09-11 11:00")),
        // No longer than the period.
        ("09-07 09:00", "1d", "2d", None),
        ("09-07 09:00", "8h", "8h", None),
        ("09-07 09:00", "8h", "0h", None),
        // Due as the last day of the last loaded year ends.
        ("12-30 09:00", "1d", "4h", Some("12-31 14:00")),
    ] {
        let period = Period {
            start: at(start),
            limit: Limit::parse(limit).unwrap(),
            pauses: &[],
            calendar: &calendar,
            hours: &hours,
        };
        let due = period.due().unwrap().unwrap();
        let found = period.before(due, Limit::parse(mark).unwrap()).unwrap();
        assert_eq!(found, expected.map(at), "{start} {limit} {mark}");
    }
}

#[test]
fn marks_pass_over_time_in_which_the_clock_stood() {
    let (calendar, hours) = (calendar(), OfficeHours::default());
    let period = Period {
        start: at("09-07 09:00"),
        limit: Limit::Hours(16),
        pauses: &[pause("09-08 11:00", "09-08 14:00")],
        calendar: &calendar,
        hours: &hours,
    };
    let due = period.due().unwrap().unwrap();
    assert_eq!(due, at("09-09 11:00"));
    let mark = period.before(due, Limit::Hours(7)).unwrap();
    assert_eq!(mark, Some(at("09-08 10:00")));
}

#[test]
fn terms_say_what_is_wrong_with_them() {
    let terms = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        Terms::of(&pairs.collect())
    };
    assert_eq!(terms(&[]), Ok(None));
    assert_eq!(terms(&[("days", " ")]), Ok(None));
    let found = terms(&[("hours", "12"), ("remind", "2d, 4h"), ("escalate", "chief")]);
    assert_eq!(
        found.unwrap().unwrap(),
        Terms {
            limit: Limit::Hours(12),
            remind: vec![Limit::Days(2), Limit::Hours(4)],
            escalate: "chief".into()
        }
    );
    for wrong in [
        &[("days", "five")][..],
        &[("days", "-1")],
        &[("days", "5"), ("hours", "4")],
        &[("days", "5"), ("remind", "tomorrow")],
    ] {
        assert!(terms(wrong).is_err(), "{wrong:?}");
    }
}
