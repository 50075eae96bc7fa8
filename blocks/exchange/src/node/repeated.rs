//! Keys that a source tells twice.
//!
//! A database's view or a service may have a key that is none. Its rows are more than fit in
//! memory, so while they are read a 64-bit hash of each key goes to a list, beyond a million of
//! them to files by their first bits; sorted, equal ones stand side by side. A source that has
//! some is read once more, now knowing which keys to watch.

use std::{
    collections::HashSet,
    fs::File,
    io::{BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use kernel::Fault;

/// Hashes in memory at the most.
const IN_MEMORY: usize = 1 << 20;
/// Files that the rest is spread over. Each is sorted in memory: eight bytes for a row.
const FILES: usize = 64;
const BUFFER_BYTES: usize = 8 << 10;

/// Hashes of all keys that were read.
pub struct KeyList {
    folder: PathBuf,
    hashes: Vec<u64>,
    files: Vec<BufWriter<File>>,
}

/// What is looked for when a source is read again.
#[derive(Clone, Debug, Default)]
pub struct Watched(HashSet<u64>);

impl Watched {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, key: u128) -> bool {
        self.0.contains(&short(key))
    }

    pub fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

impl KeyList {
    /// Its files are made in that folder, if they are needed.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            hashes: Vec::new(),
            files: Vec::new(),
        }
    }

    pub fn add(&mut self, keys: impl Iterator<Item = u128>) -> Result<(), Fault> {
        self.hashes.extend(keys.map(short));
        if self.hashes.len() < IN_MEMORY {
            return Ok(());
        }
        self.spread().map_err(|e| self.failed(e))
    }

    fn path(&self, place: usize) -> PathBuf {
        self.folder.join(format!("keys-{place}"))
    }

    fn failed(&self, error: std::io::Error) -> Fault {
        let what = format!("keep keys in {}", self.folder.display());
        Fault::caused_by(what, error).transient()
    }

    fn spread(&mut self) -> std::io::Result<()> {
        while self.files.len() < FILES {
            let file = File::create(self.path(self.files.len()))?;
            self.files
                .push(BufWriter::with_capacity(BUFFER_BYTES, file));
        }
        for hash in self.hashes.drain(..) {
            let place = usize::try_from(hash >> 58).unwrap_or_default();
            if let Some(file) = self.files.get_mut(place) {
                file.write_all(&hash.to_le_bytes())?;
            }
        }
        Ok(())
    }

    /// The keys that were added more than once, and a few that only look like it.
    pub fn repeated(mut self) -> Result<Watched, Fault> {
        let mut found = Watched::default();
        if self.files.is_empty() {
            repeated(&mut self.hashes, &mut found.0);
            return Ok(found);
        }
        self.collect(&mut found.0).map_err(|e| self.failed(e))?;
        Ok(found)
    }

    fn collect(&mut self, found: &mut HashSet<u64>) -> std::io::Result<()> {
        self.spread()?;
        for (place, file) in std::mem::take(&mut self.files).into_iter().enumerate() {
            file.into_inner()
                .map_err(std::io::IntoInnerError::into_error)?;
            let path = self.path(place);
            let mut bytes = Vec::new();
            File::open(&path)?.read_to_end(&mut bytes)?;
            let (hashes, _) = bytes.as_chunks::<8>();
            let mut hashes: Vec<u64> = hashes.iter().map(|b| u64::from_le_bytes(*b)).collect();
            drop(bytes);
            repeated(&mut hashes, found);
            std::fs::remove_file(&path)?;
        }
        Ok(())
    }
}

fn short(key: u128) -> u64 {
    u64::try_from(key >> 64).unwrap_or_default()
}

fn repeated(hashes: &mut [u64], found: &mut HashSet<u64>) {
    hashes.sort_unstable();
    found.extend(
        hashes
            .array_windows()
            .filter(|[a, b]| a == b)
            .map(|[a, _]| *a),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::checksum::hash;

    fn key(number: u64) -> u128 {
        hash(&number.to_le_bytes())
    }

    #[test]
    fn keys_told_twice_are_found_in_memory_and_in_files() {
        let folder = tempfile::tempdir().unwrap();
        for count in [1_000, 3 * IN_MEMORY as u64 / 2] {
            let mut list = KeyList::new(folder.path());
            list.add((0..count).map(key)).unwrap();
            list.add([7, count - 1].into_iter().map(key)).unwrap();
            let found = list.repeated().unwrap();
            assert_eq!(found.0.len(), 2);
            assert!(found.contains(key(7)) && found.contains(key(count - 1)));
            assert!(!found.contains(key(8)));
        }
        // Nothing is left behind.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
