//! The numbered things of an instance, and which of them changed since it was read.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Deref,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A map by number that remembers what was changed, put in or taken out, so that only that need be
/// written down again. Reading is that of the map; two with the same things are equal.
#[derive(Clone, Debug)]
pub struct Shelf<T> {
    held: BTreeMap<u32, T>,
    touched: BTreeSet<u32>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            held: BTreeMap::new(),
            touched: BTreeSet::new(),
        }
    }
}

impl<T> Deref for Shelf<T> {
    type Target = BTreeMap<u32, T>;

    fn deref(&self) -> &BTreeMap<u32, T> {
        &self.held
    }
}

impl<T> Shelf<T> {
    pub fn insert(&mut self, number: u32, thing: T) -> Option<T> {
        self.touched.insert(number);
        self.held.insert(number, thing)
    }

    pub fn remove(&mut self, number: &u32) -> Option<T> {
        let taken = self.held.remove(number)?;
        self.touched.insert(*number);
        Some(taken)
    }

    pub fn get_mut(&mut self, number: &u32) -> Option<&mut T> {
        let thing = self.held.get_mut(number)?;
        self.touched.insert(*number);
        Some(thing)
    }

    /// Those of which `is_meant` is true, to be changed.
    pub fn pick_mut(&mut self, is_meant: impl Fn(&T) -> bool) -> impl Iterator<Item = &mut T> {
        let touched = &mut self.touched;
        let meant = self.held.iter_mut().filter(move |(_, one)| is_meant(one));
        meant.map(|(number, one)| {
            touched.insert(*number);
            one
        })
    }

    /// The map itself, all of which counts as changed.
    pub fn all_mut(&mut self) -> &mut BTreeMap<u32, T> {
        self.touched.extend(self.held.keys());
        &mut self.held
    }

    /// Numbers of what changed.
    pub fn touched(&self) -> &BTreeSet<u32> {
        &self.touched
    }

    /// From now on all counts as unchanged.
    pub fn settle(&mut self) {
        self.touched.clear();
    }

    /// Takes in what was kept elsewhere, as unchanged.
    pub fn take_in(&mut self, others: Self) {
        self.held.extend(others.held);
    }
}

impl<T: PartialEq> PartialEq for Shelf<T> {
    fn eq(&self, other: &Self) -> bool {
        self.held == other.held
    }
}

impl<T: Serialize> Serialize for Shelf<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.held.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Shelf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let held = BTreeMap::deserialize(deserializer)?;
        Ok(Self {
            held,
            touched: BTreeSet::new(),
        })
    }
}

impl<'a, T> IntoIterator for &'a Shelf<T> {
    type Item = (&'a u32, &'a T);
    type IntoIter = std::collections::btree_map::Iter<'a, u32, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.held.iter()
    }
}
