//! Where an instance stands and how it came there: for the picture, and as a list without it.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, Utc};
use kernel::{Result, clock::from_micros};
use serde::Serialize;
use store::Db;
use utoipa::ToSchema;

use crate::{
    InstanceId,
    engine::Engine,
    model::{Kind, Model},
    schema::trail,
    store as tables,
};

/// One stay at a step.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Stay {
    pub element: String,
    pub name: String,
    /// Name of the element in the standard, as `userTask`.
    pub kind: String,
    pub entered_at: DateTime<Utc>,
    pub left_at: Option<DateTime<Utc>>,
    /// Whether it was ended from outside: by an event that interrupts, an intervention, the end of
    /// what is around it.
    pub is_cancelled: bool,
    /// Who caused the step to be left, as events name actors.
    pub by: String,
    /// Why it stopped there; empty if it did not.
    pub stopped: String,
}

/// An instance with its trail.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Trail {
    #[schema(value_type = String)]
    pub instance: InstanceId,
    /// `key:version:tail`.
    #[schema(example = "food-licence:1:8f6e0d8c2b7f")]
    pub definition: String,
    pub process: String,
    pub subject: String,
    pub status: String,
    pub started_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// Elements passed, each once, for the picture.
    pub trail: Vec<String>,
    /// Elements that wait now.
    pub live: Vec<String>,
    pub steps: Vec<Stay>,
}

impl Trail {
    /// The stays that say something to a person: tasks, called processes, decisions, and where it
    /// stopped; gateways and the like are left out.
    pub fn told(&self) -> impl Iterator<Item = &Stay> {
        self.steps.iter().filter(|stay| {
            !stay.stopped.is_empty()
                || stay.kind.ends_with("Task")
                || matches!(
                    stay.kind.as_str(),
                    "subProcess" | "transaction" | "callActivity" | "endEvent"
                )
        })
    }
}

/// The instances about a subject, oldest first.
pub async fn trail(db: &Db, engine: &Engine, subject: &str) -> Result<Vec<Trail>> {
    let mut trails = Vec::new();
    for row in tables::instances_of(db, subject).await? {
        let id = row
            .id
            .parse()
            .map_err(|_| kernel::Fault::new("an instance without an identifier"))?;
        trails.push(trail_of(db, engine, id).await?);
    }
    Ok(trails)
}

/// One instance.
pub async fn trail_of(db: &Db, engine: &Engine, id: InstanceId) -> Result<Trail> {
    let row = tables::get_instance(db.read(), id).await?;
    let process = engine.process(db.read(), &row.definition).await?;
    let state = engine.state(db.read(), &row).await?;
    let model = &process.model;
    let (steps, passed) = stays(model, tables::trail_of(db, &row.id).await?);
    let is_told = |id: &str| {
        model
            .lookup(id)
            .is_none_or(|ix| !matches!(model[ix].kind, Kind::Gateway(_)))
    };
    let mut live: Vec<String> = Vec::new();
    for token in state.tokens.values() {
        if is_told(&token.at) && !live.contains(&token.at.to_string()) {
            live.push(token.at.to_string());
        }
    }
    Ok(Trail {
        instance: id,
        definition: row.definition,
        process: row.process,
        subject: row.subject,
        status: row.status,
        started_at: from_micros(row.started_at),
        ended_at: row.ended_at.map(from_micros),
        trail: passed,
        live,
        steps,
    })
}

/// What stood where and how long, and the elements that were left, in the order in which that
/// first happened.
fn stays(model: &Model, lines: Vec<trail::Model>) -> (Vec<Stay>, Vec<String>) {
    let mut steps: Vec<Stay> = Vec::new();
    // Places in `steps` of the stays at each element that have not ended, the oldest first: many
    // instances of one activity may be open at once.
    let mut open: HashMap<String, VecDeque<usize>> = HashMap::new();
    let mut passed: Vec<String> = Vec::new();
    for line in lines {
        let waiting = open.entry(line.element.clone()).or_default();
        let oldest = waiting.front().and_then(|&at| steps.get_mut(at));
        match (line.what.as_str(), oldest) {
            (what @ ("left" | "cancelled"), Some(stay)) => {
                stay.left_at = Some(from_micros(line.at));
                stay.is_cancelled = what == "cancelled";
                stay.by = line.by;
                waiting.pop_front();
                if !passed.contains(&line.element) {
                    passed.push(line.element);
                }
            }
            ("stopped", Some(stay)) => stay.stopped = line.note,
            ("entered", _) | ("stopped", None) => {
                let node = model.lookup(&line.element).map(|ix| &model[ix]);
                waiting.push_back(steps.len());
                steps.push(Stay {
                    name: node.map_or_else(|| line.element.clone(), |node| node.title().to_owned()),
                    kind: node.map_or_else(String::new, |node| node.type_name().to_owned()),
                    element: line.element,
                    entered_at: from_micros(line.at),
                    left_at: None,
                    is_cancelled: false,
                    by: line.by,
                    stopped: line.note,
                });
            }
            _ => {}
        }
    }
    (steps, passed)
}

/// The file that an instance runs by, as its author sent it.
pub async fn picture(db: &Db, id: InstanceId) -> Result<String> {
    let row = tables::get_instance(db.read(), id).await?;
    Ok(tables::get_definition(db.read(), &row.definition)
        .await?
        .xml)
}
