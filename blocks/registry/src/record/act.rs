//! What officers and departments do with records.

use std::sync::Arc;

use ::store::{Tx, fault};
use chrono::{Days, NaiveDate, NaiveTime};
use identity::{Actor, Gate, Resource};
use kernel::{
    Error, Finding, Result, Text,
    calendar::Calendar,
    clock::{local_date, micros},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Map, Value as Json};
use web::App;

pub use super::find::{Found, find};
use super::{
    Act, Folded, Row, State, Statement,
    apply::{self, Delivery, Draft},
    fold, store,
};
use crate::{Declaration, Registries, event, log, objection, oversight, schema::merge, source};

/// A fact that a source states through a form or a door for programs.
#[derive(Clone, Debug)]
pub struct Stating {
    pub registry: String,
    pub source: String,
    /// The day from which it holds; not in the future.
    pub valid_from: Option<NaiveDate>,
    pub reason: String,
    /// By field; null takes back what the source said.
    pub fields: Map<String, Json>,
}

/// What a statement did.
#[derive(Clone, Debug)]
pub struct Stated {
    pub record: String,
    /// Nothing where the source had said all of it before.
    pub statement: Option<String>,
    pub is_new: bool,
    /// Objections that were raised because a source with more authority says otherwise.
    pub objections: Vec<String>,
}

pub(crate) fn registry(declaration: &Declaration) -> Resource {
    Resource::new("Registry", &declaration.id)
}

/// Whether the actor may act for a source here; answers the organisation.
pub(crate) async fn may_as_source(
    app: &App,
    actor: &Actor,
    action: &str,
    declaration: &Declaration,
    name: &str,
) -> Result<source::Source> {
    let source = source::get(app.db().read(), name).await?;
    let resource = registry(declaration).org(&source.org);
    actor.may(&*app.part::<Gate>()?, action, &resource)?;
    Ok(source)
}

/// States facts of one record: makes it where its key is new.
pub async fn state(app: &App, actor: &Actor, stating: &Stating) -> Result<Stated> {
    let registries = app.part::<Registries>()?;
    let db = app.db();
    let declaration = registries.declaration(db.read(), &stating.registry).await?;
    may_as_source(app, actor, "registry.state", &declaration, &stating.source).await?;
    let today = app.clock().today();
    let valid_from = must_not_be_later(stating.valid_from.unwrap_or(today), today)?;
    let codes = registries.codes_of(db, &declaration).await?;
    let told = Told {
        draft: draft_of_json(&declaration, &codes, &stating.fields, today)?,
        delivery: Delivery {
            source: stating.source.clone(),
            act: Act::State,
            valid_from,
            batch: None,
            actor: actor.trace(),
            reason: stating.reason.trim().to_owned(),
        },
        org: actor
            .posts
            .first()
            .map_or_else(String::new, |post| post.org.clone()),
        calendar: registries.calendar()?,
    };
    db.write(move |tx| {
        let (registries, declaration, told) =
            (registries.clone(), declaration.clone(), told.clone());
        async move { state_in(&tx, &registries, &declaration, told).await }
    })
    .await
}

/// A statement that was read and may be made.
#[derive(Clone)]
struct Told {
    draft: Draft,
    delivery: Delivery,
    /// The organisation of who states it.
    org: String,
    calendar: Arc<Calendar>,
}

async fn state_in(
    tx: &Tx,
    registries: &Registries,
    declaration: &Arc<Declaration>,
    told: Told,
) -> Result<Stated> {
    let Told {
        draft,
        delivery,
        org,
        calendar,
    } = told;
    let key = draft.key.clone();
    let outcome = apply::apply(tx, registries, declaration, &delivery, vec![(0, draft)]).await?;
    if let Some((_, wrong)) = outcome.refused.into_iter().next() {
        return Err(invalid(wrong));
    }
    let Some(written) = outcome.written.into_iter().next() else {
        let row = store::find_by_key(&**tx, declaration, &key).await?;
        return Ok(Stated {
            record: row.map(|row| row.id).unwrap_or_default(),
            statement: None,
            is_new: false,
            objections: Vec::new(),
        });
    };
    let stated = written.stated.clone();
    emit_stated(
        tx,
        declaration,
        &delivery,
        &written.record,
        &written.statement,
        stated,
    )?;
    let objections =
        objection::act::of_conflicts(tx, declaration, &delivery, &written, &org, &calendar).await?;
    Ok(Stated {
        record: written.record,
        statement: Some(written.statement),
        is_new: outcome.inserted > 0,
        objections,
    })
}

