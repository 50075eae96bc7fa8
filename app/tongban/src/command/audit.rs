//! `tongban audit`: history is as it was.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;

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
            let report = store::audit::verify(&db).await?;
            if json {
                out::json(&report)?;
            } else {
                out::line(&report);
            }
            Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
                    out::line("the event is in the log, and the head is signed");
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
