//! Certificates of the exchange: the hub's private authority, its server, its nodes. P-256, which
//! every TLS library speaks; what has to count as proof is signed with SM2 besides.

use std::{
    net::IpAddr,
    str::FromStr,
    time::{Duration as StdDuration, SystemTime},
};

use chrono::{DateTime, Duration, Utc};
use der::{
    Decode, DecodePem, Encode, EncodePem,
    asn1::{Ia5String, ObjectIdentifier, OctetString},
    flagset::FlagSet,
    pem::LineEnding,
};
use kernel::{
    Fault,
    crypto::{International, PrivateKey, PublicKey, Signature, Suite, sm3},
};
use p256::ecdsa::{DerSignature, SigningKey};
use x509_cert::{
    Certificate, TbsCertificate,
    builder::{Builder, CertificateBuilder, Result as BuilderResult, profile::BuilderProfile},
    ext::{
        Extension, ToExtension,
        pkix::{
            AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages,
            SubjectAltName, SubjectKeyIdentifier, name::GeneralName,
        },
    },
    name::Name,
    request::{CertReq, RequestBuilder},
    serial_number::SerialNumber,
    spki::{SubjectPublicKeyInfo, SubjectPublicKeyInfoRef},
    time::{Time, Validity},
};

const SERVER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// A certificate holds from a while before it is made, for machines whose clock is late.
const BACKDATED: Duration = Duration::hours(24);

/// What a certificate is for.
pub enum Purpose<'a> {
    Authority,
    /// Under these names and addresses.
    Server(&'a [String]),
    Client,
}

/// Who issues, and until when.
pub struct Issuer<'a> {
    pub key: &'a SigningKey,
    /// None where the certificate signs itself.
    pub certificate: Option<&'a Certificate>,
    pub now: DateTime<Utc>,
    pub lasts: Duration,
}

impl Issuer<'_> {
    /// A certificate for a public key. `common` is the subject's common name.
    pub fn issue(
        &self,
        purpose: &Purpose<'_>,
        common: &str,
        public: SubjectPublicKeyInfo<der::Any, der::asn1::BitString>,
    ) -> Result<Certificate, Fault> {
        let what = |e: x509_cert::builder::Error| Fault::caused_by("make a certificate", e);
        let failed = |e: der::Error| Fault::caused_by("make a certificate", e);
        let subject = name(common)?;
        let issuer = match self.certificate {
            Some(certificate) => certificate.tbs_certificate().subject().clone(),
            None => subject.clone(),
        };
        let serial = SerialNumber::new(kernel::id::new_v7(self.now).as_bytes()).map_err(failed)?;
        let validity = Validity::new(time(self.now - BACKDATED)?, time(self.now + self.lasts)?);
        let profile = Profile {
            subject,
            issuer,
            extensions: extensions(purpose)?,
        };
        let builder = CertificateBuilder::new(profile, serial, validity, public).map_err(what)?;
        builder.build::<_, DerSignature>(self.key).map_err(what)
    }
}

/// The public half of a key as certificates carry it.
pub fn public(
    key: &SigningKey,
) -> Result<SubjectPublicKeyInfo<der::Any, der::asn1::BitString>, Fault> {
    SubjectPublicKeyInfo::from_key(key.verifying_key())
        .map_err(|e| Fault::caused_by("write a public key", e))
}

/// A request for a certificate, PEM.
pub fn request(key: &SigningKey, common: &str) -> Result<String, Fault> {
    let what = |e: x509_cert::builder::Error| Fault::caused_by("make a certificate request", e);
    let builder = RequestBuilder::new(name(common)?).map_err(what)?;
    let request = builder.build::<_, DerSignature>(key).map_err(what)?;
    request
        .to_pem(LineEnding::LF)
        .map_err(|e| Fault::caused_by("write a certificate request", e))
}

/// The key that a request asks a certificate for, if whoever asks has it.
pub fn requested(pem: &str) -> Option<SubjectPublicKeyInfo<der::Any, der::asn1::BitString>> {
    let request = CertReq::from_pem(pem).ok()?;
    let key = PublicKey::from_der(&request.info.public_key.to_der().ok()?).ok()?;
    let signature = Signature::from_der(request.signature.as_bytes()?).ok()?;
    let signed = request.info.to_der().ok()?;
    International.verify(&key, &signed, &signature).ok()?;
    Some(request.info.public_key)
}

/// SM3 of a certificate in DER, hexadecimal: what it is known by.
pub fn fingerprint(der: &[u8]) -> String {
    hex::encode(sm3(der))
}

pub fn to_pem(certificate: &Certificate) -> Result<String, Fault> {
    certificate
        .to_pem(LineEnding::LF)
        .map_err(|e| Fault::caused_by("write a certificate", e))
}

pub fn to_der(certificate: &Certificate) -> Result<Vec<u8>, Fault> {
    certificate
        .to_der()
        .map_err(|e| Fault::caused_by("write a certificate", e))
}

