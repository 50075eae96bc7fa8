//! The JSON doors to the acts.

pub mod files;
mod lists;
mod requests;
pub mod resources;

use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(resources::list, resources::create))
        .routes(routes!(resources::show, resources::save))
        .routes(routes!(resources::findings))
        .routes(routes!(resources::differences))
        .routes(routes!(resources::advance))
        .routes(routes!(resources::submit_all))
        .routes(routes!(resources::facets))
        .routes(routes!(resources::quality))
        .routes(routes!(resources::classes))
        .routes(routes!(lists::list, lists::add))
        .routes(routes!(lists::answer))
        .routes(routes!(files::import_list))
        .routes(routes!(files::export_list))
        .routes(routes!(files::template))
        .routes(routes!(files::report))
        .routes(routes!(files::received))
        .routes(routes!(files::trust))
        .routes(routes!(files::dcat_page))
        .routes(routes!(requests::list, requests::ask))
        .routes(routes!(requests::show, requests::supplement))
        .routes(routes!(requests::advance))
}
