//! Interfaces that can be called: registered by their providers, opened, suspended, withdrawn.

use exchange::hub::{Hub, enrolment};
use identity::{Actor, Gate, directory};
use kernel::{Error, Fault, Finding, Result, Text, clock::micros};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use web::App;

use crate::{
    event,
    operation::{self, Operation},
    part::Gateway,
    query::Query,
    schema::resource as table,
    store,
};

/// Whether it may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = GatewayResourceState)]
pub enum State {
    Open,
    Suspended,
    /// For good.
    Withdrawn,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Suspended => "suspended",
            Self::Withdrawn => "withdrawn",
        }
    }

    fn of_name(name: &str) -> Self {
        match name {
            "open" => Self::Open,
            "suspended" => Self::Suspended,
            _ => Self::Withdrawn,
        }
    }
}

/// An interface as people see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = GatewayResource)]
pub struct Resource {
    #[schema(example = "hukou-api")]
    pub code: String,
    #[schema(example = "户籍信息核验")]
    pub title: String,
    /// Unified social credit code of the provider.
    #[schema(example = "11321000990000033R")]
    pub org: String,
    /// The provider's node; empty where the hub answers itself.
    #[schema(example = "police-front-1")]
    pub node: String,
    /// Code of the resource in the catalog.
    #[schema(example = "321000-GA-0001")]
    pub catalog: String,
    pub operations: Vec<Operation>,
    pub query: Option<Query>,
    /// What of the query another department answers for now; while there is any, calls are refused.
    #[schema(example = json!([]))]
    pub foreign: Vec<String>,
    /// Bytes of a request's body at the most.
    pub request_limit: i64,
    /// Bytes of an answer's body at the most.
    pub answer_limit: i64,
    pub timeout_seconds: i64,
    pub state: State,
}

pub(crate) fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| Fault::caused_by("read the gateway", e).into())
}

pub(crate) fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Fault::caused_by("write to the gateway", e).into())
}

impl TryFrom<table::Model> for Resource {
    type Error = Error;

    fn try_from(row: table::Model) -> Result<Self> {
        Ok(Self {
            operations: parse(&row.operations)?,
            query: row.query.as_deref().map(parse).transpose()?,
            foreign: Vec::new(),
            state: State::of_name(&row.state),
            code: row.code,
            title: row.title,
            org: row.org,
            node: row.node,
            catalog: row.catalog,
            request_limit: row.request_limit,
            answer_limit: row.answer_limit,
            timeout_seconds: row.timeout_seconds,
        })
    }
}

/// An interface as it stands now: who answers for a registry's fields may change after it was
/// registered.
pub(crate) async fn read(app: &App, row: table::Model) -> Result<Resource> {
    let mut resource = Resource::try_from(row)?;
    if let Some(query) = &resource.query {
        resource.foreign = query.foreign(app, &resource.org).await?;
    }
    Ok(resource)
}

/// What is to be offered.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GatewayRegistering)]
pub struct Registering {
    /// Part of the address: letters, digits, `-`, `_` and `.`.
    #[schema(example = "hukou-api")]
    pub code: String,
    #[schema(example = "户籍信息核验")]
    pub title: String,
    /// Unified social credit code of the provider.
    #[schema(example = "11321000990000033R")]
    pub org: String,
    /// The provider's node; empty for a query that the hub answers.
    #[serde(default)]
    #[schema(example = "police-front-1")]
    pub node: String,
    /// Code of the resource in the catalog.
    #[serde(default)]
    #[schema(example = "321000-GA-0001")]
    pub catalog: String,
    /// The `OpenAPI` 3 document of an API, as an object or as its text.
    #[serde(default)]
    #[schema(value_type = Option<Object>, example = json!({"openapi": "3.0.3", "info": {"title": "户籍", "version": "1"}, "paths": {"/persons/{id}": {"get": {"summary": "一个人"}}}}))]
    pub document: Option<Value>,
    /// What the hub answers from a registry or a table of the lake, instead of a document.
    #[serde(default)]
    pub query: Option<Query>,
    #[serde(default = "usual_request")]
    #[schema(example = 16_777_216)]
    pub request_limit: i64,
    #[serde(default = "usual_answer")]
    #[schema(example = 67_108_864)]
    pub answer_limit: i64,
    #[serde(default = "usual_timeout")]
    #[schema(example = 20)]
    pub timeout_seconds: i64,
}

