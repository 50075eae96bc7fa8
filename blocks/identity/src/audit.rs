//! What audit administrators read: who did what, in the order of the sealed log.

use kernel::Result;
use store::{
    Event,
    event::{EventFilter, list_sealed},
    page::{PageOf, PageRequest},
};

use crate::{Actor, Identity, Resource};

/// Sealed events, the latest first.
pub async fn list(
    identity: &Identity,
    actor: &Actor,
    filter: &EventFilter,
    page: &PageRequest,
) -> Result<PageOf<Event>> {
    actor.may(&identity.gate, "identity.audit.read", &Resource::system())?;
    list_sealed(&identity.db, filter, page).await
}
