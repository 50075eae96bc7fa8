//! `/api/process/definitions`: deploy, list, read, count.

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Multipart, Path, Query, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use identity::Actor;
use kernel::{Error, Result, Text};
use serde::{Deserialize, Serialize};
use store::page::PageRequest;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{
    Answer, Desk,
    act::{self, Standing},
    deploy::{self, Uploaded},
    store as tables,
};
use crate::{check::Finding, model::Ignored};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, deploy))
        .routes(routes!(get))
        .routes(routes!(xml))
        .routes(routes!(statistics))
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProcessDefinitionView)]
struct DefinitionView {
    #[schema(example = "order:3:5f2a91c0")]
    id: String,
    #[schema(example = "order")]
    key: String,
    #[schema(example = 3)]
    version: i64,
    /// `bpmn` or `dmn`.
    #[schema(example = "bpmn")]
    kind: String,
    deployed_at: DateTime<Utc>,
}

impl From<tables::DefinitionRow> for DefinitionView {
    fn from(row: tables::DefinitionRow) -> Self {
        Self {
            deployed_at: row.deployed_at(),
            id: row.id,
            key: row.key,
            version: row.version,
            kind: row.kind,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProcessDefinitions)]
struct Definitions {
    items: Vec<DefinitionView>,
    /// Value of `after` for the next page; none at the end.
    next: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
struct ListQuery {
    /// All versions of this key; without it, the newest version of each.
    key: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

/// Deployed processes and decisions: the newest of each key, or all versions of one.
#[utoipa::path(get, path = "/api/process/definitions", tag = "process", params(ListQuery),
    responses((status = 200, body = Definitions), (status = 403, description = "not allowed")))]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Answer<Json<Definitions>> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::READ_DEFINITIONS)?;
    let db = desk.db.read();
    let rows = match &query.key {
        Some(key) => tables::definitions(db, Some(key)).await?,
        None => tables::latest(db).await?,
    };
    let page = PageRequest::new(query.after, query.limit);
    if page
        .after
        .as_ref()
        .is_some_and(|after| !rows.iter().any(|row| row.id == *after))
    {
        return Err(Error::invalid("after", Text::new("workflow-filter-after")).into());
    }
    let rest = rows
        .into_iter()
        .skip_while(|row| page.after.as_ref().is_some_and(|after| row.id != *after))
        .skip(usize::from(page.after.is_some()));
    let page = page.cut(rest, |row| row.id.clone());
    Ok(Json(Definitions {
        next: page.next,
        items: page.items.into_iter().map(Into::into).collect(),
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
struct DeployQuery {
    /// Key of the definition; the id of the file's main process when left out.
    key: Option<String>,
}

#[derive(ToSchema)]
#[schema(as = ProcessDeployForm)]
#[expect(dead_code, reason = "describes the multipart body")]
struct DeployForm {
    #[schema(value_type = String, format = Binary, example = "order.bpmn")]
    file: Vec<u8>,
}

/// What was deployed, and what the author should know.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProcessDeployed)]
struct Deployed {
    #[schema(example = "order:3:5f2a91c0")]
    id: String,
    #[schema(example = "order")]
    key: String,
    #[schema(example = 3)]
    version: i64,
    /// False when this content is the newest version already.
    is_new: bool,
    /// Warnings of the checker.
    #[schema(value_type = Vec<Object>)]
    warnings: Vec<Finding>,
    /// Attributes and elements of other engines that have no effect here.
    #[schema(value_type = Vec<Object>, example = json!([{"element": "pay", "line": 12, "what": "<camunda:executionListener>"}]))]
    ignored: Vec<Ignored>,
}

/// Deploys a BPMN or DMN file, as the raw body or as field `file` of a multipart body. A file
/// that the standard forbids is refused with every finding. Running instances keep their version.
#[utoipa::path(post, path = "/api/process/definitions", tag = "process", params(DeployQuery),
    request_body(content((String = "application/xml", example = "<definitions xmlns=\"http://www.omg.org/spec/BPMN/20100524/MODEL\">…</definitions>"), (DeployForm = "multipart/form-data"))),
    responses((status = 201, body = Deployed), (status = 422, description = "findings: line, element, rule, remedy")))]
async fn deploy(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<DeployQuery>,
    request: Request,
) -> Answer<(StatusCode, Json<Deployed>)> {
    let desk = Desk::of(&app)?;
    let bytes = file_of(&app, request).await?;
    let file = Uploaded {
        key: query.key,
        bytes: bytes.to_vec(),
        ..Uploaded::default()
    };
    let mut deployed = deploy::deploy(&desk, &actor, vec![file]).await?;
    let deployed = deployed.pop().ok_or(Error::NotFound { what: "file" })?;
    let answer = Deployed {
        id: deployed.version.definition,
        key: deployed.version.key,
        version: deployed.version.version,
        is_new: deployed.version.is_new,
        warnings: deployed.warnings,
        ignored: deployed.ignored,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

async fn file_of(app: &App, request: Request) -> Result<Bytes> {
    let missing = || Error::invalid("file", Text::new("workflow-file-missing"));
    let kind = request.headers().get(header::CONTENT_TYPE);
    let is_form = kind
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("multipart/form-data"));
    let bytes = if is_form {
        let form = Multipart::from_request(request, app).await;
        let mut form = form.map_err(|_| missing())?;
        loop {
            let field = form.next_field().await.map_err(|_| missing())?;
            let field = field.ok_or_else(missing)?;
            if field.file_name().is_some() || field.name() == Some("file") {
                break field.bytes().await.map_err(|_| missing())?;
            }
        }
    } else {
        let bytes = Bytes::from_request(request, app).await;
        bytes.map_err(|_| missing())?
    };
    if bytes.is_empty() {
        return Err(missing());
    }
    Ok(bytes)
}

/// One version.
#[utoipa::path(get, path = "/api/process/definitions/{id}", tag = "process",
    params(("id" = String, Path, description = "definition, as `order:3:5f2a91c0`")),
    responses((status = 200, body = DefinitionView), (status = 404, description = "no such definition")))]
async fn get(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<DefinitionView>> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::READ_DEFINITIONS)?;
    let row = crate::store::get_definition(desk.db.read(), &id).await?;
    Ok(Json(DefinitionView {
        deployed_at: kernel::clock::from_micros(row.deployed_at),
        id: row.id,
        key: row.key,
        version: row.version,
        kind: row.kind,
    }))
}

/// The file as its author sent it.
#[utoipa::path(get, path = "/api/process/definitions/{id}/xml", tag = "process",
    params(("id" = String, Path, description = "definition")),
    responses((status = 200, description = "BPMN or DMN XML", content_type = "application/xml")))]
async fn xml(State(app): State<App>, actor: Actor, Path(id): Path<String>) -> Answer<Response> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::READ_DEFINITIONS)?;
    let row = crate::store::get_definition(desk.db.read(), &id).await?;
    let kind = [(header::CONTENT_TYPE, "application/xml; charset=utf-8")];
    Ok((kind, row.xml).into_response())
}

/// Where the instances of a version stand, element by element.
#[utoipa::path(get, path = "/api/process/definitions/{id}/statistics", tag = "process",
    params(("id" = String, Path, description = "definition")),
    responses((status = 200, body = Vec<Standing>), (status = 404, description = "no such definition")))]
async fn statistics(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<Vec<Standing>>> {
    let desk = Desk::of(&app)?;
    Ok(Json(act::statistics(&desk, &actor, &id).await?))
}
