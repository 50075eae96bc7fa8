//! `tongban demo-data`: what the departments of a made-up city keep, as files.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use synthetic::Settings;

use crate::out;

#[derive(Args)]
pub struct DemoData {
    /// How many people live in the city
    #[arg(long, default_value_t = 200_000, value_name = "N")]
    people: u64,
    /// The same seed gives the same city
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Folder for the departments' files and truth.csv
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &DemoData) -> anyhow::Result<ExitCode> {
    let settings = Settings {
        people: arguments.people,
        seed: arguments.seed,
    };
    let bar = out::progress(arguments.people, "people");
    let written =
        datahub::demo::write(settings, &arguments.out, &|people| bar.set_position(people))?;
    bar.finish_and_clear();
    if arguments.json {
        out::json(&written)?;
        return Ok(ExitCode::SUCCESS);
    }
    out::line(format!(
        "{} people and {} firms, all made up, in {}",
        written.people,
        written.firms,
        arguments.out.display()
    ));
    for (file, rows) in &written.rows {
        out::line(format!("  {file}.csv: {rows} rows"));
    }
    Ok(ExitCode::SUCCESS)
}
