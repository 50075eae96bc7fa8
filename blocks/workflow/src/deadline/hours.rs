//! When offices are open: a setting, because no law says it for the whole country.

use serde::{Deserialize, Serialize};

/// Minutes of the day in which working hours count, in order and apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfficeHours(Vec<(u32, u32)>);

/// Eight hours, the length of a working day by labour law, with the usual noon break.
pub const DEFAULT: &str = "09:00-12:00,13:00-18:00";

impl Default for OfficeHours {
    fn default() -> Self {
        Self(vec![(9 * 60, 12 * 60), (13 * 60, 18 * 60)])
    }
}

impl OfficeHours {
    /// `09:00-12:00,13:00-18:00`; an error says what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut spans: Vec<(u32, u32)> = Vec::new();
        for part in text.split(',') {
            let span = part
                .split_once('-')
                .and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
            let Some((from, to)) = span.filter(|(from, to)| from < to) else {
                return Err(format!(
                    "{part:?} is no time from and to; write {DEFAULT:?}"
                ));
            };
            if spans.last().is_some_and(|(_, before)| *before > from) {
                return Err(format!(
                    "{part:?} begins before the time in front of it ends; write {DEFAULT:?}"
                ));
            }
            spans.push((from, to));
        }
        Ok(Self(spans))
    }

    pub(super) fn spans(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// Minutes of a whole working day.
    pub fn minutes(&self) -> u32 {
        super::minutes(&self.0)
    }
}

impl std::fmt::Display for OfficeHours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, (from, to)) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            let clock = |minute: &u32| format!("{:02}:{:02}", minute / 60, minute % 60);
            write!(f, "{comma}{}-{}", clock(from), clock(to))?;
        }
        Ok(())
    }
}

fn minute(text: &str) -> Option<u32> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
    (minute < 60 && hour * 60 + minute <= 24 * 60).then_some(hour * 60 + minute)
}

/// Office hours by region: the first entry holds everywhere, later ones below a region code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HoursByRegion {
    everywhere: OfficeHours,
    regions: Vec<(String, OfficeHours)>,
}

impl HoursByRegion {
    /// `09:00-12:00,13:00-18:00; 65=10:00-14:00,15:30-19:30`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut found = Self::default();
        for entry in text.split(';').filter(|entry| !entry.trim().is_empty()) {
            match entry.split_once('=') {
                Some((region, hours)) => {
                    let region = region.trim();
                    if region.is_empty() || !region.bytes().all(|b| b.is_ascii_digit()) {
                        return Err(format!(
                            "{region:?} is no region code; write 65=10:00-14:00"
                        ));
                    }
                    let hours = OfficeHours::parse(hours)?;
                    found.regions.push((region.to_owned(), hours));
                }
                None => found.everywhere = OfficeHours::parse(entry)?,
            }
        }
        Ok(found)
    }

    /// The hours of the nearest region that the setting names.
    pub fn of(&self, region: &str) -> &OfficeHours {
        let named = self
            .regions
            .iter()
            .filter(|(code, _)| region.starts_with(code.as_str()))
            .max_by_key(|(code, _)| code.len());
        named.map_or(&self.everywhere, |(_, hours)| hours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_read_and_written_alike() {
        assert_eq!(OfficeHours::default(), OfficeHours::parse(DEFAULT).unwrap());
        assert_eq!(OfficeHours::default().to_string(), DEFAULT);
        assert_eq!(OfficeHours::default().minutes(), 480);
        assert_eq!(OfficeHours::parse("0:00-24:00").unwrap().minutes(), 1440);
        for wrong in [
            "",
            "9-12",
            "12:00-09:00",
            "09:00-25:00",
            "09:60-10:00",
            "09:00-12:00,11:00-13:00",
        ] {
            assert!(OfficeHours::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_nearest_region_says_when_its_offices_are_open() {
        let hours =
            HoursByRegion::parse("08:00-16:00; 65=10:00-14:00,15:30-19:30; 6501=10:00-18:00")
                .unwrap();
        assert_eq!(hours.of("330000").to_string(), "08:00-16:00");
        assert_eq!(hours.of("652300").to_string(), "10:00-14:00,15:30-19:30");
        assert_eq!(hours.of("650102").to_string(), "10:00-18:00");
        assert_eq!(hours.of("").to_string(), "08:00-16:00");
        assert!(HoursByRegion::parse("Xinjiang=10:00-18:00").is_err());
    }
}
