//! JSON doors to cases and tasks: what the pages do, for programs.

use axum::{
    Json,
    extract::{Path, Query, State as AppState},
    http::StatusCode,
};
use identity::Actor;
use kernel::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{App, WebError};

use super::{
    CaseId, Channel, Event, Outcome, State,
    act::{self, Desk},
    correct,
    due::Signal,
    flow::{self, Task, Whose},
    progress::{self, Progress},
    store::{self as rows, Case, Entry, Material, Opinion},
    work::{self, Done},
};
use crate::reveal;

/// Doors under `/api/service`.
pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(do_act))
        .routes(routes!(begin_correction))
        .routes(routes!(supply))
        .routes(routes!(ask))
        .routes(routes!(tasks))
        .routes(routes!(task))
        .routes(routes!(claim))
        .routes(routes!(release))
        .routes(routes!(transfer))
        .routes(routes!(complete))
}

/// A case in a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = CaseLine)]
pub(crate) struct Line {
    id: String,
    #[schema(example = "32100001430000020260302000001K")]
    number: String,
    matter: String,
    matter_name: String,
    applicant: String,
    org: String,
    org_name: String,
    region: String,
    channel: Channel,
    state: State,
    outcome: Option<Outcome>,
    #[schema(value_type = Option<String>, example = "2026-03-09")]
    due: Option<chrono::NaiveDate>,
    /// The date may move when the official calendar of its year is published.
    is_due_provisional: bool,
    signal: Signal,
    submitted_at: Option<chrono::DateTime<chrono::Utc>>,
    parent: Option<String>,
    certificate: Option<String>,
}

fn line(desk: &Desk, case: &Case) -> kernel::Result<Line> {
    let today = desk.db.clock().today();
    Ok(Line {
        id: case.id.to_string(),
        number: case.number.clone(),
        matter: case.matter_code.clone(),
        matter_name: case.matter_name.clone(),
        applicant: case.applicant.name.clone(),
        org: case.org.clone(),
        org_name: case.org_name.clone(),
        region: case.region.clone(),
        channel: case.channel,
        state: case.state(),
        outcome: act::outcome(&case.facts),
        due: case.facts.due(),
        is_due_provisional: case.facts.is_provisional(&desk.calendar),
        signal: case.signal(today, &desk.calendar)?,
        submitted_at: case.facts.submitted_at,
        parent: case.parent_number.clone(),
        certificate: case.certificate.clone(),
    })
}

/// A page of a list; `next` goes into `after`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Cases {
    items: Vec<Line>,
    next: Option<String>,
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
pub(crate) struct ListQuery {
    after: String,
    limit: Option<u64>,
    /// `open` or `closed`; all when empty. For officers.
    state: String,
    /// Beginning of a case number. For officers.
    number: String,
}

/// Cases of one's own, newest first; for officers those of their bodies, the most urgent first.
#[utoipa::path(get, path = "/api/service/cases", tag = "service", params(ListQuery),
    responses((status = 200, body = Cases)))]
async fn list(
    AppState(app): AppState<App>,
    actor: Actor,
    Query(query): Query<ListQuery>,
) -> Result<Json<Cases>, WebError> {
    let desk = Desk::of(&app)?;
    let limit = query.limit.unwrap_or(20).clamp(1, 100);
    let (cases, has_more) = if actor.is_officer() {
        let search = super::desk_search(&actor, &query.state, &query.number, &query.after, limit);
        desk.gate
            .check(&actor, "service.work.view", &identity::Resource::system())?;
        rows::list(app.db().read(), &search).await?
    } else {
        let parties: Vec<_> = actor
            .party()
            .map(|p| p.id.to_string())
            .into_iter()
            .collect();
        let user = actor.user.to_string();
        rows::list_own(app.db().read(), &parties, &user, &query.after, limit).await?
    };
    let next = cases.last().filter(|_| has_more).map(|last| {
        if actor.is_officer() {
            rows::list_key(last)
        } else {
            last.id.to_string()
        }
    });
    let items = cases
        .iter()
        .map(|case| line(&desk, case))
        .collect::<kernel::Result<_>>()?;
    Ok(Json(Cases { items, next }))
}

/// Everything about a case that the asker may see.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Whole {
    #[serde(flatten)]
    case: Line,
    /// Dates, suspensions, extension, decision.
    #[schema(value_type = Object)]
    facts: super::Facts,
    #[schema(value_type = Object)]
    answers: Value,
    /// Personal values are masked unless they are one's own or `POST …/reveals` opened them.
    #[schema(value_type = Object)]
    data: Value,
    /// Masked as `data`.
    applicant_code: String,
    applicant_phone: String,
    materials: Vec<Material>,
    timeline: Vec<Entry>,
    opinions: Vec<Opinion>,
    parts: Vec<Line>,
    tasks: Vec<Task>,
    instance: Option<String>,
}

