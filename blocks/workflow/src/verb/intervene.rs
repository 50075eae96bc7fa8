//! An administrator's intervention, always with a reason.

use ::store::Tx;
use kernel::{Error, Result, Text};
use serde_json::{Map, Value};

use super::{Cause, store, who::Acting};
use crate::{Engine, InstanceId, Officer, core::Input, event, step, store as tables};

/// What an administrator does to an instance.
#[derive(Clone, Debug, PartialEq)]
pub enum Intervention {
    /// A token goes to another step of its scope.
    Move { token: u32, to: String },
    /// The instance ends here.
    Cancel,
    /// Variables get other values.
    Set(Map<String, Value>),
    /// What stopped is tried again: one token, or all.
    Retry(Option<u32>),
}

impl Intervention {
    fn verb(&self) -> &'static str {
        match self {
            Self::Move { .. } => "move",
            Self::Cancel => "cancel",
            Self::Set(_) => "set",
            Self::Retry(_) => "retry",
        }
    }

    fn other(&self) -> String {
        match self {
            Self::Move { to, .. } => to.clone(),
            // Values may be sensitive: the names say what was done.
            Self::Set(vars) => vars.keys().cloned().collect::<Vec<_>>().join(","),
            Self::Cancel | Self::Retry(_) => String::new(),
        }
    }
}

/// A reason or purpose that says something.
pub(crate) fn said<'a>(field: &'static str, text: &'a str) -> Result<&'a str> {
    let text = text.trim();
    if text.chars().count() < 2 {
        return Err(Error::invalid(field, Text::new("workflow-reason-missing")));
    }
    Ok(text)
}

/// Does it, and tells who did what and why. The caller has asked the gate.
pub async fn intervene(
    tx: &Tx,
    engine: &Engine,
    instance: InstanceId,
    what: Intervention,
    officer: &Officer,
    reason: &str,
) -> Result<()> {
    let reason = said("reason", reason)?;
    if what == Intervention::Set(Map::new()) {
        return Err(Error::invalid("vars", Text::new("workflow-set-nothing")));
    }
    let row = tables::get_instance(&**tx, instance).await?;
    let (verb, other) = (what.verb(), what.other());
    let cause = || Cause::by(&officer.trace);
    match input(what, reason) {
        Some(input) => step::step_for(tx, engine, instance, input, cause()).await?,
        None => step::retry_all(tx, engine, instance, cause).await?,
    }
    let told = event::InstanceIntervened {
        instance,
        subject: row.subject.clone(),
        verb: verb.to_owned(),
        by: officer.id.clone(),
        other: other.clone(),
        reason: reason.to_owned(),
    };
    tx.emit(&row.subject, &officer.trace, &told)?;
    let acting = Acting::own(officer);
    store::insert_deed(tx, (&row.id, ""), verb, &acting, &other, reason).await
}

/// What happens to the instance; none where all that stopped tries again.
fn input(what: Intervention, reason: &str) -> Option<Input> {
    Some(match what {
        Intervention::Move { token, to } => Input::Move { token, to },
        Intervention::Cancel => Input::Cancel {
            reason: reason.to_owned(),
        },
        Intervention::Set(vars) => Input::Set { vars },
        Intervention::Retry(Some(token)) => Input::Retry { token },
        Intervention::Retry(None) => return None,
    })
}
