//! Cases (办件): one application for one matter, or the parent of a theme's sub-cases, from
//! submission to delivery.
//!
//! This file holds the words: states, what may happen, and the facts a case is made of. The rules
//! are in [`rules`], arithmetic of days in [`due`], parents and sub-cases in [`joint`].

pub mod act;
pub mod api;
pub mod correct;
pub mod desk;
pub mod due;
pub mod event;
pub mod flow;
pub mod joint;
pub mod number;
pub mod page;
pub mod progress;
pub mod react;
pub mod recount;
pub mod rules;
pub mod schema;
pub mod store;
pub mod submit;
pub mod view;
pub mod work;

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use kernel::{Error, Text, calendar::CalendarError};
use serde::{Deserialize, Serialize};

kernel::typed_id!(
    /// A case.
    pub CaseId
);

/// Where a case stands. Codes of other systems are given by [`State::code_a`] and
/// [`State::engineering`].
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = CaseState)]
pub enum State {
    /// Not yet handed in.
    #[default]
    Draft,
    Submitted,
    /// Sent back before it was taken in, with all defects listed.
    PreReturned,
    PrePassed,
    /// A clerk is entering it at a window.
    Registering,
    /// Taken in; the five days for accepting or answering run.
    Received,
    /// The applicant was told once what is missing.
    Correcting,
    /// The handling limit runs.
    Accepted,
    /// In a special procedure; the limit stands still.
    Suspended,
    /// Accepted, then found incomplete; exceptional.
    AcceptedCorrecting,
    Approved,
    Refused,
    Closed,
    NotAccepted,
    Withdrawn,
    Aborted,
}

impl State {
    pub const ALL: [Self; 16] = [
        Self::Draft,
        Self::Submitted,
        Self::PreReturned,
        Self::PrePassed,
        Self::Registering,
        Self::Received,
        Self::Correcting,
        Self::Accepted,
        Self::Suspended,
        Self::AcceptedCorrecting,
        Self::Approved,
        Self::Refused,
        Self::Closed,
        Self::NotAccepted,
        Self::Withdrawn,
        Self::Aborted,
    ];

    /// The word under which the state is stored, sent and translated.
    pub fn code(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted => "submitted",
            Self::PreReturned => "pre_returned",
            Self::PrePassed => "pre_passed",
            Self::Registering => "registering",
            Self::Received => "received",
            Self::Correcting => "correcting",
            Self::Accepted => "accepted",
            Self::Suspended => "suspended",
            Self::AcceptedCorrecting => "accepted_correcting",
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Closed => "closed",
            Self::NotAccepted => "not_accepted",
            Self::Withdrawn => "withdrawn",
            Self::Aborted => "aborted",
        }
    }

    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// Fluent key of the state's name.
    pub fn key(self) -> String {
        format!("service-state-{}", self.code().replace('_', "-"))
    }

    /// Status number of the approval product that is most widely deployed.
    pub fn code_a(self) -> u8 {
        match self {
            Self::Draft => 10,
            Self::Submitted => 12,
            Self::PreReturned => 14,
            Self::PrePassed => 16,
            Self::Registering => 22,
            Self::Received => 26,
            Self::Correcting => 28,
            Self::Accepted | Self::Suspended => 30,
            Self::AcceptedCorrecting => 37,
            Self::Refused => 40,
            Self::Approved => 50,
            Self::Closed => 90,
            Self::NotAccepted => 97,
            Self::Withdrawn => 98,
            Self::Aborted => 99,
        }
    }

    /// Handling status (BLZT) of the national engineering-project data; none before receipt.
    pub fn engineering(self) -> Option<u8> {
        Some(match self {
            Self::Submitted | Self::PrePassed | Self::Received => 1,
            Self::PreReturned | Self::Correcting | Self::AcceptedCorrecting => 6,
            Self::Accepted => 3,
            Self::Suspended => 9,
            Self::Approved | Self::Closed => 11,
            Self::Refused => 13,
            Self::NotAccepted => 5,
            Self::Withdrawn => 14,
            Self::Aborted => 15,
            Self::Draft | Self::Registering => return None,
        })
    }

    /// Status of the review system: 1 waiting, 2 in hand, 3 finished.
    pub fn review(self) -> u8 {
        match self {
            Self::Draft
            | Self::Submitted
            | Self::PreReturned
            | Self::PrePassed
            | Self::Registering => 1,
            _ if self.is_final() => 3,
            _ => 2,
        }
    }

    /// Nothing but delivery and evaluation follows.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Closed | Self::NotAccepted | Self::Withdrawn | Self::Aborted
        )
    }

    /// Whether the applicant may still take the application back.
    pub fn is_before_decision(self) -> bool {
        !self.is_final() && !matches!(self, Self::Draft | Self::Approved | Self::Refused)
    }
}