/// One case.
#[utoipa::path(get, path = "/api/service/cases/{id}", tag = "service",
    params(("id" = String, Path, description = "Id of the case")),
    responses((status = 200, body = Whole), (status = 404, description = "No such case, or not yours")))]
async fn show(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<Whole>, WebError> {
    let desk = Desk::of(&app)?;
    let case = act::view(&desk, &actor, case_id(&id)?).await?;
    let db = app.db().read();
    let is_officer = actor.is_officer();
    let is_full = reveal::act::is_open(&desk, &actor, &case).await?;
    let data = if is_full {
        case.data.clone()
    } else {
        reveal::masked(&super::desk::forms_of(&desk, &case).await?, &case.data)
    };
    let parts = rows::list_parts(db, case.id).await?;
    let parts = parts
        .iter()
        .map(|part| line(&desk, part))
        .collect::<kernel::Result<_>>()?;
    let opinions = if is_officer {
        rows::list_opinions(db, case.id).await?
    } else {
        Vec::new()
    };
    let tasks = if is_officer {
        flow::tasks_of(&desk, &case).await?
    } else {
        Vec::new()
    };
    Ok(Json(Whole {
        case: line(&desk, &case)?,
        facts: case.facts.clone(),
        answers: serde_json::json!(case.answers),
        data,
        applicant_code: reveal::code(&case.applicant.code, is_full),
        applicant_phone: reveal::phone(&case.applicant.phone, is_full),
        materials: rows::list_materials(db, case.id).await?,
        timeline: rows::list_entries(db, case.id, !is_officer).await?,
        opinions,
        parts,
        tasks,
        instance: case.instance.clone(),
    }))
}

fn case_id(text: &str) -> Result<CaseId, Error> {
    text.parse().map_err(|_| Error::NotFound { what: "case" })
}

/// Lets something happen to a case.
///
/// What a body may contain, by `event`: `withdraw` (`reason`), `extend` (`days`, `reason`), `abort`
/// (`ground`), `accept`, `notify_correction` (`missing`), `refuse_acceptance`, `start_special`,
/// `end_special`, `review`, `approve`, `refuse`, `close`, `deliver` (`how`, `receiver`).
#[utoipa::path(post, path = "/api/service/cases/{id}/acts", tag = "service",
    params(("id" = String, Path)),
    request_body(content = Event, example = json!({"event": "withdraw", "reason": "不再需要"})),
    responses((status = 200, body = Line), (status = 409, description = "The state does not allow it"),
        (status = 422, description = "Something is missing")))]
async fn do_act(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(event): Json<Event>,
) -> Result<Json<Line>, WebError> {
    let desk = Desk::of(&app)?;
    let case = act::act(&desk, &actor, case_id(&id)?, event).await?;
    Ok(Json(line(&desk, &case)?))
}

/// Where a correction's files go: hand each in at `POST /api/forms/files` with this draft and the
/// key of its material as `field` (`correction` for others), then hand the draft in.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Correction {
    draft: String,
    /// Version of the draft, for saving a `note`.
    #[schema(example = 1)]
    version: i64,
    /// What the notice says is missing.
    missing: Vec<String>,
    /// Keys of materials that files can be handed in for.
    #[schema(example = json!(["plan", "correction"]))]
    fields: Vec<String>,
}

/// Begins a correction, or finds the one that was begun.
#[utoipa::path(post, path = "/api/service/cases/{id}/correction/draft", tag = "service",
    params(("id" = String, Path)),
    responses((status = 200, body = Correction), (status = 404),
        (status = 409, description = "The case waits for no correction")))]
async fn begin_correction(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<Correction>, WebError> {
    let id = case_id(&id)?;
    let draft = correct::open(&app, &actor, id).await?;
    let case = rows::get(app.db().read(), id).await?;
    let is_file = |field: &&forms::Field| field.file.is_some();
    let fields = draft.form.fields.iter().filter(is_file);
    Ok(Json(Correction {
        fields: fields.map(|field| field.name.clone()).collect(),
        draft: draft.id.to_string(),
        version: draft.version,
        missing: case.facts.missing,
    }))
}

/// Which draft is handed in.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Supply {
    #[schema(example = "0192f0c1-2b3c-7d4e-8f50-617283940a1b")]
    draft: String,
}

/// Hands in what was missing; the time for the answer begins anew. Again for the same draft: the
/// case as it is.
#[utoipa::path(post, path = "/api/service/cases/{id}/correction", tag = "service",
    params(("id" = String, Path)), request_body = Supply,
    responses((status = 200, body = Line), (status = 404), (status = 409, description = "The case waits for no correction"),
        (status = 422, description = "Nothing was supplied")))]
async fn supply(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<Supply>,
) -> Result<Json<Line>, WebError> {
    let unknown = |_| Error::NotFound { what: "draft" };
    let draft = body.draft.parse().map_err(unknown)?;
    let case = correct::hand_in(&app, &actor, case_id(&id)?, draft).await?;
    Ok(Json(line(&Desk::of(&app)?, &case)?))
}

