//! Moving instances: first looked at, then one by one, each in a write of its own.

use kernel::{Error, Finding, Result, clock::micros};
use sea_orm::{ActiveValue::Set, ConnectionTrait};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Db, Tx};

use super::{Difference, Plan, Problem, Reason, difference, migrate, store as tables};
use crate::{
    InstanceId,
    core::{Due, Effect, Input, Instance, Process, State, Token, waits},
    deadline::{self, Limit, Terms},
    engine::Engine,
    event, post,
    react::FireTimer,
    schema::{instance, trail},
    state,
    step::{filled, step},
    store as rows,
};

/// Instances looked at or moved in one request.
const BATCH: u64 = 200;

/// Who is to be moved, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Migration)]
pub struct Wanted {
    /// The version that the instances run by: `key:version:tail`.
    #[schema(example = "restaurant:1:8f6e0d8c2b7f")]
    pub from: String,
    #[schema(example = "restaurant:2:0d8c2b7f4a11")]
    pub to: String,
    #[serde(default)]
    pub plan: Plan,
    /// Only these; all running instances of the version when none is named.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub instances: Vec<InstanceId>,
    /// `next` of the answer before, to go on.
    #[serde(default)]
    pub after: Option<String>,
}

/// What became of one instance, or would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = MigratedInstance)]
pub struct One {
    #[schema(value_type = String)]
    pub instance: InstanceId,
    #[schema(example = "case:01936f2e-7c4a-7cc1-8f6e-0d8c2b7f4a11")]
    pub subject: String,
    /// Why it stays; empty when it fits, or was moved.
    pub problems: Vec<Problem>,
}

/// What the versions differ in, and instance by instance whether it fits, or was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = MigrationReport)]
pub struct Report {
    pub difference: Difference,
    pub instances: Vec<One>,
    /// Value of `after` for the instances that are left; none at the end.
    pub next: Option<String>,
}

/// Looks whether instances fit into another version, and changes nothing.
pub async fn check(db: &Db, engine: &Engine, wanted: &Wanted) -> Result<Report> {
    let (old, new) = versions(db, engine, wanted).await?;
    let (found, next) = page(db, wanted).await?;
    let mut instances = Vec::new();
    for row in found {
        let (old, new) = processes(db.read(), engine, &row, &wanted.to).await?;
        let state = engine.state(db.read(), &row).await?;
        let moved = migrate(&old, &new, &state, &wanted.plan, db.clock().now());
        instances.push(one_of(&row, moved.err().unwrap_or_default())?);
    }
    Ok(Report {
        difference: difference(&old.model, &new.model, &wanted.plan),
        instances,
        next,
    })
}

/// Moves instances, each in its own write: those that fit are moved whatever becomes of others.
pub async fn apply(
    db: &Db,
    engine: &std::sync::Arc<Engine>,
    wanted: &Wanted,
    by: &str,
) -> Result<Report> {
    let (old, new) = versions(db, engine, wanted).await?;
    let (found, next) = page(db, wanted).await?;
    let mut instances = Vec::new();
    for row in found {
        let result = one_of(&row, Vec::new())?;
        let id = result.instance;
        let (engine, wanted, by) = (engine.clone(), wanted.clone(), by.to_owned());
        let problems = db
            .write(move |tx| {
                let (engine, wanted, by) = (engine.clone(), wanted.clone(), by.clone());
                async move { move_from(&tx, &engine, id, &wanted, &by).await }
            })
            .await?;
        instances.push(One { problems, ..result });
    }
    Ok(Report {
        difference: difference(&old.model, &new.model, &wanted.plan),
        instances,
        next,
    })
}

/// Moves one instance in the caller's write; refused with everything that does not fit.
pub async fn one(
    tx: &Tx,
    engine: &Engine,
    id: InstanceId,
    to: &str,
    plan: &Plan,
    by: &str,
) -> Result<()> {
    let problems = move_one(tx, engine, id, to, plan, by).await?;
    if problems.is_empty() {
        return Ok(());
    }
    let findings = problems
        .iter()
        .map(|problem| Finding::new(problem.element.clone(), problem.text()));
    Err(Error::Invalid(findings.collect()))
}

