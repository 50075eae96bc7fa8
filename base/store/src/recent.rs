//! The events that this process sealed last, for its consumers: each of them would read and parse
//! the same rows again.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use crate::Event;

/// Events kept at the most, and bytes of their bodies.
const EVENTS: usize = 2048;
const BYTES: usize = 4 << 20;

/// Sealed events of consecutive positions, the latest last. Only what is committed comes in, and
/// sealed events do not change.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    events: VecDeque<(usize, Arc<Event>)>,
    bytes: usize,
}

impl Recent {
    /// Keeps a batch; each event comes with the size of its body. Where another process sealed in
    /// between, what came before is let go.
    pub(crate) fn keep(&self, batch: Vec<(usize, Event)>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = kept.events.back().map(|(_, event)| event.position);
        let first = batch.first().map(|(_, event)| event.position);
        if last.map(|last| last + 1) != first {
            *kept = Kept::default();
        }
        for (size, event) in batch {
            kept.bytes += size;
            kept.events.push_back((size, Arc::new(event)));
        }
        while kept.events.len() > EVENTS || kept.bytes > BYTES {
            let Some((size, _)) = kept.events.pop_front() else {
                return;
            };
            kept.bytes -= size;
        }
    }

    /// The events right after a position; empty if they are not kept.
    pub(crate) fn after(&self, position: i64, limit: usize) -> Vec<Arc<Event>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = kept.events.front().map(|(_, event)| event.position);
        let Some(skip) = first.and_then(|first| usize::try_from(position + 1 - first).ok()) else {
            return Vec::new();
        };
        let events = kept.events.iter().skip(skip).take(limit);
        events.map(|(_, event)| event.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(position: i64, size: usize) -> (usize, Event) {
        let event = Event {
            position,
            id: String::new(),
            at: chrono::DateTime::UNIX_EPOCH,
            kind: String::new(),
            subject: String::new(),
            actor: String::new(),
            data: serde_json::Value::Null,
        };
        (size, event)
    }

    fn positions(recent: &Recent, after: i64) -> Vec<i64> {
        let events = recent.after(after, 3);
        events.iter().map(|event| event.position).collect()
    }

    #[test]
    fn only_what_follows_without_a_gap_is_given() {
        let recent = Recent::default();
        assert!(positions(&recent, 0).is_empty());
        recent.keep((5..8).map(|n| event(n, 1)).collect());
        recent.keep(vec![event(8, 1)]);
        assert_eq!(positions(&recent, 4), [5, 6, 7]);
        assert_eq!(positions(&recent, 6), [7, 8]);
        assert!(positions(&recent, 8).is_empty());
        assert!(positions(&recent, 3).is_empty(), "4 is not kept");
        // Another process sealed 9 to 11.
        recent.keep(vec![event(12, 1)]);
        assert!(positions(&recent, 8).is_empty());
        assert_eq!(positions(&recent, 11), [12]);
    }

    #[test]
    fn the_oldest_go_when_it_is_too_much() {
        let recent = Recent::default();
        recent.keep((1..=5).map(|n| event(n, BYTES / 4)).collect());
        assert!(positions(&recent, 0).is_empty());
        assert_eq!(positions(&recent, 1), [2, 3, 4]);
        recent.keep((6..=6 + 3000).map(|n| event(n, 0)).collect());
        let kept = recent.0.lock().unwrap();
        assert_eq!(kept.events.len(), EVENTS);
    }
}
