//! `tongban cluster`: the processes on which the lake's questions run, where `lake.engine` is
//! `ballista`. They need the sections `data` and `lake` of the settings, and no database.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::{command::serve, config::Config, out};

#[derive(Subcommand)]
pub enum Cluster {
    /// Divide questions among the executors; lake.scheduler is the address that all others use
    Scheduler {
        /// Address to listen on
        #[arg(long, default_value = "127.0.0.1:50050", value_name = "ADDR")]
        listen: String,
    },
    /// Run parts of questions, with the files of lake.place
    Executor(Executor),
}

#[derive(Args)]
pub struct Executor {
    /// Name or address under which the server, the scheduler and other executors reach this one
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Address to listen on for those who fetch rows
    #[arg(long, default_value = "127.0.0.1:50051", value_name = "ADDR")]
    listen: SocketAddr,
    /// Port, of the same address, for tasks from the scheduler
    #[arg(long, default_value_t = 50052, value_name = "PORT")]
    tasks: u16,
    /// Tasks at one time; without it, as many as this machine has cores
    #[arg(long, value_name = "N")]
    cores: Option<NonZeroUsize>,
    /// Folder for rows between two steps; without it, `cluster` in the data folder
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

pub async fn run(cluster: Cluster, config: Config) -> anyhow::Result<ExitCode> {
    match cluster {
        Cluster::Scheduler { listen } => schedule(&config, &listen).await?,
        Cluster::Executor(arguments) => execute(&config, arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn schedule(config: &Config, listen: &str) -> anyhow::Result<()> {
    let listener = serve::listen(listen).await?;
    out::note(format!("scheduling on {}", listener.local_addr()?));
    let stop = CancellationToken::new();
    tokio::spawn(serve::stop_on_signal(stop.clone()));
    let scheduling = lake::cluster::scheduler(&config.lake, &config.data.dir, listener);
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = scheduling => Ok(ended?),
    }
}

async fn execute(config: &Config, arguments: Executor) -> anyhow::Result<()> {
    let here = std::thread::available_parallelism;
    let cores = arguments.cores.map_or_else(here, Ok)?;
    let executor = lake::cluster::Executor {
        host: arguments.host,
        rows: arguments.listen,
        tasks: arguments.tasks,
        cores: cores.get(),
        work: arguments
            .work
            .unwrap_or_else(|| config.data.dir.join("cluster")),
    };
    out::note(format!(
        "executing for {}, {} tasks at one time; rows on {}",
        config.lake.scheduler, executor.cores, executor.rows
    ));
    lake::cluster::executor(&config.lake, &config.data.dir, &executor).await?;
    Ok(())
}
