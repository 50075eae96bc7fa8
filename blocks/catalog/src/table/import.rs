//! Lists of resources that departments fill in, taken in resource by resource with a report.
//!
//! A resource with anything wrong in it is refused whole, others are drafted or revised; with
//! `all_or_nothing` one wrong resource refuses the file, and `dry_run` writes nothing at all.
//! Importing the same file again changes nothing.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use identity::{Actor, Gate, directory};
use kernel::{Error, Fault, Result, Text};
use serde::Serialize;
use sheet::RawRow;
use store::Tx;
use web::App;

use super::{COLUMNS, Column, Lists, column_of, meaning};
use crate::{
    check::Report as Checked,
    class, event,
    metadata::Metadata,
    profile::{self, Profile},
    resource::{Entry, State, act, store as rows},
};

/// How to import.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Social credit code of the department whose list it is, where the file names none.
    pub provider: String,
    /// One wrong resource refuses the whole file.
    pub all_or_nothing: bool,
    /// Report only.
    pub dry_run: bool,
    /// Name of the file, for people.
    pub name: String,
}

/// What became of a file.
#[derive(Clone, Debug, Default, Serialize, utoipa::ToSchema)]
#[schema(as = CatalogImportReport)]
pub struct Report {
    /// Rows below the header.
    #[schema(example = 31540)]
    pub rows: u64,
    /// Resources in them.
    #[schema(example = 3154)]
    pub entries: u64,
    pub inserted: u64,
    /// Drafts written anew, and revisions begun.
    pub updated: u64,
    pub unchanged: u64,
    pub refused: u64,
    /// What is wrong, the first [`MAX_FINDINGS`] of it.
    pub findings: Vec<RowFinding>,
    pub finding_count: u64,
    /// Columns of the file that mean nothing here.
    pub ignored_columns: Vec<String>,
    /// Nothing was written: it was a dry run, or a resource was wrong and all or nothing wanted.
    pub is_written: bool,
}

/// One thing wrong in one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = CatalogRowFinding)]
pub struct RowFinding {
    /// Row of the file; the header is row 1.
    #[schema(example = 12)]
    pub row: u64,
    #[schema(example = "数据长度")]
    pub column: String,
    /// What stands there.
    #[schema(example = "18.2")]
    pub value: String,
    /// The rule and the remedy: a key of the message catalogue with its arguments.
    #[schema(value_type = Object)]
    pub text: Text,
    /// The same in words.
    pub message: String,
}

/// Findings that a report holds; a file wrong in every row would fill the memory otherwise.
pub const MAX_FINDINGS: usize = 1_000;
/// Resources that a file may have; more than any province's department describes.
const MAX_ENTRIES: usize = 50_000;
/// Resources of one write.
const BATCH: usize = 300;
/// The header stands within the first rows, below a title.
const HEADER_WITHIN: u64 = 10;

/// A resource of the file, with where its rows stand.
#[derive(Clone, Debug)]
struct Found {
    entry: Metadata,
    line: u64,
    item_lines: Vec<u64>,
    /// Columns whose cells are not understood.
    odd: Vec<&'static str>,
    /// Cells of its first row.
    cells: HashMap<&'static str, String>,
}

/// Whether the actor describes resources at all; asked before a file is received and read.
pub(crate) fn may(app: &App, actor: &Actor) -> Result<()> {
    let gate = app.part::<Gate>()?;
    actor.may(&gate, "catalog.edit", &identity::Resource::system())
}

/// Takes a file in.
pub async fn import(app: &App, actor: &Actor, path: &Path, options: &Options) -> Result<Report> {
    may(app, actor)?;
    let db = app.db().read();
    let lists = Arc::new(Lists::new(profile::get(db).await?, class::list(db).await?));
    let (path, shared): (PathBuf, _) = (path.to_owned(), lists.clone());
    let read = tokio::task::spawn_blocking(move || read(&path, &shared)).await;
    let (found, mut report) = read.map_err(|e| Fault::caused_by("read the list", e))??;
    let found = own(app, actor, found, options, &mut report).await?;
    if options.all_or_nothing && !options.dry_run {
        // First only looked at, because batches of the second look are committed one by one.
        let mut look = report.clone();
        take_all(app, actor, &lists.profile, &found, true, &mut look).await?;
        if look.refused > 0 {
            look.is_written = false;
            return Ok(said(app, look));
        }
    }
    take_all(
        app,
        actor,
        &lists.profile,
        &found,
        options.dry_run,
        &mut report,
    )
    .await?;
    report.is_written = !options.dry_run;
    if report.is_written {
        tell(app, actor, options, &report).await?;
    }
    Ok(said(app, report))
}

