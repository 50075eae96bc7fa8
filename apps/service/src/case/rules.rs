//! The one function by which a case moves, with the guards of licensing law.

use chrono::{DateTime, NaiveDate, Utc};
use kernel::{calendar::Calendar, clock::local_date};

use super::{Decision, Event, Extension, Facts, Flag, Outcome, Refusal, State, Suspension, due};

/// Who makes an event happen and when.
#[derive(Clone, Debug)]
pub struct Circumstance<'a> {
    pub now: DateTime<Utc>,
    /// The person, for separation of duty; `system` for timers.
    pub actor: &'a str,
    pub calendar: &'a Calendar,
}

type Moved = Result<Facts, Refusal>;

/// What a case becomes when `event` happens to it, or why it cannot happen.
///
/// Dates that a correction, acceptance, suspension or extension shifts are computed here and
/// nowhere else. A clock that was moved back does not take a case back in time.
pub fn transition(facts: &Facts, event: &Event, at: &Circumstance<'_>) -> Moved {
    let now = facts.last_at.map_or(at.now, |last| last.max(at.now));
    let step = Step {
        facts,
        event,
        now,
        today: local_date(now),
        actor: at.actor,
        calendar: at.calendar,
    };
    let mut next = step.take()?;
    next.last_at = Some(now);
    next.moves = facts.moves + 1;
    Ok(next)
}

/// Which events the state of a case allows at all; guards may still refuse them.
pub fn is_possible(state: State, event: &Event) -> bool {
    use State::{
        Accepted, AcceptedCorrecting, Approved, Closed, Correcting, Draft, PrePassed, PreReturned,
        Received, Refused, Registering, Submitted, Suspended,
    };
    match event {
        Event::Submit => state == Draft,
        Event::PassPreReview | Event::ReturnPreReview { .. } => state == Submitted,
        Event::Resubmit => state == PreReturned,
        // A walk-in's case is received without having been submitted online.
        Event::Receive => matches!(state, PrePassed | Draft | Registering),
        Event::CorrectOnSpot { .. }
        | Event::NotifyCorrection { .. }
        | Event::Accept
        | Event::DeemAccepted
        | Event::RefuseAcceptance { .. } => state == Received,
        Event::SupplyCorrection => matches!(state, Correcting | AcceptedCorrecting),
        Event::ExpireCorrection => state == Correcting,
        Event::StartSpecial { .. }
        | Event::Extend { .. }
        | Event::Review { .. }
        | Event::Approve { .. }
        | Event::ApprovePart { .. }
        | Event::Refuse { .. } => state == Accepted,
        Event::EndSpecial { .. } => state == Suspended,
        Event::Close => matches!(state, Approved | Refused),
        Event::Deliver { .. } | Event::OpenRevocation { .. } => state == Closed,
        Event::Withdraw { .. } => state.is_before_decision(),
        Event::Abort { .. } => matches!(state, Accepted | Suspended),
    }
}

struct Step<'a> {
    facts: &'a Facts,
    event: &'a Event,
    now: DateTime<Utc>,
    today: NaiveDate,
    actor: &'a str,
    calendar: &'a Calendar,
}

