//! Queries of the doors for programs on definitions and instances.

use chrono::{DateTime, Utc};
use kernel::{Result, clock::from_micros};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select, sea_query::Expr,
};
use store::{
    fault,
    page::{PageOf, PageRequest},
};

use crate::schema::{definition, instance, trail};

/// A deployed version without its file.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct DefinitionRow {
    pub id: String,
    pub key: String,
    pub version: i64,
    /// `bpmn` or `dmn`.
    pub kind: String,
    /// Processes or decisions in it, as a JSON list of names.
    pub names: String,
    pub deployed_at: i64,
}

impl DefinitionRow {
    pub fn deployed_at(&self) -> DateTime<Utc> {
        from_micros(self.deployed_at)
    }
}

/// The columns of a [`DefinitionRow`].
pub(crate) fn heads(query: Select<definition::Entity>) -> Select<definition::Entity> {
    query.select_only().columns([
        definition::Column::Id,
        definition::Column::Key,
        definition::Column::Version,
        definition::Column::Kind,
        definition::Column::Names,
        definition::Column::DeployedAt,
    ])
}

/// Versions without their files, by key, the newest first.
pub(crate) async fn definitions<C: ConnectionTrait>(
    db: &C,
    key: Option<&str>,
) -> Result<Vec<DefinitionRow>> {
    let mut query = heads(definition::Entity::find())
        .order_by_asc(definition::Column::Key)
        .order_by_desc(definition::Column::Version);
    if let Some(key) = key {
        query = query.filter(definition::Column::Key.eq(key));
    }
    Ok(query
        .into_model::<DefinitionRow>()
        .all(db)
        .await
        .map_err(|e| fault("list definitions", e))?)
}

/// The newest version of each key.
pub(crate) async fn latest<C: ConnectionTrait>(db: &C) -> Result<Vec<DefinitionRow>> {
    let mut rows = definitions(db, None).await?;
    rows.dedup_by(|later, kept| later.key == kept.key);
    Ok(rows)
}

/// Which instances a list shows; an empty field does not restrict.
#[derive(Clone, Debug, Default)]
pub(crate) struct InstanceFilter {
    pub id: Option<String>,
    pub definition: Option<String>,
    pub key: Option<String>,
    pub subject: Option<String>,
    pub status: Option<String>,
    /// Only those that stopped somewhere.
    pub has_incident: bool,
}

/// An instance without its state.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct InstanceRow {
    pub id: String,
    pub definition: String,
    pub subject: String,
    pub status: String,
    pub incidents: i64,
    pub started_by: String,
    pub started_at: i64,
    pub ended_at: Option<i64>,
}

fn filtered(filter: &InstanceFilter) -> Select<instance::Entity> {
    let mut query = instance::Entity::find();
    if let Some(id) = &filter.id {
        query = query.filter(instance::Column::Id.eq(id));
    }
    if let Some(definition) = &filter.definition {
        query = query.filter(instance::Column::Definition.eq(definition));
    }
    if let Some(key) = &filter.key {
        let versions = definition::Entity::find()
            .select_only()
            .column(definition::Column::Id)
            .filter(definition::Column::Key.eq(key))
            .into_query();
        query = query.filter(instance::Column::Definition.in_subquery(versions));
    }
    if let Some(subject) = &filter.subject {
        query = query.filter(instance::Column::Subject.eq(subject));
    }
    if let Some(status) = &filter.status {
        query = query.filter(instance::Column::Status.eq(status));
    }
    if filter.has_incident {
        // As the index says it: a bound value would not show that it applies.
        query = query.filter(Expr::cust("incidents > 0"));
    }
    query
}

impl From<instance::Model> for InstanceRow {
    fn from(row: instance::Model) -> Self {
        Self {
            id: row.id,
            definition: row.definition,
            subject: row.subject,
            status: row.status,
            incidents: row.incidents,
            started_by: row.started_by,
            started_at: row.started_at,
            ended_at: row.ended_at,
        }
    }
}

