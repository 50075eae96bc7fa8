//! The task of an entry's or request's process that waits for the reader.

use identity::{Actor, Gate, Resource};
use kernel::{Error, Result, Text};
use serde_json::{Map, Value};
use store::page::PageRequest;
use web::{
    App, Page,
    component::{Choice, Fields},
};
use workflow::{
    Completion, Engine, Filter, Officer, Task,
    deadline::{DeadlineFold, Of},
};

/// Tasks of the actor, and of those for whom he stands in.
async fn filter(app: &App, actor: &Actor, subject: Option<&str>) -> Result<Filter> {
    let own = Filter {
        groups: actor.groups(),
        assignee: Some(actor.user.to_string()),
        subject: subject.map(str::to_owned),
        ..Filter::default()
    };
    workflow::with_absent(app.db(), &actor.user.to_string(), own).await
}

/// The open task about a subject that the actor may take.
pub(super) async fn open(app: &App, actor: &Actor, subject: &str) -> Result<Option<Task>> {
    let page = PageRequest::new(None, Some(1));
    let filter = filter(app, actor, Some(subject)).await?;
    let tasks = workflow::tasks(app.db(), &filter, &page).await?;
    Ok(tasks.items.into_iter().next())
}

/// A task that waits for the reader: where it leads, and its name.
pub(super) struct Waiting {
    pub href: String,
    pub name: String,
}

/// Tasks of the catalog that wait for the actor.
pub(super) async fn waiting(app: &App, actor: &Actor) -> Result<Vec<Waiting>> {
    let page = PageRequest::new(None, Some(200));
    let filter = filter(app, actor, None).await?;
    let tasks = workflow::tasks(app.db(), &filter, &page).await?;
    let waiting = tasks.items.into_iter().filter_map(|task| {
        let subject = task.facts.subject;
        let href = if let Some(id) = subject.strip_prefix("catalog:") {
            format!("/work/catalog/{id}")
        } else {
            let id = subject.strip_prefix("catalog-request:")?;
            format!("/work/catalog-requests/{id}")
        };
        Some(Waiting {
            href,
            name: task.facts.name,
        })
    });
    Ok(waiting.collect())
}

/// Answers of a task in words.
pub(super) fn outcomes(p: &Page, task: &Task) -> Vec<Choice> {
    let known = ["agree", "return", "refuse", "supplement", "sent"];
    let outcomes = task.facts.outcomes.iter().map(|outcome| {
        let words = if known.contains(&outcome.as_str()) {
            p.t(format!("datahub-outcome-{outcome}"))
        } else {
            outcome.clone()
        };
        Choice::new(outcome, words)
    });
    outcomes.collect()
}

/// How the deadline of the task that waits for the reader was counted.
pub(super) async fn deadline(p: &Page, task: Option<&Task>) -> Result<Option<DeadlineFold>> {
    match task {
        Some(task) => DeadlineFold::of(p, Of::Task(task.facts.task), &task.facts.name).await,
        None => Ok(None),
    }
}

/// Completes the open task with the answer and opinion of the form.
pub(super) async fn complete(
    app: &App,
    actor: &Actor,
    subject: &str,
    fields: &Fields,
) -> Result<()> {
    let gate = app.part::<Gate>()?;
    actor.may(&gate, "workflow.task.complete", &Resource::system())?;
    let task = open(app, actor, subject).await?;
    let task = task.ok_or_else(|| Error::refused("datahub-task-gone"))?;
    let outcome = fields.value("outcome");
    if !task.facts.outcomes.iter().any(|known| known == outcome) {
        return Err(Error::invalid("outcome", Text::new("datahub-step-missing")));
    }
    let mut vars = Map::new();
    for name in ["outcome", "opinion"] {
        vars.insert(name.to_owned(), Value::from(fields.value(name)));
    }
    let (id, officer) = (task.facts.task, Officer::from(actor));
    let engine = app.part::<Engine>()?;
    app.db()
        .write(move |tx| {
            let (engine, officer) = (engine.clone(), officer.clone());
            let done = Completion {
                vars: vars.clone(),
                next: None,
            };
            async move { workflow::complete_choosing(&tx, &engine, id, &officer, None, done).await }
        })
        .await
        .map(drop)
}
