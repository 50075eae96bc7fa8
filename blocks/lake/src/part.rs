//! What this block keeps in the application.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use async_trait::async_trait;
use kernel::{Fault, Result};
use store::Db;
use tokio::{runtime::Runtime, sync::Semaphore};

use crate::{Settings, Table, declaration::Sharing, delta::Place, quality::seen::Seen};

/// Who may read what of the lake beside its own department, as blocks above know it.
#[async_trait]
pub trait Grants: Send + Sync {
    /// Whether a table is not shared with other departments today, whatever its declaration says.
    async fn withholds(&self, db: &Db, table: &Table) -> Result<bool>;

    /// Columns of a table that these departments (credit codes) may read today.
    async fn columns(&self, db: &Db, table: &Table, orgs: &[String]) -> Result<BTreeSet<String>>;
}

/// The lake of this installation; an [`App`](web::App) part. Cheap to clone.
#[derive(Clone)]
pub struct Lake(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) db: Db,
    pub(crate) place: Place,
    /// The data folder, for files without a name: the system's own folder for such files is the
    /// memory on some machines.
    pub(crate) temporary: PathBuf,
    pub(crate) settings: Settings,
    /// One write at a time in each table: two merges of one table would only undo each other.
    writing: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    pub(crate) seats: Arc<Semaphore>,
    /// Searches for a person's rows; apart from the questions, because everybody may begin one.
    pub(crate) searches: Semaphore,
    /// Questions run apart from the server, so that none keeps a page waiting. Empty only while
    /// it is taken down.
    runtime: Option<Runtime>,
    grants: OnceLock<Arc<dyn Grants>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Lake {
    /// `data` is the data folder, for a lake without a place of its own.
    pub fn open(db: Db, settings: Settings, data: &Path) -> Result<Self, Fault> {
        let place = Place::of(&settings, data)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(cores())
            .thread_name("lake")
            .thread_stack_size(STACK)
            .enable_all()
            .build()
            .map_err(|e| Fault::caused_by("start threads for questions", e))?;
        Ok(Self(Arc::new(Inner {
            db,
            place,
            temporary: data.to_owned(),
            writing: Mutex::default(),
            seats: Arc::new(Semaphore::new(settings.queries_at_once)),
            searches: Semaphore::new(SEARCHES),
            settings,
            runtime: Some(runtime),
            grants: OnceLock::new(),
        })))
    }

    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// A block above says who holds a grant, once; as long as none does, nobody holds one.
    pub fn use_grants(&self, grants: Arc<dyn Grants>) {
        if self.0.grants.set(grants).is_err() {
            tracing::warn!("the grants of the lake are given a second time");
        }
    }

    pub(crate) fn grants(&self) -> Option<&Arc<dyn Grants>> {
        self.0.grants.get()
    }

    /// With whom a table is shared today.
    pub(crate) async fn sharing(&self, table: &Table) -> Result<Sharing> {
        match self.grants() {
            Some(grants) if grants.withholds(&self.0.db, table).await? => Ok(Sharing::Withheld),
            _ => Ok(table.sharing),
        }
    }

    pub(crate) fn runtime(&self) -> Result<&tokio::runtime::Handle, Fault> {
        let runtime = self.0.runtime.as_ref().map(Runtime::handle);
        runtime.ok_or_else(|| Fault::new("the threads for questions are gone"))
    }

    /// Values for a rule to remember, none yet.
    pub(crate) fn seen(&self) -> Seen {
        Seen::new(&self.0.temporary, self.0.settings.values_in_memory)
    }

    /// The lock under which a table is written.
    pub(crate) fn lock(&self, table: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self
            .0
            .writing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.entry(table.to_owned()).or_default().clone()
    }
}

/// Searches for persons' rows at one time.
const SEARCHES: usize = 2;
/// Bytes of a thread's stack; planning goes deep.
const STACK: usize = 16 << 20;

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}