/// The process of an instance as it is and as it will be: that of the same id, or the main one.
async fn processes<C: ConnectionTrait>(
    db: &C,
    engine: &Engine,
    row: &instance::Model,
    to: &str,
) -> Result<(std::sync::Arc<Process>, std::sync::Arc<Process>)> {
    let old = engine.process_of(db, &row.definition, &row.process).await?;
    let new = engine.process(db, to).await?;
    if new.model.process(&row.process).is_none() {
        return Ok((old, new));
    }
    Ok((old, engine.process_of(db, to, &row.process).await?))
}

async fn versions(
    db: &Db,
    engine: &Engine,
    wanted: &Wanted,
) -> Result<(std::sync::Arc<Process>, std::sync::Arc<Process>)> {
    for id in [&wanted.from, &wanted.to] {
        if rows::get_definition(db.read(), id).await?.kind != "bpmn" {
            return Err(Error::NotFound { what: "definition" });
        }
    }
    Ok((
        engine.process(db.read(), &wanted.from).await?,
        engine.process(db.read(), &wanted.to).await?,
    ))
}

async fn page(db: &Db, wanted: &Wanted) -> Result<(Vec<instance::Model>, Option<String>)> {
    let named: Vec<String> = wanted.instances.iter().map(ToString::to_string).collect();
    let after = wanted.after.as_deref().unwrap_or_default();
    let found = tables::running(db.read(), &wanted.from, &named, after, BATCH).await?;
    let is_full = u64::try_from(found.len()) == Ok(BATCH);
    let next = found.last().map(|row| row.id.clone());
    Ok((found, next.filter(|_| is_full)))
}

fn one_of(row: &instance::Model, problems: Vec<Problem>) -> Result<One> {
    let id = row.id.parse();
    Ok(One {
        instance: id.map_err(|_| kernel::Fault::new("an instance without an identifier"))?,
        subject: row.subject.clone(),
        problems,
    })
}

/// Moves an instance that is still where the plan was made for.
async fn move_from(
    tx: &Tx,
    engine: &Engine,
    id: InstanceId,
    wanted: &Wanted,
    by: &str,
) -> Result<Vec<Problem>> {
    let row = rows::get_instance(&**tx, id).await?;
    if row.definition != wanted.from && row.definition != wanted.to {
        return Ok(vec![Problem {
            reason: Reason::Moved,
            element: String::new(),
        }]);
    }
    move_one(tx, engine, id, &wanted.to, &wanted.plan, by).await
}

async fn move_one(
    tx: &Tx,
    engine: &Engine,
    id: InstanceId,
    to: &str,
    plan: &Plan,
    by: &str,
) -> Result<Vec<Problem>> {
    let mut row = rows::get_instance(&**tx, id).await?;
    // Moved in the meantime by somebody else.
    if row.definition == to {
        return Ok(Vec::new());
    }
    let (old, new) = processes(&**tx, engine, &row, to).await?;
    let (before, was_in_parts) = state::read_from(&**tx, &row).await?;
    let (mut moved, effects) = match migrate(&old, &new, &before, plan, tx.now()) {
        Ok(moved) => moved,
        Err(problems) => return Ok(problems),
    };
    let from = std::mem::replace(&mut row.definition, to.to_owned());
    row.process = new.id.to_string();
    let mut writing = state::changes(&mut moved, was_in_parts, true)?;
    row.state = std::mem::take(&mut writing.head);
    let version = row.version;
    row.version += 1;
    let trail = rename(tx, &new, &mut row, &before, &moved, by).await?;
    tables::update_instance(tx, &row, version).await?;
    writing.write_parts(tx, &row.id).await?;
    post::keep_waits(tx, &row.id, &waits(&new, &moved)).await?;
    rows::insert_trail(tx, trail);
    tables::update_tasks(tx, &row.id, to).await?;
    move_external(tx, &new, &row, &moved).await?;
    set_timers(tx, engine, id, &row, &moved, effects).await?;
    let migrated = event::InstanceMigrated {
        instance: id,
        subject: row.subject.clone(),
        from,
        to: to.to_owned(),
    };
    tx.emit(&row.subject, by, &migrated)?;
    let joins = |token: &Token| matches!(token.state, State::Join(_));
    if moved.tokens.values().any(joins) {
        step(tx, engine, id, Input::Resume, by).await?;
    }
    Ok(Vec::new())
}

