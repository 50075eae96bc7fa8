//! What stewards do with matters: draft, publish, suspend, resume, cancel.

use identity::{Actor, Gate, Resource};
use kernel::{Error, Finding, Result, Text};
use serde::{Deserialize, Serialize};
use store::{Db, EventBody, Tx};

use super::{Matter, State, checks, store as rows};

/// A version came into force, was suspended, resumed or ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MatterChanged {
    pub task_code: String,
    pub version: i32,
    pub state: State,
    pub name: String,
    pub dept_code: String,
    pub dept_name: String,
    pub area_code: String,
}

impl EventBody for MatterChanged {
    const KIND: &'static str = "service.matter_changed.v1";
}

/// The matter as policies see it.
pub fn resource(matter: &Matter) -> Resource {
    Resource::new("Matter", &matter.task_code)
        .org(&matter.dept_code)
        .region(&matter.area_code)
}

/// Keeps a draft and answers its version. There is one draft per matter; `row_version` is that of
/// the draft being edited, `None` for the first.
pub async fn save_draft(
    db: &Db,
    gate: &Gate,
    actor: &Actor,
    matter: Matter,
    row_version: Option<i32>,
) -> Result<i32> {
    gate.check(actor, "service.matter.edit", &resource(&matter))?;
    if matter.task_code.trim().is_empty() || matter.name.trim().is_empty() {
        let text = Text::new("service-matter-needs-code-and-name");
        return Err(Error::invalid("task_code", text));
    }
    db.write(move |tx| {
        let matter = matter.clone();
        async move { save_draft_in(&tx, matter, row_version).await }
    })
    .await
}

async fn save_draft_in(tx: &Tx, mut matter: Matter, row_version: Option<i32>) -> Result<i32> {
    let versions = rows::lookup_versions(&**tx, &matter.task_code).await?;
    let draft = versions.iter().find(|v| v.1 == State::Draft);
    matter.state = State::Draft;
    match (draft, row_version) {
        (Some((version, ..)), Some(row_version)) => {
            matter.version = *version;
            rows::update(tx, &matter, false, row_version).await?;
        }
        (Some(_), None) => return Err(Error::refused("service-matter-has-draft")),
        (None, Some(_)) => return Err(Error::refused("service-matter-changed-meanwhile")),
        (None, None) => {
            matter.version = next_version(&versions);
            rows::insert(tx, &matter, false).await?;
        }
    }
    Ok(matter.version)
}

/// Version 0 is what a list brought; published changes count from 1.
fn next_version(versions: &[(i32, State, bool)]) -> i32 {
    versions.iter().map(|v| v.0).max().unwrap_or(0) + 1
}

/// Puts a draft into force; what was in force before is superseded. Invalid with every failed
/// publication check.
pub async fn publish(
    db: &Db,
    gate: &Gate,
    actor: &Actor,
    task_code: &str,
    version: i32,
) -> Result<()> {
    let matter = rows::get(db.read(), task_code, version).await?;
    gate.check(actor, "service.matter.publish", &resource(&matter))?;
    let findings = checks(&matter);
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    let (task_code, trace) = (task_code.to_owned(), actor.trace());
    db.write(move |tx| {
        let (task_code, trace) = (task_code.clone(), trace.clone());
        async move { publish_in(&tx, &task_code, version, &trace).await }
    })
    .await
}

async fn publish_in(tx: &Tx, task_code: &str, version: i32, trace: &str) -> Result<()> {
    let (mut matter, row_version) = rows::get_for_edit(&**tx, task_code, version).await?;
    match matter.state {
        State::Draft => {}
        // A second press of the button finds its work done.
        State::Published => return Ok(()),
        _ => return Err(Error::refused("service-matter-not-a-draft")),
    }
    rows::update_superseded(tx, task_code).await?;
    matter.state = State::Published;
    rows::update(tx, &matter, true, row_version).await?;
    emit(tx, &matter, trace)
}

