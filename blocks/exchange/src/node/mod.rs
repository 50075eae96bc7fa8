//! The node's side: a process beside a department's database. It calls the hub and is never
//! called; what it has done is in its own SQLite file, so that it may be killed at any instant.

mod ahead;
pub mod client;
pub mod config;
pub mod enrol;
mod keeping;
mod loading;
pub mod pull;
pub mod read;
mod repeated;
pub mod run;
pub mod send;
pub mod source;
pub mod standardise;
pub mod state;
pub mod target;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use kernel::{
    Fault,
    crypto::{PrivateKey, PublicKey},
};
use serde::{Deserialize, Serialize};

/// What the node was told when it enrolled: `hub.json` in its folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Membership {
    /// `https://host:port` of the hub's exchange.
    pub hub: String,
    /// How the node is called.
    pub node: String,
    /// The hub's authority, PEM.
    pub authority: String,
    /// SM2 key of the hub's receipts, PEM.
    pub hub_key: String,
    /// The node's certificate, PEM.
    pub certificate: String,
}

/// The node's folder.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    const MEMBERSHIP: &str = "hub.json";

    pub fn membership(&self) -> Result<Membership, Fault> {
        let path = self.0.join(Self::MEMBERSHIP);
        let text = std::fs::read(&path).map_err(|e| {
            let what = format!(
                "read {}; has this node enrolled (`tongban node enrol`)?",
                path.display()
            );
            Fault::caused_by(what, e)
        })?;
        serde_json::from_slice(&text)
            .map_err(|e| Fault::caused_by(format!("read {}", path.display()), e))
    }

    fn keep_membership(&self, membership: &Membership) -> Result<(), Fault> {
        let text = serde_json::to_vec_pretty(membership)
            .map_err(|e| Fault::caused_by("write the membership", e))?;
        write_whole(&self.0.join(Self::MEMBERSHIP), &text)
    }

    /// SM2, for manifests and receipts.
    pub fn signing_key(&self) -> Result<PrivateKey, Fault> {
        store::key_file::key(&self.0, "signing.key.pem", "guomi")
    }

    /// P-256, for TLS.
    pub fn tls_key(&self) -> Result<PrivateKey, Fault> {
        store::key_file::key(&self.0, "tls.key.pem", "international")
    }

    /// Removes what the node does not know of: chunks of readings that were cut off, copies of files
    /// that were not taken then.
    fn sweep(&self, batches: &HashSet<String>, digests: &HashSet<String>) -> Result<(), Fault> {
        sweep(&self.0.join("out"), batches)?;
        self.sweep_kept(digests)
    }

    /// Removes copies of files but for these.
    fn sweep_kept(&self, digests: &HashSet<String>) -> Result<(), Fault> {
        sweep(&self.kept(), digests)
    }

    /// Files that were taken.
    pub fn kept(&self) -> PathBuf {
        self.0.join("kept")
    }

    /// Chunks of a batch that goes out.
    pub fn outgoing(&self, batch: &str) -> PathBuf {
        self.0.join("out").join(batch)
    }

    /// Chunks of a delivery that came in.
    pub fn incoming(&self, delivery: &str) -> PathBuf {
        self.0.join("in").join(delivery)
    }
}

impl Membership {
    pub fn hub_key(&self) -> Result<PublicKey, Fault> {
        PublicKey::from_pem(&self.hub_key).map_err(|e| Fault::caused_by("read the hub's key", e))
    }
}

/// Writes a file that appears whole or not at all, and is on disk when this returns.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> Result<(), Fault> {
    use std::io::Write;
    let draft = path.with_extension("part");
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&draft, path)?;
        match path.parent() {
            Some(folder) => std::fs::File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(|e| Fault::caused_by(format!("write {}", path.display()), e).transient())
}

/// The place of a chunk in a folder.
pub fn chunk_file(folder: &Path, place: usize) -> PathBuf {
    folder.join(format!("{place:06}.arrows"))
}

/// Removes what does not begin with one of the names.
fn sweep(folder: &Path, known: &HashSet<String>) -> Result<(), Fault> {
    let failed = |e| Fault::caused_by(format!("look into {}", folder.display()), e);
    let found = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(failed)?,
    };
    for entry in found {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name
            .split('.')
            .next()
            .is_none_or(|begin| !known.contains(begin))
        {
            let path = entry.path();
            if path.is_dir() {
                send::remove(&path);
            } else if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!(file = %path.display(), %error, "cannot remove a file");
            }
        }
    }
    Ok(())
}
