//! The pages of data stewards, and everybody's page about his own data.
//!
//! Owns no table: what it shows and does are acts of the blocks below. Today that is the registry;
//! the catalog, the exchange and the lake follow.

pub mod demo;
mod registry;

use web::{
    App, MenuItem, Module,
    module::{Foundation, MenuPlace},
};

/// Words.
pub fn foundation() -> Foundation {
    Foundation {
        name: "datahub",
        migrations: Vec::new(),
        texts: &[
            ("zh-CN", include_str!("../locales/zh-CN/datahub.ftl")),
            ("en", include_str!("../locales/en/datahub.ftl")),
        ],
    }
}

/// Pages.
pub fn module(_: &App) -> kernel::Result<Module> {
    let work = |key, href, order| MenuItem {
        key,
        href,
        place: MenuPlace::Workbench,
        order,
        action: "registry.list",
    };
    Ok(Module {
        name: "datahub",
        routes: registry::routes(),
        menu: vec![
            work("datahub-menu-registries", "/work/data", 70),
            work("datahub-menu-objections", "/work/data-objections", 71),
            MenuItem {
                key: "datahub-menu-mine",
                href: "/mine/data",
                place: MenuPlace::Mine,
                order: 60,
                action: "",
            },
        ],
        ..Module::default()
    })
}
