//! Households and their people.

use std::collections::HashMap;

use chrono::{Datelike, Days, NaiveDate};
use kernel::code::citizen;

pub use kernel::code::citizen::Sex;

use crate::{Dice, Settings, today, words};

/// A person as she is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub index: u64,
    pub household: u64,
    pub number: String,
    /// Given by a second registration, which a few people have by mistake.
    pub second_number: Option<String>,
    pub name: String,
    pub sex: Sex,
    pub birth: NaiveDate,
    /// Children have that of a parent; empty where there is none.
    pub phone: String,
    pub address: String,
    /// Where she lived before.
    pub former_address: String,
    pub former_phone: String,
    pub relation: Relation,
    pub is_married: bool,
    /// The firm that she works for.
    pub employer: Option<u64>,
    /// What contributions are counted by, in yuan a month; 0 for who does not work.
    pub wage: u64,
    /// Square metres of the flat that the household owns; told of its head only, 0 for a rented one.
    pub owned_area: u64,
}

/// What somebody is to the head of her household.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Head,
    Spouse,
    Child,
    Parent,
}

impl Relation {
    /// Code of GB/T 4761.
    pub fn code(self, sex: Sex) -> &'static str {
        match (self, sex) {
            (Self::Head, _) => "02",
            (Self::Spouse, Sex::Male) => "11",
            (Self::Spouse, Sex::Female) => "12",
            (Self::Child, Sex::Male) => "20",
            (Self::Child, Sex::Female) => "30",
            (Self::Parent, Sex::Male) => "51",
            (Self::Parent, Sex::Female) => "52",
        }
    }
}

/// People who live together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Household {
    pub index: u64,
    pub people: Vec<Person>,
}

/// All households of a city, one after another.
pub struct City {
    settings: Settings,
    household: u64,
    people: u64,
    /// How many of a birthday and sex have a number already.
    numbered: HashMap<(NaiveDate, bool), u32>,
}

impl City {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            household: 0,
            people: 0,
            numbered: HashMap::new(),
        }
    }

    /// A number that nobody else has, and nobody outside either.
    fn number(&mut self, birth: NaiveDate, sex: Sex) -> String {
        const PROVINCES: [&str; 12] = [
            "320000", "340000", "370000", "310000", "330000", "410000", "420000", "360000",
            "350000", "430000", "440000", "130000",
        ];
        const OF_PROVINCE: u32 = 499;
        let is_male = sex == Sex::Male;
        let given = self.numbered.entry((birth, is_male)).or_default();
        let (province, place) = (*given / OF_PROVINCE, *given % OF_PROVINCE);
        *given += 1;
        let at = usize::try_from(province).unwrap_or_default() % PROVINCES.len();
        let sequence = place * 2 + if is_male { 1 } else { 2 };
        let region = PROVINCES.get(at).copied().unwrap_or("320000");
        let sequence = u16::try_from(sequence).unwrap_or_default();
        citizen::build(region, birth, sequence).unwrap_or_default()
    }

    fn person(&mut self, dice: &mut Dice, home: &Home, plan: &Plan) -> Person {
        let index = self.people;
        self.people += 1;
        let age = today().year() - plan.birth.year();
        let works = (18..60).contains(&age) && dice.happens(620);
        let employer = works.then(|| dice.below(self.settings.firms()));
        let is_adult = age >= 16;
        let number = self.number(plan.birth, plan.sex);
        let is_twice = is_adult && dice.happens(4);
        let second_number = is_twice.then(|| self.number(plan.birth, plan.sex));
        Person {
            index,
            household: home.index,
            number,
            second_number,
            name: given(dice, &plan.family, plan.sex),
            sex: plan.sex,
            birth: plan.birth,
            phone: if is_adult && dice.happens(930) {
                phone(index * 2)
            } else {
                String::new()
            },
            address: home.address.clone(),
            former_address: address(dice),
            former_phone: if is_adult {
                phone(index * 2 + 1)
            } else {
                String::new()
            },
            relation: plan.relation,
            is_married: plan.is_married,
            employer,
            wage: if works {
                4_250 + 50 * dice.below(400)
            } else {
                0
            },
            owned_area: if plan.relation == Relation::Head && dice.happens(700) {
                45 + dice.below(120)
            } else {
                0
            },
        }
    }
}

