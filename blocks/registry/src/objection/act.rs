//! Raising, answering, approving.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use ::store::{
    Tx,
    page::{PageOf, PageRequest},
};
use chrono::NaiveDate;
use identity::{Actor, Gate, Resource};
use kernel::{
    Error, Fault, Finding, Result, Text,
    calendar::Calendar,
    clock::{local_date, micros},
};
use serde_json::{Map, Value as Json};
use web::App;

use super::{Move, State, react::Watch, store};
use crate::{
    Declaration, Registries, event, oversight,
    part::Codes,
    record::{
        self, Act, Folded,
        act::{emit_stated, invalid, must_not_be_later, must_say, registry},
        apply::{self, Delivery, Written},
    },
    schema::objection::Model,
    source,
    value::{self, Value},
};

/// A doubt about one value.
#[derive(Clone, Debug)]
pub struct Doubt {
    pub registry: String,
    pub record: String,
    pub field: String,
    /// What it should be; blank where the one who doubts does not know.
    pub expected: String,
    pub reason: String,
}

/// Raises an objection; answers its id. Officers may doubt any value, the public what is said of
/// itself.
pub async fn raise(app: &App, actor: &Actor, doubt: &Doubt) -> Result<String> {
    let registries = app.part::<Registries>()?;
    let db = app.db().read();
    let declaration = registries.declaration(db, &doubt.registry).await?;
    let row = record::store::lookup(db, &declaration, &doubt.record).await?;
    let row = row.ok_or(Error::NotFound { what: "record" })?;
    let resource = owned(&declaration, &row, actor);
    let gate = app.part::<Gate>()?;
    if actor.may(&gate, "registry.object", &resource).is_err() {
        // The public must not learn whose record an id is.
        return Err(match actor.party() {
            Some(_) => Error::NotFound { what: "record" },
            None => Error::Forbidden {
                action: "registry.object".into(),
            },
        });
    }
    let field = declaration
        .field(&doubt.field)
        .ok_or_else(|| Error::invalid("field", Text::new("registry-field-unknown")))?;
    if declaration.key.contains(&field.id) {
        return Err(Error::invalid("field", Text::new("registry-objection-key")));
    }
    let today = app.clock().today();
    let expected = value::parse(field, &doubt.expected, today)
        .map_err(|text| Error::invalid("expected", text))?;
    let reason = must_say(&doubt.reason)?;
    let view = record::act::at(app, &declaration, row, record::act::AsOf::default(), false).await?;
    let told = view
        .folded
        .fields
        .get(&field.id)
        .map(|decided| &decided.told);
    let name = told
        .map(|t| t.source.clone())
        .or_else(|| field.authority.first().cloned());
    let from = source::get(db, &name.unwrap_or_default()).await?;
    let json = |value: Option<&Value>| value.map_or(Json::Null, |v| v.json(field)).to_string();
    let new = New {
        declaration: declaration.clone(),
        record: view.row.id.clone(),
        field: field.id.clone(),
        source: from,
        current: json(told.map(|t| &t.value)),
        expected: json(expected.as_ref()),
        reason,
        by: actor.trace(),
        org: actor
            .posts
            .first()
            .map(|p| p.org.clone())
            .unwrap_or_default(),
        party: actor.party().map(|p| p.id.to_string()),
    };
    let calendar = registries.calendar()?;
    app.db()
        .write(move |tx| {
            let (new, calendar) = (new.clone(), calendar.clone());
            async move { insert(&tx, new, &calendar).await }
        })
        .await
}

fn owned(declaration: &Declaration, row: &record::Row, actor: &Actor) -> Resource {
    let resource = registry(declaration);
    let subject = declaration
        .subject
        .as_ref()
        .and_then(|id| row.values.get(id));
    match (subject, actor.party()) {
        (Some(Value::Text(code)), Some(party)) if *code == party.code => resource.owner(party.id),
        _ => resource,
    }
}

