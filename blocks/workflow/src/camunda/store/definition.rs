//! Versions of process definitions.

use kernel::Result;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Alias, Expr, ExprTrait, Query},
};
use store::{Db, dialect, fault};

use super::{Orders, is_one, ordered};
use crate::{
    camunda::{definition::ListQuery, search::Paging},
    rest::store::{DefinitionRow, heads},
    schema::definition::{Column, Entity},
};

/// Versions without their files, by key, the newest first, unless another order is asked for. All
/// of them where no part is asked for: a script that lists what is deployed wants to see it whole.
pub(in crate::camunda) async fn list(
    db: &Db,
    query: &ListQuery,
    order: &Orders<Column>,
    page: Paging,
) -> Result<Vec<DefinitionRow>> {
    const ALL: u64 = i64::MAX.unsigned_abs();
    let rows = heads(ordered(wanted(db, query), order))
        .order_by_asc(Column::Key)
        .order_by_desc(Column::Version)
        .limit(page.max_results.map_or(ALL, u64::from))
        .offset(page.first());
    Ok(rows
        .into_model::<DefinitionRow>()
        .all(db.read())
        .await
        .map_err(|e| fault("list definitions", e))?)
}

/// How many versions there are; names, which stand in the files, are not asked for.
pub(in crate::camunda) async fn count(db: &Db, query: &ListQuery) -> Result<u64> {
    super::count(db, wanted(db, query), Column::Id).await
}

fn wanted(db: &Db, query: &ListQuery) -> Select<Entity> {
    let like = query.key_like.as_deref();
    let conditions = Condition::all()
        .add(Column::Kind.eq("bpmn"))
        .add(is_one(
            Column::Id,
            query.process_definition_id.as_ref(),
            query.process_definition_id_in.as_ref(),
        ))
        .add(is_one(Column::Id, query.deployment_id.as_ref(), None))
        .add(is_one(
            Column::Key,
            query.key.as_ref(),
            query.keys_in.as_ref(),
        ))
        .add_option(like.map(|like| dialect::like(db.engine(), Column::Key, like)))
        .add_option(query.version.map(|version| Column::Version.eq(version)))
        .add_option(query.latest_version.then(is_newest))
        // None is ever suspended.
        .add_option(query.suspended.then(|| Expr::val(false)));
    Entity::find().filter(conditions)
}

/// No version of the key came after it, of whatever kind.
fn is_newest() -> Expr {
    let later = Alias::new("later");
    let column = |column: Column| Expr::col((later.clone(), column));
    let newer = Query::select()
        .expr(Expr::val(1))
        .from_as(Entity, later.clone())
        .and_where(column(Column::Key).equals((Entity, Column::Key)))
        .and_where(column(Column::Version).gt(Expr::col((Entity, Column::Version))))
        .take();
    Expr::exists(newer).not()
}
