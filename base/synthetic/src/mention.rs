//! How somebody writes a person down: with slips, gaps, and what held long ago.

use chrono::{Datelike, NaiveDate};

use crate::{Dice, Person, Sex, words};

/// How often each slip happens, of a thousand.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    pub number_missing: u32,
    pub number_of_old: u32,
    pub number_typo: u32,
    pub name_sound: u32,
    pub name_typo: u32,
    pub name_short: u32,
    pub birth_missing: u32,
    pub birth_part: u32,
    pub birth_swapped: u32,
    pub sex_missing: u32,
    pub sex_wrong: u32,
    pub phone_missing: u32,
    pub phone_stale: u32,
    pub phone_typo: u32,
    pub address_missing: u32,
    pub address_stale: u32,
    pub address_short: u32,
    /// Other ways of writing what is right: signs, full width, order.
    pub other_form: u32,
}

impl Habits {
    /// Of an office that looks at papers.
    pub fn careful() -> Self {
        Self {
            number_missing: 0,
            number_of_old: 0,
            number_typo: 2,
            name_sound: 3,
            name_typo: 2,
            name_short: 0,
            birth_missing: 0,
            birth_part: 1,
            birth_swapped: 0,
            sex_missing: 0,
            sex_wrong: 1,
            phone_missing: 40,
            phone_stale: 50,
            phone_typo: 3,
            address_missing: 0,
            address_stale: 40,
            address_short: 30,
            other_form: 0,
        }
    }

    /// Of somebody at a door, or of a telephone call.
    pub fn careless() -> Self {
        Self {
            number_missing: 550,
            number_of_old: 15,
            number_typo: 40,
            name_sound: 35,
            name_typo: 15,
            name_short: 5,
            birth_missing: 40,
            birth_part: 20,
            birth_swapped: 10,
            sex_missing: 20,
            sex_wrong: 4,
            phone_missing: 90,
            phone_stale: 120,
            phone_typo: 20,
            address_missing: 40,
            address_stale: 90,
            address_short: 150,
            other_form: 150,
        }
    }
}

/// What happened to something that was written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slip {
    NumberMissing,
    NumberOfOld,
    NumberTypo,
    NameSound,
    NameTypo,
    NameShort,
    BirthMissing,
    BirthPart,
    BirthSwapped,
    SexMissing,
    SexWrong,
    PhoneMissing,
    PhoneStale,
    PhoneTypo,
    AddressMissing,
    AddressStale,
    AddressShort,
}

impl Slip {
    pub fn name(self) -> &'static str {
        match self {
            Self::NumberMissing => "number_missing",
            Self::NumberOfOld => "number_of_old",
            Self::NumberTypo => "number_typo",
            Self::NameSound => "name_sound",
            Self::NameTypo => "name_typo",
            Self::NameShort => "name_short",
            Self::BirthMissing => "birth_missing",
            Self::BirthPart => "birth_part",
            Self::BirthSwapped => "birth_swapped",
            Self::SexMissing => "sex_missing",
            Self::SexWrong => "sex_wrong",
            Self::PhoneMissing => "phone_missing",
            Self::PhoneStale => "phone_stale",
            Self::PhoneTypo => "phone_typo",
            Self::AddressMissing => "address_missing",
            Self::AddressStale => "address_stale",
            Self::AddressShort => "address_short",
        }
    }
}

/// A person as somebody wrote her down; empty where nothing was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mention {
    pub number: String,
    pub name: String,
    /// Code of GB/T 2261.1.
    pub sex: String,
    pub birth: String,
    pub phone: String,
    pub address: String,
    pub slips: Vec<Slip>,
}

/// Writes a person down by these habits.
pub fn mention(dice: &mut Dice, person: &Person, habits: &Habits) -> Mention {
    let mut slips = Vec::new();
    Mention {
        number: number(dice, person, habits, &mut slips),
        name: name(dice, person, habits, &mut slips),
        sex: sex(dice, person, habits, &mut slips),
        birth: birth(dice, person, habits, &mut slips),
        phone: phone(dice, person, habits, &mut slips),
        address: address(dice, person, habits, &mut slips),
        slips,
    }
}

/// Whether a slip happens now; it is noted.
fn slips(dice: &mut Dice, of_thousand: u32, slip: Slip, noted: &mut Vec<Slip>) -> bool {
    let happens = dice.happens(of_thousand);
    if happens {
        noted.push(slip);
    }
    happens
}

