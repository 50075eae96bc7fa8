//! Service matters, applications and cases.

pub mod matter;
