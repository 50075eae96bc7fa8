//! What people are told: messages in the house and by mail.
//!
//! Owns the tables `notify_*`. Promises: a message is written in the transaction of what it
//! tells of, in the reader's language when read; mail follows by a job that is repeated until
//! the server took it or said no for good. Never decides whom a case concerns; senders do.
//!
//! A message has a key: `<key>` is its title and `<key>-body` its text, both messages of the
//! sender's crate in both languages.

mod api;
mod event;
mod layer;
mod mail;
mod message;
mod page;
mod preference;
mod react;
mod schema;
mod settings;

use std::sync::Arc;

pub use event::MailSent;
pub use layer::layer;
pub use message::{Inbox, Message, Recipient, list, mark_all_read, mark_read, send};
pub use preference::{Preference, change_preference, confirm_address, preference};
pub use schema::migrations;
pub use settings::{Settings, Tls};

kernel::typed_id!(
    /// One message to one reader.
    pub MessageId
);

impl MessageId {
    pub(crate) fn from_moment(at: chrono::DateTime<chrono::Utc>) -> Self {
        Self(kernel::id::new_v7(at))
    }
}

/// Tables and words.
pub fn foundation() -> web::module::Foundation {
    web::module::Foundation {
        name: "notify",
        migrations: migrations(),
        texts: TEXTS,
    }
}

const TEXTS: &[(&str, &str)] = &[
    ("zh-CN", include_str!("../locales/zh-CN/notify.ftl")),
    ("en", include_str!("../locales/en/notify.ftl")),
];

/// Cedar policies of this crate, by file name.
pub const POLICIES: &[(&str, &str)] = &[("notify.cedar", include_str!("../policies/notify.cedar"))];

/// Takes [`Settings`] from the application where they were put before, and `identity`'s parts.
pub fn module(app: &web::App) -> kernel::Result<web::Module> {
    let settings = match app.part::<Settings>() {
        Ok(settings) => settings,
        Err(_) => app.put(Settings::default()),
    };
    let outbox = mail::Outbox::new(app, &settings)?;
    Ok(web::Module {
        name: "notify",
        routes: page::routes().merge(api::routes()),
        consumers: vec![Arc::new(react::AccountNotices)],
        jobs: vec![
            Arc::new(mail::MessageMailer(outbox.clone())),
            Arc::new(mail::CodeMailer(outbox)),
        ],
        menu: page::menu(),
        policies: POLICIES.to_vec(),
    })
}
