//! The account itself, acting for others, agents.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect, Response},
};
use kernel::{
    Result,
    mask::{Kind, Profile, mask},
};
use web::{
    App, Html, Page, WebError,
    component::{Fact, Fields, Tab, Tone},
};

use super::{Done, findings_of, identity, tabs};
use crate::{
    Actor, AgentId, Identity, Party, PartyKind, Ticket,
    agent::{self, Appointment},
    directory,
    register::{self, Firm, parse_id},
};

#[derive(Template)]
#[template(path = "identity/account.html")]
struct AccountPage {
    p: Page,
    f: Fields,
    tabs: Vec<Tab>,
    done: String,
    good: Tone,
    facts: Vec<Fact>,
    is_citizen: bool,
    may_verify: bool,
    /// Those the person may act for, herself first.
    parties: Vec<PartyLine>,
}

struct PartyLine {
    /// Empty for oneself.
    id: String,
    name: String,
    code: String,
    is_present: bool,
}

fn shown_code(party: &Party) -> String {
    match party.kind {
        PartyKind::Natural => mask(Kind::Id, Profile::Internal, &party.code),
        PartyKind::Legal => party.code.clone(),
    }
}

pub(super) async fn show(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(done): Query<Done>,
) -> Result<Html, WebError> {
    let done = done.words(&p);
    Html::page(&account_page(&*identity(&app)?, p, &actor, done, Fields::new()).await?)
}

async fn account_page(
    identity: &Identity,
    p: Page,
    actor: &Actor,
    done: String,
    f: Fields,
) -> Result<AccountPage> {
    let others = agent::list_parties(identity, actor).await?;
    let acting = actor.acting_for.as_ref().map(|party| party.id);
    let mut parties: Vec<_> = actor
        .own
        .iter()
        .map(|own| PartyLine {
            id: String::new(),
            name: own.name.clone(),
            code: shown_code(own),
            is_present: acting.is_none(),
        })
        .collect();
    parties.extend(others.iter().map(|party| PartyLine {
        id: party.id.to_string(),
        name: party.name.clone(),
        code: shown_code(party),
        is_present: acting == Some(party.id),
    }));
    Ok(AccountPage {
        f,
        tabs: tabs(&p, "/account", actor.own.is_some()),
        done,
        good: Tone::Good,
        facts: facts(&p, actor),
        is_citizen: actor.own.is_some(),
        may_verify: actor.own.is_some() && actor.assurance < 2,
        parties,
        p,
    })
}

fn facts(p: &Page, actor: &Actor) -> Vec<Fact> {
    let mut facts = vec![Fact::new(p.t("identity-name"), actor.name.clone())];
    if let Some(own) = &actor.own {
        let phone = mask(Kind::Mobile, Profile::Internal, &own.phone);
        let address = mask(Kind::Address, Profile::Internal, &own.address);
        facts.push(Fact::new(p.t("identity-code"), shown_code(own)));
        facts.push(Fact::new(p.t("identity-phone"), phone));
        facts.push(Fact::new(p.t("identity-address"), address));
    }
    let level = p.t(format!("identity-level-{}", actor.assurance));
    facts.push(Fact::new(p.t("identity-level"), level));
    for post in &actor.posts {
        let words = p.t(format!("identity-post-{}", post.post));
        facts.push(Fact::new(words, p.zh(&post.org_name)));
    }
    facts
}

pub(super) async fn verify(
    State(app): State<App>,
    p: Page,
    actor: Actor,
) -> Result<Response, WebError> {
    let identity = identity(&app)?;
    match register::verify(&identity, &actor).await {
        Ok(_) => Ok(Redirect::to("/account?done=verified").into_response()),
        Err(error) => again(&identity, p, &actor, Fields::new(), error).await,
    }
}

async fn again(
    identity: &Identity,
    p: Page,
    actor: &Actor,
    fields: Fields,
    error: kernel::Error,
) -> Result<Response, WebError> {
    let f = fields.rejected(findings_of(error)?);
    let page = account_page(identity, p, actor, String::new(), f).await?;
    Ok(Html::again(&page)?.into_response())
}

