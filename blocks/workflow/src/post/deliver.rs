//! A message is taken, a signal is heard.

use ::store::{Db, Tx};
use kernel::{Error, Fault, Result, Text};
use serde_json::{Map, Value};

use super::{
    hearing::{Start, begins_at, settle, starts},
    store::{self as tables, Places, heard_name},
};
use crate::{
    InstanceId,
    core::{Heard, Input},
    engine::Engine,
    event, rest,
    schema::{mail, wait},
    step,
};

/// Brings a message to the one place that waits for it, or begins what it begins. Where there is
/// none or more than one it stays; with `is_last` it goes.
pub(super) async fn deliver(tx: &Tx, engine: &Engine, id: &str, is_last: bool) -> Result<()> {
    let Some(letter) = tables::mail(&**tx, id).await? else {
        return Ok(());
    };
    let problem = match try_to(tx, engine, &letter).await? {
        Ok(instance) => {
            tables::remove_mail(tx, id).await?;
            let taken = event::MessageTaken {
                sender: sender(&letter)?,
                instance,
                subject: letter.subject.clone(),
                name: letter.name.clone(),
            };
            return tx.emit(&letter.subject, "system", &taken);
        }
        Err(problem) => problem,
    };
    if !is_last {
        return tables::note_problem(tx, letter, problem).await;
    }
    tables::remove_mail(tx, id).await?;
    let lost = event::MessageUndelivered {
        sender: sender(&letter)?,
        subject: letter.subject.clone(),
        element: letter.element.clone(),
        name: letter.name.clone(),
    };
    tx.emit(&letter.subject, "system", &lost)
}

pub(super) fn sender(letter: &mail::Model) -> Result<InstanceId> {
    rest::parse(&letter.instance, "process instance")
}

/// Who took it, or why nobody did.
async fn try_to(
    tx: &Tx,
    engine: &Engine,
    letter: &mail::Model,
) -> Result<Result<InstanceId, &'static str>> {
    let vars: Map<String, Value> =
        serde_json::from_str(&letter.vars).map_err(|e| Fault::caused_by("read a message", e))?;
    match place_of(tx, letter).await? {
        Place::One(place) => {
            let instance: InstanceId = rest::parse(&place.instance, "process instance")?;
            let input = input(letter, &place, vars);
            match step::step(tx, engine, instance, input, "system").await {
                Ok(()) => Ok(Ok(instance)),
                // Two runs of one activity wait alike.
                Err(Error::Refused(text)) if text.key == step::AMBIGUOUS => Ok(Err("several")),
                Err(error) => Err(error),
            }
        }
        Place::Several => Ok(Err("several")),
        Place::None => match starts_of(tx, engine, letter).await?.as_slice() {
            [start] => {
                let begun = start.begin(tx, engine, &letter.subject, vars, "system");
                Ok(Ok(begun.await?))
            }
            [] => Ok(Err("nobody")),
            _ => Ok(Err("several")),
        },
    }
}

fn input(letter: &mail::Model, place: &wait::Model, vars: Map<String, Value>) -> Input {
    if letter.target.is_empty() {
        let key = serde_json::from_str(&letter.key).ok();
        let name = place.name.clone();
        Input::Message { name, key, vars }
    } else {
        let element = place.element.clone();
        Input::Trigger { element, vars }
    }
}

enum Place {
    None,
    One(wait::Model),
    Several,
}

/// Where a message goes: to the place at the end of its flow, or to one that waits for its name;
/// told apart by the key, then by what both are about.
async fn place_of(tx: &Tx, letter: &mail::Model) -> Result<Place> {
    let mut wanted = Places {
        heard: heard_name(Heard::Message),
        key: letter.key.clone(),
        subject: letter.subject.clone(),
        ..Places::default()
    };
    if letter.target.is_empty() {
        wanted.name.clone_from(&letter.name);
    } else {
        wanted.element.clone_from(&letter.target);
        key_of(&letter.definition).clone_into(&mut wanted.definition_key);
    }
    let about_the_same = tables::places(&**tx, &wanted, 2).await?;
    let found = if about_the_same.is_empty() {
        wanted.subject.clear();
        tables::places(&**tx, &wanted, 2).await?
    } else {
        about_the_same
    };
    Ok(match <[_; 1]>::try_from(found) {
        Ok([one]) => Place::One(one),
        Err(none) if none.is_empty() => Place::None,
        Err(_) => Place::Several,
    })
}

