//! Completing a task, with everything that may stand between an answer and the token's leaving:
//! the delegator, signers after it, and the others who sign.

use ::store::Tx;
use kernel::{Error, Result, Text, clock::micros};
use sea_orm::ActiveValue::Set;
use serde_json::{Map, Value};

use super::{
    Ballot, Fields, SignRule, Vote, decide, need_reason, pairs, signed_outcome,
    store::{self, json, read_json, record},
    who::{self, Acting},
};
use crate::{
    Engine, Officer, TaskId,
    act::{self, attribute, open_task},
    event,
    schema::{part, task},
    store as tables,
};

/// What somebody answers to a task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Completion {
    pub vars: Map<String, Value>,
    /// Officer who shall have the next task (`tongban:choose`).
    pub next: Option<String>,
}

impl Completion {
    fn outcome(&self) -> &str {
        let outcome = self.vars.get("outcome").and_then(Value::as_str);
        outcome.unwrap_or_default()
    }
}

/// What came of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TaskProgress)]
pub enum Progress {
    /// The process has gone on.
    Moved,
    /// The answer is kept; others have to answer first.
    Waits,
}

/// As [`crate::complete`], and says who shall have the next task.
pub async fn complete_choosing(
    tx: &Tx,
    engine: &Engine,
    id: TaskId,
    officer: &Officer,
    expected: Option<i64>,
    done: Completion,
) -> Result<Progress> {
    let row = match tx.recall(&id.to_string()) {
        Some(Foreseen(row)) => act::need_open(row, expected)?,
        None => open_task(tx, id, expected).await?,
    };
    let acting = who::acting(tx, &row, officer, "workflow.task.complete").await?;
    check(tx, &row, &done).await?;
    answer(tx, engine, row, &acting, done).await
}

/// The answer of whoever has the task: to its delegator, or for good.
pub(crate) async fn answer(
    tx: &Tx,
    engine: &Engine,
    row: task::Model,
    acting: &Acting,
    done: Completion,
) -> Result<Progress> {
    if !row.back_to.is_empty() {
        answer_delegator(tx, &row, acting, &done).await?;
        return Ok(Progress::Waits);
    }
    settle(tx, engine, row, acting, done).await
}

/// A task as [`foresee`] read it, for the completion that follows in the same write. Whoever changed
/// it in between is found by its version.
#[derive(Clone)]
struct Foreseen(task::Model);

/// What a completion would do, without doing it: the variables with which the process would go
/// on, or none if others have to answer first. For applications that act on their own rows when
/// a task is really done.
pub async fn foresee(
    tx: &Tx,
    id: TaskId,
    officer: &Officer,
    vars: &Map<String, Value>,
) -> Result<Option<Map<String, Value>>> {
    let mut row = open_task(tx, id, None).await?;
    tx.remember(id.to_string(), Foreseen(row.clone()));
    let acting = who::acting(tx, &row, officer, "workflow.task.complete").await?;
    let mut done = Completion {
        vars: vars.clone(),
        next: None,
    };
    check(tx, &row, &done).await?;
    loop {
        if !row.back_to.is_empty() || !waiting_after(tx, &row).await?.is_empty() {
            return Ok(None);
        }
        let Some(parent) = &row.parent else {
            return Ok(Some(done.vars));
        };
        let parent = tables::get_task_row(&**tx, parent).await?;
        let family = Family::of(tx, &parent, Some((&row, &acting, &done))).await?;
        match family.next(&row.id) {
            Next::Up(up) => (row, done) = (parent, up),
            Next::Wait | Next::Return => return Ok(None),
        }
    }
}

/// Everything that a task's own attributes say about an answer.
pub(crate) async fn check(tx: &Tx, row: &task::Model, done: &Completion) -> Result<()> {
    need_running_clock(tx, row).await?;
    need_outcome(row, done)?;
    let findings = fields(row).findings(&done.vars);
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    if done.next.is_some() && attribute(row, "choose").is_none() {
        return Err(Error::invalid(
            "next",
            Text::new("workflow-next-not-allowed"),
        ));
    }
    Ok(())
}

/// A task that names its outcomes is answered by one of them: left out, the model would take the
/// branch that stands for none of them. Who only prepares another's answer may leave it open.
pub(crate) fn need_outcome(row: &task::Model, done: &Completion) -> Result<()> {
    let outcomes = tables::list(&row.outcomes);
    let is_fit = match done.vars.get("outcome") {
        Some(outcome) => outcomes.iter().any(|known| outcome == known),
        None => !row.back_to.is_empty(),
    };
    if outcomes.is_empty() || is_fit {
        return Ok(());
    }
    let text = Text::new("workflow-outcome-unknown").with("known", outcomes.join(", "));
    Err(Error::invalid("outcome", text))
}

