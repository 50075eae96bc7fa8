//! Deployments and definitions.

use axum::{
    Json,
    extract::{Multipart, Path, State},
};
use identity::Actor;
use kernel::{Error, Result, Text};
use sea_orm::Order;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::App;

use super::{
    Answer,
    instance::instance_body,
    search::{self, Asked, Count, Off, Paging, Sorting, is_like, words},
    store::definition as store,
    value::{plain, typed, written},
};
use crate::{
    InstanceId,
    model::Ignored,
    rest::{
        Body, Desk,
        act::{self, Which},
        deploy::{self, Deployed, Uploaded},
        store::{self as tables, DefinitionRow},
    },
    schema::definition::Column,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(deploy))
        .routes(routes!(list))
        .routes(routes!(count))
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
#[utoipa::path(post, path = "/deployment/create", tag = "camunda",
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
        } else if let Some(file) = field.file_name().map(str::to_owned) {
            let bytes = field.bytes().await.map_err(|_| broken())?.to_vec();
            files.push(Uploaded {
                name: file,
                key: None,
                bytes,
            });
        }
    }
    // Forms, pictures and what else belongs to a process elsewhere: of no use here.
    let (files, others) = files.into_iter().partition::<Vec<_>, _>(is_model);
    if files.is_empty() {
        return Err(broken().into());
    }
    let deployed = deploy::deploy(&desk, &actor, files).await?;
    Ok(Json(deployment(
        &name,
        &deployed,
        &others,
        app.clock().now(),
    )))
}

/// By its name, as in the interface; a file without an ending may be anything.
fn is_model(file: &Uploaded) -> bool {
    let ending = file.name.rsplit_once('.').map(|(_, ending)| ending);
    ending
        .is_none_or(|ending| ["bpmn", "dmn", "xml"].contains(&ending.to_ascii_lowercase().as_str()))
}

fn deployment(
    name: &str,
    deployed: &[Deployed],
    others: &[Uploaded],
    now: chrono::DateTime<chrono::Utc>,
) -> Value {
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
    let inside = deployed.iter().flat_map(|one| one.ignored.iter().cloned());
    let others = others.iter().map(|file| Ignored {
        element: String::new(),
        line: 0,
        what: format!("file {}", file.name),
    });
    let ignored: Vec<_> = inside.chain(others).collect();
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

/// Which definitions are wanted; each parameter narrows further.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the parameters of the interface"
)]
pub(super) struct ListQuery {
    pub process_definition_id: Option<String>,
    #[serde(deserialize_with = "words")]
    pub process_definition_id_in: Option<Vec<String>>,
    pub deployment_id: Option<String>,
    pub key: Option<String>,
    #[serde(deserialize_with = "words")]
    pub keys_in: Option<Vec<String>>,
    /// `%` stands for any text, `_` for any character.
    pub key_like: Option<String>,
    name: Option<String>,
    name_like: Option<String>,
    pub version: Option<i64>,
    /// The newest version of each key only.
    pub latest_version: bool,
    /// None is ever suspended.
    pub suspended: bool,
    #[serde(rename = "active")]
    _active: bool,
    /// There are no tenants, so this changes nothing.
    #[serde(rename = "withoutTenantId")]
    _without_tenant_id: bool,
    sort_by: Option<String>,
    sort_order: Option<String>,
    first_result: Option<u32>,
    max_results: Option<u32>,
}

impl ListQuery {
    fn asks_for_names(&self) -> bool {
        self.name.is_some() || self.name_like.is_some()
    }

    /// Names stand in the files, so they are asked for last.
    fn wants_name(&self, name: &str) -> bool {
        let is_named = |wanted: &String| name.eq_ignore_ascii_case(wanted);
        self.name.as_ref().is_none_or(is_named)
            && self
                .name_like
                .as_ref()
                .is_none_or(|like| is_like(name, like))
    }
}

