//! Queries on batches on their way into the lake.

use ::store::{
    Tx, fault,
    page::{PageOf, PageRequest, key_of},
};
use kernel::{Error, Result, Text};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, Func, OnConflict},
};

use super::{Batch, State};
use crate::schema::batch::{Column as C, Entity};

pub(crate) async fn insert(tx: &Tx, row: Batch) -> Result<()> {
    Entity::insert(row.into_active_model().reset_all())
        .on_conflict(OnConflict::column(C::Id).do_nothing().to_owned())
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("note a batch", e))?;
    Ok(())
}

pub(crate) async fn update(tx: &Tx, row: Batch) -> Result<()> {
    Entity::update(row.into_active_model().reset_all())
        .exec(&**tx)
        .await
        .map_err(|e| fault("note how far a batch is", e))?;
    Ok(())
}

pub(crate) async fn lookup(db: &impl ConnectionTrait, id: &str) -> Result<Option<Batch>> {
    let row = Entity::find_by_id(id).one(db).await;
    row.map_err(|e| fault("look up a batch", e).into())
}

pub(crate) async fn get(db: &impl ConnectionTrait, id: &str) -> Result<Batch> {
    lookup(db, id)
        .await?
        .ok_or(Error::NotFound { what: "batch" })
}

/// Batches of a publication that are not in the lake, in order.
pub(crate) async fn open(db: &impl ConnectionTrait, publication: &str) -> Result<Vec<Batch>> {
    let open = [State::Waiting.name(), State::Failed.name()];
    Entity::find()
        .filter(C::Publication.eq(publication))
        .filter(C::State.is_in(open))
        .order_by_asc(C::Sequence)
        .limit(100)
        .all(db)
        .await
        .map_err(|e| fault("list batches that wait", e).into())
}

/// Batches of a publication, the newest first.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    publication: &str,
    page: &PageRequest,
) -> Result<PageOf<Batch>> {
    let mut query = Entity::find().filter(C::Publication.eq(publication));
    if let Some([sequence, id]) = page.after_parts::<2>() {
        let foreign = |_| Error::invalid("after", Text::new("exchange-after-foreign"));
        let sequence: i64 = sequence.parse().map_err(foreign)?;
        let same = Condition::all()
            .add(C::Sequence.eq(sequence))
            .add(C::Id.lt(id));
        let earlier = Condition::any().add(C::Sequence.lt(sequence)).add(same);
        query = query.filter(earlier);
    }
    let rows = query
        .order_by_desc(C::Sequence)
        .order_by_desc(C::Id)
        .limit(page.fetch())
        .all(db)
        .await
        .map_err(|e| fault("list batches", e))?;
    Ok(page.cut(rows, |row| key_of([&row.sequence, &row.id])))
}

/// How many batches of a publication are in each state, and their rows.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Count {
    pub publication: String,
    pub state: String,
    pub batches: i64,
    pub rows: i64,
    pub good: i64,
    pub bad: i64,
}

/// Counts of one publication, or of all.
pub(crate) async fn counts(
    db: &impl ConnectionTrait,
    publication: Option<&str>,
) -> Result<Vec<Count>> {
    // `PostgreSQL` sums whole numbers into another type.
    let sum = |column: C| Func::coalesce([Expr::col(column).sum(), Expr::val(0)]).cast_as("bigint");
    let mut query = Entity::find()
        .select_only()
        .column(C::Publication)
        .column(C::State)
        .column_as(C::Id.count(), "batches")
        .column_as(sum(C::Rows), "rows")
        .column_as(sum(C::Good), "good")
        .column_as(sum(C::Bad), "bad")
        .group_by(C::Publication)
        .group_by(C::State);
    if let Some(publication) = publication {
        query = query.filter(C::Publication.eq(publication));
    }
    query
        .into_model::<Count>()
        .all(db)
        .await
        .map_err(|e| fault("count batches", e).into())
}
