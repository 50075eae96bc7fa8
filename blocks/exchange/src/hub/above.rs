//! What blocks above read and do: nothing here asks the gate, because they asked theirs.

use std::collections::BTreeMap;

use ::store::{Tx, fault};
use arrow::array::RecordBatch;
use futures::{StreamExt, stream::BoxStream};
use kernel::{Fault, Result, crypto::PublicKey};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, Func},
};

use super::{
    Hub, batch as batches,
    batch::Batch,
    publication::{self, Publication},
    store,
    subscription::{self, State, Subscription},
};
use crate::{
    data::{
        Shape,
        chunk::{self, Kind, Rows},
        filter,
    },
    schema::{
        batch, chunk as chunk_table, delivery, node, node_key, publication as publication_table,
        subscription as subscription_table,
    },
    wire::{Manifest, Receipt, Signed},
};

/// A publication, if there is one of that code.
pub async fn publication(db: &impl ConnectionTrait, code: &str) -> Result<Option<Publication>> {
    let row = store::lookup::<publication_table::Entity>(db, code.to_owned()).await?;
    row.map(publication::view).transpose()
}

/// All publications, by code.
pub async fn publications(db: &impl ConnectionTrait) -> Result<Vec<Publication>> {
    let rows = store::publications(db, None).await?;
    rows.into_iter().map(publication::view).collect()
}

/// Publications of a resource, by its code.
pub async fn of_resource(db: &impl ConnectionTrait, resource: &str) -> Result<Vec<Publication>> {
    let rows = publication_table::Entity::find()
        .filter(publication_table::Column::Resource.eq(resource))
        .order_by_asc(publication_table::Column::Code)
        .all(db)
        .await
        .map_err(|e| fault("list publications", e))?;
    rows.into_iter().map(publication::view).collect()
}

/// The shape that a publication has now.
pub async fn shape(db: &impl ConnectionTrait, code: &str) -> Result<Shape> {
    batches::shape_of(db, code).await
}

/// Codes of a department's nodes that may come.
pub async fn nodes_of(db: &impl ConnectionTrait, org: &str) -> Result<Vec<String>> {
    node::Entity::find()
        .select_only()
        .column(node::Column::Code)
        .filter(node::Column::Org.eq(org))
        .filter(node::Column::State.eq("active"))
        .order_by_asc(node::Column::Code)
        .into_tuple()
        .all(db)
        .await
        .map_err(|e| fault("list a department's nodes", e).into())
}

/// Subscriptions of a publication, the oldest first.
pub async fn subscriptions(db: &impl ConnectionTrait, code: &str) -> Result<Vec<Subscription>> {
    let rows = store::subscriptions(db, Some(code)).await?;
    rows.into_iter().map(subscription::view).collect()
}

/// Subscriptions that rest on a grant.
pub async fn of_grant(db: &impl ConnectionTrait, grant: &str) -> Result<Vec<Subscription>> {
    let rows = subscription_table::Entity::find()
        .filter(subscription_table::Column::GrantedBy.eq(grant))
        .order_by_asc(subscription_table::Column::Id)
        .all(db)
        .await
        .map_err(|e| fault("list subscriptions of a grant", e))?;
    rows.into_iter().map(subscription::view).collect()
}

/// Whether a grant of these columns of a publication until that day can become a subscription of the
/// node: it has none there, or one that the grant gives as much as.
pub async fn has_room(
    db: &impl ConnectionTrait,
    code: &str,
    node: &str,
    columns: &[String],
    last: chrono::NaiveDate,
    today: chrono::NaiveDate,
) -> Result<bool> {
    match subscription::holder(db, code, node, today).await? {
        Some(held) => subscription::covers(columns, Some(last), &held),
        None => Ok(true),
    }
}

/// Suspends, resumes or withdraws as part of a larger write.
pub async fn move_subscription(tx: &Tx, id: &str, state: State, who: &str) -> Result<()> {
    subscription::move_in(tx, id, state, who).await.map(drop)
}

/// Ends what flows from a node and to it: its publications are suspended, its subscriptions are
/// withdrawn, and what waits for it is given no more.
pub async fn close_node(tx: &Tx, node: &str, who: &str) -> Result<()> {
    for row in store::publications(&**tx, Some(node)).await? {
        publication::suspend_in(tx, &row.code, who).await?;
    }
    let own: Vec<String> = subscription_table::Entity::find()
        .select_only()
        .column(subscription_table::Column::Id)
        .filter(subscription_table::Column::Node.eq(node))
        .filter(subscription_table::Column::State.ne(State::Withdrawn.name()))
        .order_by_asc(subscription_table::Column::Id)
        .into_tuple()
        .all(&**tx)
        .await
        .map_err(|e| fault("list a node's subscriptions", e))?;
    for id in own {
        subscription::move_in(tx, &id, State::Withdrawn, who).await?;
    }
    Ok(())
}

/// Whether a row with this key is among those that a subscription gives.
pub fn gives(subscription: &Subscription, shape: &Shape, key: &BTreeMap<String, String>) -> bool {
    let condition = |condition: &filter::Condition| {
        let value = key.get(&condition.column);
        let column = shape.column(&condition.column);
        match (value, column) {
            (Some(value), Some(column)) => condition.holds(value, &column.kind.arrow()),
            // What is not known of the row is taken to be given.
            _ => true,
        }
    };
    subscription.filter.iter().all(condition)
}

/// A batch, if there is one of that number.
pub async fn batch(db: &impl ConnectionTrait, id: &str) -> Result<Option<Batch>> {
    let row = store::lookup::<batch::Entity>(db, id.to_owned()).await?;
    Ok(row.map(Batch::from))
}