/// What can happen to a case (E01–E22 of the reference; E06 and E16 change no state).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Submit,
    PassPreReview,
    /// All defects at once.
    ReturnPreReview {
        defects: Vec<String>,
    },
    Resubmit,
    Receive,
    CorrectOnSpot {
        note: String,
    },
    /// Once in a case's life, with the full list.
    NotifyCorrection {
        missing: Vec<String>,
    },
    SupplyCorrection,
    /// By timer: the applicant did not come.
    ExpireCorrection,
    Accept,
    /// By timer: five working days passed without an answer.
    DeemAccepted,
    RefuseAcceptance {
        reason: String,
        /// Which body is competent, if it is another.
        competent: String,
        remedy: String,
    },
    StartSpecial {
        /// Key of a special procedure of the matter.
        procedure: String,
        reason: String,
        declared_days: u32,
    },
    EndSpecial {
        result: String,
    },
    Extend {
        days: u32,
        reason: String,
    },
    /// A step of the review: who said what.
    Review {
        step: String,
        opinion: String,
        /// Officers on an on-site check; at least two.
        on_site: Option<Vec<String>>,
    },
    Approve {
        opinion: String,
    },
    /// A theme of which some parts were granted and some refused.
    ApprovePart {
        opinion: String,
    },
    Refuse {
        reason: String,
        remedy: String,
    },
    Close,
    Deliver {
        how: Delivery,
        receiver: String,
    },
    Withdraw {
        reason: String,
    },
    Abort {
        ground: String,
    },
    /// A revocation has been opened as a case of its own.
    OpenRevocation {
        case: String,
    },
}

impl Event {
    /// The word for timeline, events and messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Submit => "submitted",
            Self::PassPreReview => "pre_passed",
            Self::ReturnPreReview { .. } => "pre_returned",
            Self::Resubmit => "resubmitted",
            Self::Receive => "received",
            Self::CorrectOnSpot { .. } => "corrected_on_spot",
            Self::NotifyCorrection { .. } => "correction_notified",
            Self::SupplyCorrection => "correction_supplied",
            Self::ExpireCorrection => "correction_expired",
            Self::Accept => "accepted",
            Self::DeemAccepted => "deemed_accepted",
            Self::RefuseAcceptance { .. } => "not_accepted",
            Self::StartSpecial { .. } => "special_started",
            Self::EndSpecial { .. } => "special_ended",
            Self::Extend { .. } => "extended",
            Self::Review { .. } => "reviewed",
            Self::Approve { .. } => "approved",
            Self::ApprovePart { .. } => "partly_approved",
            Self::Refuse { .. } => "refused",
            Self::Close => "closed",
            Self::Deliver { .. } => "delivered",
            Self::Withdraw { .. } => "withdrawn",
            Self::Abort { .. } => "aborted",
            Self::OpenRevocation { .. } => "revocation_opened",
        }
    }

    /// Words that the applicant sees in the timeline beside the event's name.
    pub fn words(&self) -> String {
        match self {
            Self::ReturnPreReview { defects } => defects.join("；"),
            Self::NotifyCorrection { missing } => missing.join("；"),
            Self::CorrectOnSpot { note } => note.clone(),
            Self::RefuseAcceptance {
                reason, competent, ..
            } if competent.is_empty() => reason.clone(),
            Self::RefuseAcceptance {
                reason, competent, ..
            } => format!("{reason}（{competent}）"),
            Self::StartSpecial { reason, .. }
            | Self::Extend { reason, .. }
            | Self::Refuse { reason, .. }
            | Self::Withdraw { reason } => reason.clone(),
            Self::EndSpecial { result } => result.clone(),
            Self::Abort { ground } => ground.clone(),
            Self::Review { step, .. } => step.clone(),
            Self::Deliver { receiver, .. } => receiver.clone(),
            _ => String::new(),
        }
    }
}

/// How a result reaches the applicant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    #[default]
    Online,
    Window,
    Post,
}

