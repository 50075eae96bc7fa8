//! `tongban bench`: how fast this machine and database do the real thing.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Instant};

use clap::{Args, Subcommand};
use kernel::SystemClock;
use tokio_util::sync::CancellationToken;

use crate::{assemble::House, command::demo, out};

#[derive(Subcommand)]
pub enum Bench {
    /// Whole restaurant cases: submitted, accepted, examined and granted by four departments
    Cases(Cases),
}

#[derive(Args)]
pub struct Cases {
    /// Folder for the database, files and keys; a fresh one, which can be thrown away
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Use this database instead of an embedded one in the folder
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Cases to handle
    #[arg(long = "cases", default_value_t = 1000, value_name = "N")]
    number: usize,
    /// Cases that are open side by side
    #[arg(long, default_value_t = 32, value_name = "N")]
    callers: usize,
}

/// What is printed: the acts, and what they left for the background.
#[derive(serde::Serialize)]
struct Report {
    #[serde(flatten)]
    figures: service::demo::bench::Figures,
    /// Events that were sealed meanwhile and after.
    events: i64,
    /// Seconds after the last act until every event was sealed and every consumer, supervision
    /// among them, had taken it.
    events_behind_s: f64,
    /// Jobs, certificates to be typeset most of them, that were still due then.
    jobs_due: i64,
}

pub async fn run(bench: Bench) -> anyhow::Result<ExitCode> {
    let Bench::Cases(arguments) = bench;
    let config = demo::settings(&arguments.data, arguments.database, "http://127.0.0.1")?;
    out::start_log(&config.log);
    let house = House::open_at(&config, Arc::new(SystemClock)).await?;
    demo::install(&house).await?;
    let stop = CancellationToken::new();
    let workers = house.work(stop.clone());
    // What installing left to do is not part of the measurement.
    caught_up(&house).await?;
    let figures =
        service::demo::bench::run(&house.app, arguments.number, arguments.callers).await?;
    let ended = Instant::now();
    let events = caught_up(&house).await?;
    let report = Report {
        figures,
        events,
        events_behind_s: ended.elapsed().as_secs_f64(),
        jobs_due: store::job::count(house.app.db()).await?.due,
    };
    out::json(&report)?;
    stop.cancel();
    workers.await?;
    Ok(ExitCode::SUCCESS)
}

/// Waits until all events are sealed and consumed; answers the last position.
async fn caught_up(house: &House) -> anyhow::Result<i64> {
    let db = house.app.db();
    loop {
        let standings = store::consume::list_standings(db).await?;
        let is_behind = standings.iter().any(|standing| standing.behind > 0);
        let last = standings.iter().map(|standing| standing.position).max();
        if !is_behind && !store::work::has_unsealed(db).await? {
            return Ok(last.unwrap_or_default());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
