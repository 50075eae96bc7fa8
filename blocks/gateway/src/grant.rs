//! Who may call what, for which purpose, how often, until when, and what of the answers he sees.

use chrono::NaiveDate;
use identity::Actor;
use kernel::{Error, Finding, Result, Text, clock::micros};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::App;

use crate::{
    event,
    mask::{self, Mask},
    operation::Operation,
    part::Gateway,
    resource::{Resource, may, may_at, parse, text},
    schema::{grant as table, resource as resource_table},
    store,
};

/// Whether it may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = GatewayGrantState)]
pub enum State {
    Active,
    Suspended,
    /// For good.
    Withdrawn,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Withdrawn => "withdrawn",
        }
    }

    fn of_name(name: &str) -> Self {
        match name {
            "active" => Self::Active,
            "suspended" => Self::Suspended,
            _ => Self::Withdrawn,
        }
    }
}

/// A grant as people see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = GatewayGrant)]
pub struct Grant {
    #[schema(example = "019c8f2e-0000-7000-8000-000000000001")]
    pub id: String,
    #[schema(example = "hukou-api")]
    pub resource: String,
    /// Unified social credit code of the consumer.
    #[schema(example = "11321000990000041L")]
    pub org: String,
    pub purpose: String,
    pub basis: String,
    /// As `GET /persons/{id}`; empty for all.
    pub operations: Vec<String>,
    pub masks: Vec<Mask>,
    pub quota_per_day: i64,
    pub rate_per_second: i64,
    pub expires_on: Option<NaiveDate>,
    pub state: State,
}

impl TryFrom<table::Model> for Grant {
    type Error = Error;

    fn try_from(row: table::Model) -> Result<Self> {
        Ok(Self {
            operations: parse(&row.operations)?,
            masks: parse(&row.masks)?,
            state: State::of_name(&row.state),
            id: row.id,
            resource: row.resource,
            org: row.org,
            purpose: row.purpose,
            basis: row.basis,
            quota_per_day: row.quota_per_day,
            rate_per_second: row.rate_per_second,
            expires_on: row.expires_on,
        })
    }
}

impl Grant {
    pub fn covers(&self, operation: &Operation) -> bool {
        self.operations.is_empty() || self.operations.contains(&operation.name())
    }

    pub fn is_over(&self, today: NaiveDate) -> bool {
        self.expires_on.is_some_and(|last| last < today)
    }
}

/// What a department is to have.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GatewayGranting)]
pub struct Granting {
    #[schema(example = "hukou-api")]
    pub resource: String,
    /// Unified social credit code of the consumer.
    #[schema(example = "11321000990000041L")]
    pub org: String,
    /// What for.
    #[schema(example = "核对低保对象户籍")]
    pub purpose: String,
    /// Law or duty that it rests on.
    #[schema(example = "社会救助暂行办法 第十一条")]
    pub basis: String,
    /// As `GET /persons/{id}`; empty for all.
    #[serde(default)]
    #[schema(example = json!(["GET /persons/{id}"]))]
    pub operations: Vec<String>,
    /// Fields of JSON answers that the consumer does not see, or not whole.
    #[serde(default)]
    pub masks: Vec<Mask>,
    /// 0 for no limit.
    #[serde(default)]
    #[schema(example = 10000)]
    pub quota_per_day: i64,
    /// 0 for no limit.
    #[serde(default)]
    #[schema(example = 20)]
    pub rate_per_second: i64,
    /// The last day; none for no end.
    #[serde(default)]
    pub expires_on: Option<NaiveDate>,
}

/// Calls a day or a second at the most.
const MOST: i64 = 1_000_000_000;

