//! Who there is: what other crates ask about parties, organisations, officers and users.

use kernel::{Error, Result};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select, sea_query::SelectStatement,
};
use store::fault;

use crate::{
    OrgId, Party, PartyId, UserId,
    schema::{organisation, post, user},
    store::{
        id, lookup_organisation, lookup_party, lookup_party_by_code, organisation_of, party_of,
    },
};

/// A body or department.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Organisation {
    pub id: OrgId,
    /// Unified social credit code.
    pub code: String,
    pub parent: Option<OrgId>,
    /// 6 digits.
    pub region: String,
    pub name_zh: String,
    pub name_en: String,
    pub short_name: String,
}

/// Somebody who can sign in, as others may know him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub login: String,
    pub name: String,
    /// Empty for officers.
    pub party: Option<PartyId>,
    pub is_disabled: bool,
}

fn user_of(row: user::Model) -> Result<User> {
    Ok(User {
        id: id(&row.id)?,
        login: row.login,
        name: row.name,
        party: row.party_id.as_deref().map(id).transpose()?,
        is_disabled: row.disabled_at.is_some(),
    })
}

/// The party with that id, which must exist.
pub async fn party(db: &impl ConnectionTrait, id: PartyId) -> Result<Party> {
    let row = lookup_party(db, &id.to_string()).await?;
    Ok(party_of(row.ok_or(Error::NotFound { what: "party" })?)?)
}

/// By citizen number or unified social credit code, typed as people do.
pub async fn party_by_code(db: &impl ConnectionTrait, code: &str) -> Result<Option<Party>> {
    let row = lookup_party_by_code(db, &kernel::code::normalise(code)).await?;
    Ok(row.map(party_of).transpose()?)
}

/// The user who is that natural person, if she has an account.
pub async fn user_of_party(db: &impl ConnectionTrait, party: PartyId) -> Result<Option<User>> {
    let row = crate::store::lookup_user_of_party(db, &party.to_string()).await?;
    row.map(user_of).transpose()
}

/// Everybody who reads what is written to a party: its own user, or a firm's representative and
/// agents of today.
pub async fn readers_of_party(
    db: &impl ConnectionTrait,
    party: PartyId,
    today: chrono::NaiveDate,
) -> Result<Vec<UserId>> {
    let own = user_of_party(db, party).await?;
    let mut users: Vec<_> = own.into_iter().map(|user| user.id).collect();
    for agent in crate::agent::list_of_firm(db, party).await? {
        if agent.is_valid(today) && !users.contains(&agent.user) {
            users.push(agent.user);
        }
    }
    Ok(users)
}

/// By login name.
pub async fn user_by_name(db: &impl ConnectionTrait, login: &str) -> Result<Option<User>> {
    let row = crate::store::lookup_user_by_name(db, login).await?;
    row.map(user_of).transpose()
}

/// The user with that id, which must exist.
pub async fn user(db: &impl ConnectionTrait, id: UserId) -> Result<User> {
    user_of(crate::store::get_user(db, &id.to_string()).await?)
}

/// By unified social credit code.
pub async fn organisation(db: &impl ConnectionTrait, code: &str) -> Result<Option<Organisation>> {
    let row = lookup_organisation(db, code).await?;
    Ok(row.map(organisation_of).transpose()?)
}

/// Codes of the organisations above one, the nearest first. One that the directory does not know is
/// taken to be right below those that have nothing above them.
pub async fn above(db: &impl ConnectionTrait, code: &str) -> Result<Vec<String>> {
    let Some(row) = lookup_organisation(db, code).await? else {
        return tops(db).await;
    };
    let (mut all, mut next) = (Vec::new(), row.parent_id);
    while let Some(id) = next {
        let row = organisation::Entity::find_by_id(id).one(db).await;
        let row = row.map_err(|e| fault("read an organisation", e))?;
        // A circle, which nobody should have loaded, ends where it began.
        let Some(row) = row.filter(|row| row.code != code && !all.contains(&row.code)) else {
            break;
        };
        all.push(row.code);
        next = row.parent_id;
    }
    Ok(all)
}

