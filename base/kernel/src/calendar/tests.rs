//! The vectors of the reference for 2025 and 2026, and what happens at the edges.

use super::*;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn words(days: &str) -> Vec<String> {
    days.split_whitespace().map(str::to_owned).collect()
}

fn calendar() -> Calendar {
    let mut calendar = Calendar::new();
    for (year, off, work) in [
        (
            2025,
            "01-01 01-28 01-29 01-30 01-31 02-01 02-02 02-03 02-04 04-04 04-05 04-06 05-01 05-02 \
             05-03 05-04 05-05 05-31 06-01 06-02 10-01 10-02 10-03 10-04 10-05 10-06 10-07 10-08",
            "01-26 02-08 04-27 09-28 10-11",
        ),
        (
            2026,
            "01-01 01-02 01-03 02-15 02-16 02-17 02-18 02-19 02-20 02-21 02-22 02-23 04-04 04-05 \
             04-06 05-01 05-02 05-03 05-04 05-05 06-19 06-20 06-21 09-25 09-26 09-27 10-01 10-02 \
             10-03 10-04 10-05 10-06 10-07",
            "01-04 02-14 02-28 05-09 09-20 10-10",
        ),
    ] {
        calendar
            .insert(&Year {
                year,
                off: words(off),
                work: words(work),
                provisional: false,
            })
            .unwrap();
    }
    calendar
}

fn without_holidays() -> Calendar {
    let mut calendar = Calendar::new();
    calendar
        .insert(&Year {
            year: 2025,
            off: vec![],
            work: vec![],
            provisional: false,
        })
        .unwrap();
    calendar
}

fn pause(first: &str, last: &str) -> Suspension {
    Suspension {
        first: day(first),
        last: day(last),
    }
}

#[test]
fn due_dates_are_those_of_the_reference() {
    let calendar = calendar();
    for (start, n, due) in [
        ("2025-01-24", 5, "2025-02-07"),
        ("2025-01-24", 20, "2025-02-27"),
        ("2025-04-25", 5, "2025-05-06"),
        ("2025-05-30", 1, "2025-06-03"),
        ("2025-09-26", 5, "2025-10-10"),
        ("2025-09-26", 10, "2025-10-16"),
        ("2025-09-26", 20, "2025-10-30"),
        ("2025-09-27", 5, "2025-10-10"),
        ("2025-10-11", 1, "2025-10-13"),
        ("2025-06-30", 45, "2025-09-01"),
        ("2025-12-15", 20, "2026-01-13"),
        ("2025-12-31", 1, "2026-01-04"),
        ("2026-02-13", 5, "2026-02-27"),
        ("2026-02-14", 1, "2026-02-24"),
        ("2026-04-30", 20, "2026-06-01"),
        ("2026-09-18", 10, "2026-10-09"),
        ("2026-09-30", 1, "2026-10-08"),
        ("2026-01-01", 1, "2026-01-04"),
        ("2025-09-30", 15, "2025-10-28"),
        ("2025-10-01", 0, "2025-10-01"),
    ] {
        assert_eq!(
            calendar.add_working_days(day(start), n),
            Ok(day(due)),
            "{start} + {n}"
        );
        let notes = calendar.explain(day(start), n, &[]).unwrap();
        assert_eq!(
            notes.last().map(|note| (note.date, note.count)),
            Some((day(due), n))
        );
    }
}

#[test]
fn without_holidays_only_weekends_are_left_out() {
    let calendar = without_holidays();
    for (start, n, due) in [
        ("2025-09-01", 10, "2025-09-15"),
        ("2025-09-05", 10, "2025-09-19"),
        ("2025-09-06", 10, "2025-09-19"),
        ("2025-09-01", 2, "2025-09-03"),
        ("2025-09-01", 5, "2025-09-08"),
        ("2025-09-01", 20, "2025-09-29"),
    ] {
        assert_eq!(
            calendar.add_working_days(day(start), n),
            Ok(day(due)),
            "{start} + {n}"
        );
    }
}

