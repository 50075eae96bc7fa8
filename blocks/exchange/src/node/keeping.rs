//! Copies of taken files: which of them go when there are too many.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

use super::{
    config::{Config, Limits, Source},
    source::folder::kept_path,
    state::kept,
};

/// A copy that may go, and its size.
pub(super) struct Kept {
    pub row: kept::Model,
    pub bytes: u64,
}

/// Copies with their sizes, but for those of publications whose newest file holds all rows: there is
/// one of each, and nothing is sent without it.
pub(super) fn sized(config: &Config, folder: &Path, kept: Vec<kept::Model>) -> Vec<Kept> {
    let is_whole = |publication: &str| {
        let known = config.publications.iter().find(|p| p.code == publication);
        known.is_some_and(|p| matches!(&p.source, Source::Folder(source) if source.full))
    };
    let mut known = HashSet::new();
    let others = kept.into_iter().filter(|row| !is_whole(&row.publication));
    let sized = others.map(|row| {
        let path = kept_path(folder, &row.digest, &row.name);
        // Two publications may share a file.
        let is_first = known.insert(path.clone());
        let found = std::fs::metadata(path).map_or(0, |file| file.len());
        let bytes = if is_first { found } else { 0 };
        Kept { row, bytes }
    });
    sized.collect()
}

/// Those that are too old, and of the others the oldest beyond the size that is allowed. `copies`
/// come the newest first; `now` is in microseconds.
pub(super) fn surplus(limits: &Limits, now: i64, copies: Vec<Kept>) -> Vec<kept::Model> {
    const DAY: u64 = 86_400_000_000;
    let age = i64::try_from(limits.kept_days.saturating_mul(DAY)).unwrap_or(i64::MAX);
    let mut all = 0_u64;
    let gone = copies.into_iter().filter(|copy| {
        all = all.saturating_add(copy.bytes);
        let is_old = limits.kept_days > 0 && now.saturating_sub(copy.row.taken_at) > age;
        is_old || (limits.kept_bytes > 0 && all > limits.kept_bytes)
    });
    gone.map(|copy| copy.row).collect()
}

/// Names of files by publication, for people.
pub(super) fn names(rows: &[kept::Model]) -> String {
    let mut by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in rows {
        by.entry(&row.publication).or_default().push(&row.name);
    }
    let all = by
        .iter()
        .map(|(publication, names)| format!("{publication}: {}", names.join(", ")));
    all.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    fn gone(kept_days: u64, kept_bytes: u64) -> Vec<String> {
        let limits = Limits {
            kept_days,
            kept_bytes,
            ..Limits::default()
        };
        let copies = [("4", 4, 10), ("3", 3, 20), ("2", 2, 30), ("1", 1, 5)];
        let copies = copies.map(|(name, day, bytes)| Kept {
            row: kept::Model {
                publication: "v".into(),
                name: name.into(),
                digest: name.into(),
                place: name.into(),
                is_resent: false,
                batch: "b".into(),
                taken_at: day * DAY,
            },
            bytes,
        });
        let gone = surplus(&limits, 5 * DAY, copies.into());
        gone.into_iter().map(|row| row.name).collect()
    }

    #[test]
    fn the_oldest_copies_go_by_age_and_by_size() {
        assert_eq!(gone(0, 0), [""; 0]);
        assert_eq!(gone(3, 0), ["1"]);
        assert_eq!(gone(4, 65), [""; 0]);
        assert_eq!(gone(0, 64), ["1"]);
        assert_eq!(gone(0, 30), ["2", "1"]);
        assert_eq!(gone(0, 9), ["4", "3", "2", "1"]);
        assert_eq!(gone(2, 60), ["2", "1"]);
    }
}
