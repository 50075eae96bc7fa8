//! The JSON doors for people's programs. Nodes come by another door: Flight.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::header,
    response::IntoResponse,
};
use chrono::NaiveDate;
use identity::Actor;
use kernel::{Error, Fault, Text};
use serde::{Deserialize, Serialize};
use store::page::PageRequest;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{App, Page, WebError};

use crate::{
    Hub,
    hub::{
        batch::{self, Batch},
        delivery::{self, View},
        enrolment::{self, Invitation, Node},
        overview::{self, Day, Flow},
        publication::{self, Publication},
        subscription::{self, Subscribing, Subscription},
    },
    wire::{RefusedRow, Signed},
};

type Answer<T> = Result<Json<T>, WebError>;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(keys))
        .routes(routes!(nodes, invite))
        .routes(routes!(revoke))
        .routes(routes!(publications))
        .routes(routes!(move_publication))
        .routes(routes!(subscriptions, subscribe))
        .routes(routes!(move_subscription))
        .routes(routes!(batches))
        .routes(routes!(show_batch))
        .routes(routes!(refused))
        .routes(routes!(refused_file))
        .routes(routes!(retry))
        .routes(routes!(flows))
        .routes(routes!(day))
}

/// What everybody may check the exchange's proofs with.
#[derive(Serialize, ToSchema)]
struct ExchangeKeys {
    /// SM2 key that receipts and delivery notes are signed with, PEM.
    #[schema(example = "-----BEGIN PUBLIC KEY-----\nMFkw…")]
    hub_key: String,
    /// Certificate of the authority that nodes' certificates are signed with, PEM.
    authority: String,
}

/// The hub's public keys.
#[utoipa::path(get, path = "/api/exchange/keys", tag = "exchange",
    responses((status = 200, body = ExchangeKeys)))]
async fn keys(State(app): State<App>) -> Answer<ExchangeKeys> {
    let hub = app.part::<Hub>()?;
    let key = hub.authority.public_key().to_pem();
    Ok(Json(ExchangeKeys {
        hub_key: key.map_err(|e| Fault::caused_by("write the hub's key", e))?,
        authority: hub.authority.root_pem().to_owned(),
    }))
}

/// The nodes.
#[utoipa::path(get, path = "/api/exchange/nodes", tag = "exchange",
    responses((status = 200, body = Vec<Node>), (status = 403)))]
async fn nodes(State(app): State<App>, actor: Actor) -> Answer<Vec<Node>> {
    Ok(Json(enrolment::list(&app, &actor).await?))
}

#[derive(Serialize, ToSchema)]
struct ExchangeCode {
    /// For `tongban node enrol --code`; it is not shown again.
    code: String,
    /// For `tongban node enrol --hub`.
    #[schema(example = "https://hub.example.gov.cn:8443")]
    hub: String,
}

/// Makes a one-time code that lets a node in.
#[utoipa::path(post, path = "/api/exchange/nodes", tag = "exchange", request_body = Invitation,
    responses((status = 200, body = ExchangeCode), (status = 403), (status = 422)))]
async fn invite(
    State(app): State<App>,
    actor: Actor,
    Json(body): Json<Invitation>,
) -> Answer<ExchangeCode> {
    let code = enrolment::invite(&app, &actor, &body).await?;
    let hub = app.part::<Hub>()?.address();
    Ok(Json(ExchangeCode { code, hub }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ExchangeRevocation {
    #[schema(example = "机器丢失")]
    reason: String,
}

/// Shuts a node out, at once.
#[utoipa::path(post, path = "/api/exchange/nodes/{node}/revoke", tag = "exchange",
    params(("node" = String, Path, example = "police-front-1")), request_body = ExchangeRevocation,
    responses((status = 200), (status = 403), (status = 404), (status = 409), (status = 422)))]
async fn revoke(
    State(app): State<App>,
    actor: Actor,
    Path(node): Path<String>,
    Json(body): Json<ExchangeRevocation>,
) -> Answer<()> {
    Ok(Json(
        enrolment::revoke(&app, &actor, &node, &body.reason).await?,
    ))
}

/// What nodes offer.
#[utoipa::path(get, path = "/api/exchange/publications", tag = "exchange",
    responses((status = 200, body = Vec<Publication>), (status = 403)))]
async fn publications(State(app): State<App>, actor: Actor) -> Answer<Vec<Publication>> {
    Ok(Json(publication::list(&app, &actor).await?))
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ExchangePublicationMove)]
pub enum Move {
    /// With the columns that the node announced.
    Open,
    Suspend,
    /// Ask the node for all rows.
    Full,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ExchangePublicationStep {
    step: Move,
}

/// Opens or suspends a publication, or asks for all its rows.
#[utoipa::path(post, path = "/api/exchange/publications/{code}/steps", tag = "exchange",
    params(("code" = String, Path, example = "hukou-person")), request_body = ExchangePublicationStep,
    responses((status = 200), (status = 403), (status = 404)))]
