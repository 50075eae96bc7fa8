//! Inviting nodes, subscribing, and what is done to both.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Redirect, Response},
};
use exchange::{
    Hub, api,
    data::filter::{Comparison, Condition},
    hub::{
        enrolment::{self, Invitation, Node},
        publication,
        subscription::{self, Subscribing},
    },
};
use identity::Actor;
use kernel::{Error, Finding, Text};
use web::{
    App, Html, Page, WebError,
    component::{Choice, Crumb, Fields},
};

const HOME: &str = "/work/exchange";

fn crumbs(p: &Page, own: &str) -> Vec<Crumb> {
    vec![
        Crumb::new(p.t("datahub-menu-exchange"), HOME),
        Crumb::new(own, ""),
    ]
}

#[derive(Template)]
#[template(path = "datahub/invite.html")]
struct InvitePage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    /// Shown once, after it was made.
    command: String,
    f: Fields,
}

/// May the actor see this form? Asked of the act that lists, because the form itself does nothing.
pub(super) async fn invite(
    State(app): State<App>,
    p: Page,
    actor: Actor,
) -> Result<Html, WebError> {
    enrolment::list(&app, &actor).await?;
    Html::page(&invitation(&p, Fields::new(), String::new()))
}

fn invitation(p: &Page, f: Fields, command: String) -> InvitePage<'_> {
    InvitePage {
        crumbs: crumbs(p, &p.t("datahub-invite")),
        command,
        f,
        p,
    }
}

pub(super) async fn send_invitation(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    fields: Fields,
) -> Result<Response, WebError> {
    let asked = Invitation {
        node: fields.value("node").trim().to_owned(),
        title: fields.value("title").trim().to_owned(),
        org: fields.value("org").trim().to_owned(),
    };
    match enrolment::invite(&app, &actor, &asked).await {
        Ok(code) => {
            let hub = app.part::<Hub>()?.address();
            let command = format!("tongban node enrol --hub {hub} --code {code} --data node");
            // Not a redirect: the code is shown in this answer and nowhere else.
            Ok(Html::page(&invitation(&p, Fields::new(), command))?.into_response())
        }
        Err(Error::Invalid(findings)) => {
            let page = invitation(&p, fields.rejected(findings), String::new());
            Ok(Html::again(&page)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Template)]
#[template(path = "datahub/subscribe.html")]
struct SubscribePage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    publications: Vec<Choice>,
    nodes: Vec<Choice>,
    f: Fields,
}

async fn subscription_form<'a>(
    app: &App,
    p: &'a Page,
    actor: &Actor,
    f: Fields,
) -> Result<SubscribePage<'a>, WebError> {
    let publications = publication::list(app, actor).await?;
    let nodes = enrolment::list(app, actor).await?;
    let open = nodes.iter().filter(|node| !node.is_revoked);
    Ok(SubscribePage {
        crumbs: crumbs(p, &p.t("datahub-subscribe")),
        publications: publications
            .iter()
            .map(|row| Choice::new(&row.code, format!("{} ({})", p.zh(&row.title), row.code)))
            .collect(),
        nodes: open
            .map(|node| Choice::new(&node.code, format!("{} ({})", p.zh(&node.title), node.code)))
            .collect(),
        f,
        p,
    })
}

pub(super) async fn subscribe(
    State(app): State<App>,
    p: Page,
    actor: Actor,
) -> Result<Html, WebError> {
    Html::page(&subscription_form(&app, &p, &actor, Fields::new()).await?)
}

