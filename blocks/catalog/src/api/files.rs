//! Tables, reports and DCAT.

use std::io::Write;

use axum::{
    Json,
    extract::{Multipart, Query, State as From},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use identity::{Actor, MaybeActor};
use kernel::{Error, Fault, Text};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use web::{App, WebError};

use super::resources::Search;
use crate::{
    cascade::{self, Envelope, Peer, Receipt},
    dcat,
    table::{
        export::{self, Format},
        import::{self, Options, Report},
    },
};

type Answer<T> = Result<Json<T>, WebError>;

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the multipart body")]
#[schema(as = CatalogUpload)]
pub(super) struct Upload {
    /// CSV (UTF-8 or GB18030) or XLSX in the columns of the template.
    #[schema(value_type = String, format = Binary, example = "catalog.xlsx")]
    file: Vec<u8>,
    /// The department where the file names none.
    #[schema(example = "11321000990000033R")]
    provider: Option<String>,
    /// `true` to refuse the whole file for one wrong resource.
    #[schema(example = "true")]
    all_or_nothing: Option<String>,
    /// `true` to report only.
    #[schema(example = "true")]
    dry_run: Option<String>,
}

/// Imports a list of resources and reports what became of each.
#[utoipa::path(post, path = "/api/catalog/import", tag = "catalog",
    request_body(content_type = "multipart/form-data", content = Upload),
    responses((status = 200, body = Report), (status = 403), (status = 422)))]
pub(super) async fn import_list(
    From(app): From<App>,
    actor: Actor,
    body: Multipart,
) -> Answer<Report> {
    Ok(Json(receive(&app, &actor, body).await?))
}

/// Takes an uploaded list in; the page does the same.
pub async fn receive(app: &App, actor: &Actor, mut body: Multipart) -> kernel::Result<Report> {
    import::may(app, actor)?;
    let broken = |e| Fault::caused_by("read the upload", e);
    let mut options = Options::default();
    let mut file: Option<tempfile::NamedTempFile> = None;
    while let Some(mut field) = body.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "provider" => options.provider = field.text().await.map_err(broken)?,
            "all_or_nothing" => {
                options.all_or_nothing = field.text().await.map_err(broken)? == "true";
            }
            "dry_run" => options.dry_run = field.text().await.map_err(broken)? == "true",
            "file" => {
                options.name = field.file_name().unwrap_or_default().to_owned();
                let kept = |e| Fault::caused_by("keep the upload", e);
                let mut target = tempfile::NamedTempFile::new().map_err(kept)?;
                while let Some(chunk) = field.chunk().await.map_err(broken)? {
                    target.write_all(&chunk).map_err(kept)?;
                }
                target.flush().map_err(kept)?;
                file = Some(target);
            }
            _ => {}
        }
    }
    let file = file.ok_or_else(|| Error::invalid("file", Text::new("catalog-import-no-file")))?;
    import::import(app, actor, file.path(), &options).await
}

#[derive(Deserialize, IntoParams)]
pub(super) struct FormatQuery {
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

/// The entries of a search as a file in the columns of the template.
#[utoipa::path(get, path = "/api/catalog/export", tag = "catalog", params(Search, FormatQuery),
    responses((status = 200, content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"), (status = 403)))]
pub(super) async fn export_list(
    From(app): From<App>,
    actor: Actor,
    Query(search): Query<Search>,
    Query(query): Query<FormatQuery>,
) -> Result<Response, WebError> {
    let bytes = export::export(&app, &actor, &search.filter(), query.format).await?;
    Ok(download(bytes, "catalog", query.format))
}

/// The empty table to fill in.
#[utoipa::path(get, path = "/api/catalog/template", tag = "catalog",
    responses((status = 200, content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"), (status = 401)))]
pub(super) async fn template(_: Actor) -> Result<Response, WebError> {
    Ok(download(
        export::template()?,
        "catalog-template",
        Format::Xlsx,
    ))
}

fn download(bytes: Vec<u8>, name: &str, format: Format) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(format.media_type()),
    );
    let disposition = format!("attachment; filename=\"{name}.{}\"", format.ending());
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    (headers, bytes).into_response()
}

#[derive(Deserialize, IntoParams)]
pub(super) struct Since {
    /// Only what changed after that moment.
    since: Option<DateTime<Utc>>,
}

/// Signs the published entries for another catalog.
#[utoipa::path(post, path = "/api/catalog/reports", tag = "catalog", params(Since),
    responses((status = 200, body = Envelope), (status = 403)))]
pub(super) async fn report(
    From(app): From<App>,
    actor: Actor,
    Query(query): Query<Since>,
) -> Answer<Envelope> {
    Ok(Json(cascade::report(&app, &actor, query.since).await?))
}

/// Takes the report of another catalog in.
#[utoipa::path(post, path = "/api/catalog/received", tag = "catalog", request_body = Envelope,
    responses((status = 200, body = Receipt), (status = 403),
        (status = 409, description = "Of a stranger, or older than the last"), (status = 422)))]
pub(super) async fn received(
    From(app): From<App>,
    actor: Actor,
    Json(envelope): Json<Envelope>,
) -> Answer<Receipt> {
    Ok(Json(cascade::receive(&app, &actor, &envelope).await?))
}

/// Trusts another catalog's key.
#[utoipa::path(post, path = "/api/catalog/peers", tag = "catalog", request_body = Peer,
    responses((status = 204), (status = 403), (status = 422)))]
pub(super) async fn trust(
    From(app): From<App>,
    actor: Actor,
    Json(peer): Json<Peer>,
) -> Result<axum::http::StatusCode, WebError> {
    cascade::trust(&app, &actor, &peer).await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}

#[derive(Deserialize, IntoParams)]
pub(super) struct DcatQuery {
    /// From the link `hydra:next` of the page before.
    after: Option<String>,
}

/// The catalog as DCAT 3: what is open, for everybody.
#[utoipa::path(get, path = "/catalog/dcat", tag = "catalog", params(DcatQuery),
    responses((status = 200, content_type = "application/ld+json", body = Object,
        example = json!({"@id": "https://example.gov.cn/catalog/dcat", "@type": "dcat:Catalog"}))))]
pub(super) async fn dcat_page(
    From(app): From<App>,
    MaybeActor(actor): MaybeActor,
    Query(query): Query<DcatQuery>,
) -> Result<Response, WebError> {
    let page = dcat::page(&app, actor.as_ref(), query.after).await?;
    let kind = [(header::CONTENT_TYPE, "application/ld+json")];
    Ok((kind, page.to_string()).into_response())
}
