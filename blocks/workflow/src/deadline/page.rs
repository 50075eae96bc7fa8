//! The part of a page that shows how a deadline was counted.

use std::borrow::Borrow;

use askama::Template;
use kernel::{Error, Result, calendar::DayKind};
use web::Page;

use super::{Deadline, Limit, Of, store as tables, view};
use crate::{InstanceId, engine::Engine, model::Model};

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

/// The table of one deadline, folded under what it is about: `{{ deadline|safe }}` on pages whose
/// reader may see the task or process.
#[derive(Template)]
#[template(path = "workflow/deadline_fold.html")]
pub struct DeadlineFold {
    p: Page,
    name: String,
    table: DeadlineTable,
}

impl DeadlineFold {
    fn new(p: &Page, name: String, deadline: Deadline) -> Self {
        let table = DeadlineTable {
            p: p.clone(),
            deadline,
        };
        let p = p.clone();
        Self { p, name, table }
    }

    /// The deadline of a task or a process. None where there is none, or where it cannot be counted
    /// out because its calendar has gone: the page has more to show than that.
    pub async fn of(p: &Page, of: Of, name: &str) -> Result<Option<Self>> {
        let engine = p.app.part::<Engine>()?;
        match view::read(p.app.db(), &engine, of).await {
            Ok(deadline) => Ok(Some(Self::new(p, p.zh(name), deadline))),
            Err(Error::NotFound { .. } | Error::Refused(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The deadline of a process as a whole; none where the process has none.
    pub async fn of_process(p: &Page, instance: InstanceId) -> Result<Option<Self>> {
        let name = p.t("workflow-deadline-process");
        let of = Self::of(p, Of::Instance(instance), "").await?;
        Ok(of.map(|fold| Self { name, ..fold }))
    }
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
) -> Result<Vec<DeadlineFold>> {
    let rows = tables::of_instance(p.app.db().read(), instance).await?;
    let now = p.app.clock().now();
    let told = rows
        .iter()
        .filter(|row| row.kind != "timer")
        .take(MOST)
        .filter_map(|row| Some((row, view::told(engine, row, now).ok()?)));
    let folds = told.map(|(row, deadline)| {
        let name = match model.lookup(&row.element) {
            Some(node) => p.zh(model[node].title()),
            None => p.t("workflow-deadline-process"),
        };
        DeadlineFold::new(p, name, deadline)
    });
    Ok(folds.collect())
}
