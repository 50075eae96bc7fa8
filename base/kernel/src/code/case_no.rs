//! Case numbers (办件编号): region 6, organisation code 9, date 8, serial 6, check 1.
//!
//! Our own layout: the national formats fix only a width of 50.

use std::fmt;

use chrono::NaiveDate;

use super::{is_alphanumeric, is_digits, mod37_36, normalise, piece};
use crate::Text;

const LAST_SERIAL: u32 = 999_999;

/// A checked case number of 30 characters; a sub-case of a joint matter has `-01` to `-99` behind.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct CaseNo(String);

impl CaseNo {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn area(&self) -> &str {
        piece(&self.0, 0, 6)
    }

    pub fn org(&self) -> &str {
        piece(&self.0, 6, 15)
    }

    pub fn date(&self) -> Option<NaiveDate> {
        NaiveDate::parse_from_str(piece(&self.0, 15, 23), "%Y%m%d").ok()
    }

    pub fn serial(&self) -> u32 {
        piece(&self.0, 23, 29).parse().unwrap_or_default()
    }

    /// The number of the sub-case, if this is one.
    pub fn sub(&self) -> Option<u8> {
        self.0.get(31..33)?.parse().ok()
    }

    /// The joint case of a sub-case, and any other case itself.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(piece(&self.0, 0, 30).to_owned())
    }

    /// The number of the n-th sub-case, 1 to 99, of this case or its parent.
    pub fn with_sub(&self, n: u8) -> Result<Self, CaseNoError> {
        if !(1..=99).contains(&n) {
            return Err(CaseNoError::Sub);
        }
        Ok(Self(format!("{}-{n:02}", self.parent())))
    }
}

impl fmt::Display for CaseNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(CaseNo, CaseNoError);

/// Why a text is no case number, or why none can be built; the first fault in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaseNoError {
    #[error("case number needs 30 characters, a sub-case 33")]
    Length,
    #[error("region in the case number is not six digits")]
    Area,
    #[error("body in the case number is not nine digits or letters")]
    Org,
    #[error("date in the case number does not exist")]
    Date,
    #[error("serial in the case number is not 1 to 999999")]
    Serial,
    #[error("check character of the case number is wrong")]
    Check,
    #[error("sub-case is not 1 to 99")]
    Sub,
}

impl CaseNoError {
    pub fn text(&self) -> Text {
        Text::new(match self {
            Self::Length => "kernel-case-no-length",
            Self::Area => "kernel-case-no-area",
            Self::Org => "kernel-case-no-org",
            Self::Date => "kernel-case-no-date",
            Self::Serial => "kernel-case-no-serial",
            Self::Check => "kernel-case-no-check",
            Self::Sub => "kernel-case-no-sub",
        })
    }
}

findable!(CaseNoError);

/// The number of the `serial`-th case that the body received on that day.
pub fn build(area: &str, org: &str, date: NaiveDate, serial: u32) -> Result<CaseNo, CaseNoError> {
    if area.len() != 6 || !is_digits(area) {
        return Err(CaseNoError::Area);
    }
    if org.len() != 9 || !is_alphanumeric(org) {
        return Err(CaseNoError::Org);
    }
    if !(1..=LAST_SERIAL).contains(&serial) {
        return Err(CaseNoError::Serial);
    }
    let day = date.format("%Y%m%d").to_string();
    if day.len() != 8 {
        return Err(CaseNoError::Date);
    }
    let body = format!("{area}{org}{day}{serial:06}");
    let check = mod37_36::check_character(&body).ok_or(CaseNoError::Org)?;
    Ok(CaseNo(format!("{body}{check}")))
}

