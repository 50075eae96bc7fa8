//! JSON doors under `/api/identity`. Each calls the act that the page calls.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use kernel::{
    Error, Result,
    mask::{Kind, Profile, mask},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{App, WebError};

use crate::{
    Actor, AgentId, Gate, Identity, Party, PartyId, PartyKind, Post, Resource, SessionId, Ticket,
    TokenId, UserId, account, admin,
    agent::{self, Agent, Appointment},
    directory,
    layer::Origin,
    page::cookie,
    register::{self, Firm, Registration, parse_id},
    second_factor::Enrolment,
    session,
    sign_in::{self, Attempt, SignedIn},
    token::{self, NewToken, Scope},
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(me))
        .routes(routes!(sign_in_door, list_sessions))
        .routes(routes!(confirm_code))
        .routes(routes!(end_session))
        .routes(routes!(register_door))
        .routes(routes!(verify))
        .routes(routes!(change_password))
        .routes(routes!(enrol, confirm_factor, remove_factor))
        .routes(routes!(list_tokens, create_token))
        .routes(routes!(revoke_token))
        .routes(routes!(list_agents, appoint_agent))
        .routes(routes!(dismiss_agent))
        .routes(routes!(list_parties, act_for))
        .routes(routes!(bind_firm))
        .routes(routes!(list_organisations))
        .routes(routes!(list_users, create_officer))
        .routes(routes!(get_user))
        .routes(routes!(set_disabled))
        .routes(routes!(assign_post, remove_post))
        .routes(routes!(end_sessions))
        .routes(routes!(list_events))
}

type Answer<T> = Result<Json<T>, WebError>;

fn identity(app: &App) -> Result<std::sync::Arc<Identity>> {
    Ok(app.part::<Identity>()?)
}

/// A party with its personal numbers masked.
#[derive(Serialize, ToSchema)]
struct PartyView {
    #[schema(example = "019a0b1c-2d3e-7f00-8000-000000000001")]
    id: String,
    #[schema(example = "natural")]
    kind: &'static str,
    #[schema(example = "张静（合成）")]
    name: String,
    #[schema(example = "320000********0039")]
    code: String,
    #[schema(example = "138****8000")]
    phone: String,
}

impl PartyView {
    fn of(party: &Party) -> Self {
        let (kind, code) = match party.kind {
            PartyKind::Natural => ("natural", mask(Kind::Id, Profile::Internal, &party.code)),
            PartyKind::Legal => ("legal", party.code.clone()),
        };
        Self {
            id: party.id.to_string(),
            kind,
            name: party.name.clone(),
            code,
            phone: mask(Kind::Mobile, Profile::Internal, &party.phone),
        }
    }
}

#[derive(Serialize, ToSchema)]
struct PostView {
    #[schema(example = "examiner")]
    post: String,
    #[schema(example = "11321000MB0000019N")]
    org: String,
    #[schema(example = "示范市场监督管理局（合成）")]
    org_name: String,
    #[schema(example = "321000")]
    region: String,
}

impl From<&Post> for PostView {
    fn from(post: &Post) -> Self {
        Self {
            post: post.post.clone(),
            org: post.org.clone(),
            org_name: post.org_name.clone(),
            region: post.region.clone(),
        }
    }
}

/// Who asks.
#[derive(Serialize, ToSchema)]
struct Me {
    #[schema(example = "019a0b1c-2d3e-7f00-8000-000000000000")]
    user: String,
    #[schema(example = "张静（合成）")]
    name: String,
    /// `citizen` or `officer`.
    #[schema(example = "citizen")]
    kind: &'static str,
    /// Assurance level 0–4.
    #[schema(example = 2)]
    assurance: u8,
    second_factor: bool,
    own: Option<PartyView>,
    acting_for: Option<PartyView>,
    posts: Vec<PostView>,
    /// Actions allowed on nothing in particular.
    #[schema(example = json!(["service.draft.create"]))]
    may: Vec<String>,
}

