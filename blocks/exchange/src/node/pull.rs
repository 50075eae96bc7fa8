//! Incoming: a delivery's chunks, its note, the target, the receipt. Each step is remembered before
//! the next begins, and done again it changes nothing.

use std::{collections::HashMap, path::Path, sync::Arc};

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use kernel::{Fault, clock::micros};
use tokio::task::JoinHandle;

use super::{
    Folder, Membership, chunk_file,
    client::{Client, Trouble},
    config::{Config, Target},
    loading::Loading,
    send::{remove, throttle},
    state::{State, delivery},
    target::{self, Order, Ready},
    write_whole,
};
use crate::{
    data::{
        Shape,
        checksum::Checksum,
        chunk::{self, Kind, Mark},
    },
    wire::{Applied, BatchKind, Delivery, Failed, Note, Pull, Pulled, Signed, action},
};

pub struct Puller<'a> {
    pub folder: &'a Folder,
    pub membership: &'a Membership,
    pub config: &'a Config,
    pub state: &'a State,
}

impl Puller<'_> {
    /// Brings one delivery into its target. One without a target here is left alone.
    pub async fn deliver(&self, client: &mut Client, task: &Delivery) -> Result<bool, Trouble> {
        let target = self
            .config
            .targets
            .iter()
            .find(|t| t.publication == task.publication);
        let Some(target) = target else {
            tracing::warn!(publication = %task.publication, "no target for a subscription");
            return Ok(false);
        };
        let mut loading = None;
        let known = if let Some(known) = self.state.delivery(&task.id).await? {
            known
        } else {
            loading = self.loading(task, target);
            self.fetch_into(client, task, loading.as_mut()).await?
        };
        let note = self.note(&known)?;
        if known.applied_at.is_none() {
            let known = known.clone();
            match self.apply(task, target, &note, loading).await {
                Ok(()) => {
                    let applied_at = Some(micros(kernel::Clock::now(&kernel::SystemClock)));
                    self.state
                        .put_delivery(delivery::Model {
                            applied_at,
                            ..known
                        })
                        .await?;
                }
                Err(fault) if fault.is_transient => return Err(fault.into()),
                Err(fault) => {
                    tracing::error!(cause = %fault.chain(), "the target does not take a delivery");
                    let failed = Failed {
                        delivery: task.id.clone(),
                        problem: fault.chain(),
                    };
                    let () = client.act(action::FAILED, &failed).await?;
                    return Ok(true);
                }
            }
        }
        self.receipt(client, task, &note).await?;
        Ok(true)
    }

    /// A table that takes rows while they come: all of them, into `PostgreSQL`. Changes would hold
    /// the locks of their rows as long as the line is slow. What was brought in part is applied from
    /// the disk, because only the note tells what those chunks are.
    fn loading(&self, task: &Delivery, target: &Target) -> Option<Loading> {
        let is_new = !chunk_file(&self.folder.incoming(&task.id), 0).exists();
        let can_load = target.is_postgres() && task.kind == BatchKind::Full && is_new;
        can_load.then(|| {
            Loading::begin(Arc::new(Order {
                target: target.clone(),
                shape: task.shape.clone(),
                kind: task.kind,
                batch: task.batch.clone(),
                subscription: task.subscription.clone(),
                sequence: task.sequence,
                folder: self.folder.incoming(&task.id),
            }))
        })
    }

    /// Brings chunks that are not here yet, then the note; checks everything that can be checked.
    pub async fn fetch(
        &self,
        client: &mut Client,
        task: &Delivery,
    ) -> Result<delivery::Model, Trouble> {
        self.fetch_into(client, task, None).await
    }

    async fn fetch_into(
        &self,
        client: &mut Client,
        task: &Delivery,
        mut loading: Option<&mut Loading>,
    ) -> Result<delivery::Model, Trouble> {
        let folder = self.folder.incoming(&task.id);
        std::fs::create_dir_all(&folder)
            .map_err(|e| Fault::caused_by(format!("make {}", folder.display()), e))?;
        let mut from = 0_u32;
        while chunk_file(&folder, from as usize).exists() {
            from += 1;
        }
        let asked = Pull {
            delivery: task.id.clone(),
            from,
        };
        let mut stream = client.get(&asked).await?;
        let mut signed = None;
        let mut keeping = FuturesUnordered::new();
        let mut kept = HashMap::new();
        let order = loading.as_ref().map(|loading| loading.order.clone());
        while let Some(message) = stream.message().await? {
            let pulled = serde_json::from_slice(&message.app_metadata)
                .map_err(|e| Fault::caused_by("read a delivery", e))?;
            match pulled {
                Pulled::Chunk { place, mark } => {
                    let (path, shape) = (chunk_file(&folder, place as usize), task.shape.clone());
                    let bytes = message.data_body;
                    let (size, order) = (bytes.len(), order.clone());
                    keeping.push(tokio::task::spawn_blocking(move || {
                        let done = keep(&path, &bytes, &mark, &shape, order.as_deref());
                        done.map(|(known, ready)| (place as usize, known, ready))
                    }));
                    throttle(self.config.limits.bytes_per_second, size).await;
                    if keeping.len() >= AT_ONCE {
                        one(&mut keeping, &mut kept, loading.as_deref_mut()).await?;
                    }
                }
                Pulled::Note(note) => signed = Some(note),
            }
        }
        while !keeping.is_empty() {
            one(&mut keeping, &mut kept, loading.as_deref_mut()).await?;
        }
        let signed = signed.ok_or_else(|| Fault::new("a delivery broke off").transient())?;
        let row = delivery::Model {
            id: task.id.clone(),
            publication: task.publication.clone(),
            subscription: task.subscription.clone(),
            sequence: task.sequence,
            note: signed.text,
            note_signature: signed.signature,
            pulled_at: micros(kernel::Clock::now(&kernel::SystemClock)),
            applied_at: None,
            receipted_at: None,
        };
        let note = self.note(&row)?;
        if note.delivery != task.id || note.subscription != task.subscription {
            return Err(Fault::new("the hub's note is for another delivery").into());
        }
        if let Err(fault) = check(&folder, &note, &task.shape, &kept) {
            // Chunks of an earlier cut, or a disk that lies: everything is brought again.
            remove(&folder);
            return Err(fault.transient().into());
        }
        self.state.put_delivery(row.clone()).await?;
        Ok(row)
    }

    /// What the hub signed of a delivery.
    pub fn note(&self, row: &delivery::Model) -> Result<Note, Fault> {
        let signed = Signed {
            text: row.note.clone(),
            signature: row.note_signature.clone(),
        };
        signed
            .open(&self.membership.hub_key()?)
            .map_err(|_| Fault::new("the hub's note is not signed by the hub"))
    }

    async fn apply(
        &self,
        task: &Delivery,
        target: &Target,
        note: &Note,
        loading: Option<Loading>,
    ) -> Result<(), Fault> {
        if let Some(loading) = loading.filter(|loading| is_of(&loading.order, note)) {
            match loading.finish(note.chunks.len()).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(fault) => {
                    tracing::warn!(cause = %fault.chain(), "rows did not go in while they came");
                }
            }
        }
        let order = Order {
            target: target.clone(),
            shape: task.shape.clone(),
            kind: note.kind,
            batch: note.batch.clone(),
            subscription: note.subscription.clone(),
            sequence: note.sequence,
            folder: self.folder.incoming(&task.id),
        };
        target::apply(Arc::new(order), note.chunks.clone()).await
    }

    /// Tells the hub that a delivery is where it belongs, and forgets its chunks.
    pub async fn receipt(
        &self,
        client: &mut Client,
        task: &Delivery,
        note: &Note,
    ) -> Result<(), Trouble> {
        let Some(row) = self.state.delivery(&task.id).await? else {
            return Ok(());
        };
        let applied = Applied {
            delivery: task.id.clone(),
            node: self.membership.node.clone(),
            rows: note.rows,
            deletes: note.deletes,
            checksum: note.checksum,
            applied_at: row.applied_at.unwrap_or_default(),
        };
        let signed = Signed::sign(&self.folder.signing_key()?, &applied)?;
        let () = client.act(action::APPLIED, &signed).await?;
        let receipted_at = Some(micros(kernel::Clock::now(&kernel::SystemClock)));
        self.state
            .put_delivery(delivery::Model {
                receipted_at,
                ..row
            })
            .await?;
        remove(&self.folder.incoming(&task.id));
        Ok(())
    }
}

