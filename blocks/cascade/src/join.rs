//! Joining a superior hub, leaving it, and how that stands.

use std::path::PathBuf;

use ::store::fault;
use chrono::{DateTime, Utc};
use exchange::{
    Hub,
    hub::{
        above,
        enrolment::{self, Invitation},
    },
    node::{Folder, client::Trouble, enrol},
};
use identity::{Actor, Gate, Resource};
use kernel::{
    Error, Fault, Finding, Result, Text,
    clock::{from_micros, micros},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, sea_query::OnConflict,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::App;

use crate::{event, schema::superior, words};

/// Where the two nodes of the cascade keep their keys and memory; an [`App`] part.
#[derive(Clone, Debug)]
pub struct Place(pub PathBuf);

impl Place {
    /// The node at the superior hub, which is called so here.
    pub fn superior(&self, here: &str) -> Folder {
        Folder(self.0.join(here))
    }

    /// The node at this hub, which is called so.
    pub fn own(&self, here: &str) -> Folder {
        let suffix = here.strip_prefix(NODE).unwrap_or_default();
        Folder(self.0.join(format!("own{suffix}")))
    }
}

/// How the node that brings the first superior's rows is called at this hub, and whom this hub's
/// stewards subscribe so that rows go up. Each later superior has a node of its own, `superior-2` and
/// so on: nothing that is said of the former one holds for it.
pub const NODE: &str = "superior";

/// What a superior's steward handed over.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CascadeJoining)]
pub struct Joining {
    /// Address of the superior's exchange.
    #[schema(example = "https://hub.province.gov.cn:8444")]
    pub hub: String,
    /// The one-time code of its invitation.
    #[schema(example = "TB1.00112233445566778899aabbccddeeff.00112233445566778899aabbccddeeff")]
    pub code: String,
    /// Unified social credit code of the superior centre.
    #[schema(example = "11320000990000017P")]
    pub org: String,
    #[schema(example = "示范省数据局（合成）")]
    pub title: String,
}

/// How this hub stands to its superior.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CascadeSuperiorStanding)]
pub enum Standing {
    Joined,
    /// Left here; the superior does not know it yet.
    Leaving,
    Left,
    /// The superior shut this hub out.
    Struck,
}

impl Standing {
    pub fn name(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Leaving => "leaving",
            Self::Left => "left",
            Self::Struck => "struck",
        }
    }

    fn of_name(name: &str) -> Self {
        match name {
            "joined" => Self::Joined,
            "leaving" => Self::Leaving,
            "struck" => Self::Struck,
            _ => Self::Left,
        }
    }
}

/// The superior hub as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CascadeSuperior)]
pub struct Superior {
    #[schema(example = "https://hub.province.gov.cn:8444")]
    pub hub: String,
    /// How this hub is called there.
    #[schema(example = "yungang")]
    pub node: String,
    /// How the superior is called here: whom stewards subscribe so that rows go up.
    #[schema(example = "superior")]
    pub here: String,
    pub is_joined: bool,
    pub standing: Standing,
    pub joined_at: DateTime<Utc>,
    pub seen_at: Option<DateTime<Utc>>,
    pub reported_at: Option<DateTime<Utc>>,
    /// What is in the way; empty for nothing.
    pub problem: String,
}

impl From<superior::Model> for Superior {
    fn from(row: superior::Model) -> Self {
        Self {
            is_joined: row.state == Standing::Joined.name(),
            standing: Standing::of_name(&row.state),
            joined_at: from_micros(row.joined_at),
            seen_at: row.seen_at.map(from_micros),
            reported_at: row.reported_at.map(from_micros),
            hub: row.hub,
            node: row.node,
            here: row.id,
            problem: row.problem,
        }
    }
}

pub(crate) fn may(app: &App, actor: &Actor, action: &str) -> Result<()> {
    actor.may(&*app.part::<Gate>()?, action, &Resource::system())
}

