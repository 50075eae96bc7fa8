//! How this hub stands to its superior: what goes up, what comes down, what is in the way.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use cascade::{
    inferior::{self, Inferior},
    join::{self, Joining, NODE, Standing, Superior},
};
use exchange::hub::{
    publication::{self, Publication},
    subscription::{self, Subscription},
};
use identity::Actor;
use kernel::Error;
use web::{
    App, Html, Page, WebError,
    component::{Crumb, Fact, Fields, Tone},
};

const HOME: &str = "/work/cascade";

#[derive(Template)]
#[template(path = "datahub/cascade.html")]
struct CascadePage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    superior: Option<Superior>,
    /// What became of one that there was.
    parted: Option<(Tone, String)>,
    inferiors: Vec<Inferior>,
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
        Fact::new(p.t("datahub-cascade-here"), &superior.here),
        Fact::new(p.t("datahub-cascade-joined"), p.stamp(superior.joined_at)),
        Fact::new(p.t("datahub-cascade-seen"), moment(superior.seen_at)),
        Fact::new(
            p.t("datahub-cascade-reported"),
            moment(superior.reported_at),
        ),
    ]
}

impl CascadePage<'_> {
    fn inferior(&self, inferior: &Inferior) -> (Tone, String) {
        let tone = match inferior.state {
            inferior::State::Joined => Tone::Good,
            inferior::State::Left => Tone::Plain,
            inferior::State::Struck => Tone::Danger,
        };
        let key = format!("datahub-cascade-inferior-{}", inferior.state.name());
        (tone, self.p.t(key))
    }
}

fn parted(p: &Page, superior: &Superior) -> Option<(Tone, String)> {
    let (tone, key) = match superior.standing {
        Standing::Joined => return None,
        Standing::Leaving => (Tone::Warning, "datahub-cascade-leaving"),
        Standing::Left => (Tone::Plain, "datahub-cascade-left"),
        Standing::Struck => (Tone::Danger, "datahub-cascade-struck"),
    };
    let mut words = p.t1(key, "hub", &superior.hub);
    if !superior.problem.is_empty() {
        words = format!("{words} {}", superior.problem);
    }
    Some((tone, words))
}

async fn page<'a>(
    app: &App,
    p: &'a Page,
    actor: &Actor,
    f: Fields,
) -> Result<CascadePage<'a>, WebError> {
    let superior = join::standing(app, actor).await?;
    let here = superior.as_ref().map_or(NODE, |own| &own.here).to_owned();
    let mut up = subscription::list(app, actor).await?;
    up.retain(|row| row.node == here && row.state != subscription::State::Withdrawn);
    let mut down = publication::list(app, actor).await?;
    down.retain(|row| row.node == here);
    Ok(CascadePage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-exchange"), "/work/exchange"),
            Crumb::new(p.t("datahub-cascade"), ""),
        ],
        facts: superior
            .as_ref()
            .map(|own| facts(p, own))
            .unwrap_or_default(),
        parted: superior.as_ref().and_then(|own| parted(p, own)),
        inferiors: inferior::list(app, actor).await?,
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
