//! The cascade: this hub as a node of a superior hub.
//!
//! Owns the tables `cascade_*` and two nodes, one at each hub. Promises: what goes from hub to hub is
//! what a steward subscribed and a steward opened; it arrives once, whatever is killed between, and
//! both hubs' receipts are kept; the catalog goes up signed; when a hub leaves or is struck off,
//! its certificate and all that flowed end at both. Never knows what a row means.

pub mod api;
pub mod event;
pub mod inferior;
pub mod join;
pub mod relay;
pub mod report;
mod schema;
pub mod work;

use std::sync::Arc;

use exchange::Hub;
use web::{App, Language};

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
    hub.extend(Arc::new(report::Door(app.downgrade())));
    hub.extend(Arc::new(inferior::Door(app.downgrade())));
    Ok(web::Module {
        name: "cascade",
        routes: api::routes(),
        policies: vec![("cascade.cedar", include_str!("../policies/cascade.cedar"))],
        ..web::Module::default()
    })
}

/// Words that are kept as a reason, for readers of either language.
fn words(app: &App, key: &str) -> String {
    let texts = app.texts();
    let say = |language| texts.text(language, key, &[]);
    format!("{} / {}", say(Language::ZhCn), say(Language::En))
}
