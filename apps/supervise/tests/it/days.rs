//! Days that the tests speak of.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use kernel::calendar::{Calendar, Year};

/// The State Council's arrangement of 2025.
pub fn calendar() -> Calendar {
    let off = "01-01 01-28 01-29 01-30 01-31 02-01 02-02 02-03 02-04 04-04 04-05 04-06 05-01 05-02 05-03 \
               05-04 05-05 05-31 06-01 06-02 10-01 10-02 10-03 10-04 10-05 10-06 10-07 10-08";
    let work = "01-26 02-08 04-27 09-28 10-11";
    let days = |list: &str| list.split_whitespace().map(str::to_owned).collect();
    let mut calendar = Calendar::new();
    calendar
        .insert(&Year {
            year: 2025,
            off: days(off),
            work: days(work),
            provisional: false,
        })
        .unwrap();
    calendar
}

pub fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Ten o'clock in the morning in China.
pub fn morning(text: &str) -> DateTime<Utc> {
    date(text)
        .and_time(NaiveTime::from_hms_opt(2, 0, 0).unwrap())
        .and_utc()
}