impl Step<'_> {
    fn take(&self) -> Moved {
        if !is_possible(self.facts.state, self.event) {
            return Err(Refusal::WrongState {
                state: self.facts.state,
                event: self.event.name(),
            });
        }
        match self.event {
            Event::Submit | Event::Resubmit => Ok(self.submit()),
            Event::PassPreReview => Ok(self.to(State::PrePassed)),
            Event::ReturnPreReview { defects } => self.return_pre_review(defects),
            Event::Receive | Event::SupplyCorrection => self.receive(),
            Event::CorrectOnSpot { .. } | Event::OpenRevocation { .. } => Ok(self.note()),
            Event::NotifyCorrection { missing } => self.notify_correction(missing),
            Event::ExpireCorrection => self.expire_correction(),
            Event::Accept => self.accept(),
            Event::DeemAccepted => self.deem_accepted(),
            Event::RefuseAcceptance { reason, remedy, .. } => {
                self.refuse_acceptance(reason, remedy)
            }
            Event::StartSpecial {
                procedure,
                reason,
                declared_days,
            } => self.start_special(procedure, reason, *declared_days),
            Event::EndSpecial { result } => self.end_special(result),
            Event::Extend { days, reason } => self.extend(*days, reason),
            Event::Review { on_site, .. } => self.review(on_site.as_deref()),
            Event::Approve { opinion } => self.decide(Outcome::Approved, opinion, ""),
            Event::ApprovePart { opinion } => self.decide(Outcome::Partial, opinion, ""),
            Event::Refuse { reason, remedy } => self.refuse(reason, remedy),
            Event::Close => Ok(self.close()),
            Event::Deliver { how, .. } => self.deliver(*how),
            Event::Withdraw { reason } => self.end(State::Withdrawn, reason),
            Event::Abort { ground } => self.end(State::Aborted, ground),
        }
    }

    fn to(&self, state: State) -> Facts {
        Facts {
            state,
            ..self.facts.clone()
        }
    }

    fn submit(&self) -> Facts {
        let mut next = self.to(State::Submitted);
        next.submitted_at = Some(self.now);
        next.missing.clear();
        next
    }

    fn return_pre_review(&self, defects: &[String]) -> Moved {
        let mut next = self.to(State::PreReturned);
        next.missing = listed(defects)?;
        Ok(next)
    }

    /// Starts the clock for the answer, anew after a correction.
    fn receive(&self) -> Moved {
        if self.facts.state == State::AcceptedCorrecting {
            return Ok(self.to(State::Accepted));
        }
        let mut next = self.to(State::Received);
        next.submitted_at = next.submitted_at.or(Some(self.now));
        next.received_at = Some(self.now);
        next.correction_due = None;
        let answer = super::Days::working(self.facts.terms.limits.answer_days);
        next.answer_due = Some(due::after(self.calendar, self.today, answer, &[])?);
        Ok(next)
    }

    fn note(&self) -> Facts {
        let mut next = self.to(self.facts.state);
        if matches!(self.event, Event::OpenRevocation { .. }) {
            next.flags.insert(Flag::Revocation);
        }
        next
    }

    fn notify_correction(&self, missing: &[String]) -> Moved {
        if self.facts.corrections > 0 {
            return Err(Refusal::CorrectionTwice);
        }
        if self.is_answer_late() {
            // Without an answer in time the application counts as accepted (art. 32).
            return Err(Refusal::AnswerTooLate);
        }
        let mut next = self.to(State::Correcting);
        next.missing = listed(missing)?;
        next.corrections = 1;
        next.answer_due = None;
        let days = super::Days::working(self.facts.terms.limits.correction_days);
        next.correction_due = Some(due::after(self.calendar, self.today, days, &[])?);
        Ok(next)
    }

    fn expire_correction(&self) -> Moved {
        if self
            .facts
            .correction_due
            .is_none_or(|due| self.today <= due)
        {
            return Err(Refusal::NotYetDue);
        }
        self.end(State::Aborted, "补正不来办结")
    }

    fn accept(&self) -> Moved {
        let is_late = self.is_answer_late();
        let mut next = self.accepted_from(if is_late {
            self.received_on()
        } else {
            self.today
        })?;
        if is_late {
            next.flags.insert(Flag::LateAnswer);
        }
        next.accepted_by = Some(self.actor.to_owned());
        Ok(next)
    }

    fn deem_accepted(&self) -> Moved {
        if !self.is_answer_late() {
            return Err(Refusal::NotYetDue);
        }
        let mut next = self.accepted_from(self.received_on())?;
        next.flags.insert(Flag::LateAnswer);
        Ok(next)
    }

    fn accepted_from(&self, d0: NaiveDate) -> Moved {
        let mut next = self.to(State::Accepted);
        next.accepted_at = Some(self.now);
        next.d0 = Some(d0);
        next.answer_due = None;
        next.missing.clear();
        self.with_dues(next)
    }

    fn with_dues(&self, mut next: Facts) -> Moved {
        let dues = due::of(&next, self.calendar)?;
        next.promise_due = dues.promise;
        next.legal_due = dues.legal;
        Ok(next)
    }

    fn refuse_acceptance(&self, reason: &str, remedy: &str) -> Moved {
        said(reason, Refusal::ReasonMissing)?;
        said(remedy, Refusal::RemedyMissing)?;
        let mut next = self.to(State::NotAccepted);
        next.answer_due = None;
        next.closed_at = Some(self.now);
        next.decision = Some(Decision {
            outcome: Outcome::Refused,
            reason: reason.to_owned(),
            remedy: remedy.to_owned(),
        });
        Ok(next)
    }

    fn start_special(&self, key: &str, reason: &str, declared_days: u32) -> Moved {
        let procedures = &self.facts.terms.procedures;
        let Some(procedure) = procedures.iter().find(|p| p.key == key) else {
            return Err(Refusal::NotListed {
                procedure: key.to_owned(),
            });
        };
        if declared_days == 0 {
            return Err(Refusal::DaysMissing);
        }
        if procedure.max_days > 0 && declared_days > procedure.max_days {
            return Err(Refusal::DaysTooMany {
                most: procedure.max_days,
            });
        }
        let mut next = self.to(State::Suspended);
        next.suspensions.push(Suspension {
            procedure: procedure.key.clone(),
            name: procedure.name.clone(),
            reason: reason.to_owned(),
            declared_days,
            from: self.today,
            until: None,
            result: String::new(),
        });
        next.promise_due = None;
        next.legal_due = None;
        Ok(next)
    }

    fn end_special(&self, result: &str) -> Moved {
        let mut next = self.to(State::Accepted);
        for suspension in &mut next.suspensions {
            if suspension.until.is_none() {
                suspension.until = Some(self.today);
                result.clone_into(&mut suspension.result);
                let declared = super::Days::working(suspension.declared_days);
                let told = due::after(self.calendar, suspension.from, declared, &[])?;
                if self.today > told {
                    next.flags.insert(Flag::LongerThanDeclared);
                }
            }
        }
        self.with_dues(next)
    }

    fn extend(&self, days: u32, reason: &str) -> Moved {
        let limits = &self.facts.terms.limits;
        let most = if self.facts.terms.is_joint {
            limits.joint_extension_days
        } else {
            limits.extension_days
        };
        if self.facts.extension.is_some() {
            return Err(Refusal::ExtendedTwice);
        }
        if self.facts.promise_due.is_some_and(|due| self.today > due) {
            return Err(Refusal::ExtensionTooLate);
        }
        if days == 0 {
            return Err(Refusal::DaysMissing);
        }
        if days > most {
            return Err(Refusal::DaysTooMany { most });
        }
        said(reason, Refusal::ReasonMissing)?;
        let mut next = self.to(State::Accepted);
        next.extension = Some(Extension {
            days,
            reason: reason.to_owned(),
        });
        self.with_dues(next)
    }

    fn review(&self, on_site: Option<&[String]>) -> Moved {
        if let Some(officers) = on_site {
            let mut names: Vec<_> = officers.iter().map(|o| o.trim()).collect();
            names.retain(|name| !name.is_empty());
            names.sort_unstable();
            names.dedup();
            if names.len() < 2 {
                return Err(Refusal::TwoOfficersNeeded);
            }
        }
        Ok(self.to(State::Accepted))
    }

    fn refuse(&self, reason: &str, remedy: &str) -> Moved {
        said(reason, Refusal::ReasonMissing)?;
        said(remedy, Refusal::RemedyMissing)?;
        self.decide(Outcome::Refused, reason, remedy)
    }

    fn decide(&self, outcome: Outcome, reason: &str, remedy: &str) -> Moved {
        let mut next = self.to(match outcome {
            Outcome::Refused => State::Refused,
            Outcome::Approved | Outcome::Partial => State::Approved,
        });
        next.decided_at = Some(self.now);
        next.decided_by = Some(self.actor.to_owned());
        next.decision = Some(Decision {
            outcome,
            reason: reason.to_owned(),
            remedy: remedy.to_owned(),
        });
        let is_same = self.actor != SYSTEM && self.facts.accepted_by.as_deref() == Some(self.actor);
        // An instant item is accepted and decided by one person on the spot; that is its point.
        if is_same && !self.facts.terms.is_instant {
            next.flags.insert(Flag::SamePerson);
        }
        if self.facts.promise_due.is_some_and(|due| self.today > due) {
            next.flags.insert(Flag::Overdue);
        }
        let days = super::Days::working(self.facts.terms.limits.delivery_days);
        next.delivery_due = Some(due::after(self.calendar, self.today, days, &[])?);
        Ok(next)
    }

    fn close(&self) -> Facts {
        let mut next = self.to(State::Closed);
        next.closed_at = Some(self.now);
        next
    }

    fn deliver(&self, how: super::Delivery) -> Moved {
        if self.facts.delivered_at.is_some() {
            return Err(Refusal::AlreadyDelivered);
        }
        let mut next = self.to(State::Closed);
        next.delivered_at = Some(self.now);
        next.delivery = Some(how);
        Ok(next)
    }

    /// Ends without a decision.
    fn end(&self, state: State, reason: &str) -> Moved {
        said(reason, Refusal::ReasonMissing)?;
        let mut next = self.to(state);
        next.closed_at = Some(self.now);
        next.answer_due = None;
        next.correction_due = None;
        for suspension in &mut next.suspensions {
            suspension.until = suspension.until.or(Some(self.today));
        }
        Ok(next)
    }

    fn is_answer_late(&self) -> bool {
        self.facts.answer_due.is_some_and(|due| self.today > due)
    }

    fn received_on(&self) -> NaiveDate {
        self.facts.received_at.map_or(self.today, local_date)
    }
}

