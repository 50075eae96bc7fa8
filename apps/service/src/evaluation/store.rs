//! Queries on the table of reviews.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use kernel::{
    Error, Result,
    clock::{from_micros, micros},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use store::{Tx, fault};

use super::{EvaluationId, Figures, Repair, schema::evaluation as table};

/// A review as kept.
#[derive(Clone, Debug)]
pub struct Evaluation {
    pub id: EvaluationId,
    pub case_id: String,
    pub case_number: String,
    pub matter_code: String,
    pub matter_name: String,
    pub org: String,
    pub org_name: String,
    pub region: String,
    pub service: u32,
    pub assess: u32,
    pub satisfaction: u8,
    pub details: Vec<u16>,
    pub words: String,
    pub door: u8,
    pub user: String,
    pub user_name: String,
    pub is_anonymous: bool,
    pub at: DateTime<Utc>,
    pub is_valid: bool,
    pub repair: Repair,
    pub contact_due: Option<NaiveDate>,
    pub finish_due: Option<NaiveDate>,
    pub contacted_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub reply: String,
    pub appeal: String,
    pub version: i32,
}

pub async fn insert(tx: &Tx, one: &Evaluation) -> Result<()> {
    table::Entity::insert(active(one))
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("write a review", e))?;
    Ok(())
}

/// Writes a review over itself, if nobody else changed it meanwhile.
pub async fn update(tx: &Tx, one: &Evaluation) -> Result<()> {
    let mut changed = active(one);
    changed.version = Set(one.version + 1);
    let done = table::Entity::update_many()
        .set(changed)
        .filter(table::Column::Id.eq(one.id.to_string()))
        .filter(table::Column::Version.eq(one.version))
        .exec(&**tx)
        .await
        .map_err(|e| fault("write a review", e))?;
    match done.rows_affected {
        0 => Err(Error::refused("service-case-changed-meanwhile")),
        _ => Ok(()),
    }
}

pub async fn get(db: &impl ConnectionTrait, id: EvaluationId) -> Result<Evaluation> {
    let row = table::Entity::find_by_id(id.to_string()).one(db).await;
    let row = row.map_err(|e| fault("read a review", e))?;
    of(row.ok_or(Error::NotFound { what: "review" })?)
}

/// Reviews of a case.
pub async fn list_of_case(db: &impl ConnectionTrait, case: &str) -> Result<Vec<Evaluation>> {
    let rows = table::Entity::find()
        .filter(table::Column::CaseId.eq(case))
        .order_by_asc(table::Column::Service)
        .order_by_asc(table::Column::Assess)
        .all(db)
        .await
        .map_err(|e| fault("list reviews", e))?;
    rows.into_iter().map(of).collect()
}

/// What a list of reviews is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct Search {
    pub orgs: Vec<String>,
    pub regions: Vec<String>,
    pub repairs: Vec<Repair>,
    pub only_bad: bool,
    /// Id of the last one seen.
    pub after: String,
    pub limit: u64,
}

/// Reviews of organisations, newest first.
pub async fn list(db: &impl ConnectionTrait, search: &Search) -> Result<(Vec<Evaluation>, bool)> {
    let mut place = Condition::any().add(table::Column::Org.is_in(&search.orgs));
    for region in &search.regions {
        place = place.add(table::Column::Region.starts_with(crate::case::store::stem(region)));
    }
    let mut filter = Condition::all().add(place);
    if !search.repairs.is_empty() {
        let codes = search.repairs.iter().map(|r| r.code());
        filter = filter.add(table::Column::Repair.is_in(codes));
    }
    if search.only_bad {
        filter = filter.add(table::Column::Satisfaction.lt(3));
    }
    if !search.after.is_empty() {
        filter = filter.add(table::Column::Id.lt(&search.after));
    }
    let mut rows = table::Entity::find()
        .filter(filter)
        .order_by_desc(table::Column::Id)
        .limit(search.limit + 1)
        .all(db)
        .await
        .map_err(|e| fault("list reviews", e))?;
    let has_more = rows.len() as u64 > search.limit;
    rows.truncate(usize::try_from(search.limit).unwrap_or(usize::MAX));
    let all = rows.into_iter().map(of).collect::<Result<_>>()?;
    Ok((all, has_more))
}

