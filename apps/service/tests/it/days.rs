//! The calendar that tests count by.

use chrono::NaiveDate;
use kernel::calendar::{Calendar, Year};

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// 2025 and 2026 as the State Council published them.
pub fn calendar() -> Calendar {
    let mut calendar = Calendar::new();
    let spans = |year: i32, spans: &[(&str, &str)], work: &[&str]| {
        let mut off = Vec::new();
        for (first, last) in spans {
            let last = day(&format!("{year}-{last}"));
            let mut next = day(&format!("{year}-{first}"));
            while next <= last {
                off.push(next.to_string());
                next = next.succ_opt().unwrap();
            }
        }
        Year {
            year,
            off,
            work: work.iter().map(|w| (*w).to_owned()).collect(),
            provisional: false,
        }
    };
    let of_2025 = spans(
        2025,
        &[
            ("01-01", "01-01"),
            ("01-28", "02-04"),
            ("04-04", "04-06"),
            ("05-01", "05-05"),
            ("05-31", "06-02"),
            ("10-01", "10-08"),
        ],
        &["01-26", "02-08", "04-27", "09-28", "10-11"],
    );
    let of_2026 = spans(
        2026,
        &[
            ("01-01", "01-03"),
            ("02-15", "02-23"),
            ("04-04", "04-06"),
            ("05-01", "05-05"),
            ("06-19", "06-21"),
            ("09-25", "09-27"),
            ("10-01", "10-07"),
        ],
        &["01-04", "02-14", "02-28", "05-09", "09-20", "10-10"],
    );
    calendar.insert(&of_2025).unwrap();
    calendar.insert(&of_2026).unwrap();
    calendar
}
