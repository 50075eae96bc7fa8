//! The sealer: gives committed events their positions, hashes them into the log, signs its head.

use std::sync::{Arc, Mutex, PoisonError};

use kernel::{
    Fault,
    crypto::{PrivateKey, suite},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use serde::Serialize;

use crate::{
    Db, Event, Tx,
    db::Isolation,
    dialect, fault,
    log::{Changed, Edge, leaf_hash},
    schema::{event, head, key, tile},
};

/// Signs the heads of the log. Whoever holds the key vouches for the log's whole past.
pub trait HeadSigner: Send + Sync + 'static {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Fault>;

    /// Names the key: hexadecimal hash of its public half.
    fn key_id(&self) -> &str;

    /// Suite of the key, as `guomi`.
    fn algorithm(&self) -> &str;

    /// Public half, `SubjectPublicKeyInfo` in PEM.
    fn public_key(&self) -> &str;
}

/// Signs with a key in memory.
pub struct KeySigner {
    private: PrivateKey,
    key_id: String,
    public: String,
}

impl KeySigner {
    pub fn new(private: PrivateKey) -> Result<Self, Fault> {
        let unusable = |e| Fault::caused_by("read the key of the event log", e);
        let public = private.public_key();
        let key_id = hex::encode(kernel::crypto::sm3(&public.to_der().map_err(unusable)?));
        let public = public.to_pem().map_err(unusable)?;
        Ok(Self {
            private,
            key_id,
            public,
        })
    }
}

impl HeadSigner for KeySigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Fault> {
        let name = self.algorithm();
        let suite = suite(name).ok_or_else(|| Fault::new("a key of an unknown suite"))?;
        suite
            .sign(&self.private, message)
            .and_then(|signature| signature.to_der())
            .map_err(|e| Fault::caused_by("sign the head of the event log", e))
    }

    fn key_id(&self) -> &str {
        &self.key_id
    }

    fn algorithm(&self) -> &str {
        self.private.suite_name()
    }

    fn public_key(&self) -> &str {
        &self.public
    }
}

/// The text of an event that is hashed and, in a dispute, read by people. Fields in this order;
/// `data` is the text as stored.
#[derive(Debug, Serialize)]
pub(crate) struct Canonical<'a> {
    position: i64,
    id: &'a str,
    at: i64,
    kind: &'a str,
    subject: &'a str,
    actor: &'a str,
    data: &'a str,
}

pub(crate) fn canonical(row: &event::Model, position: i64) -> Result<String, Fault> {
    let text = Canonical {
        position,
        id: &row.id,
        at: row.at,
        kind: &row.kind,
        subject: &row.subject,
        actor: &row.actor,
        data: &row.data,
    };
    serde_json::to_string(&text).map_err(|e| Fault::caused_by("write the text of an event", e))
}

/// What a head's signature covers.
pub(crate) fn head_text(size: i64, root: &str, at: i64, key_id: &str) -> String {
    format!("tongban event log v1\n{size}\n{root}\n{at}\n{key_id}\n")
}

/// Gives positions, gap-free from 1, to committed events. Any number of sealers may run, in any
/// number of processes; they take turns by a lock.
#[derive(Clone)]
pub struct Sealer {
    signer: Option<Arc<dyn HeadSigner>>,
    /// The edge after the last batch; used while nobody else has sealed since.
    edge: Arc<Mutex<Edge>>,
}

/// What one batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Events that got their position.
    pub events: usize,
    /// Whether more may be waiting.
    pub is_full: bool,
}

const BATCH: u64 = 512;

impl Sealer {
    pub fn new(signer: Arc<dyn HeadSigner>) -> Self {
        Self {
            signer: Some(signer),
            edge: Arc::default(),
        }
    }

    /// Seals without signing; a sealer with a key signs the same log later.
    pub fn without_key() -> Self {
        Self {
            signer: None,
            edge: Arc::default(),
        }
    }

    /// Seals until nothing waits, then signs; answers how many events were sealed.
    pub async fn seal_all(&self, db: &Db) -> kernel::Result<usize> {
        let mut events = 0;
        loop {
            let sealed = self.seal(db, false).await?;
            events += sealed.events;
            if !sealed.is_full {
                self.seal(db, true).await?;
                return Ok(events);
            }
        }
    }

    /// Seals one batch, and signs the head if asked to.
    pub async fn seal(&self, db: &Db, sign: bool) -> kernel::Result<Sealed> {
        let sealer = self.clone();
        // Not serializable: the lock is enough, and writers must not fail because of the sealer.
        let (done, edge, rows) = db
            .write_at(Isolation::ReadCommitted, move |tx| {
                let sealer = sealer.clone();
                async move { sealer.seal_in(&tx, sign).await }
            })
            .await?;
        *self.edge.lock().unwrap_or_else(PoisonError::into_inner) = edge;
        if done.events > 0 {
            db.recent().keep(sized(rows));
            db.ring_sealed();
        }
        Ok(done)
    }

