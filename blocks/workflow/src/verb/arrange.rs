//! Who gets a task that was just created: its signers, the officer whom the handler before chose,
//! the one to whom it is returned, or nobody because it is skipped.

use std::collections::HashMap;

use ::store::Tx;
use identity::{UserId, directory};
use kernel::{Error, Result, Text, clock::micros};

use super::{
    SignRule, store,
    who::{self, Acting},
    work::{part_of, part_row, signers},
};
use crate::{
    act::attribute,
    core::{Followed, Instance},
    schema::{part, task},
    store as tables,
};

/// Why a step is taken: who did what.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cause {
    /// As events name who did it.
    pub trace: String,
    /// Nobody waits for the answer: what would be refused stops the task that it is about, where
    /// operators find it.
    pub is_unattended: bool,
    /// The task whose completion it is.
    pub task: Option<String>,
    officer: Option<Acting>,
    next: Option<String>,
    may_be_anyone: bool,
    is_chosen: bool,
    /// Officers who get the task of an element, whoever else could.
    assign: HashMap<String, String>,
}

impl Cause {
    pub fn by(trace: &str) -> Self {
        Self {
            trace: trace.to_owned(),
            ..Self::default()
        }
    }

    /// A job, or what follows from another instance.
    pub fn unattended(trace: &str) -> Self {
        Self {
            is_unattended: true,
            ..Self::by(trace)
        }
    }

    pub fn completion(row: &task::Model, acting: &Acting, next: Option<String>) -> Self {
        Self {
            task: Some(row.id.clone()),
            officer: Some(acting.clone()),
            next,
            may_be_anyone: attribute(row, "choose").as_deref() == Some("anyone"),
            ..Self::by(&acting.trace)
        }
    }

    #[must_use]
    pub fn assigning(mut self, element: &str, officer: Option<String>) -> Self {
        self.assign
            .extend(officer.map(|officer| (element.to_owned(), officer)));
        self
    }

    /// A step that returned gets its task back when the token jumps back to it.
    pub async fn remember_returner(
        &mut self,
        tx: &Tx,
        instance: &str,
        element: &str,
    ) -> Result<()> {
        let left = store::last_at(&**tx, instance, element, "gone").await?;
        let officer = left.and_then(|row| row.assignee);
        self.assign
            .extend(officer.map(|officer| (element.to_owned(), officer)));
        Ok(())
    }

    /// Refuses a completion that chose somebody who may take none of the tasks that follow.
    pub fn need_chosen(&self) -> Result<()> {
        match &self.next {
            Some(next) if !self.is_chosen => Err(Error::invalid(
                "next",
                Text::new("workflow-next-not-candidate").with("officer", next),
            )),
            _ => Ok(()),
        }
    }
}

/// What a completed token led to, for the task that was completed.
pub(crate) fn take_places(
    before: u32,
    place: (u32, Vec<crate::model::Id>),
    instance: &Instance,
) -> Followed {
    let (frame, back) = place;
    let mut followed = Followed {
        frame,
        from: before,
        until: instance.next_number(),
        count: 0,
        back,
    };
    followed.count = instance.followers(&followed).count();
    followed
}

/// Whether the one who completed the step before would get this task too, and the step allows to
/// leave it out then (`tongban:skip="same-handler"`).
pub(crate) fn is_skipped(cause: &Cause, row: &task::Model) -> bool {
    let Some(officer) = &cause.officer else {
        return false;
    };
    let would_get = match &row.assignee {
        Some(assignee) => assignee == officer.seat(),
        None => who::is_candidate(row, &officer.groups),
    };
    let is_returned = cause.assign.contains_key(&row.element);
    attribute(row, "skip").as_deref() == Some("same-handler") && would_get && !is_returned
}

/// A task's row with those of its signers.
pub(crate) struct Arranged {
    pub tasks: Vec<task::Model>,
    pub parts: Vec<part::Model>,
}

/// Completes a new row; the inner error is one of the model's or its variables'.
pub(crate) async fn created(
    tx: &Tx,
    cause: &mut Cause,
    mut row: task::Model,
) -> Result<Result<Arranged, String>> {
    let mut parts = Vec::new();
    let mut tasks = Vec::new();
    if let Some(rule) = attribute(&row, "sign") {
        if SignRule::parse(&rule).is_none() {
            return Ok(Err(format!("`tongban:sign` is no rule but `{rule}`")));
        }
        let named = named_signers(tx, &row).await?;
        if named.is_empty() {
            return Ok(Err("nobody is there to sign".to_owned()));
        }
        "signing".clone_into(&mut row.state);
        for (who, weight) in named {
            let part = part_row(tx, &row, &who, "sign", "");
            parts.push(part_of(&part, "sign", weight, "process"));
            tasks.push(part);
        }
        row.parts = i64::try_from(parts.len()).unwrap_or(i64::MAX);
    } else if let Some(officer) = chosen_officer(tx, cause, &row).await? {
        row.claimed_at = Some(micros(tx.now()));
        row.assignee = Some(officer);
        "claimed".clone_into(&mut row.state);
    }
    tasks.insert(0, row);
    Ok(Ok(Arranged { tasks, parts }))
}

/// Those whom the model names, otherwise everybody who holds a candidate post today.
async fn named_signers(tx: &Tx, row: &task::Model) -> Result<Vec<(String, i64)>> {
    if row.attributes.contains("\"signers\":") {
        return Ok(signers(&attribute(row, "signers").unwrap_or_default()));
    }
    let mut found: Vec<(String, i64)> = Vec::new();
    for group in tables::list(&row.candidates) {
        let Some((post, org)) = group.split_once('@') else {
            continue;
        };
        for user in directory::officers_with_post(&**tx, post, org).await? {
            let id = user.id.to_string();
            if found.iter().all(|(known, _)| *known != id) {
                found.push((id, 1));
            }
        }
    }
    Ok(found)
}

async fn chosen_officer(tx: &Tx, cause: &mut Cause, row: &task::Model) -> Result<Option<String>> {
    if let Some(officer) = cause.assign.get(&row.element) {
        return Ok(Some(officer.clone()).filter(|officer| officer.parse::<UserId>().is_ok()));
    }
    let Some(next) = cause.next.clone().filter(|_| row.assignee.is_none()) else {
        return Ok(None);
    };
    let groups = who::groups_of(&**tx, &next).await?;
    let may = who::is_candidate(row, &groups) || cause.may_be_anyone && !groups.is_empty();
    cause.is_chosen |= may;
    Ok(may.then_some(next))
}
