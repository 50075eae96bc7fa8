//! The form on an officer's case page by which personal values are opened, and who looked.

use axum::{
    extract::{Path, State as AppState},
    response::Response,
    routing::post,
};
use identity::Actor;
use kernel::Error;
use utoipa_axum::router::OpenApiRouter;
use web::{App, Page, WebError, component::Fields};

use super::{Reveal, act};
use crate::case::{act::Desk, desk};

/// Routes of the workbench.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().route("/work/cases/{id}/reveal", post(reveal))
}

async fn reveal(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    let desk = Desk::of(&app)?;
    let case = id.parse().map_err(|_| Error::NotFound { what: "case" })?;
    let done = act::reveal(&desk, &actor, case, f.value("purpose")).await;
    desk::back(&app, p, &actor, &id, f, done.err()).await
}

/// A look as the applicant reads it: which body, when, for what.
pub struct Row {
    pub who: String,
    pub at: String,
    pub purpose: String,
}

/// Looks in the reader's words. Bodies answer for their officers, so applicants are told the body.
pub fn rows(p: &Page, looks: &[Reveal]) -> Vec<Row> {
    let row = |look: &Reveal| Row {
        who: p.zh(&look.org_name),
        at: p.moment(look.at),
        purpose: p.zh(&look.purpose),
    };
    looks.iter().map(row).collect()
}
