//! A refusal reaches who is still sending.
//!
//! A handler that refuses early (signed out, too big, wrong type) leaves the rest of the body in
//! the connection. Closing that resets it, and a browser then shows its own page of a broken
//! connection instead of the answer. So what is left is read and thrown away first, within limits.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::header,
    middleware::Next,
    response::Response,
};
use futures::{Stream, StreamExt, stream};

/// Nobody is waited for longer, nor read from more: a reset is then the answer.
const PATIENCE: Duration = Duration::from_secs(10);
const MOST_BYTES: usize = 256 << 20;

type Incoming = Arc<Mutex<axum::body::BodyDataStream>>;

pub async fn linger(request: Request, next: Next) -> Response {
    // Who asks before sending is answered before sending.
    if request.headers().contains_key(header::EXPECT) || has_no_body(&request) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let incoming: Incoming = Arc::new(Mutex::new(body.into_data_stream()));
    let body = Body::from_stream(shared(incoming.clone()));
    let response = next.run(Request::from_parts(parts, body)).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        // Too late or too much is no failure: the answer is ready either way.
        drop(tokio::time::timeout(PATIENCE, drain(incoming)).await);
    }
    response
}

fn has_no_body(request: &Request) -> bool {
    let headers = request.headers();
    !headers.contains_key(header::CONTENT_LENGTH)
        && !headers.contains_key(header::TRANSFER_ENCODING)
}

fn shared(incoming: Incoming) -> impl Stream<Item = Result<Bytes, axum::Error>> + Send {
    stream::poll_fn(move |context| {
        let mut body = incoming.lock().unwrap_or_else(PoisonError::into_inner);
        body.poll_next_unpin(context)
    })
}

async fn drain(incoming: Incoming) {
    let mut left = MOST_BYTES;
    let mut rest = Box::pin(shared(incoming));
    while let Some(Ok(bytes)) = rest.next().await {
        left = left.saturating_sub(bytes.len());
        if left == 0 {
            return;
        }
    }
}
