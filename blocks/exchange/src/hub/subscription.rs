//! Who gets what of a publication: columns, rows, for which purpose, until when.

use chrono::NaiveDate;
use identity::Actor;
use kernel::{Error, Fault, Finding, Result, Text, clock::micros};
use serde::{Deserialize, Serialize};
use web::App;

use super::{Hub, Peer, may, may_at, publication, store};
use crate::{
    data::{
        Shape,
        filter::{self, Condition},
    },
    event,
    schema::{node, publication as publication_table, subscription},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ExchangeSubscriptionState)]
pub enum State {
    Active,
    Suspended,
    Withdrawn,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Withdrawn => "withdrawn",
        }
    }

    fn of_name(name: &str) -> Self {
        match name {
            "active" => Self::Active,
            "suspended" => Self::Suspended,
            _ => Self::Withdrawn,
        }
    }
}

/// What a department is to have.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ExchangeSubscribing)]
pub struct Subscribing {
    #[schema(example = "hukou-person")]
    pub publication: String,
    /// The subscriber's node.
    #[schema(example = "civil-front-1")]
    pub node: String,
    /// What for.
    #[schema(example = "核对低保对象户籍")]
    pub purpose: String,
    /// Law or duty that it rests on.
    #[schema(example = "社会救助暂行办法 第十一条")]
    pub basis: String,
    /// Names; the key's are always among them. Empty for all.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Conditions on the key that rows have to fulfil.
    #[serde(default)]
    pub filter: Vec<Condition>,
    /// The last day; none for no end.
    #[serde(default)]
    pub expires_on: Option<NaiveDate>,
    /// Number of the catalog's grant that it rests on. Columns, purpose, basis and end are the
    /// grant's then, and columns may only narrow them.
    #[serde(default)]
    #[schema(example = "019c8f2e-0000-7000-8000-000000000009")]
    pub granted_by: String,
}

/// A subscription as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ExchangeSubscription)]
pub struct Subscription {
    #[schema(example = "019c8f2e-0000-7000-8000-000000000001")]
    pub id: String,
    pub publication: String,
    pub node: String,
    pub org: String,
    pub purpose: String,
    pub basis: String,
    pub columns: Vec<String>,
    pub filter: Vec<Condition>,
    pub state: State,
    pub expires_on: Option<NaiveDate>,
    /// The grant that it rests on; empty for a steward's word.
    pub granted_by: String,
}

/// Columns of a subscription in its publication's order, and which rows.
pub(super) struct Scope {
    pub shape: Shape,
    pub filter: Vec<Condition>,
    /// Whether it is everything, just as it came.
    pub is_whole: bool,
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| Fault::caused_by("read a subscription", e).into())
}

fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Fault::caused_by("write a subscription", e).into())
}

pub(super) fn scope(
    row: &subscription::Model,
    publication: &publication_table::Model,
) -> Result<Scope> {
    let whole = publication::shape(publication)?;
    let mut columns: Vec<String> = parse(&row.columns)?;
    // The key may have become another one since.
    columns.extend(whole.key.iter().cloned());
    let filter: Vec<Condition> = parse(&row.filter)?;
    let shape = whole.project(&columns);
    Ok(Scope {
        is_whole: filter.is_empty() && shape == whole,
        shape,
        filter,
    })
}

/// Whether rows may flow today.
pub(super) fn is_live(row: &subscription::Model, today: NaiveDate) -> bool {
    row.state == State::Active.name() && row.expires_on.is_none_or(|last| today <= last)
}

pub(super) fn view(row: subscription::Model) -> Result<Subscription> {
    Ok(Subscription {
        columns: parse(&row.columns)?,
        filter: parse(&row.filter)?,
        state: State::of_name(&row.state),
        id: row.id,
        publication: row.publication,
        node: row.node,
        org: row.org,
        purpose: row.purpose,
        basis: row.basis,
        expires_on: row.expires_on,
        granted_by: row.granted_by,
    })
}

/// Who gets a publication is for its provider to say, or those above it; never for who gets it.
async fn may_share(app: &App, actor: &Actor, publication: &str) -> Result<()> {
    may(app, actor, "exchange.subscribe", None)?;
    let (db, code) = (app.db().read(), publication.to_owned());
    let row = store::get::<publication_table::Entity>(db, "publication", code).await?;
    may_at(app, actor, "exchange.subscribe", &row.org).await
}

/// Lets a node have rows from the next full batch on, which the provider's node is asked for.
pub async fn subscribe(app: &App, actor: &Actor, asked: &Subscribing) -> Result<Subscription> {
    may_share(app, actor, &asked.publication).await?;
    let (asked, who, today) = (asked.clone(), actor.trace(), app.clock().today());
    let hub = app.part::<Hub>()?;
    let row = app
        .db()
        .write(move |tx| {
            let (asked, who, hub) = (asked.clone(), who.clone(), hub.clone());
            async move { insert(&hub, &tx, asked, who, today).await }
        })
        .await?;
    view(row)
}

