//! What an applicant gets in writing: statutory notices as documents, and messages.

pub mod page;
pub mod react;

use kernel::Result;
use serde_json::json;
use store::Tx;

use crate::case::{
    Event, Facts,
    store::{self as rows, Case, Notice},
};

/// The document that goes with an event, by name of its template; none for events that only
/// officers need to know.
pub fn kind(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::Submit => "receipt",
        Event::ReturnPreReview { .. } => "pre-return",
        Event::NotifyCorrection { .. } => "correction",
        Event::SupplyCorrection => "correction-received",
        Event::ExpireCorrection | Event::Abort { .. } => "termination",
        Event::Accept | Event::DeemAccepted => "acceptance",
        Event::RefuseAcceptance { .. } => "non-acceptance",
        Event::StartSpecial { .. } => "special-procedure",
        Event::Extend { .. } => "extension",
        Event::Approve { .. } | Event::ApprovePart { .. } => "approval",
        Event::Refuse { .. } => "refusal",
        Event::Deliver { .. } => "delivery",
        Event::Withdraw { .. } => "withdrawal",
        _ => return None,
    })
}

/// What notices, which are Chinese documents, say beside a date that is counted by a provisional
/// calendar.
const PROVISIONAL: &str = "（暂定，以正式公布的节假日安排为准）";

/// A date as notices write it.
fn due_words(calendar: &kernel::Calendar, due: Option<chrono::NaiveDate>) -> Option<String> {
    let due = due?;
    let mark = if calendar.is_provisional(due) {
        PROVISIONAL
    } else {
        ""
    };
    Some(format!("{due}{mark}"))
}

/// Notes the document of an event, with everything that it will say, and orders it to be typeset.
/// What it says was fixed when the event happened.
pub(crate) fn write(
    tx: &Tx,
    calendar: &kernel::Calendar,
    case: &Case,
    after: &Facts,
    event: &Event,
) -> Result<()> {
    let Some(kind) = kind(event) else {
        return Ok(());
    };
    let pause = after.suspensions.last();
    let decision = after.decision.as_ref();
    let extension = after.extension.as_ref();
    let data = json!({
        "kind": kind,
        "number": case.number,
        "matter": case.matter_name,
        "applicant": case.applicant.name,
        "org": case.org_name,
        "date": kernel::clock::local_date(after.last_at.unwrap_or(tx.now())),
        "words": event.words(),
        "missing": after.missing,
        "d0": after.d0,
        "promise_due": due_words(calendar, after.promise_due),
        "legal_due": due_words(calendar, after.legal_due),
        "correction_due": due_words(calendar, after.correction_due),
        "procedure": pause.map(|p| &p.name),
        "declared_days": pause.map(|p| p.declared_days),
        "extension_days": extension.map(|e| e.days),
        "reason": decision.map(|d| &d.reason),
        "remedy": decision.map(|d| &d.remedy),
        "result": after.terms.result_name,
    });
    let notice = Notice {
        id: format!("{}.{:04}", case.id, after.moves),
        case: case.id,
        kind: kind.to_owned(),
        number: case.number.clone(),
        at: tx.now(),
        data,
        blob: None,
    };
    rows::insert_notice(tx, &notice)?;
    react::order(tx, &notice.id)
}

/// Tells the applicant what happened: those who read for the party, or who handed it in.
///
/// Sub-cases are told of only where the applicant has to know apart from the whole.
pub(crate) async fn tell(
    tx: &Tx,
    calendar: &kernel::Calendar,
    case: &Case,
    after: &Facts,
    event: &Event,
) -> Result<()> {
    match message(event, case.parent.is_some()) {
        Some(key) => send(tx, calendar, case, after, key, event.words()).await,
        None => Ok(()),
    }
}

/// Tells the applicant that the official calendar moved a date.
pub(crate) async fn tell_recounted(
    tx: &Tx,
    calendar: &kernel::Calendar,
    case: &Case,
) -> Result<()> {
    let key = "service-message-recounted";
    send(tx, calendar, case, &case.facts, key, String::new()).await
}

async fn send(
    tx: &Tx,
    calendar: &kernel::Calendar,
    case: &Case,
    after: &Facts,
    key: &'static str,
    words: String,
) -> Result<()> {
    let party = case
        .applicant
        .party
        .as_deref()
        .and_then(|id| id.parse().ok());
    let agent = case.agent.parse().ok();
    let to = match (party, agent) {
        (Some(party), _) => notify::Recipient::Party(party),
        // A walk-in without an account is told at the window; the clerk needs no message.
        (None, _) if case.channel == crate::case::Channel::Window => return Ok(()),
        (None, Some(agent)) => notify::Recipient::User(agent),
        (None, None) => return Ok(()),
    };
    let due = after.promise_due.or(after.correction_due);
    let is_provisional = due.is_some_and(|due| calendar.is_provisional(due));
    let args = [
        ("matter", case.matter_name.clone()),
        ("number", case.number.clone()),
        ("words", words),
        ("due", due.map(|due| due.to_string()).unwrap_or_default()),
        ("provisional", is_provisional.to_string()),
        ("days", after.terms.limits.answer_days.to_string()),
    ];
    notify::send(tx, &to, key, &args, &format!("/mine/cases/{}", case.id)).await
}

fn message(event: &Event, is_part: bool) -> Option<&'static str> {
    Some(match event {
        Event::Submit => "service-message-submitted",
        Event::ReturnPreReview { .. } | Event::NotifyCorrection { .. } => {
            "service-message-correction"
        }
        Event::Accept | Event::DeemAccepted if !is_part => "service-message-accepted",
        Event::RefuseAcceptance { .. } => "service-message-not-accepted",
        Event::StartSpecial { .. } => "service-message-special",
        Event::Extend { .. } => "service-message-extended",
        Event::Approve { .. } => "service-message-approved",
        Event::ApprovePart { .. } => "service-message-partly-approved",
        Event::Refuse { .. } => "service-message-refused",
        Event::ExpireCorrection | Event::Abort { .. } => "service-message-ended",
        _ => return None,
    })
}
