//! `tongban import`: existing lists, row by row.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;

use crate::{assemble::House, config::Config, out};

#[derive(Subcommand)]
pub enum Import {
    /// Service matters from a CSV (UTF-8 or GB18030) or XLSX file, at list level
    Matters {
        file: PathBuf,
        /// Refuse the whole file if any row is wrong; without it, good rows are kept
        #[arg(long)]
        all_or_nothing: bool,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(import: Import, config: Config) -> anyhow::Result<ExitCode> {
    let Import::Matters {
        file,
        all_or_nothing,
        json,
    } = import;
    let house = House::open(&config).await?;
    let bar = out::progress(0, "matters");
    let options = service::import::Options {
        all_or_nothing,
        by: out::console_actor(),
        ..service::import::Options::default()
    };
    let shown = bar.clone();
    let report = service::import::matters(&house.app, &file, &options, move |rows, total| {
        shown.set_length(total);
        shown.set_position(rows);
    })
    .await?;
    bar.finish_and_clear();
    if json {
        out::json(&report)?;
    } else {
        out::line(&report);
    }
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
