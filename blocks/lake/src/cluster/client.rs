//! The server's side: a plan goes to the scheduler, its rows come from the executors.

use std::{sync::Arc, time::Duration};

use ballista_core::{
    client::BallistaClient,
    extension::SessionConfigHelperExt,
    serde::protobuf::{
        CancelJobParams, CleanJobDataParams, ExecuteQueryParams, GetJobStatusParams,
        PartitionLocation, execute_query_params::Query, execute_query_result, job_status::Status,
        scheduler_grpc_client::SchedulerGrpcClient,
    },
    version,
};
use datafusion::{
    error::{DataFusionError, Result as Answered},
    execution::SendableRecordBatchStream,
    physical_plan::{ExecutionPlan, stream::RecordBatchStreamAdapter},
    prelude::SessionConfig,
};
use datafusion_proto::{physical_plan::AsExecutionPlan, protobuf::PhysicalPlanNode};
use futures::{StreamExt, TryStreamExt};
use kernel::{Error, Fault, Result};
use tonic::transport::{Channel, Endpoint};

use super::{MESSAGE, address, codec::Codec};
use crate::Lake;

/// How long the scheduler may take to answer at all.
const PATIENCE: Duration = Duration::from_secs(5);
/// All questions of this server are one session: executors then keep what they learnt of a file.
const SESSION: &str = "tongban";
/// Between two looks at a job, at first and at most.
const LOOK: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));

/// A question on the cluster. Dropped, it is stopped there, and what it left is removed.
struct Job {
    scheduler: SchedulerGrpcClient<Channel>,
    runtime: tokio::runtime::Handle,
    id: String,
    is_done: bool,
}

impl Drop for Job {
    fn drop(&mut self) {
        let (mut scheduler, job_id) = (self.scheduler.clone(), self.id.clone());
        let is_done = self.is_done;
        self.runtime.spawn(async move {
            let told = if is_done {
                let clean = scheduler.clean_job_data(CleanJobDataParams {
                    job_id,
                    ..CleanJobDataParams::default()
                });
                clean.await.map(drop)
            } else {
                let cancel = scheduler.cancel_job(CancelJobParams { job_id });
                cancel.await.map(drop)
            };
            if let Err(error) = told {
                tracing::warn!(%error, "the cluster was not told that a question is over");
            }
        });
    }
}

/// Hands a finished plan to the cluster; its rows come when all of it is computed.
pub(crate) async fn submit(
    lake: &Lake,
    plan: Arc<dyn ExecutionPlan>,
    config: &SessionConfig,
) -> Result<SendableRecordBatchStream> {
    let schema = plan.schema();
    let written = PhysicalPlanNode::try_from_physical_plan(plan, &Codec::default());
    let mut buffer = Vec::new();
    written
        .and_then(|node| node.try_encode(&mut buffer))
        .map_err(|e| Fault::caused_by("write a plan down for the cluster", e))?;
    let query = ExecuteQueryParams {
        query: Some(Query::PhysicalPlan(buffer)),
        settings: config.to_key_value_pairs(),
        session_id: SESSION.into(),
        operation_id: String::new(),
    };
    // A task of its own: were this one dropped in between, nobody would know which job to stop.
    let sending = tokio::spawn(send(lake.clone(), query));
    let job = sending
        .await
        .map_err(|e| Fault::caused_by("ask the cluster", e))??;
    let rows = futures::stream::once(answer(job)).try_flatten();
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
}

async fn send(lake: Lake, query: ExecuteQueryParams) -> Result<Job> {
    let (host, port) = address(lake.settings())?;
    let away = |fault: Fault| Error::Unavailable(fault);
    let endpoint = Endpoint::from_shared(format!("http://{host}:{port}"))
        .map_err(|e| Fault::caused_by("read lake.scheduler", e))?
        .connect_timeout(PATIENCE)
        .tcp_nodelay(true);
    let channel = endpoint.connect().await.map_err(|e| {
        away(Fault::caused_by(
            format!("reach the scheduler {host}:{port}"),
            e,
        ))
    })?;
    let mut scheduler = SchedulerGrpcClient::new(channel)
        .max_encoding_message_size(MESSAGE as usize)
        .max_decoding_message_size(MESSAGE as usize);
    let mut request = tonic::Request::new(query);
    version::insert_version_header(request.metadata_mut());
    let answer = scheduler.execute_query(request).await;
    let answer = answer
        .map_err(|e| away(Fault::caused_by("ask the scheduler", e)))?
        .into_inner();
    match answer.result {
        Some(execute_query_result::Result::Success(success)) => Ok(Job {
            scheduler,
            runtime: lake.runtime()?.clone(),
            id: success.job_id,
            is_done: false,
        }),
        // What it says may hold values of the question's plan.
        _ => Err(Fault::new("the scheduler did not take a plan; its log says why").into()),
    }
}

async fn answer(
    mut job: Job,
) -> Answered<impl futures::Stream<Item = Answered<datafusion::arrow::array::RecordBatch>>> {
    let places = finish(&mut job).await?;
    job.is_done = true;
    let rows = futures::stream::iter(places).then(fetch).try_flatten();
    // The job lives as long as its rows are read.
    Ok(rows.map(move |batch| {
        let _ = &job;
        batch
    }))
}

/// Waits until the job is done; answers where its rows are.
async fn finish(job: &mut Job) -> Answered<Vec<PartitionLocation>> {
    let (mut pause, most) = LOOK;
    loop {
        let job_id = job.id.clone();
        let status = job.scheduler.get_job_status(GetJobStatusParams { job_id });
        let status = status.await.map_err(external)?.into_inner();
        match status.status.and_then(|status| status.status) {
            Some(Status::Successful(done)) => return Ok(done.partition_location),
            Some(Status::Failed(failed)) => {
                job.is_done = true;
                return Err(reason(&failed.error));
            }
            _ => {}
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(most);
    }
}

async fn fetch(place: PartitionLocation) -> Answered<SendableRecordBatchStream> {
    let layout = place.layout();
    let (Some(executor), Some(rows)) = (place.executor_meta, place.partition_id) else {
        return Err(external(Fault::new(
            "the cluster names no place of its rows",
        )));
    };
    let port = u16::try_from(executor.port).map_err(external)?;
    let host = executor.host.as_str();
    let client = BallistaClient::try_new(host, port, MESSAGE as usize, false, None, 3, 250, 0, 0);
    let mut client = client.await.map_err(external)?;
    let (id, rows) = (executor.id.as_str(), rows.into());
    let rows = client.fetch_partition(id, &rows, place.file_id, layout, true);
    rows.await.map_err(external)
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The kind of a failure. The cluster tells it in words only, and they may hold somebody's values:
/// none of them is passed on.
fn reason(words: &str) -> DataFusionError {
    let says = |any: &[&str]| any.iter().any(|word| words.contains(word));
    let inner = || String::from("on the cluster");
    if says(&[
        "ResourcesExhausted",
        "Resources exhausted",
        "max_temp_directory_size",
    ]) {
        return DataFusionError::ResourcesExhausted(inner());
    }
    let is_broken = says(&[
        "IoError",
        "IpcError",
        "ObjectStore(",
        "FetchFailed",
        "GrpcConnection",
    ]);
    if !is_broken && says(&["ArrowError(", "Arrow error", "Execution("]) {
        return DataFusionError::Execution(inner());
    }
    external(Fault::new(
        "the cluster gave a question up; its logs say why",
    ))
}
