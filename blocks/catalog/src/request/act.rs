//! Asking, supplementing, suspending, revoking, reading.

use ::store::{
    Tx,
    page::{PageOf, PageRequest},
};
use chrono::{DateTime, NaiveDate, Utc};
use identity::{Actor, Gate, Resource, directory};
use kernel::{Error, Fault, Result, Text, clock::micros};
use sea_orm::ConnectionTrait;
use serde::Deserialize;
use web::App;

use super::{Ask, Request, State, flow, react, store};
use crate::{
    event, list, oversight,
    resource::{self, Entry, Happening},
};

pub(crate) fn tell(tx: &Tx, row: &Request, who: &str, act: &str) -> Result<()> {
    let body = event::RequestMoved {
        request: row.id.clone(),
        resource: row.resource.clone(),
        code: row.resource_code.clone(),
        provider: row.provider.clone(),
        applicant: row.applicant.clone(),
        state: row.state.clone(),
        act: act.to_owned(),
    };
    tx.emit(flow::subject(&row.id), who, &body)
}

fn document(ask: &Ask) -> Result<String> {
    Ok(serde_json::to_string(ask).map_err(|e| Fault::caused_by("write a request", e))?)
}

/// Asks for a resource on behalf of one of the actor's organisations; answers the request's id.
/// What is not shared is refused at once, with its legal basis.
pub async fn ask(
    app: &App,
    actor: &Actor,
    code: &str,
    applicant: &str,
    ask: &Ask,
) -> Result<String> {
    let gate = app.part::<Gate>()?;
    actor.may(&gate, "catalog.read", &Resource::system())?;
    if applicant.is_empty() {
        return Err(Error::invalid(
            "applicant",
            Text::new("catalog-request-needed"),
        ));
    }
    actor.may(
        &gate,
        "catalog.request",
        &Resource::new("CatalogRequest", "").org(applicant),
    )?;
    let view = resource::act::get(app, actor, code).await?;
    need_shared(&view, applicant)?;
    need_included(app.db().read(), &view.row).await?;
    let mistakes = ask.mistakes(&view.metadata, app.clock().today());
    if !mistakes.is_empty() {
        return Err(Error::Invalid(mistakes));
    }
    let organisation = directory::organisation(app.db().read(), applicant).await?;
    let organisation = organisation.ok_or(Error::NotFound {
        what: "organisation",
    })?;
    let row = Request {
        applicant: applicant.to_owned(),
        applicant_name: organisation.name_zh,
        created_by: actor.trace(),
        ..of_entry(&view, ask, app.clock().now())?
    };
    flow::begin(app, row, &view.row.share_type).await
}

/// Refuses what needs no request, or cannot be asked for.
fn need_shared(view: &resource::act::View, applicant: &str) -> Result<()> {
    if !view.row.is_public() {
        return Err(Error::refused("catalog-not-published"));
    }
    if view.row.provider == applicant {
        return Err(Error::refused("catalog-request-own"));
    }
    if view.row.share_type == "3" {
        let basis = &view.metadata.share_condition;
        return Err(Error::Refused(
            Text::new("catalog-request-not-shared").with("basis", basis),
        ));
    }
    Ok(())
}

/// Refuses what the list of exclusions names, with its basis.
pub(crate) async fn need_included(db: &impl ConnectionTrait, entry: &Entry) -> Result<()> {
    match list::exclusion(db, entry).await? {
        Some(basis) => Err(Error::Refused(
            Text::new("catalog-request-excluded").with("basis", basis),
        )),
        None => Ok(()),
    }
}

/// A request for an entry, of nobody yet.
fn of_entry(view: &resource::act::View, ask: &Ask, now: DateTime<Utc>) -> Result<Request> {
    let (Some(starts_on), Some(ends_on)) = (ask.starts_on, ask.ends_on) else {
        return Err(Fault::new("a request without a period").into());
    };
    Ok(Request {
        id: ::store::event::new_id(now),
        resource: view.row.id.clone(),
        resource_code: view.metadata.code.clone(),
        resource_name: view.metadata.name.clone(),
        provider: view.row.provider.clone(),
        provider_name: view.row.provider_name.clone(),
        applicant: String::new(),
        applicant_name: String::new(),
        document: document(ask)?,
        state: State::DepartmentReview.name().to_owned(),
        instance: None,
        starts_on,
        ends_on,
        reason: String::new(),
        created_at: micros(now),
        created_by: String::new(),
        updated_at: micros(now),
        decided_at: None,
        version: 1,
    })
}