#[test]
fn elapsed_days_are_those_of_the_reference() {
    let calendar = calendar();
    for (start, end, elapsed) in [
        ("2025-09-26", "2025-10-13", 7),
        ("2025-01-24", "2025-02-10", 7),
        ("2026-02-12", "2026-02-25", 4),
        ("2025-10-13", "2025-10-13", 0),
        ("2025-10-13", "2025-09-26", 0),
    ] {
        let counted = calendar.elapsed_working_days(day(start), day(end));
        assert_eq!(counted, Ok(elapsed), "{start} to {end}");
    }
}

#[test]
fn both_years_have_248_working_days() {
    let calendar = calendar();
    for year in [2025, 2026] {
        let days = NaiveDate::from_ymd_opt(year, 1, 1).unwrap().iter_days();
        let days = days.take_while(|day| day.year() == year);
        assert_eq!(
            days.filter(|&day| calendar.is_working_day(day).unwrap())
                .count(),
            248
        );
    }
}

#[test]
fn suspended_days_do_not_count() {
    let calendar = calendar();
    let long = [pause("2025-09-25", "2025-10-15")];
    assert_eq!(
        calendar.due(day("2025-09-22"), 10, &[]),
        Ok(day("2025-10-11"))
    );
    assert_eq!(
        calendar.due(day("2025-09-22"), 10, &long),
        Ok(day("2025-10-27"))
    );
    assert_eq!(
        calendar.used(day("2025-09-22"), day("2025-10-15"), &long),
        Ok(2)
    );
    let short = [pause("2025-09-25", "2025-09-28")];
    assert_eq!(
        calendar.due(day("2025-09-22"), 5, &short),
        Ok(day("2025-10-09"))
    );
    let overlapping = [
        pause("2025-09-25", "2025-09-27"),
        pause("2025-09-26", "2025-09-28"),
    ];
    assert_eq!(
        calendar.due(day("2025-09-22"), 5, &overlapping),
        Ok(day("2025-10-09"))
    );
}

#[test]
fn natural_days_roll_to_a_working_day() {
    let calendar = calendar();
    for (start, n, due) in [
        ("2025-09-01", 7, "2025-09-08"),
        ("2025-09-24", 7, "2025-10-09"),
        ("2025-09-21", 7, "2025-09-28"),
        ("2025-12-02", 30, "2026-01-04"),
    ] {
        assert_eq!(
            calendar.add_natural_days(day(start), n),
            Ok(day(due)),
            "{start} + {n}"
        );
    }
}

#[test]
fn the_explanation_names_every_day() {
    use DayKind::{Holiday, MakeUp, Start, Suspended, Weekend, Working};
    let calendar = calendar();
    let notes = calendar.explain(day("2025-09-25"), 3, &[pause("2025-09-29", "2025-09-30")]);
    let notes = notes.unwrap();
    let told: Vec<_> = notes
        .iter()
        .map(|note| (note.date.day(), note.kind, note.count))
        .collect();
    let mut expected = vec![
        (25, Start, 0),
        (26, Working, 1),
        (27, Weekend, 1),
        (28, MakeUp, 2),
        (29, Suspended, 2),
        (30, Suspended, 2),
        (1, Holiday, 2),
        (2, Holiday, 2),
        (3, Holiday, 2),
        (4, Weekend, 2),
        (5, Weekend, 2),
    ];
    expected.extend([
        (6, Holiday, 2),
        (7, Holiday, 2),
        (8, Holiday, 2),
        (9, Working, 3),
    ]);
    assert_eq!(told, expected);
}

