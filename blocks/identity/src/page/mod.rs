//! HTML doors. Each calls the act that the JSON door calls.

mod account;
mod admin;
mod audit;
mod entry;
mod security;

use std::{fmt::Write, sync::Arc};

use axum::routing::{get, post};
use kernel::{Error, Finding, Result};
use utoipa_axum::router::OpenApiRouter;
use web::{
    App, MenuItem, Page, WebError,
    component::Tab,
    module::{MenuPlace, Section},
};

use crate::Identity;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .route("/sign-in", get(entry::show_sign_in).post(entry::sign_in))
        .route("/sign-in/code", get(entry::show_code).post(entry::confirm))
        .route("/sign-out", post(entry::sign_out))
        .route("/register", get(entry::show_register).post(entry::register))
        .route("/account", get(account::show))
        .route("/account/verify", post(account::verify))
        .route("/account/acting", post(account::act_for))
        .route("/account/firms", post(account::bind_firm))
        .route(
            "/account/agents",
            get(account::show_agents).post(account::appoint),
        )
        .route("/account/agents/{id}/dismiss", post(account::dismiss))
        .route("/account/security", get(security::show))
        .route("/account/password", post(security::change_password))
        .route("/account/second-factor", post(security::enrol))
        .route("/account/second-factor/confirm", post(security::confirm))
        .route("/account/second-factor/remove", post(security::remove))
        .route("/account/sessions/{id}/end", post(security::end_session))
        .route(
            "/account/tokens",
            get(security::show_tokens).post(security::create_token),
        )
        .route("/account/tokens/{id}/revoke", post(security::revoke_token))
        .route("/admin/users", get(admin::list).post(admin::create))
        .route("/admin/users/new", get(admin::show_new))
        .route("/admin/users/{id}", get(admin::show))
        .route("/admin/users/{id}/disabled", post(admin::set_disabled))
        .route("/admin/users/{id}/posts", post(admin::change_post))
        .route("/admin/users/{id}/sessions/end", post(admin::end_sessions))
        .route("/admin/audit", get(audit::show))
}

pub(crate) fn menu() -> Vec<MenuItem> {
    vec![
        MenuItem {
            key: "identity-menu-account",
            href: "/account",
            place: MenuPlace::Mine,
            order: 90,
            action: "",
        },
        MenuItem {
            key: "identity-menu-users",
            href: "/admin/users",
            place: MenuPlace::Workbench(Section::System),
            order: 90,
            action: "identity.user.list",
        },
        MenuItem {
            key: "identity-menu-audit",
            href: "/admin/audit",
            place: MenuPlace::Workbench(Section::System),
            order: 91,
            action: "identity.audit.read",
        },
    ]
}

fn identity(app: &App) -> Result<Arc<Identity>> {
    Ok(app.part::<Identity>()?)
}

/// What a form shows beside its fields, or at its head if the state of things refused it; other
/// errors become a page of their own.
fn findings_of(error: Error) -> Result<Vec<Finding>, WebError> {
    match error {
        Error::Invalid(findings) => Ok(findings),
        Error::Refused(text) => Ok(vec![Finding::new("", text)]),
        other => Err(WebError(other)),
    }
}

/// Leaves the secret with the browser, out of reach of scripts and other sites.
pub(crate) fn cookie(identity: &Identity, secret: &str) -> String {
    let age = identity.settings.session_hours * 3600;
    format!("{}; Max-Age={age}", bare_cookie(identity, secret))
}

fn no_cookie(identity: &Identity) -> String {
    format!("{}; Max-Age=0", bare_cookie(identity, ""))
}

fn bare_cookie(identity: &Identity, secret: &str) -> String {
    let secure = if identity.is_https { "; Secure" } else { "" };
    format!(
        "{}={secret}; Path=/; HttpOnly; SameSite=Lax{secure}",
        identity.cookie_name()
    )
}

/// Text as part of an address.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The parts of the account pages.
fn tabs(page: &Page, current: &str, is_citizen: bool) -> Vec<Tab> {
    let all = [
        ("/account", "identity-tab-account", true),
        ("/account/security", "identity-tab-security", true),
        ("/account/agents", "identity-tab-agents", is_citizen),
        ("/account/tokens", "identity-tab-tokens", true),
    ];
    all.into_iter()
        .filter(|(_, _, is_shown)| *is_shown)
        .map(|(href, key, _)| Tab::new(page.t(key), href, href == current))
        .collect()
}

/// What has just been done, said at the head of the page it leads to: `?done=password`.
#[derive(serde::Deserialize)]
struct Done {
    done: Option<String>,
}

impl Done {
    fn words(&self, page: &Page) -> String {
        const KNOWN: [(&str, &str); 12] = [
            ("verified", "identity-done-verified"),
            ("acting", "identity-done-acting"),
            ("firm", "identity-done-firm"),
            ("appointed", "identity-done-appointed"),
            ("dismissed", "identity-done-dismissed"),
            ("password", "identity-done-password"),
            ("factor", "identity-done-factor"),
            ("factor-removed", "identity-done-factor-removed"),
            ("session", "identity-done-session"),
            ("token", "identity-done-token"),
            ("user", "identity-done-user"),
            ("created", "identity-done-created"),
        ];
        let done = self.done.as_deref().unwrap_or_default();
        let known = KNOWN.iter().find(|(name, _)| *name == done);
        known.map(|(_, key)| page.t(key)).unwrap_or_default()
    }
}
