//! How people and programs reach the house: the application state, the page shell and its
//! components, languages, errors as pages and problem bodies, health, metrics, OpenAPI.
//!
//! Knows that somebody may be looking ([`Viewer`]) but not who may do what; that is `identity`'s.

pub mod app;
pub mod error;
pub mod language;
pub mod module;
pub mod page;

pub use app::{App, Settings};
pub use error::WebError;
pub use language::{Language, Texts};
pub use module::{MenuItem, Module};
pub use page::{Html, Page, Viewer, ViewerKind};
