//! Sessions: signed-in browsers, and how a request is recognised by one.
//!
//! Ending a session acts at once: every request reads its row. What is cached is only *what the
//! user may do*, under the user's `stamp`, which the same query reads and every change raises.

use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use kernel::{
    Error, Result,
    clock::{from_micros, micros},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, JoinType,
    QueryFilter, QueryOrder, QuerySelect, RelationDef, sea_query::Expr,
};
use store::{Tx, fault};

use crate::{
    Actor, Identity, Resource, SessionId, Settings, UserId, event,
    schema::{session as table, user},
    store::id,
};

const MINUTE: i64 = 60_000_000;
/// How long the second factor may take after the password.
const CODE_MINUTES: i64 = 5;
const LONGEST_DEVICE: usize = 200;

/// A signed-in browser, as its user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    /// What the browser says it is.
    pub device: String,
    pub address: String,
    pub created_at: DateTime<Utc>,
    /// Exact to a minute.
    pub seen_at: DateTime<Utc>,
    pub second_factor: bool,
}

/// What one query tells about a session and its user.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct Row {
    pub id: String,
    pub user_id: String,
    pub stage: String,
    pub second_factor: bool,
    pub acting_for: Option<String>,
    pub seen_at: i64,
    pub ends_at: i64,
    pub ended_at: Option<i64>,
    pub party_id: Option<String>,
    pub stamp: i64,
    pub disabled_at: Option<i64>,
}

impl Row {
    pub fn is_alive(&self, now: i64, settings: &Settings) -> bool {
        let idle = match &self.party_id {
            Some(_) => settings.citizen_idle_minutes,
            None => settings.officer_idle_minutes,
        };
        self.ended_at.is_none()
            && self.disabled_at.is_none()
            && now < self.ends_at
            && now < self.seen_at + idle * MINUTE
    }

    pub fn is_open(&self) -> bool {
        self.stage == "open"
    }
}

/// The session with that secret, whatever its state.
pub(crate) async fn lookup(db: &impl ConnectionTrait, secret: &str) -> Result<Option<Row>> {
    let of_user: RelationDef = table::Entity::belongs_to(user::Entity)
        .from(table::Column::UserId)
        .to(user::Column::Id)
        .into();
    let row = table::Entity::find()
        .select_only()
        .columns([
            table::Column::Id,
            table::Column::UserId,
            table::Column::Stage,
            table::Column::SecondFactor,
            table::Column::ActingFor,
            table::Column::SeenAt,
            table::Column::EndsAt,
            table::Column::EndedAt,
        ])
        .columns([
            user::Column::PartyId,
            user::Column::Stamp,
            user::Column::DisabledAt,
        ])
        .join(JoinType::InnerJoin, of_user)
        .filter(table::Column::SecretHash.eq(crate::secret::digest(secret)))
        .into_model::<Row>()
        .one(db)
        .await;
    Ok(row.map_err(|e| fault("read a session", e))?)
}

/// Notes that the session is in use, once a minute at most.
pub(crate) async fn touch(identity: &Identity, row: &Row) -> Result<()> {
    let now = micros(identity.db.clock().now());
    if now < row.seen_at + MINUTE {
        return Ok(());
    }
    let id = row.id.clone();
    identity
        .db
        .write(move |tx| {
            let id = id.clone();
            async move {
                table::Entity::update_many()
                    .col_expr(table::Column::SeenAt, Expr::value(now))
                    .filter(table::Column::Id.eq(id))
                    .filter(table::Column::SeenAt.lt(now))
                    .exec(&*tx)
                    .await
                    .map_err(|e| fault("note a session's use", e))?;
                Ok(())
            }
        })
        .await
}

/// A session about to be written.
#[derive(Clone)]
pub(crate) struct NewSession {
    pub user: String,
    pub secret: String,
    /// Password shown, second factor awaited.
    pub is_pending: bool,
    pub second_factor: bool,
    pub device: String,
    pub address: String,
}

pub(crate) async fn insert(tx: &Tx, settings: &Settings, new: &NewSession) -> Result<SessionId> {
    let now = micros(tx.now());
    let id = SessionId::from_moment(tx.now());
    let minutes = if new.is_pending {
        CODE_MINUTES
    } else {
        settings.session_hours * 60
    };
    let row = table::ActiveModel {
        id: Set(id.to_string()),
        secret_hash: Set(crate::secret::digest(&new.secret)),
        user_id: Set(new.user.clone()),
        stage: Set(if new.is_pending { "code" } else { "open" }.to_owned()),
        second_factor: Set(new.second_factor),
        acting_for: Set(None),
        device: Set(new.device.chars().take(LONGEST_DEVICE).collect()),
        address: Set(new.address.clone()),
        created_at: Set(now),
        seen_at: Set(now),
        ends_at: Set(now + minutes * MINUTE),
        ended_at: Set(None),
    };
    table::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("insert a session", e))?;
    Ok(id)
}

