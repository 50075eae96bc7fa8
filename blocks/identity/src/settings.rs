//! What an installation decides about signing in.

/// An [`App`](web::App) part; the defaults hold where none is put.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// An officer's posts count only in a session that showed a second factor.
    pub officers_need_totp: bool,
    /// Minutes without a request after which a citizen's session ends.
    pub citizen_idle_minutes: i64,
    /// The same for officers (GB/T 22239 level 3 asks for a short time).
    pub officer_idle_minutes: i64,
    /// Hours after which every session ends, however busy.
    pub session_hours: i64,
    /// Failures after which an account has to wait.
    pub account_failures: i32,
    /// Failures after which an address has to wait; many people may share one.
    pub address_failures: i32,
    /// The first wait; it doubles with every further failure.
    pub first_wait_seconds: i64,
    /// The longest wait.
    pub longest_wait_minutes: i64,
    /// Hours without a failure after which old ones are forgotten.
    pub forget_failures_hours: i64,
    /// Longest life of a personal access token.
    pub token_days: i64,
    /// The header that carries the reader's address when a proxy stands in front, as
    /// `x-real-ip`; empty if there is none, because then anybody could write it.
    pub address_header: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            officers_need_totp: true,
            citizen_idle_minutes: 30,
            officer_idle_minutes: 10,
            session_hours: 8,
            account_failures: 5,
            address_failures: 30,
            first_wait_seconds: 30,
            longest_wait_minutes: 30,
            forget_failures_hours: 24,
            token_days: 365,
            address_header: String::new(),
        }
    }
}
