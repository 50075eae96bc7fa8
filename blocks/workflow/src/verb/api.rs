//! JSON doors of copies, substitutes and interventions.

use crate::rest::Body;
use ::store::page::PageRequest;
use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use chrono::NaiveDate;
use identity::Actor;
use kernel::{Error, Result, Text};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{
    Copy, Deed, Intervention, Substitute,
    api_task::{may, write},
};
use crate::{
    InstanceId,
    api::{Answer, gate, parse},
    store as tables,
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(copies))
        .routes(routes!(read_copy))
        .routes(routes!(substitutes, name_substitute))
        .routes(routes!(end_substitute))
        .routes(routes!(intervene))
        .routes(routes!(deeds))
}

#[derive(Debug, Deserialize, IntoParams)]
struct CopyQuery {
    /// Only those that are not read.
    unread: Option<bool>,
    after: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Copies {
    items: Vec<Copy>,
    /// Value of `after` for the next page; none at the end.
    next: Option<String>,
}

/// Copies that were sent to the caller, newest first.
#[utoipa::path(get, path = "/api/workflow/copies", tag = "workflow", params(CopyQuery),
    responses((status = 200, body = Copies)))]
async fn copies(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<CopyQuery>,
) -> Answer<Json<Copies>> {
    gate(&app, &actor, "workflow.copy.read")?;
    let page = PageRequest::new(query.after, query.limit);
    let unread = query.unread.unwrap_or(false);
    let page = super::copies(app.db(), &actor.user.to_string(), unread, &page).await?;
    Ok(Json(Copies {
        items: page.items,
        next: page.next,
    }))
}

/// Confirms that one has read a copy.
#[utoipa::path(post, path = "/api/workflow/copies/{id}/read", tag = "workflow",
    params(("id" = String, Path, description = "copy")),
    responses((status = 204, description = "noted"), (status = 403, description = "somebody else's copy")))]
async fn read_copy(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    write(&app, &actor, "workflow.copy.read", move |tx, _, officer| {
        let id = id.clone();
        async move { super::read_copy(&tx, &id, &officer).await }
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, IntoParams)]
struct OfficerQuery {
    /// User id of the absent officer; the caller when left out.
    officer: Option<String>,
}

/// Who stands in for the caller, or (for operators) for another officer.
#[utoipa::path(get, path = "/api/workflow/substitutes", tag = "workflow", params(OfficerQuery),
    responses((status = 200, body = Vec<Substitute>)))]
async fn substitutes(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<OfficerQuery>,
) -> Answer<Json<Vec<Substitute>>> {
    gate(&app, &actor, "workflow.substitute.name")?;
    let own = actor.user.to_string();
    let officer = query.officer.unwrap_or_else(|| own.clone());
    if officer != own {
        gate(&app, &actor, "workflow.substitute.name_any")?;
    }
    Ok(Json(super::substitutes_of(app.db(), &officer).await?))
}

#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct Named {
    /// User id of the absent officer; the caller when left out.
    officer: Option<String>,
    /// User id of the one who stands in.
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    substitute: String,
    /// As `post@org`; all posts when empty.
    #[schema(example = json!(["examiner@11330000000000000A"]))]
    posts: Vec<String>,
    /// First and last day, both included.
    #[schema(value_type = String, example = "2026-10-08")]
    from: Option<NaiveDate>,
    #[schema(value_type = String, example = "2026-10-16")]
    until: Option<NaiveDate>,
    #[schema(example = "出差")]
    reason: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct Made {
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    id: String,
}

/// Names somebody who sees and does the caller's tasks in the caller's place for some days.
#[utoipa::path(post, path = "/api/workflow/substitutes", tag = "workflow", request_body = Named,
    responses((status = 201, body = Made), (status = 422, description = "oneself, wrong days, or foreign posts")))]
async fn name_substitute(
    State(app): State<App>,
    actor: Actor,
    Body(named): Body<Named>,
) -> Answer<(StatusCode, Json<Made>)> {
    gate(&app, &actor, "workflow.substitute.name")?;
    let is_administrator = may(&app, &actor, "workflow.substitute.name_any")?;
    let named = asked(named, &actor)?;
    let id = write(
        &app,
        &actor,
        "workflow.substitute.name",
        move |tx, _, officer| {
            let named = named.clone();
            async move { super::name_substitute(&tx, &officer, is_administrator, &named).await }
        },
    )
    .await?;
    Ok((StatusCode::CREATED, Json(Made { id })))
}