/// Chunks of a delivery that are looked at and written while the next ones come.
const AT_ONCE: usize = 3;

/// What is known of a chunk on disk.
struct Known {
    digest: String,
    sum: Checksum,
}

type Keeping = FuturesUnordered<JoinHandle<Result<(usize, Known, Option<Ready>), Fault>>>;

/// Whether rows were loaded as what the hub signed that they are.
fn is_of(order: &Order, note: &Note) -> bool {
    order.kind == note.kind
        && order.batch == note.batch
        && order.subscription == note.subscription
        && order.sequence == note.sequence
}

/// Waits for the next of them that is done, and hands its rows to the table.
async fn one(
    keeping: &mut Keeping,
    kept: &mut HashMap<usize, Known>,
    loading: Option<&mut Loading>,
) -> Result<(), Fault> {
    let Some(done) = keeping.next().await else {
        return Ok(());
    };
    let done = done.map_err(|e| Fault::caused_by("keep a chunk", e).transient())?;
    let (place, known, ready) = done?;
    kept.insert(place, known);
    if let (Some(loading), Some(ready)) = (loading, ready) {
        loading.take(place, ready).await;
    }
    Ok(())
}

fn keep(
    path: &Path,
    bytes: &Bytes,
    mark: &Mark,
    shape: &Shape,
    order: Option<&Order>,
) -> Result<(Known, Option<Ready>), Fault> {
    let (known, batches) = look_at(bytes, mark, shape)?;
    if known.digest != mark.digest {
        return Err(Fault::new("a chunk arrived damaged").transient());
    }
    write_whole(path, bytes)?;
    let ready = order.map(|order| Ready::make(order, mark.kind, &batches));
    Ok((known, ready.transpose()?))
}

