//! Records as they are compared: codes checked, names, telephones and addresses kept once.

use std::collections::HashMap;

use chrono::{Datelike, NaiveDate};
use kernel::code::{citizen, normalise, uscc};

use crate::number::{index, place};

/// No name, telephone or address.
pub(crate) const NONE: u32 = u32::MAX;

/// What is known of one person or body, as somebody wrote it; blank where nothing is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Input<'a> {
    /// Citizen number, of 18 characters or the 15 of old, or social credit code.
    pub number: &'a str,
    pub name: &'a str,
    pub sex: &'a str,
    pub birth: &'a str,
    pub phone: &'a str,
    pub address: &'a str,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Zeros where there is none.
    pub number: [u8; 18],
    /// The check digit and everything else of the number is right.
    pub is_valid: bool,
    /// 1 or 2; 0 where unknown.
    pub sex: u8,
    pub side: u8,
    /// Year, month, day as eight digits; 0 where unknown.
    pub birth: u32,
    pub name: u32,
    pub phone: u32,
    pub address: u32,
}

impl Row {
    pub(crate) fn has_number(&self) -> bool {
        self.number != [0; 18]
    }
}

#[derive(Debug)]
pub(crate) struct Name {
    pub letters: Box<[char]>,
    /// Names that sound the same have the same.
    pub sound: u32,
    pub count: u32,
}

#[derive(Debug)]
pub(crate) struct Phone {
    pub digits: Box<[u8]>,
    pub count: u32,
}

#[derive(Debug)]
pub(crate) struct Address {
    /// Hashes of neighbouring characters, sorted, each once.
    pub grams: Box<[u32]>,
    pub count: u32,
}

/// Everything that a run compares.
pub struct Records {
    spell: fn(&str) -> String,
    today: NaiveDate,
    ids: String,
    id_ends: Vec<usize>,
    pub(crate) rows: Vec<Row>,
    pub(crate) names: Vec<Name>,
    pub(crate) phones: Vec<Phone>,
    pub(crate) addresses: Vec<Address>,
    name_of: HashMap<String, u32>,
    sound_of: HashMap<String, u32>,
    phone_of: HashMap<String, u32>,
    address_of: HashMap<String, u32>,
}