pub fn from_pem(pem: &str) -> Result<Certificate, Fault> {
    Certificate::from_pem(pem).map_err(|e| Fault::caused_by("read a certificate", e))
}

pub fn from_der(der: &[u8]) -> Result<Certificate, Fault> {
    Certificate::from_der(der).map_err(|e| Fault::caused_by("read a certificate", e))
}

/// The public key of a certificate in DER.
pub fn key_of(der: &[u8]) -> Result<PublicKey, Fault> {
    let certificate = from_der(der)?;
    let public = certificate.tbs_certificate().subject_public_key_info();
    let public = public
        .to_der()
        .map_err(|e| Fault::caused_by("read a certificate's key", e))?;
    PublicKey::from_der(&public).map_err(|e| Fault::caused_by("read a certificate's key", e))
}

/// The first moment at which a certificate holds.
pub fn not_before(certificate: &Certificate) -> DateTime<Utc> {
    moment(certificate.tbs_certificate().validity().not_before)
}

/// The last moment at which a certificate holds.
pub fn not_after(certificate: &Certificate) -> DateTime<Utc> {
    moment(certificate.tbs_certificate().validity().not_after)
}

fn moment(time: Time) -> DateTime<Utc> {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The library's form of a P-256 key.
pub fn p256(key: &PrivateKey) -> Result<SigningKey, Fault> {
    key.as_p256()
        .cloned()
        .ok_or_else(|| Fault::new("a key file of the exchange holds a key of another kind"))
}

fn name(common: &str) -> Result<Name, Fault> {
    // Signs that separate parts of a distinguished name do not belong into a part of it.
    let clean: String = common
        .chars()
        .filter(|c| !",+=<>#;\\\"/".contains(*c))
        .collect();
    Name::from_str(&format!("CN={clean},O=Tongban,C=CN"))
        .map_err(|e| Fault::caused_by("name a certificate's subject", e))
}

fn time(at: DateTime<Utc>) -> Result<Time, Fault> {
    let seconds = u64::try_from(at.timestamp()).unwrap_or_default();
    Time::try_from(SystemTime::UNIX_EPOCH + StdDuration::from_secs(seconds))
        .map_err(|e| Fault::caused_by("date a certificate", e))
}

/// What is said besides the keys.
struct Extensions {
    is_authority: bool,
    usage: FlagSet<KeyUsages>,
    extended: Vec<ObjectIdentifier>,
    names: Vec<GeneralName>,
}

fn extensions(purpose: &Purpose<'_>) -> Result<Extensions, Fault> {
    let none = Extensions {
        is_authority: false,
        usage: KeyUsages::DigitalSignature.into(),
        extended: Vec::new(),
        names: Vec::new(),
    };
    Ok(match purpose {
        Purpose::Authority => Extensions {
            is_authority: true,
            usage: KeyUsages::KeyCertSign | KeyUsages::CRLSign,
            ..none
        },
        Purpose::Server(names) => Extensions {
            extended: vec![SERVER],
            names: names.iter().map(|n| general(n)).collect::<Result<_, _>>()?,
            ..none
        },
        Purpose::Client => Extensions {
            extended: vec![CLIENT],
            ..none
        },
    })
}

fn general(name: &str) -> Result<GeneralName, Fault> {
    let failed = |e| Fault::caused_by("name the hub", e);
    Ok(match name.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            GeneralName::IpAddress(OctetString::new(address.octets()).map_err(failed)?)
        }
        Ok(IpAddr::V6(address)) => {
            GeneralName::IpAddress(OctetString::new(address.octets()).map_err(failed)?)
        }
        Err(_) => GeneralName::DnsName(Ia5String::new(name).map_err(failed)?),
    })
}

struct Profile {
    subject: Name,
    issuer: Name,
    extensions: Extensions,
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
        let above = AuthorityKeyIdentifier {
            key_identifier: Some(SubjectKeyIdentifier::try_from(issuer_key)?.0),
            ..AuthorityKeyIdentifier::default()
        };
        let basic = BasicConstraints {
            ca: self.extensions.is_authority,
            path_len_constraint: None,
        };
        let subject = tbs.subject();
        let mut all = vec![
            own.to_extension(subject, &[])?,
            above.to_extension(subject, &[])?,
            basic.to_extension(subject, &[])?,
            KeyUsage(self.extensions.usage).to_extension(subject, &[])?,
        ];
        if !self.extensions.extended.is_empty() {
            let extended = ExtendedKeyUsage(self.extensions.extended.clone());
            all.push(extended.to_extension(subject, &[])?);
        }
        if !self.extensions.names.is_empty() {
            let names = SubjectAltName(self.extensions.names.clone());
            all.push(names.to_extension(subject, &[])?);
        }
        Ok(all)
    }
}
