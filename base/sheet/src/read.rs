//! Tables of people's spreadsheets, row by row: CSV in UTF-8 or GB18030, and XLSX.
//!
//! Nothing here holds more than a few rows, whatever the size of the file (an XLSX file's shared
//! strings excepted, which its format wants in memory).

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use calamine::{DataRef, Dimensions, Reader as _, Xlsx};
use kernel::{Error, Fault, Result, Text};
use zip::ZipArchive;

/// One row as it stands in the file; `line` is what a spreadsheet or editor shows beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawRow {
    pub line: u64,
    pub cells: Vec<String>,
    /// From a workbook, where empty cells at the end of a row are left off.
    pub is_from_workbook: bool,
}

impl RawRow {
    /// Whether the row has other than the header's number of cells, so that nobody knows which
    /// cell belongs to which column.
    pub fn is_ragged(&self, columns: usize) -> bool {
        !self.is_from_workbook && self.cells.len() != columns
    }
}

/// Hands every row of the file to `take` until that says stop, and answers the rows' number.
/// `take` also hears how many of the file's bytes were read (0 when the format cannot tell).
pub fn rows(path: &Path, take: &mut dyn FnMut(RawRow, u64) -> Result<bool>) -> Result<()> {
    let mut file = File::open(path).map_err(unreadable)?;
    let mut head = [0; 4];
    let length = file.read(&mut head).map_err(unreadable)?;
    if length == 0 {
        return Err(Error::invalid("file", Text::new("sheet-empty")));
    }
    if head.starts_with(b"PK\x03\x04") {
        return xlsx_rows(path, take);
    }
    // The container of .xls and of encrypted workbooks.
    if head == [0xd0, 0xcf, 0x11, 0xe0] {
        return Err(Error::invalid("file", Text::new("sheet-old-excel")));
    }
    csv_rows(path, take)
}

fn unreadable(error: std::io::Error) -> Fault {
    Fault::caused_by("read the file to import", error)
}