pub(super) async fn act_for(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    ticket: Ticket,
    fields: Fields,
) -> Result<Response, WebError> {
    let identity = identity(&app)?;
    let party = Some(fields.value("party")).filter(|id| !id.is_empty());
    let party = party.map(|id| parse_id(id, "party")).transpose()?;
    match agent::act_for(&identity, &actor, &ticket, party).await {
        Ok(()) => Ok(Redirect::to("/account?done=acting").into_response()),
        Err(error) => again(&identity, p, &actor, fields, error).await,
    }
}

pub(super) async fn bind_firm(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    fields: Fields,
) -> Result<Response, WebError> {
    let identity = identity(&app)?;
    let form = Firm {
        code: fields.value("code").to_owned(),
        name: fields.value("name").to_owned(),
    };
    match register::bind_firm(&identity, &actor, &form).await {
        Ok(_) => Ok(Redirect::to("/account?done=firm").into_response()),
        Err(error) => again(&identity, p, &actor, fields, error).await,
    }
}

#[derive(Template)]
#[template(path = "identity/agents.html")]
struct AgentsPage {
    p: Page,
    f: Fields,
    tabs: Vec<Tab>,
    done: String,
    good: Tone,
    plain: Tone,
    party: String,
    /// Only a person herself or a firm's representative appoints.
    may_appoint: bool,
    lines: Vec<AgentLine>,
}

struct AgentLine {
    id: String,
    name: String,
    role: String,
    scope: String,
    days: String,
    is_valid: bool,
    may_be_dismissed: bool,
}

pub(super) async fn show_agents(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(done): Query<Done>,
) -> Result<Html, WebError> {
    let identity = identity(&app)?;
    let today = identity.db.clock().today();
    let f = Fields::new()
        .with("scope", agent::EVERYTHING)
        .with("from", today);
    let done = done.words(&p);
    Html::page(&agents_page(&identity, p, &actor, done, f).await?)
}

async fn agents_page(
    identity: &Identity,
    p: Page,
    actor: &Actor,
    done: String,
    f: Fields,
) -> Result<AgentsPage> {
    let (agents, may_appoint) = match agent::list_own(identity, actor).await {
        Ok(agents) => (agents, true),
        Err(kernel::Error::Forbidden { .. }) => (Vec::new(), false),
        Err(other) => return Err(other),
    };
    let today = identity.db.clock().today();
    let mut lines = Vec::new();
    for agent in agents {
        let user = directory::user(identity.db.read(), agent.user).await?;
        let is_valid = agent.is_valid(today);
        lines.push(AgentLine {
            id: agent.id.to_string(),
            name: user.name,
            role: p.t(format!("identity-role-{}", agent.role.name())),
            scope: if agent.scope == agent::EVERYTHING {
                p.t("identity-scope-everything")
            } else {
                agent.scope
            },
            days: days(&p, agent.from, agent.until),
            is_valid,
            may_be_dismissed: is_valid && agent.role != agent::Role::Representative,
        });
    }
    Ok(AgentsPage {
        f,
        tabs: tabs(&p, "/account/agents", actor.own.is_some()),
        done,
        good: Tone::Good,
        plain: Tone::Plain,
        party: actor
            .party()
            .map(|party| party.name.clone())
            .unwrap_or_default(),
        may_appoint,
        lines,
        p,
    })
}

fn days(p: &Page, from: chrono::NaiveDate, until: chrono::NaiveDate) -> String {
    if until == register::for_good() {
        return p.t1("identity-days-open", "from", p.date(from));
    }
    p.ta(
        "identity-days",
        [("from", &p.date(from)), ("until", &p.date(until))],
    )
}

pub(super) async fn appoint(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    fields: Fields,
) -> Result<Response, WebError> {
    let identity = identity(&app)?;
    let value = |name: &str| fields.value(name).to_owned();
    let form = Appointment {
        login: value("login"),
        name: value("name"),
        scope: value("scope"),
        from: value("from"),
        until: value("until"),
    };
    match agent::appoint(&identity, &actor, &form).await {
        Ok(_) => Ok(Redirect::to("/account/agents?done=appointed").into_response()),
        Err(error) => {
            let f = fields.rejected(findings_of(error)?);
            let page = agents_page(&identity, p, &actor, String::new(), f).await?;
            Ok(Html::again(&page)?.into_response())
        }
    }
}

pub(super) async fn dismiss(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Redirect, WebError> {
    let agent: AgentId = parse_id(&id, "agent")?;
    agent::dismiss(&*identity(&app)?, &actor, agent).await?;
    Ok(Redirect::to("/account/agents?done=dismissed"))
}
