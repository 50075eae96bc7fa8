//! The lake: tables of many rows with their history, rules for what comes in, questions in SQL.
//!
//! Owns the tables `lake_*` and the Delta tables in its place (a folder or a bucket). Promises: a
//! batch is taken once, however often it comes, and whole or not at all; a row that breaks a rule
//! is told with row, column, rule and value; nobody reads a column or row that policy does not
//! give him, whatever he writes; every question leaves who asked, for what, and what was read;
//! no question takes more time or memory than the settings give it. Never knows what a case,
//! matter or department node is.

mod api;
mod arriving;
mod batch;
pub mod cell;
pub mod change;
#[cfg(feature = "cluster")]
pub mod cluster;
mod content;
mod declaration;
mod delta;
pub mod event;
pub mod flight;
mod lineage;
mod maintain;
mod part;
pub mod quality;
pub mod query;
mod schema;
mod settings;
pub mod subject;

use identity::{Actor, Gate, Resource};
use kernel::Result;
use web::App;

pub use batch::{
    BatchOutcome, BrokenRule, Delivery, Mode, OnBad, aside::SetAside, list as batches, report,
    take, text::text_rows,
};
pub use declaration::{Column, Kind, Origin, RowPolicy, Sharing, Table, Title};
pub use lineage::{ColumnLineage, Use, UsedBy, lineage, questions_about, uses};
pub use maintain::{begin as begin_maintenance, maintain};
pub use part::{Grants, Lake};
pub use quality::{Check, Rule, Then};
pub use query::{Answer, Door, Question, ask, describe};
pub use schema::migrations;
pub use settings::Settings;

/// Tables and words.
pub fn foundation() -> web::module::Foundation {
    web::module::Foundation {
        name: "lake",
        migrations: migrations(),
        texts: &[
            ("zh-CN", include_str!("../locales/zh-CN/lake.ftl")),
            ("en", include_str!("../locales/en/lake.ftl")),
        ],
    }
}

/// Expects a [`Lake`] in the application.
pub fn module(app: &App) -> Result<web::Module> {
    Ok(web::Module {
        name: "lake",
        routes: api::routes(),
        jobs: vec![std::sync::Arc::new(maintain::Maintain(app.clone()))],
        policies: vec![("lake.cedar", include_str!("../policies/lake.cedar"))],
        ..web::Module::default()
    })
}

/// A table as policies see it.
pub(crate) fn resource(table: &Table) -> Resource {
    Resource::new("LakeTable", &table.id).org(&table.org)
}

/// Declares a table, new or changed, in a write of its own.
pub async fn declare(app: &App, actor: &Actor, table: &Table) -> Result<()> {
    actor.may(&*app.part::<Gate>()?, "lake.declare", &resource(table))?;
    let (table, who) = (table.clone(), actor.trace());
    app.db()
        .write(move |tx| {
            let (table, who) = (table.clone(), who.clone());
            async move { declaration::store::declare(&tx, &table, &who).await }
        })
        .await
        .map(|_| ())
}

/// The same as part of a larger write, for packs; answers whether anything is new.
pub async fn install(tx: &store::Tx, table: &Table) -> Result<bool> {
    declaration::store::declare(tx, table, "system").await
}

/// The tables of this lake, by id.
pub async fn tables(app: &App, actor: &Actor) -> Result<Vec<Table>> {
    actor.may(&*app.part::<Gate>()?, "lake.list", &Resource::system())?;
    declaration::store::list(app.db().read()).await
}

/// One table.
pub async fn table(app: &App, actor: &Actor, id: &str) -> Result<Table> {
    actor.may(&*app.part::<Gate>()?, "lake.list", &Resource::system())?;
    declaration::store::get(app.db().read(), id).await
}

/// Whether this actor may deliver into a table; the same that [`take`] asks first.
pub async fn may_deliver(app: &App, actor: &Actor, id: &str) -> Result<()> {
    let table = declaration::store::get(app.db().read(), id).await?;
    actor.may(&*app.part::<Gate>()?, "lake.deliver", &resource(&table))
}