/// A sub-case as its parent's acceptance makes it: accepted by the same person on the same first
/// day, with its own limits.
pub fn accepted_with(
    parent: &Facts,
    own: &Facts,
    now: DateTime<Utc>,
    calendar: &Calendar,
) -> Moved {
    let mut next = Facts {
        state: State::Accepted,
        submitted_at: parent.submitted_at,
        received_at: parent.received_at,
        accepted_at: Some(now),
        accepted_by: parent.accepted_by.clone(),
        d0: parent.d0.or_else(|| Some(local_date(now))),
        last_at: Some(now),
        moves: own.moves + 1,
        ..own.clone()
    };
    let dues = due::of(&next, calendar)?;
    next.promise_due = dues.promise;
    next.legal_due = dues.legal;
    Ok(next)
}

/// How rules name the actor of timers and processes.
pub const SYSTEM: &str = "system";

fn said(text: &str, otherwise: Refusal) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        Err(otherwise)
    } else {
        Ok(())
    }
}

fn listed(items: &[String]) -> Result<Vec<String>, Refusal> {
    let kept: Vec<_> = items
        .iter()
        .map(|item| item.trim().to_owned())
        .filter(|item| !item.is_empty())
        .collect();
    if kept.is_empty() {
        Err(Refusal::ListEmpty)
    } else {
        Ok(kept)
    }
}
