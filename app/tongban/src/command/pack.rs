//! `tongban pack`: applications as folders of data.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;

use crate::{assemble::House, config::Config, out};

#[derive(Subcommand)]
pub enum Pack {
    /// Explain every mistake with file, line and remedy
    Check {
        /// Folders of packs
        #[arg(required = true)]
        packs: Vec<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// Install or upgrade packs; each is one transaction, and doing it again changes nothing
    Install {
        /// Folders of packs
        #[arg(required = true)]
        packs: Vec<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// List what is installed
    List {
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(pack: Pack, config: Config) -> anyhow::Result<ExitCode> {
    let house = House::open(&config).await?;
    match pack {
        Pack::Check { packs, json } => check(&house, &packs, json),
        Pack::Install { packs, json } => install(&house, &packs, json).await,
        Pack::List { json } => {
            let installed = ::pack::installed(house.app.db()).await?;
            if json {
                out::json(&installed)?;
            } else {
                for pack in installed {
                    out::line(format!("{} {} {}", pack.id, pack.version, pack.title_zh));
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(house: &House, packs: &[PathBuf], json: bool) -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    for pack in packs {
        let source = ::pack::Source::folder(pack)?;
        findings.extend(::pack::check(&house.app, &source)?);
    }
    if json {
        out::json(&findings)?;
    } else {
        for finding in &findings {
            out::line(finding);
        }
        out::line(format!(
            "{} findings in {} packs",
            findings.len(),
            packs.len()
        ));
    }
    Ok(if findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn install(house: &House, packs: &[PathBuf], json: bool) -> anyhow::Result<ExitCode> {
    for pack in packs {
        let source = ::pack::Source::folder(pack)?;
        let report = ::pack::install(&house.app, &source).await?;
        if json {
            out::json(&report)?;
        } else {
            out::line(report);
        }
    }
    Ok(ExitCode::SUCCESS)
}