/// The same as part of a larger write, for blocks above; answers its number.
pub async fn subscribe_in(
    hub: &Hub,
    tx: &::store::Tx,
    asked: Subscribing,
    who: &str,
) -> Result<String> {
    let today = kernel::clock::local_date(tx.now());
    let row = insert(hub, tx, asked, who.to_owned(), today).await?;
    Ok(row.id)
}

/// What the grant gives, where one is named; where the terms bind, one must be.
async fn within_grant(
    hub: &Hub,
    tx: &::store::Tx,
    asked: Subscribing,
    publication: &publication_table::Model,
    shape: &Shape,
    org: &str,
) -> Result<Subscribing> {
    if asked.granted_by.is_empty() {
        return match hub.binding() {
            Some(_) => Err(Error::invalid(
                "granted_by",
                Text::new("exchange-grant-missing"),
            )),
            None => Ok(asked),
        };
    }
    let unknown = || Error::invalid("granted_by", Text::new("exchange-grant-unknown"));
    let terms = hub.terms.get().ok_or_else(unknown)?;
    let offer = publication::offer(publication, shape);
    let granted = terms.grant(tx, &offer, org, &asked.granted_by).await?;
    let beyond = asked.columns.iter().find(|c| !granted.columns.contains(c));
    if let Some(name) = beyond {
        let text = Text::new("exchange-grant-column").with("name", name);
        return Err(Error::invalid("columns", text));
    }
    if !granted.rows.is_empty() && asked.filter.is_empty() {
        let text = Text::new("exchange-grant-rows").with("rows", granted.rows);
        return Err(Error::invalid("filter", text));
    }
    let columns = if asked.columns.is_empty() {
        granted.columns
    } else {
        asked.columns
    };
    Ok(Subscribing {
        columns,
        purpose: granted.purpose,
        basis: granted.basis,
        expires_on: granted.expires_on,
        ..asked
    })
}

async fn insert(
    hub: &Hub,
    tx: &::store::Tx,
    asked: Subscribing,
    who: String,
    today: NaiveDate,
) -> Result<subscription::Model> {
    let publication =
        store::get::<publication_table::Entity>(&**tx, "publication", asked.publication.clone())
            .await?;
    let node = store::get::<node::Entity>(&**tx, "node", asked.node.clone()).await?;
    let shape = publication::shape(&publication)?;
    let asked = within_grant(hub, tx, asked, &publication, &shape, &node.org).await?;
    let mut findings = findings(&asked, &shape, &node, &publication, today);
    let held = holder(&**tx, &publication.code, &node.code, today).await?;
    let is_renewed = match &held {
        Some(held) if !asked.granted_by.is_empty() => {
            asked.filter.is_empty() && covers(&asked.columns, asked.expires_on, held)?
        }
        Some(_) => false,
        None => true,
    };
    if !is_renewed {
        let text = Text::new("exchange-subscription-twice").with("node", &node.code);
        findings.push(Finding::new("node", text));
    }
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    if let Some(held) = held {
        move_in(tx, &held.id, State::Withdrawn, &who).await?;
    }
    let wanted = |name: &&str| asked.columns.is_empty() || asked.columns.iter().any(|c| c == name);
    let names = shape.columns.iter().map(|c| c.name.as_str());
    let columns: Vec<&str> = names
        .filter(|name| wanted(name) || shape.key.iter().any(|k| k == name))
        .collect();
    let row = subscription::Model {
        id: ::store::event::new_id(tx.now()),
        publication: asked.publication,
        node: asked.node,
        org: node.org,
        purpose: asked.purpose.trim().to_owned(),
        basis: asked.basis.trim().to_owned(),
        columns: text(&columns)?,
        filter: text(&asked.filter)?,
        state: State::Active.name().into(),
        is_started: false,
        expires_on: asked.expires_on,
        created_by: who.clone(),
        created_at: micros(tx.now()),
        granted_by: asked.granted_by,
    };
    store::insert(tx, row.clone()).await?;
    let publication = publication_table::Model {
        wants_full: true,
        ..publication
    };
    store::update(tx, publication).await?;
    moved(tx, &who, &row)?;
    Ok(row)
}

/// The subscription that a node has of a publication already. Both would write to one table, and
/// each would take the other's rows for gone. One that is over gives its place up.
pub(super) async fn holder(
    db: &impl sea_orm::ConnectionTrait,
    publication: &str,
    node: &str,
    today: NaiveDate,
) -> Result<Option<subscription::Model>> {
    let all = store::subscriptions(db, Some(publication)).await?;
    let is_held = |row: &subscription::Model| {
        row.node == node
            && row.state != State::Withdrawn.name()
            && row.expires_on.is_none_or(|last| today <= last)
    };
    Ok(all.into_iter().find(is_held))
}

