//! Tables, their batches, their uses.

use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State},
};
use datafusion::arrow::{array::RecordBatch, datatypes::SchemaRef};
use futures::{Stream, StreamExt};
use identity::Actor;
use kernel::Result;
use serde::{Deserialize, Serialize};
use store::page::PageRequest;
use utoipa::{IntoParams, ToSchema};
use web::{App, WebError};

use crate::{
    BatchOutcome, Delivery, Kind, Mode, OnBad, SetAside, Sharing,
    arriving::{Arriving, unreadable},
    batch,
    lineage::{self, ColumnLineage, Use},
};

type Door<T> = Result<Json<T>, WebError>;

#[derive(Serialize, ToSchema)]
pub(super) struct LakeTable {
    #[schema(example = "social_insurance")]
    id: String,
    title_zh: String,
    title_en: String,
    /// Credit code of the department that answers for it.
    org: String,
    key: Vec<String>,
    /// Who besides its own department may read it.
    sharing: Sharing,
    columns: Vec<LakeTableColumn>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LakeTableColumn {
    #[schema(example = "gmsfhm")]
    id: String,
    title_zh: String,
    title_en: String,
    #[serde(rename = "type")]
    kind: Kind,
    /// 1 open … 4 most sensitive; from 3 on it is masked.
    sensitivity: u8,
}

/// The tables of the lake.
#[utoipa::path(get, path = "/api/lake/tables", tag = "lake",
    responses((status = 200, body = Vec<LakeTable>), (status = 403)))]
pub(super) async fn list(State(app): State<App>, actor: Actor) -> Door<Vec<LakeTable>> {
    let lake = app.part::<crate::Lake>()?;
    let mut all = Vec::new();
    for table in crate::tables(&app, &actor).await? {
        let sharing = lake.sharing(&table).await?;
        all.push(view(table, sharing));
    }
    Ok(Json(all))
}

fn view(table: crate::Table, sharing: Sharing) -> LakeTable {
    LakeTable {
        columns: table
            .columns
            .iter()
            .map(|column| LakeTableColumn {
                id: column.id.clone(),
                title_zh: column.title.zh.clone(),
                title_en: column.title.en.clone(),
                kind: column.kind,
                sensitivity: column.sensitivity,
            })
            .collect(),
        id: table.id,
        title_zh: table.title.zh,
        title_en: table.title.en,
        org: table.org,
        key: table.key,
        sharing,
    }
}

#[derive(Deserialize, IntoParams)]
pub(super) struct After {
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LakeBatches {
    items: Vec<BatchOutcome>,
    next: Option<String>,
}

/// A table's batches, the latest first.
#[utoipa::path(get, path = "/api/lake/tables/{table}/batches", tag = "lake",
    params(("table" = String, Path, example = "social_insurance"), After),
    responses((status = 200, body = LakeBatches), (status = 403), (status = 404)))]
pub(super) async fn batches(
    State(app): State<App>,
    actor: Actor,
    Path(table): Path<String>,
    Query(query): Query<After>,
) -> Door<LakeBatches> {
    let page = PageRequest::new(query.after, None);
    let found = batch::list(&app, &actor, &table, &page).await?;
    Ok(Json(LakeBatches {
        items: found.items,
        next: found.next,
    }))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct AfterRow {
    /// Number of the last row seen.
    #[serde(default)]
    after: i64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LakeReport {
    batch: BatchOutcome,
    /// Rows that were set aside, at most 200.
    set_aside: Vec<SetAside>,
}

/// What came of a batch, and its rows that were set aside.
#[utoipa::path(get, path = "/api/lake/tables/{table}/batches/{batch}", tag = "lake",
    params(("table" = String, Path, example = "social_insurance"),
        ("batch" = String, Path, example = "2026-03-02-001"), AfterRow),
    responses((status = 200, body = LakeReport), (status = 403), (status = 404)))]
