//! How packs bring people and bodies: upserts by code or login name that can be repeated.
//!
//! Passwords come as hashes ([`crate::password::hash`]): argon2 is slow, so hash once for all
//! demo accounts. A repeated load keeps the password that the user has chosen since.

use kernel::{Error, Result, clock::micros};
use sea_orm::{ActiveValue::Set, EntityTrait};
use store::{Tx, fault};

use crate::{
    AgentId, OrgId, PartyId, UserId,
    admin::insert_post,
    agent::{self, Role},
    register::{for_good, represent},
    schema::{organisation as org_table, party as party_table, user as user_table},
    store::{
        NewUser, id, insert_user, lookup_organisation, lookup_party_by_code, lookup_user_by_name,
        lookup_user_of_party, party_of, touch_owner, update_user,
    },
};

/// A body or department to be there.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct OrganisationSeed {
    /// Unified social credit code.
    pub code: String,
    /// Code of the body above; must be loaded before.
    #[serde(default)]
    pub parent: Option<String>,
    /// 6 digits.
    pub region: String,
    pub name_zh: String,
    pub name_en: String,
    #[serde(default)]
    pub short_name: String,
}

pub async fn organisation(tx: &Tx, seed: &OrganisationSeed) -> Result<OrgId> {
    let parent = match &seed.parent {
        Some(code) => {
            let row = lookup_organisation(&**tx, code).await?;
            Some(
                row.ok_or(Error::NotFound {
                    what: "organisation",
                })?
                .id,
            )
        }
        None => None,
    };
    let known = lookup_organisation(&**tx, &seed.code).await?;
    let id = match &known {
        Some(row) => id(&row.id)?,
        None => OrgId::from_moment(tx.now()),
    };
    let row = org_table::ActiveModel {
        id: Set(id.to_string()),
        code: Set(seed.code.clone()),
        parent_id: Set(parent),
        region: Set(seed.region.clone()),
        name_zh: Set(seed.name_zh.clone()),
        name_en: Set(seed.name_en.clone()),
        short_name: Set(seed.short_name.clone()),
        created_at: Set(known
            .as_ref()
            .map_or_else(|| micros(tx.now()), |row| row.created_at)),
    };
    let written = if known.is_some() {
        org_table::Entity::update(row).exec(&**tx).await.map(drop)
    } else {
        org_table::Entity::insert(row)
            .exec_without_returning(&**tx)
            .await
            .map(drop)
    };
    written.map_err(|e| fault("load an organisation", e))?;
    Ok(id)
}

/// A natural person known to the population base.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct CitizenSeed {
    /// Citizen number.
    pub code: String,
    pub name: String,
    #[serde(default)]
    pub phone: String,
    #[serde(default)]
    pub address: String,
    /// With a login name the person can sign in.
    #[serde(default)]
    pub login: Option<String>,
}

/// Answers the party, and the user if the person can sign in. `password_hash` may be empty for
/// people without login.
pub async fn citizen(
    tx: &Tx,
    seed: &CitizenSeed,
    password_hash: &str,
) -> Result<(PartyId, Option<UserId>)> {
    let base = BaseParty {
        kind: "natural",
        code: &seed.code,
        name: &seed.name,
        phone: &seed.phone,
        address: &seed.address,
        representative: None,
    };
    let party = upsert_party(tx, &base).await?;
    let Some(login) = &seed.login else {
        return Ok((party, None));
    };
    if let Some(row) = lookup_user_of_party(&**tx, &party.to_string()).await? {
        return Ok((party, Some(id(&row.id)?)));
    }
    let user = UserId::from_moment(tx.now());
    let new = NewUser {
        id: user.to_string(),
        login: login.clone(),
        name: seed.name.clone(),
        party_id: Some(party.to_string()),
        assurance: 2,
        password_hash: password_hash.to_owned(),
    };
    insert_user(tx, new).await?;
    Ok((party, Some(user)))
}

/// A legal person known to the legal-entity base.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct LegalPersonSeed {
    /// Unified social credit code.
    pub code: String,
    pub name: String,
    #[serde(default)]
    pub phone: String,
    #[serde(default)]
    pub address: String,
    /// Citizen number of the legal representative; if that person can sign in, she can act for
    /// the firm.
    #[serde(default)]
    pub representative: Option<String>,
}

