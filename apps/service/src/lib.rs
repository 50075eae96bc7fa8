//! Service matters, applications and cases: from a guide page to a delivered result.
//!
//! Owns the tables `service_*`. Promises: a case follows the states of licensing law and nothing
//! else; handing in twice makes one case; every move leaves a line in the timeline and an event;
//! dates are counted by the official calendar or not at all. Never decides anything by itself:
//! officers and the processes of packs do.

pub mod case;
pub mod guide;
pub mod import;
pub mod matter;
pub mod notice;
pub mod theme;

use sea_orm_migration::MigrationTrait;

/// Migrations of all tables of this crate.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    let mut all = matter::migrations();
    all.extend(case::schema::migrations());
    all.extend(theme::schema::migrations());
    all
}

/// Who may do what with matters and cases.
pub const POLICIES: &[(&str, &str)] = &[
    ("service/matter.cedar", include_str!("../policies/matter.cedar")),
    ("service/case.cedar", include_str!("../policies/case.cedar")),
];

/// The official calendar; one without any year, which refuses to count, until a pack brings it.
pub(crate) fn calendar(app: &web::App) -> std::sync::Arc<kernel::Calendar> {
    app.part::<kernel::Calendar>().unwrap_or_default()
}
