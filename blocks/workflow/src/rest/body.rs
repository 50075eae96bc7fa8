//! Bodies of requests that programs send.

use axum::{
    Json,
    body::{Body as Bytes, to_bytes},
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use kernel::{Error, Text};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use web::WebError;

/// A JSON object. A list is none, although its values would fit the fields in their order. A field
/// that is null was left out: programs that are made from a description send all they know of.
pub(crate) struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        // The server has bounded it.
        let bytes = to_bytes(body, usize::MAX).await;
        let bytes = bytes.map_err(|_| wrong("workflow-body-broken"))?;
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        if first == Some(&b'[') {
            return Err(wrong("workflow-body-object"));
        }
        let bytes = without_nulls(&bytes).map_or_else(|| bytes.clone(), Into::into);
        let request = Request::from_parts(parts, Bytes::from(bytes));
        let read = Json::<T>::from_request(request, state).await;
        read.map(|Json(body)| Self(body))
            .map_err(IntoResponse::into_response)
    }
}

/// The body without null fields, its own and those of objects in its lists; none if it has none, or
/// is not readable, which is told by whoever reads it next.
fn without_nulls(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.windows(4).any(|word| word == b"null") {
        return None;
    }
    let mut body: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    body.retain(|_, value| !value.is_null());
    let lists = body.values_mut().filter_map(Value::as_array_mut);
    for inner in lists.flatten().filter_map(Value::as_object_mut) {
        inner.retain(|_, value| !value.is_null());
    }
    serde_json::to_vec(&body).ok()
}

fn wrong(key: &'static str) -> Response {
    WebError::from(Error::invalid("body", Text::new(key))).into_response()
}