impl Records {
    /// No record yet. `spell` tells how a name sounds (for Chinese its pinyin without tones);
    /// citizen numbers of people born after `today` are wrong.
    pub fn new(spell: fn(&str) -> String, today: NaiveDate) -> Self {
        Self {
            spell,
            today,
            ids: String::new(),
            id_ends: Vec::new(),
            rows: Vec::new(),
            names: Vec::new(),
            phones: Vec::new(),
            addresses: Vec::new(),
            name_of: HashMap::new(),
            sound_of: HashMap::new(),
            phone_of: HashMap::new(),
            address_of: HashMap::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What the record was called when it was added.
    pub fn id(&self, record: u32) -> &str {
        let at = place(record);
        let end = self.id_ends.get(at).copied().unwrap_or_default();
        let start = match at.checked_sub(1) {
            Some(before) => self.id_ends.get(before).copied().unwrap_or_default(),
            None => 0,
        };
        self.ids.get(start..end).unwrap_or_default()
    }

    /// Adds a record of a side (0 or 1; the same for all where one list is compared with itself).
    pub fn add(&mut self, id: &str, side: u8, input: &Input<'_>) {
        let (number, checked) = self.number(input.number);
        let citizen = checked.as_ref().and_then(Checked::citizen);
        // What a right number says of its holder is better than nothing.
        let birth = match birth(input.birth) {
            0 => citizen.map_or(0, |c| compact(c.birth())),
            told => told,
        };
        let sex = match sex(input.sex) {
            0 => citizen.map_or(0, |c| self::sex(c.sex().code())),
            told => told,
        };
        let row = Row {
            number,
            is_valid: checked.is_some(),
            sex,
            side,
            birth,
            name: self.name(input.name),
            phone: self.phone(input.phone),
            address: self.address(input.address),
        };
        self.ids.push_str(id);
        self.id_ends.push(self.ids.len());
        self.rows.push(row);
    }

    fn number(&self, raw: &str) -> ([u8; 18], Option<Checked>) {
        let mut text = normalise(raw);
        if text.len() == 15
            && let Ok(long) = citizen::lengthen(&text)
        {
            text = long;
        }
        let Ok(bytes) = <[u8; 18]>::try_from(text.as_bytes()) else {
            return ([0; 18], None);
        };
        let checked = match citizen::parse(&text, self.today) {
            Ok(citizen) => Some(Checked::Citizen(citizen)),
            Err(_) => uscc::parse(&text).ok().map(|_| Checked::Body),
        };
        (bytes, checked)
    }

    fn name(&mut self, raw: &str) -> u32 {
        let text: String = normalise(raw)
            .chars()
            .filter(|c| c.is_alphanumeric())
            .collect();
        if text.is_empty() {
            return NONE;
        }
        if let Some(known) = self.name_of.get(&text).copied() {
            if let Some(name) = self.names.get_mut(place(known)) {
                name.count += 1;
            }
            return known;
        }
        let next = index(self.sound_of.len());
        let sound = (self.spell)(&text);
        let sound = *self.sound_of.entry(sound).or_insert(next);
        let new = index(self.names.len());
        self.names.push(Name {
            letters: text.chars().collect(),
            sound,
            count: 1,
        });
        self.name_of.insert(text, new);
        new
    }

    fn phone(&mut self, raw: &str) -> u32 {
        let digits: String = normalise(raw)
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        let digits = match digits.strip_prefix("86") {
            Some(national) if national.len() == 11 => national,
            _ => digits.as_str(),
        };
        if digits.len() < 7 {
            return NONE;
        }
        let known = self.phone_of.get(digits).copied();
        if let Some(phone) = known.and_then(|known| self.phones.get_mut(place(known))) {
            phone.count += 1;
        }
        known.unwrap_or_else(|| {
            let new = index(self.phones.len());
            self.phones.push(Phone {
                digits: digits.as_bytes().into(),
                count: 1,
            });
            self.phone_of.insert(digits.to_owned(), new);
            new
        })
    }

    fn address(&mut self, raw: &str) -> u32 {
        let text: String = normalise(raw)
            .chars()
            .filter(|c| c.is_alphanumeric())
            .collect();
        if text.is_empty() {
            return NONE;
        }
        let known = self.address_of.get(&text).copied();
        if let Some(address) = known.and_then(|known| self.addresses.get_mut(place(known))) {
            address.count += 1;
        }
        known.unwrap_or_else(|| {
            let new = index(self.addresses.len());
            self.addresses.push(Address {
                grams: grams(&text),
                count: 1,
            });
            self.address_of.insert(text, new);
            new
        })
    }

    /// Gives back what only adding needed; called before a run.
    pub fn finish(&mut self) {
        self.name_of = HashMap::new();
        self.sound_of = HashMap::new();
        self.phone_of = HashMap::new();
        self.address_of = HashMap::new();
        self.rows.shrink_to_fit();
        self.ids.shrink_to_fit();
        self.id_ends.shrink_to_fit();
    }

    pub(crate) fn row(&self, record: u32) -> Option<&Row> {
        self.rows.get(place(record))
    }

    pub(crate) fn name_at(&self, name: u32) -> Option<&Name> {
        self.names.get(place(name))
    }

    pub(crate) fn phone_at(&self, phone: u32) -> Option<&Phone> {
        self.phones.get(place(phone))
    }

    pub(crate) fn address_at(&self, address: u32) -> Option<&Address> {
        self.addresses.get(place(address))
    }
}

enum Checked {
    Citizen(citizen::Citizen),
    Body,
}

impl Checked {
    fn citizen(&self) -> Option<&citizen::Citizen> {
        match self {
            Self::Citizen(citizen) => Some(citizen),
            Self::Body => None,
        }
    }
}

fn sex(raw: &str) -> u8 {
    match normalise(raw).as_str() {
        "1" | "男" | "男性" | "M" | "MALE" => 1,
        "2" | "女" | "女性" | "F" | "FEMALE" => 2,
        _ => 0,
    }
}

fn compact(day: NaiveDate) -> u32 {
    u32::try_from(day.year()).unwrap_or_default() * 10_000 + day.month() * 100 + day.day()
}

/// Any order of signs between year, month and day, or eight digits; 0 for what is no date.
fn birth(raw: &str) -> u32 {
    let text = normalise(raw);
    let mut parts = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty());
    let first = parts.next().unwrap_or_default();
    let (year, month, day) = match (first.len(), parts.next(), parts.next()) {
        (8, None, None) => (first.get(..4), first.get(4..6), first.get(6..)),
        (4, month, day) => (Some(first), month, day),
        _ => return 0,
    };
    let read = |part: Option<&str>| part.and_then(|part| part.parse::<u32>().ok());
    let (Some(year), Some(month), Some(day)) = (read(year), read(month), read(day)) else {
        return 0;
    };
    let day = i32::try_from(year)
        .ok()
        .and_then(|year| NaiveDate::from_ymd_opt(year, month, day));
    day.map_or(0, compact)
}

fn grams(text: &str) -> Box<[u32]> {
    let letters: Vec<char> = text.chars().collect();
    let mut grams: Vec<u32> = letters
        .windows(2)
        .map(|pair| {
            pair.iter().fold(0_u32, |hash, letter| {
                hash.wrapping_mul(0x01f3_a7b1)
                    .wrapping_add(u32::from(*letter))
            })
        })
        .collect();
    grams.sort_unstable();
    grams.dedup();
    grams.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, 2).unwrap()
    }

    #[test]
    fn numbers_of_15_digits_and_full_width_become_the_same() {
        let mut records = Records::new(str::to_owned, today());
        for number in [
            "11010519491231002X",
            "110105491231002",
            "１１０１０５１９４９１２３１００２ｘ",
        ] {
            let input = Input {
                number,
                ..Input::default()
            };
            records.add(number, 0, &input);
        }
        let first = records.rows[0];
        assert!(records.rows.iter().all(|r| r.number == first.number));
        assert!(records.rows.iter().all(|r| r.is_valid));
        // The number tells birth and sex where nobody else does.
        assert_eq!((first.birth, first.sex), (19_491_231, 2));
        assert_eq!(records.id(1), "110105491231002");
    }

    #[test]
    fn a_wrong_check_digit_is_kept_but_is_no_key() {
        let mut records = Records::new(str::to_owned, today());
        let input = Input {
            number: "110105194912310021",
            ..Input::default()
        };
        records.add("a", 0, &input);
        assert!(records.rows[0].has_number());
        assert!(!records.rows[0].is_valid);
        assert_eq!(records.rows[0].birth, 0);
    }

    #[test]
    fn dates_are_read_as_people_write_them() {
        for text in [
            "1990-1-5",
            "19900105",
            "1990/01/05",
            "1990年1月5日",
            "１９９０-0１-05",
        ] {
            assert_eq!(birth(text), 19_900_105, "{text}");
        }
        for text in ["", "1990", "1990-13-01", "19900230", "五月"] {
            assert_eq!(birth(text), 0, "{text}");
        }
    }

    #[test]
    fn telephones_lose_signs_and_the_country() {
        let mut records = Records::new(str::to_owned, today());
        let one = records.phone("+86 199-0000-0001");
        assert_eq!(records.phone("１９９０００００００１"), one);
        assert_eq!(records.phones[0].count, 2);
        assert_eq!(records.phone("110"), NONE);
    }
}
