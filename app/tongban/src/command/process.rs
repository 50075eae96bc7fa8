//! `tongban process` and `tongban decision`: models tried out without a server.

use std::{
    path::{Component, Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Args, Subcommand};

use workflow::simulate;

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
    /// Inputs to take at the most
    #[arg(long, value_name = "N")]
    max_steps: Option<usize>,
    /// DMN files whose decisions business rule tasks may name
    #[arg(long, value_name = "FILE.dmn")]
    decisions: Vec<PathBuf>,
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
        Process::Simulate(arguments) => Ok(or_refused(simulate(&arguments))),
    }
}

/// What cannot be had ends as what is not understood does: with 2, for 1 says that it was tried.
fn or_refused(tried: anyhow::Result<ExitCode>) -> ExitCode {
    tried.unwrap_or_else(|error| {
        out::problem(&error);
        ExitCode::from(2)
    })
}

fn check(files: &[PathBuf], json: bool) -> anyhow::Result<ExitCode> {
    let models = files.iter().map(|file| {
        let content = with_imports(file).map_err(|error| format!("{error:#}"));
        (file.display().to_string(), content)
    });
    let models: Vec<_> = models.collect();
    let code = simulate::check_all(&models, json, &mut std::io::stdout())?;
    Ok(code.into())
}

fn with_imports(file: &PathBuf) -> anyhow::Result<(Vec<u8>, workflow::read::Imports)> {
    let xml = read(file)?;
    let (imports, _) = imports(file, &xml)?;
    Ok((xml, imports))
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
        options.vars = object("--vars", vars)?;
    }
    if let Some(script) = &arguments.script {
        options.script = simulate::parse_script(&text(script)?)
            .map_err(|e| anyhow::anyhow!("--script {}: {e}", script.display()))?;
    }
    let xml = read(&arguments.file)?;
    (options.imports, options.decisions) = imports(&arguments.file, &xml)?;
    for file in &arguments.decisions {
        options.decisions.push(text(file)?);
        options.imports.extend(imports(file, &read(file)?)?.0);
    }
    let code = simulate::run(&xml, &options, &mut std::io::stdout())?;
    Ok(code.into())
}

pub fn decide(decision: &Decision) -> ExitCode {
    or_refused(evaluate(decision))
}

fn evaluate(decision: &Decision) -> anyhow::Result<ExitCode> {
    let Decision::Evaluate {
        file,
        decision,
        input,
    } = decision;
    let input = object("--input", input)?;
    let (_, imports) = with_imports(file)?;
    let xml = text(file)?;
    let out = &mut std::io::stdout();
    let code = simulate::evaluate_decision_with(&xml, &imports, decision, &input, out)?;
    Ok(code.into())
}

/// A JSON object given on the command line.
fn object(flag: &str, json: &str) -> anyhow::Result<serde_json::Map<String, serde_json::Value>> {
    serde_json::from_str(json)
        .with_context(|| format!("{flag} is not a JSON object like '{{\"area\": 80}}'"))
}

/// The files beside a file that it imports, by location, and the texts of those that are DMN.
fn imports(file: &Path, xml: &[u8]) -> anyhow::Result<(workflow::read::Imports, Vec<String>)> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let (mut found, mut decisions) = (workflow::read::Imports::new(), Vec::new());
    let mut waiting = simulate::imports_of(xml);
    while let Some(location) = waiting.pop() {
        let inside = Path::new(&location)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let path = folder.join(&location);
        if !inside || found.contains_key(&location) || !path.is_file() {
            continue;
        }
        let bytes = read(&path)?;
        if path.extension().is_some_and(|extension| extension == "dmn") {
            decisions.push(text(&path)?);
        }
        waiting.extend(simulate::imports_of(&bytes));
        found.insert(location, bytes);
    }
    Ok((found, decisions))
}

fn text(file: &PathBuf) -> anyhow::Result<String> {
    simulate::text_of(&read(file)?)
        .map_err(|reason| anyhow::anyhow!("{}: {reason}", file.display()))
}

fn read(file: &PathBuf) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