/// Through which door an application came.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    #[default]
    Online,
    /// A clerk entered it for a walk-in.
    Window,
    /// An agent handed it in for somebody else.
    Proxy,
}

impl Channel {
    pub fn code(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Window => "window",
            Self::Proxy => "proxy",
        }
    }

    pub fn of_code(code: &str) -> Self {
        match code {
            "window" => Self::Window,
            "proxy" => Self::Proxy,
            _ => Self::Online,
        }
    }
}

/// In what a limit is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    #[default]
    Working,
    Natural,
}

/// A number of days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Days {
    pub count: u32,
    pub unit: Unit,
}

impl Days {
    pub fn working(count: u32) -> Self {
        Self {
            count,
            unit: Unit::Working,
        }
    }
}

/// A special procedure that the matter allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Procedure {
    pub key: String,
    pub name: String,
    pub kind: String,
    /// Longest time in working days; 0 when the matter sets none.
    pub max_days: u32,
}

/// What the matter, or the theme, promises: copied into the case when it is made, so that a later
/// version changes nothing for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    pub is_instant: bool,
    pub is_licence: bool,
    /// Several bodies handle it together: longer extension.
    pub is_joint: bool,
    pub promise: Days,
    /// Absent where the law sets none.
    pub legal: Option<Days>,
    pub procedures: Vec<Procedure>,
    /// Published links with their limits.
    pub steps: Vec<event::StepLimit>,
    /// Keys of all parts of the theme, needed or not.
    pub parts: Vec<String>,
    /// What a refused part of a theme does to the others.
    pub on_reject: joint::OnReject,
    /// Credit code of the body whose clerks take it in and give it out.
    pub hall: String,
    /// Type code of the certificate that is the result.
    pub certificate: Option<String>,
    pub result_name: String,
    /// Where to seek review and to sue; goes into refusals.
    pub remedy: String,
    pub limits: Limits,
}

/// Limits that hold for every matter of a place; local rules may be stricter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Working days from receipt within which to accept, refuse or ask for correction.
    pub answer_days: u32,
    /// Working days that an applicant has for a correction.
    pub correction_days: u32,
    pub extension_days: u32,
    pub joint_extension_days: u32,
    pub delivery_days: u32,
    /// A light turns yellow when this part of the limit is left, in percent.
    pub warn_percent: u32,
}

impl Default for Limits {
    fn default() -> Self {
        crate::Settings::default().limits()
    }
}

/// A period that does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    pub procedure: String,
    pub name: String,
    pub reason: String,
    pub declared_days: u32,
    pub from: NaiveDate,
    /// Last day that does not count; open while the procedure lasts.
    pub until: Option<NaiveDate>,
    pub result: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    pub days: u32,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Approved,
    Refused,
    /// A theme of which some sub-cases were granted and some not.
    Partial,
}

impl Outcome {
    pub fn code(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Partial => "partial",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub outcome: Outcome,
    pub reason: String,
    pub remedy: String,
}

/// Something that is allowed but that supervision wants to know.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// The same person accepted and decided.
    SamePerson,
    /// Answered after the five days.
    LateAnswer,
    /// A special procedure took longer than was told.
    LongerThanDeclared,
    /// Decided after the promise.
    Overdue,
    /// A revocation case exists.
    Revocation,
}

/// All that the rules know of a case. Kept as JSON beside the columns that lists need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    pub state: State,
    /// Counts what happened; several events of one moment keep their order by it.
    pub moves: u32,
    pub terms: Terms,
    pub submitted_at: Option<DateTime<Utc>>,
    pub received_at: Option<DateTime<Utc>>,
    pub accepted_at: Option<DateTime<Utc>>,
    pub decided_at: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    /// Moment of the latest event: time never runs backwards in a case.
    pub last_at: Option<DateTime<Utc>>,
    /// The date from which days are counted.
    pub d0: Option<NaiveDate>,
    pub answer_due: Option<NaiveDate>,
    pub correction_due: Option<NaiveDate>,
    pub promise_due: Option<NaiveDate>,
    pub legal_due: Option<NaiveDate>,
    pub delivery_due: Option<NaiveDate>,
    pub suspensions: Vec<Suspension>,
    pub extension: Option<Extension>,
    /// How often the applicant was asked to correct; the law allows one.
    pub corrections: u32,
    /// What was asked for.
    pub missing: Vec<String>,
    pub accepted_by: Option<String>,
    pub decided_by: Option<String>,
    pub decision: Option<Decision>,
    pub delivery: Option<Delivery>,
    pub flags: BTreeSet<Flag>,
}