pub(super) async fn batch(
    State(app): State<App>,
    actor: Actor,
    Path((table, batch)): Path<(String, String)>,
    Query(query): Query<AfterRow>,
) -> Door<LakeReport> {
    let (batch, set_aside) = batch::report(&app, &actor, &table, &batch, query.after).await?;
    Ok(Json(LakeReport { batch, set_aside }))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct DeliverQuery {
    #[param(inline)]
    mode: Mode,
    /// `set_aside` where nothing is said.
    #[serde(default)]
    #[param(inline)]
    on_bad: OnBad,
    /// What delivers it, for people.
    #[serde(default)]
    source: String,
}

/// Takes a batch that comes as an Arrow stream. Sent again under the same number it changes
/// nothing; one that broke off is sent again from its beginning.
#[utoipa::path(put, path = "/api/lake/tables/{table}/batches/{batch}", tag = "lake",
    params(("table" = String, Path, example = "social_insurance"),
        ("batch" = String, Path, example = "2026-03-02-001"), DeliverQuery),
    request_body(content = Vec<u8>, content_type = "application/vnd.apache.arrow.stream"),
    responses((status = 200, body = BatchOutcome), (status = 403), (status = 404),
        (status = 409, description = "The number was used in another way"), (status = 422)))]
pub(super) async fn deliver(
    State(app): State<App>,
    actor: Actor,
    Path((table, batch)): Path<(String, String)>,
    Query(query): Query<DeliverQuery>,
    body: Body,
) -> Door<BatchOutcome> {
    let delivery = Delivery {
        table,
        id: batch,
        mode: query.mode,
        on_bad: query.on_bad,
        source: query.source,
    };
    // Asked before the body is read: a stranger's rows are not waited for.
    crate::may_deliver(&app, &actor, &delivery.table).await?;
    let (schema, rows) = arriving(body).await?;
    let outcome = batch::take(&app, &actor, &delivery, schema, rows).await?;
    Ok(Json(outcome))
}

/// The schema and the batches of a body, as it comes.
async fn arriving(
    body: Body,
) -> Result<(
    SchemaRef,
    impl Stream<Item = Result<RecordBatch>> + Send + Unpin,
)> {
    let mut reading = Reading {
        pieces: body.into_data_stream(),
        arriving: Arriving::default(),
    };
    let first = reading.next().await?;
    let schema = match &first {
        Some(batch) => batch.schema(),
        None => reading.arriving.schema().ok_or_else(unreadable)?,
    };
    let rest = futures::stream::try_unfold(reading, |mut reading| async move {
        Ok(reading.next().await?.map(|batch| (batch, reading)))
    });
    let first = futures::stream::iter(first.map(Ok));
    Ok((schema, Box::pin(first.chain(rest))))
}

struct Reading {
    pieces: axum::body::BodyDataStream,
    arriving: Arriving,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.arriving.next()? {
                return Ok(Some(batch));
            }
            match self.pieces.next().await {
                Some(Ok(piece)) => self.arriving.push(&piece)?,
                Some(Err(_)) => return Err(unreadable()),
                None => {
                    self.arriving.finish()?;
                    return Ok(None);
                }
            }
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct LakeUses {
    items: Vec<Use>,
    next: Option<String>,
}

/// Questions that read a table, the latest first.
#[utoipa::path(get, path = "/api/lake/tables/{table}/uses", tag = "lake",
    params(("table" = String, Path, example = "social_insurance"), After),
    responses((status = 200, body = LakeUses), (status = 403), (status = 404)))]
pub(super) async fn uses(
    State(app): State<App>,
    actor: Actor,
    Path(table): Path<String>,
    Query(query): Query<After>,
) -> Door<LakeUses> {
    let page = PageRequest::new(query.after, None);
    let found = lineage::uses(&app, &actor, &table, &page).await?;
    Ok(Json(LakeUses {
        items: found.items,
        next: found.next,
    }))
}

/// Where each column of a table comes from, and who used it.
#[utoipa::path(get, path = "/api/lake/tables/{table}/lineage", tag = "lake",
    params(("table" = String, Path, example = "social_insurance")),
    responses((status = 200, body = Vec<ColumnLineage>), (status = 403), (status = 404)))]
pub(super) async fn lineage(
    State(app): State<App>,
    actor: Actor,
    Path(table): Path<String>,
) -> Door<Vec<ColumnLineage>> {
    Ok(Json(lineage::lineage(&app, &actor, &table).await?))
}
