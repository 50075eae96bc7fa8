//! Answers that the government already knows, each with where it is from.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Form, Words};

/// Where a value comes from, shown beside it: `来自：营业执照库`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The register or library.
    pub register: Words,
    /// The key that was asked for, as `licence.business.address`.
    pub key: String,
    /// When it was looked up.
    pub at: DateTime<Utc>,
}

/// Provenances by field.
pub type Provenances = BTreeMap<String, Provenance>;

/// Something that knows values: the account, a certificate, a register, an earlier case.
pub trait Source {
    /// The value for a prefill key, and which register it is from.
    fn get(&self, key: &str) -> Option<(Value, Words)>;
}

/// Several sources; the first that knows is asked (certificates, then registers, then earlier
/// cases, by service standards §3.1).
pub struct Sources<'a>(pub Vec<&'a dyn Source>);

impl Source for Sources<'_> {
    fn get(&self, key: &str) -> Option<(Value, Words)> {
        self.0.iter().find_map(|source| source.get(key))
    }
}

impl<S: Source + ?Sized> Source for &[&S] {
    fn get(&self, key: &str) -> Option<(Value, Words)> {
        self.iter().find_map(|source| Source::get(*source, key))
    }
}

/// A source whose values were gathered beforehand.
#[derive(Clone, Debug, Default)]
pub struct Known {
    register: Words,
    values: BTreeMap<String, Value>,
}

impl Known {
    pub fn from_register(register: Words) -> Self {
        Self {
            register,
            values: BTreeMap::new(),
        }
    }

    /// Adds a value; empty ones are left out.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        let value = value.into();
        if !crate::condition::is_empty(&value) {
            self.values.insert(key.into(), value);
        }
        self
    }
}

impl Source for Known {
    fn get(&self, key: &str) -> Option<(Value, Words)> {
        self.values
            .get(key)
            .map(|value| (value.clone(), self.register.clone()))
    }
}

/// What the account itself knows: `party.name`, `party.code`, `party.phone`, `party.address`,
/// and `user.name` of who fills the form.
pub fn account(actor: &identity::Actor) -> Known {
    let known = Known::from_register(Words::new("账户实名信息", "your verified account"))
        .with("user.name", actor.name.as_str());
    match actor.party() {
        Some(party) => party_source(known, party),
        None => known,
    }
}

/// The same for a party that somebody else acts for, as a walk-in applicant at the window.
pub fn party(party: &identity::Party) -> Known {
    party_source(
        Known::from_register(Words::new("基础信息库", "the base register")),
        party,
    )
}

fn party_source(known: Known, party: &identity::Party) -> Known {
    known
        .with("party.name", party.name.as_str())
        .with("party.code", party.code.as_str())
        .with("party.phone", party.phone.as_str())
        .with("party.address", party.address.as_str())
}

/// For every field with a source that knows it: the field's name, the value, where it is from.
pub fn prefill(
    form: &Form,
    source: &dyn Source,
    now: DateTime<Utc>,
) -> Vec<(String, Value, Provenance)> {
    form.fields
        .iter()
        .filter_map(|field| {
            let key = field.source.as_deref()?;
            let (value, register) = source.get(key)?;
            Some((
                field.name.clone(),
                value,
                Provenance {
                    register,
                    key: key.to_owned(),
                    at: now,
                },
            ))
        })
        .collect()
}

/// Values and provenances of a new draft.
pub fn begin(form: &Form, source: &dyn Source, now: DateTime<Utc>) -> (Value, Provenances) {
    let mut values = Map::new();
    let mut provenances = Provenances::new();
    for (name, value, provenance) in prefill(form, source, now) {
        values.insert(name.clone(), value);
        provenances.insert(name, provenance);
    }
    (Value::Object(values), provenances)
}

/// After a save: a value that was changed no longer comes from its register, and a value that may
/// not be changed is put back.
pub fn reconcile(
    form: &Form,
    before: &Value,
    after: Value,
    provenances: &Provenances,
) -> (Value, Provenances) {
    let mut values = match after {
        Value::Object(values) => values,
        _ => Map::new(),
    };
    let mut kept = provenances.clone();
    for name in provenances.keys() {
        let old = before.get(name);
        if values.get(name) == old {
            continue;
        }
        let is_fixed = form.field(name).is_some_and(|field| !field.is_editable);
        match old {
            Some(old) if is_fixed => {
                values.insert(name.clone(), old.clone());
            }
            _ => {
                kept.remove(name);
            }
        }
    }
    (Value::Object(values), kept)
}
