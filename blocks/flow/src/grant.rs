//! Grants of the catalog as terms of the exchange, and the subscriptions that they make.

use std::collections::BTreeSet;

use ::store::{Db, Tx};
use async_trait::async_trait;
use catalog::request::{Request, State, act as requests};
use chrono::NaiveDate;
use exchange::{
    Hub,
    hub::{
        above,
        publication::Publication,
        subscription::{self, Subscribing, subscribe_in},
        terms::{Granted, Offer, Terms},
    },
    wire::PublicationState,
};
use kernel::{Error, Finding, Result, Text, clock::local_date};
use sea_orm::ConnectionTrait;

use crate::{agreement, bind};

/// The catalog as the exchange asks it.
pub(crate) struct OfCatalog;

#[async_trait]
impl Terms for OfCatalog {
    async fn offer(&self, tx: &Tx, offer: &Offer<'_>) -> Result<Vec<Finding>> {
        bind::forbids(&**tx, offer).await
    }

    async fn grant(&self, tx: &Tx, offer: &Offer<'_>, org: &str, grant: &str) -> Result<Granted> {
        let wrong = |key| Error::invalid("granted_by", Text::new(key));
        let row = requests::of_number(&**tx, grant).await?;
        let row = row.ok_or_else(|| wrong("exchange-grant-unknown"))?;
        let is_over = row.ends_on < local_date(tx.now());
        if row.standing() != State::Active || is_over {
            return Err(wrong("flow-grant-over"));
        }
        if row.resource_code != offer.resource || row.applicant != org {
            return Err(wrong("flow-grant-other"));
        }
        if !is_provider(&**tx, offer).await? {
            return Err(wrong("flow-grant-other"));
        }
        granted(&**tx, &row, offer).await
    }

    async fn holds(&self, db: &Db, grant: &str) -> Result<bool> {
        let row = requests::of_number(db.read(), grant).await?;
        Ok(row.is_some_and(|row| row.holds_on(db.clock().today())))
    }
}

/// The columns of the granted items. Rows cannot flow without their key: it has to be among them.
async fn granted(db: &impl ConnectionTrait, row: &Request, offer: &Offer<'_>) -> Result<Granted> {
    let entry = catalog::resource::store::of_code(db, offer.resource).await?;
    let entry = entry.ok_or(Error::NotFound { what: "resource" })?;
    let (metadata, ask) = (entry.metadata()?, row.ask()?);
    let is_granted = |name: &str| {
        let column = offer.shape.column(name);
        let item = column.and_then(|column| agreement::item_of(&metadata, column));
        item.is_some_and(|item| ask.items.contains(&item.name))
    };
    if let Some(name) = offer.shape.key.iter().find(|name| !is_granted(name)) {
        let text = Text::new("flow-grant-key").with("name", name);
        return Err(Error::invalid("granted_by", text));
    }
    let names = offer.shape.columns.iter().map(|column| &column.name);
    Ok(Granted {
        columns: names.filter(|name| is_granted(name)).cloned().collect(),
        purpose: ask.purpose,
        basis: ask.basis,
        rows: ask.rows,
        expires_on: Some(row.ends_on),
    })
}

/// The catalog as the lake asks it.
pub(crate) struct OfLake;

#[async_trait]
impl lake::Grants for OfLake {
    /// What the catalog's list of exclusions names, however its entry was shared before.
    async fn withholds(&self, db: &Db, table: &lake::Table) -> Result<bool> {
        for binding in bind::of_table(db.read(), &table.id).await? {
            let entry = catalog::resource::store::of_code(db.read(), &binding.code).await?;
            let Some(entry) = entry else { continue };
            if catalog::list::exclusion(db.read(), &entry).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Columns of the granted items. A grant of rows that are named in words gives none: what
    /// they are, a steward puts into conditions of a subscription.
    async fn columns(
        &self,
        db: &Db,
        table: &lake::Table,
        orgs: &[String],
    ) -> Result<BTreeSet<String>> {
        let mut columns = BTreeSet::new();
        let today = db.clock().today();
        for binding in bind::of_table(db.read(), &table.id).await? {
            for org in orgs {
                let grants = requests::grants(db.read(), Some(&binding.entry), Some(org)).await?;
                for row in grants.iter().filter(|row| row.holds_on(today)) {
                    let ask = row.ask()?;
                    if !ask.rows.trim().is_empty() {
                        continue;
                    }
                    let given = table.columns.iter().filter(|column| {
                        let source = column.source.as_ref();
                        source.is_some_and(|source| ask.items.contains(&source.column))
                    });
                    columns.extend(given.map(|column| column.id.clone()));
                }
            }
        }
        Ok(columns)
    }
}

/// Whether the publication is the provider's own: any node may name any resource.
async fn is_provider(db: &impl ConnectionTrait, offer: &Offer<'_>) -> Result<bool> {
    let entry = catalog::resource::store::of_code(db, offer.resource).await?;
    Ok(entry.is_some_and(|entry| entry.provider == offer.org))
}

/// Why a grant has no subscription yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FlowMissing)]
pub enum Missing {
    /// The applicant has no node.
    Node,
    /// The applicant has several: a steward chooses.
    Choice,
    /// The grant names rows in words: a steward puts them into conditions.
    Rows,
    /// The items that are the key were not asked for.
    Key,
    /// The publication is not open.
    Closed,
    /// The node has another subscription of it, which gives what this grant does not: a steward
    /// withdraws one.
    Taken,
}

impl Missing {
    pub fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Choice => "choice",
            Self::Rows => "rows",
            Self::Key => "key",
            Self::Closed => "closed",
            Self::Taken => "taken",
        }
    }
}

