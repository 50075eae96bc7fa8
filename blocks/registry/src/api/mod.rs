//! The JSON doors to the acts.

pub mod batches;
pub mod matching;
pub mod objections;
mod records;
pub mod view;

use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(records::list))
        .routes(routes!(records::describe))
        .routes(routes!(records::find, records::state))
        .routes(routes!(records::lookup))
        .routes(routes!(records::show))
        .routes(routes!(records::history))
        .routes(routes!(records::reads))
        .routes(routes!(records::close))
        .routes(routes!(records::merge))
        .routes(routes!(records::unmerge))
        .routes(routes!(batches::list))
        .routes(routes!(batches::show, batches::load))
        .routes(routes!(objections::list))
        .routes(routes!(objections::raise))
        .routes(routes!(objections::show))
        .routes(routes!(objections::advance))
        .routes(routes!(matching::start, matching::runs))
        .routes(routes!(matching::run))
        .routes(routes!(matching::pairs))
        .routes(routes!(matching::pair))
        .routes(routes!(matching::decide))
        .routes(routes!(records::own_reads))
}
