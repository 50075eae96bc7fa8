//! The keys of an installation, in the data folder and readable by its owner only.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use identity::Vault;
use kernel::crypto::{PrivateKey, Suite, suite};
use store::{HeadSigner, KeySigner};

/// Head of the event log, second factors: by the national algorithms.
const SUITE: &str = "guomi";

fn guomi() -> anyhow::Result<&'static dyn Suite> {
    suite(SUITE).context("the suite guomi is not built in")
}

/// The key that signs heads of the event log; made at the first start.
pub fn head_signer(data: &Path) -> anyhow::Result<Arc<dyn HeadSigner>> {
    let file = folder(data)?.join("event-log.pem");
    if !file.exists() {
        let private = guomi()?
            .generate_key()
            .context("cannot make the key of the event log")?;
        write_secret(&file, &private.to_pem()?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    let pem = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let private =
        PrivateKey::from_pem(&pem).with_context(|| format!("{} holds no key", file.display()))?;
    Ok(Arc::new(KeySigner::new(private)?))
}

/// The key under which second-factor secrets are kept.
pub fn vault(data: &Path) -> anyhow::Result<Vault> {
    Ok(Vault::at(
        &folder(data)?.join("second-factor.key"),
        guomi()?,
    )?)
}

fn folder(data: &Path) -> anyhow::Result<std::path::PathBuf> {
    let folder = data.join("keys");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// A new file that nobody else may read.
fn write_secret(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(file)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
