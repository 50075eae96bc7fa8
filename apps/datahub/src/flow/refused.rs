//! Rows that did not get into a registry or the lake, on a page and as files to work with.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::header,
    response::IntoResponse,
};
use flow::feed::act::{RefusedRow, refusals};
use identity::Actor;
use kernel::{Error, Fault, Result, Text};
use serde::Deserialize;
use store::page::{LARGEST_LIMIT, PageRequest};
use web::{
    App, Html, Page, WebError,
    component::{Crumb, Pager},
};

use super::HOME;

#[derive(Debug, Deserialize)]
pub(super) struct After {
    after: Option<String>,
}

struct Line {
    row: i64,
    key: String,
    field: String,
    reason: String,
}

#[derive(Template)]
#[template(path = "datahub/flow_refused.html")]
struct RefusedPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    file: String,
    rows: Vec<Line>,
    pager: Pager,
}

fn line(p: &Page, refused: RefusedRow) -> Line {
    let args = refused.args.iter().map(|(n, v)| (n.as_str(), v));
    Line {
        reason: p.ta(&refused.reason, args.collect::<Vec<_>>()),
        row: refused.row,
        key: refused.key,
        field: refused.field,
    }
}

pub(super) async fn show(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path((batch, registry)): Path<(String, String)>,
    Query(query): Query<After>,
) -> Result<Html, WebError> {
    let request = PageRequest::new(query.after.clone(), None);
    let found = refusals(&app, &actor, &registry, &batch, &request).await?;
    let own = format!("{HOME}/batches/{batch}/registries/{registry}/refused");
    Html::page(&RefusedPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-flow"), HOME),
            Crumb::new(p.t("datahub-refused"), ""),
        ],
        file: format!("{own}.csv"),
        rows: found.items.into_iter().map(|one| line(&p, one)).collect(),
        pager: Pager::new(&own, "", query.after.as_deref(), found.next.as_deref()),
        p: &p,
    })
}

type Lines = Vec<[String; 4]>;

fn csv(name: &str, head: [String; 4], lines: &Lines) -> Result<impl IntoResponse + use<>> {
    let failed = |e| Fault::caused_by("write refused rows", e);
    // The mark tells a spreadsheet program that the text is UTF-8.
    let mut writer = csv::Writer::from_writer("\u{feff}".as_bytes().to_vec());
    writer.write_record(head).map_err(failed)?;
    for line in lines {
        writer.write_record(line).map_err(failed)?;
    }
    let bytes = writer.into_inner();
    let bytes = bytes.map_err(|e| Fault::caused_by("write refused rows", e.into_error()))?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.csv\""),
        ),
    ];
    Ok((headers, bytes))
}

/// What a registry refused of a batch.
pub(super) async fn file(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path((batch, registry)): Path<(String, String)>,
) -> Result<impl IntoResponse, WebError> {
    let mut lines = Vec::new();
    let mut request = PageRequest::new(None, Some(LARGEST_LIMIT));
    loop {
        let found = refusals(&app, &actor, &registry, &batch, &request).await?;
        for one in found.items {
            let row = line(&p, one);
            lines.push([row.row.to_string(), row.key, row.field, row.reason]);
        }
        match found.next {
            Some(next) => request.after = Some(next),
            None => break,
        }
    }
    let head = [
        "datahub-row",
        "datahub-flow-key",
        "datahub-field",
        "datahub-reason",
    ];
    Ok(csv(
        &format!("{registry}-{batch}"),
        head.map(|key| p.t(key)),
        &lines,
    )?)
}

/// What the lake set aside of a batch.
pub(super) async fn aside_file(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(batch): Path<String>,
) -> Result<impl IntoResponse, WebError> {
    let table = flow::trace::table_of(&app, &actor, &batch).await?;
    let table = table.ok_or(Error::NotFound { what: "batch" })?;
    let (mut lines, mut after) = (Vec::new(), 0);
    loop {
        let (_, rows) = ::lake::report(&app, &actor, &table, &batch, after).await?;
        let Some(last) = rows.last().map(|row| row.row).filter(|last| *last > after) else {
            break;
        };
        for one in rows {
            let reason = p.say(&Text::new(::lake::quality::reason_key(&one.reason)));
            lines.push([one.row.to_string(), one.value, one.column, reason]);
        }
        after = last;
    }
    let head = [
        "datahub-row",
        "datahub-value",
        "datahub-field",
        "datahub-reason",
    ];
    Ok(csv(
        &format!("{table}-{batch}"),
        head.map(|key| p.t(key)),
        &lines,
    )?)
}