async fn move_publication(
    State(app): State<App>,
    actor: Actor,
    Path(code): Path<String>,
    Json(body): Json<ExchangePublicationStep>,
) -> Answer<()> {
    Ok(Json(step(&app, &actor, &code, body.step).await?))
}

/// Does one of the steps; the page's door as well.
pub async fn step(app: &App, actor: &Actor, code: &str, step: Move) -> kernel::Result<()> {
    match step {
        Move::Open => publication::set_open(app, actor, code, true)
            .await
            .map(drop),
        Move::Suspend => publication::set_open(app, actor, code, false)
            .await
            .map(drop),
        Move::Full => publication::ask_full(app, actor, code).await,
    }
}

/// Who gets what.
#[utoipa::path(get, path = "/api/exchange/subscriptions", tag = "exchange",
    responses((status = 200, body = Vec<Subscription>), (status = 403)))]
async fn subscriptions(State(app): State<App>, actor: Actor) -> Answer<Vec<Subscription>> {
    Ok(Json(subscription::list(&app, &actor).await?))
}

/// Lets a node have columns and rows of a publication.
#[utoipa::path(post, path = "/api/exchange/subscriptions", tag = "exchange", request_body = Subscribing,
    responses((status = 200, body = Subscription), (status = 403), (status = 404), (status = 422)))]
async fn subscribe(
    State(app): State<App>,
    actor: Actor,
    Json(body): Json<Subscribing>,
) -> Answer<Subscription> {
    Ok(Json(subscription::subscribe(&app, &actor, &body).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ExchangeSubscriptionStep {
    state: subscription::State,
}

/// Suspends, resumes or withdraws a subscription, at once.
#[utoipa::path(post, path = "/api/exchange/subscriptions/{id}/steps", tag = "exchange",
    params(("id" = String, Path)), request_body = ExchangeSubscriptionStep,
    responses((status = 200, body = Subscription), (status = 403), (status = 404), (status = 409)))]
async fn move_subscription(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<ExchangeSubscriptionStep>,
) -> Answer<Subscription> {
    Ok(Json(
        subscription::set_state(&app, &actor, &id, body.state).await?,
    ))
}

#[derive(Deserialize, IntoParams)]
struct BatchQuery {
    publication: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct ExchangeBatchLine {
    #[serde(flatten)]
    batch: Batch,
    deliveries: Vec<View>,
}

#[derive(Serialize, ToSchema)]
struct ExchangeBatchList {
    items: Vec<ExchangeBatchLine>,
    /// Give it as `after` for older ones.
    next: Option<String>,
}

/// Batches and their deliveries, the newest first.
#[utoipa::path(get, path = "/api/exchange/batches", tag = "exchange", params(BatchQuery),
    responses((status = 200, body = ExchangeBatchList), (status = 403)))]
async fn batches(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<BatchQuery>,
) -> Answer<ExchangeBatchList> {
    let page = PageRequest::new(query.after, None);
    let found = overview::batches(&app, &actor, query.publication.as_deref(), &page).await?;
    let line = |(batch, deliveries)| ExchangeBatchLine { batch, deliveries };
    Ok(Json(ExchangeBatchList {
        items: found.items.into_iter().map(line).collect(),
        next: found.next,
    }))
}

/// A text and its SM2 signature.
#[derive(Serialize, ToSchema)]
struct ExchangeProof {
    text: String,
    /// DER, hexadecimal; over the purpose, a line end and the text.
    signature: String,
}

impl From<Signed> for ExchangeProof {
    fn from(signed: Signed) -> Self {
        Self {
            text: signed.text,
            signature: signed.signature,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct ExchangeBatchDetail {
    #[serde(flatten)]
    batch: Batch,
    /// Chunks that are here.
    arrived: usize,
    deliveries: Vec<View>,
    /// Signed by the provider's node.
    manifest: ExchangeProof,
    /// Signed by the hub.
    receipt: Option<ExchangeProof>,
}

/// A batch with its proofs.
#[utoipa::path(get, path = "/api/exchange/batches/{id}", tag = "exchange",
    params(("id" = String, Path)),
    responses((status = 200, body = ExchangeBatchDetail), (status = 403), (status = 404)))]
async fn show_batch(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<ExchangeBatchDetail> {
    let found = overview::batch(&app, &actor, &id).await?;
    Ok(Json(ExchangeBatchDetail {
        batch: found.batch,
        arrived: found.arrived,
        deliveries: found.deliveries,
        manifest: found.manifest.into(),
        receipt: found.receipt.map(ExchangeProof::from),
    }))
}

#[derive(Serialize, ToSchema)]
struct ExchangeRefusedRow {
    /// Of the source's rows, from 1.
    #[schema(example = 12)]
    row: i64,
    #[schema(example = "csrq")]
    column: String,
    /// The rule and the remedy.
    #[schema(example = "日期不存在或写法不对；请写成 2026-03-02。")]
    text: String,
    /// Columns and values of the source.
    values: Vec<(String, Option<String>)>,
}

#[derive(Serialize, ToSchema)]
struct ExchangeRefusedList {
    items: Vec<ExchangeRefusedRow>,
    next: Option<String>,
}

#[derive(Deserialize, IntoParams)]
struct RefusedQuery {
    /// `next` of the page before.
    after: Option<String>,
}

/// Rows of a batch that the provider's node set aside, and why. For people of its department.
#[utoipa::path(get, path = "/api/exchange/batches/{id}/refused", tag = "exchange",
    params(("id" = String, Path), RefusedQuery),
    responses((status = 200, body = ExchangeRefusedList), (status = 403), (status = 404)))]
