//! The audit administrator's page of events.

use askama::Template;
use axum::extract::{Query, State};
use store::{Event, event::EventFilter, page::PageRequest};
use web::{
    App, Html, Page, WebError,
    component::{Fields, Pager},
};

use super::{escape, identity};
use crate::{Actor, audit};

#[derive(serde::Deserialize, Default)]
#[serde(default)]
pub(super) struct Wanted {
    kind: String,
    subject: String,
    actor: String,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "identity/audit.html")]
struct AuditPage {
    p: Page,
    f: Fields,
    events: Vec<Event>,
    pager: Pager,
}

pub(super) async fn show(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(wanted): Query<Wanted>,
) -> Result<Html, WebError> {
    let filter = EventFilter {
        kind: wanted.kind.trim().to_owned(),
        subject: wanted.subject.trim().to_owned(),
        actor: wanted.actor.trim().to_owned(),
    };
    let request = PageRequest::new(wanted.after.clone(), None);
    let page = audit::list(&*identity(&app)?, &actor, &filter, &request).await?;
    let filters = [
        ("kind", &filter.kind),
        ("subject", &filter.subject),
        ("actor", &filter.actor),
    ];
    let kept: Vec<_> = filters
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect();
    let pager = Pager::new(
        "/admin/audit",
        &kept.join("&"),
        wanted.after.as_deref(),
        page.next.as_deref(),
    );
    let mut f = Fields::new();
    for (name, value) in filters {
        f = f.with(name, value.clone());
    }
    Html::page(&AuditPage {
        p,
        f,
        events: page.items,
        pager,
    })
}