async fn tell(app: &App, actor: &Actor, options: &Options, report: &Report) -> Result<()> {
    let body = event::Imported {
        name: options.name.clone(),
        entries: report.entries,
        inserted: report.inserted,
        updated: report.updated,
        unchanged: report.unchanged,
        refused: report.refused,
    };
    let who = actor.trace();
    app.db()
        .write(move |tx| {
            let (body, who) = (body.clone(), who.clone());
            async move { tx.emit("catalog", who, &body) }
        })
        .await
}

/// The messages in Chinese beside their keys, for programs.
fn said(app: &App, mut report: Report) -> Report {
    for finding in &mut report.findings {
        let args: Vec<_> = finding
            .text
            .args
            .iter()
            .map(|(n, v)| (*n, v.clone()))
            .collect();
        finding.message = app
            .texts()
            .text(web::Language::ZhCn, finding.text.key, &args);
    }
    report
}

impl Report {
    fn refuse(&mut self, findings: Vec<RowFinding>) {
        self.refused += 1;
        for finding in findings {
            self.finding_count += 1;
            if self.findings.len() < MAX_FINDINGS {
                self.findings.push(finding);
            }
        }
    }
}

impl Found {
    /// A finding at an element of the metadata, where it stands in the file.
    fn finding(&self, place: &str, text: Text) -> RowFinding {
        let mut parts = place.split('/');
        let at = match (parts.next(), parts.next()) {
            (Some("items"), Some(at)) => at.parse::<usize>().ok(),
            _ => None,
        };
        let column = column_of(place);
        let item = at.and_then(|at| self.entry.items.get(at));
        let value = match (item, parts.next()) {
            (Some(item), Some("name")) => item.name.clone(),
            (Some(item), Some("type")) => item.kind.clone(),
            (Some(item), Some("length")) => item.length.clone(),
            (Some(item), Some("field")) => item.field.clone(),
            (Some(item), Some("code_table")) => item.code_table.clone(),
            (Some(item), Some("level")) => item.level.clone(),
            _ => self
                .cells
                .get(column.map_or("", |c| c.key))
                .cloned()
                .unwrap_or_default(),
        };
        RowFinding {
            row: at
                .and_then(|at| self.item_lines.get(at))
                .copied()
                .unwrap_or(self.line),
            column: column.map_or_else(String::new, |c| c.title.to_owned()),
            value,
            text,
            message: String::new(),
        }
    }
}

/// Reads the rows and gathers them to resources.
fn read(path: &Path, lists: &Lists) -> Result<(Vec<Found>, Report)> {
    let mut reading = Reading {
        lists,
        columns: None,
        carried: HashMap::new(),
        found: Vec::new(),
        report: Report::default(),
        first: String::new(),
    };
    sheet::rows(path, &mut |row, _| reading.take(&row).map(|()| true))?;
    if reading.columns.is_none() {
        return Err(no_header(&reading.first));
    }
    reading.report.entries = reading.found.len() as u64;
    Ok((reading.found, reading.report))
}

struct Reading<'a> {
    lists: &'a Lists,
    /// What each place of a row means.
    columns: Option<Vec<Option<&'static Column>>>,
    /// Cells of the resource that the rows before began.
    carried: HashMap<&'static str, String>,
    found: Vec<Found>,
    report: Report,
    first: String,
}

impl Reading<'_> {
    fn take(&mut self, row: &RawRow) -> Result<()> {
        let Some(columns) = &self.columns else {
            return self.header(row);
        };
        self.report.rows += 1;
        let mut cells = HashMap::new();
        for (column, cell) in columns.iter().zip(&row.cells) {
            if let Some(column) = column {
                cells.insert(column.key, sheet::unguarded(cell).trim().to_owned());
            }
        }
        let name = cells.get("name").cloned().unwrap_or_default();
        let same = |key: &str| {
            let (new, old) = (cells.get(key), self.carried.get(key));
            new.is_none_or(|new| new.is_empty() || Some(new) == old)
        };
        let goes_on = !self.found.is_empty() && same("name") && same("provider") && same("code");
        if !goes_on {
            if name.is_empty() && cells.values().all(String::is_empty) {
                return Ok(());
            }
            if self.found.len() >= MAX_ENTRIES {
                let text = Text::new("catalog-import-many").with("most", MAX_ENTRIES);
                return Err(Error::invalid("file", text));
            }
            let (entry, odd) = self.lists.resource(&cells);
            self.found.push(Found {
                entry,
                line: row.line,
                item_lines: Vec::new(),
                odd,
                cells: cells.clone(),
            });
            self.carried.clone_from(&cells);
        }
        if let (Some(item), Some(found)) = (self.lists.item(&cells), self.found.last_mut()) {
            found.entry.items.push(item);
            found.item_lines.push(row.line);
        }
        Ok(())
    }

    fn header(&mut self, row: &RawRow) -> Result<()> {
        let columns: Vec<_> = row.cells.iter().map(|title| meaning(title)).collect();
        let has = |key: &str| columns.iter().flatten().any(|column| column.key == key);
        if has("name") && columns.iter().flatten().count() >= 3 {
            let named = row.cells.iter().zip(&columns);
            let ignored = named.filter(|(title, column)| column.is_none() && !title.is_empty());
            self.report.ignored_columns = ignored.map(|(title, _)| title.clone()).collect();
            self.columns = Some(columns);
            return Ok(());
        }
        if self.first.is_empty() {
            self.first = row.cells.join(" | ").chars().take(120).collect();
        }
        if row.line > HEADER_WITHIN {
            return Err(no_header(&self.first));
        }
        Ok(())
    }
}