async fn refused(
    State(app): State<App>,
    actor: Actor,
    page: Page,
    Path(id): Path<String>,
    Query(query): Query<RefusedQuery>,
) -> Answer<ExchangeRefusedList> {
    let request = PageRequest::new(query.after, None);
    let found = batch::refused(&app, &actor, &id, &request).await?;
    let items = found.items.into_iter().map(|row| ExchangeRefusedRow {
        text: page.t(&row.reason),
        row: row.row,
        column: row.column,
        values: row.values,
    });
    Ok(Json(ExchangeRefusedList {
        items: items.collect(),
        next: found.next,
    }))
}

/// Refused rows as a CSV file to mend: the source's columns, then the reasons. `tongban node
/// resend` takes it back.
#[utoipa::path(get, path = "/api/exchange/batches/{id}/refused.csv", tag = "exchange",
    params(("id" = String, Path)),
    responses((status = 200, content_type = "text/csv", body = String), (status = 403), (status = 404)))]
async fn refused_file(
    State(app): State<App>,
    actor: Actor,
    page: Page,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, WebError> {
    let table = refused_csv(&app, &actor, &page, &id).await?;
    let name = format!("attachment; filename=\"refused-{id}.csv\"");
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, table))
}

/// One line for each row; a row with several reasons has them all.
async fn refused_csv(app: &App, actor: &Actor, page: &Page, id: &str) -> kernel::Result<Vec<u8>> {
    let mut request = PageRequest::new(None, Some(store::page::LARGEST_LIMIT));
    let mut lines: Vec<(RefusedRow, String)> = Vec::new();
    loop {
        let found = batch::refused(app, actor, id, &request).await?;
        for row in found.items {
            let why = format!("{}: {}", row.column, page.t(&row.reason));
            match lines.last_mut().filter(|(last, _)| last.row == row.row) {
                Some((_, reasons)) => *reasons = format!("{reasons} {why}"),
                None => lines.push((row, why)),
            }
        }
        match found.next {
            Some(next) => {
                request = PageRequest::new(Some(next), Some(store::page::LARGEST_LIMIT));
            }
            None => break,
        }
    }
    let head = lines
        .iter()
        .map(|(row, _)| &row.values)
        .max_by_key(|values| values.len());
    let head: Vec<&String> = head.into_iter().flatten().map(|(name, _)| name).collect();
    let reason = "tongban_reason".to_owned();
    let first: Vec<String> = head.iter().copied().chain([&reason]).cloned().collect();
    let rest = lines.iter().map(|(RefusedRow { values, .. }, why)| {
        let cell = |name: &&String| {
            let found = values.iter().find(|(own, _)| own == *name);
            found
                .and_then(|(_, value)| value.clone())
                .unwrap_or_default()
        };
        let cells = head.iter().map(cell);
        cells.chain([why.clone()]).collect::<Vec<_>>()
    });
    sheet::csv(std::iter::once(first).chain(rest))
}

/// Lets a subscriber's node try a failed delivery again.
#[utoipa::path(post, path = "/api/exchange/deliveries/{id}/retry", tag = "exchange",
    params(("id" = String, Path)),
    responses((status = 200), (status = 403), (status = 404), (status = 409)))]
async fn retry(State(app): State<App>, actor: Actor, Path(id): Path<String>) -> Answer<()> {
    Ok(Json(delivery::retry(&app, &actor, &id).await?))
}

/// From whom rows go to whom, and what waits on the way.
#[utoipa::path(get, path = "/api/exchange/flows", tag = "exchange",
    responses((status = 200, body = Vec<Flow>), (status = 403)))]
async fn flows(State(app): State<App>, actor: Actor) -> Answer<Vec<Flow>> {
    Ok(Json(overview::flows(&app, &actor).await?))
}

/// What a day adds up to on both sides.
#[utoipa::path(get, path = "/api/exchange/days/{date}", tag = "exchange",
    params(("date" = String, Path, example = "2026-03-02")),
    responses((status = 200, body = Vec<Day>), (status = 403), (status = 422)))]
async fn day(State(app): State<App>, actor: Actor, Path(date): Path<String>) -> Answer<Vec<Day>> {
    overview::may_read(&app, &actor)?;
    let wrong = |_| Error::invalid("date", Text::new("exchange-date"));
    let date: NaiveDate = date.parse().map_err(wrong)?;
    Ok(Json(overview::day(&app, &actor, date).await?))
}
