//! The keys that certificates are signed with: made at the first start, kept as files that only
//! the server's user may read, never in the database.
//!
//! Two pairs: P-256 with a small chain of its own for signatures in PDF files, which every reader
//! verifies, and SM2 for the metadata, as national interfaces ask.

use std::{
    path::Path,
    str::FromStr,
    time::{Duration, SystemTime},
};

use chrono::{DateTime, Utc};
use der::{Decode, DecodePem, EncodePem, flagset::FlagSet, pem::LineEnding};
use kernel::{
    Fault,
    crypto::{PrivateKey, PublicKey, Suite, suite},
};
use p256::ecdsa::{DerSignature, SigningKey};
use x509_cert::{
    Certificate, TbsCertificate,
    builder::{Builder, CertificateBuilder, Result as BuilderResult, profile::BuilderProfile},
    ext::{
        Extension, ToExtension,
        pkix::{
            AuthorityKeyIdentifier, BasicConstraints, KeyUsage, KeyUsages, SubjectKeyIdentifier,
        },
    },
    name::Name,
    serial_number::SerialNumber,
    spki::{SubjectPublicKeyInfo, SubjectPublicKeyInfoRef},
    time::{Time, Validity},
};

use store::key_file::{key, write_once};

/// Older than any document this key signs, even on a clock that a demo has turned back.
const BACKDATED_DAYS: u64 = 2 * 366;
const ROOT_DAYS: u64 = 20 * 365;
const SEAL_DAYS: u64 = 10 * 365;

/// All that signs.
pub struct Seal {
    /// Signs PDF files.
    pub key: SigningKey,
    /// Certificate of `key`.
    pub certificate: Certificate,
    /// Certificate of the authority that signed `certificate`.
    pub root: Certificate,
    /// Signs metadata (SM2).
    pub metadata_key: PrivateKey,
    pub metadata_public: PublicKey,
    /// Fingerprint of the metadata key, kept beside each signature.
    pub metadata_key_id: String,
}

impl Seal {
    /// Reads the keys of the folder; makes those that are not there yet. `organ` names whose
    /// seal it is in certificates made now.
    pub fn open(dir: &Path, organ: &str, now: DateTime<Utc>) -> Result<Self, Fault> {
        std::fs::create_dir_all(dir).map_err(|e| Fault::caused_by("create the key folder", e))?;
        let root_key = key(dir, "seal-root.key.pem", "international")?;
        let seal_key = key(dir, "seal.key.pem", "international")?;
        let metadata_key = key(dir, "metadata-sm2.key.pem", "guomi")?;
        let authority = p256_of(&root_key)?;
        let signer = p256_of(&seal_key)?;
        let root_name = name(&format!("{organ}电子印章根"))?;
        let root = certificate(dir, "seal-root.crt.pem", || {
            let profile = Profile {
                subject: root_name.clone(),
                issuer: root_name.clone(),
                is_authority: true,
            };
            issue(profile, &authority, &authority, now, ROOT_DAYS)
        })?;
        let sealed = certificate(dir, "seal.crt.pem", || {
            let profile = Profile {
                subject: name(&format!("{organ}电子印章"))?,
                issuer: root.tbs_certificate().subject().clone(),
                is_authority: false,
            };
            issue(profile, &signer, &authority, now, SEAL_DAYS)
        })?;
        let metadata_public = metadata_key.public_key();
        let metadata_key_id = hex::encode(kernel::crypto::sm3(&metadata_public.to_point()));
        let metadata_key_id = metadata_key_id.get(..16).unwrap_or_default().to_owned();
        Ok(Self {
            key: signer,
            certificate: sealed,
            root,
            metadata_key,
            metadata_public,
            metadata_key_id,
        })
    }

    /// Signs with SM2; the signature is DER.
    pub fn sign_metadata(&self, canonical: &[u8]) -> Result<Vec<u8>, Fault> {
        let signature = guomi()?
            .sign(&self.metadata_key, canonical)
            .map_err(|e| Fault::caused_by("sign metadata", e))?;
        signature
            .to_der()
            .map_err(|e| Fault::caused_by("sign metadata", e))
    }

    /// Whether this house made that signature of that metadata.
    pub fn has_signed(&self, canonical: &[u8], signature: &[u8]) -> bool {
        let check = || {
            let signature = kernel::crypto::Signature::from_der(signature).ok()?;
            guomi()
                .ok()?
                .verify(&self.metadata_public, canonical, &signature)
                .ok()
        };
        check().is_some()
    }

