//! E-supervision: every step of every case judged at once against rules of time, flow and content.
//!
//! Owns the tables `supervise_*`: a picture of each case, and the cards that rules issued. Knows
//! cases only by their sealed events; never asks the application that handles them, so a faulty
//! or tampered application cannot hide from it. Promises: the same events give the same lights
//! and cards, however often they are read.

pub mod board;
pub mod card;
pub mod fact;
pub mod judge;
pub mod light;
pub mod picture;
pub mod react;
pub mod schema;
pub mod settings;

pub use settings::Settings;

use axum::routing::{get, post};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{
    App, MenuItem, Module,
    module::{Foundation, MenuPlace, Section},
};

/// Tables and words.
pub fn foundation() -> Foundation {
    Foundation {
        name: "supervise",
        migrations: schema::migrations(),
        texts: &[
            ("zh-CN", include_str!("../locales/zh-CN/supervise.ftl")),
            ("en", include_str!("../locales/en/supervise.ftl")),
        ],
    }
}

/// Pages, doors, the judge of events and days.
pub fn module(app: &App) -> kernel::Result<Module> {
    let settings = app
        .part::<Settings>()
        .map(|s| (*s).clone())
        .unwrap_or_default();
    let db = app.db().clone();
    let loaded = app.part::<pack::Calendars>()?;
    let calendars: react::Calendars = std::sync::Arc::new(move || loaded.now());
    let judge = std::sync::Arc::new(react::Judge {
        db,
        settings,
        calendars,
    });
    Ok(Module {
        name: "supervise",
        routes: routes(),
        consumers: vec![judge.clone()],
        jobs: vec![judge],
        menu: vec![
            menu("supervise-menu-board", "/supervise", 10, "supervise.board"),
            menu(
                "supervise-menu-cards",
                "/supervise/cards",
                20,
                "supervise.card.see",
            ),
        ],
        policies: vec![(
            "supervise.cedar",
            include_str!("../policies/supervise.cedar"),
        )],
    })
}

fn menu(key: &'static str, href: &'static str, order: u32, action: &'static str) -> MenuItem {
    MenuItem {
        key,
        href,
        place: MenuPlace::Workbench(Section::Supervision),
        order,
        action,
    }
}

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(board::api::board))
        .routes(routes!(board::api::cases))
        .routes(routes!(board::api::case))
        .routes(routes!(card::api::list))
        .routes(routes!(card::api::show))
        .routes(routes!(card::api::reply))
        .routes(routes!(card::api::verify))
        .route("/supervise", get(board::page::board))
        .route("/supervise/cases", get(board::page::cases))
        .route("/supervise/cases/{id}", get(board::page::case))
        .route("/supervise/cards", get(card::page::list))
        .route("/supervise/cards/{id}", get(card::page::show))
        .route("/supervise/cards/{id}/reply", post(card::page::reply))
        .route("/supervise/cards/{id}/verify", post(card::page::verify))
}
