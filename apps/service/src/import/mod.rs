//! Lists of matters that cities really have, taken in row by row with a report.
//!
//! Bad rows never stop good ones unless asked to; importing the same file again changes nothing.
//! Who imported which file leaves an event before the first row is written, and what became of it
//! another one at the end.

pub mod event;
pub mod page;

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    path::{Path, PathBuf},
    sync::Arc,
};

use kernel::{Error, Fault, Result, Text, code::region};
use serde::Serialize;
use store::Db;
use tokio::sync::mpsc;

use crate::matter::{
    State, TaskType,
    store::{self as rows, Listed},
};
use sheet::RawRow;

/// How to import.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// One bad row refuses the whole file; nothing is written then.
    pub all_or_nothing: bool,
    /// Who imports, as events name an actor; the system when empty.
    pub by: String,
    /// Name of the file for people; the last part of its path when empty.
    pub name: String,
}

/// What became of a file.
#[derive(Clone, Debug, Default, Serialize, utoipa::ToSchema)]
#[schema(as = ImportReport)]
pub struct Report {
    /// Rows below the header.
    #[schema(example = 1135)]
    pub rows: u64,
    pub inserted: u64,
    /// Rows that were listed before with other words.
    pub updated: u64,
    /// Rows that were there exactly so, or twice in the file with the same words.
    pub unchanged: u64,
    /// Rows of matters that are in force here with all their elements, which a list never
    /// overwrites.
    pub kept: u64,
    pub refused: u64,
    /// What is wrong, the first [`MAX_FINDINGS`] of it.
    pub findings: Vec<RowFinding>,
    /// How many findings there are altogether.
    pub finding_count: u64,
    /// Columns of the file that mean nothing here.
    pub ignored_columns: Vec<String>,
    /// Publication checks that the matters of the list do not pass, with the number of matters.
    pub lacks: Vec<Lack>,
    /// Nothing was written because a row was wrong and all or nothing was asked for.
    pub is_refused_whole: bool,
}

impl Report {
    /// Whether every row was good.
    pub fn is_clean(&self) -> bool {
        self.finding_count == 0
    }

    fn put_words(&mut self, app: &web::App) {
        let words = |text: &Text| {
            let args: Vec<_> = text
                .args
                .iter()
                .map(|(name, value)| (*name, value.clone()))
                .collect();
            app.texts().text(web::Language::ZhCn, text.key, &args)
        };
        for finding in &mut self.findings {
            finding.message = words(&finding.text);
        }
        for lack in &mut self.lacks {
            lack.message = words(&lack.text);
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for finding in &self.findings {
            writeln!(
                f,
                "{}: {}: {}",
                finding.row, finding.column, finding.message
            )?;
        }
        for lack in &self.lacks {
            writeln!(f, "{} × {}", lack.matters, lack.message)?;
        }
        write!(
            f,
            "{} rows: {} new, {} changed, {} unchanged, {} kept, {} refused",
            self.rows, self.inserted, self.updated, self.unchanged, self.kept, self.refused
        )
    }
}

/// One thing wrong in one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RowFinding {
    pub row: u64,
    pub column: String,
    /// States the rule and the remedy: a key of the message catalogue with its arguments.
    #[schema(value_type = Object)]
    pub text: Text,
    /// The same in words, for programs that have no message catalogue.
    pub message: String,
}

/// A publication check that listed matters do not pass yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Lack {
    /// A key of the message catalogue with its arguments.
    #[schema(value_type = Object)]
    pub text: Text,
    /// The same in words.
    pub message: String,
    pub matters: u64,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    pub rows: u64,
    pub bytes: u64,
    /// 0 when unknown.
    pub total_bytes: u64,
}

/// Findings that a report holds; a file wrong in every row would fill the memory otherwise.
pub const MAX_FINDINGS: usize = 1000;
/// Rows of one write: with 19 columns well below SQLite's 32,766 parameters of one statement.
const BATCH: usize = 1000;
/// Rows among which the header is looked for, below titles and merged group heads.
const HEADER_WITHIN: u64 = 10;

