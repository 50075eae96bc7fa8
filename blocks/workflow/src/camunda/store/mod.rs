//! Queries for what this interface asks: a part of a list by place, in an order of one's own, or
//! how many there are.

pub(super) mod definition;
pub(super) mod external;
pub(super) mod instance;
pub(super) mod task;

use chrono::{DateTime, Utc};
use kernel::{Result, clock::micros};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Select,
    sea_query::{NullOrdering, SelectStatement},
};
use store::{Db, fault};

use super::search::Paging;
use crate::{rest::BUSINESS, schema};

/// Columns, each with its direction.
type Orders<C> = [(C, Order)];

/// The wanted part of a query's rows. What has no value in a column of the order comes last, as on
/// the one engine of two.
fn part<E: EntityTrait>(
    query: Select<E>,
    order: &Orders<E::Column>,
    last: (E::Column, Order),
    page: Paging,
) -> Select<E> {
    ordered(query, order)
        .order_by(last.0, last.1)
        .limit(page.most())
        .offset(page.first())
}

fn ordered<E: EntityTrait>(mut query: Select<E>, order: &Orders<E::Column>) -> Select<E> {
    for (column, direction) in order {
        query = query.order_by_with_nulls(*column, direction.clone(), NullOrdering::Last);
    }
    query
}

/// How many rows a query finds; the database counts them.
async fn count<E: EntityTrait>(db: &Db, query: Select<E>, id: E::Column) -> Result<u64> {
    let query = query.select_only().column_as(id.count(), "number");
    let found: Option<i64> = query
        .into_tuple()
        .one(db.read())
        .await
        .map_err(|e| fault("count rows", e))?;
    Ok(u64::try_from(found.unwrap_or_default()).unwrap_or_default())
}

/// One word, or one of several; nothing where neither is given.
fn is_one<C: ColumnTrait>(
    column: C,
    word: Option<&String>,
    words: Option<&Vec<String>>,
) -> Condition {
    Condition::all()
        .add_option(word.map(|word| column.eq(word)))
        .add_option(words.map(|words| column.is_in(words)))
}

/// Moments of this interface are whole milliseconds; those of the tables are not.
const MILLISECOND: i64 = 1_000;

/// In that millisecond.
fn is_at<C: ColumnTrait>(column: C, at: Option<DateTime<Utc>>) -> Condition {
    Condition::all()
        .add_option(at.map(|at| column.gte(micros(at))))
        .add_option(at.map(|at| column.lt(micros(at) + MILLISECOND)))
}

/// Before one moment and after another; both are left out.
fn is_between<C: ColumnTrait>(
    column: C,
    after: Option<DateTime<Utc>>,
    before: Option<DateTime<Utc>>,
) -> Condition {
    Condition::all()
        .add_option(after.map(|at| column.gte(micros(at) + MILLISECOND)))
        .add_option(before.map(|at| column.lt(micros(at))))
}

/// Ids of the versions of definitions with these keys.
fn versions(keys: &[String]) -> SelectStatement {
    use schema::definition::{Column, Entity};
    Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Key.is_in(keys))
        .into_query()
}

fn is_of_keys<C: ColumnTrait>(
    column: C,
    key: Option<&String>,
    keys: Option<&Vec<String>>,
) -> Condition {
    Condition::all()
        .add_option(key.map(|key| column.in_subquery(versions(std::slice::from_ref(key)))))
        .add_option(keys.map(|keys| column.in_subquery(versions(keys))))
}

/// The subject that stands for a business key.
fn subject(key: &str) -> String {
    format!("{BUSINESS}{}", key.trim())
}

fn subjects(keys: Option<&Vec<String>>) -> Option<Vec<String>> {
    keys.map(|keys| keys.iter().map(|key| subject(key)).collect())
}

/// A pattern that fits this text alone.
fn literal(text: &str) -> String {
    let mut pattern = String::new();
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}