/// Who is signed in, for whom she acts and what she may do.
#[utoipa::path(get, path = "/api/identity/me", tag = "identity",
    responses((status = 200, body = Me), (status = 401, description = "Nobody is signed in")))]
async fn me(State(app): State<App>, actor: Actor) -> Answer<Me> {
    let may = app.part::<Gate>()?.may_see(&actor)?;
    let mut may: Vec<_> = may.iter().cloned().collect();
    may.sort();
    Ok(Json(Me {
        user: actor.user.to_string(),
        name: actor.name.clone(),
        kind: actor.kind(),
        assurance: actor.assurance,
        second_factor: actor.second_factor,
        own: actor.own.as_ref().map(PartyView::of),
        acting_for: actor.acting_for.as_ref().map(PartyView::of),
        posts: actor.posts.iter().map(PostView::from).collect(),
        may,
    }))
}

#[derive(Deserialize, ToSchema)]
struct Credentials {
    /// Login name or citizen number.
    #[schema(example = "zhang-jing")]
    login: String,
    #[schema(example = "correct-Horse-7")]
    password: String,
    /// Second factor, for those who have one.
    #[schema(example = "123456")]
    code: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Opened {
    /// The password was right; send the code to `/api/identity/sessions/code`.
    #[schema(example = false)]
    code_needed: bool,
    /// An officer must add a second factor before his posts count.
    second_factor_needed: bool,
}

fn attempt(origin: Origin) -> Attempt {
    Attempt {
        device: origin.device,
        address: origin.address,
        previous: origin.session,
        ..Attempt::default()
    }
}

fn opened(identity: &Identity, signed: SignedIn) -> Result<(StatusCode, HeaderMap, Json<Opened>)> {
    let (secret, code_needed, second_factor_needed) = match signed {
        SignedIn::Open {
            secret,
            needs_second_factor,
            ..
        } => (secret, false, needs_second_factor),
        SignedIn::CodeNeeded { secret } => (secret, true, false),
    };
    let cookie = HeaderValue::from_str(&cookie(identity, &secret))
        .map_err(|e| kernel::Fault::caused_by("session cookie", e))?;
    let headers = HeaderMap::from_iter([(header::SET_COOKIE, cookie)]);
    let body = Opened {
        code_needed,
        second_factor_needed,
    };
    Ok((StatusCode::CREATED, headers, Json(body)))
}

/// Signs in; the session comes as a cookie. Programs use a personal access token instead.
#[utoipa::path(post, path = "/api/identity/sessions", tag = "identity", request_body = Credentials,
    responses((status = 201, body = Opened), (status = 409, description = "Too many failures; wait"), (status = 422)))]
async fn sign_in_door(
    State(app): State<App>,
    origin: Origin,
    Json(body): Json<Credentials>,
) -> Result<(StatusCode, HeaderMap, Json<Opened>), WebError> {
    let identity = identity(&app)?;
    let attempt = Attempt {
        login: body.login,
        password: body.password,
        code: body.code,
        ..attempt(origin)
    };
    let signed = sign_in::sign_in(&identity, attempt).await?;
    Ok(opened(&identity, signed)?)
}

#[derive(Deserialize, ToSchema)]
struct Code {
    #[schema(example = "123456")]
    code: String,
}

/// The second half of signing in.
#[utoipa::path(post, path = "/api/identity/sessions/code", tag = "identity", request_body = Code,
    responses((status = 201, body = Opened), (status = 409), (status = 422)))]
async fn confirm_code(
    State(app): State<App>,
    origin: Origin,
    Json(body): Json<Code>,
) -> Result<(StatusCode, HeaderMap, Json<Opened>), WebError> {
    let identity = identity(&app)?;
    let attempt = Attempt {
        code: Some(body.code),
        ..attempt(origin)
    };
    let signed = sign_in::confirm(&identity, attempt).await?;
    Ok(opened(&identity, signed)?)
}

#[derive(Serialize, ToSchema)]
struct SessionView {
    id: String,
    device: String,
    #[schema(example = "127.0.0.1")]
    address: String,
    #[schema(example = "2026-03-02T01:00:00Z")]
    created_at: String,
    seen_at: String,
    /// The session of this very request.
    is_current: bool,
}

