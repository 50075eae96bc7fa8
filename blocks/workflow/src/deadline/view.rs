//! A deadline as doors and pages show it.

use chrono::{DateTime, Utc};
use kernel::{Error, Result, clock::from_micros};
use serde::Serialize;
use store::Db;
use utoipa::ToSchema;

use super::{
    Day, Limit, Of, Pause,
    store::{self as tables, id_of},
};
use crate::{engine::Engine, schema::clock::Model as Clock, store as rows};

/// A reminder, or the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = DeadlineMark)]
pub struct Mark {
    /// How much working time is left then: `2d`, `4h`; `due` for the end.
    #[schema(example = "2d")]
    pub mark: String,
    pub at: DateTime<Utc>,
    pub has_fired: bool,
}

/// When something is due and how that was counted, day by day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Deadline {
    pub limit: Limit,
    /// What an extension added, in the same unit; it is part of the limit.
    pub extended: u32,
    pub started_at: DateTime<Utc>,
    /// None while the clock stands.
    pub due_at: Option<DateTime<Utc>>,
    /// `running`, `standing` or `over`.
    #[schema(example = "running")]
    pub state: String,
    #[schema(example = "09:00-12:00,13:00-18:00")]
    pub office_hours: String,
    pub pauses: Vec<Pause>,
    pub marks: Vec<Mark>,
    /// From the first day to the last, or to today while the clock stands.
    pub days: Vec<Day>,
}

/// The deadline of a task or a process; not found where there is none.
pub async fn read(db: &Db, engine: &Engine, of: Of) -> Result<Deadline> {
    let id = match of {
        Of::Task(id) => {
            let task = rows::get_task(db.read(), id).await?;
            id_of(&task.instance, task.token)
        }
        Of::Instance(id) => {
            rows::get_instance(db.read(), id).await?;
            id.to_string()
        }
    };
    let row = tables::find(db.read(), &id).await?;
    let row = row.ok_or(Error::NotFound { what: "deadline" })?;
    told(engine, &row, db.clock().now())
}

/// A clock counted out day by day.
pub(super) fn told(engine: &Engine, row: &Clock, now: DateTime<Utc>) -> Result<Deadline> {
    let (pauses, calendar, hours) = (
        row.pauses()?,
        engine.calendar(&row.region)?,
        engine.office_hours(&row.region),
    );
    let period = row.period(&pauses, &calendar, &hours);
    let explained = period.explain(now)?;
    let due_at = row.due_at.map(from_micros);
    let mut marks = Vec::new();
    if let Some(due) = due_at {
        for mark in row.marks() {
            if let Some(at) = period.before(due, mark)? {
                marks.push((mark.to_string(), at));
            }
        }
        marks.push(("due".to_owned(), due));
    }
    let marks = marks.into_iter().map(|(mark, at)| Mark {
        has_fired: row.has_fired(&mark),
        mark,
        at,
    });
    Ok(Deadline {
        limit: row.limit(),
        extended: u32::try_from(row.extended).unwrap_or_default(),
        started_at: from_micros(row.started_at),
        due_at,
        state: row.state.clone(),
        office_hours: hours.to_string(),
        marks: marks.collect(),
        days: explained.days,
        pauses,
    })
}
