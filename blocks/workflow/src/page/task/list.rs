//! The work list: what one has, what one may take, what one did, what one started, and copies to
//! read; and the answer to many tasks at once.

use std::collections::HashMap;

use askama::Template;
use axum::{
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use identity::Actor;
use kernel::{Error, Finding, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use store::page::{PageOf, PageRequest};
use web::{
    App, Html, Page, WebError,
    component::{Choice, Fields, Pager, Tab},
};

use super::{
    super::{Names, may},
    officer::Groups,
    show::outcome_words,
    started,
};
use crate::{
    Filter, Officer, Task, TaskId, act,
    engine::Engine,
    store as tables,
    verb::{self, Completion, Copy, batch},
};

const PAGE: u32 = 50;

/// What is listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Whose {
    /// Tasks that one has, or that an absent colleague has.
    #[default]
    Mine,
    /// Tasks that nobody has and one may take.
    Free,
    Done,
    /// Processes that one started.
    Started,
    Copies,
}

impl Whose {
    const ALL: [Self; 5] = [
        Self::Mine,
        Self::Free,
        Self::Done,
        Self::Started,
        Self::Copies,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Mine => "mine",
            Self::Free => "free",
            Self::Done => "done",
            Self::Started => "started",
            Self::Copies => "copies",
        }
    }

    fn of(name: &str) -> Self {
        let found = Self::ALL.into_iter().find(|one| one.name() == name);
        found.unwrap_or_default()
    }
}

struct Line {
    id: String,
    name: String,
    process: String,
    subject: String,
    who: String,
    created_at: chrono::DateTime<chrono::Utc>,
    due_at: Option<chrono::DateTime<chrono::Utc>>,
    done_at: Option<chrono::DateTime<chrono::Utc>>,
    is_overdue: bool,
    /// The version that was seen, for the answer to many.
    version: i64,
    may_tick: bool,
}

struct CopyLine {
    id: String,
    task: String,
    name: String,
    subject: String,
    from: String,
    note: String,
    sent_at: chrono::DateTime<chrono::Utc>,
    read_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// What one of the ticked tasks was refused for.
struct Refused {
    name: String,
    why: String,
}

#[derive(Template)]
#[template(path = "processes/tasks.html")]
struct TasksPage {
    p: Page,
    f: Fields,
    whose: &'static str,
    tabs: Vec<Tab>,
    lines: Vec<Line>,
    copies: Vec<CopyLine>,
    started: Vec<started::Line>,
    /// Outcomes of the tasks that may be ticked.
    outcomes: Vec<Choice>,
    pager: Pager,
    /// How many of the ticked tasks were completed; none before.
    completed: Option<usize>,
    refused: Vec<Refused>,
}

impl TasksPage {
    fn caption(&self) -> String {
        self.p.t(format!("workflow-tasks-{}", self.whose))
    }

    fn heads(&self) -> Vec<String> {
        let last = match self.whose {
            "done" => "workflow-done-at",
            _ => "workflow-due",
        };
        [
            "workflow-step",
            "workflow-process",
            "workflow-subject",
            "workflow-holder",
            "workflow-created",
            last,
        ]
        .map(|key| self.p.t(key))
        .to_vec()
    }

