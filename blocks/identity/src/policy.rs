//! What may be done: Cedar policies, asked at the start of every act.

use kernel::{Error, Result};

use crate::Actor;

/// The thing acted upon, as policies see it.
#[derive(Clone, Debug, Default)]
pub struct Resource {
    /// Cedar entity type: `Case`, `Matter`, `Certificate`, `System`…
    pub kind: &'static str,
    pub id: String,
    /// Party that owns it.
    pub owner: Option<String>,
    /// Organisation (credit code) that handles it.
    pub org: Option<String>,
    /// Region it belongs to.
    pub region: Option<String>,
}

impl Resource {
    pub fn new(kind: &'static str, id: impl ToString) -> Self {
        Self { kind, id: id.to_string(), ..Self::default() }
    }

    /// The installation as a whole, for acts on nothing in particular.
    pub fn system() -> Self {
        Self::new("System", "tongban")
    }

    #[must_use]
    pub fn owner(mut self, party: impl ToString) -> Self {
        self.owner = Some(party.to_string());
        self
    }

    #[must_use]
    pub fn org(mut self, org: impl ToString) -> Self {
        self.org = Some(org.to_string());
        self
    }

    #[must_use]
    pub fn region(mut self, region: impl ToString) -> Self {
        self.region = Some(region.to_string());
        self
    }
}

/// Answers whether an actor may do something; an [`App`](web::App) part.
pub struct Gate {}

impl Gate {
    /// `Ok` if some policy permits and none forbids; else [`Error::Forbidden`].
    pub fn check(&self, actor: &Actor, action: &str, resource: &Resource) -> Result<()> {
        let _ = (actor, resource);
        Err(Error::Forbidden { action: action.to_owned() })
    }
}
