//! Region codes (行政区划代码): GB/T 2260 down to the county, then town and village of the
//! statistical code (GB/T 10114).
//!
//! Only structure is known here. Which codes exist, and existed, is data: codes change yearly.

use std::fmt;

use super::{is_digits, normalise, piece};
use crate::Text;

/// The provinces of GB/T 2260 by prefix: a closed set, unlike everything below it.
pub const PROVINCES: [(&str, &str); 34] = [
    ("11", "北京"),
    ("12", "天津"),
    ("13", "河北"),
    ("14", "山西"),
    ("15", "内蒙古"),
    ("21", "辽宁"),
    ("22", "吉林"),
    ("23", "黑龙江"),
    ("31", "上海"),
    ("32", "江苏"),
    ("33", "浙江"),
    ("34", "安徽"),
    ("35", "福建"),
    ("36", "江西"),
    ("37", "山东"),
    ("41", "河南"),
    ("42", "湖北"),
    ("43", "湖南"),
    ("44", "广东"),
    ("45", "广西"),
    ("46", "海南"),
    ("50", "重庆"),
    ("51", "四川"),
    ("52", "贵州"),
    ("53", "云南"),
    ("54", "西藏"),
    ("61", "陕西"),
    ("62", "甘肃"),
    ("63", "青海"),
    ("64", "宁夏"),
    ("65", "新疆"),
    ("71", "台湾"),
    ("81", "香港"),
    ("82", "澳门"),
];

/// Stands for the nation in codes of national bodies.
const NATION: &str = "100000";

/// The name of the province with this two-digit prefix.
pub fn province_name(prefix: &str) -> Option<&'static str> {
    PROVINCES
        .iter()
        .find(|(code, _)| *code == prefix)
        .map(|(_, name)| *name)
}

/// The six levels of government; the greater is the lower. Written `1` to `6` in matter codes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Nation,
    Province,
    City,
    County,
    Town,
    Village,
}

impl Level {
    const ALL: [Self; 6] = [
        Self::Nation,
        Self::Province,
        Self::City,
        Self::County,
        Self::Town,
        Self::Village,
    ];

    /// From the digit `1` (nation) to `6` (village).
    pub fn from_digit(digit: char) -> Option<Self> {
        let place = digit.to_digit(10)?.checked_sub(1)?;
        Self::ALL.get(usize::try_from(place).ok()?).copied()
    }

    /// The digit `1` (nation) to `6` (village).
    pub fn digit(self) -> char {
        match self {
            Self::Nation => '1',
            Self::Province => '2',
            Self::City => '3',
            Self::County => '4',
            Self::Town => '5',
            Self::Village => '6',
        }
    }
}

/// What the running number of a town says about its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TownKind {
    /// 街道
    Subdistrict,
    /// 镇
    Town,
    /// 乡
    Township,
    /// 政企合一单位
    Enterprise,
}

/// A well-formed region code in its shortest form: 6 digits down to the county, 9 for a town, 12
/// for a village. It need not exist.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Region(String);

impl Region {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Twelve digits, as statistics and many exchange formats write every level.
    pub fn padded(&self) -> String {
        format!("{:0<12}", self.0)
    }

    pub fn level(&self) -> Level {
        match self.0.len() {
            12 => Level::Village,
            9 => Level::Town,
            _ if self.0 == NATION => Level::Nation,
            _ if piece(&self.0, 4, 6) != "00" => Level::County,
            _ if piece(&self.0, 2, 4) != "00" => Level::City,
            _ => Level::Province,
        }
    }

    /// The region above by structure: the last group that is not zero is dropped. Some parents
    /// are placeholders (`110100`, `469000`) that a civil-affairs list does not name; look
    /// further up then.
    pub fn parent(&self) -> Option<Self> {
        let parent = match self.level() {
            Level::Nation => return None,
            Level::Province => NATION.to_owned(),
            Level::City => format!("{}0000", self.province()),
            Level::County => format!("{}00", piece(&self.0, 0, 4)),
            Level::Town => piece(&self.0, 0, 6).to_owned(),
            Level::Village => piece(&self.0, 0, 9).to_owned(),
        };
        Some(Self(parent))
    }

    /// The regions above, nearest first, ending in the nation.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// Whether the other region is this one or lies in it.
    pub fn contains(&self, other: &Self) -> bool {
        self.level() == Level::Nation || other.0.starts_with(self.stem())
    }

    /// The first two digits.
    pub fn province(&self) -> &str {
        piece(&self.0, 0, 2)
    }

