//! How a case goes, for anybody who knows its number and its query password.

use chrono::{Duration, NaiveDate};
use kernel::{Error, Result, Text, mask};
use serde::Serialize;

use super::{
    State,
    act::Desk,
    due::Signal,
    store::{self as rows, Case},
    submit::query_hash,
};

/// What is shown without signing in: names masked, no form, no material.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Progress {
    #[schema(example = "3210009900000033202611200000013")]
    pub number: String,
    pub matter: String,
    pub applicant: String,
    pub org_name: String,
    pub state: State,
    pub outcome: Option<super::Outcome>,
    #[schema(value_type = Option<String>)]
    pub due: Option<NaiveDate>,
    /// The date may move when the official calendar of its year is published.
    pub is_due_provisional: bool,
    pub signal: Signal,
    pub steps: Vec<Moment>,
    pub parts: Vec<Part>,
}

/// A line of the public timeline; names no officer.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Moment {
    pub at: chrono::DateTime<chrono::Utc>,
    pub event: String,
    pub org_name: String,
}

/// A sub-case.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Part {
    pub number: String,
    pub matter: String,
    pub org_name: String,
    pub state: State,
    pub signal: Signal,
}

/// Answers how a case goes. A wrong number and a wrong password get the same answer, so that
/// numbers cannot be tried out; after some wrong guesses (six digits are few) the case keeps silent
/// for a while.
pub async fn ask(desk: &Desk, number: &str, password: &str) -> Result<Progress> {
    let unknown = || Error::invalid("password", Text::new("service-progress-unknown"));
    let number = kernel::code::normalise(number);
    let number = number
        .split_once('-')
        .map_or(number.as_str(), |(main, _)| main);
    let Some(case) = rows::lookup_by_number(desk.db.read(), number).await? else {
        return Err(unknown());
    };
    let now = desk.now();
    if case.query.locked_until > now {
        let minutes = desk.settings.query_silent_minutes;
        return Err(Error::Refused(
            Text::new("service-progress-locked").with("minutes", minutes),
        ));
    }
    let is_right = query_hash(&case.query.salt, password.trim()) == case.query.hash;
    let mut query = case.query.clone();
    if is_right {
        query.failures = 0;
    } else {
        query.failures += 1;
        let most = i32::try_from(desk.settings.query_guesses).unwrap_or(i32::MAX);
        if query.failures >= most {
            query.failures = 0;
            query.locked_until = now + Duration::minutes(desk.settings.query_silent_minutes.into());
        }
    }
    if query != case.query {
        let id = case.id;
        desk.db
            .write(move |tx| {
                let query = query.clone();
                async move { rows::update_query(&tx, id, &query).await }
            })
            .await?;
    }
    if is_right {
        progress(desk, &case).await
    } else {
        Err(unknown())
    }
}

async fn progress(desk: &Desk, case: &Case) -> Result<Progress> {
    let today = desk.db.clock().today();
    let entries = rows::list_entries(desk.db.read(), case.id, true).await?;
    let parts = rows::list_parts(desk.db.read(), case.id).await?;
    let parts = parts.into_iter().map(|part| {
        Ok(Part {
            signal: part.signal(today, &desk.calendar)?,
            state: part.state(),
            number: part.number,
            matter: part.matter_name,
            org_name: part.org_name,
        })
    });
    Ok(Progress {
        number: case.number.clone(),
        matter: case.matter_name.clone(),
        applicant: mask::mask(
            mask::Kind::Name,
            mask::Profile::Public,
            &case.applicant.name,
        ),
        org_name: case.org_name.clone(),
        state: case.state(),
        outcome: super::act::outcome(&case.facts),
        due: case.facts.due(),
        is_due_provisional: case.facts.is_provisional(&desk.calendar),
        signal: case.signal(today, &desk.calendar)?,
        steps: entries
            .into_iter()
            .map(|e| Moment {
                at: e.at,
                event: e.event,
                org_name: e.org_name,
            })
            .collect(),
        parts: parts.collect::<Result<_>>()?,
    })
}
