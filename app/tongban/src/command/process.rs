//! `tongban process` and `tongban decision`: models tried out without a server.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Args, Subcommand};

use workflow::simulate;

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

fn check(files: &[PathBuf], json: bool) -> anyhow::Result<ExitCode> {
    let mut models = Vec::new();
    for file in files {
        models.push((file.display().to_string(), read(file)?));
    }
    let code = simulate::check_all(&models, json, &mut std::io::stdout())?;
    Ok(code.into())
}

fn simulate(arguments: &Simulate) -> anyhow::Result<ExitCode> {
    let mut options = simulate::Options {
        process: arguments.process.clone(),
        also: arguments.also.clone(),
        auto_complete: arguments.auto_complete,
        jump_timers: arguments.jump_timers,
        max_steps: arguments.max_steps,
        ..simulate::Options::default()
    };
    if let Some(vars) = &arguments.vars {
        options.vars = serde_json::from_str(vars).context("--vars is not a JSON object")?;
    }
    if let Some(script) = &arguments.script {
        let text = String::from_utf8(read(script)?).context("the script is not UTF-8")?;
        options.script =
            simulate::parse_script(&text).map_err(|e| anyhow::anyhow!("--script: {e}"))?;
    }
    let code = simulate::run(&read(&arguments.file)?, &options, &mut std::io::stdout())?;
    Ok(code.into())
}

pub fn decide(decision: &Decision) -> anyhow::Result<ExitCode> {
    let Decision::Evaluate {
        file,
        decision,
        input,
    } = decision;
    let input = serde_json::from_str(input).context("--input is not a JSON object")?;
    let xml = String::from_utf8(read(file)?).context("the file is not UTF-8")?;
    let code = simulate::evaluate_decision(&xml, decision, &input, &mut std::io::stdout())?;
    Ok(code.into())
}

fn read(file: &PathBuf) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
