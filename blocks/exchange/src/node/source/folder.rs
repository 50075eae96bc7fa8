//! Files in a folder: CSV, XLSX, JSON. Cells are texts until the publication's columns say what they
//! are.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch, StringBuilder},
    datatypes::{DataType, Field, Schema},
};
use calamine::{Data, Reader as _};
use kernel::{Fault, crypto::Sm3};

use super::{Take, failed, renamed};
use crate::{
    data::chunk::Kind,
    node::{
        config::{Encoding, FolderSource, Publication, Source, SourceColumn},
        standardise::{CELLS, JSON, WRONG},
    },
};

/// What some programs put before a text in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// Rows that are read before they go on.
const STEP: usize = 8192;

/// A file that may be taken, or was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    pub name: String,
    /// SM3 of the content, hexadecimal.
    pub digest: String,
    /// Name that it is ordered by. Of a key in two files that of the later one counts.
    pub place: String,
    /// Orders versions of one place; none before the file is taken.
    pub taken_at: Option<i64>,
    /// Whether it holds refused rows that were mended.
    pub is_resent: bool,
    /// Whether only its keys matter, because its rows were told before.
    pub is_told: bool,
    /// Whether it lies in the publication's folder now.
    pub is_there: bool,
}

impl Found {
    /// What comes later counts more.
    pub fn order(&self) -> (&str, i64) {
        (&self.place, self.taken_at.unwrap_or(i64::MAX))
    }

    pub fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.digest == other.digest
    }
}

/// Copies a file into the node's folder, where it stays when somebody takes it out of its own; its
/// path is then there. A file that is written to at this moment is taken later.
pub fn keep(found: &Found, kept: &Path) -> Result<Found, Fault> {
    let path = kept_path(kept, &found.digest, &found.name);
    let copied = || -> std::io::Result<()> {
        fs::create_dir_all(kept)?;
        let draft = path.with_extension("part");
        fs::copy(&found.path, &draft)?;
        fs::File::open(&draft)?.sync_all()?;
        fs::rename(&draft, &path)?;
        fs::File::open(kept)?.sync_all()
    };
    if found.path != path && !path.exists() {
        copied().map_err(|e| failed(&format!("keep {}", found.path.display()), e))?;
        if digest(&path)? != found.digest {
            drop(fs::remove_file(&path));
            let what = format!("{} changes while it is read", found.path.display());
            return Err(Fault::new(what).transient());
        }
    }
    Ok(Found {
        path,
        ..found.clone()
    })
}

/// Where the node keeps a file.
pub fn kept_path(kept: &Path, digest: &str, name: &str) -> PathBuf {
    kept.join(format!("{digest}.{}", extension(Path::new(name))))
}

