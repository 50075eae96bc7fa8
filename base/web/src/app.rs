//! What every handler has at hand.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::{Arc, RwLock, Weak},
};

use kernel::Clock;
use store::Db;

use crate::Texts;

/// How the server is reached.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address to listen on, as `127.0.0.1:8080`.
    pub listen: String,
    /// Address under which citizens reach the server; printed in certificates and mails.
    pub public_url: String,
    /// Largest request body in bytes, uploads included.
    pub body_limit: usize,
    /// Seconds after which a request is given up.
    pub timeout_seconds: u64,
    /// Requests answered at one time; more are asked to come back (503) instead of queueing.
    pub concurrent_requests: usize,
    /// Name of the place, shown in the page head, as `云港市`.
    pub place: String,
    /// Whether a banner says that everything here is made up.
    pub demo: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".into(),
            public_url: "http://127.0.0.1:8080".into(),
            body_limit: 64 << 20,
            timeout_seconds: 30,
            concurrent_requests: 1024,
            place: String::new(),
            demo: false,
        }
    }
}

/// The state of the application: cheap to clone, one per process.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// What a part keeps of the application that it belongs to: a part with an [`App`] would keep
/// itself, and the database open, for ever.
#[derive(Clone)]
pub struct WeakApp(Weak<Inner>);

impl WeakApp {
    /// The application; an error when nobody holds it any more.
    pub fn get(&self) -> Result<App, kernel::Fault> {
        let inner = self.0.upgrade();
        inner
            .map(App)
            .ok_or_else(|| kernel::Fault::new("the application has ended"))
    }
}

struct Inner {
    db: Db,
    settings: Settings,
    texts: Texts,
    parts: RwLock<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl App {
    pub fn new(db: Db, settings: Settings, texts: Texts) -> Self {
        Self(Arc::new(Inner {
            db,
            settings,
            texts,
            parts: RwLock::default(),
        }))
    }

    /// For parts of the application itself.
    pub fn downgrade(&self) -> WeakApp {
        WeakApp(Arc::downgrade(&self.0))
    }

    pub fn db(&self) -> &Db {
        &self.0.db
    }

    pub fn clock(&self) -> &dyn Clock {
        self.0.db.clock()
    }

    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub fn texts(&self) -> &Texts {
        &self.0.texts
    }

    /// Makes a block's shared part (policy gate, process engine, mailer…) available to all.
    /// Parts are put once, while modules are assembled.
    pub fn put<T: Any + Send + Sync>(&self, part: T) -> Arc<T> {
        let part = Arc::new(part);
        let mut parts = self
            .0
            .parts
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        parts.insert(TypeId::of::<T>(), part.clone());
        part
    }

    /// A part that some block has put; an error names the type that is missing.
    pub fn part<T: Any + Send + Sync>(&self) -> Result<Arc<T>, kernel::Fault> {
        let parts = self
            .0
            .parts
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        parts
            .get(&TypeId::of::<T>())
            .and_then(|part| part.clone().downcast::<T>().ok())
            .ok_or_else(|| {
                kernel::Fault::new(format!(
                    "part not assembled: {}",
                    std::any::type_name::<T>()
                ))
            })
    }
}
