//! The one settings file of a node, TOML.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use kernel::{Fault, Finding, Text};
use serde::Deserialize;

use crate::data::{Column, Shape, Type, is_code, is_name};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub limits: Limits,
    #[serde(rename = "publication")]
    pub publications: Vec<Publication>,
    #[serde(rename = "target")]
    pub targets: Vec<Target>,
    #[serde(rename = "api")]
    pub apis: Vec<Api>,
}

/// An API of the department that others may call through the hub. Only what stands here is called,
/// whatever the hub says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Code of the resource at the hub's gateway.
    pub resource: String,
    /// Where it is, as `http://10.1.2.5:8080/v1`; the resource's paths come after it.
    pub url: String,
    /// Headers that the API wants, as a key; `${NAME}` is replaced from the environment.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How long an answer may take to begin.
    #[serde(default = "usual_patience")]
    pub timeout_seconds: u64,
}

fn usual_patience() -> u64 {
    20
}

/// What the node may use.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes a second to and from the hub; 0 for as many as the line bears.
    pub bytes_per_second: u64,
    /// Bytes of rows in memory that make a chunk.
    pub chunk_bytes: usize,
    /// Seconds between looks for work.
    pub poll_seconds: u64,
    /// Days that copies of taken files are kept; 0 for ever.
    pub kept_days: u64,
    /// Bytes of copies of taken files, beyond which the oldest go; 0 for no limit.
    pub kept_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes_per_second: 0,
            chunk_bytes: 8 << 20,
            poll_seconds: 5,
            kept_days: 730,
            kept_bytes: 20 << 30,
        }
    }
}

/// What is offered to others.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    pub code: String,
    #[serde(default)]
    pub resource: String,
    pub title: String,
    pub key: Vec<String>,
    /// Seconds between readings of the source.
    #[serde(default = "usual_interval")]
    pub every_seconds: u64,
    pub source: Source,
    pub columns: Vec<SourceColumn>,
}

fn usual_interval() -> u64 {
    60
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    #[serde(alias = "database")]
    Odbc(OdbcSource),
    Folder(FolderSource),
    Http(HttpSource),
}

/// A table or view of a database.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OdbcSource {
    /// An ODBC connection string, or `postgres://…`, which is read by `COPY`. `${NAME}` is replaced
    /// from the environment, for passwords.
    pub connection: String,
    pub table: String,
    /// Column that rises with every change of a row: a moment or a number.
    #[serde(default)]
    pub watermark: Option<String>,
    /// How far before the last watermark is read again, in seconds or numbers: transactions that
    /// were open at the last reading carry marks from before it.
    #[serde(default = "usual_overlap")]
    pub overlap: i64,
    /// SQL condition of rows that count as gone.
    #[serde(default)]
    pub deleted: Option<String>,
    /// Table that triggers write the keys of changed rows to; wins over `watermark`.
    #[serde(default)]
    pub changes: Option<Changes>,
    /// The write-ahead log of a `PostgreSQL` database; wins over both.
    #[serde(default)]
    pub replication: Option<Replication>,
    /// On which clock moments with a time zone are told, as `Asia/Shanghai`; for `postgres://…`.
    /// An ODBC driver has its own.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// Longest text in bytes that a column without `length` is read with.
    #[serde(default = "usual_text")]
    pub text_bytes: usize,
    /// Whether texts are asked for as UTF-16, for drivers whose other encoding is not UTF-8.
    #[serde(default)]
    pub utf16: bool,
}

fn usual_overlap() -> i64 {
    60
}

fn usual_text() -> usize {
    4096
}

/// A logical replication slot, and the database's own publication that it tells of. The node makes
/// both if they are not there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replication {
    /// Small letters, digits and `_`.
    pub slot: String,
    pub publication: String,
}

/// A table of changes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    pub table: String,
    /// Column whose number rises with every change.
    pub sequence: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    #[default]
    Utf8,
    /// Takes GBK and GB2312 as well.
    Gb18030,
}

/// Files that somebody puts into a folder: `.csv`, `.xlsx`, `.json` (an array of objects, or one
/// object a line). A file is taken once; changed, it is taken again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderSource {
    pub path: PathBuf,
    #[serde(default)]
    pub encoding: Encoding,
    /// Between cells of a CSV file.
    #[serde(default = "usual_separator")]
    pub separator: char,
    /// Whether each file holds all rows; otherwise rows that are new or changed.
    #[serde(default)]
    pub full: bool,
    /// Whether the hub wrote the file, and with it apostrophes before what an office program would
    /// compute.
    #[serde(skip)]
    pub is_guarded: bool,
}

