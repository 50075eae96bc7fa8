//! Pages under `/tasks`: an officer's tasks of every process that no application keeps to itself,
//! with all the verbs, what one may start and did start, and who stands in for whom.

mod act;
mod field;
mod list;
mod officer;
mod show;
mod start;
mod started;
mod substitute;

use axum::routing::{get, post};
use utoipa_axum::router::OpenApiRouter;
use web::App;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route("/tasks", get(list::page))
        .route("/tasks/complete", post(list::complete_many))
        .route("/tasks/copies/{id}/read", post(act::read_copy))
        .route("/tasks/start", get(start::list))
        .route("/tasks/start/{key}", get(start::page))
        .route("/tasks/start/{key}", post(start::started))
        .route("/tasks/started/{id}", get(started::page))
        .route("/tasks/substitutes", get(substitute::page))
        .route("/tasks/substitutes", post(substitute::named))
        .route("/tasks/substitutes/{id}/end", post(substitute::ended))
        .route("/tasks/{id}", get(show::page))
        .route("/tasks/{id}/{verb}", post(act::act))
}