/// Reads the number of a case or a sub-case.
pub fn parse(text: &str) -> Result<CaseNo, CaseNoError> {
    let number = normalise(text);
    if !matches!(number.chars().count(), 30 | 33) {
        return Err(CaseNoError::Length);
    }
    if !is_digits(piece(&number, 0, 6)) {
        return Err(CaseNoError::Area);
    }
    if !is_alphanumeric(piece(&number, 6, 15)) {
        return Err(CaseNoError::Org);
    }
    let case_no = CaseNo(number);
    if !is_digits(piece(&case_no.0, 15, 23)) || case_no.date().is_none() {
        return Err(CaseNoError::Date);
    }
    if !is_digits(piece(&case_no.0, 23, 29)) || case_no.serial() == 0 {
        return Err(CaseNoError::Serial);
    }
    if !mod37_36::is_valid(piece(&case_no.0, 0, 30)) {
        return Err(CaseNoError::Check);
    }
    check_sub(&case_no.0)?;
    Ok(case_no)
}

fn check_sub(number: &str) -> Result<(), CaseNoError> {
    let Some(suffix) = number.get(30..).filter(|suffix| !suffix.is_empty()) else {
        return Ok(());
    };
    match suffix.strip_prefix('-') {
        Some(n) if is_digits(n) && n != "00" => Ok(()),
        _ => Err(CaseNoError::Sub),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "35010000000001920250926000001Y";

    fn day() -> NaiveDate {
        NaiveDate::from_ymd_opt(2025, 9, 26).unwrap()
    }

    #[test]
    fn numbers_are_built_with_their_check_character() {
        assert_eq!(
            build("350100", "000000019", day(), 1).unwrap().as_str(),
            NUMBER
        );
        let next = build("350100", "000000019", day(), 2).unwrap();
        assert_eq!(next.as_str(), "35010000000001920250926000002W");
    }

    #[test]
    fn a_number_tells_its_parts() {
        let case_no = parse(&format!(" {} ", NUMBER.to_lowercase())).unwrap();
        assert_eq!((case_no.area(), case_no.org()), ("350100", "000000019"));
        assert_eq!((case_no.date(), case_no.serial()), (Some(day()), 1));
        assert_eq!(case_no.sub(), None);
        assert_eq!(case_no.parent(), case_no);
    }

    #[test]
    fn a_sub_case_hangs_on_its_parent() {
        let parent = parse(NUMBER).unwrap();
        let sub = parent.with_sub(3).unwrap();
        assert_eq!(sub.as_str(), format!("{NUMBER}-03"));
        assert_eq!(parse(sub.as_str()), Ok(sub.clone()));
        assert_eq!((sub.sub(), sub.parent()), (Some(3), parent.clone()));
        assert_eq!(sub.with_sub(4), parent.with_sub(4));
        assert_eq!(parent.with_sub(0), Err(CaseNoError::Sub));
        assert_eq!(parent.with_sub(100), Err(CaseNoError::Sub));
    }

    #[test]
    fn faults_are_named() {
        for (text, fault) in [
            ("35010000000001920250926000001", CaseNoError::Length),
            ("35010000000001920250926000001Z", CaseNoError::Check),
            ("3501A000000001920250926000001Y", CaseNoError::Area),
            ("350100000000-1920250926000001Y", CaseNoError::Org),
            ("35010000000001920250931000001Y", CaseNoError::Date),
            ("3501000000000192025+926000001Y", CaseNoError::Date),
            ("35010000000001920250926000000Y", CaseNoError::Serial),
            ("35010000000001920250926000001Y-00", CaseNoError::Sub),
            ("35010000000001920250926000001Y001", CaseNoError::Sub),
            ("汉5010000000001920250926000001Y", CaseNoError::Area),
        ] {
            assert_eq!(parse(text), Err(fault), "{text}");
        }
        assert_eq!(
            build("35010", "000000019", day(), 1),
            Err(CaseNoError::Area)
        );
        assert_eq!(build("350100", "00000001", day(), 1), Err(CaseNoError::Org));
        assert_eq!(
            build("350100", "000000019", day(), 0),
            Err(CaseNoError::Serial)
        );
        assert_eq!(
            build("350100", "000000019", day(), 1_000_000),
            Err(CaseNoError::Serial)
        );
    }
}
