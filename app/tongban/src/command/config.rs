//! `tongban config`: are the settings right, and which are in force?

use std::{path::Path, process::ExitCode};

use clap::Subcommand;

use crate::{config::Config, out};

#[derive(Subcommand)]
pub enum Settings {
    /// Report everything that is wrong, at once
    Check,
    /// Print the settings in force, with passwords hidden
    Show,
}

pub fn run(settings: &Settings, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let config = Config::load(file)?;
    match settings {
        Settings::Check => {
            let missing = environment_problems();
            for problem in &missing {
                out::note(problem);
            }
            if !missing.is_empty() {
                return Ok(ExitCode::FAILURE);
            }
            out::line("settings are in order");
        }
        Settings::Show => out::line(toml::to_string_pretty(&config.hide_secrets())?),
    }
    Ok(ExitCode::SUCCESS)
}

/// What the machine lacks.
fn environment_problems() -> Vec<String> {
    let mut problems = Vec::new();
    if let Err(error) = credential::check_fonts() {
        problems.push(error.to_string());
    }
    problems
}