fn no_header(first: &str) -> Error {
    let title = COLUMNS
        .iter()
        .find(|c| c.key == "name")
        .map_or("", |c| c.title);
    let text = Text::new("catalog-import-no-header")
        .with("first", first)
        .with("title", title);
    Error::invalid("file", text)
}

/// Finds each resource's provider, and refuses what is not the actor's to write, what cannot be
/// read, and what stands twice in the file.
async fn own(
    app: &App,
    actor: &Actor,
    found: Vec<Found>,
    options: &Options,
    report: &mut Report,
) -> Result<Vec<Found>> {
    let default = kernel::code::normalise(&options.provider);
    let mut known: BTreeMap<String, Option<String>> = BTreeMap::new();
    let (mut names, mut codes) = (HashSet::new(), HashSet::new());
    let mut kept = Vec::new();
    for mut each in found {
        if each.entry.provider.is_empty() {
            each.entry.provider.clone_from(&default);
        }
        let provider = each.entry.provider.clone();
        if !known.contains_key(&provider) {
            let organisation = directory::organisation(app.db().read(), &provider).await?;
            let may = act::may(app, actor, "catalog.edit", ("", &provider)).await;
            let name = organisation.map(|o| o.name_zh).filter(|_| may.is_ok());
            known.insert(provider.clone(), name);
        }
        let mut wrong = Vec::new();
        match known.get(&provider).cloned().flatten() {
            Some(name) => each.entry.provider_name = name,
            None => wrong.push(each.finding("provider", Text::new("catalog-import-provider"))),
        }
        for key in &each.odd {
            let key_text = if *key == "is_open" {
                "catalog-import-flag"
            } else {
                "catalog-import-day"
            };
            wrong.push(each.finding(key, Text::new(key_text)));
        }
        for mistake in each.entry.mistakes() {
            wrong.push(each.finding(&mistake.field, mistake.text));
        }
        if !names.insert((provider, each.entry.name.clone())) {
            wrong.push(each.finding("name", Text::new("catalog-import-twice")));
        }
        if !each.entry.code.is_empty() && !codes.insert(each.entry.code.clone()) {
            wrong.push(each.finding("code", Text::new("catalog-rule-code-twice")));
        }
        if wrong.is_empty() {
            kept.push(each);
        } else {
            report.refuse(wrong);
        }
    }
    Ok(kept)
}

async fn take_all(
    app: &App,
    actor: &Actor,
    profile: &Profile,
    found: &[Found],
    dry_run: bool,
    report: &mut Report,
) -> Result<()> {
    let codes: HashSet<_> = found.iter().map(|each| each.entry.code.clone()).collect();
    let shared = Arc::new((profile.clone(), codes));
    for batch in found.chunks(BATCH) {
        let (batch, shared) = (Arc::new(batch.to_vec()), shared.clone());
        let (app, who) = (app.clone(), actor.trace());
        let db = app.db().clone();
        let taken = db
            .write(move |tx| {
                let (batch, shared, app, who) =
                    (batch.clone(), shared.clone(), app.clone(), who.clone());
                async move { take(&tx, &app, &who, &batch, &shared.0, &shared.1, dry_run).await }
            })
            .await?;
        report.inserted += taken.inserted;
        report.updated += taken.updated;
        report.unchanged += taken.unchanged;
        for findings in taken.refused {
            report.refuse(findings);
        }
    }
    Ok(())
}

#[derive(Default)]
struct Taken {
    inserted: u64,
    updated: u64,
    unchanged: u64,
    refused: Vec<Vec<RowFinding>>,
}

