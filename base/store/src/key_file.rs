//! Keys as files beside the database: made when they are first asked for, readable by their owner
//! only, never written over.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use kernel::{
    Fault,
    crypto::{PrivateKey, suite},
};

/// The key of the suite in that file, made and written if there is none.
pub fn key(dir: &Path, file: &str, suite_name: &str) -> Result<PrivateKey, Fault> {
    let path = dir.join(file);
    if !path.exists() {
        let suite = suite(suite_name).ok_or_else(|| Fault::new("unknown suite of algorithms"))?;
        let pem = suite
            .generate_key()
            .and_then(|key| key.to_pem())
            .map_err(|e| Fault::caused_by(format!("make {file}"), e))?;
        write_once(&path, pem.as_bytes())?;
    }
    let pem =
        std::fs::read_to_string(&path).map_err(|e| Fault::caused_by(format!("read {file}"), e))?;
    PrivateKey::from_pem(&pem).map_err(|e| Fault::caused_by(format!("read {file}"), e))
}

/// Writes a file that appears whole, for its owner alone, and never over another: two starting
/// processes end with the same key.
pub fn write_once(path: &Path, content: &[u8]) -> Result<(), Fault> {
    let what = || format!("write {}", path.display());
    let mut draft: PathBuf = path.to_owned();
    draft.set_extension(format!("{}.new", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let written = options.open(&draft).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        match std::fs::hard_link(&draft, path) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    });
    // Whatever happened, the draft must not stay; that it cannot be removed changes nothing.
    drop(std::fs::remove_file(&draft));
    written.map_err(|e| Fault::caused_by(what(), e))
}