#[derive(Clone)]
struct New {
    declaration: Arc<Declaration>,
    record: String,
    field: String,
    source: source::Source,
    current: String,
    expected: String,
    reason: String,
    by: String,
    org: String,
    party: Option<String>,
}

async fn insert(tx: &Tx, new: New, calendar: &Calendar) -> Result<String> {
    if store::is_doubted(&**tx, &new.record, &new.field).await? {
        return Err(Error::refused("registry-objection-there"));
    }
    let row = Model {
        id: ::store::event::new_id(tx.now()),
        registry: new.declaration.id.clone(),
        record: new.record,
        field: new.field,
        source: new.source.id,
        source_org: new.source.org,
        current_value: new.current,
        expected_value: new.expected,
        reason: new.reason,
        raised_by: new.by.clone(),
        raised_org: new.org,
        raised_party: new.party,
        raised_at: micros(tx.now()),
        state: State::Raised.name().to_owned(),
        due_on: due(State::Raised, local_date(tx.now()), calendar)?,
        is_overdue: false,
        answer: String::new(),
        proposed_value: None,
        valid_from: None,
        answered_by: String::new(),
        decided_by: String::new(),
        statement: None,
        closed_at: None,
        version: 1,
    };
    store::insert(tx, row.clone()).await?;
    tell(tx, &row, &new.by)?;
    Ok(row.id)
}

fn due(state: State, today: NaiveDate, calendar: &Calendar) -> Result<Option<NaiveDate>> {
    let due = state
        .days()
        .map(|days| calendar.add_working_days(today, days));
    due.transpose().map_err(|e| Error::Refused(e.text()))
}

/// The event, and the watch over the clock.
fn tell(tx: &Tx, row: &Model, who: &str) -> Result<()> {
    let body = event::ObjectionMoved {
        registry: row.registry.clone(),
        objection: row.id.clone(),
        record: row.record.clone(),
        field: row.field.clone(),
        source: row.source.clone(),
        source_org: row.source_org.clone(),
        state: row.state.clone(),
        raised_org: row.raised_org.clone(),
        raised_party: row.raised_party.clone(),
    };
    tx.emit(format!("objection:{}", row.id), who, &body)?;
    if let Some(due) = row.due_on {
        let watch = Watch {
            objection: row.id.clone(),
            version: row.version,
        };
        tx.enqueue_at(super::react::after(due), &watch)?;
    }
    Ok(())
}

/// Objections that a statement raises by itself: a source with less authority says otherwise, so
/// one of the two is wrong. Nothing is overwritten.
pub(crate) async fn of_conflicts(
    tx: &Tx,
    declaration: &Arc<Declaration>,
    delivery: &Delivery,
    written: &Written,
    org: &str,
    calendar: &Calendar,
) -> Result<Vec<String>> {
    let mut raised = Vec::new();
    let fields = written.folded.iter().flat_map(|folded| &folded.fields);
    for (id, decided) in fields {
        let Some(field) = declaration.field(id) else {
            continue;
        };
        let other = decided
            .others
            .iter()
            .find(|o| o.statement == written.statement);
        let Some(other) = other else {
            continue;
        };
        let known = source::lookup(&**tx, &decided.told.source).await?;
        let Some(known) = known.filter(|source| !source.org.is_empty()) else {
            continue;
        };
        if store::is_doubted(&**tx, &written.record, id).await? {
            continue;
        }
        let new = New {
            declaration: declaration.clone(),
            record: written.record.clone(),
            field: id.clone(),
            source: known,
            current: decided.told.value.json(field).to_string(),
            expected: other.value.json(field).to_string(),
            reason: delivery.reason.clone(),
            by: delivery.actor.clone(),
            org: org.to_owned(),
            party: None,
        };
        raised.push(insert(tx, new, calendar).await?);
    }
    Ok(raised)
}

/// A move on an objection.
#[derive(Clone, Debug)]
pub struct Moving {
    pub step: Move,
    /// Version that the actor has seen.
    pub version: i64,
    /// What the source answers, the approver or the mediator says.
    pub text: String,
    /// The right value; with [`Move::FindWrong`].
    pub value: String,
    /// The day from which it holds; the day of the wrong value where nothing is said.
    pub valid_from: Option<NaiveDate>,
}

