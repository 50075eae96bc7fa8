//! A theme's parent case and its sub-cases: state, light and due date of the whole.

use serde::{Deserialize, Serialize};

use super::{Days, Outcome, State, Terms, Unit};

/// What a refused sub-case does to the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnReject {
    #[default]
    Continue,
    StopAll,
}

/// A sub-case as the parent sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub state: State,
    pub outcome: Option<Outcome>,
}

impl Part {
    fn is_granted(self) -> bool {
        self.state == State::Closed && self.outcome == Some(Outcome::Approved)
    }

    /// Ended without being granted.
    pub fn is_failed(self) -> bool {
        self.state.is_final() && !self.is_granted()
    }
}

/// Where the whole stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// Some sub-case is open.
    Handling,
    /// All have ended, with this outcome.
    Ended(Outcome),
}

/// The state of the whole from its parts.
pub fn whole(parts: &[Part]) -> Whole {
    if parts.iter().any(|part| !part.state.is_final()) {
        return Whole::Handling;
    }
    let granted = parts.iter().filter(|part| part.is_granted()).count();
    Whole::Ended(match granted {
        0 if !parts.is_empty() => Outcome::Refused,
        n if n == parts.len() => Outcome::Approved,
        _ => Outcome::Partial,
    })
}

/// Whether open sub-cases have to be stopped because one failed.
pub fn must_stop(parts: &[Part], on_reject: OnReject) -> bool {
    on_reject == OnReject::StopAll && parts.iter().any(|part| part.is_failed())
}

/// Terms of the whole: sub-cases run in parallel, so the longest one counts, and after it
/// `closing_days` for putting the results together; never longer than the joint legal limit.
pub fn terms(parts: &[Terms], closing_days: u32, legal_days: u32) -> Terms {
    let longest = parts.iter().map(|terms| working(terms.promise)).max();
    let promise = longest.unwrap_or_default() + closing_days;
    Terms {
        is_instant: false,
        is_licence: parts.iter().any(|terms| terms.is_licence),
        is_joint: parts.len() > 1,
        promise: Days::working(promise.min(legal_days.max(1))),
        legal: Some(Days::working(legal_days)),
        limits: parts
            .first()
            .map(|terms| terms.limits.clone())
            .unwrap_or_default(),
        ..Terms::default()
    }
}

/// A natural-day limit, roughly in working days: five of seven count.
fn working(days: Days) -> u32 {
    match days.unit {
        Unit::Working => days.count,
        Unit::Natural => (days.count * 5).div_ceil(7),
    }
}
