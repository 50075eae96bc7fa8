//! Who used my data (谁用过我的数据): who opened my records, to whom they flow, who asked about
//! tables in which I am.

use askama::Template;
use axum::extract::{Query, State};
use flow::trace::{self, Uses};
use identity::Actor;
use registry::log::{self, Look};
use serde::Deserialize;
use store::page::PageRequest;
use web::{App, Html, Page, WebError, component::Pager};

#[derive(Debug, Deserialize)]
pub(super) struct After {
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "datahub/data_use.html")]
struct UsePage<'a> {
    p: &'a Page,
    looks: Vec<(Look, String)>,
    pager: Pager,
    uses: Uses,
}

pub(super) async fn show(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<After>,
) -> Result<Html, WebError> {
    let request = PageRequest::new(query.after.clone(), None);
    let looks = log::of_own(&app, &actor, &request).await?;
    let uses = trace::of_own(&app, &actor).await?;
    let titles = registry::titles(&app).await?;
    let after = query.after.as_deref();
    let pager = Pager::new("/mine/data-use", "", after, looks.next.as_deref());
    let looks = looks.items.into_iter().map(|look| {
        let name = titles.get(&look.registry);
        let name = name.map(|title| p.zh(title.in_language(p.language.is_chinese())));
        (look, name.unwrap_or_default())
    });
    Html::page(&UsePage {
        looks: looks.collect(),
        pager,
        uses,
        p: &p,
    })
}