/// The node that a grant's rows of a publication can go to by themselves, or what is missing.
async fn ready(
    db: &impl ConnectionTrait,
    row: &Request,
    publication: &Publication,
    today: NaiveDate,
) -> Result<std::result::Result<String, Missing>> {
    if publication.state != PublicationState::Open {
        return Ok(Err(Missing::Closed));
    }
    if !row.ask()?.rows.is_empty() {
        return Ok(Err(Missing::Rows));
    }
    let shape = above::shape(db, &publication.code).await?;
    let offer = offer(publication, &shape);
    let columns = match granted(db, row, &offer).await {
        Ok(granted) => granted.columns,
        Err(Error::Invalid(_)) => return Ok(Err(Missing::Key)),
        Err(error) => return Err(error),
    };
    let mut nodes = above::nodes_of(db, &row.applicant).await?;
    let node = match (nodes.pop(), nodes.is_empty()) {
        (None, _) => return Ok(Err(Missing::Node)),
        (Some(_), false) => return Ok(Err(Missing::Choice)),
        (Some(node), true) => node,
    };
    let code = &publication.code;
    let has_room = above::has_room(db, code, &node, &columns, row.ends_on, today).await?;
    Ok(if has_room {
        Ok(node)
    } else {
        Err(Missing::Taken)
    })
}

fn offer<'a>(publication: &'a Publication, shape: &'a exchange::data::Shape) -> Offer<'a> {
    Offer {
        code: &publication.code,
        org: &publication.org,
        resource: &publication.resource,
        shape,
    }
}

/// What a grant waits for; nothing where its subscription is there.
pub(crate) async fn missing(
    db: &impl ConnectionTrait,
    row: &Request,
    publication: &Publication,
    today: NaiveDate,
) -> Result<Option<Missing>> {
    let made = above::of_grant(db, &row.id).await?;
    if made.iter().any(|s| s.publication == publication.code) {
        return Ok(None);
    }
    Ok(ready(db, row, publication, today).await?.err())
}

/// Subscribes the grant's node to each publication of its resource, where nothing is missing.
async fn connect(hub: &Hub, tx: &Tx, row: &Request, who: &str) -> Result<()> {
    let today = local_date(tx.now());
    if row.standing() != State::Active || row.ends_on < today {
        return Ok(());
    }
    let made = above::of_grant(&**tx, &row.id).await?;
    for publication in above::of_resource(&**tx, &row.resource_code).await? {
        let is_made = made.iter().any(|s| s.publication == publication.code);
        let shape = above::shape(&**tx, &publication.code).await?;
        if is_made || !is_provider(&**tx, &offer(&publication, &shape)).await? {
            continue;
        }
        let Ok(node) = ready(&**tx, row, &publication, today).await? else {
            continue;
        };
        // A department needs no subscription to what its own node offers.
        if node == publication.node {
            continue;
        }
        let asked = Subscribing {
            publication: publication.code,
            node,
            purpose: String::new(),
            basis: String::new(),
            columns: Vec::new(),
            filter: Vec::new(),
            expires_on: None,
            granted_by: row.id.clone(),
        };
        subscribe_in(hub, tx, asked, who).await?;
    }
    Ok(())
}

/// A request moved: its subscriptions follow.
pub(crate) async fn moved(hub: &Hub, tx: &Tx, request: &str, who: &str) -> Result<()> {
    let Some(row) = requests::of_number(&**tx, request).await? else {
        return Ok(());
    };
    let state = match row.standing() {
        State::Active => subscription::State::Active,
        State::Suspended => subscription::State::Suspended,
        State::Revoked | State::Expired | State::Cancelled => subscription::State::Withdrawn,
        _ => return Ok(()),
    };
    for made in above::of_grant(&**tx, &row.id).await? {
        if made.state != state && made.state != subscription::State::Withdrawn {
            above::move_subscription(tx, &made.id, state, who).await?;
        }
    }
    connect(hub, tx, &row, who).await?;
    if state == subscription::State::Withdrawn {
        // Another grant of the same department may have waited for its place.
        let (entry, org) = (Some(row.resource.as_str()), Some(row.applicant.as_str()));
        for other in requests::grants(&**tx, entry, org).await? {
            connect(hub, tx, &other, who).await?;
        }
    }
    Ok(())
}

/// A publication of this entry was opened: who has a grant of it gets a subscription.
pub(crate) async fn opened(hub: &Hub, tx: &Tx, entry: &str, who: &str) -> Result<()> {
    for row in requests::grants(&**tx, Some(entry), None).await? {
        connect(hub, tx, &row, who).await?;
    }
    Ok(())
}

/// A department has a node now.
pub(crate) async fn enrolled(hub: &Hub, tx: &Tx, org: &str, who: &str) -> Result<()> {
    for row in requests::grants(&**tx, None, Some(org)).await? {
        connect(hub, tx, &row, who).await?;
    }
    Ok(())
}
