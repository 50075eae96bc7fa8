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
    ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, sea_query::OnConflict,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::App;

use crate::{event, schema::superior, words};

/// Where the two nodes of the cascade keep their keys and memory; an [`App`] part.
#[derive(Clone, Debug)]
pub struct Place(pub PathBuf);

impl Place {
    /// The node at the superior hub.
    pub fn superior(&self) -> Folder {
        Folder(self.0.join("superior"))
    }

    /// The node at this hub.
    pub fn own(&self) -> Folder {
        Folder(self.0.join("own"))
    }
}

/// How the node that brings the superior's rows is called at this hub, and whom this hub's stewards
/// subscribe so that rows go up.
pub const NODE: &str = "superior";
const ONLY: &str = "superior";

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
            problem: row.problem,
        }
    }
}

pub(crate) fn may(app: &App, actor: &Actor, action: &str) -> Result<()> {
    actor.may(&*app.part::<Gate>()?, action, &Resource::system())
}

pub(crate) async fn row(db: &impl ConnectionTrait) -> Result<Option<superior::Model>> {
    let found = superior::Entity::find_by_id(ONLY).one(db).await;
    found.map_err(|e| fault("read the superior hub", e).into())
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
    let told = |trouble: Trouble| match trouble {
        Trouble::Refused(why) => {
            Error::invalid("code", Text::new("cascade-refused").with("why", why))
        }
        Trouble::Fault(fault) if fault.is_transient => {
            let text = Text::new("cascade-unreachable").with("why", fault.chain());
            Error::invalid("hub", text)
        }
        Trouble::Fault(fault) => {
            let text = Text::new("cascade-refused").with("why", fault.chain());
            Error::invalid("code", text)
        }
    };
    let membership = enrol::enrol(&place.superior(), asked.hub.trim(), asked.code.trim())
        .await
        .map_err(told)?;
    let invitation = Invitation {
        node: NODE.into(),
        title: asked.title.trim().to_owned(),
        org: asked.org.clone(),
    };
    let code = enrolment::invite(app, &Actor::system(), &invitation).await?;
    let own = enrol::enrol(&place.own(), &hub.address(), &code).await;
    own.map_err(|trouble| Fault::new(format!("join this hub's own exchange: {trouble}")))?;
    let who = actor.trace();
    let fresh = superior::Model {
        id: ONLY.into(),
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
    app.db()
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
                above::close_node(&tx, NODE, &who).await?;
                enrolment::revoke_in(&hub, &tx, NODE, &reason, &who).await?;
                moved(&tx, &who, &ended)
            }
        })
        .await?;
    enrolment::shut_out(&hub, NODE);
    Ok(())
}

/// Notes that the superior knows that this hub left.
pub(crate) async fn left(app: &App) -> Result<()> {
    app.db()
        .write(move |tx| async move {
            let known = row(&*tx).await?;
            let known = known.filter(|row| row.state == Standing::Leaving.name());
            let Some(known) = known else {
                return Ok(());
            };
            let left = superior::Model {
                state: Standing::Left.name().into(),
                problem: String::new(),
                ..known
            };
            put(&tx, left.clone()).await?;
            moved(&tx, &Actor::system().trace(), &left)
        })
        .await
}
