//! Our own envelope for secrets at rest: CBC encryption, then HMAC over everything.
//!
//! `01 || iv (16) || ciphertext || tag (32)`. Encrypt-then-MAC rather than GCM, because the
//! operators' `openssl` has no SM4-GCM and must be able to open an envelope by hand.

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::{CryptoError, Suite, random};

const VERSION: u8 = 1;
const BLOCK_BYTES: usize = 16;
const TAG_BYTES: usize = 32;

/// The secret of an envelope; the keys for encryption and authentication are derived from it.
/// Never printed, and wiped from memory when dropped.
#[derive(Clone, ZeroizeOnDrop)]
pub struct EnvelopeKey([u8; 32]);

/// Wiped when dropped.
pub(super) type DerivedKey = Zeroizing<[u8; 32]>;

impl EnvelopeKey {
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A new key from the system's randomness.
    pub fn generate() -> Result<Self, CryptoError> {
        random().map(Self)
    }

    /// The key itself, to be kept in a file only its owner reads.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    fn derive(&self, suite: &dyn Suite, purpose: &str) -> DerivedKey {
        Zeroizing::new(suite.hmac(&self.0, purpose.as_bytes()))
    }

    /// What the cipher takes; SM4 uses the first half.
    pub(super) fn for_encryption(&self, suite: &dyn Suite) -> DerivedKey {
        self.derive(suite, "tongban envelope 1: encrypt")
    }

    fn for_authentication(&self, suite: &dyn Suite) -> DerivedKey {
        self.derive(suite, "tongban envelope 1: authenticate")
    }
}

impl std::fmt::Debug for EnvelopeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnvelopeKey")
    }
}

/// What the tag covers. The context's length comes first, so that no part of the context can pass
/// for ciphertext.
fn authenticated(context: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + context.len() + body.len());
    bytes.extend((context.len() as u64).to_be_bytes());
    bytes.extend(context);
    bytes.extend(body);
    bytes
}

/// `encrypt` takes the initialisation vector.
pub(super) fn seal(
    suite: &dyn Suite,
    key: &EnvelopeKey,
    context: &[u8],
    encrypt: impl FnOnce(&[u8; BLOCK_BYTES]) -> Result<Vec<u8>, CryptoError>,
) -> Result<Vec<u8>, CryptoError> {
    let iv = random::<BLOCK_BYTES>()?;
    let mut envelope = vec![VERSION];
    envelope.extend(iv);
    envelope.extend(encrypt(&iv)?);
    let tag = suite.hmac(
        &*key.for_authentication(suite),
        &authenticated(context, &envelope),
    );
    envelope.extend(tag);
    Ok(envelope)
}

/// `decrypt` takes the initialisation vector and the ciphertext.
pub(super) fn open(
    suite: &dyn Suite,
    key: &EnvelopeKey,
    context: &[u8],
    envelope: &[u8],
    decrypt: impl FnOnce(&[u8], &[u8]) -> Result<Vec<u8>, CryptoError>,
) -> Result<Vec<u8>, CryptoError> {
    let bad = CryptoError::BadEnvelope;
    let body_bytes = envelope.len().checked_sub(TAG_BYTES).ok_or(bad)?;
    let (body, tag) = envelope.split_at_checked(body_bytes).ok_or(bad)?;
    let (&version, rest) = body.split_first().ok_or(bad)?;
    if version != VERSION {
        return Err(bad);
    }
    let (iv, ciphertext) = rest.split_at_checked(BLOCK_BYTES).ok_or(bad)?;
    let covered = authenticated(context, body);
    if !suite.hmac_matches(&*key.for_authentication(suite), &covered, tag) {
        return Err(CryptoError::Mismatch);
    }
    decrypt(iv, ciphertext)
}

/// CBC with PKCS#7 padding.
pub(super) fn cbc_encrypt<M: KeyIvInit + BlockModeEncrypt>(
    key: &[u8],
    iv: &[u8],
    plain: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let mode = M::new_from_slices(key, iv).map_err(|_| CryptoError::Failed)?;
    let mut out = vec![0; (plain.len() / BLOCK_BYTES + 1) * BLOCK_BYTES];
    let written = mode.encrypt_padded_b2b::<Pkcs7>(plain, &mut out);
    let written_bytes = written.map_err(|_| CryptoError::Failed)?.len();
    out.truncate(written_bytes);
    Ok(out)
}

/// The reverse of [`cbc_encrypt`]. It does not authenticate: callers check a tag first.
pub(super) fn cbc_decrypt<M: KeyIvInit + BlockModeDecrypt>(
    key: &[u8],
    iv: &[u8],
    ciphertext: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let mode = M::new_from_slices(key, iv).map_err(|_| CryptoError::Failed)?;
    let mut out = vec![0; ciphertext.len()];
    let read = mode.decrypt_padded_b2b::<Pkcs7>(ciphertext, &mut out);
    let read_bytes = read.map_err(|_| CryptoError::Failed)?.len();
    out.truncate(read_bytes);
    Ok(out)
}
