//! Figures of a process, step by step: what stands where, how long it takes, what comes back.
//!
//! What is open is counted whole. What ended is counted over a window: the last
//! [`WINDOW_DAYS`] days, and of those at most the newest [`MOST_ENDED`] tasks, so that the answer
//! takes the same time after ten years as after one.

mod store;

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Duration, Utc};
use kernel::{Result, clock::micros};
use serde::Serialize;
use utoipa::ToSchema;

use ::store::Db;

pub(crate) use store::{Ended, Open};

use crate::{
    core::{Instance, Process, State},
    engine::Engine,
    model::{Model, NodeIx},
};

/// Days back that figures of ended tasks reach.
pub const WINDOW_DAYS: i64 = 90;
/// Ended tasks looked at, the newest first.
pub const MOST_ENDED: u64 = 10_000;
/// Running instances whose tokens are counted one by one, the newest first.
pub const MOST_RUNNING: u64 = 2_000;

/// A version of a process in figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = ProcessFigures)]
pub struct Figures {
    /// `key:version:tail`.
    #[schema(example = "food-licence:3:0d8c2b7f4a11")]
    pub definition: String,
    #[schema(example = 12)]
    pub running: u64,
    /// Running instances that stopped somewhere.
    #[schema(example = 0)]
    pub stopped: u64,
    /// Begin of the window over which ended tasks are counted.
    pub since: DateTime<Utc>,
    /// More tasks ended in the window than were counted.
    pub is_ended_cut: bool,
    /// More instances run than had their tokens counted; open tasks are counted whole all the same.
    pub is_running_cut: bool,
    pub steps: Vec<Step>,
}

/// One step in figures; durations in seconds, from the task's appearance until it was done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = StepFigures)]
pub struct Step {
    #[schema(example = "examine")]
    pub element: String,
    #[schema(example = "审查")]
    pub name: String,
    /// Name of the element in the standard.
    #[schema(example = "userTask")]
    pub kind: String,
    /// Tokens that stand here now.
    #[schema(example = 4)]
    pub standing: u64,
    /// Of these, stopped with an incident.
    #[schema(example = 0)]
    pub stopped: u64,
    /// Tasks that nobody has taken, signers' parts among them.
    #[schema(example = 3)]
    pub waiting: u64,
    /// Tasks that somebody has taken.
    #[schema(example = 1)]
    pub handling: u64,
    /// Open tasks past their due time.
    #[schema(example = 1)]
    pub overdue: u64,
    #[schema(example = 120)]
    pub done: u64,
    /// Tasks that came to a step which their instance had been at before.
    #[schema(example = 6)]
    pub returned: u64,
    /// Tasks done after their due time.
    #[schema(example = 2)]
    pub late: u64,
    #[schema(example = 7200)]
    pub median_seconds: Option<i64>,
    #[schema(example = 86400)]
    pub p90_seconds: Option<i64>,
}

/// Figures of one version.
pub async fn figures(db: &Db, engine: &Engine, definition: &str) -> Result<Figures> {
    let process = engine.process(db.read(), definition).await?;
    let now = db.clock().now();
    let since = now - Duration::days(WINDOW_DAYS);
    let open = store::open_tasks(db, definition, micros(now)).await?;
    let ended = store::ended_tasks(db, definition, micros(since), MOST_ENDED).await?;
    let (running, stopped) = store::count_running(db, definition).await?;
    let mut steps = drawn(&process);
    for row in store::running(db, definition, MOST_RUNNING).await? {
        stand(&mut steps, &*engine.state(db.read(), &row).await?);
    }
    let is_running_cut = running > MOST_RUNNING;
    count_open(&mut steps, open, is_running_cut);
    let is_ended_cut = u64::try_from(ended.len()) == Ok(MOST_ENDED);
    count_ended(&mut steps, &process, ended);
    Ok(Figures {
        definition: definition.to_owned(),
        running,
        stopped,
        since,
        is_ended_cut,
        is_running_cut,
        steps: in_drawn_order(&process, steps),
    })
}

