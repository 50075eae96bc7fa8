//! Who acts: persons, legal persons and their agents, officers in an organisation tree; sign-in,
//! sessions, tokens, delegation; and what each may do (Cedar).
//!
//! Owns the tables `identity_*`. Promises: a password is never kept, a session or token can be
//! ended from anywhere and is dead at the next request, and nothing is allowed that no policy
//! permits. Never knows what a case, matter or certificate is.

pub mod account;
pub mod actor;
pub mod admin;
pub mod agent;
mod api;
pub mod audit;
pub mod directory;
pub mod event;
pub mod layer;
pub mod load;
mod page;
pub mod part;
pub mod password;
pub mod policy;
pub mod register;
pub mod role;
mod schema;
pub mod second_factor;
mod secret;
pub mod session;
pub mod settings;
pub mod sign_in;
mod store;
mod throttle;
pub mod token;

pub use actor::{Actor, Colleague, MaybeActor, Party, PartyKind, Post};
pub use directory::Organisation;
pub use layer::{Ticket, actor_of_token, layer};
pub use part::Identity;
pub use policy::{Gate, PolicyMistakes, Resource};
pub use schema::migrations;
pub use second_factor::Vault;
pub use settings::Settings;

kernel::typed_id!(
    /// A person who can sign in: citizen or officer.
    pub UserId
);
kernel::typed_id!(
    /// A natural or legal person that applies, holds certificates and is written to.
    pub PartyId
);
kernel::typed_id!(
    /// A body or department of the organisation tree.
    pub OrgId
);
kernel::typed_id!(
    /// A signed-in browser.
    pub SessionId
);
kernel::typed_id!(
    /// A personal access token.
    pub TokenId
);
kernel::typed_id!(
    /// An appointment to act for a party.
    pub AgentId
);

impl UserId {
    /// The one who acts in jobs; no row has this id.
    pub const SYSTEM: Self = Self(kernel::id::Uuid::nil());
}

/// Inside a write the moment is the transaction's, not the clock's.
macro_rules! from_moment {
    ($($id:ident),*) => {
        $(impl $id {
            pub(crate) fn from_moment(at: chrono::DateTime<chrono::Utc>) -> Self {
                Self(kernel::id::new_v7(at))
            }
        })*
    };
}
from_moment!(UserId, PartyId, OrgId, SessionId, TokenId, AgentId);

/// Tables and words.
pub fn foundation() -> web::module::Foundation {
    web::module::Foundation {
        name: "identity",
        migrations: migrations(),
        texts: TEXTS,
    }
}

const TEXTS: &[(&str, &str)] = &[
    ("zh-CN", include_str!("../locales/zh-CN/identity.ftl")),
    ("en", include_str!("../locales/en/identity.ftl")),
];

/// Cedar policies of this crate, by file name.
pub const POLICIES: &[(&str, &str)] = &[
    ("identity.cedar", include_str!("../policies/identity.cedar")),
    ("system.cedar", include_str!("../policies/system.cedar")),
];

/// Puts [`Gate`] (empty until the policies of all modules are loaded) and [`Identity`] into the
/// application. Takes [`Settings`], [`Vault`] and [`register::Registry`] from it where they were
/// put before.
pub fn module(app: &web::App) -> kernel::Result<web::Module> {
    let gate = app.put(Gate::default());
    app.put(Identity::new(app, gate));
    Ok(web::Module {
        name: "identity",
        routes: page::routes().merge(api::routes()),
        menu: page::menu(),
        policies: POLICIES.to_vec(),
        ..web::Module::default()
    })
}
