//! What a source delivers, checked and written: one record from a form, or thousands from a file.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use ::store::Tx;
use chrono::NaiveDate;
use kernel::{
    Error, Fault, Finding, Result, Text,
    clock::{local_date, micros},
};
use sea_orm::ConnectionTrait;
use serde_json::{Map, Value as Json};

use super::{Act, Folded, Row, State, Statement, fold, key_of, store};
use crate::{
    Declaration, Field,
    part::{Codes, Registries},
    value::{self, Value},
};

/// What one row says, checked by itself.
#[derive(Clone, Debug)]
pub struct Draft {
    pub key: String,
    /// By field; nothing takes back what the source said before.
    pub values: BTreeMap<String, Option<Value>>,
}

/// One thing wrong with a delivered row: the field and the rule.
pub type Wrong = (String, Text);

/// Reads the cells of a row: field, and text or nothing. Fields whose text is blank are not
/// spoken of. Says everything that is wrong.
pub fn draft<'a>(
    declaration: &Declaration,
    codes: &HashMap<String, Arc<Codes>>,
    cells: impl Iterator<Item = (&'a Field, Option<&'a str>)>,
    today: NaiveDate,
) -> Result<Draft, Vec<Wrong>> {
    let mut values = BTreeMap::new();
    let mut wrong = Vec::new();
    for (field, text) in cells {
        let Some(text) = text else {
            values.insert(field.id.clone(), None);
            continue;
        };
        match value::parse(field, text, today) {
            Ok(None) => {}
            Ok(Some(value)) => match in_table(field, codes, &value) {
                Ok(()) => {
                    values.insert(field.id.clone(), Some(value));
                }
                Err(text) => wrong.push((field.id.clone(), text)),
            },
            Err(text) => wrong.push((field.id.clone(), text)),
        }
    }
    let known: BTreeMap<String, Value> = values
        .iter()
        .filter_map(|(id, value)| Some((id.clone(), value.clone()?)))
        .collect();
    match key_of(declaration, &known) {
        Some(key) if wrong.is_empty() => Ok(Draft { key, values }),
        Some(_) => Err(wrong),
        None => {
            for id in declaration.key.iter().filter(|id| !known.contains_key(*id)) {
                if !wrong.iter().any(|(field, _)| field == id) {
                    wrong.push((id.clone(), Text::new("registry-value-required")));
                }
            }
            Err(wrong)
        }
    }
}

fn in_table(field: &Field, codes: &HashMap<String, Arc<Codes>>, value: &Value) -> Result<(), Text> {
    let (Some(table), Value::Text(code)) = (&field.code_table, value) else {
        return Ok(());
    };
    if codes
        .get(table)
        .is_some_and(|codes| codes.contains_key(code))
    {
        return Ok(());
    }
    Err(Text::new("registry-value-code").with("table", table))
}

/// Who says it, from when on, and where it came from.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub source: String,
    pub act: Act,
    pub valid_from: NaiveDate,
    pub batch: Option<String>,
    pub actor: String,
    pub reason: String,
}

/// What became of delivered rows.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub inserted: usize,
    pub updated: usize,
    pub unchanged: usize,
    /// By the place of the row.
    pub refused: Vec<(usize, Vec<Wrong>)>,
    /// Records that were written, with what they say now.
    pub written: Vec<Written>,
}

#[derive(Clone, Debug)]
pub struct Written {
    /// The record that shows it: where the stated one was merged, the other.
    pub record: String,
    pub statement: String,
    /// Fields that the statement speaks of.
    pub stated: Vec<String>,
    /// What a record says that was there before.
    pub folded: Option<Folded>,
}

