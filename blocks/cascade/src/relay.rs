//! Rows from one hub to another.
//!
//! A relay is a node of two hubs. What it is subscribed to at the one, it publishes at the other:
//! the subscription says what goes, for which purpose, which columns and rows, and may be suspended
//! at once; the other hub's steward opens the publication and decides who gets it there. A delivery
//! counts as applied at the first hub when the second one's receipt is here, and under the
//! delivery's number it is one batch at the second, however often it is sent.

use std::collections::HashMap;

use exchange::{
    node::{
        Folder, Membership, chunk_file,
        client::{Client, Trouble},
        config::Config,
        enrol,
        pull::Puller,
        send::Sender,
        state::{State, Taken, batch, reading},
    },
    wire::{
        Announce, Announced, BatchKind, Delivery, Manifest, Note, PublicationState, Signed, Want,
        Work, action, shape_digest,
    },
};
use kernel::{Fault, clock::micros};

/// A relay's place at one hub.
pub struct End {
    folder: Folder,
    membership: Membership,
    state: State,
    config: Config,
}

impl End {
    /// Enrolled before, in that folder.
    pub async fn open(folder: Folder) -> Result<Self, Trouble> {
        let membership = folder.membership()?;
        let state = State::open(&folder.0).await?;
        Ok(Self {
            folder,
            membership,
            state,
            config: Config::default(),
        })
    }

    /// A connection, with a new certificate where the old one nears its end.
    pub async fn client(&mut self) -> Result<Client, Trouble> {
        let mut client = Client::member(&self.folder, &self.membership)?;
        if enrol::is_due(&self.membership, chrono::Utc::now())? {
            self.membership = enrol::renew(&self.folder, &mut client).await?;
            client = Client::member(&self.folder, &self.membership)?;
        }
        Ok(client)
    }

    fn sender(&self) -> Sender<'_> {
        Sender {
            folder: &self.folder,
            membership: &self.membership,
            config: &self.config,
            state: &self.state,
        }
    }

    fn puller(&self) -> Puller<'_> {
        Puller {
            folder: &self.folder,
            membership: &self.membership,
            config: &self.config,
            state: &self.state,
        }
    }
}

/// Both clients of a round.
pub struct Clients<'a> {
    pub from: &'a mut Client,
    pub to: &'a mut Client,
}

/// One direction.
pub struct Relay<'a> {
    pub from: &'a End,
    pub to: &'a End,
}

