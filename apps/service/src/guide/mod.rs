//! The guide (办事指南): what one can have done, by whom, with what, in how long. Public pages.

pub mod api;
pub mod page;
mod topic;
mod view;

pub use topic::{CORP_TOPICS, Topic, USER_TOPICS};
pub use view::state_key;

use std::sync::{Arc, RwLock};

use chrono::{DateTime, Duration, Utc};
use kernel::Result;

/// The words of guide, matters and import, by language.
pub const TEXTS: &[(&str, &str)] = &[
    ("zh-CN", include_str!("../../locales/zh-CN/matter.ftl")),
    ("en", include_str!("../../locales/en/matter.ftl")),
];

/// What guide, matters and import contribute to this crate's module; tells packs who reads
/// matters and themes.
pub fn module(app: &web::App) -> Result<web::Module> {
    use web::{
        MenuItem,
        module::{MenuPlace, Section},
    };
    app.put(Departments::default());
    let loaders = app.part::<pack::Loaders>()?;
    loaders.add(crate::matter::load::Matters);
    loaders.add(crate::matter::load::Themes);
    let item = |key, href, place, order, action| MenuItem {
        key,
        href,
        place,
        order,
        action,
    };
    Ok(web::Module {
        name: "service",
        routes: page::routes()
            .merge(api::api())
            .merge(crate::matter::page::routes())
            .merge(crate::import::page::routes()),
        menu: vec![
            item("service-guide", "/guide", MenuPlace::Public, 10, ""),
            item(
                "service-matters",
                "/work/matters",
                MenuPlace::Workbench(Section::Cases),
                50,
                "service.matter.list",
            ),
        ],
        ..web::Module::default()
    })
}

/// Departments with the number of their matters, for the guide's list; counted at most once a
/// minute, because counting a million rows is not for every reader.
#[derive(Default)]
pub struct Departments(RwLock<Option<(DateTime<Utc>, Counted)>>);

type Counted = Arc<Vec<(String, i64)>>;

impl Departments {
    /// The departments, most matters first.
    pub async fn get(&self, db: &store::Db) -> Result<Counted> {
        let now = db.clock().now();
        let known = self
            .0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        if let Some((at, counted)) = known
            && (now - at).abs() < Duration::seconds(60)
        {
            return Ok(counted);
        }
        let counted = Arc::new(crate::matter::store::count_by_department(db.read()).await?);
        *self
            .0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some((now, counted.clone()));
        Ok(counted)
    }
}