pub(super) async fn send_subscription(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    fields: Fields,
) -> Result<Response, WebError> {
    let done = match asked(&fields) {
        Ok(asked) => subscription::subscribe(&app, &actor, &asked).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(_) => Ok(Redirect::to(HOME).into_response()),
        Err(Error::Invalid(findings)) => {
            let f = fields.rejected(findings);
            let page = subscription_form(&app, &p, &actor, f).await?;
            Ok(Html::again(&page)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}

fn asked(fields: &Fields) -> kernel::Result<Subscribing> {
    let names = fields.value("columns").split([',', '，', ' ', '\n']);
    let columns = names.map(str::trim).filter(|name| !name.is_empty());
    let expires_on = match fields.value("expires_on") {
        "" => None,
        day => Some(
            day.parse()
                .map_err(|_| Error::invalid("expires_on", Text::new("registry-value-date")))?,
        ),
    };
    Ok(Subscribing {
        publication: fields.value("publication").to_owned(),
        node: fields.value("node").to_owned(),
        purpose: fields.value("purpose").to_owned(),
        basis: fields.value("basis").to_owned(),
        columns: columns.map(str::to_owned).collect(),
        filter: conditions(fields.value("filter"))?,
        expires_on,
        granted_by: fields.value("granted_by").trim().to_owned(),
    })
}

/// `column=value`, `column!=value`, `column>=value`, `column<=value`, `column^=beginning`; one a
/// line.
fn conditions(text: &str) -> kernel::Result<Vec<Condition>> {
    const SIGNS: [(&str, Comparison); 5] = [
        ("!=", Comparison::Differs),
        (">=", Comparison::AtLeast),
        ("<=", Comparison::AtMost),
        ("^=", Comparison::BeginsWith),
        ("=", Comparison::Equals),
    ];
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let read = |line: &str| {
        let split = SIGNS
            .into_iter()
            .find_map(|(sign, is)| Some((line.split_once(sign)?, is)));
        let ((column, value), is) =
            split.ok_or_else(|| Error::invalid("filter", Text::new("datahub-filter-form")))?;
        Ok(Condition {
            column: column.trim().to_owned(),
            is,
            value: value.trim().to_owned(),
        })
    };
    lines.map(read).collect()
}

#[derive(Template)]
#[template(path = "datahub/publication_refused.html")]
struct RefusedPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    /// Column and what is wrong with it.
    findings: Vec<(String, String)>,
}

/// What differs from the catalog's entry, column by column.
fn refused(p: &Page, code: &str, findings: &[Finding]) -> Result<Html, WebError> {
    let findings = findings.iter().map(|finding| {
        let field = finding.field.as_str();
        let column = field.strip_prefix("columns.").unwrap_or(field);
        (column.to_owned(), p.say(&finding.text))
    });
    Html::again(&RefusedPage {
        crumbs: crumbs(p, code),
        findings: findings.collect(),
        p,
    })
}

pub(super) async fn move_publication(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(code): Path<String>,
    fields: Fields,
) -> Result<Response, WebError> {
    let step = match fields.value("step") {
        "open" => api::Move::Open,
        "suspend" => api::Move::Suspend,
        _ => api::Move::Full,
    };
    match api::step(&app, &actor, &code, step).await {
        Ok(()) => Ok(Redirect::to(HOME).into_response()),
        Err(Error::Invalid(findings)) => Ok(refused(&p, &code, &findings)?.into_response()),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn move_subscription(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Redirect, WebError> {
    let state = match fields.value("state") {
        "active" => subscription::State::Active,
        "withdrawn" => subscription::State::Withdrawn,
        _ => subscription::State::Suspended,
    };
    subscription::set_state(&app, &actor, &id, state).await?;
    Ok(Redirect::to(HOME))
}

#[derive(Template)]
#[template(path = "datahub/node.html")]
struct NodePage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    node: Node,
    f: Fields,
}

async fn node_page<'a>(
    app: &App,
    p: &'a Page,
    actor: &Actor,
    code: &str,
    f: Fields,
) -> Result<NodePage<'a>, WebError> {
    let nodes = enrolment::list(app, actor).await?;
    let node = nodes.into_iter().find(|node| node.code == code);
    let node = node.ok_or(Error::NotFound { what: "node" })?;
    Ok(NodePage {
        crumbs: crumbs(p, &node.code),
        node,
        f,
        p,
    })
}

pub(super) async fn node(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(code): Path<String>,
) -> Result<Html, WebError> {
    Html::page(&node_page(&app, &p, &actor, &code, Fields::new()).await?)
}

pub(super) async fn revoke(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(code): Path<String>,
    fields: Fields,
) -> Result<Response, WebError> {
    match enrolment::revoke(&app, &actor, &code, fields.value("reason")).await {
        Ok(()) => Ok(Redirect::to(&format!("{HOME}/nodes/{code}")).into_response()),
        Err(Error::Invalid(findings)) => {
            let page = node_page(&app, &p, &actor, &code, fields.rejected(findings)).await?;
            Ok(Html::again(&page)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}
