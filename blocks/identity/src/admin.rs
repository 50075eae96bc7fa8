//! What administrators do to others' accounts: the system administrator keeps accounts, the security
//! administrator posts and sessions.

use kernel::{Error, Finding, Result, Text, clock::micros};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use store::{Tx, fault};

use crate::{
    Actor, Identity, Post, Resource, UserId, event, password,
    register::login_findings,
    schema::{post as table, user},
    session,
    store::{
        NewUser, get_user, id, insert_user, list_posts, list_users, lookup_organisation,
        lookup_user_by_name, touch_user, update_user,
    },
    token,
};

/// A line of the list of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub id: UserId,
    pub login: String,
    pub name: String,
    pub is_officer: bool,
    pub is_disabled: bool,
    pub assurance: u8,
    pub has_second_factor: bool,
    pub posts: Vec<Post>,
}

impl Line {
    /// Officers act under their name; citizens' names are masked even for operators.
    pub fn shown_name(&self) -> String {
        use kernel::mask::{Kind, Profile, mask};
        if self.is_officer {
            self.name.clone()
        } else {
            mask(Kind::Name, Profile::Internal, &self.name)
        }
    }
}

/// A page of users in the order of their login names, and where the next one begins.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub lines: Vec<Line>,
    pub next: Option<String>,
}

/// The most lines of a page.
const MOST_LINES: u64 = 100;

/// Users whose login or name contains `wanted`, after the login name `after`.
pub async fn list(
    identity: &Identity,
    actor: &Actor,
    wanted: &str,
    after: &str,
    limit: u64,
) -> Result<Page> {
    actor.may(&identity.gate, "identity.user.list", &Resource::system())?;
    let limit = limit.clamp(1, MOST_LINES);
    let mut rows = list_users(identity.db.read(), wanted.trim(), after, limit + 1).await?;
    let has_more = rows.len() as u64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = rows
        .last()
        .filter(|_| has_more)
        .map(|row| row.login.clone());
    let mut lines = Vec::new();
    for row in rows {
        lines.push(line_of(identity, row).await?);
    }
    Ok(Page { lines, next })
}

async fn line_of(identity: &Identity, row: user::Model) -> Result<Line> {
    let is_officer = row.party_id.is_none();
    let posts = if is_officer {
        list_posts(identity.db.read(), &row.id).await?
    } else {
        Vec::new()
    };
    Ok(Line {
        id: id(&row.id)?,
        login: row.login,
        name: row.name,
        is_officer,
        is_disabled: row.disabled_at.is_some(),
        assurance: u8::try_from(row.assurance).unwrap_or_default(),
        has_second_factor: row.totp_confirmed_at.is_some(),
        posts,
    })
}

/// One user.
pub async fn get(identity: &Identity, actor: &Actor, user: UserId) -> Result<Line> {
    actor.may(&identity.gate, "identity.user.list", &Resource::system())?;
    line_of(
        identity,
        get_user(identity.db.read(), &user.to_string()).await?,
    )
    .await
}

/// Locks a user out: sessions and tokens end at once.
pub async fn disable(identity: &Identity, actor: &Actor, user: UserId) -> Result<()> {
    actor.may(&identity.gate, "identity.user.disable", &Resource::system())?;
    if actor.user == user {
        return Err(Error::refused("identity-disable-oneself"));
    }
    let trace = actor.trace();
    identity
        .db
        .write(move |tx| {
            let (trace, user) = (trace.clone(), user.to_string());
            async move {
                if get_user(&*tx, &user).await?.disabled_at.is_some() {
                    return Ok(());
                }
                let now = Some(micros(tx.now()));
                let change = user::ActiveModel {
                    disabled_at: Set(now),
                    ..Default::default()
                };
                update_user(&tx, &user, change).await?;
                session::end_others(&tx, &user, None).await?;
                token::revoke_all(&tx, &user).await?;
                tx.emit(format!("user:{user}"), trace, &event::UserDisabled { user })
            }
        })
        .await
}

