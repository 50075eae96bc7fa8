//! Signing in and out, and making an account.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};
use kernel::{Error, Fault, Result};
use web::{App, Html, Page, WebError, component::Fields};

use super::{cookie, escape, findings_of, identity, no_cookie};
use crate::{
    Identity, MaybeActor,
    layer::Origin,
    register::{self, Registration},
    session,
    sign_in::{self, Attempt, SignedIn, local_path},
};

#[derive(serde::Deserialize, Default)]
pub(super) struct Next {
    #[serde(default)]
    next: String,
}

#[derive(Template)]
#[template(path = "identity/sign_in.html")]
struct SignInPage {
    p: Page,
    f: Fields,
    next: String,
    /// The account was just made.
    is_new: bool,
}

#[derive(serde::Deserialize, Default)]
pub(super) struct SignInQuery {
    #[serde(default)]
    next: String,
    #[serde(default)]
    new: Option<String>,
}

pub(super) async fn show_sign_in(
    p: Page,
    MaybeActor(actor): MaybeActor,
    Query(query): Query<SignInQuery>,
) -> Result<Response, WebError> {
    if actor.is_some() {
        return Ok(Redirect::to(local_path(&query.next)).into_response());
    }
    let page = SignInPage {
        p,
        f: Fields::new(),
        next: local_path(&query.next).to_owned(),
        is_new: query.new.is_some(),
    };
    Ok(Html::page(&page)?.into_response())
}

pub(super) async fn sign_in(
    State(app): State<App>,
    p: Page,
    origin: Origin,
    fields: Fields,
) -> Result<Response, WebError> {
    let identity = identity(&app)?;
    let next = local_path(fields.value("next")).to_owned();
    let attempt = Attempt {
        login: fields.value("login").to_owned(),
        password: fields.value("password").to_owned(),
        code: None,
        device: origin.device,
        address: origin.address,
        previous: origin.session,
    };
    match sign_in::sign_in(&identity, attempt).await {
        Ok(signed) => Ok(go_on(&identity, &signed, &next)?),
        Err(error) => {
            let f = fields.rejected(findings_of(error)?);
            Ok(Html::again(&SignInPage {
                p,
                f,
                next,
                is_new: false,
            })?
            .into_response())
        }
    }
}

/// Leaves the cookie and leads on: to the code, to where the person came from, or to where
/// people of her kind begin.
fn go_on(identity: &Identity, signed: &SignedIn, next: &str) -> Result<Response> {
    let (secret, to) = match signed {
        SignedIn::CodeNeeded { secret } => (secret, format!("/sign-in/code?next={}", escape(next))),
        SignedIn::Open {
            secret,
            needs_second_factor: true,
            ..
        } => (secret, "/account/security".to_owned()),
        SignedIn::Open {
            secret, is_officer, ..
        } if next == "/" => (
            secret,
            if *is_officer { "/work" } else { "/mine" }.to_owned(),
        ),
        SignedIn::Open { secret, .. } => (secret, next.to_owned()),
    };
    with_cookie(&cookie(identity, secret), &to)
}

fn with_cookie(cookie: &str, to: &str) -> Result<Response> {
    let cookie =
        HeaderValue::from_str(cookie).map_err(|e| Fault::caused_by("session cookie", e))?;
    let mut response = Redirect::to(to).into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

#[derive(Template)]
#[template(path = "identity/code.html")]
struct CodePage {
    p: Page,
    f: Fields,
    next: String,
}

pub(super) async fn show_code(p: Page, Query(query): Query<Next>) -> Result<Html, WebError> {
    let next = local_path(&query.next).to_owned();
    Html::page(&CodePage {
        p,
        f: Fields::new(),
        next,
    })
}

pub(super) async fn confirm(
    State(app): State<App>,
    p: Page,
    origin: Origin,
    fields: Fields,
) -> Result<Response, WebError> {
    let identity = identity(&app)?;
    let next = local_path(fields.value("next")).to_owned();
    let attempt = Attempt {
        code: Some(fields.value("code").to_owned()),
        device: origin.device,
        address: origin.address,
        previous: origin.session,
        ..Attempt::default()
    };
    match sign_in::confirm(&identity, attempt).await {
        Ok(signed) => Ok(go_on(&identity, &signed, &next)?),
        Err(error) => {
            let f = fields.rejected(findings_of(error)?);
            Ok(Html::again(&CodePage { p, f, next })?.into_response())
        }
    }
}

pub(super) async fn sign_out(State(app): State<App>, origin: Origin) -> Result<Response, WebError> {
    let identity = identity(&app)?;
    if let Some(secret) = &origin.session {
        session::sign_out(&identity, secret).await?;
    }
    Ok(with_cookie(&no_cookie(&identity), "/")?)
}

#[derive(Template)]
#[template(path = "identity/register.html")]
struct RegisterPage {
    p: Page,
    f: Fields,
}

pub(super) async fn show_register(p: Page) -> Result<Html, WebError> {
    Html::page(&RegisterPage {
        p,
        f: Fields::new(),
    })
}

pub(super) async fn register(
    State(app): State<App>,
    p: Page,
    fields: Fields,
) -> Result<Response, WebError> {
    let value = |name: &str| fields.value(name).to_owned();
    let form = Registration {
        login: value("login"),
        name: value("name"),
        code: value("code"),
        phone: value("phone"),
        password: value("password"),
    };
    let made = if form.password == fields.value("repeat") {
        register::register(&*identity(&app)?, &form).await
    } else {
        Err(Error::invalid(
            "repeat",
            kernel::Text::new("identity-password-repeat-differs"),
        ))
    };
    match made {
        Ok(_) => Ok(Redirect::to("/sign-in?new=1").into_response()),
        Err(error) => {
            let f = fields.rejected(findings_of(error)?);
            Ok(Html::again(&RegisterPage { p, f })?.into_response())
        }
    }
}
