//! What people do with cases.
//!
//! Every act authorises, reads, lets [`rules::transition`] decide, and writes the case, its
//! timeline, its events, notices, messages and the step of its process in one write.

use std::sync::Arc;

use identity::{Actor, Gate, Resource};
use kernel::{Error, Result, calendar::Calendar};
use store::{Db, Tx};
use web::App;

use super::{
    CaseId, Event, Facts, Outcome, State,
    event::{self, CaseFact, StepLimit},
    flow,
    number::Numbers,
    rules::{self, Circumstance, SYSTEM},
    store::{self as rows, Case, Entry},
};

/// What acts on cases need at hand; cheap to clone.
#[derive(Clone)]
pub struct Desk {
    pub db: Db,
    pub gate: Arc<Gate>,
    pub calendar: Arc<Calendar>,
    pub numbers: Arc<Numbers>,
    pub engine: flow::Engine,
    pub settings: Arc<crate::Settings>,
}

impl Desk {
    pub fn of(app: &App) -> Result<Self> {
        Ok(Self {
            db: app.db().clone(),
            gate: app.part::<Gate>()?,
            calendar: crate::calendar(app),
            numbers: app.part::<Numbers>()?,
            engine: flow::engine(app)?,
            settings: app.part::<crate::Settings>().unwrap_or_default(),
        })
    }

    pub(crate) fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.db.clock().now()
    }
}

/// Who did something, as timeline and events name it.
#[derive(Clone, Debug)]
pub struct Who {
    /// User id, or [`SYSTEM`].
    pub id: String,
    pub name: String,
    pub post: String,
    pub org_name: String,
    /// As [`Actor::trace`] names the actor in events.
    pub trace: String,
}

impl Who {
    pub fn system() -> Self {
        Self {
            id: SYSTEM.to_owned(),
            name: String::new(),
            post: String::new(),
            org_name: String::new(),
            trace: SYSTEM.to_owned(),
        }
    }

    /// The actor, for officers in the post that concerns the case: one at the handling
    /// organisation before one elsewhere. Who stands in for an absent colleague says so.
    pub fn of(actor: &Actor, case: &Case) -> Self {
        let at_org = actor.posts.iter().find(|post| post.org == case.org);
        let post = at_org.or(actor.posts.first());
        let absent = post.and_then(|post| post.held_for.as_ref());
        Self {
            id: actor.user.to_string(),
            name: match absent {
                Some(absent) => format!("{}（代{}）", actor.name, absent.name),
                None => actor.name.clone(),
            },
            post: post.map(|p| p.post.clone()).unwrap_or_default(),
            org_name: post.map(|p| p.org_name.clone()).unwrap_or_default(),
            trace: match absent {
                Some(absent) => format!("{} for user:{}", actor.trace(), absent.user),
                None => actor.trace(),
            },
        }
    }
}

/// The case as policies see it.
pub fn resource(case: &Case) -> Resource {
    let resource = Resource::new("Case", case.id)
        .org(&case.org)
        .region(&case.region);
    match &case.applicant.party {
        Some(party) => resource.owner(party),
        None => resource,
    }
}

/// Name of the action that an event needs.
pub fn action(event: &Event) -> &'static str {
    match event {
        Event::Submit | Event::Resubmit => "service.case.submit",
        Event::PassPreReview
        | Event::ReturnPreReview { .. }
        | Event::Receive
        | Event::CorrectOnSpot { .. }
        | Event::NotifyCorrection { .. }
        | Event::Accept
        | Event::RefuseAcceptance { .. } => "service.case.accept",
        Event::SupplyCorrection => "service.case.correct",
        Event::ExpireCorrection | Event::DeemAccepted => "service.case.time",
        Event::StartSpecial { .. } | Event::EndSpecial { .. } | Event::Review { .. } => {
            "service.case.examine"
        }
        Event::Approve { .. } | Event::ApprovePart { .. } | Event::Refuse { .. } => {
            "service.case.decide"
        }
        Event::Extend { .. } | Event::Abort { .. } | Event::OpenRevocation { .. } => {
            "service.case.extend"
        }
        Event::Close => "service.case.close",
        Event::Deliver { .. } => "service.case.deliver",
        Event::Withdraw { .. } => "service.case.withdraw",
    }
}

/// Whether the actor is, acts for, or handed in for the applicant.
pub fn is_own(actor: &Actor, case: &Case) -> bool {
    let party = actor.party().map(|party| party.id.to_string());
    party.is_some() && party == case.applicant.party || case.agent == actor.user.to_string()
}

/// The case, for somebody who may look at it; unknown to everybody else.
pub async fn view(desk: &Desk, actor: &Actor, id: CaseId) -> Result<Case> {
    let case = rows::get(desk.db.read(), id).await?;
    match desk
        .gate
        .check(actor, "service.case.view", &resource(&case))
    {
        Ok(()) => Ok(case),
        Err(Error::Forbidden { .. }) if is_beside(desk, actor, &case).await? => Ok(case),
        Err(Error::Forbidden { .. }) => Err(Error::NotFound { what: "case" }),
        Err(error) => Err(error),
    }
}

