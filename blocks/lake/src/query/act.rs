//! Asking: purpose, policy, plan, note, answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use datafusion::{
    arrow::array::RecordBatch,
    common::tree_node::{Transformed, TreeNode},
    execution::SendableRecordBatchStream,
    logical_expr::LogicalPlanBuilder,
    physical_plan::{ExecutionPlan, coop::CooperativeExec, execute_stream},
};
use futures::StreamExt;
use identity::{Actor, Gate, Resource};
use kernel::{Error, Fault, Result, Text, clock::micros};
use tokio::{sync::OwnedSemaphorePermit, sync::mpsc, time::Instant};
use web::App;

use super::{
    Answer, Described, Question,
    measured::measured,
    plan::{self, Planned},
    store::{self, Asker, Note},
};
use crate::Lake;

/// Characters of a purpose.
const PURPOSE: usize = 200;
/// After its last row, until its end is noted at the latest.
const LONGEST_END: Duration = Duration::from_mins(10);
/// How long a question waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers a question as far as policy lets this actor read. It is noted before its first row goes
/// out, and how it ended after the last.
pub async fn ask(app: &App, actor: &Actor, question: &Question) -> Result<Answer> {
    ask_about(app, actor, question, &[]).await
}

/// The same for a question that the program put together itself, so that it can answer rows of
/// these persons or firms only: they are told of it, and nobody else.
pub async fn ask_about(
    app: &App,
    actor: &Actor,
    question: &Question,
    about: &[String],
) -> Result<Answer> {
    let lake = app.part::<Lake>()?;
    begin(app, actor, question)?;
    let seat = tokio::time::timeout(PATIENCE, lake.0.seats.clone().acquire_owned());
    let seat = seat.await.ok().and_then(std::result::Result::ok);
    let seat =
        seat.ok_or_else(|| Error::Unavailable(Fault::new("all places for questions are taken")))?;
    let end = Instant::now() + Duration::from_secs(lake.settings().query_seconds);
    let mut planned = plan::plan(app, &lake, actor, question).await?;
    let most = question.most.min(lake.settings().query_rows);
    planned.plan = bounded(&planned, most)?;
    let note = Note::of(question, asker(actor), &planned, about);
    let id = lake
        .0
        .db
        .write(move |tx| {
            let note = note.clone();
            async move { store::begin(&tx, &note).await }
        })
        .await?;
    let hidden = planned.hidden_names();
    let schema = Arc::new(planned.plan.schema().as_arrow().clone());
    let (sender, receiver) = mpsc::channel(4);
    let is_cut = Arc::new(AtomicBool::new(false));
    let running = Running {
        lake: (*lake).clone(),
        id: id.clone(),
        who: actor.trace(),
        most,
        cuts: question.door.cuts(),
        is_cut: is_cut.clone(),
        end,
        sender,
        _seat: seat,
    };
    lake.runtime()?.spawn(running.run(planned));
    // Even a thread that hears nothing any more keeps no reader waiting.
    let last = end + PATIENCE;
    let rows = futures::stream::unfold(Some(receiver), move |receiver| async move {
        let mut receiver = receiver?;
        match tokio::time::timeout_at(last, receiver.recv()).await {
            Ok(item) => item.map(|item| (item, Some(receiver))),
            Err(_) => Some((Err(Error::refused("lake-query-time")), None)),
        }
    });
    Ok(Answer {
        id,
        schema,
        hidden,
        rows: rows.boxed(),
        is_cut,
    })
}

/// What an answer would look like; nothing is read.
pub async fn describe(app: &App, actor: &Actor, question: &Question) -> Result<Described> {
    let lake = app.part::<Lake>()?;
    begin(app, actor, question)?;
    let planned = plan::plan(app, &lake, actor, question).await?;
    Ok(Described {
        schema: Arc::new(planned.plan.schema().as_arrow().clone()),
        hidden: planned.hidden_names(),
    })
}

/// Ends questions whose server stopped under them: none runs longer than the settings let it.
pub(crate) async fn end_lost(app: &App) -> Result<()> {
    let lake = app.part::<Lake>()?;
    let longest = Duration::from_secs(lake.settings().query_seconds) + LONGEST_END;
    let db = &lake.0.db;
    let before = micros(db.clock().now() - longest);
    while db
        .write(move |tx| async move { store::end_lost(&tx, before).await })
        .await?
        > 0
    {}
    Ok(())
}

fn begin(app: &App, actor: &Actor, question: &Question) -> Result<()> {
    actor.may(&*app.part::<Gate>()?, "lake.query", &Resource::system())?;
    let purpose = question.purpose.trim();
    if purpose.is_empty() || purpose.chars().count() > PURPOSE {
        let text = Text::new("lake-purpose-needed").with("most", PURPOSE);
        return Err(Error::invalid("purpose", text));
    }
    Ok(())
}

fn asker(actor: &Actor) -> Asker {
    let post = actor.posts.first();
    Asker {
        who: actor.trace(),
        org: post.map(|post| post.org.clone()).unwrap_or_default(),
        org_name: post.map(|post| post.org_name.clone()).unwrap_or_default(),
    }
}

