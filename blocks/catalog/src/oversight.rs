//! Things of the catalog as policies see them: whose they are, and who stands above.
//!
//! A steward acts for the own organisation and those below it; the centre, which may be beside
//! them in the directory, for all.

use ::store::Db;
use async_trait::async_trait;
use identity::{Resource, directory};
use kernel::Result;
use sea_orm::ConnectionTrait;

use crate::profile;

/// Who stands above an organisation: those of the directory, the nearest first, and the centre
/// that the profile names.
pub async fn above(db: &impl ConnectionTrait, org: &str) -> Result<Vec<String>> {
    let mut all = directory::above(db, org).await?;
    all.extend(centre(db).await?);
    Ok(all)
}

/// An entry.
pub async fn entry(db: &impl ConnectionTrait, id: &str, provider: &str) -> Result<Resource> {
    let above = above(db, provider).await?;
    Ok(Resource::new("CatalogEntry", id).org(provider).above(above))
}

/// A line of the lists.
pub async fn line(db: &impl ConnectionTrait, org: &str) -> Result<Resource> {
    let above = above(db, org).await?;
    Ok(Resource::new("CatalogLine", "").org(org).above(above))
}

/// A request, as one of its sides sees it.
pub async fn request(db: &impl ConnectionTrait, id: &str, side: &str) -> Result<Resource> {
    let above = above(db, side).await?;
    Ok(Resource::new("CatalogRequest", id).org(side).above(above))
}

/// The catalog as a whole: of nobody, below the centre and whoever stands above that. Where no
/// centre is named, below those who have nothing above them.
pub async fn whole(db: &impl ConnectionTrait) -> Result<Resource> {
    let centre = centre(db).await?;
    let mut all = directory::above(db, centre.as_deref().unwrap_or_default()).await?;
    all.extend(centre);
    Ok(Resource::new("Catalog", "").above(all))
}

/// Tells registries the centre.
pub(crate) struct OfProfile;

#[async_trait]
impl registry::Centre for OfProfile {
    async fn code(&self, db: &Db) -> Result<String> {
        profile::centre(db.read()).await
    }
}

async fn centre(db: &impl ConnectionTrait) -> Result<Option<String>> {
    let centre = profile::centre(db).await?;
    Ok(Some(centre).filter(|centre| !centre.is_empty()))
}
