//! Typst in-process: a template and data become a PDF.
//!
//! Fonts are found once and read when a document first needs them. Besides its template a render
//! sees `/data.json`, `/qr.svg`, `/metadata.json` and the house's own `/tongban/*.typ`; it reaches
//! neither disk nor network.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use chrono::Datelike;
use kernel::Fault;
use typst::{
    Library, LibraryExt, World,
    diag::{FileError, FileResult, SourceDiagnostic},
    foundations::{Bytes, Datetime, Duration},
    syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot},
    text::{Font, FontBook, FontInfo},
    utils::LazyHash,
};
use typst_layout::PagedDocument;

/// Where fonts are looked for besides the folders of the settings.
const SYSTEM_FONTS: [&str; 3] = [
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/usr/share/texmf/fonts",
];
/// Families of which one must be there, best first; templates of the house name all of them.
pub const CJK_FAMILIES: [&str; 6] = [
    "noto serif cjk sc",
    "source han serif sc",
    "noto sans cjk sc",
    "source han sans sc",
    "fangsong",
    "simsun",
];
/// How many renders a memoised part may be unused before it is thrown away. Parts that depend on
/// a certificate's own data never come again, so a long memory only costs.
const MEMORY: usize = 4;

/// Sets documents. Cheap to share; build one per process.
pub struct Typesetter {
    library: LazyHash<Library>,
    fonts: OnceLock<Fonts>,
    dirs: Vec<PathBuf>,
    own: HashMap<FileId, Source>,
    main: FileId,
    data: FileId,
    code: FileId,
    metadata: FileId,
}

struct Fonts {
    book: LazyHash<FontBook>,
    slots: Vec<Slot>,
    /// File contents shared by the faces of a collection.
    files: std::sync::Mutex<HashMap<PathBuf, Bytes>>,
}

struct Slot {
    path: PathBuf,
    index: u32,
    font: OnceLock<Option<Font>>,
}

impl Typesetter {
    /// `dirs` are searched for fonts before the system's folders.
    pub fn new(dirs: Vec<PathBuf>) -> Result<Self, Fault> {
        let mut own = HashMap::new();
        for (path, text) in [
            ("/tongban/house.typ", include_str!("../typst/house.typ")),
            (
                "/tongban/certificate.typ",
                include_str!("../typst/certificate.typ"),
            ),
            ("/tongban/notice.typ", include_str!("../typst/notice.typ")),
        ] {
            let id = file_id(path)?;
            own.insert(id, Source::new(id, text.to_owned()));
        }
        Ok(Self {
            library: LazyHash::new(Library::default()),
            fonts: OnceLock::new(),
            dirs,
            own,
            main: file_id("/main.typ")?,
            data: file_id("/data.json")?,
            code: file_id("/qr.svg")?,
            metadata: file_id("/metadata.json")?,
        })
    }

    /// Finds the fonts now instead of at the first render; an error names the remedy when none
    /// can write Chinese.
    pub fn check_fonts(&self) -> Result<usize, Fault> {
        let fonts = self.fonts();
        if CJK_FAMILIES
            .iter()
            .any(|family| fonts.book.contains_family(family))
        {
            return Ok(fonts.slots.len());
        }
        Err(Fault::new(
            "no Chinese font found: install the Debian package fonts-noto-cjk, or name a folder \
             with Noto Serif CJK SC in the setting credential.fonts",
        ))
    }

    fn fonts(&self) -> &Fonts {
        self.fonts.get_or_init(|| {
            let system = SYSTEM_FONTS.iter().map(PathBuf::from);
            let home = std::env::home_dir().map(|home| home.join(".local/share/fonts"));
            Fonts::scan(self.dirs.iter().cloned().chain(system).chain(home))
        })
    }

    /// Sets a document. The error tells the template's author line by line what is wrong.
    pub fn render(&self, sheet: &Sheet<'_>) -> Result<Vec<u8>, Fault> {
        self.check_fonts()?;
        let code = sheet.qr.map(qr_svg).transpose()?.unwrap_or_default();
        let world = Desk {
            setter: self,
            fonts: self.fonts(),
            main: Source::new(self.main, sheet.template.to_owned()),
            data: Bytes::from_string(sheet.data.to_string()),
            code: Bytes::from_string(code),
            metadata: Bytes::from_string(sheet.metadata.unwrap_or("{}").to_owned()),
            today: kernel::clock::local_date(sheet.now),
        };
        let document = typst::compile::<PagedDocument>(&world)
            .output
            .map_err(|errors| explain(&world, "set the document", &errors))?;
        let options = typst_pdf::PdfOptions {
            timestamp: timestamp(sheet.now),
            creator: typst::foundations::Smart::Custom(Some("Tongban".to_owned())),
            tagged: false,
            ..typst_pdf::PdfOptions::default()
        };
        let pdf = typst_pdf::pdf(&document, &options)
            .map_err(|errors| explain(&world, "write the PDF", &errors));
        typst::comemo::evict(MEMORY);
        pdf
    }
}

