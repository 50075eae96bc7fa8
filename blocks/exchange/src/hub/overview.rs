//! What people look at: flows, batches with their hops, and what a day adds up to.

use std::collections::BTreeMap;

use ::store::page::{PageOf, PageRequest};
use chrono::{Duration, NaiveDate, NaiveTime, TimeZone};
use identity::Actor;
use kernel::{Fault, Result, clock::micros};
use serde::Serialize;
use web::App;

use super::{
    batch::{Batch, receipt},
    delivery::View,
    may, store,
};
use crate::{data::checksum::Checksum, schema::batch, wire::Signed};

/// Whether the actor may look at the exchange at all; for doors that have to read their path first.
pub fn may_read(app: &App, actor: &Actor) -> Result<()> {
    may(app, actor, "exchange.read", None)
}

/// The newest batches with their deliveries.
pub async fn batches(
    app: &App,
    actor: &Actor,
    publication: Option<&str>,
    page: &PageRequest,
) -> Result<PageOf<(Batch, Vec<View>)>> {
    may(app, actor, "exchange.read", None)?;
    let db = app.db().read();
    let found = store::batches(db, publication, page).await?;
    let ids: Vec<String> = found.items.iter().map(|row| row.id.clone()).collect();
    let mut by_batch: BTreeMap<String, Vec<View>> = BTreeMap::new();
    for row in store::deliveries_of(db, &ids).await? {
        by_batch
            .entry(row.batch.clone())
            .or_default()
            .push(row.into());
    }
    Ok(found.map(|row| {
        let deliveries = by_batch.remove(&row.id).unwrap_or_default();
        (row.into(), deliveries)
    }))
}

/// A batch with all its proofs.
pub struct Detail {
    pub batch: Batch,
    pub arrived: usize,
    pub deliveries: Vec<View>,
    pub manifest: Signed,
    pub receipt: Option<Signed>,
}

pub async fn batch(app: &App, actor: &Actor, id: &str) -> Result<Detail> {
    may(app, actor, "exchange.read", None)?;
    let db = app.db().read();
    let row = store::get::<batch::Entity>(db, "batch", id.to_owned()).await?;
    let chunks = store::chunks(db, id).await?;
    let deliveries = store::deliveries_of(db, &[id.to_owned()]).await?;
    Ok(Detail {
        arrived: chunks
            .iter()
            .filter(|chunk| chunk.arrived_at.is_some())
            .count(),
        deliveries: deliveries.into_iter().map(View::from).collect(),
        manifest: Signed {
            text: row.manifest.clone(),
            signature: row.manifest_signature.clone(),
        },
        receipt: receipt(&row),
        batch: row.into(),
    })
}

/// One flow of the topology: a publication's node to a subscriber's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ExchangeFlow)]
pub struct Flow {
    #[schema(example = "population")]
    pub publication: String,
    pub title: String,
    #[schema(example = "police-front-1")]
    pub from: String,
    #[schema(example = "civil-front-1")]
    pub to: String,
    pub subscription: String,
    /// Batches that wait or are on their way.
    pub waiting: usize,
    pub failed: usize,
    pub is_live: bool,
}

pub async fn flows(app: &App, actor: &Actor) -> Result<Vec<Flow>> {
    may(app, actor, "exchange.read", None)?;
    let db = app.db().read();
    let publications = store::publications(db, None).await?;
    let open = store::open_deliveries(db, None).await?;
    let today = app.clock().today();
    let subscriptions = store::subscriptions(db, None).await?;
    let flows = subscriptions
        .into_iter()
        .filter(|s| s.state != "withdrawn")
        .map(|row| {
            let publication = publications.iter().find(|p| p.code == row.publication);
            let own = || open.iter().filter(|d| d.subscription == row.id);
            Flow {
                title: publication.map(|p| p.title.clone()).unwrap_or_default(),
                from: publication.map(|p| p.node.clone()).unwrap_or_default(),
                waiting: own().filter(|d| d.state != "failed").count(),
                failed: own().filter(|d| d.state == "failed").count(),
                is_live: super::subscription::is_live(&row, today),
                publication: row.publication,
                to: row.node,
                subscription: row.id,
            }
        });
    Ok(flows.collect())
}