pub(crate) fn usual_request() -> i64 {
    16 << 20
}

pub(crate) fn usual_answer() -> i64 {
    64 << 20
}

pub(crate) fn usual_timeout() -> i64 {
    20
}

/// Bytes of a body at the most, whatever a resource says.
const LARGEST: i64 = 1 << 30;
/// Seconds until an answer begins at the most: the server itself gives a request up after 30.
const LATEST: i64 = 28;

/// Whether the actor may do that with what a department offers, be it as one of its own people or of
/// an organisation above it.
pub(crate) async fn may_at(app: &App, actor: &Actor, action: &str, org: &str) -> Result<()> {
    let gate = app.part::<Gate>()?;
    let above = directory::above(app.db().read(), org).await?;
    let resource = identity::Resource::new("Gateway", "gateway").org(org);
    actor.may(&gate, action, &resource.above(above))
}

pub(crate) fn may(app: &App, actor: &Actor, action: &str, org: Option<&str>) -> Result<()> {
    let gate = app.part::<Gate>()?;
    let resource = match org {
        Some(org) => identity::Resource::new("Gateway", "gateway").org(org),
        None => identity::Resource::system(),
    };
    actor.may(&gate, action, &resource)
}

/// Offers an interface, or describes it anew. It is open at once: nobody may call it before he has
/// a grant.
pub async fn register(app: &App, actor: &Actor, asked: &Registering) -> Result<Resource> {
    may_at(app, actor, "gateway.register", &asked.org).await?;
    let mut findings = plain_findings(asked);
    let operations = match (&asked.document, &asked.query) {
        (Some(document), None) => {
            findings.extend(node_findings(app, asked).await?);
            imported(document).unwrap_or_else(|wrong| {
                findings.extend(wrong);
                Vec::new()
            })
        }
        (None, Some(query)) => {
            findings.extend(query.findings(app, &asked.org).await?);
            vec![query.operation()]
        }
        _ => {
            findings.push(Finding::new(
                "document",
                Text::new("gateway-document-or-query"),
            ));
            Vec::new()
        }
    };
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    let who = actor.trace();
    let row = table::Model {
        code: asked.code.clone(),
        title: asked.title.trim().to_owned(),
        org: asked.org.clone(),
        node: if asked.query.is_some() {
            String::new()
        } else {
            asked.node.clone()
        },
        catalog: asked.catalog.trim().to_owned(),
        operations: text(&operations)?,
        query: asked.query.as_ref().map(text).transpose()?,
        request_limit: asked.request_limit,
        answer_limit: asked.answer_limit,
        timeout_seconds: asked.timeout_seconds,
        state: State::Open.name().into(),
        registered_by: who.clone(),
        registered_at: 0,
    };
    let row = app
        .db()
        .write(move |tx| {
            let (row, who) = (row.clone(), who.clone());
            async move { put(&tx, row, &who).await }
        })
        .await?;
    app.part::<Gateway>()?.forget();
    row.try_into()
}

async fn put(tx: &::store::Tx, row: table::Model, who: &str) -> Result<table::Model> {
    let mut row = table::Model {
        registered_at: micros(tx.now()),
        ..row
    };
    match store::lookup::<table::Entity>(&**tx, row.code.clone()).await? {
        Some(known) if known.org != row.org => {
            return Err(Error::refused("gateway-resource-foreign"));
        }
        Some(known) => {
            if known.query != row.query {
                must_be_ungranted(tx, &row.code).await?;
            }
            row.state = known.state;
            store::update(tx, row.clone()).await?;
        }
        None => store::insert(tx, row.clone()).await?,
    }
    moved(tx, who, &row)?;
    Ok(row)
}

