//! Who may act for whom: a firm's legal representative and agents, a person's proxies.

use chrono::NaiveDate;
use kernel::{Error, Finding, Result, Text};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
};
use store::{Tx, fault};

use crate::{
    Actor, AgentId, Identity, Party, PartyId, PartyKind, Resource, Ticket, UserId, event,
    schema::{agent as table, party, session, token},
    store::{id, lookup_party, lookup_user_by_name, party_of, touch_user},
};

/// Every matter.
pub const EVERYTHING: &str = "*";

/// Why somebody may act for a party.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The legal representative of a firm, who alone appoints its agents.
    Representative,
    /// Appointed for a firm.
    Agent,
    /// Appointed by a natural person.
    Proxy,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Self::Representative => "representative",
            Self::Agent => "agent",
            Self::Proxy => "proxy",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "representative" => Self::Representative,
            "proxy" => Self::Proxy,
            _ => Self::Agent,
        }
    }
}

/// One appointment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    pub id: AgentId,
    pub party: PartyId,
    pub user: UserId,
    pub role: Role,
    /// [`EVERYTHING`], or matter codes separated by spaces.
    pub scope: String,
    pub from: NaiveDate,
    /// Last day on which it holds.
    pub until: NaiveDate,
    pub is_dismissed: bool,
}

impl Agent {
    pub fn is_valid(&self, today: NaiveDate) -> bool {
        !self.is_dismissed && self.from <= today && today <= self.until
    }

    /// Whether the appointment speaks of the matter (its code or a prefix of it).
    pub fn covers(&self, matter: &str) -> bool {
        self.scope
            .split_whitespace()
            .any(|part| part == EVERYTHING || matter.starts_with(part))
    }
}

/// What an appointment form holds.
#[derive(Clone, Debug, Default, serde::Deserialize, utoipa::ToSchema)]
pub struct Appointment {
    /// Login name or citizen number of the agent.
    #[schema(example = "zhang-jing")]
    pub login: String,
    /// The agent's name, so that nobody appoints a stranger by a slip.
    #[schema(example = "张静（合成）")]
    pub name: String,
    /// `*`, or matter codes separated by spaces.
    #[serde(default)]
    #[schema(example = "*")]
    pub scope: String,
    #[schema(example = "2026-03-02")]
    pub from: String,
    #[schema(example = "2026-12-31")]
    pub until: String,
}

/// Lets somebody act for the actor's present party: the firm she represents, or herself.
pub async fn appoint(identity: &Identity, actor: &Actor, form: &Appointment) -> Result<AgentId> {
    let party = actor.party().cloned().ok_or_else(forbidden)?;
    may_manage(identity, actor, &party).await?;
    let (from, until) = days(form, identity.db.clock().today())?;
    let found = lookup_user_by_name(identity.db.read(), &form.login).await?;
    let user = found.filter(|user| user.party_id.is_some() && user.name == form.name.trim());
    let Some(user) = user else {
        return Err(Error::invalid("login", Text::new("identity-agent-unknown")));
    };
    let agent_user: UserId = id(&user.id)?;
    if agent_user == actor.user {
        return Err(Error::invalid("login", Text::new("identity-agent-oneself")));
    }
    let role = match party.kind {
        PartyKind::Legal => Role::Agent,
        PartyKind::Natural => Role::Proxy,
    };
    let scope = scope_of(&form.scope);
    let agent = Agent {
        id: AgentId::new(identity.db.clock()),
        party: party.id,
        user: agent_user,
        role,
        scope,
        from,
        until,
        is_dismissed: false,
    };
    let (new, by, trace) = (agent.id, actor.user.to_string(), actor.trace());
    identity
        .db
        .write(move |tx| {
            let (agent, party, by, trace) =
                (agent.clone(), party.clone(), by.clone(), trace.clone());
            async move {
                insert(&tx, &agent, &by).await?;
                emit_appointed(&tx, &trace, &agent, &party.name)
            }
        })
        .await?;
    Ok(new)
}

