//! The values that `components.html` draws. Words in them are already in the reader's language.

use std::collections::HashMap;

use axum::{
    extract::{FromRequest, RawForm, Request},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use kernel::Finding;

/// A form as it was typed, with what is wrong in it: fill it from the request, or from stored
/// values for a first showing, and hand it to the field components as `f`.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    values: HashMap<String, Vec<String>>,
    findings: Vec<Finding>,
}

impl Fields {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value; a name may have several.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl std::fmt::Display) -> Self {
        self.values
            .entry(name.into())
            .or_default()
            .push(value.to_string());
        self
    }

    /// The same form with what is wrong in it.
    #[must_use]
    pub fn rejected(mut self, findings: Vec<Finding>) -> Self {
        self.findings = findings;
        self
    }

    /// The first value of a field, empty when there is none.
    pub fn value(&self, name: impl AsRef<str>) -> &str {
        self.values(name).first().map_or("", String::as_str)
    }

    pub fn values(&self, name: impl AsRef<str>) -> &[String] {
        self.values.get(name.as_ref()).map_or(&[], Vec::as_slice)
    }

    /// Whether the field has this value among its values.
    pub fn has(&self, name: impl AsRef<str>, value: impl AsRef<str>) -> bool {
        self.values(name).iter().any(|v| v == value.as_ref())
    }

    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    pub fn findings_of(&self, name: impl AsRef<str>) -> Vec<&Finding> {
        self.findings
            .iter()
            .filter(|f| f.field == name.as_ref())
            .collect()
    }

    pub fn is_wrong(&self, name: impl AsRef<str>) -> bool {
        self.findings.iter().any(|f| f.field == name.as_ref())
    }
}

impl From<Vec<(String, String)>> for Fields {
    fn from(pairs: Vec<(String, String)>) -> Self {
        pairs
            .into_iter()
            .fold(Self::default(), |fields, (name, value)| {
                fields.with(name, value)
            })
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Response;

    /// Reads a urlencoded body, or the query of a GET.
    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let RawForm(body) = RawForm::from_request(request, state)
            .await
            .map_err(IntoResponse::into_response)?;
        Ok(Self::from(parse_pairs(&body)))
    }
}

/// Pairs of a urlencoded text; what is not UTF-8 becomes the replacement character.
pub fn parse_pairs(body: &[u8]) -> Vec<(String, String)> {
    let decode = |part: &[u8]| {
        let spaced: Vec<u8> = part
            .iter()
            .map(|b| if *b == b'+' { b' ' } else { *b })
            .collect();
        percent_encoding::percent_decode(&spaced)
            .decode_utf8_lossy()
            .into_owned()
    };
    body.split(|b| *b == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let mut halves = pair.splitn(2, |b| *b == b'=');
            (
                decode(halves.next().unwrap_or_default()),
                decode(halves.next().unwrap_or_default()),
            )
        })
        .collect()
}

/// One of the answers of a select, radio group or checkbox group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    pub value: String,
    pub label: String,
    /// Said below the label in radio and checkbox groups; may be empty.
    pub help: String,
}

impl Choice {
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            label: label.into(),
            help: String::new(),
        }
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

/// One step of a step list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub label: String,
    pub state: StepState,
    /// Where a finished step can be seen again; empty for no link.
    pub href: String,
}

impl Step {
    pub fn new(label: impl Into<String>, state: StepState) -> Self {
        Self {
            label: label.into(),
            state,
            href: String::new(),
        }
    }

    #[must_use]
    pub fn link(mut self, href: impl Into<String>) -> Self {
        self.href = href.into();
        self
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    Done,
    Now,
    Ahead,
}

impl StepState {
    pub fn class(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Now => "now",
            Self::Ahead => "ahead",
        }
    }
}