pub(crate) fn emit_stated(
    tx: &Tx,
    declaration: &Declaration,
    delivery: &Delivery,
    record: &str,
    statement: &str,
    fields: Vec<String>,
) -> Result<()> {
    let body = event::Stated {
        registry: declaration.id.clone(),
        record: record.to_owned(),
        statement: statement.to_owned(),
        source: delivery.source.clone(),
        act: delivery.act.name().to_owned(),
        fields,
    };
    tx.emit(format!("record:{record}"), &delivery.actor, &body)
}

pub(crate) fn invalid(wrong: Vec<apply::Wrong>) -> Error {
    let findings = wrong
        .into_iter()
        .map(|(field, text)| Finding::new(format!("fields/{field}"), text));
    Error::Invalid(findings.collect())
}

pub(crate) fn must_not_be_later(day: NaiveDate, today: NaiveDate) -> Result<NaiveDate> {
    if day > today {
        let text = Text::new("registry-valid-from-later");
        return Err(Error::invalid("valid_from", text));
    }
    Ok(day)
}

/// Reads what a program sent: texts, numbers, booleans, null.
pub(crate) fn draft_of_json(
    declaration: &Declaration,
    codes: &std::collections::HashMap<String, std::sync::Arc<crate::part::Codes>>,
    fields: &Map<String, Json>,
    today: NaiveDate,
) -> Result<Draft> {
    let mut wrong = Vec::new();
    let mut cells = Vec::new();
    for (id, value) in fields {
        let Some(field) = declaration.field(id) else {
            wrong.push((id.clone(), Text::new("registry-field-unknown")));
            continue;
        };
        match value {
            Json::Null => cells.push((field, None)),
            Json::String(text) => cells.push((field, Some(text.clone()))),
            Json::Number(n) => cells.push((field, Some(n.to_string()))),
            Json::Bool(b) => cells.push((field, Some(b.to_string()))),
            Json::Array(_) | Json::Object(_) => {
                wrong.push((id.clone(), Text::new("registry-value-nested")));
            }
        }
    }
    let cells = cells.iter().map(|(field, text)| (*field, text.as_deref()));
    match apply::draft(declaration, codes, cells, today) {
        Ok(draft) if wrong.is_empty() => Ok(draft),
        Ok(_) => Err(invalid(wrong)),
        Err(more) => Err(invalid(wrong.into_iter().chain(more).collect())),
    }
}

/// As known at the end of one day, as valid on another; both today where nothing is said.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsOf {
    pub known_on: Option<NaiveDate>,
    pub valid_on: Option<NaiveDate>,
}

/// A record with the origin of every field.
#[derive(Clone, Debug)]
pub struct View {
    pub declaration: Arc<Declaration>,
    /// As it is today; what it was at that moment is said by the other members.
    pub row: Row,
    pub state: State,
    /// The record that it counted for at that moment.
    pub merged_into: Option<String>,
    pub folded: Folded,
    /// In the order in which they were recorded.
    pub statements: Vec<Statement>,
    /// Records that count for this one at that moment.
    pub merged: Vec<merge::Model>,
    pub is_unmasked: bool,
}

/// Opens a record. Whole values need a purpose and the permission; every look at a sensitive
/// record is kept, with an event.
pub async fn view(
    app: &App,
    actor: &Actor,
    registry_id: &str,
    id: &str,
    as_of: AsOf,
    purpose: &str,
    unmask: bool,
) -> Result<View> {
    let declaration = may_view(app, actor, registry_id, purpose, unmask).await?;
    let row = store::lookup(app.db().read(), &declaration, id).await?;
    open(app, actor, &declaration, row, as_of, purpose, unmask).await
}

/// Opens the record of a key; where it was merged, the record that it counts for.
pub async fn view_by_key(
    app: &App,
    actor: &Actor,
    registry_id: &str,
    key: &str,
    purpose: &str,
    unmask: bool,
) -> Result<View> {
    let declaration = may_view(app, actor, registry_id, purpose, unmask).await?;
    let db = app.db().read();
    let mut row = store::find_by_key(db, &declaration, key.trim()).await?;
    while let Some(into) = row.as_ref().and_then(|row| row.merged_into.clone()) {
        row = store::lookup(db, &declaration, &into).await?;
    }
    open(
        app,
        actor,
        &declaration,
        row,
        AsOf::default(),
        purpose,
        unmask,
    )
    .await
}

