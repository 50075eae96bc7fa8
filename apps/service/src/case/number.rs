//! Case numbers and query passwords.

use std::{collections::HashMap, sync::Mutex};

use chrono::NaiveDate;
use kernel::{Fault, Result, code::case_no};
use store::Db;

use super::store as rows;

/// Serials that one process takes from the database at a time, so that not every submission
/// waits for the same row. Numbers need not be gap-free: what a stopped process leaves is lost.
const BLOCK: i64 = 64;

/// Gives out case numbers; one per process.
#[derive(Default)]
pub struct Numbers(Mutex<HashMap<(String, NaiveDate), std::ops::Range<i64>>>);

impl Numbers {
    /// The next number of an organisation on a day; unique among all processes.
    pub async fn next(&self, db: &Db, region: &str, org: &str, day: NaiveDate) -> Result<String> {
        let body = body_code(org);
        let key = (body.clone(), day);
        let serial = match self.take(&key) {
            Some(serial) => serial,
            None => self.refill(db, key).await?,
        };
        let serial = u32::try_from(serial).unwrap_or(u32::MAX);
        let number = case_no::build(region, &body, day, serial)
            .map_err(|e| Fault::caused_by("build a case number", e))?;
        Ok(number.to_string())
    }

    fn take(&self, key: &(String, NaiveDate)) -> Option<i64> {
        self.lock().get_mut(key).and_then(Iterator::next)
    }

    async fn refill(&self, db: &Db, key: (String, NaiveDate)) -> Result<i64> {
        let wanted = key.clone();
        let last = db
            .write(move |tx| {
                let (org, day) = wanted.clone();
                async move { rows::update_sequence(&tx, &org, day, BLOCK).await }
            })
            .await?;
        let mut block = (last - BLOCK + 1)..(last + 1);
        let serial = block.next().unwrap_or(last);
        let mut blocks = self.lock();
        // Yesterday's leftovers are of no use to anybody.
        blocks.retain(|(_, day), _| *day >= key.1);
        blocks.insert(key, block);
        Ok(serial)
    }

    fn lock(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<(String, NaiveDate), std::ops::Range<i64>>> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The organisation code inside a unified social credit code: its characters 9 to 17.
fn body_code(org: &str) -> String {
    match org.len() {
        18 => org.get(8..17).unwrap_or(org).to_owned(),
        _ => org.to_owned(),
    }
}

/// The number of a sub-case: its parent's, a hyphen and two digits.
pub fn sub_number(parent: &str, part: i32) -> String {
    format!("{parent}-{part:02}")
}

/// Six random digits that a receipt shows once.
pub fn query_password() -> String {
    format!("{:06}", rand::random_range(0..1_000_000))
}