/// Running, waiting and stopped by definition, for the list of all processes.
pub async fn standing(db: &Db) -> Result<BTreeMap<String, (u64, u64, u64)>> {
    let mut all: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
    for (definition, count) in store::running_by_definition(db).await? {
        all.entry(definition).or_default().0 = count;
    }
    for (definition, count) in store::waiting_by_definition(db).await? {
        all.entry(definition).or_default().1 = count;
    }
    for (definition, count) in store::stopped_by_definition(db).await? {
        all.entry(definition).or_default().2 = count;
    }
    Ok(all)
}

type Steps = BTreeMap<String, Step>;

/// Activities and events; a gateway only shows when something stands at it.
fn drawn(process: &Process) -> Steps {
    let model = &process.model;
    let main = model.process(&process.id).map(|head| head.root);
    let mut steps = Steps::new();
    for (at, node) in model.nodes.iter().enumerate() {
        let ix = crate::model::NodeIx(at);
        let is_own = model.process_of(ix).map(|head| head.root) == main;
        if is_own && node.is_activity() {
            steps.insert(
                node.id.to_string(),
                Step {
                    element: node.id.to_string(),
                    name: node.title().to_owned(),
                    kind: node.type_name().to_owned(),
                    ..Step::default()
                },
            );
        }
    }
    steps
}

fn stand(steps: &mut Steps, instance: &Instance) {
    for token in instance.tokens.values() {
        let step = steps.entry(token.at.to_string()).or_default();
        step.standing += 1;
        step.stopped += u64::from(matches!(token.state, State::Incident(_)));
    }
}

fn count_open(steps: &mut Steps, open: Vec<Open>, is_running_cut: bool) {
    for row in open {
        let step = steps.entry(row.element).or_default();
        let count = u64::try_from(row.count).unwrap_or_default();
        if row.state == "open" {
            step.waiting += count;
        } else {
            step.handling += count;
        }
        step.overdue += u64::try_from(row.overdue).unwrap_or_default();
    }
    // Every open task has its token; those of older instances were not looked at one by one.
    if is_running_cut {
        for step in steps.values_mut() {
            step.standing = step.standing.max(step.waiting + step.handling);
        }
    }
}

/// Whether the activity runs several times without being returned: it or a scope around it
/// repeats.
fn repeats(model: &Model, ix: NodeIx) -> bool {
    let mut next = Some(ix);
    while let Some(ix) = next {
        if model[ix].repeat.is_some() {
            return true;
        }
        next = model[model[ix].scope].owner;
    }
    false
}

fn count_ended(steps: &mut Steps, process: &Process, mut ended: Vec<Ended>) {
    ended.sort_by_key(|task| task.created_at);
    let mut seen = HashSet::new();
    let mut spans: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for task in &ended {
        let is_repeated = process
            .model
            .lookup(&task.element)
            .is_some_and(|ix| repeats(&process.model, ix));
        let step = steps.entry(task.element.clone()).or_default();
        if !seen.insert((&task.instance, &task.element)) && !is_repeated {
            step.returned += 1;
        }
        if task.state != "done" {
            continue;
        }
        step.done += 1;
        step.late += u64::from(task.due_at.is_some_and(|due| due < task.done_at));
        let span = (task.done_at - task.created_at).max(0) / 1_000_000;
        spans.entry(&task.element).or_default().push(span);
    }
    for (element, mut spans) in spans {
        spans.sort_unstable();
        if let Some(step) = steps.get_mut(element) {
            step.median_seconds = quantile(&spans, 50);
            step.p90_seconds = quantile(&spans, 90);
        }
    }
}

/// The smallest value that at least `percent` of the sorted values do not exceed.
fn quantile(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// As the file has them, which follows the drawing in most modelers; the rest after.
fn in_drawn_order(process: &Process, mut steps: Steps) -> Vec<Step> {
    let mut ordered = Vec::new();
    for node in &process.model.nodes {
        if let Some(mut step) = steps.remove(&*node.id) {
            node.title().clone_into(&mut step.name);
            node.type_name().clone_into(&mut step.kind);
            step.element = node.id.to_string();
            ordered.push(step);
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let check = |values: &[i64], percent, expected| {
            assert_eq!(quantile(values, percent), expected, "{values:?} {percent}");
        };
        check(&[], 50, None);
        check(&[7], 50, Some(7));
        check(&[7], 90, Some(7));
        check(&[1, 2], 50, Some(1));
        check(&[1, 2, 3], 50, Some(2));
        check(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 90, Some(9));
        check(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], 90, Some(10));
    }
}
