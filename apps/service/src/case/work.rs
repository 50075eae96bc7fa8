//! Tasks of officers: a step of a process that is at the same time an act on its case.
//!
//! # What a pack's process says
//!
//! A user task names what it is by `tongban:act`; completing it with an outcome does the act, and
//! the outcome goes to the process as the variable `outcome`:
//!
//! | `act` | outcomes | what happens |
//! |---|---|---|
//! | `accept` | `accept` | looked through, received, accepted |
//! | | `correct` | the applicant is told once; the task **stays** and goes on when he has supplied |
//! | | `refuse` | not accepted; the process ends |
//! | `examine` | any | an opinion is noted |
//! | | `check` | an opinion is noted and the special procedure `tongban:special` (or the matter's first) stops the clock |
//! | `check` | any | the special procedure ends with its result; two officers sign |
//! | `decide` | `approve`, `refuse` | the decision; a refusal needs a reason, its remedy is the matter's |
//! | `deliver` | any | the result is handed over |
//! | others | any | an opinion is noted |
//!
//! Service tasks: `service.verify_licence` (`licence_valid`, `licence_no`), `service.sub_case`
//! with `tongban:part` (ends when the sub-case has ended: `outcome`), `service.start_special` with
//! `tongban:special` and `tongban:days` (a user task with `tongban:suspends` does the same for as
//! long as it is open), `service.issue_certificate`, `service.close`,
//! `service.collect` (`outcome` of the whole, `granted`, `refused`). Conditions may use the
//! variables of [`super::submit`]: `answers.…`, `needs.<part>`, `org`, `hall`, `region`.
//! Candidates: `tongban:candidates="clerk" tongban:org="${hall}"`, `tongban:candidates="examiner"`.
//! A task without `tongban:act` is told by its outcomes (`accept`, `approve`), by `suspends`, or by
//! `deliver` in its id.

use identity::Actor;
use kernel::{Error, Result, Text};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Delivery, Event, State,
    act::{Desk, Who, chain, happen, resource, settle},
    flow::{self, Task},
    store::{self as rows, Case, Opinion},
};

/// What an officer fills in when a task is done; what the outcome does not need stays empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Done {
    #[schema(example = "accept")]
    pub outcome: String,
    pub opinion: String,
    /// What is missing, one thing a line; for `correct`.
    pub missing: Vec<String>,
    pub reason: String,
    /// Which body is competent; for refusing acceptance.
    pub competent: String,
    /// Where to seek review; the matter's own words when empty.
    pub remedy: String,
    /// Working days that a special procedure is told to take.
    pub days: u32,
    /// Names of both officers of an on-site check.
    pub officers: Vec<String>,
    pub receiver: String,
    pub how: Delivery,
    /// Values of the task's form, handed on to the process.
    #[schema(value_type = Object)]
    pub data: Map<String, Value>,
}

/// What completing a task means for its case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meaning {
    pub events: Vec<Event>,
    /// The process goes on; otherwise the task stays.
    pub completes: bool,
    pub opinion: bool,
}

/// Outcomes that a page offers for a task, the usual one first.
pub fn outcomes(task: &Task, case: &Case) -> Vec<String> {
    let known: Vec<String> = if task.outcomes.is_empty() {
        usual_outcomes(&task.act, case)
            .iter()
            .map(|o| (*o).to_owned())
            .collect()
    } else {
        task.outcomes.clone()
    };
    // The law allows one correction.
    let may_correct = case.facts.corrections == 0;
    known
        .into_iter()
        .filter(|o| may_correct || o != "correct")
        .collect()
}

fn usual_outcomes(act: &str, case: &Case) -> &'static [&'static str] {
    match act {
        "accept" => &["accept", "correct", "refuse"],
        "examine" if case.facts.terms.procedures.is_empty() => &["pass"],
        "examine" => &["pass", "check"],
        "decide" => &["approve", "refuse"],
        _ => &["pass"],
    }
}

