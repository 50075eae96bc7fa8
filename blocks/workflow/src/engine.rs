//! The part that all doors share: parsed definitions, service handlers, listeners, calendars.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use kernel::{Error, Fault, Result, calendar::Calendar};
use serde_json::{Map, Value};
use store::Tx;

use crate::{
    CallId, InstanceId, TaskId,
    core::{Instance, Process},
    deadline::{OfficeHours, hours::HoursByRegion},
    event::TaskFacts,
    schema::instance,
    state::{self, Memory},
    store as tables,
};

/// What a service task asks for.
#[derive(Clone, Debug)]
pub struct Call {
    pub id: CallId,
    pub instance: InstanceId,
    /// What the instance is about, as `case:0192…`.
    pub subject: String,
    pub element: String,
    pub name: String,
    /// The variables that the task sees, its mapped inputs before all others.
    pub vars: Map<String, Value>,
    /// Attributes of our namespace, `call` among them; templates `${…}` are filled in.
    pub attributes: std::collections::BTreeMap<String, String>,
}

/// What became of a service call.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Done at once; the process goes on with these variables.
    Done(Map<String, Value>),
    /// Under way; [`crate::call_done`] ends it.
    Wait,
    /// Ended in a business error that the model may catch on the task's border.
    Error { code: String, message: String },
}

/// Carries out service tasks of one `tongban:call` name, in the transaction of the step.
///
/// A refusal stops the task as an incident; a fault undoes the whole step. The instance itself is
/// not saved yet while the handler runs: it must not act on it.
#[async_trait]
pub trait ServiceHandler: Send + Sync + 'static {
    async fn call(&self, tx: &Tx, call: &Call) -> Result<Outcome>;
}

/// Hears of tasks in the transaction of the step, to suspend a clock or to assign.
#[async_trait]
pub trait TaskListener: Send + Sync + 'static {
    async fn created(&self, _tx: &Tx, _task: &TaskFacts) -> Result<()> {
        Ok(())
    }

    async fn completed(
        &self,
        _tx: &Tx,
        _task: &TaskFacts,
        _by: &str,
        _vars: &Map<String, Value>,
    ) -> Result<()> {
        Ok(())
    }

    /// The task went away without being done.
    async fn gone(&self, _tx: &Tx, _task: &TaskFacts) -> Result<()> {
        Ok(())
    }

    /// The instance is over; `status` as in [`crate::event::InstanceEnded`].
    async fn ended(
        &self,
        _tx: &Tx,
        _instance: InstanceId,
        _subject: &str,
        _status: &str,
    ) -> Result<()> {
        Ok(())
    }
}

/// The official calendar of a region, by its code.
pub type Calendars = dyn Fn(&str) -> Result<Arc<Calendar>> + Send + Sync;

/// Reads the calendars again from where they are kept.
pub type RefreshCalendars = dyn Fn() -> BoxFuture<'static, Result<()>> + Send + Sync;

/// The process engine; an [`App`](web::App) part. Later modules register with it while they are
/// assembled.
#[derive(Default)]
pub struct Engine {
    definitions: RwLock<HashMap<String, Arc<Process>>>,
    handlers: RwLock<HashMap<String, Arc<dyn ServiceHandler>>>,
    listeners: RwLock<Vec<Arc<dyn TaskListener>>>,
    calendars: RwLock<Option<Arc<Calendars>>>,
    reserved: RwLock<Vec<String>>,
    refresh: RwLock<Option<Arc<RefreshCalendars>>>,
    hours: RwLock<HoursByRegion>,
    memory: Memory,
}

/// Parsed definitions kept; more than any city has in use at one time.
const DEFINITIONS_KEPT: usize = 2_000;