/// Files of the folder by name. Names that begin with `.` or end with `.part` are still being
/// written.
pub fn list(source: &FolderSource) -> Result<Vec<Found>, Fault> {
    let unreadable = |e| failed(&format!("read the folder {}", source.path.display()), e);
    let mut all = Vec::new();
    for entry in fs::read_dir(&source.path).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let is_known = ["csv", "xlsx", "json"].contains(&extension(&path).as_str());
        if path.is_file() && is_known && !name.starts_with('.') {
            all.push(found(&path)?);
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// One file, wherever it is.
pub fn found(path: &Path) -> Result<Found, Fault> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(Found {
        digest: digest(path)?,
        path: path.to_owned(),
        place: name.clone(),
        name,
        taken_at: None,
        is_resent: false,
        is_told: false,
        is_there: true,
    })
}

/// How a file of mended rows is read. One that begins with the mark of UTF-8 was written by the hub,
/// or saved as the hub writes; any other is as the publication's own files are.
pub fn mended(publication: &Publication, file: &Path) -> Result<FolderSource, Fault> {
    let unreadable = |e| failed(&format!("read {}", file.display()), e);
    let mut begin = Vec::new();
    let opened = fs::File::open(file).map_err(unreadable)?;
    opened.take(3).read_to_end(&mut begin).map_err(unreadable)?;
    let (encoding, separator) = match &publication.source {
        Source::Folder(source) if begin != MARK => (source.encoding, source.separator),
        _ => (Encoding::Utf8, ','),
    };
    Ok(FolderSource {
        path: file.parent().unwrap_or(Path::new(".")).to_owned(),
        encoding,
        separator,
        full: false,
        is_guarded: true,
    })
}

fn extension(path: &Path) -> String {
    path.extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase()
}

fn digest(path: &Path) -> Result<String, Fault> {
    let unreadable = |e| failed(&format!("read {}", path.display()), e);
    let mut file = fs::File::open(path).map_err(unreadable)?;
    let mut hasher = Sm3::new();
    std::io::copy(&mut file, &mut hasher).map_err(unreadable)?;
    Ok(hex::encode(hasher.finish()))
}

/// Reads one file's rows. One that was taken before may lack columns that came later.
pub fn read(
    publication: &Publication,
    source: &FolderSource,
    file: &Found,
    take: &mut Take<'_>,
) -> Result<(), Fault> {
    let path = &file.path;
    let mut rows = Rows::new(publication, take);
    rows.may_lack = file.taken_at.is_some();
    match extension(path).as_str() {
        "csv" => csv_rows(source, path, &mut rows)?,
        "xlsx" => xlsx_rows(path, &mut rows)?,
        _ => json_rows(source, path, &mut rows)?,
    }
    rows.flush()
}

/// Texts by column, handed on in steps.
pub(super) struct Rows<'a, 'b> {
    wanted: Vec<&'a str>,
    /// For each heading of the file the column that it fills.
    places: Vec<Option<usize>>,
    builders: Vec<StringBuilder>,
    /// What is wrong with a row as a whole.
    wrong: StringBuilder,
    /// Whether columns without a heading hold nothing.
    may_lack: bool,
    count: usize,
    schema: Arc<Schema>,
    take: &'a mut Take<'b>,
}

impl<'a, 'b> Rows<'a, 'b> {
    pub(super) fn new(publication: &'a Publication, take: &'a mut Take<'b>) -> Self {
        let wanted: Vec<&str> = publication
            .columns
            .iter()
            .map(SourceColumn::source)
            .collect();
        let names = wanted.iter().copied().chain([WRONG]);
        let fields: Vec<Field> = names
            .map(|name| Field::new(name, DataType::Utf8, true))
            .collect();
        Self {
            wrong: StringBuilder::new(),
            may_lack: false,
            builders: wanted.iter().map(|_| StringBuilder::new()).collect(),
            places: Vec::new(),
            count: 0,
            schema: Arc::new(Schema::new(fields)),
            wanted,
            take,
        }
    }

    /// Understands the headings; every column of the publication has to be among them.
    pub(super) fn head<'c>(&mut self, names: impl Iterator<Item = &'c str>) -> Result<(), Fault> {
        let clean = |name: &'c str| name.trim_start_matches('\u{feff}').trim();
        let names: Vec<&str> = names.map(clean).collect();
        let place = |name: &&str| self.wanted.iter().position(|wanted| wanted == name);
        self.places = names.iter().map(place).collect();
        let is_there = |place| self.places.contains(&Some(place));
        if self.may_lack || (0..self.wanted.len()).all(is_there) {
            return Ok(());
        }
        Err(unlike(&self.wanted, &names))
    }

    pub(super) fn row<'c>(
        &mut self,
        cells: impl Iterator<Item = Option<&'c str>>,
    ) -> Result<(), Fault> {
        self.row_but(cells, None)
    }

    /// A row, and why it is to be set aside.
    fn row_but<'c>(
        &mut self,
        cells: impl Iterator<Item = Option<&'c str>>,
        wrong: Option<&'static str>,
    ) -> Result<(), Fault> {
        self.wrong.append_option(wrong);
        let mut values: Vec<Option<&str>> = vec![None; self.wanted.len()];
        for (place, cell) in self.places.iter().zip(cells) {
            if let Some(value) = place.and_then(|place| values.get_mut(place)) {
                *value = cell;
            }
        }
        for (builder, value) in self.builders.iter_mut().zip(values) {
            builder.append_option(value);
        }
        self.count += 1;
        if self.count >= STEP {
            self.flush()
        } else {
            Ok(())
        }
    }

    pub(super) fn flush(&mut self) -> Result<(), Fault> {
        if self.count == 0 {
            return Ok(());
        }
        self.count = 0;
        let arrays: Vec<ArrayRef> = self
            .builders
            .iter_mut()
            .chain([&mut self.wrong])
            .map(|b| Arc::new(b.finish()) as ArrayRef)
            .collect();
        let batch = RecordBatch::try_new(self.schema.clone(), arrays)
            .map_err(|e| Fault::caused_by("read a file", e))?;
        (self.take)(Kind::Rows, batch)
    }
}