pub(super) fn fields(row: &task::Model) -> Fields {
    Fields::parse(&attribute(row, "fields").unwrap_or_default())
}

/// The task that a row is part of, itself where it is none: all its signers share its one clock.
pub(super) async fn whole(tx: &Tx, row: &task::Model) -> Result<task::Model> {
    let mut whole = row.clone();
    while let Some(parent) = &whole.parent {
        whole = tables::get_task_row(&**tx, parent).await?;
    }
    Ok(whole)
}

/// A task whose clock stands still waits for what it was suspended for.
pub(super) async fn need_running_clock(tx: &Tx, row: &task::Model) -> Result<()> {
    let may = attribute(row, "worksWhileSuspended").as_deref() == Some("true");
    if !may && whole(tx, row).await?.suspended_at.is_some() {
        return Err(Error::refused("workflow-task-suspended"));
    }
    Ok(())
}

/// Keeps what was filled in so far, for whoever opens the task next.
pub async fn save(
    tx: &Tx,
    id: TaskId,
    officer: &Officer,
    expected: Option<i64>,
    vars: &Map<String, Value>,
) -> Result<()> {
    let row = open_task(tx, id, expected).await?;
    let acting = who::acting(tx, &row, officer, "workflow.task.save").await?;
    let findings = fields(&row).findings(vars);
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    store::save(tx, &row.id, vars, None, &acting.id).await?;
    let change = task::ActiveModel {
        saved_at: Set(Some(micros(tx.now()))),
        ..touched(tx)
    };
    act::change(tx, &row, change).await?;
    // What was typed is nobody else's business: the event says only that something was.
    record(tx, &row, "save", &acting, "", "").await
}

/// A change by somebody who has begun to work.
pub(super) fn touched(tx: &Tx) -> task::ActiveModel {
    task::ActiveModel {
        acted_at: Set(Some(micros(tx.now()))),
        ..Default::default()
    }
}

/// The other does the work, and it comes back to the one who completes.
pub async fn delegate(
    tx: &Tx,
    id: TaskId,
    officer: &Officer,
    to: &str,
    reason: &str,
) -> Result<()> {
    let row = open_task(tx, id, None).await?;
    let acting = who::acting(tx, &row, officer, "workflow.task.delegate").await?;
    need_reason(reason)?;
    let mut back_to = tables::list(&row.back_to);
    if to == acting.id || to == acting.seat() {
        return Err(Error::invalid("to", Text::new("workflow-delegate-self")));
    }
    if back_to.iter().any(|waiting| waiting == to) {
        return Err(Error::invalid("to", Text::new("workflow-delegate-circle")));
    }
    who::need_officer(tx, "to", to).await?;
    back_to.push(acting.seat().to_owned());
    let change = task::ActiveModel {
        assignee: Set(Some(to.to_owned())),
        state: Set("claimed".to_owned()),
        claimed_at: Set(Some(micros(tx.now()))),
        back_to: Set(back_to.join(",")),
        ..touched(tx)
    };
    act::change(tx, &row, change).await?;
    record(tx, &row, "delegate", &acting, to, reason).await
}

async fn answer_delegator(
    tx: &Tx,
    row: &task::Model,
    acting: &Acting,
    done: &Completion,
) -> Result<()> {
    let mut back_to = tables::list(&row.back_to);
    let delegator = back_to.pop();
    store::save(tx, &row.id, &done.vars, None, &acting.id).await?;
    let change = task::ActiveModel {
        assignee: Set(delegator.clone()),
        state: Set("claimed".to_owned()),
        claimed_at: Set(Some(micros(tx.now()))),
        back_to: Set(back_to.join(",")),
        saved_at: Set(Some(micros(tx.now()))),
        ..touched(tx)
    };
    act::change(tx, row, change).await?;
    // It was on no list while its signers had it.
    if row.state == "signing" {
        tables::insert_candidates(tx, row).await?;
    }
    let to = delegator.unwrap_or_default();
    record(tx, row, "answer", acting, &to, "").await
}