fn number(dice: &mut Dice, person: &Person, habits: &Habits, noted: &mut Vec<Slip>) -> String {
    if slips(dice, habits.number_missing, Slip::NumberMissing, noted) {
        return String::new();
    }
    // Only those numbered before 1999 ever had 15 digits.
    let is_old = person.birth.year() < 1999 && person.birth.year() >= 1900;
    if is_old && slips(dice, habits.number_of_old, Slip::NumberOfOld, noted) {
        let digits = person.number.chars().enumerate();
        let kept = digits.filter(|(at, _)| !matches!(at, 6 | 7 | 17));
        return kept.map(|(_, digit)| digit).collect();
    }
    if slips(dice, habits.number_typo, Slip::NumberTypo, noted) {
        return typo(dice, &person.number);
    }
    if dice.happens(habits.other_form) {
        return full_width(&person.number);
    }
    person.number.clone()
}

/// Another digit somewhere, or two neighbours swapped.
fn typo(dice: &mut Dice, digits: &str) -> String {
    let mut letters: Vec<char> = digits.chars().collect();
    let at = dice.place(letters.len().saturating_sub(1));
    if dice.happens(300) && letters.get(at) != letters.get(at + 1) {
        letters.swap(at, at + 1);
    } else if let Some(slot) = letters.get_mut(at) {
        let old = slot.to_digit(10).unwrap_or_default();
        let more = 1 + u32::try_from(dice.below(9)).unwrap_or_default();
        *slot = char::from_digit((old + more) % 10, 10).unwrap_or('0');
    }
    letters.into_iter().collect()
}

fn full_width(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '!'..='~' => char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c),
            other => other,
        })
        .collect()
}

fn name(dice: &mut Dice, person: &Person, habits: &Habits, noted: &mut Vec<Slip>) -> String {
    let letters: Vec<char> = person.name.chars().collect();
    if slips(dice, habits.name_sound, Slip::NameSound, noted) {
        if let Some(other) = replaced(dice, &letters, &words::HOMOPHONES) {
            return other;
        }
        noted.pop();
    }
    if slips(dice, habits.name_typo, Slip::NameTypo, noted) {
        if let Some(other) = replaced(dice, &letters, &words::LOOKALIKES) {
            return other;
        }
        let mut changed = letters.clone();
        let own = words::GIVEN.get(usize::from(person.sex == Sex::Female));
        let letter = dice.letter(own.copied().unwrap_or_default());
        if let (Some(last), Some(letter)) = (changed.last_mut(), letter) {
            *last = letter;
        }
        return changed.into_iter().collect();
    }
    if letters.len() > 2 && slips(dice, habits.name_short, Slip::NameShort, noted) {
        return letters.iter().take(letters.len() - 1).collect();
    }
    if dice.happens(habits.other_form / 5) {
        return letters.iter().flat_map(|c| [*c, ' ']).collect();
    }
    person.name.clone()
}

/// One character for another of its set; nothing where no character has one.
fn replaced(dice: &mut Dice, letters: &[char], sets: &[&str]) -> Option<String> {
    let mut choices = Vec::new();
    for (at, letter) in letters.iter().enumerate() {
        let set = sets.iter().find(|set| set.contains(*letter));
        choices.extend(set.map(|set| (at, *set, *letter)));
    }
    let (at, set, old) = *choices.get(dice.place(choices.len()))?;
    let others: String = set.chars().filter(|c| *c != old).collect();
    let new = dice.letter(&others)?;
    let changed = letters.iter().enumerate();
    Some(
        changed
            .map(|(i, c)| if i == at { new } else { *c })
            .collect(),
    )
}

fn sex(dice: &mut Dice, person: &Person, habits: &Habits, noted: &mut Vec<Slip>) -> String {
    if slips(dice, habits.sex_missing, Slip::SexMissing, noted) {
        return String::new();
    }
    let is_wrong = slips(dice, habits.sex_wrong, Slip::SexWrong, noted);
    let sex = match (person.sex, is_wrong) {
        (Sex::Male, false) | (Sex::Female, true) => Sex::Male,
        _ => Sex::Female,
    };
    sex.code().to_owned()
}