pub(crate) fn emit_appointed(tx: &Tx, trace: &str, agent: &Agent, party_name: &str) -> Result<()> {
    let body = event::AgentAppointed {
        agent: agent.id.to_string(),
        party: agent.party.to_string(),
        party_name: party_name.to_owned(),
        user: agent.user.to_string(),
        role: agent.role.name().to_owned(),
        scope: agent.scope.clone(),
        from_day: agent.from.to_string(),
        until_day: agent.until.to_string(),
    };
    tx.emit(format!("party:{}", agent.party), trace, &body)
}

fn scope_of(typed: &str) -> String {
    let parts: Vec<_> = typed
        .split([' ', ',', '，', '、', '\n'])
        .map(str::trim)
        .filter(|p| !p.is_empty())
        .collect();
    if parts.is_empty() {
        EVERYTHING.to_owned()
    } else {
        parts.join(" ")
    }
}

fn days(form: &Appointment, today: NaiveDate) -> Result<(NaiveDate, NaiveDate)> {
    let read = |field: &str, text: &str| {
        text.trim()
            .parse::<NaiveDate>()
            .map_err(|_| Finding::new(field, Text::new("identity-agent-day-unreadable")))
    };
    match (read("from", &form.from), read("until", &form.until)) {
        (Ok(from), Ok(until)) if until < from => Err(Error::invalid(
            "until",
            Text::new("identity-agent-ends-before-it-begins"),
        )),
        (Ok(_), Ok(until)) if until < today => Err(Error::invalid(
            "until",
            Text::new("identity-agent-already-over"),
        )),
        (Ok(from), Ok(until)) => Ok((from, until)),
        (from, until) => Err(Error::Invalid(
            [from.err(), until.err()].into_iter().flatten().collect(),
        )),
    }
}

fn forbidden() -> Error {
    Error::Forbidden {
        action: "identity.agent.manage".into(),
    }
}

/// A natural person manages her own proxies; a firm's agents are managed by its representative.
async fn may_manage(identity: &Identity, actor: &Actor, party: &Party) -> Result<()> {
    let resource = Resource::new("Party", party.id).owner(party.id);
    actor.may(&identity.gate, "identity.agent.manage", &resource)?;
    if actor.own.as_ref().is_some_and(|own| own.id == party.id) {
        return Ok(());
    }
    let mine = lookup_valid(
        identity.db.read(),
        actor.user,
        party.id,
        identity.db.clock().today(),
    )
    .await?;
    match mine {
        Some(agent) if agent.role == Role::Representative => Ok(()),
        _ => Err(forbidden()),
    }
}

/// Ends an appointment at once; who acts under it now acts for himself at his next request.
pub async fn dismiss(identity: &Identity, actor: &Actor, agent: AgentId) -> Result<()> {
    let row = table::Entity::find_by_id(agent.to_string())
        .one(identity.db.read())
        .await
        .map_err(|e| fault("read an agent", e))?
        .ok_or(Error::NotFound { what: "agent" })?;
    let party = lookup_party(identity.db.read(), &row.party_id).await?;
    let party = party_of(party.ok_or(Error::NotFound { what: "agent" })?)?;
    may_manage(identity, actor, &party).await?;
    if Role::parse(&row.role) == Role::Representative {
        return Err(Error::refused("identity-agent-representative-stays"));
    }
    let trace = actor.trace();
    identity
        .db
        .write(move |tx| {
            let (row, trace) = (row.clone(), trace.clone());
            async move {
                let now = kernel::clock::micros(tx.now());
                table::Entity::update_many()
                    .set(table::ActiveModel {
                        dismissed_at: Set(Some(now)),
                        ..Default::default()
                    })
                    .filter(table::Column::Id.eq(&row.id))
                    .filter(table::Column::DismissedAt.is_null())
                    .exec(&*tx)
                    .await
                    .map_err(|e| fault("dismiss an agent", e))?;
                touch_user(&tx, &row.user_id).await?;
                let subject = format!("party:{}", row.party_id);
                let body = event::AgentDismissed {
                    agent: row.id,
                    party: row.party_id,
                    user: row.user_id,
                };
                tx.emit(subject, trace, &body)
            }
        })
        .await
}

