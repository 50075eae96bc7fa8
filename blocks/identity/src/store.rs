//! Queries on users, parties, posts and organisations that several features need.

use kernel::{Fault, Result};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter,
    QueryOrder, QuerySelect, sea_query::Expr,
};
use store::{Tx, fault};

use crate::{
    Organisation, Party, PartyKind, Post,
    schema::{organisation, party, post, user},
};

/// Reads an id that this crate wrote itself.
pub(crate) fn id<T: std::str::FromStr>(text: &str) -> Result<T, Fault> {
    text.parse()
        .map_err(|_| Fault::new(format!("identifier {text} in a table is unreadable")))
}

pub(crate) fn party_of(row: party::Model) -> Result<Party, Fault> {
    Ok(Party {
        id: id(&row.id)?,
        kind: kind_of(&row.kind),
        name: row.name,
        code: row.code,
        phone: row.phone,
        address: row.address,
    })
}

pub(crate) fn kind_of(text: &str) -> PartyKind {
    if text == "legal" {
        PartyKind::Legal
    } else {
        PartyKind::Natural
    }
}

pub(crate) fn organisation_of(row: organisation::Model) -> Result<Organisation, Fault> {
    Ok(Organisation {
        id: id(&row.id)?,
        code: row.code,
        parent: row.parent_id.as_deref().map(id).transpose()?,
        region: row.region,
        name_zh: row.name_zh,
        name_en: row.name_en,
        short_name: row.short_name,
    })
}

pub(crate) async fn lookup_user(
    db: &impl ConnectionTrait,
    id: &str,
) -> Result<Option<user::Model>> {
    let row = user::Entity::find_by_id(id).one(db).await;
    Ok(row.map_err(|e| fault("read a user", e))?)
}

pub(crate) async fn get_user(db: &impl ConnectionTrait, id: &str) -> Result<user::Model> {
    lookup_user(db, id)
        .await?
        .ok_or(kernel::Error::NotFound { what: "user" })
}

/// By login name, or by the citizen number of the user's own party.
pub(crate) async fn lookup_user_by_name(
    db: &impl ConnectionTrait,
    name: &str,
) -> Result<Option<user::Model>> {
    let by_login = user::Entity::find()
        .filter(user::Column::Login.eq(login_of(name)))
        .one(db)
        .await
        .map_err(|e| fault("read a user", e))?;
    if by_login.is_some() {
        return Ok(by_login);
    }
    let code = kernel::code::normalise(name);
    let Some(party) = lookup_party_by_code(db, &code).await? else {
        return Ok(None);
    };
    lookup_user_of_party(db, &party.id).await
}

/// How login names are kept and compared.
pub(crate) fn login_of(typed: &str) -> String {
    typed.trim().to_lowercase()
}

pub(crate) async fn lookup_user_of_party(
    db: &impl ConnectionTrait,
    party: &str,
) -> Result<Option<user::Model>> {
    let row = user::Entity::find()
        .filter(user::Column::PartyId.eq(party))
        .one(db)
        .await;
    Ok(row.map_err(|e| fault("read a user", e))?)
}

pub(crate) async fn lookup_party(
    db: &impl ConnectionTrait,
    id: &str,
) -> Result<Option<party::Model>> {
    let row = party::Entity::find_by_id(id).one(db).await;
    Ok(row.map_err(|e| fault("read a party", e))?)
}

pub(crate) async fn lookup_party_by_code(
    db: &impl ConnectionTrait,
    code: &str,
) -> Result<Option<party::Model>> {
    let row = party::Entity::find()
        .filter(party::Column::Code.eq(code))
        .one(db)
        .await;
    Ok(row.map_err(|e| fault("read a party", e))?)
}

pub(crate) async fn lookup_organisation(
    db: &impl ConnectionTrait,
    code: &str,
) -> Result<Option<organisation::Model>> {
    let row = organisation::Entity::find()
        .filter(organisation::Column::Code.eq(code))
        .one(db)
        .await;
    Ok(row.map_err(|e| fault("read an organisation", e))?)
}

