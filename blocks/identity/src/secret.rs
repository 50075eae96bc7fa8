//! Random secrets of sessions and tokens. Tables keep only their SM3 digest: 256 random bits need
//! no salt and no slow hash.

use kernel::{Fault, Result};
use rand::TryRng;

/// A new secret: 256 bits in URL-safe base64.
pub(crate) fn generate() -> Result<String> {
    use base64::Engine;
    let bytes = bytes::<32>()?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

/// Bytes from the system's randomness.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|e| Fault::caused_by("draw a secret", e))?;
    Ok(bytes)
}

/// How tables know a secret.
pub(crate) fn digest(secret: &str) -> String {
    hex::encode(kernel::crypto::sm3(secret.as_bytes()))
}