/// Lets a user in again; she has to sign in anew.
pub async fn enable(identity: &Identity, actor: &Actor, user: UserId) -> Result<()> {
    actor.may(&identity.gate, "identity.user.disable", &Resource::system())?;
    let trace = actor.trace();
    identity
        .db
        .write(move |tx| {
            let (trace, user) = (trace.clone(), user.to_string());
            async move {
                if get_user(&*tx, &user).await?.disabled_at.is_none() {
                    return Ok(());
                }
                let change = user::ActiveModel {
                    disabled_at: Set(None),
                    ..Default::default()
                };
                update_user(&tx, &user, change).await?;
                tx.emit(format!("user:{user}"), trace, &event::UserEnabled { user })
            }
        })
        .await
}

/// What the form for a new officer holds.
#[derive(Clone, Default, serde::Deserialize, utoipa::ToSchema)]
pub struct NewOfficer {
    #[schema(example = "wang-qiang")]
    pub login: String,
    #[schema(example = "王强（合成）")]
    pub name: String,
    /// The first password, to be changed by the officer.
    #[schema(example = "first-Password-1")]
    pub password: String,
}

/// Makes an officer's account, without any post.
pub async fn create_officer(
    identity: &Identity,
    actor: &Actor,
    form: &NewOfficer,
) -> Result<UserId> {
    actor.may(&identity.gate, "identity.user.create", &Resource::system())?;
    let mut findings = login_findings(&form.login);
    if form.name.trim().chars().count() < 2 {
        findings.push(Finding::new("name", Text::new("identity-name-unreadable")));
    }
    findings.extend(password::findings(
        "password",
        &form.password,
        &[&form.login, &form.name],
    ));
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    let password_hash = password::hash(form.password.clone()).await?;
    let (login, name, trace) = (
        form.login.clone(),
        form.name.trim().to_owned(),
        actor.trace(),
    );
    identity
        .db
        .write(move |tx| {
            let (login, name, trace) = (login.clone(), name.clone(), trace.clone());
            let password_hash = password_hash.clone();
            async move {
                if lookup_user_by_name(&*tx, &login).await?.is_some() {
                    return Err(Error::invalid(
                        "login",
                        Text::new("identity-register-login-taken"),
                    ));
                }
                let user = UserId::from_moment(tx.now());
                let new = NewUser {
                    id: user.to_string(),
                    login,
                    name,
                    party_id: None,
                    assurance: 4,
                    password_hash,
                };
                insert_user(&tx, new).await?;
                let body = event::OfficerCreated {
                    user: user.to_string(),
                };
                tx.emit(format!("user:{user}"), trace, &body)?;
                Ok(user)
            }
        })
        .await
}

/// Posts that policies know.
pub const POSTS: [&str; 9] = [
    "clerk",
    "examiner",
    "approver",
    "supervisor",
    "steward",
    "operator",
    "integrator",
    "security",
    "auditor",
];

/// Administrators' posts, of which nobody holds two.
const APART: [&str; 3] = ["operator", "security", "auditor"];

/// What the form for a post holds.
#[derive(Clone, Debug, Default, serde::Deserialize, utoipa::ToSchema)]
pub struct Place {
    #[schema(example = "examiner")]
    pub post: String,
    /// Unified social credit code of the organisation.
    #[schema(example = "11321000MB0000019N")]
    pub org: String,
}

