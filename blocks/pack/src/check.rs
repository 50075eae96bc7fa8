//! Everything wrong with a pack, before anything is written.

use std::collections::BTreeSet;

use kernel::Result;
use serde::Serialize;

use crate::{Catalog, File, Loaders, Manifest, Source, catalog::line_at};

/// One mistake: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub file: String,
    /// From 1.
    pub line: u32,
    pub text: String,
    pub remedy: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}:{}: {}; {}",
            self.file, self.line, self.text, self.remedy
        )
    }
}

impl Finding {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "errors and texts are handed over as they are"
    )]
    pub fn new(file: &File, line: u32, text: impl ToString, remedy: impl ToString) -> Self {
        Self {
            file: file.path.clone(),
            line,
            text: text.to_string(),
            remedy: remedy.to_string(),
        }
    }

    /// A TOML file that cannot be read.
    pub fn of_toml(file: &File, error: &toml::de::Error) -> Self {
        let text = std::str::from_utf8(&file.bytes).unwrap_or_default();
        let line = error.span().map_or(1, |span| line_at(text, span.start));
        Self::new(
            file,
            line,
            error.message(),
            "correct this line; see the pack authors' guide",
        )
    }
}

/// Reads a TOML file of a pack, or says what is wrong with it.
pub fn read_toml<T: serde::de::DeserializeOwned>(file: &File) -> Result<T, Finding> {
    let text = file.text().map_err(|_| not_utf8(file))?;
    toml::from_str(text).map_err(|e| Finding::of_toml(file, &e))
}

fn not_utf8(file: &File) -> Finding {
    Finding::new(file, 1, "the file is not UTF-8", "save it as UTF-8")
}

/// Everything wrong with the pack; empty when it can be installed.
pub fn check(app: &web::App, source: &Source) -> Result<Vec<Finding>> {
    let loaders = app.part::<Loaders>()?;
    Ok(check_with(&loaders, source))
}

pub(crate) fn check_with(loaders: &Loaders, source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut catalog = Catalog::default();
    if let Some(manifest) = check_manifest(source, &mut findings) {
        let mut seen = BTreeSet::from([manifest.id.clone()]);
        take_needed(
            loaders,
            source,
            &manifest,
            &mut catalog,
            &mut seen,
            &mut findings,
        );
    }
    check_files(loaders, source, &mut catalog, &mut findings);
    findings.extend(catalog.findings());
    findings.sort_by(|a, b| (&a.file, a.line, &a.text).cmp(&(&b.file, b.line, &b.text)));
    findings.dedup();
    findings
}

/// `pack.toml`, if it can be read.
pub(crate) fn manifest(source: &Source) -> Result<Manifest, Finding> {
    let missing = Finding {
        file: "pack.toml".into(),
        line: 1,
        text: "a pack needs a pack.toml".into(),
        remedy: "add one with id, version, title and needs".into(),
    };
    read_toml(source.file("pack.toml").ok_or(missing)?)
}

fn check_manifest(source: &Source, findings: &mut Vec<Finding>) -> Option<Manifest> {
    let manifest = match manifest(source) {
        Ok(manifest) => manifest,
        Err(finding) => {
            findings.push(finding);
            return None;
        }
    };
    let file = source.file("pack.toml")?;
    let is_plain = |id: &str| {
        !id.is_empty()
            && id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if !is_plain(&manifest.id) {
        let line = crate::catalog::line_of(file, &manifest.id);
        let text = format!("\"{}\" is no pack id", manifest.id);
        findings.push(Finding::new(
            file,
            line,
            text,
            "use small letters, digits and hyphens",
        ));
    }
    if version(&manifest.version).is_none() {
        let line = crate::catalog::line_of(file, &manifest.version);
        let text = format!("\"{}\" is no version", manifest.version);
        findings.push(Finding::new(file, line, text, "write three numbers: 1.0.0"));
    }
    if manifest.title.zh.is_empty() || manifest.title.en.is_empty() {
        findings.push(Finding::new(
            file,
            1,
            "the pack has no title in both languages",
            "write title = { zh = \"…\", en = \"…\" }",
        ));
    }
    Some(manifest)
}

/// Three numbers that compare.
pub(crate) fn version(text: &str) -> Option<[u32; 3]> {
    let mut parts = text.split('.').map(str::parse);
    let version = [
        parts.next()?.ok()?,
        parts.next()?.ok()?,
        parts.next()?.ok()?,
    ];
    parts.next().is_none().then_some(version)
}

fn take_needed(
    loaders: &Loaders,
    source: &Source,
    manifest: &Manifest,
    catalog: &mut Catalog,
    seen: &mut BTreeSet<String>,
    findings: &mut Vec<Finding>,
) {
    for id in &manifest.needs {
        if !seen.insert(id.clone()) {
            continue;
        }
        let Some(needed) = source.needed(id) else {
            findings.push(Finding {
                file: "pack.toml".into(),
                line: source
                    .file("pack.toml")
                    .map_or(1, |f| crate::catalog::line_of(f, id)),
                text: format!(
                    "the needed pack \"{id}\" is neither beside this one nor in the executable"
                ),
                remedy: "put its folder beside this one, or correct `needs`".into(),
            });
            continue;
        };
        let mut theirs = Catalog::default();
        // Their own mistakes are told when they are checked.
        check_files(loaders, &needed, &mut theirs, &mut Vec::new());
        catalog.take_definitions(theirs);
        if let Ok(manifest) = self::manifest(&needed) {
            take_needed(loaders, &needed, &manifest, catalog, seen, findings);
        }
    }
}

fn check_files(
    loaders: &Loaders,
    source: &Source,
    catalog: &mut Catalog,
    findings: &mut Vec<Finding>,
) {
    for file in source.files().filter(|file| file.path != "pack.toml") {
        match loaders.of(file) {
            Some(loader) => findings.extend(loader.check(source, file, catalog)),
            None => findings.push(Finding::new(
                file,
                1,
                format!(
                    "nothing here reads files in \"{}\" that end in .{}",
                    file.folder(),
                    file.ending()
                ),
                "correct folder and ending, or remove the file",
            )),
        }
    }
}
