//! How instances are written down: one that holds little whole in its row, a large one in parts.
//!
//! A step of an instance with ten thousand open tasks changes a handful of them. What it holds is
//! kept in parts of consecutive numbers then, of which a step writes those that it changed, and the
//! row keeps the rest: without any frames, which every instance has. What was committed last is
//! remembered, so that the next step need not read all parts.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kernel::{Error, Fault, Result, Text};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
};
use serde::{Deserialize, Serialize};
use store::{Tx, fault};

use crate::{
    core::{Frame, Instance, Shelf, Timer, Token},
    schema::{instance, state},
};

/// Frames, tokens and timers that an instance may hold and still be kept whole.
const WHOLE: usize = 500;
/// Numbers in one part.
const PART: u32 = 100;
/// Bytes of the row's text and of each part.
const LARGEST: usize = 16 << 20;
/// Large instances that are remembered.
const REMEMBERED: usize = 8;

/// What is in one part.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Held {
    frames: Shelf<Frame>,
    tokens: Shelf<Token>,
    timers: Shelf<Timer>,
}

/// As [`Held`], to be written.
#[derive(Serialize)]
struct Holding<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    frames: BTreeMap<u32, &'a Frame>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tokens: BTreeMap<u32, &'a Token>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    timers: BTreeMap<u32, &'a Timer>,
}

/// Reads what an instance holds.
pub(crate) async fn read<C: ConnectionTrait>(db: &C, row: &instance::Model) -> Result<Instance> {
    Ok(read_from(db, row).await?.0)
}

/// As [`read`]; says too whether it is kept in parts.
pub(crate) async fn read_from<C: ConnectionTrait>(
    db: &C,
    row: &instance::Model,
) -> Result<(Instance, bool)> {
    let broken = |e| Fault::caused_by(format!("read the state of instance {}", row.id), e);
    let mut instance: Instance = serde_json::from_str(&row.state).map_err(broken)?;
    let is_in_parts = instance.frames.is_empty();
    if is_in_parts {
        let parts = state::Entity::find()
            .filter(state::Column::Instance.eq(&row.id))
            .order_by_asc(state::Column::Part)
            .all(db)
            .await
            .map_err(|e| fault("read what an instance holds", e))?;
        for part in parts {
            let held: Held = serde_json::from_str(&part.state).map_err(broken)?;
            instance.frames.take_in(held.frames);
            instance.tokens.take_in(held.tokens);
            instance.timers.take_in(held.timers);
        }
    }
    Ok((instance, is_in_parts))
}

/// What is to be written of an instance.
pub(crate) struct Writing {
    /// Text of its row.
    pub head: String,
    /// Whether the parts that there are go first.
    clears: bool,
    /// Parts with their text; none where nothing is left in one.
    parts: Vec<(u32, Option<String>)>,
    pub is_in_parts: bool,
}

/// What is to be written after a step, and from now on counts as unchanged; `was_in_parts` is how
/// the instance is kept until now. A new version of its process may have changed everything.
pub(crate) fn changes(
    instance: &mut Instance,
    was_in_parts: bool,
    is_all_new: bool,
) -> Result<Writing> {
    let held = instance.frames.len() + instance.tokens.len() + instance.timers.len();
    let is_in_parts = held > WHOLE;
    let numbers: BTreeSet<u32> = if !is_in_parts {
        BTreeSet::new()
    } else if was_in_parts && !is_all_new {
        let touched = instance.touched().map(|number| number / PART);
        touched.collect()
    } else {
        instance.numbers().map(|number| number / PART).collect()
    };
    let parts = numbers.into_iter().map(|number| {
        let text = part(instance, number)?;
        Ok((number, text))
    });
    let parts = parts.collect::<Result<_>>()?;
    let text = if is_in_parts {
        text_of(&instance.bare())?
    } else {
        text_of(instance)?
    };
    instance.settle();
    Ok(Writing {
        head: text,
        clears: was_in_parts && (is_all_new || !is_in_parts),
        parts,
        is_in_parts,
    })
}

