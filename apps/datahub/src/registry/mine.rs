//! One's own data: what is said of a citizen or firm, and who looked at it.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse as _, Redirect, Response},
};
use identity::Actor;
use kernel::Error;
use registry::{
    log::{self, Look, Own},
    objection,
};
use serde::Deserialize;
use store::page::PageRequest;
use web::{
    App, Html, Page, WebError,
    component::{Choice, Fact, Fields, Pager},
};

use super::{
    record::doubt,
    words::{Words, title},
};

#[derive(Debug, Deserialize)]
pub(super) struct MineQuery {
    after: Option<String>,
    /// An objection was sent.
    #[serde(default)]
    sent: bool,
}

struct Record {
    title: String,
    action: String,
    facts: Vec<Fact>,
    fields: Vec<Choice>,
    /// What was typed into this record's form.
    f: Fields,
}

#[derive(Template)]
#[template(path = "datahub/mine.html")]
struct MinePage<'a> {
    p: &'a Page,
    records: Vec<Record>,
    looks: Vec<(Look, String)>,
    pager: Pager,
    is_sent: bool,
}

pub(super) async fn show(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<MineQuery>,
) -> Result<Html, WebError> {
    let page = page(&app, &p, &actor, query.after, query.sent, None).await?;
    Html::page(&page)
}

async fn page<'a>(
    app: &App,
    p: &'a Page,
    actor: &Actor,
    after: Option<String>,
    is_sent: bool,
    rejected: Option<(&str, Fields)>,
) -> Result<MinePage<'a>, WebError> {
    let mut records = Vec::new();
    for own in log::own_records(app, actor).await? {
        let f = match &rejected {
            Some((id, f)) if *id == own.row.id => f.clone(),
            _ => Fields::new(),
        };
        records.push(record(app, p, &own, f).await?);
    }
    let request = PageRequest::new(after.clone(), None);
    let looks = log::of_own(app, actor, &request).await?;
    let titles = registry::titles(app).await?;
    let pager = Pager::new("/mine/data", "", after.as_deref(), looks.next.as_deref());
    let looks = looks.items.into_iter().map(|look| {
        let name = titles.get(&look.registry);
        let name = name.map_or_else(String::new, |t| title(p, t));
        (look, name)
    });
    Ok(MinePage {
        p,
        records,
        looks: looks.collect(),
        pager,
        is_sent,
    })
}

/// Masked: a shared screen is no place for whole numbers, and the holder knows them.
async fn record(app: &App, p: &Page, own: &Own, f: Fields) -> Result<Record, WebError> {
    let declaration = &own.declaration;
    let words = Words::of(app, declaration).await?;
    let known = declaration.fields.iter().filter_map(|field| {
        let value = own.row.values.get(&field.id)?;
        Some((field, words.value(p, field, value, false)))
    });
    let facts = known.map(|(field, value)| Fact::new(title(p, &field.title), value));
    let fields = declaration.fields.iter();
    let fields = fields.filter(|f| !declaration.key.contains(&f.id));
    let fields = fields.map(|f| Choice::new(&f.id, title(p, &f.title)));
    Ok(Record {
        title: title(p, &declaration.title),
        action: format!("/mine/data/{}/{}/object", declaration.id, own.row.id),
        facts: facts.collect(),
        fields: fields.collect(),
        f,
    })
}

pub(super) async fn object(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(at): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, WebError> {
    match objection::act::raise(&app, &actor, &doubt(&at, &fields)).await {
        Ok(_) => Ok(Redirect::to("/mine/data?sent=true").into_response()),
        Err(Error::Invalid(findings)) => {
            let f = fields.rejected(findings);
            let page = page(&app, &p, &actor, None, false, Some((&at.1, f))).await?;
            Ok(Html::again(&page)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}
