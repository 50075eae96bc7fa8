//! The pure core: how tokens move. No clock, no randomness, no input or output.
//!
//! [`advance`] takes an instance and one input and answers the next instance and what the outside
//! has to do about it. The instance is plain data: it can be written down after every step and
//! goes on from there as if it had never stopped.

mod activity;
mod ad_hoc;
mod back;
mod correlation;
mod event;
mod frame;
mod gateway;
mod import;
mod kept;
mod relocate;
mod repeat;
mod run;
mod shelf;
mod start;
mod starved;
mod throw;
pub mod timer;
mod token;
mod undo;
mod vars;
mod wait;

pub use correlation::{Came, Fits, waiting_for_message};
pub use shelf::Shelf;
pub(crate) use start::{begins_by, start_by, waits_for_all};
pub(crate) use wait::waits_in;
pub use wait::{Heard, Wait, waits};

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::back::{Followed, Mode, earlier};
pub(crate) use self::starved::{arrive, starved};
use crate::model::{Definition, Gateway, Id, Kind, Model, Node, NodeIx, Sub, TimerSource};

/// The form in which instances are written down today.
pub const VERSION: u8 = 1;

/// A process that can run: a model and which of its processes is meant.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what a model has, each asked for alone"
)]
pub struct Process {
    pub model: Arc<Model>,
    pub id: Id,
    /// What need not be looked for after every step when the model has none of it.
    has_conditions: bool,
    has_joins: bool,
    has_ad_hoc: bool,
    /// Whether anything in it is counted by the calendar.
    pub(crate) has_clocks: bool,
    /// Messages and signals that something in it can wait for.
    pub(crate) heard: Vec<(Heard, String)>,
}

impl Process {
    /// The named process of the model, or its main one.
    pub fn new(model: Arc<Model>, id: Option<&str>) -> Option<Self> {
        let head = match id {
            Some(id) => model.process(id),
            None => model.main(),
        };
        let id = head?.id.clone();
        let has_conditions = model.nodes.iter().any(Node::is_conditional);
        let has_joins = model.nodes.iter().any(|node| {
            matches!(
                node.kind,
                Kind::Gateway(Gateway::Inclusive | Gateway::Complex { .. })
            )
        });
        let is_ad_hoc = |node: &Node| matches!(node.kind, Kind::Sub(Sub::AdHoc { .. }));
        let has_ad_hoc = model.nodes.iter().any(is_ad_hoc);
        let counts = |attributes: &BTreeMap<String, String>| {
            attributes.contains_key("days") || attributes.contains_key("hours")
        };
        let has_clocks = model.processes.iter().any(|head| counts(&head.attributes))
            || model.nodes.iter().any(|node| {
                counts(&node.attributes)
                    || node.definitions().iter().any(|definition| {
                        matches!(definition, Definition::Timer(TimerSource::WorkingDays(_)))
                    })
            });
        Some(Self {
            heard: wait::heard(&model),
            model,
            id,
            has_conditions,
            has_joins,
            has_ad_hoc,
            has_clocks,
        })
    }

    /// An instance that has not begun.
    pub fn instance(&self) -> Instance {
        Instance {
            version: VERSION,
            process: self.id.clone(),
            status: Status::Created,
            reason: None,
            next: 1,
            frames: Shelf::default(),
            tokens: Shelf::default(),
            timers: Shelf::default(),
        }
    }
}

/// Where an instance stands. Small, versioned, and whole: nothing else is needed to go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    #[serde(rename = "v")]
    pub version: u8,
    pub process: Id,
    pub status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    next: u32,
    pub frames: Shelf<Frame>,
    #[serde(default, skip_serializing_if = "is_bare")]
    pub tokens: Shelf<Token>,
    #[serde(default, skip_serializing_if = "is_bare")]
    pub timers: Shelf<Timer>,
}

fn is_bare<T>(shelf: &Shelf<T>) -> bool {
    shelf.is_empty()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Created,
    Running,
    Completed,
    /// Ended by a terminate event.
    Terminated,
    /// Cancelled from outside.
    Cancelled,
    /// An error that nothing in the model catches.
    Failed,
}

/// One run of a process, sub-process or iteration: variables and the tokens inside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    pub kind: FrameKind,
    /// Process id, or id of the node that owns the frame.
    pub of: Id,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// The token that waits for this frame to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<u32>,
    /// Tokens, moves under way and event sub-process frames inside; the frame ends at zero.
    pub live: u32,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub vars: Map<String, Value>,
    /// What compensation would undo, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<Undo>,
    /// Conditional start events whose condition holds at present, definitions of parallel
    /// multiple start events that came already, complex gateways that have gone on, what people have
    /// done in an ad-hoc sub-process, and that itself once enough has been done in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holding: Vec<Id>,
    /// Of an ad-hoc sub-process, what is still to come in its round: activities that people do and
    /// have not done, and those that begin by themselves and whose turn has not come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queue: Vec<Id>,
    /// Correlation keys of the conversation that this frame leads, with the values that its
    /// messages gave them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<Id, Vec<Value>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameKind {
    Root,
    Sub,
    Call,
    EventSub,
    Iteration,
}