/// Lets a department call.
pub async fn grant(app: &App, actor: &Actor, asked: &Granting) -> Result<Grant> {
    may(app, actor, "gateway.grant", None)?;
    let db = app.db().read();
    let resource = store::lookup::<resource_table::Entity>(db, asked.resource.clone()).await?;
    let missing = || Error::invalid("resource", Text::new("gateway-resource-unknown"));
    let resource = resource.ok_or_else(missing)?;
    may_at(app, actor, "gateway.grant", &resource.org).await?;
    let findings = findings(asked, &resource.clone().try_into()?, app.clock().today());
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    let who = actor.trace();
    must_be_second(&who, &resource)?;
    let row = table::Model {
        id: String::new(),
        resource: asked.resource.clone(),
        org: asked.org.clone(),
        purpose: asked.purpose.trim().to_owned(),
        basis: asked.basis.trim().to_owned(),
        operations: text(&asked.operations)?,
        masks: text(&asked.masks)?,
        quota_per_day: asked.quota_per_day,
        rate_per_second: asked.rate_per_second,
        expires_on: asked.expires_on,
        state: State::Active.name().into(),
        created_by: who.clone(),
        created_at: 0,
    };
    let row = app
        .db()
        .write(move |tx| {
            let (row, who, resource) = (row.clone(), who.clone(), resource.clone());
            async move {
                let code = resource.code.clone();
                let now = store::get::<resource_table::Entity>(&*tx, "resource", code).await?;
                // Described anew in the meantime, it is another thing than was looked at.
                if (&now.query, &now.operations) != (&resource.query, &resource.operations) {
                    return Err(Error::refused("gateway-resource-changed"));
                }
                let row = table::Model {
                    id: ::store::event::new_id(tx.now()),
                    created_at: micros(tx.now()),
                    ..row
                };
                store::insert(&tx, row.clone()).await?;
                moved(&tx, &who, &row)?;
                Ok(row)
            }
        })
        .await?;
    app.part::<Gateway>()?.forget();
    row.try_into()
}

/// What the hub answers itself from registry and lake is opened by two people: who registers the
/// question does not say who may ask it.
fn must_be_second(who: &str, resource: &resource_table::Model) -> Result<()> {
    if resource.query.is_some() && resource.registered_by == who {
        return Err(Error::refused("gateway-grant-alone"));
    }
    Ok(())
}

fn findings(asked: &Granting, resource: &Resource, today: NaiveDate) -> Vec<Finding> {
    let mut findings = mask::findings(&asked.masks);
    let mut found = |field: &str, text: Text| findings.push(Finding::new(field, text));
    if kernel::code::uscc::parse(&asked.org).is_err() {
        found("org", Text::new("gateway-org"));
    }
    // Its own people read its registry and tables by the rights of their posts.
    if resource.query.is_some() && asked.org == resource.org {
        found("org", Text::new("gateway-grant-own"));
    }
    if asked.purpose.trim().is_empty() {
        found("purpose", Text::new("gateway-purpose-missing"));
    }
    if asked.basis.trim().is_empty() {
        found("basis", Text::new("gateway-basis-missing"));
    }
    for name in &asked.operations {
        if !resource.operations.iter().any(|own| own.name() == *name) {
            let text = Text::new("gateway-operation-unknown").with("name", name);
            found("operations", text);
        }
    }
    for (field, value) in [
        ("quota_per_day", asked.quota_per_day),
        ("rate_per_second", asked.rate_per_second),
    ] {
        if !(0..=MOST).contains(&value) {
            found(field, Text::new("gateway-number").with("most", MOST));
        }
    }
    if asked.expires_on.is_some_and(|last| last < today) {
        found("expires_on", Text::new("gateway-expires-past"));
    }
    findings
}

fn moved(tx: &::store::Tx, who: &str, row: &table::Model) -> Result<()> {
    let body = event::GrantMoved {
        grant: row.id.clone(),
        resource: row.resource.clone(),
        org: row.org.clone(),
        purpose: row.purpose.clone(),
        basis: row.basis.clone(),
        state: row.state.clone(),
    };
    tx.emit(format!("gateway-grant:{}", row.id), who, &body)
}

/// Suspends, resumes or withdraws; the next call hears it.
pub async fn set_state(app: &App, actor: &Actor, id: &str, state: State) -> Result<Grant> {
    let row = store::get::<table::Entity>(app.db().read(), "grant", id).await?;
    let code = row.resource.clone();
    let db = app.db().read();
    let resource = store::get::<resource_table::Entity>(db, "resource", code).await?;
    may_at(app, actor, "gateway.grant", &resource.org).await?;
    if state == State::Active {
        must_be_second(&actor.trace(), &resource)?;
    }
    let (id, who) = (id.to_owned(), actor.trace());
    let row = app
        .db()
        .write(move |tx| {
            let (id, who) = (id.clone(), who.clone());
            async move {
                let row = store::get::<table::Entity>(&*tx, "grant", id).await?;
                if row.state == state.name() {
                    return Ok(row);
                }
                if row.state == State::Withdrawn.name() {
                    return Err(Error::refused("gateway-grant-withdrawn"));
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

/// Grants of a resource.
pub async fn list(app: &App, actor: &Actor, resource: &str) -> Result<Vec<Grant>> {
    may(app, actor, "gateway.list", None)?;
    let rows = store::grants(app.db().read(), resource, None).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