/// A request with what was done to it.
pub struct View {
    pub row: Request,
    pub ask: Ask,
    pub happenings: Vec<Happening>,
}

/// One request; there for the two organisations and the centre only.
pub async fn get(app: &App, actor: &Actor, id: &str) -> Result<View> {
    let gate = app.part::<Gate>()?;
    let db = app.db().read();
    let row = store::get(db, id).await?;
    let mut may_read = false;
    for side in [&row.applicant, &row.provider] {
        let resource = oversight::request(db, &row.id, side).await?;
        let may = actor.may(&gate, "catalog.request.read", &resource);
        may_read |= may.is_ok();
    }
    if !may_read {
        return Err(Error::NotFound { what: "request" });
    }
    let (ask, happenings) = (row.ask()?, resource::store::happenings(db, &row.id).await?);
    Ok(View {
        row,
        ask,
        happenings,
    })
}

/// Requests of and to the actor's organisations; the centre sees all.
pub async fn list(
    app: &App,
    actor: &Actor,
    state: Option<State>,
    page: &PageRequest,
) -> Result<PageOf<Request>> {
    let gate = app.part::<Gate>()?;
    actor.may(&gate, "catalog.read", &Resource::system())?;
    let orgs: Vec<_> = actor.posts.iter().map(|p| p.org.clone()).collect();
    let whole = oversight::whole(app.db().read()).await?;
    let sees_all = actor.may(&gate, "catalog.drafts", &whole).is_ok();
    let orgs = (!sees_all).then_some(orgs.as_slice());
    store::list(app.db().read(), state, orgs, page).await
}

/// What is done to a request besides its process's tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ShareRequestMove)]
pub enum Move {
    /// The provider or the centre stops the data at once.
    Suspend,
    Resume,
    /// The provider or the centre ends the grant for good.
    Revoke,
    /// The applicant needs it no longer.
    Cancel,
}

impl Move {
    /// Where it leads; nothing where it cannot be made.
    pub fn after(self, state: State) -> Option<State> {
        match self {
            Self::Suspend if state == State::Active => Some(State::Suspended),
            Self::Resume if state == State::Suspended => Some(State::Active),
            Self::Revoke if state.is_granted() => Some(State::Revoked),
            Self::Cancel if state.is_open() || state.is_granted() => Some(State::Cancelled),
            _ => None,
        }
    }

    fn act(self) -> &'static str {
        match self {
            Self::Suspend => "suspended",
            Self::Resume => "resumed",
            Self::Revoke => "revoked",
            Self::Cancel => "cancelled",
        }
    }
}

/// Suspends, resumes, revokes or cancels; it takes effect with this write.
pub async fn advance(
    app: &App,
    actor: &Actor,
    id: &str,
    version: i64,
    step: Move,
    reason: &str,
) -> Result<Request> {
    let view = get(app, actor, id).await?;
    let gate = app.part::<Gate>()?;
    let (action, org) = match step {
        Move::Cancel => ("catalog.request", &view.row.applicant),
        _ => ("catalog.request.stop", &view.row.provider),
    };
    let resource = oversight::request(app.db().read(), id, org).await?;
    actor.may(&gate, action, &resource)?;
    let reason = crate::must_say("reason", reason)?;
    let engine = app.part::<workflow::Engine>()?;
    let (id, who) = (id.to_owned(), actor.trace());
    app.db()
        .write(move |tx| {
            let (id, who, reason) = (id.clone(), who.clone(), reason.clone());
            let engine = engine.clone();
            async move {
                let row = store::get(&*tx, &id).await?;
                if row.version != version {
                    return Err(Error::refused("catalog-changed"));
                }
                let was_open = row.standing().is_open();
                let next = step.after(row.standing());
                let next = next.ok_or_else(|| Error::refused("catalog-request-unfit"))?;
                if step == Move::Resume {
                    let entry = resource::store::get(&*tx, &row.resource).await?;
                    need_included(&*tx, &entry).await?;
                }
                let row = moved(&tx, row, next, &who, step.act(), &reason).await?;
                if was_open {
                    flow::cancel(&tx, &engine, &row, &reason, &who).await?;
                }
                Ok(row)
            }
        })
        .await
}

