//! The lake: asking in SQL, one table with its origin and use, one batch with what was set aside.

mod ask;
mod table;

use axum::routing::{get, post};
use utoipa_axum::router::OpenApiRouter;
use web::{App, Page};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route("/work/lake", get(ask::show))
        .route("/work/lake", post(ask::ask))
        .route("/work/lake/{table}", get(table::show))
        .route("/work/lake/{table}/{batch}", get(table::batch))
}

fn title(p: &Page, title: &::lake::Title) -> String {
    if p.language.is_chinese() {
        p.zh(&title.zh)
    } else {
        title.en.clone()
    }
}
