//! Requests for resources (共享申请): what for, on what basis, which items, how long; the provider's
//! answer within its clock; a grant that can be suspended and revoked at once.

pub mod act;
pub(crate) mod flow;
pub(crate) mod react;
pub(crate) mod store;

use std::collections::BTreeSet;

use chrono::NaiveDate;
use kernel::{Fault, Finding, Result, Text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::metadata::{Metadata, unfit};
pub use crate::schema::request::Model as Request;

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ShareRequestState)]
pub enum State {
    /// The applicant's own department decides.
    DepartmentReview,
    /// The centre looks whether the request is whole and lawful.
    AuthorityCheck,
    ProviderReview,
    /// The provider was told too little.
    Supplement,
    /// Granted: data may flow.
    Active,
    Refused,
    Suspended,
    Revoked,
    Expired,
    Cancelled,
}

impl State {
    pub const ALL: [Self; 10] = [
        Self::DepartmentReview,
        Self::AuthorityCheck,
        Self::ProviderReview,
        Self::Supplement,
        Self::Active,
        Self::Refused,
        Self::Suspended,
        Self::Revoked,
        Self::Expired,
        Self::Cancelled,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::DepartmentReview => "department_review",
            Self::AuthorityCheck => "authority_check",
            Self::ProviderReview => "provider_review",
            Self::Supplement => "supplement",
            Self::Active => "active",
            Self::Refused => "refused",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Not yet decided.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::DepartmentReview | Self::AuthorityCheck | Self::ProviderReview | Self::Supplement
        )
    }

    /// Granted, whether or not it is suspended at present.
    pub fn is_granted(self) -> bool {
        matches!(self, Self::Active | Self::Suspended)
    }
}

/// What is asked for. The grant is exactly this.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = ShareScope)]
pub struct Ask {
    /// Names of items.
    #[schema(example = json!(["姓名", "性别"]))]
    pub items: Vec<String>,
    /// Which rows, in words; all where nothing is said.
    #[schema(example = "本市户籍")]
    pub rows: String,
    /// The law or the duty.
    #[schema(example = "《食品经营许可和备案管理办法》第十四条")]
    pub basis: String,
    #[schema(example = "食品经营许可申请人核验")]
    pub purpose: String,
    /// Systems and groups of users.
    #[schema(example = "食品经营许可系统，审查岗")]
    pub users: String,
    /// How it shall come: a code of the profile's ways of sharing.
    #[schema(example = "1")]
    pub mode: String,
    /// Calls of an interface a day at the most, 0 for no bound. The provider's grant of the interface
    /// counts them; what the exchange delivers is bounded by items, rows and period, not by this.
    #[schema(example = 2000)]
    pub per_day: u32,
    pub starts_on: Option<NaiveDate>,
    pub ends_on: Option<NaiveDate>,
    #[schema(example = "王明（合成）")]
    pub responsible: String,
    #[schema(example = "13800138000")]
    pub contact: String,
}

/// Years that a grant lasts at the most before it must be asked for again.
const LONGEST_YEARS: i32 = 5;

impl Ask {
    /// Everything missing or wrong, at once: who asks is told one time only.
    pub fn mistakes(&self, resource: &Metadata, today: NaiveDate) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut wrong = |field: &str, text: Text| findings.push(Finding::new(field, text));
        for (field, text, longest, is_needed) in [
            ("basis", &self.basis, 1000, true),
            ("purpose", &self.purpose, 1000, true),
            ("users", &self.users, 1000, true),
            ("responsible", &self.responsible, 100, true),
            ("contact", &self.contact, 100, true),
            ("rows", &self.rows, 1000, false),
            ("mode", &self.mode, 20, false),
        ] {
            if is_needed && text.trim().is_empty() {
                wrong(field, Text::new("catalog-request-needed"));
            }
            if let Some(text) = unfit(text, longest) {
                wrong(field, text);
            }
        }
        let known: BTreeSet<_> = resource.items.iter().map(|item| &item.name).collect();
        let unknown: Vec<_> = self
            .items
            .iter()
            .filter(|name| !known.contains(name))
            .collect();
        if !resource.items.is_empty() && self.items.is_empty() {
            wrong("items", Text::new("catalog-request-items"));
        } else if let Some(first) = unknown.first() {
            wrong(
                "items",
                Text::new("catalog-request-item").with("item", first),
            );
        }
        match (self.starts_on, self.ends_on) {
            (Some(start), Some(end)) => {
                use chrono::Datelike;
                if end < start || end < today {
                    wrong("ends_on", Text::new("catalog-request-period"));
                } else if end.year() - start.year() > LONGEST_YEARS {
                    let text = Text::new("catalog-request-long").with("years", LONGEST_YEARS);
                    wrong("ends_on", text);
                }
            }
            (None, _) => wrong("starts_on", Text::new("catalog-request-needed")),
            (_, None) => wrong("ends_on", Text::new("catalog-request-needed")),
        }
        findings
    }
}

impl Ask {
    /// Where a supplement asks for more, or takes back what was said: the own department and the
    /// centre agreed to what stood there, and only the provider looks at it again.
    pub fn beyond(&self, agreed: &Self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut wrong = |field: &str, key: &'static str| {
            findings.push(Finding::new(field, Text::new(key)));
        };
        if self.items.iter().any(|item| !agreed.items.contains(item)) {
            wrong("items", "catalog-supplement-more");
        }
        let same = |new: &str, old: &str| old.trim().is_empty() || new.trim() == old.trim();
        for (field, new, old) in [
            ("rows", &self.rows, &agreed.rows),
            ("mode", &self.mode, &agreed.mode),
        ] {
            if !same(new, old) {
                wrong(field, "catalog-supplement-same");
            }
        }
        let is_more_a_day = self.per_day == 0 || self.per_day > agreed.per_day;
        if agreed.per_day > 0 && is_more_a_day {
            wrong("per_day", "catalog-supplement-more");
        }
        if self.starts_on < agreed.starts_on {
            wrong("starts_on", "catalog-supplement-more");
        }
        if self.ends_on > agreed.ends_on {
            wrong("ends_on", "catalog-supplement-more");
        }
        for (field, new, old) in [
            ("basis", &self.basis, &agreed.basis),
            ("purpose", &self.purpose, &agreed.purpose),
            ("users", &self.users, &agreed.users),
        ] {
            if !new.contains(old.trim()) {
                wrong(field, "catalog-supplement-kept");
            }
        }
        findings
    }
}

impl Request {
    pub fn standing(&self) -> State {
        State::of_name(&self.state).unwrap_or(State::Cancelled)
    }

    pub fn ask(&self) -> Result<Ask> {
        Ok(serde_json::from_str(&self.document)
            .map_err(|e| Fault::caused_by("read a request", e))?)
    }

    /// Data may flow on that day.
    pub fn holds_on(&self, day: NaiveDate) -> bool {
        self.standing() == State::Active && (self.starts_on..=self.ends_on).contains(&day)
    }
}