/// Valid first reviews by body and level, for publication.
pub async fn list_figures(db: &impl ConnectionTrait) -> Result<Vec<Figures>> {
    let rows: Vec<(String, String, i32, i64)> = table::Entity::find()
        .select_only()
        .columns([
            table::Column::Org,
            table::Column::OrgName,
            table::Column::Satisfaction,
        ])
        .column_as(table::Column::Id.count(), "reviews")
        .filter(table::Column::IsValid.eq(true))
        .filter(table::Column::Assess.eq(1))
        .group_by(table::Column::Org)
        .group_by(table::Column::OrgName)
        .group_by(table::Column::Satisfaction)
        .into_tuple()
        .all(db)
        .await
        .map_err(|e| fault("count reviews", e))?;
    let mut figures: BTreeMap<String, Figures> = BTreeMap::new();
    for (org, org_name, level, count) in rows {
        let one = figures.entry(org.clone()).or_insert_with(|| Figures {
            org,
            org_name,
            ..Figures::default()
        });
        let level = u8::try_from(level).unwrap_or_default();
        *one.by_level.entry(level).or_default() += count;
    }
    Ok(figures.into_values().collect())
}

fn active(one: &Evaluation) -> table::ActiveModel {
    let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let details: Vec<_> = one.details.iter().map(ToString::to_string).collect();
    table::ActiveModel {
        id: Set(one.id.to_string()),
        case_id: Set(one.case_id.clone()),
        case_number: Set(one.case_number.clone()),
        matter_code: Set(one.matter_code.clone()),
        matter_name: Set(one.matter_name.clone()),
        org: Set(one.org.clone()),
        org_name: Set(one.org_name.clone()),
        region: Set(one.region.clone()),
        service: Set(number(one.service)),
        assess: Set(number(one.assess)),
        satisfaction: Set(i32::from(one.satisfaction)),
        details: Set(details.join(",")),
        words: Set(one.words.clone()),
        door: Set(i32::from(one.door)),
        user_id: Set(one.user.clone()),
        user_name: Set(one.user_name.clone()),
        is_anonymous: Set(one.is_anonymous),
        at: Set(micros(one.at)),
        is_valid: Set(one.is_valid),
        repair: Set(one.repair.code().to_owned()),
        contact_due: Set(one.contact_due.map(|d| d.to_string())),
        finish_due: Set(one.finish_due.map(|d| d.to_string())),
        contacted_at: Set(one.contacted_at.map(micros)),
        finished_at: Set(one.finished_at.map(micros)),
        reply: Set(one.reply.clone()),
        appeal: Set(one.appeal.clone()),
        version: Set(one.version),
    }
}

fn of(row: table::Model) -> Result<Evaluation> {
    let id = row.id.parse();
    let day = |text: Option<String>| text.and_then(|text| text.parse().ok());
    let number = |n: i32| u32::try_from(n).unwrap_or_default();
    Ok(Evaluation {
        id: id.map_err(|e| kernel::Fault::caused_by("read a review's id", e))?,
        case_id: row.case_id,
        case_number: row.case_number,
        matter_code: row.matter_code,
        matter_name: row.matter_name,
        org: row.org,
        org_name: row.org_name,
        region: row.region,
        service: number(row.service),
        assess: number(row.assess),
        satisfaction: u8::try_from(row.satisfaction).unwrap_or_default(),
        details: row
            .details
            .split(',')
            .filter_map(|c| c.parse().ok())
            .collect(),
        words: row.words,
        door: u8::try_from(row.door).unwrap_or_default(),
        user: row.user_id,
        user_name: row.user_name,
        is_anonymous: row.is_anonymous,
        at: from_micros(row.at),
        is_valid: row.is_valid,
        repair: Repair::of_code(&row.repair),
        contact_due: day(row.contact_due),
        finish_due: day(row.finish_due),
        contacted_at: row.contacted_at.map(from_micros),
        finished_at: row.finished_at.map(from_micros),
        reply: row.reply,
        appeal: row.appeal,
        version: row.version,
    })
}
