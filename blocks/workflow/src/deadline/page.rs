//! The part of a page that shows how a deadline was counted.

use std::borrow::Borrow;

use askama::Template;
use kernel::{Result, calendar::DayKind};
use web::Page;

use super::{Deadline, Limit, store as tables, view};
use crate::{engine::Engine, model::Model};

/// A table of days for pages of tasks and cases to put where they want it: `{{ table|safe }}`.
#[derive(Template)]
#[template(path = "workflow/deadline.html")]
pub struct DeadlineTable {
    pub p: Page,
    pub deadline: Deadline,
}

impl DeadlineTable {
    fn is_hours(&self) -> bool {
        matches!(self.deadline.limit, Limit::Hours(_))
    }

    fn limit(&self) -> String {
        match self.deadline.limit {
            Limit::Days(days) => self.p.t1("workflow-deadline-days", "count", days),
            Limit::Hours(hours) => self.p.t1("workflow-deadline-hours", "count", hours),
        }
    }

    /// Days as a number, minutes as hours and minutes.
    fn amount(&self, counted: impl Borrow<u32>) -> String {
        let counted = counted.borrow();
        if self.is_hours() {
            format!("{}:{:02}", counted / 60, counted % 60)
        } else {
            counted.to_string()
        }
    }

    fn why(&self, kind: impl Borrow<DayKind>) -> String {
        self.p.say(&kind.borrow().text())
    }
}

/// What the clocks of an instance are about, and how each is counted.
pub(crate) struct Counted {
    pub name: String,
    pub table: DeadlineTable,
}

/// Deadlines shown of one instance.
const MOST: usize = 20;

/// The deadlines of an instance and its open tasks. One whose calendar has gone is left out: the
/// page is there to help with just that.
pub(crate) async fn of_instance(
    p: &Page,
    engine: &Engine,
    instance: &str,
    model: &Model,
) -> Result<Vec<Counted>> {
    let rows = tables::of_instance(p.app.db().read(), instance).await?;
    let now = p.app.clock().now();
    let told = rows
        .iter()
        .filter(|row| row.kind != "timer")
        .take(MOST)
        .filter_map(|row| Some((row, view::told(engine, row, now).ok()?)));
    let counted = told.map(|(row, deadline)| Counted {
        name: match model.lookup(&row.element) {
            Some(node) => p.zh(model[node].title()),
            None => p.t("workflow-deadline-process"),
        },
        table: DeadlineTable {
            p: p.clone(),
            deadline,
        },
    });
    Ok(counted.collect())
}
