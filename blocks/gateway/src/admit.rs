//! Whether a call may be made: the rules, on plain values.

use chrono::NaiveDate;

use crate::{
    grant::{self, Grant},
    operation::{Match, Operation, find},
    part::Known,
    refusal::Refusal,
    resource,
};

/// A call that may be made.
#[derive(Debug)]
pub struct Admitted<'a> {
    pub operation: &'a Operation,
    pub grant: &'a Grant,
}

/// Finds the operation of a call and a grant for it; `wanted` names one of several grants. Of
/// grants that do not help, the one that could is told: it is over, or suspended.
pub fn admit<'a>(
    known: &'a Known,
    method: &str,
    path: &str,
    wanted: Option<&str>,
    today: NaiveDate,
) -> Result<Admitted<'a>, Refusal> {
    // Who has no grant at all does not learn what paths there are.
    if known.grants.is_empty() {
        return Err(Refusal::NoGrant);
    }
    if known.resource.state != resource::State::Open {
        return Err(Refusal::ResourceClosed);
    }
    if !known.resource.foreign.is_empty() {
        return Err(Refusal::Foreign(known.resource.foreign.clone()));
    }
    let operation = match find(&known.resource.operations, method, path) {
        Match::Operation(operation) => operation,
        Match::OtherMethods(methods) => {
            let methods = methods.into_iter().map(str::to_owned).collect();
            return Err(Refusal::OtherMethod(methods));
        }
        Match::None => return Err(Refusal::UnknownPath),
    };
    let mut refusal = Refusal::NoGrant;
    for grant in &known.grants {
        let is_wanted = wanted.is_none_or(|id| id == grant.id);
        if !is_wanted || !grant.covers(operation) {
            continue;
        }
        match grant.state {
            grant::State::Withdrawn => {}
            grant::State::Suspended => refusal = Refusal::Suspended,
            grant::State::Active => match grant.expires_on {
                Some(last) if grant.is_over(today) => refusal = Refusal::Expired(last),
                _ => return Ok(Admitted { operation, grant }),
            },
        }
    }
    Err(refusal)
}
