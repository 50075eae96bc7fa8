//! Proof that the event log is whole, and proof of one event for people without the database.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{
    Fault, Text,
    crypto::{PublicKey, Signature, suite},
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};

use crate::{
    Db, fault,
    log::{Changed, Edge, Hash, Path, leaf_hash, root_of_path},
    schema::{event, head, key, tile},
    seal::{canonical, head_text, last_head_size, size},
};

/// What the auditor knows from elsewhere. Without it a log is only consistent with itself: who
/// owns the database can write another past and sign it with another key.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Ids of the keys that may have signed; empty for any that the database names.
    pub key_ids: BTreeSet<String>,
    /// Heads noted earlier or elsewhere, as size and root.
    pub heads: BTreeMap<i64, String>,
}

/// What became of an audit.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Events read: all those with a position, or those up to where the problem showed.
    pub events: i64,
    pub heads: u64,
    /// Sealed events after the last signed head.
    pub unsigned: i64,
    /// Events that wait for their position.
    pub unsealed: u64,
    /// Root over the verified events; note it, to hold against the log later.
    pub root: String,
    /// Keys that signed; compare them with the published ones.
    pub key_ids: BTreeSet<String>,
    pub problem: Option<Problem>,
}

impl Report {
    pub fn is_whole(&self) -> bool {
        self.problem.is_none()
    }
}

/// The first thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Problem {
    #[error("event {position} is missing")]
    Missing { position: i64 },
    #[error("event {position} is not what was sealed")]
    Altered { position: i64 },
    #[error("the log's hashes around event {position} were altered")]
    Hashes { position: i64 },
    #[error("the head over the first {position} events does not match them")]
    Root { position: i64 },
    #[error("the head over the first {position} events has no good signature")]
    Signature { position: i64 },
    #[error("the head over the first {position} events is signed by a key that is not trusted")]
    Key { position: i64 },
}

impl Problem {
    /// Where: the event, or the last event that a head covers.
    pub fn position(&self) -> i64 {
        let (Self::Missing { position }
        | Self::Altered { position }
        | Self::Hashes { position }
        | Self::Root { position }
        | Self::Signature { position }
        | Self::Key { position }) = self;
        *position
    }

    /// The same for people.
    pub fn text(&self) -> Text {
        let key = match self {
            Self::Missing { .. } => "store-audit-missing",
            Self::Altered { .. } => "store-audit-altered",
            Self::Hashes { .. } => "store-audit-hashes",
            Self::Root { .. } => "store-audit-root",
            Self::Signature { .. } => "store-audit-signature",
            Self::Key { .. } => "store-audit-key",
        };
        Text::new(key).with("position", self.position())
    }
}

const PAGE: u64 = 1000;

/// Recomputes the whole log and holds it against what was stored and signed; stops at the first
/// thing that is wrong. Reads page by page, so memory does not grow with the log, and may run
/// while the system works. `progress` is told how many of how many events are done.
pub async fn verify(
    db: &Db,
    trust: &Trust,
    mut progress: impl FnMut(i64, i64),
) -> kernel::Result<Report> {
    // The last head first: events that it covers had their positions before it was signed.
    let signed = last_head_size(db.read()).await?;
    let size = size(db.read()).await?;
    let mut audit = Audit::begin(db, trust).await?;
    let outcome = audit.run(size, signed, &mut progress).await;
    let problem = match outcome {
        Ok(()) => None,
        Err(Stop::Problem(problem)) => Some(problem),
        Err(Stop::Error(error)) => return Err(error),
    };
    Ok(Report {
        events: audit.done(),
        heads: audit.heads,
        unsigned: (size - signed).max(0),
        unsealed: count_unsealed(db).await?,
        root: hex::encode(audit.edge.root()),
        key_ids: audit.signers,
        problem,
    })
}

/// How many committed events wait for their position.
pub async fn count_unsealed(db: &Db) -> kernel::Result<u64> {
    let unsealed = event::Entity::find().filter(event::Column::Position.is_null());
    Ok(unsealed
        .count(db.read())
        .await
        .map_err(|e| fault("count unsealed events", e))?)
}