/// Closes a published matter for new applications; running cases go on.
pub async fn suspend(
    db: &Db,
    gate: &Gate,
    actor: &Actor,
    task_code: &str,
    version: i32,
) -> Result<()> {
    let (from, to) = (&[State::Published][..], State::Suspended);
    move_to(db, gate, actor, (task_code, version), from, to).await
}

/// Opens a suspended matter again.
pub async fn resume(
    db: &Db,
    gate: &Gate,
    actor: &Actor,
    task_code: &str,
    version: i32,
) -> Result<()> {
    let (from, to) = (&[State::Suspended][..], State::Published);
    move_to(db, gate, actor, (task_code, version), from, to).await
}

/// Ends a matter; the guide keeps saying that it is no more.
pub async fn cancel(
    db: &Db,
    gate: &Gate,
    actor: &Actor,
    task_code: &str,
    version: i32,
) -> Result<()> {
    let from = &[State::Published, State::Suspended, State::Listed][..];
    move_to(
        db,
        gate,
        actor,
        (task_code, version),
        from,
        State::Cancelled,
    )
    .await
}

async fn move_to(
    db: &Db,
    gate: &Gate,
    actor: &Actor,
    (task_code, version): (&str, i32),
    from: &'static [State],
    to: State,
) -> Result<()> {
    let matter = rows::get(db.read(), task_code, version).await?;
    gate.check(actor, "service.matter.publish", &resource(&matter))?;
    let (task_code, trace) = (task_code.to_owned(), actor.trace());
    db.write(move |tx| {
        let (task_code, trace) = (task_code.clone(), trace.clone());
        async move {
            let (mut matter, row_version) = rows::get_for_edit(&*tx, &task_code, version).await?;
            if matter.state == to {
                return Ok(());
            }
            if !from.contains(&matter.state) {
                return Err(Error::refused("service-matter-wrong-state"));
            }
            matter.state = to;
            rows::update(&tx, &matter, true, row_version).await?;
            emit(&tx, &matter, &trace)
        }
    })
    .await
}

/// Puts a pack's matter into force. The same content again changes nothing; other content becomes
/// the next version. Answers whether anything changed.
pub async fn install(tx: &Tx, mut matter: Matter) -> Result<bool> {
    let findings = checks(&matter);
    if !findings.is_empty() {
        return Err(Error::Invalid(findings));
    }
    let versions = rows::lookup_versions(&**tx, &matter.task_code).await?;
    if let Some(shown) = rows::lookup_shown(&**tx, &matter.task_code).await? {
        matter.version = shown.version;
        matter.state = shown.state;
        if shown == matter && shown.state != State::Listed {
            return Ok(false);
        }
    }
    rows::update_superseded(tx, &matter.task_code).await?;
    matter.version = next_version(&versions);
    matter.state = State::Published;
    rows::insert(tx, &matter, true).await?;
    emit(tx, &matter, "system")?;
    Ok(true)
}

fn emit(tx: &Tx, matter: &Matter, trace: &str) -> Result<()> {
    let body = MatterChanged {
        task_code: matter.task_code.clone(),
        version: matter.version,
        state: matter.state,
        name: matter.name.clone(),
        dept_code: matter.dept_code.clone(),
        dept_name: matter.dept_name.clone(),
        area_code: matter.area_code.clone(),
    };
    tx.emit(format!("matter:{}", matter.task_code), trace, &body)
}

/// The checks of one version, for a steward to work through.
pub async fn findings(
    db: &Db,
    gate: &Gate,
    actor: &Actor,
    task_code: &str,
    version: i32,
) -> Result<(Matter, Vec<Finding>)> {
    let matter = rows::get(db.read(), task_code, version).await?;
    gate.check(actor, "service.matter.edit", &resource(&matter))?;
    let findings = checks(&matter);
    Ok((matter, findings))
}
