//! Cases in the reader's words: what pages show of them.

use chrono::NaiveDate;
use kernel::{Result, mask};
use web::{
    Page,
    component::{Fact, Happening, Light, Step, StepState, Tone},
};

use super::{
    Outcome, State,
    act::{self, Desk},
    due::{self, Signal},
    store::{Case, Entry, Material, Obtained},
};
use crate::reveal;

/// A case in a list.
pub struct Row {
    pub href: String,
    pub number: String,
    pub matter: String,
    pub applicant: String,
    pub org_name: String,
    pub state: String,
    pub tone: Tone,
    pub light: Light,
    pub left: String,
    pub due: String,
    pub submitted: String,
    /// The task that the row leads to, for work lists.
    pub task: String,
}

/// A row that leads below `base`.
pub fn row(p: &Page, desk: &Desk, case: &Case, base: &str) -> Result<Row> {
    let signal = case.signal(desk.db.clock().today(), &desk.calendar)?;
    Ok(Row {
        href: format!("{base}/{}", case.id),
        number: case.number.clone(),
        matter: p.zh(&case.matter_name),
        applicant: p.zh(mask::mask(
            mask::Kind::Name,
            mask::Profile::Internal,
            &case.applicant.name,
        )),
        org_name: p.zh(&case.org_name),
        state: state(p, case),
        tone: tone(case),
        light: light(signal),
        left: left(p, signal),
        due: due_date(p, case.facts.due()),
        submitted: case
            .facts
            .submitted_at
            .map(|at| p.moment(at))
            .unwrap_or_default(),
        task: String::new(),
    })
}

/// The state in words; of a closed case the outcome.
pub fn state(p: &Page, case: &Case) -> String {
    match (case.state(), act::outcome(&case.facts)) {
        (State::Closed, Some(outcome)) => p.t(outcome_key(outcome)),
        (state, _) => p.t(state.key()),
    }
}

pub fn outcome_key(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Approved => "service-outcome-approved",
        Outcome::Refused => "service-outcome-refused",
        Outcome::Partial => "service-outcome-partial",
    }
}

pub fn tone(case: &Case) -> Tone {
    match (case.state(), act::outcome(&case.facts)) {
        (State::Closed | State::Approved, Some(Outcome::Approved)) => Tone::Good,
        (State::Closed | State::Approved, Some(Outcome::Partial))
        | (State::PreReturned | State::Correcting | State::AcceptedCorrecting, _) => Tone::Warning,
        (State::Closed | State::Refused | State::NotAccepted, _) => Tone::Danger,
        (State::Withdrawn | State::Aborted, _) => Tone::Plain,
        _ => Tone::Accent,
    }
}

pub fn light(signal: Signal) -> Light {
    match signal.light {
        due::Light::Off => Light::Done,
        due::Light::Waiting => Light::Waiting,
        due::Light::Green => Light::Green,
        due::Light::Yellow => Light::Yellow,
        due::Light::Red => Light::Red,
        due::Light::Paused => Light::Paused,
    }
}

/// How many working days are left, or by how many it is late.
pub fn left(p: &Page, signal: Signal) -> String {
    match signal.days_left {
        None => String::new(),
        Some(0) => p.t("service-left-today"),
        Some(days) if days < 0 => p.t1("service-left-late", "days", -days),
        Some(days) => p.t1("service-left-days", "days", days),
    }
}

/// A date by which something is due; empty for none.
pub fn due_date(p: &Page, date: Option<NaiveDate>) -> String {
    date.map(|date| p.due(date)).unwrap_or_default()
}

/// The timeline, newest first. To applicants it names bodies, not officers.
pub fn happenings(p: &Page, entries: &[Entry], with_names: bool) -> Vec<Happening> {
    let one = |entry: &Entry| Happening {
        at: entry.at,
        title: p.t(event_key(&entry.event)),
        who: p.zh(who(entry, with_names)),
        text: p.zh(&entry.words),
        tone: event_tone(&entry.event),
    };
    entries.iter().rev().map(one).collect()
}

fn who(entry: &Entry, with_names: bool) -> String {
    if with_names && !entry.actor_name.is_empty() {
        return format!("{} {}", entry.actor_name, entry.org_name)
            .trim()
            .to_owned();
    }
    entry.org_name.clone()
}

/// Fluent key of an event's name.
pub fn event_key(event: &str) -> String {
    format!("service-event-{}", event.replace('_', "-"))
}

fn event_tone(event: &str) -> Tone {
    match event {
        "approved" | "delivered" | "accepted" => Tone::Good,
        "refused" | "not_accepted" | "aborted" => Tone::Danger,
        "correction_notified"
        | "pre_returned"
        | "special_started"
        | "extended"
        | "deemed_accepted"
        | "partly_approved" => Tone::Warning,
        _ => Tone::Plain,
    }
}

