//! Home, the guide's list, and the page of one matter.

use askama::Template;
use axum::{
    extract::{Path, Query, State as AppState},
    response::Response,
};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use web::{
    App, Html, Language, Page, WebError,
    component::{Crumb, Fact, Pager, Tab},
};

use super::{CORP_TOPICS, Departments, Topic, USER_TOPICS, view};
use crate::{
    matter::{
        self, Matter, State,
        store::{Row, Search},
    },
    theme::{self, Theme},
};

/// Routes of the public guide.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route("/", axum::routing::get(home))
        .route("/guide", axum::routing::get(list))
        .route("/guide/{task_code}", axum::routing::get(show))
}

#[derive(Template)]
#[template(path = "guide/home.html")]
struct Home {
    p: Page,
    themes: Vec<ThemeTile>,
    topics: Vec<TopicLink>,
    corp_topics: Vec<TopicLink>,
    hot: Vec<Line>,
}

/// A theme that one can begin.
struct ThemeTile {
    href: String,
    name: String,
    summary: String,
}

/// A topic with its address.
struct TopicLink {
    label: String,
    href: String,
    is_current: bool,
}

/// A matter in a list.
struct Line {
    href: String,
    name: String,
    dept_name: String,
    kind: String,
    is_open: bool,
}

async fn home(AppState(app): AppState<App>, p: Page) -> Result<Html, WebError> {
    let search = Search {
        state: Some(State::Published),
        limit: 8,
        ..Search::default()
    };
    let (rows, _) = matter::store::list(app.db().read(), &search).await?;
    let themes = theme::store::list(app.db().read()).await?;
    let themes = themes.iter().map(|theme| theme_tile(&p, theme)).collect();
    let hot = rows.iter().map(|row| line(&p, row)).collect();
    let topics = topic_links(&p, &USER_TOPICS, "person", "");
    let corp_topics = topic_links(&p, &CORP_TOPICS, "firm", "");
    Html::page(&Home {
        p,
        themes,
        topics,
        corp_topics,
        hot,
    })
}

fn theme_tile(p: &Page, theme: &Theme) -> ThemeTile {
    let words = |zh: &str, en: &str| match p.language {
        Language::En if !en.is_empty() => en.to_owned(),
        _ => p.zh(zh),
    };
    ThemeTile {
        href: format!("/themes/{}", encode(&theme.id)),
        name: words(&theme.name, &theme.name_en),
        summary: words(&theme.summary, &theme.summary_en),
    }
}

fn topic_links(p: &Page, topics: &[Topic], audience: &str, current: &str) -> Vec<TopicLink> {
    let link = |topic: &Topic| TopicLink {
        label: p.t(topic.key),
        href: format!("/guide?for={audience}&topic={}", encode(topic.name)),
        is_current: topic.name == current,
    };
    topics.iter().map(link).collect()
}

fn line(p: &Page, row: &Row) -> Line {
    Line {
        href: format!("/guide/{}", encode(&row.task_code)),
        name: p.zh(&row.name),
        dept_name: p.zh(&row.dept_name),
        kind: p.t(view::type_key(&row.task_type)),
        is_open: row.state == State::Published,
    }
}

/// Text as part of an address.
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListQuery {
    q: String,
    dept: String,
    #[serde(rename = "for")]
    audience: String,
    topic: String,
    after: String,
}

#[derive(Template)]
#[template(path = "guide/list.html")]
struct List {
    p: Page,
    q: String,
    dept: String,
    dept_shown: String,
    topic: String,
    tabs: Vec<Tab>,
    topics: Vec<TopicLink>,
    departments: Vec<TopicLink>,
    rows: Vec<Line>,
    pager: Pager,
    /// Address of the list without the chosen topic and department.
    all: String,
}

