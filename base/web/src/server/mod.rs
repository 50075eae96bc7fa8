//! The router with everything that stands around a handler, and the listening.
//!
//! From the outside in: request number and log line, security headers, compression, language,
//! errors given a face, load shedding, reading on after a refusal, time limit, body limit, refusal
//! of cross-site writes, panics caught, then `identity`'s layer, errors given a face again (now
//! knowing the viewer), and the handler.

mod api;
mod health;
mod layers;
mod linger;
mod metric;

use std::{future::IntoFuture, io, net::SocketAddr, time::Duration};

use axum::{Router, extract::DefaultBodyLimit, http::StatusCode, middleware, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::{
    catch_panic::CatchPanicLayer, compression::CompressionLayer, csrf::CsrfLayer,
    limit::RequestBodyLimitLayer, timeout::TimeoutLayer,
};
use utoipa_axum::router::OpenApiRouter;

pub use self::layers::RequestId;
use crate::{App, Module, WebError, asset, error, gallery, module::Menu};

/// Builds the one router of the executable. `layers` is `identity`'s place: it wraps the handlers
/// of all modules and puts the [`Viewer`](crate::Viewer) into each request.
pub fn router(app: &App, modules: Vec<Module>, layers: impl FnOnce(Router) -> Router) -> Router {
    metric::recorder();
    app.put(Menu::of(&modules));
    let own = OpenApiRouter::with_openapi(api::description())
        .route("/gallery", get(gallery::show))
        .route("/api", get(api::list));
    let (routes, description) = modules
        .into_iter()
        .fold(own, |all, module| all.merge(module.routes))
        .split_for_parts();
    app.put(api::Description::of(&description));
    let handlers = routes
        .route("/api/openapi.json", get(api::describe))
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(app.clone(), error::render))
        .with_state(app.clone());
    let guarded = guard(app, layers(handlers));
    let plain = Router::new()
        .route("/assets/{name}", get(asset::serve))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metric::show))
        .with_state(app.clone());
    plain
        .merge(guarded)
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn_with_state(app.clone(), layers::protect))
        .layer(middleware::from_fn(layers::observe))
}

/// What stands between the network and the handlers, innermost first.
fn guard(app: &App, handlers: Router) -> Router {
    let settings = app.settings();
    let patience = Duration::from_secs(settings.timeout_seconds);
    handlers
        .layer(CatchPanicLayer::new())
        .layer(cross_site(&settings.public_url))
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyLimitLayer::new(settings.body_limit))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            patience,
        ))
        .layer(middleware::from_fn(linger::linger))
        .layer(middleware::from_fn_with_state(
            layers::Room::of(settings.concurrent_requests),
            layers::shed,
        ))
        .layer(middleware::from_fn_with_state(app.clone(), error::render))
        .layer(middleware::from_fn(layers::choose_language))
}

/// Refuses unsafe requests from other sites by `Sec-Fetch-Site` and `Origin`; why this needs no
/// token is in `docs/decisions/`.
fn cross_site(public_url: &str) -> CsrfLayer {
    let origin = public_url.trim_end_matches('/');
    CsrfLayer::new()
        .add_trusted_origin(origin)
        .unwrap_or_else(|problem| {
            // A proxy that keeps the Host header makes the address of the site known all the same.
            tracing::warn!(public_url, %problem, "public_url is not an origin");
            CsrfLayer::new()
        })
}

async fn not_found() -> WebError {
    WebError(kernel::Error::NotFound { what: "page" })
}

/// Time that running requests get after the signal to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// Serves until `stop` is cancelled, then takes no new connections and lets running requests
/// finish, for a while.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> io::Result<()> {
    let signal = stop.clone().cancelled_owned();
    // Sessions and lock-out want to know from where a request comes.
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service)
        .with_graceful_shutdown(signal)
        .into_future();
    let drained = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        result = serving => result,
        () = drained => {
            tracing::warn!("requests were still running when the time to drain was over");
            Ok(())
        }
    }
}
