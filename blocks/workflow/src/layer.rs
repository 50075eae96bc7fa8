//! Gives an officer the posts that he holds today in the place of absent colleagues (代理), so that
//! whatever asks for a post sees them; each says for whom it is held.

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use identity::{Actor, Gate};
use kernel::Result;
use web::{App, Viewer, WebError};

use crate::verb;

/// Wraps a router inside [`identity::layer`]. Officers' requests cost one indexed query more.
pub fn layer(app: App, router: Router) -> Router {
    router.layer(from_fn_with_state(app, enter))
}

async fn enter(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let extensions = request.extensions_mut();
    let officer = extensions.get::<Actor>().filter(|actor| actor.is_officer());
    if let Some(actor) = officer.cloned() {
        let mut viewer = extensions.get::<Viewer>().cloned().unwrap_or_default();
        match widened(&app, actor, &mut viewer).await {
            Ok(actor) => {
                let extensions = request.extensions_mut();
                extensions.insert(actor);
                extensions.insert(viewer);
            }
            Err(error) => return WebError(error).into_response(),
        }
    }
    next.run(request).await
}

/// The officer with more posts, and the menu that goes with them.
async fn widened(app: &App, mut actor: Actor, viewer: &mut Viewer) -> Result<Actor> {
    let posts = verb::held_for_absent(app.db(), &actor.user.to_string()).await?;
    if !posts.is_empty() {
        actor.posts.extend(posts);
        viewer.may = app.part::<Gate>()?.may_see(&actor)?;
    }
    Ok(actor)
}
