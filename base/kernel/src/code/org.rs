//! Organisation codes (组织机构代码, GB 11714): eight characters and a check character.

use std::fmt;

use super::{is_alphanumeric, normalise, piece};
use crate::Text;

const WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];

/// A checked organisation code, kept as nine characters without the hyphen.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Org(String);

impl Org {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is printed: `12345678-8`.
    pub fn printed(&self) -> String {
        format!("{}-{}", piece(&self.0, 0, 8), piece(&self.0, 8, 9))
    }
}

impl fmt::Display for Org {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(Org, OrgError);

/// Why a text is no organisation code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrgError {
    #[error("organisation code needs 9 characters")]
    Length,
    #[error("organisation code holds a character that is neither digit nor letter")]
    Charset,
    #[error("check character of the organisation code is wrong")]
    Check,
}

impl OrgError {
    pub fn text(&self) -> Text {
        Text::new(match self {
            Self::Length => "kernel-org-length",
            Self::Charset => "kernel-org-charset",
            Self::Check => "kernel-org-check",
        })
    }
}

findable!(OrgError);

/// Reads `XXXXXXXXC` or `XXXXXXXX-C`.
pub fn parse(text: &str) -> Result<Org, OrgError> {
    let mut code = normalise(text);
    if let Some((body, check)) = code.rsplit_once('-')
        && check.chars().count() == 1
    {
        code = format!("{body}{check}");
    }
    if code.chars().count() != 9 {
        return Err(OrgError::Length);
    }
    if !is_alphanumeric(&code) {
        return Err(OrgError::Charset);
    }
    if check_character(piece(&code, 0, 8)) != code.chars().last() {
        return Err(OrgError::Check);
    }
    Ok(Org(code))
}

/// The check character of an eight-character body of digits and capital letters.
pub fn check_character(body: &str) -> Option<char> {
    if body.len() != 8 || !is_alphanumeric(body) {
        return None;
    }
    let values = body.chars().filter_map(|c| c.to_digit(36));
    let sum: u32 = values
        .zip(WEIGHTS)
        .map(|(value, weight)| value * weight)
        .sum();
    match 11 - sum % 11 {
        10 => Some('X'),
        11 => Some('0'),
        digit => char::from_digit(digit, 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_and_our_own_samples_hold() {
        for printed in [
            "12345678-8",
            "D2143569-X",
            "MATEXT00-1",
            "00000001-9",
            "00000019-0",
            "MB000002-7",
        ] {
            let org = parse(printed).unwrap();
            assert_eq!(org.printed(), printed);
            assert_eq!(parse(org.as_str()), Ok(org));
        }
        assert_eq!(parse(" d2143569－x ").unwrap().as_str(), "D2143569X");
    }

    #[test]
    fn faults_are_named() {
        for (text, fault) in [
            ("12345678-9", OrgError::Check),
            ("1234567-8", OrgError::Length),
            ("", OrgError::Length),
            ("12345678-88", OrgError::Length),
            ("1234汉678-8", OrgError::Charset),
            ("1234-5678", OrgError::Charset),
            ("1234 678-8", OrgError::Charset),
        ] {
            assert_eq!(parse(text), Err(fault), "{text}");
        }
    }
}
