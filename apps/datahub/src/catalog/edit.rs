//! Writing an entry: all elements on one form, items as rows; blank rows are left out.

use ::catalog::{Item, Metadata, resource::act};
use askama::Template;
use axum::{
    extract::{Path, State as From},
    response::{IntoResponse as _, Redirect, Response},
};
use identity::Actor;
use kernel::{Error, Text};
use web::{
    App, Html, Page, WebError,
    component::{Choice, Crumb, Fields},
};

use super::words::{Words, share_types};

/// Blank rows for further items.
const BLANK_ROWS: usize = 6;
const MEMBERS: [&str; 8] = [
    "name",
    "field",
    "type",
    "length",
    "key",
    "code_table",
    "level",
    "standard",
];

#[derive(Template)]
#[template(path = "datahub/entry_edit.html")]
struct EditPage<'a> {
    p: &'a Page,
    crumbs: Vec<Crumb>,
    title: String,
    is_new: bool,
    version: i64,
    providers: Vec<Choice>,
    classes: Vec<Choice>,
    formats: Vec<Choice>,
    shares: Vec<Choice>,
    modes: Vec<Choice>,
    mode_types: Vec<Choice>,
    cycles: Vec<Choice>,
    kinds: Vec<Choice>,
    levels: Vec<Choice>,
    /// Values of each row, in the order of the members.
    rows: Vec<[String; 8]>,
    f: Fields,
}

/// For the template, which hands over references of several depths.
fn is_same(one: impl AsRef<str>, other: impl AsRef<str>) -> bool {
    one.as_ref() == other.as_ref()
}

async fn page<'a>(
    app: &App,
    p: &'a Page,
    actor: &Actor,
    of: Option<(&str, i64)>,
    f: Fields,
) -> Result<EditPage<'a>, WebError> {
    let words = Words::of(app).await?;
    let profile = &words.profile;
    let title = match of {
        Some(_) => p.zh(f.value("name")),
        None => p.t("datahub-catalog-new"),
    };
    let mut crumbs = vec![Crumb::new(p.t("datahub-menu-catalog"), "/work/catalog")];
    if let Some((id, _)) = of {
        crumbs.push(Crumb::new(&title, format!("/work/catalog/{id}")));
    }
    crumbs.push(Crumb::new(p.t("datahub-catalog-edit"), ""));
    let mut providers: Vec<Choice> = Vec::new();
    for post in &actor.posts {
        if providers.iter().all(|known| known.value != post.org) {
            providers.push(Choice::new(&post.org, p.zh(&post.org_name)));
        }
    }
    Ok(EditPage {
        crumbs,
        title,
        is_new: of.is_none(),
        version: of.map(|(_, version)| version).unwrap_or_default(),
        providers,
        classes: words.class_choices(p),
        formats: Words::choices(p, &profile.formats),
        shares: Words::choices(p, &share_types(p)),
        modes: Words::choices(p, &profile.share_modes),
        mode_types: Words::choices(p, &profile.share_mode_types),
        cycles: Words::choices(p, &profile.cycles),
        kinds: Words::choices(p, &profile.item_types),
        levels: Words::choices(p, &profile.levels),
        rows: rows(&f),
        f,
        p,
    })
}

fn rows(f: &Fields) -> Vec<[String; 8]> {
    let known = f.values("item_name").len();
    let cell = |member: &str, row: usize| {
        let values = f.values(format!("item_{member}"));
        values.get(row).cloned().unwrap_or_default()
    };
    let all = (0..known).map(|row| MEMBERS.map(|member| cell(member, row)));
    let mut rows: Vec<_> = all
        .filter(|row: &[String; 8]| row.iter().any(|c| !c.trim().is_empty() && c != "false"))
        .collect();
    rows.extend((0..BLANK_ROWS).map(|_| MEMBERS.map(|_| String::new())));
    rows
}

/// The form of an entry.
fn fields(entry: &Metadata) -> Fields {
    let flag = |yes: bool| if yes { "true" } else { "" };
    let mut f = Fields::new()
        .with("class", &entry.class)
        .with("name", &entry.name)
        .with("name_en", &entry.name_en)
        .with("code", &entry.code)
        .with("provider", &entry.provider)
        .with("inner_department", &entry.inner_department)
        .with("abstract", &entry.summary)
        .with("format_class", &entry.format_class)
        .with("format_type", &entry.format_type)
        .with("format_description", &entry.format_description)
        .with("share_type", &entry.share_type)
        .with("share_condition", &entry.share_condition)
        .with("share_scope", &entry.share_scope)
        .with("share_mode", &entry.share_mode)
        .with("share_mode_type", &entry.share_mode_type)
        .with("share_mode_reason", &entry.share_mode_reason)
        .with("is_open", flag(entry.is_open))
        .with("open_condition", &entry.open_condition)
        .with("cycle", &entry.cycle)
        .with(
            "published_on",
            entry
                .published_on
                .map(|d| d.to_string())
                .unwrap_or_default(),
        )
        .with("related", entry.related.join("、"))
        .with("related_matter", &entry.related_matter)
        .with("theme", &entry.theme)
        .with("alt_identifier", &entry.alt_identifier);
    for item in &entry.items {
        f = f
            .with("item_name", &item.name)
            .with("item_field", &item.field)
            .with("item_type", &item.kind)
            .with("item_length", &item.length)
            .with("item_key", if item.is_key { "true" } else { "false" })
            .with("item_code_table", &item.code_table)
            .with("item_level", &item.level)
            .with("item_standard", &item.standard);
    }
    f
}

