//! `/api/process/incidents`: what stopped where, since when; tried again one by one or many.

use super::Body;
use axum::{
    Json,
    extract::{Query, State},
};
use identity::Actor;
use kernel::Error;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{
    Answer, Desk,
    act::{self, Incident},
    page, parse, store as tables,
};
use crate::InstanceId;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(retry))
}

#[derive(Debug, Deserialize, IntoParams)]
struct ListQuery {
    /// Key of the definition.
    key: Option<String>,
    instance: Option<String>,
    after: Option<String>,
    /// Instances on a page; each may have several incidents.
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProcessIncidents)]
struct Incidents {
    items: Vec<Incident>,
    /// Value of `after` for the next page; none at the end.
    next: Option<String>,
}

/// Places where processes stopped, those of the newest instance first.
#[utoipa::path(get, path = "/api/process/incidents", tag = "process", params(ListQuery),
    responses((status = 200, body = Incidents), (status = 403, description = "not allowed")))]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Answer<Json<Incidents>> {
    let desk = Desk::of(&app)?;
    let filter = tables::InstanceFilter {
        id: query.instance,
        key: query.key,
        ..tables::InstanceFilter::default()
    };
    let page = page(query.after, query.limit)?;
    let (items, next) = act::incidents(&desk, &actor, &filter, &page).await?;
    Ok(Json(Incidents { items, next }))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProcessRetry)]
struct Retry {
    /// Instances whose stopped places try again.
    #[serde(default)]
    #[schema(example = json!(["01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11"]))]
    instances: Vec<String>,
    /// One stopped place, when a single instance is named.
    token: Option<u32>,
}

/// What became of one instance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProcessRetried)]
struct Retried {
    instance: String,
    /// Empty when it tried again; otherwise the rule that refused.
    #[schema(example = "")]
    refused: String,
}

/// Lets what stopped try again, each instance in its own write: one that refuses does not hold
/// up the others.
#[utoipa::path(post, path = "/api/process/incidents/retry", tag = "process", request_body = Retry,
    responses((status = 200, body = Vec<Retried>), (status = 403, description = "not allowed")))]
async fn retry(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<Retry>,
) -> Answer<Json<Vec<Retried>>> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::INTERVENE)?;
    let token = body.token.filter(|_| body.instances.len() == 1);
    let mut answers = Vec::new();
    for instance in body.instances {
        let id: InstanceId = parse(&instance, "process instance")?;
        let refused = match act::retry(&desk, &actor, id, token).await {
            Ok(()) => String::new(),
            Err(Error::Refused(text)) => text.key.to_owned(),
            Err(Error::NotFound { what }) => format!("{what} not found"),
            Err(error) => return Err(error.into()),
        };
        answers.push(Retried { instance, refused });
    }
    Ok(Json(answers))
}
