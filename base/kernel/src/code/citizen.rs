//! Citizen identity numbers (公民身份号码, GB 11643): 17 digits and an ISO 7064 MOD 11-2 check.

use std::{fmt, sync::OnceLock};

use chrono::{Datelike, NaiveDate};

use super::region::province_name;
use super::{is_digits, normalise, piece};
use crate::Text;

/// Taiwan residents' permits; not a province of GB/T 2260, so only known here.
const TAIWAN_PERMIT: &str = "83";

const EARLIEST_YEAR: i32 = 1850;

/// Sex as the number tells it: odd sequence male, even female.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    Male,
    Female,
}

impl Sex {
    /// The code of GB/T 2261.1.
    pub fn code(self) -> &'static str {
        match self {
            Self::Male => "1",
            Self::Female => "2",
        }
    }
}

/// A checked number and what it says.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Citizen {
    number: String,
    birth: NaiveDate,
}

impl Citizen {
    /// Eighteen characters, capital X.
    pub fn number(&self) -> &str {
        &self.number
    }

    pub fn birth(&self) -> NaiveDate {
        self.birth
    }

    pub fn sex(&self) -> Sex {
        let is_male = self.number.as_bytes().get(16).is_some_and(|b| b % 2 == 1);
        if is_male { Sex::Male } else { Sex::Female }
    }

    /// The six digits in front: where the number was first given, not where its holder lives.
    pub fn region(&self) -> &str {
        piece(&self.number, 0, 6)
    }

    /// Full years on that day. Who was born on 29 February gets older on 1 March in other years.
    pub fn age_on(&self, day: NaiveDate) -> u32 {
        day.years_since(self.birth).unwrap_or_default()
    }
}

/// Shows only region and year, because what is printed for debugging ends in logs.
impl fmt::Debug for Citizen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Citizen({}********)", piece(&self.number, 0, 10))
    }
}

/// Which region prefixes ever existed. An old number keeps the prefix of an abolished county, so
/// today's list is not enough.
pub trait RegionHistory {
    /// Whether six digits can have named a county, city or province when a person born on that
    /// day got her number; true where no list of those years is at hand.
    fn may_have_existed(&self, region: &str, birth: NaiveDate) -> bool;
}

static HISTORY: OnceLock<Box<dyn RegionHistory + Send + Sync>> = OnceLock::new();

/// Lets [`parse`] refuse prefixes that never existed, from now on and everywhere in the process;
/// the table is data, which a block above brings once while the program is put together. A second
/// table is passed over.
pub fn use_history(history: impl RegionHistory + Send + Sync + 'static) {
    drop(HISTORY.set(Box::new(history)));
}

/// What a number is checked against.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Births after this day are refused.
    pub today: NaiveDate,
    /// Refuse province-level prefixes (`xx0000`), which nobody holds but samples and synthetic
    /// people.
    pub is_county_required: bool,
    /// Accept the 2023 permanent-resident card of foreigners (first digit 9). Its layout is not
    /// verified against the official text, so it is off unless a setting turns it on.
    pub accepts_foreign_residents: bool,
    /// Refuse prefixes that never existed; without it only the province is checked.
    pub history: Option<&'a dyn RegionHistory>,
}

impl Rules<'_> {
    pub fn on(today: NaiveDate) -> Self {
        Self {
            today,
            is_county_required: false,
            accepts_foreign_residents: false,
            history: None,
        }
    }
}

/// Why a text is no citizen number; the first fault in the order of the variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CitizenError {
    #[error("citizen number needs 18 characters, found {0}")]
    Length(usize),
    #[error("citizen number holds a character that does not belong")]
    Charset,
    #[error("citizen number begins with an unknown region")]
    Region,
    #[error("citizen number holds a date that does not exist")]
    Date,
    #[error("citizen number holds a birth date before 1850 or in the future")]
    DateRange,
    #[error("check character of the citizen number is wrong")]
    Check,
}