impl Facts {
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            ..Self::default()
        }
    }

    /// The special procedure under way.
    pub fn open_suspension(&self) -> Option<&Suspension> {
        self.suspensions.iter().find(|s| s.until.is_none())
    }

    /// Whether the date that people must look at may move, because the official calendar of its
    /// year is not there yet.
    pub fn is_provisional(&self, calendar: &kernel::Calendar) -> bool {
        self.due().is_some_and(|due| calendar.is_provisional(due))
    }

    /// The date that people must look at now.
    pub fn due(&self) -> Option<NaiveDate> {
        match self.state {
            State::Received => self.answer_due,
            State::Correcting => self.correction_due,
            State::Accepted | State::AcceptedCorrecting => self.promise_due,
            State::Approved | State::Refused => self.delivery_due,
            State::Closed if self.delivered_at.is_none() => self.delivery_due,
            _ => None,
        }
    }
}

/// The list of an officer's bodies and, for clerks and supervisors, regions.
pub(crate) fn desk_search(
    actor: &identity::Actor,
    state: &str,
    number: &str,
    after: &str,
    limit: u64,
) -> store::Search {
    let by_region = |post: &&identity::Post| matches!(&*post.post, "clerk" | "supervisor");
    store::Search {
        orgs: actor.posts.iter().map(|p| p.org.clone()).collect(),
        regions: actor
            .posts
            .iter()
            .filter(by_region)
            .map(|p| p.region.clone())
            .collect(),
        is_open: match state {
            "open" => Some(true),
            "closed" => Some(false),
            _ => None,
        },
        state: State::of_code(state),
        matter: String::new(),
        number: number.trim().to_owned(),
        after: after.to_owned(),
        limit,
    }
}

/// Why an event cannot happen now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    WrongState {
        state: State,
        event: &'static str,
    },
    CorrectionTwice,
    AnswerTooLate,
    ListEmpty,
    ReasonMissing,
    RemedyMissing,
    NotListed {
        procedure: String,
    },
    DaysMissing,
    DaysTooMany {
        most: u32,
    },
    ExtendedTwice,
    ExtensionTooLate,
    TwoOfficersNeeded,
    NotYetDue,
    AlreadyDelivered,
    /// A date cannot be counted; the calendar says why.
    Calendar(CalendarError),
}

impl From<CalendarError> for Refusal {
    fn from(error: CalendarError) -> Self {
        Self::Calendar(error)
    }
}

impl From<Refusal> for web::WebError {
    fn from(refusal: Refusal) -> Self {
        Error::from(refusal).into()
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let field = |name: &str, key| Self::invalid(name, Text::new(key));
        match refusal {
            Refusal::WrongState { state, event } => Self::Refused(
                Text::new("service-case-wrong-state")
                    .with("state", state.code())
                    .with("event", event),
            ),
            Refusal::CorrectionTwice => Self::refused("service-case-correction-twice"),
            Refusal::AnswerTooLate => Self::refused("service-case-answer-too-late"),
            Refusal::ListEmpty => field("missing", "service-case-list-empty"),
            Refusal::ReasonMissing => field("reason", "service-case-reason-missing"),
            Refusal::RemedyMissing => field("remedy", "service-case-remedy-missing"),
            Refusal::NotListed { procedure } => Self::invalid(
                "procedure",
                Text::new("service-case-procedure-not-listed").with("procedure", procedure),
            ),
            Refusal::DaysMissing => field("days", "service-case-days-missing"),
            Refusal::DaysTooMany { most } => Self::invalid(
                "days",
                Text::new("service-case-days-too-many").with("most", most),
            ),
            Refusal::ExtendedTwice => Self::refused("service-case-extended-twice"),
            Refusal::ExtensionTooLate => Self::refused("service-case-extension-too-late"),
            Refusal::TwoOfficersNeeded => field("officers", "service-case-two-officers"),
            Refusal::NotYetDue => Self::refused("service-case-not-yet-due"),
            Refusal::AlreadyDelivered => Self::refused("service-case-already-delivered"),
            Refusal::Calendar(error) => error.into(),
        }
    }
}
