//! `/api/process/messages` and `/api/process/signals`.

use super::Body;
use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use identity::Actor;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{
    Answer, Desk, page, parse,
    send::{self, Address},
};
use crate::post::{Choice, Decision, Undelivered};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(undelivered, correlate))
        .routes(routes!(places))
        .routes(routes!(deliver))
        .routes(routes!(discard))
        .routes(routes!(signal))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProcessMessage)]
struct Message {
    /// Name of the message in the model.
    #[serde(default)]
    #[schema(example = "payment received")]
    name: String,
    /// Only this instance.
    instance: Option<String>,
    /// Only instances that were started with this key.
    #[schema(example = "A-17")]
    business_key: Option<String>,
    /// Value of `tongban:correlation` of the waiting event.
    #[schema(value_type = Option<Object>)]
    key: Option<Value>,
    /// Variables that the instance must have, with these values.
    #[serde(default)]
    #[schema(value_type = Object, example = json!({}))]
    having: Map<String, Value>,
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"paid": 1200}))]
    variables: Map<String, Value>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProcessReached)]
struct Reached {
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    instance: String,
    /// Whether the message began a process.
    is_start: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
struct ListQuery {
    after: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UndeliveredMessages)]
struct UndeliveredList {
    items: Vec<Undelivered>,
    /// Value of `after` for the next page; none at the end.
    next: Option<String>,
}

/// Messages that processes sent and nobody has taken yet, the oldest first.
#[utoipa::path(get, path = "/api/process/messages", tag = "process", params(ListQuery),
    responses((status = 200, body = UndeliveredList), (status = 403, description = "not allowed")))]
async fn undelivered(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Answer<Json<UndeliveredList>> {
    let desk = Desk::of(&app)?;
    let page = page(query.after, query.limit)?;
    let found = send::undelivered(&desk, &actor, &page).await?;
    let (items, next) = (found.items, found.next);
    Ok(Json(UndeliveredList { items, next }))
}

/// Places that wait for a message of its name, or at the end of its flow, whatever their keys.
#[utoipa::path(get, path = "/api/process/messages/{id}/places", tag = "process", params(("id" = String, Path)),
    responses((status = 200, body = Vec<Choice>), (status = 404, description = "it was taken meanwhile")))]
async fn places(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<Vec<Choice>>> {
    let desk = Desk::of(&app)?;
    Ok(Json(send::choices(&desk, &actor, &id).await?))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MessageDelivery)]
struct Delivery {
    /// Who takes it.
    #[serde(default)]
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    instance: String,
    /// The element that waits there.
    #[serde(default)]
    #[schema(example = "paid")]
    element: String,
    #[serde(default)]
    #[schema(example = "two orders had this number; the bank confirmed which was paid")]
    reason: String,
}

/// Hands a message that nobody has taken to a place that waits for it.
#[utoipa::path(post, path = "/api/process/messages/{id}/deliver", tag = "process", params(("id" = String, Path)),
    request_body = Delivery,
    responses((status = 204, description = "it is taken"), (status = 404, description = "it was taken meanwhile"),
        (status = 422, description = "no reason, or that place does not wait for it")))]
async fn deliver(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<Delivery>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    let instance = parse(&body.instance, "process instance")?;
    let element = body.element;
    let decision = Decision::Deliver { instance, element };
    send::decide(&desk, &actor, &id, decision, &body.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MessageDiscarding)]
struct Discarding {
    #[serde(default)]
    #[schema(example = "the order was settled by telephone")]
    reason: String,
}

/// Throws a message away that nobody has taken.
#[utoipa::path(post, path = "/api/process/messages/{id}/discard", tag = "process", params(("id" = String, Path)),
    request_body = Discarding,
    responses((status = 204, description = "it is gone"), (status = 404, description = "it was taken meanwhile"),
        (status = 422, description = "no reason")))]
async fn discard(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<Discarding>,
) -> Answer<StatusCode> {
    let desk = Desk::of(&app)?;
    send::decide(&desk, &actor, &id, Decision::Discard, &body.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Brings a message to the one place that waits for it, or begins the process that it begins.
/// Refused when nothing waits, or more than one place does.
#[utoipa::path(post, path = "/api/process/messages", tag = "process", request_body = Message,
    responses((status = 200, body = Reached), (status = 409, description = "nothing waits for it, or several do")))]
async fn correlate(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<Message>,
) -> Answer<Json<Reached>> {
    let desk = Desk::of(&app)?;
    let instance = body
        .instance
        .as_deref()
        .map(|id| parse(id, "process instance"));
    let address = Address {
        instance: instance.transpose()?,
        business_key: body.business_key,
        key: body.key,
        having: body.having,
    };
    let reached = send::correlate(&desk, &actor, &body.name, &address, body.variables).await?;
    Ok(Json(Reached {
        instance: reached.instance.to_string(),
        is_start: reached.is_start,
    }))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProcessSignal)]
struct Signal {
    /// Name of the signal in the model.
    #[serde(default)]
    #[schema(example = "prices changed")]
    name: String,
    #[serde(default)]
    #[schema(value_type = Object, example = json!({"price": 3}))]
    variables: Map<String, Value>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProcessHeard)]
struct Heard {
    /// Instances that waited for it.
    #[schema(example = 4)]
    heard: usize,
    /// Processes that it began.
    #[schema(example = 0)]
    started: usize,
}

/// A signal reaches everything that waits for it, which may be nothing.
#[utoipa::path(post, path = "/api/process/signals", tag = "process", request_body = Signal,
    responses((status = 200, body = Heard), (status = 422, description = "it has no name")))]
async fn signal(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<Signal>,
) -> Answer<Json<Heard>> {
    let desk = Desk::of(&app)?;
    let (heard, started) = send::signal(&desk, &actor, &body.name, body.variables).await?;
    Ok(Json(Heard { heard, started }))
}