/// From the next request on, this session or token acts for the party, or for its user again.
pub async fn act_for(
    identity: &Identity,
    actor: &Actor,
    ticket: &Ticket,
    party: Option<PartyId>,
) -> Result<()> {
    let own = Resource::new("User", actor.user);
    actor.may(&identity.gate, "identity.party.switch", &own)?;
    let party = party.filter(|party| actor.own.as_ref().is_none_or(|own| own.id != *party));
    if let Some(party) = party {
        let today = identity.db.clock().today();
        let agent = lookup_valid(identity.db.read(), actor.user, party, today).await?;
        agent.ok_or(Error::refused("identity-acting-not-appointed"))?;
    }
    let (ticket, trace, user) = (ticket.clone(), actor.trace(), actor.user);
    let party = party.map(String::from);
    identity
        .db
        .write(move |tx| {
            let (ticket, trace, party) = (ticket.clone(), trace.clone(), party.clone());
            async move {
                switch(&tx, &ticket, party.clone()).await?;
                let body = event::PartySwitched {
                    user: user.to_string(),
                    party,
                };
                tx.emit(format!("user:{user}"), trace, &body)
            }
        })
        .await
}

async fn switch(tx: &Tx, ticket: &Ticket, party: Option<String>) -> Result<()> {
    match ticket {
        Ticket::Session(id) => {
            session::Entity::update_many()
                .set(session::ActiveModel {
                    acting_for: Set(party),
                    ..Default::default()
                })
                .filter(session::Column::Id.eq(id.to_string()))
                .exec(&**tx)
                .await
        }
        Ticket::Token(id) => {
            token::Entity::update_many()
                .set(token::ActiveModel {
                    acting_for: Set(party),
                    ..Default::default()
                })
                .filter(token::Column::Id.eq(id.to_string()))
                .exec(&**tx)
                .await
        }
    }
    .map_err(|e| fault("switch the party", e))?;
    Ok(())
}

/// The appointment under which the user acts for the party today; the representative's first.
pub async fn lookup_valid(
    db: &impl ConnectionTrait,
    user: UserId,
    party: PartyId,
    today: NaiveDate,
) -> Result<Option<Agent>> {
    let mut valid: Vec<_> = list_of_user(db, user)
        .await?
        .into_iter()
        .filter(|a| a.party == party && a.is_valid(today))
        .collect();
    valid.sort_by_key(|agent| agent.role != Role::Representative);
    Ok(valid.into_iter().next())
}

/// Everybody appointed for the actor's present party, ended appointments too; for those who may
/// appoint.
pub async fn list_own(identity: &Identity, actor: &Actor) -> Result<Vec<Agent>> {
    let party = actor.party().ok_or_else(forbidden)?;
    let own = Resource::new("User", actor.user);
    actor.may(&identity.gate, "identity.self.read", &own)?;
    if actor.own.as_ref().is_none_or(|own| own.id != party.id) {
        let today = identity.db.clock().today();
        let mine = lookup_valid(identity.db.read(), actor.user, party.id, today).await?;
        if mine.is_none_or(|agent| agent.role != Role::Representative) {
            return Err(forbidden());
        }
    }
    list_of_party(identity.db.read(), party.id).await
}

/// The parties that the actor may act for today, besides herself.
pub async fn list_parties(identity: &Identity, actor: &Actor) -> Result<Vec<Party>> {
    let own = Resource::new("User", actor.user);
    actor.may(&identity.gate, "identity.self.read", &own)?;
    let today = identity.db.clock().today();
    let mut parties: Vec<Party> = Vec::new();
    for agent in list_of_user(identity.db.read(), actor.user).await? {
        if !agent.is_valid(today) || parties.iter().any(|party| party.id == agent.party) {
            continue;
        }
        if let Some(row) = lookup_party(identity.db.read(), &agent.party.to_string()).await? {
            parties.push(party_of(row)?);
        }
    }
    Ok(parties)
}

