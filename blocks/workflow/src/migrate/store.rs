//! Queries of migration on the tables of this crate.

use kernel::{Error, Result};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use store::{Tx, fault};

use crate::schema::{call, clock, external, instance, task};

/// Running instances of a definition after an id; only the named ones, if any are named.
pub(super) async fn running<C: ConnectionTrait>(
    db: &C,
    definition: &str,
    named: &[String],
    after: &str,
    limit: u64,
) -> Result<Vec<instance::Model>> {
    let mut query = instance::Entity::find()
        .filter(instance::Column::Definition.eq(definition))
        .filter(instance::Column::Status.eq("running"))
        .filter(instance::Column::Id.gt(after))
        .order_by_asc(instance::Column::Id)
        .limit(limit);
    if !named.is_empty() {
        query = query.filter(instance::Column::Id.is_in(named));
    }
    Ok(query
        .all(db)
        .await
        .map_err(|e| fault("list instances to migrate", e))?)
}

/// Writes an instance under its new version, unless a step came first.
pub(super) async fn update_instance(tx: &Tx, row: &instance::Model, before: i64) -> Result<()> {
    let updated = instance::Entity::update_many()
        .set(instance::ActiveModel {
            definition: Set(row.definition.clone()),
            process: Set(row.process.clone()),
            state: Set(row.state.clone()),
            version: Set(row.version),
            trail_length: Set(row.trail_length),
            ..Default::default()
        })
        .filter(instance::Column::Id.eq(&row.id))
        .filter(instance::Column::Version.eq(before))
        .exec(&**tx)
        .await
        .map_err(|e| fault("migrate an instance", e))?;
    if updated.rows_affected == 0 {
        return Err(Error::refused("workflow-changed-meanwhile"));
    }
    Ok(())
}

/// Open tasks belong to the new version.
pub(super) async fn update_tasks(tx: &Tx, instance: &str, definition: &str) -> Result<()> {
    task::Entity::update_many()
        .set(task::ActiveModel {
            definition: Set(definition.to_owned()),
            ..Default::default()
        })
        .filter(task::Column::Instance.eq(instance))
        .filter(task::Column::State.is_in(["open", "claimed"]))
        .exec(&**tx)
        .await
        .map_err(|e| fault("migrate tasks", e))?;
    Ok(())
}

/// Tasks of workers outside that are open, or stopped.
pub(super) async fn external(tx: &Tx, instance: &str) -> Result<Vec<external::Model>> {
    Ok(external::Entity::find()
        .filter(external::Column::Instance.eq(instance))
        .filter(external::Column::State.is_in(["open", "failed"]))
        .all(&**tx)
        .await
        .map_err(|e| fault("list external tasks to migrate", e))?)
}

pub(super) async fn move_external(
    tx: &Tx,
    task: external::Model,
    definition: &str,
    element: &str,
    topic: String,
) -> Result<()> {
    let key = definition.split(':').next().unwrap_or_default();
    external::Entity::update_many()
        .set(external::ActiveModel {
            definition: Set(definition.to_owned()),
            key: Set(key.to_owned()),
            element: Set(element.to_owned()),
            topic: Set(topic),
            ..Default::default()
        })
        .filter(external::Column::Id.eq(task.id))
        .exec(&**tx)
        .await
        .map_err(|e| fault("migrate an external task", e))?;
    Ok(())
}

/// What waits at a token is at another element now.
pub(super) async fn rename(
    tx: &Tx,
    instance: &str,
    token: u32,
    element: &str,
    name: &str,
) -> Result<()> {
    let token = i64::from(token);
    task::Entity::update_many()
        .set(task::ActiveModel {
            element: Set(element.to_owned()),
            name: Set(name.to_owned()),
            ..Default::default()
        })
        .filter(task::Column::Instance.eq(instance))
        .filter(task::Column::Token.eq(token))
        .filter(task::Column::State.is_in(["open", "claimed"]))
        .exec(&**tx)
        .await
        .map_err(|e| fault("rename a task", e))?;
    call::Entity::update_many()
        .set(call::ActiveModel {
            element: Set(element.to_owned()),
            ..Default::default()
        })
        .filter(call::Column::Instance.eq(instance))
        .filter(call::Column::Token.eq(token))
        .exec(&**tx)
        .await
        .map_err(|e| fault("rename a call", e))?;
    clock::Entity::update_many()
        .set(clock::ActiveModel {
            element: Set(element.to_owned()),
            ..Default::default()
        })
        .filter(clock::Column::Id.eq(crate::deadline::store::id_of(instance, token)))
        .exec(&**tx)
        .await
        .map_err(|e| fault("rename a clock", e))?;
    Ok(())
}
