//! The picture that supervision has of a case, built from its events alone.

use chrono::{DateTime, NaiveDate, Utc};
use kernel::clock::local_date;
use serde::{Deserialize, Serialize};

use crate::{
    fact::{Fact, Step},
    light::Light,
};

/// A case as supervision sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a case is each of these or not, independently"
)]
pub struct Picture {
    pub case_id: String,
    #[schema(example = "3210009900000033202611200000013")]
    pub case_no: String,
    pub parent_no: Option<String>,
    pub matter_code: String,
    pub matter_name: String,
    pub matter_version: i32,
    pub is_theme: bool,
    /// Credit code of the handling organisation.
    pub org: String,
    pub org_name: String,
    pub region: String,
    pub state: String,
    pub is_instant: bool,
    /// Who acted last: a card names the person who held the case.
    pub holder: String,
    pub holder_name: String,
    pub last_at: DateTime<Utc>,
    /// Since when the case waits to be looked through before receipt.
    pub submitted_on: Option<NaiveDate>,
    pub answer_due: Option<NaiveDate>,
    pub d0: Option<NaiveDate>,
    pub promise_due: Option<NaiveDate>,
    pub legal_due: Option<NaiveDate>,
    pub delivery_due: Option<NaiveDate>,
    pub limit_days: u32,
    pub is_accepted: bool,
    pub is_decided: bool,
    pub is_delivered: bool,
    pub is_ended: bool,
    /// Day on which the limit stopped, while it stands still.
    pub paused_on: Option<NaiveDate>,
    pub special: Option<String>,
    pub declared_days: Option<u32>,
    pub extensions: u32,
    #[schema(ignore)]
    pub steps: Vec<Step>,
    pub steps_done: Vec<String>,
    /// Since when the current step runs.
    pub step_since: Option<NaiveDate>,
    pub light: Light,
    /// Working days left; negative when over. Frozen while paused.
    pub remaining: Option<i64>,
    /// Next day on which light or rules change by time alone.
    pub next_change: Option<NaiveDate>,
}

/// States after which nobody handles the case any more.
const ENDED: [&str; 4] = ["closed", "not_accepted", "withdrawn", "aborted"];

impl Picture {
    /// Takes in one event. Facts that the event repeats are overwritten; what only supervision
    /// counts (extensions, steps done, days) is carried on.
    pub fn take(&mut self, what: &str, fact: &Fact) {
        let day = local_date(fact.at);
        let held_by = (self.holder.clone(), self.holder_name.clone());
        self.copy(fact);
        match what {
            // A date moved; whose turn it is did not.
            "recounted" => (self.holder, self.holder_name) = held_by,
            "submitted" | "resubmitted" => self.submitted_on = Some(day),
            "accepted" | "deemed_accepted" => {
                self.is_accepted = true;
                self.submitted_on = None;
                self.answer_due = None;
                self.step_since = Some(day);
                self.finish_steps_named(&["申请", "受理"]);
            }
            "special_started" => self.paused_on = Some(day),
            "special_ended" => self.paused_on = None,
            "extended" => self.extensions += 1,
            "reviewed" => {
                self.steps_done.push(fact.step.clone());
                self.step_since = Some(day);
            }
            "approved" | "partly_approved" | "refused" => {
                self.is_decided = true;
                self.step_since = None;
                self.finish_steps_named(&["决定"]);
            }
            "delivered" => self.is_delivered = true,
            _ => {}
        }
        self.is_ended = ENDED.contains(&self.state.as_str());
    }

    fn copy(&mut self, fact: &Fact) {
        let was_accepted = self.is_accepted;
        let steps = if fact.steps.is_empty() {
            std::mem::take(&mut self.steps)
        } else {
            fact.steps.clone()
        };
        let fact = fact.clone();
        *self = Self {
            case_id: fact.case_id,
            case_no: fact.case_no,
            parent_no: fact.parent_no,
            matter_code: fact.matter_code,
            matter_name: fact.matter_name,
            matter_version: fact.matter_version,
            is_theme: fact.is_theme,
            org: fact.org,
            org_name: fact.org_name,
            region: fact.region,
            state: fact.after,
            is_instant: fact.is_instant,
            holder: fact.actor,
            holder_name: fact.actor_name,
            last_at: fact.at,
            answer_due: if was_accepted { None } else { fact.answer_due },
            d0: fact.d0,
            promise_due: fact.promise_due,
            legal_due: fact.legal_due,
            delivery_due: fact.delivery_due,
            limit_days: fact.limit_days,
            special: fact.special,
            declared_days: fact.declared_days,
            steps,
            ..std::mem::take(self)
        };
    }

    fn finish_steps_named(&mut self, names: &[&str]) {
        for step in &self.steps {
            if names.iter().any(|n| step.name.contains(n)) && !self.steps_done.contains(&step.name)
            {
                self.steps_done.push(step.name.clone());
            }
        }
    }

    /// The published step that runs now: the first ordinary one not done.
    pub fn current_step(&self) -> Option<&Step> {
        if !self.is_accepted || self.is_decided {
            return None;
        }
        self.steps
            .iter()
            .find(|s| !s.is_special && !self.steps_done.contains(&s.name))
    }

    /// Ordinary steps before the named one that nobody did.
    pub fn skipped_before(&self, name: &str) -> Vec<&str> {
        let Some(place) = self.steps.iter().position(|s| s.name == name) else {
            return Vec::new();
        };
        self.steps
            .iter()
            .take(place)
            .filter(|s| !s.is_special && !self.steps_done.contains(&s.name))
            .map(|s| s.name.as_str())
            .collect()
    }
}