/// What a task with that outcome does to the case.
pub fn meaning(task: &Task, done: &Done, case: &Case) -> Result<Meaning> {
    let opinion = || Event::Review {
        step: task.name.clone(),
        opinion: done.opinion.clone(),
        on_site: None,
    };
    let mut meaning = Meaning {
        completes: true,
        opinion: true,
        ..Meaning::default()
    };
    match (task.act.as_str(), done.outcome.as_str()) {
        ("accept", "accept") => meaning.events = chain(case, Event::Accept),
        ("accept", "correct") => {
            meaning.completes = false;
            meaning.events = chain(
                case,
                Event::NotifyCorrection {
                    missing: done.missing.clone(),
                },
            );
        }
        ("accept", "refuse") => meaning.events = chain(case, refuse_acceptance(case, done)),
        ("examine", "check") => {
            meaning.events = vec![opinion(), start_special(task, done, case)?];
        }
        ("check", _) => meaning.events = checked(task, done, case),
        ("decide", "approve") => {
            meaning.events = vec![Event::Approve {
                opinion: done.opinion.clone(),
            }];
        }
        ("decide", "refuse") => meaning.events = vec![refuse(case, done)],
        ("accept" | "decide", _) => {
            let text = Text::new("service-work-outcome-unknown").with("outcome", &done.outcome);
            return Err(Error::invalid("outcome", text));
        }
        ("deliver", _) => {
            meaning.opinion = false;
            meaning.events = vec![deliver(case, done)];
        }
        // An opinion needs an accepted case; other steps leave only their opinion.
        _ if case.state() == State::Accepted => meaning.events = vec![opinion()],
        _ => {}
    }
    Ok(meaning)
}

fn refuse_acceptance(case: &Case, done: &Done) -> Event {
    Event::RefuseAcceptance {
        reason: done.reason.clone(),
        competent: done.competent.clone(),
        remedy: remedy(case, done),
    }
}

fn refuse(case: &Case, done: &Done) -> Event {
    Event::Refuse {
        reason: done.reason.clone(),
        remedy: remedy(case, done),
    }
}

fn remedy(case: &Case, done: &Done) -> String {
    if done.remedy.trim().is_empty() {
        return default_remedy(case);
    }
    done.remedy.clone()
}

/// The matter's words; for a theme those of its first part that has any.
pub fn default_remedy(case: &Case) -> String {
    let own = &case.facts.terms.remedy;
    if !own.is_empty() {
        return own.clone();
    }
    let of_parts = case.plan.iter().map(|part| &part.terms.remedy);
    of_parts
        .into_iter()
        .find(|words| !words.is_empty())
        .cloned()
        .unwrap_or_default()
}

fn start_special(task: &Task, done: &Done, case: &Case) -> Result<Event> {
    let listed = &case.facts.terms.procedures;
    let procedure = match &task.special {
        Some(key) => listed.iter().find(|p| p.key == *key),
        None => listed.first(),
    };
    let Some(procedure) = procedure else {
        return Err(Error::refused("service-work-no-procedure"));
    };
    let days = if done.days == 0 {
        procedure.max_days
    } else {
        done.days
    };
    let reason = if done.reason.is_empty() {
        &done.opinion
    } else {
        &done.reason
    };
    Ok(Event::StartSpecial {
        procedure: procedure.key.clone(),
        reason: reason.clone(),
        declared_days: days,
    })
}

fn checked(task: &Task, done: &Done, case: &Case) -> Vec<Event> {
    let review = Event::Review {
        step: task.name.clone(),
        opinion: done.opinion.clone(),
        on_site: Some(done.officers.clone()),
    };
    if case.state() == State::Suspended {
        let result = done.opinion.clone();
        return vec![Event::EndSpecial { result }, review];
    }
    vec![review]
}

fn deliver(case: &Case, done: &Done) -> Event {
    let receiver = if done.receiver.is_empty() {
        case.applicant.name.clone()
    } else {
        done.receiver.clone()
    };
    Event::Deliver {
        how: done.how,
        receiver,
    }
}

/// Takes a task into one's own hands, so that nobody else works on it.
pub async fn claim(desk: &Desk, actor: &Actor, task: &str) -> Result<Task> {
    let (task, _) = open(desk, actor, task).await?;
    flow::claim(desk, actor, &task).await
}

/// Puts a claimed task back to its group.
pub async fn release(desk: &Desk, actor: &Actor, task: &str) -> Result<Task> {
    let (task, _) = open(desk, actor, task).await?;
    flow::release(desk, actor, &task).await
}

/// Hands a task to a colleague of the same group.
pub async fn transfer(
    desk: &Desk,
    actor: &Actor,
    task: &str,
    to: &str,
    reason: &str,
) -> Result<Task> {
    let (task, _) = open(desk, actor, task).await?;
    flow::transfer(desk, actor, &task, to, reason).await
}

