//! What the command line says: results on standard output, problems and the log on standard error.

use std::io::Write as _;

use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::config::Log;

/// One line of result. A reader that has gone away (`| head`) is no failure of ours.
pub fn line(text: impl std::fmt::Display) {
    drop(writeln!(std::io::stdout(), "{text}"));
}

/// One line of JSON, for scripts.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string(value)?);
    Ok(())
}

/// A note on standard error, out of the way of results.
pub fn note(text: impl std::fmt::Display) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// An error with its causes, each on its own line.
pub fn problem(error: &anyhow::Error) {
    note(format!("tongban: {error}"));
    for cause in error.chain().skip(1) {
        note(format!("  because {cause}"));
    }
}

pub fn start_log(settings: &Log) {
    let filter = EnvFilter::try_new(&settings.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if settings.format == "json" {
        log.json().init();
    } else {
        log.with_target(false).compact().init();
    }
}

/// A progress bar on standard error; nothing when that is no terminal.
pub fn progress(total: u64, what: &str) -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new(total);
    let style = indicatif::ProgressStyle::with_template(
        "{msg} {wide_bar:.cyan} {human_pos}/{human_len} {per_sec} {eta}",
    );
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar
}

/// How events name whoever types commands at the machine.
pub fn console_actor() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    match user {
        Ok(user) if !user.is_empty() => format!("console:{user}"),
        _ => "console".to_owned(),
    }
}
