//! Asking in SQL: purpose, question, answer on one page.

use ::lake::{Door, Question, query::PAGE_ROWS};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use chrono::{NaiveTime, TimeDelta};
use futures::StreamExt;
use identity::Actor;
use kernel::{Error, Finding, Result, Text};
use serde_json::Value;
use web::{App, Html, Page, WebError, component::Fields};

use super::title;

struct Line {
    id: String,
    href: String,
    title: String,
    columns: String,
}

/// An answer as the page draws it.
struct Told {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
    is_cut: bool,
    hidden: String,
}

#[derive(Template)]
#[template(path = "datahub/lake.html")]
struct AskPage<'a> {
    p: &'a Page,
    f: Fields,
    seconds: u64,
    rows: u64,
    tables: Vec<Line>,
    told: Option<Told>,
}

async fn page<'a>(
    app: &App,
    p: &'a Page,
    actor: &Actor,
    f: Fields,
    told: Option<Told>,
) -> Result<AskPage<'a>> {
    let tables = ::lake::tables(app, actor).await?;
    let lines = tables.iter().map(|table| {
        let columns = table.columns.iter().map(|column| column.id.as_str());
        Line {
            id: table.id.clone(),
            href: format!("/work/lake/{}", table.id),
            title: title(p, &table.title),
            columns: columns.collect::<Vec<_>>().join(", "),
        }
    });
    Ok(AskPage {
        p,
        f,
        seconds: app.part::<::lake::Lake>()?.settings().query_seconds,
        rows: PAGE_ROWS,
        tables: lines.collect(),
        told,
    })
}

pub(super) async fn show(State(app): State<App>, p: Page, actor: Actor) -> Result<Html, WebError> {
    Html::page(&page(&app, &p, &actor, Fields::new(), None).await?)
}

pub(super) async fn ask(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    fields: Fields,
) -> Result<Response, WebError> {
    let told = match question(&fields) {
        Ok(question) => answer(&app, &actor, &question).await,
        Err(error) => Err(error),
    };
    let findings = match told {
        Ok(told) => {
            let page = page(&app, &p, &actor, fields, Some(told)).await?;
            return Ok(Html::page(&page)?.into_response());
        }
        Err(Error::Invalid(findings)) => findings,
        // What was too long or too large is mended in the question.
        Err(Error::Refused(text)) => vec![Finding::new("sql", text)],
        Err(error) => return Err(error.into()),
    };
    let f = fields.rejected(findings);
    Ok(Html::again(&page(&app, &p, &actor, f, None).await?)?.into_response())
}

fn question(fields: &Fields) -> Result<Question> {
    let as_of = match fields.value("as_of").trim() {
        "" => None,
        day => Some(
            end_of(day).ok_or_else(|| Error::invalid("as_of", Text::new("registry-value-date")))?,
        ),
    };
    Ok(Question {
        sql: fields.value("sql").to_owned(),
        purpose: fields.value("purpose").to_owned(),
        as_of,
        door: Door::Page,
        most: PAGE_ROWS,
    })
}

/// The last moment of a day in China.
fn end_of(day: &str) -> Option<chrono::DateTime<chrono::Utc>> {
    let day: chrono::NaiveDate = day.parse().ok()?;
    let start = day.and_time(NaiveTime::MIN).and_utc();
    Some(start + TimeDelta::hours(24 - 8) - TimeDelta::microseconds(1))
}

async fn answer(app: &App, actor: &Actor, question: &Question) -> Result<Told> {
    let mut answer = ::lake::ask(app, actor, question).await?;
    let heads = answer.schema.fields().iter();
    let heads = heads.map(|field| field.name().clone()).collect();
    let mut rows = Vec::new();
    while let Some(batch) = answer.rows.next().await {
        for row in ::lake::cell::rows(&batch?)? {
            rows.push(row.iter().map(cell).collect());
        }
    }
    Ok(Told {
        heads,
        rows,
        is_cut: answer.is_cut(),
        hidden: answer.hidden.join(", "),
    })
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
