//! Unified social credit codes (统一社会信用代码, GB 32100): 17 characters and a MOD 31 check.

use std::fmt;

use super::region::province_name;
use super::{is_digits, normalise, org, piece};
use crate::Text;

/// Digits and letters without I, O, S, V, Z.
const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";

/// Registering authority (first character) and the types it may give (second character).
const TYPES: [(char, &str); 12] = [
    ('1', "1239"),
    ('2', "19"),
    ('3', "123459"),
    ('4', "19"),
    ('5', "1239"),
    ('6', "129"),
    ('7', "129"),
    ('8', "19"),
    ('9', "123"),
    ('A', "19"),
    ('N', "1239"),
    ('Y', "1"),
];

/// Not in the standard's table, but met in practice: committees of villages (54) and residents
/// (55), and two more.
const RARE_TYPES: [&str; 4] = ["54", "55", "G1", "J1"];

/// A checked code and what it says. Not personal, except for individual traders (92).
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Uscc(String);

impl Uscc {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Registering authority and type, such as `91` for an enterprise.
    pub fn kind(&self) -> &str {
        piece(&self.0, 0, 2)
    }

    /// The six digits of the registering body's region.
    pub fn region(&self) -> &str {
        piece(&self.0, 2, 8)
    }

    /// The organisation code inside, nine characters.
    pub fn org(&self) -> &str {
        piece(&self.0, 8, 17)
    }

    /// 个体工商户: the code stands for a person, and is masked where people are.
    pub fn is_individual_trader(&self) -> bool {
        self.kind() == "92"
    }

    /// What is unusual about the code without making it wrong.
    pub fn warnings(&self) -> Vec<UsccWarning> {
        let is_national = self.region() == "100000";
        let is_org_valid = org::check_character(piece(&self.0, 8, 16)) == self.0.chars().nth(16);
        [
            (RARE_TYPES.contains(&self.kind()), UsccWarning::RareType),
            (
                !is_national && province_name(piece(&self.0, 2, 4)).is_none(),
                UsccWarning::UnknownProvince,
            ),
            (!is_org_valid, UsccWarning::OrgCheck),
        ]
        .into_iter()
        .filter_map(|(holds, warning)| holds.then_some(warning))
        .collect()
    }
}

impl fmt::Display for Uscc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(Uscc, UsccError);

/// Why a text is no unified social credit code; the first fault in the order of the variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsccError {
    #[error("social credit code needs 18 characters, found {0}")]
    Length(usize),
    #[error("social credit code holds a character outside its alphabet")]
    Charset,
    #[error("social credit code begins with an unknown authority and type")]
    Type,
    #[error("region inside the social credit code is not six digits")]
    Region,
    #[error("check character of the social credit code is wrong")]
    Check,
}

impl UsccError {
    /// The stable reason code for interfaces and statistics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Length(_) => "LENGTH",
            Self::Charset => "CHARSET",
            Self::Type => "TYPE",
            Self::Region => "REGION",
            Self::Check => "CHECK",
        }
    }

    pub fn text(&self) -> Text {
        match self {
            Self::Length(found) => Text::new("kernel-uscc-length").with("found", found),
            Self::Charset => Text::new("kernel-uscc-charset"),
            Self::Type => Text::new("kernel-uscc-type"),
            Self::Region => Text::new("kernel-uscc-region"),
            Self::Check => Text::new("kernel-uscc-check"),
        }
    }
}

findable!(UsccError);

/// What is unusual about a code that is accepted all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsccWarning {
    /// The embedded organisation code fails its own check; some early codes do.
    OrgCheck,
    /// A type outside the standard's table that is met in practice.
    RareType,
    /// No province has this prefix.
    UnknownProvince,
}

impl UsccWarning {
    pub fn text(&self) -> Text {
        Text::new(match self {
            Self::OrgCheck => "kernel-uscc-warning-org-check",
            Self::RareType => "kernel-uscc-warning-rare-type",
            Self::UnknownProvince => "kernel-uscc-warning-unknown-province",
        })
    }
}

/// Reads a code; [`Uscc::warnings`] tells what is unusual about it.
pub fn parse(text: &str) -> Result<Uscc, UsccError> {
    let code = normalise(text);
    let found = code.chars().count();
    if found != 18 {
        return Err(UsccError::Length(found));
    }
    if !code.chars().all(|c| ALPHABET.contains(c)) {
        return Err(UsccError::Charset);
    }
    if !is_known_type(piece(&code, 0, 2)) {
        return Err(UsccError::Type);
    }
    if !is_digits(piece(&code, 2, 8)) {
        return Err(UsccError::Region);
    }
    if check_character(piece(&code, 0, 17)) != code.chars().last() {
        return Err(UsccError::Check);
    }
    Ok(Uscc(code))
}

