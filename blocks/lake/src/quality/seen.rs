//! A set of 64-bit hashes that takes little memory, however many they are.
//!
//! New hashes gather in memory; when those are many, they are sorted and written to a file, a
//! run. Runs are merged as the digits of a binary number are carried, so that there are few. For
//! each run a filter stays in memory, which knows nearly every hash that is not in it, and an index
//! of the one block of the file where any other would be: a new hash costs no reading, and one that
//! may be there a page for each run.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet},
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use kernel::Fault;

use super::filter::Filter;

/// Hashes in memory before they are written, where nothing is said: what fits into the half million
/// places of a set.
pub(crate) const IN_MEMORY: usize = (1 << 19) / 8 * 7;
/// Hashes of a block: a page of the disk.
const BLOCK: usize = 512;
const BUFFER_BYTES: usize = 64 << 10;

/// Hashes that were seen.
pub(crate) struct Seen {
    folder: PathBuf,
    in_memory: usize,
    recent: HashSet<u64>,
    /// Each larger than the next.
    runs: Vec<Run>,
}

impl Seen {
    /// As many hashes as are said are in memory at the most. Its files lie in that folder without a
    /// name, and are gone with it, even after a crash.
    pub(crate) fn new(folder: &Path, in_memory: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            in_memory,
            recent: HashSet::new(),
            runs: Vec::new(),
        }
    }

    /// Adds a hash, and answers whether it was not there.
    pub(crate) fn insert(&mut self, hash: u64) -> Result<bool, Fault> {
        if self.contains(hash)? {
            return Ok(false);
        }
        self.recent.insert(hash);
        if self.recent.len() >= self.in_memory {
            self.spill().map_err(|e| self.failed(e))?;
        }
        Ok(true)
    }

    pub(crate) fn contains(&mut self, hash: u64) -> Result<bool, Fault> {
        if self.recent.contains(&hash) {
            return Ok(true);
        }
        for run in &mut self.runs {
            match run.contains(hash) {
                Ok(false) => {}
                Ok(true) => return Ok(true),
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(false)
    }

    fn failed(&self, error: io::Error) -> Fault {
        let what = format!(
            "keep which values were there in a file in {}",
            self.folder.display()
        );
        Fault::caused_by(what, error).transient()
    }

    /// Makes a run of what is in memory and of the runs that are no larger than it.
    fn spill(&mut self) -> io::Result<()> {
        let mut recent: Vec<u64> = self.recent.drain().collect();
        recent.sort_unstable();
        let mut count = recent.len();
        let mut sources = vec![Source::Memory(recent.into_iter())];
        while let Some(run) = self.runs.pop_if(|run| run.count <= count) {
            count += run.count;
            sources.push(Source::File(run.read()?));
        }
        let file = tempfile::tempfile_in(&self.folder)?;
        self.runs
            .push(Run::write(file, count, Merged::of(sources)?)?);
        Ok(())
    }
}

/// Hashes in a file, in their order, none twice.
struct Run {
    file: File,
    count: usize,
    filter: Filter,
    /// The first hash of each block.
    firsts: Vec<u64>,
}

impl Run {
    fn write(
        file: File,
        count: usize,
        sorted: impl Iterator<Item = io::Result<u64>>,
    ) -> io::Result<Self> {
        let mut filter = Filter::of(count);
        let mut firsts = Vec::with_capacity(count.div_ceil(BLOCK));
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
        for (place, hash) in sorted.enumerate() {
            let hash = hash?;
            if place.is_multiple_of(BLOCK) {
                firsts.push(hash);
            }
            filter.add(hash);
            out.write_all(&hash.to_le_bytes())?;
        }
        Ok(Self {
            file: out.into_inner().map_err(io::IntoInnerError::into_error)?,
            count,
            filter,
            firsts,
        })
    }

    fn contains(&mut self, hash: u64) -> io::Result<bool> {
        if !self.filter.may_hold(hash) {
            return Ok(false);
        }
        let not_after = self.firsts.partition_point(|first| *first <= hash);
        let Some(block) = not_after.checked_sub(1) else {
            return Ok(false);
        };
        let before = block * BLOCK;
        let mut page = [[0; 8]; BLOCK];
        let (page, _) = page.split_at_mut(BLOCK.min(self.count - before));
        self.file.seek(SeekFrom::Start(8 * before as u64))?;
        self.file.read_exact(page.as_flattened_mut())?;
        let found = page.binary_search_by_key(&hash, |bytes| u64::from_le_bytes(*bytes));
        Ok(found.is_ok())
    }

    /// From its first hash on. The filter is not needed any more.
    fn read(mut self) -> io::Result<BufReader<File>> {
        self.file.rewind()?;
        Ok(BufReader::with_capacity(BUFFER_BYTES, self.file))
    }
}

/// Where hashes come from in their order.
enum Source {
    Memory(std::vec::IntoIter<u64>),
    File(BufReader<File>),
}

impl Source {
    fn next(&mut self) -> io::Result<Option<u64>> {
        let file = match self {
            Self::Memory(hashes) => return Ok(hashes.next()),
            Self::File(file) => file,
        };
        let mut bytes = [0; 8];
        match file.read_exact(&mut bytes) {
            Ok(()) => Ok(Some(u64::from_le_bytes(bytes))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The hashes of several sources in one order. No two sources have the same.
struct Merged {
    sources: Vec<Source>,
    /// The next hash of each source that has one.
    next: BinaryHeap<Reverse<(u64, usize)>>,
}

impl Merged {
    fn of(mut sources: Vec<Source>) -> io::Result<Self> {
        let mut next = BinaryHeap::new();
        for (place, source) in sources.iter_mut().enumerate() {
            next.extend(source.next()?.map(|hash| Reverse((hash, place))));
        }
        Ok(Self { sources, next })
    }
}

impl Iterator for Merged {
    type Item = io::Result<u64>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut top = self.next.peek_mut()?;
        let Reverse((hash, place)) = *top;
        match self.sources.get_mut(place).map_or(Ok(None), Source::next) {
            Ok(Some(after)) => *top = Reverse((after, place)),
            Ok(None) => drop(std::collections::binary_heap::PeekMut::pop(top)),
            Err(error) => return Some(Err(error)),
        }
        Some(Ok(hash))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Numbers as a good hash gives them.
    fn spread(number: u64) -> u64 {
        let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    impl Seen {
        /// What it holds of the memory, as the capacity of its parts says.
        fn bytes(&self) -> usize {
            let runs = self
                .runs
                .iter()
                .map(|run| run.filter.bytes() + run.firsts.capacity() * size_of::<u64>());
            runs.sum::<usize>() + self.recent.capacity() * 8 / 7 * (size_of::<u64>() + 1)
        }
    }

    fn same_as_a_set(in_memory: usize, hashes: impl Iterator<Item = u64>) {
        let folder = tempfile::tempdir().unwrap();
        let mut seen = Seen::new(folder.path(), in_memory);
        let mut set = HashSet::new();
        for hash in hashes {
            assert_eq!(seen.contains(hash).unwrap(), set.contains(&hash), "{hash}");
            assert_eq!(seen.insert(hash).unwrap(), set.insert(hash), "{hash}");
            for near in [hash.wrapping_sub(1), hash.wrapping_add(1)] {
                assert_eq!(seen.contains(near).unwrap(), set.contains(&near), "{near}");
            }
        }
        let kept: usize = seen.runs.iter().map(|run| run.count).sum();
        assert_eq!(kept + seen.recent.len(), set.len());
        // The files have no name, so that nobody has to remove them.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn answers_are_those_of_a_set() {
        for in_memory in [1, 3, 64, 1000] {
            let rows = if in_memory == 1 { 3_000 } else { 20_000 };
            // A third of them come again.
            same_as_a_set(in_memory, (0..rows).map(|n| spread(spread(n) % rows)));
            same_as_a_set(in_memory, 0..rows);
            same_as_a_set(in_memory, (0..rows).rev().map(|n| u64::MAX - n * n));
            // All of one block of a filter, or of the same bits in each.
            same_as_a_set(
                in_memory,
                (0..rows).map(|n| u64::MAX / 2 + spread(n) % rows),
            );
            same_as_a_set(in_memory, (0..rows).map(|n| (spread(n) % rows) << 44));
            same_as_a_set(
                in_memory,
                (0..rows).map(|n| if n % 3 == 0 { 0 } else { u64::MAX - n % 2 }),
            );
        }
    }

    #[test]
    fn runs_are_few_and_shrink() {
        let folder = tempfile::tempdir().unwrap();
        let mut seen = Seen::new(folder.path(), 100);
        for hash in 0..100 * 0b1011 {
            seen.insert(spread(hash)).unwrap();
        }
        let counts: Vec<_> = seen.runs.iter().map(|run| run.count).collect();
        assert_eq!(counts, [800, 200, 100]);
    }

    #[test]
    fn many_hashes_take_little_memory() {
        // The times that it tells are worth reading only where the code is optimised.
        const ROWS: u64 = if cfg!(debug_assertions) {
            1 << 20
        } else {
            10_000_000
        };
        let folder = tempfile::tempdir().unwrap();
        let mut seen = Seen::new(folder.path(), IN_MEMORY);
        let (begun, mut most) = (Instant::now(), 0);
        for number in 0..ROWS {
            assert!(seen.insert(spread(number)).unwrap(), "{number}");
            if number % 100_000 == 0 {
                most = most.max(seen.bytes());
            }
        }
        let told = |what: &str, rows: u64, begun: Instant| {
            eprintln!(
                "{what}: {} ns a row",
                begun.elapsed().as_nanos() / u128::from(rows)
            );
        };
        told("new", ROWS, begun);
        let begun = Instant::now();
        for number in (0..ROWS).step_by(10) {
            assert!(!seen.insert(spread(number)).unwrap(), "{number}");
        }
        told("known", ROWS / 10, begun);
        // Two bytes each, and what is in memory; a set of the standard library takes nine at the
        // least, and thrice as much while it grows.
        assert!((most as u64) < 2 * ROWS + (6 << 20), "{most}");
    }

    #[test]
    fn a_full_disk_is_told() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let Err(error) = Run::write(full, 100_000, (0..100_000).map(Ok)) else {
            panic!("written to a full disk");
        };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let mut seen = Seen::new(&gone, 2);
        assert!(seen.insert(1).unwrap());
        let fault = seen.insert(2).unwrap_err();
        assert!(fault.is_transient);
        assert!(fault.chain().contains(gone.to_str().unwrap()), "{fault:?}");
    }
}
