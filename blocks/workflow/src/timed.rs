//! Processes that time begins: a start event with a date, a duration after deployment, or a cycle.
//!
//! Only the newest version of a definition begins; the job of an older one does nothing and ends
//! there. A stroke that came while the server was down is made up for once; of a cycle, the
//! strokes that were missed besides are not.

use std::sync::Arc;

use ::store::{Db, Handler, Job, JobBody, JobFailure, Tx};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kernel::{
    Error, Fault, Result,
    crypto::{GuoMi, Suite},
};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::{
    InstanceId,
    core::{Input, Process, start_by, timer},
    engine::Engine,
    expr::{At, Expr},
    model::{Definition, Model, Node, TimerSource},
    react::write_again,
    step, store as tables,
};

/// A process begins by time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BeginByTime {
    pub definition: String,
    pub process: String,
    pub element: String,
    /// Which of the event's definitions.
    pub nth: usize,
    pub due: DateTime<Utc>,
    /// Strokes after this one; none for ever.
    pub left: Option<u32>,
}

impl JobBody for BeginByTime {
    const KIND: &'static str = "workflow.begin_by_time.v1";
}

/// When a timer strikes first, and how often after that.
fn first(source: &TimerSource, now: DateTime<Utc>) -> Option<(DateTime<Utc>, Option<u32>)> {
    let text = text(source, now)?;
    match source {
        TimerSource::Date(_) => Some((timer::date(&text)?, Some(0))),
        TimerSource::Duration(_) => Some((timer::span(&text)?.after(now), Some(0))),
        TimerSource::Cycle(_) => {
            let cycle = timer::cycle(&text)?;
            let due = cycle.first(now)?;
            if cycle.is_over(due) {
                return None;
            }
            Some((due, cycle.times.map(|times| times.saturating_sub(1))))
        }
        TimerSource::WorkingDays(_) | TimerSource::Missing => None,
    }
}

/// Whether the source says of itself when a process begins: without variables, and in the form
/// that its kind takes.
pub(crate) fn begins(source: &TimerSource) -> bool {
    // Whatever the moment, the kind is the same.
    text(source, DateTime::UNIX_EPOCH).is_some_and(|text| is_fit(source, &text))
}

/// Whether a text is of the kind that the source takes.
pub(crate) fn is_fit(source: &TimerSource, text: &str) -> bool {
    match source {
        TimerSource::Date(_) => timer::date(text).is_some(),
        TimerSource::Duration(_) => timer::span(text).is_some(),
        TimerSource::Cycle(_) => timer::cycle(text).is_some(),
        TimerSource::WorkingDays(_) | TimerSource::Missing => true,
    }
}

/// Before the process there are no variables, so only what stands by itself has a value.
fn text(source: &TimerSource, now: DateTime<Utc>) -> Option<String> {
    let (TimerSource::Date(source) | TimerSource::Duration(source) | TimerSource::Cycle(source)) =
        source
    else {
        return None;
    };
    if timer::is_literal(&source.text) {
        return Some(source.text.clone());
    }
    let at = At {
        vars: &Map::new(),
        now,
    };
    let value = Expr::parse(&source.text).ok()?.evaluate(&at).ok()?;
    value.as_str().map(str::to_owned)
}

fn timer_of(node: &Node, nth: usize) -> Option<&TimerSource> {
    match node.definitions().get(nth)? {
        Definition::Timer(source) => Some(source),
        _ => None,
    }
}

/// Enqueues what time begins of a version that was just deployed.
pub(crate) fn schedule(tx: &Tx, definition: &str, model: &Model) -> Result<()> {
    let heads = model.processes.iter();
    for head in heads.filter(|head| head.is_executable != Some(false)) {
        for &ix in &model[head.root].nodes {
            let node = &model[ix];
            for nth in 0..node.definitions().len() {
                let source = timer_of(node, nth).filter(|_| node.is_start());
                let Some((due, left)) = source.and_then(|source| first(source, tx.now())) else {
                    continue;
                };
                let job = BeginByTime {
                    definition: definition.to_owned(),
                    process: head.id.to_string(),
                    element: node.id.to_string(),
                    nth,
                    due,
                    left,
                };
                tx.enqueue_at(due, &job)?;
            }
        }
    }
    Ok(())
}

