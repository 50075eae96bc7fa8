//! Cards: a breach, who held the case, the reply and the verdict.

pub mod act;
pub mod api;
pub mod page;
pub mod store;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::judge::{Level, Rule};

kernel::typed_id!(
    /// A card.
    pub CardId
);

/// Where a card stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CardState)]
pub enum State {
    /// A warning; nobody has to reply.
    Notice,
    Open,
    Replied,
    /// The breach stands (成立).
    Upheld,
    /// The breach does not stand (撤销); the card no longer counts.
    Withdrawn,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Open => "open",
            Self::Replied => "replied",
            Self::Upheld => "upheld",
            Self::Withdrawn => "withdrawn",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        [
            Self::Notice,
            Self::Open,
            Self::Replied,
            Self::Upheld,
            Self::Withdrawn,
        ]
        .into_iter()
        .find(|state| state.name() == name)
    }
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Yellow => "yellow",
            Self::Red => "red",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        [Self::Notice, Self::Yellow, Self::Red]
            .into_iter()
            .find(|level| level.name() == name)
    }
}

/// A card as its readers see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Card {
    #[schema(value_type = String)]
    pub id: CardId,
    pub case_id: String,
    pub case_no: String,
    pub matter_name: String,
    pub org: String,
    pub org_name: String,
    pub region: String,
    pub rule: Rule,
    pub level: Level,
    /// Snapshot of the facts that show the breach.
    pub evidence: serde_json::Value,
    /// Name of who held the case.
    pub person_name: String,
    pub opened_at: DateTime<Utc>,
    pub reply_due: Option<NaiveDate>,
    pub state: State,
    pub reply: Option<String>,
    pub replied_at: Option<DateTime<Utc>>,
    /// The reply came after its due date.
    pub is_late: bool,
    pub verdict: Option<String>,
    pub verified_at: Option<DateTime<Utc>>,
    pub version: i64,
}

/// Verdict of a supervisor on a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CardVerdict)]
pub enum Verdict {
    Upheld,
    Withdrawn,
}

/// Points of an organisation: 100, less 2 for a yellow card, 5 for a red one and 1 for a late
/// reply, never below 0 (service standards §2.9, project default).
pub fn score(yellow: u32, red: u32, late: u32) -> u32 {
    100_u32.saturating_sub(2 * yellow + 5 * red + late)
}

#[cfg(test)]
mod tests {
    #[test]
    fn points_never_fall_below_zero() {
        assert_eq!(super::score(1, 2, 1), 87);
        assert_eq!(super::score(0, 40, 0), 0);
    }
}
