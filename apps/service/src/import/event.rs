//! What an import leaves in history: who, which file, what became of it.

use std::path::{Path, PathBuf};

use kernel::{Fault, Result, crypto};
use serde::{Deserialize, Serialize};
use store::{Db, EventBody};

use super::{Options, Report};

/// Somebody began to import a list of matters; rows may have been written from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MattersImportBegun {
    /// Joins it to its end.
    pub import: String,
    pub file: String,
    /// SM3 of the file, hexadecimal.
    pub digest: String,
    /// In bytes.
    pub size: u64,
    pub all_or_nothing: bool,
}

impl EventBody for MattersImportBegun {
    const KIND: &'static str = "service.matters_import_begun.v1";
}

/// An import came to its end. One that began and did not end was broken off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MattersImported {
    pub import: String,
    pub file: String,
    pub digest: String,
    pub rows: u64,
    pub inserted: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub kept: u64,
    pub refused: u64,
    pub is_refused_whole: bool,
}

impl EventBody for MattersImported {
    const KIND: &'static str = "service.matters_imported.v1";
}

/// An import under way.
pub(super) struct Begun {
    actor: String,
    body: MattersImportBegun,
}

pub(super) async fn begin(db: &Db, path: &Path, options: &Options) -> Result<Begun> {
    let actor = if options.by.is_empty() {
        "system"
    } else {
        &options.by
    };
    let named = path.file_name().unwrap_or_default().to_string_lossy();
    let file = if options.name.is_empty() {
        named.into_owned()
    } else {
        options.name.clone()
    };
    let path = PathBuf::from(path);
    let digested = tokio::task::spawn_blocking(move || digest(&path)).await;
    let (digest, size) = digested.map_err(|e| Fault::caused_by("read the file to import", e))??;
    let begun = Begun {
        actor: actor.to_owned(),
        body: MattersImportBegun {
            import: kernel::id::new_v7(db.clock().now()).to_string(),
            file,
            digest,
            size,
            all_or_nothing: options.all_or_nothing,
        },
    };
    let (actor, body) = (begun.actor.clone(), begun.body.clone());
    emit(db, actor, body.import.clone(), body).await?;
    Ok(begun)
}

pub(super) async fn finish(db: &Db, begun: Begun, report: &Report) -> Result<()> {
    let Begun { actor, body } = begun;
    let body = MattersImported {
        import: body.import,
        file: body.file,
        digest: body.digest,
        rows: report.rows,
        inserted: report.inserted,
        updated: report.updated,
        unchanged: report.unchanged,
        kept: report.kept,
        refused: report.refused,
        is_refused_whole: report.is_refused_whole,
    };
    emit(db, actor, body.import.clone(), body).await
}

async fn emit<B>(db: &Db, actor: String, import: String, body: B) -> Result<()>
where
    B: EventBody + Clone + 'static,
{
    db.write(move |tx| {
        let (actor, import, body) = (actor.clone(), import.clone(), body.clone());
        async move { tx.emit(format!("import:{import}"), actor, &body) }
    })
    .await
}

/// SM3 and size of a file, read a piece at a time.
fn digest(path: &Path) -> Result<(String, u64)> {
    use std::io::Read;
    let reading = |e| Fault::caused_by("read the file to import", e);
    let mut file = std::fs::File::open(path).map_err(reading)?;
    let (mut hasher, mut size) = (crypto::Sm3::new(), 0_u64);
    let mut piece = vec![0_u8; 1 << 16];
    loop {
        let read = file.read(&mut piece).map_err(reading)?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        hasher.update(bytes);
        size += bytes.len() as u64;
    }
    Ok((crate::case::submit::hex(&hasher.finish()), size))
}
