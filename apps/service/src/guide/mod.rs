//! The guide (办事指南): what one can have done, by whom, with what, in how long. Public pages.

pub mod api;
pub mod page;
mod topic;
mod view;

pub use topic::{CORP_TOPICS, Topic, USER_TOPICS};
pub use view::state_key;

use std::sync::{Arc, RwLock};

use chrono::{DateTime, Duration, Utc};
use kernel::Result;

/// Departments with the number of their matters, for the guide's list; counted at most once a
/// minute, because counting a million rows is not for every reader.
#[derive(Default)]
pub struct Departments(RwLock<Option<(DateTime<Utc>, Counted)>>);

type Counted = Arc<Vec<(String, i64)>>;

impl Departments {
    /// The departments, most matters first.
    pub async fn get(&self, db: &store::Db) -> Result<Counted> {
        let now = db.clock().now();
        let known = self
            .0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        if let Some((at, counted)) = known
            && (now - at).abs() < Duration::seconds(60)
        {
            return Ok(counted);
        }
        let counted = Arc::new(crate::matter::store::count_by_department(db.read()).await?);
        *self
            .0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some((now, counted.clone()));
        Ok(counted)
    }
}