/// The id of a record whose key somebody typed. That there is one is told, so it is kept as a search
/// is, and as a look at the record where the key is sensitive.
pub async fn id_of_key(app: &App, actor: &Actor, registry_id: &str, key: &str) -> Result<String> {
    let declaration = may_view(app, actor, registry_id, "", false).await?;
    let row = store::find_by_key(app.db().read(), &declaration, key.trim()).await?;
    let id = row.map(|row| row.id);
    if declaration.is_sensitive() {
        let found = id.iter().cloned().collect();
        let is_look = crate::search::is_key_sensitive(&declaration);
        log::note_search(app, actor, &declaration, found, is_look).await?;
    }
    let missing = || Error::invalid("into", Text::new("registry-key-unknown"));
    id.ok_or_else(missing)
}

async fn may_view(
    app: &App,
    actor: &Actor,
    registry_id: &str,
    purpose: &str,
    unmask: bool,
) -> Result<Arc<Declaration>> {
    let registries = app.part::<Registries>()?;
    let declaration = registries.declaration(app.db().read(), registry_id).await?;
    let gate = app.part::<Gate>()?;
    actor.may(&gate, "registry.read", &registry(&declaration))?;
    if unmask {
        actor.may(&gate, "registry.unmask", &registry(&declaration))?;
        if purpose.trim().chars().count() < 2 {
            let text = Text::new("registry-purpose-needed");
            return Err(Error::invalid("purpose", text));
        }
    }
    Ok(declaration)
}

async fn open(
    app: &App,
    actor: &Actor,
    declaration: &Arc<Declaration>,
    row: Option<Row>,
    as_of: AsOf,
    purpose: &str,
    unmask: bool,
) -> Result<View> {
    let row = row.ok_or(Error::NotFound { what: "record" })?;
    let view = at(app, declaration, row, as_of, unmask).await?;
    if declaration.is_sensitive() {
        log::note(
            app,
            actor,
            declaration,
            &view.row.id,
            purpose.trim(),
            unmask,
        )
        .await?;
    }
    Ok(view)
}

/// A record at a moment, for those who asked the gate already.
pub(crate) async fn at(
    app: &App,
    declaration: &Arc<Declaration>,
    row: Row,
    as_of: AsOf,
    is_unmasked: bool,
) -> Result<View> {
    let db = app.db().read();
    let now = app.clock().now();
    let known_at = as_of
        .known_on
        .and_then(end_of)
        .map_or(micros(now), |end| end.min(micros(now)));
    let valid_on = as_of
        .valid_on
        .or(as_of.known_on)
        .unwrap_or_else(|| local_date(now));
    let groups = store::groups(db, std::slice::from_ref(&row.id), known_at).await?;
    let group = groups.into_values().next().unwrap_or_default();
    let mut statements = store::statements(db, declaration, &group).await?;
    statements.retain(|s| s.recorded_at <= known_at);
    let folded = fold(declaration, &row.id, &statements, valid_on);
    let merged = store::merges_into(db, &group, known_at).await?;
    let merged_into = store::merged_into(db, &row.id, known_at).await?;
    let state = match (&merged_into, folded.is_closed) {
        (Some(_), _) => State::Merged,
        (None, true) => State::Closed,
        (None, false) => State::Open,
    };
    Ok(View {
        declaration: declaration.clone(),
        row,
        state,
        merged_into,
        folded,
        statements,
        merged,
        is_unmasked,
    })
}

/// The last microsecond of a day in China.
fn end_of(day: NaiveDate) -> Option<i64> {
    let next = day.checked_add_days(Days::new(1))?.and_time(NaiveTime::MIN);
    Some(next.and_utc().timestamp_micros() - 8 * 3_600_000_000 - 1)
}

/// Why a record goes out of use, or comes back.
#[derive(Clone, Debug)]
pub struct Closing {
    pub source: String,
    /// Open it again instead.
    pub reopen: bool,
    pub valid_from: Option<NaiveDate>,
    pub reason: String,
}

/// Closes a record, or opens it again.
pub async fn close(
    app: &App,
    actor: &Actor,
    registry_id: &str,
    id: &str,
    closing: &Closing,
) -> Result<()> {
    let registries = app.part::<Registries>()?;
    let declaration = registries.declaration(app.db().read(), registry_id).await?;
    may_as_source(app, actor, "registry.state", &declaration, &closing.source).await?;
    let today = app.clock().today();
    let delivery = Delivery {
        source: closing.source.clone(),
        act: if closing.reopen {
            Act::Reopen
        } else {
            Act::Close
        },
        valid_from: must_not_be_later(closing.valid_from.unwrap_or(today), today)?,
        batch: None,
        actor: actor.trace(),
        reason: must_say(&closing.reason)?,
    };
    let id = id.to_owned();
    app.db()
        .write(move |tx| {
            let (declaration, delivery, id) = (declaration.clone(), delivery.clone(), id.clone());
            async move { close_in(&tx, &declaration, &delivery, &id).await }
        })
        .await
}

