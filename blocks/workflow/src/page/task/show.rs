//! One task: what there is to know, the form that its step asks for, and every verb that its
//! reader may use now.

use askama::Template;
use axum::extract::{Path, Query, State};
use identity::Actor;
use kernel::{Result, clock::micros};
use serde::Deserialize;
use serde_json::{Map, Value};
use web::{
    App, Html, Page, WebError,
    component::{Choice, Crumb, Fact, Fields, Happening, Tone},
};

use super::{
    super::Names,
    field::{self, Field},
    officer::{Groups, colleagues},
};
use crate::{
    Task, TaskId,
    api::parse,
    deadline::{DeadlineFold, Of},
    engine::Engine,
    schema::task,
    store as tables,
    verb::{self, Copy, Deed, Part, TaskDetail, api_task::write, pairs},
};

/// A signer of the task.
pub(super) struct Signer {
    task: String,
    who: String,
    role: String,
    weight: i64,
    vote: String,
    opinion: String,
    /// Whether he may still be taken away.
    is_open: bool,
}

/// An open task of the same process, for urging.
pub(super) struct Other {
    pub id: String,
    pub name: String,
    pub who: String,
}

/// Which verbs the page offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one for each verb")]
pub(super) struct Offers {
    claim: bool,
    release: bool,
    /// Completing, and saving for later.
    complete: bool,
    /// What one does with a task that one has or may take, whatever its clock does.
    hand_on: bool,
    go_back: bool,
    reject: bool,
    circulate: bool,
    suspend: bool,
    resume: bool,
    extend: bool,
    withdraw: bool,
}

#[derive(Template)]
#[template(path = "processes/task.html")]
pub(super) struct TaskPage {
    pub(super) p: Page,
    /// What was typed, with messages.
    pub(super) f: Fields,
    /// The verb whose form came back.
    pub(super) form: String,
    id: TaskId,
    title: String,
    crumbs: Vec<Crumb>,
    state: String,
    tone: Tone,
    is_overdue: bool,
    /// What was just done, in words.
    done: String,
    notes: Vec<String>,
    facts: Vec<Fact>,
    pub(super) fields: Vec<Field>,
    outcomes: Vec<Choice>,
    /// Whether the step lets one choose who is next.
    chooses: bool,
    offers: Offers,
    earlier: Vec<Choice>,
    grounds: Vec<Choice>,
    signers: Vec<Signer>,
    copies: Vec<(String, String)>,
    others: Vec<Other>,
    colleagues: Vec<Choice>,
    happenings: Vec<Happening>,
    deadlines: Vec<DeadlineFold>,
    instance: String,
    version: i64,
}

impl TaskPage {
    fn is_open(&self, verb: &str) -> bool {
        self.form == verb
    }

    /// Variables that are typed, those that the step names.
    fn asked(&self) -> Vec<&Field> {
        self.writable(true)
    }

    fn unnamed(&self) -> Vec<&Field> {
        self.writable(false)
    }

    fn writable(&self, is_named: bool) -> Vec<&Field> {
        let all = self.fields.iter();
        all.filter(|field| self.offers.complete && field.is_writable && field.is_named == is_named)
            .collect()
    }

    /// Variables that are only looked at.
    fn told(&self) -> Vec<Fact> {
        let all = self.fields.iter();
        all.filter(|field| !(self.offers.complete && field.is_writable))
            .map(|field| Fact::new(self.p.zh(&field.label), &field.value))
            .collect()
    }

    fn yes_no(&self) -> [Choice; 2] {
        field::yes_no(&self.p)
    }

    fn places(&self) -> [Choice; 3] {
        ["beside", "before", "after"].map(|place| {
            Choice::new(place, self.p.t(format!("workflow-place-{place}")))
                .help(self.p.t(format!("workflow-place-{place}-help")))
        })
    }