/// What is to be set.
#[derive(Clone, Copy, Debug)]
pub struct Sheet<'a> {
    /// Typst source.
    pub template: &'a str,
    /// Read by the template as `/data.json`.
    pub data: &'a serde_json::Value,
    /// Text of the two-dimensional code at `/qr.svg`.
    pub qr: Option<&'a str>,
    /// JSON at `/metadata.json`, which templates attach to the file.
    pub metadata: Option<&'a str>,
    /// Becomes the PDF's date.
    pub now: chrono::DateTime<chrono::Utc>,
}

impl Fonts {
    fn scan(dirs: impl Iterator<Item = PathBuf>) -> Self {
        let mut book = FontBook::new();
        let mut slots = Vec::new();
        for path in dirs.flat_map(|dir| font_files(&dir)) {
            let Ok(content) = std::fs::read(&path) else {
                continue;
            };
            for (index, info) in FontInfo::iter(&content).enumerate() {
                book.push(info);
                let index = u32::try_from(index).unwrap_or_default();
                slots.push(Slot {
                    path: path.clone(),
                    index,
                    font: OnceLock::new(),
                });
            }
        }
        Self {
            book: LazyHash::new(book),
            slots,
            files: std::sync::Mutex::default(),
        }
    }

    fn load(&self, index: usize) -> Option<Font> {
        let slot = self.slots.get(index)?;
        slot.font
            .get_or_init(|| Font::new(self.content(&slot.path)?, slot.index))
            .clone()
    }

    fn content(&self, path: &Path) -> Option<Bytes> {
        let mut files = self
            .files
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(content) = files.get(path) {
            return Some(content.clone());
        }
        let content = Bytes::new(std::fs::read(path).ok()?);
        files.insert(path.to_owned(), content.clone());
        Some(content)
    }
}

/// All font files under a folder, in a stable order.
fn font_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else {
            continue;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                open.push(path);
            } else if is_font(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn is_font(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| {
            ["otf", "ttf", "ttc", "otc"].contains(&extension.to_ascii_lowercase().as_str())
        })
}

/// What one render sees.
struct Desk<'a> {
    setter: &'a Typesetter,
    fonts: &'a Fonts,
    main: Source,
    data: Bytes,
    code: Bytes,
    metadata: Bytes,
    today: chrono::NaiveDate,
}

impl World for Desk<'_> {
    fn library(&self) -> &LazyHash<Library> {
        &self.setter.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.fonts.book
    }

    fn main(&self) -> FileId {
        self.setter.main
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == self.setter.main {
            return Ok(self.main.clone());
        }
        self.setter.own.get(&id).cloned().ok_or_else(|| missing(id))
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        if id == self.setter.data {
            return Ok(self.data.clone());
        }
        if id == self.setter.code {
            return Ok(self.code.clone());
        }
        if id == self.setter.metadata {
            return Ok(self.metadata.clone());
        }
        let source = self.source(id)?;
        Ok(Bytes::from_string(source.text().to_owned()))
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.fonts.load(index)
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        let month = u8::try_from(self.today.month()).ok()?;
        let day = u8::try_from(self.today.day()).ok()?;
        Datetime::from_ymd(self.today.year(), month, day)
    }
}

fn missing(id: FileId) -> FileError {
    FileError::NotFound(PathBuf::from(id.get().vpath().get_with_slash()))
}

fn file_id(path: &str) -> Result<FileId, Fault> {
    let path =
        VirtualPath::new(path).map_err(|e| Fault::new(format!("path in a template: {e:?}")))?;
    Ok(RootedPath::new(VirtualRoot::Project, path).intern())
}

fn timestamp(now: chrono::DateTime<chrono::Utc>) -> Option<typst_pdf::Timestamp> {
    use chrono::Timelike;
    let small = |n: u32| u8::try_from(n).ok();
    let moment = Datetime::from_ymd_hms(
        now.year(),
        small(now.month())?,
        small(now.day())?,
        small(now.hour())?,
        small(now.minute())?,
        small(now.second())?,
    )?;
    Some(typst_pdf::Timestamp::new_utc(moment))
}

/// One line per mistake: file, line, what and how to mend it.
fn explain(world: &Desk<'_>, what: &str, errors: &[SourceDiagnostic]) -> Fault {
    use typst::WorldExt;
    let lines: Vec<_> = errors
        .iter()
        .map(|error| {
            let at = error.span.id().and_then(|id| {
                let source = world.source(id).ok()?;
                let range = world.range(error.span)?;
                let line = source.lines().byte_to_line(range.start)? + 1;
                Some(format!("{}:{line}: ", id.get().vpath().get_with_slash()))
            });
            let hints: Vec<_> = error.hints.iter().map(|hint| hint.v.to_string()).collect();
            format!(
                "{}{} {}",
                at.unwrap_or_default(),
                error.message,
                hints.join("; ")
            )
        })
        .collect();
    Fault::new(format!("{what}: {}", lines.join(" | ")))
}

/// The text as a two-dimensional code in SVG, dark on transparent.
pub fn qr_svg(text: &str) -> Result<String, Fault> {
    let code = qrcode::QrCode::with_error_correction_level(text, qrcode::EcLevel::M)
        .map_err(|e| Fault::caused_by("make a two-dimensional code", e))?;
    Ok(code
        .render::<qrcode::render::svg::Color<'_>>()
        .quiet_zone(false)
        .min_dimensions(120, 120)
        .build())
}
