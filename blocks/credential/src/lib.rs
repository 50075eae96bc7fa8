//! Certificates: types, issue, signed files, verification, status, wallet and the log of uses;
//! and every other document that the house signs.
//!
//! Owns the tables `credential_*` and the seal's keys. Promises: a certificate is granted in the
//! transaction of the decision that grants it, its file follows once, what it says is signed, and
//! nobody looks at or uses it without a trace. Never decides who deserves one.

mod api;
pub mod certificate;
pub mod event;
pub mod job;
pub mod kind;
pub mod metadata;
mod page;
pub mod part;
pub mod pdf;
mod press;
mod schema;
pub mod seal;
pub mod typeset;

use std::sync::Arc;

use web::module::{MenuItem, MenuPlace, Section};

pub use certificate::{
    Certificate, Change, Status,
    act::{Verdict, find_valid, note_use},
    issue::{Issue, Issued, Issuer, issue},
};
pub use kind::{CertificateType, FaceItem, install};
pub use part::{Credentials, Settings};
pub use typeset::Typesetter;

kernel::typed_id!(
    /// A certificate that was issued.
    pub CertificateId
);

/// Tables and words.
pub fn foundation() -> web::module::Foundation {
    web::module::Foundation {
        name: "credential",
        migrations: schema::migrations(),
        texts: &[
            ("zh-CN", include_str!("../locales/zh-CN/credential.ftl")),
            ("en", include_str!("../locales/en/credential.ftl")),
        ],
    }
}

/// Puts [`Credentials`] into the application. Takes [`Settings`] and [`store::Blobs`] from it.
pub fn module(app: &web::App) -> kernel::Result<web::Module> {
    let credentials: Arc<Credentials> = app.put(Credentials::open(app)?);
    Ok(web::Module {
        name: "credential",
        routes: page::routes().merge(api::routes()),
        jobs: vec![
            Arc::new(job::RenderHandler(credentials.clone())),
            Arc::new(job::ExpireHandler(credentials)),
        ],
        menu: vec![
            MenuItem {
                key: "credential-menu-verify",
                href: "/verify",
                place: MenuPlace::Public,
                order: 40,
                action: "",
            },
            MenuItem {
                key: "credential-menu-wallet",
                href: "/wallet",
                place: MenuPlace::Mine,
                order: 30,
                action: "",
            },
            MenuItem {
                key: "credential-menu-work",
                href: "/work/certificates",
                place: MenuPlace::Workbench(Section::Cases),
                order: 40,
                action: "credential.certificate.search",
            },
        ],
        policies: vec![(
            "credential.cedar",
            include_str!("../policies/credential.cedar"),
        )],
        ..web::Module::default()
    })
}

/// Whether this machine has fonts that can write Chinese; the error names the remedy.
pub fn check_fonts() -> Result<(), kernel::Fault> {
    Typesetter::new(Vec::new())?.check_fonts().map(|_| ())
}
