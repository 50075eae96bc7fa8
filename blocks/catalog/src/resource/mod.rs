//! Entries of the catalog: drafted by their providers, published by the centre, revised as new
//! versions, withdrawn.

pub mod act;
pub(crate) mod flow;
pub(crate) mod react;
pub mod store;

use kernel::{Fault, Result};
use serde::{Deserialize, Serialize};

pub use crate::schema::{
    happening::Model as Happening, resource::Model as Entry, version::Model as Version,
};
use crate::{check::Report, check::Weight, metadata::Metadata};

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EntryState)]
pub enum State {
    /// Its provider writes it; nobody else sees it.
    Draft,
    DepartmentReview,
    CentreReview,
    Published,
    /// The published version holds while its provider writes the next one.
    Changing,
    Withdrawn,
}

impl State {
    pub const ALL: [Self; 6] = [
        Self::Draft,
        Self::DepartmentReview,
        Self::CentreReview,
        Self::Published,
        Self::Changing,
        Self::Withdrawn,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::DepartmentReview => "department_review",
            Self::CentreReview => "centre_review",
            Self::Published => "published",
            Self::Changing => "changing",
            Self::Withdrawn => "withdrawn",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Its provider may write.
    pub fn is_writable(self) -> bool {
        matches!(self, Self::Draft | Self::Changing)
    }

    pub fn is_in_review(self) -> bool {
        matches!(self, Self::DepartmentReview | Self::CentreReview)
    }
}

impl Entry {
    pub fn standing(&self) -> State {
        State::of_name(&self.state).unwrap_or(State::Draft)
    }

    /// Others see it.
    pub fn is_public(&self) -> bool {
        self.number > 0 && self.standing() != State::Withdrawn
    }

    /// What holds; of one never published, the draft.
    pub fn metadata(&self) -> Result<Metadata> {
        read(&self.document)
    }

    /// What its provider works on.
    pub fn working(&self) -> Result<Metadata> {
        read(self.draft.as_deref().unwrap_or(&self.document))
    }

    /// Takes the metadata over as what is searched and shown.
    pub(crate) fn show(&mut self, entry: &Metadata) -> Result<()> {
        self.code = Some(entry.code.clone()).filter(|code| !code.is_empty());
        self.class.clone_from(&entry.class);
        self.name.clone_from(&entry.name);
        self.provider.clone_from(&entry.provider);
        self.provider_name.clone_from(&entry.provider_name);
        self.format_class.clone_from(&entry.format_class);
        self.share_type.clone_from(&entry.share_type);
        self.is_open = entry.is_open;
        self.cycle.clone_from(&entry.cycle);
        self.published_on = entry.published_on;
        self.words = entry.words();
        self.fingerprint = entry.fingerprint();
        self.document = write(entry)?;
        Ok(())
    }

    /// Takes the metadata over as the working copy, with what the check says of it.
    pub(crate) fn work_on(&mut self, entry: &Metadata, report: &Report) -> Result<()> {
        if self.number == 0 {
            self.show(entry)?;
        } else {
            self.draft = Some(write(entry)?);
        }
        self.errors = report.count(Weight::Error);
        self.warnings = report.count(Weight::Warning);
        self.rate = report.rate();
        Ok(())
    }
}

pub(crate) fn read(document: &str) -> Result<Metadata> {
    Ok(serde_json::from_str(document).map_err(|e| Fault::caused_by("read metadata", e))?)
}

pub(crate) fn write(entry: &Metadata) -> Result<String> {
    Ok(serde_json::to_string(entry).map_err(|e| Fault::caused_by("write metadata", e))?)
}
