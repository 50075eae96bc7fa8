//! What an applicant gets in writing: statutory notices as documents, and messages.

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

/// Notes the document of an event, with everything that it will say. It is typeset when somebody
/// asks for it; what it says was fixed when the event happened.
pub(crate) async fn write(tx: &Tx, case: &Case, after: &Facts, event: &Event) -> Result<()> {
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
        "promise_due": after.promise_due,
        "legal_due": after.legal_due,
        "correction_due": after.correction_due,
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
    rows::insert_notice(tx, &notice).await
}

/// Tells the applicant what happened.
pub(crate) async fn tell(_tx: &Tx, _case: &Case, _after: &Facts, _event: &Event) -> Result<()> {
    Ok(())
}
