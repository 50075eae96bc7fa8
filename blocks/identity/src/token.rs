//! Personal access tokens: how programs act for their user.

use chrono::{DateTime, Duration, Utc};
use kernel::{
    Error, Result, Text,
    clock::{from_micros, micros},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult,
    JoinType, QueryFilter, QueryOrder, QuerySelect, RelationDef, sea_query::Expr,
};
use store::{Db, Tx, fault};

use crate::{
    Actor, Identity, Resource, TokenId, event,
    schema::{token as table, user},
    store::{id, lookup_user_by_name},
};

/// So that scanners of source code recognise a token that was checked in.
pub const PREFIX: &str = "tb_";
/// How exact "last used" is; a write per request would be worse.
const USE_NOTED_EVERY: i64 = 60_000_000;

/// What a token may do.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Default,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Whatever its user may do, except managing passwords, factors and tokens.
    #[default]
    All,
    /// GET requests only.
    Read,
}

impl Scope {
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Read => "read",
        }
    }

    fn parse(text: &str) -> Self {
        if text == "all" { Self::All } else { Self::Read }
    }
}

/// A token as its user sees it; the secret is not known any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    pub label: String,
    pub scope: Scope,
    pub created_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    /// Exact to a minute.
    pub used_at: Option<DateTime<Utc>>,
}

/// What a token form holds.
#[derive(Clone, Debug, Default, serde::Deserialize, utoipa::ToSchema)]
pub struct NewToken {
    /// What it is for.
    #[schema(example = "nightly export")]
    pub label: String,
    #[serde(default)]
    pub scope: Scope,
    #[schema(example = 90)]
    pub days: i64,
}

/// Makes a token and answers its secret, which is never shown again.
pub async fn issue(
    identity: &Identity,
    actor: &Actor,
    form: &NewToken,
) -> Result<(TokenId, String)> {
    let own = Resource::new("User", actor.user);
    actor.may(&identity.gate, "identity.token.manage", &own)?;
    let mut findings = Vec::new();
    if form.label.trim().is_empty() || form.label.chars().count() > 100 {
        findings.push(kernel::Finding::new(
            "label",
            Text::new("identity-token-label-missing"),
        ));
    }
    if form.days < 1 || form.days > identity.settings.token_days {
        let text =
            Text::new("identity-token-days-outside").with("most", identity.settings.token_days);
        findings.push(kernel::Finding::new("days", text));
    }
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    let new = New {
        user: actor.user.to_string(),
        label: form.label.trim().to_owned(),
        scope: form.scope,
        days: form.days,
        second_factor: actor.second_factor,
        acting_for: actor.acting_for.as_ref().map(|party| party.id.to_string()),
    };
    write(&identity.db, new, actor.trace()).await
}

/// For the operator at the console: a token for any user, found by login name.
pub async fn create(db: &Db, user_name: &str, label: &str, days: i64) -> Result<String> {
    let user = lookup_user_by_name(db.read(), user_name).await?;
    let user = user.ok_or(Error::NotFound { what: "user" })?;
    let new = New {
        user: user.id,
        label: label.to_owned(),
        scope: Scope::All,
        days: Ord::max(days, 1),
        // Who can run the executable on its data could do anything; asking more proves nothing.
        second_factor: true,
        acting_for: None,
    };
    Ok(write(db, new, "console".into()).await?.1)
}

#[derive(Clone)]
struct New {
    user: String,
    label: String,
    scope: Scope,
    days: i64,
    second_factor: bool,
    acting_for: Option<String>,
}

async fn write(db: &Db, new: New, trace: String) -> Result<(TokenId, String)> {
    let secret = format!("{PREFIX}{}", crate::secret::generate()?);
    let hash = crate::secret::digest(&secret);
    let id = db
        .write(move |tx| {
            let (new, hash, trace) = (new.clone(), hash.clone(), trace.clone());
            async move { insert(&tx, new, hash, trace).await }
        })
        .await?;
    Ok((id, secret))
}

async fn insert(tx: &Tx, new: New, hash: String, trace: String) -> Result<TokenId> {
    let id = TokenId::from_moment(tx.now());
    let ends_at = micros(tx.now() + Duration::days(new.days));
    let row = table::ActiveModel {
        id: Set(id.to_string()),
        secret_hash: Set(hash),
        user_id: Set(new.user.clone()),
        label: Set(new.label.clone()),
        scope: Set(new.scope.name().to_owned()),
        second_factor: Set(new.second_factor),
        acting_for: Set(new.acting_for),
        created_at: Set(micros(tx.now())),
        ends_at: Set(ends_at),
        used_at: Set(None),
        revoked_at: Set(None),
    };
    table::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("insert a token", e))?;
    let body = event::TokenCreated {
        user: new.user.clone(),
        token: id.to_string(),
        label: new.label,
        scope: new.scope.name().to_owned(),
        ends_at,
    };
    tx.emit(format!("user:{}", new.user), trace, &body)?;
    Ok(id)
}

