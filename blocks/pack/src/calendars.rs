//! The official calendar: the executable's years, and those that packs brought later, provisional
//! ones among them.

use std::sync::{Arc, PoisonError, RwLock};

use kernel::{
    Fault, Result,
    calendar::{Calendar, Year},
};
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use store::{Db, EventBody, fault};
use tokio_util::sync::CancellationToken;

use crate::{Source, check::read_toml, schema::calendar as table};

/// A pack brought a year, or another notice of one: dates that reach into it may have moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarLoaded {
    pub year: i32,
    pub is_provisional: bool,
    /// The year was there before, as an operator had declared it.
    pub was_provisional: bool,
}

impl EventBody for CalendarLoaded {
    const KIND: &'static str = "pack.calendar_loaded.v1";
}

/// How long a process may count by a calendar that another process has changed.
const REFRESH_EVERY: std::time::Duration = std::time::Duration::from_secs(30);

/// The calendar of now, cheap to ask; an [`App`](web::App) part.
///
/// A year that nobody brought stays missing: whoever counts into it is told so.
pub struct Calendars(RwLock<Arc<Calendar>>);

impl Calendars {
    /// The years of `base-cn` in the executable.
    pub(crate) fn embedded() -> Result<Self> {
        let mut calendar = Calendar::default();
        let source = Source::embedded("base-cn")?;
        for file in source.files().filter(|file| file.folder() == "calendars") {
            let year: Year = read_toml(file).map_err(|finding| Fault::new(finding.to_string()))?;
            calendar.insert(&year)?;
        }
        Ok(Self(RwLock::new(Arc::new(calendar))))
    }

    /// Takes in what other processes load, until told to stop.
    pub async fn refresh_until(&self, db: &Db, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(REFRESH_EVERY) => {}
            }
            if let Err(error) = self.refresh(db).await {
                tracing::warn!(%error, "cannot read the calendars");
            }
        }
    }

    pub fn now(&self) -> Arc<Calendar> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes in the years that packs have brought to the database.
    pub async fn refresh(&self, db: &Db) -> Result<()> {
        let rows = table::Entity::find()
            .all(db.read())
            .await
            .map_err(|e| fault("read calendars", e))?;
        let mut calendar = (*self.now()).clone();
        for row in rows {
            let year: Year = serde_json::from_str(&row.document)
                .map_err(|e| Fault::caused_by("read a calendar", e))?;
            calendar.insert(&year)?;
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(calendar);
        Ok(())
    }
}
