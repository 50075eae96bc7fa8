//! The job that compares: reads the records, learns, weighs, keeps the pairs, links where it may.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ::store::{Handler, Job, JobBody, JobFailure, Tx};
use async_trait::async_trait;
use kernel::{Error, Fault, Result, clock::micros};
use linkage::{Explanation, Options, Records};
use serde::{Deserialize, Serialize};
use web::App;

use super::{PairState, RunState, act, bits, read, store, thousandths};
use crate::{
    Declaration, Registries, event,
    schema::{match_pair, match_run},
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub run: String,
}

impl JobBody for Run {
    const KIND: &'static str = "registry.match.v1";
}

pub(crate) struct RunHandler(pub App);

#[async_trait]
impl Handler for RunHandler {
    fn kind(&self) -> &'static str {
        Run::KIND
    }

    /// It takes minutes where a registry has millions.
    fn lane(&self) -> Option<usize> {
        Some(1)
    }

    async fn run(&self, job: &Job) -> Result<(), JobFailure> {
        let body: Run = job.body()?;
        Ok(compare(&self.0, &body.run).await?)
    }

    /// Frees the registry for another comparison, whatever stood in the way of this one.
    async fn given_up(&self, job: &Job, reason: &Fault) -> Result<()> {
        // One that cannot be read names no comparison.
        let Ok(body) = job.body::<Run>() else {
            return Ok(());
        };
        let row = store::get_run(self.0.db().read(), &body.run).await;
        if matches!(row, Err(Error::NotFound { .. })) {
            return Ok(());
        }
        let problem = reason.chain();
        let failed = move |row: &mut match_run::Model| {
            RunState::Failed.name().clone_into(&mut row.state);
            row.problem.clone_from(&problem);
        };
        change(&self.0, &body.run, failed).await.map(drop)
    }
}

/// Changes the row of a run.
async fn change(
    app: &App,
    run: &str,
    set: impl Fn(&mut match_run::Model) + Clone + Send + Sync + 'static,
) -> Result<match_run::Model> {
    let run = run.to_owned();
    app.db()
        .write(move |tx| {
            let (run, set) = (run.clone(), set.clone());
            async move {
                let mut row = store::get_run(&*tx, &run).await?;
                set(&mut row);
                store::update_run(&tx, row.clone()).await?;
                Ok(row)
            }
        })
        .await
}

/// A pair as it is to be kept.
struct Found {
    left: String,
    right: String,
    explanation: Explanation,
}

/// What comparing all records gave.
struct Compared {
    model: String,
    records: usize,
    candidates: u64,
    skipped: u64,
    found: Vec<Found>,
}

async fn compare(app: &App, run: &str) -> Result<()> {
    let row = store::get_run(app.db().read(), run).await?;
    // A job runs again after a crash; what is done is not begun again. What failed is, where an
    // operator asks for it.
    if RunState::of_name(&row.state) == RunState::Done {
        return Ok(());
    }
    let begun = |row: &mut match_run::Model| {
        RunState::Running.name().clone_into(&mut row.state);
        row.problem.clear();
    };
    let row = change(app, &row.id, begun).await?;
    let registries = app.part::<Registries>()?;
    let declaration = registries
        .declaration(app.db().read(), &row.registry)
        .await?;
    let records = records(app, &row, &declaration).await?;
    let compared = watched(app, &row, records).await?;
    let links = keep(app, &row, &declaration, &compared.found).await?;
    finish(app, &row, &compared, links).await
}

async fn records(app: &App, row: &match_run::Model, declaration: &Declaration) -> Result<Records> {
    let db = app.db().read();
    let mut records = Records::new(read::spell, app.clock().today());
    read::add_all(db, declaration, 0, &mut records).await?;
    if row.other != row.registry {
        let registries = app.part::<Registries>()?;
        let other = registries.declaration(db, &row.other).await?;
        read::add_all(db, &other, 1, &mut records).await?;
    }
    records.finish();
    Ok(records)
}

/// Compares on threads of its own; the row tells meanwhile how far it is.
async fn watched(app: &App, row: &match_run::Model, records: Records) -> Result<Compared> {
    let seen = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let (told, options, review) = (seen.clone(), options(row), row.review_from);
    let mut work = tokio::task::spawn_blocking(move || weigh(&records, &options, review, &told));
    loop {
        tokio::select! {
            done = &mut work => {
                return done.map_err(|e| Fault::caused_by("compare records", e))?;
            }
            () = tokio::time::sleep(Duration::from_secs(1)) => {
                let (done, total) = (seen.0.load(Ordering::Relaxed), seen.1.load(Ordering::Relaxed));
                change(app, &row.id, move |row| {
                    row.done = whole(done);
                    row.total = whole(total);
                })
                .await?;
            }
        }
    }
}

fn options(row: &match_run::Model) -> Options {
    Options {
        least_weight: bits(row.review_from),
        is_between_sides: row.other != row.registry,
        ..Options::default()
    }
}