/// Writes rows with different keys. Rows that break a rule that only the tables know are left
/// out and told.
pub async fn apply(
    tx: &Tx,
    registries: &Registries,
    declaration: &Declaration,
    delivery: &Delivery,
    drafts: Vec<(usize, Draft)>,
) -> Result<Outcome> {
    let keys: Vec<String> = drafts.iter().map(|(_, draft)| draft.key.clone()).collect();
    let heads = store::heads(&**tx, declaration, &keys).await?;
    let mut outcome = Outcome::default();
    let shown = shown_of(&**tx, declaration, &heads).await?;
    let drafts = check_tables(
        &**tx,
        registries,
        declaration,
        drafts,
        &shown,
        None,
        &mut outcome.refused,
    )
    .await?;
    let (old, new): (Vec<_>, Vec<_>) = drafts
        .into_iter()
        .partition(|(_, draft)| heads.contains_key(&draft.key));
    let mut statements = insert_new(tx, declaration, delivery, new, &mut outcome).await?;
    if !old.is_empty() {
        let old = change_old(tx, declaration, delivery, old, &heads, &mut outcome).await?;
        statements.extend(old);
    }
    store::insert_statements(tx, declaration, &statements).await?;
    outcome.refused.sort_by_key(|(place, _)| *place);
    Ok(outcome)
}

/// The record that shows what a row of some key states: that of the key, or the one that it was
/// merged into.
type Shown = HashMap<String, String>;

async fn shown_of(
    db: &impl ConnectionTrait,
    declaration: &Declaration,
    heads: &HashMap<String, store::Head>,
) -> Result<Shown> {
    let mut shown = Shown::new();
    for (key, head) in heads {
        let record = match head.merged_into {
            Some(_) => shown_by(db, declaration, &head.id).await?,
            None => head.id.clone(),
        };
        shown.insert(key.clone(), record);
    }
    Ok(shown)
}

/// What a row states of one field.
struct Stated<'a> {
    place: usize,
    value: String,
    key: &'a str,
}

/// References lead to records, and what is unique is nobody else's.
async fn check_tables(
    db: &impl ConnectionTrait,
    registries: &Registries,
    declaration: &Declaration,
    drafts: Vec<(usize, Draft)>,
    shown: &Shown,
    earlier: Option<&Earlier>,
    refused: &mut Vec<(usize, Vec<Wrong>)>,
) -> Result<Vec<(usize, Draft)>> {
    let mut wrong: HashMap<usize, Vec<Wrong>> = HashMap::new();
    for field in &declaration.fields {
        let stated: Vec<_> = drafts
            .iter()
            .filter_map(|(place, draft)| match draft.values.get(&field.id) {
                Some(Some(Value::Text(text))) => Some(Stated {
                    place: *place,
                    value: text.clone(),
                    key: &draft.key,
                }),
                _ => None,
            })
            .collect();
        let values: HashSet<&str> = stated.iter().map(|one| one.value.as_str()).collect();
        if values.is_empty() {
            continue;
        }
        let mut found = |place: usize, text: Text| {
            let of_row = wrong.entry(place).or_default();
            of_row.push((field.id.clone(), text));
        };
        if let Some(target) = &field.reference {
            let target = registries.declaration(db, target).await?;
            let there = store::holders(db, &target, crate::table::KEY, &values).await?;
            for one in &stated {
                let is_own = target.id == declaration.id;
                let comes = is_own && earlier.is_some_and(|e| e.has(&one.value));
                if !comes && !there.contains_key(&one.value) {
                    let text = Text::new("registry-value-reference");
                    found(one.place, text.with("registry", &target.id));
                }
            }
        }
        if field.is_unique {
            let mut there = store::holders(db, declaration, &field.id, &values).await?;
            for one in &stated {
                let own = shown.get(one.key).map_or(one.key, String::as_str);
                let holder = there.entry(one.value.clone());
                let holder = holder.or_insert_with(|| own.to_owned());
                let is_taken = earlier.is_some_and(|e| e.is_taken(&field.id, &one.value, own));
                if holder != own || is_taken {
                    found(one.place, Text::new("registry-value-unique"));
                }
            }
        }
    }
    let (bad, good): (Vec<_>, Vec<_>) = drafts
        .into_iter()
        .partition(|(place, _)| wrong.contains_key(place));
    for (place, _) in bad {
        refused.push((place, wrong.remove(&place).unwrap_or_default()));
    }
    Ok(good)
}

