//! What a file is, told by its content.

use kernel::{Fault, Text};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};

use super::{Arrived, Rules, storing};

/// Kinds of files that can be told by their content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Pdf,
    /// Fixed-layout documents of GB/T 33190.
    Ofd,
    Png,
    Jpeg,
    Docx,
    Xlsx,
    /// Office documents (WPS among them) in the form used before 2007.
    OldOffice,
    Zip,
    /// Text without control characters: CSV and plain text, in any encoding.
    Text,
    /// Rows as an Arrow IPC stream.
    Arrow,
}

const ALL: [Kind; 10] = [
    Kind::Pdf,
    Kind::Ofd,
    Kind::Png,
    Kind::Jpeg,
    Kind::Docx,
    Kind::Xlsx,
    Kind::OldOffice,
    Kind::Zip,
    Kind::Text,
    Kind::Arrow,
];

impl Kind {
    /// Extensions under which the kind is known, the usual one first.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Pdf => &["pdf"],
            Self::Ofd => &["ofd"],
            Self::Png => &["png"],
            Self::Jpeg => &["jpg", "jpeg"],
            Self::Docx => &["docx"],
            Self::Xlsx => &["xlsx"],
            Self::OldOffice => &["doc", "xls", "ppt", "wps", "et"],
            Self::Zip => &["zip"],
            Self::Text => &["csv", "txt"],
            Self::Arrow => &["arrows"],
        }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Ofd => "application/ofd",
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::OldOffice => "application/x-ole-storage",
            Self::Zip => "application/zip",
            Self::Text => "text/plain",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        let extension = extension.to_ascii_lowercase();
        ALL.into_iter()
            .find(|kind| kind.extensions().contains(&extension.as_str()))
    }
}

/// The kind of what has arrived, or the rule that it breaks.
pub(super) async fn check(
    store: &dyn ObjectStore,
    place: &Path,
    arrived: &Arrived,
    name: &str,
    rules: &Rules,
) -> Result<Result<Kind, Text>, Fault> {
    let allowed: Vec<_> = rules
        .kinds
        .iter()
        .flat_map(|kind| kind.extensions())
        .copied()
        .collect();
    let not_allowed =
        || Text::new("store-upload-kind-not-allowed").with("allowed", allowed.join(", "));
    let Some(named) = Kind::of_name(name).filter(|kind| rules.kinds.contains(kind)) else {
        return Ok(Err(not_allowed()));
    };
    let found = sniff(store, place, arrived).await?;
    if found == Some(named) {
        return Ok(Ok(named));
    }
    let extension = named.extensions().first().copied().unwrap_or_default();
    Ok(Err(
        Text::new("store-upload-wrong-content").with("extension", extension)
    ))
}

async fn sniff(
    store: &dyn ObjectStore,
    place: &Path,
    arrived: &Arrived,
) -> Result<Option<Kind>, Fault> {
    let start = arrived.start.as_slice();
    let kind = match start {
        [b'%', b'P', b'D', b'F', b'-', ..] => Some(Kind::Pdf),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Kind::Png),
        [0xff, 0xd8, 0xff, ..] => Some(Kind::Jpeg),
        [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, ..] => Some(Kind::OldOffice),
        [0xff, 0xff, 0xff, 0xff, ..] => Some(Kind::Arrow),
        [b'P', b'K', 3, 4, ..] => kind_of_zip(&zip_names(store, place, arrived.size).await?),
        _ if start.iter().all(|b| *b >= 0x20 || b"\t\r\n".contains(b)) => Some(Kind::Text),
        _ => None,
    };
    Ok(kind)
}

/// Office and OFD documents are zip files that contain certain parts.
fn kind_of_zip(names: &[String]) -> Option<Kind> {
    let has = |name: &str| names.iter().any(|n| n == name);
    if names.is_empty() {
        None
    } else if has("OFD.xml") {
        Some(Kind::Ofd)
    } else if has("[Content_Types].xml") && has("word/document.xml") {
        Some(Kind::Docx)
    } else if has("[Content_Types].xml") && has("xl/workbook.xml") {
        Some(Kind::Xlsx)
    } else {
        Some(Kind::Zip)
    }
}

/// A directory larger than this is not that of a document.
const LARGEST_DIRECTORY: u64 = 4 << 20;
/// The end record and the longest comment after it.
const LARGEST_END: u64 = 22 + 65_535;

/// Names of the parts of a zip file, from the directory at its end; empty if there is none.
async fn zip_names(store: &dyn ObjectStore, place: &Path, size: u64) -> Result<Vec<String>, Fault> {
    let from = size.saturating_sub(LARGEST_END);
    let tail = store.get_range(place, from..size).await.map_err(storing)?;
    let Some((offset, length)) = find_directory(&tail) else {
        return Ok(Vec::new());
    };
    let end = offset.saturating_add(length);
    if length > LARGEST_DIRECTORY || end > size || length == 0 {
        return Ok(Vec::new());
    }
    let directory = store.get_range(place, offset..end).await.map_err(storing)?;
    Ok(names_in(&directory))
}

/// Where the directory is, from the end record.
fn find_directory(tail: &[u8]) -> Option<(u64, u64)> {
    let at = tail.windows(4).rposition(|bytes| bytes == b"PK\x05\x06")?;
    let record = tail.get(at..)?;
    let length = number(record, 12, 4)?;
    let offset = number(record, 16, 4)?;
    Some((offset, length))
}

fn names_in(directory: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = directory;
    while let Some((name, length)) = entry(rest) {
        names.push(name);
        rest = rest.get(length..).unwrap_or_default();
    }
    names
}

/// The first entry's name and length.
fn entry(rest: &[u8]) -> Option<(String, usize)> {
    if !rest.starts_with(b"PK\x01\x02") {
        return None;
    }
    let length = |at| usize::try_from(number(rest, at, 2)?).ok();
    let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
    let text = String::from_utf8_lossy(rest.get(46..46 + name)?).into_owned();
    Some((text, 46 + name + extra + comment))
}

/// A little-endian number of some bytes.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + width)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)),
    )
}
