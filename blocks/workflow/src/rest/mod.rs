//! The doors for programs: `/api/process/…`. What they do stands in [`act`], which the Camunda
//! doors call too.

pub(crate) mod act;
mod body;
mod definition;
pub(crate) mod deploy;
mod external;
mod incident;
mod instance;
mod message;
pub(crate) mod send;
pub(crate) mod store;
mod task;
pub(crate) mod work;

pub(crate) use body::Body;

use std::{sync::Arc, time};

use ::store::page::PageRequest;
use identity::{Actor, Gate, Resource};
use kernel::{Error, Result, Text};
use utoipa_axum::router::OpenApiRouter;
use web::{App, WebError};

use crate::engine::Engine;

pub(crate) fn routes() -> OpenApiRouter<App> {
    definition::routes()
        .merge(instance::routes())
        .merge(message::routes())
        .merge(incident::routes())
        .merge(task::routes())
        .merge(external::routes())
}

type Answer<T> = Result<T, WebError>;

/// What the acts need.
#[derive(Clone)]
pub(crate) struct Desk {
    pub db: ::store::Db,
    pub engine: Arc<Engine>,
    gate: Arc<Gate>,
    /// How long a request may wait for something to happen, before the server gives it up.
    pub patience: time::Duration,
}

impl Desk {
    pub fn of(app: &App) -> Result<Self> {
        let given_up = time::Duration::from_secs(app.settings().timeout_seconds);
        Ok(Self {
            patience: given_up * 2 / 3,
            db: app.db().clone(),
            engine: app.part()?,
            gate: app.part()?,
        })
    }

    pub fn check(&self, actor: &Actor, action: &str) -> Result<()> {
        actor.may(&self.gate, action, &Resource::system())
    }
}

/// Subject of an instance that was started for a business key of a program.
pub(crate) const BUSINESS: &str = "business:";
const LONGEST_KEY: usize = 255;

/// The subject of what is started with this business key; empty makes the instance its own.
pub(crate) fn subject_of(business_key: Option<&str>) -> Result<String> {
    match business_key.map(str::trim).filter(|key| !key.is_empty()) {
        None => Ok(String::new()),
        Some(key) if key.chars().count() > LONGEST_KEY => {
            let text = Text::new("workflow-business-key").with("most", LONGEST_KEY);
            Err(Error::invalid("business_key", text))
        }
        Some(key) => Ok(format!("{BUSINESS}{key}")),
    }
}

pub(crate) fn business_key(subject: &str) -> Option<&str> {
    subject.strip_prefix(BUSINESS)
}

/// Whether no application owns the instance: programs may do with its tasks what they like.
pub(crate) fn is_free(subject: &str) -> bool {
    business_key(subject).is_some() || subject.starts_with("instance:")
}

/// Refuses what would leave the rows of an owning application behind.
pub(crate) fn check_free(subject: &str) -> Result<()> {
    if is_free(subject) {
        return Ok(());
    }
    let text = Text::new("workflow-task-owned").with("subject", subject);
    Err(Error::Refused(text))
}

/// A filter that knows only certain words.
fn one_of(field: &'static str, word: Option<String>, known: &[&str]) -> Result<Option<String>> {
    match word {
        Some(word) if !known.contains(&word.as_str()) => {
            let text = Text::new("workflow-filter-word").with("known", known.join(", "));
            Err(Error::invalid(field, text))
        }
        word => Ok(word),
    }
}

/// The page after an id; a text that is none would silently give any page.
fn page(after: Option<String>, limit: Option<u32>) -> Result<PageRequest> {
    let page = PageRequest::new(after, limit);
    match &page.after {
        Some(id) if id.parse::<crate::InstanceId>().is_err() => {
            Err(Error::invalid("after", Text::new("workflow-filter-after")))
        }
        _ => Ok(page),
    }
}

pub(crate) fn parse<T: std::str::FromStr>(id: &str, what: &'static str) -> Result<T> {
    id.parse().map_err(|_| Error::NotFound { what })
}
