//! What a record says: computed from what its sources stated.

pub mod act;
pub(crate) mod apply;
mod find;
pub mod store;

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::{
    declaration::{Conflict, Declaration, Field},
    value::Value,
};

/// A source says of a record that these fields have these values from a day on. Never changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub id: String,
    /// The record with the key that was stated, wherever it was merged later.
    pub record: String,
    pub source: String,
    pub act: Act,
    pub valid_from: NaiveDate,
    /// Microseconds.
    pub recorded_at: i64,
    pub batch: Option<String>,
    pub actor: String,
    pub reason: String,
    /// Only fields that the source speaks of; null takes back what it said before.
    pub fields: Map<String, Json>,
}

/// Why a statement was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = StatementAct)]
pub enum Act {
    State,
    /// After an objection, approved by a second person.
    Correct,
    Close,
    Reopen,
}

impl Act {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Correct => "correct",
            Self::Close => "close",
            Self::Reopen => "reopen",
        }
    }

    pub(crate) fn of_name(name: &str) -> Self {
        match name {
            "correct" => Self::Correct,
            "close" => Self::Close,
            "reopen" => Self::Reopen,
            _ => Self::State,
        }
    }
}

/// Whether a record is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RecordState)]
pub enum State {
    Open,
    /// The person died, the firm was dissolved: kept and found, not used for new cases.
    Closed,
    /// It counts for another record.
    Merged,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Merged => "merged",
        }
    }

    pub(crate) fn of_name(name: &str) -> Self {
        match name {
            "closed" => Self::Closed,
            "merged" => Self::Merged,
            _ => Self::Open,
        }
    }
}

/// A row of a registry's table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub id: String,
    pub key: String,
    pub state: State,
    pub merged_into: Option<String>,
    /// Rises with every change.
    pub version: i64,
    /// Microseconds of the last change.
    pub recorded_at: i64,
    pub values: BTreeMap<String, Value>,
}

/// A value, and who said it when.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub value: Value,
    pub statement: String,
    pub source: String,
    pub act: Act,
    pub valid_from: NaiveDate,
    pub recorded_at: i64,
    pub batch: Option<String>,
}

/// What is held true of a field, and what other sources say instead.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    pub told: Told,
    /// Differing values of other sources, by rank.
    pub others: Vec<Told>,
}

/// A record computed from statements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folded {
    /// By field.
    pub fields: BTreeMap<String, Decided>,
    pub is_closed: bool,
}

impl Folded {
    pub fn values(&self) -> BTreeMap<String, Value> {
        let fields = self.fields.iter();
        fields
            .map(|(id, decided)| (id.clone(), decided.told.value.clone()))
            .collect()
    }
}

/// What `own` says by these statements, its own and those of records merged into it, of what
/// holds on a day.
pub fn fold(
    declaration: &Declaration,
    own: &str,
    statements: &[Statement],
    valid_on: NaiveDate,
) -> Folded {
    let mut order: Vec<&Statement> = statements
        .iter()
        .filter(|s| s.valid_from <= valid_on)
        .collect();
    order.sort_by(|a, b| moment(a).cmp(&moment(b)));
    let mut fields = BTreeMap::new();
    for field in &declaration.fields {
        // A merge must not change what a record is called by.
        let is_key = declaration.key.contains(&field.id);
        let speaking = order.iter().copied().filter(|s| !is_key || s.record == own);
        if let Some(decided) = decide(field, speaking) {
            fields.insert(field.id.clone(), decided);
        }
    }
    let last = order
        .iter()
        .rev()
        .find(|s| s.record == own && matches!(s.act, Act::Close | Act::Reopen));
    Folded {
        fields,
        is_closed: last.is_some_and(|s| s.act == Act::Close),
    }
}

/// The order of statements: of two the one that holds from later, then the one recorded later.
fn moment(statement: &Statement) -> (NaiveDate, i64, &str) {
    (
        statement.valid_from,
        statement.recorded_at,
        statement.id.as_str(),
    )
}

/// Of each source its latest word, of the sources the one that decides. `statements` in order.
fn decide<'a>(field: &Field, statements: impl Iterator<Item = &'a Statement>) -> Option<Decided> {
    let mut latest: HashMap<&str, (usize, Option<Told>)> = HashMap::new();
    let mut first: Option<Told> = None;
    let mut corrected: Option<Told> = None;
    for (place, statement) in statements.enumerate() {
        let Some(json) = statement.fields.get(&field.id) else {
            continue;
        };
        let told = Value::of_json(field, json).map(|value| Told {
            value,
            statement: statement.id.clone(),
            source: statement.source.clone(),
            act: statement.act,
            valid_from: statement.valid_from,
            recorded_at: statement.recorded_at,
            batch: statement.batch.clone(),
        });
        if statement.act == Act::Correct {
            corrected.clone_from(&told);
        }
        if first.is_none() {
            first.clone_from(&told);
        }
        latest.insert(&statement.source, (place, told));
    }
    let rank = |source: &str| {
        let place = field.authority.iter().position(|name| name == source);
        place.unwrap_or(field.authority.len())
    };
    let mut told: Vec<(usize, Told)> = latest
        .into_values()
        .filter_map(|(place, told)| Some((place, told?)))
        .collect();
    told.sort_by_key(|(place, told)| {
        let rank = match field.conflict {
            Conflict::LatestWins => 0,
            Conflict::AuthorityWins | Conflict::Manual => rank(&told.source),
        };
        (rank, std::cmp::Reverse(*place))
    });
    let mut told = told.into_iter().map(|(_, told)| told);
    let best = told.next()?;
    let decided = match field.conflict {
        Conflict::Manual => corrected.or(first).unwrap_or_else(|| best.clone()),
        Conflict::AuthorityWins | Conflict::LatestWins => best.clone(),
    };
    let others = std::iter::once(best)
        .chain(told)
        .filter(|other| other.value != decided.value)
        .collect();
    Some(Decided {
        told: decided,
        others,
    })
}

/// The key of a record: the values of its key fields, joined where there are several.
pub fn key_of(declaration: &Declaration, values: &BTreeMap<String, Value>) -> Option<String> {
    let parts: Option<Vec<String>> = declaration
        .key
        .iter()
        .map(|id| {
            let field = declaration.field(id)?;
            // The separator may stand in a value: it is doubled there.
            Some(values.get(id)?.text(field).replace('|', "||"))
        })
        .collect();
    parts.map(|parts| parts.join("|"))
}