enum Stop {
    Problem(Problem),
    Error(kernel::Error),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl<E: Into<kernel::Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

struct Audit<'a> {
    db: &'a Db,
    trust: &'a Trust,
    edge: Edge,
    /// Heads still to come, in order; refilled page by page.
    waiting: std::collections::VecDeque<head::Model>,
    last_head: i64,
    heads: u64,
    keys: BTreeMap<String, PublicKey>,
    signers: BTreeSet<String>,
}

impl<'a> Audit<'a> {
    async fn begin(db: &'a Db, trust: &'a Trust) -> kernel::Result<Self> {
        let rows = key::Entity::find()
            .all(db.read())
            .await
            .map_err(|e| fault("list keys", e))?;
        let mut keys = BTreeMap::new();
        for row in rows {
            // A key that cannot be read, or is not the one its id names, signs nothing.
            if let Ok(public) = PublicKey::from_pem(&row.public_key)
                && key_id(&public).is_some_and(|id| id == row.id)
            {
                keys.insert(row.id, public);
            }
        }
        Ok(Self {
            db,
            trust,
            edge: Edge::default(),
            waiting: std::collections::VecDeque::new(),
            last_head: 0,
            heads: 0,
            keys,
            signers: BTreeSet::new(),
        })
    }

    fn done(&self) -> i64 {
        i64::try_from(self.edge.size()).unwrap_or(i64::MAX)
    }

    async fn run(
        &mut self,
        size: i64,
        signed: i64,
        progress: &mut impl FnMut(i64, i64),
    ) -> Result<(), Stop> {
        self.next_heads().await?;
        while self.done() < size {
            let rows = self.next_events(size).await?;
            for row in &rows {
                self.take(row).await?;
            }
            progress(self.done(), size);
        }
        self.compare(self.edge.unfinished()).await?;
        if size < signed {
            return Err(Problem::Missing { position: size + 1 }.into());
        }
        let noted = self.trust.heads.keys().next_back().copied().unwrap_or(0);
        if size < noted {
            return Err(Problem::Missing { position: size + 1 }.into());
        }
        Ok(())
    }

    async fn next_events(&self, size: i64) -> Result<Vec<event::Model>, Stop> {
        let rows = event::Entity::find()
            .filter(event::Column::Position.gt(self.done()))
            .filter(event::Column::Position.lte(size))
            .order_by_asc(event::Column::Position)
            .limit(PAGE)
            .all(self.db.read())
            .await
            .map_err(|e| fault("read the log", e))?;
        if rows.is_empty() {
            return Err(Problem::Missing {
                position: self.done() + 1,
            }
            .into());
        }
        Ok(rows)
    }

    async fn take(&mut self, row: &event::Model) -> Result<(), Stop> {
        let position = self.done() + 1;
        if row.position != Some(position) {
            return Err(Problem::Missing { position }.into());
        }
        let leaf = leaf_hash(canonical(row, position)?.as_bytes());
        let mut filled = Changed::new();
        self.edge.append(leaf, &mut filled);
        self.compare(filled).await?;
        self.check_noted()?;
        while self
            .waiting
            .front()
            .is_some_and(|head| head.size <= self.done())
        {
            let Some(head) = self.waiting.pop_front() else {
                break;
            };
            if head.root != hex::encode(self.edge.root()) {
                // The stored leaves may still tell which event it is.
                self.compare(self.edge.unfinished()).await?;
                return Err(Problem::Root {
                    position: head.size,
                }
                .into());
            }
            self.check_signature(&head)?;
            if self.waiting.is_empty() {
                self.next_heads().await?;
            }
        }
        Ok(())
    }

