//! Queries on the hub's tables.

use ::store::{
    Tx, fault,
    page::{PageOf, PageRequest, key_of},
};
use kernel::{Error, Result, Text, clock::micros};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait,
    IntoActiveModel, ModelTrait, PrimaryKeyTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};

use crate::schema::{
    batch, certificate, chunk, delivery, node, node_key, node_trouble, publication, refused_row,
    subscription,
};

/// A row by its key.
pub async fn lookup<E>(
    db: &impl ConnectionTrait,
    key: impl Into<<E::PrimaryKey as PrimaryKeyTrait>::ValueType>,
) -> Result<Option<E::Model>>
where
    E: EntityTrait,
{
    let found = E::find_by_id(key).one(db).await;
    found.map_err(|e| fault("read the exchange", e).into())
}

/// A row by its key, which must be there.
pub async fn get<E>(
    db: &impl ConnectionTrait,
    what: &'static str,
    key: impl Into<<E::PrimaryKey as PrimaryKeyTrait>::ValueType>,
) -> Result<E::Model>
where
    E: EntityTrait,
{
    lookup::<E>(db, key).await?.ok_or(Error::NotFound { what })
}

pub async fn insert<M, A>(tx: &Tx, row: M) -> Result<()>
where
    M: ModelTrait + IntoActiveModel<A>,
    A: ActiveModelTrait<Entity = M::Entity> + ActiveModelBehavior + Send,
{
    <M::Entity as EntityTrait>::insert(row.into_active_model().reset_all())
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("write to the exchange", e))?;
    Ok(())
}

/// Inserts rows that are not there yet.
pub async fn insert_all<M, A>(tx: &Tx, rows: Vec<M>) -> Result<()>
where
    M: ModelTrait + IntoActiveModel<A>,
    A: ActiveModelTrait<Entity = M::Entity> + ActiveModelBehavior + Send,
{
    let mut rows = rows
        .into_iter()
        .map(|row| row.into_active_model().reset_all());
    loop {
        let some: Vec<A> = rows.by_ref().take(500).collect();
        if some.is_empty() {
            return Ok(());
        }
        <M::Entity as EntityTrait>::insert_many(some)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("write to the exchange", e))?;
    }
}

pub async fn update<M, A>(tx: &Tx, row: M) -> Result<()>
where
    M: ModelTrait + IntoActiveModel<A>,
    <M::Entity as EntityTrait>::Model: IntoActiveModel<A>,
    A: ActiveModelTrait<Entity = M::Entity> + ActiveModelBehavior + Send,
{
    // Of the whole row every column is set, the key tells which one it is.
    <M::Entity as EntityTrait>::update(row.into_active_model().reset_all())
        .exec(&**tx)
        .await
        .map_err(|e| fault("write to the exchange", e))?;
    Ok(())
}

/// The node that a certificate belongs to.
pub async fn node_of(db: &impl ConnectionTrait, fingerprint: &str) -> Result<Option<node::Model>> {
    match lookup::<certificate::Entity>(db, fingerprint.to_owned()).await? {
        Some(known) => lookup::<node::Entity>(db, known.node).await,
        None => Ok(None),
    }
}

pub async fn nodes(db: &impl ConnectionTrait) -> Result<Vec<node::Model>> {
    let all = node::Entity::find()
        .order_by_asc(node::Column::Code)
        .all(db)
        .await;
    all.map_err(|e| fault("list nodes", e).into())
}

/// The node must come with a new certificate.
pub async fn forget_certificates(tx: &Tx, node: &str) -> Result<()> {
    certificate::Entity::delete_many()
        .filter(certificate::Column::Node.eq(node))
        .exec(&**tx)
        .await
        .map_err(|e| fault("forget a node's certificates", e))?;
    Ok(())
}

/// Keys of a node, or of all, the oldest first.
pub async fn keys(db: &impl ConnectionTrait, node: Option<&str>) -> Result<Vec<node_key::Model>> {
    let mut query = node_key::Entity::find();
    if let Some(node) = node {
        query = query.filter(node_key::Column::Node.eq(node));
    }
    query
        .order_by_asc(node_key::Column::Node)
        .order_by_asc(node_key::Column::Since)
        .all(db)
        .await
        .map_err(|e| fault("list nodes' keys", e).into())
}

