//! Deployments and definitions.

use crate::rest::Body;
use axum::{
    Json,
    extract::{Multipart, Path, Query, State},
};
use identity::Actor;
use kernel::{Error, Result, Text};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{
    Answer,
    instance::instance_body,
    value::{plain, typed, written},
};
use crate::{
    InstanceId,
    rest::{
        Desk,
        act::{self, Deployed, Which},
        store::{self as tables, DefinitionRow},
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(deploy))
        .routes(routes!(list))
        .routes(routes!(by_key))
        .routes(routes!(by_id))
        .routes(routes!(xml_by_key))
        .routes(routes!(xml_by_id))
        .routes(routes!(start_by_key))
        .routes(routes!(start_by_id))
}

#[derive(ToSchema)]
#[schema(as = CamundaDeployForm)]
#[expect(dead_code, reason = "describes the multipart body")]
struct DeployForm {
    #[schema(rename = "deployment-name", example = "orders")]
    deployment_name: String,
    #[schema(value_type = String, format = Binary)]
    data: Vec<u8>,
}

/// Deploys the files of a multipart body. The key of each is the id of its main process.
#[utoipa::path(post, path = "/engine-rest/deployment/create", tag = "camunda",
    request_body(content = DeployForm, content_type = "multipart/form-data"),
    responses((status = 200, body = Object, example = json!({"id": "order:1:5f2a91c0", "name": "orders", "deployedProcessDefinitions": {"order:1:5f2a91c0": {"id": "order:1:5f2a91c0", "key": "order", "version": 1}}})),
        (status = 400, description = "what the standard forbids: line, element, rule, remedy")))]
async fn deploy(State(app): State<App>, actor: Actor, mut form: Multipart) -> Answer<Json<Value>> {
    let desk = Desk::of(&app)?;
    let broken = || Error::invalid("data", Text::new("workflow-file-missing"));
    let (mut name, mut files) = (String::new(), Vec::new());
    while let Some(field) = form.next_field().await.map_err(|_| broken())? {
        if field.name() == Some("deployment-name") {
            name = field.text().await.map_err(|_| broken())?;
        } else if field.file_name().is_some() {
            files.push(field.bytes().await.map_err(|_| broken())?);
        }
    }
    if files.is_empty() {
        return Err(broken().into());
    }
    let mut deployed = Vec::new();
    for file in files {
        deployed.push(act::deploy(&desk, &actor, None, &file).await?);
    }
    Ok(Json(deployment(&name, &deployed, app.clock().now())))
}

fn deployment(name: &str, deployed: &[Deployed], now: chrono::DateTime<chrono::Utc>) -> Value {
    let first = deployed.first().map(|one| &one.version);
    let id = first.map_or("", |version| version.definition.as_str());
    let mut definitions = Map::new();
    for one in deployed {
        let version = &one.version;
        let body = json!({
            "id": version.definition,
            "key": version.key,
            "name": one.name,
            "version": version.version,
            "deploymentId": id,
            "suspended": false,
        });
        definitions.insert(version.definition.clone(), body);
    }
    // Not part of the interface; it does not disturb clients, and says what they would miss.
    let ignored: Vec<_> = deployed.iter().flat_map(|one| &one.ignored).collect();
    json!({
        "id": id,
        "name": name,
        "source": null,
        "tenantId": null,
        "deploymentTime": written(now),
        "deployedProcessDefinitions": definitions,
        "ignored": ignored,
    })
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, rename_all = "camelCase")]
struct ListQuery {
    key: Option<String>,
    /// The newest version of each key only.
    latest_version: bool,
    first_result: usize,
    max_results: Option<usize>,
}

/// Process definitions.
#[utoipa::path(get, path = "/engine-rest/process-definition", tag = "camunda", params(ListQuery),
    responses((status = 200, body = Vec<Object>, example = json!([{"id": "order:1:5f2a91c0", "key": "order", "version": 1}]))))]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Answer<Json<Vec<Value>>> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::READ_DEFINITIONS)?;
    let mut rows = tables::definitions(desk.db.read(), query.key.as_deref()).await?;
    if query.latest_version {
        rows.dedup_by(|later, kept| later.key == kept.key);
    }
    let wanted = rows
        .iter()
        .filter(|row| row.kind == "bpmn")
        .skip(query.first_result)
        .take(query.max_results.unwrap_or(usize::MAX).min(1_000));
    let mut bodies = Vec::new();
    for row in wanted {
        bodies.push(definition_body(&desk, row).await?);
    }
    Ok(Json(bodies))
}

async fn definition_body(desk: &Desk, row: &DefinitionRow) -> Result<Value> {
    let process = desk.engine.process(desk.db.read(), &row.id).await?;
    let head = process.model.process(&process.id);
    Ok(json!({
        "id": row.id,
        "key": row.key,
        "name": head.map(|head| head.name.clone()).filter(|name| !name.is_empty()),
        "version": row.version,
        "deploymentId": row.id,
        "resource": format!("{}.bpmn", row.key),
        "category": null,
        "description": null,
        "diagram": null,
        "suspended": false,
        "tenantId": null,
        "versionTag": null,
        "startableInTasklist": true,
    }))
}

