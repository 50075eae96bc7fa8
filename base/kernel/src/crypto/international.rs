//! ECDSA on P-256 with SHA-256, HMAC-SHA-256, AES-256.

use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::signature::{Signer, Verifier};
use p256::elliptic_curve::Generate;

use super::envelope::{self, EnvelopeKey, cbc_decrypt, cbc_encrypt};
use super::key::{Private, Public};
use super::{CryptoError, Digest, Hasher, PrivateKey, PublicKey, Signature, Suite};

pub(super) const NAME: &str = "international";

/// ECDSA on P-256 with SHA-256, HMAC-SHA-256, AES-256-CBC.
#[derive(Clone, Copy, Debug, Default)]
pub struct International;

impl International {
    fn mac(key: &[u8], data: &[u8]) -> Option<Hmac<sha2::Sha256>> {
        Hmac::<sha2::Sha256>::new_from_slice(key)
            .ok()
            .map(|mac| mac.chain_update(data))
    }
}

impl Suite for International {
    fn name(&self) -> &'static str {
        NAME
    }

    fn hasher(&self) -> Hasher {
        Hasher::sha256()
    }

    fn hmac(&self, key: &[u8], data: &[u8]) -> Digest {
        // HMAC is defined for every key length, so the fallback is never taken.
        Self::mac(key, data).map_or_else(Digest::default, |mac| mac.finalize().into_bytes().into())
    }

    fn hmac_matches(&self, key: &[u8], data: &[u8], tag: &[u8]) -> bool {
        Self::mac(key, data).is_some_and(|mac| mac.verify_slice(tag).is_ok())
    }

    fn generate_key(&self) -> Result<PrivateKey, CryptoError> {
        let secret = p256::SecretKey::try_generate().map_err(|_| CryptoError::Failed)?;
        Ok(PrivateKey(Private::P256(secret.into())))
    }

    fn sign(&self, key: &PrivateKey, message: &[u8]) -> Result<Signature, CryptoError> {
        let Private::P256(key) = &key.0 else {
            return Err(CryptoError::WrongSuite);
        };
        let signature: p256::ecdsa::Signature =
            key.try_sign(message).map_err(|_| CryptoError::Failed)?;
        Signature::from_raw(&signature.to_bytes())
    }

    fn verify(
        &self,
        key: &PublicKey,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), CryptoError> {
        let Public::P256(key) = &key.0 else {
            return Err(CryptoError::WrongSuite);
        };
        let signature = p256::ecdsa::Signature::from_slice(&signature.raw())
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
            cbc_encrypt::<cbc::Encryptor<aes::Aes256>>(&*cipher_key, iv, plain)
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
            cbc_decrypt::<cbc::Decryptor<aes::Aes256>>(&*cipher_key, iv, ciphertext)
        })
    }
}