    fn modes(&self) -> [Choice; 2] {
        ["again", "back"].map(|mode| Choice::new(mode, self.p.t(format!("workflow-return-{mode}"))))
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ShowQuery {
    /// The verb that was just done.
    #[serde(default)]
    pub done: String,
}

/// Words for what was just done; none for anything else.
pub(super) fn done_words(p: &Page, verb: &str) -> String {
    let key = format!("workflow-verb-done-{verb}");
    if p.app.texts().has(&key) {
        p.t(key)
    } else {
        String::new()
    }
}

pub(super) async fn page(
    State(app): State<App>,
    p: Page,
    actor: Actor,
    Path(id): Path<String>,
    Query(query): Query<ShowQuery>,
) -> Result<Html, WebError> {
    let mut page = view(&app, p, &actor, &id).await?;
    page.done = done_words(&page.p, &query.done);
    Html::page(&page)
}

async fn detail(app: &App, actor: &Actor, id: TaskId) -> Result<TaskDetail> {
    write(
        app,
        actor,
        "workflow.task.read",
        move |tx, engine, officer| async move { verb::detail(&tx, &engine, id, &officer).await },
    )
    .await
}

/// The variables that the task shows.
pub(super) async fn fields_of(app: &App, actor: &Actor, id: &str) -> Result<Vec<Field>> {
    let detail = detail(app, actor, parse::<TaskId>(id, "task")?).await?;
    Ok(shown(&detail))
}

fn shown(detail: &TaskDetail) -> Vec<Field> {
    field::fields(
        attribute(&detail.task, "fields"),
        attribute(&detail.task, "labels"),
        &detail.vars,
        !detail.task.facts.outcomes.is_empty(),
    )
}

pub(super) async fn view(app: &App, p: Page, actor: &Actor, id: &str) -> Result<TaskPage> {
    let id = parse::<TaskId>(id, "task")?;
    let detail = detail(app, actor, id).await?;
    let row = tables::get_task(app.db().read(), id).await?;
    let of = tables::get_instance(app.db().read(), detail.task.facts.instance).await?;
    let engine = app.part::<Engine>()?;
    let is_reserved = engine.is_reserved(&row.subject);
    let is_running = of.status == "running";
    let deeds = verb::deeds(app.db(), detail.task.facts.instance).await?;
    let copies = verb::receipts(app.db(), id).await?;
    let others = others(app, &row, actor, is_running).await?;
    let names = names(app, &p, &detail, &deeds, &copies, &others).await;
    let process = super::list::process_name(app, &row.definition).await?;
    let offers = offers(&detail, &row, actor, is_running, is_reserved);
    let fields = shown(&detail);
    let due = detail.task.facts.due_at.map(micros);
    let is_waiting = tables::LIVE.contains(&row.state.as_str());
    Ok(TaskPage {
        f: filled(&fields, detail.saved.as_ref().map(|(vars, _)| vars)),
        form: String::new(),
        id,
        title: p.zh(&row.name),
        crumbs: vec![
            Crumb::new(p.t("workflow-menu-tasks"), "/tasks"),
            Crumb::new(p.zh(&process), ""),
        ],
        state: p.t(format!("workflow-task-state-{}", row.state)),
        tone: if is_waiting {
            Tone::Accent
        } else {
            Tone::Plain
        },
        is_overdue: is_waiting && due.is_some_and(|due| due < micros(app.clock().now())),
        done: String::new(),
        notes: notes(&p, &detail, &names, is_reserved),
        facts: facts(app, &p, &detail, &names, &process).await?,
        outcomes: outcomes(&p, &detail.task.facts.outcomes),
        chooses: !attribute(&detail.task, "choose").is_empty(),
        earlier: earlier(&p, &detail, &names),
        grounds: grounds(&p, attribute(&detail.task, "grounds")),
        signers: signers(app, &p, &detail.parts).await?,
        copies: receipts(&p, &copies, &names),
        others: told(&p, others, &names),
        colleagues: colleagues(app, actor).await?,
        happenings: happenings(&p, &deeds, &names),
        deadlines: DeadlineFold::of(&p, Of::Task(id), &row.name)
            .await?
            .into_iter()
            .collect(),
        instance: row.instance,
        version: row.version,
        offers,
        fields,
        p,
    })
}

/// An attribute of ours at the step; empty where there is none.
fn attribute<'a>(task: &'a Task, name: &str) -> &'a str {
    let value = task.attributes.get(name).and_then(Value::as_str);
    value.unwrap_or_default()
}

/// The form as it was left: what was saved, else what the process holds.
fn filled(fields: &[Field], saved: Option<&Map<String, Value>>) -> Fields {
    let empty = Map::new();
    let saved = saved.unwrap_or(&empty);
    let mut f = Fields::new();
    for field in fields {
        let value = match saved.get(&field.name) {
            Some(saved) => field::text_of(saved),
            None => field.value.clone(),
        };
        f = f.with(field.key(), value);
    }
    for answer in ["outcome", "opinion"] {
        let value = saved.get(answer).map(field::text_of).unwrap_or_default();
        f = f.with(format!("{}{answer}", field::VARIABLE), value);
    }
    f
}

