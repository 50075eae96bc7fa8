//! Upload of a list and the report of what became of it.

use std::io::Write;

use askama::Template;
use axum::{
    Json,
    extract::{Multipart, State as AppState},
    response::{IntoResponse, Response},
};
use identity::Actor;
use kernel::{Error, Fault, Text};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{App, Html, Page, WebError, component::Fields};

use super::{Options, Report};
use crate::guide::api::stewards_only;

/// Routes of the import.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route(
            "/work/matters/import",
            axum::routing::get(form).post(upload),
        )
        .routes(routes!(upload_api))
}

#[derive(Template)]
#[template(path = "matter/import.html")]
struct ImportPage {
    p: Page,
    f: Fields,
    report: Option<Report>,
}

async fn form(AppState(app): AppState<App>, p: Page, actor: Actor) -> Result<Html, WebError> {
    stewards_only(&app, &actor, "service.matter.import")?;
    Html::page(&ImportPage {
        p,
        f: Fields::new(),
        report: None,
    })
}

async fn upload(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    body: Multipart,
) -> Result<Response, WebError> {
    stewards_only(&app, &actor, "service.matter.import")?;
    match receive(&app, &actor, body).await {
        Ok(report) => {
            let page = ImportPage {
                p,
                f: Fields::new(),
                report: Some(report),
            };
            Ok(Html::page(&page)?.into_response())
        }
        Err(Error::Invalid(findings)) => {
            let page = ImportPage {
                p,
                f: Fields::new().rejected(findings),
                report: None,
            };
            Ok(Html::again(&page)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the multipart body")]
struct ListUpload {
    /// CSV (UTF-8 or GB18030) or XLSX.
    #[schema(value_type = String, format = Binary, example = "matters.csv")]
    file: Vec<u8>,
    /// `true` to refuse the whole list for one bad row.
    #[schema(example = "true")]
    all_or_nothing: Option<String>,
}

/// Imports a list of matters and reports what became of each row.
#[utoipa::path(post, path = "/api/service/matters/import", tag = "matters",
    request_body(content_type = "multipart/form-data", content = ListUpload),
    responses((status = 200, body = Report), (status = 403), (status = 422)))]
async fn upload_api(
    AppState(app): AppState<App>,
    actor: Actor,
    body: Multipart,
) -> Result<Json<Report>, WebError> {
    stewards_only(&app, &actor, "service.matter.import")?;
    Ok(Json(receive(&app, &actor, body).await?))
}

async fn receive(app: &App, actor: &Actor, mut body: Multipart) -> kernel::Result<Report> {
    let broken = |e| Fault::caused_by("read the upload", e);
    let mut options = Options {
        by: actor.trace(),
        ..Options::default()
    };
    let mut file: Option<tempfile::NamedTempFile> = None;
    while let Some(mut field) = body.next_field().await.map_err(broken)? {
        match field.name() {
            Some("all_or_nothing") => {
                options.all_or_nothing = field.text().await.map_err(broken)? == "true";
            }
            Some("file") => {
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
    let Some(file) = file else {
        return Err(Error::invalid("file", Text::new("service-import-no-file")));
    };
    super::matters(app, file.path(), &options, |_, _| {}).await
}
