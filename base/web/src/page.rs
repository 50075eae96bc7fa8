//! What every page needs besides its own content.

use std::{collections::HashSet, fmt::Display, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use kernel::clock;

use crate::{
    App, Language, WebError, asset,
    module::{MenuPlace, Section},
    server::RequestId,
};

/// Who is looking, as far as the shell must know. `identity` puts it into the request.
#[derive(Clone, Debug, Default)]
pub struct Viewer {
    pub kind: ViewerKind,
    pub name: String,
    /// The firm or person on whose behalf the viewer acts, shown in the head of every page.
    pub acting_for: Option<String>,
    /// Unread messages, a hundred at most; `notify` puts the number.
    pub unread: u32,
    /// Actions whose menu items the viewer sees.
    pub may: Arc<HashSet<String>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ViewerKind {
    #[default]
    Nobody,
    Citizen,
    Officer,
}

/// The context of a page: extract it in the handler, keep it as field `p` of the template struct.
#[derive(Clone)]
pub struct Page {
    pub app: App,
    pub language: Language,
    pub viewer: Viewer,
    /// Path and query of this request, for "sign in and come back".
    pub path: String,
    pub request_id: String,
}

/// A link of a menu, as the viewer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MenuLink {
    pub words: String,
    pub href: &'static str,
    /// The page shown now is this one or below it.
    pub is_current: bool,
}

impl Page {
    /// The words for a message key.
    pub fn t(&self, key: impl AsRef<str>) -> String {
        self.app.texts().text(self.language, key.as_ref(), &[])
    }

    /// The words for a message key with one argument.
    pub fn t1(&self, key: impl AsRef<str>, name: &str, value: impl Display) -> String {
        self.app
            .texts()
            .text(self.language, key.as_ref(), &[(name, value.to_string())])
    }

    /// The words for a message key with several arguments: `p.ta("key", [("a", x), ("b", y)])`.
    pub fn ta<'a, V: Display>(
        &self,
        key: impl AsRef<str>,
        args: impl AsRef<[(&'a str, V)]>,
    ) -> String {
        let args: Vec<_> = args
            .as_ref()
            .iter()
            .map(|(name, value)| (*name, value.to_string()))
            .collect();
        self.app.texts().text(self.language, key.as_ref(), &args)
    }

    /// The words of an error or finding.
    pub fn say(&self, text: &kernel::Text) -> String {
        let args: Vec<_> = text
            .args
            .iter()
            .map(|(name, value)| (*name, value.clone()))
            .collect();
        self.app.texts().text(self.language, text.key, &args)
    }

    /// Content kept in simplified Chinese, in the reader's script.
    pub fn zh(&self, content: impl AsRef<str>) -> String {
        self.app.texts().script(self.language, content.as_ref())
    }

    /// Words one after another, with the comma of the reader's language.
    pub fn list(&self, words: impl IntoIterator<Item = impl AsRef<str>>) -> String {
        let comma = if self.language.is_chinese() {
            "、"
        } else {
            ", "
        };
        let mut all = String::new();
        for word in words {
            if !all.is_empty() {
                all.push_str(comma);
            }
            all.push_str(word.as_ref());
        }
        all
    }

    /// A date by which something is due, marked where it may still move; nothing gives a dash.
    pub fn due(&self, date: impl ToDay) -> String {
        let day = date.to_day();
        let is_provisional = match (day, self.app.part::<ProvisionalDays>()) {
            (Some(day), Ok(days)) => (days.0)(day),
            _ => false,
        };
        if is_provisional {
            return self.t1("web-due-provisional", "date", self.date(day));
        }
        self.date(day)
    }

    /// A date in full, as the language writes it; nothing gives a dash.
    pub fn date(&self, date: impl ToDay) -> String {
        let Some(date) = date.to_day() else {
            return NOTHING.to_owned();
        };
        if self.language.is_chinese() {
            return format!("{}年{}月{}日", date.year(), date.month(), date.day());
        }
        date.format("%-d %B %Y").to_string()
    }

    /// A moment on the wall in China, in full.
    pub fn moment(&self, at: impl ToMoment) -> String {
        let Some(at) = at.to_moment() else {
            return NOTHING.to_owned();
        };
        format!(
            "{} {}",
            self.date(clock::local_date(at)),
            clock::local(at).format("%H:%M")
        )
    }

    /// A moment for dense tables: `2026-11-22 15:06` in every language.
    pub fn stamp(&self, at: impl ToMoment) -> String {
        match at.to_moment() {
            Some(at) => clock::local(at).format("%Y-%m-%d %H:%M").to_string(),
            None => NOTHING.to_owned(),
        }
    }

    /// Money from fen, as `¥1,234.50`.
    pub fn money(&self, fen: impl std::borrow::Borrow<i64>) -> String {
        let fen = *fen.borrow();
        let sign = if fen < 0 { "-" } else { "" };
        let yuan = (fen.unsigned_abs() / 100).to_string();
        let mut grouped = String::new();
        for (place, digit) in yuan.chars().enumerate() {
            if place > 0 && (yuan.len() - place) % 3 == 0 {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        format!("{sign}¥{grouped}.{:02}", fen.unsigned_abs() % 100)
    }

    /// The menu of a place, without the items that the viewer may not use.
    pub fn menu(&self, place: MenuPlace) -> Vec<MenuLink> {
        let mut links = self.links(place);
        mark_nearest(links.iter_mut());
        links
    }

    fn links(&self, place: MenuPlace) -> Vec<MenuLink> {
        let Ok(menu) = self.app.part::<crate::module::Menu>() else {
            return Vec::new();
        };
        let path = self.path.split('?').next().unwrap_or_default();
        let seen = menu
            .items(place)
            .filter(|i| i.action.is_empty() || self.viewer.may.contains(i.action));
        seen.map(|item| MenuLink {
            words: self.t(item.key),
            href: item.href,
            is_current: is_within(path, item.href),
        })
        .collect()
    }

    pub fn menu_public(&self) -> Vec<MenuLink> {
        self.menu(MenuPlace::Public)
    }

    pub fn menu_mine(&self) -> Vec<MenuLink> {
        self.menu(MenuPlace::Mine)
    }

    /// The workbench's side bar: headings with what the viewer may use below each.
    pub fn menu_workbench(&self) -> Vec<(String, Vec<MenuLink>)> {
        let mut sections: Vec<_> = Section::ALL
            .map(|section| {
                let links = self.links(MenuPlace::Workbench(section));
                (self.t(section.key()), links)
            })
            .into();
        sections.retain(|(_, links)| !links.is_empty());
        mark_nearest(sections.iter_mut().flat_map(|(_, links)| links));
        sections
    }

    pub fn is_signed_in(&self) -> bool {
        self.viewer.kind != ViewerKind::Nobody
    }

    pub fn is_officer(&self) -> bool {
        self.viewer.kind == ViewerKind::Officer
    }

    /// Name of the place, as `云港市`.
    pub fn place(&self) -> String {
        self.zh(&self.app.settings().place)
    }

    /// Whether a banner says that everything here is made up.
    pub fn demo(&self) -> bool {
        self.app.settings().demo
    }

    /// Address of a bundled file under its content-hashed name.
    pub fn asset(&self, name: &str) -> String {
        asset::href(name)
    }

    /// This page in another language.
    pub fn in_language(&self, language: &Language) -> String {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let mut link = format!("{path}?lang={}", language.tag());
        for pair in query
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with("lang="))
        {
            link.push('&');
            link.push_str(pair);
        }
        link
    }

    pub fn languages(&self) -> [Language; 3] {
        Language::ALL
    }

    /// Where to sign in and come back from.
    pub fn sign_in_href(&self) -> String {
        sign_in_href(&self.path)
    }

    /// The page as it is without a handler: for the layers that answer by themselves.
    pub fn of(parts: &Parts, app: &App) -> Self {
        let language = parts
            .extensions
            .get::<Language>()
            .copied()
            .unwrap_or_default();
        let viewer = parts
            .extensions
            .get::<Viewer>()
            .cloned()
            .unwrap_or_default();
        let path = parts
            .uri
            .path_and_query()
            .map_or("/", |p| p.as_str())
            .to_owned();
        let request_id = parts
            .extensions
            .get::<RequestId>()
            .map(|id| id.0.clone())
            .unwrap_or_default();
        Self {
            app: app.clone(),
            language,
            viewer,
            path,
            request_id,
        }
    }
}

const NOTHING: &str = "—";

/// The sign-in page that leads back to `path`.
pub fn sign_in_href(path: &str) -> String {
    let next = percent_encoding::utf8_percent_encode(path, percent_encoding::NON_ALPHANUMERIC);
    format!("/sign-in?next={next}")
}

/// Of `/work` and `/work/cases` only the nearer one is current.
fn mark_nearest<'a>(links: impl Iterator<Item = &'a mut MenuLink>) {
    let mut current: Vec<_> = links.filter(|link| link.is_current).collect();
    let nearest = current.iter().map(|link| link.href.len()).max();
    for link in &mut current {
        link.is_current = Some(link.href.len()) == nearest;
    }
}

fn is_within(path: &str, href: &str) -> bool {
    path == href
        || (href != "/"
            && path
                .strip_prefix(href)
                .is_some_and(|rest| rest.starts_with('/')))
}

/// Tells which days are counted by a calendar that is not official yet; an [`App`] part of the
/// block that keeps calendars. Without it all days are certain.
pub struct ProvisionalDays(pub Box<dyn Fn(NaiveDate) -> bool + Send + Sync>);

/// What [`Page::date`] can show.
pub trait ToDay {
    fn to_day(&self) -> Option<NaiveDate>;
}

impl ToDay for NaiveDate {
    fn to_day(&self) -> Option<NaiveDate> {
        Some(*self)
    }
}

impl<T: ToDay> ToDay for Option<T> {
    fn to_day(&self) -> Option<NaiveDate> {
        self.as_ref().and_then(ToDay::to_day)
    }
}

impl<T: ToDay + ?Sized> ToDay for &T {
    fn to_day(&self) -> Option<NaiveDate> {
        (**self).to_day()
    }
}

/// What [`Page::moment`] can show: a time, or the microseconds that tables keep.
pub trait ToMoment {
    fn to_moment(&self) -> Option<DateTime<Utc>>;
}

impl ToMoment for DateTime<Utc> {
    fn to_moment(&self) -> Option<DateTime<Utc>> {
        Some(*self)
    }
}

impl ToMoment for i64 {
    fn to_moment(&self) -> Option<DateTime<Utc>> {
        Some(clock::from_micros(*self))
    }
}

impl<T: ToMoment> ToMoment for Option<T> {
    fn to_moment(&self) -> Option<DateTime<Utc>> {
        self.as_ref().and_then(ToMoment::to_moment)
    }
}

impl<T: ToMoment + ?Sized> ToMoment for &T {
    fn to_moment(&self) -> Option<DateTime<Utc>> {
        (**self).to_moment()
    }
}

impl FromRequestParts<App> for Page {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, WebError> {
        Ok(Self::of(parts, app))
    }
}

/// A rendered template. `Html::page(&template)` answers 200, `Html::with(status, …)` another.
pub struct Html {
    status: StatusCode,
    body: String,
}

impl Html {
    pub fn page(template: &impl askama::Template) -> Result<Self, WebError> {
        Self::with(StatusCode::OK, template)
    }

    /// A form that comes back with messages: 422.
    pub fn again(template: &impl askama::Template) -> Result<Self, WebError> {
        Self::with(StatusCode::UNPROCESSABLE_ENTITY, template)
    }

    pub fn with(status: StatusCode, template: &impl askama::Template) -> Result<Self, WebError> {
        let body = template
            .render()
            .map_err(|e| kernel::Fault::caused_by("render a page", e))?;
        Ok(Self { status, body })
    }
}

impl IntoResponse for Html {
    fn into_response(self) -> Response {
        (self.status, axum::response::Html(self.body)).into_response()
    }
}