impl Relay<'_> {
    /// Carries what waits; answers how many deliveries went through. One publication's trouble does
    /// not stop the others; the last is the answer.
    pub async fn round(&self, clients: &mut Clients<'_>) -> Result<usize, Trouble> {
        let work: Work = clients.from.act(action::WORK, &()).await?;
        let (mut carried, mut trouble) = (0, None);
        for task in &work.deliveries {
            match self.carry(clients, task).await {
                Ok(true) => carried += 1,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(publication = %task.publication, trouble = %error, "a relay stands");
                    trouble = Some(error);
                }
            }
        }
        self.want(clients, &work).await?;
        trouble.map_or(Ok(carried), Err)
    }

    /// Brings one delivery to the other hub. False where that hub has not opened it yet.
    async fn carry(&self, clients: &mut Clients<'_>, task: &Delivery) -> Result<bool, Trouble> {
        let known = match self.from.state.delivery(&task.id).await? {
            Some(known) => known,
            None => self.from.puller().fetch(clients.from, task).await?,
        };
        let note = self.from.puller().note(&known)?;
        let row = match self.to.state.batch(&task.id).await? {
            Some(row) => row,
            None => match self.prepare(clients.to, task, &note).await? {
                Some(row) => row,
                None => return Ok(false),
            },
        };
        if row.receipted_at.is_none() {
            self.to.sender().send(clients.to, &row).await?;
        }
        self.from
            .state
            .put_delivery(exchange::node::state::delivery::Model {
                applied_at: known.applied_at.or(Some(now())),
                ..known
            })
            .await?;
        self.from
            .puller()
            .receipt(clients.from, task, &note)
            .await?;
        Ok(true)
    }

    /// The delivery as a batch for the other hub, remembered before anything of it is sent.
    async fn prepare(
        &self,
        client: &mut Client,
        task: &Delivery,
        note: &Note,
    ) -> Result<Option<batch::Model>, Trouble> {
        let asked = Announce {
            code: task.publication.clone(),
            resource: task.resource.clone(),
            title: task.title.clone(),
            shape: task.shape.clone(),
        };
        let standing: Announced = client.act(action::ANNOUNCE, &asked).await?;
        if standing.state != PublicationState::Open {
            return Ok(None);
        }
        self.link(task, note)?;
        let manifest = Manifest {
            batch: task.id.clone(),
            node: self.to.membership.node.clone(),
            publication: task.publication.clone(),
            sequence: standing.next_sequence,
            kind: task.kind,
            rows: note.rows,
            deletes: note.deletes,
            refused: 0,
            checksum: note.checksum,
            shape: shape_digest(&task.shape)?,
            read_at: now(),
            chunks: note.chunks.clone(),
        };
        let signed = Signed::sign(&self.to.folder.signing_key()?, &manifest)?;
        let row = batch::Model {
            id: task.id.clone(),
            publication: task.publication.clone(),
            sequence: manifest.sequence,
            manifest: signed.text,
            manifest_signature: signed.signature,
            refused: "[]".into(),
            receipt: None,
            receipt_signature: None,
            created_at: now(),
            receipted_at: None,
        };
        let read = reading::Model {
            publication: task.publication.clone(),
            watermark: Some(task.sequence.to_string()),
            content: manifest.checksum.to_string(),
            read_at: manifest.read_at,
        };
        self.to
            .state
            .add_batch(row.clone(), read, Taken::default())
            .await?;
        Ok(Some(row))
    }

    /// The chunks that came in are those that go out.
    fn link(&self, task: &Delivery, note: &Note) -> Result<(), Fault> {
        let from = self.from.folder.incoming(&task.id);
        let to = self.to.folder.outgoing(&task.id);
        let failed = |e| Fault::caused_by(format!("prepare {}", to.display()), e).transient();
        std::fs::create_dir_all(&to).map_err(failed)?;
        for place in 0..note.chunks.len() {
            let (old, new) = (chunk_file(&from, place), chunk_file(&to, place));
            if new.exists() {
                continue;
            }
            // Two folders may lie on two disks.
            std::fs::hard_link(&old, &new)
                .or_else(|_| std::fs::copy(&old, &new).map(drop))
                .map_err(failed)?;
        }
        Ok(())
    }

    /// Where the other hub has subscribers that wait for everything, the first one is asked for it,
    /// unless it is on its way.
    async fn want(&self, clients: &mut Clients<'_>, work: &Work) -> Result<(), Trouble> {
        let other: Work = clients.to.act(action::WORK, &()).await?;
        let coming: HashMap<&str, bool> = work
            .deliveries
            .iter()
            .map(|task| (task.publication.as_str(), task.kind == BatchKind::Full))
            .collect();
        for publication in &other.publications {
            let is_coming = coming.get(publication.code.as_str()).copied();
            let is_open = publication.state == PublicationState::Open;
            if !publication.wants_full || !is_open || is_coming == Some(true) {
                continue;
            }
            let wanted = Want {
                publication: publication.code.clone(),
            };
            match clients.from.act::<()>(action::WANT, &wanted).await {
                Ok(()) => {}
                // The subscription ended: what is there already stays, nothing comes.
                Err(Trouble::Refused(why)) => {
                    tracing::info!(publication = %publication.code, %why, "nothing more comes");
                }
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(())
    }
}

fn now() -> i64 {
    micros(kernel::Clock::now(&kernel::SystemClock))
}