/// One row more than is given out, so that a cut answer is known as one.
fn bounded(planned: &Planned, most: u64) -> Result<datafusion::logical_expr::LogicalPlan> {
    let most = usize::try_from(most)
        .unwrap_or(usize::MAX)
        .saturating_add(1);
    LogicalPlanBuilder::from(planned.plan.clone())
        .limit(0, Some(most))
        .and_then(LogicalPlanBuilder::build)
        .map_err(plan::unfit)
}

/// The plan with joins that let others run. The engine yields where rows are read, but a join makes
/// more of them without reading: it would neither hear that its time is over nor that its reader
/// went away.
fn yielding(plan: Arc<dyn ExecutionPlan>) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
    let plan = plan.transform_up(|node| {
        let multiplies = ["Join", "Unnest"]
            .iter()
            .any(|part| node.name().contains(part));
        Ok(if multiplies {
            Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>)
        } else {
            Transformed::no(node)
        })
    })?;
    Ok(plan.data)
}

/// A question on its threads.
struct Running {
    lake: Lake,
    id: String,
    who: String,
    most: u64,
    cuts: bool,
    is_cut: Arc<AtomicBool>,
    end: Instant,
    sender: mpsc::Sender<Result<RecordBatch>>,
    _seat: OwnedSemaphorePermit,
}

/// How a question ended.
enum End {
    Answered,
    Cut,
    /// The reader went away.
    Dropped,
    Failed(Error),
}

impl Running {
    async fn run(self, planned: Planned) {
        let mut rows = 0;
        let end = match self.start(planned).await {
            Ok(stream) => self.flow(stream, &mut rows).await,
            Err(error) => End::Failed(error),
        };
        let state = match &end {
            End::Answered => "answered",
            End::Cut => "cut",
            End::Dropped => "dropped",
            End::Failed(_) => "failed",
        };
        let (id, who) = (self.id.clone(), self.who.clone());
        let kept = i64::try_from(rows).unwrap_or(i64::MAX);
        let noted = self.lake.0.db.write(move |tx| {
            let (id, who) = (id.clone(), who.clone());
            async move { store::finish(&tx, &id, &who, state, kept).await }
        });
        if let Err(error) = noted.await {
            tracing::warn!(
                ?error,
                question = self.id,
                "the end of a question could not be noted"
            );
        }
        let last = match end {
            End::Failed(error) => Some(error),
            End::Cut if !self.cuts => {
                let text = Text::new("lake-query-rows").with("most", self.most);
                Some(Error::Refused(text))
            }
            _ => None,
        };
        if let Some(error) = last {
            // Nobody hears it where the reader is gone.
            drop(self.sender.send(Err(error)).await);
        }
    }

    async fn start(&self, planned: Planned) -> Result<SendableRecordBatchStream> {
        let state = planned.context.state();
        let plan = tokio::time::timeout_at(self.end, state.create_physical_plan(&planned.plan));
        let plan = plan.await.map_err(|_| Error::refused("lake-query-time"))?;
        let plan = plan.and_then(yielding).map_err(plan::failed)?;
        #[cfg(feature = "cluster")]
        if self.lake.settings().is_cluster() {
            let plan = crate::cluster::divisible(plan).map_err(plan::failed)?;
            let rows = crate::cluster::submit(&self.lake, plan, state.config());
            let rows = tokio::time::timeout_at(self.end, rows).await;
            return rows.map_err(|_| Error::refused("lake-query-time"))?;
        }
        let memory = usize::try_from(self.lake.settings().query_memory_mb << 20);
        let plan = measured(plan, memory.unwrap_or(usize::MAX)).map_err(plan::failed)?;
        execute_stream(plan, state.task_ctx()).map_err(plan::failed)
    }

    async fn flow(&self, mut stream: SendableRecordBatchStream, rows: &mut u64) -> End {
        loop {
            let next = tokio::select! {
                biased;
                () = self.sender.closed() => return End::Dropped,
                next = tokio::time::timeout_at(self.end, stream.next()) => next,
            };
            let batch = match next {
                Err(_) => return End::Failed(Error::refused("lake-query-time")),
                Ok(None) => return End::Answered,
                Ok(Some(Err(error))) => return End::Failed(plan::failed(error)),
                Ok(Some(Ok(batch))) => batch,
            };
            let left = self.most.saturating_sub(*rows);
            let is_cut = batch.num_rows() as u64 > left;
            let given = batch.slice(
                0,
                batch
                    .num_rows()
                    .min(usize::try_from(left).unwrap_or(usize::MAX)),
            );
            *rows += given.num_rows() as u64;
            let send = tokio::time::timeout_at(self.end, self.sender.send(Ok(given)));
            match send.await {
                Err(_) => return End::Failed(Error::refused("lake-query-time")),
                Ok(Err(_)) => return End::Dropped,
                Ok(Ok(())) if is_cut => {
                    self.is_cut.store(true, Ordering::Release);
                    return End::Cut;
                }
                Ok(Ok(())) => {}
            }
        }
    }
}
