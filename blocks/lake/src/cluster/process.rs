//! The processes of the cluster: one scheduler, and executors on as many machines as there are.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use ballista_core::extension::SessionConfigExt;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_scheduler::{
    cluster::BallistaCluster,
    config::{SchedulerConfig, TaskDistributionPolicy},
    scheduler_process::{create_scheduler, start_grpc_service_with_listener},
};
use datafusion::{execution::SessionStateBuilder, prelude::SessionConfig};
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use kernel::Fault;
use tokio::net::TcpListener;

use super::{MESSAGE, address, codec::Codec, runtime};
use crate::{Settings, delta::Place};

/// Seconds after which an executor removes what a job left that nobody cleaned away.
const LEFT: u64 = 3600;

/// Seconds for which a job that is over is remembered and its rows can be fetched, at least.
const KEPT: u64 = 300;

/// Seconds between two signs of life of an executor, and after which a silent one counts as dead:
/// what it ran is begun again elsewhere, if possible before the question's time is over.
const BEAT: u64 = 3;
const SILENT: u64 = 12;

/// Divides plans among the executors that come to it, until it is dropped. `lake.scheduler` is the
/// address under which they and the server reach it.
pub async fn scheduler(
    settings: &Settings,
    data: &Path,
    listener: TcpListener,
) -> Result<(), Fault> {
    let failed = |e| Fault::caused_by("run the scheduler", e);
    let (external_host, bind_port) = address(settings)?;
    let runtime = runtime(&Place::of(settings, data)?, None)?;
    let kept = settings.query_seconds.max(KEPT);
    let config = SchedulerConfig {
        external_host,
        bind_port,
        executor_timeout_seconds: SILENT,
        expire_dead_executor_interval_seconds: BEAT,
        task_distribution: TaskDistributionPolicy::RoundRobin,
        grpc_server_max_decoding_message_size: MESSAGE,
        grpc_server_max_encoding_message_size: MESSAGE,
        grpc_client_max_message_size: MESSAGE,
        finished_job_data_clean_up_interval_seconds: kept,
        finished_job_state_clean_up_interval_seconds: kept,
        // A value that cannot be computed with does not become one by trying again.
        task_max_failures: 1,
        stage_max_failures: 2,
        override_physical_codec: Some(Arc::new(Codec::default())),
        override_session_builder: Some(Arc::new(move |config| {
            let state = SessionStateBuilder::new()
                .with_config(config)
                .with_runtime_env(runtime.clone())
                .with_default_features();
            Ok(state.build())
        })),
        ..SchedulerConfig::default()
    };
    let cluster = BallistaCluster::new_from_config(&config)
        .await
        .map_err(failed)?;
    let scheduler = create_scheduler::<LogicalPlanNode, PhysicalPlanNode>(cluster, config.into());
    let scheduler = scheduler.await.map_err(failed)?;
    start_grpc_service_with_listener(listener, scheduler)
        .await
        .map_err(failed)
}

/// Where an executor is found and what it has.
#[derive(Clone, Debug)]
pub struct Executor {
    /// Name or address under which the server and the other processes reach it.
    pub host: String,
    /// Where rows are fetched.
    pub rows: SocketAddr,
    /// Port, of the same address, to which the scheduler sends tasks.
    pub tasks: u16,
    /// Tasks at one time.
    pub cores: usize,
    /// Folder for rows between two steps and for what does not fit into memory.
    pub work: PathBuf,
}

/// Runs parts of plans until a signal comes, and finishes those that run.
pub async fn executor(settings: &Settings, data: &Path, executor: &Executor) -> Result<(), Fault> {
    let (scheduler_host, scheduler_port) = address(settings)?;
    let folder = |name| {
        let folder = executor.work.join(name);
        let made = std::fs::create_dir_all(&folder);
        made.map_err(|e| Fault::caused_by(format!("use {}", folder.display()), e))?;
        Ok::<_, Fault>(folder)
    };
    let (rows, spill) = (folder("rows")?, folder("spill")?);
    let most = settings.query_disk_mb << 20;
    let runtime = runtime(&Place::of(settings, data)?, Some((&spill, most)))?;
    let cores = executor.cores.max(1);
    // Those that Ballista takes itself are without lists and structures.
    let functions = SessionStateBuilder::new().with_default_features().build();
    let config = ExecutorProcessConfig {
        bind_host: executor.rows.ip().to_string(),
        external_host: Some(executor.host.clone()),
        port: executor.rows.port(),
        grpc_port: executor.tasks,
        scheduler_host,
        scheduler_port,
        // It waits for its scheduler, in whatever order the machines start.
        scheduler_connect_timeout_seconds: u16::MAX,
        vcores: cores,
        executor_heartbeat_interval_seconds: BEAT,
        work_dir: Some(rows.to_string_lossy().into_owned()),
        job_data_ttl_seconds: LEFT,
        job_data_clean_up_interval_seconds: LEFT / 6,
        grpc_max_decoding_message_size: MESSAGE,
        grpc_max_encoding_message_size: MESSAGE,
        memory_pool_size: Some((settings.query_memory_mb << 20) * cores as u64),
        override_runtime_producer: Some(Arc::new(move |_| Ok(runtime.clone()))),
        override_function_registry: Some(Arc::new((&functions).into())),
        override_config_producer: Some(Arc::new(SessionConfig::new_with_ballista)),
        override_physical_codec: Some(Arc::new(Codec::default())),
        ..ExecutorProcessConfig::default()
    };
    start_executor_process(Arc::new(config))
        .await
        .map_err(|e| Fault::caused_by("run an executor", e))
}