/// The newest version of a key.
async fn latest(desk: &Desk, key: &str) -> Result<DefinitionRow> {
    let rows = tables::definitions(desk.db.read(), Some(key)).await?;
    let found = rows.into_iter().find(|row| row.kind == "bpmn");
    found.ok_or(Error::NotFound {
        what: "process definition",
    })
}

/// The newest version of a key.
#[utoipa::path(get, path = "/engine-rest/process-definition/key/{key}", tag = "camunda",
    params(("key" = String, Path, description = "key of the definition")),
    responses((status = 200, body = Object, example = json!({"id": "order:1:5f2a91c0", "key": "order", "version": 1}))))]
async fn by_key(
    State(app): State<App>,
    actor: Actor,
    Path(key): Path<String>,
) -> Answer<Json<Value>> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::READ_DEFINITIONS)?;
    let row = latest(&desk, &key).await?;
    Ok(Json(definition_body(&desk, &row).await?))
}

async fn version_of(desk: &Desk, id: &str) -> Result<DefinitionRow> {
    let row = crate::store::get_definition(desk.db.read(), id).await?;
    Ok(DefinitionRow {
        id: row.id,
        key: row.key,
        version: row.version,
        kind: row.kind,
        names: row.names,
        deployed_at: row.deployed_at,
    })
}

/// One version.
#[utoipa::path(get, path = "/engine-rest/process-definition/{id}", tag = "camunda",
    params(("id" = String, Path, description = "definition")),
    responses((status = 200, body = Object, example = json!({"id": "order:1:5f2a91c0", "key": "order", "version": 1}))))]
async fn by_id(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<Value>> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::READ_DEFINITIONS)?;
    let row = version_of(&desk, &id).await?;
    Ok(Json(definition_body(&desk, &row).await?))
}

async fn xml_body(desk: &Desk, id: &str) -> Result<Json<Value>> {
    let row = crate::store::get_definition(desk.db.read(), id).await?;
    Ok(Json(json!({"id": row.id, "bpmn20Xml": row.xml})))
}

/// The file of the newest version of a key.
#[utoipa::path(get, path = "/engine-rest/process-definition/key/{key}/xml", tag = "camunda",
    params(("key" = String, Path, description = "key of the definition")),
    responses((status = 200, body = Object, example = json!({"id": "order:1:5f2a91c0", "bpmn20Xml": "<definitions …"}))))]
async fn xml_by_key(
    State(app): State<App>,
    actor: Actor,
    Path(key): Path<String>,
) -> Answer<Json<Value>> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::READ_DEFINITIONS)?;
    let row = latest(&desk, &key).await?;
    Ok(xml_body(&desk, &row.id).await?)
}

/// The file of one version.
#[utoipa::path(get, path = "/engine-rest/process-definition/{id}/xml", tag = "camunda",
    params(("id" = String, Path, description = "definition")),
    responses((status = 200, body = Object, example = json!({"id": "order:1:5f2a91c0", "bpmn20Xml": "<definitions …"}))))]
async fn xml_by_id(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Answer<Json<Value>> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::READ_DEFINITIONS)?;
    Ok(xml_body(&desk, &id).await?)
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = CamundaStart)]
#[serde(default, rename_all = "camelCase")]
struct Start {
    #[schema(example = "A-17")]
    business_key: Option<String>,
    #[schema(value_type = Object, example = json!({"amount": {"value": 1200, "type": "Integer"}}))]
    variables: Option<Map<String, Value>>,
    with_variables_in_return: bool,
}

async fn start(app: &App, actor: &Actor, which: Which, body: &Start) -> Result<Json<Value>> {
    let desk = Desk::of(app)?;
    let vars = plain(body.variables.as_ref())?;
    let key = body.business_key.as_deref();
    let id = act::start(&desk, actor, which, key, vars).await?;
    started(&desk, id, body.with_variables_in_return).await
}

async fn started(desk: &Desk, id: InstanceId, with_variables: bool) -> Result<Json<Value>> {
    let row = crate::store::get_instance(desk.db.read(), id).await?;
    let mut body = instance_body(&row.id, &row.definition, &row.subject, &row.status);
    if with_variables && let Some(object) = body.as_object_mut() {
        let vars = crate::step::read_state(&row)?.variables();
        object.insert("variables".to_owned(), Value::Object(typed(&vars)));
    }
    Ok(Json(body))
}

/// Starts the newest version of a key.
#[utoipa::path(post, path = "/engine-rest/process-definition/key/{key}/start", tag = "camunda", request_body = Start,
    params(("key" = String, Path, description = "key of the definition")),
    responses((status = 200, body = Object, example = json!({"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "definitionId": "order:1:5f2a91c0", "ended": false}))))]
async fn start_by_key(
    State(app): State<App>,
    actor: Actor,
    Path(key): Path<String>,
    Body(body): Body<Start>,
) -> Answer<Json<Value>> {
    Ok(start(&app, &actor, Which::Key(key), &body).await?)
}

/// Starts one version.
#[utoipa::path(post, path = "/engine-rest/process-definition/{id}/start", tag = "camunda", request_body = Start,
    params(("id" = String, Path, description = "definition")),
    responses((status = 200, body = Object, example = json!({"id": "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11", "definitionId": "order:1:5f2a91c0", "ended": false}))))]
async fn start_by_id(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<Start>,
) -> Answer<Json<Value>> {
    Ok(start(&app, &actor, Which::Version(id), &body).await?)
}