/// The caller's living sessions, newest first.
#[utoipa::path(get, path = "/api/identity/sessions", tag = "identity",
    responses((status = 200, body = Vec<SessionView>)))]
async fn list_sessions(
    State(app): State<App>,
    actor: Actor,
    ticket: Ticket,
) -> Answer<Vec<SessionView>> {
    let sessions = session::list(&*identity(&app)?, &actor).await?;
    let views = sessions.into_iter().map(|session| SessionView {
        is_current: ticket == Ticket::Session(session.id),
        id: session.id.to_string(),
        device: session.device,
        address: session.address,
        created_at: session.created_at.to_rfc3339(),
        seen_at: session.seen_at.to_rfc3339(),
    });
    Ok(Json(views.collect()))
}

/// Ends a session of the caller at once; `current` signs out.
#[utoipa::path(delete, path = "/api/identity/sessions/{id}", tag = "identity",
    params(("id" = String, Path, example = "current")), responses((status = 204), (status = 404)))]
async fn end_session(
    State(app): State<App>,
    actor: Actor,
    ticket: Ticket,
    Path(session): Path<String>,
) -> Result<StatusCode, WebError> {
    let session = match (session.as_str(), ticket) {
        ("current", Ticket::Session(session)) => session,
        ("current", Ticket::Token(_)) => return Err(Error::NotFound { what: "session" }.into()),
        (session, _) => parse_id::<SessionId>(session, "session")?,
    };
    session::revoke(&*identity(&app)?, &actor, session).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize, ToSchema)]
struct Created {
    #[schema(example = "019a0b1c-2d3e-7f00-8000-000000000000")]
    id: String,
}

fn created(id: impl Into<String>) -> (StatusCode, Json<Created>) {
    (StatusCode::CREATED, Json(Created { id: id.into() }))
}

/// Makes an account for a natural person.
#[utoipa::path(post, path = "/api/identity/users", tag = "identity", request_body = Registration,
    responses((status = 201, body = Created), (status = 422)))]
async fn register_door(
    State(app): State<App>,
    Json(body): Json<Registration>,
) -> Result<(StatusCode, Json<Created>), WebError> {
    Ok(created(register::register(&*identity(&app)?, &body).await?))
}

#[derive(Serialize, ToSchema)]
struct Level {
    #[schema(example = 2)]
    assurance: u8,
}

/// Asks the base registry again whether name and number belong together.
#[utoipa::path(post, path = "/api/identity/verify", tag = "identity",
    responses((status = 200, body = Level), (status = 409)))]
async fn verify(State(app): State<App>, actor: Actor) -> Answer<Level> {
    let assurance = register::verify(&*identity(&app)?, &actor).await?;
    Ok(Json(Level { assurance }))
}

#[derive(Deserialize, ToSchema)]
struct PasswordChange {
    #[schema(example = "correct-Horse-7")]
    present: String,
    #[schema(example = "Another-8-horses")]
    new: String,
}

/// Changes the caller's password and ends all other sessions. Not with a token.
#[utoipa::path(put, path = "/api/identity/password", tag = "identity", request_body = PasswordChange,
    responses((status = 204), (status = 403), (status = 422)))]
async fn change_password(
    State(app): State<App>,
    actor: Actor,
    ticket: Ticket,
    Json(body): Json<PasswordChange>,
) -> Result<StatusCode, WebError> {
    let identity = identity(&app)?;
    account::change_password(&identity, &actor, &ticket, body.present, body.new).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a second-factor secret, to be confirmed with a code. Not with a token.
#[utoipa::path(post, path = "/api/identity/second-factor", tag = "identity",
    responses((status = 200, body = Enrolment), (status = 403), (status = 409)))]
async fn enrol(State(app): State<App>, actor: Actor) -> Answer<Enrolment> {
    Ok(Json(
        account::enrol_second_factor(&*identity(&app)?, &actor).await?,
    ))
}

