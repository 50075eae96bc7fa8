//! Registries as policies see them: whose they are, and who stands above.
//!
//! A steward acts for the own organisation and those below it; the centre, which may be beside
//! them in the directory, for all.

use identity::{Resource, directory};
use kernel::Result;
use web::App;

use crate::{Declaration, Registries, source};

/// Who stands above an organisation: those of the directory, the nearest first, and the centre.
pub async fn above(app: &App, org: &str) -> Result<Vec<String>> {
    let mut all = directory::above(app.db().read(), org).await?;
    all.extend(centre(app).await?);
    Ok(all)
}

/// A registry. It is of the source that decides of its key: of which record there is.
pub async fn registry(app: &App, declaration: &Declaration) -> Result<Resource> {
    let key = declaration.key.first().and_then(|id| declaration.field(id));
    let lead = key.and_then(|field| field.authority.first());
    let lead = match lead {
        Some(name) => source::lookup(app.db().read(), name).await?,
        None => None,
    };
    let org = lead.map(|source| source.org).unwrap_or_default();
    let above = above(app, &org).await?;
    Ok(Resource::new("Registry", &declaration.id)
        .org(org)
        .above(above))
}

/// All registries: of nobody, below the centre and whoever stands above that. Where no centre is
/// named, below those who have nothing above them.
pub async fn whole(app: &App) -> Result<Resource> {
    let centre = centre(app).await?;
    let of = centre.as_deref().unwrap_or_default();
    let mut all = directory::above(app.db().read(), of).await?;
    all.extend(centre);
    Ok(Resource::new("Registry", "").above(all))
}

async fn centre(app: &App) -> Result<Option<String>> {
    let code = app.part::<Registries>()?.centre(app.db()).await?;
    Ok(Some(code).filter(|code| !code.is_empty()))
}
