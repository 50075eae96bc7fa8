//! Content in memory together with its digest.

use bytes::Bytes;
use kernel::crypto::sm3;

/// Bytes whose digest was computed from them, and not only told: whoever has to compare the digest
/// with another anyway computes it once.
#[derive(Clone, Debug)]
pub struct Hashed {
    bytes: Bytes,
    digest: String,
}

impl Hashed {
    pub fn of(bytes: Bytes) -> Self {
        Self {
            digest: hex::encode(sm3(&bytes)),
            bytes,
        }
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Hexadecimal SM3 of the bytes.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}