/// The superior that this hub joined last.
pub(crate) async fn row(db: &impl ConnectionTrait) -> Result<Option<superior::Model>> {
    let found = superior::Entity::find()
        .order_by_desc(superior::Column::JoinedAt)
        .order_by_desc(superior::Column::Id)
        .one(db)
        .await;
    found.map_err(|e| fault("read the superior hub", e).into())
}

/// Superiors that do not know yet that this hub left.
pub(crate) async fn leaving(db: &impl ConnectionTrait) -> Result<Vec<superior::Model>> {
    let found = superior::Entity::find()
        .filter(superior::Column::State.eq(Standing::Leaving.name()))
        .order_by_asc(superior::Column::Id)
        .all(db)
        .await;
    found.map_err(|e| fault("read superior hubs", e).into())
}

pub(crate) async fn put(tx: &::store::Tx, row: superior::Model) -> Result<()> {
    use superior::Column as C;
    let again = OnConflict::column(C::Id)
        .update_columns([
            C::Hub,
            C::Node,
            C::State,
            C::JoinedBy,
            C::JoinedAt,
            C::SeenAt,
            C::ReportedAt,
            C::Problem,
        ])
        .to_owned();
    superior::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(again)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("write the superior hub", e))?;
    Ok(())
}

/// How it stands; none where this hub never had a superior.
pub async fn standing(app: &App, actor: &Actor) -> Result<Option<Superior>> {
    may(app, actor, "cascade.read")?;
    Ok(row(app.db().read()).await?.map(Superior::from))
}

/// Joins a superior hub by its code: as a node there, and as a node here for what comes from it.
pub async fn join(app: &App, actor: &Actor, asked: &Joining) -> Result<Superior> {
    may(app, actor, "cascade.join")?;
    let findings = findings(asked);
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    let hub = app.part::<Hub>()?;
    if hub.address().is_empty() {
        return Err(Error::refused("cascade-not-listening"));
    }
    let place = app.part::<Place>()?;
    let here = here(&hub, &place, asked).await?;
    must_be_free(app, &here).await?;
    let membership = enrol::enrol(&place.superior(&here), asked.hub.trim(), asked.code.trim())
        .await
        .map_err(told)?;
    let invitation = Invitation {
        node: here.clone(),
        title: asked.title.trim().to_owned(),
        org: asked.org.clone(),
    };
    let code = enrolment::invite(app, &Actor::system(), &invitation).await?;
    let own = enrol::enrol(&place.own(&here), &hub.address(), &code).await;
    own.map_err(|trouble| Fault::new(format!("join this hub's own exchange: {trouble}")))?;
    let who = actor.trace();
    let fresh = superior::Model {
        id: here,
        hub: membership.hub,
        node: membership.node,
        state: Standing::Joined.name().into(),
        joined_by: who.clone(),
        joined_at: 0,
        seen_at: None,
        reported_at: None,
        problem: String::new(),
    };
    let done = app
        .db()
        .write(move |tx| {
            let (fresh, who) = (fresh.clone(), who.clone());
            async move {
                let fresh = superior::Model {
                    joined_at: micros(tx.now()),
                    ..fresh
                };
                put(&tx, fresh.clone()).await?;
                moved(&tx, &who, &fresh)?;
                Ok(fresh)
            }
        })
        .await?;
    Ok(done.into())
}

/// Why the superior's hub was not joined, at the field where it can be mended.
fn told(trouble: Trouble) -> Error {
    let at = |field: &str, key, why: String| Error::invalid(field, Text::new(key).with("why", why));
    match trouble {
        Trouble::Refused(why) => at("code", "cascade-refused", why),
        Trouble::Fault(fault) if fault.is_transient => {
            at("hub", "cascade-unreachable", fault.chain())
        }
        Trouble::Fault(fault) => at("code", "cascade-refused", fault.chain()),
    }
}

