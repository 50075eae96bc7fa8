//! Doubts about values (疑义校核): raised by who uses a value or whom it is about, answered by the
//! department it came from, corrected with the approval of a second person. A doubt never stops a
//! case.

pub mod act;
pub mod react;
pub(crate) mod store;

use serde::{Deserialize, Serialize};

/// Where an objection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ObjectionState)]
pub enum State {
    /// The source must take it up.
    Raised,
    /// The source compares with its own files.
    Checking,
    /// The source says that the value is wrong; a second person must approve the right one.
    Proposed,
    Corrected,
    /// The source says that the value is right.
    Upheld,
    Undetermined,
    /// Who raised it does not agree; the data authority mediates.
    Disputed,
    Settled,
    Withdrawn,
}

/// What can be done to an objection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Move {
    Accept,
    FindWrong,
    FindRight,
    CannotTell,
    Approve,
    SendBack,
    Dispute,
    Settle,
    Withdraw,
}

impl State {
    pub const ALL: [Self; 9] = [
        Self::Raised,
        Self::Checking,
        Self::Proposed,
        Self::Corrected,
        Self::Upheld,
        Self::Undetermined,
        Self::Disputed,
        Self::Settled,
        Self::Withdrawn,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Checking => "checking",
            Self::Proposed => "proposed",
            Self::Corrected => "corrected",
            Self::Upheld => "upheld",
            Self::Undetermined => "undetermined",
            Self::Disputed => "disputed",
            Self::Settled => "settled",
            Self::Withdrawn => "withdrawn",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Working days within which the source must move it on.
    pub fn days(self) -> Option<u32> {
        match self {
            Self::Raised => Some(1),
            Self::Checking => Some(10),
            // The answer is due, not the approval's own.
            Self::Proposed => Some(2),
            _ => None,
        }
    }

    /// Somebody has to do something.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::Raised | Self::Checking | Self::Proposed | Self::Disputed
        )
    }

    /// Where a move leads; nothing where it cannot be made.
    pub fn after(self, step: Move) -> Option<Self> {
        match (self, step) {
            (Self::Raised, Move::Accept) | (Self::Proposed | Self::Disputed, Move::SendBack) => {
                Some(Self::Checking)
            }
            (Self::Checking, Move::FindWrong) => Some(Self::Proposed),
            (Self::Checking, Move::FindRight) => Some(Self::Upheld),
            (Self::Checking, Move::CannotTell) => Some(Self::Undetermined),
            (Self::Proposed, Move::Approve) => Some(Self::Corrected),
            (Self::Upheld | Self::Undetermined, Move::Dispute) => Some(Self::Disputed),
            (Self::Disputed, Move::Settle) => Some(Self::Settled),
            (Self::Raised | Self::Checking, Move::Withdraw) => Some(Self::Withdrawn),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correction_needs_an_answer_and_an_approval() {
        let way = [Move::Accept, Move::FindWrong, Move::Approve];
        let end = way.into_iter().try_fold(State::Raised, State::after);
        assert_eq!(end, Some(State::Corrected));
        assert_eq!(State::Raised.after(Move::Approve), None);
        assert_eq!(State::Checking.after(Move::Approve), None);
    }

    #[test]
    fn what_is_over_stays_over() {
        for state in [State::Corrected, State::Settled, State::Withdrawn] {
            for step in [
                Move::Accept,
                Move::FindWrong,
                Move::Approve,
                Move::SendBack,
                Move::Dispute,
                Move::Withdraw,
            ] {
                assert_eq!(state.after(step), None, "{state:?} {step:?}");
            }
        }
    }
}