/// Turns the second factor on.
#[utoipa::path(put, path = "/api/identity/second-factor", tag = "identity", request_body = Code,
    responses((status = 204), (status = 422)))]
async fn confirm_factor(
    State(app): State<App>,
    actor: Actor,
    ticket: Ticket,
    Json(body): Json<Code>,
) -> Result<StatusCode, WebError> {
    account::confirm_second_factor(&*identity(&app)?, &actor, &ticket, &body.code).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
struct FactorRemoval {
    #[schema(example = "correct-Horse-7")]
    password: String,
    #[schema(example = "123456")]
    code: String,
}

/// Turns the second factor off.
#[utoipa::path(delete, path = "/api/identity/second-factor", tag = "identity", request_body = FactorRemoval,
    responses((status = 204), (status = 422)))]
async fn remove_factor(
    State(app): State<App>,
    actor: Actor,
    Json(body): Json<FactorRemoval>,
) -> Result<StatusCode, WebError> {
    account::remove_second_factor(&*identity(&app)?, &actor, body.password, &body.code).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize, ToSchema)]
struct TokenView {
    id: String,
    #[schema(example = "nightly export")]
    label: String,
    scope: Scope,
    #[schema(example = "2026-03-02T01:00:00Z")]
    created_at: String,
    ends_at: String,
    used_at: Option<String>,
}

/// The caller's tokens that still work, newest first.
#[utoipa::path(get, path = "/api/identity/tokens", tag = "identity",
    responses((status = 200, body = Vec<TokenView>)))]
async fn list_tokens(State(app): State<App>, actor: Actor) -> Answer<Vec<TokenView>> {
    let tokens = token::list(&*identity(&app)?, &actor).await?;
    let views = tokens.into_iter().map(|token| TokenView {
        id: token.id.to_string(),
        label: token.label,
        scope: token.scope,
        created_at: token.created_at.to_rfc3339(),
        ends_at: token.ends_at.to_rfc3339(),
        used_at: token.used_at.map(|at| at.to_rfc3339()),
    });
    Ok(Json(views.collect()))
}

#[derive(Serialize, ToSchema)]
struct IssuedToken {
    id: String,
    /// Shown this once; send it as `Authorization: Bearer …`.
    #[schema(example = "tb_3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    token: String,
}

/// Makes a personal access token. Not with a token.
#[utoipa::path(post, path = "/api/identity/tokens", tag = "identity", request_body = NewToken,
    responses((status = 201, body = IssuedToken), (status = 403), (status = 422)))]
async fn create_token(
    State(app): State<App>,
    actor: Actor,
    Json(body): Json<NewToken>,
) -> Result<(StatusCode, Json<IssuedToken>), WebError> {
    let (id, token) = token::issue(&*identity(&app)?, &actor, &body).await?;
    Ok((
        StatusCode::CREATED,
        Json(IssuedToken {
            id: id.to_string(),
            token,
        }),
    ))
}

/// Ends a token of the caller at once.
#[utoipa::path(delete, path = "/api/identity/tokens/{id}", tag = "identity",
    params(("id" = String, Path)), responses((status = 204), (status = 404)))]
async fn revoke_token(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<StatusCode, WebError> {
    let token: TokenId = parse_id(&id, "token")?;
    token::revoke(&*identity(&app)?, &actor, token).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize, ToSchema)]
struct AgentView {
    id: String,
    party: String,
    user: String,
    #[schema(example = "李明（合成）")]
    name: String,
    role: agent::Role,
    #[schema(example = "*")]
    scope: String,
    #[schema(example = "2026-03-02")]
    from: String,
    #[schema(example = "2026-12-31")]
    until: String,
    is_valid: bool,
}

async fn agent_view(identity: &Identity, agent: Agent) -> Result<AgentView> {
    let user = directory::user(identity.db.read(), agent.user).await?;
    Ok(AgentView {
        is_valid: agent.is_valid(identity.db.clock().today()),
        id: agent.id.to_string(),
        party: agent.party.to_string(),
        user: agent.user.to_string(),
        name: user.name,
        role: agent.role,
        scope: agent.scope,
        from: agent.from.to_string(),
        until: agent.until.to_string(),
    })
}