/// The five steps that every application takes, and where this one stands.
pub fn steps(p: &Page, case: &Case) -> Vec<Step> {
    let was_accepted = case.facts.accepted_at.is_some();
    let is_delivered = case.facts.delivered_at.is_some();
    let now = match case.state() {
        State::Draft | State::Submitted | State::PreReturned => 0,
        State::Accepted | State::Suspended | State::AcceptedCorrecting => 2,
        State::Approved | State::Refused => 3,
        State::Closed if is_delivered => 5,
        State::Closed => 4,
        // Wherever it ended, that is as far as it came.
        State::Withdrawn | State::Aborted if was_accepted => 2,
        _ => 1,
    };
    let keys = [
        "service-step-apply",
        "service-step-accept",
        "service-step-examine",
        "service-step-decide",
        "service-step-deliver",
    ];
    let step = |(index, key): (usize, &&str)| {
        let state = match index.cmp(&now) {
            std::cmp::Ordering::Less => StepState::Done,
            std::cmp::Ordering::Equal if index == 0 => StepState::Done,
            std::cmp::Ordering::Equal => StepState::Now,
            std::cmp::Ordering::Greater => StepState::Ahead,
        };
        Step::new(p.t(key), state)
    };
    keys.iter().enumerate().map(step).collect()
}

/// What the applicant should know or do now, in one sentence.
pub fn next(p: &Page, case: &Case) -> String {
    let days = case.facts.terms.limits.answer_days;
    p.t1(next_key(case), "days", days)
}

fn next_key(case: &Case) -> &'static str {
    match case.state() {
        State::Draft => "service-next-draft",
        State::Submitted | State::PrePassed | State::Registering => "service-next-submitted",
        State::PreReturned | State::Correcting | State::AcceptedCorrecting => {
            "service-next-correct"
        }
        State::Received => "service-next-received",
        State::Accepted => "service-next-accepted",
        State::Suspended => "service-next-suspended",
        State::Approved => "service-next-approved",
        State::Refused => "service-next-refused",
        State::Closed if case.facts.delivered_at.is_some() => "service-next-delivered",
        State::Closed => "service-next-closed",
        State::NotAccepted => "service-next-not-accepted",
        State::Withdrawn => "service-next-withdrawn",
        State::Aborted => "service-next-aborted",
    }
}

/// The facts at the head of a case; the applicant's numbers in full where [`reveal`] opened them.
pub fn facts(p: &Page, case: &Case, is_full: bool) -> Vec<Fact> {
    let code = reveal::code(&case.applicant.code, is_full);
    let phone = reveal::phone(&case.applicant.phone, is_full);
    let fact = |key: &str, value: String| Fact::new(p.t(key), value);
    let mut facts = vec![
        fact("service-case-number", case.number.clone()),
        fact("service-case-applicant", p.zh(&case.applicant.name)),
        fact("service-case-code", code),
        fact("service-case-phone", phone),
        fact("service-case-org", p.zh(&case.org_name)),
        fact("service-case-channel", p.t(channel_key(case))),
    ];
    if case.agent_name != case.applicant.name {
        facts.push(fact("service-case-agent", p.zh(&case.agent_name)));
    }
    for (key, value) in [
        ("service-case-d0", case.facts.d0),
        ("service-case-promise-due", case.facts.promise_due),
        ("service-case-legal-due", case.facts.legal_due),
        ("service-case-answer-due", case.facts.answer_due),
        ("service-case-correction-due", case.facts.correction_due),
        ("service-case-delivery-due", case.facts.delivery_due),
    ] {
        if value.is_some() {
            facts.push(fact(key, due_date(p, value)));
        }
    }
    facts
}

fn channel_key(case: &Case) -> &'static str {
    match case.channel {
        super::Channel::Online => "service-channel-online",
        super::Channel::Window => "service-channel-window",
        super::Channel::Proxy => "service-channel-proxy",
    }
}

/// A material with its files, and what it replaced.
pub struct MaterialRow {
    pub name: String,
    pub obtained: String,
    pub tone: Tone,
    pub files: Vec<(String, String)>,
    /// When it was handed in.
    pub at: String,
    /// Newest first.
    pub earlier: Vec<MaterialRow>,
}

/// What is in force of each material, with its earlier versions.
pub fn materials(p: &Page, materials: &[Material]) -> Vec<MaterialRow> {
    let current = materials.iter().filter(|material| material.is_current);
    let row = |material: &Material| {
        let earlier = materials.iter().rev();
        let earlier = earlier.filter(|old| !old.is_current && old.key == material.key);
        MaterialRow {
            earlier: earlier.map(|old| material_row(p, old)).collect(),
            ..material_row(p, material)
        }
    };
    current.map(row).collect()
}

fn material_row(p: &Page, material: &Material) -> MaterialRow {
    let files = material.files.iter();
    MaterialRow {
        name: p.zh(&material.name),
        obtained: p.t(obtained_key(material.obtained)),
        tone: match material.obtained {
            Obtained::None | Obtained::Later => Tone::Warning,
            Obtained::Certificate => Tone::Good,
            Obtained::Upload | Obtained::Paper => Tone::Plain,
        },
        files: files
            .map(|file| (file.name.clone(), format!("/api/forms/files/{}", file.id)))
            .collect(),
        at: material.at.map(|at| p.moment(at)).unwrap_or_default(),
        earlier: Vec::new(),
    }
}

fn obtained_key(obtained: Obtained) -> &'static str {
    match obtained {
        Obtained::None => "service-obtained-none",
        Obtained::Upload => "service-obtained-upload",
        Obtained::Certificate => "service-obtained-certificate",
        Obtained::Paper => "service-obtained-paper",
        Obtained::Later => "service-obtained-later",
    }
}