/// The code of an invented body: authority and type, region of six digits, and the eight
/// characters of its organisation code; both check characters are added.
pub fn build(kind: &str, region: &str, org_body: &str) -> Result<Uscc, UsccError> {
    let org_check = org::check_character(org_body).ok_or(UsccError::Charset)?;
    let body = format!("{kind}{region}{org_body}{org_check}");
    let check = check_character(&body).ok_or(UsccError::Charset)?;
    parse(&format!("{body}{check}"))
}

/// The check character of the first 17 characters.
pub fn check_character(body: &str) -> Option<char> {
    if body.len() != 17 {
        return None;
    }
    let mut weight = 1;
    let mut sum = 0;
    for c in body.chars() {
        sum += ALPHABET.find(c)? * weight;
        weight = weight * 3 % 31;
    }
    ALPHABET.chars().nth((31 - sum % 31) % 31)
}

fn is_known_type(kind: &str) -> bool {
    let mut chars = kind.chars();
    let (Some(authority), Some(second)) = (chars.next(), chars.next()) else {
        return false;
    };
    RARE_TYPES.contains(&kind)
        || TYPES
            .iter()
            .any(|(known, seconds)| *known == authority && seconds.contains(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_codes_hold_without_a_warning() {
        for code in [
            "91110000123456788M",
            "91100000MATEXT0012",
            "92330000MACAFE0165",
            "93410000MADEED021K",
            "11110000000000019K",
            "12500000400000026C",
            "51310000500000031Y",
            "5232000050000004XP",
            "53440000500000058K",
            "N2370000MF00000569",
            "A11000000000000864",
            "Y1120000777777775F",
            "911100000000004570",
            "91110000000000334Y",
            "91350100M000100Y43",
            "11100000000013338W",
            "11100000000013661B",
            "12441500196720244T",
        ] {
            let uscc = parse(code).unwrap_or_else(|fault| unreachable!("{code}: {fault}"));
            assert_eq!(uscc.as_str(), code);
            assert_eq!(uscc.warnings(), [], "{code}");
        }
    }

    #[test]
    fn each_fault_has_its_reason() {
        for (code, reason) in [
            ("91110000123456788N", "CHECK"),
            ("91110000I23456788M", "CHARSET"),
            ("94110000123456788M", "TYPE"),
            ("9111000012345678M", "LENGTH"),
            ("9111A000123456788M", "REGION"),
            ("", "LENGTH"),
            ("统一社会信用代码统一社会信用代码统一", "CHARSET"),
        ] {
            assert_eq!(parse(code).unwrap_err().reason(), reason, "{code}");
        }
    }

    #[test]
    fn unusual_codes_are_accepted_with_a_warning() {
        let uscc = parse("91110000123456780W").unwrap();
        assert_eq!(uscc.warnings(), [UsccWarning::OrgCheck]);
        let village = build("54", "320000", "MF000001").unwrap();
        assert_eq!(village.warnings(), [UsccWarning::RareType]);
        let nowhere = build("91", "990000", "MA000001").unwrap();
        assert_eq!(nowhere.warnings(), [UsccWarning::UnknownProvince]);
    }

    #[test]
    fn the_parts_are_told() {
        let uscc = parse(" 91110000123456788m ").unwrap();
        assert_eq!(
            (uscc.kind(), uscc.region(), uscc.org()),
            ("91", "110000", "123456788")
        );
        assert!(!uscc.is_individual_trader());
        assert!(parse("92330000MACAFE0165").unwrap().is_individual_trader());
        assert_eq!(
            build("91", "110000", "12345678").unwrap().as_str(),
            "91110000123456788M"
        );
        assert_eq!(build("91", "110000", "1234567"), Err(UsccError::Charset));
        assert_eq!(build("9汉", "110000", "12345678"), Err(UsccError::Charset));
    }

    #[test]
    fn every_single_wrong_character_is_seen() {
        let code = "91350100M000100Y43";
        for at in 0..18 {
            for wrong in ALPHABET.chars() {
                let mut changed = code.to_owned();
                changed.replace_range(at..=at, wrong.encode_utf8(&mut [0; 4]));
                assert_eq!(parse(&changed).is_ok(), changed == code, "{changed}");
            }
        }
    }
}