fn look_at(bytes: &Bytes, mark: &Mark, shape: &Shape) -> Result<(Known, Vec<RecordBatch>), Fault> {
    let digest = chunk::digest(bytes);
    let mut sum = Checksum::default();
    if digest != mark.digest {
        return Ok((Known { digest, sum }, Vec::new()));
    }
    let schema = match mark.kind {
        Kind::Rows => shape.schema(),
        Kind::Deletes => shape.key_schema(),
    };
    let batches = chunk::read(bytes.clone(), &schema)?;
    for batch in &batches {
        sum.add(batch)?;
    }
    Ok((Known { digest, sum }, batches))
}

/// The chunks are those of the note, and their rows add up. Those that were here before are read
/// again.
fn check(
    folder: &Path,
    note: &Note,
    shape: &Shape,
    kept: &HashMap<usize, Known>,
) -> Result<(), Fault> {
    let mut sum = Checksum::default();
    for (place, mark) in note.chunks.iter().enumerate() {
        let read;
        let known = if let Some(known) = kept.get(&place) {
            known
        } else {
            let path = chunk_file(folder, place);
            let bytes = std::fs::read(&path)
                .map_err(|e| Fault::caused_by(format!("read {}", path.display()), e))?;
            read = look_at(&bytes.into(), mark, shape)?.0;
            &read
        };
        if known.digest != mark.digest {
            return Err(Fault::new("a chunk is not that of the hub's note"));
        }
        sum = sum.and(known.sum);
    }
    if sum == note.checksum {
        Ok(())
    } else {
        Err(Fault::new("the rows are not those of the hub's note"))
    }
}
