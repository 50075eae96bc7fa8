//! `tongban migrate`: this version's tables.

use std::process::ExitCode;

use crate::{assemble, config::Config, out};

pub async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let db = assemble::open(config).await?;
    assemble::migrate(&db).await?;
    out::line("the database has this version's tables");
    Ok(ExitCode::SUCCESS)
}
