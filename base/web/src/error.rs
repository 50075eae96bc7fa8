//! Acts' errors at the edge: here, and nowhere else, they get a status and a face.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use kernel::{Error, Fault};
use serde_json::{Value, json};
use tower_http::csrf::ProtectionError;

use crate::{App, Html, Page, page};

/// An act's error on its way to the client. The layer [`render`] turns it into a page or, for
/// programs, into a problem body (RFC 9457), in the reader's language.
#[derive(Debug)]
pub struct WebError(pub Error);

impl From<Error> for WebError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<Fault> for WebError {
    fn from(fault: Fault) -> Self {
        Self(Error::Fault(fault))
    }
}

/// The status that an error means.
pub fn status(error: &Error) -> StatusCode {
    match error {
        Error::NotSignedIn => StatusCode::UNAUTHORIZED,
        Error::Forbidden { .. } => StatusCode::FORBIDDEN,
        Error::NotFound { .. } => StatusCode::NOT_FOUND,
        Error::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Refused(_) => StatusCode::CONFLICT,
        Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Fault(fault) if fault.is_transient => StatusCode::SERVICE_UNAVAILABLE,
        Error::Fault(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        let mut response = status(&self.0).into_response();
        response.extensions_mut().insert(Arc::new(self.0));
        response
    }
}

/// Seconds after which a client that was asked to come back should do so.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// Gives every error its face. Answers that already have one (forms with messages, problem
/// bodies) pass; acts' errors, axum's plain rejections and bare statuses do not.
pub async fn render(State(app): State<App>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let request = Asked {
        page: Page::of(&parts, &app),
        method: parts.method.clone(),
        referer: path_of_referer(&parts.headers),
        is_htmx: parts.headers.contains_key("hx-request"),
    };
    let response = next.run(Request::from_parts(parts, body)).await;
    if !needs_face(&response) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let detail = if head.status.is_client_error() {
        words_of(&head.headers, body).await
    } else {
        None
    };
    let cause = head.extensions.remove::<Arc<Error>>();
    if let Some(error) = &cause {
        log(error, &request.page);
    }
    let is_cross_site = head.extensions.get::<ProtectionError>().is_some();
    let problem = Problem {
        status: head.status,
        cause,
        detail,
        is_cross_site,
    };
    let mut answer = request.answer(&problem);
    for (name, value) in &head.headers {
        if !matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH)
            && !answer.headers().contains_key(name)
        {
            answer.headers_mut().append(name, value.clone());
        }
    }
    if matches!(
        head.status,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
    ) {
        answer
            .headers_mut()
            .entry(header::RETRY_AFTER)
            .or_insert(RETRY_AFTER);
    }
    answer
}

fn needs_face(response: &Response) -> bool {
    if response.extensions().get::<Arc<Error>>().is_some() {
        return true;
    }
    let status = response.status();
    let kind = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok());
    let is_plain = kind.is_none_or(|kind| kind.starts_with("text/plain"));
    (status.is_client_error() || status.is_server_error()) && is_plain
}

/// What axum says about a request that it could not read: useful to the author of a program.
async fn words_of(headers: &HeaderMap, body: Body) -> Option<String> {
    const LONGEST: usize = 2048;
    headers.get(header::CONTENT_TYPE)?;
    let bytes = axum::body::to_bytes(body, LONGEST).await.ok()?;
    let words = String::from_utf8(bytes.to_vec()).ok()?;
    (!words.is_empty()).then_some(words)
}

fn log(error: &Error, page: &Page) {
    if let Error::Fault(fault) | Error::Unavailable(fault) = error {
        tracing::error!(request = %page.request_id, path = %page.path, cause = %fault.chain(), "request failed");
    }
}

fn path_of_referer(headers: &HeaderMap) -> Option<String> {
    let uri: axum::http::Uri = headers.get(header::REFERER)?.to_str().ok()?.parse().ok()?;
    uri.path_and_query().map(ToString::to_string)
}

/// Whether programs ask at this path, who want a problem body and no page.
fn is_for_programs(path: &str) -> bool {
    ["/api/", "/engine-rest/"]
        .iter()
        .any(|start| path.starts_with(start))
}

