//! The official calendar: the executable's years, and those that packs brought later.

use std::sync::{Arc, PoisonError, RwLock};

use kernel::{
    Fault, Result,
    calendar::{Calendar, Year},
};
use sea_orm::EntityTrait;
use store::{Db, fault};

use crate::{Source, check::read_toml, schema::calendar as table};

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
