//! What every other crate stands on and what has no government in it: identifiers, clocks,
//! calendars, codes with check digits, money, masking, cryptography and the one error type.
//!
//! Owns no table, reads no file, opens no socket. Never reads the wall clock except in
//! [`clock::SystemClock`].

pub mod calendar;
pub mod clock;
pub mod code;
pub mod crypto;
pub mod error;
pub mod id;
pub mod mask;
pub mod memo;
pub mod money;

pub use calendar::Calendar;
pub use clock::{Clock, ManualClock, ShiftedClock, SystemClock};
pub use error::{Error, Fault, Finding, Result, Text};
pub use memo::Memo;
pub use money::Money;

/// The kernel's words, language tag and Fluent source; `web` shows them.
pub const TEXTS: &[(&str, &str)] = &[
    ("zh-CN", include_str!("../locales/zh-CN/kernel.ftl")),
    ("en", include_str!("../locales/en/kernel.ftl")),
];