fn weigh(
    records: &Records,
    options: &Options,
    review: i64,
    told: &(AtomicU64, AtomicU64),
) -> Result<Compared> {
    // Learning looks at all candidates once, weighing once more.
    let progress = |round: u64| {
        move |done: u64, total: u64| {
            told.0.store(round * total + done, Ordering::Relaxed);
            told.1.store(2 * total, Ordering::Relaxed);
        }
    };
    let model = linkage::train(records, options, &progress(0));
    let scored = linkage::score(records, &model, options, &progress(1));
    let mut found = Vec::new();
    for pair in &scored.pairs {
        let explanation = linkage::explain(records, &model, pair.left, pair.right);
        let explanation = explanation.ok_or_else(|| Fault::new("a pair has no records"))?;
        if !explanation.is_key && thousandths(explanation.weight) < review {
            continue;
        }
        found.push(Found {
            left: records.id(pair.left).to_owned(),
            right: records.id(pair.right).to_owned(),
            explanation,
        });
    }
    let model = serde_json::to_string(&model);
    Ok(Compared {
        model: model.map_err(|e| Fault::caused_by("write a model", e))?,
        records: records.len(),
        candidates: scored.candidates,
        skipped: scored.skipped,
        found,
    })
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Pairs of one transaction: enough to be quick, few enough that others get their turn.
const PAIRS: usize = 200;

/// How many pairs were linked, and how many wait for a person.
#[derive(Clone, Copy, Default)]
struct Links {
    linked: u64,
    to_review: u64,
}

async fn keep(
    app: &App,
    row: &match_run::Model,
    declaration: &Arc<Declaration>,
    found: &[Found],
) -> Result<Links> {
    let mut links = Links::default();
    for some in found.chunks(PAIRS) {
        let rows: Vec<match_pair::Model> = some
            .iter()
            .map(|found| pair(row, found))
            .collect::<Result<_>>()?;
        let (row, declaration, rows) = (row.clone(), declaration.clone(), Arc::new(rows));
        let step = app
            .db()
            .write(move |tx| {
                let (row, declaration, rows) = (row.clone(), declaration.clone(), rows.clone());
                async move { keep_in(&tx, &row, &declaration, &rows).await }
            })
            .await?;
        links.linked += step.linked;
        links.to_review += step.to_review;
    }
    Ok(links)
}

fn pair(row: &match_run::Model, found: &Found) -> Result<match_pair::Model> {
    let explanation = serde_json::to_string(&found.explanation)
        .map_err(|e| Fault::caused_by("write what a pair weighs", e))?;
    // Of two records of one registry the earlier is always the left one, whatever the order in
    // which they were read.
    let is_turned = row.registry == row.other && found.left > found.right;
    let (left, right) = if is_turned {
        (&found.right, &found.left)
    } else {
        (&found.left, &found.right)
    };
    Ok(match_pair::Model {
        id: String::new(),
        run: row.id.clone(),
        registry: row.registry.clone(),
        left_record: left.clone(),
        other: row.other.clone(),
        right_record: right.clone(),
        weight: thousandths(found.explanation.weight),
        is_key: found.explanation.is_key,
        explanation,
        state: PairState::Open.name().to_owned(),
        decided_by: String::new(),
        decided_at: None,
        reason: String::new(),
        merge: None,
        version: 1,
    })
}

async fn keep_in(
    tx: &Tx,
    run: &match_run::Model,
    declaration: &Declaration,
    rows: &[match_pair::Model],
) -> Result<Links> {
    let left: HashSet<&str> = rows.iter().map(|row| row.left_record.as_str()).collect();
    let left: Vec<&str> = left.into_iter().collect();
    let mut known = store::known_pairs(&**tx, &left).await?;
    let (mut new, mut open, mut links) = (Vec::new(), Vec::new(), Links::default());
    for row in rows {
        let records = (row.left_record.clone(), row.right_record.clone());
        match known.remove(&records) {
            None => {
                let row = match_pair::Model {
                    id: ::store::event::new_id(tx.now()),
                    ..row.clone()
                };
                new.push(row.clone());
                open.push(row);
            }
            Some(old) if PairState::of_name(&old.state).is_undecided() => {
                open.push(store::update_pair(tx, weighed_again(old, row)).await?);
            }
            Some(_) => {}
        }
    }
    store::insert_pairs(tx, new).await?;
    for row in open {
        if run.links_itself && (row.is_key || row.weight >= run.link_from) {
            link(tx, run, declaration, row).await?;
            links.linked += 1;
        } else {
            links.to_review += 1;
        }
    }
    Ok(links)
}

fn weighed_again(old: match_pair::Model, new: &match_pair::Model) -> match_pair::Model {
    match_pair::Model {
        run: new.run.clone(),
        weight: new.weight,
        is_key: new.is_key,
        explanation: new.explanation.clone(),
        ..old
    }
}

/// Merges the two records of a pair; the earlier one stays.
async fn link(
    tx: &Tx,
    run: &match_run::Model,
    declaration: &Declaration,
    mut row: match_pair::Model,
) -> Result<()> {
    let reason = format!("match {} {:.3}", run.id, bits(row.weight));
    row.merge = act::join(
        tx,
        declaration,
        &row.right_record,
        &row.left_record,
        &reason,
        &run.actor,
    )
    .await?;
    act::finish(tx, row, PairState::Linked, &reason, &run.actor).await?;
    Ok(())
}

async fn finish(
    app: &App,
    row: &match_run::Model,
    compared: &Compared,
    links: Links,
) -> Result<()> {
    let run = match_run::Model {
        state: RunState::Done.name().to_owned(),
        records: whole(u64::try_from(compared.records).unwrap_or(u64::MAX)),
        candidates: whole(compared.candidates),
        skipped: whole(compared.skipped),
        linked: whole(links.linked),
        to_review: whole(links.to_review),
        model: compared.model.clone(),
        done: 1,
        total: 1,
        ..row.clone()
    };
    app.db()
        .write(move |tx| {
            let mut run = run.clone();
            async move {
                run.finished_at = Some(micros(tx.now()));
                store::update_run(&tx, run.clone()).await?;
                let body = event::MatchFinished {
                    run: run.id.clone(),
                    registry: run.registry.clone(),
                    other: run.other.clone(),
                    records: run.records,
                    linked: run.linked,
                    to_review: run.to_review,
                };
                tx.emit(format!("registry:{}", run.registry), &run.actor, &body)
            }
        })
        .await
}
