//! Personal values of a case in full: who may see them, for what, and for how long.
//!
//! Pages and doors show applicants' numbers, phones and the like masked. An officer who handles
//! the case and needs them says for what, and sees them for [`MINUTES`]; each such look leaves an
//! event, and the applicant reads on her own page who looked and why (个人信息保护法, articles 6
//! and 44).

pub mod act;
pub mod api;
pub mod page;
pub mod schema;
pub mod store;

use std::sync::Arc;

use ::store::EventBody;
use chrono::{DateTime, TimeDelta, Utc};
use forms::Form;
use kernel::{Error, Result, Text, mask};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::case::CaseId;

/// How long a look lasts. Long enough to telephone, short enough that a page left open in the
/// evening shows nothing in the morning.
pub const MINUTES: i64 = 15;

/// Characters of a purpose: a word says something, a page is not read.
const PURPOSE: std::ops::RangeInclusive<usize> = 2..=200;

/// One look at a case's personal values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reveal {
    pub id: String,
    pub case: CaseId,
    pub user: String,
    pub user_name: String,
    pub org_name: String,
    pub purpose: String,
    pub at: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// `service.personal_data_revealed.v1`: an officer saw a case's personal values in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonalDataRevealed {
    pub case_id: String,
    pub case_no: String,
    /// Credit code of the body that handles the case.
    pub org: String,
    pub user: String,
    pub user_name: String,
    pub user_org_name: String,
    pub purpose: String,
    pub until: DateTime<Utc>,
}

impl EventBody for PersonalDataRevealed {
    const KIND: &'static str = "service.personal_data_revealed.v1";
}

/// The purpose as it is kept, or what is wrong with it.
pub fn purpose(typed: &str) -> Result<String> {
    let purpose = typed.trim();
    if PURPOSE.contains(&purpose.chars().count()) {
        Ok(purpose.to_owned())
    } else {
        Err(Error::invalid(
            "purpose",
            Text::new("service-reveal-purpose-missing"),
        ))
    }
}

/// When a look that begins now ends.
pub fn until(now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::minutes(MINUTES)
}

/// A form's values as they may be shown to those who did not say for what they need them. A value
/// whose question is not known any more is left out: nobody can say whether it is personal.
pub fn masked(forms: &[Arc<Form>], values: &Value) -> Value {
    let known = |name: &str| forms.iter().find_map(|form| form.field(name));
    let mut shown = Map::new();
    for (name, value) in values.as_object().into_iter().flatten() {
        match known(name) {
            Some(field) if field.mask.is_some() && !value.is_null() => {
                shown.insert(name.clone(), Value::String(field.masked(value)));
            }
            Some(_) => {
                shown.insert(name.clone(), value.clone());
            }
            None => {}
        }
    }
    Value::Object(shown)
}

/// An applicant's number, in full or masked.
pub fn code(code: &str, is_full: bool) -> String {
    shown(mask::Kind::Id, code, is_full)
}

/// An applicant's telephone number, in full or masked.
pub fn phone(phone: &str, is_full: bool) -> String {
    shown(mask::Kind::Mobile, phone, is_full)
}

fn shown(kind: mask::Kind, value: &str, is_full: bool) -> String {
    if is_full {
        value.to_owned()
    } else {
        mask::mask(kind, mask::Profile::Internal, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_says_something_and_not_too_much() {
        assert_eq!(purpose("  联系申请人补件 ").unwrap(), "联系申请人补件");
        for bad in ["", "  ", "看", &"长".repeat(201)] {
            assert!(matches!(purpose(bad), Err(Error::Invalid(_))), "{bad}");
        }
    }

    #[test]
    fn values_of_unknown_questions_are_left_out() {
        let values = serde_json::json!({"forgotten": "13800000000"});
        assert_eq!(masked(&[], &values), serde_json::json!({}));
    }
}
