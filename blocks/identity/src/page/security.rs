//! Password, second factor, sessions and tokens.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect, Response},
};
use kernel::{Error, Result, Text};
use web::{
    App, Html, Page, WebError,
    component::{Choice, Fields, Tab, Tone},
};

use super::{Done, findings_of, identity, tabs};
use crate::{
    Actor, Identity, SessionId, Ticket, TokenId, account,
    register::parse_id,
    second_factor::Enrolment,
    session::{self, Session},
    token::{self, NewToken, Scope, Token},
};

#[derive(Template)]
#[template(path = "identity/security.html")]
struct SecurityPage {
    p: Page,
    f: Fields,
    /// Which form `f` belongs to: its errors must not show in the others.
    form: &'static str,
    tabs: Vec<Tab>,
    done: String,
    good: Tone,
    warning: Tone,
    has_second_factor: bool,
    /// Posts do not count until a second factor is added.
    is_withheld: bool,
    enrolment: Option<Enrolment>,
    sessions: Vec<Session>,
    current: Option<SessionId>,
}

impl SecurityPage {
    /// The values of a form, if it was the one that came back.
    fn form(&self, name: &str) -> Fields {
        if self.form == name {
            self.f.clone()
        } else {
            Fields::new()
        }
    }

    fn is_current(&self, session: &Session) -> bool {
        self.current == Some(session.id)
    }
}

pub(super) async fn show(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    ticket: Ticket,
    Query(done): Query<Done>,
) -> Result<Html, WebError> {
    let done = done.words(&p);
    let mut page = security_page(&*identity(&app)?, p, &actor, &ticket).await?;
    page.done = done;
    Html::page(&page)
}

async fn security_page(
    identity: &Identity,
    p: Page,
    actor: &Actor,
    ticket: &Ticket,
) -> Result<SecurityPage> {
    let has_second_factor = account::has_second_factor(identity, actor).await?;
    let is_officer = actor.own.is_none();
    let enrolment = match account::waiting_second_factor(identity, actor).await {
        Ok(enrolment) => enrolment,
        Err(Error::Forbidden { .. } | Error::Refused(_)) => None,
        Err(other) => return Err(other),
    };
    Ok(SecurityPage {
        f: Fields::new(),
        form: "",
        tabs: tabs(&p, "/account/security", !is_officer),
        done: String::new(),
        good: Tone::Good,
        warning: Tone::Warning,
        has_second_factor,
        is_withheld: is_officer && identity.settings.officers_need_totp && !actor.second_factor,
        enrolment,
        sessions: session::list(identity, actor).await?,
        current: match ticket {
            Ticket::Session(id) => Some(*id),
            Ticket::Token(_) => None,
        },
        p,
    })
}

async fn again(
    identity: &Identity,
    p: Page,
    (actor, ticket): (&Actor, &Ticket),
    form: &'static str,
    fields: Fields,
    error: Error,
) -> Result<Response, WebError> {
    let f = fields.rejected(findings_of(error)?);
    let page = security_page(identity, p, actor, ticket).await?;
    Ok(Html::again(&SecurityPage { f, form, ..page })?.into_response())
}

pub(super) async fn change_password(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    ticket: Ticket,
    fields: Fields,
) -> Result<Response, WebError> {
    let identity = identity(&app)?;
    let (present, new) = (
        fields.value("present").to_owned(),
        fields.value("new").to_owned(),
    );
    let changed = if new == fields.value("repeat") {
        account::change_password(&identity, &actor, &ticket, present, new).await
    } else {
        Err(Error::invalid(
            "repeat",
            Text::new("identity-password-repeat-differs"),
        ))
    };
    match changed {
        Ok(()) => Ok(Redirect::to("/account/security?done=password").into_response()),
        Err(error) => again(&identity, p, (&actor, &ticket), "password", fields, error).await,
    }
}