/// A case number and its password.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct Ask {
    #[schema(example = "32100001430000020260302000001K")]
    number: String,
    #[schema(example = "123456")]
    password: String,
}

/// How a case goes; nobody has to sign in.
#[utoipa::path(post, path = "/api/service/progress", tag = "service", request_body = Ask,
    responses((status = 200, body = Progress), (status = 422, description = "Wrong number or password")))]
async fn ask(
    AppState(app): AppState<App>,
    Json(body): Json<Ask>,
) -> Result<Json<Progress>, WebError> {
    let desk = Desk::of(&app)?;
    Ok(Json(
        progress::ask(&desk, &body.number, &body.password).await?,
    ))
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
pub(crate) struct TaskQuery {
    /// `mine` (claimed by me) or `groups` (of my posts, claimed by nobody).
    whose: String,
    after: String,
    limit: Option<u64>,
}

/// A page of tasks.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = CaseTasks)]
pub(crate) struct Tasks {
    items: Vec<Task>,
    next: Option<String>,
}

/// Tasks of an officer.
#[utoipa::path(get, path = "/api/service/tasks", tag = "service", params(TaskQuery),
    responses((status = 200, body = Tasks)))]
async fn tasks(
    AppState(app): AppState<App>,
    actor: Actor,
    Query(query): Query<TaskQuery>,
) -> Result<Json<Tasks>, WebError> {
    let desk = Desk::of(&app)?;
    desk.gate
        .check(&actor, "service.work.view", &identity::Resource::system())?;
    let whose = if query.whose == "mine" {
        Whose::Mine
    } else {
        Whose::Groups
    };
    let limit = query.limit.unwrap_or(20).clamp(1, 100);
    let (items, next) = flow::list_tasks(&desk, &actor, whose, &query.after, limit).await?;
    Ok(Json(Tasks { items, next }))
}

/// A task with what may be answered.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TaskWhole {
    #[serde(flatten)]
    task: Task,
    case: Line,
    outcomes: Vec<String>,
}

/// One task.
#[utoipa::path(get, path = "/api/service/tasks/{id}", tag = "service",
    params(("id" = String, Path)), responses((status = 200, body = TaskWhole)))]
async fn task(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<TaskWhole>, WebError> {
    let desk = Desk::of(&app)?;
    let (task, case) = work::open(&desk, &actor, &id).await?;
    Ok(Json(TaskWhole {
        outcomes: work::outcomes(&task, &case),
        case: line(&desk, &case)?,
        task,
    }))
}

/// Takes a task into one's own hands.
#[utoipa::path(post, path = "/api/service/tasks/{id}/claim", tag = "service",
    params(("id" = String, Path)),
    responses((status = 200, body = Task), (status = 409, description = "Somebody else has it")))]
async fn claim(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<Task>, WebError> {
    let desk = Desk::of(&app)?;
    Ok(Json(work::claim(&desk, &actor, &id).await?))
}

/// Gives a task back to its group.
#[utoipa::path(post, path = "/api/service/tasks/{id}/release", tag = "service",
    params(("id" = String, Path)), responses((status = 200, body = Task)))]
async fn release(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<Task>, WebError> {
    let desk = Desk::of(&app)?;
    Ok(Json(work::release(&desk, &actor, &id).await?))
}

/// To whom a task goes.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct To {
    /// User id of the colleague.
    #[schema(example = "01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    user: String,
    #[schema(example = "出差三天，由同组同志继续办理")]
    reason: String,
}

/// Hands a task to a colleague.
#[utoipa::path(post, path = "/api/service/tasks/{id}/transfer", tag = "service",
    params(("id" = String, Path)), request_body = To, responses((status = 200, body = Task)))]
async fn transfer(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(to): Json<To>,
) -> Result<Json<Task>, WebError> {
    let desk = Desk::of(&app)?;
    Ok(Json(
        work::transfer(&desk, &actor, &id, &to.user, &to.reason).await?,
    ))
}

/// Completes a task: its outcome is the act on the case.
#[utoipa::path(post, path = "/api/service/tasks/{id}/complete", tag = "service",
    params(("id" = String, Path)),
    request_body(content = Done, example = json!({"outcome": "accept"})),
    responses((status = 200, body = Line), (status = 409, description = "Done already, or the state does not allow it"),
        (status = 422, description = "Something is missing")))]
async fn complete(
    AppState(app): AppState<App>,
    actor: Actor,
    Path(id): Path<String>,
    Json(done): Json<Done>,
) -> Result<(StatusCode, Json<Line>), WebError> {
    let desk = Desk::of(&app)?;
    let case = work::complete(&desk, &actor, &id, done).await?;
    Ok((StatusCode::OK, Json(line(&desk, &case)?)))
}