/// Those who may act for the caller's present party.
#[utoipa::path(get, path = "/api/identity/agents", tag = "identity",
    responses((status = 200, body = Vec<AgentView>), (status = 403)))]
async fn list_agents(State(app): State<App>, actor: Actor) -> Answer<Vec<AgentView>> {
    let identity = identity(&app)?;
    let mut views = Vec::new();
    for agent in agent::list_own(&identity, &actor).await? {
        views.push(agent_view(&identity, agent).await?);
    }
    Ok(Json(views))
}

/// Lets somebody act for the caller's present party. Not with a token.
#[utoipa::path(post, path = "/api/identity/agents", tag = "identity", request_body = Appointment,
    responses((status = 201, body = Created), (status = 403), (status = 422)))]
async fn appoint_agent(
    State(app): State<App>,
    actor: Actor,
    Json(body): Json<Appointment>,
) -> Result<(StatusCode, Json<Created>), WebError> {
    Ok(created(
        agent::appoint(&*identity(&app)?, &actor, &body).await?,
    ))
}

/// Ends an appointment at once. Not with a token.
#[utoipa::path(delete, path = "/api/identity/agents/{id}", tag = "identity",
    params(("id" = String, Path)), responses((status = 204), (status = 403), (status = 404)))]
async fn dismiss_agent(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<StatusCode, WebError> {
    let agent: AgentId = parse_id(&id, "agent")?;
    agent::dismiss(&*identity(&app)?, &actor, agent).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Those for whom the caller may act today; her own party first.
#[utoipa::path(get, path = "/api/identity/acting", tag = "identity",
    responses((status = 200, body = Vec<PartyView>)))]
async fn list_parties(State(app): State<App>, actor: Actor) -> Answer<Vec<PartyView>> {
    let identity = identity(&app)?;
    let own = actor.own.iter().map(PartyView::of);
    let others = agent::list_parties(&identity, &actor).await?;
    Ok(Json(own.chain(others.iter().map(PartyView::of)).collect()))
}

#[derive(Deserialize, ToSchema)]
struct Acting {
    /// Id of the party; empty to act for oneself again.
    #[schema(example = "019a0b1c-2d3e-7f00-8000-000000000001")]
    party: Option<String>,
}

/// From the next request on, this session or token acts for the party.
#[utoipa::path(put, path = "/api/identity/acting", tag = "identity", request_body = Acting,
    responses((status = 204), (status = 409)))]
async fn act_for(
    State(app): State<App>,
    actor: Actor,
    ticket: Ticket,
    Json(body): Json<Acting>,
) -> Result<StatusCode, WebError> {
    let party = body.party.filter(|id| !id.is_empty());
    let party = party
        .map(|id| parse_id::<PartyId>(&id, "party"))
        .transpose()?;
    agent::act_for(&*identity(&app)?, &actor, &ticket, party).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets the caller act for the firm whose legal representative she is. Not with a token.
#[utoipa::path(post, path = "/api/identity/firms", tag = "identity", request_body = Firm,
    responses((status = 201, body = Created), (status = 409), (status = 422)))]
async fn bind_firm(
    State(app): State<App>,
    actor: Actor,
    Json(body): Json<Firm>,
) -> Result<(StatusCode, Json<Created>), WebError> {
    Ok(created(
        register::bind_firm(&*identity(&app)?, &actor, &body).await?,
    ))
}

#[derive(Deserialize, IntoParams)]
struct OrganisationFilter {
    /// Region whose bodies are wanted, with all it covers; all if missing.
    #[param(example = "321000")]
    region: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct OrganisationView {
    id: String,
    #[schema(example = "11321000MB0000019N")]
    code: String,
    parent: Option<String>,
    #[schema(example = "321000")]
    region: String,
    name_zh: String,
    name_en: String,
    short_name: String,
}

/// Bodies and departments, by code.
#[utoipa::path(get, path = "/api/identity/organisations", tag = "identity", params(OrganisationFilter),
    responses((status = 200, body = Vec<OrganisationView>)))]
