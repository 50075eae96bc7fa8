//! Asking, answered in JSON or as an Arrow stream.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use datafusion::arrow::{array::RecordBatch, datatypes::SchemaRef, ipc::writer::StreamWriter};
use futures::{StreamExt, TryStreamExt};
use identity::Actor;
use kernel::{Fault, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use web::{App, WebError};

use crate::{
    cell,
    query::{Answer, Door, JSON_ROWS, Question, act},
};

/// Media type of an Arrow stream.
const ARROW: &str = "application/vnd.apache.arrow.stream";

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"sql": "SELECT 1 AS n", "purpose": "接口联调"}))]
pub(super) struct LakeQuestion {
    /// One SELECT.
    sql: String,
    /// What it is asked for; kept with the question.
    purpose: String,
    /// The tables as they were then.
    #[serde(default)]
    as_of: Option<DateTime<Utc>>,
    /// Rows of a JSON answer, at most 10,000.
    #[serde(default)]
    limit: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LakeAnswer {
    /// Number of the question, under which it is kept.
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    id: String,
    columns: Vec<LakeColumn>,
    /// Cells in the order of the columns. Decimals, dates and moments are text.
    #[schema(value_type = Vec<Vec<serde_json::Value>>)]
    rows: Vec<Vec<Value>>,
    /// Whether there are more rows.
    is_cut: bool,
    /// Columns that the question read and that are hidden from the caller, as `table.column`.
    hidden: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LakeColumn {
    #[schema(example = "n")]
    name: String,
    /// Arrow's name of the type.
    #[serde(rename = "type")]
    #[schema(example = "Int64")]
    kind: String,
}

/// Asks the lake in SQL. With `Accept: application/vnd.apache.arrow.stream` the answer is an Arrow
/// stream, which breaks off where it would have more rows than the settings allow.
#[utoipa::path(post, path = "/api/lake/query", tag = "lake", request_body = LakeQuestion,
    responses((status = 200, content((LakeAnswer = "application/json"), (Vec<u8> = "application/vnd.apache.arrow.stream"))),
        (status = 403), (status = 409, description = "Too long, too large, or too many rows"), (status = 422),
        (status = 503, description = "All places for questions are taken")))]
pub(super) async fn ask(
    State(app): State<App>,
    actor: Actor,
    headers: HeaderMap,
    Json(body): Json<LakeQuestion>,
) -> Result<Response, WebError> {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
    let is_stream = accept.is_some_and(|accept| accept.contains(ARROW));
    let question = Question {
        sql: body.sql,
        purpose: body.purpose,
        as_of: body.as_of,
        door: if is_stream { Door::Stream } else { Door::Api },
        most: if is_stream {
            u64::MAX
        } else {
            body.limit.unwrap_or(JSON_ROWS).min(JSON_ROWS)
        },
    };
    let answer = act::ask(&app, &actor, &question).await?;
    if is_stream {
        return Ok(stream(answer).await?);
    }
    Ok(Json(collect(answer, question.most).await?).into_response())
}

async fn collect(mut answer: Answer, most: u64) -> Result<LakeAnswer> {
    let mut rows = Vec::new();
    let mut is_cut = false;
    while let Some(batch) = answer.rows.next().await {
        rows.extend(cell::rows(&batch?)?);
        is_cut = answer.is_cut();
    }
    rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    let columns = answer.schema.fields().iter().map(|field| LakeColumn {
        name: field.name().clone(),
        kind: field.data_type().to_string(),
    });
    Ok(LakeAnswer {
        columns: columns.collect(),
        id: answer.id.clone(),
        rows,
        is_cut: is_cut || answer.is_cut(),
        hidden: answer.hidden,
    })
}

/// The first batch is waited for, so that what goes wrong at the start has its status.
async fn stream(mut answer: Answer) -> Result<Response> {
    let first = answer.rows.next().await.transpose()?;
    let mut writer = Writer::new(&answer.schema)?;
    let id = answer.id.clone();
    let head = writer.write(first.as_ref())?;
    let rest = futures::stream::try_unfold((answer, Some(writer)), |(mut answer, writer)| async {
        let Some(mut writer) = writer else {
            return Ok::<_, kernel::Error>(None);
        };
        match answer.rows.next().await.transpose()? {
            Some(batch) => {
                let bytes = writer.write(Some(&batch))?;
                Ok(Some((bytes, (answer, Some(writer)))))
            }
            None => Ok(Some((writer.end()?, (answer, None)))),
        }
    });
    let body = futures::stream::iter([Ok(head)]).chain(rest);
    // The connection breaks off where the answer does: a reader must not take it for whole.
    let body = body.map_err(|error| std::io::Error::other(error.to_string()));
    let headers = [
        (header::CONTENT_TYPE, ARROW.to_owned()),
        (header::HeaderName::from_static("lake-question"), id),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// Batches as the bytes of one Arrow stream.
struct Writer(StreamWriter<Vec<u8>>);

fn broken(error: datafusion::arrow::error::ArrowError) -> Fault {
    Fault::caused_by("write an Arrow stream", error)
}

impl Writer {
    fn new(schema: &SchemaRef) -> Result<Self, Fault> {
        StreamWriter::try_new(Vec::new(), schema)
            .map(Self)
            .map_err(broken)
    }

    fn write(&mut self, batch: Option<&RecordBatch>) -> Result<Vec<u8>, Fault> {
        if let Some(batch) = batch {
            self.0.write(batch).map_err(broken)?;
        }
        Ok(std::mem::take(self.0.get_mut()))
    }

    fn end(mut self) -> Result<Vec<u8>, Fault> {
        self.0.finish().map_err(broken)?;
        self.0.into_inner().map_err(broken)
    }
}
