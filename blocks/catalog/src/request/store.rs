//! Queries on requests.

use ::store::{
    Tx, fault,
    page::{PageOf, PageRequest},
};
use kernel::{Error, Result, clock::micros};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::{Request, State};
use crate::schema::request::{Column, Entity};

pub(crate) async fn insert(tx: &Tx, row: Request) -> Result<()> {
    Entity::insert(row.into_active_model())
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("write a request", e))?;
    Ok(())
}

pub(crate) async fn lookup(db: &impl ConnectionTrait, id: &str) -> Result<Option<Request>> {
    let row = Entity::find_by_id(id).one(db).await;
    Ok(row.map_err(|e| fault("look up a request", e))?)
}

pub(crate) async fn get(db: &impl ConnectionTrait, id: &str) -> Result<Request> {
    let row = lookup(db, id).await?;
    row.ok_or(Error::NotFound { what: "request" })
}

/// Writes the row under its next version; refused when somebody else was faster.
pub(crate) async fn update(tx: &Tx, row: Request) -> Result<Request> {
    let (id, seen) = (row.id.clone(), row.version);
    let next = Request {
        version: seen + 1,
        updated_at: micros(tx.now()),
        ..row
    };
    let done = Entity::update_many()
        .set({
            use sea_orm::ActiveModelTrait;
            next.clone().into_active_model().reset_all()
        })
        .filter(Column::Id.eq(id))
        .filter(Column::Version.eq(seen))
        .exec(&**tx)
        .await
        .map_err(|e| fault("change a request", e))?;
    if done.rows_affected == 0 {
        return Err(Error::refused("catalog-changed"));
    }
    Ok(next)
}

/// Requests of or to these organisations, none for all; the newest first.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    state: Option<State>,
    orgs: Option<&[String]>,
    page: &PageRequest,
) -> Result<PageOf<Request>> {
    let mut query = Entity::find().order_by_desc(Column::Id).limit(page.fetch());
    if let Some(state) = state {
        query = query.filter(Column::State.eq(state.name()));
    }
    if let Some(orgs) = orgs {
        let mine = Condition::any()
            .add(Column::Applicant.is_in(orgs))
            .add(Column::Provider.is_in(orgs));
        query = query.filter(mine);
    }
    if let Some(before) = &page.after {
        query = query.filter(Column::Id.lt(before));
    }
    let rows = query.all(db).await;
    let rows = rows.map_err(|e| fault("list requests", e))?;
    Ok(page.cut(rows, |row| row.id.clone()))
}

/// Requests of a resource that are open or granted.
pub(crate) async fn live(db: &impl ConnectionTrait, resource: &str) -> Result<Vec<Request>> {
    let live = State::ALL
        .into_iter()
        .filter(|s| s.is_open() || s.is_granted());
    let rows = Entity::find()
        .filter(Column::Resource.eq(resource))
        .filter(Column::State.is_in(live.map(State::name)))
        .order_by_asc(Column::Id)
        .all(db)
        .await;
    Ok(rows.map_err(|e| fault("list requests", e))?)
}

/// Grants of an organisation for a resource.
pub(crate) async fn granted(
    db: &impl ConnectionTrait,
    resource: &str,
    applicant: &str,
) -> Result<Vec<Request>> {
    let rows = Entity::find()
        .filter(Column::Resource.eq(resource))
        .filter(Column::Applicant.eq(applicant))
        .filter(Column::State.eq(State::Active.name()))
        .order_by_desc(Column::Id)
        .all(db)
        .await;
    Ok(rows.map_err(|e| fault("list grants", e))?)
}

/// Grants in force or suspended, of a resource (by id), of an applicant, or of both.
pub(crate) async fn grants(
    db: &impl ConnectionTrait,
    resource: Option<&str>,
    applicant: Option<&str>,
) -> Result<Vec<Request>> {
    let states = State::ALL.into_iter().filter(|state| state.is_granted());
    let mut query = Entity::find()
        .filter(Column::State.is_in(states.map(State::name)))
        .order_by_asc(Column::Id);
    if let Some(resource) = resource {
        query = query.filter(Column::Resource.eq(resource));
    }
    if let Some(applicant) = applicant {
        query = query.filter(Column::Applicant.eq(applicant));
    }
    let rows = query.all(db).await;
    Ok(rows.map_err(|e| fault("list grants", e))?)
}