pub async fn legal_person(tx: &Tx, seed: &LegalPersonSeed) -> Result<PartyId> {
    let base = BaseParty {
        kind: "legal",
        code: &seed.code,
        name: &seed.name,
        phone: &seed.phone,
        address: &seed.address,
        representative: seed.representative.clone(),
    };
    let firm = upsert_party(tx, &base).await?;
    let Some(code) = &seed.representative else {
        return Ok(firm);
    };
    let Some(person) = lookup_party_by_code(&**tx, code).await? else {
        return Ok(firm);
    };
    if let Some(user) = lookup_user_of_party(&**tx, &person.id).await? {
        let row = lookup_party_by_code(&**tx, &seed.code).await?;
        let row = row.ok_or(Error::NotFound { what: "party" })?;
        represent(tx, &party_of(row)?, id(&user.id)?, "system").await?;
    }
    Ok(firm)
}

struct BaseParty<'a> {
    kind: &'static str,
    code: &'a str,
    name: &'a str,
    phone: &'a str,
    address: &'a str,
    representative: Option<String>,
}

async fn upsert_party(tx: &Tx, base: &BaseParty<'_>) -> Result<PartyId> {
    let known = lookup_party_by_code(&**tx, base.code).await?;
    let party = match &known {
        Some(row) => id(&row.id)?,
        None => PartyId::from_moment(tx.now()),
    };
    let row = party_table::ActiveModel {
        id: Set(party.to_string()),
        kind: Set(base.kind.to_owned()),
        code: Set(base.code.to_owned()),
        name: Set(base.name.to_owned()),
        phone: Set(base.phone.to_owned()),
        address: Set(base.address.to_owned()),
        representative: Set(base.representative.clone()),
        is_base: Set(true),
        created_at: Set(known
            .as_ref()
            .map_or_else(|| micros(tx.now()), |row| row.created_at)),
    };
    let written = if known.is_some() {
        touch_owner(tx, &party.to_string()).await?;
        party_table::Entity::update(row).exec(&**tx).await.map(drop)
    } else {
        party_table::Entity::insert(row)
            .exec_without_returning(&**tx)
            .await
            .map(drop)
    };
    written.map_err(|e| fault("load a party", e))?;
    Ok(party)
}

/// An officer to be there, with his posts: `(post, credit code of the organisation)`.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct OfficerSeed {
    pub login: String,
    pub name: String,
    #[serde(default)]
    pub posts: Vec<(String, String)>,
}

pub async fn officer(tx: &Tx, seed: &OfficerSeed, password_hash: &str) -> Result<UserId> {
    let user = if let Some(row) = lookup_user_by_name(&**tx, &seed.login).await? {
        let change = user_table::ActiveModel {
            name: Set(seed.name.clone()),
            ..Default::default()
        };
        update_user(tx, &row.id, change).await?;
        id(&row.id)?
    } else {
        let user = UserId::from_moment(tx.now());
        let new = NewUser {
            id: user.to_string(),
            login: seed.login.clone(),
            name: seed.name.clone(),
            party_id: None,
            assurance: 4,
            password_hash: password_hash.to_owned(),
        };
        insert_user(tx, new).await?;
        user
    };
    for (post, org) in &seed.posts {
        insert_post(tx, user, post, org).await?;
    }
    Ok(user)
}

/// Lets a user act for a party without end; a second load changes nothing.
pub async fn agent(tx: &Tx, party_code: &str, login: &str, scope: &str) -> Result<()> {
    let party = lookup_party_by_code(&**tx, party_code).await?;
    let party = party_of(party.ok_or(Error::NotFound { what: "party" })?)?;
    let user = lookup_user_by_name(&**tx, login).await?;
    let user: UserId = id(&user.ok_or(Error::NotFound { what: "user" })?.id)?;
    let today = kernel::clock::local_date(tx.now());
    if agent::lookup_valid(&**tx, user, party.id, today)
        .await?
        .is_some()
    {
        return Ok(());
    }
    let role = match party.kind {
        crate::PartyKind::Legal => Role::Agent,
        crate::PartyKind::Natural => Role::Proxy,
    };
    let agent = agent::Agent {
        id: AgentId::from_moment(tx.now()),
        party: party.id,
        user,
        role,
        scope: scope.to_owned(),
        from: today,
        until: for_good(),
        is_dismissed: false,
    };
    agent::insert(tx, &agent, "system").await?;
    agent::emit_appointed(tx, "system", &agent, &party.name)
}
