//! Answers from a table of the lake, which may have several rows for one question.

use futures::TryStreamExt;
use identity::Actor;
use kernel::{Error, Result, Text};
use lake::{
    Column, Kind, Table, cell,
    query::{Door, Question, ask_about},
};
use serde_json::{Map, Value, json};
use web::App;

use super::{Query, plain, read};

/// Rows of an answer at the most; a question that finds more is too wide.
const MOST: u64 = 100;

/// A department offers questions to its own tables.
pub(super) async fn findings(app: &App, query: &Query, org: &str) -> Result<Vec<Text>> {
    let table = lake::change::declared(app.db().read(), &query.lake).await?;
    let Some(table) = table.filter(|table| table.org == org) else {
        return Ok(vec![
            Text::new("gateway-query-table").with("name", &query.lake),
        ]);
    };
    let mut findings = query.unknown(|name| table.column(name).is_some());
    if query.key.is_empty() {
        findings.push(Text::new("gateway-query-key"));
    }
    Ok(findings)
}

/// All of it, where the table is another department's now.
pub(super) async fn foreign(app: &App, query: &Query, org: &str) -> Result<Vec<String>> {
    let table = lake::change::declared(app.db().read(), &query.lake).await?;
    Ok(match table {
        Some(table) if table.org != org => {
            query.compare.iter().chain(&query.fields).cloned().collect()
        }
        _ => Vec::new(),
    })
}

/// No row and rows that say otherwise answer a comparison the same: no.
pub(super) async fn answer(
    app: &App,
    actor: &Actor,
    purpose: &str,
    query: &Query,
    question: &[u8],
) -> Result<Value> {
    let table = lake::change::declared(app.db().read(), &query.lake).await?;
    let table = table.ok_or(Error::NotFound { what: "lake table" })?;
    let told = read(&query.key, query, question)?;
    let told = |name: &String| told.get(name).map(String::as_str).unwrap_or_default();
    let wanted = if query.fields.is_empty() {
        &query.compare
    } else {
        &query.fields
    };
    let conditions = query.key.iter().map(|name| (name, told(name)));
    let asked = Question {
        sql: sql(&table, wanted, conditions)?,
        purpose: purpose.to_owned(),
        as_of: None,
        door: Door::Stream,
        most: MOST,
    };
    // Its key is compared for equality: where that says whom a row is about, and no other column
    // does, it answers nothing of others.
    let is_narrow = table
        .subjects()
        .all(|column| query.key.contains(&column.id));
    let subjects = table.subjects().filter(|_| is_narrow);
    let about: Vec<String> = subjects.map(|c| told(&c.id).to_owned()).collect();
    let answer = ask_about(app, actor, &asked, &about).await?;
    let batches: Vec<_> = answer.rows.try_collect().await?;
    let mut rows = Vec::new();
    for batch in &batches {
        rows.extend(cell::rows(batch)?);
    }
    if query.fields.is_empty() {
        let is_same = |row: &Vec<Value>| {
            let mut pairs = row.iter().zip(wanted);
            pairs.all(|(own, name)| !plain(own).is_empty() && plain(own) == told(name).trim())
        };
        return Ok(json!({"matches": rows.iter().any(is_same)}));
    }
    let named =
        |row: Vec<Value>| -> Map<String, Value> { wanted.iter().cloned().zip(row).collect() };
    let rows: Vec<_> = rows.into_iter().map(named).collect();
    Ok(json!({"found": !rows.is_empty(), "rows": rows}))
}

/// Names are those of the declaration, and values are quoted; one that is none of its column's type
/// finds nothing.
fn sql<'a>(
    table: &Table,
    wanted: &[String],
    conditions: impl Iterator<Item = (&'a String, &'a str)>,
) -> Result<String> {
    let column = |name: &str| {
        let known = table.column(name);
        known.ok_or_else(|| Error::refused("gateway-query-changed"))
    };
    let mut columns = Vec::new();
    for name in wanted {
        columns.push(quoted(&column(name)?.id));
    }
    let mut rules = Vec::new();
    for (name, value) in conditions {
        let column = column(name)?;
        rules.push(format!(
            "{} = {}",
            quoted(&column.id),
            literal(column, value)
        ));
    }
    Ok(format!(
        "SELECT {} FROM {} WHERE {}",
        columns.join(", "),
        quoted(&table.id),
        rules.join(" AND ")
    ))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(column: &Column, value: &str) -> String {
    let text = format!("'{}'", value.replace('\'', "''"));
    let kind = match column.kind {
        Kind::Text => return text,
        Kind::Integer => "BIGINT".to_owned(),
        Kind::Number => "DOUBLE".to_owned(),
        Kind::Decimal => format!("DECIMAL(38, {})", column.places),
        Kind::Boolean => "BOOLEAN".to_owned(),
        Kind::Date => "DATE".to_owned(),
        Kind::Moment => "TIMESTAMP".to_owned(),
    };
    format!("TRY_CAST({text} AS {kind})")
}
