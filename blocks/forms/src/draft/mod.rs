//! Drafts: answers saved as they are given, to be gone on with on any device.
//!
//! A draft belongs to its user and to the party that he acts for; it survives his session. Two
//! devices that save the same version: the first wins, the second is told.

pub(crate) mod store;

mod act;

use chrono::{DateTime, Duration, Utc};
use identity::{Actor, PartyId, Resource, UserId};
use serde_json::Value;

use crate::{DraftId, Form, Provenances};

pub use act::{check, create, discard, find_open, get, list, lock, put, save};
pub use store::{insert, load as get_in};

/// How long an untouched draft is kept unless the caller says otherwise.
pub const KEPT: Duration = Duration::days(90);
/// The most that answers may take, in bytes of JSON.
pub(crate) const LARGEST: usize = 1 << 20;

/// A draft.
#[derive(Clone, Debug)]
pub struct Draft {
    pub id: DraftId,
    pub owner_user: UserId,
    /// The party for which the application is made; `None` while an officer fills for a walk-in
    /// who is not known yet.
    pub owner_party: Option<PartyId>,
    /// What it is a draft of, as `theme:open-restaurant` or `matter:…`.
    pub subject: String,
    /// The form as it was when the draft began.
    pub form: Form,
    /// Digest of the form; equal for equal forms.
    pub form_id: String,
    /// The questionnaire's answers.
    pub answers: Value,
    pub values: Value,
    pub provenances: Provenances,
    /// Group at which the applicant stopped; empty at the beginning.
    pub step: String,
    pub version: i64,
    /// What became of it, as `case:0192…`.
    pub submitted_as: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// A draft to be made.
#[derive(Clone, Debug)]
pub struct NewDraft {
    pub owner_user: UserId,
    pub owner_party: Option<PartyId>,
    pub subject: String,
    pub form: Form,
    pub answers: Value,
    pub values: Value,
    pub provenances: Provenances,
    pub kept: Duration,
}

impl NewDraft {
    /// An empty draft of the actor for the party that he acts for.
    pub fn of(actor: &Actor, subject: impl Into<String>, form: Form) -> Self {
        Self {
            owner_user: actor.user,
            owner_party: actor.party().map(|party| party.id),
            subject: subject.into(),
            form,
            answers: Value::Object(serde_json::Map::new()),
            values: Value::Object(serde_json::Map::new()),
            provenances: Provenances::new(),
            kept: KEPT,
        }
    }

    #[must_use]
    pub fn answers(mut self, answers: Value) -> Self {
        self.answers = answers;
        self
    }

    /// Fills what the source knows.
    #[must_use]
    pub fn prefilled(mut self, source: &dyn crate::Source, now: DateTime<Utc>) -> Self {
        (self.values, self.provenances) = crate::prefill::begin(&self.form, source, now);
        self
    }
}

/// A line of a list of drafts.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct DraftLine {
    #[schema(value_type = String)]
    pub id: DraftId,
    #[schema(example = "theme:open-restaurant")]
    pub subject: String,
    /// Title of the form.
    pub title: String,
    pub title_en: String,
    pub step: String,
    pub updated_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// The draft as policies see it: the thing of its user, owned by its party.
pub(crate) fn resource(user: &str, party: Option<&str>) -> Resource {
    let resource = Resource::new("User", user);
    match party {
        Some(party) => resource.owner(party),
        None => resource,
    }
}
