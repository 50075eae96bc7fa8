//! Joining pairs: records that are linked with each other by any way are one cluster.

use crate::number::{index, place};

/// For each record the first record of its cluster; itself where nothing is linked with it.
pub fn clusters(records: usize, links: impl IntoIterator<Item = (u32, u32)>) -> Vec<u32> {
    let mut parent: Vec<u32> = (0..records).map(index).collect();
    for (left, right) in links {
        let (a, b) = (find(&mut parent, left), find(&mut parent, right));
        // The first record stays the head, so that the answer does not depend on the order.
        if let Some(slot) = parent.get_mut(place(a.max(b))) {
            *slot = a.min(b);
        }
    }
    for record in 0..records {
        find(&mut parent, index(record));
    }
    parent
}

/// The head of a record's cluster; the way to it is shortened.
fn find(parent: &mut [u32], record: u32) -> u32 {
    let mut head = record;
    while let Some(above) = parent.get(place(head)).copied().filter(|a| *a != head) {
        head = above;
    }
    let mut at = record;
    while let Some(slot) = parent.get_mut(place(at)).filter(|slot| **slot != head) {
        at = std::mem::replace(slot, head);
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_by_any_way_is_one() {
        let links = [(0, 1), (3, 4), (1, 3)];
        assert_eq!(clusters(6, links), [0, 0, 2, 0, 0, 5]);
        let turned = links.iter().rev().map(|(a, b)| (*b, *a));
        assert_eq!(clusters(6, turned), [0, 0, 2, 0, 0, 5]);
        assert_eq!(clusters(0, []), Vec::<u32>::new());
    }

    #[test]
    fn a_long_chain_ends() {
        let links = (0..100_000_u32).map(|n| (n, n + 1));
        let all = clusters(100_001, links);
        assert!(all.iter().all(|head| *head == 0));
    }
}