/// Reads a list of matters from a CSV (UTF-8 with or without mark, GB18030) or XLSX file, telling
/// how far it is as `(done, of)`: bytes where the format tells them, else rows of an unknown
/// number (0).
///
/// Invalid when the file is no table or its header cannot be understood; bad rows are in the
/// report. Memory stays small whatever the file's size.
pub async fn matters(
    app: &web::App,
    path: &Path,
    options: &Options,
    progress: impl Fn(u64, u64) + Send + Sync + 'static,
) -> Result<Report> {
    let tell = move |now: Progress| match now.total_bytes {
        0 => progress(now.rows, 0),
        total => progress(now.bytes, total),
    };
    let mut report = into_db(app.db(), path, options, tell).await?;
    report.put_words(app);
    Ok(report)
}

/// The same without words in the report.
pub async fn into_db(
    db: &Db,
    path: &Path,
    options: &Options,
    progress: impl Fn(Progress) + Send + Sync + 'static,
) -> Result<Report> {
    let progress: Arc<dyn Fn(Progress) + Send + Sync> = Arc::new(progress);
    let begun = event::begin(db, path, options).await?;
    let mut report = Report::default();
    if options.all_or_nothing {
        let quiet: Arc<dyn Fn(Progress) + Send + Sync> = Arc::new(|_| {});
        report = pass(None, path, quiet).await?;
        report.is_refused_whole = report.finding_count > 0;
    }
    if report.is_refused_whole {
        report.refused = report.rows;
    } else {
        report = pass(Some(db), path, progress).await?;
    }
    event::finish(db, begun, &report).await?;
    Ok(report)
}

/// One reading of the file; without a database it only looks.
async fn pass(
    db: Option<&Db>,
    path: &Path,
    progress: Arc<dyn Fn(Progress) + Send + Sync>,
) -> Result<Report> {
    let (sender, mut batches) = mpsc::channel::<Vec<Listed>>(2);
    let path = PathBuf::from(path);
    let reading = tokio::task::spawn_blocking(move || read_all(&path, &sender, &*progress));
    let mut written = Written::default();
    while let Some(batch) = batches.recv().await {
        if let Some(db) = db {
            written.add(&write_batch(db, batch).await?);
        }
    }
    let mut report = reading
        .await
        .map_err(|e| Fault::caused_by("read the file to import", e))??;
    report.inserted = written.inserted;
    report.updated = written.updated;
    report.unchanged += written.unchanged;
    report.kept = written.kept;
    Ok(report)
}

#[derive(Clone, Copy, Debug, Default)]
struct Written {
    inserted: u64,
    updated: u64,
    unchanged: u64,
    kept: u64,
}

impl Written {
    fn add(&mut self, other: &Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.kept += other.kept;
    }
}

async fn write_batch(db: &Db, batch: Vec<Listed>) -> Result<Written> {
    let batch = Arc::new(batch);
    db.write(move |tx| {
        let batch = batch.clone();
        async move {
            let codes: Vec<_> = batch.iter().map(|row| row.task_code.clone()).collect();
            let known = rows::list_shown_of(&*tx, &codes).await?;
            let mut written = Written::default();
            let mut new = Vec::new();
            let mut lacks = HashMap::new();
            for row in batch.iter() {
                let lacking = *lacks
                    .entry(row.task_type.as_str())
                    .or_insert_with(|| rows::lacks_of(&row.task_type));
                match known.get(&row.task_code) {
                    None => new.push((row, lacking)),
                    Some((State::Listed, same)) if same == row => written.unchanged += 1,
                    Some((State::Listed, _)) => {
                        rows::update_listed(&tx, row, lacking).await?;
                        written.updated += 1;
                    }
                    Some(_) => written.kept += 1,
                }
            }
            written.inserted = new.len() as u64;
            rows::insert_listed(&tx, &new).await?;
            Ok(written)
        }
    })
    .await
}