/// The columns of an [`InstanceRow`].
pub(crate) fn short(query: Select<instance::Entity>) -> Select<instance::Entity> {
    query.select_only().columns([
        instance::Column::Id,
        instance::Column::Definition,
        instance::Column::Subject,
        instance::Column::Status,
        instance::Column::Incidents,
        instance::Column::StartedBy,
        instance::Column::StartedAt,
        instance::Column::EndedAt,
    ])
}

/// Instances, the newest first.
pub(crate) async fn instances<C: ConnectionTrait>(
    db: &C,
    filter: &InstanceFilter,
    page: &PageRequest,
) -> Result<PageOf<InstanceRow>> {
    let mut query = short(filtered(filter))
        .order_by_desc(instance::Column::Id)
        .limit(page.fetch());
    if let Some(after) = &page.after {
        query = query.filter(instance::Column::Id.lt(after));
    }
    let rows = query
        .into_model::<InstanceRow>()
        .all(db)
        .await
        .map_err(|e| fault("list instances", e))?;
    Ok(page.cut(rows, |row| row.id.clone()))
}

/// At how many places instances stopped.
pub(crate) async fn count_incidents<C: ConnectionTrait>(
    db: &C,
    filter: &InstanceFilter,
) -> Result<i64> {
    let number: Option<i64> = filtered(filter)
        .select_only()
        .expr_as(store::dialect::sum(instance::Column::Incidents), "number")
        .into_tuple()
        .one(db)
        .await
        .map_err(|e| fault("count incidents", e))?;
    Ok(number.unwrap_or_default())
}

/// Whole rows, state included, in the order of their ids.
pub(crate) async fn whole<C: ConnectionTrait>(
    db: &C,
    filter: &InstanceFilter,
    after: &str,
    limit: u64,
) -> Result<Vec<instance::Model>> {
    Ok(filtered(filter)
        .filter(instance::Column::Id.gt(after))
        .order_by_asc(instance::Column::Id)
        .limit(limit)
        .all(db)
        .await
        .map_err(|e| fault("read instances", e))?)
}

/// When each element of an instance stopped last.
pub(crate) async fn stopped_at<C: ConnectionTrait>(
    db: &C,
    instance: &str,
) -> Result<std::collections::BTreeMap<String, i64>> {
    let rows: Vec<(String, i64)> = trail::Entity::find()
        .select_only()
        .column(trail::Column::Element)
        .column_as(trail::Column::At.max(), "at")
        .filter(trail::Column::Instance.eq(instance))
        .filter(trail::Column::What.eq("stopped"))
        .group_by(trail::Column::Element)
        .into_tuple()
        .all(db)
        .await
        .map_err(|e| fault("read the trail", e))?;
    Ok(rows.into_iter().collect())
}

/// How often each element was left in the instances of a definition.
pub(crate) async fn passed<C: ConnectionTrait>(
    db: &C,
    definition: &str,
) -> Result<std::collections::BTreeMap<String, i64>> {
    let of = instance::Entity::find()
        .select_only()
        .column(instance::Column::Id)
        .filter(instance::Column::Definition.eq(definition))
        .into_query();
    let rows: Vec<(String, i64)> = trail::Entity::find()
        .select_only()
        .column(trail::Column::Element)
        .column_as(trail::Column::Seq.count(), "number")
        .filter(trail::Column::What.is_in(["left", "cancelled"]))
        .filter(trail::Column::Instance.in_subquery(of))
        .group_by(trail::Column::Element)
        .into_tuple()
        .all(db)
        .await
        .map_err(|e| fault("count passed elements", e))?;
    Ok(rows.into_iter().collect())
}

/// Variables that a task sees, where no application owns them.
pub(crate) async fn seen_by(
    db: &store::Db,
    task: &crate::Task,
) -> Result<serde_json::Map<String, serde_json::Value>> {
    super::check_free(&task.facts.subject)?;
    let row = crate::store::get_task(db.read(), task.facts.task).await?;
    let instance = crate::store::get_instance(db.read(), task.facts.instance).await?;
    let state = crate::state::read(db.read(), &instance).await?;
    let token = u32::try_from(row.token).unwrap_or_default();
    let frame = state.tokens.get(&token).map(|held| held.frame);
    Ok(frame.map_or_else(|| state.variables(), |frame| state.visible(frame)))
}
