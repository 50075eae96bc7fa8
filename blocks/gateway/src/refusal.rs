//! Why a call was not answered by whom it was for.

use axum::http::StatusCode;
use chrono::NaiveDate;
use kernel::{Error, Fault, Text};

/// A refusal says the rule and the remedy; nothing of the call took place but what the log tells.
#[derive(Debug)]
pub enum Refusal {
    /// Errors that every act may have.
    Act(Error),
    UnknownPath,
    OtherMethod(Vec<String>),
    /// The consumer has no grant for it.
    NoGrant,
    Expired(NaiveDate),
    Suspended,
    ResourceClosed,
    /// Another department answers for these fields of the question now.
    Foreign(Vec<String>),
    /// Seconds until it may be called again.
    OverQuota(u64),
    OverRate(u64),
    TooLarge(u64),
    Replayed,
    /// The provider's node has no line open.
    Away(String),
    NotOffered(String),
    ApiAway,
    Late(i64),
    /// The answer is not what the provider's node stands for.
    Tampered,
    AnswerTooLarge(i64),
    /// The grant has masks, and the answer is nothing that they can be applied to.
    Unmaskable,
    /// The line broke while it was under way.
    Broken,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Act(error)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Act(fault.into())
    }
}

impl Refusal {
    /// None for errors that every act may have: they get their face where all do.
    pub fn status(&self) -> Option<StatusCode> {
        Some(match self {
            Self::Act(_) => return None,
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::OtherMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoGrant | Self::Expired(_) | Self::Suspended => StatusCode::FORBIDDEN,
            Self::OverQuota(_) | Self::OverRate(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Replayed => StatusCode::CONFLICT,
            Self::ResourceClosed | Self::Foreign(_) | Self::Away(_) | Self::NotOffered(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Late(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::ApiAway
            | Self::Tampered
            | Self::AnswerTooLarge(_)
            | Self::Unmaskable
            | Self::Broken => StatusCode::BAD_GATEWAY,
        })
    }

    pub fn text(&self) -> Text {
        match self {
            Self::Act(_) => Text::new("gateway-failed"),
            Self::UnknownPath => Text::new("gateway-path-unknown"),
            Self::OtherMethod(methods) => {
                Text::new("gateway-method-other").with("methods", methods.join(", "))
            }
            Self::NoGrant => Text::new("gateway-grant-none"),
            Self::Expired(last) => Text::new("gateway-grant-expired").with("last", last),
            Self::Suspended => Text::new("gateway-grant-suspended"),
            Self::ResourceClosed => Text::new("gateway-resource-closed"),
            Self::Foreign(fields) => {
                Text::new("gateway-query-not-own").with("fields", fields.join(", "))
            }
            Self::OverQuota(_) => Text::new("gateway-over-quota"),
            Self::OverRate(_) => Text::new("gateway-over-rate"),
            Self::TooLarge(most) => Text::new("gateway-too-large").with("most", most),
            Self::Replayed => Text::new("gateway-replayed"),
            Self::Away(node) => Text::new("gateway-node-away").with("node", node),
            Self::NotOffered(node) => Text::new("gateway-not-offered").with("node", node),
            Self::ApiAway => Text::new("gateway-api-away"),
            Self::Late(seconds) => Text::new("gateway-late").with("seconds", seconds),
            Self::Tampered => Text::new("gateway-tampered"),
            Self::AnswerTooLarge(most) => Text::new("gateway-answer-large").with("most", most),
            Self::Unmaskable => Text::new("gateway-unmaskable"),
            Self::Broken => Text::new("gateway-broken"),
        }
    }

    /// The rule that refused calls are counted under; none for errors that every act may have.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            // A call's own number that is none.
            Self::Act(Error::Invalid(findings)) => findings.first().map(|one| one.text.key),
            Self::Act(_) => None,
            own => Some(own.text().key),
        }
    }

    /// Seconds after which it may be tried again.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::OverQuota(seconds) | Self::OverRate(seconds) => Some(*seconds),
            Self::Away(_) => Some(10),
            _ => None,
        }
    }
}
