//! Who may act on a task: the one who has it, those who could take it, and their substitutes.

use ::store::Tx;
use identity::{UserId, directory};
use kernel::{Error, Finding, Result, Text, clock::local_date};
use sea_orm::ConnectionTrait;

use super::store;
use crate::{
    Officer,
    act::forbidden,
    schema::{substitute, task},
    store::{self as tables, Absent},
};

/// Somebody who may do what he does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acting {
    pub id: String,
    /// What he may take: his own groups, or those of the absent officer in whose place he acts.
    pub groups: Vec<String>,
    /// The absent officer in whose place he acts.
    pub on_behalf: Option<String>,
    /// How events and the trail name him: `user:…`, or `user:… for user:…`.
    pub trace: String,
}

impl Acting {
    pub(crate) fn system() -> Self {
        Self {
            id: "system".into(),
            trace: "system".into(),
            ..Self::default()
        }
    }

    pub(crate) fn own(officer: &Officer) -> Self {
        Self {
            id: officer.id.clone(),
            groups: officer.groups.clone(),
            on_behalf: None,
            trace: officer.trace.clone(),
        }
    }

    /// Whose the task is: what a substitute does is done at the absent officer's desk, and stays
    /// there when the substitution has ended.
    pub(crate) fn seat(&self) -> &str {
        self.on_behalf.as_deref().unwrap_or(&self.id)
    }
}

pub(crate) fn is_candidate(row: &task::Model, groups: &[String]) -> bool {
    let candidates = tables::list(&row.candidates);
    candidates.iter().any(|group| groups.contains(group))
}

/// How an officer may act on an open task: as the one who has it, as one who could take it when
/// nobody has, or in the place of an absent officer who may.
pub(crate) async fn acting(
    tx: &Tx,
    row: &task::Model,
    officer: &Officer,
    action: &str,
) -> Result<Acting> {
    let acting = lookup_acting(tx, row, row.assignee.as_deref(), officer).await?;
    acting.ok_or_else(|| match row.assignee {
        Some(_) if is_candidate(row, &officer.groups) => Error::refused("workflow-task-taken"),
        _ => forbidden(action),
    })
}

/// As whom an officer may do what `seat` may do with a task, or, without one, whoever could take
/// it: himself, or an absent officer for whom he stands in today.
pub(crate) async fn lookup_acting(
    tx: &Tx,
    row: &task::Model,
    seat: Option<&str>,
    officer: &Officer,
) -> Result<Option<Acting>> {
    let may = match seat {
        Some(seat) => seat == officer.id,
        None => is_candidate(row, &officer.groups),
    };
    if may {
        return Ok(Some(Acting::own(officer)));
    }
    for absent in store::standing_in(&**tx, &officer.id, local_date(tx.now())).await? {
        if seat.is_some_and(|seat| seat != absent.officer) {
            continue;
        }
        let absent = handed_on(&**tx, absent).await?;
        if absent.lets(row, seat.is_some()) {
            return Ok(Some(Acting {
                id: officer.id.clone(),
                groups: absent.groups,
                trace: format!("{} for user:{}", officer.trace, absent.officer),
                on_behalf: Some(absent.officer),
            }));
        }
    }
    Ok(None)
}

/// Posts of those who keep the system: they check one another, and a substitute could join two.
const NOT_HANDED_ON: [&str; 3] = ["operator", "security", "auditor"];

/// Whether a group `post@org` is of a post that no substitute gets.
pub(crate) fn is_kept(group: &str) -> bool {
    let post = group.split_once('@').map(|(post, _)| post);
    post.is_some_and(|post| NOT_HANDED_ON.contains(&post))
}

