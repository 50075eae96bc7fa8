//! Files.

use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State},
};
use chrono::NaiveDate;
use http_body_util::BodyExt;
use identity::Actor;
use kernel::{Error, Fault, Text};
use serde::{Deserialize, Serialize};
use store::page::PageRequest;
use tokio::io::AsyncWriteExt;
use utoipa::{IntoParams, ToSchema};
use web::{App, Language, Page, WebError};

use crate::batch::{
    Batch, Mode, Refusal,
    act::{self, Loading},
};

type Answer<T> = Result<Json<T>, WebError>;

/// The newest files of a registry.
#[utoipa::path(get, path = "/api/registry/{registry}/batches", tag = "registry",
    params(("registry" = String, Path, example = "population")),
    responses((status = 200, body = Vec<Batch>), (status = 403), (status = 404)))]
pub(super) async fn list(
    State(app): State<App>,
    actor: Actor,
    Path(registry): Path<String>,
) -> Answer<Vec<Batch>> {
    Ok(Json(act::list(&app, &actor, &registry).await?))
}

#[derive(Serialize, ToSchema)]
pub(super) struct Report {
    batch: Batch,
    refusals: Vec<RefusalView>,
    /// Give it as `after` for more refusals.
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct RefusalView {
    /// Row of the file; the header is row 1.
    #[schema(example = 12)]
    row: i64,
    /// Empty where the row as a whole is wrong.
    #[schema(example = "gmsfhm")]
    column: String,
    /// The rule and the remedy.
    #[schema(example = "校验码不对；请核对最后一位。")]
    text: String,
}

/// The rule and the remedy in the reader's language.
pub fn say(app: &App, language: Language, refusal: &Refusal) -> String {
    let args: Vec<_> = refusal
        .args
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    app.texts().text(language, &refusal.key, &args)
}

async fn report(
    app: &App,
    actor: &Actor,
    language: Language,
    registry: &str,
    id: &str,
    after: Option<String>,
) -> Answer<Report> {
    let page = PageRequest::new(after, None);
    let (batch, refusals) = act::get(app, actor, registry, id, &page).await?;
    let items = refusals.items.into_iter().map(|r| RefusalView {
        text: say(app, language, &r),
        row: r.row,
        column: r.column,
    });
    Ok(Json(Report {
        batch,
        refusals: items.collect(),
        next: refusals.next,
    }))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct AfterQuery {
    /// `next` of the page before.
    after: Option<String>,
}

/// A file and why rows of it were refused.
#[utoipa::path(get, path = "/api/registry/{registry}/batches/{batch}", tag = "registry",
    params(("registry" = String, Path, example = "population"),
        ("batch" = String, Path, example = "police-2026-03-02"), AfterQuery),
    responses((status = 200, body = Report), (status = 403), (status = 404)))]
pub(super) async fn show(
    State(app): State<App>,
    actor: Actor,
    page: Page,
    Path((registry, id)): Path<(String, String)>,
    Query(query): Query<AfterQuery>,
) -> Answer<Report> {
    report(&app, &actor, page.language, &registry, &id, query.after).await
}

#[derive(Deserialize, IntoParams)]
pub(super) struct LoadQuery {
    #[param(example = "police")]
    source: String,
    #[serde(default)]
    mode: Mode,
    /// The day from which the rows hold; today where nothing is said.
    valid_from: Option<NaiveDate>,
}

/// Loads a CSV file in UTF-8 whose first line names the fields. Sent again under the same number,
/// it is taken once; after a crash it goes on where it stopped.
#[utoipa::path(put, path = "/api/registry/{registry}/batches/{batch}", tag = "registry",
    params(("registry" = String, Path, example = "population"),
        ("batch" = String, Path, example = "police-2026-03-02"), LoadQuery),
    request_body(content = String, content_type = "text/csv",
        example = "gmsfhm,xm\n320000199001010039,张小明\n"),
    responses((status = 200, body = Report), (status = 403), (status = 404), (status = 409), (status = 422)))]
pub(super) async fn load(
    State(app): State<App>,
    actor: Actor,
    page: Page,
    Path((registry, batch)): Path<(String, String)>,
    Query(query): Query<LoadQuery>,
    body: Body,
) -> Answer<Report> {
    let loading = Loading {
        registry: registry.clone(),
        source: query.source,
        batch: batch.clone(),
        mode: query.mode,
        valid_from: query.valid_from,
    };
    // Whoever may not load shall not fill the disk first.
    act::may(&app, &actor, &loading).await?;
    let file = spool(body).await?;
    act::load(&app, &actor, &loading, file.path()).await?;
    report(&app, &actor, page.language, &registry, &batch, None).await
}

/// The body on disk, because it is read more than once.
async fn spool(body: Body) -> Result<tempfile::NamedTempFile, WebError> {
    let unwritten = |e| Fault::caused_by("keep a delivered file", e);
    let file = tempfile::NamedTempFile::new().map_err(unwritten)?;
    let clone = file.reopen().map_err(unwritten)?;
    let mut writer = tokio::io::BufWriter::new(tokio::fs::File::from_std(clone));
    let mut body = body;
    while let Some(frame) = body.frame().await {
        let broken = |_| Error::invalid("body", Text::new("registry-file-missing"));
        let frame = frame.map_err(broken)?;
        if let Ok(piece) = frame.into_data() {
            writer.write_all(&piece).await.map_err(unwritten)?;
        }
    }
    writer.flush().await.map_err(unwritten)?;
    Ok(file)
}
