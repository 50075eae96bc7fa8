//! What nodes offer: announced by the node, opened by a steward.

use std::sync::Arc;

use identity::Actor;
use kernel::{Error, Fault, Finding, Result, Text, clock::micros};
use serde::Serialize;
use web::App;

use super::{Hub, Peer, may, may_at, store, terms::Offer};
use crate::{
    data::{Shape, is_code},
    event,
    schema::{node, publication},
    wire::{Announce, Announced, PublicationState as State},
};

/// A publication as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ExchangePublication)]
pub struct Publication {
    #[schema(example = "hukou-person")]
    pub code: String,
    #[schema(example = "police-front-1")]
    pub node: String,
    #[schema(example = "11321000990000033R")]
    pub org: String,
    /// Code of the resource in the catalog.
    #[schema(example = "321000-GA-0001")]
    pub resource: String,
    #[schema(example = "户籍人口")]
    pub title: String,
    pub state: State,
    pub columns: Vec<crate::data::Column>,
    pub key: Vec<String>,
    /// Columns that the node has now, which a steward has to see before rows go on.
    pub announced: Option<Vec<crate::data::Column>>,
    pub next_sequence: i64,
}

pub(super) fn shape(row: &publication::Model) -> Result<Shape> {
    parse(&row.shape)
}

fn parse(text: &str) -> Result<Shape> {
    serde_json::from_str(text).map_err(|e| Fault::caused_by("read a shape", e).into())
}

pub(super) fn state(row: &publication::Model) -> Result<State> {
    State::of_name(&row.state)
        .ok_or_else(|| Fault::new("a publication has an unknown state").into())
}

pub(super) fn view(row: publication::Model) -> Result<Publication> {
    let shape = shape(&row)?;
    let announced = row.announced.as_deref().map(parse).transpose()?;
    Ok(Publication {
        state: state(&row)?,
        columns: shape.columns,
        key: shape.key,
        announced: announced.map(|shape| shape.columns),
        code: row.code,
        node: row.node,
        org: row.org,
        resource: row.resource,
        title: row.title,
        next_sequence: row.next_sequence,
    })
}

pub(super) fn announced(row: &publication::Model) -> Result<Announced> {
    Ok(Announced {
        code: row.code.clone(),
        state: state(row)?,
        next_sequence: row.next_sequence,
        wants_full: row.wants_full,
    })
}

/// A node says what it offers. With other columns than before the publication waits for a steward
/// again, so that nobody's rows change their meaning unseen.
pub async fn announce(hub: &Arc<Hub>, peer: &Peer, asked: &Announce) -> Result<Announced> {
    let mut findings = asked.shape.findings("");
    if !is_code(&asked.code) {
        findings.push(Finding::new("code", Text::new("exchange-code")));
    }
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    let (asked, peer, hub) = (asked.clone(), peer.clone(), hub.clone());
    hub.clone()
        .db
        .write(move |tx| {
            let (asked, peer, hub) = (asked.clone(), peer.clone(), hub.clone());
            async move { note(&hub, &tx, &peer, asked).await }
        })
        .await
}

async fn note(hub: &Hub, tx: &::store::Tx, peer: &Peer, asked: Announce) -> Result<Announced> {
    let shape =
        serde_json::to_string(&asked.shape).map_err(|e| Fault::caused_by("write a shape", e))?;
    let known = store::lookup::<publication::Entity>(&**tx, asked.code.clone()).await?;
    let Some(known) = known else {
        let row = publication::Model {
            code: asked.code,
            node: peer.0.code.clone(),
            org: peer.0.org.clone(),
            resource: asked.resource,
            title: asked.title,
            announced: Some(shape.clone()),
            shape,
            state: State::Announced.name().into(),
            next_sequence: 1,
            wants_full: true,
            announced_at: micros(tx.now()),
            opened_as: None,
        };
        let answer = announced(&row)?;
        moved(tx, &peer.trace(), &row)?;
        store::insert(tx, row).await?;
        return Ok(answer);
    };
    let mut row = publication::Model {
        resource: asked.resource,
        title: asked.title,
        ..known.clone()
    };
    if known.node != peer.0.code {
        take_over(tx, peer, &mut row).await?;
    }
    let current = row.announced.as_ref().unwrap_or(&row.shape);
    let is_elsewhere = row.resource != known.resource;
    if *current != shape || is_elsewhere {
        row.announced = (row.shape != shape).then_some(shape);
        // What a steward suspended is opened by a steward only.
        if row.state != State::Suspended.name() {
            let is_opened =
                row.announced.is_none() && row.opened_as.as_ref() == Some(&row.resource);
            let state = if is_opened && is_within_terms(hub, tx, &row).await? {
                State::Open
            } else {
                State::Announced
            };
            row.state = state.name().into();
        }
        row.announced_at = micros(tx.now());
        moved(tx, &peer.trace(), &row)?;
    }
    let answer = announced(&row)?;
    if row != known {
        store::update(tx, row).await?;
    }
    Ok(answer)
}

