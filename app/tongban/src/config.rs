//! The settings of an installation: one TOML file, overlaid by the environment.
//!
//! Every problem is reported at once. The defaults are the schema: a key that they do not have
//! is unknown, and a value of another type is wrong.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// All sections with their defaults; `tongban config show` prints them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub data: Data,
    pub database: store::Settings,
    pub web: web::Settings,
    pub identity: identity::Settings,
    pub notify: notify::Settings,
    pub service: service::Settings,
    pub supervise: supervise::Settings,
    pub workflow: workflow::Settings,
    pub exchange: exchange::Settings,
    pub gateway: gateway::Settings,
    pub lake: lake::Settings,
    pub log: Log,
}

/// Where files are kept that are not in the database: blobs, keys, fonts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Data {
    pub dir: PathBuf,
}

impl Default for Data {
    fn default() -> Self {
        Self { dir: "data".into() }
    }
}

/// What is written to standard error.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// A `tracing` filter, as `info` or `warn,service=debug`.
    pub filter: String,
    /// `text` for people, `json` for collectors.
    pub format: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            // The server's notices repeat what a failed query says itself.
            // The kernel of the lake tells as an error that a new table has no log yet; what really
            // fails comes back as an error of ours.
            // The cluster's scheduler would quote the value that a question failed on.
            filter: "warn,tongban=info,sqlx::postgres::notice=error,odbc_api=error,buoyant_kernel=off,deltalake_core=error,ballista_scheduler::state::execution_graph=off".into(),
            format: "text".into(),
        }
    }
}

/// Names of environment variables begin with this; `TONGBAN_WEB__LISTEN` sets `web.listen`.
const ENVIRONMENT_PREFIX: &str = "TONGBAN_";
/// Variables that only tests read.
const TEST_PREFIX: &str = "TONGBAN_TEST_";

/// Everything that is wrong with the settings.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Problems(pub Vec<String>);

impl Config {
    /// Reads the file (if any is named or `tongban.toml` is there) and the environment.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let (config, problems) = Self::examine(file)?;
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(Problems(problems).into()),
        }
    }

    /// The settings as far as they can be read, and everything that is wrong with them.
    pub fn examine(file: Option<&Path>) -> anyhow::Result<(Option<Self>, Vec<String>)> {
        let environment: Vec<(String, String)> = std::env::vars().collect();
        Self::read(file, &environment)
    }

    fn read(
        file: Option<&Path>,
        environment: &[(String, String)],
    ) -> anyhow::Result<(Option<Self>, Vec<String>)> {
        let default_file = Path::new("tongban.toml");
        let file = file.or_else(|| default_file.exists().then_some(default_file));
        let mut given = Table::new();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the settings file {}", path.display()))?;
            given = text
                .parse()
                .with_context(|| format!("{} is not valid TOML", path.display()))?;
        }
        let schema = Table::try_from(Self::default())?;
        let mut problems = Vec::new();
        overlay(&mut given, &schema, environment, &mut problems);
        compare("", &given, &schema, &mut problems);
        let config: Result<Self, _> = Value::Table(given).try_into();
        match config {
            Ok(config) => {
                config.check(&mut problems);
                Ok((Some(config), problems))
            }
            // What has another type was told already.
            Err(_) if !problems.is_empty() => Ok((None, problems)),
            Err(error) => Ok((None, vec![error.to_string()])),
        }
    }

    /// The same without passwords, for showing.
    #[must_use]
    pub fn hide_secrets(mut self) -> Self {
        self.database.url = without_password(&self.database.url);
        if !self.notify.password.is_empty() {
            self.notify.password = HIDDEN.into();
        }
        self
    }

    /// What types cannot say.
    fn check(&self, problems: &mut Vec<String>) {
        if self.web.listen.parse::<std::net::SocketAddr>().is_err() {
            problems.push(format!(
                "web.listen: {:?} is not an address and port; write 127.0.0.1:8080",
                self.web.listen
            ));
        }
        if !["sqlite:", "postgres:", "postgresql:"]
            .iter()
            .any(|s| self.database.url.starts_with(s))
        {
            problems.push(
                "database.url: must begin with sqlite: or postgres:, as sqlite://data/tongban.db"
                    .into(),
            );
        }
        problems.extend(self.workflow.problems());
        if self.database.connections == 0 {
            problems.push("database.connections: must be at least 1; 8 suits two cores".into());
        }
        if !["text", "json"].contains(&self.log.format.as_str()) {
            problems.push(format!(
                "log.format: {:?} is unknown; write text or json",
                self.log.format
            ));
        }
        let sections = [
            ("service", self.service.problems()),
            ("supervise", self.supervise.problems()),
            ("lake", self.lake.problems()),
        ];
        for (section, wrong) in sections {
            problems.extend(wrong.into_iter().map(|text| format!("{section}.{text}")));
        }
        if !self.web.public_url.starts_with("http://")
            && !self.web.public_url.starts_with("https://")
        {
            problems.push("web.public_url: must begin with http:// or https://".into());
        }
    }
}

const HIDDEN: &str = "…";

/// A database address that can be shown.
pub fn without_password(url: &str) -> String {
    let parts = url
        .split_once("://")
        .and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?)));
    match parts {
        Some((scheme, (who, place))) => {
            let user = who.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:{HIDDEN}@{place}")
        }
        None => url.to_owned(),
    }
}