/// Moves an objection on.
pub async fn advance(app: &App, actor: &Actor, id: &str, moving: &Moving) -> Result<Model> {
    let registries = app.part::<Registries>()?;
    let db = app.db().read();
    let row = store::get(db, id).await?;
    let declaration = registries.declaration(db, &row.registry).await?;
    may(app, actor, &declaration, &row, moving.step).await?;
    let codes = Arc::new(registries.codes_of(app.db(), &declaration).await?);
    let proposed = proposal(app, &declaration, &row, moving)?;
    let text = match moving.step {
        Move::Accept | Move::Approve => moving.text.trim().to_owned(),
        _ => must_say(&moving.text)?,
    };
    let calendar = registries.calendar()?;
    let (id, who, moving) = (id.to_owned(), actor.trace(), moving.clone());
    app.db()
        .write(move |tx| {
            let (id, who, moving) = (id.clone(), who.clone(), moving.clone());
            let (declaration, calendar) = (declaration.clone(), calendar.clone());
            let (text, proposed) = (text.clone(), proposed.clone());
            let (registries, codes) = (registries.clone(), codes.clone());
            async move {
                let row = store::get(&*tx, &id).await?;
                if row.version != moving.version {
                    return Err(Error::refused("registry-objection-changed"));
                }
                let row = stepped(&tx, row, &moving, text, proposed, &who, &calendar)?;
                // Also when it is approved: the tables may have changed since.
                if matches!(moving.step, Move::FindWrong | Move::Approve) {
                    must_fit(&tx, &registries, &declaration, &codes, &row).await?;
                }
                let row = correct(&tx, &declaration, row, moving.step, &who).await?;
                let row = store::update(&tx, row).await?;
                tell(&tx, &row, &who)?;
                Ok(row)
            }
        })
        .await
}

async fn may(
    app: &App,
    actor: &Actor,
    declaration: &Declaration,
    row: &Model,
    step: Move,
) -> Result<()> {
    let gate = app.part::<Gate>()?;
    let resource = of_source(app, declaration, row).await?;
    match step {
        Move::Accept | Move::FindWrong | Move::FindRight | Move::CannotTell => {
            actor.may(&gate, "registry.objection.answer", &resource)
        }
        Move::Approve | Move::SendBack if row.state == State::Proposed.name() => {
            actor.may(&gate, "registry.objection.approve", &resource)?;
            if row.answered_by == actor.trace() {
                return Err(Error::refused("registry-objection-two-persons"));
            }
            Ok(())
        }
        Move::Approve => actor.may(&gate, "registry.objection.approve", &resource),
        Move::SendBack | Move::Settle => actor.may(&gate, "registry.objection.settle", &resource),
        Move::Dispute | Move::Withdraw => {
            let is_party = row.raised_party.is_some()
                && row.raised_party == actor.party().map(|p| p.id.to_string());
            let is_office = actor.posts.iter().any(|p| p.org == row.raised_org);
            if is_party || is_office {
                return Ok(());
            }
            Err(Error::Forbidden {
                action: "registry.objection.own".into(),
            })
        }
    }
}

/// A registry, where an objection to a value of it is concerned: the source's, below who mediates.
async fn of_source(app: &App, declaration: &Declaration, row: &Model) -> Result<Resource> {
    let above = oversight::above(app, &row.source_org).await?;
    Ok(registry(declaration).org(&row.source_org).above(above))
}