/// The answer takes effect, as far up as nobody else has to answer first.
pub(crate) async fn settle(
    tx: &Tx,
    engine: &Engine,
    mut row: task::Model,
    acting: &Acting,
    mut done: Completion,
) -> Result<Progress> {
    loop {
        let after = waiting_after(tx, &row).await?;
        if !after.is_empty() {
            follow(tx, &row, acting, &done, &after).await?;
            return Ok(Progress::Waits);
        }
        act::close(tx, engine, &row, acting, &done.vars).await?;
        let Some(parent) = row.parent.clone() else {
            act::leave(tx, engine, &row, acting, done).await?;
            return Ok(Progress::Moved);
        };
        let vote = Vote::of(&tables::list(&row.outcomes), done.outcome());
        let answer = (vote.name(), &done.vars, acting.id.as_str());
        store::answer_part(tx, &row.id, Some(answer)).await?;
        let parent = tables::get_task_row(&**tx, &parent).await?;
        let family = Family::of(tx, &parent, None).await?;
        match family.next(&row.id) {
            Next::Wait => return Ok(Progress::Waits),
            Next::Return => {
                wake(tx, &parent).await?;
                return Ok(Progress::Waits);
            }
            Next::Up(up) => {
                family.drop_open(tx).await?;
                // Its signers answered a delegator's task: he still has to.
                if !parent.back_to.is_empty() {
                    answer_delegator(tx, &parent, acting, &up).await?;
                    return Ok(Progress::Waits);
                }
                (row, done) = (parent, up);
            }
        }
    }
}

/// A task is looked at again after one of its signers was removed.
pub(super) async fn look_again(
    tx: &Tx,
    engine: &Engine,
    parent: task::Model,
    removed: &str,
    acting: &Acting,
) -> Result<Progress> {
    let family = Family::of(tx, &parent, None).await?;
    match family.next(removed) {
        Next::Wait => Ok(Progress::Waits),
        Next::Return => {
            wake(tx, &parent).await?;
            Ok(Progress::Waits)
        }
        Next::Up(up) => {
            family.drop_open(tx).await?;
            answer(tx, engine, parent, acting, up).await
        }
    }
}

/// Parts whose turn comes when the task itself is done.
async fn waiting_after(tx: &Tx, row: &task::Model) -> Result<Vec<task::Model>> {
    if row.parts == 0 || row.state == "following" {
        return Ok(Vec::new());
    }
    let parts = store::parts_of(&**tx, &row.id).await?;
    let waits =
        |(part, task): &(part::Model, task::Model)| part.role == "after" && task.state == "pending";
    Ok(parts
        .into_iter()
        .filter(waits)
        .map(|(_, task)| task)
        .collect())
}

async fn follow(
    tx: &Tx,
    row: &task::Model,
    acting: &Acting,
    done: &Completion,
    after: &[task::Model],
) -> Result<()> {
    let next = done.next.as_deref();
    store::save(tx, &row.id, &done.vars, next, &acting.id).await?;
    let change = task::ActiveModel {
        state: Set("following".to_owned()),
        assignee: Set(Some(acting.seat().to_owned())),
        saved_at: Set(Some(micros(tx.now()))),
        ..touched(tx)
    };
    act::change(tx, row, change).await?;
    for task in after {
        wake(tx, task).await?;
    }
    record(tx, row, "answer", acting, "", "").await
}

/// A task that waited for others shows on work lists.
pub(super) async fn wake(tx: &Tx, row: &task::Model) -> Result<()> {
    let state = if row.assignee.is_some() {
        "claimed"
    } else {
        "open"
    };
    let change = task::ActiveModel {
        state: Set(state.to_owned()),
        ..Default::default()
    };
    act::change(tx, row, change).await?;
    tables::insert_candidates(tx, row).await?;
    tx.emit(
        &row.subject,
        "system",
        &event::TaskCreated {
            task: tables::facts(row)?,
        },
    )
}

/// What the answer of a part means to the task that waits for it.
enum Next {
    /// Others have to answer.
    Wait,
    /// Those asked before have answered; the task goes back to its own handler.
    Return,
    /// The task itself is done, with these variables.
    Up(Completion),
}

/// A task and its parts.
struct Family<'a> {
    parent: &'a task::Model,
    parts: Vec<(part::Model, task::Model)>,
    saved: Completion,
    vetoes: Vec<String>,
}

