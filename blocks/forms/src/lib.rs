//! Forms: JSON Schema with layout hints becomes questions, answers become checked values.
//!
//! Owns the tables `forms_*`. Promises: what is hidden is never demanded, what was typed comes
//! back with a message beside it, a draft is never lost to a closed browser or a second device,
//! and a personal value is masked wherever it is only shown. Never knows what a matter, a case or
//! a certificate is: it gets their forms and certificates handed in.

mod answer;
mod api;
pub mod check;
pub mod condition;
pub mod draft;
pub mod file;
pub mod form;
pub mod merge;
pub mod prefill;
pub mod receive;
pub mod render;
mod schema;
mod words;

pub use check::{validate, validate_group};
pub use condition::Condition;
pub use draft::{Draft, NewDraft};
pub use file::File;
pub use form::{Answer, Field, FileRule, Form, Group, Part, Widget};
pub use merge::{merge, split};
pub use prefill::{Known, Provenance, Provenances, Source, Sources, prefill};
pub use receive::{Pressed, Received, receive};
pub use render::{
    Offer, Offers, Sheet, attach_certificates, render_all, render_review, render_step,
};
pub use words::Words;

kernel::typed_id!(
    /// Answers that are not submitted yet.
    pub DraftId
);
kernel::typed_id!(
    /// A file handed in at a question.
    pub FileId
);

/// Tables and words.
pub fn foundation() -> web::module::Foundation {
    web::module::Foundation {
        name: "forms",
        migrations: schema::migrations(),
        texts: &[
            ("zh-CN", include_str!("../locales/zh-CN/forms.ftl")),
            ("en", include_str!("../locales/en/forms.ftl")),
        ],
    }
}

/// Takes [`store::Blobs`] from the application where files are handed in.
pub fn module(_: &web::App) -> kernel::Result<web::Module> {
    Ok(web::Module {
        name: "forms",
        routes: api::routes(),
        policies: vec![("forms.cedar", include_str!("../policies/forms.cedar"))],
        ..web::Module::default()
    })
}
