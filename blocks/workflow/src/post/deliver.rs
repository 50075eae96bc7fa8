//! A message is taken, a signal is heard.

use std::sync::{Arc, OnceLock};

use ::store::{Db, Tx};
use kernel::{Error, Fault, Result, Text};
use serde_json::{Map, Value};

use super::{
    hearing::{Start, begins_at, process_of, settle, starts},
    store::{self as tables, Places, heard_name},
};
use crate::{
    InstanceId,
    core::{Came, Heard, Input, begins_by, waiting_for_message},
    engine::Engine,
    event, rest,
    schema::{mail, wait},
    step, store as rows,
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
    match place_of(tx, engine, letter, &vars).await? {
        Place::One(place) => {
            let instance: InstanceId = rest::parse(&place.instance, "process instance")?;
            let input = input(letter, &place, vars);
            match step::step_unattended(tx, engine, instance, input, "system").await {
                Ok(()) => Ok(Ok(instance)),
                Err(Error::Refused(text)) => match text.key {
                    // Two runs of one activity wait alike.
                    step::AMBIGUOUS => Ok(Err("several")),
                    // It waits for another conversation.
                    step::NOBODY_WAITS | step::NOT_WAITING => Ok(Err("nobody")),
                    _ => Err(Error::Refused(text)),
                },
                Err(error) => Err(error),
            }
        }
        Place::Several => Ok(Err("several")),
        Place::None => match starts_of(tx, engine, letter).await?.as_slice() {
            [start] => {
                let begun = start.begin_unattended(tx, engine, &letter.subject, vars, "system");
                Ok(Ok(begun.await?))
            }
            [] => Ok(Err("nobody")),
            _ => Ok(Err("several")),
        },
    }
}

fn input(letter: &mail::Model, place: &wait::Model, vars: Map<String, Value>) -> Input {
    Input::Message {
        name: place.name.clone(),
        to: to(letter).map(str::to_owned),
        key: serde_json::from_str(&letter.key).ok(),
        vars,
    }
}

/// The element at the end of its message flow.
fn to(letter: &mail::Model) -> Option<&str> {
    Some(letter.target.as_str()).filter(|target| !target.is_empty())
}

enum Place {
    None,
    One(wait::Model),
    Several,
}

impl Place {
    fn of(found: Vec<wait::Model>) -> Self {
        match <[_; 1]>::try_from(found) {
            Ok([one]) => Self::One(one),
            Err(none) if none.is_empty() => Self::None,
            Err(_) => Self::Several,
        }
    }
}

/// Places looked at of those that could be in the message's conversation.
const MOST_ALIKE: u64 = 20;

/// Where a message goes: to the place at the end of its flow, or to one that waits for its name;
/// told apart by its conversation, or else by the sender's key, then by what both are about.
async fn place_of(
    tx: &Tx,
    engine: &Engine,
    letter: &mail::Model,
    vars: &Map<String, Value>,
) -> Result<Place> {
    let mut wanted = Places {
        heard: heard_name(Heard::Message),
        ..Places::default()
    };
    if letter.target.is_empty() {
        wanted.name.clone_from(&letter.name);
    } else {
        wanted.element.clone_from(&letter.target);
        key_of(&letter.definition).clone_into(&mut wanted.definition_key);
    }
    let keys = tables::keys_of(&**tx, &wanted, vars).await?;
    if !keys.is_empty() {
        let places = Places {
            conversations: Some(keys),
            ..wanted.clone()
        };
        for subject in [letter.subject.clone(), String::new()] {
            let places = Places {
                subject,
                ..places.clone()
            };
            let alike = tables::places(&**tx, &places, MOST_ALIKE).await?;
            let found = in_conversation(tx, engine, letter, vars, alike).await?;
            if !found.is_empty() {
                return Ok(Place::of(found));
            }
        }
    }
    wanted.conversations = Some(Vec::new());
    wanted.key.clone_from(&letter.key);
    wanted.subject.clone_from(&letter.subject);
    let about_the_same = tables::places(&**tx, &wanted, 2).await?;
    if !about_the_same.is_empty() {
        return Ok(Place::of(about_the_same));
    }
    wanted.subject.clear();
    Ok(Place::of(tables::places(&**tx, &wanted, 2).await?))
}