fn part(instance: &Instance, number: u32) -> Result<Option<String>> {
    let of_part = number * PART..=number * PART + (PART - 1);
    let holding = Holding {
        frames: within(&instance.frames, &of_part),
        tokens: within(&instance.tokens, &of_part),
        timers: within(&instance.timers, &of_part),
    };
    let is_empty =
        holding.frames.is_empty() && holding.tokens.is_empty() && holding.timers.is_empty();
    if is_empty {
        return Ok(None);
    }
    text_of(&holding).map(Some)
}

fn within<'a, T>(
    shelf: &'a Shelf<T>,
    numbers: &std::ops::RangeInclusive<u32>,
) -> BTreeMap<u32, &'a T> {
    let things = shelf.range(numbers.clone());
    things.map(|(number, thing)| (*number, thing)).collect()
}

fn text_of(what: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(what);
    let text = text.map_err(|e| Fault::caused_by("write an instance", e))?;
    if text.len() > LARGEST {
        let text = Text::new("workflow-state-large").with("most", LARGEST >> 20);
        return Err(Error::Refused(text));
    }
    Ok(text)
}

impl Writing {
    /// Writes the parts; the row is written before.
    pub async fn write_parts(self, tx: &Tx, instance: &str) -> Result<()> {
        let of_instance =
            || state::Entity::delete_many().filter(state::Column::Instance.eq(instance));
        let (kept, gone): (Vec<_>, Vec<_>) =
            self.parts.into_iter().partition(|(_, text)| text.is_some());
        let gone: Vec<i64> = gone.into_iter().map(|(number, _)| number.into()).collect();
        if self.clears {
            let cleared = of_instance().exec(&**tx).await;
            cleared.map_err(|e| fault("clear what an instance holds", e))?;
        } else if !gone.is_empty() {
            let emptied = of_instance().filter(state::Column::Part.is_in(gone));
            let emptied = emptied.exec(&**tx).await;
            emptied.map_err(|e| fault("clear what an instance holds", e))?;
        }
        let rows = kept.into_iter().map(|(number, text)| state::ActiveModel {
            instance: Set(instance.to_owned()),
            part: Set(number.into()),
            state: Set(text.unwrap_or_default()),
        });
        let rows: Vec<_> = rows.collect();
        let key = [state::Column::Instance, state::Column::Part];
        for some in rows.chunks(200) {
            let mut anew = OnConflict::columns(key);
            anew.update_column(state::Column::State);
            state::Entity::insert_many(some.iter().cloned())
                .on_conflict(anew)
                .exec_without_returning(&**tx)
                .await
                .map_err(|e| fault("write what an instance holds", e))?;
        }
        Ok(())
    }
}

/// The large instances that were committed last, by id and version.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Arc<Mutex<Committed>>);

type Committed = VecDeque<(String, i64, Arc<Instance>)>;

impl Memory {
    fn all(&self) -> MutexGuard<'_, Committed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The instance as it is in a row that was just read.
    pub fn recall(&self, row: &instance::Model) -> Option<Arc<Instance>> {
        let all = self.all();
        let mut known = all.iter().filter(|(id, ..)| *id == row.id);
        let known = known.find(|(_, version, _)| *version == row.version);
        known.map(|(_, _, instance)| instance.clone())
    }

    /// As [`Self::recall`], for whoever changes it.
    pub fn take(&self, row: &instance::Model) -> Option<Instance> {
        let mut all = self.all();
        let at = all.iter().position(|(id, ..)| *id == row.id)?;
        let (_, version, instance) = all.remove(at)?;
        drop(all);
        (version == row.version).then(|| Arc::unwrap_or_clone(instance))
    }

    /// Remembers what was committed.
    pub fn keep(&self, id: String, version: i64, instance: Instance) {
        let mut all = self.all();
        all.retain(|(known, ..)| *known != id);
        all.push_back((id, version, Arc::new(instance)));
        if all.len() > REMEMBERED {
            all.pop_front();
        }
    }
}