/// One completed activity that has a way to be undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Undo {
    /// The activity that was completed.
    pub of: Id,
    /// What undoes it; a sub-process may have only `inner`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Id>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inner: Vec<Undo>,
    /// What was known where it was completed and is gone since: of a sub-process, of one instance
    /// of several. Its handler sees that (BPMN 2.0.2, 10.7.2).
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub vars: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    pub frame: u32,
    pub at: Id,
    pub state: State,
    /// Conditional border events whose condition holds at present, and the definitions of
    /// parallel multiple events that came already, as `event#number`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holding: Vec<Id>,
    /// Steps that returned here and wait for it; when this one is done the token jumps to the
    /// last of them instead of leaving by a flow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub back: Vec<Id>,
    /// Of a token that stopped after its work was done: where it goes on when it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}

/// What was done before a token stopped, and is not done again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// This came, or was given by whoever did the work; it is still to be mapped to the variables.
    Given(Map<String, Value>),
    /// The variables have it; the activity is still to be left.
    Mapped,
    /// The inside of a sub-process or called process is over; its frame is still there.
    Inside,
    /// The activity has begun, and its border events wait on; its work begins anew.
    Begun,
    /// All is done and noted; only a way out is still to be found.
    Leaving,
}

/// Why a token stands where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A task that somebody outside completes.
    Task,
    /// An intermediate event that has not come.
    Catch,
    /// An event-based gateway whose events have not come.
    Choice,
    /// A joining gateway that waits for other tokens; came by this flow.
    Join(Id),
    /// The inside of a sub-process or called process runs.
    Body,
    /// Iterations run.
    Multi(Box<Multi>),
    /// Compensation runs, one handler after the other; then the throwing event goes on.
    Undoing(Vec<Undo>),
    /// Stopped: what failed, in words. Goes on by [`Input::Retry`]; see [`Token::kept`].
    Incident(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Multi {
    /// `None` for a loop, whose number nobody knows before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
    pub started: u32,
    pub done: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<u32, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timer {
    pub owner: Owner,
    /// The event with the timer.
    pub at: Id,
    /// Which of the event's definitions it is.
    #[serde(default, skip_serializing_if = "is_first")]
    pub nth: u32,
    /// When it fires; `None` while the shell counts working days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<DateTime<Utc>>,
    /// Firings that remain after this one; `None` without end.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub left: Option<u32>,
    /// ISO 8601 span between firings of a cycle, or its cron line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
}

#[expect(clippy::unnecessary_wraps, reason = "the type of the field")]
fn once() -> Option<u32> {
    Some(0)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
#[expect(clippy::ref_option, reason = "serde asks for a reference")]
fn is_once(left: &Option<u32>) -> bool {
    *left == Some(0)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_first(nth: &u32) -> bool {
    *nth == 0
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    Token(u32),
    Frame(u32),
}

/// What can happen to an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Begins, at the named start event or at the one that needs no trigger. One that takes several
    /// things together is named with the number of the definition that came first, as `id#0`, and
    /// waits for the others; named without, all have come.
    Start {
        at: Option<String>,
        vars: Map<String, Value>,
    },
    /// Goes on with what ran elsewhere until now, at these activities, waiting events, and flows
    /// by which something has arrived at a join.
    Import {
        at: Vec<String>,
        vars: Map<String, Value>,
    },
    /// A task is done.
    Complete {
        token: u32,
        vars: Map<String, Value>,
    },
    /// A timer is due.
    Timer { timer: u32 },
    /// The named event happens, whatever it waits for.
    Trigger {
        element: String,
        vars: Map<String, Value>,
    },
    /// A message came; `key` picks among several that wait (see `tongban:correlation`), and what it
    /// carries tells its conversation. With `to` it goes to that element only, whatever its name.
    Message {
        name: String,
        to: Option<String>,
        key: Option<Value>,
        vars: Map<String, Value>,
    },
    Signal {
        name: String,
        vars: Map<String, Value>,
    },
    /// A task ended in a business error.
    Error {
        token: u32,
        code: String,
        message: String,
        vars: Map<String, Value>,
    },
    /// A task escalates and goes on.
    Escalate { token: u32, code: String },
    /// A task could not be carried out for technical reasons.
    Fail { token: u32, reason: String },
    /// Goes on where a new version of the process lets it: at joins for which all has come.
    Resume,
    /// Variables change from outside.
    Set { vars: Map<String, Value> },
    /// A stopped token tries again.
    Retry { token: u32 },
    /// An administrator takes a token away from where it stands and puts it elsewhere in the
    /// same scope.
    Move { token: u32, to: String },
    /// A task's token goes back to an earlier step.
    Return {
        token: u32,
        to: String,
        mode: Mode,
        vars: Map<String, Value>,
    },
    /// A completed task is taken back, as long as nothing that followed has moved on.
    Withdraw { to: String, followed: Followed },
    /// A task is refused for good: by the named end event, or else the whole instance ends.
    Reject {
        token: u32,
        to: Option<String>,
        reason: String,
        vars: Map<String, Value>,
    },
    /// The whole instance ends here.
    Cancel { reason: String },
}

/// What the outside does about a step, in order.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "effect")]
pub enum Effect {
    Entered {
        element: Id,
        scope: Id,
    },
    Left {
        element: Id,
        scope: Id,
        /// Whether it was ended from outside, as what an event interrupts.
        is_cancelled: bool,
    },
    /// A task waits to be carried out; `kind` is its name in the standard.
    Task {
        token: u32,
        element: Id,
        kind: &'static str,
        vars: Map<String, Value>,
        index: Option<u32>,
    },
    /// A task that waited is needed no longer.
    TaskGone {
        token: u32,
        element: Id,
    },
    Script {
        element: Id,
        text: String,
    },
    Timer {
        timer: u32,
        element: Id,
        due: Due,
    },
    TimerGone {
        timer: u32,
    },
    Message {
        element: Id,
        name: String,
        vars: Map<String, Value>,
    },
    Signal {
        element: Id,
        name: String,
    },
    Error {
        element: Id,
        code: String,
    },
    Escalation {
        element: Id,
        code: String,
    },
    Compensate {
        element: Id,
        by: Option<Id>,
    },
    Decision {
        element: Id,
        decision: String,
        value: Value,
        rules: Option<Vec<usize>>,
    },
    Incident {
        token: u32,
        element: Id,
        text: String,
    },
    Ended {
        status: Status,
        reason: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Due {
    At(DateTime<Utc>),
    /// Counted from now by the calendar, which the core does not know.
    WorkingDays(u32),
}

/// Why an input changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("the process `{0}` is not in the model")]
    UnknownProcess(String),
    #[error("the instance was written by a newer version")]
    NewerVersion,
    #[error("the instance runs already")]
    AlreadyStarted,
    #[error("the instance does not run")]
    NotRunning,
    #[error("`{0}` is no start event of the process")]
    NoSuchStart(String),
    #[error(
        "`{0}` is no place to go on at: name activities, waiting events and flows of the process, outside of sub-processes that repeat, and no sub-process beside what is inside of it"
    )]
    NoPlaceToWait(String),
    #[error(
        "`{0}` is named twice; where two have come to one activity, name the flows by which they came"
    )]
    PlaceTwice(String),
    #[error(
        "the join `{0}` would wait for ever: nothing comes to it by the flow `{1}`; name the flow too if something has arrived by it"
    )]
    JoinWaits(String, String),
    #[error("the process does not say where it begins")]
    NoStart,
    #[error("no task {0} waits")]
    NoSuchTask(u32),
    #[error("no timer {0} runs")]
    NoSuchTimer(u32),
    #[error("`{0}` is under way, and one activity at a time is done here")]
    NotItsTurn(String),
    #[error("nothing waits at `{0}`")]
    NotWaiting(String),
    #[error("nothing waits for the message `{0}`")]
    NothingWaits(String),
    #[error("{1} places wait for the message `{0}`, and nothing tells them apart")]
    Ambiguous(String, usize),
    #[error("`{0}` is not in the scope of the token")]
    NoSuchPlace(String),
    #[error("{0} stopped nowhere")]
    NotStopped(u32),
    #[error("`{0}` does not lead to this step")]
    NotBefore(String),
    #[error("the part of the process in which `{0}` lies is over, or runs beside this one")]
    PlaceEnded(String),
    #[error("what followed `{0}` has moved on")]
    MovedOn(String),
    #[error("something is on its way to the join `{0}`, which would wait for ever")]
    StillComes(String),
}