/// An HTTP API that answers rows as JSON: an array of objects, or an object that holds one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSource {
    pub url: String,
    /// Headers, as a key; `${NAME}` is replaced from the environment.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Field of the answer that holds the rows, where the answer is an object.
    #[serde(default = "usual_items")]
    pub items: String,
    /// Field that holds the address of the next page; absolute, or relative to this one.
    #[serde(default = "usual_next")]
    pub next: String,
    /// Field of a row that rises with every change: a number, or a moment in ISO 8601.
    #[serde(default)]
    pub watermark: Option<String>,
    /// Query parameter that asks for rows from that mark on.
    #[serde(default = "usual_since")]
    pub since: String,
    /// Field that is true for rows that are gone.
    #[serde(default)]
    pub deleted: Option<String>,
    /// How long a page may take.
    #[serde(default = "usual_page_patience")]
    pub timeout_seconds: u64,
}

fn usual_items() -> String {
    "items".into()
}

fn usual_next() -> String {
    "next".into()
}

fn usual_since() -> String {
    "since".into()
}

fn usual_page_patience() -> u64 {
    120
}

fn usual_separator() -> char {
    ','
}

/// A column, where it comes from, and what is done to its values.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceColumn {
    pub name: String,
    #[serde(default)]
    pub title: String,
    #[serde(default, rename = "type")]
    pub kind: Type,
    #[serde(default)]
    pub required: bool,
    #[serde(default)]
    pub length: u32,
    /// Column or SQL expression of the source, or heading of the file; the name where it is the same.
    #[serde(default)]
    pub from: Option<String>,
    /// Whether full-width letters and digits become the usual ones.
    #[serde(default)]
    pub half_width: bool,
    /// The source's codes and what they become. A code that is not here is refused.
    #[serde(default)]
    pub codes: BTreeMap<String, String>,
}

impl SourceColumn {
    pub fn source(&self) -> &str {
        self.from.as_deref().unwrap_or(&self.name)
    }
}

impl Publication {
    pub fn shape(&self) -> Shape {
        let columns = self.columns.iter().map(|column| Column {
            name: column.name.clone(),
            title: column.title.clone(),
            kind: column.kind,
            required: column.required,
            length: column.length,
        });
        Shape {
            columns: columns.collect(),
            key: self.key.clone(),
        }
    }

    pub fn key_columns(&self) -> impl Iterator<Item = &SourceColumn> {
        self.key
            .iter()
            .filter_map(|name| self.columns.iter().find(|c| c.name == *name))
    }
}

/// Where rows of a subscription go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Code of the publication.
    pub publication: String,
    /// An ODBC connection string, or `postgres://…`.
    pub connection: String,
    pub table: String,
    /// Whether the node makes the table if it is not there.
    #[serde(default)]
    pub create: bool,
    /// Columns that are called otherwise in the table.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
    /// Codes of a column and what they become in the table. Others stay as they are.
    #[serde(default)]
    pub codes: BTreeMap<String, BTreeMap<String, String>>,
    /// Rows sent to the database at once.
    #[serde(default = "usual_rows")]
    pub rows: usize,
}

impl Target {
    /// Whether it is reached by PostgreSQL's own protocol.
    pub fn is_postgres(&self) -> bool {
        is_postgres(&self.connection)
    }
}

/// Whether a connection is by `PostgreSQL`'s own protocol.
pub fn is_postgres(connection: &str) -> bool {
    ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| connection.starts_with(scheme))
}

fn usual_rows() -> usize {
    1000
}

impl Config {
    pub fn read(file: &Path) -> Result<Self, Fault> {
        let text = std::fs::read_to_string(file)
            .map_err(|e| Fault::caused_by(format!("read {}", file.display()), e))?;
        Self::parse(&text).map_err(|e| Fault::caused_by(format!("read {}", file.display()), e))
    }

    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Everything that is wrong with it.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for publication in &self.publications {
            let place = format!("publication {}: ", publication.code);
            findings.extend(publication.shape().findings(&place));
            if !is_code(&publication.code) {
                findings.push(Finding::new(
                    format!("{place}code"),
                    Text::new("exchange-code"),
                ));
            }
        }
        for api in &self.apis {
            let is_http = ["http://", "https://"]
                .iter()
                .any(|scheme| api.url.starts_with(scheme));
            if !is_http {
                let field = format!("api {}: url", api.resource);
                findings.push(Finding::new(field, Text::new("exchange-url")));
            }
        }
        for target in &self.targets {
            let place = format!("target {}: ", target.publication);
            let names = target.columns.values().chain([&target.table]);
            for name in names {
                // `schema.table` is two names.
                if !name.split('.').all(|part| is_name(&part.to_lowercase())) {
                    let text = Text::new("exchange-name").with("name", name);
                    findings.push(Finding::new(format!("{place}table"), text));
                }
            }
            if target.rows == 0 {
                findings.push(Finding::new(
                    format!("{place}rows"),
                    Text::new("exchange-rows-zero"),
                ));
            }
        }
        findings
    }
}

/// A connection string with its variables.
pub fn with_environment(text: &str) -> Result<String, Fault> {
    let mut parts = text.split("${");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part
            .split_once('}')
            .ok_or_else(|| Fault::new("a connection string has ${ without }"))?;
        let value = std::env::var(name)
            .map_err(|_| Fault::new(format!("the environment variable {name} is not set")))?;
        whole.push_str(&value);
        whole.push_str(rest);
    }
    Ok(whole)
}
