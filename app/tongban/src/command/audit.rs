//! `tongban audit`: history is as it was.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;
use store::{Db, audit::Trust};

use crate::{assemble, config::Config, out};

#[derive(Subcommand)]
pub enum Audit {
    /// Recompute the whole log and compare it with every signed head
    Verify {
        #[arg(long)]
        json: bool,
    },
    /// Print a proof that one event is in the log, to be checked anywhere
    Prove {
        /// Identifier of the event
        event: String,
    },
    /// Check a printed proof; needs no database
    Check {
        /// File with the proof
        proof: PathBuf,
    },
}

pub async fn run(audit: Audit, config: Config) -> anyhow::Result<ExitCode> {
    match audit {
        Audit::Verify { json } => {
            let db = assemble::open(&config).await?;
            verify(&db, json).await
        }
        Audit::Prove { event } => {
            let db = assemble::open(&config).await?;
            out::json(&store::audit::prove(&db, &event).await?)?;
            Ok(ExitCode::SUCCESS)
        }
        Audit::Check { proof } => {
            let proof: store::audit::Proof = serde_json::from_slice(&std::fs::read(proof)?)?;
            match store::audit::check(&proof) {
                Ok(()) => {
                    out::line("the event is in the log, and its head is signed");
                    out::line(format!(
                        "compare the key with the published one: {}",
                        proof.head.key_id
                    ));
                    Ok(ExitCode::SUCCESS)
                }
                Err(reason) => {
                    out::line(format!("the proof does not hold: {reason}"));
                    Ok(ExitCode::FAILURE)
                }
            }
        }
    }
}

async fn verify(db: &Db, json: bool) -> anyhow::Result<ExitCode> {
    let bar = out::progress(0, "events");
    let shown = bar.clone();
    let report = store::audit::verify(db, &Trust::default(), move |done, all| {
        shown.set_length(all.unsigned_abs());
        shown.set_position(done.unsigned_abs());
    })
    .await?;
    bar.finish_and_clear();
    if json {
        out::json(&report)?;
    } else {
        out::line(format!(
            "{} events and {} signed heads read; {} not signed yet, {} not sealed yet",
            report.events, report.heads, report.unsigned, report.unsealed
        ));
        out::line(format!("root {}", report.root));
        match &report.problem {
            None => out::line("history is whole"),
            Some(problem) => out::line(format!("history is NOT whole: {problem}")),
        }
    }
    Ok(if report.is_whole() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