/// Writes a batch; in a dry run only looks.
async fn take(
    tx: &Tx,
    app: &App,
    who: &str,
    batch: &[Found],
    profile: &Profile,
    codes: &HashSet<String>,
    dry_run: bool,
) -> Result<Taken> {
    let known = known(tx, batch).await?;
    let mut entries = Vec::new();
    for each in batch {
        let key = (each.entry.provider.clone(), each.entry.name.clone());
        entries.push((each, known.get(&key), merged(&each.entry, known.get(&key))?));
    }
    let pairs: Vec<_> = entries
        .iter()
        .map(|(_, row, entry)| (row.map_or("", |row| row.id.as_str()), entry))
        .collect();
    let reports = act::checked_within(app, &**tx, profile, &pairs, codes).await?;
    let (mut taken, mut new, mut changed) = (Taken::default(), Vec::new(), Vec::new());
    for ((each, row, entry), report) in entries.iter().zip(&reports) {
        let blank = || act::blank(tx.now(), &entry.provider, who);
        match fate(each, *row, entry, report)? {
            Fate::Refused(findings) => taken.refused.push(findings),
            Fate::Unchanged => taken.unchanged += 1,
            Fate::New => new.push(worked(blank(), entry, report, who)?),
            Fate::Changed(row) => changed.push(worked(*row, entry, report, who)?),
        }
    }
    taken.inserted = new.len() as u64;
    taken.updated = changed.len() as u64;
    if !dry_run {
        write(tx, who, new, changed).await?;
    }
    Ok(taken)
}

/// What becomes of a resource of the file.
enum Fate {
    Refused(Vec<RowFinding>),
    Unchanged,
    New,
    Changed(Box<Entry>),
}

fn fate(each: &Found, row: Option<&Entry>, entry: &Metadata, report: &Checked) -> Result<Fate> {
    let wrong: Vec<_> = report
        .errors()
        .map(|defect| each.finding(&defect.place, defect.text.clone()))
        .collect();
    if !wrong.is_empty() {
        return Ok(Fate::Refused(wrong));
    }
    Ok(match row {
        None => Fate::New,
        Some(row) if row.working()? == *entry => Fate::Unchanged,
        Some(row) if can_write(row) => Fate::Changed(Box::new(row.clone())),
        Some(_) => {
            let text = Text::new("catalog-import-in-review");
            Fate::Refused(vec![each.finding("name", text)])
        }
    })
}

fn worked(mut row: Entry, entry: &Metadata, report: &Checked, who: &str) -> Result<Entry> {
    if row.standing() == State::Published {
        State::Changing.name().clone_into(&mut row.state);
    }
    row.work_on(entry, report)?;
    who.clone_into(&mut row.updated_by);
    Ok(row)
}

async fn write(tx: &Tx, who: &str, new: Vec<Entry>, changed: Vec<Entry>) -> Result<()> {
    let mut notes = Vec::new();
    for (rows, act) in [(&new, "drafted"), (&changed, "saved")] {
        for row in rows {
            notes.push((row.id.clone(), act));
            act::tell(tx, row, who, act)?;
        }
    }
    for row in changed {
        rows::update(tx, row).await?;
    }
    rows::insert(tx, new).await?;
    rows::note_all(tx, &notes, who, "import").await
}

fn can_write(row: &Entry) -> bool {
    matches!(
        row.standing(),
        State::Draft | State::Changing | State::Published
    ) && row.origin.is_empty()
}

/// Entries of the batch's providers that have its names.
async fn known(tx: &Tx, batch: &[Found]) -> Result<HashMap<(String, String), Entry>> {
    let mut names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for each in batch {
        let of = names.entry(&each.entry.provider).or_default();
        of.push(each.entry.name.clone());
    }
    let mut known = HashMap::new();
    for (provider, names) in names {
        for row in rows::named(&**tx, provider, &names).await? {
            if row.standing() != State::Withdrawn {
                known.insert((row.provider.clone(), row.name.clone()), row);
            }
        }
    }
    Ok(known)
}

/// What the list leaves blank and the catalog gave stays: the code, the day of publication.
fn merged(entry: &Metadata, row: Option<&Entry>) -> Result<Metadata> {
    let mut entry = entry.clone();
    if let Some(row) = row {
        let known = row.working()?;
        if entry.code.is_empty() || row.number > 0 {
            entry.code = known.code;
        }
        entry.published_on = entry.published_on.or(known.published_on);
        for item in &mut entry.items {
            let same = known.items.iter().find(|one| one.name == item.name);
            item.standard = same.map(|one| one.standard.clone()).unwrap_or_default();
        }
    }
    Ok(entry)
}