/// Bodies that handle one part of a theme see the whole (opinions are mutually visible), and a
/// clerk without an account for the applicant sees what was entered by him.
async fn is_beside(desk: &Desk, actor: &Actor, case: &Case) -> Result<bool> {
    if case.agent == actor.user.to_string() {
        return Ok(true);
    }
    if !actor.is_officer() {
        return Ok(false);
    }
    let family = case.parent.unwrap_or(case.id);
    let parts = rows::list_parts(desk.db.read(), family).await?;
    let may = |part: &Case| {
        desk.gate
            .check(actor, "service.case.view", &resource(part))
            .is_ok()
    };
    Ok(parts.iter().any(may))
}

/// Does something to a case that needs no task of its process, or that stands outside of it:
/// withdraw, extend, abort, correct, deliver, and everything for matters without a process.
///
/// Steps that the event silently includes (looking through and receiving before accepting, for
/// instant items everything at once) happen in the same write.
pub async fn act(desk: &Desk, actor: &Actor, id: CaseId, event: Event) -> Result<Case> {
    let case = view(desk, actor, id).await?;
    let resource = resource(&case);
    let by_owner = matches!(
        event,
        Event::Withdraw { .. } | Event::SupplyCorrection | Event::Resubmit
    );
    if !(by_owner && is_own(actor, &case)) {
        desk.gate.check(actor, action(&event), &resource)?;
    }
    let (desk, who) = (desk.clone(), Who::of(actor, &case));
    let shared = desk.clone();
    desk.db
        .write(move |tx| {
            let (desk, who, event) = (shared.clone(), who.clone(), event.clone());
            Box::pin(async move {
                let mut case = rows::get_in(&tx, id).await?;
                let events = chain(&case, event);
                let was_open = !case.state().is_final();
                happen(&tx, &desk, &mut case, &events, &who, "").await?;
                if was_open {
                    settle(&tx, &desk, &mut case, &who).await?;
                }
                Ok(case)
            })
        })
        .await
}

/// The event with what has to come before it (and, for instant items and matters without a
/// process, after it).
pub fn chain(case: &Case, event: Event) -> Vec<Event> {
    let needs_receipt = matches!(
        event,
        Event::Accept
            | Event::NotifyCorrection { .. }
            | Event::RefuseAcceptance { .. }
            | Event::CorrectOnSpot { .. }
    );
    let decides = matches!(event, Event::Approve { .. } | Event::Refuse { .. });
    let is_at_once = decides && case.facts.terms.is_instant;
    let mut events = Vec::new();
    let state = case.state();
    if needs_receipt || is_at_once {
        if state == State::Submitted {
            events.push(Event::PassPreReview);
        }
        if matches!(state, State::Submitted | State::PrePassed | State::Draft) {
            events.push(Event::Receive);
        }
    }
    if state == State::Submitted && event == Event::Receive {
        events.push(Event::PassPreReview);
    }
    let is_taken_in = matches!(
        state,
        State::Submitted | State::PrePassed | State::Received | State::Draft
    );
    if is_at_once && is_taken_in {
        events.push(Event::Accept);
    }
    let closes = decides && (is_at_once || case.instance.is_none());
    events.push(event);
    if closes {
        events.push(Event::Close);
    }
    events
}

/// Lets events happen to a case, one after the other, and writes everything once.
///
/// The step of the process, if one belongs to it, is taken by the caller in the same write.
pub(crate) async fn happen(
    tx: &Tx,
    desk: &Desk,
    case: &mut Case,
    events: &[Event],
    who: &Who,
    step: &str,
) -> Result<()> {
    let at = Circumstance {
        now: tx.now(),
        actor: &who.id,
        calendar: &desk.calendar,
    };
    let mut moves = Vec::new();
    for event in events {
        let before = std::mem::take(&mut case.facts);
        case.facts = rules::transition(&before, event, &at)?;
        moves.push((before, case.facts.clone(), event));
    }
    rows::update(tx, case)?;
    super::react::arrange(tx, case.id, &case.facts)?;
    for (before, after, event) in &moves {
        Box::pin(note(
            tx,
            &desk.calendar,
            case,
            (before, after),
            event,
            who,
            step,
        ))
        .await?;
    }
    Ok(())
}

/// Timeline, event, notice and message of one move.
pub(crate) async fn note(
    tx: &Tx,
    calendar: &Calendar,
    case: &Case,
    (before, after): (&Facts, &Facts),
    event: &Event,
    who: &Who,
    step: &str,
) -> Result<()> {
    let entry = Entry {
        at: after.last_at.unwrap_or(tx.now()),
        seq: after.moves,
        event: event.name().to_owned(),
        state: after.state,
        actor: who.id.clone(),
        actor_name: who.name.clone(),
        post: who.post.clone(),
        org_name: who.org_name.clone(),
        words: event.words(),
        is_public: true,
    };
    rows::insert_entry(tx, case.id, entry);
    event::emit(
        tx,
        event,
        &who.trace,
        fact(case, (before, after), Some(event), who, step),
    )?;
    crate::notice::write(tx, calendar, case, after, event)?;
    crate::notice::tell(tx, calendar, case, after, event).await
}