/// How the superior of a code is called here: as before if this hub knows it, which is by its
/// authority and its organisation, or by a name that nobody has.
async fn here(hub: &Hub, place: &Place, asked: &Joining) -> Result<String> {
    let mut number = 1;
    loop {
        let name = match number {
            1 => NODE.to_owned(),
            number => format!("{NODE}-{number}"),
        };
        let node = enrolment::lookup(hub, &name).await?;
        let is_own = place.own(&name).membership().is_ok();
        let is_its = node.is_none_or(|node| is_own && node.org == asked.org);
        let is_from = match place.superior(&name).membership() {
            Ok(known) => enrol::is_from(&known, &asked.code).map_err(|fault| told(fault.into()))?,
            Err(_) => true,
        };
        if is_its && is_from {
            return Ok(name);
        }
        number += 1;
    }
}

/// There is one superior at a time, and one that this hub leaves hears of it before it is joined
/// again: what flowed there must have ended.
async fn must_be_free(app: &App, here: &str) -> Result<()> {
    let known = row(app.db().read()).await?;
    let is_joined = |row: &superior::Model| row.state == Standing::Joined.name();
    if known.is_some_and(|row| is_joined(&row) && row.id != here) {
        return Err(Error::refused("cascade-still-joined"));
    }
    let leaving = leaving(app.db().read()).await?;
    if leaving.iter().any(|row| row.id == here) {
        crate::work::tell(app, here).await.map_err(told)?;
        left(app, here).await?;
    }
    Ok(())
}

fn findings(asked: &Joining) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |field: &str, key| findings.push(Finding::new(field, Text::new(key)));
    if !asked.hub.trim().starts_with("https://") {
        found("hub", "cascade-hub");
    }
    if asked.code.trim().is_empty() {
        found("code", "cascade-code-missing");
    }
    if kernel::code::uscc::parse(&asked.org).is_err() {
        found("org", "exchange-org");
    }
    if asked.title.trim().is_empty() {
        found("title", "exchange-title-missing");
    }
    findings
}

fn moved(tx: &::store::Tx, who: &str, row: &superior::Model) -> Result<()> {
    let body = event::SuperiorMoved {
        hub: row.hub.clone(),
        node: row.node.clone(),
        state: row.state.clone(),
    };
    tx.emit("cascade", who, &body)
}

/// Leaves the superior: nothing goes up or comes down from now on. What it sent stays. The
/// superior hears of it by the cascade's loop, which tries until it knows.
pub async fn leave(app: &App, actor: &Actor) -> Result<()> {
    may(app, actor, "cascade.join")?;
    let reason = words(app, "cascade-own-left");
    end(app, Standing::Leaving, reason, actor.trace()).await
}

/// Ends at this hub what flowed to and from the superior: the node that brought its rows, its
/// publications here, and what was subscribed upward.
pub(crate) async fn end(app: &App, to: Standing, reason: String, who: String) -> Result<()> {
    let hub = app.part::<Hub>()?;
    let own = hub.clone();
    let here = app
        .db()
        .write(move |tx| {
            let (hub, who, reason) = (own.clone(), who.clone(), reason.clone());
            async move {
                let known = row(&*tx).await?;
                let known = known.filter(|row| row.state == Standing::Joined.name());
                let known = known.ok_or_else(|| Error::refused("cascade-not-joined"))?;
                let ended = superior::Model {
                    state: to.name().into(),
                    problem: String::new(),
                    ..known
                };
                put(&tx, ended.clone()).await?;
                above::close_node(&tx, &ended.id, &who).await?;
                enrolment::revoke_in(&hub, &tx, &ended.id, &reason, &who).await?;
                moved(&tx, &who, &ended)?;
                Ok(ended.id)
            }
        })
        .await?;
    enrolment::shut_out(&hub, &here);
    Ok(())
}

/// Notes that the superior knows that this hub left.
pub(crate) async fn left(app: &App, here: &str) -> Result<()> {
    let here = here.to_owned();
    app.db()
        .write(move |tx| {
            let here = here.clone();
            async move {
                let all = leaving(&*tx).await?;
                let Some(known) = all.into_iter().find(|row| row.id == here) else {
                    return Ok(());
                };
                let left = superior::Model {
                    state: Standing::Left.name().into(),
                    problem: String::new(),
                    ..known
                };
                put(&tx, left.clone()).await?;
                moved(&tx, &Actor::system().trace(), &left)
            }
        })
        .await
}
