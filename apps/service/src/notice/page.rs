//! Notices as signed documents, for those who may see the case.

use askama::Template;
use axum::{
    body::Body,
    extract::{Path, State as AppState},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use identity::Actor;
use store::Blobs;
use utoipa_axum::router::OpenApiRouter;
use web::{App, Html, Page, WebError};

use super::react;
use crate::case::{
    act::{self, Desk},
    store as rows,
};

/// Seconds after which a browser looks again for a file that is being made.
const LOOK_AGAIN: &str = "3";

/// Routes of notices.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().route("/notices/{id}", axum::routing::get(download))
}

#[derive(Template)]
#[template(path = "case/notice.html")]
struct WaitPage {
    p: Page,
    title: String,
    href: String,
}

/// The kept file; a page that looks again while it is being made (202).
async fn download(
    AppState(app): AppState<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let desk = Desk::of(&app)?;
    let notice = rows::get_notice(app.db().read(), &id).await?;
    act::view(&desk, &actor, notice.case).await?;
    let Some(digest) = &notice.blob else {
        // Notices from before there was a job have none; ordering twice makes one file.
        app.db()
            .write(move |tx| {
                let id = id.clone();
                async move { react::order(&tx, &id) }
            })
            .await?;
        let page = WaitPage {
            title: p.t(format!("service-notice-{}", notice.kind)),
            href: format!("/notices/{}", notice.id),
            p,
        };
        let html = Html::with(StatusCode::ACCEPTED, &page)?;
        return Ok(([(header::REFRESH, LOOK_AGAIN)], html).into_response());
    };
    let file = app.part::<Blobs>()?.get(app.db(), digest).await?;
    let name = format!("attachment; filename=\"{}\"", react::file_name(&notice));
    let headers = [
        (header::CONTENT_TYPE, file.media_type),
        (header::CONTENT_LENGTH, file.size.to_string()),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "private, no-store".to_owned()),
        // Equal digests are equal files.
        (header::ETAG, format!("\"{digest}\"")),
    ];
    Ok((headers, Body::from_stream(file.content)).into_response())
}