/// The span of a node's present key ends, and that of the new one begins. A key that comes once
/// more goes on.
pub async fn change_key(tx: &Tx, node: &str, fresh: Option<String>) -> Result<()> {
    let now = micros(tx.now());
    let known = keys(&**tx, Some(node)).await?;
    let last = known.last().map(|key| key.since);
    let present = known.into_iter().find(|key| key.until.is_none());
    if let (Some(present), Some(fresh)) = (&present, &fresh)
        && present.signing_key == *fresh
    {
        return Ok(());
    }
    if let Some(present) = present {
        let until = Some(now);
        update(tx, node_key::Model { until, ..present }).await?;
    }
    let Some(signing_key) = fresh else {
        return Ok(());
    };
    let row = node_key::Model {
        node: node.to_owned(),
        // Each begins at a moment of its own.
        since: last.map_or(now, |last| now.max(last + 1)),
        signing_key,
        until: None,
    };
    insert(tx, row).await
}

/// Troubles of a node, or of all.
pub async fn troubles(
    db: &impl ConnectionTrait,
    node: Option<&str>,
) -> Result<Vec<node_trouble::Model>> {
    let mut query = node_trouble::Entity::find();
    if let Some(node) = node {
        query = query.filter(node_trouble::Column::Node.eq(node));
    }
    let all = query
        .order_by_asc(node_trouble::Column::Publication)
        .all(db)
        .await;
    all.map_err(|e| fault("list nodes' troubles", e).into())
}

pub async fn forget_troubles(tx: &Tx, node: &str) -> Result<()> {
    node_trouble::Entity::delete_many()
        .filter(node_trouble::Column::Node.eq(node))
        .exec(&**tx)
        .await
        .map_err(|e| fault("forget a node's troubles", e))?;
    Ok(())
}

/// Notes that a node was heard of.
pub async fn touch(tx: &Tx, node: &str) -> Result<()> {
    let now = micros(tx.now());
    node::Entity::update_many()
        .col_expr(node::Column::SeenAt, Expr::value(now))
        .filter(node::Column::Code.eq(node))
        .exec(&**tx)
        .await
        .map_err(|e| fault("note that a node was heard of", e))?;
    Ok(())
}

pub async fn publications(
    db: &impl ConnectionTrait,
    node: Option<&str>,
) -> Result<Vec<publication::Model>> {
    let mut query = publication::Entity::find();
    if let Some(node) = node {
        query = query.filter(publication::Column::Node.eq(node));
    }
    let all = query.order_by_asc(publication::Column::Code).all(db).await;
    all.map_err(|e| fault("list publications", e).into())
}

pub async fn subscriptions(
    db: &impl ConnectionTrait,
    publication: Option<&str>,
) -> Result<Vec<subscription::Model>> {
    let mut query = subscription::Entity::find();
    if let Some(publication) = publication {
        query = query.filter(subscription::Column::Publication.eq(publication));
    }
    let all = query.order_by_asc(subscription::Column::Id).all(db).await;
    all.map_err(|e| fault("list subscriptions", e).into())
}

pub async fn chunks(db: &impl ConnectionTrait, batch: &str) -> Result<Vec<chunk::Model>> {
    chunk::Entity::find()
        .filter(chunk::Column::Batch.eq(batch))
        .order_by_asc(chunk::Column::Place)
        .all(db)
        .await
        .map_err(|e| fault("list chunks", e).into())
}

/// Batches of a publication that are not whole yet.
pub async fn receiving(db: &impl ConnectionTrait, publication: &str) -> Result<Vec<batch::Model>> {
    batch::Entity::find()
        .filter(batch::Column::Publication.eq(publication))
        .filter(batch::Column::State.eq("receiving"))
        .all(db)
        .await
        .map_err(|e| fault("list batches", e).into())
}

/// A chunk that has arrived.
pub async fn put_chunk(tx: &Tx, row: chunk::Model) -> Result<()> {
    let again = OnConflict::columns([chunk::Column::Batch, chunk::Column::Place])
        .update_columns([chunk::Column::Checksum, chunk::Column::ArrivedAt])
        .to_owned();
    chunk::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(again)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("write to the exchange", e))?;
    Ok(())
}

