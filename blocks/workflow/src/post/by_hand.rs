//! An operator hands a message to a place that he chooses, or throws it away.

use ::store::{Db, Tx};
use kernel::{Error, Fault, Result, Text};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    deliver::sender,
    hearing::settle,
    store::{self as tables, Places, heard_name},
};
use crate::{
    InstanceId,
    core::{Heard, Input},
    engine::Engine,
    event,
    schema::mail,
    step,
    verb::said,
};

/// Places shown for one message.
const MOST_PLACES: u64 = 50;

/// A place that could take a message, whatever its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = MessagePlace)]
pub(crate) struct Choice {
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    pub instance: String,
    #[schema(example = "paid")]
    pub element: String,
    /// What its correlation asks for, as JSON; empty if it takes every message of the name.
    #[schema(example = "7")]
    pub key: String,
    #[schema(example = "business:order-7")]
    pub subject: String,
}

async fn letter(tx: &Tx, id: &str) -> Result<mail::Model> {
    let found = tables::mail(&**tx, id).await?;
    found.ok_or(Error::NotFound { what: "message" })
}

/// Places that wait for a message of this name, or at the end of its flow.
pub(crate) async fn choices(db: &Db, engine: &Engine, id: &str) -> Result<Vec<Choice>> {
    settle(db, engine).await?;
    let letter = tables::mail(db.read(), id).await?;
    let letter = letter.ok_or(Error::NotFound { what: "message" })?;
    tables::choices(db.read(), &wanted(&letter), MOST_PLACES).await
}

fn wanted(letter: &mail::Model) -> Places {
    let heard = heard_name(Heard::Message);
    if letter.target.is_empty() {
        let name = letter.name.clone();
        return Places {
            heard,
            name,
            ..Places::default()
        };
    }
    let element = letter.target.clone();
    Places {
        heard,
        element,
        ..Places::default()
    }
}

/// What an operator decides about a message, and why.
#[derive(Clone, Debug)]
pub(crate) enum Decision {
    /// It goes to this element of this instance.
    Deliver {
        instance: InstanceId,
        element: String,
    },
    Discard,
}

/// Carries the decision out, in one write with its event.
pub(crate) async fn decide(
    tx: &Tx,
    engine: &Engine,
    id: &str,
    decision: &Decision,
    reason: &str,
    by: &str,
) -> Result<()> {
    let reason = said("reason", reason)?.to_owned();
    let letter = letter(tx, id).await?;
    tables::remove_mail(tx, id).await?;
    match decision {
        Decision::Discard => {
            let gone = event::MessageDiscarded {
                sender: sender(&letter)?,
                subject: letter.subject.clone(),
                element: letter.element.clone(),
                name: letter.name.clone(),
                reason,
            };
            tx.emit(&letter.subject, by, &gone)
        }
        Decision::Deliver { instance, element } => {
            hand(tx, engine, &letter, *instance, element, by).await?;
            let handed = event::MessageHanded {
                sender: sender(&letter)?,
                instance: *instance,
                subject: letter.subject.clone(),
                name: letter.name.clone(),
                reason,
            };
            tx.emit(&letter.subject, by, &handed)
        }
    }
}

async fn hand(
    tx: &Tx,
    engine: &Engine,
    letter: &mail::Model,
    instance: InstanceId,
    element: &str,
    by: &str,
) -> Result<()> {
    let place = Places {
        instance: instance.to_string(),
        ..wanted(letter)
    };
    let places = tables::choices(&**tx, &place, MOST_PLACES).await?;
    if !places.iter().any(|place| place.element == element) {
        let text = Text::new("workflow-message-place").with("element", element);
        return Err(Error::invalid("place", text));
    }
    let vars =
        serde_json::from_str(&letter.vars).map_err(|e| Fault::caused_by("read a message", e))?;
    let element = element.into();
    step::step(tx, engine, instance, Input::Trigger { element, vars }, by).await
}