async fn close_in(tx: &Tx, declaration: &Declaration, delivery: &Delivery, id: &str) -> Result<()> {
    let row = store::lookup(&**tx, declaration, id).await?;
    let row = row.ok_or(Error::NotFound { what: "record" })?;
    let is_fit = match delivery.act {
        Act::Reopen => row.state == State::Closed,
        _ => row.state == State::Open,
    };
    if !is_fit {
        return Err(Error::refused("registry-state-unfit"));
    }
    let key = declaration.key.first().and_then(|id| declaration.field(id));
    let is_authority = key.is_some_and(|field| field.authority.contains(&delivery.source));
    if !is_authority {
        return Err(Error::refused("registry-close-not-authority"));
    }
    let statement = apply::new_statement(tx, delivery, id, Map::new());
    store::insert_statements(tx, declaration, std::slice::from_ref(&statement)).await?;
    let folded = apply::refold(tx, declaration, id, &[]).await?;
    apply::write_folded(tx, declaration, id, &folded).await?;
    emit_stated(tx, declaration, delivery, id, &statement.id, Vec::new())
}

pub(crate) fn must_say(reason: &str) -> Result<String> {
    let reason = reason.trim();
    if reason.chars().count() < 2 {
        return Err(Error::invalid(
            "reason",
            Text::new("registry-reason-needed"),
        ));
    }
    if reason.chars().count() > 2000 {
        return Err(Error::invalid("reason", Text::new("registry-reason-long")));
    }
    Ok(reason.to_owned())
}

/// Makes the statements of one record count for another; answers the merge, by which it is undone.
pub async fn merge(
    app: &App,
    actor: &Actor,
    registry_id: &str,
    from: &str,
    into: &str,
    reason: &str,
) -> Result<String> {
    let registries = app.part::<Registries>()?;
    let declaration = registries.declaration(app.db().read(), registry_id).await?;
    let resource = oversight::registry(app, &declaration).await?;
    actor.may(&*app.part::<Gate>()?, "registry.merge", &resource)?;
    let reason = must_say(reason)?;
    if from == into {
        return Err(Error::invalid("into", Text::new("registry-merge-itself")));
    }
    let (from, into, who) = (from.to_owned(), into.to_owned(), actor.trace());
    let own = declaration.clone();
    let done = app
        .db()
        .write(move |tx| {
            let (declaration, reason) = (own.clone(), reason.clone());
            let (from, into, who) = (from.clone(), into.clone(), who.clone());
            async move { merge_in(&tx, &declaration, &from, &into, &reason, &who).await }
        })
        .await;
    discreet(app, actor, &declaration, done)
}

/// Who may not read the registry does not hear which record has a value.
pub(crate) fn discreet<T>(
    app: &App,
    actor: &Actor,
    declaration: &Declaration,
    done: Result<T>,
) -> Result<T> {
    let text = match done {
        Err(Error::Refused(text)) if text.key == apply::TAKEN => text,
        done => return done,
    };
    let gate = app.part::<Gate>()?;
    match actor.may(&gate, "registry.read", &registry(declaration)) {
        Ok(()) => Err(Error::Refused(text)),
        Err(Error::Forbidden { .. }) => {
            let field = text.args.into_iter().find(|(name, _)| *name == "field");
            let field = field.map(|(_, field)| field).unwrap_or_default();
            let text = Text::new("registry-merge-taken-unnamed");
            Err(Error::Refused(text.with("field", field)))
        }
        Err(error) => Err(error),
    }
}

