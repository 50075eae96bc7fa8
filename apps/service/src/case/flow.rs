//! Cases and the processes that handle them: the only place that talks to `workflow`.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use identity::Actor;
use kernel::{Error, Fault, Result, Text};
use serde_json::{Map, Value, json};
use store::{Tx, page::PageRequest};
use web::{App, Page, WeakApp};
use workflow::{
    Call, CallId, Filter, InstanceId, Officer, ServiceHandler, TaskId, TaskListener,
    deadline::{DeadlineFold, Of},
};

use super::{
    CaseId, Event, Outcome, State,
    act::{self, Desk, Who, happen},
    joint::{self, Part, Whole},
    store::{self as rows, Case},
    submit,
    work::default_remedy,
};

pub type Engine = Arc<workflow::Engine>;

pub fn engine(app: &App) -> Result<Engine> {
    Ok(app.part::<workflow::Engine>()?)
}

/// Registers everything that processes of cases call, and the clock that stands still with a
/// task.
pub fn register(app: &App) -> Result<()> {
    let engine = engine(app)?;
    let services = Arc::new(Services(app.downgrade()));
    for name in SERVICES {
        engine.register(name, services.clone());
    }
    engine.listen(Arc::new(Clockwork(app.downgrade())));
    // A case's own state moves with its tasks: they are done here only.
    engine.reserve("case:");
    Ok(())
}

const SERVICES: [&str; 6] = [
    "service.verify_licence",
    "service.sub_case",
    "service.start_special",
    "service.issue_certificate",
    "service.close",
    "service.collect",
];

/// A task of a case's process, as officers see it.
#[derive(Clone, Debug, Default, serde::Serialize, utoipa::ToSchema)]
pub struct Task {
    pub id: String,
    /// Id of the case.
    pub case: String,
    pub name: String,
    /// Element of the process.
    pub element: String,
    /// What completing it does; see [`super::work`].
    #[schema(example = "accept")]
    pub act: String,
    /// Form that it asks to fill.
    pub form: Option<String>,
    /// Special procedure that it starts or is.
    pub special: Option<String>,
    /// Answers that the process knows; the usual ones of the act when empty.
    pub outcomes: Vec<String>,
    /// Groups that may take it, as `post@org`.
    pub groups: Vec<String>,
    pub assignee: Option<String>,
    pub assignee_name: String,
    pub due: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    /// Raised with every change; of two who complete a task they saw alike, one wins.
    pub version: i64,
}

impl Task {
    /// Whether the actor may take it, in his own name or in that of an absent colleague.
    pub(crate) fn is_for(&self, actor: &Actor) -> bool {
        let groups = [actor.all_groups(), Officer::from(actor).groups].concat();
        self.groups.iter().any(|group| groups.contains(group))
    }
}

fn task_of(task: &workflow::Task) -> Option<Task> {
    let facts = &task.facts;
    let attribute = |name: &str| {
        let value = task.attributes.get(name).and_then(Value::as_str);
        value.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let suspends = Some(facts.suspends.clone()).filter(|text| !text.is_empty());
    Some(Task {
        id: facts.task.to_string(),
        case: facts.subject.strip_prefix("case:")?.to_owned(),
        name: facts.name.clone(),
        element: facts.element.clone(),
        act: attribute("act").unwrap_or_else(|| act_of(facts).to_owned()),
        form: Some(facts.form.clone()).filter(|form| !form.is_empty()),
        special: attribute("special").or(suspends),
        outcomes: facts.outcomes.clone(),
        groups: facts.candidates.clone(),
        assignee: facts.assignee.clone(),
        assignee_name: String::new(),
        due: facts.due_at,
        created_at: task.created_at,
        version: task.version,
    })
}

/// What a task is when its process does not say: told from its outcomes and its name.
fn act_of(facts: &workflow::event::TaskFacts) -> &'static str {
    let has = |outcome: &str| facts.outcomes.iter().any(|known| known == outcome);
    if !facts.suspends.is_empty() {
        "check"
    } else if has("accept") {
        "accept"
    } else if has("approve") {
        "decide"
    } else if facts.element.contains("deliver") {
        "deliver"
    } else {
        "examine"
    }
}

