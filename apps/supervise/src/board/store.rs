//! The only queries on `supervise_picture`.

use std::collections::BTreeSet;

use async_trait::async_trait;
use kernel::{Fault, Result};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _,
    ExprTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, sea_query::OnConflict,
};
use store::{Late, Tx, fault};

use super::{Filter, Line};
use crate::{light::Light, picture::Picture, schema::picture as table};

/// A picture as this write knows it; none where a case has none yet.
#[derive(Clone)]
struct Known(Option<Picture>);

/// The picture as this write knows it: events of one case come together.
pub async fn lookup(tx: &Tx, case_id: &str) -> Result<Option<Picture>> {
    match tx.recall(case_id) {
        Some(Known(known)) => Ok(known),
        None => find(&**tx, case_id).await,
    }
}

/// Reads the pictures of the cases that this write will look up.
pub async fn read_ahead(tx: &Tx, cases: BTreeSet<String>) -> Result<()> {
    if cases.is_empty() {
        return Ok(());
    }
    let rows = table::Entity::find()
        .filter(table::Column::CaseId.is_in(&cases))
        .all(&**tx)
        .await
        .map_err(|e| fault("read pictures", e))?;
    for case in cases {
        tx.remember(case, Known(None));
    }
    for row in rows {
        let known = Known(Some(picture(&row)?));
        tx.remember(row.case_id, known);
    }
    Ok(())
}

pub async fn find(db: &impl ConnectionTrait, case_id: &str) -> Result<Option<Picture>> {
    let row = table::Entity::find_by_id(case_id.to_owned())
        .one(db)
        .await
        .map_err(|e| fault("look up a picture", e))?;
    row.as_ref().map(picture).transpose()
}

/// Inserts or replaces the picture at the end of this write.
pub fn put(tx: &Tx, case: &Picture) {
    tx.later(|changed: &mut Changed| changed.0.insert(case.case_id.clone()));
    tx.remember(case.case_id.clone(), Known(Some(case.clone())));
}

/// Cases whose pictures a write changes.
#[derive(Default)]
struct Changed(BTreeSet<String>);

#[async_trait]
impl Late for Changed {
    async fn write(self, tx: &Tx) -> Result<()> {
        let known = self.0.iter().filter_map(|case| tx.recall(case));
        let rows = known.filter_map(|Known(picture)| picture);
        let rows: Vec<_> = rows.map(|case| row(&case)).collect::<Result<_>>()?;
        table::Entity::insert_many(rows)
            .on_conflict(replace())
            .exec_without_returning(&**tx)
            .await
            .map_err(|e| fault("put pictures", e))?;
        Ok(())
    }
}

fn row(case: &Picture) -> Result<table::ActiveModel> {
    let data = serde_json::to_string(case).map_err(|e| Fault::caused_by("write a picture", e))?;
    Ok(table::ActiveModel {
        case_id: Set(case.case_id.clone()),
        case_no: Set(case.case_no.clone()),
        org: Set(case.org.clone()),
        org_name: Set(case.org_name.clone()),
        region: Set(case.region.clone()),
        is_running: Set(case.light != Light::Off),
        is_paused: Set(case.paused_on.is_some()),
        light: Set(case.light.name().to_owned()),
        promise_due: Set(case.promise_due.map(|d| d.to_string())),
        next_change: Set(case.next_change.map(|d| d.to_string())),
        data: Set(data),
    })
}

fn replace() -> OnConflict {
    use table::Column as C;
    OnConflict::column(C::CaseId)
        .update_columns([
            C::CaseNo,
            C::Org,
            C::OrgName,
            C::Region,
            C::IsRunning,
            C::IsPaused,
            C::Light,
            C::PromiseDue,
            C::NextChange,
            C::Data,
        ])
        .to_owned()
}

fn within(prefixes: &[&str]) -> Condition {
    // Region codes are digits, so the end of a prefix's range is the prefix and a character after '9'.
    prefixes.iter().fold(Condition::any(), |any, prefix| {
        any.add(
            table::Column::Region
                .gte(*prefix)
                .and(table::Column::Region.lt(format!("{prefix}:"))),
        )
    })
}

/// Running cases by organisation and light.
pub async fn lines(db: &impl ConnectionTrait, prefixes: &[&str]) -> Result<Vec<Line>> {
    use table::Column as C;
    let rows: Vec<(String, String, String, String, bool, i64)> = table::Entity::find()
        .select_only()
        .columns([C::Org, C::OrgName, C::Region, C::Light, C::IsPaused])
        .column_as(C::CaseId.count(), "cases")
        .filter(C::IsRunning.eq(true))
        .filter(within(prefixes))
        .group_by(C::Org)
        .group_by(C::OrgName)
        .group_by(C::Region)
        .group_by(C::Light)
        .group_by(C::IsPaused)
        .into_tuple()
        .all(db)
        .await
        .map_err(|e| fault("count cases", e))?;
    let mut lines = std::collections::BTreeMap::<(String, String), Line>::new();
    for (org, org_name, region, light, is_paused, cases) in rows {
        let cases = u32::try_from(cases).unwrap_or(u32::MAX);
        let line = lines
            .entry((org.clone(), region.clone()))
            .or_insert_with(|| Line {
                org,
                org_name,
                region,
                ..Line::default()
            });
        match Light::named(&light) {
            Light::Green => line.green += cases,
            Light::Yellow => line.yellow += cases,
            Light::Red => line.red += cases,
            Light::Off => {}
        }
        if is_paused {
            line.paused += cases;
        }
    }
    Ok(lines.into_values().collect())
}

pub async fn cases(
    db: &impl ConnectionTrait,
    prefixes: &[&str],
    filter: &Filter,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Picture>> {
    use table::Column as C;
    let mut query = table::Entity::find()
        .filter(C::IsRunning.eq(true))
        .filter(within(prefixes))
        .order_by_asc(C::PromiseDue)
        .order_by_asc(C::CaseId)
        .limit(limit);
    if let Some(org) = &filter.org {
        query = query.filter(C::Org.eq(org));
    }
    if let Some(light) = filter.light {
        query = query.filter(C::Light.eq(light.name()));
    }
    if let Some(is_paused) = filter.is_paused {
        query = query.filter(C::IsPaused.eq(is_paused));
    }
    if let Some((due, id)) = after.and_then(|key| key.split_once(',')) {
        let later = C::PromiseDue
            .gt(due)
            .or(C::PromiseDue.eq(due).and(C::CaseId.gt(id)));
        query = query.filter(later);
    }
    let rows = query.all(db).await.map_err(|e| fault("list cases", e))?;
    rows.iter().map(picture).collect()
}

fn picture(row: &table::Model) -> Result<Picture> {
    serde_json::from_str(&row.data)
        .map_err(|e| Fault::caused_by(format!("read the picture of {}", row.case_id), e).into())
}