    /// The root certificate in PEM, for those who verify our files.
    pub fn root_pem(&self) -> Result<String, Fault> {
        self.root
            .to_pem(LineEnding::LF)
            .map_err(|e| Fault::caused_by("write the root certificate", e))
    }
}

fn guomi() -> Result<&'static dyn Suite, Fault> {
    suite("guomi").ok_or_else(|| Fault::new("the national algorithms are not built in"))
}

fn p256_of(key: &PrivateKey) -> Result<SigningKey, Fault> {
    key.as_p256()
        .cloned()
        .ok_or_else(|| Fault::new("the seal's key file holds a key of another kind"))
}

fn certificate(
    dir: &Path,
    file: &str,
    make: impl FnOnce() -> Result<Certificate, Fault>,
) -> Result<Certificate, Fault> {
    let path = dir.join(file);
    if !path.exists() {
        let pem = make()?
            .to_pem(LineEnding::LF)
            .map_err(|e| Fault::caused_by(format!("write {file}"), e))?;
        write_once(&path, pem.as_bytes())?;
    }
    let pem = std::fs::read(&path).map_err(|e| Fault::caused_by(format!("read {file}"), e))?;
    Certificate::from_pem(pem).map_err(|e| Fault::caused_by(format!("read {file}"), e))
}

fn name(common: &str) -> Result<Name, Fault> {
    // Signs that separate parts of a distinguished name do not belong into the organ's name.
    let clean: String = common
        .chars()
        .filter(|c| !",+=<>#;\\\"/".contains(*c))
        .collect();
    Name::from_str(&format!("CN={clean},O=Tongban,C=CN"))
        .map_err(|e| Fault::caused_by("name the seal", e))
}

struct Profile {
    subject: Name,
    issuer: Name,
    is_authority: bool,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        subject_key: SubjectPublicKeyInfoRef<'_>,
        issuer_key: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> BuilderResult<Vec<Extension>> {
        let own = SubjectKeyIdentifier::try_from(subject_key)?;
        let issuer = SubjectKeyIdentifier::try_from(issuer_key)?;
        let usage: FlagSet<KeyUsages> = if self.is_authority {
            KeyUsages::KeyCertSign | KeyUsages::CRLSign
        } else {
            KeyUsages::DigitalSignature | KeyUsages::NonRepudiation
        };
        let above = AuthorityKeyIdentifier {
            key_identifier: Some(issuer.0),
            ..AuthorityKeyIdentifier::default()
        };
        let basic = BasicConstraints {
            ca: self.is_authority,
            path_len_constraint: None,
        };
        let subject = tbs.subject();
        Ok(vec![
            own.to_extension(subject, &[])?,
            above.to_extension(subject, &[])?,
            basic.to_extension(subject, &[])?,
            KeyUsage(usage).to_extension(subject, &[])?,
        ])
    }
}

fn issue(
    profile: Profile,
    subject: &SigningKey,
    authority: &SigningKey,
    now: DateTime<Utc>,
    days: u64,
) -> Result<Certificate, Fault> {
    let what = |e: x509_cert::builder::Error| Fault::caused_by("make a certificate", e);
    let public = SubjectPublicKeyInfo::from_key(subject.verifying_key())
        .map_err(|e| Fault::caused_by("make a certificate", e))?;
    let serial = SerialNumber::new(uuid_bytes(now).as_slice())
        .map_err(|e| Fault::caused_by("make a certificate", e))?;
    let validity = Validity::new(
        time(now, -i64::try_from(BACKDATED_DAYS).unwrap_or_default())?,
        time(now, i64::try_from(days).unwrap_or_default())?,
    );
    let builder = CertificateBuilder::new(profile, serial, validity, public).map_err(what)?;
    builder.build::<_, DerSignature>(authority).map_err(what)
}

/// A positive serial number that no other certificate has.
fn uuid_bytes(now: DateTime<Utc>) -> [u8; 16] {
    *kernel::id::new_v7(now).as_bytes()
}

fn time(now: DateTime<Utc>, days: i64) -> Result<Time, Fault> {
    let at = now + chrono::Duration::days(days);
    let seconds = u64::try_from(at.timestamp()).unwrap_or_default();
    Time::try_from(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        .map_err(|e| Fault::caused_by("date a certificate", e))
}

/// Reads a certificate in DER; for what a file carries.
pub fn read_certificate(der: &[u8]) -> Option<Certificate> {
    Certificate::from_der(der).ok()
}