/// Whether a grant of these columns until that day gives at least what is held, and for as long: as
/// one that renews it or gives more. It takes its place then.
pub(super) fn covers(
    columns: &[String],
    last: Option<NaiveDate>,
    held: &subscription::Model,
) -> Result<bool> {
    let old: Vec<String> = parse(&held.columns)?;
    let is_wide = columns.is_empty() || old.iter().all(|name| columns.contains(name));
    let is_long = last.is_none_or(|last| held.expires_on.is_some_and(|old| old <= last));
    Ok(is_wide && is_long)
}

/// A subscriber's node needs all rows anew, as after its own subscribers became more. The
/// provider's node is asked for them.
pub async fn want(hub: &Hub, peer: &Peer, code: &str) -> Result<()> {
    let (code, node, today) = (
        code.to_owned(),
        peer.code().to_owned(),
        hub.db.clock().today(),
    );
    hub.db
        .write(move |tx| {
            let (code, node) = (code.clone(), node.clone());
            async move {
                let all = store::subscriptions(&*tx, Some(&code)).await?;
                let mut own = all.iter().filter(|row| row.node == node);
                if !own.any(|row| is_live(row, today)) {
                    return Err(Error::refused("exchange-subscription-closed"));
                }
                let row =
                    store::get::<publication_table::Entity>(&*tx, "publication", code).await?;
                if row.wants_full {
                    return Ok(());
                }
                let row = publication_table::Model {
                    wants_full: true,
                    ..row
                };
                store::update(&tx, row).await
            }
        })
        .await
}

fn findings(
    asked: &Subscribing,
    shape: &Shape,
    node: &node::Model,
    publication: &publication_table::Model,
    today: NaiveDate,
) -> Vec<Finding> {
    let mut findings = filter::findings(&asked.filter, shape);
    let mut found = |field: &str, text: Text| findings.push(Finding::new(field, text));
    if asked.purpose.trim().is_empty() {
        found("purpose", Text::new("exchange-purpose-missing"));
    }
    if asked.basis.trim().is_empty() {
        found("basis", Text::new("exchange-basis-missing"));
    }
    if node.state != "active" {
        found("node", Text::new("exchange-node-revoked"));
    }
    if node.code == publication.node {
        found("node", Text::new("exchange-node-own"));
    }
    if asked.expires_on.is_some_and(|last| last < today) {
        found("expires_on", Text::new("exchange-expires-past"));
    }
    for name in &asked.columns {
        if shape.column(name).is_none() {
            found(
                "columns",
                Text::new("exchange-column-unknown").with("name", name),
            );
        }
    }
    findings
}

fn moved(tx: &::store::Tx, who: &str, row: &subscription::Model) -> Result<()> {
    let body = event::SubscriptionMoved {
        subscription: row.id.clone(),
        publication: row.publication.clone(),
        node: row.node.clone(),
        org: row.org.clone(),
        purpose: row.purpose.clone(),
        basis: row.basis.clone(),
        state: row.state.clone(),
        columns: parse(&row.columns)?,
    };
    tx.emit(format!("subscription:{}", row.id), who, &body)
}

/// Suspends, resumes or withdraws; at once, because each pull asks anew.
pub async fn set_state(app: &App, actor: &Actor, id: &str, state: State) -> Result<Subscription> {
    may(app, actor, "exchange.subscribe", None)?;
    let db = app.db().read();
    let row = store::get::<subscription::Entity>(db, "subscription", id.to_owned()).await?;
    may_share(app, actor, &row.publication).await?;
    let (id, who) = (id.to_owned(), actor.trace());
    let row = app
        .db()
        .write(move |tx| {
            let (id, who) = (id.clone(), who.clone());
            async move { move_in(&tx, &id, state, &who).await }
        })
        .await?;
    view(row)
}

/// The same as part of a larger write.
pub(super) async fn move_in(
    tx: &::store::Tx,
    id: &str,
    state: State,
    who: &str,
) -> Result<subscription::Model> {
    let row = store::get::<subscription::Entity>(&**tx, "subscription", id.to_owned()).await?;
    if row.state == State::Withdrawn.name() && state != State::Withdrawn {
        return Err(Error::refused("exchange-subscription-withdrawn"));
    }
    if row.state == state.name() {
        return Ok(row);
    }
    let row = subscription::Model {
        state: state.name().into(),
        ..row
    };
    if state == State::Withdrawn {
        store::supersede(tx, &row.id).await?;
    }
    store::update(tx, row.clone()).await?;
    moved(tx, who, &row)?;
    Ok(row)
}

pub async fn list(app: &App, actor: &Actor) -> Result<Vec<Subscription>> {
    may(app, actor, "exchange.read", None)?;
    let rows = store::subscriptions(app.db().read(), None).await?;
    rows.into_iter().map(view).collect()
}