/// What is wrong with a value that a record shall show: the same rules as for a delivered one.
pub(crate) async fn check_value(
    db: &impl ConnectionTrait,
    registries: &Registries,
    declaration: &Declaration,
    codes: &HashMap<String, Arc<Codes>>,
    shown: &Row,
    (field, value): (&Field, Value),
) -> Result<Vec<Text>> {
    if let Err(text) = in_table(field, codes, &value) {
        return Ok(vec![text]);
    }
    let draft = Draft {
        key: shown.key.clone(),
        values: BTreeMap::from([(field.id.clone(), Some(value))]),
    };
    let shown = Shown::from([(shown.key.clone(), shown.id.clone())]);
    let mut refused = Vec::new();
    let drafts = vec![(0, draft)];
    check_tables(
        db,
        registries,
        declaration,
        drafts,
        &shown,
        None,
        &mut refused,
    )
    .await?;
    let wrong = refused.into_iter().flat_map(|(_, wrong)| wrong);
    Ok(wrong.map(|(_, text)| text).collect())
}

/// What the rows of a file before these would have written. Hashes, because a file may have
/// millions of rows: among ten million, two meet in fewer than one file of ten thousand, which is
/// refused and, hashed anew, passes under another number.
#[derive(Default)]
pub(crate) struct Earlier {
    by: RandomState,
    keys: HashSet<u64>,
    /// The record that shows a unique value, by field and value.
    unique: HashMap<u64, u64>,
}

impl Earlier {
    fn has(&self, key: &str) -> bool {
        self.keys.contains(&self.by.hash_one(key))
    }

    /// `record` as [`Shown`] says it, or the key of one that is new.
    fn is_taken(&self, field: &str, value: &str, record: &str) -> bool {
        let holder = self.unique.get(&self.by.hash_one((field, value)));
        holder.is_some_and(|holder| *holder != self.by.hash_one(record))
    }

    fn take(&mut self, declaration: &Declaration, draft: &Draft, shown: &Shown) {
        self.keys.insert(self.by.hash_one(draft.key.as_str()));
        let record = shown.get(&draft.key).unwrap_or(&draft.key);
        let record = self.by.hash_one(record.as_str());
        for field in declaration.fields.iter().filter(|f| f.is_unique) {
            if let Some(Some(Value::Text(text))) = draft.values.get(&field.id) {
                let value = self.by.hash_one((field.id.as_str(), text.as_str()));
                self.unique.insert(value, record);
            }
        }
    }
}

/// What [`apply`] would leave out, without writing, after what is earlier in the file.
pub(crate) async fn would_refuse(
    db: &impl ConnectionTrait,
    registries: &Registries,
    declaration: &Declaration,
    earlier: &mut Earlier,
    drafts: Vec<(usize, Draft)>,
) -> Result<Vec<(usize, Vec<Wrong>)>> {
    let keys: Vec<String> = drafts.iter().map(|(_, draft)| draft.key.clone()).collect();
    let heads = store::heads(db, declaration, &keys).await?;
    let shown = shown_of(db, declaration, &heads).await?;
    let mut refused = Vec::new();
    let good = check_tables(
        db,
        registries,
        declaration,
        drafts,
        &shown,
        Some(earlier),
        &mut refused,
    )
    .await?;
    for (place, draft) in good {
        let is_new = !heads.contains_key(&draft.key) && !earlier.has(&draft.key);
        earlier.take(declaration, &draft, &shown);
        if !is_new {
            continue;
        }
        let values = draft.values.into_iter();
        let values = values
            .filter_map(|(id, value)| Some((id, value?)))
            .collect();
        let missing = missing(declaration, &values);
        if !missing.is_empty() {
            refused.push((place, missing));
        }
    }
    Ok(refused)
}

