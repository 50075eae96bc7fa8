//! The national algorithms: SM2 (GB/T 32918), SM3 (GB/T 32905), SM4 (GB/T 32907).

use hmac::{Hmac, KeyInit, Mac};
use sm2::dsa::signature::{Signer, Verifier};
use sm2::elliptic_curve::Generate;

use super::envelope::{self, DerivedKey, EnvelopeKey, cbc_decrypt, cbc_encrypt};
use super::key::{Private, Public};
use super::{CryptoError, Digest, Hasher, PrivateKey, PublicKey, Signature, Suite};

pub(super) const NAME: &str = "guomi";

/// The user identity of GM/T 0009. Every product that signs with SM2 mixes it in, and `openssl`
/// only when told `distid:1234567812345678`; without it nothing verifies.
pub const SM2_DEFAULT_ID: &str = "1234567812345678";

/// SM2 with SM3 and the default identity, HMAC-SM3, SM4-CBC.
#[derive(Clone, Copy, Debug, Default)]
pub struct GuoMi;

impl GuoMi {
    /// Bare SM4-CBC with PKCS#7 padding, for formats of others that prescribe it. It does not
    /// authenticate; for our own secrets use [`Suite::encrypt`].
    pub fn cbc_encrypt(
        key: &[u8; 16],
        iv: &[u8; 16],
        plain: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        cbc_encrypt::<cbc::Encryptor<sm4::Sm4>>(key, iv, plain)
    }

    /// The reverse of [`GuoMi::cbc_encrypt`].
    pub fn cbc_decrypt(
        key: &[u8; 16],
        iv: &[u8; 16],
        ciphertext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        cbc_decrypt::<cbc::Decryptor<sm4::Sm4>>(key, iv, ciphertext)
    }

    fn mac(key: &[u8], data: &[u8]) -> Option<Hmac<sm3::Sm3>> {
        Hmac::<sm3::Sm3>::new_from_slice(key)
            .ok()
            .map(|mac| mac.chain_update(data))
    }
}

/// SM4 takes 128 bits of what the envelope's key gives.
fn sm4_key(key: &DerivedKey) -> Result<&[u8], CryptoError> {
    key.get(..16).ok_or(CryptoError::Failed)
}

impl Suite for GuoMi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn hasher(&self) -> Hasher {
        Hasher::sm3()
    }

    fn hmac(&self, key: &[u8], data: &[u8]) -> Digest {
        // HMAC is defined for every key length, so the fallback is never taken.
        Self::mac(key, data).map_or_else(Digest::default, |mac| mac.finalize().into_bytes().into())
    }

    fn hmac_matches(&self, key: &[u8], data: &[u8], tag: &[u8]) -> bool {
        Self::mac(key, data).is_some_and(|mac| mac.verify_slice(tag).is_ok())
    }

    fn generate_key(&self) -> Result<PrivateKey, CryptoError> {
        let secret = sm2::SecretKey::try_generate().map_err(|_| CryptoError::Failed)?;
        PrivateKey::from_sm2(&secret)
    }

    fn sign(&self, key: &PrivateKey, message: &[u8]) -> Result<Signature, CryptoError> {
        let Private::Sm2(key) = &key.0 else {
            return Err(CryptoError::WrongSuite);
        };
        let signature = key.try_sign(message).map_err(|_| CryptoError::Failed)?;
        Signature::from_raw(&signature.to_bytes())
    }

    fn verify(
        &self,
        key: &PublicKey,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), CryptoError> {
        let Public::Sm2(key) = &key.0 else {
            return Err(CryptoError::WrongSuite);
        };
        let signature = sm2::dsa::Signature::from_slice(&signature.raw())
            .map_err(|_| CryptoError::BadSignature)?;
        key.verify(message, &signature)
            .map_err(|_| CryptoError::Mismatch)
    }

    fn encrypt(
        &self,
        key: &EnvelopeKey,
        context: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let cipher_key = key.for_encryption(self);
        envelope::seal(self, key, context, |iv| {
            cbc_encrypt::<cbc::Encryptor<sm4::Sm4>>(sm4_key(&cipher_key)?, iv, plain)
        })
    }

    fn decrypt(
        &self,
        key: &EnvelopeKey,
        context: &[u8],
        envelope: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let cipher_key = key.for_encryption(self);
        envelope::open(self, key, context, envelope, |iv, ciphertext| {
            cbc_decrypt::<cbc::Decryptor<sm4::Sm4>>(sm4_key(&cipher_key)?, iv, ciphertext)
        })
    }
}
