//! The description of the API, for programs and for people.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use utoipa::openapi::{
    Components, Info, License, OpenApi, OpenApiBuilder,
    security::{
        ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
    },
};

use crate::{App, Html, Page, WebError};

/// The rendered description; an [`App`] part.
pub struct Description {
    text: String,
    doors: Vec<Door>,
}

/// One operation, as the page lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    pub method: String,
    pub path: String,
    pub summary: String,
}

/// What the modules' doors are added to.
pub fn description() -> OpenApi {
    let mut info = Info::new("Tongban", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "A city's digital government. Every act that a page offers has its door here. Errors are \
         problem bodies (RFC 9457); lists are paged by `after` and `limit`."
            .to_owned(),
    );
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    info.license = Some(license);
    let mut components = Components::new();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let basic = HttpBuilder::new().scheme(HttpAuthScheme::Basic).build();
    components.add_security_scheme("basic", SecurityScheme::Http(basic));
    let cookie = ApiKey::Cookie(ApiKeyValue::new("session"));
    components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
    let any_of = vec![
        SecurityRequirement::new("bearer", Vec::<String>::new()),
        SecurityRequirement::new("basic", Vec::<String>::new()),
        SecurityRequirement::new("cookie", Vec::<String>::new()),
    ];
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some(any_of))
        .build()
}

impl Description {
    pub fn of(api: &OpenApi) -> Self {
        let mut whole = serde_json::to_value(api).unwrap_or_default();
        add_problem(&mut whole);
        let doors = doors(&whole);
        Self {
            text: whole.to_string(),
            doors,
        }
    }
}

/// The schema of every error, and that every operation may answer one.
fn add_problem(whole: &mut Value) {
    let problem = json!({
        "type": "object",
        "required": ["type", "title", "status", "request_id"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "instance": {"type": "string"},
            "request_id": {"type": "string", "description": "also in the header x-request-id"},
            "rule": {"type": "string", "description": "key of the rule that refused the act"},
            "errors": {"type": "array", "items": {
                "type": "object",
                "required": ["field", "rule", "message"],
                "properties": {
                    "field": {"type": "string"},
                    "rule": {"type": "string"},
                    "message": {"type": "string"},
                },
            }},
        },
    });
    let Some(whole) = whole.as_object_mut() else {
        return;
    };
    let components = whole.entry("components").or_insert_with(|| json!({}));
    if let Some(components) = components.as_object_mut() {
        let schemas = components.entry("schemas").or_insert_with(|| json!({}));
        if let Some(schemas) = schemas.as_object_mut() {
            schemas.insert("Problem".into(), problem);
        }
        components.insert("responses".into(), json!({"Problem": {
            "description": "The act did not happen; nothing was changed.",
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }}));
    }
    let operations = whole
        .get_mut("paths")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(serde_json::Map::values_mut)
        .filter_map(Value::as_object_mut)
        .flat_map(serde_json::Map::values_mut)
        .filter_map(Value::as_object_mut);
    for operation in operations {
        let responses = operation.entry("responses").or_insert_with(|| json!({}));
        if let Some(responses) = responses.as_object_mut() {
            responses
                .entry("default")
                .or_insert_with(|| json!({"$ref": "#/components/responses/Problem"}));
        }
    }
}

fn doors(whole: &Value) -> Vec<Door> {
    let Some(paths) = whole.get("paths").and_then(Value::as_object) else {
        return Vec::new();
    };
    let mut doors: Vec<_> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .into_iter()
                .flatten()
                .map(move |(method, act)| (path, method, act))
        })
        .map(|(path, method, act)| Door {
            method: method.to_uppercase(),
            path: path.clone(),
            summary: ["summary", "description"]
                .iter()
                .find_map(|name| act.get(name).and_then(Value::as_str))
                .unwrap_or_default()
                .to_owned(),
        })
        .collect();
    doors.sort_by(|a, b| (&a.path, &a.method).cmp(&(&b.path, &b.method)));
    doors
}

/// `GET /api/openapi.json`.
pub async fn describe(State(app): State<App>) -> Result<Response, WebError> {
    let description = app.part::<Description>()?;
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((kind, description.text.clone()).into_response())
}

/// `GET /api`: the same for people.
pub async fn list(p: Page) -> Result<Html, WebError> {
    let description = p.app.part::<Description>()?;
    Html::page(&ApiPage {
        doors: description.doors.clone(),
        p,
    })
}

#[derive(askama::Template)]
#[template(path = "web/api.html")]
struct ApiPage {
    p: Page,
    doors: Vec<Door>,
}
