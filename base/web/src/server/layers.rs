//! The layers of our own: numbering, headers, languages, shedding.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::{App, Language, component::parse_pairs};

/// The number by which a user and a log line speak of the same request.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Without I, L, O and U, so that a number can be read out on the telephone.
const SPOKEN: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl RequestId {
    fn new() -> Self {
        let bits: u64 = rand::random();
        let digit = |n: u32| {
            SPOKEN
                .get((bits >> (5 * n) & 31) as usize)
                .copied()
                .unwrap_or(b'0')
        };
        Self((0..10).map(|n| char::from(digit(n))).collect())
    }

    /// A proxy's number, when it is one.
    fn given(headers: &HeaderMap) -> Option<Self> {
        let id = headers.get(REQUEST_ID)?.to_str().ok()?;
        let is_tame = (6..=64).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        is_tame.then(|| Self(id.to_owned()))
    }
}

/// Numbers the request, logs it once with its outcome and counts it.
pub async fn observe(mut request: Request, next: Next) -> Response {
    let id = RequestId::given(request.headers()).unwrap_or_else(RequestId::new);
    request.extensions_mut().insert(id.clone());
    // The query may hold what nobody should read in a log.
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|route| route.as_str().to_owned());
    let started = Instant::now();
    let span = tracing::info_span!("request", id = %id.0, %method, %path);
    let mut response = next.run(request).instrument(span.clone()).await;
    let seconds = started.elapsed().as_secs_f64();
    let status = response.status().as_u16();
    // Unknown paths share one label, or a scanner would fill the memory with series.
    let route = route.unwrap_or_else(|| "unmatched".to_owned());
    metrics::histogram!("http_request_seconds", "method" => method.to_string(), "route" => route, "status" => status.to_string())
        .record(seconds);
    span.in_scope(|| tracing::info!(status, milliseconds = seconds * 1000.0, "answered"));
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// No inline script or style, nothing from elsewhere, never in a frame. Pictures and fonts inside
/// the bundled styles are data addresses.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data:; font-src 'self' data:; \
    object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

/// Headers that every answer carries unless its handler said otherwise.
pub async fn protect(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut default = |name: HeaderName, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    default(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(header::X_FRAME_OPTIONS, "DENY");
    default(header::REFERRER_POLICY, "same-origin");
    default(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    default(
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=()",
    );
    // In a service hall the next person uses the same browser.
    default(header::CACHE_CONTROL, "no-store");
    if app.settings().public_url.starts_with("https://") {
        default(
            header::STRICT_TRANSPORT_SECURITY,
            "max-age=31536000; includeSubDomains",
        );
    }
    response
}

/// Finds the reader's language: `?lang=` (remembered in a cookie), the cookie, the browser.
pub async fn choose_language(mut request: Request, next: Next) -> Response {
    let asked = request.uri().query().and_then(|query| {
        let pairs = parse_pairs(query.as_bytes());
        pairs
            .iter()
            .find(|(name, _)| name == "lang")
            .and_then(|(_, tag)| Language::from_tag(tag))
    });
    let language = asked
        .or_else(|| known_language(request.headers()))
        .unwrap_or_default();
    request.extensions_mut().insert(language);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers
        .entry(header::CONTENT_LANGUAGE)
        .or_insert(HeaderValue::from_static(language.tag()));
    headers.append(
        header::VARY,
        HeaderValue::from_static("accept-language, cookie"),
    );
    if asked.is_some() {
        let cookie = format!(
            "lang={}; Path=/; Max-Age=31536000; SameSite=Lax",
            language.tag()
        );
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            headers.append(header::SET_COOKIE, cookie);
        }
    }
    response
}

fn known_language(headers: &HeaderMap) -> Option<Language> {
    let cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok());
    let chosen = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix("lang="))
        .find_map(Language::from_tag);
    let wished = || {
        headers
            .get(header::ACCEPT_LANGUAGE)?
            .to_str()
            .ok()
            .and_then(Language::from_accept)
    };
    chosen.or_else(wished)
}

/// How many requests may be under way.
#[derive(Clone)]
pub struct Room(Arc<Semaphore>);

impl Room {
    pub fn of(requests: usize) -> Self {
        Self(Arc::new(Semaphore::new(
            requests.min(Semaphore::MAX_PERMITS),
        )))
    }
}

/// Answers 503 at once when the house is full: a queue would only make everybody time out.
pub async fn shed(State(room): State<Room>, request: Request, next: Next) -> Response {
    let Ok(_place) = room.0.try_acquire() else {
        metrics::counter!("http_requests_shed").increment(1);
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    next.run(request).await
}
