//! One table: columns with origin and use, batches, questions. One batch: what was set aside.

use ::lake::{BatchOutcome, ColumnLineage, Use};
use askama::Template;
use axum::extract::{Path, Query, State};
use identity::Actor;
use kernel::{Error, Text};
use serde::Deserialize;
use store::page::PageRequest;
use web::{
    App, Html, Page, WebError,
    component::{Crumb, Fact, Tone},
};

use super::title;

struct Line {
    id: String,
    title: String,
    kind: String,
    is_sensitive: bool,
    origin: String,
    uses: Vec<String>,
}

#[derive(Template)]
#[template(path = "datahub/lake_table.html")]
struct TablePage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    title: String,
    table: String,
    lines: Vec<Line>,
    /// Absent for readers who may not see what became of batches.
    batches: Option<Vec<BatchOutcome>>,
    /// Absent for readers who may not see who asked.
    uses: Option<Vec<Use>>,
}

fn state(p: &Page, state: &str) -> (Tone, String) {
    let tone = match state {
        "loaded" | "answered" => Tone::Good,
        "refused" | "failed" => Tone::Danger,
        _ => Tone::Plain,
    };
    (tone, p.t(format!("datahub-lake-state-{state}")))
}

impl TablePage<'_> {
    fn state(&self, name: &str) -> (Tone, String) {
        state(self.p, name)
    }
}

/// What somebody may see; nothing where he may not.
fn allowed<T>(found: kernel::Result<T>) -> kernel::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::Forbidden { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn show(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Html, WebError> {
    let table = ::lake::table(&app, &actor, &id).await?;
    let first = PageRequest::default();
    let batches = allowed(::lake::batches(&app, &actor, &id, &first).await)?;
    let uses = allowed(::lake::uses(&app, &actor, &id, &first).await)?;
    let lineage = allowed(::lake::lineage(&app, &actor, &id).await)?;
    let lineage = lineage.unwrap_or_default();
    let lines = table.columns.iter().map(|column| {
        let from = lineage.iter().find(|line| line.column == column.id);
        let origin = column.source.as_ref();
        Line {
            id: column.id.clone(),
            title: title(&p, &column.title),
            kind: p.t(format!("datahub-lake-type-{}", kind(column.kind))),
            is_sensitive: column.is_sensitive(),
            origin: origin
                .map(|o| format!("{} · {}", o.resource, o.column))
                .unwrap_or_default(),
            uses: from.map(|line| used_by(&p, line)).unwrap_or_default(),
        }
    });
    Html::page(&TablePage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-lake"), "/work/lake"),
            Crumb::new(title(&p, &table.title), ""),
        ],
        title: title(&p, &table.title),
        lines: lines.collect(),
        batches: batches.map(|page| page.items),
        uses: uses.map(|page| page.items),
        table: id,
        p: &p,
    })
}

fn kind(kind: ::lake::Kind) -> &'static str {
    match kind {
        ::lake::Kind::Text => "text",
        ::lake::Kind::Integer => "integer",
        ::lake::Kind::Number => "number",
        ::lake::Kind::Decimal => "decimal",
        ::lake::Kind::Boolean => "boolean",
        ::lake::Kind::Date => "date",
        ::lake::Kind::Moment => "moment",
    }
}

fn used_by(p: &Page, line: &ColumnLineage) -> Vec<String> {
    let uses = line.used_by.iter().map(|used| {
        let org = if used.org_name.is_empty() {
            p.t("datahub-lake-system")
        } else {
            p.zh(&used.org_name)
        };
        let args = [
            ("org", org),
            ("questions", used.questions.to_string()),
            ("whole", used.whole.to_string()),
        ];
        p.ta("datahub-lake-used-by", args)
    });
    uses.collect()
}

#[derive(Debug, Deserialize)]
pub(super) struct AfterRow {
    #[serde(default)]
    after: i64,
}

struct Bad {
    row: i64,
    column: String,
    rule: String,
    value: String,
    reason: String,
}

#[derive(Template)]
#[template(path = "datahub/lake_batch.html")]
struct BatchPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    title: String,
    state: (Tone, String),
    facts: Vec<Fact>,
    bad: Vec<Bad>,
    next: Option<String>,
}

pub(super) async fn batch(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path((id, batch)): Path<(String, String)>,
    Query(query): Query<AfterRow>,
) -> Result<Html, WebError> {
    let (outcome, aside) = ::lake::report(&app, &actor, &id, &batch, query.after).await?;
    let table = ::lake::table(&app, &actor, &id).await?;
    let facts = vec![
        Fact::new(p.t("datahub-lake-rows"), outcome.rows.to_string()),
        Fact::new(p.t("datahub-lake-good"), outcome.good.to_string()),
        Fact::new(p.t("datahub-lake-bad"), outcome.bad.to_string()),
        Fact::new(p.t("datahub-lake-warned"), outcome.warned.to_string()),
    ];
    let last = aside.last().map(|bad| bad.row);
    let next = last.filter(|last| *last > query.after && aside.len() >= 200);
    let bad = aside.into_iter().map(|bad| Bad {
        reason: p.say(&Text::new(::lake::quality::reason_key(&bad.reason))),
        row: bad.row,
        column: bad.column,
        rule: bad.rule,
        value: bad.value,
    });
    Html::page(&BatchPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-lake"), "/work/lake"),
            Crumb::new(title(&p, &table.title), format!("/work/lake/{id}")),
            Crumb::new(&batch, ""),
        ],
        state: state(&p, &outcome.state),
        facts,
        bad: bad.collect(),
        next: next.map(|after| format!("/work/lake/{id}/{batch}?after={after}")),
        title: batch,
        p: &p,
    })
}
