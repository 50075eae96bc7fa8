//! The pages of data stewards, and everybody's page about his own data.
//!
//! Owns no table: what it shows and does are acts of the registry, the catalog, the exchange and
//! the lake.

mod catalog;
pub mod demo;
mod exchange;
mod flow;
mod gateway;
mod lake;
mod registry;

use web::{
    App, MenuItem, Module,
    module::{Foundation, MenuPlace, Section},
};

/// Words.
pub fn foundation() -> Foundation {
    Foundation {
        name: "datahub",
        migrations: Vec::new(),
        texts: &[
            ("zh-CN", include_str!("../locales/zh-CN/datahub.ftl")),
            ("en", include_str!("../locales/en/datahub.ftl")),
            ("zh-CN", include_str!("../locales/zh-CN/apis.ftl")),
            ("en", include_str!("../locales/en/apis.ftl")),
        ],
    }
}

/// Pages.
pub fn module(_: &App) -> kernel::Result<Module> {
    let work = |key, href, order, action| MenuItem {
        key,
        href,
        place: MenuPlace::Workbench(Section::Data),
        order,
        action,
    };
    Ok(Module {
        name: "datahub",
        routes: registry::routes()
            .merge(catalog::routes())
            .merge(exchange::routes())
            .merge(flow::routes())
            .merge(gateway::routes())
            .merge(lake::routes()),
        menu: vec![
            work("datahub-menu-catalog", "/work/catalog", 10, "catalog.read"),
            work(
                "datahub-menu-requests",
                "/work/catalog-requests",
                20,
                "catalog.read",
            ),
            work(
                "datahub-menu-lists",
                "/work/catalog-lists",
                30,
                "catalog.read",
            ),
            work("datahub-menu-flow", "/work/flow", 40, "flow.read"),
            work(
                "datahub-menu-exchange",
                "/work/exchange",
                50,
                "exchange.read",
            ),
            work("datahub-menu-apis", "/work/apis", 60, "gateway.list"),
            work("datahub-menu-lake", "/work/lake", 70, "lake.query"),
            work("datahub-menu-registries", "/work/data", 80, "registry.list"),
            work(
                "datahub-menu-objections",
                "/work/data-objections",
                90,
                "registry.list",
            ),
            work(
                "datahub-menu-matching",
                "/work/data-matching",
                100,
                "registry.match",
            ),
            MenuItem {
                key: "datahub-menu-mine",
                href: "/mine/data",
                place: MenuPlace::Mine,
                order: 60,
                action: "",
            },
            MenuItem {
                key: "datahub-menu-use",
                href: "/mine/data-use",
                place: MenuPlace::Mine,
                order: 61,
                action: "",
            },
        ],
        ..Module::default()
    })
}