struct Home {
    index: u64,
    address: String,
}

/// What is settled of a person before she is made.
struct Plan {
    relation: Relation,
    family: String,
    sex: Sex,
    birth: NaiveDate,
    is_married: bool,
}

impl Iterator for City {
    type Item = Household;

    fn next(&mut self) -> Option<Household> {
        let missing = self.settings.people.checked_sub(self.people)?;
        if missing == 0 {
            return None;
        }
        let index = self.household;
        self.household += 1;
        let mut dice = Dice::new(self.settings.seed, index.wrapping_mul(2));
        let home = Home {
            index,
            address: address(&mut dice),
        };
        let mut plans = plans(&mut dice);
        plans.truncate(usize::try_from(missing).unwrap_or(usize::MAX));
        let mut people: Vec<Person> = plans
            .iter()
            .map(|plan| self.person(&mut dice, &home, plan))
            .collect();
        let shared = people
            .iter()
            .map(|p| p.phone.clone())
            .find(|phone| !phone.is_empty());
        for person in &mut people {
            // A child is reached through a parent; of the old, who has none of her own is too.
            if person.phone.is_empty() && person.relation != Relation::Head {
                person.phone = shared.clone().unwrap_or_default();
            }
        }
        Some(Household { index, people })
    }
}

/// Who lives in a household: one alone, a couple, children, old parents.
fn plans(dice: &mut Dice) -> Vec<Plan> {
    let mut plans = Vec::new();
    let head_age = 22 + dice.below(58);
    let head_sex = if dice.happens(700) {
        Sex::Male
    } else {
        Sex::Female
    };
    let family = family(dice);
    let is_couple = head_age > 24 && dice.happens(720);
    plans.push(Plan {
        relation: Relation::Head,
        family: family.clone(),
        sex: head_sex,
        birth: birth(dice, head_age),
        is_married: is_couple,
    });
    let mut child_family = family.clone();
    if is_couple {
        let spouse_age = (head_age + dice.below(9)).saturating_sub(4).max(22);
        let spouse_sex = other(head_sex);
        let spouse_family = self::family(dice);
        if head_sex == Sex::Female {
            child_family.clone_from(&spouse_family);
        }
        plans.push(Plan {
            relation: Relation::Spouse,
            family: spouse_family,
            sex: spouse_sex,
            birth: birth(dice, spouse_age),
            is_married: true,
        });
    }
    let children = match dice.below(100) {
        0..45 => 0,
        45..80 => 1,
        80..97 => 2,
        _ => 3,
    };
    if is_couple || dice.happens(150) {
        children_of(dice, &mut plans, head_age, &child_family, children);
    }
    if head_age < 58 && dice.happens(120) {
        let sex = if dice.happens(350) {
            Sex::Male
        } else {
            Sex::Female
        };
        let grand = if sex == Sex::Male {
            family
        } else {
            self::family(dice)
        };
        plans.push(Plan {
            relation: Relation::Parent,
            family: grand,
            sex,
            birth: {
                let age = head_age + 22 + dice.below(12);
                birth(dice, age)
            },
            is_married: dice.happens(400),
        });
    }
    plans
}

/// Children not yet grown up; now and then twins.
fn children_of(dice: &mut Dice, plans: &mut Vec<Plan>, head_age: u64, family: &str, number: u64) {
    let oldest = head_age.saturating_sub(21).min(24);
    let mut last: Option<NaiveDate> = None;
    for _ in 0..number {
        let is_twin = dice.happens(25);
        let own = {
            let age = dice.below(oldest.max(1));
            birth(dice, age)
        };
        let day = last.filter(|_| is_twin).unwrap_or(own);
        last = Some(day);
        plans.push(Plan {
            relation: Relation::Child,
            family: family.to_owned(),
            sex: if dice.happens(520) {
                Sex::Male
            } else {
                Sex::Female
            },
            birth: day,
            is_married: false,
        });
    }
}

fn other(sex: Sex) -> Sex {
    match sex {
        Sex::Male => Sex::Female,
        Sex::Female => Sex::Male,
    }
}