pub(crate) fn fact(
    case: &Case,
    (before, after): (&Facts, &Facts),
    event: Option<&Event>,
    who: &Who,
    step: &str,
) -> CaseFact {
    let pause = after.suspensions.last();
    let special = matches!(
        event,
        Some(Event::StartSpecial { .. } | Event::EndSpecial { .. })
    );
    let pause = pause.filter(|_| special);
    let procedure = pause.and_then(|p| {
        let listed = &after.terms.procedures;
        listed.iter().find(|listed| listed.key == p.procedure)
    });
    let decision = after.decision.as_ref();
    let extension = after.extension.as_ref().map_or(0, |e| e.days);
    CaseFact {
        case_id: case.id.to_string(),
        case_no: case.number.clone(),
        parent_no: case.parent_number.clone(),
        matter_code: case.matter_code.clone(),
        matter_name: case.matter_name.clone(),
        matter_version: case.matter_version,
        is_theme: case.is_theme,
        org: case.org.clone(),
        org_name: case.org_name.clone(),
        region: case.region.clone(),
        channel: case.channel.code().to_owned(),
        is_instant: after.terms.is_instant,
        is_licence: after.terms.is_licence,
        at: after.last_at.unwrap_or_default(),
        seq: after.moves,
        before: before.state,
        after: after.state,
        actor: who.id.clone(),
        actor_name: who.name.clone(),
        post: who.post.clone(),
        accepted_by: after.accepted_by.clone(),
        decided_by: after.decided_by.clone(),
        received_at: after.received_at,
        accepted_at: after.accepted_at,
        decided_at: after.decided_at,
        d0: after.d0,
        answer_due: after.answer_due,
        correction_due: after.correction_due,
        promise_due: after.promise_due,
        legal_due: after.legal_due,
        delivery_due: after.delivery_due,
        limit_days: after.terms.promise.count + extension,
        limit_unit: match after.terms.promise.unit {
            super::Unit::Working => "working",
            super::Unit::Natural => "natural",
        }
        .to_owned(),
        legal_days: after.terms.legal.map(|limit| limit.count),
        extension_days: extension,
        is_paused: after.state == State::Suspended,
        corrections: after.corrections,
        outcome: decision.map(|d| d.outcome),
        has_reason: decision.is_some_and(|d| !d.reason.trim().is_empty()),
        has_remedy: decision.is_some_and(|d| !d.remedy.trim().is_empty()),
        step: match event {
            Some(Event::Review { step, .. }) => step.clone(),
            _ => step.to_owned(),
        },
        special: pause.map(|p| p.procedure.clone()),
        special_kind: procedure.map(|p| p.kind.clone()),
        declared_days: pause.map(|p| p.declared_days),
        is_listed: procedure.is_some(),
        steps: if matches!(event, Some(Event::Accept | Event::DeemAccepted)) {
            steps(after)
        } else {
            Vec::new()
        },
        flags: after.flags.clone(),
    }
}

fn steps(facts: &Facts) -> Vec<StepLimit> {
    facts.terms.steps.clone()
}

/// What follows from a case's end: its process stops, the parent hears of it, and where the theme
/// says so the other sub-cases stop.
pub(crate) async fn settle(tx: &Tx, desk: &Desk, case: &mut Case, who: &Who) -> Result<()> {
    if !case.state().is_final() {
        return Ok(());
    }
    if matches!(
        case.state(),
        State::Withdrawn | State::Aborted | State::NotAccepted
    ) {
        flow::cancel(tx, desk, case, case.state().code()).await?;
        end_parts(tx, desk, case, who).await?;
    }
    Box::pin(flow::part_ended(tx, desk, case)).await
}

/// When the whole is taken back or ended, its open sub-cases are too.
async fn end_parts(tx: &Tx, desk: &Desk, case: &Case, who: &Who) -> Result<()> {
    if !case.is_theme {
        return Ok(());
    }
    for mut part in rows::list_parts_in(tx, case.id).await? {
        if part.state().is_final() {
            continue;
        }
        let ground = format!("{}：{}", case.number, case.state().code());
        let event = match (case.state(), part.state().is_before_decision()) {
            (State::Withdrawn, true) => Event::Withdraw { reason: ground },
            (_, true) => Event::Abort { ground },
            // What has been decided stands, and is closed by its own process.
            (_, false) => continue,
        };
        happen(tx, desk, &mut part, &[event], who, "").await?;
        flow::cancel(tx, desk, &part, "parent").await?;
    }
    Ok(())
}

/// The outcome of a closed case in one word, for lists.
pub fn outcome(facts: &Facts) -> Option<Outcome> {
    facts.decision.as_ref().map(|d| d.outcome)
}