fn offers(
    detail: &TaskDetail,
    row: &task::Model,
    actor: &Actor,
    is_running: bool,
    is_reserved: bool,
) -> Offers {
    let is_free = row.assignee.is_none();
    let (may, stands) = (detail.may_act, detail.suspended_at.is_some());
    let is_delegated = !detail.back_to.is_empty();
    let works = !stands || attribute(&detail.task, "worksWhileSuspended") == "true";
    let is_own = row.done_by.as_deref() == Some(actor.user.to_string().as_str());
    let moves = may && !is_reserved && works;
    Offers {
        claim: may && is_free,
        release: may && !is_free && !is_delegated && !row.candidates.is_empty(),
        complete: moves,
        hand_on: may,
        go_back: moves && !detail.earlier.is_empty(),
        reject: moves && !is_delegated,
        circulate: may || is_own,
        suspend: may && !is_reserved && !stands,
        resume: may && !is_reserved && stands,
        extend: may
            && !is_reserved
            && detail.extended_days == 0
            && row.due_at.is_some()
            && attribute(&detail.task, "extend") != "0",
        withdraw: is_own && is_running && !is_reserved && row.state == "done",
    }
}

/// Tasks named for urging.
const MOST_OTHERS: u64 = 50;

/// Open tasks of the process, for whoever completed this one to urge.
async fn others(
    app: &App,
    row: &task::Model,
    actor: &Actor,
    is_running: bool,
) -> Result<Vec<task::Model>> {
    if !is_running || row.done_by != Some(actor.user.to_string()) {
        return Ok(Vec::new());
    }
    super::super::store::open_tasks(app.db(), &row.instance, MOST_OTHERS).await
}

/// Everybody whom the page names.
async fn names(
    app: &App,
    p: &Page,
    detail: &TaskDetail,
    deeds: &[Deed],
    copies: &[Copy],
    others: &[task::Model],
) -> Names {
    let mut all: Vec<&str> = Vec::new();
    let facts = &detail.task.facts;
    all.extend(facts.assignee.as_deref());
    all.extend(detail.task.done_by.as_deref());
    all.extend(detail.on_behalf.as_deref());
    all.extend(detail.back_to.iter().map(String::as_str));
    all.extend(detail.saved.as_ref().map(|(_, by)| by.as_str()));
    all.extend(
        detail
            .earlier
            .iter()
            .filter_map(|step| step.handler.as_deref()),
    );
    for deed in deeds {
        all.push(&deed.by);
        all.extend(deed.on_behalf.as_deref());
    }
    for copy in copies {
        all.extend([copy.reader.as_str(), copy.sent_by.as_str()]);
    }
    all.extend(others.iter().filter_map(|row| row.assignee.as_deref()));
    Names::of(app, p, all.into_iter()).await
}

/// What the reader has to know before anything else.
fn notes(p: &Page, detail: &TaskDetail, names: &Names, is_reserved: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if is_reserved {
        notes.push(p.t("workflow-task-of-application"));
    }
    if let Some(absent) = &detail.on_behalf {
        notes.push(p.t1("workflow-task-on-behalf", "name", names.get(absent)));
    }
    if let Some(delegator) = detail.back_to.last() {
        notes.push(p.t1("workflow-task-comes-back", "name", names.get(delegator)));
    }
    if let Some(since) = detail.suspended_at {
        notes.push(p.t1("workflow-task-stands", "since", p.stamp(since)));
    }
    if let Some((_, by)) = &detail.saved {
        notes.push(p.t1("workflow-task-saved", "name", names.get(by)));
    }
    let returned = detail.vars.get("returned").and_then(Value::as_str);
    if let Some(reason) = returned.filter(|_| detail.may_act) {
        notes.push(p.t1("workflow-task-returned", "reason", reason));
    }
    notes
}

