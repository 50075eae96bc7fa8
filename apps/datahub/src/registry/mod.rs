//! Registries: searching, one record with its sources, merging; objections; matching; one's own data.

mod matches;
mod mine;
mod objections;
mod pair;
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
        .route(
            "/work/data-matching",
            get(matches::list).post(matches::start),
        )
        .route("/work/data-matching/runs/{id}", get(matches::show))
        .route("/work/data-matching/pairs", get(matches::pairs))
        .route(
            "/work/data-matching/pairs/{id}",
            get(pair::show).post(pair::decide),
        )
        .route("/mine/data", get(mine::show))
        .route("/mine/data/{registry}/{id}/object", post(mine::object))
}
