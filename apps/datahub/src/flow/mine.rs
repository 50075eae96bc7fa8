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
    /// Of the looks at records.
    after: Option<String>,
    /// Of the questions.
    asked: Option<String>,
}

#[derive(Template)]
#[template(path = "datahub/data_use.html")]
struct UsePage<'a> {
    p: &'a Page,
    looks: Vec<(Look, String)>,
    pager: Pager,
    uses: Uses,
    questions: Pager,
}

pub(super) async fn show(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<After>,
) -> Result<Html, WebError> {
    let (after, asked) = (query.after.as_deref(), query.asked.as_deref());
    let request = PageRequest::new(query.after.clone(), None);
    let looks = log::of_own(&app, &actor, &request).await?;
    let request = PageRequest::new(query.asked.clone(), None);
    let uses = trace::of_own(&app, &actor, &request).await?;
    let titles = registry::titles(&app).await?;
    // Each list is paged by itself, and the other stays where it is.
    let pager = Pager {
        first: after.map(|_| link(None, asked)).unwrap_or_default(),
        next: looks
            .next
            .as_deref()
            .map(|key| link(Some(key), asked))
            .unwrap_or_default(),
    };
    let questions = Pager {
        first: asked.map(|_| link(after, None)).unwrap_or_default(),
        next: uses
            .next
            .as_deref()
            .map(|key| link(after, Some(key)))
            .unwrap_or_default(),
    };
    let looks = looks.items.into_iter().map(|look| {
        let name = titles.get(&look.registry);
        let name = name.map(|title| p.zh(title.in_language(p.language.is_chinese())));
        (look, name.unwrap_or_default())
    });
    Html::page(&UsePage {
        looks: looks.collect(),
        pager,
        uses,
        questions,
        p: &p,
    })
}

fn link(after: Option<&str>, asked: Option<&str>) -> String {
    let mut link = "/mine/data-use".to_owned();
    let mut sign = '?';
    for (name, key) in [("after", after), ("asked", asked)] {
        // Keys are ids; what somebody else wrote there is left out.
        let is_id = |key: &&str| key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if let Some(key) = key.filter(is_id) {
            link.extend([sign.to_string().as_str(), name, "=", key]);
            sign = '&';
        }
    }
    link
}