async fn facts(
    app: &App,
    p: &Page,
    detail: &TaskDetail,
    names: &Names,
    process: &str,
) -> Result<Vec<Fact>> {
    let (task, told) = (&detail.task, &detail.task.facts);
    let groups = Groups::of(app, p, told.candidates.iter().map(String::as_str)).await?;
    let holder = match &told.assignee {
        Some(assignee) => names.get(assignee),
        None => groups.list(p, told.candidates.iter().map(String::as_str)),
    };
    let mut facts = vec![
        Fact::new(p.t("workflow-process"), p.zh(process)),
        Fact::new(p.t("workflow-subject"), &told.subject),
        Fact::new(p.t("workflow-holder"), holder),
        Fact::new(p.t("workflow-created"), p.stamp(task.created_at)),
        Fact::new(p.t("workflow-due"), p.stamp(told.due_at)),
    ];
    if task.done_at.is_some() {
        facts.push(Fact::new(p.t("workflow-done-at"), p.stamp(task.done_at)));
    }
    if !told.form.is_empty() {
        facts.push(Fact::new(p.t("workflow-form"), &told.form));
    }
    Ok(facts)
}

/// Words for an outcome: our own for the usual ones, else as the model has it.
fn outcomes(p: &Page, outcomes: &[String]) -> Vec<Choice> {
    let choice = |outcome: &String| Choice::new(outcome, outcome_words(p, outcome));
    outcomes.iter().map(choice).collect()
}

pub(super) fn outcome_words(p: &Page, outcome: &str) -> String {
    let key = format!("workflow-outcome-is-{outcome}");
    if p.app.texts().has(&key) {
        p.t(key)
    } else {
        p.zh(outcome)
    }
}

fn earlier(p: &Page, detail: &TaskDetail, names: &Names) -> Vec<Choice> {
    let steps = detail.earlier.iter().map(|step| {
        let who = step.handler.as_deref().map(|who| names.get(who));
        let words = match who {
            Some(who) => format!("{}（{who}）", p.zh(&step.name)),
            None => p.zh(&step.name),
        };
        Choice::new(&step.element, words)
    });
    let first = Choice::new("initiator", p.t("workflow-return-initiator"));
    steps.chain([first]).collect()
}

fn grounds(p: &Page, listed: &str) -> Vec<Choice> {
    pairs(listed, '=')
        .map(|(ground, _)| Choice::new(ground, p.zh(ground)))
        .collect()
}

async fn signers(app: &App, p: &Page, parts: &[Part]) -> Result<Vec<Signer>> {
    let all = parts.iter().flat_map(|part| part.who.split(','));
    let groups = Groups::of(app, p, all).await?;
    let signer = |part: &Part| Signer {
        task: part.task.clone(),
        who: groups.list(p, part.who.split(',')),
        role: p.t(format!("workflow-signer-{}", part.role)),
        weight: part.weight,
        vote: match &part.vote {
            Some(vote) => p.t(format!("workflow-vote-{vote}")),
            None => p.t(format!("workflow-task-state-{}", part.state)),
        },
        opinion: part.opinion.clone().unwrap_or_default(),
        is_open: part.vote.is_none() && tables::LIVE.contains(&part.state.as_str()),
    };
    Ok(parts.iter().map(signer).collect())
}

/// Who got a copy, and whether he read it.
fn receipts(p: &Page, copies: &[Copy], names: &Names) -> Vec<(String, String)> {
    let told = |copy: &Copy| {
        let read = match copy.read_at {
            Some(at) => p.t1("workflow-copy-read-at", "at", p.stamp(at)),
            None => p.t("workflow-copy-unread"),
        };
        (names.get(&copy.reader), read)
    };
    copies.iter().map(told).collect()
}

fn told(p: &Page, rows: Vec<task::Model>, names: &Names) -> Vec<Other> {
    let other = |row: task::Model| Other {
        who: row.assignee.as_deref().map_or_else(
            || p.t(format!("workflow-task-state-{}", row.state)),
            |who| names.get(who),
        ),
        name: p.zh(&row.name),
        id: row.id,
    };
    rows.into_iter().map(other).collect()
}

/// What was done, the last first.
pub(super) fn happenings(p: &Page, deeds: &[Deed], names: &Names) -> Vec<Happening> {
    let happening = |deed: &Deed| Happening {
        at: deed.at,
        title: p.t(format!("workflow-deed-{}", deed.verb)),
        who: match &deed.on_behalf {
            Some(absent) => p.ta(
                "workflow-by-for",
                [("name", names.get(&deed.by)), ("absent", names.get(absent))],
            ),
            None => names.get(&deed.by),
        },
        text: deed.reason.clone(),
        tone: match deed.verb.as_str() {
            "return" | "reject" | "suspend" => Tone::Danger,
            _ => Tone::Plain,
        },
    };
    deeds.iter().rev().map(happening).collect()
}