fn statement(
    tx: &Tx,
    declaration: &Declaration,
    delivery: &Delivery,
    record: &str,
    draft: &Draft,
) -> Statement {
    let mut fields = Map::new();
    for (id, value) in &draft.values {
        if let Some(field) = declaration.field(id) {
            let value = value.as_ref().map_or(Json::Null, |v| v.json(field));
            fields.insert(id.clone(), value);
        }
    }
    new_statement(tx, delivery, record, fields)
}

fn missing(declaration: &Declaration, values: &BTreeMap<String, Value>) -> Vec<Wrong> {
    let required = declaration.fields.iter().filter(|f| f.is_required);
    required
        .filter(|f| !values.contains_key(&f.id))
        .map(|f| (f.id.clone(), Text::new("registry-value-required")))
        .collect()
}

async fn insert_new(
    tx: &Tx,
    declaration: &Declaration,
    delivery: &Delivery,
    drafts: Vec<(usize, Draft)>,
    outcome: &mut Outcome,
) -> Result<Vec<Statement>> {
    let (mut rows, mut statements) = (Vec::new(), Vec::new());
    let mut spoken: HashSet<String> = HashSet::new();
    for (place, draft) in drafts {
        let id = ::store::event::new_id(tx.now());
        let statement = statement(tx, declaration, delivery, &id, &draft);
        // One statement says what it says: there is nothing to compute.
        let values: BTreeMap<String, Value> = draft
            .values
            .into_iter()
            .filter_map(|(field, value)| Some((field, value?)))
            .collect();
        let missing = missing(declaration, &values);
        if !missing.is_empty() {
            outcome.refused.push((place, missing));
            continue;
        }
        spoken.extend(values.keys().cloned());
        rows.push(Row {
            id: id.clone(),
            key: draft.key,
            state: State::Open,
            merged_into: None,
            version: 1,
            recorded_at: micros(tx.now()),
            values,
        });
        outcome.written.push(Written {
            record: id,
            statement: statement.id.clone(),
            stated: statement.fields.keys().cloned().collect(),
            folded: None,
        });
        statements.push(statement);
    }
    outcome.inserted = rows.len();
    // A delivery speaks of few of a registry's fields: the others need no place in the insert.
    let fields: Vec<&Field> = declaration
        .fields
        .iter()
        .filter(|f| spoken.contains(&f.id))
        .collect();
    store::insert_rows(tx, declaration, &fields, &rows).await?;
    Ok(statements)
}

async fn change_old(
    tx: &Tx,
    declaration: &Declaration,
    delivery: &Delivery,
    drafts: Vec<(usize, Draft)>,
    heads: &HashMap<String, store::Head>,
    outcome: &mut Outcome,
) -> Result<Vec<Statement>> {
    let records: Vec<String> = drafts
        .iter()
        .filter_map(|(_, draft)| Some(heads.get(&draft.key)?.id.clone()))
        .collect();
    let own = store::statements(&**tx, declaration, &records).await?;
    let mut by_record: HashMap<&str, Vec<&Statement>> = HashMap::new();
    for statement in &own {
        by_record
            .entry(&statement.record)
            .or_default()
            .push(statement);
    }
    let mut new = Vec::new();
    // By the record that shows them: rows of merged records speak of one, and are not written yet.
    let mut said: HashMap<String, Vec<Statement>> = HashMap::new();
    for (place, draft) in drafts {
        let Some(head) = heads.get(&draft.key) else {
            continue;
        };
        let before = by_record
            .get(head.id.as_str())
            .map_or(&[][..], Vec::as_slice);
        let statement = statement(tx, declaration, delivery, &head.id, &draft);
        if says_nothing_new(before, &statement) {
            outcome.unchanged += 1;
            continue;
        }
        let shown = match head.merged_into {
            Some(_) => shown_by(&**tx, declaration, &head.id).await?,
            None => head.id.clone(),
        };
        let of_shown = said.entry(shown.clone()).or_default();
        of_shown.push(statement.clone());
        let folded = refold(tx, declaration, &shown, of_shown).await?;
        let missing = missing(declaration, &folded.values());
        if !missing.is_empty() {
            of_shown.pop();
            outcome.refused.push((place, missing));
            continue;
        }
        if let Err(taken) = try_folded(tx, declaration, &shown, &folded).await? {
            of_shown.pop();
            outcome.refused.push((place, taken));
            continue;
        }
        outcome.updated += 1;
        outcome.written.push(Written {
            record: shown,
            statement: statement.id.clone(),
            stated: statement.fields.keys().cloned().collect(),
            folded: Some(folded),
        });
        new.push(statement);
    }
    Ok(new)
}

