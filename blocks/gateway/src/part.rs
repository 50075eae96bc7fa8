//! The gateway as a part of the application: lines, limits, keys, and what is known of who may.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ::store::Db;
use async_trait::async_trait;
use exchange::{
    Hub,
    hub::extension::{Connection, Extension},
};
use kernel::{
    Fault, Result,
    clock::micros,
    crypto::{PublicKey, sm3},
};
use serde::{Deserialize, Serialize};
use web::App;

use crate::{
    grant::Grant,
    limit::Limits,
    line::{self, Lines},
    message::Seen,
    proof::Signer,
    record::Log,
    refused::Counter,
    resource::{self, Resource},
    schema::signer,
    store,
};

/// How calls are signed and kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Suite of algorithms for proofs: `guomi` (SM2, SM3) or `international` (P-256, SHA-256).
    pub suite: String,
    /// Days that the log of calls is kept.
    pub keep_days: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            suite: "guomi".into(),
            keep_days: 365,
        }
    }
}

/// How old what is known may be; acts of this process make it be read anew at once, those of
/// others within this time.
const FRESH: Duration = Duration::from_secs(1);

/// A resource and the grants of one consumer.
pub struct Known {
    pub resource: Resource,
    pub grants: Vec<Grant>,
}

/// By resource and consumers.
type Memory = HashMap<(String, Vec<String>), (Instant, Arc<Known>)>;

/// The gateway; an [`App`] part.
pub struct Gateway {
    pub(crate) db: Db,
    pub settings: Settings,
    pub lines: Lines,
    pub(crate) limits: Limits,
    pub(crate) signer: Arc<Signer>,
    /// Number of the hub's key in the log.
    pub(crate) signer_id: String,
    pub(crate) public_key: PublicKey,
    pub(crate) log: Log,
    pub(crate) refused: Counter,
    pub(crate) seen: Seen,
    memory: RwLock<Memory>,
    /// Rises with every act; what was read before an act is not remembered after it.
    generation: AtomicU64,
}

impl Gateway {
    /// Within a runtime.
    pub fn open(db: &Db, hub: &Hub, settings: Settings) -> Result<Self> {
        let key = hub.authority.signing_key(&settings.suite)?;
        let public_key = key.public_key();
        Ok(Self {
            signer_id: signer_id(&public_key)?,
            signer: Arc::new(Signer::start(key)?),
            public_key,
            log: Log::start(db.clone()),
            refused: Counter::start(db.clone()),
            db: db.clone(),
            settings,
            lines: Lines::default(),
            limits: Limits::default(),
            seen: Seen::default(),
            memory: RwLock::default(),
            generation: AtomicU64::new(0),
        })
    }

    /// A resource, and what those consumers may do with it.
    pub(crate) async fn known(
        &self,
        app: &App,
        resource: &str,
        orgs: &[String],
    ) -> Result<Arc<Known>> {
        let key = (resource.to_owned(), orgs.to_vec());
        {
            let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
            if let Some((read, known)) = memory.get(&key)
                && read.elapsed() < FRESH
            {
                return Ok(known.clone());
            }
        }
        let generation = self.generation.load(Ordering::Acquire);
        let read = Instant::now();
        let db = self.db.read();
        let row = store::get::<crate::schema::resource::Entity>(db, "resource", resource).await?;
        let grants = store::grants(db, resource, Some(orgs)).await?;
        let known = Arc::new(Known {
            resource: resource::read(app, row).await?,
            grants: grants
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_>>()?,
        });
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        if self.generation.load(Ordering::Acquire) == generation {
            memory.retain(|_, (read, _)| read.elapsed() < FRESH);
            memory.insert(key, (read, known.clone()));
        }
        Ok(known)
    }

    /// Something changed that decides who may.
    pub(crate) fn forget(&self) {
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::Release);
        memory.clear();
    }

    /// Remembers the hub's own key, so that the log can be checked when it is another one.
    pub(crate) async fn note_own_key(&self) -> Result<()> {
        self.note_key("hub", &self.public_key).await.map(drop)
    }

    async fn note_key(&self, owner: &str, key: &PublicKey) -> Result<String> {
        let pem = key
            .to_pem()
            .map_err(|e| Fault::caused_by("write a key", e))?;
        let id = signer_id(key)?;
        let row = signer::Model {
            id: id.clone(),
            owner: owner.to_owned(),
            pem,
            seen_at: micros(self.db.clock().now()),
        };
        self.db
            .write(move |tx| {
                let row = row.clone();
                async move { store::note_signer(&tx, row).await }
            })
            .await?;
        Ok(id)
    }
}

fn signer_id(key: &PublicKey) -> Result<String> {
    let pem = key
        .to_pem()
        .map_err(|e| Fault::caused_by("write a key", e))?;
    Ok(hex::encode(sm3(pem.as_bytes())))
}

/// The door for nodes' lines.
pub(crate) struct Door(pub Arc<Gateway>);

impl Door {
    async fn take(&self, connection: Connection) -> Result<()> {
        let gateway = &self.0;
        let key = line::key_of(&connection, &gateway.settings.suite)?;
        let id = gateway.note_key(connection.peer.code(), &key).await?;
        gateway.lines.keep(connection, key, id).await?;
        Ok(())
    }
}

#[async_trait]
impl Extension for Door {
    fn protocol(&self) -> Option<&'static str> {
        Some(line::PROTOCOL)
    }

    async fn keep(&self, connection: Connection) {
        let node = connection.peer.code().to_owned();
        tracing::info!(%node, "a node's line is open");
        match self.take(connection).await {
            Ok(()) => tracing::info!(%node, "a node's line ended"),
            Err(error) => tracing::info!(%node, ?error, "a node's line broke"),
        }
    }

    fn revoked(&self, node: &str) {
        self.0.lines.end(node);
    }
}