    async fn seal_in(
        &self,
        tx: &Tx,
        sign: bool,
    ) -> kernel::Result<(Sealed, Edge, Vec<event::Model>)> {
        dialect::lock(tx, "seal").await?;
        let size = size(&**tx).await?;
        let mut edge = self
            .edge
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if edge.size() != size.unsigned_abs() {
            edge = load_edge(tx, size).await?;
        }
        let mut rows = event::Entity::find()
            .filter(event::Column::Position.is_null())
            .order_by_asc(event::Column::Seq)
            .limit(BATCH)
            .all(&**tx)
            .await
            .map_err(|e| fault("list unsealed events", e))?;
        let mut changed = Changed::new();
        for (row, position) in rows.iter_mut().zip(size + 1..) {
            edge.append(
                leaf_hash(canonical(row, position)?.as_bytes()),
                &mut changed,
            );
            row.position = Some(position);
        }
        if !rows.is_empty() {
            changed.extend(edge.unfinished());
            set_positions(tx, &rows, size + 1).await?;
            upsert_tiles(tx, changed).await?;
        }
        if sign {
            self.sign_in(tx, &edge).await?;
        }
        let is_full = rows.len() as u64 == BATCH;
        Ok((
            Sealed {
                events: rows.len(),
                is_full,
            },
            edge,
            rows,
        ))
    }

    async fn sign_in(&self, tx: &Tx, edge: &Edge) -> kernel::Result<()> {
        let size = i64::try_from(edge.size()).unwrap_or(i64::MAX);
        let Some(signer) = &self.signer else {
            return Ok(());
        };
        if size == 0 || last_head_size(&**tx).await? >= size {
            return Ok(());
        }
        let root = hex::encode(edge.root());
        let at = kernel::clock::micros(tx.now());
        let key_id = signer.key_id().to_owned();
        let signature = signer.sign(head_text(size, &root, at, &key_id).as_bytes())?;
        let row = head::ActiveModel {
            size: Set(size),
            root: Set(root),
            at: Set(at),
            key_id: Set(key_id.clone()),
            signature: Set(hex::encode(signature)),
        };
        head::Entity::insert(row)
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("insert a head", e))?;
        let row = key::ActiveModel {
            id: Set(key_id),
            algorithm: Set(signer.algorithm().to_owned()),
            public_key: Set(signer.public_key().to_owned()),
        };
        key::Entity::insert(row)
            .on_conflict(OnConflict::column(key::Column::Id).do_nothing().to_owned())
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("insert a key", e))?;
        Ok(())
    }
}

/// Sealed rows as readers get them, with the size of each body.
fn sized(rows: Vec<event::Model>) -> Vec<(usize, Event)> {
    let rows = rows.into_iter();
    rows.map(|row| (row.data.len(), Event::of(row))).collect()
}

/// How many events have a position.
pub(crate) async fn size(connection: &impl ConnectionTrait) -> kernel::Result<i64> {
    let size: Option<Option<i64>> = event::Entity::find()
        .select_only()
        .column_as(event::Column::Position.max(), "size")
        .into_tuple()
        .one(connection)
        .await
        .map_err(|e| fault("read the size of the log", e))?;
    Ok(size.flatten().unwrap_or(0))
}

pub(crate) async fn last_head_size(connection: &impl ConnectionTrait) -> kernel::Result<i64> {
    let size: Option<Option<i64>> = head::Entity::find()
        .select_only()
        .column_as(head::Column::Size.max(), "size")
        .into_tuple()
        .one(connection)
        .await
        .map_err(|e| fault("read the last head", e))?;
    Ok(size.flatten().unwrap_or(0))
}

async fn load_edge(tx: &Tx, size: i64) -> kernel::Result<Edge> {
    let size = size.unsigned_abs();
    let mut tiles = Vec::new();
    for place in Edge::places(size) {
        let row = tile::Entity::find_by_id((place.level, place.number))
            .one(&**tx)
            .await
            .map_err(|e| fault("read the log's edge", e))?;
        tiles.push(row.map(|row| row.hashes).unwrap_or_default());
    }
    Edge::restore(size, &tiles).ok_or_else(|| {
        let what = "tiles of the event log are missing; `tongban audit verify` says which";
        Fault::new(what).into()
    })
}

/// Events are numbered as they come, so a batch is a few runs of consecutive numbers: one, unless a
/// write in between was undone.
async fn set_positions(tx: &Tx, rows: &[event::Model], first: i64) -> kernel::Result<()> {
    let mut position = first;
    let mut given = 0;
    for run in rows.chunk_by(|one, next| one.seq + 1 == next.seq) {
        let (Some(from), Some(to)) = (run.first(), run.last()) else {
            continue;
        };
        let done = event::Entity::update_many()
            .col_expr(
                event::Column::Position,
                Expr::col(event::Column::Seq).add(position - from.seq),
            )
            .filter(event::Column::Seq.between(from.seq, to.seq))
            .exec(&**tx)
            .await
            .map_err(|e| fault("give positions", e))?;
        given += done.rows_affected;
        position += to.seq - from.seq + 1;
    }
    if given != rows.len() as u64 {
        return Err(Fault::new("an event got a position twice").into());
    }
    Ok(())
}

async fn upsert_tiles(tx: &Tx, changed: Changed) -> kernel::Result<()> {
    for (place, hashes) in changed {
        let row = tile::ActiveModel {
            level: Set(place.level),
            number: Set(place.number),
            hashes: Set(hashes),
        };
        let key = OnConflict::columns([tile::Column::Level, tile::Column::Number])
            .update_column(tile::Column::Hashes)
            .to_owned();
        tile::Entity::insert(row)
            .on_conflict(key)
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("keep a tile", e))?;
    }
    Ok(())
}
