//! Queries on the tables of declared registries.

use std::collections::{BTreeMap, HashMap, HashSet};

use ::store::{Tx, fault};
use kernel::{Fault, Result, clock::micros};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryResult, Value as Bound,
    sea_query::{Alias, Cond, Expr, InsertStatement, Order, Query, SelectStatement},
};

use super::{Act, Row, State, Statement};
use crate::{
    Declaration, Field,
    declaration::{Code, Kind},
    pinyin,
    schema::merge,
    search::{Plan, Range},
    table::{AT, ID, INITIALS, KEY, MERGED_INTO, PINYIN, STATE, VERSION},
    value::Value,
};

/// Values of one statement at the most: SQLite takes 32,766, `PostgreSQL` 65,535.
const PARAMETERS: usize = 30_000;
/// Keys of one `IN` at the most.
const KEYS: usize = 1000;

/// What of a record is known by its key.
#[derive(Clone, Debug)]
pub struct Head {
    pub id: String,
    pub key: String,
    pub merged_into: Option<String>,
}

fn name(text: &str) -> Alias {
    Alias::new(text)
}

fn bind(kind: Kind, value: Option<&Value>) -> Bound {
    match (kind, value) {
        (_, Some(Value::Text(text))) => Bound::from(text.clone()),
        (_, Some(Value::Integer(n) | Value::Decimal(n))) => Bound::from(*n),
        (_, Some(Value::Boolean(b))) => Bound::from(*b),
        (_, Some(Value::Date(day))) => Bound::from(*day),
        (Kind::Text, None) => Bound::String(None),
        (Kind::Integer | Kind::Decimal { .. }, None) => Bound::BigInt(None),
        (Kind::Boolean, None) => Bound::Bool(None),
        (Kind::Date, None) => Bound::ChronoDate(None),
    }
}

fn unbind(row: &QueryResult, field: &Field) -> Result<Option<Value>> {
    let at = field.id.as_str();
    let value = match field.kind {
        Kind::Text => row
            .try_get::<Option<String>>("", at)
            .map(|v| v.map(Value::Text)),
        Kind::Integer => row
            .try_get::<Option<i64>>("", at)
            .map(|v| v.map(Value::Integer)),
        Kind::Decimal { .. } => row
            .try_get::<Option<i64>>("", at)
            .map(|v| v.map(Value::Decimal)),
        Kind::Boolean => row
            .try_get::<Option<bool>>("", at)
            .map(|v| v.map(Value::Boolean)),
        Kind::Date => row.try_get("", at).map(|v: Option<_>| v.map(Value::Date)),
    };
    value.map_err(|e| fault("read a record", e).into())
}

fn get<T: sea_orm::TryGetable>(row: &QueryResult, column: &str) -> Result<T> {
    row.try_get("", column)
        .map_err(|e| fault("read a record", e).into())
}

fn select_rows(declaration: &Declaration) -> SelectStatement {
    let mut select = Query::select();
    select
        .columns([ID, KEY, STATE, MERGED_INTO, VERSION, AT].map(name))
        .columns(declaration.fields.iter().map(|f| name(&f.id)))
        .from(name(&declaration.table()));
    select
}

fn read_row(declaration: &Declaration, row: &QueryResult) -> Result<Row> {
    let mut values = BTreeMap::new();
    for field in &declaration.fields {
        if let Some(value) = unbind(row, field)? {
            values.insert(field.id.clone(), value);
        }
    }
    Ok(Row {
        id: get(row, ID)?,
        key: get(row, KEY)?,
        state: State::of_name(&get::<String>(row, STATE)?),
        merged_into: get(row, MERGED_INTO)?,
        version: get(row, VERSION)?,
        recorded_at: get(row, AT)?,
        values,
    })
}

pub async fn lookup(
    db: &impl ConnectionTrait,
    declaration: &Declaration,
    id: &str,
) -> Result<Option<Row>> {
    one(db, declaration, ID, id).await
}

pub async fn find_by_key(
    db: &impl ConnectionTrait,
    declaration: &Declaration,
    key: &str,
) -> Result<Option<Row>> {
    one(db, declaration, KEY, key).await
}

async fn one(
    db: &impl ConnectionTrait,
    declaration: &Declaration,
    column: &str,
    value: &str,
) -> Result<Option<Row>> {
    let mut select = select_rows(declaration);
    select.and_where(Expr::col(name(column)).eq(value)).limit(1);
    let row = db
        .query_one(&select)
        .await
        .map_err(|e| fault("look up a record", e))?;
    row.map(|row| read_row(declaration, &row)).transpose()
}

