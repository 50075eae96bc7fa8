//! Reviews of the service (好差评): five levels everywhere, and bad ones are put right.

pub mod act;
pub mod api;
pub mod page;
pub mod schema;
pub mod store;

use std::collections::BTreeMap;

use kernel::{Finding, Text};
use serde::{Deserialize, Serialize};

use crate::case::{State, store::Case};

kernel::typed_id!(
    /// A review.
    pub EvaluationId
);

/// Detail codes by level; the first digit of each is the level.
///
/// The national list; words are ours to show, codes are what is exchanged.
pub const DETAILS: [(u8, &[u16]); 5] = [
    (5, &[510, 511, 512, 513, 514, 515, 516, 517]),
    (4, &[406, 407, 408, 409, 410, 411, 412, 413]),
    (3, &[307, 308, 309, 310, 311, 312, 313, 314]),
    (2, &[207, 208, 209, 210, 211, 212, 213, 214]),
    (1, &[108, 109, 110, 111, 112, 113, 114, 115]),
];

/// What is reviewed: 1 how the application was taken in, 2 the matter as a whole.
pub const SERVICES: [u32; 2] = [1, 2];

/// Longest text of a review in characters.
const LONGEST: usize = 500;

/// Through which door a review comes (pf).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    #[default]
    Web,
    Mobile,
    QrCode,
    HallTablet,
    HallTerminal,
    Message,
    /// Made by the system when nobody reviewed; no part of the active rate.
    Default,
}

impl Door {
    pub fn code(self) -> u8 {
        match self {
            Self::Web => 1,
            Self::Mobile => 2,
            Self::QrCode => 3,
            Self::HallTablet => 4,
            Self::HallTerminal => 5,
            Self::Message => 6,
            Self::Default => 7,
        }
    }
}

/// What somebody says about a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Review {
    /// 5 very satisfied … 1 very dissatisfied.
    #[schema(example = 5)]
    pub satisfaction: u8,
    /// Detail codes of that level.
    #[schema(example = json!([513]))]
    pub details: Vec<u16>,
    pub text: String,
    /// 1 taking in, 2 the whole.
    #[schema(example = 2)]
    pub service: u32,
    pub door: Door,
    /// The name is kept from the officers who are reviewed.
    pub is_anonymous: bool,
}

impl Review {
    pub fn is_bad(&self) -> bool {
        self.satisfaction < 3
    }

    /// What is wrong with it.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut wrong = |field: &str, key| findings.push(Finding::new(field, Text::new(key)));
        let known = DETAILS
            .iter()
            .find(|(level, _)| *level == self.satisfaction);
        match known {
            None => wrong("satisfaction", "service-evaluation-level"),
            Some((_, codes)) if !self.details.iter().all(|code| codes.contains(code)) => {
                wrong("details", "service-evaluation-details-mixed");
            }
            Some(_) if self.is_bad() && self.details.is_empty() && self.text.trim().is_empty() => {
                wrong("details", "service-evaluation-needs-reason");
            }
            Some(_) => {}
        }
        if self.text.chars().count() > LONGEST {
            wrong("text", "service-evaluation-text-long");
        }
        if !SERVICES.contains(&self.service) {
            wrong("service", "service-evaluation-service");
        }
        findings
    }
}

/// Whether a case has come to the point where that service can be reviewed.
pub fn is_due(case: &Case, service: u32) -> bool {
    let state = case.state();
    match service {
        1 => state.is_final() || case.facts.accepted_at.is_some(),
        _ => state.is_final() && state != State::Withdrawn,
    }
}

/// How far a bad review has been put right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// Nothing to put right.
    #[default]
    None,
    Open,
    Contacted,
    /// Put right and answered; the applicant may review once more.
    Done,
    /// The body says that the review is false; a supervisor decides.
    Appealed,
    /// The supervisor agreed: the review stays, and leaves the statistics.
    Invalid,
}

impl Repair {
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::Open,
        Self::Contacted,
        Self::Done,
        Self::Appealed,
        Self::Invalid,
    ];

    pub fn code(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Open => "open",
            Self::Contacted => "contacted",
            Self::Done => "done",
            Self::Appealed => "appealed",
            Self::Invalid => "invalid",
        }
    }

    pub fn of_code(code: &str) -> Self {
        let found = Self::ALL.into_iter().find(|repair| repair.code() == code);
        found.unwrap_or_default()
    }

    /// Whether the handling body has something to do.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Contacted)
    }
}

/// What the handling body or a supervisor does about a bad review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Answer {
    /// The applicant was spoken to.
    Contact { note: String },
    /// It was put right; the reply is published with the review.
    Finish { reply: String },
    /// Once, with evidence.
    Appeal { evidence: String },
    /// A supervisor's decision on an appeal.
    Judge { is_valid: bool, reason: String },
}

impl Answer {
    pub fn words(&self) -> &str {
        match self {
            Self::Contact { note } => note,
            Self::Finish { reply } => reply,
            Self::Appeal { evidence } => evidence,
            Self::Judge { reason, .. } => reason,
        }
    }
}

/// Why a review cannot be answered so now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hindrance {
    NothingToDo,
    WordsMissing,
    AppealedTwice,
    NotAppealed,
}

/// The next state of a repair.
pub fn answered(repair: Repair, has_appealed: bool, answer: &Answer) -> Result<Repair, Hindrance> {
    if answer.words().trim().is_empty() {
        return Err(Hindrance::WordsMissing);
    }
    match (answer, repair) {
        (Answer::Contact { .. }, Repair::Open) => Ok(Repair::Contacted),
        (Answer::Finish { .. }, Repair::Open | Repair::Contacted) => Ok(Repair::Done),
        (Answer::Appeal { .. }, Repair::Open | Repair::Contacted) if has_appealed => {
            Err(Hindrance::AppealedTwice)
        }
        (Answer::Appeal { .. }, Repair::Open | Repair::Contacted) => Ok(Repair::Appealed),
        (Answer::Judge { is_valid: true, .. }, Repair::Appealed) => Ok(Repair::Open),
        (
            Answer::Judge {
                is_valid: false, ..
            },
            Repair::Appealed,
        ) => Ok(Repair::Invalid),
        (Answer::Judge { .. }, _) => Err(Hindrance::NotAppealed),
        _ => Err(Hindrance::NothingToDo),
    }
}

/// Published figures of a body.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Figures {
    pub org: String,
    pub org_name: String,
    /// Valid first reviews by level.
    #[schema(example = json!({"1": 0, "2": 1, "3": 4, "4": 18, "5": 77}))]
    pub by_level: BTreeMap<u8, i64>,
    pub closed: i64,
}

impl Figures {
    pub fn reviews(&self) -> i64 {
        self.by_level.values().sum()
    }

    /// Share of good reviews in thousandths; none without reviews.
    pub fn good_permille(&self) -> Option<i64> {
        let good: i64 = self
            .by_level
            .iter()
            .filter(|(level, _)| **level >= 3)
            .map(|(_, n)| n)
            .sum();
        (self.reviews() > 0).then(|| good * 1000 / self.reviews())
    }
}