/// Gives an officer a post; it counts at his next request.
pub async fn assign_post(
    identity: &Identity,
    actor: &Actor,
    user: UserId,
    place: &Place,
) -> Result<()> {
    actor.may(&identity.gate, "identity.post.assign", &Resource::system())?;
    if !POSTS.contains(&place.post.as_str()) {
        return Err(Error::invalid("post", Text::new("identity-post-unknown")));
    }
    not_oneself(actor, user)?;
    let (place, trace) = (place.clone(), actor.trace());
    identity
        .db
        .write(move |tx| {
            let (place, trace) = (place.clone(), trace.clone());
            async move {
                let row = get_user(&*tx, &user.to_string()).await?;
                if row.party_id.is_some() {
                    return Err(Error::refused("identity-post-citizen"));
                }
                let is_apart = |post: &str| APART.contains(&post);
                let held = list_posts(&*tx, &row.id).await?;
                let other = |held: &Post| is_apart(&held.post) && held.post != place.post;
                if is_apart(&place.post) && held.iter().any(other) {
                    return Err(Error::refused("identity-post-apart"));
                }
                if insert_post(&tx, user, &place.post, &place.org).await? {
                    let body = event::PostAssigned {
                        user: user.to_string(),
                        post: place.post,
                        org: place.org,
                    };
                    tx.emit(format!("user:{user}"), trace, &body)?;
                }
                Ok(())
            }
        })
        .await
}

/// Nobody raises or lowers his own rights.
fn not_oneself(actor: &Actor, user: UserId) -> Result<()> {
    if actor.user == user {
        return Err(Error::refused("identity-post-oneself"));
    }
    Ok(())
}

/// Ends all sessions of a user at once; he may sign in again.
pub async fn end_sessions(identity: &Identity, actor: &Actor, user: UserId) -> Result<()> {
    actor.may(&identity.gate, "identity.session.end", &Resource::system())?;
    let trace = actor.trace();
    identity
        .db
        .write(move |tx| {
            let (trace, user) = (trace.clone(), user.to_string());
            async move {
                get_user(&*tx, &user).await?;
                session::end_others(&tx, &user, None).await?;
                tx.emit(
                    format!("user:{user}"),
                    trace,
                    &event::SessionsEnded { user },
                )
            }
        })
        .await
}

/// Whether a row was needed.
pub(crate) async fn insert_post(tx: &Tx, user: UserId, post: &str, org: &str) -> Result<bool> {
    let org = lookup_organisation(&**tx, org).await?;
    let org =
        org.ok_or_else(|| Error::invalid("org", Text::new("identity-organisation-unknown")))?;
    let is_held = table::Entity::find()
        .filter(table::Column::UserId.eq(user.to_string()))
        .filter(table::Column::Post.eq(post))
        .filter(table::Column::OrgId.eq(&org.id))
        .one(&**tx)
        .await
        .map_err(|e| fault("read a post", e))?;
    if is_held.is_some() {
        return Ok(false);
    }
    let row = table::ActiveModel {
        id: Set(kernel::id::new_v7(tx.now()).to_string()),
        user_id: Set(user.to_string()),
        post: Set(post.to_owned()),
        org_id: Set(org.id),
        created_at: Set(micros(tx.now())),
    };
    table::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("insert a post", e))?;
    touch_user(tx, &user.to_string()).await?;
    Ok(true)
}

/// Takes a post away, at once.
pub async fn remove_post(
    identity: &Identity,
    actor: &Actor,
    user: UserId,
    place: &Place,
) -> Result<()> {
    actor.may(&identity.gate, "identity.post.assign", &Resource::system())?;
    not_oneself(actor, user)?;
    let (place, trace) = (place.clone(), actor.trace());
    identity
        .db
        .write(move |tx| {
            let (place, trace) = (place.clone(), trace.clone());
            async move {
                let org = lookup_organisation(&*tx, &place.org).await?;
                let org = org.ok_or(Error::NotFound {
                    what: "organisation",
                })?;
                let removed = table::Entity::delete_many()
                    .filter(table::Column::UserId.eq(user.to_string()))
                    .filter(table::Column::Post.eq(&place.post))
                    .filter(table::Column::OrgId.eq(org.id))
                    .exec(&*tx)
                    .await
                    .map_err(|e| fault("remove a post", e))?;
                if removed.rows_affected > 0 {
                    touch_user(&tx, &user.to_string()).await?;
                    let body = event::PostRemoved {
                        user: user.to_string(),
                        post: place.post,
                        org: place.org,
                    };
                    tx.emit(format!("user:{user}"), trace, &body)?;
                }
                Ok(())
            }
        })
        .await
}