/// A department that comes with another node goes on with what its former one offered, if that was
/// shut out; it begins with all rows, and a steward opens it first. Anybody else chooses another code.
async fn take_over(tx: &::store::Tx, peer: &Peer, row: &mut publication::Model) -> Result<()> {
    let former = store::lookup::<node::Entity>(&**tx, row.node.clone()).await?;
    let is_gone = former.is_some_and(|node| node.state == "revoked");
    if !is_gone || row.org != peer.0.org {
        return Err(Error::refused("exchange-publication-foreign"));
    }
    row.node.clone_from(&peer.0.code);
    row.wants_full = true;
    row.opened_as = None;
    if row.state == State::Open.name() {
        row.state = State::Announced.name().into();
    }
    row.announced_at = micros(tx.now());
    moved(tx, &peer.trace(), row)
}

fn moved(tx: &::store::Tx, who: &str, row: &publication::Model) -> Result<()> {
    let body = event::PublicationMoved {
        publication: row.code.clone(),
        node: row.node.clone(),
        resource: row.resource.clone(),
        state: row.state.clone(),
    };
    tx.emit(format!("publication:{}", row.code), who, &body)
}

async fn may_publish(app: &App, actor: &Actor, code: &str) -> Result<()> {
    may(app, actor, "exchange.publish", None)?;
    let (db, code) = (app.db().read(), code.to_owned());
    let row = store::get::<publication::Entity>(db, "publication", code).await?;
    may_at(app, actor, "exchange.publish", &row.org).await
}

/// Opens a publication with the columns that its node announced, or suspends it: nothing comes in
/// and nothing goes out from then on.
pub async fn set_open(app: &App, actor: &Actor, code: &str, open: bool) -> Result<Publication> {
    may_publish(app, actor, code).await?;
    let (code, who, hub) = (code.to_owned(), actor.trace(), app.part::<Hub>()?);
    let row = app
        .db()
        .write(move |tx| {
            let (code, who, hub) = (code.clone(), who.clone(), hub.clone());
            async move {
                let row = store::get::<publication::Entity>(&*tx, "publication", code).await?;
                let wanted = if open { State::Open } else { State::Suspended };
                if row.state == wanted.name() {
                    return Ok(row);
                }
                let mut row = publication::Model {
                    state: wanted.name().into(),
                    ..row
                };
                if let (true, Some(announced)) = (open, row.announced.clone()) {
                    row.announced = None;
                    // Subscribers' tables hold rows of the old columns.
                    row.wants_full |= announced != row.shape;
                    row.shape = announced;
                }
                if open {
                    need_terms(&hub, &tx, &row).await?;
                    row.opened_as = Some(row.resource.clone());
                }
                moved(&tx, &who, &row)?;
                store::update(&tx, row.clone()).await?;
                Ok(row)
            }
        })
        .await?;
    view(row)
}

/// Refuses what the terms forbid, with everything that is wrong.
async fn need_terms(hub: &Hub, tx: &::store::Tx, row: &publication::Model) -> Result<()> {
    let findings = forbidden(hub, tx, row).await?;
    if findings.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(findings))
    }
}

async fn is_within_terms(hub: &Hub, tx: &::store::Tx, row: &publication::Model) -> Result<bool> {
    Ok(forbidden(hub, tx, row).await?.is_empty())
}

async fn forbidden(hub: &Hub, tx: &::store::Tx, row: &publication::Model) -> Result<Vec<Finding>> {
    let Some(terms) = hub.binding() else {
        return Ok(Vec::new());
    };
    let shape = shape(row)?;
    terms.offer(tx, &offer(row, &shape)).await
}

pub(super) fn offer<'a>(row: &'a publication::Model, shape: &'a Shape) -> Offer<'a> {
    Offer {
        code: &row.code,
        org: &row.org,
        resource: &row.resource,
        shape,
    }
}

/// Stops a publication as part of a larger write, for blocks above; answers whether it flowed.
pub async fn suspend_in(tx: &::store::Tx, code: &str, who: &str) -> Result<bool> {
    let row = store::get::<publication::Entity>(&**tx, "publication", code.to_owned()).await?;
    if row.state == State::Suspended.name() {
        return Ok(false);
    }
    let row = publication::Model {
        state: State::Suspended.name().into(),
        ..row
    };
    moved(tx, who, &row)?;
    store::update(tx, row).await?;
    Ok(true)
}

/// Asks the node for all rows, as for a subscriber whose table was lost.
pub async fn ask_full(app: &App, actor: &Actor, code: &str) -> Result<()> {
    may_publish(app, actor, code).await?;
    let code = code.to_owned();
    app.db()
        .write(move |tx| {
            let code = code.clone();
            async move {
                let row = store::get::<publication::Entity>(&*tx, "publication", code).await?;
                store::update(
                    &tx,
                    publication::Model {
                        wants_full: true,
                        ..row
                    },
                )
                .await
            }
        })
        .await
}

pub async fn list(app: &App, actor: &Actor) -> Result<Vec<Publication>> {
    may(app, actor, "exchange.read", None)?;
    let rows = store::publications(app.db().read(), None).await?;
    rows.into_iter().map(view).collect()
}
