//! Rows that go into their table while the rest of their delivery still comes. The transaction ends
//! when the hub's signed note has proved all of them; until then it can be dropped, and nothing
//! rests on it: what was not loaded here is applied from the chunks on disk.

use std::{collections::BTreeMap, sync::Arc};

use kernel::Fault;
use tokio::{sync::mpsc, task::JoinHandle};

use super::target::{Load, Order, Ready};

pub(super) struct Loading {
    pub order: Arc<Order>,
    /// None after the target refused a chunk.
    pieces: Option<mpsc::Sender<Ready>>,
    /// Chunks that came before their turn.
    waiting: BTreeMap<usize, Ready>,
    next: usize,
    loaded: JoinHandle<Result<Option<Load>, Fault>>,
}

impl Loading {
    /// Opens the target beside the first chunks.
    pub fn begin(order: Arc<Order>) -> Self {
        let (pieces, mut coming) = mpsc::channel(1);
        let own = order.clone();
        let loaded = tokio::spawn(async move {
            let Some(mut load) = Load::begin(own).await? else {
                return Ok(None);
            };
            while let Some(ready) = coming.recv().await {
                load.take(ready).await?;
            }
            Ok(Some(load))
        });
        Self {
            order,
            pieces: Some(pieces),
            waiting: BTreeMap::new(),
            next: 0,
            loaded,
        }
    }

    /// A chunk, in whatever order they come. Waits while the target is busy.
    pub async fn take(&mut self, place: usize, ready: Ready) {
        self.waiting.insert(place, ready);
        while let Some(ready) = self.waiting.remove(&self.next) {
            self.next += 1;
            let Some(pieces) = &self.pieces else { continue };
            if pieces.send(ready).await.is_err() {
                // What is wrong is told at the end.
                self.pieces = None;
            }
        }
    }

    /// All is proved, and there are so many chunks. Answers whether the table has them now.
    pub async fn finish(self, chunks: usize) -> Result<bool, Fault> {
        drop(self.pieces);
        let loaded = self.loaded.await;
        let loaded = loaded.map_err(|e| Fault::caused_by("apply a delivery", e).transient())?;
        match loaded? {
            Some(load) if self.next == chunks => load.finish().await.map(|()| true),
            _ => Ok(false),
        }
    }
}