/// Reads, checks, and sends good rows in batches; runs on a thread of its own.
fn read_all(
    path: &Path,
    batches: &mpsc::Sender<Vec<Listed>>,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Report> {
    let total_bytes = std::fs::metadata(path).map_or(0, |m| m.len());
    let mut reading = Reading::default();
    sheet::rows(path, &mut |row, bytes| {
        reading.take(row)?;
        if reading.batch.len() >= BATCH {
            progress(Progress {
                rows: reading.report.rows,
                bytes,
                total_bytes: if bytes == 0 { 0 } else { total_bytes },
            });
            let batch = std::mem::take(&mut reading.batch);
            // The other side hangs up when a write failed; its error is the answer.
            return Ok(batches.blocking_send(batch).is_ok());
        }
        Ok(true)
    })?;
    if reading.columns.is_none() {
        return Err(no_header(&reading.skipped));
    }
    drop(batches.blocking_send(std::mem::take(&mut reading.batch)));
    progress(Progress {
        rows: reading.report.rows,
        bytes: total_bytes,
        total_bytes,
    });
    Ok(reading.finish())
}

/// A file under way.
#[derive(Default)]
struct Reading {
    columns: Option<Columns>,
    /// Rows above the header.
    skipped: Vec<RawRow>,
    batch: Vec<Listed>,
    seen: Seen,
    types: HashMap<String, u64>,
    report: Report,
}

impl Reading {
    fn take(&mut self, row: RawRow) -> Result<()> {
        let Some(columns) = &self.columns else {
            if let Some(columns) = Columns::read(&row)? {
                self.report.ignored_columns.clone_from(&columns.ignored);
                self.columns = Some(columns);
            } else if row.line > HEADER_WITHIN {
                return Err(no_header(&self.skipped));
            } else {
                self.skipped.push(row);
            }
            return Ok(());
        };
        self.report.rows += 1;
        match columns.listed(&row) {
            Ok(listed) => match self.seen.add(&listed, row.line) {
                Place::First => {
                    *self.types.entry(listed.task_type.clone()).or_default() += 1;
                    self.batch.push(listed);
                }
                Place::Same => self.report.unchanged += 1,
                Place::Other(first) => {
                    let text = Text::new("service-import-duplicate")
                        .with("code", &listed.task_code)
                        .with("row", first);
                    let column = columns.title("item_code");
                    self.refuse(vec![RowFinding {
                        row: row.line,
                        column,
                        text,
                        message: String::new(),
                    }]);
                }
            },
            Err(findings) => self.refuse(findings),
        }
        Ok(())
    }

    fn refuse(&mut self, findings: Vec<RowFinding>) {
        self.report.refused += 1;
        for finding in findings {
            self.report.finding_count += 1;
            if self.report.findings.len() < MAX_FINDINGS {
                self.report.findings.push(finding);
            }
        }
    }

    fn finish(mut self) -> Report {
        self.report.lacks = lacks(&self.types);
        self.report
    }
}

/// What listed matters lack: the checks that a matter of such a type fails when only its name is
/// known.
fn lacks(types: &HashMap<String, u64>) -> Vec<Lack> {
    let mut all: Vec<Lack> = Vec::new();
    for (task_type, matters) in types {
        for finding in rows::lacks_by_type(task_type) {
            match all
                .iter_mut()
                .find(|lack| lack.text.key == finding.text.key)
            {
                Some(lack) => lack.matters += matters,
                None => all.push(Lack {
                    text: finding.text,
                    message: String::new(),
                    matters: *matters,
                }),
            }
        }
    }
    all.sort_by_key(|lack| lack.text.key);
    all
}

enum Place {
    First,
    Same,
    /// Another row with this code stands at that line.
    Other(u64),
}

/// Codes met so far, by digests: a million of them fit into some 50 MB.
#[derive(Default)]
struct Seen {
    codes: HashMap<u64, (u32, u64)>,
    hash_code: RandomState,
    hash_row: RandomState,
}

impl Seen {
    fn add(&mut self, row: &Listed, line: u64) -> Place {
        let code = self.hash_code.hash_one(&row.task_code);
        let content = self.hash_row.hash_one(row);
        match self.codes.entry(code) {
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert((u32::try_from(line).unwrap_or(u32::MAX), content));
                Place::First
            }
            std::collections::hash_map::Entry::Occupied(place) => {
                let (first, same) = place.get();
                if *same == content {
                    Place::Same
                } else {
                    Place::Other(u64::from(*first))
                }
            }
        }
    }
}