#[test]
fn a_year_that_is_not_loaded_is_an_error() {
    let calendar = calendar();
    let missing = CalendarError::YearMissing(2027);
    assert_eq!(
        calendar.add_working_days(day("2026-12-30"), 5),
        Err(missing.clone())
    );
    assert_eq!(
        calendar.is_working_day(day("2027-01-04")),
        Err(missing.clone())
    );
    assert_eq!(
        calendar.add_natural_days(day("2026-12-30"), 5),
        Err(missing.clone())
    );
    assert_eq!(
        calendar.explain(day("2026-12-30"), 5, &[]),
        Err(missing.clone())
    );
    let elapsed = calendar.elapsed_working_days(day("2026-12-30"), day("2027-01-04"));
    assert_eq!(elapsed, Err(missing));
    assert_eq!(
        calendar.add_working_days(day("2026-12-30"), 1),
        Ok(day("2026-12-31"))
    );
    let earlier = calendar.is_working_day(day("2024-12-31"));
    assert_eq!(earlier, Err(CalendarError::YearMissing(2024)));
}

#[test]
fn a_notice_may_name_days_of_its_neighbours() {
    let mut calendar = without_holidays();
    let notice = Year {
        year: 2026,
        off: words("2025-12-31 01-01"),
        work: words("2025-12-27"),
        provisional: false,
    };
    calendar.insert(&notice).unwrap();
    assert_eq!(calendar.is_working_day(day("2025-12-31")), Ok(false));
    assert_eq!(calendar.is_working_day(day("2025-12-27")), Ok(true));
    calendar
        .insert(&Year {
            year: 2026,
            off: vec![],
            work: vec![],
            provisional: false,
        })
        .unwrap();
    assert_eq!(
        calendar.is_working_day(day("2025-12-31")),
        Ok(true),
        "the notice was replaced"
    );
}

#[test]
fn a_wrong_notice_changes_nothing() {
    let mut calendar = calendar();
    let before = calendar.clone();
    for wrong in ["02-29", "13-01", "1-1", "2028-01-01", "", "二月"] {
        let notice = Year {
            year: 2026,
            off: words("05-01"),
            work: vec![wrong.to_owned()],
            provisional: false,
        };
        let fault = CalendarError::NoSuchDay {
            year: 2026,
            day: wrong.to_owned(),
        };
        assert_eq!(calendar.insert(&notice), Err(fault));
    }
    let notice = Year {
        year: 2026,
        off: words("05-01"),
        work: words("05-01"),
        provisional: false,
    };
    let fault = CalendarError::Contradiction(2026, day("2026-05-01"));
    assert_eq!(calendar.insert(&notice), Err(fault));
    assert_eq!(calendar, before);
}

#[test]
fn counting_forth_and_back_agree_from_every_day() {
    let calendar = calendar();
    for start in day("2025-01-01").iter_days().take(600) {
        for n in [1, 2, 3, 7, 20] {
            let due = calendar.add_working_days(start, n).unwrap();
            assert_eq!(
                calendar.elapsed_working_days(start, due),
                Ok(n),
                "{start} + {n}"
            );
            assert!(calendar.is_working_day(due).unwrap());
        }
    }
}

#[test]
fn a_provisional_year_counts_but_never_stands_before_the_official_one() {
    let mut calendar = without_holidays();
    let provisional = Year {
        year: 2026,
        off: words("01-01"),
        work: vec![],
        provisional: true,
    };
    calendar.insert(&provisional).unwrap();
    assert_eq!(
        calendar.add_working_days(day("2025-12-31"), 1),
        Ok(day("2026-01-02"))
    );
    assert!(calendar.is_provisional(day("2026-01-02")));
    assert!(!calendar.is_provisional(day("2025-12-31")));
    let official = Year {
        off: words("01-01 01-02 01-03"),
        work: words("01-04"),
        provisional: false,
        ..provisional.clone()
    };
    calendar.insert(&official).unwrap();
    // Whatever is loaded later.
    calendar.insert(&provisional).unwrap();
    assert_eq!(
        calendar.add_working_days(day("2025-12-31"), 1),
        Ok(day("2026-01-04"))
    );
    assert!(!calendar.is_provisional(day("2026-01-04")));
}