/// Forgets a chunk; `is_released` where its batch has no other of the same content.
pub async fn forget_chunk(tx: &Tx, row: &chunk::Model, is_released: bool) -> Result<()> {
    chunk::Entity::delete_by_id((row.batch.clone(), row.place))
        .exec(&**tx)
        .await
        .map_err(|e| fault("forget a chunk", e))?;
    if is_released && row.arrived_at.is_some() {
        let holder = crate::hub::landing::holder(&row.batch);
        ::store::blob::release(tx, &row.digest, &holder).await?;
    }
    Ok(())
}

/// Batches that began before that moment and are not whole.
pub async fn unfinished_before(
    db: &impl ConnectionTrait,
    moment: i64,
) -> Result<Vec<batch::Model>> {
    batch::Entity::find()
        .filter(batch::Column::State.eq("receiving"))
        .filter(batch::Column::OfferedAt.lt(moment))
        .all(db)
        .await
        .map_err(|e| fault("list batches", e).into())
}

/// Forgets a batch that will never be whole; chunks that lie for it already are let go.
pub async fn forget_batch(tx: &Tx, id: &str) -> Result<()> {
    let failed = |e| fault("forget a batch", e);
    for chunk in chunks(&**tx, id).await? {
        if chunk.arrived_at.is_some() {
            ::store::blob::release(tx, &chunk.digest, &crate::hub::landing::holder(id)).await?;
        }
    }
    let of_chunk = chunk::Column::Batch.eq(id);
    chunk::Entity::delete_many()
        .filter(of_chunk)
        .exec(&**tx)
        .await
        .map_err(failed)?;
    let of_row = refused_row::Column::Batch.eq(id);
    refused_row::Entity::delete_many()
        .filter(of_row)
        .exec(&**tx)
        .await
        .map_err(failed)?;
    batch::Entity::delete_by_id(id)
        .exec(&**tx)
        .await
        .map_err(failed)?;
    Ok(())
}

/// Batches, the newest first.
pub async fn batches(
    db: &impl ConnectionTrait,
    publication: Option<&str>,
    page: &PageRequest,
) -> Result<PageOf<batch::Model>> {
    let mut query = batch::Entity::find();
    if let Some(publication) = publication {
        query = query.filter(batch::Column::Publication.eq(publication));
    }
    if let Some([at, id]) = page.after_parts::<2>() {
        let foreign = |_| Error::invalid("after", Text::new("exchange-after-foreign"));
        let at: i64 = at.parse().map_err(foreign)?;
        let earlier = sea_orm::Condition::any()
            .add(batch::Column::OfferedAt.lt(at))
            .add(
                sea_orm::Condition::all()
                    .add(batch::Column::OfferedAt.eq(at))
                    .add(batch::Column::Id.lt(id)),
            );
        query = query.filter(earlier);
    }
    let rows = query
        .order_by_desc(batch::Column::OfferedAt)
        .order_by_desc(batch::Column::Id)
        .limit(page.fetch())
        .all(db)
        .await
        .map_err(|e| fault("list batches", e))?;
    Ok(page.cut(rows, |row| key_of([&row.offered_at, &row.id])))
}

/// Batches accepted within a span of time.
pub async fn accepted_between(
    db: &impl ConnectionTrait,
    from: i64,
    until: i64,
) -> Result<Vec<batch::Model>> {
    batch::Entity::find()
        .filter(batch::Column::AcceptedAt.gte(from))
        .filter(batch::Column::AcceptedAt.lt(until))
        .order_by_asc(batch::Column::Publication)
        .order_by_asc(batch::Column::Sequence)
        .all(db)
        .await
        .map_err(|e| fault("list batches", e).into())
}

pub async fn deliveries_of(
    db: &impl ConnectionTrait,
    batches: &[String],
) -> Result<Vec<delivery::Model>> {
    let mut all = Vec::new();
    for some in batches.chunks(500) {
        let rows = delivery::Entity::find()
            .filter(delivery::Column::Batch.is_in(some.to_vec()))
            .order_by_asc(delivery::Column::Id)
            .all(db)
            .await
            .map_err(|e| fault("list deliveries", e))?;
        all.extend(rows);
    }
    Ok(all)
}