/// The actor's own tokens that still work, newest first.
pub async fn list(identity: &Identity, actor: &Actor) -> Result<Vec<Token>> {
    let own = Resource::new("User", actor.user);
    actor.may(&identity.gate, "identity.self.read", &own)?;
    let rows = table::Entity::find()
        .filter(table::Column::UserId.eq(actor.user.to_string()))
        .filter(table::Column::RevokedAt.is_null())
        .filter(table::Column::EndsAt.gt(micros(identity.db.clock().now())))
        .order_by_desc(table::Column::Id)
        .all(identity.db.read())
        .await
        .map_err(|e| fault("list tokens", e))?;
    let tokens = rows.into_iter().map(|row| {
        Ok(Token {
            id: id(&row.id)?,
            label: row.label,
            scope: Scope::parse(&row.scope),
            created_at: from_micros(row.created_at),
            ends_at: from_micros(row.ends_at),
            used_at: row.used_at.map(from_micros),
        })
    });
    tokens.collect()
}

/// Ends one of the actor's own tokens at once.
pub async fn revoke(identity: &Identity, actor: &Actor, token: TokenId) -> Result<()> {
    let own = Resource::new("User", actor.user);
    actor.may(&identity.gate, "identity.token.manage", &own)?;
    let (user, trace) = (actor.user.to_string(), actor.trace());
    identity
        .db
        .write(move |tx| {
            let (user, trace) = (user.clone(), trace.clone());
            async move {
                let which = table::Column::Id
                    .eq(token.to_string())
                    .and(table::Column::UserId.eq(&*user));
                let is_there = table::Entity::find()
                    .filter(which.clone())
                    .one(&*tx)
                    .await
                    .map_err(|e| fault("read a token", e))?;
                is_there.ok_or(Error::NotFound { what: "token" })?;
                if end_where(&tx, which).await? > 0 {
                    let body = event::TokenRevoked {
                        user: user.clone(),
                        token: token.to_string(),
                    };
                    tx.emit(format!("user:{user}"), trace, &body)?;
                }
                Ok(())
            }
        })
        .await
}

/// Ends all tokens of a user.
pub(crate) async fn revoke_all(tx: &Tx, user: &str) -> Result<()> {
    end_where(tx, table::Column::UserId.eq(user)).await?;
    Ok(())
}

async fn end_where(tx: &Tx, which: sea_orm::sea_query::SimpleExpr) -> Result<u64> {
    let ended = table::Entity::update_many()
        .set(table::ActiveModel {
            revoked_at: Set(Some(micros(tx.now()))),
            ..Default::default()
        })
        .filter(which)
        .filter(table::Column::RevokedAt.is_null())
        .exec(&**tx)
        .await
        .map_err(|e| fault("revoke a token", e))?;
    Ok(ended.rows_affected)
}

/// What one query tells about a token and its user.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct Row {
    pub id: String,
    pub user_id: String,
    pub scope: String,
    pub second_factor: bool,
    pub acting_for: Option<String>,
    pub ends_at: i64,
    pub used_at: Option<i64>,
    pub revoked_at: Option<i64>,
    pub login: String,
    pub stamp: i64,
    pub disabled_at: Option<i64>,
}

impl Row {
    pub fn is_alive(&self, now: i64) -> bool {
        self.revoked_at.is_none() && self.disabled_at.is_none() && now < self.ends_at
    }

    pub fn may_write(&self) -> bool {
        Scope::parse(&self.scope) == Scope::All
    }
}

/// The token with that secret, whatever its state.
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
            table::Column::Scope,
            table::Column::SecondFactor,
            table::Column::ActingFor,
            table::Column::EndsAt,
            table::Column::UsedAt,
            table::Column::RevokedAt,
        ])
        .columns([
            user::Column::Login,
            user::Column::Stamp,
            user::Column::DisabledAt,
        ])
        .join(JoinType::InnerJoin, of_user)
        .filter(table::Column::SecretHash.eq(crate::secret::digest(secret)))
        .into_model::<Row>()
        .one(db)
        .await;
    Ok(row.map_err(|e| fault("read a token", e))?)
}

/// Notes that the token was used, once a minute at most.
pub(crate) async fn touch(identity: &Identity, row: &Row) -> Result<()> {
    let now = micros(identity.db.clock().now());
    if row.used_at.is_some_and(|used| now < used + USE_NOTED_EVERY) {
        return Ok(());
    }
    let id = row.id.clone();
    identity
        .db
        .write(move |tx| {
            let id = id.clone();
            async move {
                table::Entity::update_many()
                    .col_expr(table::Column::UsedAt, Expr::value(now))
                    .filter(table::Column::Id.eq(id))
                    .exec(&*tx)
                    .await
                    .map_err(|e| fault("note a token's use", e))?;
                Ok(())
            }
        })
        .await
}