/// The records of which a field has this value, at the most 100, by id.
pub async fn find_by_field(
    db: &impl ConnectionTrait,
    declaration: &Declaration,
    field: &str,
    value: &str,
) -> Result<Vec<Row>> {
    let mut select = select_rows(declaration);
    select
        .and_where(Expr::col(name(field)).eq(value))
        .order_by(name(ID), Order::Asc)
        .limit(100);
    let rows = db
        .query_all(&select)
        .await
        .map_err(|e| fault("find records", e))?;
    rows.iter().map(|row| read_row(declaration, row)).collect()
}

/// The query of a search, for those who want to see its plan.
pub fn search_query(declaration: &Declaration, plan: &Plan, limit: u64) -> SelectStatement {
    let mut select = select_rows(declaration);
    let column = || Expr::col(name(&plan.column));
    match &plan.range {
        Range::All => {}
        Range::Exact(value) => {
            select.and_where(column().eq(value.as_str()));
        }
        Range::Prefix { from, to } => {
            select.and_where(column().gte(from.as_str()));
            if let Some(to) = to {
                select.and_where(column().lt(to.as_str()));
            }
        }
    }
    if let Some((value, id)) = &plan.after {
        // A range on the first column, which an index serves, and the rest of the order.
        select.and_where(column().gte(value.as_str()));
        select.cond_where(
            Cond::any()
                .add(column().gt(value.as_str()))
                .add(Expr::col(name(ID)).gt(id.as_str())),
        );
    }
    select.order_by(name(&plan.column), Order::Asc);
    if plan.column != ID {
        select.order_by(name(ID), Order::Asc);
    }
    select.limit(limit);
    select
}

pub async fn search(
    db: &impl ConnectionTrait,
    declaration: &Declaration,
    plan: &Plan,
    limit: u64,
) -> Result<Vec<Row>> {
    let rows = db
        .query_all(&search_query(declaration, plan, limit))
        .await
        .map_err(|e| fault("search a registry", e))?;
    rows.iter().map(|row| read_row(declaration, row)).collect()
}

/// Those of the keys that are there, by key.
pub async fn heads(
    db: &impl ConnectionTrait,
    declaration: &Declaration,
    keys: &[String],
) -> Result<HashMap<String, Head>> {
    let mut found = HashMap::new();
    for some in keys.chunks(KEYS) {
        let mut select = Query::select();
        select
            .columns([ID, KEY, MERGED_INTO].map(name))
            .from(name(&declaration.table()))
            .and_where(Expr::col(name(KEY)).is_in(some.iter().map(String::as_str)));
        let rows = db
            .query_all(&select)
            .await
            .map_err(|e| fault("look up keys", e))?;
        for row in rows {
            let head = Head {
                id: get(&row, ID)?,
                key: get(&row, KEY)?,
                merged_into: get(&row, MERGED_INTO)?,
            };
            found.insert(head.key.clone(), head);
        }
    }
    Ok(found)
}

/// Which of these values of a text column are there, each with a record that has it.
pub(crate) async fn holders(
    db: &impl ConnectionTrait,
    declaration: &Declaration,
    column: &str,
    values: &HashSet<&str>,
) -> Result<HashMap<String, String>> {
    let values: Vec<&str> = values.iter().copied().collect();
    let mut found = HashMap::new();
    for some in values.chunks(KEYS) {
        let mut select = Query::select();
        select
            .columns([ID, column].map(name))
            .from(name(&declaration.table()))
            .and_where(Expr::col(name(column)).is_in(some.iter().copied()));
        let rows = db
            .query_all(&select)
            .await
            .map_err(|e| fault("look up values", e))?;
        for row in rows {
            found.insert(get(&row, column)?, get(&row, ID)?);
        }
    }
    Ok(found)
}