pub(super) async fn enrol(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    ticket: Ticket,
) -> Result<Response, WebError> {
    let identity = identity(&app)?;
    match account::enrol_second_factor(&identity, &actor).await {
        Ok(_) => Ok(Redirect::to("/account/security#second-factor").into_response()),
        Err(error) => {
            again(
                &identity,
                p,
                (&actor, &ticket),
                "factor",
                Fields::new(),
                error,
            )
            .await
        }
    }
}

pub(super) async fn confirm(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    ticket: Ticket,
    fields: Fields,
) -> Result<Response, WebError> {
    let identity = identity(&app)?;
    match account::confirm_second_factor(&identity, &actor, &ticket, fields.value("code")).await {
        Ok(()) => Ok(Redirect::to("/account/security?done=factor").into_response()),
        Err(error) => again(&identity, p, (&actor, &ticket), "factor", fields, error).await,
    }
}

pub(super) async fn remove(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    ticket: Ticket,
    fields: Fields,
) -> Result<Response, WebError> {
    let identity = identity(&app)?;
    let password = fields.value("password").to_owned();
    match account::remove_second_factor(&identity, &actor, password, fields.value("code")).await {
        Ok(()) => Ok(Redirect::to("/account/security?done=factor-removed").into_response()),
        Err(error) => again(&identity, p, (&actor, &ticket), "factor", fields, error).await,
    }
}

pub(super) async fn end_session(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Redirect, WebError> {
    let session: SessionId = parse_id(&id, "session")?;
    session::revoke(&*identity(&app)?, &actor, session).await?;
    Ok(Redirect::to("/account/security?done=session"))
}

#[derive(Template)]
#[template(path = "identity/tokens.html")]
struct TokensPage {
    p: Page,
    f: Fields,
    tabs: Vec<Tab>,
    done: String,
    good: Tone,
    scopes: Vec<Choice>,
    /// Shown this once.
    secret: String,
    tokens: Vec<Token>,
}

impl TokensPage {
    fn scope(&self, token: &Token) -> String {
        self.p
            .t(format!("identity-token-scope-{}", token.scope.name()))
    }
}

pub(super) async fn show_tokens(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(done): Query<Done>,
) -> Result<Html, WebError> {
    let done = done.words(&p);
    let f = Fields::new().with("days", 90).with("scope", "all");
    let page = tokens_page(&*identity(&app)?, p, &actor, f).await?;
    Html::page(&TokensPage { done, ..page })
}

async fn tokens_page(identity: &Identity, p: Page, actor: &Actor, f: Fields) -> Result<TokensPage> {
    Ok(TokensPage {
        f,
        tabs: tabs(&p, "/account/tokens", actor.own.is_some()),
        done: String::new(),
        good: Tone::Good,
        scopes: ["all", "read"]
            .map(|scope| Choice::new(scope, p.t(format!("identity-token-scope-{scope}"))))
            .to_vec(),
        secret: String::new(),
        tokens: token::list(identity, actor).await?,
        p,
    })
}

/// The one POST that answers with a page: after a redirect the secret would have to be kept
/// somewhere.
pub(super) async fn create_token(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    fields: Fields,
) -> Result<Response, WebError> {
    let identity = identity(&app)?;
    let form = NewToken {
        label: fields.value("label").to_owned(),
        scope: if fields.value("scope") == "read" {
            Scope::Read
        } else {
            Scope::All
        },
        days: fields.value("days").trim().parse().unwrap_or_default(),
    };
    match token::issue(&identity, &actor, &form).await {
        Ok((_, secret)) => {
            let page = tokens_page(&identity, p, &actor, Fields::new().with("days", 90)).await?;
            Ok(Html::page(&TokensPage { secret, ..page })?.into_response())
        }
        Err(error) => {
            let f = fields.rejected(findings_of(error)?);
            Ok(Html::again(&tokens_page(&identity, p, &actor, f).await?)?.into_response())
        }
    }
}

pub(super) async fn revoke_token(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Redirect, WebError> {
    let token: TokenId = parse_id(&id, "token")?;
    token::revoke(&*identity(&app)?, &actor, token).await?;
    Ok(Redirect::to("/account/tokens?done=token"))
}