/// The entry of a form.
fn metadata(f: &Fields) -> kernel::Result<Metadata> {
    let text = |name: &str| f.value(name).to_owned();
    let published_on = match f.value("published_on") {
        "" => None,
        day => Some(
            day.parse()
                .map_err(|_| Error::invalid("published_on", Text::new("registry-value-date")))?,
        ),
    };
    let item = |[name, field, kind, length, key, code_table, level, standard]: [String; 8]| Item {
        name,
        field,
        kind,
        length,
        is_key: key == "true",
        code_table,
        level,
        standard,
    };
    let mut rows = rows(f);
    rows.truncate(rows.len().saturating_sub(BLANK_ROWS));
    Ok(Metadata {
        class: text("class"),
        name: text("name"),
        name_en: text("name_en"),
        code: text("code"),
        provider: text("provider"),
        provider_name: String::new(),
        inner_department: text("inner_department"),
        summary: text("abstract"),
        format_class: text("format_class"),
        format_type: text("format_type"),
        format_description: text("format_description"),
        items: rows.into_iter().map(item).collect(),
        share_type: text("share_type"),
        share_condition: text("share_condition"),
        share_scope: text("share_scope"),
        share_mode: text("share_mode"),
        share_mode_type: text("share_mode_type"),
        share_mode_reason: text("share_mode_reason"),
        is_open: f.has("is_open", "true"),
        open_condition: text("open_condition"),
        cycle: text("cycle"),
        published_on,
        related: f
            .value("related")
            .split(['、', ',', '，', ' '])
            .map(str::to_owned)
            .collect(),
        related_matter: text("related_matter"),
        theme: text("theme"),
        alt_identifier: text("alt_identifier"),
    })
}

pub(super) async fn blank(From(app): From<App>, p: Page, actor: Actor) -> Result<Html, WebError> {
    may(&app, &actor).await?;
    let first = actor.posts.first().map(|post| post.org.clone());
    let f = Fields::new().with("provider", first.unwrap_or_default());
    Html::page(&page(&app, &p, &actor, None, f).await?)
}

/// Whoever may describe nothing at all shall not fill in a form.
async fn may(app: &App, actor: &Actor) -> kernel::Result<()> {
    for post in &actor.posts {
        if act::may(app, actor, "catalog.edit", ("", &post.org))
            .await
            .is_ok()
        {
            return Ok(());
        }
    }
    Err(Error::Forbidden {
        action: "catalog.edit".to_owned(),
    })
}

pub(super) async fn create(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    f: Fields,
) -> Result<Response, WebError> {
    may(&app, &actor).await?;
    let done = match metadata(&f) {
        Ok(entry) => act::create(&app, &actor, entry).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(id) => Ok(Redirect::to(&format!("/work/catalog/{id}")).into_response()),
        Err(Error::Invalid(findings)) => {
            let f = f.rejected(findings);
            Ok(Html::again(&page(&app, &p, &actor, None, f).await?)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn show(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Html, WebError> {
    let view = act::get(&app, &actor, &id).await?;
    need_edit(&app, &actor, &view).await?;
    let entry = view.working.as_ref().unwrap_or(&view.metadata);
    let of = Some((view.row.id.as_str(), view.row.version));
    Html::page(&page(&app, &p, &actor, of, fields(entry)).await?)
}

async fn need_edit(app: &App, actor: &Actor, view: &act::View) -> kernel::Result<()> {
    let of = (view.row.id.as_str(), view.row.provider.as_str());
    act::may(app, actor, "catalog.edit", of).await
}

pub(super) async fn save(
    From(app): From<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    f: Fields,
) -> Result<Response, WebError> {
    let view = act::get(&app, &actor, &id).await?;
    need_edit(&app, &actor, &view).await?;
    let version = f.value("version").parse().unwrap_or_default();
    let done = match metadata(&f) {
        Ok(entry) => act::save(&app, &actor, &id, version, entry).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(row) => {
            let more = if f.has("then", "more") { "/edit" } else { "" };
            Ok(Redirect::to(&format!("/work/catalog/{}{more}", row.id)).into_response())
        }
        Err(Error::Invalid(findings)) => {
            let f = f.rejected(findings);
            let of = Some((view.row.id.as_str(), view.row.version));
            Ok(Html::again(&page(&app, &p, &actor, of, f).await?)?.into_response())
        }
        Err(error) => Err(error.into()),
    }
}