/// A grant was given for what the hub answered then, and for nothing else.
async fn must_be_ungranted(tx: &::store::Tx, code: &str) -> Result<()> {
    let grants = store::grants(&**tx, code, None).await?;
    let is_over = |state: &str| state == crate::grant::State::Withdrawn.name();
    if grants.iter().all(|grant| is_over(&grant.state)) {
        Ok(())
    } else {
        Err(Error::refused("gateway-query-granted"))
    }
}

fn imported(document: &Value) -> std::result::Result<Vec<Operation>, Vec<Finding>> {
    match document {
        Value::String(text) => operation::import(text),
        other => operation::import(&other.to_string()),
    }
}

fn plain_findings(asked: &Registering) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |field: &str, text: Text| findings.push(Finding::new(field, text));
    if !exchange::data::is_code(&asked.code) {
        found("code", Text::new("gateway-code"));
    }
    if asked.title.trim().is_empty() {
        found("title", Text::new("gateway-title-missing"));
    }
    if kernel::code::uscc::parse(&asked.org).is_err() {
        found("org", Text::new("gateway-org"));
    }
    for (field, value) in [
        ("request_limit", asked.request_limit),
        ("answer_limit", asked.answer_limit),
    ] {
        if !(1..=LARGEST).contains(&value) {
            found(field, Text::new("gateway-limit").with("most", LARGEST));
        }
    }
    if !(1..=LATEST).contains(&asked.timeout_seconds) {
        let text = Text::new("gateway-timeout").with("most", LATEST);
        found("timeout_seconds", text);
    }
    findings
}

async fn node_findings(app: &App, asked: &Registering) -> Result<Vec<Finding>> {
    let hub = app.part::<Hub>()?;
    let one = |key| vec![Finding::new("node", Text::new(key))];
    Ok(match enrolment::lookup(&hub, &asked.node).await? {
        None => one("gateway-node-unknown"),
        Some(node) if node.is_revoked => one("exchange-node-revoked"),
        Some(node) if node.org != asked.org => one("gateway-node-foreign"),
        Some(_) => Vec::new(),
    })
}

fn moved(tx: &::store::Tx, who: &str, row: &table::Model) -> Result<()> {
    let operations: Vec<Operation> = parse(&row.operations)?;
    let body = event::ResourceMoved {
        resource: row.code.clone(),
        org: row.org.clone(),
        node: row.node.clone(),
        catalog: row.catalog.clone(),
        state: row.state.clone(),
        operations: operations.len(),
    };
    tx.emit(format!("gateway-resource:{}", row.code), who, &body)
}

/// Opens, suspends or withdraws, at once.
pub async fn set_state(app: &App, actor: &Actor, code: &str, state: State) -> Result<Resource> {
    let row = store::get::<table::Entity>(app.db().read(), "resource", code).await?;
    may_at(app, actor, "gateway.register", &row.org).await?;
    let (code, who) = (code.to_owned(), actor.trace());
    let row = app
        .db()
        .write(move |tx| {
            let (code, who) = (code.clone(), who.clone());
            async move {
                let row = store::get::<table::Entity>(&*tx, "resource", code).await?;
                if row.state == state.name() {
                    return Ok(row);
                }
                if row.state == State::Withdrawn.name() {
                    return Err(Error::refused("gateway-resource-withdrawn"));
                }
                let row = table::Model {
                    state: state.name().into(),
                    ..row
                };
                store::update(&tx, row.clone()).await?;
                moved(&tx, &who, &row)?;
                Ok(row)
            }
        })
        .await?;
    app.part::<Gateway>()?.forget();
    row.try_into()
}

/// All interfaces.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<Resource>> {
    may(app, actor, "gateway.list", None)?;
    let mut all = Vec::new();
    for row in store::resources(app.db().read()).await? {
        all.push(read(app, row).await?);
    }
    Ok(all)
}

pub async fn get(app: &App, actor: &Actor, code: &str) -> Result<Resource> {
    may(app, actor, "gateway.list", None)?;
    let row = store::get::<table::Entity>(app.db().read(), "resource", code).await?;
    read(app, row).await
}