/// The columns that mean something, with the titles that lists give them.
const TITLES: [(&str, bool, &[&str]); 8] = [
    (
        "department",
        true,
        &[
            "department",
            "dept_name",
            "部门",
            "部门名称",
            "实施主体",
            "实施主体名称",
            "所属部门",
            "实施部门",
            "办理部门",
            "责任部门",
        ],
    ),
    (
        "main_item",
        false,
        &["main_item", "主项", "主项名称", "事项主项", "主项事项名称"],
    ),
    (
        "name",
        true,
        &[
            "name",
            "task_name",
            "事项名称",
            "名称",
            "办理项名称",
            "业务办理项名称",
            "实施清单名称",
        ],
    ),
    (
        "area_code",
        false,
        &[
            "area_code",
            "区划代码",
            "行政区划代码",
            "行政区划",
            "区划编码",
            "行政区划编码",
        ],
    ),
    (
        "item_code",
        true,
        &[
            "item_code",
            "task_code",
            "事项编码",
            "实施编码",
            "事项代码",
            "实施清单编码",
            "业务办理项编码",
            "编码",
        ],
    ),
    (
        "task_type",
        false,
        &["task_type", "事项类型", "事项类型代码", "类型", "权力类型"],
    ),
    (
        "dept_code",
        false,
        &[
            "dept_code",
            "部门编码",
            "部门代码",
            "实施主体编码",
            "实施主体代码",
            "统一社会信用代码",
            "实施主体统一社会信用代码",
        ],
    ),
    (
        "link",
        false,
        &[
            "link",
            "url",
            "链接",
            "网址",
            "办理链接",
            "在线办理地址",
            "办事指南链接",
        ],
    ),
];

/// Where each meaning stands in a row.
#[derive(Debug)]
struct Columns {
    places: HashMap<&'static str, usize>,
    titles: Vec<String>,
    ignored: Vec<String>,
}

impl Columns {
    /// The columns if this row is a header; invalid if it is one that cannot be understood.
    fn read(row: &RawRow) -> Result<Option<Self>> {
        let meanings: Vec<_> = row.cells.iter().map(|title| meaning(title)).collect();
        let known = meanings.iter().flatten().count();
        let mut places: HashMap<&'static str, usize> = HashMap::new();
        for (place, meaning) in meanings.iter().enumerate() {
            let Some(meaning) = meaning else { continue };
            if places.insert(meaning, place).is_some() && known >= 3 {
                let title = row.cells.get(place).cloned().unwrap_or_default();
                let text = Text::new("service-import-column-twice").with("title", title);
                return Err(Error::invalid(format!("row {}", row.line), text));
            }
        }
        let is_whole = TITLES
            .iter()
            .all(|(meaning, is_needed, _)| !is_needed || places.contains_key(meaning));
        if !is_whole {
            return Ok(None);
        }
        let ignored = row
            .cells
            .iter()
            .zip(&meanings)
            .filter(|(title, meaning)| meaning.is_none() && !title.is_empty())
            .map(|(title, _)| title.clone())
            .collect();
        Ok(Some(Self {
            places,
            titles: row.cells.clone(),
            ignored,
        }))
    }

