//! One flow out of four blocks: what the catalog describes and grants, the exchange carries, the
//! lake keeps, and registries merge.
//!
//! Owns the tables `flow_*`. Promises: nothing flows that the catalog does not describe, or after
//! its grant ended; a batch is in the lake and in each registry once, in the order in which it was
//! sent, whatever is killed; what does not go on is told with its reason and goes on when a
//! steward says so; of every value it can be said where it came from. Never knows how rows travel,
//! are kept or are merged: those are acts of the blocks below.

pub mod agreement;
mod api;
pub mod batch;
mod bind;
pub mod event;
pub mod feed;
pub mod grant;
mod react;
pub mod said;
mod schema;
pub mod trace;

use std::sync::Arc;

use exchange::Hub;
use web::App;

pub use schema::migrations;

/// Tables and words.
pub fn foundation() -> web::module::Foundation {
    web::module::Foundation {
        name: "flow",
        migrations: migrations(),
        texts: &[
            ("zh-CN", include_str!("../locales/zh-CN/flow.ftl")),
            ("en", include_str!("../locales/en/flow.ftl")),
        ],
    }
}

/// Brings what earlier releases left up to date; once, before the server answers.
pub async fn begin(app: &App) -> kernel::Result<()> {
    app.db()
        .write(|tx| async move { bind::restrict_all(&tx).await })
        .await
}

/// Gives the exchange its terms, and the lake the grants. Needs the hub and the lake in the
/// application, and at work the registries.
pub fn module(app: &App) -> kernel::Result<web::Module> {
    let hub = app.part::<Hub>()?;
    hub.use_terms(Arc::new(grant::OfCatalog));
    app.part::<lake::Lake>()?
        .use_grants(Arc::new(grant::OfLake));
    Ok(web::Module {
        name: "flow",
        routes: api::routes(),
        consumers: vec![Arc::new(react::Joiner(hub))],
        jobs: vec![Arc::new(react::PumpHandler(app.clone()))],
        policies: vec![("flow.cedar", include_str!("../policies/flow.cedar"))],
        ..web::Module::default()
    })
}
