//! What was read from a text once and is asked for again and again: forms, expressions.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Values by the text they were read from. Meant for a `static`: texts come from what a city has
/// installed, of which there are few; a flood of others empties it, and only costs time.
pub struct Memo<T> {
    most: usize,
    known: Mutex<BTreeMap<Box<str>, Arc<T>>>,
}

impl<T> Memo<T> {
    /// Keeps at the most so many values.
    pub const fn new(most: usize) -> Self {
        Self {
            most,
            known: Mutex::new(BTreeMap::new()),
        }
    }

    /// The value of the text, read now if it is not known. What cannot be read is not kept.
    pub fn get<E>(&self, text: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Result<Arc<T>, E> {
        if let Some(value) = self.known().get(text) {
            return Ok(Arc::clone(value));
        }
        // Read outside of the lock: a long text holds up nobody.
        let value = Arc::new(read(text)?);
        let mut known = self.known();
        if known.len() >= self.most {
            known.clear();
        }
        known.insert(text.into(), Arc::clone(&value));
        Ok(value)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<Box<str>, Arc<T>>> {
        // Whole entries are put in or taken out; a panic elsewhere leaves no half of one.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_once_and_a_flood_of_others_is_bounded() {
        let memo = Memo::new(3);
        let read = |text: &str| text.parse::<u32>();
        let first = memo.get("1", read).unwrap();
        let again = memo.get("1", |_| -> Result<u32, ()> { panic!("it is known") });
        assert!(Arc::ptr_eq(&first, &again.unwrap()));
        assert!(memo.get("x", read).is_err());
        for number in 2..100 {
            assert_eq!(*memo.get(&number.to_string(), read).unwrap(), number);
            assert!(memo.known().len() <= 3);
        }
        assert_eq!(*memo.get("1", read).unwrap(), 1);
    }
}