/// A user's posts with the organisations they are held at, in a stable order.
pub(crate) async fn list_posts(db: &impl ConnectionTrait, user: &str) -> Result<Vec<Post>> {
    let rows = post::Entity::find()
        .filter(post::Column::UserId.eq(user))
        .order_by_asc(post::Column::Id)
        .all(db)
        .await
        .map_err(|e| fault("list posts", e))?;
    let orgs =
        list_organisations_by_id(db, rows.iter().map(|r| r.org_id.clone()).collect()).await?;
    let posts = rows.into_iter().filter_map(|row| {
        let org = orgs.iter().find(|org| org.id == row.org_id)?;
        Some(Post {
            post: row.post,
            org: org.code.clone(),
            org_name: org.name_zh.clone(),
            region: org.region.clone(),
            held_for: None,
        })
    });
    Ok(posts.collect())
}

pub(crate) async fn list_organisations_by_id(
    db: &impl ConnectionTrait,
    ids: Vec<String>,
) -> Result<Vec<organisation::Model>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = organisation::Entity::find()
        .filter(organisation::Column::Id.is_in(ids))
        .all(db)
        .await;
    Ok(rows.map_err(|e| fault("list organisations", e))?)
}

/// Makes every process forget what it knew of the user, at his next request.
pub(crate) async fn touch_user(tx: &Tx, user: &str) -> Result<()> {
    touch(tx, Condition::all().add(user::Column::Id.eq(user))).await
}

/// The same for whoever owns the party.
pub(crate) async fn touch_owner(tx: &Tx, party: &str) -> Result<()> {
    touch(tx, Condition::all().add(user::Column::PartyId.eq(party))).await
}

async fn touch(tx: &Tx, which: Condition) -> Result<()> {
    user::Entity::update_many()
        .col_expr(user::Column::Stamp, Expr::col(user::Column::Stamp).add(1))
        .filter(which)
        .exec(&**tx)
        .await
        .map_err(|e| fault("update a user", e))?;
    Ok(())
}

/// Changes some columns of a user, and with them the stamp.
pub(crate) async fn update_user(tx: &Tx, id: &str, mut change: user::ActiveModel) -> Result<()> {
    change.id = Set(id.to_owned());
    user::Entity::update(change)
        .exec(&**tx)
        .await
        .map_err(|e| fault("update a user", e))?;
    touch_user(tx, id).await
}

pub(crate) async fn insert_user(tx: &Tx, new: NewUser) -> Result<()> {
    let now = kernel::clock::micros(tx.now());
    let row = user::ActiveModel {
        id: Set(new.id),
        login: Set(login_of(&new.login)),
        name: Set(new.name),
        party_id: Set(new.party_id),
        assurance: Set(new.assurance.into()),
        password_hash: Set(new.password_hash),
        password_changed_at: Set(now),
        totp_secret: Set(None),
        totp_confirmed_at: Set(None),
        totp_last_step: Set(0),
        disabled_at: Set(None),
        stamp: Set(1),
        created_at: Set(now),
    };
    user::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("insert a user", e))?;
    Ok(())
}

pub(crate) struct NewUser {
    pub id: String,
    pub login: String,
    pub name: String,
    /// Empty for officers.
    pub party_id: Option<String>,
    pub assurance: u8,
    pub password_hash: String,
}

/// A page of users by login: those whose login or name contains `wanted`.
pub(crate) async fn list_users(
    db: &impl ConnectionTrait,
    wanted: &str,
    after: &str,
    limit: u64,
) -> Result<Vec<user::Model>> {
    let mut query = user::Entity::find().filter(user::Column::Login.gt(after));
    if !wanted.is_empty() {
        let matches = Condition::any()
            .add(user::Column::Login.contains(login_of(wanted)))
            .add(user::Column::Name.contains(wanted));
        query = query.filter(matches);
    }
    let rows = query
        .order_by_asc(user::Column::Login)
        .limit(limit)
        .all(db)
        .await;
    Ok(rows.map_err(|e| fault("list users", e))?)
}
