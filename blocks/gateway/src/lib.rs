//! The gateway: departments' HTTP interfaces, called by others through the hub.
//!
//! Owns the tables `gateway_*`, the lines that nodes keep open for calls, and the node's side of
//! them. Promises: no port is opened at a department; nobody calls without a grant that names
//! purpose, basis and end, and a suspension counts from the next call; every message is signed by
//! who sends it, and no answer goes out before its record is durable; a body that was tampered with
//! is never whole at the other end. Refused calls are counted, never rows of their own. Keeps digests,
//! never bodies.

pub mod admit;
pub mod api;
pub mod body;
pub mod call;
pub mod event;
pub mod grant;
pub mod job;
pub mod limit;
pub mod line;
pub mod mask;
pub mod message;
pub mod node;
pub mod operation;
pub mod overview;
pub mod part;
pub mod proof;
pub mod query;
pub mod record;
pub mod refusal;
pub mod refused;
pub mod resource;
mod schema;
mod store;

use std::sync::Arc;

use exchange::Hub;
use web::App;

pub use part::{Gateway, Settings};
pub use schema::migrations;

/// Tables and words.
pub fn foundation() -> web::module::Foundation {
    web::module::Foundation {
        name: "gateway",
        migrations: migrations(),
        texts: &[
            ("zh-CN", include_str!("../locales/zh-CN/gateway.ftl")),
            ("en", include_str!("../locales/en/gateway.ftl")),
        ],
    }
}

/// Puts the [`Gateway`] into the application. Needs [`Settings`] and the exchange's [`Hub`] there,
/// and a runtime.
pub fn module(app: &App) -> kernel::Result<web::Module> {
    let hub = app.part::<Hub>()?;
    let settings = (*app.part::<Settings>()?).clone();
    let gateway = app.put(Gateway::open(app.db(), &hub, settings)?);
    hub.extend(Arc::new(part::Door(gateway)));
    Ok(web::Module {
        name: "gateway",
        routes: api::routes(),
        jobs: vec![Arc::new(job::PruneHandler(app.clone()))],
        policies: vec![("gateway.cedar", include_str!("../policies/gateway.cedar"))],
        ..web::Module::default()
    })
}
