//! A signature in its two spellings.

use der::asn1::UintRef;
use der::{Decode, Encode, Sequence};

use super::CryptoError;

/// The pair (r, s) of SM2 or ECDSA. Files and certificates carry it as DER, tokens as 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

#[derive(Sequence)]
struct Pair<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

impl Signature {
    /// From r and s, 32 bytes each, big end first.
    pub fn from_raw(raw: &[u8]) -> Result<Self, CryptoError> {
        raw.try_into()
            .map(Self)
            .map_err(|_| CryptoError::BadSignature)
    }

    /// r and s, 32 bytes each.
    pub fn raw(&self) -> [u8; 64] {
        self.0
    }

    /// From `SEQUENCE { INTEGER r, INTEGER s }`; anything but the one right encoding is refused.
    pub fn from_der(der: &[u8]) -> Result<Self, CryptoError> {
        let pair = Pair::from_der(der).map_err(|_| CryptoError::BadSignature)?;
        let mut raw = [0; 64];
        let (r, s) = raw.split_at_mut(32);
        put(r, pair.r.as_bytes())?;
        put(s, pair.s.as_bytes())?;
        Ok(Self(raw))
    }

    /// As `openssl` and certificates write it: 8 to 72 bytes.
    pub fn to_der(&self) -> Result<Vec<u8>, CryptoError> {
        let (r, s) = self.0.split_at(32);
        let encode = || {
            Pair {
                r: UintRef::new(r)?,
                s: UintRef::new(s)?,
            }
            .to_der()
        };
        encode().map_err(|_: der::Error| CryptoError::BadSignature)
    }
}

/// Writes a number of up to 32 bytes at the right end of `place`.
fn put(place: &mut [u8], number: &[u8]) -> Result<(), CryptoError> {
    let start = place
        .len()
        .checked_sub(number.len())
        .ok_or(CryptoError::BadSignature)?;
    let end = place.get_mut(start..).ok_or(CryptoError::BadSignature)?;
    end.copy_from_slice(number);
    Ok(())
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signature({})", hex::encode(self.0))
    }
}