    /// Compares what the tiles should be with what they are; the first wrong leaf is named.
    async fn compare(&self, tiles: Changed) -> Result<(), Stop> {
        for (place, expected) in tiles {
            let row = tile::Entity::find_by_id((place.level, place.number))
                .one(self.db.read())
                .await
                .map_err(|e| fault("read a tile", e))?;
            let stored = row.map(|row| row.hashes).unwrap_or_default();
            // The sealer may have gone on since.
            if stored.starts_with(&expected) {
                continue;
            }
            let same = stored
                .iter()
                .zip(&expected)
                .take_while(|(a, b)| a == b)
                .count();
            let first = i64::try_from(same / 32).unwrap_or(0);
            let covered = 256_i64.saturating_pow(u32::try_from(place.level).unwrap_or(0));
            let position = (place.number * 256 + first) * covered + 1;
            let is_short = stored.len() < expected.len() && same == stored.len();
            return Err(match place.level {
                0 if !is_short => Problem::Altered { position },
                _ => Problem::Hashes { position },
            }
            .into());
        }
        Ok(())
    }

    fn check_noted(&self) -> Result<(), Stop> {
        match self.trust.heads.get(&self.done()) {
            Some(root) if *root != hex::encode(self.edge.root()) => Err(Problem::Root {
                position: self.done(),
            }
            .into()),
            _ => Ok(()),
        }
    }

    fn check_signature(&mut self, head: &head::Model) -> Result<(), Stop> {
        let position = head.size;
        let is_trusted = self.trust.key_ids.is_empty() || self.trust.key_ids.contains(&head.key_id);
        if !is_trusted {
            return Err(Problem::Key { position }.into());
        }
        let text = head_text(head.size, &head.root, head.at, &head.key_id);
        let is_good = self
            .keys
            .get(&head.key_id)
            .is_some_and(|key| is_signed(key, &text, &head.signature));
        if !is_good {
            return Err(Problem::Signature { position }.into());
        }
        self.signers.insert(head.key_id.clone());
        self.heads += 1;
        Ok(())
    }

    async fn next_heads(&mut self) -> Result<(), Stop> {
        let rows = head::Entity::find()
            .filter(head::Column::Size.gt(self.last_head))
            .order_by_asc(head::Column::Size)
            .limit(PAGE)
            .all(self.db.read())
            .await
            .map_err(|e| fault("read the heads", e))?;
        if let Some(last) = rows.last() {
            self.last_head = last.size;
        }
        self.waiting.extend(rows);
        Ok(())
    }
}

fn key_id(public: &PublicKey) -> Option<String> {
    public
        .to_der()
        .ok()
        .map(|der| hex::encode(kernel::crypto::sm3(&der)))
}

fn is_signed(key: &PublicKey, text: &str, signature: &str) -> bool {
    let Some(suite) = suite(key.suite_name()) else {
        return false;
    };
    hex::decode(signature)
        .ok()
        .and_then(|der| Signature::from_der(&der).ok())
        .is_some_and(|signature| suite.verify(key, text.as_bytes(), &signature).is_ok())
}

/// Proof that one event is in the log, for a reader without the database.
///
/// `event` is the canonical text; its SM3 with a zero byte before it is `leaf`. `path` leads from
/// the leaf to the root of `head` (RFC 9162, 2.1.3), and the key of `key_id` signed the head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    pub version: u32,
    pub event: String,
    pub position: i64,
    pub leaf: String,
    pub path: Vec<String>,
    pub head: Head,
}

/// A signed root of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub size: i64,
    pub root: String,
    /// Microseconds since 1970.
    pub at: i64,
    pub key_id: String,
    pub algorithm: String,
    /// `SubjectPublicKeyInfo` in PEM; its SM3 in DER is `key_id`.
    pub public_key: String,
    /// Hexadecimal, over the text of [`Head::signed_text`].
    pub signature: String,
}

impl Head {
    pub fn signed_text(&self) -> String {
        head_text(self.size, &self.root, self.at, &self.key_id)
    }
}

/// The last signed head, if there is one.
pub async fn lookup_head(db: &Db) -> kernel::Result<Option<Head>> {
    let row = head::Entity::find()
        .order_by_desc(head::Column::Size)
        .one(db.read())
        .await
        .map_err(|e| fault("read the last head", e))?;
    let Some(row) = row else { return Ok(None) };
    let key = key::Entity::find_by_id(&row.key_id)
        .one(db.read())
        .await
        .map_err(|e| fault("read a key", e))?
        .ok_or_else(|| Fault::new("the key of a head is not kept"))?;
    Ok(Some(Head {
        size: row.size,
        root: row.root,
        at: row.at,
        key_id: row.key_id,
        algorithm: key.algorithm,
        public_key: key.public_key,
        signature: row.signature,
    }))
}