/// What a publication brought on a day, and what became of it at each subscriber.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ExchangeDay)]
pub struct Day {
    pub publication: String,
    pub org: String,
    pub batches: usize,
    pub rows: i64,
    pub deletes: i64,
    pub refused: i64,
    /// Order-independent, of all rows of the day.
    #[schema(example = "0f5c0e7a3c1b4c3e9a1d0b5e77c2aa01")]
    pub checksum: String,
    pub delivered: Vec<Delivered>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ExchangeDelivered)]
pub struct Delivered {
    pub subscription: String,
    pub node: String,
    pub batches: usize,
    pub rows: i64,
    pub deletes: i64,
    pub checksum: String,
    /// Batches of the day that are not applied there yet.
    pub missing: usize,
}

/// Reconciles a day (in China) by publication: sums of both sides, from manifests and from the
/// subscribers' receipts.
pub async fn day(app: &App, actor: &Actor, date: NaiveDate) -> Result<Vec<Day>> {
    may(app, actor, "exchange.read", None)?;
    let db = app.db().read();
    let (from, until) = span(date)?;
    let batches = store::accepted_between(db, from, until).await?;
    let ids: Vec<String> = batches.iter().map(|row| row.id.clone()).collect();
    let deliveries = store::deliveries_of(db, &ids).await?;
    let mut days: BTreeMap<String, (Day, Checksum)> = BTreeMap::new();
    for row in &batches {
        let fresh = || {
            let day = Day {
                publication: row.publication.clone(),
                org: row.org.clone(),
                batches: 0,
                rows: 0,
                deletes: 0,
                refused: 0,
                checksum: String::new(),
                delivered: Vec::new(),
            };
            (day, Checksum::default())
        };
        let (day, sum) = days.entry(row.publication.clone()).or_insert_with(fresh);
        day.batches += 1;
        day.rows += row.row_count;
        day.deletes += row.delete_count;
        day.refused += row.refused_count;
        *sum = sum.and(parse(&row.checksum)?);
    }
    let mut all = Vec::new();
    for (mut day, sum) in days.into_values() {
        day.checksum = sum.to_string();
        day.delivered = delivered(&day.publication, &deliveries)?;
        all.push(day);
    }
    Ok(all)
}

fn delivered(
    publication: &str,
    deliveries: &[crate::schema::delivery::Model],
) -> Result<Vec<Delivered>> {
    let mut by_subscription: BTreeMap<&str, (Delivered, Checksum)> = BTreeMap::new();
    for row in deliveries
        .iter()
        .filter(|row| row.publication == publication)
    {
        let fresh = || {
            let delivered = Delivered {
                subscription: row.subscription.clone(),
                node: row.node.clone(),
                batches: 0,
                rows: 0,
                deletes: 0,
                checksum: String::new(),
                missing: 0,
            };
            (delivered, Checksum::default())
        };
        let (side, sum) = by_subscription
            .entry(&row.subscription)
            .or_insert_with(fresh);
        match row.state.as_str() {
            "applied" => {
                side.batches += 1;
                side.rows += row.row_count.unwrap_or_default();
                side.deletes += row.delete_count.unwrap_or_default();
                *sum = sum.and(parse(row.checksum.as_deref().unwrap_or("0"))?);
            }
            "superseded" => {}
            _ => side.missing += 1,
        }
    }
    let sides = by_subscription.into_values().map(|(mut side, sum)| {
        side.checksum = sum.to_string();
        side
    });
    Ok(sides.collect())
}

fn parse(text: &str) -> Result<Checksum> {
    text.parse()
        .map_err(|e| Fault::caused_by("read a checksum", e).into())
}

/// The microseconds at which a day in China begins and ends.
fn span(date: NaiveDate) -> Result<(i64, i64)> {
    let china = kernel::clock::local(chrono::DateTime::UNIX_EPOCH).timezone();
    let begin = china
        .from_local_datetime(&date.and_time(NaiveTime::MIN))
        .single()
        .ok_or_else(|| Fault::new("a day without a beginning"))?
        .to_utc();
    Ok((micros(begin), micros(begin + Duration::days(1))))
}