/// A task and its case, for somebody of its group.
pub async fn open(desk: &Desk, actor: &Actor, task: &str) -> Result<(Task, Case)> {
    let task = flow::get_task(desk, task).await?;
    let case = super::act::view(desk, actor, flow::task_case(&task)?).await?;
    let is_mine = task.assignee.as_deref() == Some(&actor.user.to_string());
    if !is_mine && !task.is_for(actor) {
        return Err(Error::Forbidden {
            action: "service.work.task".to_owned(),
        });
    }
    Ok((task, case))
}

/// Completes a task: the act on the case and the step of the process in one write. Of two
/// officers who complete the same task one does, the other is told who did.
pub async fn complete(desk: &Desk, actor: &Actor, task: &str, done: Done) -> Result<Case> {
    let (task, case) = open(desk, actor, task).await?;
    for event in &meaning(&task, &done, &case)?.events {
        let action = super::act::action(event);
        desk.gate.check(actor, action, &resource(&case))?;
    }
    let (shared, actor) = (desk.clone(), actor.clone());
    let id = case.id;
    desk.db
        .write(move |tx| {
            let (desk, actor) = (shared.clone(), actor.clone());
            let (task, done) = (task.clone(), done.clone());
            Box::pin(async move {
                let mut case = rows::get_in(&tx, id).await?;
                let who = Who::of(&actor, &case);
                let Some(meaning) = decided(&tx, &actor, &task, &done, &case).await? else {
                    // Others have to sign: so far there is an opinion and no decision.
                    let opinion = opinion(&tx, &task, &done, &who);
                    rows::insert_opinion(&tx, id, opinion)?;
                    flow::complete(&tx, &desk, &actor, &task, variables(&done)).await?;
                    return Ok(case);
                };
                let was_open = !case.state().is_final();
                happen(&tx, &desk, &mut case, &meaning.events, &who, &task.name).await?;
                // What the process closes by itself, it settles by itself.
                let ended_here = was_open && case.state().is_final();
                if meaning.opinion {
                    let opinion = opinion(&tx, &task, &done, &who);
                    rows::insert_opinion(&tx, id, opinion)?;
                }
                if meaning.completes {
                    flow::complete(&tx, &desk, &actor, &task, variables(&done)).await?;
                    // The process may have moved the case on.
                    case = rows::get_in(&tx, id).await?;
                }
                if ended_here {
                    settle(&tx, &desk, &mut case, &who).await?;
                }
                Ok(case)
            })
        })
        .await
}

/// What the answer means to the case; none while other signers or a delegator have to answer. What
/// signers decided together counts, and not what the last of them answered.
async fn decided(
    tx: &store::Tx,
    actor: &Actor,
    task: &Task,
    done: &Done,
    case: &Case,
) -> Result<Option<Meaning>> {
    let meant = meaning(task, done, case)?;
    if !meant.completes {
        return Ok(Some(meant));
    }
    let Some(seen) = flow::foresee(tx, actor, task, &variables(done)).await? else {
        return Ok(None);
    };
    let outcome = seen.get("outcome").and_then(Value::as_str);
    match outcome.filter(|outcome| *outcome != done.outcome) {
        Some(outcome) => {
            let signed = Done {
                outcome: outcome.to_owned(),
                ..done.clone()
            };
            meaning(task, &signed, case).map(Some)
        }
        None => Ok(Some(meant)),
    }
}

fn opinion(tx: &store::Tx, task: &Task, done: &Done, who: &Who) -> Opinion {
    let words = if done.opinion.is_empty() {
        &done.reason
    } else {
        &done.opinion
    };
    Opinion {
        at: tx.now(),
        step: task.name.clone(),
        outcome: done.outcome.clone(),
        opinion: words.clone(),
        data: Value::Object(done.data.clone()),
        officer: who.id.clone(),
        officer_name: who.name.clone(),
        post: who.post.clone(),
        org_name: who.org_name.clone(),
    }
}

fn variables(done: &Done) -> Map<String, Value> {
    let mut variables = done.data.clone();
    variables.insert("outcome".to_owned(), Value::from(done.outcome.clone()));
    variables.insert("opinion".to_owned(), Value::from(done.opinion.clone()));
    variables
}
