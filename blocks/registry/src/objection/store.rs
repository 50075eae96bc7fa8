//! Queries on the table of objections.

use ::store::{
    Tx, fault,
    page::{PageOf, PageRequest},
};
use kernel::{Error, Result};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::State;
use crate::schema::objection::{self as table, Column, Model};

pub async fn get(db: &impl ConnectionTrait, id: &str) -> Result<Model> {
    let row = table::Entity::find_by_id(id)
        .one(db)
        .await
        .map_err(|e| fault("read an objection", e))?;
    row.ok_or(Error::NotFound { what: "objection" })
}

pub async fn insert(tx: &Tx, row: Model) -> Result<()> {
    table::Entity::insert(row.into_active_model().reset_all())
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("insert an objection", e))?;
    Ok(())
}

/// Writes what changed, if nobody else did meanwhile.
pub async fn update(tx: &Tx, mut row: Model) -> Result<Model> {
    let seen = row.version;
    row.version += 1;
    let changed = table::Entity::update_many()
        .set(row.clone().into_active_model().reset_all())
        .filter(Column::Id.eq(&row.id))
        .filter(Column::Version.eq(seen))
        .exec(&**tx)
        .await
        .map_err(|e| fault("update an objection", e))?;
    if changed.rows_affected == 0 {
        return Err(Error::refused("registry-objection-changed"));
    }
    Ok(row)
}

/// Whether somebody doubts this field already.
pub async fn is_doubted(db: &impl ConnectionTrait, record: &str, field: &str) -> Result<bool> {
    let open = State::ALL.into_iter().filter(|s| s.is_open());
    let row = table::Entity::find()
        .filter(Column::Record.eq(record))
        .filter(Column::Field.eq(field))
        .filter(Column::State.is_in(open.map(State::name)))
        .limit(1)
        .one(db)
        .await
        .map_err(|e| fault("look for an objection", e))?;
    Ok(row.is_some())
}

/// Objections in a state, oldest first; of one organisation's to answer or to raise where named.
pub async fn list(
    db: &impl ConnectionTrait,
    orgs: Option<&[String]>,
    state: State,
    page: &PageRequest,
) -> Result<PageOf<Model>> {
    let mut query = table::Entity::find().filter(Column::State.eq(state.name()));
    if let Some(orgs) = orgs {
        let orgs = || orgs.iter().map(String::as_str);
        let either = sea_orm::Condition::any()
            .add(Column::SourceOrg.is_in(orgs()))
            .add(Column::RaisedOrg.is_in(orgs()));
        query = query.filter(either);
    }
    if let Some(after) = &page.after {
        query = query.filter(Column::Id.gt(after));
    }
    let rows = query
        .order_by_asc(Column::Id)
        .limit(page.fetch())
        .all(db)
        .await
        .map_err(|e| fault("list objections", e))?;
    Ok(page.cut(rows, |row| row.id.clone()))
}