/// What must be remembered of a request to answer its error.
struct Asked {
    page: Page,
    method: Method,
    referer: Option<String>,
    is_htmx: bool,
}

struct Problem {
    status: StatusCode,
    cause: Option<Arc<Error>>,
    detail: Option<String>,
    is_cross_site: bool,
}

impl Asked {
    fn answer(&self, problem: &Problem) -> Response {
        if is_for_programs(&self.page.path) {
            return problem.body(&self.page);
        }
        if problem.status == StatusCode::UNAUTHORIZED {
            return self.to_sign_in();
        }
        problem.page(&self.page)
    }

    /// A page can be come back to; after a lost form its own page is where to come back.
    fn to_sign_in(&self) -> Response {
        let back = match self.method {
            Method::GET | Method::HEAD => self.page.path.as_str(),
            _ => self.referer.as_deref().unwrap_or("/"),
        };
        let target = page::sign_in_href(back);
        if self.is_htmx {
            return (StatusCode::UNAUTHORIZED, [("hx-redirect", target)]).into_response();
        }
        Redirect::to(&target).into_response()
    }
}

impl Problem {
    /// Stem of the message keys and name in the problem's `type`.
    fn name(&self) -> &'static str {
        if self.is_cross_site {
            return "cross-site";
        }
        match self.status {
            StatusCode::UNAUTHORIZED => "not-signed-in",
            StatusCode::FORBIDDEN => "forbidden",
            StatusCode::NOT_FOUND | StatusCode::GONE => "not-found",
            StatusCode::METHOD_NOT_ALLOWED => "method",
            StatusCode::CONFLICT => "refused",
            StatusCode::PAYLOAD_TOO_LARGE => "too-large",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "type",
            StatusCode::UNPROCESSABLE_ENTITY => "invalid",
            StatusCode::TOO_MANY_REQUESTS => "too-many",
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT => "unavailable",
            status if status.is_client_error() => "bad-request",
            _ => "internal",
        }
    }

    fn title(&self, page: &Page) -> String {
        match self.cause.as_deref() {
            Some(Error::Refused(text)) => page.say(text),
            _ => page.t(format!("web-error-{}", self.name())),
        }
    }

    fn next(&self, page: &Page) -> String {
        let key = format!("web-error-{}-next", self.name());
        page.t1(key, "limit", page.app.settings().body_limit >> 20)
    }

    fn findings(&self) -> &[kernel::Finding] {
        match self.cause.as_deref() {
            Some(Error::Invalid(findings)) => findings,
            _ => &[],
        }
    }

    fn body(&self, page: &Page) -> Response {
        let errors = self.findings().iter().map(|finding| {
            json!({
                "field": finding.field,
                "rule": finding.text.key,
                "message": page.say(&finding.text),
            })
        });
        let mut body = json!({
            "type": format!("{}/api#{}", page.app.settings().public_url.trim_end_matches('/'), self.name()),
            "title": self.title(page),
            "status": self.status.as_u16(),
            "detail": self.detail.clone().unwrap_or_else(|| self.next(page)),
            "instance": page.path,
            "request_id": page.request_id,
        });
        if let Some(object) = body.as_object_mut() {
            let errors: Vec<Value> = errors.collect();
            if !errors.is_empty() {
                object.insert("errors".into(), errors.into());
            }
            if let Some(Error::Refused(text)) = self.cause.as_deref() {
                object.insert("rule".into(), text.key.into());
            }
        }
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, kind, body.to_string()).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"tongban\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }

    fn page(&self, page: &Page) -> Response {
        let template = ErrorPage {
            title: self.title(page),
            next: self.next(page),
            said: self
                .findings()
                .iter()
                .map(|finding| page.say(&finding.text))
                .collect(),
            is_fault: self.status.is_server_error(),
            p: page.clone(),
        };
        match Html::with(self.status, &template) {
            Ok(html) => html.into_response(),
            Err(error) => {
                log(&error.0, page);
                (self.status, template.title).into_response()
            }
        }
    }
}

#[derive(askama::Template)]
#[template(path = "web/error.html")]
struct ErrorPage {
    p: Page,
    title: String,
    next: String,
    said: Vec<String>,
    is_fault: bool,
}
