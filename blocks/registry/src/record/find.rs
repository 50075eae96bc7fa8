//! Searching records.

use std::sync::Arc;

use ::store::page::{PageOf, PageRequest, key_of as page_key};
use identity::{Actor, Gate};
use kernel::{Error, Result, Text};
use web::App;

use super::{Row, act::registry, store};
use crate::{
    Declaration, Registries, log,
    search::{self, Plan, Range},
    table,
    value::Value,
};

/// A row that a search found.
#[derive(Clone, Debug)]
pub struct Found {
    pub declaration: Arc<Declaration>,
    pub page: PageOf<Row>,
}

/// Finds records by key, name, pinyin or a field that can be searched; values are to be masked.
/// Whoever finds a record by a sensitive value has looked at it, and that is kept.
pub async fn find(
    app: &App,
    actor: &Actor,
    registry_id: &str,
    query: &str,
    field: Option<&str>,
    page: &PageRequest,
) -> Result<Found> {
    let registries = app.part::<Registries>()?;
    let db = app.db();
    let declaration = registries.declaration(db.read(), registry_id).await?;
    actor.may(
        &*app.part::<Gate>()?,
        "registry.read",
        &registry(&declaration),
    )?;
    let Some(plans) = search::plans(&declaration, query, field) else {
        let text = Text::new("registry-field-not-searched");
        return Err(Error::invalid("field", text));
    };
    let (page, is_look) = run(db.read(), &declaration, plans, page).await?;
    if declaration.is_sensitive() && !query.trim().is_empty() {
        let found = page.items.iter().map(|row| row.id.clone()).collect();
        log::note_search(app, actor, &declaration, found, is_look).await?;
    }
    Ok(Found { declaration, page })
}

/// The first way of understanding that finds something, which later pages keep to, and whether it
/// is a look at what it finds.
async fn run(
    db: &impl sea_orm::ConnectionTrait,
    declaration: &Declaration,
    plans: Vec<Plan>,
    page: &PageRequest,
) -> Result<(PageOf<Row>, bool)> {
    if let Some(after) = &page.after {
        let [column, id] = page.after_parts::<2>().unwrap_or([after.as_str(), ""]);
        let plan = plans.into_iter().find(|plan| plan.column == column);
        let mut plan = plan.ok_or_else(foreign)?;
        let value = place_of(db, declaration, &plan, id).await?;
        plan.after = Some((value, id.to_owned()));
        let rows = store::search(db, declaration, &plan, page.fetch()).await?;
        return Ok((cut(&plan, page, rows), plan.is_look));
    }
    for plan in plans {
        let rows = store::search(db, declaration, &plan, page.fetch()).await?;
        if !rows.is_empty() {
            return Ok((cut(&plan, page, rows), plan.is_look));
        }
    }
    let nothing = PageOf {
        items: Vec::new(),
        next: None,
    };
    Ok((nothing, false))
}

fn foreign() -> Error {
    Error::invalid("after", Text::new("registry-after-foreign"))
}

/// A page ends at a record, and its key names that record alone: the value by which records are in
/// order may be one that the reader sees masked.
fn cut(plan: &Plan, page: &PageRequest, rows: Vec<Row>) -> PageOf<Row> {
    page.cut(rows, |row| page_key([&plan.column, &row.id]))
}

/// Where in the order of a plan a record stands. One that the plan does not find ends no page of
/// it; its place would tell how its value compares with others.
async fn place_of(
    db: &impl sea_orm::ConnectionTrait,
    declaration: &Declaration,
    plan: &Plan,
    id: &str,
) -> Result<String> {
    if let Range::Exact(value) = &plan.range {
        return Ok(value.clone());
    }
    if plan.column == table::ID {
        return Ok(id.to_owned());
    }
    let row = store::lookup(db, declaration, id).await?;
    let value = row.map(|row| place(declaration, &plan.column, &row));
    value.filter(|v| plan.range.holds(v)).ok_or_else(foreign)
}

/// The value of a row in the column of an order.
fn place(declaration: &Declaration, column: &str, row: &Row) -> String {
    let text = |field: &str| match row.values.get(field) {
        Some(Value::Text(text)) => text.clone(),
        _ => String::new(),
    };
    let spelt = || {
        let field = declaration.pinyin().map(|f| f.id.clone());
        crate::pinyin::spell(&text(&field.unwrap_or_default()))
    };
    match column {
        table::KEY => row.key.clone(),
        table::PINYIN => spelt().0,
        table::INITIALS => spelt().1,
        field => text(field),
    }
}