/// Some day in the year in which one is of that age.
fn birth(dice: &mut Dice, age: u64) -> NaiveDate {
    let days = age * 365 + age / 4 + 1 + dice.below(365);
    today()
        .checked_sub_days(Days::new(days))
        .unwrap_or_default()
}

fn family(dice: &mut Dice) -> String {
    let all: u32 = words::FAMILIES.iter().map(|(_, n)| n).sum();
    let mut left = dice.below(all.into());
    for (family, n) in words::FAMILIES {
        match left.checked_sub(u64::from(n)) {
            Some(rest) => left = rest,
            None => return family.to_owned(),
        }
    }
    "王".to_owned()
}

fn given(dice: &mut Dice, family: &str, sex: Sex) -> String {
    let own = words::GIVEN.get(usize::from(sex == Sex::Female));
    let mut name = family.to_owned();
    let letters = if dice.happens(180) { 1 } else { 2 };
    for _ in 0..letters {
        let letter = if dice.happens(550) {
            let set = dice.pick(&words::HOMOPHONES).unwrap_or_default();
            dice.letter(set)
        } else {
            dice.letter(own.copied().unwrap_or_default())
        };
        name.extend(letter);
    }
    name
}

/// A mobile number of a block that is nobody's here; each below ten million has its own.
fn phone(place: u64) -> String {
    // Multiplying by what shares no factor with 10 only changes the order.
    format!("1990{:07}", (place * 7_368_787 + 1_234_567) % 10_000_000)
}

pub(crate) fn address(dice: &mut Dice) -> String {
    let district = dice.pick(&words::DISTRICTS).unwrap_or_default();
    let street = dice.pick(&words::STREETS).unwrap_or_default();
    let house = 1 + dice.below(399);
    if dice.happens(300) {
        return format!("云港市{district}{street}{house}号");
    }
    let estate = dice.pick(&words::ESTATES).unwrap_or_default();
    let (block, unit) = (1 + dice.below(30), 1 + dice.below(4));
    let (floor, door) = (1 + dice.below(18), 1 + dice.below(4));
    format!("云港市{district}{street}{house}号{estate}{block}幢{unit}单元{floor}{door:02}室")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn city(people: u64, seed: u64) -> Vec<Person> {
        City::new(Settings { people, seed })
            .flat_map(|h| h.people)
            .collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_city() {
        assert_eq!(city(500, 3), city(500, 3));
        assert_ne!(city(500, 3), city(500, 4));
        assert_eq!(city(500, 3).len(), 500);
        assert_eq!(city(0, 3).len(), 0);
    }

    #[test]
    fn numbers_are_right_unique_and_given_to_nobody() {
        let people = city(20_000, 1);
        let numbers: HashSet<&str> = people.iter().map(|p| p.number.as_str()).collect();
        assert_eq!(numbers.len(), people.len());
        for person in &people {
            let read = citizen::parse(&person.number, today()).unwrap();
            assert_eq!((read.birth(), read.sex()), (person.birth, person.sex));
            assert!(read.region().ends_with("0000"), "{}", person.number);
        }
    }

    #[test]
    fn a_city_has_people_of_all_ages_who_live_together() {
        let people = city(20_000, 1);
        let of = |age: std::ops::Range<i32>| {
            let ages = people.iter().map(|p| today().year() - p.birth.year());
            ages.filter(|a| age.contains(a)).count()
        };
        assert!(of(0..18) > 2_000, "{}", of(0..18));
        assert!(of(60..120) > 3_000, "{}", of(60..120));
        let homes: HashSet<u64> = people.iter().map(|p| p.household).collect();
        let size = people.len() * 10 / homes.len();
        assert!((18..32).contains(&size), "{size} tenths of people a home");
        let workers = people.iter().filter(|p| p.employer.is_some()).count();
        assert!((6_000..12_000).contains(&workers), "{workers}");
    }

    #[test]
    fn every_telephone_is_one_persons_or_one_households() {
        let mut homes: HashMap<String, u64> = HashMap::new();
        for person in city(20_000, 1).iter().filter(|p| !p.phone.is_empty()) {
            let home = homes
                .entry(person.phone.clone())
                .or_insert(person.household);
            assert_eq!(*home, person.household, "{}", person.phone);
        }
    }
}
