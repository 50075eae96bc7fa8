//! A made-up city: households, their people, firms; and how people mis-write them.
//!
//! Owns no table or file. Promises: the same number of people and the same seed give the same city,
//! on every machine and whatever libraries change; people come one household after another, so that
//! memory does not grow with the city by more than a counter for each birthday. Everybody is
//! recognisably made up: citizen numbers have prefixes of whole provinces (`320000`), which were
//! given to nobody, telephones begin with 1990, and every street is called so that nobody takes it
//! for one. Never knows which department writes down what.

mod dice;
mod firm;
mod household;
mod mention;
mod words;

pub use dice::Dice;
pub use firm::{Firm, firm};
pub use household::{City, Household, Person, Relation, Sex};
pub use mention::{Habits, Mention, Slip, mention};

use chrono::NaiveDate;

/// Which city it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub people: u64,
    pub seed: u64,
}

impl Settings {
    /// One firm for so many people.
    const PEOPLE_OF_FIRM: u64 = 40;

    pub fn firms(&self) -> u64 {
        (self.people / Self::PEOPLE_OF_FIRM).max(1)
    }
}

/// The day as of which the city is told.
pub fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 1).unwrap_or_default()
}
