//! Packs: folders of data that make an application out of the blocks.
//!
//! Owns the tables `pack_*`: what is installed, and the base data that packs bring (calendars,
//! code tables, regions). Promises: a pack is checked whole before anything is written, every
//! mistake is told with file, line and remedy, installing is one transaction, and installing the
//! same pack again changes nothing. Never knows what a matter or a case is: blocks and apps bring
//! a [`Loader`] for each of their folders.

mod base;
mod calendars;
mod catalog;
mod check;
mod history;
mod install;
mod load;
mod schema;
mod source;

pub use base::{codes, form, lookup_region, regions_below};
pub use calendars::{CalendarLoaded, Calendars};
pub use catalog::Catalog;
pub use catalog::line_of;
pub use check::{Finding, check, read_toml};
pub use install::{Installed, PackError, Report, install, installed};
pub use load::{Loader, Loaders};
pub use schema::migrations;
pub use source::{File, Manifest, Source, Title};

use std::sync::Arc;

/// Gives the calendar of now; a part for modules above that shall not wait for a database.
pub type CalendarOfNow = dyn Fn() -> kernel::Result<Arc<kernel::calendar::Calendar>> + Send + Sync;

/// Tables and words.
pub fn foundation() -> web::module::Foundation {
    web::module::Foundation {
        name: "pack",
        migrations: migrations(),
        texts: &[
            ("zh-CN", include_str!("../locales/zh-CN/pack.ftl")),
            ("en", include_str!("../locales/en/pack.ftl")),
        ],
    }
}

/// Tells registries where code tables and working days are.
fn use_in_registries(app: &web::App, calendars: &Arc<Calendars>) {
    struct Tables;

    #[async_trait::async_trait]
    impl registry::CodeTables for Tables {
        async fn codes(
            &self,
            db: &store::Db,
            table: &str,
        ) -> kernel::Result<Vec<(String, String, String)>> {
            base::codes(db, table).await
        }
    }

    // A house without registries has nobody to tell.
    let Ok(registries) = app.part::<registry::Registries>() else {
        return;
    };
    registries.use_codes(Arc::new(Tables));
    let shared = calendars.clone();
    registries.use_calendar(Arc::new(move || Ok(shared.now())));
}

/// Puts [`Loaders`] and [`Calendars`] into the application, and the calendar itself
/// (`kernel::calendar::Calendar`) as the executable carries it, for modules that read it while
/// they are assembled.
pub fn module(app: &web::App) -> kernel::Result<web::Module> {
    let calendars = app.put(Calendars::embedded()?);
    app.put((*calendars.now()).clone());
    let shared = calendars.clone();
    let for_all: Arc<CalendarOfNow> = Arc::new(move || Ok(shared.now()));
    app.put(for_all);
    let shared = calendars.clone();
    let is_provisional = move |day| shared.now().is_provisional(day);
    app.put(web::page::ProvisionalDays(Box::new(is_provisional)));
    let (shared, kept, db) = (calendars.clone(), calendars.clone(), app.db().clone());
    let engine = app.part::<workflow::Engine>()?;
    // One calendar holds for the whole country.
    engine.use_calendars(Arc::new(move |_| Ok(shared.now())));
    engine.refresh_calendars_by(Arc::new(move || {
        let (kept, db) = (kept.clone(), db.clone());
        Box::pin(async move { kept.refresh(&db).await })
    }));
    use_in_registries(app, &calendars);
    app.put(Loaders::of_blocks());
    kernel::code::citizen::use_history(history::Regions::embedded()?);
    Ok(web::Module {
        name: "pack",
        ..web::Module::default()
    })
}