    pub fn province_name(&self) -> Option<&'static str> {
        province_name(self.province())
    }

    /// What kind of town this town is; `None` for every other level.
    pub fn town_kind(&self) -> Option<TownKind> {
        match piece(&self.0, 6, 7) {
            "0" => Some(TownKind::Subdistrict),
            "1" => Some(TownKind::Town),
            "2" | "3" => Some(TownKind::Township),
            "4" | "5" => Some(TownKind::Enterprise),
            _ => None,
        }
        .filter(|_| self.level() == Level::Town)
    }

    /// The digits that all regions inside share.
    pub fn stem(&self) -> &str {
        match self.level() {
            Level::Nation => "",
            Level::Province => self.province(),
            Level::City => piece(&self.0, 0, 4),
            _ => &self.0,
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(Region, RegionError);

/// Why a text is no region code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegionError {
    #[error("region code needs 6, 9 or 12 digits")]
    Length,
    #[error("region code holds a character that is no digit")]
    Charset,
    #[error("no province has this prefix")]
    Province,
    #[error("region code skips a level")]
    Gap,
}

impl RegionError {
    pub fn text(&self) -> Text {
        Text::new(match self {
            Self::Length => "kernel-region-length",
            Self::Charset => "kernel-region-charset",
            Self::Province => "kernel-region-province",
            Self::Gap => "kernel-region-gap",
        })
    }
}

findable!(RegionError);

/// Reads 6, 9 or 12 digits; trailing zero groups mean the level above.
pub fn parse(text: &str) -> Result<Region, RegionError> {
    let mut code = normalise(text);
    if !matches!(code.chars().count(), 6 | 9 | 12) {
        return Err(RegionError::Length);
    }
    if !is_digits(&code) {
        return Err(RegionError::Charset);
    }
    while code.len() > 6 && code.ends_with("000") {
        code.truncate(code.len() - 3);
    }
    if code != NATION && province_name(piece(&code, 0, 2)).is_none() {
        return Err(RegionError::Province);
    }
    let skips_city = piece(&code, 2, 4) == "00" && piece(&code, 4, 6) != "00";
    let skips_town = code.len() == 12 && piece(&code, 6, 9) == "000";
    if skips_city || skips_town {
        return Err(RegionError::Gap);
    }
    Ok(Region(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(text: &str) -> Region {
        parse(text).unwrap()
    }

    #[test]
    fn each_length_has_its_level_and_parent() {
        for (text, short, level, parent) in [
            ("100000", "100000", Level::Nation, None),
            ("110000", "110000", Level::Province, Some("100000")),
            ("321000", "321000", Level::City, Some("320000")),
            ("321002", "321002", Level::County, Some("321000")),
            ("321002001", "321002001", Level::Town, Some("321002")),
            (
                "321002001003",
                "321002001003",
                Level::Village,
                Some("321002001"),
            ),
            ("110101000000", "110101", Level::County, Some("110100")),
            ("321002001000", "321002001", Level::Town, Some("321002")),
            ("320000000", "320000", Level::Province, Some("100000")),
        ] {
            let region = region(text);
            assert_eq!(region.as_str(), short);
            assert_eq!(region.level(), level, "{text}");
            assert_eq!(
                region.parent().as_ref().map(Region::as_str),
                parent,
                "{text}"
            );
        }
        assert_eq!(region("321002").padded(), "321002000000");
        let above: Vec<_> = region("321002001").ancestors().map(String::from).collect();
        assert_eq!(above, ["321002", "321000", "320000", "100000"]);
    }

    #[test]
    fn a_region_contains_what_lies_in_it_and_itself() {
        let county = region("321002");
        for above in ["100000", "320000", "321000", "321002"] {
            assert!(region(above).contains(&county), "{above}");
        }
        for elsewhere in ["330000", "321100", "321003", "321002001"] {
            assert!(!region(elsewhere).contains(&county), "{elsewhere}");
        }
    }

    #[test]
    fn faults_are_named() {
        for (text, fault) in [
            ("11", RegionError::Length),
            ("1101010", RegionError::Length),
            ("1101O1", RegionError::Charset),
            ("000000", RegionError::Province),
            ("990101", RegionError::Province),
            ("100001", RegionError::Province),
            ("110001", RegionError::Gap),
            ("110101000001", RegionError::Gap),
        ] {
            assert_eq!(parse(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn a_towns_number_tells_its_kind() {
        assert_eq!(region("321002001").town_kind(), Some(TownKind::Subdistrict));
        assert_eq!(region("321002100").town_kind(), Some(TownKind::Town));
        assert_eq!(region("321002399").town_kind(), Some(TownKind::Township));
        assert_eq!(region("321002401").town_kind(), Some(TownKind::Enterprise));
        assert_eq!(region("321002").town_kind(), None);
        assert_eq!(region("321002001002").town_kind(), None);
    }

    #[test]
    fn levels_have_digits() {
        for level in Level::ALL {
            assert_eq!(Level::from_digit(level.digit()), Some(level));
        }
        assert_eq!(Level::from_digit('0'), None);
        assert_eq!(Level::from_digit('7'), None);
        assert!(Level::Nation < Level::Village);
    }
}