/// Takes one step: an input, and everything that follows from it without waiting.
///
/// # Errors
/// A [`Rejection`] when the input does not fit; the instance given in is then the one to keep.
pub fn advance(
    process: &Process,
    instance: Instance,
    input: Input,
    now: DateTime<Utc>,
) -> Result<(Instance, Vec<Effect>), Rejection> {
    let mut instance = instance;
    let effects = step(process, &mut instance, input, now)?;
    Ok((instance, effects))
}

/// As [`advance`], on an instance in place; a rejected input leaves it as it was.
///
/// # Errors
/// A [`Rejection`] when the input does not fit.
pub fn step(
    process: &Process,
    instance: &mut Instance,
    input: Input,
    now: DateTime<Utc>,
) -> Result<Vec<Effect>, Rejection> {
    if instance.version > VERSION {
        return Err(Rejection::NewerVersion);
    }
    // Whether a move fits shows when all that follows from it is done.
    let before = matches!(input, Input::Move { .. }).then(|| instance.clone());
    let taken = std::mem::replace(instance, process.instance());
    let mut run = run::Run::new(process, taken, now);
    let mut accepted = run.take(input);
    if accepted.is_ok() {
        run.settle();
        if let Some(before) = &before {
            accepted = run.leave_no_join_behind(before);
        }
    }
    let (after, effects) = run.end();
    *instance = match before {
        Some(before) if accepted.is_err() => before,
        _ => after,
    };
    accepted.map(|()| effects)
}

