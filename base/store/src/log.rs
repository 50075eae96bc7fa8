//! The Merkle tree over the event log: RFC 6962 with SM3. Plain values, no database.
//!
//! Kept as tiles of 256 hashes ([`crate::schema::tile`]), so that sealing touches a few rows
//! however many events it takes, and a proof needs a few rows however long the log is.

use std::collections::{BTreeMap, BTreeSet};

use kernel::crypto::Sm3;

pub(crate) type Hash = [u8; 32];

/// Hashes in a tile, and levels of the tree in one level of tiles.
const WIDTH: usize = 256;
const BITS: u32 = 8;

/// Hash of one event's canonical text.
pub(crate) fn leaf_hash(text: &[u8]) -> Hash {
    let mut hasher = Sm3::new();
    hasher.update(&[0]);
    hasher.update(text);
    hasher.finish()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sm3::new();
    hasher.update(&[1]);
    hasher.update(left);
    hasher.update(right);
    hasher.finish()
}

/// Place of a tile: its level and its number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) level: i32,
    pub(crate) number: i64,
}

/// Tiles that an append filled or changed.
pub(crate) type Changed = BTreeMap<Place, Vec<u8>>;

/// The unfinished tiles on the right edge of the tree, one for each level: all that is needed to
/// append and to compute the root.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Places of the tiles from which [`Edge::restore`] builds the edge of a log of this size.
    pub(crate) fn places(size: u64) -> Vec<Place> {
        let mut places = Vec::new();
        let mut level = 0;
        let mut hashes = size;
        while hashes > 0 {
            let number = i64::try_from(hashes >> BITS).unwrap_or(i64::MAX);
            places.push(Place { level, number });
            hashes >>= BITS;
            level += 1;
        }
        places
    }

    /// The edge of a log of this size, from the contents of the tiles at [`Edge::places`] (empty
    /// where there is none); `None` if a tile is too short.
    pub(crate) fn restore(size: u64, tiles: &[Vec<u8>]) -> Option<Self> {
        let mut levels = Vec::new();
        let mut hashes = size;
        for tile in tiles {
            let here = usize::try_from(hashes & (WIDTH as u64 - 1)).ok()?;
            let (known, _) = tile.as_chunks::<32>();
            levels.push(known.get(..here)?.to_vec());
            hashes >>= BITS;
        }
        Some(Self { size, levels })
    }

    /// Appends a leaf; the tiles it fills go to `filled`, and are gone from the edge.
    pub(crate) fn append(&mut self, leaf: Hash, filled: &mut Changed) {
        let before = self.size;
        self.size += 1;
        let mut hash = leaf;
        for level in 0_u32.. {
            let at = level as usize;
            if self.levels.len() == at {
                self.levels.push(Vec::new());
            }
            let Some(tile) = self.levels.get_mut(at) else {
                return;
            };
            tile.push(hash);
            if tile.len() < WIDTH {
                return;
            }
            filled.insert(place(level, before), tile.concat());
            hash = fold(&complete_subtrees(tile)).unwrap_or(hash);
            tile.clear();
        }
    }

    /// The unfinished tiles, as they are to be stored.
    pub(crate) fn unfinished(&self) -> Changed {
        (0_u32..)
            .zip(&self.levels)
            .filter(|(_, tile)| !tile.is_empty())
            .map(|(level, tile)| (place(level, self.size), tile.concat()))
            .collect()
    }

    /// Root of the whole tree. That of no leaf is the hash of nothing.
    pub(crate) fn root(&self) -> Hash {
        let subtrees: Vec<Hash> = self
            .levels
            .iter()
            .rev()
            .flat_map(|tile| complete_subtrees(tile))
            .collect();
        fold(&subtrees).unwrap_or_else(|| Sm3::new().finish())
    }
}

/// Where the tile is that leaf `index` belongs to, on this level of tiles.
fn place(level: u32, index: u64) -> Place {
    let number = index.checked_shr(BITS * (level + 1)).unwrap_or(0);
    Place {
        level: i32::try_from(level).unwrap_or(i32::MAX),
        number: i64::try_from(number).unwrap_or(i64::MAX),
    }
}

/// Roots of the complete subtrees over a run of hashes, the largest and leftmost first.
fn complete_subtrees(hashes: &[Hash]) -> Vec<Hash> {
    let mut stack: Vec<(u32, Hash)> = Vec::new();
    for hash in hashes {
        let mut top = (0, *hash);
        while let Some((height, left)) = stack.pop_if(|(height, _)| *height == top.0) {
            top = (height + 1, node_hash(&left, &top.1));
        }
        stack.push(top);
    }
    stack.into_iter().map(|(_, hash)| hash).collect()
}

/// The root over complete subtrees that stand side by side, the largest first.
fn fold(subtrees: &[Hash]) -> Option<Hash> {
    let (last, before) = subtrees.split_last()?;
    Some(
        before
            .iter()
            .rev()
            .fold(*last, |right, left| node_hash(left, &right)),
    )
}

/// A complete subtree: `2^height` leaves from `index * 2^height` on.
#[derive(Clone, Copy, Debug)]
struct Subtree {
    height: u32,
    index: u64,
}

