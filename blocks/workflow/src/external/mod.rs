//! External tasks: service tasks that workers outside of the server fetch by topic, hold under a
//! lock while they carry them out, and report back.
//!
//! A lock belongs to a worker until it ends. A worker that lost its lock, because it ended or
//! because somebody took it away, is refused whatever it reports: another may have the task.

mod act;
pub(crate) mod store;

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use kernel::{Error, Finding, Result, Text, clock::from_micros};
use serde_json::{Map, Value};

pub use act::{complete, extend, fail, fetch, list, lock, set_retries, throw, unlock};
pub(crate) use act::{facts, wait_and_fetch};

use crate::{InstanceId, schema::external};

kernel::typed_id!(
    /// A service task for a worker outside.
    pub ExternalTaskId
);

/// Tasks that one fetch may take.
pub const MOST_TASKS: u32 = 500;
const MOST_TOPICS: usize = 100;
/// A worker that needs longer extends its lock meanwhile.
const LONGEST_LOCK: Duration = Duration::days(7);
const LONGEST_WORKER: usize = 255;

/// What a worker asks for. Tasks of higher priority come first, and the older of the same.
#[derive(Clone, Debug, Default)]
pub struct Fetch {
    /// How the worker calls itself; its locks are held under this name.
    pub worker: String,
    pub most: u32,
    pub topics: Vec<Topic>,
}

/// Which tasks of a topic, and for how long they are locked.
#[derive(Clone, Debug, Default)]
pub struct Topic {
    pub name: String,
    pub lock: Duration,
    /// Names of the variables wanted; all when `None`.
    pub variables: Option<Vec<String>>,
    /// Mapped inputs only.
    pub is_local_only: bool,
    pub subject: Option<String>,
    /// Ids or keys of definitions; any when empty.
    pub definitions: Vec<String>,
    pub keys: Vec<String>,
}

/// A task as workers and lists see it.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalTask {
    pub id: ExternalTaskId,
    pub instance: InstanceId,
    pub definition: String,
    pub key: String,
    pub subject: String,
    pub element: String,
    pub topic: String,
    pub priority: i64,
    pub state: String,
    /// Who holds it now, or held it last.
    pub worker: Option<String>,
    /// End of the lock, or moment from which it may be fetched again.
    pub available_at: DateTime<Utc>,
    pub retries: Option<i64>,
    pub error_message: String,
    pub error_details: String,
    pub created_at: DateTime<Utc>,
    /// Filled in where it was fetched.
    pub variables: Map<String, Value>,
    /// Extension properties of the model.
    pub attributes: BTreeMap<String, String>,
}

impl ExternalTask {
    pub(crate) fn of(row: &external::Model) -> Result<Self> {
        let broken = |_| kernel::Fault::new("an external task without an identifier");
        Ok(Self {
            id: row.id.parse().map_err(broken)?,
            instance: row.instance.parse().map_err(broken)?,
            definition: row.definition.clone(),
            key: row.key.clone(),
            subject: row.subject.clone(),
            element: row.element.clone(),
            topic: row.topic.clone(),
            priority: row.priority,
            state: row.state.clone(),
            worker: row.worker.clone(),
            available_at: from_micros(row.available_at),
            retries: row.retries,
            error_message: row.error_message.clone(),
            error_details: row.error_details.clone(),
            created_at: from_micros(row.created_at),
            variables: Map::new(),
            attributes: BTreeMap::new(),
        })
    }

    /// Whether somebody holds it at that moment.
    pub fn is_locked(&self, now: DateTime<Utc>) -> bool {
        self.state == "open" && self.worker.is_some() && self.available_at > now
    }
}

/// What a worker says about a task that it carried out.
#[derive(Clone, Debug, Default)]
pub struct Completion {
    pub worker: String,
    /// Variables of the process.
    pub vars: Map<String, Value>,
    /// Seen by output mappings only.
    pub local: Map<String, Value>,
}

/// The business error in which a task ended.
#[derive(Clone, Debug, Default)]
pub struct Thrown {
    pub worker: String,
    pub code: String,
    pub message: String,
    pub vars: Map<String, Value>,
}

/// What a worker says about a task that it could not carry out.
#[derive(Clone, Debug, Default)]
pub struct Failure {
    pub worker: String,
    pub message: String,
    pub details: String,
    /// Tries that are left; at none the task becomes an incident. What the model says when the
    /// worker does not.
    pub retries: Option<i64>,
    /// How long nobody may fetch it.
    pub pause: Duration,
}

/// Which tasks a list shows; an empty field does not restrict.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub id: Option<ExternalTaskId>,
    pub topic: Option<String>,
    pub worker: Option<String>,
    pub instance: Option<InstanceId>,
    /// `open` or `failed` when empty: what is not over.
    pub state: Option<String>,
    /// Held by somebody, or by nobody, at this moment.
    pub is_locked: Option<bool>,
}

impl Fetch {
    /// Everything wrong with the request.
    pub(crate) fn check(&self) -> Result<()> {
        let mut findings = Vec::new();
        check_worker(&self.worker, &mut findings);
        if self.most == 0 || self.most > MOST_TASKS {
            let text = Text::new("workflow-external-most").with("most", MOST_TASKS);
            findings.push(Finding::new("max_tasks", text));
        }
        if self.topics.is_empty() || self.topics.len() > MOST_TOPICS {
            let text = Text::new("workflow-external-topics").with("most", MOST_TOPICS);
            findings.push(Finding::new("topics", text));
        }
        for (n, topic) in self.topics.iter().enumerate() {
            if topic.name.trim().is_empty() {
                let text = Text::new("workflow-external-topic");
                findings.push(Finding::new(format!("topics/{n}/name"), text));
            }
            check_lock(&format!("topics/{n}/lock"), topic.lock, &mut findings);
        }
        if findings.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(findings))
        }
    }
}

fn check_worker(worker: &str, findings: &mut Vec<Finding>) {
    if worker.trim().is_empty() || worker.chars().count() > LONGEST_WORKER {
        let text = Text::new("workflow-external-worker").with("most", LONGEST_WORKER);
        findings.push(Finding::new("worker", text));
    }
}

fn check_lock(field: &str, lock: Duration, findings: &mut Vec<Finding>) {
    if lock <= Duration::zero() || lock > LONGEST_LOCK {
        let text = Text::new("workflow-external-lock").with("days", LONGEST_LOCK.num_days());
        findings.push(Finding::new(field, text));
    }
}

/// Whether the worker may report on the task at that moment.
fn holds(row: &external::Model, worker: &str, now: i64) -> Result<()> {
    match row.state.as_str() {
        "open" => {}
        "failed" => return Err(Error::refused("workflow-external-failed")),
        _ => return Err(Error::refused("workflow-external-over")),
    }
    match &row.worker {
        Some(holder) if holder != worker => Err(Error::Refused(
            Text::new("workflow-external-foreign").with("worker", worker),
        )),
        Some(_) if row.available_at > now => Ok(()),
        _ => Err(Error::Refused(
            Text::new("workflow-external-lock-lost").with("worker", worker),
        )),
    }
}
