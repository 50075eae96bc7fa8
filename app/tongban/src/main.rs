//! `tongban`: a city's digital government in one executable.
//!
//! Owns the command line, the settings and the assembly of all modules; has no rules of its own.

mod assemble;
mod command;
mod config;
mod keys;
mod out;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

/// Rows that one thread makes are freed by another, which the C library's allocator is slow at: a
/// seventh of a case's time.
#[global_allocator]
static ALLOCATOR: allocator::MiMalloc = allocator::MiMalloc;

/// 通办: a whole city's digital government in one executable.
#[derive(Parser)]
#[command(name = "tongban", version, arg_required_else_help = true)]
struct Cli {
    /// Settings file; without it, ./tongban.toml if there is one. Environment variables such as
    /// `TONGBAN_WEB__LISTEN` win over it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve citizens, officers and programs until stopped
    Serve,
    /// Serve a made-up city on an embedded database, to look around in
    Demo(command::demo::Arguments),
    /// Write what the departments of a made-up city keep of its people and firms
    DemoData(command::demo_data::DemoData),
    /// Find the rows of a table that are about the same person or body
    Link(command::link::Arguments),
    /// Measure this machine and database with the real acts, in a folder to throw away
    #[command(subcommand)]
    Bench(command::bench::Bench),
    /// Take in existing lists
    #[command(subcommand)]
    Import(command::import::Import),
    /// Check and install packs: the applications as folders of data
    #[command(subcommand)]
    Pack(command::pack::Pack),
    /// Check and simulate BPMN processes, without a server
    #[command(subcommand)]
    Process(command::process::Process),
    /// Evaluate DMN decisions, without a server
    #[command(subcommand)]
    Decision(command::process::Decision),
    /// Run a department's node of the exchange, beside its database
    #[command(subcommand)]
    Node(command::node::Node),
    /// Run the machines that share the lake's questions
    #[cfg(feature = "cluster")]
    #[command(subcommand)]
    Cluster(command::cluster::Cluster),
    /// Access tokens for programs
    #[command(subcommand)]
    Token(command::token::Token),
    /// Prove that nobody rewrote history
    #[command(subcommand)]
    Audit(command::audit::Audit),
    /// Bring the database to this version's tables
    Migrate,
    /// Check or show the settings
    #[command(subcommand)]
    Config(command::config::Settings),
    /// Evaluate expressions for the process that started this one
    #[command(hide = true, name = ASIDE)]
    Aside,
}

/// How the executable is started again for expressions that may not come to an end.
const ASIDE: &str = "evaluate-aside";

/// How long memory that is free stays with the process.
const KEPT: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    allocator::give_back_after(KEPT);
    start(Cli::parse())
}

#[tokio::main]
async fn start(cli: Cli) -> ExitCode {
    match run(cli).await {
        Ok(code) => code,
        Err(error) => {
            out::problem(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let file = cli.config.as_deref();
    if let Command::Aside = cli.command {
        workflow::aside::work()?;
        return Ok(ExitCode::SUCCESS);
    }
    workflow::aside::enable(std::env::current_exe()?, &[ASIDE]);
    match cli.command {
        // These need no settings, so that an author can use them anywhere.
        Command::Process(process) => return command::process::run(process),
        Command::Decision(decision) => return Ok(command::process::decide(&decision)),
        Command::DemoData(arguments) => return command::demo_data::run(&arguments),
        Command::Link(link) => return command::link::run(&link),
        Command::Config(settings) => return command::config::run(&settings, file).await,
        Command::Demo(arguments) => return command::demo::run(arguments).await,
        Command::Bench(bench) => return command::bench::run(bench).await,
        Command::Node(node) => return command::node::run(node, file).await,
        _ => {}
    }
    let config = config::Config::load(file)?;
    out::start_log(&config.log);
    match cli.command {
        Command::Serve => command::serve::run(config).await,
        Command::Import(import) => command::import::run(import, config).await,
        Command::Pack(pack) => command::pack::run(pack, config).await,
        Command::Token(token) => command::token::run(token, config).await,
        Command::Audit(audit) => command::audit::run(audit, config).await,
        Command::Migrate => command::migrate::run(&config).await,
        #[cfg(feature = "cluster")]
        Command::Cluster(cluster) => command::cluster::run(cluster, config).await,
        Command::Process(_)
        | Command::Decision(_)
        | Command::Config(_)
        | Command::DemoData(_)
        | Command::Link(_)
        | Command::Demo(_)
        | Command::Node(_)
        | Command::Aside
        | Command::Bench(_) => Ok(ExitCode::SUCCESS),
    }
}
