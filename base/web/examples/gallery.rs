//! Serves the component gallery alone: `cargo run -p web --example gallery -- 127.0.0.1:8090`.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use web::{App, Settings, Texts};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8090".to_owned());
    let file = std::env::temp_dir().join(format!("tongban-gallery-{}.db", std::process::id()));
    let database = store::Settings {
        url: format!("sqlite://{}", file.display()),
        ..store::Settings::default()
    };
    let db = store::Db::open(&database, Arc::new(kernel::SystemClock)).await?;
    let settings = Settings {
        place: "云港市".into(),
        demo: true,
        ..Settings::default()
    };
    let app = App::new(
        db,
        settings,
        Texts::new(web::foundation().texts.iter().copied()),
    );
    let router = web::server::router(&app, Vec::new(), |router| router);
    let listener = tokio::net::TcpListener::bind(&address).await?;
    web::server::serve(listener, router, CancellationToken::new()).await?;
    Ok(())
}
