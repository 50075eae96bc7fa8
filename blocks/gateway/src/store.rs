//! Queries on the tables `gateway_*`.

use ::store::{
    Tx, fault,
    page::{PageOf, PageRequest, key_of},
};
use chrono::NaiveDate;
use kernel::{Error, Result, Text};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait,
    FromQueryResult, IntoActiveModel, ModelTrait, PrimaryKeyTrait, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, Func, OnConflict},
};

use crate::schema::{call, grant, refused, resource, signer, used};

/// A row by its key.
pub async fn lookup<E>(
    db: &impl ConnectionTrait,
    key: impl Into<<E::PrimaryKey as PrimaryKeyTrait>::ValueType>,
) -> Result<Option<E::Model>>
where
    E: EntityTrait,
{
    let found = E::find_by_id(key).one(db).await;
    found.map_err(|e| fault("read the gateway", e).into())
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
        .map_err(|e| fault("write to the gateway", e))?;
    Ok(())
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
        .map_err(|e| fault("write to the gateway", e))?;
    Ok(())
}

pub async fn resources(db: &impl ConnectionTrait) -> Result<Vec<resource::Model>> {
    let all = resource::Entity::find().order_by_asc(resource::Column::Code);
    let all = all.all(db).await;
    all.map_err(|e| fault("list resources of the gateway", e).into())
}

/// Grants of a resource; of some consumers where they are named.
pub async fn grants(
    db: &impl ConnectionTrait,
    resource: &str,
    orgs: Option<&[String]>,
) -> Result<Vec<grant::Model>> {
    let mut query = grant::Entity::find().filter(grant::Column::Resource.eq(resource));
    if let Some(orgs) = orgs {
        query = query.filter(grant::Column::Org.is_in(orgs.iter().map(String::as_str)));
    }
    let all = query.order_by_asc(grant::Column::Id).all(db).await;
    all.map_err(|e| fault("list grants", e).into())
}

pub async fn used(db: &impl ConnectionTrait, grant: &str, day: NaiveDate) -> Result<u64> {
    let row = lookup::<used::Entity>(db, (grant.to_owned(), day)).await?;
    Ok(row.map_or(0, |row| row.calls.unsigned_abs()))
}

/// Adds calls to a grant's day.
pub async fn add_used(tx: &Tx, grant: &str, day: NaiveDate, calls: i64) -> Result<()> {
    let row = used::Model {
        grant_id: grant.to_owned(),
        day,
        calls,
    };
    let more = Expr::col((used::Entity, used::Column::Calls)).add(calls);
    let again = OnConflict::columns([used::Column::GrantId, used::Column::Day])
        .value(used::Column::Calls, more)
        .to_owned();
    used::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(again)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("count calls", e))?;
    Ok(())
}

/// Adds refused calls to those of their day, caller and rule.
pub async fn add_refused(tx: &Tx, row: refused::Model) -> Result<()> {
    use refused::{Column, Entity};
    let own = |column| Expr::col((Entity, column));
    let (calls, first, last) = (row.calls, row.first_at, row.last_at);
    // Another process may have written later ones already.
    let first = Expr::case(own(Column::FirstAt).gt(first), first).finally(own(Column::FirstAt));
    let last = Expr::case(own(Column::LastAt).lt(last), last).finally(own(Column::LastAt));
    let key = [
        Column::Resource,
        Column::Day,
        Column::Consumer,
        Column::Rule,
    ];
    let again = OnConflict::columns(key)
        .value(Column::Calls, own(Column::Calls).add(calls))
        .value(Column::FirstAt, first)
        .value(Column::LastAt, last)
        .to_owned();
    Entity::insert(row.into_active_model().reset_all())
        .on_conflict(again)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("count refused calls", e))?;
    Ok(())
}

/// Refused calls of a resource, the newest day first; of some callers where they are named.
pub async fn refused(
    db: &impl ConnectionTrait,
    resource: &str,
    consumers: Option<&[String]>,
    page: &PageRequest,
) -> Result<PageOf<refused::Model>> {
    use refused::{Column, Entity};
    let mut query = Entity::find().filter(Column::Resource.eq(resource));
    if let Some(consumers) = consumers {
        query = query.filter(Column::Consumer.is_in(consumers.iter().map(String::as_str)));
    }
    if page.after.is_some() {
        let foreign = || Error::invalid("after", Text::new("gateway-after-foreign"));
        let [day, consumer, rule] = page.after_parts::<3>().ok_or_else(foreign)?;
        let day: NaiveDate = day.parse().map_err(|_| foreign())?;
        let same_caller = Column::Consumer.eq(consumer).and(Column::Rule.gt(rule));
        let same_day = Column::Consumer.gt(consumer).or(same_caller);
        query = query.filter(Column::Day.lt(day).or(Column::Day.eq(day).and(same_day)));
    }
    let rows = query
        .order_by_desc(Column::Day)
        .order_by_asc(Column::Consumer)
        .order_by_asc(Column::Rule)
        .limit(page.fetch())
        .all(db)
        .await
        .map_err(|e| fault("list refused calls", e))?;
    Ok(page.cut(rows, |row| key_of([&row.day, &row.consumer, &row.rule])))
}

