//! Administrators' pages about users; each shows what its reader may do.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect, Response},
};
use kernel::Result;
use web::{
    App, Html, Page, WebError,
    component::{Choice, Crumb, Fields, Pager, Tone},
};

use super::{Done, findings_of, identity};
use crate::{
    Actor, Identity, Resource, UserId,
    admin::{self, Line, NewOfficer, Place},
    directory,
    register::parse_id,
};

const LINES: u64 = 50;

#[derive(serde::Deserialize, Default)]
pub(super) struct Filter {
    #[serde(default)]
    q: String,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "identity/users.html")]
struct UsersPage {
    p: Page,
    wanted: String,
    lines: Vec<Line>,
    pager: Pager,
    may_create: bool,
    good: Tone,
    danger: Tone,
}

pub(super) async fn list(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(filter): Query<Filter>,
) -> Result<Html, WebError> {
    let after = filter.after.as_deref();
    let identity = identity(&app)?;
    let page = admin::list(
        &identity,
        &actor,
        &filter.q,
        after.unwrap_or_default(),
        LINES,
    )
    .await?;
    let kept = if filter.q.is_empty() {
        String::new()
    } else {
        format!("q={}", super::escape(&filter.q))
    };
    let pager = Pager::new("/admin/users", &kept, after, page.next.as_deref());
    let may_create = may(&identity, &actor, "identity.user.create");
    Html::page(&UsersPage {
        p,
        may_create,
        wanted: filter.q,
        lines: page.lines,
        pager,
        good: Tone::Good,
        danger: Tone::Danger,
    })
}

fn may(identity: &Identity, actor: &Actor, action: &str) -> bool {
    actor
        .may(&identity.gate, action, &Resource::system())
        .is_ok()
}

#[derive(Template)]
#[template(path = "identity/user_new.html")]
struct NewPage {
    p: Page,
    f: Fields,
    crumbs: Vec<Crumb>,
}

fn crumbs(p: &Page, last: String) -> Vec<Crumb> {
    vec![
        Crumb::new(p.t("identity-menu-users"), "/admin/users"),
        Crumb::new(last, ""),
    ]
}

pub(super) async fn show_new(
    State(app): State<App>,
    p: Page,
    actor: Actor,
) -> Result<Html, WebError> {
    let identity = identity(&app)?;
    actor.may(&identity.gate, "identity.user.create", &Resource::system())?;
    let crumbs = crumbs(&p, p.t("identity-user-new"));
    Html::page(&NewPage {
        p,
        f: Fields::new(),
        crumbs,
    })
}

pub(super) async fn create(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    fields: Fields,
) -> Result<Response, WebError> {
    let value = |name: &str| fields.value(name).to_owned();
    let form = NewOfficer {
        login: value("login"),
        name: value("name"),
        password: value("password"),
    };
    match admin::create_officer(&*identity(&app)?, &actor, &form).await {
        Ok(user) => Ok(Redirect::to(&format!("/admin/users/{user}?done=created")).into_response()),
        Err(error) => {
            let f = fields.rejected(findings_of(error)?);
            let crumbs = crumbs(&p, p.t("identity-user-new"));
            Ok(Html::again(&NewPage { p, f, crumbs })?.into_response())
        }
    }
}

#[derive(Template)]
#[template(path = "identity/user.html")]
struct UserPage {
    p: Page,
    f: Fields,
    crumbs: Vec<Crumb>,
    done: String,
    line: Line,
    posts: Vec<Choice>,
    organisations: Vec<Choice>,
    may_assign: bool,
    may_disable: bool,
    may_end_sessions: bool,
    good: Tone,
    danger: Tone,
}

impl UserPage {
    /// What the button that takes a post away says to a screen reader.
    fn removal(&self, post: &crate::Post) -> String {
        let words = self.p.t(format!("identity-post-{}", post.post));
        self.p.ta(
            "identity-post-remove-of",
            [("post", &words), ("org", &self.p.zh(&post.org_name))],
        )
    }
}

pub(super) async fn show(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    Query(done): Query<Done>,
) -> Result<Html, WebError> {
    let user: UserId = parse_id(&id, "user")?;
    let done = done.words(&p);
    Html::page(&user_page(&*identity(&app)?, p, &actor, user, done, Fields::new()).await?)
}

async fn user_page(
    identity: &Identity,
    p: Page,
    actor: &Actor,
    user: UserId,
    done: String,
    f: Fields,
) -> Result<UserPage> {
    let line = admin::get(identity, actor, user).await?;
    let organisations = directory::organisations(identity.db.read(), "").await?;
    let organisations = organisations.into_iter().map(|org| {
        let name = if p.language.is_chinese() {
            p.zh(&org.name_zh)
        } else {
            org.name_en
        };
        Choice::new(org.code, name)
    });
    Ok(UserPage {
        f,
        crumbs: crumbs(&p, line.login.clone()),
        done,
        posts: admin::POSTS
            .map(|post| Choice::new(post, p.t(format!("identity-post-{post}"))))
            .to_vec(),
        organisations: organisations.collect(),
        may_assign: actor.user != user && may(identity, actor, "identity.post.assign"),
        may_disable: actor.user != user && may(identity, actor, "identity.user.disable"),
        may_end_sessions: may(identity, actor, "identity.session.end"),
        line,
        good: Tone::Good,
        danger: Tone::Danger,
        p,
    })
}

async fn answer(
    identity: &Identity,
    p: Page,
    actor: &Actor,
    user: UserId,
    fields: Fields,
    outcome: Result<()>,
) -> Result<Response, WebError> {
    match outcome {
        Ok(()) => Ok(Redirect::to(&format!("/admin/users/{user}?done=user")).into_response()),
        Err(error) => {
            let f = fields.rejected(findings_of(error)?);
            let page = user_page(identity, p, actor, user, String::new(), f).await?;
            Ok(Html::again(&page)?.into_response())
        }
    }
}

pub(super) async fn set_disabled(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, WebError> {
    let user: UserId = parse_id(&id, "user")?;
    let identity = identity(&app)?;
    let outcome = if fields.value("disabled") == "true" {
        admin::disable(&identity, &actor, user).await
    } else {
        admin::enable(&identity, &actor, user).await
    };
    answer(&identity, p, &actor, user, fields, outcome).await
}

pub(super) async fn end_sessions(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, WebError> {
    let user: UserId = parse_id(&id, "user")?;
    let identity = identity(&app)?;
    let outcome = admin::end_sessions(&identity, &actor, user).await;
    answer(&identity, p, &actor, user, fields, outcome).await
}

pub(super) async fn change_post(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, WebError> {
    let user: UserId = parse_id(&id, "user")?;
    let identity = identity(&app)?;
    let place = Place {
        post: fields.value("post").to_owned(),
        org: fields.value("org").to_owned(),
    };
    let outcome = if fields.value("remove") == "true" {
        admin::remove_post(&identity, &actor, user, &place).await
    } else {
        admin::assign_post(&identity, &actor, user, &place).await
    };
    answer(&identity, p, &actor, user, fields, outcome).await
}
