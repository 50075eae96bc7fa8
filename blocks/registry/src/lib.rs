//! Base registries: people, firms, credit, whatever a pack declares.
//!
//! Owns the tables `registry_*`, those of declared registries included. Promises: a fact has one
//! source with authority, and every value tells who said it, when, and in which delivery;
//! statements are only added, so what was known on any day can be asked, and every merge undone;
//! a file is taken once, however often it is sent; nobody looks at a sensitive record without a
//! trace. Never knows what a case, matter or certificate is.

pub mod api;
pub mod batch;
pub mod declaration;
pub mod event;
pub mod log;
pub mod matching;
pub mod objection;
pub mod oversight;
pub mod part;
pub mod pinyin;
pub mod record;
mod schema;
pub mod search;
pub mod source;
pub mod table;
pub mod value;

use std::sync::Arc;

use identity::{Actor, Gate, Resource};
use web::App;

pub use declaration::{Declaration, Field, Mistake};
pub use part::{CalendarOfNow, Centre, CodeTables, Registries};
pub use schema::{
    match_pair::Model as MatchPair, match_run::Model as MatchRun, merge::Model as Merge,
    migrations, objection::Model as Objection,
};
pub use table::install;

/// Tables and words.
pub fn foundation() -> web::module::Foundation {
    web::module::Foundation {
        name: "registry",
        migrations: migrations(),
        texts: &[
            ("zh-CN", include_str!("../locales/zh-CN/registry.ftl")),
            ("en", include_str!("../locales/en/registry.ftl")),
        ],
    }
}

/// Puts [`Registries`] into the application. Blocks above say by [`Registries::use_codes`],
/// [`Registries::use_calendar`] and [`Registries::use_centre`] where code tables and working days
/// are, and who watches over all.
pub fn module(app: &App) -> kernel::Result<web::Module> {
    app.put(Registries::default());
    Ok(web::Module {
        name: "registry",
        routes: api::routes(),
        jobs: vec![
            Arc::new(objection::react::WatchHandler(app.db().clone())),
            Arc::new(matching::react::RunHandler(app.clone())),
        ],
        policies: vec![("registry.cedar", include_str!("../policies/registry.cedar"))],
        ..web::Module::default()
    })
}

/// The registries of this installation, by id.
pub async fn list(app: &App, actor: &Actor) -> kernel::Result<Vec<Arc<Declaration>>> {
    actor.may(&*app.part::<Gate>()?, "registry.list", &Resource::system())?;
    let registries = app.part::<Registries>()?;
    let db = app.db().read();
    let mut all = Vec::new();
    for row in schema::declarations(db).await? {
        all.push(registries.declaration(db, &row.id).await?);
    }
    Ok(all)
}

/// What registries are called, by id; no secret.
pub async fn titles(
    app: &App,
) -> kernel::Result<std::collections::BTreeMap<String, declaration::Title>> {
    let rows = schema::declarations(app.db().read()).await?;
    let titles = rows.into_iter().map(|row| {
        let title = declaration::Title {
            zh: row.title_zh,
            en: row.title_en,
        };
        (row.id, title)
    });
    Ok(titles.collect())
}
