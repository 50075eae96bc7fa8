//! Keys as files: PKCS#8 and `SubjectPublicKeyInfo`, in PEM or DER, which `openssl` reads.

use p256::elliptic_curve::sec1::ToSec1Point;
use p256::pkcs8::{
    DecodePrivateKey, DecodePublicKey, Document, EncodePrivateKey, EncodePublicKey, LineEnding,
    SecretDocument,
};

use super::{CryptoError, SM2_DEFAULT_ID, guomi, international};

/// A signing key of either suite; its curve decides which. Never printed; the P-256 form is wiped
/// from memory when dropped (the SM2 library offers no wiping).
#[derive(Clone)]
pub struct PrivateKey(pub(super) Private);

#[derive(Clone)]
pub(super) enum Private {
    Sm2(sm2::dsa::SigningKey),
    P256(p256::ecdsa::SigningKey),
}

impl PrivateKey {
    /// From a PKCS#8 file (`BEGIN PRIVATE KEY`) without password.
    pub fn from_pem(pem: &str) -> Result<Self, CryptoError> {
        let (_, der) = SecretDocument::from_pem(pem).map_err(|_| CryptoError::BadKey)?;
        Self::from_der(der.as_bytes())
    }

    /// From PKCS#8 in DER.
    pub fn from_der(der: &[u8]) -> Result<Self, CryptoError> {
        if let Ok(secret) = sm2::SecretKey::from_pkcs8_der(der) {
            return Self::from_sm2(&secret);
        }
        let secret = p256::SecretKey::from_pkcs8_der(der).map_err(|_| CryptoError::BadKey)?;
        Ok(Self(Private::P256(secret.into())))
    }

    pub(super) fn from_sm2(secret: &sm2::SecretKey) -> Result<Self, CryptoError> {
        let key = sm2::dsa::SigningKey::new(SM2_DEFAULT_ID, secret);
        key.map(|key| Self(Private::Sm2(key)))
            .map_err(|_| CryptoError::BadKey)
    }

    /// PKCS#8 in PEM. The text is the secret itself: keep it in a file only its owner reads.
    pub fn to_pem(&self) -> Result<String, CryptoError> {
        let document = match &self.0 {
            Private::Sm2(key) => {
                sm2::SecretKey::from(key.as_nonzero_scalar()).to_pkcs8_pem(LineEnding::LF)
            }
            Private::P256(key) => key.to_pkcs8_pem(LineEnding::LF),
        };
        document
            .map(|pem| pem.to_string())
            .map_err(|_| CryptoError::BadKey)
    }

    /// The half that may be published.
    pub fn public_key(&self) -> PublicKey {
        match &self.0 {
            Private::Sm2(key) => PublicKey(Public::Sm2(key.verifying_key().clone())),
            Private::P256(key) => PublicKey(Public::P256(*key.verifying_key())),
        }
    }

    /// The name of the suite this key belongs to.
    pub fn suite_name(&self) -> &'static str {
        match self.0 {
            Private::Sm2(_) => guomi::NAME,
            Private::P256(_) => international::NAME,
        }
    }

    /// The library's own key, for builders of certificates and CMS that ask for it.
    pub fn as_sm2(&self) -> Option<&sm2::dsa::SigningKey> {
        match &self.0 {
            Private::Sm2(key) => Some(key),
            Private::P256(_) => None,
        }
    }

    /// The library's own key, for builders of certificates and CMS that ask for it.
    pub fn as_p256(&self) -> Option<&p256::ecdsa::SigningKey> {
        match &self.0 {
            Private::P256(key) => Some(key),
            Private::Sm2(_) => None,
        }
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrivateKey({})", self.suite_name())
    }
}

/// A verifying key of either suite. Keep it: reading it costs a point check, and for SM2 a hash
/// that every verification needs.
#[derive(Clone)]
pub struct PublicKey(pub(super) Public);

#[derive(Clone)]
pub(super) enum Public {
    Sm2(sm2::dsa::VerifyingKey),
    P256(p256::ecdsa::VerifyingKey),
}

impl PublicKey {
    /// From a `BEGIN PUBLIC KEY` file.
    pub fn from_pem(pem: &str) -> Result<Self, CryptoError> {
        let (_, der) = Document::from_pem(pem).map_err(|_| CryptoError::BadKey)?;
        Self::from_der(der.as_bytes())
    }

    /// From `SubjectPublicKeyInfo` in DER, as certificates carry it.
    pub fn from_der(der: &[u8]) -> Result<Self, CryptoError> {
        if let Ok(key) = sm2::PublicKey::from_public_key_der(der) {
            return Self::from_sm2(key);
        }
        let key = p256::PublicKey::from_public_key_der(der).map_err(|_| CryptoError::BadKey)?;
        Ok(Self(Public::P256(key.into())))
    }

    /// From the bare SM2 point `04 || x || y`, as national interfaces carry it.
    pub fn from_sm2_point(point: &[u8]) -> Result<Self, CryptoError> {
        let key = sm2::PublicKey::from_sec1_bytes(point).map_err(|_| CryptoError::BadKey)?;
        Self::from_sm2(key)
    }

    fn from_sm2(key: sm2::PublicKey) -> Result<Self, CryptoError> {
        let key = sm2::dsa::VerifyingKey::new(SM2_DEFAULT_ID, key);
        key.map(|key| Self(Public::Sm2(key)))
            .map_err(|_| CryptoError::BadKey)
    }

    /// `SubjectPublicKeyInfo` in PEM.
    pub fn to_pem(&self) -> Result<String, CryptoError> {
        let document = match &self.0 {
            Public::Sm2(key) => key.to_public_key_pem(LineEnding::LF),
            Public::P256(key) => key.to_public_key_pem(LineEnding::LF),
        };
        document.map_err(|_| CryptoError::BadKey)
    }

    /// `SubjectPublicKeyInfo` in DER.
    pub fn to_der(&self) -> Result<Vec<u8>, CryptoError> {
        let document = match &self.0 {
            Public::Sm2(key) => key.to_public_key_der(),
            Public::P256(key) => key.to_public_key_der(),
        };
        document
            .map(Document::into_vec)
            .map_err(|_| CryptoError::BadKey)
    }

    /// The bare point `04 || x || y`.
    pub fn to_point(&self) -> Vec<u8> {
        match &self.0 {
            Public::Sm2(key) => key.to_sec1_point(false).as_bytes().to_vec(),
            Public::P256(key) => key.to_sec1_point(false).as_bytes().to_vec(),
        }
    }

    /// The name of the suite this key belongs to.
    pub fn suite_name(&self) -> &'static str {
        match self.0 {
            Public::Sm2(_) => guomi::NAME,
            Public::P256(_) => international::NAME,
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.suite_name() == other.suite_name() && self.to_point() == other.to_point()
    }
}

impl Eq for PublicKey {}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "PublicKey({}, {})",
            self.suite_name(),
            hex::encode(self.to_point())
        )
    }
}