    fn may_tick(&self) -> bool {
        self.lines.iter().any(|line| line.may_tick)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    of: String,
    after: Option<String>,
}

pub(super) async fn page(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Result<Html, WebError> {
    Html::page(&view(&app, p, &actor, &query).await?)
}

async fn view(app: &App, p: Page, actor: &Actor, query: &ListQuery) -> Result<TasksPage> {
    may(app, actor, "workflow.task.list")?;
    let whose = Whose::of(&query.of);
    let request = PageRequest::new(query.after.clone(), Some(PAGE));
    let (mut lines, mut copies, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    let mut begun = Vec::new();
    let next = match whose {
        Whose::Copies => {
            let found = verb::copies(app.db(), &actor.user.to_string(), false, &request).await?;
            copies = copy_lines(app, &p, found.items).await;
            found.next
        }
        Whose::Started => {
            let (found, next) = started::lines(app, &p, actor, &request).await?;
            begun = found;
            next
        }
        Whose::Mine | Whose::Free | Whose::Done => {
            let found = tasks(app, actor, whose, &request).await?;
            let are_open = whose != Whose::Done;
            if are_open {
                outcomes = outcomes_of(&p, &found.items);
            }
            lines = task_lines(app, &p, found.items, are_open).await?;
            found.next
        }
    };
    let tab = |one: Whose| {
        let words = p.t(format!("workflow-tasks-{}", one.name()));
        Tab::new(words, format!("/tasks?of={}", one.name()), one == whose)
    };
    let filters = format!("of={}", whose.name());
    Ok(TasksPage {
        f: Fields::new(),
        whose: whose.name(),
        tabs: Whose::ALL.map(tab).to_vec(),
        pager: Pager::new("/tasks", &filters, query.after.as_deref(), next.as_deref()),
        lines,
        copies,
        started: begun,
        outcomes,
        completed: None,
        refused: Vec::new(),
        p,
    })
}

/// Tasks of processes that no application keeps to itself: those are on the application's list.
async fn tasks(
    app: &App,
    actor: &Actor,
    whose: Whose,
    request: &PageRequest,
) -> Result<PageOf<Task>> {
    let (engine, id) = (app.part::<Engine>()?, actor.user.to_string());
    let without = engine.reserved();
    if whose == Whose::Done {
        return tables::list_done_by(app.db().read(), &id, &without, request).await;
    }
    let is_mine = whose == Whose::Mine;
    let groups = if is_mine {
        Vec::new()
    } else {
        Officer::from(actor).groups
    };
    let filter = Filter {
        groups,
        assignee: is_mine.then(|| id.clone()),
        is_taken: Some(is_mine),
        without,
        ..Filter::default()
    };
    let filter = verb::with_absent(app.db(), &id, filter).await?;
    act::tasks(app.db(), &filter, request).await
}

/// The name of a process, else its key.
pub(super) async fn process_name(app: &App, definition: &str) -> Result<String> {
    let process = app
        .part::<Engine>()?
        .process(app.db().read(), definition)
        .await?;
    let head = process.model.process(&process.id);
    let name = head.map(|head| head.name.clone()).unwrap_or_default();
    Ok(if name.is_empty() {
        super::super::key_of(definition).to_owned()
    } else {
        name
    })
}

async fn task_lines(app: &App, p: &Page, tasks: Vec<Task>, are_open: bool) -> Result<Vec<Line>> {
    let mut processes: HashMap<String, String> = HashMap::new();
    for task in &tasks {
        let definition = &task.facts.definition;
        if !processes.contains_key(definition) {
            let name = process_name(app, definition).await?;
            processes.insert(definition.clone(), name);
        }
    }
    let holders = tasks
        .iter()
        .filter_map(|task| task.facts.assignee.as_deref());
    let names = Names::of(app, p, holders).await;
    let candidates = tasks.iter().flat_map(|task| &task.facts.candidates);
    let groups = Groups::of(app, p, candidates.map(String::as_str)).await?;
    let now = app.clock().now();
    let line = |task: Task| {
        let facts = &task.facts;
        Line {
            id: facts.task.to_string(),
            name: p.zh(&facts.name),
            process: p.zh(processes
                .get(&facts.definition)
                .cloned()
                .unwrap_or_default()),
            subject: facts.subject.clone(),
            who: match &facts.assignee {
                Some(holder) => names.get(holder),
                None => groups.list(p, facts.candidates.iter().map(String::as_str)),
            },
            created_at: task.created_at,
            due_at: facts.due_at,
            done_at: task.done_at,
            is_overdue: are_open && facts.due_at.is_some_and(|due| due < now),
            version: task.version,
            may_tick: are_open,
        }
    };
    Ok(tasks.into_iter().map(line).collect())
}

async fn copy_lines(app: &App, p: &Page, copies: Vec<Copy>) -> Vec<CopyLine> {
    let senders = copies.iter().map(|copy| copy.sent_by.as_str());
    let names = Names::of(app, p, senders).await;
    let line = |copy: Copy| CopyLine {
        from: names.get(&copy.sent_by),
        name: p.zh(&copy.name),
        id: copy.id,
        task: copy.task,
        subject: copy.subject,
        note: copy.note,
        sent_at: copy.sent_at,
        read_at: copy.read_at,
    };
    copies.into_iter().map(line).collect()
}

/// All outcomes of the tasks, each once, in the order of the models.
fn outcomes_of(p: &Page, tasks: &[Task]) -> Vec<Choice> {
    let mut choices: Vec<Choice> = Vec::new();
    for outcome in tasks.iter().flat_map(|task| &task.facts.outcomes) {
        if !choices.iter().any(|choice| choice.value == *outcome) {
            choices.push(Choice::new(outcome, outcome_words(p, outcome)));
        }
    }
    choices
}

/// Completes the ticked tasks with one answer, each in a write of its own.
pub(super) async fn complete_many(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    f: Fields,
) -> Result<Response, WebError> {
    may(&app, &actor, "workflow.task.complete")?;
    let query = ListQuery {
        of: f.value("of").to_owned(),
        after: None,
    };
    let ticked = ticked(&f);
    if let Err(Error::Invalid(findings)) = batch::need_number(ticked.len()) {
        return again(&app, p, &actor, &query, f, findings).await;
    }
    let engine = app.part::<Engine>()?;
    let done = Completion {
        vars: answer(&f),
        next: None,
    };
    let officer = Officer::from(&actor);
    let answers = batch::complete_many(app.db(), &engine, &ticked, &officer, &done).await?;
    let (mut completed, mut refused) = (0, Vec::new());
    for answer in answers {
        match answer.result {
            Ok(_) => completed += 1,
            Err(error) => refused.push(Refused {
                name: act::task(app.db(), answer.task)
                    .await
                    .map(|task| p.zh(task.facts.name))
                    .unwrap_or_default(),
                why: p.say(&batch::why(error)),
            }),
        }
    }
    let page = TasksPage {
        completed: Some(completed),
        refused,
        ..view(&app, p, &actor, &query).await?
    };
    Ok(Html::page(&page)?.into_response())
}

/// Tasks as `id~version`.
fn ticked(f: &Fields) -> Vec<(TaskId, Option<i64>)> {
    let tick = |text: &String| {
        let (id, version) = text.split_once('~')?;
        Some((id.parse().ok()?, version.parse().ok()))
    };
    f.values("task").iter().filter_map(tick).collect()
}

fn answer(f: &Fields) -> Map<String, Value> {
    ["outcome", "opinion"]
        .into_iter()
        .filter(|name| !f.value(name).is_empty())
        .map(|name| (name.to_owned(), Value::from(f.value(name))))
        .collect()
}

async fn again(
    app: &App,
    p: Page,
    actor: &Actor,
    query: &ListQuery,
    f: Fields,
    findings: Vec<Finding>,
) -> Result<Response, WebError> {
    let page = TasksPage {
        f: f.rejected(findings),
        ..view(app, p, actor, query).await?
    };
    Ok(Html::again(&page)?.into_response())
}
