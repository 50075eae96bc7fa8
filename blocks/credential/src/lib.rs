//! Certificates.
pub mod pdf;
pub mod seal;
pub mod typeset;
pub use typeset::{SharedTypesetter, Typesetter};