impl Subtree {
    /// The tile that holds it, and which of the tile's hashes it covers.
    fn tile(self) -> (Place, std::ops::Range<usize>) {
        let level = self.height / BITS;
        let inside = self.height % BITS;
        let first = self.index << inside;
        let from = usize::try_from(first & (WIDTH as u64 - 1)).unwrap_or(WIDTH);
        let number = i64::try_from(first >> BITS).unwrap_or(i64::MAX);
        let level = i32::try_from(level).unwrap_or(i32::MAX);
        (Place { level, number }, from..from + (1 << inside))
    }
}

/// What has to be known to prove that one leaf is in a log of some size: for each step of the
/// path, the subtrees on the other side.
pub(crate) struct Path(Vec<Vec<Subtree>>);

impl Path {
    /// The path of leaf `index` (from 0) in a log of `size` leaves.
    pub(crate) fn of(index: u64, size: u64) -> Self {
        let mut steps = Vec::new();
        let (mut low, mut high) = (0, size);
        while high - low > 1 {
            let middle = low + split(high - low);
            if index < middle {
                steps.push(subtrees(middle, high));
                high = middle;
            } else {
                steps.push(subtrees(low, middle));
                low = middle;
            }
        }
        // The path is told from the leaf upwards.
        steps.reverse();
        Self(steps)
    }

    pub(crate) fn places(&self) -> BTreeSet<Place> {
        self.0
            .iter()
            .flatten()
            .map(|subtree| subtree.tile().0)
            .collect()
    }

    /// The hashes of the path, if the tiles hold all of them.
    pub(crate) fn hashes(&self, tiles: &BTreeMap<Place, Vec<u8>>) -> Option<Vec<Hash>> {
        let root_of = |subtree: &Subtree| {
            let (place, range) = subtree.tile();
            let (hashes, _) = tiles.get(&place)?.as_chunks::<32>();
            fold(&complete_subtrees(hashes.get(range)?))
        };
        self.0
            .iter()
            .map(|side| fold(&side.iter().map(root_of).collect::<Option<Vec<_>>>()?))
            .collect()
    }
}

/// The largest power of two below `leaves`, which is at least 2.
fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

/// The complete subtrees that cover these leaves; `low` is a multiple of the largest.
fn subtrees(low: u64, high: u64) -> Vec<Subtree> {
    let mut found = Vec::new();
    let mut at = low;
    while at < high {
        let height = (high - at).ilog2();
        found.push(Subtree {
            height,
            index: at >> height,
        });
        at += 1 << height;
    }
    found
}

/// The root that follows from a leaf and its path (RFC 9162, 2.1.3.2); `None` if the path does
/// not fit the sizes.
pub(crate) fn root_of_path(index: u64, size: u64, leaf: Hash, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut at, mut last) = (index, size - 1);
    let mut root = leaf;
    for step in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            root = node_hash(step, &root);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            root = node_hash(&root, step);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(n: u64) -> Hash {
        leaf_hash(&n.to_be_bytes())
    }

    /// The definition of RFC 6962, as slow as it is short.
    fn slow_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sm3::new().finish(),
            [one] => *one,
            many => {
                let (left, right) =
                    many.split_at(usize::try_from(split(many.len() as u64)).unwrap());
                node_hash(&slow_root(left), &slow_root(right))
            }
        }
    }

    fn grown(size: u64) -> (Edge, Changed) {
        let (mut edge, mut tiles) = (Edge::default(), Changed::new());
        for n in 0..size {
            edge.append(leaf(n), &mut tiles);
        }
        tiles.extend(edge.unfinished());
        (edge, tiles)
    }

    #[test]
    fn the_root_is_that_of_the_definition() {
        let leaves: Vec<_> = (0..1100).map(leaf).collect();
        let (mut edge, mut tiles) = (Edge::default(), Changed::new());
        for (n, hash) in leaves.iter().enumerate() {
            if n < 20 || n % 97 == 0 || n % 256 < 2 {
                assert_eq!(edge.root(), slow_root(&leaves[..n]), "{n} leaves");
            }
            edge.append(*hash, &mut tiles);
        }
    }

    #[test]
    fn an_edge_comes_back_from_its_tiles() {
        for size in [0, 1, 5, 255, 256, 257, 1000, 65_535, 65_536, 65_537, 66_000] {
            let (edge, tiles) = grown(size);
            let kept: Vec<_> = Edge::places(size)
                .into_iter()
                .map(|place| tiles.get(&place).cloned().unwrap_or_default())
                .collect();
            let restored = Edge::restore(size, &kept).unwrap();
            assert_eq!(restored.root(), edge.root(), "{size} leaves");
        }
    }

    #[test]
    fn every_leaf_can_be_proved_and_no_other() {
        for size in [1, 2, 3, 7, 255, 256, 257, 600] {
            let (edge, tiles) = grown(size);
            for index in 0..size {
                let path = Path::of(index, size).hashes(&tiles).unwrap();
                let proved = root_of_path(index, size, leaf(index), &path);
                assert_eq!(proved, Some(edge.root()), "{index} of {size}");
                assert_ne!(root_of_path(index, size, leaf(index + 1), &path), proved);
                assert_eq!(root_of_path(size, size, leaf(index), &path), None);
            }
        }
    }

    #[test]
    fn a_proof_in_a_long_log_needs_few_tiles() {
        let path = Path::of(12_345_678, 98_765_432);
        assert!(path.places().len() <= 8, "{}", path.places().len());
        assert!(path.0.len() <= 27);
    }
}