/// The key of a definition `key:version:tail`.
fn key_of(definition: &str) -> &str {
    definition.rsplitn(3, ':').last().unwrap_or(definition)
}

async fn starts_of(tx: &Tx, engine: &Engine, letter: &mail::Model) -> Result<Vec<Start>> {
    if letter.target.is_empty() {
        return starts(&**tx, engine, Heard::Message, &letter.name).await;
    }
    let process = engine.process(&**tx, &letter.definition).await?;
    let head = process.model.lookup(&letter.target);
    let head = head.and_then(|ix| process.model.process_of(ix));
    let begins =
        head.filter(|head| begins_at(&process, head).any(|node| *node.id == *letter.target));
    let start = begins.map(|head| Start {
        definition: letter.definition.clone(),
        process: head.id.to_string(),
        element: letter.target.clone(),
    });
    Ok(start.into_iter().collect())
}

/// More would hold the database for too long in one write.
const MOST_HEARERS: u64 = 5_000;

/// A signal on its way.
#[derive(Clone, Debug)]
pub(crate) struct Signal {
    pub name: String,
    pub vars: Map<String, Value>,
    /// The instance that threw it has heard it already.
    pub thrown_by: Option<InstanceId>,
    /// Its row, if it was thrown by an instance.
    pub row: Option<String>,
    pub by: String,
}

impl From<super::Broadcast> for Signal {
    fn from(job: super::Broadcast) -> Self {
        Self {
            name: job.name,
            vars: Map::new(),
            thrown_by: Some(job.thrown_by),
            row: job.signal,
            by: "system".into(),
        }
    }
}

/// A signal reaches everything that waits for it, all in one write, and begins the processes
/// that it begins. Answers how many instances heard it and how many began; none if it was heard
/// before.
pub(crate) async fn broadcast(
    db: &Db,
    engine: &std::sync::Arc<Engine>,
    signal: Signal,
) -> Result<(usize, usize)> {
    settle(db, engine).await?;
    let engine = engine.clone();
    db.write(move |tx| {
        let (engine, signal) = (engine.clone(), signal.clone());
        async move {
            if let Some(row) = &signal.row
                && !tables::take_signal(&tx, row).await?
            {
                return Ok((0, 0));
            }
            hear(&tx, &engine, &signal).await
        }
    })
    .await
}

async fn hear(tx: &Tx, engine: &Engine, signal: &Signal) -> Result<(usize, usize)> {
    let (name, vars, by) = (&signal.name, &signal.vars, &signal.by);
    let hearers = hearers(tx, name, signal.thrown_by).await?;
    for &id in &hearers {
        let (name, vars) = (name.clone(), vars.clone());
        step::step(tx, engine, id, Input::Signal { name, vars }, by).await?;
    }
    let starts = starts(&**tx, engine, Heard::Signal, name).await?;
    for start in &starts {
        start.begin(tx, engine, "", vars.clone(), by).await?;
    }
    Ok((hearers.len(), starts.len()))
}

async fn hearers(tx: &Tx, name: &str, but: Option<InstanceId>) -> Result<Vec<InstanceId>> {
    let wanted = Places {
        heard: heard_name(Heard::Signal),
        name: name.to_owned(),
        ..Places::default()
    };
    let places = tables::places(&**tx, &wanted, MOST_HEARERS + 1).await?;
    if places.len() as u64 > MOST_HEARERS {
        let text = Text::new("workflow-signal-many").with("most", MOST_HEARERS);
        return Err(Error::Refused(text));
    }
    let mut found = Vec::new();
    for place in places {
        let id: InstanceId = rest::parse(&place.instance, "process instance")?;
        if Some(id) != but && found.last() != Some(&id) {
            found.push(id);
        }
    }
    Ok(found)
}
