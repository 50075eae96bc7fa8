//! The questions behind the figures. Each is answered from one index; the tests look at the plans.

use ::store::{Db, fault};
use kernel::Result;
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, SimpleExpr},
};

use crate::schema::{instance, task};

/// Open tasks at one step in one state.
#[derive(Debug, FromQueryResult)]
pub(crate) struct Open {
    pub element: String,
    pub state: String,
    pub count: i64,
    pub overdue: i64,
}

/// One task that ended.
#[derive(Debug, FromQueryResult)]
pub(crate) struct Ended {
    pub element: String,
    pub instance: String,
    pub state: String,
    pub created_at: i64,
    pub done_at: i64,
    pub due_at: Option<i64>,
}

/// In the words of the partial index: with bound values no database could tell that it fits.
fn is_open() -> SimpleExpr {
    Expr::cust("state IN ('open', 'claimed')")
}

pub(crate) async fn open_tasks(db: &Db, definition: &str, now: i64) -> Result<Vec<Open>> {
    let overdue: SimpleExpr = Expr::case(Expr::col(task::Column::DueAt).lt(now), 1)
        .finally(0)
        .into();
    let query = task::Entity::find()
        .select_only()
        .columns([task::Column::Element, task::Column::State])
        .column_as(Expr::cust("COUNT(*)"), "count")
        .column_as(overdue.sum().cast_as("bigint"), "overdue")
        .filter(task::Column::Definition.eq(definition))
        .filter(is_open())
        .group_by(task::Column::Element)
        .group_by(task::Column::State);
    Ok(query
        .into_model()
        .all(db.read())
        .await
        .map_err(|e| fault("count open tasks", e))?)
}

pub(crate) async fn ended_tasks(
    db: &Db,
    definition: &str,
    since: i64,
    most: u64,
) -> Result<Vec<Ended>> {
    let query = task::Entity::find()
        .select_only()
        .columns([
            task::Column::Element,
            task::Column::Instance,
            task::Column::State,
            task::Column::CreatedAt,
            task::Column::DoneAt,
            task::Column::DueAt,
        ])
        .filter(task::Column::Definition.eq(definition))
        .filter(task::Column::DoneAt.gte(since))
        // A signer's part is of one task with the others.
        .filter(task::Column::Parent.is_null())
        .order_by_desc(task::Column::DoneAt)
        .limit(most);
    Ok(query
        .into_model()
        .all(db.read())
        .await
        .map_err(|e| fault("list ended tasks", e))?)
}

/// Running instances of a version, and how many of them stopped.
pub(crate) async fn count_running(db: &Db, definition: &str) -> Result<(u64, u64)> {
    let counted = || {
        instance::Entity::find()
            .select_only()
            .column_as(Expr::cust("COUNT(*)"), "count")
            .filter(instance::Column::Definition.eq(definition))
    };
    let running: Option<i64> = counted()
        .filter(instance::Column::Status.eq("running"))
        .into_tuple()
        .one(db.read())
        .await
        .map_err(|e| fault("count instances", e))?;
    // Only running instances have stopped tokens; asking for the status too would draw the
    // planner away from the small index.
    let stopped: Option<i64> = counted()
        .filter(Expr::cust("incidents > 0"))
        .into_tuple()
        .one(db.read())
        .await
        .map_err(|e| fault("count stopped instances", e))?;
    let whole = |count: Option<i64>| u64::try_from(count.unwrap_or_default()).unwrap_or_default();
    Ok((whole(running), whole(stopped)))
}

/// The newest running instances of a version.
pub(crate) async fn running(db: &Db, definition: &str, most: u64) -> Result<Vec<instance::Model>> {
    let query = instance::Entity::find()
        .filter(instance::Column::Definition.eq(definition))
        .filter(instance::Column::Status.eq("running"))
        .order_by_desc(instance::Column::Id)
        .limit(most);
    Ok(query
        .all(db.read())
        .await
        .map_err(|e| fault("read running instances", e))?)
}

type Counted = Vec<(String, u64)>;

fn counted(rows: Vec<(String, i64)>) -> Counted {
    rows.into_iter()
        .map(|(definition, count)| (definition, u64::try_from(count).unwrap_or_default()))
        .collect()
}

pub(crate) async fn running_by_definition(db: &Db) -> Result<Counted> {
    let query = instance::Entity::find()
        .select_only()
        .column(instance::Column::Definition)
        .column_as(Expr::cust("COUNT(*)"), "count")
        .filter(instance::Column::Status.eq("running"))
        .group_by(instance::Column::Definition);
    let rows = query.into_tuple().all(db.read()).await;
    Ok(counted(rows.map_err(|e| fault("count instances", e))?))
}

pub(crate) async fn waiting_by_definition(db: &Db) -> Result<Counted> {
    let query = task::Entity::find()
        .select_only()
        .column(task::Column::Definition)
        .column_as(Expr::cust("COUNT(*)"), "count")
        .filter(is_open())
        .group_by(task::Column::Definition);
    let rows = query.into_tuple().all(db.read()).await;
    Ok(counted(rows.map_err(|e| fault("count waiting tasks", e))?))
}

pub(crate) async fn stopped_by_definition(db: &Db) -> Result<Counted> {
    let query = instance::Entity::find()
        .select_only()
        .column(instance::Column::Definition)
        .column_as(Expr::cust("COUNT(*)"), "count")
        .filter(Expr::cust("incidents > 0"))
        .group_by(instance::Column::Definition);
    let rows = query.into_tuple().all(db.read()).await;
    Ok(counted(
        rows.map_err(|e| fault("count stopped instances", e))?,
    ))
}
