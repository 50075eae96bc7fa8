//! What this block tells the others, whole enough that no reader has to ask back.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::EventBody;

use crate::{InstanceId, TaskId, external::ExternalTaskId};

/// A task as events and lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskFacts {
    pub task: TaskId,
    pub instance: InstanceId,
    pub definition: String,
    pub subject: String,
    pub element: String,
    pub name: String,
    /// `userTask`, …: its name in the standard.
    pub kind: String,
    /// Groups as `post@org`.
    pub candidates: Vec<String>,
    pub org: String,
    pub assignee: Option<String>,
    pub form: String,
    pub outcomes: Vec<String>,
    /// Why the clock of the subject stands still while the task is open; empty if it does not.
    pub suspends: String,
    pub officers: u32,
    pub days: Option<u32>,
    pub due_at: Option<DateTime<Utc>>,
}

/// A task for workers outside, as events show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExternalFacts {
    pub task: ExternalTaskId,
    pub instance: InstanceId,
    pub definition: String,
    pub subject: String,
    pub element: String,
    pub topic: String,
}

macro_rules! event {
    ($(#[$doc:meta])* $name:ident, $kind:literal { $($field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub struct $name { $(pub $field: $type),* }

        impl EventBody for $name {
            const KIND: &'static str = $kind;
        }
    };
}

event!(TaskCreated, "workflow.task_created.v1" { task: TaskFacts });
event!(TaskClaimed, "workflow.task_claimed.v1" { task: TaskFacts, by: String });
event!(TaskReleased, "workflow.task_released.v1" { task: TaskFacts, by: String });
event!(TaskTransferred, "workflow.task_transferred.v1" { task: TaskFacts, by: String, to: String, reason: String });
event!(TaskCompleted, "workflow.task_completed.v1" {
    task: TaskFacts,
    by: String,
    created_at: DateTime<Utc>,
    vars: Map<String, Value>,
});
event!(
    /// The task is needed no longer: a border event or the end of its process took it away.
    TaskGone, "workflow.task_gone.v1" { task: TaskFacts }
);
event!(
    /// A verb besides claim, release, transfer and complete was done to a task: `save`, `delegate`,
    /// `answer`, `add_signer`, `remove_signer`, `return`, `withdraw`, `reject`, `circulate`, `read`,
    /// `urge`, `suspend`, `resume`, `extend` or `skip`. `other` is whom or what it concerns.
    TaskActed, "workflow.task_acted.v1" {
        task: TaskFacts,
        verb: String,
        by: String,
        on_behalf: Option<String>,
        other: String,
        reason: String,
    }
);
event!(
    /// An administrator intervened: `move`, `cancel`, `set` or `retry`.
    InstanceIntervened, "workflow.instance_intervened.v1" {
        instance: InstanceId,
        subject: String,
        verb: String,
        by: String,
        other: String,
        reason: String,
    }
);
event!(SubstituteNamed, "workflow.substitute_named.v1" {
    officer: String,
    substitute: String,
    posts: Vec<String>,
    from: chrono::NaiveDate,
    until: chrono::NaiveDate,
    by: String,
    reason: String,
});
event!(SubstituteEnded, "workflow.substitute_ended.v1" { officer: String, substitute: String, by: String });
event!(InstanceStarted, "workflow.instance_started.v1" {
    instance: InstanceId,
    definition: String,
    process: String,
    subject: String,
});
event!(InstanceEnded, "workflow.instance_ended.v1" {
    instance: InstanceId,
    definition: String,
    process: String,
    subject: String,
    status: String,
    reason: Option<String>,
});
event!(IncidentRaised, "workflow.incident_raised.v1" {
    instance: InstanceId,
    definition: String,
    subject: String,
    element: String,
    text: String,
});
event!(MessageSent, "workflow.message_sent.v1" {
    instance: InstanceId,
    subject: String,
    element: String,
    name: String,
});
event!(
    /// `sender` is the instance that sent it.
    MessageTaken, "workflow.message_taken.v1" {
        sender: InstanceId,
        instance: InstanceId,
        subject: String,
        name: String,
    }
);
event!(
    /// An operator chose who takes it, and said why.
    MessageHanded, "workflow.message_handed.v1" {
        sender: InstanceId,
        instance: InstanceId,
        subject: String,
        name: String,
        reason: String,
    }
);
event!(
    /// An operator threw it away, and said why.
    MessageDiscarded, "workflow.message_discarded.v1" {
        sender: InstanceId,
        subject: String,
        element: String,
        name: String,
        reason: String,
    }
);
event!(
    /// Nobody took it within the time that it is kept.
    MessageUndelivered, "workflow.message_undelivered.v1" {
        sender: InstanceId,
        subject: String,
        element: String,
        name: String,
    }
);
event!(
    /// What a decision said and which of its rules matched, kept as the reason for what followed.
    DecisionMade, "workflow.decision_made.v1" {
        instance: InstanceId,
        subject: String,
        element: String,
        decision: String,
        value: Value,
        rules: Option<Vec<usize>>,
    }
);
event!(
    /// A reminder: this much working time (`2d`, `4h`) is left. Without a task it is the whole
    /// process that is meant.
    DeadlineNear, "workflow.deadline_near.v1" {
        instance: InstanceId,
        subject: String,
        element: String,
        task: Option<TaskFacts>,
        due_at: Option<DateTime<Utc>>,
        left: String,
    }
);
event!(
    /// The end has passed and the task is not done.
    DeadlineMissed, "workflow.deadline_missed.v1" {
        instance: InstanceId,
        subject: String,
        element: String,
        task: Option<TaskFacts>,
        due_at: Option<DateTime<Utc>>,
        escalated_to: Vec<String>,
    }
);
event!(
    /// The clock was stopped, went on, was extended, or the calendar changed; `why` is
    /// `suspended`, `resumed`, `extended` or `calendar`. No `after` while the clock stands.
    DeadlineMoved, "workflow.deadline_moved.v1" {
        instance: InstanceId,
        subject: String,
        element: String,
        task: Option<TaskId>,
        before: Option<DateTime<Utc>>,
        after: Option<DateTime<Utc>>,
        why: String,
    }
);
event!(
    /// A running instance goes on by another version of its process.
    InstanceMigrated, "workflow.instance_migrated.v1" {
        instance: InstanceId,
        subject: String,
        from: String,
        to: String,
    }
);
event!(DefinitionDeployed, "workflow.definition_deployed.v1" { key: String, version: i64 });
event!(
    /// An operator looked at the variables unmasked.
    VariablesShown, "workflow.variables_shown.v1" {
        instance: InstanceId,
        subject: String,
        purpose: String,
    }
);
event!(ExternalTaskCreated, "workflow.external_task_created.v1" { task: ExternalFacts });
event!(
    /// A worker took it, or holds it longer.
    ExternalTaskLocked, "workflow.external_task_locked.v1" {
        task: ExternalFacts,
        worker: String,
        until: DateTime<Utc>,
    }
);
event!(ExternalTaskUnlocked, "workflow.external_task_unlocked.v1" { task: ExternalFacts, worker: String });
event!(ExternalTaskCompleted, "workflow.external_task_completed.v1" { task: ExternalFacts, worker: String });
event!(
    /// `retries` is how many tries are left; at none an incident follows.
    ExternalTaskFailed, "workflow.external_task_failed.v1" {
        task: ExternalFacts,
        worker: String,
        message: String,
        retries: i64,
    }
);
event!(ExternalTaskThrew, "workflow.external_task_threw.v1" {
    task: ExternalFacts,
    worker: String,
    code: String,
    message: String,
});
event!(
    /// A call in the background failed and will be tried again `at`; without, an incident follows.
    CallFailed, "workflow.call_failed.v1" {
        instance: InstanceId,
        subject: String,
        element: String,
        name: String,
        reason: String,
        again_at: Option<DateTime<Utc>>,
    }
);
