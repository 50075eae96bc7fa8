//! Who stands in for the officer, and for how long.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use chrono::NaiveDate;
use identity::Actor;
use kernel::{Error, Result, Text};
use web::{
    App, Html, Page, WebError,
    component::{Choice, Crumb, Fields},
};

use super::{
    super::{Names, may},
    officer::{self, Groups, colleagues},
};
use crate::verb::{self, Substitute, api_task::write};

struct Line {
    id: String,
    who: String,
    posts: String,
    from: NaiveDate,
    until: NaiveDate,
    reason: String,
    is_over: bool,
}

#[derive(Template)]
#[template(path = "processes/substitutes.html")]
struct SubstitutesPage {
    p: Page,
    f: Fields,
    crumbs: Vec<Crumb>,
    lines: Vec<Line>,
    colleagues: Vec<Choice>,
    /// Posts that may be handed on, for choosing some of them.
    posts: Vec<Choice>,
    today: String,
}

pub(super) async fn page(State(app): State<App>, p: Page, actor: Actor) -> Result<Html, WebError> {
    Html::page(&view(&app, p, &actor, Fields::new()).await?)
}

async fn view(app: &App, p: Page, actor: &Actor, f: Fields) -> Result<SubstitutesPage> {
    may(app, actor, "workflow.substitute.name")?;
    let own = actor.user.to_string();
    let found = verb::substitutes_of(app.db(), &own).await?;
    let names = Names::of(app, &p, found.iter().map(|one| one.substitute.as_str())).await;
    let held: Vec<String> = actor.groups();
    let all = found.iter().flat_map(|one| &one.posts).chain(&held);
    let groups = Groups::of(app, &p, all.map(String::as_str)).await?;
    let today = kernel::clock::local_date(app.clock().now());
    let line = |one: Substitute| Line {
        who: names.get(&one.substitute),
        posts: if one.posts.is_empty() {
            p.t("workflow-substitute-all-posts")
        } else {
            groups.list(&p, one.posts.iter().map(String::as_str))
        },
        is_over: one.is_ended || one.until < today,
        id: one.id,
        from: one.from,
        until: one.until,
        reason: one.reason,
    };
    let post = |group: &String| Choice::new(group, groups.list(&p, [group.as_str()]));
    Ok(SubstitutesPage {
        f,
        crumbs: vec![
            Crumb::new(p.t("workflow-menu-tasks"), "/tasks"),
            Crumb::new(p.t("workflow-substitutes"), ""),
        ],
        lines: found.into_iter().map(line).collect(),
        colleagues: colleagues(app, actor).await?,
        posts: held
            .iter()
            .filter(|group| !verb::who::is_kept(group))
            .map(post)
            .collect(),
        today: today.to_string(),
        p,
    })
}

pub(super) async fn named(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    f: Fields,
) -> Result<Response, WebError> {
    may(&app, &actor, "workflow.substitute.name")?;
    let done = match asked(&app, &actor, &f).await {
        Ok(named) => {
            write(
                &app,
                &actor,
                "workflow.substitute.name",
                move |tx, _, officer| {
                    let named = named.clone();
                    async move { verb::name_substitute(&tx, &officer, false, &named).await }
                },
            )
            .await
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(_) => Ok(Redirect::to("/tasks/substitutes").into_response()),
        Err(Error::Invalid(findings)) => {
            let page = view(&app, p, &actor, f.rejected(findings)).await?;
            Ok(Html::again(&page)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}

async fn asked(app: &App, actor: &Actor, f: &Fields) -> Result<Substitute> {
    let day = |name: &'static str| {
        let wrong = |_| Error::invalid(name, Text::new("workflow-substitute-days"));
        f.value(name).parse::<NaiveDate>().map_err(wrong)
    };
    Ok(Substitute {
        id: String::new(),
        officer: actor.user.to_string(),
        substitute: officer::find(app, "substitute", f.value("substitute")).await?,
        posts: f.values("posts").to_vec(),
        from: day("from")?,
        until: day("until")?,
        reason: f.value("reason").to_owned(),
        is_ended: false,
    })
}

pub(super) async fn ended(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Redirect, WebError> {
    write(
        &app,
        &actor,
        "workflow.substitute.name",
        move |tx, _, officer| {
            let id = id.clone();
            async move { verb::end_substitute(&tx, &id, &officer, false).await }
        },
    )
    .await?;
    Ok(Redirect::to("/tasks/substitutes"))
}
