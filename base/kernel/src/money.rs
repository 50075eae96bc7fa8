//! Money as whole fen, so that no sum is ever rounded.

use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

use crate::{Finding, Text};

/// An amount in fen (1/100 yuan). Arithmetic is checked; there is no way through floating point.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Money(i64);

impl Money {
    pub const ZERO: Self = Self(0);

    pub fn from_fen(fen: i64) -> Self {
        Self(fen)
    }

    /// `None` where the amount does not fit.
    pub fn from_yuan(yuan: i64) -> Option<Self> {
        yuan.checked_mul(100).map(Self)
    }

    pub fn fen(self) -> i64 {
        self.0
    }

    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    pub fn checked_mul(self, times: i64) -> Option<Self> {
        self.0.checked_mul(times).map(Self)
    }

    /// The amount in capital Chinese numerals, as on receipts and decisions: 壹仟零贰拾元伍角整.
    pub fn capital(self) -> String {
        let fen = self.0.unsigned_abs();
        let (yuan, jiao, fen) = (fen / 100, fen / 10 % 10, fen % 10);
        let mut text = String::from(if self.0 < 0 { "负" } else { "" });
        if yuan > 0 || (jiao, fen) == (0, 0) {
            text.push_str(&integer(yuan));
            text.push('元');
        }
        // Between yuan and fen a missing jiao is written, or 1.05 and 1.50 would look alike.
        match (jiao, fen) {
            (0, 0) => {}
            (0, _) if yuan > 0 => text.push('零'),
            (0, _) => {}
            (jiao, _) => text.extend([digit(jiao), '角']),
        }
        if fen > 0 {
            text.extend([digit(fen), '分']);
        } else {
            text.push('整');
        }
        text
    }
}

/// `1,234.50`, without a currency sign.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fen = self.0.unsigned_abs();
        let yuan = (fen / 100).to_string();
        let mut grouped = String::new();
        for (place, c) in yuan.chars().enumerate() {
            if place > 0 && (yuan.len() - place).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(c);
        }
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{grouped}.{:02}", fen % 100)
    }
}

/// The sum, or `None` where it does not fit.
impl Sum<Money> for Option<Money> {
    fn sum<I: Iterator<Item = Money>>(mut amounts: I) -> Self {
        amounts.try_fold(Money::ZERO, Money::checked_add)
    }
}

/// Why a text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("amount is not written like 1234.50")]
    Format,
    #[error("amount has more than two digits behind the point")]
    Precision,
    #[error("amount is too large")]
    TooLarge,
}

impl MoneyError {
    pub fn text(&self) -> Text {
        Text::new(match self {
            Self::Format => "kernel-money-format",
            Self::Precision => "kernel-money-precision",
            Self::TooLarge => "kernel-money-too-large",
        })
    }

    /// This fault as a message at a form field, JSON pointer or column.
    pub fn at(&self, field: impl Into<String>) -> Finding {
        Finding::new(field, self.text())
    }
}

/// Reads `1234`, `1234.5`, `1,234.50`, with a minus in front if need be; blanks around and
/// full-width signs are forgiven.
impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let text = crate::code::normalise(text);
        let (sign, text) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.as_str()),
        };
        let (yuan, part) = text.split_once('.').unwrap_or((text, "0"));
        let yuan = ungroup(yuan).ok_or(MoneyError::Format)?;
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return Err(MoneyError::Format);
        }
        if part.len() > 2 {
            return Err(MoneyError::Precision);
        }
        let whole: i64 = format!("{yuan}{part:0<2}")
            .parse()
            .map_err(|_| MoneyError::TooLarge)?;
        Ok(Self(sign * whole))
    }
}

/// The digits without commas, which must stand before groups of three.
fn ungroup(yuan: &str) -> Option<String> {
    let mut groups = yuan.split(',');
    let first = groups.next()?;
    let rest: Vec<_> = groups.collect();
    let is_grouped = rest.is_empty() || first.len() <= 3;
    let are_full = rest.iter().all(|group| group.len() == 3);
    let digits = first.to_owned() + &rest.concat();
    let is_number = !first.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    (is_grouped && are_full && is_number).then_some(digits)
}

const DIGITS: [char; 10] = ['零', '壹', '贰', '叁', '肆', '伍', '陆', '柒', '捌', '玖'];
fn digit(value: u64) -> char {
    usize::try_from(value)
        .ok()
        .and_then(|value| DIGITS.get(value))
        .copied()
        .unwrap_or('零')
}

const UNITS: [(u64, char); 5] = [
    (100_000_000, '亿'),
    (10_000, '万'),
    (1000, '仟'),
    (100, '佰'),
    (10, '拾'),
];