/// Whether the source's latest words already say all of this.
fn says_nothing_new(before: &[&Statement], statement: &Statement) -> bool {
    let spoken = before
        .iter()
        .filter(|s| s.source == statement.source && s.valid_from <= statement.valid_from);
    let mut latest: HashMap<&str, (NaiveDate, i64, &Json)> = HashMap::new();
    for earlier in spoken {
        for (field, value) in &earlier.fields {
            let of = (earlier.valid_from, earlier.recorded_at, value);
            let kept = latest.entry(field).or_insert(of);
            if (kept.0, kept.1) <= (of.0, of.1) {
                *kept = of;
            }
        }
    }
    let is_later_known = before
        .iter()
        .any(|s| s.source == statement.source && s.valid_from > statement.valid_from);
    !is_later_known
        && statement.act == Act::State
        && statement.fields.iter().all(|(field, value)| {
            let known = latest.get(field.as_str()).map(|(_, _, value)| *value);
            known == Some(value) || (known.is_none() && value.is_null())
        })
}

/// The record that shows what is stated of this one: itself, or the one it was merged into.
pub async fn shown_by(
    db: &impl ConnectionTrait,
    declaration: &Declaration,
    record: &str,
) -> Result<String> {
    let mut id = record.to_owned();
    loop {
        let row = store::lookup(db, declaration, &id).await?;
        let row = row.ok_or_else(|| Fault::new("a record was merged into nothing"))?;
        match row.merged_into {
            Some(into) => id = into,
            None => return Ok(id),
        }
    }
}

/// What a record says with statements that are not written yet.
pub async fn refold(
    tx: &Tx,
    declaration: &Declaration,
    record: &str,
    more: &[Statement],
) -> Result<Folded> {
    let mut statements = statements_of(tx, declaration, record).await?;
    statements.extend(more.iter().cloned());
    Ok(fold(declaration, record, &statements, local_date(tx.now())))
}

/// The statements of a record and of those that count for it, in the order in which they were
/// recorded.
pub(crate) async fn statements_of(
    tx: &Tx,
    declaration: &Declaration,
    record: &str,
) -> Result<Vec<Statement>> {
    let records = [record.to_owned()];
    let groups = store::groups(&**tx, &records, micros(tx.now())).await?;
    let group = groups.into_values().next().unwrap_or_default();
    store::statements(&**tx, declaration, &group).await
}

/// What a merge is refused with that would show another record's value.
pub(crate) const TAKEN: &str = "registry-merge-taken";

/// Refuses records that would show a unique value that another one has, or that two of them would;
/// at the doors [`super::act::discreet`] looks who may hear which one it is. Statements that did not count may count again when a merge is made or undone, and somebody else
/// may have the value by now.
pub(crate) async fn need_free(
    tx: &Tx,
    declaration: &Declaration,
    shown: &[(&str, &Folded)],
) -> Result<()> {
    for field in declaration.fields.iter().filter(|f| f.is_unique) {
        let mut taken: HashMap<&str, String> = HashMap::new();
        let texts = shown.iter().filter_map(|(record, folded)| {
            match &folded.fields.get(&field.id)?.told.value {
                Value::Text(text) => Some((*record, text.as_str())),
                _ => None,
            }
        });
        let texts: Vec<_> = texts.collect();
        let values: HashSet<&str> = texts.iter().map(|(_, text)| *text).collect();
        let there = store::holders(&**tx, declaration, &field.id, &values).await?;
        for (record, text) in texts {
            let is_own = |holder: &String| shown.iter().any(|(own, _)| own == holder);
            let other = there.get(text).filter(|holder| !is_own(holder)).cloned();
            let twin = taken.insert(text, record.to_owned());
            if let Some(holder) = other.or(twin) {
                let text = Text::new(TAKEN).with("field", &field.id);
                return Err(Error::Refused(text.with("record", holder)));
            }
        }
    }
    Ok(())
}

