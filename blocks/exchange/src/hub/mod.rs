//! The hub's side: who may come, what is offered, who gets what, and what became of it.

pub mod above;
pub mod authority;
pub mod batch;
pub mod begun;
pub mod delivery;
pub mod enrolment;
pub mod extension;
mod flight;
pub mod landing;
mod listen;
pub mod overview;
pub mod publication;
mod store;
pub mod subscription;
pub mod terms;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use ::store::Db;
use chrono::{DateTime, Duration, Utc};
use identity::{Actor, Gate, Resource, directory};
use kernel::{Error, Result, Text, clock::micros};
use serde::{Deserialize, Serialize};
use web::App;

pub(crate) use flight::LARGEST_MESSAGE;
pub use flight::serve;

use self::{authority::Authority, extension::Extension, landing::Landing, terms::Terms};
use crate::schema::node;

/// How nodes reach the hub, and how patient it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address to listen on for nodes, as `0.0.0.0:8444`; empty for no exchange.
    pub listen: String,
    /// Names and addresses under which nodes reach it; they are in its certificate.
    pub names: Vec<String>,
    /// Days that a node's certificate holds; the node renews it when a third is left.
    pub certificate_days: i64,
    /// Hours within which an enrolment code must be used.
    pub code_hours: i64,
    /// Seconds by which a node's clock may be ahead of the hub's.
    pub clock_skew_seconds: i64,
    /// Days that batches are kept which everybody has.
    pub keep_days: i64,
    /// Whether publications need an entry of the catalog, and subscriptions a grant of it. A hub
    /// whose departments have no catalog yet says `false`.
    pub catalog_bound: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: String::new(),
            names: vec!["localhost".into(), "127.0.0.1".into()],
            certificate_days: 365,
            code_hours: 72,
            clock_skew_seconds: 300,
            keep_days: 30,
            catalog_bound: true,
        }
    }
}

/// Where the hub's keys are; an [`App`] part.
#[derive(Clone, Debug)]
pub struct Keys(pub PathBuf);

/// The hub; an [`App`] part.
pub struct Hub {
    pub(crate) db: Db,
    pub settings: Settings,
    pub authority: Authority,
    pub landing: Arc<dyn Landing>,
    pub(crate) listening: OnceLock<SocketAddr>,
    pub(crate) terms: OnceLock<Arc<dyn Terms>>,
    pub(crate) extensions: RwLock<Vec<Arc<dyn Extension>>>,
}

impl Hub {
    /// Says where the hub listens; the settings may leave the port open.
    pub fn note_address(&self, address: SocketAddr) {
        if self.listening.set(address).is_err() {
            tracing::warn!(%address, "the exchange listens a second time");
        }
    }

    /// Blocks above say under which terms rows may flow, once.
    pub fn use_terms(&self, terms: Arc<dyn Terms>) {
        if self.terms.set(terms).is_err() {
            tracing::warn!("the terms of the exchange are given a second time");
        }
    }

    /// The terms, where opening and subscribing rest on them.
    pub(crate) fn binding(&self) -> Option<&Arc<dyn Terms>> {
        self.terms.get().filter(|_| self.settings.catalog_bound)
    }

    /// What a node's operator gives as `--hub`; empty while it does not listen.
    pub fn address(&self) -> String {
        let name = self.settings.names.first();
        match (self.listening.get(), name) {
            (Some(address), Some(name)) => format!("https://{name}:{}", address.port()),
            _ => String::new(),
        }
    }

    /// Lets a later block answer nodes as well; called while modules are assembled.
    pub fn extend(&self, extension: Arc<dyn Extension>) {
        let mut all = self
            .extensions
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        all.push(extension);
    }

    pub(crate) fn extensions(&self) -> Vec<Arc<dyn Extension>> {
        let all = self.extensions.read();
        all.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.db.clock().now()
    }

    /// What a node says happened must not be later than now, but for its clock's error.
    pub(crate) fn must_be_past(&self, at: i64, now: DateTime<Utc>) -> Result<()> {
        let skew = Duration::seconds(self.settings.clock_skew_seconds);
        if at > micros(now + skew) {
            let text = Text::new("exchange-clock-ahead").with("seconds", skew.num_seconds());
            return Err(Error::Refused(text));
        }
        Ok(())
    }
}

/// A node that has shown its certificate and is not revoked.
#[derive(Clone, Debug)]
pub struct Peer(pub(crate) node::Model);

impl Peer {
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// Unified social credit code of its department.
    pub fn org(&self) -> &str {
        &self.0.org
    }

    pub fn title(&self) -> &str {
        &self.0.title
    }

    /// SM2 key of its signatures, PEM.
    pub fn signing_key(&self) -> &str {
        &self.0.signing_key
    }

    /// How events name it.
    pub fn trace(&self) -> String {
        format!("node:{}", self.0.code)
    }
}

/// Whether the actor may do that with a thing of a department's, be it as one of its own people or of
/// an organisation above it.
pub(crate) async fn may_at(app: &App, actor: &Actor, action: &str, org: &str) -> Result<()> {
    let gate = app.part::<Gate>()?;
    let above = directory::above(app.db().read(), org).await?;
    let resource = Resource::new("Exchange", "exchange").org(org).above(above);
    actor.may(&gate, action, &resource)
}

/// Whether the actor may; `org` is the department whose thing it is, and without one it is asked
/// whether he may anywhere.
pub(crate) fn may(app: &App, actor: &Actor, action: &str, org: Option<&str>) -> Result<()> {
    let gate = app.part::<Gate>()?;
    let resource = match org {
        Some(org) => Resource::new("Exchange", "exchange").org(org),
        None => Resource::system(),
    };
    actor.may(&gate, action, &resource)
}