/// Tasks of workers outside belong to the new version, and wait for those of its topic.
async fn move_external(
    tx: &Tx,
    new: &Process,
    row: &instance::Model,
    moved: &Instance,
) -> Result<()> {
    let open = tables::external(tx, &row.id).await?;
    for task in open {
        let token = u32::try_from(task.token).unwrap_or_default();
        let Some(held) = moved.tokens.get(&token) else {
            continue;
        };
        let node = new.model.lookup(&held.at).map(|ix| &new.model[ix]);
        let said = node.and_then(|node| {
            let attributes = filled(&node.attributes, &moved.visible(held.frame), tx.now()).ok()?;
            attributes.get("topic").cloned()
        });
        let topic = said.unwrap_or_else(|| task.topic.clone());
        tables::move_external(tx, task, &row.definition, &held.at, topic).await?;
    }
    Ok(())
}

/// What waits under another id now is called so everywhere; answers what the trail says of it.
async fn rename(
    tx: &Tx,
    new: &Process,
    row: &mut instance::Model,
    before: &Instance,
    moved: &Instance,
    by: &str,
) -> Result<Vec<trail::ActiveModel>> {
    let mut lines = Vec::new();
    for (token, held) in &moved.tokens {
        let Some(old) = before.tokens.get(token).filter(|old| old.at != held.at) else {
            continue;
        };
        let name = new.model.lookup(&held.at).map(|ix| new.model[ix].title());
        tables::rename(tx, &row.id, *token, &held.at, name.unwrap_or_default()).await?;
        let is_told = moved.has_entered(&new.model, held);
        let told = [(&old.at, "left"), (&held.at, "entered")].into_iter();
        for (element, what) in told.filter(|_| is_told) {
            row.trail_length += 1;
            lines.push(trail::ActiveModel {
                instance: Set(row.id.clone()),
                seq: Set(row.trail_length),
                subject: Set(row.subject.clone()),
                element: Set(element.to_string()),
                what: Set(what.to_owned()),
                at: Set(micros(tx.now())),
                by: Set(by.to_owned()),
                note: Set(String::new()),
            });
        }
    }
    Ok(lines)
}

/// Timers that begin with the new version, and those that it gives up.
async fn set_timers(
    tx: &Tx,
    engine: &Engine,
    id: InstanceId,
    row: &instance::Model,
    moved: &Instance,
    effects: Vec<Effect>,
) -> Result<()> {
    let mut clocks = Vec::new();
    let mut gone = Vec::new();
    for effect in effects {
        match effect {
            Effect::Timer {
                timer,
                due: Due::At(at),
                ..
            } => tx.enqueue_at(
                at,
                &FireTimer {
                    instance: id,
                    timer,
                },
            )?,
            Effect::Timer {
                timer,
                element,
                due: Due::WorkingDays(days),
            } => {
                let variables = moved.variables();
                let region = variables.get("region").and_then(Value::as_str);
                let new = deadline::act::New {
                    kind: "timer",
                    instance: &row.id,
                    number: Some(timer),
                    subject: &row.subject,
                    element: &element,
                    region: region.unwrap_or_default(),
                    escalate: Vec::new(),
                };
                let terms = Terms {
                    limit: Limit::Days(days),
                    remind: Vec::new(),
                    escalate: String::new(),
                };
                clocks.push(deadline::act::begin(engine, tx.now(), &new, &terms)?);
            }
            Effect::TimerGone { timer } => {
                gone.push(deadline::store::id_of(&row.id, timer.into()));
            }
            _ => {}
        }
    }
    deadline::store::end(tx, &gone).await?;
    for clock in &clocks {
        deadline::act::schedule(tx, engine, clock)?;
    }
    deadline::store::insert(tx, clocks).await
}