/// What the substitute has of an absent officer: all his posts, or those that were chosen, but for
/// the posts that are not handed on.
pub(super) async fn handed_on<C: ConnectionTrait>(
    db: &C,
    row: substitute::Model,
) -> Result<Absent> {
    let chosen = tables::list(&row.posts);
    let held = groups_of(db, &row.officer).await?;
    let (kept, mut groups): (Vec<String>, Vec<String>) =
        held.into_iter().partition(|group| is_kept(group));
    groups.retain(|group| chosen.is_empty() || chosen.contains(group));
    Ok(Absent {
        officer: row.officer,
        groups,
        kept,
        is_whole: chosen.is_empty(),
    })
}

impl Absent {
    /// Whether the substitute may do what the absent officer may with a task: one that he has, or
    /// one that he could take. Work lists ask the same of the database.
    fn lets(&self, row: &task::Model, has_it: bool) -> bool {
        let is_his = has_it && self.is_whole && !is_candidate(row, &self.kept);
        is_his || is_candidate(row, &self.groups)
    }
}

/// Posts of an officer today; none for somebody who is no officer or no longer there.
pub(crate) async fn groups_of<C: ConnectionTrait>(db: &C, officer: &str) -> Result<Vec<String>> {
    let Ok(user) = officer.parse::<UserId>() else {
        return Ok(Vec::new());
    };
    match directory::groups_of(db, user).await {
        Ok(mut groups) if !groups.is_empty() => {
            groups.push(own_group(officer));
            Ok(groups)
        }
        Err(Error::NotFound { .. }) => Ok(Vec::new()),
        groups => groups,
    }
}

/// The group of one officer alone, for tasks whose candidates are named in person.
pub(crate) fn own_group(officer: &str) -> String {
    format!("{OWN}{officer}")
}

/// Beginning of the group of one officer alone.
pub(super) const OWN: &str = "user:";

/// Those whom the model names in person, by login name or identifier, are found in the directory.
/// The inner error says that an assignee is nobody, or that nobody who is named may take the task.
pub(crate) async fn resolve(tx: &Tx, row: &mut task::Model) -> Result<Result<(), String>> {
    if let Some(named) = row.assignee.take() {
        row.assignee = user_of(tx, &named).await?;
        if row.assignee.is_none() {
            return Ok(Err(format!("the assignee `{named}` is nobody known here")));
        }
    }
    if !row.candidates.contains(OWN) {
        return Ok(Ok(()));
    }
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for group in tables::list(&row.candidates) {
        match group.strip_prefix(OWN) {
            None => known.push(group),
            Some(named) => match user_of(tx, named).await? {
                Some(id) => known.push(own_group(&id)),
                None => unknown.push(named.to_owned()),
            },
        }
    }
    if known.is_empty() && row.assignee.is_none() {
        let named = unknown.join("`, `");
        return Ok(Err(format!("the candidate `{named}` is nobody known here")));
    }
    row.candidates = known.join(",");
    Ok(Ok(()))
}

async fn user_of(tx: &Tx, named: &str) -> Result<Option<String>> {
    let found = match named.parse::<UserId>() {
        Ok(id) => match directory::user(&**tx, id).await {
            Err(Error::NotFound { .. }) => None,
            user => Some(user?),
        },
        Err(_) => directory::user_by_name(&**tx, named).await?,
    };
    Ok(found.map(|user| user.id.to_string()))
}

/// Refuses an officer who holds none of the task's posts.
pub(super) async fn need_candidate(tx: &Tx, id: crate::TaskId, officer: &str) -> Result<()> {
    let row = tables::get_task(&**tx, id).await?;
    let groups = groups_of(&**tx, officer).await?;
    if groups.is_empty() || !row.candidates.is_empty() && !is_candidate(&row, &groups) {
        let text = Text::new("workflow-officer-unknown").with("officer", officer);
        return Err(Error::invalid("to", text));
    }
    Ok(())
}

/// Refuses a name that is no officer's who may sign in.
pub(super) async fn need_officer(tx: &Tx, field: &str, officer: &str) -> Result<()> {
    if groups_of(&**tx, officer).await?.is_empty() {
        let text = Text::new("workflow-officer-unknown").with("officer", officer);
        return Err(Error::Invalid(vec![Finding::new(field, text)]));
    }
    Ok(())
}
