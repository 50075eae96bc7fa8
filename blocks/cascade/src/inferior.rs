//! Hubs below this one: that they came, and what ends when one leaves or is struck off.

use ::store::{Tx, fault};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use exchange::{
    Hub,
    hub::{Peer, above, enrolment, extension::Extension},
};
use identity::Actor;
use kernel::{
    Error, Fault, Result,
    clock::{from_micros, micros},
};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryOrder,
    sea_query::OnConflict,
};
use serde::Serialize;
use utoipa::ToSchema;
use web::{App, WeakApp};

use crate::{event, join::may, schema::inferior as table, words};

/// The order by which a hub says that it is one, and not a department's node.
pub const JOINED: &str = "tongban.cascade.joined.v1";
/// The order by which a hub leaves.
pub const LEAVING: &str = "tongban.cascade.leaving.v1";

/// How an inferior hub stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CascadeInferiorState)]
pub enum State {
    Joined,
    /// It left of itself.
    Left,
    /// Its certificate was revoked here.
    Struck,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Left => "left",
            Self::Struck => "struck",
        }
    }

    fn of_name(name: &str) -> Self {
        match name {
            "joined" => Self::Joined,
            "left" => Self::Left,
            _ => Self::Struck,
        }
    }
}

/// An inferior hub as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CascadeInferior)]
pub struct Inferior {
    #[schema(example = "yungang")]
    pub node: String,
    /// Unified social credit code.
    #[schema(example = "113210009900000174")]
    pub org: String,
    #[schema(example = "云港市数据局（合成）")]
    pub title: String,
    pub state: State,
    pub joined_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it was struck off; empty for nothing.
    #[schema(example = "")]
    pub reason: String,
}

impl From<table::Model> for Inferior {
    fn from(row: table::Model) -> Self {
        Self {
            state: State::of_name(&row.state),
            joined_at: from_micros(row.joined_at),
            ended_at: row.ended_at.map(from_micros),
            node: row.node,
            org: row.org,
            title: row.title,
            reason: row.reason,
        }
    }
}

/// All hubs that ever came, by node.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<Inferior>> {
    may(app, actor, "cascade.read")?;
    let rows = table::Entity::find()
        .order_by_asc(table::Column::Node)
        .all(app.db().read())
        .await
        .map_err(|e| fault("list inferior hubs", e))?;
    Ok(rows.into_iter().map(Inferior::from).collect())
}

async fn lookup(db: &impl ConnectionTrait, node: &str) -> Result<Option<table::Model>> {
    let found = table::Entity::find_by_id(node).one(db).await;
    found.map_err(|e| fault("read an inferior hub", e).into())
}

async fn put(tx: &Tx, row: table::Model, who: &str) -> Result<()> {
    use table::Column as C;
    let body = event::InferiorMoved {
        node: row.node.clone(),
        org: row.org.clone(),
        state: row.state.clone(),
        reason: row.reason.clone(),
    };
    let again = OnConflict::column(C::Node)
        .update_columns([
            C::Org,
            C::Title,
            C::State,
            C::JoinedAt,
            C::EndedAt,
            C::Reason,
        ])
        .to_owned();
    table::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(again)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("write an inferior hub", e))?;
    tx.emit(format!("node:{}", body.node), who, &body)
}

fn row_of(peer: &Peer, now: i64) -> table::Model {
    table::Model {
        node: peer.code().to_owned(),
        org: peer.org().to_owned(),
        title: peer.title().to_owned(),
        state: State::Joined.name().into(),
        joined_at: now,
        ended_at: None,
        reason: String::new(),
    }
}

/// Notes that a node is a hub; said again, nothing happens.
async fn joined(app: &App, peer: &Peer) -> Result<()> {
    let peer = peer.clone();
    app.db()
        .write(move |tx| {
            let peer = peer.clone();
            async move {
                let known = lookup(&*tx, peer.code()).await?;
                if known.is_some_and(|row| row.state == State::Joined.name()) {
                    return Ok(());
                }
                put(&tx, row_of(&peer, micros(tx.now())), &peer.trace()).await
            }
        })
        .await
}

/// Lets a hub go that leaves: its certificate, what it published here and what it was to have end
/// in one write.
async fn leaving(app: &App, peer: &Peer) -> Result<()> {
    let hub = app.part::<Hub>()?;
    let reason = words(app, "cascade-left-by-itself");
    let (own, node) = (hub.clone(), peer.clone());
    app.db()
        .write(move |tx| {
            let (hub, peer, reason) = (own.clone(), node.clone(), reason.clone());
            async move {
                let now = micros(tx.now());
                let known = lookup(&*tx, peer.code()).await?;
                let row = table::Model {
                    state: State::Left.name().into(),
                    ended_at: Some(now),
                    ..known.unwrap_or_else(|| row_of(&peer, now))
                };
                let who = peer.trace();
                put(&tx, row, &who).await?;
                above::close_node(&tx, peer.code(), &who).await?;
                enrolment::revoke_in(&hub, &tx, peer.code(), &reason, &who).await?;
                Ok(())
            }
        })
        .await?;
    enrolment::shut_out(&hub, peer.code());
    Ok(())
}

/// Hears hubs that join and leave, and strikes one off with its node.
pub struct Door(pub WeakApp);

#[async_trait]
impl Extension for Door {
    fn actions(&self) -> &'static [&'static str] {
        &[JOINED, LEAVING]
    }

    async fn act(&self, peer: &Peer, action: &str, _: &[u8]) -> Result<Vec<u8>> {
        match action {
            JOINED => joined(&self.0.get()?, peer).await?,
            LEAVING => leaving(&self.0.get()?, peer).await?,
            _ => return Err(Error::NotFound { what: "action" }),
        }
        serde_json::to_vec(&()).map_err(|e| Fault::caused_by("write an answer", e).into())
    }

    async fn revoking(&self, tx: &Tx, node: &str, reason: &str, who: &str) -> Result<()> {
        let known = lookup(&**tx, node).await?;
        let Some(row) = known.filter(|row| row.state == State::Joined.name()) else {
            return Ok(());
        };
        let row = table::Model {
            state: State::Struck.name().into(),
            ended_at: Some(micros(tx.now())),
            reason: reason.to_owned(),
            ..row
        };
        put(tx, row, who).await?;
        above::close_node(tx, node, who).await
    }
}
