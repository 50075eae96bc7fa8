//! Registries: searching, one record with its sources, merging; objections; one's own data.

mod mine;
mod objections;
mod record;
mod records;
pub(crate) mod words;

use axum::routing::{get, post};
use utoipa_axum::router::OpenApiRouter;
use web::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route("/work/data", get(records::registries))
        .route("/work/data/{registry}", get(records::find))
        .route("/work/data/{registry}/{id}", get(record::show))
        .route("/work/data/{registry}/{id}/object", post(record::object))
        .route("/work/data/{registry}/{id}/merge", post(record::merge))
        .route("/work/data/{registry}/{id}/unmerge", post(record::unmerge))
        .route("/work/data-objections", get(objections::list))
        .route(
            "/work/data-objections/{id}",
            get(objections::show).post(objections::advance),
        )
        .route("/mine/data", get(mine::show))
        .route("/mine/data/{registry}/{id}/object", post(mine::object))
}
