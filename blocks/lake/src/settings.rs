//! Where the lake is, and what one question may cost.

use serde::{Deserialize, Serialize};

/// Section `[lake]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// A folder, or `s3://bucket/prefix`; `lake` in the data folder where nothing is said.
    pub place: String,
    /// Address of an S3-compatible service; empty for Amazon's own. Keys come from the variables
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, so that no file holds them.
    pub s3_endpoint: String,
    /// What runs SQL: `local`.
    pub engine: String,
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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            place: String::new(),
            s3_endpoint: String::new(),
            engine: "local".into(),
            flight: String::new(),
            query_seconds: 25,
            query_memory_mb: 512,
            query_disk_mb: 4096,
            query_rows: 1_000_000,
            queries_at_once: 4,
        }
    }
}

impl Settings {
    /// Everything wrong with them, each beginning with the key.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.engine != "local" {
            problems.push(format!(
                "engine: {:?} is not in this executable; write local",
                self.engine
            ));
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
            ("queries_at_once", self.queries_at_once as u64),
        ];
        for (key, _) in numbers.into_iter().filter(|(_, number)| *number == 0) {
            problems.push(format!("{key}: must be at least 1"));
        }
        problems
    }
}