impl<'a> Family<'a> {
    /// `answer` is what somebody would answer: it is not written yet.
    async fn of(
        tx: &Tx,
        parent: &'a task::Model,
        answer: Option<(&task::Model, &Acting, &Completion)>,
    ) -> Result<Self> {
        let mut parts = store::parts_of(&**tx, &parent.id).await?;
        if let Some((row, acting, done)) = answer {
            let vote = Vote::of(&tables::list(&row.outcomes), done.outcome());
            for (part, task) in parts.iter_mut().filter(|(part, _)| part.task == row.id) {
                part.vote = Some(vote.name().to_owned());
                part.vars = json(&done.vars)?;
                part.answered_by = Some(acting.id.clone());
                part.answered_at = Some(micros(tx.now()));
                "done".clone_into(&mut task.state);
                task.assignee = Some(acting.seat().to_owned());
            }
        }
        let saved = store::lookup_saved(&**tx, &parent.id).await?;
        let saved = saved.map(|saved| Completion {
            vars: read_json(&saved.vars),
            next: saved.next,
        });
        let vetoes = tables::list(&attribute(parent, "veto").unwrap_or_default());
        let mut family = Self {
            parent,
            parts,
            saved: saved.unwrap_or_default(),
            vetoes: Vec::new(),
        };
        family.vetoes = family.who_vetoes(tx, &vetoes).await?;
        Ok(family)
    }

    /// Signers who refused and whose refusal decides alone: named themselves, or by their post. A
    /// substitute's refusal is that of the absent officer.
    async fn who_vetoes(&self, tx: &Tx, named: &[String]) -> Result<Vec<String>> {
        let mut found = Vec::new();
        if named.is_empty() {
            return Ok(found);
        }
        for (part, task) in &self.parts {
            let has_refused = part.vote.as_deref() == Some("refuse");
            let Some(by) = task.assignee.as_deref().filter(|_| has_refused) else {
                continue;
            };
            let groups = who::groups_of(&**tx, by).await?;
            let posts = groups.iter().filter_map(|group| group.split_once('@'));
            let has_post = posts.into_iter().any(|(post, org)| {
                named
                    .iter()
                    .any(|word| word == post && org == self.parent.org)
            });
            let is_named = named.iter().any(|word| word == by);
            if is_named || has_post || groups.iter().any(|group| named.contains(group)) {
                found.push(part.task.clone());
            }
        }
        Ok(found)
    }

    fn next(&self, answered: &str) -> Next {
        let role = self.parts.iter().find(|(part, _)| part.task == answered);
        let role = role.map(|(part, _)| part.role.as_str()).unwrap_or_default();
        let is_open = |(part, task): &&(part::Model, task::Model)| {
            part.role == role && part.vote.is_none() && tables::LIVE.contains(&task.state.as_str())
        };
        let waits = self.parts.iter().any(|pair| is_open(&pair));
        match role {
            "sign" => self.signed(),
            "before" if !waits => Next::Return,
            "after" if self.is_refused_after() => Next::Up(self.refused()),
            "after" if !waits && self.parent.state == "following" => Next::Up(self.saved.clone()),
            _ => Next::Wait,
        }
    }

    fn is_refused_after(&self) -> bool {
        let refuses = |(part, _): &(part::Model, task::Model)| {
            part.role == "after" && part.vote.as_deref() == Some("refuse")
        };
        self.parent.state == "following" && self.parts.iter().any(refuses)
    }

    fn refused(&self) -> Completion {
        let mut done = self.saved.clone();
        let outcomes = tables::list(&self.parent.outcomes);
        let outcome = signed_outcome(&outcomes, false);
        done.vars.insert("outcome".to_owned(), Value::from(outcome));
        done
    }

    fn signers(&self) -> impl Iterator<Item = &(part::Model, task::Model)> {
        let counts = |(part, task): &&(part::Model, task::Model)| {
            part.role == "sign"
                && (part.vote.is_some() || tables::LIVE.contains(&task.state.as_str()))
        };
        self.parts.iter().filter(counts)
    }

    fn signed(&self) -> Next {
        let rule = attribute(self.parent, "sign").and_then(|text| SignRule::parse(&text));
        let ballots: Vec<Ballot> = self
            .signers()
            .map(|(part, _)| Ballot {
                weight: u32::try_from(part.weight).unwrap_or(1),
                vote: part.vote.as_deref().and_then(Vote::parse),
                vetoes: self.vetoes.contains(&part.task),
            })
            .collect();
        let Some(is_agreed) = decide(rule.unwrap_or(SignRule::All), &ballots) else {
            return Next::Wait;
        };
        let mut answered: Vec<_> = self
            .signers()
            .filter(|(part, _)| part.vote.is_some())
            .collect();
        answered.sort_by_key(|(part, _)| part.answered_at);
        let mut vars = Map::new();
        let mut signatures = Vec::new();
        for (part, _) in answered {
            let given = read_json(&part.vars);
            signatures.push(serde_json::json!({
                "by": part.answered_by,
                "vote": part.vote,
                "outcome": given.get("outcome"),
                "opinion": given.get("opinion"),
                "weight": part.weight,
            }));
            vars.extend(given);
        }
        let outcome = signed_outcome(&tables::list(&self.parent.outcomes), is_agreed);
        vars.insert("outcome".to_owned(), Value::from(outcome));
        vars.insert("signatures".to_owned(), Value::from(signatures));
        Next::Up(Completion {
            vars,
            next: self.saved.next.clone(),
        })
    }

