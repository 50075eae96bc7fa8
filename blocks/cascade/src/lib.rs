//! The cascade: this hub as a node of a superior hub.
//!
//! Owns the table `cascade_superior` and two nodes, one at each hub. Promises: what goes from hub to
//! hub is what a steward subscribed and a steward opened; it arrives once, whatever is killed
//! between, and both hubs' receipts are kept; the catalog goes up signed. Never knows what a row
//! means.

pub mod api;
pub mod event;
pub mod join;
pub mod relay;
pub mod report;
mod schema;
pub mod work;

use std::sync::Arc;

use exchange::Hub;
use web::App;

pub use join::{Place, Superior};
pub use schema::migrations;

/// Tables and words.
pub fn foundation() -> web::module::Foundation {
    web::module::Foundation {
        name: "cascade",
        migrations: migrations(),
        texts: &[
            ("zh-CN", include_str!("../locales/zh-CN/cascade.ftl")),
            ("en", include_str!("../locales/en/cascade.ftl")),
        ],
    }
}

/// Takes reports of inferior hubs in. Needs [`Place`] and the exchange's [`Hub`] there.
pub fn module(app: &App) -> kernel::Result<web::Module> {
    let hub = app.part::<Hub>()?;
    hub.extend(Arc::new(report::Door(app.clone())));
    Ok(web::Module {
        name: "cascade",
        routes: api::routes(),
        policies: vec![("cascade.cedar", include_str!("../policies/cascade.cedar"))],
        ..web::Module::default()
    })
}
