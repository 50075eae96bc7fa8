//! Events of a case, as other crates read them.
//!
//! All kinds carry the same body, [`CaseFact`], because supervision evaluates its rules from these
//! alone and joins nothing. The kind says what happened:
//!
//! | kind `service.case_….v1` | what |
//! |---|---|
//! | `submitted`, `resubmitted` | handed in |
//! | `pre_passed`, `pre_returned` | looked through before receipt |
//! | `received` | taken in; the answer is due on `answer_due` |
//! | `correction_notified`, `correction_supplied`, `correction_expired` | correction; `corrections` counts |
//! | `accepted`, `deemed_accepted` | `d0`, `promise_due`, `legal_due`, `steps` are set |
//! | `not_accepted` | `has_reason`, `has_remedy` |
//! | `special_started`, `special_ended` | `special`, `declared_days`, `is_listed`; `is_paused` |
//! | `extended` | `extension_days`, new due dates |
//! | `reviewed`, `corrected_on_spot` | a `step` |
//! | `approved`, `partly_approved`, `refused` | `outcome`, `has_reason`, `has_remedy`, `flags` |
//! | `closed`, `delivered` | |
//! | `recounted` | no move: an official calendar came and dates are new |
//! | `withdrawn`, `aborted`, `revocation_opened` | |

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use store::{EventBody, Tx};

use super::{Event, Flag, Outcome, State};

/// A published link of the matter, for step limits and order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepLimit {
    pub name: String,
    pub days: u32,
    pub is_special: bool,
}

/// What happened to a case, with all that a reader elsewhere needs. Names no applicant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, read by a rule of its own"
)]
pub struct CaseFact {
    pub case_id: String,
    pub case_no: String,
    pub parent_no: Option<String>,
    /// Implementation code of the matter, or the id of the theme for a parent.
    pub matter_code: String,
    pub matter_name: String,
    pub matter_version: i32,
    pub is_theme: bool,
    /// Credit code and name of the handling organisation.
    pub org: String,
    pub org_name: String,
    pub region: String,
    pub channel: String,
    pub is_instant: bool,
    pub is_licence: bool,
    pub at: DateTime<Utc>,
    /// Counts the case's events from 1.
    pub seq: u32,
    pub before: State,
    pub after: State,
    /// User id of who did it, or `system`.
    pub actor: String,
    pub actor_name: String,
    /// Post in which it was done, empty for citizens and the system.
    pub post: String,
    pub accepted_by: Option<String>,
    pub decided_by: Option<String>,
    pub received_at: Option<DateTime<Utc>>,
    pub accepted_at: Option<DateTime<Utc>>,
    pub decided_at: Option<DateTime<Utc>>,
    pub d0: Option<NaiveDate>,
    pub answer_due: Option<NaiveDate>,
    pub correction_due: Option<NaiveDate>,
    pub promise_due: Option<NaiveDate>,
    pub legal_due: Option<NaiveDate>,
    pub delivery_due: Option<NaiveDate>,
    /// Promised limit, extension included; counts `limit_unit`.
    pub limit_days: u32,
    /// `working` or `natural`.
    pub limit_unit: String,
    pub legal_days: Option<u32>,
    pub extension_days: u32,
    pub is_paused: bool,
    pub corrections: u32,
    pub outcome: Option<Outcome>,
    pub has_reason: bool,
    pub has_remedy: bool,
    /// Name of the step or task in which it happened.
    pub step: String,
    /// Key and kind of the special procedure under way or just ended.
    pub special: Option<String>,
    pub special_kind: Option<String>,
    pub declared_days: Option<u32>,
    /// Whether the special procedure is in the matter's published list.
    pub is_listed: bool,
    /// The matter's published links; filled when accepted.
    pub steps: Vec<StepLimit>,
    pub flags: BTreeSet<Flag>,
}

macro_rules! kinds {
    ($($name:ident = $event:literal),* $(,)?) => {
        $(
            #[doc = concat!("`service.case_", $event, ".v1`.")]
            #[derive(Clone, Debug, Serialize, Deserialize)]
            #[serde(transparent)]
            pub struct $name(pub CaseFact);

            impl EventBody for $name {
                const KIND: &'static str = concat!("service.case_", $event, ".v1");
            }
        )*

        /// Appends the event under the kind that its name says.
        pub fn emit(tx: &Tx, event: &Event, actor: &str, fact: CaseFact) -> kernel::Result<()> {
            let subject = format!("case:{}", fact.case_id);
            match event.name() {
                $($event => tx.emit(subject, actor, &$name(fact)),)*
                other => Err(kernel::Fault::new(format!("event without a kind: {other}")).into()),
            }
        }

        /// Every kind that a case can leave.
        pub const KINDS: &[&str] = &[$($name::KIND),*];
    };
}

kinds! {
    CaseSubmitted = "submitted",
    CasePrePassed = "pre_passed",
    CasePreReturned = "pre_returned",
    CaseResubmitted = "resubmitted",
    CaseReceived = "received",
    CaseCorrectedOnSpot = "corrected_on_spot",
    CaseCorrectionNotified = "correction_notified",
    CaseCorrectionSupplied = "correction_supplied",
    CaseCorrectionExpired = "correction_expired",
    CaseAccepted = "accepted",
    CaseDeemedAccepted = "deemed_accepted",
    CaseNotAccepted = "not_accepted",
    CaseSpecialStarted = "special_started",
    CaseSpecialEnded = "special_ended",
    CaseExtended = "extended",
    CaseReviewed = "reviewed",
    CaseApproved = "approved",
    CasePartlyApproved = "partly_approved",
    CaseRefused = "refused",
    CaseClosed = "closed",
    CaseDelivered = "delivered",
    CaseWithdrawn = "withdrawn",
    CaseAborted = "aborted",
    CaseRevocationOpened = "revocation_opened",
    CaseRecounted = "recounted",
}

/// A person reviewed a service; names the case, not the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationGiven {
    pub evaluation_id: String,
    pub case_no: String,
    pub matter_code: String,
    pub matter_name: String,
    pub org: String,
    pub org_name: String,
    pub region: String,
    pub satisfaction: u8,
    pub details: Vec<String>,
    pub service_number: u32,
    /// 1 first, 2 after rectification.
    pub assess_number: u32,
    pub channel: u8,
    pub contact_due: Option<NaiveDate>,
    pub finish_due: Option<NaiveDate>,
}

impl EventBody for EvaluationGiven {
    const KIND: &'static str = "service.evaluation_given.v1";
}

/// The handling body answered a bad review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationAnswered {
    pub evaluation_id: String,
    pub case_no: String,
    pub org: String,
    pub region: String,
    /// `contacted`, `rectified`, `appealed`, `appeal_upheld`, `appeal_rejected`.
    pub step: String,
    pub is_late: bool,
}

impl EventBody for EvaluationAnswered {
    const KIND: &'static str = "service.evaluation_answered.v1";
}
