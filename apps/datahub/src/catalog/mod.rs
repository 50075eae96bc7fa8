//! The catalog: searching, one entry with its versions and process, writing, lists in and out,
//! needs and duties, requests.

mod edit;
mod entries;
mod entry;
mod lists;
mod requests;
mod tables;
mod task;
mod words;

use axum::routing::{get, post};
use utoipa_axum::router::OpenApiRouter;
use web::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route("/work/catalog", get(entries::list))
        .route("/work/catalog/new", get(edit::blank).post(edit::create))
        .route(
            "/work/catalog/import",
            get(tables::form).post(tables::upload),
        )
        .route("/work/catalog/submit", post(tables::submit))
        .route("/work/catalog/{id}", get(entry::show))
        .route("/work/catalog/{id}/edit", get(edit::show).post(edit::save))
        .route("/work/catalog/{id}/step", post(entry::step))
        .route("/work/catalog/{id}/decide", post(entry::decide))
        .route(
            "/work/catalog/{id}/request",
            get(requests::blank).post(requests::ask),
        )
        .route("/work/catalog-lists", get(lists::show).post(lists::add))
        .route("/work/catalog-lists/{id}", post(lists::answer))
        .route("/work/catalog-requests", get(requests::list))
        .route("/work/catalog-requests/{id}", get(requests::show))
        .route("/work/catalog-requests/{id}/step", post(requests::step))
        .route("/work/catalog-requests/{id}/decide", post(requests::decide))
}
