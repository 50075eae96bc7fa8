//! Pages of API sharing: interfaces, who may call them, the log of calls with its proofs; and how
//! this hub stands to its superior.

mod calls;
mod cascade;
mod forms;
mod resource;
mod resources;

use axum::routing::{get, post};
use utoipa_axum::router::OpenApiRouter;
use web::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route("/work/apis", get(resources::show))
        .route(
            "/work/apis/register",
            get(forms::register).post(forms::send_registration),
        )
        .route(
            "/work/apis/{code}",
            get(resource::show).post(resource::step),
        )
        .route(
            "/work/apis/{code}/grant",
            get(forms::grant).post(forms::send_grant),
        )
        .route("/work/api-grants/{id}", post(resource::grant_step))
        .route("/work/api-calls", get(calls::list))
        .route("/work/api-calls/{id}", get(calls::show))
        .route("/work/cascade", get(cascade::show).post(cascade::join))
        .route("/work/cascade/leave", post(cascade::leave))
}
