//! Adding and removing signers (加签、减签).

use ::store::Tx;
use kernel::{Error, Result, Text};
use sea_orm::ActiveValue::Set;
use serde::{Deserialize, Serialize};

use super::{
    need_reason, pairs,
    store::{self, record},
    who::{self, Acting},
    work::{self, part_of, part_row, touched},
};
use crate::{
    Engine, Officer, TaskId, act,
    act::open_task,
    event,
    schema::{part, task},
    store as tables,
};

/// When an added signer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SignerPlace)]
pub enum Place {
    /// Before the task: it waits, then goes back to its handler.
    Before,
    /// After the task is completed and before the process goes on.
    After,
    /// Together with the task: all of them sign.
    Beside,
}

/// Adds signers to a task that one has.
pub async fn add_signers(
    tx: &Tx,
    id: TaskId,
    officer: &Officer,
    place: Place,
    added: &[String],
    reason: &str,
) -> Result<()> {
    let row = open_task(tx, id, None).await?;
    let acting = who::acting(tx, &row, officer, "workflow.task.sign").await?;
    work::need_running_clock(tx, &row).await?;
    need_reason(reason)?;
    if added.is_empty() {
        return Err(Error::invalid(
            "signers",
            Text::new("workflow-signers-none"),
        ));
    }
    let (mut parent, role) = match place {
        Place::Before => (row.clone(), "before".to_owned()),
        Place::After => (row.clone(), "after".to_owned()),
        Place::Beside => beside(tx, &row, &acting).await?,
    };
    need_new(tx, &parent, &acting, added).await?;
    // Those after wait for their turn; those before make the task wait for them.
    let part_state = match (role.as_str(), parent.state.as_str()) {
        ("after", state) if state != "following" => "pending",
        _ => "",
    };
    let added_rows: Vec<task::Model> = added
        .iter()
        .map(|who| part_row(tx, &parent, who, &role, part_state))
        .collect();
    let parts = added_rows
        .iter()
        .map(|row| part_of(row, &role, 1, acting.seat()));
    store::insert_parts(tx, parts.collect()).await?;
    if part_state.is_empty() {
        told(tx, &added_rows, &acting)?;
    }
    tables::insert_tasks(tx, added_rows).await?;
    waits_for(tx, &mut parent, &role, added.len(), &acting).await?;
    let other = format!("{role}:{}", added.join(","));
    record(tx, &row, "add_signer", &acting, &other, reason).await
}

/// The task has so many more signers; where they come before it, it waits for them.
async fn waits_for(
    tx: &Tx,
    parent: &mut task::Model,
    role: &str,
    more: usize,
    acting: &Acting,
) -> Result<()> {
    let count = i64::try_from(more).unwrap_or(i64::MAX);
    let state = match role {
        "before" => "pending".to_owned(),
        _ => parent.state.clone(),
    };
    let change = task::ActiveModel {
        state: Set(state),
        parts: Set(parent.parts + count),
        assignee: Set(parent.assignee.take().or_else(|| match role {
            "sign" => None,
            _ => Some(acting.seat().to_owned()),
        })),
        ..touched(tx)
    };
    let unlisted = role == "before";
    act::change(tx, parent, change).await?;
    if unlisted {
        tables::remove_candidates(tx, std::slice::from_ref(&parent.id)).await?;
    }
    Ok(())
}

fn told(tx: &Tx, rows: &[task::Model], acting: &Acting) -> Result<()> {
    for row in rows {
        let task = tables::facts(row)?;
        tx.emit(&row.subject, &acting.trace, &event::TaskCreated { task })?;
    }
    Ok(())
}

/// The task whose signers the new ones join: that of which one is a signer oneself, or one's own
/// task, which from now on is signed by all.
async fn beside(tx: &Tx, row: &task::Model, acting: &Acting) -> Result<(task::Model, String)> {
    if let Some(parent) = &row.parent {
        let role = store::get_part(&**tx, &row.id).await?.role;
        return Ok((tables::get_task_row(&**tx, parent).await?, role));
    }
    let own = part_row(tx, row, acting.seat(), "sign", "");
    store::insert_parts(tx, vec![part_of(&own, "sign", 1, acting.seat())]).await?;
    told(tx, std::slice::from_ref(&own), acting)?;
    tables::insert_tasks(tx, vec![own]).await?;
    let change = task::ActiveModel {
        state: Set("signing".to_owned()),
        parts: Set(row.parts + 1),
        ..touched(tx)
    };
    act::change(tx, row, change).await?;
    tables::remove_candidates(tx, std::slice::from_ref(&row.id)).await?;
    let parent = tables::get_task_row(&**tx, &row.id).await?;
    Ok((parent, "sign".to_owned()))
}

/// Everybody added is an officer or a group, and signs once.
async fn need_new(tx: &Tx, parent: &task::Model, acting: &Acting, added: &[String]) -> Result<()> {
    let parts = store::parts_of(&**tx, &parent.id).await?;
    for (at, who) in added.iter().enumerate() {
        let signs = |(part, task): &(part::Model, task::Model)| {
            let is_live = tables::LIVE.contains(&task.state.as_str());
            let is_his = task.assignee.as_ref() == Some(who) || task.candidates == *who;
            (is_live || part.vote.is_some()) && is_his
        };
        let twice = added.iter().take(at).any(|other| other == who);
        let is_oneself = *who == acting.id || who == acting.seat();
        if twice || is_oneself || parts.iter().any(signs) {
            let text = Text::new("workflow-signer-twice").with("officer", who);
            return Err(Error::invalid("signers", text));
        }
        if !who.contains('@') {
            who::need_officer(tx, "signers", who).await?;
        } else if pairs(who, '@').count() != 1 {
            let text = Text::new("workflow-officer-unknown").with("officer", who);
            return Err(Error::invalid("signers", text));
        }
    }
    Ok(())
}

/// Takes a signer away who has not answered. Whoever added him may, and an administrator.
pub async fn remove_signer(
    tx: &Tx,
    engine: &Engine,
    id: TaskId,
    officer: &Officer,
    is_administrator: bool,
    reason: &str,
) -> Result<()> {
    let row = tables::get_task(&**tx, id).await?;
    if !tables::LIVE.contains(&row.state.as_str()) {
        return Err(Error::refused("workflow-signer-answered"));
    }
    let part = match store::get_part(&**tx, &row.id).await {
        Err(Error::NotFound { .. }) => return Err(Error::refused("workflow-no-signer")),
        part => part?,
    };
    let parent = tables::get_task_row(&**tx, &part.parent).await?;
    let acting = match who::lookup_acting(tx, &parent, Some(&part.added_by), officer).await? {
        Some(acting) => acting,
        None if is_administrator => Acting::own(officer),
        None => return Err(act::forbidden("workflow.task.sign")),
    };
    need_reason(reason)?;
    let parts = store::parts_of(&**tx, &parent.id).await?;
    let others = parts.iter().filter(|(other, task)| {
        let stays = other.vote.is_some() || tables::LIVE.contains(&task.state.as_str());
        other.role == "sign" && other.task != part.task && stays
    });
    if part.role == "sign" && others.count() == 0 {
        return Err(Error::refused("workflow-signer-last"));
    }
    work::drop_task(tx, &row).await?;
    let who = row.assignee.as_deref().unwrap_or(&row.candidates);
    record(tx, &row, "remove_signer", &acting, who, reason).await?;
    work::look_again(tx, engine, parent, &row.id, &acting).await?;
    Ok(())
}