/// A whole number; a run of zeros inside is written once, zeros at the end not at all.
fn integer(number: u64) -> String {
    let Some(&(size, unit)) = UNITS.iter().find(|(size, _)| number >= *size) else {
        return digit(number).to_string();
    };
    let mut text = integer(number / size);
    text.push(unit);
    let rest = number % size;
    if rest == 0 {
        return text;
    }
    if rest < size / 10 {
        text.push('零');
    }
    text + &integer(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn amounts_are_grouped_with_two_places() {
        for (fen, text) in [
            (0, "0.00"),
            (5, "0.05"),
            (-5, "-0.05"),
            (123_450, "1,234.50"),
            (99_999, "999.99"),
            (100_000_000, "1,000,000.00"),
            (-123_456_789, "-1,234,567.89"),
            (i64::MAX, "92,233,720,368,547,758.07"),
        ] {
            assert_eq!(Money::from_fen(fen).to_string(), text);
            assert_eq!(text.parse(), Ok(Money::from_fen(fen)));
        }
        assert_eq!(
            Money::from_fen(i64::MIN).to_string(),
            "-92,233,720,368,547,758.08"
        );
    }

    #[test]
    fn typed_amounts_are_read() {
        for (text, fen) in [
            ("1234", 123_400),
            ("1234.5", 123_450),
            (" １,２３４.５０ ", 123_450),
            ("1，234", 123_400),
            ("-0.01", -1),
            ("007", 700),
        ] {
            assert_eq!(text.parse(), Ok(Money::from_fen(fen)), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for (text, fault) in [
            ("", MoneyError::Format),
            ("abc", MoneyError::Format),
            ("1.", MoneyError::Format),
            (".5", MoneyError::Format),
            ("1,23", MoneyError::Format),
            ("1234,567", MoneyError::Format),
            (",123", MoneyError::Format),
            ("--1", MoneyError::Format),
            ("+1", MoneyError::Format),
            ("1e3", MoneyError::Format),
            ("1.-5", MoneyError::Format),
            ("¥5", MoneyError::Format),
            ("1.234", MoneyError::Precision),
            ("92233720368547758.08", MoneyError::TooLarge),
        ] {
            assert_eq!(text.parse::<Money>(), Err(fault), "{text}");
        }
    }

    #[test]
    fn sums_that_do_not_fit_are_none() {
        let parts = [money("0.10"), money("0.20"), money("0.03")];
        assert_eq!(
            parts.into_iter().sum::<Option<Money>>(),
            Some(money("0.33"))
        );
        let most = Money::from_fen(i64::MAX);
        assert_eq!(
            [most, money("0.01")].into_iter().sum::<Option<Money>>(),
            None
        );
        assert_eq!(most.checked_mul(2), None);
        assert_eq!(Money::from_yuan(i64::MAX), None);
        assert_eq!(
            money("1.00").checked_sub(money("1.01")),
            Some(money("-0.01"))
        );
    }

    #[test]
    fn capital_amounts_follow_the_rules_of_receipts() {
        for (text, capital) in [
            ("0", "零元整"),
            ("0.05", "伍分"),
            ("0.50", "伍角整"),
            ("0.55", "伍角伍分"),
            ("1", "壹元整"),
            ("10", "壹拾元整"),
            ("10.05", "壹拾元零伍分"),
            ("100.50", "壹佰元伍角整"),
            ("101", "壹佰零壹元整"),
            ("325.04", "叁佰贰拾伍元零肆分"),
            ("1000", "壹仟元整"),
            ("1001", "壹仟零壹元整"),
            ("1010.10", "壹仟零壹拾元壹角整"),
            ("1409.50", "壹仟肆佰零玖元伍角整"),
            ("1680.32", "壹仟陆佰捌拾元叁角贰分"),
            ("6007.14", "陆仟零柒元壹角肆分"),
            ("10000", "壹万元整"),
            ("10001", "壹万零壹元整"),
            ("10010", "壹万零壹拾元整"),
            ("100000", "壹拾万元整"),
            ("107000.53", "壹拾万柒仟元伍角叁分"),
            ("1000000", "壹佰万元整"),
            ("100000000", "壹亿元整"),
            ("100000001", "壹亿零壹元整"),
            ("100010000", "壹亿零壹万元整"),
            ("1000000000000", "壹万亿元整"),
            ("1000100000000", "壹万零壹亿元整"),
            ("-12.30", "负壹拾贰元叁角整"),
        ] {
            assert_eq!(money(text).capital(), capital, "{text}");
        }
        let most = Money::from_fen(i64::MAX).capital();
        assert!(most.starts_with("玖") && most.ends_with("零柒分"), "{most}");
    }
}