fn csv_rows(path: &Path, take: &mut dyn FnMut(RawRow, u64) -> Result<bool>) -> Result<()> {
    let encoding = if is_utf8(path)? {
        encoding_rs::UTF_8
    } else {
        encoding_rs::GB18030
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(Decoded::new(file, encoding));
    let mut record = csv::StringRecord::new();
    loop {
        let is_row = reader
            .read_record(&mut record)
            .map_err(|e| Fault::caused_by("read the file to import", e))?;
        if !is_row {
            return Ok(());
        }
        let position = record.position();
        let row = RawRow {
            line: position.map_or(0, csv::Position::line),
            cells: record.iter().map(|cell| cell.trim().to_owned()).collect(),
            is_from_workbook: false,
        };
        if !take(row, position.map_or(0, csv::Position::byte))? {
            return Ok(());
        }
    }
}

/// Whether the whole file is UTF-8. GB18030 text of more than a few characters never is.
fn is_utf8(path: &Path) -> Result<bool> {
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut block = vec![0; 1 << 16];
    let mut kept = 0;
    loop {
        let (_, free) = block.split_at_mut(kept);
        let read = file.read(free).map_err(unreadable)?;
        let filled = block.get(..kept + read).unwrap_or_default();
        match std::str::from_utf8(filled) {
            Ok(_) if read == 0 => return Ok(true),
            Ok(_) => kept = 0,
            // A character cut by the end of the block is completed by the next one.
            Err(e) if e.error_len().is_none() && read > 0 => {
                let valid = e.valid_up_to();
                let end = kept + read;
                block.copy_within(valid..end, 0);
                kept = end - valid;
            }
            Err(_) => return Ok(false),
        }
    }
}

/// A reader that gives UTF-8 whatever the file's encoding; a byte order mark is dropped.
struct Decoded {
    file: File,
    decoder: encoding_rs::Decoder,
    input: Vec<u8>,
    input_start: usize,
    input_end: usize,
    is_at_end: bool,
    /// Everything was handed out; the decoder must not be asked again.
    is_done: bool,
}

impl Decoded {
    fn new(file: File, encoding: &'static encoding_rs::Encoding) -> Self {
        Self {
            file,
            decoder: encoding.new_decoder_with_bom_removal(),
            input: vec![0; 1 << 16],
            input_start: 0,
            input_end: 0,
            is_at_end: false,
            is_done: false,
        }
    }
}

impl Read for Decoded {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while !self.is_done {
            if self.input_start == self.input_end && !self.is_at_end {
                self.input_end = self.file.read(&mut self.input)?;
                self.input_start = 0;
                self.is_at_end = self.input_end == 0;
            }
            let waiting = self
                .input
                .get(self.input_start..self.input_end)
                .unwrap_or_default();
            let (result, read, written, _) =
                self.decoder.decode_to_utf8(waiting, out, self.is_at_end);
            self.input_start += read;
            self.is_done = self.is_at_end && result == encoding_rs::CoderResult::InputEmpty;
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}

/// Megabytes that a workbook may come to, unpacked: a million rows of a few columns.
const UNPACKED_MB: u64 = 256;
/// Megabytes of what is not a sheet's rows and is held in memory, its shared strings above all.
const HELD_MB: u64 = 64;

/// Unpacks the workbook into nothing, and counts: a file of a megabyte may come to gigabytes, and
/// what it says of its sizes need not be so.
fn must_be_small(path: &Path) -> Result<()> {
    let file = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut book = ZipArchive::new(file).map_err(|e| no_workbook(&e))?;
    let (mut all, mut held) = (UNPACKED_MB << 20, HELD_MB << 20);
    for place in 0..book.len() {
        let part = book.by_index(place).map_err(|e| no_workbook(&e))?;
        let is_rows = part
            .name()
            .is_ok_and(|name| name.starts_with("xl/worksheets/"));
        let left = if is_rows { all } else { all.min(held) };
        let mut bounded = part.take(left + 1);
        let size =
            std::io::copy(&mut bounded, &mut std::io::sink()).map_err(|e| no_workbook(&e))?;
        if size > left {
            let text = Text::new("sheet-large")
                .with("most", UNPACKED_MB)
                .with("held", HELD_MB);
            return Err(Error::invalid("file", text));
        }
        all -= size;
        held -= if is_rows { 0 } else { size };
    }
    Ok(())
}

fn no_workbook(error: &dyn std::error::Error) -> Error {
    tracing::info!(%error, "not a workbook");
    Error::invalid("file", Text::new("sheet-not-a-workbook"))
}

fn xlsx_rows(path: &Path, take: &mut dyn FnMut(RawRow, u64) -> Result<bool>) -> Result<()> {
    must_be_small(path)?;
    let broken = |e| Fault::caused_by("read the workbook", e);
    let mut file = File::open(path).map_err(unreadable)?;
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let mut book: Xlsx<_> =
        Xlsx::new(BufReader::new(file)).map_err(|e: calamine::XlsxError| no_workbook(&e))?;
    let sheet = book
        .sheet_names()
        .first()
        .cloned()
        .ok_or_else(|| Error::invalid("file", Text::new("sheet-empty")))?;
    let merged = book.merge_cells_by_sheet_name(&sheet).map_err(broken)?;
    let mut merged = Merged::new(merged);
    let mut cells = book.worksheet_cells_reader(&sheet).map_err(broken)?;
    let mut row: Option<(u32, Vec<String>)> = None;
    while let Some(cell) = cells.next_cell().map_err(broken)? {
        let (at, column) = cell.get_position();
        if row.as_ref().is_some_and(|(line, _)| *line != at)
            && let Some((line, cells)) = row.take()
            && !give(&mut merged, line, cells, take)?
        {
            return Ok(());
        }
        let (_, cells) = row.get_or_insert_with(|| (at, Vec::new()));
        let column = column as usize;
        // Excel has 16,384 columns; a list has a few.
        if column < MAX_COLUMNS {
            if cells.len() <= column {
                cells.resize(column + 1, String::new());
            }
            if let Some(place) = cells.get_mut(column) {
                *place = text_of(cell.get_value());
            }
        }
    }
    match row {
        Some((line, cells)) => give(&mut merged, line, cells, take).map(|_| ()),
        None => Ok(()),
    }
}

const MAX_COLUMNS: usize = 256;

fn give(
    merged: &mut Merged,
    line: u32,
    mut cells: Vec<String>,
    take: &mut dyn FnMut(RawRow, u64) -> Result<bool>,
) -> Result<bool> {
    merged.fill(line, &mut cells);
    while cells.last().is_some_and(String::is_empty) {
        cells.pop();
    }
    // Formatted but empty rows stand at the end of many sheets.
    if cells.is_empty() {
        return Ok(true);
    }
    let line = u64::from(line) + 1;
    let row = RawRow {
        line,
        cells,
        is_from_workbook: true,
    };
    take(row, 0)
}

fn text_of(value: &DataRef<'_>) -> String {
    match value {
        DataRef::String(words) => words.trim().to_owned(),
        DataRef::SharedString(words) => words.trim().to_owned(),
        DataRef::Int(number) => number.to_string(),
        // A code that Excel took for a number is whole.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "checked to be whole and small"
        )]
        DataRef::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            (*number as i64).to_string()
        }
        DataRef::Float(number) => number.to_string(),
        DataRef::Bool(flag) => flag.to_string(),
        DataRef::DateTime(moment) => moment.to_string(),
        DataRef::DateTimeIso(words) | DataRef::DurationIso(words) => words.clone(),
        DataRef::Empty | DataRef::Error(_) => String::new(),
    }
}

/// Gives every cell of a merged region the words of its first cell.
struct Merged {
    /// Regions not yet reached, the last one first.
    waiting: Vec<Dimensions>,
    /// Regions that the current row is in, with their words.
    open: Vec<(Dimensions, String)>,
}

impl Merged {
    fn new(mut regions: Vec<Dimensions>) -> Self {
        regions.sort_by_key(|region| std::cmp::Reverse(region.start));
        Self {
            waiting: regions,
            open: Vec::new(),
        }
    }

    fn fill(&mut self, line: u32, cells: &mut Vec<String>) {
        self.open.retain(|(region, _)| region.end.0 >= line);
        while self.waiting.last().is_some_and(|r| r.start.0 <= line) {
            if let Some(region) = self.waiting.pop()
                && region.end.0 >= line
            {
                let words = cells.get(region.start.1 as usize).cloned();
                self.open.push((region, words.unwrap_or_default()));
            }
        }
        for (region, words) in &self.open {
            let last = (region.end.1 as usize).min(MAX_COLUMNS - 1);
            if cells.len() <= last {
                cells.resize(last + 1, String::new());
            }
            let (from, count) = (
                region.start.1 as usize,
                last + 1 - (region.start.1 as usize).min(last + 1),
            );
            for cell in cells.iter_mut().skip(from).take(count) {
                if cell.is_empty() {
                    cell.clone_from(words);
                }
            }
        }
    }
}
