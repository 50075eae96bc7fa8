//! Standing in for somebody who is absent (代理): it begins and ends by itself.

use ::store::{Db, Tx};
use chrono::NaiveDate;
use identity::{Colleague, Post, UserId, directory};
use kernel::{
    Error, Result, Text,
    clock::{local_date, micros},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{need_reason, store, who};
use crate::{Filter, Officer, act, event, schema::substitute, store as tables};

/// Days at the most; whoever is away longer hands his post over.
const MAX_DAYS: i64 = 366;

/// Who stands in for whom, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Substitute {
    pub id: String,
    pub officer: String,
    pub substitute: String,
    /// As `post@org`; all posts where empty.
    pub posts: Vec<String>,
    /// First and last day, both included.
    #[schema(example = "2026-10-08")]
    pub from: NaiveDate,
    #[schema(example = "2026-10-16")]
    pub until: NaiveDate,
    pub reason: String,
    /// It was ended before its time.
    pub is_ended: bool,
}

impl From<substitute::Model> for Substitute {
    fn from(row: substitute::Model) -> Self {
        Self {
            id: row.id,
            officer: row.officer,
            substitute: row.substitute,
            posts: tables::list(&row.posts),
            from: row.from_day,
            until: row.until_day,
            reason: row.reason,
            is_ended: row.ended_at.is_some(),
        }
    }
}

/// Names somebody who acts in one's place from one day to another; `named` has no id yet. An
/// administrator may name one for another officer.
pub async fn name_substitute(
    tx: &Tx,
    officer: &Officer,
    is_administrator: bool,
    named: &Substitute,
) -> Result<String> {
    if named.officer != officer.id && !is_administrator {
        return Err(act::forbidden("workflow.substitute.name"));
    }
    let wrong = |field: &str, key: &'static str| Err(Error::invalid(field, Text::new(key)));
    if named.substitute == named.officer {
        return wrong("substitute", "workflow-substitute-self");
    }
    let days = (named.until - named.from).num_days();
    if !(0..=MAX_DAYS).contains(&days) || named.until < local_date(tx.now()) {
        return wrong("until", "workflow-substitute-days");
    }
    need_reason(&named.reason)?;
    who::need_officer(tx, "substitute", &named.substitute).await?;
    let groups = who::groups_of(&**tx, &named.officer).await?;
    if groups.is_empty() || named.posts.iter().any(|post| !groups.contains(post)) {
        return wrong("posts", "workflow-substitute-posts");
    }
    if named.posts.iter().any(|post| who::is_kept(post)) {
        return wrong("posts", "workflow-substitute-kept");
    }
    let id = kernel::id::new_v7(tx.now()).to_string();
    let row = substitute::Model {
        id: id.clone(),
        officer: named.officer.clone(),
        substitute: named.substitute.clone(),
        posts: named.posts.join(","),
        from_day: named.from,
        until_day: named.until,
        reason: named.reason.clone(),
        created_by: officer.id.clone(),
        created_at: micros(tx.now()),
        ended_at: None,
    };
    store::insert_substitute(tx, row).await?;
    let told = event::SubstituteNamed {
        officer: named.officer.clone(),
        substitute: named.substitute.clone(),
        posts: named.posts.clone(),
        from: named.from,
        until: named.until,
        by: officer.id.clone(),
        reason: named.reason.clone(),
    };
    tx.emit(format!("user:{}", named.officer), &officer.trace, &told)?;
    Ok(id)
}

/// Ends it before its time; a second time changes nothing.
pub async fn end_substitute(
    tx: &Tx,
    id: &str,
    officer: &Officer,
    is_administrator: bool,
) -> Result<()> {
    let row = store::get_substitute(tx, id).await?;
    let is_his = [&row.officer, &row.substitute].contains(&&officer.id);
    if !is_his && !is_administrator {
        return Err(act::forbidden("workflow.substitute.name"));
    }
    if store::end_substitute(tx, id).await? {
        let told = event::SubstituteEnded {
            officer: row.officer.clone(),
            substitute: row.substitute,
            by: officer.id.clone(),
        };
        tx.emit(format!("user:{}", row.officer), &officer.trace, &told)?;
    }
    Ok(())
}

/// Those named for an officer, newest first.
pub async fn substitutes_of(db: &Db, officer: &str) -> Result<Vec<Substitute>> {
    let rows = store::substitutes(db.read(), officer).await?;
    Ok(rows.into_iter().map(Substitute::from).collect())
}

/// Widens a work list by the tasks of those for whom the officer stands in today.
pub async fn with_absent(db: &Db, officer: &str, mut filter: Filter) -> Result<Filter> {
    let today = local_date(db.clock().now());
    for row in store::standing_in(db.read(), officer, today).await? {
        filter.absent.push(who::handed_on(db.read(), row).await?);
    }
    Ok(filter)
}

/// Posts that an officer holds today in the place of absent colleagues.
pub async fn held_for_absent(db: &Db, officer: &str) -> Result<Vec<Post>> {
    let today = local_date(db.clock().now());
    let mut held = Vec::new();
    for row in store::standing_in(db.read(), officer, today).await? {
        let Ok(user) = row.officer.parse::<UserId>() else {
            continue;
        };
        let chosen = tables::list(&row.posts);
        let name = directory::user(db.read(), user).await?.name;
        for post in directory::posts_of(db.read(), user).await? {
            let is_chosen = chosen.is_empty() || chosen.contains(&post.group());
            if is_chosen && !who::is_kept(&post.group()) {
                let name = name.clone();
                let held_for = Some(Colleague { user, name });
                held.push(Post { held_for, ..post });
            }
        }
    }
    Ok(held)
}