/// The request stands elsewhere from now on.
pub(crate) async fn moved(
    tx: &Tx,
    mut row: Request,
    state: State,
    who: &str,
    act: &str,
    reason: &str,
) -> Result<Request> {
    state.name().clone_into(&mut row.state);
    if !reason.is_empty() {
        reason.clone_into(&mut row.reason);
    }
    if !state.is_open() && row.decided_at.is_none() {
        row.decided_at = Some(micros(tx.now()));
    }
    let row = store::update(tx, row).await?;
    resource::store::note(tx, &row.id, who, act, reason).await?;
    tell(tx, &row, who, act)?;
    if act == "granted" {
        react::watch(tx, &row)?;
    }
    Ok(row)
}

/// What was granted of a withdrawn resource is revoked; what was asked for is refused.
pub(crate) async fn resource_withdrawn(
    tx: &Tx,
    entry: &Entry,
    who: &str,
    reason: &str,
) -> Result<()> {
    for row in store::live(&**tx, &entry.id).await? {
        let (state, act) = if row.standing().is_granted() {
            (State::Revoked, "revoked")
        } else {
            (State::Refused, "refused")
        };
        moved(tx, row, state, who, act, reason).await?;
    }
    Ok(())
}

/// What was granted of a resource that is not shared from now on is suspended: it may go on if the
/// list is changed again.
pub(crate) async fn resource_excluded(
    tx: &Tx,
    entry: &Entry,
    who: &str,
    basis: &str,
) -> Result<()> {
    for row in store::live(&**tx, &entry.id).await? {
        if row.standing() == State::Active {
            moved(tx, row, State::Suspended, who, "suspended", basis).await?;
        }
    }
    Ok(())
}

/// The grant by which an organisation has a resource on that day; what carries data asks here.
pub async fn grant(
    db: &impl ConnectionTrait,
    resource: &str,
    applicant: &str,
    day: NaiveDate,
) -> Result<Option<Request>> {
    let rows = store::granted(db, resource, applicant).await?;
    Ok(rows.into_iter().find(|row| row.holds_on(day)))
}

/// A request by its number, for what carries data.
pub async fn of_number(db: &impl ConnectionTrait, id: &str) -> Result<Option<Request>> {
    store::lookup(db, id).await
}

/// Grants of a resource, of an applicant, or of both; suspended ones, too. The oldest first.
pub async fn grants(
    db: &impl ConnectionTrait,
    resource: Option<&str>,
    applicant: Option<&str>,
) -> Result<Vec<Request>> {
    store::grants(db, resource, applicant).await
}

/// The applicant adds what the provider missed, within what was agreed to before.
pub async fn supplement(
    app: &App,
    actor: &Actor,
    id: &str,
    version: i64,
    ask: &Ask,
) -> Result<Request> {
    let view = get(app, actor, id).await?;
    let gate = app.part::<Gate>()?;
    let resource = oversight::request(app.db().read(), id, &view.row.applicant).await?;
    actor.may(&gate, "catalog.request", &resource)?;
    let entry = resource::store::get(app.db().read(), &view.row.resource).await?;
    let mut mistakes = ask.mistakes(&entry.metadata()?, app.clock().today());
    mistakes.extend(ask.beyond(&view.ask));
    if !mistakes.is_empty() {
        return Err(Error::Invalid(mistakes));
    }
    let (id, who, document) = (id.to_owned(), actor.trace(), document(ask)?);
    let (starts_on, ends_on) = (ask.starts_on, ask.ends_on);
    app.db()
        .write(move |tx| {
            let (id, who, document) = (id.clone(), who.clone(), document.clone());
            async move {
                let mut row = store::get(&*tx, &id).await?;
                if row.version != version {
                    return Err(Error::refused("catalog-changed"));
                }
                if row.standing() != State::Supplement {
                    return Err(Error::refused("catalog-request-unfit"));
                }
                if row.document == document {
                    return Err(Error::refused("catalog-supplement-missing"));
                }
                row.document = document;
                row.starts_on = starts_on.unwrap_or(row.starts_on);
                row.ends_on = ends_on.unwrap_or(row.ends_on);
                let row = store::update(&tx, row).await?;
                resource::store::note(&tx, &row.id, &who, "supplemented", "").await?;
                tell(&tx, &row, &who, "supplemented")?;
                Ok(row)
            }
        })
        .await
}