/// Those of the places that are in the message's conversation by all their keys, each once.
async fn in_conversation(
    tx: &Tx,
    engine: &Engine,
    letter: &mail::Model,
    vars: &Map<String, Value>,
    alike: Vec<wait::Model>,
) -> Result<Vec<wait::Model>> {
    let mut found: Vec<wait::Model> = Vec::new();
    for place in alike {
        let is_there = |known: &wait::Model| {
            known.instance == place.instance && known.element == place.element
        };
        if found.iter().any(is_there) {
            continue;
        }
        let id: InstanceId = rest::parse(&place.instance, "process instance")?;
        let row = rows::get_instance(&**tx, id).await?;
        let process = process_of(&**tx, engine, &row).await?;
        let came = Came {
            name: &place.name,
            to: to(letter),
            key: None,
            vars,
        };
        let state = engine.state(&**tx, &row).await?;
        if waiting_for_message(&process, &state, &came).exact > 0 {
            found.push(place);
        }
    }
    Ok(found)
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
    let start = head.and_then(|head| {
        let node = begins_at(&process, head).find(|node| *node.id == *letter.target)?;
        let nth = begins_by(node, Heard::Message, &letter.name).unwrap_or_default();
        Some(Start::new(&letter.definition, head, node, nth))
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

/// Who refused a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Deaf {
    Hearer(InstanceId),
    /// The element at which a definition would begin.
    Start(String, String),
}

/// A signal reaches everything that waits for it, all in one write, and begins the processes
/// that it begins. What refuses it is left out, so that the others hear it. Answers how many
/// instances heard it and how many began; none if it was heard before.
pub(crate) async fn broadcast(
    db: &Db,
    engine: &Arc<Engine>,
    signal: Signal,
) -> Result<(usize, usize)> {
    settle(db, engine).await?;
    let mut deaf: Vec<Deaf> = Vec::new();
    loop {
        let refused = Arc::new(OnceLock::new());
        let heard = try_all(db, engine, &signal, &deaf, &refused).await;
        let who = refused.get().cloned();
        match (heard, who) {
            (Err(Error::Refused(text)), Some(_)) if text.key == step::COLLISION => {}
            (Err(refusal), Some(who)) if !step::is_failure(&refusal) => {
                let name = &signal.name;
                tracing::error!(signal = %name, ?who, %refusal, "a signal was refused");
                deaf.push(who);
            }
            (heard, _) => return heard,
        }
    }
}

async fn try_all(
    db: &Db,
    engine: &Arc<Engine>,
    signal: &Signal,
    deaf: &[Deaf],
    refused: &Arc<OnceLock<Deaf>>,
) -> Result<(usize, usize)> {
    let (engine, signal, deaf) = (engine.clone(), signal.clone(), deaf.to_vec());
    let refused = refused.clone();
    db.write(move |tx| {
        let (engine, signal) = (engine.clone(), signal.clone());
        let (deaf, refused) = (deaf.clone(), refused.clone());
        async move {
            if let Some(row) = &signal.row
                && !tables::take_signal(&tx, row).await?
            {
                return Ok((0, 0));
            }
            hear(&tx, &engine, &signal, &deaf, &refused).await
        }
    })
    .await
}

async fn hear(
    tx: &Tx,
    engine: &Engine,
    signal: &Signal,
    deaf: &[Deaf],
    refused: &OnceLock<Deaf>,
) -> Result<(usize, usize)> {
    let (name, vars, by) = (&signal.name, &signal.vars, &signal.by);
    let (mut heard, mut begun) = (0, 0);
    let starts = starts(&**tx, engine, Heard::Signal, name).await?;
    let starts = not_awaited(tx, name, starts).await?;
    for id in hearers(tx, name, signal.thrown_by).await? {
        let who = Deaf::Hearer(id);
        if deaf.contains(&who) {
            continue;
        }
        let (name, vars) = (name.clone(), vars.clone());
        let done = step::step_unattended(tx, engine, id, Input::Signal { name, vars }, by).await;
        done.inspect_err(|_| drop(refused.set(who)))?;
        heard += 1;
    }
    for start in starts {
        let who = Deaf::Start(start.definition.clone(), start.element.clone());
        if deaf.contains(&who) {
            continue;
        }
        let done = start
            .begin_unattended(tx, engine, "", vars.clone(), by)
            .await;
        done.inspect_err(|_| drop(refused.set(who)))?;
        begun += 1;
    }
    Ok((heard, begun))
}

/// An instance that has begun by something else and waits for this at its start is what it begins.
async fn not_awaited(tx: &Tx, name: &str, starts: Vec<Start>) -> Result<Vec<Start>> {
    let mut left = Vec::new();
    for start in starts {
        let awaited = Places {
            heard: heard_name(Heard::Signal),
            name: name.to_owned(),
            element: start.element.clone(),
            definition_key: key_of(&start.definition).to_owned(),
            ..Places::default()
        };
        if !start.waits_for_all || tables::places(&**tx, &awaited, 1).await?.is_empty() {
            left.push(start);
        }
    }
    Ok(left)
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