/// Why a file with these headings cannot be read. Files that were taken before have the former ones,
/// so that the settings cannot follow.
fn unlike(wanted: &[&str], names: &[&str]) -> Fault {
    let untyped = |all: &[&str]| -> Vec<renamed::Column> {
        all.iter().map(|name| ((*name).to_owned(), None)).collect()
    };
    let missing = renamed::missing(&untyped(wanted), &untyped(names), |own, name| own == name);
    let names: Vec<&str> = missing.iter().map(|one| one.name.as_str()).collect();
    let told: Vec<String> = missing.iter().map(renamed::Missing::told).collect();
    Fault::new(format!(
        "the file has no column {}; {}. Have the file made with the former headings, by which earlier \
         files are read again for new subscribers",
        names.join(", "),
        told.join("; ")
    ))
}

/// The file as UTF-8. Bytes that mean nothing become U+FFFD, and the rows that hold one are for the
/// publication's rules to judge.
fn text(source: &FolderSource, path: &Path) -> Result<Box<dyn Read>, Fault> {
    let file = fs::File::open(path).map_err(|e| failed(&format!("read {}", path.display()), e))?;
    Ok(match source.encoding {
        Encoding::Utf8 => Box::new(file),
        Encoding::Gb18030 => Box::new(Decoding::new(file)),
    })
}

fn csv_rows(source: &FolderSource, path: &Path, rows: &mut Rows<'_, '_>) -> Result<(), Fault> {
    let unreadable = |e| Fault::caused_by(format!("read {}", path.display()), e);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(u8::try_from(source.separator).unwrap_or(b','))
        .flexible(true)
        .from_reader(BufReader::with_capacity(1 << 16, text(source, path)?));
    let head = reader.byte_headers().map_err(unreadable)?.clone();
    let names: Vec<_> = head.iter().map(String::from_utf8_lossy).collect();
    rows.head(names.iter().map(AsRef::as_ref))?;
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(unreadable)? {
        let cells: Vec<_> = record.iter().map(String::from_utf8_lossy).collect();
        let cells = cells.iter().map(|cell| {
            if source.is_guarded {
                sheet::unguarded(cell)
            } else {
                cell
            }
        });
        // A separator within a value moves the values after it into other columns.
        let is_whole = record.len() == head.len();
        rows.row_but(cells.map(Some), (!is_whole).then_some(CELLS))?;
    }
    Ok(())
}

/// The first sheet; its first row has the headings.
fn xlsx_rows(path: &Path, rows: &mut Rows<'_, '_>) -> Result<(), Fault> {
    let what = || format!("read {}", path.display());
    let mut book: calamine::Xlsx<_> =
        calamine::open_workbook(path).map_err(|e| failed(&what(), e))?;
    let range = book
        .worksheet_range_at(0)
        .ok_or_else(|| Fault::new(format!("{} has no sheet", path.display())))?
        .map_err(|e: calamine::XlsxError| failed(&what(), e))?;
    let mut lines = range.rows();
    let names: Vec<String> = lines
        .next()
        .unwrap_or_default()
        .iter()
        .map(|c| cell(c).unwrap_or_default())
        .collect();
    rows.head(names.iter().map(String::as_str))?;
    for line in lines {
        let cells: Vec<Option<String>> = line.iter().map(cell).collect();
        if cells.iter().any(Option::is_some) {
            rows.row(cells.iter().map(Option::as_deref))?;
        }
    }
    Ok(())
}

