//! Looking at personal values, and knowing who looked.

use identity::Actor;
use kernel::Result;

use super::{PersonalDataRevealed, Reveal, purpose, store, until};
use crate::case::{
    CaseId,
    act::{Desk, Who, is_own, resource, view},
    store::Case,
};

/// Opens a case's personal values to the officer for a while. Saying the same again while it
/// lasts answers the same look.
pub async fn reveal(desk: &Desk, actor: &Actor, id: CaseId, typed: &str) -> Result<Reveal> {
    let case = view(desk, actor, id).await?;
    desk.gate
        .check(actor, "service.case.reveal", &resource(&case))?;
    let purpose = purpose(typed)?;
    let who = Who::of(actor, &case);
    desk.db
        .write(move |tx| {
            let (case, who, purpose) = (case.clone(), who.clone(), purpose.clone());
            Box::pin(async move {
                let now = tx.now();
                let lasting = store::lookup_lasting(&*tx, case.id, &who.id, now).await?;
                if let Some(same) = lasting.filter(|look| look.purpose == purpose) {
                    return Ok(same);
                }
                let look = Reveal {
                    id: kernel::id::new_v7(now).to_string(),
                    case: case.id,
                    user: who.id.clone(),
                    user_name: who.name.clone(),
                    org_name: who.org_name.clone(),
                    purpose,
                    at: now,
                    until: until(now),
                };
                store::insert(&tx, &look).await?;
                tx.emit(
                    format!("case:{}", case.id),
                    who.trace.clone(),
                    &fact(&case, &look),
                )?;
                Ok(look)
            })
        })
        .await
}

fn fact(case: &Case, look: &Reveal) -> PersonalDataRevealed {
    PersonalDataRevealed {
        case_id: case.id.to_string(),
        case_no: case.number.clone(),
        org: case.org.clone(),
        user: look.user.clone(),
        user_name: look.user_name.clone(),
        user_org_name: look.org_name.clone(),
        purpose: look.purpose.clone(),
        until: look.until,
    }
}

/// Whether the actor sees the case's personal values in full now: applicants their own, officers
/// while a look of theirs lasts.
pub async fn is_open(desk: &Desk, actor: &Actor, case: &Case) -> Result<bool> {
    if is_own(actor, case) {
        return Ok(true);
    }
    let user = actor.user.to_string();
    let look = store::lookup_lasting(desk.db.read(), case.id, &user, desk.db.clock().now()).await?;
    Ok(look.is_some())
}

/// Who looked at a case's personal values, for those who may see the case.
pub async fn list(desk: &Desk, actor: &Actor, id: CaseId) -> Result<Vec<Reveal>> {
    let case = view(desk, actor, id).await?;
    store::list(desk.db.read(), case.id).await
}
