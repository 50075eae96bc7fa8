//! Recognises who sends a request, by session cookie or access token (bearer, or basic with the
//! login as user and the token as password).

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{HeaderMap, Method, header, request::Parts},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kernel::{Error, Result, clock::micros};
use web::{App, Viewer, ViewerKind, WebError};

use crate::{Actor, Identity, SessionId, TokenId, part::Grounds, session, store::id, token};

/// By what a request was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ticket {
    Session(SessionId),
    Token(TokenId),
}

impl FromRequestParts<App> for Ticket {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, WebError> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or(WebError(Error::NotSignedIn))
    }
}

/// Wraps a router so that its handlers know the [`Actor`] (if any), the [`Viewer`] and the
/// [`Ticket`].
///
/// A request costs one indexed query; that query reads whether the session or token was ended
/// and the user's stamp, so that revocation, a lost post or a switched party act at once. A dead
/// cookie makes the request anonymous; a dead token is refused, because a program would not
/// notice.
pub fn layer(app: App, router: Router) -> Router {
    router.layer(from_fn_with_state(app, enter))
}

async fn enter(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let recognised = match app.part::<Identity>() {
        Ok(identity) => recognise(&identity, request.method(), request.headers()).await,
        Err(fault) => Err(fault.into()),
    };
    match recognised {
        Ok(Some((actor, viewer, ticket))) => {
            let extensions = request.extensions_mut();
            extensions.insert(actor);
            extensions.insert(viewer);
            extensions.insert(ticket);
        }
        Ok(None) => {}
        Err(error) => return WebError(error).into_response(),
    }
    next.run(request).await
}

async fn recognise(
    identity: &Arc<Identity>,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Option<(Actor, Viewer, Ticket)>> {
    if let Some(secret) = bearer(headers) {
        return by_token(identity, method, secret, None).await.map(Some);
    }
    if let Some((login, secret)) = basic(headers) {
        let by = by_token(identity, method, &secret, Some(&login)).await;
        return by.map(Some);
    }
    match session::secret_of(identity, headers) {
        Some(secret) => by_session(identity, &secret).await,
        None => Ok(None),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(secret.trim())
}

/// Login and token of a program that knows only basic authentication. What is no token is left
/// alone: a proxy before us may have asked for a password of its own.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (login, secret) = decoded.split_once(':')?;
    secret
        .starts_with(token::PREFIX)
        .then(|| (login.to_owned(), secret.to_owned()))
}

async fn by_token(
    identity: &Identity,
    method: &Method,
    secret: &str,
    login: Option<&str>,
) -> Result<(Actor, Viewer, Ticket)> {
    let now = micros(identity.db.clock().now());
    let row = token::lookup(identity.db.read(), secret).await?;
    let row = row
        .filter(|row| row.is_alive(now) && login.is_none_or(|login| row.login == login))
        .ok_or(Error::NotSignedIn)?;
    if !row.may_write() && !method.is_safe() {
        return Err(Error::Forbidden {
            action: "identity.token.write".into(),
        });
    }
    let grounds = Grounds {
        user: row.user_id.clone(),
        acting_for: row.acting_for.clone(),
        second_factor: row.second_factor,
        is_token: true,
    };
    let actor = identity.actor(&grounds, row.stamp).await?;
    let viewer = viewer(identity, &actor)?;
    warn_if_unnoted(token::touch(identity, &row).await);
    Ok((actor, viewer, Ticket::Token(id(&row.id)?)))
}

async fn by_session(identity: &Identity, secret: &str) -> Result<Option<(Actor, Viewer, Ticket)>> {
    let now = micros(identity.db.clock().now());
    let row = session::lookup(identity.db.read(), secret).await?;
    let Some(row) = row.filter(|row| row.is_open() && row.is_alive(now, &identity.settings)) else {
        return Ok(None);
    };
    let grounds = Grounds {
        user: row.user_id.clone(),
        acting_for: row.acting_for.clone(),
        second_factor: row.second_factor,
        is_token: false,
    };
    let actor = identity.actor(&grounds, row.stamp).await?;
    let viewer = viewer(identity, &actor)?;
    warn_if_unnoted(session::touch(identity, &row).await);
    Ok(Some((actor, viewer, Ticket::Session(id(&row.id)?))))
}

/// Reading must go on when nothing can be written: a full disk, a database that is read-only.
fn warn_if_unnoted(noted: Result<()>) {
    if let Err(error) = noted {
        tracing::warn!(?error, "use of a session or token could not be noted");
    }
}

fn viewer(identity: &Identity, actor: &Actor) -> Result<Viewer> {
    let kind = if actor.own.is_some() {
        ViewerKind::Citizen
    } else {
        ViewerKind::Officer
    };
    Ok(Viewer {
        kind,
        name: actor.name.clone(),
        acting_for: actor.acting_for.as_ref().map(|party| party.name.clone()),
        unread: 0,
        may: identity.gate.may_see(actor)?,
    })
}

/// Where a request comes from: the device says what it is, the network or a trusted proxy says
/// where it stands.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    pub device: String,
    /// Empty where the server was not told.
    pub address: String,
    /// Secret of the session cookie that came along.
    pub session: Option<String>,
}

impl FromRequestParts<App> for Origin {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, WebError> {
        let identity = app.part::<Identity>()?;
        let header = |name: &str| {
            parts
                .headers
                .get(name)
                .and_then(|v| v.to_str().ok())
                .map(str::to_owned)
        };
        let proxied = Some(&identity.settings.address_header)
            .filter(|name| !name.is_empty())
            .and_then(|name| header(name));
        let direct = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|ConnectInfo(address)| address.ip().to_string());
        Ok(Self {
            device: header("user-agent").unwrap_or_default(),
            address: proxied.or(direct).unwrap_or_default(),
            session: session::secret_of(&identity, &parts.headers),
        })
    }
}

/// Who stands behind an access token, for doors that are no HTTP routes and only read. Where a
/// login came with it, it must be the token's.
pub async fn actor_of_token(
    identity: &Identity,
    secret: &str,
    login: Option<&str>,
) -> Result<Actor> {
    let (actor, _, _) = by_token(identity, &Method::GET, secret, login).await?;
    Ok(actor)
}