async fn list_organisations(
    State(app): State<App>,
    actor: Actor,
    Query(filter): Query<OrganisationFilter>,
) -> Answer<Vec<OrganisationView>> {
    let identity = identity(&app)?;
    actor.may(
        &identity.gate,
        "identity.organisation.list",
        &Resource::system(),
    )?;
    let region = filter.region.unwrap_or_default();
    let organisations = directory::organisations(identity.db.read(), &region).await?;
    let views = organisations.into_iter().map(|org| OrganisationView {
        id: org.id.to_string(),
        code: org.code,
        parent: org.parent.map(String::from),
        region: org.region,
        name_zh: org.name_zh,
        name_en: org.name_en,
        short_name: org.short_name,
    });
    Ok(Json(views.collect()))
}

#[derive(Deserialize, IntoParams)]
struct UserFilter {
    /// Part of a login name or name.
    #[param(example = "wang")]
    q: Option<String>,
    /// Login name after which the page begins.
    after: Option<String>,
    #[param(example = 50)]
    limit: Option<u64>,
}

#[derive(Serialize, ToSchema)]
struct UserView {
    id: String,
    #[schema(example = "wang-qiang")]
    login: String,
    name: String,
    #[schema(example = "officer")]
    kind: &'static str,
    is_disabled: bool,
    assurance: u8,
    has_second_factor: bool,
    posts: Vec<PostView>,
}

impl UserView {
    fn of(line: &admin::Line) -> Self {
        Self {
            id: line.id.to_string(),
            login: line.login.clone(),
            name: line.shown_name(),
            kind: if line.is_officer {
                "officer"
            } else {
                "citizen"
            },
            is_disabled: line.is_disabled,
            assurance: line.assurance,
            has_second_factor: line.has_second_factor,
            posts: line.posts.iter().map(PostView::from).collect(),
        }
    }
}

#[derive(Serialize, ToSchema)]
struct UserPage {
    items: Vec<UserView>,
    /// The `after` of the next page.
    next: Option<String>,
}

/// Users by login name; system and security administrators only.
#[utoipa::path(get, path = "/api/identity/admin/users", tag = "identity", params(UserFilter),
    responses((status = 200, body = UserPage), (status = 403)))]
async fn list_users(
    State(app): State<App>,
    actor: Actor,
    Query(filter): Query<UserFilter>,
) -> Answer<UserPage> {
    let (wanted, after) = (
        filter.q.unwrap_or_default(),
        filter.after.unwrap_or_default(),
    );
    let limit = filter.limit.unwrap_or(50);
    let page = admin::list(&*identity(&app)?, &actor, &wanted, &after, limit).await?;
    let items = page.lines.iter().map(UserView::of).collect();
    Ok(Json(UserPage {
        items,
        next: page.next,
    }))
}

/// One user; system and security administrators only.
#[utoipa::path(get, path = "/api/identity/admin/users/{id}", tag = "identity",
    params(("id" = String, Path)), responses((status = 200, body = UserView), (status = 403), (status = 404)))]
async fn get_user(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<UserView> {
    let user: UserId = parse_id(&id, "user")?;
    let line = admin::get(&*identity(&app)?, &actor, user).await?;
    Ok(Json(UserView::of(&line)))
}

/// Makes an officer's account without posts; system administrators only.
#[utoipa::path(post, path = "/api/identity/admin/users", tag = "identity", request_body = admin::NewOfficer,
    responses((status = 201, body = Created), (status = 403), (status = 422)))]
async fn create_officer(
    State(app): State<App>,
    actor: Actor,
    Json(body): Json<admin::NewOfficer>,
) -> Result<(StatusCode, Json<Created>), WebError> {
    Ok(created(
        admin::create_officer(&*identity(&app)?, &actor, &body).await?,
    ))
}