/// Sets timers of events for which an instance has begun to wait, as a new version of its process
/// makes it.
///
/// # Errors
/// The id of an event whose time has no value.
pub(crate) fn arm(
    process: &Process,
    instance: Instance,
    events: &[(Owner, u32, NodeIx)],
    now: DateTime<Utc>,
) -> Result<(Instance, Vec<Effect>), String> {
    let mut run = run::Run::new(process, instance, now);
    for &(owner, frame, event) in events {
        run.arm(owner, frame, event)
            .map_err(|_| process.model[event].id.to_string())?;
    }
    Ok(run.end())
}

impl Instance {
    /// The instance without what it holds.
    pub(crate) fn bare(&self) -> Self {
        Self {
            version: self.version,
            process: self.process.clone(),
            status: self.status,
            reason: self.reason.clone(),
            next: self.next,
            frames: Shelf::default(),
            tokens: Shelf::default(),
            timers: Shelf::default(),
        }
    }

    /// Numbers of everything that it holds.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        let frames = self.frames.keys().chain(self.tokens.keys());
        frames.chain(self.timers.keys()).copied()
    }

    /// Numbers of what changed in it since it was read, or was last [settled](Self::settle).
    pub(crate) fn touched(&self) -> impl Iterator<Item = u32> {
        let frames = self.frames.touched().iter().chain(self.tokens.touched());
        frames.chain(self.timers.touched()).copied()
    }

    pub(crate) fn settle(&mut self) {
        self.frames.settle();
        self.tokens.settle();
        self.timers.settle();
    }

    /// Variables of the process itself.
    pub fn variables(&self) -> Map<String, Value> {
        let root = self
            .frames
            .values()
            .find(|frame| frame.kind == FrameKind::Root);
        root.map(|frame| frame.vars.clone()).unwrap_or_default()
    }

    /// Tokens that wait for something outside, with the element at which they stand.
    pub fn waiting(&self) -> impl Iterator<Item = (u32, &Token)> {
        let waits = |state: &State| matches!(state, State::Task | State::Catch | State::Choice);
        self.tokens
            .iter()
            .filter(move |(_, token)| waits(&token.state))
            .map(|(id, token)| (*id, token))
    }

    /// Tokens that stopped, with the reason.
    pub fn incidents(&self) -> impl Iterator<Item = (u32, &Token, &str)> {
        self.tokens
            .iter()
            .filter_map(|(id, token)| match &token.state {
                State::Incident(text) => Some((*id, token, text.as_str())),
                _ => None,
            })
    }

    pub fn is_over(&self) -> bool {
        !matches!(self.status, Status::Created | Status::Running)
    }

    /// The rule that every step keeps: each frame counts exactly what is inside it. For tests.
    pub fn is_balanced(&self) -> bool {
        self.frames.iter().all(|(id, frame)| {
            let tokens = self
                .tokens
                .values()
                .filter(|token| token.frame == *id)
                .count();
            let subs = self
                .frames
                .values()
                .filter(|f| f.parent == Some(*id) && f.kind == FrameKind::EventSub)
                .count();
            usize::try_from(frame.live) == Ok(tokens + subs)
                && frame
                    .owner
                    .is_none_or(|owner| self.tokens.contains_key(&owner))
                && frame
                    .parent
                    .is_none_or(|parent| self.frames.contains_key(&parent))
        }) && self
            .tokens
            .values()
            .all(|token| self.frames.contains_key(&token.frame))
            && self.timers.values().all(|timer| match timer.owner {
                Owner::Token(token) => self.tokens.contains_key(&token),
                Owner::Frame(frame) => self.frames.contains_key(&frame),
            })
    }
}