impl CitizenError {
    /// The stable reason code for interfaces and statistics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Length(_) => "LENGTH",
            Self::Charset => "CHARSET",
            Self::Region => "REGION",
            Self::Date | Self::DateRange => "DATE",
            Self::Check => "CHECK_DIGIT",
        }
    }

    pub fn text(&self) -> Text {
        match self {
            Self::Length(found) => Text::new("kernel-citizen-length").with("found", found),
            Self::Charset => Text::new("kernel-citizen-charset"),
            Self::Region => Text::new("kernel-citizen-region"),
            Self::Date => Text::new("kernel-citizen-date"),
            Self::DateRange => Text::new("kernel-citizen-date-range"),
            Self::Check => Text::new("kernel-citizen-check"),
        }
    }
}

findable!(CitizenError);

/// Reads an 18-character number with the ordinary rules and the history of regions, once
/// [`use_history`] has brought one; [`parse_with`] has the stricter ones.
pub fn parse(text: &str, today: NaiveDate) -> Result<Citizen, CitizenError> {
    let rules = Rules {
        history: HISTORY
            .get()
            .map(|history| &**history as &dyn RegionHistory),
        ..Rules::on(today)
    };
    parse_with(text, &rules)
}

/// Reads an 18-character number by the given rules.
pub fn parse_with(text: &str, rules: &Rules<'_>) -> Result<Citizen, CitizenError> {
    let number = normalise(text);
    let found = number.chars().count();
    if found != 18 {
        return Err(CitizenError::Length(found));
    }
    let (body, last) = (piece(&number, 0, 17), piece(&number, 17, 18));
    if !is_digits(body) || !(is_digits(last) || last == "X") {
        return Err(CitizenError::Charset);
    }
    check_region(&number, rules)?;
    let birth = birth_of(piece(&number, 6, 14))?;
    if birth.year() < EARLIEST_YEAR || birth > rules.today {
        return Err(CitizenError::DateRange);
    }
    if check_character(body) != last.chars().next() {
        return Err(CitizenError::Check);
    }
    Ok(Citizen { number, birth })
}

/// The 18-character form of a number of the first generation (15 digits): the century 19 and a
/// check character are added.
pub fn lengthen(text: &str) -> Result<String, CitizenError> {
    let old = normalise(text);
    let found = old.chars().count();
    if found != 15 {
        return Err(CitizenError::Length(found));
    }
    if !is_digits(&old) {
        return Err(CitizenError::Charset);
    }
    complete(format!("{}19{}", piece(&old, 0, 6), piece(&old, 6, 15)))
}

/// The number of an invented person. Give a province-level prefix (`320000`), which nobody holds.
pub fn build(region: &str, birth: NaiveDate, sequence: u16) -> Result<String, CitizenError> {
    let body = format!("{region}{}{sequence:03}", birth.format("%Y%m%d"));
    if body.len() != 17 || !is_digits(&body) {
        return Err(CitizenError::Charset);
    }
    complete(body)
}

fn complete(body: String) -> Result<String, CitizenError> {
    let check = check_character(&body).ok_or(CitizenError::Charset)?;
    Ok(body + check.encode_utf8(&mut [0; 4]))
}

/// The check character of 17 digits.
pub fn check_character(body: &str) -> Option<char> {
    if body.len() != 17 {
        return None;
    }
    let carry = body
        .chars()
        .try_fold(0, |carry, c| Some((carry + c.to_digit(10)?) * 2 % 11))?;
    match (12 - carry) % 11 {
        10 => Some('X'),
        digit => char::from_digit(digit, 10),
    }
}