async fn list(
    AppState(app): AppState<App>,
    p: Page,
    Query(query): Query<ListQuery>,
) -> Result<Html, WebError> {
    let is_firm = query.audience == "firm";
    let topic = |wanted| {
        if is_firm == wanted {
            query.topic.clone()
        } else {
            String::new()
        }
    };
    let search = Search {
        words: query.q.clone(),
        department: query.dept.clone(),
        user_topic: topic(false),
        corp_topic: topic(true),
        after: query.after.clone(),
        limit: 20,
        ..Search::default()
    };
    let (rows, has_more) = matter::store::list(app.db().read(), &search).await?;
    let counted = app.part::<Departments>()?.get(app.db()).await?;
    let next = has_more
        .then(|| rows.last().map(|row| row.key.clone()))
        .flatten();
    let after = Some(query.after.as_str()).filter(|after| !after.is_empty());
    let pager = Pager::new("/guide", &filters(&query), after, next.as_deref());
    let departments = counted.iter().take(30).map(|(name, count)| TopicLink {
        label: format!("{} ({count})", p.zh(name)),
        href: format!("/guide?dept={}&q={}", encode(name), encode(&query.q)),
        is_current: *name == query.dept,
    });
    let departments = departments.collect();
    let tab = |key: &str, audience: &str, is_current| {
        let href = format!("/guide?for={audience}&q={}", encode(&query.q));
        Tab::new(p.t(key), href, is_current)
    };
    let tabs = vec![
        tab("service-guide-for-person", "person", !is_firm),
        tab("service-guide-for-firm", "firm", is_firm),
    ];
    let topics = if is_firm {
        topic_links(&p, &CORP_TOPICS, "firm", &query.topic)
    } else {
        topic_links(&p, &USER_TOPICS, "person", &query.topic)
    };
    Html::page(&List {
        rows: rows.iter().map(|row| line(&p, row)).collect(),
        dept_shown: p.zh(&query.dept),
        q: query.q,
        dept: query.dept,
        topic: query.topic,
        tabs,
        topics,
        departments,
        pager,
        all: format!("/guide?for={}", encode(&query.audience)),
        p,
    })
}

fn filters(query: &ListQuery) -> String {
    let pairs = [
        ("q", &query.q),
        ("dept", &query.dept),
        ("for", &query.audience),
        ("topic", &query.topic),
    ];
    let set = pairs.iter().filter(|(_, value)| !value.is_empty());
    let set: Vec<_> = set
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    set.join("&")
}

#[derive(Template)]
#[template(path = "guide/show.html")]
struct Show {
    p: Page,
    m: Matter,
    crumbs: Vec<Crumb>,
    name: String,
    /// The short answers at the head: who, how long, how many visits, what it costs.
    brief: Vec<Fact>,
    facts: Vec<Fact>,
    places: Vec<Fact>,
    remedies: Vec<Fact>,
    materials: Vec<view::MaterialLine>,
    links: Vec<LinkLine>,
    lacks: Vec<String>,
    /// Where an application begins; empty when it cannot.
    start: String,
    state: String,
}

struct LinkLine {
    name: String,
    who: String,
    time: String,
    result: String,
    is_special: bool,
}

async fn show(
    AppState(app): AppState<App>,
    p: Page,
    Path(task_code): Path<String>,
) -> Result<Html, WebError> {
    let m = matter::lookup_shown(app.db().read(), &task_code)
        .await?
        .ok_or(kernel::Error::NotFound { what: "matter" })?;
    let lacks = match m.state {
        State::Listed => matter::checks(&m).iter().map(|f| p.say(&f.text)).collect(),
        _ => Vec::new(),
    };
    let start = if m.is_open() && m.form.is_some() {
        format!("/guide/{}/start", encode(&m.task_code))
    } else {
        String::new()
    };
    let name = if p.language.is_chinese() || m.name_en.is_empty() {
        p.zh(&m.name)
    } else {
        m.name_en.clone()
    };
    Html::page(&Show {
        crumbs: vec![
            Crumb::new(p.t("service-guide"), "/guide"),
            Crumb::new(name.clone(), ""),
        ],
        brief: brief(&p, &m),
        facts: facts(&p, &m),
        places: places(&p, &m),
        remedies: remedies(&p, &m),
        materials: view::materials(&p, &m),
        links: links(&p, &m),
        lacks,
        start,
        state: p.t(view::state_key(m.state)),
        name,
        m,
        p,
    })
}