    /// Parts that nobody has to answer any more, except those whose turn is still to come.
    async fn drop_open(&self, tx: &Tx) -> Result<()> {
        for (part, task) in &self.parts {
            let is_turn = part.role != "after" || self.parent.state == "following";
            if is_turn && part.vote.is_none() && tables::LIVE.contains(&task.state.as_str()) {
                drop_task(tx, task).await?;
            }
        }
        Ok(())
    }
}

/// Takes a part off the lists, with its own parts.
pub(super) async fn drop_task(tx: &Tx, row: &task::Model) -> Result<()> {
    let mut open = vec![row.clone()];
    while let Some(row) = open.pop() {
        let change = task::ActiveModel {
            state: Set("gone".to_owned()),
            done_at: Set(Some(micros(tx.now()))),
            ..Default::default()
        };
        act::change(tx, &row, change).await?;
        tables::remove_candidates(tx, std::slice::from_ref(&row.id)).await?;
        tx.emit(
            &row.subject,
            "system",
            &event::TaskGone {
                task: tables::facts(&row)?,
            },
        )?;
        if row.parts > 0 {
            let parts = store::parts_of(&**tx, &row.id).await?;
            let live = |(_, task): &(part::Model, task::Model)| {
                tables::LIVE.contains(&task.state.as_str())
            };
            open.extend(parts.into_iter().filter(live).map(|(_, task)| task));
        }
    }
    Ok(())
}

/// What was saved for a task that is done.
pub(crate) async fn forget(tx: &Tx, row: &task::Model) -> Result<()> {
    store::remove_saved(tx, &row.id).await
}

/// A row of its own for somebody who signs: as the task, but for who may take it. Signers choose
/// among the task's outcomes; those asked before only say what they think.
pub(super) fn part_row(
    tx: &Tx,
    of: &task::Model,
    who: &str,
    role: &str,
    state: &str,
) -> task::Model {
    let id = TaskId::at(tx.now()).to_string();
    let outcomes = match (role, of.outcomes.as_str()) {
        ("before", _) => String::new(),
        (_, "") => "agreed,refused".to_owned(),
        (_, known) => known.to_owned(),
    };
    let mut attributes: Map<String, Value> =
        serde_json::from_str(&of.attributes).unwrap_or_default();
    for name in ["sign", "signers", "veto", "choose", "skip"] {
        attributes.remove(name);
    }
    let is_group = who.contains('@');
    let state = match state {
        "" if is_group => "open",
        "" => "claimed",
        state => state,
    };
    task::Model {
        id,
        outcomes,
        attributes: Value::from(attributes).to_string(),
        state: state.to_owned(),
        candidates: if is_group {
            who.to_owned()
        } else {
            String::new()
        },
        assignee: (!is_group).then(|| who.to_owned()),
        claimed_at: (!is_group).then(|| micros(tx.now())),
        suspends: String::new(),
        created_at: micros(tx.now()),
        done_at: None,
        done_by: None,
        version: 1,
        parent: Some(of.id.clone()),
        parts: 0,
        back_to: String::new(),
        followed: String::new(),
        acted_at: None,
        saved_at: None,
        suspended_at: None,
        urged_at: None,
        extended: 0,
        ..of.clone()
    }
}

pub(super) fn part_of(row: &task::Model, role: &str, weight: i64, by: &str) -> part::Model {
    part::Model {
        task: row.id.clone(),
        parent: row.parent.clone().unwrap_or_default(),
        role: role.to_owned(),
        weight,
        vote: None,
        vars: String::new(),
        answered_by: None,
        answered_at: None,
        added_by: by.to_owned(),
        added_at: row.created_at,
    }
}

/// Who signs, with weights: `id`, `id=2` or `post@org`.
pub(super) fn signers(text: &str) -> Vec<(String, i64)> {
    let weight = |text: Option<&str>| text.and_then(|text| text.parse().ok()).unwrap_or(1);
    let all = pairs(text, '=').map(|(who, text)| (who.to_owned(), weight(text)));
    let mut signers: Vec<(String, i64)> = Vec::new();
    for (who, weight) in all {
        if signers.iter().all(|(known, _)| *known != who) {
            signers.push((who, weight));
        }
    }
    signers
}
