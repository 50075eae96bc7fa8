//! How people and programs reach the house: the application state, the page shell and its
//! components, languages, errors as pages and problem bodies, health, metrics, `OpenAPI`.
//!
//! Owns no table. Promises: every answer carries a request number and the security headers; an
//! error says what to do next in the reader's language; nothing is loaded from elsewhere; an
//! unsafe request from another site never reaches a handler.
//! Knows that somebody may be looking ([`Viewer`]) but not who may do what; that is `identity`'s.

pub mod app;
pub mod asset;
pub mod component;
pub mod error;
pub mod gallery;
pub mod language;
pub mod module;
pub mod page;
pub mod server;

pub use app::{App, Settings, WeakApp};
pub use component::Fields;
pub use error::WebError;
pub use language::{Language, Texts};
pub use module::{MenuItem, Module};
pub use page::{Html, Page, Viewer, ViewerKind};

/// The words of the shell, the components and the error pages.
pub fn foundation() -> module::Foundation {
    module::Foundation {
        name: "web",
        migrations: Vec::new(),
        texts: &[
            ("zh-CN", include_str!("../locales/zh-CN/web.ftl")),
            ("en", include_str!("../locales/en/web.ftl")),
        ],
    }
}