/// The value that the source says is right, as statements keep it.
fn proposal(
    app: &App,
    declaration: &Declaration,
    row: &Model,
    moving: &Moving,
) -> Result<Option<String>> {
    if moving.step != Move::FindWrong {
        return Ok(None);
    }
    let today = app.clock().today();
    if let Some(day) = moving.valid_from {
        must_not_be_later(day, today)?;
    }
    let field = declaration
        .field(&row.field)
        .ok_or_else(|| Fault::new("an objection is to a field that is not declared"))?;
    let value =
        value::parse(field, &moving.value, today).map_err(|text| Error::invalid("value", text))?;
    if value.is_none() && field.is_required {
        return Err(Error::invalid(
            "value",
            Text::new("registry-value-required"),
        ));
    }
    let json = value.map_or(Json::Null, |v| v.json(field)).to_string();
    if json == row.current_value {
        return Err(Error::invalid(
            "value",
            Text::new("registry-objection-same"),
        ));
    }
    Ok(Some(json))
}

/// What is proposed keeps the rules that the tables know: codes, references, and what is unique.
async fn must_fit(
    tx: &Tx,
    registries: &Registries,
    declaration: &Declaration,
    codes: &HashMap<String, Arc<Codes>>,
    row: &Model,
) -> Result<()> {
    let Some(field) = declaration.field(&row.field) else {
        return Ok(());
    };
    let Some(value) = Value::of_json(field, &proposed_value(row)?) else {
        return Ok(());
    };
    let shown = apply::shown_by(&**tx, declaration, &row.record).await?;
    let shown = record::store::lookup(&**tx, declaration, &shown).await?;
    let shown = shown.ok_or(Error::NotFound { what: "record" })?;
    let value = (field, value);
    let wrong = apply::check_value(&**tx, registries, declaration, codes, &shown, value).await?;
    if wrong.is_empty() {
        return Ok(());
    }
    let wrong = wrong.into_iter().map(|text| Finding::new("value", text));
    Err(Error::Invalid(wrong.collect()))
}

fn proposed_value(row: &Model) -> Result<Json> {
    let value = row.proposed_value.as_deref().unwrap_or("null");
    Ok(serde_json::from_str(value).map_err(|e| Fault::caused_by("read a proposed value", e))?)
}

fn stepped(
    tx: &Tx,
    mut row: Model,
    moving: &Moving,
    text: String,
    proposed: Option<String>,
    who: &str,
    calendar: &Calendar,
) -> Result<Model> {
    let state = State::of_name(&row.state).ok_or_else(|| Fault::new("an unknown state"))?;
    let next = state
        .after(moving.step)
        .ok_or_else(|| Error::refused("registry-objection-unfit"))?;
    next.name().clone_into(&mut row.state);
    row.due_on = due(next, local_date(tx.now()), calendar)?;
    row.is_overdue = false;
    row.closed_at = (!next.is_open()).then(|| micros(tx.now()));
    if !text.is_empty() {
        row.answer = text;
    }
    match moving.step {
        Move::FindWrong => {
            row.proposed_value = proposed;
            row.valid_from = moving.valid_from;
            who.clone_into(&mut row.answered_by);
        }
        Move::FindRight | Move::CannotTell => who.clone_into(&mut row.answered_by),
        Move::Approve | Move::Settle | Move::SendBack => who.clone_into(&mut row.decided_by),
        Move::Accept | Move::Dispute | Move::Withdraw => {}
    }
    Ok(row)
}

/// With the approval the source states the right value; the wrong statement stays in the history.
/// What it said of later days is wrong as well, and is stated anew from each of them.
async fn correct(
    tx: &Tx,
    declaration: &Arc<Declaration>,
    mut row: Model,
    step: Move,
    who: &str,
) -> Result<Model> {
    if step != Move::Approve {
        return Ok(row);
    }
    let shown = apply::shown_by(&**tx, declaration, &row.record).await?;
    let proposed = proposed_value(&row)?;
    for valid_from in days_of(tx, declaration, &row, &shown).await? {
        let delivery = Delivery {
            source: row.source.clone(),
            act: Act::Correct,
            valid_from,
            batch: None,
            actor: who.to_owned(),
            reason: row.answer.clone(),
        };
        let fields = Map::from_iter([(row.field.clone(), proposed.clone())]);
        let statement = apply::new_statement(tx, &delivery, &row.record, fields);
        record::store::insert_statements(tx, declaration, std::slice::from_ref(&statement)).await?;
        let stated = vec![row.field.clone()];
        emit_stated(tx, declaration, &delivery, &shown, &statement.id, stated)?;
        row.statement = Some(statement.id);
    }
    let folded = apply::refold(tx, declaration, &shown, &[]).await?;
    must_show(declaration, &row, &folded, &proposed)?;
    apply::write_folded(tx, declaration, &shown, &folded).await?;
    Ok(row)
}

