//! Registering an interface, and letting a department call it.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Redirect, Response},
};
use exchange::hub::enrolment;
use gateway::{
    grant::{self, Granting},
    mask::Mask,
    query::Query,
    resource::{self, Registering, Resource},
};
use identity::Actor;
use kernel::{Error, Text};
use serde_json::{Value, json};
use web::{
    App, Html, Page, WebError,
    component::{Choice, Crumb, Fields},
};

const HOME: &str = "/work/apis";

#[derive(Template)]
#[template(path = "datahub/api_register.html")]
struct RegisterPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    nodes: Vec<Choice>,
    registries: Vec<Choice>,
    f: Fields,
}

async fn registration<'a>(
    app: &App,
    p: &'a Page,
    actor: &Actor,
    f: Fields,
) -> Result<RegisterPage<'a>, WebError> {
    // Asked of the act that lists, because the form itself does nothing.
    resource::list(app, actor).await?;
    let nodes = enrolment::list(app, actor).await.unwrap_or_default();
    let open = nodes.iter().filter(|node| !node.is_revoked);
    let titles = ::registry::titles(app).await?;
    let is_chinese = p.language != web::Language::En;
    Ok(RegisterPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-apis"), HOME),
            Crumb::new(p.t("datahub-api-register"), ""),
        ],
        nodes: open
            .map(|node| Choice::new(&node.code, format!("{} ({})", p.zh(&node.title), node.code)))
            .collect(),
        registries: titles
            .into_iter()
            .map(|(id, title)| Choice::new(id, title.in_language(is_chinese)))
            .collect(),
        f,
        p,
    })
}

pub(super) async fn register(
    State(app): State<App>,
    p: Page,
    actor: Actor,
) -> Result<Html, WebError> {
    let usual = actor.posts.first().map_or("", |post| post.org.as_str());
    let f = Fields::new()
        .with("org", usual)
        .with("request_limit", 16 << 20)
        .with("answer_limit", 64 << 20)
        .with("timeout_seconds", 20);
    Html::page(&registration(&app, &p, &actor, f).await?)
}

pub(super) async fn send_registration(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    fields: Fields,
) -> Result<Response, WebError> {
    let done = match registering(&fields) {
        Ok(asked) => resource::register(&app, &actor, &asked).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(made) => Ok(Redirect::to(&format!("{HOME}/{}", made.code)).into_response()),
        Err(Error::Invalid(findings)) => {
            let f = fields.rejected(findings);
            Ok(Html::again(&registration(&app, &p, &actor, f).await?)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}

fn registering(fields: &Fields) -> kernel::Result<Registering> {
    let text = |name: &str| fields.value(name).trim().to_owned();
    let document = text("document");
    let (registry, lake) = (text("registry"), text("lake"));
    let has_query = !registry.is_empty() || !lake.is_empty();
    let query = has_query.then(|| Query {
        registry,
        lake,
        key: words(fields.value("key")),
        compare: words(fields.value("compare")),
        fields: words(fields.value("fields")),
    });
    Ok(Registering {
        code: text("code"),
        title: text("title"),
        org: text("org"),
        node: text("node"),
        catalog: text("catalog"),
        document: (!document.is_empty()).then_some(Value::String(document)),
        query,
        request_limit: number(fields, "request_limit")?,
        answer_limit: number(fields, "answer_limit")?,
        timeout_seconds: number(fields, "timeout_seconds")?,
    })
}

fn words(text: &str) -> Vec<String> {
    text.split([',', '，', ' ', '\n', '\r'])
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// An empty field is 0, which every rule names where it is not allowed.
fn number(fields: &Fields, name: &str) -> kernel::Result<i64> {
    match fields.value(name).trim() {
        "" => Ok(0),
        text => text
            .parse()
            .map_err(|_| Error::invalid(name, Text::new("datahub-api-number"))),
    }
}

#[derive(Template)]
#[template(path = "datahub/api_grant.html")]
struct GrantPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    operations: Vec<Choice>,
    f: Fields,
}

fn granting_page<'a>(p: &'a Page, resource: &Resource, f: Fields) -> GrantPage<'a> {
    let choice = |operation: &gateway::operation::Operation| {
        Choice::new(operation.name(), operation.name()).help(p.zh(&operation.summary))
    };
    GrantPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-apis"), HOME),
            Crumb::new(p.zh(&resource.title), format!("{HOME}/{}", resource.code)),
            Crumb::new(p.t("datahub-api-grant"), ""),
        ],
        operations: resource.operations.iter().map(choice).collect(),
        f,
        p,
    }
}

pub(super) async fn grant(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(code): Path<String>,
) -> Result<Html, WebError> {
    let resource = resource::get(&app, &actor, &code).await?;
    Html::page(&granting_page(&p, &resource, Fields::new()))
}

pub(super) async fn send_grant(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(code): Path<String>,
    fields: Fields,
) -> Result<Response, WebError> {
    let resource = resource::get(&app, &actor, &code).await?;
    let done = match granting(&code, &fields) {
        Ok(asked) => grant::grant(&app, &actor, &asked).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(_) => Ok(Redirect::to(&format!("{HOME}/{code}")).into_response()),
        Err(Error::Invalid(findings)) => {
            let page = granting_page(&p, &resource, fields.rejected(findings));
            Ok(Html::again(&page)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}

fn granting(code: &str, fields: &Fields) -> kernel::Result<Granting> {
    let text = |name: &str| fields.value(name).trim().to_owned();
    let expires_on = match fields.value("expires_on") {
        "" => None,
        day => Some(
            day.parse()
                .map_err(|_| Error::invalid("expires_on", Text::new("registry-value-date")))?,
        ),
    };
    Ok(Granting {
        resource: code.to_owned(),
        org: text("org"),
        purpose: text("purpose"),
        basis: text("basis"),
        operations: fields.values("operations").to_vec(),
        masks: masks(fields.value("masks"))?,
        quota_per_day: number(fields, "quota_per_day")?,
        rate_per_second: number(fields, "rate_per_second")?,
        expires_on,
    })
}

/// One field a line: `items/*/phone` is left out, `items/*/gmsfhm = id` is hidden as its kind is.
fn masks(text: &str) -> kernel::Result<Vec<Mask>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let read = |line: &str| {
        let (field, kind) = line.split_once('=').unwrap_or((line, ""));
        let kind = match kind.trim() {
            "" => None,
            kind => Some(serde_json::from_value(json!(kind)).map_err(|_| {
                let text = Text::new("datahub-api-mask-kind").with("kind", kind);
                Error::invalid("masks", text)
            })?),
        };
        Ok(Mask {
            field: field.trim().to_owned(),
            kind,
        })
    };
    lines.map(read).collect()
}