/// By what definitions are ordered.
const ORDERS: &[(&str, Column)] = &[
    ("id", Column::Id),
    ("deploymentId", Column::Id),
    ("key", Column::Key),
    ("version", Column::Version),
    ("deployTime", Column::DeployedAt),
];

/// Process definitions by key, the newest version first, unless `sortBy` says otherwise.
#[utoipa::path(get, path = "/process-definition", tag = "camunda", params(ListQuery),
    responses((status = 400, description = "a parameter that is not known; the message names it"), (status = 200, body = Vec<Object>, example = json!([{"id": "order:1:5f2a91c0", "key": "order", "version": 1}]))))]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Asked(query): Asked<ListQuery>,
) -> Answer<Json<Vec<Value>>> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::READ_DEFINITIONS)?;
    let sorting = Sorting {
        sort_by: query.sort_by.clone(),
        sort_order: query.sort_order.clone(),
    };
    let order = search::order(&sorting, &[], ORDERS)?;
    let page = Paging {
        first_result: query.first_result,
        max_results: query.max_results,
    };
    if query.asks_for_names() {
        let named = named(&desk, &query, &order).await?;
        return Ok(Json(page.of(named.into_iter()).collect()));
    }
    let mut bodies = Vec::new();
    for row in store::list(&desk.db, &query, &order, page).await? {
        bodies.push(definition_body(&desk, &row).await?);
    }
    Ok(Json(bodies))
}

/// All of the wanted definitions that have the wanted name.
async fn named(desk: &Desk, query: &ListQuery, order: &[(Column, Order)]) -> Result<Vec<Value>> {
    let mut bodies = Vec::new();
    for row in store::list(&desk.db, query, order, Paging::default()).await? {
        let body = definition_body(desk, &row).await?;
        let name = body.get("name").and_then(Value::as_str);
        if query.wants_name(name.unwrap_or_default()) {
            bodies.push(body);
        }
    }
    Ok(bodies)
}

/// How many process definitions there are; order and part of a list change nothing.
#[utoipa::path(get, path = "/process-definition/count", tag = "camunda", params(ListQuery),
    responses((status = 400, description = "a parameter that is not known; the message names it"), (status = 200, body = Count)))]
async fn count(
    State(app): State<App>,
    actor: Actor,
    Asked(query): Asked<ListQuery>,
) -> Answer<Json<Count>> {
    let desk = Desk::of(&app)?;
    desk.check(&actor, act::READ_DEFINITIONS)?;
    let number = if query.asks_for_names() {
        named(&desk, &query, &[]).await?.len() as u64
    } else {
        store::count(&desk.db, &query).await?
    };
    Ok(Json(number.into()))
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
#[utoipa::path(get, path = "/process-definition/key/{key}", tag = "camunda",
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
#[utoipa::path(get, path = "/process-definition/{id}", tag = "camunda",
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
#[utoipa::path(get, path = "/process-definition/key/{key}/xml", tag = "camunda",
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
#[utoipa::path(get, path = "/process-definition/{id}/xml", tag = "camunda",
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
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Start {
    #[schema(example = "A-17")]
    business_key: Option<String>,
    #[schema(value_type = Object, example = json!({"amount": {"value": 1200, "type": "Integer"}}))]
    variables: Option<Map<String, Value>>,
    with_variables_in_return: bool,
    /// There are no listeners, so this changes nothing.
    #[serde(rename = "skipCustomListeners")]
    _skip_custom_listeners: bool,
    /// Mappings always run.
    #[schema(value_type = bool)]
    #[serde(rename = "skipIoMappings")]
    _skip_io_mappings: Off,
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
        let state = desk.engine.state(desk.db.read(), &row).await?;
        let vars = state.variables();
        object.insert("variables".to_owned(), Value::Object(typed(&vars)));
    }
    Ok(Json(body))
}

/// Starts the newest version of a key.
#[utoipa::path(post, path = "/process-definition/key/{key}/start", tag = "camunda", request_body = Start,
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
#[utoipa::path(post, path = "/process-definition/{id}/start", tag = "camunda", request_body = Start,
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
