//! What every page needs besides its own content.

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};

use crate::{App, Language, WebError};

/// Who is looking, as far as the shell must know. `identity` puts it into the request.
#[derive(Clone, Debug, Default)]
pub struct Viewer {
    pub kind: ViewerKind,
    pub name: String,
    /// The firm or person on whose behalf the viewer acts, shown in the head of every page.
    pub acting_for: Option<String>,
    /// Unread messages.
    pub unread: u32,
    /// Actions whose menu items the viewer sees.
    pub may: std::sync::Arc<std::collections::HashSet<String>>,
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

impl Page {
    /// The words for a message key.
    pub fn t(&self, key: &str) -> String {
        self.app.texts().text(self.language, key, &[])
    }

    /// The words for a message key with one argument.
    pub fn t1(&self, key: &str, name: &str, value: &impl std::fmt::Display) -> String {
        self.app.texts().text(self.language, key, &[(name, value.to_string())])
    }

    /// The words of an error or finding.
    pub fn say(&self, text: &kernel::Text) -> String {
        let args: Vec<_> = text.args.iter().map(|(name, value)| (*name, value.clone())).collect();
        self.app.texts().text(self.language, text.key, &args)
    }
}

impl FromRequestParts<App> for Page {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, WebError> {
        let language = parts.extensions.get::<Language>().copied().unwrap_or_default();
        let viewer = parts.extensions.get::<Viewer>().cloned().unwrap_or_default();
        let path = parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
        Ok(Self { app: app.clone(), language, viewer, path, request_id: String::new() })
    }
}

/// A rendered template. `Html(template)` answers 200, `Html::with(status, template)` another.
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
