//! `tongban config`: are the settings right, does the machine fit them, and which are in force?

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::Subcommand;
use serde::Serialize;

use crate::{
    assemble,
    config::{Config, without_password},
    out,
};

#[derive(Subcommand)]
pub enum Settings {
    /// Report everything that is wrong with the settings, the database, the data folder, the fonts
    /// and the ways to the mail server and the lake's cluster, at once; changes nothing
    Check {
        /// Print problems and warnings as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the settings in force, with passwords hidden
    Show,
}

pub async fn run(settings: &Settings, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    match settings {
        Settings::Check { json } => {
            let (config, problems) = Config::examine(file)?;
            let mut found = Found {
                problems,
                ..Found::default()
            };
            found.look(config.as_ref()).await;
            found.tell(*json)
        }
        Settings::Show => {
            let config = Config::load(file)?;
            out::line(toml::to_string_pretty(&config.hide_secrets())?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What keeps the program from running, and what an operator should know.
#[derive(Debug, Default, Serialize)]
struct Found {
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl Found {
    /// Looks at the machine, as far as the settings can be read.
    async fn look(&mut self, config: Option<&Config>) {
        if let Err(error) = credential::check_fonts() {
            self.problems.push(error.to_string());
        }
        let Some(config) = config else { return };
        self.folder(&config.data.dir);
        self.database(config).await;
        self.mail(config).await;
        self.scheduler(config).await;
    }

    fn tell(&self, json: bool) -> anyhow::Result<ExitCode> {
        if json {
            out::json(self)?;
        } else {
            for problem in &self.problems {
                out::note(problem);
            }
            for warning in &self.warnings {
                out::note(format!("warning: {warning}"));
            }
            if self.problems.is_empty() {
                out::line("settings are in order");
            }
        }
        Ok(if self.problems.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn folder(&mut self, folder: &Path) {
        if let Err(error) = try_writing(folder) {
            self.problems.push(format!(
                "data.dir: cannot write in {}: {error}; give the program's user the right to, or name another folder",
                folder.display()
            ));
        }
    }

    async fn database(&mut self, config: &Config) {
        if let Some(file) = missing_file(&config.database.url) {
            // Opening it would make it.
            self.warnings.push(format!(
                "database.url: {} is not there yet; `tongban migrate` makes it",
                file.display()
            ));
            if let Err(error) = try_writing(file.parent().unwrap_or(Path::new("."))) {
                self.problems.push(format!(
                    "database.url: cannot make {}: {error}",
                    file.display()
                ));
            }
            return;
        }
        if let Err(error) = self.tables(config).await {
            self.problems.push(format!(
                "database.url: {}: {error:#}",
                without_password(&config.database.url)
            ));
        }
    }

    async fn tables(&mut self, config: &Config) -> anyhow::Result<()> {
        let db = tokio::time::timeout(PATIENCE, assemble::open(config))
            .await
            .context("no answer within 10 seconds; is the server running and reachable?")??;
        if let Some(version) = postgres_version(&db).await?
            && version < 15
        {
            self.problems.push(format!(
                "database.url: the server is PostgreSQL {version}; use 15 or later"
            ));
        }
        let standing = assemble::standing(&db).await?;
        if !standing.newer.is_empty() {
            self.problems.push(format!(
                "database.url: a newer version has migrated it ({}); use that version",
                standing.newer.join(", ")
            ));
        }
        if !standing.pending.is_empty() {
            self.warnings.push(format!(
                "database.url: {} migrations are to come ({}); `tongban migrate` or the next start applies them",
                standing.pending.len(),
                standing.pending.join(", ")
            ));
        }
        Ok(())
    }

    /// Mail waits in its queue while the server is away, so this is no more than a warning.
    async fn mail(&mut self, config: &Config) {
        let server = &config.notify;
        if server.host.is_empty() {
            return;
        }
        if let Some(why) = out_of_reach(&server.host, server.port).await {
            self.warnings.push(format!(
                "notify.host: cannot reach {}:{}: {why}; mail waits until it can",
                server.host, server.port
            ));
        }
    }

    /// The server works without its cluster, save for the lake's questions.
    async fn scheduler(&mut self, config: &Config) {
        let address = config.lake.scheduler_address();
        let Some((host, port)) = address.filter(|_| config.lake.is_cluster()) else {
            return;
        };
        if let Some(why) = out_of_reach(&host, port).await {
            self.warnings.push(format!(
                "lake.scheduler: cannot reach {host}:{port}: {why}; start `tongban cluster scheduler` there, until then nobody can ask the lake"
            ));
        }
    }
}

/// Why nothing answers at an address.
async fn out_of_reach(host: &str, port: u16) -> Option<String> {
    let connect = tokio::net::TcpStream::connect(format!("{host}:{port}"));
    match tokio::time::timeout(PATIENCE, connect).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("no answer within 10 seconds".to_owned()),
    }
}

const PATIENCE: Duration = Duration::from_secs(10);

/// The file of an embedded database that does not exist yet.
fn missing_file(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    let path = path.split('?').next().unwrap_or_default();
    let file = PathBuf::from(path);
    (!path.is_empty() && path != ":memory:" && !file.exists()).then_some(file)
}

/// Makes and removes a file in a folder, or in the one that it would be made in.
fn try_writing(folder: &Path) -> std::io::Result<()> {
    let existing = folder
        .ancestors()
        .find(|folder| folder.exists() || folder.as_os_str().is_empty());
    let existing = match existing {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let probe = existing.join(format!(".tongban-check-{}", std::process::id()));
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&probe)?;
    std::fs::remove_file(&probe)
}

/// The server's major version; none for an embedded database.
async fn postgres_version(db: &store::Db) -> anyhow::Result<Option<u32>> {
    use sea_orm::{ConnectionTrait, Statement};
    if db.engine() != store::Engine::Postgres {
        return Ok(None);
    }
    let backend = db.read().get_database_backend();
    let ask = Statement::from_string(backend, "SHOW server_version_num");
    let row = db.read().query_one_raw(ask).await?;
    let number: String = row
        .context("the server tells no version")?
        .try_get("", "server_version_num")?;
    Ok(Some(number.parse::<u32>()? / 10_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(change: impl FnOnce(&mut Config, &Path)) -> Found {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.data.dir = dir.path().join("data");
        config.database.url = format!("sqlite://{}", dir.path().join("a.db").display());
        change(&mut config, dir.path());
        let mut found = Found::default();
        found.look(Some(&config)).await;
        found
    }

    #[tokio::test]
    async fn a_new_place_is_in_order() {
        let found = check(|_, _| {}).await;
        assert!(found.problems.is_empty(), "{found:?}");
        assert_eq!(
            found.warnings.len(),
            1,
            "the database is to be made: {found:?}"
        );
    }

    #[tokio::test]
    async fn everything_out_of_reach_is_told_at_once() {
        let found = check(|config, dir| {
            // Root may write anywhere, but not below a file.
            let file = dir.join("file");
            std::fs::write(&file, "").unwrap();
            config.data.dir = file.join("data");
            config.database.url = "postgres://me:secret@127.0.0.1:1/none".into();
            config.notify.host = "127.0.0.1".into();
            config.notify.port = 1;
            config.lake.engine = "ballista".into();
            config.lake.scheduler = "df://127.0.0.1:1".into();
        })
        .await;
        let all = found.problems.join("\n");
        assert!(all.contains("data.dir: cannot write in"), "{all}");
        assert!(
            all.contains("database.url: postgres://me:…@127.0.0.1:1/none"),
            "{all}"
        );
        assert!(!all.contains("secret"), "{all}");
        for away in ["notify.host", "lake.scheduler"] {
            assert!(
                found.warnings.iter().any(|w| w.contains(away)),
                "{away}: {found:?}"
            );
        }
    }

    #[tokio::test]
    async fn migrations_to_come_are_a_warning_until_they_are_applied() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.database.url = format!("sqlite://{}", dir.path().join("a.db").display());
        let db = assemble::open(&config).await.unwrap();
        let mut found = Found::default();
        found.database(&config).await;
        assert!(
            found
                .warnings
                .iter()
                .any(|w| w.contains("migrations are to come")),
            "{found:?}"
        );
        assemble::migrate(&db).await.unwrap();
        let mut found = Found::default();
        found.database(&config).await;
        assert!(
            found.warnings.is_empty() && found.problems.is_empty(),
            "{found:?}"
        );
    }
}
