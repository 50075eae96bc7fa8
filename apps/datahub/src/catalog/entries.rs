//! Searching the catalog, with what narrows a search and how good the catalog is.

use ::catalog::{
    api::resources::Search,
    resource::{
        Entry,
        act::{self, Quality},
        store::Facets,
    },
};
use askama::Template;
use axum::extract::{Query, State as From};
use identity::Actor;
use kernel::clock::from_micros;
use serde::Deserialize;
use store::page::PageRequest;
use web::{
    App, Html, Page, WebError,
    component::{Pager, Tone},
};

use super::{
    task::{self, Waiting},
    words::{Words, share_types, state},
};

#[derive(Debug, Deserialize)]
pub(super) struct AfterQuery {
    after: Option<String>,
}

struct Line {
    href: String,
    name: String,
    code: String,
    provider: String,
    share: String,
    state: (Tone, String),
    data: String,
    is_overdue: bool,
    errors: i64,
}

/// A value by which one narrows the search.
struct Facet {
    label: String,
    href: String,
    count: i64,
}

struct FacetGroup {
    title: String,
    facets: Vec<Facet>,
}

#[derive(Template)]
#[template(path = "datahub/catalog.html")]
struct CatalogPage<'a> {
    p: &'a Page,
    q: String,
    total: u64,
    groups: Vec<FacetGroup>,
    quality: Quality,
    waiting: Vec<Waiting>,
    lines: Vec<Line>,
    pager: Pager,
    /// The query of the search, for the export.
    filters: String,
    is_narrowed: bool,
}

pub(super) async fn list(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Query(search): Query<Search>,
    Query(query): Query<AfterQuery>,
) -> Result<Html, WebError> {
    let request = PageRequest::new(query.after.clone(), None);
    let filter = search.filter();
    let page = act::list(&app, &actor, &filter, &request).await?;
    let facets = act::facets(&app, &actor, &filter).await?;
    let words = Words::of(&app).await?;
    let pairs = pairs(&search);
    let filters = written(&pairs);
    let pager = Pager::new(
        "/work/catalog",
        &filters,
        query.after.as_deref(),
        page.next.as_deref(),
    );
    Html::page(&CatalogPage {
        q: search.q.clone(),
        total: facets.total,
        groups: groups(&p, &words, &pairs, &facets),
        quality: act::quality(&app, &actor).await?,
        waiting: task::waiting(&app, &actor).await?,
        lines: page.items.iter().map(|row| line(&p, row)).collect(),
        pager,
        is_narrowed: !pairs.is_empty(),
        filters,
        p: &p,
    })
}

fn line(p: &Page, row: &Entry) -> Line {
    Line {
        href: format!("/work/catalog/{}", row.id),
        name: p.zh(&row.name),
        code: row.code.clone().unwrap_or_default(),
        provider: p.zh(&row.provider_name),
        share: Words::name(p, &share_types(p), &row.share_type),
        state: state(p, row.standing()),
        data: row
            .data_at
            .map_or_else(String::new, |at| p.stamp(from_micros(at))),
        is_overdue: row.is_overdue,
        errors: row.errors,
    }
}

/// What the search says, as pairs of its query.
fn pairs(search: &Search) -> Vec<(&'static str, String)> {
    let flag = |yes: bool| {
        if yes {
            "true".to_owned()
        } else {
            String::new()
        }
    };
    let all = [
        ("q", search.q.clone()),
        ("state", search.state.map_or("", |s| s.name()).to_owned()),
        ("provider", search.provider.clone()),
        ("class", search.class.clone()),
        ("share_type", search.share_type.clone()),
        ("cycle", search.cycle.clone()),
        ("overdue", flag(search.overdue)),
        ("faulty", flag(search.faulty)),
    ];
    all.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

fn written(pairs: &[(&'static str, String)]) -> String {
    let all: Vec<_> = pairs
        .iter()
        .map(|(name, value)| {
            let value =
                percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            format!("{name}={value}")
        })
        .collect();
    all.join("&")
}

/// The search with one more or another value.
fn narrowed(pairs: &[(&'static str, String)], name: &'static str, value: &str) -> String {
    let mut next: Vec<_> = pairs.iter().filter(|(n, _)| *n != name).cloned().collect();
    next.push((name, value.to_owned()));
    format!("/work/catalog?{}", written(&next))
}

fn groups(
    p: &Page,
    words: &Words,
    pairs: &[(&'static str, String)],
    facets: &Facets,
) -> Vec<FacetGroup> {
    let group = |key: &str, name: &'static str, values: Vec<(String, String, i64)>| FacetGroup {
        title: p.t(key),
        facets: values
            .into_iter()
            .filter(|(code, ..)| !code.is_empty())
            .take(12)
            .map(|(code, label, count)| Facet {
                label,
                href: narrowed(pairs, name, &code),
                count,
            })
            .collect(),
    };
    let named = |map: &std::collections::BTreeMap<String, i64>, name: &dyn Fn(&str) -> String| {
        let each = map
            .iter()
            .map(|(code, count)| (code.clone(), name(code), *count));
        each.collect::<Vec<_>>()
    };
    let shares = share_types(p);
    let providers = facets.providers.iter().map(|(code, name, count)| {
        let name = p.zh(name);
        (code.clone(), name, *count)
    });
    vec![
        group("datahub-md-provider", "provider", providers.collect()),
        group(
            "datahub-md-class",
            "class",
            named(&facets.classes, &|c| words.class(p, c)),
        ),
        group(
            "datahub-md-share_type",
            "share_type",
            named(&facets.share_types, &|c| Words::name(p, &shares, c)),
        ),
        group(
            "datahub-state",
            "state",
            named(&facets.states, &|c| p.t(format!("datahub-entry-{c}"))),
        ),
        group(
            "datahub-md-cycle",
            "cycle",
            named(&facets.cycles, &|c| {
                Words::name(p, &words.profile.cycles, c)
            }),
        ),
    ]
}
