//! Queries on the table of looks at personal values.

use ::store::{Tx, fault};
use chrono::{DateTime, Utc};
use kernel::{
    Fault, Result,
    clock::{from_micros, micros},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::{Reveal, schema::reveal as table};
use crate::case::CaseId;

/// Looks that a page lists; the rest is in the events.
const LISTED: u64 = 100;

pub async fn insert(tx: &Tx, reveal: &Reveal) -> Result<()> {
    let row = table::ActiveModel {
        id: Set(reveal.id.clone()),
        case_id: Set(reveal.case.to_string()),
        user_id: Set(reveal.user.clone()),
        user_name: Set(reveal.user_name.clone()),
        org_name: Set(reveal.org_name.clone()),
        purpose: Set(reveal.purpose.clone()),
        at: Set(micros(reveal.at)),
        until: Set(micros(reveal.until)),
    };
    table::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("write a look at personal values", e))?;
    Ok(())
}

/// The look of a user at a case that lasts at the moment, if there is one.
pub async fn lookup_lasting(
    db: &impl ConnectionTrait,
    case: CaseId,
    user: &str,
    now: DateTime<Utc>,
) -> Result<Option<Reveal>> {
    let row = table::Entity::find()
        .filter(table::Column::CaseId.eq(case.to_string()))
        .filter(table::Column::UserId.eq(user))
        .filter(table::Column::Until.gt(micros(now)))
        .order_by_desc(table::Column::Id)
        .one(db)
        .await
        .map_err(|e| fault("read a look at personal values", e))?;
    row.map(reveal_of).transpose()
}

/// Looks at a case, the newest first.
pub async fn list(db: &impl ConnectionTrait, case: CaseId) -> Result<Vec<Reveal>> {
    let rows = table::Entity::find()
        .filter(table::Column::CaseId.eq(case.to_string()))
        .order_by_desc(table::Column::Id)
        .limit(LISTED)
        .all(db)
        .await
        .map_err(|e| fault("list looks at personal values", e))?;
    rows.into_iter().map(reveal_of).collect()
}

fn reveal_of(row: table::Model) -> Result<Reveal> {
    let case = row.case_id.parse();
    Ok(Reveal {
        id: row.id,
        case: case.map_err(|e| Fault::caused_by("read a case's id", e))?,
        user: row.user_id,
        user_name: row.user_name,
        org_name: row.org_name,
        purpose: row.purpose,
        at: from_micros(row.at),
        until: from_micros(row.until),
    })
}
