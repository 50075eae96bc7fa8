//! A department's API for measurements: says on standard error where it listens.

use axum::{Router, body::Bytes, extract::Path, routing::get};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    eprintln!("http://{}", listener.local_addr()?);
    let routes = Router::new()
        .route("/bytes/{count}", get(bytes).post(length))
        .layer(axum::extract::DefaultBodyLimit::disable());
    axum::serve(listener, routes).await
}

/// As many bytes as are asked for.
async fn bytes(Path(count): Path<usize>) -> Vec<u8> {
    vec![b'x'; count]
}

/// How many bytes came.
async fn length(body: Bytes) -> String {
    body.len().to_string()
}
