//! Where a pack's files come from: a folder, or the executable itself.

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use kernel::{Error, Fault, Result, Text};
use serde::{Deserialize, Serialize};

/// A file of a pack.
#[derive(Clone, Debug)]
pub struct File {
    /// Inside the pack, with slashes: `matters/food.toml`.
    pub path: String,
    pub bytes: Cow<'static, [u8]>,
}

impl File {
    /// The folder right below the pack: `matters`; empty for files beside `pack.toml`.
    pub fn folder(&self) -> &str {
        self.path.split_once('/').map_or("", |(folder, _)| folder)
    }

    /// The name without folder and ending: `food`.
    pub fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }

    /// The ending, lower case: `toml`.
    pub fn ending(&self) -> String {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.')
            .map_or_else(String::new, |(_, ending)| ending.to_lowercase())
    }

    pub fn text(&self) -> Result<&str> {
        let text = std::str::from_utf8(&self.bytes).map_err(|_| {
            Error::invalid(
                &self.path,
                Text::new("pack-not-utf8").with("file", &self.path),
            )
        })?;
        Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
    }
}

/// All files of a pack, in memory; packs are small.
#[derive(Clone, Debug)]
pub struct Source {
    /// Folder or name, for messages.
    pub origin: String,
    /// In the order of their paths.
    files: BTreeMap<String, File>,
    /// Folder in which packs that this one needs are looked for first.
    beside: Option<std::path::PathBuf>,
}

#[derive(rust_embed::RustEmbed)]
#[folder = "../../packs"]
struct Embedded;

impl Source {
    /// Reads the folder of a pack.
    pub fn folder(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let mut files = BTreeMap::new();
        read_folder(folder, "", &mut files)?;
        let source = Self {
            origin: folder.display().to_string(),
            files,
            beside: folder.parent().map(Path::to_path_buf),
        };
        source.must_be_a_pack()
    }

    /// A pack that the executable carries: one of those in `packs/`.
    pub fn embedded(name: &str) -> Result<Self> {
        let prefix = format!("{name}/");
        let mut files = BTreeMap::new();
        for full in <Embedded as rust_embed::RustEmbed>::iter() {
            let Some(path) = full.strip_prefix(&prefix) else {
                continue;
            };
            if !is_content(path) {
                continue;
            }
            let Some(found) = <Embedded as rust_embed::RustEmbed>::get(&full) else {
                continue;
            };
            let file = File {
                path: path.to_owned(),
                bytes: found.data,
            };
            files.insert(path.to_owned(), file);
        }
        let source = Self {
            origin: name.to_owned(),
            files,
            beside: None,
        };
        source.must_be_a_pack()
    }

    /// A pack made of files in memory.
    pub fn of_files(origin: &str, files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let files = files.into_iter().map(|(path, bytes)| {
            let bytes = Cow::Owned(bytes);
            (path.clone(), File { path, bytes })
        });
        Self {
            origin: origin.to_owned(),
            files: files.collect(),
            beside: None,
        }
    }

    fn must_be_a_pack(self) -> Result<Self> {
        if self.files.contains_key("pack.toml") {
            return Ok(self);
        }
        let text = Text::new("pack-not-a-pack").with("origin", &self.origin);
        Err(Error::invalid("pack.toml", text))
    }

    /// Files in the order of their paths.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.files.values()
    }

    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    /// A pack that this one needs: beside it, or in the executable.
    pub(crate) fn needed(&self, id: &str) -> Option<Self> {
        let beside = self.beside.as_ref().map(|folder| folder.join(id));
        beside
            .filter(|folder| folder.join("pack.toml").is_file())
            .and_then(|folder| Self::folder(folder).ok())
            .or_else(|| Self::embedded(id).ok())
    }

    /// Digest of every path and content, by which a repeated install is known.
    pub(crate) fn digest(&self) -> String {
        let mut all = Vec::new();
        for file in self.files() {
            all.extend_from_slice(file.path.as_bytes());
            all.push(0);
            all.extend_from_slice(&(file.bytes.len() as u64).to_le_bytes());
            all.extend_from_slice(&file.bytes);
        }
        let digest = kernel::crypto::sm3(&all);
        digest.iter().fold(String::new(), |mut hex, byte| {
            use std::fmt::Write;
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// Editors' and version control's own files, scripts that make data, and notes are no part of a
/// pack.
fn is_content(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    !name.starts_with('.')
        && name != "README.md"
        && Path::new(name)
            .extension()
            .is_none_or(|ending| ending != "mjs")
}

fn read_folder(folder: &Path, prefix: &str, files: &mut BTreeMap<String, File>) -> Result<()> {
    let unreadable = |e| Fault::caused_by(format!("read {}", folder.display()), e);
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if !is_content(&name) {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.file_type().map_err(unreadable)?.is_dir() {
            read_folder(&entry.path(), &format!("{path}/"), files)?;
        } else {
            let bytes = Cow::Owned(std::fs::read(entry.path()).map_err(unreadable)?);
            files.insert(path.clone(), File { path, bytes });
        }
    }
    Ok(())
}

/// Words in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Title {
    pub zh: String,
    pub en: String,
}

/// `pack.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub id: String,
    /// Three numbers: `1.0.0`.
    pub version: String,
    pub title: Title,
    /// Packs that must be installed before.
    #[serde(default)]
    pub needs: Vec<String>,
}