pub(crate) struct Clockwork {
    pub db: Db,
    pub engine: Arc<Engine>,
}

#[async_trait]
impl Handler for Clockwork {
    fn kind(&self) -> &'static str {
        BeginByTime::KIND
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let stroke = job.body::<BeginByTime>()?;
        let engine = self.engine.clone();
        write_again(&self.db, move |tx| {
            let (engine, stroke) = (engine.clone(), stroke.clone());
            async move { strike(&tx, &engine, &stroke).await }
        })
        .await
    }

    /// One stroke that begins nothing does not end the others. It stays among the failed jobs.
    async fn given_up(&self, job: &Job, _: &Fault) -> Result<()> {
        let Ok(stroke) = job.body::<BeginByTime>() else {
            return Ok(());
        };
        let engine = self.engine.clone();
        self.db
            .write(move |tx| {
                let (engine, stroke) = (engine.clone(), stroke.clone());
                async move {
                    if is_latest(&tx, &stroke).await? {
                        stroke.enqueue_next(&tx, &engine).await?;
                    }
                    Ok(())
                }
            })
            .await
    }
}

/// Whether its definition is the newest version.
async fn is_latest(tx: &Tx, stroke: &BeginByTime) -> Result<bool> {
    let row = tables::get_definition(&**tx, &stroke.definition).await?;
    let latest = tables::latest_definition(&**tx, &row.key).await?;
    Ok(latest.is_some_and(|latest| latest.id == row.id))
}

async fn strike(tx: &Tx, engine: &Engine, stroke: &BeginByTime) -> Result<()> {
    if !is_latest(tx, stroke).await? {
        return Ok(());
    }
    let id = stroke.instance();
    match tables::get_instance(&**tx, id).await {
        // It ran, and was stopped before it could say so.
        Ok(_) => return Ok(()),
        Err(Error::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    let new = step::New {
        id,
        definition: &stroke.definition,
        process: Some(&stroke.process),
        subject: "",
        by: "system",
        is_unattended: true,
    };
    let process = engine.process(&**tx, &stroke.definition).await?;
    let node = process.model.lookup(&stroke.element);
    let at = node.map(|ix| start_by(&process.model[ix], stroke.nth));
    let vars = Map::new();
    step::begin_as(tx, engine, &new, Input::Start { at, vars }).await?;
    stroke.enqueue_next(tx, engine).await
}

impl BeginByTime {
    /// The instance that this stroke begins: the same whenever it is asked.
    fn instance(&self) -> InstanceId {
        let name = format!(
            "{}\n{}\n{}\n{}",
            self.definition, self.process, self.element, self.nth
        );
        let digest = GuoMi.hash(name.as_bytes());
        let mut bits = [0; 10];
        bits.iter_mut()
            .zip(digest.as_ref())
            .for_each(|(to, from)| *to = *from);
        InstanceId::derived(self.due, &bits)
    }

    /// Under the name of its event: a stroke that is tried again, or given up twice, leaves the
    /// successor that waits already.
    async fn enqueue_next(&self, tx: &Tx, engine: &Engine) -> Result<()> {
        let process = engine.process(&**tx, &self.definition).await?;
        match self.next(&process, tx.now()) {
            Some(next) => {
                let (process, element) = (&next.process, &next.element);
                let key = format!("{}/{process}/{element}/{}", next.definition, next.nth);
                tx.enqueue_unique(key, next.due, &next)
            }
            None => Ok(()),
        }
    }

    /// The next stroke that is not over yet.
    fn next(&self, process: &Process, now: DateTime<Utc>) -> Option<Self> {
        let node = process.model.lookup(&self.element)?;
        let source = timer_of(&process.model[node], self.nth)?;
        let left = match self.left {
            Some(0) => return None,
            left => left.map(|left| left - 1),
        };
        let cycle = timer::cycle(&text(source, now)?)?;
        let due = cycle.every.not_past(cycle.every.next(self.due)?, now)?;
        if cycle.is_over(due) {
            return None;
        }
        Some(Self {
            due,
            left,
            ..self.clone()
        })
    }
}