fn brief(p: &Page, m: &Matter) -> Vec<Fact> {
    let visits = match m.limit_scene_num {
        None => "—".to_owned(),
        Some(0) => p.t("service-guide-no-visit"),
        Some(count) => p.t1("service-guide-visits", "count", count),
    };
    let fee = if m.is_fee {
        p.t("service-guide-fee-yes")
    } else {
        p.t("service-guide-fee-no")
    };
    vec![
        Fact::new(p.t("service-guide-promise"), view::promise(p, m)),
        Fact::new(p.t("service-guide-legal"), view::limit(p, &m.anticipate)),
        Fact::new(p.t("service-guide-visit"), visits),
        Fact::new(
            p.t("service-guide-fee"),
            if m.state == State::Listed {
                "—".to_owned()
            } else {
                fee
            },
        ),
    ]
}

fn facts(p: &Page, m: &Matter) -> Vec<Fact> {
    let mut facts = vec![
        Fact::new(p.t("service-guide-code"), &m.task_code),
        Fact::new(
            p.t("service-guide-type"),
            p.t(view::type_key(&m.task_type.0)),
        ),
        Fact::new(p.t("service-guide-department"), p.zh(&m.dept_name)),
        Fact::new(p.t("service-guide-who"), view::audiences(p, m)),
        Fact::new(p.t("service-guide-how"), view::ways(p, m)),
        Fact::new(p.t("service-guide-result"), result(p, m)),
    ];
    if !m.main_item.is_empty() {
        facts.push(Fact::new(
            p.t("service-guide-main-item"),
            p.zh(&m.main_item),
        ));
    }
    facts
}

fn result(p: &Page, m: &Matter) -> String {
    match &m.result.name {
        name if name.is_empty() => p.t(view::result_key(m.result.kind)),
        name => format!("{} ({})", p.zh(name), p.t(view::result_key(m.result.kind))),
    }
}

fn places(p: &Page, m: &Matter) -> Vec<Fact> {
    let consult = Fact::new(p.t("service-guide-consult"), &m.consult_phone);
    let complaint = Fact::new(p.t("service-guide-complaint"), &m.complaint_phone);
    vec![
        Fact::new(p.t("service-guide-where"), p.zh(&m.transact_addr)),
        Fact::new(p.t("service-guide-when"), p.zh(&m.transact_time)),
        phone(consult, &m.consult_phone),
        phone(complaint, &m.complaint_phone),
    ]
}

fn phone(fact: Fact, number: &str) -> Fact {
    if number.is_empty() {
        fact
    } else {
        fact.link(format!("tel:{number}"))
    }
}

fn remedies(p: &Page, m: &Matter) -> Vec<Fact> {
    let known = [
        ("service-guide-review", &m.review),
        ("service-guide-litigation", &m.litigation),
    ];
    let known = known
        .into_iter()
        .filter(|(_, remedy)| !remedy.dept.is_empty());
    let facts = known.map(|(key, remedy)| {
        let parts = [&remedy.dept, &remedy.addr, &remedy.phone];
        let parts: Vec<_> = parts
            .into_iter()
            .filter(|s| !s.is_empty())
            .map(|s| p.zh(s))
            .collect();
        Fact::new(p.t(key), parts.join(" · "))
    });
    facts.collect()
}

fn links(p: &Page, m: &Matter) -> Vec<LinkLine> {
    let lines = m.links.iter().map(|link| LinkLine {
        name: p.zh(&link.name),
        who: p.zh(&link.dept),
        time: match link.days {
            0 => String::new(),
            days => view::duration(p, days, link.unit),
        },
        result: p.zh(&link.result),
        is_special: link.is_special,
    });
    lines.collect()
}

/// For handlers of other pages that answer with a redirect.
pub(crate) fn see(href: &str) -> Response {
    axum::response::IntoResponse::into_response(axum::response::Redirect::to(href))
}
