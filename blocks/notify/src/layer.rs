//! Tells the head of every page how many messages wait.

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use identity::Actor;
use web::{App, Viewer, WebError};

use crate::message::count_unread;

/// The bell shows no larger number.
const MOST: u64 = 100;

/// Wraps a router inside [`identity::layer`]. Pages cost one query on an index of unread messages
/// alone; programs and files, which show no bell, cost none.
pub fn layer(app: App, router: Router) -> Router {
    router.layer(from_fn_with_state(app, enter))
}

async fn enter(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let shows_bell = !["/api/", "/assets/"]
        .iter()
        .any(|start| request.uri().path().starts_with(start));
    let reader = request.extensions().get::<Actor>().map(|actor| actor.user);
    if let Some(reader) = reader.filter(|_| shows_bell) {
        let unread = match count_unread(app.db(), reader, MOST).await {
            Ok(unread) => unread,
            Err(error) => return WebError(error).into_response(),
        };
        if let Some(viewer) = request.extensions_mut().get_mut::<Viewer>() {
            viewer.unread = u32::try_from(unread).unwrap_or(u32::MAX);
        }
    }
    next.run(request).await
}