/// What a node, or everybody, has not applied yet, in order.
pub async fn open_deliveries(
    db: &impl ConnectionTrait,
    node: Option<&str>,
) -> Result<Vec<delivery::Model>> {
    let mut query = delivery::Entity::find()
        .filter(delivery::Column::State.is_in(["waiting", "sent", "failed"]));
    if let Some(node) = node {
        query = query.filter(delivery::Column::Node.eq(node));
    }
    query
        .order_by_asc(delivery::Column::Subscription)
        .order_by_asc(delivery::Column::Sequence)
        .all(db)
        .await
        .map_err(|e| fault("list deliveries", e).into())
}

/// A full batch makes what waits before it unnecessary.
pub async fn supersede(tx: &Tx, subscription: &str) -> Result<()> {
    delivery::Entity::update_many()
        .col_expr(delivery::Column::State, Expr::value("superseded"))
        .filter(delivery::Column::Subscription.eq(subscription))
        .filter(delivery::Column::State.is_in(["waiting", "sent", "failed"]))
        .exec(&**tx)
        .await
        .map_err(|e| fault("supersede deliveries", e))?;
    Ok(())
}

/// What is kept of a batch's refused rows.
pub struct RefusedCount {
    pub rows: u64,
    /// A row may have several.
    pub reasons: usize,
}

pub async fn refused_count(db: &impl ConnectionTrait, batch: &str) -> Result<RefusedCount> {
    let of_batch = refused_row::Entity::find().filter(refused_row::Column::Batch.eq(batch));
    let numbers: Vec<i64> = of_batch
        .select_only()
        .column(refused_row::Column::RowNumber)
        .order_by_asc(refused_row::Column::RowNumber)
        .into_tuple()
        .all(db)
        .await
        .map_err(|e| fault("count refused rows", e))?;
    let reasons = numbers.len();
    let mut rows = numbers;
    rows.dedup();
    Ok(RefusedCount {
        rows: rows.len() as u64,
        reasons,
    })
}

/// Refused rows of a batch by number.
pub async fn refused(
    db: &impl ConnectionTrait,
    batch: &str,
    page: &PageRequest,
) -> Result<PageOf<refused_row::Model>> {
    let mut query = refused_row::Entity::find().filter(refused_row::Column::Batch.eq(batch));
    if let Some([row, field]) = page.after_parts::<2>() {
        let foreign = |_| Error::invalid("after", Text::new("exchange-after-foreign"));
        let row: i64 = row.parse().map_err(foreign)?;
        let later = sea_orm::Condition::any()
            .add(refused_row::Column::RowNumber.gt(row))
            .add(
                sea_orm::Condition::all()
                    .add(refused_row::Column::RowNumber.eq(row))
                    .add(refused_row::Column::Field.gt(field)),
            );
        query = query.filter(later);
    }
    let rows = query
        .order_by_asc(refused_row::Column::RowNumber)
        .order_by_asc(refused_row::Column::Field)
        .limit(page.fetch())
        .all(db)
        .await
        .map_err(|e| fault("list refused rows", e))?;
    Ok(page.cut(rows, |row| key_of([&row.row_number, &row.field])))
}

/// Batches whose chunks may go: accepted before that moment and needed by nobody.
pub async fn done_before(db: &impl ConnectionTrait, moment: i64) -> Result<Vec<batch::Model>> {
    let needed = sea_orm::sea_query::Query::select()
        .column(delivery::Column::Batch)
        .from(delivery::Entity)
        .and_where(delivery::Column::State.is_in(["waiting", "sent", "failed"]))
        .to_owned();
    batch::Entity::find()
        .filter(batch::Column::AcceptedAt.lt(moment))
        .filter(batch::Column::PrunedAt.is_null())
        .filter(batch::Column::IsHeld.eq(false))
        .filter(batch::Column::Id.not_in_subquery(needed))
        .order_by_asc(batch::Column::AcceptedAt)
        .limit(100)
        .all(db)
        .await
        .map_err(|e| fault("list batches that may go", e).into())
}
