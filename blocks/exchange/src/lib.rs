//! The exchange: rows of one department's database in another's, by way of the hub.
//!
//! Owns the tables `exchange_*`, the hub's private authority, the Flight service that nodes call,
//! and the whole of `tongban node`. Promises: nodes make outgoing connections only, each with a
//! certificate of its own that ends at once when it is revoked; a batch is taken once however often
//! it is sent, and applied once whatever is killed between any two steps; every hop counts and
//! leaves a signed receipt; nobody gets a column or row that his subscription does not name, and
//! none after the grant behind it ended. Never knows what a row means: what may flow is told by
//! [`hub::terms::Terms`].

pub mod api;
pub mod certificate;
pub mod data;
pub mod event;
pub mod hub;
pub mod job;
pub mod node;
mod schema;
pub mod wire;

use std::sync::Arc;

use web::App;

pub use hub::{Hub, Keys, Settings};
pub use schema::migrations;

/// Tables and words.
pub fn foundation() -> web::module::Foundation {
    web::module::Foundation {
        name: "exchange",
        migrations: migrations(),
        texts: &[
            ("zh-CN", include_str!("../locales/zh-CN/exchange.ftl")),
            ("en", include_str!("../locales/en/exchange.ftl")),
        ],
    }
}

/// Puts the [`Hub`] into the application. Needs [`Settings`], [`Keys`] and `store::Blobs` there.
pub fn module(app: &App) -> kernel::Result<web::Module> {
    let settings = (*app.part::<Settings>()?).clone();
    let keys = app.part::<Keys>()?;
    let authority = hub::authority::Authority::open(&keys.0, &settings.names, chrono::Utc::now())?;
    let blobs = app.part::<store::Blobs>()?;
    app.put(Hub {
        db: app.db().clone(),
        settings,
        authority,
        landing: Arc::new(hub::landing::Spool((*blobs).clone())),
        listening: std::sync::OnceLock::new(),
        terms: std::sync::OnceLock::new(),
        extensions: std::sync::RwLock::default(),
    });
    Ok(web::Module {
        name: "exchange",
        routes: api::routes(),
        jobs: vec![Arc::new(job::PruneHandler(app.clone()))],
        policies: vec![("exchange.cedar", include_str!("../policies/exchange.cedar"))],
        ..web::Module::default()
    })
}

/// The one TLS library of the program uses one implementation of the algorithms; whoever comes
/// first says which, and it is the same everywhere.
pub fn use_ring() {
    // An error says that it is set already.
    drop(rustls::crypto::ring::default_provider().install_default());
}
