//! Service matters, applications and cases: from a guide page to a delivered result.
//!
//! Owns the tables `service_*`. Promises: a case follows the states of licensing law and nothing
//! else; handing in twice makes one case; every move leaves a line in the timeline and an event;
//! dates are counted by the official calendar or not at all. Never decides anything by itself:
//! officers and the processes of packs do.

pub mod apply;
pub mod case;
mod certificate;
pub mod demo;
pub mod evaluation;
pub mod guide;
pub mod import;
pub mod matter;
pub mod notice;
pub mod reveal;
pub mod settings;
pub mod theme;
pub mod window;

pub use settings::Settings;

use std::sync::Arc;

use sea_orm_migration::MigrationTrait;
use web::module::{Foundation, MenuItem, MenuPlace, Module, Section};

/// Tables and words.
pub fn foundation() -> Foundation {
    Foundation {
        name: "service",
        migrations: migrations(),
        texts: TEXTS,
    }
}

const TEXTS: &[(&str, &str)] = &[
    ("zh-CN", include_str!("../locales/zh-CN/matter.ftl")),
    ("zh-CN", include_str!("../locales/zh-CN/case.ftl")),
    ("zh-CN", include_str!("../locales/zh-CN/evaluation.ftl")),
    ("zh-CN", include_str!("../locales/zh-CN/reveal.ftl")),
    ("en", include_str!("../locales/en/matter.ftl")),
    ("en", include_str!("../locales/en/case.ftl")),
    ("en", include_str!("../locales/en/evaluation.ftl")),
    ("en", include_str!("../locales/en/reveal.ftl")),
];

/// Registers loaders of packs, services of processes, routes, jobs, menu and policies.
///
/// Needs what identity, forms, workflow, credential, notify and pack have put into the
/// application.
pub fn module(app: &web::App) -> kernel::Result<Module> {
    let guide = guide::module(app)?;
    app.put(case::number::Numbers::default());
    case::flow::register(app)?;
    if let Ok(calendars) = app.part::<pack::Calendars>() {
        let engine = case::flow::engine(app)?;
        engine.use_calendars(Arc::new(move |_| Ok(calendars.now())));
    }
    let routes = guide
        .routes
        .merge(case::page::routes())
        .merge(case::desk::routes())
        .merge(case::api::api())
        .merge(apply::page::routes())
        .merge(apply::api::api())
        .merge(window::routes())
        .merge(notice::page::routes())
        .merge(reveal::page::routes())
        .merge(reveal::api::api())
        .merge(evaluation::page::routes())
        .merge(evaluation::api::api());
    Ok(Module {
        name: "service",
        routes,
        jobs: vec![
            Arc::new(case::react::Watch(app.clone())),
            Arc::new(notice::react::Typesetter(app.clone())),
            Arc::new(case::recount::Recounter(app.clone())),
        ],
        consumers: vec![Arc::new(case::recount::NewYear)],
        menu: guide.menu.into_iter().chain(menu()).collect(),
        policies: POLICIES.to_vec(),
    })
}

fn menu() -> Vec<MenuItem> {
    use MenuPlace::{Mine, Public, Workbench};
    let cases = Workbench(Section::Cases);
    let item = |key, href, place, order, action| MenuItem {
        key,
        href,
        place,
        order,
        action,
    };
    vec![
        item("service-progress", "/progress", Public, 20, ""),
        item("service-figures", "/evaluations", Public, 50, ""),
        item("service-mine", "/mine", Mine, 10, ""),
        item("service-work", "/work", cases, 10, "service.work.view"),
        item(
            "service-window",
            "/work/window",
            cases,
            20,
            "service.case.window",
        ),
        item(
            "service-evaluations",
            "/work/evaluations",
            cases,
            30,
            "service.evaluation.view",
        ),
    ]
}

/// Migrations of all tables of this crate.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    let mut all = matter::migrations();
    all.extend(case::schema::migrations());
    all.extend(theme::schema::migrations());
    all.extend(evaluation::schema::migrations());
    all.extend(reveal::schema::migrations());
    all
}

/// Who may do what with matters and cases.
pub const POLICIES: &[(&str, &str)] = &[
    (
        "service/matter.cedar",
        include_str!("../policies/matter.cedar"),
    ),
    ("service/case.cedar", include_str!("../policies/case.cedar")),
];

/// The official calendar; one without any year, which refuses to count, until a pack brings it.
pub(crate) fn calendar(app: &web::App) -> std::sync::Arc<kernel::Calendar> {
    match app.part::<pack::Calendars>() {
        Ok(calendars) => calendars.now(),
        Err(_) => app.part::<kernel::Calendar>().unwrap_or_default(),
    }
}