fn cell(data: &Data) -> Option<String> {
    match data {
        Data::Empty | Data::Error(_) => None,
        Data::DateTime(at) => {
            let (year, month, day, hour, minute, second, milli) = at.to_ymd_hms_milli();
            let at = chrono::NaiveDate::from_ymd_opt(year.into(), month.into(), day.into())?
                .and_hms_milli_opt(hour.into(), minute.into(), second.into(), milli.into())?;
            let is_day = at.time() == chrono::NaiveTime::MIN;
            Some(
                at.format(if is_day {
                    "%Y-%m-%d"
                } else {
                    "%Y-%m-%d %H:%M:%S%.f"
                })
                .to_string(),
            )
        }
        other => Some(other.to_string()),
    }
}

/// An array of objects, or one object a line.
fn json_rows(source: &FolderSource, path: &Path, rows: &mut Rows<'_, '_>) -> Result<(), Fault> {
    let unreadable = |e| Fault::caused_by(format!("read {}", path.display()), e);
    let broken = |e| Fault::caused_by(format!("read {}", path.display()), e);
    let names: Vec<String> = rows.wanted.iter().map(|name| (*name).to_owned()).collect();
    rows.head(names.iter().map(String::as_str))?;
    let mut reader = BufReader::new(text(source, path)?);
    let start = reader.fill_buf().map_err(unreadable)?;
    if start.starts_with(MARK) {
        reader.consume(MARK.len());
    }
    let start = reader.fill_buf().map_err(unreadable)?;
    let is_array = start.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[');
    let mut put = |object: Option<HashMap<String, serde_json::Value>>| {
        let cell = |name| object.as_ref()?.get(name).and_then(json_cell);
        let cells: Vec<Option<String>> = names.iter().map(cell).collect();
        let wrong = object.is_none().then_some(JSON);
        rows.row_but(cells.iter().map(Option::as_deref), wrong)
    };
    let mut bytes = Vec::new();
    if is_array {
        reader.read_to_end(&mut bytes).map_err(unreadable)?;
        let all: Vec<serde_json::Value> =
            serde_json::from_str(&String::from_utf8_lossy(&bytes)).map_err(broken)?;
        let objects = all.into_iter().map(|one| serde_json::from_value(one).ok());
        return objects.into_iter().try_for_each(put);
    }
    while reader.read_until(b'\n', &mut bytes).map_err(unreadable)? > 0 {
        let line = String::from_utf8_lossy(&bytes);
        if !line.trim().is_empty() {
            put(serde_json::from_str(&line).ok())?;
        }
        bytes.clear();
    }
    Ok(())
}

pub(super) fn json_cell(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// GB18030 as UTF-8, as it is read.
struct Decoding<R> {
    from: R,
    decoder: encoding_rs::Decoder,
    input: Vec<u8>,
    output: Vec<u8>,
    given: usize,
    is_over: bool,
}

impl<R: Read> Decoding<R> {
    fn new(from: R) -> Self {
        Self {
            from,
            decoder: encoding_rs::GB18030.new_decoder(),
            input: vec![0; 1 << 16],
            output: Vec::new(),
            given: 0,
            is_over: false,
        }
    }

    fn fill(&mut self) -> std::io::Result<()> {
        let read = self.from.read(&mut self.input)?;
        self.is_over = read == 0;
        let bytes = self.input.get(..read).unwrap_or_default();
        let room = self
            .decoder
            .max_utf8_buffer_length(read)
            .unwrap_or(4 * read + 16);
        self.output.resize(room, 0);
        let (_, _, written, _) = self
            .decoder
            .decode_to_utf8(bytes, &mut self.output, self.is_over);
        self.output.truncate(written);
        self.given = 0;
        Ok(())
    }
}

impl<R: Read> Read for Decoding<R> {
    fn read(&mut self, place: &mut [u8]) -> std::io::Result<usize> {
        while self.given >= self.output.len() && !self.is_over {
            self.fill()?;
        }
        let ready = self.output.get(self.given..).unwrap_or_default();
        let count = ready.len().min(place.len());
        if let (Some(to), Some(from)) = (place.get_mut(..count), ready.get(..count)) {
            to.copy_from_slice(from);
        }
        self.given += count;
        Ok(count)
    }
}