/// Everybody appointed by a party, oldest first, ended ones too.
pub async fn list_of_party(db: &impl ConnectionTrait, party: PartyId) -> Result<Vec<Agent>> {
    list(db, table::Column::PartyId, party.to_string()).await
}

/// As [`list_of_party`] for a firm; nobody is appointed by another party.
pub(crate) async fn list_of_firm(db: &impl ConnectionTrait, party: PartyId) -> Result<Vec<Agent>> {
    let firm = party::Entity::find()
        .select_only()
        .column(party::Column::Id)
        .filter(party::Column::Id.eq(party.to_string()))
        .filter(party::Column::Kind.eq("legal"))
        .into_query();
    let rows = table::Entity::find()
        .filter(table::Column::PartyId.in_subquery(firm))
        .order_by_asc(table::Column::Id)
        .all(db)
        .await
        .map_err(|e| fault("list a firm's agents", e))?;
    rows.into_iter().map(agent_of).collect()
}

/// Every appointment of a user, oldest first, ended ones too.
pub async fn list_of_user(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<Agent>> {
    list(db, table::Column::UserId, user.to_string()).await
}

async fn list(
    db: &impl ConnectionTrait,
    column: table::Column,
    value: String,
) -> Result<Vec<Agent>> {
    let rows = table::Entity::find()
        .filter(column.eq(value))
        .order_by_asc(table::Column::Id)
        .all(db)
        .await
        .map_err(|e| fault("list agents", e))?;
    rows.into_iter().map(agent_of).collect()
}

fn agent_of(row: table::Model) -> Result<Agent> {
    let day = |text: &str| {
        text.parse()
            .map_err(|e| kernel::Fault::caused_by("day of an appointment", e))
    };
    Ok(Agent {
        id: id(&row.id)?,
        party: id(&row.party_id)?,
        user: id(&row.user_id)?,
        role: Role::parse(&row.role),
        scope: row.scope,
        from: day(&row.from_day)?,
        until: day(&row.until_day)?,
        is_dismissed: row.dismissed_at.is_some(),
    })
}

pub(crate) async fn insert(tx: &Tx, agent: &Agent, by: &str) -> Result<()> {
    let row = table::ActiveModel {
        id: Set(agent.id.to_string()),
        party_id: Set(agent.party.to_string()),
        user_id: Set(agent.user.to_string()),
        role: Set(agent.role.name().to_owned()),
        scope: Set(agent.scope.clone()),
        from_day: Set(agent.from.to_string()),
        until_day: Set(agent.until.to_string()),
        appointed_by: Set(by.to_owned()),
        created_at: Set(kernel::clock::micros(tx.now())),
        dismissed_at: Set(None),
    };
    table::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("insert an agent", e))?;
    touch_user(tx, &agent.user.to_string()).await
}

/// Refuses unless the actor's present party and appointment cover the matter. Who acts for
/// herself may always apply.
pub async fn check_scope(
    db: &impl ConnectionTrait,
    actor: &Actor,
    matter: &str,
    today: NaiveDate,
) -> Result<()> {
    let Some(party) = &actor.acting_for else {
        return Ok(());
    };
    let agents = list_of_user(db, actor.user).await?;
    let mut valid = agents
        .iter()
        .filter(|a| a.party == party.id && a.is_valid(today));
    if valid.any(|agent| agent.covers(matter)) {
        Ok(())
    } else {
        Err(Error::refused("identity-agent-out-of-scope"))
    }
}

/// For tests' people: all their tokens act for the party.
pub(crate) async fn act_for_with_all_tokens(
    db: &store::Db,
    user: UserId,
    party: PartyId,
) -> Result<()> {
    db.write(move |tx| async move {
        token::Entity::update_many()
            .set(token::ActiveModel {
                acting_for: Set(Some(party.to_string())),
                ..Default::default()
            })
            .filter(token::Column::UserId.eq(user.to_string()))
            .exec(&*tx)
            .await
            .map_err(|e| fault("switch the party", e))?;
        Ok(())
    })
    .await
}