    fn title(&self, meaning: &str) -> String {
        let place = self.places.get(meaning);
        let title = place.and_then(|place| self.titles.get(*place));
        title.cloned().unwrap_or_else(|| meaning.to_owned())
    }

    fn cell(&self, row: &RawRow, meaning: &str) -> String {
        let place = self.places.get(meaning);
        let cell = place.and_then(|place| row.cells.get(*place));
        cell.cloned().unwrap_or_default()
    }

    /// The matter of a row, or everything wrong with it.
    fn listed(&self, row: &RawRow) -> Result<Listed, Vec<RowFinding>> {
        let mut findings = Vec::new();
        let mut wrong = |column: String, text: Text| {
            findings.push(RowFinding {
                row: row.line,
                column,
                text,
                message: String::new(),
            });
        };
        if row.is_ragged(self.titles.len()) {
            let text = Text::new("service-import-ragged")
                .with("cells", row.cells.len())
                .with("columns", self.titles.len());
            wrong(String::new(), text);
            return Err(findings);
        }
        for (meaning, longest) in LENGTHS {
            let cell = self.cell(row, meaning);
            if let Some(text) = wrong_text(&cell, is_needed(meaning), longest) {
                wrong(self.title(meaning), text);
            }
        }
        let task_type = self.cell(row, "task_type");
        let known_type = TaskType::read(&task_type);
        if !task_type.is_empty() && known_type.is_none() {
            let text = Text::new("service-import-type").with("value", &task_type);
            wrong(self.title("task_type"), text);
        }
        let area_code = self.cell(row, "area_code");
        if !area_code.is_empty()
            && let Err(e) = region::parse(&area_code)
        {
            wrong(self.title("area_code"), e.text());
        }
        let link = self.cell(row, "link");
        if !link.is_empty() && !link.starts_with("http://") && !link.starts_with("https://") {
            wrong(self.title("link"), Text::new("service-import-link"));
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        Ok(Listed {
            task_code: self.cell(row, "item_code"),
            name: self.cell(row, "name"),
            main_item: self.cell(row, "main_item"),
            area_code,
            dept_name: self.cell(row, "department"),
            dept_code: self.cell(row, "dept_code"),
            task_type: known_type.unwrap_or_default().0,
            link,
        })
    }
}

const LENGTHS: [(&str, usize); 7] = [
    ("item_code", 64),
    ("name", 1000),
    ("department", 100),
    ("main_item", 1000),
    ("area_code", 12),
    ("dept_code", 50),
    ("link", 500),
];

fn is_needed(meaning: &str) -> bool {
    TITLES
        .iter()
        .any(|(m, is_needed, _)| *m == meaning && *is_needed)
}

fn wrong_text(cell: &str, is_needed: bool, longest: usize) -> Option<Text> {
    if cell.is_empty() {
        return is_needed.then(|| Text::new("service-import-missing"));
    }
    if cell.contains(char::REPLACEMENT_CHARACTER) {
        return Some(Text::new("service-import-unreadable"));
    }
    if cell.chars().any(char::is_control) {
        return Some(Text::new("service-import-control"));
    }
    let length = cell.chars().count();
    (length > longest).then(|| {
        Text::new("service-import-long")
            .with("length", length)
            .with("longest", longest)
    })
}

fn meaning(title: &str) -> Option<&'static str> {
    // Titles are written with blanks, line breaks and stars that mark what is needed.
    let plain: String = title
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '*' | '＊' | ':' | '：'))
        .collect();
    let plain = plain.to_lowercase();
    TITLES
        .iter()
        .find(|(_, _, titles)| titles.contains(&plain.as_str()))
        .map(|(meaning, ..)| *meaning)
}

fn no_header(skipped: &[RawRow]) -> Error {
    let first = skipped.first().map(|row| row.cells.join(" | "));
    let first: String = first.unwrap_or_default().chars().take(120).collect();
    Error::invalid(
        "file",
        Text::new("service-import-no-header").with("first", first),
    )
}
