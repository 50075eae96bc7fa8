//! Firms, each computed from its place alone.

use chrono::{Days, NaiveDate};
use kernel::code::uscc;

use crate::{Dice, Settings, household, today, words};

/// A firm as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firm {
    pub index: u64,
    /// Unified social credit code, of a whole province.
    pub code: String,
    pub name: String,
    pub address: String,
    pub phone: String,
    pub founded: NaiveDate,
    /// In 10,000 yuan.
    pub capital: u64,
}

/// The firm of a place below [`Settings::firms`].
pub fn firm(settings: &Settings, index: u64) -> Firm {
    let mut dice = Dice::new(settings.seed, index.wrapping_mul(2) + 0x4000_0000_0000_0001);
    let brand = dice.pick(&words::BRANDS).unwrap_or_default();
    let second = dice.letter(words::GIVEN.first().copied().unwrap_or_default());
    let trade = dice.pick(&words::TRADES).unwrap_or_default();
    let body = format!("MA{:06}", index % 1_000_000);
    // A body of these characters always has a code; an empty one would be seen at once.
    let code = uscc::build("91", "320000", &body).map(|code| code.as_str().to_owned());
    Firm {
        index,
        code: code.unwrap_or_default(),
        name: format!(
            "云港市{brand}{}{index}{trade}有限公司",
            second.unwrap_or('合')
        ),
        address: household::address(&mut dice),
        phone: format!("0000-6{:07}", index % 10_000_000),
        founded: today()
            .checked_sub_days(Days::new(100 + dice.below(9_000)))
            .unwrap_or_default(),
        capital: (1 + dice.below(200)) * 10,
    }
}