impl Engine {
    /// Carries out the service tasks whose `tongban:call` is `name`.
    pub fn register(&self, name: impl Into<String>, handler: Arc<dyn ServiceHandler>) {
        self.handlers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.into(), handler);
    }

    /// Tasks about subjects that begin so (as `case:`) are completed, returned, withdrawn and
    /// rejected through their application only, whose own rows change with them.
    pub fn reserve(&self, subjects: impl Into<String>) {
        self.reserved
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(subjects.into());
    }

    /// Whether an application keeps this subject's tasks to itself.
    pub fn is_reserved(&self, subject: &str) -> bool {
        let reserved = self.reserved.read().unwrap_or_else(PoisonError::into_inner);
        reserved.iter().any(|begin| subject.starts_with(begin))
    }

    /// Beginnings of the subjects that applications keep to themselves.
    pub(crate) fn reserved(&self) -> Vec<String> {
        let reserved = self.reserved.read().unwrap_or_else(PoisonError::into_inner);
        reserved.clone()
    }

    /// Refuses what only the task's application may do.
    pub(crate) async fn need_free(&self, tx: &Tx, task: TaskId) -> Result<()> {
        let row = tables::get_task(&**tx, task).await?;
        if self.is_reserved(&row.subject) {
            return Err(Error::refused("workflow-through-application"));
        }
        Ok(())
    }

    pub fn listen(&self, listener: Arc<dyn TaskListener>) {
        self.listeners
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(listener);
    }

    /// Says where working days are counted.
    pub fn use_calendars(&self, calendars: Arc<Calendars>) {
        *self
            .calendars
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(calendars);
    }

    /// Says how calendars come to this server that another one took in.
    pub fn refresh_calendars_by(&self, refresh: Arc<RefreshCalendars>) {
        *self.refresh.write().unwrap_or_else(PoisonError::into_inner) = Some(refresh);
    }

    pub(crate) async fn refresh_calendars(&self) -> Result<()> {
        let refresh = self
            .refresh
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match refresh {
            Some(refresh) => refresh().await,
            None => Ok(()),
        }
    }

    /// Says when offices are open, as [`crate::Settings::office_hours`] writes it.
    pub fn use_office_hours(&self, hours: &str) -> Result<()> {
        let hours = HoursByRegion::parse(hours).map_err(Fault::new)?;
        *self.hours.write().unwrap_or_else(PoisonError::into_inner) = hours;
        Ok(())
    }

    pub(crate) fn office_hours(&self, region: &str) -> OfficeHours {
        self.hours
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .of(region)
            .clone()
    }

    pub(crate) fn handler(&self, name: &str) -> Option<Arc<dyn ServiceHandler>> {
        self.handlers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    /// Names under which services are registered, in order.
    pub(crate) fn services(&self) -> Vec<String> {
        let handlers = self.handlers.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<_> = handlers.keys().cloned().collect();
        names.sort();
        names
    }

    pub(crate) fn listeners(&self) -> Vec<Arc<dyn TaskListener>> {
        self.listeners
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn calendar(&self, region: &str) -> Result<Arc<Calendar>> {
        let calendars = self
            .calendars
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let calendars = calendars.ok_or_else(|| Error::refused("workflow-no-calendar"))?;
        calendars(region)
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// What an instance holds.
    pub(crate) async fn state<C: sea_orm::ConnectionTrait>(
        &self,
        connection: &C,
        row: &instance::Model,
    ) -> Result<Arc<Instance>> {
        match self.memory.recall(row) {
            Some(instance) => Ok(instance),
            None => Ok(Arc::new(state::read(connection, row).await?)),
        }
    }

    /// The process of a definition, parsed once.
    pub(crate) async fn process<C: sea_orm::ConnectionTrait>(
        &self,
        connection: &C,
        definition: &str,
    ) -> Result<Arc<Process>> {
        let known = self
            .definitions
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(definition)
            .cloned();
        if let Some(process) = known {
            return Ok(process);
        }
        let process = Arc::new(tables::load_process(connection, definition).await?);
        let mut definitions = self
            .definitions
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if definitions.len() >= DEFINITIONS_KEPT {
            definitions.clear();
        }
        definitions.insert(definition.to_owned(), process.clone());
        Ok(process)
    }

    /// As [`Self::process`], for an instance of another process of the same file.
    pub(crate) async fn process_of<C: sea_orm::ConnectionTrait>(
        &self,
        connection: &C,
        definition: &str,
        process: &str,
    ) -> Result<Arc<Process>> {
        let main = self.process(connection, definition).await?;
        if *main.id == *process {
            return Ok(main);
        }
        let other = Process::new(main.model.clone(), Some(process));
        Ok(Arc::new(other.ok_or_else(|| broken(definition))?))
    }
}

/// A definition that was checked before it was stored and does not read now.
pub(crate) fn broken(definition: &str) -> Fault {
    Fault::new(format!("the stored definition {definition} cannot be read"))
}
