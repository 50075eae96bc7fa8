//! Which regions ever existed, as `base-cn` in the executable tells.

use std::collections::HashSet;

use chrono::{Datelike, NaiveDate};
use kernel::{Fault, Result, code::citizen::RegionHistory};

use crate::{File, Finding, Source};

/// Where the table is in a pack.
const FOLDER: &str = "history";

/// Years of birth for which the lists that the table is made of are without a gap. Counties that
/// were abolished before the oldest list are in none, and neither are those that came after the
/// newest; nobody born in those years is refused for it.
const LISTED: std::ops::RangeInclusive<i32> = 1999..=2023;

/// All codes of counties, cities and provinces that ever were, as far as lists go.
pub(crate) struct Regions(HashSet<u32>);

impl RegionHistory for Regions {
    fn may_have_existed(&self, region: &str, birth: NaiveDate) -> bool {
        !LISTED.contains(&birth.year()) || region.parse().is_ok_and(|code| self.0.contains(&code))
    }
}

impl Regions {
    pub(crate) fn embedded() -> Result<Self> {
        let mut all = HashSet::new();
        let source = Source::embedded("base-cn")?;
        for file in source.files().filter(|file| file.folder() == FOLDER) {
            all.extend(read(file).map_err(|finding| Fault::new(finding.to_string()))?);
        }
        Ok(Self(all))
    }
}

/// The codes of a table `code,name,from,until`.
pub(crate) fn read(file: &File) -> Result<Vec<u32>, Finding> {
    let mut reader = csv::Reader::from_reader(&*file.bytes);
    let mut codes = Vec::new();
    for (place, record) in reader.records().enumerate() {
        let line = u32::try_from(place).unwrap_or(u32::MAX).saturating_add(2);
        let remedy = "write code,name,from,until on every line; the years may be empty";
        let record = record.map_err(|e| Finding::new(file, line, e, remedy))?;
        let cell = |at| record.get(at).unwrap_or_default().trim();
        let code = cell(0);
        let number = code.parse().ok().filter(|_| code.len() == 6);
        let are_years = [cell(2), cell(3)]
            .iter()
            .all(|year| year.is_empty() || (year.len() == 4 && year.parse::<u16>().is_ok()));
        match number {
            Some(number) if are_years => codes.push(number),
            _ => {
                return Err(Finding::new(
                    file,
                    line,
                    "not a region code with years",
                    remedy,
                ));
            }
        }
    }
    Ok(codes)
}
