//! Installing a pack: one transaction, and nothing when it is there already.

use std::sync::Arc;

use kernel::clock::micros;
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, QueryOrder};
use serde::Serialize;
use store::{Db, Tx, fault};

use crate::{
    Calendars, Finding, Loaders, Manifest, Source, check::check_with, check::manifest,
    check::version, schema::installed as table,
};

/// Why a pack was not installed; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The pack itself is wrong.
    #[error("the pack has mistakes:\n{}", lines(.0))]
    Mistakes(Vec<Finding>),
    /// A pack that it needs is not installed.
    #[error("the pack needs \"{0}\", which is not installed; install that one first")]
    Needs(String),
    /// A later version is installed.
    #[error(
        "version {installed} is installed, which is later than {offered}; packs are not taken back"
    )]
    Older { installed: String, offered: String },
    #[error(transparent)]
    Kernel(#[from] kernel::Error),
}

fn lines(findings: &[Finding]) -> String {
    let all: Vec<_> = findings.iter().map(ToString::to_string).collect();
    all.join("\n")
}

/// What an install did.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub id: String,
    pub version: String,
    /// The very same pack was there already.
    pub was_there: bool,
    pub files: usize,
    /// Things that are new or changed, by folder.
    pub changed: std::collections::BTreeMap<String, usize>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.id, self.version)?;
        if self.was_there {
            return f.write_str(": already installed, nothing changed");
        }
        write!(f, ": {} files", self.files)?;
        for (folder, count) in &self.changed {
            write!(f, ", {count} {folder}")?;
        }
        Ok(())
    }
}

/// A pack that is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Installed {
    pub id: String,
    pub version: String,
    pub title_zh: String,
    pub title_en: String,
    #[serde(skip)]
    digest: String,
}

/// The installed packs, by id.
pub async fn installed(db: &Db) -> kernel::Result<Vec<Installed>> {
    list(db.read()).await
}

async fn list(db: &impl ConnectionTrait) -> kernel::Result<Vec<Installed>> {
    let rows = table::Entity::find()
        .order_by_asc(table::Column::Id)
        .all(db)
        .await
        .map_err(|e| fault("list packs", e))?;
    let packs = rows.into_iter().map(|row| Installed {
        id: row.id,
        version: row.version,
        title_zh: row.title_zh,
        title_en: row.title_en,
        digest: row.digest,
    });
    Ok(packs.collect())
}

/// Checks and installs a pack. Installing the same content again changes nothing; other content
/// upgrades what is there, and cases keep the versions that they began with.
pub async fn install(app: &web::App, source: &Source) -> Result<Report, PackError> {
    let loaders = app.part::<Loaders>().map_err(kernel::Error::from)?;
    let manifest = manifest(source).map_err(|finding| PackError::Mistakes(vec![finding]))?;
    let digest = source.digest();
    let known = installed(app.db()).await?;
    let mut report = Report {
        id: manifest.id.clone(),
        version: manifest.version.clone(),
        was_there: false,
        files: source.files().count(),
        changed: std::collections::BTreeMap::new(),
    };
    if known
        .iter()
        .any(|pack| pack.id == manifest.id && pack.digest == digest)
    {
        report.was_there = true;
        return Ok(report);
    }
    must_follow(&manifest, &known)?;
    let findings = check_with(&loaders, source);
    if !findings.is_empty() {
        return Err(PackError::Mistakes(findings));
    }
    let (shared, pack) = (Arc::new(source.clone()), Arc::new((manifest, digest)));
    let writing = loaders.clone();
    report.changed = app
        .db()
        .write(move |tx| {
            let (loaders, source, pack) = (writing.clone(), shared.clone(), pack.clone());
            async move { install_in(&tx, &loaders, &source, &pack.0, &pack.1).await }
        })
        .await?;
    if let Ok(calendars) = app.part::<Calendars>() {
        calendars.refresh(app.db()).await?;
    }
    loaders.installed(app).await?;
    Ok(report)
}

/// Needed packs are there, and nothing later is.
fn must_follow(manifest: &Manifest, known: &[Installed]) -> Result<(), PackError> {
    for id in &manifest.needs {
        if !known.iter().any(|pack| pack.id == *id) {
            return Err(PackError::Needs(id.clone()));
        }
    }
    let before = known.iter().find(|pack| pack.id == manifest.id);
    match before {
        Some(before) if version(&before.version) > version(&manifest.version) => {
            Err(PackError::Older {
                installed: before.version.clone(),
                offered: manifest.version.clone(),
            })
        }
        _ => Ok(()),
    }
}

async fn install_in(
    tx: &Tx,
    loaders: &Loaders,
    source: &Source,
    manifest: &Manifest,
    digest: &str,
) -> kernel::Result<std::collections::BTreeMap<String, usize>> {
    let mut changed = std::collections::BTreeMap::new();
    for (loader, file) in loaders.in_order(source) {
        let count = loader
            .install(tx, source, file)
            .await
            .map_err(|e| in_file(e, &file.path))?;
        if count > 0 {
            *changed.entry(loader.folder().to_owned()).or_default() += count;
        }
    }
    let row = table::ActiveModel {
        id: Set(manifest.id.clone()),
        version: Set(manifest.version.clone()),
        title_zh: Set(manifest.title.zh.clone()),
        title_en: Set(manifest.title.en.clone()),
        digest: Set(digest.to_owned()),
        installed_at: Set(micros(tx.now())),
    };
    let replace = sea_orm::sea_query::OnConflict::column(table::Column::Id)
        .update_columns([
            table::Column::Version,
            table::Column::TitleZh,
            table::Column::TitleEn,
            table::Column::Digest,
            table::Column::InstalledAt,
        ])
        .to_owned();
    table::Entity::insert(row)
        .on_conflict(replace)
        .exec_without_returning(&**tx)
        .await
        .map_err(|e| fault("write an installed pack", e))?;
    Ok(changed)
}

/// Findings name their file.
fn in_file(error: kernel::Error, path: &str) -> kernel::Error {
    match error {
        kernel::Error::Invalid(mut findings) => {
            for finding in &mut findings {
                finding.field = format!("{path}: {}", finding.field);
            }
            kernel::Error::Invalid(findings)
        }
        kernel::Error::NotFound { what } => {
            kernel::Fault::new(format!("{path}: {what} not found")).into()
        }
        other => other,
    }
}
