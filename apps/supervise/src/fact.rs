//! What the events of a case tell, read leniently: fields that a newer writer adds are passed
//! over, and fields that an older one lacks are empty.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// The body of every `service.case_….v1` event, as far as supervision needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the shape is that of the event"
)]
pub struct Fact {
    pub case_id: String,
    pub case_no: String,
    pub parent_no: Option<String>,
    pub matter_code: String,
    pub matter_name: String,
    pub matter_version: i32,
    pub is_theme: bool,
    pub org: String,
    pub org_name: String,
    pub region: String,
    pub is_instant: bool,
    pub at: DateTime<Utc>,
    pub after: String,
    pub actor: String,
    pub actor_name: String,
    pub accepted_by: Option<String>,
    pub decided_by: Option<String>,
    pub accepted_at: Option<DateTime<Utc>>,
    pub d0: Option<NaiveDate>,
    pub answer_due: Option<NaiveDate>,
    pub promise_due: Option<NaiveDate>,
    pub legal_due: Option<NaiveDate>,
    pub delivery_due: Option<NaiveDate>,
    pub limit_days: u32,
    pub is_paused: bool,
    pub corrections: u32,
    pub has_reason: bool,
    pub has_remedy: bool,
    pub step: String,
    pub special: Option<String>,
    pub declared_days: Option<u32>,
    pub is_listed: bool,
    pub steps: Vec<Step>,
    /// Names of materials asked for that the matter does not list (N02).
    pub unlisted_materials: Vec<String>,
}

/// A published link of the matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Step {
    pub name: String,
    pub days: u32,
    pub is_special: bool,
}

/// What happened, from the kind `service.case_….v1`.
pub fn what(kind: &str) -> Option<&str> {
    kind.strip_prefix("service.case_")?.strip_suffix(".v1")
}
