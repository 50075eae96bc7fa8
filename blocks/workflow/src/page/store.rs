//! What the pages ask of the tables.

use ::store::{
    Db, fault,
    page::{PageOf, PageRequest},
};
use kernel::{Error, Result};
use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};

use crate::schema::{definition, instance, task, trail};

/// A deployed version without its file.
#[derive(Clone, Debug, FromQueryResult)]
pub(super) struct VersionRow {
    pub id: String,
    pub key: String,
    pub version: i64,
    pub kind: String,
    pub names: String,
    pub deployed_at: i64,
    pub deployed_by: String,
    pub comment: String,
}

/// All versions of one key, or of all; the oldest first.
pub(super) async fn list_definitions(db: &Db, key: Option<&str>) -> Result<Vec<VersionRow>> {
    let mut query = definition::Entity::find()
        .select_only()
        .columns([
            definition::Column::Id,
            definition::Column::Key,
            definition::Column::Version,
            definition::Column::Kind,
            definition::Column::Names,
            definition::Column::DeployedAt,
            definition::Column::DeployedBy,
            definition::Column::Comment,
        ])
        .order_by_asc(definition::Column::Key)
        .order_by_asc(definition::Column::Version);
    if let Some(key) = key {
        query = query.filter(definition::Column::Key.eq(key));
    }
    Ok(query
        .into_model()
        .all(db.read())
        .await
        .map_err(|e| fault("list definitions", e))?)
}

/// The file of a version.
pub(super) async fn get_file(db: &Db, key: &str, version: i64) -> Result<definition::Model> {
    let found = definition::Entity::find()
        .filter(definition::Column::Key.eq(key))
        .filter(definition::Column::Version.eq(version))
        .one(db.read())
        .await
        .map_err(|e| fault("get a definition", e))?;
    found.ok_or(Error::NotFound { what: "definition" })
}

/// An instance in a list.
#[derive(Clone, Debug, FromQueryResult)]
pub(super) struct Line {
    pub id: String,
    pub definition: String,
    pub subject: String,
    pub status: String,
    pub incidents: i64,
    pub started_at: i64,
    pub ended_at: Option<i64>,
}

impl Line {
    /// Key and number of the version that it runs by.
    pub fn process(&self) -> String {
        let definition = &self.definition;
        format!(
            "{} · {}",
            super::key_of(definition),
            super::version_of(definition)
        )
    }

    pub fn tone(&self) -> web::component::Tone {
        super::status_tone(&self.status)
    }
}

fn lines() -> sea_orm::Select<instance::Entity> {
    instance::Entity::find()
        .select_only()
        .columns([
            instance::Column::Id,
            instance::Column::Definition,
            instance::Column::Subject,
            instance::Column::Status,
            instance::Column::Incidents,
            instance::Column::StartedAt,
            instance::Column::EndedAt,
        ])
        .order_by_desc(instance::Column::Id)
}

/// Instances of one version in one status, the newest first, after (older than) `before`.
pub(super) async fn list_instances(
    db: &Db,
    definition: &str,
    status: &str,
    before: Option<&str>,
    limit: u64,
) -> Result<Vec<Line>> {
    let mut query = lines()
        .filter(instance::Column::Definition.eq(definition))
        .filter(instance::Column::Status.eq(status))
        .limit(limit);
    if let Some(before) = before {
        query = query.filter(instance::Column::Id.lt(before));
    }
    Ok(query
        .into_model()
        .all(db.read())
        .await
        .map_err(|e| fault("list instances", e))?)
}

/// Instances about a subject, the newest first.
pub(super) async fn find_instances(db: &Db, subject: &str, limit: u64) -> Result<Vec<Line>> {
    let query = lines()
        .filter(instance::Column::Subject.eq(subject))
        .limit(limit);
    Ok(query
        .into_model()
        .all(db.read())
        .await
        .map_err(|e| fault("find instances", e))?)
}

/// Instances that stopped somewhere, the newest first, whole.
pub(super) async fn list_stopped(db: &Db, limit: u64) -> Result<Vec<instance::Model>> {
    let query = instance::Entity::find()
        .filter(Expr::cust("incidents > 0"))
        .order_by_desc(instance::Column::Id)
        .limit(limit);
    Ok(query
        .all(db.read())
        .await
        .map_err(|e| fault("list stopped instances", e))?)
}

/// When these instances last stopped at their elements: instance, element, time.
pub(super) async fn stops_of(db: &Db, instances: &[String]) -> Result<Vec<(String, String, i64)>> {
    let mut found = Vec::new();
    for some in instances.chunks(200) {
        let query = trail::Entity::find()
            .select_only()
            .columns([
                trail::Column::Instance,
                trail::Column::Element,
                trail::Column::At,
            ])
            .filter(trail::Column::Instance.is_in(some))
            .filter(trail::Column::What.eq("stopped"))
            .order_by_asc(trail::Column::Instance)
            .order_by_asc(trail::Column::Seq);
        let rows: Vec<(String, String, i64)> = query
            .into_tuple()
            .all(db.read())
            .await
            .map_err(|e| fault("read stops", e))?;
        found.extend(rows);
    }
    Ok(found)
}

/// What an officer started, in the words of the index `workflow_instance_started_by`.
fn started_query(by: &str, page: &PageRequest) -> sea_orm::Select<instance::Entity> {
    let mut query = lines()
        .filter(instance::Column::StartedBy.eq(by))
        .filter(Expr::cust("subject LIKE 'business:%'"))
        .limit(page.fetch());
    if let Some(after) = &page.after {
        query = query.filter(instance::Column::Id.lt(after));
    }
    query
}

/// Instances that somebody started for a business key, the last first.
pub(super) async fn started_by(db: &Db, by: &str, page: &PageRequest) -> Result<PageOf<Line>> {
    let rows: Vec<Line> = started_query(by, page)
        .into_model()
        .all(db.read())
        .await
        .map_err(|e| fault("list started instances", e))?;
    Ok(page.cut(rows, |row| row.id.clone()))
}

/// Tasks that somebody can do now: of one that is signed, those of its signers.
fn open() -> sea_orm::Select<task::Entity> {
    task::Entity::find()
        .filter(task::Column::State.is_in(["open", "claimed"]))
        .order_by_asc(task::Column::Id)
}

/// Open tasks of an instance, the oldest first.
pub(super) async fn open_tasks(db: &Db, instance: &str, limit: u64) -> Result<Vec<task::Model>> {
    let query = open()
        .filter(task::Column::Instance.eq(instance))
        .limit(limit);
    Ok(query
        .all(db.read())
        .await
        .map_err(|e| fault("list open tasks", e))?)
}

/// Names of the open tasks of some instances.
pub(super) async fn waiting_in(db: &Db, instances: &[&str]) -> Result<Vec<(String, String)>> {
    let query = open()
        .select_only()
        .columns([task::Column::Instance, task::Column::Name])
        .filter(task::Column::Instance.is_in(instances.iter().copied()));
    Ok(query
        .into_tuple()
        .all(db.read())
        .await
        .map_err(|e| fault("list open tasks", e))?)
}

/// Tasks of an instance, the newest first.
pub(super) async fn tasks_of(db: &Db, instance: &str, limit: u64) -> Result<Vec<task::Model>> {
    let query = task::Entity::find()
        .filter(task::Column::Instance.eq(instance))
        .order_by_desc(task::Column::Id)
        .limit(limit);
    Ok(query
        .all(db.read())
        .await
        .map_err(|e| fault("list tasks", e))?)
}
