//! Chunks that go to the hub while the source is still read. Nothing rests on it: what the hub does
//! not have when the manifest is offered is sent then, so whatever goes wrong here is only slower.

use std::{collections::HashSet, path::PathBuf, time::Duration};

use kernel::Fault;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    client::{Client, Trouble},
    send::stream,
};
use crate::{
    data::chunk::Mark,
    wire::{Begin, Begun, GiveUp, action},
};

/// Between a failure and the next try.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Ahead<'a> {
    pub client: &'a mut Client,
    pub begin: Begin,
    /// Where the chunks are.
    pub folder: PathBuf,
    pub bytes_per_second: u64,
    /// Chunks of the last batch, where the same may come once more: as long as they do, nothing is
    /// sent, because a batch that says nothing new never is.
    pub before: Option<Vec<Mark>>,
}

impl Ahead<'_> {
    /// Sends what is told until no more is. Answers whether the hub has begun the batch.
    pub async fn run(&mut self, mut told: UnboundedReceiver<Mark>) -> bool {
        let mut marks = Vec::new();
        // Places that the hub has, once it was asked.
        let mut held: Option<HashSet<u32>> = None;
        let mut is_begun = false;
        while let Some(mark) = told.recv().await {
            marks.push(mark);
            while let Ok(mark) = told.try_recv() {
                marks.push(mark);
            }
            if self.before.as_ref().is_some_and(|b| b.starts_with(&marks)) {
                continue;
            }
            let sent = self.send(&marks, &mut held).await;
            is_begun |= held.is_some();
            match sent {
                Ok(()) => {}
                Err(Trouble::Refused(why)) => {
                    tracing::info!(batch = %self.begin.batch, %why, "chunks wait for their manifest");
                    break;
                }
                Err(trouble @ Trouble::Fault(_)) => {
                    tracing::warn!(batch = %self.begin.batch, %trouble, "chunks do not go yet");
                    held = None;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        is_begun
    }

    /// Sends what the hub does not have.
    async fn send(
        &mut self,
        marks: &[Mark],
        held: &mut Option<HashSet<u32>>,
    ) -> Result<(), Trouble> {
        let held = if let Some(held) = held {
            held
        } else {
            let begun: Begun = self.client.act(action::BEGIN, &self.begin).await?;
            held.insert(begun.held.into_iter().collect())
        };
        let missing: Vec<(u32, Option<Mark>)> = (0_u32..)
            .zip(marks)
            .filter(|(place, _)| !held.contains(place))
            .map(|(place, mark)| (place, Some(mark.clone())))
            .collect();
        let places: Vec<u32> = missing.iter().map(|(place, _)| *place).collect();
        let (batch, folder) = (self.begin.batch.clone(), self.folder.clone());
        let chunks = stream(batch, folder, self.bytes_per_second, missing);
        let kept = self.client.put(chunks).await?;
        if kept < places.len() {
            return Err(Fault::new("the hub did not keep all chunks")
                .transient()
                .into());
        }
        held.extend(places);
        Ok(())
    }

    /// The reading came to nothing. A hub that does not hear it forgets the batch at the next one.
    pub async fn give_up(&mut self) {
        let batch = self.begin.batch.clone();
        let told: Result<(), Trouble> = self.client.act(action::GIVE_UP, &GiveUp { batch }).await;
        if let Err(trouble) = told {
            tracing::info!(%trouble, "a batch that came to nothing is not given up yet");
        }
    }
}
