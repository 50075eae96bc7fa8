//! The node's loop: announce, read, send, pull, apply; slower and slower while nothing works.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    time::Duration,
};

use kernel::{Fault, clock::micros};
use tokio_util::sync::CancellationToken;

use super::{
    Folder, Membership,
    client::{Client, Trouble},
    config::{Config, Publication, Source},
    enrol, keeping,
    pull::Puller,
    send::Sender,
    source::folder,
    state::State,
};
use crate::wire::{PublicationState, Told, Troubles, Work, action};

/// Between tries while the hub is away: doubled each time up to this.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Between looks for copies that are too old, microseconds.
const TIDY_EVERY: i64 = 3_600_000_000;

pub struct Node {
    pub folder: Folder,
    pub config: Config,
    state: State,
    membership: Membership,
    /// Publications that the hub did not let out in the last round, because they are not open.
    waiting: Vec<String>,
    /// Troubles that the hub knows of; none before it was told in this process.
    told: Option<Troubles>,
    /// When copies of taken files were last looked through, microseconds.
    tidied: Option<i64>,
    /// Held as long as this works in the folder.
    _lock: std::fs::File,
}

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    pub sent: usize,
    pub delivered: usize,
}

impl Node {
    pub async fn open(folder: Folder, config: Config) -> Result<Self, Trouble> {
        let membership = folder.membership()?;
        let lock = lock(&folder)?;
        let state = State::open(&folder.0).await?;
        let unsent = state.unsent().await?;
        let kept = state.kept(None).await?;
        folder.sweep(
            &unsent.into_iter().map(|row| row.id).collect(),
            &kept.into_iter().map(|row| row.digest).collect(),
        )?;
        Ok(Self {
            folder,
            config,
            state,
            membership,
            waiting: Vec::new(),
            told: None,
            tidied: None,
            _lock: lock,
        })
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// Codes of publications that nothing is read of, until a steward opens them at the hub.
    pub fn waiting(&self) -> &[String] {
        &self.waiting
    }

    /// Works until told to stop.
    pub async fn run(&mut self, stop: &CancellationToken) -> Result<(), Trouble> {
        let usual = Duration::from_secs(self.config.limits.poll_seconds.max(1));
        let mut pause = usual;
        loop {
            let round = tokio::select! {
                round = self.round(false) => round,
                () = stop.cancelled() => return Ok(()),
            };
            match round {
                Ok(round) if round.sent + round.delivered > 0 => pause = Duration::ZERO,
                Ok(_) => pause = usual,
                Err(trouble) => {
                    tracing::warn!(%trouble, "the node could not do its work");
                    pause = (pause * 2).clamp(usual, LONGEST_PAUSE);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// Does all that is due once. One publication's or target's trouble does not stop the others;
    /// the last trouble is the answer.
    pub async fn round(&mut self, is_forced: bool) -> Result<Round, Trouble> {
        let mut client = Client::member(&self.folder, &self.membership)?;
        if enrol::is_due(&self.membership, chrono::Utc::now())? {
            self.membership = enrol::renew(&self.folder, &mut client).await?;
            client = Client::member(&self.folder, &self.membership)?;
        }
        let (mut round, mut log) = (Round::default(), Log::default());
        // What is read already goes first: it decides the next batch's sequence.
        for (publication, sent) in self.send(&mut client).await? {
            round.sent += log.note(&publication, sent.map(|()| 1));
        }
        let mut known = HashMap::new();
        for publication in &self.config.publications {
            match self.sender().announce(&mut client, publication).await {
                Ok(standing) => drop(known.insert(&publication.code, standing)),
                Err(trouble @ Trouble::Refused(_)) => {
                    log.note(&publication.code, Err(trouble));
                }
                // No other would get through.
                Err(fault @ Trouble::Fault(_)) => return Err(fault),
            }
        }
        let closed = known
            .iter()
            .filter(|(_, standing)| standing.state != PublicationState::Open);
        self.waiting = closed.map(|(code, _)| (*code).clone()).collect();
        self.waiting.sort();
        let unsent = self.state.unsent().await?;
        for publication in &self.config.publications {
            let is_busy = unsent.iter().any(|row| row.publication == publication.code);
            if let Some(standing) = known.get(&publication.code).filter(|_| !is_busy) {
                let sender = self.sender();
                let read = sender.read(&mut client, publication, standing, is_forced);
                let read = read.await;
                log.note(&publication.code, read.map(usize::from));
            }
        }
        for (publication, sent) in self.send(&mut client).await? {
            round.sent += log.note(&publication, sent.map(|()| 1));
        }
        let work: Work = client.act(action::WORK, &()).await?;
        for task in &work.deliveries {
            let delivered = self.puller().deliver(&mut client, task).await;
            round.delivered += log.note(&task.publication, delivered.map(usize::from));
        }
        self.tidy(round.sent > 0).await?;
        self.tell(&mut client, log.troubles()).await?;
        log.last.map_or(Ok(round), Err)
    }

    /// Lets copies of taken files go that are too many or too old.
    async fn tidy(&mut self, is_due: bool) -> Result<(), Trouble> {
        let now = micros(kernel::Clock::now(&kernel::SystemClock));
        let is_new = self.tidied.is_some_and(|at| now - at < TIDY_EVERY);
        if is_new && !is_due {
            return Ok(());
        }
        let folder = self.folder.kept();
        let copies = keeping::sized(&self.config, &folder, self.state.receipted().await?);
        let surplus = keeping::surplus(&self.config.limits, now, copies);
        if !surplus.is_empty() {
            let files = keeping::names(&surplus);
            tracing::warn!(%files, "copies of taken files are kept no longer");
            self.state.let_go(surplus).await?;
        }
        let kept = self.state.kept(None).await?;
        let digests = kept.into_iter().map(|row| row.digest).collect();
        self.folder.sweep_kept(&digests)?;
        self.tidied = Some(now);
        Ok(())
    }

    /// Tells the hub what does not go on, if it is not what was told last.
    async fn tell(&mut self, client: &mut Client, troubles: Troubles) -> Result<(), Trouble> {
        if self.told.as_ref() == Some(&troubles) {
            return Ok(());
        }
        match client.act(action::TROUBLES, &troubles).await {
            // An older hub does not ask.
            Ok(()) | Err(Trouble::Refused(_)) => {
                self.told = Some(troubles);
                Ok(())
            }
            Err(fault) => Err(fault),
        }
    }

    /// Sends the rows of a file as an increment of a publication: refused rows that were mended.
    /// Headings are those of the source.
    pub async fn resend(&mut self, code: &str, file: &Path) -> Result<(), Trouble> {
        let publication = self.config.publications.iter().find(|p| p.code == code);
        let publication = publication
            .ok_or_else(|| Fault::new(format!("the settings have no publication {code}")))?;
        let publication = mended(publication, file)?;
        let mut client = Client::member(&self.folder, &self.membership)?;
        self.send_of(&mut client, code).await?;
        let standing = self.sender().announce(&mut client, &publication).await?;
        self.sender()
            .read_file(&publication, &standing, file)
            .await?;
        self.send_of(&mut client, code).await
    }

    /// Sends what was read before; a publication has one batch under way at the most. Answers what
    /// became of each, by publication: one that is closed does not hold the others up.
    async fn send(
        &self,
        client: &mut Client,
    ) -> Result<Vec<(String, Result<(), Trouble>)>, Trouble> {
        let mut all = Vec::new();
        for row in self.state.unsent().await? {
            let sent = self.sender().send(client, &row).await;
            let is_cut_off = matches!(&sent, Err(Trouble::Fault(fault)) if fault.is_transient);
            all.push((row.publication, sent));
            if is_cut_off {
                break;
            }
        }
        Ok(all)
    }

    /// The same of one publication, whose trouble is the answer.
    async fn send_of(&self, client: &mut Client, code: &str) -> Result<(), Trouble> {
        let all = self.send(client).await?;
        let mut own = all
            .into_iter()
            .filter(|(publication, _)| publication == code);
        own.try_for_each(|(_, sent)| sent)
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

/// Two processes in one folder would read and send the same things.
fn lock(folder: &Folder) -> Result<std::fs::File, Fault> {
    let path = folder.0.join("node.lock");
    let file = std::fs::File::create(&path)
        .map_err(|e| Fault::caused_by(format!("make {}", path.display()), e))?;
    file.try_lock().map_err(|e| {
        let what = "another process works in the node's folder; stop it first";
        Fault::caused_by(what, e)
    })?;
    Ok(file)
}

/// The publication with a file of mended rows as its source.
fn mended(publication: &Publication, file: &Path) -> Result<Publication, Fault> {
    Ok(Publication {
        source: Source::Folder(folder::mended(publication, file)?),
        ..publication.clone()
    })
}

/// What did not succeed in a round, by publication.
#[derive(Default)]
struct Log {
    told: BTreeMap<String, String>,
    last: Option<Trouble>,
}

impl Log {
    fn note(&mut self, publication: &str, outcome: Result<usize, Trouble>) -> usize {
        outcome.unwrap_or_else(|trouble| {
            tracing::warn!(publication, %trouble, "a step did not succeed");
            self.told
                .insert(publication.to_owned(), trouble.to_string());
            self.last = Some(trouble);
            0
        })
    }

    fn troubles(&self) -> Troubles {
        let told = self.told.iter().map(|(publication, problem)| Told {
            publication: publication.clone(),
            problem: problem.clone(),
        });
        Troubles {
            troubles: told.collect(),
        }
    }
}

/// Fails unless the settings can be used.
pub fn check(config: &Config, say: impl Fn(&kernel::Text) -> String) -> Result<(), Fault> {
    let findings = config.findings();
    if findings.is_empty() {
        return Ok(());
    }
    let all: Vec<String> = findings
        .iter()
        .map(|f| format!("{}: {}", f.field, say(&f.text)))
        .collect();
    Err(Fault::new(all.join("\n")))
}