/// Puts `TONGBAN_SECTION__KEY` variables over what the file says.
fn overlay(
    given: &mut Table,
    schema: &Table,
    environment: &[(String, String)],
    problems: &mut Vec<String>,
) {
    for (name, text) in environment {
        let Some(path) = name.strip_prefix(ENVIRONMENT_PREFIX) else {
            continue;
        };
        if name.starts_with(TEST_PREFIX) {
            continue;
        }
        let path = path.to_lowercase();
        let Some((section, key)) = path.split_once("__") else {
            problems.push(format!(
                "{name}: write {ENVIRONMENT_PREFIX}SECTION__KEY, as TONGBAN_WEB__LISTEN"
            ));
            continue;
        };
        let kind = schema
            .get(section)
            .and_then(Value::as_table)
            .and_then(|s| s.get(key));
        let value = match kind {
            Some(Value::Integer(_)) => text.parse().map(Value::Integer).ok(),
            Some(Value::Boolean(_)) => text.parse().map(Value::Boolean).ok(),
            _ => Some(Value::String(text.clone())),
        };
        let Some(value) = value else {
            problems.push(format!(
                "{name}: {text:?} is not {}",
                kind.map_or("known", type_words)
            ));
            continue;
        };
        let section = given
            .entry(section)
            .or_insert_with(|| Value::Table(Table::new()));
        if let Some(section) = section.as_table_mut() {
            section.insert(key.to_owned(), value);
        }
    }
}

/// Collects keys that the schema does not know and values of another type than its own.
fn compare(path: &str, given: &Table, schema: &Table, problems: &mut Vec<String>) {
    for (key, value) in given {
        let name = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        match schema.get(key) {
            None => {
                let known: Vec<&str> = schema.keys().map(String::as_str).collect();
                problems.push(format!(
                    "{name}: unknown setting; known here: {}",
                    known.join(", ")
                ));
            }
            Some(Value::Table(inner)) => match value {
                Value::Table(value) => compare(&name, value, inner, problems),
                _ => problems.push(format!("{name}: is a section; write [{name}]")),
            },
            Some(expected) if expected.type_str() != value.type_str() => {
                problems.push(format!("{name}: must be {}", type_words(expected)));
            }
            Some(_) => {}
        }
    }
}

fn type_words(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "a whole number",
        Value::Boolean(_) => "true or false",
        Value::Float(_) => "a number",
        Value::Array(_) => "a list in [ ]",
        Value::String(_) => "text in quotes",
        Value::Datetime(_) => "a date",
        Value::Table(_) => "a section",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, environment: &[(&str, &str)]) -> anyhow::Result<Config> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("tongban.toml");
        std::fs::write(&file, text)?;
        let environment: Vec<_> = environment
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        match Config::read(Some(&file), &environment)? {
            (Some(config), problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(Problems(problems).into()),
        }
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let error = read(
            "[web]\nlisten = \"nowhere\"\nbody_limit = \"big\"\ncolour = 1\n[databse]\nurl = \"x\"\n",
            &[("TONGBAN_DATABASE__CONNECTIONS", "many"), ("TONGBAN_PORT", "1")],
        )
        .unwrap_err()
        .to_string();
        for name in [
            "web.body_limit",
            "web.colour",
            "databse",
            "TONGBAN_DATABASE__CONNECTIONS",
            "TONGBAN_PORT",
        ] {
            assert!(error.contains(name), "{name} is missing from:\n{error}");
        }
    }

    #[test]
    fn what_types_cannot_say_is_checked_too() {
        let error = read(
            "[web]\nlisten = \"nowhere\"\n[database]\nurl = \"mysql://x\"\nconnections = 0\n",
            &[],
        )
        .unwrap_err()
        .to_string();
        assert_eq!(error.lines().count(), 3, "{error}");
    }

    #[test]
    fn limits_are_local_only_within_the_law() {
        let error = read(
            "[service]\nanswer_days = 6\ncorrection_days = 0\ndelivery_days = 11\n[supervise]\nwarn_percent = 100\n",
            &[("TONGBAN_SERVICE__EXTENSION_DAYS", "20")],
        )
        .unwrap_err()
        .to_string();
        for text in [
            "service.answer_days: 6 is not in 1 to 5; art. 32",
            "service.correction_days: 0 is not in 1 to 180",
            "service.delivery_days: 11 is not in 1 to 10; art. 44",
            "service.extension_days: 20 is not in 1 to 10; art. 42",
            "supervise.warn_percent: 100 is not in 1 to 99",
        ] {
            assert!(error.contains(text), "{text} is missing from:\n{error}");
        }
        let config = read("[service]\nanswer_days = 3\n", &[]).unwrap();
        assert_eq!(config.service.limits().answer_days, 3);
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(
            without_password("postgres://me:secret@host/db"),
            "postgres://me:…@host/db"
        );
        assert_eq!(
            without_password("sqlite://data/tongban.db"),
            "sqlite://data/tongban.db"
        );
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let config = read(
            "[web]\nlisten = \"127.0.0.1:1\"\n",
            &[
                ("TONGBAN_WEB__LISTEN", "127.0.0.1:2"),
                ("TONGBAN_WEB__DEMO", "true"),
            ],
        )
        .unwrap();
        assert_eq!(config.web.listen, "127.0.0.1:2");
        assert!(config.web.demo);
    }
}