/// Inserts rows with their fields `fields`; the other columns stay empty.
pub async fn insert_rows(
    tx: &Tx,
    declaration: &Declaration,
    fields: &[&Field],
    rows: &[Row],
) -> Result<()> {
    let spelt = declaration.pinyin();
    let width = 6 + fields.len() + usize::from(spelt.is_some()) * 2;
    for some in rows.chunks(PARAMETERS / width) {
        let mut insert = Query::insert();
        let mut columns = [ID, KEY, STATE, MERGED_INTO, VERSION, AT]
            .map(name)
            .to_vec();
        columns.extend(fields.iter().map(|f| name(&f.id)));
        if spelt.is_some() {
            columns.extend([PINYIN, INITIALS].map(name));
        }
        insert
            .into_table(name(&declaration.table()))
            .columns(columns);
        for row in some {
            let mut values: Vec<Expr> = vec![
                row.id.as_str().into(),
                row.key.as_str().into(),
                row.state.name().into(),
                Expr::val(row.merged_into.clone()),
                row.version.into(),
                row.recorded_at.into(),
            ];
            let of_fields = fields
                .iter()
                .map(|f| Expr::val(bind(f.kind, row.values.get(&f.id))));
            values.extend(of_fields);
            if let Some(field) = spelt {
                let (full, initials) = spelling(field, row);
                values.extend([Expr::val(full), Expr::val(initials)]);
            }
            add(&mut insert, values)?;
        }
        tx.execute(&insert)
            .await
            .map_err(|e| fault("insert records", e))?;
    }
    Ok(())
}

fn add(insert: &mut InsertStatement, values: Vec<Expr>) -> Result<()> {
    insert
        .values(values)
        .map_err(|e| Fault::caused_by("build an insert", e))?;
    Ok(())
}

fn spelling(field: &Field, row: &Row) -> (Option<String>, Option<String>) {
    match row.values.get(&field.id) {
        Some(Value::Text(text)) => {
            let (full, initials) = pinyin::spell(text);
            (Some(full), Some(initials))
        }
        _ => (None, None),
    }
}

/// Writes a row as it is now; its version rises.
pub async fn update_row(tx: &Tx, declaration: &Declaration, row: &Row) -> Result<()> {
    let mut update = Query::update();
    update
        .table(name(&declaration.table()))
        .value(name(STATE), row.state.name())
        .value(name(MERGED_INTO), row.merged_into.clone())
        .value(name(VERSION), Expr::col(name(VERSION)).add(1_i64))
        .value(name(AT), micros(tx.now()));
    for field in &declaration.fields {
        let value = bind(field.kind, row.values.get(&field.id));
        update.value(name(&field.id), Expr::val(value));
    }
    if let Some(field) = declaration.pinyin() {
        let (full, initials) = spelling(field, row);
        update.value(name(PINYIN), full);
        update.value(name(INITIALS), initials);
    }
    update.and_where(Expr::col(name(ID)).eq(row.id.as_str()));
    tx.execute(&update)
        .await
        .map_err(|e| fault("update a record", e))?;
    Ok(())
}

/// Fills the pinyin of all records.
pub async fn respell_all(tx: &Tx, declaration: &Declaration) -> Result<()> {
    let Some(field) = declaration.pinyin() else {
        return Ok(());
    };
    let mut plan = Plan::all();
    loop {
        let rows = search(&**tx, declaration, &plan, KEYS as u64).await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        plan.after = Some((last.id.clone(), last.id.clone()));
        for row in &rows {
            let (full, initials) = spelling(field, row);
            let mut update = Query::update();
            update
                .table(name(&declaration.table()))
                .value(name(PINYIN), full)
                .value(name(INITIALS), initials)
                .and_where(Expr::col(name(ID)).eq(row.id.as_str()));
            tx.execute(&update)
                .await
                .map_err(|e| fault("spell a record", e))?;
        }
    }
}

const STATEMENT: [&str; 10] = [
    "statement_id",
    ID,
    "source",
    "act",
    "valid_from",
    "recorded_at",
    "batch",
    "actor",
    "reason",
    "fields",
];

pub async fn insert_statements(
    tx: &Tx,
    declaration: &Declaration,
    statements: &[Statement],
) -> Result<()> {
    for some in statements.chunks(PARAMETERS / STATEMENT.len()) {
        let mut insert = Query::insert();
        insert
            .into_table(name(&declaration.history()))
            .columns(STATEMENT.map(name));
        for s in some {
            let fields = serde_json::to_string(&s.fields)
                .map_err(|e| Fault::caused_by("write a statement", e))?;
            let values = vec![
                s.id.as_str().into(),
                s.record.as_str().into(),
                s.source.as_str().into(),
                s.act.name().into(),
                s.valid_from.into(),
                s.recorded_at.into(),
                Expr::val(s.batch.clone()),
                s.actor.as_str().into(),
                s.reason.as_str().into(),
                fields.into(),
            ];
            add(&mut insert, values)?;
        }
        tx.execute(&insert)
            .await
            .map_err(|e| fault("insert statements", e))?;
    }
    Ok(())
}

