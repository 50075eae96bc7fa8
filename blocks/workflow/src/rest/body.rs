//! Bodies of requests that programs send.

use axum::{
    Json,
    body::{Body as Bytes, to_bytes},
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use kernel::{Error, Text};
use serde::de::DeserializeOwned;
use web::WebError;

/// A JSON object. A list is none, although its values would fit the fields in their order.
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
        let request = Request::from_parts(parts, Bytes::from(bytes));
        let read = Json::<T>::from_request(request, state).await;
        read.map(|Json(body)| Self(body))
            .map_err(IntoResponse::into_response)
    }
}

fn wrong(key: &'static str) -> Response {
    WebError::from(Error::invalid("body", Text::new(key))).into_response()
}
