//! One interface over the national algorithms (SM2, SM3, SM4) and the international ones (P-256,
//! SHA-256, AES-256), so that a city chooses by a setting and the code above never asks which.
//!
//! What is signed here, `openssl` verifies, and the other way round; `tests/it/openssl.rs` runs
//! the command both ways.

mod envelope;
mod guomi;
mod hash;
mod international;
mod key;
mod signature;

pub use envelope::EnvelopeKey;
pub use guomi::{GuoMi, SM2_DEFAULT_ID};
pub use hash::{Digest, Hasher, Sm3, sm3};
pub use international::International;
pub use key::{PrivateKey, PublicKey};
pub use signature::Signature;

use crate::{Error, Fault};

/// A set of algorithms that are used together. Implementations hold no state.
pub trait Suite: Send + Sync + std::fmt::Debug {
    /// The name that settings use: `guomi` or `international`.
    fn name(&self) -> &'static str;

    /// A hasher for data that arrives in pieces.
    fn hasher(&self) -> Hasher;

    fn hash(&self, data: &[u8]) -> Digest {
        let mut hasher = self.hasher();
        hasher.update(data);
        hasher.finish()
    }

    /// Keyed hash; also the blind index of masked columns. Any key length is accepted.
    fn hmac(&self, key: &[u8], data: &[u8]) -> Digest;

    /// Compares in constant time.
    fn hmac_matches(&self, key: &[u8], data: &[u8], tag: &[u8]) -> bool;

    /// A new signing key from the system's randomness.
    fn generate_key(&self) -> Result<PrivateKey, CryptoError>;

    /// Signs a whole message; hashing is part of it. The same message and key give the same
    /// signature, so a weak random source cannot leak the key.
    fn sign(&self, key: &PrivateKey, message: &[u8]) -> Result<Signature, CryptoError>;

    /// Fails with [`CryptoError::Mismatch`] unless the key made this signature of this message.
    fn verify(
        &self,
        key: &PublicKey,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), CryptoError>;

    /// Encrypts, then authenticates text and `context`. The context is not stored: whoever
    /// decrypts must give the same one, so a value cannot be moved to another row or column.
    fn encrypt(
        &self,
        key: &EnvelopeKey,
        context: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, CryptoError>;

    /// The reverse of [`Suite::encrypt`]; nothing is decrypted before it is authenticated.
    fn decrypt(
        &self,
        key: &EnvelopeKey,
        context: &[u8],
        envelope: &[u8],
    ) -> Result<Vec<u8>, CryptoError>;
}

/// The suite of that name in settings, if there is one.
pub fn suite(name: &str) -> Option<&'static dyn Suite> {
    match name {
        guomi::NAME => Some(&GuoMi),
        international::NAME => Some(&International),
        _ => None,
    }
}

/// The names that [`suite`] knows, for messages about settings.
pub const SUITE_NAMES: [&str; 2] = [guomi::NAME, international::NAME];

/// Why a cryptographic act did not happen. It says nothing that would help an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The key belongs to the other suite.
    #[error("key of another suite")]
    WrongSuite,
    /// Not a PKCS#8 or `SubjectPublicKeyInfo` key on a curve that we know.
    #[error("unreadable key")]
    BadKey,
    /// Neither DER nor 64 bytes, or a number outside the curve's order.
    #[error("unreadable signature")]
    BadSignature,
    /// Signature or authentication tag does not belong to the data.
    #[error("signature or tag does not match")]
    Mismatch,
    /// Too short to be an envelope, or written by a newer version.
    #[error("unreadable envelope")]
    BadEnvelope,
    /// The system gave no randomness, or a primitive refused its input.
    #[error("cryptographic operation failed")]
    Failed,
}

impl From<CryptoError> for Error {
    fn from(error: CryptoError) -> Self {
        Self::Fault(Fault::caused_by("cryptography", error))
    }
}

/// Fills a new array from the system's randomness.
fn random<const N: usize>() -> Result<[u8; N], CryptoError> {
    use rand::TryRng;
    let mut bytes = [0; N];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|_| CryptoError::Failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
