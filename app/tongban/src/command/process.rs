//! `tongban process` and `tongban decision`: models tried out without a server.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::out;

#[derive(Subcommand)]
pub enum Process {
    /// Report what the standard forbids, with rule, element, line and remedy
    Check {
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// Run a model in memory with a simulated clock; prints one JSON line per event
    Simulate(Simulate),
}

#[derive(Args)]
pub struct Simulate {
    file: PathBuf,
    /// Process to start, if the file has several
    #[arg(long, value_name = "ID")]
    process: Option<String>,
    /// Further processes to start
    #[arg(long, value_name = "ID")]
    also: Vec<String>,
    /// Variables at the start
    #[arg(long, value_name = "JSON")]
    vars: Option<String>,
    /// Steps to take in order, a JSON list
    #[arg(long, value_name = "STEPS.json")]
    script: Option<PathBuf>,
    /// Complete user, send, receive and service tasks at once
    #[arg(long)]
    auto_complete: bool,
    /// Move the clock to the next timer whenever nothing else can happen
    #[arg(long)]
    jump_timers: bool,
    #[arg(long, value_name = "N")]
    max_steps: Option<usize>,
}

#[derive(Subcommand)]
pub enum Decision {
    /// Evaluate one decision of a DMN file and print its value as JSON
    Evaluate {
        file: PathBuf,
        #[arg(long)]
        decision: String,
        #[arg(long, value_name = "JSON")]
        input: String,
    },
}

pub fn run(process: Process) -> anyhow::Result<ExitCode> {
    match process {
        Process::Check { files, json } => check(&files, json),
        Process::Simulate(arguments) => simulate(&arguments),
    }
}