pub(crate) async fn merge_in(
    tx: &Tx,
    declaration: &Declaration,
    from: &str,
    into: &str,
    reason: &str,
    who: &str,
) -> Result<String> {
    let get = async |id: &str| {
        let row = store::lookup(&**tx, declaration, id).await?;
        row.ok_or(Error::NotFound { what: "record" })
    };
    let (mut gone, target) = (get(from).await?, get(into).await?);
    // A closed record may be a duplicate as well; a merged one is no record of its own.
    if gone.state == State::Merged || target.state == State::Merged {
        return Err(Error::refused("registry-merge-merged"));
    }
    let id = ::store::event::new_id(tx.now());
    let row = merge::Model {
        id: id.clone(),
        registry: declaration.id.clone(),
        from_record: from.to_owned(),
        into_record: into.to_owned(),
        reason: reason.to_owned(),
        actor: who.to_owned(),
        merged_at: micros(tx.now()),
        undone_at: None,
        undone_by: None,
        undone_reason: None,
    };
    store::insert_merge(tx, row).await?;
    gone.merged_into = Some(into.to_owned());
    gone.state = State::Merged;
    apply::hide_unique(declaration, &mut gone);
    store::update_row(tx, declaration, &gone).await?;
    let folded = apply::refold(tx, declaration, into, &[]).await?;
    apply::need_free(tx, declaration, &[(into, &folded)]).await?;
    apply::write_folded(tx, declaration, into, &folded).await?;
    let body = event::Merged {
        registry: declaration.id.clone(),
        merge: id.clone(),
        from: from.to_owned(),
        into: into.to_owned(),
        reason: reason.to_owned(),
    };
    tx.emit(format!("record:{into}"), who, &body)?;
    Ok(id)
}

/// Undoes a merge: each record has its own statements again, those made meanwhile included.
pub async fn unmerge(
    app: &App,
    actor: &Actor,
    registry_id: &str,
    merge_id: &str,
    reason: &str,
) -> Result<()> {
    let registries = app.part::<Registries>()?;
    let declaration = registries.declaration(app.db().read(), registry_id).await?;
    let resource = oversight::registry(app, &declaration).await?;
    actor.may(&*app.part::<Gate>()?, "registry.merge", &resource)?;
    let reason = must_say(reason)?;
    let (id, who) = (merge_id.to_owned(), actor.trace());
    let own = declaration.clone();
    let done = app
        .db()
        .write(move |tx| {
            let (declaration, reason) = (own.clone(), reason.clone());
            let (id, who) = (id.clone(), who.clone());
            async move { unmerge_in(&tx, &declaration, &id, &reason, &who).await }
        })
        .await;
    discreet(app, actor, &declaration, done)
}

pub(crate) async fn unmerge_in(
    tx: &Tx,
    declaration: &Declaration,
    id: &str,
    reason: &str,
    who: &str,
) -> Result<()> {
    let row = merge::Entity::find_by_id(id)
        .filter(merge::Column::Registry.eq(&declaration.id))
        .one(&**tx)
        .await
        .map_err(|e| fault("read a merge", e))?;
    let row = row.ok_or(Error::NotFound { what: "merge" })?;
    if row.undone_at.is_some() {
        return Err(Error::refused("registry-merge-undone"));
    }
    let undone = merge::ActiveModel {
        id: sea_orm::ActiveValue::Unchanged(row.id.clone()),
        undone_at: sea_orm::ActiveValue::Set(Some(micros(tx.now()))),
        undone_by: sea_orm::ActiveValue::Set(Some(who.to_owned())),
        undone_reason: sea_orm::ActiveValue::Set(Some(reason.to_owned())),
        ..Default::default()
    };
    merge::Entity::update(undone)
        .exec(&**tx)
        .await
        .map_err(|e| fault("undo a merge", e))?;
    crate::matching::store::reopen(tx, &row.id).await?;
    let mut back = store::lookup(&**tx, declaration, &row.from_record)
        .await?
        .ok_or(Error::NotFound { what: "record" })?;
    back.merged_into = None;
    let shown = apply::shown_by(&**tx, declaration, &row.into_record).await?;
    let of_shown = apply::refold(tx, declaration, &shown, &[]).await?;
    let of_back = apply::refold(tx, declaration, &back.id, &[]).await?;
    let both = [(shown.as_str(), &of_shown), (back.id.as_str(), &of_back)];
    apply::need_free(tx, declaration, &both).await?;
    // The other first: what is unique must be free again.
    apply::write_folded(tx, declaration, &shown, &of_shown).await?;
    if shown != row.into_record {
        let folded = apply::refold(tx, declaration, &row.into_record, &[]).await?;
        apply::write_folded(tx, declaration, &row.into_record, &folded).await?;
    }
    store::update_row(tx, declaration, &back).await?;
    apply::write_folded(tx, declaration, &back.id, &of_back).await?;
    let body = event::Unmerged {
        registry: declaration.id.clone(),
        merge: row.id,
        from: row.from_record.clone(),
        into: row.into_record.clone(),
        reason: reason.to_owned(),
    };
    tx.emit(format!("record:{}", row.into_record), who, &body)
}
