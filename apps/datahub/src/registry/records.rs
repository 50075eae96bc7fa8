//! The list of registries, and searching one.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use identity::Actor;
use kernel::Error;
use registry::{Declaration, record::act};
use serde::Deserialize;
use store::page::PageRequest;
use web::{
    App, Html, Page, WebError,
    component::{Crumb, Pager, Tone},
};

use super::words::{Words, state, title};

#[derive(Template)]
#[template(path = "datahub/registries.html")]
struct RegistriesPage<'a> {
    p: &'a Page,
    registries: Vec<Arc<Declaration>>,
}

impl RegistriesPage<'_> {
    fn title(&self, declaration: &Declaration) -> String {
        title(self.p, &declaration.title)
    }
}

pub(super) async fn registries(
    State(app): State<App>,
    p: Page,
    actor: Actor,
) -> Result<Html, WebError> {
    let registries = registry::list(&app, &actor).await?;
    Html::page(&RegistriesPage { p: &p, registries })
}

#[derive(Debug, Deserialize)]
pub(super) struct FindQuery {
    #[serde(default)]
    q: String,
    after: Option<String>,
}

/// Columns of a list at the most; the record shows the others.
const COLUMNS: usize = 5;

struct Line {
    href: String,
    name: String,
    cells: Vec<String>,
    state: (Tone, String),
}

#[derive(Template)]
#[template(path = "datahub/records.html")]
struct RecordsPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    title: String,
    action: String,
    query: String,
    heads: Vec<String>,
    lines: Vec<Line>,
    pager: Pager,
}

pub(super) async fn find(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(registry): Path<String>,
    Query(query): Query<FindQuery>,
) -> Result<Html, WebError> {
    let request = PageRequest::new(query.after.clone(), None);
    let found = act::find(&app, &actor, &registry, &query.q, None, &request).await?;
    let declaration = found.declaration;
    let words = Words::of(&app, &declaration).await?;
    let name = declaration.name.as_ref().or(declaration.key.first());
    let name = name.and_then(|id| declaration.field(id));
    let name = name.ok_or(Error::NotFound { what: "registry" })?;
    let others: Vec<_> = declaration
        .fields
        .iter()
        .filter(|f| f.id != name.id)
        .take(COLUMNS)
        .collect();
    let lines = found.page.items.iter().map(|row| {
        let cell = |field: &registry::Field| {
            let value = row.values.get(&field.id);
            value.map_or_else(String::new, |v| words.value(&p, field, v, false))
        };
        Line {
            href: format!("/work/data/{registry}/{}", row.id),
            name: cell(name),
            cells: others.iter().map(|f| cell(f)).collect(),
            state: state(&p, row.state),
        }
    });
    let lines = lines.collect();
    let encoded =
        percent_encoding::utf8_percent_encode(query.q.trim(), percent_encoding::NON_ALPHANUMERIC);
    let filters = match query.q.trim() {
        "" => String::new(),
        _ => format!("q={encoded}"),
    };
    let action = format!("/work/data/{registry}");
    let heads = std::iter::once(&name)
        .chain(&others)
        .map(|f| title(&p, &f.title))
        .chain([p.t("datahub-state")]);
    Html::page(&RecordsPage {
        crumbs: vec![
            Crumb::new(p.t("datahub-menu-registries"), "/work/data"),
            Crumb::new(title(&p, &declaration.title), ""),
        ],
        title: title(&p, &declaration.title),
        pager: Pager::new(
            &action,
            &filters,
            query.after.as_deref(),
            found.page.next.as_deref(),
        ),
        heads: heads.collect(),
        action,
        query: query.q,
        lines,
        p: &p,
    })
}