fn birth(dice: &mut Dice, person: &Person, habits: &Habits, noted: &mut Vec<Slip>) -> String {
    if slips(dice, habits.birth_missing, Slip::BirthMissing, noted) {
        return String::new();
    }
    let mut day = person.birth;
    let swapped = NaiveDate::from_ymd_opt(day.year(), day.day(), day.month());
    if let Some(swapped) = swapped.filter(|other| *other != day)
        && slips(dice, habits.birth_swapped, Slip::BirthSwapped, noted)
    {
        day = swapped;
    } else if slips(dice, habits.birth_part, Slip::BirthPart, noted) {
        let other = match dice.below(3) {
            0 => day.with_year(day.year() + 1),
            1 => day.with_month(day.month() % 12 + 1),
            _ => day.with_day(day.day() % 28 + 1),
        };
        day = other.unwrap_or(day);
    }
    if dice.happens(habits.other_form) {
        return match dice.below(3) {
            0 => format!("{}年{}月{}日", day.year(), day.month(), day.day()),
            1 => format!("{}/{}/{}", day.year(), day.month(), day.day()),
            _ => day.format("%Y%m%d").to_string(),
        };
    }
    day.to_string()
}

fn phone(dice: &mut Dice, person: &Person, habits: &Habits, noted: &mut Vec<Slip>) -> String {
    if person.phone.is_empty() || slips(dice, habits.phone_missing, Slip::PhoneMissing, noted) {
        return String::new();
    }
    let is_stale =
        !person.former_phone.is_empty() && slips(dice, habits.phone_stale, Slip::PhoneStale, noted);
    if is_stale {
        return person.former_phone.clone();
    }
    if slips(dice, habits.phone_typo, Slip::PhoneTypo, noted) {
        return typo(dice, &person.phone);
    }
    if dice.happens(habits.other_form / 2) {
        return format!("+86 {}", person.phone);
    }
    person.phone.clone()
}

fn address(dice: &mut Dice, person: &Person, habits: &Habits, noted: &mut Vec<Slip>) -> String {
    if slips(dice, habits.address_missing, Slip::AddressMissing, noted) {
        return String::new();
    }
    if slips(dice, habits.address_stale, Slip::AddressStale, noted) {
        return person.former_address.clone();
    }
    let address = &person.address;
    if slips(dice, habits.address_short, Slip::AddressShort, noted) {
        return match dice.below(3) {
            0 => address.replace("云港市", ""),
            1 => address
                .replace("单元", "-")
                .replace('幢', "-")
                .replace('室', ""),
            _ => match address.split_once('号') {
                Some((street, _)) => format!("{street}号"),
                None => address.clone(),
            },
        };
    }
    address.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{City, Settings};

    #[test]
    fn what_slipped_is_told_and_what_did_not_is_right() {
        let settings = Settings {
            people: 3_000,
            seed: 9,
        };
        let people: Vec<Person> = City::new(settings).flat_map(|h| h.people).collect();
        let mut dice = Dice::new(9, 1);
        let mut seen = std::collections::HashSet::new();
        for person in &people {
            let mention = mention(&mut dice, person, &Habits::careless());
            let has = |slips: &[Slip]| slips.iter().any(|s| mention.slips.contains(s));
            if has(&[Slip::NumberMissing]) {
                assert_eq!(mention.number, "");
            }
            if has(&[Slip::NumberTypo]) {
                assert_ne!(mention.number, person.number);
            }
            if has(&[Slip::NameSound, Slip::NameTypo, Slip::NameShort]) {
                assert!(mention.name.chars().count() <= person.name.chars().count());
            } else {
                assert_eq!(mention.name.replace(' ', ""), person.name);
            }
            seen.extend(mention.slips.iter().map(|s| s.name()));
        }
        assert!(seen.len() >= 15, "{seen:?}");
    }

    #[test]
    fn an_old_number_can_be_lengthened() {
        let settings = Settings {
            people: 200,
            seed: 9,
        };
        let habits = Habits {
            number_of_old: 1000,
            number_missing: 0,
            ..Habits::careful()
        };
        let mut dice = Dice::new(1, 1);
        let people = City::new(settings).flat_map(|h| h.people);
        let old: Vec<_> = people.filter(|p| p.birth.year() < 1999).collect();
        assert!(!old.is_empty());
        for person in old {
            let written = mention(&mut dice, &person, &habits).number;
            assert_eq!(written.len(), 15);
            let long = kernel::code::citizen::lengthen(&written).unwrap();
            assert_eq!(long, person.number);
        }
    }
}
