//! The exchange: who sends what to whom, what is on its way, what was refused.

mod batches;
mod forms;
mod overview;

use axum::routing::{get, post};
use utoipa_axum::router::OpenApiRouter;
use web::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route("/work/exchange", get(overview::show))
        .route(
            "/work/exchange/publications/{code}",
            post(forms::move_publication),
        )
        .route(
            "/work/exchange/subscriptions/{id}",
            post(forms::move_subscription),
        )
        .route(
            "/work/exchange/invite",
            get(forms::invite).post(forms::send_invitation),
        )
        .route(
            "/work/exchange/subscribe",
            get(forms::subscribe).post(forms::send_subscription),
        )
        .route(
            "/work/exchange/nodes/{node}",
            get(forms::node).post(forms::revoke),
        )
        .route("/work/exchange/batches", get(batches::list))
        .route("/work/exchange/batches/{id}", get(batches::show))
        .route("/work/exchange/batches/{id}/refused", get(batches::refused))
        .route("/work/exchange/deliveries/{id}/retry", post(batches::retry))
        .route("/work/exchange/days", get(batches::day))
}
