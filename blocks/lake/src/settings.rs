//! Where the lake is, and what one question may cost.

use serde::{Deserialize, Serialize};

use crate::quality::seen::IN_MEMORY;

/// Section `[lake]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// A folder, or `s3://bucket/prefix`; `lake` in the data folder where nothing is said.
    pub place: String,
    /// Address of an S3-compatible service; empty for Amazon's own. Keys come from the variables
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, so that no file holds them.
    pub s3_endpoint: String,
    /// What runs SQL: `local`, or `ballista` where the executable has the feature `cluster`.
    pub engine: String,
    /// Address of the cluster's scheduler, as `df://scheduler:50050`.
    pub scheduler: String,
    /// Parts into which the cluster divides a question; as many as its executors have cores.
    pub partitions: usize,
    /// Address of the Arrow Flight SQL door, as `127.0.0.1:8815`; empty for none.
    pub flight: String,
    /// Seconds after which a question is given up; fewer than `web.timeout_seconds`.
    pub query_seconds: u64,
    /// Megabytes that one question may hold in memory.
    pub query_memory_mb: u64,
    /// Megabytes that one question may put aside on disk.
    pub query_disk_mb: u64,
    /// Rows of an answer that is streamed.
    pub query_rows: u64,
    /// Questions that run at one time.
    pub queries_at_once: usize,
    /// Values that a rule about uniqueness or a reference keeps in memory; more of them go to files.
    pub values_in_memory: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            place: String::new(),
            s3_endpoint: String::new(),
            engine: "local".into(),
            scheduler: String::new(),
            partitions: 16,
            flight: String::new(),
            query_seconds: 25,
            query_memory_mb: 512,
            query_disk_mb: 4096,
            query_rows: 1_000_000,
            queries_at_once: 4,
            values_in_memory: IN_MEMORY,
        }
    }
}

impl Settings {
    /// Whether questions run on a cluster.
    pub fn is_cluster(&self) -> bool {
        self.engine == "ballista"
    }

    /// Host and port of the scheduler, if it is named.
    pub fn scheduler_address(&self) -> Option<(String, u16)> {
        let (host, port) = self.scheduler.strip_prefix("df://")?.rsplit_once(':')?;
        let is_host = !host.is_empty() && !host.contains(['/', '@', '?', '#']);
        Some((host.to_owned(), port.parse().ok()?)).filter(|_| is_host)
    }

    /// Everything wrong with them, each beginning with the key.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        match self.engine.as_str() {
            "local" => {}
            "ballista" if cfg!(feature = "cluster") => {
                if self.scheduler_address().is_none() {
                    problems.push(format!(
                        "scheduler: {:?} names no scheduler; write df://host:50050",
                        self.scheduler
                    ));
                }
            }
            "ballista" => problems.push(
                "engine: \"ballista\" is not in this executable; build it with --features \
                 cluster, or write local"
                    .into(),
            ),
            other => problems.push(format!(
                "engine: {other:?} is unknown; write local or ballista"
            )),
        }
        if !self.flight.is_empty() && self.flight.parse::<std::net::SocketAddr>().is_err() {
            problems.push(format!(
                "flight: {:?} is not an address and port; write 127.0.0.1:8815, or nothing",
                self.flight
            ));
        }
        let numbers = [
            ("query_seconds", self.query_seconds),
            ("query_memory_mb", self.query_memory_mb),
            ("query_rows", self.query_rows),
            ("partitions", self.partitions as u64),
            ("queries_at_once", self.queries_at_once as u64),
            ("values_in_memory", self.values_in_memory as u64),
        ];
        for (key, _) in numbers.into_iter().filter(|(_, number)| *number == 0) {
            problems.push(format!("{key}: must be at least 1"));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;

    fn problems(engine: &str, scheduler: &str) -> Vec<String> {
        let settings = Settings {
            engine: engine.into(),
            scheduler: scheduler.into(),
            ..Settings::default()
        };
        settings.problems()
    }

    #[test]
    fn an_engine_is_there_or_the_remedy_is_said() {
        assert_eq!(problems("local", ""), [""; 0]);
        assert!(problems("spark", "")[0].starts_with("engine: \"spark\" is unknown"));
        let named = problems("ballista", "df://scheduler:50050");
        let unnamed = problems("ballista", "http://scheduler");
        if cfg!(feature = "cluster") {
            assert_eq!(named, [""; 0]);
            assert!(unnamed[0].ends_with("write df://host:50050"), "{unnamed:?}");
        } else {
            assert!(named[0].contains("--features cluster"), "{named:?}");
        }
    }

    #[test]
    fn a_scheduler_is_a_host_and_a_port() {
        let address = |scheduler: &str| {
            let settings = Settings {
                scheduler: scheduler.into(),
                ..Settings::default()
            };
            settings.scheduler_address()
        };
        assert_eq!(address("df://a.b:50050"), Some(("a.b".into(), 50050)));
        assert_eq!(address("df://[::1]:1"), Some(("[::1]".into(), 1)));
        for wrong in [
            "",
            "df://",
            "df://a",
            "df://:1",
            "a:1",
            "df://a:1/x",
            "df://u@a:1",
        ] {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }
}