fn subject(case: CaseId) -> String {
    format!("case:{case}")
}

/// Begins the process of a case that has one.
pub(crate) async fn begin(tx: &Tx, desk: &Desk, case: &mut Case) -> Result<()> {
    let Some(process) = case.process.clone() else {
        return Ok(());
    };
    let variables: Map<String, Value> = submit::variables(case).into_iter().collect();
    let subject = subject(case.id);
    let instance = Box::pin(workflow::start(
        tx,
        &desk.engine,
        &process,
        &subject,
        variables,
    ))
    .await?;
    // What ran at once may have moved the case.
    *case = rows::get_in(tx, case.id).await?;
    case.instance = Some(instance.to_string());
    rows::update(tx, case)
}

/// Ends the process of a case that has ended otherwise; one that is over already stays.
pub(crate) async fn cancel(tx: &Tx, desk: &Desk, case: &Case, reason: &str) -> Result<()> {
    let Some(instance) = instance(case)? else {
        return Ok(());
    };
    match Box::pin(workflow::cancel(
        tx,
        &desk.engine,
        instance,
        reason,
        "system",
    ))
    .await
    {
        Ok(()) | Err(Error::Refused(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn instance(case: &Case) -> Result<Option<InstanceId>> {
    let id = case.instance.as_deref().map(str::parse).transpose();
    Ok(id.map_err(|e| Fault::caused_by("read a case's instance", e))?)
}

/// Tells the parent's process that a sub-case has ended, after stopping the others where the
/// theme says that one refusal ends all.
pub(crate) async fn part_ended(tx: &Tx, desk: &Desk, case: &Case) -> Result<()> {
    let Some(parent) = case.parent else {
        return Ok(());
    };
    let parent = rows::get_in(tx, parent).await?;
    let mut ended = vec![case.clone()];
    let mut parts = rows::list_parts_in(tx, parent.id).await?;
    if joint::must_stop(&seen(&parts), parent.facts.terms.on_reject) {
        for part in parts.iter_mut().filter(|part| !part.state().is_final()) {
            if !matches!(part.state(), State::Accepted | State::Suspended) {
                continue;
            }
            let ground = format!("联办事项 {} 未获准，按主题规则终止", case.matter_name);
            happen(
                tx,
                desk,
                part,
                &[Event::Abort { ground }],
                &Who::system(),
                "",
            )
            .await?;
            cancel(tx, desk, part, "stopped").await?;
            ended.push(part.clone());
        }
    }
    for part in ended {
        answer(tx, desk, &parent, &part).await?;
    }
    Ok(())
}

fn seen(parts: &[Case]) -> Vec<Part> {
    let part = |case: &Case| Part {
        state: case.state(),
        outcome: act::outcome(&case.facts),
    };
    parts.iter().map(part).collect()
}

async fn answer(tx: &Tx, desk: &Desk, parent: &Case, part: &Case) -> Result<()> {
    let Some(call) = &part.call else {
        return Ok(());
    };
    if parent.state().is_final() {
        return Ok(());
    }
    let call: CallId = call
        .parse()
        .map_err(|e| Fault::caused_by("read a call", e))?;
    // Boxed: the parent's process may go far in this call, on the stack of the sub-case's.
    Box::pin(workflow::call_done(
        tx,
        &desk.engine,
        call,
        ended(parent, part),
    ))
    .await
}

/// What a parent's process hears of an ended sub-case.
fn ended(parent: &Case, part: &Case) -> Map<String, Value> {
    let outcome = match part.state() {
        State::Closed => act::outcome(&part.facts).map_or("refused", Outcome::code),
        other => other.code(),
    };
    let key = parent
        .plan
        .get(usize::try_from(part.part - 1).unwrap_or_default());
    let mut heard = Map::new();
    heard.insert("outcome".to_owned(), Value::from(outcome));
    if let Some(key) = key {
        heard.insert(format!("{}_outcome", key.key), Value::from(outcome));
    }
    heard
}

/// Lets the process go on behind its acceptance task when the law has accepted the case.
pub(crate) async fn pass_acceptance(tx: &Tx, desk: &Desk, case: &Case) -> Result<()> {
    let filter = Filter {
        subject: Some(subject(case.id)),
        ..Filter::default()
    };
    let page = PageRequest::new(None, None);
    for task in workflow::tasks_in(tx, &filter, &page).await?.items {
        if task_of(&task).is_some_and(|task| task.act == "accept") {
            let variables = Map::from_iter([("outcome".to_owned(), Value::from("accept"))]);
            workflow::complete_by_system(tx, &desk.engine, task.facts.task, variables).await?;
        }
    }
    Ok(())
}

fn task_id(id: &str) -> Result<TaskId> {
    id.parse().map_err(|_| Error::NotFound { what: "task" })
}

pub(crate) async fn get_task(desk: &Desk, id: &str) -> Result<Task> {
    let task = workflow::task(&desk.db, task_id(id)?).await?;
    match task.state.as_str() {
        "done" => return Err(Error::refused("service-work-done-already")),
        "gone" => return Err(Error::refused("service-work-gone")),
        _ => {}
    }
    task_of(&task).ok_or(Error::NotFound { what: "task" })
}

pub(crate) async fn claim(desk: &Desk, actor: &Actor, task: &Task) -> Result<Task> {
    let (id, officer) = (task_id(&task.id)?, Officer::from(actor));
    desk.db
        .write(move |tx| {
            let officer = officer.clone();
            async move { workflow::claim(&tx, id, &officer, None).await }
        })
        .await?;
    get_task(desk, &task.id).await
}

pub(crate) async fn release(desk: &Desk, actor: &Actor, task: &Task) -> Result<Task> {
    let (id, officer) = (task_id(&task.id)?, Officer::from(actor));
    desk.db
        .write(move |tx| {
            let officer = officer.clone();
            async move { workflow::release(&tx, id, &officer).await }
        })
        .await?;
    get_task(desk, &task.id).await
}

/// Others who hold a post that may take the task, by login.
pub(crate) async fn colleagues(
    desk: &Desk,
    actor: &Actor,
    task: &Task,
) -> Result<Vec<identity::directory::User>> {
    let mut all: Vec<identity::directory::User> = Vec::new();
    for (post, org) in task.groups.iter().filter_map(|group| group.split_once('@')) {
        let holders = identity::directory::officers_with_post(desk.db.read(), post, org).await?;
        for user in holders {
            if user.id != actor.user && all.iter().all(|known| known.id != user.id) {
                all.push(user);
            }
        }
    }
    Ok(all)
}

/// Hands a task to a colleague, who is told; the timeline says why.
pub(crate) async fn transfer(
    desk: &Desk,
    actor: &Actor,
    task: &Task,
    to: &str,
    reason: &str,
) -> Result<Task> {
    let others = colleagues(desk, actor, task).await?;
    let Some(colleague) = others.into_iter().find(|user| user.id.to_string() == to) else {
        return Err(Error::invalid(
            "user",
            Text::new("service-work-not-colleague"),
        ));
    };
    let (id, officer, case) = (task_id(&task.id)?, Officer::from(actor), task_case(task)?);
    let (actor, name) = (actor.clone(), task.name.clone());
    let reason = reason.trim().to_owned();
    desk.db
        .write(move |tx| {
            let (officer, actor, to) = (officer.clone(), actor.clone(), colleague.clone());
            let (reason, name) = (reason.clone(), name.clone());
            async move {
                workflow::transfer(&tx, id, &officer, &to.id.to_string(), &reason).await?;
                let case = rows::get_in(&tx, case).await?;
                note_transfer(&tx, &actor, &case, &name, &to, &reason).await
            }
        })
        .await?;
    get_task(desk, &task.id).await
}

async fn note_transfer(
    tx: &Tx,
    actor: &Actor,
    case: &Case,
    task: &str,
    to: &identity::directory::User,
    reason: &str,
) -> Result<()> {
    let who = Who::of(actor, case);
    let entry = rows::Entry {
        at: tx.now(),
        seq: case.facts.moves,
        event: "transferred".to_owned(),
        state: case.state(),
        actor: who.id,
        actor_name: who.name,
        post: who.post,
        org_name: who.org_name,
        words: format!("{task} → {}：{reason}", to.name),
        // Who in a body does the work is no matter of the applicant's.
        is_public: false,
    };
    rows::insert_entry(tx, case.id, entry);
    let args = [
        ("matter", case.matter_name.clone()),
        ("number", case.number.clone()),
        ("task", task.to_owned()),
        ("words", reason.to_owned()),
    ];
    let href = format!("/work/cases/{}", case.id);
    let to = notify::Recipient::User(to.id);
    notify::send(tx, &to, "service-message-transferred", &args, &href).await
}

pub(crate) fn task_case(task: &Task) -> Result<CaseId> {
    let id = task.case.parse();
    Ok(id.map_err(|e| Fault::caused_by("read a task's case", e))?)
}

/// Completes a task in a write; refused when it was completed or changed meanwhile.
pub(crate) async fn complete(
    tx: &Tx,
    desk: &Desk,
    actor: &Actor,
    task: &Task,
    variables: Map<String, Value>,
) -> Result<()> {
    let (id, officer) = (task_id(&task.id)?, Officer::from(actor));
    let seen = Some(task.version);
    Box::pin(workflow::complete(
        tx,
        &desk.engine,
        id,
        &officer,
        seen,
        variables,
    ))
    .await
}

/// What the process would go on with if the task were completed now; none if other signers or a
/// delegator have to answer first.
pub(crate) async fn foresee(
    tx: &Tx,
    actor: &Actor,
    task: &Task,
    variables: &Map<String, Value>,
) -> Result<Option<Map<String, Value>>> {
    let officer = Officer::from(actor);
    workflow::foresee(tx, task_id(&task.id)?, &officer, variables).await
}

/// Which tasks a list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Whose {
    /// Claimed by the officer.
    #[default]
    Mine,
    /// Unclaimed, of the officer's groups.
    Groups,
}

/// Tasks of an officer, oldest first, after a key.
pub async fn list_tasks(
    desk: &Desk,
    actor: &Actor,
    whose: Whose,
    after: &str,
    limit: u64,
) -> Result<(Vec<Task>, Option<String>)> {
    let mut filter = Filter::default();
    match whose {
        Whose::Mine => filter.assignee = Some(actor.user.to_string()),
        Whose::Groups => filter.groups = Officer::from(actor).groups,
    }
    if whose == Whose::Groups {
        filter = workflow::with_absent(&desk.db, &actor.user.to_string(), filter).await?;
        if filter.groups.is_empty() && filter.absent.is_empty() {
            return Ok((Vec::new(), None));
        }
    }
    let after = Some(after.to_owned()).filter(|key| !key.is_empty());
    let page = PageRequest::new(after, u32::try_from(limit).ok());
    let page = workflow::tasks(&desk.db, &filter, &page).await?;
    Ok((page.items.iter().filter_map(task_of).collect(), page.next))
}

/// Open tasks of a case, with the names of who has them.
pub async fn tasks_of(desk: &Desk, case: &Case) -> Result<Vec<Task>> {
    let filter = Filter {
        subject: Some(subject(case.id)),
        ..Filter::default()
    };
    let page = workflow::tasks(&desk.db, &filter, &PageRequest::new(None, None)).await?;
    let mut tasks: Vec<_> = page.items.iter().filter_map(task_of).collect();
    for task in &mut tasks {
        let Some(Ok(user)) = task.assignee.as_deref().map(str::parse) else {
            continue;
        };
        match identity::directory::user(desk.db.read(), user).await {
            Ok(user) => task.assignee_name = user.name,
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(tasks)
}

/// How the deadline of a task was counted; none where the process gives it none.
pub(crate) async fn deadline(p: &Page, task: &Task) -> Result<Option<DeadlineFold>> {
    DeadlineFold::of(p, Of::Task(task_id(&task.id)?), &task.name).await
}

/// How the deadline of a case's whole process was counted.
pub(crate) async fn whole_deadline(p: &Page, case: &Case) -> Result<Option<DeadlineFold>> {
    match instance(case)? {
        Some(instance) => DeadlineFold::of_process(p, instance).await,
        None => Ok(None),
    }
}

/// Addresses of the process picture and of its trail.
pub(crate) fn picture(case: &Case) -> Option<(String, String)> {
    let instance = case.instance.as_ref()?;
    Some((
        format!("/api/workflow/instances/{instance}/xml"),
        format!("/api/workflow/instances/{instance}/trail"),
    ))
}

fn case_of(subject: &str) -> Result<CaseId> {
    let id = subject.strip_prefix("case:").unwrap_or_default();
    Ok(id
        .parse()
        .map_err(|e| Fault::caused_by("read a process's case", e))?)
}

/// The service tasks of cases' processes.
struct Services(WeakApp);

#[async_trait]
impl ServiceHandler for Services {
    async fn call(&self, tx: &Tx, call: &Call) -> Result<workflow::Outcome> {
        let desk = Desk::of(&self.0.get()?)?;
        let mut case = rows::get_in(tx, case_of(&call.subject)?).await?;
        let name = call.attributes.get("call").map(String::as_str);
        let done = match name.unwrap_or_default() {
            "service.verify_licence" => verify_licence(&case),
            "service.sub_case" => return Box::pin(sub_case(tx, &desk, &mut case, call)).await,
            "service.start_special" => start_special(tx, &desk, &mut case, call).await?,
            "service.issue_certificate" => crate::certificate::issue(tx, &mut case).await?,
            "service.close" => Box::pin(close(tx, &desk, &mut case)).await?,
            _ => collect(tx, &case).await?,
        };
        Ok(workflow::Outcome::Done(done))
    }
}

/// A firm's licence is its credit code; a person names one in the form.
fn verify_licence(case: &Case) -> Map<String, Value> {
    let in_form = ["uscc", "licence_code", "licence_no"];
    let named = in_form
        .iter()
        .find_map(|name| case.data.get(*name).and_then(Value::as_str));
    let code = match case.applicant.kind.as_str() {
        "legal" => case.applicant.code.as_str(),
        _ => named.unwrap_or_default(),
    };
    let is_valid = kernel::code::uscc::parse(code).is_ok();
    let heard = [
        ("licence_valid", Value::from(is_valid)),
        ("licence_no", Value::from(code)),
    ];
    heard
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

async fn sub_case(
    tx: &Tx,
    desk: &Desk,
    parent: &mut Case,
    call: &Call,
) -> Result<workflow::Outcome> {
    let named = |name: &str| call.attributes.get(name).filter(|text| !text.is_empty());
    let wanted = named("part")
        .or_else(|| named("matter"))
        .cloned()
        .unwrap_or_default();
    let planned = parent
        .plan
        .iter()
        .find(|part| part.key == wanted || part.matter_code == wanted)
        .map(|part| part.key.clone());
    let Some(key) = planned else {
        // The answers do not call for it.
        let heard = Map::from_iter([("outcome".to_owned(), Value::from("not_needed"))]);
        return Ok(workflow::Outcome::Done(heard));
    };
    let mut part = submit::open_part(tx, desk, parent, &key).await?;
    if part.state().is_final() {
        return Ok(workflow::Outcome::Done(ended(parent, &part)));
    }
    part.call = Some(call.id.to_string());
    rows::update(tx, &mut part)?;
    Ok(workflow::Outcome::Wait)
}

async fn start_special(
    tx: &Tx,
    desk: &Desk,
    case: &mut Case,
    call: &Call,
) -> Result<Map<String, Value>> {
    let named = |name: &str| {
        call.attributes
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    };
    let days = named("days").parse().ok();
    suspend(tx, desk, case, named("special"), &call.name, days).await?;
    Ok(Map::new())
}

/// Stops the clock of an accepted case for a listed procedure; one that stands already stays.
async fn suspend(
    tx: &Tx,
    desk: &Desk,
    case: &mut Case,
    wanted: &str,
    step: &str,
    days: Option<u32>,
) -> Result<()> {
    if case.state() != State::Accepted {
        return Ok(());
    }
    let listed = &case.facts.terms.procedures;
    let procedure = listed
        .iter()
        .find(|p| p.key == wanted || p.name == wanted || p.kind == wanted)
        .or(listed.first());
    let event = Event::StartSpecial {
        procedure: procedure.map_or(wanted, |p| p.key.as_str()).to_owned(),
        reason: step.to_owned(),
        declared_days: days.or(procedure.map(|p| p.max_days)).unwrap_or(1).max(1),
    };
    happen(tx, desk, case, &[event], &Who::system(), step).await
}

/// Closes a decided case. A theme is decided by its parts: granted, refused, or in part.
async fn close(tx: &Tx, desk: &Desk, case: &mut Case) -> Result<Map<String, Value>> {
    let mut events = Vec::new();
    if case.is_theme && case.state() == State::Accepted {
        events.push(decision(tx, case).await?);
    }
    if !case.state().is_final() {
        events.push(Event::Close);
        let who = Who::system();
        happen(tx, desk, case, &events, &who, "").await?;
        act::settle(tx, desk, case, &who).await?;
    }
    collect(tx, case).await
}

async fn decision(tx: &Tx, case: &Case) -> Result<Event> {
    let parts = rows::list_parts_in(tx, case.id).await?;
    let refused = parts.iter().filter(|part| {
        let outcome = act::outcome(&part.facts);
        outcome != Some(Outcome::Approved)
    });
    let reasons: Vec<_> = refused
        .map(|part| {
            let decision = part.facts.decision.as_ref();
            let reason = decision.map(|d| d.reason.as_str()).unwrap_or_default();
            format!(
                "{}：{}",
                part.matter_name,
                if reason.is_empty() {
                    "已终止"
                } else {
                    reason
                }
            )
        })
        .collect();
    let reasons = reasons.join("；");
    match joint::whole(&seen(&parts)) {
        Whole::Handling => Err(Error::refused("service-work-parts-open")),
        Whole::Ended(Outcome::Approved) => Ok(Event::Approve {
            opinion: String::new(),
        }),
        Whole::Ended(Outcome::Partial) => Ok(Event::ApprovePart { opinion: reasons }),
        Whole::Ended(Outcome::Refused) => {
            let remedy = default_remedy(case);
            let remedy = if remedy.is_empty() {
                "见各事项决定书".to_owned()
            } else {
                remedy
            };
            Ok(Event::Refuse {
                reason: reasons,
                remedy,
            })
        }
    }
}

async fn collect(tx: &Tx, case: &Case) -> Result<Map<String, Value>> {
    let parts = rows::list_parts_in(tx, case.id).await?;
    let granted = parts
        .iter()
        .filter(|part| act::outcome(&part.facts) == Some(Outcome::Approved));
    let granted = granted.count();
    let outcome = match joint::whole(&seen(&parts)) {
        Whole::Ended(outcome) if case.is_theme => outcome.code(),
        Whole::Handling => "handling",
        Whole::Ended(_) => act::outcome(&case.facts).map_or("handling", Outcome::code),
    };
    let heard = json!({
        "granted": granted,
        "refused": parts.len() - granted,
        "outcome": outcome,
    });
    Ok(heard.as_object().cloned().unwrap_or_default())
}

/// Stops the clock while a task is open that says so (`tongban:suspends`).
struct Clockwork(WeakApp);

#[async_trait]
impl TaskListener for Clockwork {
    async fn created(&self, tx: &Tx, task: &workflow::event::TaskFacts) -> Result<()> {
        if task.suspends.is_empty() || !task.subject.starts_with("case:") {
            return Ok(());
        }
        let desk = Desk::of(&self.0.get()?)?;
        let mut case = rows::get_in(tx, case_of(&task.subject)?).await?;
        suspend(tx, &desk, &mut case, &task.suspends, &task.name, task.days).await
    }

    async fn gone(&self, tx: &Tx, task: &workflow::event::TaskFacts) -> Result<()> {
        if task.suspends.is_empty() || !task.subject.starts_with("case:") {
            return Ok(());
        }
        let desk = Desk::of(&self.0.get()?)?;
        let mut case = rows::get_in(tx, case_of(&task.subject)?).await?;
        if case.state() != State::Suspended {
            return Ok(());
        }
        let event = Event::EndSpecial {
            result: String::new(),
        };
        happen(tx, &desk, &mut case, &[event], &Who::system(), &task.name).await
    }
}