/// Removes refused calls of the days before one.
pub async fn forget_refused(tx: &Tx, before: NaiveDate) -> Result<()> {
    refused::Entity::delete_many()
        .filter(refused::Column::Day.lt(before))
        .exec(&**tx)
        .await
        .map_err(|e| fault("forget refused calls", e))?;
    Ok(())
}

/// Inserts calls that are not there yet.
pub async fn insert_calls(tx: &Tx, rows: Vec<call::Model>) -> Result<()> {
    let rows = rows
        .into_iter()
        .map(|row| row.into_active_model().reset_all());
    call::Entity::insert_many(rows)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("keep calls", e))?;
    Ok(())
}

/// Remembers a key; it stays when it is known.
pub async fn note_signer(tx: &Tx, row: signer::Model) -> Result<()> {
    signer::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("remember a key", e))?;
    Ok(())
}

/// Which calls of the log.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub resource: Option<String>,
    pub outcome: Option<String>,
}

/// Calls, the newest first.
pub async fn calls(
    db: &impl ConnectionTrait,
    filter: &Filter,
    page: &PageRequest,
) -> Result<PageOf<call::Model>> {
    let mut query = call::Entity::find();
    if let Some(resource) = &filter.resource {
        query = query.filter(call::Column::Resource.eq(resource));
    }
    if let Some(outcome) = &filter.outcome {
        query = query.filter(call::Column::Outcome.eq(outcome));
    }
    if let Some([at, id]) = page.after_parts::<2>() {
        let foreign = |_| Error::invalid("after", Text::new("gateway-after-foreign"));
        let at: i64 = at.parse().map_err(foreign)?;
        let earlier = sea_orm::Condition::any().add(call::Column::At.lt(at)).add(
            sea_orm::Condition::all()
                .add(call::Column::At.eq(at))
                .add(call::Column::Id.lt(id)),
        );
        query = query.filter(earlier);
    }
    let rows = query
        .order_by_desc(call::Column::At)
        .order_by_desc(call::Column::Id)
        .limit(page.fetch())
        .all(db)
        .await
        .map_err(|e| fault("list calls", e))?;
    Ok(page.cut(rows, |row| key_of([&row.at, &row.id])))
}

/// Calls of one write, in the order of their numbers.
pub async fn of_batch(db: &impl ConnectionTrait, batch: &str) -> Result<Vec<call::Model>> {
    call::Entity::find()
        .filter(call::Column::Batch.eq(batch))
        .order_by_asc(call::Column::Id)
        .all(db)
        .await
        .map_err(|e| fault("list calls", e).into())
}

/// Calls of an hour with one outcome.
#[derive(Debug, FromQueryResult)]
pub struct Tally {
    /// Hours since 1970.
    pub hour: i64,
    pub outcome: String,
    pub calls: i64,
}

/// Calls of a resource, or of all, by hour since a moment.
pub async fn hours(
    db: &impl ConnectionTrait,
    resource: Option<&str>,
    since: i64,
) -> Result<Vec<Tally>> {
    // Both engines divide whole numbers to whole numbers. Written out, because a parameter in the
    // list and another in the grouping are two expressions to PostgreSQL.
    let hour = Expr::cust("\"at\" / 3600000000");
    let mut query = call::Entity::find()
        .select_only()
        .expr_as(hour.clone(), "hour")
        .column(call::Column::Outcome)
        .expr_as(Func::count(Expr::col(call::Column::Id)), "calls")
        .filter(call::Column::At.gte(since));
    if let Some(resource) = resource {
        query = query.filter(call::Column::Resource.eq(resource));
    }
    query
        .group_by(hour)
        .group_by(call::Column::Outcome)
        .into_model::<Tally>()
        .all(db)
        .await
        .map_err(|e| fault("count calls", e).into())
}

/// Times of a call's hops, microseconds.
#[derive(Clone, Copy, Debug, FromQueryResult)]
#[expect(
    clippy::struct_field_names,
    reason = "they are the names of the columns"
)]
pub struct Times {
    pub hub_us: i64,
    pub line_us: i64,
    pub node_us: i64,
    pub api_us: i64,
    pub total_us: i64,
}

/// Times of the newest answered calls of a resource.
pub async fn times(db: &impl ConnectionTrait, resource: &str, most: u64) -> Result<Vec<Times>> {
    call::Entity::find()
        .select_only()
        .columns([
            call::Column::HubUs,
            call::Column::LineUs,
            call::Column::NodeUs,
            call::Column::ApiUs,
            call::Column::TotalUs,
        ])
        .filter(call::Column::Resource.eq(resource))
        .filter(call::Column::Outcome.eq("answered"))
        .order_by_desc(call::Column::At)
        .limit(most)
        .into_model::<Times>()
        .all(db)
        .await
        .map_err(|e| fault("read times of calls", e).into())
}

/// Removes calls from before a moment, some at a time; tells whether there may be more.
pub async fn forget_calls(tx: &Tx, before: i64, most: u64) -> Result<bool> {
    let old: Vec<String> = call::Entity::find()
        .select_only()
        .column(call::Column::Id)
        .filter(call::Column::At.lt(before))
        .limit(most)
        .into_tuple()
        .all(&**tx)
        .await
        .map_err(|e| fault("list old calls", e))?;
    let is_full = old.len() as u64 == most;
    call::Entity::delete_many()
        .filter(call::Column::Id.is_in(old))
        .exec(&**tx)
        .await
        .map_err(|e| fault("forget old calls", e))?;
    Ok(is_full)
}
