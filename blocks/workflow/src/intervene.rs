//! What an operator may do to an instance by hand. Each act needs a reason and leaves an event.

use kernel::{Error, Result, Text};
use serde_json::{Map, Value};
use store::Tx;

use crate::{
    InstanceId,
    act::{cancel, retry},
    core::Input,
    engine::Engine,
    event, step, store as tables,
};

/// One change of course.
#[derive(Clone, Debug, PartialEq)]
pub enum Intervention {
    /// Takes a token away from where it stands and puts it at another step of its scope.
    Move { token: u32, to: String },
    /// Ends the instance; its open tasks go.
    Cancel,
    /// Writes variables of the process.
    Set { vars: Map<String, Value> },
    /// Everything that stopped tries again.
    Retry,
}

impl Intervention {
    fn name(&self) -> &'static str {
        match self {
            Self::Move { .. } => "move",
            Self::Cancel => "cancel",
            Self::Set { .. } => "set",
            Self::Retry => "retry",
        }
    }

    /// Names only: values may be sensitive, and events are for good.
    fn detail(&self) -> String {
        match self {
            Self::Move { to, .. } => to.clone(),
            Self::Set { vars } => vars.keys().cloned().collect::<Vec<_>>().join(", "),
            Self::Cancel | Self::Retry => String::new(),
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

/// Changes the course of an instance, in the caller's write; the caller authorises.
pub async fn intervene(
    tx: &Tx,
    engine: &Engine,
    instance: InstanceId,
    intervention: &Intervention,
    reason: &str,
    by: &str,
) -> Result<()> {
    let reason = said("reason", reason)?;
    let row = tables::get_instance(&**tx, instance).await?;
    match intervention {
        Intervention::Move { token, to } => {
            let input = Input::Move {
                token: *token,
                to: to.clone(),
            };
            step::step(tx, engine, instance, input, by).await?;
        }
        Intervention::Cancel => cancel(tx, engine, instance, reason, by).await?,
        Intervention::Set { vars } => {
            let input = Input::Set { vars: vars.clone() };
            step::step(tx, engine, instance, input, by).await?;
        }
        Intervention::Retry => retry(tx, engine, instance, by).await?,
    }
    let event = event::Intervened {
        instance,
        subject: row.subject.clone(),
        what: intervention.name().to_owned(),
        detail: intervention.detail(),
        reason: reason.to_owned(),
    };
    tx.emit(&row.subject, by, &event)
}