/// The day from which the right value holds, and those later ones from which its source said
/// something else.
async fn days_of(
    tx: &Tx,
    declaration: &Declaration,
    row: &Model,
    shown: &str,
) -> Result<BTreeSet<NaiveDate>> {
    let before = apply::refold(tx, declaration, shown, &[]).await?;
    let wrong = before.fields.get(&row.field).map(|decided| &decided.told);
    let since = wrong.map(|told| told.valid_from);
    let first = row.valid_from.or(since);
    let first = first.unwrap_or_else(|| local_date(tx.now()));
    let said = apply::statements_of(tx, declaration, shown).await?;
    let later = said
        .iter()
        .filter(|s| s.source == row.source && s.fields.contains_key(&row.field))
        .map(|s| s.valid_from)
        .filter(|day| *day > first);
    Ok(std::iter::once(first).chain(later).collect())
}

/// A correction is one only if the record says the right value then. Where its source takes the
/// value back, another one may speak.
fn must_show(
    declaration: &Declaration,
    row: &Model,
    folded: &Folded,
    proposed: &Json,
) -> Result<()> {
    let Some(field) = declaration.field(&row.field) else {
        return Ok(());
    };
    let told = folded.fields.get(&field.id).map(|decided| &decided.told);
    if field.is_required && told.is_none() {
        let text = Text::new("registry-value-required");
        return Err(invalid(vec![(field.id.clone(), text)]));
    }
    let Some(told) = told else { return Ok(()) };
    let is_shown = if proposed.is_null() {
        told.source != row.source
    } else {
        told.value.json(field) == *proposed
    };
    if is_shown {
        return Ok(());
    }
    let text = Text::new("registry-objection-not-shown").with("source", &told.source);
    Err(Error::Refused(text))
}

/// An objection for those who may see it: the source, who raised it, and who mediates.
pub async fn get(app: &App, actor: &Actor, id: &str) -> Result<Model> {
    let row = store::get(app.db().read(), id).await?;
    let is_party =
        row.raised_party.is_some() && row.raised_party == actor.party().map(|p| p.id.to_string());
    let is_office = actor
        .posts
        .iter()
        .any(|p| p.org == row.raised_org || p.org == row.source_org);
    if is_party || is_office || mediates(app, actor, &row).await? {
        return Ok(row);
    }
    Err(Error::NotFound { what: "objection" })
}

/// Whether the actor stands above the two sides of an objection.
pub async fn mediates(app: &App, actor: &Actor, row: &Model) -> Result<bool> {
    let registries = app.part::<Registries>()?;
    let declaration = registries
        .declaration(app.db().read(), &row.registry)
        .await?;
    let resource = of_source(app, &declaration, row).await?;
    let gate = app.part::<Gate>()?;
    Ok(actor
        .may(&gate, "registry.objection.settle", &resource)
        .is_ok())
}

/// Objections in a state that concern the actor's organisations; all for who mediates.
pub async fn list(
    app: &App,
    actor: &Actor,
    state: State,
    page: &PageRequest,
) -> Result<PageOf<Model>> {
    let gate = app.part::<Gate>()?;
    actor.may(&gate, "registry.list", &Resource::system())?;
    let whole = oversight::whole(app).await?;
    let sees_all = actor
        .may(&gate, "registry.objection.settle", &whole)
        .is_ok();
    let orgs: Vec<String> = actor.posts.iter().map(|p| p.org.clone()).collect();
    let orgs = (!sees_all).then_some(orgs.as_slice());
    store::list(app.db().read(), orgs, state, page).await
}
