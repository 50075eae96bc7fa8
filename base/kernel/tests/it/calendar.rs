//! The calendars of the base pack, day by day against an independent collection of the notices.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{Datelike, NaiveDate, Weekday};
use kernel::calendar::{Calendar, Year};

const YEARS: std::ops::RangeInclusive<i32> = 2007..=2026;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn pack_calendar() -> Calendar {
    let mut calendar = Calendar::new();
    for year in YEARS {
        let path = root().join(format!("packs/base-cn/calendars/{year}.toml"));
        let text = std::fs::read_to_string(path).unwrap();
        let notice: Year = toml::from_str(&text).unwrap();
        assert_eq!(notice.year, year);
        calendar.insert(&notice).unwrap();
    }
    calendar
}

#[test]
fn the_base_pack_has_every_year_and_plausible_totals() {
    let calendar = pack_calendar();
    assert_eq!(
        calendar.years().collect::<Vec<_>>(),
        YEARS.collect::<Vec<_>>()
    );
    for year in YEARS {
        let days = NaiveDate::from_ymd_opt(year, 1, 1).unwrap().iter_days();
        let days = days.take_while(|day| day.year() == year);
        let worked = days
            .filter(|&day| calendar.is_working_day(day).unwrap())
            .count();
        assert!((247..=253).contains(&worked), "{year}: {worked}");
    }
}

#[test]
fn every_day_from_2007_to_2026_agrees_with_the_collected_notices() {
    let folder = root().join("../shared/data/holidays");
    if !folder.is_dir() {
        eprintln!(
            "skipped: {} is not here, so there is nothing to compare with",
            folder.display()
        );
        return;
    }
    let mut named = BTreeMap::new();
    for year in YEARS {
        let text = std::fs::read_to_string(folder.join(format!("{year}.json"))).unwrap();
        let notice: serde_json::Value = serde_json::from_str(&text).unwrap();
        for day in notice["days"].as_array().unwrap() {
            let date: NaiveDate = day["date"].as_str().unwrap().parse().unwrap();
            named.insert(date, day["isOffDay"] == false);
        }
    }
    let calendar = pack_calendar();
    let days = NaiveDate::from_ymd_opt(*YEARS.start(), 1, 1)
        .unwrap()
        .iter_days();
    for day in days.take_while(|day| YEARS.contains(&day.year())) {
        let is_weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        let expected = named.get(&day).copied().unwrap_or(!is_weekend);
        assert_eq!(calendar.is_working_day(day), Ok(expected), "{day}");
    }
}