fn check_region(number: &str, rules: &Rules<'_>) -> Result<(), CitizenError> {
    if rules.accepts_foreign_residents && number.starts_with('9') {
        let is_known = province_name(piece(number, 1, 3)).is_some();
        return if is_known {
            Ok(())
        } else {
            Err(CitizenError::Region)
        };
    }
    let (province, region) = (piece(number, 0, 2), piece(number, 0, 6));
    if province == TAIWAN_PERMIT {
        return Ok(());
    }
    // Residents' permits of Hong Kong and Macao have no counties.
    let has_counties = !matches!(province, "81" | "82");
    let lacks_county = rules.is_county_required && has_counties && region.ends_with("00");
    let is_province = region.ends_with("0000");
    // A date that does not exist is told as such, by the check after this one.
    let birth = birth_of(piece(number, 6, 14)).ok();
    let never_existed = !is_province
        && has_counties
        && rules
            .history
            .zip(birth)
            .is_some_and(|(history, birth)| !history.may_have_existed(region, birth));
    if province_name(province).is_none() || lacks_county || never_existed {
        return Err(CitizenError::Region);
    }
    Ok(())
}

fn birth_of(digits: &str) -> Result<NaiveDate, CitizenError> {
    let number = |from, to| {
        piece(digits, from, to)
            .parse::<u32>()
            .map_err(|_| CitizenError::Date)
    };
    let year = i32::try_from(number(0, 4)?).map_err(|_| CitizenError::Date)?;
    NaiveDate::from_ymd_opt(year, number(4, 6)?, number(6, 8)?).ok_or(CitizenError::Date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    fn today() -> NaiveDate {
        day(2026, 11, 22)
    }

    #[test]
    fn valid_numbers_tell_birth_and_sex() {
        for (number, birth, sex) in [
            ("11010519491231002X", day(1949, 12, 31), Sex::Female),
            ("440524188001010014", day(1880, 1, 1), Sex::Male),
            ("110000190001010012", day(1900, 1, 1), Sex::Male),
            ("110000190001010020", day(1900, 1, 1), Sex::Female),
            ("11000019900101003X", day(1990, 1, 1), Sex::Male),
            ("320000200002290111", day(2000, 2, 29), Sex::Male),
            ("320000190402290288", day(1904, 2, 29), Sex::Female),
            ("440000198512310036", day(1985, 12, 31), Sex::Male),
            ("370000194508150440", day(1945, 8, 15), Sex::Female),
            ("650000201010101000", day(2010, 10, 10), Sex::Female),
            ("810000199001010019", day(1990, 1, 1), Sex::Male),
            ("820000199001010029", day(1990, 1, 1), Sex::Female),
            ("830000199001010039", day(1990, 1, 1), Sex::Male),
        ] {
            let citizen = parse(number, today()).unwrap();
            assert_eq!((citizen.birth(), citizen.sex()), (birth, sex), "{number}");
            assert_eq!(citizen.number(), number);
        }
    }

    #[test]
    fn typed_variants_are_brought_to_one_form() {
        for typed in [
            "11000019900101003x",
            " 11000019900101003X\n",
            "１１００００19900101003ｘ",
        ] {
            assert_eq!(
                parse(typed, today()).unwrap().number(),
                "11000019900101003X"
            );
        }
    }

    #[test]
    fn each_fault_has_its_reason() {
        for (number, reason) in [
            ("110105194912310021", "CHECK_DIGIT"),
            ("320000190002290289", "DATE"),
            ("110000199013010010", "DATE"),
            ("110000209901010015", "DATE"),
            ("000000199001010018", "REGION"),
            ("1100001990010100", "LENGTH"),
            ("1100001990O1010012", "CHARSET"),
            ("", "LENGTH"),
            ("11000019900101003Y", "CHARSET"),
            ("X10000199001010030", "CHARSET"),
            ("身份证号码身份证号码身份证号码身份证", "CHARSET"),
        ] {
            assert_eq!(
                parse(number, today()).unwrap_err().reason(),
                reason,
                "{number}"
            );
        }
    }

    #[test]
    fn a_birth_must_lie_between_1850_and_today() {
        let of = |birth| build("320000", birth, 1).unwrap();
        assert!(parse(&of(today()), today()).is_ok());
        assert!(parse(&of(day(1850, 1, 1)), today()).is_ok());
        for birth in [today().succ_opt().unwrap(), day(1849, 12, 31)] {
            assert_eq!(parse(&of(birth), today()), Err(CitizenError::DateRange));
        }
    }

    #[test]
    fn the_old_15_digits_become_18() {
        assert_eq!(lengthen("110105491231002").unwrap(), "11010519491231002X");
        assert_eq!(lengthen("11010549123100"), Err(CitizenError::Length(14)));
        assert_eq!(lengthen("11010549123100X"), Err(CitizenError::Charset));
    }

    struct Only(&'static [&'static str]);

    impl RegionHistory for Only {
        fn may_have_existed(&self, region: &str, birth: NaiveDate) -> bool {
            birth < day(1970, 1, 1) || self.0.contains(&region)
        }
    }

    #[test]
    fn a_region_that_never_existed_is_refused_and_an_abolished_one_is_not() {
        let history = Only(&["110105", "110103"]);
        let rules = Rules {
            history: Some(&history),
            ..Rules::on(today())
        };
        let of = |region| build(region, day(1980, 5, 6), 11).unwrap();
        assert!(parse_with(&of("110105"), &rules).is_ok());
        assert!(
            parse_with(&of("110103"), &rules).is_ok(),
            "abolished in 2010"
        );
        assert_eq!(parse_with(&of("110199"), &rules), Err(CitizenError::Region));
        let older = build("110199", day(1960, 5, 6), 11).unwrap();
        assert!(parse_with(&older, &rules).is_ok(), "no list of those years");
        assert!(
            parse_with(&of("110000"), &rules).is_ok(),
            "reserved for synthetic people"
        );
    }

    #[test]
    fn a_county_can_be_required() {
        let rules = Rules {
            is_county_required: true,
            ..Rules::on(today())
        };
        assert!(parse_with("11010519491231002X", &rules).is_ok());
        assert_eq!(
            parse_with("110000190001010012", &rules),
            Err(CitizenError::Region)
        );
        assert!(parse_with("810000199001010019", &rules).is_ok());
    }

    #[test]
    fn a_foreign_residents_card_needs_the_setting() {
        let card = complete("93115619900101001".to_owned()).unwrap();
        assert_eq!(parse(&card, today()), Err(CitizenError::Region));
        let rules = Rules {
            accepts_foreign_residents: true,
            ..Rules::on(today())
        };
        assert_eq!(parse_with(&card, &rules).unwrap().birth(), day(1990, 1, 1));
    }

    #[test]
    fn a_leap_day_birthday_is_reached_on_the_first_of_march() {
        let citizen = parse("320000200002290111", today()).unwrap();
        assert_eq!(citizen.age_on(day(2018, 2, 28)), 17);
        assert_eq!(citizen.age_on(day(2018, 3, 1)), 18);
        assert_eq!(citizen.age_on(day(2020, 2, 29)), 20);
        assert_eq!(citizen.age_on(day(1999, 1, 1)), 0);
    }

    #[test]
    fn built_numbers_parse_and_every_wrong_digit_is_seen() {
        use rand::{RngExt, SeedableRng};
        let mut rng = rand::rngs::StdRng::seed_from_u64(11_643);
        for _ in 0..2000 {
            let birth = day(1900, 1, 1) + chrono::Days::new(rng.random_range(0..46_000));
            let number = build("110000", birth, rng.random_range(0..1000)).unwrap();
            assert_eq!(parse(&number, today()).unwrap().birth(), birth);
            let at = rng.random_range(0..17);
            let mut changed = number.clone().into_bytes();
            changed[at] = b'0' + (changed[at] - b'0' + rng.random_range(1..10)) % 10;
            let changed = String::from_utf8(changed).unwrap();
            assert!(parse(&changed, today()).is_err(), "{number} {changed}");
        }
    }
}