fn asked(named: Named, actor: &Actor) -> Result<Substitute> {
    let day = |field: &str, day: Option<NaiveDate>| {
        day.ok_or_else(|| Error::invalid(field, Text::new("workflow-substitute-days")))
    };
    Ok(Substitute {
        id: String::new(),
        officer: named.officer.unwrap_or_else(|| actor.user.to_string()),
        substitute: named.substitute,
        posts: named.posts,
        from: day("from", named.from)?,
        until: day("until", named.until)?,
        reason: named.reason,
        is_ended: false,
    })
}

/// Ends a substitution before its time.
#[utoipa::path(post, path = "/api/workflow/substitutes/{id}/end", tag = "workflow",
    params(("id" = String, Path, description = "substitution")),
    responses((status = 204, description = "ended"), (status = 403, description = "neither of the two")))]
async fn end_substitute(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    gate(&app, &actor, "workflow.substitute.name")?;
    let is_administrator = may(&app, &actor, "workflow.substitute.name_any")?;
    write(
        &app,
        &actor,
        "workflow.substitute.name",
        move |tx, _, officer| {
            let id = id.clone();
            async move { super::end_substitute(&tx, &id, &officer, is_administrator).await }
        },
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What an administrator does; `verb` says which of the others is meant.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
struct Intervening {
    /// `move`, `cancel`, `set` or `retry`.
    #[schema(example = "move")]
    verb: String,
    /// The token to move or to try again; all that stopped when left out.
    #[schema(example = 2)]
    token: Option<u32>,
    /// Element to which the token moves.
    #[schema(example = "review")]
    to: String,
    #[schema(value_type = Object, example = json!({"amount": 9}))]
    vars: Map<String, Value>,
    #[schema(example = "录入有误")]
    reason: String,
}

/// Moves a token, cancels, sets variables or tries again what stopped, with a reason.
#[utoipa::path(post, path = "/api/workflow/instances/{id}/intervene", tag = "workflow", request_body = Intervening,
    params(("id" = String, Path, description = "process instance")),
    responses((status = 204, description = "done"), (status = 409, description = "it has ended, or nothing stopped"),
        (status = 422, description = "no such verb, or no reason")))]
async fn intervene(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(asked): Body<Intervening>,
) -> Answer<StatusCode> {
    const ACTION: &str = "workflow.instance.intervene";
    gate(&app, &actor, ACTION)?;
    let id = parse::<InstanceId>(&id, "process instance")?;
    write(&app, &actor, ACTION, move |tx, engine, officer| {
        let asked = asked.clone();
        async move {
            let row = tables::get_instance(&*tx, id).await?;
            let what = intervention(&asked)?;
            // A case whose process was cancelled beneath it would stay open for ever.
            if what == Intervention::Cancel && engine.is_reserved(&row.subject) {
                return Err(Error::refused("workflow-through-application"));
            }
            super::intervene(&tx, &engine, id, what, &officer, &asked.reason).await
        }
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn intervention(asked: &Intervening) -> Result<Intervention> {
    Ok(match (asked.verb.as_str(), asked.token) {
        ("move", Some(token)) => Intervention::Move {
            token,
            to: asked.to.clone(),
        },
        ("cancel", _) => Intervention::Cancel,
        ("set", _) => Intervention::Set(asked.vars.clone()),
        ("retry", token) => Intervention::Retry(token),
        _ => {
            let text = Text::new("workflow-intervention-unknown");
            return Err(Error::invalid("verb", text));
        }
    })
}

/// What was done in an instance besides completing: who delegated, returned, urged and why.
#[utoipa::path(get, path = "/api/workflow/instances/{id}/deeds", tag = "workflow",
    params(("id" = String, Path, description = "process instance")),
    responses((status = 200, body = Vec<Deed>), (status = 404, description = "no such instance")))]
async fn deeds(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<Vec<Deed>>> {
    gate(&app, &actor, "workflow.instance.read")?;
    let id = parse::<InstanceId>(&id, "process instance")?;
    tables::get_instance(app.db().read(), id).await?;
    Ok(Json(super::deeds(app.db(), id).await?))
}