/// Ends one session; ending twice is ending once.
pub(crate) async fn end(tx: &Tx, id: &str) -> Result<bool> {
    Ok(end_where(tx, table::Column::Id.eq(id)).await? > 0)
}

/// Ends all sessions of a user, but one.
pub(crate) async fn end_others(tx: &Tx, user: &str, kept: Option<&str>) -> Result<()> {
    let mut which = sea_orm::Condition::all().add(table::Column::UserId.eq(user));
    if let Some(kept) = kept {
        which = which.add(table::Column::Id.ne(kept));
    }
    end_where(tx, which).await?;
    Ok(())
}

async fn end_where(tx: &Tx, which: impl sea_orm::sea_query::IntoCondition) -> Result<u64> {
    let ended = table::Entity::update_many()
        .set(table::ActiveModel {
            ended_at: Set(Some(micros(tx.now()))),
            ..Default::default()
        })
        .filter(which.into_condition())
        .filter(table::Column::EndedAt.is_null())
        .exec(&**tx)
        .await
        .map_err(|e| fault("end a session", e))?;
    Ok(ended.rows_affected)
}

/// The session now shows a second factor.
pub(crate) async fn strengthen(tx: &Tx, id: &str) -> Result<()> {
    table::Entity::update_many()
        .set(table::ActiveModel {
            second_factor: Set(true),
            ..Default::default()
        })
        .filter(table::Column::Id.eq(id))
        .exec(&**tx)
        .await
        .map_err(|e| fault("strengthen a session", e))?;
    Ok(())
}

/// The actor's own living sessions, newest first.
pub async fn list(identity: &Identity, actor: &Actor) -> Result<Vec<Session>> {
    let own = Resource::new("User", actor.user);
    actor.may(&identity.gate, "identity.session.manage", &own)?;
    let now = micros(identity.db.clock().now());
    let idle = if actor.own.is_some() {
        identity.settings.citizen_idle_minutes
    } else {
        identity.settings.officer_idle_minutes
    };
    let rows = table::Entity::find()
        .filter(table::Column::UserId.eq(actor.user.to_string()))
        .filter(table::Column::EndedAt.is_null())
        .filter(table::Column::Stage.eq("open"))
        .filter(table::Column::EndsAt.gt(now))
        .filter(table::Column::SeenAt.gt(now - idle * MINUTE))
        .order_by_desc(table::Column::Id)
        .all(identity.db.read())
        .await
        .map_err(|e| fault("list sessions", e))?;
    let sessions = rows.into_iter().map(|row| {
        Ok(Session {
            id: id(&row.id)?,
            device: row.device,
            address: row.address,
            created_at: from_micros(row.created_at),
            seen_at: from_micros(row.seen_at),
            second_factor: row.second_factor,
        })
    });
    sessions.collect()
}

/// Ends one of the actor's own sessions, wherever it is open.
pub async fn revoke(identity: &Identity, actor: &Actor, session: SessionId) -> Result<()> {
    let own = Resource::new("User", actor.user);
    actor.may(&identity.gate, "identity.session.manage", &own)?;
    let row = table::Entity::find_by_id(session.to_string())
        .filter(table::Column::UserId.eq(actor.user.to_string()))
        .one(identity.db.read())
        .await
        .map_err(|e| fault("read a session", e))?;
    row.ok_or(Error::NotFound { what: "session" })?;
    end_with_event(identity, actor.user, session, actor.trace()).await
}

/// Ends the session that the browser has; without one nothing happens.
pub async fn sign_out(identity: &Identity, secret: &str) -> Result<()> {
    let Some(row) = lookup(identity.db.read(), secret).await? else {
        return Ok(());
    };
    let user: UserId = id(&row.user_id)?;
    end_with_event(identity, user, id(&row.id)?, format!("user:{user}")).await
}

async fn end_with_event(
    identity: &Identity,
    user: UserId,
    session: SessionId,
    trace: String,
) -> Result<()> {
    identity
        .db
        .write(move |tx| {
            let trace = trace.clone();
            async move {
                if end(&tx, &session.to_string()).await? {
                    let body = event::SessionEnded {
                        user: user.to_string(),
                        session: session.to_string(),
                    };
                    tx.emit(format!("user:{user}"), trace, &body)?;
                }
                Ok(())
            }
        })
        .await
}

/// The secret in the request's session cookie.
pub(crate) fn secret_of(identity: &Identity, headers: &HeaderMap) -> Option<String> {
    let name = identity.cookie_name();
    let cookies = headers.get_all(axum::http::header::COOKIE);
    let mut pairs = cookies
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(key, _)| *key == name)
        .map(|(_, secret)| secret.to_owned())
}