async fn tops(db: &impl ConnectionTrait) -> Result<Vec<String>> {
    organisation::Entity::find()
        .select_only()
        .column(organisation::Column::Code)
        .filter(organisation::Column::ParentId.is_null())
        .order_by_asc(organisation::Column::Code)
        .into_tuple()
        .all(db)
        .await
        .map_err(|e| fault("list organisations", e).into())
}

/// Those in a region and everything it covers, by code; all for an empty region.
pub async fn organisations(db: &impl ConnectionTrait, region: &str) -> Result<Vec<Organisation>> {
    let stem = region
        .strip_suffix("0000")
        .or_else(|| region.strip_suffix("00"))
        .unwrap_or(region);
    let rows = organisation::Entity::find()
        .filter(organisation::Column::Region.starts_with(stem))
        .order_by_asc(organisation::Column::Code)
        .all(db)
        .await
        .map_err(|e| fault("list organisations", e))?;
    Ok(rows
        .into_iter()
        .map(organisation_of)
        .collect::<Result<_, _>>()?)
}

/// Officers who hold the post at the organisation (credit code) and may sign in, by login.
pub async fn officers_with_post(
    db: &impl ConnectionTrait,
    post: &str,
    org: &str,
) -> Result<Vec<User>> {
    let Some(org) = lookup_organisation(db, org).await? else {
        return Ok(Vec::new());
    };
    let holders: Vec<String> = post::Entity::find()
        .select_only()
        .column(post::Column::UserId)
        .filter(post::Column::OrgId.eq(org.id))
        .filter(post::Column::Post.eq(post))
        .into_tuple()
        .all(db)
        .await
        .map_err(|e| fault("list officers", e))?;
    let rows = user::Entity::find()
        .filter(user::Column::Id.is_in(holders))
        .filter(user::Column::DisabledAt.is_null())
        .order_by_asc(user::Column::Login)
        .all(db)
        .await
        .map_err(|e| fault("list officers", e))?;
    rows.into_iter().map(user_of).collect()
}

/// Officers who may sign in, by login: ids of `holders`.
async fn officers(
    db: &impl ConnectionTrait,
    holders: SelectStatement,
    among: Condition,
    most: u64,
) -> Result<Vec<User>> {
    let rows = user::Entity::find()
        .filter(user::Column::Id.in_subquery(holders))
        .filter(user::Column::DisabledAt.is_null())
        .filter(among)
        .order_by_asc(user::Column::Login)
        .limit(most)
        .all(db)
        .await
        .map_err(|e| fault("list officers", e))?;
    rows.into_iter().map(user_of).collect()
}

fn holders() -> Select<post::Entity> {
    post::Entity::find()
        .select_only()
        .column(post::Column::UserId)
}

/// Officers whose login or name it is: a name may be that of several.
pub async fn officers_named(
    db: &impl ConnectionTrait,
    named: &str,
    most: u64,
) -> Result<Vec<User>> {
    let among = Condition::any()
        .add(user::Column::Login.eq(named))
        .add(user::Column::Name.eq(named));
    officers(db, holders().into_query(), among, most).await
}

/// Officers with a post at one of the organisations (credit codes).
pub async fn officers_at(
    db: &impl ConnectionTrait,
    orgs: &[String],
    most: u64,
) -> Result<Vec<User>> {
    let orgs = organisation::Entity::find()
        .select_only()
        .column(organisation::Column::Id)
        .filter(organisation::Column::Code.is_in(orgs))
        .into_query();
    let holders = holders().filter(post::Column::OrgId.in_subquery(orgs));
    officers(db, holders.into_query(), Condition::all(), most).await
}

/// An officer's posts today; none for a disabled user.
pub async fn posts_of(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<crate::Post>> {
    let row = crate::store::get_user(db, &user.to_string()).await?;
    if row.disabled_at.is_some() {
        return Ok(Vec::new());
    }
    crate::store::list_posts(db, &row.id).await
}

/// Groups whose tasks an officer may take today, each as `post@org`; none for a disabled user.
pub async fn groups_of(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<String>> {
    let posts = posts_of(db, user).await?;
    Ok(posts.iter().map(crate::Post::group).collect())
}