/// Proves that the event is in the log under the last signed head. Refused until a head covers
/// it, which takes about a second.
pub async fn prove(db: &Db, event_id: &str) -> kernel::Result<Proof> {
    let row = event::Entity::find()
        .filter(event::Column::Id.eq(event_id))
        .one(db.read())
        .await
        .map_err(|e| fault("read an event", e))?
        .ok_or(kernel::Error::NotFound { what: "event" })?;
    let head = lookup_head(db).await?;
    let (Some(position), Some(head)) = (row.position, head) else {
        return Err(kernel::Error::refused("store-event-not-signed-yet"));
    };
    if head.size < position {
        return Err(kernel::Error::refused("store-event-not-signed-yet"));
    }
    let event = canonical(&row, position)?;
    let path = Path::of((position - 1).unsigned_abs(), head.size.unsigned_abs());
    let mut tiles = BTreeMap::new();
    for place in path.places() {
        let row = tile::Entity::find_by_id((place.level, place.number))
            .one(db.read())
            .await
            .map_err(|e| fault("read a tile", e))?;
        tiles.insert(place, row.map(|row| row.hashes).unwrap_or_default());
    }
    let path = path.hashes(&tiles).ok_or_else(|| {
        Fault::new("tiles of the event log are missing; `tongban audit verify` says which")
    })?;
    let proof = Proof {
        version: 1,
        leaf: hex::encode(leaf_hash(event.as_bytes())),
        event,
        position,
        path: path.iter().map(hex::encode).collect(),
        head,
    };
    // A proof that does not hold must not leave the house.
    check(&proof).map_err(|e| Fault::caused_by(format!("prove event {event_id}"), e))?;
    Ok(proof)
}

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("the proof has a version that this program does not know")]
    Version,
    #[error("a hash or the key of the proof cannot be read")]
    Unreadable,
    #[error("the text of the event is not the one that was sealed at this position")]
    Event,
    #[error("the path does not lead from the event to the head")]
    Path,
    #[error("the signature does not belong to the head")]
    Signature,
}

/// Checks a proof by itself. The reader still has to ask whether the key of `proof.head.key_id`
/// is the one that the government has published.
pub fn check(proof: &Proof) -> Result<(), Flaw> {
    #[derive(Deserialize)]
    struct Place {
        position: i64,
    }
    if proof.version != 1 {
        return Err(Flaw::Version);
    }
    let leaf = leaf_hash(proof.event.as_bytes());
    let named: Place = serde_json::from_str(&proof.event).map_err(|_| Flaw::Unreadable)?;
    if named.position != proof.position || hex::encode(leaf) != proof.leaf {
        return Err(Flaw::Event);
    }
    let path: Vec<Hash> = proof
        .path
        .iter()
        .map(|text| hash_of(text))
        .collect::<Option<_>>()
        .ok_or(Flaw::Unreadable)?;
    let index = u64::try_from(proof.position - 1).map_err(|_| Flaw::Path)?;
    let size = u64::try_from(proof.head.size).map_err(|_| Flaw::Path)?;
    let root = root_of_path(index, size, leaf, &path).ok_or(Flaw::Path)?;
    if hex::encode(root) != proof.head.root {
        return Err(Flaw::Path);
    }
    let key = PublicKey::from_pem(&proof.head.public_key).map_err(|_| Flaw::Unreadable)?;
    let is_named = key_id(&key).is_some_and(|id| id == proof.head.key_id);
    if !is_named || !is_signed(&key, &proof.head.signed_text(), &proof.head.signature) {
        return Err(Flaw::Signature);
    }
    Ok(())
}

fn hash_of(text: &str) -> Option<Hash> {
    hex::decode(text).ok()?.try_into().ok()
}
