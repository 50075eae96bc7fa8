//! Rows of a CSV file.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::BufReader,
    path::Path,
    sync::Arc,
};

use chrono::NaiveDate;
use kernel::{Error, Fault, Finding, Result, Text};
use tokio::sync::mpsc;

use crate::{
    Declaration,
    part::Codes,
    record::apply::{self, Draft, Wrong},
};

/// Cell of a value that the source takes back, as databases write it into such files. A blank
/// cell speaks of nothing.
pub const NOTHING: &str = "\\N";

/// Rows of one durable step.
pub(crate) const STEP: usize = 2000;

/// Rows with different keys, in the order of the file.
pub(crate) struct Step {
    /// Data rows before this step.
    pub before: i64,
    /// Data rows of it, bad ones included.
    pub rows: i64,
    pub drafts: Vec<(usize, Draft)>,
    /// By row of the file.
    pub refused: Vec<(usize, Vec<Wrong>)>,
}

pub(crate) struct Table {
    reader: csv::Reader<BufReader<File>>,
    /// Of each column its field's place in the declaration.
    columns: Vec<usize>,
}

/// Opens a file and understands its header: names of fields, or their Chinese titles.
pub(crate) fn open(path: &Path, declaration: &Declaration) -> Result<Table> {
    let file = File::open(path).map_err(|e| Fault::caused_by("open a delivered file", e))?;
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(BufReader::with_capacity(1 << 20, file));
    let unreadable = |_| Error::invalid("row 1", Text::new("registry-file-header"));
    let header = reader.byte_headers().map_err(unreadable)?.clone();
    let (mut columns, mut findings) = (Vec::new(), Vec::new());
    for cell in &header {
        let text = std::str::from_utf8(cell)
            .map_err(|_| Error::invalid("row 1", Text::new("registry-file-encoding")))?;
        let name = text.trim_start_matches('\u{feff}').trim();
        let place = declaration
            .fields
            .iter()
            .position(|f| f.id.eq_ignore_ascii_case(name) || f.title.zh == name);
        let finding = |text| Finding::new(format!("row 1, column \"{name}\""), text);
        match place {
            None => findings.push(finding(Text::new("registry-file-column"))),
            Some(place) if columns.contains(&place) => {
                findings.push(finding(Text::new("registry-file-column-twice")));
            }
            Some(place) => columns.push(place),
        }
    }
    for key in &declaration.key {
        let is_there = columns
            .iter()
            .any(|place| declaration.fields.get(*place).is_some_and(|f| f.id == *key));
        if !is_there {
            let text = Text::new("registry-file-key");
            findings.push(Finding::new(format!("row 1, column \"{key}\""), text));
        }
    }
    if findings.is_empty() {
        Ok(Table { reader, columns })
    } else {
        Err(Error::Invalid(findings))
    }
}

/// Reads the file step by step after `skip` data rows; ends early when nobody takes the steps.
pub(crate) fn read(
    mut table: Table,
    declaration: &Declaration,
    codes: &HashMap<String, Arc<Codes>>,
    today: NaiveDate,
    skip: i64,
    steps: &mpsc::Sender<Result<Step>>,
) {
    let mut record = csv::ByteRecord::new();
    let mut done: i64 = 0;
    let mut step = Step::after(0);
    let mut keys: HashSet<String> = HashSet::new();
    loop {
        match table.reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(e) => {
                let fault = Fault::caused_by("read a delivered file", e);
                drop(steps.blocking_send(Err(fault.into())));
                return;
            }
        }
        done += 1;
        if done <= skip {
            step = Step::after(done);
            continue;
        }
        // The header is row 1.
        let row = usize::try_from(done + 1).unwrap_or(usize::MAX);
        match draft(&table.columns, declaration, codes, today, &record) {
            Ok(draft) => {
                // Of two rows with one key the later one comes after the earlier.
                if !keys.insert(draft.key.clone()) {
                    let full = std::mem::replace(&mut step, Step::after(done - 1));
                    if steps.blocking_send(Ok(full)).is_err() {
                        return;
                    }
                    keys.clear();
                    keys.insert(draft.key.clone());
                }
                step.drafts.push((row, draft));
            }
            Err(wrong) => step.refused.push((row, wrong)),
        }
        step.rows += 1;
        if step.drafts.len() + step.refused.len() >= STEP {
            keys.clear();
            let full = std::mem::replace(&mut step, Step::after(done));
            if steps.blocking_send(Ok(full)).is_err() {
                return;
            }
        }
    }
    if step.rows > 0 {
        drop(steps.blocking_send(Ok(step)));
    }
}

impl Step {
    fn after(before: i64) -> Self {
        Self {
            before,
            rows: 0,
            drafts: Vec::new(),
            refused: Vec::new(),
        }
    }
}

fn draft(
    columns: &[usize],
    declaration: &Declaration,
    codes: &HashMap<String, Arc<Codes>>,
    today: NaiveDate,
    record: &csv::ByteRecord,
) -> Result<Draft, Vec<Wrong>> {
    let whole = |key| vec![(String::new(), Text::new(key))];
    if record.len() != columns.len() {
        let text = Text::new("registry-row-cells")
            .with("cells", record.len())
            .with("columns", columns.len());
        return Err(vec![(String::new(), text)]);
    }
    let mut cells = Vec::with_capacity(columns.len());
    for (place, bytes) in columns.iter().zip(record) {
        let text = std::str::from_utf8(bytes).map_err(|_| whole("registry-file-encoding"))?;
        if let Some(field) = declaration.fields.get(*place) {
            cells.push((field, (text != NOTHING).then_some(text)));
        }
    }
    apply::draft(declaration, codes, cells.into_iter(), today)
}
