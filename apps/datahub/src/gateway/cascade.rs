//! How this hub stands to its superior: what goes up, what comes down, what is in the way.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use cascade::join::{self, Joining, NODE, Superior};
use exchange::hub::{
    publication::{self, Publication},
    subscription::{self, Subscription},
};
use identity::Actor;
use kernel::Error;
use web::{
    App, Html, Page, WebError,
    component::{Crumb, Fact, Fields},
};

const HOME: &str = "/work/cascade";

#[derive(Template)]
#[template(path = "datahub/cascade.html")]
struct CascadePage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    superior: Option<Superior>,
    facts: Vec<Fact>,
    /// What goes up.
    up: Vec<Subscription>,
    /// What comes down.
    down: Vec<Publication>,
    f: Fields,
}

fn facts(p: &Page, superior: &Superior) -> Vec<Fact> {
    let moment =
        |at: Option<chrono::DateTime<chrono::Utc>>| at.map_or_else(String::new, |at| p.stamp(at));
    vec![
        Fact::new(p.t("datahub-cascade-hub"), &superior.hub),
        Fact::new(p.t("datahub-cascade-node"), &superior.node),
        Fact::new(p.t("datahub-cascade-joined"), p.stamp(superior.joined_at)),
        Fact::new(p.t("datahub-cascade-seen"), moment(superior.seen_at)),
        Fact::new(
            p.t("datahub-cascade-reported"),
            moment(superior.reported_at),
        ),
    ]
}

async fn page<'a>(
    app: &App,
    p: &'a Page,
    actor: &Actor,
    f: Fields,
) -> Result<CascadePage<'a>, WebError> {
    let superior = join::standing(app, actor).await?;
    let mut up = subscription::list(app, actor).await?;
    up.retain(|row| row.node == NODE && row.state != subscription::State::Withdrawn);
    let mut down = publication::list(app, actor).await?;
    down.retain(|row| row.node == NODE);
    Ok(CascadePage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-exchange"), "/work/exchange"),
            Crumb::new(p.t("datahub-cascade"), ""),
        ],
        facts: superior
            .as_ref()
            .map(|own| facts(p, own))
            .unwrap_or_default(),
        superior: superior.filter(|own| own.is_joined),
        up,
        down,
        f,
        p,
    })
}

pub(super) async fn show(State(app): State<App>, p: Page, actor: Actor) -> Result<Html, WebError> {
    Html::page(&page(&app, &p, &actor, Fields::new()).await?)
}

pub(super) async fn join(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    fields: Fields,
) -> Result<Response, WebError> {
    let text = |name: &str| fields.value(name).trim().to_owned();
    let asked = Joining {
        hub: text("hub"),
        code: text("code"),
        org: text("org"),
        title: text("title"),
    };
    match join::join(&app, &actor, &asked).await {
        Ok(_) => Ok(Redirect::to(HOME).into_response()),
        Err(Error::Invalid(findings)) => {
            let page = page(&app, &p, &actor, fields.rejected(findings)).await?;
            Ok(Html::again(&page)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn leave(State(app): State<App>, actor: Actor) -> Result<Redirect, WebError> {
    join::leave(&app, &actor).await?;
    Ok(Redirect::to(HOME))
}
