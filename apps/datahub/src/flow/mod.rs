//! The way of data: a resource from its entry to its readers, where a value came from, who used
//! somebody's data.

mod mine;
mod origin;
mod refused;
mod resource;

use axum::routing::{get, post};
use flow::said::Said;
use kernel::Result;
use utoipa_axum::router::OpenApiRouter;
use web::{App, Page, component::Tone};

const HOME: &str = "/work/flow";

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route("/work/flow", get(resource::list))
        .route("/work/flow/{publication}", get(resource::show))
        .route("/work/flow/batches/{batch}/retry", post(resource::retry))
        .route(
            "/work/flow/batches/{batch}/aside.csv",
            get(refused::aside_file),
        )
        .route(
            "/work/flow/batches/{batch}/registries/{registry}/retry",
            post(resource::retry_registry),
        )
        .route(
            "/work/flow/batches/{batch}/registries/{registry}/refused",
            get(refused::show),
        )
        .route(
            "/work/flow/batches/{batch}/registries/{registry}/refused.csv",
            get(refused::file),
        )
        .route("/work/data/{registry}/{id}/origin", get(origin::show))
        .route("/mine/data-use", get(mine::show))
}

/// A problem in words, with the column where it is one's.
fn said(p: &Page, said: &Said) -> String {
    let args: Vec<_> = said.args.iter().map(|(n, v)| (n.as_str(), v)).collect();
    let text = p.ta(&said.key, args);
    let column = said.field.strip_prefix("columns.").unwrap_or(&said.field);
    if column.is_empty() {
        text
    } else {
        format!("{column}: {text}")
    }
}

fn all_said(p: &Page, problems: Result<Vec<Said>>) -> Result<Vec<String>> {
    Ok(problems?.iter().map(|one| said(p, one)).collect())
}

fn state(p: &Page, state: flow::batch::State) -> (Tone, String) {
    use flow::batch::State;
    let tone = match state {
        State::Loaded => Tone::Good,
        State::Failed => Tone::Danger,
        State::Waiting => Tone::Accent,
        State::Superseded => Tone::Plain,
    };
    (tone, p.t(format!("datahub-flow-state-{}", state.name())))
}