/// Keeps a batch's chunks, whoever has them already, until it is let go.
pub async fn hold(tx: &Tx, id: &str, is_held: bool) -> Result<()> {
    batch::Entity::update_many()
        .col_expr(batch::Column::IsHeld, Expr::value(is_held))
        .filter(batch::Column::Id.eq(id))
        .exec(&**tx)
        .await
        .map_err(|e| fault("hold a batch", e))?;
    Ok(())
}

/// A part of a batch that can be read: kind and digest.
#[derive(Clone, Debug)]
pub struct Part {
    pub kind: Kind,
    digest: String,
}

/// The parts of a batch, in order.
pub async fn parts(db: &impl ConnectionTrait, id: &str) -> Result<Vec<Part>> {
    let rows: Vec<chunk_table::Model> = store::chunks(db, id).await?;
    let parts = rows.into_iter().map(|row| Part {
        kind: batches::kind(&row),
        digest: row.digest,
    });
    Ok(parts.collect())
}

/// The rows of a part, in the columns that its batch had. Each batch is decoded when it is asked
/// for.
pub async fn rows(hub: &Hub, part: &Part) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let bytes = hub.landing.get(&hub.db, &part.digest).await?;
    let opening = tokio::task::spawn_blocking(move || Rows::own(bytes));
    let rows = opening.await.map_err(broken)??;
    Ok(futures::stream::try_unfold(rows, decode).boxed())
}

/// The next batch, and what comes after it.
async fn decode(mut rows: Rows) -> Result<Option<(RecordBatch, Rows)>> {
    let decoding = tokio::task::spawn_blocking(move || {
        let batch = rows.next().transpose()?;
        Ok::<_, Fault>(batch.map(|batch| (batch, rows)))
    });
    Ok(decoding.await.map_err(broken)??)
}

fn broken(error: tokio::task::JoinError) -> Fault {
    Fault::caused_by("read a chunk", error)
}

/// Whether what is kept of a batch still bears the signatures of its node and of this hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    pub has_manifest: bool,
    pub has_receipt: bool,
}

pub async fn proof(hub: &Hub, id: &str) -> Result<Proof> {
    let db = hub.db.read();
    let row = store::get::<batch::Entity>(db, "batch", id.to_owned()).await?;
    let keys = store::keys(db, Some(&row.node)).await?;
    let receipt = batches::receipt(&row);
    let receipt = receipt.and_then(|r| r.open::<Receipt>(&hub.authority.public_key()).ok());
    let has_receipt = receipt.is_some_and(|said| {
        said.batch == row.id && said.manifest == chunk::digest(row.manifest.as_bytes())
    });
    let manifest = Signed {
        text: row.manifest,
        signature: row.manifest_signature,
    };
    // The key that the node had when the batch came; it may have enrolled anew since.
    let end = row.accepted_at.unwrap_or(i64::MAX);
    let of_then = |key: &node_key::Model| {
        key.since <= end && key.until.is_none_or(|until| row.offered_at <= until)
    };
    let is_signed = keys.iter().filter(|key| of_then(key)).any(|key| {
        let key = PublicKey::from_pem(&key.signing_key).ok();
        let said = key.and_then(|key| manifest.open::<Manifest>(&key).ok());
        said.is_some_and(|said| said.batch == row.id)
    });
    Ok(Proof {
        has_manifest: is_signed,
        has_receipt,
    })
}

/// What a publication's batches add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromQueryResult)]
pub struct Sum {
    pub batches: i64,
    pub rows: i64,
    pub deletes: i64,
    /// Rows that its node set aside.
    pub refused: i64,
    pub last_at: Option<i64>,
}

/// `PostgreSQL` sums whole numbers into another type, and nothing into none.
fn whole(sum: Expr) -> Expr {
    Func::coalesce([sum, Expr::val(0)]).cast_as("bigint")
}

/// Sums over a publication's accepted batches.
pub async fn sum(db: &impl ConnectionTrait, code: &str) -> Result<Sum> {
    use batch::Column as C;
    let total = |column: C| whole(Expr::col(column).sum());
    let found = batch::Entity::find()
        .select_only()
        .column_as(C::Id.count(), "batches")
        .column_as(total(C::RowCount), "rows")
        .column_as(total(C::DeleteCount), "deletes")
        .column_as(total(C::RefusedCount), "refused")
        .column_as(C::AcceptedAt.max(), "last_at")
        .filter(C::Publication.eq(code))
        .filter(C::State.eq("accepted"))
        .into_model::<Sum>()
        .one(db)
        .await
        .map_err(|e| fault("sum batches", e))?;
    Ok(found.unwrap_or_default())
}

/// What became of deliveries of one subscription.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Outcome {
    pub subscription: String,
    pub state: String,
    pub deliveries: i64,
    pub rows: i64,
    pub last_at: Option<i64>,
}

/// Deliveries of a publication, by subscription and state.
pub async fn outcomes(db: &impl ConnectionTrait, code: &str) -> Result<Vec<Outcome>> {
    use delivery::Column as C;
    delivery::Entity::find()
        .select_only()
        .column(C::Subscription)
        .column(C::State)
        .column_as(C::Id.count(), "deliveries")
        .column_as(whole(Expr::col(C::RowCount).sum()), "rows")
        .column_as(C::AppliedAt.max(), "last_at")
        .filter(C::Publication.eq(code))
        .group_by(C::Subscription)
        .group_by(C::State)
        .order_by_asc(C::Subscription)
        .into_model::<Outcome>()
        .all(db)
        .await
        .map_err(|e| fault("sum deliveries", e).into())
}
