//! Who acts: persons, legal persons and their agents, officers in an organisation tree; sign-in,
//! sessions, tokens, delegation; and what each may do (Cedar).
//!
//! Owns the tables `identity_*`. Promises: a password is never kept, a session can be ended from
//! anywhere, and nothing is allowed that no policy permits.

pub mod actor;
pub mod policy;

pub use actor::{Actor, MaybeActor, Party, PartyKind, Post};
pub use policy::{Gate, Resource};

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

impl UserId {
    /// The one who acts in jobs; no row has this id.
    pub const SYSTEM: Self = Self(kernel::id::Uuid::nil());
}
