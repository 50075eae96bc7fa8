//! The JSON and Arrow doors to the acts.

mod query;
mod tables;

use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(query::ask))
        .routes(routes!(tables::list))
        .routes(routes!(tables::batches))
        .routes(routes!(tables::batch, tables::deliver))
        .routes(routes!(tables::uses))
        .routes(routes!(tables::lineage))
}
