//! The catalog of information resources (政务信息资源目录): which data there is, who provides it,
//! and who may have it for what.
//!
//! Owns the tables `catalog_*`. Promises: a published version never changes; an entry that breaks
//! a rule is never published; a code is never given twice; a grant is exactly what was asked for,
//! and stops in the moment it is suspended. Never carries data: the exchange does, and asks here.

pub mod api;
pub mod cascade;
pub mod check;
pub mod class;
pub mod code;
pub mod dcat;
pub mod difference;
pub mod event;
pub mod freshness;
pub mod list;
pub mod metadata;
pub mod oversight;
pub mod profile;
pub mod request;
pub mod resource;
mod schema;
pub mod table;

use std::sync::Arc;

use kernel::{Error, Result, Text};
use web::App;

pub use metadata::{Item, Metadata};
pub use profile::Profile;
pub use schema::migrations;

/// Tables and words.
pub fn foundation() -> web::module::Foundation {
    web::module::Foundation {
        name: "catalog",
        migrations: migrations(),
        texts: &[
            ("zh-CN", include_str!("../locales/zh-CN/catalog.ftl")),
            ("en", include_str!("../locales/en/catalog.ftl")),
        ],
    }
}

/// Registers what processes of the catalog call with the engine.
pub fn module(app: &App) -> Result<web::Module> {
    // A house of the catalog alone has no registries.
    if let Ok(registries) = app.part::<registry::Registries>() {
        registries.use_centre(Arc::new(oversight::OfProfile));
    }
    resource::flow::register(app)?;
    request::flow::register(app)?;
    Ok(web::Module {
        name: "catalog",
        routes: api::routes(),
        jobs: vec![
            Arc::new(resource::react::WatchHandler(app.db().clone())),
            Arc::new(request::react::EndHandler(app.db().clone())),
        ],
        policies: vec![("catalog.cedar", include_str!("../policies/catalog.cedar"))],
        ..web::Module::default()
    })
}

/// A reason that must be given.
pub(crate) fn must_say(field: &str, text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::invalid(field, Text::new("catalog-must-say")));
    }
    match metadata::unfit(text, 1000) {
        Some(wrong) => Err(Error::invalid(field, wrong)),
        None => Ok(text.to_owned()),
    }
}