/// The statements of these records, in the order in which they were recorded.
pub async fn statements(
    db: &impl ConnectionTrait,
    declaration: &Declaration,
    records: &[String],
) -> Result<Vec<Statement>> {
    let mut all = Vec::new();
    for some in records.chunks(KEYS) {
        let mut select = Query::select();
        select
            .columns(STATEMENT.map(name))
            .from(name(&declaration.history()))
            .and_where(Expr::col(name(ID)).is_in(some.iter().map(String::as_str)))
            .order_by(name("recorded_at"), Order::Asc)
            .order_by(name("statement_id"), Order::Asc);
        let rows = db
            .query_all(&select)
            .await
            .map_err(|e| fault("read statements", e))?;
        for row in rows {
            let fields: String = get(&row, "fields")?;
            all.push(Statement {
                id: get(&row, "statement_id")?,
                record: get(&row, ID)?,
                source: get(&row, "source")?,
                act: Act::of_name(&get::<String>(&row, "act")?),
                valid_from: get(&row, "valid_from")?,
                recorded_at: get(&row, "recorded_at")?,
                batch: get(&row, "batch")?,
                actor: get(&row, "actor")?,
                reason: get(&row, "reason")?,
                fields: serde_json::from_str(&fields)
                    .map_err(|e| Fault::caused_by("read a statement", e))?,
            });
        }
    }
    Ok(all)
}

/// Merges that touch these records on either side: those in force at `at` (microseconds).
pub async fn merges_into(
    db: &impl ConnectionTrait,
    into: &[String],
    at: i64,
) -> Result<Vec<merge::Model>> {
    let mut all = Vec::new();
    for some in into.chunks(KEYS) {
        let undone = Cond::any()
            .add(merge::Column::UndoneAt.is_null())
            .add(merge::Column::UndoneAt.gt(at));
        let rows = merge::Entity::find()
            .filter(merge::Column::IntoRecord.is_in(some.iter().map(String::as_str)))
            .filter(merge::Column::MergedAt.lte(at))
            .filter(undone)
            .all(db)
            .await
            .map_err(|e| fault("read merges", e))?;
        all.extend(rows);
    }
    Ok(all)
}

/// The record that this one counted for at `at` (microseconds).
pub async fn merged_into(db: &impl ConnectionTrait, from: &str, at: i64) -> Result<Option<String>> {
    let undone = Cond::any()
        .add(merge::Column::UndoneAt.is_null())
        .add(merge::Column::UndoneAt.gt(at));
    let row = merge::Entity::find()
        .filter(merge::Column::FromRecord.eq(from))
        .filter(merge::Column::MergedAt.lte(at))
        .filter(undone)
        .one(db)
        .await
        .map_err(|e| fault("read merges", e))?;
    Ok(row.map(|row| row.into_record))
}

/// Each record with all whose statements counted for it at a moment, itself first.
pub async fn groups(
    db: &impl ConnectionTrait,
    records: &[String],
    at: i64,
) -> Result<HashMap<String, Vec<String>>> {
    let mut groups: HashMap<String, Vec<String>> = records
        .iter()
        .map(|id| (id.clone(), vec![id.clone()]))
        .collect();
    // From a member to the record that it counts for in the end.
    let mut heads: HashMap<String, String> =
        records.iter().map(|id| (id.clone(), id.clone())).collect();
    let mut frontier: Vec<String> = records.to_vec();
    while !frontier.is_empty() {
        let merges = merges_into(db, &frontier, at).await?;
        frontier.clear();
        for merge in merges {
            let Some(head) = heads.get(&merge.into_record).cloned() else {
                continue;
            };
            if heads
                .insert(merge.from_record.clone(), head.clone())
                .is_none()
            {
                groups
                    .entry(head)
                    .or_default()
                    .push(merge.from_record.clone());
                frontier.push(merge.from_record);
            }
        }
    }
    Ok(groups)
}

pub async fn insert_merge(tx: &Tx, row: merge::Model) -> Result<()> {
    let row = merge::ActiveModel {
        id: Set(row.id),
        registry: Set(row.registry),
        from_record: Set(row.from_record),
        into_record: Set(row.into_record),
        reason: Set(row.reason),
        actor: Set(row.actor),
        merged_at: Set(row.merged_at),
        undone_at: Set(row.undone_at),
        undone_by: Set(row.undone_by),
        undone_reason: Set(row.undone_reason),
    };
    merge::Entity::insert(row)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("note a merge", e))?;
    Ok(())
}

/// Whether the field holds a code by which its value is normalised before a search.
pub(crate) fn is_code(field: &Field) -> bool {
    matches!(
        field.code,
        Some(Code::Citizen | Code::Uscc | Code::Org | Code::Region)
    )
}