/// What is unique belongs to the record that is shown: one that counts for another keeps its key
/// only.
pub(crate) fn hide_unique(declaration: &Declaration, row: &mut Row) {
    for field in declaration.fields.iter().filter(|f| f.is_unique) {
        if !declaration.key.contains(&field.id) {
            row.values.remove(&field.id);
        }
    }
}

/// Brings the typed row of a record up to date. Refuses one that would show a unique value of
/// another record.
pub async fn write_folded(
    tx: &Tx,
    declaration: &Declaration,
    record: &str,
    folded: &Folded,
) -> Result<()> {
    let taken = try_folded(tx, declaration, record, folded).await?;
    taken.map_err(|wrong| {
        let findings = wrong.into_iter();
        let findings = findings.map(|(id, text)| Finding::new(format!("fields/{id}"), text));
        Error::Invalid(findings.collect())
    })
}

/// The same; answers what another record has, and then writes nothing.
async fn try_folded(
    tx: &Tx,
    declaration: &Declaration,
    record: &str,
    folded: &Folded,
) -> Result<std::result::Result<(), Vec<Wrong>>> {
    let row = store::lookup(&**tx, declaration, record).await?;
    let mut row = row.ok_or_else(|| Fault::new("a record has no row"))?;
    let taken = newly_taken(tx, declaration, &row, folded).await?;
    if !taken.is_empty() {
        return Ok(Err(taken));
    }
    row.values = folded.values();
    row.state = match (&row.merged_into, folded.is_closed) {
        (Some(_), _) => State::Merged,
        (None, true) => State::Closed,
        (None, false) => State::Open,
    };
    if row.state == State::Merged {
        hide_unique(declaration, &mut row);
    }
    store::update_row(tx, declaration, &row).await?;
    Ok(Ok(()))
}

/// Unique values that a record did not show before and another one shows by now: what a source takes
/// back may bring an older word of another source to light. Whose value it is stays untold.
async fn newly_taken(
    tx: &Tx,
    declaration: &Declaration,
    row: &Row,
    folded: &Folded,
) -> Result<Vec<Wrong>> {
    let mut wrong = Vec::new();
    if row.merged_into.is_some() {
        return Ok(wrong);
    }
    for field in declaration.fields.iter().filter(|f| f.is_unique) {
        let value = folded.fields.get(&field.id).map(|field| &field.told.value);
        let Some(Value::Text(text)) = value else {
            continue;
        };
        if row.values.get(&field.id) == value {
            continue;
        }
        let asked = HashSet::from([text.as_str()]);
        let there = store::holders(&**tx, declaration, &field.id, &asked).await?;
        if there.get(text).is_some_and(|holder| *holder != row.id) {
            wrong.push((field.id.clone(), Text::new("registry-value-unique")));
        }
    }
    Ok(wrong)
}

pub(crate) fn new_statement(
    tx: &Tx,
    delivery: &Delivery,
    record: &str,
    fields: Map<String, Json>,
) -> Statement {
    Statement {
        id: ::store::event::new_id(tx.now()),
        record: record.to_owned(),
        source: delivery.source.clone(),
        act: delivery.act,
        valid_from: delivery.valid_from,
        recorded_at: micros(tx.now()),
        batch: delivery.batch.clone(),
        actor: delivery.actor.clone(),
        reason: delivery.reason.clone(),
        fields,
    }
}