/// A deadline's light. Drawn with a shape and words besides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Light {
    /// In time.
    Green,
    /// Nearly due.
    Yellow,
    /// Overdue.
    Red,
    /// The clock is suspended.
    Paused,
    /// No clock runs yet.
    Waiting,
    /// Finished; no clock runs.
    Done,
}

impl Light {
    pub fn class(&self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
            Self::Paused => "paused",
            Self::Waiting => "waiting",
            Self::Done => "done",
        }
    }

    /// The icon whose shape says the same as the colour.
    pub fn icon(&self) -> &'static str {
        match self {
            Self::Green => "circle-filled",
            Self::Yellow => "triangle-filled",
            Self::Red => "octagon-filled",
            Self::Paused => "player-pause-filled",
            Self::Waiting => "clock",
            Self::Done => "check",
        }
    }

    /// Fluent key of its name.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Green => "web-light-green",
            Self::Yellow => "web-light-yellow",
            Self::Red => "web-light-red",
            Self::Paused => "web-light-paused",
            Self::Waiting => "web-light-waiting",
            Self::Done => "web-light-done",
        }
    }
}

/// The weight of an alert or a badge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Accent,
    Good,
    Warning,
    Danger,
}

impl Tone {
    pub fn class(&self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Accent => "accent",
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Danger => "danger",
        }
    }

    pub fn icon(&self) -> &'static str {
        match self {
            Self::Plain | Self::Accent => "info-circle",
            Self::Good => "circle-check",
            Self::Warning => "alert-triangle",
            Self::Danger => "alert-octagon",
        }
    }
}

/// Something that happened, for a timeline.
#[derive(Clone, Debug)]
pub struct Happening {
    pub at: DateTime<Utc>,
    pub title: String,
    /// Who did it; may be empty.
    pub who: String,
    /// What was said; may be empty.
    pub text: String,
    pub tone: Tone,
}

/// A row of a definition list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub term: String,
    pub value: String,
    /// Where the value leads; may be empty.
    pub href: String,
    /// Where the value comes from ("from the business registry"); may be empty.
    pub source: String,
}

impl Fact {
    pub fn new(term: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            term: term.into(),
            value: value.into(),
            href: String::new(),
            source: String::new(),
        }
    }

    #[must_use]
    pub fn link(mut self, href: impl Into<String>) -> Self {
        self.href = href.into();
        self
    }

    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }
}

/// A breadcrumb; the last one has no link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crumb {
    pub label: String,
    pub href: String,
}

impl Crumb {
    pub fn new(label: impl Into<String>, href: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            href: href.into(),
        }
    }
}

/// A tab that is a link to a view of the same thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tab {
    pub label: String,
    pub href: String,
    pub is_current: bool,
    /// Shown beside the label when there is one.
    pub count: Option<u64>,
}

impl Tab {
    pub fn new(label: impl Into<String>, href: impl Into<String>, is_current: bool) -> Self {
        Self {
            label: label.into(),
            href: href.into(),
            is_current,
            count: None,
        }
    }

    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }
}

/// Where a keyset-paged list goes on; empty links are not drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pager {
    pub first: String,
    pub next: String,
}

impl Pager {
    /// Links for a list at `path` with its filters (`status=open`), shown after `after`, that goes
    /// on after `next`.
    pub fn new(path: &str, filters: &str, after: Option<&str>, next: Option<&str>) -> Self {
        let link = |key: Option<&str>| {
            let mut link = path.to_owned();
            let after = key.map(|key| {
                let key =
                    percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC);
                format!("after={key}")
            });
            let query: Vec<_> = [Some(filters.to_owned()), after]
                .into_iter()
                .flatten()
                .filter(|s| !s.is_empty())
                .collect();
            if !query.is_empty() {
                link.push('?');
                link.push_str(&query.join("&"));
            }
            link
        };
        Self {
            first: after.map(|_| link(None)).unwrap_or_default(),
            next: next.map(|key| link(Some(key))).unwrap_or_default(),
        }
    }
}