#[derive(Deserialize, ToSchema)]
struct Disabled {
    #[schema(example = true)]
    is_disabled: bool,
}

/// Locks a user out at once, or lets her in again; operators only.
#[utoipa::path(put, path = "/api/identity/admin/users/{id}/disabled", tag = "identity",
    params(("id" = String, Path)), request_body = Disabled,
    responses((status = 204), (status = 403), (status = 404)))]
async fn set_disabled(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<Disabled>,
) -> Result<StatusCode, WebError> {
    let user: UserId = parse_id(&id, "user")?;
    let identity = identity(&app)?;
    if body.is_disabled {
        admin::disable(&identity, &actor, user).await?;
    } else {
        admin::enable(&identity, &actor, user).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Gives an officer a post; security administrators only. Nobody holds two of the posts
/// `operator`, `security` and `auditor`.
#[utoipa::path(put, path = "/api/identity/admin/users/{id}/posts", tag = "identity",
    params(("id" = String, Path)), request_body = admin::Place,
    responses((status = 204), (status = 403), (status = 422)))]
async fn assign_post(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<admin::Place>,
) -> Result<StatusCode, WebError> {
    let user: UserId = parse_id(&id, "user")?;
    admin::assign_post(&*identity(&app)?, &actor, user, &body).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a post away at once; security administrators only.
#[utoipa::path(delete, path = "/api/identity/admin/users/{id}/posts", tag = "identity",
    params(("id" = String, Path)), request_body = admin::Place,
    responses((status = 204), (status = 403), (status = 404)))]
async fn remove_post(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<admin::Place>,
) -> Result<StatusCode, WebError> {
    let user: UserId = parse_id(&id, "user")?;
    admin::remove_post(&*identity(&app)?, &actor, user, &body).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all sessions of a user at once; security administrators only.
#[utoipa::path(delete, path = "/api/identity/admin/users/{id}/sessions", tag = "identity",
    params(("id" = String, Path)),
    responses((status = 204), (status = 403), (status = 404)))]
async fn end_sessions(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<StatusCode, WebError> {
    let user: UserId = parse_id(&id, "user")?;
    admin::end_sessions(&*identity(&app)?, &actor, user).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, IntoParams)]
struct EventQuery {
    /// Beginning of the kind.
    #[param(example = "identity.")]
    kind: Option<String>,
    #[param(example = "case:0192f0c1-2b3c-7d4e-8f50-617283940a1b")]
    subject: Option<String>,
    /// Beginning of the actor.
    actor: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

#[derive(Serialize, ToSchema)]
struct EventView {
    #[schema(example = 1185)]
    position: i64,
    id: String,
    at: chrono::DateTime<chrono::Utc>,
    #[schema(example = "identity.post_assigned.v1")]
    kind: String,
    subject: String,
    actor: String,
    #[schema(value_type = Object)]
    data: serde_json::Value,
}

#[derive(Serialize, ToSchema)]
struct EventPage {
    items: Vec<EventView>,
    next: Option<String>,
}

/// Sealed events, the latest first; audit administrators only.
#[utoipa::path(get, path = "/api/identity/admin/events", tag = "identity", params(EventQuery),
    responses((status = 200, body = EventPage), (status = 403)))]
async fn list_events(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<EventQuery>,
) -> Answer<EventPage> {
    let filter = store::event::EventFilter {
        kind: query.kind.unwrap_or_default(),
        subject: query.subject.unwrap_or_default(),
        actor: query.actor.unwrap_or_default(),
    };
    let request = store::page::PageRequest::new(query.after, query.limit);
    let page = crate::audit::list(&*identity(&app)?, &actor, &filter, &request).await?;
    let view = |event: store::Event| EventView {
        position: event.position,
        id: event.id,
        at: event.at,
        kind: event.kind,
        subject: event.subject,
        actor: event.actor,
        data: event.data,
    };
    Ok(Json(EventPage {
        items: page.items.into_iter().map(view).collect(),
        next: page.next,
    }))
}
