//! What a place decides for itself about limits, within what the law allows.

use serde::{Deserialize, Serialize};

use crate::case::Limits;

/// Longest times that the Administrative Licensing Law of the PRC leaves; a place may be quicker.
pub mod law {
    /// Working days to accept, refuse, or tell what is missing; then an application counts as
    /// accepted (art. 32).
    pub const ANSWER_DAYS: u32 = 5;
    /// Working days by which one body may extend, once (art. 42 para. 1).
    pub const EXTENSION_DAYS: u32 = 10;
    /// The same where several bodies handle a case together (art. 42 para. 2).
    pub const JOINT_EXTENSION_DAYS: u32 = 15;
    /// Working days from decision to delivery (art. 44).
    pub const DELIVERY_DAYS: u32 = 10;
}

/// An [`App`](web::App) part; the defaults hold where none is put. A case keeps the limits under
/// which it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Working days to accept, refuse, or ask for correction.
    pub answer_days: u32,
    /// Working days that an applicant has for a correction; the law sets none.
    pub correction_days: u32,
    /// Most working days of an extension by one body.
    pub extension_days: u32,
    /// The same where several bodies handle a case together.
    pub joint_extension_days: u32,
    /// Working days from decision to delivery.
    pub delivery_days: u32,
    /// Working days in which a body speaks with somebody who was not satisfied.
    pub contact_days: u32,
    /// Working days in which it puts right what he was not satisfied with.
    pub rectification_days: u32,
    /// Wrong query passwords after which a case keeps silent.
    pub query_guesses: u32,
    /// For how many minutes.
    pub query_silent_minutes: u32,
    /// Part of a limit, in percent, with which a light turns yellow. Supervision has the setting,
    /// so that both show one light.
    #[serde(skip)]
    pub warn_percent: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            answer_days: law::ANSWER_DAYS,
            correction_days: 15,
            extension_days: law::EXTENSION_DAYS,
            joint_extension_days: law::JOINT_EXTENSION_DAYS,
            delivery_days: law::DELIVERY_DAYS,
            contact_days: 1,
            rectification_days: 15,
            query_guesses: 5,
            query_silent_minutes: 15,
            warn_percent: 20,
        }
    }
}

impl Settings {
    /// Limits of the cases that begin now.
    pub fn limits(&self) -> Limits {
        Limits {
            answer_days: self.answer_days,
            correction_days: self.correction_days,
            extension_days: self.extension_days,
            joint_extension_days: self.joint_extension_days,
            delivery_days: self.delivery_days,
            warn_percent: self.warn_percent,
        }
    }

    /// Every value that is senseless or longer than the law allows, as `key: what to write`.
    pub fn problems(&self) -> Vec<String> {
        let most_by_law = [
            ("answer_days", self.answer_days, law::ANSWER_DAYS, 32),
            (
                "extension_days",
                self.extension_days,
                law::EXTENSION_DAYS,
                42,
            ),
            (
                "joint_extension_days",
                self.joint_extension_days,
                law::JOINT_EXTENSION_DAYS,
                42,
            ),
            ("delivery_days", self.delivery_days, law::DELIVERY_DAYS, 44),
        ];
        let local = [
            ("correction_days", self.correction_days, 180),
            ("contact_days", self.contact_days, 30),
            ("rectification_days", self.rectification_days, 180),
            ("query_guesses", self.query_guesses, 20),
            ("query_silent_minutes", self.query_silent_minutes, 1440),
        ];
        let mut problems = Vec::new();
        for (key, value, most, article) in most_by_law {
            if !(1..=most).contains(&value) {
                problems.push(format!(
                    "{key}: {value} is not in 1 to {most}; art. {article} of the Administrative Licensing Law allows no more"
                ));
            }
        }
        for (key, value, most) in local {
            if !(1..=most).contains(&value) {
                problems.push(format!("{key}: {value} is not in 1 to {most}"));
            }
        }
        problems
    }
}
